"""Saved segments: their queries, who is in them as refreshes found it, and who came and went.

A live segment is its query, timeless, and asked anew whenever it is used. A refresh asks it as of an instant and
records who has entered and who has exited since the one before: each contact's stay from one to the other. A static
segment has the stays of one instant and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from grammar import query as q
from grammar.query import Condition, Query
from grammar.vocabulary import fold
from storage.backends import Backend, Session
from storage.errors import StorageError
from storage.planner import Saved, Segments, plan, plan_tests
from storage.registry import PhonebookRow, bump
from storage.schema import Layout
from storage.sql import spell

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A saved segment, with what its latest refresh found.

    Attributes:
        id: its number in `stay` and `refresh`.
        name: as it was saved.
        query: what it was saved as, its terms as they are defined now.
        static: whether it is a snapshot.
        types: the event types that it asks for, of those that occurred when it was saved.
        saved_at: naive UTC.
        size: members at the latest refresh; None before the first.
        refreshed: the instant as of which that was, naive UTC.
    """

    id: int
    name: str
    query: Query
    static: bool
    types: tuple[str, ...]
    saved_at: datetime
    size: int | None = None
    refreshed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moves:
    """What a refresh found: how many members there are, and the visitor_ids of those who came and went, in order."""

    name: str
    at: datetime
    size: int
    entered: pa.ChunkedArray
    exited: pa.ChunkedArray


# ── what is saved ─────────────────────────────────────────────────────────────────────────────────────────────────


def segments(backend: Backend, book: PhonebookRow, terms: Mapping[str, Condition]) -> tuple[SegmentRow, ...]:
    """The segments of the phonebook by name. `terms` is what it defines: folded word → meaning."""
    rows = backend.rows(
        "SELECT s.id, s.name, s.query, s.static, s.types, s.saved_at, r.size, r.as_of "
        f"FROM {book.schema}.segment s LEFT JOIN (SELECT segment, last(size ORDER BY as_of, rowid) AS size, "
        f"max(as_of) AS as_of FROM {book.schema}.refresh GROUP BY segment) r ON r.segment = s.id ORDER BY s.folded"
    )
    return tuple(
        SegmentRow(id, name, renewed(Query.from_json(query), terms), static, tuple(types), saved_at, size, refreshed)
        for id, name, query, static, types, saved_at, size, refreshed in rows
    )


def as_saved(rows: Sequence[SegmentRow]) -> Segments:
    """The segments as a plan looks them up."""
    return {fold(row.name): Saved(row.id, row.name, row.query.population, row.static, row.types) for row in rows}


def named(rows: Sequence[SegmentRow], name: str, book: PhonebookRow) -> SegmentRow:
    """The segment of this name, ignoring case and plural. Raises StorageError "unknown" where there is none."""
    found = next((row for row in rows if fold(row.name) == fold(name)), None)
    if found is None:
        known = ", ".join(f'"{row.name}"' for row in rows) or "none"
        raise StorageError("unknown", f'The phonebook "{book.name}" has no segment "{name}"; saved are: {known}.')
    return found


def renewed(query: Query, terms: Mapping[str, Condition]) -> Query:
    """The query with each term as it is defined now; one that is no longer defined means what it did.

    Raises StorageError "circular" where a term is defined by itself.
    """

    def renew(node: object, inside: tuple[str, ...]) -> object:
        def change(part: object) -> object:
            if not isinstance(part, q.Term):
                return None
            word = fold(part.name)
            if word in inside:
                raise StorageError("circular", f'The term "{part.name}" would be defined by itself.')
            return q.Term(part.name, renew(terms.get(word, part.means), (*inside, word)))  # type: ignore[arg-type]

        return q.changed(node, change)

    found = renew(query, ())
    assert isinstance(found, Query)
    return found


def save(
    backend: Backend,
    book: PhonebookRow,
    name: str,
    query: Query,
    static: bool,
    rows: Sequence[SegmentRow],
    now: datetime,
    layout: Callable[[], Layout],
    clock: datetime,
) -> None:
    """Keeps a query of contacts under a name; a static one with its members as of `now` (aware).

    Raises StorageError "taken" where there is such a segment, and as `plan` does.
    """
    if any(fold(row.name) == fold(name) for row in rows):
        raise StorageError("taken", f'There is a segment "{name}" already: delete or rename it first.')
    there = layout()
    occur = tuple(sorted({name for name in q.event_types(query) if name in there.types}))
    zone = ZoneInfo(book.zone)
    made = SegmentRow(max((row.id for row in rows), default=0) + 1, name, query, static, occur, clock)
    live = SegmentRow(made.id, name, query, False, occur, clock)
    plan(Query(q.Member(name)), now, zone, there, as_saved([*rows, live]))  # only to see whether it can be asked
    members = Query(query.population, _bare(query.output))
    # Where things live must not change between the plan and its question: nothing is compacted meanwhile.
    with backend.write(alone=static) as tx:
        taken = f"SELECT 1 FROM {book.schema}.segment WHERE folded = ? OR id = ?"
        if tx.rows(taken, [fold(name), made.id]):
            raise StorageError("taken", f'The segment "{name}" was saved by somebody else just now: look at it first.')
        tx.run(
            f"INSERT INTO {book.schema}.segment VALUES (?, ?, ?, ?, ?, ?, ?)",
            [made.id, fold(name), name, query.to_json(), static, list(occur), clock],
        )
        if static:
            found = spell(plan(members, now, zone, layout(), as_saved(rows)))
            at = _naive(now)
            tx.run(
                f"INSERT INTO {book.schema}.stay SELECT ?, c.contact, ?, NULL "
                f"FROM ({found}) f JOIN {book.schema}.contact c USING (visitor_id)",
                [made.id, at],
            )
            size = tx.rows(f"SELECT count(*) FROM {book.schema}.stay WHERE segment = ?", [made.id])[0][0]
            tx.run(f"INSERT INTO {book.schema}.refresh VALUES (?, ?, ?, ?, 0)", [made.id, at, size, size])
        bump(tx, book)


def rename(backend: Backend, book: PhonebookRow, row: SegmentRow, name: str) -> None:
    """Gives a segment another name, also where other segments and terms speak of it. Raises StorageError "taken"."""

    def change(part: object) -> object:
        if isinstance(part, q.Member) and fold(part.segment) == fold(row.name):
            return q.Member(name, part.how, part.window)
        return None

    with backend.write() as tx:
        others = f"SELECT 1 FROM {book.schema}.segment WHERE folded = ? AND id <> ?"
        if tx.rows(others, [fold(name), row.id]):
            raise StorageError("taken", f'There is a segment "{name}" already: delete or rename it first.')
        tx.run(f"UPDATE {book.schema}.segment SET name = ?, folded = ? WHERE id = ?", [name, fold(name), row.id])
        for table, key in (("segment", "id"), ("term", "name")):
            for place, text in tx.rows(f"SELECT {key}, query FROM {book.schema}.{table}"):
                before = Query.from_json(text)
                after = q.changed(before, change)
                assert isinstance(after, Query)
                if after != before:
                    tx.run(
                        f"UPDATE {book.schema}.{table} SET query = ? WHERE {key} = ?",
                        [after.to_json(), place],
                    )
        bump(tx, book)


def delete(
    backend: Backend, book: PhonebookRow, row: SegmentRow, rows: Sequence[SegmentRow], terms: Mapping[str, Condition]
) -> None:
    """Forgets a segment, its stays and its history. Raises StorageError "in use" where others are defined by it."""
    users = [f'the segment "{other.name}"' for other in rows if other.id != row.id and _speaks_of(other.query, row)]
    users += [f'the term "{word}"' for word, meaning in terms.items() if _speaks_of(meaning, row)]
    if users:
        raise StorageError(
            "in use", f'The segment "{row.name}" is part of {" and of ".join(users)}: delete or change that first.'
        )
    with backend.write() as tx:
        tx.run(f"DELETE FROM {book.schema}.segment WHERE id = ?", [row.id])
        for table in ("stay", "refresh"):
            tx.run(f"DELETE FROM {book.schema}.{table} WHERE segment = ?", [row.id])
        bump(tx, book)


def _speaks_of(of: object, row: SegmentRow) -> bool:
    return any(isinstance(node, q.Member) and fold(node.segment) == fold(row.name) for node in q.nodes(of))


def _bare(output: q.Output) -> q.Output:
    assert isinstance(output, q.Users)
    return q.Users((), output.order, output.limit)


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)


# ── who is in them ────────────────────────────────────────────────────────────────────────────────────────────────


def refresh(
    backend: Backend,
    book: PhonebookRow,
    wanted: Sequence[SegmentRow],
    rows: Sequence[SegmentRow],
    now: datetime,
    layout: Callable[[], Layout],
) -> list[Moves]:
    """Asks live segments as of `now` (aware) and records who has entered and exited since they were asked before: all
    of them in one pass over the events where no one asks who entered or exited another, and in one transaction.

    Raises StorageError "earlier" where one has been asked as of a later instant, and as `plan` does.
    """
    at, zone, saved = _naive(now), ZoneInfo(book.zone), as_saved(rows)
    for row in wanted:
        if row.static:
            raise StorageError("refused", f'The segment "{row.name}" is a snapshot: it stays as it is.')
        if row.refreshed is not None and row.refreshed > at:
            raise StorageError(
                "earlier",
                f'The segment "{row.name}" was refreshed as of {row.refreshed} UTC; as of {at} UTC, which is earlier, '
                "nobody can enter or exit any more.",
            )
    moves: dict[int, Moves] = {}
    with backend.write(alone=True) as tx:
        there = layout()
        for level in _levels(wanted, rows):
            conditions = [q.Member(row.name) for row in level]
            tx.run(f"CREATE TEMP TABLE found AS {spell(plan_tests(conditions, now, zone, there, saved))}")
            for number, row in enumerate(level, start=1):
                moves[row.id] = _moved(tx, book, row, f"t{number}", at)
            tx.run("DROP TABLE temp.found")
    return [moves[row.id] for row in wanted]


def _moved(tx: Session, book: PhonebookRow, row: SegmentRow, met: str, at: datetime) -> Moves:
    stay, contact = f"{book.schema}.stay", f"{book.schema}.contact"
    staying = f"SELECT contact FROM {stay} WHERE segment = ? AND exited IS NULL"
    visitors = f"SELECT visitor_id FROM {contact} WHERE contact IN"
    came = f"SELECT contact FROM temp.found WHERE {met} AND contact NOT IN ({staying})"
    went = f"SELECT contact FROM temp.found WHERE NOT {met} AND contact IN ({staying})"
    entered = tx.table(f"{visitors} ({came}) ORDER BY visitor_id", [row.id]).column(0)
    exited = tx.table(f"{visitors} ({went}) ORDER BY visitor_id", [row.id]).column(0)
    tx.run(f"INSERT INTO {stay} SELECT ?, contact, ?, NULL FROM ({came})", [row.id, at, row.id])
    tx.run(
        f"UPDATE {stay} SET exited = ? WHERE segment = ? AND exited IS NULL AND contact IN ({went})",
        [at, row.id, row.id],
    )
    size = int(tx.rows(f"SELECT count(*) FROM ({staying})", [row.id])[0][0])
    tx.run(f"INSERT INTO {book.schema}.refresh VALUES (?, ?, ?, ?, ?)", [row.id, at, size, len(entered), len(exited)])
    return Moves(row.name, at, size, entered, exited)


def _levels(wanted: Sequence[SegmentRow], rows: Sequence[SegmentRow]) -> list[list[SegmentRow]]:
    """The segments in an order in which each comes after those whose comings and goings it asks for."""
    levels: list[list[SegmentRow]] = []
    waiting = list(wanted)
    while waiting:
        ready = [
            row
            for row in waiting
            if not any(fold(other.name) in _moves_of(row.query, rows, ()) for other in waiting if other.id != row.id)
        ]
        levels.append(ready or waiting)  # two that ask for each other's moves are asked as of the refresh before
        waiting = [row for row in waiting if row not in levels[-1]]
    return levels


def _moves_of(of: object, rows: Sequence[SegmentRow], inside: tuple[str, ...]) -> set[str]:
    """The segments (folded) whose comings and goings are asked for, also inside the segments that are spoken of."""
    found: set[str] = set()
    for node in q.nodes(of):
        if isinstance(node, q.Member):
            name = fold(node.segment)
            if node.how != "in":
                found.add(name)
            elif name not in inside:
                deeper = (row.query for row in rows if fold(row.name) == name and not row.static)
                found |= {moved for query in deeper for moved in _moves_of(query, rows, (*inside, name))}
    return found


def history(backend: Backend, book: PhonebookRow, row: SegmentRow) -> pa.Table:
    """The refreshes of a segment, the earliest first: as_of (UTC), size, entered, exited."""
    return backend.query(
        "SELECT timezone('UTC', as_of) AS as_of, size, entered, exited "
        f"FROM {book.schema}.refresh r WHERE segment = ? ORDER BY r.as_of, rowid",
        [row.id],
    )
