"""The fourteen questions at scale: in English, by the best SQL by hand, and by other engines, all in one run.

    python -m benchmarks.ask 2M [--rounds N] [--peers chdb,polars,pandas] [--keep FOLDER]

Prints a table: milliseconds of processor time, over all threads, of the quickest of N rounds; and how many times our
own execution each of the others takes. "in all" is by the clock, from the sentence to the ids. (What else the machine
does shows in the clock and hardly in processor time.) It fails where two give different ids. The store is made in a
scratch folder, or kept in FOLDER and used again.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet

from benchmarks import peers, shop
from benchmarks.questions import ENGLISH, by_hand
from grammar.query import CountUsers, Events, Query, did
from grammar.reader import read
from storage.backends import Backend
from storage.planner import plan
from storage.sql import spell
from storage.store import Book, Store

UTC = ZoneInfo("UTC")
NOW = shop.NOW.replace(tzinfo=UTC)
PEERS = {"chdb": peers.chdb_answers, "polars": peers.polars_answers, "pandas": peers.pandas_answers}


def main() -> None:
    """Reads the command line, makes the store where it is missing, and prints the table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("size", choices=shop.SIZES)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--peers", default=",".join(PEERS))
    asked.add_argument("--keep", type=Path)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        store = store_of(folder, options.size)
        wanted = [name for name in options.peers.split(",") if name]
        measure(store, Path(scratch), options.size, options.rounds, wanted)
        store.close()


def store_of(folder: Path, size: str) -> Store:
    """The store of this size, in order."""
    path = folder / f"shop-{size}.duckdb"
    if not path.exists():
        took = timed(lambda: shop.build(path, *shop.SIZES[size]))
        say(f"{size} events made in {took / 1000:.1f} s, {path.stat().st_size / 2**20:,.0f} MiB")
    store = Store.open(path, clock=lambda: shop.NOW)
    book = store.phonebook("shop")
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as reader:
        quiet = look(book, threading.Event(), 20)
        meanwhile = reader.submit(look, book, stop, None)
        took = timed(book.compact)
        stop.set()
        say(f"put in order in {took / 1000:.1f} s, {path.stat().st_size / 2**20:,.0f} MiB")
        for when, times in (("before", quiet), ("meanwhile", meanwhile.result())):
            say(f"a reader {when}: p50 {statistics.median(times):.0f} ms, worst {max(times):.0f} ms of {len(times)}")
    return store


def look(book: Book, stop: threading.Event, most: int | None) -> list[float]:
    """Asks for a count, again and again, until it is told to stop: how long each answer took."""
    query = Query(did(Events("order-refunded")), CountUsers())
    times: list[float] = []
    while most is None or len(times) < most:
        times.append(timed(lambda: book.answer(query, NOW)))
        if stop.wait(0.01):
            break
    return times


def measure(store: Store, scratch: Path, size: str, rounds: int, wanted: list[str]) -> None:
    """Asks everything, in turn, so often; the first time is not counted."""
    book = store.phonebook("shop")
    backend = book._backend
    types = dict(backend.rows("SELECT name, type FROM p1.event_type"))
    city = backend.rows("SELECT column_name FROM p1.attribute WHERE key = 'city'")[0][0]
    hand = by_hand(types, city)
    if wanted:
        export(backend, city, scratch)
    others = {name: PEERS[name](scratch, types) for name in wanted}
    say(f"\n{size} events on {platform.machine()}, {machine()}; processor milliseconds, the quickest of {rounds}\n")
    titles = ["question", "ids", "read", "plan", "run", "in all", "SQL by hand", *others]
    line(titles)
    line(["---"] * len(titles))
    alls: list[float] = []
    readings: list[float] = []
    ratios: dict[str, list[float]] = {name: [] for name in ("SQL by hand", *others)}
    for name, question in ENGLISH.items():
        ids = list(asked_once(book, question)[0])
        same(name, "SQL by hand", ids, hand_ids(backend, hand[name]))
        for other, answers in others.items():
            same(name, other, ids, answers[name]())
        times: list[tuple[float, float, float, float]] = []
        taken: dict[str, list[float]] = {other: [] for other in ratios}
        for _ in range(rounds):  # in turn, so that a busy machine is busy for all of them
            times.append(asked_once(book, question)[1:])
            taken["SQL by hand"].append(worked(lambda: hand_ids(backend, hand[name])))  # noqa: B023
            for other, answers in others.items():
                taken[other].append(worked(answers[name]))
        reading, planning, running, in_all = map(min, zip(*times, strict=True))
        alls.append(in_all)
        readings.append(reading + planning)
        best = {other: min(each) for other, each in taken.items()}
        for other, milliseconds in best.items():
            ratios[other].append(milliseconds / running)
        shown = [f"{milliseconds:.1f} ({milliseconds / running:.2f}×)" for milliseconds in best.values()]
        line([name, f"{len(ids):,}", *(f"{t:.1f}" for t in (reading, planning, running, alls[-1])), *shown])
    means = [f"{statistics.geometric_mean(each):.2f}×" for each in ratios.values()]
    line(["geometric mean", "", "", "", "", "", *means])
    say(f"\nfrom sentence to ids: p50 {statistics.median(alls):.0f} ms, worst {max(alls):.0f} ms")
    say(f"reading, planning and spelling: at most {max(readings):.0f} ms")
    say(f"execution against the SQL by hand: at most {1 / min(ratios['SQL by hand']):.2f}×")


def asked_once(book: Book, question: str) -> tuple[list[str], float, float, float, float]:
    """The ids; the processor time of reading, of planning with spelling, and of running; and the time by the clock."""
    clock, began = time.perf_counter(), time.process_time()
    query = read(question, book.vocabulary()).query
    read_at = time.process_time()
    sql = spell(plan(query, NOW, UTC, book.layout()))
    spelled = time.process_time()
    found = hand_ids(book._backend, sql)
    ran = time.process_time()
    ids = found.to_pylist()
    in_all = time.perf_counter() - clock
    return ids, (read_at - began) * 1000, (spelled - read_at) * 1000, (ran - spelled) * 1000, in_all * 1000


def hand_ids(backend: Backend, sql: str) -> pa.ChunkedArray:
    """The ids of a statement, on a connection like our own."""
    return backend.query(sql).column(0)


def same(question: str, whose: str, ours: list[str], theirs: Any) -> None:
    """Exits where the ids differ: theirs are a text with an id a line, or an array of any kind."""
    told = theirs.split() if isinstance(theirs, str) else list(map(str, theirs))
    if ours != told:
        sys.exit(f"{question}: {whose} finds {len(told):,} ids where we find {len(ours):,}")


def export(backend: Backend, city: str, folder: Path) -> None:
    """The three tables as Parquet files, for the others."""
    for table, sql in {
        "event": "SELECT type, contact, ts, order_value FROM p1.event "
        "ORDER BY type, date_trunc('month', ts), contact, ts",
        "item": "SELECT type, contact, ts, name, coalesce(brand, '') AS brand, coalesce(category, '') AS category "
        "FROM p1.item ORDER BY type, date_trunc('month', ts), contact, ts",
        "contact": f"SELECT contact, visitor_id, {city} AS city FROM p1.contact ORDER BY contact",
    }.items():
        pyarrow.parquet.write_table(backend.query(sql), folder / f"{table}.parquet", compression="zstd")


def machine() -> str:
    """The processor, in a few words."""
    import os

    info = Path("/proc/cpuinfo")
    names = [part for part in info.read_text().splitlines() if part.startswith("model name")] if info.exists() else []
    return f"{os.cpu_count()} cores" + (f" of {names[0].partition(': ')[2]}" if names else "")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def worked(work: Callable[[], object]) -> float:
    """Processor milliseconds of all threads."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def line(cells: list[str]) -> None:
    say("| " + " | ".join(cells) + " |")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
