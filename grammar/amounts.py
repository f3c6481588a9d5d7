"""How much was done: how often, how many units of what was ordered, how many of a value, the sum of a number."""

from __future__ import annotations

from dataclasses import replace

from grammar import lexicon
from grammar.context import Context
from grammar.draft import EventDraft, Refused, Tree, refusal
from grammar.event_drafts import event_draft, plain
from grammar.measures import need_orders, summed, summing
from grammar.mentions import ValueHit, everyday
from grammar.populations import NMODS, POPULATIONS, RELATIVES, VPS, described, population_of
from grammar.query import (
    Condition,
    CountEvents,
    Events,
    Filter,
    Output,
    Pooled,
    Quantity,
    Value,
    nodes,
)
from grammar.values import ORDER


def times_done(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "how many times did gold members log in", "how many times was a bell viewed": the number of the events."""
    whom, verb = tree.tree("np"), tree.tree("evhead") or tree.leaf("EV")
    whose = [t for t in tree.trees() if t.name in (*NMODS, *RELATIVES) and t.first < verb.first]
    said = [t for t in tree.trees() if t is not whom and t not in whose and t.name != "vlist"]
    among = described(ctx, whom, whose)
    if whom is None:
        said.insert(0, Tree("evhead", (tree.leaf("EV"),)))
    draft = event_draft(ctx.names, Tree("event", tuple(said)))
    thing = tuple(c for c in tree.children if c is tree.tree("vlist") or c is tree.edge("THING"))
    draft.objects.extend([Tree("obj", thing)] if thing else [])
    draft.tails.extend(tree.own("TAIL"))
    return among, CountEvents(ctx.events(draft, ctx.draft_window(draft), "window"))


def values_done(ctx: Context, tree: Tree) -> CountEvents | Value | None:
    """ "how many dramas were watched": the events of that value, where the value is one of the event's; of things that
    were bought, so many units."""
    population = tree.part(*POPULATIONS)
    parts = population.trees()
    if population.name != "value_population" or [t.name for t in parts] != ["vlist", "vp"]:
        return None
    vlist, core = parts[0], parts[1].trees()[-1]
    if core.name != "event" or parts[1].edge("NEG") is not None or core.tree("evpre") is not None:
        return None
    draft = plain(ctx.names, event_draft(ctx.names, core), "window")
    named = draft.noun or (draft.hit is not None and len(draft.hit.best()[0].stems) > 1)  # has its object already
    if named or draft.tails or any(t.name != "prepared" for t in draft.objects):
        return None
    draft.objects.append(Tree("obj", (vlist,)))
    try:
        mention = ctx.mention(draft)
    except Refused:
        return None
    return _units_or_events(Events(mention.event, mention.variants[0], ctx.draft_window(draft)))


def _units_or_events(events: Events) -> Value | CountEvents:
    """Of line items that were bought so many units, of anything else so many events."""
    of_items = any(p.level == "item" for f in nodes(events) if isinstance(f, Filter) for p in f.properties)
    bought = of_items and events.event in lexicon.PRODUCT_EVENTS_QUANTITY
    return Value("total", Quantity(events)) if bought else CountEvents(events)


def amount_done(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "how many red shirts did gold members buy", "how many nights were booked by women": of products as in section 4,
    of a value its events, of a number of the event the sum."""
    whom, by = tree.tree("np"), tree.tree(*POPULATIONS)
    verb, key, thing = tree.leaf("EV", "SOLD"), tree.edge("KEY"), tree.edge("THING")
    whose = [t for t in tree.trees() if t.name in (*NMODS, *RELATIVES) and t.first < verb.first]
    if verb.category == "SOLD":
        need_orders(ctx, verb)
        verb = replace(verb, category="EV", meaning=everyday(ORDER))
    if key is not None and key.meaning != "product":
        verb = summing(ctx, verb, key)
    args = [t for t in tree.trees() if t not in (whom, by) and t not in whose and t.name != "vlist"]
    draft = event_draft(ctx.names, Tree("event", (Tree("evhead", (verb,)), *args)))
    if tree.tree("vlist") is not None:
        draft.objects.append(Tree("obj", tuple(c for c in tree.children if c in (tree.tree("vlist"), thing))))
    population = doers(ctx, draft, by) if by is not None else described(ctx, whom, whose)
    events = ctx.events(draft, ctx.draft_window(draft), "window")
    if key is not None and key.meaning != "product":
        return population, Pooled("total", events, summed(ctx, key, events))
    if thing is None and key is None:
        return population, _units_or_events(events)
    if events.event not in lexicon.PRODUCT_EVENTS_QUANTITY:
        noun = thing or key
        assert noun is not None
        raise refusal(noun, f'"{ctx.text(noun)}": how many different ones, or how many events?', "vague")
    return population, Value("total", Quantity(events))


def doers(ctx: Context, draft: EventDraft, by: Tree) -> Condition:
    """Who did what is counted: "by women". Refused where what stands behind them may be said of what they did."""
    units = [t.part("unit") for t in by.trees() if t.name == "linked" and t.tree("unit") is not None]
    for told in (one for part in (by, *units) for one in part.trees(*VPS, "befell")):
        # "orders placed by women were cancelled", "... and cancelled"
        raise refusal(told, f'"{ctx.text(told)}": the people, or what they did?', "vague")
    np = by.tree("np")
    aged = np.tree("agebare") if np is not None else None
    for bound in aged.leaves() if aged is not None else ():
        if bound.category == "BOUND" and bound.meaning.bound.value <= _NO_AGE:  # "reviews by women below 3"
            raise refusal(bound, f'"{ctx.text(bound)}": their age, or what is said of what they did?', "vague")
    if by.name == "value_population":
        done = draft.may_be()
        for edge in by.leaves():
            held = edge.meaning.values if isinstance(edge.meaning, ValueHit) else ()
            if any(v.key.event in done and v.key.level != "context" for v in held):  # "prescriptions issued by Dr. Rao"
                raise refusal(edge, f'"{ctx.text(edge)}": who did it, or what is said of it?', "vague")
    return population_of(ctx, _window_of_events(draft, by))


_NO_AGE = 10  # in years


def _window_of_events(draft: EventDraft, by: Tree) -> Tree:
    """ "how many orders were placed by women in August": the window at the end is that of the events. The rest."""
    trailing = by.children[-1]
    if not isinstance(trailing, Tree) or trailing.name != "when" or draft.time.windows:
        return by
    draft.time = draft.time.at(*trailing.own("WIN"))
    draft.time = replace(draft.time, ever=draft.time.ever or trailing.has("EVER"))
    return Tree(by.name, by.children[:-1])
