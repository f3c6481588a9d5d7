"""What the environment says: which store and which phonebook the commands speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What every command needs to know.

    Attributes:
        store: path of the store's file; None where nobody named one, and the command has its own default.
        phonebook: name of the phonebook.
        timezone: IANA zone of a phonebook that is made now; None for UTC, and for one that is there.
        url: address of a running service, which stands in for the store; None where there is none.
        key: the key that opens it.
    """

    store: str | None
    phonebook: str
    timezone: str | None
    url: str | None = None
    key: str | None = None


def settings(
    environment: Mapping[str, str],
    store: str | None = None,
    phonebook: str | None = None,
    timezone: str | None = None,
    url: str | None = None,
    key: str | None = None,
) -> Settings:
    """What was said on the command line, else what PERSONA_STORE, PERSONA_PHONEBOOK, PERSONA_URL and PERSONA_KEY say,
    else the defaults. A store that was named on the command line comes before a service that only the environment
    names."""
    return Settings(
        store=store or environment.get("PERSONA_STORE") or None,
        phonebook=phonebook or environment.get("PERSONA_PHONEBOOK") or "default",
        timezone=timezone,
        url=url or (None if store else environment.get("PERSONA_URL")) or None,
        key=key or environment.get("PERSONA_KEY") or None,
    )
