"""Joint angles of poses, named by the joint."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .skeletons import Skeleton

# Each joint with the keypoints at the ends of its two limbs, on either side of the body.
_JOINTS: Final = {
    "shoulder": ("elbow", "hip"),
    "elbow": ("shoulder", "wrist"),
    "hip": ("shoulder", "knee"),
    "knee": ("hip", "ankle"),
    "ankle": ("knee", "big_toe"),
}
MIN_SCORE: Final = 0.3
"""Keypoints scored lower have no angles."""


class Keypoints(Protocol):
    """The fields of `vitruvian.Poses` that angles need."""

    @property
    def keypoints(self) -> NDArray[np.float32]: ...
    @property
    def scores(self) -> NDArray[np.float32]: ...
    @property
    def skeleton(self) -> Skeleton: ...


@cache
def joints(skeleton: Skeleton) -> dict[str, tuple[int, int, int]]:
    """The A angles of a skeleton by name, such as "left_knee": keypoint indices of one end, the joint, the other end.

    Shoulders (between elbow and hip), elbows, hips (between shoulder and knee), knees, and ankles (between knee and big
    toe), left and right, as far as the skeleton names their keypoints.
    """
    index = {name: number for number, name in enumerate(skeleton.keypoints)}
    found = {}
    for joint, (first, second) in _JOINTS.items():
        for side in ("left", "right"):
            names = [f"{side}_{part}" for part in (first, joint, second)]
            if all(name in index for name in names):
                one, middle, other = (index[name] for name in names)
                found[names[1]] = (one, middle, other)
    return found


def angles(poses: Keypoints, min_score: float = MIN_SCORE) -> NDArray[np.float64]:
    """The joint angles of each person in the picture's plane, in the order of `joints`.

    Args:
        poses: N persons.
        min_score: 0..1; an angle needs its three keypoints scored so.

    Returns:
        float64 (N, A), degrees, 0 (folded) to 180 (straight); NaN where a keypoint is unsure, isn't finite, or where
        two of them coincide.
    """
    triplets = np.array(list(joints(poses.skeleton).values()), int).reshape(-1, 3)
    first, joint, second = poses.keypoints.astype(np.float64)[:, triplets].transpose(2, 0, 1, 3)
    with np.errstate(invalid="ignore", over="ignore"):
        one, other = first - joint, second - joint
        cross = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
        found = np.degrees(np.arctan2(np.abs(cross), (one * other).sum(axis=-1)))
        usable = (poses.scores[:, triplets] >= min_score).all(axis=2)
        usable &= (one != 0).any(axis=-1) & (other != 0).any(axis=-1)
    return np.where(usable, found, np.nan)
