"""Segments as people use them: questions saved under a name, who is in them, and who came and went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from grammar.describe import describe
from grammar.query import Member, Query, Users
from grammar.vocabulary import fold
from persona.answer import Answer, columns_of
from persona.export import Format, Progress, check_path, export, pieces

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from persona.insight import Overlap
    from persona.picture import Picture
    from storage.segments import Moves, SegmentRow
    from storage.store import Book

Now: TypeAlias = datetime | str | None
VisitorIds: TypeAlias = list[str]  # `list` is a verb of Segments


@dataclass(frozen=True, slots=True)
class Segment:
    """A question saved under a name.

    Attributes:
        name: as it was saved.
        understood: the question in canonical English, its terms as they are defined now.
        query: the typed query: timeless, so that a live segment stays live.
        static: whether it is a snapshot of the instant when it was saved.
        saved_at: when that was (UTC).
        size: how many members the latest refresh found; None before the first.
        refreshed: the instant as of which that was (UTC).
    """

    name: str
    understood: str
    query: Query = field(repr=False)
    static: bool
    saved_at: datetime
    size: int | None
    refreshed: datetime | None


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh of a segment found: members now = members before + entered − exited.

    Attributes:
        name: the segment.
        at: the instant as of which it asked (UTC).
        size: how many members there are now.
    """

    name: str
    at: datetime
    size: int
    _entered: pyarrow.ChunkedArray = field(repr=False)
    _exited: pyarrow.ChunkedArray = field(repr=False)

    @property
    def entered(self) -> list[str]:
        """The visitor_ids of those who are members now and were not before, in order."""
        ids: list[str] = self._entered.to_pylist()
        return ids

    @property
    def exited(self) -> list[str]:
        """The visitor_ids of those who were members before and are not now, in order."""
        ids: list[str] = self._exited.to_pylist()
        return ids

    @property
    def counts(self) -> tuple[int, int]:
        """How many entered, and how many exited."""
        return len(self._entered), len(self._exited)


class Segments:
    """The saved segments of a phonebook. Names are told apart ignoring case and plural, as questions name them.

    Every verb raises StorageError "unknown" for a segment that is not there, or that asks for an event type that does
    not occur any more; and "circular" for one that would be defined by itself.
    """

    def __init__(
        self, book: Book, ask: Callable[[str | Query, Now], Answer], instant: Callable[[Now], datetime]
    ) -> None:
        self._book = book
        self._ask = ask
        self._instant = instant

    def save(self, name: str, question: str | Query | Answer, static: bool = False, now: Now = None) -> Segment:
        """Saves a question for contacts under a name.

        Args:
            name: by which questions can speak of it.
            question: in English, as a query, or as an answer that was looked at.
            static: keep its members as of `now`, for good. Else it is live: asked anew whenever it is used.
            now: as for `Phonebook.ask`.

        Raises:
            NotUnderstood, Ambiguous: the question is not understood; nothing is kept.
            ValueError: the name has no word, or the question does not ask for contacts.
            StorageError: "taken", where there is a segment of this name.
        """
        if not fold(name):
            raise ValueError(f"a segment's name is at least one word, not {name!r}")
        instant = self._instant(now)
        query = question.query if isinstance(question, Answer) else question
        if isinstance(query, str):
            query = self._ask(query, instant).query
        if not isinstance(query.output, Users):
            raise ValueError("a segment is a question for contacts, not for a number or a breakdown")
        if query.output.limit is not None and not static:
            raise ValueError(
                'a live segment has no "first N": say "top N by" some measure, or save it with static=True'
            )
        self._book.save_segment(name, query, static, instant)
        return self.get(name)

    def list(self) -> Sequence[Segment]:
        """All segments, by name."""
        return [_segment(row) for row in self._book.segments()]

    def get(self, name: str) -> Segment:
        """The segment of this name."""
        return _segment(self._book.segment(name))

    def rename(self, name: str, new: str) -> Segment:
        """Gives a segment another name, also where other segments and terms speak of it. StorageError "taken"."""
        if not fold(new):
            raise ValueError(f"a segment's name is at least one word, not {new!r}")
        self._book.rename_segment(name, new)
        return self.get(new)

    def delete(self, name: str) -> None:
        """Forgets a segment and its history. StorageError "in use", where a segment or a term is defined by it."""
        self._book.delete_segment(name)

    def ask(self, name: str, now: Now = None) -> Answer:
        """The segment as an answer: its members now, with the columns and the order that it was saved with; those of a
        static segment as they were recorded."""
        segment = self.get(name)
        return self._ask(asked(segment), now)

    def members(self, name: str, now: Now = None) -> VisitorIds:
        """The visitor_ids of the members now (of a static segment: as they were recorded)."""
        return self.ask(name, now).visitor_ids

    def refresh(self, name: str, now: Now = None) -> Refresh:
        """Asks a live segment now and records who has entered and who has exited since it was refreshed before.

        Raises:
            StorageError: "earlier", where it has been refreshed as of a later instant; "refused", for a static one.
        """
        (moves,) = self._book.refresh_segments([name], self._instant(now))
        return _refresh(moves)

    def refresh_all(self, now: Now = None) -> Sequence[Refresh]:
        """Refreshes every live segment, in one pass over the events where one can serve, all of them or none."""
        names = [row.name for row in self._book.segments() if not row.static]
        return [_refresh(moves) for moves in self._book.refresh_segments(names, self._instant(now))]

    def history(self, name: str) -> pandas.DataFrame:
        """The refreshes of a segment, the earliest first: as_of (UTC), size, entered, exited."""
        return self._book.segment_history(name).to_pandas()

    def export(
        self,
        name: str,
        path: str | Path,
        now: Now = None,
        columns: str | Sequence[str] | None = None,
        spreadsheet: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Writes the members now to a file, batch by batch, whole or not at all; see `Answer.export`."""
        check_path(path, spreadsheet)
        with self._book.stream(self._query(name, columns), self._instant(now)) as rows:
            return export(rows, path, spreadsheet, progress)

    def pieces(
        self,
        name: str,
        format: Format,
        now: Now = None,
        columns: str | Sequence[str] | None = None,
        spreadsheet: bool = False,
    ) -> Iterator[bytes]:
        """The bytes of the file that `export` would write, a few at a time: for who sends them on."""
        query, instant = self._query(name, columns), self._instant(now)
        with self._book.stream(query, instant) as rows:
            yield from pieces(rows, format, spreadsheet)

    def overlap(self, *names: str, now: Now = None) -> Overlap:
        """How many contacts are in each of two to five segments, and in which of them together."""
        from persona.insight import overlap

        return overlap(self._book, [self.get(name).name for name in names], self._instant(now))

    def chart(self, name: str) -> Picture:
        """The size of a segment over time, with who entered and exited at each refresh."""
        from persona import picture

        return picture.of_history(self.get(name).name, self._book.segment_history(name).to_pylist())

    def _query(self, name: str, columns: str | Sequence[str] | None) -> Query:
        """What asks for the members, with other columns than the segment has where some are given."""
        query = asked(self.get(name))
        if columns is None:
            return query
        assert isinstance(query.output, Users)
        return replace(query, output=replace(query.output, columns=columns_of(columns, self._book)))


def asked(segment: Segment) -> Query:
    """A live segment by its own words; a static one by its name, in the order of visitor_id."""
    return Query(Member(segment.name)) if segment.static else segment.query


def _segment(row: SegmentRow) -> Segment:
    return Segment(
        name=row.name,
        understood=describe(row.query),
        query=row.query,
        static=row.static,
        saved_at=row.saved_at.replace(tzinfo=UTC),
        size=row.size,
        refreshed=None if row.refreshed is None else row.refreshed.replace(tzinfo=UTC),
    )


def _refresh(moves: Moves) -> Refresh:
    return Refresh(moves.name, moves.at.replace(tzinfo=UTC), moves.size, moves.entered, moves.exited)
