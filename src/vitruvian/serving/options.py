"""Options of the server: limits on what one request may take, batching, access."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..errors import InputError, did_you_mean
from ..io import MIB
from ..settings import parse_value, split_setting

_ORIGIN = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
_HOST = re.compile(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")


@dataclass(frozen=True)
class Limits:
    """What one request, and the whole server, may take. Every number is above 0.

    Args:
        picture_bytes: of a picture's file, and of a frame of ``/v1/stream``.
        body_bytes: of the bodies of all requests about pictures that are held at a time, by each worker.
        pixels: of a picture, and of a frame of a video.
        pictures: in one request.
        persons: of a picture or a frame; those scored best are kept.
        video_bytes: of a video's file.
        video_seconds: of a video's length.
        frames: of a video, after `stride`.
        videos: handled at a time.
        streams: open at a time.
        connections: open at a time.
        header_bytes: of the request line and all headers.
        header_seconds: until the headers of a request are there.
        body_seconds: until the body of a picture request is there; of a video it is four times that.
        request_seconds: for a picture, from its last byte to the answer.
        video_request_seconds: for a video, from its last byte to the last frame.
        stream_seconds: that a stream may be without a frame.
        send_seconds: that a client may read nothing of an answer that waits for it.

    Raises:
        InputError: a number that isn't above 0.
    """

    picture_bytes: int = 32 * MIB
    body_bytes: int = 512 * MIB
    pixels: int = 64 * 10**6
    pictures: int = 32
    persons: int = 100
    video_bytes: int = 512 * MIB
    video_seconds: float = 600.0
    frames: int = 36_000
    videos: int = 2
    streams: int = 8
    connections: int = 512
    header_bytes: int = 16_384
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    request_seconds: float = 30.0
    video_request_seconds: float = 1800.0
    stream_seconds: float = 60.0
    send_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in (item.name for item in fields(self)):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise InputError(f"limit {name} is {value!r}; a number above 0 wanted")


def parse_limits(texts: Sequence[str]) -> Limits:
    """Limits from ``name=number`` texts. Raises InputError for another name, or no number."""
    known = {item.name: item.type for item in fields(Limits)}
    given: dict[str, float] = {}
    for text in texts:
        name, value = split_setting(text)
        if name not in known:
            raise InputError(f"--limit {text}: {did_you_mean(name, known, 'there are ' + ', '.join(known))}")
        number = parse_value(value or "")
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise InputError(f"--limit {text}: give a number, as in {name}={getattr(Limits, name)}")
        given[name] = number if known[name] == "float" else int(number)
    return Limits(**given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Batching:
    """How requests share batches.

    Args:
        size: pictures that go through the detector at once, from 1.
        delay: seconds that a batch waits for pictures that are being decoded; without any on the way it starts at once.
        queue: requests that may be inside of a worker; further ones are answered 503.

    Raises:
        InputError: a number out of its range.
    """

    size: int = 8
    delay: float = 0.005
    queue: int = 64

    def __post_init__(self) -> None:
        for name in ("size", "queue"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, int) and 1 <= value <= 4096):
                raise InputError(f"batching: {name} is {value!r}; a whole number from 1 to 4096 wanted")
        if not 0 <= self.delay <= 1:
            raise InputError(f"batching: delay is {self.delay!r}; seconds from 0 to 1 wanted")


@dataclass(frozen=True)
class Access:
    """Who may ask for what.

    Args:
        tokens: bearer tokens, one of which a request must bring; empty lets everybody in.
        origins: of other sites whose pages may use the server (CORS), as ``https://example.com``; ``*`` is any.
        url_hosts: hosts that pictures are fetched from when a request names a URL; ``.example.com`` is a domain with
            all below it. Empty: no URL is fetched.

    Raises:
        InputError: a token, an origin or a host that is none.
    """

    tokens: tuple[str, ...] = field(default=(), repr=False)
    origins: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for token in self.tokens:
            if not _TOKEN.fullmatch(token):
                raise InputError("a token must have 16 to 512 letters, digits or any of ._~+/=-")
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise InputError(f"origin is {origin!r}; give one as https://example.com, without a path (--cors)")
        for host in self.url_hosts:
            if not _HOST.fullmatch(host):
                raise InputError(f"host is {host!r}; give a name as example.com or .example.com (--allow-urls)")


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens of a file: one a line; empty lines and those that start with ``#`` don't count.

    Raises:
        InputError: the file can't be read, or has no token.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MIB).decode("ascii")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't ASCII text"
        raise InputError(f"{path} can't be read: {reason}; give a file with one token a line (--token-file)") from None
    tokens = tuple(line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    if not tokens:
        raise InputError(f"{path} has no token; give a file with one token a line (--token-file)")
    return tokens


@dataclass(frozen=True)
class ServerOptions:
    """Everything about a server but its model.

    Args:
        host: address to listen on.
        port: 0 takes a free one.
        workers: processes, each with the model.
        limits, batching, access: see there.
        drain_seconds: that running requests have to finish after SIGTERM.

    Raises:
        InputError: a port or a number of workers out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    limits: Limits = Limits()
    batching: Batching = Batching()
    access: Access = Access()
    drain_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise InputError(f"port is {self.port}; a number from 0 to 65535 wanted (--port)")
        if not 1 <= self.workers <= 256:
            raise InputError(f"workers is {self.workers}; a number from 1 to 256 wanted (--workers)")
        if not 0 < self.drain_seconds < math.inf:
            raise InputError(f"drain_seconds is {self.drain_seconds}; a number above 0 wanted (--drain-seconds)")
