"""What an event is: every default event, every key, every wrong value; names, times, numbers, line items; the docs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.columns import doubtful, groups_of
from storage.event import (
    DEFAULT_EVENTS,
    DefaultEvent,
    ErrorCode,
    EventKey,
    default_event,
    event_name,
    number_in,
    number_of,
    text_of,
    time_of,
    validate,
    validate_properties,
)

DOCS = Path(__file__).parent.parent / "docs" / "events.md"
EVENTS = list(DEFAULT_EVENTS.values())


def value_for(key: EventKey, event: DefaultEvent) -> Any:
    match key.type:
        case "string":
            return f"some {key.name}"
        case "numeric":
            return 12.5
        case "array":
            return [{item.name: f"some {item.name}" for item in event.items}] if event.items else [1, 2]


def full(event: DefaultEvent) -> dict[str, Any]:
    """A payload with every key that the event knows."""
    return {
        "event_name": event.name,
        "visitor_id": "v1",
        "event_properties": {key.name: value_for(key, event) for key in event.keys},
    }


def with_property(event: DefaultEvent, path: list[str | int], value: Any) -> dict[str, Any]:
    """The full payload with another value there; None takes the key away."""
    payload = full(event)
    at: Any = payload["event_properties"]
    for part in path[:-1]:
        at = at[part]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return payload


def places(event: DefaultEvent) -> list[tuple[list[str | int], EventKey]]:
    return [([key.name], key) for key in event.keys] + [(["products", 0, key.name], key) for key in event.items]


EVERY_KEY = [(event, path, key) for event in EVENTS for path, key in places(event)]
EVERY_ID = [f"{event.name}:{'.'.join(map(str, path))}" for event, path, _ in EVERY_KEY]


def found(payload: Any, strict: bool = False) -> list[tuple[str, str]]:
    return [(error.key, error.code) for error in validate(payload, strict)]


def test_there_are_fourteen() -> None:
    assert len(EVENTS) == 14
    assert sum(key.required for event in EVENTS for key in event.keys + event.items) == 19


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_a_full_event_is_valid(event: DefaultEvent) -> None:
    assert found(full(event)) == []
    assert found(full(event), strict=True) == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_only_what_is_required_is_enough(event: DefaultEvent) -> None:
    needed = {key.name: value_for(key, event) for key in event.keys if key.required}
    assert found(full(event) | {"event_properties": needed}) == []


@pytest.mark.parametrize(("event", "path", "key"), EVERY_KEY, ids=EVERY_ID)
def test_each_key_missing(event: DefaultEvent, path: list[str | int], key: EventKey) -> None:
    where = "event_properties." + ".".join(map(str, path))
    assert found(with_property(event, path, None)) == ([(where, "required")] if key.required else [])
    nothing: Any = [] if key.type == "array" else ""
    assert found(with_property(event, path, nothing)) == ([(where, "empty")] if key.required else [])


@pytest.mark.parametrize(("event", "path", "key"), EVERY_KEY, ids=EVERY_ID)
def test_each_key_with_what_it_does_not_take(event: DefaultEvent, path: list[str | int], key: EventKey) -> None:
    where = "event_properties." + ".".join(map(str, path))
    code = {"string": "not_string", "numeric": "not_numeric", "array": "not_array"}[key.type]
    for value in (["x"], {"x": 1}, True):
        fits = key.type == "array" and (isinstance(value, list) and not event.items)
        fits |= key.name == "meta" and isinstance(value, dict)
        if key.type == "array" and event.items and isinstance(value, list):
            assert found(with_property(event, path, value)) == [(f"{where}.0", "not_object")]
        else:
            assert found(with_property(event, path, value)) == ([] if fits else [(where, code)])


@pytest.mark.parametrize(("event", "path", "key"), EVERY_KEY, ids=EVERY_ID)
def test_each_key_with_a_number(event: DefaultEvent, path: list[str | int], key: EventKey) -> None:
    where = "event_properties." + ".".join(map(str, path))
    number = with_property(event, path, 5)
    match key.type:
        case "string":
            assert found(number) == []
            assert found(number, strict=True) == [(where, "number_for_string")]
        case "numeric":
            for good in (5, "5", "1,299.00", "₹ 12"):
                assert found(with_property(event, path, good), strict=True) == []
            assert found(with_property(event, path, "five")) == [(where, "not_numeric")]
        case "array":
            assert found(number) == [(where, "not_array")]


def test_every_error_is_told() -> None:
    payload = {
        "event_name": "Order Completed",
        "visitor_id": "",
        "event_timestamp": "yesterday",
        "context": "mobile",
        "type": ["track"],
        "event_properties": {"total": "much", "products": [{"product_id": "p1", "price": []}, 7, {}]},
    }
    assert found(payload) == [
        ("visitor_id", "empty"),
        ("type", "not_string"),
        ("event_timestamp", "not_timestamp"),
        ("context", "not_object"),
        ("event_properties.total", "not_numeric"),
        ("event_properties.products.0.price", "not_string"),
        ("event_properties.products.1", "not_object"),
        ("event_properties.products.2.product_id", "required"),
    ]
    assert all(error.message and error.key in error.message for error in validate(payload))


@pytest.mark.parametrize(
    ("payload", "errors"),
    [
        ({}, [("event_name", "required"), ("visitor_id", "required"), ("event_properties", "required")]),
        ([], [("", "not_object")]),
        (None, [("", "not_object")]),
        ({"event_name": "x", "visitor_id": "v", "event_properties": []}, [("event_properties", "not_object")]),
        ({"event_name": "x", "visitor_id": "v", "event_properties": "{}"}, [("event_properties", "not_object")]),
        ({"event_name": " ", "visitor_id": "v", "event_properties": {}}, [("event_name", "empty")]),
        ({"event_name": "x", "visitor_id": ["v"], "event_properties": {}}, [("visitor_id", "not_string")]),
        ({"event_name": "x", "visitor_id": 7, "event_properties": {}}, []),
        ({"event_name": "x", "visitor_id": "v", "event_properties": {}, "context": None, "type": None}, []),
        ({"event_name": "x", "visitor_id": "v", "event_properties": {"products": 7, "product_id": [1]}}, []),
        ({"event_name": "x", "visitor_id": "v", "event_properties": {}, "created_at": "never", "more": 1}, []),
    ],
)
def test_envelopes(payload: Any, errors: list[tuple[str, str]]) -> None:
    assert found(payload) == errors


# ── the quirks of the documentation that the events come from ─────────────────────────────────────────────────────


def test_a_product_id_as_an_array() -> None:
    payload = full(DEFAULT_EVENTS["product-viewed"])
    payload["event_properties"]["product_id"] = ["p1"]
    assert found(payload) == [("event_properties.product_id", "not_string")]


def test_remove_from_cart_takes_product_keys() -> None:
    payload = {"event_name": "remove-from-cart", "visitor_id": "v1", "event_properties": {"checkout_id": "c"}}
    assert found(payload) == []
    payload["event_properties"] |= {"product_id": "p1", "price": "5"}  # type: ignore[operator]
    assert found(payload) == []
    payload["event_properties"] |= {"product_id": ["p1"]}  # type: ignore[operator]
    assert found(payload) == [("event_properties.product_id", "not_string")]


def test_the_rating_of_a_review_is_optional() -> None:
    properties = {"product_id": "p1", "review_id": "r1"}
    assert found({"event_name": "product-reviewed", "visitor_id": "v1", "event_properties": properties}) == []


@pytest.mark.parametrize(
    ("meta", "valid"), [([], True), ({}, True), ({"a": 1}, True), ("", True), ("x", False), (1, False)]
)
def test_meta_is_a_list_or_an_object(meta: Any, valid: bool) -> None:
    properties = {"title": "Home", "meta": meta}
    assert (not found({"event_name": "page-view", "visitor_id": "v1", "event_properties": properties})) is valid


def test_unknown_keys_are_free() -> None:
    payload = full(DEFAULT_EVENTS["order-completed"])
    payload["event_properties"] |= {"gift": [True], "note": {"a": {"b": {"c": 1}}}}
    payload["event_properties"]["products"][0]["colour"] = ["red"]
    assert found(payload) == []


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_names_match_whatever_their_case_and_joints(event: DefaultEvent) -> None:
    words = event.name.split("-")
    for name in ("_".join(words), " ".join(words), "".join(words), event.name.upper(), " ".join(words).title() + " "):
        assert default_event(name) is event
        assert event_name(name) == event.name


def test_other_names_stay_as_they_are() -> None:
    assert default_event("orders completed") is None
    assert event_name(" Placed Order ") == "Placed Order"


# ── times and numbers ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "zone", "told"),
    [
        ("2025-07-01 12:00:00", "UTC", datetime(2025, 7, 1, 12)),
        ("2025-07-01 12:00:00", "Asia/Kolkata", datetime(2025, 7, 1, 6, 30)),
        ("2025-01-01 00:30:00", "Europe/Berlin", datetime(2024, 12, 31, 23, 30)),
        ("2025-07-01T12:00:00Z", "Asia/Kolkata", datetime(2025, 7, 1, 12)),
        ("2025-07-01T12:00:00+05:30", "UTC", datetime(2025, 7, 1, 6, 30)),
        ("2025-07-01 12:00:00 +0530", "UTC", datetime(2025, 7, 1, 6, 30)),
        ("2025-07-01T12:00:00-03", "UTC", datetime(2025, 7, 1, 15)),
        ("2025-07-01T12:00:00.123456789Z", "UTC", datetime(2025, 7, 1, 12, 0, 0, 123456)),
        ("2025-07-01 12:00", "UTC", datetime(2025, 7, 1, 12)),
        (" 2025-07-01 12:00:00 ", "UTC", datetime(2025, 7, 1, 12)),
        ("2025-10-26 02:30:00", "Europe/Berlin", datetime(2025, 10, 26, 0, 30)),  # twice: the earlier
        ("2025-03-30 02:30:00", "Europe/Berlin", datetime(2025, 3, 30, 1, 30)),  # never: as if the clock had not moved
        ("2025-07-01", "UTC", None),
        ("2025-02-30 12:00:00", "UTC", None),
        ("2025-07-01 25:00:00", "UTC", None),
        ("01/07/2025 12:00:00", "UTC", None),
        ("2025-W27-2 12:00:00", "UTC", None),
        ("9999-12-31 23:59:59", "UTC", None),
        ("0001-01-01 00:00:00", "UTC", None),
        ("٢٠٢٥-07-01 12:00:00", "UTC", None),
        ("", "UTC", None),
        (1751371200, "UTC", None),
        (None, "UTC", None),
    ],
)
def test_times(text: object, zone: str, told: datetime | None) -> None:
    assert time_of(text, ZoneInfo(zone)) == told
    if zone == "UTC":
        assert time_of(text, UTC) == told


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1299", 1299),
        ("₹1,299.00", 1299),
        ("INR 12,34,567.5", 1234567.5),
        ("Rs. 500", 500),
        ("20 USD", 20),
        ("$-3.50", -3.5),
        ("-$3.50", -3.5),
        ("1 299", 1299),
        (" 7 ", 7),
        (".5", 0.5),
        ("5e3", 5000),
        ("12,50", None),
        ("1,299,00", None),
        ("", None),
        ("five", None),
        ("SKU12", None),
        ("USD", None),
        ("5.", None),
        ("inf", None),
        ("nan", None),
        ("1_000", None),
        ("٥", None),
    ],
)
def test_numbers_in_text(text: str, number: float | None) -> None:
    assert number_in(text) == number


def test_numbers_and_texts_of_values() -> None:
    assert [number_of(value) for value in (5, 2.5, "5", True, None, [5], {}, 10**400)] == [5, 2.5, 5, *[None] * 5]
    assert [text_of(value) for value in ("a", 5, 2.5, True, False, None, [5])] == [
        "a",
        "5",
        "2.5",
        "true",
        "false",
        None,
        None,
    ]


# ── line items ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "properties", "items"),
    [
        ("product-viewed", {"product_id": "p", "name": "N", "why": 1}, [("", {"product_id": "p", "name": "N"})]),
        ("remove-from-cart", {"checkout_id": "c"}, []),
        ("remove-from-cart", {"checkout_id": "c", "name": "N"}, [("", {"name": "N"})]),
        ("product-reviewed", {"product_id": "p", "rating": "5"}, [("", {"product_id": "p"})]),
        ("product-list-viewed", {"category": "C", "products": [{"category": "I"}]}, [("products", {"category": "I"})]),
        ("order-completed", {"coupon": "C", "products": [{"a": 1}, 7]}, [("products", {"a": 1})]),
        ("page-view", {"title": "T", "name": "N"}, []),
        (
            "page-view",
            {"title": "T", "name": "N", "product_id": "p", "sku": "s"},
            [("", {"product_id": "p", "sku": "s"})],
        ),
        ("quiz-done", {"product": {"name": "N"}}, [("product", {"name": "N"})]),
        (
            "quiz-done",
            {"product": [{"name": "N"}, "x", {"name": "M"}]},
            [("product", {"name": "N"}), ("product", {"name": "M"})],
        ),
        ("quiz-done", {"product": "N", "product_id": "p", "products": [{}]}, []),
    ],
)
def test_line_items(name: str, properties: dict[str, Any], items: list[tuple[str, dict[str, Any]]]) -> None:
    (told,) = groups_of([name], [properties])
    assert [(path, item) for path, each in told.items.items() for item in each.entries] == items


# ── whatever is sent ──────────────────────────────────────────────────────────────────────────────────────────────

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", " ", "5", "₹5"]),
)
JSON = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=6,
)
KNOWN_KEYS = st.sampled_from(sorted({key.name for event in EVENTS for key in event.keys + event.items} | {"other"}))
OBJECTS = st.dictionaries(
    KNOWN_KEYS, JSON | st.lists(st.dictionaries(KNOWN_KEYS, JSON, max_size=4), max_size=3), max_size=6
)


@settings(max_examples=300)
@given(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(list(full(EVENTS[0]))), JSON), OBJECTS, st.booleans())
@example(DEFAULT_EVENTS["order-completed"], {}, {"total": 10**400}, False)
def test_mutated_payloads_give_documented_errors(
    event: DefaultEvent, envelope: dict[str, Any], properties: dict[str, Any], strict: bool
) -> None:
    payload = full(event)
    payload["event_properties"] |= properties
    for error in validate(payload | envelope, strict):
        assert error.code in get_args(ErrorCode)
        assert error.message


@settings(max_examples=300)
@given(
    st.sampled_from(EVENTS),
    st.lists(OBJECTS, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 20]),
)
def test_the_quick_judgement_is_never_too_kind(
    event: DefaultEvent, changes: list[dict[str, Any]], strict: bool, whole: bool, times: int
) -> None:
    properties = [(full(event)["event_properties"] if whole else {}) | change for change in changes] * times
    (told,) = groups_of([event.name] * len(properties), properties)
    for row in set(range(len(properties))).difference(doubtful(told, strict)):
        assert validate_properties(event, properties[row], strict) == []


def test_the_quick_judgement_knows_good_events() -> None:
    for event in EVENTS:
        (told,) = groups_of([event.name] * 20, [full(event)["event_properties"]] * 20)
        assert doubtful(told, True) == []


# ── the docs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def tables() -> str:
    """The part of docs/events.md that is made from the data."""
    lines = []
    for event in EVENTS:
        lines += [f"### {event.name}", "", "| key | type | |", "| --- | --- | --- |"]
        for prefix, keys in (("", event.keys), ("products.*.", event.items)):
            lines += [f"| {prefix}{key.name} | {key.type} | {'required' if key.required else ''} |" for key in keys]
        lines.append("")
    return "\n".join(lines)


def test_the_documented_tables_are_the_data() -> None:
    before, start, rest = DOCS.read_text().partition("<!-- tables: made from storage/event.py -->\n")
    made, end, after = rest.partition("<!-- end of tables -->")
    if os.environ.get("PERSONA_REWRITE"):
        DOCS.write_text(before + start + tables() + end + after)
    assert start
    assert end
    assert made == tables()


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_every_error_code_is_documented(code: str) -> None:
    assert f"| `{code}` |" in DOCS.read_text()


def test_the_documented_example_is_valid() -> None:
    example_text = DOCS.read_text().partition("```json\n")[2].partition("```")[0]
    (event,) = json.loads(example_text)["data"]
    assert validate(event, strict=True) == []
