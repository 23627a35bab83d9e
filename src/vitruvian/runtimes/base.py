"""Base class of engines: batching, forks, pickling, and a clear error when a network fails."""

from __future__ import annotations

import ctypes
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import numpy as np

from ..errors import ModelError
from .opening import open_onnx
from .options import EngineOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

MAX_STREAMS = 4
_WAIT = 0.2


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network; None in the shape is a dimension that may vary."""

    name: str
    shape: tuple[int | None, ...]


class Runtime(ABC):
    """A network in an engine. Calls from several threads take turns.

    It also runs in a forked process, where the first call opens its network anew or in a helper process, and it can be
    pickled: it is opened again, from its file and with its options, where it arrives.

    Args:
        path: the file.
        options: how it runs.
        threads: how many CPU threads that are.

    Attributes:
        source: the file that the network comes from: `path`, or the checkpoint of which `path` was made.
        engine: its name in `EngineOptions.runtime`.
        inputs, outputs: their names and shapes.
        metadata: what the file says of itself (ONNX metadata properties).
        precision: what it computes in, "fp32", "bf16" or "fp16", as far as the engine tells.
    """

    engine: ClassVar[str]
    precision: str = "fp32"
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    def __init__(self, path: Path, options: EngineOptions, threads: int) -> None:
        self.path = path
        self.source = path
        self.options = options
        self.threads = threads
        self._lock = threading.Lock()
        self._forked = False
        interruptibly(self._open)
        if not self.inputs or not self.outputs:
            raise ModelError(f"{path}: an ONNX file without a network in it; fetch or export it again")
        self._set_batch(self.inputs[0].shape[0] if self.inputs[0].shape else None)
        _OPENED.add(self)

    def __repr__(self) -> str:
        threads = f", {self.threads} thread{'' if self.threads == 1 else 's'}" if self.options.place == "cpu" else ""
        return f"{self.engine} in {self.precision} on {self.options.place}{threads}"

    def __reduce__(self) -> tuple[Any, ...]:
        return open_onnx, (self.path.absolute(), self.options), {"source": self.source}

    def _reopen(self) -> None:
        """Opens the network again in a forked process: the threads that the engine and the pool count on are gone."""
        self._open()
        self._set_batch(self._batch)
        self._forked = False

    def _set_batch(self, size: int | None) -> None:
        self._batch = size
        # Samples that run at the same time: a network with a fixed batch keeps several cores busy only that way. A few
        # at most, so that a single person in the picture still gets a good part of a large machine.
        streams = 1 if size is None else min(self.threads, MAX_STREAMS)
        try:
            interruptibly(self._compile, streams)
        except Exception as error:  # the engines' exceptions have no common base but Exception
            raise self.fail(error) from None
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="vitruvian-runtime")

    def __call__(self, batch: Array) -> tuple[Array, ...]:
        """Run the network.

        Args:
            batch: float32 (N, C, H, W), N at least 1; cut up to the network's batch size where that is fixed.

        Returns:
            The outputs, each with N in front. Where their other dimensions differ from sample to sample (the number
            of detections does), zeros fill them up to the largest.

        Raises:
            ModelError: the network fails on this input, or doesn't return one result per sample.
        """
        with self._lock:
            if self._forked:
                self._reopen()
            return self._answer(batch)

    def _answer(self, batch: Array) -> tuple[Array, ...]:
        if self._batch is None:
            try:
                outputs = self._run([batch])[0]
                if len(batch) == 1 or all(_count(output) == len(batch) for output in outputs):
                    return outputs
            except ModelError:
                if len(batch) == 1:
                    raise
            # The file promises any batch size, but its graph fails, or returns less (RTMDet exports do that).
            self._set_batch(1)
        return self._run_in_pieces(batch, self._batch or 1)

    def _run(self, batches: list[Array]) -> list[tuple[Array, ...]]:
        try:
            return list(self._pool.map(self._infer, batches))
        except Exception as error:
            raise self.fail(error) from None

    def _run_in_pieces(self, batch: Array, size: int) -> tuple[Array, ...]:
        count = len(batch)
        if missing := -count % size:
            # A short last piece is filled up with its last sample.
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        results = self._run([batch[start : start + size] for start in range(0, len(batch), size)])
        for counts in {tuple(map(_count, outputs)) for outputs in results}:
            if set(counts) != {size}:
                raise ModelError(
                    f"{self.path}: for {size} samples the network returns {' and '.join(map(str, counts))}, so "
                    "results can't be matched to samples; export it with a batch dimension in every output"
                )
        return tuple(_joined(parts)[:count] for parts in zip(*results, strict=True))

    def fail(self, error: Exception, done: str = "run") -> ModelError:
        """An engine's own error as ours, its first telling line kept."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith("Exception from")] or lines or [type(error).__name__]
        return ModelError(f"{self.path}: the network could not be {done}: {telling[0][:300]}")

    @abstractmethod
    def _open(self) -> None:
        """Read the network, and set `inputs`, `outputs` and `metadata`."""

    @abstractmethod
    def _compile(self, streams: int) -> None:
        """Get ready to run `streams` samples at a time on the threads there are."""

    @abstractmethod
    def _infer(self, batch: Array) -> tuple[Array, ...]:
        """Run one batch, in as many threads at a time as there are streams. Raises whatever the engine does."""


def interruptibly(function: Callable[..., object], *arguments: object) -> None:
    """Call a function of an engine on a thread of its own: Ctrl-C isn't heard while the main thread is inside of one.

    The thread of a call that never returns is left behind.
    """
    if threading.current_thread() is not threading.main_thread():
        function(*arguments)
        return
    errors: list[BaseException] = []

    def call() -> None:
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="vitruvian-opening", daemon=True)
    thread.start()
    while thread.is_alive():
        # An untimed wait can't be interrupted on every platform.
        thread.join(_WAIT)
    if errors:
        raise errors[0]


_OPENED: WeakSet[Runtime] = WeakSet()


def _after_fork() -> None:
    for runtime in list(_OPENED):
        # What the parent opened is never taken down, not even at exit: that would wait for threads that aren't there.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(dict(vars(runtime))))
        runtime._lock = threading.Lock()  # another thread may have held it
        runtime._forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def as_float32(output: NDArray[Any]) -> NDArray[Any]:
    """An output in halves or doubles as float32; integers, such as labels, stay."""
    return output.astype(np.float32, copy=False) if np.issubdtype(output.dtype, np.floating) else output


def _count(output: Array) -> int:
    """How many samples an output has results of."""
    return len(output) if output.ndim else 0


def _joined(parts: tuple[Array, ...]) -> Array:
    if len({part.shape[1:] for part in parts}) > 1:
        largest = np.max([part.shape[1:] for part in parts], axis=0)
        parts = tuple(np.pad(part, [(0, 0), *((0, more) for more in largest - part.shape[1:])]) for part in parts)
    return np.concatenate(parts)
