"""The oracle itself, on worked examples of SEMANTICS.md: what it is trusted for when the engine is held against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from oracle import Clock, World, number

from grammar import query as q
from grammar.query import ALWAYS, AT_LEAST_ONCE, NEVER, Bound, Span, Window

NOW = datetime(2026, 3, 31, 18)  # a Tuesday
ORDER, CART, VIEW = "order-completed", "add-to-cart", "product-viewed"


def event(
    name: str, visitor: str, when: str, context: dict[str, Any] | None = None, /, **properties: Any
) -> dict[str, Any]:
    return {
        "event_name": name,
        "visitor_id": visitor,
        "event_properties": properties,
        "event_timestamp": when,
        "context": context or {},
    }


def item(name: str, price: Any = "100", quantity: Any = "1", **more: Any) -> dict[str, Any]:
    return {"product_id": name, "name": name, "price": price, "quantity": quantity, **more}


CONTACTS: list[dict[str, Any]] = [
    {"visitor_id": "ann", "city": "Pune", "age": 30, "tags": ["vip"], "born": "1996-03-31", "joined": "2026-03-01"},
    {"visitor_id": "bob", "city": "pune ", "age": "45", "tags": [], "born": "1996-04-01", "joined": "2025-01-31"},
    {"visitor_id": "cat", "city": "", "opted": True},
    {"visitor_id": "dan"},
]
EVENTS = [
    event(VIEW, "ann", "2026-03-01 10:00:00", product_id="shirt", name="Red Shirt", brand="Nike"),
    event(CART, "ann", "2026-03-02 10:00:00", product_id="shirt", name="Red Shirt", price="₹1,299.00", cart_id="c1"),
    event(ORDER, "ann", "2026-03-09 10:00:00", order_id="o1", total=500, products=[item("shirt"), item("pan", 200, 2)]),
    event(ORDER, "ann", "2026-03-30 10:00:00", order_id="o2", products=[item("pan", "1,200.50", 3), item("free", "?")]),
    event("order-refunded", "ann", "2026-03-31 10:00:00", order_id="o1", total=900, products=[item("shirt")]),
    event(VIEW, "bob", "2026-03-01 18:00:00", product_id="pan", name="Pan", brand="Tata"),
    event(ORDER, "bob", "2026-03-01 18:00:00", order_id="o3", total="250", products=[item("pan"), item("cup")]),
    event("login", "bob", "2026-03-28 23:30:00", {"device": "mobile"}, method="sso"),
    event("login", "bob", "2026-03-29 00:30:00", method=None),
    event("login", "bob", "2026-03-30 06:00:00"),
    event("login", "cat", "2026-01-01 00:00:00", product={"name": "gift", "brand": "Nike"}),
    event("login", "cat", "2026-04-01 00:00:00"),  # later than now: invisible
]


def who(condition: q.Condition, zone: str = "UTC") -> str:
    return " ".join(sorted(World(CONTACTS, EVENTS, NOW, zone).who(condition)))


def of(name: str | None, *where: q.EventFilter, window: Window = ALWAYS) -> q.Events:
    return q.Events(name, where, window)


def done(name: str | None, *where: q.EventFilter, window: Window = ALWAYS, bound: Bound = AT_LEAST_ONCE) -> q.Condition:
    return q.did(of(name, *where, window=window), bound)


def item_is(key: str, *values: str, negated: bool = False) -> q.Filter:
    return q.Filter((q.Property(key, "item"),), q.Text("is", values, negated))


def during(period: q.Period, **more: Any) -> Window:
    return Window(period, **more)


def step(name: str, *where: q.EventFilter, absent: bool = False) -> q.Step:
    return q.Step(of(name, *where), absent)


ROLLING_30 = during(q.Rolling(Span(30, "day")))
PAN = item_is("name", "pan")
PRODUCT = q.Property("product_id", "item")
MOBILE = q.Filter((q.Property("device", "context"),), q.Text("is", ("Mobile",)))
REFUNDED = q.Shares(q.Property("order_id"), "order-refunded")


@pytest.mark.parametrize(
    ("section", "condition", "found"),
    [
        ("1 everyone", q.Everyone(), "ann bob cat dan"),
        ("1 complement", q.negated(done(ORDER)), "cat dan"),
        ("2 both ends", done(ORDER, window=ROLLING_30), "ann bob"),
        ("2 N days exactly", done(ORDER, window=during(q.Rolling(Span(719, "hour")))), "ann"),
        ("2 months by calendar", done(VIEW, window=during(q.Rolling(Span(1, "month")))), "ann bob"),
        ("2 last month", done(None, window=during(q.Calendar("month", 2))), "cat"),
        ("2 this year, later events invisible", done("login", window=during(q.Calendar("year", 0))), "bob cat"),
        ("2 in April, which has not begun", done(None, window=during(q.Named("month", 4))), ""),
        ("2 weekends", done("login", window=Window(weekdays=(6, 7))), "bob"),
        ("2 at night", done("login", window=Window(hours=(22 * 60, 6 * 60))), "bob cat"),
        ("2 more than 30 days ago", done(ORDER, window=during(q.Ago(Span(30, "day")))), ""),
        ("2 30 or more days ago", done(ORDER, window=during(q.Ago(Span(30, "day"), True))), "bob"),
        ("2 after", done("login", window=during(q.Between(q.Edge(q.Calendar("day", 2), "end"), None))), "bob"),
        ("2 before", done("login", window=during(q.Between(None, q.Edge(q.Calendar("year", 0), "start")))), ""),
        (
            "2 the 7 days before",
            done(ORDER, window=during(q.Preceding(Span(7, "day"), q.Dates(date(2026, 3, 8), date(2026, 3, 9))))),
            "bob",
        ),
        ("4 at most includes none", done(ORDER, bound=Bound("<=", 1)), "bob cat dan"),
        ("4 never", done("login", bound=NEVER), "ann dan"),
        ("4 units", q.Has(q.Quantity(of(ORDER)), Bound(">=", 4)), "ann"),
        ("4 different", q.Has(q.Distinct(of(ORDER), PRODUCT), Bound("=", 3)), "ann"),
        ("5 one line item", done(ORDER, PAN, item_is("product_id", "shirt")), ""),
        ("5 any item", done(ORDER, item_is("name", " PAN ")), "ann bob"),
        ("5 every item", done(ORDER, q.EveryItem((item_is("name", "pan", "free"),))), "ann"),
        ("5 in one order", done(ORDER, q.Basket(Bound(">=", 3)), PAN), "ann"),
        ("5 missing is not", done(VIEW, item_is("brand", "Nike", negated=True)), "bob"),
        ("5 a missing key", done("login", q.Filter((q.Property("method"),), q.Known(False))), "bob cat"),
        ("5 a custom event's product", done("login", item_is("brand", "nike")), "cat"),
        ("5 a number as text", done(CART, q.Filter((q.Property("price", "item"),), q.Text("is", ("1299",)))), "ann"),
        ("5 context", done("login", MOBILE), "bob"),
        ("6 spend", q.Has(q.Spend(of(ORDER)), Bound("=", 4101.5)), "ann"),
        ("6 net, no more than the order", q.Has(q.Spend(of(ORDER), net=True), Bound("=", 3601.5)), "ann"),
        ("6 spend on", q.Has(q.Spend(of(ORDER, PAN)), Bound("=", 4001.5)), "ann"),
        ("6 average", q.Has(q.Aggregate("average", of(ORDER), q.ORDER_VALUE), Bound("<", 1000)), "bob"),
        ("6 no order, no lowest", q.Has(q.Aggregate("lowest", of(ORDER), q.ORDER_VALUE), Bound("<", 300)), "bob"),
        ("6 nothing adds up to 0", q.Has(q.Spend(of(ORDER)), Bound("<", 300)), "bob cat dan"),
        ("7 then", q.Sequence((step(VIEW), step(ORDER))), "ann"),
        ("7 within", q.Sequence((step(CART), step(ORDER)), Span(7, "day")), "ann"),
        ("7 within, to the second", q.Sequence((step(CART), step(ORDER)), Span(6, "day")), ""),
        (
            "7 some A with no B",
            q.Sequence((step(ORDER), step("order-refunded", absent=True)), Span(7, "day")),
            "ann bob",
        ),
        ("3 abandoned", q.Sequence((step(VIEW), step(ORDER, absent=True))), "bob"),
        ("5 the same", q.Sequence((step(VIEW), step(ORDER)), same=PRODUCT), "ann"),
        ("5 the same, no order", q.Sequence((step(VIEW), step(ORDER)), same=PRODUCT, ordered=False), "ann bob"),
        ("9 first in", q.Extreme("first", of(ORDER), during(q.Dates(date(2026, 3, 1), date(2026, 3, 5)))), "bob"),
        ("9 last was", q.Extreme("last", of(ORDER), has=(PAN,)), "ann bob"),
        ("9 days since", q.Has(q.Elapsed("last", of(ORDER), "day"), Bound(">=", 30)), "bob"),
        ("9 came back", q.CameBack(Span(20, "day")), "ann bob"),
        ("9 only", q.Only(of(ORDER), (q.EveryItem((item_is("name", "pan", "cup"),)),)), "bob"),
        ("10 whole value", q.Attribute(("city",), q.Text("is", ("PUNE",))), "ann bob"),
        ("10 not: missing matches", q.negated(q.Attribute(("city",), q.Text("is", ("Pune",)))), "cat dan"),
        ("10 without a city", q.Attribute(("city",), q.Known(False)), "cat dan"),
        ("10 tagged", q.Attribute(("tags",), q.Text("is", ("VIP",))), "ann"),
        ("10 boolean", q.Attribute(("opted",), q.Truth(True)), "cat"),
        ("10 age", q.Age("age", Bound(">", 30)), "bob"),
        ("10 age from birth", q.Age("born", Bound(">=", 30), from_birth=True), "ann"),
        ("10 birthday today", q.Birthday("born", q.Calendar("day", 0)), "ann"),
        ("10 birthday ahead", q.Birthday("born", q.Ahead(Span(1, "day"))), "ann bob"),
        ("2 a date by day", q.Attribute(("joined",), q.During(ROLLING_30)), "ann"),
        (
            "5 some item",
            done(ORDER, q.SomeItem((item_is("name", "pan"),)), q.SomeItem((item_is("name", "cup"),))),
            "bob",
        ),
        ("5 twice the same", q.Repeated(of(ORDER), q.Property("name", "item"), Bound("=", 2)), "ann"),
        (
            "2 following",
            done(ORDER, window=during(q.Following(Span(1, "month"), q.Dates(date(2026, 2, 1), date(2026, 2, 8))))),
            "bob",
        ),
        ("9 the first was refunded", q.Extreme("first", of(ORDER), has=(REFUNDED,)), "ann"),
        ("9 the last was not", q.Extreme("last", of(ORDER), has=(replace(REFUNDED, negated=True),)), "ann bob"),
        ("7 so many before", q.LedUp(of(None), Bound("=", 3), of(ORDER)), "ann"),
        ("7 none before the first", q.LedUp(of(VIEW), Bound("<", 1), of(ORDER), first=True), "bob"),
        ("7 one before, of the same", q.LedUp(of(VIEW), Bound("=", 1), of(ORDER), same=PRODUCT), "ann"),
        ("7 from a date, its day too", done(None, q.FromDate("joined", "from", Span(1, "day"))), "ann"),
        ("7 from a date", done(VIEW, q.FromDate("joined", "from", Span(2, "week"))), "ann"),
        ("7 after a date", done(VIEW, q.FromDate("joined", "after")), "bob"),
        ("7 before a date", done("login", q.FromDate("joined", "before")), ""),
        ("7 on the day", done(VIEW, q.FromDate("joined", "on the day of")), "ann"),
        ("7 no date, none", done("login", q.FromDate("joined", "from"), bound=NEVER), "ann cat dan"),
        ("11 at least two of", q.Several(Bound(">=", 2), (done(ORDER), done("login"), done(CART))), "ann bob"),
        ("12 top", q.Rank(q.Spend(of(ORDER)), 1), "ann"),
        ("12 bottom", q.Rank(q.Spend(of(ORDER)), 1, bottom=True), "bob"),
        ("12 percent, rounded up", q.Rank(q.Spend(of(ORDER)), 10, percent=True), "ann"),
        ("12 above average", q.Versus(q.Spend(of(ORDER)), ">", q.MeanOverContacts(q.Spend(of(ORDER)))), "ann"),
        ("13 more than", q.Versus(q.Count(of("login")), ">", q.Count(of(ORDER))), "bob cat"),
        ("14 days in a row", q.Has(q.LongestRun(of("login"), "day"), Bound(">=", 3)), "bob"),
        ("14 of the last 7 days", q.Has(q.ActiveBlocks(of("login"), "day", 3), Bound("=", 2)), "bob"),
        ("14 weeks back from now", q.Has(q.ActiveBlocks(of(None), "week", 5), Bound(">=", 3)), "ann"),
        ("14 different months", q.Has(q.ActivePeriods(of(None), "month"), Bound("=", 1)), "ann bob cat"),
        ("14 every month", q.EveryPeriod(of(None, window=during(q.Calendar("month", 0))), "month", 3), "ann bob"),
        ("15 favourite", q.Favourite(of(ORDER), PRODUCT, ("pan",)), "ann bob"),
        ("15 mostly", q.Favourite(of(ORDER), PRODUCT, ("pan",), mostly=True), ""),
    ],
)
def test_condition(section: str, condition: q.Condition, found: str) -> None:
    assert who(condition) == found, section


def test_zone_moves_the_day() -> None:
    last_day = done("login", window=during(q.Dates(date(2025, 12, 31), date(2025, 12, 31))))
    offset = [{**one, "event_timestamp": one["event_timestamp"] + "+00:00"} for one in EVENTS]
    assert World(CONTACTS, offset, NOW, "America/New_York").who(last_day) == {"cat"}
    assert World(CONTACTS, offset, NOW, "UTC").who(last_day) == set()


def test_months_end_where_the_month_ends() -> None:
    clock = Clock(NOW, "UTC")
    assert clock.local(clock.add(clock.now, Span(1, "month"), -1)).replace(tzinfo=None) == datetime(2026, 2, 28, 18)


def test_a_day_is_24_hours() -> None:
    clock = Clock(datetime(2026, 3, 8, 12), "America/New_York")  # the clocks went forward that night
    assert clock.local(clock.add(clock.now, Span(1, "day"), -1)).replace(tzinfo=None) == datetime(2026, 3, 7, 11)


@pytest.mark.parametrize(
    ("written", "means"),
    [("₹1,299.00", 1299), (" 12 ", 12), ("Rs. 450", 450), (7, 7), ("ask", None), ("", None), (True, None), ([], None)],
)
def test_number(written: Any, means: float | None) -> None:
    assert number(written) == means


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (q.CountUsers(), 4),
        (q.CountEvents(of(ORDER)), 3),
        (q.Percentage(done(ORDER)), 100),
        (q.Percentage(q.Attribute(("city",), q.Text("is", ("Oslo",)))), None),
        (q.Value("average", q.Spend(of(ORDER))), 4351.5 / 4),
        (q.Value("average", q.AttributeNumber("age")), 37.5),
        (q.Value("highest", q.AgeInYears("born")), 30),
        (q.Pooled("average", of(ORDER), q.ORDER_VALUE), 4351.5 / 3),
        (q.Pooled("highest", of(CART, item_is("name", "none")), q.Property("price", "item")), None),
    ],
)
def test_one_number(output: q.Output, value: float | None) -> None:
    assert World(CONTACTS, EVENTS, NOW, "UTC").answer(q.Query(q.Everyone(), output)).value == value


@pytest.mark.parametrize(
    ("output", "rows"),
    [
        (q.AttributeBreakdown("city"), {"pune": 2, "unknown": 2}),
        (q.AttributeBreakdown("tags", ranked=True), {"vip": 1}),
        (q.EventBreakdown(PRODUCT, of(ORDER)), {"shirt": 1, "pan": 2, "free": 1, "cup": 1}),
        (q.ItemBreakdown("units", PRODUCT, of(ORDER)), {"shirt": 1, "pan": 6, "free": 1, "cup": 1}),
        (q.ItemBreakdown("spend", PRODUCT, of(ORDER), True, 2), {"pan": 4101.5, "cup": 100}),
        (q.EventBreakdown(q.Property("method"), of("login")), {"sso": 1, "unknown": 2}),
        (q.TimeBreakdown("week", of("login")), {"2025-12-29": 1, "2026-03-23": 2, "2026-03-30": 1}),
        (q.TimeBreakdown("quarter", of("login"), "contacts"), {"2026-Q1": 2}),
        (q.TimeBreakdown("hour of the day", of("login")), {"00:00": 2, "06:00": 1, "23:00": 1}),
        (q.Rows((q.Row("buyers", done(ORDER)), q.Row("none", q.negated(q.Everyone())))), {"buyers": 2, "none": 0}),
    ],
)
def test_breakdown(output: q.Output, rows: dict[str, int]) -> None:
    assert World(CONTACTS, EVENTS, NOW, "UTC").answer(q.Query(q.Everyone(), output)).breakdown == rows


def test_order_and_limit() -> None:
    by_age = q.Users((q.AttributeColumn("city"),), q.Order(q.AttributeColumn("age"), descending=True), 3)
    found = World(CONTACTS, EVENTS, NOW, "UTC").answer(q.Query(q.Everyone(), by_age))
    assert found.visitor_ids == ["bob", "ann", "cat"]  # missing last, ties by visitor_id
    assert found.rows == [["pune "], ["Pune"], [""]]
