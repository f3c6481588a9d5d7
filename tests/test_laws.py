"""The laws: what holds of every query and every phonebook. The engine is held against the oracle on random worlds.

`make test` asks 50 queries each of 40 fixed worlds; `make laws` many more, other ones each time. A failure is told by
the smallest query and the smallest world that hypothesis and `smaller` find.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from unittest import mock

import oracle
import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import seed as reproducible
from strategies import Names, World, edges, queries, shown, smaller, vocabulary_of, world

from grammar import query as q
from grammar.describe import describe
from grammar.reader import read
from storage import compact
from storage.store import Book, Store


class Asked:
    """One world, open in the engine and in the oracle."""

    def __init__(self, of: World) -> None:
        self.world = of
        self.names = Names(of)
        self.vocabulary = vocabulary_of(of)
        self.oracle = oracle.World(of.contacts, of.events, of.now, of.zone)
        self.store = Store.open(":memory:", clock=lambda: of.now.astimezone(UTC).replace(tzinfo=None))
        self.book: Book = self.store.phonebook("world", of.zone)
        # Some of the events are in order, some came later: every plan has to see both.
        half = len(of.events) // 2
        assert self.book.import_contacts(of.contacts).failed == 0, "every contact of a world must be valid"
        assert self.book.import_events(of.events[:half]).failed == 0, "every event of a world must be valid"
        with mock.patch.object(compact, "CARRIED", 3):  # few events are enough for a key to get a column
            self.book.compact()
        assert self.book.import_events(of.events[half:]).failed == 0, "every event of a world must be valid"

    def close(self) -> None:
        self.store.close()

    def rows(self, query: q.Query) -> list[list[Any]]:
        table = self.book.answer(query, self.world.now).table
        return [list(row.values()) for row in table.to_pylist()]

    def visitors(self, query: q.Query) -> list[str]:
        return [row[0] for row in self.rows(query)]

    def differs(self, query: q.Query) -> str | None:
        """How the engine's answer differs from the oracle's, or None."""
        got, told = self.rows(query), self.oracle.answer(query)
        match query.output:
            case q.Users():
                wanted = [[visitor, *cells] for visitor, cells in zip(told.visitor_ids, told.rows, strict=True)]
                equal = len(got) == len(wanted) and all(map(_same_row, got, wanted))
            case q.AttributeBreakdown() | q.EventBreakdown() | q.ItemBreakdown() | q.TimeBreakdown() | q.Rows():
                wanted = [[label, count] for label, count in told.breakdown.items()]
                equal = self._same_breakdown(query, got, wanted)
            case _:
                wanted = [[told.value]]
                equal = len(got) == 1 and _same_row(got[0], wanted[0])
        return None if equal else f"engine {got}\noracle {wanted}"

    def _same_breakdown(self, query: q.Query, got: list[list[Any]], wanted: list[list[Any]]) -> bool:
        rows = [(oracle.text(label), round(count, 6)) for label, count in got]
        wanted = [[label, round(count, 6)] for label, count in wanted]
        if isinstance(query.output, q.Rows | q.TimeBreakdown):
            return rows == [(oracle.text(label), count) for label, count in wanted]
        assert isinstance(query.output, q.AttributeBreakdown | q.EventBreakdown | q.ItemBreakdown)
        if not query.output.ranked:
            return sorted(rows) == sorted((label, count) for label, count in wanted)
        # which of two values with one count comes first, or is cut off, is not told
        every = self.oracle.answer(replace(query, output=replace(query.output, limit=None))).breakdown
        known = {(label, round(count, 6)) for label, count in every.items()}
        counts = [count for _, count in rows]
        return counts == [count for _, count in wanted] and len(dict(rows)) == len(rows) and set(rows) <= known


def _same_row(got: list[Any], wanted: list[Any]) -> bool:
    return len(got) == len(wanted) and all(map(_same, got, wanted))


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, datetime):
        assert isinstance(got, datetime), got
        return got.replace(tzinfo=got.tzinfo or UTC) == wanted
    if oracle.missing(got) or oracle.missing(wanted):
        return oracle.missing(got) and oracle.missing(wanted)
    a, b = oracle.number(got), oracle.number(wanted)
    if a is not None and b is not None:
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return oracle.text(got) == oracle.text(wanted)


@lru_cache(maxsize=1)
def asked(seed: int) -> Asked:
    return Asked(world(seed))


def many(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


Law = Callable[[Asked, q.Query], str | None]


def hold(law: Law, seed: int, examples: int, **how: Any) -> None:
    """Asks whether the law (which says what is wrong, or None) holds of so many queries about the seed's world."""
    of = asked(seed)
    failed: list[q.Query] = []

    @reproducible(seed)
    @many(examples)
    @given(queries(of.names, **how))
    def holds(query: q.Query) -> None:
        note(f"about the world of seed {seed}")
        wrong = law(of, query)
        if wrong is not None:
            failed[:] = [query]
            pytest.fail(wrong)

    def wrong_in(fewer: World) -> str | None:
        again = Asked(fewer)
        try:
            return law(again, failed[0])
        finally:
            again.close()

    with suppress(pytest.fail.Exception):
        holds()
    if failed:
        least = smaller(of.world, lambda fewer: wrong_in(fewer) is not None)
        pytest.fail(f"{failed[0]}\n{wrong_in(least)}\n{shown(least)}", pytrace=False)


# ── the laws ──────────────────────────────────────────────────────────────────────────────────────────────────────


def engine_is_oracle(of: Asked, query: q.Query) -> str | None:
    return of.differs(query)


def negation_is_the_rest(of: Asked, query: q.Query) -> str | None:
    met = of.visitors(query)
    not_met = of.visitors(q.Query(q.negated(query.population)))
    return None if sorted(met + not_met) == of.oracle.everyone else f"met {met}\nnot met {not_met}"


def longer_loses_nobody(of: Asked, query: q.Query) -> str | None:
    events = next(_events_of(query.population), None)
    assume(events is not None)
    assert events is not None
    longer = [
        set(of.visitors(q.Query(q.did(replace(events, window=q.Window(q.Rolling(q.Span(days, "day"))))))))
        for days in (7, 30, 90)
    ]
    return None if longer[0] <= longer[1] <= longer[2] else f"7, 30, 90 days: {longer}"


def _events_of(node: Any) -> Any:
    if isinstance(node, q.Events):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _events_of(part)
    elif hasattr(type(node), "__slots__"):
        for name in type(node).__slots__:
            yield from _events_of(getattr(node, name))


def json_is_the_query(_: Asked, query: q.Query) -> str | None:
    return None if q.Query.from_json(query.to_json()) == query else query.to_json()


def said_is_meant(of: Asked, query: q.Query) -> str | None:
    said = describe(query)
    back = read(said, of.vocabulary).query
    return None if back == query else f"{said}\nwas read as {back}"


LAWS = {
    "engine": (engine_is_oracle, 50, {}),
    "json": (json_is_the_query, 5, {}),
    "said": (said_is_meant, 10, {}),
    "not": (negation_is_the_rest, 3, {"populations_only": True}),
    "longer": (longer_loses_nobody, 3, {"populations_only": True}),
}


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        ("America/New_York", "2026-03-08T12:30:00"),  # the clocks went forward that night
        pytest.param("Asia/Kolkata", "2024-02-29T00:00:00", marks=pytest.mark.laws),
        pytest.param("UTC", "2026-03-31T18:00:00", marks=pytest.mark.laws),
        pytest.param("America/New_York", "2025-11-03T00:00:00", marks=pytest.mark.laws),  # back the day before
    ],
)
def test_edges(zone: str, now: str) -> None:
    """Whether the very instant belongs to it: of every kind of period, gap, block and day."""
    of, asked_of_it = edges(zone, now)
    there = Asked(of)
    wrong = [f"{query}\n{how}" for query in asked_of_it if (how := there.differs(query)) is not None]
    there.close()
    assert not wrong, f"{len(wrong)} of {len(asked_of_it)}:\n" + "\n\n".join(wrong[:5])


class TestOneHalf:
    """Two classes: two workers."""

    @pytest.mark.parametrize("seed", range(0, 40, 2))
    def test_laws(self, seed: int) -> None:
        for law, examples, how in LAWS.values():
            hold(law, seed, examples, **how)


class TestOtherHalf:
    @pytest.mark.parametrize("seed", range(1, 40, 2))
    def test_laws(self, seed: int) -> None:
        for law, examples, how in LAWS.values():
            hold(law, seed, examples, **how)


@pytest.mark.laws
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("batch", range(20))
def test_laws_at_length(law: str, batch: int) -> None:
    holds, examples, how = LAWS[law]
    for _ in range(10):
        hold(holds, random.SystemRandom().randrange(2**32), max(100, 4 * examples), **how)


def test_queries_tell_contacts_apart() -> None:
    """At least a third of the populations are neither nobody nor everybody: such are worth asking about."""
    apart = [told for number in range(12) for told in _told_apart(number, 30)]
    assert sum(apart) >= len(apart) / 3


def _told_apart(number: int, examples: int) -> list[bool]:
    of = world(number)
    told = oracle.World(of.contacts, of.events, of.now, of.zone)
    apart: list[bool] = []

    @reproducible(number)
    @many(examples)
    @given(queries(of))
    def ask(query: q.Query) -> None:
        apart.append(0 < len(told.who(query.population)) < len(told.everyone))

    ask()
    return apart
