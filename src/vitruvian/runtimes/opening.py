"""The engine for a network: chosen by the options, and opened."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module, util
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, ModelError
from .options import EngineOptions, Precision, RuntimeName

if TYPE_CHECKING:
    from torch import nn

    from .base import Runtime

# What takes ONNX files: where the engine's class is, the class, and how a user gets the package that it needs.
ONNX_RUNTIMES: dict[RuntimeName, tuple[str, str, str]] = {
    "openvino": ("openvino", "OpenVINO", "pip install openvino"),
    "onnxruntime": ("onnx", "ONNXRuntime", "pip install 'vitruvian[onnxruntime]'"),
}


def open_runtime(
    path: str | os.PathLike[str],
    runtime: RuntimeName = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "fp32",
) -> Runtime:
    """Open an ONNX file in an engine: `open_onnx` with the `EngineOptions` of these arguments."""
    return open_onnx(path, EngineOptions(runtime, device, threads, precision))


def open_onnx(path: str | os.PathLike[str], options: EngineOptions) -> Runtime:
    """Open an ONNX file in an engine.

    Raises:
        ModelError: the file is missing or no ONNX model.
        InputError: a device or a precision that the engine doesn't have, or the engine is not installed.
    """
    if options.runtime == "torch":
        raise InputError(f"{path}: torch runs checkpoints, not ONNX files; they run in {' or '.join(ONNX_RUNTIMES)}")
    if not os.path.isfile(path):
        raise ModelError(f"{path}: no such model file")
    module, name, remedy = ONNX_RUNTIMES[_fastest(path, options) if options.runtime == "auto" else options.runtime]
    try:
        opener = getattr(import_module(f".{module}", __package__), name)
    except ImportError as error:
        raise InputError(f"the engine for this model is not installed ({error}): {remedy}") from None
    opened: Runtime = opener(Path(path), options, options.threads or usable_cores())
    return opened


def check_device(options: EngineOptions, checkpoint: bool = False) -> None:
    """Find out, before a network is there, whether the package for NVIDIA's GPUs is, where one is asked for.

    Args:
        options: how the network is to run.
        checkpoint: whether it is a checkpoint, which torch runs on CUDA.

    Raises:
        InputError: the package that runs the network on this device is not installed.
    """
    device = options.place
    if not device.startswith(("cuda", "tensorrt")):
        return
    if options.runtime == "torch" or (checkpoint and options.runtime == "auto" and device.startswith("cuda")):
        if not util.find_spec("torch"):
            raise InputError(f"torch runs checkpoints on {device}, and isn't installed: pip install 'vitruvian[torch]'")
        return
    if options.runtime == "openvino":
        raise InputError(
            f"openvino has no device {device!r}: for NVIDIA's GPUs take --runtime onnxruntime (pip install "
            "onnxruntime-gpu), or torch for checkpoints (pip install 'vitruvian[torch]')"
        )
    if not util.find_spec("onnxruntime"):
        raise InputError(
            f"onnxruntime-gpu runs ONNX files on {device}, and isn't installed: pip install onnxruntime-gpu"
        )
    from .onnx import providers

    providers(device, options.precision)


def open_network(
    network: nn.Module,
    path: str | os.PathLike[str],
    input_size: tuple[int, int],
    options: EngineOptions = EngineOptions(),  # noqa: B008 (frozen)
) -> Runtime:
    """Run a network of `vitruvian.networks` in torch; see `runtimes.torch.TorchRuntime` for the arguments.

    Raises:
        InputError: no such device.
        ModelError: the network doesn't run.
    """
    from .torch import TorchRuntime

    return TorchRuntime(network, Path(path), input_size, options)


def _fastest(path: str | os.PathLike[str], options: EngineOptions) -> RuntimeName:
    device, precision = options.place, options.precision
    if device.startswith(("cuda", "tensorrt")):
        return "onnxruntime"
    if device != "cpu" or precision in ("bf16", "fp16") or not util.find_spec("onnxruntime") or is_int8(path):
        return "openvino"
    return "openvino" if precision == "auto" and _computes_in_halves() else "onnxruntime"


@cache
def _computes_in_halves() -> bool:
    """Whether OpenVINO takes bfloat16 or float16 on this CPU when it may choose."""
    import openvino

    return bool({"BF16", "FP16"} & set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")))


def is_int8(path: str | os.PathLike[str]) -> bool:
    """Whether an ONNX file names the operator that turns int8 into floats."""
    try:
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return content.find(b"DequantizeLinear") >= 0
    except (OSError, ValueError):  # an empty file; the engine says what is wrong
        return False


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores
