"""The bytes of requests and answers: bodies to records, cursors, an answer as CSV or Arrow and back."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from grammar.query import Query
from persona.answer import Answer
from persona.export import cell
from storage.source import UNREADABLE

if TYPE_CHECKING:
    import pyarrow

    from grammar.model import ModelUsage
    from persona.why import Why

T = TypeVar("T")

STATUS: Final[Mapping[str, int]] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown": 404,
    "method_not_allowed": 405,
    "too_late": 408,
    "zone": 409,
    "taken": 409,
    "in_use": 409,
    "earlier": 409,
    "refused": 409,
    "too_large": 413,
    "unsupported_encoding": 415,
    "not_json": 422,
    "invalid": 422,
    "not_understood": 422,
    "ambiguous": 422,
    "model_not_configured": 422,
    "too_long": 422,
    "too_slow": 422,
    "too_big": 422,
    "stopped": 422,
    "unsupported": 422,
    "circular": 422,
    "too_fast": 429,
    "failed": 500,
    "damaged": 500,
    "busy": 503,
}
"""From the code of an error to the status that it is answered with."""


class Problem(Exception):
    """A request that is not carried out: a code of STATUS, what is wrong, and fields that say it to programs."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra
        super().__init__(detail)


def too_large(limit: int) -> Problem:
    """That a body has more than so many bytes."""
    return Problem("too_large", f"A body has at most {limit:,} bytes, also unpacked: send it in parts.")


def unpacked(body: bytearray, limit: int) -> bytearray:
    """What a gzip holds, where that is at most so many bytes."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Problem("bad_request", f"The body is no gzip: {error}.") from None
    if len(unpacked) > limit or unpacker.unconsumed_tail:
        raise too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise Problem("bad_request", "The body is not one whole gzip.")
    return bytearray(unpacked)


def records(body: bytearray, key: str, limit: int) -> list[bytes]:
    """The entries of the list that stands under a key of the body, which is given up: nothing is held twice."""
    try:
        listed = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(key)
        if listed is None:
            raise Problem("invalid", f"{key} is required: a list.", key=key)
        entries = msgspec.json.decode(listed, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise Problem("invalid", f'The body is {{"{key}": [...]}}: {error}.', key=key) from None
    except UNREADABLE as error:
        raise not_json(error) from None
    if len(entries) > limit:
        raise Problem("too_large", f"{key} has at most {limit:,} entries: send them in parts.", key=key)
    records = list(map(bytes, entries))
    del listed, entries
    body.clear()
    return records


def not_json(error: Exception) -> Problem:
    """That a body is no JSON, and why."""
    why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    return Problem("not_json", f"The body is no JSON: {why}.")


def encode(told: Any) -> bytes:
    """JSON; what JSON does not know as text."""
    return msgspec.json.encode(told, enc_hook=str)


def cursor_of(*parts: Any) -> str:
    """Where the next page begins, as text that means nothing to a client."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def place(cursor: str | None, kind: type[T]) -> T | None:
    """What `cursor_of` was made of."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True), type=kind)
    except (*UNREADABLE, binascii.Error, ValueError):
        raise Problem("invalid", "cursor is not one that was given out here.", key="cursor") from None


def after(cursor: str | None, kind: type[T]) -> T | None:
    """The one thing that `cursor_of` was made of."""
    found = place(cursor, tuple[kind])  # type: ignore[valid-type]
    return None if found is None else found[0]


def once(payload: bytes, request: str, index: int) -> bytes:
    """The event with a message_id that the same event of the same request has again; one of its own stays."""
    with suppress(*UNREADABLE):
        parts = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        if bytes(parts.get("message_id", b"null")).strip() == b"null":
            made = blake2b(f"{request}\0{index}\0".encode() + payload, digest_size=16).hexdigest()
            return msgspec.json.encode(parts | {"message_id": msgspec.Raw(msgspec.json.encode(made))})
    return payload


def instant_of(text: str | None, key: str) -> datetime | None:
    """An instant in ISO 8601; UTC where it names no zone."""
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem("invalid", f"{key} is an instant in ISO 8601, such as 2026-03-31T18:00:00Z.", key=key) from None


def naive(instant: datetime | None) -> datetime | None:
    """An instant in UTC, as the store keeps them."""
    return None if instant is None else instant.replace(tzinfo=None)


def user_name(authorization: str) -> str:
    """The user name of Basic authentication; empty, where it is none."""
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    with suppress(binascii.Error, ValueError):
        return base64.b64decode(coded.strip(), validate=True).decode().partition(":")[0]
    return ""


def typed(body: bytearray, kind: str) -> list[bytes]:
    """A message that came alone; its route says of which type it is."""
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise Problem("invalid", f"A message is an object: {error}.") from None
    except UNREADABLE as error:
        raise not_json(error) from None
    return [msgspec.json.encode({"type": kind} | {name: part for name, part in parts.items() if name != "type"})]


def arrow(answer: Answer) -> bytes:
    """The rows as an Arrow stream; what else there is to the answer stands in the schema's metadata, under persona."""
    told = {
        "kind": answer.kind,
        "understood": answer.understood,
        "warnings": answer.warnings,
        "parser": answer.parser,
        "query": json.loads(answer.query.to_json()),
        "sql": answer.sql,
        "now": answer.now.isoformat(),
        "grounding": answer.grounding,
        "model_usage": answer.model_usage,
    }
    table = answer.table.replace_schema_metadata({"persona": encode(told)})
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def csv_lines(table: pyarrow.Table) -> Iterator[bytes]:
    """A table as CSV, a heading first, some rows at a time."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=10_000):
        writer.writerows([cell(value) for value in row.values()] for row in batch.to_pylist())
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def usage_of(told: Mapping[str, Any] | None) -> ModelUsage | None:
    """What a model was asked, of its JSON."""
    from grammar.model import ModelUsage

    return None if told is None else ModelUsage(**told)


def answer_of(content: bytes, elapsed: float, why: Callable[[Answer, str], Why]) -> Answer:
    """The answer that `arrow` was made of. `why` asks the service about a contact."""
    import pyarrow as pa

    from grammar.reader import Grounded

    with pa.ipc.open_stream(content) as stream:
        table = stream.read_all()
    told = json.loads(table.schema.metadata[b"persona"])
    return Answer(
        kind=told["kind"],
        understood=told["understood"],
        warnings=told["warnings"],
        parser=told["parser"],
        elapsed=elapsed,
        query=Query.from_json(json.dumps(told["query"])),
        sql=told["sql"],
        now=datetime.fromisoformat(told["now"]),
        table=table.replace_schema_metadata(None),
        grounding=tuple(Grounded(**one) for one in told["grounding"]),
        model_usage=usage_of(told["model_usage"]),
        _why=why,
    )
