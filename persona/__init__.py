"""Persona: ask a phonebook of contacts and their events for users, in plain English.

>>> import persona
>>> with persona.connect(":memory:", phonebook="shop") as book:
...     book.import_contacts([{"visitor_id": "v1", "city": "Porto"}]).accepted
1

Rooms load when one of their names is first used, so that `import persona` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grammar.errors import NotUnderstood, QuestionError, Reading
    from grammar.query import Query
    from persona.answer import Answer
    from persona.engine import Ambiguous, ModelNotConfigured, Phonebook, connect
    from persona.remote import RemotePhonebook, ServiceError
    from storage.errors import StorageError

__all__ = [
    "Ambiguous",
    "Answer",
    "ModelNotConfigured",
    "NotUnderstood",
    "Phonebook",
    "Query",
    "QuestionError",
    "Reading",
    "RemotePhonebook",
    "ServiceError",
    "StorageError",
    "connect",
]

_ROOMS = {
    "Ambiguous": "persona.engine",
    "Answer": "persona.answer",
    "ModelNotConfigured": "persona.engine",
    "NotUnderstood": "grammar.errors",
    "Phonebook": "persona.engine",
    "Query": "grammar.query",
    "QuestionError": "grammar.errors",
    "Reading": "grammar.errors",
    "RemotePhonebook": "persona.remote",
    "ServiceError": "persona.remote",
    "StorageError": "storage.errors",
    "connect": "persona.engine",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'persona' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
