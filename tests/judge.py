"""Question sets and their judge: asks a set of the engine, and says right, wrong, refused or crashed.

A set is a folder of contacts, events (JSON lines, or the same gzipped), `now.txt`, and `questions.jsonl`: for each
question the answer that was worked out by hand in SQL, before any engine read it.

    right     the same answer; or refused with its words, or shown with its readings, where it must be
    wrong     any other answer: a mistake in silence
    refused   not answered, though it can be
    crashed   an exception that is not documented
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import persona

Verdict = Literal["right", "wrong", "refused", "crashed"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One question of a set, with the verdict and what was answered or said."""

    question: str
    verdict: Verdict
    said: str


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    """The contacts or events of a set."""
    plain = folder / f"{name}.jsonl"
    text = (
        plain.read_text("utf-8")
        if plain.exists()
        else gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).decode()
    )
    return [json.loads(line) for line in text.splitlines()]


def judged(folder: Path) -> list[Judged]:
    """Every question of a set, asked of a fresh phonebook that holds its contacts and events."""
    now = (folder / "now.txt").read_text().strip()
    with persona.connect(":memory:", phonebook=folder.name) as book:
        failed = (
            book.import_contacts(records(folder, "contacts")).failed
            + book.import_events(records(folder, "events")).failed
        )
        assert failed == 0, f"{failed} contacts or events of {folder.name} failed"
        lines = (folder / "questions.jsonl").read_text("utf-8").splitlines()
        return [_judge(book, json.loads(line), now) for line in lines]


def _judge(book: persona.Phonebook, question: dict[str, Any], now: str) -> Judged:
    asked, gold = question["question"], question["answer"]
    try:
        answer = book.ask(asked, now=now, parser="grammar")
    except persona.Ambiguous as several:
        right = gold["type"] == "readings" and len(several.readings) > 1
        return Judged(asked, "right" if right else "refused", str(several))
    except persona.NotUnderstood as refusal:
        said = " ".join(refusal.words).casefold()
        wanted = [word for phrase in gold.get("words", ()) for word in phrase.casefold().split() if len(word) > 2]
        quoted = any(word in said for word in wanted) and len(said) <= max(30, 0.6 * len(asked))
        return Judged(asked, "right" if gold["type"] == "refuse" and quoted else "refused", str(refusal))
    except Exception as error:  # noqa: BLE001  a crash is a verdict here
        return Judged(asked, "crashed", f"{type(error).__name__}: {error}")
    return Judged(asked, "right" if _same(answer, gold) else "wrong", answer.understood)


def _same(answer: persona.Answer, gold: dict[str, Any]) -> bool:
    if answer.kind != gold["type"]:
        return False
    if answer.kind == "users":
        found, wanted = answer.visitor_ids, gold["visitor_ids"]
        return found == wanted if gold.get("ordered") else sorted(found) == sorted(wanted)
    if answer.kind == "breakdown":
        return answer.breakdown == gold["rows"]
    return answer.value is not None and abs(answer.value - gold["value"]) <= max(0.01, 1e-6 * abs(gold["value"]))
