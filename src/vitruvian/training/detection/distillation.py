"""Distillation of person detectors: another detector's predictions in each cell of a canvas, before its NMS.

To learn a teacher's boxes alone, train on a file of `vitruvian predict --json`, which is read like annotations. Here
the teacher predicts boxes and scores of all cells of each augmented canvas.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...cards import DetectorOptions
from ...detectors.yolox import anchors
from ...errors import InputError
from ...loading import load_detector
from ...runtimes import Runtime, open_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DetectorTeacher:
    """Predictions of a trained detector of the same cells: YOLOX, this project's own, or RTMDet exported end to end.

    Args:
        model: its name or file, as `vitruvian.load` takes it.
        size: (height, width) of the canvases in pixels.

    Raises:
        InputError: the teacher has other cells, or its file doesn't show them.
        ModelError: the teacher can't be loaded, or takes canvases of another size.
    """

    def __init__(self, model: str, size: tuple[int, int]) -> None:
        threads = torch.get_num_threads()
        self._detector = load_detector(model, size, threads=threads)
        assert isinstance(self._detector.card.options, DetectorOptions)
        self._person = self._detector.card.options.person
        self._sorted = self._detector.family.cells == "sorted"
        if self._detector.family.cells == "none":
            family = self._detector.card.family
            raise InputError(f"{model} is a {family}, with other cells; it teaches by its boxes alone: {_BOXES}")
        if self._sorted:
            # Runtimes reopen their file to find out about batches, so the folder exists as long as the teacher.
            folder = tempfile.mkdtemp(prefix="vitruvian-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._detector.runtime = _before_nms(model, self._detector.runtime, folder, threads)
        cells = sum(len(grid) for grid, _ in anchors(size))
        found = self(np.zeros((1, *size, 3), np.uint8))[1].shape[1]
        if found != cells:
            raise InputError(f"{model} has {found} cells, the network {cells}; it teaches by its boxes alone: {_BOXES}")

    def __call__(self, canvases: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Boxes float32 (N, A, 4), xyxy in pixels of the canvas, and scores float32 (N, A) in 0..1, of each cell.

        Args:
            canvases: RGB uint8 (N, H, W, 3).
        """
        outputs = self._detector.outputs(canvases)
        if self._sorted:
            boxes, scores, order = outputs[0], outputs[1][:, self._person], outputs[2]
            places = np.argsort(order, axis=1)
            boxes = np.take_along_axis(boxes, places[..., None], axis=1)
            scores = np.take_along_axis(scores, places, axis=1)
        else:
            decoded = self._detector.decode(outputs, self._detector.card.input_size)
            boxes, scores = (np.stack(parts) for parts in zip(*decoded, strict=True))
        return torch.from_numpy(np.ascontiguousarray(boxes)), torch.from_numpy(np.clip(scores, 0, 1))


_BOXES = "write them with vitruvian predict --json, and train on that file"


def _before_nms(model: str, whole: Runtime, folder: str, threads: int) -> Runtime:
    """The network up to its NMS, as a file in the folder: boxes (N, A, 4), scores (N, classes, A), and their order.

    Exported networks sort cells by score before the NMS; the order (N, A) is that of their TopK.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(f"{model} has its NMS inside; to look before it: pip install 'vitruvian[export]'") from None
    proto = onnx.load(whole.path)
    nodes = {name: node for node in proto.graph.node for name in node.output}
    nms = next((node for node in proto.graph.node if node.op_type == "NonMaxSuppression"), None)
    topk = _nearest(nodes, nms.input[0], "TopK") if nms else None
    if nms is None or topk is None:
        raise InputError(f"{model} doesn't show its cells before an NMS; it teaches by its boxes alone: {_BOXES}")
    kinds = {nms.input[0]: onnx.TensorProto.FLOAT, nms.input[1]: onnx.TensorProto.FLOAT}
    kinds[topk.output[1]] = onnx.TensorProto.INT64
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items())
    path = Path(folder, whole.path.name)
    onnx.save(proto, path)
    return open_runtime(path, threads=threads)


def _nearest(nodes: Mapping[str, Any], name: str, kind: str) -> Any:
    """The nearest node of a kind among the inputs of a tensor, or None."""
    seen, names = {name}, [name]
    for name in names:  # it grows
        node = nodes.get(name)
        if node is None:
            continue
        if node.op_type == kind:
            return node
        fresh = [other for other in node.input if other not in seen]
        seen.update(fresh)
        names += fresh
    return None
