"""What the memory asks of a database engine: one writer, and readers that can touch nothing but the store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Transaction(Protocol):
    """Everything done through it is committed together, or not at all."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Carries out a statement."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, which sees what the transaction has done so far."""
        ...

    def put(self, name: str, table: pa.Table) -> None:
        """Makes an Arrow table readable under this name until the transaction ends."""
        ...


class Backend(Protocol):
    """A database engine with one store open. Every error it raises is a StorageError."""

    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction: committed when the block ends, rolled back when it raises. One at a time; others wait."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The rows of a query, on a connection of its own that is limited in time and memory and cannot reach files."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `query`, for few rows: they come as tuples, and sooner."""
        ...

    def close(self) -> None:
        """Lets go of the store. Nothing may be asked of it afterwards."""
        ...
