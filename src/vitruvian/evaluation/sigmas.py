"""The sigmas of OKS (https://cocodataset.org/#keypoints-eval): the model's, the annotations' or COCO's."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from ..skeletons import COCO17, Skeleton
from .reading import listed

# CrowdPose's head and neck have this sigma, COCO's shoulders as well.
DEFAULT_SIGMA = 0.079


def sigmas_by_name(names: Sequence[str]) -> tuple[float, ...]:
    """COCO's sigma of each keypoint that it has, else `DEFAULT_SIGMA`."""
    known = dict(zip(COCO17.keypoints, COCO17.sigmas, strict=True))
    return tuple(known.get(name, DEFAULT_SIGMA) for name in names)


def with_sigmas(skeleton: Skeleton, model: Skeleton) -> tuple[Skeleton, str]:
    """The annotations' skeleton with sigmas, and where they are from: the model, the file, or by the keypoints' names.

    Raises:
        InputError: the model's keypoints are others.
    """
    names, own = skeleton.keypoints, model.keypoints
    if len(own) != len(names) or (own != names and set(own) == set(names)):
        raise InputError(
            f"the model returns {len(model)} keypoints ({listed(own)}), "
            f"the annotations have {len(skeleton)} ({listed(names)}): they must be the same, in one order"
        )
    if model.sigmas and own == names:
        sigmas, origin = model.sigmas, f"the model's skeleton {model.name}"
    elif skeleton.sigmas:
        sigmas, origin = skeleton.sigmas, "the annotations"
    else:
        sigmas = sigmas_by_name(names)
        origin = f"COCO by the keypoints' names, {DEFAULT_SIGMA} for the others: neither the model nor the file has any"
    pairs = model.pairs if own == names else skeleton.pairs
    return Skeleton(skeleton.name, names, skeleton.limbs, sigmas, pairs), origin
