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
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Final, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from storage.backends import Backend, Session
from storage.catalog import (
    Batch,
    SeenKeys,
    flat,
    observe,
    record_attributes,
    record_products,
    record_seen,
    table_of,
)
from storage.columns import (
    Group,
    event_table,
    groups_of,
    item_table,
    json_of,
    json_texts,
    known_json,
    order_values,
)
from storage.compact import append, next_event
from storage.event import EventError, number_of, text_of
from storage.lines import Contexts, Failure, Read, Told
from storage.lines import read as read_lines
from storage.messages import sorted_messages
from storage.registry import PhonebookRow, bump
from storage.schema import NUMBERS, PRODUCT_KEYS, TABLES
from storage.source import UNREADABLE, Block, Record, Records, Source, What, read

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told after each batch: how many records of the source are done, and of how many, where that is known."""

Clock: TypeAlias = Callable[[], datetime]
"""Naive UTC."""

_In = TypeVar("_In")
_Ready = TypeVar("_Ready")

_AHEAD: Final = 2  # batches that are being prepared while one is stored
_RECORDS: Final = 50_000
_UNCOLLECTED: Final = 8  # batches
MANY: Final = 2_000  # so many events are stored when they come, and not by way of the inbox
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
                prepare = partial(_prepare_events, book, done)
                with _uncollected():
                    batches = _prepared(records.blocks or _batches(records.records), prepare)
                    for nth, events in enumerate(batches, 1):
                        yield events.size, _import_events(backend, book, records, events, clock())
                        if nth % _UNCOLLECTED == 0:
                            gc.collect(0)  # what the process did besides
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


def _prepared(batches: Iterable[_In], prepare: Callable[[_In], _Ready]) -> Iterator[_Ready]:
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
    """Without garbage collection: events make millions of objects and no cycles, and looking for some takes a quarter
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

_decode: Final = msgspec.json.Decoder().decode


StoredOf: TypeAlias = Callable[[set[str]], set[str]]
"""Which of these messages are events already."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is stored of events, but for what only the store knows. `owners`: of which event each line item is."""

    groups: list[Group]
    events: dict[str, pa.Array]
    owners: Any  # NumPy array of int64
    items: dict[str, pa.Array]
    seen: SeenKeys


def _columns(told: Told, groups: list[Group], contexts: Contexts) -> _Columns:
    known = event_table(groups, len(told))
    owners, items = item_table(groups)
    known["order_value"] = order_values(groups, known["p_total"], owners, items)
    events = {
        "properties": known_json(json_texts(told.properties_raw)),
        "context": known_json(json_texts(told.contexts)),
        "kind": pa.array(told.kinds, pa.string()),
        "message_id": pa.array(told.message_ids, pa.string()),
        "extra": known_json(json_texts(told.extras)),
        **known,
    }
    return _Columns(groups, events, owners, items, observe(Batch(groups, told.contexts, contexts)))


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch of events before the store is asked: `columns`, if all of them are to be stored."""

    size: int  # records, also those that were done before
    last: int  # the place of the last one
    read_in: Read
    columns: _Columns


def _prepare_events(book: PhonebookRow, done: int, batch: Block | list[Record]) -> _Batch:
    if isinstance(batch, Block):
        new = batch.after(done)
        before = sum(1 for _ in batch.part(0, len(batch) - len(new)).records())
        read_in = read_lines(new, book.strict, _zone(book))
        last = batch.first + len(batch) - 1
    else:
        records = [record for record in batch if record[0] > done] if done else batch
        before = len(batch) - len(records)
        read_in = read_lines(records, book.strict, _zone(book))
        last = batch[-1][0]
    columns = _columns(read_in.told, _groups(read_in), read_in.contexts)
    return _Batch(before + read_in.size, last, read_in, columns)


def _groups(read_in: Read) -> list[Group]:
    return groups_of(read_in.told.names, read_in.told.properties) if read_in.groups is None else read_in.groups


def _zone(book: PhonebookRow) -> tzinfo:
    return UTC if book.zone == "UTC" else ZoneInfo(book.zone)


def _import_events(backend: Backend, book: PhonebookRow, records: Records, batch: _Batch, now: datetime) -> Report:
    read_in = batch.read_in
    if not read_in.told.lines and not read_in.failures:
        return Report(duplicates=batch.size)
    with backend.write() as tx:
        stored, failures = store_events(tx, book, read_in, now, batch.columns)
        keep_failures(tx, book, records, "event", failures, now)
        _mark_done(tx, book, records, "event", batch.last)
    return Report(len(stored), 0, batch.size - len(stored) - len(failures), len(failures))


def store_events(
    tx: Session, book: PhonebookRow, read_in: Read, now: datetime, columns: _Columns | None = None
) -> tuple[list[int], list[Failure]]:
    """Stores what is to be stored. Returns the places of that, and what failed, which is left to be kept.

    columns: of the events, if all of them are to be stored.
    """
    contacts = known_contacts(tx, book, visitors_of(read_in))
    told, failures = sift(tx, book, read_in, contacts, partial(stored_messages, tx, book))
    if told.lines:
        times = pa.array([time or now for time in told.times], pa.timestamp("us"))
        received = pa.repeat(pa.scalar(now, pa.timestamp("us")), len(told))
        if told is not read_in.told:
            columns = _columns(told, groups_of(told.names, told.properties), read_in.contexts)
        elif columns is None:
            columns = _columns(told, _groups(read_in), read_in.contexts)
        _store(tx, book, told.visitors, columns, times, received, contacts)
    return told.lines, failures


def visitors_of(read_in: Read) -> set[str]:
    """Who is named as the visitor of these events, and of those of the failures that name one."""
    return {*read_in.told.visitors, *(failure.visitor for failure in read_in.failures if failure.visitor)}


def sift(
    tx: Session, book: PhonebookRow, read_in: Read, contacts: Container[str], stored: StoredOf
) -> tuple[Told, list[Failure]]:
    """The events that are to be stored, and the failures that are to be kept.

    Args:
        contacts: has at least those of the visitors who are contacts.
        stored: which of these messages are events already.
    """
    told = read_in.told
    failures = [
        replace(failure, errors=failure.errors + _unknown(failure.visitor, contacts)) for failure in read_in.failures
    ]
    strangers = {visitor for visitor in set(told.visitors) if visitor not in contacts}
    rows = range(len(told))
    if strangers:
        for row in [row for row in rows if told.visitors[row] in strangers]:
            line, visitor = told.lines[row], told.visitors[row]
            failures.append(
                Failure(line, read_in.payload(line), _unknown(visitor, contacts), visitor, told.message_ids[row])
            )
        told = told.only([row for row in rows if told.visitors[row] not in strangers])
    return _sent_once(tx, book, told, sorted(failures, key=lambda failure: failure.line), stored)


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
    tx: Session, book: PhonebookRow, told: Told, failures: list[Failure], stored_of: StoredOf
) -> tuple[Told, list[Failure]]:
    """Which events and failures are to be kept: none whose message_id is stored already or came before in the batch,
    and no failure that was kept before just as it is."""
    ids = [message_id for message_id in told.message_ids if message_id is not None]
    sent = set(ids)
    asked = sent.union(failure.message_id for failure in failures if failure.message_id is not None)
    if not asked:
        return told, failures
    stored = stored_of(asked)
    if len(sent) < len(ids) or not stored.isdisjoint(sent):
        seen = set(stored)
        kept = []
        for row, message_id in enumerate(told.message_ids):
            if message_id is None or message_id not in seen:
                kept.append(row)
                if message_id is not None:
                    seen.add(message_id)
        told = told.only(kept)
    return told, _kept_failures(tx, book, failures, stored | sent)


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


def settle_events(
    tx: Session,
    book: PhonebookRow,
    told: Told,
    received: pa.Array,
    contexts: Contexts,
    contacts: Mapping[str, int],
    last: int | None = None,
) -> int:
    """Stores events that are valid, have a time, and were received at these times. Returns the last one's number.

    last: the number of the last event that is stored, where that is known.
    """
    columns = _columns(told, groups_of(told.names, told.properties), contexts)
    times = pa.array(told.times, pa.timestamp("us"))
    return _store(tx, book, told.visitors, columns, times, received, contacts, last)


def _store(
    tx: Session,
    book: PhonebookRow,
    visitors: Sequence[str],
    columns: _Columns,
    times: pa.Array,
    received: pa.Array,
    contacts: Mapping[str, int],
    last: int | None = None,
) -> int:
    """Stores events of these visitors that happened and were received then. Returns the last one's number."""
    import numpy as np

    count = len(times)
    instants = times.to_numpy()
    came = []
    for group in columns.groups:
        mine = instants[group.rows]
        came.append((group.name, len(mine), mine.min().item(), mine.max().item()))
    types, new = record_seen(tx, book.schema, came, columns.seen)
    if new:
        bump(tx, book)
    kinds = np.zeros(count, np.int32)
    for group in columns.groups:
        kinds[group.rows] = types[group.name]
    first = next_event(tx, book) if last is None else last + 1
    of_event = {
        "event": pa.array(np.arange(first, first + count)),
        "type": pa.array(kinds),
        "contact": pa.array([contacts[visitor] for visitor in visitors], pa.int32()),
        "ts": times,
    }
    events = of_event | {"created_at": received} | columns.events
    items: dict[str, pa.Array] = {}
    if columns.items:
        owners = pa.array(columns.owners)
        items = columns.items | {name: told.take(owners) for name, told in of_event.items()}
    _insert(tx, book, events, items)
    return first + count - 1


def _column(key: str, values: list[Any] | None, count: int) -> pa.Array:
    """A column of a known key, numbers or texts; None for one that nothing has."""
    number = key in NUMBERS
    if values is None:
        return pa.nulls(count, pa.float64() if number else pa.string())
    if not set(map(type, values)) <= {float if number else str, type(None)}:
        convert = number_of if number else text_of
        values = [value if value is None else convert(value) for value in values]
    return pa.array(values, pa.float64() if number else pa.string())


def _insert(tx: Session, book: PhonebookRow, events: Mapping[str, pa.Array], items: Mapping[str, pa.Array]) -> None:
    """Adds events, their line items (nothing, where they have none), and what these tell of products. Both are columns,
    at least those of their tables; items also have those of a product."""
    rows = {"event": pa.table({name: events[name] for name in TABLES["event"]})}
    if items:
        rows["item"] = pa.table({name: items[name] for name in TABLES["item"]})
    append(tx, book, rows)
    if items:
        record_products(tx, book.schema, pa.table({name: items[name] for name in (*PRODUCT_KEYS, "ts")}))


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
            "attributes": known_json(json_of(list(new.values()))),
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
        stored, failures = store_events(tx, book, read_in, now)
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


def read_events(book: PhonebookRow, records: Sequence[Record], messages: Mapping[int, bytes] | None = None) -> Read:
    """What can be known of events before the store is asked; `messages`: see `storage.lines.read`."""
    return read_lines(records, book.strict, _zone(book), messages)


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
