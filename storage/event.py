"""What an event is: the default events and their keys as data, what makes a payload valid, what is read out of one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from storage.schema import NUMBER_STRIP, NUMBER_TEXT

# ── the default events ────────────────────────────────────────────────────────────────────────────────────────────

KeyType: TypeAlias = Literal["string", "numeric", "array"]


@dataclass(frozen=True, slots=True)
class EventKey:
    """A key that an event's table names: the type its value has, and whether it must be there."""

    name: str
    type: KeyType
    required: bool = False


@dataclass(frozen=True, slots=True)
class DefaultEvent:
    """One of the events that are validated. `keys` are its own; `items` those of the entries of its `products`.

    `about_product`: the event is about one product, whose keys stand beside its own.
    """

    name: str
    keys: tuple[EventKey, ...]
    items: tuple[EventKey, ...] = ()
    about_product: bool = False


def _keys(words: str, kind: KeyType = "string") -> tuple[EventKey, ...]:
    """Keys from their names, of one type; a name with "!" is required."""
    return tuple(EventKey(word.rstrip("!"), kind, word.endswith("!")) for word in words.split())


_ABOUT: Final = "sku category name brand variant variant_id price quantity coupon position url image_url"
_PRODUCT: Final = _keys("product_id! " + _ABOUT)
_OPTIONAL_PRODUCT: Final = _keys("product_id " + _ABOUT)
_LISTED: Final = tuple(key for key in _PRODUCT if key.name != "variant")
_PRODUCTS: Final = _keys("products!", "array")

DEFAULT_EVENTS: Final[Mapping[str, DefaultEvent]] = MappingProxyType(
    {
        event.name: event
        for event in (
            DefaultEvent("product-clicked", _PRODUCT, about_product=True),
            DefaultEvent("product-searched", _keys("query!")),
            DefaultEvent(
                "remove-from-cart",
                _keys("checkout_id! order_id shipping_method payment_method") + _OPTIONAL_PRODUCT,
                about_product=True,
            ),
            DefaultEvent("add-to-cart", _keys("cart_id!") + _PRODUCT, about_product=True),
            DefaultEvent("payment-info", _keys("checkout_id order_id shipping_method payment_method")),
            DefaultEvent(
                "product-added-to-wishlist", _keys("wishlist_id wishlist_name") + _OPTIONAL_PRODUCT, about_product=True
            ),
            DefaultEvent("product-viewed", _PRODUCT, about_product=True),
            DefaultEvent("product-reviewed", _keys("product_id! review_id! review_body rating"), about_product=True),
            DefaultEvent("product-list-viewed", _keys("list_id category") + _PRODUCTS, _LISTED),
            DefaultEvent(
                "order-updated",
                _keys("order_id affiliation")
                + _keys("total! revenue shipping tax", "numeric")
                + _keys("coupon currency")
                + _keys("products", "array"),
                _PRODUCT,
            ),
            DefaultEvent(
                "order-completed",
                _keys("order_id checkout_id")
                + _keys("total revenue shipping discount tax", "numeric")
                + _keys("coupon currency")
                + _PRODUCTS,
                _PRODUCT,
            ),
            DefaultEvent(
                "order-cancelled",
                _keys("order_id") + _keys("total", "numeric") + _keys("coupon currency") + _PRODUCTS,
                _PRODUCT,
            ),
            DefaultEvent(
                "order-refunded",
                _keys("order_id") + _keys("total", "numeric") + _keys("coupon currency") + _PRODUCTS,
                _PRODUCT,
            ),
            DefaultEvent("page-view", _keys("title! url name channel") + _keys("meta", "array")),
        )
    }
)
"""The default events by name, as the tables of the events' documentation give them."""

ITEM_KEYS: Final = frozenset(("product_id " + _ABOUT + " description stock").split())
"""The keys that tell about a product where they stand at the top level of an event about one product."""

_FOLDED: Final[Mapping[str, DefaultEvent]] = MappingProxyType(
    {event.name.replace("-", ""): event for event in DEFAULT_EVENTS.values()}
)


@lru_cache(maxsize=4096)
def default_event(name: str) -> DefaultEvent | None:
    """The default event of this name, ignoring case, spaces, underscores and hyphens; None for any other event.

    >>> default_event("Add To_Cart").name
    'add-to-cart'
    """
    return _FOLDED.get(re.sub(r"[\s_-]+", "", name).casefold())


def event_name(name: str) -> str:
    """The name an event is kept under: that of the default event, else as it came, without outer spaces."""
    known = default_event(name)
    return known.name if known else name.strip()


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────────────

ErrorCode: TypeAlias = Literal[
    "not_json",  # the line, or the file, is no JSON
    "not_text",  # text that is no UTF-8
    "not_representable",  # an object that JSON has no form for
    "wrong_columns",  # a CSV line with other columns than the header
    "not_object",  # an object is needed
    "not_array",  # an array is needed
    "not_string",  # a string is needed
    "not_numeric",  # a number, or a string that holds one, is needed
    "not_timestamp",  # a time is needed
    "number_for_string",  # strict phonebooks: a number where a string is needed
    "required",  # a required key is absent or null
    "empty",  # a required key holds nothing
    "unknown_visitor",  # no contact of the phonebook has this visitor_id
]


@dataclass(frozen=True, slots=True)
class EventError:
    """One thing that is wrong with a payload: where (dotted path, list positions as numbers), what, and in words."""

    key: str
    code: ErrorCode
    message: str


# ── what is read out of a payload ─────────────────────────────────────────────────────────────────────────────────

_STRIP: Final = re.compile(NUMBER_STRIP)
_NUMBER: Final = re.compile(NUMBER_TEXT)
# What every number looks like: digits, and at most a short word at either end. It spares most texts the full search.
_MAYBE: Final = re.compile(r"\s*(?:[A-Za-z]{2,3}(?![A-Za-z]))?[^A-Za-z]*(?:[eE][^A-Za-z]*)?(?:[A-Za-z]{2,3}\.?\s*)?")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,9}))? ?"
    r"(?:([Zz])|([+-][0-9]{2}):?([0-9]{2})?)?"
)


@lru_cache(maxsize=65536)
def number_in(text: str) -> float | None:
    """The number that a text holds, or None.

    >>> [number_in(t) for t in ("₹1,299.00", " 7 ", "12 USD", "12,50", "seven")]
    [1299.0, 7.0, 12.0, None, None]
    """
    if not _MAYBE.fullmatch(text):
        return None
    bare = _STRIP.sub("", text)
    return float(bare.replace(",", "")) if _NUMBER.fullmatch(bare) else None


def number_of(value: object) -> float | None:
    """A JSON value as a number: itself, or what its text holds; None for anything else, also for true and false."""
    if isinstance(value, str):
        return number_in(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def text_of(value: object) -> str | None:
    """A JSON scalar as text: strings as they are, numbers as in JSON, "true" and "false"; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None


def time_of(value: object, zone: tzinfo) -> datetime | None:
    """The instant that a text tells, as naive UTC; None where it tells none.

    `YYYY-MM-DD HH:MM:SS`, and ISO 8601 with "T", fractions (to the microsecond) and an offset. Without an offset it is
    in `zone`; a time that the zone has twice is the earlier one. A date alone is no time. Years 2 to 9998.
    """
    if not isinstance(value, str):
        return None
    try:
        if len(value) == 19 and value[4] == value[7] == "-" and value[13] == value[16] == ":" and value[10] in " Tt":
            told = datetime.fromisoformat(value)
        else:
            told = datetime.fromisoformat(_iso(value.strip()))
    except ValueError:
        return None
    if not 2 <= told.year <= 9998:
        return None  # a zone could carry it out of the calendar
    if told.tzinfo is None:
        if zone is UTC:
            return told
        told = told.replace(tzinfo=zone)
    return told.astimezone(UTC).replace(tzinfo=None)


def _iso(text: str) -> str:
    """A time as Python reads it. Raises ValueError where it is of another form."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(text)
    day, minute, second, fraction, utc, hours, minutes = found.groups()
    micro = f".{fraction[:6]:0<6}" if fraction else ""
    offset = "+00:00" if utc else f"{hours}:{minutes or '00'}" if hours else ""
    return f"{day}T{minute}{second or ':00'}{micro}{offset}"


def own_keys(event: DefaultEvent) -> Collection[str]:
    """The keys that are the event's own."""
    return _OWN[event.name].kinds.keys()


# ── validation ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the keys of one object must be: the type of each that has one, those text does not fit, those needed."""

    kinds: Mapping[str, KeyType]
    not_text: frozenset[str]
    needed: tuple[str, ...]


def _rules(keys: tuple[EventKey, ...]) -> _Rules:
    return _Rules(
        {key.name: key.type for key in keys},
        frozenset(key.name for key in keys if key.type != "string"),
        tuple(key.name for key in keys if key.required),
    )


_ENVELOPE: Final = _rules(_keys("event_name! visitor_id! type message_id"))
_OWN: Final = MappingProxyType({event.name: _rules(event.keys) for event in DEFAULT_EVENTS.values()})
_ITEMS: Final = MappingProxyType({event.name: _rules(event.items) for event in DEFAULT_EVENTS.values()})


def validate(payload: object, strict: bool = False, zone: tzinfo = UTC) -> list[EventError]:
    """Everything that is wrong with an event's payload, in the order of its keys; whether the visitor is known is not
    asked here. `strict`: a number for a string key is wrong too. `zone`: of times without an offset."""
    if not isinstance(payload, Mapping):
        return [EventError("", "not_object", f"an event is an object, not {_said(payload)}")]
    errors = _check(payload, _ENVELOPE, "", strict)
    timestamp = payload.get("event_timestamp")
    if not is_missing(timestamp) and time_of(timestamp, zone) is None:
        shown = repr(timestamp) if isinstance(timestamp, str) else _said(timestamp)
        errors.append(
            EventError(
                "event_timestamp",
                "not_timestamp",
                f"event_timestamp must be YYYY-MM-DD HH:MM:SS or ISO 8601 with an offset, not {shown:.80}",
            )
        )
    context = payload.get("context")
    if not is_missing(context) and not isinstance(context, Mapping):
        errors.append(EventError("context", "not_object", f"context must be an object, not {_said(context)}"))
    properties = payload.get("event_properties")
    if properties is None:
        errors.append(EventError("event_properties", "required", "event_properties is required"))
    elif not isinstance(properties, Mapping):
        message = f"event_properties must be an object, not {_said(properties)}"
        errors.append(EventError("event_properties", "not_object", message))
    else:
        name = payload.get("event_name")
        event = default_event(name) if isinstance(name, str) else None
        if event:
            errors += validate_properties(event, properties, strict)
    return errors


def is_missing(value: object) -> bool:
    """Whether an optional key with this value is as good as absent: null, or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def validate_properties(event: DefaultEvent, properties: Mapping[str, Any], strict: bool) -> list[EventError]:
    """Everything that is wrong with the properties of a default event."""
    where = "event_properties."
    errors = _check(properties, _OWN[event.name], where, strict)
    products = properties.get("products")
    if event.items and isinstance(products, list):
        for i, item in enumerate(products):
            path = f"{where}products.{i}"
            if isinstance(item, Mapping):
                errors += _check(item, _ITEMS[event.name], f"{path}.", strict)
            else:
                errors.append(EventError(path, "not_object", f"{path} must be an object, not {_said(item)}"))
    return errors


def _check(values: Mapping[str, Any], rules: _Rules, where: str, strict: bool) -> list[EventError]:
    """What is wrong with the values of the keys that have a type, and which of those needed are not there."""
    errors: list[EventError] = []
    for name in rules.needed:
        value = values.get(name)
        if value is None:
            errors.append(EventError(where + name, "required", f"{where}{name} is required"))
        elif value == [] or (type(value) is str and not value.strip()):
            errors.append(EventError(where + name, "empty", f"{where}{name} is required and must not be empty"))
    not_text = rules.not_text
    for name, value in values.items():
        # Blank text is as good as absent; where it must not be, it is reported above.
        if (type(value) is str and (name not in not_text or not value.strip())) or value is None:
            continue
        kind = rules.kinds.get(name)
        error = _mistyped(name, value, kind, where, strict) if kind else None
        if error:
            errors.append(error)
    return errors


def _mistyped(name: str, value: object, kind: KeyType, where: str, strict: bool) -> EventError | None:
    path = where + name
    match kind:
        case "string":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return EventError(path, "not_string", f"{path} must be a string, not {_said(value)}")
            if strict:
                return EventError(path, "number_for_string", f"{path} must be a string, not a number")
        case "numeric":
            if number_of(value) is None:
                shown = repr(value) if isinstance(value, str) else _said(value)
                return EventError(path, "not_numeric", f"{path} must be a number, not {shown:.80}")
        case "array":
            # page-view's `meta` is a bag of other data: senders use a list or an object.
            if not isinstance(value, list) and not (name == "meta" and isinstance(value, Mapping)):
                return EventError(path, "not_array", f"{path} must be an array, not {_said(value)}")
    return None


def _said(value: object) -> str:
    """What kind of JSON value it is, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "an array"
