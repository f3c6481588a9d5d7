"""Whom a question is about: noun phrases, clauses and the groups that they make, each of which may hold the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from grammar import lexicon
from grammar.combine import join_clauses
from grammar.comparisons import ranking
from grammar.conditions import condition_of
from grammar.context import Context, Head
from grammar.coordinate import attach_windows, in_the_past, reach_over_list
from grammar.draft import Clause, EventDraft, Link, Negation, Quant, Refused, Tree, refusal
from grammar.event_drafts import done_to, enp_draft, event_draft, said_event, same_event, take_args, take_pre
from grammar.mentions import Edge, EventHit, ValueHit, every_one, everyday
from grammar.names import Candidate, stem
from grammar.numbers import Amount
from grammar.predicates import abandoned, activity, event_condition, first_doers, lapsed_buyers, lapsed_doers, newcomers
from grammar.profile import OLDEST, age, age_bare, attribute_alternatives, attribute_list, boolean, gender, value_key_is
from grammar.query import (
    ALWAYS,
    Attribute,
    Bound,
    Condition,
    Everyone,
    Rank,
    Several,
    Term,
    Text,
    all_of,
    any_of,
    negated,
)
from grammar.values import (
    ORDER,
    canonical,
    key_noun,
    negates,
    place_condition,
    place_keys,
    quant_bound,
    signup_event,
    signup_key,
    value_options,
    vlist_groups,
)
from grammar.vocabulary import Value, singular

VPS = frozenset({"vp", "vp_be", "vp_either", "vp_neither", "vp_both"})
RESTS = frozenset({"linked", "loose"})
POPULATIONS = ("asked", "population", "bracketed", "value_population")
RELATIVES = frozenset({"group", "who", "who_then", "whose_", "bywhom", "aside", "except"})
_HAPPENINGS = frozenset({"signed_up", "abandoned", "came_back", "stopped", "moved_segment"})
_EVENT_NMODS = frozenset({"with_event", "without_event", "active"})
NMODS = frozenset(
    """place place_aged place_outside age age_bare tagged named has_key lacks_key bound_key measure_bound
    measure_average with_event without_event inactive active basket boolean boolean_not keyed keyed_bound birth
    when of_object lapsed favourite whose_extreme versus_nouns versus_noun_windows versus_average measure_versus
    born on_plan neither_mods value_key_is signed_up in_segment has_keys lacks_keys any_keys lacks_all
    value_key_not measure_share rank_in_share measure_than measure_than_all event_share""".split()
)
_CLAIMS = frozenset({"event", "spent", "signed_up"})  # what somebody did, and is called for
_RANKS_OF = frozenset({"rank_spenders_of", "rank_by", "rank_most", "rank_most_spent", "rank_most_of", "rank_highest"})
RANKED_SO = ("rank_most", "rank_most_of", "rank_most_spent", "rank_highest")  # behind their noun
_SUBJECTS = frozenset({"NEG", "WHO", "WHOSE", "PRON", "HAVE", "BE", "DO", "NONE", "NEITHER", "SPENT"})  # open a clause
_DONE = frozenset("made placed done performed taken".split())  # say no more than the noun before them


def population_of(ctx: Context, tree: Tree) -> Condition:
    """Whom a population means, under the window at its head."""
    if tree.name == "asked":
        if _word_before(ctx, tree) == "what":
            raise Refused("unsupported", tree.first - 1, tree.first, _WHAT_DONE)
        tree = Tree("population", tuple(c for c in tree.children if isinstance(c, Tree)))
    if tree.name == "bracketed":
        return population_of(ctx, tree.trees()[0])
    opening = tree.tree("opening")
    win = opening.edge("WIN") if opening is not None else None
    if opening is not None and opening.has("EVER"):
        _not_history(ctx, tree, opening)
    if opening is None or win is None:
        return _populated(ctx, tree, opening)
    ctx = replace(ctx, head=Head(ctx.window(win)))
    found = _populated(ctx, tree, opening)
    if not ctx.head.used:
        raise refusal(opening, f'"{ctx.text(opening)}" has no verb to belong to.')
    return found


_WHAT_DONE = "What was done is asked for, not who did it."


def _not_history(ctx: Context, tree: Tree, opening: Tree) -> None:
    """ "previously gold members": of attributes only what holds now is known, and a time before is of an event."""
    if ctx.text(opening.leaf("EVER")).casefold() == "before":  # of no limit it stands behind its verb
        raise refusal(opening, "Before what?", "incomplete")
    np = tree.tree("np")
    contacts = np.part("nphead").children[0] if np is not None else None
    said = isinstance(contacts, Edge) and contacts.category not in ("BUYERS", "AGENT")
    if (said and not opening.has("COMMA")) or tree.name == "value_population":
        raise refusal(opening, f'"{ctx.text(opening)}": what a contact was before is not known.', "unsupported")


def _populated(ctx: Context, tree: Tree, opening: Tree | None) -> Condition:
    """A population by its parts: who, and the clauses that say more of them."""
    tree = _aged(ctx, tree)
    both = _two_subjects(ctx, tree)
    if both is not None:
        return both
    if tree.has("EITHER"):
        raise refusal(tree, "Either which or which?")
    parts = [t for t in tree.trees() if t is not opening]
    np = next((t for t in parts if t.name == "np"), None)
    nmods = [t for t in parts if t.name in NMODS]
    first = [t for t in parts if t.name in VPS]
    rest = [t for t in parts if t.name in RESTS]
    several = next((t for t in parts if t.name == "nofpart"), None)
    if np is not None and np.part("nphead").trees(*RANKED_SO):
        if rest and not first:
            _ranked_by_both(ctx, rest[0])
        for beside in (*nmods, *(one for t in rest if t.name == "loose" for one in t.trees())):
            if beside.name in ("with_event", "without_event"):  # "spent the most with a coupon"
                raise refusal(beside, f'"{ctx.text(beside)}": whom, or what is ranked by?', "vague")
    if tree.name == "value_population":
        _no_noun(ctx, tree)
        named = _of_thing_done(ctx, tree)
        if named is not None:
            return _populated(ctx, named, opening)
        vlist = next(t for t in parts if t.name in ("vlist", "vkey"))
        np = Tree("np", (Tree("npre", (vlist,)), Tree("nphead", (Edge("CONTACT", vlist.end, vlist.end),))))
        tree = Tree("population", tuple(np if child is vlist else child for child in tree.children))
    relatives = [t for t in parts if t.name in (*RELATIVES, "bare", "befell")]
    by = tree.edge("BY")  # "a ride was cancelled by gold members"
    _all_used(ctx, tree, [*nmods, *first, *rest, *relatives, opening, np, several, by])
    for earlier, later in pairwise(nmods):
        if later.name == "place" and earlier.name in _EVENT_NMODS:
            raise refusal(later, "After an event a place is the event's.")
    if np is None and parts:
        _asks_of(ctx, parts[0])
    elif np is not None:
        _asks_what(ctx, np, first)
    if nmods and rest and not first:
        _says_of(ctx, nmods[-1], rest[0])
    moved = [t for t in nmods if t.name in _EVENT_NMODS | {"signed_up"} and np is not None and rest]
    nmods = [t for t in nmods if t not in moved]
    conditions: list[Condition] = []
    about: list[Clause] = []
    if np is not None:
        alternative = bool(rest) and not first and rest[0].name == "linked" and rest[0].trees()[0].name == "or_"
        if alternative and nmods and any(isinstance(c, Edge) and c.category == "NEG" for c in nmods[-1].children):
            phrase = rest[0].trees()[1].trees()[0]
            if _is_bare(ctx, phrase) and ctx.choose((True, False), ctx.text(phrase)):
                nmods, first, alternative = nmods[:-1], nmods[-1:], False  # "not from Porto or over 30" is neither
        subject = noun_phrase(ctx, np, nmods, None if alternative else about)
        if rest and not first and not about and not moved and subject == Everyone() and rest[0].name == "linked":
            raise refusal(rest[0], f'"{ctx.text(rest[0].trees()[0])}" joins nothing.')
        if alternative and not about and not moved:  # "users from Oslo or who bought Nike"
            about.append(Clause(Link("start"), np.first, np.end, condition=subject))
        else:
            conditions.append(subject)
        nmods = []
    if first or rest or nmods or moved or relatives or about:
        conditions.append(combined(ctx, [*moved, *nmods, *first, *relatives], rest, about))
    if several is not None and (first or rest or relatives) and not several.trees("unit"):
        raise refusal(several, f'"{ctx.text(several)}" is said of what they did.')  # "bought any of Nike, Puma"
    if several is not None:
        conditions.append(_several(ctx, several))
    if not conditions:
        raise Refused("incomplete", 0, 1, "It is not said who is meant.")
    head = np is not None and bool(np.part("nphead").trees())
    return _under_rank(conditions) if head and len(conditions) > 1 else all_of(*conditions)


def _aged(ctx: Context, tree: Tree) -> Tree:
    """ "people over 50 added to cart": a number between people and a verb is their age, though the verb with its object
    could be what is counted ("over 50 booked rides"); where it is no plain word of age, or nobody's, either may be
    meant."""
    for unit in (unit for rest in tree.trees("linked") for unit in rest.trees("unit")):
        number, _ = _between_people_and_verb(ctx, unit.tree("np"), unit.tree("with_event"))
        if number is not None:  # "women or men over 60 booked rides"
            raise refusal(number, f'"{ctx.text(number)}": how old, or how often?', "vague")
    np, counted = tree.tree("np"), tree.tree("with_event")
    number, verb = _between_people_and_verb(ctx, np, counted)
    if np is None or counted is None or number is None or verb is None:
        return tree
    plain = ctx.text(number).split()[0].casefold() in _AGE_WORDS and number.meaning.bound.value >= _GROWN
    if not plain and not ctx.choose((False, True), ctx.text(counted)):
        return tree
    if tree.tree("when") is not None:
        raise refusal(counted, f'"{ctx.text(counted)}" has its time beside it.')  # which its own tree says
    of_age = Tree("np", (*np.children, Tree("agebare", (number,))))
    did = Tree("vp", (Tree("event", (Tree("evhead", (verb,)), *counted.children[1:])),))
    instead = {id(np): of_age, id(counted): did}
    return Tree(tree.name, tuple(instead.get(id(c), c) for c in tree.children))


def _between_people_and_verb(ctx: Context, np: Tree | None, counted: Tree | None) -> tuple[Edge | None, Edge | None]:
    """The number that stands right between people and what may be a verb with its object, and that verb."""
    enp = counted.children[0] if counted is not None else None
    if np is None or not isinstance(enp, Tree) or enp.name != "enpq" or enp.trees("enpre"):
        return None, None
    number, noun = enp.part("quant").children[0], enp.leaf("EN")
    verb = ctx.names.lattice.at[noun.first].get("EV", {}).get(noun.end)
    beside = isinstance(number, Edge) and number.category == "BOUND" and number.first == np.end and np.end > np.first
    if not beside or verb is None or noun.end == noun.first + 1 or np.tree("agebare") is not None:
        return None, None
    assert isinstance(number, Edge)
    nobodys = number.meaning.currency is not None or number.meaning.bound.value > OLDEST
    return (None, None) if nobodys else (number, verb)


_AGE_WORDS = frozenset({"over", "under", "above", "below"})
_GROWN = 13  # years: of fewer, a number between people and a verb may be how often


def _word_before(ctx: Context, tree: Tree) -> str:
    return ctx.names.lattice.words[tree.first - 1].low if tree.first else ""


def _asks_of(ctx: Context, tree: Tree) -> None:
    """Refused where the opening words are of what follows: "what tier is gold", "what is the email of Priya", "want to
    book a hut"."""
    before, words = _word_before(ctx, tree), ctx.names.lattice.words
    key = next(tree.leaves())
    of_whom = key.category == "KEY" and words[key.end : key.end + 1] and words[key.end].low == "of"
    if of_whom and "what" in [word.low for word in words[: tree.first]]:
        raise refusal(key, f'"{ctx.text(key)}" of whom? "show the {ctx.text(key)} of …" lists it.', "vague")
    if tree.name == "keyed" and before in ("what", "which"):
        raise refusal(tree, f'What is asked of "{ctx.text(tree)}"?', "unsupported")
    if tree.name in (*VPS, "bare") and before == "to":
        raise refusal(tree, f'"to {ctx.text(tree)}": only what has happened is known.', "unsupported")


def _asks_what(ctx: Context, np: Tree, verbs: Sequence[Tree]) -> None:
    """Refused where people are no more than who did what is asked for ("what do women book"), or what is said is of
    their accounts ("account age over 2 years")."""
    words = [word.low for word in ctx.names.lattice.words]
    before = [word for word in words[: np.first] if word not in ("a", "an", "the", "our", "my")][-2:]
    asking = len(before) > 1 and before[0] in ("what", "which") and before[1] in _ASKING
    if verbs and (asking or (before[-1:] == ["what"] and _needs_object(ctx, verbs[0]))):
        raise Refused("unsupported", verbs[0].first, verbs[0].end, _WHAT_DONE)
    if words[np.end - 1 : np.end + 1] == ["account", "age"]:
        raise Refused("vague", np.end - 1, np.end + 1, "Since when there is an account, or how old they are?")


_ASKING = frozenset({"do", "does", "are", "were", "have"})


def _needs_object(ctx: Context, vp: Tree) -> bool:
    """Whether a verb of doing something to products stands by itself: "what women buy"."""
    core = vp.trees()[-1]
    verb = core.part("evhead").children[0] if core.name == "event" and len(list(vp.leaves())) == 1 else None
    return isinstance(verb, Edge) and any(ctx.names.keys(c.event, "item") for c in verb.meaning.candidates)


def _no_noun(ctx: Context, tree: Tree) -> None:
    """Refused where values stand before the noun of an event that has one of them: "student yoga bookings"."""
    vlist, head = tree.tree("vlist"), next((t for vp in tree.trees("vp") for t in vp.trees("event")), None)
    verb = head.part("evhead").children[0] if head is not None else None
    if vlist is None or not isinstance(verb, Edge) or verb.category != "EV" or verb.first != vlist.end:
        return
    noun = ctx.names.lattice.at[verb.first].get("EN", {}).get(verb.end)
    done = {c.event for c in noun.meaning.candidates} if noun is not None else set()
    if any(v.key.event in done and v.key.level != "context" for e in vlist.leaves() for v in _held(e)):
        raise refusal(verb, f'"{ctx.text(verb)}" is the noun of what stands before it.')


def _of_thing_done(ctx: Context, tree: Tree) -> Tree | None:
    """ "cook shift booked" of shift-booked, which has a cook: the value is the event's. None where it is not."""
    vlist, vp = tree.tree("vlist"), tree.tree("vp")
    core = vp.tree("event") if vp is not None and len(vp.children) == 1 else None
    verb = core.part("evhead").children[0] if core is not None else None
    if vlist is None or vp is None or core is None or not isinstance(verb, Edge) or verb.category != "EV":
        return None
    words = ctx.names.lattice.words[verb.first : verb.end]
    done = {c.event for c in verb.meaning.candidates}
    named = verb.first == vlist.end and len(words) > 1 and words[-1].low.endswith("ed") and words[0].low[-2:] != "ed"
    held = [any(v.key.event in done and v.key.level == "event" for v in _held(e)) for e in vlist.leaves()]
    things = verb.first == vlist.end and words[0].low.endswith("ed") and _is_noun(ctx, vlist)
    if not (named or things) or not all(held):
        return None
    theirs = any(v.key.level == "attribute" for e in vlist.leaves() for v in _held(e))
    if things and theirs and not ctx.choose((True, False), ctx.text(vlist)):  # "suites booked in Paris"
        return None
    whole = Tree("vp", (Tree("event", (*core.children, Tree("obj", (vlist,)))),))
    return Tree("population", tuple(whole if c is vp else c for c in tree.children if c is not vlist))


def _is_noun(ctx: Context, vlist: Tree) -> bool:
    """Whether the last of some values is a plural, which names things."""
    last = ctx.text(vlist).casefold().split()[-1]
    return singular(last) != last


def _two_subjects(ctx: Context, tree: Tree) -> Condition | None:
    """Two noun phrases joined by or or and: "gold members or people who …". Each goes with its own conditions, and
    where only the second has any, they may be meant for both."""
    rests = [t for t in tree.trees() if t.name in RESTS]
    for k, rest in enumerate(rests):
        unit = rest.tree("unit")
        np = unit.tree("np") if unit is not None else None
        link = rest.trees()[0].name
        if rest.name != "linked" or unit is None or np is None or link not in ("or_", "and_"):
            continue
        if np.part("nphead").trees(*RANKED_SO):  # "women or men who spent the most"
            raise refusal(unit, f'"{ctx.text(unit)}": are those before it ranked too?', "vague")
        first = next((t for t in tree.trees() if t.name in ("np", "vlist", "vkey")), None)
        if first is None or any(t.tree("except") is not None or t.tree("without") is not None for t in rests[:k]):
            return None
        words = ctx.text(tree)
        at = next(i for i, c in enumerate(tree.children) if c is rest)
        after = tree.children[at + 1 :]
        said_of = bool(np.trees("npre")) or not np.part("nphead").has("CONTACT")
        being = _being(tree.children[:at]) if link == "or_" and said_of else None
        heads = [_head_categories(t) for t in (first, np)]
        genders = heads[0] == heads[1] == {"GENDER"}  # of which nobody is both: "women who are gold or men"
        if being is not None and not genders:
            own = [t for t in after if not (isinstance(t, Tree) and _is_phrase(t))]
            if being.edge("NEG") is None:
                own = [t for t in own if not (isinstance(t, Tree) and _opens_anew(ctx, t))]
            if not own or not ctx.choose((True, False), words):
                return None  # "who isn't a gold member or a Pro member", "women who are reviewers or buyers"
        tree.edge("EITHER")
        for leaf in rest.trees()[0].leaves():
            leaf.used.append(None)
        opening = tree.tree("opening")
        shared = (opening,) if opening is not None else ()
        listed = _listed_before(rests[:k])
        one_of = link == "or_" or (bool(listed) and ctx.choose((True, False), words))
        before = tuple(c for c in tree.children[:at] if not _either(c))
        if one_of:  # "viewers, buyers or reviewers" is one or
            before = tuple(_alternative(c) if isinstance(c, Tree) and c in listed else c for c in before)
        own = [c for c in before if c is not opening and c is not first]
        left, right = Tree(tree.name, before), Tree("population", (*shared, *unit.trees(), *after))
        bare = np.tree("agebare")
        if bare is not None and first.name == "np" and first.tree("agebare") is None:  # "women or men over 30"
            alone = noun_phrase(ctx, Tree("np", tuple(c for c in np.children if c is not bare)), [])
            alike = _of_one_attribute(noun_phrase(ctx, first, []), alone)
            if alike or ctx.choose((True, False), words):
                aged = Tree("np", (*first.children, bare.fresh()))
                before = tuple(aged if c is first else c for c in before)
                left = Tree(tree.name, before)
        objects = unit.trees("of_object")
        if objects and before[-1:] == (first,) and heads[0] & _DOERS and ctx.choose((True, False), words):
            before = (*before, *(t.fresh() for t in objects))  # "viewers or buyers of helmets"
            left = Tree(tree.name, before)
        said = (*(t for t in unit.trees() if t is not np), *after)
        lone = left
        adjectives = first.trees("npre") if first.name == "np" else []
        if adjectives and not np.trees("npre"):  # "gold women or men"
            doers = all(head <= _DOERS for head in heads)
            if genders or ((doers or heads[0] == heads[1]) and ctx.choose((True, False), words)):
                told = Tree("np", (*(t.fresh() for t in adjectives), *np.children))
                right = Tree("population", (*shared, *(told if t is np else t for t in unit.trees()), *after))
                bare_first = Tree("np", tuple(c for c in first.children if c not in adjectives))
                lone = Tree(tree.name, tuple(bare_first if c is first else c for c in before))
        alike = bool(said) and _of_one_attribute(population_of(ctx, lone), noun_phrase(ctx, np, []))
        if len(said) > len(after) and not alike:
            said = after  # but "women and men from Pune"
        anew = bool(after) and isinstance(after[0], Tree) and _opens_anew(ctx, after[0])
        anew = anew and ctx.names.lattice.words[after[0].first].low == "and"  # "from Porto or buyers and who viewed"
        reach = said and (anew or not own) and not tree.has("EITHER") and (alike or ctx.choose((True, False), words))
        if reach:
            left = Tree(tree.name, (*before, *said))
        one, two = population_of(ctx, left), population_of(ctx, right)
        ctx.head.used.append(None)  # each of the two takes it for itself
        if one_of or _of_one_attribute(one, two):
            return any_of(one, two)
        if listed:
            return all_of(one, two)
        return ctx.choose([any_of(one, two), all_of(one, two)], words)
    return None


_DOERS = frozenset({"AGENT", "BUYERS"})  # they say what was done: "viewers"


def _head_categories(np: Tree) -> frozenset[str]:
    """What the words of a noun phrase's head are."""
    head = np.tree("nphead")
    return frozenset(leaf.category for leaf in head.leaves()) if head is not None else frozenset()


def _listed_before(rests: Sequence[Tree]) -> list[Tree]:
    """The nouns of a list before its last: "viewers, buyers" of "viewers, buyers or reviewers"."""
    found: list[Tree] = []
    for rest in reversed(rests):
        if rest.name != "linked" or rest.trees()[0].name != "comma" or rest.trees()[1].tree("np") is None:
            break
        found.append(rest)
    return found


def _is_phrase(rest: Tree) -> bool:
    """Whether a list goes on with a phrase that has no verb of its own: "or in Porto"."""
    kinds = [t.name for t in rest.trees()]
    return rest.name == "linked" and kinds[0] in ("comma", "or_") and rest.trees()[1].trees()[0].name in (*NMODS, "np")


def _being(parts: Sequence[Tree | Edge]) -> Tree | None:
    """The verb of a list of what somebody is or is not, if one goes on after these: "who isn't gold, in Porto"."""
    *before, last = parts
    if isinstance(last, Tree) and _is_phrase(last):
        return _being(before) if before else None
    while isinstance(last, Tree) and last.name in ("loose", "linked", "unit", "who"):
        last = last.trees()[-1]
    return last if isinstance(last, Tree) and last.name == "vp_be" else None


def _opens_anew(ctx: Context, rest: Tree) -> bool:
    """Whether it is a condition of its own behind a list: "but not viewers", "and who bought"."""
    first = next(word.low for word in ctx.names.lattice.words[rest.first :] if word.low != ",")
    opened = rest.trees()[-1].trees()[0] if rest.name == "linked" else rest.trees()[0]
    return first == "but" or (first == "and" and opened.name in ("who", "whose_"))


def _all_used(ctx: Context, tree: Tree, used: Sequence[Tree | Edge | None]) -> None:
    """Each child of a tree has a consumer, or the question is refused: nothing is read over."""
    for child in tree.children:
        if not any(child is one for one in used):
            raise refusal(child, f'"{ctx.text(child)}" has no part here.')


def _ranked_by_both(ctx: Context, rest: Tree) -> None:
    """Refused where a noun goes on with what was ranked by: "users with the most orders and views"."""
    unit = rest.tree("unit")
    leaves = list(unit.leaves()) if unit is not None else []
    if unit is not None and (unit.tree("step") is not None or "EN" in ctx.names.lattice.at[leaves[0].first]):
        raise refusal(unit, f'"{ctx.text(unit)}": the most of them too, or any?', "vague")


def _under_rank(conditions: list[Condition]) -> Condition:
    """A rank at the head ranks those who meet the conditions."""
    head = conditions[0]
    if isinstance(head, Rank):
        return replace(head, among=all_of(head.among, *conditions[1:]))
    return all_of(*conditions)


@dataclass(slots=True)
class _Premodifiers:
    """What stands before a noun, by what is done with it."""

    conditions: list[Condition] = field(default_factory=list)
    vlists: list[Tree] = field(default_factory=list)
    windows: list[Edge] = field(default_factory=list)
    repeat: Edge | None = None
    newcomer: Edge | None = None
    lapsed: Edge | None = None
    activity: Edge | None = None
    stars: Edge | None = None


def noun_phrase(ctx: Context, np: Tree, nmods: list[Tree], about: list[Clause] | None = None) -> Condition:
    """Whom a noun phrase means: its head, what stands before it, and what stands after it without a link.

    The event of an agent noun ("Nike buyers") goes to `about`, where a clause may refer to it, if that is given.
    """
    head = np.part("nphead")
    child = head.child()
    before = _premodifiers(ctx, np)
    conditions, newcomer = before.conditions, before.newcomer
    rank: Rank | None = None
    events: EventDraft | None = None
    if isinstance(child, Tree) and child.name == "group":
        conditions.append(population_of(ctx, child.trees()[0]))
    elif isinstance(child, Tree):
        child, nmods = _timed_rank(child, nmods)
        rank = _ranked(ctx, child)
        _of_what_is_counted(ctx, [child, *nmods])
    elif child.category == "ABANDONER":
        wins, nmods = _times(nmods)
        conditions.append(abandoned(ctx.windows(wins) if wins else ctx.default_window()))
    else:
        events = _doers(child)
        if events is None:
            conditions.extend(_head_conditions(ctx, child))
    conditions.extend(_values_before(ctx, before.vlists, events))
    contact = isinstance(child, Edge) and child.category == "CONTACT"
    if events is None and newcomer is not None:
        wins, nmods = _times(nmods)
        conditions.append(newcomers(ctx, newcomer, wins))
        before.repeat = newcomer = None
    word = before.repeat or newcomer
    buying = contact and ctx.text(child).casefold() in lexicon.BUYING
    if word is not None and events is None and not buying:
        raise refusal(word, f'"{ctx.text(word)}" needs an event: repeat buyers, one-time buyers.', "vague")
    if before.activity is not None:
        wins, nmods = _times(nmods)
        conditions.append(activity(ctx, before.activity, wins))
    if before.repeat is not None and events is None:  # repeat customers are repeat buyers
        events = EventDraft(child.first, child.end, everyday(ORDER), noun=True)
    if before.windows and events is None:
        raise refusal(before.windows[0], f'"{ctx.text(before.windows[0])}" has no event to belong to.')
    lapse: list[Edge] = []
    if before.lapsed is not None:
        lapse, nmods = _times(nmods)
        if events is None:
            conditions.append(lapsed_buyers(ctx, before.lapsed, lapse))
    if before.stars is not None:
        if events is None:
            raise refusal(before.stars, f'"{ctx.text(before.stars)}" of what?')
        events.objects.append(Tree("stars", (before.stars,)))  # "5-star reviewers"
    if events is not None:
        behind = next((t for t in nmods if t.name == "lapsed"), None)
        if behind is not None and before.lapsed is None:  # "renewers lapsed for 60 days"
            before.lapsed, lapse = behind.leaf("LAPSED"), behind.own("WIN", "LASTING", "WITHIN")
            nmods = [t for t in nmods if t is not behind]
        events.time = events.time.at(*before.windows)
        nmods = _take_nmods(ctx, events, nmods)
        if before.repeat is not None:
            events.times = Amount(Bound(">=", 2) if before.repeat.meaning == 2 else Bound("=", 1))
        named = _named_so(ctx, newcomer, events) if newcomer is not None else None
        if named is not None and ctx.choose((False, True), ctx.text(newcomer or head)):
            events.pre.append(named)
            newcomer = None
        if before.lapsed is not None:
            conditions.append(lapsed_doers(ctx, before.lapsed, lapse, events))
        elif newcomer is not None:
            conditions.append(first_doers(ctx, newcomer, events))
        elif about is not None:
            about.append(Clause(Link("start"), events.first, events.end, event=events))
        else:
            conditions.append(event_condition(ctx, events, ctx.draft_window(events)))
    if rank is None:
        _of_what_is_counted(ctx, nmods)
    if nmods:
        conditions.append(combined(ctx, nmods, []))
    bare = np.tree("agebare")
    if bare is not None:
        if events is not None or not isinstance(child, Edge):
            raise refusal(bare, f'It is not said what "{ctx.text(bare)}" measures.', "vague")
        conditions.append(age_bare(ctx, bare))
    found = all_of(*conditions)
    return replace(rank, among=all_of(rank.among, found)) if rank is not None else found


def _timed_rank(rank: Tree, nmods: list[Tree]) -> tuple[Tree, list[Tree]]:
    """ "top 5 spenders from Pune in 2025": a time behind a place is the rank's, if that has none."""
    places = nmods and nmods[-1].name == "when" and all(t.name == "place" for t in nmods[:-1])
    if not places or rank.name not in ("rank_bare", "rank_spenders") or rank.has("WIN", "EVER"):
        return rank, nmods
    return Tree(rank.name, (*rank.children, *nmods[-1].children)), nmods[:-1]


def _named_so(ctx: Context, word: Edge, events: EventDraft) -> Tree | None:
    """A word before an agent noun as a value of its event, if there is one so called."""
    value = ctx.names.lattice.at[word.first].get("VALUE", {}).get(word.end)
    if value is None or events.may_be().isdisjoint(v.key.event for v in value.meaning.values):
        return None
    return Tree("vlist", (Tree("vgroup", (value,)),)).fresh()


def _premodifiers(ctx: Context, np: Tree) -> _Premodifiers:
    found = _Premodifiers()
    for pre in np.trees("npre"):
        inner = pre.child()
        if isinstance(inner, Tree):
            if inner.name == "vkey":
                found.conditions.append(value_key_is(ctx, inner))
            else:
                found.vlists.append(inner)
            continue
        match inner.category:
            case "WINADJ":
                found.windows.append(replace(inner, category="WIN"))
            case "ACTIVEADJ" | "INACTIVE":
                found.activity = inner
            case "REPEAT":
                found.repeat = inner
            case "NEWW":
                found.newcomer = inner
            case "LAPSED":
                found.lapsed = inner
            case "STARS":
                found.stars = inner
            case "DISTINCT":
                pass  # "unique visitors": a contact is counted once as it is
            case "AGENT":
                raise refusal(inner, f'"{ctx.text(inner)}" is no value of an attribute.', "unknown value")
            case _:
                found.conditions.extend(_head_conditions(ctx, inner))
    return found


def _doers(head: Edge) -> EventDraft | None:
    """The event of an agent noun."""
    match head.category:
        case "BUYERS":
            return EventDraft(head.first, head.end, everyday(ORDER), noun=True)
        case "AGENT":
            return EventDraft(head.first, head.end, head.meaning, noun=True)
    return None


def _head_conditions(ctx: Context, word: Edge) -> list[Condition]:
    """What one word says of the contacts, as the noun itself or before it."""
    match word.category:
        case "CONTACT":
            return []
        case "TERM":
            return [Term(*word.meaning)]
        case "GENDER":
            return [gender(ctx, word)]
        case "BOOLNOUN" | "BOOL":
            return [boolean(word)]
        case "AGENOUN" | "AGEP":
            return [age(ctx, word, word.meaning)]
    raise refusal(word, f'"{ctx.text(word)}" names nobody.')


def _times(nmods: list[Tree]) -> tuple[list[Edge], list[Tree]]:
    """The windows that stand after a noun, and what else does."""
    timed = [t for t in nmods if t.name == "when" and t.has("WIN")]
    return [e for t in timed for e in t.own("WIN")], [t for t in nmods if t not in timed]


def _take_nmods(ctx: Context, events: EventDraft, nmods: list[Tree]) -> list[Tree]:
    """What stands after an agent noun and is said of its event goes to the event; the others are given back."""
    left: list[Tree] = []
    for tree in nmods:
        match tree.name:
            case "keyed" | "keyed_bound" if _of_event(tree, events):
                events.objects.append(tree)
            case "has_key" if _of_event(tree, events):
                events.objects.append(Tree("has_property", tree.children))
            case "of_object":
                take_args(ctx.names, events, tree.trees())
            case "when":
                time = events.time.at(*tree.own("WIN"))
                events.time = replace(time, ever=time.ever or tree.has("EVER"))
            case "place" if _belongs(ctx, tree):
                prep, vlist = tree.leaf("FROM", "IN"), tree.part("vlist")
                events.objects.append(Tree("prepared", (Tree("prep", (prep,)), vlist)))
            case _:
                left.append(tree)
    return left


def _of_event(tree: Tree, draft: EventDraft) -> bool:
    """Whether a key beside an agent noun is one of its event's, and no attribute."""
    keys = [e.meaning for e in tree.leaves() if e.category in ("KEY", "PKEY")]
    if draft.hit is None or not keys:
        return False
    if keys[0] == "product":
        return True
    events = {c.event for c in draft.hit.candidates}
    return not any(k.level == "attribute" for k in keys[0]) and any(k.event in events for k in keys[0])


def _belongs(ctx: Context, place: Tree) -> bool:
    """Whether a place after an agent noun is a value of its event, and no place of the profile."""
    vlist = place.part("vlist")
    try:
        place_condition(ctx.names, vlist)
    except Refused:
        return not place.has("NEG", "LIVEIN")  # people live somewhere, events do not
    return False


def _values_before(ctx: Context, vlists: list[Tree], events: EventDraft | None) -> list[Condition]:
    """Values before the noun: attributes of the contact, or filters of the agent noun's event."""
    conditions: list[Condition] = []
    for vlist in vlists:
        if events is not None and _named_product(ctx, vlist, events) and _as_product(ctx, vlist):
            events.pre.append(vlist)
            continue
        try:
            said = attribute_list(ctx, vlist)
        except Refused:
            if events is None:
                raise
            events.pre.append(vlist)
            continue
        if events is not None and _of_what_was_done(ctx, vlist, events):
            events.pre.append(vlist)
        elif events is not None and _of_another(ctx, vlist, events):
            what = f'"{ctx.text(vlist)}": the contacts, or what was done? It is a value of other events.'
            raise refusal(vlist, what, "vague")  # "suite viewers", where suites are booked
        else:
            conditions.append(said)
    return conditions


def _of_what_was_done(ctx: Context, vlist: Tree, events: EventDraft) -> bool:
    """Whether values of an attribute before an agent noun are those of its event, where that has them too: "Gold
    membership cancellers", or what "Gold cancellers" leaves open. A place is the contact's."""
    held = [_held(edge) for group in vlist_groups(vlist)[0] for edge in group]
    places = {k.name for k in place_keys(ctx.names)}
    of_thing = events.end - events.first > 1  # "Delhi store visitors"
    if not of_thing and any(v.key.level == "attribute" and v.key.name in places for values in held for v in values):
        return False
    done = events.may_be()
    keys = [{v.key for v in values if v.key.level == "event" and v.key.event in done} for values in held]
    if not all(keys):
        return False
    noun = {stem(word.low) for word in ctx.names.lattice.words[events.first : events.end]}
    return all(any(key_noun(k) in noun for k in found) for found in keys) or ctx.choose((True, False), ctx.text(vlist))


def _of_another(ctx: Context, vlist: Tree, events: EventDraft) -> bool:
    """Whether a value before an agent noun is one of another event, and not of this. What a key of the contacts' own
    kind holds ("tier" of tier-changed) is still theirs."""
    places = {k.name for k in place_keys(ctx.names)}
    done = events.may_be()
    held = [_held(edge) for group in vlist_groups(vlist)[0] for edge in group]
    if any(v.key.name in places or v.key.event in done for values in held for v in values):
        return False
    theirs = {key_noun(v.key) for values in held for v in values if v.key.level == "attribute"}
    others = [v.key for values in held for v in values if v.key.level in ("event", "item")]
    return any(key_noun(key) not in theirs for key in others)


def _named_product(ctx: Context, vlist: Tree, events: EventDraft) -> bool:
    """Whether values before an agent noun name what is bought ("Red Shirt buyers"), whatever else is called so."""
    named = events.may_be()
    groups, _ = vlist_groups(vlist)
    return all(
        any(v.key.level == "item" and v.key.event in named for edge in group for v in _held(edge)) for group in groups
    )


def _as_product(ctx: Context, vlist: Tree) -> bool:
    """Whether it is what was bought: a name, a category or a brand is; another value of an item may be the contact's
    instead ("gold buyers")."""
    held = [_held(edge) for group in vlist_groups(vlist)[0] for edge in group]
    if any(v.key.level == "item" and v.key.name in ("name", "category", "brand") for values in held for v in values):
        return True
    if not all(any(v.key.level == "attribute" for v in values) for values in held):
        return True
    return ctx.choose((True, False), ctx.text(vlist))


def _of_what_is_counted(ctx: Context, phrases: Sequence[Tree]) -> None:
    """Refused where a place behind what is counted is taken for the contact's, though the event has it: "the top 10 by
    hut bookings in Faro"."""
    for counted, later in pairwise(phrases):
        nouns = [e for e in counted.leaves() if e.category in ("EN", "EV", "TAIL")]
        dwelling = {ctx.text(e).split()[0] for e in later.children if isinstance(e, Edge) and e.category == "LIVEIN"}
        if later.name != "place" or not nouns or nouns[-1].end != later.first or dwelling & _LIVING:
            continue
        values = [e for e in later.part("vlist").leaves() if isinstance(e.meaning, ValueHit)]
        if any(value_options(ctx.names, c.event, e, None) for n in nouns for c in n.meaning.candidates for e in values):
            raise refusal(later, f'"{ctx.text(later)}" is said of what is counted.')


def _held(edge: Edge) -> tuple[Value, ...]:
    return edge.meaning.values if isinstance(edge.meaning, ValueHit) else ()


def _ranked(ctx: Context, tree: Tree) -> Rank:
    """A rank, among those that its own noun names."""
    np = tree.tree("np") if tree.name in _RANKS_OF else None
    among = noun_phrase(ctx, np, [t for t in tree.trees() if t.name in NMODS]) if np is not None else Everyone()
    return ranking(ctx, tree, among)


def _condition(ctx: Context, core: Tree) -> Condition:
    """A phrase that is a condition by itself, also one that holds others."""
    match core.name:
        case "neither_mods":
            parts = (Tree("with_event", (t,)) if t.name.startswith("enp") else t for t in core.trees())
            return all_of(*(negated(combined(ctx, [t], [])) for t in parts))
        case "rank_in":
            return _ranked(ctx, core.trees()[0])
    return condition_of(ctx, core)


def described(ctx: Context, np: Tree | None, beside: Sequence[Tree]) -> Condition:
    """Those a noun phrase names, with the modifiers and relative clauses that stand beside it."""
    modifiers, clauses = [t for t in beside if t.name in NMODS], [t for t in beside if t.name in RELATIVES]
    named = noun_phrase(ctx, np, modifiers) if np is not None else Everyone()
    return all_of(named, combined(ctx, clauses, [])) if clauses else named


def combined(ctx: Context, first: list[Tree], rest: list[Tree], about: Sequence[Clause] = ()) -> Condition:
    """A flat list of clauses, combined."""
    first, rest = _with_exceptions(ctx, first, rest)
    found: list[Clause] = list(about)
    doers = next((c.event for c in about if c.event is not None and ORDER not in c.event.may_be()), None)
    lapse = next((leaf for t in (*first, *rest) for leaf in t.leaves() if leaf.category == "LAPSED"), None)
    if doers is not None and lapse is not None:  # "renewers who have lapsed for 60 days"
        raise refusal(lapse, f'"{ctx.text(lapse)}" from that, or from buying?', "vague")
    for tree in first:
        found.extend(_clauses(ctx, tree, Link("start" if not found else "loose"), False))
    for last, tree in pairwise([*(first[-1:] or rest[:1]), *rest]):
        _says_of(ctx, last, tree)
        more = _linked(ctx, tree)
        before = found[-1] if found else None
        if before is not None:
            _excepts(ctx, before, tree)
            same = _of_same_attribute(before, tree)
            if same is not None:
                more[0].condition = negated(same)
        if before is not None and tree.name == "loose":
            _attaches(ctx, before, tree.trees()[0])
        if before is not None and before.event is not None and more and more[0].link.kind in ("loose", "comma"):
            _of_the_thing(ctx, before.event, tree)
        found.extend(more)
    if found and found[0].link.kind in ("then", "after", "before", "nor"):
        raise refusal(found[0], "There is no verb before that this could follow.")
    if found and found[0].link.kind != "start":
        found[0].link = Link("start")
    attach_windows(ctx, found)
    return join_clauses(ctx, found)


def _with_exceptions(ctx: Context, first: list[Tree], rest: list[Tree]) -> tuple[list[Tree], list[Tree]]:
    """The clauses, with those that an exception reaches inside it: "except those who bought Nike or live in Oslo"."""
    trees = [*first, *rest]
    found: list[Tree] = []
    n = 0
    while n < len(trees):
        tree = trees[n]
        n += 1
        exception = _exception(tree)
        if exception is None:
            found.append(tree)
            continue
        run = _reached(ctx, exception, trees[n:])
        n += len(run)
        whole = Tree("except", (*exception.children, *run))
        found.append(_replaced(tree, exception, whole))
    return found[: len(first)], found[len(first) :]


def _exception(tree: Tree) -> Tree | None:
    """The exception that a clause is, by itself, behind a link or without one."""
    inner = tree.trees()[-1] if tree.name in RESTS else tree
    if inner.name == "unit":
        inner = inner.trees()[0]
    return inner if inner.name == "except" else None


def _replaced(tree: Tree, old: Tree, new: Tree) -> Tree:
    if tree is old:
        return new
    return Tree(tree.name, tuple(_replaced(c, old, new) if isinstance(c, Tree) else c for c in tree.children))


def _reached(ctx: Context, exception: Tree, rest: list[Tree]) -> list[Tree]:
    """The clauses behind an exception that are under its not. What is set off by a comma and opens anew is not, and
    after values only a noun is."""
    noun = next((t.name for t in exception.trees() if t.name in ("np", "vlist")), None)
    verbs = noun is None  # whether a relative clause is open, with which other verbs can go on
    listed = False
    for n, tree in enumerate(rest):
        if tree.name == "loose":
            if verbs or noun == "vlist" or tree.trees()[0].name not in ("who", "whose_", "bywhom"):
                return rest[:n]
            verbs = True
            continue
        link, unit = tree.trees()[0], tree.trees()[1].trees()[0]
        comma = link.edge("COMMA") is not None
        more = any(t.name == "linked" and t.trees()[0].name in ("and_", "or_") for t in rest[n + 1 :])
        match link.name:
            case "comma":
                listed = more
                outside = not listed
            case "and_":
                outside = (comma and not listed) or (unit.name != "np" and not verbs)
            case "but_":
                outside = comma or not verbs or ctx.choose((False, True), ctx.text(exception))
            case _:
                outside = False
        if outside or unit.name == "except" or (noun == "vlist" and unit.name != "np"):
            return rest[:n]
        verbs = unit.name in VPS | {"who", "whose_"} or (verbs and unit.name != "np")
    return rest


def _excepted(ctx: Context, tree: Tree) -> Condition:
    """Whom an exception means, before it is negated. A list of nouns is an or under the not; of clauses joined by and,
    both may be meant."""
    body = [t for t in tree.trees() if t.name not in RESTS]
    run = [t for t in tree.trees() if t.name in RESTS]
    if not run:
        if body[0].name == "np":
            return noun_phrase(ctx, body[0], body[1:])
        if body[0].name == "vlist":
            return any_of(*attribute_alternatives(ctx, body[0]))
        if body[0].name == "vkey":
            return value_key_is(ctx, body[0])
        return combined(ctx, [body[0]], [])
    linked = [t for t in run if t.name == "linked"]
    verbs = [t for t in linked if t.trees()[1].trees()[0].name != "np"]
    both = any(t.trees()[0].name == "and_" for t in verbs) and not any(t.trees()[0].name == "or_" for t in linked)
    kept = verbs if not both or ctx.choose((True, False), ctx.text(tree)) else []
    run = [t if t.name == "loose" or any(t is one for one in kept) else _alternative(t) for t in run]
    return population_of(ctx, Tree("population", (*body, *run)))


def _alternative(tree: Tree) -> Tree:
    """A linked clause, joined by or."""
    link, *units = tree.trees()
    return Tree(tree.name, (Tree("or_" if link.name in ("and_", "comma") else link.name, link.children), *units))


def _says_of(ctx: Context, before: Tree, tree: Tree) -> None:
    """Refused where a verb is said of the event before it: "whose ride was insured or cancelled", "whose first order
    was in March and was refunded"."""
    exception = _exception(tree)
    if exception is not None and _has_some(before) and exception.tree("vlist") and not exception.has("COMMA"):
        raise refusal(exception, f'"{ctx.text(exception)}" is said of what they have.')  # "a tag other than vip"
    whose = before.tree("whose_") if before.name == "loose" else before
    unit = tree.tree("unit")
    vp = unit.tree("vp") if unit is not None else None
    bare = vp is not None and [t.name for t in vp.trees()] == ["event"] and len(list(vp.leaves())) == 1
    passive = vp is not None and ctx.text(vp).split()[0].casefold() in ("was", "were", "got")
    of_event = whose is not None and whose.tree("whose_flag", "whose_passive") is not None and bare
    of_first = whose is not None and whose.tree("whose_extreme", "whose_fate") is not None and passive
    of_fate = whose is not None and whose.tree("whose_fate") is not None and bare
    if unit is not None and (of_event or of_first or of_fate):
        raise refusal(unit, f'Of whom or what is "{ctx.text(unit)}" said?')


def _excepts(ctx: Context, before: Clause, tree: Tree) -> None:
    """Refused where a value that is excepted is one of what was done: "viewed Eagle Hut but not Fern Hut"."""
    exception, draft = _exception(tree), before.event
    of = exception.tree("of_object") if exception is not None else None
    if of is not None and draft is not None and draft.noun and not draft.says_more():
        if ctx.choose((True, False), ctx.text(tree)):  # "viewers but not buyers of helmets"
            take_args(ctx.names, draft, of.fresh().trees())
        return
    if exception is not None and _of_people(ctx, exception):
        return
    unit = tree.tree("unit")
    place = (exception or unit or tree).tree("place")  # "but not in Porto", "from Porto and from Faro"
    said_in = place if place is None or not place.has("LIVEIN") else None
    said_in = said_in or exception
    vlist = said_in.tree("vlist") if said_in is not None else None
    if vlist is None or draft is None:
        return
    done = draft.may_be()
    said = [v.key.event for e in vlist.leaves() if isinstance(e.meaning, ValueHit) for v in e.meaning.values]
    if not done.isdisjoint(said):
        raise refusal(vlist, f'"{ctx.text(vlist)}" is said of what they did.')


def _of_people(ctx: Context, exception: Tree) -> bool:
    """Whether what is excepted is people, by their noun: "excluding those from Porto"; "those in Porto" may be huts."""
    np = exception.tree("np")
    noun = np.part("nphead").children[0] if np is not None else None
    if not isinstance(noun, Edge) or noun.category != "CONTACT":
        return False
    place = exception.tree("place")
    return place is None or place.has("FROM", "LIVEIN") or ctx.text(noun).casefold() != "those"


def _of_same_attribute(before: Clause, tree: Tree) -> Condition | None:
    """ "whose favourite cities include Porto but not Faro": the excepted values are of the same attribute."""
    exception = _exception(tree)
    vlist = exception.tree("vlist") if exception is not None else None
    key = next((e for e in before.keyed.leaves() if e.category == "KEY"), None) if before.keyed is not None else None
    if vlist is None or key is None:
        return None
    named = [k for k in key.meaning if k.level == "attribute"][:1]
    held = [[v for v in _held(edge) if v.key in named] for group in vlist_groups(vlist)[0] for edge in group]
    texts = canonical(v.text for values in held for v in values)
    return Attribute((named[0].name,), Text("is", texts)) if named and all(held) else None


def _has_some(tree: Tree) -> bool:
    """Whether a phrase ends with having a key, of any value."""
    return tree.name == "has_key" or (bool(tree.trees()) and _has_some(tree.trees()[-1]))


def _attaches(ctx: Context, before: Clause, tree: Tree) -> None:
    """Refused where a clause without a link cannot belong to what stands before it: "cancelled that we have an order",
    "haven't opened without a ticket", "won a tournament they entered"."""
    if tree.name == "without_event" and before.negation is not None:
        raise refusal(tree, f'"{ctx.text(tree)}" is a second negation.')
    draft = before.event
    bare = draft is not None and not (draft.noun or draft.says_more())
    word = tree.edge("WHO") if tree.name == "who" else None
    said = ctx.text(word).casefold() if word is not None and before.end == tree.first else ""
    thing = said in ("that", "which") and (bare or (draft is not None and _befalls(ctx, before, tree)))
    if thing or (draft is not None and said in ("they", "he", "she", "where they")):
        raise refusal(tree, f'"{ctx.text(tree)}" says nothing of what stands before it.')


def _of_the_thing(ctx: Context, draft: EventDraft, tree: Tree) -> None:
    """Refused where what is said of a thing is taken for the contact's: "booked a hut that was in Faro", "…, which was
    the Fern Hut". What no event like it holds may be said of people, who are several: "that are gold"."""
    relative = tree.tree("who") or next((t for unit in tree.trees("unit") for t in unit.trees("who")), None)
    core = next((t for vp in (relative.trees("vp_be") if relative is not None else ()) for t in vp.trees()), None)
    word = relative.edge("WHO") if relative is not None else None
    pronoun = ctx.text(word).casefold() if word is not None else ""
    if word is None or core is None or pronoun not in ("that", "which"):
        return
    said = core.tree("place", "place_outside") or core
    dwelling = {word.low for e in said.own("LIVEIN") for word in ctx.names.lattice.words[e.first : e.end]}
    vlist = said.tree("vlist") if dwelling.isdisjoint(_LIVING) else None
    if vlist is None:
        return
    values = [e for e in vlist.leaves() if isinstance(e.meaning, ValueHit)]
    held = any(value_options(ctx.names, event, e, None) for event in draft.may_be() for e in values)
    verb = ctx.names.lattice.words[word.end].low
    if held or pronoun == "which" or verb in ("is", "was", "isnt", "wasnt"):
        raise refusal(core, f'"{ctx.text(core)}" is said of "{ctx.text(draft)}", which has no such value.')


_LIVING = frozenset("living lives live lived residing resides reside hailing coming".split())


def _linked(ctx: Context, tree: Tree) -> list[Clause]:
    if tree.name == "loose":
        return _clauses(ctx, tree.trees()[0], Link("loose"), False)
    link_tree, unit = tree.trees()[0], tree.trees()[1]
    kinds = {
        "and_": "and",
        "or_": "or",
        "but_": "but",
        "comma": "comma",
        "nor_": "nor",
        "then": "then",
        "after": "after",
        "before": "before",
    }
    comma = link_tree.edge("COMMA") is not None
    pronoun = link_tree.edge("PRON")
    adverb = link_tree.edge("ALSO")
    also = adverb is not None
    if adverb is not None and ctx.text(adverb).casefold() == "still":  # "and still log in"
        vp = unit.tree(*VPS)
        if vp is None or not _in_spite(ctx, vp, opens=False):
            raise refusal(adverb, _STILL, "vague")
    link = Link(kinds[link_tree.name], comma, also)  # type: ignore[arg-type]
    inner = unit.trees()
    while_ = link_tree.edge("BUT")
    alone = _SUBJECTS.isdisjoint(ctx.names.lattice.at[unit.first])  # "while logged in", not "while they never bought"
    if while_ is not None and ctx.text(while_).casefold() == "while" and alone:
        raise refusal(unit, f'"while {ctx.text(unit)}": at the same time, or at all?', "vague")
    if inner[0].name == "np":
        return [
            Clause(
                link,
                unit.first,
                unit.end,
                condition=noun_phrase(ctx, inner[0], inner[1:]),
                bare=True,
            )
        ]
    if inner[0].name == "step":
        return [Clause(link, unit.first, unit.end, event=said_event(ctx.names, inner[0]), verbless=True)]
    if inner[0].name == "again" and unit.name == "timed":
        late = inner[0].trees("late")
        thing = Tree("obj", tuple(c for c in inner[0].children if c not in late))
        return [Clause(link, unit.first, unit.end, gap=Tree("timed", (thing, *late)))]
    if inner[0].name == "again" and unit.name == "way":
        return [Clause(link, unit.first, unit.end, gap=Tree("way", (Tree("prepared", inner[0].children),)))]
    if inner[0].name == "again":
        return [Clause(link, unit.first, unit.end, gap=Tree("again", (Tree("obj", inner[0].children),)))]
    found = _clauses(ctx, inner[0], link, False)
    if link_tree.edge("EITHER") is not None:
        found[0].either = True
    found[0].bare = _is_bare(ctx, inner[0])
    if pronoun is not None and ctx.text(pronoun).casefold() in ("it", "them"):  # "after it was cancelled"
        event = found[0].event
        if event is None:
            raise refusal(pronoun, f'"{ctx.text(pronoun)}" refers to nothing before it.')
        event.objects.append(Tree("ref", (pronoun,)))
    return found


def _is_bare(ctx: Context, phrase: Tree) -> bool:
    """Whether a phrase has no verb of its own: "in Porto"; not "lives in Porto"."""
    negated = any(isinstance(c, Edge) and c.category == "NEG" for c in phrase.children)
    return (
        phrase.name in NMODS - _EVENT_NMODS - {"keyed", "keyed_bound", "when"}
        and not is_finite(ctx, phrase)
        and not negated
    )


def is_finite(ctx: Context, phrase: Tree) -> bool:
    """Whether a phrase behind a noun begins with a verb: "live in Porto"."""
    first = ctx.names.lattice.words[phrase.first].low
    return phrase.name == "signed_up" or first in ("live", "lives", "lived", "reside", "resides")


def _clauses(ctx: Context, tree: Tree, link: Link, who: bool) -> list[Clause]:
    """The clauses that a unit gives: one, but for lists under one relative."""
    match tree.name:
        case "who":
            inner = tree.trees()[0]
            found = _clauses(ctx, inner, link, True)
            win, ever, draft = tree.edge("WIN"), tree.has("EVER"), found[0].event
            if draft is not None:
                before = (*([win] if win is not None else []), *draft.time.before)
                draft.time = replace(draft.time, before=before, ever=draft.time.ever or ever)
            elif win is not None:
                raise refusal(win, f'"{ctx.text(win)}" has no verb to belong to.')
            return found
        case "who_then":
            if link.kind not in ("and", "but"):
                raise refusal(tree.leaf("THEN"), "Then after what?")
            return _clauses(ctx, tree.trees()[0], replace(link, kind="then"), False)
        case "aside":  # "gold members (women)"
            return [_core(ctx, tree.trees()[0], link, True, None)]
        case "whose_":
            return _whose(ctx, tree.trees()[0], link)
        case "befell":  # "after a claim was rejected"
            if link.kind not in ("after", "before", "then", "start"):
                raise refusal(tree, f'"{ctx.text(tree)}": whose?', "vague")
            return _whose(ctx, Tree("whose_passive", tree.children), link)
        case "vp" | "vp_be" | "vp_either" | "vp_neither" | "vp_both":
            return _verb_phrase(ctx, tree, link, who)
        case "gap":
            none = tree.has("NOTHING", "NONE")
            negation = Negation("simple", False) if none else _negation(tree.edge("NEG"))
            return [Clause(link, tree.first, tree.end, who, negation, gap=tree)]
        case "except":
            condition = negated(_excepted(replace(ctx, counting=False), tree))
            return [Clause(link, tree.first, tree.end, who, condition=condition, excluded=True)]
        case "group":
            return [Clause(link, tree.first, tree.end, who, condition=population_of(ctx, tree.trees()[0]))]
        case "nofpart":
            return [Clause(link, tree.first, tree.end, who, condition=_several(ctx, tree))]
        case "bare":
            draft, general = said_event(ctx.names, tree), tree.edge("GENV")
            if general is not None:  # "ride bookings made on mobile"
                nouns = (ctx.names.lattice.at[i].get("EN", {}) for i in range(draft.first, general.first))
                if any(general.end in ends for ends in nouns):
                    raise refusal(general, "The noun and its verb name the event together.")
                if ctx.text(general).casefold() not in _DONE:
                    raise refusal(general, f'"{ctx.text(general)}" is another event than its noun.')
            return [Clause(link, tree.first, tree.end, who, event=draft)]
        case "bywhom" if (noun := tree.tree("enp")) is not None:  # "by whom at least 2 orders were placed"
            draft, done = enp_draft(ctx.names, noun), tree.edge("GENV")
            if done is not None:
                done_to(ctx.names, done, draft)
            else:
                same_event(ctx.names, tree.leaf("EV"), draft)
            take_args(ctx.names, draft, [t for t in tree.trees() if t is not noun])
            return [Clause(link, tree.first, tree.end, who=True, event=draft)]
        case "bywhom":
            event, tail, quant = tree.leaf("EV"), tree.edge("TAIL"), tree.tree("quant")
            draft = EventDraft(tree.first, tree.end, event.meaning)
            if tail is not None:
                draft.tails.append(tail)
            if quant is not None:
                word = next(quant.edges())
                draft.quant = Quant(quant_bound(word), word.category == "NONE", word)
            prep, vlists = tree.tree("prep"), tree.trees("vlist")
            if prep is not None:
                draft.objects.append(Tree("prepared", (prep, vlists[-1])))
                vlists = vlists[:-1]
            draft.objects.extend(Tree("obj", (v,)) for v in vlists)
            take_args(ctx.names, draft, [t for t in tree.trees() if t.name not in ("quant", "prep", "vlist")])
            return [Clause(link, tree.first, tree.end, who=True, event=draft)]
    if tree.name in NMODS:
        return [_modifier(ctx, tree, link, who)]
    raise refusal(tree, f'"{ctx.text(tree)}" is not read here.', "unsupported")


def _negation(edge: Edge | None) -> Negation | None:
    if edge is None:
        return None
    tense, word = edge.meaning
    return Negation(tense, word == "never")


def _whole(tree: Tree, link: Link, who: bool, condition: Condition, negation: Negation | None = None) -> Clause:
    if negation is not None:
        condition = negated(condition)
    return Clause(link, tree.first, tree.end, who, negation, condition=condition)


def _verb_phrase(ctx: Context, tree: Tree, link: Link, who: bool) -> list[Clause]:
    neg = tree.edge("NEG")
    negation = _negation(neg)
    auxiliaries = [e for t in tree.trees("aux") for e in t.edges()]
    perfect = any(e.category == "HAVE" for e in auxiliaries)
    if (
        neg is not None
        and any(e.category == "HAVE" and e.end <= neg.first for e in auxiliaries)
        and negation is not None
    ):
        negation = replace(negation, tense="perfect")
    also = any(e.category == "ALSO" for e in auxiliaries) or tree.has("ALSO")
    still = next((e for e in auxiliaries if ctx.text(e).casefold() == "still"), None)
    if still is not None and not _in_spite(ctx, tree, opens=link.kind in ("start", "loose")):
        raise refusal(still, _STILL, "vague")
    if tree.name == "vp_be":
        auxiliaries = [*auxiliaries, *(e for e in tree.children if isinstance(e, Edge))]
    if also or (auxiliaries and link.comma and link.kind in ("and", "but")):
        link = replace(link, also=True)
    core = tree.trees()[-1]
    said = any(e.category == "BE" for e in tree.children if isinstance(e, Edge))
    if tree.name == "vp_be" and not said and (negation is None or negation.tense != "be"):
        raise refusal(core, f'"{ctx.text(core)}" has no verb.')
    either = tree.name == "vp_either"
    if tree.name == "vp_neither":
        negation = Negation("simple", False)
    clause = _core(ctx, core, link, who, negation, perfect)
    if neg is not None and neg.meaning[0] == "bare" and clause.event is not None:
        draft = clause.event
        if "NAMED" in ctx.names.lattice.at[draft.first] and not (draft.objects or draft.tails):
            raise refusal(core, f'"{ctx.text(core)}" what, or by whom?', "incomplete")
    modal = next((e for e in auxiliaries if e.category == "MODAL"), None)
    if modal is not None:
        future = (clause.event.time.following if clause.event is not None else None) or modal
        raise refusal(future, f'"{ctx.text(future)}": only what has happened is known.', "unsupported")
    clause.perfect = perfect
    clause.either = either or tree.has("EITHER")
    clause.both = tree.has("BOTH")
    clause.first, clause.end = tree.first, tree.end
    return [clause]


def _in_spite(ctx: Context, vp: Tree, *, opens: bool) -> bool:
    """Whether "still" says nothing of its own: "still haven't ordered", "still has none", and in spite of what stands
    before it "but still bought"."""
    denied = any(leaf.category in ("NEG", "NONE", "WITHOUT") for leaf in vp.leaves())
    core = vp.trees()[-1]
    return denied or (not opens and (vp.name == "vp_be" or in_the_past(ctx.names.lattice.words[core.first].low)))


_STILL = "Whether they still do is not known: say in what time."


def _core(ctx: Context, core: Tree, link: Link, who: bool, negation: Negation | None, perfect: bool = True) -> Clause:
    match core.name:
        case "event":
            core, link = _afterwards(core, link)
            draft = event_draft(ctx.names, core)
            head = core.tree("evhead")
            nothing = core.tree("nothing")
            if nothing is not None:
                if negation is not None:
                    raise refusal(nothing, "Two negations in one clause.")
                if draft.said() - {"window", "gap"}:
                    raise refusal(nothing, "How often, or nothing?")
                negation = Negation("simple", False)
            if head is not None and ctx.text(head).casefold() == "seen" and not perfect:
                raise refusal(head, "Seen by us, or seen by them?")
            return Clause(link, core.first, core.end, who, negation, event=draft, verbal=True)
        case "with_event":
            core, link = _afterwards(core, link)
            draft = said_event(ctx.names, core)
            return Clause(link, core.first, core.end, who, negation, event=draft)
        case "used":
            return Clause(link, core.first, core.end, who, negation, event=_used(ctx, core))
        case "active":
            word = core.edge("ACTIVE")
            timed = any(e.category in ("WIN", "EVER", "REG", "TIMES", "LASTING", "WITHIN") for e in core.leaves())
            vague = word is not None and ctx.text(word).casefold().split()[-1] == "active"
            if vague and not timed and not ctx.head.window != ALWAYS and negation is None:
                raise refusal(core, '"active" needs a time: active in the last 30 days.', "vague")
            return _active(ctx, core, link, who, negation)
        case "spent":
            return Clause(link, core.first, core.end, who, negation, spent=core)
        case "neither_be":
            neither = [_core(ctx, t, link, who, None).condition for t in core.trees()]
            if negation is not None or any(one is None for one in neither):
                raise refusal(core, "Such a negation is not read.", "unsupported")
            return _whole(core, link, who, all_of(*(negated(one) for one in neither if one is not None)))
        case "be_np":
            np = core.part("np")
            condition = noun_phrase(ctx, np, [t for t in core.trees() if t is not np])
            return _whole(core, link, who, condition, negation)
        case "be_values":
            vlist = core.part("vlist")
            return _whole(core, link, who, attribute_list(ctx, vlist), negation)
        case "be_nmod":
            inner_tree = core.trees()[0]
            bare = inner_tree.edge("BOUND")
            if bare is not None and negates(ctx.names, bare):
                raise refusal(bare, f'"{ctx.text(bare)}" is a negation.')  # which its own tree says
            clause = _modifier(ctx, inner_tree, link, who)
            if negation is not None:
                if clause.negation is not None:
                    raise refusal(core, "Two negations in one clause.")
                if clause.condition is not None:
                    clause.condition = negated(clause.condition)
                clause.negation = negation
            return clause
    return _happening(ctx, core, link, who, negation)


def used_in(ctx: Context, key: Edge) -> list[str]:
    """The events in which "a coupon" may be used: those that have one. Refused where another event is called so."""
    having = {k.event for k in key.meaning if k.event is not None and k.level in ("event", "item")}
    if not having:
        raise refusal(key, f'No event has a "{ctx.text(key)}".', "wrong key")
    nouns = ctx.names.lattice.at[key.first].get("EN", {}).values()
    if not {c.event for noun in nouns for c in noun.meaning.candidates} <= having:
        raise refusal(key, f'"{ctx.text(key)}" is an event too.', "vague")
    return sorted(having)


def _used(ctx: Context, tree: Tree) -> EventDraft:
    """ "used a coupon", where no event is called so: an event that has one."""
    tree.leaf("USED")
    key = tree.leaf("KEY")
    having = used_in(ctx, key)
    draft = EventDraft(tree.first, tree.end, EventHit(tuple(Candidate(e, "everyday", frozenset()) for e in having)))
    draft.objects.append(Tree("has_property", (key,)))
    take_args(ctx.names, draft, tree.trees())
    return draft


def _modifier(ctx: Context, tree: Tree, link: Link, who: bool) -> Clause:
    match tree.name:
        case "with_event":
            draft = said_event(ctx.names, tree)
            return Clause(link, tree.first, tree.end, who, event=draft, verbless=not tree.has("WITH"))
        case "without_event":
            return _without(ctx, tree, link, who)
        case "active":
            return _active(ctx, tree, link, who, None)
        case "keyed" | "keyed_bound":
            return Clause(link, tree.first, tree.end, who, keyed=tree)
        case "when":
            edge = tree.edge("WIN")
            if edge is None:
                raise refusal(tree, f'"{ctx.text(tree)}" has nothing to belong to.')
            return Clause(link, tree.first, tree.end, who, window=ctx.window(edge))
    return _happening(ctx, tree, link, who, _negation(tree.edge("NEG")))


def _happening(ctx: Context, tree: Tree, link: Link, who: bool, negation: Negation | None) -> Clause:
    """A phrase that is a condition by itself, and what may count from it: a sign-up from its date, or as an event."""
    key = signup_key(ctx.names) if tree.name == "signed_up" else None
    event = signup_event(ctx.names) if tree.name == "signed_up" else None
    if key is None and event is not None:
        draft = EventDraft(tree.first, tree.end, everyday(event))
        draft.time = replace(draft.time, either=tree.edge("EITHERWIN"))
        take_args(ctx.names, draft, [Tree(_LATE[e.category], (e,)) for t in tree.trees("late") for e in t.leaves()])
        return Clause(link, tree.first, tree.end, who, negation, event=draft)
    whole = _whole(tree, link, who, _condition(ctx, tree), negation)
    whole.happened = tree.name in _HAPPENINGS
    whole.late = tuple(e for t in tree.trees("late") for e in t.leaves() if e.category == "WIN")
    whole.since = key.name if key is not None else None
    return whole


_LATE = {"WIN": "window", "EVER": "ever", "REG": "regular", "WITHIN": "within", "PRIOR": "prior"}


def _active(ctx: Context, tree: Tree, link: Link, who: bool, negation: Negation | None) -> Clause:
    """ "was active last week": any event."""
    if link.comma and ctx.text(tree).casefold().startswith(("was ", "were ", "been ")):
        link = replace(link, also=True)
    draft = EventDraft(tree.first, tree.end, None)
    for pre in tree.trees("evpre"):
        take_pre(ctx.names, draft, pre)
    take_args(ctx.names, draft, [t for t in tree.trees() if t.name != "evpre"])
    if ctx.text(tree).casefold() == "active" and negation is None and ctx.default_window() == ALWAYS:
        raise refusal(tree, '"active" needs a time: active in the last 30 days.', "vague")
    return Clause(link, tree.first, tree.end, who, negation, event=draft)


def _afterwards(tree: Tree, link: Link) -> tuple[Tree, Link]:
    """ "… but never bought afterwards", "… without buying afterwards": later than the clause before. The tree without
    the word, and the link that it makes."""
    word = tree.tree("afterwards")
    if word is None:
        return tree, link
    behind = tree.name == "without_event" and link.kind == "loose"
    if word is not tree.trees()[-1] or not (link.kind in ("and", "but") or behind):
        raise refusal(word, "It is not said after what.")
    word.leaf("LATER")
    return Tree(tree.name, tuple(c for c in tree.children if c is not word)), replace(link, kind="then")


def _without(ctx: Context, tree: Tree, link: Link, who: bool) -> Clause:
    tree, link = _afterwards(tree, link)
    draft = said_event(ctx.names, tree)
    if draft.quant is not None:
        raise refusal(tree, "Without a number of them? Say how many at most.")
    if tree.edge("EVER") is not None:
        draft.time = replace(draft.time, ever=True)
    return Clause(link, tree.first, tree.end, who, Negation("bare", False), event=draft)


def _whose(ctx: Context, tree: Tree, link: Link) -> list[Clause]:
    match tree.name:
        case "whose_key":
            keyed = Tree("keyed", tree.children)
            return [Clause(link, tree.first, tree.end, who=True, keyed=keyed)]
        case "whose_noun":
            noun = tree.leaf("EN")
            if noun.end in ctx.names.lattice.at[noun.first].get("KEY", {}):
                raise refusal(noun, f'"{ctx.text(noun)}" is a key here.')
            draft = replace(said_event(ctx.names, tree), noun=True)
            if tree.has("EACH") or every_one(ctx.names.lattice, noun.first) is not None:
                draft.only = "always"  # "whose orders were all over 500"
            return [Clause(link, tree.first, tree.end, who=True, event=draft)]
        case "whose_flag":
            draft = replace(said_event(ctx.names, tree), noun=True)
            said = tuple(e for e in tree.children if isinstance(e, Edge) and e.category in ("NEG", "KEY"))
            draft.objects.append(Tree("flagged", said))
            if every_one(ctx.names.lattice, draft.first) is not None:  # "whose all rides were insured"
                draft.only = "always"
            return [Clause(link, tree.first, tree.end, who=True, event=draft)]
        case "whose_passive":
            tree.own("GOT")
            each = tree.edge("EACH")
            if each is not None:
                raise refusal(each, f'Whether "{ctx.text(each)}" of them were is not read.', "unsupported")
            draft = EventDraft(tree.first, tree.end, tree.leaf("EV").meaning, tails=tree.own("EN", "TAIL"))
            take_args(ctx.names, draft, tree.trees())
            return [Clause(link, tree.first, tree.end, who=True, event=draft)]
        case "whose_event":
            verb = ctx.text(tree.leaf("EV"))
            for keyed in tree.trees("keyed") if singular(verb) != verb else ():
                first = keyed.children[0]
                if isinstance(first, Edge) and "AGG" in ctx.names.lattice.at[first.first]:
                    # "whose orders total over 500": all of them together
                    raise refusal(keyed, f'Is "{ctx.text(keyed)}" the sum, or said of one of them?', "vague")
            draft = said_event(ctx.names, tree)
            return [Clause(link, tree.first, tree.end, True, _negation(tree.edge("NEG")), event=draft)]
    return [_whole(tree, link, True, _condition(ctx, tree))]


def claimed_by(ctx: Context, vp: Tree, of_whom: Tree) -> Condition:
    """ "rented a bike: women from Porto": those who are said behind the colon and did what stands before it."""
    if vp.trees()[-1].name not in _CLAIMS or any(leaf.category == "NEG" for leaf in vp.leaves()):
        raise refusal(vp, f'"{ctx.text(vp)}" is a label here.')
    return _under_rank([population_of(ctx, of_whom), combined(ctx, [vp], [])])


def _several(ctx: Context, tree: Tree) -> Condition:
    """ "at least two of: A, B, C": each for itself, but for a window at the end, which reaches them all."""
    edge = tree.leaf("NOFALL", "SEVERAL")
    listed: list[list[Clause]] = []
    for unit in tree.trees("unit", "vgroup"):
        inner = unit.trees()
        if unit.name == "vgroup":
            listed.append([_whole(unit, Link("start"), False, attribute_list(ctx, Tree("vlist", (unit,))))])
        elif inner[0].name == "np":
            listed.append([_whole(unit, Link("start"), False, noun_phrase(ctx, inner[0], inner[1:]))])
        else:
            listed.append(_clauses(ctx, inner[0], Link("start"), False))
            attach_windows(ctx, listed[-1])
    reach_over_list(ctx, [clause for found in listed for clause in found])
    conditions = [join_clauses(ctx, found) for found in listed]
    if edge.category == "SEVERAL":
        bound: Bound = edge.meaning
        return Several(bound, tuple(sorted(dict.fromkeys(conditions), key=repr)))
    if edge.meaning == "all":
        if len(conditions) == 1:  # "all of whose rides were insured"
            raise refusal(edge, f'"{ctx.text(edge)}" one thing? Whether each was so is not read here.', "unsupported")
        return all_of(*conditions)
    return any_of(*conditions) if edge.meaning == "any" else negated(any_of(*conditions))


def _of_one_attribute(one: Condition, two: Condition) -> bool:
    """Whether two conditions ask the same attribute, which has one value: then "and" can only mean either."""
    return isinstance(one, Attribute) and isinstance(two, Attribute) and one.names == two.names


def _either(child: Tree | Edge) -> bool:
    return isinstance(child, Edge) and child.category == "EITHER"


def _befalls(ctx: Context, before: Clause, relative: Tree) -> bool:
    """Whether a relative clause says what was done to the thing before it: "filed a claim that was approved"."""
    vp, at = relative.part(*VPS), ctx.names.lattice.at
    passive = vp.tree("event") is not None and any("BE" in at[i] for i in range(vp.first, vp.end))
    return passive and {"AGENT", "BUYERS"}.isdisjoint(at[before.first])
