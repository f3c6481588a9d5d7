"""The command line: what goes where, the exit status, and that nothing ever ends in a traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

import persona
from persona import cli, sample

SEED = sample.QUESTIONS[0]
NOW = ("--now", sample.NOW.isoformat())


class Done(NamedTuple):
    status: int
    out: str
    err: str


class Run:
    """Runs a command in this process, without a terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: object) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["persona", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, captured.out, captured.err)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERSONA_STORE", raising=False)
    monkeypatch.delenv("PERSONA_PHONEBOOK", raising=False)
    return Run(monkeypatch, capsys)


def test_ask_prints_the_rows_and_says_the_rest_beside_them(run: Run, shop_store: Path) -> None:
    done = run("--store", shop_store, "ask", SEED, *NOW)
    assert done.status == 0
    assert done.out.splitlines()[0] == "visitor_id"
    assert "\x1b" not in done.out
    assert "understood:" in done.err
    ids = run("--store", shop_store, "ask", SEED, *NOW, "--format", "ids").out.split()
    assert ids == done.out.splitlines()[1:]


def test_the_environment_names_the_store(run: Run, shop_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_STORE", str(shop_store))
    assert run("event-types").status == 0
    assert run("--store", "other.duckdb", "event-types").status == 1


def test_json_of_users(run: Run, shop_store: Path) -> None:
    done = run("--store", shop_store, "ask", SEED, *NOW, "--format", "json")
    answer = json.loads(done.out)
    assert list(answer) == [
        "kind",
        "count",
        "visitor_ids",
        "value",
        "breakdown",
        "rows",
        "understood",
        "sql",
        "warnings",
        "parser",
        "model_usage",
    ]
    assert answer["kind"] == "users"
    assert answer["count"] == len(answer["visitor_ids"]) == len(answer["rows"])
    assert answer["parser"] == "grammar"


def test_json_of_a_count_and_of_a_breakdown(run: Run, shop_store: Path) -> None:
    count = json.loads(run("--store", shop_store, "ask", sample.QUESTIONS[1], *NOW, "--format", "json").out)
    assert (count["kind"], count["visitor_ids"], count["breakdown"]) == ("count", None, None)
    assert count["count"] == count["value"] == count["rows"][0]["value"]
    assert run("--store", shop_store, "ask", sample.QUESTIONS[1], *NOW).out == f"{count['value']}\n"
    groups = json.loads(run("--store", shop_store, "ask", sample.QUESTIONS[5], *NOW, "--format", "json").out)
    assert groups["kind"] == "breakdown"
    assert len(groups["breakdown"]) == len(groups["rows"])


def test_csv(run: Run, shop_store: Path) -> None:
    done = run("--store", shop_store, "ask", f"show the name and tags of {SEED[12:]}", *NOW, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert rows
    assert all(isinstance(json.loads(row["tags"]), list) for row in rows if row["tags"])


def test_output_goes_to_the_file(run: Run, shop_store: Path, tmp_path: Path) -> None:
    done = run("--store", shop_store, "ask", SEED, *NOW, "--output", tmp_path / "red.csv")
    assert (done.status, done.out) == (0, "")
    lines = (tmp_path / "red.csv").read_text().splitlines()
    assert f"{len(lines) - 1:,} rows written" in done.err
    assert run("--store", shop_store, "ask", SEED, *NOW, "--output", tmp_path / "red.xlsx").status == 1


def test_explain_and_sql_are_said(run: Run, shop_store: Path) -> None:
    done = run("--store", shop_store, "ask", SEED, *NOW, "--explain", "--sql", "--format", "ids")
    assert '"population"' in done.err
    assert "select" in done.err.lower()
    assert "select" not in done.out.lower()


def test_not_understood(run: Run, shop_store: Path) -> None:
    done = run("--store", shop_store, "ask", "users who bought a zzyzx gizmo", *NOW)
    assert (done.status, done.out) == (3, "")
    assert "zzyzx" in done.err
    done = run("--store", shop_store, "ask", "users who bought a zzyzx gizmo", *NOW, "--format", "json")
    error = json.loads(done.out)["error"]
    assert done.status == 3
    assert list(error) == ["code", "message", "words", "suggestions", "readings", "warnings", "model_usage"]
    assert error["code"] == "not_understood"
    assert "zzyzx" in " ".join(error["words"])


def test_ambiguous(run: Run, shop_store: Path) -> None:
    question = "users who have added to cart but haven't bought in the last 7 days"
    done = run("--store", shop_store, "ask", question, *NOW)
    assert (done.status, done.out) == (4, "")
    assert "  0: " in done.err
    assert "  1: " in done.err
    readings = json.loads(run("--store", shop_store, "ask", question, *NOW, "--format", "json").out)["error"][
        "readings"
    ]
    for number, reading in enumerate(readings):
        chosen = run("--store", shop_store, "ask", question, *NOW, "--reading", number, "--format", "json")
        assert chosen.status == 0
        answer = json.loads(chosen.out)
        assert (answer["understood"], answer["count"]) == (reading["understood"], reading["count"])
    assert run("--store", shop_store, "ask", question, *NOW, "--reading", len(readings)).status == 2


def test_wrong_usage(run: Run, shop_store: Path) -> None:
    assert run("ask").status == 2
    assert run("answer", "me").status == 2
    assert run("ask", SEED, "--now", "soon").status == 2
    assert run("ask", SEED, "--format", "xml").status == 2
    assert run("ask", SEED, "--format", "ids", "--output", "x.csv").status == 2
    assert run("import", "events", "nowhere.jsonl").status == 2
    assert run("--store", shop_store, "ask", SEED, *NOW, "--reading", "1").status == 2


def test_failures_say_what_to_do(run: Run, shop_store: Path, tmp_path: Path) -> None:
    done = run("ask", SEED)
    assert done.status == 1
    assert "persona demo" in done.err
    assert not (tmp_path / "persona.duckdb").exists(), "asking makes no store"
    (tmp_path / "no.duckdb").write_text("no store at all, but some text that is long enough to be looked at")
    assert run("--store", "no.duckdb", "ask", SEED).status == 1
    done = run("--store", shop_store, "ask", SEED, "--parser", "model", "--format", "json")
    assert done.status == 1
    assert json.loads(done.out)["error"]["code"] == "failed"
    assert run("--store", shop_store, "ask", sample.QUESTIONS[1], *NOW, "--format", "ids").status == 1


def test_a_store_that_another_process_holds(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "held.duckdb"
    hold = f"import persona, sys; book = persona.connect({str(store)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        done = run("--store", store, "event-types")
        holder.communicate()
    assert done.status == 1
    assert "another process" in done.err
    assert run("--store", store, "event-types").status == 0


def test_import(run: Run, tmp_path: Path, shop: sample.Sample) -> None:
    for what, records in (("contacts", shop.contacts[:50]), ("events", shop.events)):
        lines = "\n".join(json.dumps(record) for record in records)
        (tmp_path / f"{what}.jsonl").write_text(lines + ("\nnot json\n" if what == "events" else "\n"))
    assert "50 accepted" in run("import", "contacts", "contacts.jsonl").out
    done = run("import", "events", "events.jsonl")
    assert done.status == 0
    assert "failed" in done.out
    assert "persona failed-events" in done.err
    again = run("import", "events", "events.jsonl")
    assert again.out.startswith("0 accepted")
    failed = json.loads(run("failed-events", "--format", "json").out)
    assert {"key", "code", "message"} == {key for row in failed for error in row["errors"] for key in error}
    assert failed[0]["payload"] == "not json"
    (tmp_path / "products.jsonl").write_text('{"product_id": "P001", "stock": 4}\n')
    assert run("import", "products", "products.jsonl").status == 0


def test_upkeep(run: Run, tmp_path: Path) -> None:
    with persona.connect(tmp_path / "persona.duckdb") as book:
        book.import_contacts([{"visitor_id": "v1"}, {"visitor_id": "v2", "invited_by": "v1"}])
        book.import_events([{"event_name": "signed in", "visitor_id": "v1", "event_properties": {}}] * 3)
        book.import_events([{"event_name": "add-to-cart", "visitor_id": "v1", "event_properties": {}}])
    done = run("verify")
    assert (done.status, done.err) == (0, "")
    assert "all well" in done.out
    assert run("backup", "copy.duckdb").status == 0
    assert run("backup", "copy.duckdb").status == 1
    done = run("forget", "v1")
    assert done.status == 0
    assert done.out == "v1: removed 1 contact, 3 events, 1 failed record, 0 places in segments\n"
    assert "1 record, term or segment of others names v1" in done.err
    assert run("forget", "v1").status == 1
    assert len(run("activity", "v1").out.splitlines()) == 1
    assert len(run("--store", "copy.duckdb", "activity", "v1").out.splitlines()) == 4
    with duckdb.connect(str(tmp_path / "copy.duckdb")) as connection:
        connection.execute("UPDATE p1.event_type SET count = 7")
    done = run("--store", "copy.duckdb", "verify")
    assert done.status == 1
    assert "default: not so that an event type has as many events" in done.out
    assert "1 of " in done.err


def test_failed_events_are_tried_again(run: Run, tmp_path: Path) -> None:
    event = {"event_name": "gadget-turned", "visitor_id": "v1", "event_properties": {}}
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(one) for one in (event, {**event, "visitor_id": 7})))
    assert "2 failed" in run("import", "events", "events.jsonl").out
    assert run("failed-events", "retry").out == "0 accepted, 0 there already, 2 failed\n"
    (tmp_path / "contacts.jsonl").write_text('{"visitor_id": "v1"}\n')
    run("import", "contacts", "contacts.jsonl")
    assert run("failed-events", "retry", "--code", "unknown_visitor").out.startswith("1 accepted")
    (left,) = json.loads(run("failed-events", "--format", "json").out)
    (tmp_path / "mended.json").write_text(json.dumps(event))
    (tmp_path / "broken.json").write_text("[]")
    assert run("failed-events", "retry", "--id", left["id"], "--file", "broken.json").status == 1
    assert run("failed-events", "retry", "--file", "mended.json").status == 2
    assert run("failed-events", "retry", "--id", left["id"], "--file", "mended.json").out.startswith("1 accepted")
    assert run("failed-events", "retry", "--id", left["id"]).status == 1
    assert len(json.loads(run("activity", "v1", "--format", "json").out)) == 2


@pytest.mark.parametrize("words", [("event-types",), ("products",), ("failed-events",), ("activity", "v0001")])
def test_what_the_store_knows(run: Run, shop_store: Path, words: tuple[str, ...]) -> None:
    table = run("--store", shop_store, *words)
    rows = json.loads(run("--store", shop_store, *words, "--format", "json").out)
    lines = list(csv.reader(io.StringIO(run("--store", shop_store, *words, "--format", "csv").out)))
    assert table.status == 0
    assert len(table.out.splitlines()) == len(lines) == len(rows) + 1 > 1
    assert lines[0] == list(rows[0])
    assert set(table.out.splitlines()[0].split("\t")) <= set(lines[0])


VIP, BUYERS = "users who spent over 500", "buyers in the last 90 days"


def test_segments(run: Run, tmp_path: Path, shop_store: Path) -> None:
    shutil.copy(shop_store, tmp_path / "persona.duckdb")
    assert "87 contacts now" in run("segment", "save", "VIP", VIP, *NOW).err
    assert run("segment", "save", "vip", VIP, *NOW).status == 1
    assert run("segment", "save", "odd", "users who bought a zzyzx gizmo").status == 3
    assert run("segment", "save", "odd", "how many users").status == 1
    assert run("segment", "save", "Buyers", BUYERS, *NOW).status == 0
    ambiguous = "users who have added to cart but haven't bought in the last 7 days"
    assert run("segment", "save", "Late", ambiguous, *NOW).status == 4
    assert run("segment", "save", "Late", ambiguous, *NOW, "--reading", "1", "--static").status == 0
    assert run("segment", "refresh").status == run("segment", "refresh", "VIP", "--all").status == 2
    first = run("segment", "refresh", "--all", "--now", "2026-05-01").out.splitlines()
    assert [line.split("\t")[0] for line in first] == ["name", "Buyers", "VIP"]
    (vip,) = json.loads(run("segment", "refresh", "VIP", *NOW, "--format", "json").out)
    members = run("segment", "members", "VIP", *NOW).out.split()
    assert vip["size"] == len(members) == 87
    assert set(vip["entered"]) <= set(members)
    history = json.loads(run("segment", "history", "VIP", "--format", "json").out)
    assert [row["size"] for row in history] == [87 - len(vip["entered"]), 87]
    rows = json.loads(run("segment", "list", "--format", "json").out)
    assert [(row["name"], row["kind"]) for row in rows] == [("Buyers", "live"), ("Late", "static"), ("VIP", "live")]
    assert rows[2]["size"] == 87
    shown = json.loads(run("segment", "show", "VIP", *NOW, "--format", "json").out)
    assert (shown["size_now"], shown["history"]) == (87, history)
    assert shown["understood"] == "contacts whose spend is more than 500"
    assert run("segment", "show", "VIP", *NOW).out.splitlines()[0] == "as_of\tsize\tentered\texited"
    overlap = json.loads(run("segment", "overlap", "VIP", "Buyers", *NOW, "--format", "json").out)
    assert sum(row["contacts"] for row in overlap if "VIP" in row["segments"]) == 87
    assert run("segment", "overlap", "VIP").status == 1
    done = run("segment", "export", "VIP", "vip.csv", "--columns", "name, spend and last order date", *NOW)
    assert done.status == 0
    written = list(csv.DictReader((tmp_path / "vip.csv").open()))
    assert [row["visitor_id"] for row in written] == members
    assert all(float(row["spend"]) > 500 for row in written)
    assert run("segment", "export", "VIP", "no.csv", "--columns", "shoe size").status == 3
    assert run("segment", "export", "VIP", "no.xlsx").status == 1
    assert not (tmp_path / "no.csv").exists()
    assert run("segment", "rename", "VIP", "Rich").status == 0
    assert run("segment", "delete", "rich").status == 0
    assert run("segment", "show", "Rich").status == 1


def test_why(run: Run, shop_store: Path) -> None:
    question = "users who bought at least 5 times and spent over 500 in the last 90 days"
    done = run("--store", shop_store, "why", question, "v0041", *NOW)
    assert done.status == 0
    assert done.out.startswith("v0041 is not in the answer\nno  with at least 5")
    assert "3 of the 5 needed" in done.out
    told = json.loads(run("--store", shop_store, "why", question, "v0041", *NOW, "--format", "json").out)
    assert (told["met"], [each["met"] for each in told["conditions"]]) == (False, [False, False])
    assert run("--store", shop_store, "why", SEED, "nobody", *NOW).status == 1
    assert run("--store", shop_store, "why", "users who bought a zzyzx gizmo", "v0041").status == 3


def test_columns_are_chosen_for_a_file(run: Run, shop_store: Path, tmp_path: Path) -> None:
    done = run("--store", shop_store, "ask", SEED, *NOW, "--output", "red.jsonl", "--columns", "tier")
    assert done.status == 0
    rows = [json.loads(line) for line in (tmp_path / "red.jsonl").read_text().splitlines()]
    assert set(map(tuple, rows)) == {("visitor_id", "tier")}
    assert run("--store", shop_store, "ask", SEED, "--columns", "tier").status == 2
    assert run("--store", shop_store, "ask", SEED, "--output", "red.json", "--spreadsheet").status == 1


def test_demo(run: Run, tmp_path: Path) -> None:
    first = run("demo")
    assert first.status == 0, first.err
    assert (tmp_path / "demo.duckdb").exists()
    for question in sample.QUESTIONS:
        assert question in first.out
    assert first.out.count("understood:") == len(sample.QUESTIONS)
    assert "failed" in first.out
    again = run("demo")
    assert again.status == 0, again.err
    answers = [line for line in first.out.splitlines() if line.startswith(("understood:", "v0"))]
    assert [line for line in again.out.splitlines() if line.startswith(("understood:", "v0"))] == answers
    assert run("--store", "demo.duckdb", "ask", SEED, *NOW).status == 0


def test_demo_leaves_the_contacts_of_others_alone(run: Run, tmp_path: Path) -> None:
    with persona.connect(tmp_path / "mine.duckdb") as book:
        book.import_contacts([{"visitor_id": "v1"}])
    done = run("--store", "mine.duckdb", "demo")
    assert done.status == 1
    assert "--phonebook" in done.err
    assert run("--store", "mine.duckdb", "--phonebook", "sample", "demo").status == 0


def on_a_terminal(*words: object) -> str:
    """What a person sees: both streams of the command, run on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    command = [sys.executable, "-m", "persona", *map(str, words)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:  # the other end is gone
                break
            if not some:
                break
            seen += some
    os.close(ours)
    assert process.returncode is not None
    return seen.decode()


def test_a_person_gets_a_table(shop_store: Path) -> None:
    seen = on_a_terminal("--store", shop_store, "ask", SEED, *NOW)
    assert "─" in seen
    assert "more; --format csv prints them all" in seen


def test_a_person_sees_which_words_are_in_the_way(shop_store: Path) -> None:
    seen = on_a_terminal("--store", shop_store, "ask", "users who bought a zzyzx gizmo", *NOW)
    assert "\x1b[1;4;31mzzyzx" in seen


def test_help_loads_nothing_heavy() -> None:
    heavy = ("duckdb", "lark", "pandas", "polars", "pyarrow", "sqlglot")
    code = f"""
import sys
from persona.cli import app
try:
    app(["--help"])
finally:
    print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
