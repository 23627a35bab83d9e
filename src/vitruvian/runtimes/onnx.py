"""ONNX Runtime: an extra, taken on CPUs where it is installed, and the engine for NVIDIA's GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from ..errors import InputError
from .base import Runtime, Tensor, as_float32

if TYPE_CHECKING:
    from .base import Array


_GPU_PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_DTYPES = {"tensor(float16)": np.float16, "tensor(double)": np.float64}


class ONNXRuntime(Runtime):
    """An ONNX file in ONNX Runtime.

    It runs a file in the file's own precision, which is all that "fp32" and "auto" ask of it.
    """

    engine = "onnxruntime"

    def _open(self) -> None:
        precision = self.options.precision
        if precision not in ("fp32", "auto"):
            raise InputError(
                f"onnxruntime runs {self.path} in the file's own precision, not in {precision}; openvino can"
            )
        self._providers = providers(self.options.place, precision)
        try:
            self._runner = self._session(self.threads)
        except Exception as error:  # its exceptions have no common base but Exception
            raise self.fail(error, "read as ONNX") from None
        self.inputs = tuple(_tensor(item) for item in self._runner.get_inputs())
        self.outputs = tuple(_tensor(item) for item in self._runner.get_outputs())
        # What a file computes with inside is its own business; around it everything is float32.
        self._dtype = _DTYPES.get(self._runner.get_inputs()[0].type, np.float32) if self.inputs else np.float32
        self.metadata = dict(self._runner.get_modelmeta().custom_metadata_map)

    def _session(self, threads: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Errors come as exceptions; the log would only repeat them on the terminal.
        options.log_severity_level = 4
        return onnxruntime.InferenceSession(str(self.path), options, providers=self._providers)

    def _compile(self, streams: int) -> None:
        if streams > 1:
            self._runner = self._session(max(self.threads // streams, 1))

    def _infer(self, batch: Array) -> tuple[Array, ...]:
        outputs = self._runner.run(None, {self.inputs[0].name: np.ascontiguousarray(batch, self._dtype)})
        return tuple(map(as_float32, outputs))


def providers(device: str, precision: str) -> list[Any]:
    """ONNX Runtime's providers for a device. Raises InputError for a device that it doesn't have here."""
    name, _, index = device.partition(":")
    if name == "cpu":
        return ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    usable = [known for known, provider in _GPU_PROVIDERS.items() if provider in available]
    if name not in usable or not (index or "0").isdigit():
        remedy = (
            f"and {', '.join(usable)}" if usable else "only; cuda and tensorrt come with pip install onnxruntime-gpu"
        )
        raise InputError(f"onnxruntime has no device {device!r} here; it has cpu {remedy}")
    options = {"device_id": int(index or 0)}
    cuda = (_GPU_PROVIDERS["cuda"], options)
    if name == "cuda":
        return [cuda, "CPUExecutionProvider"]
    return [(_GPU_PROVIDERS[name], {**options, "trt_fp16_enable": precision == "auto"}), cuda, "CPUExecutionProvider"]


def _tensor(item: Any) -> Tensor:
    return Tensor(item.name, tuple(size if isinstance(size, int) else None for size in item.shape))
