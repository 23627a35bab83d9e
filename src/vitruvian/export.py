"""From a model to one ONNX file that is all a user has to carry around: weights, graph, and the model's card."""

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
from .graphs import is_quantised, read_graph, to_float16, to_float32
from .media.files import write_file
from .quantization import quantise
from .runtimes import open_runtime
from .zoo.loading import checkpoint_network, is_checkpoint, located
from .zoo.recognition import recognise

if TYPE_CHECKING:
    from numpy.typing import NDArray
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
        difference: how far its outputs are from the model's own on random pictures, at most, in parts of each output's
            range; of a checkpoint torch computes them, of an ONNX file ONNX Runtime. None where their number differs,
            as that of detections does.
    """

    path: Path
    card: ModelCard
    difference: float | None


def export(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    precision: ExportPrecision = "fp32",
    calibration: str | os.PathLike[str] | None = None,
    detector: Detector | None = None,
) -> Exported:
    """Write a model as ONNX in another precision, with its card in the metadata.

    A checkpoint's network takes any batch size then; an ONNX file's takes what it took.

    Args:
        model: a checkpoint, an ONNX file, or a name, see `vitruvian.load`.
        output: the ONNX file; it is replaced if it exists, once the new one is complete.
        size: (height, width) of the input in pixels, multiples of 32; None takes what `vitruvian.load` would take.
        precision: "fp32"; "fp16" stores and computes halves behind inputs and outputs in float32; "int8" quantises
            weights per channel and activations by their range on the calibration pictures.
        calibration: a folder of pictures like those to come, for "int8".
        detector: finds the persons in the calibration pictures of a pose net; None takes the one inside the package.

    Raises:
        InputError: "int8" without pictures, or pictures without "int8"; or the output is the model, or a folder.
        ModelError: no model that Vitruvian knows; one that is int8 already; or a file whose outputs aren't the model's
            (to 1e-4 of their range in "fp32"), or no finite numbers.
        OutputError: the file can't be written.
    """
    if precision not in EXPORT_PRECISIONS:
        raise InputError(f"precision is {precision!r}; it can be {', '.join(EXPORT_PRECISIONS)}")
    if (precision == "int8") != (calibration is not None):
        raise InputError("int8 needs calibration pictures (a folder), and only int8 does")
    _check_installed("int8", "onnx", "onnxruntime")
    file, named = located(model)
    _check_output(file, Path(output))
    if is_checkpoint(file):
        _check_installed("export", "torch")
        network, card = checkpoint_network(model, size)
        source: nn.Module | Path = network
        proto = _traced(network, card, precision)
    else:
        source = file
        card, proto = _rewritten(file, named, size, precision)
    if card.task == "detection":
        card = _one_size(card)
    if calibration is not None:
        proto = quantise(proto, card, calibration, detector)
    data = _with_card(proto, card).SerializeToString()
    difference = _checked(model, source, card, proto, data, precision)
    write_file(Path(output), data)
    return Exported(Path(output), card, difference)


def onnx_bytes(network: nn.Module, card: ModelCard, file: Path) -> bytes:
    """A network as the content of an ONNX file in fp32, with its card inside, checked against torch.

    Height and width are free where the network takes any multiple of a stride.

    Args:
        network: on the CPU.
        card: what it takes.
        file: where its weights are from, for messages.

    Raises:
        ModelError: see `export`.
    """
    proto = _traced(network, card, "fp32", any_size=card.task == "detection" and "stride" in card.options)
    data = _with_card(proto, card).SerializeToString()
    _checked(file, network, card, proto, data, "fp32")
    return data


def _check_installed(extra: str, *modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            raise InputError(f"export needs {module}: pip install 'vitruvian[{extra}]'")


def _check_output(model: Path, output: Path) -> None:
    """Raises InputError, before any work is done, for an output that can't be or must not be written."""
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'model.onnx'}")
    if output.exists() and model.exists() and output.samefile(model):
        raise InputError(f"{output} is the model itself; give the new file another name")


def _one_size(card: ModelCard) -> ModelCard:
    """A detector's card for one input size, onto which every picture goes, however much border that makes."""
    return replace(card, options={name: value for name, value in card.options.items() if name != "stride"})


def _rewritten(
    file: Path, named: ModelCard | None, size: tuple[int, int] | None, precision: str
) -> tuple[ModelCard, Any]:
    """An ONNX file's card, and its graph in float32, or in float16 for "fp16"."""
    card = recognise(open_runtime(file), size or (named.input_size if named else None))
    if named is not None:
        card = replace(named, input_size=card.input_size, weights=None)
    proto = read_graph(file)
    if is_quantised(proto):
        raise ModelError(f"{file} is int8 already, which no other precision can be made of; give the float model")
    to_float32(proto)
    return card, to_float16(proto) if precision == "fp16" else proto


def _traced(network: nn.Module, card: ModelCard, precision: str, any_size: bool = False) -> Any:
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
    # load it.
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
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        return onnx.load(path)


def _with_card(proto: Any, card: ModelCard) -> Any:
    from onnx import helper

    helper.set_model_props(proto, {METADATA_KEY: card.to_json()})
    return proto


def _checked(
    model: str | os.PathLike[str], source: nn.Module | Path, card: ModelCard, proto: Any, data: bytes, precision: str
) -> float | None:
    """`_difference`. Raises ModelError, naming the model, for one that is no finite number or too large."""
    difference = _difference(source, card, proto, data)
    if difference is not None and not np.isfinite(difference):
        raise ModelError(f"{model}: in {precision} its outputs are no finite numbers; nothing was written")
    if difference is not None and difference > _TOLERANCE and not isinstance(source, Path) and precision == "fp32":
        raise ModelError(f"{model}: its ONNX is off by {difference:.1e} of the outputs' range; nothing was written")
    return difference


def _difference(source: nn.Module | Path, card: ModelCard, proto: Any, data: bytes) -> float | None:
    """The outputs' largest difference from the source's on random pictures, in parts of the range of each.

    NaN if any output isn't finite; None where an NMS or a choice of the best is inside, since who is left differs.
    """
    images = np.random.default_rng(0).normal(size=(2, 3, *card.input_size)).astype(np.float32)
    if card.family == "yolov5":
        images = images.clip(0, 1)
    with tempfile.TemporaryDirectory(prefix="vitruvian-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, f"{card.name}.onnx")
        path.write_bytes(data)
        ours = open_runtime(path)(images)
    if not all(np.isfinite(one).all() for one in ours):
        return float("nan")
    if any(node.op_type in ("NonMaxSuppression", "TopK") for node in proto.graph.node):
        return None
    theirs = open_runtime(source)(images) if isinstance(source, Path) else _in_torch(source, images)
    apart = [np.abs(one - other).max() / max(np.ptp(other), 1e-12) for one, other in zip(ours, theirs, strict=True)]
    return float(np.max(apart))


def _in_torch(network: nn.Module, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    import torch

    with torch.inference_mode():
        results = network(torch.from_numpy(images))
    return [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]
