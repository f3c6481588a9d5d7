"""What the tests of the faces share: the sample shop, once for each worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import persona
from persona import sample

# How long an example takes is told by the machine, not by what is tested.
settings.register_profile("timeless", deadline=None)
settings.load_profile("timeless")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden SQL and the README's answers anew")
    parser.addoption("--seconds", type=float, default=4, help="how long the load lasts (tests/test_under_load.py)")
    parser.addoption("--kills", type=int, default=20, help="how often the crash harness kills (tests/test_crash.py)")


@pytest.fixture(scope="session")
def shop() -> sample.Sample:
    return sample.shop()


@pytest.fixture(scope="session")
def shop_store(shop: sample.Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the sample shop in its phonebook "default". Only to be asked: nobody else gets a fresh one."""
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    with persona.connect(path) as book:
        book.import_contacts(shop.contacts)
        book.import_events(shop.events)
    return path


@pytest.fixture
def shop_book(shop_store: Path) -> Iterator[persona.Phonebook]:
    with persona.connect(shop_store) as book:
        yield book
