"""From names and files to models that run."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import codecs, detectors
from ..errors import InputError, ModelError
from ..runtimes import open_runtime
from .recognition import recognise

if TYPE_CHECKING:
    from ..codecs.heatmap import Refinement
    from ..detectors import Detector
    from ..pipeline import PoseEstimator, TopDown
    from ..runtimes import Precision

    File = str | os.PathLike[str]


def load(
    pose: File | None = None,
    detector: File | None = None,
    *,
    img_size: int | tuple[int, int] | None = None,
    score: float = 0.3,
    iou: float = 0.65,
    max_persons: int | None = None,
    refine: Refinement | None = None,
    runtime: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "fp32",
) -> TopDown:
    """A model that finds persons and their keypoints.

    Args:
        pose: ONNX file of a pose net (heatmap, or SimCC/SimDR pairs).
        detector: ONNX file of a person detector (RTMDet or YOLOX); None works as long as every call brings its boxes.
        img_size: detector input, (height, width) or one number for both; None takes the file's own size, or 640.
        score: persons below this detection score are dropped, 0..1.
        iou: of boxes that overlap more than this the lower scored is dropped, 0..1.
        max_persons: at most so many persons of a picture, the best scored; None takes all.
        refine: sub-pixel step of heatmap nets, "none", "quarter" or "dark"; None takes the model's own.
        runtime, device, threads, precision: see `vitruvian.runtimes.open_runtime`.

    Raises:
        InputError: an argument out of range, or an engine or a device that is not there.
        ModelError: a file that is missing, is no model, or is not what it is used as.
    """
    from ..pipeline import TopDown

    if pose is None:
        raise InputError("no pose net: this version ships no default weights, so give an ONNX file (pose=, --pose)")
    engine = {"runtime": runtime, "device": device, "threads": threads, "precision": precision}
    finder = None
    if detector is not None:
        finder = load_detector(detector, img_size, score=score, iou=iou, max_persons=max_persons, **engine)
    return TopDown(load_pose(pose, refine, **engine), finder)


def load_detector(
    file: File,
    img_size: int | tuple[int, int] | None = None,
    *,
    score: float = 0.3,
    iou: float = 0.65,
    max_persons: int | None = None,
    **engine: Any,
) -> Detector:
    """A person detector from an ONNX file; arguments and errors are those of `load`."""
    for name, value in (("score", score), ("iou", iou)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}; it must be in 0..1")
    if max_persons is not None and max_persons < 1:
        raise InputError(f"max_persons is {max_persons}; at least 1 is needed")
    size = _pair(img_size)
    network = open_runtime(file, **engine)
    card = recognise(network, size)
    if card.task != "detection":
        raise ModelError(f"{file} is a pose net ({card.family}), not a detector: give it as the pose net instead")
    return detectors.create(card, network, score, iou, max_persons)


def _pair(img_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    lengths = (img_size, img_size) if isinstance(img_size, int) else img_size
    if lengths is None:
        return None
    if len(lengths) != 2 or not all(isinstance(length, int) and length > 0 for length in lengths):
        raise InputError(f"img_size is {img_size!r}; it must be (height, width) or one number, in pixels")
    return lengths[0], lengths[1]


def load_pose(file: File, refine: Refinement | None = None, **engine: Any) -> PoseEstimator:
    """A pose net from an ONNX file; arguments and errors are those of `load`."""
    from ..pipeline import PoseEstimator

    network = open_runtime(file, **engine)
    card = recognise(network)
    if card.task != "pose":
        raise ModelError(f"{file} is a detector ({card.family}), not a pose net: give it as the detector instead")
    if refine is not None:
        if card.family != "heatmap":
            raise InputError(f"refine is for heatmaps; {file} is a {card.family} model")
        card = replace(card, options={**card.options, "refine": refine})
    return PoseEstimator(card, network, codecs.create(card.family, card.input_size, card.options))
