"""What the crash harness does to a store in a process that will be killed, and what the store must hold afterwards.

The worker writes a line to its ledger before each call ("begin") and one after it has returned ("done"). Every event
has a number of its own, and all that it is follows from the number. So what must be there follows from the ledger, in
plain Python that knows nothing of how the store is built:

    done      each event is there once, stored or failed
    begun     a call's events are there all or none; of a file, the first so many
    the rest  is not there
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import persona
from grammar.query import AttributeColumn, CountUsers, Everyone, Query, Users

Event = dict[str, Any]

VISITORS = [f"v{n}" for n in range(12)]
FILES = {"short": [700, 700, 700], "long": [8_000]}  # lines of each
PADDING = 4500  # bytes more of each line of the long one, so that it is more than one batch of an import
_START = datetime(2026, 1, 1)
_OF_FILES, _OF_GUESTS = 10**9, 2 * 10**9  # where the numbers of events from files, and of guests, begin


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────


def event(n: int) -> Event:
    """The event of this number. Odd ones have a message_id; one in nine is no valid event."""
    mixed = n * 2_654_435_761 >> 7
    at = _START + timedelta(seconds=mixed % 7_776_000)
    told: Event = {"visitor_id": VISITORS[n % len(VISITORS)], "event_timestamp": at.isoformat(" ")}
    if n >= _OF_GUESTS:
        told["visitor_id"] = guest(n)
    if n % 2:
        told["message_id"] = f"m{n}"
    product = {"product_id": f"p{mixed % 20}", "price": mixed % 100}
    match n % 9:
        case 0:
            return {**told, "event_name": "add-to-cart", "event_properties": {"n": n, "cart_id": "c"}}  # of nothing
        case 1 | 2:
            return {**told, "event_name": "add-to-cart", "event_properties": {"n": n, "cart_id": "c", **product}}
        case 3 | 4:
            order = {"n": n, "total": mixed % 500, "products": [{**product, "name": "Shirt"}, product]}
            return {**told, "event_name": "order-completed", "event_properties": order}
        case 5:
            viewed = {"n": n, "title": f"page {mixed % 5}"}
            return {**told, "event_name": "page-view", "event_properties": viewed, "context": {"device": "phone"}}
        case _:
            return {**told, "event_name": "signed in", "event_properties": {"n": n, "how": f"way {mixed % 7}"}}


def is_valid(n: int) -> bool:
    """Whether the event of this number is a valid one."""
    return n % 9 != 0


def guest(n: int) -> str:
    """The visitor of this number of the guests: contacts that come and are forgotten."""
    return f"guest{(n - _OF_GUESTS) // 10}"


def prepare(folder: Path, lines: list[int]) -> None:
    """An empty store with contacts, and files of so many lines that will be imported."""
    with persona.connect(folder / "store.duckdb") as book:
        book.import_contacts([{"visitor_id": visitor} for visitor in [*VISITORS, "stepper"]])
    first = _OF_FILES
    for k, count in enumerate(lines):
        with (folder / f"{k}.jsonl").open("w") as file:
            for n in range(first, first + count):
                line = event(n)
                if lines == FILES["long"]:
                    line["event_properties"]["pad"] = "x" * PADDING
                file.write(json.dumps(line) + "\n")
        first += count


def numbers_of_file(folder: Path, k: int) -> list[int]:
    """The numbers of the events in the k-th file."""
    lines = (folder / f"{k}.jsonl").read_text().splitlines()
    return [json.loads(line)["event_properties"]["n"] for line in lines]


# ── the worker ────────────────────────────────────────────────────────────────────────────────────────────────────


class Ledger:
    """An append-only file of what was begun and what was done; a line is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def call(self, op: str, key: int, numbers: list[int], call: Callable[[], object]) -> None:
        self._write("begin", op, key, numbers)
        call()
        self._write("done", op, key, numbers)

    def error(self, error: Exception) -> None:
        self._write("error", f"{type(error).__name__}: {error}", 0, [])

    def _write(self, *words: object) -> None:
        os.write(self._handle, json.dumps(words).encode() + b"\n")


def work(folder: Path, run: int) -> None:
    """Everything at once, until somebody kills this process. `run`: how many have been killed before it."""
    ledger, past = Ledger(folder / "ledger"), read_ledger(folder / "ledger")
    book = persona.connect(folder / "store.duckdb")
    base, count = run * 10**6, len(list(folder.glob("*.jsonl")))

    def forever(job: Callable[[int], None]) -> None:
        try:
            for i in range(10**6):
                job(i)
        except Exception as error:  # noqa: BLE001  the checker says what it was
            ledger.error(error)

    def files(i: int) -> None:
        undone = [k for k in range(count) if k not in past.files.done]
        k = undone[i] if i < len(undone) else i % count  # again: it adds nothing
        ledger.call("file", k, [], lambda: book.import_events(folder / f"{k}.jsonl"))

    def calls(op: str, first: int, sizes: list[int], i: int) -> None:
        start = base + first + max(sizes) * i
        if start >= base + first + 100_000:  # no numbers are left: nobody lets a worker live so long
            time.sleep(1)
            return
        numbers = list(range(start, start + sizes[i % len(sizes)]))
        ledger.call(op, start, numbers, lambda: book.import_events([event(n) for n in numbers]))

    def again(i: int) -> None:
        """Calls whose events all have a message_id; those that were not acknowledged before are sent again."""
        unsure = [numbers for key, numbers in past.again.begun.items() if key not in past.again.done]
        start = base + 500_000 + 80 * i
        numbers = unsure[i] if i < len(unsure) else list(range(start + 1, start + 80, 2))
        ledger.call("again", numbers[0], numbers, lambda: book.import_events([event(n) for n in numbers]))

    def steps(i: int) -> None:
        step = base + i
        change = {"visitor_id": "stepper", "step": step, f"key{step % 5}": "x"}
        ledger.call("step", step, [], lambda: book.import_contacts([change]))

    def guests(i: int) -> None:
        first = _OF_GUESTS + run * 10_000 + i * 10
        numbers = list(range(first, first + 10))
        book.import_contacts([{"visitor_id": guest(first), "city": "Oslo"}])
        ledger.call("come", first, numbers, lambda: book.import_events([event(n) for n in numbers]))
        ledger.call("go", first, numbers, lambda: book.forget(guest(first)))
        time.sleep(0.1)

    def copies(i: int) -> None:
        copy = base + i
        ledger.call("copy", copy, [], lambda: book.backup(folder / f"copy{copy}.duckdb"))
        time.sleep(0.5)

    def order(i: int) -> None:
        ledger.call("compact", base + i, [], book.compact)
        time.sleep(0.2)

    def questions(_: int) -> None:
        if len(book.ask(Query(Everyone())).visitor_ids) < len(VISITORS):
            raise AssertionError("a question did not find the contacts")
        time.sleep(0.02)

    jobs: list[Callable[[int], None]] = [
        files,
        lambda i: calls("batch", 100_000, [40, 300, 3], i),
        lambda i: calls("one", 200_000, [1], i),
        lambda i: calls("one", 300_000, [1], i),
        lambda i: calls("one", 400_000, [1], i),
        lambda i: calls("one", 600_000, [1], i),
        lambda i: calls("one", 700_000, [1], i),
        again,
        steps,
        guests,
        copies,
        order,
        questions,
    ]
    threads = [threading.Thread(target=forever, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ── the ledger read back ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one kind: key → the numbers of its events."""

    begun: dict[int, list[int]] = field(default_factory=dict)
    done: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a ledger tells."""

    calls: dict[str, Calls]
    errors: list[str]

    @property
    def files(self) -> Calls:
        return self.calls["file"]

    @property
    def again(self) -> Calls:
        return self.calls["again"]

    def open(self) -> list[str]:
        """The kinds of the calls that were begun and never done."""
        return [op for op, calls in self.calls.items() for key in calls.begun if key not in calls.done]


def read_ledger(path: Path, start: int = 0) -> Told:
    """What the ledger tells, from this byte on."""
    told = Told(defaultdict(Calls), [])
    for line in path.read_bytes()[start:].splitlines() if path.exists() else ():
        state, op, key, numbers = json.loads(line)
        if state == "error":
            told.errors.append(op)
        else:
            (told.calls[op].begun if state == "begin" else told.calls[op].done)[key] = numbers
    return told


# ── the checker ───────────────────────────────────────────────────────────────────────────────────────────────────


def check(folder: Path, run: int) -> Told:
    """Compares a store with its ledger, and what it says of its events with the events. `run`: of the last worker."""
    told = read_ledger(folder / "ledger")
    assert told.errors == []
    with persona.connect(folder / "store.duckdb") as book:
        _check_events(book, told, {k: numbers_of_file(folder, k) for k in told.files.begun})
        _check_steps(book, told.calls["step"])
        assert [found for found in book.verify() if found.wrong] == []
    for key in told.calls["copy"].begun:
        if key >= run * 10**6:
            _check_copy(folder / f"copy{key}.duckdb", key in told.calls["copy"].done)
    return told


def _check_events(book: persona.Phonebook, told: Told, files: dict[int, list[int]]) -> None:
    visitors = book.ask(Query(Everyone())).visitor_ids
    assert len(set(visitors)) == len(visitors)
    stored: list[dict[str, Any]] = []
    for visitor in visitors:
        events = book.events(visitor)
        stored += events.astype(object).where(events.notna(), None).to_dict("records")
    for row in stored:
        row["event_properties"] = json.loads(row["event_properties"])
    failed = [json.loads(payload) for payload in book.failed_events()["payload"]]
    there = Counter(row["event_properties"]["n"] for row in stored)
    kept = Counter(payload["event_properties"]["n"] for payload in failed)

    wanted: set[int] = set()  # what is there, as far as it is accounted for
    for op in ("batch", "one", "again"):
        for key, numbers in told.calls[op].begun.items():
            wanted |= _whole(op, numbers, there, kept, {1} if key in told.calls[op].done else {0, 1})
    come, go = told.calls["come"], told.calls["go"]
    for key, numbers in come.begun.items():
        may = {0} if key in go.done else {0, 1} if key in go.begun or key not in come.done else {1}
        wanted |= _whole("guest", numbers, there, kept, may)
        assert key not in go.done or guest(key) not in visitors
    for k, numbers in files.items():
        found = sum((there if is_valid(n) else kept)[n] for n in numbers)
        assert found == len(numbers) or k not in told.files.done, f"file {k}: {found} of {len(numbers)}"
        wanted |= _whole(f"file {k}", numbers[:found], there, kept, {1})
    assert there.keys() | kept.keys() == wanted
    for n in there:
        assert is_valid(n)
    _check_catalog(book, stored)


def _whole(op: str, numbers: Iterable[int], there: Counter[int], kept: Counter[int], may: set[int]) -> set[int]:
    """All events of these numbers are there equally often: as often as they may be. Returns those that are there."""
    counts = {(there if is_valid(n) else kept)[n] for n in numbers}
    assert len(counts) <= 1 and counts <= may, f"{op} {numbers}: {counts}, not {may}"
    return set(numbers) if counts == {1} else set()


def _check_catalog(book: persona.Phonebook, stored: list[dict[str, Any]]) -> None:
    """Event types with their counts, times and keys, and products, are those of the events."""
    counts: Counter[str] = Counter()
    times: dict[str, list[datetime]] = defaultdict(list)
    keys: dict[str, set[str]] = defaultdict(set)
    products: set[str] = set()
    for row in stored:
        name, properties = row["event_name"], row["event_properties"]
        counts[name] += 1
        times[name].append(row["event_timestamp"])
        keys[name] |= properties.keys()
        keys[name] |= {f"context.{key}" for key in json.loads(row["context"])} if row["context"] else set()
        for product in [properties, *properties.get("products", [])]:
            products |= {product["product_id"]} if "product_id" in product else set()
        keys[name] |= {f"products.{key}" for item in properties.get("products", []) for key in item}
    types = book.event_types().set_index("name")
    assert types["count"].to_dict() == dict(counts)
    for name in counts:
        row = types.loc[name]
        assert (row["first_seen"], row["last_seen"]) == (min(times[name]), max(times[name]))
        assert set(row["keys"]) == keys[name]
    assert set(book.products()["product_id"]) == products


def _check_steps(book: persona.Phonebook, steps: Calls) -> None:
    """The one contact that is changed all the time has at least the last change that was acknowledged."""
    answer = book.ask(Query(Everyone(), Users((AttributeColumn("step"),))))
    (found,) = [row["step"] for row in answer.rows if row["visitor_id"] == "stepper"]
    assert max(steps.done, default=-1) <= int(found if found is not None else -1) <= max(steps.begun, default=-1)


def _check_copy(copy: Path, done: bool) -> None:
    """A copy is whole, or it is not there."""
    assert copy.exists() or not done
    if copy.exists():
        with persona.connect(copy) as book:
            counted = book.ask(Query(Everyone(), CountUsers())).value
            assert counted is not None and counted >= len(VISITORS)
            assert [found for found in book.verify() if found.wrong] == []
        copy.unlink()
