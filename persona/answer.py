"""What comes back from a question: rows, what was understood, the SQL; and its plain and written forms."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from grammar.errors import Ambiguous, NotUnderstood
from grammar.query import Query

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from grammar.reader import Grounded

Kind: TypeAlias = Literal["users", "count", "percentage", "value", "breakdown"]

_BATCH = 50_000  # rows held as text at a time while a file is written


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
        elapsed: seconds from the question to the rows.
        table: the rows as an Arrow table.
    """

    kind: Kind
    understood: str
    warnings: list[str]
    parser: str
    elapsed: float
    query: Query = field(repr=False)
    sql: str = field(repr=False)
    table: pyarrow.Table = field(repr=False)
    grounding: tuple[Grounded, ...] = field(default=(), repr=False)

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
    def breakdown(self) -> dict[str, int]:
        """How many for each value, in the order of the answer; empty for another kind than breakdown."""
        if self.kind != "breakdown":
            return {}
        return dict(zip(map(str, self._column("value")), self._column("count"), strict=True))

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

    def export(self, path: str | Path) -> Path:
        """Writes the rows to a .csv, .jsonl, .json or .parquet file and returns its path.

        The file is written whole or not at all: a file that was there stays as it was until the new one is complete.
        Raises ValueError for another suffix and OSError where the file cannot be written.
        """
        target = Path(path)
        write = _WRITERS.get(target.suffix.lower())
        if write is None:
            raise ValueError(f"{target.name}: an answer is exported to {', '.join(_WRITERS)}, chosen by the suffix")
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with partial.open("xb") as file:
                write(self.table, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self.table.column(name).to_pylist()
        return values


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
    }


def refusal_json(error: NotUnderstood | Ambiguous) -> dict[str, Any]:
    """A refusal as one plain object, for every face the same."""
    if isinstance(error, NotUnderstood):
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
    }


def plain(value: Any) -> Any:
    """A value of a row as JSON can hold it: dates and instants in ISO 8601."""
    return value.isoformat() if isinstance(value, date) else value


def _lines(table: pyarrow.Table) -> Iterator[str]:
    for batch in table.to_batches(max_chunksize=_BATCH):
        for row in batch.to_pylist():
            yield json.dumps(row, ensure_ascii=False, default=plain)


def _write_jsonl(table: pyarrow.Table, file: IO[bytes]) -> None:
    for line in _lines(table):
        file.write(line.encode() + b"\n")


def _write_json(table: pyarrow.Table, file: IO[bytes]) -> None:
    before = b"[\n"
    for line in _lines(table):
        file.write(before + line.encode())
        before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_csv(table: pyarrow.Table, file: IO[bytes]) -> None:
    import csv
    import io

    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=_BATCH):
        writer.writerows([cell(value) for value in row.values()] for row in batch.to_pylist())
    text.detach()


def _write_parquet(table: pyarrow.Table, file: IO[bytes]) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, file)


_WRITERS: dict[str, Callable[[pyarrow.Table, IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".parquet": _write_parquet,
}


def cell(value: Any) -> str:
    """A value as the text of one cell: nothing for a missing one, JSON for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return str(plain(value))
