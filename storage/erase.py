"""A person is forgotten: contact, events, what failed, and what the store knows only from them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from storage.backends import Backend, Session
from storage.catalog import batch_of, erase_events, flat, record_attributes
from storage.event import text_of
from storage.registry import PhonebookRow, bump
from storage.schema import META, TABLES

_OF_EVENTS: Final = ("contact", "event", "item", "state")
"""Tables that tell of a contact and of what it did; what else there is of it are places in segments."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a person: contacts (1, or 0 where none was known), events, failed records, and places in
    segments. `mentions`: how often others' records, and terms and segments, name the id. They stay."""

    contacts: int = 0
    events: int = 0
    failed: int = 0
    segments: int = 0
    mentions: int = 0


def forget(backend: Backend, book: PhonebookRow, visitor_id: str) -> Forgotten:
    """Removes everything of one visitor in one transaction, then writes the file anew so that no byte of it is left.

    Raises:
        StorageError: "full", where there is no room for the new file: the person is removed, and the next time that
            the store is opened the file is written anew.
    """
    with backend.write(alone=True) as tx:
        schema = book.schema
        failed = _forget_failures(tx, book, visitor_id)
        _forget_texts(tx, book, visitor_id)
        events = segments = 0
        found = tx.rows(f"SELECT contact, attributes FROM {schema}.contact WHERE visitor_id = ?", [visitor_id])
        for contact, attributes in found:
            rows = tx.rows(
                f"SELECT t.name, e.properties::VARCHAR, e.context::VARCHAR FROM {schema}.event e "
                f"JOIN {schema}.event_type t USING (type) WHERE e.contact = ?",
                [contact],
            )
            events = len(rows)
            erase_events(tx, schema, contact, batch_of(rows))
            record_attributes(tx, schema, [(flat(json.loads(attributes)), {})])
            stays = tx.rows(f"SELECT segment, entered, exited FROM {schema}.stay WHERE contact = ?", [contact])
            for table, columns in TABLES.items():
                if "contact" in columns:
                    gone = tx.rows(f"DELETE FROM {schema}.{table} WHERE contact = ? RETURNING 1", [contact])
                    segments += 0 if table in _OF_EVENTS else len(gone)
            _take_out(tx, schema, stays)
        mentions = tx.rows(
            f"SELECT coalesce(sum(count), 0) + (SELECT count(*) FROM {schema}.failed WHERE contains(payload, $1)) "
            f"+ (SELECT count(*) FROM {schema}.term WHERE contains(query::VARCHAR, $2) OR contains(meaning, $1)) "
            f"+ (SELECT count(*) FROM {schema}.segment WHERE contains(query::VARCHAR, $2) OR contains(name, $1)) "
            f"FROM {schema}.value_index WHERE text = $1",
            [visitor_id, msgspec.json.encode(visitor_id).decode()[1:-1]],
        )
        bump(tx, book)
        tx.run(f"UPDATE {META}.store SET erased = true")
    renew(backend)
    return Forgotten(len(found), events, failed, segments, int(mentions[0][0]))


def renew(backend: Backend) -> None:
    """Writes the store's file anew where something was erased since the last time: not a byte of that is left."""
    if backend.rows(f"SELECT 1 FROM {META}.store WHERE erased"):
        backend.renew()
        with backend.write() as tx:
            tx.run(f"UPDATE {META}.store SET erased = false")


def _forget_failures(tx: Session, book: PhonebookRow, visitor_id: str) -> int:
    """Removes what failed and is of this visitor, or names them and does not say whose it is; and what was tried."""

    def theirs(table: str) -> list[int]:
        rows = tx.rows(
            f"SELECT id, rowid, payload FROM {book.schema}.{table} "
            "WHERE contains(payload, ?) OR contains(payload, '\\')",
            [visitor_id],
        )
        return [id if table == "failed" else rowid for id, rowid, payload in rows if _is_of(payload, visitor_id)]

    if failed := theirs("failed"):
        tx.run(f"DELETE FROM {book.schema}.failed WHERE list_contains(?, id)", [failed])
        tx.run(f"DELETE FROM {book.schema}.attempt WHERE list_contains(?, id)", [failed])
    # What became another's when it was mended.
    if tries := theirs("attempt"):
        tx.run(f"DELETE FROM {book.schema}.attempt WHERE list_contains(?, rowid)", [tries])
    return len(failed)


def _forget_texts(tx: Session, book: PhonebookRow, visitor_id: str) -> None:
    """Takes what names the person out of the audit log, whose lines stay; and what a language model read of questions,
    for the vocabulary is another one now and it is of no use any more."""
    rows = tx.rows(
        f"SELECT rowid, detail FROM {META}.audit "
        "WHERE phonebook = ? AND (contains(detail::VARCHAR, ?) OR contains(detail::VARCHAR, '\\'))",
        [book.name, visitor_id],
    )
    if naming := [entry for entry, detail in rows if _names(json.loads(detail), visitor_id)]:
        tx.run(f"UPDATE {META}.audit SET detail = ? WHERE list_contains(?, rowid)", ['{"forgotten":true}', naming])
    tx.run(f"DELETE FROM {book.schema}.model_reading")


def _take_out(tx: Session, schema: str, stays: Sequence[tuple[int, datetime, datetime | None]]) -> None:
    """Makes the histories of segments those without these stays: segment, entered, exited."""
    refresh = f"{schema}.refresh"
    for segment, entered, exited in stays:
        for what, instant in (("entered", entered), ("exited", exited)):
            # Which one it was, of several as of the same instant, is not known: one that somebody came or went at.
            tx.run(
                f"UPDATE {refresh} SET {what} = {what} - 1 WHERE rowid = "
                f"(SELECT min(rowid) FROM {refresh} WHERE segment = ? AND as_of = ? AND {what} > 0)",
                [segment, instant],
            )
    counted = (
        "SELECT rowid AS place, sum(entered - exited) OVER (PARTITION BY segment ORDER BY as_of, rowid) AS counted"
    )
    tx.run(f"UPDATE {refresh} SET size = counted FROM ({counted} FROM {refresh}) WHERE refresh.rowid = place")


def _is_of(payload: str, visitor_id: str) -> bool:
    try:
        told = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return visitor_id in payload
    owner = text_of(told.get("visitor_id")) if isinstance(told, dict) else None
    if owner is None or not owner.strip():
        return visitor_id in json.dumps(told, ensure_ascii=False)
    return owner.strip() == visitor_id.strip()


def _names(told: Any, visitor_id: str) -> bool:
    """Whether a text somewhere in it names the id: as a word of its own, for "v1" is not in "v12"."""
    match told:
        case dict():
            return any(_names(part, visitor_id) for pair in told.items() for part in pair)
        case list():
            return any(_names(part, visitor_id) for part in told)
        case str():
            return re.search(rf"(?<!\w){re.escape(visitor_id)}(?!\w)", told) is not None
        case _:
            return False
