"""The store as a whole: opening and refusing, phonebooks apart, what it keeps, and what a question can never do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from grammar.query import AT_LEAST_ONCE, Attribute, Count, CountUsers, Events, Everyone, Has, Query, Text, did
from storage.backends import Backend, Stop
from storage.backends.duckdb import DuckDB
from storage.errors import StorageError
from storage.load import Report
from storage.schema import TABLES, VERSION
from storage.store import Store

NOW = datetime(2026, 3, 1, 12)


def event(visitor: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"event_name": "login", "visitor_id": visitor, "event_properties": properties or {}, **more}


def code_of(path: Path | str) -> str:
    with pytest.raises(StorageError) as error:
        Store.open(path)
    assert error.value.message == str(error.value)
    return error.value.code


# ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = Store.open(path)
    book = store.phonebook("shop", "Asia/Kolkata")
    book.import_contacts([{"visitor_id": "v1", "tier": "gold"}])
    book.import_events([event("v1", {"how": "sso"}), event("v2")])
    book.define("vip", "gold members", Query(Attribute(("tier",), Text("is", ("gold",)))))
    version = book.vocabulary().version
    store.close()
    store.close()

    book = Store.open(str(path)).phonebook("shop")
    assert (book.name, book.zone, book.strict) == ("shop", "Asia/Kolkata", False)
    assert book.vocabulary().version == version
    assert set(book.vocabulary().values(["gold", "sso"])) == {"gold", "sso"}
    assert book.event_types().column("count").to_pylist() == [1]
    assert book.failed_events().num_rows == 1
    assert [term.word for term in book.terms()] == ["vip"]
    assert book.import_events([event("v1")]) == Report(accepted=1)
    assert book.events("v1").num_rows == 2


def test_a_store_that_another_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    hold = f"import duckdb, sys; held = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        with pytest.raises(
            StorageError, match=f"open in another process .process {holder.pid}.*close that one"
        ) as error:
            Store.open(path)
        holder.stdin.close()
    assert error.value.code == "locked"
    Store.open(path).close()


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 10_000)
    assert code_of(tmp_path / "text") == "damaged"
    (tmp_path / "short").write_text("hello")
    assert code_of(tmp_path / "short") == "damaged"
    assert code_of(tmp_path) == "unwritable"
    assert code_of(tmp_path / "no folder" / "store.duckdb") == "unwritable"
    with duckdb.connect(str(tmp_path / "foreign")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    assert code_of(tmp_path / "foreign") == "foreign"


def test_a_damaged_store(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    store = Store.open(path)
    store.phonebook("shop").import_contacts([{"visitor_id": f"v{n}"} for n in range(1000)])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\x77" * 4096
    path.write_bytes(content)
    assert code_of(path) == "damaged"


def test_a_store_of_a_newer_release(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    Store.open(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE meta.store SET version = ?", [VERSION + 1])
    assert code_of(path) == "newer"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert code_of(tmp_path / "store.duckdb") == "unwritable"


# ── phonebooks ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_zone_of_a_phonebook() -> None:
    store = Store.open(":memory:")
    assert store.phonebook("a").zone == "UTC"
    assert store.phonebook("b", "Asia/Kolkata").zone == store.phonebook("b").zone == "Asia/Kolkata"
    for zone, said in (
        ("UTC", "is in the time zone Asia/Kolkata, not UTC"),
        ("Mars/Base", "no time zone"),
        ("../x", "no time zone"),
    ):
        with pytest.raises(StorageError, match=said) as error:
            store.phonebook("b", zone)
        assert error.value.code == "zone"
    with pytest.raises(StorageError, match="no time zone"):
        store.phonebook("c", "")
    assert store.phonebook("d", strict=True).strict
    with pytest.raises(StorageError, match="'a' is not strict"):
        store.phonebook("a", strict=True)


def test_phonebooks_know_nothing_of_each_other() -> None:
    store = Store.open(":memory:")
    one, two = store.phonebook("one"), store.phonebook("two")
    one.import_contacts([{"visitor_id": "v1", "tier": "gold"}])
    two.import_contacts([{"visitor_id": "v2", "plan": "pro"}])
    product = {"product": {"product_id": "p1", "name": "Shirt"}}
    sent = [event("v1", product, message_id="m1"), event("v2", {"how": "sso"}, message_id="m2")]
    assert one.import_events(sent) == two.import_events(sent) == Report(accepted=1, failed=1)
    one.define("vip", "gold members", Query(Attribute(("tier",), Text("is", ("gold",)))))

    assert one.products().column("product_id").to_pylist() == ["p1"]
    assert two.products().num_rows == 0
    assert set(one.vocabulary().values(["gold", "pro", "shirt", "sso"])) == {"gold", "shirt"}
    assert set(two.vocabulary().values(["gold", "pro", "shirt", "sso"])) == {"pro", "sso"}
    assert [key.name for key in two.vocabulary().attributes()] == ["plan"]
    assert two.vocabulary().terms() == {}
    assert two.vocabulary().near("shirts") == ()
    assert (one.events("v1").num_rows, one.events("v2").num_rows) == (1, 0)
    assert (two.events("v1").num_rows, two.events("v2").num_rows) == (0, 1)
    assert [row["payload"] for row in two.failed_events().to_pylist()] != [
        row["payload"] for row in one.failed_events().to_pylist()
    ]
    assert one.layout().schema != two.layout().schema
    count = Query(did(Events("login")), CountUsers())
    assert [book.answer(count, datetime(2100, 1, 1, tzinfo=UTC)).table.column(0)[0].as_py() for book in (one, two)] == [
        1,
        1,
    ]


def test_names_of_phonebooks_are_free() -> None:
    store = Store.open(":memory:")
    for name in ("a b", "ü", "'; DROP SCHEMA meta; --", '"', "meta", ""):
        book = store.phonebook(name)
        assert book.import_contacts([{"visitor_id": name or "v"}]) == Report(accepted=1)
        assert store.phonebook(name).name == name


# ── what is read back ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_activity_of_a_contact() -> None:
    book = Store.open(":memory:", clock=lambda: NOW).phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    book.import_events(
        [
            event("v1", {"n": 1}, event_timestamp="2026-01-01 10:00:00"),
            event(
                "v1", {"n": 3}, event_timestamp="2026-01-03 10:00:00", context={"os": "x"}, type="page", message_id="m"
            ),
            event("v2", {"n": 9}),
            event("v1", {"n": 2}, event_timestamp="2026-01-02 10:00:00"),
        ]
    )
    activity = book.events("v1").to_pylist()
    assert [row["event_properties"] for row in activity] == ['{"n":3}', '{"n":2}', '{"n":1}']
    assert activity[0] == {
        "event_name": "login",
        "event_timestamp": datetime(2026, 1, 3, 10),
        "created_at": NOW,
        "event_properties": '{"n":3}',
        "context": '{"os":"x"}',
        "type": "page",
        "message_id": "m",
        "event": 1,
    }
    last = activity[0]
    after = book.events("v1", 1, (last["event_timestamp"], last["event"])).to_pylist()
    assert after == activity[1:2]
    assert book.events("nobody").num_rows == 0
    assert book.events("' OR 1 = 1 --").num_rows == 0


def test_an_answer_and_its_sql() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2"}])
    book.import_events([event("v2", event_timestamp="2026-01-01 10:00:00")])
    now = datetime(2026, 3, 1, tzinfo=UTC)
    result = book.answer(Query(Has(Count(Events("login")), AT_LEAST_ONCE)), now)
    assert result.table.column("visitor_id").to_pylist() == ["v2"]
    assert "select" in result.sql.lower()
    assert book.answer(Query(Everyone()), now).table.column("visitor_id").to_pylist() == ["v1", "v2"]


def test_an_undefined_term() -> None:
    with pytest.raises(StorageError, match="defines no term 'vip'") as error:
        Store.open(":memory:").phonebook("shop").undefine("vip")
    assert error.value.code == "unknown"


# ── what a question can never do ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def backend() -> Backend:
    return DuckDB(":memory:", memory="200MB", seconds=0.2)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "COPY meta.store FROM '/etc/passwd'",
        "EXPORT DATABASE '/tmp/out'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
        "SET python_enable_replacements = true",
        "RESET memory_limit",
        "SELECT * FROM local_frame",
        "CREATE TABLE t (a INTEGER)",
        "DROP SCHEMA main CASCADE",
    ],
)
def test_a_query_cannot_get_out(backend: Backend, sql: str) -> None:
    local_frame = duckdb  # noqa: F841  a name that a replacement scan would find
    with pytest.raises(StorageError) as error:
        backend.query(sql)
    assert error.value.code == "failed"


def test_a_query_is_limited_in_time(backend: Backend) -> None:
    with pytest.raises(StorageError) as error:
        backend.query("SELECT count(*) FROM range(10000000) a, range(100000) b WHERE a.range % 7 = b.range % 5")
    assert error.value.code == "too slow"
    assert backend.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_query_is_limited_in_memory() -> None:
    backend = DuckDB(":memory:", memory="50MB")
    with pytest.raises(StorageError) as error:
        backend.query("SELECT list(range) FROM range(100000000)")
    assert error.value.code == "too big"
    assert backend.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_transaction_that_fails_leaves_nothing(backend: Backend) -> None:
    with pytest.raises(ZeroDivisionError), backend.write() as tx:
        tx.run("CREATE TABLE t (a INTEGER)")
        1 / 0  # noqa: B018
    with pytest.raises(StorageError), backend.write() as tx:
        tx.run("CREATE TABLE t (a INTEGER)")
        tx.run("SELECT nonsense")
    with backend.write() as tx:
        tx.run("CREATE TABLE t (a INTEGER)")
        tx.run("INSERT INTO t VALUES (?)", [7])
        assert tx.rows("SELECT a FROM t") == [(7,)]
    assert backend.query("SELECT a FROM t WHERE a = ?", [7]).to_pylist() == [{"a": 7}]


def test_questions_while_events_come_in() -> None:
    book = Store.open(":memory:").phonebook("shop")
    book.import_contacts([{"visitor_id": f"v{n}"} for n in range(50)])
    query, now = Query(did(Events("login")), CountUsers()), datetime(2100, 1, 1, tzinfo=UTC)
    counts: list[int] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(10):
                counts.append(book.answer(query, now).table.column(0)[0].as_py())
                book.vocabulary().values(["a", "b"])
        except Exception as error:  # noqa: BLE001  the test says what it was
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(50):
        book.import_contacts([{"visitor_id": f"v{n}", f"k{n}": "a"}])
        book.import_events([event(f"v{n}", {"how": "b"})])
    for thread in threads:
        thread.join()
    assert errors == []
    assert max(counts) <= 50
    assert book.answer(query, now).table.column(0)[0].as_py() == 50


def test_every_table_is_made_as_the_schema_says() -> None:
    book = Store.open(":memory:").phonebook("shop")
    made: dict[str, list[str]] = {}
    columns = "SELECT table_name, column_name FROM duckdb_columns() "
    columns += "WHERE schema_name = 'p1' ORDER BY table_name, column_index"
    for row in book._backend.query(columns).to_pylist():
        made.setdefault(row["table_name"], []).append(row["column_name"])
    assert made == {name: list(columns) for name, columns in sorted(TABLES.items())}


def test_a_query_can_be_stopped_from_another_thread() -> None:
    backend, stop = DuckDB(":memory:"), Stop()
    threading.Timer(0.3, stop.now).start()
    began = time.monotonic()
    for _ in range(2):  # what comes after it is stopped too
        with pytest.raises(StorageError) as raised:
            backend.query("SELECT count(*) FROM range(1_000_000_000_000)", stop=stop)
        assert raised.value.code == "stopped"
    assert time.monotonic() - began < 30
    assert backend.rows("SELECT 1") == [(1,)]
    backend.close()
