"""The process that serves a store: it listens, logs, and stops when it is told to."""

from __future__ import annotations

import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from persona.server import Limits, application
from persona.settings import ModelSettings
from storage.store import Store


class _Connection(HttpToolsProtocol):
    """A connection as uvicorn has it, but a request whose line and headers are longer than
    `h11_max_incomplete_event_size` of the configuration is none: that setting is for uvicorn's other kind only."""

    _coming = 0  # bytes of a head that is not there yet; far below 0, where a body comes

    def data_received(self, data: bytes) -> None:
        self._coming += len(data)
        super().data_received(data)
        if self._coming > self._most and not self.transport.is_closing():
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        self._coming = -sys.maxsize
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self._most:
            raise httptools.HttpParserError("The head is too long.")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._coming = 0

    @property
    def _most(self) -> int:
        return self.config.h11_max_incomplete_event_size or sys.maxsize


class _Lines(logging.Formatter):
    """Log records as JSON, a line each. None holds personal data: routes are told without what stands in them."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


def serve(
    path: str,
    host: str,
    port: int,
    limits: Limits,
    origins: Sequence[str],
    model: ModelSettings | None,
    ready: Callable[[str], None],
) -> None:
    """Serves the store at this path until it is told to stop (SIGTERM, or Ctrl+C): then what was accepted is finished.

    Args:
        port: 0 takes a free one.
        ready: told the address when requests are taken.

    Raises:
        StorageError: the store cannot be opened. OSError: the address is taken.
    """
    # Who stores lets go of the interpreter at each statement, and gets it back from who reads a question only after
    # this time, which is 5 ms by itself.
    sys.setswitchinterval(0.0005)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        app = application(Store.open(path), limits, origins, model)
        config = uvicorn.Config(
            app,
            http=_Connection,
            h11_max_incomplete_event_size=limits.head,
            limit_concurrency=limits.connections,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=30,
            server_header=False,
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            ws="none",
        )
        server = uvicorn.Server(config)
        # uvicorn raises the signal that stopped it once more; to have been stopped is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stopped)
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        server.run(sockets=[listening])


def _stopped(number: int, frame: FrameType | None) -> None:
    """Nothing is left to do: the server has stopped by itself."""
