"""How a crop varies from epoch to epoch, as published with HRNet (arXiv 1908.07919): one affine map, and colours.

Flip, rotation and scale go into the one map that cuts the crop out of the picture, for keypoints and pixels alike.
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

from ..errors import InputError
from ..geometry import PADDING, crop_affines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..skeletons import Skeleton

# As in the releases: a half body's box grows by this much, instead of by what a whole one's does, and holds so many
# keypoints; the upper one is taken with fewer, too, where the lower one hasn't enough.
HALF_PADDING = 1.5
_HALF_LEAST, _UPPER_LEAST = 3, 2
# The upper half is taken where a standard normal number is below this, which it is with a probability of 0.6915.
_UPPER_BELOW = 0.5
DISTRIBUTIONS = ("normal", "uniform")
# The sides of what is erased, in parts of the crop's.
_ERASED = 0.1, 0.4
_LEGS = {"hip", "knee", "ankle", "foot", "feet", "toe", "toes", "heel", "leg", "thigh", "shin"}


@dataclass(frozen=True)
class Augmentation:
    """Args:
    flip: probability of mirroring, 0..1.
    rotation: standard deviation in degrees, at most twice as much; the largest angle if uniform.
    rotation_probability: how many crops are rotated, 0..1.
    scale: standard deviation of the factor around 1, and its largest difference from 1, below 1.
    distribution: "normal" (HRNet) or "uniform" (RLE), of rotation and scale.
    half_body: probability that only the upper or the lower half of a body is cut out, 0..1.
    half_body_keypoints: of persons with more labelled keypoints than this.
    colour: how much brightness, contrast and saturation vary, 0..1: their factors are 1 - colour to 1 + colour.
    erase: probability that a rectangle of the crop gets one colour (random erasing, 1708.04896), 0..1. Keypoints
        there still count, since people are behind things, too.

    Raises:
        InputError: a number out of range.
    """

    flip: float = 0.5
    rotation: float = 45.0
    rotation_probability: float = 0.6
    scale: float = 0.35
    distribution: str = "normal"
    half_body: float = 0.3
    half_body_keypoints: int = 8
    colour: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "rotation_probability", "half_body", "colour", "erase"):
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
        """The map (2, 3) from picture pixels to those of a crop (height, width), and whether it mirrors.

        Args:
            rng: decides.
            box: xyxy (4,) in pixels of the picture.
            size, padding, aligned: see `vitruvian.geometry.crop_affines`.
        """
        flip = rng.random() < self.flip
        turned = rng.random() < self.rotation_probability
        angle, factor = self.rotation * turned * self._drawn(rng, 2), 1 + self.scale * self._drawn(rng, 1)
        base = crop_affines(box[None], size, padding, aligned)[0]
        return varied(base, size, angle, factor, bool(flip), aligned), bool(flip)

    def _drawn(self, rng: np.random.Generator, most: float) -> float:
        """A normal number cut off at `most`, or a uniform one in -1..1."""
        return float(rng.uniform(-1, 1) if self.distribution == "uniform" else np.clip(rng.normal(), -most, most))

    def half(
        self, rng: np.random.Generator, keypoints: NDArray[np.float32], labelled: NDArray[np.bool_], skeleton: Skeleton
    ) -> NDArray[np.float32] | None:
        """The box xyxy (4,) around the upper or the lower half of a body, or None: by chance, or where it has too few.

        As in the releases the upper half comes first more often than not; where the one that comes first has fewer than
        3 keypoints the other is taken, and where both have, the upper one if it has 2. It is to grow by `HALF_PADDING`.
        """
        wanted, upper_first = rng.random() < self.half_body, rng.normal() < _UPPER_BELOW
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

    def recolour(self, rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A crop RGB uint8 (H, W, 3) with other brightness, contrast and saturation."""
        return recolour(rng, crop, self.colour)

    def erased(self, rng: np.random.Generator, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A crop RGB uint8 (H, W, 3), by chance with a rectangle of one colour, of 0.1 to 0.4 of its sides."""
        if not self.erase or rng.random() >= self.erase:
            return crop
        extent = np.array(crop.shape[:2])
        sides = np.maximum(1, np.round(rng.uniform(*_ERASED, 2) * extent)).astype(int)
        top, left = rng.integers(0, extent - sides, endpoint=True)
        changed = crop.copy()
        changed[top : top + sides[0], left : left + sides[1]] = rng.integers(0, 256, 3)
        return changed


def recolour(rng: np.random.Generator, image: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    """A picture RGB uint8 (H, W, 3) with other brightness, contrast and saturation, by 1 - amount to 1 + amount."""
    brightness, contrast, saturation = 1 + rng.uniform(-amount, amount, 3)
    if not amount:
        return image
    import cv2

    grey = np.array([0.299, 0.587, 0.114])
    # All three are one linear map of the colours; contrast keeps the mean.
    colours = brightness * (saturation * np.eye(3) + (1 - saturation) * grey)
    mean = brightness * float(np.dot(cv2.mean(image)[:3], grey))
    changed = cv2.transform(image, np.column_stack([contrast * colours, np.full(3, (1 - contrast) * mean)]))
    return changed.astype(np.uint8, copy=False)


NONE = Augmentation(flip=0, rotation=0, rotation_probability=0, scale=0, half_body=0, colour=0)


def varied(
    affine: NDArray[np.float64], size: tuple[int, int], angle: float, factor: float, flip: bool, aligned: bool = False
) -> NDArray[np.float64]:
    """The map (2, 3) to a crop, followed by a turn, a zoom and a mirror around the crop's centre.

    Args:
        affine: to the crop as it is.
        size: (height, width) of the crop in pixels.
        angle: degrees, clockwise on the screen.
        factor: above 1 the crop shows more of the picture, and the person smaller.
        flip: left and right trade places.
        aligned: the centre is that between the corner pixels, as for UDP's crops.
    """
    centre = (np.array(size[::-1]) - int(aligned)) / 2
    cosine, sine = np.cos(np.radians(angle)) / factor, np.sin(np.radians(angle)) / factor
    around = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    result: NDArray[np.float64] = around @ affine
    result[:, 2] += centre - around @ centre
    return result


@cache  # every sample asks
def lower_body(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """bool (K,): keypoints from the hips down, by their names."""
    words: Sequence[list[str]] = [re.split(r"[^a-z]+", name.lower()) for name in names]
    return np.array([not _LEGS.isdisjoint(parts) for parts in words], bool)
