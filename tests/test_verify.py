"""`verify` and `backup`: every fault that can be planted is found, and a copy is the store at one instant."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grammar.query import Events, Everyone, Query, Rolling, Span, Window, did
from storage import verify
from storage.errors import StorageError
from storage.load import Report
from storage.schema import TABLES
from storage.store import Store

NOW = "2026-01-05 10:00:00"
AT = datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has something in every table. Only to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    store = Store.open(folder / "s.duckdb")
    book = store.phonebook("shop")
    book.import_contacts(
        [{"visitor_id": f"v{n}", "city": "Oslo", "size": {"shoe": n}, "tags": ["a"]} for n in range(3)]
    )
    cart = {
        "cart_id": "c",
        "product_id": "p1",
        "name": "Shirt",
        "variant": "M",
        "sku": "s",
        "seen": None,
        "deep": [{"er": "x"}],
    }
    events = [
        {"event_name": "add-to-cart", "visitor_id": f"v{n % 4}", "event_properties": cart, "message_id": f"m{n}"}
        for n in range(20)
    ]
    lines = [{"product_id": "p1", "price": 2}, {"product_id": "p2"}]
    order = {"event_name": "order-completed", "visitor_id": "v1", "event_properties": {"total": 3, "products": lines}}
    book.import_events(
        [{**event, "event_timestamp": NOW, "context": {"os": {"name": "x"}}} for event in [*events, order]]
    )
    book.import_events([{**order, "event_timestamp": "2026-02-07 11:00:00"}])
    book.compact()
    book.import_events([{**order, "event_timestamp": "2026-01-03 11:00:00"}])
    (folder / "events.jsonl").write_text(json.dumps(order))
    book.import_events(folder / "events.jsonl")
    book.define("all", "everyone", Query(Everyone()))
    book.save_segment("ordered", Query(did(Events("order-completed", (), Window(Rolling(Span(10, "day")))))), False, AT)
    book.refresh_segments(["ordered"], AT)
    book.refresh_segments(["ordered"], AT + timedelta(days=20))
    store.close()
    return folder / "s.duckdb"


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    store = Store.open(shutil.copy(filled, tmp_path))
    yield store
    store.close()


def faults(store: Store) -> list[str]:
    return [check.what for check in store.verify() if check.wrong]


PLANTED = [  # a statement that harms a sound store, and what then no longer is so
    ("DELETE FROM p1.contact WHERE contact = 2", "an event has a contact"),
    ("DELETE FROM p1.event_type WHERE name = 'add-to-cart'", "an event has a type"),
    ("DELETE FROM p1.event WHERE event = 0", "a line item is of its event"),
    ("UPDATE p1.item SET ts = ts + INTERVAL 1 DAY WHERE event = 0", "a line item is of its event"),
    ("DELETE FROM p1.item WHERE line = 0 AND type = 1", "the line items of an event are numbered from 0"),
    ("UPDATE p1.event_key SET type = 9 WHERE path = 'cart_id'", "a key is of a type"),
    ("UPDATE p1.value_index SET type = 9 WHERE text = 'Shirt'", "a value is of a type"),
    ("DELETE FROM p1.product WHERE field = ''", "what is told of a product is of one"),
    (
        "UPDATE p1.event_type SET count = count + 1",
        "an event type has as many events, and from when to when, as it says",
    ),
    (
        "UPDATE p1.event_type SET last_seen = first_seen",
        "an event type has as many events, and from when to when, as it says",
    ),
    ("UPDATE p1.event SET ts = ts - INTERVAL 1 HOUR WHERE event = 7", "what compaction put in order is in order"),
    ("UPDATE p1.state SET events = events + 1 WHERE type = -1", "the totals of a contact are those of its events"),
    ("UPDATE p1.state SET worth = worth + 0.01", "the totals of a contact are those of its events"),
    ("DELETE FROM p1.state WHERE contact = 1", "the totals of a contact are those of its events"),
    ("UPDATE p1.event_key SET count = count - 1 WHERE path = 'deep.er'", "a key has as many values as it says"),
    ("UPDATE p1.attribute SET count = count - 1 WHERE key = 'city'", "a key has as many values as it says"),
    ("DELETE FROM p1.event_key WHERE path = 'seen'", "a key is known where there is one, with all that it holds"),
    (
        "UPDATE p1.event_key SET holds = [] WHERE path = 'context.os'",
        "a key is known where there is one, with all that it holds",
    ),
    (
        "UPDATE p1.event_key SET path = 'other' WHERE path = 'seen'",
        "a key is known where there is one, with all that it holds",
    ),
    (
        "DELETE FROM p1.value_index WHERE text = 'Oslo'",
        "the values that can be looked up are those of the events and contacts",
    ),
    (
        "UPDATE p1.value_index SET count = 1 WHERE text = 'Shirt'",
        "the values that can be looked up are those of the events and contacts",
    ),
    ("UPDATE p1.stay SET contact = 9", "a stay is of a contact and in a segment"),
    ("DELETE FROM p1.segment", "a stay is of a contact and in a segment"),
    ("UPDATE p1.refresh SET segment = 9", "a refresh is of a segment"),
    ("INSERT INTO p1.stay SELECT * FROM p1.stay", "a contact is in a segment once at a time"),
    ("DELETE FROM p1.stay", "who entered and exited at a refresh are the stays that began and ended then"),
    (
        "UPDATE p1.stay SET exited = NULL",
        "who entered and exited at a refresh are the stays that began and ended then",
    ),
    (
        "UPDATE p1.refresh SET size = size + 1 WHERE exited > 0",
        "the size of a segment at a refresh is who entered so far, minus who exited",
    ),
    (
        "DELETE FROM p1.refresh WHERE exited = 0",
        "the size of a segment at a refresh is who entered so far, minus who exited",
    ),
]
AGAIN = {f"no {table} has the {columns} of another" for table, columns in verify.ONCE}


def test_a_sound_store(store: Store) -> None:
    assert faults(store) == []
    assert {check.phonebook for check in store.verify()} == {"shop"}
    store.phonebook("other").import_contacts([{"visitor_id": "v1"}])
    assert {check.phonebook for check in store.verify() if not check.wrong} == {"shop", "other"}


@pytest.mark.parametrize(("statement", "what"), PLANTED)
def test_a_planted_fault_is_found(store: Store, statement: str, what: str) -> None:
    with store._backend.write() as tx:
        assert tx.rows(f"{statement} RETURNING 1"), "else the test shows nothing"
    found = [check for check in store.verify() if check.wrong]
    assert what in [check.what for check in found]
    assert all(check.example for check in found)


def test_what_is_there_twice_is_found(store: Store) -> None:
    with store._backend.write() as tx:
        for table in {table for table, _ in verify.ONCE}:
            rest = "WHERE message_id = 'm1'" if table == "event" else "ORDER BY ALL LIMIT 1"
            assert tx.rows(f"INSERT INTO p1.{table} SELECT * FROM p1.{table} {rest} RETURNING 1")
    assert set(faults(store)) >= AGAIN


def test_every_check_is_tried(store: Store) -> None:
    assert {check.what for check in store.verify()} - {what for _, what in PLANTED} - AGAIN == {
        f"{len(TABLES)} tables can be read whole"  # damaged files: test_trouble.py
    }


# ── copies ────────────────────────────────────────────────────────────────────────────────────────────────────────


def pair(n: int) -> list[dict[str, object]]:
    """Two events that are stored together or not at all."""
    return [{"event_name": name, "visitor_id": "v1", "event_properties": {"n": n}} for name in ("left", "right")]


def test_a_copy_is_the_store_at_one_instant_while_writing_goes_on(store: Store, tmp_path: Path) -> None:
    book, stop = store.phonebook("shop"), threading.Event()
    written = [0]

    def write() -> None:
        while not stop.is_set():
            book.import_events(pair(written[0]))
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        bounds = []
        for k in range(4):
            while written[0] < 3 * (k + 1):
                time.sleep(0.005)
            before = written[0]
            store.backup(tmp_path / f"copy{k}.duckdb")
            bounds.append((before, written[0] + 1))
    finally:
        stop.set()
        writer.join()
    assert any(last - first > 1 for first, last in bounds), "nothing was written meanwhile"
    for k, (first, last) in enumerate(bounds):
        copy = Store.open(tmp_path / f"copy{k}.duckdb")
        assert faults(copy) == []
        types = {row["name"]: row["count"] for row in copy.phonebook("shop").event_types().to_pylist()}
        assert types["left"] == types["right"]
        assert first <= types["left"] <= last
        assert copy.phonebook("shop").import_events(pair(0)) == Report(accepted=2)
        copy.close()
    assert sorted(path.name for path in tmp_path.glob("s.duckdb*")) == ["s.duckdb", "s.duckdb.wal"]


def test_a_copy_holds_all_that_the_store_holds(store: Store, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy.duckdb")
    copy = Store.open(tmp_path / "copy.duckdb")

    def contents(of: Store) -> dict[str, list[tuple[object, ...]]]:
        tables = "SELECT schema_name || '.' || table_name, sql FROM duckdb_tables() ORDER BY ALL"
        indexes = "SELECT index_name, sql FROM duckdb_indexes() ORDER BY ALL"
        told = {"indexes": of._backend.rows(indexes), "tables": of._backend.rows(tables)}
        for name, _ in told["tables"]:
            told[name] = of._backend.rows(f"SELECT * FROM {name} ORDER BY rowid")  # in the order they have
        return told

    assert contents(copy) == contents(store)
    copy.close()


def test_where_no_copy_can_be(store: Store, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    before = sorted(tmp_path.iterdir())
    for target, said in (
        (tmp_path / "there", "already"),
        (tmp_path / "no folder" / "copy", "No such file or directory"),
        (tmp_path, "already"),
    ):
        with pytest.raises(StorageError, match=said) as error:
            store.backup(target)
        assert error.value.code == "unwritable"
    assert (tmp_path / "there").read_text() == "mine"
    with pytest.raises(StorageError, match="in memory"):
        Store.open(":memory:").backup(tmp_path / "copy")
    assert sorted(tmp_path.iterdir()) == before
    assert faults(store) == []


def test_what_a_killed_copy_left_is_cleared_away(tmp_path: Path) -> None:
    Store.open(tmp_path / "s.duckdb").close()
    for end in ("copy", "copy.wal"):
        (tmp_path / f"s.duckdb.{end}").write_text("half")
    Store.open(tmp_path / "s.duckdb").close()
    assert [path.name for path in tmp_path.iterdir()] == ["s.duckdb"]
