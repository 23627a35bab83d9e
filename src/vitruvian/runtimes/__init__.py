"""Engines that run a network, one file each, called alike: a float32 (N, C, H, W) batch in, a tuple of arrays out.

ONNX files run in OpenVINO or ONNX Runtime, networks of `vitruvian.networks` in PyTorch.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module, util
from mmap import ACCESS_READ, mmap
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InputError, ModelError
from .base import Runtime, Tensor

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ONNX_RUNTIMES",
    "PRECISIONS",
    "RUNTIMES",
    "Precision",
    "Runtime",
    "Tensor",
    "open_network",
    "open_runtime",
    "usable_cores",
]

Precision = Literal["fp32", "auto", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "auto", "bf16", "fp16")

# What takes ONNX files: where the engine's class is, the class, and how a user gets the package that it needs.
ONNX_RUNTIMES = {
    "openvino": ("openvino", "OpenVINO", "pip install openvino"),
    "onnxruntime": ("onnx", "ONNXRuntime", "pip install 'vitruvian[onnxruntime]'"),
}
RUNTIMES = (*ONNX_RUNTIMES, "torch")


def open_runtime(
    path: str | os.PathLike[str],
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "fp32",
) -> Runtime:
    """Open an ONNX file in an engine.

    Args:
        path: the ONNX file.
        runtime: "openvino", "onnxruntime", or "auto": of the installed ones the faster for this device and precision,
            which is openvino for Intel's devices, int8 files, and on CPUs that compute in bfloat16 or float16 unless
            precision is "fp32"; else onnxruntime (benchmarks/runtime_speed.py, benchmarks/int8_cost.py).
        device: "auto" (the CPU), "cpu", "gpu" or "npu" (Intel's, by openvino), "cuda" or "cuda:1", "tensorrt" or
            "tensorrt:1" (by onnxruntime).
        threads: CPU threads; None takes every core that this process may use.
        precision: "fp32" gives the same numbers on every machine; "auto" takes bfloat16 or float16 where the processor
            has it, which costs at most 0.003 AP (benchmarks/README.md); "bf16" and "fp16" ask for one (openvino;
            onnxruntime runs a file as it is).

    Raises:
        ModelError: the file is missing or no ONNX model.
        InputError: no such runtime, device or precision, or the engine is not installed.
    """
    _check(runtime, threads, precision)
    if runtime == "torch":
        raise InputError(f"{path}: torch runs checkpoints, not ONNX files; they run in {' or '.join(ONNX_RUNTIMES)}")
    if not os.path.isfile(path):
        raise ModelError(f"{path}: no such model file")
    device = "cpu" if device == "auto" else device.lower()
    module, name, remedy = ONNX_RUNTIMES[_fastest(path, device, precision) if runtime == "auto" else runtime]
    try:
        opener = getattr(import_module(f".{module}", __name__), name)
    except ImportError as error:
        raise InputError(f"the engine for this model is not installed ({error}): {remedy}") from None
    opened: Runtime = opener(Path(path), device, threads or usable_cores(), precision)
    return opened


def open_network(
    network: nn.Module,
    path: str | os.PathLike[str],
    input_size: tuple[int, int],
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "fp32",
    compile: bool = False,
) -> Runtime:
    """Run a network of `vitruvian.networks` in torch; see `runtimes.torch.TorchRuntime` for the arguments.

    Raises:
        InputError: no such device or precision.
        ModelError: the network doesn't run.
    """
    from .torch import TorchRuntime

    _check("torch", threads, precision)
    device = "cpu" if device == "auto" else device.lower()
    return TorchRuntime(network, Path(path), input_size, device, threads, precision, compile)


def _check(runtime: str, threads: int | None, precision: str) -> None:
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; it can be {', '.join(PRECISIONS)}")
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"runtime is {runtime!r}; it can be auto, {', '.join(RUNTIMES)}")
    if threads is not None and not (isinstance(threads, Integral) and threads >= 1):
        raise InputError(f"threads is {threads!r}; it must be a whole number, at least 1")


def _fastest(path: str | os.PathLike[str], device: str, precision: Precision) -> str:
    if device.startswith(("cuda", "tensorrt")):
        return "onnxruntime"
    if device != "cpu" or precision in ("bf16", "fp16") or not util.find_spec("onnxruntime") or _is_int8(path):
        return "openvino"
    return "openvino" if precision == "auto" and _computes_in_halves() else "onnxruntime"


@cache
def _computes_in_halves() -> bool:
    """Whether OpenVINO takes bfloat16 or float16 on this CPU when it may choose."""
    import openvino

    return bool({"BF16", "FP16"} & set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")))


def _is_int8(path: str | os.PathLike[str]) -> bool:
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
