"""Random small worlds (contacts and events that the loader takes) and random canonical queries about them.

A world is made from a seed alone, so that a failing one can be named; a query is drawn node by node, so that hypothesis
shrinks it. A world is narrow on purpose: few event types, few spans of time, events on the very edges of those spans,
at one instant with others, as far apart as the spans are long; else a query would hardly ever tell "<" from "<=".
Numbers are multiples of a quarter: sums are then exact in any order, and the two sides must agree exactly.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import oracle
from hypothesis import strategies as st

from grammar import query as q
from grammar.vocabulary import EventType, Holds, Key, KeyLevel, StaticVocabulary, Value

T = TypeVar("T")
Kind: TypeAlias = Callable[[], tuple[str, dict[str, Any]]]  # makes an event's name and its properties

ZONES = ("UTC", "Asia/Kolkata", "America/New_York")

# Nows: an ordinary one, ends of months and of a leap February, the hours around both daylight-saving changes, midnight.
NOWS = (
    "2026-03-31T18:00:00",
    "2026-02-28T09:30:00",
    "2024-02-29T12:00:00",
    "2026-03-09T08:15:00",
    "2025-11-03T00:30:00",
    "2026-01-01T00:00:00",
    "2025-07-14T23:59:59",
)


SPANS: tuple[tuple[int, q.Unit], ...] = (
    (30, "day"),
    (7, "day"),
    (1, "day"),
    (90, "day"),
    (1, "week"),
    (2, "week"),
    (48, "hour"),
    (90, "minute"),
    (1, "month"),
    (3, "month"),
    (1, "quarter"),
    (1, "year"),
)


@dataclass(frozen=True)
class World:
    """One phonebook's contacts and events as they are handed in, when it is now, and where."""

    contacts: list[dict[str, Any]] = field(repr=False)
    events: list[dict[str, Any]] = field(repr=False)
    now: datetime
    zone: str
    spans: tuple[q.Span, ...]  # those that questions are likely to be about
    seed: int

    def only(self, contacts: list[dict[str, Any]], events: list[dict[str, Any]]) -> World:
        return replace(self, contacts=contacts, events=events)


def worlds() -> st.SearchStrategy[World]:
    """Any world."""
    return st.integers(0, 2**32 - 1).map(world)


# ── worlds ────────────────────────────────────────────────────────────────────────────────────────────────────────


PRODUCTS: tuple[dict[str, Any], ...] = (
    {
        "product_id": "P1",
        "name": "Red Shirt",
        "brand": "Nike",
        "category": "Shirts",
        "variant": "XL",
        "price": "₹1,299.00",
    },
    {
        "product_id": "P2",
        "name": "Blue Jeans",
        "brand": "Levi's",
        "category": "Denim",
        "made": {"in": "India"},
        "variant": "32",
        "price": "2499",
    },
    {"product_id": "P3", "name": "Running Shoes", "brand": "Puma", "category": "shoes", "price": 3499.5},
    {"product_id": "P4", "name": "Today", "brand": "nike ", "category": "Shoes", "sku": "S-4", "price": "450.25"},
    {"product_id": "P5", "name": "Salt and Pepper", "brand": "Tata", "category": "Grocery", "price": "Rs. 55"},
    {"product_id": "P6", "name": 'The 12" Pan', "brand": "", "category": "Kitchen", "price": "ask us"},
    {"product_id": "P7", "name": "Gift Card", "price": "500"},
    {"product_id": 8, "name": " red shirt", "brand": "Puma", "category": "Shirts", "variant": "M", "price": 899},
)
CITIES = ("Pune", "Delhi", "New York", "Zürich", "ZÜRICH", "pune ")
PEOPLE = ("Priya Sharma", "Asha Rao", "Tom Hill", "Ravi Kumar", "Mei Lin", "Sam Stone")
METHODS = ("google", "password", "SSO", "Google")
TOPICS = ("billing", "Billing dispute", "bug", "how to")
PAGES = ("Pricing", "Home", "Contact Us", "About")


def world(seed: int) -> World:
    """The world of that number."""
    return _Maker(random.Random(seed), seed).world()


class _Maker:
    def __init__(self, rng: random.Random, seed: int) -> None:
        self.rng = rng
        self.seed = seed
        self.zone = rng.choice(ZONES)
        self.tz = ZoneInfo(self.zone)
        self.now = datetime.fromisoformat(rng.choice(NOWS)).replace(tzinfo=self.tz)
        self.clock = oracle.Clock(self.now, self.zone)
        self.spans = tuple(q.Span(*span) for span in rng.sample(SPANS, 3))
        self.instants: dict[str, list[datetime]] = defaultdict(list)
        self.orders: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.visitor = ""  # whose event is being made

    def world(self) -> World:
        contacts = [self.contact(number) for number in range(self.rng.choice((5, 8, 8, 12, 25)))]
        size = self.rng.choice((0, 50, 100, 100, 150, 150))
        some = self.rng.sample(contacts, k=max(1, len(contacts) * 4 // 5))  # a few contacts have no event at all
        kinds = self.kinds()
        events = [self.event(kinds, self.rng.choice(some)["visitor_id"]) for _ in range(size)]
        return World(contacts, events, self.now, self.zone, self.spans, self.seed)

    def maybe(self, of: dict[str, Any], share: float = 0.75) -> dict[str, Any]:
        """Some of these keys."""
        return {key: value for key, value in of.items() if self.rng.random() < share}

    def contact(self, number: int) -> dict[str, Any]:
        rng = self.rng
        born = date(rng.randint(1960, 2008), rng.randint(1, 12), rng.randint(1, 28))
        if rng.random() < 0.5:  # birthdays near now
            near = self.now.date() + timedelta(days=rng.choice((-1, 0, 1, 7, 8, 30, rng.randint(-3, 12))))
            born = date(self.now.year - rng.choice((18, 25, 30, 40)), near.month, min(near.day, 28))
        joined = self.now.date() - timedelta(days=rng.choice((0, 1, 6, 7, 29, 30, 31, 90, 365, rng.randint(0, 800))))
        attributes = {
            "name": rng.choice(PEOPLE),
            "email": f"{rng.choice(PEOPLE).split()[0].lower()}{number}@{rng.choice(('gmail.com', 'mail.example'))}",
            "city": rng.choice((*CITIES, "", None)),
            "country": rng.choice(("India", "India", "United States", "France")),
            "tier": rng.choice(("gold", "silver", "Gold", "bronze")),
            "gender": rng.choice(("female", "male")),
            "age": rng.choice((18, 25, "30", 34, 41, "65", 30)),
            "credit": rng.choice(("₹1,299.00", "450", 200, "none", "1,000.50", 0)),
            "birth_date": born.isoformat(),
            "signup_date": joined.isoformat(),
            "renewal": (self.now.date() + timedelta(days=rng.choice((-31, -8, -1, 0, 1, 3, 20)))).isoformat(),
            "marketing_opt_in": rng.choice((True, False, True, "true")),
            "tags": rng.choice((["vip"], ["vip", "student"], [], ["wholesale", "Student"])),
            "address": {"zip": rng.choice(("411001", "10001", "75 001")), "lift": rng.choice((True, False))},
        }
        return {"visitor_id": f"u{number:02d}", **self.maybe(attributes, 0.8)}

    def instant(self, visitor: str) -> datetime:
        """When an event is: often at the time of another, a span from it or from now, or at the edge of a day."""
        rng, now, mine = self.rng, self.clock.now, self.instants[visitor]
        kind = rng.random()
        span, sign = rng.choice(self.spans), rng.choice((-1, 1))
        nudge = rng.choice((0, 0, 0, -1, 1)) * rng.choice((timedelta(seconds=1), timedelta(microseconds=1)))
        if kind < 0.2 and mine:
            return rng.choice(mine)
        if kind < 0.35 and mine:
            at = self.clock.add(rng.choice(mine), span, sign) + nudge
        elif kind < 0.55:
            at = self.clock.add(now, span, -rng.choice((0, 1, 1, 1, 2, 3))) + nudge
        elif kind < 0.7:
            day = self.now.date() - timedelta(days=rng.choice((0, 1, 2, 7, 27, 30, 31, 59, 90)))
            hour = rng.choice((0, 0, 0, 6, 9, 12, 17, 18, 22))
            local = datetime(day.year, day.month, rng.choice((1, day.day)), hour, tzinfo=self.tz)
            at = local.astimezone(UTC) + nudge
        elif kind < 0.74:
            at = now + timedelta(seconds=rng.choice((1, 3600, 86400, 90 * 86400)))
        else:
            at = now - timedelta(seconds=int(86400 * rng.choice((3, 10, 35, 35, 100, 400)) * rng.random()))
        mine.append(at)
        return at

    def timestamp(self, visitor: str) -> str:
        at = self.instant(visitor)
        local = at.astimezone(self.tz)
        naive = local.replace(tzinfo=None)
        clear = {naive.replace(tzinfo=self.tz, fold=fold).astimezone(UTC) for fold in (0, 1)} == {at}
        if clear and at.microsecond == 0 and self.rng.random() < 0.7:
            return naive.isoformat(sep=" ")  # only where the local time means one instant
        return (at.astimezone(UTC) if self.rng.random() < 0.5 else local).isoformat()

    def item(self) -> dict[str, Any]:
        item = dict(self.rng.choice(PRODUCTS))
        item["quantity"] = self.rng.choice(("1", "2", 3, "1", "4", ""))
        item["coupon"] = self.rng.choice(("SAVE10", "FREE", ""))
        return {"product_id": item.pop("product_id"), **self.maybe(item, 0.85)}

    def items(self) -> list[dict[str, Any]]:
        return [self.item() for _ in range(self.rng.choice((1, 1, 2, 3)))]

    def event(self, kinds: Sequence[Kind], visitor: str) -> dict[str, Any]:
        rng = self.rng
        self.visitor = visitor
        name, properties = rng.choice(kinds)()
        event = {
            "event_name": name,
            "visitor_id": visitor,
            "event_properties": properties,
            "event_timestamp": self.timestamp(visitor),
        }
        context = self.maybe({"device": rng.choice(("mobile", "desktop")), "utm": {"source": rng.choice(METHODS)}})
        return {**event, "context": context} if context or rng.random() < 0.5 else event

    def kinds(self) -> Sequence[Kind]:
        """The kinds of events of this world, the likelier ones more than once."""
        rng = self.rng

        def one_product(name: str, **more: Any) -> Kind:
            return lambda: (name, {**self.item(), **more})

        def order() -> tuple[str, dict[str, Any]]:
            placed = {"order_id": f"O{sum(map(len, self.orders.values()))}", "products": self.items()}
            money = {
                "total": rng.choice((250, 1299.5, "2,499.00", 4000, 55)),
                "shipping": rng.choice((0, 49.5)),
                "coupon": rng.choice(("SAVE10", "FREE")),
                "currency": "INR",
            }
            mine = self.orders[self.visitor]
            mine.append({**placed, **self.maybe(money, 0.85)})
            return rng.choice(("order-completed", "order-completed", "Order Completed")), mine[-1]

        def after_order(name: str) -> Kind:
            def made() -> tuple[str, dict[str, Any]]:
                mine = self.orders[self.visitor]
                known = rng.choice(mine) if mine and rng.random() < 0.8 else {"products": self.items()}
                total = rng.choice((known.get("total", 100), 100, 750.25))
                return name, {**self.maybe({"order_id": known.get("order_id", "O99")}, 0.9), "total": total} | {
                    "products": known["products"]
                }

            return made

        def custom(name: str, of: Callable[[], dict[str, Any]]) -> Kind:
            return lambda: (name, self.maybe(of()))

        def booking() -> dict[str, Any]:
            leaves = self.now.date() + timedelta(days=rng.choice((-40, -8, -1, 0, 1, 20)))
            return {
                "hotel": rng.choice(("Ritz", "Sea and Sun", "ritz")),
                "price": rng.choice((99.5, "₹2,000.00", 400, "free")),
                "nights": rng.choice((1, 2, 3, "4")),
                "check_in": leaves.isoformat(),
                "booked_at": f"{leaves.isoformat()} 10:30:00",
                "refundable": rng.choice((True, False, "true")),
                "to": {"city": rng.choice(CITIES), "zone": rng.choice((1, 2))},
                "extras": rng.choice((["spa"], ["spa", "Gym"], [], None)),
            }

        listed = {"list_id": "L1", "category": rng.choice(("Shoes", "Kitchen"))}
        page = {"name": rng.choice(PAGES), "url": "https://shop.example/x", "channel": rng.choice(("web", "app"))}
        paid = {"order_id": f"O{rng.randint(0, 9)}", "payment_method": rng.choice(("Card", "Cash on Delivery"))}
        review = {"review_id": f"R{rng.randint(1, 5)}", "rating": rng.choice(("3", 4, "5"))}
        viewed, carted = one_product("product-viewed"), one_product("add-to-cart", cart_id="C1")
        refunded, cancelled = after_order("order-refunded"), after_order("order-cancelled")
        login = custom("login", lambda: {"method": rng.choice(METHODS), "sso": rng.choice((True, False))})
        hotel = custom("hotel-booked", booking)
        given = custom(
            "Gift Sent", lambda: {"product": rng.choice((self.item(), self.items())), "note": rng.choice(TOPICS)}
        )
        chat = custom(
            "support_chat", lambda: {"topic": rng.choice((*TOPICS, " ")), "minutes": rng.choice((5, 12.5, 40))}
        )
        paged: Kind = lambda: ("page-view", {"title": rng.choice(PAGES), **self.maybe(page)})  # noqa: E731
        rest: tuple[Kind, ...] = (
            one_product("product-clicked"),
            one_product("add-to-cart", cart_id="C2"),
            one_product("remove-from-cart", checkout_id="K1"),
            one_product("product-added-to-wishlist", **self.maybe({"wishlist_name": rng.choice(("Mine", "Gifts"))})),
            one_product("product-reviewed", **review),
            after_order("order-updated"),
            lambda: ("product-searched", {"query": rng.choice(("red shirt", "Shoes", "running shoes", "pan"))}),
            lambda: ("payment-info", self.maybe(paid)),
            lambda: ("product-list-viewed", {**self.maybe(listed), "products": self.items()}),
            paged,
            given,
            chat,
        )
        narrow: tuple[tuple[Kind, ...], ...] = (
            (order, order, order, refunded, cancelled),
            (viewed, viewed, carted, order, order),
            (login, login, login, hotel, hotel),
            (order, given, viewed, chat),
            (hotel, hotel, order, paged),
        )
        return (*rng.choice(narrow), *rng.sample(rest, k=rng.choice((0, 1, 2))))


# ── what a world holds: names and values ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Held:
    """A key and the values it was seen with, as they came (elements of lists one by one)."""

    key: Key
    values: list[Any] = field(repr=False)

    @cached_property
    def texts(self) -> list[str]:
        return sorted({str(one).strip() for one in self.values if isinstance(one, str | int | float) and not _odd(one)})

    @cached_property
    def numbers(self) -> list[float]:
        return sorted({amount for one in self.values if (amount := oracle.number(one)) is not None})


def _odd(value: Any) -> bool:
    return isinstance(value, bool) or oracle.missing(value)


class Names:
    """The names of a world, for those who ask and for those who read."""

    def __init__(self, of: World) -> None:
        self.world = of
        seen: dict[tuple[str | None, KeyLevel, str], list[Any]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        zone = ZoneInfo(of.zone)
        for contact in of.contacts:
            _collect(seen, None, "attribute", {key: value for key, value in contact.items() if key != "visitor_id"})
        for event in (oracle.read_event(one, zone) for one in of.events):
            self.counts[event.name] += 1
            about_one = event.name in oracle.ABOUT_ONE_PRODUCT
            inside = oracle.PRODUCT_KEYS if about_one else {"products", "product"}
            own = {key: value for key, value in event.properties.items() if key not in inside}
            _collect(seen, event.name, "event", own)
            _collect(seen, event.name, "context", event.context)
            for item in event.items:
                _collect(seen, event.name, "item", item)
        self.held: dict[str | None, list[Held]] = defaultdict(list)
        for (event_name, level, name), values in sorted(seen.items(), key=lambda pair: str(pair[0])):
            key = Key(name, level, event_name, frozenset(map(_holds, values)), len(values))
            self.held[event_name].append(Held(key, values))

    @cached_property
    def events(self) -> list[str]:
        return sorted(self.counts)

    def of(self, event: str | None, *levels: KeyLevel, holds: str | None = None) -> list[Held]:
        return [
            one
            for one in self.held[event]
            if one.key.level in levels and (holds is None or holds in one.key.holds) and "list" not in one.key.holds
        ]

    def attributes(self, *holds: str) -> list[Held]:
        return [one for one in self.held[None] if not holds or one.key.holds & set(holds)]


def _collect(
    seen: dict[tuple[str | None, KeyLevel, str], list[Any]], event: str | None, level: KeyLevel, of: dict[str, Any]
) -> None:
    for key, value in of.items():
        if isinstance(value, dict):
            _collect(seen, event, level, {f"{key}.{inner}": one for inner, one in value.items()})
        elif isinstance(value, list):
            seen[event, level, key] += [value, *value]
        elif value is not None:
            seen[event, level, key].append(value)


def _holds(value: Any) -> Holds:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, list):
        return "list"
    if oracle.number(value) is not None:
        return "number"
    return "text" if oracle.read_instant(value, ZoneInfo("UTC")) is None else "date"


TERM = "vip club"


def vocabulary_of(of: World) -> StaticVocabulary:
    """What a reader may look up in this world."""
    names = Names(of)
    values = [
        Value(held.key, str(text), count)
        for keys in names.held.values()
        for held in keys
        for text, count in Counter(one for one in held.values if isinstance(one, str) and one.strip()).items()
    ]
    types = [
        EventType(name, name in oracle.DEFAULT_EVENTS, count, tuple(held.key for held in names.held[name]))
        for name, count in names.counts.items()
    ]
    return StaticVocabulary(types, [held.key for held in names.held[None]], values, {TERM: term_of(names)})


def term_of(names: Names) -> q.Condition:
    """What the term means in this world."""
    return q.did(q.Events(names.events[0]), q.Bound(">=", 2)) if names.events else q.Everyone()


# ── queries ───────────────────────────────────────────────────────────────────────────────────────────────────────


def queries(of: World | Names, populations_only: bool = False) -> st.SearchStrategy[q.Query]:
    """Queries in canonical form over the names and values of a world; of contacts alone, if so asked."""
    return _queries(of if isinstance(of, Names) else Names(of), populations_only)


@st.composite
def _queries(draw: st.DrawFn, names: Names, populations_only: bool) -> q.Query:
    return _Asker(draw, names).query(populations_only)


class _Asker:
    """Draws one query. Every choice is one draw, the plainest first, so that shrinking simplifies."""

    def __init__(self, draw: st.DrawFn, names: Names) -> None:
        self.draw = draw
        self.names = names

    def pick(self, of: Sequence[T]) -> T:
        return of[0] if len(of) == 1 else of[self.draw(st.integers(0, len(of) - 1))]

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def some(self, of: Sequence[T], most: int) -> list[T]:
        """One to `most` different of them, in their own order."""
        size = min(len(of), 1 + self.draw(st.integers(0, most - 1)))
        kept = {self.draw(st.integers(0, len(of) - 1)) for _ in range(size)}
        return [of[i] for i in sorted(kept)]

    # the whole

    def query(self, populations_only: bool) -> q.Query:
        if not populations_only and self.chance(
            30
        ):  # what each contact has of a measure tells more than who has enough
            population = self.pick((q.Everyone(), self.attribute()))
            return q.Query(
                population, q.Users(tuple(q.MeasureColumn(self.measure()) for _ in range(self.pick((1, 2, 3)))))
            )
        population = self.condition(2)
        if populations_only or self.chance(50):
            return q.Query(population)
        return q.Query(population, self.output(), self.pick((None, None, "High value")))

    def output(self) -> q.Output:
        names = self.names
        labelled = [held for held in names.held[None] if held.key.name in ("city", "tier", "tags", "country", "gender")]
        choice = self.pick(range(13))
        if choice == 3:
            return q.CountUsers()
        if choice < 3:
            order = q.Order(self.column(True), self.chance(50)) if self.chance(60) else None
            limit = self.pick((None, 1, 3, 10))
            return q.Users(tuple(self.column(False) for _ in range(self.pick((0, 1, 2)))), order, limit)
        if choice == 4:
            return q.CountEvents(self.events())
        if choice == 5:
            return q.Percentage(self.condition(1))
        if choice == 6:
            return q.Value(self.pick(("total", "average", "highest", "lowest")), self.measure())
        if choice == 7:
            measure = self.aggregate()
            if isinstance(measure, q.Aggregate):
                return q.Pooled(measure.how, measure.events, measure.property)
        elif choice == 8 and labelled:
            return q.AttributeBreakdown(self.pick(labelled).key.name, *self.ranked())
        elif choice == 9:
            events = self.events()
            by = self.labels(events)
            if by:
                return q.EventBreakdown(self.pick(by), events, *self.ranked())
        elif choice == 11:
            events = self.events()
            by = self.labels(events)
            if by:
                return q.ItemBreakdown(self.pick(("units", "spend")), self.pick(by), events, *self.ranked())
        elif choice == 12:
            parts = ("day", "week", "month", "quarter", "year", "day of the week", "hour of the day")
            return q.TimeBreakdown(self.pick(parts), self.events(), self.pick(("events", "contacts")))
        elif choice == 10:
            rows = [q.Row(label, self.condition(1)) for label in ("ours", "theirs", "and the rest")]
            return q.Rows(tuple(rows[: self.pick((2, 3))]))
        return q.CountEvents(self.events())

    def ranked(self) -> tuple[bool, int | None]:
        return self.pick(((False, None), (True, None), (True, 2)))

    def column(self, sorts: bool) -> q.Column:
        plain = [held for held in self.names.held[None] if "list" not in held.key.holds]
        if sorts:  # an order by an attribute asks for one kind of value
            plain = [held for held in plain if held.key.name in ("name", "email", "birth_date", "signup_date", "age")]
        kind = self.pick(range(3))
        if kind == 0 and plain:
            return q.AttributeColumn(self.pick(plain).key.name)
        if kind == 1:
            return q.MomentColumn(self.pick(("first", "last")), self.events())
        return q.MeasureColumn(self.measure())

    # time

    def span(self) -> q.Span:
        return self.pick((*self.names.world.spans, *self.names.world.spans, q.Span(10, "day")))

    def fixed(self) -> q.Period:
        """A period with two ends that is named, not measured back from now."""
        today = self.names.world.now.date()
        kind = self.pick(range(3))
        if kind == 0:
            unit: q.Unit = self.pick(("day", "week", "month", "quarter", "year"))
            return q.Calendar(unit, self.pick((1, 2, 3)))
        if kind == 1:
            return self.pick(named(today))
        first = today - timedelta(days=self.pick((0, 1, 7, 31, 60, 120)))
        return q.Dates(first, min(first + timedelta(days=self.pick((0, 1, 30))), max(first, today)))

    def period(self) -> q.Period:
        kind = self.pick(range(10))
        if kind <= 3:
            return q.Rolling(self.span())
        if kind == 4:
            return q.Calendar(self.pick(("day", "week", "month", "quarter", "year")), 0)
        if kind == 5:
            return q.Ago(self.span(), self.chance(50))
        if kind == 6:
            near = self.span()
            return q.Stretch(q.Span(near.amount * self.pick((2, 3)), near.unit), near)
        if kind == 7:
            return self.between()
        if kind == 8:
            if self.chance(30):
                return q.Following(self.span(), self.fixed())
            return q.Preceding(self.span(), self.pick((q.Rolling(self.span()), self.fixed())))
        return self.fixed()

    def between(self) -> q.Between:
        kind, today = self.pick(range(6)), self.names.world.now.date()
        side = self.pick(("start", "end"))
        if kind < 3:
            edge = q.Edge(self.fixed(), side)
            return q.Between(edge, None) if kind < 2 else q.Between(None, edge)
        if kind == 3:
            return q.Between(q.Edge(self.pick(named(today)), side), q.Edge(self.pick(named(today)), "end"))
        dates = sorted(today - timedelta(days=self.pick((0, 20, 45, 100))) for _ in "ab")
        start, end = (q.Edge(q.Dates(day, day), side) for day, side in zip(dates, ("start", "end"), strict=True))
        return q.Between(start, end)

    def window(self, always: int = 50) -> q.Window:
        if not self.chance(100 - always):
            return q.ALWAYS
        weekdays = self.pick(((), (), (), (), (6, 7), (1, 2, 3, 4, 5), (1,)))
        hours = self.pick((None, None, None, None, (360, 720), (22 * 60, 360), (540, 1020), (18 * 60, 24 * 60)))
        period = None if (weekdays or hours) and self.chance(50) else self.period()
        return q.Window(period, weekdays, hours)

    # tests

    def bound(self, numbers: Sequence[q.Number]) -> q.Bound:
        value = _plain(self.pick(numbers))
        upper = _plain(self.pick(numbers))
        kind = self.pick((">=", ">", "<=", "<", "=", "between", "!="))
        if kind == "between":
            return q.Bound("=", min(value, upper), max(value, upper)) if value != upper else q.Bound("=", value)
        return q.Bound(kind, value)

    def test(self, held: Held, plain: bool = False) -> q.Test:
        holds = held.key.holds
        options: list[Callable[[], q.Test]] = []
        if held.texts and not holds & {"date", "boolean"}:
            options += [lambda: self.text(held.texts, bool(holds & {"number"}))] * 4
        if "number" in holds:
            options += [lambda: q.Numeric(self.bound(held.numbers))] * 4
        if "date" in holds:
            options += [lambda: q.During(q.Window(self.period()))] * 4
        if "boolean" in holds:
            options += [lambda: q.Truth(self.chance(70))] * 4
        options.append(lambda: q.Known(self.chance(60)))
        return options[0]() if plain else self.pick(options)()

    def text(self, texts: list[str], numeric: bool) -> q.Text:
        how = "is" if numeric else self.pick(("is", "is", "is", "contains", "starts with", "ends with", "has word"))
        values = self.some(texts, 2 if how == "is" else 1)
        if numeric and self.chance(60):  # the same numbers, written plainly
            values = [value if (n := oracle.number(value)) is None else str(_plain(n)) for value in values]
        if how == "has word":
            values = [self.pick([word for word in value.split() if word.isalnum()] or ["none"]) for value in values]
        elif how != "is":
            cut = {"contains": slice(1, 5), "starts with": slice(0, 3), "ends with": slice(-3, None)}[how]
            values = [value[cut].strip() or value for value in values]
        values = sorted({value.casefold() if self.chance(20) else value for value in values})
        return q.Text(how, tuple(values), negated=how in ("is", "contains") and self.chance(15))

    # events

    def filter(self, event: str | None, *levels: KeyLevel) -> q.Filter | None:
        keys = self.names.of(event, *levels)
        if event is None:
            keys = [held for name in self.names.events for held in self.names.of(name, "context")][:2]
        if event is not None and "event" in levels:
            keys += [held for held in self.names.held[event] if "list" in held.key.holds]
        if not keys:
            return None
        held = self.pick(keys)
        of = _property(held.key)
        if "list" in held.key.holds and held.texts:
            return q.Filter((of,), q.Text("is", tuple(self.some(held.texts, 2))))
        alike = [one for one in keys if one.key.name != held.key.name and set(one.texts) & set(held.texts)]
        test = self.test(held)
        if alike and isinstance(test, q.Text) and self.chance(20):
            return q.Filter(tuple(sorted((of, _property(self.pick(alike).key)), key=repr)), test)
        return q.Filter((of,), test)

    def where(self, event: str | None) -> tuple[q.EventFilter, ...]:
        parts: list[q.EventFilter] = []
        has_items = event is not None and bool(self.names.of(event, "item"))
        for _ in range(self.pick((0, 1, 1, 1, 2))):
            part = self.filter(event, *(("item",) if has_items and self.chance(60) else ("event", "item", "context")))
            if part is not None:
                parts.append(part)
        dates = self.names.attributes("date")
        if dates and self.chance(12):
            how = self.pick(("from", "from", "after", "before", "on the day of"))
            span = q.Span(self.pick((3, 30, 1)), self.pick(("day", "day", "week", "month", "hour")))
            within = None if how == "on the day of" or self.chance(30) else span
            parts.append(q.FromDate(self.pick(dates).key.name, how, within))
        if not has_items or not self.chance(40):
            return q.filters(*parts)
        kind = self.pick(range(7))
        one, other = self.filter(event, "item", "event"), self.filter(event, "item")
        if kind == 0 and one is not None and other is not None and one != other:
            parts.append(q.AnyFilter(tuple(sorted((one, other), key=repr))))
        elif kind == 1 and other is not None:
            parts.append(q.EveryItem((other,)))
        elif kind == 5 and other is not None:
            parts.append(q.SomeItem((other,)))
        elif kind == 6:
            shared = q.Property("product_id", "item") if self.chance(40) else q.Property("order_id")
            parts.append(q.Shares(shared, self.pick(self.names.events), self.chance(30)))
        elif kind in (2, 3):
            parts.append(q.Basket(self.bound((2, 3, 1, 5)), self.pick((None, None, "brand", "product_id"))))
            parts += [] if other is None or self.chance(40) else [other]
        elif event == "order-completed":
            parts.append(q.Filter((q.ORDER_VALUE,), q.Numeric(self.bound((1000, 250, 2499, 1299.5)))))
        return q.filters(*parts)

    def event(self, among: Sequence[str] = (), anything: int = 8) -> str | None:
        known = [name for name in among or self.names.events if name in self.names.counts]
        often = sorted(known, key=lambda name: (-self.names.counts[name], name))
        return None if not known or self.chance(anything) else self.pick([*often[:4], *often])

    def events(self, among: Sequence[str] = (), windows: int = 40, filters: int = 45, anything: int = 8) -> q.Events:
        event = self.event(among, anything)
        where = self.where(event) if self.chance(filters) else ()
        return q.Events(event, where, self.window(100 - windows))

    def labels(self, events: q.Events) -> list[q.Property]:
        """Properties that hold plain text, on which contacts or events can be told apart."""
        of = self.names.of(events.event, "event", "item", "context")
        return [
            _property(one.key) for one in of if one.texts and "text" in one.key.holds and "number" not in one.key.holds
        ]

    # measures

    def aggregate(self) -> q.Measure:
        events = self.events(anything=0)
        numeric = [_property(held.key) for held in self.names.of(events.event, "item", "event", holds="number")]
        if events.event == "order-completed":
            numeric.append(q.ORDER_VALUE)
        if not numeric:
            return q.Count(events)
        return q.Aggregate(self.pick(("total", "average", "highest", "lowest")), events, self.pick(numeric))

    def spend(self) -> q.Measure:
        if self.chance(60 if "order-refunded" in self.names.counts else 20):
            return q.Spend(q.Events("order-completed", (), self.window(40)), net=True)
        return q.Spend(self.events(("order-completed",), filters=30, anything=0))

    def measure(self) -> q.Measure:
        kind = self.pick((0, 3, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11))
        unit: q.Unit = self.pick(("day", "week", "month", "quarter", "year"))
        each = self.pick((1, 1, 1, 2))
        if kind == 3:
            with_items = [name for name in self.names.events if self.names.of(name, "item")]
            return q.Quantity(self.events(with_items, anything=0))
        if kind == 4:
            events = self.events(anything=0)
            if labels := self.labels(events):
                return q.Distinct(events, self.pick(labels))
            return q.Count(events)
        if kind in (5, 6):
            return self.aggregate()
        if kind == 7:
            return self.spend() if "order-completed" in self.names.counts else q.Count(self.events())
        if kind == 8:
            length: q.Unit = self.pick(("day", "week", "hour", "minute", "month", "quarter", "year"))
            return q.Elapsed(self.pick(("last", "first")), self.events(), length)
        if kind == 9:
            return q.ActivePeriods(self.events(filters=10), unit, each)
        if kind == 10:
            if self.chance(35):
                return q.LongestRun(self.events(filters=10), unit, each)
            block: q.Unit = self.pick(("week", "day", "month", "hour", "quarter"))
            of, calendar = self.pick((4, 3, 7)), block in ("week", "month") and self.chance(40)
            return q.ActiveBlocks(self.events(windows=0, filters=20, anything=25), block, of, each, calendar)
        if kind == 11 and self.chance(30):
            return q.AgeInYears("birth_date")
        if kind == 11:
            numeric = self.names.attributes("number")
            return q.AttributeNumber(self.pick(numeric).key.name) if numeric else q.Count(self.events())
        return q.Count(self.events())

    def usual(self, measure: q.Measure) -> Sequence[q.Number]:
        """Numbers that the measure often is near."""
        match measure:
            case q.Spend():
                return (1000, 250, 5000, 2499, 1299.5)
            case q.Aggregate(how, events, of):
                held = [one.numbers for one in self.names.held[events.event] if _property(one.key) == of]
                return [*(held[0] if held else (1000, 250, 2499)), *((5, 5000) if how == "total" else ())] or (1,)
            case q.Elapsed(_, _, unit):
                return {"day": (30, 7, 90), "week": (4, 1, 12), "hour": (48, 720), "minute": (90, 10000)}.get(
                    unit, (1, 3)
                )
            case q.AgeInYears():
                return (30, 18, 40, 25, 65)
            case q.AttributeNumber(name):
                return next(held.numbers for held in self.names.held[None] if held.key.name == name) or (1,)
        return (1, 2, 1, 3, 2, 5, 0)

    # conditions

    def condition(self, depth: int) -> q.Condition:
        kind = self.pick(range(11)) if depth else 0
        if kind <= 4:
            return self.leaf()
        if kind <= 6:
            other = self.pick((self.attribute, self.leaf, lambda: q.negated(self.leaf())))()
            return q.all_of(self.condition(depth - 1), other)
        if kind == 7:
            return q.any_of(self.condition(depth - 1), self.condition(0))
        if kind == 8:
            return q.negated(self.condition(depth - 1))
        if kind == 9:
            several = tuple(sorted({self.condition(0) for _ in range(3)}, key=repr))
            return q.Several(self.pick((q.Bound(">=", 2), q.Bound("=", 1), q.NEVER)), several)
        return q.Term(TERM, term_of(self.names))

    def leaf(self) -> q.Condition:
        options: tuple[tuple[int, Callable[[], q.Condition]], ...] = (
            (6, lambda: q.did(self.events())),
            (1, q.Everyone),
            (3, lambda: self.has(q.Count(self.events()))),
            (10, lambda: self.has(self.measure())),
            (10, self.attribute),
            (8, self.versus),
            (18, self.sequence),
            (6, self.led_up),
            (3, self.repeated),
            (8, self.extreme),
            (8, lambda: q.CameBack(self.span(), self.window())),
            (5, self.only),
            (5, self.every_period),
            (6, self.favourite),
            (5, self.age),
            (4, self.birthday),
            (8, self.rank),
        )
        return self.pick([made for weight, made in options for _ in range(weight)])()

    def has(self, measure: q.Measure) -> q.Condition:
        return q.Has(measure, self.bound(self.usual(measure)))

    def attribute(self) -> q.Condition:
        known = self.names.attributes()
        if not known:
            return q.Everyone()
        dated = [held for held in known if "date" in held.key.holds]
        held = self.pick(dated if dated and self.chance(30) else known)
        if held.key.name in ("city", "country") and self.chance(30):
            return q.Attribute(("city", "country"), q.Text("is", tuple(self.some(held.texts or ["Pune"], 2))))
        return q.Attribute((held.key.name,), self.test(held))

    def versus(self) -> q.Condition:
        comparison: q.Comparison = self.pick((">", "<", ">=", "<="))
        percent = self.pick((100, 100, 150, 50, 75))
        kind = self.pick(range(5))
        if kind == 0:
            events = self.events(windows=80)
            other = replace(events, window=self.window(20))
            return q.Versus(q.Count(events), comparison, q.Count(other), percent)
        if kind == 1:
            return q.Versus(q.Count(self.events()), comparison, q.Count(self.events()), percent)
        left = self.measure()
        if kind == 2:
            return q.Versus(left, comparison, q.MeanOverContacts(left), percent)
        if kind == 3:
            mine = self.aggregate()
            if isinstance(mine, q.Aggregate):
                if self.chance(50):
                    return q.Versus(mine, comparison, replace(mine, how="average"), percent)
                return q.Versus(mine, comparison, q.MeanOverEvents(mine.events, mine.property), percent)
        return q.Versus(left, comparison, self.measure(), percent)

    def sequence(self) -> q.Condition:
        size = self.pick((2, 2, 2, 3))
        with_items = [name for name in self.names.events if self.names.of(name, "item")]
        same = q.Property("product_id", "item") if with_items and self.chance(30) else None
        among = with_items if same else ()
        steps = [q.Step(self.events(among, 20, 20, 0 if same else 10)) for _ in range(size)]
        if self.chance(40):
            steps[-1] = replace(steps[-1], absent=True)
        within = self.span() if self.chance(60) else None
        if same is None:
            return q.Sequence(tuple(steps), within, from_first=within is not None and self.chance(40))
        if self.chance(30):
            return q.Sequence(tuple(steps), same=same, ordered=False)
        return q.Sequence(tuple(steps), within, same)

    def repeated(self) -> q.Condition:
        events = self.events(windows=20, filters=20, anything=0)
        labels = self.labels(events)
        bound = self.bound((2, 1, 3))
        return q.Repeated(events, self.pick(labels), bound) if labels else q.did(events, bound)

    def led_up(self) -> q.Condition:
        with_items = [name for name in self.names.events if self.names.of(name, "item")]
        same = q.Property("product_id", "item") if with_items and self.chance(30) else None
        among = with_items if same else ()
        counted, to = (self.events(among, 30, 20, 0 if same else 10) for _ in range(2))
        return q.LedUp(counted, self.bound((1, 2, 3)), to, self.chance(50), same)

    def extreme(self) -> q.Condition:
        events = self.events(windows=20, filters=20)
        has = self.where(events.event) if self.chance(50) else ()
        during = self.window(50 if has else 0)
        return q.Extreme(self.pick(("first", "last")), events, during, has)

    def only(self) -> q.Condition:
        events = self.events(windows=20, filters=20, anything=0)
        has = self.where(events.event) or self.where(events.event)
        return q.Only(events, has) if has else q.did(events)

    def every_period(self) -> q.Condition:
        windows: tuple[tuple[q.Period, q.Unit], ...] = (
            (q.Rolling(q.Span(10, "day")), "week"),
            (q.Rolling(q.Span(40, "day")), "month"),
            (q.Calendar("quarter", 0), "quarter"),
            (q.Calendar("year", 0), "quarter"),
            (q.Calendar("month", 0), "month"),
            (q.Calendar("week", 1), "week"),
            (q.Between(q.Edge(q.Calendar("month", 1), "start"), None), "month"),
            (q.Rolling(q.Span(2, "day")), "day"),
        )
        period, unit = self.pick(windows)
        event = self.event(anything=50)
        return q.EveryPeriod(q.Events(event, (), q.Window(period)), unit, self.pick((1, 1, 2)))

    def favourite(self) -> q.Condition:
        events = self.events(filters=20, windows=30, anything=0)
        by = self.labels(events)
        if not by:
            return q.did(events)
        of = self.pick(by)
        texts = next(held.texts for held in self.names.held[events.event] if _property(held.key) == of)
        return q.Favourite(events, of, tuple(self.some(texts, 2)), self.chance(35))

    def age(self) -> q.Condition:
        bound = self.bound((30, 18, 40, 25, 65))
        if self.chance(50):
            return q.Age("birth_date", bound, from_birth=True)
        return q.Age("age", bound)

    def birthday(self) -> q.Condition:
        periods: tuple[q.Period, ...] = (
            q.Calendar("month", 0),
            q.Calendar("day", 0),
            q.Calendar("week", 0),
            q.Ahead(q.Span(7, "day")),
            q.Ahead(q.Span(1, "month")),
            q.Named("month", 12),
            q.Named("month", 3),
        )
        return q.Birthday("birth_date", self.pick(periods))

    def rank(self) -> q.Condition:
        by = self.measure()
        among = self.condition(0) if self.chance(40) else q.Everyone()
        if self.chance(40):
            return q.Rank(by, self.pick((10, 25, 50)), True, self.chance(30), among)
        return q.Rank(by, self.pick((3, 1, 10)), False, self.chance(30), among)


def named(today: date) -> list[q.Period]:
    """Periods that are named without a year, around today."""
    near = [today + timedelta(days=days) for days in (-40, -1, 0, 1)]
    dates = [*(day.month * 100 + day.day for day in near), 101, 229]
    found = [q.Named("month", number) for number in (today.month, 12, 2)]
    found += [q.Named("date", number) for number in dates]
    return [*found, *(q.Named("quarter", number) for number in (1, 4)), *(q.Named("weekday", day) for day in (1, 7))]


def _property(key: Key) -> q.Property:
    assert key.level != "attribute"
    return q.Property(key.name, key.level)


def _plain(number: float) -> q.Number:
    """A whole number as an int, as one writes it."""
    return int(number) if number == int(number) else number


# ── edges ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def edges(zone: str, now: str) -> tuple[World, list[q.Query]]:
    """A world whose every event is on an edge of something, or a microsecond off it, and what asks about each edge.

    What random worlds seldom hit: whether the instant itself belongs to a window, a gap, a block, a day.
    """
    at = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone))
    clock, today, spans = oracle.Clock(at, zone), at.date(), [q.Span(*span) for span in SPANS]
    contacts: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    tied: list[dict[str, Any]] = []  # with others at one instant, any of which may be the first or last

    def contact(*happened: tuple[str, datetime], **attributes: Any) -> None:
        contacts.append({"visitor_id": f"u{len(contacts):03d}", **attributes})
        for name, instant in happened:
            last = {
                "event_name": name,
                "visitor_id": contacts[-1]["visitor_id"],
                "event_properties": {"n": len(events)},
            }
            events.append({**last, "event_timestamp": instant.isoformat()})

    nudges = [timedelta(microseconds=off) for off in (-1, 0, 1)]
    start = clock.add(clock.now, q.Span(2, "year"), -1)
    for nudge in nudges:
        contact(("A", clock.now + nudge))
        for span in spans:
            contact(("A", clock.add(clock.now, span, -1) + nudge))
            contact(("A", clock.add(clock.now, span, -2) + nudge))
            contact(("A", start), ("B", clock.add(start, span) + nudge))
        contact(("A", start), ("B", start + nudge))
        contact(("A", start + nudge), ("A", start + nudge), ("A", start))
        tied += events[-3:]
        for days in (0, 1, 7, 31):
            for hour in (0, 6, 9, 22):
                day = today - timedelta(days=days)
                contact(("A", datetime(day.year, day.month, day.day, hour, tzinfo=clock.zone).astimezone(UTC) + nudge))
        for unit in UNITS:
            contact(("A", clock.midnight(oracle.unit_start(today, unit)) + nudge))
    for days in (-400, -91, -31, -30, -29, -8, -7, -2, -1, 0, 1, 2, 7, 8, 30, 31, 91, 400):
        day = today + timedelta(days=days)
        contact(on=day.isoformat(), born=day.replace(year=day.year - 30, day=min(day.day, 28)).isoformat())
        contact(on=f"{day.isoformat()} 00:00:00")

    fixed: list[q.Period] = [q.Calendar(unit, back) for unit in UNITS for back in (0, 1, 2)]
    fixed += [q.Named("month", today.month), q.Named("month", today.month % 12 + 1), q.Named("weekday", 1)]
    fixed += [q.Named("quarter", 1), q.Dates(today, today), q.Dates(today - timedelta(days=7), today)]
    ends = [q.Between(q.Edge(one, side), None) for one in fixed[-6:] for side in ("start", "end")]
    ends += [q.Between(None, q.Edge(one, side)) for one in fixed[-6:] for side in ("start", "end")]
    latest = [q.Named("weekday", today.isoweekday() % 7 + 1), *named(today)]
    ranges = [q.Between(q.Edge(a, "start"), q.Edge(b, side)) for a, b in pairwise(latest) for side in ("start", "end")]
    present = [q.Between(None, q.Edge(q.Calendar(unit, 0), "end")) for unit in UNITS]
    present += [q.Between(q.Edge(q.Calendar(unit, 0), "end"), None) for unit in UNITS]
    periods = [*fixed, *ends, *latest, *ranges, *present]
    for span in spans:
        far = q.Span(2 * span.amount, span.unit)
        periods += [q.Rolling(span), q.Ago(span), q.Ago(span, True), q.Stretch(far, span)]
        periods += [q.Preceding(span, q.Rolling(span)), q.Preceding(span, q.Dates(today, today))]
    a, b = q.Events("A"), q.Events("B")
    asked: list[q.Condition] = []
    for period in periods:
        asked.append(q.did(replace(a, window=q.Window(period))))
        asked.append(q.Attribute(("on",), q.During(q.Window(period))))
    for hours in ((0, 360), (360, 540), (540, 1320), (1320, 360), (1320, 1440)):
        asked.append(q.did(replace(a, window=q.Window(hours=hours))))
    for span in (*spans, None):
        for first, absent in ((False, False), (True, False), (False, True)):
            asked.append(q.Sequence((q.Step(a), q.Step(b, absent)), span, from_first=first))
    asked += [q.CameBack(span) for span in spans]
    for event in tied:
        numbered = q.Filter((q.Property("n"),), q.Numeric(q.Bound("=", event["event_properties"]["n"])))
        asked += [q.Extreme("first", a, has=(numbered,)), q.Extreme("last", a, has=(numbered,))]
    for unit in (*UNITS, "hour"):
        blocks = q.ActiveBlocks(a, unit, 3)
        asked += [q.Has(one, q.Bound(">=", 1)) for one in (blocks, replace(blocks, of=1))]
        if unit != "hour":
            asked.append(q.Has(replace(blocks, calendar=True), q.Bound(">=", 1)))
    asked += [q.Birthday("born", q.Calendar(unit, 0)) for unit in UNITS]
    asked += [q.Birthday("born", q.Ahead(span)) for span in spans if span.unit not in ("hour", "minute")]
    asked += [q.Age("born", q.Bound(comparison, 30), from_birth=True) for comparison in ("=", "<", ">")]
    return World(contacts, events, at, zone, tuple(spans), -1), [q.Query(one) for one in asked]


UNITS: tuple[q.Unit, ...] = ("day", "week", "month", "quarter", "year")


def smaller(of: World, fails: Callable[[World], bool]) -> World:
    """The world without the contacts and events that the failure does not need: for a person to read."""
    for name in ("events", "contacts"):
        size = len(getattr(of, name)) // 2
        while size:
            at = 0
            while at < len(getattr(of, name)):
                kept = getattr(of, name)
                fewer = replace(of, **{name: kept[:at] + kept[at + size :]})
                known = {contact["visitor_id"] for contact in fewer.contacts}
                fewer = replace(fewer, events=[event for event in fewer.events if event["visitor_id"] in known])
                if fails(fewer):
                    of = fewer
                else:
                    at += size
            size //= 2
    return of


def shown(of: World) -> str:
    """A world as it would be written down."""
    lines = [f"now {of.now.isoformat()} zone {of.zone} seed {of.seed}"]
    return "\n".join([*lines, *(json.dumps(one, ensure_ascii=False) for one in (*of.contacts, *of.events))])
