"""Rows to a file, batch by batch: written whole or not at all, the same bytes for the same rows."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import pyarrow

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told after each batch: how many rows are written, and of how many, where that is known."""

Format: TypeAlias = Literal["csv", "jsonl", "json", "parquet", "arrow"]
"""What rows can be written as."""

_BATCH = 50_000  # rows held as text at a time
_PIECE = 64 * 1024  # bytes
_EXACT = 2**53  # from here on not every whole number is a float
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would carry out


def export(
    rows: pyarrow.RecordBatchReader,
    path: str | Path,
    spreadsheet: bool = False,
    progress: Progress | None = None,
    total: int | None = None,
) -> Path:
    """Writes rows to a .csv, .jsonl, .json, .parquet or .arrow file and returns its path.

    The file is written whole or not at all: a file that was there stays as it was until the new one is complete.

    Args:
        rows: they are read batch by batch.
        path: its suffix says the format.
        spreadsheet: in a .csv, text that a spreadsheet would take for a formula gets a ' before it.
        progress, total: told how far it is, of so many rows.

    Raises ValueError for another suffix, or for `spreadsheet` with another format than csv, and OSError where the file
    cannot be written.
    """
    target = check_path(path, spreadsheet)
    batches = _told(_even(rows), progress, total)
    with whole(target) as file:
        for _ in _WRITERS[target.suffix.lower()](rows.schema, batches, file, spreadsheet):
            pass
    return target


@contextmanager
def whole(target: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of the target when the block ends, and leaves no trace where it fails."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def pieces(rows: pyarrow.RecordBatchReader, format: Format, spreadsheet: bool = False) -> Iterator[bytes]:
    """The bytes of the file that `export` would write, a few at a time, for who sends them on.

    Raises ValueError for `spreadsheet` with another format than csv.
    """
    check_path(f"rows.{format}", spreadsheet)
    file = io.BytesIO()
    for _ in _WRITERS[f".{format}"](rows.schema, _even(rows), file, spreadsheet):
        if file.tell() >= _PIECE:
            yield file.getvalue()
            file.seek(0)
            file.truncate()
    yield file.getvalue()


def check_path(path: str | Path, spreadsheet: bool = False) -> Path:
    """The path, if rows can be written to it in the format that its suffix says. Raises ValueError."""
    target = Path(path)
    if target.suffix.lower() not in _WRITERS:
        raise ValueError(f"{target.name}: an answer is exported to {', '.join(_WRITERS)}, chosen by the suffix")
    if spreadsheet and target.suffix.lower() != ".csv":
        raise ValueError(f"{target.name}: only a .csv file is made safe for spreadsheets")
    return target


def plain(value: Any) -> Any:
    """A value of a row as JSON can hold it: dates and instants in ISO 8601, a whole number without ".0"."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value.isoformat() if isinstance(value, date) else value


def cell(value: Any) -> str:
    """A value as the text of one cell: nothing for a missing one, JSON for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=plain)
    return str(plain(value))


def inert(text: str) -> str:
    """A text as a spreadsheet shows it and does not carry it out."""
    return f"'{text}" if text.startswith(_FORMULA) else text


Batches: TypeAlias = "Iterator[pyarrow.RecordBatch]"


def _even(rows: pyarrow.RecordBatchReader) -> Batches:
    """Batches of one size, however the rows came: what is written does not depend on it."""
    import pyarrow

    waiting: list[pyarrow.RecordBatch] = []
    size = 0
    for came in rows:
        waiting.append(came)
        size += came.num_rows
        if size < _BATCH:
            continue
        (table,) = pyarrow.Table.from_batches(waiting).combine_chunks().to_batches()
        whole = size - size % _BATCH
        yield from (table.slice(first, _BATCH) for first in range(0, whole, _BATCH))
        waiting, size = [table.slice(whole)], size - whole
    if size:
        yield from pyarrow.Table.from_batches(waiting).combine_chunks().to_batches()


def _told(batches: Batches, progress: Progress | None, total: int | None) -> Batches:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        if progress:
            progress(done, total)


def _lines(batches: Batches) -> Iterator[str]:
    for batch in batches:
        names, columns = batch.schema.names, [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=plain)


def _write_jsonl(_: pyarrow.Schema, batches: Batches, file: IO[bytes], __: bool) -> Iterator[None]:
    for line in _lines(batches):
        file.write(line.encode() + b"\n")
        yield


def _write_json(_: pyarrow.Schema, batches: Batches, file: IO[bytes], __: bool) -> Iterator[None]:
    before = b"[\n"
    for line in _lines(batches):
        file.write(before + line.encode())
        before = b",\n"
        yield
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_csv(schema: pyarrow.Schema, batches: Batches, file: IO[bytes], spreadsheet: bool) -> Iterator[None]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([inert(name) for name in schema.names] if spreadsheet else schema.names)
    for batch in batches:
        columns = [map(cell, column.to_pylist()) for column in batch.columns]
        if spreadsheet:
            texts = [not _is_number(kind) for kind in schema.types]
            columns = [map(inert, column) if text else column for text, column in zip(texts, columns, strict=True)]
        writer.writerows(zip(*columns, strict=True))
        text.flush()
        yield
    text.detach()


def _is_number(kind: pyarrow.DataType) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind))


def _write_parquet(schema: pyarrow.Schema, batches: Batches, file: IO[bytes], __: bool) -> Iterator[None]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield


def _write_arrow(schema: pyarrow.Schema, batches: Batches, file: IO[bytes], __: bool) -> Iterator[None]:
    import pyarrow

    with pyarrow.ipc.new_file(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield


# Each gives way after some rows.
_WRITERS: dict[str, Callable[[pyarrow.Schema, Batches, IO[bytes], bool], Iterator[None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".json": _write_json,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
}
