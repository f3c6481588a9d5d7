"""A query in canonical English: what was understood, said back. `canonical.read_canonical` gives the same query again.

Every name and value of the data stands in double quotes (inside, `"` and `\\` follow a `\\`), so no word of it can be
taken for one of ours. Where a window could be thought to reach an earlier clause that has none, that clause says
"at any time".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, assert_never

from grammar import query as q
from grammar.query import (
    ALWAYS,
    NEVER,
    Bound,
    Column,
    Condition,
    EventFilter,
    Events,
    Filter,
    Measure,
    Output,
    Property,
    Query,
    Test,
    Unit,
    Window,
)
from grammar.when import say, say_span


def describe(query: Query) -> str:
    """The whole query as one sentence, without a full stop.

    >>> describe(Query(q.did(Events("login"))))
    'contacts with at least 1 "login"'
    """
    sentence = _sentence(query.population, query.output)
    return sentence if query.label is None else f"{_quoted(query.label)}: {sentence}"


def describe_condition(condition: Condition) -> str:
    """A condition as it stands behind "contacts": `whose "city" is "Pune" and with no "login"`."""
    return _condition(condition, ever=False)


def describe_events(events: Events) -> str:
    """Some events: `"order-completed" with an item whose "brand" is "nike" in the last 30 days`."""
    return _events(events, ever=False)


def describe_measure(measure: Measure) -> str:
    """A measure without an article: `number of "login" in the last 7 days`."""
    return _measure(measure, ever=False)


def conditions_of(population: Condition) -> tuple[Condition, ...]:
    """The conditions that must all hold, in the order in which they are said; what a term means in its place."""
    while isinstance(population, q.Term):
        population = population.means
    return tuple(sorted(population.of, key=_place)) if isinstance(population, q.All) else (population,)


def describe_found(condition: Condition, values: Sequence[object]) -> str | None:
    """What a contact has of what a condition compares: `2 of the 3 needed`, `"city" is "Pune"`. None where there is no
    one value to tell. The values stand in the order of the measures or attributes in the node."""
    match condition, values:
        case q.Has(_, Bound(">=", needed, None)), (int() | float() as value,) if value < needed:
            return f"{_found(value)} of the {_number(needed)} needed"
        case q.Has(measure), (value,):
            return f"{_found(value)} {measure.unit}s ago" if isinstance(measure, q.Elapsed) and value else _found(value)
        case q.Versus(), (left, right):
            return f"{_found(left)} against {_found(right)}"
        case q.Rank(by), (value,):
            return f"{_measure(by, ever=False)}: {_found(value)}"
        case q.Attribute(names), _:
            return ", ".join(
                f"{_quoted(name)} is {_quoted(str(value)) if value else 'unknown'}"
                for name, value in zip(names, values, strict=True)
            )
        case q.Birthday(name), (value,):
            return f"{_quoted(name)} is {_quoted(str(value)) if value else 'unknown'}"
        case ((q.Age() | q.Extreme()), (value,)):
            return _found(value)
        case _:
            return None


def describe_event(name: str, at: datetime, values: Mapping[str, object]) -> str:
    """One event that happened: `"order-completed" on 2026-03-02 at 10:00, "total" 1,540`. `at` is local time."""
    said = "".join(f", {_quoted(key)} {_found(value)}" for key, value in values.items())
    return f"{_quoted(name)} on {at:%Y-%m-%d} at {at:%H:%M}{said}"


def _found(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case float() if not value.is_integer():
            return f"{value:,.2f}"
        case int() | float():
            return f"{int(value):,}"
        case datetime():
            return f"{value:%Y-%m-%d} at {value:%H:%M}"
        case list():
            return " and ".join(map(_found, value))
        case _:
            return _quoted(str(value))


# ── sentences ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _sentence(population: Condition, output: Output) -> str:
    contacts = _contacts(population)
    match output:
        case q.Users():
            return _users(population, output)
        case q.CountUsers():
            return f"the number of {contacts}"
        case q.CountEvents(events):
            return f"the number of {_events(events, ever=False, plural=True)} by {contacts}"
        case q.Percentage(of):
            return f"the percentage of {contacts} out of {_contacts(of)}"
        case q.Value(how, measure):
            return f"the {how} of the {_measure(measure, ever=False)} over {contacts}"
        case q.Pooled(how, events, property_):
            return f"the {how} {_property_of(property_, events, ever=False)} by {contacts}"
        case q.AttributeBreakdown(name, ranked, limit):
            return f"the number of {contacts} by {_quoted(name)}{_ranking(ranked, limit)}"
        case q.EventBreakdown(property_, events, ranked, limit):
            return f"the number of {contacts} by {_property_of(property_, events, ever=False)}{_ranking(ranked, limit)}"
        case q.ItemBreakdown(what, property_, events, ranked, limit):
            each = f"the {what} for each {_property_of(property_, events, ever=False)}"
            return f"{each} by {contacts}{_ranking(ranked, limit)}"
        case q.TimeBreakdown(part, events, counted):
            each = part if part in ("day of the week", "hour of the day") else f"calendar {part}"
            such = _events(events, ever=False, plural=True)
            if counted == "events":
                return f"the number of {such} by {contacts}, for each {each}"
            return f"the number of {contacts} by {each} of {such}"
        case q.Rows(of):
            rows = ", ".join(f"{_quoted(row.label)} ({_contacts(row.condition)})" for row in of)
            return f"the number of {contacts} for each of: {rows}"
        case _:
            assert_never(output)


def _contacts(condition: Condition) -> str:
    return "all contacts" if isinstance(condition, q.Everyone) else f"contacts {_condition(condition, ever=False)}"


def _users(population: Condition, output: q.Users) -> str:
    said = _contacts(population)
    if output.limit is not None:
        said = f"the first {_number(output.limit)} {said.removeprefix('all ')}"
    elif isinstance(population, q.Rank):
        among = "" if isinstance(population.among, q.Everyone) else f" among {_contacts(population.among)}"
        contacts = "% of contacts" if population.percent else " contact" if population.amount == 1 else " contacts"
        said = f"the {_size(population)}{contacts} by {_measure(population.by, ever=False)}{among}"
    if output.columns:
        said += ", showing " + ", ".join(map(_column, output.columns))
    if output.order is not None:
        said += f", sorted by {_column(output.order.by)}{' in descending order' if output.order.descending else ''}"
    return said


def _ranking(ranked: bool, limit: int | None) -> str:
    largest = ", the largest first without the unknown" if ranked else ""
    return largest if limit is None else f"{largest}, at most {_number(limit)} rows"


def _column(column: Column) -> str:
    match column:
        case q.AttributeColumn(name):
            return _quoted(name)
        case q.MeasureColumn(measure):
            return _measure(measure, ever=False)
        case q.MomentColumn(which, events):
            return f"the time of the {which} {_events(events, ever=False)}"
        case _:
            assert_never(column)


# ── conditions ────────────────────────────────────────────────────────────────────────────────────────────────────
# `ever` is handed down everywhere: whether a window in a later clause could be thought to reach this one.


def _condition(condition: Condition, ever: bool) -> str:
    match condition:
        case q.Everyone():
            return "of any kind"
        case q.All(of):
            return _joined(of, " and ", ever)
        case q.Any_(of):
            return _joined(of, " or ", ever)
        case q.Not(of):
            return _not(of, ever)
        case q.Several(bound, of):
            return f"who meet {_bound(bound)} of these: " + ", ".join(f"({_condition(part, ever)})" for part in of)
        case q.Has(measure, bound):
            return _has(measure, bound, ever)
        case q.Versus():
            return _versus(condition, ever)
        case q.Sequence():
            return _sequence(condition, ever)
        case q.Repeated(events, property_, bound):
            tail = _tail(events.where, events.window, ever)
            one = _property(property_, item="item ", event="")
            return f"with {_bound(bound)} {_name(events, bound)}{tail} of one {one}"
        case q.LedUp():
            return _led_up(condition, ever)
        case q.Extreme(which, events, during, has):
            was = f"one{_tail(has, during, ever=False)}" if has else say(during) if during != ALWAYS else "at any time"
            return f"whose {which} {_events(events, ever)} was {was}"
        case q.CameBack(after, window):
            return f"who came back after more than {say_span(after)} away{_when(window, ever)}"
        case q.Only(events, has):
            return f"with at least 1 {_events(events, ever)}, each being one{_tail(has, ALWAYS, ever=False)}"
        case q.EveryPeriod(events, unit, each):
            where = _name(events, Bound(">=", each)) + _tail(events.where, ALWAYS, ever=False)
            return f"with at least {_number(each)} {where} in every calendar {unit}{_when(events.window, ever)}"
        case q.Favourite(events, property_, values, mostly):
            most, is_ = ("", "is mostly") if mostly else ("most frequent ", "is")
            return f"whose {most}{_property_of(property_, events, ever)} {is_} {_any_of(values)}"
        case q.Attribute(names, test):
            said = _test(test)
            if isinstance(test, q.Text) and test.negated:
                # "is not" alone says the complement, which a missing value meets
                said = f"is known but {said}"
            return f"whose {_any_of(names)} {said}"
        case q.Age(name, bound, from_birth):
            return f"whose age by {'the birth date ' if from_birth else ''}{_quoted(name)} is {_bound(bound)}"
        case q.Birthday(name, period):
            return f"whose birthday by {_quoted(name)} falls {say(Window(period))}"
        case q.Rank(by, _, percent, _, among):
            size = _size(condition) + ("%" if percent else "")
            of_whom = "" if isinstance(among, q.Everyone) else f" (among {_contacts(among)})"
            return f"in the {size} by {_measure(by, ever)}{of_whom}"
        case q.Term(name, means):
            return f"who are {_quoted(name)} (= {_contacts(means)})"
        case q.Member(segment, how, window):
            verb = "in" if how == "in" else f"who {how}"
            return f"{verb} the segment {_quoted(segment)}{_when(window, ever and how != 'in')}"
        case _:
            assert_never(condition)


def _joined(parts: tuple[Condition, ...], word: str, ever: bool) -> str:
    """The parts in their order, but the profile first, where "whose" cannot be thought to belong to an event, and what
    needs parentheses last."""
    ordered = sorted(parts, key=_place)
    said: list[str] = []
    for part in reversed(ordered):
        words = _condition(part, ever)
        said.append(f"({words})" if _place(part) == 2 else words)
        ever = ever or _has_window(part)
    said.reverse()
    for i in range(len(ordered) - 1, 0, -1):
        if _is_count(ordered[i]) and _is_count(ordered[i - 1]):
            said[i] = said[i].removeprefix("with ")
    return word.join(said)


def _place(condition: Condition) -> int:
    match condition:
        case q.Attribute() | q.Age() | q.Birthday() | q.Not(q.Attribute()):
            return 0
        case q.All() | q.Any_() | q.Several() | q.Only():
            return 2
        case _:
            return 1


def _is_count(condition: Condition) -> bool:
    return isinstance(condition, q.Has) and isinstance(condition.measure, q.Count)


def _has_window(node: object) -> bool:
    """Whether its words hold a window of events outside parentheses."""
    match node:
        case Window():
            return node != ALWAYS
        case q.During() | q.Not() | q.Term():
            return False
        case tuple():
            return any(map(_has_window, node))
        case _:
            return any(_has_window(getattr(node, name)) for name in getattr(type(node), "__slots__", ()))


def _not(condition: Condition, ever: bool) -> str:
    match condition:
        case q.Attribute((name,), q.Text(how, values, False)):
            return f"whose {_quoted(name)} {_none_of(how, values)}"
        case q.Attribute((name,), q.Truth(value)):
            return f"whose {_quoted(name)} is not {'true' if value else 'false'}"
        case q.Term(name, means):
            return f"who are not {_quoted(name)} (= {_contacts(means)})"
        case q.Member(how="in"):
            return f"not {_condition(condition, ever)}"
        case _:
            return f"not among ({_contacts(condition)})"


def _has(measure: Measure, bound: Bound, ever: bool) -> str:
    match measure:
        case q.Count(events):
            return f"with {_times(events, bound, ever)}"
        case q.ActivePeriods(events, unit, each):
            units = unit if _is_one(bound) else f"{unit}s"
            on = "on" if unit == "day" else "in"
            return f"with {_each(events, each, on, ever)} {_bound(bound)} different calendar {units}"
        case q.ActiveBlocks(events, unit, of, each, calendar):
            return f"with {_each(events, each, 'in', ever)} {_bound(bound)} of {_blocks(unit, of, calendar)}"
        case _:
            return f"whose {_measure(measure, ever)} is {_bound(bound)}"


def _each(events: Events, each: int, preposition: str, ever: bool) -> str:
    if each == 1:
        return f"{_one(events, ever)} {preposition}"
    return f"{_times(events, Bound('>=', each), ever)} {preposition} each of"


def _versus(versus: q.Versus, ever: bool) -> str:
    percent = versus.percent
    share = "" if percent == 100 and isinstance(percent, int) else f"{_number(percent)}% of "
    match versus.right:
        case q.MeanOverContacts(measure):
            right = f"the mean of the {_measure(measure, ever)} over all contacts where it is above 0"
        case q.MeanOverEvents(events, property_):
            right = f"the mean {_property_of(property_, events, ever)} by all contacts"
        case measure:
            right = f"their {_measure(measure, ever)}"
    left = _measure(versus.left, ever or _has_window(versus.right))
    return f"whose {left} is {COMPARISONS[versus.comparison]} {share}{right}"


def _sequence(sequence: q.Sequence, ever: bool) -> str:
    steps: list[str] = []
    for i, step in reversed(list(enumerate(sequence.steps))):
        bare = step.absent or (sequence.from_first and i == 0)
        steps.append(("no " if step.absent else "") + (_events if bare else _one)(step.events, ever))
        ever = ever or _has_window(step.events)
    steps.reverse()
    same = "" if sequence.same is None else f" for the same {_property(sequence.same, item='item ', event='')}"
    unordered = "" if sequence.ordered else " in any order"
    first = " their first" if sequence.from_first else ""
    within = "" if sequence.within is None else f" within {say_span(sequence.within)}"
    return f"who{same} did{unordered}{first} {(' and then ' if sequence.ordered else ' and also ').join(steps)}{within}"


def _led_up(led_up: q.LedUp, ever: bool) -> str:
    same = "" if led_up.same is None else f" for the same {_property(led_up.same, item='item ', event='')}"
    to = ("their first " if led_up.first else "some ") + _events(led_up.to, ever)
    times = f"{_bound(led_up.bound)} {_name(led_up.events, led_up.bound)}"
    tail = _tail(led_up.events.where, led_up.events.window, ever or _has_window(led_up.to))
    return f"who{same} did {times}{tail} before {to}"


# ── measures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _measure(measure: Measure, ever: bool) -> str:
    match measure:
        case q.Count(events):
            return f"number of {_events(events, ever, plural=True)}"
        case q.Quantity(events):
            return f"number of units {_of_items(events, ever)}"
        case q.Distinct(events, property_):
            return f"number of different {_property_of(property_, events, ever)}"
        case q.Aggregate(how, events, property_):
            return f"{how} {_property_of(property_, events, ever)}"
        case q.Spend(events, net):
            return ("net " if net else "") + _spend(events, ever)
        case q.Elapsed(which, events, unit):
            return f"number of {unit}s since the {which} {_events(events, ever)}"
        case q.ActivePeriods(events, unit, each):
            return f"number of calendar {unit}s with {_at_least(events, each, ever)}"
        case q.LongestRun(events, unit, each):
            return f"longest run of consecutive calendar {unit}s with {_at_least(events, each, ever)}"
        case q.ActiveBlocks(events, unit, of, each, calendar):
            return f"number of {_blocks(unit, of, calendar)} with {_at_least(events, each, ever)}"
        case q.AttributeNumber(name):
            return f"numeric attribute {_quoted(name)}"
        case q.AgeInYears(name):
            return f"age in years by the birth date {_quoted(name)}"
        case _:
            assert_never(measure)


def _spend(events: Events, ever: bool) -> str:
    if any(map(_is_of_item, events.where)):
        return f"spend on {_of_items(events, ever).removeprefix('of ')}"
    if events.event == "order-completed" and not events.where:
        return f"spend{_when(events.window, ever)}"
    return f"spend in {_events(events, ever, plural=True)}"


def _at_least(events: Events, each: int, ever: bool) -> str:
    return _events(events, ever, plural=True) if each == 1 else _times(events, Bound(">=", each), ever)


def _blocks(unit: Unit, of: int, calendar: bool) -> str:
    return f"the last {_number(of)} {'whole calendar ' if calendar else ''}{unit}{'' if of == 1 else 's'}"


def _property_of(property_: Property, events: Events, ever: bool) -> str:
    """A property among events; of an item's, only the items count that pass the mention's item filters."""
    if property_.level == "item":
        return f"{_quoted(property_.name)} {_of_items(events, ever)}"
    return f"{_property(property_, item='', event='')} of {_events(events, ever, plural=True)}"


def _of_items(events: Events, ever: bool) -> str:
    filters = _ordered(part for part in events.where if _is_of_item(part))
    whose = f" whose {_filters(filters, of_item=True)}" if filters else ""
    rest = _tail(events.where, events.window, ever, item=False)
    return f"of items{whose} in {_name(events, None)}{rest}"


# ── events and their filters ──────────────────────────────────────────────────────────────────────────────────────


def _times(events: Events, bound: Bound, ever: bool) -> str:
    times = "no" if bound == NEVER and isinstance(bound.value, int) else _bound(bound, less="fewer than")
    return f"{times} {_name(events, bound)}{_tail(events.where, events.window, ever)}"


def _one(events: Events, ever: bool) -> str:
    return ("an " if events.event is None else "") + _events(events, ever)


def _events(events: Events, ever: bool, plural: bool = False) -> str:
    return _name(events, None if plural else Bound("=", 1)) + _tail(events.where, events.window, ever)


def _name(events: Events, bound: Bound | None) -> str:
    """The name of the type; where any type will do, "event of any type", in the plural where the bound asks for it."""
    if events.event is not None:
        return _quoted(events.event)
    one = bound is not None and (bound == NEVER or _is_one(bound))
    return "event of any type" if one else "events of any type"


def _is_one(bound: Bound) -> bool:
    return (bound.value if bound.upper is None else bound.upper) == 1


def _tail(where: tuple[EventFilter, ...], window: Window, ever: bool, item: bool = True) -> str:
    """What follows the name of an event, from its first space: filters and window. With `item=False` the filters of its
    items have been said before."""
    own = _ordered(part for part in where if isinstance(part, Filter | q.AnyFilter) and not _is_of_item(part))
    items = _ordered(part for part in where if _is_of_item(part))
    such = "such items" if items else "items"
    said = f" whose {_filters(own, of_item=False)}" if own else ""
    if items and item:
        said += f" with an item whose {_filters(items, of_item=True)}"
    for part in where:
        match part:
            case q.EveryItem(of):
                said += f" with only items whose {_filters(of, of_item=True)}"
            case q.SomeItem(of):
                said += f" with some item whose {_filters(of, of_item=True)}"
            case q.Basket(bound, None):
                said += f" with {_bound(bound)} units of {such}"
            case q.Basket(bound, distinct) if distinct is not None:
                said += f" with {_bound(bound)} different {_quoted(distinct)} of {such}"
            case _:
                pass
    for part in where:
        if isinstance(part, q.Shares):
            no = "no " if part.negated else ""
            said += f" sharing {_property(part.property, item='item ', event='')} with {no}{_quoted(part.event)}"
        if isinstance(part, q.FromDate):
            within = "" if part.within is None else f" within {say_span(part.within)}"
            said += f"{within} {part.how} their {_quoted(part.attribute)}"
    when = _when(window, ever)
    # a date in a filter would run into the window
    return when + said if _has_during(where) else said + when


def _when(window: Window, ever: bool) -> str:
    if window == ALWAYS:
        return " at any time" if ever else ""
    return f" {say(window)}"


def _has_during(where: tuple[EventFilter, ...]) -> bool:
    return any(
        isinstance(part.test, q.During) if isinstance(part, Filter) else _has_during(part.of)
        for part in where
        if not isinstance(part, q.Basket | q.Shares | q.FromDate)
    )


def _is_of_item(part: EventFilter) -> bool:
    """Whether the filter asks something of one line item, so that it must be the same item as for the others."""
    match part:
        case Filter(properties):
            return any(p.level == "item" for p in properties)
        case q.AnyFilter(of):
            return any(map(_is_of_item, of))
        case _:
            return False


def _ordered(parts: Iterable[EventFilter]) -> list[Filter | q.AnyFilter]:
    """Alternatives last: "and" behind "either … or else …" would be unclear."""
    asked = [part for part in parts if isinstance(part, Filter | q.AnyFilter)]
    return sorted(asked, key=lambda part: isinstance(part, q.AnyFilter))


def _filters(parts: Sequence[Filter | q.AnyFilter], of_item: bool) -> str:
    return " and ".join(
        _filter(part, of_item)
        if isinstance(part, Filter)
        else "either " + " or else ".join(_filter(one, of_item) for one in part.of)
        for part in parts
    )


def _filter(part: Filter, of_item: bool) -> str:
    item, event = ("", "the event's ") if of_item else ("item ", "")
    return f"{' or '.join(_property(p, item, event) for p in part.properties)} {_test(part.test)}"


def _property(property_: Property, item: str, event: str) -> str:
    name = _quoted(property_.name)
    match property_.level:
        case "item":
            return item + name
        case "event":
            return event + name
        case "context":
            return f"context {name}"
        case "order value":
            return "order value" if property_.name == "total" else f"order value {name}"
        case _:
            assert_never(property_.level)


# ── tests, bounds, names ──────────────────────────────────────────────────────────────────────────────────────────

_How = Literal["is", "contains", "starts with", "ends with", "has word"]
COMPARISONS: dict[q.Comparison, str] = {
    "=": "exactly",
    "!=": "other than",
    ">": "more than",
    ">=": "at least",
    "<": "less than",
    "<=": "at most",
}
NONE_OF: dict[_How, tuple[str, str]] = {  # one value, several
    "is": ("is not", "is neither"),
    "contains": ("does not contain", "contains neither"),
    "starts with": ("does not start with", "starts with neither"),
    "ends with": ("does not end with", "ends with neither"),
    "has word": ("does not have the word", "has neither the word"),
}


def _test(test: Test) -> str:
    match test:
        case q.Text(how, values, True):
            return _none_of(how, values)
        case q.Text(how, values):
            return f"{'has the word' if how == 'has word' else how} {_any_of(values)}"
        case q.Numeric(bound):
            return f"is {_bound(bound)}"
        case q.During(window):
            return f"falls{_when(window, ever=True)}"
        case q.Known(known):
            return "is known" if known else "is unknown"
        case q.Truth(value):
            return "is true" if value else "is false"
        case _:
            assert_never(test)


def _none_of(how: _How, values: tuple[str, ...]) -> str:
    one, several = NONE_OF[how]
    return f"{one if len(values) == 1 else several} {' nor '.join(map(_quoted, values))}"


def _any_of(texts: tuple[str, ...]) -> str:
    return " or ".join(map(_quoted, texts))


def _bound(bound: Bound, less: str = "less than") -> str:
    if bound.upper is not None:
        return f"between {_number(bound.value)} and {_number(bound.upper)}"
    return f"{less if bound.comparison == '<' else COMPARISONS[bound.comparison]} {_number(bound.value)}"


def _number(number: q.Number) -> str:
    return f"{number:,}"


def _size(rank: q.Rank) -> str:
    return f"{'bottom' if rank.bottom else 'top'} {_number(rank.amount)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
