"""What can go wrong in the memory: one exception, and a closed list of codes that says which."""

from __future__ import annotations

from typing import Literal

StorageCode = Literal[
    "locked",  # another process has the store open
    "damaged",  # the file is no DuckDB database, or a broken one
    "unwritable",  # the file cannot be opened or made there
    "full",  # no room on the disk
    "newer",  # written by a later release
    "foreign",  # a DuckDB database that is no store
    "zone",  # no such time zone, or another one than the phonebook has
    "source",  # a file or object that events or contacts cannot be read from
    "stopped",  # a question that somebody stopped
    "too slow",  # a question took longer than the limit
    "too big",  # a question needed more memory than the limit
    "unsupported",  # a query that is not answered here
    "failed",  # the engine did not carry it out
    "refused",  # it is not done here
    "unknown",  # no such thing in the store
    "taken",  # the name is in use
    "in use",  # something else is defined by it
    "circular",  # it would be defined by itself
    "earlier",  # as of an instant before the last one that was recorded
]


class StorageError(Exception):
    """The store could not do what was asked; nothing was half done.

    Attributes:
        code: what kind of trouble it is.
        message: what happened and what to do about it, in plain words.
    """

    def __init__(self, code: StorageCode, message: str) -> None:
        self.code: StorageCode = code
        self.message = message
        super().__init__(message)


class Unsupported(StorageError):
    """A query that is understood, but asks for something that is not answered here. `node` names it."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__("unsupported", f"This is not answered yet: {node}.")
