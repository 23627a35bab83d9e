"""What a model is, as data: enough to feed its network and to read what comes out."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import ModelError
from .geometry import PADDING
from .skeletons import Skeleton

METADATA_KEY = "vitruvian"

# What the options of codecs and detector families are; none of their numbers may be negative.
_OPTIONS: Mapping[str, type | tuple[type, ...]] = {
    "person": int,
    "iou": (int, float),
    "stride": int,
    "split": (int, float),
    "sigma": (int, float),
    "smoothing": (int, float),
    "refine": str,
    "aligned": bool,
    "softmax": bool,
    "flip_shift": bool,
}

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Weights:
    """Where a model's file comes from.

    Args:
        filename: what the file is called in the cache: a plain name, no folder.
        urls: http(s) addresses of the file, tried in this order; none if it can only be fetched by hand. An address
            that ends in .zip, where the file name doesn't, is that of an archive with one such file in it.
        sha256: of what lies at the addresses: all 64 hex digits, or the first 8 and more where no more is published.
            Empty where nothing is.
        size: in bytes, None where it isn't known.
        licence: an SPDX name, or "not stated".
        source: the page that offers it.
        layout: whose names a checkpoint's tensors have, such as "HRNet's"; "" for files without names. For people: what
            a file is, is read from the file.

    Raises:
        ModelError: a file name, an address or a checksum that is none.
    """

    filename: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    size: int | None = None
    licence: str = "not stated"
    source: str = ""
    layout: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.filename, re.ASCII):
            raise ModelError(f"{self.filename!r} is no plain file name")
        for url in self.urls:
            if not url.startswith(("https://", "http://")):
                raise ModelError(f"{url!r} is no http(s) address")
        if not re.fullmatch(r"([0-9a-f]{8,64})?", self.sha256):
            raise ModelError(f"{self.sha256!r} is no sha256: 8 to 64 hex digits in lower case")


@dataclass(frozen=True)
class Published:
    """What is known of a model's quality and cost.

    Args:
        ap: average precision on COCO, 0..100, of keypoints (OKS, with the published flip test) or of boxes; None where
            none was published.
        split: the pictures it was measured on.
        detector_ap: person AP of the detector that a pose net's `ap` was measured with.
        parameters: how many, None where they aren't known.
        gflops: work for one picture as the paper at hand counts it: multiply-adds in units of 2 ** 30 (HRNet and those
            who follow its tables) or 1e9 (RLE, RTMPose, RTMDet), or two operations each in units of 1e9 (YOLOv5,
            YOLOX).
        paper: address of the paper or the table.
    """

    ap: float | None = None
    split: str = ""
    detector_ap: float | None = None
    parameters: int | None = None
    gflops: float | None = None
    paper: str = ""


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
        weights: where its file comes from, None if none was published.
        published: what is known of its quality and cost.
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
    weights: Weights | None = None
    published: Published | None = None

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
                    pairs=tuple((int(a), int(b)) for a, b in skeleton.get("pairs", ())),
                )
            for name in ("input_size", "mean", "std"):
                fields[name] = tuple(fields[name])
            fields["input_size"] = tuple(map(operator.index, fields["input_size"]))
            fields["padding"] = float(fields["padding"])
            fields["options"] = dict(fields["options"])
            if fields.get("weights"):
                fields["weights"] = Weights(**{**fields["weights"], "urls": tuple(fields["weights"]["urls"])})
            if fields.get("published"):
                fields["published"] = Published(**fields["published"])
            card = cls(**fields)
            card._check()
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelError(f"the model card in the file can't be read ({type(error).__name__}: {error})") from None
        if card.task == "pose" and not card.skeleton:
            raise ModelError(f"the card of the pose net {card.name!r} has no skeleton")
        return card

    def _check(self) -> None:
        """Raises ValueError or TypeError for a number that no network could be fed or read with."""
        if self.task not in ("pose", "detection") or not isinstance(self.name, str) or not isinstance(self.bgr, bool):
            raise ValueError("task, name or bgr is of the wrong kind")
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise ValueError(f"input_size is {self.input_size}")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, (*self.mean, *self.std))):
            raise ValueError(f"mean is {self.mean} and std is {self.std}")
        if not all(self.std) or not 0 < self.padding < math.inf:
            raise ValueError(f"std is {self.std} and padding is {self.padding}")
        for name, value in self.options.items():
            wanted = _OPTIONS.get(name, object)
            if not isinstance(value, wanted) or (isinstance(value, float | int) and not 0 <= value < math.inf):
                raise ValueError(f"option {name} is {value!r}")
            if name in ("split", "stride") and not value:
                raise ValueError(f"option {name} is {value!r}")
