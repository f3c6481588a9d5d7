"""Trees to event drafts: the words that say which event, how often, when and of what, each in its part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Literal, TypeAlias

from grammar import lexicon
from grammar.draft import EventDraft, Quant, Refused, Tree, refusal
from grammar.mentions import Edge, EventHit, ValueHit, past_fillers
from grammar.names import is_nominal, stem
from grammar.numbers import Amount
from grammar.query import Ahead, Property
from grammar.values import Names, from_date, is_sum, quant_bound, value_options
from grammar.vocabulary import singular
from grammar.when import Within

OBJECTS = ("obj", "ref", "one", "same", "another", "text_object", "distinct_key", "distinct_thing")
_PARTS = frozenset(  # of a mention; see events
    """stars prepared keyed keyed_bound amount has_property value_key named_thing dated only_items in_key counted_tail
    duration_arg flagged other_things measured that_is score""".split()
).union(OBJECTS)


def event_draft(names: Names, core: Tree) -> EventDraft:
    """The event of a verb phrase, with all that stands beside it."""
    head = core.part("evhead")
    draft = head_draft(names, head)
    draft.first = core.first
    before = core.trees("evpre")
    for pre, after in pairwise(before):
        if pre.has("ONLY") and after.has("WIN"):
            raise refusal(Tree("only", (pre, after)), f'"only" of "{names.text(after)}" is not read.', "unsupported")
    for pre in before:
        take_pre(names, draft, pre)
    take_args(names, draft, [t for t in core.trees() if t.name not in ("evhead", "evpre", "vlist")])
    more = next((e for e in core.children if isinstance(e, Edge) and e.category == "MORE"), None)
    number = next((t for t in draft.objects if more is not None and t.name == "amount" and t.end == more.first), None)
    if number is not None:  # "viewed at least 5 more products in May than in June"
        raise refusal(number, f'By how much there were more ("{names.text(number)}") is not read.', "unsupported")
    for vlist in core.trees("vlist"):
        draft.objects.append(Tree("obj", (vlist,)))
    return draft


def said_event(names: Names, tree: Tree) -> EventDraft:
    """The event that a noun phrase or one word of the tree names, with all that stands beside it."""
    enp = tree.tree("enp", "enp_another", "enpq")
    if enp is not None:
        draft = enp_draft(names, enp)
    else:
        word = tree.leaf("EV", "EN")
        draft = replace(_named(names, word), first=tree.first, end=tree.end)
    take_args(names, draft, [t for t in tree.trees() if t is not enp])
    return draft


def head_draft(names: Names, head: Tree) -> EventDraft:
    """The event that a verb names, or a general verb with a noun."""
    enp = head.tree("enp", "enp_another")
    if enp is not None:
        return done_to(names, head.leaf("GENV"), enp_draft(names, enp))
    return _named(names, head.leaf("EV"))


def _named(names: Names, verb: Edge) -> EventDraft:
    """The event that one verb names, in words that may be a noun too, or name a product."""
    done = any(
        verb.first in edges.get(c, {}) for edges in names.lattice.at[: verb.first] for c in ("NEG", "DO", "MODAL")
    )
    noun = not done and any(verb.end in names.lattice.at[i].get("EN", {}) for i in range(verb.first, verb.end))
    product = any("THING" in names.lattice.at[i] for i in range(verb.first, verb.end))
    return EventDraft(verb.first, verb.end, verb.meaning, nominal=noun, about_product=product)


def enp_draft(names: Names, enp: Tree) -> EventDraft:
    """The event that a noun names, with what stands before it."""
    noun = enp.leaf("EN")
    draft = EventDraft(enp.first, enp.end, noun.meaning, noun=True)
    quant = enp.tree("quant")
    if quant is not None:
        edge = next(quant.edges())
        draft.quant = Quant(quant_bound(edge), edge.category == "NONE", edge)
        names.counts(edge, noun)
        if isinstance(edge.meaning, Amount) and edge.meaning.currency:
            raise refusal(edge, "An amount of money is no count.")
    draft.another = enp.edge("ANOTHER") is not None
    for pre in enp.trees("enpre"):
        child = pre.child()
        if (isinstance(child, Tree) or child.category == "KEY") and past_fillers(names.lattice, child.end) != child.end:
            raise refusal(child, f'"{names.text(child)}" stands apart from what it tells of.')  # "5 friends a referral"
        if isinstance(child, Tree) and child.name == "vkey":  # "high priority tickets"
            draft.objects.append(Tree("value_key", child.children))
            continue
        size = next((e for e in child.leaves() if names.text(e) in _SIZES), None) if isinstance(child, Tree) else None
        if size is not None:  # where a variant is called Large
            raise refusal(size, f'Is "{names.text(size)}" meant as a name? Then it is written in quotes.', "vague")
        if isinstance(child, Tree):
            draft.pre.append(child)
        elif child.category == "WINADJ":
            draft.time = draft.time.at(replace(child, category="WIN"))
        elif child.category == "KEY":
            if any(isinstance(c, Tree) and c.end == child.first for t in enp.trees("enpre") for c in t.children):
                raise refusal(child, f'"{names.text(child)}" is of the value before it.')
            if "AGG" in names.lattice.at[child.first]:
                raise refusal(child, f'"{names.text(child)}" of what?')  # "total orders"
            draft.objects.append(Tree("has_property", (child,)))
        elif child.category == "STARS":
            draft.objects.append(Tree("stars", (child,)))
        elif child.category in ("FIRST", "LASTEV"):
            _take_which(names, draft, child)
        else:
            draft.distinct = child
    return draft


_SIZES = frozenset("large big small huge high low cheap expensive".split())


def take_args(names: Names, draft: EventDraft, args: Sequence[Tree]) -> None:
    """What stands after an event, each phrase into its part of the draft."""
    totally: Tree | None = None
    totalling: Tree | None = None
    own = range(draft.first, draft.end)
    for n, arg in enumerate(args):
        if arg.name == "amount" and _of_many(names, draft, arg):  # "orders >= 4"
            alone = not draft.noun and draft.end - draft.first == 1
            if alone or not _is_sign(names, arg):
                raise refusal(arg, f'"{names.text(arg)}": is it how many, or how much each?', "vague")
            draft.quant = Quant(quant_bound(arg.leaf("BOUND")))
            draft.end = arg.end
            continue
        article = names.lattice.behind_article(draft.first)  # "an order > 500"
        if arg.name == "amount" and arg.first == draft.end and n == 0 and not article and _is_sign(names, arg):
            raise refusal(arg, f'"{names.text(arg)}": is it how many, or how much each?', "vague")  # "Logged In > 10"
        if arg.name == "one" and (n or _ends_in_noun(names, draft, arg.first)):  # "attended a workshop any"
            raise refusal(arg, f'"{names.text(arg)}" stands behind what was done, not behind its object.')
        _no_gap(names, arg, args[n + 1 :])
        draft.end = max(draft.end, arg.end)
        leaf = arg.child()
        edge = leaf if isinstance(leaf, Edge) else None
        match arg.name:
            case "only_items" if not draft.noun and not arg.has("WITH", "OF"):  # "bought only Nike"
                draft.only = "only"
                draft.objects.append(Tree("obj", arg.children[1:]))
            case "other_things" if (tail := arg.edge("TAIL")) is not None:  # "watched any lesson except Brake Basics"
                quant = arg.tree("quant")
                if quant is None:
                    draft.tails.append(tail)
                else:
                    draft.objects.append(Tree("counted_tail", (quant, tail)))
                draft.objects.append(Tree("other_things", tuple(c for c in arg.children if c not in (quant, tail))))
            case "other_things" if n and args[n - 1].name == "has_property" and args[n - 1].end == arg.first:
                raise refusal(arg, f'"{names.text(arg)}" is said of what stands before it.')
            case name if name in _PARTS:
                draft.objects.append(arg)
                if name == "amount" and is_sum(names, arg):
                    noun = [i for part in (own, *(range(t.first, t.end) for t in draft.tails)) for i in part]
                    draft.summed = any(singular(names.lattice.words[i].low) != names.lattice.words[i].low for i in noun)
                    totalling = arg
            case "flagged_tail":  # "booked a refundable flight"
                key, tail, quant = arg.leaf("KEY"), arg.leaf("TAIL"), arg.tree("quant")
                draft.objects.append(Tree("flagged", (key,)))
                draft.pre.extend(arg.trees("vlist"))
                if quant is None:
                    draft.tails.append(tail)
                else:
                    draft.objects.append(Tree("counted_tail", (quant, tail)))
            case "tail_word":
                assert edge is not None
                if n and args[n - 1].end == edge.first and _from_bare(args[n - 1]):
                    raise refusal(arg, f'"{names.text(arg)}" belongs to what stands before it.')
                draft.tails.append(edge)
            case "times":
                assert edge is not None
                _take_times(names, draft, edge)
            case "window":
                assert edge is not None
                if n and args[n - 1].name == "near_date" and args[n - 1].end == edge.first:
                    raise refusal(edge, f'"{names.text(edge)}": this, or what it counts from?', "vague")
                draft.time = draft.time.at(edge)
            case "set_off":
                draft.time = replace(draft.time.at(arg.leaf("WIN")), set_off=True)
            case "within" | "lasting":
                span = arg.leaf("WITHIN", "LASTING")
                draft.time = replace(draft.time, withins=(*draft.time.withins, span))
            case "neither_values":
                draft.none_of = arg
            case "within_of":
                if draft.time.within_of is not None:
                    raise refusal(arg, "Two gaps in one clause.")
                draft.time = replace(draft.time, within_of=arg)
            case "near_date":
                near = from_date(names, arg)
                draft.time = replace(draft.time, near=(*draft.time.near, near))
            case "same_day":
                draft.time = replace(draft.time, same_day=arg)
            case "following":
                draft.time = replace(draft.time, following=edge)
            case "future" if edge is not None and isinstance(edge.meaning.period, Ahead):
                draft.time = replace(draft.time, following=edge)
            case "either_window":
                draft.time = replace(draft.time, either=edge)
            case "future":
                raise refusal(arg, f'The future is not known: "{names.text(arg)}".', "unsupported")
            case "prior":
                draft.time = replace(draft.time, prior=edge)
            case "ever":
                draft.time = replace(draft.time, ever=True)
            case "regular":
                if draft.regular is not None:
                    raise refusal(arg, "Two rhythms in one clause.")
                draft.regular = edge
            case "only":
                _take_only(names, draft, arg, args)
            case "totally":
                totally = arg
            case "nothing":
                if draft.objects or draft.quant is not None:
                    raise refusal(arg, "Nothing of what?")
                assert edge is not None
                if edge.meaning is not None:  # "viewed helmets but bought none": did not buy one
                    draft.objects.append(Tree(edge.meaning, (replace(edge, category=edge.meaning.upper()),)))
            case "afterwards":  # what has a clause before it takes the word for itself
                raise refusal(arg, "It is not said after what.")
            case "once_more":
                _take_again(names, draft, arg)
            case "in_one":
                draft.in_one = True
            case "first":
                assert edge is not None
                _take_which(names, draft, edge)
            case _:
                raise refusal(arg, f'"{names.text(arg)}" has no part here.')
    _take_totals(names, draft, args, totally, totalling)


def _take_totals(
    names: Names, draft: EventDraft, args: Sequence[Tree], totally: Tree | None, totalling: Tree | None
) -> None:
    """ "in total": said right behind an amount it is a sum's; behind how many, nothing new, since such are counted over
    all events anyway. "Totalling over 1000" beside a number of events is a sum too."""
    things = any(t.tree("quant") is not None for t in draft.objects if t.name != "counted_tail")
    counted = things or draft.times is not None or draft.quant is not None
    counted = counted or any(t.name == "counted_tail" for t in draft.objects)
    if totalling is not None and counted:
        draft.summed = True
    nouns = (e for t in draft.objects if t.name == "amount" for e in t.leaves() if e.category == "MONEYNOUN")
    for noun in nouns if counted else ():  # "at least 3 times for over 1000 total"
        if names.text(noun).casefold() not in lexicon.EACH:
            raise refusal(noun, f'"{names.text(noun)}": of each, or of all together?', "vague")
    if totally is not None:
        at = args.index(totally)
        behind = args[at - 1] if at and args[at - 1].end == totally.first else None
        measured = any(t.name in _MEASURED or t.trees("objpost") for t in draft.objects)
        summed = behind is not None and (behind.name in _MEASURED or bool(behind.trees("objpost")))
        if (
            measured
            and counted
            and not summed
            and (behind is None or behind.name not in ("times", "counted_tail", "obj"))
        ):
            raise refusal(totally, f'"{names.text(totally)}": how many, or how much?', "vague")
        if summed or not counted:
            draft.summed = any(t.name in _MEASURED for t in draft.objects)
        if not draft.summed and (summed or not counted):
            raise refusal(totally, f'"{names.text(totally)}" has no number beside it.')
    if draft.summed and things:
        raise refusal(totally or totalling or draft, "A sum of so many things is not read.", "unsupported")


_MEASURED = frozenset({"keyed_bound", "amount", "duration_arg"})


def _no_gap(names: Names, arg: Tree, rest: Sequence[Tree]) -> None:
    """Refused is a length of time, without "for", that tells how long after or before something it was, or on how many
    days: it is no duration of the event itself."""
    if arg.name not in ("duration_arg", "keyed_bound", "keyed", "measured") or arg.has("FOR", "BY"):
        return
    last = names.lattice.words[arg.end - 1].low
    follows = names.lattice.at[arg.end].keys() if arg.end < len(names.lattice.at) else set()
    timed = bool(rest) and rest[0].first == arg.end and rest[0].name in _TIMED  # "more than 30 minutes after 6 pm"
    if last not in lexicon.DURATION_SUFFIXES:
        return
    if follows & {"AFTER", "BEFORE", "SINCE", "LATER", "THEN"} and not timed:
        raise refusal(arg, f'A gap of "{names.text(arg)}" is not read; "within" so long is.', "unsupported")
    if timed and lexicon.DURATION_SUFFIXES[last] in ("day", "week", "month", "year"):
        raise refusal(arg, f'"{names.text(arg)}": on so many, or how long?', "vague")


def _from_bare(arg: Tree) -> bool:
    """ "opened from urgent | ticket": a value right behind its preposition, as in "from the weekly newsletter" not."""
    prep = next(arg.leaves()) if arg.name == "prepared" else None
    return prep is not None and prep.category == "FROM" and arg.part("vlist").first == prep.end


_SIGNS = frozenset("< > <= >= =< => ≤ ≥ = ==".split())
_OF_A_NUMBER = frozenset(
    "at atleast atmost more fewer less no not exactly precisely minimum maximum min max up upto".split()
)


def gaps_of(draft: EventDraft) -> list[Edge]:
    """The gaps that are said after an event: "within 7 days"."""
    return [edge for edge in draft.time.withins if isinstance(edge.meaning, Within)]


def _of_many(names: Names, draft: EventDraft, amount: Tree) -> bool:
    """Whether a comparison right after the plural of an event may be of how many there were ("over" is of how much)."""
    words = names.lattice.words[draft.first : draft.end]
    return (
        amount.first == draft.end
        and not any(t.name == "has_property" for t in draft.objects)  # "with points >= 4"
        and draft.quant is None
        and draft.times is None
        and (draft.noun or draft.nominal)
        and any(singular(word.low) != word.low for word in words)
        and is_of_a_number(names, amount)
        and not amount.leaf("BOUND").meaning.currency
    )


def _ends_in_noun(names: Names, draft: EventDraft, end: int) -> bool:
    """Whether the words of an event up to a word are its noun, with a verb ("attended a workshop") or alone."""
    named = any(end in names.lattice.at[i].get("EN", {}) for i in range(draft.first + (not draft.noun), end))
    return named and not names.lattice.words[end - 1].low.endswith("ing")


def _is_sign(names: Names, amount: Tree) -> bool:
    return names.lattice.words[amount.first].low in _SIGNS and not amount.leaf("BOUND").meaning.currency


def is_of_a_number(names: Names, amount: Tree) -> bool:
    """Whether a comparison is in words that tell how many ("over" tells how much)."""
    return names.lattice.words[amount.first].low in _SIGNS | _OF_A_NUMBER and not amount.has("PRICED", "MONEYNOUN")


def take_pre(names: Names, draft: EventDraft, pre: Tree) -> None:
    """A word before the verb."""
    edge = next(e for e in pre.edges() if e.category != "COMMA")
    match edge.category:
        case "WIN":
            draft.time = replace(draft.time, before=(*draft.time.before, edge))
        case "NEXT":
            if draft.time.following is not None:
                raise refusal(edge, f'"{names.text(edge)}" says a second time what it follows.')
            draft.time = replace(draft.time, following=edge)
        case "EVER":
            draft.time = replace(draft.time, ever=True)
        case "FIRST" | "LASTEV":
            _take_which(names, draft, edge)
        case "ONLY":
            draft.only = "always" if names.text(edge).casefold() in ("always", "invariably") else "only"
        case "TIMES":
            _take_times(names, draft, edge)
        case "AGAIN":
            _take_again(names, draft, edge)
        case _:
            raise refusal(edge, f'"{names.text(edge)}" has no part here.')


def first_or_last(word: Edge) -> Literal["first", "last"]:
    """Which of them a word means."""
    return "first" if word.category == "FIRST" else "last"


def _take_only(names: Names, draft: EventDraft, only: Tree, args: Sequence[Tree]) -> None:
    """ "only" tells of all that was done. Said of a time, or of one thing of several, it is not read."""
    at = args.index(only)
    before, after = args[:at], args[at + 1 :]
    timed = [t for t in (*before[-1:], *after[:1]) if t.name in _TIMED and (t.end == only.first or t.first == only.end)]
    narrowed = after[:1] if draft.objects or draft.pre else []
    one = [t for t in after[:1] if t.name == "one" and t.first == only.end]  # "only one" is a number
    for beside in (*timed, *narrowed, *one):
        first, last = sorted((only, beside), key=lambda t: t.first)
        raise refusal(Tree("only", (first, last)), f'"only" of "{names.text(beside)}" is not read.', "unsupported")
    draft.only = "only"


_TIMED = frozenset({"window", "set_off", "within", "lasting", "prior", "regular"})


def _take_which(names: Names, draft: EventDraft, edge: Edge) -> None:
    if draft.which is not None:
        raise refusal(edge, f'"{names.text(edge)}" is a second word for which one it is.')
    draft.which = first_or_last(edge)


def _take_again(names: Names, draft: EventDraft, part: Tree | Edge) -> None:
    if draft.again:
        raise refusal(part, f'"{names.text(part)}" says the same thing twice.')
    draft.again = True


def _take_times(names: Names, draft: EventDraft, edge: Edge) -> None:
    if draft.times is not None or draft.quant is not None:
        raise refusal(edge, "Two numbers count the same thing.")
    if not float(edge.meaning.value).is_integer():
        raise refusal(edge, f'"{names.text(edge)}" is no number of times.')
    draft.times = Amount(edge.meaning, bare=names.text(edge).casefold() in _ONCE)


_ONCE = ("once", "a single time", "one single time")  # behind a negation: not at all


def same_event(names: Names, verb: Edge, draft: EventDraft) -> None:
    """The verb beside a noun names the same event: the draft keeps the candidates that both have."""
    assert draft.hit is not None
    mine = {c.event for c in draft.hit.candidates}
    kept = tuple(c for c in verb.meaning.candidates if c.event in mine)
    if not kept:
        raise refusal(verb, f'"{names.text(verb)}" is another event than the one counted.')
    draft.hit = EventHit(tuple(c for c in draft.hit.candidates if c.event in {k.event for k in kept}))


def same_type(draft: EventDraft, types: Collection[str | None], otherwise: Refused) -> None:
    """The draft keeps the candidates that are of one of the types; where it has none, it is refused."""
    kept = tuple(c for c in draft.hit.candidates if c.event in types) if draft.hit is not None else ()
    if not kept:
        raise otherwise
    draft.hit = EventHit(kept)


_FITTING = {  # of general verbs that do not fit every event of a noun, the verbs of those that they do
    "complet": frozenset("give make do perform submit writ complet finish pass attend".split()),
    "make": lexicon.LIGHT_STEMS
    | frozenset("creat book reserv schedul start request buy add order rais open pay".split()),
}
_HAD = frozenset({"take", "go", "give", "place"})  # what happens is had, taken, gone for or given


@cache
def _everyday_pairs() -> dict[tuple[str, str], set[str]]:
    """The default events that a verb and a noun name together, by their stems: "got a refund"."""
    pairs: dict[tuple[str, str], set[str]] = {}
    for words, form, event in (row for rows in lexicon.EVERYDAY.values() for row in rows):
        if form == "verb" and len(words) == 2:
            pairs.setdefault((stem(words[0]), stem(words[1])), set()).add(event)
    return pairs


def done_to(names: Names, general: Edge, draft: EventDraft) -> EventDraft:
    """A noun beside a general verb that is also the verb of one of its events ("raised a ticket"): that event. A verb
    that is not quite general needs a noun that tells what was done ("placed a booking", but no "left a webinar")."""
    assert draft.hit is not None
    if any(word.low == "all" for word in names.lattice.words[general.end : draft.first]):  # "placed all orders"
        raise refusal(Tree("all", (general,)), f'"{names.text(general)} all" of them, or any?', "vague")
    verbs = [e for e in names.lattice.at[general.first].get("EV", {}).values() if e.end == general.end]
    done = {c.event for verb in verbs for c in verb.meaning.candidates}
    noun_word = names.lattice.words[draft.end - 1].low
    said = (stem(names.text(general).casefold()), stem(noun_word))  # "how many refunds did women get"
    done |= _everyday_pairs().get(said, set())
    kept = tuple(c for c in draft.hit.candidates if c.event in done)
    if kept:
        draft.hit = EventHit(kept)
        return draft
    noun = draft.hit.candidates[0].tier == "noun"
    never_done = all(names.verbs(c.event) & lexicon.NEVER_DONE_STEMS for c in draft.hit.candidates)
    if noun and general.meaning is None and never_done:  # "completed a profile" of profile-viewed
        raise refusal(general, f'"{names.text(general)}" is not what was done there.')
    fitting = _FITTING.get(stem(names.text(general).split()[0].casefold()))
    if noun and fitting and all(not names.verbs(c.event) & fitting for c in draft.hit.candidates):
        raise refusal(general, f'"{names.text(general)}" is not what was done there.')
    told = general.meaning is None or (general.meaning == "act" and not noun)
    way = stem(names.text(general).split()[-1].casefold())
    flags = [k for c in draft.hit.candidates for k in names.keys(c.event, "event") if "boolean" in k.holds]
    if told and any(stem(k.name.casefold()) == way for k in flags):  # "completed plays", where a play has "completed"
        raise refusal(general, f'"{names.text(general)}": done, or so in the end?', "vague")
    otherwise = refusal(general, f'"{names.text(general)}" is not what {draft.hit.candidates[0].event} says was done.')
    nominal = all(is_nominal(c.event) for c in draft.hit.candidates)
    if told and nominal and general.meaning == "act" and stem(names.text(general).split()[0].casefold()) not in _HAD:
        raise otherwise  # "paid a session"
    alike = next((s for s in lexicon.ALIKE_STEMS if stem(names.text(general).casefold()) in s), frozenset())
    if alike and not told:  # "opened a chat" of chat-started, "got a message" of message-received
        if noun or not nominal:  # no "got a scan" of body-scan
            same_type(draft, {c.event for c in draft.hit.candidates if names.verbs(c.event) & alike}, otherwise)
        return draft
    if not told:
        raise otherwise
    return draft


def plain(names: Names, draft: EventDraft, *allowed: str) -> EventDraft:
    """A mention of which only the event and its filters (and what is allowed) count; anything else said is
    refused."""
    if draft.said().difference(allowed):
        raise refusal(draft, f'Not all of "{names.text(draft)}" has a part here.')
    return draft


# ── several objects of one verb ───────────────────────────────────────────────────────────────────────────────────

Alternatives: TypeAlias = tuple[tuple[EventDraft, ...], ...]
"""Drafts of one verb, any of which, each with all that must hold beside it: its objects by or, and by and."""


def objects_apart(names: Names, draft: EventDraft) -> list[Alternatives]:
    """The drafts of a verb whose objects have a number or a filter each, or are joined by both and and or: one
    grouping, or several that are meant alike. Nothing where all that stands beside it is said of one list."""
    for n, tree in enumerate(draft.objects):
        vlist = tree.tree("vlist") if tree.name in ("obj", "prepared") else None
        if vlist is None or len(vlist.trees("vgroup")) < 2:
            continue
        groups, joints = vlist.trees("vgroup"), _joints(vlist)
        number = tree.tree("quant")
        head = _shares_head(names, draft, groups)
        anew = [_opens(names, group) for group in groups]
        if tree.name == "prepared":
            at = next((k for k, group in enumerate(groups) if k and _other_kind(names, draft, tree, group)), None)
            if at is not None:
                return [_filters_apart(names, draft, n, at)]
        alone = [t for t in draft.objects[n + 1 :] if _of_items(names, draft, t)]  # said of the last, or of all
        if alone and any(anew[1:]) and (number is not None or len(set(joints)) > 1):
            raise refusal(alone[0], f'"{names.text(alone[0])}": of all of them, or of the last?', "vague")
        if number is not None and any(anew[1:]):
            if draft.in_one:
                raise refusal(draft, "Several things in one order are not read so.", "unsupported")
            if head:
                raise refusal(tree, "Which of these is so many?", "vague")
            return [_number_apart(draft, n, joints, anew)]
        if {"and", "or"} <= set(joints):
            if head:
                raise refusal(vlist, "Which of these go together?", "vague")
            return _mixed(draft, n, joints, anew)
        if alone and any(anew[1:]):
            return _last_alone(draft, n, joints, alone)
    return []


def _joints(vlist: Tree) -> list[Literal["and", "or"]]:
    """How each group after the first is joined: a comma takes the joint that the list goes on to."""
    found: list[Literal["and", "or"]] = []
    for child in reversed(vlist.children):
        if isinstance(child, Edge) and child.category in ("AND", "OR"):
            found.append("and" if child.category == "AND" else "or")
            child.used.append(None)
        elif isinstance(child, Tree) and child is not vlist.trees("vgroup")[0]:
            joined = vlist.children[vlist.children.index(child) - 1]
            if isinstance(joined, Edge) and joined.category == "COMMA":
                found.append(found[-1] if found else "and")
    return found[::-1]


def _opens(names: Names, group: Tree) -> bool:
    """Whether an article or another determiner stands before values: a new object begins."""
    return group.first > 0 and names.lattice.words[group.first - 1].low in lexicon.DETERMINERS


def _other_kind(names: Names, draft: EventDraft, tree: Tree, group: Tree) -> bool:
    """Whether some value behind a preposition's own is of another property: "from Corvino or (Brisk) saddles"."""
    prep = next(tree.part("prep").edges()).category
    first = tree.part("vlist").trees("vgroup")[0]
    told = False
    for candidate in draft.hit.candidates if draft.hit is not None else ():
        one = _kinds(names, candidate.event, first, prep)
        others = [_kinds(names, candidate.event, Tree("vgroup", (leaf,)), prep) for leaf in group.leaves()]
        if all(one & other for other in others):
            return False
        told = told or bool(one and all(others))
    return told


def _kinds(names: Names, event: str, group: Tree, prep: str) -> set[Property]:
    """The properties of an event that values can be of."""
    hits = [e for e in group.leaves() if isinstance(e.meaning, ValueHit)]
    return {p for e in hits for option in value_options(names, event, e, prep) for p in option.properties}


def _shares_head(names: Names, draft: EventDraft, groups: Sequence[Tree]) -> bool:
    """Whether the last of a list may have the noun of all: "red or black saddles"."""
    *others, last = groups
    head = Tree("vgroup", last.children[:1])
    events = [c.event for c in draft.hit.candidates] if draft.hit is not None else []
    alike = any(
        len(g.children) == 1 and _kinds(names, e, g, "") & _kinds(names, e, head, "") for g in others for e in events
    )
    return len(last.children) > 1 and alike


def _filters_apart(names: Names, draft: EventDraft, n: int, at: int) -> Alternatives:
    """ "bought helmets from Corvino or saddles from Brisk": what comes before the second object is of the first."""
    tree = draft.objects[n]
    vlist = tree.part("vlist")
    groups, joints = vlist.trees("vgroup"), set(_joints(vlist))
    vague = refusal(vlist, "Which of these is said of which?", "vague")
    said = vlist.has("AND", "OR")
    if len(joints) > 1 or draft.pre or draft.said() - {"window"} or (at > 1 and not said):
        raise vague
    one = draft.copy([*draft.objects[:n], Tree("prepared", (tree.part("prep"), _listed(vlist, groups[:at])))])
    two = draft.copy([Tree("obj", (_listed(vlist, groups[at:]),)), *draft.objects[n + 1 :]])
    more = objects_apart(names, two) or [((two,),)]
    either = "or" in joints if said or len(more[0]) == 1 == len(more[0][0]) else len(more[0]) > 1
    if len(more) > 1 or (len(more[0][0]) > 1 if either else len(more[0]) > 1) or objects_apart(names, one):
        raise vague
    return ((one,), *more[0]) if either else ((one, *more[0][0]),)


def _of_items(names: Names, draft: EventDraft, tree: Tree) -> bool:
    """Whether a phrase after a list tells of things, and not of the event: "from Corvino"."""
    if tree.name != "prepared" or draft.hit is None:
        return False
    prep = next(tree.part("prep").edges()).category
    groups = tree.part("vlist").trees("vgroup")
    kinds = {p.level for c in draft.hit.candidates for g in groups for p in _kinds(names, c.event, g, prep)}
    return kinds == {"item"}


def _last_alone(draft: EventDraft, n: int, joints: Sequence[str], alone: Sequence[Tree]) -> list[Alternatives]:
    """ "bought a bell and a saddle from Corvino": both are from there, or the saddle is."""
    tree = draft.objects[n]
    groups = tree.part("vlist").trees("vgroup")
    listed = [Tree("obj", (Tree("vlist", (group,)),)) for group in groups]
    if len(tree.children) > 1 or len(set(joints)) > 1 or draft.said() - {"window"}:
        raise refusal(alone[0], "Is this said of all of them, or of the last?", "vague")
    rest = draft.objects[n + 1 :]
    bare = [t for t in rest if t not in alone]
    both = [draft.copy([*draft.objects[:n], one, *rest]) for one in listed]
    last = [draft.copy([*draft.objects[:n], one, *(rest if one is listed[-1] else bare)]) for one in listed]
    return [tuple((p,) for p in parts) if joints[0] == "or" else (tuple(parts),) for parts in (both, last)]


def _listed(vlist: Tree, groups: Sequence[Tree], joint: str = "") -> Tree:
    """Some groups of a list, joined as they were, by the one joint or by commas."""
    links = [c for c in vlist.children if isinstance(c, Edge) and c.category in ("AND", "OR", "COMMA")]
    link = min(links, key=lambda c: (c.category != joint.upper(), c.category == "COMMA"))
    return Tree("vlist", tuple(part for k, group in enumerate(groups) for part in ((link, group) if k else (group,))))


def _number_apart(draft: EventDraft, n: int, joints: Sequence[str], anew: Sequence[bool]) -> Alternatives:
    """ "bought two helmets and a saddle": the number is that of the first, of the others there is one at least."""
    tree = draft.objects[n]
    vlist = tree.part("vlist")
    if not all(anew[1:]) or len(set(joints)) > 1 or len(tree.children) > 2 or draft.said() - {"window"}:
        raise refusal(tree, "Which of these is so many?", "vague")
    first, *others = vlist.trees("vgroup")
    objects = [(tree.part("quant"), Tree("vlist", (first,))), *((Tree("vlist", (group,)),) for group in others)]
    parts = [draft.copy([*draft.objects[:n], Tree("obj", o), *draft.objects[n + 1 :]]) for o in objects]
    return tuple((part,) for part in parts) if joints[0] == "or" else (tuple(parts),)


def _mixed(draft: EventDraft, n: int, joints: Sequence[str], anew: Sequence[bool]) -> list[Alternatives]:
    """ "a helmet or saddle and a bell": and binds tighter; an article may begin another object, of what stands before
    it together."""
    tree = draft.objects[n]
    vlist = tree.part("vlist")
    groups = vlist.trees("vgroup")

    def grouped(starts: Sequence[int]) -> Alternatives:
        found: list[list[EventDraft]] = [[]]
        for start, end in zip(starts, [*starts[1:], len(groups)], strict=True):
            inside = set(joints[start : end - 1])
            if len(inside) > 1:
                raise refusal(vlist, "Which of these go together?", "vague")
            listed = _listed(vlist, groups[start:end], next(iter(inside), joints[0]))
            same = tuple(listed if child is vlist else child for child in tree.children)
            if start and joints[start - 1] == "or":
                found.append([])
            found[-1].append(draft.copy([*draft.objects[:n], Tree(tree.name, same), *draft.objects[n + 1 :]]))
        return tuple(tuple(together) for together in found)

    if len(tree.children) > 1 + (tree.name == "prepared") or draft.said() - {"window"}:
        raise refusal(vlist, "Which of these go together?", "vague")
    if vlist.has("EITHER"):  # "either a helmet or a saddle, and a bell"
        first = joints.index("and") + 1
        if "or" not in joints[: first - 1] or "or" in joints[first:]:
            raise refusal(vlist, "Which of these go together?", "vague")
        return [grouped([0, *range(first, len(groups))])]
    by_article = [k for k in range(len(groups)) if not k or anew[k]]
    alike = [range(len(groups)), by_article] if any(anew[1:]) else [range(len(groups))]
    return [grouped(starts) for starts in alike]
