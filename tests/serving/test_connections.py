"""Connections at the level of bytes: upgrades that are none, answers read slowly, pipelined requests."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from servers import Server, exchange, request, server


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A server that waits half a second for headers, and for clients that don't read."""
    with server("--limit=header_seconds=0.5", "--limit=send_seconds=0.5") as one:
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
