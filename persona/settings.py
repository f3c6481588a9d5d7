"""What the environment says: which store and which phonebook the commands speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ModelUse: TypeAlias = Literal["always", "when-needed"]
_USES: tuple[ModelUse, ...] = ("always", "when-needed")


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


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The language model that may read questions.

    Attributes:
        name: what the server calls it.
        url: base URL of an OpenAI-compatible server; None for OpenAI's own.
        key: what the server knows us by; a local one needs none.
        use: "always" beside the grammar, or "when-needed": where the grammar does not understand.
        timeout: seconds that all requests for one question may take together.
    """

    name: str
    url: str | None = None
    key: str | None = field(default=None, repr=False)
    use: ModelUse = "always"
    timeout: float = 10.0


def model_settings(environment: Mapping[str, str]) -> ModelSettings | None:
    """What PERSONA_MODEL, PERSONA_MODEL_URL, PERSONA_MODEL_USE, PERSONA_MODEL_TIMEOUT and OPENAI_API_KEY say; None
    where no model is named. Raises ValueError that names the variable and what it takes."""
    name = environment.get("PERSONA_MODEL", "").strip()
    if not name:
        return None
    said = environment.get("PERSONA_MODEL_USE") or "always"
    use = next((known for known in _USES if known == said), None)
    if use is None:
        raise ValueError(f"PERSONA_MODEL_USE is {' or '.join(_USES)}, not {said!r}")
    url = environment.get("PERSONA_MODEL_URL") or None
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(
            f"PERSONA_MODEL_URL is the base URL of a server, such as http://localhost:11434/v1, not {url!r}"
        )
    said = environment.get("PERSONA_MODEL_TIMEOUT") or "10"
    try:
        timeout = float(said)
    except ValueError:
        timeout = 0.0
    if not 0 < timeout <= 600:
        raise ValueError(f"PERSONA_MODEL_TIMEOUT is a number of seconds, from more than 0 to 600, not {said!r}")
    return ModelSettings(name, url, environment.get("OPENAI_API_KEY") or None, use, timeout)
