"""The phonebook as people use it: contacts and events in, English in, users out. Only this room reads the clock."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, overload
from zoneinfo import ZoneInfo

from grammar import errors
from grammar.describe import describe
from grammar.errors import Reading
from grammar.query import CountEvents, CountUsers, Query, Users
from persona.answer import Answer
from persona.errors import refusing
from persona.settings import ModelSettings, model_settings
from storage.backends import Stop
from storage.failed import Retried, Wanted
from storage.plan import kind_of
from storage.store import Book, Check, Compacted, Forgotten, Progress, Report, Source, Store

if TYPE_CHECKING:
    import pandas

    from grammar.model import ModelUsage, Status
    from grammar.reader import Grounded, ModelReader, Read
    from persona.remote import RemotePhonebook
    from persona.segments import Segments

Parser: TypeAlias = Literal["auto", "grammar", "model"]


class Ambiguous(errors.Ambiguous):
    """A question with two or more readings that differ in meaning; `choose` answers one of them.

    Attributes:
        readings: each in canonical English, with its query and how many contacts it finds.
        words: the words on which the readings differ.
    """

    def __init__(
        self,
        readings: list[Reading],
        words: list[str],
        answer: Callable[[Reading], Answer],
        remember: Callable[[Reading], None],
    ) -> None:
        self._answer = answer
        self._remember = remember
        super().__init__(readings, words)

    def choose(self, index: int, remember: bool = False) -> Answer:
        """The answer to the reading of this number, from 0.

        `remember`: the phonebook reads this question so from now on, until `undefine` with the question takes it back.

        Raises IndexError where there is no such reading.
        """
        if not 0 <= index < len(self.readings):
            raise IndexError(f"there is no reading {index}: they are numbered 0 to {len(self.readings) - 1}")
        if remember:
            self._remember(self.readings[index])
        return self._answer(self.readings[index])

    def _repr_html_(self) -> str:
        from persona.notebook import ambiguous_html

        return ambiguous_html(self)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows where nobody catches it: the readings alone."""
        return self.message.splitlines()


class ModelNotConfigured(Exception):
    """A language model was to read the question, and none is set up."""

    def __init__(self) -> None:
        super().__init__(
            "No language model is set up: PERSONA_MODEL names one, and PERSONA_MODEL_URL its server; "
            "parser='grammar' reads the question without one."
        )


@overload
def connect(
    store: str | Path = "persona.duckdb",
    phonebook: str = "default",
    timezone: str | None = None,
    strict: bool | None = None,
    key: None = None,
    model: ModelSettings | None = None,
) -> Phonebook:
    """Of a store's file."""


@overload
def connect(
    store: str, phonebook: str = "default", timezone: str | None = None, strict: None = None, *, key: str
) -> RemotePhonebook:
    """Of a running service."""


def connect(
    store: str | Path = "persona.duckdb",
    phonebook: str = "default",
    timezone: str | None = None,
    strict: bool | None = None,
    key: str | None = None,
    model: ModelSettings | None = None,
) -> Phonebook | RemotePhonebook:
    """Opens a phonebook of a store; both are created where they are missing. With a key: one of a running service.

    Args:
        store: path of the store's file, or ":memory:" for one that is gone when it is closed; with a key, the address
            of a service, such as "http://localhost:8000".
        phonebook: its name; one phonebook never sees anything of another.
        timezone: IANA zone in which calendar words and times without a zone are taken. A new phonebook gets it (UTC
            where none is given).
        strict: whether an event fails that has a number where a string is needed. A new phonebook is not strict.
        model: the language model that may read questions; None is the one that PERSONA_MODEL and its like name, if any.

    Raises:
        ValueError: one of these variables of the environment has a value that it cannot have.
        StorageError: the file is held by another process, is no store, or cannot be opened; or the phonebook is there
            with another zone or strictness.
        ValueError: an address without a key, or a key without one.
    """
    if key is not None or str(store).startswith(("http://", "https://")):
        if key is None or not str(store).startswith(("http://", "https://")):
            raise ValueError("a service is opened by its address (http://…) and a key, a store by its path alone")
        from persona.remote import RemotePhonebook

        return RemotePhonebook(str(store), phonebook, key, timezone)
    given = model or model_settings(os.environ)
    opened = Store.open(store)
    try:
        return Phonebook(opened, opened.phonebook(phonebook, timezone, strict), given)
    except BaseException:
        opened.close()
        raise


class Phonebook:
    """One phonebook of an open store. Made by `connect`; also a context manager, which closes the store.

    Times in the frames that it returns are UTC.
    """

    def __init__(self, store: Store, book: Book, model: ModelSettings | None = None) -> None:
        self._store = store
        self._book = book
        self._settings = model

    def import_contacts(self, source: Source, progress: Progress | None = None) -> Report:
        """Contacts from a path (.csv .jsonl .json .parquet), a DataFrame, an Arrow table or dicts.

        Each has a visitor_id and any attributes; one that is known is completed. What fails is kept with its reasons.
        """
        return self._book.import_contacts(source, progress)

    def import_events(self, source: Source, progress: Progress | None = None) -> Report:
        """Events from the same kinds of source; a .json file may be the payload {"data": [...]}.

        Each is validated; one that fails is kept, as it came, with all its reasons (see `failed_events`).
        """
        return self._book.import_events(source, progress)

    def import_products(self, source: Source, progress: Progress | None = None) -> Report:
        """Products from the same kinds of source: they complete the catalog that events make. Each has a product_id."""
        return self._book.import_products(source, progress)

    def compact(self, progress: Callable[[int, int], None] | None = None) -> Compacted:
        """Puts the events that came since the last time in order, so that questions stay quick. Writing and asking go
        on meanwhile. It happens by itself, too, when enough events have come; closing the store waits for that.

        `progress` is told how many events have been put in order, and of how many. Returns how many were new, and how
        many were rewritten for them.
        """
        return self._book.compact(progress)

    def forget(self, visitor_id: str) -> Forgotten:
        """Removes a person: contact, events, what failed, places in segments, and what the catalog has only from them.

        When it returns, nothing of that is left in the store's file. Returns how much was removed (contacts, events,
        failed, segments), and `mentions`: how many values of others are equal to the visitor_id; they stay.
        """
        return self._book.forget(visitor_id)

    def verify(self) -> list[Check]:
        """Checks the whole store, all its phonebooks: a list of what was looked at, each with phonebook, what, wrong
        (how many are not as they must be) and example. Writing and asking go on meanwhile.

        Raises StorageError "damaged" where a part of the file cannot be read.
        """
        return self._store.verify()

    def backup(self, file: str | Path) -> None:
        """Writes the whole store, as it is at one instant, into a new file; writing and asking go on meanwhile.

        Raises StorageError where the file is there already, or cannot be written.
        """
        self._store.backup(file)

    def ask(
        self,
        question: str | Query,
        now: datetime | str | None = None,
        parser: Parser = "auto",
        stop: Stop | None = None,
    ) -> Answer:
        """Answers a question in English, or a query.

        Args:
            question: the question.
            now: the instant as of which it is answered, a datetime or ISO 8601, in the phonebook's zone where it names
                none; events later than it are not seen. None is the clock.
            parser: which reader reads it.
            stop: lets another thread stop the question.

        Raises:
            NotUnderstood: some of its words have no part in any reading. Nothing was run.
            Ambiguous: it has several readings; choose one.
            ModelNotConfigured: parser="model" where no model is set up.
        """
        began = time.perf_counter()
        instant = self._instant(now)
        if isinstance(question, Query):
            return self._answer(question, instant, began, stop=stop)
        if parser not in ("auto", "grammar", "model"):
            raise ValueError(f"parser is 'auto', 'grammar' or 'model', not {parser!r}")
        with self._book.question():
            try:
                with refusing(question):
                    said = self._read(question, parser)
            except errors.Ambiguous as refusal:
                return self._only_reading(question, refusal, instant, began, stop)
            return self._answer(
                said.query, instant, began, said.warnings, said.parser, said.grounding, said.usage, stop
            )

    def prompt(self, question: str) -> list[dict[str, str]]:
        """The messages that would be sent to a language model for this question, whole: all that leaves this machine.
        Nothing is sent."""
        from grammar import model
        from grammar.proposal import sheet

        return model.prompt(sheet(question, self._book.vocabulary(), self._private()))

    def remember(self, question: str, answer: Answer) -> None:
        """Accepts the reading of an answer, such as a language model's: the phonebook reads this question so from now
        on, without a model, until `undefine` with the question takes it back.

        Raises ValueError where the question does not ask for contacts.
        """
        self._remember(question, Reading(answer.understood, answer.query))

    def mark_private(self, key: str, private: bool = True) -> None:
        """Says whether the values of an attribute or property may be shown to a language model.

        Those called email, mobile or name (a contact's: the name of a product is none) are private where nothing else
        is said, and with them those that hold the like ("first_name", "phone").
        """
        others = {known for known in self._book.row.private if known.casefold() != key.casefold()}
        self._book = self._book.set(private=sorted({*others, key} if private else others))

    def private_keys(self) -> list[str]:
        """The attributes and properties whose values no language model is shown, by name."""
        from grammar.proposal import is_private

        vocabulary, private = self._book.vocabulary(), self._private()
        defaults = {event.name for event in vocabulary.event_types() if event.default}
        keys = (*vocabulary.attributes(), *(key for event in vocabulary.event_types() for key in event.keys))
        return sorted({key.name for key in keys if is_private(key, private, defaults)})

    def model_status(self) -> Status:
        """Whether the language model that is set up answers as it must: sends it one small question of this phonebook.

        Raises ModelNotConfigured where none is set up.
        """
        from grammar import model
        from grammar.proposal import sheet

        return model.status(self._model().server, sheet("users", self._book.vocabulary(), self._private()))

    def define(self, term: str, meaning: str) -> None:
        """Says what a word of this phonebook's people means, for all questions from now on.

        Args:
            term: the word or words ("big spenders", "patients", "trainers").
            meaning: contacts in English ("users who spent over 10000"), or values of the data ("category Shoes").

        Raises:
            NotUnderstood, Ambiguous: the meaning is not understood; nothing is kept.
            ValueError: the term has no word.
        """
        from grammar.reader import meaning as read_meaning
        from grammar.vocabulary import fold

        if not fold(term):
            raise ValueError(f"a term is at least one word, not {term!r}")
        with refusing(meaning):
            means = read_meaning(meaning, self._book.vocabulary())
        self._book.define(term, meaning, Query(means))

    def terms(self) -> pandas.DataFrame:
        """The words that are defined: term, meaning, understood (canonical English), problem (None, or why the meaning
        no longer reads: the term still means what it did)."""
        import pandas

        from grammar.reader import meaning as read_meaning

        vocabulary = self._book.vocabulary()
        rows = []
        for term in self._book.terms():
            problem = None
            try:
                if read_meaning(term.meaning, vocabulary) != term.query.population:
                    problem = "its meaning would be read differently today; define it again"
            except errors.QuestionError as refusal:
                problem = str(refusal)
            rows.append((term.word, term.meaning, describe(term.query), problem))
        return pandas.DataFrame(rows, columns=["term", "meaning", "understood", "problem"])

    def undefine(self, term: str) -> None:
        """Forgets a word, or a reading that was remembered for a question. StorageError where it is not defined."""
        self._book.undefine(term)

    @property
    def segments(self) -> Segments:
        """The saved segments: save, list, get, refresh, members, history, export, rename, delete, overlap."""
        from persona.segments import Segments

        return Segments(self._book, self.ask, self._instant)

    def event_types(self) -> pandas.DataFrame:
        """The event types that occur: name, kind (default or custom), count, first_seen, last_seen, keys, key_types."""
        return self._book.event_types().to_pandas()

    def products(self) -> pandas.DataFrame:
        """The product catalog, made from events and completed by `import_products`; variants is a list for each."""
        return self._book.products().to_pandas()

    def failed_events(self) -> pandas.DataFrame:
        """What was handed in and failed: id, received_at, what it was, payload as it came, errors (JSON, each with key,
        code and message), error (their messages), file, line, status. The latest first."""
        return self._book.failed_events().to_pandas()

    def events(self, visitor_id: str) -> pandas.DataFrame:
        """One contact's events, newest first: event_name, event_timestamp, created_at, event_properties and context
        (both JSON), type, message_id."""
        return self._book.events(visitor_id).drop_columns("event").to_pandas()

    def contacts(self) -> pandas.DataFrame:
        """The contacts in the order in which they came: visitor_id, attributes (JSON)."""
        return self._book.contacts().drop_columns("contact").to_pandas()

    def retry_failed(
        self,
        id: int | None = None,
        payload: Mapping[str, object] | None = None,
        event: str | None = None,
        code: str | None = None,
    ) -> Retried:
        """Tries what failed again: all of it, or what is named; as it came, or with `payload` in its place.

        What passes is stored and leaves `failed_events`; it keeps what it was and when it was tried.

        Args:
            id: the one failure of this id (see `failed_events`).
            payload: what takes its place, where one is named.
            event: failures of this event.
            code: failures with this code among their reasons, such as "unknown_visitor".

        Returns:
            .accepted, .duplicates, .failed (counts), and .errors: the id and reasons of each that failed again.

        Raises:
            StorageError: no failure of this id is left.
            ValueError: a payload for more than one failure.
        """
        if payload is not None and id is None:
            raise ValueError("a payload takes the place of one failure: name it by its id")
        raw = None if payload is None else json.dumps(payload).encode()
        return self._book.retry(Wanted(id, event, code), raw)

    def close(self) -> None:
        """Closes the store. Closing it again does nothing."""
        self._store.close()

    def __enter__(self) -> Phonebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _instant(self, now: datetime | str | None) -> datetime:
        if now is None:
            return datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(now) if isinstance(now, str) else now
        except ValueError:
            raise ValueError(f"now is an instant in ISO 8601, such as 2026-03-31T18:00:00, not {now!r}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(self._book.zone))
        return moment.astimezone(UTC)

    def _read(self, question: str, parser: Parser) -> Read:
        """What the question means: by the grammar, or with the model that is set up."""
        from grammar import reader  # the grammar loads when a sentence is first read

        vocabulary = self._book.vocabulary()
        if parser == "grammar" or (parser == "auto" and self._settings is None):
            return reader.read(question, vocabulary)
        return reader.read_with(question, vocabulary, self._model(), parser)

    def _model(self) -> ModelReader:
        """The language model that is set up, with what this phonebook keeps from it and for it."""
        from grammar.model import OPENAI, Server
        from grammar.reader import ModelReader

        given = self._settings
        if given is None:
            raise ModelNotConfigured
        server = Server(given.name, given.url or OPENAI, given.key, given.timeout)
        return ModelReader(server, given.use, self._private(), self._book.recall_reading, self._book.keep_reading)

    def _private(self) -> frozenset[str]:
        """The folded names of the keys that are private here."""
        from grammar.proposal import private_names

        return private_names(self._book.row.private)

    def _answer(
        self,
        query: Query,
        now: datetime,
        began: float,
        warnings: Sequence[str] = (),
        parser: str = "query",
        grounding: tuple[Grounded, ...] = (),
        usage: ModelUsage | None = None,
        stop: Stop | None = None,
    ) -> Answer:
        result = self._book.answer(query, now, stop)
        return Answer(
            kind=kind_of(query),
            understood=describe(query),
            warnings=list(warnings),
            parser=parser,
            elapsed=time.perf_counter() - began,
            query=query,
            sql=result.sql,
            table=result.table,
            now=now,
            book=self._book,
            _follow=self._follow,
            grounding=grounding,
            model_usage=usage,
        )

    def _follow(self, question: str, before: Answer) -> Answer:
        """The answer to a question about the answer before."""
        from grammar.followup import read_about

        began = time.perf_counter()
        try:
            with refusing(question):
                said = read_about(question, before.query, self._book.vocabulary())
        except errors.Ambiguous as refusal:
            return self._only_reading(None, refusal, before.now, began, None)
        return self._answer(said.query, before.now, began, said.warnings, said.parser, said.grounding)

    def _only_reading(
        self, question: str | None, refusal: errors.Ambiguous, now: datetime, began: float, stop: Stop | None
    ) -> Answer:
        """The answer, where all the readings are one and the same query; else raises them, counted."""
        usage = refusal.model_usage
        reader = "model" if usage is not None and usage.outcome == "read" else "grammar"
        different = list({reading.query: reading for reading in reversed(refusal.readings)}.values())[::-1]
        if len(different) == 1:
            return self._answer(different[0].query, now, began, refusal.warnings, reader, usage=usage, stop=stop)
        counted = [replace(reading, count=self._count(reading.query, now, stop)) for reading in different]
        several = Ambiguous(
            counted,
            refusal.words,
            lambda reading: self._answer(
                reading.query, now, time.perf_counter(), parser=reader, usage=usage, stop=stop
            ),
            lambda reading: self._remember(question, reading),
        )
        several.warnings, several.model_usage = refusal.warnings, refusal.model_usage
        raise several from None

    def _remember(self, question: str | None, reading: Reading) -> None:
        """Keeps a chosen reading as what the whole question means; only contacts can be kept so."""
        if question is None:
            raise ValueError("a question about an answer means nothing without it and cannot be remembered")
        if reading.query.output != Users():
            raise ValueError("only a question for contacts can be remembered, not one for a number or columns")
        self._book.define(question, reading.understood, Query(reading.query.population))

    def _count(self, query: Query, now: datetime, stop: Stop | None) -> int:
        """How many contacts the query finds, whatever it asks of them; how many events, where it counts those."""
        counted = query if isinstance(query.output, CountEvents) else Query(query.population, CountUsers())
        count = int(self._book.answer(counted, now, stop).table.column("value")[0].as_py())
        limit = query.output.limit if isinstance(query.output, Users) else None
        return count if limit is None else min(count, limit)
