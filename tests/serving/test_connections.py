"""Connections at the level of bytes: upgrades that are none, answers read slowly, pipelined requests."""

from __future__ import annotations

import io
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from servers import Server, exchange, request, server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A server that waits half a second for headers, and one for clients that don't read."""
    with server("--limit=header_seconds=0.5", "--limit=send_seconds=1") as one:
        yield one


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Version": "13",
}
# What h11 takes and websockets doesn't.
NO_UPGRADES = {
    "a long header": request("/v1/stream", method="GET", **UPGRADE, X_Long="a" * 9000),
    "a long path": request("/v1/stream?" + "a" * 9000, method="GET", **UPGRADE),
    "many headers": request("/v1/stream", method="GET", **UPGRADE, **{f"X{number}": "a" for number in range(130)}),
    "chunks": request("/v1/stream", method="GET", **UPGRADE).replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    ),
}


@pytest.mark.parametrize("kind", NO_UPGRADES)
def test_upgrades_that_are_none_are_answered_and_closed(hasty, kind):
    """Else `exchange` would end with its timeout, without an answer."""
    answer = exchange(hasty.place, NO_UPGRADES[kind], 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def test_upgrades_that_are_none_do_not_break_the_end():
    with server() as one, socket.create_connection(one.place, timeout=10) as connection:
        connection.sendall(NO_UPGRADES["chunks"])
        assert connection.recv(12) == b"HTTP/1.1 400"
        assert one.end() == 0
        assert len(one.said) == 1, one.said


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A picture that is some megabytes as PNG: more than the system keeps of an answer."""
    buffer = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (1600, 2400, 3), np.uint8)
    Image.fromarray(values).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def drawing(one: Server, noise: bytes) -> socket.socket:
    """A connection to which a large answer has begun to come; it reads little at a time."""
    connection = socket.socket()
    connection.settimeout(60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.connect(one.place)
    connection.sendall(request("/v1/poses/drawn", noise))
    return connection


def downloaded(connection: socket.socket, pause: float, answer: bytes = b"") -> bytes:
    """The body of an answer, whose first bytes may be there, read in pieces with pauses."""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length and (part := connection.recv(65536)):
        body += part
        time.sleep(pause)
    assert len(body) == length
    return body


def test_who_reads_steadily_gets_the_whole_answer(hasty, noise):
    """However long the whole takes."""
    with drawing(hasty, noise) as connection:
        start = time.monotonic()
        body = downloaded(connection, 0.02)
        assert time.monotonic() - start > 3
        assert Image.open(io.BytesIO(body)).size == (2400, 1600)


def test_who_does_not_read_the_rest_is_let_go(hasty, noise):
    """What the system had taken of the answer still comes, and then its end."""
    with drawing(hasty, noise) as connection:
        answer = connection.recv(65536)
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        time.sleep(4)
        got = len(answer)
        while part := connection.recv(65536):
            got += len(part)
    assert got < length


def test_a_pipelined_request_has_its_own_time(hasty, photo):
    """Its headers were there with the request before it: that its body takes longer than headers may is no matter."""
    with socket.create_connection(hasty.place, timeout=60) as connection:
        both = request("/healthz", method="GET") + request("/v1/poses", photo, Connection="close")
        connection.sendall(both[:-1])
        time.sleep(1.2)
        connection.sendall(both[-1:])
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_the_end_waits_for_answers_that_are_being_downloaded(noise):
    """For `--drain-seconds`: not only for the 10 s that uvicorn has for connections."""
    with server() as one, drawing(one, noise) as connection:
        answer = connection.recv(65536)
        one.until("vitruvian_requests_inside", 0)
        one.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert httpx.get(one.url + "/readyz").status_code == 503
        answer += connection.recv(65536)
        assert downloaded(connection, 0.0, answer)
        assert one.process.wait(60) == 0
        assert len(one.said) == 1, one.said
