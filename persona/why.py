"""Why a contact is in an answer or is not: each condition with what was found, in words, and the events behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from grammar import query as q
from grammar.describe import describe_condition, describe_event, describe_found
from persona.export import plain

if TYPE_CHECKING:
    from storage.evidence import Happened, Proof


@dataclass(frozen=True, slots=True)
class Event:
    """An event that a condition looks at.

    Attributes:
        name: the event type's name.
        at: when, in the phonebook's zone.
        values: those of its properties that the condition asks about.
        text: the event in words.
        properties: all of them, as they were sent.
        message_id: as it was sent; None where none was.
    """

    name: str
    at: datetime
    values: Mapping[str, Any]
    text: str
    properties: Mapping[str, Any] = field(repr=False)
    message_id: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition of a question, and whether the contact meets it.

    Attributes:
        met: whether it does.
        text: the condition in canonical English.
        found: what the contact has of what is compared ("2 of the 3 needed"); None where there is no one value.
        values: the same as values.
        events: the contact's events that the condition looks at, the earliest first.
        conditions: the conditions inside it.
    """

    met: bool
    text: str
    found: str | None
    values: tuple[Any, ...]
    events: tuple[Event, ...]
    conditions: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Whether a contact is in the answer, and why.

    Attributes:
        visitor_id: the contact.
        met: whether it is in the answer.
        conditions: what was asked for; where all of them must hold, each for itself.
    """

    visitor_id: str
    met: bool
    conditions: tuple[Reason, ...]

    def _repr_html_(self) -> str:
        from persona.notebook import why_html

        return why_html(self)


def why_of(visitor_id: str, proof: Proof, met: bool, zone: ZoneInfo, beyond: Reason | None = None) -> Why:
    """A proof in words. `beyond` is what the question asks beside its population."""
    whole = _reason(proof, zone)
    reasons = whole.conditions if isinstance(proof.condition, q.All) else (whole,)
    return Why(visitor_id, met, reasons if beyond is None else (*reasons, beyond))


def why_json(why: Why) -> dict[str, Any]:
    """The same as one plain object, for every face."""
    return {"visitor_id": why.visitor_id, "met": why.met, "conditions": [_reason_json(each) for each in why.conditions]}


def _reason_json(reason: Reason) -> dict[str, Any]:
    return {
        "met": reason.met,
        "text": reason.text,
        "found": reason.found,
        "values": [plain(value) for value in reason.values],
        "events": [
            {
                "name": event.name,
                "at": event.at.isoformat(),
                "values": dict(event.values),
                "text": event.text,
                "properties": dict(event.properties),
                "message_id": event.message_id,
            }
            for event in reason.events
        ],
        "conditions": [_reason_json(each) for each in reason.conditions],
    }


def why_from(told: Mapping[str, Any]) -> Why:
    """What `why_json` was made of; instants among the values of a reason stay ISO 8601."""
    return Why(told["visitor_id"], told["met"], tuple(map(_reason_from, told["conditions"])))


def _reason_from(told: Mapping[str, Any]) -> Reason:
    events = (Event(**{**event, "at": datetime.fromisoformat(event["at"])}) for event in told["events"])
    conditions = tuple(map(_reason_from, told["conditions"]))
    return Reason(told["met"], told["text"], told["found"], tuple(told["values"]), tuple(events), conditions)


def _reason(proof: Proof, zone: ZoneInfo) -> Reason:
    values = tuple(value.astimezone(zone) if isinstance(value, datetime) else value for value in proof.values)
    return Reason(
        met=proof.met,
        text=describe_condition(proof.condition),
        found=describe_found(proof.condition, values),
        values=values,
        events=tuple(_event(event, proof.condition, zone) for event in proof.events),
        conditions=tuple(_reason(each, zone) for each in proof.of),
    )


def _event(event: Happened, condition: q.Condition, zone: ZoneInfo) -> Event:
    at = event.at.astimezone(zone)
    values = dict(_looked_at(event, condition))
    return Event(event.name, at, values, describe_event(event.name, at, values), event.properties, event.message_id)


def _looked_at(event: Happened, condition: q.Condition) -> Iterator[tuple[str, Any]]:
    """The properties of the event that the condition names, with what it holds of them."""
    nodes = list(q.nodes(condition))
    if event.order_value is not None and any(isinstance(node, q.Spend) or node == q.ORDER_VALUE for node in nodes):
        yield "total", event.order_value
    for node in nodes:
        if not isinstance(node, q.Property) or node.level == "order value":
            continue
        match node.level:
            case "event":
                found = [_dug(event.properties, node.name)]
            case "context":
                found = [_dug(event.context, node.name)]
            case "item":
                found = [_dug(item, node.name) for item in _items(event.properties)]
        there = [value for value in dict.fromkeys(map(_hashable, found)) if value is not None]
        if there:
            yield node.name, there[0] if len(there) == 1 else there


def _items(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The line items of an event: its `products` or `product`, else itself."""
    came = properties.get("products", properties.get("product", properties))
    return [item for item in (came if isinstance(came, list) else [came]) if isinstance(item, dict)]


def _dug(of: Mapping[str, Any], name: str) -> Any:
    value: Any = of
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _hashable(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value) if isinstance(value, dict) else value
