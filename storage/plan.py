"""What a plan says: every decision of how a query is run, and no SQL; each predicate keeps the Query node it came from.

    Scan  (over the contacts)   ── where ──►  Test of a contact  ── over ──►  Part (a relation with contacts as keys)
    Part  (a pass over facts)   ── from ──►   Facts: which rows of `event` and `item` count, and how the two are met

`storage/planner` decides, `storage/sql` spells; this is what they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias, assert_never

from grammar import query as q
from storage.schema import Ordered

Kind: TypeAlias = Literal["users", "count", "percentage", "value", "breakdown"]
Table: TypeAlias = Literal["event", "item", "contact"]
Added: TypeAlias = Literal["quantity", "price × quantity"]
Node: TypeAlias = "q.Condition | q.Measure | q.Events | q.EventFilter | q.MeanOverContacts | q.MeanOverEvents"

MICROSECOND = timedelta(microseconds=1)


# ── where a value lives ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A VARCHAR column that holds the scalar as text."""

    table: Table
    name: str


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A DOUBLE column."""

    table: Table
    name: str


@dataclass(frozen=True, slots=True)
class Json:
    """A value inside a JSON column, under these keys, one level each (or under all of them joined by dots)."""

    table: Table
    column: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worth:
    """The order value of an event whose type has no column for it: its total, else Σ price × quantity of its items."""

    table: Table = "event"


Cell: TypeAlias = TextColumn | NumberColumn | Json | Worth


# ── tests of a value ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Equal:
    """One of these texts (lower-case, trimmed), or one of these numbers; negated: there is a value, and it is none."""

    texts: tuple[str, ...]
    numbers: tuple[float, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    """Contains (…) one of these texts (lower-case, trimmed); negated: there is a value, and it does not."""

    how: Literal["contains", "starts with", "ends with", "has word"]
    texts: tuple[str, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Inside:
    """A number within the bound."""

    bound: q.Bound


@dataclass(frozen=True, slots=True)
class Dated:
    """A day from first to last, or an instant in [start, end) (naive UTC); on one of the weekdays, in the hours."""

    first: date | None
    last: date | None
    start: datetime | None
    end: datetime | None
    weekdays: tuple[int, ...]
    hours: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Present:
    """There is a value (or none)."""

    known: bool


@dataclass(frozen=True, slots=True)
class Boolean:
    """The boolean, or its text."""

    value: bool


Check: TypeAlias = Equal | Like | Inside | Dated | Present | Boolean


@dataclass(frozen=True, slots=True)
class RowTest:
    """At least one of the cells passes its check."""

    of: tuple[tuple[Cell, Check], ...]
    node: Node


# ── facts: rows of events and line items ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Times:
    """[start, end) in naive UTC, never past now; then weekdays and hours in the phonebook's zone."""

    start: datetime | None
    end: datetime
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


Base: TypeAlias = Literal["event", "item", "item of event", "event or item"]
"""Which rows are looked at: events; line items alone; line items with their event; events, each with every line item or
alone where it has none."""


@dataclass(frozen=True, slots=True)
class EventSet:
    """Events chosen by their line items: those of which a row passes `tests`; with `every`, those of which all line
    items pass these; with `held`, those whose passing line items are so many (their quantities, or the different values
    of `distinct`). `inside` False: all events but those that fail `held`, for a bound that holds without items too."""

    base: Base
    tests: tuple[RowTest, ...]
    every: tuple[RowTest, ...] = ()
    held: q.Bound | None = None
    distinct: Cell | None = None
    inside: bool = True


@dataclass(frozen=True, slots=True)
class DatedSet:
    """Events that lie so in time to a date of their contact (see `FromDate`), no further from it than `within`."""

    date: Cell
    how: Literal["on the day of", "from", "after", "before"]
    within: Length | None


@dataclass(frozen=True, slots=True)
class SharedSet:
    """Events that share a value with an event among the facts, of the same contact; `inside` False: all others."""

    mine: StepRows
    theirs: StepRows
    inside: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows of these event types (None: any) at these times that pass all tests, of events in all of the sets.

    `many`: one event may be on several rows though events are meant, so that counting must look at their ids.
    """

    types: tuple[int, ...] | None
    times: Times
    base: Base
    tests: tuple[RowTest, ...]
    sets: tuple[EventSet | DatedSet | SharedSet, ...]
    many: bool
    node: q.Events


# ── parts: relations keyed by contact ─────────────────────────────────────────────────────────────────────────────

How: TypeAlias = Literal[
    "events", "quantity", "price × quantity", "distinct", "total", "average", "highest", "lowest", "first", "last"
]


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of a Group: one number (or moment) a contact, over the rows that pass `tests` at `times` too."""

    name: str
    how: How
    cell: Cell | None
    times: Times | None
    tests: tuple[RowTest, ...]
    many: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Group:
    """One pass over facts, grouped by contact."""

    name: str
    facts: Facts
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class StateRows:
    """What contacts did of a type (or of any): rows of `state`; with `after`, and of the events that it leaves out."""

    type: int
    after: Ordered | None


@dataclass(frozen=True, slots=True)
class States:
    """As Group, over all events of a type up to now: read from `state`. No figures: as Doers."""

    name: str
    rows: StateRows
    figures: tuple[Figure, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Doers:
    """The contacts of the facts."""

    name: str
    facts: Facts
    node: Node


@dataclass(frozen=True, slots=True)
class Values:
    """How many different values a contact's facts have, where the value is in JSON and may be a list: `value`."""

    name: str
    facts: Facts
    cell: Cell
    node: Node


@dataclass(frozen=True, slots=True)
class Units:
    """Time cut at calendar units of the zone."""

    unit: q.Unit


@dataclass(frozen=True, slots=True)
class Widths:
    """Time cut every `width` microseconds back from `end`."""

    end: datetime
    width: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """Time cut at these instants."""

    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Periods:
    """How many periods of a contact have at least `each` events (`longest`: how many in a row): `value`. `few`: there
    are no more than 63 of them."""

    name: str
    facts: Facts
    by: Units | Widths | Cuts
    each: int
    longest: bool
    few: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Frequent:
    """The contacts of whom one of the values is a most frequent one (`mostly`: on more than half of the rows)."""

    name: str
    facts: Facts
    cell: Cell
    values: tuple[str, ...]
    mostly: bool
    node: Node


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What a contact's refunds and cancellations take back, for one order no more than it was worth: `value`."""

    name: str
    facts: Facts
    how: How
    cell: Cell | None
    order_id: Cell
    orders: Facts
    worth: Cell
    node: Node


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time: exact, or so many months by the calendar of the zone."""

    microseconds: int
    months: int


@dataclass(frozen=True, slots=True)
class Returned:
    """The contacts with two consecutive events more than `after` apart, the later one at these times."""

    name: str
    after: Length
    times: Times
    node: Node


@dataclass(frozen=True, slots=True)
class Stayed:
    """The contacts who entered (exited) a segment at these times, by its refreshes; or were left in it by the latest,
    whenever that was."""

    name: str
    segment: int
    how: Literal["in", "entered", "exited"]
    times: Times
    node: Node


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows of one step of a sequence; with `cell`, only those with a value, which is then part of the key."""

    facts: Facts
    cell: Cell | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The contacts who went through the steps, one after another, and not then through the absent step.

    `shape` says how it is found: "earliest": each step at its earliest after the one before, one row a key, and then
    the latest last step that no absent one follows; "next": from every first step to the next of each step after it
    (for a limit that counts from any first step); "any": no order, all steps are there; "around": no order, all of them
    within the limit.
    """

    name: str
    steps: tuple[StepRows, ...]
    absent: StepRows | None
    within: Length | None
    first: Facts | None  # the first step is at the first of these
    shape: Literal["earliest", "next", "previous", "any", "around"]
    by_place: bool
    lasts: tuple[Ref, Ref] | None
    node: Node


@dataclass(frozen=True, slots=True)
class LedUp:
    """The contacts with an event of `to` (with `first`, their first) that has so many of `events` before it, of one
    value of the steps' cells, if they have any."""

    name: str
    events: StepRows
    to: StepRows
    first: Facts | None
    bound: q.Bound
    node: Node


@dataclass(frozen=True, slots=True)
class Repeated:
    """The contacts with one value that so many of the events have."""

    name: str
    facts: Facts
    cell: Cell
    bound: q.Bound
    node: Node


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first contacts by a value above 0, with their `place` from 1."""

    name: str
    scan: Scan
    by: Value
    amount: q.Number
    percent: bool
    bottom: bool
    node: Node


@dataclass(frozen=True, slots=True)
class MeanOfContacts:
    """The mean of a value over the contacts of whom it is more than 0: one row, `value`."""

    name: str
    scan: Scan
    of: Value
    node: Node


@dataclass(frozen=True, slots=True)
class MeanOfFacts:
    """The mean of a cell over facts: one row, `value`."""

    name: str
    facts: Facts
    cell: Cell
    node: Node


Part: TypeAlias = (
    Group
    | States
    | Doers
    | Values
    | Periods
    | Frequent
    | GivenBack
    | Returned
    | Stayed
    | Chain
    | LedUp
    | Repeated
    | Ranking
    | MeanOfContacts
    | MeanOfFacts
)


# ── values of a contact ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ref:
    """A column of a part that is joined to the contacts; 0 (or nothing) for those who are not in it."""

    part: str
    column: str
    zero: bool


@dataclass(frozen=True, slots=True)
class Minus:
    """One value less another."""

    left: Ref
    right: Ref


@dataclass(frozen=True, slots=True)
class Since:
    """How many units ago a moment was."""

    moment: Ref
    unit: int


@dataclass(frozen=True, slots=True)
class NumberOf:
    """A numeric attribute."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class Years:
    """Age in whole years on a day: from a number, or from a birth date."""

    cell: Cell
    on: date
    from_birth: bool


@dataclass(frozen=True, slots=True)
class One:
    """The one value of a part with one row."""

    part: str


Value: TypeAlias = Ref | Minus | Since | NumberOf | Years | One


# ── tests of a contact: always true or false, never unknown ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Constant:
    """Holds for everyone, or for nobody."""

    holds: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Both:
    """All of them hold."""

    of: tuple[Test, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Either:
    """One of them holds."""

    of: tuple[Test, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Neither:
    """It does not hold."""

    of: Test
    node: Node


@dataclass(frozen=True, slots=True)
class AsMany:
    """So many of them hold."""

    bound: q.Bound
    of: tuple[Test, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Did:
    """There is such a fact. Served by a set (`In`), or by a column of a pass that is made anyway (`Within`)."""

    facts: Facts
    node: Node


@dataclass(frozen=True, slots=True)
class In:
    """The contact is in the part."""

    part: str
    node: Node


@dataclass(frozen=True, slots=True)
class Within:
    """The value is there and within the bound."""

    value: Value
    bound: q.Bound
    node: Node


@dataclass(frozen=True, slots=True)
class Against:
    """One value compared with so many percent of another, both there."""

    left: Value
    comparison: q.Comparison
    right: Value
    percent: q.Number
    node: Node


@dataclass(frozen=True, slots=True)
class At:
    """The moment is there, at these times."""

    moment: Ref
    times: Times
    node: Node


@dataclass(frozen=True, slots=True)
class Same:
    """Two values are there and the same."""

    left: Ref
    right: Ref
    node: Node


@dataclass(frozen=True, slots=True)
class Passes:
    """An attribute passes its check."""

    test: RowTest
    node: Node


@dataclass(frozen=True, slots=True)
class Birthdays:
    """Month × 100 + day of a birth date lies in one of the ranges, both ends included."""

    cell: Cell
    ranges: tuple[tuple[int, int], ...]
    node: Node


Test: TypeAlias = (
    Constant | Both | Either | Neither | AsMany | Did | In | Within | Against | At | Same | Passes | Birthdays
)


@dataclass(frozen=True, slots=True)
class Scan:
    """The contacts that pass the test, with these parts joined to them (no row there: nothing)."""

    test: Test
    joined: tuple[str, ...]


# ── outputs ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Label:
    """An attribute as text, as it is shown."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, as an instant."""

    ref: Ref


Shown: TypeAlias = Label | Moment | Value


@dataclass(frozen=True, slots=True)
class UsersOut:
    """Contacts: visitor_id and these columns. Ordered by `order` (descending where it says so), or by the place in the
    part `ranking`, which then stands in for the test of the scan; ties by visitor_id."""

    columns: tuple[tuple[str, Shown], ...]
    order: Shown | None
    descending: bool
    ranking: str | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class CountOut:
    """How many contacts."""


@dataclass(frozen=True, slots=True)
class EventsOut:
    """How many events the contacts have together."""

    facts: Facts


@dataclass(frozen=True, slots=True)
class ShareOut:
    """How many percent of those who pass the scan pass `test` too."""

    test: Test


@dataclass(frozen=True, slots=True)
class ValueOut:
    """One number over the values of the contacts."""

    how: q.Aggregation
    of: Value


@dataclass(frozen=True, slots=True)
class PooledOut:
    """One number over the facts of the contacts."""

    how: q.Aggregation
    facts: Facts
    cell: Cell


@dataclass(frozen=True, slots=True)
class AttributesOut:
    """How many contacts for each value of an attribute."""

    cell: Cell
    ranked: bool
    limit: int | None


@dataclass(frozen=True, slots=True)
class FactsOut:
    """How many contacts for each value of a cell among their facts; or (`added`) what these line items come to."""

    facts: Facts
    cell: Cell
    ranked: bool
    limit: int | None
    added: Added | None = None


@dataclass(frozen=True, slots=True)
class TimeOut:
    """How many facts, or contacts with one, in each part of time."""

    facts: Facts
    part: q.TimePart
    contacts: bool


@dataclass(frozen=True, slots=True)
class RowsOut:
    """How many contacts pass each test."""

    of: tuple[tuple[str, Test], ...]


@dataclass(frozen=True, slots=True)
class TestsOut:
    """Whether each contact passes each test (t1, t2, …), and what is shown of it (v1, v2, …); of one contact alone, if
    it is given."""

    of: tuple[Test, ...]
    shown: tuple[Shown, ...]
    contact: int | None


@dataclass(frozen=True, slots=True)
class FoundOut:
    """The events of one contact that are among the facts, and not among those of `without`."""

    contact: int
    facts: Facts
    without: Facts | None


@dataclass(frozen=True, slots=True)
class GapsOut:
    """The events of one contact before and after the gaps of a part."""

    contact: int
    gaps: Returned


Out: TypeAlias = (
    UsersOut
    | CountOut
    | EventsOut
    | ShareOut
    | ValueOut
    | PooledOut
    | AttributesOut
    | FactsOut
    | TimeOut
    | RowsOut
    | TestsOut
    | FoundOut
    | GapsOut
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run: parts in an order in which each uses only earlier ones, then the contacts, then the output.

    `now` is naive UTC. `zone` is None where local time is UTC; `offset` is its distance from UTC if that never changes.
    `read`: the (level, key) of what has no column that serves, and is read from JSON.
    """

    schema: str
    now: datetime
    zone: str | None
    offset: timedelta | None
    parts: tuple[Part, ...]
    population: Scan
    out: Out
    query: q.Query
    read: tuple[tuple[str, str], ...]


def kind_of(query: q.Query) -> Kind:
    """Which kind of answer the query has."""
    match query.output:
        case q.Users():
            return "users"
        case q.CountUsers() | q.CountEvents():
            return "count"
        case q.Percentage():
            return "percentage"
        case q.Value() | q.Pooled():
            return "value"
        case q.AttributeBreakdown() | q.EventBreakdown() | q.ItemBreakdown() | q.TimeBreakdown() | q.Rows():
            return "breakdown"
        case _:
            assert_never(query.output)
