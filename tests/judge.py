"""Question sets and their judge: the grammar asked a set, with a verdict for each question (see persona.evaluate)."""

from __future__ import annotations

from pathlib import Path

import persona
from persona.evaluate import Judged, evaluate, records

__all__ = ["Judged", "judged", "records"]


def judged(folder: Path) -> tuple[Judged, ...]:
    """Every question of a set, asked of a fresh phonebook that holds its contacts and events."""
    with persona.connect(":memory:", phonebook=folder.name) as book:
        return evaluate(book, folder, ["grammar"])[0].judged
