"""The state of a running server: model, batches, thread pools, and what is being handled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from ..pictures.decoding import open_picture, upright_rgb
from ..pictures.memory import BYTES_AHEAD
from ..runtimes import usable_cores
from .batching import Batcher, Job
from .metrics import Metrics
from .options import ServerOptions
from .problems import ClientGone, busy, timed_out, too_large

if TYPE_CHECKING:
    from ..detectors import Detector
    from ..pictures import Image
    from ..pipeline import TopDown
    from ..poses import Boxes, Poses

T = TypeVar("T")


@dataclass(frozen=True)
class Limited:
    """The limits of one request's persons.

    Args:
        score: lowest detection score, 0..1; None is the model's.
        max_persons: at most so many; None is the model's. The server's own limit holds as well.
    """

    score: float | None = None
    max_persons: int | None = None


class Service:
    """What the handlers share.

    Args:
        model: finds the poses.
        options: of the server.

    Attributes:
        draining: the server is about to leave; requests that come are refused.
        inside: requests that are being handled.
        streams, videos: of them, those of ``/v1/stream`` and ``/v1/videos``.
    """

    def __init__(self, model: TopDown, options: ServerOptions) -> None:
        self.model = model
        self.options = options
        self.metrics = Metrics()
        self.batcher = Batcher(model, options.batching, self.metrics)
        cores = max(2, usable_cores())
        self._decoders = ThreadPoolExecutor(cores, "vitruvian-decode")
        self._encoders = ThreadPoolExecutor(cores, "vitruvian-encode")
        # Videos have threads of their own: each keeps one busy for as long as it lasts.
        self.readers = ThreadPoolExecutor(options.limits.videos, "vitruvian-video")
        self._memory = _Memory(BYTES_AHEAD)
        self.draining = False
        self.inside = self.streams = self.videos = 0
        self._held = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Context in which a request is being handled. Raises Problem (503) where too many are, or while draining."""
        if self.draining:
            raise busy("the server is about to leave; ask another one, or later")
        if self.inside >= self.options.batching.queue:
            self.metrics.refused.labels("busy").inc()
            raise busy(f"{self.inside} requests are being handled, which is all that fits; try again in a moment")
        self.inside += 1
        self.metrics.inside.inc()
        try:
            yield
        finally:
            self.inside -= 1
            self.metrics.inside.dec()

    @contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Context with a function that notes received bytes, which are held until its end.

        The function raises Problem (503) where the bodies of all requests take more than `Limits.body_bytes`.
        """
        own = 0

        def note(count: int) -> None:
            nonlocal own
            if self._held + count > self.options.limits.body_bytes:
                self.metrics.refused.labels("memory").inc()
                raise busy("the bodies of other requests take all the memory that is for them; try again in a moment")
            own += count
            self._held += count

        try:
            yield note
        finally:
            self._held -= own

    @contextmanager
    def place(self, kind: str) -> Iterator[None]:
        """Context in which one of the few places for "videos" or "streams" is taken. Raises Problem (503)."""
        most = getattr(self.options.limits, kind)
        if getattr(self, kind) >= most:
            self.metrics.refused.labels(kind).inc()
            raise busy(f"{most} {kind} are being handled, which is all that fits; try again later", seconds=5)
        setattr(self, kind, getattr(self, kind) + 1)
        try:
            yield
        finally:
            setattr(self, kind, getattr(self, kind) - 1)

    def detector(self, limited: Limited) -> Detector:
        """The model's detector with a request's limits. Raises InputError for limits out of range."""
        own = self.model.limited(limited.score, limited.max_persons).detector
        assert own is not None
        most = min(own.max_persons or self.options.limits.persons, self.options.limits.persons)
        capped = self.model.limited(own.score, most).detector
        assert capped is not None
        return capped

    async def poses(
        self,
        data: bytes,
        name: str,
        detector: Detector,
        finish: Callable[[Image, Poses], T],
        choose: Callable[[Boxes], Boxes] | None = None,
    ) -> T:
        """Decode a picture, find its persons in a batch with others, and make an answer of them, all off this thread.

        Args:
            data: the picture's file.
            name: what messages call it.
            detector: see `Service.detector`.
            finish: makes the answer from the picture, RGB uint8 (H, W, 3), and its poses.
            choose: see `Job`.

        Raises:
            InputError, Problem: no picture, or one that is too large.
            ModelError: a network fails.
        """
        with self.batcher.expected():
            image = await self._decoded(BytesIO(data), name)
            job = Job(image, detector, choose)
            self.batcher.submit(job)
        try:
            poses = await asyncio.wrap_future(job.result)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                self.batcher.cancel(job)
                self.metrics.cancelled.inc()
            self._memory.release(image.nbytes)
            raise
        # Its thread has the picture until it is done, and gives the memory back.
        encoding = self._encoders.submit(self._finish, finish, job, poses)
        try:
            return await asyncio.shield(asyncio.wrap_future(encoding))
        except asyncio.CancelledError:
            job.cancelled = True
            self.metrics.cancelled.inc()
            raise

    async def _decoded(self, file: BytesIO, name: str) -> Image:
        """A decoded picture; if nobody waits for it any more, what is held of it is given back."""
        decoding = self._decoders.submit(self._decode, file, name)
        try:
            return await asyncio.wrap_future(decoding)
        except asyncio.CancelledError:
            self.metrics.cancelled.inc()
            if decoding.cancel():
                file.close()  # the pool's queue has it until a thread is free
            else:
                decoding.add_done_callback(self._forget)
            raise

    def _forget(self, decoding: Future[Image]) -> None:
        if decoding.exception() is None:
            self._memory.release(decoding.result().nbytes)

    def _decode(self, file: BytesIO, name: str) -> Image:
        limit = self.options.limits.pixels
        with self.metrics.stage("decode"), open_picture(file, name) as picture:
            width, height = picture.size
            if width * height > limit:
                raise too_large(f"{name} is {width}x{height}; the limit is {limit:,} pixels: scale it down first")
            held = width * height * 3
            self._memory.take(held)
            try:
                return upright_rgb(picture, name)
            except BaseException:
                self._memory.release(held)
                raise

    def _finish(self, finish: Callable[[Image, Poses], T], job: Job, poses: Poses) -> T:
        try:
            if job.cancelled:
                raise ClientGone
            with self.metrics.stage("encode"):
                return finish(job.image, poses)
        finally:
            self._memory.release(job.image.nbytes)

    async def encode(self, work: Callable[[], T]) -> T:
        """Run a piece of work off this thread."""
        return await asyncio.get_running_loop().run_in_executor(self._encoders, work)

    def close(self) -> None:
        """Finish what waits, and end the threads."""
        self.batcher.close()
        for pool in (self._decoders, self._encoders, self.readers):
            pool.shutdown(wait=False, cancel_futures=True)


class _Memory:
    """Bytes of the decoded pictures that wait: decoding goes on when there is room, or when nothing else is held."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._change = threading.Condition()

    def take(self, count: int) -> None:
        """Wait for room."""
        with self._change:
            self._change.wait_for(lambda: not self._held or self._held + count <= self._size)
            self._held += count

    def release(self, count: int) -> None:
        """Give room back."""
        with self._change:
            self._held -= count
            self._change.notify_all()


async def until_gone(receive: Callable[[], Any]) -> None:
    """Returns when the client of a request, whose body was read, has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(work: Any, receive: Callable[[], Any], seconds: float, what: str) -> Any:
    """The result of work, which is cancelled when its client leaves, or when it takes too long.

    Raises:
        Problem: 504 after so many `seconds`, ClientGone when the client has left.
    """
    doing = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait({doing, watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        if watching.done():
            raise ClientGone
        raise timed_out(what, seconds)
    finally:
        for task in (doing, watching):
            if not task.done():
                task.cancel()
                with suppress(BaseException):
                    await task
