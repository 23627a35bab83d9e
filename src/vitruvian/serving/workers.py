"""Several server processes on one socket, supervised: one that ends is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from ..errors import VitruvianError
from .metrics import FOLDER
from .server import AT_ONCE, SIGNALS, address, announce, run, warm_up

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from ..pipeline import TopDown
    from .options import ServerOptions

logger = logging.getLogger("vitruvian")

_spawn = multiprocessing.get_context("spawn")
# A worker that ends before it was up for so many seconds is replaced after a pause, so that no loop of starts arises.
_STABLE, _PAUSE = 10.0, 2.0
_WAIT = 0.5


def supervise(load_model: Callable[[], TopDown], options: ServerOptions, listening: socket.socket) -> int:
    """Run `options.workers` processes until a signal says to leave; arguments and result are those of `serve`.

    Raises:
        VitruvianError: the first workers can't start, or end badly.
    """
    folder = tempfile.mkdtemp(prefix="vitruvian-metrics-")
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = folder
    try:
        return _Supervisor(load_model, options, listening).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER)
        if before is not None:
            os.environ[FOLDER] = before


class _Supervisor:
    """The processes of a server."""

    def __init__(self, load_model: Callable[[], TopDown], options: ServerOptions, listening: socket.socket) -> None:
        self._arguments = (load_model, options, listening)
        self._options = options
        self._address = address(listening)
        self._workers: list[_Worker] = []
        self._received = 0

    def run(self) -> int:
        """Start them, replace those that end, and end all when told to."""
        with self._signals():
            try:
                self._workers = [_Worker(self._arguments) for _ in range(self._options.workers)]
                self._wait_until_ready()
                while not self._received:
                    wait([worker.process.sentinel for worker in self._workers], timeout=_WAIT)
                    self._replace()
            finally:
                self._end()
        return self._received

    def _wait_until_ready(self) -> None:
        for worker in self._workers:
            while not self._received and not worker.ready.poll(_WAIT):
                pass
            if not self._received and not worker.is_ready():
                raise VitruvianError("a worker could not start; what it said before this says why")
        if not self._received:
            announce(self._address, self._options)

    def _replace(self) -> None:
        """Start a worker in the place of each that has ended."""
        for place, worker in enumerate(self._workers):
            if self._received or worker.process.exitcode is None:
                continue
            logger.warning("worker %s ended with %s; another one starts", worker.process.pid, worker.process.exitcode)
            worker.forget()
            if time.monotonic() - worker.started < _STABLE:
                time.sleep(_PAUSE)
            self._workers[place] = _Worker(self._arguments)

    def _end(self) -> None:
        """Let the workers finish what they have begun."""
        self._tell(signal.SIGTERM)
        until = time.monotonic() + self._options.drain_seconds + 20
        for worker in self._workers:
            while worker.process.is_alive() and time.monotonic() < until:
                worker.process.join(_WAIT)
            if worker.process.is_alive():
                logger.warning("worker %s does not end, and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()

    def _tell(self, number: int) -> None:
        for worker in self._workers:
            if worker.process.is_alive() and worker.process.pid:
                os.kill(worker.process.pid, number)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def handle(number: int, frame: Any) -> None:
            if self._received:
                self._tell(AT_ONCE or signal.SIGTERM)  # a second time
            self._received = self._received or number

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Worker:
    """One process."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.ready, said = _spawn.Pipe(duplex=False)
        self.process: SpawnProcess = _spawn.Process(target=_work, args=(*arguments, said), name="vitruvian-worker")
        self.process.start()
        said.close()
        self.started = time.monotonic()

    def is_ready(self) -> bool:
        """Whether it has said so; False also if it has ended."""
        try:
            return bool(self.ready.recv())
        except EOFError:
            return False

    def forget(self) -> None:
        """Take its gauges out of the metrics."""
        from prometheus_client.multiprocess import mark_process_dead

        self.ready.close()
        with suppress(OSError):
            mark_process_dead(self.process.pid)  # type: ignore[no-untyped-call]


def _work(load_model: Callable[[], TopDown], options: ServerOptions, listening: socket.socket, ready: Any) -> None:
    """What a worker does."""
    logging.basicConfig(format="vitruvian: %(message)s")
    # Ctrl-C and the terminal's end reach every process of it; the parent tells when to leave.
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, name="vitruvian-parent", daemon=True).start()
    try:
        model = load_model()
        warm_up(model)
    except VitruvianError as error:
        logger.error("%s", error)
        sys.exit(error.exit_code)
    signals = [signal.SIGTERM, AT_ONCE] if AT_ONCE else [signal.SIGTERM]
    run(model, replace(options, workers=1), listening, lambda: ready.send(True), signals)


def _leave_with_parent() -> None:
    """End this process as SIGTERM does when its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
