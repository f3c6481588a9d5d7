"""What English means: every saying of tests/language/ reads to exactly the query that its row says.

`pytest --golden tests/test_language.py` writes docs/language.md from the same data.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sayings import FOLDER, Row, page, sections, world

from grammar.canonical import read_canonical
from grammar.describe import describe
from grammar.errors import Ambiguous, NotUnderstood
from grammar.query import Query
from grammar.reader import read

PAGE = Path(__file__).parent.parent / "docs" / "language.md"
ROWS = [row for rows in sections().values() for row in rows]
OTHERWISE = [(row, saying) for row in ROWS for saying in row.otherwise]


def name_of(row: Row) -> str:
    return f"{row.section.split('.')[0]}: {' | '.join(row.values)}"[:120]


def meaning(value: str) -> Query:
    query = read_canonical(value)
    assert query is not None, value
    return query


def readings(saying: str, row: Row) -> set[Query] | str:
    """The queries that a saying reads to, or why it is refused; a warning where none is due counts as a refusal."""
    try:
        found = read(saying, world(row.world))
    except NotUnderstood as refused:
        return f"{refused.code}: {refused}"
    except Ambiguous as several:
        return {reading.query for reading in several.readings}
    said = " ".join(found.warnings)
    if bool(said) != bool(row.warning) or row.warning not in said:
        return f"says beside it: {said!r}"
    return {found.query}


def shown(found: set[Query] | str) -> str:
    return found if isinstance(found, str) else " || ".join(sorted(map(describe, found)))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_the_values_are_canonical(row: Row) -> None:
    assert [describe(meaning(value)) for value in row.values] == list(row.values)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_saying_reads_to_its_query(row: Row) -> None:
    wanted = {meaning(value) for value in row.values}
    found = {saying: readings(saying, row) for saying in row.sayings}
    assert not {saying: shown(said) for saying, said in found.items() if said != wanted}


@pytest.mark.parametrize("row", [row for row in ROWS if row.unread], ids=name_of)
def test_what_is_not_read_yet_is_never_answered(row: Row) -> None:
    """Refused or shown as readings, never answered wrongly. What reads now belongs up among its sayings."""
    for saying in row.unread:
        with pytest.raises((NotUnderstood, Ambiguous)):
            read(saying, world(row.world))


@pytest.mark.xfail(strict=True, reason="read to another query than its own")
@pytest.mark.parametrize(("row", "saying"), OTHERWISE, ids=[saying for _, saying in OTHERWISE])
def test_what_is_read_otherwise(row: Row, saying: str) -> None:
    assert readings(saying, row) == {meaning(value) for value in row.values}


def test_each_section_has_its_rows() -> None:
    assert [int(section.split(".")[0]) for section in sections()] == list(range(1, 19))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_a_row_has_five_sayings(row: Row) -> None:
    assert len({*row.sayings, *row.unread, *row.otherwise}) >= 5


def test_a_saying_has_one_meaning() -> None:
    said: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in ROWS:
        for saying in (*row.sayings, *row.unread, *row.otherwise):
            assert said.setdefault((row.world, saying.casefold()), row.values) == row.values, saying


def test_the_page_is_up_to_date(pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("--golden"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), f"pytest --golden tests/test_language.py writes it from {FOLDER.name}/"
