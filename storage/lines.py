"""Lines of JSON to events: many at once those that surely are valid, and any other one by one.

`storage.event` says what a valid event is. What is asked of many at once is stricter: an event that passes is valid,
any other is judged by `event.validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import Group, doubtful, groups_of, json_texts, told_twice
from storage.event import (
    EventError,
    default_event,
    event_name,
    is_missing,
    text_of,
    time_of,
    validate,
    validate_properties,
)
from storage.messages import OPEN_KEYS
from storage.source import DEEPEST, UNREADABLE, Block, Record

MANY: Final = 200
"""From so many events on, it is sooner to read them at once."""

_PART: Final = 1_000  # lines that are read at once: if one of them is odd, these are read one by one
_TIME: Final = "^[12][0-9]{3}-[01][0-9]-[0-3][0-9][ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not accepted: its place, what came, and what is wrong with it."""

    line: int
    payload: bytes
    errors: list[EventError]
    visitor: str | None = None
    message_id: str | None = None


@dataclass(slots=True)
class Told:
    """Events, as equally long columns. Times are naive UTC; `…_raw`, contexts and extras are JSON."""

    lines: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    visitors: list[str] = field(default_factory=list)
    times: list[datetime | None] = field(default_factory=list)
    properties: list[dict[str, Any]] = field(default_factory=list)
    properties_raw: list[bytes | msgspec.Raw] = field(default_factory=list)
    contexts: list[bytes | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    message_ids: list[str | None] = field(default_factory=list)
    extras: list[bytes | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def __add__(self, other: Told) -> Told:
        return Told(*(mine + theirs for mine, theirs in zip(self._columns(), other._columns(), strict=True)))

    def only(self, rows: Sequence[int]) -> Told:
        """These events alone."""
        return Told(*([column[row] for row in rows] for column in self._columns()))

    def _columns(self) -> Iterator[list[Any]]:
        return (getattr(self, column.name) for column in fields(self))


Contexts: TypeAlias = dict[bytes, dict[str, Any]]
"""The objects that contexts are, each once."""


@dataclass(frozen=True, slots=True)
class Read:
    """What is known of events before the store is asked.

    Attributes:
        size: how many records there were.
        told: the valid ones among them.
        groups: these by type, where it was needed to judge them.
        contexts: what their contexts are.
        failures: the other records.
        payload: what is kept of a record that fails, by its line.
    """

    size: int
    told: Told
    groups: list[Group] | None
    contexts: Contexts
    failures: list[Failure]
    payload: Callable[[int], bytes]


def read(
    batch: Block | Sequence[Record], strict: bool, zone: tzinfo, messages: Mapping[int, bytes] | None = None
) -> Read:
    """Reads and judges events.

    Args:
        batch: a JSON object each.
        strict: whether a number for a string key is wrong.
        zone: of times without an offset.
        messages: by line, the message of a Segment-compatible client that a record was read from. It is what is kept
            where that fails, and what these clients leave open is not required.
    """
    contexts: Contexts = {}
    groups: list[Group] | None = None
    if len(batch) >= MANY:
        size, told, failures = _read_many(batch, strict, zone, contexts)
        groups = groups_of(told.names, told.properties)
        doubts = [row for group in groups for row in doubtful(group, strict)]
    else:
        records = list(batch.records()) if isinstance(batch, Block) else batch
        size = len(records)
        told, failures = _read_each(records, strict, zone, contexts)
        doubts = list(range(len(told)))
    payload = _payloads(batch) if messages is None else messages.__getitem__
    if messages is not None:
        failures = [replace(failure, payload=payload(failure.line)) for failure in failures]
    faults = dict(_faults(told, doubts, strict, messages is not None))
    if faults:
        for row, errors in faults.items():
            line = told.lines[row]
            failures.append(Failure(line, payload(line), errors, told.visitors[row], told.message_ids[row]))
        told = told.only([row for row in range(len(told)) if row not in faults])
        groups = groups and groups_of(told.names, told.properties)
    for row in told_twice(groups or (), told.properties, told.properties_raw):
        told.properties_raw[row] = msgspec.json.encode(told.properties[row])
    return Read(size, told, groups, contexts, failures, payload)


def _payloads(batch: Block | Sequence[Record]) -> Callable[[int], bytes]:
    if isinstance(batch, Block):
        return lambda line: batch.raw(line - batch.first)
    return {line: raw for line, raw, _ in batch}.__getitem__


def _faults(told: Told, rows: Iterable[int], strict: bool, lenient: bool) -> Iterator[tuple[int, list[EventError]]]:
    """Which of these events have what faults in their properties. `lenient`: what Segment-compatible clients leave open
    is none."""
    for row in rows:
        event = default_event(told.names[row])
        errors = validate_properties(event, told.properties[row], strict) if event else []
        if lenient:
            errors = [error for error in errors if error.code not in _MISSING or error.key not in OPEN_KEYS]
        if errors:
            yield row, errors


_MISSING: Final = ("required", "empty")


# ── one by one ────────────────────────────────────────────────────────────────────────────────────────────────────

_Envelope: Any = msgspec.defstruct(
    "_Envelope",
    [
        ("event_name", Any, None),
        ("visitor_id", Any, None),
        ("event_properties", msgspec.Raw, msgspec.Raw(b"null")),
        ("event_timestamp", Any, None),
        ("context", msgspec.Raw, msgspec.Raw(b"null")),
        ("type", Any, None),
        ("message_id", Any, None),
    ],
    forbid_unknown_fields=True,
    gc=False,
)
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode: Final = msgspec.json.Decoder().decode


def _read_each(records: Sequence[Record], strict: bool, zone: tzinfo, contexts: Contexts) -> tuple[Told, list[Failure]]:
    """The events whose envelope is valid (`_faults` judges the properties), and the failures. Many contexts are alike:
    each is read once, into `contexts`."""
    found: list[tuple[Any, ...]] = []
    failures: list[Failure] = []
    names: dict[str, str] = {}
    for line, raw, fault in records:
        if fault:
            failures.append(Failure(line, raw, [fault]))
            continue
        extra: dict[str, msgspec.Raw] = {}
        try:
            try:
                envelope = _decode_envelope(raw)
            except msgspec.ValidationError:
                payload = _decode(raw)  # not an object, or one with other keys
                if not isinstance(payload, dict):
                    failures.append(Failure(line, raw, validate(payload)))
                    continue
                envelope, extra = _taken_apart(raw, _decode_envelope)
            properties = _decode(envelope.event_properties)
            context_raw = bytes(envelope.context)
            context = contexts.get(context_raw) or _decode(context_raw)
        except UNREADABLE as error:
            failures.append(Failure(line, raw, [EventError("", "not_json", f"this is no JSON: {error}")]))
            continue
        came, visitor, kind, message_id = envelope.event_name, envelope.visitor_id, envelope.type, envelope.message_id
        timestamp = envelope.event_timestamp
        time = time_of(timestamp, zone)
        if not (
            type(came) is str
            and type(visitor) is str
            and came.strip()
            and visitor.strip()
            and type(properties) is dict
            and (time or timestamp is None)
            and (context is None or type(context) is dict)
            and (kind is None or type(kind) is str)
            and (message_id is None or type(message_id) is str)
        ):
            payload = {
                "event_name": came,
                "visitor_id": visitor,
                "event_properties": properties,
                "event_timestamp": timestamp,
                "context": context,
                "type": kind,
                "message_id": message_id,
            }
            errors = validate(payload, strict, zone)
            came, visitor, kind = text_of(came), text_of(visitor), text_of(kind)
            message_id = text_of(message_id)
            if errors:
                failures.append(Failure(line, raw, errors, visitor, message_id or None))
                continue
        name = names.get(came)
        if name is None:
            name = names[came] = event_name(came)
        if name != came:
            extra["event_name"] = msgspec.Raw(msgspec.json.encode(came))
        if type(context) is dict:
            contexts[context_raw] = context
        found.append(
            (
                line,
                name,
                visitor,
                time,
                properties,
                bytes(envelope.event_properties),
                context_raw if type(context) is dict else None,
                kind or "track",
                message_id or None,
                msgspec.json.encode(extra) if extra else None,
            )
        )
    return (Told(*map(list, zip(*found, strict=True))) if found else Told()), failures


def _taken_apart(raw: bytes, decode: Callable[[bytes], Any]) -> tuple[Any, dict[str, msgspec.Raw]]:
    """The envelope of an object that has other keys too, as `decode` reads it, and these: they are kept. Among them is
    created_at, which is ours to set."""
    parts = _decode_parts(raw)
    extra = {key: part for key, part in parts.items() if key not in _Envelope.__struct_fields__}
    return decode(msgspec.json.encode({key: part for key, part in parts.items() if key not in extra})), extra


# ── many at once ──────────────────────────────────────────────────────────────────────────────────────────────────

_SureEnvelope: Any = msgspec.defstruct(
    "_SureEnvelope",
    [
        ("event_name", str),
        ("visitor_id", str | int),
        ("event_properties", msgspec.Raw),
        ("event_timestamp", str | None, None),
        ("context", msgspec.Raw, msgspec.Raw(b"null")),
        ("type", str | None, None),
        ("message_id", str | int | None, None),
    ],
    forbid_unknown_fields=True,
    gc=False,
)
"""A line whose parts surely are what they must be, and has no others."""
_sure_decoder: Final = msgspec.json.Decoder(_SureEnvelope)
_decode_objects: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode


def _read_many(
    batch: Block | Sequence[Record], strict: bool, zone: tzinfo, contexts: Contexts
) -> tuple[int, Told, list[Failure]]:
    """As `_read_each`, and how many records there are."""
    lines: list[int] = []
    found: list[Any] = []
    extras: dict[int, dict[str, msgspec.Raw]] = {}
    odd: list[int] = []
    for part in _parts(batch):
        envelopes = _at_once(part)
        if envelopes is not None:
            lines += range(part.first, part.first + len(part)) if isinstance(part, Block) else [at for at, _, _ in part]
            found += envelopes
            continue
        for line, raw, fault in part.records() if isinstance(part, Block) else part:
            try:
                if fault:
                    raise msgspec.DecodeError
                if not raw.isascii():
                    raw.decode()
                try:
                    envelope = _sure_decoder.decode(raw)
                except msgspec.ValidationError:
                    _decode(raw)  # the other keys may hold what is no JSON
                    envelope, extras[len(found)] = _taken_apart(raw, _sure_decoder.decode)
            except UNREADABLE:
                odd.append(line)
            else:
                lines.append(line)
                found.append(envelope)
    told, unsure = _columns(lines, found, extras, strict, zone, contexts)
    if not odd and not unsure:
        return len(lines), told, []
    odd += [lines[row] for row in unsure]
    told = told.only(sorted(set(range(len(told))).difference(unsure)))
    if isinstance(batch, Block):
        place = {line: line - batch.first for line in (*told.lines, *odd)}
        records = [record for line in odd for record in batch.part(place[line], place[line] + 1).records()]
    else:
        place = {line: nth for nth, (line, _, _) in enumerate(batch)}
        records = [batch[place[line]] for line in odd]
    more, failures = _read_each(records, strict, zone, contexts)
    told += more
    rows = sorted(range(len(told)), key=lambda row: place[told.lines[row]])
    return len(lines) + len(odd) - len(unsure), told.only(rows), failures


def _parts(batch: Block | Sequence[Record]) -> Iterator[Block | Sequence[Record]]:
    for start in range(0, len(batch), _PART):
        stop = start + _PART
        yield batch.part(start, stop) if isinstance(batch, Block) else batch[start:stop]


def _at_once(part: Block | Sequence[Record]) -> list[Any] | None:
    """The envelopes of all these lines; None, where one of them is blank, or may be odd or nested too deep."""
    import numpy as np

    if isinstance(part, Block):
        text = part.text()
        opening = np.flatnonzero((np.frombuffer(text, np.uint8) | 32) == ord("{"))  # or "["
        if np.diff(np.searchsorted(opening, part.starts - part.starts[0])).max() > DEEPEST:
            return None
    else:
        text = b"\n".join(raw for _, raw, _ in part)
        if text.count(b"\n") != len(part) - 1 or any(fault for _, _, fault in part):
            return None
    try:
        if not text.isascii():
            text.decode()
        envelopes: list[Any] = _sure_decoder.decode_lines(text)
    except UNREADABLE:
        return None
    return envelopes if len(envelopes) == len(part) else None


def _columns(
    lines: list[int],
    found: Sequence[Any],
    extras: dict[int, dict[str, msgspec.Raw]],
    strict: bool,
    zone: tzinfo,
    contexts: Contexts,
) -> tuple[Told, list[int]]:
    """The events of these envelopes, and the rows of those that are not surely valid."""
    unsure: set[int] = set()
    came = [told.event_name for told in found]
    names = {text: event_name(text) for text in set(came)}
    odd = {text for text, name in names.items() if text != name or not name}
    if odd:
        for row, text in enumerate(came):
            if text in odd:
                extras.setdefault(row, {})["event_name"] = msgspec.Raw(msgspec.json.encode(text))
                if not names[text]:
                    unsure.add(row)
    visitors, spelled = _as_texts([told.visitor_id for told in found])
    blank = {visitor for visitor in set(visitors) if not visitor or visitor.isspace()}
    if blank:
        unsure.update(row for row, visitor in enumerate(visitors) if visitor in blank)
    message_ids, numbered = _as_texts([told.message_id for told in found])
    if strict:
        unsure.update(spelled, numbered)
    times, untimely = _times([told.event_timestamp for told in found], zone)
    unsure.update(untimely)
    context_of, alien = _read_contexts([told.context for told in found], contexts)
    unsure.update(alien)
    raws = [told.event_properties for told in found]
    properties, unread = _read_objects(raws)
    unsure.update(unread)
    told = Told(
        lines,
        [names[text] for text in came],
        visitors,
        times,
        properties,
        raws,
        context_of,
        [told.type or "track" for told in found],
        [message_id or None for message_id in message_ids],
        [msgspec.json.encode(extras[row]) if row in extras else None for row in range(len(found))]
        if extras
        else [None] * len(found),
    )
    return told, sorted(unsure)


def _as_texts(values: list[Any]) -> tuple[list[Any], list[int]]:
    """Texts, numbers as texts, or None; and which of them were numbers."""
    if int not in set(map(type, values)):
        return values, []
    numbers = [row for row, value in enumerate(values) if type(value) is int]
    return [str(value) if type(value) is int else value for value in values], numbers


def _times(told: list[str | None], zone: tzinfo) -> tuple[list[datetime | None], list[int]]:
    """The instants that texts tell, None for a missing one; and which ones cannot be read."""
    texts = pa.array(told, pa.string())
    plain = pc.match_substring_regex(texts, _TIME + ("Z?$" if zone is UTC else "Z$"))
    try:
        ts = pc.utf8_rtrim(pc.if_else(plain, texts, None), "Z").cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # there is no such day
        plain, ts = pc.is_null(texts), pa.nulls(len(told), pa.timestamp("us"))
    times: list[datetime | None] = ts.to_numpy(zero_copy_only=False).tolist()
    wrong = []
    for row in pc.indices_nonzero(pc.invert(plain.fill_null(True))).to_pylist():
        times[row] = time_of(told[row], zone)
        if times[row] is None and not is_missing(told[row]):
            wrong.append(row)
    return times, wrong


def _read_contexts(raws: Sequence[msgspec.Raw], contexts: Contexts) -> tuple[list[bytes | None], list[int]]:
    """The contexts, each text once; and which of them are no objects."""
    import numpy as np

    coded = json_texts(raws).view(pa.binary()).dictionary_encode()
    told: list[bytes | None] = coded.dictionary.to_pylist()
    wrong = []
    for code, raw in enumerate(coded.dictionary.to_pylist()):
        try:
            value = _decode(raw)
        except UNREADABLE:
            value = False
        if type(value) is dict:
            contexts[raw] = value
        else:
            told[code] = None
            if value is not None:
                wrong.append(code)
    codes = coded.indices.to_numpy()
    return [told[code] for code in codes.tolist()], np.flatnonzero(np.isin(codes, wrong)).tolist() if wrong else []


def _read_objects(raws: Sequence[msgspec.Raw]) -> tuple[list[dict[str, Any]], list[int]]:
    """What properties hold; and which of them are no objects, or no JSON after all."""
    told: list[dict[str, Any]] = []
    wrong: list[int] = []
    for start in range(0, len(raws), _PART):
        part = raws[start : start + _PART]
        try:
            told += _decode_objects(b"[" + b",".join(part) + b"]")
        except UNREADABLE:
            for row, raw in enumerate(part, start):
                try:
                    told += _decode_objects(b"[" + bytes(raw) + b"]")
                except UNREADABLE:
                    told.append({})
                    wrong.append(row)
    return told, wrong
