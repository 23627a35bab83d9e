"""``WS /v1/stream``: frames of a camera, answered newest first."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from ..errors import InputError
from ..media.frames import Frame
from ..media.records import frame_record
from ..tracking import Smoother, Tracker
from .access import SUBPROTOCOL
from .answers import as_json, header
from .problems import Problem, as_problem
from .queries import TrackQuery
from .service import Service

if TYPE_CHECKING:
    from ..detectors import Detector
    from ..pictures import Image
    from ..poses import Boxes, Poses

router = APIRouter()

# Close codes of RFC 6455: a message of a kind that isn't taken; the server is about to leave; try again later.
_UNSUPPORTED, _GOING_AWAY, _POLICY, _TRY_LATER = 1003, 1001, 1008, 1013


@dataclass(frozen=True)
class _Received:
    """A frame of the client: its number, its file, and when it came, in seconds from the start."""

    sequence: int
    data: bytes
    time: float


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket, query: Annotated[TrackQuery, Query()]) -> None:
    """Answer each JPEG or PNG with its poses; of those that come while one is handled only the newest is."""
    with suppress(WebSocketDisconnect, RuntimeError):
        await _stream(websocket, query)


async def _stream(websocket: WebSocket, query: TrackQuery) -> None:
    """Raises WebSocketDisconnect or RuntimeError where the client leaves."""
    service: Service = websocket.app.state.service
    offered = SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", ()) else None
    await websocket.accept(offered)
    try:
        with service.place("streams"):
            session = _Session(service, websocket, query)
            await session.run()
    except (Problem, InputError) as error:
        problem = as_problem(error)
        await _say(websocket, {"error": problem.record}, 5.0)
        await _close(websocket, _TRY_LATER if problem.status == 503 else _POLICY)


class _Session:
    """One camera.

    Raises:
        InputError: `smooth` without `track`, or a score out of range.
    """

    def __init__(self, service: Service, websocket: WebSocket, query: TrackQuery) -> None:
        self._service, self._websocket, self._query = service, websocket, query
        if query.smooth and not query.track:
            raise InputError("smoothing needs tracks: track as well (track=true)")
        self._tracker = None
        self._smoother = Smoother() if query.smooth else None
        model = service.model.limited(query.score)
        self._detector: Detector = service.detector(query.limited)
        if query.track:
            self._tracker = Tracker(model.tracker_settings)
            low = min(self._tracker.settings.low, self._detector.score)
            self._detector = service.detector(type(query.limited)(low, query.max_persons))
        self._newest: _Received | None = None
        self._came = asyncio.Event()
        self._ended = False
        self._last = time.monotonic()

    async def run(self) -> None:
        """Until the client leaves or the server does."""
        receiving = asyncio.ensure_future(self._receive())
        try:
            head = header(self._service.model.pose.skeleton)
            while not self._ended:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._came.wait(), 0.5)
                silent = time.monotonic() - self._last > self._service.options.limits.stream_seconds
                if self._service.draining or silent:
                    await _close(self._websocket, _GOING_AWAY)
                    return
                self._came.clear()
                frame, self._newest = self._newest, None
                if frame is not None:
                    # The first answer names the skeleton.
                    await self._say({**head, **await self._answer(frame)})
                    head = {}
        finally:
            receiving.cancel()
            with suppress(BaseException):
                await receiving

    async def _receive(self) -> None:
        sequence, start = 0, time.monotonic()
        limit = self._service.options.limits.picture_bytes
        try:
            while (message := await self._websocket.receive())["type"] == "websocket.receive":
                data = message.get("bytes")
                if data is None or len(data) > limit:
                    await _close(self._websocket, _UNSUPPORTED if data is None else _POLICY)
                    return
                if self._newest is not None:
                    self._service.metrics.dropped.inc()
                self._last = time.monotonic()
                self._newest = _Received(sequence, data, self._last - start)
                sequence += 1
                self._came.set()
        finally:
            self._ended = True
            self._came.set()

    async def _answer(self, frame: _Received) -> dict[str, Any]:
        name, seconds = f"frame {frame.sequence}", self._service.options.limits.request_seconds

        def choose(boxes: Boxes) -> Boxes:
            assert self._tracker is not None
            return boxes[self._tracker.may_matter(boxes, frame.time)]

        try:
            work = self._service.poses(
                frame.data,
                name,
                self._detector,
                lambda image, poses: self._record(frame, name, image, poses),
                choose if self._tracker is not None else None,
            )
            return {"sequence": frame.sequence, **await asyncio.wait_for(work, seconds)}
        except asyncio.TimeoutError:
            problem = Problem(504, f"{name} was not done within {seconds:g} s")
        except Exception as error:
            problem = as_problem(error)
        return {"sequence": frame.sequence, "error": problem.record}

    def _record(self, received: _Received, name: str, image: Image, poses: Poses) -> dict[str, Any]:
        if self._tracker is not None:
            poses = self._tracker.update(poses, received.time, image, followed_only=True)
        if self._smoother is not None:
            poses = self._smoother.update(poses, received.time)
        return frame_record(Frame(image, name, received.sequence, received.time), poses, self._query.angles_from)

    async def _say(self, record: dict[str, Any]) -> None:
        if not await _say(self._websocket, record, self._service.options.limits.send_seconds):
            self._ended = True


async def _say(websocket: WebSocket, record: dict[str, Any], seconds: float) -> bool:
    """Send a record; False where the client doesn't take it in time."""
    try:
        await asyncio.wait_for(websocket.send_text(as_json(record).decode()), seconds)
    except asyncio.TimeoutError:
        return False
    return True


async def _close(websocket: WebSocket, code: int) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code)
