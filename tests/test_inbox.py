"""Small calls: what they leave in the tables and what they are told is as if each had gone the ordinary way."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest
from test_columns import hurt_lines, stored

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


@pytest.mark.parametrize("seed", [4, 6, 12, pytest.param(9, marks=pytest.mark.laws)])
def test_pieces_of_mutated_events_go_where_the_ordinary_way_leads(seed: int) -> None:
    dice = random.Random(seed)
    payloads = hurt_lines(120, seed).split(b"\n")
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
    payloads = [line for line in hurt_lines(600, 3).split(b"\n") if line]
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
    (found,) = store.audit("test", 10).to_pylist()
    assert {name: found[name] for name in ("at", "who", "action", "detail")} == {
        "at": START,
        "who": "k",
        "action": "events.create",
        "detail": json.dumps({"accepted": many}, separators=(",", ":")),
    }


def test_what_an_older_release_left_in_the_inbox_is_settled(tmp_path: Path) -> None:
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    book.append_events([told(1)])
    engine, row = store._backend.engine, book.row
    ((written,),) = engine.rows(f"SELECT events FROM {row.schema}.inbox")
    events = json.loads(written)["events"]
    with engine.write() as tx:
        tx.run(f"UPDATE {row.schema}.inbox SET events = ?", [json.dumps(events).encode()])
    assert numbers(book) == [1]
    assert book.append_events([told(1)]) == ["duplicate"]
    store.close()


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

    with store._backend._inlet:  # so that all of them wait, and go together
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


# ── calls while the inbox is settled ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def settling(store: Store, monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> Iterator[None]:
    """The inbox is being settled by another thread, up to its commit, until the block ends; then it is, or fails."""
    arrived, go_on = threading.Event(), threading.Event()
    real, mine = inbox._settle, threading.local()

    def held(*given: Any) -> Any:
        placed = real(*given)
        if getattr(mine, "yes", False):
            mine.yes = False
            arrived.set()
            assert go_on.wait(20)
            if error:
                raise error
        return placed

    def settle() -> None:
        mine.yes = True
        with suppress(StorageError, RuntimeError, KeyboardInterrupt):
            store._backend.settle()

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_settle", held)
        thread = threading.Thread(target=settle)
        thread.start()
        assert arrived.wait(20)
        try:
            yield
        finally:
            go_on.set()
            thread.join(20)
    assert not thread.is_alive()


def fill(book: Book) -> None:
    """Five events that wait."""
    for n in range(5):
        assert book.append_events([told(n)]) == ["accepted"]
    assert book._backend.waiting(book.row) == 5


def places(store: Store) -> tuple[int, int]:
    """How many events wait and how many are stored, as a reader of the tables sees them at one instant."""
    with store._backend.engine.snapshot() as snapshot:
        waiting = snapshot.rows("SELECT coalesce(sum(count), 0) FROM p1.inbox")[0][0]
        return int(waiting), int(snapshot.rows("SELECT count(*) FROM p1.event")[0][0])


@pytest.mark.parametrize("error", [None, StorageError("failed", "no"), RuntimeError("no"), KeyboardInterrupt()])
def test_calls_come_while_the_inbox_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    fill(book)
    with settling(store, monkeypatch, error):
        assert book.append_events([told(0), told(5), told(6)]) == ["duplicate", "accepted", "accepted"]
        assert book.append_events([told(n) for n in range(4, 8)]) == ["duplicate"] * 3 + ["accepted"]
        (unknown,) = book.append_events([told(8, "late")])
        assert not isinstance(unknown, str)
        assert places(store) == (8, 0)
    assert places(store) == ((8, 0) if error else (3, 5))
    assert store._backend.waiting(book.row) == places(store)[0]
    assert book.append_events([told(n) for n in range(9)]) == ["duplicate"] * 8 + ["accepted"]
    assert numbers(book) == list(range(9))
    assert store._backend.waiting(book.row) == 0
    assert book.append_events([told(n) for n in range(10)]) == ["duplicate"] * 9 + ["accepted"]
    assert [check for check in store.verify() if check.wrong] == []
    store._backend.engine.close()  # as it is left by kill -9
    store = opened(tmp_path / "s.duckdb")
    assert numbers(store.phonebook("test")) == list(range(10))
    store.close()


def test_a_first_call_while_the_inbox_is_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known yet of what a process before this one has left."""
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    fill(book)
    store._backend.engine.close()
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    with settling(store, monkeypatch):
        assert book.append_events([told(4), told(5)]) == ["duplicate", "accepted"]
    assert book.append_events([told(4), told(5), told(6)]) == ["duplicate", "duplicate", "accepted"]
    assert numbers(book) == list(range(7))
    store.close()


def test_a_commit_that_failed_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that is full when the log has been written."""
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    fill(book)
    real = store._backend.engine.beside

    @contextmanager
    def beside() -> Iterator[Any]:
        with real() as tx:
            yield tx
        raise StorageError("full", "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(store._backend.engine, "beside", beside)
        with settling(store, monkeypatch):
            assert book.append_events([told(4), told(5)]) == ["duplicate", "accepted"]
        assert places(store) == (1, 5)
        assert book.append_events([told(4), told(5), told(6)]) == ["duplicate", "duplicate", "accepted"]
    assert numbers(book) == list(range(7))


WHILE_SETTLING: dict[str, Callable[[Store, Book], object]] = {
    **{name: lambda _, book, read=read: read(book) for name, read in READS.items()},  # type: ignore[misc]
    "question": lambda _, book: numbers(book),
    "forget": lambda _, book: book.forget("v2"),
    "verify": lambda store, _: store.verify(),
    "renew": lambda store, _: store._backend.renew(),
    "copy": lambda store, _: store.backup(Path(f"{store._backend.engine._path}.another")),  # type: ignore[attr-defined]
    "close": lambda store, _: store.close(),
    "another phonebook": lambda store, _: store.phonebook("another").import_contacts([{"visitor_id": "v1"}]),
    "audit": lambda store, _: store.record([AuditRow(START, "k", "test", "ask", {})]),
}


@pytest.mark.parametrize("what", WHILE_SETTLING)
def test_whatever_is_asked_for_while_the_inbox_is_settled(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits, or goes on beside; nothing waits for ever, and every event is there once."""
    store = opened(tmp_path / "s.duckdb")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    fill(book)
    other = threading.Thread(target=lambda: WHILE_SETTLING[what](store, book))
    with settling(store, monkeypatch):
        if what != "close":
            assert book.append_events([told(5)]) == ["accepted"]
        other.start()
        other.join(0.1)
        if what == "audit":
            assert not other.is_alive()
    other.join(20)
    assert not other.is_alive()
    if what == "close":
        store = opened(tmp_path / "s.duckdb")
        book = store.phonebook("test")
        assert book.append_events([told(5)]) == ["accepted"]
    assert book.append_events([told(5), told(6)]) == ["duplicate", "accepted"]
    more = range(load.MANY) if what == "large" else range(7)
    assert Counter(numbers(book)) == Counter(range(7)) + (Counter(more) if what == "large" else Counter())
    assert [check for check in store.verify() if check.wrong] == []
    store.close()


def test_where_too_much_waits_a_call_waits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_MOST", 20)
    store = opened()
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    for n in range(100):
        assert book.append_events([told(n)]) == ["accepted"]
        assert store._backend.waiting(book.row) <= 20
    with monkeypatch.context() as patch:
        patch.setattr(store._backend, "settle", lambda: (_ for _ in ()).throw(StorageError("full", "no room")))
        while store._backend.waiting(book.row) < 20:
            n += 1
            assert book.append_events([told(n)]) == ["accepted"]
        with pytest.raises(StorageError, match="no room"):
            book.append_events([told(n + 1)])
    assert book.append_events([told(n), told(n + 1)]) == ["duplicate", "accepted"]
    assert numbers(book) == list(range(n + 2))
