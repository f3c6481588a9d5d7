"""What comes back from a question: rows, what was understood, the SQL; and its plain and written forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from grammar import errors
from grammar.describe import describe
from grammar.query import AttributeColumn, Column, Everyone, Query, Users
from persona.errors import NotUnderstood, refusing
from persona.export import Progress, check_path, export, plain
from persona.why import Reason, Why, why_of
from storage.errors import StorageError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from grammar.model import ModelUsage
    from grammar.reader import Grounded
    from persona.insight import Funnel, Portrait
    from persona.picture import Picture
    from storage.store import Book

Kind: TypeAlias = Literal["users", "count", "percentage", "value", "breakdown"]
Chart: TypeAlias = Literal["breakdown", "funnel", "portrait"]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The answer to one question.

    Attributes:
        kind: what was asked for; it decides which of the properties below speak.
        understood: the question in canonical English; asking that gives the same query.
        query: the typed query that was answered.
        sql: the SQL that ran.
        warnings: what one should know about the answer, in sentences.
        grounding: what words of the question were taken for, each with how often it occurs.
        parser: which reader gave the query: "grammar" or "model"; "query" where a query was handed in.
        model_usage: what a language model was asked, whether it agreed, and what that cost; None where none was.
        elapsed: seconds from the question to the rows.
        table: the rows as an Arrow table.
        now: the instant as of which it was answered.
        book: where it was asked; what is asked of the answer is asked there, as of the same instant. None for an
            answer of a service, which is its rows alone.
    """

    kind: Kind
    understood: str
    warnings: list[str]
    parser: str
    elapsed: float
    query: Query = field(repr=False)
    sql: str = field(repr=False)
    table: pyarrow.Table = field(repr=False)
    now: datetime = field(repr=False)
    book: Book | None = field(default=None, repr=False)
    _follow: Callable[[str, Answer], Answer] | None = field(default=None, repr=False)
    grounding: tuple[Grounded, ...] = field(default=(), repr=False)
    model_usage: ModelUsage | None = field(default=None, repr=False)
    _why: Callable[[Answer, str], Why] | None = field(default=None, repr=False)  # of an answer of a service

    @property
    def visitor_ids(self) -> list[str]:
        """The contacts found, in the order that was asked for; empty for another kind than users."""
        return self._column("visitor_id") if self.kind == "users" else []

    @property
    def value(self) -> int | float | None:
        """The number of a count, percentage (0 to 100) or value; None for other kinds and an average over nobody."""
        if self.kind in ("users", "breakdown"):
            return None
        number: int | float | None = self._column("value")[0]
        return number

    @property
    def breakdown(self) -> dict[str, int | float]:
        """How many or how much for each value, in the order of the answer; empty for another kind than breakdown."""
        if self.kind != "breakdown":
            return {}
        return dict(zip(map(str, self._column("value")), map(plain, self.table.column(1).to_pylist()), strict=True))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The columns asked for, a contact each, for users; a group each, for a breakdown; one row, else."""
        rows: list[dict[str, Any]] = self.table.to_pylist()
        return rows

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __bool__(self) -> bool:
        """An answer is an answer, also with no row in it."""
        return True

    def to_arrow(self) -> pyarrow.Table:
        """The rows as a pyarrow.Table."""
        return self.table

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas.DataFrame."""
        return self.table.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars.DataFrame; ImportError says what to install where polars is missing."""
        try:
            import polars
        except ImportError:
            raise ImportError("to_polars needs polars: pip install 'persona-query[all]'") from None
        frame = polars.from_arrow(self.table)
        assert isinstance(frame, polars.DataFrame)
        return frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule stream, so that duckdb, polars and others read an answer as it is."""
        return self.table.__arrow_c_stream__(requested_schema)

    def export(
        self,
        path: str | Path,
        columns: str | Sequence[str] | None = None,
        spreadsheet: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Writes the rows to a .csv, .jsonl, .json, .parquet or .arrow file and returns its path.

        The file is written whole or not at all: a file that was there stays as it was until the new one is complete.
        The same answer as of the same instant gives the same bytes.

        Args:
            path: its suffix says the format.
            columns: for users, other columns than the answer has, beside visitor_id: attributes, and measures in
                English ("name, spend and last order date"). They are read as of the answer's own instant.
            spreadsheet: in a .csv, text that a spreadsheet would take for a formula gets a ' before it.
            progress: told how many rows are written, and of how many.

        Raises:
            ValueError: another suffix, or columns for another kind than users.
            NotUnderstood: a column that is no attribute and no measure.
            OSError: the file cannot be written.
        """
        check_path(path, spreadsheet)
        if columns is None:
            return export(self.table.to_reader(), path, spreadsheet, progress, len(self))
        output = self.query.output
        if not isinstance(output, Users):
            raise ValueError(f"the answer is a {self.kind}: columns are chosen for users")
        book = self._asked()
        query = replace(self.query, output=replace(output, columns=columns_of(columns, book)))
        with book.stream(query, self.now) as rows:
            return export(rows, path, spreadsheet, progress, len(self))

    def ask(self, question: str) -> Answer:
        """Answers a question about the contacts of this answer, as of the same instant: "only those from Delhi",
        "exclude premier members", "how many of them bought in June", "sort them by spend". "Them", "those", "of these"
        are its contacts; where nothing else is asked, what this answer asks stays. What was understood says the whole.

        Raises:
            NotUnderstood, Ambiguous: as `Phonebook.ask`; and an answer that is cut ("first 10") cannot be asked about.
        """
        self._asked()
        assert self._follow is not None
        return self._follow(question, self)

    def why(self, visitor_id: str) -> Why:
        """Why a contact is in the answer, or in the population of a number, or is not: each condition, met or not, with
        what was found and the contact's events behind it. It asks the very tests that the answer was made of.

        Raises StorageError where there is no such contact.
        """
        if self._why is not None:
            return self._why(self, visitor_id)
        book = self._asked()
        zone = ZoneInfo(book.zone)
        proof = book.prove(self.query, visitor_id, self.now)
        if not isinstance(self.query.output, Users) or self.query.output.limit is None:
            return why_of(visitor_id, proof, proof.met, zone)
        among = visitor_id in self.visitor_ids
        return why_of(visitor_id, proof, among, zone, Reason(among, describe(self.query), None, (), (), ()))

    def funnel(self) -> Funnel:
        """How many contacts each condition of the question keeps, alone and one after another."""
        from persona.insight import funnel

        return funnel(self._asked(), self.query, self.now)

    def portrait(self) -> Portrait:
        """Who the contacts of the answer are, and what sets them apart from all contacts of the phonebook."""
        from persona.insight import portrait

        return portrait(self._asked(), self.query, self.now)

    def _asked(self) -> Book:
        """Where it was asked, where more can be asked of it."""
        if self.book is None:
            raise StorageError("refused", "An answer of a service is its rows alone: ask on where the store is.")
        return self.book

    def chart(self, what: Chart | None = None) -> Picture:
        """A picture of the answer: its groups, for a breakdown; its funnel, else; or its portrait.

        Raises ValueError for groups of another kind than breakdown.
        """
        from persona import picture

        match what or ("breakdown" if self.kind == "breakdown" else "funnel"):
            case "funnel":
                return self.funnel().chart()
            case "portrait":
                return self.portrait().chart()
            case "breakdown" if self.kind == "breakdown":
                return picture.of_breakdown(self.breakdown, self.understood)
            case other:
                raise ValueError(f"the answer is of the kind {self.kind}: it has no picture {other!r}")

    def _repr_html_(self) -> str:
        from persona.notebook import answer_html

        return answer_html(self)

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.column(name).to_pylist()
        return values


def columns_of(columns: str | Sequence[str], book: Book) -> tuple[Column, ...]:
    """Columns by their names: an attribute as it is called, or what English says ("spend and last order date").

    Raises NotUnderstood where it is neither.
    """
    from grammar.reader import read

    vocabulary = book.vocabulary()
    attributes = {key.name for key in vocabulary.attributes()} | {"visitor_id"}
    found: list[Column] = []
    for name in [columns] if isinstance(columns, str) else columns:
        if name in attributes:
            found.append(AttributeColumn(name))
            continue
        with refusing(name):
            said = read(f"all contacts, and show their {name}", vocabulary).query
        asked = said.output
        if said.population != Everyone() or not isinstance(asked, Users) or not asked.columns or asked.limit:
            reason = f'"{name}" is no column: say attributes and measures.'
            raise NotUnderstood(name, errors.NotUnderstood("no place", [name], reason, position=0))
        found += asked.columns
    return tuple(found)


def answer_json(answer: Answer) -> dict[str, Any]:
    """The answer as one plain object, for every face the same; null where its kind has no such part."""
    return {
        "kind": answer.kind,
        "count": {"users": len(answer), "count": answer.value}.get(answer.kind),
        "visitor_ids": answer.visitor_ids if answer.kind == "users" else None,
        "value": answer.value,
        "breakdown": answer.breakdown if answer.kind == "breakdown" else None,
        "rows": [{name: plain(value) for name, value in row.items()} for row in answer.rows],
        "understood": answer.understood,
        "sql": answer.sql,
        "warnings": answer.warnings,
        "parser": answer.parser,
        "model_usage": usage_json(answer.model_usage),
    }


def refusal_json(error: errors.NotUnderstood | errors.Ambiguous) -> dict[str, Any]:
    """A refusal as one plain object, for every face the same."""
    if isinstance(error, errors.NotUnderstood):
        code, suggestions, readings = "not_understood", error.suggestions, []
    else:
        code, suggestions = "ambiguous", []
        readings = [{"understood": reading.understood, "count": reading.count} for reading in error.readings]
    return {
        "code": code,
        "message": error.message,
        "words": error.words,
        "suggestions": suggestions,
        "readings": readings,
        "warnings": list(error.warnings),
        "model_usage": usage_json(error.model_usage),
    }


def usage_json(usage: ModelUsage | None) -> dict[str, Any] | None:
    """What a model was asked as one plain object; null where none was."""
    return None if usage is None else {name: getattr(usage, name) for name in usage.__slots__}
