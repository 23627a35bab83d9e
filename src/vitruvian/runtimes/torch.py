"""PyTorch: runs checkpoints as they are, on CPUs and on NVIDIA's GPUs. Comes with the extra `torch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import InputError
from .base import Runtime, Tensor

if TYPE_CHECKING:
    from .base import Array


class TorchRuntime(Runtime):
    """A network in PyTorch, channels last.

    Args:
        network: takes (N, 3, H, W) and returns a tensor or a tuple of them; it is moved to the device.
        path: the file that its weights are from, for messages.
        input_size: (height, width) in pixels.
        device: "cpu", "cuda", "cuda:1", ...
        threads: CPU threads, of the whole process, as PyTorch has it; None leaves them as they are.
        precision: "fp32"; "bf16" by autocast; "fp16" with weights in halves; "auto" is fp16 on a GPU, fp32 on a CPU.
        compile: let `torch.compile` make faster code of it: worth it for long runs, since it takes a minute first.

    Raises:
        InputError: the device isn't there, or the precision isn't one of its.
        ModelError: the network doesn't run.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        path: Path,
        input_size: tuple[int, int],
        device: str = "cpu",
        threads: int | None = None,
        precision: str = "fp32",
        compile: bool = False,
    ) -> None:
        self.path = path
        self._device = _device(device)
        if precision == "auto":
            precision = "fp32" if self._device.type == "cpu" else "fp16"
        self.precision = precision
        self._autocast = precision == "bf16"
        self._dtype = torch.float16 if precision == "fp16" else torch.float32
        if threads is not None:
            torch.set_num_threads(threads)
        self._network: Any = network.eval().to(  # type: ignore[call-overload]
            self._device, self._dtype, memory_format=torch.channels_last
        )
        if compile:
            self._network = torch.compile(self._network, dynamic=True)
        self.metadata = {}
        self.inputs = (Tensor("images", (None, 3, *input_size)),)
        try:
            results = self._infer(np.zeros((1, 3, *input_size), np.float32))
        except Exception as error:  # whatever a network raises on a size that isn't its
            raise self.fail(error) from None
        self.outputs = tuple(Tensor(f"output{i}", (None, *result.shape[1:])) for i, result in enumerate(results))
        super().__init__(path, threads or torch.get_num_threads())

    def _compile(self, streams: int) -> None:
        """Nothing to do: PyTorch takes any batch size."""

    def _infer(self, batch: Array) -> tuple[Array, ...]:
        images = torch.from_numpy(batch).to(self._device, self._dtype, memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            results = self._network(images)
        return tuple(result.float().cpu().numpy() for result in (results if isinstance(results, tuple) else (results,)))


def _device(name: str) -> torch.device:
    known = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if name not in known and not (name == "cuda" and len(known) > 1):
        raise InputError(f"torch has no device {name!r} here; it has {', '.join(known)}")
    return torch.device(name)
