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

from . import codecs
from .detectors import prepare
from .errors import InputError, ModelError
from .geometry import to_tensor
from .graphs import at_least_opset, folded
from .loading import DEFAULT_DETECTOR, load_detector
from .media import open_source
from .pipeline import FRAMES_AT_ONCE, batches, crop_persons

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
_QUANTISED = (*_WEIGHTED, "Add")

# What channel attention does with the means of its channels.
_GATE = (*_WEIGHTED, "Relu", "Sigmoid", "HardSigmoid", "Clip", "Flatten", "Reshape", "Squeeze")
# The first version of ONNX's operators that has a scale for each channel.
_PER_CHANNEL_OPSET = 13


def quantise(proto: Any, card: ModelCard, folder: str | os.PathLike[str], detector: Detector | None = None) -> Any:
    """An ONNX model in int8, as QDQ nodes that every engine reads.

    Only what goes into layers with weights and into additions is quantised: engines join the ReLUs in between with the
    layer before, compute what else there is, such as SiLU, in float, and aren't made to stop for int8 in between. The
    last layers stay float with all that follows, since they say where a keypoint or a box is. A range is the mean of
    those of the pictures, so that one picture's outlier doesn't coarsen all the others.

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

    samples = calibration_samples(card, folder, detector)
    first = next(samples, None)
    if first is None:
        raise InputError(f"{folder}: no pictures of persons to calibrate with")
    proto = folded(at_least_opset(proto, _PER_CHANNEL_OPSET))
    nodes = _nodes_to_quantise(proto.graph)
    if not nodes:
        raise ModelError(f"{card.name}: the network has no layers that int8 could be made of")
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
                op_types_to_quantize=_QUANTISED,
                nodes_to_quantize=nodes,
                extra_options={"OpTypesToExcludeOutputQuantization": _QUANTISED, "CalibMovingAverage": True},
            )
        finally:
            root.removeFilter(_is_no_advice)
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


def calibration_samples(
    card: ModelCard, folder: str | os.PathLike[str], detector: Detector | None = None
) -> Iterator[NDArray[np.float32]]:
    """What the network would see of a folder's pictures, and of a pose net's persons in them: float32 (1, 3, H, W).

    Arguments and errors are those of `quantise`; pictures that can't be read are logged. There are at most
    `CALIBRATION_SAMPLES`.
    """
    source = open_source(str(folder))
    if card.task == "pose" and detector is None:
        detector = load_detector(DEFAULT_DETECTOR)
    yield from islice(_samples(card, source, detector), CALIBRATION_SAMPLES)
    for problem in source.problems:
        logger.warning(problem)


def _samples(card: ModelCard, source: Source, detector: Detector | None) -> Iterator[NDArray[np.float32]]:
    codec = codecs.create(card.family, card.input_size, card.options) if card.task == "pose" else None
    for batch in batches(source, FRAMES_AT_ONCE):
        images = [frame.image for frame in batch]
        if codec is not None and detector is not None:
            inputs = (one for crops, _ in crop_persons(images, detector(images), card, codec) for one in crops)
        else:
            inputs = (prepared.canvas for prepared in prepare(card, images))
        for one in inputs:
            yield to_tensor([one], card.mean, card.std, card.bgr)


def _nodes_to_quantise(graph: Any) -> list[str]:
    """Names of the layers with weights, and of the additions of what was computed, that another such layer follows.

    Depthwise convolutions are left out, since they multiply little and lose much of what they have few weights for, and
    so are the sums in networks with any; and what is behind a global pooling, the gates of channel attention, which is
    hardly any work.
    """
    weights = {item.name: item for item in graph.initializer}
    layers: set[str] = set()
    wanted: set[str] = set()
    spared: set[str] = set()
    sums: set[str] = set()
    pooled: set[str] = set()
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
        if node.op_type == "GlobalAveragePool" or (node.op_type in _GATE and node.input[0] in pooled):
            pooled.add(node.output[0])
        elif node.op_type in _WEIGHTED and node.input[1] in weights:
            layers.add(node.name)
            depthwise = node.op_type == "Conv" and weights[node.input[1]].dims[1] == 1
            (spared if depthwise else wanted).add(node.name)
        elif node.op_type == "Add" and not any(name in weights for name in node.input):
            sums.add(node.name)
    followed: set[str] = set()
    for node in reversed(graph.node):  # a graph's nodes are in order, so what follows is known already
        following = {reader.name for name in node.output for reader in readers.get(name, [])}
        if following & layers or following & followed:
            followed.add(node.name)
    return [node.name for node in graph.node if node.name in (wanted if spared else wanted | sums) & followed]
