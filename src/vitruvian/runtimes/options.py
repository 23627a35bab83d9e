"""Engine options: runtime, device, threads and precision as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InputError

RuntimeName = Literal["auto", "openvino", "onnxruntime", "torch"]
Precision = Literal["fp32", "auto", "bf16", "fp16"]

RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)[1:]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class EngineOptions:
    """How a network runs.

    Args:
        runtime: "openvino", "onnxruntime", "torch" (which runs checkpoints alone), or "auto". For ONNX files "auto" is
            of the installed ones the faster for this device and precision: openvino for Intel's devices, int8 files,
            and on CPUs that compute in bfloat16 or float16 unless precision is "fp32"; else onnxruntime
            (benchmarks/runtime_speed.py, benchmarks/int8_cost.py). For checkpoints see `vitruvian.load`.
        device: "auto" (the CPU), "cpu", "gpu" or "npu" (Intel's, by openvino), "cuda" or "cuda:1" (onnxruntime,
            torch), "tensorrt" or "tensorrt:1" (onnxruntime). Small letters or capitals.
        threads: CPU threads; None takes every core that this process may use. In torch they are those of the whole
            process, and None leaves them as they are.
        precision: "fp32" gives the same numbers on every machine; "auto" takes bfloat16 or float16 where the processor
            has it, which costs at most 0.003 AP (benchmarks/README.md); "bf16" and "fp16" ask for one (openvino and
            torch; onnxruntime runs a file as it is).
        compile: let torch make faster code of a checkpoint's network first: worth it for long runs, since it takes a
            minute. ONNX files have no use for it.

    Raises:
        InputError: no such runtime or precision, a device that isn't text, or threads that aren't a number above 0.
    """

    runtime: RuntimeName = "auto"
    device: str = "auto"
    threads: int | None = None
    precision: Precision = "fp32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"precision is {self.precision!r}; it can be {', '.join(PRECISIONS)}")
        if self.runtime not in ("auto", *RUNTIMES):
            raise InputError(f"runtime is {self.runtime!r}; it can be auto, {', '.join(RUNTIMES)}")
        if not isinstance(self.device, str):
            raise InputError(f"device is {self.device!r}; it is a name such as cpu or cuda:0")
        object.__setattr__(self, "device", self.device.lower())
        if self.threads is not None and (isinstance(self.threads, bool) or not isinstance(self.threads, int)):
            raise InputError(f"threads is {self.threads!r}; a whole number is needed")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads is {self.threads}; at least 1 is needed")

    @property
    def place(self) -> str:
        """The device, "cpu" for "auto"."""
        return "cpu" if self.device == "auto" else self.device
