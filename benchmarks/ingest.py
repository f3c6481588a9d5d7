"""How fast 100,000 events come in from each kind of source, how fast small calls from several threads are on disk, and
how fast a million values are looked up. Prints only.

Run it as `python -m benchmarks.ingest`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas

from persona import sample
from storage import load
from storage.store import Book, Store

EVENTS = 100_000
VALUES = 1_000_000
THREADS = 8


def sources(events: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """The same events as files and objects."""
    lines = folder / "events.jsonl"
    lines.write_text("".join(json.dumps(event) + "\n" for event in events))
    frame = pandas.DataFrame(
        [{**event, "event_properties": json.dumps(event["event_properties"])} for event in events], dtype=object
    )
    frame["context"] = frame["context"].map(json.dumps)
    frame.to_csv(folder / "events.csv", index=False)
    frame.astype(str).to_parquet(folder / "events.parquet")
    return {
        ".jsonl": lines,
        ".csv": folder / "events.csv",
        ".parquet": folder / "events.parquet",
        "dicts": events,
    }


def imports(folder: Path) -> None:
    """Each source into a fresh store on disk: wall time, and what this process worked for it."""
    shop = sample.shop(people=3200)
    events = shop.events[:EVENTS]
    for kind, source in sources(events, folder).items():
        store = Store.open(folder / f"store{kind.strip('.')}.duckdb")
        book = store.phonebook("bench")
        book.import_contacts(shop.contacts)
        wall, work = time.perf_counter(), time.process_time()
        report = book.import_events(source)
        wall, work = time.perf_counter() - wall, time.process_time() - work
        store.close()
        line(
            f"{report.accepted:,} events ({report.failed} failed), {kind}",
            f"{wall:5.2f} s, {report.accepted / wall:,.0f} events/s ({work:.2f} s of processor time)",
        )


def small_calls(folder: Path) -> None:
    """Calls of few events from eight threads, each answered when it is on disk; beside them the same events when each
    call goes the ordinary way of an import, in this same run."""
    shop = sample.shop(people=3200)
    store = Store.open(folder / "small.duckdb")
    book = store.phonebook("bench")
    book.import_contacts(shop.contacts)
    book.import_events(shop.events[:EVENTS])
    for size in (1, 10, 80):
        ordinary = _rate(book, shop.events, size, seconds=3, small=False)
        inbox = _rate(book, shop.events, size, seconds=6, small=True)
        line(
            f"{size} events a call from {THREADS} threads",
            f"{inbox:,.0f} events/s ({ordinary:,.0f} the ordinary way: {inbox / ordinary:.0f} x)",
        )
    store.close()


def _rate(book: Book, events: list[dict[str, Any]], size: int, seconds: float, small: bool) -> float:
    """Events a second, the time that it takes to give them their places included."""
    least = load.MANY
    if not small:
        load.MANY = 0  # type: ignore[misc]
    payloads = [json.dumps({**event, "message_id": None}).encode() for event in events[:8_000]]
    done = [0] * THREADS
    began = time.perf_counter()

    def send(thread: int) -> None:
        at = 1000 * thread
        while time.perf_counter() < began + seconds:
            at = (at + size) % (len(payloads) - size)
            book.append_events(payloads[at : at + size])
            done[thread] += size

    threads = [threading.Thread(target=send, args=[thread]) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.layout()
    load.MANY = least  # type: ignore[misc]
    return sum(done) / (time.perf_counter() - began)


def look_ups(folder: Path) -> None:
    """The vocabulary of a phonebook with a million values."""
    store = Store.open(folder / "values.duckdb")
    book = store.phonebook("bench")
    book.import_contacts([{"visitor_id": "v"}])
    batch = 20_000
    for start in range(0, VALUES, batch):
        book.import_events(
            {
                "event_name": "product-viewed",
                "visitor_id": "v",
                "event_properties": {"product_id": f"P{n}", "name": f"{_word(n)} {_word(n * 7 + 3)} {_word(n // 9)}"},
            }
            for n in range(start, min(start + batch, VALUES // 2 + start))
        )
    _time_look_ups(book)
    store.close()


def _time_look_ups(book: Book) -> None:
    vocabulary = book.vocabulary()
    vocabulary.event_types()
    runs = [f"{_word(n)} {_word(n * 7 + 3)} {_word(n // 9)}" for n in range(0, 30)] + [f"none {n}" for n in range(270)]
    name = _word(77) + " " + _word(77 * 7 + 3) + " " + _word(77 // 9)
    line("300 word runs looked up, a tenth of them values", milliseconds(lambda: vocabulary.values(runs)))
    line("the nearest to a misspelt name", milliseconds(lambda: vocabulary.near(name[:3] + name[4:])))
    line("the nearest to a misspelt id", milliseconds(lambda: vocabulary.near("P12345x")))
    keys = vocabulary.event_types()[0].keys
    line("whether any value contains a text", milliseconds(lambda: vocabulary.contains(keys, "no such text")))


def _word(n: int) -> str:
    """A made-up word, another for each of some thousand numbers."""
    heads, tails = (
        ("bra", "cli", "dro", "fen", "gus", "hal", "jor", "kim", "lup", "mon"),
        ("ta", "rel", "vix", "son", "dy"),
    )
    return heads[n % 10] + tails[n // 10 % 5] + heads[n // 50 % 10] + tails[n // 500 % 5]


def milliseconds(work: Callable[[], object]) -> str:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return f"{statistics.median(took):5.1f} ms (best {min(took):.1f})"


def line(what: str, figure: str) -> None:
    print(f"{what:55}{figure}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        imports(Path(scratch))
        small_calls(Path(scratch))
        look_ups(Path(scratch))
