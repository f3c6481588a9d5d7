"""A phonebook of a running service: the same surface over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from grammar import errors
from grammar.errors import NotUnderstood, Reading
from grammar.query import Query
from persona.answer import Answer
from persona.errors import refusing
from persona.shapes import ARROW
from persona.wire import answer_of
from storage.errors import StorageError
from storage.event import EventError
from storage.failed import Retried
from storage.load import Progress, Report
from storage.source import Records, Source, read

if TYPE_CHECKING:
    import httpx
    import pandas

    from persona.engine import Parser

_RECORDS: Final = 5_000  # in one request, at most
_BYTES: Final = 8 * 2**20
_SECONDS: Final = 120.0
_TIMES: Final = ["first_seen", "last_seen", "received_at", "event_timestamp", "created_at"]


class ServiceError(Exception):
    """The service did not do what was asked.

    Attributes:
        code: which trouble it is, as the service names it; "unreachable" where it did not answer.
        message: what happened, in plain words.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class RemotePhonebook:
    """One phonebook of a running service. Made by `connect` with an address; also a context manager.

    It has the verbs of `Phonebook`, with the same meaning. What a key does not allow raises ServiceError.
    """

    def __init__(self, url: str, phonebook: str, key: str, timezone: str | None = None) -> None:
        import httpx

        self._url = f"{url.rstrip('/')}/api/v1/phonebooks/{quote(phonebook, safe='')}"
        self._client = httpx.Client(headers={"authkey": key}, timeout=_SECONDS)
        if timezone is not None:
            known = self._json("GET", "")["timezone"]
            if known != timezone:
                raise StorageError("zone", f"The phonebook {phonebook!r} is in the time zone {known}, not {timezone}.")

    def import_contacts(self, source: Source, progress: Progress | None = None) -> Report:
        """Contacts from a path, a DataFrame, an Arrow table or dicts; see `Phonebook.import_contacts`."""
        return self._import("contacts", read(source, "contact"), progress)

    def import_events(self, source: Source, progress: Progress | None = None) -> Report:
        """Events from the same kinds of source; a file that is sent again adds nothing."""
        return self._import("events", read(source, "event"), progress)

    def import_products(self, source: Source, progress: Progress | None = None) -> Report:
        """Products from the same kinds of source."""
        return self._import("products", read(source, "product"), progress)

    def ask(self, question: str | Query, now: datetime | str | None = None, parser: Parser = "auto") -> Answer:
        """Answers a question in English, or a query; see `Phonebook.ask`."""
        query = question if isinstance(question, str) else json.loads(question.to_json())
        instant = now.isoformat() if isinstance(now, datetime) else now
        with refusing(question if isinstance(question, str) else ""):
            return self._ask({"query": query, "now": instant, "parser": parser})

    def define(self, term: str, meaning: str) -> None:
        """Says what a word means, for all questions from now on."""
        with refusing(meaning):
            self._send("PUT", f"/terms/{quote(term, safe='')}", {"meaning": meaning})

    def terms(self) -> pandas.DataFrame:
        """The words that are defined: term, meaning, understood, problem."""
        return self._frame("/terms", "term meaning understood problem")

    def undefine(self, term: str) -> None:
        """Forgets a word, or a reading that was remembered for a question."""
        self._send("DELETE", f"/terms/{quote(term, safe='')}")

    def event_types(self) -> pandas.DataFrame:
        """The event types that occur: name, kind, count, first_seen, last_seen, keys, key_types."""
        return self._frame("/event-types", "name kind count first_seen last_seen keys key_types")

    def products(self) -> pandas.DataFrame:
        """The product catalog."""
        return self._frame(
            "/products", "product_id name description category brand sku price stock url image_url variants"
        )

    def contacts(self) -> pandas.DataFrame:
        """The contacts in the order in which they came: visitor_id, attributes (JSON)."""
        return self._frame("/contacts", "visitor_id attributes", "attributes")

    def failed_events(self) -> pandas.DataFrame:
        """What was handed in and failed, the latest first; see `Phonebook.failed_events`."""
        columns = "id received_at what payload errors error file line status"
        return self._frame("/failed-events", columns, "errors")

    def retry_failed(
        self,
        id: int | None = None,
        payload: Mapping[str, object] | None = None,
        event: str | None = None,
        code: str | None = None,
    ) -> Retried:
        """Tries what failed again; see `Phonebook.retry_failed`."""
        if payload is not None and id is None:
            raise ValueError("a payload takes the place of one failure: name it by its id")
        if id is None:
            told = self._json("POST", "/failed-events/retry", {"event": event, "code": code})
        else:
            told = self._json("POST", f"/failed-events/{id}/retry", payload)
        left = [(one["id"], tuple(EventError(**error) for error in one["errors"])) for one in told["errors"]]
        return Retried(told["accepted"], told["duplicates"], told["failed"], left)

    def events(self, visitor_id: str) -> pandas.DataFrame:
        """One contact's events, newest first; see `Phonebook.events`."""
        columns = "event_name event_timestamp created_at event_properties context type message_id"
        return self._frame(f"/contacts/{quote(visitor_id, safe='')}/events", columns, "event_properties", "context")

    def close(self) -> None:
        """Lets go of the service. Closing it again does nothing."""
        self._client.close()

    def __enter__(self) -> RemotePhonebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── what goes over the wire ───────────────────────────────────────────────────────────────────────────────────

    def _import(self, path: str, records: Records, progress: Progress | None) -> Report:
        total, count = Report(), 0
        for number, (last, entries) in enumerate(_parts(records)):
            headers = {}
            if records.digest is not None:
                # The same part of the same file: sent again, it is counted once.
                headers["Idempotency-Key"] = f"{records.digest}-{number}-{last}"
            body = b'{"data":[' + b",".join(entries) + b"]}"
            told = self._response("POST", f"/{path}", content=body, headers=headers).json()
            total += Report(told["accepted"], told["updated"], told["duplicates"], told["failed"])
            count += len(entries)
            if progress:
                progress(count, records.total)
        return total

    def _ask(self, body: dict[str, Any]) -> Answer:
        from persona.engine import Ambiguous

        response = self._response("POST", "/persona", json=body, headers={"Accept": ARROW}, refusals=True)
        if response.status_code == 200:
            return answer_of(response.content, response.elapsed.total_seconds())
        refusal = _refusal(response.json())
        if isinstance(refusal, NotUnderstood):
            raise refusal
        readings = refusal.readings
        raise Ambiguous(
            readings,
            refusal.words,
            lambda reading: self._ask({**body, "reading": readings.index(reading)}),
            lambda reading: self._remember(body, readings.index(reading)),
        )

    def _remember(self, body: dict[str, Any], reading: int) -> None:
        self._ask({**body, "reading": reading, "remember": True})

    def _frame(self, path: str, columns: str, *json_columns: str) -> pandas.DataFrame:
        """All pages of a list as a DataFrame of these columns; some hold JSON, as text."""
        import pandas

        rows: list[dict[str, Any]] = []
        parameters = {} if path == "/terms" else {"limit": "1000"}
        while True:
            page = msgspec.json.decode(self._response("GET", path, params=parameters).content, type=_Page)
            rows += ({name: _value(raw, name in json_columns) for name, raw in row.items()} for row in page.data)
            if page.next_cursor is None:
                break
            parameters["cursor"] = page.next_cursor
        frame = pandas.DataFrame(rows, columns=columns.split())
        for name in frame.columns.intersection(_TIMES):
            frame[name] = pandas.to_datetime(frame[name], format="ISO8601")
        return frame

    def _send(self, method: str, path: str, body: object = None) -> None:
        self._response(method, path, json=body)

    def _json(self, method: str, path: str, body: object = None) -> Any:
        return self._response(method, path, json=body).json()

    def _response(self, method: str, path: str, refusals: bool = False, **more: Any) -> httpx.Response:
        """The response, where the service did it; a refused question too, where `refusals` are waited for."""
        import httpx

        try:
            response = self._client.request(method, f"{self._url}{path}", **more)
        except httpx.HTTPError as error:
            raise ServiceError("unreachable", f"{self._url} does not answer: {error}.") from error
        if response.is_success:
            return response
        try:
            told = response.json()
            code, message = told["code"], told["message"]
        except (ValueError, KeyError, TypeError):
            raise ServiceError("failed", f"The service answered {response.status_code}.") from None
        if code in ("not_understood", "ambiguous"):
            if refusals:
                return response
            raise _refusal(told)
        if code == "invalid" and refusals:
            raise ValueError(message)
        raise ServiceError(code, message)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, its values as they stand in its JSON."""

    data: list[dict[str, msgspec.Raw]]
    next_cursor: str | None


def _value(raw: msgspec.Raw, as_text: bool) -> Any:
    told = msgspec.json.decode(raw)
    return bytes(raw).decode() if as_text and told is not None else told


def _refusal(told: Mapping[str, Any]) -> NotUnderstood | errors.Ambiguous:
    """Why a question was not answered, or a meaning not taken."""
    if told["code"] == "not_understood":
        return NotUnderstood(told["trouble"], told["words"], told["reason"], told["suggestions"], told["position"])
    readings = [
        Reading(one["understood"], Query.from_json(json.dumps(one["query"])), one["count"]) for one in told["readings"]
    ]
    return errors.Ambiguous(readings, told["words"])


def _parts(records: Records) -> Iterator[tuple[int, list[bytes]]]:
    """The records in parts that fit a request, each with the number of its last one. What is no JSON is sent as text,
    so that it is kept as failed."""
    entries: list[bytes] = []
    size = last = 0
    for line, raw, fault in records.records:
        if entries and (len(entries) == _RECORDS or size + len(raw) > _BYTES):
            yield last, entries
            entries, size = [], 0
        entries.append(raw if fault is None and _is_json(raw) else msgspec.json.encode(raw.decode(errors="replace")))
        size += len(raw)
        last = line
    if entries:
        yield last, entries


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
