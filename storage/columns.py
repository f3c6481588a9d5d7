"""Lines of JSON to the columns of events, in SQL: what surely is valid goes on, the rest is judged one by one.

`storage.event` says what a valid event is. The conditions here are made from the same data and are stricter: a line
that meets them is valid, a line that does not is handed to `event.validate`. What that finds valid comes back in plain
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

import msgspec
import pyarrow as pa

from storage.backends import Session
from storage.catalog import Seen, number_names, table_of
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
from storage.source import UNREADABLE


@dataclass(frozen=True, slots=True)
class Told:
    """A batch of lines after it was read: the failures among them, how many are blank, and the event types of the
    others. The events themselves are in the scratch engine, until `columns` takes them from there."""

    failures: list[Failure]
    blank: int
    names: list[str]


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
    seen: Seen


# ── what the SQL is made of ───────────────────────────────────────────────────────────────────────────────────────

_ENVELOPE: Final = ("event_name", "visitor_id", "event_properties", "event_timestamp", "context", "type", "message_id")
_OWN: Final[Mapping[str, frozenset[str]]] = {
    event.name: frozenset(key.name for key in event.keys) for event in DEFAULT_EVENTS.values()
}
_PROPERTIES: Final = tuple(
    dict.fromkeys(
        (*(key for own in _OWN.values() for key in sorted(own)), *event_columns(), *sorted(ITEM_KEYS), "product")
    )
)
"""The properties that are read into columns; any other is looked for where an object has more keys than these."""


# What DuckDB reads and JSON does not have: NaN, Infinity, a comma too many, numbers past a double's range. Text that
# only looks like it costs a second reading.
_ODD: Final = r"[:,\[]\s*-?(?i:nan|inf(?:inity)?)\s*[,}\]]|,\s*[}\]]|[:,\[]\s*-?[0-9.]+[eE]\+?[0-9]{3}"
_DEEP: Final = 600  # brackets: fewer are surely not nested deeper than the decoder goes
_TIME: Final = r'"[12][0-9]{3}-[01][0-9]-[0-3][0-9][ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?'

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
    # Whatever a payload has beside the envelope's keys, and the event's name where it was spelled otherwise.
    f"""CREATE OR REPLACE TEMP MACRO extra_in(raw, renamed) AS nullif(to_json(map_from_entries(list_concat(
        list_filter(map_entries(from_json(raw, '"MAP(VARCHAR,JSON)"')),
        lambda entry: NOT list_contains({list(_ENVELOPE)}, entry.key)),
        CASE WHEN renamed IS NULL THEN [] ELSE [{{'key': 'event_name', 'value': renamed::JSON}}] END)))::VARCHAR,
        '{{}}')""",
)


def _object(keys: Iterable[str], prefix: str) -> str:
    """The keys of an object as columns of JSON texts, NULL where it has none: for `FROM (SELECT …, told)`."""
    return ", ".join(f'told."{key}"::VARCHAR AS {prefix}{key}' for key in keys)


def _structure(keys: Iterable[str]) -> str:
    return msgspec.json.encode(dict.fromkeys(keys, "JSON")).decode()


def _given(keys: Iterable[str], prefix: str) -> str:
    """How many of these columns are there."""
    return " + ".join(f"({prefix}{key} IS NOT NULL)::INTEGER" for key in keys)


def _fits(key: EventKey, prefix: str, strict: bool) -> str:
    """That a column surely holds what the key must be."""
    j = prefix + key.name
    text = f"is_text({j})" if strict else f"(is_text({j}) OR is_number({j}))"
    match key.type:
        case "string":
            fits, there = text, f"says({j})"
        case "numeric":
            fits, there = f"number_in({j}) IS NOT NULL", "true"
        case "array":
            fits, there = f"(is_list({j}) OR is_object({j}))" if key.name == "meta" else f"is_list({j})", f"{j} <> '[]'"
    return f"coalesce({fits} AND {there}, false)" if key.required else f"({j} IS NULL OR {fits})"


def _by_type(rules: Mapping[str, tuple[EventKey, ...]], prefix: str, strict: bool) -> str:
    """That the columns surely hold what the keys of the row's event type must be."""
    cases = " ".join(
        f"WHEN '{name}' THEN {' AND '.join(_fits(key, prefix, strict) for key in keys)}"
        for name, keys in rules.items()
        if keys
    )
    return f"(known IS NULL OR CASE known {cases} ELSE true END)"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_ABOUT: Final = _listed(event.name for event in DEFAULT_EVENTS.values() if event.about_product)


def _top_item(key: str) -> str:
    """What a product key says of the product at the top level of an event: nothing, where it is the event's own."""
    own = [event.name for event in DEFAULT_EVENTS.values() if key in _OWN[event.name] and not event.about_product]
    return f"CASE WHEN known NOT IN ({_listed(own)}) THEN k_{key} END" if own else f"k_{key}"


_TOP_ITEM: Final = {key: _top_item(key) for key in sorted(ITEM_KEYS)}


_NAME_ROW: Final = pa.schema(
    [("came", pa.string()), ("type", pa.int32()), ("known", pa.string()), ("renamed", pa.string())]
)
_TIME_ROW: Final = pa.schema([("came", pa.string()), ("ts", pa.timestamp("us"))])


# ── lines to tables ───────────────────────────────────────────────────────────────────────────────────────────────


def read_lines(scratch: Session, lines: pa.Array, raw: Callable[[int], bytes], strict: bool, zone: tzinfo) -> Told:
    """Reads a batch of lines, a JSON object each, into the scratch engine.

    Args:
        lines: the texts; NULL, where one is no text.
        raw: the bytes of the nth of them; nothing, where it is blank.
        strict: whether a number for a string key is wrong.
        zone: of times without an offset.
    """
    for macro in _MACROS:
        scratch.run(macro)
    names: dict[str, int] = {}
    _read(scratch, range(len(lines)), lines, names, zone, strict=strict, trusted=False)
    missing = scratch.rows(
        f"SELECT range FROM range({len(lines)}) WHERE range NOT IN (SELECT pos FROM fields) ORDER BY 1"
    )
    failures: list[Failure] = []
    mended: dict[int, str] = {}
    blank = 0
    for (pos,) in missing:
        if came := raw(pos):
            judged = _judge(pos, came, strict, zone)
            if isinstance(judged, Failure):
                failures.append(judged)
            else:
                mended[pos] = judged
        else:
            blank += 1
    if mended:
        for table in ("fields", "listed"):
            scratch.run(f"ALTER TABLE {table} RENAME TO sure_{table}")
        _read(scratch, mended, pa.array(mended.values(), pa.string()), names, zone, strict=strict, trusted=True)
        for table in ("fields", "listed"):
            scratch.run(f"INSERT INTO {table} SELECT * FROM sure_{table}")
            scratch.run(f"DROP TABLE sure_{table}")
    return Told(failures, blank, list(names))


def texts(raws: Sequence[bytes]) -> pa.Array:
    """Lines as texts; NULL for what is no UTF-8."""
    try:
        return pa.array(raws, pa.string())
    except pa.ArrowInvalid:
        return pa.array([raw if _is_utf8(raw) else None for raw in raws], pa.string())


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _judge(pos: int, raw: bytes, strict: bool, zone: tzinfo) -> Failure | str:
    """What is wrong with a line; or, where nothing is, the line in plain JSON: each key once, finite numbers."""
    try:
        payload = msgspec.json.decode(raw)
    except UNREADABLE as error:
        return Failure(pos, [EventError("", "not_json", f"this is no JSON: {error}")])
    errors = validate(payload, strict, zone)
    if not errors:
        return json.dumps(payload)
    if not isinstance(payload, dict):
        return Failure(pos, errors)
    return Failure(pos, errors, text_of(payload.get("visitor_id")), text_of(payload.get("message_id")) or None)


def _read(
    scratch: Session,
    places: Iterable[int],
    raws: pa.Array,
    names: dict[str, int],
    zone: tzinfo,
    *,
    strict: bool,
    trusted: bool,
) -> None:
    """Makes the tables `fields` (an event each) and `listed` (a line item each, but for those that are events
    themselves) of these lines. Event types that are new are added to `names`."""
    scratch.put("lines", pa.table({"pos": pa.array(places, pa.int32()), "raw": raws}))
    scratch.run(_envelope_sql(strict, trusted, zone is UTC))
    scratch.put("names", _names(scratch, names))
    scratch.put("times", _times(scratch, zone))
    scratch.run(_FIELDS)
    for statement in _LISTED:
        scratch.run(statement)
    if not trusted:
        scratch.run(_bad_sql(strict))
        if scratch.rows("SELECT count(*) FROM bad")[0][0]:
            scratch.run("DELETE FROM fields WHERE pos IN (SELECT pos FROM bad)")
            scratch.run("DELETE FROM listed WHERE pos IN (SELECT pos FROM bad)")


def _names(scratch: Session, names: dict[str, int]) -> pa.Table:
    """The event names that came (JSON): the number of the event type, the default event it is, and itself, where it was
    spelled otherwise."""
    rows = []
    for (came,) in scratch.rows("SELECT DISTINCT event_name FROM envelope WHERE clean ORDER BY 1"):
        text = text_of(msgspec.json.decode(came))
        if text and text.strip():
            name = event_name(text)
            known = default_event(name)
            number = names.setdefault(name, len(names))
            rows.append((came, number, known.name if known else None, None if name == text else came))
    return table_of(_NAME_ROW, rows)


def _times(scratch: Session, zone: tzinfo) -> pa.Table:
    """The times that SQL did not read."""
    rows = []
    unread = (
        "SELECT DISTINCT event_timestamp FROM envelope WHERE clean AND told_at IS NULL AND event_timestamp IS NOT NULL"
    )
    for (came,) in scratch.rows(unread):
        text = msgspec.json.decode(came)
        at = time_of(text, zone)
        if at or is_missing(text):
            rows.append((came, at))
    return table_of(_TIME_ROW, rows)


def _envelope_sql(strict: bool, trusted: bool, utc: bool) -> str:
    """`envelope`: the parts of each event as JSON texts; `clean`, where these surely are what they must be."""
    texty = "is_text({0})" if strict else "(is_text({0}) OR is_number({0}))"
    clean = (
        "true"
        if trusted
        else f"NOT odd AND {texty.format('event_name')} AND {texty.format('visitor_id')} AND says(visitor_id) "
        "AND is_object(event_properties) AND (context IS NULL OR is_object(context)) "
        f"AND (type IS NULL OR {texty.format('type')}) AND (message_id IS NULL OR {texty.format('message_id')}) "
        "AND CASE WHEN more THEN len(list_distinct(keys)) = len(keys) ELSE true END"
    )
    time = _TIME + ('Z?"' if utc else 'Z"')
    return (
        "CREATE OR REPLACE TEMP TABLE envelope AS "
        f"SELECT *, coalesce({clean}, false) AS clean, CASE WHEN regexp_full_match(event_timestamp, '{time}') "
        "THEN TRY_CAST(trim(event_timestamp, '\"') AS TIMESTAMP) END AS told_at FROM ("
        f"SELECT *, len(keys) > {_given(_ENVELOPE, '')} AS more FROM ("
        f"SELECT pos, raw, odd, keys, {_object(_ENVELOPE, '')} FROM ("
        f"SELECT pos, raw, json_keys(raw) AS keys, json_transform(raw, '{_structure(_ENVELOPE)}') AS told, "
        f"regexp_matches(raw, '{_ODD}') OR CASE WHEN strlen(raw) > 1500 "
        f"THEN length(raw) - length(replace(replace(raw, '[', ''), '{{', '')) > {_DEEP} ELSE false END AS odd "
        "FROM lines WHERE json_valid(raw))))"
    )


_FIELDS: Final = (
    # top: whether the event tells about a product at its own top level
    "CREATE OR REPLACE TEMP TABLE fields AS SELECT *, len(keys) > given AS more, known IS NOT NULL AND "
    f"(known IN ({_ABOUT}) OR k_product_id IS NOT NULL) AND coalesce({', '.join(_TOP_ITEM.values())}) IS NOT NULL "
    f"AS top FROM (SELECT *, {_given(_PROPERTIES, 'k_')} AS given FROM ("
    "SELECT pos, type, known, visitor_id, ts, properties, context, kind, message_id, extra, keys, "
    f"{_object(_PROPERTIES, 'k_')} FROM ("
    "SELECT pos, n.type, n.known, text_in(visitor_id) AS visitor_id, coalesce(told_at, t.ts) AS ts, "
    "event_properties AS properties, CASE WHEN is_object(context) THEN context END AS context, "
    "coalesce(nullif(text_in(e.type), ''), 'track') AS kind, "
    "nullif(text_in(message_id), '') AS message_id, "
    "CASE WHEN more OR n.renamed IS NOT NULL THEN extra_in(raw, n.renamed) END AS extra, "
    "json_keys(event_properties) AS keys, "
    f"json_transform(event_properties, '{_structure(_PROPERTIES)}') AS told "
    "FROM envelope e JOIN names n ON e.event_name = n.came LEFT JOIN times t ON e.event_timestamp = t.came "
    "WHERE clean AND (event_timestamp IS NULL OR told_at IS NOT NULL OR t.came IS NOT NULL))))"
)

_LISTED: Final = (
    "CREATE OR REPLACE TEMP TABLE entries AS SELECT * EXCLUDE (list), unnest(list)::VARCHAR AS entry, "
    "generate_subscripts(list, 1) AS nth FROM ("
    "SELECT pos, type, known, top, CASE WHEN known IS NULL THEN 'product' ELSE 'products' END AS path, "
    "json_extract(CASE WHEN known IS NOT NULL THEN CASE WHEN is_list(k_products) THEN k_products END "
    "WHEN is_list(k_product) THEN k_product WHEN is_object(k_product) THEN '[' || k_product || ']' END, '$[*]') "
    "AS list FROM fields WHERE k_products IS NOT NULL OR k_product IS NOT NULL)",
    "CREATE OR REPLACE TEMP TABLE listed AS SELECT * EXCLUDE (given), len(keys) > given AS more FROM ("
    f"SELECT *, {_given(ITEM_COLUMNS, 'i_')} AS given FROM ("
    f"SELECT pos, type, known, path, line, entry AS item, keys, {_object(ITEM_COLUMNS, 'i_')} FROM ("
    # What is no object is no line item, and has no number among them.
    "SELECT *, row_number() OVER (PARTITION BY pos ORDER BY nth) - 1 + top::INTEGER AS line, "
    f"json_keys(entry) AS keys, json_transform(entry, '{_structure(ITEM_COLUMNS)}') AS told "
    "FROM entries WHERE is_object(entry))))",
)


def _bad_sql(strict: bool) -> str:
    """`bad`: the events that are not surely valid, and those with a key twice."""
    own = _by_type({event.name: event.keys for event in DEFAULT_EVENTS.values()}, "k_", strict)
    items = {event.name: event.items for event in DEFAULT_EVENTS.values() if event.items}
    twice = "CASE WHEN more THEN len(list_distinct(keys)) < len(keys) ELSE false END"
    return (
        f"CREATE OR REPLACE TEMP TABLE bad AS SELECT pos FROM fields WHERE NOT {own} OR {twice} "
        f"UNION ALL SELECT pos FROM listed WHERE NOT {_by_type(items, 'i_', strict)} OR {twice} "
        f"UNION ALL SELECT pos FROM entries WHERE known IN ({_listed(items)}) AND NOT is_object(entry)"
    )


# ── tables to columns ─────────────────────────────────────────────────────────────────────────────────────────────


def asked(scratch: Session) -> pa.Table:
    """Who and which message each event is about: pos, visitor_id, message_id."""
    return scratch.table("SELECT pos, visitor_id, message_id FROM fields ORDER BY pos")


def drop(scratch: Session, places: Iterable[int]) -> None:
    """Forgets the events at these places."""
    scratch.put("dropped", pa.table({"pos": pa.array(places, pa.int32())}))
    for table in ("fields", "listed"):
        scratch.run(f"DELETE FROM {table} WHERE pos IN (SELECT pos FROM dropped)")


def columns(scratch: Session, names: Sequence[str]) -> Columns:
    """The events of the batch that are left, as columns."""
    scratch.run(_ITEMS)
    return Columns(scratch.table(_EVENTS), scratch.table("SELECT * FROM items"), _seen(scratch, names))


def _column(key: str, j: str) -> str:
    return f"number_in({j})" if key in NUMBERS else f"text_in({j})"


_ITEMS: Final = (
    "CREATE OR REPLACE TEMP TABLE items AS SELECT pos, type, line, "
    + ", ".join(f'{_column(key, f"i_{key}")} AS "{key}"' for key in ITEM_COLUMNS)
    + ", item FROM listed UNION ALL SELECT pos, type, 0, "
    + ", ".join(_column(key, _TOP_ITEM[key]) for key in ITEM_COLUMNS)
    + ", '{' || concat_ws(',', "
    + ", ".join(f"'\"{key}\":' || {told}" for key, told in _TOP_ITEM.items())
    + ") || '}' FROM fields WHERE top"
)
_EVENTS: Final = (
    "WITH worth AS (SELECT pos, sum(price * coalesce(quantity, 1)) AS worth FROM items WHERE price IS NOT NULL "
    "GROUP BY pos), told AS (SELECT *, "
    + ", ".join(f'{_column(key, f"k_{key}")} AS "{column}"' for key, column in event_columns().items())
    + " FROM fields) SELECT pos, type, visitor_id, ts, properties, context, kind, message_id, extra, "
    + ", ".join(event_columns().values())
    + f", CASE WHEN known IN ({_listed(name for name in DEFAULT_EVENTS if name.startswith('order-'))}) "
    "THEN coalesce(p_total, worth) END AS order_value FROM told LEFT JOIN worth USING (pos) ORDER BY pos"
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


def _distinct(table: str, source: str, prefix: str, keys: Iterable[str], by: str, counts: str) -> str:
    """Each value of each key once, by event type (and what else `by` names), with these counts."""
    known = [
        f"SELECT {by}, '{key}' AS key, {_shown(key, prefix + key)} AS value, {counts} FROM {table} "
        f"WHERE {prefix}{key} IS NOT NULL GROUP BY ALL"
        for key in keys
    ]
    amount = "is_number(value) AND NOT regexp_matches(key, '(?i)(?:^|_)id$')"
    rest = (
        f"SELECT {by}, key, CASE WHEN {amount} THEN '0' ELSE coalesce(value, 'null') END AS value, {counts} FROM ("
        f"SELECT * EXCLUDE (map), unnest(map_keys(map)) AS key, unnest(map_values(map))::VARCHAR AS value FROM ("
        f"SELECT pos, {by}, from_json({source}, '\"MAP(VARCHAR,JSON)\"') AS map FROM {table} WHERE more)) "
        f"WHERE value IS NULL OR key NOT IN ({_listed(keys)}) GROUP BY ALL"
    )
    return " UNION ALL ".join((*known, rest))


_SEEN_PROPERTIES: Final = _distinct("fields", "properties", "k_", _PROPERTIES, "type", "count(*)")
_SEEN_ITEMS: Final = _distinct("listed", "item", "i_", ITEM_COLUMNS, "type, path", "count(*), count(DISTINCT pos)")
_SEEN_CONTEXTS: Final = "SELECT type, context, count(*) FROM fields WHERE context IS NOT NULL GROUP BY ALL"


def _seen(scratch: Session, names: Sequence[str]) -> Seen:
    return Seen(
        [(names[number], *rest) for number, *rest in scratch.rows(_SEEN_PROPERTIES)],
        [(names[number], *rest) for number, *rest in scratch.rows(_SEEN_ITEMS)],
        [(names[number], *rest) for number, *rest in scratch.rows(_SEEN_CONTEXTS)],
    )
