"""Segments: saved, asked, refreshed; who entered and exited adds up, also when the process is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import seed as reproducible
from hypothesis import strategies as st
from strategies import Names, queries, world
from test_laws import many

import persona
from grammar import query as q
from grammar.query import Member, Query, all_of, did, negated
from storage.errors import StorageError
from storage.store import Store

CONTACTS = [{"visitor_id": f"v{n}", "city": "Oslo" if n % 2 else "Bergen"} for n in range(6)]
NOW = "2026-02-01T00:00:00"
SPENT = Query(q.Has(q.Spend(q.Events("order-completed")), q.Bound(">", 250)))
LATELY = Query(did(q.Events("order-completed", (), q.Window(q.Rolling(q.Span(10, "day"))))))


def order(visitor: int, total: int, when: str) -> dict[str, Any]:
    return {
        "event_name": "order-completed",
        "visitor_id": f"v{visitor}",
        "event_properties": {"total": total, "products": [{"product_id": "P1"}]},
        "event_timestamp": when,
    }


@pytest.fixture
def book() -> Iterator[persona.Phonebook]:
    with persona.connect(":memory:", phonebook="shop") as opened:
        opened.import_contacts(CONTACTS)
        opened.import_events([order(n, 100 * n, "2026-01-10 10:00:00") for n in range(1, 6)])
        yield opened


def code_of(error: pytest.ExceptionInfo[StorageError]) -> str:
    return error.value.code


def test_a_segment_is_a_question_that_stays_live(book: persona.Phonebook) -> None:
    saved = book.segments.save("Big Spenders", "users who spent over 250")
    assert (saved.name, saved.static, saved.size) == ("Big Spenders", False, None)
    assert saved.understood == "contacts whose spend is more than 250"
    assert book.segments.members("big spender", now=NOW) == ["v3", "v4", "v5"]
    book.import_events([order(0, 900, "2026-01-20 10:00:00")])
    assert book.segments.members("Big Spenders", now=NOW) == ["v0", "v3", "v4", "v5"]
    assert book.segments.members("Big Spenders", now="2026-01-15") == ["v3", "v4", "v5"]
    assert [each.name for each in book.segments.list()] == ["Big Spenders"]
    assert book.segments.get("Big Spenders").query == SPENT


def test_a_question_may_come_as_an_answer_or_a_query(book: persona.Phonebook) -> None:
    assert book.segments.save("one", book.ask("users who spent over 250", now=NOW)).query == SPENT
    assert book.segments.save("two", SPENT).query == SPENT


def test_refresh_says_who_entered_and_who_exited(book: persona.Phonebook) -> None:
    book.segments.save("lately", LATELY)
    first = book.segments.refresh("lately", now="2026-01-12")
    assert (first.size, first.entered, first.exited) == (5, ["v1", "v2", "v3", "v4", "v5"], [])
    book.import_events([order(0, 1, "2026-01-21 10:00:00"), order(3, 1, "2026-01-21 10:00:00")])
    second = book.segments.refresh("lately", now="2026-01-25")
    assert (second.size, second.entered, second.exited) == (2, ["v0"], ["v1", "v2", "v4", "v5"])
    again = book.segments.refresh("lately", now="2026-01-25")
    assert (again.size, again.counts) == (2, (0, 0))
    history = book.segments.history("lately")
    assert history["as_of"].tolist() == [datetime(2026, 1, day, tzinfo=UTC) for day in (12, 25, 25)]
    assert history[["size", "entered", "exited"]].values.tolist() == [[5, 5, 0], [2, 1, 4], [2, 0, 0]]
    segment = book.segments.get("lately")
    assert (segment.size, segment.refreshed) == (2, datetime(2026, 1, 25, tzinfo=UTC))
    with pytest.raises(StorageError, match="which is earlier") as earlier:
        book.segments.refresh("lately", now="2026-01-24")
    assert code_of(earlier) == "earlier"


def test_entered_and_exited_can_be_asked_for(book: persona.Phonebook) -> None:
    book.segments.save("lately", LATELY)
    book.segments.refresh("lately", now="2026-01-12")
    book.import_events([order(0, 1, "2026-01-21 10:00:00"), order(3, 1, "2026-01-21 10:00:00")])
    book.segments.refresh("lately", now="2026-01-25")

    def moved(how: Any, days: int | None, now: str = NOW) -> list[str]:
        window = q.ALWAYS if days is None else q.Window(q.Rolling(q.Span(days, "day")))
        return book.ask(Query(Member("lately", how, window)), now=now).visitor_ids

    assert moved("entered", 10) == ["v0"]
    assert moved("exited", 10) == ["v1", "v2", "v4", "v5"]
    assert moved("entered", None) == ["v0", "v1", "v2", "v3", "v4", "v5"]
    assert moved("entered", None, "2026-01-13") == ["v1", "v2", "v3", "v4", "v5"]
    assert moved("exited", 3) == []


def test_a_segment_inside_a_question(book: persona.Phonebook) -> None:
    book.segments.save("spent", SPENT)
    book.segments.save("Oslo", "users in Oslo")
    answer = book.ask(Query(all_of(Member("spent"), negated(Member("Oslo")))), now=NOW)
    assert answer.visitor_ids == ["v4"]
    assert answer.understood == 'contacts in the segment "spent" and not in the segment "Oslo"'
    assert book.ask(answer.understood, now=NOW).query == answer.query
    book.segments.save("both", Query(all_of(Member("spent"), Member("Oslo"))))
    assert book.segments.members("both", now=NOW) == ["v3", "v5"]
    with pytest.raises(StorageError, match=r'no segment "nobody"; saved are: "both", "Oslo", "spent"'):
        book.ask(Query(Member("nobody")))
    with pytest.raises(StorageError, match="has no time: ask who entered"):
        book.ask(Query(Member("spent", "in", q.Window(q.Rolling(q.Span(3, "day"))))))


def test_a_snapshot_stays_as_it_is(book: persona.Phonebook) -> None:
    book.segments.save("spent", SPENT)
    snapshot = book.segments.save("then", Query(Member("spent")), static=True, now="2026-01-12")
    assert (snapshot.static, snapshot.size) == (True, 3)
    first = Query(q.Everyone(), q.Users((), q.Order(q.AttributeColumn("visitor_id"), True), 2))
    book.segments.save("two", first, static=True)
    book.import_events([order(0, 900, "2026-01-20 10:00:00")])
    assert book.segments.members("spent", now=NOW) == ["v0", "v3", "v4", "v5"]
    assert book.segments.members("then", now=NOW) == ["v3", "v4", "v5"]
    assert book.segments.members("two", now="2020-01-01") == ["v4", "v5"]
    assert book.ask(Query(all_of(Member("spent"), negated(Member("then")))), now=NOW).visitor_ids == ["v0"]
    with pytest.raises(StorageError, match="a snapshot"):
        book.segments.refresh("then")
    assert [each.name for each in book.segments.refresh_all(now=NOW)] == ["spent"]


def test_names(book: persona.Phonebook) -> None:
    book.segments.save("Spent Much", SPENT)
    book.segments.save("others", Query(negated(Member("spent much"))))
    book.define("quiet", 'contacts not in the segment "Spent Much"')
    with pytest.raises(StorageError, match="a segment") as taken:
        book.segments.save("spent MUCH", SPENT)
    assert code_of(taken) == "taken"
    with pytest.raises(StorageError, match="already"):
        book.segments.rename("others", "Spent much")
    with pytest.raises(ValueError, match="at least one word"):
        book.segments.save(" - ", SPENT)
    renamed = book.segments.rename("Spent Much", "Rich")
    assert renamed.name == "Rich"
    assert book.segments.get("others").understood == 'contacts not in the segment "Rich"'
    assert book.segments.members("others", now=NOW) == ["v0", "v1", "v2"]
    assert book.ask("quiet users", now=NOW).visitor_ids == ["v0", "v1", "v2"]
    with pytest.raises(StorageError, match='part of the segment "others" and of the term "quiet"') as in_use:
        book.segments.delete("rich")
    assert code_of(in_use) == "in use"
    book.undefine("quiet")
    book.segments.delete("others")
    book.segments.delete("Rich")
    assert list(book.segments.list()) == []
    with pytest.raises(StorageError, match="saved are: none"):
        book.segments.get("Rich")


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("how many users", "not for a number"),
        ("users by city", "not for a number"),
        ("the first 3 contacts", "first N"),
    ],
)
def test_what_is_no_segment(book: persona.Phonebook, question: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        book.segments.save("odd", question)
    with pytest.raises(persona.NotUnderstood):
        book.segments.save("odd", "users who zorped")
    assert list(book.segments.list()) == []


def test_no_segment_is_defined_by_itself(book: persona.Phonebook) -> None:
    with pytest.raises(StorageError, match='"loop" → "loop"') as circular:
        book.segments.save("loop", Query(Member("loop")))
    assert code_of(circular) == "circular"
    book.define("rich", "users who spent over 250")
    book.segments.save("VIP", "rich users from Oslo")
    with pytest.raises(StorageError, match='"VIP" → "VIP"'):
        book.define("rich", 'contacts in the segment "VIP"')
    assert book.segments.members("VIP", now=NOW) == ["v3", "v5"]


def test_a_term_inside_stays_live(book: persona.Phonebook) -> None:
    book.define("rich", "users who spent over 250")
    book.segments.save("VIP", "rich users from Oslo")
    book.define("rich", "users who spent over 450")
    assert book.segments.members("VIP", now=NOW) == ["v5"]
    assert "450" in book.segments.get("VIP").understood
    book.undefine("rich")
    assert book.segments.members("VIP", now=NOW) == ["v3", "v5"], "a term that is gone means what it did"
    book.define("rich", "users who spent over 250")
    book.define("richest", "rich users from Oslo")
    with pytest.raises(StorageError, match="defined by itself"):
        book.define("rich", "richest users")


def test_an_event_type_that_has_gone(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store.duckdb")
    shop = store.phonebook("shop")
    shop.import_contacts(CONTACTS)
    shop.import_events([order(1, 1, "2026-01-10 10:00:00")])
    now = datetime(2026, 2, 1, tzinfo=UTC)
    shop.save_segment("spent", SPENT, False, now)
    shop.save_segment("later", Query(did(q.Events("ride-booked"))), False, now)
    assert shop.refresh_segments(["later"], now)[0].size == 0, "such events may still come"
    with store._backend.write() as tx:
        tx.run("DELETE FROM p1.event_type")
        tx.run("UPDATE meta.phonebook SET version = version + 1")
    for gone in (lambda: shop.refresh_segments(["spent"], now), lambda: shop.answer(Query(Member("spent")), now)):
        with pytest.raises(StorageError, match='"spent" asks for the event type "order-completed", which does not'):
            gone()
    store.close()


def test_a_store_of_an_earlier_release_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    with persona.connect(path) as old:
        old.import_contacts(CONTACTS)
        with old._store._backend.write() as tx:
            for table in ("segment", "stay", "refresh"):
                tx.run(f"DROP TABLE p1.{table}")
            tx.run("UPDATE meta.store SET version = 1")
    with persona.connect(path) as new:
        new.segments.save("all", "everyone")
        assert new.segments.refresh("all").size == 6


def test_phonebooks_have_their_own(tmp_path: Path) -> None:
    with persona.connect(tmp_path / "store.duckdb", phonebook="one") as one:
        one.segments.save("all", "everyone")
    with persona.connect(tmp_path / "store.duckdb", phonebook="two") as two:
        assert list(two.segments.list()) == []


def test_one_pass_serves_many(book: persona.Phonebook) -> None:
    book.segments.save("spent", SPENT)
    book.segments.save("lately", LATELY)
    book.segments.save("Oslo", "users in Oslo")
    seen: list[str] = []
    backend = book._store._backend
    written = backend.write

    def watched(alone: bool = False) -> Any:
        transaction = written(alone)
        enter = transaction.__enter__

        class Watch:
            def __enter__(self) -> Any:
                tx = enter()
                run = tx.run
                tx.run = lambda sql, parameters=(): (seen.append(sql), run(sql, parameters))[1]
                return tx

            def __exit__(self, *error: Any) -> Any:
                return transaction.__exit__(*error)

        return Watch()

    backend.write = watched  # type: ignore[method-assign]
    book.segments.refresh_all(now=NOW)
    passes = [sql for sql in seen if sql.startswith("CREATE TEMP TABLE")]
    assert len(passes) == 1
    assert passes[0].count(".event AS e") == 1, "three segments, one look at the events"


def test_moves_of_another_are_asked_after_it_is_refreshed(book: persona.Phonebook) -> None:
    book.segments.save("z lately", LATELY)
    book.segments.save("a new one", Query(Member("z lately", "entered", q.Window(q.Rolling(q.Span(2, "day"))))))
    refreshed = {each.name: each.size for each in book.segments.refresh_all(now="2026-01-12")}
    assert refreshed == {"a new one": 5, "z lately": 5}


# ── laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def moves_add_up(seed: int, examples: int) -> None:
    """Over random events that come in pieces, and refreshes as of later and later instants: members now = members
    before + entered − exited, and are just those whom the question finds."""
    of = world(seed)
    names = Names(of)

    @reproducible(seed)
    @many(examples)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        note(f"the world of seed {seed}")
        asked = [data.draw(queries(names, populations_only=True)) for _ in range(data.draw(st.integers(1, 3)))]
        asked.append(Query(negated(Member("s0"))))
        store = Store.open(":memory:")
        book = store.phonebook("world", of.zone)
        book.import_contacts(of.contacts)
        for number, query in enumerate(asked):
            book.save_segment(f"s{number}", query, False, of.now)
        events = random.Random(seed).sample(of.events, len(of.events))
        inside: dict[str, set[str]] = {f"s{number}": set() for number in range(len(asked))}
        now, size = of.now - timedelta(days=60), 0
        for _ in range(data.draw(st.integers(1, 4))):
            more = data.draw(st.integers(0, len(events) - size))
            book.import_events(events[size : size + more])
            size += more
            now += timedelta(hours=data.draw(st.integers(0, 24 * 40)))
            for moves in book.refresh_segments(list(inside), now):
                entered, exited = set(moves.entered.to_pylist()), set(moves.exited.to_pylist())
                before = inside[moves.name]
                assert not entered & before
                assert exited <= before
                inside[moves.name] = (before | entered) - exited
                assert len(inside[moves.name]) == moves.size
                found = book.answer(Query(Member(moves.name)), now).table.column("visitor_id").to_pylist()
                assert inside[moves.name] == set(found)
                left = book.segment_history(moves.name).to_pylist()
                assert sum(row["entered"] - row["exited"] for row in left) == left[-1]["size"] == moves.size
        store.close()

    law()


@pytest.mark.parametrize("seed", range(3))
def test_moves_add_up(seed: int) -> None:
    moves_add_up(seed, 3)


@pytest.mark.laws
@pytest.mark.parametrize("batch", range(20))
def test_moves_add_up_at_length(batch: int) -> None:
    moves_add_up(random.SystemRandom().randrange(2**32), 60)


# ── a process that is killed ──────────────────────────────────────────────────────────────────────────────────────

_REFRESHES = """
import sys, persona
from datetime import datetime, timedelta
book = persona.connect(sys.argv[1])
at = datetime(2026, 1, 12)
print("ready", flush=True)
while True:
    at += timedelta(hours=1)
    book.segments.refresh_all(now=at)
"""


def killed(code: str, *arguments: object, after: float) -> None:
    """Runs Python code in a process of its own and kills it so many seconds after it has said that it is ready."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("after", [0.05, 0.3, 0.6])
def test_a_kill_leaves_no_half_membership(tmp_path: Path, after: float) -> None:
    path = tmp_path / "store.duckdb"
    with persona.connect(path) as book:
        book.import_contacts({"visitor_id": f"v{n}"} for n in range(300))
        book.import_events(order(n, 1, f"2026-01-{1 + n % 28:02} {n % 24:02}:00:00") for n in range(300))
        book.segments.save("lately", LATELY)
        book.segments.save("others", Query(negated(Member("lately"))))
    killed(_REFRESHES, path, after=after)
    with persona.connect(path) as book:
        refreshes: list[Any] = [book.segments.history(name).to_dict("records") for name in ("lately", "others")]
        assert [row["as_of"] for row in refreshes[0]] == [row["as_of"] for row in refreshes[1]], "both or neither"
        for name, rows in zip(("lately", "others"), refreshes, strict=True):
            if rows:
                assert book.segments.members(name, now=rows[-1]["as_of"].to_pydatetime()) == _recorded(book, name)
                assert len(_recorded(book, name)) == rows[-1]["size"]
                assert sum(row["entered"] - row["exited"] for row in rows) == rows[-1]["size"]


def _recorded(book: persona.Phonebook, name: str) -> list[str]:
    rows = book._store._backend.rows(
        "SELECT c.visitor_id FROM p1.stay s JOIN p1.contact c USING (contact) JOIN p1.segment g ON g.id = s.segment "
        "WHERE g.name = ? AND s.exited IS NULL ORDER BY 1",
        [name],
    )
    return [visitor for (visitor,) in rows]
