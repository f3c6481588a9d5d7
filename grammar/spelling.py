"""Misspelt words: ordinary words, event and key words one edit away are corrected and said back; data values never
are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from grammar import lexicon, when
from grammar.closed import CLOSED, LEADS
from grammar.names import Index, stem
from grammar.vocabulary import Vocabulary, fold, words_of

if TYPE_CHECKING:
    from spellchecker import SpellChecker

SHORTEST = 5  # letters of a word that is corrected; below, too many words are near


# Short words that are typed with two letters swapped.
_SWAPPED = {
    "teh": "the",
    "adn": "and",
    "hwo": "who",
    "wiht": "with",
    "fo": "of",
    "ot": "to",
    "ni": "in",
    "taht": "that",
    "tehm": "them",
}


_PREFIXES = ("re", "un", "de")  # with these a word means something else: "reordered"


@cache
def _english() -> SpellChecker:
    """A list of English words with their frequencies (pyspellchecker), loaded when a word is unknown for the first
    time."""
    from spellchecker import SpellChecker

    return SpellChecker(distance=1)


def is_english(word: str) -> bool:
    """Whether a word in lower case is in the list of English words."""
    return word in _english()


@cache
def _ordinary() -> frozenset[str]:
    """The words of the lexicon that are long enough to be told apart."""
    words: set[str] = set(LEADS) | set(lexicon.NUMBERS) | set(lexicon.SCALES) | set(when.ORDINARY_WORDS)
    for phrase in (*CLOSED, *lexicon.COMPARISONS):
        words.update(phrase.split())
    for rows in lexicon.EVERYDAY.values():
        for said, _, _ in rows:
            words.update(said)
    return frozenset(w for w in words if len(w) >= SHORTEST - 1 and w.isalpha())


def known_words(index: Index) -> frozenset[str]:
    """What a misspelt word may have been meant to be: ordinary words, and the words of event types and keys."""
    words = {w for event in index.events for w in words_of(event.event)}
    words |= {w for run in index.keys for w in run}
    return _ordinary() | {w for w in words if len(w) >= SHORTEST - 1 and w.isalpha()}


def correction(word: str, known: frozenset[str], vocabulary: Vocabulary) -> str | None:
    """The one known word that a misspelt one must be, or None: an English word, or one with a data value as near, is
    never corrected."""
    from rapidfuzz.distance import OSA

    if word in _SWAPPED:
        return _SWAPPED[word]
    if len(word) < SHORTEST - 1 or not word.isalpha() or word in _english():
        return None
    limit = 2 if len(word) >= 8 else 1
    others = {word.removeprefix(prefix) for prefix in _PREFIXES if word.startswith(prefix)}
    near: dict[int, list[str]] = {}
    for candidate in known:
        if abs(len(candidate) - len(word)) <= limit and candidate not in others:
            distance = OSA.distance(word, candidate, score_cutoff=limit)
            if distance <= limit:
                near.setdefault(distance, []).append(candidate)
    if not near:
        return None
    least = min(near)
    best = near[least]
    if len(word) < SHORTEST and not (least == 1 and any(sorted(word) == sorted(c) for c in best)):
        return None
    if len({stem(c) for c in best}) > 1:
        return None
    for value in vocabulary.near(word, None, 3):
        if any(OSA.distance(word, w, score_cutoff=least) <= least for w in (fold(value.text), *words_of(value.text))):
            return None
    frequency = _english().word_frequency
    return max(sorted(best), key=lambda c: frequency[c])
