"""The whole path through a model, on the question sets: a perfect model, built from what the questions are known to
mean, gives the grammar's queries and rows; and a model that answers anything at all never gives a wrong one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judge import records
from model_server import (
    LETTERS,
    STRANGE,
    Asked,
    ModelServer,
    Reply,
    completion,
    keep_all,
    kept,
    proposal,
    said,
    serving,
)
from readings import shown

import persona
from grammar import lexicon
from grammar.mentions import lattice
from grammar.proposal import Chunk, sheet
from grammar.query import Events, Favourite, Filter, Query, Text, nodes
from grammar.vocabulary import Vocabulary, fold
from persona.settings import ModelSettings

HERE = Path(__file__).parent
OTHERS = Path(os.environ.get("PERSONA_QUESTION_SETS", HERE.parent.parent / "shared" / "questions"))
SETS = [folder for folder in (OTHERS / "shop", OTHERS / "saas") if folder.exists()]
NUMBERS = lexicon.NUMBERS.keys() | lexicon.SCALES.keys()
TRANSLATED = {1: 0.9, 4: 0.8}  # of so many of a set's questions (every one, every fourth), at least


class Loaded:
    """A set in a phonebook that has a scripted model."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.server = server
        self.now = (folder / "now.txt").read_text().strip()
        self.book = persona.connect(":memory:", model=ModelSettings("scripted", server.url, timeout=60))
        self.book.import_contacts(records(folder, "contacts"))
        self.book.import_events(records(folder, "events"))
        lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
        self.grammars: dict[str, persona.Answer | persona.QuestionError] = {}
        self.questions: list[str] = [json.loads(line)["question"] for line in lines]

    @property
    def vocabulary(self) -> Vocabulary:
        return self.book._book.vocabulary()

    def ask(self, question: str, parser: Any) -> persona.Answer | persona.QuestionError:
        try:
            return self.book.ask(question, now=self.now, parser=parser)
        except persona.QuestionError as refusal:
            return refusal


@pytest.fixture(scope="module", params=SETS or [OTHERS], ids=lambda folder: folder.name)
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    if not SETS:
        pytest.skip(f"no question sets in {OTHERS}")
    with serving(keep_all) as server:
        one = Loaded(request.param, server)
        yield one
        one.book.close()


# Every fourth of a set's questions; all of them at length.
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.laws)])
def test_the_perfect_model(loaded: Loaded, every: int) -> None:
    """In English every word stays; the outcome is the grammar's for every question, refusals and readings too."""
    loaded.server.script = keep_all
    differ = {}
    for question in loaded.questions[::every]:
        ours, theirs = loaded.ask(question, "grammar"), loaded.ask(question, "model")
        if isinstance(ours, persona.Answer):
            same = (
                isinstance(theirs, persona.Answer)
                and theirs.parser == "model"
                and theirs.query == ours.query
                and theirs.table.equals(ours.table)
            )
        else:
            same = type(theirs) is type(ours)
        if not same:
            differ[question] = theirs
    assert not differ, shown(differ)


def strange(question: str, vocabulary: Vocabulary) -> tuple[str, list[dict[str, Any]]]:
    """The question in a language of no country, and how a perfect model reads that: what is no name, number or mark is
    in other letters; behind its opening ("please show me"), two words that stand together change places."""
    chunks = sheet(question, vocabulary, ()).chunks
    order = list(range(len(chunks)))
    i = next((n for n, chunk in enumerate(chunks) if not _opens(chunk, vocabulary)), 0)
    while i + 1 < len(chunks):
        if not _stays(chunks[i]) and not _stays(chunks[i + 1]):
            order[i], order[i + 1] = order[i + 1], order[i]
            i += 1
        i += 1
    table = str.maketrans(LETTERS + LETTERS.upper(), STRANGE * 2)
    words = [chunks[n].text if _stays(chunks[n]) else chunks[n].text.translate(table) for n in order]
    at = {n: position for position, n in enumerate(order)}
    pieces = [kept(at[n]) if _stays(chunk) else said(chunk.text, at[n]) for n, chunk in enumerate(chunks)]
    return " ".join(words), pieces


def _opens(chunk: Chunk, vocabulary: Vocabulary) -> bool:
    return any({"FILL", "LEAD"} & edges.keys() for edges in lattice(chunk.text, vocabulary).at)


def _stays(chunk: Chunk) -> bool:
    if chunk.sense != "known" or not re.fullmatch(r"[A-Za-z'-]+", chunk.text):
        return True
    return bool(set(chunk.text.casefold().split("-")) & NUMBERS)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.laws)])
def test_the_perfect_model_of_another_language(loaded: Loaded, every: int) -> None:
    """The grammar refuses the question in the other language; the model gives the rows of the English one."""
    readings: dict[str, list[dict[str, Any]]] = {}

    def script(asked: Asked) -> Reply:
        return proposal(*readings[asked.sheet["question"]])

    loaded.server.script = script
    right, refused, wrong = 0, {}, {}
    for question in loaded.questions[::every]:
        ours = loaded.ask(question, "grammar")
        if not isinstance(ours, persona.Answer):
            continue
        foreign, pieces = strange(question, loaded.vocabulary)
        readings[foreign] = pieces
        theirs = loaded.ask(foreign, "auto")
        if isinstance(theirs, persona.Answer) and theirs.query == ours.query and theirs.table.equals(ours.table):
            assert theirs.parser == "model"
            right += 1
        elif isinstance(theirs, persona.NotUnderstood):
            refused[question] = theirs.warnings
        else:
            wrong[question] = getattr(theirs, "understood", theirs)
    assert not wrong, shown(wrong)
    assert right >= TRANSLATED[every] * (right + len(refused)), shown(refused)


# ── whatever a server returns ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def bank() -> Iterator[Loaded]:
    with serving(keep_all) as server:
        one = Loaded(HERE / "sets" / "bank", server)
        yield one
        one.book.close()


ENGLISH = [
    "everyone who has blocked a card",
    "users who swiped a card at least 3 times in the last 120 days",
    "clients living in India who never had a loan rejected",
    "how many users splurged",  # a word that is in no list
    "people who ghosted us in 2026",
]
OTHER = [
    "Wer hat in den letzten 30 Tagen eine Karte gesperrt",
    "Kunden aus India ohne Kredit",
    "combien de clients ont bloqué une carte",
    "किसने 3 बार कार्ड ब्लॉक किया",
]
PHRASES = [
    *"who users bought not never and or but in the last days this week everyone ever spent over blocked card".split(),
    *("blocked a card", "had a loan", "how many users", "India", "gold", "3", "three", "; DROP TABLE", "-- ", "a:b"),
    *("card-blocked", "contacts with", '"card-blocked"', "in 2025", "please", "from", "by city", "top 10", "more than"),
]
numbers = st.integers(-2, 14)
words = st.lists(numbers, max_size=4)
piece = st.one_of(
    st.fixed_dictionaries({"kind": st.just("kept"), "words": words}),
    st.fixed_dictionaries({"kind": st.just("filler"), "words": words}),
    st.fixed_dictionaries({"kind": st.just("named"), "words": words, "name": st.integers(-1, 80)}),
    st.fixed_dictionaries(
        {"kind": st.just("said"), "words": words, "english": st.one_of(st.sampled_from(PHRASES), st.text(max_size=20))}
    ),
)


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    """A proposal that has each of so many words once: the most that is likely to pass."""
    count = draw(st.integers(1, 12))
    order = list(range(count)) if draw(st.booleans()) else draw(st.permutations(range(count)))
    pieces = []
    for n in order:
        kind = draw(st.sampled_from(["kept", "kept", "said", "named", "filler"]))
        more = {"said": {"english": draw(st.sampled_from(PHRASES))}, "named": {"name": draw(st.integers(0, 60))}}
        pieces.append({"kind": kind, "words": [n], **more.get(kind, {})})
    return {"pieces": pieces, "unclear": []}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
contents = st.one_of(
    whole().map(json.dumps),
    st.fixed_dictionaries({"pieces": st.lists(piece, max_size=12), "unclear": words}).map(json.dumps),
    anything.map(json.dumps),
    st.text(max_size=60),
)
bodies = st.one_of(
    contents.map(completion), anything.map(lambda a: Reply(json.dumps(a).encode())), st.binary(max_size=80).map(Reply)
)


def from_the_question(query: Query, question: str, vocabulary: Vocabulary) -> None:
    """Every event and key of the query is the phonebook's, every text the question's or the data's."""
    events = {event.name for event in vocabulary.event_types()}
    keys = {key.name for event in vocabulary.event_types() for key in event.keys}
    asked = fold(question)
    for node in nodes(query):
        match node:
            case Events(event=str(name)):
                assert name in events
            case Filter(properties=properties):
                assert {p.name for p in properties} <= keys
            case Text(values=values) | Favourite(values=values):
                for value in values:
                    assert fold(value) in asked or vocabulary.values([fold(value)])
    assert Query.from_json(query.to_json()) == query


def check_anything(bank: Loaded, question: str, parser: str, replies: list[Reply]) -> None:
    left = iter(replies)
    bank.server.script = lambda _: next(left, replies[-1])
    bank.book.mark_private("nothing")  # a new version of the vocabulary: nothing is remembered
    if question not in bank.grammars:
        bank.grammars[question] = bank.ask(question, "grammar")
    grammars, answer = bank.grammars[question], bank.ask(question, parser)
    if isinstance(grammars, persona.Answer):
        assert isinstance(answer, persona.Answer), answer
        assert answer.query == grammars.query, (replies, answer.understood)
    if isinstance(answer, persona.Answer):
        from_the_question(answer.query, question, bank.vocabulary)
        assert answer.model_usage is not None
        assert answer.parser == "model" or answer.warnings or answer.model_usage.outcome == "agreed"


asked_of = given(
    question=st.sampled_from(ENGLISH + OTHER),
    parser=st.sampled_from(["auto", "model"]),
    replies=st.lists(bodies, min_size=1, max_size=3),
)


@settings(max_examples=30, suppress_health_check=list(HealthCheck), derandomize=True)
@asked_of
def test_whatever_a_server_returns(bank: Loaded, question: str, parser: str, replies: list[Reply]) -> None:
    check_anything(bank, question, parser, replies)


@pytest.mark.laws
@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
@asked_of
def test_whatever_a_server_returns_at_length(bank: Loaded, question: str, parser: str, replies: list[Reply]) -> None:
    check_anything(bank, question, parser, replies)


# ── a real model ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif("PERSONA_TEST_MODEL" not in os.environ, reason="PERSONA_TEST_MODEL names no model to ask")
def test_a_real_model(bank: Loaded) -> None:
    """PERSONA_TEST_MODEL and PERSONA_TEST_MODEL_URL name a model and its server. A small one need not be right: what it
    says is an answer that passed the gate, or the grammar's outcome."""
    from persona.settings import model_settings

    names = {"PERSONA_MODEL": "PERSONA_TEST_MODEL", "PERSONA_MODEL_URL": "PERSONA_TEST_MODEL_URL"}
    environment = {ours: os.environ.get(theirs, "") for ours, theirs in names.items()}
    model = model_settings(
        {**environment, "PERSONA_MODEL_TIMEOUT": "600", "OPENAI_API_KEY": os.environ.get("OPENAI_API_KEY", "")}
    )
    bank.book._settings = model
    found = bank.book.model_status()
    assert found.ready, found
    assert found.usage.completion_tokens > 0
    question = ENGLISH[0]
    grammars, answer = bank.ask(question, "grammar"), bank.ask(question, "model")
    assert isinstance(grammars, persona.Answer)
    assert isinstance(answer, persona.Answer), answer
    assert answer.query == grammars.query
    assert answer.model_usage is not None
    assert answer.model_usage.tries >= 1
