"""The server process: socket, signals, and the end after what was begun."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import uvicorn

from ..errors import InputError
from .app import create_app
from .protocol import LimitedHTTP, LimitedWebSocket
from .service import Service

if TYPE_CHECKING:
    from ..pipeline import TopDown
    from .options import ServerOptions

logger = logging.getLogger("vitruvian")

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that end a server."""
AT_ONCE: int = getattr(signal, "SIGUSR1", 0)
"""Signal that makes a worker end at once. Of SIGTERM it may get several: one of its group's, one of its parent."""

_LOCAL = ("127.0.0.1", "::1", "localhost")
# Connections that the system keeps until they are taken.
_BACKLOG = 1024
# Bytes that it takes of an answer beyond what is on the way: that a slow client reads is seen soon.
_UNSENT = 65_536


def listen(options: ServerOptions) -> socket.socket:
    """A listening socket. Raises InputError where the address can't be had."""
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((options.host, options.port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{options.host}:{options.port} can't be listened on: {reason}; give another --host or --port"
        ) from None
    # Connections inherit both. asyncio sets this one only for sockets that name their protocol, which these don't;
    # without it the second part of an answer waits for the client's acknowledgement, 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    return listening


def address(listening: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    model: TopDown,
    options: ServerOptions,
    listening: socket.socket,
    ready: Callable[[], Any],
    signals: Sequence[int] = SIGNALS,
) -> int:
    """Serve until a signal says to leave.

    Args:
        model: with a detector.
        options: of the server.
        listening: see `listen`; it is closed at the end.
        ready: called when requests are taken.
        signals: that end it: the first drains, a second one ends at once. With `AT_ONCE` among them only that does.

    Returns:
        The number of the signal.
    """
    service = Service(model, options)
    server = _Server(config_of(service, options), service, ready, signals)
    asyncio.run(server.serve(sockets=[listening]))
    return server.received


def config_of(service: Service, options: ServerOptions) -> uvicorn.Config:
    """uvicorn's settings for a service."""
    limits = options.limits
    return uvicorn.Config(
        create_app(service),
        http=type("HTTP", (LimitedHTTP,), {"limits": limits}),
        ws=type("WebSocket", (LimitedWebSocket,), {"limits": limits}),
        ws_max_size=limits.picture_bytes,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=limits.header_bytes,
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(max(1, limits.header_seconds)),
        timeout_graceful_shutdown=10,
    )


class _Server(uvicorn.Server):
    """uvicorn's server with another end: the first signal drains, a second one ends at once."""

    def __init__(
        self, config: uvicorn.Config, service: Service, ready: Callable[[], Any], signals: Sequence[int]
    ) -> None:
        super().__init__(config)
        self._service, self._ready, self._signals = service, ready, signals
        self._until = 0.0
        self.received = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Context in which the signals are heard; they aren't raised again at its end."""
        before = {number: signal.signal(number, self.handle_exit) for number in self._signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to leave."""
        if (sig == AT_ONCE) if AT_ONCE in self._signals else self.received:
            self.config.timeout_graceful_shutdown = 0
            self.should_exit = True
        if self.received:
            return
        self.received = sig
        self._until = time.monotonic() + self._service.options.drain_seconds
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Leave when nothing is being handled any more, or when it takes too long."""
        if self._service.draining and not self.should_exit:
            # Also answers that are still being downloaded, whose request is done.
            unread = sum(bool(one.transport.get_write_buffer_size()) for one in self.server_state.connections)
            left = max(len(self.server_state.tasks), unread)
            late = time.monotonic() > self._until
            if late and left:
                logger.warning("%d requests were not done in time, and are given up", left)
            if late:
                self.config.timeout_graceful_shutdown = 1
            # Of WebSockets each leaves by itself.
            self.should_exit = late or not left
        return await super().on_tick(counter)


def announce(address: str, options: ServerOptions) -> None:
    """Say where the server is, and what is open about it."""
    print(f"vitruvian: serving at {address} (Ctrl-C ends it)", flush=True)
    if options.host not in _LOCAL and not options.access.tokens:
        logger.warning("everybody who reaches %s may use it: give --token-file, or listen on 127.0.0.1", address)


def warm_up(model: TopDown) -> None:
    """Run both networks once, which compiles what is compiled late."""
    model(np.zeros((480, 640, 3), np.uint8))
    model(np.zeros((480, 640, 3), np.uint8), boxes=[[100, 100, 300, 400]])
