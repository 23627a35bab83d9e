"""What every engine has in common: batching, and a clear error when a network fails."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

MAX_STREAMS = 4


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network; None in the shape is a dimension that may vary."""

    name: str
    shape: tuple[int | None, ...]


class Runtime(ABC):
    """A network in an engine. Calls from several threads take turns.

    Attributes:
        inputs, outputs: their names and shapes.
        metadata: what the file says of itself (ONNX metadata properties).
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.threads = threads
        self._lock = threading.Lock()
        self._batch = self.inputs[0].shape[0] if self.inputs and self.inputs[0].shape else None
        self._compile(self.streams)

    @property
    def streams(self) -> int:
        """Samples that run at the same time: a network with a fixed batch keeps several cores busy only that way.

        A few at most, so that a single person in the picture still gets a good part of a large machine.
        """
        return 1 if self._batch is None else min(self.threads, MAX_STREAMS)

    def __call__(self, batch: Array) -> tuple[Array, ...]:
        """Run the network.

        Args:
            batch: float32 (N, C, H, W), N at least 1; cut up to the network's batch size where that is fixed.

        Returns:
            The outputs, each with N in front.

        Raises:
            ModelError: the network fails on this input.
        """
        with self._lock:
            if self._batch is None:
                try:
                    return self._run([batch])[0]
                except ModelError:
                    if len(batch) == 1:
                        raise
                    # The file promises any batch size, but its graph only works for one (RTMDet exports do that).
                    self._batch = 1
                    self._compile(self.streams)
            return self._run_in_pieces(batch, self._batch)

    def _run_in_pieces(self, batch: Array, size: int) -> tuple[Array, ...]:
        missing = -len(batch) % size
        if missing:
            padded = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        else:
            padded = batch
        results = self._run([padded[start : start + size] for start in range(0, len(padded), size)])
        return tuple(np.concatenate(parts)[: len(batch)] for parts in zip(*results, strict=True))

    def fail(self, error: Exception) -> ModelError:
        """An engine's own error as ours, its first telling line kept."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if not line.startswith("Exception from")] or lines or [type(error).__name__]
        return ModelError(f"{self.path}: the network could not be read or run: {telling[0][:300]}")

    @abstractmethod
    def _compile(self, streams: int) -> None:
        """Get ready to run `streams` samples at a time on the threads there are."""

    @abstractmethod
    def _run(self, batches: list[Array]) -> list[tuple[Array, ...]]:
        """Run each batch, several at a time where there are several streams. Raises ModelError."""
