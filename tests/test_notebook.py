"""In a notebook: how answers and refusals look, and %%ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import persona
from persona import sample


class Page(HTMLParser):
    """The words of a page, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.marked: list[str] = []
        self.feed(html)
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open[-1] == "b":
            self.marked.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(shown: Any) -> Page:
    return Page(shown._repr_html_())


def test_an_answer(shop_book: persona.Phonebook) -> None:
    answer = shop_book.ask("users who spent over 500, and show their name and spend", now=sample.NOW)
    seen = page(answer)
    assert "contacts whose spend is more than 500" in seen.text
    assert f"{len(answer)} contacts" in seen.text
    assert all(str(row["name"]) in seen.text for row in answer.rows[:10])
    assert answer.rows[10]["name"] not in seen.text
    assert f"and {len(answer) - 10} more" in seen.text
    assert "SELECT" in seen.text
    assert re.search(r"<details>.*SELECT", answer._repr_html_(), re.DOTALL), "the SQL is folded"


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("how many users", "620"),
        ("what percentage of users bought", "%"),
        ("average spend of users", "224.07"),
        ("how many users by city", "13 groups"),
    ],
)
def test_other_kinds(shop_book: persona.Phonebook, question: str, shown: str) -> None:
    assert shown in page(shop_book.ask(question, now=sample.NOW)).text


def test_a_refusal_marks_the_words(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.NotUnderstood) as refused:
        shop_book.ask("users who bought a <b>Red Shrit</b>", now=sample.NOW)
    seen = page(refused.value)
    assert "Shrit" in " ".join(seen.marked)
    assert refused.value.question == "users who bought a <b>Red Shrit</b>"
    with pytest.raises(persona.NotUnderstood) as refused:
        shop_book.ask("Who bought a Red Shrit?", now=sample.NOW)
    assert "Who bought a Red Shirt?" in page(refused.value).text


def test_readings_are_shown_with_their_counts(shop_book: persona.Phonebook) -> None:
    with pytest.raises(persona.Ambiguous) as refused:
        shop_book.ask("users who have added to cart but haven't bought in the last 7 days", now=sample.NOW)
    seen = page(refused.value)
    for number, reading in enumerate(refused.value.readings):
        assert f"{number} {reading.understood} {reading.count}" in seen.text


def test_why_and_the_rest(shop_book: persona.Phonebook) -> None:
    answer = shop_book.ask("users who bought at least 3 times and spent over 500 in the last 90 days", now=sample.NOW)
    assert "v0041 is not in the answer" in page(answer.why("v0041")).text
    assert "3" in page(answer.portrait()).text
    assert page(answer.funnel())


def test_nothing_of_the_data_is_markup() -> None:
    with persona.connect(":memory:") as book:
        evil = "<script>alert(1)</script>"
        book.import_contacts([{"visitor_id": evil, "city": evil}])
        answer = book.ask("all contacts, and show their city")
        for shown in (answer, answer.why(evil), answer.portrait(), book.ask("how many users by city")):
            assert "<script" not in shown._repr_html_()


@pytest.fixture
def shell(shop_book: persona.Phonebook) -> Iterator[InteractiveShell]:
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "persona")
    made.push({"book": shop_book, "shop": shop_book})
    yield made
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("line", "name"), [("--now 2026-06-30T18:00:00", "answer"), ("shop found --now 2026-06-30T18:00:00", "found")]
)
def test_ask_in_a_cell(shell: InteractiveShell, line: str, name: str) -> None:
    done = shell.run_cell(f"%%ask {line}\nusers who spent\nover 500\n")
    assert len(done.result) == 87
    assert shell.user_ns[name] is done.result


def test_a_refusal_in_a_cell_is_shown_and_the_notebook_goes_on(shell: InteractiveShell) -> None:
    shell.push({"answer": "an old one"})
    for question in (
        "users who bought a Red Shrit",
        "users who have added to cart but haven't bought in the last 7 days",
    ):
        with capture_output() as seen:
            done = shell.run_cell(f"%%ask\n{question}")
        assert done.success
        assert shell.user_ns["answer"] is None
        assert [sorted(output.data) for output in seen.outputs] == [["text/html", "text/plain"]]


def test_a_refusal_that_nobody_catches_is_an_error_without_a_traceback(shell: InteractiveShell) -> None:
    with capture_output() as seen:
        done = shell.run_cell("book.ask('Who bought a Red Shrit?')")
    assert isinstance(done.error_in_exec, persona.NotUnderstood)
    assert "Traceback" not in seen.stdout + seen.stderr
    assert "try: Who bought a Red Shirt?" in seen.stdout + seen.stderr
    with capture_output() as seen:
        shell.run_cell('book.ask("users who have added to cart but haven\'t bought in the last 7 days")')
    assert "Traceback" not in seen.stdout + seen.stderr
    assert "1: contacts with" in seen.stdout + seen.stderr


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%%ask nobook\nusers", "variable 'nobook'"),
        ("%%ask a b c\nusers", "[BOOK] [NAME]"),
        ("%%ask --now\nusers", "--now needs an instant"),
    ],
)
def test_wrong_use_of_the_cell(shell: InteractiveShell, cell: str, said: str) -> None:
    with capture_output() as seen:
        done = shell.run_cell(cell)
    assert said in str(done.error_in_exec)
    assert said in seen.stdout
