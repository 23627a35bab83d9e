"""Engines that run a network, one file each, called alike: a float32 (N, C, H, W) batch in, a tuple of arrays out."""

from __future__ import annotations

import os
from importlib import import_module, util
from pathlib import Path
from typing import Literal

from ..errors import InputError, ModelError
from .base import Runtime, Tensor

__all__ = ["PRECISIONS", "RUNTIMES", "Precision", "Runtime", "Tensor", "open_runtime", "usable_cores"]

Precision = Literal["fp32", "auto"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "auto")

# What a runtime is called: where its class is, the package it needs, and how a user gets that package.
RUNTIMES = {
    "openvino": ("openvino", "OpenVINO", "pip install openvino"),
    "onnxruntime": ("onnx", "ONNXRuntime", "pip install 'vitruvian[onnxruntime]'"),
}


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
            which is openvino for Intel's devices and where precision is "auto", else onnxruntime
            (benchmarks/runtime_speed.py).
        device: "auto" (the CPU), "cpu", "gpu" or "npu" (Intel's, by openvino), "cuda" or "cuda:1" (by onnxruntime).
        threads: CPU threads; None takes every core that this process may use.
        precision: "fp32" gives the same numbers on every machine; "auto" lets the engine choose a faster one where the
            processor has it (bfloat16).

    Raises:
        ModelError: the file is missing or no ONNX model.
        InputError: no such runtime, device or precision, or the engine is not installed.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; it can be {', '.join(PRECISIONS)}")
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"runtime is {runtime!r}; it can be auto, {', '.join(RUNTIMES)}")
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}; at least 1 is needed")
    if not Path(path).is_file():
        raise ModelError(f"{path}: no such model file")
    device = "cpu" if device == "auto" else device.lower()
    module, name, remedy = RUNTIMES[_fastest(device, precision) if runtime == "auto" else runtime]
    try:
        opener = getattr(import_module(f".{module}", __name__), name)
    except ImportError as error:
        raise InputError(f"the engine for this model is not installed ({error}): {remedy}") from None
    opened: Runtime = opener(Path(path), device, threads or usable_cores(), precision)
    return opened


def _fastest(device: str, precision: Precision) -> str:
    if device.startswith("cuda"):
        return "onnxruntime"
    exact_cpu = device == "cpu" and precision == "fp32"
    return "onnxruntime" if exact_cpu and util.find_spec("onnxruntime") else "openvino"


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores
