"""DuckDB as the engine of the memory: one writer, locked-down readers. The only room that knows its driver."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from storage.backends import Stop
from storage.errors import StorageCode, StorageError

if TYPE_CHECKING:
    import pyarrow as pa

_MEMORY = ":memory:"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    # A checkpoint after every few batches of an import costs more than the batches do.
    "checkpoint_threshold": "256MB",
}
_COPY_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")  # what the engine makes beside a database

_STREAMED = 10_000  # rows of a batch that is streamed


class DuckDB:
    """A DuckDB database file, or ":memory:".

    Args:
        path: where the file is; it is made where it is missing.
        memory: how much memory all queries together may use, as DuckDB writes it ("4GB").
        seconds: how long one query may take.

    Raises:
        StorageError: "locked", "damaged", "unwritable" or "full".
    """

    def __init__(self, path: str, memory: str = "4GB", seconds: float = 60.0) -> None:
        self._path = path
        self._memory = memory
        self._milliseconds = int(seconds * 1000)
        self._behind = threading.RLock()  # of what runs in the background; locks are taken in this order
        self._beside = threading.RLock()  # of what runs beside that and the writer
        self._lock = threading.RLock()  # of the one writer
        self._copying = threading.Lock()
        self._gate = threading.Condition()  # readers leave, and wait outside, while the database is opened anew
        self._readers = 0
        self._shut = False
        self._held: int | None = None
        self._closed = False
        if path != _MEMORY and not Path(path).parent.is_dir():
            raise StorageError("unwritable", f"There is no folder {str(Path(path).parent)!r} for the store {path!r}.")
        self._writer = self._opened()
        _remove(self._copy_path)  # of a process that ended while it wrote one

    @property
    def _copy_path(self) -> str:
        return f"{self._path}.copy"

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """The database, locked for the whole process: no statement can undo it. One file beside it can be written, for
        a copy of it."""
        limits = {"memory_limit": self._memory, "max_execution_time": str(self._milliseconds)}
        try:
            opened = duckdb.connect(self._path, config=_CONFIG | limits)
            if self._path != _MEMORY:
                opened.execute("SET allowed_paths = ?", [[self._copy_path + end for end in _COPY_FILES]])
            opened.execute("SET enable_external_access = false")
            opened.execute("SET allowed_configs = ['max_execution_time', 'enable_progress_bar']")
            self._draws = bool(opened.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0])
            self._prepare(opened)
            opened.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            raise _opening_error(self._path, error) from error
        return opened

    def _prepare(self, connection: duckdb.DuckDBPyConnection, unlimited: bool = True) -> None:
        """Makes a connection quiet, and takes the limit of time from it. Nothing is said that is so already: a question
        has several connections, and each statement costs it a tenth of a millisecond or, under load, some of them."""
        if self._draws:
            _quiet(connection)
        if unlimited:
            connection.execute("SET max_execution_time = 0")

    @contextmanager
    def write(self, alone: bool = False) -> Iterator[_Session]:
        others = self._without_others() if alone else nullcontext()
        with self._told("What was to be stored"), others, self._lock, _transaction(self._writer) as transaction:
            try:
                yield transaction
            finally:
                transaction.forget()

    def background(self) -> AbstractContextManager[_Session]:
        return self._on_its_own(self._behind, "What runs in the background")

    def beside(self) -> AbstractContextManager[_Session]:
        return self._on_its_own(self._beside, "What was to be stored")

    @contextmanager
    def _on_its_own(self, turn: threading.RLock, what: str) -> Iterator[_Session]:
        with self._told(what), turn, self._writer.cursor() as cursor:
            self._prepare(cursor)
            with _transaction(cursor) as transaction:  # what it was given goes with its connection
                yield transaction

    @contextmanager
    def _without_others(self) -> Iterator[None]:
        """No transaction but the writer's."""
        with self._behind, self._beside:
            yield

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        with self.snapshot() as snapshot:
            return snapshot.query(sql, parameters, stop)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.snapshot() as snapshot:
            return snapshot.rows(sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[_Snapshot]:
        with self._told("The question"), self._entered() as cursor:
            yield self._begun(cursor, unlimited=False)

    @contextmanager
    def survey(self) -> Iterator[_Snapshot]:
        with self._told("The check"), self._entered() as cursor:
            yield self._begun(cursor, unlimited=True)

    def _begun(self, cursor: duckdb.DuckDBPyConnection, unlimited: bool) -> _Snapshot:
        """What the connection sees from now on."""
        self._prepare(cursor, unlimited)
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        return _Snapshot(cursor)

    @contextmanager
    def _entered(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of a reader's own, once the gate is open."""
        with self._gate:
            self._gate.wait_for(lambda: not self._shut)
            cursor = self._writer.cursor()
            self._readers += 1
        try:
            yield cursor
        finally:
            cursor.close()
            with self._gate:
                self._readers -= 1
                self._gate.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No writer and no reader but the caller: others wait until the block ends."""
        with self._without_others(), self._lock:
            with self._gate:
                self._shut = True
                self._gate.wait_for(lambda: self._readers == 0)
            try:
                yield
            finally:
                with self._gate:
                    self._shut = False
                    self._gate.notify_all()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tells errors of the engine as our own. One that leaves it unusable, such as a full disk in the middle of a
        checkpoint, has the database opened anew: what was committed is in the file and its log."""
        try:
            yield
        except duckdb.Error as error:
            if isinstance(error, duckdb.FatalException | duckdb.ConnectionException):
                self._revive()
            raise _running_error(error, what) from error

    def _revive(self) -> None:
        with self._alone():
            if self._closed:
                return
            try:
                self._writer.execute("SELECT 1")
            except duckdb.Error:  # still broken: nobody has been here before
                self._writer.close()
                self._writer = self._opened()

    # ── copies ────────────────────────────────────────────────────────────────────────────────────────────────────

    def copy(self, target: Path) -> None:
        if self._path == _MEMORY:
            raise StorageError("refused", "A store in memory has no file to copy.")
        if target.exists():
            raise StorageError("unwritable", f"There is a file {str(target)!r} already: give the name of a new one.")
        with self._copying:
            beside = Path(self._copied())
            part = target.with_name(f"{target.name}.part")
            try:
                # First under another name, so that a file of this name is a whole copy.
                with part.open("wb") as whole, beside.open("rb") as made:
                    shutil.copyfileobj(made, whole, 1 << 20)
                    whole.flush()
                    os.fsync(whole.fileno())
                part.rename(target)
                _synced(target.parent)
            except OSError as error:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
                code: StorageCode = "full" if _is_full(str(error)) else "unwritable"
                raise StorageError(
                    code, f"The copy {str(target)!r} cannot be written: {error.strerror or error}."
                ) from error
            finally:
                _remove(str(beside))

    def renew(self) -> None:
        if self._path == _MEMORY:
            return
        with self._without_others(), self._lock, self._copying:
            copy = self._copied()
            # POSIX locks are the process's: this one keeps other processes out from the moment the file has its name,
            # and must be held as long as the engine holds its own, for closing either handle frees both.
            held = os.open(copy, os.O_RDWR)
            try:
                fcntl.lockf(held, fcntl.LOCK_EX)
                with self._alone():
                    self._writer.execute("CHECKPOINT")  # no log of the old file is left for the new one
                    os.replace(copy, self._path)
                    self._let_go()  # at once: what is written to the old file now would be lost
                    self._writer, self._held = self._opened(), held
                    _synced(Path(self._path).parent)
            except BaseException as error:
                if self._held != held:
                    os.close(held)
                if isinstance(error, duckdb.Error | OSError):
                    raise StorageError("failed", f"The store's file was not written anew: {error}") from error
                raise

    def _copied(self) -> str:
        """A copy beside the store, as it is at one instant: a file of its own, with nothing in it that was deleted."""
        _remove(self._copy_path)
        try:
            with self._entered() as cursor:
                self._prepare(cursor)
                name = cursor.execute("SELECT current_database()").fetchall()[0][0]
                cursor.execute("ATTACH ? AS a_copy_of_it", [self._copy_path])
                try:
                    cursor.execute(f'COPY FROM DATABASE "{name.replace(chr(34), chr(34) * 2)}" TO a_copy_of_it')
                finally:
                    cursor.execute("DETACH a_copy_of_it")
        except duckdb.Error as error:
            _remove(self._copy_path)
            raise _running_error(error, "The copy") from error
        return self._copy_path

    def close(self) -> None:
        with self._without_others(), self._lock:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        self._writer.close()
        if self._held is not None:
            os.close(self._held)
            self._held = None


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[_Session]:
    try:
        connection.execute("BEGIN")
        yield _Session(connection)
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        return  # BEGIN itself failed, or the engine has rolled back: there is nothing left to undo


def _quiet(connection: duckdb.DuckDBPyConnection) -> None:
    """Without the bar that the engine draws for what takes long: standard output is for data."""
    with suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets, where the engine draws none
        connection.execute("SET enable_progress_bar = false")


class _Snapshot:
    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        with _stoppable(self._cursor, stop) if stop else nullcontext():
            return self._cursor.sql(sql, params=list(parameters)).to_arrow_table()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._cursor.execute(sql, list(parameters)).fetchall()

    def stream(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        self._cursor.execute(sql)
        while rows := self._cursor.fetchmany(size):
            yield rows

    def batches(self, sql: str) -> pa.RecordBatchReader:
        return self._cursor.sql(sql).to_arrow_reader(_STREAMED)


@contextmanager
def _stoppable(cursor: duckdb.DuckDBPyConnection, stop: Stop) -> Iterator[None]:
    try:
        with stop.reaches(cursor.interrupt):
            if not stop.asked:
                yield
                return
    except duckdb.InterruptException:
        if not stop.asked:
            raise
    raise StorageError("stopped", "The question was stopped: nobody waits for it.")


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
            with suppress(duckdb.Error):  # of a database that must be opened anew: the error that made it so is told
                self._connection.unregister(name)


def _opening_error(path: str, error: duckdb.Error) -> StorageError:
    text = str(error)
    if _is_full(text):
        return StorageError("full", f"The disk is full: the store {path!r} cannot be opened. Make room and try again.")
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
    if "not a valid DuckDB" in text or "Serialization" in text or _is_damaged(text):
        return StorageError(
            "damaged", f"The file {path!r} is no store, or a damaged one: restore a copy, or give another with --store."
        )
    return StorageError("unwritable", f"The store {path!r} cannot be opened: {text.splitlines()[0]}")


def _running_error(error: duckdb.Error, what: str) -> StorageError:
    """What stopped `what` ("The question"), in plain words."""
    text = str(error).splitlines()[0]
    if _is_full(str(error)):  # in the second line, where the engine had given up before
        return StorageError(
            "full",
            f"The disk is full. {what} was given up whole, and what was stored before is safe: make room, and "
            "do it again.",
        )
    if isinstance(error, duckdb.InterruptException):
        return StorageError("too slow", f"{what} took longer than the limit and was stopped.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError("too big", f"{what} needed more memory than the limit and was stopped.")
    if _is_damaged(text):
        return StorageError("damaged", f"The store is damaged: {text} Restore a copy (`persona backup` makes them).")
    return StorageError("failed", f"The store did not carry it out: {text}")


def _is_full(text: str) -> bool:
    return any(reason in text for reason in ("No space left on device", "File too large", "Disk quota exceeded"))


def _is_damaged(text: str) -> bool:
    return any(sign in text for sign in ("orrupt", "checksum", "Could not read enough bytes"))


def _remove(copy: str) -> None:
    for end in _COPY_FILES:
        with suppress(OSError):
            os.unlink(copy + end)


def _synced(folder: Path) -> None:
    """Makes a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
