"""Keypoints as numbers, with an uncertainty each, as in RLEPose (arXiv 2107.11291)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import ModelError
from .base import as_scores

if TYPE_CHECKING:
    from .base import Array


@dataclass(frozen=True)
class Regression:
    """Args:
    input_size: (height, width) of the crop in pixels.
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
            keypoints float32 (N, K, 2) in crop pixels and scores float32 (N, K) in 0..1. A coordinate that is NaN
            gives the point (0, 0) and score 0.
        """
        pair = [np.asarray(item, np.float32) for item in outputs]
        if len(pair) != 2:
            raise ModelError(f"Regression decodes a pair of outputs, coordinates and sigma, not {len(pair)}")
        points = (pair[0] + np.float32(0.5)) * self._size
        broken = ~np.isfinite(points).all(axis=2)
        scores = as_scores(1 - pair[1].mean(axis=2))
        points[broken], scores[broken] = 0, 0
        return points, scores

    @property
    def _size(self) -> Array:
        return np.array(self.input_size[::-1], np.float32)
