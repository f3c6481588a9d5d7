"""Eight readers and two writers at once, compaction beside them: no error, answers of one instant, nobody waits long.

`--seconds` says for how long (4; `make load`: 60, and then how long they waited counts). Each reader asks about twice a
second, each writer stores a batch about ten times a second: a load, and not a race that two processors must lose.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles

import pytest

import persona
from grammar.query import CountEvents, CountUsers, Events, Everyone, Query, all_of, did, negated
from storage.backends.duckdb import DuckDB
from storage.errors import StorageError
from storage.inbox import Inbox
from storage.registry import prepare
from storage.store import Store

READERS, WRITERS, CONTACTS, PAIRS = 8, 2, 500, 20
NOW = "2026-06-30T18:00:00"
QUESTIONS = (
    "How many users did a left in the last 30 days?",
    "Which users did a left at least 3 times in 2026?",
    "Users in Oslo who did a left but did not do a right in the last 30 days",
)
LEFT, RIGHT = Events("left"), Events("right")


class Load:
    """A store under load, and what its readers saw."""

    def __init__(self, book: persona.Phonebook) -> None:
        self.book = book
        self.begun = self.done = 0  # pairs of events, by all writers
        self.waited: list[float] = []
        self.errors: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def ask(self, chance: random.Random, seen: list[int]) -> None:
        """Asks something, and holds the answer against what has been written."""
        began, done = time.perf_counter(), self.done
        pick = chance.randrange(5)
        if pick == 0:
            halves = self.book.ask(Query(all_of(did(LEFT), negated(did(RIGHT))), CountUsers()), now=NOW).value
            assert halves == 0, "a batch was seen half"
        elif pick == 1:
            count = self.book.ask(Query(Everyone(), CountEvents(LEFT)), now=NOW).value
            assert isinstance(count, int)
            assert max(done, *seen) <= count <= self.begun, "an answer of no instant"
            seen.append(count)
        else:
            self.book.ask(QUESTIONS[pick - 2], now=NOW)
        self.waited.append(time.perf_counter() - began)

    def write(self, chance: random.Random) -> None:
        """Stores pairs of events: both are there, or none."""
        with self._lock:
            self.begun += PAIRS
        events = []
        for _ in range(PAIRS):
            at = f"2026-06-{chance.randrange(1, 30):02} 10:00:00"
            event = {"visitor_id": f"v{chance.randrange(CONTACTS)}", "event_properties": {}, "event_timestamp": at}
            events += [{**event, "event_name": name} for name in ("left", "right")]
        self.book.import_events(events)
        with self._lock:
            self.done += PAIRS

    def run(self, seconds: float, jobs: list[tuple[Callable[[random.Random], object], float]]) -> None:
        """Does each job again and again, with a pause of about so long."""

        def again(n: int, job: Callable[[random.Random], object], pause: float) -> None:
            chance = random.Random(n)
            try:
                while not self._stop.wait(chance.uniform(0, 2 * pause)):
                    job(chance)
            except Exception as error:  # noqa: BLE001  the test says what it was
                self.errors.append(f"{type(error).__name__}: {error}")

        self._stop.clear()
        threads = [threading.Thread(target=again, args=(n, *job)) for n, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._stop.set()
        for thread in threads:
            thread.join()


def test_readers_and_writers(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seconds: float = request.config.getoption("--seconds")
    with persona.connect(tmp_path / "s.duckdb") as book:
        book.import_contacts([{"visitor_id": f"v{n}", "city": ["Oslo", "Porto"][n % 2]} for n in range(CONTACTS)])
        load = Load(book)
        for n in range(100):
            load.write(random.Random(n))
        seen = [0]
        book.ask(QUESTIONS[0], now=NOW)  # the grammar loads
        load.run(max(1.0, seconds / 6), [(lambda chance: load.ask(chance, seen), 0.02)])
        quiet, load.waited = load.waited, []
        before = load.done

        readers = [(lambda chance, seen=[0]: load.ask(chance, seen), 0.5) for _ in range(READERS)]
        writers = [(load.write, 0.1)] * WRITERS
        load.run(seconds, [*readers, *writers, (lambda _: book.compact(), 1.0)])
        assert load.errors == []
        assert load.done - before > 0
        assert len(load.waited) >= READERS
        assert [check for check in book.verify() if check.wrong] == []
    p50, p99 = median(quiet), quantiles(load.waited, n=100)[98]
    figures = (
        f"{len(load.waited)} questions, {load.done - before} pairs of events in {seconds:.0f} s; quiet p50 "
        f"{p50 * 1000:.0f} ms; under load p50 {median(load.waited) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms: "
        f"{p99 / p50:.1f} × the quiet p50"
    )
    print(f"\n{figures}")
    if seconds >= 60:
        assert p99 <= 5 * p50, figures


def test_a_question_that_is_stopped_is_nobody_elses_trouble() -> None:
    """A clear error for the one who asked; others read and write on, and so does this connection."""
    backend = DuckDB(":memory:", memory="300MB", seconds=0.5)
    prepare(backend, ":memory:")
    book = Store(Inbox(backend), lambda: datetime(2026, 6, 30)).phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}])
    long = "SELECT count(*) FROM range(10000000) a, range(100000) b WHERE a.range % 7 = b.range % 5"
    codes: list[str] = []

    def ask(sql: str) -> None:
        try:
            backend.query(sql)
        except StorageError as error:
            codes.append(error.code)

    asking = [threading.Thread(target=ask, args=[sql]) for sql in (long, long)]
    for thread in asking:
        thread.start()
    for n in range(5):
        assert book.import_events([{"event_name": "left", "visitor_id": "v1", "event_properties": {"n": n}}]).accepted
        assert book.events("v1").num_rows == n + 1
    for thread in asking:
        thread.join()
    assert codes == ["too slow", "too slow"]
    assert book.events("v1").num_rows == 5


def test_only_questions_have_a_limit_of_time() -> None:
    backend = DuckDB(":memory:", seconds=0.05)
    long = "SELECT count(md5(range::VARCHAR)) FROM range(2000000)"

    def is_stopped() -> None:
        with pytest.raises(StorageError) as error:
            backend.query(long)
        assert error.value.code == "too slow"

    is_stopped()
    for free in (backend.write, backend.background, backend.beside, backend.survey):
        with free() as session:
            assert session.rows(long) == [(2_000_000,)]
        is_stopped()
    backend.close()
