"""The process that serves a store: it listens, logs, and stops when it is told to."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import FrameType

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from persona.engine import connect
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
        self.cycle.transport = _Whole(self.transport, self.loop)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._coming = 0

    @property
    def _most(self) -> int:
        return self.config.h11_max_incomplete_event_size or sys.maxsize


class _Whole(asyncio.Transport):
    """What a response is written to: its head waits for what comes right after it, and both are sent at once. To send
    is half of what the event loop does with a small request, and a head alone would wake the client for nothing."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._begun = False
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._begun:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        else:
            self._begun, self._head = True, bytes(data)
            self._loop.call_soon(self._send_head)

    def _send_head(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


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
        return msgspec.json.encode(told).decode()


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
    _load()

    # No line says from where in the code or in which thread it came, so nobody need look.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
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
            proxy_headers=False,
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


def _load() -> None:
    """Has all there that a question needs, before the first one comes. It stays, so the garbage collector need not look
    through it: that takes it a tenth of a second each time, in which nobody is answered. And requests make many objects
    and few cycles: to look for those after every 700 objects, as Python does by itself, finds hardly anything."""
    with connect(":memory:") as book:
        book.ask("users")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def _stopped(number: int, frame: FrameType | None) -> None:
    """Nothing is left to do: the server has stopped by itself."""
