"""kill -9 at random instants of everything a store does at once: nothing acknowledged is lost, nothing is there twice.

`--kills` says how often (20; `make crash`: 200). A store is killed several times: what one worker left open, the next
goes on with. What is done and how it is checked: `crashing.py`.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path

import crashing
import pytest

KILLS_OF_A_STORE = 5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("--kills") // KILLS_OF_A_STORE))


def test_kill(seed: int, tmp_path: Path) -> None:
    """Kills workers at random instants, some before they have opened the store."""
    processes = multiprocessing.get_context("forkserver")  # starts in milliseconds, and shares no threads with us
    processes.set_forkserver_preload(["crashing", "persona.engine", "grammar.reader", "storage.backends.duckdb"])
    crashing.prepare(tmp_path, crashing.FILES["long" if seed % 4 == 3 else "short"])
    ledger = tmp_path / "ledger"
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    interrupted: Counter[str] = Counter()
    for run in range(KILLS_OF_A_STORE):
        size = ledger.stat().st_size if ledger.exists() else 0
        worker = processes.Process(target=crashing.work, args=(tmp_path, run))
        worker.start()
        # By what it has done, not by the clock: then a busy machine is as good as a quiet one.
        for _ in range(chance.choice([0, chance.randrange(100)])):
            before = ledger.stat().st_size if ledger.exists() else 0
            while (ledger.stat().st_size if ledger.exists() else 0) == before:
                time.sleep(0.002)
                assert worker.is_alive(), "it ended by itself"
        time.sleep(chance.uniform(0, 0.2))
        worker.kill()
        worker.join()
        told = crashing.check(tmp_path, run)
        done = Counter({op: len(calls.done) for op, calls in told.calls.items()})
        interrupted.update(crashing.read_ledger(ledger, size).open())
    print(f"\nstore {seed}: done {dict(done)}, interrupted {dict(interrupted)}", end=" ")
