"""The JSON of the service: what each request and each answer holds, as data that both its ends and its docs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from grammar.errors import Ambiguous, NotUnderstood
from persona.answer import refusal_json
from persona.export import Format
from storage.registry import KeyRow, Scope, UnknownVisitors

ARROW: Final = "application/vnd.apache.arrow.stream"
CSV: Final = "text/csv"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
EXPORTS: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "json": JSON,
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}
"""What rows can be exported as, with its media type."""

ParserName: TypeAlias = Literal["auto", "grammar", "model"]
Number: TypeAlias = Annotated[int, Meta(ge=0, le=1000)]
SegmentName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a record: where (dotted path), which kind of fault, and in words."""

    key: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that was not accepted: its index in `data`, from 0, and everything that is wrong with it."""

    index: int
    errors: list[Wrong]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of records that were handed in. What failed is kept: it is among the failed events."""

    accepted: int
    updated: int
    duplicates: int
    failed: int
    errors: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a list. `next_cursor` asks for those that follow; it is null on the last page."""

    data: list[dict[str, Any]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question: English, or a typed query as `understood` questions give it.

    `now` is the instant as of which it is answered (ISO 8601; in the phonebook's zone where it names none), `limit` how
    many rows a page has, `reading` which reading of an ambiguous question is meant (from 0), `remember` that the
    phonebook reads the question so from now on (with an admin key).
    """

    query: str | dict[str, Any]
    now: str | None = None
    parser: ParserName = "auto"
    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    cursor: str | None = None
    reading: Number | None = None
    remember: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: the object that the command line prints, a page of its rows; and as of when it is."""

    kind: Literal["users", "count", "percentage", "value", "breakdown"]
    count: int | None
    visitor_ids: list[str] | None
    value: float | int | None
    breakdown: dict[str, float | int] | None
    rows: list[dict[str, Any]]
    understood: str
    sql: str
    warnings: list[str]
    parser: str
    model_usage: dict[str, Any] | None
    now: str
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WhyQuestion:
    """A question, as it is asked, and the contact of whom it is to be told why it is in the answer, or is not."""

    query: str | dict[str, Any]
    visitor_id: str
    now: str | None = None
    parser: ParserName = "auto"
    reading: Number | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """Whether a contact is in the answer, and each condition of the question: met or not, what was found, the events
    behind it, and the conditions inside it."""

    visitor_id: str
    met: bool
    understood: str
    conditions: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A question for contacts that is to be saved under a name. `static` keeps the members as of `now`, for good."""

    name: SegmentName
    query: str | dict[str, Any]
    static: bool = False
    now: str | None = None
    parser: ParserName = "auto"
    reading: Number | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A saved segment; size and refreshed are those of its latest refresh, null before the first. Times are UTC."""

    name: str
    understood: str
    query: dict[str, Any]
    static: bool
    saved_at: str
    size: int | None
    refreshed: str | None


@dataclass(frozen=True, slots=True)
class NewName:
    """The name that a segment is to have."""

    name: SegmentName


@dataclass(frozen=True, slots=True)
class AsOf:
    """The instant as of which something is done (ISO 8601); null is the clock's."""

    now: str | None = None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found: how many members there are, and the visitor_ids of those who came and went."""

    name: str
    at: str
    size: int
    entered: list[str]
    exited: list[str]


@dataclass(frozen=True, slots=True)
class Laid:
    """Two to five segments that are to be laid over each other, and as of when."""

    names: list[SegmentName]
    now: str | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """How many contacts are in exactly these segments."""

    segments: list[str]
    contacts: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """How segments overlap: how many contacts each has, and each region that has any, the largest first."""

    names: list[str]
    sizes: list[int]
    regions: list[Region]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is to be set of a phonebook; what is left out stays as it is."""

    timezone: str | None = None
    strict: bool | None = None
    private: list[Annotated[str, Meta(max_length=200)]] | None = None
    unknown_visitors: UnknownVisitors | None = None


@dataclass(frozen=True, slots=True)
class Phonebook:
    """A phonebook and its settings."""

    name: str
    timezone: str
    strict: bool
    private: list[str]
    unknown_visitors: UnknownVisitors


@dataclass(frozen=True, slots=True)
class NewKey:
    """The key that is to be made: what it may do, and until when (ISO 8601; null: until it is revoked)."""

    scope: Scope = "read"
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without its text. `state` is active, expired or revoked."""

    id: str
    phonebooks: list[str]
    scope: Scope
    created_at: str
    expires_at: str | None
    state: Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key. Its text is shown here and never again."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a term means: contacts in English, or values of the data ("category Shoes")."""

    meaning: Annotated[str, Meta(max_length=2000)]


@dataclass(frozen=True, slots=True)
class Selected:
    """Which failures are to be tried again: those of this event, with this code, received since; all, where none is
    given."""

    event: str | None = None
    code: str | None = None
    since: str | None = None


@dataclass(frozen=True, slots=True)
class StillFailed:
    """A failure that failed again: its id, and everything that is wrong with it now."""

    id: int
    errors: list[Wrong]


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of failures that were tried again."""

    accepted: int
    duplicates: int
    failed: int
    errors: list[StillFailed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of something that failed, the first one included."""

    at: str
    payload: str
    errors: list[Wrong]
    status: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that failed, with all that was tried; `status` is failed until it has passed."""

    id: int
    received_at: str
    what: str
    payload: str
    errors: list[Wrong]
    error: str
    file: str | None
    line: int | None
    status: str
    history: list[Tried]


@dataclass(frozen=True, slots=True)
class Taken:
    """What Segment-compatible clients are told: that their messages are kept, and what became of them."""

    success: Literal[True]
    accepted: int
    duplicates: int
    failed: int


@dataclass(frozen=True, slots=True)
class State:
    """How the service is."""

    status: str


SHAPES: Final = (
    Accepted, Page, Question, Answered, Settings, Phonebook, NewKey, Key, MadeKey, Meaning, Selected, Retried, Failure,
    Taken, State, WhyQuestion, Why, NewSegment, Segment, NewName, AsOf, Refreshed, Laid, Overlap,
)  # fmt: skip
"""Every shape that a request or an answer has."""


def key_of(key: KeyRow, now: datetime) -> Key:
    """A key as it is shown: never its text. `now` is naive UTC, as are the key's times."""
    ended = key.expires_at is not None and key.expires_at <= now
    return Key(
        key.id,
        list(key.phonebooks),
        key.scope,
        f"{key.created_at.isoformat()}Z",
        None if key.expires_at is None else f"{key.expires_at.isoformat()}Z",
        "revoked" if key.revoked_at else "expired" if ended else "active",
    )


def refusal(error: NotUnderstood | Ambiguous) -> dict[str, Any]:
    """A refusal as the fields of a problem: those of the command line, and where the words stand."""
    fields = refusal_json(error)
    if isinstance(error, NotUnderstood):
        fields |= {"reason": error.reason, "trouble": error.code, "position": error.position}
    else:
        for told, reading in zip(fields["readings"], error.readings, strict=True):
            told["query"] = msgspec.Raw(reading.query.to_json().encode())
    return fields
