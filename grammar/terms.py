"""Words that a phonebook defines: what a term may mean, and how a synonym differs from a group of contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grammar.query import ALWAYS, AT_LEAST_ONCE, Condition, Count, Events, Filter, Has, Property, Text, did
from grammar.vocabulary import Value, Vocabulary, fold


def synonym_of(meaning: Condition) -> Filter | None:
    """The value that a term stands for ("trainers" = category Shoes), or None where it stands for contacts."""
    if not isinstance(meaning, Has) or not isinstance(meaning.measure, Count) or meaning.bound != AT_LEAST_ONCE:
        return None
    events = meaning.measure.events
    if events.event is not None or events.window != ALWAYS or len(events.where) != 1:
        return None
    only = events.where[0]
    return only if isinstance(only, Filter) and isinstance(only.test, Text) and only.test.how == "is" else None


def as_synonym(values: Sequence[Value]) -> Condition:
    """The meaning of a term that stands for these values of the events' properties."""
    properties = sorted({Property(v.key.name, v.key.level) for v in values if v.key.level != "attribute"}, key=repr)
    texts = tuple(sorted({v.text.strip().casefold() for v in values}))
    return did(Events(None, (Filter(tuple(properties), Text("is", texts)),)))


def values_of(synonym: Filter, vocabulary: Vocabulary) -> tuple[Value, ...]:
    """The values of the data that a synonym stands for now."""
    assert isinstance(synonym.test, Text)
    found = vocabulary.values([fold(text) for text in synonym.test.values])
    wanted = {(p.name, p.level) for p in synonym.properties}
    return tuple(v for values in found.values() for v in values if (v.key.name, v.key.level) in wanted)


def runs_of(terms: Mapping[str, object], words: Sequence[str]) -> dict[tuple[int, int], str]:
    """Where terms stand in the words: (first, end) → the term; only runs as long as some term is."""
    lengths = {len(term.split()) for term in terms}
    found: dict[tuple[int, int], str] = {}
    for i in range(len(words)):
        for length in lengths:
            run = fold(" ".join(words[i : i + length]))
            if i + length <= len(words) and run in terms and all(map(fold, words[i : i + length])):
                found[i, i + length] = run
    return found
