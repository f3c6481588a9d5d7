"""Question sets and their judge: the grammar asked a set, with a verdict for each question (see persona.evaluate)."""

from __future__ import annotations

from pathlib import Path

import persona
from persona.evaluate import Judged, judge, records

__all__ = ["Judged", "judged", "records"]


def judged(folder: Path, every: int = 1) -> tuple[Judged, ...]:
    """The questions of a set, or every nth of them, asked of a fresh phonebook that holds its contacts and events."""
    now = (folder / "now.txt").read_text().strip()
    with persona.connect(":memory:", phonebook=folder.name) as book:
        assert book.import_contacts(records(folder, "contacts")).failed == 0
        assert book.import_events(records(folder, "events")).failed == 0
        return tuple(judge(book, question, now, "grammar") for question in records(folder, "questions")[::every])
