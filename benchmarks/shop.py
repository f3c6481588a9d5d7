"""A big made-up shop, seeded: written straight into the tables of a store, so that 20 million events take minutes.

The catalog comes from importing a few thousand events as anybody would; the rest follows the same shapes in SQL. Two
stores of the same size are the same, row for row. Events come in order of time, as they do in life.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from storage.backends.duckdb import DuckDB
from storage.store import Store

NOW: Final = datetime(2026, 3, 31, 18)
"""UTC, just after the last event."""

SIZES: Final = {"2M": (2_000_000, 50_000), "20M": (20_000_000, 500_000), "60M": (60_000_000, 1_500_000)}
"""Events and contacts."""

_DAYS: Final = 730
_BRANDS: Final = (
    "Nike Puma Adidas Asics Norrvik Halden Fjordby Solvik Brenta Kestrel Lumo Tessel Marlow Quill Ostrava Pellar "
    "Rivano Sorrel Tindra Ulvar Vanta Wexley Yarrow Zephir Amberly Birk Corvin Dorne Elmo Farrow"
).split()
_CATEGORIES: Final = "Shoes Shirts Jackets Trousers Bags Hats Socks Watches Belts Scarves Gloves Dresses".split()
_CITIES: Final = "Amsterdam Oslo Lisbon Dublin Krakow Bologna Porto Utrecht Aarhus Turin Gdansk Galway".split()
_NOUNS: Final = "Runner Trail Court Street Classic Summit Harbour Meadow Ember Drift".split()
_PRODUCTS: Final = 2000

# Of a thousand events. The items an event has: about one product, or a list.
_SHARES: Final = (
    ("page-view", 340),
    ("product-viewed", 300),
    ("product-clicked", 80),
    ("product-searched", 60),
    ("add-to-cart", 90),
    ("remove-from-cart", 15),
    ("product-added-to-wishlist", 20),
    ("payment-info", 20),
    ("order-completed", 45),
    ("order-refunded", 3),
    ("product-reviewed", 7),
    ("login", 20),
)
_ABOUT: Final = frozenset(
    "product-viewed product-clicked add-to-cart remove-from-cart product-added-to-wishlist product-reviewed".split()
)
_ORDERS: Final = frozenset(("order-completed", "order-refunded"))


def product(number: int) -> dict[str, object]:
    """The product of this number, as the properties of an event about it."""
    noun, brand = _NOUNS[number % 10], _BRANDS[number * 7 % len(_BRANDS)]
    return {
        "product_id": f"P{number}",
        "name": f"{noun} {_CATEGORIES[number % 12]} {number}",
        "brand": brand,
        "category": _CATEGORIES[number % 12],
        "price": 5 + number * 37 % 200,
    }


def build(path: Path, events: int, contacts: int) -> None:
    """Makes the store in this file: so many events of so many contacts over two years before NOW. Not compacted."""
    store = Store.open(path, clock=lambda: NOW)
    book = store.phonebook("shop")
    few = min(contacts, 2000)
    book.import_contacts([{"visitor_id": f"v{n}", "city": _CITIES[n % 12], "age": 18 + n % 60} for n in range(few)])
    book.import_events(_first_events(few))
    store.close()
    backend = DuckDB(str(path), seconds=3600)
    try:
        _grow(backend, events, contacts, few)
    finally:
        backend.close()


def _first_events(contacts: int) -> list[dict[str, object]]:
    """An event of each type about each product, all at the start: every name and key is known from them."""
    found: list[dict[str, object]] = []
    for number in range(_PRODUCTS):
        about = product(number)
        for name, _ in _SHARES:
            if number >= 20 and name not in ("product-viewed", "order-completed", "add-to-cart"):
                continue
            found.append(
                {
                    "event_name": name,
                    "visitor_id": f"v{number % contacts}",
                    "event_timestamp": "2024-03-31 00:00:00",
                    "event_properties": _properties(name, about),
                    "context": {"device": "mobile"},
                    "message_id": f"first-{len(found)}",
                }
            )
    return found


def _properties(name: str, about: dict[str, object]) -> dict[str, object]:
    match name:
        case "page-view":
            return {"title": "Home", "url": "/"}
        case "product-searched":
            return {"query": about["category"]}
        case "payment-info":
            return {"payment_method": "card"}
        case "login":
            return {"method": "password"}
        case "order-completed" | "order-refunded":
            return {
                "order_id": f"o{about['product_id']}",
                "total": about["price"],
                "products": [{**about, "quantity": 1}],
            }
        case "product-reviewed":
            return {"product_id": about["product_id"], "review_id": "r0", "rating": 5}
        case "add-to-cart":
            return {**about, "cart_id": "c0", "quantity": 1}
        case "remove-from-cart":
            return {**about, "checkout_id": "k0"}
        case _:
            return dict(about)


def _grow(backend: DuckDB, events: int, contacts: int, few: int) -> None:
    with backend.write() as tx:
        columns = dict(tx.rows("SELECT key, column_name FROM p1.attribute"))
        tx.run(
            f"INSERT INTO p1.contact (contact, visitor_id, attributes, {columns['city']}, {columns['age']}) "
            "SELECT n, 'v' || n, json_object('city', city, 'age', age), city, age::VARCHAR FROM (SELECT n::INTEGER "
            f"AS n, {_list(_CITIES)}[1 + n % 12] AS city, 18 + n % 60 AS age FROM range({few}, {contacts}) t(n))"
        )
        tx.run(f"UPDATE p1.attribute SET count = {contacts}")
        types = dict(tx.rows("SELECT name, type FROM p1.event_type"))
        tx.run(
            "CREATE TEMP TABLE shop_product AS SELECT row_number() OVER (ORDER BY try_cast(product_id[2:] AS INTEGER)) "
            "- 1 AS number, product_id, name, brand, category, price::DOUBLE AS price FROM "
            "(PIVOT (FROM p1.product WHERE field <> '') ON field IN ('name', 'brand', 'category', 'price') "
            "USING first(value) GROUP BY product_id)"
        )
        first = int(tx.rows("SELECT max(event) + 1 FROM p1.event")[0][0])
    done = first
    while done < events:
        upto = min(events, done + 1_000_000)
        with backend.write() as tx:
            _grow_by(tx, done, upto, first, events, contacts, types)
        done = upto
    with backend.write() as tx:
        tx.run(
            "UPDATE p1.event_type t SET count = s.n, first_seen = s.a, last_seen = s.b FROM (SELECT type, count(*) "
            "AS n, min(ts) AS a, max(ts) AS b FROM p1.event GROUP BY type) s WHERE s.type = t.type"
        )
        for level, key, column in (("event", "order_id", "p_order_id"), ("event", "cart_id", "p_cart_id")):
            tx.run(
                f"INSERT INTO p1.value_index SELECT {column}, 0, '{level}', type, '{key}', {column}, count(*) "
                f"FROM p1.event WHERE event >= {first} AND {column} IS NOT NULL GROUP BY type, {column}"
            )
        tx.run("UPDATE meta.phonebook SET version = version + 1")


def _list(words: list[str]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _grow_by(tx, done: int, upto: int, first: int, events: int, contacts: int, types: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
    """Events of these numbers. Whose and which an event is comes from a hash of its number; some contacts do much more
    than others, and one in ten has been silent for the last four months."""
    edges, edge = [], 0
    for name, share in _SHARES:
        edge += share
        edges.append(f"WHEN r1 < {edge} THEN {types[name]}")
    about = ", ".join(str(types[name]) for name in sorted(_ABOUT))
    orders = ", ".join(str(types[name]) for name in sorted(_ORDERS))
    cart, views, search = types["add-to-cart"], types["page-view"], types["product-searched"]
    second = _DAYS * 86_400 / (events - first)
    tx.run("DROP TABLE IF EXISTS shop_new")
    tx.run(
        f"""CREATE TEMP TABLE shop_new AS
        SELECT n AS event, (CASE {" ".join(edges)} END)::INTEGER AS type, who AS contact, ts,
            (hash(n, 4) % {_PRODUCTS})::INTEGER AS number, (1 + hash(n, 5) % 3)::INTEGER AS lines
        FROM (SELECT n, (hash(n, 1) % 1000)::INTEGER AS r1,
            (CASE WHEN hash(n, 6) % 2 = 0 THEN hash(n, 2) % {contacts}
             ELSE ({contacts} * pow((hash(n, 3) % 1000000) / 1e6, 3))::INTEGER END)::INTEGER AS who,
            TIMESTAMP '2024-03-31 18:00:00' + to_milliseconds(((n - {first}) * {second} * 1000
                + hash(n, 7) % 1000)::BIGINT) AS ts
            FROM range({done}, {upto}) t(n))
        WHERE NOT (who % 10 = 3 AND ts > TIMESTAMP '2025-12-01')
          AND NOT (who % 5 = 1 AND r1 >= {sum(share for name, share in _SHARES[:8])})"""
    )
    tx.run(
        f"""CREATE OR REPLACE TEMP TABLE shop_item AS
        SELECT event, type, contact, ts, line::INTEGER AS line, p.*, 1.0 + hash(event, line, 8) % 2 AS quantity,
            json_object('product_id', product_id, 'name', name, 'brand', brand, 'category', category, 'price', price,
                'quantity', 1 + hash(event, line, 8) % 2) AS item
        FROM (SELECT event, type, contact, ts,
              unnest(range(CASE WHEN type IN ({orders}) THEN lines ELSE 1 END)) AS line, number AS base
              FROM shop_new WHERE type IN ({about}, {orders})) n
        JOIN shop_product p ON p.number = (n.base + line * 31) % {_PRODUCTS}"""
    )
    tx.run(
        f"""INSERT INTO p1.event BY NAME
        SELECT n.event, n.type, n.contact, n.ts, n.ts AS created_at,
            CASE WHEN type IN ({orders}) THEN json_object('order_id', 'o' || event, 'total', total, 'products', items)
                 WHEN type IN ({about}) THEN items[1]
                 ELSE json_object('title', 'Page ' || number, 'url', '/' || number) END AS properties,
            json_object('device', CASE WHEN hash(event, 9) % 3 = 0 THEN 'desktop' ELSE 'mobile' END) AS context,
            'track' AS kind, 'm-' || event AS message_id,
            CASE WHEN type IN ({orders}) THEN total END AS p_total,
            CASE WHEN type IN ({orders}) THEN 'o' || event END AS p_order_id,
            CASE WHEN type = {cart} THEN 'c' || event // 7 END AS p_cart_id,
            CASE WHEN type = {views} THEN 'Page ' || number END AS p_title,
            CASE WHEN type = {views} THEN '/' || number END AS p_url,
            CASE WHEN type = {search} THEN 'Shoes' END AS p_query,
            CASE WHEN type IN ({about}) THEN name END AS p_name,
            CASE WHEN type IN ({about}) THEN category END AS p_category,
            CASE WHEN type IN ({orders}) THEN total END AS order_value
        FROM shop_new n LEFT JOIN (SELECT event, sum(price * quantity) AS total, list(item ORDER BY line) AS items,
            first(name ORDER BY line) AS name, first(category ORDER BY line) AS category
            FROM shop_item GROUP BY event) i USING (event)
        ORDER BY n.event"""
    )
    tx.run(
        """INSERT INTO p1.item BY NAME SELECT event, type, contact, ts, line, product_id, name, brand, category, price,
        quantity, item FROM shop_item ORDER BY event, line"""
    )
