"""A number for each value of a key or each part of time: of contacts, of events, or what is summed up of them."""

from __future__ import annotations

from dataclasses import replace

from grammar.context import Context
from grammar.draft import EventDraft, Tree, refusal
from grammar.measures import (
    MEASURES,
    aggregated,
    measure_of,
    measured_events,
    need_orders,
    order_value,
    own_number,
    spend_of,
)
from grammar.mentions import Edge, EventHit
from grammar.numbers import Amount, Top
from grammar.populations import described, used_in
from grammar.profile import age_in_years, attribute_keys
from grammar.query import (
    ALWAYS,
    AT_LEAST_ONCE,
    ORDER_VALUE,
    Aggregate,
    All,
    AnyFilter,
    AttributeBreakdown,
    AttributeNumber,
    Condition,
    Count,
    CountEvents,
    CountUsers,
    EventBreakdown,
    EventFilter,
    Events,
    Filter,
    Has,
    ItemBreakdown,
    Output,
    Pooled,
    Property,
    Quantity,
    Spend,
    Summary,
    TimeBreakdown,
    Users,
    Value,
    Window,
    all_of,
    did,
    nodes,
)
from grammar.values import ORDER, is_number, properties
from grammar.vocabulary import Key
from grammar.when import merge

NUMBERS = (*MEASURES, "units")
LISTED = 10  # of the largest, where no number is said
_Number = CountEvents | Value | Pooled


# ── for each value ────────────────────────────────────────────────────────────────────────────────────────────────


def per_value(ctx: Context, tree: Tree, population: Condition, output: Output) -> tuple[Condition, Output]:
    """ "… by city last month for gold members": for each value of a key, with what is said behind it."""
    if tree.trees("late"):
        population, output = _within(ctx, tree, population, output)
    population = all_of(population, whom(ctx, tree))
    return population, by_key(ctx, tree.leaf("KEY", "PKEY"), population, output)


def largest(ctx: Context, tree: Tree) -> tuple[Condition, Output]:
    """ "top 5 cities by revenue", "most viewed products": the largest of them, with what is said behind. What it was
    done to, or what was sold, is a key of the event."""
    key, number = tree.leaf("KEY", "PKEY"), _ranked_by(ctx, tree, ctx.late(tree.trees("late")))
    if tree.name in ("most_done", "best_sold") and key.meaning != "product":
        key = replace(key, meaning=tuple(k for k in key.meaning if k.level != "attribute"))
    population = whom(ctx, tree)
    return population, by_key(ctx, key, population, number, rows_of(ctx, tree.edge("TOPN", "NUM")))


def _ranked_by(ctx: Context, tree: Tree, window: Window) -> Output:
    """The number that values are ranked by."""
    match tree.name:
        case "best_sold":
            return units(ctx, tree.leaf("BESTSOLD", "SELLBEST"), window)
        case "most_spent":
            spent = tree.leaf("SPENT")
            need_orders(ctx, spent)
            return Value("total", Spend(Events(ORDER, (), window)))
        case "most_of":
            return CountUsers()
        case "most_used":
            tree.own("MOST", "USED")
            key = tree.leaf("KEY")
            return CountEvents(Events(ctx.choose(used_in(ctx, key), ctx.text(key)), (), window))
        case "most_done":
            return most_done(ctx, tree, window)
        case "least_done":
            least = Tree("least", tuple(tree.own("LEAST", "EV")))
            raise refusal(least, "What nobody did that to is not known, so the least is not.", "unsupported")
    noun = tree.edge("EN")
    return number_of(ctx, tree.part(*NUMBERS), window) if noun is None else number_of_noun(ctx, noun, window)


def rows_of(ctx: Context, number: Edge | None) -> int:
    """How many rows of the largest are listed."""
    chosen: Top | Amount | None = number.meaning if number is not None else None
    if number is not None and isinstance(chosen, Top) and (chosen.percent or chosen.bottom):
        raise refusal(number, "Only the largest so many are listed.")
    amount = chosen.bound.value if isinstance(chosen, Amount) else chosen.amount if chosen is not None else None
    if amount is None:
        ctx.warnings.append(f"No number was said: the first {LISTED} are listed.")
        return LISTED
    if number is not None and (amount % 1 or amount < 1):
        raise refusal(number, "So many are not listed.")
    return int(amount)


def whom(ctx: Context, tree: Tree) -> Condition:
    """Whose numbers they are: "… for gold members"."""
    return described(ctx, tree.tree("np"), tree.trees())


def by_key(ctx: Context, key: Edge, population: Condition, output: Output, limit: int | None = None) -> Output:
    """The output for each value of a key: an attribute of the contacts, a property of the events it is a number of, or
    either, where both are so called. With a limit only the largest."""
    match output:
        case CountUsers() | Users():
            return _contacts_by(ctx, key, population, limit)
        case CountEvents() | Pooled() | Value():
            options: list[Output] = [
                AttributeBreakdown(name, limit is not None, limit, output) for name in _attributes(key)
            ]
            events = _events_of(output)
            if events is not None:
                options += [_of_property(ctx, key, output, of, limit) for of in _properties(ctx, key, events)]
            if not options:
                of_event = f", and {events.event} has none" if events is not None and events.event else ""
                raise refusal(key, f'"{ctx.text(key)}" is no attribute{of_event}.', "unknown key")
            return ctx.choose(options, ctx.text(key))
    raise refusal(key, "Only a number is broken down.")


def _contacts_by(ctx: Context, key: Edge, population: Condition, limit: int | None) -> Output:
    ranked = limit is not None
    options: list[Output] = [AttributeBreakdown(name, ranked, limit) for name in _attributes(key)]
    said = ctx.text(key).casefold()
    if not any(k.name.casefold() == said for k in attribute_keys(key)):
        for events in mentioned(population):
            found = _properties(ctx, key, events)
            if found and (not options or any(of.name.casefold() == said for of in found)):  # the attribute is "devices"
                options.extend(EventBreakdown(of, events, ranked, limit) for of in found)
                break
    if options:
        return ctx.choose(options, ctx.text(key))
    raise refusal(key, f'"{ctx.text(key)}" is no attribute, and no event in the question has it.', "unknown key")


def _attributes(key: Edge) -> list[str]:
    """The attributes that a key names: those of the contact itself before those inside another ("home.city")."""
    named = [k.name for k in attribute_keys(key)]
    return [name for name in named if "." not in name] or named


def _properties(ctx: Context, key: Edge, events: Events) -> list[Property]:
    """The properties of an event that a key names: its own before those of its context. A product goes by its name."""
    named: list[Key] = []
    if key.meaning == "product":
        named = [k for k in ctx.names.keys(events.event or "", "item") if k.name == "name"]
    else:
        named = [k for k in key.meaning if k.event == events.event]
    found = properties(named)
    return [of for of in found if of.level != "context"] or list(found)


def _of_property(ctx: Context, key: Edge, number: _Number, of: Property, limit: int | None) -> Output:
    """The number for each value of a property of its events."""
    ranked = limit is not None
    match number:
        case CountEvents(events):
            return EventBreakdown(of, events, ranked, limit, "events")
        case Pooled(how, events, summed):
            return EventBreakdown(of, events, ranked, limit, Summary(how, summed))
        case Value("total", Quantity(events)):
            return ItemBreakdown("units", of, events, ranked, limit)
        case Value("total", Spend(events, False)):
            if of.level == "item" or any(map(_of_item, events.where)):
                return ItemBreakdown("spend", of, events, ranked, limit)
            return EventBreakdown(of, events, ranked, limit, Summary("total", ORDER_VALUE))
        case Value("total", Spend()):
            raise refusal(key, f'What was given back is not known for each "{ctx.text(key)}".', "unsupported")
    raise refusal(key, f'It is a number of each contact, and "{ctx.text(key)}" is none of theirs.', "unsupported")


def _of_item(part: EventFilter) -> bool:
    """Whether it asks something of a line item."""
    match part:
        case Filter(named):
            return any(of.level == "item" for of in named)
        case AnyFilter(of):
            return any(map(_of_item, of))
    return False


def _events_of(number: _Number) -> Events | None:
    found = [node for node in nodes(number) if isinstance(node, Events)]
    return found[0] if found else None


# ── the most of them ──────────────────────────────────────────────────────────────────────────────────────────────


def most_done(ctx: Context, tree: Tree, window: Window) -> Output:
    """ "most viewed products": how many such events; of products that were ordered, how many units."""
    verb, key = tree.leaf("EV"), tree.leaf("KEY", "PKEY")
    hit: EventHit = verb.meaning
    having = [c for c in hit.candidates if _properties(ctx, key, Events(c.event))]
    best = [c.event for c in having if c.tier == having[0].tier]
    if not best:
        raise refusal(key, f'"{ctx.text(key)}" is no key of what was {ctx.text(verb)}.', "wrong key")
    events = Events(ctx.choose(list(dict.fromkeys(best)), ctx.text(verb)), (), window)
    if events.event == ORDER and any(of.level == "item" for of in _properties(ctx, key, events)):
        return Value("total", Quantity(events))
    return CountEvents(events)


def number_of_noun(ctx: Context, noun: Edge, window: Window) -> Output:
    """ "by orders": how many, or what they come to, where a number of theirs is so called too."""
    events = ctx.events(EventDraft(noun.first, noun.end, noun.meaning, noun=True), window)
    number = own_number(ctx, noun, events)
    options: list[Output] = [CountEvents(events), *([] if number is None else [Pooled("total", events, number)])]
    return ctx.choose(options, ctx.text(noun))


def units(ctx: Context, word: Edge, window: Window) -> Output:
    """ "units sold": the quantities of what was ordered."""
    need_orders(ctx, word)
    return Value("total", Quantity(Events(ORDER, (), window)))


def number_of(ctx: Context, tree: Tree, window: Window) -> Output:
    """The number of a group that a measure's words mean, in its window."""
    agg = tree.edge("AGG")
    match tree.name:
        case "units":
            if agg is not None and agg.meaning != "total":
                raise refusal(tree, f'"{ctx.text(tree)}": of each order, or of each contact?', "vague")
            return units(ctx, tree.leaf("UNITS"), window)
        case "spend":
            spend = tree.leaf("SPEND")
            need_orders(ctx, spend)
            return Value("total", spend_of(ctx, tree, window))
        case "average_spend":
            spend = tree.leaf("SPEND")
            assert agg is not None
            need_orders(ctx, spend)
            return Value(agg.meaning, spend_of(ctx, tree, window))
        case "order_value":
            value = order_value(ctx, tree, window)
            return Pooled(value.how, value.events, value.property)
        case "count_of":
            events = measured_events(ctx, tree, window)
            if agg is None or agg.meaning == "total":
                return CountEvents(events)
            return Value(agg.meaning, Count(events))
        case "aggregate" | "aggregate_event":
            assert agg is not None
            key = tree.leaf("KEY")
            attribute = attribute_keys(key)
            if tree.name == "aggregate" and attribute and not tree.trees() and tree.edge("EV") is None:
                if not any(map(is_number, attribute)):
                    raise refusal(key, f'"{ctx.text(key)}" holds no numbers.', "wrong key")
                if window != ALWAYS:
                    raise refusal(key, "An attribute is known as of now only.")
                return Value(agg.meaning, AttributeNumber(attribute[0].name))
            events, prop = aggregated(ctx, tree, window)
            return Pooled(agg.meaning, events, prop)
        case "aggregate_duration":
            length = measure_of(ctx, tree, window)
            assert isinstance(length, Aggregate)
            return Pooled(length.how, length.events, length.property)
        case "age_of":
            if agg is None or agg.meaning == "total":
                raise refusal(tree, "The average, highest or lowest age?", "vague")
            if window != ALWAYS:
                raise refusal(tree, "An age is known as of now only.")
            return Value(agg.meaning, age_in_years(ctx, tree.leaf("AGEWORD")))
    raise refusal(tree, "Such a number is not asked of a group.", "unsupported")


# ── for each part of time ─────────────────────────────────────────────────────────────────────────────────────────


def per_time(ctx: Context, tree: Tree, population: Condition, output: Output) -> tuple[Condition, Output]:
    """The number in each part of time, in the window behind it: of events, or of the contacts that have one."""
    part, late = tree.leaf("TIMEPART", "EACHPART", "TIMELY"), tree.trees("late")
    counted: TimeBreakdown
    match output:
        case CountEvents(events):
            counted = TimeBreakdown(part.meaning, events)
        case Pooled(how, events, summed):
            counted = TimeBreakdown(part.meaning, events, Summary(how, summed))
        case Value("total", Quantity(events)):
            counted = TimeBreakdown(part.meaning, events, "units")
        case Value("total", Spend(events, False)) if any(map(_of_item, events.where)):
            counted = TimeBreakdown(part.meaning, events, "spend")
        case Value("total", Spend(events, False)):
            counted = TimeBreakdown(part.meaning, events, Summary("total", ORDER_VALUE))
        case CountUsers() if part.category == "TIMEPART" or ctx.text(part).casefold().startswith("each"):
            population, events = _one_event(ctx, tree, population)
            counted = TimeBreakdown(part.meaning, events, "contacts")
        case _:
            raise refusal(part, f"What, for each {ctx.text(part)}? Contacts, events and sums of theirs are told so.")
    population = all_of(population, whom(ctx, tree))
    if not late:
        return population, counted
    return population, replace(counted, events=in_window(late[0], counted.events, ctx.late(late)))


def _one_event(ctx: Context, tree: Tree, population: Condition) -> tuple[Condition, Events]:
    """The one event that contacts did, and the rest that is said of them."""
    conditions = population.of if isinstance(population, All) else (population,)
    done = [
        one.measure.events
        for one in conditions
        if isinstance(one, Has) and isinstance(one.measure, Count) and one.bound == AT_LEAST_ONCE
    ]
    if len(done) != 1 or len(mentioned(population)) != 1:
        raise refusal(tree, f'"{ctx.text(tree)}" of what? Of one event that they did.')
    return all_of(*(one for one in conditions if one != did(done[0]))), done[0]


def _within(ctx: Context, tree: Tree, population: Condition, output: Output) -> tuple[Condition, Output]:
    """A window behind the key is that of the number."""
    late = tree.trees("late")
    window = ctx.late(late)
    match output:
        case CountEvents(events):
            return population, CountEvents(in_window(late[0], events, window))
        case Pooled(events=events):
            return population, replace(output, events=in_window(late[0], events, window))
        case Value(how, (Count(events) | Quantity(events) | Spend(events)) as measure):
            return population, Value(how, replace(measure, events=in_window(late[0], events, window)))
        case CountUsers() | Users():
            rest, events = _one_event(ctx, late[0], population)
            return all_of(rest, did(in_window(late[0], events, window))), output
    raise refusal(late[0], f'"{ctx.text(late[0])}" has no number to belong to.')


def in_window(said: Tree | Edge, events: Events, window: Window) -> Events:
    """The events in a further window."""
    merged = merge(events.window, window)
    if merged is None:
        raise refusal(said, "Two times for one number.")
    return replace(events, window=merged)


def mentioned(condition: Condition) -> list[Events]:
    """The events that a population names, the last first."""
    return [node for node in nodes(condition) if isinstance(node, Events)][::-1]
