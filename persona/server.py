"""The service: a route for each verb of a phonebook over HTTP.

body ── streamed, limited ──► records ──► writer: one commit for all that wait ──► answered
question ──► a thread that can be stopped ──► a page of rows, CSV or Arrow

error ──► its code ──► its status, by one table (persona/wire)

The event loop only moves bytes and checks keys; whatever reads, stores or asks is done in threads.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import Counter as Count
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cache, partial
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
import pyarrow as pa
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import grammar.query
from grammar.errors import Ambiguous as AnyAmbiguous
from grammar.errors import NotUnderstood
from persona import shapes
from persona.answer import Answer, answer_json
from persona.engine import Ambiguous, ModelNotConfigured, Phonebook
from persona.export import Format, plain
from persona.reference import (
    COMMON,
    EVENT,
    MEMBERS,
    PROBLEM_SCHEMA,
    PROBLEM_SHAPE,
    QUESTION,
    TRACK,
    WITH_BODY,
    list_of,
    page,
    responses_of,
    takes,
)
from persona.segments import Refresh, Segment, asked
from persona.settings import ModelSettings
from persona.shapes import ARROW, CSV, EXPORTS, JSON, PROBLEM
from persona.why import why_json
from persona.wire import (
    STATUS,
    Problem,
    after,
    arrow,
    csv_lines,
    cursor_of,
    encode,
    instant_of,
    naive,
    not_json,
    once,
    place,
    records,
    too_large,
    typed,
    unpacked,
    user_name,
)
from persona.writer import Kind, Writer
from storage.backends import Stop
from storage.errors import StorageError
from storage.event import EventError
from storage.failed import Wanted
from storage.load import Faults, Outcome, Report
from storage.registry import AuditRow, KeyRow, parts_of
from storage.registry import Scope as KeyScope
from storage.source import UNREADABLE
from storage.store import Book, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the service bears.

    Attributes:
        body: bytes of one request's body, also of what it unpacks to.
        records: events, contacts, messages in one request.
        held: bytes of all requests that are being read and stored at once.
        receive: seconds in which a body must be there.
        question: characters of a question.
        seconds: that a question may take.
        rows: of a page of an answer.
        asking: questions that are answered at once; `patience` more may wait.
        rate: requests a second with one key; as many may come at once.
        connections: that are open at once.
        head: bytes of a request's line and headers.
    """

    body: int = 16 * 2**20
    records: int = 10_000
    held: int = 256 * 2**20
    receive: float = 30.0
    question: int = 2_000
    seconds: float = 30.0
    rows: int = 10_000
    asking: int = 4
    patience: int = 64
    rate: float = 2_000.0
    connections: int = 1_000
    head: int = 64 * 1024


# ── what can go wrong ─────────────────────────────────────────────────────────────────────────────────────────────


def _response(problem: Problem) -> Response:
    """A problem as application/problem+json (RFC 9457)."""
    status = STATUS[problem.code]
    told = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": problem.code,
        "detail": problem.detail,
        "message": problem.detail,
        **problem.extra,
    }
    return Response(encode(told), status, problem.headers, PROBLEM)


def _problem_of(error: Exception) -> Problem:
    """What an error of the engine is to a client."""
    match error:
        case Problem():
            return error
        case NotUnderstood() | AnyAmbiguous():
            told = shapes.refusal(error)
            return Problem(told.pop("code"), told.pop("message"), **told)
        case ModelNotConfigured():
            return Problem("model_not_configured", str(error))
        case StorageError():
            code = error.code.replace(" ", "_")
            if code == "failed" or code not in STATUS:  # what the engine says of itself is for the log
                return Problem("failed", _UNEXPECTED)
            return Problem(code, error.message)
        case ValueError():
            return Problem("invalid", str(error))
        case HTTPException():
            codes = {404: "not_found", 405: "method_not_allowed"}
            return Problem(codes.get(error.status_code, "bad_request"), str(error.detail), error.headers)
        case ClientDisconnect():
            return Problem("bad_request", "The client went before the request was there.")
        case _:
            return Problem("failed", _UNEXPECTED)


_UNEXPECTED: Final = "Something went wrong here; it has been logged."


# ── the service ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Bucket:
    """How many requests a key has left, as of when."""

    left: float
    at: float


@dataclass(slots=True)
class _Service:
    """The open store, and what the routes share. Only the event loop changes it."""

    store: Store
    limits: Limits
    model: ModelSettings | None
    writer: Writer
    meters: _Meters
    keys: dict[str, KeyRow]
    books: dict[str, Book]
    asking: CapacityLimiter
    reading: CapacityLimiter
    storing: CapacityLimiter  # of its own: who waits to store must not keep others from reading
    streams: threading.Semaphore  # of answers that are sent piece by piece
    buckets: dict[str, _Bucket] = field(default_factory=dict)
    held: int = 0
    ready: bool = True

    def who(self, text: str, challenge: str) -> KeyRow:
        """The key of this text, where it is in force and not too fast."""
        number, secret = parts_of(text)
        key = self.keys.get(number, _NO_KEY)
        if not key.accepts(secret, _now()):
            raise Problem("unauthorized", "A valid key is needed.", {"WWW-Authenticate": challenge})
        self._pace(key)
        return key

    def _pace(self, key: KeyRow) -> None:
        now, rate = time.monotonic(), self.limits.rate
        bucket = self.buckets.setdefault(key.id, _Bucket(rate, now))
        bucket.left = min(rate, bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            wait = max(1, round((1 - bucket.left) / rate))
            raise Problem("too_fast", f"At most {rate:g} requests a second with one key.", {"Retry-After": str(wait)})
        bucket.left -= 1

    def enter(self, request: Request, phonebook: str, *scopes: KeyScope) -> KeyRow:
        """The key of a request, where it opens the phonebook and has one of the scopes; an admin key has all."""
        key = self.who(request.headers.get("authkey", ""), "authkey")
        if phonebook not in key.phonebooks:
            raise Problem("forbidden", "The key does not open this phonebook.")
        if key.scope not in (*scopes, "admin"):
            raise Problem("forbidden", f"This needs a key with the scope {' or '.join((*scopes, 'admin'))}.")
        request.scope["persona.key"] = key.id
        return key

    def book(self, name: str) -> Book:
        """The phonebook of this name, which the key was found to open."""
        if name not in self.books:
            raise Problem("unknown", f"There is no phonebook {name!r} yet: PUT makes it.")
        return self.books[name]

    def phonebook(self, name: str) -> Phonebook:
        """The same as people use it, with the language model that is set up. To be asked in a thread."""
        return Phonebook(self.store, self.book(name), self.model)

    def note(self, key: KeyRow, phonebook: str, action: str, **detail: Any) -> Awaitable[None]:
        """Adds to the audit log; what changes something waits for it."""
        return asyncio.wrap_future(self.writer.note(AuditRow(_now(), key.id, phonebook, action, detail)))


_NO_KEY: Final = KeyRow("", "0" * 64, (), "read", datetime(1970, 1, 1), None, datetime(1970, 1, 1))


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class _Meters:
    """What is counted, for Prometheus. No label names a phonebook, a contact or a word of a question."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: Any = {"registry": self.registry}
        self.requests = Counter("persona_requests", "Requests answered.", ["method", "route", "status"], **own)
        self.seconds = Histogram("persona_request_seconds", "How long a request took.", ["route"], **own)
        self.events = Counter("persona_events", "Events handed in, by what became of them.", ["outcome"], **own)
        self.faults = Counter("persona_failed_events", "Reasons for which events failed.", ["code"], **own)
        self.questions = Counter("persona_questions", "Questions, by what became of them.", ["outcome"], **own)
        self.waiting = Gauge("persona_events_waiting", "Events that wait to be stored.", **own)
        self.held = Gauge("persona_held_bytes", "Bytes of the bodies that are held.", **own)
        # To find a counter by its labels takes longer than to count.
        self._answered = cache(self.requests.labels)
        self._took = cache(self.seconds.labels)
        self._became = cache(self.events.labels)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._answered(method, route, status).inc()
        self._took(route).observe(seconds)

    def happened(self, outcomes: Sequence[Outcome]) -> None:
        """Counts events."""
        for outcome, number in Count(o if isinstance(o, str) else "failed" for o in outcomes).items():
            self._became(outcome).inc(number)
        for code, number in Count(e.code for o in outcomes if not isinstance(o, str) for e in o).items():
            self.faults.labels(code).inc(number)


# ── in and out ────────────────────────────────────────────────────────────────────────────────────────────────────

_SMALL: Final = 64 * 1024  # bodies up to this size are read where they arrive: handing them to a thread costs more


@asynccontextmanager
async def _body(service: _Service, request: Request) -> AsyncIterator[bytearray]:
    """The body of a request, unpacked; while it is in use it counts as held."""
    limits = service.limits
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise Problem("unsupported_encoding", "A body comes as it is, or with Content-Encoding: gzip.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.body:
        raise too_large(limits.body)
    taken, body = 0, bytearray()
    try:
        try:
            async with asyncio.timeout(limits.receive):
                async for chunk in request.stream():
                    taken += len(chunk)
                    service.held += len(chunk)
                    if taken > limits.body:
                        raise too_large(limits.body)
                    if service.held > limits.held:
                        raise Problem("busy", "Too much is being stored at once.", {"Retry-After": "1"})
                    body += chunk
        except TimeoutError:
            raise Problem("too_late", f"The body must be there within {limits.receive:g} seconds.") from None
        if encoding == "gzip":
            packed, body = body, await to_thread.run_sync(unpacked, body, limits.body, limiter=service.reading)
            service.held += len(body) - len(packed)
            taken = len(body)
            packed.clear()
        yield body
    finally:
        service.held -= taken


async def _near(service: _Service, size: int, work: Callable[[], T]) -> T:
    """Does the work at once where it is on few bytes, else in a thread."""
    return work() if size <= _SMALL else await to_thread.run_sync(work, limiter=service.reading)


async def _shape(service: _Service, request: Request, kind: type[T]) -> T:
    """The body of a request as one of our shapes; no body is one without fields."""
    async with _body(service, request) as body:
        try:
            told = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
            known = [part.name for part in fields(kind)]  # type: ignore[arg-type]
            for name in told:
                if name not in known:
                    raise Problem("invalid", f"{name!r:.80} is not known here: {', '.join(known)}.", key=name[:80])
            return msgspec.json.decode(body or b"{}", type=kind)
        except msgspec.ValidationError as error:
            raise Problem("invalid", f"{error}.") from None
        except UNREADABLE as error:
            raise not_json(error) from None


def _json(told: Any, status: int = 200) -> Response:
    return Response(encode(told), status, media_type=JSON)


def _paged(table: pa.Table, limit: int, next_from: Sequence[str], drop: str | None = None, *parsed: str) -> Response:
    """A page of what was asked for with one row more than it holds; the columns `parsed` are JSON."""
    rows = table.slice(0, limit).to_pylist()
    following = cursor_of(*(plain(rows[-1][name]) for name in next_from)) if table.num_rows > limit else None
    for row in rows:
        if drop:
            del row[drop]
        for name in parsed:
            row[name] = None if row[name] is None else msgspec.Raw(row[name].encode())
    return _json(shapes.Page(rows, following))


def _told(outcomes: Sequence[Outcome]) -> shapes.Accepted:
    failed = [(index, outcome) for index, outcome in enumerate(outcomes) if not isinstance(outcome, str)]
    duplicates = sum(outcome == "duplicate" for outcome in outcomes)
    return shapes.Accepted(
        len(outcomes) - duplicates - len(failed), 0, duplicates, len(failed), [_rejected(*one) for one in failed]
    )


def _rejected(index: int, errors: Sequence[EventError]) -> shapes.Rejected:
    return shapes.Rejected(index, _wrong(errors))


def _wrong(errors: Sequence[EventError]) -> list[shapes.Wrong]:
    return [shapes.Wrong(error.key, error.code, error.message) for error in errors]


# ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _ask(service: _Service, request: Request, query: str | dict[str, Any] | None, work: Callable[[Stop], T]) -> T:
    """Answers in a thread, which is stopped when it takes too long or the client goes."""
    if isinstance(query, str) and len(query) > service.limits.question:
        raise Problem("too_long", f"A question has at most {service.limits.question:,} characters.", key="query")
    if service.asking.statistics().tasks_waiting >= service.limits.patience:
        raise Problem("busy", "Too many questions wait.", {"Retry-After": "1"})
    stop = Stop()

    def answered() -> T:
        if stop.asked:
            raise StorageError("stopped", "The question was stopped: nobody waits for it.")
        return work(stop)

    answering = asyncio.ensure_future(to_thread.run_sync(answered, limiter=service.asking))
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answering, leaving}, timeout=service.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            stop.now()
            if not leaving.done():
                with suppress(StorageError):
                    return await answering
                raise Problem("too_slow", f"A question may take {service.limits.seconds:g} seconds.")
        return await answering
    finally:
        leaving.cancel()


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(phonebook: Phonebook, question: shapes.Question, now: datetime | str, stop: Stop) -> Answer:
    """The answer to a question, or to the reading of it that was chosen."""
    query = question.query
    try:
        if not isinstance(query, str):
            return phonebook.ask(grammar.query.Query.from_json(msgspec.json.encode(query)), now, stop=stop)
        answer = phonebook.ask(query, now, question.parser, stop)
    except Ambiguous as several:
        if question.reading is None:
            raise
        try:
            return several.choose(question.reading, question.remember)
        except IndexError as error:
            raise Problem("invalid", str(error), key="reading") from None
    if question.reading:
        raise Problem("invalid", "The question has one reading, number 0.", key="reading")
    if question.remember and answer.parser == "model":
        phonebook.remember(query, answer)
    return answer


def _from(cursor: str | None, now: str | None) -> tuple[int, datetime | str]:
    """Where a page begins, and as of when: the first one says so, those after it as the first."""
    offset, said = place(cursor, tuple[Annotated[int, msgspec.Meta(ge=0)], str]) or (0, now)
    return offset, datetime.now(UTC) if said is None else said


def _following(whole: int, end: int, now: datetime | str) -> str | None:
    """The cursor of the page after the one that ends here."""
    return cursor_of(end, now if isinstance(now, str) else now.isoformat()) if end < whole else None


def _answered(phonebook: Phonebook, question: shapes.Question, media: str, most: int, stop: Stop) -> Response:
    offset, now = _from(question.cursor, question.now)
    answer = _answer(phonebook, question, now, stop)
    if media == ARROW:
        return Response(arrow(answer), media_type=ARROW)
    if media == CSV:
        table = answer.table if question.limit is None else answer.table.slice(offset, question.limit)
        return StreamingResponse(csv_lines(table), media_type=f"{CSV}; charset=utf-8")
    limit, whole = question.limit or most, len(answer)
    told = answer_json(replace(answer, table=answer.table.slice(offset, limit) if whole > 1 else answer.table))
    if answer.kind == "users":
        told["count"] = whole
    at = now if isinstance(now, str) else now.isoformat()
    return _json({**told, "now": at, "next_cursor": _following(whole, offset + limit, now)})


async def _sent(service: _Service, pieces: Iterator[bytes], media: str) -> Response:
    """Sends pieces while they are made, in threads. The first is waited for, so that what goes wrong has a status."""

    def limited() -> Generator[bytes]:
        if not service.streams.acquire(blocking=False):
            raise Problem("busy", "Too many exports run at once.", {"Retry-After": "5"})
        try:
            yield from pieces
        finally:
            service.streams.release()

    made = limited()

    async def next_one() -> bytes:
        return await to_thread.run_sync(next, made, b"", limiter=service.reading)

    async def all_of_it() -> AsyncIterator[bytes]:
        piece = first
        try:
            while piece:
                yield piece
                piece = await next_one()
        finally:
            made.close()

    first = await next_one()
    return StreamingResponse(all_of_it(), media_type=media)


# ── the routes ────────────────────────────────────────────────────────────────────────────────────────────────────


Limit = Annotated[int, Query(ge=1, le=1000, description="How many of them, at most.")]
Now = Annotated[str | None, Query(max_length=100, description="As of this instant (ISO 8601); else the clock's.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="next_cursor of the page before.")]
_BOOK: Final = "/api/v1/phonebooks/{phonebook}"


_Append: TypeAlias = Callable[[Book, Sequence[bytes]], tuple[Report, Faults]]


def _handing_in(service: _Service) -> APIRouter:
    """Contacts, events and products, and what Segment-compatible clients send."""
    router = APIRouter(tags=["Handing in"])
    responses = responses_of(shapes.Accepted, *COMMON, *WITH_BODY)

    async def store(key: KeyRow, book: Book, kind: Kind, payloads: Sequence[bytes]) -> list[Outcome]:
        outcomes = await asyncio.wrap_future(service.writer.append(book, kind, payloads, key.id))
        service.meters.happened(outcomes)
        return outcomes

    @router.post(
        f"{_BOOK}/events",
        responses=responses,
        openapi_extra=takes(list_of("data"), {"data": [EVENT]})
        | {
            "parameters": [
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "schema": {"type": "string", "maxLength": 255},
                    "description": "A request that is repeated with the same one is counted once.",
                }
            ]
        },
    )
    async def create_events(request: Request, phonebook: str) -> Response:
        """Stores events. What is answered for is on disk; what fails validation is kept with its reasons."""
        key = service.enter(request, phonebook, "ingest")
        book = service.book(phonebook)
        repeated = request.headers.get("idempotency-key", "")
        if len(repeated) > 255:
            raise Problem("invalid", "Idempotency-Key has at most 255 characters.", key="Idempotency-Key")

        def read() -> list[bytes]:
            payloads = records(body, "data", service.limits.records)
            if not repeated:
                return payloads
            return [once(payload, f"{phonebook}\0{repeated}", index) for index, payload in enumerate(payloads)]

        async with _body(service, request) as body:
            size = len(body)
            outcomes = await store(key, book, "event", await _near(service, size, read))
            return await _near(service, size, lambda: _json(_told(outcomes)))

    def keyed(path: str, example: Any, append: _Append, say: str) -> None:
        @router.post(
            f"{_BOOK}/{path}",
            name=f"create_{path}",
            description=say,
            responses=responses,
            openapi_extra=takes(list_of("data"), {"data": [example]}),
        )
        async def create(request: Request, phonebook: str) -> Response:
            key = service.enter(request, phonebook, "ingest")
            book = service.book(phonebook)

            def work() -> shapes.Accepted:
                payloads = records(body, "data", service.limits.records)
                if not payloads:
                    return shapes.Accepted(0, 0, 0, 0)
                report, faults = append(book, payloads)
                return shapes.Accepted(
                    report.accepted,
                    report.updated,
                    report.duplicates,
                    report.failed,
                    [_rejected(number - 1, errors) for number, errors in faults],
                )

            async with _body(service, request) as body:
                done = await to_thread.run_sync(work, limiter=service.storing)
            counts = {"accepted": done.accepted, "updated": done.updated, "failed": done.failed}
            await service.note(key, phonebook, f"{path}.create", **counts)
            return _json(done)

    keyed(
        "contacts",
        {"visitor_id": "u-17", "city": "Porto"},
        Book.append_contacts,
        "Stores contacts: a visitor_id and any attributes. One that is known is completed.",
    )
    keyed(
        "products",
        {"product_id": "p-1", "name": "Linen Shirt", "stock": 4},
        Book.append_products,
        "Completes the product catalog: a product_id and any of a product's fields.",
    )

    async def take(request: Request, read: Callable[[bytearray], list[bytes]]) -> Response:
        key = service.who(user_name(request.headers.get("authorization", "")), 'Basic realm="persona"')
        request.scope["persona.key"] = key.id
        if key.scope == "read":
            raise Problem("forbidden", "This needs a key with the scope ingest or admin.")
        if len(key.phonebooks) != 1:
            raise Problem("forbidden", "The key opens several phonebooks: use an ingest key.")
        book = service.book(key.phonebooks[0])
        async with _body(service, request) as body:
            messages = await _near(service, len(body), partial(read, body))
            told = _told(await store(key, book, "message", messages))
        return _json(shapes.Taken(True, told.accepted, told.duplicates, told.failed))

    taken = responses_of(shapes.Taken, *COMMON, *WITH_BODY)

    @router.post("/v1/batch", responses=taken, openapi_extra=takes(list_of("batch"), {"batch": [TRACK]}))
    async def batch(request: Request) -> Response:
        """Takes what Segment-compatible client libraries send, with the key as user name of Basic authentication."""
        return await take(request, lambda body: records(body, "batch", service.limits.records))

    def single(kind: str, example: Any) -> None:
        @router.post(
            f"/v1/{kind}",
            name=kind,
            description=f"Takes one {kind} message of a Segment-compatible client.",
            responses=taken,
            openapi_extra=takes({"type": "object"}, example),
        )
        async def one(request: Request) -> Response:
            return await take(request, partial(typed, kind=kind))

    for kind, example in (
        ("track", {key: value for key, value in TRACK.items() if key != "type"}),
        ("identify", {"userId": "u-17", "traits": {"city": "Porto"}}),
        ("page", {"userId": "u-17", "name": "Home"}),
        ("screen", {"userId": "u-17", "name": "Home"}),
        ("group", {"userId": "u-17", "groupId": "g-1"}),
        ("alias", {"userId": "u-17", "previousId": "a-1"}),
    ):
        single(kind, example)
    return router


def _looking(service: _Service) -> APIRouter:
    """What a phonebook knows, page by page; and questions."""
    router = APIRouter(tags=["Asking and looking"])
    pages = responses_of(shapes.Page, *COMMON)

    async def thread(work: Callable[[], Response]) -> Response:
        return await to_thread.run_sync(work, limiter=service.reading)

    @contextmanager
    def noted(key: KeyRow, phonebook: str, action: str, **detail: Any) -> Iterator[None]:
        """Counts the question that is asked inside, and writes it down with what became of it."""
        outcome = "answered"
        try:
            yield
        except Exception as error:
            outcome = _problem_of(error).code
            raise
        finally:
            service.meters.questions.labels(outcome).inc()
            service.note(key, phonebook, action, **detail, outcome=outcome)

    @router.post(
        f"{_BOOK}/persona",
        responses=responses_of(
            shapes.Answered,
            *COMMON,
            *WITH_BODY,
            *QUESTION,
            media={CSV: "The rows, a heading first.", ARROW: "The rows, exactly typed."},
        ),
        openapi_extra=takes("Question", {"query": "How many users bought in the last 30 days?"}),
    )
    async def persona(request: Request, phonebook: str) -> Response:
        """Gets users based on persona: answers a question in English. With `Accept: text/csv` the rows come as CSV."""
        key = service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        question = await _shape(service, request, shapes.Question)
        if question.remember and key.scope != "admin":
            raise Problem("forbidden", "To remember a reading changes the phonebook: it needs an admin key.")
        accept = request.headers.get("accept", "")
        media = ARROW if ARROW in accept else CSV if CSV in accept else JSON
        with noted(key, phonebook, "ask", query=question.query):
            return await _ask(
                service,
                request,
                question.query,
                lambda stop: _answered(book, question, media, service.limits.rows, stop),
            )

    @router.post(
        f"{_BOOK}/persona/why",
        responses=responses_of(shapes.Why, *COMMON, *WITH_BODY, *QUESTION),
        openapi_extra=takes("WhyQuestion", {"query": "users who bought a Linen Shirt", "visitor_id": "u-17"}),
    )
    async def why(request: Request, phonebook: str) -> Response:
        """Says why a contact is in an answer or is not: each condition, met or not, and the events that decide it."""
        key = service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.WhyQuestion)
        question = shapes.Question(told.query, told.now, told.parser, reading=told.reading)

        def work(stop: Stop) -> Response:
            answer = _answer(book, question, _from(None, told.now)[1], stop)
            return _json({"understood": answer.understood, **why_json(answer.why(told.visitor_id))})

        with noted(key, phonebook, "why", query=told.query, visitor_id=told.visitor_id):
            return await _ask(service, request, told.query, work)

    @router.get(f"{_BOOK}/event-types", responses=pages)
    async def event_types(request: Request, phonebook: str, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """The event types that occur, with their keys. Times are UTC."""
        service.enter(request, phonebook, "read")
        book, above = service.book(phonebook), after(cursor, str)
        return await thread(lambda: _paged(book.event_types(limit + 1, above), limit, ["name"]))

    @router.get(f"{_BOOK}/products", responses=pages)
    async def products(request: Request, phonebook: str, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """The product catalog."""
        service.enter(request, phonebook, "read")
        book, above = service.book(phonebook), after(cursor, str)
        return await thread(lambda: _paged(book.products(limit + 1, above), limit, ["product_id"]))

    @router.get(f"{_BOOK}/contacts", responses=pages)
    async def contacts(request: Request, phonebook: str, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """The contacts, in the order in which they came: visitor_id and attributes."""
        service.enter(request, phonebook, "read")
        book, above = service.book(phonebook), after(cursor, _Number)
        return await thread(
            lambda: _paged(book.contacts(limit + 1, above), limit, ["contact"], "contact", "attributes")
        )

    @router.get(f"{_BOOK}/contacts/{{visitor_id:path}}/events", responses=pages)
    async def activity(
        request: Request, phonebook: str, visitor_id: str, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """One contact's events, newest first; none for a visitor who is not known. Times are UTC."""
        service.enter(request, phonebook, "read")
        book, before = service.book(phonebook), place(cursor, tuple[datetime, _Number])
        return await thread(
            lambda: _paged(
                book.events(visitor_id, limit + 1, before),
                limit,
                ["event_timestamp", "event"],
                "event",
                "event_properties",
                "context",
            )
        )

    @router.get(f"{_BOOK}/failed-events", responses=pages)
    async def failed_events(
        request: Request,
        phonebook: str,
        limit: Limit = 100,
        cursor: Cursor = None,
        event: str | None = None,
        code: str | None = None,
        since: str | None = None,
    ) -> Response:
        """What failed validation, the latest first: the payload as it came, with every reason."""
        service.enter(request, phonebook, "read")
        book, below = service.book(phonebook), after(cursor, _Number)
        wanted = Wanted(None, event, code, naive(instant_of(since, "since")))
        return await thread(lambda: _paged(book.failed_events(wanted, limit + 1, below), limit, ["id"], None, "errors"))

    @router.get(f"{_BOOK}/failed-events/{{id}}", responses=responses_of(shapes.Failure, *COMMON))
    async def failed_event(request: Request, phonebook: str, id: _Id) -> Response:
        """One failure, also where it has passed since, with all that was tried."""
        service.enter(request, phonebook, "read")
        book = service.book(phonebook)

        def work() -> Response:
            row, history = book.failed_event(id)
            for told in (row, *history):
                told["errors"] = msgspec.Raw(told["errors"].encode())
            return _json({**row, "history": history})

        return await thread(work)

    return router


_Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Id = Annotated[int, Path(ge=0, le=2**62)]


def _deciding(service: _Service) -> APIRouter:
    """Failures tried again, terms, settings, keys, and the audit log."""
    router = APIRouter(tags=["Deciding"])

    async def thread(work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=service.storing)

    async def again(key: KeyRow, book: Book, wanted: Wanted, payload: bytes | None) -> Response:
        done = await thread(lambda: book.retry(wanted, payload))
        await service.note(key, book.name, "failed-events.retry", accepted=done.accepted, failed=done.failed)
        errors = [shapes.StillFailed(number, _wrong(errors)) for number, errors in done.errors]
        return _json(shapes.Retried(done.accepted, done.duplicates, done.failed, errors))

    retried = responses_of(shapes.Retried, *COMMON, *WITH_BODY)

    @router.post(
        f"{_BOOK}/failed-events/retry",
        responses=retried,
        openapi_extra=takes("Selected", {"code": "unknown_visitor"}, required=False),
    )
    async def retry_all(request: Request, phonebook: str) -> Response:
        """Tries failures again as they came, for instance after the contacts that were missing have been imported."""
        key = service.enter(request, phonebook, "ingest")
        book = service.book(phonebook)
        told = await _shape(service, request, shapes.Selected)
        wanted = Wanted(None, told.event, told.code, naive(instant_of(told.since, "since")))
        return await again(key, book, wanted, None)

    @router.post(
        f"{_BOOK}/failed-events/{{id}}/retry",
        responses=retried,
        openapi_extra=takes({"type": "object"}, EVENT, required=False),
    )
    async def retry_one(request: Request, phonebook: str, id: _Id) -> Response:
        """Tries one failure again: with the payload that is sent in its place, or as it came where none is sent."""
        key = service.enter(request, phonebook, "ingest")
        book = service.book(phonebook)
        async with _body(service, request) as body:
            try:
                payload = bytes(msgspec.json.decode(body, type=msgspec.Raw)) if body.strip() else None
            except UNREADABLE as error:
                raise not_json(error) from None
            return await again(key, book, Wanted(id), payload)

    @router.get(f"{_BOOK}/terms", responses=responses_of(shapes.Page, *COMMON))
    async def terms(request: Request, phonebook: str) -> Response:
        """The words that are defined, with what they mean and whether that still reads."""
        service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        rows = await thread(lambda: book.terms().to_dict("records"))
        return _json(shapes.Page([{str(name): value for name, value in row.items()} for row in rows], None))

    @router.put(
        f"{_BOOK}/terms/{{term:path}}",
        status_code=204,
        responses=responses_of(None, *COMMON, *WITH_BODY, "not_understood", "ambiguous", status=204),
        openapi_extra=takes("Meaning", {"meaning": "users who spent over 10000"}),
    )
    async def define(request: Request, phonebook: str, term: str) -> Response:
        """Says what a word means in this phonebook."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.Meaning)
        await thread(lambda: book.define(term, told.meaning))
        await service.note(key, phonebook, "terms.define", term=term, meaning=told.meaning)
        return Response(status_code=204)

    @router.delete(f"{_BOOK}/terms/{{term:path}}", status_code=204, responses=responses_of(None, *COMMON, status=204))
    async def undefine(request: Request, phonebook: str, term: str) -> Response:
        """Forgets a word, or a reading that was remembered."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        await thread(lambda: book.undefine(term))
        await service.note(key, phonebook, "terms.undefine", term=term)
        return Response(status_code=204)

    @router.get("/api/v1/phonebooks", responses=responses_of(shapes.Page, *COMMON))
    async def phonebooks(request: Request) -> Response:
        """The phonebooks that the key opens, with their settings."""
        key = service.who(request.headers.get("authkey", ""), "authkey")
        request.scope["persona.key"] = key.id
        known = [_phonebook(service.books[name]) for name in sorted(key.phonebooks) if name in service.books]
        return _json({"data": known, "next_cursor": None})

    @router.get(_BOOK, responses=responses_of(shapes.Phonebook, *COMMON))
    async def phonebook(request: Request, phonebook: str) -> Response:
        """A phonebook's settings."""
        service.enter(request, phonebook, "read", "ingest")
        return _json(_phonebook(service.book(phonebook)))

    @router.put(
        _BOOK,
        responses=responses_of(shapes.Phonebook, *COMMON, *WITH_BODY, "zone"),
        openapi_extra=takes("Settings", {"timezone": "Europe/Lisbon", "unknown_visitors": "create"}),
    )
    async def set_phonebook(request: Request, phonebook: str) -> Response:
        """Sets what is given, and makes the phonebook where it is missing. Its time zone stays once it has events."""
        key = service.enter(request, phonebook)
        told = await _shape(service, request, shapes.Settings)
        known = service.books.get(phonebook)

        def work() -> Book:
            book = known or service.store.phonebook(phonebook, told.timezone, told.strict)
            return book.set(told.timezone, told.strict, told.private, told.unknown_visitors)

        service.books[phonebook] = await thread(work)
        given = {name: value for name, value in msgspec.to_builtins(told).items() if value is not None}
        await service.note(key, phonebook, "phonebook.set", **given)
        return _json(_phonebook(service.books[phonebook]))

    @router.get(f"{_BOOK}/keys", responses=responses_of(shapes.Page, *COMMON))
    async def keys(request: Request, phonebook: str) -> Response:
        """The keys that open this phonebook, without their texts."""
        service.enter(request, phonebook)
        now = _now()
        known = [shapes.key_of(key, now) for key in service.keys.values() if phonebook in key.phonebooks]
        return _json({"data": known, "next_cursor": None})

    @router.post(
        f"{_BOOK}/keys",
        status_code=201,
        responses=responses_of(shapes.MadeKey, *COMMON, *WITH_BODY, status=201),
        openapi_extra=takes("NewKey", {"scope": "ingest", "expires": "2027-01-01T00:00:00Z"}),
    )
    async def create_key(request: Request, phonebook: str) -> Response:
        """Makes a key for this phonebook. Its text is answered here, and never again."""
        admin = service.enter(request, phonebook)
        told = await _shape(service, request, shapes.NewKey)
        expires = instant_of(told.expires, "expires")
        made, text = await thread(lambda: service.store.create_key([phonebook], told.scope, expires, admin.id))
        service.keys[made.id] = made
        return _json(shapes.MadeKey(text, made.id), 201)

    @router.delete(f"{_BOOK}/keys/{{id}}", status_code=204, responses=responses_of(None, *COMMON, status=204))
    async def revoke_key(request: Request, phonebook: str, id: str) -> Response:
        """Ends a key of this phonebook, for good."""
        admin = service.enter(request, phonebook)
        key = service.keys.get(id)
        # A key that opens another phonebook too is not this one's to end.
        if key is None or not set(key.phonebooks) <= set(admin.phonebooks) or phonebook not in key.phonebooks:
            raise Problem("unknown", "No key of this phonebook has that id.")
        await thread(lambda: service.store.revoke_key(id, admin.id))
        service.keys[id] = replace(key, revoked_at=_now())
        return Response(status_code=204)

    @router.get(f"{_BOOK}/audit", responses=responses_of(shapes.Page, *COMMON))
    async def audit(request: Request, phonebook: str, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """Who asked and changed what, the latest first. Times are UTC."""
        service.enter(request, phonebook)
        below = after(cursor, _Number)
        return await thread(
            lambda: _paged(service.store.audit(phonebook, limit + 1, below), limit, ["entry"], "entry", "detail")
        )

    return router


def _segments(service: _Service) -> APIRouter:
    """Questions saved under names, who is in them, and who came and went."""
    router = APIRouter(tags=["Segments"])
    base = f"{_BOOK}/segments"
    one = responses_of(shapes.Segment, *COMMON)
    pages = responses_of(shapes.Page, *COMMON, *MEMBERS, "too_slow", media={CSV: "All of them, a heading first."})
    exported = responses_of(None, *COMMON, *MEMBERS, "not_understood", "ambiguous")
    exported[200]["content"] = {media: {"schema": {}} for media in EXPORTS.values()}

    async def thread(work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=service.storing)

    @router.get(base, responses=responses_of(shapes.Page, *COMMON))
    async def list_segments(request: Request, phonebook: str) -> Response:
        """The saved segments, by name, with what their latest refresh found. Times are UTC."""
        service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        return await thread(lambda: _json({"data": list(map(_segment, book.segments.list())), "next_cursor": None}))

    @router.post(
        base,
        status_code=201,
        responses=responses_of(shapes.Segment, *COMMON, *WITH_BODY, *QUESTION, "taken", status=201),
        openapi_extra=takes("NewSegment", {"name": "VIP", "query": "users who spent over 500"}),
    )
    async def save_segment(request: Request, phonebook: str) -> Response:
        """Saves a question for contacts under a name."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.NewSegment)
        question = shapes.Question(told.query, told.now, told.parser, reading=told.reading)
        now = _from(None, told.now)[1]
        answer = await _ask(service, request, told.query, lambda stop: _answer(book, question, now, stop))
        saved = await thread(lambda: book.segments.save(told.name, answer, told.static, answer.now))
        await service.note(key, phonebook, "segments.save", name=told.name, query=told.query, static=told.static)
        return _json(_segment(saved), 201)

    @router.post(
        f"{base}/refresh",
        responses=responses_of(shapes.Page, *COMMON, *WITH_BODY, *MEMBERS, "earlier"),
        openapi_extra=takes("AsOf", {}, required=False),
    )
    async def refresh_segments(request: Request, phonebook: str) -> Response:
        """Refreshes every live segment, in one pass where one can serve: all of them or none."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.AsOf)
        done = await thread(lambda: book.segments.refresh_all(told.now))
        await service.note(key, phonebook, "segments.refresh", names=[each.name for each in done])
        return await thread(lambda: _json({"data": list(map(_refreshed, done)), "next_cursor": None}))

    @router.post(
        f"{base}/overlap",
        responses=responses_of(shapes.Overlap, *COMMON, *WITH_BODY, *MEMBERS, "too_slow"),
        openapi_extra=takes("Laid", {"names": ["VIP", "Buyers"]}),
    )
    async def overlap(request: Request, phonebook: str) -> Response:
        """How many contacts are in each of two to five segments, and in which of them together."""
        key = service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.Laid)
        found = await _ask(service, request, None, lambda _: book.segments.overlap(*told.names, now=told.now))
        service.note(key, phonebook, "segments.overlap", names=told.names)
        regions = [shapes.Region(list(those), count) for those, count in found.regions]
        return _json(shapes.Overlap(list(found.names), list(found.sizes), regions))

    @router.post(
        f"{base}/{{name:path}}/refresh",
        responses=responses_of(shapes.Refreshed, *COMMON, *WITH_BODY, *MEMBERS, "earlier", "refused"),
        openapi_extra=takes("AsOf", {}, required=False),
    )
    async def refresh_segment(request: Request, phonebook: str, name: str) -> Response:
        """Asks a live segment now and records who has entered and who has exited since it was refreshed before."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.AsOf)
        done = await thread(lambda: book.segments.refresh(name, told.now))
        await service.note(key, phonebook, "segments.refresh", names=[done.name])
        return await thread(lambda: _json(_refreshed(done)))

    @router.get(f"{base}/{{name:path}}/members", responses=pages)
    async def members(
        request: Request, phonebook: str, name: str, limit: Limit = 100, cursor: Cursor = None, now: Now = None
    ) -> Response:
        """Who is in a segment now, with the columns that it was saved with. With `Accept: text/csv` all come as CSV."""
        key = service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        service.note(key, phonebook, "segments.members", name=name)
        if CSV in request.headers.get("accept", ""):
            return await _sent(service, book.segments.pieces(name, "csv", now), EXPORTS["csv"])

        def work(stop: Stop) -> Response:
            offset, instant = _from(cursor, now)
            answer = book.ask(asked(book.segments.get(name)), instant, stop=stop)
            rows = answer.table.slice(offset, limit).to_pylist()
            return _json(shapes.Page(rows, _following(len(answer), offset + limit, instant)))

        return await _ask(service, request, None, work)

    @router.get(f"{base}/{{name:path}}/history", responses=responses_of(shapes.Page, *COMMON))
    async def history(request: Request, phonebook: str, name: str) -> Response:
        """The refreshes of a segment, the earliest first: as_of (UTC), size, entered, exited."""
        service.enter(request, phonebook, "read")
        book = service.book(phonebook)
        return await thread(lambda: _json(shapes.Page(book.segment_history(name).to_pylist(), None)))

    @router.get(f"{base}/{{name:path}}/export", responses=exported)
    async def export_segment(
        request: Request,
        phonebook: str,
        name: str,
        format: Format = "csv",
        now: Now = None,
        columns: Annotated[list[str] | None, Query(description="Attributes and measures, in English.")] = None,
        spreadsheet: Annotated[bool, Query(description="A ' before text in CSV that would be a formula.")] = False,
    ) -> Response:
        """The members now as a file, sent while it is made, however many they are."""
        key = service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        service.note(key, phonebook, "segments.export", name=name, format=format, columns=columns)
        return await _sent(service, book.segments.pieces(name, format, now, columns, spreadsheet), EXPORTS[format])

    @router.get(f"{base}/{{name:path}}", responses=one)
    async def segment(request: Request, phonebook: str, name: str) -> Response:
        """A segment: what it says, and what its latest refresh found. Times are UTC."""
        service.enter(request, phonebook, "read")
        book = service.phonebook(phonebook)
        return await thread(lambda: _json(_segment(book.segments.get(name))))

    @router.patch(
        f"{base}/{{name:path}}",
        responses=responses_of(shapes.Segment, *COMMON, *WITH_BODY, "taken", "circular"),
        openapi_extra=takes("NewName", {"name": "VIP 2026"}),
    )
    async def rename_segment(request: Request, phonebook: str, name: str) -> Response:
        """Gives a segment another name, also where other segments and terms speak of it."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        told = await _shape(service, request, shapes.NewName)
        renamed = await thread(lambda: book.segments.rename(name, told.name))
        await service.note(key, phonebook, "segments.rename", name=name, new=told.name)
        return _json(_segment(renamed))

    @router.delete(
        f"{base}/{{name:path}}",
        status_code=204,
        responses=responses_of(None, *COMMON, "in_use", "circular", status=204),
    )
    async def delete_segment(request: Request, phonebook: str, name: str) -> Response:
        """Forgets a segment and its history; refused where a segment or a term is defined by it."""
        key = service.enter(request, phonebook)
        book = service.phonebook(phonebook)
        await thread(lambda: book.segments.delete(name))
        await service.note(key, phonebook, "segments.delete", name=name)
        return Response(status_code=204)

    return router


def _segment(segment: Segment) -> shapes.Segment:
    return shapes.Segment(
        segment.name,
        segment.understood,
        json.loads(segment.query.to_json()),
        segment.static,
        segment.saved_at.isoformat(),
        segment.size,
        segment.refreshed.isoformat() if segment.refreshed else None,
    )


def _refreshed(refresh: Refresh) -> shapes.Refreshed:
    return shapes.Refreshed(refresh.name, refresh.at.isoformat(), refresh.size, refresh.entered, refresh.exited)


def _phonebook(book: Book) -> shapes.Phonebook:
    row = book.row
    return shapes.Phonebook(row.name, row.zone, row.strict, list(row.private), row.unknown_visitors)


def _operating(service: _Service) -> APIRouter:
    """How the service is, and what it can do."""
    router = APIRouter(tags=["Operating"])

    @router.get("/healthz", responses=responses_of(shapes.State))
    async def healthz() -> Response:
        """That the process lives."""
        return _json(shapes.State("alive"))

    @router.get("/readyz", responses=responses_of(shapes.State, "busy"))
    async def readyz() -> Response:
        """Whether the store answers and requests are taken."""
        if not service.ready:
            raise Problem("busy", "The service is stopping.", {"Retry-After": "5"})
        await to_thread.run_sync(service.store.phonebooks, limiter=service.reading)
        return _json(shapes.State("ready"))

    @router.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        service.meters.waiting.set(service.writer.waiting)
        service.meters.held.set(service.held)
        return Response(generate_latest(service.meters.registry), media_type=CONTENT_TYPE_LATEST)

    return router


# ── the application ───────────────────────────────────────────────────────────────────────────────────────────────


def application(store: Store, limits: Limits, origins: Sequence[str], model: ModelSettings | None) -> ASGIApp:
    """The service on an open store, which is closed when the service stops. `origins`: web pages that may call it;
    `model`: the language model that may read questions, for as long as a question may take."""
    service = _Service(
        store,
        limits,
        None if model is None else replace(model, timeout=min(model.timeout, limits.seconds)),
        Writer(store),
        _Meters(),
        keys={key.id: key for key in store.made_keys()},
        books={name: store.phonebook(name) for name in store.phonebooks()},
        asking=CapacityLimiter(limits.asking),
        reading=CapacityLimiter(2 * limits.asking),
        storing=CapacityLimiter(2),
        streams=threading.Semaphore(limits.asking),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.ready = False
        await to_thread.run_sync(service.writer.close)
        await to_thread.run_sync(store.close)

    app = FastAPI(
        title="persona",
        version="1",
        description="Contacts and their events in, questions in English answered. Every request but those under "
        "Operating needs a key: header `authkey`, or Basic authentication with the key as user name under /v1.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    routers = [router(service) for router in (_handing_in, _looking, _segments, _deciding, _operating)]
    for router in routers:
        app.include_router(router)
    for kind in (Exception, HTTPException, RequestValidationError, ClientDisconnect):
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(404, _on_error)
    app.add_exception_handler(405, _on_error)
    document = _documented(app)
    app.openapi = lambda: document  # type: ignore[method-assign]
    reference = page(document)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(
            reference, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        )

    near = _Near(app, [route for route in routers[0].routes if isinstance(route, APIRoute)])
    return _Observed(_shared(near, origins) if origins else near, service)


def _shared(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The service, for pages of these web sites too."""
    return CORSMiddleware(
        app, allow_origins=list(origins), allow_methods=["*"], allow_headers=["authkey", "content-type"]
    )


class _Near:
    """Around the framework: some endpoints are called at once, which ask nothing of it but what stands in the path.
    What lies between is a third of what it costs to take ten events."""

    def __init__(self, app: ASGIApp, routes: Sequence[APIRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            for route in self._routes:
                if found := route.path_regex.match(scope["path"]):
                    scope["route"] = route
                    request = Request(scope, receive)
                    try:
                        response = await route.endpoint(request, **found.groupdict())
                    except Exception as error:  # noqa: BLE001  as the framework is told to
                        response = await _on_error(request, error)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:]))
        return _response(Problem("invalid", f"{where}: {first['msg']}.", key=where))
    problem = _problem_of(error)
    if STATUS[problem.code] == 500:
        _LOG.error("failed", exc_info=error)
    return _response(problem)


def _documented(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: the routes as FastAPI tells them, with our shapes and how keys are shown."""
    document = FastAPI.openapi(app)
    _, schemas = msgspec.json.schema_components(shapes.SHAPES, ref_template="#/components/schemas/{name}")
    document["components"] = {
        "schemas": {**schemas, "Problem": PROBLEM_SHAPE},
        "securitySchemes": {
            "authkey": {"type": "apiKey", "in": "header", "name": "authkey"},
            "basic": {"type": "http", "scheme": "basic"},
        },
    }
    for path, verbs in document["paths"].items():
        for told in verbs.values():
            if path.startswith("/api/"):
                told["security"] = [{"authkey": []}]
            elif path.startswith("/v1/"):
                told["security"] = [{"basic": []}]
            invalid = told["responses"].get("422")
            if invalid and PROBLEM not in invalid.get("content", {}):
                invalid["content"] = {PROBLEM: {"schema": PROBLEM_SCHEMA}}
    return document


_LOG: Final = logging.getLogger("persona.service")
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]


class _Observed:
    """Around all of it: headers, counts, a line in the log for each request, and an answer whatever goes wrong."""

    def __init__(self, app: ASGIApp, service: _Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name for name, _ in message["headers"]}
                safe = (b"content-security-policy", b"default-src 'none'")
                message["headers"] += [pair for pair in (*_HEADERS, safe) if pair[0] not in given]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:  # noqa: BLE001  the last door: it is answered, logged, and the service stays up
            if not status:
                await (await _on_error(Request(scope), error))(scope, receive, observed)
        finally:
            took = time.perf_counter() - began
            route = getattr(scope.get("route"), "path_format", "none")
            self._service.meters.answered(scope["method"], route, status, took)
            key = scope.get("persona.key")
            told = {
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(took * 1000, 1),
                "key": key,
            }
            _LOG.info("request", extra={"told": told})
