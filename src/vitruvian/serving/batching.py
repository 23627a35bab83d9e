"""Batches across requests: pictures that wait are detected together, and so are the keypoints of their persons.

One thread runs the detector and one the pose net, as in `vitruvian.TopDown.stream`. A batch is what waits when the
detector is free; it only waits for more where more is being decoded.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..errors import InputError
from ..pictures.memory import BYTES_AHEAD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..detectors import Detector
    from ..pipeline import TopDown
    from ..poses import Boxes, Poses
    from .metrics import Metrics
    from .options import Batching

_Item = TypeVar("_Item")

# Seconds that a batch has to end: an engine may hang.
_JOIN = 10.0


@dataclass(eq=False)
class Job:
    """A picture on its way.

    Args:
        image: RGB uint8 (H, W, 3).
        detector: the detector with the request's limits; its network is the model's.
        choose: the persons that the pose net is to see; None takes all.
        cancelled: nobody wants the result any more, see `Batcher.cancel`.
    """

    image: NDArray[np.uint8]
    detector: Detector
    choose: Callable[[Boxes], Boxes] | None = None
    cancelled: bool = False
    result: Future[Poses] = field(default_factory=Future)
    added: float = field(default_factory=time.perf_counter)


class Batcher:
    """Queue and threads of one model. Results equal those of calls of the model, one picture at a time.

    Args:
        model: with a detector.
        options: size and delay.
        metrics: what batches are counted in.

    Raises:
        InputError: a model without a detector.
    """

    def __init__(self, model: TopDown, options: Batching, metrics: Metrics) -> None:
        if model.detector is None:
            raise InputError("a server needs a detector: load a model with one")
        self.model = model
        self._network = model.detector
        self._options = options
        self._metrics = metrics
        self._waiting: deque[Job] = deque()
        self._coming = 0
        self._closed = False
        self._change = threading.Condition()
        self._detected: queue.Queue[list[tuple[Job, Boxes]] | None] = queue.Queue(1)
        self._threads = [
            threading.Thread(target=self._detect, name="vitruvian-detect", daemon=True),
            threading.Thread(target=self._pose, name="vitruvian-pose", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> Future[Poses]:
        """Queue a picture; its poses come through the future."""
        with self._change:
            if self._closed:
                job.result.set_exception(RuntimeError("the batcher is closed"))
                return job.result
            self._waiting.append(job)
            self._metrics.queue.set(len(self._waiting))
            self._change.notify()
        return job.result

    def cancel(self, job: Job) -> None:
        """Take a picture out of the queue; a batch that has begun goes on without it where it still can."""
        job.cancelled = True
        job.result.cancel()
        with self._change, suppress(ValueError):
            self._waiting.remove(job)
            self._metrics.queue.set(len(self._waiting))

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Context in which a picture is being decoded that will be submitted: a batch waits for it a moment."""
        with self._change:
            self._coming += 1
        try:
            yield
        finally:
            with self._change:
                self._coming -= 1
                self._change.notify()

    def close(self) -> None:
        """Finish what waits, and end the threads."""
        with self._change:
            self._closed = True
            self._change.notify()
        for thread in self._threads:
            thread.join(_JOIN)

    def _take(self) -> list[Job]:
        """The next batch; empty when the batcher is closed and nothing waits."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            end = time.monotonic() + self._options.delay
            while self._waiting and len(self._waiting) < self._options.size and self._coming and not self._closed:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._change.wait(left)
            batch: list[Job] = []
            held = 0
            while self._waiting and len(batch) < self._options.size and held < BYTES_AHEAD:
                job = self._waiting.popleft()
                held += job.image.nbytes
                batch.append(job)
            self._metrics.queue.set(len(self._waiting))
        return batch

    def _detect(self) -> None:
        while True:
            batch = self._take()
            if batch:
                now = time.perf_counter()
                for job in batch:
                    self._metrics.stages.labels("wait").observe(now - job.added)
                found = self._each(batch, self._find)
                if found:
                    self._detected.put(found)
                del found
            elif self._closed:
                self._detected.put(None)
                return
            # Or the last batch's pictures would be kept alive while waiting for the next.
            del batch

    def _find(self, batch: list[Job]) -> list[tuple[Job, Boxes]]:
        with self._metrics.stage("detect"):
            candidates = self._network.candidates([job.image for job in batch])
            self._metrics.batch.observe(len(batch))
            found = []
            for job, of_picture in zip(batch, candidates, strict=True):
                boxes = job.detector.select(*of_picture, (job.image.shape[0], job.image.shape[1]))
                found.append((job, boxes if job.choose is None else job.choose(boxes)))
            return found

    def _pose(self) -> None:
        while (batch := self._detected.get()) is not None:
            self._each([pair for pair in batch if not pair[0].cancelled], self._estimate)
            del batch

    def _estimate(self, batch: list[tuple[Job, Boxes]]) -> list[tuple[Job, Boxes]]:
        with self._metrics.stage("pose"):
            persons = [boxes for _, boxes in batch]
            results = self.model.pose([job.image for job, _ in batch], persons)
            self._metrics.batch_persons.observe(sum(map(len, persons)))
        for (job, _), poses in zip(batch, results, strict=True):
            self._metrics.found(len(poses))
            if job.result.set_running_or_notify_cancel():
                job.result.set_result(poses)
        return []

    def _each(
        self, batch: list[_Item], step: Callable[[list[_Item]], list[tuple[Job, Boxes]]]
    ) -> list[tuple[Job, Boxes]]:
        """A step over a batch; where it fails, over its pictures one by one, so that one can't fail the others."""
        if not batch:
            return []
        try:
            return step(batch)
        except Exception as error:
            if len(batch) == 1:
                item = batch[0]
                job = item[0] if isinstance(item, tuple) else item
                assert isinstance(job, Job)
                if job.result.set_running_or_notify_cancel():
                    job.result.set_exception(error)
                return []
        return [done for item in batch for done in self._each([item], step)]
