"""A real server process on loopback, for the tests of the service."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from storage.registry import Scope
from storage.store import Store

SECONDS = 60.0


class Service:
    """A running `persona serve`, and how to speak to it. `log` is what it says."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path, store: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.store = store
        self.client = httpx.Client(base_url=url, timeout=SECONDS)

    def call(self, method: str, path: str, key: str, book: str = "shop", **more: Any) -> httpx.Response:
        """A request below a phonebook."""
        headers = {"authkey": key} | more.pop("headers", {})
        return self.client.request(method, f"/api/v1/phonebooks/{book}{path}", headers=headers, **more)

    def get(self, path: str, key: str, **more: Any) -> Any:
        """The JSON of a request that works out."""
        response = self.call("GET", path, key, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, key: str, body: object, **more: Any) -> Any:
        """The JSON of a request that works out."""
        response = self.call("POST", path, key, json=body, **more)
        assert response.is_success, response.text
        return response.json()

    def segment(self, key: str, path: str, body: object) -> httpx.Response:
        """What a Segment-compatible client sends."""
        shown = base64.b64encode(f"{key}:".encode()).decode()
        return self.client.post(f"/v1/{path}", json=body, headers={"Authorization": f"Basic {shown}"})

    def metric(self, name: str) -> float:
        """The value of a metric, its labels as they are written; 0 where it has not been counted."""
        text = self.client.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def memory(self) -> int:
        """Bytes that the process has in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it and returns its exit status."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


def make_key(store: Path, *phonebooks: str, scope: Scope = "admin") -> str:
    """A key for these phonebooks, which are made where they are missing."""
    opened = Store.open(store)
    try:
        for name in phonebooks:
            opened.phonebook(name)
        return opened.create_key(phonebooks, scope)[1]
    finally:
        opened.close()


@contextmanager
def serving(store: Path, *options: str) -> Iterator[Service]:
    """A server on this store, ended when the block ends."""
    log = store.with_suffix(f".{time.monotonic_ns()}.log")
    environment = {**os.environ, "PERSONA_URL": "", "PERSONA_KEY": ""}
    command = [sys.executable, "-m", "persona", "--store", str(store), "serve", "--port", "0", *options]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
    try:
        yield Service(process, _address(process, log), log, store)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    began = time.monotonic()
    while time.monotonic() - began < SECONDS and process.poll() is None:
        if found := re.search(r"serving (\S+)", log.read_text()):
            with httpx.Client(base_url=found[1]) as client:
                while True:
                    try:
                        client.get("/healthz")
                        return found[1]
                    except httpx.ConnectError:
                        time.sleep(0.05)
        time.sleep(0.05)
    raise AssertionError(f"the service did not start: {log.read_text()}")
