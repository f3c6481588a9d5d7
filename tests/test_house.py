"""The house: imports go down, a library has one room, public names are there, everything is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import persona

ROOT = Path(__file__).parent.parent
FLOORS = ("persona", "storage", "grammar")
ROOMS = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
ALLOWED = {  # floor → what of the house it may import
    "persona": ("persona", "storage", "grammar"),
    "storage": ("storage", "grammar.query", "grammar.when", "grammar.vocabulary"),
    "grammar": ("grammar",),
}
ONE_ROOM = {  # library → where it may be imported
    "lark": {"grammar/english.py", "grammar/canonical.py"},
    "openai": {"grammar/model.py"},
    "httpx2": {"grammar/model.py"},
    "pydantic": {"grammar/model.py"},
    "sqlglot": {"storage/sql.py"},
    "duckdb": {"storage/backends/duckdb.py"},
    "typer": {"persona/cli.py"},
    "rich": {"persona/terminal.py"},
    "fastapi": {"persona/server.py"},
    "starlette": {"persona/server.py"},
    "uvicorn": {"persona/process.py"},
    "httptools": {"persona/process.py"},
    "prometheus_client": {"persona/server.py"},
    "httpx": {"persona/remote.py"},
    "altair": {"persona/picture.py"},
    "vl_convert": {"persona/picture.py"},
}
DISTRIBUTION = {  # where a library is installed under another name
    "prometheus_client": "prometheus-client",
    "spellchecker": "pyspellchecker",
    "vl_convert": "vl-convert-python",
}
HEAVY = (
    *("altair", "duckdb", "fastapi", "httpx", "lark", "openai", "pandas", "polars", "pyarrow", "pydantic"),
    *("rich", "sqlglot", "typer"),
)


def name_of(room: Path) -> str:
    return room.relative_to(ROOT).as_posix()


def imports_of(room: Path) -> Iterator[str]:
    """Every module that the room imports, anywhere in it; `from a import b` is a.b where that is a room of ours."""
    for node in ast.walk(ast.parse(room.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name_of(room)}: a relative import"
            for alias in node.names:
                below = (ROOT / node.module.replace(".", "/") / alias.name).with_suffix(".py")
                yield f"{node.module}.{alias.name}" if below.exists() else node.module


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room(room: Path) -> None:
    floor = name_of(room).split("/")[0]
    for imported in imports_of(room):
        library = imported.split(".")[0]
        if library in FLOORS:
            assert any(imported == known or imported.startswith(f"{known}.") for known in ALLOWED[floor]), imported
        assert name_of(room) in ONE_ROOM.get(library, {name_of(room)}), f"{library} has another room"
    purpose = ast.get_docstring(ast.parse(room.read_text()))
    assert purpose, "a room says what it is for in its first line"
    assert room.read_text().startswith('"""')


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_public_names_say_what_they_mean(room: Path) -> None:
    for node in ast.parse(room.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_import_linter_agrees() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_library_is_declared() -> None:
    """What is imported is installed: by the project itself, or by an extra where it is optional."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (needs for extra, needs in project["optional-dependencies"].items() if extra != "dev")
    declared = {re.split(r"[\[<>=! ]", need)[0] for needs in (project["dependencies"], *extras) for need in needs}
    imported = {DISTRIBUTION.get(library := name.split(".")[0], library) for room in ROOMS for name in imports_of(room)}
    assert imported - set(FLOORS) - set(sys.stdlib_module_names) <= declared


def test_everything_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = project["dependencies"] + [need for extra in project["optional-dependencies"].values() for need in extra]
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), "a pin is name==version: no host, no hash"
    pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    assert {re.split(r"[\[<>=! ]", need)[0] for need in needs} - {"persona-query"} <= pinned


def test_all_is_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    whole = {name for need in extras["all"] for name in re.findall(r"[a-z]+", need.partition("[")[2])}
    assert set(extras) - whole <= {"all", "bench", "dev", "wire"}


def test_no_registry_is_named() -> None:
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run"):
        assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text()), name


def test_the_public_face() -> None:
    assert sorted(persona.__all__) == persona.__all__
    assert set(persona.__all__) <= set(dir(persona))
    for name in persona.__all__:
        assert getattr(persona, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        persona.nothing  # noqa: B018
    assert issubclass(persona.Ambiguous, persona.QuestionError)
    assert issubclass(persona.NotUnderstood, persona.QuestionError)


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, persona; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_is_documented() -> None:
    from persona import cli

    page = (ROOT / "docs" / "cli.md").read_text()
    commands = [command.name or command.callback.__name__ for command in cli.app.registered_commands]  # type: ignore[union-attr]
    groups = {
        "import": cli.importing,
        "failed-events": cli.failing,
        "key": cli.keying,
        "model": cli.model,
        "segment": cli.segments,
    }
    commands += [
        f"{group} {command.name or command.callback.__name__}"  # type: ignore[union-attr]
        for group, app in groups.items()
        for command in app.registered_commands
    ]
    for command in (*commands, "failed-events"):
        assert f"persona {command}" in page, command
    for command in (command for app in (cli.app, *groups.values()) for command in app.registered_commands):
        assert command.callback is not None
        assert command.callback.__doc__, command.callback.__name__
