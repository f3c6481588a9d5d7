"""What can be asked: the typed query, small frozen nodes in closed unions, and its JSON form.

A Query is a population of contacts and what is asked of it. It is timeless: "in the last 30 days" stays so, and
the instant and the time zone enter when it is planned. A node's docstring is its meaning.

    Query = Condition (who) + Output (what of them)
    Condition  ── compares ──►  Measure (a number per contact)  ── over ──►  Events (some events of a contact)
    Events     ── filtered by ──►  Filter (properties + Test)  and a Window (time)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Unit: TypeAlias = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
Comparison: TypeAlias = Literal["=", "!=", ">", ">=", "<", "<="]
Number: TypeAlias = int | float
T = TypeVar("T")


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time: so many minutes, hours or days exactly; weeks are 7 days; months, quarters and years by
    calendar."""

    amount: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Rolling:
    """From now − span to now, both ends included."""

    span: Span
    kind: Literal["rolling"] = field(default="rolling", repr=False)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From now − far to now − near, both ends included ("between 60 and 30 days ago")."""

    far: Span
    near: Span
    kind: Literal["stretch"] = field(default="stretch", repr=False)


@dataclass(frozen=True, slots=True)
class Ago:
    """Earlier than now − span ("more than N days ago"); with `included`, at that instant too ("N or more days ago")."""

    span: Span
    included: bool = False
    kind: Literal["ago"] = field(default="ago", repr=False)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A whole calendar day, week (from Monday), month, quarter or year: 0 back is the present one, from its start to
    now; 1 is the one before ("yesterday", "last month"); N is that of N units ago."""

    unit: Unit
    back: int
    kind: Literal["calendar"] = field(default="calendar", repr=False)


@dataclass(frozen=True, slots=True)
class Named:
    """The latest month (1–12), quarter (1–4), weekday (1 = Monday … 7) or date (month * 100 + day) of that number that
    has begun ("in March", "in Q4", "on 5 May"). Today counts; 229 is that of the latest year with a 29 February."""

    unit: Literal["month", "quarter", "weekday", "date"]
    number: int
    kind: Literal["named"] = field(default="named", repr=False)


@dataclass(frozen=True, slots=True)
class Dates:
    """The days from first to last, both whole and included ("in March 2025", "on 2026-03-05")."""

    first: date
    last: date
    kind: Literal["dates"] = field(default="dates", repr=False)


@dataclass(frozen=True, slots=True)
class Edge:
    """The instant where a period starts or ends. The present calendar unit, too, ends where the whole unit does ("by
    the end of this month")."""

    period: Period
    side: Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class Between:
    """From one edge to another: since X = from X's start, before X = to X's start, after X = from X's end, until X = to
    X's end, from X to Y = from X's start to Y's end. A start belongs to it, the instant where it ends does not.
    Where the end is that of a Named and not after the start, the next such Named is meant ("from November to February",
    "from 20 December to 5 January")."""

    start: Edge | None
    end: Edge | None
    kind: Literal["between"] = field(default="between", repr=False)


@dataclass(frozen=True, slots=True)
class Preceding:
    """The span just before the start of a period ("the 30 days prior", "the 7 days before 5 March 2026")."""

    span: Span
    period: Period
    kind: Literal["preceding"] = field(default="preceding", repr=False)


@dataclass(frozen=True, slots=True)
class Following:
    """The span from the end of a period on ("in March … in the following month")."""

    span: Span
    period: Period
    kind: Literal["following"] = field(default="following", repr=False)


@dataclass(frozen=True, slots=True)
class Ahead:
    """From today to so much later: for birthdays only, the one thing of the future that is known."""

    span: Span
    kind: Literal["ahead"] = field(default="ahead", repr=False)


Period: TypeAlias = Union[
    "Rolling",
    "Stretch",
    "Ago",
    "Calendar",
    "Named",
    "Dates",
    "Between",
    "Preceding",
    "Following",
    "Ahead",
]


@dataclass(frozen=True, slots=True)
class Window:
    """When an event happened. All that is given must hold; nothing given = at any time up to now.

    `weekdays` are 1 = Monday … 7 = Sunday, sorted. `hours` are minutes of the day, [start, end); a start past the end
    runs over midnight ("at night" = 22:00–06:00). Both, as the period, are taken in the phonebook's time zone.
    """

    period: Period | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


ALWAYS = Window()


# ── tests of one value ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Bound:
    """A number compared with a limit; with `upper`, from value to upper, both included (comparison is then "=")."""

    comparison: Comparison
    value: Number
    upper: Number | None = None


AT_LEAST_ONCE = Bound(">=", 1)
NEVER = Bound("=", 0)


@dataclass(frozen=True, slots=True)
class Text:
    """The value, as text, is (contains, starts with, ends with, has as one of its words) any of `values`, ignoring case
    and outer spaces. A number written in another way is the same number ("1,299.00" is 1299). Of a list, any element.
    `negated`: there is a value, and none of them holds ("is not"): a missing value does not match."""

    how: Literal["is", "contains", "starts with", "ends with", "has word"]
    values: tuple[str, ...]
    negated: bool = False
    kind: Literal["text"] = field(default="text", repr=False)


@dataclass(frozen=True, slots=True)
class Numeric:
    """The value is a number, or text that holds one ("₹1,299.00" = 1299), within the bound."""

    bound: Bound
    kind: Literal["numeric"] = field(default="numeric", repr=False)


@dataclass(frozen=True, slots=True)
class During:
    """The value is a date or an instant in the window. A date without a time is compared by calendar day: it lies in a
    window if its day is not before the day on which the window starts nor after the last day that the window
    touches."""

    window: Window
    kind: Literal["during"] = field(default="during", repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """The value is there: not absent, null, blank text or an empty list. `known=False`: it is not."""

    known: bool
    kind: Literal["known"] = field(default="known", repr=False)


@dataclass(frozen=True, slots=True)
class Truth:
    """The value is the boolean (or the text "true"/"false") `value`. A missing value is neither."""

    value: bool
    kind: Literal["truth"] = field(default="truth", repr=False)


Test: TypeAlias = Union[
    "Text",
    "Numeric",
    "During",
    "Known",
    "Truth",
]


# ── some events of a contact ──────────────────────────────────────────────────────────────────────────────────────


Level: TypeAlias = Literal["event", "item", "context", "order value"]


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an event: of the event itself (dotted name), of its line items, or of its context.

    Line items are the entries of `products` (default events) or `product` (custom events), and the product keys of a
    default event about one product. The level "order value" (name "total") is what an order is worth: its `total`, or
    where that is missing or no number Σ price × quantity of its line items (a missing quantity is 1).
    """

    name: str
    level: Level = "event"


ORDER_VALUE = Property("total", "order value")


@dataclass(frozen=True, slots=True)
class Filter:
    """Any of the properties passes the test."""

    properties: tuple[Property, ...]
    test: Test
    kind: Literal["filter"] = field(default="filter", repr=False)


@dataclass(frozen=True, slots=True)
class AnyFilter:
    """At least one of the filters holds."""

    of: tuple[Filter, ...]
    kind: Literal["any filter"] = field(default="any filter", repr=False)


@dataclass(frozen=True, slots=True)
class EveryItem:
    """The event has line items, and each of them passes all the filters ("an order of only Nike")."""

    of: tuple[Filter, ...]
    kind: Literal["every item"] = field(default="every item", repr=False)


@dataclass(frozen=True, slots=True)
class Basket:
    """How much one event holds: the quantities of its line items that pass the mention's item filters, added up (a
    missing quantity is 1); with `distinct`, the number of different values of that item property among them."""

    bound: Bound
    distinct: str | None = None
    kind: Literal["basket"] = field(default="basket", repr=False)


@dataclass(frozen=True, slots=True)
class SomeItem:
    """Some line item of the event passes all the filters, whichever passes the others of the mention ("Nike and Puma in
    one order")."""

    of: tuple[Filter, ...]
    kind: Literal["some item"] = field(default="some item", repr=False)


@dataclass(frozen=True, slots=True)
class Shares:
    """The contact has an event of the type with the same value, not missing, of the property; `negated`: there is none
    ("an order that was not cancelled")."""

    property: Property
    event: str
    negated: bool = False
    kind: Literal["shares"] = field(default="shares", repr=False)


@dataclass(frozen=True, slots=True)
class FromDate:
    """The event lies on the day of a date that its contact has, later ("from", "after") or earlier; with `within`, no
    further from it than that, and then not "on the day of" it. Of a date without a time the days are compared: "from",
    and the limit of `within`, take the whole day in, "after" and "before" do not. There is none without the date."""

    attribute: str
    how: Literal["on the day of", "from", "after", "before"]
    within: Span | None = None
    kind: Literal["from date"] = field(default="from date", repr=False)


EventFilter: TypeAlias = Union[
    "Filter",
    "AnyFilter",
    "EveryItem",
    "Basket",
    "SomeItem",
    "Shares",
    "FromDate",
]


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one contact of a type (None = any type) in a window that pass all filters.

    The item filters of one mention hold for one and the same line item: an event passes when, among its line items (or
    the event alone, if it has none), there is one for which every Filter and AnyFilter holds, and every other
    holds for the event.
    """

    event: str | None
    where: tuple[EventFilter, ...] = ()
    window: Window = ALWAYS


# ── measures: one number for each contact ─────────────────────────────────────────────────────────────────────────


Aggregation: TypeAlias = Literal["total", "average", "highest", "lowest"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many such events; 0 where there is none."""

    events: Events
    kind: Literal["count"] = field(default="count", repr=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """The quantities of the matching line items of such events, added up (a missing quantity is 1); 0 where there is
    none."""

    events: Events
    kind: Literal["quantity"] = field(default="quantity", repr=False)


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many different values (ignoring case and outer spaces) a property has among such events; 0 where there is
    none."""

    events: Events
    property: Property
    kind: Literal["distinct"] = field(default="distinct", repr=False)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The total, average, highest or lowest of a numeric property over such events (their matching line items, for an
    item property; the orders, for the order value). Missing values and text that is no number are left out; with none
    left the total is 0 and there is no average, highest or lowest."""

    how: Aggregation
    events: Events
    property: Property
    kind: Literal["aggregate"] = field(default="aggregate", repr=False)


@dataclass(frozen=True, slots=True)
class Spend:
    """What such orders are worth together: Σ order value; where the events have an item filter, Σ price × quantity of
    the matching line items (a missing quantity is 1, a missing price counts nothing). `net`: less the order value of
    refunds and cancellations, each by its own date, for one order_id together no more than that order's total."""

    events: Events
    net: bool = False
    kind: Literal["spend"] = field(default="spend", repr=False)


@dataclass(frozen=True, slots=True)
class Elapsed:
    """How long ago the first or last such event was, in units (fractions included); none without an event."""

    which: Literal["first", "last"]
    events: Events
    unit: Unit
    kind: Literal["elapsed"] = field(default="elapsed", repr=False)


@dataclass(frozen=True, slots=True)
class ActivePeriods:
    """The number of different calendar days (weeks, months, …) that have at least `each` such events."""

    events: Events
    unit: Unit
    each: int = 1
    kind: Literal["active periods"] = field(default="active periods", repr=False)


@dataclass(frozen=True, slots=True)
class LongestRun:
    """The longest run of consecutive calendar days (weeks, months, …) that each have at least `each` such events."""

    events: Events
    unit: Unit
    each: int = 1
    kind: Literal["longest run"] = field(default="longest run", repr=False)


@dataclass(frozen=True, slots=True)
class ActiveBlocks:
    """Of the last `of` blocks, how many have at least `each` such events. Block k is (now − k units, now − (k − 1)
    units]; day blocks are calendar days, today the last. `calendar`: whole previous calendar units instead, the present
    one left out."""

    events: Events
    unit: Unit
    of: int
    each: int = 1
    calendar: bool = False
    kind: Literal["active blocks"] = field(default="active blocks", repr=False)


@dataclass(frozen=True, slots=True)
class AttributeNumber:
    """A numeric attribute of the contact; none where it is missing or no number."""

    name: str
    kind: Literal["attribute number"] = field(default="attribute number", repr=False)


@dataclass(frozen=True, slots=True)
class AgeInYears:
    """The contact's age in whole years by a birth date; none where it is missing or no date."""

    name: str
    kind: Literal["age in years"] = field(default="age in years", repr=False)


Measure: TypeAlias = Union[
    "Count",
    "Quantity",
    "Distinct",
    "Aggregate",
    "Spend",
    "Elapsed",
    "ActivePeriods",
    "LongestRun",
    "ActiveBlocks",
    "AttributeNumber",
    "AgeInYears",
]


# ── conditions: which contacts ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Everyone:
    """Every contact of the phonebook."""

    kind: Literal["everyone"] = field(default="everyone", repr=False)


@dataclass(frozen=True, slots=True)
class All:
    """All of the conditions hold. Made by `all_of`, which keeps one canonical order."""

    of: tuple[Condition, ...]
    kind: Literal["all"] = field(default="all", repr=False)


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one of the conditions holds. Made by `any_of`, which keeps one canonical order."""

    of: tuple[Condition, ...]
    kind: Literal["any"] = field(default="any", repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The complement within the phonebook."""

    of: Condition
    kind: Literal["not"] = field(default="not", repr=False)


@dataclass(frozen=True, slots=True)
class Several:
    """As many of the conditions hold as the bound says ("at least two of: …")."""

    bound: Bound
    of: tuple[Condition, ...]
    kind: Literal["several"] = field(default="several", repr=False)


@dataclass(frozen=True, slots=True)
class Has:
    """The contact's measure is within the bound. A contact without a value of the measure (no average, no highest) is
    not."""

    measure: Measure
    bound: Bound
    kind: Literal["has"] = field(default="has", repr=False)


@dataclass(frozen=True, slots=True)
class MeanOverContacts:
    """The mean of a measure over all contacts of the phonebook for whom it is more than 0."""

    measure: Measure
    kind: Literal["mean over contacts"] = field(default="mean over contacts", repr=False)


@dataclass(frozen=True, slots=True)
class MeanOverEvents:
    """The mean of a property over such events of all contacts ("the average order of all customers")."""

    events: Events
    property: Property
    kind: Literal["mean over events"] = field(default="mean over events", repr=False)


@dataclass(frozen=True, slots=True)
class Versus:
    """One measure against `percent` % of another of the same contact, or of a mean. For a measure that counts or adds
    up, a missing value is 0; where an average, highest or lowest is missing, the comparison does not hold."""

    left: Measure
    comparison: Comparison
    right: Measure | MeanOverContacts | MeanOverEvents
    percent: Number = 100
    kind: Literal["versus"] = field(default="versus", repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence. `absent`: no such event (after the step before)."""

    events: Events
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Events one after another, each strictly later than the one before.

    - `within`: the last step is no later than that after the first (for an absent last step: none in (A, A + within]).
    - an absent step may only be the last: some A (chain) with no later B. A time that has not yet passed counts as
    none.
    - `same`: one value of that property, not missing, for which all steps hold (absent steps: for that value).
    - `ordered=False` (needs `same`): no order in time is asked, only the same value.
    - `from_first`: the first step is the contact's first such event, not any of them.
    """

    steps: tuple[Step, ...]
    within: Span | None = None
    same: Property | None = None
    ordered: bool = True
    from_first: bool = False
    kind: Literal["sequence"] = field(default="sequence", repr=False)


@dataclass(frozen=True, slots=True)
class LedUp:
    """Some event of `to` (with `first`, the contact's first such) has so many of `events` strictly before it; with
    `same`, so many of them that have, as it has, one value of that property, not missing."""

    events: Events
    bound: Bound
    to: Events
    first: bool = False
    same: Property | None = None
    kind: Literal["led up"] = field(default="led up", repr=False)


@dataclass(frozen=True, slots=True)
class Repeated:
    """There is one value of the property, not missing, that so many of such events have ("bought the same product
    twice")."""

    events: Events
    property: Property
    bound: Bound
    kind: Literal["repeated"] = field(default="repeated", repr=False)


@dataclass(frozen=True, slots=True)
class Extreme:
    """The contact's first (last) of such events is there, lies in `during`, and passes `has`. The filters and the
    window in `events` choose among which events it is the first; `has` and `during` are then asked of that one. Of
    events at one instant any may serve."""

    which: Literal["first", "last"]
    events: Events
    during: Window = ALWAYS
    has: tuple[EventFilter, ...] = ()
    kind: Literal["extreme"] = field(default="extreme", repr=False)


@dataclass(frozen=True, slots=True)
class CameBack:
    """Two consecutive events of the contact (of any type) lie more than `after` apart, the later one in the window."""

    after: Span
    window: Window = ALWAYS
    kind: Literal["came back"] = field(default="came back", repr=False)


@dataclass(frozen=True, slots=True)
class Only:
    """Did such events at least once, and every one of those in `events` passes `has` ("only bought Nike", "always paid
    by card")."""

    events: Events
    has: tuple[EventFilter, ...]
    kind: Literal["only"] = field(default="only", repr=False)


@dataclass(frozen=True, slots=True)
class EveryPeriod:
    """Each calendar unit that the window touches, up to now, has at least `each` such events ("in every month of
    2025")."""

    events: Events
    unit: Unit
    each: int = 1
    kind: Literal["every period"] = field(default="every period", repr=False)


@dataclass(frozen=True, slots=True)
class Favourite:
    """Among the contact's matching line items (or events, for an event's own property), any of `values` (ignoring case
    and outer spaces) is one of the most frequent values of the property (ties included); with `mostly`, these values
    are on more than half of them. Missing values are left out."""

    events: Events
    property: Property
    values: tuple[str, ...]
    mostly: bool = False
    kind: Literal["favourite"] = field(default="favourite", repr=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """Any of the contact's attributes passes the test, as known now. A negation of it is a complement: a missing value
    then matches. List attributes ("tags") pass if an element does."""

    names: tuple[str, ...]
    test: Test
    kind: Literal["attribute"] = field(default="attribute", repr=False)


@dataclass(frozen=True, slots=True)
class Age:
    """The contact's age in whole years, from a numeric attribute, or (`from_birth`) from an attribute that holds the
    birth date."""

    name: str
    bound: Bound
    from_birth: bool = False
    kind: Literal["age"] = field(default="age", repr=False)


@dataclass(frozen=True, slots=True)
class Birthday:
    """Day and month of a birth date fall into the period (that of the present year, or Ahead)."""

    name: str
    period: Period
    kind: Literal["birthday"] = field(default="birthday", repr=False)


@dataclass(frozen=True, slots=True)
class Rank:
    """The first `amount` contacts (or, with `percent`, that share of the ranked, rounded up) by a measure, among those
    who meet `among`. Only contacts whose measure is more than 0 are ranked; the top in descending order, the bottom in
    ascending; ties by visitor_id."""

    by: Measure
    amount: Number
    percent: bool = False
    bottom: bool = False
    among: Condition = field(default_factory=Everyone)
    kind: Literal["rank"] = field(default="rank", repr=False)


@dataclass(frozen=True, slots=True)
class Term:
    """A word that the phonebook defines, with what it meant when the question was read; a saved segment expands it
    anew."""

    name: str
    means: Condition
    kind: Literal["term"] = field(default="term", repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """Is in a saved segment; or entered (exited) it in the window."""

    segment: str
    how: Literal["in", "entered", "exited"] = "in"
    window: Window = ALWAYS
    kind: Literal["member"] = field(default="member", repr=False)


Condition: TypeAlias = Union[
    "Everyone",
    "All",
    "Any_",
    "Not",
    "Several",
    "Has",
    "Versus",
    "Sequence",
    "LedUp",
    "Repeated",
    "Extreme",
    "CameBack",
    "Only",
    "EveryPeriod",
    "Favourite",
    "Attribute",
    "Age",
    "Birthday",
    "Rank",
    "Term",
    "Member",
]


# ── outputs: what is asked of them ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """An attribute as it is ("visitor_id" included)."""

    name: str
    kind: Literal["attribute column"] = field(default="attribute column", repr=False)


@dataclass(frozen=True, slots=True)
class MeasureColumn:
    """A measure of each contact."""

    measure: Measure
    kind: Literal["measure column"] = field(default="measure column", repr=False)


@dataclass(frozen=True, slots=True)
class MomentColumn:
    """When the first or last such event was."""

    which: Literal["first", "last"]
    events: Events
    kind: Literal["moment column"] = field(default="moment column", repr=False)


Column: TypeAlias = Union[
    "AttributeColumn",
    "MeasureColumn",
    "MomentColumn",
]


@dataclass(frozen=True, slots=True)
class Order:
    """How the contacts are sorted: ties by visitor_id, missing values last."""

    by: Column
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Users:
    """The contacts themselves, with these columns beside visitor_id. Without an order they come as the population's
    Rank lists them, if that is a Rank, else by visitor_id."""

    columns: tuple[Column, ...] = ()
    order: Order | None = None
    limit: int | None = None
    kind: Literal["users"] = field(default="users", repr=False)


@dataclass(frozen=True, slots=True)
class CountUsers:
    """How many contacts."""

    kind: Literal["count users"] = field(default="count users", repr=False)


@dataclass(frozen=True, slots=True)
class CountEvents:
    """How many such events they have, together."""

    events: Events
    kind: Literal["count events"] = field(default="count events", repr=False)


@dataclass(frozen=True, slots=True)
class Percentage:
    """Of the contacts that meet `of`, how many percent (0–100) are in the population; none where nobody meets it."""

    of: Condition
    kind: Literal["percentage"] = field(default="percentage", repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """The total or average of a measure over all contacts of the population; contacts without any count 0 in an average
    of a counting or adding measure and are left out otherwise."""

    how: Aggregation
    measure: Measure
    kind: Literal["value"] = field(default="value", repr=False)


@dataclass(frozen=True, slots=True)
class Pooled:
    """The total, average, highest or lowest of a property over such events (matching line items, for an item property)
    of all contacts of the population together."""

    how: Aggregation
    events: Events
    property: Property
    kind: Literal["pooled"] = field(default="pooled", repr=False)


OfContacts: TypeAlias = Union["CountEvents", "Value", "Pooled"]


@dataclass(frozen=True, slots=True)
class AttributeBreakdown:
    """How many contacts for each value of an attribute (a list attribute: one row for each element), missing under
    "unknown". `number`: that number of each value's contacts instead; where it is none, no row. `ranked`: the largest
    first, unknown left out, `limit` rows."""

    name: str
    ranked: bool = False
    limit: int | None = None
    number: OfContacts | None = None
    kind: Literal["attribute breakdown"] = field(default="attribute breakdown", repr=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """The total, average, highest or lowest of a property over the events that belong to a row (matching line items,
    for an item property); where it is none, no row."""

    how: Aggregation
    property: Property
    kind: Literal["summary"] = field(default="summary", repr=False)


@dataclass(frozen=True, slots=True)
class EventBreakdown:
    """How many contacts (or such events, or a number of theirs) for each value of a property of such events, each
    contact or event once for each value, missing under "unknown" (contacts of the population without such an event are
    in no row). A line item's number belongs to that line item's values. `ranked`: the largest first, unknown left out,
    `limit` rows."""

    property: Property
    events: Events
    ranked: bool = False
    limit: int | None = None
    counted: Literal["contacts", "events"] | Summary = "contacts"
    kind: Literal["event breakdown"] = field(default="event breakdown", repr=False)


TimePart: TypeAlias = Literal["day", "week", "month", "quarter", "year", "day of the week", "hour of the day"]


@dataclass(frozen=True, slots=True)
class TimeBreakdown:
    """How many of such events (or contacts, each once a row; or a number of the events; or what their matching line
    items come to, as in an ItemBreakdown) in each calendar day, week, month, quarter or year, or on each day of the
    week or in each hour of the day, the earliest first. A week goes by its Monday. A time without such an event has no
    row."""

    part: TimePart
    events: Events
    counted: Literal["events", "contacts", "units", "spend"] | Summary = "events"
    kind: Literal["time breakdown"] = field(default="time breakdown", repr=False)


@dataclass(frozen=True, slots=True)
class ItemBreakdown:
    """How many units (a missing quantity is 1), or how much money (Σ price × quantity; a missing price counts nothing),
    the matching line items of such events of the population come to, for each value of a property, missing under
    "unknown". A list counts for each of its elements. `ranked`: the largest first, unknown left out, `limit` rows."""

    what: Literal["units", "spend"]
    property: Property
    events: Events
    ranked: bool = False
    limit: int | None = None
    kind: Literal["item breakdown"] = field(default="item breakdown", repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a comparison: its label, and who of the population is in it."""

    label: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Rows:
    """How many contacts of the population each condition keeps ("gold vs silver members")."""

    of: tuple[Row, ...]
    kind: Literal["rows"] = field(default="rows", repr=False)


Output: TypeAlias = Union[
    "Users",
    "CountUsers",
    "CountEvents",
    "Percentage",
    "Value",
    "Pooled",
    "AttributeBreakdown",
    "EventBreakdown",
    "ItemBreakdown",
    "TimeBreakdown",
    "Rows",
]


@dataclass(frozen=True, slots=True)
class Query:
    """A population of contacts and what is asked of it. `label` is a name the question gave to it ("High value: …")."""

    population: Condition
    output: Output = field(default_factory=Users)
    label: str | None = None

    def to_json(self) -> str:
        """The query as JSON text, stable across releases; `from_json` reads it back to an equal query."""
        return json.dumps(to_plain(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str | bytes) -> Query:
        """The query in this JSON text. Raises ValueError that says where the text is no query."""
        query = _from_plain(Query, json.loads(text), "query")
        assert isinstance(query, Query)
        return query


def all_of(*conditions: Condition) -> Condition:
    """Their conjunction in canonical form: flat, without doubles or Everyone, in one order whatever the order given."""
    return _joined(All, conditions, Everyone())


def any_of(*conditions: Condition) -> Condition:
    """Their disjunction in canonical form: flat, without doubles, in one order. Of none there is none: ValueError."""
    if not conditions:
        raise ValueError("any_of needs at least one condition")
    return _joined(Any_, _one_test(conditions), None)


def _one_test(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Attributes that are to be one text or another as one test of all the texts."""
    texts: dict[tuple[str, ...], set[str]] = {}
    rest: list[Condition] = []
    for condition in conditions:
        for part in condition.of if isinstance(condition, Any_) else (condition,):
            if (
                isinstance(part, Attribute)
                and isinstance(part.test, Text)
                and part.test.how == "is"
                and not part.test.negated
            ):
                texts.setdefault(part.names, set()).update(part.test.values)
            else:
                rest.append(part)
    return (*rest, *(Attribute(names, Text("is", tuple(sorted(values)))) for names, values in texts.items()))


def negated(condition: Condition) -> Condition:
    """The complement in canonical form: a double negation is gone, "not at least once" is "no … at all", "not any of"
    is none of them."""
    if isinstance(condition, Not):
        return condition.of
    if isinstance(condition, Any_):
        return all_of(*(negated(part) for part in condition.of))
    if isinstance(condition, Attribute) and isinstance(condition.test, Known):
        return replace(condition, test=Known(not condition.test.known)) if len(condition.names) == 1 else Not(condition)
    if isinstance(condition, Has) and isinstance(condition.measure, Count):
        if condition.bound == AT_LEAST_ONCE:
            return replace(condition, bound=NEVER)
        if condition.bound == NEVER:
            return replace(condition, bound=AT_LEAST_ONCE)
    return Not(condition)


def did(events: Events, bound: Bound = AT_LEAST_ONCE) -> Condition:
    """Did such events, so many times."""
    return Has(Count(events), bound)


def filters(*parts: EventFilter) -> tuple[EventFilter, ...]:
    """Filters in canonical form: without doubles, in one order."""
    return tuple(sorted(dict.fromkeys(parts), key=repr))


def _joined(node: type[All] | type[Any_], conditions: tuple[Condition, ...], neutral: Condition | None) -> Condition:
    flat: dict[Condition, None] = {}
    for condition in conditions:
        for part in condition.of if isinstance(condition, node) else (condition,):
            if part != neutral:
                flat[part] = None
    ordered = tuple(sorted(flat, key=repr))
    if not ordered:
        return Everyone()
    return ordered[0] if len(ordered) == 1 else node(ordered)


def nodes(of: object) -> Iterator[object]:
    """Every node of a query or of a part of it: itself, then those inside it, in order."""
    if isinstance(of, tuple):
        for part in of:
            yield from nodes(part)
    elif (parts := _parts(cast(Any, type(of)))) is not None:
        yield of
        for part in parts:
            yield from nodes(getattr(of, part))


@cache
def _parts(node: type) -> tuple[str, ...] | None:
    """The names of a node's parts; None of what is no node."""
    return tuple(part.name for part in fields(node)) if is_dataclass(node) else None


def event_types(of: object) -> list[str]:
    """The event types that a query, or a part of it, names, in order; one that it names twice is there twice."""
    return [node.event for node in nodes(of) if isinstance(node, Events) and node.event is not None]


def changed(of: T, change: Callable[[object], object | None]) -> T:
    """The same query (or part of one) with nodes replaced: `change` gives the new node, or None to look inside the old
    one. What is joined stays in canonical form."""
    return cast(T, _changed(of, change))


def _changed(of: object, change: Callable[[object], object | None]) -> object:
    if isinstance(of, tuple):
        return tuple(_changed(part, change) for part in of)
    if not is_dataclass(of) or isinstance(of, type):
        return of
    new = change(of)
    if new is not None:
        return new
    if isinstance(of, All | Any_):
        parts = [cast(Condition, _changed(part, change)) for part in of.of]
        return all_of(*parts) if isinstance(of, All) else any_of(*parts)
    inner = {part.name: getattr(of, part.name) for part in fields(of)}
    return replace(of, **{name: _changed(value, change) for name, value in inner.items()})


def to_plain(node: Any) -> Any:
    """A node as plain dicts, lists and scalars, as they stand in its JSON."""
    if is_dataclass(node):
        return {part.name: to_plain(getattr(node, part.name)) for part in fields(node)}
    if isinstance(node, tuple):
        return [to_plain(part) for part in node]
    return node.isoformat() if isinstance(node, date) else node


@cache
def _hints(node: type) -> dict[str, Any]:
    return get_type_hints(node)


def _class(node: Any) -> type:
    assert isinstance(node, type)
    return node


def _from_plain(wanted: Any, plain: Any, where: str) -> Any:
    """The value of this type hint that the plain JSON value stands for; ValueError names the place where there is
    none."""
    origin, options = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return _from_union(options, plain, where)
    if origin is Literal:
        if plain in options and type(plain) is type(options[0]):
            return plain
        raise ValueError(f"{where}: {plain!r} is none of {', '.join(map(repr, options))}")
    if origin is tuple:
        if not isinstance(plain, list):
            raise ValueError(f"{where}: a list is needed, not {plain!r}")
        inner = options[:1] * len(plain) if options[-1] is Ellipsis else options
        if len(inner) != len(plain):
            raise ValueError(f"{where}: {len(inner)} values are needed, not {len(plain)}")
        return tuple(
            _from_plain(part, value, f"{where}[{i}]") for i, (part, value) in enumerate(zip(inner, plain, strict=True))
        )
    if wanted is date:
        try:
            return date.fromisoformat(plain)
        except (TypeError, ValueError):
            raise ValueError(f"{where}: {plain!r} is no date (YYYY-MM-DD)") from None
    if is_dataclass(wanted):
        if not isinstance(plain, dict):
            raise ValueError(f"{where}: an object is needed, not {plain!r}")
        hints = _hints(_class(wanted))
        for key in plain:
            if key not in hints:
                raise ValueError(f"{where}: unknown key {key!r}; known are {', '.join(hints)}")
        given = {key: _from_plain(hints[key], value, f"{where}.{key}") for key, value in plain.items()}
        try:
            return wanted(**given)  # type: ignore[operator]
        except TypeError as error:
            raise ValueError(f"{where}: {error}") from None
    if type(plain) is wanted:
        return plain
    raise ValueError(f"{where}: {wanted.__name__} is needed, not {plain!r}")


def _from_union(options: tuple[Any, ...], plain: Any, where: str) -> Any:
    """The one member of a union that fits: nodes are told apart by their kind, the rest by their plain type."""
    if plain is None and type(None) in options:
        return None
    nodes = {
        get_args(_hints(_class(option))["kind"])[0]: option
        for option in options
        if is_dataclass(option) and "kind" in _hints(_class(option))
    }
    if nodes and isinstance(plain, dict):
        kind = plain.get("kind")
        if kind not in nodes:
            raise ValueError(f"{where}: kind {kind!r} is none of {', '.join(sorted(nodes))}")
        return _from_plain(nodes[kind], plain, where)
    rest = [option for option in options if option is not type(None) and option not in nodes.values()]
    for option in rest:
        if not isinstance(option, type) or is_dataclass(option) or type(plain) is option:
            return _from_plain(option, plain, where)
    raise ValueError(f"{where}: {plain!r} does not belong here")
