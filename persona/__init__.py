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
    from grammar.errors import QuestionError, Reading
    from grammar.query import Query
    from persona.answer import Answer
    from persona.engine import Ambiguous, ModelNotConfigured, Phonebook, connect
    from persona.errors import NotUnderstood
    from persona.remote import RemotePhonebook, ServiceError
    from persona.segments import Refresh, Segment
    from persona.settings import ModelSettings
    from storage.errors import StorageError

__all__ = [
    "Ambiguous",
    "Answer",
    "ModelNotConfigured",
    "ModelSettings",
    "NotUnderstood",
    "Phonebook",
    "Query",
    "QuestionError",
    "Reading",
    "Refresh",
    "RemotePhonebook",
    "Segment",
    "ServiceError",
    "StorageError",
    "connect",
]

_ROOMS = {
    "Ambiguous": "persona.engine",
    "Answer": "persona.answer",
    "ModelNotConfigured": "persona.engine",
    "ModelSettings": "persona.settings",
    "NotUnderstood": "persona.errors",
    "Phonebook": "persona.engine",
    "Query": "grammar.query",
    "QuestionError": "grammar.errors",
    "Reading": "grammar.errors",
    "Refresh": "persona.segments",
    "RemotePhonebook": "persona.remote",
    "Segment": "persona.segments",
    "ServiceError": "persona.remote",
    "StorageError": "storage.errors",
    "connect": "persona.engine",
    "load_ipython_extension": "persona.notebook",  # %load_ext persona
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'persona' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
