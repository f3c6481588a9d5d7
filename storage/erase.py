"""A person is forgotten: contact, events, what failed, and what the store knows only from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

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
    """What was removed of a person: contacts (1, or 0 where none was known), events, failed records, and segments that
    the person was in. `mentions`: how often others' records and terms name the id. They belong to others, and stay."""

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
        events = segments = 0
        found = tx.rows(f"SELECT contact, attributes FROM {schema}.contact WHERE visitor_id = ?", [visitor_id])
        for contact, attributes in found:
            rows = tx.rows(
                f"SELECT t.name, e.ts, e.properties::VARCHAR, e.context::VARCHAR FROM {schema}.event e "
                f"JOIN {schema}.event_type t USING (type) WHERE e.contact = ?",
                [contact],
            )
            events = len(rows)
            erase_events(tx, schema, contact, batch_of(rows))
            record_attributes(tx, schema, [(flat(json.loads(attributes)), {})])
            for table, columns in TABLES.items():
                if "contact" in columns:
                    gone = tx.rows(f"DELETE FROM {schema}.{table} WHERE contact = ? RETURNING 1", [contact])
                    segments += 0 if table in _OF_EVENTS else len(gone)
        mentions = tx.rows(
            f"SELECT coalesce(sum(count), 0) + (SELECT count(*) FROM {schema}.failed WHERE contains(payload, $1)) "
            f"+ (SELECT count(*) FROM {schema}.term WHERE contains(query::VARCHAR, $1)) "
            f"FROM {schema}.value_index WHERE text = $1",
            [visitor_id],
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
    """Removes what failed and is of this visitor, or names them and does not say whose it is."""
    theirs = [
        number
        for number, payload in tx.rows(
            f"SELECT id, payload FROM {book.schema}.failed WHERE contains(payload, ?) OR contains(payload, '\\')",
            [visitor_id],
        )
        if _is_of(payload, visitor_id)
    ]
    if theirs:
        tx.run(f"DELETE FROM {book.schema}.failed WHERE list_contains(?, id)", [theirs])
    return len(theirs)


def _is_of(payload: str, visitor_id: str) -> bool:
    try:
        told = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return visitor_id in payload
    owner = text_of(told.get("visitor_id")) if isinstance(told, dict) else None
    if owner is None or not owner.strip():
        return visitor_id in json.dumps(told, ensure_ascii=False)
    return owner.strip() == visitor_id.strip()
