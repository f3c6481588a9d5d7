"""Small calls: their events are on disk after one statement, and take their places in the columns before anybody looks.

To give an event its place costs some ten statements, whether one event comes or thousands. So the events of small
calls are first written down as they were read, in a row of the table `inbox`: one statement and one commit for all
callers that wait. What the audit log is to say of them is in that row too. From there they are settled: one transaction
takes all of them through the ordinary path and out of the inbox. That happens before anything else is read or written,
so nobody ever sees the difference; and by itself, when many wait. Meanwhile more may come: that transaction takes what
it has seen, and the rest stays for the next.

What became of an event is decided when it comes, exactly: whose it is and whether its message is there already are
known from memory, and the store is asked only where memory cannot tell.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
import pyarrow as pa

from storage.backends import Backend, Session, Snapshot, Stop, Survey
from storage.compact import next_event
from storage.errors import StorageError
from storage.lines import Failure, Read, Told
from storage.load import (
    NOWHERE,
    Outcome,
    keep_failures,
    known_contacts,
    outcomes,
    read_events,
    settle_events,
    sift,
    stored_messages,
    visitors_of,
)
from storage.registry import AuditRow, PhonebookRow, phonebooks, record
from storage.schema import META
from storage.source import Record, Records

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    import numpy.typing as npt

MANY: Final = 10_000
"""When so many events of a phonebook wait, they are to be settled though nobody looks."""

_MOST: Final = 10 * MANY  # so many are settled by whoever comes next: memory has an end
_PATIENCE: Final = 0.2  # of the time that the last commit took


Noted: TypeAlias = Callable[[Sequence[Outcome]], Sequence[AuditRow]]
"""What the audit log is to say of events that became this."""


@dataclass(slots=True, eq=False)
class _Call:
    """Events that somebody waits for: until `woken`, when it is known what became of them, or they are to be committed
    by the caller, and with them all others that wait."""

    book: PhonebookRow
    origin: Records
    records: Sequence[Record]
    now: datetime
    messages: Mapping[int, bytes] | None
    noted: Noted | None
    read_in: Read
    became: list[Outcome] | Exception | None = None
    woken: threading.Event = field(default_factory=threading.Event)


_Event: Any = msgspec.defstruct(
    "_Event",
    [
        ("name", str),
        ("visitor_id", str),
        ("ts", datetime),
        ("created_at", datetime),
        ("properties", msgspec.Raw),
        ("context", msgspec.Raw),
        ("kind", str),
        ("message_id", str | None),
        ("extra", msgspec.Raw),
    ],
    array_like=True,
    gc=False,
)
"""An event in the inbox."""

_Came: Any = msgspec.defstruct("_Came", [("events", list[_Event]), ("notes", list[AuditRow])])
"""What is in a row of the inbox. One of an older release is a list of events alone."""

_NOTHING: Final = b"null"
_decode_came: Final = msgspec.json.Decoder(list[_Event] | _Came).decode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class _Known:
    """What is in the tables of a phonebook, as far as it was when somebody last looked.

    Attributes:
        visitors: the contacts up to `contacts`: visitor_id → number.
        runs: 64 bits of the digest of each message_id of the events up to `events`, sorted, in a few arrays.
        waiting: the message_ids in the inbox.
        stale: there may be newer events.
    """

    visitors: dict[str, int] = field(default_factory=dict)
    contacts: int = -1
    runs: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    events: int = -1
    waiting: set[str] = field(default_factory=set)
    stale: bool = True

    def see_contacts(self, tx: Session, schema: str) -> None:
        found = tx.table(f"SELECT contact, visitor_id FROM {schema}.contact WHERE contact > ?", [self.contacts])
        if len(found):
            numbers = found["contact"].to_pylist()
            self.visitors.update(zip(found["visitor_id"].to_pylist(), numbers, strict=True))
            self.contacts = max(numbers)

    def see_events(self, tx: Session, book: PhonebookRow) -> None:
        last = next_event(tx, book) - 1
        if last > self.events:
            new = tx.table(
                f"SELECT md5_number_lower(message_id) AS digest FROM {book.schema}.event "
                "WHERE event > ? AND message_id IS NOT NULL ORDER BY digest",
                [self.events],
            )
            self.events = last
            self._add_run(new["digest"].to_numpy())
        self.stale = False

    def settled(self, placed: _Placed) -> None:
        if not self.stale:
            self._add_run(placed.digests)
            self.events = placed.last
        self.waiting -= placed.message_ids

    def _add_run(self, run: npt.NDArray[np.uint64]) -> None:
        import numpy as np

        if len(run):
            self.runs.append(run)
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            self.runs[-2:] = [np.sort(np.concatenate(self.runs[-2:]))]

    def stored(self, tx: Session, book: PhonebookRow, message_ids: set[str]) -> set[str]:
        """Those of these messages that are events already, also in the inbox."""
        import numpy as np

        found = message_ids & self.waiting
        rest = list(message_ids - found)
        digests = np.array([_digest(message_id) for message_id in rest], np.uint64)
        alike = np.zeros(len(rest), bool)
        for run in self.runs:
            alike |= run[np.minimum(np.searchsorted(run, digests), len(run) - 1)] == digests
        if alike.any():
            found |= stored_messages(tx, book, [rest[at] for at in np.flatnonzero(alike)])
        return found


@dataclass(frozen=True, slots=True)
class _Placed:
    """Events that were in the inbox and have their places: how many, the number of the last one, their message_ids, and
    64 bits of the digest of each of those, sorted."""

    count: int
    last: int
    message_ids: set[str]
    digests: npt.NDArray[np.uint64]


def _digest(text: str) -> int:
    """As the engine's md5_number_lower."""
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")


class Inbox:
    """An engine with an inbox before it: a Backend through which nobody sees an event before it has its place.

    Attributes:
        engine: the backend itself, for what no event can change: an inbox that waits can stay as it is.
    """

    def __init__(self, engine: Backend) -> None:
        self.engine = engine
        # Who needs both takes them in this order; the engine's own come after them. But who settles has the engine's
        # lock of what runs beside before the inlet: while it has its turn, only a writer with that turn has both.
        self._turn = threading.RLock()  # of who settles or writes
        self._inlet = threading.RLock()  # of who changes what is in the inbox, and what is known of it
        self._gate = threading.Condition(threading.Lock())
        self._calls: list[_Call] = []  # that wait to be committed
        self._led = False  # whether a caller is about to commit them
        self._group, self._took = 1, 0.0  # how many calls the last commit was for, and its seconds
        self._known: dict[int, _Known] = {}
        self._asides = 0
        self._question = threading.local()  # full: where the thread is in a question, whether there was no room
        self._holds: dict[int, tuple[PhonebookRow, int]] = {}  # phonebooks with events in the inbox, and how many
        self._came, self._placed = 1, 0  # how often something came into the inbox, and how much of that was settled
        for row in phonebooks(engine):
            self._count(row)

    # ── in ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def append(
        self,
        book: PhonebookRow,
        records: Sequence[Record],
        now: datetime,
        messages: Mapping[int, bytes] | None = None,
        origin: Records = NOWHERE,
        noted: Noted | None = None,
    ) -> list[Outcome]:
        """As `load.append_events`, for few events: one commit serves all who call at the same time.

        origin: the source of the records, where they have one.
        """
        call = _Call(book, origin, records, now, messages, noted, read_events(book, records, messages))
        with self._gate:
            self._calls.append(call)
            led, self._led = self._led, True
            self._gate.notify()
        if led:
            call.woken.wait()
        if call.became is None:
            self._lead()
        if isinstance(call.became, Exception):
            raise call.became
        assert call.became is not None
        return call.became

    def waiting(self, book: PhonebookRow) -> int:
        """How many events of the phonebook are in the inbox."""
        return self._holds.get(book.id, (book, 0))[1]

    def _lead(self) -> None:
        """Commits all calls that wait, the caller's own among them; one of those that come meanwhile is next."""
        calls: list[_Call] = []
        try:
            refused = self._make_room()
            with self._inlet:
                calls = self._gathered()
                if refused is None:
                    self._commit(calls)
                for call in calls if refused else ():
                    call.became = refused
        finally:
            for call in calls:
                if call.became is None:  # this thread was interrupted
                    call.became = StorageError("stopped", "It is not known whether the events were stored.")
                call.woken.set()
            with self._gate:
                self._led = bool(self._calls)
                if self._led:
                    self._calls[0].woken.set()

    def _make_room(self) -> StorageError | None:
        """Settles, where too much waits: then whoever calls has to wait, too."""
        try:
            if any(count >= _MOST for _, count in list(self._holds.values())):
                self.settle()
        except StorageError as error:
            return error
        return None

    def _gathered(self) -> list[_Call]:
        """All calls that wait. Those who were answered together come again together, a moment apart: where fewer wait
        than the last time, the others are waited for, a part of what a commit takes."""
        with self._gate:
            self._gate.wait_for(lambda: len(self._calls) >= self._group, self._took * _PATIENCE)
            calls, self._calls = self._calls, []
        self._group = len(calls)
        return calls

    def _commit(self, calls: Sequence[_Call]) -> None:
        """Says of each call what became of it. What fails a transaction fails those calls that it fails alone."""
        began = time.monotonic()
        try:
            became = self._store(calls)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            if len(calls) == 1:
                calls[0].became = error
            else:
                for call in calls:
                    self._commit([call])
            return
        for call, outcome in zip(calls, became, strict=True):
            call.became = outcome
        self._took = time.monotonic() - began

    def _store(self, calls: Sequence[_Call]) -> list[list[Outcome]]:
        """Puts the events of all calls into the inbox, in one transaction; what became of those of each."""
        books = {call.book.id: call.book for call in calls}
        came: dict[int, list[tuple[Told, datetime]]] = {number: [] for number in books}
        notes: dict[int, list[AuditRow]] = {number: [] for number in books}
        became: list[list[Outcome]] = []
        try:
            with self.engine.write() as tx:
                for call in calls:
                    known = self._seen(tx, call.book, call.read_in)
                    told, failures = sift(
                        tx, call.book, call.read_in, known.visitors, partial(known.stored, tx, call.book)
                    )
                    self._keep(tx, call, failures)
                    known.waiting.update(message_id for message_id in told.message_ids if message_id is not None)
                    came[call.book.id].append((told, call.now))
                    became.append(outcomes(call.records, told.lines, failures))
                    if call.noted:
                        notes[call.book.id] += call.noted(became[-1])
                sizes = {number: sum(len(told) for told, _ in each) for number, each in came.items()}
                for number, size in sizes.items():
                    if size:
                        told_then = _written(came[number], notes[number])
                        tx.run(f"INSERT INTO {books[number].schema}.inbox VALUES (?, ?)", [size, told_then])
                    elif notes[number]:
                        record(tx, notes[number])
        except BaseException:
            # A disk that is full can fail a commit after it was written to the log: then it counts.
            before = {number: self.waiting(row) for number, row in books.items()}
            for number in books:
                self._known.pop(number, None)
            self._came += 1
            grew = {number: self._count(row) - before[number] for number, row in books.items()}
            if len(became) < len(calls) or not any(grew.values()) or grew != sizes:
                raise
            return became
        for number, size in sizes.items():
            self._hold(books[number], self.waiting(books[number]) + size)
        self._came += 1
        return became

    def _hold(self, book: PhonebookRow, count: int) -> None:
        """So many events are in the inbox now."""
        if count:
            self._holds[book.id] = book, count
        else:
            self._holds.pop(book.id, None)

    def _count(self, book: PhonebookRow) -> int:
        """Looks how many events are in the inbox."""
        count = int(self.engine.rows(f"SELECT coalesce(sum(count), 0) FROM {book.schema}.inbox")[0][0])
        self._hold(book, count)
        return count

    def _seen(self, tx: Session, book: PhonebookRow, read_in: Read) -> _Known:
        """What is known of the phonebook, enough of it for these events."""
        known = self._known.get(book.id)
        if known is None:
            sent = {event.message_id for event in _waiting(tx, book)[0]} - {None}
            known = self._known[book.id] = _Known(waiting=sent)
        if known.stale:
            known.see_events(tx, book)
        if not visitors_of(read_in) <= known.visitors.keys():
            known.see_contacts(tx, book.schema)
        return known

    def _keep(self, tx: Session, call: _Call, failures: Sequence[Failure]) -> None:
        if failures:
            what: Literal["event", "message"] = "event" if call.messages is None else "message"
            keep_failures(tx, call.book, call.origin, what, failures, call.now)

    # ── on ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """Gives every event its place that is in the inbox now. More may come meanwhile, and stay."""
        wanted = self._came
        if self._placed >= wanted:
            return
        with self._turn:
            if self._placed >= wanted:  # whoever had the turn before has done it
                return
            with self._inlet:
                came, rows = self._came, [row for row, _ in self._holds.values()]
            for row in rows:
                self._place(row)
            self._placed = came

    def _place(self, row: PhonebookRow) -> None:
        known = self._known.get(row.id)
        with ExitStack() as inlet:
            try:
                with self.engine.beside() as tx:
                    placed = _settle(tx, row, known or _Known())
                    # At whichever instant a message comes again, it waits or it is stored: the commit, and what is
                    # known of it, are one thing to those who look.
                    inlet.enter_context(self._inlet)
            except BaseException as error:
                inlet.enter_context(self._inlet)
                before = self.waiting(row)
                if self._count(row) != before:
                    # A disk that is full can fail a commit after it was written to the log: then it counts.
                    self._known.pop(row.id, None)
                    if isinstance(error, StorageError):
                        return
                raise
            if known := self._known.get(row.id):
                known.settled(placed)
            self._hold(row, self.waiting(row) - placed.count)

    # ── the engine, once the inbox is empty ───────────────────────────────────────────────────────────────────────

    @contextmanager
    def write(self, alone: bool = False) -> Iterator[Session]:
        with self._turn:
            self.settle()
            with self._inlet:
                self.settle()  # the few that came meanwhile
                try:
                    with self.engine.write(alone) as tx:
                        yield tx
                finally:
                    if alone:  # whatever was known may be gone
                        self._known.clear()
                    for known in self._known.values():
                        known.stale = True

    def background(self) -> AbstractContextManager[Session]:
        self.settle()
        return self.engine.background()

    def beside(self) -> AbstractContextManager[Session]:
        self.settle()
        return self.engine.beside()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._aside() if self._is_full() else self.engine.snapshot() as snapshot:
            yield snapshot

    @contextmanager
    def survey(self) -> Iterator[Survey]:
        with self._aside() if self._is_full() else self.engine.survey() as survey:
            yield survey

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        with self.snapshot() as snapshot:
            return snapshot.query(sql, parameters, stop)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.snapshot() as snapshot:
            return snapshot.rows(sql, parameters)

    @contextmanager
    def question(self) -> Iterator[None]:
        """What this thread reads inside the block is one question: it sees what was there when it began, and settles
        once, however often it looks."""
        before = self._question.__dict__.copy()
        self._question.full = self._is_full()
        try:
            yield
        finally:
            self._question.__dict__.clear()
            self._question.__dict__.update(before)

    def _is_full(self) -> bool:
        """Settles, but once in a question; whether there is no room on the disk for that."""
        if hasattr(self._question, "full"):
            return bool(self._question.full)
        try:
            self.settle()
        except StorageError as error:
            if error.code != "full":
                raise
            return True
        return False

    @contextmanager
    def _aside(self) -> Iterator[_Aside]:
        """The store as it will be once there is room to settle: seen from within a transaction that does not end."""
        with suppress(_NoRoomError), self._turn, self._inlet, self.engine.write() as tx:
            self._asides += 1
            for row, _ in self._holds.values():
                _settle(tx, row, _Known())
                # What is kept by version must not be taken for what is there later.
                tx.run(f"UPDATE {META}.phonebook SET version = ? WHERE id = ?", [-self._asides, row.id])
            yield _Aside(tx)
            raise _NoRoomError

    def copy(self, target: Path) -> None:
        self.settle()
        self.engine.copy(target)

    def renew(self) -> None:
        self.engine.renew()

    def close(self) -> None:
        with suppress(StorageError):  # they are on disk, and take their places when the store is next asked
            self.settle()
        self.engine.close()


class _NoRoomError(Exception):
    """Takes a transaction back."""


class _Aside:
    """A Survey within a transaction."""

    def __init__(self, tx: Session) -> None:
        self._tx = tx

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        return self._tx.table(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._tx.rows(sql, parameters)

    def stream(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        rows = self._tx.rows(sql)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def batches(self, sql: str) -> pa.RecordBatchReader:
        return self._tx.table(sql).to_reader()


def _written(came: Sequence[tuple[Told, datetime]], notes: Sequence[AuditRow]) -> bytes:
    """Events, and when they were received, with what the audit log is to say, as they are in the inbox."""
    events = [
        _Event(
            name,
            visitor,
            instant or now,
            now,
            msgspec.Raw(properties),
            msgspec.Raw(context or _NOTHING),
            kind,
            message_id,
            msgspec.Raw(extra or _NOTHING),
        )
        for told, now in came
        for name, visitor, instant, properties, context, kind, message_id, extra in zip(
            told.names,
            told.visitors,
            told.times,
            told.properties_raw,
            told.contexts,
            told.kinds,
            told.message_ids,
            told.extras,
            strict=True,
        )
    ]
    return msgspec.json.encode(_Came(events, notes))


def _waiting(tx: Session, book: PhonebookRow) -> tuple[list[Any], list[AuditRow], int]:
    """The events in the inbox and the lines for the audit log, as they came; and the place of the last row."""
    rows = tx.rows(f"SELECT events, rowid FROM {book.schema}.inbox ORDER BY rowid")
    events: list[Any] = []
    notes: list[AuditRow] = []
    for written, _ in rows:
        came = _decode_came(written)
        if isinstance(came, list):
            events += came
        else:
            events += came.events
            notes += came.notes
    return events, notes, rows[-1][1] if rows else -1


def _settle(tx: Session, book: PhonebookRow, known: _Known) -> _Placed:
    """Takes the events of the inbox to their places."""
    import numpy as np

    events, notes, end = _waiting(tx, book)
    contexts = [_part(event.context) for event in events]
    told = Told(
        lines=list(range(len(events))),
        names=[event.name for event in events],
        visitors=[event.visitor_id for event in events],
        times=[event.ts for event in events],
        properties=[_decode(event.properties) for event in events],
        properties_raw=[event.properties for event in events],
        contexts=contexts,
        kinds=[event.kind for event in events],
        message_ids=[event.message_id for event in events],
        extras=[_part(event.extra) for event in events],
    )
    read = {raw: _decode(raw) for raw in set(contexts) if raw is not None}
    visitors = set(told.visitors)
    contacts = known.visitors if visitors <= known.visitors.keys() else known_contacts(tx, book, visitors)
    received = pa.array([event.created_at for event in events], pa.timestamp("us"))
    before = None if known.stale else known.events
    last = settle_events(tx, book, told, received, read, contacts, before)
    if notes:
        record(tx, notes)
    tx.run(f"DELETE FROM {book.schema}.inbox WHERE rowid <= ?", [end])
    message_ids = {message_id for message_id in told.message_ids if message_id is not None}
    digests = np.sort(np.array([_digest(message_id) for message_id in message_ids], np.uint64))
    return _Placed(len(events), last, message_ids, digests)


def _part(raw: msgspec.Raw) -> bytes | None:
    part = bytes(raw)
    return None if part == _NOTHING else part
