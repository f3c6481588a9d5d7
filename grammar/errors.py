"""Why a question was not answered: errors as values; the sentence a person reads is made last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grammar.query import Query

if TYPE_CHECKING:
    from grammar.model import ModelUsage

Code = Literal[
    "unknown word",  # no sense of the word is known
    "unknown value",  # a value that the data does not hold
    "unknown event",  # no event type of that name
    "unknown key",  # no such property or attribute
    "wrong key",  # the named event does not have the key
    "vague",  # could mean several measures and names none
    "no place",  # a known word that has no part in the sentence as it stands
    "unsupported",  # understood, but such a thing is not asked here
    "incomplete",  # something is missing after the word
    "too long",  # longer or more tangled than is read
    "empty",  # nothing was asked
]


class QuestionError(Exception):
    """A question that has no one answer. Base of NotUnderstood and Ambiguous.

    Attributes:
        warnings: what one should know beside it, in sentences: such as that a language model could not be asked.
        model_usage: what a language model was asked, and what that cost; None where none was.
    """

    warnings: tuple[str, ...] = ()
    model_usage: ModelUsage | None = None


class NotUnderstood(QuestionError):
    """A question with words that have no part in any reading. Nothing was run.

    Attributes:
        code: what kind of trouble it is.
        words: the words that were not understood, as they stand in the question; not the sentence.
        reason: what is wrong with them, in one sentence.
        suggestions: questions that are ready to run instead, nearest first.
        position: index of the first of these words' characters in the question, or None.
    """

    def __init__(
        self,
        code: Code,
        words: list[str],
        reason: str,
        suggestions: list[str] | None = None,
        position: int | None = None,
    ) -> None:
        self.code: Code = code
        self.words = words
        self.reason = reason
        self.suggestions = suggestions or []
        self.position = position
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole refusal in plain words."""
        offered = f" Try: {self.suggestions[0]}" if self.suggestions else ""
        return f"{self.reason}{offered}"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a question: canonical English, the query, and how many contacts it finds, or
    events, where it counts those (None until counted)."""

    understood: str
    query: Query
    count: int | None = None


class Ambiguous(QuestionError):
    """A question with two or more readings that differ in meaning.

    Attributes:
        readings: each in canonical English, with its query.
        words: the words on which the readings differ.
    """

    def __init__(self, readings: list[Reading], words: list[str]) -> None:
        self.readings = readings
        self.words = words
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The readings in plain words, numbered from 0 as `choose` takes them."""
        lines = [
            f"{i}: {reading.understood}" + ("" if reading.count is None else f" ({reading.count:,})")
            for i, reading in enumerate(self.readings)
        ]
        return "The question can be read in more than one way.\n" + "\n".join(lines)
