"""A real server process for tests, and raw connections to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

START, END = 120.0, 90.0


class Server:
    """`vitruvian serve` in a process of its own, on a free port."""

    def __init__(self, *arguments: object, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "vitruvian", "serve", "--port", "0", *map(str, arguments)]
        source = str(Path(__file__).resolve().parents[2] / "src")
        paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, **(env or {})},
        )
        self.said: list[str] = []
        self._up = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        if not self._up.wait(START) or not self.url:
            self.process.kill()
            raise AssertionError("no server: " + "".join(self.said))

    @property
    def url(self) -> str:
        return next((line.split()[3] for line in self.said if "serving at" in line), "")

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)
            if "serving at" in line:
                self._up.set()
        self._up.set()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Exit code after a signal; harmless a second time."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(END)
        finally:
            self.process.kill()
            self._listener.join(END)
            assert self.process.stdout
            self.process.stdout.close()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = httpx.get(self.url + "/metrics", timeout=30).text
        rows = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(row.rsplit(" ", 1)[1]) for row in rows)

    def until(self, metric: str, value: float, seconds: float = 30) -> float:
        """A metric, as soon as it has this value; else what it is then."""
        end = time.monotonic() + seconds
        while (found := self.metric(metric)) != value and time.monotonic() < end:
            time.sleep(0.05)
        return found


@contextmanager
def server(*arguments: object, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Context with a running server."""
    running = Server(*arguments, env=env)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


def request(path: str, body: bytes = b"", method: str = "POST", **headers: str) -> bytes:
    """An HTTP request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(place: tuple[str, int], data: bytes, seconds: float = 60) -> bytes:
    """What a server answers to these bytes, until it closes or says nothing more for so long."""
    with socket.create_connection(place, timeout=seconds) as connection:
        answer = b""
        with suppress(OSError):
            connection.sendall(data)
        with suppress(OSError):
            while part := connection.recv(65536):
                answer += part
        return answer


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a problem, which must have this status."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    record = answer.json()
    assert set(record) == {"type", "title", "status", "detail"}
    assert record["status"] == status
    return str(record["detail"])


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    """The records of NDJSON."""
    return [json.loads(line) for line in answer.iter_lines()]
