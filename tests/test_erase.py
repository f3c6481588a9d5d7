"""A person who is forgotten: the store is as if it had never known them, and no byte of their id is in its file."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from grammar.query import Attribute, Events, Everyone, Query, Rolling, Span, Text, Window, did
from storage.erase import Forgotten
from storage.errors import StorageError
from storage.failed import Wanted
from storage.registry import AuditRow
from storage.store import Book, Store

WHO = "zq7-the-one-who-goes-3f"
OTHERS = ["v1", "v2", "v3"]
OTHERS_OWN = {"visitor_id": "v1", "event_name": "add-to-cart", "event_properties": {}}  # fails
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def records(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Contacts and events of four people, with every kind of key and value; what each shows differs."""
    chance = random.Random(seed)
    words = ["red", "blue", "7", "", "2026-01-05", "a longer text"]

    def value(depth: int = 0) -> Any:
        pick = chance.randrange(9 if depth < 2 else 6)
        if pick < 5:
            return chance.choice([None, True, chance.randrange(3), chance.choice(words), 2.5])
        return (
            [value(depth + 1) for _ in range(chance.randrange(3))]
            if pick == 6
            else {k: value(depth + 1) for k in chance.sample("abcd", 2)} | {"a.b": 1}
            if pick == 7
            else chance.choice(words)
        )

    def product() -> dict[str, Any]:
        shown: dict[str, Any] = {"product_id": f"p{chance.randrange(4)}", "name": chance.choice("NMO")}
        for key in chance.sample(["description", "stock", "brand", "price", "variant", "sku", "variant_id", "url"], 4):
            shown[key] = chance.choice(["1", "2", " 3 ", " "])
        return shown

    contacts = [{"visitor_id": who, **{key: value() for key in chance.sample("klmno", 3)}} for who in [WHO, *OTHERS]]
    events = []
    for n in range(60):
        # Half of what there is is theirs, so much is known from them alone.
        who = WHO if chance.random() < 0.5 else chance.choice(OTHERS)
        at = f"2026-{chance.randrange(1, 4):02}-{chance.randrange(1, 28):02} 10:00:00"
        name, properties = chance.choice(
            [
                ("add-to-cart", {"cart_id": "c", **product()}),
                ("order-completed", {"total": n, "products": [product() for _ in range(chance.randrange(1, 3))]}),
                ("page-view", {"title": "t", "name": "page", **({"product_id": "p1"} if n % 2 else {})}),
                (f"event {chance.randrange(6)}", {k: value() for k in chance.sample("abcdef", 3)}),
                ("seen", {"product": product() if n % 2 else [product(), product()]}),
                ("add-to-cart", {"price": [1]}),  # fails
            ]
        )
        event = {"event_name": name, "visitor_id": who, "event_properties": properties, "event_timestamp": at}
        if chance.random() < 0.5:
            event["context"] = {"device": chance.choice(words), "deep": value()}
        events.append(event)
    return contacts, events


def shown(book: Book) -> dict[str, Any]:
    """Everything that a store knows of its people, without the numbers that it gives to things."""
    schema = "p1"
    by_name = f"JOIN {schema}.event_type t USING (type)"

    def rows(sql: str) -> list[str]:
        return sorted(map(repr, book._backend.rows(sql)))

    return {
        "contacts": rows(f"SELECT visitor_id, attributes FROM {schema}.contact"),
        "attributes": rows(f"SELECT key, count FROM {schema}.attribute WHERE count > 0"),
        "events": rows(
            f"SELECT visitor_id, t.name, ts, properties, context, order_value FROM {schema}.event {by_name} "
            f"JOIN {schema}.contact USING (contact)"
        ),
        "items": rows(f"SELECT t.name, ts, line, item, brand FROM {schema}.item {by_name}"),
        "totals": rows(
            f"SELECT visitor_id, coalesce(t.name, 'all'), first, last, events, worth FROM {schema}.state "
            f"LEFT JOIN {schema}.event_type t USING (type) JOIN {schema}.contact USING (contact)"
        ),
        "types": rows(f"SELECT name, is_default, count, first_seen, last_seen FROM {schema}.event_type"),
        "keys": rows(f"SELECT t.name, level, key, path, k.count FROM {schema}.event_key k {by_name}"),
        "values": rows(
            f"SELECT level, t.name, key, text, folded, letters, v.count FROM {schema}.value_index v "
            f"LEFT JOIN {schema}.event_type t USING (type)"
        ),
        "products": [json.dumps(row) for row in book.products().to_pylist()],
        "failed": rows(f"SELECT what, payload, errors FROM {schema}.failed"),
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_store_is_as_if_it_had_never_known_them(seed: int) -> None:
    contacts, events = records(seed)
    book, never = Store.open(":memory:").phonebook("shop"), Store.open(":memory:").phonebook("shop")
    for half in (events[:30], events[30:]):
        book.import_contacts(contacts)
        book.import_events(half)
        never.import_contacts(contacts[1:])
        never.import_events([event for event in half if event["visitor_id"] != WHO])
    if seed % 2:
        book.compact()
        never.compact()
    told = book.forget(WHO)
    theirs = sum(event["visitor_id"] == WHO for event in events)
    assert (told.contacts, told.events + told.failed, told.mentions) == (1, theirs, 0)
    assert shown(book) == shown(never)
    assert book.forget(WHO) == Forgotten()
    # The numbers of things that are gone are not taken for others.
    more = [{"event_name": f"new {n}", "visitor_id": "v1", "event_properties": {"a": n}} for n in range(3)]
    book.import_contacts([{"visitor_id": WHO}])
    assert book.import_events(more).accepted == 3
    assert book.events(WHO).num_rows == 0
    book.compact()
    assert [check for check in _store(book).verify() if check.wrong] == []


def _store(book: Book) -> Store:
    return Store(book._backend, book._clock)


def test_what_an_import_told_of_products_stays() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": WHO}])
    cart = {"cart_id": "c", "product_id": "p1", "name": "Shirt", "brand": "Norrvik"}
    event = {"event_name": "add-to-cart", "visitor_id": WHO, "event_timestamp": "2026-01-01 10:00:00"}
    book.import_events(
        [{**event, "event_properties": cart}, {**event, "event_properties": {**cart, "product_id": "p2"}}]
    )
    book.import_products([{"product_id": "p1", "stock": "7"}])
    book.forget(WHO)
    (product,) = book.products().to_pylist()
    assert {key: value for key, value in product.items() if value} == {"product_id": "p1", "stock": "7"}


# ── not a byte ────────────────────────────────────────────────────────────────────────────────────────────────────


def in_files(folder: Path) -> int:
    """How often the id stands in the store's file, its log, or anything else that is there."""
    return sum(path.read_bytes().count(WHO.encode()) for path in folder.iterdir() if path.name.startswith("s.duckdb"))


def filled(path: Path) -> Store:
    """A store in which the id stands in every place there is."""
    store = Store.open(path)
    book = store.phonebook("shop")
    book.import_contacts([{"visitor_id": WHO, "mail": f"{WHO}@example.org", "friends": [WHO]}, {"visitor_id": "v1"}])
    event = {
        "event_name": "signed in",
        "visitor_id": WHO,
        "event_properties": {"me": WHO, WHO: 1},
        "context": {"u": WHO},
    }
    book.import_events([event, {**event, "event_name": f"hello {WHO}", "message_id": WHO, "other": WHO}])
    book.import_events(
        [{**event, "event_name": "add-to-cart"}, {"visitor_id": f" {WHO}"}, {"visitor_id": None, "x": WHO}, OTHERS_OWN]
    )
    lines = path.parent / "lines.jsonl"
    lines.write_text(f'{{"visitor_id": "{WHO}"\n{{"visitor_id": "\\u007a{WHO[1:]}", "event_name": 1}}\n')
    book.import_events(lines)
    book.retry()
    listed = [row for row in book.failed_events().to_pylist() if row["what"] == "event" and "v1" in row["payload"]]
    (number,) = [row["id"] for row in listed if json.loads(row["payload"]) == OTHERS_OWN]
    mended = {
        "visitor_id": WHO,
        "event_name": "add-to-cart",
        "event_properties": {},
    }  # it fails, and is another's again
    for payload in (mended, OTHERS_OWN):
        book.retry(Wanted(number), json.dumps(payload).encode())
    told = [{"query": f"users invited by {WHO}"}, {"term": WHO, "meaning": "users"}, {"deep": [{WHO: 1}]}]
    store.record([AuditRow(datetime(2026, 1, 1), "k", "shop", "ask", detail) for detail in told])
    book.keep_reading("key", json.dumps({"pieces": [WHO]}))
    book.save_segment("all", Query(Everyone()), False, NOW)
    book.refresh_segments(["all"], NOW)
    product = {"product_id": WHO, "name": WHO, "variant": WHO, "sku": WHO}
    book.import_events([{**event, "event_name": "seen", "event_properties": {"product": product}}])
    for n in range(3):  # more than one block, and an order that puts them in between
        book.import_events(
            [{**event, "visitor_id": "v1", "event_properties": {"n": i}, "context": None} for i in range(3000)]
        )
        book.import_events([{**event, "message_id": f"{n}"}])
        book.compact()
    return store


def test_not_a_byte_is_left(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store = filled(path)
    store.close()
    assert in_files(tmp_path) > 0, "else the test shows nothing"
    store = Store.open(path)
    book = store.phonebook("shop")
    told = book.forget(WHO)
    assert (told.contacts, told.events, told.failed, told.segments, told.mentions) == (1, 6, 5, 1, 0)
    assert in_files(tmp_path) == 0
    assert book.import_events([{"event_name": "signed in", "visitor_id": "v1", "event_properties": {}}]).accepted == 1
    book.compact()
    store.close()
    assert in_files(tmp_path) == 0
    store = Store.open(path)
    assert store.phonebook("shop").events("v1").num_rows == 9001
    assert [check for check in store.verify() if check.wrong] == []
    store.close()


def test_a_store_that_was_closed_too_soon_is_written_anew_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    store = filled(path)

    def full() -> None:
        raise StorageError("full", "The disk is full.")

    store._backend.renew = full  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="The disk is full"):
        store.phonebook("shop").forget(WHO)
    assert store.phonebook("shop").events(WHO).num_rows == 0
    store.close()
    assert in_files(tmp_path) > 0, "what is deleted is still in the file"
    store = Store.open(path)
    assert in_files(tmp_path) == 0
    assert store.phonebook("shop").events("v1").num_rows == 9000
    store.close()


def test_what_others_say_of_them_is_theirs_and_is_said() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": WHO}, {"visitor_id": "v1", "invited_by": WHO}])
    event = {"event_name": "invited", "visitor_id": "v1", "event_properties": {"whom": WHO}}
    book.import_events([event, event, {**event, "event_name": "add-to-cart"}])
    told = book.forget(WHO)
    assert told == Forgotten(contacts=1, mentions=4)
    assert book.events("v1").num_rows == 2
    assert book.failed_events().num_rows == 1
    assert book.forget("nobody") == Forgotten()


def test_segments_and_terms_that_name_them_are_said() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": name} for name in (WHO, 'a "b"')])
    book.import_contacts([{"visitor_id": "v1", "city": "Oslo"}])
    for number, name in enumerate((WHO, 'a "b"')):
        asked = Query(Attribute(("city",), Text("is", (name,))))
        book.define(f"the one {number}", f'users whose visitor_id is "{name}"', asked)
        book.save_segment(f"only {number}", asked, False, NOW)
    book.save_segment(f"friends of {WHO}", Query(Everyone()), False, NOW)
    assert book.forget(WHO).mentions == 3
    assert book.forget('a "b"').mentions == 2
    assert book.forget("v1").mentions == 0


def test_lines_of_the_audit_log_stay_and_lose_their_texts() -> None:
    store = Store.open(":memory:")
    one, two = store.phonebook("one"), store.phonebook("two")
    one.import_contacts([{"visitor_id": "v1"}])
    details = [{"query": "who invited v1?"}, {"query": "who invited v12?"}, {"a": ["\u00e9v1", {"v1": 0}]}, {"n": 1}]
    at = datetime(2026, 1, 1)
    store.record([AuditRow(at, "k", book.name, "ask", detail) for book in (one, two) for detail in details])
    one.forget("v1")

    def told(book: Book) -> list[Any]:
        return [json.loads(row["detail"]) for row in store.audit(book.name, 9).to_pylist()][::-1]

    assert told(one) == [{"forgotten": True}, details[1], {"forgotten": True}, details[3]]
    assert told(two) == details
    assert {(row["at"], row["who"], row["action"]) for row in store.audit("one", 9).to_pylist()} == {(at, "k", "ask")}


def test_the_history_of_segments_is_as_if_it_had_never_known_them() -> None:
    def history(known: list[str], gone: list[str]) -> list[Any]:
        store = Store.open(":memory:")
        book = store.phonebook("shop")
        book.import_contacts([{"visitor_id": name} for name in known])
        lately = Query(did(Events("seen", (), Window(Rolling(Span(10, "day"))))))
        book.save_segment("lately", lately, False, NOW)
        for day, who in ((0, [WHO, "v1"]), (5, []), (5, ["v2"]), (12, ["v1"]), (20, [WHO]), (40, ["v3"])):
            at = NOW + timedelta(days=day)
            happened = {"event_name": "seen", "event_properties": {}, "event_timestamp": at.isoformat()}
            book.import_events([{**happened, "visitor_id": name} for name in who if name in known])
            book.refresh_segments(["lately"], at)
        for name in gone:
            assert book.forget(name).segments > 0
        assert [check for check in store.verify() if check.wrong] == []
        book.refresh_segments(["lately"], NOW + timedelta(days=60))
        assert [check for check in store.verify() if check.wrong] == []
        rows: list[Any] = book.segment_history("lately").to_pylist()
        return rows

    assert history([WHO, *OTHERS], [WHO]) == history(OTHERS, [])
    assert history([WHO, *OTHERS], [WHO, *OTHERS])[-1]["size"] == 0


def test_other_phonebooks_keep_theirs() -> None:
    store = Store.open(":memory:")
    one, two = store.phonebook("one"), store.phonebook("two")
    for book in (one, two):
        book.import_contacts([{"visitor_id": WHO}])
        book.import_events([{"event_name": "signed in", "visitor_id": WHO, "event_properties": {}}])
    one.forget(WHO)
    assert (one.events(WHO).num_rows, two.events(WHO).num_rows) == (0, 1)


def test_a_person_with_many_events() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": WHO}, {"visitor_id": "v1"}])
    count = 5000
    book.import_events(
        pa.table(
            {
                "event_name": ["signed in"] * count * 2,
                "visitor_id": [WHO, "v1"] * count,
                "event_properties.n": range(2 * count),
            }
        )
    )
    assert book.forget(WHO) == Forgotten(contacts=1, events=count)
    assert book.event_types().column("count").to_pylist() == [count]
