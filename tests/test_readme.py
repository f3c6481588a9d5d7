"""The README cannot lie: its answers are run again, its Python too, and its links lead somewhere.

After a change that is meant, `pytest --golden tests/test_readme.py` writes the answers anew.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ANSWER = re.compile(r"(<!-- answer: (?P<command>.+?) -->\n```console\n)(?P<said>.*?)(```\n<!-- end -->)", re.DOTALL)


def says(command: str, store: Path) -> str:
    """The command and what it says, as a reader would see it."""
    words = [str(store) if word == "demo.duckdb" else word for word in shlex.split(command)[1:]]
    done = subprocess.run(
        [sys.executable, "-m", "persona", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return f"$ {command}\n{done.stdout}"


def test_the_answers_are_real(shop_store: Path, pytestconfig: pytest.Config) -> None:
    text = README.read_text()
    found = ANSWER.findall(text)
    assert len(found) >= 2
    real = ANSWER.sub(lambda hit: f"{hit[1]}{says(hit['command'], shop_store)}{hit[4]}", text)
    if pytestconfig.getoption("--golden"):
        README.write_text(real)
    assert README.read_text() == real


def test_the_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("['v1'] ")


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_commands_are_there() -> None:
    from persona import cli

    known = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    said = re.findall(r"^ +(?:\.venv/bin/)?persona(?: --\w+ \S+)* ([a-z-]+)", README.read_text(), re.MULTILINE)
    assert said
    assert set(said) <= known | {group.name for group in cli.app.registered_groups}
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:^    |`)make (\w+)", README.read_text(), re.MULTILINE)) <= set(targets)
