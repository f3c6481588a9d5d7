"""Events and contacts to columns, in batches; what is sent twice is stored once, what fails is kept with its reasons.

A batch is decoded and validated outside of the transaction that stores it. That transaction holds everything the batch
changes: its events, line items, failures, the catalog, and how far its file has been read. So an import that was
interrupted goes on where it stopped, and a file that is imported again adds nothing.
"""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from storage import columns
from storage.backends import Backend, Session
from storage.catalog import (
    Batch,
    Group,
    flat,
    group,
    record_attributes,
    record_events,
    record_products,
    record_seen,
    table_of,
)
from storage.compact import append, next_event
from storage.event import (
    ITEM_KEYS,
    EventError,
    event_name,
    number_of,
    surely_valid,
    text_of,
    time_of,
    validate,
    validate_properties,
)
from storage.messages import OPEN_KEYS, sorted_messages
from storage.registry import PhonebookRow, bump
from storage.schema import ITEM_COLUMNS, NUMBERS, PRODUCT_KEYS, TABLES, event_columns
from storage.source import UNREADABLE, Block, Record, Records, Source, What, read

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told after each batch: how many records of the source are done, and of how many, where that is known."""

Clock: TypeAlias = Callable[[], datetime]
"""Naive UTC."""

_Batch = TypeVar("_Batch")
_Ready = TypeVar("_Ready")

_AHEAD: Final = 2  # batches that are being prepared while one is stored
_RECORDS: Final = 50_000
MANY: Final = 2_000  # from so many events on, planning their SQL costs less than reading them one by one
_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Report:
    """What became of what was handed in: each record is counted once.

    accepted: stored (contacts and products: new ones). updated: contacts and products that were known and have changed.
    duplicates: there already, so nothing was done. failed: kept, with the reasons.
    """

    accepted: int = 0
    updated: int = 0
    duplicates: int = 0
    failed: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(
            self.accepted + other.accepted,
            self.updated + other.updated,
            self.duplicates + other.duplicates,
            self.failed + other.failed,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not accepted: its place, what came, and what is wrong with it."""

    line: int
    payload: bytes
    errors: list[EventError]
    visitor: str | None = None
    message_id: str | None = None


# ── every import ──────────────────────────────────────────────────────────────────────────────────────────────────


def import_events(
    backend: Backend, book: PhonebookRow, records: Records, clock: Clock, progress: Progress | None = None
) -> Report:
    """Stores the events of a source in the phonebook; see `storage.source.read` for what can be a source."""
    return _import(backend, book, records, "event", clock, progress)


def import_contacts(
    backend: Backend, book: PhonebookRow, source: Source, clock: Clock, progress: Progress | None = None
) -> Report:
    """Stores the contacts of a source: a known visitor_id is completed, later values replace earlier ones."""
    return _import(backend, book, read(source, "contact"), "contact", clock, progress)


def import_products(
    backend: Backend, book: PhonebookRow, source: Source, clock: Clock, progress: Progress | None = None
) -> Report:
    """Completes the product catalog from a source whose records have a product_id and any of a product's fields."""
    return _import(backend, book, read(source, "product"), "product", clock, progress)


def _import(
    backend: Backend, book: PhonebookRow, records: Records, what: What, clock: Clock, progress: Progress | None
) -> Report:
    done = _lines_done(backend, book, records, what)

    def reports() -> Iterator[tuple[int, Report]]:
        match what:
            case "event":
                with ExitStack() as sessions:
                    scratch = _Scratch(backend, sessions)
                    prepare = partial(_prepare_events, book, done, scratch.take)
                    for events in _prepared(records.blocks or _batches(records.records), prepare):
                        with _uncollected():
                            report = _import_events(backend, book, records, events, clock())
                        if isinstance(events, _Lines):
                            scratch.give_back(events.scratch)
                        yield events.size, report
            case "contact":
                prepare_contacts = partial(_prepare_keyed, "visitor_id", book.strict)
                for batch, contacts in _prepared(_batches(records.records), prepare_contacts):
                    yield len(batch), _import_contacts(backend, book, records, batch, contacts, done, clock())
            case "product":
                prepare_products = partial(_prepare_keyed, "product_id", book.strict)
                for batch, products in _prepared(_batches(records.records), prepare_products):
                    yield len(batch), _import_products(backend, book, records, batch, products, done, clock())

    total, count = Report(), 0
    for size, report in reports():
        total += report
        count += size
        if progress:
            progress(count, records.total)
    return total


def _prepared(batches: Iterable[_Batch], prepare: Callable[[_Batch], _Ready]) -> Iterator[_Ready]:
    """What is prepared of each batch: in threads of their own, while the engine stores the batch before."""
    with ThreadPoolExecutor(max_workers=_AHEAD) as threads:
        waiting: deque[Future[_Ready]] = deque()
        for batch in batches:
            waiting.append(threads.submit(prepare, batch))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_COLLECTOR: Final = threading.Lock()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: a batch makes a million objects and no cycles, and looking for some takes a quarter
    of the time. The collector is the whole process's, so only one import at a time may switch it."""
    if not _COLLECTOR.acquire(blocking=False):
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
        _COLLECTOR.release()


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record[1])
        if len(batch) == _RECORDS or size > _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _lines_done(backend: Backend, book: PhonebookRow, records: Records, what: What) -> int:
    """Up to which line a file of this very content has been imported before."""
    if records.digest is None:
        return 0
    found = backend.query(
        f"SELECT lines_done FROM {book.schema}.file WHERE digest = ? AND what = ?", [records.digest, what]
    ).column(0)
    return int(found[0].as_py()) if len(found) else 0


def _mark_done(tx: Session, book: PhonebookRow, records: Records, what: What, line: int) -> None:
    if records.digest is None:
        return
    table = f"{book.schema}.file"
    where = [line, records.digest, what]
    if not tx.rows(f"UPDATE {table} SET lines_done = ? WHERE digest = ? AND what = ? RETURNING 1", where):
        tx.run(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", [records.digest, what, records.name, line])


def keep_failures(
    tx: Session,
    book: PhonebookRow,
    records: Records,
    what: What | Literal["message"],
    failures: Sequence[Failure],
    now: datetime,
) -> None:
    """Keeps what failed, as it came, with its reasons; `what` it was to be."""
    if not failures:
        return
    first = tx.rows(f"SELECT coalesce(max(id), -1) + 1 FROM {book.schema}.failed")[0][0]
    rows = [
        (
            first + i,
            now,
            what,
            _payload(failure),
            msgspec.json.encode(failure.errors).decode(),
            records.name,
            None if records is NOWHERE else failure.line,
            "failed",
            failure.message_id,
        )
        for i, failure in enumerate(failures)
    ]
    tx.put("new_failed", table_of(_FAILED_ROW, rows))
    tx.run(f"INSERT INTO {book.schema}.failed SELECT * FROM new_failed")


def _payload(failure: Failure) -> str:
    return failure.payload.decode("utf-8", errors="backslashreplace")


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────

_Envelope: Any = msgspec.defstruct(
    "_Envelope",
    [
        ("event_name", Any, None),
        ("visitor_id", Any, None),
        ("event_properties", msgspec.Raw, msgspec.Raw(b"null")),
        ("event_timestamp", Any, None),
        ("context", msgspec.Raw, msgspec.Raw(b"null")),
        ("type", Any, None),
        ("message_id", Any, None),
    ],
    forbid_unknown_fields=True,
    gc=False,
)
_EVENT_COLUMNS: Final = event_columns()
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Told:
    """Events, as equally long columns. `raws` are the records as they came; `…_raw` are parts of them as they came."""

    lines: list[int] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    visitors: list[str] = field(default_factory=list)
    times: list[datetime | None] = field(default_factory=list)
    properties: list[dict[str, Any]] = field(default_factory=list)
    properties_raw: list[bytes] = field(default_factory=list)
    contexts: list[bytes | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    message_ids: list[str | None] = field(default_factory=list)
    extras: list[bytes | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def only(self, rows: Sequence[int]) -> Told:
        """These events alone."""
        return Told(*([getattr(self, column.name)[row] for row in rows] for column in fields(self)))


StoredOf: TypeAlias = Callable[[set[str]], set[str]]
"""Which of these messages are events already."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of a small batch before the store is asked: events with a valid envelope, by type; what is wrong
    with the properties of some of them, by row; the failures; and the objects that contexts are."""

    size: int  # records, also those that were done before
    last: int  # the place of the last one
    told: Told
    groups: list[Group]
    faults: dict[int, list[EventError]]
    failures: list[Failure]
    contexts: dict[bytes, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Lines:
    """A large batch before the store is asked: in the scratch engine, but for the records that failed."""

    size: int
    last: int
    record: Callable[[int], tuple[int, bytes]]  # the place and the bytes of the nth
    scratch: Session
    told: columns.Told
    every: columns.Columns  # of the events, if all of them are to be stored
    failures: list[Failure]


class _Scratch:
    """Scratch engines, made when they are needed: batches are read in some while one is stored from another."""

    def __init__(self, backend: Backend, stack: ExitStack) -> None:
        self._backend = backend
        self._stack = stack
        self._free: list[Session] = []

    def take(self) -> Session:
        try:
            return self._free.pop()
        except IndexError:
            scratch = self._stack.enter_context(self._backend.scratch())
            columns.make_ready(scratch)
            return scratch

    def give_back(self, scratch: Session) -> None:
        self._free.append(scratch)


def _prepare_events(
    book: PhonebookRow, done: int, scratch: Callable[[], Session], batch: Block | list[Record]
) -> Rows | _Lines:
    if isinstance(batch, Block):
        new = batch.after(done)
        if len(new) >= MANY:
            return _read_block(book, scratch(), new, len(batch) - len(new))
        batch = list(batch.records())
    records = [record for record in batch if record[0] > done] if done else batch
    if len(records) >= MANY:
        return _read_many(book, scratch(), records, len(batch) - len(records))
    return _read_rows(book, records, len(batch), batch[-1][0] if batch else 0)


def _read_rows(book: PhonebookRow, records: Sequence[Record], size: int, last: int) -> Rows:
    contexts: dict[bytes, dict[str, Any]] = {}
    told, failures = _read_events(records, book, contexts)
    groups = groups_of(told)
    return Rows(size, last, told, groups, _faults(told, groups, book.strict), failures, contexts)


def _read_block(book: PhonebookRow, scratch: Session, block: Block, done: int) -> _Lines:
    def record(nth: int) -> tuple[int, bytes]:
        return block.first + nth, block.raw(nth)

    told = columns.read_lines(scratch, block.raws(), book.strict, _zone(book))
    size = done + len(block) - told.blank
    return _Lines(
        size,
        block.first + len(block) - 1,
        record,
        scratch,
        told,
        columns.columns(scratch, told),
        _placed(told.failures, record),
    )


def _read_many(book: PhonebookRow, scratch: Session, batch: Sequence[Record], done: int) -> _Lines:
    failures = [Failure(line, raw, [fault]) for line, raw, fault in batch if fault]
    records = [(line, raw) for line, raw, fault in batch if not fault]
    told = columns.read_lines(scratch, [raw for _, raw in records], book.strict, _zone(book))
    failures += _placed(told.failures, records.__getitem__)
    return _Lines(
        done + len(batch), batch[-1][0], records.__getitem__, scratch, told, columns.columns(scratch, told), failures
    )


def _placed(failures: Iterable[columns.Failure], record: Callable[[int], tuple[int, bytes]]) -> list[Failure]:
    return [Failure(*record(failure.pos), failure.errors, failure.visitor, failure.message_id) for failure in failures]


def _zone(book: PhonebookRow) -> tzinfo:
    return UTC if book.zone == "UTC" else ZoneInfo(book.zone)


def _import_events(
    backend: Backend, book: PhonebookRow, records: Records, read_in: Rows | _Lines, now: datetime
) -> Report:
    if isinstance(read_in, Rows) and not read_in.told.lines and not read_in.failures:
        return Report(duplicates=read_in.size)
    with backend.write() as tx:
        match read_in:
            case Rows():
                stored, failures = store_rows(tx, book, read_in, now)
                count = len(stored)
            case _Lines():
                count, failures = _store_lines(tx, book, read_in, now)
        keep_failures(tx, book, records, "event", failures, now)
        _mark_done(tx, book, records, "event", read_in.last)
    return Report(count, 0, read_in.size - count - len(failures), len(failures))


def store_rows(tx: Session, book: PhonebookRow, read_in: Rows, now: datetime) -> tuple[list[int], list[Failure]]:
    """Stores what is to be stored. Returns the places of that, and what failed, which is left to be kept."""
    contacts = known_contacts(tx, book, visitors_of(read_in))
    told, failures = sift(tx, book, read_in, contacts, partial(stored_messages, tx, book))
    if told.lines:
        groups = read_in.groups if told is read_in.told else groups_of(told)
        times, received = [time or now for time in told.times], pa.repeat(pa.scalar(now, pa.timestamp("us")), len(told))
        store_events(tx, book, told, times, received, groups, read_in.contexts, contacts)
    return told.lines, failures


def visitors_of(read_in: Rows) -> set[str]:
    """Who is named as the visitor of these events, and of those of the failures that name one."""
    return {*read_in.told.visitors, *(failure.visitor for failure in read_in.failures if failure.visitor)}


def sift(
    tx: Session, book: PhonebookRow, read_in: Rows, contacts: Container[str], stored: StoredOf
) -> tuple[Told, list[Failure]]:
    """The events that are to be stored, and the failures that are to be kept.

    Args:
        contacts: has at least those of the visitors who are contacts.
        stored: which of these messages are events already.
    """
    told, faults = read_in.told, read_in.faults
    failures = [
        replace(failure, errors=failure.errors + _unknown(failure.visitor, contacts)) for failure in read_in.failures
    ]
    for row, visitor in enumerate(told.visitors):
        if row in faults or visitor not in contacts:
            errors = faults.get(row, []) + _unknown(visitor, contacts)
            failures.append(Failure(told.lines[row], told.raws[row], errors, visitor, told.message_ids[row]))
    rows, failures = _sent_once(tx, book, told, sorted(failures, key=lambda failure: failure.line), stored)
    return told if len(rows) == len(told) else told.only(rows), failures


def _store_lines(tx: Session, book: PhonebookRow, read_in: _Lines, now: datetime) -> tuple[int, list[Failure]]:
    """As `store_rows`, but returns how many events are stored."""
    import numpy as np

    scratch = read_in.scratch
    asked = read_in.told.envelopes.select(["pos", "visitor_id", "message_id"])
    tx.put("asked", asked)
    found = tx.table(
        "SELECT a.pos, c.contact, m.message_id IS NOT NULL AS stored FROM asked a "
        f"LEFT JOIN {book.schema}.contact c USING (visitor_id) LEFT JOIN (SELECT DISTINCT message_id FROM "
        f"{book.schema}.event SEMI JOIN asked USING (message_id)) m USING (message_id) ORDER BY a.pos"
    )
    places = found["pos"].to_numpy()
    known = found["contact"].is_valid().to_numpy()
    kept = known & ~found["stored"].to_numpy()
    kept &= _firsts(asked["message_id"], kept)
    failures = list(read_in.failures)
    failing = known_contacts(tx, book, {failure.visitor for failure in failures if failure.visitor})
    failures = [replace(failure, errors=failure.errors + _unknown(failure.visitor, failing)) for failure in failures]
    for row in np.flatnonzero(~known).tolist():
        visitor, message_id = asked["visitor_id"][row].as_py(), asked["message_id"][row].as_py()
        failures.append(Failure(*read_in.record(places[row]), _unknown(visitor, {}), visitor, message_id))
    failures.sort(key=lambda failure: failure.line)
    sent = {failure.message_id for failure in failures if failure.message_id is not None}
    if sent:
        stored = stored_messages(tx, book, sent) | sent.intersection(
            asked["message_id"].filter(pa.array(kept)).to_pylist()
        )
        failures = _kept_failures(tx, book, failures, stored)
    count = int(kept.sum())
    if count:
        told = read_in.every
        if count < len(kept):
            left = columns.drop(scratch, read_in.told.envelopes, places[~kept])
            told = columns.columns(scratch, replace(read_in.told, envelopes=left))
        contacts = np.zeros(places[-1] + 1, np.int32)
        contacts[places[kept]] = found["contact"].filter(pa.array(kept)).to_numpy()
        _store_columns(tx, book, told, read_in.told.names, contacts, now)
    return count, failures


def _firsts(message_ids: pa.ChunkedArray, kept: Any) -> Any:
    """Which of those that are kept are the first with their message_id, or have none."""
    import numpy as np

    codes = message_ids.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    first = codes == -1
    rows = np.flatnonzero(kept & ~first)
    first[rows[np.unique(codes[rows], return_index=True)[1]]] = True
    return first


def _store_columns(
    tx: Session, book: PhonebookRow, told: columns.Columns, names: Sequence[str], contacts: Any, now: datetime
) -> None:
    """Stores events that came as columns; `contacts` are those of each place of the batch."""
    import numpy as np

    places = told.events["pos"].to_numpy()
    count = len(places)
    times = told.events["ts"].combine_chunks().fill_null(pa.scalar(now, pa.timestamp("us")))
    came = pa.table({"type": told.events["type"], "ts": times}).group_by("type")
    counts = came.aggregate([("ts", "count"), ("ts", "min"), ("ts", "max")]).to_pylist()
    rows = [(names[row["type"]], row["ts_count"], row["ts_min"], row["ts_max"]) for row in counts]
    types, new = record_seen(tx, book.schema, rows, told.seen)
    if new:
        bump(tx, book)
    numbers = np.array([types.get(name, -1) for name in names], np.int32)
    first = next_event(tx, book)
    ids = np.zeros(len(contacts), np.int64)
    ids[places] = np.arange(first, first + count)
    instants = np.zeros(len(contacts), "datetime64[us]")
    instants[places] = times.to_numpy()
    columns_of = {
        "event": pa.array(ids[places]),
        "type": pa.array(numbers[told.events["type"].to_numpy()]),
        "contact": pa.array(contacts[places]),
        "ts": times,
        "created_at": pa.repeat(pa.scalar(now, pa.timestamp("us")), count),
    }
    events = columns_of | {name: told.events[name] for name in list(TABLES["event"])[5:]}
    items: dict[str, pa.Array] = {}
    if told.items.num_rows:
        owners = told.items["pos"].to_numpy()
        items = {name: told.items[name] for name in told.items.column_names} | {
            "event": pa.array(ids[owners]),
            "type": pa.array(numbers[told.items["type"].to_numpy()]),
            "contact": pa.array(contacts[owners]),
            "ts": pa.array(instants[owners]),
        }
    _insert(tx, book, events, items)


def _read_events(
    records: Sequence[Record], book: PhonebookRow, contexts: dict[bytes, dict[str, Any]]
) -> tuple[Told, list[Failure]]:
    """The events whose envelope is valid (`_faults` judges the properties), and the failures. Many contexts are alike:
    each is read once, into `contexts`."""
    zone = _zone(book)
    found: list[tuple[Any, ...]] = []
    failures: list[Failure] = []
    names: dict[str, str] = {}
    for line, raw, fault in records:
        if fault:
            failures.append(Failure(line, raw, [fault]))
            continue
        extra: dict[str, msgspec.Raw] = {}
        try:
            try:
                envelope = _decode_envelope(raw)
            except msgspec.ValidationError:
                payload = _decode(raw)  # not an object, or one with other keys
                if not isinstance(payload, dict):
                    failures.append(Failure(line, raw, validate(payload)))
                    continue
                envelope, extra = columns.taken_apart(raw, _decode_envelope)
            properties = _decode(envelope.event_properties)
            context_raw = bytes(envelope.context)
            context = contexts.get(context_raw) or _decode(context_raw)
        except UNREADABLE as error:
            failures.append(Failure(line, raw, [EventError("", "not_json", f"this is no JSON: {error}")]))
            continue
        came, visitor, kind, message_id = envelope.event_name, envelope.visitor_id, envelope.type, envelope.message_id
        timestamp = envelope.event_timestamp
        time = time_of(timestamp, zone)
        if not (
            type(came) is str
            and type(visitor) is str
            and came.strip()
            and visitor.strip()
            and type(properties) is dict
            and (time or timestamp is None)
            and (context is None or type(context) is dict)
            and (kind is None or type(kind) is str)
            and (message_id is None or type(message_id) is str)
        ):
            payload = {
                "event_name": came,
                "visitor_id": visitor,
                "event_properties": properties,
                "event_timestamp": timestamp,
                "context": context,
                "type": kind,
                "message_id": message_id,
            }
            errors = validate(payload, book.strict, zone)
            came, visitor, kind = text_of(came), text_of(visitor), text_of(kind)
            message_id = text_of(message_id)
            if errors:
                failures.append(Failure(line, raw, errors, visitor, message_id or None))
                continue
        name = names.get(came)
        if name is None:
            name = names[came] = event_name(came)
        if name != came:
            extra["event_name"] = msgspec.Raw(msgspec.json.encode(came))
        if type(context) is dict:
            contexts[context_raw] = context
        found.append(
            (
                line,
                raw,
                name,
                visitor,
                time,
                properties,
                bytes(envelope.event_properties),
                context_raw if type(context) is dict else None,
                kind or "track",
                message_id or None,
                msgspec.json.encode(extra) if extra else None,
            )
        )
    return (Told(*map(list, zip(*found, strict=True))) if found else Told()), failures


def groups_of(told: Told) -> list[Group]:
    """The events by type, column by column."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(told.names):
        rows.setdefault(name, []).append(row)
    return [group(name, mine, told.properties) for name, mine in rows.items()]


def _faults(told: Told, groups: Sequence[Group], strict: bool) -> dict[int, list[EventError]]:
    """What is wrong with the properties of events of the default types, by row."""
    faults: dict[int, list[EventError]] = {}
    for mine in groups:
        if not mine.default:
            continue
        products = mine.items.get("products", ([], [], []))[0]
        listed = mine.item_columns.get("products", {})
        if not surely_valid(mine.default, mine.columns, len(mine.rows), listed, len(products), strict):
            for row in mine.rows:
                errors = validate_properties(mine.default, told.properties[row], strict)
                if errors:
                    faults[row] = errors
    return faults


def known_contacts(tx: Session, book: PhonebookRow, visitors: Iterable[str]) -> dict[str, int]:
    """The contacts of these visitors, as far as they are known."""
    tx.put("asked_visitors", pa.table({"visitor_id": pa.array(list(visitors), pa.string())}))
    return dict(
        tx.rows(f"SELECT visitor_id, contact FROM {book.schema}.contact SEMI JOIN asked_visitors USING (visitor_id)")
    )


def _unknown(visitor: str | None, contacts: Container[str]) -> list[EventError]:
    """That no contact has this visitor_id, where none has and there is one."""
    if visitor is None or not visitor.strip() or visitor in contacts:
        return []
    message = f"no contact of this phonebook has the visitor_id {visitor!r:.80}"
    return [EventError("visitor_id", "unknown_visitor", message)]


def _sent_once(
    tx: Session, book: PhonebookRow, told: Told, failures: Sequence[Failure], stored_of: StoredOf
) -> tuple[list[int], list[Failure]]:
    """Which events (those that did not fail) and failures are to be kept: none whose message_id is stored already or
    came before in the batch, and no failure that was kept before just as it is."""
    failed = {failure.line for failure in failures}
    rows = (
        [row for row, line in enumerate(told.lines) if line not in failed] if failed else list(range(len(told.lines)))
    )
    sent = {message_id for message_id in told.message_ids if message_id is not None}
    sent.update(failure.message_id for failure in failures if failure.message_id is not None)
    if not sent:
        return rows, list(failures)
    stored = stored_of(sent)
    kept = []
    for row in rows:
        message_id = told.message_ids[row]
        if message_id is None:
            kept.append(row)
        elif message_id not in stored:
            kept.append(row)
            stored.add(message_id)
    return kept, _kept_failures(tx, book, failures, stored)


def stored_messages(tx: Session, book: PhonebookRow, message_ids: Iterable[str]) -> set[str]:
    """Those of these messages that are events already."""
    tx.put("sent_messages", pa.table({"message_id": pa.array(list(message_ids), pa.string())}))
    semi = "SEMI JOIN sent_messages USING (message_id)"
    return {message_id for (message_id,) in tx.rows(f"SELECT message_id FROM {book.schema}.event {semi}")}


def _kept_failures(
    tx: Session, book: PhonebookRow, failures: Sequence[Failure], stored: Container[str]
) -> list[Failure]:
    """The failures that are to be kept: none whose message is an event, none that was kept before just as it is."""
    if not failures:
        return []
    sent = pa.array([failure.message_id for failure in failures if failure.message_id], pa.string())
    tx.put("failed_messages", pa.table({"message_id": sent}))
    known = set(
        tx.rows(f"SELECT message_id, payload FROM {book.schema}.failed SEMI JOIN failed_messages USING (message_id)")
    )
    kept = []
    for failure in failures:
        same = failure.message_id, _payload(failure)
        if failure.message_id is None or (failure.message_id not in stored and same not in known):
            kept.append(failure)
            known.add(same)
    return kept


def store_events(
    tx: Session,
    book: PhonebookRow,
    told: Told,
    times: list[datetime],
    received: pa.Array,
    groups: list[Group],
    contexts: Mapping[bytes, Mapping[str, Any]],
    contacts: Mapping[str, int],
    last: int | None = None,
) -> int:
    """Stores valid events that happened at these times and were received at those. Returns the last one's number.

    last: the number of the last event that is stored, where that is known.
    """
    count = len(told)
    types, new = record_events(tx, book.schema, Batch(groups, times, told.contexts, contexts))
    if new:
        bump(tx, book)
    first = next_event(tx, book) if last is None else last + 1
    ids = pa.array(range(first, first + count), pa.int64())
    owners = pa.array([contacts[visitor] for visitor in told.visitors], pa.int32())
    kinds = pa.array([types[name] for name in told.names], pa.int32())
    instants = pa.array(times, pa.timestamp("us"))
    known = _known_columns(told, groups)
    rows, item_columns = _item_columns(groups)
    of = pa.array(rows, pa.int64())
    known["order_value"] = _order_values(groups, known["p_total"], rows, item_columns)
    columns: dict[str, pa.Array] = {
        "event": ids,
        "type": kinds,
        "contact": owners,
        "ts": instants,
        "created_at": received,
        "properties": _json(told.properties_raw),
        "context": _json(told.contexts),
        "kind": pa.array(told.kinds, pa.string()),
        "message_id": pa.array(told.message_ids, pa.string()),
        "extra": _json(told.extras),
        **known,
    }
    items: dict[str, pa.Array] = {}
    if rows:
        of_event = {"event": ids.take(of), "type": kinds.take(of), "contact": owners.take(of), "ts": instants.take(of)}
        items = item_columns | of_event
    _insert(tx, book, columns, items)
    return first + count - 1


def _known_columns(told: Told, groups: Sequence[Group]) -> dict[str, pa.Array]:
    """The columns of the keys that have one, for all events of the batch."""
    count = len(told.lines)
    values: dict[str, list[Any]] = {}
    for mine in groups:
        for key in mine.columns.keys() & _EVENT_COLUMNS.keys():
            column, given = values.setdefault(key, [None] * count), mine.columns[key]
            everyone = len(given) == len(mine.rows)
            rows = mine.rows if everyone else [row for row in mine.rows if key in told.properties[row]]
            for row, value in zip(rows, given, strict=True):
                column[row] = value
    return {column: _column(key, values.get(key), count) for key, column in _EVENT_COLUMNS.items()}


def _item_columns(groups: Sequence[Group]) -> tuple[list[int], dict[str, pa.Array]]:
    """All line items of the batch: the row of each one's event, and the columns, also those only products have."""
    rows: list[int] = []
    lines: list[int] = []
    items: list[Mapping[str, Any]] = []
    values: dict[str, list[Any]] = {}
    for mine in groups:
        for path, (owners, places, entries) in mine.items.items():
            about_product = mine.default is not None and mine.default.about_product
            # Where it is about a product, the columns of the event are those of its top-level item.
            there = mine.item_columns[path] if path else mine.columns if about_product else dict.fromkeys(ITEM_KEYS, ())
            for key in there.keys() & set(ITEM_COLUMNS):
                column = values.setdefault(key, [])
                column += [None] * (len(rows) - len(column))
                column += there[key] if len(there[key]) == len(entries) else [entry.get(key) for entry in entries]
            rows += owners
            lines += places
            items += entries
    for column in values.values():
        column += [None] * (len(rows) - len(column))
    columns = {key: _column(key, values.get(key), len(rows)) for key in ITEM_COLUMNS}
    columns["line"] = pa.array(lines, pa.int32())
    columns["item"] = _json(list(map(msgspec.json.encode, items)))
    return rows, columns


def _column(key: str, values: list[Any] | None, count: int) -> pa.Array:
    """A column of a known key, numbers or texts; None for one that nothing has."""
    number = key in NUMBERS
    if values is None:
        return pa.nulls(count, pa.float64() if number else pa.string())
    if not set(map(type, values)) <= {float if number else str, type(None)}:
        convert = number_of if number else text_of
        values = [value if value is None else convert(value) for value in values]
    return pa.array(values, pa.float64() if number else pa.string())


def _order_values(
    groups: Sequence[Group], totals: pa.Array, rows: Sequence[int], items: Mapping[str, pa.Array]
) -> pa.Array:
    """What orders are worth: the total, else Σ price × quantity of the items with a price (a missing quantity is 1)."""
    orders = {row for mine in groups if mine.default and mine.name.startswith("order-") for row in mine.rows}
    values = totals.to_pylist()
    missing = {row for row in orders if values[row] is None}
    for row, price, quantity in zip(rows, items["price"].to_pylist(), items["quantity"].to_pylist(), strict=True):
        if row in missing and price is not None:
            values[row] = (values[row] or 0.0) + price * (1.0 if quantity is None else quantity)
    return pa.array([value if row in orders else None for row, value in enumerate(values)], pa.float64())


def _insert(tx: Session, book: PhonebookRow, events: Mapping[str, pa.Array], items: Mapping[str, pa.Array]) -> None:
    """Adds events, their line items (nothing, where they have none), and what these tell of products. Both are columns,
    at least those of their tables; items also have those of a product."""
    rows = {"event": pa.table({name: events[name] for name in TABLES["event"]})}
    if items:
        rows["item"] = pa.table({name: items[name] for name in TABLES["item"]})
    append(tx, book, rows)
    if items:
        record_products(tx, book.schema, pa.table({name: items[name] for name in (*PRODUCT_KEYS, "ts")}))


def _json(raws: Sequence[bytes | None]) -> pa.Array:
    return columns.known_json(pa.array(raws, pa.binary()).cast(pa.string()))


# ── contacts ──────────────────────────────────────────────────────────────────────────────────────────────────────


_ReadKeyed: TypeAlias = tuple[list[tuple[str, dict[str, Any]]], list[Failure]]
"""Records that are known by one key, as (that key's text, everything else), and the failures."""


def _prepare_keyed(key: str, strict: bool, batch: Sequence[Record]) -> tuple[Sequence[Record], _ReadKeyed]:
    told: list[tuple[str, dict[str, Any]]] = []
    failures: list[Failure] = []
    for record in batch:
        found = _read_keyed(record, key, strict)
        if isinstance(found, Failure):
            failures.append(found)
        else:
            told.append(found)
    return batch, (told, failures)


def _import_contacts(
    backend: Backend,
    book: PhonebookRow,
    records: Records,
    batch: Sequence[Record],
    read_in: _ReadKeyed,
    done: int,
    now: datetime,
) -> Report:
    told, failures = read_in
    with backend.write() as tx:
        tx.put("asked_visitors", pa.table({"visitor_id": pa.array(list({v for v, _ in told}), pa.string())}))
        old = {
            visitor: (contact, _decode(attributes))
            for visitor, contact, attributes in tx.rows(
                f"SELECT visitor_id, contact, attributes FROM {book.schema}.contact "
                "SEMI JOIN asked_visitors USING (visitor_id)"
            )
        }
        next_contact = tx.rows(f"SELECT coalesce(max(contact), -1) + 1 FROM {book.schema}.contact")[0][0]
        new: dict[str, dict[str, Any]] = {}
        updated = duplicates = 0
        for visitor, attributes in told:
            before = new[visitor] if visitor in new else old[visitor][1] if visitor in old else None
            if before is None:
                new[visitor] = attributes
            elif (merged := {**before, **attributes}) != before:
                new[visitor] = merged
                updated += 1
            else:
                duplicates += 1
        if new:
            _store_contacts(tx, book, old, new, next_contact)
            bump(tx, book)
        # The failures of a file that is imported again are there already.
        kept = [failure for failure in failures if failure.line > done]
        keep_failures(tx, book, records, "contact", kept, now)
        _mark_done(tx, book, records, "contact", max(done, batch[-1][0]))
    duplicates += len(failures) - len(kept)
    return Report(len(told) - updated - duplicates + (len(failures) - len(kept)), updated, duplicates, len(kept))


def _read_keyed(record: Record, key: str, strict: bool) -> tuple[str, dict[str, Any]] | Failure:
    """A record that is known by one key: that key's text, and everything else of it."""
    line, raw, fault = record
    if fault:
        return Failure(line, raw, [fault])
    try:
        told = _decode(raw)
    except UNREADABLE as error:
        return Failure(line, raw, [EventError("", "not_json", f"this is no JSON: {error}")])
    if not isinstance(told, dict):
        return Failure(line, raw, [EventError("", "not_object", "this is no object")])
    value = told.pop(key, None)
    name = text_of(value)
    wrong: EventError | None = None
    if value is None:
        wrong = EventError(key, "required", f"{key} is required")
    elif name is None or isinstance(value, bool):
        wrong = EventError(key, "not_string", f"{key} must be a string")
    elif not name.strip():
        wrong = EventError(key, "empty", f"{key} is required and must not be empty")
    elif strict and not isinstance(value, str):
        wrong = EventError(key, "number_for_string", f"{key} must be a string, not a number")
    if wrong:
        return Failure(line, raw, [wrong])
    assert name is not None
    return name, told


def _store_contacts(
    tx: Session,
    book: PhonebookRow,
    old: Mapping[str, tuple[int, dict[str, Any]]],
    new: Mapping[str, dict[str, Any]],
    next_contact: int,
) -> None:
    flats = [flat(attributes) for attributes in new.values()]
    changes = [
        (flat(old[visitor][1]) if visitor in old else {}, told) for visitor, told in zip(new, flats, strict=True)
    ]
    columns = record_attributes(tx, book.schema, changes)
    numbers = []
    for visitor in new:
        if visitor in old:
            numbers.append(old[visitor][0])
        else:
            numbers.append(next_contact)
            next_contact += 1
    table = pa.table(
        {
            "contact": pa.array(numbers, pa.int32()),
            "visitor_id": pa.array(list(new), pa.string()),
            "attributes": _json([msgspec.json.encode(attributes) for attributes in new.values()]),
            "known": pa.array([visitor in old for visitor in new], pa.bool_()),
            **{column: _column("", [told.get(key) for told in flats], len(flats)) for key, column in columns.items()},
        }
    )
    tx.put("told_contacts", table)
    names = ["contact", "visitor_id", "attributes", *columns.values()]
    sets = ", ".join(f"{name} = s.{name}" for name in names[2:])
    if old:
        tx.run(
            f"UPDATE {book.schema}.contact c SET {sets} FROM told_contacts s WHERE s.known AND c.contact = s.contact"
        )
    listed = ", ".join(names)
    tx.run(f"INSERT INTO {book.schema}.contact ({listed}) SELECT {listed} FROM told_contacts WHERE NOT known")


# ── products ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _import_products(
    backend: Backend,
    book: PhonebookRow,
    records: Records,
    batch: Sequence[Record],
    read_in: _ReadKeyed,
    done: int,
    now: datetime,
) -> Report:
    found, failures = read_in
    told = [{"product_id": product_id, **rest} for product_id, rest in found]
    columns = {key: _column(key, [product.get(key) for product in told], len(told)) for key in PRODUCT_KEYS}
    columns["ts"] = pa.array([now] * len(told), pa.timestamp("us"))
    with backend.write() as tx:
        count = f"SELECT count(*) FROM {book.schema}.product WHERE field = ''"
        before = tx.rows(count)[0][0]
        record_products(tx, book.schema, pa.table(columns))
        accepted = tx.rows(count)[0][0] - before
        kept = [failure for failure in failures if failure.line > done]
        keep_failures(tx, book, records, "product", kept, now)
        _mark_done(tx, book, records, "product", max(done, batch[-1][0]))
    return Report(accepted, len(told) - accepted, len(failures) - len(kept), len(kept))


# ── what comes in requests ────────────────────────────────────────────────────────────────────────────────────────

Outcome: TypeAlias = Literal["accepted", "duplicate"] | tuple[EventError, ...]
"""What became of one event: stored, there already, or kept as failed for these reasons."""

Besides: TypeAlias = Callable[[Session, Sequence[Outcome]], None]
"""What else belongs into the transaction that stores events, which became this."""

NOWHERE: Final = Records(iter(()))


def append_events(
    backend: Backend,
    book: PhonebookRow,
    records: Sequence[Record],
    now: datetime,
    messages: Mapping[int, bytes] | None = None,
    besides: Besides | None = None,
) -> list[Outcome]:
    """Stores events in one transaction and says what became of each. The records are numbered as they please, each
    number once.

    messages: what the events were read from, where that is not the records: see `read_events`.
    """
    read_in = read_events(book, records, messages)
    with backend.write() as tx:
        stored, failures = store_rows(tx, book, read_in, now)
        keep_failures(tx, book, NOWHERE, "event" if messages is None else "message", failures, now)
        became = outcomes(records, stored, failures)
        if besides:
            besides(tx, became)
    return became


Append: TypeAlias = Callable[[Sequence[Record], Mapping[int, bytes]], list[Outcome]]
"""Stores events that were read from these messages (by number), and says what became of each."""


def append_messages(
    backend: Backend, book: PhonebookRow, messages: Mapping[int, bytes], now: datetime, append: Append
) -> dict[int, Outcome]:
    """Stores what messages of Segment-compatible clients tell, the contacts first; what became of each, by number."""
    told = sorted_messages(messages, book.unknown_visitors)
    became: dict[int, Outcome] = {}
    if told.contacts or told.visitors:
        append_contacts(backend, book, told.contacts + told.visitors, now)
        became.update((number, "accepted") for number, _, _ in told.contacts)
    if told.events:
        done = append(told.events, messages)
        became.update(zip((number for number, _, _ in told.events), done, strict=True))
    return became


def read_events(book: PhonebookRow, records: Sequence[Record], messages: Mapping[int, bytes] | None = None) -> Rows:
    """What can be known of events before the store is asked.

    messages: of each record, by number, the message of a Segment-compatible client that it was read from. It is what is
    kept where the event fails, and what these clients leave open is not required.
    """
    read_in = _read_rows(book, records, len(records), 0)
    if messages is None:
        return read_in
    failures = [replace(failure, payload=messages[failure.line]) for failure in read_in.failures]
    read_in.told.raws[:] = [messages[line] for line in read_in.told.lines]
    left = {row: [error for error in errors if not _is_open(error)] for row, errors in read_in.faults.items()}
    return replace(read_in, failures=failures, faults={row: errors for row, errors in left.items() if errors})


def _is_open(error: EventError) -> bool:
    return error.code in ("required", "empty") and error.key in OPEN_KEYS


def outcomes(records: Sequence[Record], stored: Sequence[int], failures: Sequence[Failure]) -> list[Outcome]:
    """What became of each record."""
    became: dict[int, Outcome] = dict.fromkeys(stored, "accepted")
    became.update((failure.line, tuple(failure.errors)) for failure in failures)
    return [became.get(line, "duplicate") for line, _, _ in records]


Faults: TypeAlias = list[tuple[int, tuple[EventError, ...]]]
"""The numbers of the records that failed, and why."""


def append_contacts(
    backend: Backend, book: PhonebookRow, records: Sequence[Record], now: datetime
) -> tuple[Report, Faults]:
    """Stores contacts in one transaction; what became of them, and which ones failed."""
    read_in = _prepare_keyed("visitor_id", book.strict, records)[1]
    return _import_contacts(backend, book, NOWHERE, records, read_in, 0, now), _faults_of(read_in)


def append_products(
    backend: Backend, book: PhonebookRow, records: Sequence[Record], now: datetime
) -> tuple[Report, Faults]:
    """Stores products in one transaction; what became of them, and which ones failed."""
    read_in = _prepare_keyed("product_id", book.strict, records)[1]
    return _import_products(backend, book, NOWHERE, records, read_in, 0, now), _faults_of(read_in)


def keyed_faults(book: PhonebookRow, key: str, records: Sequence[Record]) -> Faults:
    """Which contacts (key visitor_id) or products (key product_id) cannot be stored, and why."""
    return _faults_of(_prepare_keyed(key, book.strict, records)[1])


def _faults_of(read_in: _ReadKeyed) -> Faults:
    return [(failure.line, tuple(failure.errors)) for failure in read_in[1]]


_FAILED_ROW: Final = pa.schema(
    [
        ("id", pa.int64()),
        ("received_at", pa.timestamp("us")),
        ("what", pa.string()),
        ("payload", pa.string()),
        ("errors", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("status", pa.string()),
        ("message_id", pa.string()),
    ]
)
