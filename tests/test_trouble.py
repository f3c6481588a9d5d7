"""Trouble with the disk, the file or another process: a clear error, exit status 1, and nothing harmed.

Full and read-only disks are small tmpfs mounts, where we may mount; the limit of a file's size, which makes writes fail
in the same way, is there for everybody.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from storage.backends import duckdb as engine
from storage.errors import StorageError
from storage.schema import VERSION
from storage.store import Book, Store


def events(first: int, count: int = 400) -> list[dict[str, Any]]:
    """So many events that do not compress well. What is random is too deep for the catalog, which would index it."""
    chance = random.Random(first)
    return [
        {
            "event_name": "signed in",
            "visitor_id": "v1",
            "event_properties": {"n": n, "a": {"b": {"noise": chance.randbytes(400).hex()}}},
            "message_id": f"m{n}",
        }
        for n in range(first, first + count)
    ]


def numbers(book: Book) -> list[int]:
    return sorted(json.loads(row["event_properties"])["n"] for row in book.events("v1").to_pylist())


def sound(store: Store) -> bool:
    return not [check for check in store.verify() if check.wrong]


def run(*words: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own; no file may grow beyond `limit` bytes."""

    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "persona", *map(str, words)], capture_output=True, text=True, preexec_fn=limited
    )
    assert "Traceback" not in done.stderr
    return done


# ── a full disk ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("we may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


# In its log, and in the middle of a checkpoint, which leaves the engine unusable until it is opened anew.
@pytest.mark.parametrize("checkpoint", ["256MB", "1MB"])
def test_events_come_until_the_disk_is_full(disk: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine._CONFIG, "checkpoint_threshold", checkpoint)
    (disk / "room").write_bytes(b"x" * 2**22)
    store = Store.open(disk / "s.duckdb")
    book = store.phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}])
    stored = 0
    with pytest.raises(StorageError, match=r"The disk is full.*make room") as error:
        for _ in range(100):
            book.import_events(events(stored))
            stored += 400
    assert error.value.code == "full"
    assert numbers(book) == list(range(stored)), "it still answers, and with what was acknowledged"
    (disk / "room").unlink()
    assert book.import_events(events(stored)).accepted == 400, "it still writes"
    store.close()
    store = Store.open(disk / "s.duckdb")
    assert numbers(store.phonebook("shop")) == list(range(stored + 400))
    assert sound(store)
    store.close()


@pytest.mark.parametrize("checkpoint", ["256MB", "1MB"])
def test_calls_and_questions_until_the_disk_is_full(
    disk: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some threads send while another has what they sent take its places: until nothing has room any more."""
    monkeypatch.setitem(engine._CONFIG, "checkpoint_threshold", checkpoint)
    (disk / "room").write_bytes(b"x" * 2**22)
    store = Store.open(disk / "s.duckdb")
    book = store.phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}])
    acknowledged: list[int] = []
    unsure: list[int] = []
    unseen: set[int] = set()

    def send(first: int) -> None:
        for start in range(first, first + 10_000, 20):
            try:
                assert book.import_events(events(start, 20)).accepted == 20
            except StorageError as error:
                assert error.code == "full", error
                unsure.extend(range(start, start + 20))
                return
            acknowledged.extend(range(start, start + 20))

    def ask() -> None:
        while any(thread.is_alive() for thread in senders):
            sent = set(acknowledged)
            with suppress(StorageError):  # one that ran when the database had to be opened anew
                unseen.update(sent - set(numbers(book)))

    senders = [threading.Thread(target=send, args=[10_000 * n]) for n in range(3)]
    asking = threading.Thread(target=ask)
    for thread in (*senders, asking):
        thread.start()
    for thread in (*senders, asking):
        thread.join(60)
        assert not thread.is_alive()
    assert not unseen
    found = numbers(book)
    assert set(acknowledged) <= set(found) <= {*acknowledged, *unsure}
    assert len(found) == len(set(found))
    (disk / "room").unlink()
    for start in sorted(unsure)[::20]:
        book.import_events(events(start, 20))
    store.close()
    store = Store.open(disk / "s.duckdb")
    assert numbers(store.phonebook("shop")) == sorted({*acknowledged, *unsure})
    assert sound(store)
    store.close()


def test_no_room_for_a_copy(disk: Path, tmp_path: Path) -> None:
    store = Store.open(disk / "s.duckdb")
    book = store.phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "the-one-who-goes"}])
    book.import_events(events(0))
    assert numbers(book) == list(range(400))  # they have their places
    filler = fill(disk)
    there = sorted(disk.iterdir())
    # Beside the store, for a copy or to write it anew without somebody; or where the copy shall be.
    for call in (lambda: store.backup(tmp_path / "copy"), lambda: book.forget("the-one-who-goes")):
        with pytest.raises(StorageError, match="The disk is full") as error:
            call()
        assert error.value.code == "full"
        assert sorted(disk.iterdir()) == there
    assert numbers(book) == list(range(400))
    filler.unlink()
    other = Store.open(tmp_path / "other.duckdb")
    fill(disk)
    with pytest.raises(StorageError, match="No space left") as error:
        other.backup(disk / "copy")
    assert error.value.code == "full"
    assert not list(disk.glob("copy*"))
    other.close()
    (disk / "filler").unlink()
    store.close()
    store = Store.open(disk / "s.duckdb")
    assert b"the-one-who-goes" not in (disk / "s.duckdb").read_bytes(), "it is written anew when there is room"
    assert numbers(store.phonebook("shop")) == list(range(400))
    store.close()


def test_a_new_store_on_a_full_disk(disk: Path) -> None:
    fill(disk)
    with pytest.raises(StorageError, match="The disk is full") as error:
        Store.open(disk / "s.duckdb")
    assert error.value.code == "full"


def test_an_import_that_runs_out_of_room_goes_on_when_there_is_some(tmp_path: Path) -> None:
    store, file = tmp_path / "s.duckdb", tmp_path / "e.jsonl"
    file.write_text("".join(json.dumps({**event, "message_id": None}) + "\n" for event in events(0, 25_000)))
    assert Store.open(store).phonebook("default").import_contacts([{"visitor_id": "v1"}]).accepted == 1
    done = run("--store", store, "import", "events", file, limit=16_000_000)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("persona: The disk is full.")
    opened = Store.open(store)
    before = numbers(opened.phonebook("default"))
    assert len(before) < 25_000
    assert before == list(range(len(before)))
    opened.close()
    done = run("--store", store, "import", "events", file)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{25_000 - len(before):,} accepted")
    opened = Store.open(store)
    assert numbers(opened.phonebook("default")) == list(range(25_000))
    assert sound(opened)
    opened.close()


# ── a disk or file that cannot be written ─────────────────────────────────────────────────────────────────────────


def test_a_read_only_disk(disk: Path, tmp_path: Path) -> None:
    store = disk / "s.duckdb"
    Store.open(store).close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    content = store.read_bytes()
    for words in (["event-types"], ["--store", disk / "new.duckdb", "import", "contacts", tmp_path / "c.jsonl"]):
        (tmp_path / "c.jsonl").write_text('{"visitor_id": "v1"}\n')
        done = run("--store", store, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be opened" in done.stderr
        assert "Read-only file system" in done.stderr
    assert store.read_bytes() == content
    other = Store.open(tmp_path / "other.duckdb")
    with pytest.raises(StorageError, match="Read-only file system") as error:
        other.backup(disk / "copy")
    assert error.value.code == "unwritable"
    other.close()


def test_a_store_in_use(tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    held = Store.open(store)
    book = held.phonebook("default")
    book.import_contacts([{"visitor_id": "v1"}])
    # Also after its file was written anew.
    for commands in ([["verify"], ["forget", "v1"]], [["backup", tmp_path / "copy"]]):
        for words in commands:
            done = run("--store", store, *words)
            assert (done.returncode, done.stdout) == (1, "")
            assert f"is open in another process (process {os.getpid()})" in done.stderr
        book.forget("v0")
        assert book.import_events(events(0, 1)).accepted in (0, 1)
    assert numbers(book) == [0]
    held.close()
    assert run("--store", store, "verify").returncode == 0


# ── damaged and newer files ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("healthy") / "s.duckdb"
    store = Store.open(path)
    book = store.phonebook("default")
    book.import_contacts([{"visitor_id": "v1"}])
    book.import_events(events(0, 4000))
    store.close()
    return path


def flipped(content: bytearray, at: int) -> None:
    content[at] ^= 1 << at % 8


def overwritten(content: bytearray, at: int) -> None:
    content[at : at + 5000] = random.Random(at).randbytes(len(content[at : at + 5000]))


def cut(content: bytearray, at: int) -> None:
    del content[at:]


def _look(path: str, told: Any) -> None:
    try:
        store = Store.open(path)
        wrong = [check.what for check in store.verify() if check.wrong]
        told.put(("opened", wrong, len(numbers(store.phonebook("default")))))
    except StorageError as error:
        told.put((error.code, error.message, 0))


@pytest.mark.parametrize("harm", [flipped, overwritten, cut])
def test_a_damaged_file_is_said_to_be_one_or_holds_everything(
    healthy: Path, tmp_path: Path, harm: Callable[[bytearray, int], None]
) -> None:
    """In a process of its own, for the engine could fall over it."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["storage.store", "storage.backends.duckdb", "test_trouble"])
    content, told, said = healthy.read_bytes(), processes.Queue(), []
    chance = random.Random(7)
    for _ in range(4):
        bad = bytearray(content)
        harm(bad, chance.randrange(len(bad)))
        path = tmp_path / "s.duckdb"
        path.write_bytes(bad)
        looker = processes.Process(target=_look, args=(str(path), told))
        looker.start()
        what, message, count = told.get(timeout=60)
        looker.join()
        assert looker.exitcode == 0
        assert (what, message, count) == ("opened", [], 4000) or what == "damaged", message
        said.append(what)
    assert "damaged" in said


def test_a_damaged_file_on_the_command_line(healthy: Path, tmp_path: Path) -> None:
    content = bytearray(healthy.read_bytes())
    overwritten(content, len(content) // 2)
    (tmp_path / "s.duckdb").write_bytes(content)
    done = run("--store", tmp_path / "s.duckdb", "verify")
    assert done.returncode == 1
    assert "damaged" in done.stderr


def test_a_newer_store_on_the_command_line(healthy: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    store.write_bytes(healthy.read_bytes())
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE meta.store SET version = ?", [VERSION + 1])
    content = store.read_bytes()
    for words in (["verify"], ["forget", "v1"]):
        done = run("--store", store, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "was written by a newer persona" in done.stderr
    assert store.read_bytes() == content


def test_a_log_that_ends_too_soon_holds_whole_batches(tmp_path: Path) -> None:
    """What a crash of the machine may leave of a write that was not acknowledged."""
    store = tmp_path / "s.duckdb"
    code = (
        "import os, sys, test_trouble\nstore = test_trouble.Store.open(sys.argv[1])\n"
        "book = store.phonebook('default')\n"
        "book.import_contacts([{'visitor_id': 'v1'}])\n"
        "for n in range(20): book.import_events(test_trouble.events(50 * n, 50))\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, store], cwd=Path(__file__).parent, check=True)
    database, log = store.read_bytes(), Path(f"{store}.wal").read_bytes()
    chance, counts = random.Random(3), set()
    for _ in range(4):
        store.write_bytes(database)
        Path(f"{store}.wal").write_bytes(log[: chance.randrange(len(log) // 3, len(log))])
        opened = Store.open(store)
        found = numbers(opened.phonebook("default"))
        assert len(found) % 50 == 0
        assert found == list(range(len(found)))
        assert sound(opened)
        opened.close()
        counts.add(len(found))
    assert len(counts) > 1
