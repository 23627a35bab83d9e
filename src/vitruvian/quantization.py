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
from .errors import InputError
from .geometry import crop, crop_affines, to_tensor
from .media import open_source
from .poses import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .cards import ModelCard
    from .detectors import Detector
    from .media import Source

logger = logging.getLogger("vitruvian")

# More pictures hardly move the ranges any more.
CALIBRATION_SAMPLES = 256

# The layers that have weights; those that nothing of the kind follows stay float, since they say where a keypoint is.
_WEIGHTY = ("Conv", "Gemm", "MatMul")


def quantise(proto: Any, card: ModelCard, folder: str | os.PathLike[str], detector: Detector | None = None) -> Any:
    """An ONNX model in int8, as QDQ nodes that every engine reads.

    Args:
        proto: the model, in float32.
        card: what it takes.
        folder: pictures like those to come; a few hundred persons are used.
        detector: finds the persons in them; without one each picture is one person.

    Raises:
        InputError: the folder has no readable picture, or the detector finds nobody.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    source = open_source(str(folder))
    samples = islice(_samples(card, source, detector), CALIBRATION_SAMPLES)
    first = next(samples, None)
    if first is None:
        raise InputError(f"{folder}: no pictures of persons to calibrate with")
    reader = _Reader(proto.graph.input[0].name, first, samples)
    with tempfile.TemporaryDirectory(prefix="vitruvian-") as temporary:
        plain, quantised = Path(temporary, "plain.onnx"), Path(temporary, "int8.onnx")
        onnx.save(proto, plain)
        # Its advice to pre-process doesn't hold: the exporter has folded the normalisations already.
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
                nodes_to_exclude=_tail(proto.graph),
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

    def __init__(self, name: str, first: NDArray[np.float32], others: Iterator[NDArray[np.float32]]) -> None:
        self._name = name
        self._first: NDArray[np.float32] | None = first
        self._others = others

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        sample, self._first = self._first if self._first is not None else next(self._others, None), None
        return None if sample is None else {self._name: sample}


def _samples(card: ModelCard, source: Source, detector: Detector | None) -> Iterator[Any]:
    """What the network would see of each picture: float32 (1, 3, H, W)."""
    for frame in source:
        image = frame.image
        if card.task == "detection":
            images = [FAMILIES[card.family].letterbox(image, card.input_size)[0]]
        else:
            whole = Boxes.given([[0, 0, image.shape[1], image.shape[0]]])
            boxes = whole if detector is None else detector([image])[0]
            aligned = card.options.get("aligned", False)
            images = [*crop(image, crop_affines(boxes.xyxy, card.input_size, card.padding, aligned), card.input_size)]
        for one in images:
            yield to_tensor([one], card.mean, card.std, card.bgr)


def _tail(graph: Any) -> list[str]:
    """Names of the nodes after which no layer with weights comes."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    before_weights: set[str] = set()
    tail = []
    for node in reversed(graph.node):  # a graph's nodes are in order, so what follows is known already
        following = [reader for name in node.output for reader in readers.get(name, [])]
        if any(reader.op_type in _WEIGHTY or reader.name in before_weights for reader in following):
            before_weights.add(node.name)
        else:
            tail.append(node.name)
    return tail
