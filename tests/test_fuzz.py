"""Nothing that is typed breaks the reader: it reads, refuses or shows readings, soon, and can say back what it read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import nursery
import pytest
from readings import outcome, shown, words_of_the_nursery

from grammar import lexicon, when
from grammar.closed import CLOSED, LEADS
from grammar.describe import describe
from grammar.errors import Ambiguous, NotUnderstood
from grammar.reader import Read, read

SLOWEST = 1.0  # seconds for a question; the machine of a test may be busy
TOO_LONG = 1.0  # seconds for a refusal of one that is too long

_WORDS = (  # in an order of their own, so that a seed asks the same of every process
    *sorted(CLOSED), *sorted(LEADS), *sorted(lexicon.COMPARISONS), *sorted(lexicon.NUMBERS), *sorted(lexicon.SCALES),
    *sorted(lexicon.VAGUE), *sorted(when.ORDINARY_WORDS),
    *(" ".join(said) for rows in lexicon.EVERYDAY.values() for said, _, _ in rows),
    "2025", "0", "3", "1e9", "-5", "20k", "5%", "2026-02-30",
    "31 February", "9am", "99:99", "''", '"', "(", ")", ",", "?",
)  # fmt: skip
_RANGES = (
    (32, 126),
    (0xA0, 0x24F),
    (0x370, 0x58F),
    (0x900, 0x97F),
    (0x2000, 0x206F),
    (0x4E00, 0x4EFF),
    (0x1F300, 0x1F5FF),
)


def _names() -> tuple[str, ...]:
    words = words_of_the_nursery()
    keys = [*words.attributes(), *(key for event in words.event_types() for key in event.keys)]
    texts = [value.text for values in words.values([*nursery.texts()]).values() for value in values]
    return (*(event.name for event in words.event_types()), *(key.name for key in keys), *texts)


def soups(seed: int, number: int) -> Iterator[str]:
    """Words of the language and the data in any order; questions with some words changed; halves of two questions."""
    chance, names = random.Random(seed), _names()

    def word() -> str:
        return chance.choice(chance.choice((_WORDS, names)))

    for i in range(number):
        if i % 3 == 0:
            yield " ".join(word() for _ in range(chance.randint(1, 12)))
        elif i % 3 == 1:
            words = chance.choice(nursery.QUESTIONS).split()
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(words))
                words[at : at + chance.randint(0, 1)] = [word()]
            yield " ".join(words)
        else:
            one, other = (chance.choice(nursery.QUESTIONS).split() for _ in range(2))
            yield " ".join((*one[: chance.randint(1, len(one))], *other[chance.randrange(len(other)) :]))


def scribbles(seed: int, number: int) -> Iterator[str]:
    """Random characters of several scripts, with controls, quotes and surrogate-free oddities."""
    chance = random.Random(seed)
    for _ in range(number):
        low, high = chance.choice(_RANGES)
        text = "".join(
            chance.choice(" \t\n\"'`()[]{}.,:;-–—%$€₹\\\0\u200b\u202e")
            if chance.random() < 0.3
            else chr(chance.randint(low, high))
            for _ in range(chance.randint(0, 60))
        )
        yield f"users who bought {text}" if chance.random() < 0.3 else text


def trouble(question: str) -> str | None:
    """What is wrong with what the reader does with a question, or None."""
    began = time.process_time()
    try:
        one = outcome(question)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"crashed: {type(error).__name__}: {str(error)[:80]}"
    if time.process_time() - began > SLOWEST:
        return f"took {time.process_time() - began:.1f} s"
    match one:
        case Read():
            echoes = [(describe(one.query), one.query)]
        case Ambiguous():
            echoes = [(reading.understood, reading.query) for reading in one.readings]
            if len(echoes) < 2 or len({query for _, query in echoes}) < len(echoes):
                return "readings that do not differ"
        case NotUnderstood():
            if not one.reason or (one.code != "empty" and not any(one.words)):
                return f"refused without a word: {one.code} {one.words}"
            return None
    for echo, query in echoes:
        if read(echo, words_of_the_nursery()).query != query:
            return f"said back as another query: {echo}"
    return None


def troubles(questions: Iterator[str]) -> dict[str, str]:
    found = {question: trouble(question) for question in questions}
    return {repr(question): wrong for question, wrong in found.items() if wrong is not None}


@pytest.mark.parametrize("make", [soups, scribbles], ids=["soups", "scribbles"])
def test_anything_is_read_or_refused(make: Callable[[int, int], Iterator[str]]) -> None:
    found = troubles(make(20_26, 800 if make is soups else 200))
    assert not found, shown(found)


@pytest.mark.laws
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("make", [soups, scribbles], ids=["soups", "scribbles"])
def test_anything_at_length(make: Callable[[int, int], Iterator[str]], seed: int) -> None:
    found = troubles(make(seed, 5000 if make is soups else 500))
    assert not found, shown(found)


LONG = {
    "many words": "users who bought " + "seeds " * 10_000,
    "many unknown words": "zorply " * 10_000,
    "many negations": "users who bought seeds" + " and not" * 500,
    "many conditions": "users who bought seeds" + " and viewed pots" * 500,
    "many brackets": "(" * 2_000 + "users" + ")" * 2_000,
    "many quotes": '"' * 9_999,
    "many commas": "users who bought seeds" + "," * 5_000,
    "many windows": "users who bought" + " in the last 7 days" * 500,
    "one long word": "z" * 100_000,
    "one long quote": 'users who bought "' + "seeds " * 10_000 + '"',
    "one long number": "users with more than " + "9" * 5_000 + " orders",
    "many fillers": "please " * 5_000 + "users who bought seeds",
    "many digits with commas": "users who spent over " + "1," * 20_000,
    "many hyphens": "-" * 20_000,
    "many spaces": "users who bought seeds" + " " * 100_000 + "zorply",
}


@pytest.mark.parametrize("kind", LONG)
def test_what_is_too_long_is_refused_at_once(kind: str) -> None:
    outcome("users who bought seeds")  # the grammar and the index are loaded
    began = time.process_time()
    one = outcome(LONG[kind])
    took = time.process_time() - began
    assert took < TOO_LONG
    assert not isinstance(one, Ambiguous)
    if isinstance(one, NotUnderstood):
        assert sum(map(len, one.words)) + len(one.reason) < 2_000, "a refusal is short"
    else:
        assert kind == "one long quote", one.query


@pytest.mark.parametrize("nothing", ["", " ", "\n\t", "?", "...", "\u200b", "\0", "-", ",", '""', "``", "()"])
def test_nothing_is_nothing(nothing: str) -> None:
    one = outcome(nothing)
    assert isinstance(one, NotUnderstood), one
