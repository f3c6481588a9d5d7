"""Refusals as the faces show them: with the question that was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grammar import errors


class NotUnderstood(errors.NotUnderstood):
    """A question with words that have no part in any reading. Nothing was run.

    Attributes:
        question: what was asked.
        code: what kind of trouble it is.
        words: the words that were not understood, as they stand in the question; not the sentence.
        reason: what is wrong with them, in one sentence.
        suggestions: questions that are ready to run instead, nearest first.
        position: index of the first of these words' characters in the question, or None.
    """

    def __init__(self, question: str, refusal: errors.NotUnderstood) -> None:
        self.question = question
        super().__init__(refusal.code, refusal.words, refusal.reason, refusal.suggestions, refusal.position)
        self.warnings, self.model_usage = refusal.warnings, refusal.model_usage

    def _repr_html_(self) -> str:
        from persona.notebook import not_understood_html

        return not_understood_html(self)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows where nobody catches it: the refusal alone."""
        return [self.question, f"not understood: {self.reason}", *(f"  try: {each}" for each in self.suggestions)]


@contextmanager
def refusing(question: str) -> Iterator[None]:
    """What is refused inside is refused with the question."""
    try:
        yield
    except errors.NotUnderstood as refusal:
        raise NotUnderstood(question, refusal) from None
