"""What Segment-compatible clients send, as contacts and events: one table of event names, one of property names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

from storage.event import DEFAULT_EVENTS, ITEM_KEYS, EventError, default_event, text_of
from storage.registry import UnknownVisitors
from storage.source import UNREADABLE, Record, numbered

EVENT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Products Searched": "product-searched",
        "Product List Viewed": "product-list-viewed",
        "Product Clicked": "product-clicked",
        "Product Viewed": "product-viewed",
        "Product Added": "add-to-cart",
        "Product Removed": "remove-from-cart",
        "Payment Info Entered": "payment-info",
        "Order Completed": "order-completed",
        "Order Updated": "order-updated",
        "Order Cancelled": "order-cancelled",
        "Order Canceled": "order-cancelled",
        "Order Refunded": "order-refunded",
        "Product Added to Wishlist": "product-added-to-wishlist",
        "Wishlist Product Added to Cart": "add-to-cart",
        "Product Reviewed": "product-reviewed",
    }
)
"""The names that Segment's specification of e-commerce gives to the default events. Any other event is custom."""

PROPERTY_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        re.sub(r"_(\w)", lambda hit: hit[1].upper(), key.name): key.name
        for event in DEFAULT_EVENTS.values()
        for key in (*event.keys, *event.items)
        if "_" in key.name
    }
)
"""Properties in the camel case of the specification's first version (orderId), and what they are called here. In
products, `id` is the product_id where there is none."""

OPEN_KEYS: Final = frozenset(f"event_properties.{key}" for key in ("cart_id", "checkout_id", "review_id", "title"))
"""Required keys of the default events that the specification leaves open: of these clients they are not required."""

_EVENT_NAMES: Final = {re.sub(r"[\s_-]+", "", name).casefold(): event for name, event in EVENT_NAMES.items()}
_TYPES: Final = {"page": "page-view", "screen": "screen-view", "group": "group", "alias": "alias"}
_TOLD: Final = frozenset("type event name userId properties traits timestamp messageId context".split())


@dataclass(frozen=True, slots=True)
class Identified:
    """A message that tells about a contact: the record of it, as an import of contacts takes it."""

    contact: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happened:
    """A message that tells of an event: its payload."""

    event: dict[str, Any]


Told: TypeAlias = Identified | Happened | EventError
"""What a message tells, or why it tells nothing."""


def told_by(raw: bytes) -> Told:
    """What a message of a Segment-compatible client tells.

    The visitor is the userId, else the anonymousId. What has no place in an event is kept beside it.

    >>> told_by(b'{"type": "track", "event": "Product Added", "userId": "u1", "properties": {"productId": "p"}}')
    Happened(event={'event_name': 'add-to-cart', 'visitor_id': 'u1', 'event_properties': {'product_id': 'p'}, \
'type': 'track'})
    """
    try:
        message = msgspec.json.decode(raw)
    except UNREADABLE as error:
        return EventError("", "not_json", f"this is no JSON: {error}")
    if not isinstance(message, dict):
        return EventError("", "not_object", "a message is an object")
    visitor = next(filter(None, map(text_of, (message.get("userId"), message.get("anonymousId")))), None)
    if visitor is None:
        return EventError("userId", "required", "userId or anonymousId is required")
    match message.get("type"):
        case "identify":
            context = message.get("context")
            told = (message.get("traits"), context.get("traits") if isinstance(context, dict) else None)
            traits: Any = next((part for part in told if part is not None), {})
            if not isinstance(traits, dict):
                return EventError("traits", "not_object", "traits must be an object")
            return Identified({**traits, "visitor_id": visitor})
        case "track":
            name = message.get("event")
            if not isinstance(name, str) or not name.strip():
                return EventError("event", "required", "event is required: the name of what happened")
            return Happened(_event(message, visitor, "track", _name(name), message.get("properties")))
        case "page" | "screen" as kind:
            properties = message.get("properties")
            if isinstance(message.get("name"), str) and isinstance(properties, dict | None):
                properties = {"name": message["name"], **(properties or {})}
            return Happened(_event(message, visitor, kind, _TYPES[kind], properties))
        case "group" | "alias" as kind:
            return Happened(_event(message, visitor, kind, _TYPES[kind], message.get("traits")))
        case other:
            said = f"type must be track, identify, page, screen, group or alias, not {other!r:.80}"
            return EventError("type", "required", said)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Messages as records of contacts and of events, each under the number of its message. A message that tells nothing
    is among the events, with its fault. `visitors` are contacts that are to be there for the events."""

    contacts: list[Record]
    events: list[Record]
    visitors: list[Record]


def sorted_messages(messages: Mapping[int, bytes], unknown_visitors: UnknownVisitors) -> Sorted:
    """What numbered messages tell, sorted."""
    done = Sorted([], [], [])
    visitors: dict[str, None] = {}
    for number, raw in messages.items():
        match numbered(number, raw)[2] or told_by(raw):
            case Identified(contact):
                done.contacts.append((number, msgspec.json.encode(contact), None))
            case Happened(event):
                done.events.append((number, msgspec.json.encode(event), None))
                visitors[event["visitor_id"]] = None
            case fault:
                done.events.append((number, raw, fault))
    if unknown_visitors == "create":
        done.visitors.extend((n, msgspec.json.encode({"visitor_id": v}), None) for n, v in enumerate(visitors, 1))
    return done


def _name(name: str) -> str:
    return _EVENT_NAMES.get(re.sub(r"[\s_-]+", "", name).casefold(), name)


def _event(message: Mapping[str, Any], visitor: str, kind: str, name: str, properties: Any) -> dict[str, Any]:
    if properties is None:
        properties = {}
    if isinstance(properties, dict) and (known := default_event(name)):
        properties = _properties(properties, known.about_product)
    event = {"event_name": name, "visitor_id": visitor, "event_properties": properties, "type": kind}
    for key, given in (
        ("event_timestamp", message.get("timestamp") or message.get("originalTimestamp")),
        ("context", message.get("context")),
        ("message_id", message.get("messageId")),
    ):
        if given is not None:
            event[key] = given
    event.update({key: value for key, value in message.items() if key not in _TOLD and key not in event and value})
    return event


def _properties(properties: dict[str, Any], about_product: bool) -> dict[str, Any]:
    """The properties of a default event under the names that are validated; a name that is there already stays."""
    renamed = _renamed(properties)
    if about_product:
        renamed = _product(renamed)
    products = renamed.get("products")
    if isinstance(products, list):
        renamed["products"] = [_product(_renamed(item)) if isinstance(item, dict) else item for item in products]
    return renamed


def _renamed(told: dict[str, Any]) -> dict[str, Any]:
    renamed = {}
    for key, value in told.items():
        name = PROPERTY_NAMES.get(key, key)
        renamed[key if name in told else name] = value
    return renamed


def _product(told: dict[str, Any]) -> dict[str, Any]:
    if "id" not in told or "product_id" in told or not told.keys() & ITEM_KEYS:
        return told
    return {"product_id" if key == "id" else key: value for key, value in told.items()}
