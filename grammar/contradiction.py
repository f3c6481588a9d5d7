"""What no contact and no event can be: one key of one value that is asked to be two, a number that is to exceed itself.

English does not ask for nobody. Such a reading took a list ("gold silver members") or one time ("more than in the
previous 30 days") for what it is not, so it is no reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from grammar.query import All, Attribute, Bound, Events, Extreme, Filter, Numeric, Only, Text, Versus, nodes
from grammar.vocabulary import Key, Vocabulary, fold


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Why nobody can be meant, and the texts of the data that are at odds."""

    reason: str
    texts: tuple[str, ...] = ()


def contradiction(of: object, vocabulary: Vocabulary) -> Contradiction | None:
    """The first contradiction in a query or in a part of one."""
    for node in nodes(of):
        match node:
            case Versus(left, _, right, percent) if left == right and percent == 100:
                return Contradiction("Both sides of the comparison are the same.")
            case All(parts):
                found = _at_odds(None, parts, vocabulary)
            case Events(event, where):
                found = _at_odds(event, where, vocabulary)
            case Extreme(events=Events(event), has=has) | Only(events=Events(event), has=has):
                found = _at_odds(event, has, vocabulary)
            case _:
                found = None
        if found is not None:
            return found
    return None


def _at_odds(event: str | None, parts: tuple[object, ...], vocabulary: Vocabulary) -> Contradiction | None:
    """Two of some conditions on one contact, or on one event and line item, that ask one key for different values."""
    said = [(part, texts) for part in parts if (texts := _equalled(part))]
    for (one, first), (other, second) in combinations(said, 2):
        if first.isdisjoint(second):
            keys = _keys(event, one, first, vocabulary) | _keys(event, other, second, vocabulary)
            alike = isinstance(one, Filter) and isinstance(other, Filter) and one.properties == other.properties
            if (len(keys) == 1 or (keys and alike)) and not any("list" in key.holds for key in keys):
                both = (*sorted(first), *sorted(second))
                quoted = " and ".join(f'"{text}"' for text in both)
                return Contradiction(f"One {min(key.name for key in keys)} cannot be {quoted}.", both)
    return None


def _equalled(part: object) -> frozenset[str]:
    """The texts of which a condition asks that its key be one."""
    match part:
        case Attribute(test=Text("is", values, False)) | Filter(test=Text("is", values, False)):
            return frozenset(values)
        case Attribute(test=Numeric(Bound("=", value, None))) | Filter(test=Numeric(Bound("=", value, None))):
            return frozenset({f"{value:g}"})
    return frozenset()


def _keys(event: str | None, part: object, texts: frozenset[str], vocabulary: Vocabulary) -> set[Key]:
    """The keys that a condition asks: those that hold its texts, or all of them where none does."""
    match part:
        case Attribute(names):
            keys = {k for k in vocabulary.attributes() if k.name in names}
        case Filter(properties):
            of = {(p.name, p.level) for p in properties}
            held = (k for e in vocabulary.event_types() if e.name == event for k in e.keys)
            keys = {k for k in held if (k.name, k.level) in of}
        case _:
            return set()
    values = vocabulary.values([fold(text) for text in texts]).values() if len(keys) > 1 else ()
    return {v.key for found in values for v in found if v.key in keys} or keys
