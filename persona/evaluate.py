"""A question set asked of the readers: who is right, wrong, refuses, how long it takes, and what it costs.

A set is a folder of contacts and events (JSON lines, or the same gzipped), `now.txt`, and `questions.jsonl`: a line for
each question, {"question", "answer"}, with the answer that was worked out by hand:

    {"type": "users", "visitor_ids": [...], "ordered"?: true}      {"type": "breakdown", "rows": {"value": count}}
    {"type": "count" | "percentage" | "value", "value": number}    {"type": "readings"}: it must be shown with readings
    {"type": "refuse", "words": [...]}: it must be refused, quoting one of these words
"""

from __future__ import annotations

import gzip
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from grammar.errors import Ambiguous, NotUnderstood

if TYPE_CHECKING:
    from grammar.model import ModelUsage
    from persona.answer import Answer
    from persona.engine import Parser, Phonebook

Verdict: TypeAlias = Literal["right", "wrong", "refused", "crashed"]

QUOTED = (30, 0.6)  # a refusal quotes at most so many characters, or this share of the question


@dataclass(frozen=True, slots=True)
class Judged:
    """One question of a set, with the verdict on one reader, what was answered or said, seconds, and the model's cost.

    right: the same answer; or refused with its words, or shown with its readings, where it must be. wrong: any other
    answer, a mistake in silence. refused: not answered, though it can be. crashed: an error that is not documented.
    """

    question: str
    verdict: Verdict
    said: str
    seconds: float
    usage: ModelUsage | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One reader's verdicts on a set, in the order of its questions."""

    parser: Parser
    judged: tuple[Judged, ...]

    def row(self) -> dict[str, Any]:
        """How many of each verdict, milliseconds (median, and what 95 in 100 stay under), and what a model cost."""
        times = sorted(1000 * one.seconds for one in self.judged) or [0.0]
        used = [one.usage for one in self.judged if one.usage is not None]
        verdicts = [one.verdict for one in self.judged]
        return {
            "parser": self.parser,
            **{verdict: verdicts.count(verdict) for verdict in ("right", "wrong", "refused", "crashed")},
            "ms_p50": round(statistics.median(times), 1),
            "ms_p95": round(times[int(0.95 * (len(times) - 1))], 1),
            "requests": sum(usage.tries for usage in used),
            "prompt_tokens": sum(usage.prompt_tokens for usage in used),
            "completion_tokens": sum(usage.completion_tokens for usage in used),
        }


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of a file of a set. Raises ValueError that names the file and line that is no JSON."""
    path = folder / f"{name}.jsonl"
    packed = path.with_name(f"{path.name}.gz")
    text = path.read_text("utf-8") if path.exists() else gzip.decompress(packed.read_bytes()).decode()
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: no JSON ({error})") from None
    return found


def evaluate(book: Phonebook, folder: Path, parsers: Sequence[Parser]) -> tuple[Score, ...]:
    """Every question of a set, asked of each reader. The phonebook gets the set's contacts and events.

    Raises OSError where a file of the set is missing, and ValueError where one is not as it must be.
    """
    now = (folder / "now.txt").read_text("utf-8").strip()
    questions = records(folder, "questions")
    for number, line in enumerate(questions, 1):
        if not isinstance(line, dict) or not {"question", "answer"} <= line.keys() or "type" not in line["answer"]:
            raise ValueError(f'{folder / "questions.jsonl"}, line {number}: {{"question", "answer": {{"type", …}}}}')
    failed = (
        book.import_contacts(records(folder, "contacts")).failed + book.import_events(records(folder, "events")).failed
    )
    if failed:
        raise ValueError(f"{failed} contacts or events of {folder} are not valid")
    return tuple(Score(parser, tuple(judge(book, line, now, parser) for line in questions)) for parser in parsers)


def judge(book: Phonebook, question: dict[str, Any], now: str, parser: Parser) -> Judged:
    """The verdict on one question."""
    asked, gold = question["question"], question["answer"]
    began = time.perf_counter()
    usage = None
    verdict: Verdict
    try:
        answer = book.ask(asked, now=now, parser=parser)
        verdict, said, usage = ("right" if _same(answer, gold) else "wrong"), answer.understood, answer.model_usage
    except Ambiguous as several:
        verdict, said, usage = "refused", several.message, several.model_usage
        if gold["type"] == "readings" and len(several.readings) > 1:
            verdict = "right"
    except NotUnderstood as refusal:
        verdict, said, usage = "refused", refusal.message, refusal.model_usage
        quoted = " ".join(refusal.words).casefold()
        wanted = [word for phrase in gold.get("words", ()) for word in phrase.casefold().split() if len(word) > 2]
        brief = len(quoted) <= max(QUOTED[0], QUOTED[1] * len(asked))
        if gold["type"] == "refuse" and brief and any(word in quoted for word in wanted):
            verdict = "right"
    except Exception as error:  # noqa: BLE001  a crash is a verdict here
        verdict, said = "crashed", f"{type(error).__name__}: {error}"
    return Judged(asked, verdict, said, time.perf_counter() - began, usage)


def _same(answer: Answer, gold: dict[str, Any]) -> bool:
    if answer.kind != gold["type"]:
        return False
    if answer.kind == "users":
        found, wanted = answer.visitor_ids, gold["visitor_ids"]
        return bool(found == wanted if gold.get("ordered") else sorted(found) == sorted(wanted))
    if answer.kind == "breakdown":
        return bool(answer.breakdown == gold["rows"])
    near = max(0.01, 1e-6 * abs(gold["value"]))
    return answer.value is not None and bool(abs(answer.value - gold["value"]) <= near)
