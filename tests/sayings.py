"""The language as data: the worlds, the values with their sayings, and the refusals, as they stand in tests/language/.

A file a section of the language. A block is a sentence or two of the law (`> …`), the values it gives in canonical
English (`= …`; several are the readings of an ambiguous question), and the sayings, each of which must read to that.
Sayings below `not read yet` are to be refused until they are. `@ huts` asks another world.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grammar.vocabulary import EventType, Holds, Key, KeyLevel, StaticVocabulary, Value
from storage.event import DEFAULT_EVENTS

FOLDER = Path(__file__).parent / "language"
HOLDS: dict[str, Holds] = {"text": "text", "number": "number", "date": "date", "boolean": "boolean", "list": "list"}


@dataclass(frozen=True, slots=True)
class Row:
    """A meaning and its sayings. `values` are canonical English: one, or the readings of an ambiguous question."""

    section: str
    law: str
    values: tuple[str, ...]
    sayings: tuple[str, ...]
    unread: tuple[str, ...]
    world: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that is not understood: the words it must quote, the code, and the suggestion if one must be made."""

    law: str
    question: str
    code: str
    words: tuple[str, ...]
    suggestion: str | None
    world: str


def sections() -> dict[str, list[Row]]:
    """The rows by the title of their section, in order."""
    found: dict[str, list[Row]] = {}
    for path in sorted(FOLDER.glob("[0-9][0-9]-*.txt")):
        title, *blocks = _blocks(path)
        section = title[0].removeprefix("# ")
        law = ""
        for lines in blocks:
            law = " ".join(line[2:] for line in lines if line.startswith("> ")) or law
            said = [line.strip() for line in lines if line.startswith("  ")]
            later = next((i for i, line in enumerate(lines) if line == "not read yet"), len(lines))
            unread = [line.strip() for line in lines[later:] if line.startswith("  ")]
            values = tuple(line[2:] for line in lines if line.startswith("= "))
            if values:
                row = Row(section, law, values, tuple(said[: len(said) - len(unread)]), tuple(unread), _world(lines))
                found.setdefault(section, []).append(row)
    return found


def refusals() -> list[Refusal]:
    """What must be refused, with the words and the suggestion."""
    found = []
    law = ""
    for lines in _blocks(FOLDER / "refusals.txt"):
        law = " ".join(line[2:] for line in lines if line.startswith("> ")) or law
        for i, line in enumerate(lines):
            if line.startswith("  ") and not line.startswith("    "):
                code, _, words = lines[i + 1].strip().partition(": ")
                offered = lines[i + 2].strip() if i + 2 < len(lines) else ""
                suggestion = offered.removeprefix("try: ") if offered.startswith("try: ") else None
                found.append(Refusal(law, line.strip(), code, tuple(words.split(" | ")), suggestion, _world(lines)))
    return found


@cache
def world(name: str) -> StaticVocabulary:
    """The phonebook of that name: its event types, attributes and values."""
    shared: dict[str, list[tuple[str, Holds, list[str]]]] = {"items": [], "context": []}
    events: list[EventType] = []
    attributes: list[Key] = []
    values: list[Value] = []

    def keys(level: KeyLevel, event: str | None, table: list[tuple[str, Holds, list[str]]]) -> list[Key]:
        made = []
        for key_name, holds, texts in table:
            key = Key(key_name, level, event, frozenset({holds}), 100)
            values.extend(Value(key, text, 50 - i) for i, text in enumerate(texts))
            made.append(key)
        return made

    for head, table in _tables(name):
        if head in shared:
            shared[head] = table
        elif head == "contact":
            attributes = keys("attribute", None, table)
        else:
            event, _, items = head.removeprefix("event ").partition(" + ")
            own = keys("event", event, table) + (keys("item", event, shared["items"]) if items else [])
            own += keys("context", event, shared["context"])
            events.append(EventType(event, event in DEFAULT_EVENTS, 200, tuple(own)))
    return StaticVocabulary(events, attributes, values)


def _tables(name: str) -> Iterator[tuple[str, list[tuple[str, Holds, list[str]]]]]:
    head, table = "", list[tuple[str, Holds, list[str]]]()
    for line in (FOLDER / f"{name}.txt").read_text().splitlines():
        if line.startswith("  "):
            key, _, texts = line.strip().partition(": ")
            key_name, kind = key.split()
            table.append((key_name, HOLDS[kind], texts.split(", ") if texts else []))
        elif line and not line.startswith("#"):
            if head:
                yield head, table
            head, table = line, []
    yield head, table


def _world(lines: list[str]) -> str:
    return next((line[2:] for line in lines if line.startswith("@ ")), "world")


def _blocks(path: Path) -> list[list[str]]:
    return [block.strip("\n").splitlines() for block in path.read_text().split("\n\n") if block.strip()]
