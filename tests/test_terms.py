"""Words that a phonebook defines, and readings that are remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import persona

CONTACTS = [{"visitor_id": f"v{n}", "city": "Oslo" if n % 2 else "Bergen"} for n in range(6)]
EVENTS = [
    {
        "event_name": "order-completed",
        "visitor_id": f"v{n}",
        "event_properties": {
            "total": 100 * n,
            "products": [{"product_id": f"P{n}", "name": f"Thing {n}", "category": "Shoes" if n > 3 else "Hats"}],
        },
        "event_timestamp": "2026-01-10 10:00:00",
    }
    for n in range(1, 6)
]
NOW = "2026-02-01T00:00:00"


@pytest.fixture
def book() -> Iterator[persona.Phonebook]:
    with persona.connect(":memory:") as opened:
        opened.import_contacts(CONTACTS)
        opened.import_events(EVENTS)
        yield opened


@pytest.mark.parametrize(
    ("term", "meaning", "question", "found"),
    [
        ("big spenders", "users who spent over 300", "big spenders", ["v4", "v5"]),
        ("big spenders", "users who spent over 300", "Big Spenders from Oslo", ["v5"]),
        ("big spenders", "users who spent over 300", "people who are not big spenders but bought", ["v1", "v2", "v3"]),
        ("loyal", "users who spent over 300", "loyal customers from Bergen", ["v4"]),
        ("patients", "users", "patients from Oslo", ["v1", "v3", "v5"]),
        ("trainers", "category Shoes", "who bought trainers", ["v4", "v5"]),
        ("trainers", "Shoes", "bought trainers or hats", ["v1", "v2", "v3", "v4", "v5"]),
    ],
)
def test_a_defined_word_is_read_as_defined(
    book: persona.Phonebook, term: str, meaning: str, question: str, found: list[str]
) -> None:
    with pytest.raises(persona.NotUnderstood):
        book.ask(question, now=NOW)
    book.define(term, meaning)
    answer = book.ask(question, now=NOW)
    assert answer.visitor_ids == found
    assert book.ask(answer.understood, now=NOW).query == answer.query
    book.undefine(term)
    with pytest.raises(persona.NotUnderstood):
        book.ask(question, now=NOW)


def test_the_echo_shows_a_term_with_its_meaning(book: persona.Phonebook) -> None:
    book.define("big spenders", "users who spent over 300")
    assert "spend is more than 300" in book.ask("big spenders", now=NOW).understood


def test_a_meaning_that_is_not_understood_is_not_kept(book: persona.Phonebook) -> None:
    for meaning in ("users who zorp", "how many users", "", "vegetables"):
        with pytest.raises(persona.NotUnderstood):
            book.define("odd", meaning)
    with pytest.raises(ValueError, match="at least one word"):
        book.define(" ", "users")
    assert book.terms().empty


def test_terms_are_listed_and_say_where_they_no_longer_read(book: persona.Phonebook) -> None:
    book.define("rich", "users who spent over 300")
    book.define("rich northerners", "rich users from Oslo")
    book.undefine("rich")
    terms = book.terms().set_index("term")
    assert terms.loc["rich northerners", "problem"]
    assert book.ask("rich northerners", now=NOW).visitor_ids == ["v5"]  # it still means what it did


def test_a_term_is_known_in_its_phonebook_only(tmp_path: object) -> None:
    path = f"{tmp_path}/store.duckdb"
    with persona.connect(path, phonebook="one") as one:
        one.import_contacts(CONTACTS)
        one.define("patients", "users")
    with persona.connect(path, phonebook="two") as two:
        two.import_contacts(CONTACTS)
        with pytest.raises(persona.NotUnderstood):
            two.ask("patients")


def test_a_chosen_reading_can_be_remembered(book: persona.Phonebook) -> None:
    question = "have bought a hat but haven't bought Shoes in the last 60 days"
    with pytest.raises(persona.Ambiguous) as several:
        book.ask(question, now=NOW)
    chosen = several.value.choose(1, remember=True)
    again = book.ask(question, now=NOW)
    assert again.visitor_ids == chosen.visitor_ids
    assert question in set(book.terms()["term"])
    book.undefine(question)
    with pytest.raises(persona.Ambiguous):
        book.ask(question, now=NOW)
