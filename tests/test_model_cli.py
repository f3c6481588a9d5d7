"""The commands about the language model: what would be sent, whether it answers, and question sets asked of readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server import Asked, ModelServer, Reply, completion, keep_all, kept, proposal, said, serving
from test_cli import NOW, Run, run

__all__ = ["run"]

FOREIGN = "Wer hat Two Person Tent gekauft?"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with serving(keep_all) as running:
        monkeypatch.setenv("PERSONA_MODEL", "scripted")
        monkeypatch.setenv("PERSONA_MODEL_URL", running.url)
        yield running


@pytest.fixture
def store(run: Run, tmp_path: Path) -> Path:
    """A small store of its own, for these commands write into it."""
    contacts, events = tmp_path / "contacts.jsonl", tmp_path / "events.jsonl"
    contacts.write_text('{"visitor_id": "v1", "email": "a@b.example"}\n{"visitor_id": "v2"}\n')
    tent = {"order_id": "o1", "total": 5, "products": [{"product_id": "P1", "name": "Two Person Tent", "price": 5}]}
    event = {"event_name": "order-completed", "visitor_id": "v1", "event_properties": tent}
    events.write_text(json.dumps({**event, "event_timestamp": "2026-06-01 10:00:00"}) + "\n")
    assert run("--store", tmp_path / "s.duckdb", "import", "contacts", contacts).status == 0
    assert run("--store", tmp_path / "s.duckdb", "import", "events", events).status == 0
    return tmp_path / "s.duckdb"


def foreign(asked: Asked) -> Reply:
    return proposal(said("who", 0), said("bought", 1, 5), kept(2, 3, 4))


def test_ask_with_a_model(run: Run, store: Path, server: ModelServer) -> None:
    server.script = foreign
    done = run("--store", store, "ask", FOREIGN, *NOW, "--format", "json")
    assert done.status == 0
    answer = json.loads(done.out)
    assert (answer["visitor_ids"], answer["parser"]) == (["v1"], "model")
    assert answer["model_usage"]["outcome"] == "read"
    assert answer["model_usage"]["prompt_tokens"] == 100
    done = run("--store", store, "ask", "Who bought Two Person Tent?", *NOW, "--explain")
    assert "language model: refused, 2 requests, 200 + 40 tokens" in done.err  # not the reading of this question
    assert "warning: The language model gave no reading" in done.err


def test_a_refusal_says_what_became_of_the_model(run: Run, store: Path, server: ModelServer) -> None:
    server.script = lambda _: completion("no idea")
    done = run("--store", store, "ask", FOREIGN, "--format", "json")
    assert done.status == 3
    error = json.loads(done.out)["error"]
    assert error["model_usage"]["outcome"] == "refused"
    assert "not JSON of the schema" in error["warnings"][0]
    done = run("--store", store, "ask", FOREIGN)
    assert done.status == 3
    assert "warning: The language model gave no reading" in done.err


def test_remember(run: Run, store: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.script = foreign
    assert run("--store", store, "ask", FOREIGN, *NOW, "--remember").status == 0
    monkeypatch.delenv("PERSONA_MODEL")
    done = run("--store", store, "ask", FOREIGN, *NOW, "--format", "ids")
    assert (done.status, done.out) == (0, "v1\n")
    assert run("--store", store, "undefine", FOREIGN).status == 0
    assert run("--store", store, "ask", FOREIGN, *NOW).status == 3


def test_show_prompt(run: Run, store: Path, server: ModelServer) -> None:
    done = run("--store", store, "ask", FOREIGN, "--show-prompt")
    assert done.status == 0
    assert server.asked == []
    server.script = foreign
    run("--store", store, "ask", FOREIGN)
    for message in server.asked[0].body["messages"]:
        assert message["content"] in done.out


def test_status(run: Run, store: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("--store", store, "model", "status")
    assert done.status == 0
    assert f"scripted at {server.url}" in done.out
    assert "answers in the schema" in done.out
    assert "1 request, 100 + 20 tokens" in done.out
    server.script = lambda _: Reply(status=401, body=b'{"error": {"message": "wrong key"}}')
    done = run("--store", store, "model", "status")
    assert done.status == 1
    assert "status 401: wrong key" in done.out
    monkeypatch.delenv("PERSONA_MODEL")
    done = run("--store", store, "model", "status")
    assert done.status == 1
    assert "PERSONA_MODEL" in done.err
    done = run("--store", store, "ask", "who bought", "--parser", "model")
    assert done.status == 1
    assert "PERSONA_MODEL" in done.err


def test_private(run: Run, store: Path) -> None:
    assert run("--store", store, "model", "private").out == "email\n"
    assert run("--store", store, "model", "private", "order_id").out == "email\norder_id\n"
    assert run("--store", store, "model", "private", "email", "--no").out == "order_id\n"


def test_a_wrong_setting(run: Run, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_MODEL", "m")
    monkeypatch.setenv("PERSONA_MODEL_USE", "sometimes")
    done = run("--store", store, "ask", "who bought")
    assert done.status == 1
    assert "PERSONA_MODEL_USE is always or when-needed, not 'sometimes'" in done.err


def test_eval(run: Run, store: Path, server: ModelServer, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("contacts", "events"):
        (tmp_path / f"{name}.jsonl").rename(folder / f"{name}.jsonl")
    (folder / "now.txt").write_text("2026-06-30T12:00:00\n")
    questions = [
        ("Who bought Two Person Tent?", {"type": "users", "visitor_ids": ["v1"]}),
        ("how many users bought", {"type": "count", "value": 2}),  # a wrong gold answer
        ("who bought a yacht", {"type": "refuse", "words": ["yacht"]}),
        (FOREIGN, {"type": "users", "visitor_ids": ["v1"]}),
    ]
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in questions]
    (folder / "questions.jsonl").write_text("\n".join(lines))
    server.script = lambda a: foreign(a) if a.sheet["question"] == FOREIGN else keep_all(a)
    done = run("eval", folder, "--format", "json")
    assert done.status == 0
    told = json.loads(done.out)
    counts = [[row[verdict] for verdict in ("right", "wrong", "refused", "crashed")] for row in told["readers"]]
    assert counts == [[2, 1, 1, 0], [3, 1, 0, 0]]
    assert [row["prompt_tokens"] for row in told["readers"]] == [0, 500]
    assert told["questions"][3]["model"]["verdict"] == "right"
    assert told["questions"][3]["grammar"]["verdict"] == "refused"
    done = run("eval", folder, "--parser", "grammar")
    assert done.out.splitlines()[0].startswith("parser\tright\twrong")
    assert "how many users bought" in done.err
    assert run("eval", folder, "--parser", "oracle").status == 2
    (folder / "questions.jsonl").write_text('{"question": "who bought"}')
    done = run("eval", folder)
    assert done.status == 1
    assert "line 1" in done.err
