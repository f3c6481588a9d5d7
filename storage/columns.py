"""Lines of JSON to the columns of events, in SQL: what surely is valid goes on, the rest is judged one by one.

`storage.event` says what a valid event is. The conditions here are made from the same data and are stricter: a line
that meets them is valid, a line that does not is handed to `event.validate`. What that finds valid comes back in plain
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

import msgspec
import pyarrow as pa

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
    others. The events themselves are in the scratch engine, until `columns` takes them from there."""

    failures: list[Failure]
    blank: int
    names: list[str]
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
_FIELD_COLUMNS: Final = {f"k_{key}": key for key in _PROPERTIES}
_LISTED_COLUMNS: Final = {f"i_{key}": key for key in ITEM_COLUMNS}
_PLAIN: Final = '"?-?[0-9]+(?:[.][0-9]+)?"?'

# What DuckDB reads and JSON does not have: NaN, Infinity, a comma too many, numbers past a double's range. Text that
# only looks like it costs a second reading.
_ODD: Final = r"[:,\[]\s*-?(?i:nan|inf(?:inity)?)\s*[,}\]]|,\s*[}\]]|[:,\[]\s*-?[0-9.]+[eE]\+?[0-9]{3}"
_DEEP: Final = 2 * DEEPEST + 50  # characters: what is shorter and has the envelope's keys is not nested deeper
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


def _more(whole: str, columns: Mapping[str, str]) -> str:
    """That an object has more than the columns of its keys tell: another key, one twice, a null. The engine has written
    it without spaces, so it is as long as what they tell."""
    told = " + ".join(f"coalesce(strlen({column}) + {len(key) + 4}, 0)" for column, key in columns.items())
    return f"strlen({whole}) <> 1 + {told}"


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


_NAME_ROW: Final = pa.schema(
    [("came", pa.string()), ("type", pa.int32()), ("known", pa.int64()), ("renamed", pa.string())]
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
    filled = _survey(scratch)
    scratch.run(_bad_sql(strict, filled))
    if scratch.rows("SELECT count(*) FROM bad")[0][0]:
        for table in ("fields", "listed"):
            scratch.run(f"DELETE FROM {table} WHERE pos IN (SELECT pos FROM bad)")
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
        filled = _survey(scratch)
    return Told(failures, blank, list(names), filled)


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
    if too_deep := depth_error(raw):
        return Failure(pos, [too_deep])
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
    times = _times(scratch, zone)
    scratch.put("times", times)
    ((extras,),) = scratch.rows(
        "SELECT coalesce(bool_or(more OR renamed IS NOT NULL), false) FROM envelope JOIN names ON event_name = came"
    )
    scratch.run(_fields_sql(extras, times.num_rows > 0))
    scratch.run("DROP TABLE envelope")  # it is the largest
    for statement in _LISTED:
        scratch.run(statement)


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
            rows.append((came, number, _BIT[known.name] if known else None, None if name == text else came))
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
    given = " + ".join(f"({key} IS NOT NULL)::INTEGER" for key in _ENVELOPE)
    return (
        "CREATE OR REPLACE TEMP TABLE envelope AS "
        f"SELECT *, coalesce({clean}, false) AS clean, CASE WHEN regexp_full_match(event_timestamp, '{time}') "
        "THEN TRY_CAST(trim(event_timestamp, '\"') AS TIMESTAMP) END AS told_at FROM ("
        f"SELECT *, len(keys) > {given} AS more FROM ("
        f"SELECT pos, raw, odd, keys, {_object(_ENVELOPE, '')} FROM ("
        f"SELECT pos, raw, json_keys(raw) AS keys, json_transform(raw, '{_structure(_ENVELOPE)}') AS told, "
        f"regexp_matches(raw, '{_ODD}') OR CASE WHEN strlen(raw) > {_DEEP} "
        f"THEN length(raw) - length(replace(replace(raw, '[', ''), '{{', '')) > {DEEPEST} ELSE false END AS odd "
        "FROM lines WHERE json_valid(raw))))"
    )


def _fields_sql(extras: bool, times: bool) -> str:
    """`fields`; whether any event has more than the envelope's keys, and whether times are to be looked up."""
    extra = "CASE WHEN more OR n.renamed IS NOT NULL THEN extra_in(raw, n.renamed) END" if extras else "NULL::VARCHAR"
    at, told = ("coalesce(told_at, t.ts)", " OR t.came IS NOT NULL") if times else ("told_at", "")
    return (
        # top: whether the event tells about a product at its own top level
        "CREATE OR REPLACE TEMP TABLE fields AS SELECT *, CASE WHEN more THEN json_keys(properties) END AS keys, "
        f"known IS NOT NULL AND ({_ABOUT} OR k_product_id IS NOT NULL) "
        f"AND coalesce({', '.join(_TOP_ITEM.values())}) IS NOT NULL AS top "
        f"FROM (SELECT *, {_more('properties', _FIELD_COLUMNS)} AS more FROM ("
        "SELECT pos, type, known, visitor_id, ts, properties, context, kind, message_id, extra, "
        f"{_object(_PROPERTIES, 'k_')} FROM ("
        f"SELECT pos, n.type, n.known, text_in(visitor_id) AS visitor_id, {at} AS ts, "
        "event_properties AS properties, CASE WHEN is_object(context) THEN context END AS context, "
        "coalesce(nullif(text_in(e.type), ''), 'track') AS kind, "
        f"nullif(text_in(message_id), '') AS message_id, {extra} AS extra, "
        f"json_transform(event_properties, '{_structure(_PROPERTIES)}') AS told "
        f"FROM envelope e JOIN names n ON e.event_name = n.came "
        f"{'LEFT JOIN times t ON e.event_timestamp = t.came ' if times else ''}"
        f"WHERE clean AND (event_timestamp IS NULL OR told_at IS NOT NULL{told}))))"
    )


_LISTED: Final = (
    "CREATE OR REPLACE TEMP TABLE entries AS SELECT * EXCLUDE (list), unnest(list)::VARCHAR AS entry, "
    "generate_subscripts(list, 1) AS nth FROM ("
    "SELECT pos, type, known, top, CASE WHEN known IS NULL THEN 'product' ELSE 'products' END AS path, "
    "json_extract(CASE WHEN known IS NOT NULL THEN CASE WHEN is_list(k_products) THEN k_products END "
    "WHEN is_list(k_product) THEN k_product WHEN is_object(k_product) THEN '[' || k_product || ']' END, '$[*]') "
    "AS list FROM fields WHERE k_products IS NOT NULL OR k_product IS NOT NULL)",
    "CREATE OR REPLACE TEMP TABLE listed AS SELECT *, CASE WHEN more THEN json_keys(item) END AS keys FROM ("
    f"SELECT *, {_more('item', _LISTED_COLUMNS)} AS more FROM ("
    f"SELECT pos, type, known, path, line, entry AS item, {_object(ITEM_COLUMNS, 'i_')} FROM ("
    # What is no object is no line item, and has no number among them.
    "SELECT *, row_number() OVER (PARTITION BY pos ORDER BY nth) - 1 + top::INTEGER AS line, "
    f"json_transform(entry, '{_structure(ITEM_COLUMNS)}') AS told FROM entries WHERE is_object(entry))))",
)


def _survey(scratch: Session) -> Filled:
    """What `fields` and `listed` have in their columns."""
    columns: set[str] = set()
    plain: set[str] = set()
    for table, every in (("fields", _FIELD_COLUMNS), ("listed", _LISTED_COLUMNS)):
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
    """`bad`: the events that are not surely valid, and those with a key twice."""
    own = _unfit({event.name: event.keys for event in DEFAULT_EVENTS.values()}, "k_", strict, filled)
    items = {event.name: event.items for event in DEFAULT_EVENTS.values() if event.items}
    twice = "(more AND len(list_distinct(keys)) < len(keys))"
    return (
        f"CREATE OR REPLACE TEMP TABLE bad AS SELECT pos FROM fields WHERE {own} OR {twice} "
        f"UNION ALL SELECT pos FROM listed WHERE {_unfit(items, 'i_', strict, filled)} OR {twice} "
        f"UNION ALL SELECT pos FROM entries WHERE {_is_one_of(items)} AND NOT is_object(entry)"
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


def columns(scratch: Session, told: Told) -> Columns:
    """The events of the batch that are left, as columns."""
    scratch.run(_items_sql(told.filled))
    events = _in_order(scratch.table(_events_sql(told.filled)))
    items = scratch.table("SELECT * FROM items")
    scratch.run("DROP TABLE items")
    return Columns(events, items, observe_distinct(_seen(scratch, told)))


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
        "CREATE OR REPLACE TEMP TABLE items AS SELECT pos, type, line, "
        + ", ".join(f'{_column(key, f"i_{key}", filled)} AS "{key}"' for key in ITEM_COLUMNS)
        + ", item FROM listed UNION ALL SELECT pos, type, 0, "
        + ", ".join(_column(key, f"k_{key}", filled, _TOP_ITEM[key]) for key in ITEM_COLUMNS)
        + f", '{{' || concat_ws(',', {whole or 'NULL'}) || '}}' FROM fields WHERE top"
    )


def _events_sql(filled: Filled) -> str:
    return (
        "WITH worth AS (SELECT pos, sum(price * coalesce(quantity, 1)) AS worth FROM items WHERE price IS NOT NULL "
        "GROUP BY pos), told AS (SELECT *, "
        + ", ".join(f'{_column(key, f"k_{key}", filled)} AS "{column}"' for key, column in event_columns().items())
        + " FROM fields) SELECT pos, type, visitor_id, ts, properties, context, kind, message_id, extra, "
        + ", ".join(event_columns().values())
        + f", CASE WHEN {_is_one_of(name for name in DEFAULT_EVENTS if name.startswith('order-'))} "
        "THEN coalesce(p_total, worth) END AS order_value FROM told LEFT JOIN worth USING (pos)"
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


def _distinct(table: str, source: str, every: Mapping[str, str], filled: Filled, by: str, counts: str) -> str:
    """Each value of each key once, by event type (and what else `by` names), with these counts."""
    known = [
        f"SELECT {by}, '{key}' AS key, {_shown(key, column)} AS value, {counts} FROM {table} "
        f"WHERE {column} IS NOT NULL GROUP BY ALL"
        for column, key in every.items()
        if column in filled.columns
    ]
    amount = "is_number(value) AND NOT regexp_matches(key, '(?i)(?:^|_)id$')"
    rest = (
        f"SELECT {by}, key, CASE WHEN {amount} THEN '0' ELSE coalesce(value, 'null') END AS value, {counts} FROM ("
        f"SELECT * EXCLUDE (map), unnest(map_keys(map)) AS key, unnest(map_values(map))::VARCHAR AS value FROM ("
        f"SELECT pos, {by}, from_json({source}, '\"MAP(VARCHAR,JSON)\"') AS map FROM {table} WHERE more)) "
        f"WHERE value IS NULL OR NOT list_contains({list(every.values())}, key) GROUP BY ALL"
    )
    return " UNION ALL ".join((*known, rest))


def _seen(scratch: Session, told: Told) -> Seen:
    properties = _distinct("fields", "properties", _FIELD_COLUMNS, told.filled, "type", "count(*)")
    items = _distinct("listed", "item", _LISTED_COLUMNS, told.filled, "type, path", "count(*), count(DISTINCT pos)")
    contexts = "SELECT type, context, count(*) FROM fields WHERE context IS NOT NULL GROUP BY ALL"
    return Seen(
        [(told.names[number], *rest) for number, *rest in scratch.rows(properties)],
        [(told.names[number], *rest) for number, *rest in scratch.rows(items)],
        [(told.names[number], *rest) for number, *rest in scratch.rows(contexts)],
    )
