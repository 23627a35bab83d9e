"""Bounded, ordered work on other threads: reading ahead and writing in the background."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

from ..errors import InputError
from ..pictures.memory import BYTES_AHEAD, held_by

T = TypeVar("T")

# Threads that did not end when they were told to.
_stuck: list[threading.Thread] = []

# Waits are cut into pieces because an untimed wait can't be interrupted by Ctrl-C on every platform.
_WAIT = 0.2
# A source that is stuck in a network read can't be stopped; its thread is a daemon and is left behind after this long.
_JOIN = 2.0


class _End:
    """The producer's last word: it ran out, or failed with ``error``."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Producer(Generic[T]):
    def __init__(self, iterable: Iterable[T], depth: int, newest: bool) -> None:
        self.iterable = iterable
        self.newest = newest
        self.slots = threading.Semaphore(depth)
        self.held = 0
        self.room = threading.Condition()
        self.items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="vitruvian-prefetch", daemon=True)

    def _run(self) -> None:
        end = _End()
        try:
            iterator = iter(self.iterable)
            try:
                self._pump(iterator)
            finally:
                if isinstance(iterator, Generator):
                    iterator.close()
        except BaseException as error:
            end = _End(error)
        self.items.put(end)

    def _pump(self, iterator: Iterator[T]) -> None:
        while True:
            # The slot is taken before the item is made, so that no more than `depth` items ever wait.
            if not self.newest:
                self.slots.acquire()
                self._wait_for_room()
            if self.stopped.is_set():
                return
            try:
                item = next(iterator)
            except StopIteration:
                return
            if self.newest:
                # Nobody took the one before it in time.
                with contextlib.suppress(queue.Empty):
                    self.items.get_nowait()
            else:
                with self.room:
                    self.held += held_by(item)
            self.items.put(item)
            # Or it would be kept alive while the next is made.
            del item

    def _wait_for_room(self) -> None:
        with self.room:
            self.room.wait_for(lambda: self.held < BYTES_AHEAD or self.stopped.is_set())

    def taken_back(self, item: T) -> None:
        """The consumer is done with an item."""
        if not self.newest:
            with self.room:
                self.held -= held_by(item)
                self.room.notify()

    def stop(self) -> None:
        self.stopped.set()
        self.slots.release()
        with self.room:
            self.room.notify()
        if self.thread is not threading.current_thread():
            self.thread.join(_JOIN)
            if self.thread.is_alive():
                _stuck.append(self.thread)


def any_stuck() -> bool:
    """Whether a thread that read ahead was left behind in a read that nothing can end."""
    return any(thread.is_alive() for thread in _stuck)


def prefetch(iterable: Iterable[T], depth: int, newest: bool = False) -> Generator[T, None, None]:
    """Run ``iterable`` in a daemon thread and yield its items in order, at most ``depth`` (from 1) made ahead.

    Fewer are where pictures are large: none is begun while those that wait, and the one that the consumer works on,
    hold `BYTES_AHEAD` or more.

    The thread starts with the first item asked for. An exception of the iterable is raised here, after the items that
    came before it. Closing the returned generator stops the thread and closes the iterable's generator.

    Args:
        iterable: what makes the items.
        depth: see above.
        newest: for what comes in real time: never wait, but drop an item that nobody took before the next one came.

    Raises:
        InputError: ``depth`` is below 1.
    """
    if depth < 1:
        raise InputError(f"prefetch depth is {depth}; give 1 or more")
    return _consume(_Producer(iterable, depth, newest))


def _consume(producer: _Producer[T]) -> Generator[T, None, None]:
    producer.thread.start()
    try:
        while True:
            try:
                item = producer.items.get(timeout=_WAIT)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            producer.slots.release()
            yield item
            producer.taken_back(item)
            del item
    finally:
        producer.stop()


class Background:
    """Run ``function(*args)`` for every `submit`, in order, on one daemon thread.

    A `submit` blocks while the pictures of earlier ones hold `BYTES_AHEAD` or more.

    Use it as a context manager or `close` it: calls that still wait are lost when the program ends before.
    """

    def __init__(self, function: Callable[..., object], depth: int = 4) -> None:
        """
        Args:
            function: what to run; its result is dropped.
            depth: calls that may wait, from 1; a further `submit` blocks.

        Raises:
            InputError: ``depth`` is below 1.
        """
        if depth < 1:
            raise InputError(f"background depth is {depth}; give 1 or more")
        self._function = function
        self._calls: queue.Queue[tuple[Any, ...] | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._closed = False
        self._held = 0
        self._room = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="vitruvian-background", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (args := self._calls.get()) is not None:
            # After a failure the queue is emptied without running, so that nobody blocks on a full one.
            if self._error is None:
                try:
                    self._function(*args)
                except BaseException as error:
                    self._error = error
            with self._room:
                self._held -= held_by(args)
                self._room.notify()
            # Or the last call's frame would be kept alive while waiting for the next.
            del args

    def _put(self, call: tuple[Any, ...] | None) -> None:
        while True:
            with contextlib.suppress(queue.Full):
                self._calls.put(call, timeout=_WAIT)
                return

    def submit(self, *args: Any) -> None:
        """Queue one call; blocks while the queue is full.

        Raises:
            InputError: after `close`.
            BaseException: what an earlier call raised; the calls after it are not run.
        """
        if self._closed:
            raise InputError("submit after close: the background thread has ended")
        if self._error is not None:
            raise self._error
        with self._room:
            while not self._room.wait_for(lambda: self._held < BYTES_AHEAD, timeout=_WAIT):
                pass
            self._held += held_by(args)
        self._put(args)

    def close(self) -> None:
        """Wait until every call has run, end the thread, and raise what a call raised. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        self._put(None)
        while self._thread.is_alive():
            self._thread.join(_WAIT)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # The body's own error is the one to tell.
        with contextlib.suppress(Exception):
            self.close()
