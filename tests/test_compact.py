"""Compaction: the same rows before and after, in order, beside writers and readers; and states that add up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grammar import query as q
from persona import sample
from storage import compact
from storage.schema import TABLES
from storage.store import Book, Store

NOW = datetime(2026, 7, 1)
EVENTS = f"SELECT {', '.join(TABLES['event'])} FROM p1.event ORDER BY event"
ITEMS = f"SELECT {', '.join(TABLES['item'])} FROM p1.item ORDER BY event, line"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store.duckdb", clock=lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def book(store: Store, shop: sample.Sample) -> Book:
    made = store.phonebook("shop")
    made.import_contacts(shop.contacts)
    made.import_events(shop.events[: len(shop.events) // 2])
    return made


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return store._backend.rows(sql)


def states(store: Store, upto: int, horizon: datetime = NOW) -> list[tuple[Any, ...]]:
    """What `state` must hold, counted anew."""
    counted = "min(ts), max(ts), count(*)"
    seen = f"FROM p1.event WHERE event <= {upto} AND ts <= TIMESTAMP '{horizon}'"
    return rows(
        store,
        f"SELECT type, contact, {counted}, fsum(order_value) AS worth {seen} GROUP BY type, contact UNION ALL "
        f"SELECT -1, contact, {counted}, NULL {seen} GROUP BY contact ORDER BY 1, 2",
    )


def check_states(store: Store) -> None:
    upto, horizon = rows(store, "SELECT upto, horizon FROM p1.compaction")[0]
    assert rows(store, "SELECT * FROM p1.state ORDER BY type, contact") == states(store, upto, horizon)


@pytest.mark.parametrize("chunk", [500, 2_000_000])
def test_the_same_rows_in_order(store: Store, book: Book, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CHUNK", chunk)
    before = rows(store, EVENTS), rows(store, ITEMS)
    done = book.compact()
    assert done.new == done.rewritten == len(before[0])
    assert (rows(store, EVENTS), rows(store, ITEMS)) == before
    key = "(type, date_trunc('month', ts), contact, ts)"
    for table in ("event", "item"):
        disordered = f"SELECT count(*) FROM (SELECT {key} < lag({key}) OVER (ORDER BY rowid) AS wrong FROM p1.{table})"
        assert rows(store, f"{disordered} WHERE wrong") == [(0,)]
    check_states(store)
    assert book.compact() == compact.Compacted(0, 0), "there is nothing left to do"


def test_only_blocks_with_new_events_are_rewritten(store: Store, book: Book, shop: sample.Sample) -> None:
    book.compact()
    report = book.import_events(shop.events[len(shop.events) // 2 :])
    before = rows(store, EVENTS), rows(store, ITEMS)
    done = book.compact()
    assert done.new == report.accepted
    assert report.accepted <= done.rewritten < len(before[0])
    assert (rows(store, EVENTS), rows(store, ITEMS)) == before
    check_states(store)


def test_a_late_event_and_one_still_to_come(store: Store, book: Book) -> None:
    def page(visitor: str, when: str) -> dict[str, Any]:
        return {
            "event_name": "page-view",
            "visitor_id": visitor,
            "event_timestamp": when,
            "event_properties": {"title": "t"},
        }

    visitor = rows(store, "SELECT visitor_id FROM p1.contact WHERE contact = 0")[0][0]
    book.compact()
    assert (
        book.import_events([page(visitor, "2001-01-01 00:00:00"), page(visitor, "2099-01-01 00:00:00")]).accepted == 2
    )
    book.compact()
    check_states(store)
    first, last = rows(store, "SELECT first, last FROM p1.state WHERE type = -1 AND contact = 0")[0]
    assert first == datetime(2001, 1, 1)
    assert last < NOW, "what is later than the clock is not counted"


def test_nothing_that_comes_meanwhile_is_lost(store: Store, book: Book, shop: sample.Sample) -> None:
    rest = shop.events[len(shop.events) // 2 :]
    size = len(rest) // 8
    stop = threading.Event()
    seen: list[tuple[int, int]] = []
    writer_errors: list[Exception] = []

    def write() -> None:
        try:
            for start in range(0, len(rest), size):
                book.import_events(rest[start : start + size])
        except Exception as error:  # noqa: BLE001  whatever it is, the test must see it
            writer_errors.append(error)

    def watch() -> None:
        while not stop.wait(0.01):
            seen.extend(rows(store, "SELECT count(*), count(DISTINCT event) FROM p1.event"))

    threads = [threading.Thread(target=write), threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    while threads[0].is_alive():
        book.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert not writer_errors
    book.compact()
    assert all(every == different for every, different in seen)
    assert seen == sorted(seen)
    assert book.import_events(shop.events).accepted == 0, "every event that was handed in is there"
    check_states(store)


def test_an_event_never_gets_a_number_again(store: Store, book: Book, shop: sample.Sample) -> None:
    book.compact()
    with store._backend.write(alone=True) as tx:
        last = tx.rows("SELECT max(event) FROM p1.event")[0][0]
        tx.run("DELETE FROM p1.event WHERE event = ?", [last])
    book.import_events(shop.events[len(shop.events) // 2 :][:50])
    assert rows(store, "SELECT min(event) FROM p1.event WHERE event >= ?".replace("?", str(last)))[0][0] > last


def test_it_happens_by_itself(tmp_path: Path, shop: sample.Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "LEAST", 1000)
    path = tmp_path / "store.duckdb"
    store = Store.open(path, clock=lambda: NOW)
    book = store.phonebook("shop")
    book.import_contacts(shop.contacts)
    accepted = book.import_events(shop.events[:2000]).accepted
    store.close()
    opened = Store.open(path)
    assert rows(opened, "SELECT upto + 1 FROM p1.compaction") == [(accepted,)]
    opened.close()


# ── promotion ─────────────────────────────────────────────────────────────────────────────────────────────────────


def login(visitor: str, day: int, **properties: Any) -> dict[str, Any]:
    return {
        "event_name": "login",
        "visitor_id": visitor,
        "event_timestamp": f"2026-03-{day:02} 10:00:00",
        "event_properties": properties,
        "context": {"device": "mobile" if day % 2 else "desktop", "app": {"build": day}},
    }


LOGINS = [
    login("ann", 1, method="sso", tries=1, mixed="a"),
    login("ann", 2, method="Password ", tries="2", mixed=3),
    login("bob", 3, method="sso", tries=3.5, tags=["a", "b"]),
    login("bob", 4, method=None, tries="1,000"),
    login("cat", 5, method="", tries="some"),
]
QUERIES = (
    q.did(q.Events("login", (q.Filter((q.Property("method"),), q.Text("is", ("sso",))),))),
    q.did(q.Events("login", (q.Filter((q.Property("method"),), q.Text("is", ("sso",), negated=True)),))),
    q.did(q.Events("login", (q.Filter((q.Property("method"),), q.Text("contains", ("word",))),))),
    q.did(q.Events("login", (q.Filter((q.Property("method"),), q.Known(False)),))),
    q.did(q.Events("login", (q.Filter((q.Property("tries"),), q.Numeric(q.Bound(">=", 2))),))),
    q.did(q.Events("login", (q.Filter((q.Property("tries"),), q.Text("is", ("2", "3.5"))),))),
    q.did(q.Events("login", (q.Filter((q.Property("mixed"),), q.Text("is", ("3",))),))),
    q.did(q.Events("login", (q.Filter((q.Property("device", "context"),), q.Text("is", ("mobile",))),))),
    q.did(q.Events("login", (q.Filter((q.Property("app.build", "context"),), q.Numeric(q.Bound("<", 3))),))),
    q.Has(q.Aggregate("total", q.Events("login"), q.Property("tries")), q.Bound(">", 3)),
)


def answers(book: Book) -> list[Any]:
    asked = [q.Query(condition) for condition in QUERIES]
    asked.append(q.Query(q.Everyone(), q.EventBreakdown(q.Property("method"), q.Events("login"), False, None)))
    return [book.answer(query, NOW.replace(tzinfo=UTC)).table.to_pylist() for query in asked]


def columns(store: Store) -> dict[str, str]:
    return dict(rows(store, "SELECT level || '.' || key, column_name FROM p1.promoted WHERE filled"))


def test_promoted_keys_answer_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CARRIED", 3)
    book = store.phonebook("few")
    book.import_contacts([{"visitor_id": name} for name in ("ann", "bob", "cat", "dan")])
    book.import_events(LOGINS[:4])
    before = answers(book)
    assert set(book.compact().promoted) == {"method", "tries", "device"}
    assert set(columns(store)) == {"event.method", "event.tries", "context.device"}
    assert answers(book) == before
    sql = book.answer(q.Query(QUERIES[0]), NOW.replace(tzinfo=UTC)).sql
    assert columns(store)["event.method"] in sql and "properties" not in sql
    book.import_events(LOGINS[4:])  # one whose number is none: the column no longer tells all
    after = answers(book)
    other = Store.open(":memory:", clock=lambda: NOW)
    plain = other.phonebook("few")
    plain.import_contacts([{"visitor_id": name} for name in ("ann", "bob", "cat", "dan")])
    plain.import_events(LOGINS)
    assert after == answers(plain)
    book.compact()
    assert answers(book) == after
    other.close()


def test_what_is_asked_for_often_is_promoted(store: Store) -> None:
    book = store.phonebook("few")
    book.import_contacts([{"visitor_id": "ann"}, {"visitor_id": "bob"}])
    book.import_events(LOGINS[:3])
    assert book.compact().promoted == ()
    for _ in range(3):
        book.answer(q.Query(QUERIES[0]), NOW.replace(tzinfo=UTC))
    assert book.compact().promoted == ("method",)
    assert book.compact() == compact.Compacted(0, 0)


def test_a_promotion_that_was_cut_short_is_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CARRIED", 3)
    book = store.phonebook("few")
    book.import_contacts([{"visitor_id": name} for name in ("ann", "bob", "cat")])
    book.import_events(LOGINS[:4])
    before = answers(book)

    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compact, "_rewrite", stop)
        with pytest.raises(KeyboardInterrupt):
            book.compact()
    assert columns(store) == {}
    assert answers(book) == before
    assert set(book.compact().promoted) == {"method", "tries", "device"}
    assert answers(book) == before
