"""What a model is, as data: enough to feed its network and to read what comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import ModelError
from .geometry import PADDING
from .skeletons import Skeleton

METADATA_KEY = "vitruvian"

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class ModelCard:
    """A model as data. An ONNX file carries it as JSON in the metadata property ``vitruvian``.

    Args:
        name: what people call it.
        task: "pose" or "detection".
        family: how the outputs are read: a codec (heatmap, simdr, regression) or a detector family (rtmdet, yolox).
        input_size: (height, width) in pixels.
        mean, std: per channel of the network's input, in grey levels 0..255.
        bgr: the network's channels are blue, green, red.
        options: further arguments of the codec, or of the detector family.
        padding: how much a box grows before it is cropped (pose).
        skeleton: what the keypoints are (pose).
    """

    name: str
    task: Literal["pose", "detection"]
    family: str
    input_size: tuple[int, int]
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    bgr: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    padding: float = PADDING
    skeleton: Skeleton | None = None

    def to_json(self) -> str:
        """The card as one JSON object; `from_json` reads it back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Raises ModelError for anything but what `to_json` writes."""
        try:
            fields = json.loads(text)
            if fields.get("skeleton"):
                skeleton = fields["skeleton"]
                fields["skeleton"] = Skeleton(
                    name=str(skeleton["name"]),
                    keypoints=tuple(map(str, skeleton["keypoints"])),
                    limbs=tuple((int(a), int(b)) for a, b in skeleton["limbs"]),
                    sigmas=tuple(map(float, skeleton["sigmas"])),
                )
            for name in ("input_size", "mean", "std"):
                fields[name] = tuple(fields[name])
            card = cls(**fields)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(f"the model card in the file can't be read ({type(error).__name__}: {error})") from None
        if card.task == "pose" and not card.skeleton:
            raise ModelError(f"the card of the pose net {card.name!r} has no skeleton")
        return card
