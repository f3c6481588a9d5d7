"""docs/http.md cannot lie: its curl commands run against a real service, and it names every route and every code."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Service, make_key, serving

from persona.wire import STATUS

PAGE = Path(__file__).parent.parent / "docs" / "http.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
COMMANDS = [command for block in BLOCKS for command in re.split(r"\n(?=curl )", block.strip())]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    store = tmp_path_factory.mktemp("docs") / "docs.duckdb"
    key = make_key(store, "shop")
    with serving(store) as running:
        yield running, key


def test_every_command_runs(served: tuple[Service, str]) -> None:
    running, key = served
    number, failed = "", []
    for command in COMMANDS:
        shown = command.replace("curl ", "curl --silent --show-error --write-out '\n%{http_code}' ", 1)
        environment = {"URL": running.url, "KEY": key, "ID": number, "PATH": "/usr/bin:/bin:/usr/local/bin"}
        done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, env=environment)
        answer, _, status = done.stdout.rpartition("\n")
        if status not in ("200", "201", "204"):
            failed.append((command, status, answer, done.stderr))
        elif status == "201":
            number = json.loads(answer).get("id", number)
    assert not failed
    assert len(COMMANDS) > 45


def test_every_route_has_a_command(served: tuple[Service, str]) -> None:
    document = served[0].client.get("/openapi.json").json()
    asked = set()
    for command in COMMANDS:
        path = re.search(r"\$URL([^\"?]*)", command)
        assert path
        method = re.search(r"-X (\w+)", command)
        asked.add((method[1] if method else "POST" if " -d " in command else "GET", path[1]))
    for path, verbs in document["paths"].items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for verb in verbs:
            assert any(method == verb.upper() and pattern.fullmatch(to) for method, to in asked), (verb, path)


def test_every_code_is_there() -> None:
    table = PAGE.read_text().partition("## Errors")[2]
    for code, status in STATUS.items():
        (line,) = (line for line in table.splitlines() if line.startswith(f"| {status} |"))
        assert f"`{code}`" in line, code
