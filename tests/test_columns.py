"""Many events are read at once, few one by one: both ways store the same and refuse the same, and the columns hold what
the JSON beside them does."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from storage import columns, lines
from storage.event import DEFAULT_EVENTS, ITEM_KEYS, DefaultEvent, EventKey, number_of, text_of
from storage.schema import EVENT_NUMBERS, ITEM_NUMBERS, ITEM_TEXTS, event_columns
from storage.store import Book, Store

NOW = datetime(2026, 3, 1, 12)
TABLES = ("event", "item", "event_type", "event_key", "value_index", "product", "variant", "failed")
JSON_COLUMNS = frozenset(("properties", "context", "extra", "item", "errors"))
UNSORTED = {"failed": "id", "event": "event", "item": "event, line"}

ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        " ",
        "\u00a0",
        "\t\n",
        "x",
        'a "quoted" \\ text',
        "naïve 用户",
        "用户",
        "true",
        "[]",
        "{}",
        "null",
        "0",
    ),
    *(0, 1, -7, 2.5, 12345678901234567890, True, False),
    *("12", " 12 ", "₹1,299.00", "12 USD", "1,2,3", "12,50", "-3", "1e5", "seven", "nan", "3 e", "2026-01-31"),
    *([], {}, [1, "a", None, [2], {"x": 1}], ["red", "red"], {"a": {"b": 1}}, {"": 1}, [[]], "y" * 130),
)
ODD_TIMES = (
    *("2026-01-05 10:00:00", "2026-01-05T10:00:00Z", "2026-01-05T10:00:00.123456Z", "2026-01-05T10:00:00+05:30"),
    *("2026-02-30 10:00:00", "2026-01-05 24:00:00", "2026-01-05", "2026-03-29 02:30:00", "2026-10-25 02:30:00"),
    *("1969-07-20 20:17:40", "0001-01-01 00:00:00", " 2026-01-05 10:00:00 ", "now", "", None, 5, True),
)
ODD_TEXTS = (
    ('"n": 1', '"n": NaN'),
    ('"n": 1', '"n": -Infinity'),
    ('"n": 1', '"n": 1e999'),
    ('"n": 1', '"n": 1, "n": "twice"'),
    ('"n": 1', '"n": [1,]'),
    *(('"n": 1', '"n": ' + "[" * levels + "]" * levels) for levels in (197, 198, 199, 500, 900, 1200)),
    ('"n": 1', '"n": "\\ud800"'),
    ('"n": 1', '"n": "a,] nan, inf}"'),
    ('{"event_name"', '{"visitor_id": "v2", "event_name"'),
    ("}", ""),
    ("}", "}}"),
    ("}", ",}"),
    (":", " : "),
)


def _value(key: EventKey, dice: random.Random) -> Any:
    match key.type:
        case "string":
            return dice.choice([f"{key.name} {dice.randrange(5)}", f"{20 + dice.randrange(9)}", 40 + dice.randrange(9)])
        case "numeric":
            return dice.choice([dice.randrange(100), dice.random() * 100, f"{dice.randrange(100)}.50"])
        case "array":
            return [dice.randrange(3)]


def _properties(default: DefaultEvent | None, dice: random.Random) -> dict[str, Any]:
    if default is None:
        told: dict[str, Any] = {"colour": dice.choice(["red", "blue"]), "order_id": dice.randrange(50), "n": 1}
        if dice.random() < 0.3:
            told["product"] = {"product_id": f"p{dice.randrange(9)}", "name": "Cup", "price": "3.00", "glaze": "matt"}
        return told
    told = {key.name: _value(key, dice) for key in default.keys if key.required or dice.random() < 0.4} | {"n": 1}
    if default.items:
        told["products"] = [
            {key.name: _value(key, dice) for key in default.items if key.required or dice.random() < 0.5}
            for _ in range(dice.randrange(1, 4))
        ]
    return told


def _mutate(thing: Any, dice: random.Random) -> None:
    """Changes one value somewhere in it."""
    places: list[tuple[Any, Any]] = []
    todo = [thing]
    while todo:
        at = todo.pop()
        for key in at if isinstance(at, dict) else range(len(at)):
            places.append((at, key))
            if isinstance(at[key], dict | list):
                todo.append(at[key])
    at, key = dice.choice(places)
    if isinstance(at, dict) and dice.random() < 0.2:
        del at[key]
    elif isinstance(at, dict) and dice.random() < 0.2:
        at[dice.choice(["product_id", "product", "products", "price", "size", "e id", "meta", "created_at", "_id"])] = (
            deepcopy(dice.choice(ODD_VALUES))
        )
    else:
        at[key] = deepcopy(dice.choice(ODD_VALUES))


def hurt_lines(count: int, seed: int) -> bytes:
    """Events, most of them hurt somewhere."""
    dice = random.Random(seed)
    names = [*DEFAULT_EVENTS, "login", "Ticket opened", "ADD to_cart", " order completed "]
    made = []
    for nth in range(count):
        name = dice.choice(names)
        folded = name.strip().casefold().replace(" ", "-").replace("_", "-")
        told: dict[str, Any] = {
            "event_name": name,
            "visitor_id": dice.choice(["v1", "v2", "v2", "stranger"] if dice.random() < 0.1 else ["v1", "v2"]),
            "event_properties": _properties(DEFAULT_EVENTS.get(folded), dice),
        }
        if dice.random() < 0.8:
            told["event_timestamp"] = f"2026-01-{dice.randrange(1, 29):02} 1{dice.randrange(10)}:00:0{nth % 10}"
        if dice.random() < 0.5:
            told["context"] = {"device": dice.choice(["phone", "tv"]), "at": {"city": "Pune"}, "tags": ["a", "b"]}
        if dice.random() < 0.5:
            told["message_id"] = f"m{dice.randrange(count)}"
        for _ in range(dice.choice([0, 1, 1, 2])):
            _mutate(told, dice)
        if dice.random() < 0.05:
            told["event_timestamp"] = dice.choice(ODD_TIMES)
        text = json.dumps(told, ensure_ascii=dice.random() < 0.5)
        if dice.random() < 0.1:
            text = text.replace(*dice.choice(ODD_TEXTS), 1)
        made.append(text.encode())
        if dice.random() < 0.02:
            made.append(
                dice.choice([b"", b"  ", b"nonsense", b"[1]", b"7", b'"x"', b"\xff\xfe{}", b'{"event_name": "x"}'])
            )
    return b"\n".join(made)


def stored(book: Book) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold, JSON read."""
    found = {}
    for table in TABLES:
        rows = book._backend.query(f"SELECT * FROM p1.{table} ORDER BY {UNSORTED.get(table, 'ALL')}").to_pylist()
        found[table] = [
            {key: json.loads(value) if key in JSON_COLUMNS and value else value for key, value in row.items()}
            for row in rows
        ]
    return found


def imported(path: Path, zone: str, strict: bool, many: int, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is stored of a file where so many lines are read at once, and so many values."""
    patch.setattr(lines, "MANY", many)
    patch.setattr(columns, "_FEW", many)
    store = Store.open(":memory:", clock=lambda: NOW)
    book = store.phonebook("test", zone, strict)
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    report = book.import_events(path)
    found: dict[str, Any] = {"report": report, **stored(book)}
    # Where a text stops being JSON is worded by whichever part of it was read.
    for row in found["failed"]:
        row["errors"] = [e if e["code"] != "not_json" else "not_json" for e in row["errors"]]
    store.close()
    return found


def check(path: Path, zone: str, strict: bool, patch: pytest.MonkeyPatch) -> None:
    by_line = imported(path, zone, strict, 10**9, patch)
    at_once = imported(path, zone, strict, 0, patch)
    assert by_line["report"].accepted and by_line["report"].failed
    check_columns(at_once)
    for part in ("report", "failed", *TABLES):
        if by_line[part] != at_once[part]:
            ours, theirs = by_line[part], at_once[part]
            if isinstance(ours, list):
                pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a != b]
                raise AssertionError(f"{part}: {len(ours)} and {len(theirs)} rows; first differences {pairs[:2]}")
            raise AssertionError(f"{part}: {ours} and {theirs}")


def check_columns(found: dict[str, Any]) -> None:
    """Every column of events and line items is what their JSON says."""
    names = {row["type"]: row["name"] for row in found["event_type"]}
    items: dict[int, list[dict[str, Any]]] = {}
    for row in found["item"]:
        items.setdefault(row["event"], []).append(row)
        for key in (*ITEM_TEXTS, *ITEM_NUMBERS):
            assert row[key] == (number_of if key in ITEM_NUMBERS else text_of)(row["item"].get(key))
    for row in found["event"]:
        told, name = row["properties"], names[row["type"]]
        for key, column in event_columns().items():
            assert row[column] == (number_of if key in EVENT_NUMBERS else text_of)(told.get(key))
        mine = items.pop(row["event"], [])
        assert [item["item"] for item in mine] == items_of(name, told)
        assert [item["line"] for item in mine] == list(range(len(mine)))
        assert {(item["type"], item["contact"], item["ts"]) for item in mine} <= {
            (row["type"], row["contact"], row["ts"])
        }
        worth = [
            item["price"] * (1 if item["quantity"] is None else item["quantity"]) for item in mine if item["price"]
        ]
        if name in DEFAULT_EVENTS and name.startswith("order-") and (row["p_total"] is not None or worth):
            assert row["order_value"] == (pytest.approx(sum(worth)) if row["p_total"] is None else row["p_total"])
    assert not items


def items_of(name: str, told: dict[str, Any]) -> list[dict[str, Any]]:
    """The line items of an event, top level first."""
    default = DEFAULT_EVENTS.get(name)
    listed = told.get("products" if default else "product")
    if default is None and not isinstance(listed, list):
        listed = [listed]
    found = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    if default and (default.about_product or "product_id" in told):
        own = set() if default.about_product else {key.name for key in default.keys}
        top = {key: value for key, value in told.items() if key in ITEM_KEYS and key not in own}
        found = [top, *found] if top else found
    return found


@pytest.mark.parametrize(("zone", "strict"), [("UTC", False), ("Europe/Berlin", True)])
def test_both_ways_agree(zone: str, strict: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(hurt_lines(3_000, seed=7))
    check(path, zone, strict, monkeypatch)


def test_line_items_are_numbered_without_what_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, and as `verify` wants them."""
    mixed = ["x", {"product_id": "p1"}, 7, {"product_id": "p2"}]
    told = [("wrapped", {"product": mixed}), ("product-viewed", {"product_id": "p9", "products": mixed})]
    events = [{"event_name": name, "visitor_id": "v1", "event_properties": properties} for name, properties in told]
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(map(json.dumps, events)))
    for many in (10**9, 0):
        found = imported(path, "UTC", False, many, monkeypatch)
        assert [(row["event"], row["line"], row["product_id"]) for row in found["item"]] == [
            *((0, 0, "p1"), (0, 1, "p2")),
            *((1, 0, "p9"), (1, 1, "p1"), (1, 2, "p2")),
        ]


@pytest.mark.parametrize("many", [10**9, 0])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"":', "}")])
def test_what_is_nested_too_deep_fails(
    start: str, end: str, many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event and its properties are two levels."""
    path = tmp_path / "e.jsonl"
    nested = [start * levels + "1" + end * levels for levels in (198, 199, 900, 5000)]
    path.write_text("".join(f'{{"event_name":"x","visitor_id":"v1","event_properties":{{"":{n}}}}}\n' for n in nested))
    found = imported(path, "UTC", False, many, monkeypatch)
    assert [row["line"] for row in found["failed"]] == [2, 3, 4]
    assert found["report"].accepted == 1


def test_a_batch_of_which_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"event_name": "x"}\n{"event_name": "x", "visitor_id": "stranger", "event_properties": {}}\n')
    by_line, at_once = (imported(path, "UTC", False, many, monkeypatch) for many in (10**9, 0))
    assert by_line == at_once
    assert by_line["report"].failed == 2


@pytest.mark.parametrize("many", [10**9, 0])
def test_a_key_that_comes_twice_is_the_last_one_everywhere(
    many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = ['"n": 1, "n": 2', '"n" : 1, "n": 2', r'"n": 1, "n": 2, "a": "\": "', '"n": 2, "deep": {"a": 1, "a": 2}']
    sound = ['"n": 2', '"n" : 2', r'"n": 2, "a": "\":"', '"n": 2, "deep": [{"a": 2}, {"a" :2}]']
    path = tmp_path / "e.jsonl"
    head = '{"event_name": "x", "visitor_id": "v1", "event_properties": {'
    path.write_text("".join(f"{head}{told}}}}}\n" for told in twice + sound))
    found = imported(path, "UTC", False, many, monkeypatch)
    assert [row["properties"]["n"] for row in found["event"]] == [2] * 8
    store = Store.open(":memory:")
    book = store.phonebook("test")
    book.import_contacts([{"visitor_id": "v1"}])
    book.import_events(path)
    raws = [told for (told,) in book._backend.rows("SELECT properties::VARCHAR FROM p1.event ORDER BY event")]
    assert [raw.count('"n"') for raw in raws] == [1] * 8
    assert raws[4:] == [f"{{{told}}}" for told in sound]


@pytest.mark.laws
@pytest.mark.parametrize("seed", range(10))
def test_both_ways_agree_on_100000(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(hurt_lines(10_000, seed))
    check(path, "Asia/Kolkata" if seed % 2 else "UTC", seed % 3 == 0, monkeypatch)
