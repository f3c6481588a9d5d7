"""Trees to event drafts: the words that say which event, how often, when and of what, each in its part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from grammar import lexicon
from grammar.draft import EventDraft, Quant, Refused, Tree, refusal
from grammar.mentions import Edge, EventHit, past_fillers
from grammar.numbers import Amount
from grammar.values import Names, quant_bound
from grammar.vocabulary import singular

OBJECTS = ("obj", "ref", "same", "another", "text_object", "distinct_key", "distinct_thing")
_PARTS = frozenset(  # of a mention; see events
    """prepared keyed keyed_bound amount has_property value_key named_thing dated only_items in_key counted_tail
    duration_arg flagged""".split()
).union(OBJECTS)


def event_draft(names: Names, core: Tree) -> EventDraft:
    """The event of a verb phrase, with all that stands beside it."""
    head = core.part("evhead")
    draft = head_draft(names, head)
    draft.first = core.first
    for pre in core.trees("evpre"):
        take_pre(names, draft, pre)
    take_args(names, draft, [t for t in core.trees() if t.name not in ("evhead", "evpre", "vlist")])
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
    noun = any(verb.end in names.lattice.at[i].get("EN", {}) for i in range(verb.first, verb.end))
    product = any("THING" in names.lattice.at[i] for i in range(verb.first, verb.end))
    return EventDraft(verb.first, verb.end, verb.meaning, nominal=noun, about_product=product)


def enp_draft(names: Names, enp: Tree) -> EventDraft:
    """The event that a noun names, with what stands before it."""
    noun = enp.leaf("EN")
    draft = EventDraft(enp.first, enp.end, noun.meaning, noun=True)
    quant = enp.tree("quant")
    if quant is not None:
        edge = next(quant.edges())
        draft.quant = Quant(quant_bound(edge), edge.category == "NONE")
        if isinstance(edge.meaning, Amount) and edge.meaning.currency:
            raise refusal(edge, "An amount of money is no count.")
    draft.another = enp.edge("ANOTHER") is not None
    for pre in enp.trees("enpre"):
        child = pre.child()
        if (isinstance(child, Tree) or child.category == "KEY") and past_fillers(names.lattice, child.end) != child.end:
            raise refusal(child, f'"{names.text(child)}" stands apart from what it tells of.')  # "5 friends a referral"
        if isinstance(child, Tree):
            draft.pre.append(child)
        elif child.category == "WINADJ":
            draft.time = draft.time.at(replace(child, category="WIN"))
        elif child.category == "KEY":
            if "AGG" in names.lattice.at[child.first]:
                raise refusal(child, f'"{names.text(child)}" of what?')  # "total orders"
            draft.objects.append(Tree("has_property", (child,)))
        elif child.category in ("FIRST", "LASTEV"):
            _take_which(names, draft, child)
        else:
            draft.distinct = child
    return draft


def take_args(names: Names, draft: EventDraft, args: Sequence[Tree]) -> None:
    """What stands after an event, each phrase into its part of the draft."""
    totally: Tree | None = None
    own = range(draft.first, draft.end)
    for arg in args:
        if arg.name == "amount" and _of_many(names, draft, arg):  # "orders >= 4"
            alone = not draft.noun and draft.end - draft.first == 1
            if alone or names.lattice.words[arg.first].low not in _SIGNS:
                raise refusal(arg, f'"{names.text(arg)}": is it how many, or how much each?', "vague")
            draft.quant = Quant(quant_bound(arg.leaf("BOUND")))
            draft.end = arg.end
            continue
        draft.end = max(draft.end, arg.end)
        leaf = arg.child()
        edge = leaf if isinstance(leaf, Edge) else None
        match arg.name:
            case "only_items" if not draft.noun and not arg.has("WITH", "OF"):  # "bought only Nike"
                draft.only = "only"
                draft.objects.append(Tree("obj", arg.children[1:]))
            case name if name in _PARTS:
                draft.objects.append(arg)
                if name == "amount" and _is_sum(names, arg):
                    noun = [i for part in (own, *(range(t.first, t.end) for t in draft.tails)) for i in part]
                    draft.summed = any(singular(names.lattice.words[i].low) != names.lattice.words[i].low for i in noun)
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
                draft.tails.append(edge)
            case "times":
                assert edge is not None
                _take_times(names, draft, edge)
            case "window":
                assert edge is not None
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
                draft.only = "only"
            case "totally":
                totally = arg
            case "nothing":
                if draft.objects or draft.quant is not None:
                    raise refusal(arg, "Nothing of what?")
            case "afterwards":
                if arg is not args[-1]:
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
    if totally is not None:
        counted = any(t.tree("quant") is not None for t in draft.objects)  # such are counted over all events anyway
        if not counted and draft.times is None and draft.quant is None:
            draft.summed = any(t.name in ("keyed_bound", "amount") for t in draft.objects)
            if not draft.summed:
                raise refusal(totally, f'"{names.text(totally)}" has no number beside it.')


_SIGNS = frozenset({"<", ">", "<=", ">=", "="})
_OF_A_NUMBER = frozenset(
    "at atleast atmost more fewer less no not exactly precisely minimum maximum min max up upto".split()
)


def _of_many(names: Names, draft: EventDraft, amount: Tree) -> bool:
    """Whether a comparison right after the plural of an event may be of how many there were ("over" is of how much)."""
    words = names.lattice.words[draft.first : draft.end]
    return (
        amount.first == draft.end
        and draft.quant is None
        and draft.times is None
        and (draft.noun or draft.nominal)
        and any(singular(word.low) != word.low for word in words)
        and is_of_a_number(names, amount)
        and not amount.leaf("BOUND").meaning.currency
    )


def _is_sum(names: Names, amount: Tree) -> bool:
    """Whether an amount is that of several things together: "premiums totalling over 500"."""
    word = amount.edge("PRICED")
    return word is not None and names.text(word).casefold() in lexicon.SUMS


def is_of_a_number(names: Names, amount: Tree) -> bool:
    """Whether a comparison is in words that tell how many ("over" tells how much)."""
    return names.lattice.words[amount.first].low in _SIGNS | _OF_A_NUMBER and not amount.has("PRICED", "MONEYNOUN")


def take_pre(names: Names, draft: EventDraft, pre: Tree) -> None:
    """A word before the verb."""
    edge = next(e for e in pre.edges() if e.category != "COMMA")
    match edge.category:
        case "WIN":
            draft.time = replace(draft.time, before=(*draft.time.before, edge))
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
    draft.times = Amount(edge.meaning)


def same_event(names: Names, verb: Edge, draft: EventDraft) -> None:
    """The verb beside a noun names the same event: the draft keeps the candidates that both have."""
    assert draft.hit is not None
    mine = {c.event for c in draft.hit.candidates}
    kept = tuple(c for c in verb.meaning.candidates if c.event in mine)
    if not kept:
        raise refusal(verb, f'"{names.text(verb)}" is another event than the one counted.')
    draft.hit = EventHit(tuple(c for c in draft.hit.candidates if c.event in {k.event for k in kept}))


def same_type(draft: EventDraft, types: Collection[str], otherwise: Refused) -> None:
    """The draft keeps the candidates that are of one of the types; where it has none, it is refused."""
    kept = tuple(c for c in draft.hit.candidates if c.event in types) if draft.hit is not None else ()
    if not kept:
        raise otherwise
    draft.hit = EventHit(kept)


def done_to(names: Names, general: Edge, draft: EventDraft) -> EventDraft:
    """A noun beside a general verb that is also the verb of one of its events ("raised a ticket"): that event."""
    assert draft.hit is not None
    verbs = [e for e in names.lattice.at[general.first].get("EV", {}).values() if e.end == general.end]
    done = {c.event for verb in verbs for c in verb.meaning.candidates}
    kept = tuple(c for c in draft.hit.candidates if c.event in done)
    if kept:
        draft.hit = EventHit(kept)
    return draft


def plain(names: Names, draft: EventDraft, *allowed: str) -> EventDraft:
    """A mention of which only the event and its filters (and what is allowed) count; anything else said is
    refused."""
    if draft.said().difference(allowed):
        raise refusal(draft, f'Not all of "{names.text(draft)}" has a part here.')
    return draft
