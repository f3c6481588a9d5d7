"""Events to columns: many at once, those of one type and one key together."""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa

from storage.event import (
    ITEM_KEYS,
    DefaultEvent,
    EventKey,
    default_event,
    is_missing,
    number_in,
    number_of,
    own_keys,
    text_of,
)
from storage.schema import ITEM_COLUMNS, NUMBERS, event_columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]

_FEW: Final = 16  # values that are sooner read one by one
_VAST: Final = 1e300  # a whole number that is greater may be no double
_EVENT_COLUMNS: Final = event_columns()


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one key: `values` of those that have it, at these places among all; None stands for all places.

    `coded`: the values, where all are texts or null and there are some; `words` are the texts in it, each once.
    """

    values: Sequence[Any]
    at: Places | None
    coded: pa.DictionaryArray | None
    words: Sequence[str]

    def counts(self) -> list[int]:
        """How many values each of the words is."""
        import numpy as np

        assert self.coded is not None
        codes = self.coded.indices.drop_null().to_numpy()
        counted: list[int] = np.bincount(codes, minlength=len(self.words)).tolist()
        return counted

    def places(self, wanted: Callable[[Any], bool]) -> Places:
        """Where the values are of which this is so."""
        import numpy as np

        if self.coded is None:
            found = np.array([nth for nth, value in enumerate(self.values) if wanted(value)], np.int64)
        else:
            chosen = np.array([*map(wanted, self.words), wanted(None)], bool)
            if not chosen[:-1].any() and not (chosen[-1] and self.coded.null_count):
                return np.zeros(0, np.int64)
            codes = self.coded.indices.fill_null(len(self.words)).to_numpy(zero_copy_only=False)
            found = np.flatnonzero(chosen[codes])
        return found if self.at is None else self.at[found]

    def read(self, number: bool) -> pa.Array:
        """The values as a column of numbers or of texts has them."""
        if self.coded is not None:
            if not number:
                return self.coded.dictionary_decode()
            return pa.array(map(number_in, self.words), pa.float64()).take(self.coded.indices)
        convert: Callable[[Any], Any] = number_of if number else text_of
        return pa.array(map(convert, self.values), pa.float64() if number else pa.string())


def _column(values: Sequence[Any], at: Places | None) -> Values:
    if len(values) > _FEW:
        try:
            coded = pa.array(values, pa.string()).dictionary_encode()
        except (pa.ArrowTypeError, pa.ArrowInvalid):
            return Values(values, at, None, ())
        return Values(values, at, coded, coded.dictionary.to_pylist())
    return Values(values, at, None, ())


@dataclass(frozen=True, slots=True)
class Items:
    """Line items of a group that stood under the same path: of which row each is, which line there, the object; and
    their keys. What is no object is no line item."""

    owners: Places
    lines: Places
    entries: Sequence[dict[str, Any]]
    columns: Mapping[str, Values]

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class Group:
    """The events of a batch that are of one type.

    `rows` are their places in the batch, `columns` their keys. `items` are their line items, by the path under which
    they stood: "" is the event's own top level; "products" of a default event, "product" of a custom one.
    """

    name: str
    default: DefaultEvent | None
    rows: Places
    columns: Mapping[str, Values]
    items: Mapping[str, Items]


@dataclass(frozen=True, slots=True)
class _Shape:
    """Objects that have the same keys: the place of the first, and the values of each key."""

    first: int
    values: Mapping[str, Sequence[Any]]
    objects: Sequence[dict[str, Any]]

    def only(self, keys: Collection[str]) -> Iterable[dict[str, Any]]:
        """The objects with these keys alone."""
        if len(keys) == len(self.values):
            return self.objects
        return (dict(zip(keys, told, strict=True)) for told in zip(*(self.values[key] for key in keys), strict=True))


def _shaped(objects: Sequence[dict[str, Any]]) -> tuple[Places, list[_Shape], dict[str, Values]]:
    """Objects column by column; those with the same keys come one after another, and that order is told too."""
    import numpy as np

    numbers: defaultdict[tuple[str, ...], int] = defaultdict(itertools.count().__next__)
    codes = np.fromiter(map(numbers.__getitem__, map(tuple, objects)), np.int64, len(objects))
    order = np.argsort(codes, kind="stable")
    if len(numbers) > 1:
        objects = [objects[nth] for nth in order.tolist()]
    shapes: list[_Shape] = []
    of_key: dict[str, list[_Shape]] = {}
    first = 0
    for keys, count in zip(numbers, np.bincount(codes).tolist(), strict=True):
        alike = objects[first : first + count]
        values = dict(zip(keys, zip(*map(dict.values, alike), strict=True), strict=True)) if keys else {}
        shapes.append(shape := _Shape(first, values, alike))
        first += count
        for key in keys:
            of_key.setdefault(key, []).append(shape)
    columns: dict[str, Values] = {}
    for key, mine in of_key.items():
        told = mine[0].values[key] if len(mine) == 1 else [*chain.from_iterable(shape.values[key] for shape in mine)]
        everyone = len(told) == len(objects)
        at = None if everyone else np.concatenate([np.arange(s.first, s.first + len(s.objects)) for s in mine])
        columns[key] = _column(told, at)
    return order, shapes, columns


def groups_of(names: Sequence[str], properties: Sequence[dict[str, Any]]) -> list[Group]:
    """Events, each by the name of its type and its properties: by type, key by key."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if name in rows:
            rows[name].append(row)
        else:
            rows[name] = [row]
    return [_group(name, mine, [properties[row] for row in mine]) for name, mine in rows.items()]


def _group(name: str, rows: Sequence[int], properties: Sequence[dict[str, Any]]) -> Group:
    import numpy as np

    event = default_event(name)
    order, shapes, columns = _shaped(properties)
    mine = np.array(rows, np.int64)[order]
    items = {}
    top = _top_items(event, mine, shapes, columns)
    if top is not None:
        items[""] = top
    path = "products" if event else "product"
    if path in columns:
        items[path] = _listed_items(event, mine, columns[path], np.zeros(0, np.int64) if top is None else top.owners)
    return Group(name, event, mine, columns, {path: told for path, told in items.items() if len(told)})


def _top_items(
    event: DefaultEvent | None, rows: Places, shapes: Sequence[_Shape], columns: Mapping[str, Values]
) -> Items | None:
    """The line items that are events themselves: the product keys of a default event that is about one product or names
    a product_id. Keys that are the event's own there, as page-view's name, stay its own."""
    import numpy as np

    if event is None or not (event.about_product or "product_id" in columns):
        return None
    own = frozenset() if event.about_product else own_keys(event)
    entries: list[dict[str, Any]] = []
    places = []
    for shape in shapes:
        keys = [key for key in shape.values if key in ITEM_KEYS and key not in own]
        if keys and (event.about_product or "product_id" in shape.values):
            entries += shape.only(keys)
            places.append(np.arange(shape.first, shape.first + len(shape.objects)))
    if not places:
        return None
    at = np.concatenate(places)
    if event.about_product:  # whatever has such a key is a line item: the columns are those of the events
        where = np.zeros(len(rows), np.int64)
        where[at] = np.arange(len(at))
        told = {key: _moved(column, where, len(at)) for key, column in columns.items() if key in ITEM_KEYS}
    else:
        order, _, told = _shaped(entries)
        at, entries = at[order], [entries[nth] for nth in order.tolist()]
    return Items(rows[at], np.zeros(len(at), np.int64), entries, told)


def _moved(column: Values, where: Places, count: int) -> Values:
    """A column whose places are now elsewhere, among so many."""
    if column.at is None:
        return column
    return Values(column.values, None if len(column.at) == count else where[column.at], column.coded, column.words)


def _listed_items(event: DefaultEvent | None, rows: Places, column: Values, above: Places) -> Items:
    """The line items in a list (of a custom event: or alone). `above`: the rows that are one themselves."""
    import numpy as np

    owners = rows if column.at is None else rows[column.at]
    lists: list[list[Any]] = [
        value if type(value) is list else [value] if event is None else [] for value in column.values
    ]
    if not set(map(type, chain.from_iterable(lists))) <= {dict}:
        lists = [[told for told in value if type(told) is dict] for value in lists]
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    starts = np.cumsum(counts) - counts
    lines = np.arange(counts.sum()) - np.repeat(starts, counts)
    owners = np.repeat(owners, counts)
    if len(above):
        lines += np.isin(owners, above)
    entries = [*chain.from_iterable(lists)]
    order, shapes, columns = _shaped(entries)
    return Items(owners[order], lines[order], [*chain.from_iterable(s.objects for s in shapes)], columns)


# ── what may be wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def doubtful(group: Group, strict: bool) -> list[int]:
    """The rows of the events that are not surely valid: `event.validate_properties` finds nothing in any other."""
    if group.default is None:
        return []
    found = set(group.rows[_unfit(group.default.keys, group.columns, len(group.rows), strict)].tolist())
    if group.default.items and (products := group.columns.get("products")):
        of = group.rows if products.at is None else group.rows[products.at]
        for row, told in zip(of.tolist(), products.values, strict=True):
            if told is not None and (type(told) is not list or not all(type(item) is dict for item in told)):
                found.add(row)
        if items := group.items.get("products"):
            found.update(items.owners[_unfit(group.default.items, items.columns, len(items), strict)].tolist())
    return sorted(found)


def _unfit(keys: Iterable[EventKey], columns: Mapping[str, Values], count: int, strict: bool) -> Places:
    """The places at which the values are not surely what the keys must be."""
    import numpy as np

    unfit = np.zeros(count, bool)
    for key in keys:
        column = columns.get(key.name)
        if column is None:
            unfit |= key.required
            continue
        if key.required and column.at is not None:
            there = np.zeros(count, bool)
            there[column.at] = True
            unfit |= ~there
        if not _surely(key, column, strict):
            unfit[column.places(_misfit(key, strict))] = True
    return np.flatnonzero(unfit)


def _surely(key: EventKey, column: Values, strict: bool) -> bool:
    """Whether all of the values surely are what the key must be, seen without looking at each."""
    if column.coded is not None:
        return key.type == "string" and not (
            key.required and (column.coded.null_count or any(map(is_missing, column.words)))
        )
    if key.type == "array" or (strict and key.type == "string"):
        return False
    return set(map(type, column.values)) <= {int, float} and -_VAST < min(column.values) <= max(column.values) < _VAST


def _misfit(key: EventKey, strict: bool) -> Callable[[Any], bool]:
    """Whether a value is not surely what the key must be."""
    texts: tuple[type, ...] = (str,) if strict else (str, int, float)

    def misfit(value: Any) -> bool:
        if is_missing(value):
            return key.required
        match key.type:
            case "string":
                return type(value) not in texts
            case "numeric":
                return number_of(value) is None
            case "array":
                if type(value) is dict:
                    return key.name != "meta"  # a bag of other data
                return type(value) is not list or (key.required and not value)

    return misfit


_KEY: Final = re.compile(rb'"\s*:')


def told_twice(
    groups: Sequence[Group], properties: Sequence[dict[str, Any]], raws: Sequence[bytes | msgspec.Raw]
) -> Iterator[int]:
    """The rows of the properties that have a key twice somewhere; `raws` are what these were read from."""
    import numpy as np

    if len(raws) > _FEW:
        # Each key ends with a quote and a colon. Where there are no more of these than keys, none is there twice.
        text = np.frombuffer(b"".join(raws), np.uint8)
        before = text[np.flatnonzero(text == ord(":")) - 1]
        spaced = (before <= ord(" ")).any()
        if not spaced and np.count_nonzero(before == ord('"')) == sum(map(_keys_of, groups)):
            return
    for row, (told, raw) in enumerate(zip(properties, raws, strict=True)):
        if len(_KEY.findall(raw)) != _keys_in(told) and _has_twice(bytes(raw)):
            yield row


def _keys_of(group: Group) -> int:
    """How many keys the properties of a group have, at all levels."""
    path = "products" if group.default else "product"
    count = 0
    for key, column in group.columns.items():
        items = group.items.get(path) if key == path else None
        if items and len(items) == sum(_entries(value) for value in column.values):
            count += len(column.values) + sum(len(of.values) + _keys_below(of) for of in items.columns.values())
        else:
            count += len(column.values) + _keys_below(column)
    return count


def _entries(value: Any) -> int:
    return len(value) if type(value) is list else int(type(value) is dict)


def _keys_below(column: Values) -> int:
    return 0 if column.coded is not None else sum(map(_keys_in, column.values))


def _keys_in(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum(map(_keys_in, value.values()))
    return sum(map(_keys_in, value)) if type(value) is list else 0


def _has_twice(raw: bytes) -> bool:
    twice = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal twice
        twice |= len(dict(pairs)) < len(pairs)

    json.loads(raw, object_pairs_hook=look)
    return twice


# ── Arrow ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def known_json(texts: pa.Array) -> pa.Array:
    """A column of JSON that has been read and is known to be valid: so it is not checked again."""
    return pa.ExtensionArray.from_storage(pa.json_(), texts)


def json_texts(raws: Sequence[bytes | msgspec.Raw | None]) -> pa.Array:
    """JSON that is known to be UTF-8, as texts; None is NULL."""
    there = [raw for raw in raws if raw is not None]
    if len(there) < len(raws):
        return pa.array([None if raw is None else bytes(raw) for raw in raws], pa.binary()).view(pa.string())
    return _texts(b"".join(there), map(len, there), len(there))


def json_of(things: Sequence[Any]) -> pa.Array:
    """The JSON of each thing, as a text."""
    import numpy as np

    # No line break can be in the JSON itself.
    lines = _encode_lines(things)
    ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))
    return _texts(lines.replace(b"\n", b""), np.diff(ends, prepend=-1) - 1, len(things))


_encode_lines: Final = msgspec.json.Encoder().encode_lines


def _texts(data: bytes, lengths: Iterable[int], count: int) -> pa.Array:
    """Texts that come one after another."""
    import numpy as np

    ends = np.zeros(count + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int32, count), out=ends[1:])
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(data))


_Pieces = list[tuple["Places", pa.Array]]  # values, and their places


def _spread(pieces: _Pieces, count: int, number: bool) -> pa.Array:
    """A column with these values, and NULL at any other place."""
    import numpy as np

    kind = pa.float64() if number else pa.string()
    if not pieces:
        return pa.nulls(count, kind)
    where = np.full(count, -1, np.int64)
    where[np.concatenate([at for at, _ in pieces])] = np.arange(sum(len(told) for _, told in pieces))
    return pa.concat_arrays([told for _, told in pieces]).take(pa.array(where, mask=where < 0))


def event_table(groups: Sequence[Group], count: int) -> dict[str, pa.Array]:
    """The columns of the keys that have one, of all events of a batch."""
    columns = {}
    for key, name in _EVENT_COLUMNS.items():
        number = key in NUMBERS
        pieces = [
            (group.rows if column.at is None else group.rows[column.at], column.read(number))
            for group in groups
            if (column := group.columns.get(key))
        ]
        columns[name] = _spread(pieces, count, number)
    return columns


def item_table(groups: Sequence[Group]) -> tuple[Places, dict[str, pa.Array]]:
    """All line items of a batch: the row of each one's event, and the columns, also those only products have."""
    import numpy as np

    every = [items for group in groups for items in group.items.values()]
    if not every:
        return np.zeros(0, np.int64), {}
    starts = np.cumsum([0, *map(len, every)])
    columns: dict[str, pa.Array] = {}
    for key in ITEM_COLUMNS:
        number = key in NUMBERS
        pieces = [
            (start + (np.arange(len(items)) if column.at is None else column.at), column.read(number))
            for start, items in zip(starts[:-1], every, strict=True)
            if (column := items.columns.get(key))
        ]
        columns[key] = _spread(pieces, starts[-1], number)
    columns["line"] = pa.array(np.concatenate([items.lines for items in every]), pa.int32())
    columns["item"] = known_json(json_of([*chain.from_iterable(items.entries for items in every)]))
    return np.concatenate([items.owners for items in every]), columns


def order_values(groups: Sequence[Group], totals: pa.Array, owners: Places, items: Mapping[str, pa.Array]) -> pa.Array:
    """What orders are worth: the total, else Σ price × quantity of the items with a price (a missing quantity is 1)."""
    import numpy as np

    orders = [group.rows for group in groups if group.default and group.name.startswith("order-")]
    if not orders:
        return pa.nulls(len(totals), pa.float64())
    worth = np.zeros(len(totals))
    known = np.zeros(len(totals), bool)
    if items:
        priced = np.flatnonzero(items["price"].is_valid().to_numpy(zero_copy_only=False))
        prices = items["price"].to_numpy(zero_copy_only=False)[priced]
        quantities = items["quantity"].fill_null(1.0).to_numpy()[priced]
        np.add.at(worth, owners[priced], prices * quantities)
        known[owners[priced]] = True
    given = totals.is_valid().to_numpy(zero_copy_only=False)
    worth[given] = totals.drop_null().to_numpy()
    known |= given
    order = np.zeros(len(totals), bool)
    order[np.concatenate(orders)] = True
    return pa.array(worth, mask=~(known & order))
