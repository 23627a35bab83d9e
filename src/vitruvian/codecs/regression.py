"""Keypoints as numbers, with an uncertainty each, as in RLEPose (arXiv 2107.11291)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..cards import RegressionOptions
from ..errors import ModelError
from .base import finite, swap_sides

if TYPE_CHECKING:
    from .base import Array


@dataclass(frozen=True)
class Regression(RegressionOptions):
    """A keypoint as two coordinates with an uncertainty each.

    Args:
        input_size: (height, width) of the crop in pixels.
        flip_shift: see `vitruvian.cards.RegressionOptions`.
    """

    aligned: ClassVar[bool] = False

    input_size: tuple[int, int]

    def encode(self, keypoints: Array, visible: Array) -> tuple[Array, Array]:
        """Coordinates as fractions of the crop, -0.5..0.5 inside of it.

        Args:
            keypoints: (N, K, 2) in crop pixels.
            visible: (N, K), above 0 where the keypoint is labelled.

        Returns:
            coordinates float32 (N, K, 2) and weights float32 (N, K), 0 where the keypoint is not labelled.
        """
        weights = (np.asarray(visible) > 0).astype(np.float32)
        return (np.nan_to_num(keypoints) / self._size - 0.5).astype(np.float32) * weights[..., None], weights

    def decode(self, outputs: Array | Sequence[Array]) -> tuple[Array, Array]:
        """Coordinates back to pixels; the score is 1 minus the mean of a keypoint's two sigmas.

        Args:
            outputs: the pair coordinates (N, K, 2), -0.5..0.5 inside the crop, and sigma (N, K, 2), 0..1.

        Returns:
            keypoints float32 (N, K, 2) in crop pixels and scores float32 (N, K), in 0..1 where the sigmas are. A
            coordinate that is NaN gives the point (0, 0) and score 0.
        """
        pair = [np.asarray(item, np.float32) for item in outputs]
        if len(pair) != 2:
            raise ModelError(f"Regression decodes a pair of outputs, coordinates and sigma, not {len(pair)}")
        points = (pair[0] + np.float32(0.5)) * self._size
        broken = ~np.isfinite(points).all(axis=2)
        scores = finite(1 - pair[1].mean(axis=2))
        points[broken], scores[broken] = 0, 0
        return points, scores

    def merge_flipped(
        self, outputs: Sequence[Array], mirrored: Sequence[Array], pairs: Sequence[tuple[int, int]]
    ) -> tuple[Array, ...]:
        """Coordinates and sigmas averaged with the mirrored ones, turned back; see `Codec.merge_flipped`."""
        coordinates, sigma = (swap_sides(item, pairs) for item in mirrored)
        coordinates[..., 0] = -coordinates[..., 0] - self.flip_shift / self.input_size[1]
        both = zip(outputs, (coordinates, sigma), strict=True)
        return tuple((own + other) * np.float32(0.5) for own, other in both)

    @property
    def _size(self) -> Array:
        return np.array(self.input_size[::-1], np.float32)
