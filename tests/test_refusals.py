"""What must be refused: the right words quoted, the right code, and the question that was meant, where one is near."""

from __future__ import annotations

import pytest
from sayings import Refusal, refusals, world

from grammar.errors import NotUnderstood
from grammar.reader import read

SURE = [refusal for refusal in refusals() if not refusal.soon]
SOON = [refusal for refusal in refusals() if refusal.soon]


def refused(refusal: Refusal) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        read(refusal.question, world(refusal.world))
    return caught.value


def is_told(refusal: Refusal) -> None:
    said = refused(refusal)
    quoted = " ".join(said.words).casefold()
    assert all(word.casefold() in quoted for word in refusal.words), said.words
    assert said.code == refusal.code, said.message
    assert not refusal.suggestion or said.suggestions[:1] == [refusal.suggestion]


@pytest.mark.parametrize("refusal", SURE, ids=lambda refusal: refusal.question)
def test_the_words_and_the_code(refusal: Refusal) -> None:
    is_told(refusal)


@pytest.mark.xfail(strict=True, reason="answered, or refused with other words")
@pytest.mark.parametrize("refusal", SOON, ids=lambda refusal: refusal.question)
def test_the_words_and_the_code_soon(refusal: Refusal) -> None:
    is_told(refusal)


@pytest.mark.parametrize("refusal", SURE, ids=lambda refusal: refusal.question)
def test_words_are_quoted_not_the_sentence(refusal: Refusal) -> None:
    quoted = refused(refusal).words
    assert all(word.casefold() in refusal.question.casefold() for word in quoted)
    assert len(" ".join(quoted).split()) < max(len(refusal.question.split()), 2)


@pytest.mark.parametrize("refusal", [r for r in SURE if r.suggestion], ids=lambda refusal: refusal.question)
def test_a_suggestion_is_ready_to_run(refusal: Refusal) -> None:
    for suggestion in refused(refusal).suggestions:
        read(suggestion, world(refusal.world))


def test_there_are_enough() -> None:
    assert len(SURE) >= 60


@pytest.mark.parametrize(
    "question",
    [
        "users who bought " + "and logged in " * 200,
        "users who did not buy" + " and not log in" * 500,
        "helmets " * 10_000,
    ],
    ids=["400 clauses", "500 and not", "10,000 words"],
)
def test_an_endless_question_is_refused_unread(question: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read(question, world("world"))
    assert caught.value.code == "too long"
    assert len(" ".join(caught.value.words)) <= 40
