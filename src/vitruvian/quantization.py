"""Static int8 of an ONNX model: weights per channel, activations by their range on real pictures."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .detectors import FAMILIES
from .errors import InputError, ModelError
from .geometry import crop, crop_affines, to_tensor
from .graphs import at_least_opset, folded
from .media import open_source
from .zoo.loading import DEFAULT_DETECTOR, load_detector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .cards import ModelCard
    from .detectors import Detector
    from .media import Source

logger = logging.getLogger("vitruvian")

# More pictures hardly move the ranges any more.
CALIBRATION_SAMPLES = 256

# The layers that have weights.
_WEIGHTED = ("Conv", "Gemm", "MatMul")

# The first version of ONNX's operators that has a scale for each channel.
_PER_CHANNEL_OPSET = 13


def quantise(proto: Any, card: ModelCard, folder: str | os.PathLike[str], detector: Detector | None = None) -> Any:
    """An ONNX model in int8, as QDQ nodes that every engine reads.

    Only what goes into layers with weights is quantised: engines join the activations in between with the layer before
    them, and compute those that are no steps, such as SiLU, in float. The last of these layers stay float with all that
    follows, since they say where a keypoint or a box is. A range is the mean of those of the pictures, so that one
    picture's outlier doesn't coarsen all the others (as in arXiv 1712.05877).

    Args:
        proto: the model, in float32.
        card: what it takes.
        folder: pictures like those to come; a few hundred persons are used.
        detector: finds the persons in them, for a pose net; None takes the one inside the package.

    Raises:
        InputError: the folder has no readable picture, or the detector finds nobody.
        ModelError: the model has no layer to quantise.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    source = open_source(str(folder))
    if card.task == "pose" and detector is None:
        detector = load_detector(DEFAULT_DETECTOR)
    samples = islice(_samples(card, source, detector), CALIBRATION_SAMPLES)
    first = next(samples, None)
    if first is None:
        raise InputError(f"{folder}: no pictures of persons to calibrate with")
    proto = folded(at_least_opset(proto, _PER_CHANNEL_OPSET))
    layers = _layers(proto.graph)
    if not layers:
        raise ModelError(f"{card.name}: the network has no layers with weights that int8 could be made of")
    entry = proto.graph.input[0]
    batch = max(entry.type.tensor_type.shape.dim[0].dim_value, 1)  # 0 is any
    reader = _Reader(entry.name, batch, first, samples)
    with tempfile.TemporaryDirectory(prefix="vitruvian-") as temporary:
        plain, quantised = Path(temporary, "plain.onnx"), Path(temporary, "int8.onnx")
        onnx.save(proto, plain)
        # Its advice to pre-process doesn't hold: the graph is folded already.
        root = logging.getLogger()
        root.addFilter(_is_no_advice)
        try:
            quantize_static(
                plain,
                quantised,
                reader,
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=_WEIGHTED,
                nodes_to_quantize=layers,
                extra_options={"OpTypesToExcludeOutputQuantization": _WEIGHTED, "CalibMovingAverage": True},
            )
        finally:
            root.removeFilter(_is_no_advice)
        for problem in source.problems:
            logger.warning(problem)
        return onnx.load(quantised)


def _is_no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()


class _Reader:
    """Calibration samples as ONNX Runtime asks for them."""

    def __init__(
        self, name: str, batch: int, first: NDArray[np.float32], others: Iterator[NDArray[np.float32]]
    ) -> None:
        self._name = name
        self._batch = batch
        self._first: NDArray[np.float32] | None = first
        self._others = others

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        sample, self._first = self._first if self._first is not None else next(self._others, None), None
        return None if sample is None else {self._name: np.repeat(sample, self._batch, axis=0)}


def _samples(card: ModelCard, source: Source, detector: Detector | None) -> Iterator[Any]:
    """What the network would see of each picture, and of a pose net's each person: float32 (1, 3, H, W)."""
    for frame in source:
        image = frame.image
        if detector is None:
            images = [FAMILIES[card.family].letterbox(image, card.input_size)[0]]
        else:
            aligned = card.options.get("aligned", False)
            boxes = detector([image])[0].xyxy
            images = [*crop(image, crop_affines(boxes, card.input_size, card.padding, aligned), card.input_size)]
        for one in images:
            yield to_tensor([one], card.mean, card.std, card.bgr)


def _layers(graph: Any) -> list[str]:
    """Names of the nodes that have weights and that another such node follows."""
    constants = {item.name for item in graph.initializer}
    weighted = {
        node.name for node in graph.node if node.op_type in _WEIGHTED and not constants.isdisjoint(node.input[1:2])
    }
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    followed: set[str] = set()
    for node in reversed(graph.node):  # a graph's nodes are in order, so what follows is known already
        following = {reader.name for name in node.output for reader in readers.get(name, [])}
        if following & weighted or following & followed:
            followed.add(node.name)
    return [node.name for node in graph.node if node.name in weighted & followed]
