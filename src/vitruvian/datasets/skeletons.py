"""Skeletons of data sets, from annotations, a YAML file and keypoint names, and the sigmas of OKS.

Sigmas (https://cocodataset.org/#keypoints-eval) are the model's, the annotations' or COCO's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ..errors import InputError
from ..skeletons import COCO17, Skeleton, read_skeleton
from .json_records import listed

DEFAULT_SIGMA = 0.079
"""The sigma of keypoints that COCO doesn't have: that of CrowdPose's head and neck, and of COCO's shoulders."""


def completed(skeleton: Skeleton) -> tuple[Skeleton, list[str]]:
    """The skeleton with sigmas, and one sentence for each inferred property."""
    notes = []
    if not skeleton.sigmas:
        others = [name for name in skeleton.keypoints if name not in COCO17.keypoints]
        words = f"{DEFAULT_SIGMA} for {', '.join(others)}" if others else "COCO's"
        notes.append(f"no sigmas are given: by the keypoints' names, {words}")
        skeleton = replace(skeleton, sigmas=sigmas_by_name(skeleton.keypoints))
    if not skeleton.pairs:
        pairs = [f"{skeleton.keypoints[left]} / {skeleton.keypoints[right]}" for left, right in skeleton.flip_pairs]
        inferred = ", ".join(pairs) if pairs else "none, so that nothing trades places in a mirror"
        notes.append(f"flip pairs, by the keypoints' names: {inferred}")
    return skeleton, notes


def from_file(path: str | os.PathLike[str] | None, annotated: Skeleton) -> Skeleton:
    """The annotations' skeleton, completed or replaced by that of a file, see `read_skeleton`.

    Raises:
        InputError: the file can't be used, or has another number of keypoints.
    """
    if path is None:
        return annotated
    skeleton = read_skeleton(path, annotated)
    if len(skeleton) != len(annotated):
        raise InputError(f"{path} names {len(skeleton)} keypoints, the annotations have {len(annotated)}")
    return skeleton


def sigmas_by_name(names: Sequence[str]) -> tuple[float, ...]:
    """COCO's sigma of each keypoint by its name, `DEFAULT_SIGMA` for other names."""
    known = dict(zip(COCO17.keypoints, COCO17.sigmas, strict=True))
    return tuple(known.get(name, DEFAULT_SIGMA) for name in names)


def with_sigmas(skeleton: Skeleton, model: Skeleton) -> tuple[Skeleton, str]:
    """The annotations' skeleton with sigmas, and their origin: the model, the file, or the keypoints' names.

    Raises:
        InputError: the model has other keypoints.
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
