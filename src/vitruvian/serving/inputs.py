"""Bodies of requests: raw or multipart, read with limits of size and time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeAlias

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ..io import MIB, parse_json
from .problems import ClientGone, Problem, too_large

MULTIPART = "multipart/form-data"
JSON = "application/json"
_VAGUE = ("", "application/octet-stream", "binary/octet-stream")
# A part's headers and boundary beside its data.
_PART_OVERHEAD = 4096


Note: TypeAlias = "Callable[[int], None]"
"""Is told how many bytes were received."""


def content_type(request: Request) -> str:
    """The type of a request's body, lower case, without parameters; empty where none is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_type(request: Request, kind: str) -> str:
    """The type of a request's body. Raises Problem (415) for one that is neither raw (image/*, ...) nor multipart.

    Args:
        request: the request.
        kind: "image" or "video".
    """
    given = content_type(request)
    if given in (*_VAGUE, MULTIPART) or given.startswith(f"{kind}/") or (kind == "video" and given == "image/gif"):
        return given
    raise Problem(
        415,
        f"the body is {given[:100]}; send {'a picture' if kind == 'image' else 'a video'} as {kind}/... or "
        f"application/octet-stream, or as {MULTIPART} with parts named {'picture' if kind == 'image' else 'video'}",
    )


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """Context for reading a body. Raises Problem (408) when it takes too long, ClientGone when the client leaves."""
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError:
        raise Problem(408, f"the body was not there within {seconds:g} s; send it faster, or less") from None
    except ClientDisconnect:
        raise ClientGone from None


def _declared(request: Request, limit: int) -> None:
    """Raises Problem (413) for a Content-Length above the limit."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length) > limit:
        raise _over(limit)


def _over(limit: int) -> Problem:
    return too_large(f"the body has more than {limit:,} bytes, the most that is taken; send less")


async def read_picture(request: Request, limit: int, seconds: float, note: Note) -> bytes:
    """The whole body. Raises Problem for more than `limit` bytes (413), none at all (400), or too slow (408).

    `note` is told of every part, see `Service.holding`.
    """
    _declared(request, limit)
    data = bytearray()
    async with _in_time(seconds):
        async for part in request.stream():
            note(len(part))
            data += part
            if len(data) > limit:
                raise _over(limit)
    if not data:
        raise Problem(400, "the request has no body; send a picture")
    return bytes(data)


@asynccontextmanager
async def multipart(
    request: Request, field: str, count: int, limit: int, seconds: float, note: Note | None = None
) -> AsyncIterator[list[UploadFile]]:
    """Context with the files of a multipart body, which are gone after it.

    Args:
        request: the request.
        field: the name of their parts.
        count: at most so many.
        limit: bytes of each; together they may have four times that.
        seconds: until all are there.
        note: see `read_picture`.

    Raises:
        Problem: another part, no part, too many, too large, too slow, or no multipart at all.
    """
    most = limit * min(count, 4) + count * _PART_OVERHEAD
    _declared(request, most)
    limited = _Limited(request, most, note)
    bounded = Request(request.scope, limited.receive)
    try:
        async with _in_time(seconds):
            form = await bounded.form(max_files=count, max_fields=0)
    except HTTPException as error:
        parts = f"parts named {field}"
        if "Too many files" in str(error.detail):
            raise too_large(f"the multipart body has more than {count} files, the most that is taken") from None
        if "Too many fields" in str(error.detail):
            raise too_large(f"the multipart body has parts that are no files; send files as {parts} alone") from None
        hint = f"send at most {count} files, as {parts}"
        raise Problem(400, f"the multipart body can't be taken: {error.detail}; {hint}") from None
    try:
        files = [value for name, value in form.multi_items() if name == field and isinstance(value, UploadFile)]
        if len(files) != len(form.multi_items()) or not files:
            raise Problem(400, f"the multipart body must have files as parts named {field}, and nothing else")
        for number, file in enumerate(files):
            if (file.size or 0) > limit:
                raise too_large(f"{named(file, number)} has more than {limit:,} bytes, the most that is taken")
        yield files
    finally:
        await form.close()


class _Limited:
    """The messages of a request, up to a number of bytes."""

    def __init__(self, request: Request, limit: int, note: Note | None) -> None:
        self._receive = request.receive
        self._note = note
        self._limit = self._left = limit

    async def receive(self) -> Any:
        """The next message. Raises Problem (413) beyond the limit."""
        message = await self._receive()
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._left -= size
            if self._note is not None:
                self._note(size)
            if self._left < 0:
                raise _over(self._limit)
        return message


def named(file: UploadFile, number: int) -> str:
    """What answers and messages call a file."""
    return file.filename or f"picture {number}"


async def read_url(request: Request, seconds: float, note: Note) -> str:
    """The address in a body ``{"url": "..."}``. Raises Problem (400) for another body."""
    data = await read_picture(request, 8192, seconds, note)
    record = parse_json(data, "the body")
    address = record.get("url") if isinstance(record, dict) and len(record) == 1 else None
    if not isinstance(address, str):
        raise Problem(400, 'a JSON body must be {"url": "https://..."}')
    return address


@asynccontextmanager
async def spooled(request: Request, limit: int, seconds: float) -> AsyncIterator[IO[bytes]]:
    """Context with the raw body in a file without a name, which is gone after it. Raises as `read_picture`."""
    _declared(request, limit)
    size = 0
    with SpooledTemporaryFile(MIB) as file:
        async with _in_time(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise _over(limit)
                if size > MIB:
                    await anyio.to_thread.run_sync(file.write, part)
                else:
                    file.write(part)
        if not size:
            raise Problem(400, "the request has no body; send a video")
        yield file


async def discard(request: Request, limit: int, seconds: float = 5.0) -> None:
    """Read what a refused client still sends, up to a limit, so that it sees the answer and not a broken connection."""
    with suppress(Exception), anyio.move_on_after(seconds):
        async for part in request.stream():
            limit -= len(part)
            if limit < 0:
                return
