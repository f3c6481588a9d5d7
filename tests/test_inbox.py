"""Small calls: what they leave in the tables and what they are told is as if each had gone the ordinary way."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest
from test_columns import lines, stored

from storage import inbox, load
from storage.errors import StorageError
from storage.load import Outcome
from storage.registry import AuditRow
from storage.store import Book, Store

START = datetime(2026, 3, 1, 12)


def opened(path: Path | str = ":memory:") -> Store:
    """A store whose clock goes on by a second with every look at it."""
    seconds = iter(range(10**6))
    return Store.open(path, clock=lambda: START + timedelta(seconds=next(seconds)))


def told(n: int, visitor: str = "v1", message: str | None = "m") -> bytes:
    event = {"event_name": "signed in", "visitor_id": visitor, "event_properties": {"n": n}}
    return json.dumps(event | ({"message_id": f"{message}{n}"} if message else {})).encode()


def numbers(book: Book, visitor: str = "v1") -> list[int]:
    return sorted(json.loads(row["event_properties"])["n"] for row in book.events(visitor).to_pylist())


READS: dict[str, Callable[[Book], object]] = {
    "event types": Book.event_types,
    "vocabulary": lambda book: book.vocabulary().event_types(),
    "layout": Book.layout,
    "failed": Book.failed_events,
    "compact": Book.compact,
    "contacts": lambda book: book.import_contacts([{"visitor_id": "stranger", "city": "Oslo"}]),
    "settings": lambda book: book.set(private=["email"]),
    "retry": Book.retry,
    "large": lambda book: book.append_events([told(n, message="large") for n in range(load.MANY)]),
}


def became(pieces: Sequence[Sequence[bytes]], between: Sequence[str | None]) -> tuple[Any, ...]:
    """What each call is told, and what the tables hold in the end."""
    store = opened()
    book = store.phonebook("test", "Europe/Berlin")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    outcomes = []
    for piece, read in zip(pieces, between, strict=True):
        outcomes.append(book.append_events(piece))
        if read:
            READS[read](book)
    found = stored(book)
    products(found)
    assert [check for check in store.verify() if check.wrong] == []
    store.close()
    return outcomes, found


def products(found: dict[str, list[dict[str, Any]]]) -> None:
    """A product is there from the first event of the transaction that first tells of it."""
    for row in found["product"]:
        if not row["field"]:
            del row["ts"]


@pytest.mark.parametrize(
    "seed", [4, 6, pytest.param(9, marks=pytest.mark.laws), pytest.param(12, marks=pytest.mark.laws)]
)
def test_pieces_of_mutated_events_go_where_the_ordinary_way_leads(seed: int) -> None:
    dice = random.Random(seed)
    payloads = lines(120, seed).split(b"\n")
    pieces = []
    while payloads:
        size = dice.choice([1, 1, 1, 2, 5, 20])
        pieces.append(payloads[:size])
        payloads = payloads[size:]
    between = [dice.choice([None] * 5 + list(READS)[:-1]) for _ in pieces]
    if seed % 4 == 0:
        between[len(between) // 2] = "large"
    small = became(pieces, between)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "MANY", 0)
        patch.setitem(READS, "large", lambda book: book.append_events([told(n, message="large") for n in range(2_000)]))
        assert became(pieces, between) == small
    assert any(outcome == "accepted" for outcomes in small[0] for outcome in outcomes)


def test_pieces_and_one_import() -> None:
    payloads = [line for line in lines(600, 3).split(b"\n") if line]
    apart, together = Store.open(":memory:", lambda: START), Store.open(":memory:", lambda: START)
    for store, size in ((apart, 7), (together, len(payloads))):
        book = store.phonebook("test")
        book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
        for start in range(0, len(payloads), size):
            book.append_events(payloads[start : start + size])
            if start % 5 == 0:
                book.event_types()
    ours, theirs = stored(apart.phonebook("test")), stored(together.phonebook("test"))
    for table in ours.keys() - {"failed", "product", "variant"}:
        assert ours[table] == theirs[table], table
    # In one batch a failure may come before the event with its message, and what is told of a product at one instant
    # is all told at once.
    assert {tuple(row.values())[:2] for row in ours["product"]} == {
        tuple(row.values())[:2] for row in theirs["product"]
    }
    assert len(ours["event"]) > 300


def test_what_a_call_is_told() -> None:
    book = opened().phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    assert book.append_events([told(1), told(2), told(1)]) == ["accepted", "accepted", "duplicate"]
    assert book.append_events([told(2), told(3)]) == ["duplicate", "accepted"]
    (unknown,) = book.append_events([told(4, "late")])
    assert [error.code for error in unknown if not isinstance(error, str)] == ["unknown_visitor"]
    assert book.append_events([told(4, "late")]) == ["duplicate"], "it failed before, just so"
    book.import_contacts([{"visitor_id": "late"}])
    assert book.append_events([told(4, "late"), told(4, "late")]) == ["accepted", "duplicate"]
    book.event_types()
    assert book.append_events([told(1), told(4, "late"), told(5)]) == ["duplicate", "duplicate", "accepted"]
    assert (numbers(book), numbers(book, "late")) == ([1, 2, 3, 5], [4])
    assert book.import_events([json.loads(told(6)), json.loads(told(1)), {}]) == load.Report(1, 0, 1, 1)


def test_an_event_keeps_when_it_came() -> None:
    book = opened().phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    for n in range(3):
        book.append_events([told(n)])
    rows = book.events("v1").sort_by("event").to_pylist()
    assert [row["event_timestamp"] for row in rows] == [row["created_at"] for row in rows]
    assert len({row["created_at"] for row in rows}) == 3


def test_messages_of_files_and_of_the_inbox_are_one_set(tmp_path: Path) -> None:
    book = opened().phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    assert book.append_events([told(0)]) == ["accepted"]
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\n".join(told(n) for n in range(3_000)))
    assert book.import_events(path) == load.Report(2_999, 0, 1, 0)
    assert book.append_events([told(7), told(2_999), told(3_000)]) == ["duplicate", "duplicate", "accepted"]
    book.compact()
    assert book.append_events([told(2_998), told(3_000), told(3_001)]) == ["duplicate", "duplicate", "accepted"]
    assert numbers(book) == list(range(3_002))


def test_two_messages_with_one_digest_are_two() -> None:
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    book.append_events([told(1)])
    (number,) = store._backend.engine.rows("SELECT md5_number_lower('m1')")[0]
    assert inbox._digest("m1") == number
    store._backend._known[book.row.id].runs.append(numpy.array([inbox._digest("m2")], numpy.uint64))
    assert book.append_events([told(1), told(2)]) == ["duplicate", "accepted"]


def test_one_who_was_forgotten_is_unknown(tmp_path: Path) -> None:
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "a-person-who-goes"}])
    assert book.append_events([told(1, "a-person-who-goes"), told(2)]) == ["accepted", "accepted"]
    assert book.forget("a-person-who-goes").events == 1
    assert b"a-person-who-goes" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    (unknown,) = book.append_events([told(3, "a-person-who-goes")])
    assert not isinstance(unknown, str)
    assert book.append_events([told(1), told(2)]) == ["accepted", "duplicate"]


def test_what_waits_when_the_process_ends_is_there(tmp_path: Path) -> None:
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    book.append_events([])
    book.append_events([told(0)])
    assert numbers(book) == [0]
    book.append_events([told(1), told(2)])
    assert store._backend.waiting(book.row) == 2
    store._backend.engine.close()  # as it is left by kill -9
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    assert store._backend.waiting(book.row) == 2
    assert book.append_events([told(2), told(0), told(3)]) == ["duplicate", "duplicate", "accepted"]
    assert numbers(book) == [0, 1, 2, 3]
    assert store._backend.waiting(book.row) == 0
    store.close()


def test_a_question_is_settled_once() -> None:
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    book.append_events([told(1)])
    with book.question():
        assert numbers(book) == [1]
        other = threading.Thread(target=lambda: book.append_events([told(2)]))
        other.start()
        other.join()
        assert numbers(book) == [1]
        assert store._backend.waiting(book.row) == 1
    assert numbers(book) == [1, 2]


@pytest.mark.parametrize("many", [2, load.MANY])
def test_what_is_noted_of_events_is_stored_with_them_or_neither_is(many: int) -> None:
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    payloads = [told(n) for n in range(many)]

    def failing(became: Sequence[Outcome]) -> list[AuditRow]:
        raise StorageError("failed", str(len(became)))

    with pytest.raises(StorageError, match=str(many)):
        book.append_events(payloads, failing)
    assert numbers(book) == []
    row = AuditRow(START, "k", "test", "events.create", {"accepted": many})
    assert book.append_events(payloads, lambda became: [row]) == ["accepted"] * many
    assert store.audit("test", 10)["action"].to_pylist() == ["events.create"]


def test_many_are_settled_though_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MANY", 20)
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    for n in range(100):
        book.append_events([told(n)])
    deadline = time.monotonic() + 20
    while store._backend.waiting(book.row) >= 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(store._backend.engine.rows("SELECT 1 FROM p1.event")) > 80
    assert numbers(book) == list(range(100))


def in_threads(jobs: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_that_send_the_same_store_it_once() -> None:
    store = opened()
    books = [store.phonebook("a"), store.phonebook("b")]
    for book in books:
        book.import_contacts([{"visitor_id": "v1"}])
    counts: list[Counter[object]] = [Counter(), Counter()]
    lock = threading.Lock()

    def send(which: int, seed: int) -> None:
        order = list(range(150))
        random.Random(seed).shuffle(order)
        for n in order:
            (outcome,) = books[which].append_events([told(n)])
            with lock:
                counts[which][outcome] += 1
            if n % 50 == 0:
                assert n in numbers(books[which]), "what is acknowledged is seen"

    in_threads([lambda which=k % 2, seed=k: send(which, seed) for k in range(8)])  # type: ignore[misc]
    assert counts == [Counter(accepted=150, duplicate=450)] * 2
    for book in books:
        assert numbers(book) == list(range(150))
    assert [check for check in store.verify() if check.wrong] == []


def test_a_call_that_cannot_be_stored_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    real = load.outcomes

    def outcomes(records: Any, stored_lines: Any, failures: Any) -> list[Outcome]:
        if any(raw == told(13) for _, raw, _ in records):
            raise RuntimeError("this one cannot")
        return real(records, stored_lines, failures)

    monkeypatch.setattr(inbox, "outcomes", outcomes)
    failed = []

    def send(n: int) -> None:
        try:
            book.append_events([told(n)])
        except RuntimeError:
            failed.append(n)

    with store._backend._turn:  # so that all of them wait, and go together
        threads = [threading.Thread(target=send, args=[n]) for n in range(10, 18)]
        for thread in threads:
            thread.start()
        while len(store._backend._calls) < len(threads):
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert failed == [13]
    assert book.append_events([told(12)]) == ["duplicate"]
    assert numbers(book) == [10, 11, 12, 14, 15, 16, 17]
