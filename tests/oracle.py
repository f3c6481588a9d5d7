"""The oracle: a second, naive reading of a Query in plain Python, over lists of dicts. Slow, and obviously right.

It shares no code with the engine (its own time, numbers, line items), so that the two can be held against each other.
A condition is the set of the contacts who meet it; a measure is one number (or None) for one contact.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

from grammar import query as q

Kind = Literal["users", "count", "percentage", "value", "breakdown"]

ABOUT_ONE_PRODUCT = {
    "product-clicked",
    "product-viewed",
    "add-to-cart",
    "remove-from-cart",
    "product-added-to-wishlist",
    "product-reviewed",
}
OTHER_DEFAULT = {
    "product-searched",
    "payment-info",
    "product-list-viewed",
    "order-updated",
    "order-completed",
    "order-cancelled",
    "order-refunded",
    "page-view",
}
DEFAULT_EVENTS = ABOUT_ONE_PRODUCT | OTHER_DEFAULT
PRODUCT_KEYS = {
    "product_id",
    "sku",
    "category",
    "name",
    "brand",
    "variant",
    "variant_id",
    "price",
    "quantity",
    "coupon",
    "position",
    "url",
    "image_url",
}


@dataclass(frozen=True)
class Answer:
    """What the oracle says. `rows` holds the columns asked for beside visitor_id, for users, in their order."""

    kind: Kind
    visitor_ids: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    value: float | None = None
    breakdown: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Happening:
    """One event, read: its default name, its instant, and its line items."""

    name: str
    visitor: str
    at: datetime
    properties: dict[str, Any]
    context: dict[str, Any]
    items: list[dict[str, Any]]


def answer(
    query: q.Query, contacts: list[dict[str, Any]], events: list[dict[str, Any]], now: datetime, zone: str
) -> Answer:
    """What the query finds among these contacts and events, as of `now` (without an offset: in `zone`)."""
    return World(contacts, events, now, zone).answer(query)


# ── reading what came in ──────────────────────────────────────────────────────────────────────────────────────────


def read_event(event: dict[str, Any], zone: ZoneInfo) -> Happening:
    name = event["event_name"]
    default = name.strip().lower().replace(" ", "-").replace("_", "-")
    if default in DEFAULT_EVENTS:
        name = default
    properties = event["event_properties"]
    at = read_instant(event["event_timestamp"], zone)
    assert isinstance(at, datetime)
    return Happening(
        name, event["visitor_id"], at, properties, event.get("context") or {}, line_items(name, properties)
    )


def line_items(name: str, properties: dict[str, Any]) -> list[dict[str, Any]]:
    """The line items: `products` of a default event, else its own product keys; `product` of a custom event."""
    if name in ABOUT_ONE_PRODUCT:
        item = {key: value for key, value in properties.items() if key in PRODUCT_KEYS}
        return [item] if item else []
    came = properties.get("products" if name in DEFAULT_EVENTS else "product")
    return [item for item in (came if isinstance(came, list) else [came]) if isinstance(item, dict)]


def dig(of: dict[str, Any], name: str) -> Any:
    """The value at a dotted name."""
    value: Any = of
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def missing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def text(value: Any) -> str:
    """A value as text, as it is compared."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip().lower()


def number(value: Any) -> float | None:
    """The number that a value is or holds: "₹1,299.00" is 1299."""
    if isinstance(value, bool) or missing(value):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return None
    bare = re.sub(r"(?i)[₹$€£¥]|\b(?:rs\.?|inr|usd|eur|gbp)(?![a-z])", "", value)
    bare = bare.replace(",", "").replace(" ", "")
    return float(bare) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", bare) else None


def read_instant(value: Any, zone: ZoneInfo) -> datetime | date | None:
    """The instant (UTC) that a value is, or the date where it has no time; None where it is neither."""
    if not isinstance(value, str):
        return None
    came = value.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", came):
        return date.fromisoformat(came)
    if not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", came):
        return None
    instant = datetime.fromisoformat(came)
    return instant.replace(tzinfo=instant.tzinfo or zone).astimezone(UTC)


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Stay:
    """A stretch of time; None is without end on that side. The flags say whether the instant itself belongs to it."""

    start: datetime | None = None
    end: datetime | None = None
    start_in: bool = True
    end_in: bool = False

    def holds(self, at: datetime) -> bool:
        if self.start is not None and (at < self.start or (at == self.start and not self.start_in)):
            return False
        return self.end is None or at < self.end or (at == self.end and self.end_in)


EXACT = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
MEAN = {unit: timedelta(days=365.2425) * months / 12 for unit, months in (("month", 1), ("quarter", 3), ("year", 12))}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def add_months(day: date, months: int) -> date:
    """So many months later, the day of the month no later than that month has."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in range(day.day, 27, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    return date(year, month + 1, day.day)


def unit_start(day: date, unit: q.Unit) -> date:
    """The first day of the calendar unit that holds the day."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    if unit == "year":
        return date(day.year, 1, 1)
    assert unit == "day", unit
    return day


def next_unit(start: date, unit: q.Unit, units: int = 1) -> date:
    """The first day of the unit so many units later (earlier, where negative)."""
    return add_months(start, units * MONTHS[unit]) if unit in MONTHS else start + units * EXACT[unit]


def begins(named: q.Named, day: date) -> bool:
    """Whether a period of that name begins on the day."""
    match named.unit:
        case "weekday":
            return day.isoweekday() == named.number
        case "date":
            return (day.month, day.day) == (named.number // 100, named.number % 100)
        case "month":
            return (day.month, day.day) == (named.number, 1)
        case "quarter":
            return (day.month, day.day) == (named.number * 3 - 2, 1)


class Clock:
    """Now, in a zone: what calendar words mean."""

    def __init__(self, now: datetime, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.now = now.replace(tzinfo=now.tzinfo or self.zone).astimezone(UTC)
        self.today = self.day(self.now)

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def day(self, at: datetime) -> date:
        return self.local(at).date()

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def add(self, at: datetime, span: q.Span, times: int = 1) -> datetime:
        """So many spans later (earlier, where negative): up to weeks exactly, months and more by local calendar."""
        if span.unit in EXACT:
            return at + times * span.amount * EXACT[span.unit]
        local = self.local(at)
        day = add_months(local.date(), times * span.amount * MONTHS[span.unit])
        return datetime.combine(day, local.time().replace(fold=0), self.zone).astimezone(UTC)

    def days(self, first: date, after: date) -> Stay:
        return Stay(self.midnight(first), self.midnight(after))

    def stay(self, period: q.Period) -> Stay:
        """When a period is."""
        now, today = self.now, self.today
        match period:
            case q.Rolling(span):
                return Stay(self.add(now, span, -1), now, end_in=True)
            case q.Stretch(far, near):
                return Stay(self.add(now, far, -1), self.add(now, near, -1), end_in=True)
            case q.Ago(span, included):
                return Stay(None, self.add(now, span, -1), end_in=included)
            case q.Calendar(unit, 0):
                return Stay(self.midnight(unit_start(today, unit)), now, end_in=True)
            case q.Calendar(unit, back):
                first = next_unit(unit_start(today, unit), unit, -back)
                return self.days(first, next_unit(first, unit))
            case q.Named():
                return self.named_from(period, self.latest(period))
            case q.Dates(first, last):
                return self.days(first, last + timedelta(days=1))
            case q.Between(start, end):
                since, since_in = (None, True) if start is None else self.instant(start)
                until, until_in = (None, False) if end is None else self.instant(end)
                if end is not None and isinstance(end.period, q.Named) and since and until and until <= since:
                    following = self.named_from(end.period, self.following(end.period))
                    until = following.start if end.side == "start" else following.end
                return Stay(since, until, since_in, not until_in)
            case q.Preceding(span, inner):
                begin = self.stay(inner).start
                assert begin is not None, "nothing precedes a period without a start"
                return Stay(self.add(begin, span, -1), begin)
            case q.Following(span, inner):
                begin = self.stay(inner).end
                assert begin is not None, "nothing follows a period without an end"
                return Stay(begin, self.add(begin, span))
            case q.Ahead(span):
                return self.days(today, self.day(self.add(now, span)) + timedelta(days=1))
        raise AssertionError(period)

    def present(self, unit: q.Unit) -> Stay:
        """The whole of the present unit."""
        first = unit_start(self.today, unit)
        return self.days(first, next_unit(first, unit))

    def latest(self, named: q.Named) -> date:
        """The first day of the latest such period that has begun."""
        day = self.today
        while not begins(named, day):
            day -= timedelta(days=1)
        return day

    def following(self, named: q.Named) -> date:
        """The first day of the next such period after that."""
        day = self.latest(named) + timedelta(days=1)
        while not begins(named, day):
            day += timedelta(days=1)
        return day

    def named_from(self, named: q.Named, first: date) -> Stay:
        unit = named.unit if named.unit in MONTHS else "day"
        return self.days(first, next_unit(first, unit))

    def instant(self, edge: q.Edge) -> tuple[datetime | None, bool]:
        """Where a period starts or ends, and whether what starts there has that instant: so a period and what comes
        after it share none and leave none out. The end of the present unit is that of the whole unit."""
        stay = self.stay(edge.period)
        if edge.side == "end" and isinstance(edge.period, q.Calendar) and edge.period.back == 0:
            stay = self.present(edge.period.unit)
        return (stay.start, stay.start_in) if edge.side == "start" else (stay.end, not stay.end_in)

    def in_window(self, window: q.Window, at: datetime) -> bool:
        local = self.local(at)
        if window.period is not None and not self.stay(window.period).holds(at):
            return False
        if window.weekdays and local.isoweekday() not in window.weekdays:
            return False
        if window.hours is None:
            return True
        start, end = window.hours
        minute = local.hour * 60 + local.minute
        return start <= minute < end if start <= end else minute >= start or minute < end

    def day_in_window(self, window: q.Window, day: date) -> bool:
        """A date without a time: by calendar day."""
        if window.period is not None and not self.day_in_period(window.period, day):
            return False
        return not window.weekdays or day.isoweekday() in window.weekdays

    def day_in_period(self, period: q.Period, day: date) -> bool:
        stay = self.stay(period)
        if stay.start is not None and day < self.day(stay.start):
            return False
        if stay.end is None:
            return True
        return day <= self.day(stay.end if stay.end_in else stay.end - timedelta(microseconds=1))

    def unit_of(self, at: datetime, unit: q.Unit) -> date:
        return unit_start(self.day(at), unit)


# ── the reading ───────────────────────────────────────────────────────────────────────────────────────────────────


COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def within(bound: q.Bound, value: float | None) -> bool:
    if value is None:
        return False
    if bound.upper is not None:
        return bound.value <= value <= bound.upper
    return bool(COMPARE[bound.comparison](value, bound.value))


def aggregate(how: q.Aggregation, numbers: list[float]) -> float | None:
    if how == "total":
        return sum(numbers)
    if not numbers:
        return None
    return {"average": sum(numbers) / len(numbers), "highest": max(numbers), "lowest": min(numbers)}[how]


def adds_up(measure: q.Measure) -> bool:
    """Whether a measure counts or adds up, so that nothing is 0."""
    if isinstance(measure, q.Aggregate):
        return measure.how == "total"
    return not isinstance(measure, q.Elapsed | q.AttributeNumber | q.AgeInYears)


def quantity(item: dict[str, Any]) -> float:
    amount = number(item.get("quantity"))
    return 1 if amount is None else amount


def worth(items: list[dict[str, Any]]) -> float:
    """Σ price × quantity."""
    prices = [(number(item.get("price")), quantity(item)) for item in items]
    return sum(price * amount for price, amount in prices if price is not None)


def order_value(event: Happening) -> float | None:
    """What an order is worth; None where it has no total and no line item has a price: that is not known, not 0."""
    total = number(event.properties.get("total"))
    if total is None and any(number(item.get("price")) is not None for item in event.items):
        return worth(event.items)
    return total


class World:
    """Contacts and their events as of an instant: what each node of a query means there."""

    def __init__(self, contacts: list[dict[str, Any]], events: list[dict[str, Any]], now: datetime, zone: str) -> None:
        self.clock = Clock(now, zone)
        self.contacts = {contact["visitor_id"]: contact for contact in contacts}
        read = [read_event(event, self.clock.zone) for event in events]
        self.events = sorted((event for event in read if event.at <= self.clock.now), key=lambda event: event.at)
        self.everyone = sorted(self.contacts)
        self.of: dict[str, list[Happening]] = {visitor: [] for visitor in self.everyone}
        for event in self.events:
            self.of[event.visitor].append(event)

    # one value

    def passes(self, test: q.Test, value: Any) -> bool:
        if isinstance(test, q.Known):
            return missing(value) != test.known
        elements = [one for one in (value if isinstance(value, list) else [value]) if not missing(one)]
        if isinstance(test, q.Text):
            holds = any(self.text_holds(test.how, wanted, one) for one in elements for wanted in test.values)
            return bool(elements) and holds != test.negated
        return any(self.element_passes(test, one) for one in elements)

    def element_passes(self, test: q.Numeric | q.During | q.Truth, value: Any) -> bool:
        match test:
            case q.Numeric(bound):
                return within(bound, number(value))
            case q.Truth(wanted):
                return text(value) == text(wanted)
            case q.During(window):
                instant = read_instant(value, self.clock.zone)
                if isinstance(instant, datetime):
                    return self.clock.in_window(window, instant)
                return instant is not None and self.clock.day_in_window(window, instant)
        raise AssertionError(test)

    def text_holds(self, how: str, wanted: str, value: Any) -> bool:
        have, want = text(value), text(wanted)
        match how:
            case "is":
                return have == want or (number(value) is not None and number(value) == number(wanted))
            case "contains":
                return want in have
            case "starts with":
                return have.startswith(want)
            case "ends with":
                return have.endswith(want)
            case "has word":
                return want in re.findall(r"[^\W_]+", have)
        raise AssertionError(how)

    # one event

    def value_of(self, of: q.Property, event: Happening, item: dict[str, Any] | None) -> Any:
        match of.level:
            case "event":
                return dig(event.properties, of.name)
            case "context":
                return dig(event.context, of.name)
            case "item":
                return None if item is None else dig(item, of.name)
            case "order value":
                return order_value(event)

    def filter_holds(self, part: q.Filter | q.AnyFilter, event: Happening, item: dict[str, Any] | None) -> bool:
        if isinstance(part, q.AnyFilter):
            return any(self.filter_holds(one, event, item) for one in part.of)
        return any(self.passes(part.test, self.value_of(of, event, item)) for of in part.properties)

    def matching(self, where: tuple[q.EventFilter, ...], event: Happening) -> list[dict[str, Any] | None]:
        """The line items (or [None], the event alone) for which every item and event filter holds."""
        simple = [part for part in where if isinstance(part, q.Filter | q.AnyFilter)]
        candidates: list[dict[str, Any] | None] = [*event.items] or [None]
        return [item for item in candidates if all(self.filter_holds(part, event, item) for part in simple)]

    def matching_items(self, where: tuple[q.EventFilter, ...], event: Happening) -> list[dict[str, Any]]:
        return [item for item in self.matching(where, event) if item is not None]

    def event_passes(self, where: tuple[q.EventFilter, ...], event: Happening) -> bool:
        if not self.matching(where, event):
            return False
        for part in where:
            if isinstance(part, q.EveryItem):
                if not event.items or len(self.matching(part.of, event)) < len(event.items):
                    return False
            elif isinstance(part, q.Basket):
                items = self.matching_items(where, event)
                held: float = sum(quantity(item) for item in items)
                if part.distinct is not None:
                    values = [dig(item, part.distinct) for item in items]
                    held = len({text(value) for value in values if not missing(value)})
                if not within(part.bound, held):
                    return False
            elif isinstance(part, q.SomeItem):
                if not self.matching(part.of, event):
                    return False
            elif isinstance(part, q.Shares):
                mine = self.told(part.property, event)
                others = (one for one in self.of[event.visitor] if one.name == part.event)
                if any(mine & self.told(part.property, one) for one in others) == part.negated:
                    return False
            elif isinstance(part, q.FromDate) and not self.lies(part, event):
                return False
        return True

    def told(self, of: q.Property, event: Happening) -> set[str]:
        """The values of a property of an event, of all its line items; none where it is missing."""
        return self.shared(of, q.Step(q.Events(event.name)), event)

    def lies(self, part: q.FromDate, event: Happening) -> bool:
        """Whether the event lies so to its contact's date: by the day, where that has no time."""
        came = read_instant(dig(self.contacts[event.visitor], part.attribute), self.clock.zone)
        if came is None:
            return False
        day = self.clock.day(event.at)
        if part.how == "on the day of":
            return day == (self.clock.day(came) if isinstance(came, datetime) else came)
        back = -1 if part.how == "before" else 1
        if isinstance(came, datetime):
            if (event.at - came) * back <= timedelta():
                return False
            limit = None if part.within is None else self.clock.add(came, part.within, back)
            return limit is None or (event.at - limit) * back <= timedelta()
        if (day - came) * back < timedelta() or (day == came and part.how != "from"):
            return False
        return part.within is None or (day - self.days_on(came, part.within, back)) * back <= timedelta()

    def days_on(self, day: date, span: q.Span, times: int) -> date:
        """The day on which so much time from the start of a day ends; clocks are not put forward or back."""
        if span.unit in MONTHS:
            return add_months(day, MONTHS[span.unit] * span.amount * times)
        return (datetime.combine(day, time()) + EXACT[span.unit] * span.amount * times).date()

    def such(self, events: q.Events, visitor: str | None = None) -> list[Happening]:
        """The events meant, of one contact or of all, in order of time."""
        return [
            event
            for event in (self.events if visitor is None else self.of[visitor])
            if events.event in (None, event.name)
            and self.clock.in_window(events.window, event.at)
            and self.event_passes(events.where, event)
        ]

    def values(self, of: q.Property, events: q.Events, happened: list[Happening]) -> list[Any]:
        """The property on each of these events (each matching line item, for an item property); None where missing."""
        if of.level == "item":
            return [self.value_of(of, event, item) for event in happened for item in self.matching(events.where, event)]
        return [self.value_of(of, event, None) for event in happened]

    def numbers(self, of: q.Property, events: q.Events, happened: list[Happening]) -> list[float]:
        read = [number(value) for value in self.values(of, events, happened)]
        return [value for value in read if value is not None]

    # measures

    def measure(self, measure: q.Measure, visitor: str) -> float | None:
        if isinstance(measure, q.AttributeNumber):
            return number(dig(self.contacts[visitor], measure.name))
        if isinstance(measure, q.AgeInYears):
            return self.years_since(dig(self.contacts[visitor], measure.name))
        happened = self.such(measure.events, visitor)
        where = measure.events.where
        match measure:
            case q.Count():
                return len(happened)
            case q.Quantity():
                return sum(quantity(item) for event in happened for item in self.matching_items(where, event))
            case q.Distinct(events, of):
                return len({text(value) for value in self.values(of, events, happened) if not missing(value)})
            case q.Aggregate(how, events, of):
                return aggregate(how, self.numbers(of, events, happened))
            case q.Spend(events, net):
                return self.spend(events, happened) - (self.given_back(events, visitor) if net else 0)
            case q.Elapsed(which, _, unit):
                if not happened:
                    return None
                return (self.clock.now - happened[0 if which == "first" else -1].at) / {**EXACT, **MEAN}[unit]
            case q.ActivePeriods(_, unit, each):
                return len(self.active_units(happened, unit, each))
            case q.LongestRun(_, unit, each):
                active = self.active_units(happened, unit, each)
                return max((self.run_from(start, unit, active) for start in active), default=0)
            case q.ActiveBlocks():
                return self.active_blocks(measure, happened)
        raise AssertionError(measure)

    def spend(self, events: q.Events, happened: list[Happening]) -> float:
        simple = [part for part in events.where if isinstance(part, q.Filter | q.AnyFilter)]
        parts = [one for part in simple for one in (part.of if isinstance(part, q.AnyFilter) else (part,))]
        if any(of.level == "item" for part in parts for of in part.properties):
            return sum(worth(self.matching_items(events.where, event)) for event in happened)
        return sum(order_value(event) or 0 for event in happened)

    def given_back(self, events: q.Events, visitor: str) -> float:
        """Refunds and cancellations of the contact in the window, for one order no more than the order's worth."""
        back: dict[str, float] = {}
        alone = 0.0
        for name in ("order-refunded", "order-cancelled"):
            for event in self.such(q.Events(name, (), events.window), visitor):
                order = event.properties.get("order_id")
                value = order_value(event) or 0
                if missing(order):
                    alone += value
                else:
                    back[text(order)] = back.get(text(order), 0) + value
        for event in self.such(q.Events("order-completed"), visitor):
            order, most = text(event.properties.get("order_id")), order_value(event)
            if order in back and most is not None:
                back[order] = min(back[order], most)
        return alone + sum(back.values())

    def active_units(self, happened: list[Happening], unit: q.Unit, each: int) -> set[date]:
        counts = Counter(self.clock.unit_of(event.at, unit) for event in happened)
        return {start for start, count in counts.items() if count >= each}

    def run_from(self, start: date, unit: q.Unit, active: set[date]) -> int:
        length = 0
        while start in active:
            length, start = length + 1, next_unit(start, unit)
        return length

    def active_blocks(self, measure: q.ActiveBlocks, happened: list[Happening]) -> int:
        active = 0
        for k in range(1, measure.of + 1):
            if measure.calendar or measure.unit == "day":
                back = k if measure.calendar else k - 1
                block = next_unit(unit_start(self.clock.today, measure.unit), measure.unit, -back)
                held = [event for event in happened if self.clock.unit_of(event.at, measure.unit) == block]
            else:
                one = q.Span(1, measure.unit)
                after, to = self.clock.add(self.clock.now, one, -k), self.clock.add(self.clock.now, one, 1 - k)
                held = [event for event in happened if after < event.at <= to]
            active += len(held) >= measure.each
        return active

    # conditions

    def who(self, condition: q.Condition) -> set[str]:
        """The contacts who meet the condition."""
        match condition:
            case q.Everyone():
                return set(self.everyone)
            case q.All(of):
                return set(self.everyone).intersection(*(self.who(one) for one in of))
            case q.Any_(of):
                return set().union(*(self.who(one) for one in of))
            case q.Not(of):
                return set(self.everyone) - self.who(of)
            case q.Several(bound, of):
                met = Counter(visitor for one in of for visitor in self.who(one))
                return {visitor for visitor in self.everyone if within(bound, met[visitor])}
            case q.Versus():
                return self.who_versus(condition)
            case q.Rank():
                return set(self.ranked(condition))
            case q.Term(_, means):
                return self.who(means)
        return {visitor for visitor in self.everyone if self.meets(condition, visitor)}

    def meets(self, condition: q.Condition, visitor: str) -> bool:
        """Whether one contact meets a condition that asks of that contact alone."""
        match condition:
            case q.Has(measure, bound):
                return within(bound, self.measure(measure, visitor))
            case q.Sequence():
                return self.sequence(condition, visitor)
            case q.Repeated(events, of, bound):
                held = [value for one in self.such(events, visitor) for value in self.shared(of, q.Step(events), one)]
                return any(within(bound, number) for number in Counter(held).values())
            case q.LedUp():
                return self.led_up(condition, visitor)
            case q.Extreme(which, events, during, has):
                happened = self.such(events, visitor)
                edge = [event for event in happened if event.at == happened[0 if which == "first" else -1].at]
                return any(self.clock.in_window(during, one.at) and self.event_passes(has, one) for one in edge)
            case q.CameBack(after, window):
                return any(
                    self.clock.add(earlier.at, after) < later.at and self.clock.in_window(window, later.at)
                    for earlier, later in pairwise(self.of[visitor])
                )
            case q.Only(events, has):
                happened = self.such(events, visitor)
                return bool(happened) and all(self.event_passes(has, event) for event in happened)
            case q.EveryPeriod():
                return self.every_period(condition, visitor)
            case q.Favourite(events, of, wanted, mostly):
                came = self.values(of, events, self.such(events, visitor))
                counts = Counter(text(value) for value in came if not missing(value))
                held = {value: counts[value] for value in map(text, wanted) if value in counts}
                if mostly:
                    return sum(held.values()) * 2 > sum(counts.values())
                return bool(held) and max(held.values()) == max(counts.values())
            case q.Attribute(names, test):
                return any(self.passes(test, dig(self.contacts[visitor], name)) for name in names)
            case q.Age(name, bound, from_birth):
                value = dig(self.contacts[visitor], name)
                return within(bound, self.years_since(value) if from_birth else number(value))
            case q.Birthday(name, period):
                return self.has_birthday(dig(self.contacts[visitor], name), period)
        raise AssertionError(condition)

    def who_versus(self, versus: q.Versus) -> set[str]:
        common: float | None = None
        if isinstance(versus.right, q.MeanOverContacts):
            measured = [self.measure(versus.right.measure, visitor) for visitor in self.everyone]
            common = aggregate("average", [value for value in measured if value is not None and value > 0])
        elif isinstance(versus.right, q.MeanOverEvents):
            events = versus.right.events
            common = aggregate("average", self.numbers(versus.right.property, events, self.such(events)))
        met = set()
        for visitor in self.everyone:
            left = self.measure(versus.left, visitor)
            right = common
            if not isinstance(versus.right, q.MeanOverContacts | q.MeanOverEvents):
                right = self.measure(versus.right, visitor)
            if left is None or right is None:
                continue
            if COMPARE[versus.comparison](left, right * versus.percent / 100):
                met.add(visitor)
        return met

    def ranked(self, rank: q.Rank) -> list[str]:
        """The contacts of a rank, in its order."""
        measured = [(visitor, self.measure(rank.by, visitor)) for visitor in sorted(self.who(rank.among))]
        positive = [(visitor, value) for visitor, value in measured if value is not None and value > 0]
        positive.sort(key=lambda pair: pair[1], reverse=not rank.bottom)
        amount = Fraction(str(rank.amount))
        if rank.percent:
            amount = amount * len(positive) / 100
        return [visitor for visitor, _ in positive[: -int(-amount // 1)]]

    def sequence(self, asked: q.Sequence, visitor: str) -> bool:
        steps = [self.such(step.events, visitor) for step in asked.steps]
        if asked.same is None:
            return self.chain(asked, steps, steps[0])
        tagged = [
            [(event, self.shared(asked.same, step, event)) for event in happened]
            for step, happened in zip(asked.steps, steps, strict=True)
        ]
        for value in set().union(*(values for happened in tagged for _, values in happened)):
            kept = [[event for event, values in happened if value in values] for happened in tagged]
            if asked.ordered and self.chain(asked, kept, steps[0]):
                return True
            if not asked.ordered and all(
                bool(happened) != step.absent for step, happened in zip(asked.steps, kept, strict=True)
            ):
                return True
        return False

    def led_up(self, asked: q.LedUp, visitor: str) -> bool:
        to, counted = self.such(asked.to, visitor), self.such(asked.events, visitor)
        if asked.first:
            to = [event for event in to if event.at == to[0].at]
        for event in to:
            before = [one for one in counted if one.at < event.at]
            if asked.same is None:
                many = [len(before)]
            else:
                held = [self.shared(asked.same, q.Step(asked.events), one) for one in before]
                mine = self.shared(asked.same, q.Step(asked.to), event)
                many = [sum(value in values for values in held) for value in mine]
            if any(within(asked.bound, number) for number in many):
                return True
        return False

    def shared(self, same: q.Property, step: q.Step, event: Happening) -> set[str]:
        values = self.values(same, step.events, [event])
        return {text(value) for value in values if not missing(value)}

    def chain(self, asked: q.Sequence, steps: list[list[Happening]], all_first: list[Happening]) -> bool:
        """Whether some events of the steps follow one another; `all_first` are the first step's, of any value."""
        for first in steps[0]:
            if asked.from_first and first.at != all_first[0].at:
                continue
            limit = None if asked.within is None else self.clock.add(first.at, asked.within)
            if self.continues(asked, steps, 1, first.at, limit):
                return True
        return False

    def continues(
        self, asked: q.Sequence, steps: list[list[Happening]], at: int, after: datetime, limit: datetime | None
    ) -> bool:
        if at == len(steps):
            return True
        later = [event for event in steps[at] if event.at > after]
        last = at == len(steps) - 1
        if last and limit is not None:
            later = [event for event in later if event.at <= limit]
        if asked.steps[at].absent:
            assert last, "only the last step may be absent"
            return not later
        return any(self.continues(asked, steps, at + 1, event.at, limit) for event in later)

    def every_period(self, asked: q.EveryPeriod, visitor: str) -> bool:
        assert asked.events.window.period is not None
        stay = self.clock.stay(asked.events.window.period)
        assert stay.start is not None
        active = self.active_units(self.such(asked.events, visitor), asked.unit, asked.each)
        unit = self.clock.unit_of(stay.start, asked.unit)
        last = self.clock.now
        if stay.end is not None and stay.end <= last:
            last = stay.end if stay.end_in else stay.end - timedelta(microseconds=1)
        while unit <= self.clock.day(last):
            if unit not in active:
                return False
            unit = next_unit(unit, asked.unit)
        return True

    def birth(self, value: Any) -> date | None:
        born = read_instant(value, self.clock.zone)
        return self.clock.day(born) if isinstance(born, datetime) else born

    def years_since(self, value: Any) -> int | None:
        born, today = self.birth(value), self.clock.today
        if born is None:
            return None
        return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

    def has_birthday(self, value: Any, period: q.Period) -> bool:
        born = self.birth(value)
        if born is None:
            return False
        if isinstance(period, q.Calendar) and period.back == 0:  # a birthday to come is known: the unit is whole
            stay = self.clock.present(period.unit)
        else:
            stay = self.clock.stay(period)
        assert stay.start is not None
        assert stay.end is not None
        day = self.clock.day(stay.start)
        while day <= self.clock.day(stay.end if stay.end_in else stay.end - timedelta(microseconds=1)):
            if (day.month, day.day) == (born.month, born.day):
                return True
            day += timedelta(days=1)
        return False

    # outputs

    def answer(self, query: q.Query) -> Answer:
        who = self.who(query.population)
        output = query.output
        match output:
            case q.Users():
                return self.users(query.population, who, output)
            case q.CountUsers():
                return Answer("count", value=len(who))
            case q.CountEvents(events):
                return Answer("count", value=sum(len(self.such(events, visitor)) for visitor in who))
            case q.Percentage(of):
                base = self.who(of)
                return Answer("percentage", value=100 * len(base & who) / len(base) if base else None)
            case q.Value(how, measure):
                values = [self.measure(measure, visitor) for visitor in sorted(who)]
                return Answer("value", value=aggregate(how, [value for value in values if value is not None]))
            case q.Pooled(how, events, of):
                happened = [event for visitor in sorted(who) for event in self.such(events, visitor)]
                return Answer("value", value=aggregate(how, self.numbers(of, events, happened)))
            case q.AttributeBreakdown(name, ranked, limit):
                held = {visitor: self.labels([dig(self.contacts[visitor], name)]) for visitor in who}
                return self.breakdown(held, ranked, limit)
            case q.EventBreakdown(of, events, ranked, limit):
                came = {visitor: self.such(events, visitor) for visitor in who}
                held = {visitor: self.labels(self.values(of, events, came[visitor])) for visitor in who}
                return self.breakdown(held, ranked, limit)
            case q.ItemBreakdown():
                return self.sold(output, who)
            case q.TimeBreakdown(part, events, counted):
                happened = [event for visitor in sorted(who) for event in self.such(events, visitor)]
                placed = [(self.part_of_time(part, event.at), event.visitor) for event in happened]
                rows = Counter(place for place, _ in (placed if counted == "events" else set(placed)))
                return Answer("breakdown", breakdown={label: rows[order, label] for order, label in sorted(rows)})
            case q.Rows(of):
                return Answer("breakdown", breakdown={row.label: len(who & self.who(row.condition)) for row in of})

    def sold(self, output: q.ItemBreakdown, who: set[str]) -> Answer:
        sums: dict[str, float] = {}
        for event in (event for visitor in who for event in self.such(output.events, visitor)):
            for item in self.matching_items(output.events.where, event):
                value = self.value_of(output.property, event, item)
                for one in value if isinstance(value, list) and value else [value]:
                    label = "unknown" if missing(one) else text(one)
                    amount = quantity(item) if output.what == "units" else worth([item])
                    sums[label] = sums.get(label, 0) + amount
        return self.largest(sums, output.ranked, output.limit)

    def part_of_time(self, part: q.TimePart, at: datetime) -> tuple[int, str]:
        """Where a part of time stands among the others, and how it is shown."""
        local = self.clock.local(at)
        if part == "hour of the day":
            return local.hour, f"{local.hour:02}:00"
        if part == "day of the week":
            return local.weekday(), WEEKDAYS[local.weekday()]
        first = unit_start(local.date(), part)
        quarter = (first.month + 2) // 3
        shown = {"month": f"{first:%Y-%m}", "quarter": f"{first.year}-Q{quarter}", "year": f"{first.year}"}
        return first.toordinal(), shown.get(part, first.isoformat())

    def labels(self, values: list[Any]) -> set[str]:
        """The rows in which values count: each element of a list, what is missing under "unknown"."""
        labels = set()
        for value in values:
            elements = value if isinstance(value, list) and value else [value]
            labels |= {"unknown" if missing(one) else text(one) for one in elements}
        return labels

    def breakdown(self, held: dict[str, set[str]], ranked: bool, limit: int | None) -> Answer:
        return self.largest(Counter(label for labels in held.values() for label in labels), ranked, limit)

    def largest(self, counts: Mapping[str, float], ranked: bool, limit: int | None) -> Answer:
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]) if ranked else (0, row[0]))
        if ranked:
            rows = [row for row in rows if row[0] != "unknown"][:limit]
        return Answer("breakdown", breakdown=dict(rows))

    def users(self, population: q.Condition, who: set[str], output: q.Users) -> Answer:
        found = self.ranked(population) if isinstance(population, q.Rank) else sorted(who)
        if output.order is not None:
            by = output.order.by
            present = [(visitor, self.column(by, visitor)) for visitor in sorted(who)]
            known = [pair for pair in present if not missing(pair[1])]
            known.sort(key=lambda pair: sort_key(pair[1]), reverse=output.order.descending)
            found = [visitor for visitor, _ in [*known, *(pair for pair in present if missing(pair[1]))]]
        found = found[: output.limit]
        return Answer("users", found, [[self.column(one, visitor) for one in output.columns] for visitor in found])

    def column(self, column: q.Column, visitor: str) -> Any:
        match column:
            case q.AttributeColumn(name):
                return dig(self.contacts[visitor], name)
            case q.MeasureColumn(measure):
                return self.measure(measure, visitor)
            case q.MomentColumn(which, events):
                happened = self.such(events, visitor)
                return happened[0 if which == "first" else -1].at if happened else None


WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def sort_key(value: Any) -> Any:
    """Numbers (also those that came as text) by size, moments by time, all else as text."""
    if isinstance(value, datetime):
        return value
    amount = number(value)
    return text(value) if amount is None else amount
