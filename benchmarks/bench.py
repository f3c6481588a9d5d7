"""How fast it is here and now: start-up, 100,000 events in, questions answered. Prints; asserts nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import persona
from persona import sample

EVENTS = 100_000
ROUNDS = 20


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def start_up() -> None:
    """`import persona` alone, and whole commands with the interpreter's own start in them."""
    clock = "import time; began = time.perf_counter(); import persona; print((time.perf_counter() - began) * 1000)"
    imports = [float(subprocess.check_output([sys.executable, "-c", clock])) for _ in range(5)]
    line("import persona", f"{statistics.median(imports):.0f} ms")
    helps = [
        milliseconds(lambda: subprocess.check_output([sys.executable, "-m", "persona", "--help"])) for _ in range(5)
    ]
    line("persona --help", f"{statistics.median(helps):.0f} ms")


def events_in(scratch: Path) -> None:
    """A file of events through the validator into a store on disk."""
    shop = sample.shop(people=3200)
    events = shop.events[:EVENTS]
    file = scratch / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    with persona.connect(scratch / "bench.duckdb") as book:
        book.import_contacts(shop.contacts)
        took = milliseconds(lambda: book.import_events(file)) / 1000
    line(f"{len(events):,} events from a .jsonl file", f"{took:.2f} s, {len(events) / took:,.0f} events/s")


def questions(scratch: Path) -> None:
    """The questions of the demo, on its store, inside one process."""
    shop = sample.shop()
    with persona.connect(scratch / "demo.duckdb") as book:
        book.import_contacts(shop.contacts)
        book.import_events(shop.events)
        first = milliseconds(lambda: book.ask(sample.QUESTIONS[0], now=sample.NOW))
        line("the first question, the grammar loaded for it", f"{first:.0f} ms")
        every = []
        for question in sample.QUESTIONS:
            took = [milliseconds(lambda: book.ask(question, now=sample.NOW)) for _ in range(ROUNDS)]  # noqa: B023
            every += took
            line(f"  {question[:66]}", f"{statistics.median(took):.0f} ms")
        line("a question, p50", f"{statistics.median(every):.0f} ms")
        line("a question, p95", f"{statistics.quantiles(every, n=20)[-1]:.0f} ms")


def line(what: str, figure: str) -> None:
    print(f"{what:70}{figure}", flush=True)


if __name__ == "__main__":
    start_up()
    with tempfile.TemporaryDirectory() as folder:
        events_in(Path(folder))
        questions(Path(folder))
