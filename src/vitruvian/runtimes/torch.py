"""PyTorch: runs checkpoints as they are, on CPUs and on NVIDIA's GPUs. Comes with the extra `torch`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import InputError
from .base import Runtime, Tensor
from .opening import open_network
from .options import EngineOptions

if TYPE_CHECKING:
    from .base import Array


class TorchRuntime(Runtime):
    """A network in PyTorch, channels last. Pickled, it takes its weights along.

    Args:
        network: takes (N, 3, H, W) and returns a tensor or a tuple of them; it is moved to the device.
        path: the file that its weights are from, for messages.
        input_size: (height, width) in pixels.
        options: how it runs. "bf16" is autocast, "fp16" has weights in halves, "auto" is fp16 on a GPU, fp32 on a CPU.

    Raises:
        InputError: the device isn't there.
        ModelError: the network doesn't run.
    """

    engine = "torch"

    def __init__(
        self, network: torch.nn.Module, path: Path, input_size: tuple[int, int], options: EngineOptions
    ) -> None:
        self._module = network.eval()
        self._input_size = input_size
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        super().__init__(path, options, torch.get_num_threads())

    def __reduce__(self) -> tuple[Any, ...]:
        # On the CPU: where it arrives there may be no such device to unpickle tensors on.
        module = self._module if self._device.type == "cpu" else copy.deepcopy(self._module).cpu()
        return open_network, (module, self.path, self._input_size, self.options)

    def _reopen(self) -> None:
        # OpenMP waits for ever for the threads of its parent, unless it is to use none.
        torch.set_num_threads(1)
        self.threads = 1
        super()._reopen()

    def _open(self) -> None:
        self._device = _device(self.options.place)
        precision: str = self.options.precision
        if precision == "auto":
            precision = "fp32" if self._device.type == "cpu" else "fp16"
        self.precision = precision
        self._autocast = precision == "bf16"
        self._dtype = torch.float16 if precision == "fp16" else torch.float32
        self._network: Any = self._module.to(  # type: ignore[call-overload]
            self._device, self._dtype, memory_format=torch.channels_last
        )
        if self.options.compile:
            self._network = torch.compile(self._network, dynamic=True)
        self.metadata = {}
        self.inputs = (Tensor("images", (None, 3, *self._input_size)),)
        try:
            results = self._infer(np.zeros((1, 3, *self._input_size), np.float32))
        except Exception as error:  # whatever a network raises on a size that isn't its
            raise self.fail(error) from None
        self.outputs = tuple(Tensor(f"output{i}", (None, *result.shape[1:])) for i, result in enumerate(results))

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
