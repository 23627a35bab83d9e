"""What is held of pictures whose clients have left: nothing beyond what a thread is working on."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vitruvian as vt
from vitruvian.serving import ServerOptions
from vitruvian.serving.service import Limited, Service


class Held:
    """The detector, which waits until it may go on."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector
        self.begun, self.go = threading.Event(), threading.Event()

    def candidates(self, images: list[Any]) -> Any:
        self.begun.set()
        assert self.go.wait(60)
        return self.detector.candidates(images)


@pytest.fixture
def service(model: vt.TopDown) -> Iterator[Service]:
    found = Service(model, ServerOptions())
    yield found
    found.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not happen")


async def cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(error, asyncio.CancelledError) for error in await asyncio.gather(*tasks, return_exceptions=True)
    )
    tasks.clear()
    await asyncio.sleep(0.1)
    gc.collect()


def test_pictures_that_wait_for_the_detector_are_let_go(service, model, photo):
    held = service.batcher._network = Held(model.detector)
    detector = service.detector(Limited())

    def ask() -> asyncio.Task[int]:
        return asyncio.ensure_future(service.poses(photo, "photo", detector, lambda image, poses: len(poses)))

    async def leave() -> list[Any]:
        first = ask()
        await until(held.begun.is_set)
        others = [ask() for _ in range(5)]
        await until(lambda: len(service.batcher._waiting) == 5)
        images = [weakref.ref(job.image) for job in service.batcher._waiting]
        await cancelled(others)
        left = [image() for image in images if image() is not None]
        held.go.set()
        assert await first == len(model(photo))
        return left

    assert asyncio.run(leave()) == []


def test_files_that_wait_for_a_decoder_are_let_go(service, photo):
    go = threading.Event()
    for _ in range(service._decoders._max_workers):
        service._decoders.submit(go.wait, 60)
    data = photo + b"\0" * 100_000
    before = sys.getrefcount(data)

    async def leave() -> int:
        detector = service.detector(Limited())
        tasks = [asyncio.ensure_future(service.poses(data, "photo", detector, lambda *_: None)) for _ in range(5)]
        await asyncio.sleep(0.1)
        assert sys.getrefcount(data) > before
        await cancelled(tasks)
        return sys.getrefcount(data)

    try:
        assert asyncio.run(leave()) == before
    finally:
        go.set()


def test_a_picture_counts_until_its_answer_is_written(service, model, photo):
    """Even where its client has left meanwhile."""
    begun, go = threading.Event(), threading.Event()

    def finish(image: Any, poses: vt.Poses) -> None:
        begun.set()
        assert go.wait(60)

    async def leave() -> int:
        task = asyncio.ensure_future(service.poses(photo, "photo", service.detector(Limited()), finish))
        await until(begun.is_set)
        await cancelled([task])
        return service._memory._held

    try:
        assert asyncio.run(leave()) == 512 * 512 * 3
    finally:
        go.set()
    service._encoders.shutdown(wait=True)
    assert service._memory._held == 0
