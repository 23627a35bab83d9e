"""Provenance of an evaluation's numbers: the files of the models, and how they ran."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..hub.downloads import file_digest
from ..runtimes.opening import is_int8

if TYPE_CHECKING:
    from ..cards import ModelCard


@dataclass(frozen=True)
class MeasuredModel:
    """A model as it was measured; None for what isn't known, as of a network that has no file.

    Args:
        name, family: of the model card.
        input_size: (height, width) in pixels.
        file: the model's; of a checkpoint that ran as ONNX the checkpoint.
        sha256: of that file, in hex.
        engine: "openvino", "onnxruntime" or "torch".
        precision: what it computes in: "fp32", "bf16", "fp16", or "int8" of a quantised file.
        device: "cpu", or the engine's name of another.
    """

    name: str
    family: str
    input_size: tuple[int, int]
    file: str | None = None
    sha256: str | None = None
    engine: str | None = None
    precision: str | None = None
    device: str | None = None

    @classmethod
    def of(cls, model: object) -> MeasuredModel | None:
        """A pose net or a detector as it is loaded; None for a detector without a card, such as a function."""
        card: ModelCard | None = getattr(model, "card", None)
        if card is None:
            return None
        runtime = getattr(model, "runtime", None)
        path = getattr(runtime, "path", None)
        file = getattr(runtime, "source", None) or path
        precision = getattr(runtime, "precision", None)
        if path is not None and Path(path).suffix == ".onnx" and is_int8(path):
            precision = "int8"
        digest = None
        if file is not None and os.path.isfile(file):
            with suppress(OSError):
                digest = file_digest(Path(file))
        return cls(
            *(card.name, card.family, card.input_size),
            None if file is None else str(file),
            digest,
            getattr(runtime, "engine", None),
            precision,
            getattr(getattr(runtime, "options", None), "place", None),
        )
