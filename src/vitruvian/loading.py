"""Loading of models by names and files: `vitruvian.load` and its parts."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import codecs, detectors, models
from .cards import DetectorOptions
from .checkpoints.converted import ConversionError, converted
from .errors import InputError, ModelError, OutputError, did_you_mean
from .hub.downloads import fetch, is_packaged, packaged
from .hub.precision_check import accurate
from .hub.presets import PRESETS
from .models.recognition import recognise
from .runtimes import EngineOptions, open_network, open_onnx
from .runtimes.opening import check_device
from .skeletons import Skeleton, as_skeleton, known_skeleton, renamed

if TYPE_CHECKING:
    from torch import nn

    from .cards import ModelCard
    from .choices import Refinement
    from .detectors import Detector
    from .pipeline import PoseEstimator, TopDown
    from .runtimes import Precision, Runtime, RuntimeName

    File = str | os.PathLike[str]
    Task = Literal["pose", "detection"]
    Size = int | tuple[int, int]

DEFAULT_POSE, DEFAULT_DETECTOR = PRESETS["fast"].pose, PRESETS["fast"].detector
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
FOREIGN_FORMATS = {
    **dict.fromkeys((".engine", ".trt", ".plan"), "a TensorRT engine"),
    ".xml": "in OpenVINO's own format",
    **dict.fromkeys((".tflite", ".pb", ".h5", ".keras"), "a TensorFlow model"),
    **dict.fromkeys((".mlmodel", ".mlpackage"), "a Core ML model"),
    ".param": "an NCNN model",
    ".torchscript": "a TorchScript model",
}
"""Suffixes of models in formats of other programs."""

_TASKS: dict[Task, str] = {"pose": "a pose net", "detection": "a detector"}

logger = logging.getLogger("vitruvian")


def load(
    pose: File | None = None,
    detector: File | None = None,
    *,
    preset: str = "fast",
    img_size: Size | None = None,
    pose_size: Size | None = None,
    score: float = 0.3,
    iou: float | None = None,
    max_persons: int | None = None,
    refine: Refinement | None = None,
    flip: bool = False,
    skeleton: File | Skeleton | None = None,
    runtime: RuntimeName = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "auto",
    compile: bool = False,
) -> TopDown:
    """A model that finds persons and their keypoints.

    Args:
        pose: a pose net: a name of `vitruvian.zoo.cards`, an ONNX file (heatmap, or SimCC/SimDR pairs; or any that
            `vitruvian export` made), or a checkpoint (.pth, .pt, .safetensors); None takes
            the preset's.
        detector: a person detector: a name, an ONNX file (RTMDet, YOLOX, or any that `vitruvian export` made), or a
            YOLOv5 checkpoint; None takes the preset's, which isn't run where a call brings its boxes.
        preset: the pair of models, of `vitruvian.zoo.PRESETS`, from which what isn't given is taken: "fast", the small
            ones inside the package, "balanced" or "accurate", which are downloaded once.
        img_size: detector input, (height, width) or one number for both; None takes the file's own size, or 640.
        pose_size: pose net input, for checkpoints that fit any; None takes what the weights or the file's name say, or
            else the smallest published size.
        score: persons below this detection score are dropped, 0..1.
        iou: of boxes that overlap more than this the lower scored is dropped, 0..1; None takes the model's own, or 0.65
            where it has none.
        max_persons: at most so many persons of a picture, the best scored; None takes all.
        refine: sub-pixel step of heatmap nets, "none", "quarter", "dark" or "udp"; None takes the model's own.
        flip: average each person's outputs with those of the mirrored crop (the papers' flip test), at twice the cost.
        skeleton: what the pose net's keypoints are: a name of `vitruvian.skeletons.SKELETONS`, a YAML or JSON file
            (`vitruvian.skeletons.read_skeleton`), or a Skeleton; None takes what the file says, or else the only known
            skeleton of so many keypoints, COCO's for 17.
        runtime: "auto", "openvino", "onnxruntime" or "torch", see `vitruvian.runtimes.EngineOptions`. Checkpoints are
            converted to ONNX for the first three, once (`vitruvian.checkpoints.converted`); "torch" runs them as they
            are, and "auto" takes it for them on CUDA and with `compile`.
        device, threads, precision: see `vitruvian.runtimes.EngineOptions`.
        compile: let torch make faster code of a checkpoint's network first, which takes a minute.

    Raises:
        InputError: no such preset, an argument out of range, an engine or a device that is not there, a skeleton of
            another number of keypoints, or `flip` where nothing tells left from right.
        ModelError: a file that is missing, is no model, or is not what it is used as.
    """
    from .pipeline import TopDown

    if preset not in PRESETS:
        hint = did_you_mean(str(preset), PRESETS, f"it can be {', '.join(PRESETS)}")
        raise InputError(f"preset is {preset!r}; {hint}")
    pair = PRESETS[preset]
    engine = EngineOptions(runtime, device, threads, precision, compile)
    limits: dict[str, Any] = {"score": score, "iou": iou, "max_persons": max_persons}
    # Beside a model that the user chose, the package's own one runs on the CPU: it may not support that engine.
    anywhere = EngineOptions(threads=threads, precision=precision if precision in ("auto", "fp32") else "auto")
    own = anywhere if (pose is not None or detector is not None) and preset == "fast" else engine
    finds, finder_engine = (pair.detector, own) if detector is None else (detector, engine)
    poses, pose_engine = (pair.pose, own) if pose is None else (pose, engine)
    # What is wrong with either is said before anything is downloaded.
    _check(poses, "pose", pose_engine)
    _check(finds, "detection", finder_engine)
    finder = load_detector(finds, img_size, **limits, engine=finder_engine)
    return TopDown(load_pose(poses, refine, pose_size, flip, skeleton=skeleton, engine=pose_engine), finder)


def load_detector(
    file: File,
    img_size: Size | None = None,
    *,
    score: float = 0.3,
    iou: float | None = None,
    max_persons: int | None = None,
    engine: EngineOptions | None = None,
    **settings: Any,
) -> Detector:
    """A person detector from a name or a file; arguments and errors are those of `load`.

    How it runs is `engine`, or single `settings` of it by their names, such as ``threads=2``.
    """
    for name, value in (("score", score), ("iou", iou)):
        if value is not None and not (isinstance(value, Real) and 0 <= value <= 1):
            raise InputError(f"{name} is {value!r}; it must be a number in 0..1")
    if max_persons is not None and not (isinstance(max_persons, Integral) and max_persons >= 1):
        raise InputError(f"max_persons is {max_persons!r}; it must be a whole number, at least 1")
    options = replace(engine or EngineOptions(), **settings)
    _check(file, "detection", options)
    card, network = _open(file, _pair("img_size", img_size), options)
    _check_task(file, card, "detection")
    return detectors.create(card, network, score, iou, max_persons)


def load_pose(
    file: File,
    refine: Refinement | None = None,
    pose_size: Size | None = None,
    flip: bool = False,
    *,
    skeleton: File | Skeleton | None = None,
    engine: EngineOptions | None = None,
    **settings: Any,
) -> PoseEstimator:
    """A pose net from a name or a file; arguments and errors are those of `load`.

    How it runs is `engine`, or single `settings` of it by their names, such as ``threads=2``.
    """
    from .pipeline import PoseEstimator

    options = replace(engine or EngineOptions(), **settings)
    _check(file, "pose", options)
    card, network = _open(file, _pair("pose_size", pose_size), options)
    _check_task(file, card, "pose")
    # What reduced precision costs the package's own is measured (benchmarks/README.md).
    if network.path.suffix == ".onnx" and not is_packaged(network.path):
        source = network.source
        network = accurate(network, card.input_size, options)
        network.source = source
    if refine is not None:
        try:
            card = card.with_options(refine=refine)
        except ModelError as error:
            raise InputError(f"{file}: {error}") from None
    if skeleton is not None:
        card = replace(card, skeleton=_fitting(skeleton, card, file))
    elif card.skeleton is not None:
        card = replace(card, skeleton=renamed(card.skeleton))
    estimator = PoseEstimator(card, network, codecs.create(card.family, card.input_size, card.options), flip)
    known = None if estimator.skeleton.named else known_skeleton(len(estimator.skeleton))
    if known is not None:
        logger.info("%s: its %d keypoints are taken for those of %s (--skeleton)", file, len(known), known.name)
        # The card stays as it is: annotations, where there are any, know better.
        estimator.skeleton = known
    if flip:
        estimator.skeleton.check_flip()
    return estimator


def _fitting(skeleton: File | Skeleton, card: ModelCard, file: File) -> Skeleton:
    """The skeleton that is given for a pose net. Raises InputError for one of another number of keypoints."""
    given = as_skeleton(skeleton)
    if card.skeleton is not None and len(given) != len(card.skeleton):
        raise InputError(
            f"{file} returns {len(card.skeleton)} keypoints; the skeleton {given.name} has {len(given)} of them"
        )
    return given


def _pair(name: str, size: Size | None) -> tuple[int, int] | None:
    if size is None:
        return None
    lengths = size if isinstance(size, tuple | list) else (size, size)
    if len(lengths) != 2 or not all(isinstance(length, Integral) and length > 0 for length in lengths):
        raise InputError(f"{name} is {size!r}; it must be (height, width) or one number, in pixels")
    return int(lengths[0]), int(lengths[1])


def _open(model: File, size: tuple[int, int] | None, engine: EngineOptions) -> tuple[ModelCard, Runtime]:
    """What a model is, and its network in an engine."""
    file, named = located(model)
    if is_checkpoint(file):
        if not _runs_in_torch(engine):
            try:
                load = partial(network_of, file, named, size)
                card, network = _open_file(converted(file, named.name if named else None, size, load), size, engine)
                network.source = file
                return card, network
            except (ConversionError, OutputError) as error:
                if engine.runtime != "auto":
                    raise
                logger.warning("%s; it runs in torch, which is slower", error)
        loaded, card = network_of(file, named, size)
        if engine.compile and isinstance(card.options, DetectorOptions):
            # Compiled code is for one size, so that every picture goes onto the same canvas.
            card = card.with_options(size_multiple=None)
        return card, open_network(loaded, file, card.input_size, engine)
    card, network = _open_file(file, size or (named.input_size if named else None), engine)
    return replace(named, input_size=card.input_size) if named else card, network


def _runs_in_torch(engine: EngineOptions) -> bool:
    """Whether a checkpoint runs in torch: where it is asked for, and on CUDA unless another engine is asked for."""
    fast = engine.device.startswith("cuda") or engine.compile
    return engine.runtime == "torch" or (engine.runtime == "auto" and fast)


def _open_file(file: Path, size: tuple[int, int] | None, engine: EngineOptions) -> tuple[ModelCard, Runtime]:
    network = open_onnx(file, engine)
    return recognise(network, size), network


def _check(model: File, task: Task, engine: EngineOptions) -> None:
    """Raises InputError, before anything is downloaded, for a model of another task, or an engine that isn't there."""
    named = _named(model)
    if named is not None:
        _check_task(model, named, task)
    check_device(engine, checkpoint=of_checkpoint(model))


def _check_task(model: File, card: ModelCard, task: Task) -> None:
    if card.task != task:
        is_one, no, option = _TASKS[card.task], _TASKS[task], "pose net" if card.task == "pose" else "detector"
        raise ModelError(
            f"{model} is {is_one} ({card.family}), not {no}: give it as the {option} instead (--{option.split()[0]})"
        )


def _named(model: File) -> ModelCard | None:
    """The card of a name of the zoo; None for a file. Raises ModelError for what is neither."""
    path = Path(model)
    if not os.fspath(model).strip():
        raise ModelError("the name of a model is empty; give a file or a name (vitruvian models), or leave it out")
    if path.is_file():
        return None
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the model's file in it, or a name (vitruvian models)")
    if path.suffix or len(path.parts) != 1:
        raise ModelError(f"{path}: no such model file{_similar(path)}")
    return models.card(str(model))


def _similar(path: Path) -> str:
    """The end of a message about a model file that isn't there: files beside it, or models, of a similar name."""
    with suppress(OSError):
        beside = [other.name for other in path.parent.iterdir() if other.suffix in (*CHECKPOINT_SUFFIXES, ".onnx")]
        hint = did_you_mean(path.name, beside, "")
        if hint:
            return f"; {hint}"
    known = [card.name for card in models.cards()]
    hint = did_you_mean(path.stem, known, "")
    return f"; without {path.suffix} it would be a model's name: {hint}" if hint and len(path.parts) == 1 else ""


def located(model: File) -> tuple[Path, ModelCard | None]:
    """A model's file; of a name of the zoo the downloaded one, and its card.

    Raises:
        ModelError: no such name or file, or a file of another program's format.
    """
    named = _named(model)
    if named is None:
        foreign = FOREIGN_FORMATS.get(Path(model).suffix.lower())
        if foreign:
            raise ModelError(
                f"{model} is {foreign}, which isn't read: give the ONNX file or the checkpoint that it was made of"
            )
        return Path(model), None
    if own := packaged(named):
        # It brings a card of its own, of what it was trained with.
        return own, None
    return fetch(named), named


def is_checkpoint(path: File) -> bool:
    """Whether a file is to be read as tensors: by its suffix, or else as a zip archive, a pickle or safetensors."""
    suffix = Path(path).suffix.lower()
    if suffix in (*CHECKPOINT_SUFFIXES, ".onnx"):
        return suffix != ".onnx"
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return False  # whoever reads it next says what is wrong
    return start.startswith((b"PK\x03\x04", b"\x80")) or start[8:] == b"{"


def of_checkpoint(model: File) -> bool:
    """Whether a model's file is a checkpoint, without downloading it. Raises ModelError for no name and no file."""
    named = _named(model)
    if named is None:
        return is_checkpoint(model)
    return packaged(named) is None and named.weights is not None and is_checkpoint(named.weights.filename)


def checkpoint_network(model: File, size: tuple[int, int] | None = None) -> tuple[nn.Module, ModelCard]:
    """A checkpoint's network, and its card.

    Args:
        model: .pth, .pt or .safetensors file, or a name of the zoo.
        size: (height, width) of its input; None takes what the weights say, or the file's name, or a published size.

    Raises:
        ModelError: see `vitruvian.zoo.load_network` and `vitruvian.zoo.fetch`; or the network doesn't take this size.
    """
    return network_of(*located(model), size)


def network_of(file: Path, named: ModelCard | None, size: tuple[int, int] | None) -> tuple[nn.Module, ModelCard]:
    """As `checkpoint_network`, from the result of `located`, so that the file isn't fetched and hashed twice."""
    from .checkpoints import load_checkpoint

    if not is_checkpoint(file):
        raise ModelError(f"{file} is no checkpoint (.pth, .pt, .safetensors)")
    name = named.name if named and named.name in models.SPECS else None
    loaded = load_checkpoint(name, file, size or (named.input_size if named else None))
    if loaded.card is not None:
        return loaded.network, loaded.card
    identity = loaded.identity
    if identity.assumption:
        logger.info("%s: %s", file, identity.assumption)
    return loaded.network, models.describe(identity.spec, identity.name or file.stem, identity.num_keypoints)
