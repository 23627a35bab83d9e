"""OpenVINO: the engine of the base install, and the one for Intel's GPUs and NPUs."""

from __future__ import annotations

import contextlib
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from openvino.frontend import FrontEndManager

from ..errors import InputError
from .base import Runtime, Tensor, as_float32
from .helper import Helper

if TYPE_CHECKING:
    from .base import Array


# The bindings set up their table of dtypes when it is first read. Two threads that do so at the
# same time wait for each other for ever: one holds the lock of Python, the other that of the table.
openvino.Type.f32.to_dtype()

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


class OpenVINO(Runtime):
    """An ONNX file in OpenVINO."""

    engine = "openvino"
    _idle: SimpleQueue[Any]
    _helper: Helper | None = None

    def _reopen(self) -> None:
        # Whatever its threads held when a process was forked is held for ever in the child: nothing of it runs there.
        self._helper = Helper(self)
        self._forked = False

    def _answer(self, batch: Array) -> tuple[Array, ...]:
        return super()._answer(batch) if self._helper is None else self._helper(batch)

    def _open(self) -> None:
        self._core = openvino.Core()
        device = self.options.place.upper()
        # "gpu" stands for "GPU.0" where there are several.
        if device.split(".")[0] not in {known.split(".")[0] for known in self._core.available_devices}:
            known = ", ".join(self._core.available_devices).lower()
            raise InputError(f"openvino has no device {self.options.place!r} here; it has {known}")
        self._device = device
        try:
            # Asked by name: left to guess, OpenVINO tries other formats on a broken file and logs their complaints.
            frontend = FrontEndManager().load_by_framework("onnx")
            self._model = frontend.convert(frontend.load(str(self.path)))
        except Exception as error:  # its exceptions have no common base but Exception
            raise self.fail(error, "read as ONNX") from None
        self.inputs = tuple(_tensor(port) for port in self._model.inputs)
        self.outputs = tuple(_tensor(port) for port in self._model.outputs)
        self.metadata = self._read_metadata()

    def _read_metadata(self) -> dict[str, str]:
        if not self._model.has_rt_info("framework"):
            return {}
        properties = self._model.get_rt_info("framework").astype(dict)
        return {str(key): str(value.astype(str)) for key, value in properties.items()}

    def _compile(self, streams: int) -> None:
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self._device == "CPU":
            options = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": self.threads}
        if self.options.precision in _HINTS and self._device != "NPU":
            options["INFERENCE_PRECISION_HINT"] = _HINTS[self.options.precision]
        compiled = self._core.compile_model(self._model, self._device, options)
        with contextlib.suppress(RuntimeError):  # not every device has the property
            chosen = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            self.precision = next((name for name, hint in _HINTS.items() if hint == chosen), chosen)
        self._idle = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def _infer(self, batch: Array) -> tuple[Array, ...]:
        request = self._idle.get()
        try:
            request.infer({0: np.ascontiguousarray(batch)}, share_inputs=True)
            # The request's buffers are overwritten by its next run, hence the copies.
            return tuple(as_float32(output.data.copy()) for output in request.output_tensors)
        finally:
            self._idle.put(request)


def _tensor(port: Any) -> Tensor:
    shape = tuple(None if size.is_dynamic else size.get_length() for size in port.get_partial_shape())
    return Tensor(min(port.names, default=""), shape)
