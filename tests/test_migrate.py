"""Stores of older releases: each comes to the present tables with all its rows, or stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import persona
from storage import migrate
from storage.schema import TABLES, VERSION
from storage.store import Store

STORES = Path(__file__).parent / "stores"  # <version>.sql: a store as that version of the tables left it
VERSIONS = sorted(int(path.stem) for path in STORES.glob("*.sql"))

Tables = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute((STORES / f"{request.param}.sql").read_text())
    return path


def columns(path: Path) -> Tables:
    """Table → its columns in order: name, type, whether it may be NULL. Those of attributes come as they come."""
    with duckdb.connect(str(path), read_only=True) as connection:
        told: Tables = {}
        for schema, table, *column in connection.execute(
            "SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE NOT internal AND NOT (table_name = 'contact' AND column_name LIKE 'a\\_%' ESCAPE '\\') "
            "ORDER BY schema_name, table_name, column_index"
        ).fetchall():
            told.setdefault(f"{schema}.{table}", []).append(tuple(column))
        told["indexes"] = connection.execute(
            "SELECT schema_name, table_name, index_name, expressions FROM duckdb_indexes() ORDER BY ALL"
        ).fetchall()
        told["constraints"] = connection.execute(
            "SELECT schema_name, table_name, constraint_type, constraint_column_names FROM duckdb_constraints() "
            "ORDER BY ALL"
        ).fetchall()
    return told


def rows(path: Path) -> dict[str, list[str]]:
    """Table → its rows as JSON, without the nulls of columns that are new."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT schema_name || '.\"' || table_name || '\"' FROM duckdb_tables() WHERE schema_name <> 'meta' "
            "OR table_name <> 'store' ORDER BY ALL"
        ).fetchall()
        return {
            name: found
            for (name,) in names
            if (
                found := [
                    row
                    for (row,) in connection.execute(
                        f"SELECT json_merge_patch('{{}}', to_json(t))::VARCHAR AS row FROM {name} t ORDER BY row"
                    ).fetchall()
                ]
            )
        }


def test_there_is_a_store_of_every_older_version() -> None:
    assert list(range(1, VERSION)) == VERSIONS


def test_an_older_store_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    before = rows(old)
    Store.open(old).close()
    new = Store.open(tmp_path / "new.duckdb")
    new.phonebook("shop")
    new.phonebook("other")
    new.close()
    assert columns(old) == columns(tmp_path / "new.duckdb")
    assert rows(old) == before


def test_an_older_store_goes_on(old: Path) -> None:
    with persona.connect(old, "shop", timezone="Europe/Oslo") as book:
        assert [check for check in book.verify() if check.wrong] == []
        types = book.event_types().set_index("name")["count"].to_dict()
        assert types == {"add-to-cart": 1, "order-completed": 1, "page-view": 1, "signed in": 2}
        assert book.ask("vip who placed an order").visitor_ids == ["v1"]
        cart = {"cart_id": "c9", "product_id": "p1"}
        again = {"event_name": "add-to-cart", "visitor_id": "v3", "event_properties": cart}
        report = book.import_events([{**again, "message_id": "m1"}, {**again, "message_id": "m10"}])
        assert (report.accepted, report.duplicates) == (1, 1)
        book.import_contacts([{"visitor_id": "v3", "city": "Oslo", "shoes": 3}])
        assert book.ask("users in Oslo who added to cart").visitor_ids == ["v1", "v3"]
        assert len(book.failed_events()) == 3
        book.compact()
        assert [check for check in book.verify() if check.wrong] == []


def test_a_column_that_came_into_the_middle(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are inserted by place, so a table's columns are in the order of the schema; those of attributes follow."""
    contact = {"contact": "BIGINT NOT NULL", "added": "VARCHAR", **TABLES["contact"]}
    wider = {**TABLES, "contact": {**contact, "contact": "BIGINT NOT NULL"}}
    before = rows(old)
    monkeypatch.setattr(migrate, "TABLES", wider)
    Store.open(old).close()
    with duckdb.connect(str(old)) as connection:
        told = connection.execute("SELECT column_name, column_type FROM (DESCRIBE p1.contact)").fetchall()
    assert told[:4] == [
        ("contact", "BIGINT"),
        ("added", "VARCHAR"),
        ("visitor_id", "VARCHAR"),
        ("attributes", "JSON"),
    ]
    assert [name for name, _ in told[4:]] == ["a_0", "a_1", "a_2", "a_3"]
    assert rows(old) == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, tables = rows(old), columns(old)
    with monkeypatch.context() as broken:
        broken.setattr(migrate, "VERSION", "no number")  # the last statement fails
        with pytest.raises(persona.StorageError):
            Store.open(old)
    assert columns(old) == tables
    assert rows(old) == before
    Store.open(old).close()
    with duckdb.connect(str(old), read_only=True) as connection:
        assert connection.execute("SELECT version FROM meta.store").fetchall() == [(VERSION,)]
