"""Columns to what is known of them: event types, keys, values, products; and the Vocabulary that answers from it.

Everything here is written in the transaction that writes the events, so the catalog and the events always agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from grammar.query import Condition, Query
from grammar.vocabulary import EventType, Holds, Key, KeyLevel, Value, fold
from storage.backends import Backend, Session, Snapshot
from storage.columns import Group, Values, groups_of
from storage.event import ITEM_KEYS, default_event, number_in
from storage.schema import (
    ATTRIBUTE_COLUMNS,
    EVENT_NUMBERS,
    ITEM_NUMBERS,
    ITEM_TEXTS,
    LONGEST_VALUE,
    NUMBERS,
    PRODUCT_FIELDS,
    PRODUCT_KEYS,
    TABLES,
    VARIANT_FIELDS,
    Column,
    Layout,
    Ordered,
    event_columns,
)

# ── what values hold ──────────────────────────────────────────────────────────────────────────────────────────────

_DIGIT: Final = re.compile("[0-9]")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?.{0,6})?")
_ID: Final = re.compile(r"(?:^|_)id$", re.IGNORECASE)
_JSON_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


@lru_cache(maxsize=65536)
def _holds(text: str) -> Holds:
    """What a text that is not blank holds."""
    if not _DIGIT.search(text):
        return "text"
    if number_in(text) is not None:
        return "number"
    if _DATE.fullmatch(text.strip()):
        try:
            datetime.fromisoformat(text.strip()[:10])
            return "date"
        except ValueError:
            return "text"
    return "text"


_WORDY: Final = "[A-Za-z]{4}"  # so many letters in a row are in no number, and in a date only behind its year
_YEAR: Final = "[0-9]{4}-"
_SOME: Final = 32  # texts that are sooner looked at all together


def _all_hold(texts: pa.Array) -> set[Holds]:
    """What texts of an Arrow column that are not blank hold: the most are told from the rest at once."""
    digits = pc.match_substring_regex(texts, "[0-9]")
    wordy = pc.and_not(pc.match_substring_regex(texts, _WORDY), pc.match_substring_regex(texts, _YEAR))
    rest = texts.filter(pc.and_not(digits, wordy))
    found: set[Holds] = {"text"} if len(rest) < len(texts) else set()
    return found.union(map(_holds, rest.to_pylist()))


def _letters(folded: str) -> int:
    """Which bytes a folded text has, a bit each. Texts a few edits apart differ in few bits."""
    bits = 0
    for byte in set(folded.encode()):
        bits |= 1 << (byte % 63)
    return bits


def _all_letters(folded: pa.Array) -> pa.Array:
    """`_letters` of each text of an Arrow column, all at once."""
    import numpy as np

    lengths = np.frombuffer(folded.buffers()[1], np.int32, len(folded) + 1)
    data = np.frombuffer(folded.buffers()[2] or b"", np.uint8)
    # reduceat gives a text without bytes what comes next (one element more, for a last one): that is set right below.
    ends = np.append(np.int64(1) << (data % 63).astype(np.int64), 0)
    bits = np.bitwise_or.reduceat(ends, lengths[:-1])
    bits[lengths[1:] == lengths[:-1]] = 0
    return pa.array(bits, pa.int64())


_decode: Final = msgspec.json.Decoder().decode
_NAMING: Final = frozenset(ITEM_TEXTS)


def number_names(key: str) -> bool:
    """Whether a number under this key is a name to be looked up by (an id, a sku) and not an amount."""
    return key in _NAMING or bool(_ID.search(key))


def _read(key: str, value: object) -> tuple[set[Holds], list[str]]:
    """What a JSON value holds, and the texts it can be looked up by. Nothing, for a missing one."""
    match value:
        case str():
            return ({_holds(value)}, [value]) if value.strip() else (set(), [])
        case bool():
            return {"boolean"}, []
        case int():
            return {"number"}, [str(value)] if number_names(key) else []
        case float():
            return {"number"}, []
        case dict():
            return {"object"}, []
        case list() if value:
            read = [_read(key, element) for element in value]
            holds: set[Holds] = {"list"}
            return holds.union(*(h for h, _ in read)), [text for _, texts in read for text in texts]
        case _:
            return set(), []


@dataclass(slots=True)
class _Seen:
    """What a batch showed of one key: the JSON types and what they hold, how many values there were, and how many
    events have each text. A null shows nothing."""

    json_types: set[str] = field(default_factory=set)
    holds: set[Holds] = field(default_factory=set)
    count: int = 0
    texts: Counter[str] = field(default_factory=Counter)

    def take(self, key: str, column: Values) -> None:
        """Takes in the values that the events have, one each."""
        if column.coded is not None:
            self._take_coded(column)
            return
        values = column.values
        kinds = set(map(type, values))
        self.take_texts(Counter(values if kinds == {str} else [value for value in values if type(value) is str]))
        if kinds <= {str, int, float} and not number_names(key):
            amounts = len(values) if str not in kinds else sum(type(value) is not str for value in values)
            if amounts:
                self.json_types.add("number")
                self.holds.add("number")
                self.count += amounts
        elif kinds == {list} and set(map(type, chain.from_iterable(values))) == {dict}:  # line items, mostly
            self.json_types.add("array")
            self.holds |= {"list", "object"}
            self.count += sum(map(bool, values))
        else:
            for value in values:
                if type(value) is not str:
                    self.take_one(key, [value])

    def _take_coded(self, column: Values) -> None:
        assert column.coded is not None
        texts = dict(zip(column.words, column.counts(), strict=True))
        if len(texts) < _SOME or "" in texts or any(map(str.isspace, texts)) or max(map(len, texts)) > LONGEST_VALUE:
            self.take_texts(texts)
            return
        self.json_types.add("string")
        self.holds |= _all_hold(column.coded.dictionary)
        self.count += sum(texts.values())
        self.texts.update(texts)

    def take_texts(self, texts: Mapping[str, int]) -> None:
        """Takes in text values, and how many events have each."""
        if texts:
            self.json_types.add("string")
        for text, count in texts.items():
            if not text.strip():
                continue
            self.holds.add(_holds(text))
            self.count += count
            if len(text) <= LONGEST_VALUE:
                self.texts[text] += count

    def take_one(self, key: str, values: Sequence[Any], times: int = 1) -> None:
        """Takes in the values that one event has (or that came so many times alike)."""
        words: set[str] = set()
        for value in values:
            if value is not None:
                self.json_types.add(_JSON_TYPES[type(value)])
                holds, texts = _read(key, value)
                self.holds |= holds
                self.count += times if holds else 0
                words.update(texts)
        for word in words:
            if len(word) <= LONGEST_VALUE:
                self.texts[word] += times


# ── what events show ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Batch:
    """Events by type. `contexts` (JSON) are of each event of the batch; `read_contexts` are the objects that these
    are."""

    groups: list[Group]
    contexts: Sequence[bytes | None]
    read_contexts: Mapping[bytes, Mapping[str, Any]]


TypeRow: TypeAlias = tuple[str, int, datetime, datetime]
"""An event type's name, how many events came, and the first and the last time of them (naive UTC)."""


class SeenKeys(dict[tuple[str, KeyLevel, str, str], _Seen]):
    """(event type's name, level, key, path) → what was seen."""

    def __missing__(self, key: tuple[str, KeyLevel, str, str]) -> _Seen:
        self[key] = seen = _Seen()
        return seen


def observe(batch: Batch) -> SeenKeys:
    """What the events of a batch show of their keys, to two levels."""
    seen = SeenKeys()
    for told in batch.groups:
        _observe_properties(seen, told)
        _observe_items(seen, told)
        contexts = Counter(context for row in told.rows.tolist() if (context := batch.contexts[row]) is not None)
        _observe_contexts(seen, told.name, contexts, batch.read_contexts)
    return seen


def _observe_properties(seen: SeenKeys, told: Group) -> None:
    about_product = told.default is not None and told.default.about_product
    line_items_key = "products" if told.default else "product"
    for key, column in told.columns.items():
        level: KeyLevel = "item" if about_product and key in ITEM_KEYS else "event"
        found = seen[told.name, level, key, key]
        found.take(key, column)
        # The keys of line items are those of their own level.
        if key != line_items_key and not found.json_types.isdisjoint(("object", "array")):
            for value in column.values:
                _observe_below(seen, told.name, level, key, key, value)


def _observe_below(seen: SeenKeys, name: str, level: KeyLevel, key: str, path: str, value: Any, times: int = 1) -> None:
    """The keys of the objects in a value: of itself, or of its elements, for a list is no level of its own."""
    below: dict[str, list[Any]] = {}
    for part in value if type(value) is list else [value]:
        if type(part) is dict:
            for inner, inner_value in part.items():
                below.setdefault(inner, []).append(inner_value)
    for inner, values in below.items():
        seen[name, level, f"{key}.{inner}", f"{path}.{inner}"].take_one(inner, values, times)


def _observe_items(seen: SeenKeys, told: Group) -> None:
    """The keys of line items that stand in a list or object of their own."""
    for path, items in told.items.items():
        if not path:
            continue
        shared = len(set(items.owners.tolist())) < len(items)
        for key, column in items.columns.items():
            found = seen[told.name, "item", key, f"{path}.{key}"]
            found.take(key, column)
            if shared:
                # The index counts events, not lines: what several lines of one event share is there once.
                owners = items.owners if column.at is None else items.owners[column.at]
                for text, times in _again(key, owners, column).items():
                    if text in found.texts:
                        found.texts[text] -= times


def _again(key: str, owners: Any, column: Values) -> Mapping[str, int]:
    """How often each text comes in an event that had it already."""
    import numpy as np

    if column.coded is None:
        texts = list(_texts_of(key, owners.tolist(), column.values))
        return Counter(text for _, text in texts) - Counter(text for _, text in set(texts))
    codes = column.coded.indices.fill_null(len(column.words)).to_numpy(zero_copy_only=False)
    pairs = np.sort(owners * (len(column.words) + 1) + codes)
    again = pairs[1:][pairs[1:] == pairs[:-1]] % (len(column.words) + 1)
    counts = np.bincount(again, minlength=len(column.words)).tolist()
    return {text: times for text, times in zip(column.words, counts, strict=False) if times}


def _texts_of(key: str, owners: Sequence[int], values: Sequence[Any]) -> Iterable[tuple[int, str]]:
    """The texts that single values can be looked up by, each with the event that has it."""
    pairs = zip(owners, values, strict=True)
    kinds = set(map(type, values))
    if kinds == {str}:
        return pairs
    if int in kinds and number_names(key):
        return ((owner, str(value)) for owner, value in pairs if type(value) in (str, int))
    return ((owner, value) for owner, value in pairs if type(value) is str)


def _observe_contexts(
    seen: SeenKeys, name: str, contexts: Counter[bytes], read: Mapping[bytes, Mapping[str, Any]]
) -> None:
    texts: dict[str, Counter[str]] = {}
    for raw, times in contexts.items():
        for key, value in read[raw].items():
            if type(value) is str:
                texts.setdefault(key, Counter())[value] += times
            else:
                seen[name, "context", key, f"context.{key}"].take_one(key, [value], times)
                _observe_below(seen, name, "context", key, f"context.{key}", value, times)
    for key, counted in texts.items():
        seen[name, "context", key, f"context.{key}"].take_texts(counted)


def record_seen(tx: Session, schema: str, came: Sequence[TypeRow], seen: SeenKeys) -> tuple[dict[str, int], bool]:
    """Writes what events show into the catalog, but for products. Returns the number of each event type, new ones
    included; and whether the events show anything new, or only more of what is known."""
    types, new = _record_types(tx, schema, came)
    return types, _record_seen(tx, schema, types, seen) or new


def _record_seen(tx: Session, schema: str, types: Mapping[str, int], seen: SeenKeys) -> bool:
    """Whether there are new keys or values, or keys hold what they did not hold before."""
    new = _record_keys(tx, schema, types, seen)
    texts: dict[_ValuesOf, Counter[str]] = {}
    for (name, level, key, _), told in seen.items():
        of = level, types[name], key
        texts[of] = texts[of] + told.texts if of in texts else told.texts  # a key may stand under two paths
    return _record_values(tx, schema, texts) or new


def _record_types(tx: Session, schema: str, came: Sequence[TypeRow]) -> tuple[dict[str, int], bool]:
    """The number of each event type, and whether there are new ones."""
    types: dict[str, int] = dict(tx.rows(f"SELECT name, type FROM {schema}.event_type"))
    last = max(types.values(), default=-1)
    rows = [
        (
            types.setdefault(name, max(types.values(), default=-1) + 1),
            name,
            default_event(name) is not None,
            count,
            first,
            last,
        )
        for name, count, first, last in came
    ]
    tx.put("seen_types", table_of(_TYPE_ROW, rows))
    tx.run(
        f"UPDATE {schema}.event_type t SET count = t.count + s.count, first_seen = least(t.first_seen, s.first_seen), "
        "last_seen = greatest(t.last_seen, s.last_seen) FROM seen_types s WHERE t.type = s.type"
    )
    new = max(types.values(), default=-1) > last
    if new:
        tx.run(f"INSERT INTO {schema}.event_type SELECT * FROM seen_types WHERE type > ?", [last])
    return types, new


def _record_keys(tx: Session, schema: str, types: Mapping[str, int], seen: SeenKeys) -> bool:
    """Whether there are new keys, or some that hold what they did not hold before."""
    rows = [
        (types[name], level, key, path, sorted(told.json_types), sorted(told.holds), told.count)
        for (name, level, key, path), told in seen.items()
    ]
    tx.put("seen_keys", table_of(_KEY_ROW, rows))
    same = "k.type = s.type AND k.level = s.level AND k.path = s.path"
    # Mostly all keys are known to hold what they hold here: then it is one statement, which says how many it found.
    known = "list_has_all(k.json_types, s.json_types) AND list_has_all(k.holds, s.holds)"
    counted = f"UPDATE {schema}.event_key k SET count = k.count + s.count"
    if tx.rows(f"{counted} FROM seen_keys s WHERE {same} AND {known}")[0][0] == len(rows):
        return False
    tx.run(
        f"{counted}, json_types = list_sort(list_distinct(k.json_types || s.json_types)), "
        f"holds = list_sort(list_distinct(k.holds || s.holds)) FROM seen_keys s WHERE {same} AND NOT ({known})"
    )
    tx.run(f"INSERT INTO {schema}.event_key SELECT s.* FROM seen_keys s ANTI JOIN {schema}.event_key k ON {same}")
    return True


_ValuesOf: TypeAlias = tuple[KeyLevel, int | None, str]
"""What values are of: level, event type, key."""


def _record_values(tx: Session, schema: str, texts: Mapping[_ValuesOf, Mapping[str, int]]) -> bool:
    """Adds to how often the index says that texts occur. What is added may be less than 0, and a value that nobody has
    goes. Returns whether there are new ones."""
    rows = [(level, number, key, text, n) for (level, number, key), told in texts.items() for text, n in told.items()]
    if not rows:
        return False
    table = table_of(_VALUE_ROW, rows)
    tx.put("seen_values", table)
    same = "v.level = s.level AND v.type IS NOT DISTINCT FROM s.type AND v.key = s.key AND v.text = s.text"
    counted = f"UPDATE {schema}.value_index v SET count = v.count + s.count FROM seen_values s WHERE {same}"
    known = tx.rows(counted)[0][0]  # mostly all are known: then this one statement is enough
    if known < len(rows):
        there = f"EXISTS (SELECT 1 FROM {schema}.value_index v WHERE {same})"
        table = tx.table(f"SELECT * FROM seen_values s WHERE NOT {there}")
        folds: dict[str, str] = {}
        folded = pa.array(
            [folds.get(t) or folds.setdefault(t, fold(t)) for t in table["text"].to_pylist()], pa.string()
        )
        table = table.add_column(0, "letters", _all_letters(folded)).add_column(0, "folded", folded)
        tx.put("new_values", table)
        tx.run(f"INSERT INTO {schema}.value_index SELECT * FROM new_values")
    if any(row[-1] < 0 for row in rows):
        tx.run(f"DELETE FROM {schema}.value_index WHERE count <= 0")
    return bool(known < len(rows))


# ── products ──────────────────────────────────────────────────────────────────────────────────────────────────────


def record_products(tx: Session, schema: str, told: pa.Table) -> None:
    """Completes and refreshes products and variants: for each field, the value of the latest time stands.

    `told` has the columns PRODUCT_KEYS (text, but price: a number) and ts. What has no product_id is no product.
    """
    given = [key for key in PRODUCT_KEYS if key == "product_id" or told[key].null_count < len(told)]
    texts = {key: told[key] if key in NUMBERS else _trimmed(told[key]) for key in given}
    told = pa.table({**texts, "ts": told["ts"]}).filter(texts["product_id"].is_valid())
    # Most of a batch tells the same of a product as the rest of it: once is enough.
    told = told.group_by(given).aggregate([("ts", "max")])
    told = told.sort_by([(key, "ascending") for key in ("ts_max", *given)])
    latest = _latest(told, ("product_id",), {field: field for field in PRODUCT_FIELDS})
    for product_id, at in zip(told["product_id"].to_pylist(), told["ts_max"].to_pylist(), strict=True):
        latest.setdefault(((product_id,), ""), (None, at))
    _refresh(tx, f"{schema}.product", ("product_id",), latest)
    ids = [told[key] for key in ("variant_id", "sku") if key in given]
    if "variant" in given and ids:
        # A variant is one only by its name and an id; the sku stands in for the id.
        of = pc.coalesce(*ids)
        variants = told.append_column("of", of).filter(pc.and_(told["variant"].is_valid(), of.is_valid()))
        latest = _latest(variants, ("product_id", "of"), {f: "variant" if f == "name" else f for f in VARIANT_FIELDS})
        _refresh(tx, f"{schema}.variant", ("product_id", "variant_id"), latest)


_SPACES: Final = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What the engine's `trim` takes away."""

_Latest: TypeAlias = dict[tuple[tuple[str, ...], str], tuple[Any, datetime]]
"""(ids, field) → the value told last, and when."""


def _trimmed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts without the spaces around them; none where nothing is left."""
    bare = pc.utf8_trim(texts, _SPACES)
    return pc.if_else(pc.equal(bare, ""), None, bare)


def _latest(told: pa.Table, ids: Sequence[str], fields: Mapping[str, str]) -> _Latest:
    """Of rows in the order of their times: of each field, what its column tells last."""
    of = list(zip(*(told[key].to_pylist() for key in ids), strict=True))
    times = told["ts_max"].to_pylist()
    return {
        (one, field): (value, at)
        for field, column in fields.items()
        if column in told.column_names
        for one, value, at in zip(of, told[column].to_pylist(), times, strict=True)
        if value is not None
    }


def _refresh(tx: Session, table: str, keys: Sequence[str], latest: _Latest) -> None:
    """Writes these values where they are not older than those that are there. The field "" is only added."""
    values = [value for value, _ in latest.values()]
    columns = {key: pa.array([of[n] for of, _ in latest], pa.string()) for n, key in enumerate(keys)}
    told = {
        "field": pa.array([field for _, field in latest], pa.string()),
        "value": pa.array([value if type(value) is str else None for value in values], pa.string()),
        "number": pa.array([value if type(value) is float else None for value in values], pa.float64()),
        "ts": pa.array([at for _, at in latest.values()], pa.timestamp("us")),
    }
    tx.put("told_products", pa.table(columns | told))
    listed = ", ".join(keys)
    tx.run(
        f"MERGE INTO {table} p USING (SELECT {listed}, field, coalesce(value, number::VARCHAR) AS value, ts "
        f"FROM told_products) s USING ({listed}, field) "
        "WHEN MATCHED AND s.field <> '' AND s.ts >= p.ts THEN UPDATE SET value = s.value, ts = s.ts "
        "WHEN NOT MATCHED THEN INSERT"
    )


# ── what is taken back ────────────────────────────────────────────────────────────────────────────────────────────


def erase_events(tx: Session, schema: str, contact: int, batch: Batch) -> None:
    """Deletes a contact's events, which are those of the batch, and takes back what the catalog had from them alone.
    What kinds of value a key has ever held stays."""
    types: dict[str, int] = dict(tx.rows(f"SELECT name, type FROM {schema}.event_type"))
    mine = [types[told.name] for told in batch.groups]
    _delete_items(tx, schema, contact)
    tx.run(f"DELETE FROM {schema}.event WHERE contact = ?", [contact])
    seen = observe(batch)
    for told in seen.values():
        told.count, told.texts = -told.count, Counter({text: -count for text, count in told.texts.items()})
    _record_seen(tx, schema, types, seen)
    tx.run(
        f"UPDATE {schema}.event_type t SET count = s.count, first_seen = s.first, last_seen = s.last FROM ("
        f"SELECT type, count(*) AS count, min(ts) AS first, max(ts) AS last FROM {schema}.event "
        "WHERE list_contains(?, type) GROUP BY type) s WHERE t.type = s.type",
        [mine],
    )
    for table in ("event_type", "event_key", "value_index"):
        tx.run(
            f"DELETE FROM {schema}.{table} WHERE list_contains(?, type) AND type NOT IN "
            f"(SELECT type FROM {schema}.event WHERE list_contains(?, type))",
            [mine, mine],
        )
    for name in {name for name, _, _, _ in seen}:
        _erase_keys(tx, schema, types[name], name, [at[1:] for at in seen if at[0] == name])


def _erase_keys(tx: Session, schema: str, number: int, name: str, keys: Sequence[tuple[KeyLevel, str, str]]) -> None:
    """Takes back those of a type's keys (level, key, path) that none of its events has, be it with a null or blank
    text, which is not counted."""
    counted = set(tx.rows(f"SELECT level, path FROM {schema}.event_key WHERE type = ? AND count > 0", [number]))
    doubtful = [(level, key, path) for level, key, path in keys if (level, path) not in counted]
    if not doubtful:
        return
    # A key's own name is in the JSON of an event that has it: as it is, or with escapes.
    names = [*{key.rpartition(".")[2] for _, key, _ in doubtful}, "\\"]
    rows = tx.rows(
        "SELECT properties::VARCHAR, context::VARCHAR FROM "
        f"(SELECT *, concat(properties, context) AS told FROM {schema}.event WHERE type = ?) "
        f"WHERE {' OR '.join('contains(told, ?)' for _ in names)}",
        [number, *names],
    )
    shown = observe(batch_of([(name, *row) for row in rows]))
    for level, key, path in doubtful:
        if (name, level, key, path) not in shown:
            tx.run(f"DELETE FROM {schema}.event_key WHERE type = ? AND level = ? AND path = ?", [number, level, path])


def batch_of(rows: Sequence[tuple[str, str, str | None]]) -> Batch:
    """Events that are stored, (event type's name, properties, context) each, as the batch that they came in."""
    contexts = [context.encode() if context else None for _, _, context in rows]
    return Batch(
        groups=groups_of([name for name, _, _ in rows], [_decode(told) for _, told, _ in rows]),
        contexts=contexts,
        read_contexts={context: _decode(context) for context in set(contexts) if context},
    )


def _delete_items(tx: Session, schema: str, contact: int) -> None:
    """Deletes a contact's line items, and what only they told of products: the rest is told anew."""
    scalar = ", ".join(
        f"CASE WHEN json_type(item, '$.{key}') NOT IN ('OBJECT', 'ARRAY') THEN item->>'$.{key}' END AS {key}"
        for key in PRODUCT_KEYS
        if key not in TABLES["item"]
    )
    told = f"SELECT * EXCLUDE (product_id), trim(product_id) AS product_id, {scalar} FROM {schema}.item"
    tx.run(f"CREATE OR REPLACE TEMP TABLE taken_back AS {told} WHERE contact = ? AND trim(product_id) <> ''", [contact])
    tx.run(f"DELETE FROM {schema}.item WHERE contact = ?", [contact])
    for table in ("product", "variant"):
        tx.run(
            f"DELETE FROM {schema}.{table} WHERE (product_id, ts) IN (SELECT (product_id, ts) FROM taken_back)",
        )
    listed = ", ".join(f'"{key}"' for key in (*PRODUCT_KEYS, "ts"))
    left = tx.table(f"SELECT {listed} FROM ({told}) WHERE product_id IN (SELECT product_id FROM taken_back)")
    record_products(tx, schema, left)
    # A product that an import had told of is still there.
    tx.run(
        f"INSERT INTO {schema}.product SELECT product_id, '', NULL, min(ts) FROM {schema}.product GROUP BY product_id "
        "HAVING count(*) FILTER (field = '') = 0"
    )
    tx.run("DROP TABLE taken_back")


# ── attributes ────────────────────────────────────────────────────────────────────────────────────────────────────


def flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A contact's attributes, and those of the objects in them under dotted keys; no deeper.

    >>> flat({"city": "Oslo", "size": {"shoe": 42}})
    {'city': 'Oslo', 'size': {'shoe': 42}, 'size.shoe': 42}
    """
    told: dict[str, Any] = {}
    for key, value in attributes.items():
        told[key] = value
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                told.update({f"{key}.{inner}": below for inner, below in part.items()})
    return told


def observe_attributes(
    changes: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> tuple[Counter[str], dict[str, set[Holds]], Counter[tuple[str, str]]]:
    """What contacts' (old, new) attributes show, both flat: by key how many more have a value and what new ones hold,
    and how many more have each (key, text)."""
    counts: Counter[str] = Counter()
    holds: dict[str, set[Holds]] = {}
    texts: Counter[tuple[str, str]] = Counter()
    for old, new in changes:
        for sign, attributes in ((-1, old), (1, new)):
            for key, value in attributes.items():
                held, words = _read(key, value)
                holds.setdefault(key, set())
                if held:
                    counts[key] += sign
                    if sign > 0:
                        holds[key] |= held
                for word in set(words):
                    if len(word) <= LONGEST_VALUE:
                        texts[key, word] += sign
    return counts, holds, texts


def record_attributes(
    tx: Session, schema: str, changes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> dict[str, str]:
    """Writes what contacts' (old, new) attributes show, both flat. Returns the column of each attribute that has one;
    new columns have been added to the table of contacts."""
    counts, holds, texts = observe_attributes(changes)
    rows = [(key, None, sorted(held), counts[key]) for key, held in holds.items()]
    tx.put("seen_attributes", table_of(_ATTRIBUTE_ROW, rows))
    tx.run(
        f"UPDATE {schema}.attribute a SET count = a.count + s.count, "
        "holds = list_sort(list_distinct(a.holds || s.holds)) FROM seen_attributes s WHERE a.key = s.key"
    )
    tx.run(f"INSERT INTO {schema}.attribute SELECT s.* FROM seen_attributes s ANTI JOIN {schema}.attribute USING (key)")
    columns: dict[str, str] = dict(
        tx.rows(f"SELECT key, column_name FROM {schema}.attribute WHERE column_name IS NOT NULL")
    )
    for key, held in holds.items():
        if key not in columns and held & {"text", "number", "date", "boolean"} and len(columns) < ATTRIBUTE_COLUMNS:
            columns[key] = f"a_{len(columns)}"
            tx.run(f"ALTER TABLE {schema}.contact ADD COLUMN {columns[key]} VARCHAR")
            tx.run(f"UPDATE {schema}.attribute SET column_name = ? WHERE key = ?", [columns[key], key])
    changed: dict[_ValuesOf, dict[str, int]] = {}
    for (key, text), count in texts.items():
        if count:
            changed.setdefault(("attribute", None, key), {})[text] = count
    _record_values(tx, schema, changed)
    return columns


# ── Arrow ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_TIME: Final = pa.timestamp("us")
_TEXTS: Final = pa.list_(pa.string())
_TYPE_ROW: Final = pa.schema(
    [
        ("type", pa.int32()),
        ("name", pa.string()),
        ("is_default", pa.bool_()),
        ("count", pa.int64()),
        ("first_seen", _TIME),
        ("last_seen", _TIME),
    ]
)
_KEY_ROW: Final = pa.schema(
    [
        ("type", pa.int32()),
        ("level", pa.string()),
        ("key", pa.string()),
        ("path", pa.string()),
        ("json_types", _TEXTS),
        ("holds", _TEXTS),
        ("count", pa.int64()),
    ]
)
_VALUE_ROW: Final = pa.schema(
    [
        ("level", pa.string()),
        ("type", pa.int32()),
        ("key", pa.string()),
        ("text", pa.string()),
        ("count", pa.int64()),
    ]
)
_ATTRIBUTE_ROW: Final = pa.schema(
    [("key", pa.string()), ("column_name", pa.string()), ("holds", _TEXTS), ("count", pa.int64())]
)


def table_of(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows as a table of this schema."""
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.table([pa.array(column, f.type) for f, column in zip(schema, columns, strict=True)], schema=schema)


# ── what is read back ─────────────────────────────────────────────────────────────────────────────────────────────


def layout(snapshot: Snapshot, schema: str) -> Layout:
    """Where the things of a phonebook live at this moment."""
    types = snapshot.rows(f"SELECT name, type, count FROM {schema}.event_type")
    keys = snapshot.query(
        f"SELECT level, key, flatten(list(json_types)) AS json_types, flatten(list(holds)) AS holds "
        f"FROM {schema}.event_key WHERE path = key OR level = 'item' GROUP BY ALL"
    ).to_pylist()
    attributes = snapshot.query(
        f"SELECT key, column_name FROM {schema}.attribute WHERE column_name IS NOT NULL "
        "AND NOT list_has_any(holds, ['list', 'object'])"
    ).to_pylist()
    promoted = [
        (level, key, Column(name, number, _promotion_is_whole(number, json_types, holds)))
        for level, key, name, number, json_types, holds in snapshot.rows(
            "SELECT p.level, p.key, column_name, number, flatten(list(k.json_types)), flatten(list(k.holds)) "
            f"FROM {schema}.promoted p LEFT JOIN {schema}.event_key k ON k.key = p.key AND CASE p.level "
            "WHEN 'event' THEN k.path = k.key WHEN 'item' THEN k.level = 'item' ELSE k.path = 'context.' || k.key END "
            "WHERE filled GROUP BY ALL"
        )
    ]
    # A column of `event` holds the key of every event, also where it tells about the event's product.
    split_events = {row["key"] for row in keys if _does_not_fit(row, row["key"] in EVENT_NUMBERS)}
    split_items = {
        row["key"] for row in keys if row["level"] == "item" and _does_not_fit(row, row["key"] in ITEM_NUMBERS)
    }
    return Layout(
        schema=schema,
        types={name: number for name, number, _ in types},
        event_columns={
            key: Column(name, key in EVENT_NUMBERS, key not in split_events) for key, name in event_columns().items()
        }
        | {key: column for level, key, column in promoted if level == "event"},
        item_columns={
            key: Column(key, key in ITEM_NUMBERS, key not in split_items) for key in (*ITEM_TEXTS, *ITEM_NUMBERS)
        }
        | {key: column for level, key, column in promoted if level == "item"},
        context_columns={key: column for level, key, column in promoted if level == "context"},
        attribute_columns={row["key"]: row["column_name"] for row in attributes},
        counts={number: count for _, number, count in types},
        ordered=_ordered(snapshot, schema),
    )


def _promotion_is_whole(number: bool, json_types: Collection[str], holds: Collection[str]) -> bool:
    """Whether the promoted column still tells all that the JSON tells."""
    if number:
        return not _does_not_fit({"json_types": json_types, "holds": holds}, number=True)
    return set(json_types) <= {"string", "boolean", "null"}


def _ordered(snapshot: Snapshot, schema: str) -> Ordered | None:
    for upto, horizon in snapshot.rows(f"SELECT upto, horizon FROM {schema}.compaction"):
        return Ordered(upto, horizon, _rest(snapshot, schema, upto, horizon))
    return None


def _rest(snapshot: Snapshot, schema: str, upto: int, horizon: datetime) -> bool:
    # One statement for both would be planned for three times as long.
    beyond = f"SELECT 1 FROM {schema}.event WHERE"
    return bool(
        snapshot.rows(f"{beyond} event > ? LIMIT 1", [upto]) or snapshot.rows(f"{beyond} ts > ? LIMIT 1", [horizon])
    )


def with_more_events(snapshot: Snapshot, known: Layout) -> Layout:
    """The layout at this moment, as it was known before events came that show nothing new."""
    ordered = known.ordered
    if ordered is None or ordered.rest or not _rest(snapshot, known.schema, ordered.upto, ordered.horizon):
        return known
    return replace(known, ordered=replace(ordered, rest=True))


def _does_not_fit(row: Mapping[str, Any], number: bool) -> bool:
    """Whether some value of the key does not stand in its column."""
    types, holds = set(row["json_types"]), set(row["holds"])
    return bool(types & {"array", "object"}) or (number and bool((types & {"boolean"}) | (holds - {"number"})))


@dataclass(frozen=True, slots=True)
class _IndexRow:
    folded: str
    level: KeyLevel
    type: int | None
    key: str
    text: str
    count: int


class StoreVocabulary:
    """The words of one phonebook, answered from its catalog as of one version of it."""

    def __init__(self, backend: Backend, schema: str, version: str) -> None:
        self._backend = backend
        self._schema = schema
        self.version = version
        self._event_types: tuple[EventType, ...] | None = None
        self._attributes: tuple[Key, ...] | None = None
        self._terms: Mapping[str, Condition] | None = None
        self._segments: Mapping[str, str] | None = None
        self._numbers: dict[int | None, str | None] = {}
        self._keys: dict[tuple[str, int | None, str], Key] = {}

    def event_types(self) -> tuple[EventType, ...]:
        """All event types that occur, by name."""
        if self._event_types is None:
            self._load()
        assert self._event_types is not None
        return self._event_types

    def recount(self, snapshot: Snapshot) -> None:
        """Counts the events of each type as of now. Those of a key are about as many as when the words were read."""
        if self._event_types is not None:
            counts: dict[str, int] = dict(snapshot.rows(f"SELECT name, count FROM {self._schema}.event_type"))
            self._event_types = tuple(replace(e, count=counts.get(e.name, e.count)) for e in self._event_types)

    def attributes(self) -> tuple[Key, ...]:
        """All attributes that contacts have, by name."""
        if self._attributes is None:
            self._load()
        assert self._attributes is not None
        return self._attributes

    def values(self, runs: Collection[str]) -> Mapping[str, tuple[Value, ...]]:
        """For each folded word run that is a whole value somewhere: the values, most frequent first."""
        wanted = [run for run in dict.fromkeys(runs) if run]
        if not wanted:
            return {}
        marks = ", ".join("?" * len(wanted))
        found: dict[str, list[Value]] = {}
        for row in self._rows(f"WHERE folded IN ({marks}) ORDER BY count DESC, level, type, key, text", wanted):
            found.setdefault(row.folded, []).append(self._value(row))
        return {run: tuple(values) for run, values in found.items()}

    def near(self, text: str, keys: Collection[Key] | None = None, limit: int = 3) -> tuple[Value, ...]:
        """The values spelled most like this text, nearest first: of these keys, or of any."""
        from rapidfuzz import fuzz, process

        folded = fold(text)
        edits = max(1, min(4, len(folded) // 4))
        only, parameters = self._of_keys(keys)
        # Which letters there are discards nearly all; the spelling itself is compared for a bounded number.
        rows = self._rows(
            f"WHERE length(folded) BETWEEN ? AND ? AND bit_count(xor(letters, ?)) <= ? {only} "
            "ORDER BY bit_count(xor(letters, ?)), abs(length(folded) - ?), count DESC LIMIT 2000",
            [
                len(folded) - edits,
                len(folded) + edits,
                _letters(folded),
                2 * edits,
                *parameters,
                _letters(folded),
                len(folded),
            ],
        )
        first: dict[str, _IndexRow] = {}
        for row in rows:
            first.setdefault(row.folded, row)
        near = process.extract(folded, first.keys(), scorer=fuzz.ratio, score_cutoff=70, limit=limit)
        return tuple(self._value(first[run]) for run, _, _ in near)

    def contains(self, keys: Collection[Key], text: str) -> bool:
        """Whether any value of these keys contains the text, ignoring case. Texts over 120 characters are not looked
        through."""
        only, parameters = self._of_keys(keys)
        return bool(self._rows(f"WHERE contains(lower(text), lower(?)) {only} LIMIT 1", [text.strip(), *parameters]))

    def terms(self) -> Mapping[str, Condition]:
        """What the phonebook defines: folded term → its meaning."""
        if self._terms is None:
            rows = self._backend.query(f"SELECT name, query FROM {self._schema}.term").to_pylist()
            self._terms = {row["name"]: Query.from_json(row["query"]).population for row in rows}
        return self._terms

    def segments(self) -> Mapping[str, str]:
        """The saved segments: folded name → the name as it was saved."""
        if self._segments is None:
            self._segments = dict(self._backend.rows(f"SELECT folded, name FROM {self._schema}.segment"))
        return self._segments

    def _rows(self, rest: str, parameters: Sequence[Any]) -> list[_IndexRow]:
        return [
            _IndexRow(*row)
            for row in self._backend.rows(
                f"SELECT folded, level, type, key, text, count FROM {self._schema}.value_index {rest}", parameters
            )
        ]

    def _of_keys(self, keys: Collection[Key] | None) -> tuple[str, list[Any]]:
        """A condition that keeps the values of these keys, and its parameters."""
        if keys is None:
            return "", []
        self.event_types()
        numbers = {name: number for number, name in self._numbers.items()}
        wanted = [(key.level, numbers.get(key.event, -1), key.name) for key in keys]
        if not wanted:
            return "AND false", []
        marks = ", ".join("(?, ?, ?)" for _ in wanted)
        flat_marks = [
            part for level, number, name in wanted for part in (level, -1 if number is None else number, name)
        ]
        return f"AND (level, coalesce(type, -1), key) IN ({marks})", flat_marks

    def _value(self, row: _IndexRow) -> Value:
        self.event_types()
        key = self._keys.get((row.level, row.type, row.key))
        if key is None:  # written after this version was read
            key = Key(row.key, row.level, self._numbers.get(row.type), frozenset({"text"}))
        return Value(key, row.text, row.count)

    def _load(self) -> None:
        schema = self._schema
        with self._backend.snapshot() as snapshot:
            keys = snapshot.query(
                "SELECT type, level, key, list_sort(list_distinct(flatten(list(holds)))) AS holds, sum(count)::BIGINT "
                f"AS count FROM {schema}.event_key GROUP BY type, level, key ORDER BY type, level, key"
            ).to_pylist()
            types = snapshot.query(
                f"SELECT type, name, is_default, count FROM {schema}.event_type ORDER BY name"
            ).to_pylist()
            attributes = snapshot.query(
                f"SELECT key, holds, count FROM {schema}.attribute WHERE count > 0 ORDER BY key"
            ).to_pylist()
        names: dict[int | None, str | None] = {row["type"]: row["name"] for row in types} | {None: None}
        known: dict[tuple[str, int | None, str], Key] = {}
        grouped: dict[int, list[Key]] = {}
        for row in keys:
            key = Key(row["key"], row["level"], names.get(row["type"]), frozenset(row["holds"]), row["count"])
            grouped.setdefault(row["type"], []).append(key)
            known[row["level"], row["type"], row["key"]] = key
        for row in attributes:
            known["attribute", None, row["key"]] = Key(
                row["key"], "attribute", None, frozenset(row["holds"]), row["count"]
            )
        self._numbers, self._keys = names, known
        self._attributes = tuple(key for (level, _, _), key in known.items() if level == "attribute")
        self._event_types = tuple(
            EventType(row["name"], row["is_default"], row["count"], tuple(grouped.get(row["type"], ())))
            for row in types
        )
