"""Files and objects to records: every kind of source becomes the same stream of JSON objects, one at a time."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from storage.errors import StorageError
from storage.event import EventError

Source: TypeAlias = Any
"""A path (.jsonl .csv .parquet .json), a pandas or polars DataFrame, an Arrow table, dicts, or {"data": [dicts]}."""

What: TypeAlias = Literal["event", "contact", "product"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for what is no JSON."""

SUFFIXES: Final = (".jsonl", ".ndjson", ".csv", ".parquet", ".json")
_ROWS: Final = 2_000  # rows of a table that are in memory as objects at once
_BLOCK: Final = 15 * 2**20  # bytes of a file of lines that are in memory at once
_LONGEST_CELL: Final = 2**31 - 1


Record: TypeAlias = tuple[int, bytes, EventError | None]
"""One thing that was handed in: its place in the source, from 1 (the line of a text file, else the number of the
record); its JSON; and, where it has none, why not: then the bytes are what came instead."""


DEEPEST: Final = 200
"""So many levels of objects and arrays are read; JSON that is nested deeper fails."""

_TOO_DEEP: Final = EventError("", "not_json", f"this is nested deeper than {DEEPEST} levels")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def numbered(number: int, raw: bytes) -> Record:
    """JSON as it came, as a record."""
    return (number, raw, depth_error(raw))


def depth_error(raw: bytes) -> EventError | None:
    """What is wrong with JSON that is nested too deep."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return None
    depth = 0
    for byte in _STRING.sub(b"", raw):
        depth += (byte in b"[{") - (byte in b"]}")
        if depth > DEEPEST:
            return _TOO_DEEP
    return None


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of a file, whole and one after another: the number of the first, their bytes, and where in these each
    begins; the last of `starts` is where they end. A line keeps its newline, and may be blank."""

    first: int
    data: bytes
    starts: Any  # NumPy array of int32, an element more than there are lines

    def __len__(self) -> int:
        return len(self.starts) - 1

    def raw(self, nth: int) -> bytes:
        """A line without its newline; nothing, for a blank one."""
        raw = self.data[self.starts[nth] : self.starts[nth + 1]]
        return b"" if raw.isspace() else raw.rstrip(b"\r\n")

    def part(self, start: int, stop: int) -> Block:
        """Some of the lines, from one to before another (counted from 0)."""
        return Block(self.first + start, self.data, self.starts[start : stop + 1])

    def text(self) -> bytes:
        """All the lines."""
        return self.data[self.starts[0] : self.starts[-1]]

    def after(self, line: int) -> Block:
        """The lines after the one with this number."""
        return self.part(min(max(line - self.first + 1, 0), len(self)), len(self))

    def records(self) -> Iterator[Record]:
        """The lines that are not blank."""
        for nth in range(len(self)):
            if raw := self.raw(nth):
                yield numbered(self.first + nth, raw)


@dataclass(frozen=True, slots=True)
class Records:
    """What a source holds. A file has a name and a digest of its bytes; `total` is how many records it may hold at
    most, where that is known before reading. `blocks`: the same as `records`, for a file that has one in each line."""

    records: Iterator[Record]
    name: str | None = None
    digest: str | None = None
    total: int | None = None
    blocks: Iterator[Block] | None = None


def read(source: Source, what: What) -> Records:
    """The records of a source, read as they are asked for (a .json file is read whole).

    Tables (.csv, .parquet, DataFrames, Arrow) have a row for each record. A dotted column is a path: for events
    `event_properties.price`, for contacts `address.city`. A text that is a JSON object or array is taken as that. An
    empty cell is missing; CSV text stays text.

    Raises:
        StorageError: "source", where there is no such file, or no such kind of source.
    """
    if isinstance(source, str | Path):
        return _file(Path(source), what)
    if isinstance(source, Mapping):
        data = source.get("data")
        return Records(_objects(data if isinstance(data, list) else [source]))
    if hasattr(source, "iloc") and hasattr(source, "notna"):
        return Records(_rows(_pandas_rows(source), what), total=len(source))
    if hasattr(source, "__arrow_c_stream__"):
        import pyarrow as pa

        total = len(source) if hasattr(source, "__len__") else None
        return Records(_rows(_arrow_rows(pa.RecordBatchReader.from_stream(source)), what), total=total)
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
        return Records(_objects(source), total=len(source) if isinstance(source, Sequence) else None)
    raise StorageError(
        "source",
        f"Cannot read {what}s from {type(source).__name__}: give a path, a DataFrame, an Arrow table or dicts.",
    )


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _file(path: Path, what: What) -> Records:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise StorageError("source", f"Cannot read {what}s from {str(path)!r}: known are {', '.join(SUFFIXES)}.")
    try:
        digest, lines = _digest(path)
        name = path.name
        match suffix:
            case ".csv":
                return Records(_csv_records(path, what), name, digest, max(lines - 1, 0))
            case ".parquet":
                return _parquet(path, what, digest)
            case ".json":
                return Records(_payload(path.read_bytes()), name, digest)
            case _:
                blocks = _blocks(path)
                records = (record for block in blocks for record in block.records())
                return Records(records, name, digest, lines, blocks)
    except OSError as error:
        raise StorageError("source", f"Cannot read {str(path)!r}: {error.strerror or error}.") from error


def _digest(path: Path) -> tuple[str, int]:
    """The digest of a file's bytes, and how many lines it has."""
    digest, lines, last = hashlib.blake2b(digest_size=16), 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return digest.hexdigest(), lines + (last != b"\n")


def _blocks(path: Path) -> Iterator[Block]:
    import numpy as np

    first, rest = 1, b""
    with path.open("rb") as file:
        while chunk := file.read(_BLOCK):
            if first == 1 and not rest:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            whole, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                rest += chunk
                continue
            data = rest + whole + newline
            rest = tail
            ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
            yield Block(first, data, np.concatenate(([0], ends)).astype(np.int32))
            first += len(ends)
    if rest:
        yield Block(first, rest, np.array([0, len(rest)], np.int32))


def _payload(content: bytes) -> Iterator[Record]:
    """The records of a .json file: a list, {"data": a list}, or a single record."""
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        if content.startswith(b"["):
            entries = msgspec.json.decode(content, type=list[msgspec.Raw])
        else:
            data = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("data")
            if data is None:
                entries = [msgspec.Raw(content)]
            elif bytes(data).lstrip().startswith(b"["):
                entries = msgspec.json.decode(data, type=list[msgspec.Raw])
            else:
                yield (1, content, EventError("data", "not_array", "data must be an array"))
                return
    except UNREADABLE as error:
        yield (1, content, EventError("", "not_json", f"the file is no JSON: {error}"))
        return
    for number, entry in enumerate(entries, 1):
        yield numbered(number, bytes(entry))


def _parquet(path: Path, what: What, digest: str) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise StorageError("source", f"Cannot read {str(path)!r}: it is no Parquet file ({error}).") from error

    def rows() -> Iterator[dict[str, Any]]:
        try:
            for batch in file.iter_batches(_ROWS):
                yield from _arrow_objects(batch)
        finally:
            file.close()

    return Records(_rows(rows(), what), path.name, digest, file.metadata.num_rows)


def _csv_records(path: Path, what: What) -> Iterator[Record]:
    """A record for each line of a CSV file. A line that does not fit its header is handed on as it came."""
    csv.field_size_limit(_LONGEST_CELL)
    came: list[str] = []  # the raw lines of the record that is being read

    def listened(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            came.append(line)
            yield line

    # Bytes that are no UTF-8 become lone surrogates, which no valid text holds: so they are found again below.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(listened(file), strict=True)
        header = next(reader, [])
        placed = _placing(header, what)
        line = reader.line_num
        while True:
            came.clear()
            start = line + 1
            try:
                cells = next(reader, None)
                line = reader.line_num
            except csv.Error as error:
                line = reader.line_num
                yield (start, _raw("".join(came)), EventError("", "wrong_columns", f"the line is no CSV: {error}"))
                continue
            if cells is None:
                return
            if not cells:
                continue
            raw = "".join(came)
            if not raw.isascii() and any("\udc80" <= character <= "\udcff" for character in raw):
                yield (start, _raw(raw), EventError("", "not_text", "the line is no UTF-8 text"))
            elif len(cells) != len(header):
                message = f"the line has {len(cells)} columns, the header {len(header)}"
                yield (start, _raw(raw), EventError("", "wrong_columns", message))
            else:
                row = {
                    name: _parsed(cell) if cell[0] in "{[" else cell
                    for name, cell in zip(header, cells, strict=True)
                    if cell
                }
                yield _record(start, placed(row))


def _raw(text: str) -> bytes:
    return text.rstrip("\r\n").encode("utf-8", errors="surrogateescape")


# ── objects and tables ────────────────────────────────────────────────────────────────────────────────────────────


def _objects(things: Iterable[Any]) -> Iterator[Record]:
    for number, thing in enumerate(things, 1):
        yield _record(number, thing)


def _rows(rows: Iterator[dict[str, Any]], what: What) -> Iterator[Record]:
    """A record for each row of a table."""
    placed: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    for number, row in enumerate(rows, 1):
        told = {
            str(name): _parsed(value) if type(value) is str else value
            for name, value in row.items()
            if value is not None
        }
        placed = placed or _placing(map(str, row), what)
        yield _record(number, placed(told))


def _pandas_rows(frame: Any) -> Iterator[dict[str, Any]]:
    for start in range(0, len(frame), _ROWS):
        part = frame.iloc[start : start + _ROWS]
        yield from part.astype(object).where(part.notna(), None).to_dict("records")


def _arrow_rows(reader: Any) -> Iterator[dict[str, Any]]:
    for batch in reader:
        for start in range(0, batch.num_rows, _ROWS):
            yield from _arrow_objects(batch.slice(start, _ROWS))


def _arrow_objects(batch: Any) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    if any(map(pa.types.is_nested, batch.schema.types)):
        for row in batch.to_pylist():
            yield {name: _told(value) for name, value in row.items()}
    else:
        yield from batch.to_pylist()


def _told(value: Any) -> Any:
    """Without the nulls that a column of structs holds for each key that another row has."""
    if isinstance(value, dict):
        return {key: _told(part) for key, part in value.items() if part is not None}
    return [_told(part) for part in value] if isinstance(value, list) else value


def _placing(columns: Iterable[str], what: What) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """How a row of a table with these columns becomes a record: dotted columns are nested."""
    paths = {name: _path(name, what) for name in columns}
    # Where properties have columns, an event has properties, even if none of them is filled.
    split = what == "event" and any(path[0] == "event_properties" and len(path) > 1 for path in paths.values())
    if all(len(path) == 1 for path in paths.values()):
        return dict

    def placed(row: Mapping[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {"event_properties": {}} if split else {}
        for name, value in row.items():
            at = record
            *above, last = paths[name]
            for key in above:
                at = at.setdefault(key, {})
                if not isinstance(at, dict):
                    record[name] = value  # the column "a" has a scalar where "a.b" wants an object: both are kept
                    break
            else:
                known = at.get(last)
                at[last] = {**value, **known} if isinstance(value, dict) and isinstance(known, dict) else value
        return record

    return placed


def _path(column: str, what: What) -> tuple[str, ...]:
    """The path of keys at which a column's values stand in the record."""
    match what:
        case "event":
            dotted = column.startswith(("event_properties.", "context."))
            return tuple(column.split(".")) if dotted else (column,)
        case "contact":
            return tuple(column.split("."))
        case "product":
            return (column,)


def _parsed(cell: str) -> Any:
    """A cell whose text is a JSON object or array, as that; any other as it is."""
    if cell[:1] in ("{", "["):
        try:
            return msgspec.json.decode(cell)
        except (*UNREADABLE, UnicodeEncodeError):
            return cell
    return cell


def _record(line: int, thing: Any) -> Record:
    try:
        return numbered(line, msgspec.json.encode(thing, enc_hook=_plain))
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        return (line, _shown(thing), EventError("", "not_representable", f"this has no JSON form: {error}"))


def _shown(thing: Any) -> bytes:
    try:
        return repr(thing).encode("utf-8", errors="backslashreplace")
    except RecursionError:
        return f"<{type(thing).__name__}, nested too deep to be shown>".encode()


def _plain(value: Any) -> Any:
    """What a value that JSON does not know stands for: NumPy's and pandas' scalars and arrays, and times."""
    if isinstance(value, Decimal):
        return str(value)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    for method in ("isoformat", "tolist"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"{type(value).__name__} is no JSON value")
