"""What the memory asks of a database engine: one writer, and readers that can touch nothing but the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Stop:
    """Lets another thread stop the queries of one question: the one that runs, and those that would come after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._asked = False

    @property
    def asked(self) -> bool:
        """Whether it was asked to stop."""
        return self._asked

    def now(self) -> None:
        """Stops."""
        with self._lock:
            self._asked = True
            if self._interrupt:
                self._interrupt()

    @contextmanager
    def reaches(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, stopping calls this."""
        with self._lock:
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None


class Session(Protocol):
    """Statements to an engine, one after another."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Carries out a statement."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, which sees what the session has done so far."""
        ...

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """As `rows`, for many: as a table."""
        ...

    def put(self, name: str, table: pa.Table) -> None:
        """Makes an Arrow table readable under this name until the session ends."""
        ...


class Snapshot(Protocol):
    """The store as it was at one moment: all that is asked of it agrees. For one thread."""

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        """The rows of a query. `stop` can stop it from another thread."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `query`, for few rows: they come as tuples, and sooner."""
        ...


class Survey(Snapshot, Protocol):
    """A snapshot to look through the whole store, which may take its time."""

    def stream(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """As `rows`, at most so many at a time."""
        ...

    def batches(self, sql: str) -> pa.RecordBatchReader:
        """As `query`, batch by batch: for more rows than should be held at once."""
        ...


class Backend(Protocol):
    """A database engine with one store open. Every error it raises is a StorageError."""

    def write(self, alone: bool = False) -> AbstractContextManager[Session]:
        """A transaction: committed when the block ends, rolled back when it raises. One at a time; others wait.
        `alone`: no other transaction runs meanwhile, so that any row and any table may be changed."""
        ...

    def background(self) -> AbstractContextManager[Session]:
        """A transaction beside that of `write`: it must change no row that a writer may change. One at a time; others
        wait."""
        ...

    def beside(self) -> AbstractContextManager[Session]:
        """As `background`, and beside that one too: for what is soon done and must wait for neither."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A connection of its own for reading, that is limited in time and memory and cannot reach files."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = (), stop: Stop | None = None) -> pa.Table:
        """The rows of a query, in a snapshot of its own. `stop` can stop it from another thread."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `query`, for few rows: they come as tuples, and sooner."""
        ...

    def survey(self) -> AbstractContextManager[Survey]:
        """As `snapshot`, without its limit of time. Nothing else may be asked of the backend inside the block."""
        ...

    def copy(self, target: Path) -> None:
        """Writes the store, as it is at one instant, into a new file; reading and writing go on meanwhile."""
        ...

    def renew(self) -> None:
        """Writes the store's file anew, so that nothing that was deleted is left in it. Writers wait; readers wait for
        the moment in which the new file takes the place of the old one."""
        ...

    def close(self) -> None:
        """Lets go of the store. Nothing may be asked of it afterwards."""
        ...
