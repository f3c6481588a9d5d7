"""The tables and their columns, named once; and the Layout, which tells a plan where a thing lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

VERSION: Final = 4
"""The version of these tables and of what is in them. A store file of a newer one is refused, never guessed at."""

EVERY_TYPE: Final = -1
"""Stands for any type in `state`."""

META: Final = "meta"
"""The DuckDB schema of the store itself; each phonebook has one of its own, so that no query can see another's."""


def schema_of(phonebook: int) -> str:
    """The DuckDB schema that holds this phonebook."""
    return f"p{phonebook}"


# ── columns of known keys ─────────────────────────────────────────────────────────────────────────────────────────

EVENT_NUMBERS: Final = ("total", "revenue", "shipping", "tax", "discount", "rating")
EVENT_TEXTS: Final = (
    "coupon",
    "currency",
    "order_id",
    "checkout_id",
    "cart_id",
    "query",
    "title",
    "url",
    "name",
    "channel",
    "review_id",
    "review_body",
    "payment_method",
    "shipping_method",
    "list_id",
    "category",
    "affiliation",
    "wishlist_id",
    "wishlist_name",
)
ITEM_TEXTS: Final = (
    "product_id",
    "sku",
    "name",
    "category",
    "brand",
    "variant",
    "variant_id",
    "coupon",
    "position",
    "url",
    "image_url",
)
ITEM_NUMBERS: Final = ("price", "quantity")
PRODUCT_FIELDS: Final = ("name", "description", "category", "brand", "sku", "price", "stock", "url", "image_url")
PRODUCT_KEYS: Final = ("product_id", *PRODUCT_FIELDS, "variant", "variant_id")
ITEM_COLUMNS: Final = tuple(dict.fromkeys((*ITEM_TEXTS, *ITEM_NUMBERS, *PRODUCT_KEYS)))
"""What is read of a line item into columns: its own, and those that tell of its product."""

NUMBERS: Final = frozenset((*EVENT_NUMBERS, *ITEM_NUMBERS))
"""The known keys whose columns hold numbers."""

VARIANT_FIELDS: Final = ("name", "sku", "price")

ATTRIBUTE_COLUMNS: Final = 200
"""So many attributes get a column of their own; the rest are read from `contact.attributes`."""

LONGEST_VALUE: Final = 120
"""Texts up to so many characters are in `value_index`."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a known key lives in its table.

    A number column is DOUBLE and holds what `NUMBER_STRIP` and `NUMBER_TEXT` read; a text column is VARCHAR and holds
    the scalar as text (strings as they came, numbers as in JSON, booleans as "true" and "false"). NULL stands for
    absent, null, and what does not fit. `whole`: so far everything did fit, so the column tells all that the JSON
    tells, but for the spelling of numbers (and blank text in a number column is NULL). Where it is False, a number
    column still answers every numeric question; any other question, and every question to a text column, needs the
    JSON.
    """

    name: str
    number: bool
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the last compaction did: `state` counts the events up to `upto` (by number) that are no later than `horizon`
    (naive UTC). `rest`: there are others."""

    upto: int
    horizon: datetime
    rest: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the things of one phonebook live, at one moment. What has no column is read from the JSON by its path:

    - a property of the event: `event.properties`; of its context: `event.context`; of a line item: `item.item`;
    - an attribute: `contact.attributes`.

    A dotted key is a path of two levels ("shipping.city"); list elements are no level of their own.
    """

    schema: str
    types: Mapping[str, int]  # event type's name → event.type
    event_columns: Mapping[str, Column]  # property's name → column of `event`, for all event types
    item_columns: Mapping[str, Column]  # line item's key → column of `item`
    context_columns: Mapping[str, Column]  # context's key → column of `event`
    attribute_columns: Mapping[str, str]  # attribute's key → column of `contact`: VARCHAR, whole; no lists
    counts: Mapping[int, int]  # event.type → about how many events there are
    ordered: Ordered | None  # None: nothing has been compacted


# ── numbers that came as text ─────────────────────────────────────────────────────────────────────────────────────

_CODES: Final = (
    "USD|EUR|GBP|INR|JPY|CNY|AUD|CAD|CHF|SGD|HKD|NZD|SEK|NOK|DKK|ZAR|BRL|MXN|AED|SAR|KRW|RUB|TRY|THB|IDR|MYR|PHP|VND|PLN|"
    "CZK|HUF|ILS|NGN|KES|EGP|PKR|BDT|LKR|NPR|Rs\\.?|rs\\.?"
)
_SPACE: Final = "[ \\t\\r\\n\\f\\v\u00a0\u202f]"

NUMBER_STRIP: Final = f"^{_SPACE}*(?:{_CODES})|(?:{_CODES}){_SPACE}*$|{_SPACE}|[$€£¥₹₽₩₺₫₦₱฿₴₪]"
"""What is taken out of a text (everywhere it matches) before `NUMBER_TEXT` is tried: currency signs and codes, spaces.
Both patterns mean the same to Python's re and to RE2, so that Python and SQL read the same numbers."""

NUMBER_TEXT: Final = (
    "[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:[.][0-9]+)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?"
)
"""What is left must match this whole; then the commas go and it is a number ("₹1,299.00" → 1299; "12,50" is none)."""


def number_in_sql(text: str) -> str:
    """The SQL of the number that a text (SQL too) holds, as `event.number_in` reads it; NULL, where it holds none."""
    bare = f"regexp_extract(regexp_replace({text}, '{NUMBER_STRIP}', '', 'g'), '^(?:{NUMBER_TEXT})$')"
    return f"TRY_CAST(replace({bare}, ',', '') AS DOUBLE)"


def json_path(keys: Iterable[str]) -> str:
    """The JSON path of these keys, one below the other, each quoted: `$."size"."shoe"`."""
    escaped = (key.replace("\\", "\\\\").replace('"', '\\"') for key in keys)
    return "$" + "".join(f'."{key}"' for key in escaped)


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def event_columns() -> Mapping[str, str]:
    """Property's name → column of `event`, for the default events' own top-level keys."""
    return MappingProxyType({key: f"p_{key}" for key in (*EVENT_NUMBERS, *EVENT_TEXTS)})


META_TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "store": {
            "version": "INTEGER NOT NULL",
            "erased": "BOOLEAN",  # something was erased, and its bytes may still be in the file
        },
        "phonebook": {
            "id": "INTEGER NOT NULL",
            "name": "VARCHAR NOT NULL UNIQUE",
            "zone": "VARCHAR NOT NULL",  # IANA
            "strict": "BOOLEAN NOT NULL",  # a number for a string key fails
            "created": "TIMESTAMP NOT NULL",
            "version": "BIGINT NOT NULL",  # goes up with every commit that changes what the vocabulary answers
            "private": "VARCHAR[]",  # keys whose values no language model is shown; NULL: registry.PRIVATE
            "unknown_visitors": "VARCHAR",  # fail (or NULL), create: visitors of Segment-compatible clients
        },
        "key": {
            "id": "VARCHAR NOT NULL",
            "digest": "VARCHAR NOT NULL",  # SHA-256 of the secret, which is stored nowhere
            "phonebooks": "VARCHAR[] NOT NULL",
            "scope": "VARCHAR NOT NULL",  # ingest, read, admin
            "created_at": "TIMESTAMP NOT NULL",  # UTC, as are the others
            "expires_at": "TIMESTAMP",
            "revoked_at": "TIMESTAMP",
        },
        "audit": {
            "at": "TIMESTAMP NOT NULL",  # UTC
            "who": "VARCHAR NOT NULL",  # a key's id, or "command line"
            "phonebook": "VARCHAR NOT NULL",
            "action": "VARCHAR NOT NULL",
            "detail": "JSON NOT NULL",
        },
    }
)
"""Tables of the store: name → column → type."""

TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "contact": {
            "contact": "INTEGER NOT NULL",  # dense, from 0
            "visitor_id": "VARCHAR NOT NULL",
            "attributes": "JSON NOT NULL",  # whole; and a column a_<n> for each scalar attribute, added as they appear
        },
        "attribute": {
            "key": "VARCHAR NOT NULL",
            "column_name": "VARCHAR",
            "holds": "VARCHAR[] NOT NULL",
            "count": "BIGINT NOT NULL",  # contacts that have a value
        },
        "event": {
            "event": "BIGINT NOT NULL",
            "type": "INTEGER NOT NULL",
            "contact": "INTEGER NOT NULL",
            "ts": "TIMESTAMP NOT NULL",  # UTC
            "created_at": "TIMESTAMP NOT NULL",  # UTC, when it was stored
            "properties": "JSON NOT NULL",  # whole, as they came
            "context": "JSON",
            "kind": "VARCHAR NOT NULL",  # the payload's `type`
            "message_id": "VARCHAR",
            "extra": "JSON",  # whatever else the payload had, and its event_name where it was spelled otherwise
            **{f"p_{key}": "DOUBLE" for key in EVENT_NUMBERS},
            **{f"p_{key}": "VARCHAR" for key in EVENT_TEXTS},
            "order_value": "DOUBLE",  # of order-* events: total, else Σ price × quantity of the items that have a price
        },
        "inbox": {  # events that were accepted in small calls and are in no other table yet: see storage/inbox.py
            "count": "INTEGER NOT NULL",
            "events": "BLOB NOT NULL",  # JSON: a list of so many, in the order in which they came
        },
        "item": {
            "event": "BIGINT NOT NULL",
            "type": "INTEGER NOT NULL",
            "contact": "INTEGER NOT NULL",
            "ts": "TIMESTAMP NOT NULL",
            "line": "INTEGER NOT NULL",  # 0, 1, … within the event
            **dict.fromkeys(ITEM_TEXTS, "VARCHAR"),
            **dict.fromkeys(ITEM_NUMBERS, "DOUBLE"),
            "item": "JSON NOT NULL",  # whole
        },
        "state": {  # what a contact did so far: a row for each type, and one of type -1 for all of them together
            "type": "INTEGER NOT NULL",
            "contact": "INTEGER NOT NULL",
            "first": "TIMESTAMP NOT NULL",
            "last": "TIMESTAMP NOT NULL",
            "events": "BIGINT NOT NULL",
            "worth": "DOUBLE",  # Σ order_value
        },
        "compaction": {  # one row, or none: `state` counts the events up to this one that are no later than the horizon
            "upto": "BIGINT NOT NULL",
            "horizon": "TIMESTAMP NOT NULL",  # UTC
            "finished": "TIMESTAMP NOT NULL",  # UTC
        },
        "promoted": {  # keys that have got a column of their own
            "level": "VARCHAR NOT NULL",  # event, item, context
            "key": "VARCHAR NOT NULL",
            "column_name": "VARCHAR NOT NULL",
            "number": "BOOLEAN NOT NULL",
            "filled": "BOOLEAN NOT NULL",  # also for the events that were there before it
        },
        "event_type": {
            "type": "INTEGER NOT NULL",
            "name": "VARCHAR NOT NULL",
            "is_default": "BOOLEAN NOT NULL",
            "count": "BIGINT NOT NULL",
            "first_seen": "TIMESTAMP NOT NULL",  # UTC, by event time
            "last_seen": "TIMESTAMP NOT NULL",
        },
        "event_key": {
            "type": "INTEGER NOT NULL",
            "level": "VARCHAR NOT NULL",  # event, item, context
            "key": "VARCHAR NOT NULL",  # an item's key is its own name
            "path": "VARCHAR NOT NULL",  # as people are shown it: products.price, context.device
            "json_types": "VARCHAR[] NOT NULL",
            "holds": "VARCHAR[] NOT NULL",
            "count": "BIGINT NOT NULL",  # events (line items, for an item's key) that have a value
        },
        "value_index": {
            "folded": "VARCHAR NOT NULL",  # grammar.vocabulary.fold(text)
            "letters": "BIGINT NOT NULL",  # which letters folded has, a bit each: spelling look-ups discard by it
            "level": "VARCHAR NOT NULL",  # attribute, event, item, context
            "type": "INTEGER",  # NULL for an attribute
            "key": "VARCHAR NOT NULL",
            "text": "VARCHAR NOT NULL",
            "count": "BIGINT NOT NULL",  # events (contacts, for an attribute)
        },
        "product": {
            "product_id": "VARCHAR NOT NULL",
            "field": "VARCHAR NOT NULL",  # one of PRODUCT_FIELDS; "" says that the product is there
            "value": "VARCHAR",
            "ts": "TIMESTAMP NOT NULL",  # of the event that the value is from: a later one replaces it
        },
        "variant": {
            "product_id": "VARCHAR NOT NULL",
            "variant_id": "VARCHAR NOT NULL",
            "field": "VARCHAR NOT NULL",  # one of VARIANT_FIELDS
            "value": "VARCHAR",
            "ts": "TIMESTAMP NOT NULL",
        },
        "failed": {
            "id": "BIGINT NOT NULL",
            "received_at": "TIMESTAMP NOT NULL",  # UTC
            "what": "VARCHAR NOT NULL",  # event, contact, product, message (of a Segment-compatible client)
            "payload": "VARCHAR NOT NULL",  # as it came
            "errors": "JSON NOT NULL",  # [{key, code, message}, …]
            "file": "VARCHAR",
            "line": "BIGINT",
            "status": "VARCHAR NOT NULL",  # failed, and after a try that passed: accepted, duplicate
            "message_id": "VARCHAR",
        },
        "attempt": {  # what was tried with a failed thing, from the first time that it was tried again
            "id": "BIGINT NOT NULL",  # of `failed`
            "at": "TIMESTAMP NOT NULL",  # UTC
            "payload": "VARCHAR NOT NULL",
            "errors": "JSON NOT NULL",
            "status": "VARCHAR NOT NULL",  # what came of it: failed, accepted, duplicate
        },
        "file": {
            "digest": "VARCHAR NOT NULL",
            "what": "VARCHAR NOT NULL",
            "name": "VARCHAR NOT NULL",
            "lines_done": "BIGINT NOT NULL",
        },
        "term": {
            "name": "VARCHAR NOT NULL",  # folded
            "word": "VARCHAR NOT NULL",  # as it was defined
            "meaning": "VARCHAR NOT NULL",  # the English it was defined by
            "query": "JSON NOT NULL",
            "defined_at": "TIMESTAMP NOT NULL",
        },
        "segment": {
            "id": "INTEGER NOT NULL",
            "folded": "VARCHAR NOT NULL",  # grammar.vocabulary.fold(name)
            "name": "VARCHAR NOT NULL",  # as it was saved
            "query": "JSON NOT NULL",
            "static": "BOOLEAN NOT NULL",  # a snapshot: its members are the stays alone
            "types": "VARCHAR[] NOT NULL",  # event types it asks for, of those that occurred when it was saved
            "saved_at": "TIMESTAMP NOT NULL",  # UTC
        },
        "stay": {  # of a contact in a segment, as refreshes found it
            "segment": "INTEGER NOT NULL",
            "contact": "INTEGER NOT NULL",
            "entered": "TIMESTAMP NOT NULL",  # UTC: the instant as of which the refresh asked
            "exited": "TIMESTAMP",  # NULL: not yet
        },
        "refresh": {
            "segment": "INTEGER NOT NULL",
            "as_of": "TIMESTAMP NOT NULL",  # UTC
            "size": "BIGINT NOT NULL",
            "entered": "BIGINT NOT NULL",
            "exited": "BIGINT NOT NULL",
        },
        "model_reading": {
            "key": "VARCHAR NOT NULL",  # digest of the question, the vocabulary's version, the model and the schema
            "version": "BIGINT NOT NULL",  # of the vocabulary: those of an older one are of no use any more
            "proposal": "VARCHAR NOT NULL",  # JSON, as the model gave it
            "read_at": "TIMESTAMP NOT NULL",
        },
    }
)
"""Tables of a phonebook: name → column → type."""

INDEXES: Final = (("value_index", "folded"),)
"""Which column of which table has an index."""


def create_statements(
    schema: str, tables: Mapping[str, Mapping[str, str]], indexes: tuple[tuple[str, str], ...]
) -> list[str]:
    """The DDL that makes these tables in this DuckDB schema."""
    statements = [f"CREATE SCHEMA {schema}"]
    statements += [create_table(schema, table, columns) for table, columns in tables.items()]
    statements += [create_index(schema, table, column) for table, column in indexes]
    return statements


def create_table(schema: str, table: str, columns: Mapping[str, str]) -> str:
    """The DDL that makes one table."""
    body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    return f'CREATE TABLE {schema}."{table}" ({body})'


def create_index(schema: str, table: str, column: str, there: bool = False) -> str:
    """The DDL that makes one index. `there`: it may be there already."""
    maybe = "IF NOT EXISTS " if there else ""
    return f'CREATE INDEX {maybe}{schema}_{table}_{column} ON {schema}."{table}" ("{column}")'
