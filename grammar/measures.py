"""Numbers of a contact: spend, order value, counts of events, totals and averages of a property, days since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from grammar.context import Context
from grammar.draft import EventDraft, Tree, refusal
from grammar.event_drafts import OBJECTS, enp_draft, said_event, take_args
from grammar.mentions import Edge, EventHit, everyday
from grammar.names import stem
from grammar.profile import age_in_years, attribute_keys
from grammar.query import (
    ALWAYS,
    ORDER_VALUE,
    Aggregate,
    AttributeNumber,
    Bound,
    Count,
    Elapsed,
    Events,
    Measure,
    Property,
    Spend,
    Window,
    filters,
)
from grammar.values import (
    ORDER,
    converted,
    currency_filter,
    duration_keys,
    is_number,
    money_keys,
    name_parts,
    properties,
)
from grammar.vocabulary import Key, singular
from grammar.when import merge

_Money = TypeVar("_Money", bound=Measure)

MEASURES = (
    "spend",
    "average_spend",
    "order_value",
    "aggregate",
    "aggregate_event",
    "count_of",
    "number_key",
    "days_since",
    "aggregate_duration",
    "age_of",
)


def measure_of(ctx: Context, tree: Tree, window: Window) -> Measure:
    """The number of a contact that a measure's words mean, in its window."""
    match tree.name:
        case "aggregate_duration":
            return _duration(ctx, tree, window)
        case "spend" | "average_spend":
            edge = tree.leaf("SPEND")
            need_orders(ctx, edge)
            if tree.name == "average_spend":
                raise refusal(tree, "An average spend is one number of a group, not of a contact.")
            return spend_of(ctx, tree, window)
        case "order_value":
            return order_value(ctx, tree, window)
        case "count_of":
            agg = tree.edge("AGG")
            if agg is not None and agg.meaning != "total":
                raise refusal(agg, "A count of a contact has no average.")
            return Count(measured_events(ctx, tree, window))
        case "aggregate" | "aggregate_event":
            agg, key = tree.leaf("AGG"), tree.leaf("KEY")
            events, prop = aggregated(ctx, tree, window)
            return Aggregate(agg.meaning, events, prop)
        case "number_key":
            key = tree.leaf("KEY")
            keys = attribute_keys(key)
            if keys and is_number(keys[0]):
                if window != ALWAYS:
                    raise refusal(key, "An attribute is known as of now only.")
                return AttributeNumber(keys[0].name)
            if keys and all(k.level == "attribute" for k in key.meaning):
                raise refusal(key, f'"{ctx.text(key)}" holds no numbers.', "wrong key")
            raise refusal(key, f'Say the total, average, highest or lowest "{ctx.text(key)}".', "vague")
        case "age_of":
            agg = tree.edge("AGG")
            if agg is not None:
                raise refusal(agg, "A contact has one age.")
            if window != ALWAYS:
                raise refusal(tree, "An age is known as of now only.")
            return age_in_years(ctx, tree.leaf("AGEWORD"))
        case "days_since":
            enp = tree.part("enp", "enp_another")
            since = tree.leaf("DAYSSINCE")
            which, unit = since.meaning
            return Elapsed(which, ctx.events(enp_draft(ctx.names, enp), ALWAYS), unit)
    raise refusal(tree, f'"{ctx.text(tree)}" is no measure that is known.', "unsupported")


def _duration(ctx: Context, tree: Tree, window: Window) -> Measure:
    """ "average watch time": the one duration of the event."""
    agg, noun = tree.leaf("AGG"), tree.edge("EN", "TAIL")
    word = tree.leaf("DURWORD")
    if noun is not None:
        named = [c.event for c in noun.meaning.candidates]
    else:  # "average watch time": the event whose name has the verb
        verb = stem(ctx.text(word).split()[0].casefold())
        stems = {e.event: set(e.stems) for e in ctx.names.index.events}
        named = [event for event in stems if verb in stems[event]] or list(stems)
    options: list[Measure] = [
        Aggregate(agg.meaning, Events(event, (), window), Property(key.name))
        for event in named
        for key in duration_keys(ctx.names, event)
    ]
    if not options:
        raise refusal(tree, f'"{ctx.text(tree)}" is no duration that is known.', "wrong key")
    return ctx.choose(options, ctx.text(tree))


def spend_of(ctx: Context, tree: Tree, window: Window) -> Spend:
    """What was spent, on some products or in all."""
    edge = tree.leaf("SPEND")
    obj = tree.tree(*OBJECTS)
    spend, currency = Spend(orders(ctx, obj, window), net=edge.meaning == "net"), tree.edge("INCURRENCY")
    return spend if currency is None else in_currency(ctx, spend, currency)


def order_value(ctx: Context, tree: Tree, window: Window) -> Aggregate:
    """What orders are worth, in the currency that is said behind it ("average order value in euros")."""
    edge, currency = tree.leaf("AOV"), tree.edge("INCURRENCY")
    need_orders(ctx, edge)
    value = Aggregate(edge.meaning, Events(ORDER, (), window), ORDER_VALUE)
    return value if currency is None else in_currency(ctx, value, currency)


def orders(ctx: Context, obj: Tree | None, window: Window) -> Events:
    """The orders whose money is summed: all, or those of some products."""
    if obj is None:
        return Events(ORDER, (), window)
    draft = EventDraft(obj.first, obj.end, everyday(ORDER))
    draft.objects.append(obj)
    return ctx.events(draft, window)


def measured_events(ctx: Context, tree: Tree, window: Window) -> Events:
    """The events that are counted, in the window of the measure."""
    of_any = tree.edge("ANYEVENTS")
    if of_any is not None:
        check_any(ctx, of_any)
        return Events(None, (), window)
    draft = said_event(ctx.names, tree)
    return ctx.events(draft, _joined_window(ctx, draft, window), "window")


def _joined_window(ctx: Context, draft: EventDraft, window: Window) -> Window:
    own = ctx.draft_window(draft, use_default=False)
    joined = merge(own, window) if own != ALWAYS else window
    if joined is None:
        raise refusal(draft, "Two times for one measure.")
    return joined


def aggregated(ctx: Context, tree: Tree, window: Window) -> tuple[Events, Property]:
    """The events and the numeric property that "total X of A" measures."""
    key = tree.leaf("KEY")
    if key.meaning == "product":
        raise refusal(key, "Say which number of the product.", "vague")
    if not tree.trees() and tree.edge("EV", "EN", "TAIL") is None:
        numeric = [k for k in key.meaning if k.level in ("event", "item") and is_number(k)]
        named = sorted({k.event for k in numeric if k.event})
        if not named:
            raise refusal(key, f'"{ctx.text(key)}" holds no numbers.', "wrong key")
        event = ctx.choose(named, ctx.text(key))
        return Events(event, (), window), properties([k for k in numeric if k.event == event])[0]
    enp, verb = tree.tree("enp", "enp_another"), tree.edge("EV", "EN", "TAIL")
    hit = verb.meaning if verb is not None else None
    draft = enp_draft(ctx.names, enp) if enp is not None else EventDraft(tree.first, tree.end, hit)
    prep, vlist = tree.tree("prep"), tree.tree("vlist")
    if vlist is not None and prep is not None:
        draft.objects.append(Tree("prepared", (prep, vlist)))
    args = [t for t in tree.trees() if t not in (enp, prep, vlist)]
    for arg in args:
        if arg.name == "amount" and not any(e.category == "PRICED" for e in arg.leaves()):
            raise refusal(arg, "The number compares the measure, not the event.")
    take_args(ctx.names, draft, args)
    assert draft.hit is not None
    having = tuple(c for c in draft.hit.candidates if any(k.event == c.event and is_number(k) for k in key.meaning))
    if not having:
        asked = ", ".join(sorted({c.event for c in draft.hit.candidates}))
        raise refusal(key, f'{asked} has no number "{ctx.text(key)}".', "wrong key")
    draft.hit = EventHit(having)
    events = ctx.events(draft, _joined_window(ctx, draft, window), "window")
    found = [k for k in key.meaning if k.event == events.event and is_number(k) and k.level in ("event", "item")]
    if not found:
        raise refusal(key, f'"{ctx.text(key)}" holds no numbers.', "wrong key")
    return events, properties(found)[0]


def check_any(ctx: Context, word: Edge) -> None:
    """Refused where "events" may be those of a type whose name has the word, and not those of any type."""
    said = stem(ctx.text(word).casefold())
    named = [event.event for event in ctx.names.index.events if said in event.stems]
    if named:
        raise refusal(word, f'"{ctx.text(word)}": of any type, or {named[0]}?', "vague")


def rank_measure(ctx: Context, tree: Tree, window: Window) -> Measure:
    """What is ranked by: a measure, or the number of an event ("by orders")."""
    noun = tree.edge("EN")
    if tree.has("ANYEVENTS"):
        return Count(Events(None, (), window))
    if noun is None:
        return measure_of(ctx, tree.part(*MEASURES), window)
    events = ctx.events(EventDraft(noun.first, noun.end, noun.meaning, noun=True), window)
    return ctx.choose(counts(ctx, events, (noun,)), ctx.text(noun))


def counts(ctx: Context, events: Events, nouns: Sequence[Edge | None]) -> list[Count | Aggregate]:
    """How many events there are, and what they come to, where a noun of theirs names a number too: "the most
    points"."""
    owned = (own_number(ctx, noun, events) for noun in nouns if noun is not None)
    return [Count(events), *(Aggregate("total", events, of) for of in owned if of is not None)]


def own_number(ctx: Context, noun: Edge, events: Events) -> Property | None:
    """The number of an event that its noun names too ("points" of points-redeemed): "how many points" may mean its sum,
    or how many such events there were."""
    words = {stem(word) for word in ctx.text(noun).casefold().split()}
    own = ctx.names.keys(events.event or "", "event")
    named = [k for k in own if "number" in k.holds and stem(k.name) in words and _adds_up(k)]
    return properties(named)[0] if named else None


def summing(ctx: Context, verb: Edge, key: Edge) -> Edge:
    """The verb as the events that have such a number."""
    if key.end in ctx.names.lattice.at[key.first].get("EN", {}):
        raise refusal(key, f'"{ctx.text(key)}" are events.')  # "how many points were redeemed": see own_number
    own = [k for k in key.meaning if any(k.event == c.event for c in verb.meaning.candidates)]
    having = {k.event for k in own if is_number(k) and k.level == "event" and _adds_up(k)}
    if not own:
        raise refusal(key, f'"{ctx.text(key)}" is no number of the events of "{ctx.text(verb)}".', "wrong key")
    if not having:
        raise refusal(key, f'"{ctx.text(key)}": how many different ones, or how many events?', "vague")
    return replace(verb, meaning=EventHit(tuple(c for c in verb.meaning.candidates if c.event in having)))


def _adds_up(key: Key) -> bool:
    """Whether a number is one of several: "nights" are, but "season" tells which. Days are of time, and not of it."""
    last = name_parts(key.name)[-1]
    return singular(last) != last and last not in _OF_TIME


_OF_TIME = frozenset("days weeks months quarters years".split())


def summed(ctx: Context, key: Edge, events: Events) -> Property:
    """The number of an event that a key names, to be added up."""
    found = properties([k for k in key.meaning if k.event == events.event and is_number(k)])
    return ctx.choose(list(dict.fromkeys(found)), ctx.text(key))


def money_of(ctx: Context, said: Edge, window: Window) -> Measure:
    """The sum of the one money property of an event that a noun names."""
    options: list[Measure] = [
        Aggregate("total", Events(c.event, (), window), money)
        for c in said.meaning.candidates
        for money in money_keys(ctx.names, c.event)
    ]
    if not options:
        raise refusal(said, f'"{ctx.text(said)}" has no amount of money.', "wrong key")
    return ctx.choose(list(dict.fromkeys(options)), ctx.text(said))


def need_orders(ctx: Context, node: Tree | Edge) -> None:
    """Refused where nobody ordered: then nobody's spend is known."""
    if ORDER not in ctx.names.types:
        money = sorted(f"{p.name} of {e}" for e in ctx.names.types for p in money_keys(ctx.names, e))
        offered = f" Money is in: {', '.join(money)}." if money else ""
        raise refusal(
            node, f"The phonebook has no order-completed, so nobody's spend is known.{offered}", "unsupported"
        )


def in_unit(ctx: Context, edge: Edge, key: Key, *, summed: bool = False) -> Bound:
    """A length of time in the unit of the property; a conversion is said back. Of a sum, a bare one is at least."""
    bound = converted(edge, key)
    if summed and edge.meaning.bare and bound.value == 0:
        raise refusal(edge, "Exactly 0, or at least 0?", "vague")
    if bound != edge.meaning.bound:
        ctx.warnings.append(f'"{ctx.text(edge)}" was taken as {bound.value:,g} in the unit of {key.name}.')
    return replace(bound, comparison=">=") if summed and edge.meaning.bare else bound


def in_currency(ctx: Context, measure: _Money, edge: Edge) -> _Money:
    """A measure of money in the currency that was said beside the amount, or behind the measure."""
    if not isinstance(measure, (Aggregate, Spend)):
        return measure
    found, warning = currency_filter(ctx.names, measure.events.event, edge)
    if warning:
        ctx.warnings.append(warning)
    if found is None:
        return measure
    if isinstance(measure, Spend) and measure.net:
        raise refusal(edge, "What was given back is not known by its currency.", "unsupported")
    return replace(measure, events=replace(measure.events, where=filters(*measure.events.where, found)))
