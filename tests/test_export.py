"""Rows to files: read back they are the members, the bytes are the same, and no half file is ever seen."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import persona
from persona import sample
from persona.export import export

SPENT = "users who spent over 500"
SUFFIXES = [".csv", ".jsonl", ".json", ".parquet", ".arrow"]


def read_back(path: Path) -> list[dict[str, Any]]:
    match path.suffix:
        case ".csv":
            return list(csv.DictReader(path.open(newline="")))
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
        case ".json":
            rows: list[dict[str, Any]] = json.loads(path.read_text())
            return rows
        case ".parquet":
            return list(pyarrow.parquet.read_table(path).to_pylist())
        case _:
            return list(pa.ipc.open_file(path).read_all().to_pylist())


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, shop_store: Path) -> Iterator[persona.Phonebook]:
    with persona.connect(shutil.copy(shop_store, tmp_path_factory.mktemp("export"))) as opened:
        opened.segments.save("VIP", SPENT)
        yield opened


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_segment_read_back_is_its_members(book: persona.Phonebook, tmp_path: Path, suffix: str) -> None:
    members = book.segments.members("VIP", now=sample.NOW)
    seen: list[tuple[int, int | None]] = []
    columns = ["tier", "spend and last order date"]
    one = book.segments.export(
        "VIP", tmp_path / f"one{suffix}", sample.NOW, columns, progress=lambda *at: seen.append(at)
    )
    rows = read_back(one)
    assert [row["visitor_id"] for row in rows] == members
    assert list(rows[0]) == ["visitor_id", "tier", "spend", "last_order_completed"]
    assert seen == [(len(members), None)]
    answer = book.ask(f"{SPENT}, and show their tier, spend and last order date", now=sample.NOW)
    two = answer.export(tmp_path / f"two{suffix}")
    three = book.ask(SPENT, now=sample.NOW).export(tmp_path / f"three{suffix}", columns)
    assert one.read_bytes() == two.read_bytes() == three.read_bytes(), "the same now, the same bytes"


def test_columns_are_attributes_and_measures(book: persona.Phonebook, tmp_path: Path) -> None:
    answer = book.ask(SPENT, now=sample.NOW)
    with pytest.raises(persona.NotUnderstood, match="shoe"):
        answer.export(tmp_path / "out.csv", ["name", "shoe size"])
    with pytest.raises(persona.NotUnderstood):
        answer.export(tmp_path / "out.csv", ["name of users who bought"])
    with pytest.raises(ValueError, match="columns are chosen for users"):
        book.ask("how many users", now=sample.NOW).export(tmp_path / "out.csv", ["name"])
    assert list(tmp_path.iterdir()) == []


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.sampled_from(
    ["=1+2", "@SUM(A1)", "+1", "-1", "\t=1", "\r=1", "'=1", '"', ",", "a\nb", ""]
)


@settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.none() | st.integers(-9, 9)), max_size=30),
    st.sampled_from(SUFFIXES),
)
def test_what_is_written_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str | None, int | None]], suffix: str
) -> None:
    schema = pa.schema([("visitor_id", pa.string()), ("note", pa.string()), ("=n", pa.int64())])
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    back = read_back(export(table.to_reader(max_chunksize=7), tmp_path / f"out{suffix}"))
    if suffix == ".csv":
        assert [tuple(row.values()) for row in back] == [(a, b or "", "" if n is None else str(n)) for a, b, n in rows]
        guarded = read_back(export(table.to_reader(), tmp_path / "safe.csv", spreadsheet=True))
        for row, (a, b, n) in zip(guarded, rows, strict=True):
            assert row["'=n"] == ("" if n is None else str(n)), "a number is no formula"
            for cell, text in ((row["visitor_id"], a), (row["note"], b or "")):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
                assert cell.removeprefix("'") == text or cell == text
    else:
        assert [tuple(row.values()) for row in back] == rows


def test_batches_do_not_show_in_the_file(tmp_path: Path) -> None:
    table = pa.table({"visitor_id": [f"v{n}" for n in range(120_001)]})
    written = []
    for size in (120_001, 50_000, 999):
        for suffix in (".parquet", ".csv"):
            export(table.to_reader(max_chunksize=size), tmp_path / f"out{suffix}")
        written.append(((tmp_path / "out.parquet").read_bytes(), (tmp_path / "out.csv").read_bytes()))
    assert written[0] == written[1] == written[2]
    assert duckdb.sql(f"select count(*) from '{tmp_path}/out.parquet'").fetchall() == [(120_001,)]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from pa.table({"visitor_id": ["v1"] * 60_000}).to_batches()
        raise OSError("the disk is gone")

    (tmp_path / "out.csv").write_text("the old one")
    with pytest.raises(OSError, match="gone"):
        export(
            pa.RecordBatchReader.from_batches(pa.schema([("visitor_id", pa.string())]), broken()), tmp_path / "out.csv"
        )
    assert (tmp_path / "out.csv").read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


_EXPORTS = """
import sys, pyarrow
from persona.export import export
table = pyarrow.table({"visitor_id": [f"v{n}" for n in range(400_000)]})
print("ready", flush=True)
while True:
    export(table.to_reader(), sys.argv[1])
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_kill_leaves_no_half_file(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    for after in (0.02, 0.1, 0.4):
        with subprocess.Popen([sys.executable, "-c", _EXPORTS, target], stdout=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            time.sleep(after)
            os.kill(process.pid, signal.SIGKILL)
        if target.exists():
            assert len(read_back(target)) == 400_000
