"""The one door of the memory: open a store, hand in contacts and events, ask queries, see what it knows."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from grammar.query import Condition, Member, Query, Term, nodes
from grammar.vocabulary import fold
from storage import compact, erase, failed, inbox, load, registry
from storage.backends import Snapshot, Stop
from storage.catalog import StoreVocabulary, layout, with_more_events
from storage.compact import Compacted
from storage.erase import Forgotten
from storage.errors import StorageError
from storage.failed import EVERYTHING, Retried, Wanted
from storage.inbox import Inbox, Noted
from storage.load import Clock, Faults, Outcome, Progress, Report
from storage.registry import AuditRow, KeyRow, PhonebookRow, Scope, TermRow, UnknownVisitors
from storage.schema import PRODUCT_FIELDS, VARIANT_FIELDS, Layout
from storage.source import Record, Records, Source, numbered, read
from storage.verify import Check, verify

if TYPE_CHECKING:
    import pyarrow as pa

    from storage.evidence import Proof
    from storage.plan import Plan
    from storage.segments import Moves, SegmentRow

__all__ = ["Book", "Check", "Compacted", "Forgotten", "Progress", "Report", "Result", "Source", "Store"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a query found, and the SQL that found it."""

    table: pa.Table
    sql: str


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """An open store: phonebooks that know nothing of each other. Made by `Store.open`."""

    def __init__(self, backend: Inbox, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._keeper = _Keeper(backend, clock)
        self._closed = False

    @staticmethod
    def open(path: str | Path, clock: Clock = _utc_now) -> Store:
        """Opens the store in this file, or makes it; ":memory:" is one that is gone when it is closed.

        Args:
            path: the file.
            clock: naive UTC; when things are stored.

        Raises:
            StorageError: "locked" by another process, "damaged", "unwritable", "foreign" or "newer".
        """
        from storage.backends.duckdb import DuckDB

        backend = DuckDB(str(path))
        try:
            registry.prepare(backend, str(path))
            erase.renew(backend)
            return Store(Inbox(backend), clock)
        except BaseException:
            backend.close()
            raise

    def phonebook(self, name: str, zone: str | None = None, strict: bool | None = None) -> Book:
        """The phonebook of this name, made where it is missing.

        Args:
            name: its name.
            zone: IANA time zone; None is the one it has (a new one gets UTC).
            strict: whether a number where a string is needed fails; None is as it is (a new one is not strict).

        Raises:
            StorageError: "zone" where there is no such zone or it has another; "refused" where `strict` differs.
        """
        row = registry.phonebook(self._backend.engine, name, zone, strict, self._clock())
        return Book(self._backend, row, self._clock, self._keeper)

    def verify(self) -> list[Check]:
        """Checks all of the store as of one instant: that it can be read, that references hold, that nothing is there
        twice, that the catalog agrees with the events. Writing goes on meanwhile.

        Raises:
            StorageError: "damaged", where a block of the file cannot be read.
        """
        return verify(self._backend)

    def backup(self, file: str | Path) -> None:
        """Writes the store as it is at one instant into a new file, which is a store; reading and writing go on.

        Raises:
            StorageError: "unwritable", where the file is there already or cannot be written; "full".
        """
        self._backend.copy(Path(file))

    def phonebooks(self) -> tuple[str, ...]:
        """The names of its phonebooks, sorted."""
        return tuple(row.name for row in registry.phonebooks(self._backend))

    def made_keys(self) -> tuple[KeyRow, ...]:
        """All keys that were ever made for the service, the oldest first; their secrets are not known."""
        return registry.keys(self._backend)

    def create_key(
        self, phonebooks: Sequence[str], scope: Scope, expires: datetime | None = None, who: str = "command line"
    ) -> tuple[KeyRow, str]:
        """A new key for these phonebooks, and its text, which cannot be had again. `expires` is aware.

        Raises:
            ValueError: an ingest key is to open more than one phonebook, or the key would expire at once.
        """
        ends = None if expires is None else expires.astimezone(UTC).replace(tzinfo=None)
        return registry.create_key(self._backend, phonebooks, scope, ends, who, self._clock())

    def revoke_key(self, number: str, who: str = "command line") -> None:
        """Ends the key of this id. Raises StorageError "unknown" where there is none in force."""
        registry.revoke_key(self._backend, number, who, self._clock())

    def record(self, rows: Sequence[AuditRow]) -> None:
        """Adds to the audit log."""
        with self._backend.engine.write() as tx:
            registry.record(tx, rows)

    def audit(self, phonebook: str, limit: int, below: int | None = None) -> pa.Table:
        """Who asked and changed what in a phonebook, the latest first: at (UTC), who (a key's id, or "command line"),
        action, detail (JSON), entry (a number). At most `limit`, with numbers below `below`."""
        return registry.audit(self._backend, phonebook, limit, below)

    def close(self) -> None:
        """Closes the store, after a compaction that runs by itself has finished. Closing it again does nothing."""
        if not self._closed:
            self._closed = True
            self._keeper.close()
            self._backend.close()


class _Keeper:
    """Settles and compacts the phonebooks of a store by itself, one at a time, when enough events have come."""

    def __init__(self, backend: Inbox, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compaction")
        self._lock = threading.Lock()
        self._came: dict[int, int] = {}
        self._asked: dict[int, Counter[tuple[str, str]]] = {}
        self._settling = False  # whether it is to be done, and has not begun

    def came(self, row: PhonebookRow, events: int) -> None:
        """Told how many events came into a phonebook. Looks at the store only once in so many."""
        with self._lock:
            total = self._came.get(row.id, compact.LEAST) + events
            self._came[row.id] = total if total < compact.LEAST else 0
        if total >= compact.LEAST and compact.due(self._backend.engine, row):
            self._thread.submit(self._compact, row)
        if self._backend.waiting(row) >= inbox.MANY and not self._settling:
            self._settling = True
            self._thread.submit(self._settle)

    def asked(self, row: PhonebookRow, keys: Sequence[tuple[str, str]]) -> None:
        """Told which keys a question read from JSON: those often asked for get a column with the next compaction."""
        if keys:
            with self._lock:
                self._asked.setdefault(row.id, Counter()).update(keys)

    def compact(self, row: PhonebookRow, progress: compact.Progress | None = None) -> Compacted:
        with self._lock:
            asked = dict(self._asked.get(row.id, Counter()))
        return compact.compact(self._backend, row, self._clock, progress, asked)

    def close(self) -> None:
        self._thread.shutdown()

    def _compact(self, row: PhonebookRow) -> None:
        try:
            self.compact(row)
        except StorageError as error:  # the events are stored; the next compaction does what this one did not
            logging.getLogger(__name__).warning("The phonebook %r was not compacted: %s", row.name, error)

    def _settle(self) -> None:
        self._settling = False  # what comes from here on may need another time
        try:
            self._backend.settle()
        except StorageError as error:  # they are on disk; who looks next, or the next call, tries again
            logging.getLogger(__name__).warning("The inbox was not settled: %s", error)


class Book:
    """One phonebook of an open store. Made by `Store.phonebook`."""

    def __init__(self, backend: Inbox, row: PhonebookRow, clock: Clock, keeper: _Keeper) -> None:
        self._backend = backend
        self._row = row
        self._clock = clock
        self._keeper = keeper
        self._vocabulary: StoreVocabulary | None = None
        self._layout: tuple[object, Layout] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self._row.name

    @property
    def zone(self) -> str:
        """Its IANA time zone, in which times without an offset are read."""
        return self._row.zone

    @property
    def strict(self) -> bool:
        """Whether a number where a string is needed fails."""
        return self._row.strict

    # ── in ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def import_contacts(self, source: Source, progress: Progress | None = None) -> Report:
        """Contacts, each with a visitor_id and any attributes. A known one is completed: later values replace earlier
        ones. What fails is kept with its reasons.

        Raises:
            StorageError: "source", where nothing can be read from it.
        """
        return load.import_contacts(self._backend, self._row, source, self._clock, progress)

    def import_events(self, source: Source, progress: Progress | None = None) -> Report:
        """Events, each validated. What fails is kept, as it came, with every reason.

        An event with a message_id is stored once. A file that is imported again adds nothing; one whose import was
        interrupted goes on where it stopped.

        Raises:
            StorageError: "source", where nothing can be read from it.
        """
        records = read(source, "event")
        if records.digest is None:
            first = list(islice(records.records, load.MANY))
            if len(first) < load.MANY:
                became = self._append(first, origin=records)
                if progress and first:
                    progress(len(first), records.total)
                accepted, duplicates = became.count("accepted"), became.count("duplicate")
                return Report(accepted, 0, duplicates, len(became) - accepted - duplicates)
            records = replace(records, records=chain(first, records.records))
        report = load.import_events(self._backend, self._row, records, self._clock, progress)
        self._keeper.came(self._row, report.accepted)
        return report

    def import_products(self, source: Source, progress: Progress | None = None) -> Report:
        """Products, each with a product_id and any of a product's fields: they complete the catalog that events make.

        Raises:
            StorageError: "source", where nothing can be read from it.
        """
        return load.import_products(self._backend, self._row, source, self._clock, progress)

    def forget(self, visitor_id: str) -> Forgotten:
        """Removes everything of one visitor, see `storage.erase`: when it returns, no byte of it is in the file.

        Raises:
            StorageError: "full", where there is no room to write the file anew.
        """
        return erase.forget(self._backend, self._row, visitor_id)

    def append_events(self, payloads: Sequence[bytes], noted: Noted | None = None) -> list[Outcome]:
        """Stores events, each the JSON of one, in one transaction that is on disk when this returns; what became of
        each. What fails is kept with its reasons.

        noted: what the audit log is to say of that, in the same transaction.
        """
        return self._append(_numbered(payloads), noted=noted)

    def _append(
        self,
        records: Sequence[Record],
        messages: Mapping[int, bytes] | None = None,
        origin: Records = load.NOWHERE,
        noted: Noted | None = None,
    ) -> list[Outcome]:
        """Stores events that are in memory: few by way of the inbox."""
        now = self._clock()
        if not records and noted is None:
            return []
        if len(records) < load.MANY:
            became = self._backend.append(self._row, records, now, messages, origin, noted)
        else:
            besides = None if noted is None else lambda tx, became: registry.record(tx, noted(became))
            became = load.append_events(self._backend, self._row, records, now, messages, besides)
        self._keeper.came(self._row, became.count("accepted"))
        return became

    def append_messages(self, messages: Sequence[bytes]) -> list[Outcome]:
        """Stores what messages of Segment-compatible clients tell; what became of each. What fails is kept."""
        numbered = dict(enumerate(messages, 1))
        became = load.append_messages(self._backend, self._row, numbered, self._clock(), self._append)
        return [became[number] for number in numbered]

    def append_contacts(self, payloads: Sequence[bytes]) -> tuple[Report, Faults]:
        """Stores contacts, each the JSON of one, in one transaction; what became of them, and which failed (numbered
        from 1) and why."""
        return load.append_contacts(self._backend, self._row, _numbered(payloads), self._clock())

    def append_products(self, payloads: Sequence[bytes]) -> tuple[Report, Faults]:
        """Stores products, each the JSON of one, in one transaction, as `append_contacts`."""
        return load.append_products(self._backend, self._row, _numbered(payloads), self._clock())

    # ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def row(self) -> PhonebookRow:
        """Its settings."""
        return self._row

    def set(
        self,
        zone: str | None = None,
        strict: bool | None = None,
        private: Collection[str] | None = None,
        unknown_visitors: UnknownVisitors | None = None,
    ) -> Book:
        """The phonebook with other settings; None leaves one as it is.

        Raises:
            StorageError: "zone", where there is no such zone, or events have been read in another one.
        """
        row = registry.set_phonebook(self._backend, self._row, zone, strict, private, unknown_visitors)
        return Book(self._backend, row, self._clock, self._keeper)

    # ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def vocabulary(self) -> StoreVocabulary:
        """The words of the phonebook, as of now."""
        with self._backend.snapshot() as snapshot:
            version = f"{self._row.name}:{registry.version(snapshot, self._row)}"
            known = self._vocabulary
            if known is None or known.version != version:
                self._vocabulary = known = StoreVocabulary(self._backend.engine, self._row.schema, version)
            else:
                known.recount(snapshot)
        return known

    def compact(self, progress: compact.Progress | None = None) -> Compacted:
        """Puts events that came since the last time in order, so that questions stay quick; see `storage.compact`. It
        happens by itself, too, when enough have come."""
        return self._keeper.compact(self._row, progress)

    def question(self) -> AbstractContextManager[None]:
        """Inside the block this thread asks one question by several calls: what was stored before it began is seen, and
        is looked for once."""
        return self._backend.question()

    def answer(self, query: Query, now: datetime, stop: Stop | None = None) -> Result:
        """What the query finds as of `now` (aware). `stop` can stop it from another thread.

        Raises:
            StorageError: "too slow" or "too big", where it exceeds the limits; "stopped"; "unsupported", where it
                cannot be asked.
        """
        from storage.sql import spell

        segments = self._segments_for(query)
        with self._backend.snapshot() as snapshot:
            planned = self._planned(query, now, snapshot, segments)
            sql = spell(planned)
            found = Result(snapshot.query(sql, stop=stop), sql)
        self._keeper.asked(self._row, planned.read)
        return found

    @contextmanager
    def stream(self, query: Query, now: datetime) -> Iterator[pa.RecordBatchReader]:
        """What the query finds as of `now` (aware), batch by batch: for more rows than should be held at once. Nothing
        else may be asked of the store inside the block.

        Raises:
            StorageError: as `answer`, but for its limit of time.
        """
        from storage.sql import spell

        segments = self._segments_for(query)
        with self._backend.survey() as survey:
            yield survey.batches(spell(self._planned(query, now, survey, segments)))

    def prove(self, query: Query, visitor_id: str, now: datetime) -> Proof:
        """Whether a contact is in the population of a query as of `now` (aware), and by which conditions and events.

        Raises:
            StorageError: "unknown", where there is no such contact; and as `answer` does.
        """
        from storage.evidence import prove
        from storage.segments import as_saved

        found = self._backend.rows(f"SELECT contact FROM {self._row.schema}.contact WHERE visitor_id = ?", [visitor_id])
        if not found:
            raise StorageError("unknown", f'The phonebook "{self._row.name}" has no contact "{visitor_id}".')
        zone = ZoneInfo(self._row.zone)
        segments = as_saved(self._segments_for(query))
        with self._backend.snapshot() as snapshot:
            layout = self._layout_of(snapshot)
            return prove(snapshot, query.population, found[0][0], now, zone, layout, segments)

    def _planned(self, query: Query, now: datetime, snapshot: Snapshot, segments: Sequence[SegmentRow]) -> Plan:
        from storage.planner import plan
        from storage.segments import as_saved

        return plan(query, now, ZoneInfo(self._row.zone), self._layout_of(snapshot), as_saved(segments))

    def _segments_for(self, query: Query) -> tuple[SegmentRow, ...]:
        """The saved segments, where the query speaks of any. To be asked before a snapshot is opened: two of one thread
        would wait for each other where the store's file is about to be written anew."""
        return self.segments() if any(isinstance(node, Member) for node in nodes(query)) else ()

    def layout(self) -> Layout:
        """Where its things live, as of now."""
        with self._backend.snapshot() as snapshot:
            return self._layout_of(snapshot)

    def _layout_of(self, snapshot: Snapshot) -> Layout:
        """Where its things live, at this moment."""
        version = registry.version(snapshot, self._row), compact.version(snapshot, self._row)
        known = self._layout
        same = known is not None and known[0] == version
        told = with_more_events(snapshot, known[1]) if known and same else layout(snapshot, self._row.schema)
        self._layout = version, told
        return told

    # ── what it knows ─────────────────────────────────────────────────────────────────────────────────────────────

    def event_types(self, limit: int | None = None, above: str | None = None) -> pa.Table:
        """The event types that occur, by name: name, kind ("default" or "custom"), count, first_seen, last_seen (UTC),
        keys (dotted, to two levels; context keys under "context."), key_types (the JSON types seen, for each key). At
        most `limit`, with names above `above`."""
        schema = self._row.schema
        return self._backend.query(
            "SELECT t.name, CASE WHEN is_default THEN 'default' ELSE 'custom' END AS kind, t.count, first_seen, "
            "last_seen, list(k.path ORDER BY k.level = 'context', k.path) FILTER (k.path IS NOT NULL) AS keys, "
            "list(array_to_string(k.json_types, '|') ORDER BY k.level = 'context', k.path) "
            "FILTER (k.path IS NOT NULL) AS key_types "
            f"FROM {schema}.event_type t LEFT JOIN {schema}.event_key k USING (type) WHERE coalesce(t.name > ?, true) "
            "GROUP BY ALL ORDER BY t.name LIMIT ?",
            [above, limit],
        )

    def products(self, limit: int | None = None, above: str | None = None) -> pa.Table:
        """The product catalog by product_id: name, description, category, brand, sku, price (a number), stock, url,
        image_url, and variants: a list of {variant_id, name, sku, price}. At most `limit`, with ids above `above`."""
        schema = self._row.schema
        fields = ", ".join(_picked(field) for field in PRODUCT_FIELDS)
        parts = ", ".join(_picked(field) for field in VARIANT_FIELDS)
        packed = ", ".join(f"{field} := {field}" for field in ("variant_id", *VARIANT_FIELDS))
        return self._backend.query(
            f"WITH wanted AS (SELECT DISTINCT product_id FROM {schema}.product WHERE coalesce(product_id > ?, true) "
            "ORDER BY product_id LIMIT ?), variants AS (SELECT product_id, variant_id, "
            f"{parts} FROM {schema}.variant SEMI JOIN wanted USING (product_id) GROUP BY ALL), "
            f"lists AS (SELECT product_id, list(struct_pack({packed}) ORDER BY variant_id) AS variants FROM variants "
            f"GROUP BY ALL), products AS (SELECT product_id, {fields} FROM {schema}.product "
            "SEMI JOIN wanted USING (product_id) GROUP BY ALL) "
            "SELECT products.*, coalesce(variants, []) AS variants FROM products LEFT JOIN lists USING (product_id) "
            "ORDER BY product_id",
            [above, limit],
        )

    def failed_events(
        self, wanted: Wanted = EVERYTHING, limit: int | None = None, below: int | None = None
    ) -> pa.Table:
        """What failed and is kept, latest first: id, received_at (UTC), what ("event", "contact", "product" or
        "message"), payload as it came, errors (JSON: [{key, code, message}, …]), error (all messages as one text),
        file, line, status. At most `limit`, with ids below `below`."""
        return failed.listed(self._backend, self._row, wanted, limit, below)

    def failed_event(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """One failure, also where it has passed since, and all that was tried with it, the first time first.

        Raises:
            StorageError: "unknown", where nothing of this id failed.
        """
        return failed.one(self._backend, self._row, number)

    def retry(self, wanted: Wanted = EVERYTHING, payload: bytes | None = None) -> Retried:
        """Tries failures again: as they came, or the one that is wanted with this payload in its place.

        Raises:
            StorageError: "unknown", where one is wanted that has not failed, or has passed since.
        """
        return failed.retry(self._backend, self._row, wanted, self._clock(), payload)

    def events(self, visitor_id: str, limit: int | None = None, before: tuple[datetime, int] | None = None) -> pa.Table:
        """One contact's events, newest first: event_name, event_timestamp and created_at (UTC), event_properties and
        context (JSON), type, message_id, event (a number). None, for a visitor who is not known. At most `limit`; with
        `before`, those that come after the one of this event_timestamp and number."""
        schema = self._row.schema
        instant, number = before or (None, None)
        return self._backend.query(
            "SELECT t.name AS event_name, e.ts AS event_timestamp, e.created_at, e.properties::VARCHAR AS "
            "event_properties, e.context::VARCHAR AS context, e.kind AS type, e.message_id, e.event "
            f"FROM {schema}.event e JOIN {schema}.event_type t USING (type) JOIN {schema}.contact c USING (contact) "
            "WHERE c.visitor_id = $1 AND ($3::TIMESTAMP IS NULL OR (e.ts, e.event) < ($3::TIMESTAMP, $4::BIGINT)) "
            "ORDER BY e.ts DESC, e.event DESC LIMIT $2",
            [visitor_id, limit, instant, number],
        )

    def contacts(self, limit: int | None = None, above: int | None = None) -> pa.Table:
        """The contacts in the order in which they came: visitor_id, attributes (JSON), contact (a number). At most
        `limit`, with numbers above `above`."""
        return self._backend.query(
            f"SELECT visitor_id, attributes::VARCHAR AS attributes, contact FROM {self._row.schema}.contact "
            "WHERE contact > coalesce(?, -1) ORDER BY contact LIMIT ?",
            [above, limit],
        )

    # ── segments ──────────────────────────────────────────────────────────────────────────────────────────────────

    def segments(self) -> tuple[SegmentRow, ...]:
        """The saved segments by name, each with its terms as they are defined now."""
        from storage.segments import segments

        return segments(self._backend.engine, self._row, self._meanings())

    def segment(self, name: str) -> SegmentRow:
        """The segment of this name. Raises StorageError "unknown" where there is none."""
        from storage.segments import named

        return named(self.segments(), name, self._row)

    def save_segment(self, name: str, query: Query, static: bool, now: datetime) -> None:
        """Keeps a query of contacts under a name; a static one with its members as of `now` (aware).

        Raises:
            StorageError: "taken", where there is such a segment; and as `answer` does.
        """
        from storage.segments import save

        rows = self.segments()
        save(self._backend, self._row, name, query, static, rows, now, self.layout, self._clock())

    def rename_segment(self, name: str, new: str) -> None:
        """Gives a segment another name, also where other segments and terms speak of it.

        Raises:
            StorageError: "unknown" or "taken".
        """
        from storage.segments import rename

        rename(self._backend, self._row, self.segment(name), new)

    def delete_segment(self, name: str) -> None:
        """Forgets a segment and its history.

        Raises:
            StorageError: "unknown", or "in use" where another segment or a term is defined by it.
        """
        from storage.segments import delete

        delete(self._backend, self._row, self.segment(name), self.segments(), self._meanings())

    def refresh_segments(self, names: Sequence[str], now: datetime) -> list[Moves]:
        """Records who has entered and exited these segments as of `now` (aware), all in one transaction.

        Raises:
            StorageError: "unknown"; "earlier", where one has been refreshed as of a later instant; "refused" for a
                static one; and as `answer` does.
        """
        from storage.segments import named, refresh

        rows = self.segments()
        wanted = [named(rows, name, self._row) for name in dict.fromkeys(names)]
        return refresh(self._backend, self._row, wanted, rows, now, self.layout)

    def segment_history(self, name: str) -> pa.Table:
        """The refreshes of a segment, the earliest first: as_of (UTC), size, entered, exited."""
        from storage.segments import history

        return history(self._backend, self._row, self.segment(name))

    def _meanings(self) -> dict[str, Condition]:
        return {fold(term.word): term.query.population for term in self.terms()}

    # ── terms ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def define(self, word: str, meaning: str, query: Query) -> None:
        """Keeps what a word means here: the English it was defined by, and the query that was read from it.

        Raises:
            StorageError: "circular", where the word would be defined by itself.
        """
        self._check_term(word, query)
        registry.define(self._backend, self._row, TermRow(word, meaning, query), self._clock())

    def _check_term(self, word: str, query: Query) -> None:
        """A term or a segment inside the meaning may be defined by the word."""
        if not any(isinstance(node, Term | Member) for node in nodes(query)):
            return
        from storage.planner import plan
        from storage.segments import as_saved, renewed, segments

        terms = {**self._meanings(), fold(word): query.population}
        again = renewed(Query(Term(word, query.population)), terms)
        rows = segments(self._backend, self._row, terms)
        now = self._clock().replace(tzinfo=UTC)
        plan(again, now, ZoneInfo(self._row.zone), self.layout(), as_saved(rows))

    def terms(self) -> tuple[TermRow, ...]:
        """The words that are defined here."""
        return registry.terms(self._backend.engine, self._row)

    def undefine(self, word: str) -> None:
        """Forgets a word. Raises StorageError "unknown" where it is not defined."""
        registry.undefine(self._backend, self._row, word)

    # ── the language model ────────────────────────────────────────────────────────────────────────────────────────

    def recall_reading(self, key: str) -> str | None:
        """What a language model proposed under this key, or None."""
        return registry.recall_reading(self._backend.engine, self._row, key)

    def keep_reading(self, key: str, proposal: str) -> None:
        """Keeps what a language model proposed under this key."""
        registry.keep_reading(self._backend.engine, self._row, key, proposal, self._clock())


def _numbered(payloads: Sequence[bytes]) -> list[Record]:
    return [numbered(number, payload) for number, payload in enumerate(payloads, 1)]


def _picked(field: str) -> str:
    value = f"max(value) FILTER (field = '{field}')"
    return f"TRY_CAST({value} AS DOUBLE) AS {field}" if field == "price" else f"{value} AS {field}"
