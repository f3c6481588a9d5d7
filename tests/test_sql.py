"""Plan and SQL: golden statements, the answers of each node on tables small enough to see through, and no way out of a
literal. The laws hold them against the oracle; here is what a law would not show or not name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import oracle
import pytest

from grammar import query as q
from grammar.query import NEVER, Bound, Events, Property, Query, Span, Step, Window, did
from storage import plan as p
from storage.errors import StorageError, Unsupported
from storage.plan import kind_of
from storage.planner import Saved, plan
from storage.schema import Column, Layout, Ordered
from storage.sql import spell
from storage.store import Book, Store

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 3, 31, 18, tzinfo=UTC)  # a Tuesday
COMPACTED = Ordered(99, datetime(2026, 3, 31, 17), rest=False)
UTC_ZONE, KOLKATA, NEW_YORK = ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
LAYOUT = Layout(
    schema="p1",
    types={"order-completed": 1, "product-viewed": 2, "login": 3, "order-refunded": 4, "order-cancelled": 5},
    event_columns={
        "total": Column("p_total", number=True),
        "coupon": Column("p_coupon", number=False),
        "order_id": Column("p_order_id", number=False),
        "channel": Column("p_channel", number=False, whole=False),
    },
    item_columns={
        name: Column(name, number=name in ("price", "quantity"))
        for name in ("brand", "product_id", "price", "quantity")
    },
    context_columns={},
    attribute_columns={"city": "a_0", "tier": "a_1"},
    counts={1: 1000, 2: 9000, 3: 500, 4: 50, 5: 50},
    ordered=None,
)
ORDER, VIEW, LOGIN = Events("order-completed"), Events("product-viewed"), Events("login")
BRAND = Property("brand", "item")


def is_(of: str | Property, *values: str, negated: bool = False) -> q.Filter:
    return q.Filter((Property(of) if isinstance(of, str) else of,), q.Text("is", values, negated))


def last(days: int) -> Window:
    return Window(q.Rolling(Span(days, "day")))


NIKE = is_(BRAND, "Nike")
ORDERED_NIKE = replace(ORDER, where=(NIKE,))
EXAMPLES = {
    "did": Query(did(replace(ORDERED_NIKE, window=last(30)))),
    "never": Query(q.all_of(did(VIEW), did(ORDER, NEVER)), q.CountUsers()),
    "one_pass": Query(
        q.all_of(q.Has(q.Spend(ORDER), Bound(">", 500)), did(replace(ORDER, window=last(30)))),
        q.Users(
            (q.AttributeColumn("city"), q.MeasureColumn(q.Spend(ORDER)), q.MomentColumn("last", ORDER)),
            q.Order(q.MeasureColumn(q.Spend(ORDER)), descending=True),
            10,
        ),
    ),
    "one_line_item": Query(did(replace(ORDER, where=(NIKE, is_("coupon", "SAVE10")))), q.CountEvents(ORDERED_NIKE)),
    "from_date": Query(did(replace(ORDER, where=(q.FromDate("signup_date", "from", q.Span(7, "day")),)))),
    "led_up": Query(q.LedUp(LOGIN, Bound(">=", 3), ORDER, first=True)),
    "basket": Query(did(replace(ORDER, where=(q.Basket(Bound("<", 3)), q.EveryItem((NIKE,)))))),
    "json": Query(did(replace(LOGIN, where=(is_("device.kind", "7", "mobile"),)))),
    "attributes": Query(
        q.all_of(
            q.negated(q.Attribute(("city", "state"), q.Text("is", ("Pune",)))),
            q.Attribute(("tags",), q.Text("is", ("vip",))),
        )
    ),
    "then_within": Query(q.Sequence((Step(VIEW), Step(ORDER)), Span(7, "day"))),
    "then_then": Query(q.Sequence((Step(VIEW), Step(LOGIN), Step(ORDER)), Span(14, "day"))),
    "then_not_within": Query(q.Sequence((Step(VIEW), Step(ORDER, absent=True)), Span(7, "day"))),
    "then_not": Query(q.Sequence((Step(VIEW), Step(ORDER, absent=True)), same=Property("product_id", "item"))),
    "several": Query(
        q.Several(Bound(">=", 2), (did(ORDERED_NIKE), did(replace(ORDER, where=(is_(BRAND, "Puma"),))), did(LOGIN)))
    ),
    "favourite": Query(q.Favourite(ORDER, BRAND, ("Nike",))),
    "top_percent": Query(q.Rank(q.Spend(ORDER), 10, percent=True, among=q.Attribute(("tier",), q.Known(True)))),
    "above_mean": Query(q.Versus(q.Spend(ORDER), ">", q.MeanOverContacts(q.Spend(ORDER)), 150)),
    "weekends": Query(did(replace(LOGIN, window=Window(weekdays=(6, 7), hours=(1320, 360))))),
    "blocks": Query(q.Has(q.ActiveBlocks(LOGIN, "week", 4), Bound(">=", 3))),
    "by_brand": Query(q.Attribute(("tier",), q.Text("is", ("gold",))), q.EventBreakdown(BRAND, ORDER, True, 5)),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    zone = NEW_YORK if name == "weekends" else UTC_ZONE
    sql = spell(plan(EXAMPLES[name], NOW, zone, LAYOUT), lambda node: type(node).__name__) + "\n"
    path = GOLDEN / f"{name}.sql"
    if pytestconfig.getoption("--golden"):
        path.write_text(sql)
    assert sql == path.read_text()


IN_ORDER = {
    "states": (replace(COMPACTED, rest=True), Query(q.Has(q.Spend(ORDER), Bound(">", 500)))),
    "states_alone": (COMPACTED, Query(q.all_of(did(ORDER, NEVER), q.Extreme("last", Events(None), last(60), ())))),
    "then_not_states": (COMPACTED, EXAMPLES["then_not_within"]),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_golden_after_compaction(name: str, pytestconfig: pytest.Config) -> None:
    ordered, query = IN_ORDER[name]
    sql = spell(plan(query, NOW, UTC_ZONE, replace(LAYOUT, ordered=ordered))) + "\n"
    path = GOLDEN / f"{name}.sql"
    if pytestconfig.getoption("--golden"):
        path.write_text(sql)
    assert sql == path.read_text()


# ── decisions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def parts(condition: q.Condition, output: q.Output | None = None) -> list[str]:
    planned = plan(Query(condition, output or q.CountUsers()), NOW, UTC_ZONE, LAYOUT)
    return [type(part).__name__ for part in planned.parts]


def test_measures_over_the_same_rows_are_one_pass() -> None:
    spend, some = q.Has(q.Spend(ORDER), Bound(">", 9)), q.Has(q.Count(ORDER), Bound(">", 2))
    assert parts(q.all_of(spend, some, did(replace(ORDER, window=last(9))))) == ["Group"]
    assert parts(q.all_of(spend, q.Extreme("last", ORDER, last(9), (is_("coupon", "A"),)))) == ["Group"]
    assert parts(q.Everyone(), q.Users((q.MeasureColumn(q.Spend(ORDER)), q.MomentColumn("first", ORDER)))) == ["Group"]
    assert parts(q.all_of(spend, q.Has(q.Count(LOGIN), Bound(">", 2)))) == ["Group", "Group"]


def test_did_is_a_set_where_no_pass_is_made() -> None:
    assert parts(q.all_of(did(ORDER), did(VIEW, NEVER))) == ["Doers", "Doers"]
    assert parts(q.any_of(did(ORDER), q.all_of(did(ORDER), did(VIEW)))) == ["Doers", "Doers"], "equal sets are one"


def test_states_serve_what_they_have_counted() -> None:
    compacted = replace(LAYOUT, ordered=COMPACTED)

    def kinds(condition: q.Condition, now: datetime = NOW) -> list[str]:
        return [type(part).__name__ for part in plan(Query(condition), now, UTC_ZONE, compacted).parts]

    spend = q.Has(q.Spend(ORDER), Bound(">", 9))
    assert kinds(q.all_of(spend, q.Has(q.Count(ORDER), Bound(">", 2)), did(VIEW, NEVER))) == ["States", "States"]
    assert kinds(q.Has(q.Elapsed("last", Events(None), "day"), Bound(">", 60))) == ["States"]
    assert kinds(did(replace(ORDER, window=last(9)))) == ["Doers"], "a window is not counted"
    assert kinds(did(replace(ORDER, where=(is_("coupon", "A"),)))) == ["Doers"], "nor is a filter"
    assert kinds(q.all_of(spend, did(replace(ORDER, window=last(9))))) == ["Group"], "one pass serves both"
    assert kinds(spend, COMPACTED.horizon.replace(tzinfo=UTC)) == ["States"]
    assert kinds(spend, datetime(2026, 3, 31, 16, tzinfo=UTC)) == ["Group"], "what is still to come was counted"


def test_a_sequence_starts_at_its_rarer_end() -> None:
    def shape(*steps: Events, unit: q.Unit = "day") -> str:
        part = plan(Query(q.Sequence(tuple(map(Step, steps)), Span(1, unit))), NOW, UTC_ZONE, LAYOUT).parts[0]
        assert isinstance(part, p.Chain)
        return part.shape

    assert shape(VIEW, LOGIN, ORDER) == "previous"
    assert shape(ORDER, LOGIN, VIEW) == "next"
    assert shape(VIEW, ORDER, unit="month") == "next", "no instant is sure to be a month after another"


def test_each_predicate_keeps_its_node() -> None:
    condition = q.all_of(did(ORDER), q.Has(q.Count(LOGIN), Bound(">", 2)))
    assert isinstance(condition, q.All)
    test = plan(Query(condition), NOW, UTC_ZONE, LAYOUT).population.test
    assert isinstance(test, p.Both)
    assert tuple(part.node for part in test.of) == condition.of


def test_a_zone_that_never_changes_is_an_offset() -> None:
    found = [plan(Query(did(LOGIN)), NOW, zone, LAYOUT) for zone in (UTC_ZONE, KOLKATA, NEW_YORK)]
    assert [(each.zone, each.offset is None) for each in found] == [
        (None, True),
        ("Asia/Kolkata", False),
        ("America/New_York", True),
    ]


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (q.Users(), "users"),
        (q.CountUsers(), "count"),
        (q.CountEvents(ORDER), "count"),
        (q.Percentage(q.Everyone()), "percentage"),
        (q.Value("total", q.Spend(ORDER)), "value"),
        (q.Pooled("average", ORDER, q.ORDER_VALUE), "value"),
        (q.AttributeBreakdown("city"), "breakdown"),
        (q.EventBreakdown(BRAND, ORDER), "breakdown"),
        (q.ItemBreakdown("units", BRAND, ORDER), "breakdown"),
        (q.TimeBreakdown("month", ORDER), "breakdown"),
        (q.Rows((q.Row("all", q.Everyone()),)), "breakdown"),
    ],
)
def test_kinds(output: q.Output, kind: str) -> None:
    assert kind_of(Query(q.Everyone(), output)) == kind


def test_what_is_not_answered_is_named() -> None:
    with pytest.raises(StorageError, match="no segment"):
        plan(Query(q.any_of(did(ORDER), q.Member("gold"))), NOW, UTC_ZONE, LAYOUT)
    gold = {"gold": Saved(1, "Gold", did(ORDER), False, ())}
    with pytest.raises(StorageError, match="has no time"):
        plan(Query(q.Member("gold", "in", last(3))), NOW, UTC_ZONE, LAYOUT, gold)
    with pytest.raises(Unsupported, match="Sequence") as found:
        plan(Query(q.Sequence((Step(ORDER, absent=True), Step(VIEW)))), NOW, UTC_ZONE, LAYOUT)
    assert isinstance(found.value, StorageError)


# ── a phonebook to ask ────────────────────────────────────────────────────────────────────────────────────────────


def happened(
    name: str, who: str, at: str, context: dict[str, Any] | None = None, /, **properties: Any
) -> dict[str, Any]:
    return {
        "event_name": name,
        "visitor_id": who,
        "event_timestamp": at,
        "event_properties": properties,
        "context": context or {},
    }


def line(product: str, brand: str | None = None, price: Any = "10", quantity: Any = None) -> dict[str, Any]:
    found = {"product_id": product, "brand": brand, "price": price, "quantity": quantity}
    return {key: value for key, value in found.items() if value is not None}


CONTACTS: list[dict[str, Any]] = [
    {
        "visitor_id": "ann",
        "city": "Pune",
        "age": 30,
        "tags": ["VIP", "new"],
        "born": "1992-02-29",
        "joined": "2026-03-30",
    },
    {
        "visitor_id": "bob",
        "city": " pune",
        "age": "9",
        "tags": [],
        "born": "1990-12-31",
        "joined": "2026-03-30T20:00:00Z",
    },
    {"visitor_id": "cat", "city": "PUNE", "tags": "vip", "note": "it's"},
    {"visitor_id": "dan", "city": "  ", "age": "n/a"},
    {"visitor_id": "eve", "city": "Delhi", "age": 100},
]
EVENTS = [
    # two instants a microsecond apart, and two that are one
    happened("product-viewed", "ann", "2026-03-01 10:00:00.000001", product_id="p1", brand="Nike"),
    happened(
        "order-completed",
        "ann",
        "2026-03-01 10:00:00.000002",
        order_id="o1",
        total="1,000",
        products=[line("p1", "nike ")],
    ),
    happened("product-viewed", "bob", "2026-03-01 10:00:00", product_id="p1"),
    happened(
        "order-completed",
        "bob",
        "2026-03-01 10:00:00",
        order_id="o2",
        total=50,
        products=[line("p1"), line("p2", "Puma", 20, "3")],
    ),
    happened("order-refunded", "ann", "2026-03-02 10:00:00", order_id="O1 ", total=700, products=[line("p1")]),
    happened("order-refunded", "ann", "2026-03-03 10:00:00", order_id="o1", total=700, products=[line("p1")]),
    happened("order-refunded", "bob", "2026-03-03 10:00:00", order_id="o9", total=30, products=[line("p1")]),
    happened(
        "order-completed", "eve", "2026-03-28 20:00:00", order_id="o3", products=[line("p2", "Puma", "₹1,250.50", 2)]
    ),
    happened(
        "login", "ann", "2026-03-29 19:00:00", {"device": {"kind": "Mobile"}}, method=["sso", "Key"], minutes="1,200"
    ),
    happened("login", "bob", "2026-03-29 19:00:00", {"device.kind": "desktop"}, method="[sso]", minutes=" $5 "),
    happened("login", "cat", "2026-03-30 01:00:00", method=None, minutes="soon", seats=[{"no": "7A"}, {"no": "7B"}]),
    happened("login", "cat", "2026-03-31 18:00:00", method="", level=7.0),
    happened("login", "dan", "2026-03-31 18:00:00.000001", method="key"),  # later than now
]
STAMPED = [each | {"event_timestamp": each["event_timestamp"] + "+00:00"} for each in EVENTS]


@pytest.fixture(scope="module", params=["UTC", "Asia/Kolkata", "America/New_York"])
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    """One phonebook in three zones; its events are given in UTC."""
    store = Store.open(":memory:")
    found = store.phonebook("small", request.param)
    assert found.import_contacts(CONTACTS).failed == found.import_events(STAMPED).failed == 0
    yield found
    store.close()


def rows(book: Book, query: Query) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in book.answer(query, NOW).table.to_pylist()]


def who(book: Book, condition: q.Condition) -> str:
    return " ".join(row[0] for row in rows(book, Query(condition)))


def value(book: Book, output: q.Output, condition: q.Condition | None = None) -> Any:
    ((found,),) = rows(book, Query(condition or q.Everyone(), output))
    return found


def login(*where: q.EventFilter) -> Events:
    return replace(LOGIN, where=where)


def test_now_is_the_end(book: Book) -> None:
    assert who(book, did(LOGIN)) == "ann bob cat"
    assert who(book, did(LOGIN, NEVER)) == "dan eve"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (q.Sequence((Step(VIEW), Step(ORDER))), "ann"),
        (q.Sequence((Step(VIEW), Step(ORDER)), Span(1, "minute")), "ann"),
        (q.Sequence((Step(VIEW), Step(ORDER, absent=True))), "bob"),
        (q.Sequence((Step(VIEW), Step(ORDER, absent=True)), Span(1, "day")), "bob"),
        (q.Sequence((Step(VIEW), Step(ORDER)), same=Property("product_id", "item")), "ann"),
        (q.Sequence((Step(VIEW), Step(ORDER)), same=Property("product_id", "item"), ordered=False), "ann bob"),
        (q.Sequence((Step(VIEW), Step(ORDER)), Span(1, "minute"), BRAND, ordered=False), "ann"),
        (q.Sequence((Step(VIEW), Step(ORDER), Step(LOGIN, absent=True)), Span(28, "day")), "ann"),
        (q.Sequence((Step(VIEW), Step(ORDER), Step(LOGIN, absent=True)), Span(29, "day")), ""),
        (q.Sequence((Step(Events(None)), Step(LOGIN)), Span(1, "hour"), from_first=True), ""),
        (q.Sequence((Step(LOGIN, absent=True),)), "dan eve"),
    ],
)
def test_later_is_strictly_later(book: Book, condition: q.Condition, found: str) -> None:
    assert who(book, condition) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (is_("method", "KEY"), "ann"),  # an element of a list; dan's is later than now
        (is_("method", "[sso]"), "bob"),  # a text that looks like a list
        (is_("method", "key", negated=True), "bob"),  # of ann's list, one is it; null and blank are no values
        (q.Filter((Property("method"),), q.Known(False)), "cat"),
        (q.Filter((Property("minutes"),), q.Numeric(Bound(">=", 1200))), "ann"),
        (is_("minutes", "1200.0"), "ann"),
        (is_("minutes", "soon", "5"), "bob cat"),
        (is_(Property("device.kind", "context"), "mobile", "Desktop"), "ann bob"),
        (is_("seats.no", "7b"), "cat"),
        (q.Filter((Property("level"),), q.Text("ends with", ("7",))), "cat"),  # 7.0 reads "7"
        (q.Filter((Property("nothing"),), q.Known(False)), "ann bob cat"),
        (is_("nothing", "x", negated=True), ""),
    ],
)
def test_properties_in_json(book: Book, where: q.Filter, found: str) -> None:
    assert who(book, did(login(where))) == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (q.Attribute(("city",), q.Text("is", ("pune",))), "ann bob cat"),
        (q.negated(q.Attribute(("city",), q.Text("is", ("pune",)))), "dan eve"),
        (q.Attribute(("city",), q.Text("is", ("pune",), negated=True)), "eve"),
        (q.Attribute(("city", "note"), q.Known(False)), "ann bob dan eve"),
        (q.Attribute(("tags",), q.Text("is", ("vip",))), "ann cat"),
        (q.Attribute(("tags",), q.Known(True)), "ann cat"),
        (q.Attribute(("note",), q.Text("has word", ("its",))), "cat"),
        (q.Attribute(("visitor_id",), q.Text("contains", ("A",))), "ann cat dan"),
        (q.Age("age", Bound(">", 8)), "ann bob eve"),
        (q.Age("born", Bound("=", 34), from_birth=True), "ann"),
        (q.Birthday("born", q.Calendar("month", 1)), "ann"),  # on 28 February this year
        (q.Birthday("born", q.Dates(date(2025, 12, 20), date(2026, 1, 5))), "bob"),
        (q.Rank(q.AttributeNumber("age"), 2), "eve ann"),
        (q.Rank(q.AgeInYears("born"), 1), "bob"),
        (q.Has(q.AgeInYears("born"), Bound("=", 34)), "ann"),
        (q.Rank(q.AttributeNumber("age"), 34, percent=True, bottom=True), "bob ann"),  # 34 % of 3, rounded up
    ],
)
def test_attributes(book: Book, condition: q.Condition, found: str) -> None:
    assert who(book, condition) == found


def test_days_of_values_are_of_the_zone(book: Book) -> None:
    """20:00 UTC on the 30th is the 31st in Kolkata; a date without a time is a day everywhere."""
    joined = q.Attribute(("joined",), q.During(Window(q.Dates(date(2026, 3, 30), date(2026, 3, 30)))))
    assert who(book, joined) == ("ann" if book.zone == "Asia/Kolkata" else "ann bob")


def test_the_present_month_of_a_value_ends_today() -> None:
    during = q.Attribute(("city",), q.During(Window(q.Calendar("month", 0))))
    test = plan(Query(during), NOW.replace(day=9), UTC_ZONE, LAYOUT).population.test
    assert isinstance(test, p.Passes)
    ((_, check),) = test.test.of
    assert isinstance(check, p.Dated)
    assert (check.first, check.last) == (date(2026, 3, 1), date(2026, 3, 9))


def test_weekdays_and_hours_are_of_the_zone(book: Book) -> None:
    """29 March 2026, 19:00 UTC: a Sunday evening, afternoon in New York, and Monday 00:30 in Kolkata."""
    assert (
        who(book, did(replace(LOGIN, window=Window(weekdays=(7,)))))
        == {
            "UTC": "ann bob",
            "Asia/Kolkata": "",
            "America/New_York": "ann bob cat",
        }[book.zone]
    )
    assert (
        who(book, did(replace(LOGIN, window=Window(weekdays=(1,), hours=(1320, 60)))))
        == {
            "UTC": "",
            "Asia/Kolkata": "ann bob",
            "America/New_York": "",
        }[book.zone]
    )


def test_money(book: Book) -> None:
    spend = q.Users((q.MeasureColumn(q.Spend(ORDER)), q.MeasureColumn(q.Spend(ORDER, net=True))))
    assert rows(book, Query(did(ORDER), spend)) == [
        ("ann", 1000.0, 0.0),  # two refunds of one order: no more than it was worth
        ("bob", 50.0, 20.0),  # an order that is not known has no cap
        ("eve", 2501.0, 2501.0),  # no total: its items
    ]
    assert who(book, q.Has(q.Spend(replace(ORDER, where=(is_(BRAND, "puma"),))), Bound("=", 60, 2501))) == "bob eve"
    assert value(book, q.Pooled("total", ORDER, Property("price", "item"))) == 10 + 10 + 20 + 1250.5
    assert value(book, q.Value("average", q.Spend(ORDER))) == 3551 / 5
    assert value(book, q.Value("average", q.Aggregate("highest", ORDER, q.ORDER_VALUE))) == 3551 / 3
    assert value(book, q.Value("total", q.Spend(ORDER)), did(Events("unheard of"))) == 0
    assert value(book, q.Value("average", q.Spend(ORDER)), did(Events("unheard of"))) is None


def test_line_items(book: Book) -> None:
    assert who(book, q.Has(q.Quantity(ORDER), Bound(">=", 2))) == "bob eve"
    assert who(book, did(replace(ORDER, where=(q.Basket(Bound("=", 4)),)))) == "bob"
    assert who(book, did(replace(ORDER, where=(q.Basket(Bound(">=", 2), "product_id"),)))) == "bob"
    assert who(book, did(replace(ORDER, where=(is_(BRAND, "puma"), is_(Property("product_id", "item"), "p1"))))) == ""
    assert who(book, did(replace(ORDER, where=(q.EveryItem((q.Filter((BRAND,), q.Known(True)),)),)))) == "ann eve"
    assert who(book, did(replace(LOGIN, where=(q.Basket(Bound("<", 1)),)))) == "ann bob cat", "no items: none held"
    assert (
        value(book, q.CountEvents(replace(ORDER, where=(q.Filter((Property("price", "item"),), q.Known(True)),)))) == 3
    )


def test_a_value_goes_by_its_most_frequent_spelling(book: Book) -> None:
    assert rows(book, Query(q.Everyone(), q.AttributeBreakdown("city"))) == [("Delhi", 1), ("PUNE", 3), ("unknown", 1)]
    assert rows(book, Query(q.Everyone(), q.AttributeBreakdown("city", True, 1))) == [("PUNE", 3)]
    assert rows(book, Query(q.Everyone(), q.AttributeBreakdown("tags"))) == [("new", 1), ("VIP", 2), ("unknown", 3)]
    by_brand = q.EventBreakdown(BRAND, ORDER)
    assert rows(book, Query(q.Everyone(), by_brand)) == [("nike", 1), ("Puma", 2), ("unknown", 1)]
    assert rows(book, Query(q.Everyone(), q.ItemBreakdown("units", BRAND, ORDER))) == [
        ("nike", 1),
        ("Puma", 5),
        ("unknown", 1),
    ]
    assert rows(book, Query(q.Everyone(), q.ItemBreakdown("spend", BRAND, ORDER, True, 1))) == [("Puma", 2561)]
    by_method = q.EventBreakdown(Property("method"), LOGIN)
    assert rows(book, Query(q.Everyone(), by_method)) == [("[sso]", 1), ("Key", 1), ("sso", 1), ("unknown", 1)]


def test_missing_values_are_last_and_numbers_are_numbers(book: Book) -> None:
    age = q.AttributeColumn("age")
    for descending, found in ((False, "bob ann eve dan cat"), (True, "eve ann bob dan cat")):
        listed = rows(book, Query(q.Everyone(), q.Users((), q.Order(age, descending))))
        assert " ".join(row[0] for row in listed) == found
    listed = rows(book, Query(q.Everyone(), q.Users((), q.Order(q.MomentColumn("last", LOGIN)), 2)))
    assert listed == [("ann",), ("bob",)]


def test_columns_have_names_of_their_own(book: Book) -> None:
    columns = (
        q.AttributeColumn("city"),
        q.AttributeColumn("visitor_id"),
        q.MeasureColumn(q.Count(ORDER)),
        q.MeasureColumn(q.Count(replace(ORDER, window=last(30)))),
        q.MeasureColumn(q.Spend(ORDER)),
        q.MomentColumn("last", ORDER),
        q.MeasureColumn(q.Aggregate("average", ORDER, q.ORDER_VALUE)),
    )
    table = book.answer(Query(did(ORDER), q.Users(columns)), NOW).table
    assert table.column_names == [
        "visitor_id",
        "city",
        "order_completed_count",
        "order_completed_count_2",
        "spend",
        "last_order_completed",
        "average_order_value",
    ]
    assert table.to_pylist()[0]["last_order_completed"] == datetime(2026, 3, 1, 10, 0, 0, 2, tzinfo=UTC)


def test_percentages(book: Book) -> None:
    assert value(book, q.Percentage(did(LOGIN)), did(ORDER)) == pytest.approx(200 / 3)
    assert value(book, q.Percentage(did(Events("unheard of")))) is None


def test_rows_keep_their_order_and_labels(book: Book) -> None:
    compared = q.Rows((q.Row("z", did(ORDER)), q.Row("a", did(LOGIN, NEVER)), q.Row("z", q.Everyone())))
    assert rows(book, Query(q.Everyone(), compared)) == [("z", 3), ("a", 2), ("z", 5)]


def test_parts_of_time_come_in_order_and_in_the_zone(book: Book) -> None:
    told = oracle.World(CONTACTS, STAMPED, NOW, book.zone)
    for part in get_args(q.TimePart):
        for output in (q.TimeBreakdown(part, Events(None)), q.TimeBreakdown(part, ORDER, "contacts")):
            query = Query(did(LOGIN), output)
            assert rows(book, query) == list(told.answer(query).breakdown.items())


def test_a_share_of_many_active_days(book: Book) -> None:
    """A count of bits is a tiny integer, which 90 times itself would not fit."""
    days = q.ActivePeriods(Events(None, window=last(30)), "day")
    assert who(book, q.Versus(days, ">", days, 90)) == who(book, q.Has(days, Bound(">", 0)))


@pytest.mark.parametrize("which", ["first", "last"])
def test_any_of_the_events_at_one_instant_may_be_the_extreme(book: Book, which: Literal["first", "last"]) -> None:
    at_once = q.Extreme(
        which, Events(None, (), Window(q.Dates(date(2026, 3, 1), date(2026, 3, 1)))), has=(is_("order_id", "o2"),)
    )
    assert who(book, at_once) == "bob"


def test_every_unit_that_a_window_touches(book: Book) -> None:
    since = q.Between(q.Edge(q.Dates(date(2026, 3, 28), date(2026, 3, 28)), "start"), None)
    every_day = q.EveryPeriod(LOGIN, "day")
    assert who(book, replace(every_day, events=replace(LOGIN, window=Window(since)))) == ""
    days = tuple({date(2026, 3, 29 if book.zone == "America/New_York" else 30).isoweekday(), 2})
    kept = Window(q.Between(q.Edge(q.Dates(date(2026, 3, 29), date(2026, 3, 29)), "start"), None), tuple(sorted(days)))
    assert who(book, replace(every_day, events=replace(LOGIN, window=kept))) == "cat", "other weekdays are not asked of"
    assert who(book, every_day) == "", "a window without a start has no end of units"


NASTY = (
    "'",
    "''; DROP TABLE p1.event; --",
    "\\'",
    '"',
    "*/",
    "/*",
    "%",
    "_",
    "$.a",
    "a\x00b",
    "\ud800",
    "",
    " ",
    "*",
    "a\nb",
    "😀",
)


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_no_value_or_name_leaves_its_literal(text: str) -> None:
    store = Store.open(":memory:")
    book = store.phonebook("small")
    usable = text not in ("\ud800", "", " ")
    book.import_contacts([{"visitor_id": "a", **({text: text} if usable else {})}, {"visitor_id": "b"}])
    events = [happened("login", "a", "2026-03-01 10:00:00", {}, **({text: text} if usable else {}))]
    assert book.import_events(events).failed == 0
    found = "a" if usable else ""
    assert who(book, did(login(is_(text, text)))) == found
    assert who(book, q.Attribute((text,), q.Text("contains", (text,)))) == found
    assert who(book, q.Attribute((text,), q.Text("has word", (text,)))) in ("", found)
    assert who(book, did(Events(text))) == ""
    assert rows(book, Query(q.Everyone(), q.Rows((q.Row(text, q.Everyone()),))))[0][1] == 2
    assert (
        len(rows(book, Query(q.Everyone(), q.Users((q.AttributeColumn(text),), q.Order(q.AttributeColumn(text)))))) == 2
    )
    store.close()


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, float("inf"), float("nan"), 10**30, 0.1, -7, 1e-9])
def test_any_number_can_be_asked(book: Book, number: q.Number) -> None:
    below = who(book, q.Has(q.Spend(ORDER), Bound("<", number)))
    assert below == ("ann bob cat dan eve" if number > 9999 else "cat dan" if 0 < number < 1 else below)
    assert who(book, did(login(q.Filter((Property("minutes"),), q.Numeric(Bound("=", number)))))) == ""
    assert who(book, q.Rank(q.Spend(ORDER), number, percent=True)) in ("", "eve", "eve ann bob")


@pytest.mark.parametrize("unit", ["minute", "day", "month", "year"])
def test_no_span_is_too_long(book: Book, unit: q.Unit) -> None:
    ages = Span(10**12, unit)
    assert who(book, q.Sequence((Step(VIEW), Step(ORDER)), ages)) == "ann"
    assert who(book, q.Sequence((Step(VIEW), Step(ORDER, absent=True)), ages)) == "bob"
    assert who(book, q.CameBack(ages)) == ""
    assert who(book, did(replace(LOGIN, window=Window(q.Rolling(ages))))) == "ann bob cat"
    assert who(book, q.Rank(q.Spend(ORDER), 10**30)) == "eve ann bob"
    assert who(book, q.Has(q.ActiveBlocks(LOGIN, unit, 10**12), Bound(">", 1))) == (
        "cat" if unit in ("minute", "day") else ""
    )
    assert len(rows(book, Query(q.Everyone(), q.Users(limit=10**30)))) == 5


def test_comments_cannot_be_left() -> None:
    sql = spell(plan(Query(did(ORDER)), NOW, UTC_ZONE, LAYOUT), lambda _: "a */ ; DROP /* b")
    assert sql.count("*/") == 1
