"""HTTP/1.1 connections with limits: how many, how large their headers, how long these may take."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from .problems import MEDIA_TYPE, Problem


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, which closes connections whose request doesn't come, and refuses those beyond a number."""

    header_seconds = 10.0
    most_connections = 512
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it with 503."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            problem = Problem(503, f"{self.most_connections} connections are open, which is all that fits")
            head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: {MEDIA_TYPE}\r\nretry-after: 1\r\n"
            head += f"content-length: {len(problem.body)}\r\nconnection: close\r\n\r\n"
            transport.write(head.encode() + problem.body)
            transport.close()
            return
        self._waiting = self.loop.call_later(self.header_seconds, self._late)

    def data_received(self, data: bytes) -> None:
        """Read on; headers that are there wait no more."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._settled()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        self._settled()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Go over to a WebSocket."""
        self._settled()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request, whose first byte has uvicorn's own time limit."""
        self._settled()
        super().on_response_complete()

    def _unset_keepalive_if_required(self) -> None:
        # The first bytes of a further request: from here on its headers have their time.
        if self.timeout_keep_alive_task is not None and self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(self.header_seconds, self._late)
        super()._unset_keepalive_if_required()

    def _late(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _settled(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
