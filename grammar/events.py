"""Event mentions: words to Events. Chooses the event by type: it must have every key and value that stands beside it.

words of one mention ── candidates by tier (full name, everyday word, part) ──► the events that fit ──► filters, bound
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from itertools import product as combinations
from typing import Any

from grammar import lexicon
from grammar.contradiction import contradiction
from grammar.draft import EventDraft, Refused, Tree, refusal
from grammar.mentions import Edge, ValueHit, past_fillers
from grammar.names import Candidate, name_stems, stem
from grammar.numbers import Amount, number_at
from grammar.query import (
    AT_LEAST_ONCE,
    ORDER_VALUE,
    AnyFilter,
    Basket,
    Bound,
    Condition,
    Dates,
    During,
    EventFilter,
    Events,
    EveryItem,
    Filter,
    Known,
    Named,
    Numeric,
    Property,
    SomeItem,
    Test,
    Text,
    Truth,
    Window,
    filters,
    nodes,
)
from grammar.values import (
    BASKETS,
    ORDER_EVENTS,
    Names,
    asks_sum,
    attribute_conditions,
    beside_its_key,
    canonical,
    converted,
    currency_filter,
    duration_keys,
    is_sum,
    key_noun,
    key_test,
    key_values,
    money_keys,
    name_parts,
    not_elsewhere,
    one_or_two,
    place_condition,
    properties,
    quant_bound,
    said_text,
    search_key,
    unknown,
    value_options,
    vlist_groups,
)
from grammar.vocabulary import Key, singular, words_of

_OF_OBJECTS = frozenset({"item", "event", "order value"})  # the levels of properties that tell what was bought


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention with its event chosen.

    `variants` are alternative filter sets, joined by `joint` ("bought Nike and Puma": two mentions in one). `measure`
    says what the bound counts. `product` are the filters that "it" would refer to; `such`: it is "one", any of that
    kind; `same` is the property that must agree with the mention before. `profile` are conditions on the contact that
    were said here ("booked a hotel in Paris" by place).
    """

    event: str | None
    variants: tuple[tuple[EventFilter, ...], ...]
    joint: str
    bound: Bound
    measure: str = "count"  # count | quantity | distinct
    distinct: Property | None = None
    product: tuple[EventFilter, ...] | None = None
    refers: bool = False
    such: bool = False
    same: str | None = None
    another: bool = False
    profile: tuple[Condition, ...] = ()
    warnings: tuple[str, ...] = ()


_IN_ORDER = frozenset({"order", "purchase", "transaction", "basket"})
_PAYS = ("paid", "pay", "pays", "paying")
SCORES = ("rating", "score", "stars")  # what a rating is called

# ── mentions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def rates(names: Names, draft: EventDraft) -> bool:
    """Whether something is rated: "rated it 4", "gave a rating of 4". A number beside it is the score."""
    return any(stem(word.low) == "rat" for word in names.lattice.words[draft.first : min(draft.end, draft.first + 3)])


def resolve_mention(names: Names, draft: EventDraft, windows: Callable[[Edge], Window]) -> list[Mention]:
    """The readings of a mention: those of the best tier of candidates with any. Refused where there is none."""
    if draft.hit is None and draft.tails:  # "active pledges"
        raise refusal(draft.tails[0], f'"{names.text(draft.tails[0])}" has no part here.')
    if draft.hit is None:
        return _for_event(names, draft, None, windows)
    verb = names.lattice.words[draft.first].low
    if verb in _PAYS and not draft.noun and not any(t.name in ("obj", "keyed", "value_key") for t in draft.objects):
        led = names.lattice.words[draft.first + 1 : draft.first + 2]
        if led and led[0].low in ("by", "with", "via", "using") and draft.hit.best()[0].tier == "everyday":
            raise refusal(draft, f'"{names.text(draft)}": paid with what?', "incomplete")
    failure: Refused | None = None
    unclear: Refused | None = None
    for tier in ("full", "everyday", "partial", "noun"):
        found: list[Mention] = []
        for candidate in [c for c in draft.hit.candidates if c.tier == tier]:
            try:
                _tails_fit(names, draft, candidate)
                _counts_events(names, draft, candidate)
                _is_no_object(names, draft, candidate)
                found.extend(_for_event(names, draft, candidate.event, windows))
            except Refused as refused:
                failure = failure if failure and failure.first >= refused.first else refused
                unclear = refused if refused.code == "vague" else unclear
        before = [e.meaning for tree in draft.pre for e in tree.leaves() if e.category == "VALUE"]
        told = (
            draft.objects or draft.tails or any(all(v.key.level != "attribute" for v in hit.values) for hit in before)
        )
        if found and tier == "noun" and not told:
            _named_alone(names, draft, found)
        if found:
            return list(dict.fromkeys(found))
        if tier == "everyday" and unclear is not None:
            raise unclear  # it fits, and is not clear: no other event is looked for
    assert failure is not None
    raise unclear or failure


def _named_alone(names: Names, draft: EventDraft, found: Sequence[Mention]) -> None:
    """Refused where the noun of an event, without its verb, may be something else or does not say enough."""
    events = {mention.event for mention in found if mention.event is not None}
    verbs = [names.verbs(event) for event in events]
    if {stem(word.low) for word in names.lattice.words}.intersection(*verbs):
        return  # "how many rides were cancelled"
    event, stems = found[0].event, [set(names.stems(event)) for event in events]
    span = range(draft.first, draft.end)
    if not all(light <= lexicon.LIGHT_STEMS for light in verbs):  # but a recharge is done
        _is_a_value(names, draft, [k for k in span if stem(names.lattice.words[k].low) in set.union(*stems)], event)
    if all(altered & (lexicon.ALTERING_STEMS | {"upgrad", "downgrad"}) for altered in verbs):  # "with an address"
        raise refusal(draft, f'"{names.text(draft)}" does not say what was done to it; {event} is known.', "incomplete")
    # "with stamps" of stamps-collected, where contacts have a number of stamps themselves
    said = {
        singular(names.lattice.words[k].low)
        for k in span
        if stem(names.lattice.words[k].low) in set.intersection(*stems)
    }
    numbers = [k for k in names.attributes if "number" in k.holds]
    theirs = next((k for k in numbers if said <= {singular(part) for part in name_parts(k.name)}), None)
    if said and theirs is not None and draft.which is None:
        raise refusal(draft, f'"{names.text(draft)}": the attribute {theirs.name}, or {event}?', "vague")


def _is_a_value(names: Names, draft: EventDraft, nouns: Sequence[int], event: str | None) -> None:
    """ "raised a ticket by phone, without app": a noun that is a whole value of another event may be that."""
    for edge in (e for k in nouns for e in names.lattice.at[k].get("VALUE", {}).values()):
        keys = [v.key for v in edge.meaning.values if v.key.name not in lexicon.SEARCH_KEYS]
        if edge.end == draft.end and keys and not draft.may_be() & {k.event for k in keys}:
            which = f"a value of the {keys[0].name} of {keys[0].event or 'the contacts'}"
            raise refusal(edge, f'"{names.text(edge)}": {which}, or {event}?', "vague")


def _tails_fit(names: Names, draft: EventDraft, candidate: Candidate) -> None:
    """Words such as "file" after "uploaded a PNG" must be the rest of the event's own name."""
    for tail in draft.tails:
        if all(c.event != candidate.event for c in tail.meaning.candidates):
            others = draft.may_be() & {c.event for c in tail.meaning.candidates}  # "visited a store" of store-visited
            if candidate.tier == "everyday" and not others and _names_event_thing(names, tail, candidate.event):
                continue
            words = names.text(tail)
            raise Refused("no place", tail.first, tail.end, f'"{words}" is no part of {candidate.event}.')


def _counts_events(names: Names, draft: EventDraft, candidate: Candidate) -> None:
    """ "over 1000 miles" of miles-redeemed, whose key "miles" holds how many: such a noun does not count the events."""
    quant = candidate.tier == "noun" and draft.quant is not None and not draft.quant.none
    if not quant and not any(t.name == "counted_tail" for t in draft.objects):
        return
    for edges in names.lattice.at[draft.first : draft.end]:
        for edge in edges.get("KEY", {}).values():
            if any(k.event == candidate.event and "number" in k.holds and _is_plural(k.name) for k in edge.meaning):
                raise refusal(edge, f'Is it how much "{names.text(edge)}", or how often?', "vague")


def _is_no_object(names: Names, draft: EventDraft, candidate: Candidate) -> None:
    """ "visited only the shop" of shop-visited: a verb with its object that names an event goes before an everyday word
    beside a value of that spelling. "the shop page" is a page."""
    mine = draft.may_be() - {candidate.event} if candidate.tier == "everyday" else set()
    for tree in draft.objects if mine else ():
        vlist = tree.tree("vlist") if tree.name == "obj" else None
        for edge in vlist.leaves() if vlist is not None else ():
            tail = names.lattice.at[edge.first].get("TAIL", {}).get(edge.end)
            named = mine & {c.event for c in tail.meaning.candidates} if tail is not None else set()
            follows = past_fillers(names.lattice, edge.end)
            noun = follows < len(names.lattice.at) and not {"TAIL", "THING"}.isdisjoint(names.lattice.at[follows])
            if named and edge.category == "VALUE" and not noun:
                raise refusal(edge, f'"{names.text(edge)}" is the noun of {", ".join(sorted(named))}.')


def _in_units(name: str) -> bool:
    """Whether a key's name ends with the unit of its numbers: "distance_km"."""
    last = name_parts(name)[-1]
    return last in lexicon.UNITS or last in lexicon.DURATION_SUFFIXES


def _is_plural(text: str) -> bool:
    """Whether the last word of a name is a plural."""
    last = words_of(text)[-1:]
    return bool(last) and singular(last[0]) != last[0]


def _names_event_thing(names: Names, tail: Edge, event: str) -> bool:
    """Everyday nouns of default events: a page is visited, an order is placed."""
    words = {stem(w) for w in names.text(tail).casefold().split()}
    site = {"websit", "sit", "stor"} if event in ("page-view", "order-completed") else set()
    return bool(words) and words <= set(name_stems(event)) | {"product", "item"} | site


def _for_event(names: Names, draft: EventDraft, event: str | None, windows: Callable[[Edge], Window]) -> list[Mention]:
    """The mention, if it is this event: each part consumed, or Refused."""
    parts = _Parts(names, event, windows)
    if draft.quant:
        parts.quant = draft.quant.bound
        if draft.quant.word is not None:
            parts.no_name(draft.quant.word)
    counted = draft.quant or draft.times or next((t for t in draft.objects if t.tree("quant") is not None), None)
    apart = next((t for t in draft.objects if t.name == "that_is" and t.has("COMMA")), None)
    if counted and apart is not None:
        raise refusal(apart, f'"{names.text(apart)}": one of them, or all?', "vague")
    for tree in draft.pre:
        parts.values_before(tree, draft.noun)
    parts.noun = draft.noun or draft.nominal
    parts.thing = draft.about_product
    parts.rated = rates(names, draft)
    for n, tree in enumerate(draft.objects):
        follows = past_fillers(names.lattice, tree.end)
        before_noun = any(t.first == follows and not _linked(names, t) for t in draft.tails) or any(
            t.name == "obj" or (t.name == "flagged" and t.first == follows and len(t.children) == 1)
            for t in draft.objects[n + 1 :]
        )
        summed = next((e for e in tree.children if isinstance(e, Edge) and e.category == "KEY"), None)
        if before_noun and summed is not None and _adds_up(names, tree, summed):
            raise parts.refuse(tree, f'"{names.text(tree)}": of what is it the {names.text(summed)}?', "vague")
        if tree.name == "amount" and before_noun:
            raise parts.refuse(tree, f'"{names.text(tree)}" stands before what it measures.')
        if tree.name in ("has_property", "value_key") and any(
            t.first == follows and t.name in ("obj", "amount", "duration_arg") for t in draft.objects
        ):
            raise parts.refuse(tree, f'A value stands right after "{names.text(tree)}".')
        if tree.name == "has_property":
            key = tree.edge("KEY")
            if key is not None and _value_follows(names, follows, key):
                raise parts.refuse(tree, f'A value stands right after "{names.text(tree)}".')
            dated = key is not None and any("date" in k.holds for k in key.meaning)
            if dated and any(e.first == follows for e in draft.time.windows):
                raise parts.refuse(tree, "The time beside a date is that date.")
        parts.take(tree)
    dates = [k.name for k in names.keys(event, "event") if "date" in k.holds] if event is not None else []
    for edge in draft.time.windows if dates else ():  # "booked a ride for June 2026"
        if names.lattice.words[edge.first].low == "for" and isinstance(windows(edge).period, Named | Dates):
            raise refusal(edge, f'"{names.text(edge)}": when it was done, or its {dates[0]}?', "vague")
    if draft.time.near:
        parts.options.append([draft.time.near])
    if draft.time.following is not None:
        words = names.text(draft.time.following)
        future = draft.time.following.category == "FUTURE"
        reason = f'The future is not known: "{words}".' if future else f'"{words}": following what?'
        raise refusal(draft.time.following, reason, "unsupported" if future else "vague")
    if draft.time.either is not None:
        raise refusal(draft.time.either, f'"{names.text(draft.time.either)}": in either, or in both together?', "vague")
    if draft.time.same_day is not None:
        raise parts.refuse(draft.time.same_day, f'"{names.text(draft.time.same_day)}" as what?', "vague")
    if draft.in_one:
        parts.in_one(draft)
    if draft.distinct is not None and parts.measure != "distinct":
        raise Refused(
            "no place",
            draft.distinct.first,
            draft.distinct.end,
            "It is not said of what the different ones are counted.",
        )
    if draft.another:
        parts.another = True
    if any(part in parts.options[:n] for n, part in enumerate(parts.options)):
        raise refusal(draft, f'"{names.text(draft)}" says the same thing twice.')
    found = parts.mentions()
    if not found:
        last = draft.objects[-1] if draft.objects else draft
        raise refusal(last, f'"{names.text(last)}" cannot be beside what else is said of {event}: it has one of them.')
    return found


def _adds_up(names: Names, tree: Tree, key: Edge) -> bool:
    """Whether a key beside a bare number is also a word for a sum, as in "total 3 saddles", "3 total saddles"."""
    number = tree.name == "keyed_bound" and tree.children[0] is not key
    beside = tree.children[0] is key and names.lattice.at[past_fillers(names.lattice, key.end)].keys() & {"NUM"}
    return (number or bool(beside)) and "AGG" in names.lattice.at[key.first]


def _value_follows(names: Names, i: int, key: Edge) -> bool:
    """Whether a value of the key stands at word i."""
    hits = names.lattice.at[i].get("VALUE", {}).values() if i < len(names.lattice.at) else ()
    return any(v.key in key.meaning for hit in hits for v in hit.meaning.values)


def _linked(names: Names, tail: Edge) -> bool:
    """Whether a tail begins with a preposition ("to the cart"), so that it does not name what a number measures."""
    return names.lattice.words[tail.first].low in ("to", "in", "into", "on", "out", "from", "for", "off")


_OTHER = frozenset("other than|except|except for|apart from|aside from|excluding".split("|"))


class _Parts:
    """The parts of one mention, taken one after another for one event."""

    def __init__(self, names: Names, event: str | None, windows: Callable[[Edge], Window]) -> None:
        self.names = names
        self.event = event
        self.windows = windows
        self.options: list[list[tuple[EventFilter, ...]]] = []  # each: alternatives of one part (readings)
        self.variants: list[list[tuple[EventFilter, ...]]] = [[()]]  # readings of the list part
        self.joint = ""
        self.quant: Amount | None = None
        self.measure = "count"
        self.distinct: Property | None = None
        self.refers = False
        self.such = False
        self.same: str | None = None
        self.another = False
        self.profile: list[Condition] = []
        self.warnings: list[str] = []
        self.noun = False
        self.thing = False
        self.rated = False

    def refuse(self, tree: Tree | Edge, reason: str, code: Any = "no place") -> Refused:
        return Refused(code, tree.first, tree.end, reason)

    def take(self, tree: Tree) -> None:
        match tree.name:
            case "obj":
                self.object(tree)
            case "ref":
                self.refers = True
            case "one":
                tree.leaf("ONE")
                self.refers = self.such = True
            case "same":
                self.take_same(tree)
            case "another":
                self.another = True
            case "text_object":
                self.text(tree)
            case "score":
                self.score(tree)
            case "distinct_key" | "distinct_thing":
                self.count_distinct(tree)
            case "prepared":
                self.prepared(tree)
            case "keyed":
                self.keyed(tree)
            case "keyed_bound":
                self.keyed_bound(tree)
            case "amount":
                self.amount(tree, product=self.thing)
            case "named_thing":
                self.named_thing(tree)
            case "dated":
                self.dated(tree)
            case "flagged":
                self.flagged(tree)
            case "other_things":
                self.other_things(tree)
            case "measured":
                self.measured(tree)
            case "stars":
                self.stars(tree)
            case "that_is":
                self.that_is(tree)
            case "only_items":
                self.only_items(tree)
            case "in_key":
                self.in_key(tree)
            case "counted_tail":
                self.counted_tail(tree)
            case "duration_arg":
                self.duration(tree)
            case "has_property":
                self.has_property(tree)
            case "value_key":
                self.value_key(tree)
            case _:
                raise self.refuse(tree, f'"{self.names.text(tree)}" has no part here.')

    # objects

    def object(self, tree: Tree) -> None:
        thing = tree.edge("THING")
        vlist = tree.tree("vlist")
        quant = tree.tree("quant")
        if vlist is not None:
            self.values(vlist, None)
        if thing is not None and vlist is not None and thing.meaning == "any":
            raise self.refuse(thing, f'"{self.names.text(thing)}" stands beside a value.')
        if thing is not None or vlist is not None:
            self.thing = True
        if vlist is not None and self.event is not None:
            self.not_of_context(vlist)
        if (
            thing is not None
            and self.event is not None
            and not self.names.keys(self.event, "item")
            and (thing.meaning == "product" or {"product", "item"} & set(self.names.text(thing).casefold().split()))
            and vlist is None
        ):
            raise self.refuse(thing, f"{self.event} is not about products.")
        if quant is not None:
            if self.joint == "and":
                raise self.refuse(quant, f'"{self.names.text(quant)}": of which of them?', "vague")
            self.count_things(quant, tree)
        for post in tree.trees("objpost", "score"):
            text = post.tree("text")
            if post.name == "score":
                self.score(post)
            elif text is not None:
                self.product_named(text)
            else:
                self.amount(post, product=True)

    def not_of_context(self, vlist: Tree) -> None:
        """Refused where the object of a verb is only a value of its context: "opened the newsletter"."""
        for edge in vlist.leaves():
            held = edge.meaning.values if isinstance(edge.meaning, ValueHit) else ()
            here = {v.key.level for v in held if v.key.event == self.event}
            alone = edge.first == vlist.first and vlist.end == edge.end
            bought = self.event in ORDER_EVENTS and "item" not in here
            if alone and bought and here and self.names.lattice.behind_article(edge.first):
                raise self.refuse(edge, f'"{self.names.text(edge)}" is no product of {self.event}.', "unknown value")
            if here == {"context"} and alone:
                raise self.refuse(edge, f'"{self.names.text(edge)}" is how or where it was done, and not what.')

    def count_things(self, quant: Tree, tree: Tree) -> None:
        edge = next(quant.edges())
        if self.quant is not None:
            raise self.refuse(edge, "Two numbers count the same thing.")
        self.no_name(edge)
        self.quant = quant_bound(edge)
        self.names.counts(edge)
        purchase = self.event in lexicon.PRODUCT_EVENTS_QUANTITY
        self.measure = "quantity" if purchase and edge.category in ("BOUND", "NUM", "SINGLE") else "count"
        if edge.category == "SINGLE":
            self.measure = "count"
        if isinstance(edge.meaning, Amount) and edge.meaning.currency:
            raise self.refuse(edge, "An amount of money is no count.")

    def other_things(self, tree: Tree) -> None:
        """ "something other than the Red Shirt": one that has the property with another value."""
        word, vlist = tree.leaf("EXCEPT"), tree.part("vlist")
        if self.names.text(word).casefold() not in _OTHER:
            raise self.refuse(word, f'"{self.names.text(word)}" has no place behind what was done.')
        if tree.has("THING") and tree.tree("quant") is not None:
            self.object(Tree("obj", tuple(c for c in tree.children if c not in (word, vlist))))
        self.another_value(vlist)

    def that_is(self, tree: Tree) -> None:
        """ "jobs that are remote", "videos which are not in HD": what is said of the thing itself."""
        who, be, negation, vlist = tree.leaf("WHO"), tree.edge("BE"), tree.edge("NEG"), tree.part("vlist")
        led = tree.tree("prep")
        prep = next(led.edges()).category if led is not None else None
        if self.names.text(who).casefold() not in ("that", "which"):
            raise self.refuse(who, "A person stands between an event and what it is.")
        if be is None and (negation is None or negation.meaning[0] != "be"):
            raise self.refuse(tree, f'"{self.names.text(tree)}" has no verb.')
        if negation is not None and negation.meaning[1] == "never":
            raise self.refuse(negation, f'"{self.names.text(negation)}" has no part here.')
        if negation is None:
            self.values(vlist, prep)
        else:
            self.another_value(vlist, prep)

    def another_value(self, vlist: Tree, prep: str | None = None) -> None:
        """Some property with another value than these."""
        others = _Parts(self.names, self.event, self.windows)
        others.values(vlist, prep)
        readings = others.options[0] if others.options else [v[0] for v in others.variants if len(v) == 1]
        if others.joint == "and" or not readings or any(len(reading) != 1 for reading in readings):
            raise self.refuse(vlist, "Other than one value, or than any of some, is read.", "unsupported")
        self.options.append([(self.with_another(vlist, reading[0]),) for reading in readings])

    def with_another(self, tree: Tree, given: EventFilter) -> Filter:
        """The same property with another value."""
        if not isinstance(given, Filter) or not isinstance(given.test, Text) or given.test.negated:
            raise self.refuse(tree, "Other than a value is read.", "unsupported")
        return replace(given, test=replace(given.test, negated=True))

    def count_distinct(self, tree: Tree) -> None:
        quant = tree.tree("quant")
        thing, key = tree.edge("THING"), tree.edge("KEY")
        different = tree.edge("DISTINCT")
        if quant is None:
            raise self.refuse(tree, "It is not said how many different ones.")
        if self.quant is not None:  # "placed 3 orders on 2 devices"
            raise self.refuse(tree, "A number of them and a number of different ones are not read together.")
        self.quant = quant_bound(next(quant.edges()))
        self.measure = "distinct"
        if thing is not None:
            if not self.has("item", "product_id"):
                raise self.refuse(thing, f"{self.event} is not about products.")
            self.distinct = Property("product_id", "item")
            return
        tail = tree.edge("TAIL")
        self.not_a_key(tail)
        if key is not None:
            found = self.counted_keys(key, tree.tree("prep"))
            if different is None and any("text" not in k.holds for k in found):
                raise self.refuse(tree, "It is not said to be a number of different ones.")
        else:
            found = self.noun_keys(tail) if tail is not None else []
        chosen = [p for p in properties(found) if p.level == "item"] or list(properties(found))
        if len(chosen) != 1:
            raise self.refuse(tree, "It is not clear which key is counted.")
        self.distinct = chosen[0]

    def counted_keys(self, edge: Edge, prep: Tree | None) -> list[Key]:
        """The key that is counted: of that name, else the one whose last word it is, which a preposition tells from
        others: "to 3 different cities" of from_city, to_city."""
        if edge.meaning == "product" or any(k.event == self.event for k in edge.meaning):
            return self.event_keys(edge)
        noun = stem(self.names.text(edge).casefold())
        found = [k for k in self.names.keys(self.event or "", "event") if key_noun(k) == noun]
        word = next(prep.edges()).category if prep is not None else ""
        wanted = lexicon.TO_KEYS if word == "TO" else lexicon.FROM_KEYS if word == "FROM" else ()
        opposite = {"TO": lexicon.FROM_KEYS, "FROM": lexicon.TO_KEYS}.get(word, ())
        found = [k for k in found if k.name.lower().split("_")[0] in wanted] or [
            k for k in found if k.name.lower().split("_")[0] not in opposite
        ]
        if len(found) > 1:
            raise self.refuse(edge, f"Is it {' or '.join(k.name for k in found)}?", "vague")
        return found or self.event_keys(edge)

    def no_name(self, number: Edge) -> None:
        """Refused where a number that counts is what something of the event is called: "bought 100 pots" of 100."""
        called = [
            k
            for k in self.names.keys(self.event or "")
            if k.name in ("name", "title", "category", "brand") or k.name.endswith(("_name", "_title"))
        ]
        said = self.names.text(number)
        if any(ch.isalpha() for ch in said) and any(ch.isdigit() for ch in said):  # "4K titles"
            called = [k for k in self.names.keys(self.event or "") if "text" in k.holds]
        if self.names.held(said, called):
            raise self.refuse(number, f'Is "{self.names.text(number)}" how many, or what it is called?', "vague")

    def not_a_key(self, tail: Edge | None) -> None:
        """A word that is a key of the event is that key, not a part of the event's name."""
        keys = self.names.lattice.at[tail.first].get("KEY", {}) if tail is not None else {}
        if tail is not None and tail.end in keys and any(k.event == self.event for k in keys[tail.end].meaning):
            raise self.refuse(tail, "The key of that name is meant.")

    def noun_keys(self, tail: Edge) -> list[Key]:
        """The keys that tell apart what a noun of the event names: hotel → hotel_id, else hotel_name, else hotel."""
        word = stem(self.names.text(tail).casefold().split()[-1])
        named = [
            k
            for k in self.names.keys(self.event or "", "event")
            if word in {stem(w) for w in name_parts(k.name)} and "object" not in k.holds
        ]
        for ending in ("id", "name", ""):
            parts = [(k, name_parts(k.name)) for k in named]
            found = [k for k, said in parts if (said[-1] == ending and len(said) > 1) or not (ending or said[1:])]
            if len(found) == 1:
                return found
        return []

    def has(self, level: str, name: str) -> bool:
        return self.event is not None and any(k.level == level and k.name == name for k in self.names.keys(self.event))

    def take_same(self, tree: Tree) -> None:
        key, tail = tree.edge("KEY"), tree.edge("TAIL")
        if key is not None and key.meaning != "product":
            found = [k for k in key.meaning if k.event == self.event]
            if not found:
                raise self.refuse(key, f"{self.event} has no such key.", "wrong key")
            leaf = "object" not in found[0].holds
            self.same = found[0].name if leaf else "?" + self.names.text(key).casefold()
        elif tail is not None:
            self.not_a_key(tail)
            self.same = "?" + self.names.text(tail).casefold()
        else:
            self.same = "product"

    def text(self, tree: Tree) -> None:
        tree.edge("FOR")
        if search_key(self.names, self.event) is None:
            raise self.refuse(tree, f"{self.event} has no search text.")
        self.options.append([_merged_or([(self.searched(str(edge.meaning)),) for edge in tree.own("TEXT")]) or ()])

    def is_searched(self, edge: Edge, prep: str | None) -> bool:
        """Whether a word is the text of a search, and not a value of another key alone."""
        name = search_key(self.names, self.event)
        if edge.category == "UNK" and self.names.text(edge).casefold() in lexicon.OFTEN:
            return False
        if self.event == "product-searched" or name is None or edge.category == "QUOTED":
            return name is not None
        if edge.category == "UNK":
            return prep == "FOR"
        keys = [k for k in self.names.keys(self.event or "", "event") if k.name == name]
        text = said_text(self.names, [edge]).strip().casefold()
        return self.names.vocabulary.contains(keys, text) or not value_options(self.names, self.event, edge, None)

    def searched(self, text: str) -> Filter:
        """A search whose text contains this."""
        name = search_key(self.names, self.event)
        keys = [k for k in self.names.keys(self.event or "") if k.name == name]
        if not self.names.vocabulary.contains(keys, text):
            self.warnings.append(f'No search contains "{text}".')
        return Filter((Property(name or lexicon.SEARCH_KEYS[0]),), Text("contains", (text,)))

    def product_named(self, text: Tree) -> None:
        self.options.append([(self.named_product(list(text.edges())),)])

    def named_product(self, edges: list[Edge], negated: bool = False) -> Filter:
        """The product of that name; one that the data does not hold is kept, with a warning."""
        known = self.known_product(edges, negated)
        if known is not None:
            return known
        said = said_text(self.names, edges).strip()
        keys = self.names.product_keys(self.event or "")
        if not keys:
            raise Refused("wrong key", edges[0].first, edges[-1].end, f"{self.event} is not about products.")
        near = self.names.vocabulary.near(said, keys, 1)
        hint = f' The nearest is "{near[0].text.strip()}".' if near else ""
        self.warnings.append(f'No product is "{said}".{hint}')
        return Filter((Property("name", "item"),), Text("is", canonical([said]), negated))

    def known_product(self, edges: list[Edge], negated: bool) -> Filter | None:
        held = self.names.held(said_text(self.names, edges), self.names.product_keys(self.event or ""))
        if not held:
            return None
        return Filter(properties(v.key for v in held), Text("is", canonical(v.text for v in held), negated))

    # values

    def values(self, tree: Tree, prep: str | None) -> None:
        groups, joint = vlist_groups(tree)
        shared = self.shared_head(groups)
        readings: list[list[tuple[EventFilter, ...]]] = []
        for group in groups:
            per_edge: list[list[Filter]] = []
            for n, edge in enumerate(group):
                per_edge.append(self.value(edge, prep))
                levels = {p.level for option in per_edge[-1] for p in option.properties}
                if n and levels == {"context"} and self.is_own_noun(edge):
                    raise self.refuse(edge, f'"{self.names.text(edge)}" is the noun of {self.event}.')
            readings.append([tuple(choice) for choice in combinations(*per_edge)])
        for n, extra in enumerate(shared):
            if extra:
                readings[n] = [r + tuple(extra) for r in readings[n]]
        if len(groups) == 1:
            self.options.append(readings[0])
            return
        both = joint == "and" and tree.has("BOTH")
        if joint == "and" and self.in_lists(readings):
            # "with both X and Y" of a list: one event has both
            one = [tuple(f for part in choice for f in part) for choice in combinations(*readings)]
            each = [] if both else [list(choice) for choice in combinations(*readings)]
            self.list_of(tree, [*([where] for where in one), *each], joint)
            return
        together = [list(choice) for choice in combinations(*readings)]
        together += self.with_first(tree, groups, together)
        if joint == "or":
            merged = [_merged_or(choice) for choice in together]
            if all(where is not None for where in merged):  # one filter, which any other list may stand beside
                self.options.append([where for where in merged if where is not None])
                return
            together = [choice if where is None else [where] for choice, where in zip(together, merged, strict=True)]
        self.list_of(tree, together, joint)

    def list_of(self, tree: Tree, variants: list[list[tuple[EventFilter, ...]]], joint: str) -> None:
        """The one list beside the event whose members are events of their own."""
        if self.joint:
            raise self.refuse(tree, "Two lists stand beside one event.", "vague")
        self.variants, self.joint = variants, joint

    def is_own_noun(self, edge: Edge) -> bool:
        """Whether words are those of the event's own name, as in "the Green newsletter" of newsletter-opened."""
        said = {stem(word) for word in self.names.text(edge).casefold().split()}
        return said <= set(name_stems(self.event or ""))

    def values_before(self, tree: Tree, noun: bool) -> None:
        """Values before what was done. Of several before a noun, those that only contacts have are theirs: "student
        yoga bookings"."""
        groups = vlist_groups(tree)[0]
        if noun:
            self.not_by_a_key(groups)
        mine = [e for e in groups[0] if e.category != "UNK" and value_options(self.names, self.event, e, None)]
        others = [e for e in groups[0] if e not in mine]
        conditions = [attribute_conditions(self.names, e) if e.category == "VALUE" else [] for e in others]
        if not noun or len(groups) != 1 or not mine or not others or any(len(found) != 1 for found in conditions):
            self.values(tree, None)
            return
        self.values(Tree("vlist", (Tree("vgroup", tuple(mine)),)), None)
        self.profile.extend(found[0] for found in conditions)

    def not_by_a_key(self, groups: Sequence[Sequence[Edge]]) -> None:
        """Refused where what only tells how it was done is a key of the contacts too: "email subscribers"."""
        for edge in (e for group in groups for e in group if e.category == "VALUE"):
            options = value_options(self.names, self.event, edge, None)
            key = self.names.lattice.at[edge.first].get("KEY", {}).get(edge.end)
            said = self.names.text(edge).casefold()
            own = key is not None and any(k.level == "attribute" and k.name.casefold() == said for k in key.meaning)
            if own and {p.level for option in options for p in option.properties} == {"context"}:
                raise self.refuse(edge, f'"{said}" is a key too: of what is it said?', "vague")

    def in_lists(self, readings: list[list[tuple[EventFilter, ...]]]) -> bool:
        """Whether all of these are said of properties that hold several values at once."""
        lists = {k.name for k in self.names.keys(self.event or "", "event") if "list" in k.holds}
        said = [f for options in readings for option in options for f in option]
        return all(isinstance(f, Filter) and all(p.name in lists for p in f.properties) for f in said)

    def shared_head(self, groups: list[list[Edge]]) -> list[list[Filter]]:
        """In "Nike or Puma shoes" the last group's noun belongs to all: those that it extends get its filters too."""
        extra: list[list[Filter]] = [[] for _ in groups]
        last = groups[-1]
        if len(groups) < 2 or len(last) < 2:
            return extra
        rest = [self.value(edge, None) for edge in last]
        for n, group in enumerate(groups[:-1]):
            mine = self.value(group[-1], None)
            of_items = len(group) > 1  # "black Samsung or Apple phones"
            at = next((k for k, more in enumerate(rest[:-1]) if mine and _alike(mine, more, of_items)), None)
            if at == 0 or (at is not None and of_items):
                extra[n] = [options[0] for options in rest[at + 1 :]]
        return extra

    def with_first(
        self, tree: Tree, groups: list[list[Edge]], together: list[list[tuple[EventFilter, ...]]]
    ) -> list[list[tuple[EventFilter, ...]]]:
        """In "red saddles or helmets" what stands before the first noun may be said of all: the list with it. Behind an
        article a new object begins ("a red saddle or a helmet")."""
        ends = len(groups) - 2  # behind it the last, whose noun may be of all: "red Corvino or Brisk helmets"
        at = [
            n for n, (group, after) in enumerate(pairwise(groups)) if len(group) > 1 and (len(after) == 1 or n == ends)
        ]
        at = [n for n in at if not self.names.lattice.behind_article(groups[n + 1][0].first)]
        found = []
        for choice in together:
            said = [choice[n][len(group) - 1] for n, group in enumerate(groups)]
            goes_on = [n for n in at if _of_one_property(said[n], choice[n + 1][0])]
            if goes_on and (goes_on != [0] or any(not _of_one_property(said[0], other[0]) for other in choice[1:])):
                words = self.names.lattice.text(groups[goes_on[0]][0].first, tree.end)
                raise self.refuse(tree, f'"{words}": what stands before the first, is it said of all?', "vague")
            if goes_on and all(len(group) == 1 for group in groups[1:-1]):
                first, *others = choice
                found.append([first, *(first[: len(groups[0]) - 1] + other for other in others)])
            elif goes_on:
                raise self.refuse(tree, "Which of these go together?", "vague")
        return found

    def value(self, edge: Edge, prep: str | None) -> list[Filter]:
        before = self.names.lattice.words[edge.first - 1].low if edge.first else ""
        if before in lexicon.POSSESSIVE and self.names.text(edge).casefold() == "birthday":
            raise self.refuse(edge, "A birthday comes every year.", "vague")  # no value of the event
        if prep in (None, "FOR") and self.is_searched(edge, prep):  # "searched for X": the query contains X
            return [self.searched(said_text(self.names, [edge]).strip().casefold())]
        if edge.category == "UNK":
            raise unknown(self.names, edge, self.event)
        if edge.category == "QUOTED" and not value_options(self.names, self.event, edge, prep):
            if self.has("item", "name"):
                return [self.named_product([edge])]
            raise unknown(self.names, edge, self.event)
        options = value_options(self.names, self.event, edge, prep)
        if not options:
            raise unknown(self.names, edge, self.event)
        timed = prep in ("ON", "IN") and {p.level for o in options for p in o.properties} == {"context"}
        if timed and all(p.name.split(".")[-1].endswith("campaign") for o in options for p in o.properties):
            raise self.refuse(edge, f'"{self.names.text(edge)}" is a campaign, and no time.', "vague")
        if prep == "DUE":
            options = [o for o in options if any(lexicon.CAUSE_WORDS & set(p.name.split("_")) for p in o.properties)]
            if not options:
                raise self.refuse(edge, f'"{self.names.text(edge)}" is no cause or reason of {self.event}.')
        if prep == "BY" and all(p.level == "item" and p.name != "brand" for o in options for p in o.properties):
            raise self.refuse(edge, f'"by {self.names.text(edge)}": a product is no way of doing it.')
        return options

    def prepared(self, tree: Tree) -> None:
        prep_tree, vlist = tree.part("prep"), tree.part("vlist")
        prep = next(prep_tree.edges()).category
        before = self.names.lattice.words[prep_tree.first - 1].low if prep_tree.first else ""
        if prep == "OF" and before in lexicon.QUANTIFIERS:  # "any of them" is a list
            raise self.refuse(prep_tree, f'"{before} of" has no part here.')
        if self.names.text(prep_tree).casefold() == "containing" and search_key(self.names, self.event):
            prep = "FOR"  # "searched for something containing X"
        said = len(self.options)
        try:
            self.values(vlist, prep)
            odd = prep in ("VIA", "ABOUT")
            odd |= prep == "WITH" and not self.noun and (self.thing or self.event not in BASKETS)
            if odd and self.of_items([option for part in self.options[said:] or self.variants for option in part]):
                raise self.refuse(tree, f'"{self.names.text(prep_tree)}" does not lead to a product of {self.event}.')
        except Refused as refused:
            at, follows = self.names.lattice.at, past_fillers(self.names.lattice, vlist.end)
            noun = follows < len(at) and not {"TAIL", "EN", "THING"}.isdisjoint(at[follows]) and follows == vlist.end
            values = [e for e in vlist.leaves() if isinstance(e.meaning, ValueHit)]
            mine = any(value_options(self.names, self.event, e, prep) for e in values)  # of the event, but not all
            if prep not in ("IN", "FROM") or noun or mine or refused.code != "unknown value":  # "in the Delhi store"
                raise
            self.profile.append(place_condition(self.names, vlist))

    def of_items(self, options: list[tuple[EventFilter, ...]]) -> bool:
        """Whether all of these are said of line items."""
        said = [f for option in options for f in option]
        return bool(said) and all(isinstance(f, Filter) and {p.level for p in f.properties} == {"item"} for f in said)

    # keys

    def event_keys(self, edge: Edge) -> list[Key]:
        if edge.meaning == "product":
            return self.names.product_keys(self.event or "")
        found = [k for k in edge.meaning if k.event == self.event]
        if self.event is None:
            of_any = [k for k in edge.meaning if k.level == "context"][:1]
            if not of_any:
                raise self.refuse(
                    edge, f'Not every event has a "{self.names.text(edge)}": say which event.', "wrong key"
                )
            return of_any
        if not found:
            holders = sorted({k.event for k in edge.meaning if k.event})
            word = self.names.text(edge)
            if not holders:
                raise self.refuse(edge, f'{self.event} has no key "{word}".', "wrong key")
            raise self.refuse(
                edge, f'{self.event} has no key "{word}"; it is a key of {", ".join(holders[:4])}.', "wrong key"
            )
        own = [k for k in found if k.level != "context"]
        return own or found

    def keyed(self, tree: Tree) -> None:
        edge, cond = tree.edge("KEY", "PKEY"), tree.trees()[-1]
        relative = tree.edge("WHO")
        if relative is not None and self.names.text(relative).casefold() not in (
            "that",
            "which",
        ):
            raise self.refuse(relative, "A person stands between a key and its value.")
        assert edge is not None
        if edge.meaning == "product" and cond.name in ("is_",):
            vlist = cond.part("vlist")
            self.product_is(vlist, cond.has("NEG"))
            return
        keys = self.event_keys(edge)
        if edge.meaning == "product":
            if cond.name not in ("contains", "starts", "ends"):
                raise self.refuse(edge, "Say which key of the product: its name, brand, category, price.")
            keys = [k for k in keys if k.name == "name"]
        if not keys:
            raise self.refuse(edge, f"{self.event} is not about products.", "wrong key")
        found: list[EventFilter] = []
        edges, together = one_or_two(self.names, cond) if cond.name == "bounds" else ([], True)
        for one in [Tree("bound", (edge,)) for edge in edges] or [cond]:
            test, warnings = key_test(self.names, one, keys, self.windows)
            if warnings and relative is not None and one.name == "is_":  # "a hut that was gold"
                not_elsewhere(self.names, one.part("vlist"), keys)
            self.warnings.extend(warnings)
            listed = one.tree("vlist")
            if listed is not None and isinstance(test, Text) and not test.negated and _all_of_a_list(listed, keys):
                found.extend(Filter(properties(keys), replace(test, values=(value,))) for value in test.values)
                continue
            found.extend(self.lacking(keys) if test == Known(False) else (self.tested(keys, test),))
        if not together:
            found = [AnyFilter(tuple(sorted((f for f in found if isinstance(f, Filter)), key=repr)))]
        self.options.append([tuple(found)])

    def product_is(self, vlist: Tree, negated: bool) -> None:
        groups, joint = vlist_groups(vlist)
        if not self.names.keys(self.event or "", "item"):
            raise self.refuse(vlist, f"{self.event} is not about products.", "wrong key")
        found = []
        for group in groups:
            known = self.known_product(group, negated)
            if known is not None:
                found.append(known)
            elif negated or any(e.category == "UNK" for e in group):
                found.append(self.named_product(group, negated))
            else:
                per_edge = [self.value(edge, None) for edge in group]
                if len(groups) > 1:
                    raise Refused("unknown value", group[0].first, group[-1].end, "No product of that name.")
                self.options.append([tuple(choice) for choice in combinations(*per_edge)])
                return
        if joint == "and" and len(found) > 1:
            self.variants, self.joint = [[(f,) for f in found]], "and"
            return
        merged = _merged_or([(f,) for f in found])
        assert merged is not None
        self.options.append([merged])

    def keyed_bound(self, tree: Tree) -> None:
        key, bounds = tree.leaf("KEY"), tree.own("BOUND", "NUM")
        tree.own("OR")
        keys = self.event_keys(key)
        words = self.names.text(key)
        own = {stem(w) for w in words_of(words)} & set(name_stems(self.event or ""))
        if own and _is_plural(words) and not any(_is_plural(k.name) for k in keys):
            raise self.refuse(key, f'"{words}" counts the events, and is no number of one.')
        if "number" not in {h for k in keys for h in k.holds}:
            raise self.refuse(key, f'"{keys[0].name if keys else words}" holds no numbers.', "wrong key")
        if self.may_count(tree, words, keys, bounds):
            what = f'"{self.names.text(tree)}": how many of them, or one whose {keys[0].name} is that?'
            raise self.refuse(tree, what, "vague")
        tests = [self.tested(keys, Numeric(bound.meaning.bound)) for bound in bounds]
        self.options.append([(tests[0] if len(tests) == 1 else AnyFilter(tuple(sorted(tests, key=repr))),)])

    def may_count(self, tree: Tree, words: str, keys: Sequence[Key], bounds: Sequence[Edge]) -> bool:
        """Whether a number beside a key may be how many there were, and not a value of it: "played 5 episodes", where
        each has its number; "a 1500 ticket"; "bought zero tickets", which may be of no event at all."""
        if any(_in_units(k.name) for k in keys) or all(b.meaning.bound == Bound("=", 1) for b in bounds):
            return False
        several = any(_is_plural(k.name) for k in keys)
        if not _is_plural(words):
            behind = self.names.lattice.at[tree.end].keys() if tree.end < len(self.names.lattice.at) else set()
            return several and behind.isdisjoint(("EN", "TAIL", "VALUE", "UNK", "THING"))
        led = tree.has("WHERE", "WITH", "FOR", "OF")
        return not several or (not led and any(b.meaning.bound == Bound("=", 0) for b in bounds))

    def tested(self, keys: Sequence[Key], test: Test) -> Filter:
        """A test of a key. The total of an order is what the order comes to, also where it is not given."""
        total = self.event in ORDER_EVENTS and [(k.name, k.level) for k in keys] == [("total", "event")]
        return Filter((ORDER_VALUE,) if total and isinstance(test, Numeric) else properties(keys), test)

    def measured(self, tree: Tree) -> None:
        """ "over 5 MB": the event's one number in that unit, by the suffix of its name."""
        bound, unit = tree.leaf("BOUND"), tree.leaf("UNITW")
        if any(tree.first in edges.get("KEY", {}) for edges in self.names.lattice.at[: tree.first]):
            raise self.refuse(tree, "It is said of the key before it.")
        keys = [k for k in self.names.keys(self.event or "", "event") if "number" in k.holds]
        found = [k for k in keys if unit.meaning in {lexicon.UNITS.get(part) for part in name_parts(k.name)}]
        if len(found) != 1:
            which = f"Is it {' or '.join(k.name for k in found)}?" if found else f"{self.event} has no such number."
            raise self.refuse(unit, f'"{self.names.text(tree)}": {which}', "vague" if found else "wrong key")
        self.options.append([(Filter(properties(found), Numeric(bound.meaning.bound)),)])

    def amount(self, tree: Tree, product: bool) -> None:
        edge = tree.leaf("BOUND")
        amount: Amount = edge.meaning
        noun = tree.edge("MONEYNOUN")
        all_of_them = noun is not None and self.names.text(noun).casefold() == "total"
        if noun is not None and all_of_them and not (self.noun or product or self.event in ORDER_EVENTS):
            raise self.refuse(noun, f'"{self.names.text(noun)}": of one, or of all together?', "vague")
        if noun is not None and asks_sum(self.names, noun):
            raise self.refuse(noun, f'"{self.names.text(noun)}" asks for a sum: the total of a number.')
        if product and is_sum(self.names, tree):
            priced = tree.leaf("PRICED")
            raise self.refuse(priced, f'"{self.names.text(priced)}": each of them, or all together?', "vague")
        if self.rated and not tree.has("PRICED") and amount.currency is None and len(self.scores()) == 1:
            self.options.append([(Filter(properties(self.scores()), Numeric(amount.bound)),)])  # "rated it 4 or more"
            return
        if product and self.has("item", "price"):
            scores = [k.name for k in self.names.keys(self.event or "", "event") if k.name in SCORES]
            if scores and not tree.has("PRICED") and amount.currency is None:
                raise self.refuse(edge, f"Is it the price or the {scores[0]}?", "vague")
            self.options.append([(Filter((Property("price", "item"),), Numeric(amount.bound)),)])
            return
        if not tree.has("PRICED") and noun is None and self.counts_in_words(edge):
            raise self.refuse(edge, f'"{self.names.text(edge)}" of what?', "vague")
        if self.event in ORDER_EVENTS:
            if not self.noun and not tree.has("PRICED"):
                raise self.refuse(edge, "It is not said what costs so much: a product or an order.", "vague")
            prop = ORDER_VALUE
        elif self.event is not None:
            money = money_keys(self.names, self.event)
            if len(money) != 1:
                if not money:
                    raise self.refuse(edge, f"{self.event} has no amount of money to compare.")
                for_each = [[(Filter((m,), Numeric(amount.bound)),)] for m in money]
                self.options.append([option for options in for_each for option in options])
                return
            prop = money[0]
        else:
            raise self.refuse(edge, "Any event has no one amount of money.")
        self.options.append([(Filter((prop,), Numeric(amount.bound)),)])
        self.currency(edge)

    def counts_in_words(self, edge: Edge) -> bool:
        """Whether a bound is of a small number written as a word, which counts and is no money: "at least one"."""
        lows = [word.low for word in self.names.lattice.words[edge.first : edge.end]]
        bound, currency = edge.meaning.bound, edge.meaning.currency
        small = currency is None and max(bound.value, bound.upper or 0) <= 12
        return small and any(low.isalpha() and number_at(lows, i) is not None for i, low in enumerate(lows))

    def score(self, tree: Tree) -> None:
        """ "rated a product 5": the one score of the event."""
        edge, scores = tree.leaf("NUM", "BOUND"), self.scores()
        if not self.rated or len(scores) != 1 or edge.meaning.currency is not None:
            raise self.refuse(edge, f'It is not said what "{self.names.text(edge)}" measures.', "vague")
        self.options.append([(Filter(properties(scores), Numeric(edge.meaning.bound)),)])

    def scores(self) -> list[Key]:
        """The keys of the event that hold how good something was found."""
        return [k for k in self.names.keys(self.event or "", "event") if k.name in SCORES and "number" in k.holds]

    def stars(self, tree: Tree) -> None:
        """ "a 5 star review", "rated it 4 stars or more": the one score of the event."""
        edge, tail, scores = tree.leaf("STARS"), tree.edge("TAIL"), self.scores()
        if len(scores) != 1:
            raise self.refuse(edge, f"{self.event} has no one rating.", "wrong key")
        if tail is not None and all(c.event != self.event for c in tail.meaning.candidates):
            raise self.refuse(tail, f'"{self.names.text(tail)}" is no part of {self.event}.')
        self.options.append([(Filter(properties(scores), Numeric(edge.meaning)),)])

    def currency(self, edge: Edge) -> None:
        """A currency word beside an amount filters, where the events carry differing currencies."""
        found, warning = currency_filter(self.names, self.event, edge)
        if warning:
            self.warnings.append(warning)
        if found is not None:
            self.options.append([(found,)])

    def duration(self, tree: Tree) -> None:
        """ "watched a video for over 30 minutes": the event's one duration."""
        edge = tree.leaf("DURATION")
        follows = past_fillers(self.names.lattice, edge.end)
        if follows < len(self.names.lattice.at) and "OF" in self.names.lattice.at[follows]:
            raise self.refuse(edge, f'"{self.names.text(edge)}" of them is a sum, not the length of one.')
        keys = duration_keys(self.names, self.event or "")
        if len(keys) != 1:
            event = self.event or "An event of any type"
            raise self.refuse(edge, f"{event} has no one duration.", "wrong key")
        self.options.append([(Filter((Property(keys[0].name),), Numeric(converted(edge, keys[0]))),)])

    def has_property(self, tree: Tree) -> None:
        """ "with gift wrap", "with a coupon", "without a coupon": a boolean is true, another value is known."""
        key = tree.leaf("KEY")
        if key.meaning == "product":
            raise self.refuse(key, "Say which product.")
        keys = self.event_keys(key)
        if not tree.has("WITH", "VIA", "WITHOUT", "NONE") and all(k.holds == {"number"} for k in keys):
            raise self.refuse(key, f'"{self.names.text(key)}" is a number, which its noun does not have by itself.')
        none = tree.edge("NONE")
        lacks = tree.has("WITHOUT") or none is not None
        boolean = all("boolean" in k.holds for k in keys)
        said = {word.low for word in self.names.lattice.words[tree.first : key.first]}
        if said & {"all", "every", "each", "both"}:
            raise self.refuse(tree, f'"{self.names.text(tree)}": which of them?', "vague")
        own = any(w.low in lexicon.POSSESSIVE for w in self.names.lattice.words[tree.first : key.first])
        if own and {key_noun(k) for k in keys} & {key_noun(k) for k in self.names.attributes}:
            raise self.refuse(tree, "An event's property is not compared with an attribute.", "unsupported")
        word = self.names.text(key).casefold().split()[-1]
        if lacks and singular(word) != word and all(k.holds == {"number"} for k in keys):  # "no refills"
            if none is not None and self.names.text(none).casefold() in ("0", "zero"):
                raise self.refuse(none, "A number stands beside its key.")
            zero = Filter(properties(keys), Numeric(Bound("=", 0)))
            self.options.append([self.lacking(keys), (zero,)])
            return
        if lacks and boolean:  # without = false or missing
            either = (Filter(properties(keys), test) for test in (Truth(False), Known(False)))
            self.options.append([(AnyFilter(tuple(sorted(either, key=repr))),)])
            return
        counts = singular(word) != word and all(k.holds == {"number"} for k in keys)
        if lacks:
            self.options.append([self.lacking(keys)])
        elif counts and tree.has("WITH"):  # "with children": there is a number of them, or there are some
            some = Filter(properties(keys), Numeric(Bound(">", 0)))
            self.options.append([(Filter(properties(keys), Known(True)),), (some,)])
        else:
            self.options.append([(Filter(properties(keys), Truth(True) if boolean else Known(True)),)])

    def lacking(self, keys: Sequence[Key]) -> tuple[EventFilter, ...]:
        """The key is missing; of several that are called alike, all are: neither the order nor an item has a coupon."""
        missing = [Filter((prop,), Known(False)) for prop in properties(keys)]
        if len(missing) < 2:
            return tuple(missing)
        return filters(*(EveryItem((f,)) if f.properties[0].level == "item" else f for f in missing))

    def value_key(self, tree: Tree) -> None:
        """ "in xlsx format", "the Foo plan": a value with its key behind it."""
        key, vlist = tree.leaf("KEY"), tree.part("vlist")
        if key.meaning == "product":
            self.values(vlist, None)
            return
        beside_its_key(self.names, vlist, key)
        keys = self.event_keys(key)
        if any(leaf.category == "AND" for leaf in vlist.leaves()) and all("list" not in k.holds for k in keys):
            raise self.refuse(vlist, f'"{self.names.text(vlist)}": each of them, or either?', "vague")
        words = self.names.text(key)
        if {stem(w) for w in words.casefold().split()} & set(name_stems(self.event or "")):
            raise self.refuse(key, f'"{words}" is the event\'s own noun, not a key.')
        strange = next((e for e in vlist.leaves() if e.category == "UNK"), None)
        if strange is not None and "number" in {h for k in keys for h in k.holds}:
            raise unknown(self.names, strange, self.event, keys)
        not_elsewhere(self.names, vlist, keys)  # "a remote role", where remote is the mode of work
        texts, warnings = key_values(self.names, vlist, keys)
        if warnings and self.names.lattice.words[vlist.first - 1].low in lexicon.POSSESSIVE:  # "in their home city"
            raise unknown(self.names, next(vlist.leaves()), self.event, keys)
        self.warnings.extend(warnings)
        self.options.append([(Filter(properties(keys), Text("is", texts)),)])

    def named_thing(self, tree: Tree) -> None:
        """ "a hotel named X": the name key of what the event is about."""
        text = tree.part("text")
        edges = list(text.edges())
        if self.names.keys(self.event or "", "item"):
            self.options.append([(self.named_product(edges),)])
            return
        said = said_text(self.names, edges).strip()
        keys = [
            k
            for k in self.names.keys(self.event or "", "event")
            if k.name == "name"
            or k.name.endswith(("_name", "title"))
            or stem(k.name.lower()) in name_stems(self.event or "")
        ]
        held = self.names.held(said, keys)
        keys = [k for k in keys if any(v.key == k for v in held)] or keys[:1]
        if not keys:
            raise self.refuse(tree, f"{self.event} has no name.", "wrong key")
        if not held:
            self.warnings.append(f'No {keys[0].name} is "{said}".')
        self.options.append([(Filter(properties(keys), Text("is", canonical([said]))),)])

    def dated(self, tree: Tree) -> None:
        """ "departing in August": a date of the event, by the stem of its key."""
        key, edge = tree.leaf("DATEKEY"), tree.leaf("WIN", "FUTURE")
        keys = [k for k in key.meaning if k.event == self.event]
        if not keys:
            raise self.refuse(key, f"{self.event} has no such date.", "wrong key")
        self.options.append([(Filter(properties(keys), During(self.windows(edge))),)])

    def flagged(self, tree: Tree) -> None:
        """ "an insured ride", "a ride that is insured": a boolean of the event."""
        key, neg, who = tree.leaf("KEY"), tree.edge("NEG"), tree.edge("WHO")
        keys = self.event_keys(key)
        if not all("boolean" in k.holds for k in keys):
            raise self.refuse(key, f'"{self.names.text(key)}" is neither true nor false.', "wrong key")
        if neg is not None and (neg.meaning[0] != "be" or neg.meaning[1] == "never"):
            raise self.refuse(neg, f'"{self.names.text(neg)}" has no part here.')
        if who is not None and self.names.text(who).casefold() not in ("that", "which"):
            raise self.refuse(who, "A person stands between an event and what it is.")
        if who is not None and any(k.level == "attribute" for k in key.meaning):
            raise self.refuse(key, f'Is the event "{self.names.text(key)}", or the contact?', "vague")
        self.options.append([(Filter(properties(keys), Truth(neg is None)),)])

    def only_items(self, tree: Tree) -> None:
        """ "with only Nike items": all of an order's items do."""
        vlist = tree.part("vlist")
        groups, joint = vlist_groups(vlist)
        if joint == "and" or not self.names.keys(self.event or "", "item"):
            raise self.refuse(tree, "Only items of one kind are read.", "unsupported")
        merged = _merged_or([tuple(self.value(e, None)[0] for e in group) for group in groups])
        if merged is None:
            raise self.refuse(tree, "Only items of one kind are read.", "unsupported")
        items = tuple(f for f in merged if isinstance(f, Filter))
        self.options.append([(EveryItem(items),)])

    def in_key(self, tree: Tree) -> None:
        """ "with 'Dress' in the name": the key contains it."""
        key, said = tree.leaf("KEY"), tree.leaf("QUOTED", "VALUE", "UNK")
        keys = self.event_keys(key)
        text = said_text(self.names, [said]).strip().casefold()
        if not self.names.vocabulary.contains(keys, text):
            self.warnings.append(f'No {keys[0].name} contains "{text}".')
        self.options.append([(Filter(properties(keys), Text("contains", (text,))),)])

    def counted_tail(self, tree: Tree) -> None:
        """ "booked 3 flights": the number of such events, by the noun of the event's own name."""
        quant, tail = tree.part("quant"), tree.leaf("TAIL")
        tree.own("TO", "FOR")
        if all(c.event != self.event for c in tail.meaning.candidates):
            raise self.refuse(tail, f'"{self.names.text(tail)}" is no part of {self.event}.')
        if self.quant is not None:
            raise self.refuse(tree, "Two numbers count the same thing.")
        number = next(quant.edges())
        self.no_name(number)
        self.quant = quant_bound(number)
        self.names.counts(number, tail)
        if self.quant.currency:
            raise self.refuse(tree, "An amount of money is no count.")
        for post in tree.trees("objpost"):
            self.amount(post, product=False)

    def in_one(self, draft: EventDraft) -> None:
        """ "3 seeds in one order": the number is that of one order's items."""
        if self.joint == "and" and self.quant is None and all(self.of_items(variant) for variant in self.variants):
            each = [[SomeItem(tuple(f for f in part if isinstance(f, Filter))) for part in v] for v in self.variants]
            self.variants, self.joint = [[filters(*items)] for items in each], ""
        elif self.joint == "and":
            raise refusal(draft, "Several things in one order are read without their numbers.", "unsupported")
        elif self.measure == "quantity" and self.quant is not None:
            self.options.append([(Basket(self.quant.bound),)])
        elif self.measure == "distinct" and self.quant is not None and self.distinct is not None:
            self.options.append([(Basket(self.quant.bound, self.distinct.name),)])
        elif self.quant is not None:
            raise refusal(draft, f"How many of {self.event} were in one order is not known.", "unsupported")
        elif self.event not in ORDER_EVENTS or _IN_ORDER.isdisjoint(self.names.text(draft).casefold().split()):
            raise refusal(draft, f'"{self.names.text(draft)}": how many of what, in one order?', "vague")
        else:
            return
        self.quant, self.measure, self.distinct = None, "count", None

    # all together

    def mentions(self) -> list[Mention]:
        bound = self.quant.bound if self.quant else AT_LEAST_ONCE
        found: list[Mention] = []
        for choice in combinations(*self.options) if self.options else [()]:
            base = tuple(f for part in choice for f in part)
            for variant in self.variants:
                sets = tuple(filters(*_telling(base, v), *v) for v in variant)
                if any(contradiction(Events(self.event, where), self.names.vocabulary) for where in sets):
                    continue
                found.append(
                    Mention(
                        event=self.event,
                        variants=sets,
                        joint=self.joint,
                        bound=bound,
                        measure=self.measure,
                        distinct=self.distinct,
                        product=self.referent(filters(*base, *(variant[0] if len(variant) == 1 else ()))),
                        refers=self.refers,
                        such=self.such,
                        same=self.same,
                        another=self.another,
                        profile=tuple(self.profile),
                        warnings=tuple(self.warnings),
                    )
                )
        return list(dict.fromkeys(found))

    def referent(self, where: tuple[EventFilter, ...]) -> tuple[EventFilter, ...]:
        """The filters that "it" takes along, those of the object: a context is the event's own, and so is a property of
        an order whose object is a product ("bought the Red Shirt with a coupon")."""
        levels = {part: {p.level for f in nodes(part) if isinstance(f, Filter) for p in f.properties} for part in where}
        product = not self.noun and any("item" in found for found in levels.values())
        return tuple(part for part, found in levels.items() if found <= ({"item"} if product else _OF_OBJECTS))


def _telling(base: tuple[EventFilter, ...], more: tuple[EventFilter, ...]) -> tuple[EventFilter, ...]:
    """Without "it is known", where something else is said of the same property."""
    said = {f.properties for f in (*base, *more) if isinstance(f, Filter) and not isinstance(f.test, Known)}
    return tuple(f for f in base if not isinstance(f, Filter) or f.test != Known(True) or f.properties not in said)


def _of_one_property(one: EventFilter, other: EventFilter) -> bool:
    """Whether two values are of the same property."""
    return isinstance(one, Filter) and isinstance(other, Filter) and one.properties == other.properties


def _all_of_a_list(vlist: Tree, keys: Sequence[Key]) -> bool:
    """Whether values joined by and are asked of a list, which may hold all of them."""
    if vlist_groups(vlist)[1] != "and" or not all("list" in k.holds for k in keys):
        return False
    vlist.has("BOTH")
    return True


def _alike(one: Sequence[Filter], other: Sequence[Filter], of_items: bool) -> bool:
    """Whether two words are values of the same property; `of_items`: of one that line items have."""
    same = bool(one and other) and one[0].properties == other[0].properties
    return same and (not of_items or all(p.level == "item" for p in one[0].properties))


def _merged_or(groups: Sequence[tuple[EventFilter, ...]]) -> tuple[EventFilter, ...] | None:
    """Alternatives of single filters as one filter: values of one property in one test, else any of them. Filters that
    all share stay beside it. None where the groups cannot be one filter."""
    if len(groups) == 1:
        return groups[0]
    common = tuple(f for f in groups[0] if all(f in g for g in groups))
    rest = [tuple(f for f in g if f not in common) for g in groups]
    if any(len(g) != 1 or not isinstance(g[0], Filter) for g in rest):
        return None
    singles: list[Filter] = [g[0] for g in rest if isinstance(g[0], Filter)]
    by_property: dict[tuple[Any, ...], list[str]] = {}
    others: list[Filter] = []
    for single in singles:
        if isinstance(single.test, Text):
            kind = (single.properties, single.test.how, single.test.negated)
            by_property.setdefault(kind, []).extend(single.test.values)
        else:
            others.append(single)
    merged = [
        Filter(props, Text(how, canonical(texts), negated)) for (props, how, negated), texts in by_property.items()
    ] + others
    if len(merged) == 1:
        return (*common, merged[0])
    return (*common, AnyFilter(tuple(sorted(merged, key=repr))))
