"""Connections with limits: how many, how large their headers, how long these and unread answers may take."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .options import Limits
from .problems import MEDIA_TYPE, Problem, busy, large_headers


class _Connection(asyncio.Protocol):
    """What both protocols share: refusals, and the end of connections whose client doesn't read what was sent to it."""

    limits = Limits()
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hear of every byte that isn't sent at once: writing is paused until the last one is."""
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """Something waits for the client, which from here on has some time to read."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Nothing waits any more."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _watch(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.limits.send_seconds, self._break, unread)

    def _break(self, before: int) -> None:
        """End the connection, unless its client has read something since there was so much."""
        self._stalled = None
        unread = self.transport.get_write_buffer_size()
        if unread >= before:
            self.transport.abort()
        elif unread:
            self._watch()

    def _refuse(self, problem: Problem) -> None:
        """Write an answer past the application, and close."""
        headers = {"content-type": MEDIA_TYPE, "content-length": len(problem.body), "connection": "close"}
        lines = [f"HTTP/1.1 {problem.status} {problem.record['title']}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **problem.headers}.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + problem.body)
        self.transport.close()


class LimitedHTTP(_Connection, H11Protocol):
    """uvicorn's protocol of HTTP/1.1 within `Limits`: one whose request doesn't come is closed, too many get 503."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it."""
        super().connection_made(transport)
        most = self.limits.connections
        if len(self.connections) > most:
            self._refuse(busy(f"{most} connections are open, which is all that fits; try again in a moment"))
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; headers that are there are waited for no more."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._settled()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waits."""
        self._settled()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Go over to a WebSocket."""
        self._settled()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """The first byte of a further request has uvicorn's own time limit."""
        self._settled()
        super().on_response_complete()
        if not self.cycle.response_complete:
            self._settled()  # the next one was there already

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has too large headers."""
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(large_headers(self.limits))
        self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        # The first bytes of a further request: from here on its headers have their time.
        if self.timeout_keep_alive_task is not None and self._waiting is None and not self.transport.is_closing():
            self._wait()
        super()._unset_keepalive_if_required()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.limits.header_seconds, self._late)

    def _late(self) -> None:
        self._waiting = None
        self.transport.abort()

    def _settled(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class LimitedWebSocket(_Connection, WebSocketsSansIOProtocol):  # type: ignore[misc]
    """uvicorn's protocol of WebSockets within `Limits`; an upgrade that websockets can't read is refused and closed."""

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.close_sent:
            # uvicorn neither answers nor closes, and its shutdown would need the request that there is not.
            self.close_sent = True
            self._refuse(Problem(400, f"no upgrade to a WebSocket: {self.conn.handshake_exc}"))
