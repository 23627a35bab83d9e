"""Networks traced to ONNX, with their card inside, and checked against torch."""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cards import METADATA_KEY, DetectorOptions, ModelCard
from ..errors import ModelError
from ..geometry import to_tensor
from ..runtimes import open_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

OPSET = 17

# How far an fp32 file's outputs may be from torch's, in parts of their range. Beyond it something is broken.
_TOLERANCE = 1e-4


def onnx_bytes(network: nn.Module, card: ModelCard, file: Path) -> bytes:
    """A network as the content of an ONNX file in fp32, with its card inside, checked against torch.

    Height and width are free where the network takes any multiple of a stride.

    Args:
        network: on the CPU.
        card: what it takes.
        file: where its weights are from, for messages.

    Raises:
        ModelError: its outputs in ONNX are no finite numbers, or off torch's by more than 1e-4 of their range.
    """
    proto = traced(network, card, "fp32", any_size=_any_size(card))
    data = with_card(proto, card).SerializeToString()
    checked(file, network, card, proto, data, "fp32")
    return data


def _any_size(card: ModelCard) -> bool:
    return isinstance(card.options, DetectorOptions) and card.options.size_multiple is not None


def traced(network: nn.Module, card: ModelCard, precision: str, any_size: bool = False) -> Any:
    """The network as an ONNX model for any batch size, or any picture size too; its weights in halves for "fp16"."""
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
    outputs = card.options.OUTPUTS
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
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        return onnx.load(path)


def with_card(proto: Any, card: ModelCard) -> Any:
    """The ONNX model, with the card in its metadata."""
    from onnx import helper

    helper.set_model_props(proto, {METADATA_KEY: card.to_json()})
    return proto


def checked(
    model: str | os.PathLike[str], source: nn.Module | Path, card: ModelCard, proto: Any, data: bytes, precision: str
) -> float | None:
    """How far the outputs of an ONNX file's content are from the source's, at most, in parts of the range of each.

    None where an NMS or a choice of the best is inside, since who is left differs. Raises ModelError, naming the model,
    for outputs that are no finite numbers, and in "fp32" for a network whose file is off by more than 1e-4.
    """
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
    images = to_tensor(
        np.random.default_rng(0).integers(0, 256, (2, *card.input_size, 3), np.uint8), card.mean, card.std, card.bgr
    )
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
