"""From a network to one ONNX file that is all a user has to carry around: weights, graph, and the model's card."""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .cards import METADATA_KEY, ModelCard
from .errors import InputError, ModelError
from .media.files import write_file
from .runtimes import open_runtime
from .zoo.loading import checkpoint_network

if TYPE_CHECKING:
    from torch import nn

    from .detectors import Detector

ExportPrecision = Literal["fp32", "fp16", "int8"]
EXPORT_PRECISIONS: tuple[ExportPrecision, ...] = ("fp32", "fp16", "int8")

OPSET = 17

# How far an fp32 file's outputs may be from torch's, in parts of their range. Beyond it something is broken.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Args:
        path: the ONNX file.
        card: the model card inside of it.
        difference: how far its outputs are from torch's on a random picture, at most, in parts of each output's range.
    """

    path: Path
    card: ModelCard
    difference: float


def export(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    precision: ExportPrecision = "fp32",
    calibration: str | os.PathLike[str] | None = None,
    detector: Detector | None = None,
) -> Exported:
    """Write a checkpoint's network as ONNX, for any batch size, with its card in the metadata.

    Args:
        model: a checkpoint, see `vitruvian.load`.
        output: the ONNX file; it is replaced if it exists, once the new one is complete.
        size: (height, width) of the input in pixels, multiples of 32; None takes what `vitruvian.load` would take.
        precision: "fp32"; "fp16" stores and computes halves behind inputs and outputs in float32; "int8" quantises
            weights per channel and activations by their range on the calibration pictures.
        calibration: a folder of pictures like those to come, for "int8".
        detector: finds the persons in the calibration pictures of a pose net; without one each picture is one person.

    Raises:
        InputError: "int8" without pictures, or pictures without "int8"; or the output is the checkpoint, or a folder.
        ModelError: no checkpoint, or a network whose ONNX doesn't give torch's numbers (in ONNX Runtime, to 1e-4 of
            their range in "fp32"), or no finite ones.
        OutputError: the file can't be written.
    """
    if precision not in EXPORT_PRECISIONS:
        raise InputError(f"precision is {precision!r}; it can be {', '.join(EXPORT_PRECISIONS)}")
    if (precision == "int8") != (calibration is not None):
        raise InputError("int8 needs calibration pictures (a folder), and only int8 does")
    _check_installed(precision)
    _check_output(model, Path(output))
    network, card = checkpoint_network(model, size)
    data, card, difference = onnx_bytes(network, card, str(model), precision, calibration, detector)
    write_file(Path(output), data)
    return Exported(Path(output), card, difference)


def onnx_bytes(
    network: nn.Module,
    card: ModelCard,
    source: str,
    precision: ExportPrecision = "fp32",
    calibration: str | os.PathLike[str] | None = None,
    detector: Detector | None = None,
    any_size: bool = False,
) -> tuple[bytes, ModelCard, float]:
    """A network as the content of an ONNX file, checked against torch.

    Args:
        network: on the CPU.
        card: what it takes.
        source: where its weights are from, for messages.
        precision, calibration, detector: see `export`.
        any_size: leave height and width free where the network takes any multiple of a stride.

    Returns:
        The content, the card in it, and `Exported.difference`.

    Raises:
        ModelError: see `export`.
    """
    any_size = any_size and "stride" in card.options and card.task == "detection"
    if card.task == "detection" and not any_size:
        # A file has one input size, onto which every picture goes, however much border that makes.
        card = replace(card, options={name: value for name, value in card.options.items() if name != "stride"})
    proto = _with_card(_traced(network, card, precision, any_size), card)
    if calibration is not None:
        from .quantization import quantise

        proto = quantise(proto, card, calibration, detector)
    data = proto.SerializeToString()
    difference = _difference(network, card, data)
    if not np.isfinite(difference):
        raise ModelError(f"{source}: in {precision} its outputs are no finite numbers; nothing was written")
    if difference > _TOLERANCE and precision == "fp32":
        raise ModelError(f"{source}: its ONNX is off by {difference:.1e} of the outputs' range; nothing was written")
    return data, card, difference


def _check_installed(precision: str) -> None:
    for module in ("torch", "onnx", "onnxruntime"):
        if find_spec(module) is None:
            raise InputError(f"export needs {module}: pip install 'vitruvian[export]'")


def _check_output(model: str | os.PathLike[str], output: Path) -> None:
    """Raises InputError, before any work is done, for an output that can't be or must not be written."""
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'model.onnx'}")
    if output.exists() and os.path.exists(model) and output.samefile(model):
        raise InputError(f"{output} is the checkpoint itself; give the ONNX file another name")


def _traced(network: nn.Module, card: ModelCard, precision: str, any_size: bool) -> Any:
    """The network as an ONNX model, its weights in halves for "fp16"."""
    import onnx
    import torch

    class Halved(torch.nn.Module):
        """A network in float16 between a float32 input and float32 outputs."""

        def __init__(self) -> None:
            super().__init__()
            self.network = copy.deepcopy(network).half()

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            results = self.network(x.half())
            return tuple(result.float() for result in (results if isinstance(results, tuple) else (results,)))

    # Norms stay apart and weights keep their names, so that training can start from the file; engines join them as they
    # load it. What is quantised can't be learned from, and has to be joined before.
    joined = precision == "int8"
    names = {"heatmap": ["heatmaps"], "simdr": ["x", "y"], "regression": ["coordinates", "sigma"]}
    outputs = names.get(card.family, ["predictions"])
    axes = {name: {0: "N"} for name in ("images", *outputs)}
    if any_size:
        axes["images"] |= {2: "H", 3: "W"}
        axes[outputs[0]] |= {1: "A"}
    with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder, warnings.catch_warnings(), torch.no_grad():
        # The exporter warns of its own age, and of shapes that it takes for constants, as they are meant.
        warnings.simplefilter("ignore")
        path = Path(folder, "traced.onnx")
        torch.onnx.export(
            Halved().eval() if precision == "fp16" else network,
            (torch.zeros(2, 3, *card.input_size),),
            path,
            input_names=["images"],
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
            training=torch.onnx.TrainingMode.EVAL if joined else torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=joined,
        )
        return onnx.load(path)


def _with_card(proto: Any, card: ModelCard) -> Any:
    from onnx import helper

    helper.set_model_props(proto, {METADATA_KEY: card.to_json()})
    return proto


def _difference(network: nn.Module, card: ModelCard, data: bytes) -> float:
    """The outputs' largest difference from torch's on random pictures, in parts of the range of each."""
    import torch

    images = np.random.default_rng(0).normal(size=(2, 3, *card.input_size)).astype(np.float32)
    if card.family == "yolov5":
        images = images.clip(0, 1)
    with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(data)
        ours = open_runtime(path)(images)
    with torch.inference_mode():
        results = network(torch.from_numpy(images))
    theirs = [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]
    apart = [np.abs(one - other).max() / max(np.ptp(other), 1e-12) for one, other in zip(ours, theirs, strict=True)]
    return float(np.max(apart))  # NaN if any is
