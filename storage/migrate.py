"""Older stores to the present tables: one path from every version, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping

from storage.backends import Backend, Session
from storage.schema import INDEXES, META, META_TABLES, TABLES, VERSION, create_index, create_table, schema_of


def migrate(backend: Backend) -> None:
    """Brings the tables of an older store to those of `storage.schema`: what is not there is made, empty or NULL; what
    is there in another form is made anew with its rows. Where it fails, the store is as it was.

    A step that a version needs beside that, to fill what it brought, has its place at the end.
    """
    with backend.write() as tx:
        _tables(tx, META, META_TABLES)
        for (number,) in tx.rows(f"SELECT id FROM {META}.phonebook"):
            _tables(tx, schema_of(number), TABLES)
            for table, column in INDEXES:
                tx.run(create_index(schema_of(number), table, column, there=True))
        tx.run(f"UPDATE {META}.store SET version = ?", [VERSION])


def _tables(tx: Session, schema: str, tables: Mapping[str, Mapping[str, str]]) -> None:
    for table, columns in tables.items():
        there = dict(
            tx.rows(
                "SELECT column_name, data_type || CASE WHEN is_nullable THEN '' ELSE ' NOT NULL' END "
                "FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_index",
                [schema, table],
            )
        )
        own = {column: kind for column, kind in there.items() if column not in columns}  # of attributes, as they came
        told = {column: kind.removesuffix(" UNIQUE") for column, kind in columns.items()}
        if not there:
            tx.run(create_table(schema, table, columns))
        elif list({**told, **own}.items()) != list(there.items()):
            _make_anew(tx, schema, table, {**columns, **own})


def _make_anew(tx: Session, schema: str, table: str, columns: Mapping[str, str]) -> None:
    """The table with these columns, in this order: rows are inserted by place."""
    for name, own_schema in tx.rows(
        "SELECT index_name, schema_name FROM duckdb_indexes() WHERE table_name = ?", [table]
    ):
        if own_schema == schema:
            tx.run(f'DROP INDEX {schema}."{name}"')
    tx.run(create_table(schema, f"{table} as it was", columns))
    tx.run(f'INSERT INTO {schema}."{table} as it was" BY NAME SELECT * FROM {schema}."{table}"')
    tx.run(f'DROP TABLE {schema}."{table}"')
    tx.run(f'ALTER TABLE {schema}."{table} as it was" RENAME TO "{table}"')
