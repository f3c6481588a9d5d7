"""What people decided about a store: its phonebooks and their settings, the terms they define, keys, the audit log."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pyarrow as pa

from grammar.query import Query
from grammar.vocabulary import fold
from storage.backends import Backend, Session, Snapshot
from storage.errors import StorageError
from storage.migrate import migrate
from storage.schema import INDEXES, META, META_TABLES, TABLES, VERSION, create_statements, schema_of

UnknownVisitors: TypeAlias = Literal["fail", "create"]
"""What becomes of a visitor of a Segment-compatible client who is no contact yet."""

Scope: TypeAlias = Literal["ingest", "read", "admin"]
"""What a key may do: hand things in; ask and look; both, and decide about the phonebook."""

PRIVATE: Final = ("email", "mobile", "name")
"""What is private in a new phonebook."""


@dataclass(frozen=True, slots=True)
class PhonebookRow:
    """A phonebook of the store.

    Attributes:
        zone: IANA name.
        strict: a number for a string key fails.
        private: attributes and keys whose values are shown to no language model.
        unknown_visitors: whether visitors of Segment-compatible clients become contacts.
    """

    id: int
    name: str
    zone: str
    strict: bool
    private: tuple[str, ...] = PRIVATE
    unknown_visitors: UnknownVisitors = "fail"

    @property
    def schema(self) -> str:
        """The DuckDB schema that holds it."""
        return schema_of(self.id)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of the service, without its secret: only a digest of that is kept. Times are naive UTC."""

    id: str
    digest: str
    phonebooks: tuple[str, ...]
    scope: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def accepts(self, secret: str, now: datetime) -> bool:
        """Whether this secret is the key's, and the key is in force; it takes as long for a wrong secret as for the
        right one."""
        same = hmac.compare_digest(self.digest, _digest(secret))
        return same and self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what in which phonebook, and when (naive UTC). `who` is a key's id, never the key."""

    at: datetime
    who: str
    phonebook: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TermRow:
    """A word that a phonebook defines: the word, the English it was defined by, and what that means."""

    word: str
    meaning: str
    query: Query


def prepare(backend: Backend, path: str) -> None:
    """Makes the store's own tables where the database is empty, and brings those of an older release to the present.

    Raises:
        StorageError: "foreign" for a database that is no store, "newer" for a store of a later release.
    """
    found = backend.query(
        "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal AND database_name = current_database()"
    ).column(0)
    if META not in found.to_pylist():
        others = backend.query("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").column(0)[0].as_py()
        if others:
            raise StorageError("foreign", f"{path!r} is a database of something else: give another file with --store.")
        with backend.write() as tx:
            for statement in create_statements(META, META_TABLES, ()):
                tx.run(statement)
            tx.run(f"INSERT INTO {META}.store VALUES (?, false)", [VERSION])
        return
    version = backend.query(f"SELECT version FROM {META}.store").column(0)[0].as_py()
    if version > VERSION:
        raise StorageError(
            "newer", f"The store {path!r} was written by a newer persona (tables {version}, here {VERSION}): update it."
        )
    if version < VERSION:
        migrate(backend)


def phonebook(backend: Backend, name: str, zone: str | None, strict: bool | None, now: datetime) -> PhonebookRow:
    """The phonebook of this name, made where it is missing (UTC and not strict where nothing else is said).

    Raises:
        StorageError: "zone", where there is no such time zone or the phonebook has another; "refused", where it is
            strict and must not be, or the reverse.
    """
    if zone is not None:
        _check_zone(zone)
    with backend.write() as tx:
        rows = tx.rows(f"SELECT {_BOOK} FROM {META}.phonebook WHERE name = ?", [name])
        if not rows:
            return _create(tx, name, zone or "UTC", bool(strict), now)
    known = _book(rows[0])
    if zone is not None and zone != known.zone:
        raise StorageError(
            "zone", f"The phonebook {name!r} is in the time zone {known.zone}, not {zone}: its events were read in it."
        )
    if strict is not None and strict != known.strict:
        raise StorageError("refused", f"The phonebook {name!r} is {'' if known.strict else 'not '}strict.")
    return known


_BOOK: Final = "id, name, zone, strict, private, unknown_visitors"


def _book(row: tuple[Any, ...]) -> PhonebookRow:
    number, name, zone, strict, private, unknown_visitors = row
    # A store of an older version has neither.
    known = PRIVATE if private is None else tuple(private)
    return PhonebookRow(number, name, zone, strict, known, unknown_visitors or "fail")


def phonebooks(backend: Backend) -> tuple[PhonebookRow, ...]:
    """All phonebooks of the store, by name."""
    return tuple(map(_book, backend.rows(f"SELECT {_BOOK} FROM {META}.phonebook ORDER BY name")))


def set_phonebook(
    backend: Backend,
    book: PhonebookRow,
    zone: str | None = None,
    strict: bool | None = None,
    private: Collection[str] | None = None,
    unknown_visitors: UnknownVisitors | None = None,
) -> PhonebookRow:
    """The phonebook with other settings; None leaves one as it is.

    Raises:
        StorageError: "zone", where there is no such zone, or where events have been read in another one.
    """
    if zone is not None:
        _check_zone(zone)
    with backend.write() as tx:
        if zone not in (None, book.zone) and tx.rows(f"SELECT 1 FROM {book.schema}.event LIMIT 1"):
            raise StorageError(
                "zone", f"The phonebook {book.name!r} has events that were read in {book.zone}: its zone stays."
            )
        tx.run(
            f"UPDATE {META}.phonebook SET zone = coalesce(?, zone), strict = coalesce(?, strict), "
            "private = coalesce(?, private), unknown_visitors = coalesce(?, unknown_visitors) WHERE id = ?",
            [zone, strict, None if private is None else list(private), unknown_visitors, book.id],
        )
        bump(tx, book)
        return _book(tx.rows(f"SELECT {_BOOK} FROM {META}.phonebook WHERE id = ?", [book.id])[0])


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise StorageError("zone", f"There is no time zone {zone!r}: give an IANA name such as Europe/Oslo.") from None


def _create(tx: Session, name: str, zone: str, strict: bool, now: datetime) -> PhonebookRow:
    number = int(tx.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {META}.phonebook")[0][0])
    made = PhonebookRow(number, name, zone, strict)
    tx.run(
        f"INSERT INTO {META}.phonebook VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        [number, name, zone, strict, now, list(made.private), made.unknown_visitors],
    )
    for statement in create_statements(made.schema, TABLES, INDEXES):
        tx.run(statement)
    return made


def bump(tx: Session, book: PhonebookRow) -> None:
    """Says that the vocabulary of the phonebook has changed: there are other words than before."""
    tx.run(f"UPDATE {META}.phonebook SET version = version + 1 WHERE id = ?", [book.id])


def version(snapshot: Snapshot, book: PhonebookRow) -> int:
    """Which version of its vocabulary the phonebook is at. More events that show nothing new do not change it."""
    return int(snapshot.rows(f"SELECT version FROM {META}.phonebook WHERE id = ?", [book.id])[0][0])


def define(backend: Backend, book: PhonebookRow, term: TermRow, now: datetime) -> None:
    """Keeps a term; one of the same folded word is replaced."""
    with backend.write() as tx:
        _forget(tx, book, term.word)
        tx.run(
            f"INSERT INTO {book.schema}.term VALUES (?, ?, ?, ?, ?)",
            [fold(term.word), term.word, term.meaning, term.query.to_json(), now],
        )
        bump(tx, book)


def undefine(backend: Backend, book: PhonebookRow, word: str) -> None:
    """Forgets a term. Raises StorageError "unknown" where there is none."""
    with backend.write() as tx:
        if not _forget(tx, book, word):
            raise StorageError("unknown", f"The phonebook {book.name!r} defines no term {word!r}.")
        bump(tx, book)


def terms(backend: Backend, book: PhonebookRow) -> tuple[TermRow, ...]:
    """The terms that the phonebook defines, by word."""
    rows = backend.query(f"SELECT word, meaning, query FROM {book.schema}.term ORDER BY name").to_pylist()
    return tuple(TermRow(row["word"], row["meaning"], Query.from_json(row["query"])) for row in rows)


def _forget(tx: Session, book: PhonebookRow, word: str) -> bool:
    found = tx.rows(f"DELETE FROM {book.schema}.term WHERE name = ? RETURNING name", [fold(word)])
    return bool(found)


# ── what a language model read before ─────────────────────────────────────────────────────────────────────────────


def recall_reading(backend: Backend, book: PhonebookRow, key: str) -> str | None:
    """The proposal that a model once gave, under this key."""
    rows = backend.rows(f"SELECT proposal FROM {book.schema}.model_reading WHERE key = ?", [_digest(key)])
    return str(rows[0][0]) if rows else None


def keep_reading(backend: Backend, book: PhonebookRow, key: str, proposal: str, now: datetime) -> None:
    """Keeps a proposal under this key, and forgets those of older versions of the vocabulary."""
    with backend.write() as tx:
        at = int(tx.rows(f"SELECT version FROM {META}.phonebook WHERE id = ?", [book.id])[0][0])
        tx.run(
            f"DELETE FROM {book.schema}.model_reading WHERE version <> ? OR key = ?",
            [at, _digest(key)],
        )
        tx.run(f"INSERT INTO {book.schema}.model_reading VALUES (?, ?, ?, ?)", [_digest(key), at, proposal, now])


# ── keys and the audit log ────────────────────────────────────────────────────────────────────────────────────────


def _digest(secret: str) -> str:
    """What is kept of a secret. It is 32 random bytes: nothing slower than SHA-256 is needed to keep it unguessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(
    backend: Backend, books: Sequence[str], scope: Scope, expires: datetime | None, who: str, now: datetime
) -> tuple[KeyRow, str]:
    """A new key for these phonebooks, and its text, which cannot be had again. Times are naive UTC.

    Raises:
        ValueError: an ingest key is to open more than one phonebook, or the key would expire at once.
    """
    if scope == "ingest" and len(books) != 1:
        raise ValueError("An ingest key belongs to one phonebook: what comes with it names none.")
    if expires is not None and expires <= now:
        raise ValueError("The key would have expired already: give a later time.")
    secret = secrets.token_urlsafe(32)
    made = KeyRow(secrets.token_hex(6), _digest(secret), tuple(books), scope, now, expires)
    with backend.write() as tx:
        tx.run(
            f"INSERT INTO {META}.key VALUES (?, ?, ?, ?, ?, ?, NULL)",
            [made.id, made.digest, list(books), scope, now, expires],
        )
        record(tx, [AuditRow(now, who, book, "key.create", {"key": made.id, "scope": scope}) for book in books])
    return made, f"pk_{made.id}_{secret}"


def parts_of(key: str) -> tuple[str, str]:
    """The id and the secret in the text of a key; empty, where it is no such text."""
    prefix, _, rest = key.partition("_")
    number, _, secret = rest.partition("_")
    return (number, secret) if prefix == "pk" else ("", "")


def keys(backend: Backend) -> tuple[KeyRow, ...]:
    """All keys that were ever made, the oldest first."""
    rows = backend.rows(
        "SELECT id, digest, phonebooks, scope, created_at, expires_at, revoked_at "
        f"FROM {META}.key ORDER BY created_at, id"
    )
    return tuple(KeyRow(number, digest, tuple(books), *rest) for number, digest, books, *rest in rows)


def revoke_key(backend: Backend, number: str, who: str, now: datetime) -> None:
    """Ends a key, for good. Raises StorageError "unknown" where there is none of this id in force."""
    with backend.write() as tx:
        found = tx.rows(
            f"UPDATE {META}.key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING phonebooks",
            [now, number],
        )
        if not found:
            raise StorageError("unknown", f"There is no key {number!r} in force: `persona key list` shows them.")
        record(tx, [AuditRow(now, who, book, "key.revoke", {"key": number}) for book in found[0][0]])


def record(tx: Session, rows: Sequence[AuditRow]) -> None:
    """Adds to the audit log."""
    columns = [
        [row.at for row in rows],
        [row.who for row in rows],
        [row.phonebook for row in rows],
        [row.action for row in rows],
        [msgspec.json.encode(row.detail).decode() for row in rows],
    ]
    tx.run(f"INSERT INTO {META}.audit SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?)", columns)


def audit(backend: Backend, phonebook: str, limit: int, below: int | None) -> pa.Table:
    """The audit log of a phonebook, the latest first: at, who, action, detail (JSON), entry (a number)."""
    return backend.query(
        f'SELECT "at", who, action, detail::VARCHAR AS detail, rowid AS entry FROM {META}.audit '
        "WHERE phonebook = ? AND rowid < coalesce(?, rowid + 1) ORDER BY rowid DESC LIMIT ?",
        [phonebook, below, limit],
    )
