"""What a phonebook knows: event types and keys, products and variants, values, and the Vocabulary that tells them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar.query import Attribute, Bound, CountUsers, Events, Query, Text, did
from grammar.vocabulary import Key, StaticVocabulary, Vocabulary, fold
from storage.catalog import StoreVocabulary
from storage.load import Report
from storage.store import Book, Store

NOW = datetime(2026, 3, 1, 12)


@pytest.fixture
def book() -> Book:
    book = Store.open(":memory:", clock=lambda: NOW).phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    return book


def event(name: str, properties: dict[str, Any], day: int = 1, **more: Any) -> dict[str, Any]:
    when = f"2026-01-{day:02} 10:00:00"
    return {"event_name": name, "visitor_id": "v1", "event_properties": properties, "event_timestamp": when, **more}


def keys_of(book: Book, name: str) -> dict[str, str]:
    """Key → JSON types, of an event type."""
    (row,) = [row for row in book.event_types().to_pylist() if row["name"] == name]
    return dict(zip(row["keys"], row["key_types"], strict=True))


# ── event types ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_event_types(book: Book) -> None:
    book.import_events([event("login", {}, 5), event("Page View", {"title": "T"}, 2), event("login", {}, 3)])
    book.import_events([event("login", {}, 1), event("login", {}, 9)])
    told = [{**row, "keys": row["keys"], "key_types": None} for row in book.event_types().to_pylist()]
    assert told == [
        {
            "name": "login",
            "kind": "custom",
            "count": 4,
            "first_seen": datetime(2026, 1, 1, 10),
            "last_seen": datetime(2026, 1, 9, 10),
            "keys": None,
            "key_types": None,
        },
        {
            "name": "page-view",
            "kind": "default",
            "count": 1,
            "first_seen": datetime(2026, 1, 2, 10),
            "last_seen": datetime(2026, 1, 2, 10),
            "keys": ["title"],
            "key_types": None,
        },
    ]


def test_keys_to_two_levels(book: Book) -> None:
    book.import_events(
        [
            event(
                "trip",
                {"to": {"city": "Oslo", "at": {"gate": {"no": 1}}}, "legs": [{"km": 5, "by": {"x": 1}}, {"km": "6"}]},
            ),
            event(
                "trip",
                {"to": "Oslo", "seat": None, "paid": True, "n": [1, "2", [3]]},
                context={"os": {"name": "x"}, "up": 1},
            ),
        ]
    )
    assert keys_of(book, "trip") == {
        "legs": "array",
        "legs.by": "object",
        "legs.km": "number|string",
        "n": "array",
        "paid": "boolean",
        "seat": "",
        "to": "object|string",
        "to.at": "object",
        "to.city": "string",
        "context.os": "object",
        "context.os.name": "string",
        "context.up": "number",
    }


def test_keys_that_are_known_that_hold_more_and_that_are_new(book: Book) -> None:
    """In one batch, each kind: all are counted once."""
    book.import_events([event("trip", {"to": "Oslo", "km": 5}), event("trip", {"to": "Porto", "km": 6})])
    book.import_events([event("trip", {"to": "Oslo", "km": "far", "seat": "9A"})])
    book.import_events([event("trip", {"to": "Oslo"}), event("trip", {"km": 1})])
    assert keys_of(book, "trip") == {"km": "number|string", "seat": "string", "to": "string"}
    counts = book._backend.rows(f"SELECT path, count FROM {book.row.schema}.event_key ORDER BY path")
    assert counts == [("km", 4), ("seat", 1), ("to", 4)]


def test_keys_of_line_items(book: Book) -> None:
    item = {"product_id": "p", "price": 5, "deep": {"x": 1}}
    book.import_events(
        [
            event("order-completed", {"total": 5, "products": [item]}),
            event("product-viewed", {"product_id": "p", "price": "5", "why": "sale"}),
            event("quiz", {"product": [item], "score": 3}),
            event("quiz", {"product": item}),
        ]
    )
    assert set(keys_of(book, "order-completed")) == {
        "total",
        "products",
        "products.product_id",
        "products.price",
        "products.deep",
    }
    assert set(keys_of(book, "product-viewed")) == {"product_id", "price", "why"}
    assert set(keys_of(book, "quiz")) == {"score", "product", "product.product_id", "product.price", "product.deep"}
    levels = {(t.name, k.name): k.level for t in book.vocabulary().event_types() for k in t.keys}
    assert levels == {
        ("order-completed", "deep"): "item",
        ("order-completed", "price"): "item",
        ("order-completed", "product_id"): "item",
        ("order-completed", "products"): "event",
        ("order-completed", "total"): "event",
        ("product-viewed", "price"): "item",
        ("product-viewed", "product_id"): "item",
        ("product-viewed", "why"): "event",
        ("quiz", "deep"): "item",
        ("quiz", "price"): "item",
        ("quiz", "product"): "event",
        ("quiz", "product_id"): "item",
        ("quiz", "score"): "event",
    }


def test_the_category_of_a_list_is_not_that_of_its_items(book: Book) -> None:
    book.import_events(
        [event("product-list-viewed", {"category": "Sale", "products": [{"product_id": "p", "category": "Shoes"}]})]
    )
    told = {run: values[0].key.level for run, values in book.vocabulary().values(["sale", "shoe"]).items()}
    assert told == {"sale": "event", "shoe": "item"}


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        (["red", "blue"], {"text"}),
        (["5", "1,299.00"], {"number"}),
        ([5, 2.5], {"number"}),
        (["2026-01-05", "2026-01-05T10:00:00Z"], {"date"}),
        (["2026-13-05"], {"text"}),
        ([True], {"boolean"}),
        (["true"], {"text"}),
        (["", None, " "], set()),
        ([[], {}], {"object"}),
        ([["vip", 5]], {"list", "text", "number"}),
        ([{"a": 1}], {"object"}),
        ([[{"a": 1}]], {"list", "object"}),
        (["red", 5, "5"], {"text", "number"}),
    ],
)
def test_what_keys_hold(book: Book, values: list[Any], holds: set[str]) -> None:
    book.import_events([event("x", {"key": value}) for value in values])
    book.import_contacts([{"visitor_id": f"c{i}", "key": value} for i, value in enumerate(values)])
    vocabulary = book.vocabulary()
    (event_type,) = vocabulary.event_types()
    assert set(next(key for key in event_type.keys if key.name == "key").holds) == holds
    assert [set(key.holds) for key in vocabulary.attributes() if key.name == "key"] == ([holds] if holds else [])


# ── products ──────────────────────────────────────────────────────────────────────────────────────────────────────


def products(book: Book) -> dict[str, dict[str, Any]]:
    """The catalog without what is not known."""
    return {
        row.pop("product_id"): {key: value for key, value in row.items() if value not in (None, [])}
        for row in book.products().to_pylist()
    }


@pytest.mark.parametrize(
    ("name", "properties", "known"),
    [
        (
            "product-viewed",
            {"product_id": "p1", "name": "Shirt", "price": "₹1,299.00"},
            {"p1": {"name": "Shirt", "price": 1299}},
        ),
        ("product-clicked", {"product_id": 7, "image_url": "/i", "url": "/p"}, {"7": {"image_url": "/i", "url": "/p"}}),
        ("add-to-cart", {"cart_id": "c", "product_id": "p1"}, {"p1": {}}),
        ("remove-from-cart", {"checkout_id": "c", "product_id": "p1", "brand": "B"}, {"p1": {"brand": "B"}}),
        ("product-reviewed", {"product_id": "p1", "review_id": "r", "name": "N"}, {"p1": {"name": "N"}}),
        ("product-added-to-wishlist", {"name": "Shirt"}, {}),
        ("page-view", {"title": "T", "name": "Page", "product_id": "p1", "sku": "s"}, {"p1": {"sku": "s"}}),
        ("order-completed", {"products": [{"product_id": "a"}, {"product_id": "b"}]}, {"a": {}, "b": {}}),
        (
            "product-list-viewed",
            {"category": "L", "products": [{"product_id": "a", "category": "C"}]},
            {"a": {"category": "C"}},
        ),
        (
            "quiz",
            {"product": {"product_id": "a", "stock": 5, "description": "D"}},
            {"a": {"stock": "5", "description": "D"}},
        ),
        ("quiz", {"product": [{"product_id": "a"}, {"name": "no id"}]}, {"a": {}}),
        ("quiz", {"product": {"name": "no id"}}, {}),
        ("quiz", {"product": {"product_id": " "}}, {}),
        ("quiz", {"product": {"product_id": ["a"]}}, {}),
        ("quiz", {"product_id": "a", "products": [{"product_id": "b"}]}, {}),
    ],
)
def test_products(book: Book, name: str, properties: dict[str, Any], known: dict[str, Any]) -> None:
    assert book.import_events([event(name, properties)]) == Report(accepted=1)
    assert products(book) == known


def test_a_product_of_which_nothing_is_told_is_there(book: Book) -> None:
    book.import_events([event("product-clicked", {"product_id": "p"})])
    (product,) = book.products().to_pylist()
    assert {key: value for key, value in product.items() if value} == {"product_id": "p"}


def test_a_product_is_completed_and_refreshed_by_event_time(book: Book) -> None:
    book.import_events([event("product-viewed", {"product_id": "p", "name": "Shirt", "price": "10"}, 10)])
    book.import_events([event("product-viewed", {"product_id": "p", "price": "8", "brand": "B", "name": ""}, 5)])
    assert products(book) == {"p": {"name": "Shirt", "price": 10, "brand": "B"}}
    book.import_events([event("product-viewed", {"product_id": "p", "price": "12", "name": None}, 20)])
    assert products(book) == {"p": {"name": "Shirt", "price": 12, "brand": "B"}}
    times = [event("product-viewed", {"product_id": "p", "price": str(day)}, day) for day in (21, 25, 23)]
    book.import_events(times)
    assert products(book)["p"]["price"] == 25


@pytest.mark.parametrize(
    ("item", "variants"),
    [
        ({"variant": "L", "variant_id": "v1", "sku": "s"}, [("v1", "L", "s")]),
        ({"variant": "L", "sku": "s"}, [("s", "L", "s")]),
        ({"variant": "L", "variant_id": "", "sku": "s"}, [("s", "L", "s")]),
        ({"variant": "L", "variant_id": "v1"}, [("v1", "L", None)]),
        ({"variant": "L"}, []),
        ({"variant_id": "v1", "sku": "s"}, []),
        ({"variant": "", "variant_id": "v1"}, []),
    ],
)
def test_variants(book: Book, item: dict[str, Any], variants: list[tuple[str, str, str | None]]) -> None:
    book.import_events([event("order-completed", {"products": [{"product_id": "p", **item}]})])
    (product,) = book.products().to_pylist()
    assert [(v["variant_id"], v["name"], v["sku"]) for v in product["variants"]] == variants


def test_products_from_a_file_complete_the_catalog(book: Book, tmp_path: Any) -> None:
    book.import_events([event("product-viewed", {"product_id": "p1", "name": "Shirt", "price": "10"})])
    path = tmp_path / "products.csv"
    path.write_text(
        "product_id,name,description,price,stock,variant,sku\np1,,Soft,12,3,L,s1\np2,Mug,,5,,,\n,Lost,,,,,\n"
    )
    assert book.import_products(path) == Report(accepted=1, updated=1, failed=1)
    assert products(book) == {
        "p1": {
            "name": "Shirt",
            "description": "Soft",
            "price": 12,
            "stock": "3",
            "sku": "s1",
            "variants": [{"variant_id": "s1", "name": "L", "sku": "s1", "price": 12}],
        },
        "p2": {"name": "Mug", "price": 5},
    }
    (failed,) = book.failed_events().to_pylist()
    assert failed["what"] == "product"


# ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────


def told(vocabulary: Vocabulary, *runs: str) -> dict[str, list[tuple[str, str | None, str, str, int]]]:
    return {
        run: [(v.key.level, v.key.event, v.key.name, v.text, v.count) for v in values]
        for run, values in vocabulary.values(runs).items()
    }


def test_values(book: Book) -> None:
    shirt = {"product_id": "p1", "name": "Red Shirts", "brand": "Nike"}
    book.import_events(
        [
            event("product-viewed", shirt),
            event("product-viewed", shirt),
            event(
                "order-completed",
                {"coupon": "NIKE", "products": [shirt, shirt | {"product_id": "p2"}]},
                context={"via": ["nike", "x"]},
            ),
        ]
    )
    book.import_contacts([{"visitor_id": "v1", "team": "nike", "tags": ["Nike", "red shirt", "nike"]}])
    assert told(book.vocabulary(), "red shirt", "nike", "nothing", "p 1") == {
        "red shirt": [
            ("item", "product-viewed", "name", "Red Shirts", 2),
            ("attribute", None, "tags", "red shirt", 1),
            ("item", "order-completed", "name", "Red Shirts", 1),
        ],
        "nike": [
            ("item", "product-viewed", "brand", "Nike", 2),
            ("attribute", None, "tags", "Nike", 1),
            ("attribute", None, "tags", "nike", 1),
            ("attribute", None, "team", "nike", 1),
            ("context", "order-completed", "via", "nike", 1),
            ("event", "order-completed", "coupon", "NIKE", 1),
            ("item", "order-completed", "brand", "Nike", 1),
        ],
        "p 1": [
            ("item", "product-viewed", "product_id", "p1", 2),
            ("item", "order-completed", "product_id", "p1", 1),
        ],
    }
    book.import_events([event("product-viewed", shirt)])
    assert told(book.vocabulary(), "red shirt")["red shirt"][0][-1] == 3


def test_values_of_attributes_are_those_of_now(book: Book) -> None:
    book.import_contacts(
        [{"visitor_id": "v1", "tier": "gold", "tags": ["vip", "new"]}, {"visitor_id": "v2", "tier": "gold"}]
    )
    book.import_contacts([{"visitor_id": "v1", "tier": "silver", "tags": ["vip"]}])
    vocabulary = book.vocabulary()
    assert {run: values[0][-1] for run, values in told(vocabulary, "gold", "silver", "vip", "new").items()} == {
        "gold": 1,
        "silver": 1,
        "vip": 1,
    }
    assert {key.name: key.count for key in vocabulary.attributes()} == {"tier": 2, "tags": 1}
    book.import_contacts([{"visitor_id": "v1", "tier": None, "tags": []}])
    assert {key.name: key.count for key in book.vocabulary().attributes()} == {"tier": 1}


def test_numbers_that_name_are_values(book: Book) -> None:
    book.import_events(
        [event("x", {"order_id": 77, "sku": 78, "amount": 79, "size": "80", "ok": True, "long": "w" * 121})]
    )
    assert set(book.vocabulary().values(["77", "78", "79", "80", "true", "w" * 121])) == {"77", "78", "80"}


def test_near(book: Book) -> None:
    words = ["Nike", "Puma", "Running Shoes", "Adidas", "Blue Denim Jacket", "日本", "SKU-1001"]
    book.import_events([event("product-viewed", {"product_id": "p", "brand": word}) for word in words])
    vocabulary = book.vocabulary()
    near = {
        text: [value.text for value in vocabulary.near(text)]
        for text in ("Nikke", "runing shoes", "addidas", "denim", "", "!")
    }
    assert near == {
        "Nikke": ["Nike"],
        "runing shoes": ["Running Shoes"],
        "addidas": ["Adidas"],
        "denim": [],
        "": [],
        "!": [],
    }
    brand, other = Key("brand", "item", "product-viewed", frozenset()), Key("brand", "item", "login", frozenset())
    assert [value.text for value in vocabulary.near("nikke", [brand])] == ["Nike"]
    assert vocabulary.near("nikke", [other]) == vocabulary.near("nikke", []) == ()
    assert len(vocabulary.near("nikke", limit=1)) == 1


def test_contains(book: Book) -> None:
    book.import_events([event("product-searched", {"query": "Warm Lamp 100%"})])
    (event_type,) = book.vocabulary().event_types()
    keys = [key for key in event_type.keys if key.name == "query"]
    assert [book.vocabulary().contains(keys, text) for text in ("lamp", " WARM l", "%", "_", "lamps")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not book.vocabulary().contains([], "lamp")


def test_terms(book: Book) -> None:
    vip = Attribute(("tier",), Text("is", ("gold",)))
    book.define("VIP Members", "users whose tier is gold", Query(vip))
    assert book.vocabulary().terms() == {"vip member": vip}
    assert [(term.word, term.meaning) for term in book.terms()] == [("VIP Members", "users whose tier is gold")]
    book.define("vip member", "nobody", Query(vip))
    assert [term.word for term in book.terms()] == ["vip member"]
    book.undefine("VIP members")
    assert book.vocabulary().terms() == {}


def test_the_version_changes_with_what_is_known(book: Book) -> None:
    seen = [book.vocabulary().version]
    assert book.vocabulary() is book.vocabulary()
    book.import_events([event("x", {"a": "b"})])
    seen.append(book.vocabulary().version)
    book.import_contacts([{"visitor_id": "v9", "city": "Oslo"}])
    seen.append(book.vocabulary().version)
    book.define("a", "b", Query(Attribute(("tier",), Text("is", ("gold",)))))
    seen.append(book.vocabulary().version)
    assert len(set(seen)) == 4


def test_more_of_the_same_is_counted_and_changes_no_words(book: Book) -> None:
    book.import_events([event("x", {"a": "b"})])
    before, layout = book.vocabulary(), book.layout()
    assert [(each.name, each.count) for each in before.event_types()] == [("x", 1)]
    book.import_events([event("x", {"a": "b"}), event("x", {"a": "b"})])
    assert book.vocabulary() is before
    assert [(each.name, each.count) for each in before.event_types()] == [("x", 3)]
    assert book.layout() is layout
    for news in ({"a": "c"}, {"a": 1}, {"b": "b"}, {"a": {"b": "b"}}):
        version = book.vocabulary().version
        book.import_events([event("x", news)])
        assert book.vocabulary().version != version
        book.import_events([event("x", news)])


def test_events_after_a_compaction_are_seen_by_a_layout_that_is_kept(book: Book) -> None:
    book.import_events([event("x", {"a": "b"})])
    book.compact()
    version = book.vocabulary().version
    everyone = Query(did(Events("x"), Bound(">=", 2)), CountUsers())
    seen = []
    for _ in range(2):
        ordered = book.layout().ordered
        found = book.answer(everyone, NOW.replace(tzinfo=UTC)).table["value"].to_pylist()
        seen.append((ordered and ordered.rest, found))
        book.import_events([event("x", {"a": "b"})])
    assert book.vocabulary().version == version
    assert seen == [(False, [0]), (True, [1])]


WORDS = st.lists(
    st.sampled_from(["Red", "shirts", "5", "Nike's", "é", "—", "日", "x1", "BOX", "boxes"]), min_size=1, max_size=3
)


@settings(max_examples=30)
@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=12), st.integers(1, 3))
def test_the_index_agrees_with_the_twin(texts: list[str], batches: int) -> None:
    """What the store looks up is what a vocabulary in memory with the same values does, whatever the batches."""
    book = Store.open(":memory:").phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    for start in range(batches):
        book.import_events([event("x", {"key": text, "list": [text, text]}) for text in texts[start::batches]])
    vocabulary = book.vocabulary()
    every = [value for values in vocabulary.values({fold(text) for text in texts}).values() for value in values]
    twin = StaticVocabulary(vocabulary.event_types(), vocabulary.attributes(), every)
    assert sum(value.count for value in every) == 2 * sum(bool(fold(text)) for text in texts)
    for text in texts:
        if fold(text):
            assert {value.text for value in vocabulary.values([fold(text)])[fold(text)]} >= {text}
            assert set(vocabulary.values([fold(text)])[fold(text)]) == set(twin.values([fold(text)])[fold(text)])


def test_it_is_a_vocabulary(book: Book) -> None:
    port: Vocabulary = book.vocabulary()
    assert isinstance(port, StoreVocabulary)


def test_the_catalog_agrees_with_the_events_after_many_batches(book: Book) -> None:
    start = datetime(2026, 1, 1)
    sent = [
        {**event("x", {"n": str(n % 7)}), "event_timestamp": (start + timedelta(hours=n)).isoformat(" ")}
        for n in range(100)
    ]
    for at in range(0, 100, 9):
        book.import_events(sent[at : at + 9])
    counts = {
        values[0].text: values[0].count for values in book.vocabulary().values([str(n) for n in range(8)]).values()
    }
    assert counts == {str(n): sum(k % 7 == n for k in range(100)) for n in range(7)}
    (row,) = book.event_types().to_pylist()
    assert (row["count"], row["first_seen"], row["last_seen"]) == (100, start, start + timedelta(hours=99))
