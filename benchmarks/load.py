"""The service under load: events and questions at once, then kill -9 and a count. Prints; asserts that nothing is lost.

Run it as `python -m benchmarks.load [--seconds 60] [--events 1000000] [--senders 8] [--askers 2]`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import persona
from persona import sample
from storage.store import Store

EVENTS = 10  # in one request
PEOPLE = 28_800  # their year has about a million events
QUESTIONS = sample.QUESTIONS


@dataclass(slots=True)
class Sent:
    """What one connection saw: how long each request took, in milliseconds; what was acknowledged; what went wrong."""

    took: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def prepare(store: Path, events: int) -> str:
    """A store with so many events in it, and a key to it."""
    shop = sample.shop(people=max(100, PEOPLE * events // 1_000_000))
    with persona.connect(store, "shop") as book:
        book.import_contacts(shop.contacts)
        book.import_events(shop.events[:events])
    opened = Store.open(store)
    key = opened.create_key(["shop"], "admin")[1]
    opened.close()
    return key


def serve(store: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A running service, and its host and port."""
    command = [sys.executable, "-m", "persona", "--store", str(store), "serve", "--port", "0", "--rate", "100000"]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stderr=said)
    while True:
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        if found := re.search(r"serving http://(\S+)", log.read_text()):
            return process, found[1]
        time.sleep(0.05)


def post(connection: http.client.HTTPConnection, key: str, path: str, body: bytes) -> tuple[int, bytes]:
    headers = {"authkey": key, "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/phonebooks/shop{path}", body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def send(host: str, key: str, name: str, until: float, sent: Sent) -> None:
    """Sends events as fast as they are answered."""
    connection = http.client.HTTPConnection(host, timeout=60)
    for number in range(10_000_000):
        if time.monotonic() > until:
            return
        ids = [f"{name}-{number}-{n}" for n in range(EVENTS)]
        body = ",".join(
            f'{{"event_name":"product-viewed","visitor_id":"v{n % 100 + 1:04}","message_id":"{one}",'
            f'"event_properties":{{"product_id":"P{n:03}","name":"Red Shirt","price":"19.90"}}}}'
            for n, one in enumerate(ids)
        )
        began = time.perf_counter()
        try:
            status, answer = post(connection, key, "/events", f'{{"data":[{body}]}}'.encode())
        except (OSError, http.client.HTTPException) as error:
            sent.errors.append(repr(error))
            return
        sent.took.append((time.perf_counter() - began) * 1000)
        if status == 200 and json.loads(answer)["accepted"] == EVENTS:
            sent.acknowledged += ids
        else:
            sent.errors.append(f"{status} {answer[:200]!r}")


def ask(host: str, key: str, until: float, sent: Sent) -> None:
    """Asks one question after the other."""
    connection = http.client.HTTPConnection(host, timeout=60)
    number = 0
    while time.monotonic() < until:
        body = json.dumps({"query": QUESTIONS[number % len(QUESTIONS)], "now": sample.NOW.isoformat(), "limit": 100})
        began = time.perf_counter()
        try:
            status, answer = post(connection, key, "/persona", body.encode())
        except (OSError, http.client.HTTPException) as error:
            sent.errors.append(repr(error))
            return
        sent.took.append((time.perf_counter() - began) * 1000)
        if status != 200:
            sent.errors.append(f"{status} {answer[:200]!r}")
        number += 1


def run(host: str, key: str, name: str, seconds: float, senders: int, askers: int) -> tuple[list[Sent], list[Sent]]:
    """So many connections of each kind, for so long."""
    until = time.monotonic() + seconds
    sending, asking = [Sent() for _ in range(senders)], [Sent() for _ in range(askers)]
    threads = [
        threading.Thread(target=send, args=(host, key, f"{name}-{n}", until, sent)) for n, sent in enumerate(sending)
    ]
    threads += [threading.Thread(target=ask, args=(host, key, until, sent)) for sent in asking]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sending, asking


def line(what: str, seconds: float, all_sent: list[Sent], each: int) -> None:
    took = sorted(took for sent in all_sent for took in sent.took)
    if not took:
        return
    errors = [error for sent in all_sent for error in sent.errors]
    p50, p99 = statistics.median(took), took[min(len(took) - 1, len(took) * 99 // 100)]
    rate = len(took) / seconds
    many = f", {rate * each:,.0f} events/s" if each > 1 else ""
    print(
        f"{what:24}{rate:8,.0f} requests/s{many}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(errors)} errors", flush=True
    )
    for error in errors[:3]:
        print(f"  {error}")


def worked(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that the service has used."""
    parts = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--senders", type=int, default=8)
    parser.add_argument("--askers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "load.duckdb"
        began = time.perf_counter()
        key = prepare(store, given.events)
        print(f"{given.events:,} events there already, in {time.perf_counter() - began:.0f} s", flush=True)
        process, host = serve(store, Path(folder) / "log")
        run(host, key, "warm", 2, 1, 1)
        for what, senders, askers in (
            ("questions alone", 0, given.askers),
            ("events alone", given.senders, 0),
            ("both at once", given.senders, given.askers),
        ):
            seconds = given.seconds if senders and askers else given.seconds / 4
            before = worked(process)
            sending, asking = run(host, key, what.replace(" ", ""), seconds, senders, askers)
            print(f"{what}: {worked(process) - before:.1f} s of processor time in {seconds:.0f} s", flush=True)
            line(f"{what}: events", seconds, sending, EVENTS)
            line(f"{what}: asked", seconds, asking, 1)
        kill(process, host, key, store, given.senders)


def kill(process: subprocess.Popen[bytes], host: str, key: str, store: Path, senders: int) -> None:
    """Ends the service with kill -9 while it stores; then what was acknowledged is there, once."""
    threading.Timer(3.0, process.send_signal, [signal.SIGKILL]).start()
    sending, _ = run(host, key, "kill", 20, senders, 0)
    process.wait()
    acknowledged = [one for sent in sending for one in sent.acknowledged]
    with persona.connect(store, "shop") as book:
        stored = [one for n in range(EVENTS) for one in book.events(f"v{n + 1:04}")["message_id"].dropna()]
    lost, twice = set(acknowledged) - set(stored), len(stored) - len(set(stored))
    print(f"killed with -9: {len(acknowledged):,} acknowledged, {len(lost)} lost, {twice} twice")
    if lost or twice:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
