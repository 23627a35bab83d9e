"""Keypoints as two one-dimensional classifications, SimDR and SimDR* (arXiv 2107.03332), known as SimCC later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..errors import ModelError
from .base import as_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .base import Array


@dataclass(frozen=True)
class SimDR:
    """Args:
    input_size: (height, width) of the crop in pixels.
    split: bins per crop pixel.
    sigma: 0 for SimDR's smoothed one-hot targets; above 0 the standard deviation, in bins, of SimDR*'s Gaussian ones.
    smoothing: label smoothing of the one-hot targets, 0..1.
    softmax: the outputs are logits, so their softmax is the score; without it the raw peak is.
    """

    aligned: ClassVar[bool] = False

    input_size: tuple[int, int]
    split: float = 2.0
    sigma: float = 0.0
    smoothing: float = 0.1
    softmax: bool = True

    @property
    def bins(self) -> tuple[int, int]:
        """Bins along x and along y."""
        return round(self.input_size[1] * self.split), round(self.input_size[0] * self.split)

    def encode(self, keypoints: Array, visible: Array) -> tuple[Array, Array, Array]:
        """Distributions over the bins of x and of y.

        Args:
            keypoints: (N, K, 2) in crop pixels.
            visible: (N, K), above 0 where the keypoint is labelled.

        Returns:
            x float32 (N, K, W * split), y float32 (N, K, H * split) and weights float32 (N, K): 0 where the keypoint
            is not labelled or outside of the crop.
        """
        bins = np.array(self.bins)
        centres = np.round(np.nan_to_num(keypoints) * self.split).astype(np.int64)
        inside = ((centres >= 0) & (centres < bins)).all(axis=-1)
        weights = (inside & (np.asarray(visible) > 0)).astype(np.float32)
        across, down = (self._distribution(centres[..., axis], int(bins[axis])) for axis in (0, 1))
        return across * weights[..., None], down * weights[..., None], weights

    def _distribution(self, centres: NDArray[np.int64], length: int) -> Array:
        distance = np.arange(length) - centres[..., None]
        if self.sigma > 0:
            density = np.exp(-(distance**2) / (2 * self.sigma**2)) / (self.sigma * np.sqrt(2 * np.pi))
        else:
            density = np.where(distance == 0, 1 - self.smoothing, self.smoothing / (length - 1))
        return density.astype(np.float32)

    def decode(self, outputs: Array | Sequence[Array]) -> tuple[Array, Array]:
        """The fullest bin of x and of y; the score is the lower one of the two.

        Args:
            outputs: the pair x (N, K, W * split), y (N, K, H * split).

        Returns:
            keypoints float32 (N, K, 2) in crop pixels and scores float32 (N, K) in 0..1.
        """
        pair = [np.asarray(axis, np.float32) for axis in outputs]
        if len(pair) != 2:
            raise ModelError(f"SimDR decodes a pair of outputs, x and y, not {len(pair)}")
        points = np.stack([axis.argmax(axis=2) for axis in pair], axis=2).astype(np.float32) / self.split
        peaks = np.minimum(*(_softmax_peak(axis) if self.softmax else axis.max(axis=2) for axis in pair))
        return points.astype(np.float32), as_scores(peaks)


def _softmax_peak(logits: Array) -> Array:
    """The largest value of the softmax along the last axis."""
    return 1 / np.exp(logits - logits.max(axis=2, keepdims=True)).sum(axis=2)
