"""DuckDB as the engine of the memory: one writer, locked-down readers. The only room that knows its driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from storage.errors import StorageError

if TYPE_CHECKING:
    import pyarrow as pa

# Fixed when the database is opened and locked right after, for the whole process: no statement can undo them.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    # A checkpoint after every few batches of an import costs more than the batches do.
    "checkpoint_threshold": "256MB",
}


class DuckDB:
    """A DuckDB database file, or ":memory:".

    Args:
        path: where the file is; it is made where it is missing.
        memory: how much memory all queries together may use, as DuckDB writes it ("4GB").
        seconds: how long one query may take.

    Raises:
        StorageError: "locked", "damaged" or "unwritable".
    """

    def __init__(self, path: str, memory: str = "4GB", seconds: float = 60.0) -> None:
        self._memory = memory
        self._milliseconds = int(seconds * 1000)
        self._lock = threading.RLock()
        self._behind = threading.RLock()
        if path != ":memory:" and not Path(path).parent.is_dir():
            raise StorageError("unwritable", f"There is no folder {str(Path(path).parent)!r} for the store {path!r}.")
        try:
            self._writer = duckdb.connect(path, config=_CONFIG | {"memory_limit": memory})
            self._writer.execute("SET allowed_configs = ['max_execution_time']")
            self._writer.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            raise _opening_error(path, error) from error

    @contextmanager
    def write(self, alone: bool = False) -> Iterator[_Session]:
        behind = self._behind if alone else nullcontext()
        with behind, self._lock, _transaction(self._writer) as transaction:
            yield transaction

    @contextmanager
    def scratch(self) -> Iterator[_Session]:
        try:
            connection = duckdb.connect(":memory:", config=_CONFIG | {"memory_limit": self._memory})
            try:
                connection.execute("SET lock_configuration = true")
                yield _Session(connection)
            finally:
                connection.close()
        except duckdb.Error as error:
            raise _running_error(error) from error

    @contextmanager
    def background(self) -> Iterator[_Session]:
        with self._behind, self._writer.cursor() as cursor, _transaction(cursor) as transaction:
            yield transaction

    @contextmanager
    def snapshot(self) -> Iterator[_Snapshot]:
        try:
            cursor = self._writer.cursor()
            try:
                cursor.execute(f"SET max_execution_time = {self._milliseconds}")
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield _Snapshot(cursor)
            finally:
                cursor.close()
        except duckdb.Error as error:
            raise _running_error(error) from error

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        with self.snapshot() as snapshot:
            return snapshot.query(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.snapshot() as snapshot:
            return snapshot.rows(sql, parameters)

    def close(self) -> None:
        with self._behind, self._lock:
            self._writer.close()


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[_Session]:
    transaction = _Session(connection)
    try:
        connection.execute("BEGIN")
        yield transaction
        connection.execute("COMMIT")
    except BaseException as error:
        _roll_back(connection)
        if isinstance(error, duckdb.Error):
            raise _running_error(error) from error
        raise
    finally:
        transaction.forget()


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # BEGIN itself failed, or the engine has rolled back: there is nothing left to undo


class _Snapshot:
    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        return self._cursor.sql(sql, params=list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._cursor.execute(sql, list(parameters)).fetchall()


class _Session:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._names: set[str] = set()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._connection.execute(sql, list(parameters))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(parameters)).fetchall()

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        return self._connection.sql(sql, params=list(parameters)).to_arrow_table()

    def put(self, name: str, table: pa.Table) -> None:
        self._connection.register(name, table)
        self._names.add(name)

    def forget(self) -> None:
        for name in self._names:
            self._connection.unregister(name)


def _opening_error(path: str, error: duckdb.Error) -> StorageError:
    text = str(error)
    if "Could not set lock" in text:
        holder = text.partition("(PID ")[2].partition(")")[0]
        who = f" (process {holder})" if holder else ""
        return StorageError(
            "locked",
            f"The store {path!r} is open in another process{who}. One process owns it at a time: close that one, "
            "or ask through it (`persona serve`), or give another store with --store.",
        )
    if "newer version" in text or "version number" in text:
        return StorageError("newer", f"The store {path!r} was written by a newer DuckDB. Update persona to read it.")
    if "not a valid DuckDB" in text or "orrupt" in text or "checksum" in text or "Serialization" in text:
        return StorageError(
            "damaged", f"The file {path!r} is no store, or a damaged one: restore a copy, or give another with --store."
        )
    return StorageError("unwritable", f"The store {path!r} cannot be opened: {text.splitlines()[0]}")


def _running_error(error: duckdb.Error) -> StorageError:
    text = str(error).splitlines()[0]
    if isinstance(error, duckdb.InterruptException):
        return StorageError("too slow", "The question took longer than the limit and was stopped.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError("too big", "The question needed more memory than the limit and was stopped.")
    if "checksum" in text or "orrupt" in text:
        return StorageError("damaged", f"The store is damaged: {text}")
    return StorageError("refused", f"The store did not carry it out: {text}")
