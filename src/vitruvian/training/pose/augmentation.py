"""Augmentation of crops as published with HRNet (arXiv 1908.07919): one affine map, colours, erasing.

Flip, rotation and scale are part of the affine map from picture to crop, which keypoints and pixels share.
Rotation and scale are drawn as in the authors' release: HRNet's from a normal distribution, cut off at twice the
standard deviation (rotation) or at one (scale); RLE's (2107.11291) uniformly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...geometry import PADDING, crop_affines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...skeletons import Skeleton

# As in the releases: the padding of a half body's box, and the least number of keypoints of a half, which is lower for
# the upper half if the lower half has too few.
HALF_PADDING = 1.5
_HALF_LEAST, _UPPER_LEAST = 3, 2
# The upper half comes first if a standard normal number is below this, which has a probability of 0.6915.
_UPPER_BELOW = 0.5
DISTRIBUTIONS = ("normal", "uniform")
# The sides of an erased rectangle, as shares of the crop's.
_ERASED = 0.1, 0.4
_LEGS = {"hip", "knee", "ankle", "foot", "feet", "toe", "toes", "heel", "leg", "thigh", "shin"}


@dataclass(frozen=True)
class PoseAugmentation:
    """Random augmentation of crops.

    Args:
        flip_prob: probability of a horizontal flip, 0..1.
        rotation: standard deviation in degrees, cut off at twice as much; the largest angle if uniform.
        rotation_prob: probability of a rotation, 0..1.
        scale: standard deviation of the scale factor around 1, and its largest difference from 1, below 1.
        distribution: "normal" (HRNet) or "uniform" (RLE), of rotation and scale.
        half_body_prob: probability that a crop shows only the upper or the lower half of a body, 0..1.
        half_body_keypoints: half bodies are of persons with more labelled keypoints than this.
        color_jitter: strength of the jitter of brightness, contrast and saturation, 0..1: their factors are 1 -
            color_jitter to 1 + color_jitter.
        erasing_prob: probability that a rectangle of the crop gets one colour (random erasing, 1708.04896), 0..1.
            Keypoints there still count, as those of occluded persons do.

    Raises:
        InputError: a number is out of range.
    """

    flip_prob: float = 0.5
    rotation: float = 45.0
    rotation_prob: float = 0.6
    scale: float = 0.35
    distribution: str = "normal"
    half_body_prob: float = 0.3
    half_body_keypoints: int = 8
    color_jitter: float = 0.0
    erasing_prob: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip_prob", "rotation_prob", "half_body_prob", "color_jitter", "erasing_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be in 0..1")
        if not 0 <= self.scale < 1:
            raise InputError(f"scale is {self.scale}; it must be 0 or more, and below 1")
        if self.distribution not in DISTRIBUTIONS:
            raise InputError(f"distribution is {self.distribution}; it must be one of {', '.join(DISTRIBUTIONS)}")
        if not 0 <= self.rotation <= 180:
            raise InputError(f"rotation is {self.rotation}; it is in degrees, 0..180")

    def affine(
        self,
        rng: np.random.Generator,
        box: NDArray[np.float32],
        size: tuple[int, int],
        padding: float = PADDING,
        aligned: bool = False,
    ) -> tuple[NDArray[np.float64], bool]:
        """The map (2, 3) from picture pixels to those of a crop of (height, width), and whether it is flipped.

        Args:
            rng: random generator.
            box: xyxy (4,) in pixels of the picture.
            size, padding, aligned: see `vitruvian.geometry.crop_affines`.
        """
        flip = rng.random() < self.flip_prob
        turned = rng.random() < self.rotation_prob
        angle, factor = self.rotation * turned * self._drawn(rng, 2), 1 + self.scale * self._drawn(rng, 1)
        base = crop_affines(box[None], size, padding, aligned)[0]
        return transform_affine(base, size, angle, factor, bool(flip), aligned), bool(flip)

    def _drawn(self, rng: np.random.Generator, most: float) -> float:
        """A random number, normal and cut off at `most`, or uniform in -1..1."""
        return float(rng.uniform(-1, 1) if self.distribution == "uniform" else np.clip(rng.normal(), -most, most))

    def half(
        self, rng: np.random.Generator, keypoints: NDArray[np.float32], labelled: NDArray[np.bool_], skeleton: Skeleton
    ) -> NDArray[np.float32] | None:
        """The box xyxy (4,) around the upper or the lower half of a body, or None for the whole body, at random.

        As in the releases, the upper half comes first with a probability of 0.6915. If the first half has fewer than 3
        keypoints, the other is taken; if both have, the upper half if it has 2. The box's padding is `HALF_PADDING`.
        """
        wanted, upper_first = rng.random() < self.half_body_prob, rng.normal() < _UPPER_BELOW
        legs = lower_body(skeleton.keypoints)
        if not wanted or labelled.sum() <= self.half_body_keypoints or not legs.any() or legs.all():
            return None
        upper, lower = labelled & ~legs, labelled & legs
        half = upper if (upper_first and upper.sum() >= _HALF_LEAST) or lower.sum() < _HALF_LEAST else lower
        if half.sum() < _UPPER_LEAST:
            return None
        points = keypoints[half]
        extent = np.maximum(points.max(axis=0) - points.min(axis=0), 1)
        centre = points.mean(axis=0)
        return np.concatenate([centre - extent / 2, centre + extent / 2]).astype(np.float32)

    def random_erasing(self, rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A crop RGB uint8 (H, W, 3), at random with a rectangle of one colour, of 0.1 to 0.4 of its sides."""
        if not self.erasing_prob or rng.random() >= self.erasing_prob:
            return crop
        extent = np.array(crop.shape[:2])
        sides = np.maximum(1, np.round(rng.uniform(*_ERASED, 2) * extent)).astype(int)
        top, left = rng.integers(0, extent - sides, endpoint=True)
        changed = crop.copy()
        changed[top : top + sides[0], left : left + sides[1]] = rng.integers(0, 256, 3)
        return changed


NO_AUGMENTATION = PoseAugmentation(flip_prob=0, rotation=0, rotation_prob=0, scale=0, half_body_prob=0)


def transform_affine(
    affine: NDArray[np.float64], size: tuple[int, int], angle: float, factor: float, flip: bool, aligned: bool = False
) -> NDArray[np.float64]:
    """The map (2, 3) to a crop, followed by rotation, scaling and flip around the crop's centre.

    Args:
        affine: the map to the crop (2, 3).
        size: (height, width) of the crop in pixels.
        angle: degrees, clockwise on the screen.
        factor: above 1 the crop shows more of the picture, and the person smaller.
        flip: flip horizontally.
        aligned: take the centre between the corner pixels, as in UDP's crops.
    """
    centre = (np.array(size[::-1]) - int(aligned)) / 2
    cosine, sine = np.cos(np.radians(angle)) / factor, np.sin(np.radians(angle)) / factor
    around = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    result: NDArray[np.float64] = around @ affine
    result[:, 2] += centre - around @ centre
    return result


@cache  # called for every sample
def lower_body(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """bool (K,): keypoints from the hips down, by their names."""
    words: Sequence[list[str]] = [re.split(r"[^a-z]+", name.lower()) for name in names]
    return np.array([not _LEGS.isdisjoint(parts) for parts in words], bool)
