"""A real HTTP server that speaks chat completions, with a script in the place of a model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
STRANGE = "აბგდევზთიკლმნოპჟრსტუფქღყშჩ"  # a language of no country: English words in other letters


@dataclass(frozen=True)
class Reply:
    """What the server sends: a status, headers, a body in pieces, and how long it waits before each."""

    body: bytes | list[bytes] | Iterator[bytes] = b""
    status: int = 200
    wait: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


def completion(content: str | None, finish: str = "stop", refusal: str | None = None) -> Reply:
    """A chat completion that holds this text."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    whole = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }
    return Reply(json.dumps(whole).encode())


def proposal(*pieces: dict[str, Any], unclear: list[int] | None = None) -> Reply:
    """A completion that proposes these pieces."""
    return completion(json.dumps({"pieces": list(pieces), "unclear": unclear or []}))


def kept(*words: int) -> dict[str, Any]:
    return {"kind": "kept", "words": list(words)}


def said(english: str, *words: int) -> dict[str, Any]:
    return {"kind": "said", "words": list(words), "english": english}


def named(name: int, *words: int) -> dict[str, Any]:
    return {"kind": "named", "words": list(words), "name": name}


def filler(*words: int) -> dict[str, Any]:
    return {"kind": "filler", "words": list(words)}


@dataclass
class Asked:
    """One request as it came: its path, headers and body, and what the prompt in it says."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)  # type: ignore[no-any-return]

    @property
    def sheet(self) -> dict[str, Any]:
        """The question, its words and the names, as the model is shown them."""
        return json.loads(self.body["messages"][1]["content"])  # type: ignore[no-any-return]

    @property
    def words(self) -> list[str]:
        return [word["text"] for word in self.sheet["words"]]

    def name(self, text: str) -> int:
        """The number of the offered name of this text."""
        return next(n["name"] for n in self.sheet["names"] if text in n.values())


Script = Callable[[Asked], Reply]


@dataclass
class ModelServer:
    """The running server: its address, what it was asked, and the script that answers."""

    url: str
    script: Script
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def serving(script: Script) -> Iterator[ModelServer]:
    """The server, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, raw)
            state.asked.append(asked)
            reply = state.script(asked)
            time.sleep(reply.wait)
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                if isinstance(reply.body, bytes):
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                else:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for piece in reply.body:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        time.sleep(reply.wait)
                    self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True  # the client has heard enough

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state = ModelServer(f"http://127.0.0.1:{server.server_address[1]}/v1", script)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def keep_all(asked: Asked) -> Reply:
    """The perfect model for a question in plain English: every word stays."""
    return proposal(kept(*range(len(asked.words))))
