"""What people decided about a store: its phonebooks, and the terms that a phonebook defines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from grammar.query import Query
from grammar.vocabulary import fold
from storage.backends import Backend, Session, Snapshot
from storage.errors import StorageError
from storage.migrate import migrate
from storage.schema import INDEXES, META, META_TABLES, TABLES, VERSION, create_statements, schema_of


@dataclass(frozen=True, slots=True)
class PhonebookRow:
    """A phonebook of the store. `zone` is an IANA name; `strict`: a number for a string key fails."""

    id: int
    name: str
    zone: str
    strict: bool

    @property
    def schema(self) -> str:
        """The DuckDB schema that holds it."""
        return schema_of(self.id)


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
        rows = tx.rows(f"SELECT id, name, zone, strict FROM {META}.phonebook WHERE name = ?", [name])
        if not rows:
            return _create(tx, name, zone or "UTC", bool(strict), now)
    known = PhonebookRow(*rows[0])
    if zone is not None and zone != known.zone:
        raise StorageError(
            "zone", f"The phonebook {name!r} is in the time zone {known.zone}, not {zone}: its events were read in it."
        )
    if strict is not None and strict != known.strict:
        raise StorageError("refused", f"The phonebook {name!r} is {'' if known.strict else 'not '}strict.")
    return known


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise StorageError("zone", f"There is no time zone {zone!r}: give an IANA name such as Europe/Oslo.") from None


def _create(tx: Session, name: str, zone: str, strict: bool, now: datetime) -> PhonebookRow:
    number = int(tx.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {META}.phonebook")[0][0])
    made = PhonebookRow(number, name, zone, strict)
    tx.run(f"INSERT INTO {META}.phonebook VALUES (?, ?, ?, ?, ?, 0)", [number, name, zone, strict, now])
    for statement in create_statements(made.schema, TABLES, INDEXES):
        tx.run(statement)
    return made


def bump(tx: Session, book: PhonebookRow) -> None:
    """Says that the vocabulary of the phonebook has changed."""
    tx.run(f"UPDATE {META}.phonebook SET version = version + 1 WHERE id = ?", [book.id])


def version(snapshot: Snapshot, book: PhonebookRow) -> int:
    """Which version of its vocabulary the phonebook is at."""
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
