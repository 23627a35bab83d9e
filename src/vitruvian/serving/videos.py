"""``POST /v1/videos``: the poses of a video, a line of JSON for each frame as soon as it is done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import IO, TYPE_CHECKING, Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request, Response

from ..errors import InputError
from ..media.excerpts import Section
from ..media.records import frame_record
from ..tracking import check_every
from . import examples
from .answers import as_json, header
from .containers import opened
from .inputs import MULTIPART, check_type, content_type, multipart, spooled
from .problems import ClientGone, as_problem, timed_out, too_large
from .queries import VideoQuery
from .service import Service, until_gone

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..media.excerpts import Excerpt
    from ..media.videos import Video

router = APIRouter(tags=["videos"])

FIELD = "video"
MEDIA_TYPE = "application/x-ndjson"
# Lines that may wait for the client.
_AHEAD = 16


@router.post(
    "/v1/videos",
    summary="The poses of a video, frame by frame.",
    openapi_extra=examples.body("video/mp4", FIELD),
    responses=examples.answers(examples.LINES, MEDIA_TYPE),
    response_class=Response,
)
async def videos(request: Request, query: Annotated[VideoQuery, Query()]) -> Response:
    """Send a video as the body, or as the part `video` of multipart/form-data. The answer is NDJSON: a header, a line
    for each frame as it is done, and at the end `{"done": true, "frames": n}`, or `{"error": problem}`.
    """
    service: Service = request.app.state.service
    if not query.track and (query.smooth or query.detect_every != 1):
        raise InputError("smooth and detect_every need tracks: track as well (track=true)")
    check_every(query.detect_every)
    service.detector(query.limited)
    if content_type(request) != MULTIPART:
        check_type(request, "video")
    return _Answer(service, request, query, Section(query.start, query.end, query.stride))


class _Answer(Response):
    """Reads the video, and sends its lines."""

    def __init__(self, service: Service, request: Request, query: VideoQuery, section: Section) -> None:
        super().__init__(media_type=MEDIA_TYPE)
        self._service, self._request, self._query, self._section = service, request, query, section
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle the request. Raises Problem or InputError as long as nothing was sent."""
        service = self._service
        with service.place("videos"), service.admitted():
            async with self._file() as (file, name):
                work = _Work(service, self._query, self._section, file, name)
                running = asyncio.get_running_loop().run_in_executor(service.readers, work.run)
                gone = asyncio.ensure_future(until_gone(receive))
                try:
                    await self._send(work, gone, send)
                except ClientGone:
                    # Of an answer that has begun nobody sees the rest; its connection is broken.
                    if not self._begun:
                        raise
                finally:
                    gone.cancel()
                    work.stop()
                    # The file is open until the thread is done with it.
                    with suppress(asyncio.CancelledError), anyio.CancelScope(shield=True):
                        await running

    @asynccontextmanager
    async def _file(self) -> AsyncIterator[tuple[IO[bytes], str]]:
        limits = self._service.options.limits
        seconds = 4 * limits.body_seconds
        if content_type(self._request) == MULTIPART:
            async with multipart(self._request, FIELD, 1, limits.video_bytes, seconds) as (file,):
                yield file.file, file.filename or FIELD
        else:
            async with spooled(self._request, limits.video_bytes, seconds) as raw:
                yield raw, FIELD

    async def _send(self, work: _Work, gone: asyncio.Future[None], send: Send) -> None:
        limits = self._service.options.limits
        while True:
            line = await _unless(gone, work.lines.get())
            if isinstance(line, BaseException):
                if not self._begun:
                    raise line
                line = as_json({"error": as_problem(line).record}) + b"\n"
                await self._line(send, line, gone, limits.send_seconds, last=True)
                return
            if not self._begun:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers[-1:]})
                self._begun = True
            last = line is work.end
            await self._line(send, line, gone, limits.send_seconds, last)
            if last:
                return

    async def _line(self, send: Send, line: bytes, gone: asyncio.Future[None], seconds: float, last: bool) -> None:
        try:
            sending = send({"type": "http.response.body", "body": line, "more_body": not last})
            await asyncio.wait_for(_unless(gone, sending), seconds)
        except asyncio.TimeoutError:
            # `LimitedHTTP` breaks a connection that isn't read, after the same time.
            await asyncio.wait({gone}, timeout=1.0)
            raise ClientGone from None


async def _unless(gone: asyncio.Future[None], work: Any) -> Any:
    """The result of work. Raises ClientGone when the client leaves before."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientGone
    finally:
        doing.cancel()


class _Work:
    """The frames of a video, on a thread of their own.

    Attributes:
        lines: what the client is to see, each line as bytes, or the error that ended the work; the last is `end`.
    """

    def __init__(self, service: Service, query: VideoQuery, section: Section, file: IO[bytes], name: str) -> None:
        self._service, self._query, self._section, self._file, self._name = service, query, section, file, name
        self._loop = asyncio.get_running_loop()
        self.lines: asyncio.Queue[bytes | BaseException] = asyncio.Queue()
        self.end: bytes | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Nobody wants further lines."""
        self._stopped.set()

    def run(self) -> None:
        """All of it."""
        try:
            self._run()
        except Exception as error:
            self._put(error)

    def _put(self, line: bytes | BaseException) -> None:
        self._loop.call_soon_threadsafe(self.lines.put_nowait, line)

    def _run(self) -> None:
        service, query, limits = self._service, self._query, self._service.options.limits
        until, count = time.monotonic() + limits.video_request_seconds, 0
        detector = service.detector(query.limited)
        model = service.model.limited(detector.score, detector.max_persons)

        def check() -> None:
            if self._stopped.is_set():
                raise ClientGone
            if time.monotonic() > until:
                raise timed_out(self._name, limits.video_request_seconds)

        with opened(self._file, self._name, self._section, limits, check) as source:
            self._put(as_json(header(model.pose.skeleton) | self._head(source)) + b"\n")
            with closing(model.frames(source, query.track, query.smooth, query.detect_every)) as frames:
                for frame, poses in frames:
                    count += 1
                    if count > limits.frames:
                        raise too_large(f"{self._name} has more than {limits.frames:,} frames, the most that is taken")
                    check()
                    service.metrics.found(len(poses))
                    line = as_json(frame_record(frame, poses, query.angles_from)) + b"\n"
                    self._wait(until)
                    if self._stopped.is_set():
                        return
                    self._put(line)
            problems = [_without_path(problem, self._name) for problem in source.problems]
            self.end = as_json({"done": True, "frames": count, **({"problems": problems} if problems else {})}) + b"\n"
            self._put(self.end)

    def _head(self, source: Video | Excerpt) -> dict[str, Any]:
        info = source.info
        size = {"width": info.width, "height": info.height}
        return {"source": self._name, **size, "frame_rate": float(info.fps), "frames": source.length}

    def _wait(self, until: float) -> None:
        """Until the client has taken enough lines, or it is too late."""
        while self.lines.qsize() >= _AHEAD and not self._stopped.is_set() and time.monotonic() < until:
            time.sleep(0.005)


def _without_path(problem: str, name: str) -> str:
    """A message of the reader with the client's name for the file."""
    path, _, _ = problem.partition(" ")
    return problem.replace(path.rstrip(":"), name) if path.startswith("/") else problem
