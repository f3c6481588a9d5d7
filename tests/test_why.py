"""Why: what decides is what was asked, in words and events; and it agrees with membership, for every contact of random
queries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from test_laws import Asked, hold

import persona
from grammar import query as q
from grammar.query import Query
from persona.why import why_json
from storage.errors import StorageError
from storage.evidence import Proof

NOW = "2026-03-31T18:00:00"


def event(name: str, visitor: str, when: str, **properties: Any) -> dict[str, Any]:
    return {
        "event_name": name,
        "visitor_id": visitor,
        "event_properties": properties,
        "event_timestamp": when,
        "message_id": f"{visitor} {when}",
    }


ITEM = {"product_id": "P1", "name": "Red Shirt", "brand": "Nike", "price": 20}
EVENTS = [
    event("order-completed", "ann", "2026-03-02 10:00:00", order_id="1", total=1540, products=[ITEM]),
    event(
        "order-completed", "ann", "2026-03-09 10:30:00", order_id="2", total="260.50", products=[{"product_id": "P"}]
    ),
    event("order-refunded", "ann", "2026-03-10 09:00:00", order_id="1", total=40, products=[ITEM]),
    event("login", "ann", "2026-03-30 23:00:00", method="sso"),
    event("login", "bob", "2026-01-01 00:00:00", method="password"),
    event("login", "bob", "2026-02-20 00:00:00"),
]


@pytest.fixture
def book() -> Iterator[persona.Phonebook]:
    with persona.connect(":memory:", timezone="Asia/Kolkata") as opened:
        opened.import_contacts([{"visitor_id": "ann", "city": "Pune"}, {"visitor_id": "bob"}, {"visitor_id": "cat"}])
        opened.import_events(EVENTS)
        yield opened


def told(book: persona.Phonebook, question: str | Query, visitor: str) -> list[tuple[bool, str, str | None, list[str]]]:
    answer = book.ask(question, now=NOW)
    why = answer.why(visitor)
    assert why.met == (visitor in answer.visitor_ids)
    return [(each.met, each.text, each.found, [e.text for e in each.events]) for each in why.conditions]


FIRST = '"order-completed" on 2026-03-02 at 10:00'
SECOND = '"order-completed" on 2026-03-09 at 10:30'


@pytest.mark.parametrize(
    ("question", "visitor", "reasons"),
    [
        (
            "bought at least 3 times",
            "ann",
            [(False, 'with at least 3 "order-completed"', "2 of the 3 needed", [FIRST, SECOND])],
        ),
        (
            "users in Pune who spent over 1000",
            "ann",
            [
                (True, 'whose "city" is "pune"', '"city" is "Pune"', []),
                (
                    True,
                    "whose spend is more than 1,000",
                    "1,800.50",
                    [f'{FIRST}, "total" 1,540', f'{SECOND}, "total" 260.50'],
                ),
            ],
        ),
        (
            "users in Pune who spent over 1000",
            "cat",
            [
                (False, 'whose "city" is "pune"', '"city" is unknown', []),
                (False, "whose spend is more than 1,000", "0", []),
            ],
        ),
        (
            "bought Nike",
            "ann",
            [
                (
                    True,
                    'with at least 1 "order-completed" with an item whose "brand" is "nike"',
                    "1",
                    [f'{FIRST}, "brand" "Nike"'],
                )
            ],
        ),
        (
            "never logged in",
            "bob",
            [(False, 'with no "login"', "2", ['"login" on 2026-01-01 at 00:00', '"login" on 2026-02-20 at 00:00'])],
        ),
        ("never logged in", "cat", [(True, 'with no "login"', "0", [])]),
        (
            Query(q.Has(q.Spend(q.Events("order-completed"), net=True), q.Bound(">=", 1800))),
            "ann",
            [
                (
                    False,
                    "whose net spend is at least 1,800",
                    "1,760.50 of the 1,800 needed",
                    [
                        f'{FIRST}, "total" 1,540',
                        f'{SECOND}, "total" 260.50',
                        '"order-refunded" on 2026-03-10 at 09:00, "total" 40',
                    ],
                )
            ],
        ),
        (
            Query(q.CameBack(q.Span(30, "day"))),
            "bob",
            [
                (
                    True,
                    "who came back after more than 30 days away",
                    None,
                    ['"login" on 2026-01-01 at 00:00', '"login" on 2026-02-20 at 00:00'],
                )
            ],
        ),
        (
            Query(q.Extreme("last", q.Events("order-completed"), q.Window(q.Rolling(q.Span(60, "day"))))),
            "ann",
            [(True, 'whose last "order-completed" was in the last 60 days', "2026-03-09 at 10:30", [SECOND])],
        ),
        (
            Query(q.Only(q.Events("login"), (q.Filter((q.Property("method"),), q.Text("is", ("password",))),))),
            "bob",
            [
                (
                    False,
                    'with at least 1 "login", each being one whose "method" is "password"',
                    None,
                    ['"login" on 2026-02-20 at 00:00'],
                )
            ],
        ),
        (
            Query(q.Sequence((q.Step(q.Events("order-completed")), q.Step(q.Events("login"))))),
            "ann",
            [
                (
                    True,
                    'who did "order-completed" and then "login"',
                    None,
                    [FIRST, SECOND, '"login" on 2026-03-30 at 23:00'],
                )
            ],
        ),
    ],
)
def test_what_decides(book: persona.Phonebook, question: str | Query, visitor: str, reasons: list[Any]) -> None:
    assert told(book, question, visitor) == reasons


def test_the_events_are_the_very_events(book: persona.Phonebook) -> None:
    (reason,) = book.ask("bought at least 3 times", now=NOW).why("ann").conditions
    assert [event.message_id for event in reason.events] == ["ann 2026-03-02 10:00:00", "ann 2026-03-09 10:30:00"]
    assert [event.properties for event in reason.events] == [
        EVENTS[0]["event_properties"],
        EVENTS[1]["event_properties"],
    ]
    assert str(reason.events[0].at) == "2026-03-02 10:00:00+05:30"


def test_conditions_inside_conditions(book: persona.Phonebook) -> None:
    book.define("shopper", "users who bought")
    book.segments.save("Night", "users who logged in")
    question = Query(
        q.all_of(
            q.any_of(q.Member("Night"), q.Attribute(("city",), q.Known(True))),
            q.negated(q.Term("shopper", q.did(q.Events("order-completed")))),
        )
    )
    why = book.ask(question, now=NOW).why("ann")
    assert not why.met
    either, neither = sorted(why.conditions, key=lambda each: "shopper" in each.text)
    assert (either.met, [each.met for each in either.conditions]) == (True, [True, True])
    (member,) = [each for each in either.conditions if "segment" in each.text]
    assert [each.text for each in member.conditions] == ['with at least 1 "login"']
    assert (neither.met, neither.conditions[0].met) == (False, True)
    assert why_json(why)["conditions"][0].keys() == {
        "met", "text", "found", "values", "events", "conditions",
    }  # fmt: skip


def test_a_limit_is_a_condition(book: persona.Phonebook) -> None:
    first = Query(q.Everyone(), q.Users((), q.Order(q.AttributeColumn("visitor_id"), True), 1))
    answer = book.ask(first, now=NOW)
    assert answer.visitor_ids == ["cat"]
    assert answer.why("cat").met
    why = answer.why("ann")
    assert (why.met, [each.met for each in why.conditions]) == (False, [True, False])
    assert why.conditions[-1].text.startswith("the first 1 contacts")


def test_who_is_not_known(book: persona.Phonebook) -> None:
    with pytest.raises(StorageError, match='no contact "zoe"'):
        book.ask("bought", now=NOW).why("zoe")


# ── laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def why_is_membership(of: Asked, query: Query) -> str | None:
    """For every contact: the proof says what the answer says, holds together, and shows as many events as were
    counted."""
    found = set(of.visitors(Query(query.population)))
    for visitor in random.Random(repr(query)).sample(of.oracle.everyone, min(4, len(of.oracle.everyone))):
        proof = of.book.prove(query, visitor, of.world.now)
        if proof.met != (visitor in found):
            return f"{visitor}: why {proof.met}, the answer {visitor in found}"
        wrong = _wrong(proof)
        if wrong is not None:
            return f"{visitor}: {wrong}"
        own = {row["event"] for row in _own(of, visitor)}
        if not {event.event for event in _events(proof)} <= own:
            return f"{visitor}: events of somebody else"
    return None


def _wrong(proof: Proof) -> str | None:
    inside = [each.met for each in proof.of]
    match proof.condition:
        case q.All() if proof.met != all(inside):
            return f"{proof.condition} is {proof.met} of {inside}"
        case q.Any_() if proof.met != any(inside):
            return f"{proof.condition} is {proof.met} of {inside}"
        case q.Not() | q.Term() if proof.met == (inside[0] == isinstance(proof.condition, q.Not)):
            return f"{proof.condition} is {proof.met} of {inside}"
        case q.Has(q.Count()) if proof.values != (len(proof.events),):
            return f"{proof.condition} counted {proof.values}, shows {len(proof.events)}"
        case q.Has(q.Elapsed() | q.ActivePeriods() | q.LongestRun()) if bool(proof.values[0]) and not proof.events:
            return f"{proof.condition} is {proof.values} without an event"
        case q.Sequence(steps) if proof.met and not proof.events and not steps[0].absent:
            return f"{proof.condition} is met without an event"
        case q.CameBack() if proof.met != (len(proof.events) >= 2):
            return f"{proof.condition} is {proof.met} with {len(proof.events)} events"
        case _:
            return next((wrong for each in proof.of if (wrong := _wrong(each)) is not None), None)


def _events(proof: Proof) -> Iterator[Any]:
    yield from proof.events
    for each in proof.of:
        yield from _events(each)


def _own(of: Asked, visitor: str) -> list[dict[str, Any]]:
    return of.book._backend.query(
        "SELECT event FROM p1.event JOIN p1.contact USING (contact) WHERE visitor_id = ?", [visitor]
    ).to_pylist()


@pytest.mark.parametrize("seed", range(6))
def test_why_is_membership(seed: int) -> None:
    hold(why_is_membership, seed, 6, populations_only=True)


@pytest.mark.laws
@pytest.mark.parametrize("batch", range(20))
def test_why_is_membership_at_length(batch: int) -> None:
    for _ in range(10):
        hold(why_is_membership, random.SystemRandom().randrange(2**32), 40, populations_only=True)
