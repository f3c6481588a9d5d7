"""Why a contact is in a population or is not: the plan's own tests, asked of that contact, and the events behind them.

Whether a condition is met is read from the very predicates that an answer is made of; nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from grammar import query as q
from grammar.vocabulary import fold
from storage.backends import Snapshot
from storage.plan import Plan
from storage.planner import Segments, plan_found, plan_proof
from storage.schema import Layout
from storage.sql import spell


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a contact, as it came.

    Attributes:
        name: the event type's name.
        at: when (UTC).
        properties, context: as they were sent.
        message_id: as it was sent; None where none was.
        order_value: what an order is worth; None for other events.
        event: its number in the store.
    """

    name: str
    at: datetime
    properties: dict[str, Any] = field(repr=False)
    context: dict[str, Any] = field(repr=False)
    message_id: str | None
    order_value: float | None
    event: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a condition is met by one contact, and by what.

    Attributes:
        condition: the node of the query.
        met: whether the contact meets it.
        values: the numbers or values that it compares (a count, a spend, an attribute), in the order of the node.
        events: the contact's events that it looks at, the earliest first.
        of: the conditions inside it.
    """

    condition: q.Condition
    met: bool
    values: tuple[Any, ...] = ()
    events: tuple[Happened, ...] = ()
    of: tuple[Proof, ...] = ()


def prove(
    snapshot: Snapshot,
    condition: q.Condition,
    contact: int,
    now: datetime,
    zone: ZoneInfo,
    layout: Layout,
    segments: Segments,
) -> Proof:
    """Whether a contact (its number in the store) meets a condition as of `now` (aware), and each condition inside it.

    Raises as `storage.planner.plan` does.
    """
    every = list(_every(condition, segments))
    planned, shown = plan_proof(every, contact, now, zone, layout, segments)
    (row,) = snapshot.query(spell(planned)).to_pylist()
    found = iter(row.values())
    next(found)  # the contact
    met = [bool(next(found)) for _ in every]
    told = iter([(met[i], tuple(next(found) for _ in range(size))) for i, size in enumerate(shown)])

    def events(plan: Plan) -> tuple[Happened, ...]:
        return tuple(map(_happened, snapshot.query(spell(plan)).to_pylist()))

    def proof(part: q.Condition) -> Proof:
        holds, values = next(told)
        inside = tuple(map(proof, _inside(part, segments)))
        plans = plan_found(part, holds, contact, now, zone, layout)
        return Proof(part, holds, values, _deciding(part, holds, [events(plan) for plan in plans]), inside)

    return proof(condition)


def _inside(condition: q.Condition, segments: Segments) -> tuple[q.Condition, ...]:
    """The conditions of which one is made."""
    match condition:
        case q.All(of) | q.Any_(of) | q.Several(_, of):
            return of
        case q.Not(of):
            return (of,)
        case q.Term(_, means):
            return (means,)
        case q.Member(name, "in"):
            saved = segments[fold(name)]
            return () if saved.static else (saved.population,)
        case q.Rank(among=among) if not isinstance(among, q.Everyone):
            return (among,)
        case _:
            return ()


def _every(condition: q.Condition, segments: Segments) -> Iterator[q.Condition]:
    yield condition
    for part in _inside(condition, segments):
        yield from _every(part, segments)


def _deciding(condition: q.Condition, met: bool, found: list[tuple[Happened, ...]]) -> tuple[Happened, ...]:
    """Of the events that were found, those that decide: of a first or last one only that, of "only" the exceptions."""
    if isinstance(condition, q.Only) and not met and len(found) == 2:
        exceptions, every = found
        return exceptions or every
    once = {event.event: event for events in found for event in events}
    events = tuple(sorted(once.values(), key=lambda event: (event.at, event.event)))
    if isinstance(condition, q.Extreme) and events:
        at = events[0].at if condition.which == "first" else events[-1].at
        return tuple(event for event in events if event.at == at)
    return events


def _happened(row: dict[str, Any]) -> Happened:
    return Happened(
        name=row["event_name"],
        at=row["event_timestamp"].astimezone(UTC),
        properties=json.loads(row["properties"]),
        context=json.loads(row["context"] or "{}"),
        message_id=row["message_id"],
        order_value=row["order_value"],
        event=row["event"],
    )
