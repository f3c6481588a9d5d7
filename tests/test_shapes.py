"""The shape that each persona question is run in, as the engine's own plan tells it: what is joined, what is read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from benchmarks import shop
from benchmarks.questions import ENGLISH, by_hand
from grammar.reader import read
from storage.planner import plan
from storage.sql import spell
from storage.store import Book, Store

UTC = ZoneInfo("UTC")
NOW = shop.NOW.replace(tzinfo=UTC)
EVENTS, CONTACTS = 400_000, 3_000

# Question → how many rows of a table it may read, in percent of the table, and how many joins in time it has. Out of
# order, or without `state`, each would read all of `event` or `item`.
SHAPES = {
    "bought a product": ({"item": 50}, 0),
    "a brand in 30 days": ({"item": 50}, 0),
    "3 orders in 90 days": ({"event": 40}, 0),
    "never ordered": ({"state": 80}, 0),
    "added, no order in 7 days": ({"event": 75, "state": 170}, 1),
    "viewed, added, ordered": ({"event": 140}, 2),  # of four scans
    "spend this year": ({"event": 40}, 0),
    "top 1000 by spend": ({"state": 80}, 0),
    "first order last month": ({"state": 80}, 0),
    "silent for 60 days": ({"state": 80}, 0),
    "3 of the last 4 weeks": ({"event": 60}, 0),
    "city, either, not": ({"item": 50, "state": 80}, 0),
    "favourite brand": ({"item": 50}, 0),
    "more than last quarter": ({"event": 40}, 0),
}
QUADRATIC = re.compile("CROSS|NESTED|BLOCKWISE|PIECEWISE|IE_JOIN|POSITIONAL")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A shop, in order."""
    path = tmp_path_factory.mktemp("shapes") / "shop.duckdb"
    shop.build(path, EVENTS, CONTACTS)
    opened = Store.open(path, clock=lambda: shop.NOW)
    opened.phonebook("shop").compact()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def book(store: Store) -> Book:
    return store.phonebook("shop")


@dataclass(frozen=True, slots=True)
class Shape:
    """The operators of a plan, and how many rows of each table it read."""

    operators: tuple[str, ...]
    read: dict[str, int]


def shape(store: Store, sql: str) -> Shape:
    """The plan that the engine ran."""
    with store._backend.snapshot() as snapshot:
        text = snapshot.rows(f"EXPLAIN (ANALYZE, FORMAT json) {sql}")[0][1]
    operators: list[str] = []
    read: Counter[str] = Counter()

    def walk(node: dict[str, Any]) -> None:
        operators.append(node["type"])
        if node["type"] == "TABLE_SCAN":
            read[node["extra_info"]["Table"].rpartition(".")[2].strip('"')] += node["rows_scanned"]
        for child in node.get("children", ()):
            walk(child)

    for top in json.loads(text)["operator"]:
        walk(top)
    return Shape(tuple(operators), dict(read))


def english(book: Book, question: str) -> str:
    query = read(ENGLISH[question], book.vocabulary()).query
    return spell(plan(query, NOW, UTC, book.layout()))


@pytest.mark.parametrize("question", SHAPES)
def test_shape(store: Store, book: Book, question: str) -> None:
    most, in_time = SHAPES[question]
    sql = english(book, question)
    found = shape(store, sql)
    assert not [operator for operator in found.operators if QUADRATIC.search(operator)]
    assert found.operators.count("ASOF_JOIN") == in_time
    assert "LAMBDA" not in sql and "LIST_" not in sql
    assert found.read.keys() - {"contact"} == most.keys()
    for table, percent in most.items():
        rows = store._backend.rows(f"SELECT count(*) FROM p1.{table}")[0][0]
        assert found.read[table] * 100 <= rows * percent, table


@pytest.mark.parametrize("question", ENGLISH)
def test_the_sql_by_hand_finds_the_same(store: Store, book: Book, question: str) -> None:
    types = dict(store._backend.rows("SELECT name, type FROM p1.event_type"))
    city = store._backend.rows("SELECT column_name FROM p1.attribute WHERE key = 'city'")[0][0]
    query = read(ENGLISH[question], book.vocabulary()).query
    ours = book.answer(query, NOW).table.column(0).to_pylist()
    assert ours
    assert ours == store._backend.query(by_hand(types, city)[question]).column(0).to_pylist()
