"""A phonebook of a running service: the same surface over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from grammar import errors
from grammar.errors import NotUnderstood, Reading
from grammar.query import Query
from persona.answer import Answer
from persona.errors import refusing
from persona.export import check_path, whole
from persona.segments import Now, Refresh, Segment, VisitorIds, asked
from persona.shapes import ARROW
from persona.why import Why, why_from
from persona.wire import answer_of, usage_of
from storage.errors import StorageError
from storage.event import EventError
from storage.failed import Retried
from storage.load import Progress, Report
from storage.source import UNREADABLE, Records, Source, read

if TYPE_CHECKING:
    import httpx
    import pandas

    from persona.engine import Parser
    from persona.insight import Overlap
    from persona.picture import Picture

_RECORDS: Final = 5_000  # in one request, at most
_BYTES: Final = 8 * 2**20
_SECONDS: Final = 120.0
_TIMES: Final = ["first_seen", "last_seen", "received_at", "event_timestamp", "created_at", "as_of"]


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
        if isinstance(question, Query):
            return self._ask({"query": json.loads(question.to_json()), "now": _iso(now)})
        with refusing(question):
            return self._ask({"query": question, "now": _iso(now), "parser": parser})

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

    @property
    def segments(self) -> RemoteSegments:
        """The saved segments: save, list, get, refresh, members, history, export, rename, delete, overlap."""
        return RemoteSegments(self)

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
            return answer_of(response.content, response.elapsed.total_seconds(), self._why)
        refusal = _refusal(response.json())
        if isinstance(refusal, NotUnderstood):
            raise refusal
        readings = refusal.readings
        several = Ambiguous(
            readings,
            refusal.words,
            lambda reading: self._ask({**body, "reading": readings.index(reading)}),
            lambda reading: self._remember(body, readings.index(reading)),
        )
        several.warnings, several.model_usage = refusal.warnings, refusal.model_usage
        raise several

    def _why(self, answer: Answer, visitor_id: str) -> Why:
        query = json.loads(answer.query.to_json())
        return why_from(
            self._json(
                "POST", "/persona/why", {"query": query, "visitor_id": visitor_id, "now": answer.now.isoformat()}
            )
        )

    def _remember(self, body: dict[str, Any], reading: int) -> None:
        self._ask({**body, "reading": reading, "remember": True})

    def _frame(self, path: str, columns: str, *json_columns: str) -> pandas.DataFrame:
        """All pages of a list as a DataFrame of these columns; some hold JSON, as text."""
        import pandas

        rows: list[dict[str, Any]] = []
        parameters = {} if path == "/terms" or path.endswith("/history") else {"limit": "1000"}
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
        with self._responding(method, path, refusals, **more) as response:
            response.read()
            return response

    @contextmanager
    def _responding(self, method: str, path: str, refusals: bool = False, **more: Any) -> Iterator[httpx.Response]:
        """The same, to be read piece by piece."""
        import httpx

        try:
            with self._client.stream(method, f"{self._url}{path}", **more) as response:
                yield self._checked(response, refusals)
        except httpx.HTTPError as error:
            raise ServiceError("unreachable", f"{self._url} does not answer: {error}.") from error

    def _checked(self, response: httpx.Response, refusals: bool) -> httpx.Response:
        if response.is_success:
            return response
        response.read()
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
        if code == "model_not_configured":
            from persona.engine import ModelNotConfigured

            raise ModelNotConfigured
        raise ServiceError(code, message)


class RemoteSegments:
    """The saved segments of a phonebook of a service: the verbs of `Segments`, with the same meaning. What it does not
    do raises ServiceError, with the same code."""

    def __init__(self, book: RemotePhonebook) -> None:
        self._book = book

    def save(self, name: str, question: str | Query | Answer, static: bool = False, now: Now = None) -> Segment:
        """Saves a question for contacts under a name; see `Segments.save`."""
        if isinstance(question, str):
            question = self._book.ask(question, now)  # what is refused is refused as there
        query = question.query if isinstance(question, Answer) else question
        body = {"name": name, "query": json.loads(query.to_json()), "static": static, "now": _iso(now)}
        return _segment(self._book._json("POST", "/segments", body))

    def list(self) -> Sequence[Segment]:
        """All segments, by name."""
        return [_segment(told) for told in self._book._json("GET", "/segments")["data"]]

    def get(self, name: str) -> Segment:
        """The segment of this name."""
        return _segment(self._book._json("GET", _place(name)))

    def rename(self, name: str, new: str) -> Segment:
        """Gives a segment another name, also where other segments and terms speak of it."""
        return _segment(self._book._json("PATCH", _place(name), {"name": new}))

    def delete(self, name: str) -> None:
        """Forgets a segment and its history; refused where a segment or a term is defined by it."""
        self._book._send("DELETE", _place(name))

    def ask(self, name: str, now: Now = None) -> Answer:
        """The segment as an answer; see `Segments.ask`."""
        return self._book.ask(asked(self.get(name)), now)

    def members(self, name: str, now: Now = None) -> VisitorIds:
        """The visitor_ids of the members now (of a static segment: as they were recorded)."""
        return self.ask(name, now).visitor_ids

    def refresh(self, name: str, now: Now = None) -> Refresh:
        """Asks a live segment now and records who has entered and who has exited since it was refreshed before."""
        return _refresh(self._book._json("POST", f"{_place(name)}/refresh", {"now": _iso(now)}))

    def refresh_all(self, now: Now = None) -> Sequence[Refresh]:
        """Refreshes every live segment, all of them or none."""
        told = self._book._json("POST", "/segments/refresh", {"now": _iso(now)})
        return [_refresh(each) for each in told["data"]]

    def history(self, name: str) -> pandas.DataFrame:
        """The refreshes of a segment, the earliest first: as_of (UTC), size, entered, exited."""
        return self._book._frame(f"{_place(name)}/history", "as_of size entered exited")

    def export(
        self,
        name: str,
        path: str | Path,
        now: Now = None,
        columns: str | Sequence[str] | None = None,
        spreadsheet: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Writes the members now to a file, whole or not at all; see `Segments.export`. What comes are bytes, not rows:
        `progress` is told nothing."""
        target = check_path(path, spreadsheet)
        given = {
            "format": target.suffix.lower().removeprefix("."),
            "spreadsheet": str(spreadsheet).lower(),
            "now": _iso(now),
            "columns": columns if columns is None or isinstance(columns, str) else (*columns,),
        }
        parameters = {key: value for key, value in given.items() if value is not None}
        with (
            refusing(str(given["columns"])),
            self._book._responding("GET", f"{_place(name)}/export", params=parameters) as response,
            whole(target) as file,
        ):
            for piece in response.iter_bytes():
                file.write(piece)
        return target

    def overlap(self, *names: str, now: Now = None) -> Overlap:
        """How many contacts are in each of two to five segments, and in which of them together."""
        from persona.insight import Overlap

        told = self._book._json("POST", "/segments/overlap", {"names": names, "now": _iso(now)})
        regions = tuple((tuple(region["segments"]), region["contacts"]) for region in told["regions"])
        return Overlap(tuple(told["names"]), tuple(told["sizes"]), regions)

    def chart(self, name: str) -> Picture:
        """The size of a segment over time, with who entered and exited at each refresh."""
        from persona import picture

        return picture.of_history(self.get(name).name, self.history(name).to_dict("records"))


def _place(name: str) -> str:
    return f"/segments/{quote(name, safe='')}"


def _segment(told: Mapping[str, Any]) -> Segment:
    refreshed = told["refreshed"]
    return Segment(
        told["name"],
        told["understood"],
        _query(told),
        told["static"],
        datetime.fromisoformat(told["saved_at"]),
        told["size"],
        None if refreshed is None else datetime.fromisoformat(refreshed),
    )


def _refresh(told: Mapping[str, Any]) -> Refresh:
    import pyarrow

    moves = (pyarrow.chunked_array([told[what]], pyarrow.string()) for what in ("entered", "exited"))
    return Refresh(told["name"], datetime.fromisoformat(told["at"]), told["size"], *moves)


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
    refusal: NotUnderstood | errors.Ambiguous
    if told["code"] == "not_understood":
        refusal = NotUnderstood(told["trouble"], told["words"], told["reason"], told["suggestions"], told["position"])
    else:
        readings = [Reading(one["understood"], _query(one), one["count"]) for one in told["readings"]]
        refusal = errors.Ambiguous(readings, told["words"])
    refusal.warnings, refusal.model_usage = tuple(told["warnings"]), usage_of(told["model_usage"])
    return refusal


def _query(told: Mapping[str, Any]) -> Query:
    return Query.from_json(json.dumps(told["query"]))


def _iso(now: Now) -> str | None:
    return now.isoformat() if isinstance(now, datetime) else now


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
    except UNREADABLE:
        return False
    return True
