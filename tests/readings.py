"""What the tests of the reader's robustness share: one outcome for a question, whatever comes out, and changed
sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import nursery

from grammar.closed import CLOSED
from grammar.describe import describe
from grammar.errors import Ambiguous, NotUnderstood
from grammar.query import Query
from grammar.reader import Read, read
from grammar.vocabulary import Vocabulary

FILLERS = frozenset(phrase for phrase, senses in CLOSED.items() if any(category == "FILL" for category, _ in senses))
Outcome = Read | NotUnderstood | Ambiguous


@cache
def words_of_the_nursery() -> Vocabulary:
    return nursery.vocabulary()


def outcome(question: str, vocabulary: Vocabulary | None = None) -> Outcome:
    """What the reader makes of a question; any other exception goes through."""
    try:
        return read(question, vocabulary or words_of_the_nursery())
    except (NotUnderstood, Ambiguous) as refused:
        return refused


@cache
def understood() -> dict[str, Query]:
    """The nursery's questions with their queries."""
    read_ = {question: outcome(question) for question in nursery.QUESTIONS}
    return {question: one.query for question, one in read_.items() if isinstance(one, Read)}


def said(one: Outcome) -> str:
    """An outcome in a few words, for a failure's message."""
    match one:
        case Read():
            return describe(one.query)
        case Ambiguous():
            return " | ".join(reading.understood for reading in one.readings)
        case NotUnderstood():
            return f"{one.code} {one.words}"


def shown(found: Mapping[Any, object] | Iterable[str]) -> str:
    """What a test found, a line each; pytest would cut it short."""
    rows = [f"{key}  →  {value}" for key, value in found.items()] if isinstance(found, Mapping) else list(found)
    return "\n".join(["", *rows[:60], *([f"… {len(rows)} in all"] if len(rows) > 60 else [])])


def same(one: Outcome, query: Query) -> bool:
    """Whether a question was read as this query."""
    return isinstance(one, Read) and one.query == query


def inserted(question: str, word: str) -> Iterator[str]:
    """The question with the word at each position."""
    words = question.split()
    for i in range(len(words) + 1):
        yield " ".join((*words[:i], word, *words[i:]))


def replaced(question: str, i: int, *by: str) -> str:
    """The question with another word, or none, in the place of word i. Commas and colons that follow the word stay."""
    words = question.split()
    stop = words[i][len(words[i].rstrip(",:()")) :]
    if not by and stop and i:
        return " ".join((*words[: i - 1], words[i - 1] + stop, *words[i + 1 :]))
    return " ".join((*words[:i], *(word + stop for word in by), *words[i + 1 :]))
