"""Time and peak memory of exporting a segment with millions of members. Prints; asserts nothing.

python benchmarks/export.py [CONTACTS]; each export runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

import persona

CONTACTS = 5_000_000
FEW = 1_000


def made(path: Path, contacts: int) -> None:
    """A store of so many contacts, with an attribute each. All but a few are written into its table at once: what is
    measured here is not how they come in."""
    with persona.connect(path) as book:
        book.import_contacts({"visitor_id": f"v{number}", "city": f"City {number % 90}"} for number in range(FEW))
        book.segments.save("all", "everyone")
    with duckdb.connect(path) as store:
        store.execute(
            "INSERT INTO p1.contact BY NAME "
            "SELECT contact + copy * ? AS contact, visitor_id || '-' || copy AS visitor_id, "
            "* EXCLUDE (contact, visitor_id, copy) FROM p1.contact, range(1, ?) copies(copy)",
            [FEW, contacts // FEW],
        )


def exported(store: str, file: str) -> None:
    """In a process of its own: prints seconds, and the peak of its memory."""
    before = peak()
    with persona.connect(store) as book:
        began = time.perf_counter()
        book.segments.export("all", file, columns="city" if "city" in file else None)
        took = time.perf_counter() - began
    print(f"{took:.1f} s, peak {peak():,} MB ({before:,} MB before the store is open)")


def peak() -> int:
    """The most memory that this process has had, in MB. (getrusage tells that of the process that started it, too.)"""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def main(contacts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "bench.duckdb"
        began = time.perf_counter()
        made(store, contacts)
        print(f"{contacts:,} contacts in: {time.perf_counter() - began:.0f} s", flush=True)
        for name in ("ids.csv", "ids.parquet", "city.csv", "city.jsonl", "city.parquet"):
            file = Path(folder) / name
            said = subprocess.check_output([sys.executable, __file__, "--one", store, file], text=True).strip()
            print(f"  {name:14}{file.stat().st_size / 1e6:8.0f} MB  {said}", flush=True)
            file.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        exported(*sys.argv[2:4])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else CONTACTS)
