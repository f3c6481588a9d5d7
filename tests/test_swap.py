"""Names of the data that are ordinary words: a question keeps its query, with the name swapped, or is refused, or shown
as readings; never another query. And the language itself names nobody's data."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import nursery
import pytest
from readings import outcome, said, shown, understood

from grammar.errors import Ambiguous, NotUnderstood
from grammar.reader import Read

ROOT = Path(__file__).parent.parent
SETS = Path(os.environ.get("PERSONA_QUESTION_SETS", ROOT.parent / "shared" / "questions"))

HOSTILE = (
    "and", "or", "not", "Today", "The Guide", "May", "March", "Free", "New", "Gold", "Who", "Between", "100",
    "In 7 Days", "Never", "First", "Over 50", "It", "Users", "Order", "Last Week", "No", "Top 10", "With",
    "More", "Bought",
)  # fmt: skip
VALUES = (
    "Moon Orchid", "Fernwood", "Gardenia", "Houseplants", "Terrarium Basics", "Pruning Day", "bloom", "sprout",
    "Bruges", "Ghent", "repotting", "passkey", "LEAFY", "wholesale", "Care Tips",
)  # fmt: skip
EVENT_FRAMES = (
    'users who performed "{}"',
    "users who triggered {} at least 3 times",
    "users who did {} in the last 30 days",
    "users with more than 2 {} events",
    "users who never did {}",
    "users who performed a {} event and then bought seeds",
    "how many users triggered {} by city",
)
KEY_FRAMES = (
    'users whose {} is "bloom"',
    "users whose {} is bloom or sprout",
    "users where {} is not bloom",
    "how many users by {}",
    "users whose {} is missing",
)

hostile = pytest.mark.parametrize("new", HOSTILE)


def expected(question: str, old: str, new: str) -> str:
    """The query's JSON after the swap. Lists of names are in one order, whatever they are."""

    def swapped(node: object) -> object:
        if isinstance(node, dict):
            return {key: swapped(value) for key, value in node.items()}
        if isinstance(node, list):
            parts = [swapped(part) for part in node]
            return sorted(parts, key=lambda part: json.dumps(part))
        if isinstance(node, str) and node.casefold() == old.casefold():
            return new.casefold()
        return node.casefold().replace('"', "") if isinstance(node, str) else node  # a label keeps the quotes

    return json.dumps(swapped(json.loads(question)), ensure_ascii=False)


def normal(query: str) -> str:
    return expected(query, "\0", "\0")


def swaps(old: str, new: str, quoted: bool) -> dict[tuple[str, str, str], str]:
    """The questions about one value that are read as another query when it has another name."""
    words = nursery.vocabulary({old: new})
    found = {}
    for question, query in understood().items():
        changed = re.sub(rf"\b{re.escape(old)}\b", f'"{new}"' if quoted else new, question, flags=re.I)
        if changed == question:
            continue
        one = outcome(changed, words)
        if isinstance(one, Read) and normal(one.query.to_json()) != expected(query.to_json(), old, new):
            found[old, new, changed] = said(one)
    return found


@hostile
def test_a_value_with_a_hostile_name(new: str) -> None:
    found = {at: one for old in VALUES for at, one in swaps(old, new, quoted=False).items()}
    assert not found, shown(found)


# Every third value, for each name other ones; all of them at length.
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.laws)])
@hostile
def test_a_quoted_value_with_a_hostile_name(new: str, every: int) -> None:
    values = VALUES[HOSTILE.index(new) % every :: every]
    found = {at: one for old in values for at, one in swaps(old, new, quoted=True).items()}
    assert not found, shown(found)


@hostile
def test_a_quoted_value_is_read_whatever_it_is(new: str) -> None:
    """In quotes beside its verb or key no name is anything else than itself."""
    words = nursery.vocabulary({"Moon Orchid": new, "bloom": f"{new} x", "Ghent": f"{new} y"})
    for question in (
        f'users who bought "{new}"',
        f'users whose tier is "{new} x"',
        f'who booked a workshop in "{new} y"',
    ):
        one = outcome(question, words)
        assert isinstance(one, Read), said(one)
        assert new.casefold() in one.query.to_json().casefold()


@hostile
def test_an_event_with_a_hostile_name(new: str) -> None:
    words = nursery.vocabulary({"ticket-opened": new})
    found = {}
    for frame in EVENT_FRAMES:
        base = outcome(frame.format("ticket-opened"))
        assert isinstance(base, Read), frame
        one = outcome(frame.format(new), words)
        if isinstance(one, Read) and normal(one.query.to_json()) != expected(
            base.query.to_json(), "ticket-opened", new
        ):
            found["ticket-opened", new, frame.format(new)] = said(one)
    assert not found, shown(found)


@hostile
def test_a_key_with_a_hostile_name(new: str) -> None:
    words = nursery.vocabulary({"tier": new})
    found = {}
    for frame in KEY_FRAMES:
        base = outcome(frame.format("tier"))
        assert isinstance(base, Read), frame
        one = outcome(frame.format(new), words)
        if isinstance(one, Read) and normal(one.query.to_json()) != expected(base.query.to_json(), "tier", new):
            found["tier", new, frame.format(new)] = said(one)
    assert not found, shown(found)


# Of the questions every fifth, for each name other ones; all of them at length.
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.laws)])
@hostile
def test_hostile_names_that_nobody_mentions_change_nothing(new: str, every: int) -> None:
    """A product is so called, and the questions are about others: the same query, or readings or a refusal of a
    sentence that has the word."""
    words = nursery.vocabulary(more=(new,))
    found = {}
    for question, query in list(understood().items())[HOSTILE.index(new) % every :: every]:
        one = outcome(question, words)
        if isinstance(one, Read) and one.query == query:
            continue
        has_word = re.search(rf"\b{re.escape(new)}\b", question, re.I)
        if isinstance(one, Read) or not has_word or not isinstance(one, Ambiguous | NotUnderstood):
            found["", new, question] = said(one)
    assert not found, shown(found)


# ── the language names nobody's data ──────────────────────────────────────────────────────────────────────────────

# Words that stand in the language for a reason of their own, and happen to be a value somewhere.
OWN_WORDS: dict[str, str] = {
    **dict.fromkeys("female male".split(), "section 10: genders"),
    **dict.fromkeys("united states kingdom emirates arab india america".split(), "section 10: countries' short forms"),
    **dict.fromkeys("mobile email phone home shipping".split(), "everyday names of keys"),
    **dict.fromkeys(
        "about account contact filter fire watch track running offers pressure water".split(), "plain English and stems"
    ),
}  # fmt: skip
NAMING_KEYS = (
    "brand",
    "name",
    "city",
    "product_name",
    "title",
    "first_name",
    "last_name",
    "full_name",
    "company",
    "country",
)


def names_of_the_sets() -> set[str]:
    """The words, of four letters or more and with a capital, in the values of the sets' naming keys."""
    found: set[str] = set()

    def walk(node: object, key: str) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                walk(value, name)
        elif isinstance(node, list):
            for value in node:
                walk(value, key)
        elif isinstance(node, str) and key.split(".")[-1] in NAMING_KEYS:
            found.update(word.casefold() for word in re.findall(r"\b[A-Z][a-z]{3,}\b", node))

    for path in (*SETS.glob("*/events.jsonl"), *SETS.glob("*/contacts.jsonl")):
        for line in path.read_text().splitlines():
            walk(json.loads(line), "")
    return found


def words_of_the_language(path: Path) -> set[str]:
    """The words in a room's strings, without docstrings and comments, or in a grammar file without its comments."""
    if path.suffix == ".lark":
        return set(re.findall(r"[a-z]{4,}", re.sub(r"//.*", "", path.read_text()).casefold()))
    tree = ast.parse(path.read_text())
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]
    return set(re.findall(r"[a-z]{4,}", " ".join(texts).casefold()))


@pytest.mark.skipif(not SETS.is_dir(), reason=f"no question sets in {SETS}")
def test_the_language_names_nobodys_data() -> None:
    names = names_of_the_sets()
    assert len(names) > 50
    rooms = (*(ROOT / "grammar").glob("*.py"), *(ROOT / "grammar").glob("*.lark"))
    found = {
        word: path.name
        for path in rooms
        for word in sorted(words_of_the_language(path) & names)
        if word not in OWN_WORDS
    }
    assert not found, shown(found)
