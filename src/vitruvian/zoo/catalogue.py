"""The models that have a name: their cards, without torch."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from ..cards import IMAGENET_MEAN, IMAGENET_STD, ModelCard, Triple, Weights
from ..errors import ModelError
from ..networks import SPECS, PoseSpec, Spec, spec
from ..skeletons import COCO17
from .describing import describe
from .table import BACKBONES, ENTRIES

_ZERO: Triple = (0.0, 0.0, 0.0)
_ONE: Triple = (1.0, 1.0, 1.0)

# MMPose's HRNets are the authors' network; its RLE differs in one division, its ResNets in what they were trained on.
_MMPOSE = "mmpose_"


@cache
def cards() -> tuple[ModelCard, ...]:
    """Every model with a name, each with what was published of it and where its file lies."""
    return tuple(
        replace(_described(name), weights=entry.weights, published=entry.published) for name, entry in ENTRIES.items()
    )


def card(name: str) -> ModelCard:
    """The card of a model. Raises ModelError, with the names that come close, for a name that there isn't."""
    found = next((known for known in cards() if known.name == name), None)
    if found is None:
        close = get_close_matches(name, ENTRIES, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else "vitruvian models lists them"
        raise ModelError(f"no model is called {name!r}, and no such file is there; {hint}")
    return found


def backbone(name: str) -> Weights:
    """Where the ImageNet weights of "hrnet_w32" and the like lie, for `fetch`. Raises ModelError for another name."""
    if name not in BACKBONES:
        raise ModelError(f"no backbone is called {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def _described(name: str) -> ModelCard:
    if name in SPECS:
        return describe(SPECS[name], name)
    if name.startswith(_MMPOSE):
        return describe(_mmpose(name.removeprefix(_MMPOSE)), name)
    if name.startswith("posehrnet_"):
        return describe(spec(name.replace("posehrnet", "pose_hrnet")), name)
    if name.startswith("rtmdet_"):
        side = 320 if name == "rtmdet_nano" else 640
        mean, std = IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]
        return ModelCard(name, "detection", "rtmdet", (side, side), mean, std, bgr=True)
    if name.startswith("yolox_"):
        side = 416 if name in ("yolox_nano", "yolox_tiny") else 640
        return ModelCard(name, "detection", "yolox", (side, side), _ZERO, _ONE, bgr=True)
    height, width = map(int, name.rpartition("_")[2].split("x"))
    # SimCC with the peaks of its two rows as scores, and MMPose's flip test.
    options = {"split": 2.0, "softmax": False, "flip_shift": False}
    return ModelCard(name, "pose", "simdr", (height, width), options=options, skeleton=COCO17)


def _mmpose(name: str) -> Spec:
    if name.startswith("rle_"):
        rle = spec(name)
        assert isinstance(rle, PoseSpec)
        return replace(rle, feature_norm=False)
    if "resnet50" in name:
        height, width = map(int, name.rpartition("_")[2].split("x"))
        if name.startswith("simcc_"):
            return PoseSpec("resnet50", "simdr", 64, (height, width), target_sigma=6.0)
        return PoseSpec("resnet50", "heatmap", 64, (height, width))
    return spec(f"pose_{name}")
