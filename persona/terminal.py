"""How things look: tables, bars and colours for a person at a terminal, plain text for a pipe.

Data goes to standard output, all else to standard error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import pandas

    from grammar import errors
    from grammar.errors import NotUnderstood
    from grammar.model import ModelUsage
    from persona.answer import Answer
    from storage.store import Progress, Report

_JSON_COLUMNS = {"errors", "event_properties", "context"}  # JSON text in the frames
SHOWN = 50  # rows of a table on a terminal; a pipe and the other formats get them all

TableFormat: TypeAlias = Literal["table", "json", "csv"]
AnswerFormat: TypeAlias = Literal["table", "json", "csv", "ids"]


def say(text: str) -> None:
    """A line for the person, beside the data."""
    print(text, file=sys.stderr, flush=True)


def many(count: int, what: str) -> str:
    """A number and its noun: "1 contact", "2 contacts"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@contextmanager
def bar(what: str) -> Iterator[Progress | None]:
    """A progress bar on a terminal; nothing to be told where there is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    drawn = progress.TextColumn(f"{what:8}"), progress.BarColumn(), progress.MofNCompleteColumn()
    with progress.Progress(*drawn, progress.TimeElapsedColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def counts(report: Report) -> str:
    """What became of the records of an import: "20,000 accepted, 12 failed"."""
    fates = {
        "accepted": report.accepted,
        "updated": report.updated,
        "there already": report.duplicates,
        "failed": report.failed,
    }
    return ", ".join(f"{number:,} {what}" for what, number in fates.items() if number or what == "accepted")


def tell_answer(answer: Answer, explain: bool, sql: bool) -> None:
    """What an answer says beside its rows."""
    say(f"understood: {answer.understood}")
    for warning in answer.warnings:
        say(f"warning: {warning}")
    if explain:
        for grounded in answer.grounding:
            say(f'"{grounded.words}" is {grounded.meaning} ({grounded.count:,})')
        say(f"read by: {answer.parser}, in all {answer.elapsed * 1000:.0f} ms")
        if answer.model_usage is not None:
            say(f"language model: {answer.model_usage.outcome}, {cost(answer.model_usage)}")
        say(json.dumps(json.loads(answer.query.to_json()), indent=2, ensure_ascii=False))
    if sql:
        say(answer.sql)


def cost(usage: ModelUsage) -> str:
    """What asking a model cost, in words."""
    if usage.cached:
        return "remembered from an earlier time"
    tokens = f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    return f"{usage.tries} request{'' if usage.tries == 1 else 's'}, {tokens}, {usage.seconds:.1f} s"


def tell_refusal(question: str, refusal: NotUnderstood | errors.Ambiguous) -> None:
    """The question with the words marked that stand in the way, what is wrong with them, and what to ask instead."""
    from grammar.errors import NotUnderstood

    if sys.stderr.isatty():
        _show_marked(question, refusal.words)
    if isinstance(refusal, NotUnderstood):
        say(f"not understood: {refusal.reason}")
        for suggestion in refusal.suggestions:
            say(f"  try: {suggestion}")
        for warning in refusal.warnings:
            say(f"warning: {warning}")
        return
    for warning in refusal.warnings:
        say(f"warning: {warning}")
    say("ambiguous: the question can be read in more than one way; choose with --reading")
    for number, reading in enumerate(refusal.readings):
        say(f"  {number}: {reading.understood}" + ("" if reading.count is None else f" ({reading.count:,})"))


def _show_marked(question: str, words: Sequence[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text(question)
    longest_first = sorted((word for word in words if word), key=len, reverse=True)
    text.highlight_words(longest_first, style="bold red underline", case_sensitive=False)
    Console(stderr=True).print(text, soft_wrap=True)


def print_answer(answer: Answer, format: AnswerFormat) -> None:
    """The answer: its rows or its one value. Raises ValueError where ids are asked for and it is no list of users."""
    from persona.answer import answer_json

    if format == "json":
        print_json(answer_json(answer))
    elif format == "ids":
        if answer.kind != "users":
            raise ValueError(f"the answer is a {answer.kind}, no list of users: --format ids has nothing to print")
        for visitor_id in answer.visitor_ids:
            print(visitor_id)
    elif format == "csv":
        print_csv(answer.table.column_names, answer.rows)
    elif answer.kind in ("users", "breakdown"):
        print_rows(answer.table.column_names, answer.rows)
    else:
        print(f"{answer.value}")


def print_frame(frame: pandas.DataFrame, format: TableFormat, columns: str) -> None:
    """A frame of what the store knows: these columns of it as a table, all of them in the other formats."""
    print_records(list(frame.columns), records(frame), format, columns.split())


def print_records(names: list[str], rows: list[dict[str, Any]], format: TableFormat, columns: list[str]) -> None:
    """Records: these columns of them as a table, all of them in the other formats."""
    if format == "json":
        print_json(rows)
    elif format == "csv":
        print_csv(names, rows)
    else:
        print_rows(columns, [{name: row[name] for name in columns} for row in rows])


def print_rows(names: list[str], rows: list[dict[str, Any]]) -> None:
    """A table of the rows; a person sees the first of them, and how many there are."""
    shown = rows[:SHOWN] if sys.stdout.isatty() else rows
    print_table(names, [list(row.values()) for row in shown])
    if len(shown) < len(rows):
        say(f"{len(rows) - len(shown):,} more; --format csv prints them all")


def print_table(names: list[str], rows: list[list[Any]]) -> None:
    """A drawn table for a person; for a pipe a heading and a line a row, with tabs between."""
    from persona.export import cell

    if not sys.stdout.isatty():
        for line in (names, *([cell(value) for value in row] for row in rows)):
            print("\t".join(re.sub(r"\s+", " ", text) for text in line))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(names):
        number = all(row[place] is None or isinstance(row[place], int | float) for row in rows)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_readable(value)) for value in row))
    Console().print(table)


def _readable(value: Any) -> str:
    """A value as a person reads it in a table."""
    from datetime import datetime

    from persona.export import cell

    match value:
        case datetime():
            return value.isoformat(" ", "seconds")
        case list() if all(isinstance(part, str) for part in value):
            return ", ".join(value)
        case dict() if all(isinstance(part, str | int | float | None) for part in value.values()):
            return ", ".join(f"{name}: {part}" for name, part in value.items())
        case _:
            return cell(value)


def print_csv(names: list[str], rows: list[dict[str, Any]]) -> None:
    """The rows as CSV, with a heading."""
    import csv

    from persona.export import cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell(value) for value in row.values()] for row in rows)


def print_json(value: Any) -> None:
    """A value as JSON; instants in ISO 8601."""
    from persona.export import plain

    print(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def records(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values: missing is None, a list is a list, and so is one that came as JSON text."""
    import pyarrow

    rows: list[dict[str, Any]] = pyarrow.Table.from_pandas(frame, preserve_index=False).to_pylist()
    for row in rows:
        for name in _JSON_COLUMNS & row.keys():
            row[name] = row[name] and json.loads(row[name])
    return rows
