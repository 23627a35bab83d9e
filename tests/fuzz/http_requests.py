"""Requests to the server as files: seeds of their bodies and of whole ones, and a reader that lets the server answer.

The server runs in this process, on networks of constants, and takes connections over socket pairs: all of it is there
but the listening socket.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import h11
from uvicorn.server import ServerState

from vitruvian.errors import InputError
from vitruvian.loading import load
from vitruvian.serving.options import Limits, ServerOptions
from vitruvian.serving.server import config_of
from vitruvian.serving.service import Service

# Seconds: of a whole answer; the server waits shorter for what doesn't come.
ANSWER = 40.0
LIMITS = Limits(
    pixels=4_000_000,
    picture_bytes=2**22,
    video_bytes=2**22,
    frames=50,
    header_seconds=0.3,
    body_seconds=0.3,
    video_request_seconds=20,
    send_seconds=2,
)
BOUNDARY = "edge"


def whole(body: bytes, path: str, kind: str) -> bytes:
    """A request with this body."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *([f"Content-Type: {kind}"] if kind else []), "", ""]).encode() + body


def form(body: bytes, field: str) -> bytes:
    """A multipart body with this file in it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="a b.jpg"\r\n\r\n'
    return head.encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()


def seeds(pictures: list[Any], videos: list[Any]) -> list[tuple[bytes, Any]]:
    """What is mutated, and what makes the request of it: bodies, forms, and whole requests."""
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    made: list[tuple[bytes, Any]] = []
    for seed in pictures:
        made.append((seed.data, lambda data, seed=seed: whole(seed.wrap(data), "/v1/poses?angles=true", "image/jpeg")))
    picture = pictures[0].data
    for field, path in (("picture", "/v1/poses"), ("video", "/v1/videos")):
        made += [(form(picture, field), partial(whole, path=path, kind=multipart))] * 3
    for seed in videos:
        made.append((seed.data, partial(whole, path="/v1/videos?track=true&smooth=true", kind="video/mp4")))
    requests = [
        whole(picture, "/v1/poses?score=0.5&max_persons=3&angles=true&keypoint_score=0.2", "image/jpeg"),
        whole(picture, "/v1/poses/drawn?boxes=true&names=true&colours=%23ff8800&line_width=3", "image/jpeg"),
        whole(form(picture, "picture"), "/v1/poses", multipart),
        whole(videos[0].data, "/v1/videos?track=true&detect_every=2&stride=2&start=0&end=1", "video/mp4"),
        whole(json.dumps({"url": "https://example.com/a.jpg"}).encode(), "/v1/poses", "application/json"),
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n\r\n",
        b"POST /v1/poses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + f"{len(picture):x}\r\n".encode()
        + picture
        + b"\r\n0\r\n\r\n",
        b"GET /v1/stream?track=true HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        + frame(2, picture)
        + frame(8, b"\x03\xe8"),
    ]
    return [*made, *((request, bytes) for request in requests for _ in range(2))]


def frame(code: int, data: bytes) -> bytes:
    """A WebSocket frame of a client, masked with zeros (RFC 6455, 5.2)."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | code]) + length + bytes(4) + data


@cache
def _serving() -> tuple[asyncio.AbstractEventLoop, Any]:
    """The loop of a server, and what makes its connections."""
    from seeds import graphs

    folder = Path(mkdtemp())
    for seed in graphs():
        if not (folder / seed.name).exists():
            (folder / seed.name).write_bytes(seed.data)
    engine: dict[str, Any] = {"runtime": "openvino", "threads": 1, "precision": "fp32"}
    model = load(folder / "pose.onnx", folder / "detector.onnx", img_size=64, **engine)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def connections() -> Any:
        options = ServerOptions(limits=LIMITS)
        config = config_of(Service(model, options), options)
        config.load()
        return partial(config.http_protocol_class, config=config, server_state=ServerState(), app_state={})

    return loop, asyncio.run_coroutine_threadsafe(connections(), loop).result(60)


def request(path: Path) -> None:
    """Answered, or refused.

    Raises:
        InputError: refused, with a status below 500 or with 503, or closed without an answer.
    """
    loop, protocol = _serving()
    ours, theirs = socket.socketpair()
    with ours:
        theirs.setblocking(False)
        asyncio.run_coroutine_threadsafe(loop.connect_accepted_socket(protocol, theirs), loop).result(60)
        ours.settimeout(ANSWER)
        with suppress(ConnectionError):
            ours.sendall(path.read_bytes())
        _judge(ours)


def _judge(connection: socket.socket) -> None:
    """Raises InputError for an answer that refuses, AssertionError for one that a server must not give."""
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", "x"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    client.send(h11.Request(method="POST", target="/", headers=headers))
    client.send(h11.EndOfMessage())
    status, body, said = 0, b"", b""
    while True:
        event = client.next_event() if said or status else h11.NEED_DATA
        if event is h11.NEED_DATA:
            part = b""
            with suppress(ConnectionError):
                part = connection.recv(65536)
            if not part and not said:
                raise InputError("no answer")
            said += part
            client.receive_data(part)
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            return _read_frames(connection)
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
    if status >= 500 and status not in (503, 504):
        raise AssertionError(f"{status}: {body[:2000].decode(errors='replace')}")
    if status >= 400:
        raise InputError(f"{status}: {json.loads(body)['detail'] if body[:1] == b'{' else body[:200]!r}")


def _read_frames(connection: socket.socket) -> None:
    """What a WebSocket says within a moment, or until it is closed."""
    connection.settimeout(0.5)
    with suppress(ConnectionError, TimeoutError):
        while connection.recv(65536):
            pass
