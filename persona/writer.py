"""The thread that stores what comes in requests: what waits together is committed together, then answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from queue import Empty, SimpleQueue
from typing import Final, Literal, TypeAlias

from storage.load import Outcome
from storage.registry import AuditRow
from storage.store import Book, Store

Kind: TypeAlias = Literal["event", "message"]

_PATIENCE: Final = 0.2  # of the time that the last commit took
_TOGETHER: Final = 20_000  # events that go into one transaction, at most


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Events of one request, and who sent them."""

    book: Book
    kind: Kind
    payloads: Sequence[bytes]
    who: str
    done: Future[list[Outcome]] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, eq=False)
class _Note:
    """A line for the audit log."""

    row: AuditRow
    done: Future[None] = field(default_factory=Future)


class Writer:
    """Stores events for many callers, and what the audit log says of them, with one commit for all that wait.

    While a transaction is on its way to the disk others gather, so under load a commit serves many requests, and alone
    a request waits for nobody. A failure of a transaction is the failure of those whose events fail alone too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: SimpleQueue[_Job | _Note | None] = SimpleQueue()
        self._handed = self._stored = 0  # events; each is counted by one thread alone
        self._thread = threading.Thread(target=self._run, name="writer")
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many events wait to be stored."""
        return self._handed - self._stored

    def append(self, book: Book, kind: Kind, payloads: Sequence[bytes], who: str) -> Future[list[Outcome]]:
        """What became of each of these events (or messages), once that is on disk and in the audit log. To be called
        from one thread."""
        job = _Job(book, kind, payloads, who)
        self._handed += len(payloads)
        self._queue.put(job)
        return job.done

    def note(self, row: AuditRow) -> Future[None]:
        """Adds to the audit log; done when that is on disk."""
        note = _Note(row)
        self._queue.put(note)
        return note.done

    def close(self) -> None:
        """Stores what waits, and ends the thread. Nothing may be handed over afterwards."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on, many, took = True, 1, 0.0
        while going_on:
            taken, going_on = self._take(many, took * _PATIENCE)
            many, began = len(taken), time.monotonic()
            jobs = [one for one in taken if isinstance(one, _Job)]
            notes = [one for one in taken if isinstance(one, _Note)]
            became: list[tuple[_Job, list[Outcome] | Exception]] = []
            for together in _alike(jobs):
                became += _stored(together, notes)
            self._stored += sum(len(job.payloads) for job in jobs)
            for job, outcomes in became:
                if job.kind == "event":
                    _answer(job, outcomes)
            messages = [(job, outcomes) for job, outcomes in became if job.kind == "message"]
            rows = [_told(job, outcomes) for job, outcomes in messages if not isinstance(outcomes, Exception)]
            left = [note for note in notes if not note.done.done()]
            failure = self._record(rows + [note.row for note in left])
            for job, outcomes in messages:
                _answer(job, failure or outcomes)
            for note in left:
                note.done.set_exception(failure) if failure else note.done.set_result(None)
            took = time.monotonic() - began

    def _take(self, many: int, seconds: float) -> tuple[list[_Job | _Note], bool]:
        """What waits, as much of it as goes together; at least one. And whether more may come.

        Those who were answered together come again together, a moment apart: where fewer wait than the last time, more
        are waited for, so many seconds. Else the first one would have a commit of its own, and the others wait for it.
        """
        taken: list[_Job | _Note] = []
        size = 0
        one = self._queue.get()
        until = time.monotonic() + seconds
        while one is not None:
            if one.done.set_running_or_notify_cancel():
                taken.append(one)
            size += len(one.payloads) if isinstance(one, _Job) else 0
            if size >= _TOGETHER:
                return taken, True
            left = until - time.monotonic() if len(taken) < many else 0
            try:
                one = self._queue.get(left > 0, max(left, 0))
            except Empty:
                return taken, True
        return taken, False

    def _record(self, rows: Sequence[AuditRow]) -> Exception | None:
        try:
            if rows:
                self._store.record(rows)
        except Exception as error:  # noqa: BLE001  whoever waits is told
            return error
        return None


def _answer(job: _Job, outcomes: list[Outcome] | Exception) -> None:
    if isinstance(outcomes, Exception):
        job.done.set_exception(outcomes)
    else:
        job.done.set_result(outcomes)


def _alike(jobs: Sequence[_Job]) -> Iterable[list[_Job]]:
    """The jobs that one transaction can store."""
    found: dict[tuple[str, Kind], list[_Job]] = {}
    for job in jobs:
        found.setdefault((job.book.name, job.kind), []).append(job)
    return found.values()


def _stored(jobs: list[_Job], notes: Sequence[_Note] = ()) -> list[tuple[_Job, list[Outcome] | Exception]]:
    """Stores the events of jobs that are alike in one transaction: what became of those of each. It takes the notes
    along, where it writes to the audit log and they are not there yet."""
    book, payloads = jobs[0].book, [payload for job in jobs for payload in job.payloads]
    try:
        if jobs[0].kind == "event":  # with what the audit log says of them
            along = [note for note in notes if not note.done.done()]
            became = book.append_events(
                payloads,
                lambda became: [_told(*one) for one in _each(jobs, became)] + [note.row for note in along],
            )
            for note in along:
                note.done.set_result(None)
        else:
            became = book.append_messages(payloads) if payloads else []
    except Exception as error:  # noqa: BLE001  whoever waits is told
        return [(jobs[0], error)] if len(jobs) == 1 else [done for job in jobs for done in _stored([job])]
    return list(_each(jobs, became))


def _each(jobs: Sequence[_Job], became: Sequence[Outcome]) -> Iterable[tuple[_Job, list[Outcome]]]:
    """Each job with what became of its events."""
    ends = accumulate(len(job.payloads) for job in jobs)
    return ((job, list(became[end - len(job.payloads) : end])) for job, end in zip(jobs, ends, strict=True))


def _told(job: _Job, outcomes: Sequence[Outcome]) -> AuditRow:
    """What the audit log says of events that were handed in."""
    counts = Counter(outcome if isinstance(outcome, str) else "failed" for outcome in outcomes)
    now = datetime.now(UTC).replace(tzinfo=None)
    return AuditRow(now, job.who, job.book.name, f"{job.kind}s.create", counts)
