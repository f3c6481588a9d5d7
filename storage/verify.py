"""Whether a store is sound: every block can be read, references hold, nothing is there twice, the catalog agrees."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from storage.backends import Backend, Survey
from storage.catalog import batch_of, flat, observe, observe_attributes
from storage.schema import META, TABLES, schema_of


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: in which phonebook, what must be so, how many things are not, and one of them."""

    phonebook: str
    what: str
    wrong: int = 0
    example: str | None = None


_CHUNK: Final = 20_000  # events in memory at once

RULES: Final = (  # what must be so, and a query of what is not: {s} is the phonebook's schema
    ("an event has a contact", "SELECT event FROM {s}.event ANTI JOIN {s}.contact USING (contact)"),
    ("an event has a type", "SELECT event FROM {s}.event ANTI JOIN {s}.event_type USING (type)"),
    (
        "a line item is of its event",
        "SELECT event FROM {s}.item ANTI JOIN {s}.event USING (event, type, contact, ts)",
    ),
    (
        "the line items of an event are numbered from 0",
        "SELECT event FROM {s}.item GROUP BY event HAVING min(line) <> 0 OR max(line) <> count(*) - 1",
    ),
    ("a key is of a type", "SELECT path FROM {s}.event_key ANTI JOIN {s}.event_type USING (type)"),
    (
        "a value is of a type",
        "SELECT text FROM {s}.value_index WHERE type IS NOT NULL AND type NOT IN (SELECT type FROM {s}.event_type)",
    ),
    (
        "what is told of a product is of one",
        "SELECT product_id FROM (SELECT product_id FROM {s}.product UNION ALL SELECT product_id FROM {s}.variant) "
        "ANTI JOIN (SELECT product_id FROM {s}.product WHERE field = '') USING (product_id)",
    ),
    (
        "an event type has as many events, and from when to when, as it says",
        "SELECT t.name FROM {s}.event_type t LEFT JOIN (SELECT type, count(*) AS count, min(ts) AS first, "
        "max(ts) AS last FROM {s}.event GROUP BY type) e USING (type) WHERE t.count IS DISTINCT FROM e.count "
        "OR t.first_seen IS DISTINCT FROM e.first OR t.last_seen IS DISTINCT FROM e.last",
    ),
    (
        "what compaction put in order is in order",
        "SELECT event FROM (SELECT event, (contact, ts, event) AS place, lag((contact, ts, event)) OVER "
        "(PARTITION BY type, date_trunc('month', ts) ORDER BY rowid) AS before FROM {s}.event "
        "WHERE event <= (SELECT max(upto) FROM {s}.compaction)) WHERE place < before",
    ),
    (
        "the totals of a contact are those of its events",
        "WITH own AS (SELECT type, contact, min(ts) AS first, max(ts) AS last, count(*) AS events, "
        "fsum(order_value) AS worth FROM {s}.event, {s}.compaction WHERE event <= upto AND ts <= horizon "
        "GROUP BY ALL), "
        "every AS (SELECT type, contact, first, last, events, worth FROM own UNION ALL SELECT -1, contact, min(first), "
        "max(last), sum(events), NULL FROM own GROUP BY contact) "
        "SELECT contact FROM every FULL JOIN {s}.state s USING (type, contact) "
        "WHERE (every.first, every.last, every.events) IS DISTINCT FROM (s.first, s.last, s.events) "
        "OR abs(every.worth - s.worth) > 1e-9 * abs(s.worth) OR (every.worth IS NULL) <> (s.worth IS NULL)",
    ),
    (
        "a stay is of a contact and in a segment",
        "SELECT contact FROM {s}.stay WHERE contact NOT IN (SELECT contact FROM {s}.contact) "
        "OR segment NOT IN (SELECT id FROM {s}.segment)",
    ),
    ("a refresh is of a segment", "SELECT segment FROM {s}.refresh WHERE segment NOT IN (SELECT id FROM {s}.segment)"),
    (
        "a contact is in a segment once at a time",
        "SELECT contact FROM (SELECT contact, entered, lag(coalesce(exited, 'infinity')) OVER (PARTITION BY segment, "
        "contact ORDER BY entered, exited NULLS LAST) AS before FROM {s}.stay) WHERE entered < before",
    ),
    (
        "who entered and exited at a refresh are the stays that began and ended then",
        "WITH moves AS (SELECT segment, entered AS instant, 1 AS came, 0 AS went FROM {s}.stay UNION ALL "
        "SELECT segment, exited, 0, 1 FROM {s}.stay WHERE exited IS NOT NULL UNION ALL "
        "SELECT segment, as_of, -entered, -exited FROM {s}.refresh) "
        "SELECT segment FROM moves GROUP BY segment, instant HAVING sum(came) <> 0 OR sum(went) <> 0",
    ),
    (
        "the size of a segment at a refresh is who entered so far, minus who exited",
        "SELECT segment FROM (SELECT segment, size, sum(entered - exited) OVER (PARTITION BY segment "
        "ORDER BY as_of, rowid) AS counted FROM {s}.refresh) WHERE size <> counted",
    ),
)
ONCE: Final = (  # what is there once: table, and the columns that tell one row from another
    ("contact", "contact"),
    ("contact", "visitor_id"),
    ("attribute", "key"),
    ("event", "event"),
    ("event", "message_id"),
    ("item", "event, line"),
    ("event_type", "type"),
    ("event_type", "name"),
    ("event_key", "type, level, path"),
    ("value_index", "level, type, key, text"),
    ("product", "product_id, field"),
    ("variant", "product_id, variant_id, field"),
    ("failed", "id"),
    ("file", "digest, what"),
    ("term", "name"),
    ("segment", "id"),
    ("segment", "folded"),
)


def verify(backend: Backend) -> list[Check]:
    """Everything that can be checked, of all phonebooks, as of one instant; writing goes on meanwhile.

    Raises:
        StorageError: "damaged", where a block of the file cannot be read.
    """
    with backend.survey() as survey:
        books = survey.rows(f"SELECT name, id FROM {META}.phonebook ORDER BY id")
        return [check for name, number in books for check in _phonebook(survey, name, schema_of(number))]


def _phonebook(survey: Survey, name: str, schema: str) -> Iterator[Check]:
    for table in TABLES:  # what is damaged says so when it is read
        survey.rows(f"SELECT bit_xor(hash(t)) FROM {schema}.{table} t")
    yield Check(name, f"{len(TABLES)} tables can be read whole")
    for what, wrong in RULES:
        yield _counted(survey, name, what, wrong.format(s=schema))
    for table, columns in ONCE:
        all_there = " AND ".join(f"{column} IS NOT NULL" for column in columns.split(", ") if column == "message_id")
        where = f"WHERE {all_there} " if all_there else ""
        again = f"SELECT {columns} FROM {schema}.{table} {where}GROUP BY ALL HAVING count(*) > 1"
        yield _counted(survey, name, f"no {table} has the {columns} of another", f"SELECT t::VARCHAR FROM ({again}) t")
    yield from _catalog(survey, name, schema)


def _counted(survey: Survey, name: str, what: str, wrong: str) -> Check:
    count, example = survey.rows(f"SELECT count(*), min(found)::VARCHAR FROM ({wrong}) wrong(found)")[0]
    return Check(name, what, count, example)


# ── the catalog ───────────────────────────────────────────────────────────────────────────────────────────────────

_Key: TypeAlias = tuple[int | None, str, str]
"""Event type, level, and path (of an attribute: its key)."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is known of keys and their values.

    `counts` are of the values of each key, `kinds` their JSON types and what they hold. `values` is one number for all
    texts of a key and how often each occurs: the same for the same, and it can be added up in parts and in any order,
    for a store may have more texts than fit into memory.
    """

    counts: Counter[_Key] = field(default_factory=Counter)
    kinds: dict[_Key, set[str]] = field(default_factory=dict)
    values: Counter[_Key] = field(default_factory=Counter)

    def add_value(self, key: _Key, text: str, count: int) -> None:
        self.values[key] += hash((text, key)) * count


def _catalog(survey: Survey, name: str, schema: str) -> Iterator[Check]:
    """Checks the catalog against what the events and contacts show when they are read again."""
    shown, kept = _shown(survey, schema), _kept(survey, schema)
    differing = {
        "a key has as many values as it says": {
            key for key in shown.counts.keys() | kept.counts if shown.counts[key] != kept.counts[key]
        },
        "a key is known where there is one, with all that it holds": {
            key for key, kinds in shown.kinds.items() if key not in kept.kinds or not kinds <= kept.kinds[key]
        }
        | {key for key in kept.kinds if key not in shown.kinds and key[1] != "attribute"},
        "the values that can be looked up are those of the events and contacts": {
            key for key in shown.values.keys() | kept.values if shown.values[key] != kept.values[key]
        },
    }
    for what, wrong in differing.items():
        yield Check(name, what, len(wrong), min((f"{level} {path}" for _, level, path in wrong), default=None))


def _shown(survey: Survey, schema: str) -> _Shown:
    shown = _Shown()
    types = dict(survey.rows(f"SELECT name, type FROM {schema}.event_type"))
    events = (
        "SELECT t.name, e.properties::VARCHAR, e.context::VARCHAR "
        f"FROM {schema}.event e JOIN {schema}.event_type t USING (type)"
    )
    for rows in survey.stream(events, _CHUNK):
        for (event, level, key, path), seen in observe(batch_of(rows)).items():
            at = types[event], level, path
            shown.counts[at] += seen.count
            shown.kinds.setdefault(at, set()).update(_kinds(seen.json_types, seen.holds))
            for text, count in seen.texts.items():
                shown.add_value((types[event], level, key), text, count)
    for contacts in survey.stream(f"SELECT attributes::VARCHAR FROM {schema}.contact", _CHUNK):
        counts, holds, texts = observe_attributes([({}, flat(json.loads(told))) for (told,) in contacts])
        for key, count in counts.items():
            shown.counts[None, "attribute", key] += count
        for key, held in holds.items():
            shown.kinds.setdefault((None, "attribute", key), set()).update(_kinds([], held))
        for (key, text), count in texts.items():
            shown.add_value((None, "attribute", key), text, count)
    return shown


def _kept(survey: Survey, schema: str) -> _Shown:
    kept = _Shown()
    keys = f"SELECT type, level, path, count, json_types, holds FROM {schema}.event_key"
    attributes = f"SELECT NULL, 'attribute', key, count, [], holds FROM {schema}.attribute"
    for type_, level, path, count, json_types, holds in survey.rows(f"{keys} UNION ALL {attributes}"):
        kept.counts[type_, level, path] = count
        kept.kinds[type_, level, path] = _kinds(json_types, holds)
    for values in survey.stream(f"SELECT type, level, key, text, count FROM {schema}.value_index", _CHUNK):
        for type_, level, key, text, count in values:
            kept.add_value((type_, level, key), text, count)
    return kept


def _kinds(json_types: Iterable[str], holds: Iterable[str]) -> set[str]:
    return {*(f"is {kind}" for kind in json_types), *(f"holds {kind}" for kind in holds)}
