"""The question sets, where they are: nothing is read wrongly in silence, nothing crashes, most is read right.

PERSONA_QUESTION_SETS names the folder that holds them and their judge; ../shared/questions where it is not set.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

import persona

ROOT = Path(__file__).parent.parent
SETS = Path(os.environ.get("PERSONA_QUESTION_SETS", ROOT.parent / "shared" / "questions"))
FOLDERS = sorted(path.parent for path in SETS.glob("*/questions.jsonl"))


def judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("question_set_judge", SETS / "score.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not FOLDERS, reason=f"no question sets in {SETS}")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_question_set(folder: Path) -> None:
    score = judge()
    now = (folder / "now.txt").read_text().strip()
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    with persona.connect(":memory:", phonebook=folder.name) as book:
        assert book.import_contacts(folder / "contacts.jsonl").failed == 0
        assert book.import_events(folder / "events.jsonl").failed == 0
        verdicts = [
            (*score.judge(persona, book, question, now, "grammar"), question["question"]) for question in questions
        ]
    mistakes = [(verdict, asked, said) for verdict, said, asked in verdicts if verdict in ("wrong", "crashed")]
    assert not mistakes, mistakes
    right = sum(verdict == "right" for verdict, *_ in verdicts)
    assert right >= 0.6 * len(questions), f"{right} of {len(questions)}"
