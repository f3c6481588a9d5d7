"""What failed: listed, and tried again, as it came or mended. What passes leaves the list and keeps its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa

from storage.backends import Backend, Session
from storage.errors import StorageError
from storage.event import EventError
from storage.load import (
    Outcome,
    append_contacts,
    append_products,
    keyed_faults,
    outcomes,
    read_events,
    store_events,
)
from storage.messages import sorted_messages
from storage.registry import PhonebookRow
from storage.source import Record, numbered

_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which failures are meant: all, or those that every part that is given holds for. `since` is naive UTC."""

    id: int | None = None
    event: str | None = None
    code: str | None = None
    since: datetime | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """It as SQL over the table `failed`, and the parameters of that."""
        name = "CASE WHEN json_valid(payload) THEN coalesce(payload::JSON->>'event_name', payload::JSON->>'event') END"
        parts: list[tuple[str, Any]] = [
            ("id = ?", self.id),
            (f"{_folded(name)} = {_folded('?')}", self.event),
            ("list_contains(errors->>'$[*].code', ?)", self.code),
            ("received_at >= ?", self.since),
        ]
        given = [(sql, value) for sql, value in parts if value is not None]
        return " AND ".join(["true", *(sql for sql, _ in given)]), [value for _, value in given]


EVERYTHING: Final = Wanted()
"""All failures that are still to be mended."""


def _folded(text: str) -> str:
    return f"lower(regexp_replace({text}, '[\\s_-]+', '', 'g'))"


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of failures that were tried again: how many passed, were there already, failed again; and for each
    that failed again its id and the reasons."""

    accepted: int
    duplicates: int
    failed: int
    errors: list[tuple[int, tuple[EventError, ...]]]


def listed(
    backend: Backend, book: PhonebookRow, wanted: Wanted, limit: int | None = None, below: int | None = None
) -> pa.Table:
    """Failures that are still to be mended, the latest first: id, received_at (UTC), what, payload as it came, errors
    (JSON), error (their messages), file, line, status. At most `limit` of them, with ids below `below`."""
    condition, parameters = wanted.condition()
    return backend.query(
        f"{_ROW} FROM {book.schema}.failed WHERE status = 'failed' AND {condition} AND id < coalesce(?, id + 1) "
        "ORDER BY id DESC LIMIT ?",
        [*parameters, below, limit],
    )


_ROW: Final = (
    "SELECT id, received_at, what, payload, errors::VARCHAR AS errors, "
    "array_to_string(errors->>'$[*].message', '; ') AS error, file, line, status"
)


def one(backend: Backend, book: PhonebookRow, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A failure, also one that has passed since; and all that was tried with it, the first time first: at (UTC),
    payload, errors (JSON), status.

    Raises:
        StorageError: "unknown", where nothing of this id failed.
    """
    found = backend.query(f"{_ROW} FROM {book.schema}.failed WHERE id = ?", [number]).to_pylist()
    if not found:
        raise StorageError("unknown", f"Nothing with the id {number} failed in the phonebook {book.name!r}.")
    tried = backend.query(
        f'SELECT "at", payload, errors::VARCHAR AS errors, status FROM {book.schema}.attempt '
        'WHERE id = ? ORDER BY "at"',
        [number],
    ).to_pylist()
    row = found[0]
    first = {"at": row["received_at"], "payload": row["payload"], "errors": row["errors"], "status": "failed"}
    return row, tried or [first]


def retry(backend: Backend, book: PhonebookRow, wanted: Wanted, now: datetime, payload: bytes | None = None) -> Retried:
    """Tries failures again: as they came, or the wanted one with a payload in its place.

    Each is stored and taken from the list in one transaction. It keeps what it was and when it was tried.

    Raises:
        StorageError: "unknown", where one id is wanted and it has not failed, or has passed since.
    """
    condition, parameters = wanted.condition()
    found = backend.rows(
        f"SELECT id FROM {book.schema}.failed WHERE status = 'failed' AND {condition} ORDER BY id", parameters
    )
    if wanted.id is not None and not found:
        raise StorageError("unknown", f"Nothing with the id {wanted.id} is to be mended in {book.name!r}.")
    became: dict[int, Outcome] = {}
    ids = [number for (number,) in found]
    for start in range(0, len(ids), _AT_ONCE):
        became.update(_retry(backend, book, ids[start : start + _AT_ONCE], now, payload))
    counts = [outcome if isinstance(outcome, str) else "failed" for outcome in became.values()]
    return Retried(
        counts.count("accepted"),
        counts.count("duplicate"),
        counts.count("failed"),
        [(number, outcome) for number, outcome in became.items() if not isinstance(outcome, str)],
    )


def _retry(
    backend: Backend, book: PhonebookRow, ids: Sequence[int], now: datetime, payload: bytes | None
) -> dict[int, Outcome]:
    failed = f"{book.schema}.failed"
    rows = backend.query(
        f"SELECT * FROM {failed} WHERE status = 'failed' AND id IN (SELECT unnest(?))", [list(ids)]
    ).to_pylist()
    came = {row["id"]: payload if payload is not None else row["payload"].encode() for row in rows}
    of = {what: {row["id"]: came[row["id"]] for row in rows if row["what"] == what} for what in _KINDS}
    messages = sorted_messages(of["message"], book.unknown_visitors)
    became = _keyed(backend, book, of, messages.contacts, messages.visitors, now)
    with backend.write() as tx:
        # What is being tried is no failure while it is: else it would count as one that is kept already.
        tx.run(f"DELETE FROM {failed} WHERE id IN (SELECT unnest(?))", [list(came)])
        for records, raws in ((_records(of["event"]), None), (messages.events, of["message"])):
            if records:
                stored, failures = store_events(tx, book, read_events(book, records, raws), now)
                done = outcomes(records, stored, failures)
                became.update(zip((number for number, _, _ in records), done, strict=True))
        _write_down(tx, book, rows, came, became, now)
    return became


_KINDS: Final = ("event", "message", "contact", "product")


def _records(came: Mapping[int, bytes]) -> list[Record]:
    return [numbered(number, raw) for number, raw in came.items()]


def _keyed(
    backend: Backend,
    book: PhonebookRow,
    of: Mapping[str, Mapping[int, bytes]],
    identified: list[Record],
    visitors: list[Record],
    now: datetime,
) -> dict[int, Outcome]:
    """Tries contacts and products: they can be stored twice without harm, so they have a transaction of their own."""
    became: dict[int, Outcome] = {}
    contacts, products = _records(of["contact"]) + identified, _records(of["product"])
    for key, records, append in (
        ("visitor_id", contacts, append_contacts),
        ("product_id", products, append_products),
        ("visitor_id", visitors, append_contacts),
    ):
        faults = dict(keyed_faults(book, key, records))
        sound = [record for record in records if record[0] not in faults]
        if sound:
            append(backend, book, sound, now)
        if records is not visitors:
            became.update((number, "accepted") for number, _, _ in sound)
            became.update(faults)
    return became


def _write_down(
    tx: Session,
    book: PhonebookRow,
    rows: Sequence[Mapping[str, Any]],
    came: Mapping[int, bytes],
    became: Mapping[int, Outcome],
    now: datetime,
) -> None:
    """Puts the failures back, as they are now; and keeps what was tried, at first also what it was before."""
    asked = f"SELECT DISTINCT id FROM {book.schema}.attempt WHERE id IN (SELECT unnest(?))"
    known = {number for (number,) in tx.rows(asked, [list(came)])}
    after: list[dict[str, Any]] = []
    tried: list[dict[str, Any]] = []
    for row in rows:
        number, outcome = row["id"], became[row["id"]]
        status, errors = (outcome, "[]") if isinstance(outcome, str) else ("failed", _text(outcome))
        payload = came[number].decode("utf-8", errors="backslashreplace")
        last = row["errors"] if isinstance(outcome, str) else errors
        after.append({**row, "payload": payload, "errors": last, "status": status})
        if number not in known:
            before = {"at": row["received_at"], "payload": row["payload"], "errors": row["errors"], "status": "failed"}
            tried.append({"id": number, **before})
        tried.append({"id": number, "at": now, "payload": payload, "errors": errors, "status": status})
    for table, changed in (("failed", after), ("attempt", tried)):
        if changed:
            tx.put(f"told_{table}", pa.Table.from_pylist(changed))
            tx.run(f"INSERT INTO {book.schema}.{table} BY NAME SELECT * FROM told_{table}")


def _text(errors: Sequence[EventError]) -> str:
    return msgspec.json.encode(errors).decode()
