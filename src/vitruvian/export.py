"""Export of a model to one ONNX file with its weights, its graph and its card."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .cards import ModelCard
from .checkpoints.tracing import checked, traced, with_card
from .choices import ExportPrecision
from .errors import InputError, ModelError
from .graphs import is_quantised, read_graph, to_float16, to_float32
from .io import write_file
from .loading import CHECKPOINT_SUFFIXES, FOREIGN_FORMATS, checkpoint_network, is_checkpoint, located, of_checkpoint
from .models.recognition import recognise
from .quantization import quantise
from .runtimes import open_runtime

if TYPE_CHECKING:
    from torch import nn

    from .detectors import Detector

EXPORT_PRECISIONS: tuple[ExportPrecision, ...] = get_args(ExportPrecision)


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


def export_onnx(
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
    _check_output(Path(model), Path(output))
    # The extra that has all that this model needs, before anything is downloaded.
    if of_checkpoint(model):
        _check_installed("export", "onnx", "onnxruntime", "torch")
    else:
        _check_installed("int8", "onnx", "onnxruntime")
    file, named = located(model)
    if is_checkpoint(file):
        network, card = checkpoint_network(model, size)
        source: nn.Module | Path = network
        proto = traced(network, card, precision)
    else:
        source = file
        card, proto = _rewritten(file, named, size, precision)
    if card.task == "detection":
        card = _one_size(card)
    if calibration is not None:
        proto = quantise(proto, card, calibration, detector)
    data = with_card(proto, card).SerializeToString()
    difference = checked(model, source, card, proto, data, precision)
    write_file(Path(output), data)
    return Exported(Path(output), card, difference)


export = export_onnx  # the name until 0.1


def _check_installed(extra: str, *modules: str) -> None:
    for module in modules:
        if find_spec(module) is None:
            raise InputError(f"export needs {module}: pip install 'vitruvian[{extra}]'")


def _check_output(model: Path, output: Path) -> None:
    """Raises InputError, before any work is done, for an output that can't be or must not be written."""
    suffix = output.suffix.lower()
    if suffix in FOREIGN_FORMATS or suffix in CHECKPOINT_SUFFIXES:
        tensorrt = "TensorRT" in FOREIGN_FORMATS.get(suffix, "")
        engine = "; --device tensorrt builds its engine from that by itself" if tensorrt else ""
        raise InputError(f"{output}: export writes ONNX files, such as {output.with_suffix('.onnx')}{engine}")
    if output.is_dir():
        raise InputError(f"{output} is a folder; give the name of a file, such as {output / 'model.onnx'}")
    if output.exists() and model.exists() and output.samefile(model):
        raise InputError(f"{output} is the model itself; give the new file another name")


def _one_size(card: ModelCard) -> ModelCard:
    """A detector's card for one input size, onto which every picture goes, however much border that makes."""
    return card.with_options(size_multiple=None)


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
