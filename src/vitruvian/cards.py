"""Model cards: a model as data, enough to feed its network and to read its outputs."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from .choices import Refinement
from .errors import InputError, ModelError
from .geometry import PADDING
from .io import parse_json
from .skeletons import Skeleton

METADATA_KEY = "vitruvian"

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)


REFINEMENTS: tuple[Refinement, ...] = get_args(Refinement)

# Rises with each change to a card's JSON. Cards without a number are of version 1: detectors call their size multiple
# `stride`, and options may be left out.
_VERSION = 2


class _Options:
    """Checks that options of codecs and detectors share: every field has its type and no number is negative or NaN."""

    # Fields that may not be 0, and those that may not be above 1.
    ABOVE_0: ClassVar[tuple[str, ...]] = ()
    UP_TO_1: ClassVar[tuple[str, ...]] = ("iou", "smoothing")

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value, default = getattr(self, item.name), item.default
            if default is MISSING:
                continue
            wanted: type | tuple[type, ...] = (int, float) if isinstance(default, float) else type(default)
            if default is None:
                wanted = (int, float, type(None)) if item.name == "iou" else (int, type(None))
            most = 1 if item.name in self.UP_TO_1 else math.inf
            right = isinstance(value, wanted) and isinstance(value, bool) == isinstance(default, bool)
            if right and isinstance(value, float | int):
                right = 0 <= value <= most and value != math.inf and bool(value or item.name not in self.ABOVE_0)
            if not right:
                wanted_text = (
                    type(default).__name__ if isinstance(default, bool | str) else "a finite number, 0 or more"
                )
                raise ModelError(f"{item.name} is {value!r}; it must be {wanted_text}")


@dataclass(frozen=True, kw_only=True)
class HeatmapOptions(_Options):
    """Args:
    stride: crop pixels per heatmap pixel.
    sigma: standard deviation of the blob in heatmap pixels.
    refine: what follows the argmax: "quarter" shifts a quarter pixel towards the higher neighbour (HRNet), "dark" fits
        a Gaussian (DARK), "udp" does so on the pixels next to the peak (UDP), "none" leaves it.
    aligned: UDP's coordinates: the corner pixels of crop and heatmap lie on each other, so that a heatmap pixel is
        (W - 1) / (w - 1) crop pixels, and the crops are `aligned` too.
    softmax: the outputs are logits of where the keypoint is, as in Mask R-CNN (1703.06870): their softmax is the
        heatmap, in parts of the peak of a Gaussian of `sigma`.
    flip_shift: the flip test moves the mirrored map one pixel to the right, as published with HRNet: a crop pixel p
        mirrors to W - 1 - p, and on a coarser grid that isn't where the mirrored cell lies.

    Raises:
        ModelError: a value that is out of range or of another type.
    """

    OUTPUTS: ClassVar[tuple[str, ...]] = ("heatmaps",)
    ABOVE_0: ClassVar[tuple[str, ...]] = ("stride",)

    stride: int = 4
    sigma: float = 2.0
    refine: Refinement = "quarter"
    aligned: bool = False
    softmax: bool = False
    flip_shift: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refine not in REFINEMENTS:
            raise ModelError(f"refine is {self.refine!r}; it can be {', '.join(REFINEMENTS)}")


@dataclass(frozen=True, kw_only=True)
class SimDROptions(_Options):
    """Args:
    split: bins per crop pixel.
    sigma: 0 for SimDR's smoothed one-hot targets; above 0 the standard deviation, in bins, of SimDR*'s Gaussian ones.
        Their peak is no more than 1 / (sigma * sqrt(2 pi)), 0.1 for 4 bins: peaks are in parts of that.
    smoothing: label smoothing of the one-hot targets, 0..1.
    softmax: the outputs are logits, so their softmax is the score; without it the raw peak is.
    flip_shift: the flip test moves the mirrored distribution of x by one bin, as the authors do: a crop pixel p mirrors
        to W - 1 - p, so at a split of 2 its bin comes back one too far right.

    Raises:
        ModelError: a value that is out of range or of another type.
    """

    OUTPUTS: ClassVar[tuple[str, ...]] = ("x", "y")
    ABOVE_0: ClassVar[tuple[str, ...]] = ("split",)

    split: float = 2.0
    sigma: float = 0.0
    smoothing: float = 0.1
    softmax: bool = True
    flip_shift: bool = True


@dataclass(frozen=True, kw_only=True)
class RegressionOptions(_Options):
    """Args:
    flip_shift: the flip test mirrors pixel p to W - 1 - p, as the authors do by default; without it to W - p.

    Raises:
        ModelError: a value of another type.
    """

    OUTPUTS: ClassVar[tuple[str, ...]] = ("coordinates", "sigma")

    flip_shift: bool = True


@dataclass(frozen=True, kw_only=True)
class DetectorOptions(_Options):
    """Args:
    person: index of the person class.
    iou: boxes that overlap more are taken for the same person, 0..1; None takes the library's default.
    size_multiple: the network takes any height and width that are multiples of this, in pixels; None: the card's input
        size only.

    Raises:
        ModelError: a value that is out of range or of another type.
    """

    OUTPUTS: ClassVar[tuple[str, ...]] = ("predictions",)
    ABOVE_0: ClassVar[tuple[str, ...]] = ("size_multiple",)

    person: int = 0
    iou: float | None = None
    size_multiple: int | None = None


Options: TypeAlias = HeatmapOptions | SimDROptions | RegressionOptions | DetectorOptions

# The codecs of `vitruvian.codecs`; detectors of all kinds have `DetectorOptions`.
OPTIONS: Mapping[str, type[Options]] = MappingProxyType(
    {"heatmap": HeatmapOptions, "simdr": SimDROptions, "regression": RegressionOptions}
)


def _options_of(task: str, family: str) -> type[Options]:
    """The class of a card's options. Raises ModelError for a codec that doesn't exist."""
    if task == "detection":
        return DetectorOptions
    if family not in OPTIONS:
        raise ModelError(f"no codec is called {family!r}; there are {', '.join(OPTIONS)}")
    return OPTIONS[family]


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
        family: how the outputs are read: a codec (heatmap, simdr, regression) or a detector kind (rtmdet, yolox,
            yolov5).
        input_size: (height, width) in pixels.
        mean, std: per channel of the network's input, in grey levels 0..255.
        bgr: the network's channels are blue, green, red.
        options: further arguments of the codec, or of the detector kind; None takes their defaults.
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
    options: Options = field(default=None)  # type: ignore[assignment]
    padding: float = PADDING
    skeleton: Skeleton | None = None
    weights: Weights | None = None
    published: Published | None = None

    def __post_init__(self) -> None:
        kind = _options_of(self.task, self.family)
        if self.options is None:
            object.__setattr__(self, "options", kind())
        if type(self.options) is not kind:
            raise ModelError(f"the options of {self.name} are no {kind.__name__}")

    def with_options(self, **changes: Any) -> ModelCard:
        """The card with some of its options changed. Raises ModelError for an option that it doesn't have."""
        strange = [name for name in changes if not hasattr(self.options, name)]
        if strange:
            where = " and ".join(f"{name}s" for name, kind in OPTIONS.items() if hasattr(kind, strange[0]))
            raise ModelError(f"{strange[0]} is for {where or 'no model'}; {self.name} is a {self.family} model")
        return replace(self, options=replace(self.options, **changes))

    def to_json(self) -> str:
        """The card as one JSON object; `from_json` reads it back."""
        return json.dumps({"version": _VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Raises ModelError for anything but what `to_json` writes, or wrote in an earlier version."""
        try:
            values = parse_json(text, "the card")
            version = values.pop("version", 1)
            if version not in range(1, _VERSION + 1):
                raise ValueError(f"it is of version {version!r}, and this Vitruvian reads up to {_VERSION}")
            if values.get("skeleton"):
                # Cards of before had no pairs.
                values["skeleton"] = Skeleton.from_dict({"pairs": (), **values["skeleton"]})
            for name in ("input_size", "mean", "std"):
                values[name] = tuple(values[name])
            values["input_size"] = tuple(map(operator.index, values["input_size"]))
            values["padding"] = float(values["padding"])
            options = dict(values["options"])
            if version == 1 and values["task"] == "detection" and "stride" in options:
                options["size_multiple"] = options.pop("stride")
            values["options"] = _options_of(values["task"], values["family"])(**options)
            if values.get("weights"):
                values["weights"] = Weights(**{**values["weights"], "urls": tuple(values["weights"]["urls"])})
            if values.get("published"):
                values["published"] = Published(**values["published"])
            card = cls(**values)
            card._check()
        except (InputError, TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
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
