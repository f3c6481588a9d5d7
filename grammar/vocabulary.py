"""What a reader may look up: the names and values of one phonebook, through a narrow port; and an in-memory twin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from grammar.query import Condition

KeyLevel = Literal["attribute", "event", "item", "context"]
Holds = Literal["text", "number", "date", "boolean", "list", "object"]


@dataclass(frozen=True, slots=True)
class Key:
    """A property of an event type, or an attribute of contacts.

    `name` is dotted below the first level ("shipping.city"); a line item's key has the item's own name ("brand").
    `event` is the event type's name, None for an attribute. `holds` is what values were seen: a number that came as
    text is a number, an ISO date or instant that came as text is a date, "true"/"false" as text is text.
    """

    name: str
    level: KeyLevel
    event: str | None
    holds: frozenset[Holds]
    count: int = 0


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type that occurs in the phonebook, with the keys seen on its events, line items and contexts."""

    name: str
    default: bool
    count: int
    keys: tuple[Key, ...]

    def __hash__(self) -> int:
        """By its name alone: all event types together are looked up with every question, and may have many keys."""
        return hash(self.name)


@dataclass(frozen=True, slots=True)
class Value:
    """A value that a key holds, as it is stored, and on how many events (contacts, for an attribute)."""

    key: Key
    text: str
    count: int


class Vocabulary(Protocol):
    """The words of one phonebook. Everything is answered from an index: no call grows with the number of values."""

    @property
    def version(self) -> str:
        """Changes whenever there are other words. There may be more events of the same words without that."""
        ...

    def event_types(self) -> tuple[EventType, ...]:
        """All event types that occur, by name."""
        ...

    def attributes(self) -> tuple[Key, ...]:
        """All attributes that contacts have, by name; `visitor_id` is not among them."""
        ...

    def values(self, runs: Collection[str]) -> Mapping[str, tuple[Value, ...]]:
        """For each folded word run (see `fold`) that is a whole value somewhere: the values, most frequent first.

        One batched look-up a question. Runs that are no value are absent from the answer.
        """
        ...

    def near(self, text: str, keys: Collection[Key] | None = None, limit: int = 3) -> tuple[Value, ...]:
        """The values spelled most like this text, nearest first: of these keys, or of any."""
        ...

    def contains(self, keys: Collection[Key], text: str) -> bool:
        """Whether any value of these keys contains the text, ignoring case."""
        ...

    def terms(self) -> Mapping[str, Condition]:
        """What the phonebook defines: folded term → its meaning."""
        ...

    def segments(self) -> Mapping[str, str]:
        """The saved segments: folded name → the name as it was saved."""
        ...


_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|\d+", re.UNICODE)
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "mice": "mouse",
    "ads": "ad",
    "ids": "id",
    "tvs": "tv",
}


_PLURAL = frozenset({"s", *(word[-1] for word in _IRREGULAR)})
"""How a plural ends."""


def words_of(text: str) -> list[str]:
    """The words of a name or value, lower-case: letters and numbers apart from everything else, apostrophes dropped.

    >>> words_of("Levi's T-Shirt 1,299.50 size_mb")
    ['levis', 't', 'shirt', '1299.50', 'size', 'mb']
    """
    words: list[str] = _WORD.findall(text.replace("'", "").replace("’", "").casefold())
    return [word.replace(",", "") for word in words] if "," in text else words


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The word without a plural ending, by rule: the same on both sides of a comparison, so it need not be English.

    >>> [singular(w) for w in ("shirts", "batteries", "dresses", "boxes", "glass", "bus", "women", "series")]
    ['shirt', 'battery', 'dress', 'box', 'glass', 'bus', 'woman', 'sery']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def fold(text: str) -> str:
    """The form under which names and values are looked up: words, lower-case, each in the singular, one space apart.

    >>> fold("  Running-Shoes ")
    'running shoe'
    """
    # Most words of most values end otherwise, and have been in no other value.
    return " ".join([singular(word) if word[-1] in _PLURAL else word for word in words_of(text)])


class StaticVocabulary:
    """A vocabulary held in memory, for tests and notebooks: event types, attributes, and the values given."""

    def __init__(
        self,
        event_types: Iterable[EventType],
        attributes: Iterable[Key],
        values: Iterable[Value],
        terms: Mapping[str, Condition] | None = None,
        segments: Iterable[str] = (),
    ) -> None:
        self._event_types = tuple(sorted(event_types, key=lambda e: e.name))
        self._attributes = tuple(sorted(attributes, key=lambda k: k.name))
        self._values: dict[str, list[Value]] = {}
        for value in values:
            self._values.setdefault(fold(value.text), []).append(value)
        self._terms = dict(terms or {})
        self._segments = {fold(name): name for name in segments}
        self.version = "static"

    def event_types(self) -> tuple[EventType, ...]:
        return self._event_types

    def attributes(self) -> tuple[Key, ...]:
        return self._attributes

    def values(self, runs: Collection[str]) -> Mapping[str, tuple[Value, ...]]:
        return {run: tuple(self._values[run]) for run in runs if run in self._values}

    def near(self, text: str, keys: Collection[Key] | None = None, limit: int = 3) -> tuple[Value, ...]:
        from rapidfuzz import fuzz, process

        known = {
            run: next((v for v in values if keys is None or v.key in keys), None)
            for run, values in self._values.items()
        }
        choices = [run for run, value in known.items() if value is not None]
        found = process.extract(fold(text), choices, scorer=fuzz.ratio, score_cutoff=70, limit=limit)
        return tuple(value for run, _, _ in found if (value := known[run]) is not None)

    def contains(self, keys: Collection[Key], text: str) -> bool:
        wanted = text.strip().casefold()
        return any(v.key in keys and wanted in v.text.casefold() for values in self._values.values() for v in values)

    def terms(self) -> Mapping[str, Condition]:
        return self._terms

    def segments(self) -> Mapping[str, str]:
        return self._segments
