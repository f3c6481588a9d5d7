"""docs/python.md: its examples are run, and every public name is on it."""

from __future__ import annotations

import doctest
import inspect
import json
import re
from pathlib import Path

import pandas
import pytest

import persona
from persona import sample
from persona.answer import Answer
from persona.engine import Phonebook
from persona.segments import Segments

PAGE = Path(__file__).parent.parent / "docs" / "python.md"


def test_the_examples_run(shop: sample.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pandas.DataFrame(shop.contacts).to_csv("contacts.csv", index=False)
    Path("events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in shop.events))
    code = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE.read_text(), re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(code, {}, "python.md", str(PAGE), 0)
    assert len(examples.examples) > 30
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


@pytest.mark.parametrize("of", [persona, Phonebook, Answer, Segments], ids=lambda of: of.__name__)
def test_every_public_name_is_on_the_page(of: object) -> None:
    names = persona.__all__ if of is persona else [name for name in vars(of) if not name.startswith("_")]
    page = PAGE.read_text()
    for name in names:
        assert re.search(rf"(?<![\w.]){name}\b|\.{name}\b", page), name


def test_help_is_enough() -> None:
    for of in (persona.connect, Phonebook, Answer, Segments, persona.Segment, persona.Refresh):
        public = [
            of,
            *(member for name, member in inspect.getmembers(of) if not name.startswith("_") and callable(member)),
        ]
        for each in public:
            assert inspect.getdoc(each), each
