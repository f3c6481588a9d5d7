"""Lines of JSON to the columns of events, many at once: what surely is valid goes on, the rest is judged one by one.

`storage.event` says what a valid event is. The conditions here are made from the same data and are stricter: a line
that meets them is valid, a line that does not is handed to `event.validate`. What that finds valid comes back in plain
JSON. Lines are taken apart here, and their properties in SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from storage.backends import Session
from storage.catalog import Seen, SeenKeys, number_names, observe_distinct, table_of
from storage.event import (
    DEFAULT_EVENTS,
    ITEM_KEYS,
    EventError,
    EventKey,
    default_event,
    event_name,
    is_missing,
    text_of,
    time_of,
    validate,
)
from storage.schema import (
    ITEM_COLUMNS,
    NUMBERS,
    event_columns,
    number_in_sql,
)
from storage.source import DEEPEST, UNREADABLE, depth_error


@dataclass(frozen=True, slots=True)
class Told:
    """A batch of lines after it was read: the failures among them, how many are blank, and the event types of the
    others. `envelopes` are the events but for what is in their properties, in the order of `pos`: that is in the
    scratch engine, until `columns` takes it from there."""

    failures: list[Failure]
    blank: int
    names: list[str]
    envelopes: pa.Table
    filled: Filled


@dataclass(frozen=True, slots=True)
class Filled:
    """Which of the columns of keys have a value, and in which of those of numbers all are plain ones (12, "12.50")."""

    columns: Container[str]
    plain: Container[str]

    def number(self, column: str, told: str | None = None) -> str:
        """The numbers in a column, or in an expression of it alone."""
        j = told or column
        return f"TRY_CAST(trim({j}, '\"') AS DOUBLE)" if column in self.plain else f"number_in({j})"


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that was not accepted: its place in the batch, everything that is wrong with it, and who and which message
    it was about, as far as it tells."""

    pos: int
    errors: list[EventError]
    visitor: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Events that are to be stored. `events` and `items` have the columns of the tables of these names, but for those
    that only the store knows: `visitor_id` and `message_id` stand for the contact, `type` is a place in `names`, `pos`
    the place in the batch, ts is NULL where the event tells no time. `items` has those of products too."""

    events: pa.Table
    items: pa.Table
    seen: SeenKeys


# ── what the SQL is made of ───────────────────────────────────────────────────────────────────────────────────────

_Envelope: Any = msgspec.defstruct(
    "_Envelope",
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
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_OWN: Final[Mapping[str, frozenset[str]]] = {
    event.name: frozenset(key.name for key in event.keys) for event in DEFAULT_EVENTS.values()
}
_PROPERTIES: Final = tuple(
    dict.fromkeys(
        (*(key for own in _OWN.values() for key in sorted(own)), *event_columns(), *sorted(ITEM_KEYS), "product")
    )
)
"""The properties that are read into columns; any other is looked for where an object has more keys than these."""
_FIELD_COLUMNS: Final = {f"k_{key}": key for key in _PROPERTIES}
_LISTED_COLUMNS: Final = {f"i_{key}": key for key in ITEM_COLUMNS}
_PLAIN: Final = '"?-?[0-9]+(?:[.][0-9]+)?"?'

# Numbers that may be past a double's range: the one thing that a part of a line may hold unread and be no JSON for all.
_ODD: Final = r"[:,\[]\s*-?[0-9.]+[eE]\+?[0-9]{3}"
_DEEP: Final = 2 * DEEPEST + 50  # characters: what is shorter and has the envelope's keys is not nested deeper
_TIME: Final = "^[12][0-9]{3}-[01][0-9]-[0-3][0-9][ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?"

_MACROS: Final = (
    # The kinds of JSON values, by their first character.
    """CREATE OR REPLACE TEMP MACRO is_text(j) AS j >= '"' AND j < '#'""",
    "CREATE OR REPLACE TEMP MACRO is_number(j) AS j >= '-' AND j < ':'",
    "CREATE OR REPLACE TEMP MACRO is_list(j) AS j >= '[' AND j < '\\'",
    "CREATE OR REPLACE TEMP MACRO is_object(j) AS j >= '{' AND j < '|'",
    # A text that surely is not blank.
    r"""CREATE OR REPLACE TEMP MACRO says(j) AS regexp_matches(j, '[!#-\[\]-~]') AND NOT contains(j, '\')""",
    r"""CREATE OR REPLACE TEMP MACRO text_in(j) AS CASE WHEN is_text(j) THEN
        CASE WHEN contains(j, '\') THEN json_extract_string(j, '$') ELSE substring(j, 2, length(j) - 2) END
        WHEN NOT is_list(j) AND NOT is_object(j) THEN j END""",
    f"""CREATE OR REPLACE TEMP MACRO number_told(t) AS CASE
        WHEN regexp_full_match(t, '-?[0-9]+([.][0-9]+)?') THEN TRY_CAST(t AS DOUBLE)
        ELSE {number_in_sql("t")} END""",
    """CREATE OR REPLACE TEMP MACRO number_in(j) AS CASE WHEN is_number(j) THEN TRY_CAST(j AS DOUBLE)
        WHEN is_text(j) THEN number_told(text_in(j)) END""",
)


def _object(keys: Iterable[str], prefix: str) -> str:
    """The keys of an object as columns of JSON texts, NULL where it has none: for `FROM (SELECT …, told)`."""
    return ", ".join(f'told."{key}"::VARCHAR AS {prefix}{key}' for key in keys)


def _structure(keys: Iterable[str]) -> str:
    return msgspec.json.encode(dict.fromkeys(keys, "JSON")).decode()


_WHOLE: Final = {"fields": "properties", "listed": "item"}
_COLUMNS: Final = {"fields": _FIELD_COLUMNS, "listed": _LISTED_COLUMNS}


def _has_more(table: str, filled: Filled) -> str:
    """That an object has more than the columns of its keys tell: another key, one twice, a null."""
    return "keys <> " + " + ".join(
        ("0", *(f"({column} IS NOT NULL)::INTEGER" for column in _COLUMNS[table] if column in filled.columns))
    )


def _is_twice(table: str, filled: Filled) -> str:
    """That an object has a key twice."""
    return f"({_has_more(table, filled)} AND len(list_distinct(json_keys({_WHOLE[table]}))) < keys)"


_BIT: Final = {name: 1 << place for place, name in enumerate(DEFAULT_EVENTS)}
"""The column `known` says by a bit which of the default events an event is. It is NULL for any other."""


def _is_one_of(names: Iterable[str]) -> str:
    return f"(known & {sum(_BIT[name] for name in names)}) <> 0"


def _unfit(rules: Mapping[str, tuple[EventKey, ...]], prefix: str, strict: bool, filled: Filled) -> str:
    """That the columns do not surely hold what the keys of the row's event type must be."""
    sorts: dict[EventKey, list[str]] = {}
    for name, keys in rules.items():
        for key in keys:
            sorts.setdefault(key, []).append(name)
    wrongs = ((names, _wrong(key, prefix + key.name, strict, filled)) for key, names in sorts.items())
    return " OR ".join(f"({_is_one_of(names)} AND {wrong})" for names, wrong in wrongs if wrong)


def _wrong(key: EventKey, j: str, strict: bool, filled: Filled) -> str | None:
    """That a column does not surely hold what the key must be; None, where that is so of none."""
    if j not in filled.columns:
        return "true" if key.required else None
    match key.type:
        case "string":
            fits = f"is_text({j})" if strict else f"(is_text({j}) OR is_number({j}))"
            there = f"says({j})"
        case "numeric":
            if j in filled.plain and not key.required:
                return None
            fits, there = f"{filled.number(j)} IS NOT NULL", "true"
        case "array":
            fits, there = f"(is_list({j}) OR is_object({j}))" if key.name == "meta" else f"is_list({j})", f"{j} <> '[]'"
    return f"NOT coalesce({fits} AND {there}, false)" if key.required else f"{j} IS NOT NULL AND NOT {fits}"


def _top_item(key: str) -> str:
    """What a product key says of the product at the top level of an event: nothing, where it is the event's own."""
    own = [event.name for event in DEFAULT_EVENTS.values() if key in _OWN[event.name] and not event.about_product]
    return f"CASE WHEN NOT {_is_one_of(own)} THEN k_{key} END" if own else f"k_{key}"


_TOP_ITEM: Final = {key: _top_item(key) for key in sorted(ITEM_KEYS)}
_ABOUT: Final = _is_one_of(event.name for event in DEFAULT_EVENTS.values() if event.about_product)


def _is_top(filled: Filled) -> str:
    """That an event tells about a product at its own top level."""
    told = ", ".join(told for key, told in _TOP_ITEM.items() if f"k_{key}" in filled.columns) or "NULL"
    return f"(known IS NOT NULL AND ({_ABOUT} OR k_product_id IS NOT NULL) AND coalesce({told}) IS NOT NULL)"


_TYPE_ROW: Final = pa.schema([("type", pa.int32()), ("known", pa.int64()), ("renamed", pa.string())])


# ── lines to tables ───────────────────────────────────────────────────────────────────────────────────────────────


def make_ready(scratch: Session) -> None:
    """Makes what the other functions here need in a scratch engine, once."""
    for macro in _MACROS:
        scratch.run(macro)


def read_lines(scratch: Session, raws: Sequence[bytes], strict: bool, zone: tzinfo) -> Told:
    """Reads a batch of lines, a JSON object each, into the scratch engine.

    Args:
        raws: the lines; one may be blank.
        strict: whether a number for a string key is wrong.
        zone: of times without an offset.
    """
    failures: list[Failure] = []
    names: dict[str, int] = {}
    envelopes, doubtful, blank = _envelopes(raws, names, strict, zone)
    mended = _judge(raws, doubtful, failures, strict, zone)
    _read(scratch, envelopes)
    filled = _survey(scratch, "fields", "listed")
    bad = sorted(pos for (pos,) in scratch.rows(_bad_sql(strict, filled)))
    scratch.run("DROP TABLE entries")
    if bad:
        envelopes = drop(scratch, envelopes, bad)
        mended |= _judge(raws, bad, failures, strict, zone)
    if mended:
        for table in ("fields", "listed"):
            scratch.run(f"ALTER TABLE {table} RENAME TO sure_{table}")
        more = _envelopes(list(mended.values()), names, strict, zone, trusted=True)[0]
        more = more.set_column(0, "pos", pa.array(mended, pa.int32()))
        _read(scratch, more)
        for table in ("fields", "listed"):
            scratch.run(f"INSERT INTO {table} SELECT * FROM sure_{table}")
            scratch.run(f"DROP TABLE sure_{table}")
        envelopes = pa.concat_tables([envelopes, more]).sort_by("pos")
        filled = _survey(scratch, "fields", "listed")
    failures.sort(key=lambda failure: failure.pos)
    return Told(failures, blank, list(names), envelopes, filled)


def _envelopes(
    raws: Sequence[bytes], names: dict[str, int], strict: bool, zone: tzinfo, trusted: bool = False
) -> tuple[pa.Table, list[int], int]:
    """The lines as columns (`properties` as they came, `known` as in `_BIT`), but for those that are not surely what
    they must be; which these are; and how many lines are blank. Event types that are new are added to `names`.

    trusted: whether all are what they must be, for they were judged.
    """
    import numpy as np

    places: list[int] = []
    found: list[Any] = []
    extras: dict[int, dict[str, msgspec.Raw]] = {}
    doubtful: list[int] = []
    blank = 0
    for pos, raw in enumerate(raws):
        try:
            if not raw.isascii():
                raw.decode()
            try:
                found.append(_decode_envelope(raw))
            except msgspec.ValidationError:  # not an object, or one with other keys
                envelope, extras[len(places)] = taken_apart(raw, _decode_envelope)
                found.append(envelope)
            places.append(pos)
        except UNREADABLE:
            if raw.strip():
                doubtful.append(pos)
            else:
                blank += 1
    types, sure = _types([told.event_name for told in found], names)
    visitors, spelled = _texts([told.visitor_id for told in found])
    message_ids, written = _texts([told.message_id for told in found])
    ts, timely = _times(pa.array([told.event_timestamp for told in found], pa.string()), zone)
    table = pa.table(
        {
            "pos": pa.array(places, pa.int32()),
            "type": types["type"],
            "known": types["known"],
            "visitor_id": visitors,
            "ts": ts,
            "properties": _json([told.event_properties for told in found]),
            "context": _json([told.context for told in found]),
            "kind": pa.array([told.type or "track" for told in found], pa.string()),
            "message_id": pc.if_else(pc.equal(message_ids, ""), None, message_ids),
            "extra": _extra(extras, types["renamed"]),
        }
    )
    if not trusted:
        sure &= timely
        sure &= np.array([bool(text.strip()) for text in visitors.to_pylist()], bool)
        if strict:
            sure &= spelled & written
        for part, missing in (("properties", False), ("context", True)):
            plain = pc.and_not(pc.starts_with(table[part], "{"), pc.match_substring_regex(table[part], _ODD))
            sure &= plain.fill_null(missing).to_numpy()
        sure &= np.array([len(raws[pos]) <= _DEEP or not depth_error(raws[pos]) for pos in places], bool)
        if extras:
            sure &= ~pc.match_substring_regex(table["extra"], _ODD).fill_null(False).to_numpy()
        if not sure.all():
            doubtful += table["pos"].filter(pa.array(~sure)).to_pylist()
            table = table.filter(pa.array(sure))
    return table, sorted(doubtful), blank


def taken_apart(raw: bytes, decode: Callable[[bytes], Any]) -> tuple[Any, dict[str, msgspec.Raw]]:
    """The envelope of an object that has other keys too, as `decode` reads it, and these: they are kept. Among them is
    created_at, which is ours to set."""
    parts = _decode_parts(raw)
    extra = {key: part for key, part in parts.items() if key not in _Envelope.__struct_fields__}
    return decode(msgspec.json.encode({key: part for key, part in parts.items() if key not in extra})), extra


def _types(came: Sequence[str], names: dict[str, int]) -> tuple[pa.Table, Any]:
    """Of each event by its name as it came: the number of its type, the default event it is, and the name again where
    that is spelled otherwise; and whether it has a name at all."""
    told = pa.array(came, pa.string()).dictionary_encode()
    rows: list[tuple[int | None, int | None, str | None]] = []
    for text in told.dictionary.to_pylist():
        name = event_name(text)
        known = default_event(name)
        number = names.setdefault(name, len(names)) if name else None
        rows.append((number, _BIT[known.name] if known else None, None if name == text else text))
    types = table_of(_TYPE_ROW, rows).take(told.indices)
    return types, types["type"].is_valid().to_numpy()


def _texts(values: Sequence[str | int | None]) -> tuple[pa.Array, Any]:
    """Texts, and numbers as texts; and which ones came as texts (or not at all)."""
    import numpy as np

    try:
        return pa.array(values, pa.string()), np.ones(len(values), bool)
    except pa.ArrowTypeError:
        texts = [str(value) if type(value) is int else value for value in values]
        return pa.array(texts, pa.string()), np.array([type(value) is not int for value in values], bool)


def _times(told: pa.Array, zone: tzinfo) -> tuple[pa.Array, Any]:
    """The instants that texts tell, NULL for a missing one; and which ones can be read, or are missing."""
    import numpy as np

    plain = pc.match_substring_regex(told, _TIME + ("Z?$" if zone is UTC else "Z$"))
    try:
        ts = pc.utf8_rtrim(pc.if_else(plain, told, None), "Z").cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # there is no such day
        plain, ts = pc.is_null(told), pa.nulls(len(told), pa.timestamp("us"))
    timely = np.array(plain.fill_null(True))
    rest = np.flatnonzero(~timely)
    if len(rest):
        texts = told.take(pa.array(rest)).to_pylist()
        read = [time_of(text, zone) for text in texts]
        ts = pc.replace_with_mask(ts, pa.array(~timely), pa.array(read, pa.timestamp("us")))
        timely[rest] = [at is not None or is_missing(text) for at, text in zip(read, texts, strict=True)]
    return ts, timely


def _json(parts: Iterable[msgspec.Raw]) -> pa.Array:
    """JSON that is known to be UTF-8; `null` is NULL."""
    raws = [None if (raw := bytes(part)) == b"null" else raw for part in parts]
    return pa.array(raws, pa.binary()).view(pa.string())


def _extra(extras: Mapping[int, dict[str, msgspec.Raw]], renamed: pa.ChunkedArray) -> pa.Array:
    """What payloads have beside the envelope's keys, by row, and the events' names where these are spelled
    otherwise."""
    if not extras and renamed.null_count == len(renamed):
        return pa.nulls(len(renamed), pa.string())
    rows = []
    for row, came in enumerate(renamed.to_pylist()):
        told: dict[str, Any] = extras.get(row, {})
        if came is not None:
            told = {**told, "event_name": came}
        rows.append(msgspec.json.encode(told).decode() if told else None)
    return pa.array(rows, pa.string())


def _judge(
    raws: Sequence[bytes], doubtful: Iterable[int], failures: list[Failure], strict: bool, zone: tzinfo
) -> dict[int, bytes]:
    """Those of the doubtful lines that are valid, in plain JSON; the others are added to the failures."""
    mended: dict[int, bytes] = {}
    for pos in doubtful:
        judged = _judged(pos, raws[pos], strict, zone)
        if isinstance(judged, Failure):
            failures.append(judged)
        else:
            mended[pos] = judged
    return mended


def _judged(pos: int, raw: bytes, strict: bool, zone: tzinfo) -> Failure | bytes:
    """What is wrong with a line; or, where nothing is, the line in plain JSON: each key once, its parts as `_Envelope`
    wants them."""
    if too_deep := depth_error(raw):
        return Failure(pos, [too_deep])
    try:
        payload = msgspec.json.decode(raw)
    except UNREADABLE as error:
        return Failure(pos, [EventError("", "not_json", f"this is no JSON: {error}")])
    errors = validate(payload, strict, zone)
    if not isinstance(payload, dict):
        return Failure(pos, errors)
    texts = {key: text_of(payload.get(key)) for key in ("event_name", "visitor_id", "type", "message_id")}
    if errors:
        return Failure(pos, errors, texts["visitor_id"], texts["message_id"] or None)
    missing = {key: None for key in ("event_timestamp", "context") if is_missing(payload.get(key))}
    return json.dumps(payload | texts | missing).encode()


def _read(scratch: Session, envelopes: pa.Table) -> None:
    """Makes the tables `fields` (an event each) and `listed` (a line item each, but for those that are events
    themselves) of these events."""
    scratch.put("lines", envelopes.select(["pos", "type", "known", "properties"]))
    scratch.run(_FIELDS)
    for statement in _listed_sql(_survey(scratch, "fields")):
        scratch.run(statement)


_FIELDS: Final = (
    "CREATE OR REPLACE TEMP TABLE fields AS SELECT pos, type, known, properties, len(json_keys(properties)) AS keys, "
    f"{_object(_PROPERTIES, 'k_')} FROM (SELECT *, json_transform(properties, '{_structure(_PROPERTIES)}') AS told "
    "FROM lines)"
)


def _listed_sql(filled: Filled) -> tuple[str, str]:
    return (
        "CREATE OR REPLACE TEMP TABLE entries AS SELECT * EXCLUDE (list), unnest(list)::VARCHAR AS entry, "
        "generate_subscripts(list, 1) AS nth FROM ("
        f"SELECT pos, type, known, {_is_top(filled)} AS top, "
        "CASE WHEN known IS NULL THEN 'product' ELSE 'products' END AS path, "
        "json_extract(CASE WHEN known IS NOT NULL THEN CASE WHEN is_list(k_products) THEN k_products END "
        "WHEN is_list(k_product) THEN k_product WHEN is_object(k_product) THEN '[' || k_product || ']' END, '$[*]') "
        "AS list FROM fields WHERE k_products IS NOT NULL OR k_product IS NOT NULL)",
        "CREATE OR REPLACE TEMP TABLE listed AS SELECT pos, type, known, path, line, entry AS item, "
        f"len(json_keys(entry)) AS keys, {_object(ITEM_COLUMNS, 'i_')} FROM ("
        # What is no object is no line item, and has no number among them.
        "SELECT *, row_number() OVER (PARTITION BY pos ORDER BY nth) - 1 + top::INTEGER AS line, "
        f"json_transform(entry, '{_structure(ITEM_COLUMNS)}') AS told FROM entries WHERE is_object(entry))",
    )


def _survey(scratch: Session, *tables: str) -> Filled:
    """What these tables have in their columns: `fields`, `listed`."""
    columns: set[str] = set()
    plain: set[str] = set()
    for table in tables:
        every = _COLUMNS[table]
        numbers = [column for column, key in every.items() if key in NUMBERS]
        told = ", ".join(
            (
                *(f"count({column})" for column in every),
                *(f"bool_and(regexp_full_match({column}, '{_PLAIN}'))" for column in numbers),
            )
        )
        (found,) = scratch.rows(f"SELECT {told} FROM {table}")
        columns.update(column for column, count in zip(every, found, strict=False) if count)
        plain.update(column for column, fits in zip(numbers, found[len(every) :], strict=True) if fits)
    return Filled(columns, plain)


def _bad_sql(strict: bool, filled: Filled) -> str:
    """The places of the events that are not surely valid, and of those with a key twice."""
    own = _unfit({event.name: event.keys for event in DEFAULT_EVENTS.values()}, "k_", strict, filled)
    items = {event.name: event.items for event in DEFAULT_EVENTS.values() if event.items}
    return (
        f"SELECT pos FROM fields WHERE {own} OR {_is_twice('fields', filled)} "
        f"UNION SELECT pos FROM listed WHERE {_unfit(items, 'i_', strict, filled)} "
        f"OR {_is_twice('listed', filled)} "
        f"UNION SELECT pos FROM entries WHERE {_is_one_of(items)} AND NOT is_object(entry)"
    )


# ── tables to columns ─────────────────────────────────────────────────────────────────────────────────────────────


def drop(scratch: Session, envelopes: pa.Table, places: Iterable[int]) -> pa.Table:
    """The events without those at these places."""
    dropped = pa.array(places, pa.int32())
    scratch.put("dropped", pa.table({"pos": dropped}))
    for table in ("fields", "listed"):
        scratch.run(f"DELETE FROM {table} WHERE pos IN (SELECT pos FROM dropped)")
    return envelopes.filter(pc.invert(pc.is_in(envelopes["pos"], dropped)))


def columns(scratch: Session, told: Told) -> Columns:
    """The events of the batch that are left, as columns."""
    items = scratch.table(_items_sql(told.filled))
    scratch.put("items", items)
    known = _in_order(scratch.table(_events_sql(told.filled)))
    events = {name: told.envelopes[name] for name in told.envelopes.column_names if name != "known"}
    events |= {name: known[name] for name in known.column_names[1:]}
    for name in ("properties", "context", "extra"):
        events[name] = _known_json(events[name])
    items = items.set_column(items.column_names.index("item"), "item", _known_json(items["item"]))
    return Columns(pa.table(events), items, observe_distinct(_seen(scratch, told)))


def known_json(texts: pa.Array) -> pa.Array:
    """A column of JSON that has been read and is known to be valid: so it is not checked again."""
    return pa.ExtensionArray.from_storage(pa.json_(), texts)


def _known_json(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(map(known_json, texts.chunks), pa.json_())


def _in_order(events: pa.Table) -> pa.Table:
    """By their places in the batch: as they mostly come, so that the engine need not sort them."""
    import numpy as np

    places = events["pos"].to_numpy()
    return events if (places[1:] > places[:-1]).all() else events.take(np.argsort(places))


def _column(key: str, column: str, filled: Filled, told: str | None = None) -> str:
    """The values of a known key in a column (`told`: or in an expression of it alone), as its table has them."""
    number = key in NUMBERS
    if column not in filled.columns:
        return f"NULL::{'DOUBLE' if number else 'VARCHAR'}"
    return filled.number(column, told) if number else f"text_in({told or column})"


def _items_sql(filled: Filled) -> str:
    top = {key: told for key, told in _TOP_ITEM.items() if f"k_{key}" in filled.columns}
    whole = ", ".join(f"'\"{key}\":' || {told}" for key, told in top.items())
    return (
        "SELECT pos, type, line, "
        + ", ".join(f'{_column(key, f"i_{key}", filled)} AS "{key}"' for key in ITEM_COLUMNS)
        + ", item FROM listed UNION ALL SELECT pos, type, 0, "
        + ", ".join(_column(key, f"k_{key}", filled, _TOP_ITEM[key]) for key in ITEM_COLUMNS)
        + f", '{{' || concat_ws(',', {whole or 'NULL'}) || '}}' FROM fields WHERE {_is_top(filled)}"
    )


def _events_sql(filled: Filled) -> str:
    order = _is_one_of(name for name in DEFAULT_EVENTS if name.startswith("order-"))
    return (
        "WITH worth AS (SELECT pos, sum(price * coalesce(quantity, 1)) AS worth FROM items WHERE price IS NOT NULL "
        f"AND pos IN (SELECT pos FROM fields WHERE {order}) GROUP BY pos), told AS (SELECT pos, known, "
        + ", ".join(f'{_column(key, f"k_{key}", filled)} AS "{column}"' for key, column in event_columns().items())
        + " FROM fields) SELECT pos, "
        + ", ".join(event_columns().values())
        + f", CASE WHEN {order} THEN coalesce(p_total, worth) END AS order_value FROM told LEFT JOIN worth USING (pos)"
    )


def _shown(key: str, j: str) -> str:
    """A value as the catalog needs it: amounts are all alike, and of line items only that they are there."""
    shown = j if number_names(key) else f"CASE WHEN is_number({j}) THEN '0' ELSE {j} END"
    if key in ("product", "products"):
        lists = f"known IS {'NOT ' if key == 'products' else ''}NULL"
        return (
            f"CASE WHEN {lists} AND starts_with({j}, '[{{') THEN '[{{}}]' WHEN {lists} AND is_object({j}) THEN '{{}}' "
            f"ELSE {shown} END"
        )
    return shown


def _more_values(table: str, by: str, filled: Filled) -> str:
    """The values (as `_shown`) of the keys that have no column."""
    amount = "is_number(value) AND NOT regexp_matches(key, '(?i)(?:^|_)id$')"
    return (
        f"SELECT {by}, key, CASE WHEN {amount} THEN '0' ELSE coalesce(value, 'null') END AS value FROM ("
        f"SELECT * EXCLUDE (map), unnest(map_keys(map)) AS key, unnest(map_values(map))::VARCHAR AS value FROM ("
        f"SELECT {by}, from_json({_WHOLE[table]}, '\"MAP(VARCHAR,JSON)\"') AS map FROM {table} "
        f"WHERE {_has_more(table, filled)})) "
        f"WHERE value IS NULL OR NOT list_contains({list(_COLUMNS[table].values())}, key)"
    )


def _values(table: str, filled: Filled) -> dict[str, str]:
    return {key: _shown(key, column) for column, key in _COLUMNS[table].items() if column in filled.columns}


def _properties_seen(filled: Filled) -> str:
    """Each value of each property once: by event type, with how many events have it."""
    parts = [
        f"SELECT type, '{key}' AS key, {value} AS value, count(*) FROM fields WHERE k_{key} IS NOT NULL GROUP BY ALL"
        for key, value in _values("fields", filled).items()
    ]
    parts.append(f"SELECT type, key, value, count(*) FROM ({_more_values('fields', 'type', filled)}) GROUP BY ALL")
    return " UNION ALL ".join(parts)


def _items_seen(filled: Filled) -> str:
    """Each value of each key of line items once: by event type and path, with how many items and events have it."""
    told = _more_values("listed", "type, path, pos", filled)
    if values := _values("listed", filled):
        columns = ", ".join(f'{value} AS "{key}"' for key, value in values.items())
        listed = ", ".join(f'"{key}"' for key in values)
        told = (
            f"SELECT type, path, pos, key, value FROM (SELECT type, path, pos, {columns} FROM listed) "
            f"UNPIVOT (value FOR key IN ({listed})) UNION ALL {told}"
        )
    return (
        "SELECT type, path, key, value, sum(lines)::BIGINT, count(*) FROM ("
        f"SELECT *, count(*) AS lines FROM ({told}) GROUP BY ALL) GROUP BY ALL"
    )


def _seen(scratch: Session, told: Told) -> Seen:
    contexts = told.envelopes.filter(told.envelopes["context"].is_valid()).group_by(["type", "context"])
    counted = contexts.aggregate([("pos", "count")])
    return Seen(
        [(told.names[number], *rest) for number, *rest in scratch.rows(_properties_seen(told.filled))],
        [(told.names[number], *rest) for number, *rest in scratch.rows(_items_seen(told.filled))],
        [(told.names[row["type"]], row["context"], row["pos_count"]) for row in counted.to_pylist()],
    )
