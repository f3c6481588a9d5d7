"""Events into order: rows by type, month, contact and time; and what each contact did so far in a row of its own.

New events are appended as they come. Compaction rewrites the blocks (a type in a month) that got some, a bounded number
of rows to a transaction, beside the writer: what comes meanwhile has a higher number and is left for the next time.
Each transaction replaces rows by the same rows, so a store is whole at whichever instant the process dies. The last one
says up to which event the rows of `state` count; until then the older ones hold.

A key that most events of a type carry, or that questions ask for, gets a column of its own: first the column, which
every new event fills from then on; then the older events, as their blocks are rewritten; then questions use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import pyarrow as pa

from storage.backends import Backend, Session, Snapshot
from storage.registry import PhonebookRow
from storage.schema import (
    EVENT_NUMBERS,
    EVENT_TEXTS,
    EVERY_TYPE,
    ITEM_NUMBERS,
    ITEM_TEXTS,
    json_path,
    number_in_sql,
)

Clock: TypeAlias = Callable[[], datetime]
"""Naive UTC."""

Progress: TypeAlias = Callable[[int, int], None]
"""Told after each transaction: how many events are in order, and of how many."""

CHUNK: Final = 2_000_000
"""So many events are rewritten in one transaction (a larger block is rewritten alone)."""

LEAST: Final = 100_000
_SHARE: Final = 50
"""Compaction is due when so many events have come, and they are one in so many of all."""


CARRIED: Final = 1_000
"""A key is promoted that so many events carry, and half of all of their type."""

_OFTEN: Final = 3
"""A key is promoted that so many questions asked for."""

_COLUMNS: Final = 64
"""So many keys are promoted in all."""

Asked: TypeAlias = Mapping[tuple[str, str], int]
"""How many questions read a key from JSON, by (level, key)."""


@dataclass(frozen=True, slots=True)
class _Promoted:
    """A key with a column of its own: in `item` for the level item, else in `event`."""

    level: str
    key: str
    column: str
    number: bool

    @property
    def table(self) -> str:
        return "item" if self.level == "item" else "event"

    def value(self) -> tuple[str, list[str]]:
        """What the column holds of a row, as SQL and its parameters."""
        whole = {"item": "item", "event": "properties", "context": "context"}[self.level]
        text = f"json_extract_string({whole}, ?)"
        return number_in_sql(text) if self.number else text, [json_path([self.key])]


def _filled(promoted: Sequence[_Promoted], table: str) -> tuple[str, list[str]]:
    """The promoted columns of a table, as SQL and its parameters."""
    mine = [each for each in promoted if each.table == table]
    values = [each.value() for each in mine]
    columns = ", ".join(f'{sql} AS "{each.column}"' for each, (sql, _) in zip(mine, values, strict=True))
    return columns, [parameter for _, parameters in values for parameter in parameters]


@dataclass(frozen=True, slots=True)
class Block:
    """The events of one type in one month (UTC): that many."""

    type: int
    month: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did: how many new events are now in order, how many were rewritten for it, and which keys have
    got a column."""

    new: int
    rewritten: int
    promoted: tuple[str, ...] = ()


def upto(snapshot: Snapshot | Session, book: PhonebookRow) -> int:
    """Up to which event all are in order and counted; -1 where none are."""
    return int(snapshot.rows(f"SELECT coalesce(max(upto), -1) FROM {book.schema}.compaction")[0][0])


def version(snapshot: Snapshot, book: PhonebookRow) -> tuple[int, datetime | None]:
    """Changes with every compaction."""
    found = snapshot.rows(f"SELECT upto, finished FROM {book.schema}.compaction")
    return found[0] if found else (-1, None)


def append(tx: Session, book: PhonebookRow, rows: Mapping[str, pa.Table]) -> None:
    """Adds rows to `event` and `item`: their columns are those of `schema.TABLES`, and the promoted ones are read from
    their JSON here."""
    promoted = _promoted(tx, book.schema)
    for table, added in rows.items():
        columns, parameters = _filled(promoted, table)
        more = f", {columns}" if columns else ""
        # Planning columns that hold nothing costs more than a small batch. Promoted ones may be read from context.
        empty = [name for name in added.column_names if added[name].null_count == len(added) and name != "context"]
        tx.put(f"new_{table}", added.drop_columns(empty))
        tx.run(f"INSERT INTO {book.schema}.{table} BY NAME SELECT *{more} FROM new_{table}", parameters)


def next_event(tx: Session, book: PhonebookRow) -> int:
    """The number that the next new event gets: above all there are, and above all that were ever compacted."""
    since = upto(tx, book)  # the engine skips what is in order
    return int(
        tx.rows(f"SELECT coalesce(max(event), ?) + 1 FROM {book.schema}.event WHERE event > ?", [since, since])[0][0]
    )


def due(backend: Backend, book: PhonebookRow) -> bool:
    """Whether enough events have come since the last compaction to make one worth its work."""
    with backend.snapshot() as snapshot:
        since = upto(snapshot, book)
        new, every = snapshot.rows(f"SELECT count(*) FILTER (event > ?), count(*) FROM {book.schema}.event", [since])[0]
    return bool(new >= max(LEAST, every // _SHARE))


def compact(
    backend: Backend, book: PhonebookRow, clock: Clock, progress: Progress | None = None, asked: Asked | None = None
) -> Compacted:
    """Puts the events that have come since the last time in order, counts them in `state`, and gives keys columns.

    Writers go on meanwhile, and readers see every event once at every instant. It may be killed at any instant and does
    the rest when it is called again.

    Args:
        backend: the open store.
        book: which phonebook.
        clock: naive UTC. Events later than it are in order but not in `state`.
        progress: told as it goes.
        asked: which keys questions read from JSON, so that those may be promoted.

    Raises:
        StorageError: "full" and the like, as any write. What was done stays done.
    """
    schema = book.schema
    _promote(backend, schema, asked or {})
    with backend.background() as tx:
        since = upto(tx, book)
        last = int(tx.rows(f"SELECT coalesce(max(event), -1) FROM {schema}.event")[0][0])
        empty = _promoted(tx, schema, filled=False)
        if last <= since and not empty:
            return Compacted(0, 0)
        blocks = _blocks(tx, schema, since, last, _types_with(tx, schema, empty))
    every = sum(block.events for block in blocks)
    done = 0
    for chunk in _chunks(blocks):
        with backend.background() as tx:
            done += _rewrite(tx, schema, "event", chunk, last, empty)
            _rewrite(tx, schema, "item", chunk, last, empty)
        if progress:
            progress(done, every)
    with backend.background() as tx:
        if upto(tx, book) != since:
            return Compacted(0, done)  # another one has finished meanwhile
        new = int(tx.rows(f"SELECT count(*) FROM {schema}.event WHERE event > ? AND event <= ?", [since, last])[0][0])
        _count_states(tx, schema, since, last, clock())
        for each in empty:
            tx.run(f"UPDATE {schema}.promoted SET filled = true WHERE level = ? AND key = ?", [each.level, each.key])
    return Compacted(new, done, tuple(each.key for each in empty))


def _promoted(tx: Session, schema: str, filled: bool | None = None) -> list[_Promoted]:
    """The keys that have columns: all of them, or those whose columns are (or are not) filled for all events."""
    where = "" if filled is None else f"WHERE filled = {filled}"
    rows = tx.rows(f"SELECT level, key, column_name, number FROM {schema}.promoted {where} ORDER BY column_name")
    return [_Promoted(*row) for row in rows]


def _promote(backend: Backend, schema: str, asked: Asked) -> None:
    """Adds a column for each key that has earned one, still empty for the events that are there."""
    with backend.snapshot() as snapshot:
        if not _deserving(snapshot, schema, asked):
            return
    with backend.write(alone=True) as tx:
        count = int(tx.rows(f"SELECT count(*) FROM {schema}.promoted")[0][0])
        for level, key, number in _deserving(tx, schema, asked):
            each = _Promoted(level, key, f"x_{count}", number)
            kind = "DOUBLE" if number else "VARCHAR"
            tx.run(f"ALTER TABLE {schema}.{each.table} ADD COLUMN {each.column} {kind}")
            tx.run(f"INSERT INTO {schema}.promoted VALUES (?, ?, ?, ?, false)", [level, key, each.column, number])
            count += 1


def _deserving(tx: Snapshot | Session, schema: str, asked: Asked) -> list[tuple[str, str, bool]]:
    """The keys, as (level, key, whether it is a number), that are to get a column: the most carried first. A key of
    another level, or with values of several types, gets none."""
    rows = tx.rows(
        "SELECT CASE WHEN level = 'item' AND path = key THEN 'event' ELSE level END AS home, key, "
        "list_distinct(flatten(list(json_types))), list_distinct(flatten(list(holds))), sum(k.count) AS carried, "
        f"bool_or(k.count >= {CARRIED} AND 2 * k.count >= t.count) FROM {schema}.event_key k "
        f"JOIN {schema}.event_type t USING (type) WHERE NOT contains(key, '.') AND key <> '' "
        "AND (level = 'item' OR path = key OR path = 'context.' || key) "
        f"GROUP BY ALL HAVING (home, key) NOT IN (SELECT (level, key) FROM {schema}.promoted) "
        "ORDER BY carried DESC, home, key"
    )
    own = {"event": {*EVENT_NUMBERS, *EVENT_TEXTS}, "item": {*ITEM_TEXTS, *ITEM_NUMBERS}, "context": set[str]()}
    there = int(tx.rows(f"SELECT count(*) FROM {schema}.promoted")[0][0])
    found = []
    for level, key, json_types, holds, carried, most in rows:
        wanted = most or (asked.get((level, key), 0) >= _OFTEN and carried)
        number = set(holds) == {"number"} and "number" in json_types
        text = set(json_types) - {"null"} <= {"string", "boolean"}
        if wanted and key not in own[level] and (number or text) and set(json_types) - {"null"}:
            found.append((level, key, number))
    return found[: max(0, _COLUMNS - there)]


def _types_with(tx: Session, schema: str, promoted: Sequence[_Promoted]) -> list[int]:
    """The event types that have one of these keys."""
    keys = [each.key for each in promoted]
    return [kind for (kind,) in tx.rows(f"SELECT DISTINCT type FROM {schema}.event_key WHERE key IN ?", [keys])]


def _blocks(tx: Session, schema: str, since: int, upto: int, types: Sequence[int]) -> list[Block]:
    """The blocks that have got new events, and all blocks of these types; in order."""
    block = "type, date_trunc('month', ts) AS month"
    return [
        Block(*row)
        for row in tx.rows(
            f"SELECT type, month, count(*) FROM (SELECT {block} FROM {schema}.event WHERE event <= ?) "
            f"SEMI JOIN (SELECT DISTINCT {block} FROM {schema}.event WHERE event <= ? AND (event > ? OR type IN ?)) "
            "USING (type, month) GROUP BY type, month ORDER BY type, month",
            [upto, upto, since, types],
        )
    ]


def _chunks(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    chunk: list[Block] = []
    size = 0
    for block in blocks:
        if chunk and size + block.events > CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(block)
        size += block.events
    if chunk:
        yield chunk


def _rewrite(
    tx: Session, schema: str, table: str, chunk: Sequence[Block], upto: int, empty: Sequence[_Promoted]
) -> int:
    """Takes the rows of these blocks out of the table and puts them at its end, in order and with these columns filled.
    Returns how many."""
    tx.put(
        "chunk",
        pa.table(
            {
                "type": pa.array([block.type for block in chunk], pa.int32()),
                "month": pa.array([block.month for block in chunk], pa.timestamp("us")),
            }
        ),
    )
    # The engine skips row groups by these bounds, which the set of blocks does not tell it.
    months = [block.month for block in chunk]
    bounds = [upto, chunk[0].type, chunk[-1].type, min(months), max(months) + timedelta(days=31)]
    where = (
        "event <= ? AND type BETWEEN ? AND ? AND ts >= ? AND ts < ? "
        "AND (type, date_trunc('month', ts)) IN (SELECT type, month FROM chunk)"
    )
    last = tx.rows(f"SELECT coalesce(max(rowid), -1) FROM {schema}.{table}")[0][0]
    line = ", line" if table == "item" else ""
    columns, parameters = _filled(empty, table)
    put = tx.rows(
        f"INSERT INTO {schema}.{table} SELECT * {f'REPLACE ({columns})' if columns else ''} FROM {schema}.{table} "
        f"WHERE {where} ORDER BY type, date_trunc('month', ts), contact, ts, event{line}",
        [*parameters, *bounds],
    )[0][0]
    taken = tx.rows(f"DELETE FROM {schema}.{table} WHERE rowid <= ? AND {where}", [last, *bounds])[0][0]
    assert put == taken, "as many rows are taken out as were put in"
    return int(put)


def _count_states(tx: Session, schema: str, since: int, upto: int, now: datetime) -> None:
    """Counts each contact's events up to this one again, for the types that have got some; and says so."""
    before = tx.rows(f"SELECT horizon FROM {schema}.compaction ORDER BY upto DESC LIMIT 1")
    horizon = tx.rows(f"SELECT max(ts) FROM {schema}.event WHERE event <= ? AND ts <= ?", [upto, now])[0][0]
    if horizon is None:
        horizon = now  # every event is still to come
    changed = [
        kind
        for (kind,) in tx.rows(
            f"SELECT DISTINCT type FROM {schema}.event WHERE event > ? OR ts > ? ORDER BY type",
            [since, before[0][0] if before else datetime.min],
        )
    ]
    columns = "contact, first, last, events, worth"
    for kind in changed:
        tx.run(f"DELETE FROM {schema}.state WHERE type = ?", [kind])
        tx.run(
            f"INSERT INTO {schema}.state (type, {columns}) SELECT type, contact, min(ts), max(ts), count(*), "
            f"fsum(order_value) FROM {schema}.event WHERE type = ? AND event <= ? AND ts <= ? "
            "GROUP BY type, contact ORDER BY contact",
            [kind, upto, horizon],
        )
    tx.run(f"DELETE FROM {schema}.state WHERE type = ?", [EVERY_TYPE])
    tx.run(
        f"INSERT INTO {schema}.state (type, {columns}) SELECT ?, contact, min(first), max(last), sum(events), NULL "
        f"FROM {schema}.state GROUP BY contact ORDER BY contact",
        [EVERY_TYPE],
    )
    tx.run(f"DELETE FROM {schema}.compaction")
    tx.run(f"INSERT INTO {schema}.compaction VALUES (?, ?, ?)", [upto, horizon, now])
