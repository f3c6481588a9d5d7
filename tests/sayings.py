"""The language as data: the worlds, the values with their sayings, and the refusals, as they stand in tests/language/.

A file a section of the language. A block is a sentence or two of the law (`> …`), the values it gives in canonical
English (`= …`; several are the readings of an ambiguous question), and the sayings, each of which must read to that.
Sayings below `not read yet` are refused, and those below `read otherwise` give another query, until they are mended.
`@ huts` asks another world; `! …` is part of what is said beside the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grammar.canonical import read_canonical
from grammar.query import Condition
from grammar.vocabulary import EventType, Holds, Key, KeyLevel, StaticVocabulary, Value, fold
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
    otherwise: tuple[str, ...]
    world: str
    warning: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that is not understood: the words it must quote, the code, and the suggestion if one must be made.

    `soon`: it is answered, or refused with other words, until that is mended.
    """

    law: str
    question: str
    code: str
    words: tuple[str, ...]
    suggestion: str
    world: str
    soon: bool


def sections() -> dict[str, list[Row]]:
    """The rows by the title of their section, in order."""
    found: dict[str, list[Row]] = {}
    for path in sorted(FOLDER.glob("[0-9][0-9]-*.txt")):
        title, *blocks = _blocks(path)
        section = title[0].removeprefix("# ")
        law = ""
        for lines in blocks:
            law = " ".join(line[2:] for line in lines if line.startswith("> ")) or law
            said: dict[str, list[str]] = {"": [], "not read yet": [], "read otherwise": []}
            under = ""
            for line in lines:
                if line in said:
                    under = line
                elif line.startswith("  "):
                    said[under].append(line.strip())
            values = tuple(line[2:] for line in lines if line.startswith("= "))
            if values:
                now, unread, otherwise = map(tuple, said.values())
                row = Row(section, law, values, now, unread, otherwise, _world(lines), _line(lines, "! "))
                found.setdefault(section, []).append(row)
    return found


def refusals() -> list[Refusal]:
    """What must be refused, with the words and the suggestion."""
    found = []
    law = ""
    for lines in _blocks(FOLDER / "refusals.txt"):
        law = _line(lines, "> ") or law
        said = [line for line in lines if line.startswith("  ")]
        later = lines.index("not yet") if "not yet" in lines else len(lines)
        for i, line in enumerate(said):
            if line.startswith("    "):
                continue
            code, _, words = said[i + 1].strip().partition(": ")
            suggestion = _line([last.strip() for last in said[i + 2 : i + 3]], "try: ")
            quoted = tuple(words.split(" | ")) if words else ()
            soon = lines.index(line) > later
            found.append(Refusal(law, line.strip(), code, quoted, suggestion, _world(lines), soon))
    return found


@cache
def world(name: str) -> StaticVocabulary:
    """The phonebook of that name: its event types, attributes, values, terms and segments."""
    shared: dict[str, list[tuple[str, Holds, list[str]]]] = {"items": [], "context": []}
    events: list[EventType] = []
    attributes: list[Key] = []
    values: list[Value] = []
    terms: dict[str, Condition] = {}
    segments: list[str] = []

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
        elif head.startswith("term "):
            term, _, means = head.removeprefix("term ").partition(" = ")
            query = read_canonical(means)
            assert query is not None, means
            terms[fold(term)] = query.population
        elif head.startswith("segment "):
            segments.append(head.removeprefix("segment "))
        elif head == "contact":
            attributes = keys("attribute", None, table)
        else:
            event, _, items = head.removeprefix("event ").partition(" + ")
            own = keys("event", event, table) + (keys("item", event, shared["items"]) if items else [])
            own += keys("context", event, shared["context"])
            events.append(EventType(event, event in DEFAULT_EVENTS, 200, tuple(own)))
    return StaticVocabulary(events, attributes, values, terms, segments)


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


def _line(lines: list[str], mark: str) -> str:
    return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "")


def _world(lines: list[str]) -> str:
    return _line(lines, "@ ") or "world"


def _blocks(path: Path) -> list[list[str]]:
    return [block.strip("\n").splitlines() for block in path.read_text().split("\n\n") if block.strip()]


# ── docs/language.md ──────────────────────────────────────────────────────────────────────────────────────────────


def page() -> str:
    """The page: each construction with its meaning and its sayings, what is refused, and how to add a saying."""
    parts = [(FOLDER / "opening.md").read_text().strip()]
    for section, rows in sections().items():
        parts.append(f"## {section}")
        law = ""
        for row in [row for row in rows if row.sayings]:
            if row.law != law:
                law = row.law
                parts.append(f"### {law}")
            parts.append(_row(row))
    parts.append("## What is refused")
    law = ""
    for refusal in refusals():
        if refusal.law != law:
            law = refusal.law
            parts.append(
                f"### {law}\n\n| question | the refusal quotes | code | and offers |\n| --- | --- | --- | --- |"
            )
        if not refusal.soon:
            words = ", ".join(f"“{word}”" for word in refusal.words)
            parts[-1] += f"\n| {refusal.question} | {words} | {refusal.code} | {refusal.suggestion} |"
    parts.append((FOLDER / "adding.md").read_text().strip())
    return "\n\n".join(parts) + "\n"


def _row(row: Row) -> str:
    """The meaning as a quotation, the sayings as a list; several meanings are the readings that are shown."""
    where = "" if row.world == "world" else f" *({row.world})*"
    lead = f"> Readings{where}:\n" if len(row.values) > 1 else ""
    mark = "> - " if len(row.values) > 1 else "> "
    means = lead + "\n".join(f"{mark}{value}{'' if lead else where}" for value in row.values)
    beside = f"\n>\n> and says beside it: … {row.warning} …" if row.warning else ""
    return f"{means}{beside}\n\n" + "\n".join(f"- {saying}" for saying in row.sayings)
