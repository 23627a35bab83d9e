"""From what a network is to what it takes and returns: a spec's model card, as the authors feed and read it."""

from __future__ import annotations

from typing import Any

from ..cards import IMAGENET_MEAN, IMAGENET_STD, ModelCard, Triple
from ..networks import DetectorSpec, PersonSpec, PoseSpec, Spec
from ..networks.specs import SIZE_MULTIPLE
from ..skeletons import unnamed

# RLE's release subtracts these from RGB in 0..1 and divides by nothing.
_RLE_MEAN: Triple = (0.406 * 255, 0.457 * 255, 0.480 * 255)
_UNIT_STD: Triple = (255.0, 255.0, 255.0)
# Letterboxes are grey at 114, which is then 0, like the borders that convolutions see.
_GREY_MEAN: Triple = (114.0, 114.0, 114.0)
_GREY_STD: Triple = (57.0, 57.0, 57.0)
# Of the small detector's boxes around one person some overlap less than those of larger ones (docs/default-models.md).
_PERSON_IOU = 0.5


def describe(spec: Spec, name: str, num_keypoints: int = 17) -> ModelCard:
    """The card of a network.

    Args:
        spec: what the network is.
        name: what people call it.
        num_keypoints: K, of a pose net.
    """
    if isinstance(spec, DetectorSpec):
        options = {"person": spec.person, "stride": SIZE_MULTIPLE}
        return ModelCard(name, "detection", "yolov5", spec.input_size, (0.0, 0.0, 0.0), _UNIT_STD, options=options)
    if isinstance(spec, PersonSpec):
        own = {"iou": _PERSON_IOU}
        return ModelCard(name, "detection", "yolox", spec.input_size, _GREY_MEAN, _GREY_STD, options=own)
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if spec.head == "regression" and spec.feature_norm:
        mean, std = _RLE_MEAN, _UNIT_STD
    skeleton = unnamed(num_keypoints)
    return ModelCard(name, "pose", spec.head, spec.input_size, mean, std, spec.bgr, _options(spec), skeleton=skeleton)


def _options(spec: PoseSpec) -> dict[str, Any]:
    """The codec's options beside its input size."""
    if spec.head == "simdr":
        # MMPose scores SimCC by the peaks of the logits, which aren't in 0..1; here it is their softmax, as for SimDR.
        options = {"split": spec.split, "sigma": spec.target_sigma}
        # SimCC that is fed in RGB is MMPose's, whose flip test shifts nothing.
        return options | {"flip_shift": False} if spec.backbone == "resnet50" and not spec.bgr else options
    if spec.head == "regression":
        return {}
    if spec.backbone == "pyramid":
        return {"stride": 4, "aligned": True, "softmax": True, "refine": "dark"}
    # PSA's authors build on UDP (arXiv 1911.07524): aligned crops, and its own sub-pixel step.
    return {"stride": 4} if spec.attention == "none" else {"stride": 4, "aligned": True, "refine": "udp"}
