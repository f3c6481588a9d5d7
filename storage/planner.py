"""Query + now + zone + layout to Plan: every decision, no SQL.

What is decided here: periods become instants, types integers, properties columns or paths into JSON; measures over the
same rows become columns of one pass (`Group`), "did" and "never did" become sets of contacts (`Doers`), everything else
has a part of its own shape. No part is quadratic: contacts are joined on a key with one row, or to the nearest in time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from grammar import query as q
from grammar import when
from grammar.vocabulary import fold
from storage.errors import StorageError, Unsupported
from storage.event import number_in
from storage.plan import (
    MICROSECOND,
    Added,
    Against,
    AsMany,
    At,
    AttributesOut,
    Base,
    Birthdays,
    Boolean,
    Both,
    Cell,
    Chain,
    Check,
    Constant,
    CountOut,
    Cuts,
    Dated,
    DatedSet,
    Did,
    Doers,
    Either,
    Equal,
    EventSet,
    EventsOut,
    Facts,
    FactsOut,
    Figure,
    FoundOut,
    Frequent,
    GapsOut,
    GivenBack,
    Group,
    How,
    In,
    Inside,
    Json,
    Label,
    LedUp,
    Length,
    Like,
    MeanOfContacts,
    MeanOfFacts,
    Minus,
    Moment,
    Neither,
    Node,
    NumberColumn,
    NumberOf,
    One,
    Out,
    Part,
    Passes,
    Periods,
    Plan,
    PooledOut,
    Present,
    Ranking,
    Ref,
    Repeated,
    Returned,
    RowsOut,
    RowTest,
    Same,
    Scan,
    SharedSet,
    ShareOut,
    Shown,
    Since,
    StateRows,
    States,
    Stayed,
    StepRows,
    Table,
    Test,
    TestsOut,
    TextColumn,
    TimeOut,
    Times,
    Units,
    UsersOut,
    Value,
    ValueOut,
    Values,
    Widths,
    Within,
    Worth,
    Years,
)
from storage.schema import EVERY_TYPE, Column, Layout

_MICROSECONDS: dict[q.Unit, int] = {
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
    "month": 2_629_746_000_000,  # mean lengths: only for "how many months ago", never for a window
    "quarter": 7_889_238_000_000,
    "year": 31_556_952_000_000,
}
_MONTHS: dict[q.Unit, int] = {"month": 1, "quarter": 3, "year": 12}
_MOST = 100_000  # so many calendar units are looked at one by one
_FEW = 63  # periods that a bit each of an integer tells apart
_MOST_CUTS = 240  # so many blocks of months or more are told apart
_ORDERS = frozenset({"order-completed", "order-updated", "order-cancelled", "order-refunded"})
_GIVEN_BACK = ("order-cancelled", "order-refunded")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a plan needs to know of a saved segment.

    Attributes:
        id: its number in `stay`.
        name: as it was saved.
        population: who belongs to it.
        static: whether it is a snapshot: then its members are those that were recorded.
        types: the event types that it asks for and that occurred when it was saved.
    """

    id: int
    name: str
    population: q.Condition
    static: bool
    types: tuple[str, ...]


Segments: TypeAlias = Mapping[str, Saved]
"""Folded name → segment."""

NO_SEGMENTS: Final[Segments] = MappingProxyType({})


def plan(query: q.Query, now: datetime, zone: ZoneInfo, layout: Layout, segments: Segments = NO_SEGMENTS) -> Plan:
    """Every decision for this query as of `now` (aware).

    Raises:
        Unsupported: it names the node; for a Sequence with an absent step before its last.
        StorageError: "unknown" or "circular", for a segment that is not there, asks for an event type that has gone, or
            is defined by itself.
    """
    return _Planner(now, zone, layout, segments).plan(query)


def plan_tests(
    conditions: Sequence[q.Condition], now: datetime, zone: ZoneInfo, layout: Layout, segments: Segments
) -> Plan:
    """Who of all contacts meets each of the conditions, in one pass. Raises as `plan` does."""
    return _Planner(now, zone, layout, segments).tests(conditions)


def plan_proof(
    conditions: Sequence[q.Condition],
    contact: int,
    now: datetime,
    zone: ZoneInfo,
    layout: Layout,
    segments: Segments,
) -> tuple[Plan, tuple[int, ...]]:
    """Whether one contact meets each of the conditions, by the tests that `plan` makes of them, and the values that
    decide it: how many there are for each condition, in order. Raises as `plan` does."""
    return _Planner(now, zone, layout, segments).proof(conditions, contact)


def plan_found(
    condition: q.Condition,
    met: bool,
    contact: int,
    now: datetime,
    zone: ZoneInfo,
    layout: Layout,
) -> tuple[Plan, ...]:
    """The events of one contact that a condition without conditions inside looks at."""
    return tuple(
        _Planner(now, zone, layout, NO_SEGMENTS).whole(q.Query(condition), out)
        for out in _Planner(now, zone, layout, NO_SEGMENTS).found(condition, met, contact)
    )


# ── times ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=256)
def _offset(zone: ZoneInfo, year: int) -> timedelta | None:
    """The zone's distance from UTC, if it has been the same from 1970 to the end of this year; looked at every week."""
    at, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    first = at.astimezone(zone).utcoffset()
    while at < end:
        if at.astimezone(zone).utcoffset() != first:
            return None
        at += timedelta(days=7)
    return first


def _touches(where: when.Bounds, window: q.Window, zone: ZoneInfo) -> bool:
    """Whether a stretch of time has an instant on the window's weekdays and in its hours."""
    assert where.start is not None and where.end is not None
    if not window.weekdays and window.hours is None:
        return where.start < where.end
    at, end = (
        instant.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) for instant in (where.start, where.end)
    )
    while at < end:
        midnight = datetime.combine(at.date(), datetime.min.time())
        until = min(end, midnight + timedelta(days=1))
        if not window.weekdays or at.isoweekday() in window.weekdays:
            for first, last in _stretches(window.hours):
                if max(at, midnight + timedelta(minutes=first)) < min(until, midnight + timedelta(minutes=last)):
                    return True
        at = until
    return False


def _stretches(hours: tuple[int, int] | None) -> list[tuple[int, int]]:
    if hours is None:
        return [(0, 1440)]
    start, end = hours
    return [(start, end)] if start <= end else [(0, end), (start, 1440)]


def _length(span: q.Span) -> Length:
    """The span, or 3,000 years of it: more cannot be added to a timestamp, and no store reaches so far."""
    if span.unit in _MONTHS:
        return Length(0, min(span.amount * _MONTHS[span.unit], 36_000))
    return Length(min(span.amount * _MICROSECONDS[span.unit], 3_000 * _MICROSECONDS["year"]), 0)


# ── values as text and number ─────────────────────────────────────────────────────────────────────────────────────


def _folded(text: str) -> str:
    """A text as texts are compared: without outer spaces, lower-case."""
    return text.strip(" ").lower()


def _holds(bound: q.Bound, value: float) -> bool:
    """Whether a number is within the bound."""
    if bound.upper is not None:
        return bound.value <= value <= bound.upper
    match bound.comparison:
        case "=":
            return value == bound.value
        case "!=":
            return value != bound.value
        case ">":
            return value > bound.value
        case ">=":
            return value >= bound.value
        case "<":
            return value < bound.value
        case "<=":
            return value <= bound.value
        case _:
            assert_never(bound.comparison)


def _needs_item(test: RowTest) -> bool:
    """Whether only a line item can pass the test, not an event that has none."""
    return all(cell.table == "item" and check != Present(False) for cell, check in test.of)


def _on_event(test: RowTest) -> bool:
    return all(cell.table == "event" for cell, _ in test.of)


def _has_item_filter(where: tuple[q.EventFilter, ...]) -> bool:
    return any(
        of.level == "item"
        for part in where
        for each in (part.of if isinstance(part, q.AnyFilter) else (part,))
        if isinstance(each, q.Filter)
        for of in each.properties
    )


# ── names of columns ──────────────────────────────────────────────────────────────────────────────────────────────


def _snake(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_").lower()


def _column_name(column: q.Column) -> str:
    match column:
        case q.AttributeColumn(name):
            return name
        case q.MomentColumn(which, events):
            return f"{which}_{_event_name(events)}"
        case q.MeasureColumn(measure):
            return _measure_name(measure)
        case _:
            assert_never(column)


def _event_name(events: q.Events) -> str:
    return _snake(events.event or "event")


def _measure_name(measure: q.Measure) -> str:
    match measure:
        case q.Count(events):
            return f"{_event_name(events)}_count"
        case q.Quantity(events):
            return f"{_event_name(events)}_quantity"
        case q.Distinct(events, of):
            return f"{_event_name(events)}_distinct_{_snake(of.name)}"
        case q.Aggregate(how, _, of):
            return f"{how}_{_property_name(of)}"
        case q.Spend(_, net):
            return "net_spend" if net else "spend"
        case q.Elapsed(which, events, unit):
            return f"{unit}s_since_{which}_{_event_name(events)}"
        case q.ActivePeriods(_, unit):
            return f"active_{unit}s"
        case q.LongestRun(_, unit):
            return f"longest_run_of_{unit}s"
        case q.ActiveBlocks(_, unit, of):
            return f"active_{unit}s_of_last_{of}"
        case q.AttributeNumber(name):
            return name
        case q.AgeInYears():
            return "age"
        case _:
            assert_never(measure)


def _property_name(of: q.Property) -> str:
    return "order_value" if of.level == "order value" else _snake(of.name)


# ── the planner ───────────────────────────────────────────────────────────────────────────────────────────────────


Source: TypeAlias = tuple[Base, tuple[int, ...] | None, tuple[EventSet | DatedSet | SharedSet, ...]]


@dataclass(slots=True)
class _Pass:
    """A Group in the making: figures, each with the facts it was asked over."""

    name: str
    asked: dict[tuple[Facts, How, Cell | None], tuple[str, Node]]


class _Planner:
    """The state of one planning: the parts found so far. Equal requests are served once."""

    def __init__(self, now: datetime, zone: ZoneInfo, layout: Layout, segments: Segments) -> None:
        self.segments = segments
        self.inside: tuple[str, ...] = ()  # the segments that are being looked into
        self.aware = now
        self.now = now.astimezone(UTC).replace(tzinfo=None)
        self.zone = zone
        self.layout = layout
        self.passes: dict[Source, _Pass] = {}
        self.parts: dict[object, Part] = {}
        self.read: dict[tuple[str, str], None] = {}

    def plan(self, query: q.Query) -> Plan:
        out, test = self.out(query, self.test(query.population))
        return self.planned(query, test, out)

    def tests(self, conditions: Sequence[q.Condition]) -> Plan:
        return self.whole(q.Query(q.Everyone()), TestsOut(tuple(map(self.test, conditions)), (), None))

    def proof(self, conditions: Sequence[q.Condition], contact: int) -> tuple[Plan, tuple[int, ...]]:
        tests = tuple(map(self.test, conditions))
        shown = [self.deciding(condition) for condition in conditions]
        out = TestsOut(tests, tuple(value for values in shown for value in values), contact)
        return self.whole(q.Query(q.Everyone()), out), tuple(map(len, shown))

    def whole(self, query: q.Query, out: Out) -> Plan:
        """An output that is asked of all contacts."""
        return self.planned(query, Constant(True, q.Everyone()), out)

    def planned(self, query: q.Query, test: Test, out: Out) -> Plan:
        # first everything is asked for, then it is known which passes there are that can serve a Did
        out = self.settled_out(out)
        scan = self.scan(self.settled(test), *self.values_of(out))
        parts = [self.settled_part(part) for part in list(self.parts.values())]
        offset = _offset(self.zone, self.now.year + 1)
        local = offset != timedelta()
        return Plan(
            schema=self.layout.schema,
            now=self.now,
            zone=self.zone.key if local else None,
            offset=offset if local else None,
            parts=tuple(self.in_order(parts)),
            population=scan,
            out=out,
            query=query,
            read=tuple(self.read),
        )

    # ── times, cells, tests of rows ──

    def times(self, window: q.Window) -> Times:
        where = when.bounds(window.period, self.aware, self.zone)
        end = self.now + MICROSECOND
        return Times(where.start, min(where.end or end, end), window.weekdays, window.hours)

    def local(self, instant: datetime) -> datetime:
        return instant.replace(tzinfo=UTC).astimezone(self.zone).replace(tzinfo=None)

    def cell(self, of: q.Property, event: str | None, number: bool) -> Cell:
        """Where the property is read from, as a number or as text."""
        keys = tuple(of.name.split("."))
        match of.level:
            case "event" | "item" as level:
                whole = "properties" if level == "event" else "item"
                return self.in_column(of, level, number) or self.json(of.level, Json(level, whole, keys))
            case "context":
                return self.in_column(of, "event", number) or self.json(of.level, Json("event", "context", keys))
            case "order value":
                return NumberColumn("event", "order_value") if event in _ORDERS else Worth()
            case _:
                assert_never(of.level)

    def column(self, of: q.Property) -> Column | None:
        """The column of the property, if it has one."""
        match of.level:
            case "event":
                return self.layout.event_columns.get(of.name)
            case "item":
                return self.layout.item_columns.get(of.name)
            case "context":
                return self.layout.context_columns.get(of.name)
            case "order value":
                return None
            case _:
                assert_never(of.level)

    def in_column(self, of: q.Property, table: Table, number: bool) -> Cell | None:
        """The column of the property, if that tells what is asked."""
        column = self.column(of)
        if column is None or (column.number and not number):
            return None
        if column.number:
            return NumberColumn(table, column.name)
        return TextColumn(table, column.name) if column.whole else None

    def json(self, level: str, cell: Json) -> Json:
        """The cell, noted as one that has to be read from JSON."""
        self.read[level, ".".join(cell.keys)] = None
        return cell

    def attribute(self, name: str) -> Cell:
        if name == "visitor_id":
            return TextColumn("contact", "visitor_id")
        column = self.layout.attribute_columns.get(name)
        return TextColumn("contact", column) if column else Json("contact", "attributes", tuple(name.split(".")))

    def check(self, test: q.Test) -> Check:
        match test:
            case q.Text("is", values, negated):
                numbers = tuple(dict.fromkeys(n for value in values if (n := number_in(value)) is not None))
                return Equal(tuple(dict.fromkeys(map(_folded, values))), numbers, negated)
            case q.Text(how, values, negated):
                assert how != "is"
                return Like(how, tuple(dict.fromkeys(map(_folded, values))), negated)
            case q.Numeric(bound):
                return Inside(bound)
            case q.During(window):
                where = when.bounds(window.period, self.aware, self.zone)
                first, last = when.days(window.period, self.aware, self.zone)
                end = where.end
                if isinstance(window.period, q.Calendar) and window.period.back == 0:
                    # a value, unlike an event, can be later
                    last, end = self.local(self.now).date(), self.now + MICROSECOND
                return Dated(first, last, where.start, end, window.weekdays, window.hours)
            case q.Known(known):
                return Present(known)
            case q.Truth(value):
                return Boolean(value)
            case _:
                assert_never(test)

    def checked(self, of: q.Property, event: str | None, test: q.Test) -> tuple[Cell, Check]:
        """The cell that serves this test of a property best, with the test."""
        check = self.check(test)
        cell = self.cell(of, event, number=True)
        column = self.column(of)
        if isinstance(cell, NumberColumn) and column is not None:
            numeric = isinstance(check, Equal) and len(check.numbers) == len(check.texts)
            if not (isinstance(check, Inside) or (column.whole and (numeric or isinstance(check, Present)))):
                return self.cell(of, event, number=False), check
        return cell, check

    def row_test(self, part: q.Filter | q.AnyFilter, event: str | None) -> RowTest:
        filters = (part,) if isinstance(part, q.Filter) else part.of
        return RowTest(
            tuple(self.checked(of, event, each.test) for each in filters for of in each.properties),
            part,
        )

    # ── facts ──

    def type_of(self, event: str | None) -> tuple[int, ...] | None:
        """Its number; any type is None; a type that does not occur has none."""
        if event is None:
            return None
        return (self.layout.types[event],) if event in self.layout.types else ()

    def sets(
        self, where: tuple[q.EventFilter, ...], event: str | None
    ) -> tuple[list[RowTest], list[RowTest], list[EventSet | DatedSet | SharedSet]]:
        """What a mention asks: of the event alone, of one of its rows, and of the event by all of its line items."""
        tests = [self.row_test(part, event) for part in where if isinstance(part, q.Filter | q.AnyFilter)]
        sets: list[EventSet | DatedSet | SharedSet] = []
        for part in where:
            match part:
                case q.EveryItem(of):
                    every = tuple(self.row_test(each, event) for each in of)
                    sets.append(EventSet(self.item_base(every), (), every=every))
                case q.Basket(bound, distinct):
                    cell = None if distinct is None else self.cell(q.Property(distinct, "item"), event, number=False)
                    base = self.item_base(tuple(tests))
                    sets.append(EventSet(base, tuple(tests), held=bound, distinct=cell, inside=not _holds(bound, 0)))
                case q.SomeItem(of):
                    each_test = tuple(self.row_test(each, event) for each in of)
                    sets.append(EventSet(self.row_base(list(each_test)), each_test))
                case q.Shares(of, other, negated):
                    mine, theirs = (self.step(q.Events(each), of) for each in (event, other))
                    sets.append(SharedSet(mine, theirs, not negated))
                case q.FromDate(attribute, how, within):
                    sets.append(DatedSet(self.attribute(attribute), how, None if within is None else _length(within)))
                case q.Filter() | q.AnyFilter():
                    pass
                case _:
                    assert_never(part)
        own = [test for test in tests if _on_event(test)]
        return own, [test for test in tests if test not in own], sets

    def item_base(self, tests: Iterable[RowTest]) -> Base:
        """Where line items are read for these tests: alone, or with their event."""
        return "item of event" if any(cell.table == "event" for test in tests for cell, _ in test.of) else "item"

    def row_base(self, tests: list[RowTest]) -> Base:
        """Where a row is looked for that passes these tests: a line item, or an event that has none."""
        return self.item_base(tests) if any(map(_needs_item, tests)) else "event or item"

    def facts(
        self,
        events: q.Events,
        grain: Literal["events", "items", "rows"] = "events",
        cells: tuple[Cell, ...] = (),
        then: tuple[q.EventFilter, ...] = (),
        types: tuple[int, ...] | None = (),
    ) -> Facts:
        """The rows that these events are: a row an event, a matching line item (`items`), or a matching line item and
        every event without line items (`rows`). `cells` are read from them. `then` is a second mention that the same
        event must pass. `types` stand in for the type of `events`, if there are any."""
        own, of_row, sets = self.sets(events.where, events.event)
        base: Base
        if grain == "events":
            on_items = self.item_base(of_row) == "item" and any(map(_needs_item, of_row))
            if (
                of_row
                and on_items
                and not own
                and not sets
                and not then
                and all(cell.table == "item" for cell in cells)
            ):
                base, tests = "item", of_row
            else:
                if of_row:
                    sets.append(EventSet(self.row_base(of_row), tuple(of_row)))
                base, tests = "event", own
        else:
            tests = own + of_row
            wide = grain == "rows" and not any(map(_needs_item, of_row))
            base = "event or item" if wide else self.item_base(tests)
            if base == "item" and any(cell.table == "event" for cell in cells):
                base = "item of event"
        if then:
            later_own, later_row, later_sets = self.sets(then, events.event)
            tests = tests + later_own
            sets += later_sets
            if later_row:
                sets.append(EventSet(self.row_base(later_row), tuple(later_row)))
        return Facts(
            types=types or self.type_of(events.event),
            times=self.times(events.window),
            base=base,
            tests=tuple(dict.fromkeys(tests)),
            sets=tuple(dict.fromkeys(sets)),
            many=grain == "events" and base == "item",
            node=events,
        )

    def property_facts(self, events: q.Events, of: q.Property, number: bool, whole: bool = False) -> tuple[Facts, Cell]:
        """The rows over which a property is read, and its cell; `whole`: rows where it is missing count as well."""
        cell = self.cell(of, events.event, number)
        if of.level == "item":
            return self.facts(events, "rows" if whole else "items", (cell,)), cell
        return self.facts(events, "events", (cell,)), cell

    # ── parts ──

    def source(self, facts: Facts) -> Source:
        """What facts must share to be read in one pass; times and tests may differ."""
        return facts.base, facts.types, facts.sets

    def figure(self, facts: Facts, how: How, cell: Cell | None, node: Node) -> Ref:
        """A column of the pass over these rows."""
        found = self.passes.setdefault(self.source(facts), _Pass(f"g{len(self.passes) + 1}", {}))
        name, _ = found.asked.setdefault((facts, how, cell), (f"m{len(found.asked) + 1}", node))
        return Ref(found.name, name, how in ("events", "quantity", "price × quantity", "distinct", "total"))

    def part(self, make: Part) -> str:
        """The part's name: that of an equal one, or a new one."""
        key = replace(make, name="")
        found = self.parts.get(key)
        if found is None:
            letter = {"Doers": "did", "Ranking": "rank", "MeanOfContacts": "mean", "MeanOfFacts": "mean"}.get(
                type(make).__name__, type(make).__name__.lower()
            )
            found = self.parts[key] = replace(make, name=f"{letter}{len(self.parts) + 1}")
        return found.name

    # ── measures ──

    def measure(self, measure: q.Measure) -> Value:
        match measure:
            case q.Count(events):
                return self.figure(self.facts(events), "events", None, measure)
            case q.Quantity(events):
                return self.figure(self.facts(events, "items"), "quantity", None, measure)
            case q.Distinct(events, of):
                facts, cell = self.property_facts(events, of, number=False)
                if isinstance(cell, Json):
                    return Ref(self.part(Values("", facts, cell, measure)), "value", zero=True)
                return self.figure(facts, "distinct", cell, measure)
            case q.Aggregate(how, events, of):
                facts, cell = self.property_facts(events, of, number=True)
                return self.figure(facts, how, cell, measure)
            case q.Spend(events, net):
                spent = self.spend(events, measure)
                return Minus(spent, self.given_back(events, measure)) if net else spent
            case q.Elapsed(which, events, unit):
                return Since(self.figure(self.facts(events), which, None, measure), _MICROSECONDS[unit])
            case q.ActivePeriods(events, unit, each):
                return self.periods(self.facts(events), Units(unit), each, False, measure)
            case q.LongestRun(events, unit, each):
                return self.periods(self.facts(events), Units(unit), each, True, measure)
            case q.ActiveBlocks(events, unit, of, each, calendar):
                return self.blocks(events, unit, of, each, calendar, measure)
            case q.AttributeNumber(name):
                return NumberOf(self.attribute(name))
            case q.AgeInYears(name):
                return self.years(name, from_birth=True)
            case _:
                assert_never(measure)

    def years(self, name: str, from_birth: bool) -> Years:
        return Years(self.attribute(name), self.local(self.now).date(), from_birth)

    def spend(self, events: q.Events, node: Node) -> Ref:
        if _has_item_filter(events.where):
            return self.figure(self.facts(events, "items"), "price × quantity", None, node)
        facts, cell = self.property_facts(events, q.ORDER_VALUE, number=True)
        return self.figure(facts, "total", cell, node)

    def given_back(self, events: q.Events, node: Node) -> Ref:
        types = tuple(self.layout.types[name] for name in _GIVEN_BACK if name in self.layout.types)
        back = replace(events, event=_GIVEN_BACK[0])
        orders = q.Events(events.event)
        order_id = self.cell(q.Property("order_id"), None, number=False)
        worth = self.cell(q.ORDER_VALUE, events.event, number=True)
        by_items = _has_item_filter(events.where)
        facts = self.facts(back, "items" if by_items else "events", (order_id,), types=types or (-1,))
        part = GivenBack(
            "",
            facts,
            "price × quantity" if by_items else "total",
            None if by_items else self.cell(q.ORDER_VALUE, _GIVEN_BACK[0], number=True),
            order_id,
            self.facts(orders, "events", (order_id, worth)),
            worth,
            node,
        )
        return Ref(self.part(part), "value", zero=True)

    def periods(self, facts: Facts, by: Units | Widths | Cuts, each: int, longest: bool, node: Node) -> Ref:
        start, end = facts.times.start, facts.times.end
        match by:
            case Units(unit):
                # one more than fit whole, and one for a clock that changes
                few = start is not None and (end - start) // MICROSECOND // _MICROSECONDS[unit] + 3 <= _FEW
            case Widths(last, width):
                few = start is not None and (last - start) // MICROSECOND // width + 1 <= _FEW
            case Cuts(at):
                few = len(at) + 1 <= _FEW
            case _:
                assert_never(by)
        return Ref(self.part(Periods("", facts, by, each, longest, few, node)), "value", zero=True)

    def blocks(self, events: q.Events, unit: q.Unit, of: int, each: int, calendar: bool, node: Node) -> Ref:
        end = self.now + MICROSECOND
        by: Units | Widths | Cuts
        if calendar or unit == "day":
            by = Units(unit)
            where = when.bounds(q.Calendar(unit, of if calendar else of - 1), self.aware, self.zone)
            start = where.start
            if calendar:
                end = when.bounds(q.Calendar(unit, 1), self.aware, self.zone).end or end
        elif unit in _MONTHS:
            edges = [block.start for block in when.blocks(unit, min(of, _MOST_CUTS), False, self.aware, self.zone)]
            by, start = Cuts(tuple(edge for edge in edges[:-1] if edge is not None)), edges[-1]
        else:
            by = Widths(end, _MICROSECONDS[unit])
            start = when.bounds(q.Rolling(q.Span(of, unit)), self.aware, self.zone).start
            start = start and start + MICROSECOND
        facts = self.facts(events)
        earliest = max(start or self.now, facts.times.start or datetime.min)
        facts = replace(facts, times=replace(facts.times, start=earliest, end=min(end, facts.times.end)))
        return self.periods(facts, by, each, False, node)

    # ── conditions ──

    def did(self, events: q.Events, node: Node, then: tuple[q.EventFilter, ...] = ()) -> Test:
        return Did(replace(self.facts(events, then=then), many=False), node)

    def test(self, condition: q.Condition) -> Test:
        match condition:
            case q.Everyone():
                return Constant(True, condition)
            case q.All(of):
                return Both(tuple(map(self.test, of)), condition)
            case q.Any_(of):
                return Either(tuple(map(self.test, of)), condition)
            case q.Not(of):
                return Neither(self.test(of), condition)
            case q.Several(bound, of):
                return AsMany(bound, tuple(map(self.test, of)), condition)
            case q.Has(q.Count(events), bound) if bound == q.AT_LEAST_ONCE:
                return self.did(events, condition)
            case q.Has(q.Count(events), bound) if bound == q.NEVER:
                return Neither(self.did(events, condition), condition)
            case q.Has(measure, bound):
                return Within(self.measure(measure), bound, condition)
            case q.Versus(left, comparison, right, percent):
                return Against(self.measure(left), comparison, self.right(right), percent, condition)
            case q.Sequence():
                return self.sequence(condition)
            case q.Repeated(events, of, bound):
                facts, cell = self.property_facts(events, of, number=False)
                return In(self.part(Repeated("", facts, cell, bound, condition)), condition)
            case q.LedUp(events, bound, to, first, same):
                first_of = replace(self.facts(to), many=False) if first else None
                part = LedUp("", self.step(events, same), self.step(to, same), first_of, bound, condition)
                return In(self.part(part), condition)
            case q.Extreme(which, events, during, has):
                return self.extreme(which, events, during, has, condition)
            case q.CameBack(after, window):
                return In(self.part(Returned("", _length(after), self.times(window), condition)), condition)
            case q.Only(events, has):
                every = self.figure(self.facts(events), "events", None, condition)
                passing = self.figure(self.facts(events, then=has), "events", None, condition)
                return Both((Within(every, q.AT_LEAST_ONCE, condition), Same(every, passing, condition)), condition)
            case q.EveryPeriod(events, unit, each):
                return self.every_period(events, unit, each, condition)
            case q.Favourite(events, of, values, mostly):
                facts, cell = self.property_facts(events, of, number=False)
                wanted = tuple(dict.fromkeys(map(_folded, values)))
                return In(self.part(Frequent("", facts, cell, wanted, mostly, condition)), condition)
            case q.Attribute(names, test):
                check = self.check(test)
                return Passes(RowTest(tuple((self.attribute(name), check) for name in names), condition), condition)
            case q.Age(name, bound, from_birth):
                return Within(self.years(name, from_birth), bound, condition)
            case q.Birthday(name, period):
                return Birthdays(self.attribute(name), self.birthdays(period), condition)
            case q.Rank():
                return In(self.rank(condition), condition)
            case q.Term(_, means):
                return self.test(means)
            case q.Member():
                return self.member(condition)
            case _:
                assert_never(condition)

    def member(self, member: q.Member) -> Test:
        """A live segment is its population, asked now; a snapshot, and who came and went, is what was recorded."""
        saved = self.segments.get(fold(member.segment))
        if saved is None:
            known = ", ".join(f'"{each.name}"' for each in self.segments.values()) or "none"
            raise StorageError("unknown", f'There is no segment "{member.segment}"; saved are: {known}.')
        if member.how == "in" and member.window != q.ALWAYS:
            raise StorageError(
                "unsupported",
                f'Being in the segment "{saved.name}" has no time: ask who entered or exited it in that time.',
            )
        if member.how != "in" or saved.static:
            return In(self.part(Stayed("", saved.id, member.how, self.times(member.window), member)), member)
        if saved.name in self.inside:
            chain = " → ".join(f'"{name}"' for name in (*self.inside[self.inside.index(saved.name) :], saved.name))
            raise StorageError("circular", f"A segment cannot be defined by itself: {chain}.")
        gone = [name for name in saved.types if name not in self.layout.types]
        if gone:
            raise StorageError(
                "unknown",
                f'The segment "{saved.name}" asks for the event type "{gone[0]}", which does not occur any more. '
                "Import such events again, or save the segment anew.",
            )
        outer, self.inside = self.inside, (*self.inside, saved.name)
        try:
            return self.test(saved.population)
        finally:
            self.inside = outer

    # ── evidence ──

    def deciding(self, condition: q.Condition) -> tuple[Shown, ...]:
        """The values that a condition compares."""
        match condition:
            case q.Has(measure):
                return (self.measure(measure),)
            case q.Versus(left, _, right):
                return (self.measure(left), self.right(right))
            case q.Rank(by):
                return (self.measure(by),)
            case q.Attribute(names):
                return tuple(Label(self.attribute(name)) for name in names)
            case q.Birthday(name):
                return (Label(self.attribute(name)),)
            case q.Age(name, _, from_birth):
                return (self.years(name, from_birth),)
            case q.Extreme(which, events):
                return (Moment(self.figure(replace(self.facts(events), many=False), which, None, condition)),)
            case _:
                return ()

    def found(self, condition: q.Condition, met: bool, contact: int) -> list[Out]:
        """Where the events of a contact are read that a condition looks at. Of "only", the exceptions, if there are."""
        match condition:
            case q.CameBack(after, window):
                return [GapsOut(contact, Returned("", _length(after), self.times(window), condition))]
            case q.Only(events, has) if not met:
                every, passing = self.facts(events), self.facts(events, then=has)
                return [FoundOut(contact, every, passing), FoundOut(contact, every, None)]
            case q.Has(measure) | q.Rank(measure):
                return self.found_of(measure, contact)
            case q.Versus(left, _, right):
                of_right = [] if isinstance(right, q.MeanOverContacts | q.MeanOverEvents) else [right]
                return [out for measure in (left, *of_right) for out in self.found_of(measure, contact)]
            case q.LedUp(events, _, to):
                return [FoundOut(contact, self.facts(one), None) for one in (events, to)]
            case q.Sequence(steps):
                return [FoundOut(contact, self.facts(step.events), None) for step in steps]
            case (
                q.Extreme(_, events) | q.Only(events) | q.EveryPeriod(events) | q.Favourite(events) | q.Repeated(events)
            ):
                return [FoundOut(contact, self.facts(events), None)]
            case _:
                return []

    def found_of(self, measure: q.Measure, contact: int) -> list[Out]:
        if isinstance(measure, q.AttributeNumber | q.AgeInYears):
            return []
        outs: list[Out] = [FoundOut(contact, self.facts(measure.events), None)]
        if isinstance(measure, q.Spend) and measure.net:
            types = tuple(self.layout.types[name] for name in _GIVEN_BACK if name in self.layout.types)
            back = replace(measure.events, event=_GIVEN_BACK[0])
            outs.append(FoundOut(contact, self.facts(back, types=types or (-1,)), None))
        return outs

    def right(self, right: q.Measure | q.MeanOverContacts | q.MeanOverEvents) -> Value:
        match right:
            case q.MeanOverContacts(measure):
                value = self.measure(measure)
                return One(self.part(MeanOfContacts("", self.scan(Constant(True, q.Everyone()), value), value, right)))
            case q.MeanOverEvents(events, of):
                facts, cell = self.property_facts(events, of, number=True)
                return One(self.part(MeanOfFacts("", facts, cell, right)))
            case _:
                return self.measure(right)

    def extreme(
        self,
        which: Literal["first", "last"],
        events: q.Events,
        during: q.Window,
        has: tuple[q.EventFilter, ...],
        node: Node,
    ) -> Test:
        """The extreme event passes `has` if the extreme of those that pass is at its instant: one pass, no join."""
        moment = self.figure(replace(self.facts(events), many=False), which, None, node)
        tests: list[Test] = [At(moment, self.times(during), node)]
        if has:
            passing = self.figure(replace(self.facts(events, then=has), many=False), which, None, node)
            tests.append(Same(moment, passing, node))
        return Both(tuple(tests), node)

    def every_period(self, events: q.Events, unit: q.Unit, each: int, node: Node) -> Test:
        facts = self.facts(events)
        start, end = facts.times.start, facts.times.end
        if start is None or (end - start) // MICROSECOND > _MOST * _MICROSECONDS[unit]:
            return Constant(False, node)  # endlessly many units, or more than anybody has events in
        touched = 0
        for whole in when.periods(unit, when.Bounds(start, end), self.aware, self.zone):
            assert whole.start is not None and whole.end is not None
            touched += _touches(when.Bounds(max(whole.start, start), min(whole.end, end)), events.window, self.zone)
        return Within(self.periods(facts, Units(unit), each, False, node), q.Bound("=", touched), node)

    def birthdays(self, period: q.Period) -> tuple[tuple[int, int], ...]:
        first, last = when.days(period, self.aware, self.zone)
        if first is None or last is None or (last - first).days >= 365:
            return ((101, 1231),)
        if last < first:
            return ()
        start, end = first.month * 100 + first.day, last.month * 100 + last.day
        if end == 228 and (last + timedelta(days=1)).month == 3:
            end = 229  # who was born on 29 February has the birthday on the 28th in other years
        return ((start, end),) if first.year == last.year else ((start, 1231), (101, end))

    def sequence(self, node: q.Sequence) -> Test:
        chain = [step for step in node.steps if not step.absent]
        absent = [step for step in node.steps if step.absent]
        if len(absent) > 1 or (absent and node.steps[-1] is not absent[0]):
            raise Unsupported("Sequence with an absent step before its last")
        if not chain:
            return Neither(self.did(absent[0].events, node), node) if absent else Constant(True, node)
        # With a length in months not every instant has one that is so much before it, and no number is so much later.
        exact = node.within is not None and node.within.unit not in _MONTHS
        shape: Literal["earliest", "next", "previous", "any", "around"]
        if not node.ordered:
            shape = "around" if node.within is not None and len(chain) > 1 else "any"
        elif node.within is not None and not node.from_first and (len(chain) == 1 if absent else len(chain) > 1):
            backwards = exact and not absent and self.count(chain[-1].events) < self.count(chain[0].events)
            shape = "previous" if backwards else "next"
        else:
            shape = "earliest"
        by_place = exact and node.same is None and shape in ("next", "previous")
        part = Chain(
            "",
            tuple(self.step(step.events, node.same) for step in chain),
            self.step(absent[0].events, node.same) if absent else None,
            None if node.within is None else _length(node.within),
            replace(self.facts(chain[0].events), many=False) if node.from_first else None,
            shape,
            by_place,
            self.lasts(chain[0], absent[0], node) if by_place and absent else None,
            node,
        )
        return In(self.part(part), node)

    def lasts(self, first: q.Step, absent: q.Step, node: Node) -> tuple[Ref, Ref] | None:
        """The last first step and the last absent one of a contact, if `state` has both."""
        both = self.facts(first.events), self.facts(absent.events)
        if not all(map(self.state, both)):
            return None
        return self.figure(both[0], "last", None, node), self.figure(both[1], "last", None, node)

    def count(self, events: q.Events) -> int:
        """About how many events there are of the type."""
        types = self.type_of(events.event)
        return sum(self.layout.counts.get(each, 0) for each in (self.layout.counts if types is None else types))

    def step(self, events: q.Events, same: q.Property | None) -> StepRows:
        if same is None:
            return StepRows(replace(self.facts(events), many=False), None)
        facts, cell = self.property_facts(events, same, number=False)
        return StepRows(facts, cell)

    def rank(self, rank: q.Rank) -> str:
        by = self.measure(rank.by)
        test = self.test(rank.among)
        return self.part(Ranking("", Scan(test, ()), by, rank.amount, rank.percent, rank.bottom, rank))

    # ── outputs ──

    def out(self, query: q.Query, test: Test) -> tuple[Out, Test]:
        """The output, and the test that it leaves to the scan."""
        match query.output:
            case q.Users(columns, order, limit):
                ranking = self.ranking_of(query.population) if order is None else None
                shown = UsersOut(
                    self.columns(columns),
                    None if order is None else self.shown(order.by),
                    order is not None and order.descending,
                    ranking,
                    limit,
                )
                return shown, Constant(True, query.population) if ranking else test
            case q.CountUsers():
                return CountOut(), test
            case q.CountEvents(events):
                return EventsOut(self.facts(events)), test
            case q.Percentage(of):
                return ShareOut(test), self.test(of)
            case q.Value(how, measure):
                return ValueOut(how, self.measure(measure)), test
            case q.Pooled(how, events, of):
                return PooledOut(how, *self.property_facts(events, of, number=True)), test
            case q.AttributeBreakdown(name, ranked, limit):
                return AttributesOut(self.attribute(name), ranked, limit), test
            case q.EventBreakdown(of, events, ranked, limit):
                facts, cell = self.property_facts(events, of, number=False, whole=not ranked)
                return FactsOut(facts, cell, ranked, limit), test
            case q.ItemBreakdown(what, of, events, ranked, limit):
                cell = self.cell(of, events.event, number=False)
                added: Added = "quantity" if what == "units" else "price × quantity"
                return FactsOut(self.facts(events, "items", (cell,)), cell, ranked, limit, added), test
            case q.TimeBreakdown(part, events, counted):
                return TimeOut(self.facts(events), part, counted == "contacts"), test
            case q.Rows(of):
                return RowsOut(tuple((row.label, self.test(row.condition)) for row in of)), test
            case _:
                assert_never(query.output)

    def ranking_of(self, population: q.Condition) -> str | None:
        while isinstance(population, q.Term):
            population = population.means
        return self.rank(population) if isinstance(population, q.Rank) else None

    def columns(self, columns: tuple[q.Column, ...]) -> tuple[tuple[str, Shown], ...]:
        named: dict[str, Shown] = {}
        for column in columns:
            if column == q.AttributeColumn("visitor_id"):
                continue
            name = base = _column_name(column) or "column"
            count = 1
            while name in named or name.lower() == "visitor_id":
                count += 1
                name = f"{base}_{count}"
            named[name] = self.shown(column)
        return tuple(named.items())

    def shown(self, column: q.Column) -> Shown:
        match column:
            case q.AttributeColumn(name):
                return Label(self.attribute(name))
            case q.MeasureColumn(measure):
                return self.measure(measure)
            case q.MomentColumn(which, events):
                return Moment(self.figure(replace(self.facts(events), many=False), which, None, events))
            case _:
                assert_never(column)

    # ── which part serves what ──

    def settled(self, test: Test) -> Test:
        """The test with every Did served: by a pass over the same rows that is made anyway, or by a set."""
        match test:
            case Did(facts, node):
                if self.source(facts) in self.passes:
                    return Within(self.figure(facts, "events", None, node), q.AT_LEAST_ONCE, node)
                return In(self.part(Doers("", facts, node)), node)
            case AsMany(_, of):
                # sets cannot narrow one another here: over the same rows, one pass is half the work of two sets
                rows = Counter(self.source(each.facts) for each in of if isinstance(each, Did))
                for each in of:
                    if isinstance(each, Did) and rows[self.source(each.facts)] > 1:
                        self.figure(each.facts, "events", None, each.node)
                return replace(test, of=tuple(map(self.settled, of)))
            case Both(of) | Either(of):
                return replace(test, of=tuple(map(self.settled, of)))
            case Neither(inner):
                return replace(test, of=self.settled(inner))
            case _:
                return test

    def settled_out(self, out: Out) -> Out:
        match out:
            case ShareOut(test):
                return ShareOut(self.settled(test))
            case RowsOut(of):
                return RowsOut(tuple((label, self.settled(test)) for label, test in of))
            case TestsOut(of):
                return replace(out, of=tuple(map(self.settled, of)))
            case _:
                return out

    def settled_part(self, part: Part) -> Part:
        if isinstance(part, Ranking):
            return replace(part, scan=self.scan(self.settled(part.scan.test), part.by))
        if isinstance(part, Doers) and (rows := self.state(part.facts)):
            return States(part.name, rows, (), (part.node,))
        return part

    def state(self, facts: Facts) -> StateRows | None:
        """The rows of `state` that count these facts, if it counts just these: every event of a type up to now."""
        ordered = self.layout.ordered
        plain = facts.base == "event" and not facts.tests and not facts.sets
        types = (EVERY_TYPE,) if facts.types is None else facts.types
        if ordered is None or not plain or len(types) != 1 or facts.times != self.times(q.ALWAYS):
            return None
        if self.now < ordered.horizon:
            return None  # it has counted what is still to come
        return StateRows(types[0], ordered if ordered.rest else None)

    def in_order(self, parts: list[Part]) -> list[Part]:
        """All parts, each after those it uses: passes and what stands alone, then rankings and means as they came."""
        late = (Ranking, MeanOfContacts)
        groups: list[Part] = [self.states(found) or self.group(found) for found in self.passes.values()]
        made = {part.name for part in parts}
        parts = parts + [part for part in self.parts.values() if part.name not in made]
        return groups + [p for p in parts if not isinstance(p, late)] + [p for p in parts if isinstance(p, late)]

    def states(self, found: _Pass) -> States | None:
        """The pass without a scan, where `state` has every figure."""
        kept = {("events", None), ("first", None), ("last", None), ("total", NumberColumn("event", "order_value"))}
        rows = {self.state(facts) if (how, cell) in kept else None for facts, how, cell in found.asked}
        one = rows.pop()
        if one is None or rows:
            return None
        figures = tuple(
            Figure(name, how, cell, None, (), False, node) for (_, how, cell), (name, node) in found.asked.items()
        )
        return States(found.name, one, figures, tuple(figure.node for figure in figures))

    def group(self, found: _Pass) -> Group:
        """The pass as one scan: what all figures ask stands in its facts, the rest in the figures. Where each of them
        asks something of its own, a row must pass one of these tests to be looked at."""
        every = [facts for facts, _, _ in found.asked]
        common = tuple(test for test in every[0].tests if all(test in facts.tests for facts in every))
        own = [[test for test in facts.tests if test not in common] for facts in every]
        some = tuple(dict.fromkeys(cell for tests in own if tests for cell in tests[0].of))
        narrowed = (*common, RowTest(some, every[0].node)) if all(own) else common
        times = {facts.times: None for facts in every}
        starts = [facts.times.start for facts in every]
        hull = Times(
            None if None in starts else min(start for start in starts if start is not None),
            max(facts.times.end for facts in every),
        )
        shared = every[0].times if len(times) == 1 else hull
        figures = tuple(
            Figure(
                name,
                how,
                cell,
                None if facts.times == shared else facts.times,
                tuple(test for test in facts.tests if test not in common),
                facts.many,
                node,
            )
            for (facts, how, cell), (name, node) in found.asked.items()
        )
        return Group(found.name, replace(every[0], times=shared, tests=narrowed), figures)

    def scan(self, test: Test, *values: Value) -> Scan:
        """A scan with the parts that its test and these values read."""
        joined: dict[str, None] = {}
        for value in (*_values_in(test), *values):
            for ref in _refs(value):
                joined[ref.part] = None
        return Scan(test, tuple(joined))

    def values_of(self, out: Out) -> list[Value]:
        """The values that an output reads beside the scan's test."""
        match out:
            case UsersOut(columns, order):
                return _values_shown([*(shown for _, shown in columns), *([] if order is None else [order])])
            case TestsOut(of, shown):
                return [value for test in of for value in _values_in(test)] + _values_shown(shown)
            case ValueOut(_, of):
                return [of]
            case ShareOut(test):
                return _values_in(test)
            case RowsOut(of):
                return [value for _, test in of for value in _values_in(test)]
            case (
                CountOut()
                | EventsOut()
                | PooledOut()
                | AttributesOut()
                | FactsOut()
                | TimeOut()
                | FoundOut()
                | GapsOut()
            ):
                return []
            case _:
                assert_never(out)


def _values_shown(of: Iterable[Shown]) -> list[Value]:
    return [shown.ref if isinstance(shown, Moment) else shown for shown in of if not isinstance(shown, Label)]


def _values_in(test: Test) -> list[Value]:
    match test:
        case Both(of) | Either(of) | AsMany(_, of):
            return [value for each in of for value in _values_in(each)]
        case Neither(inner):
            return _values_in(inner)
        case Within(value):
            return [value]
        case Against(left, _, right):
            return [left, right]
        case At(moment):
            return [moment]
        case Same(left, right):
            return [left, right]
        case Constant() | Did() | In() | Passes() | Birthdays():
            return []
        case _:
            assert_never(test)


def _refs(value: Value) -> list[Ref]:
    match value:
        case Ref():
            return [value]
        case Minus(left, right):
            return [left, right]
        case Since(moment):
            return [moment]
        case NumberOf() | Years() | One():
            return []
        case _:
            assert_never(value)
