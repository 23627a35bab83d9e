"""Keypoints as two one-dimensional classifications, SimDR and SimDR* (arXiv 2107.03332), known as SimCC later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..cards import SimDROptions
from ..errors import ModelError
from .base import finite, log_softmax, mean_logits, swap_sides

if TYPE_CHECKING:
    from .base import Array


@dataclass(frozen=True)
class SimDR(SimDROptions):
    """A keypoint as one distribution over the bins of x and one over those of y.

    Args:
        input_size: (height, width) of the crop in pixels.
        split, sigma, smoothing, softmax, flip_shift: see `vitruvian.cards.SimDROptions`.
    """

    aligned: ClassVar[bool] = False

    input_size: tuple[int, int]

    @property
    def bins(self) -> tuple[int, int]:
        """Bins along x and along y."""
        return round(self.input_size[1] * self.split), round(self.input_size[0] * self.split)

    def encode(self, keypoints: Array, visible: Array) -> tuple[Array, Array, Array]:
        """Distributions over the bins of x and of y, as in the authors' release.

        SimDR's are around the nearest bin, SimDR*'s around the exact position. So SimDR* keeps keypoints beside the
        crop whose Gaussian's tail may still reach it: at p crop pixels all but those with int(p - 3 sigma) >= length
        or int(p + 3 sigma + 1) < 0 along x or y, where sigma is the number of bins.

        Args:
            keypoints: (N, K, 2) in crop pixels.
            visible: (N, K), above 0 where the keypoint is labelled.

        Returns:
            x float32 (N, K, W * split), y float32 (N, K, H * split) and weights float32 (N, K): 0 where the keypoint
            is not labelled, or outside as said above.
        """
        points, bins = np.nan_to_num(keypoints), np.array(self.bins)
        centres = points * self.split
        if self.sigma:
            reach, size = 3 * self.sigma, np.array(self.input_size[::-1])
            counted = (np.trunc(points - reach) < size) & (np.trunc(points + reach + 1) >= 0)
        else:
            centres = np.round(centres)
            counted = (centres >= 0) & (centres < bins)
        weights = (counted.all(axis=-1) & (np.asarray(visible) > 0)).astype(np.float32)
        across, down = (self._distribution(centres[..., axis], int(bins[axis])) for axis in (0, 1))
        return across * weights[..., None], down * weights[..., None], weights

    def _distribution(self, centres: Array, length: int) -> Array:
        distance = np.arange(length) - centres[..., None]
        if self.sigma > 0:
            density = np.exp(-(distance**2) / (2 * self.sigma**2)) / (self.sigma * np.sqrt(2 * np.pi))
        else:
            density = np.where(distance == 0, 1 - self.smoothing, self.smoothing / (length - 1))
        return density.astype(np.float32)

    def decode(self, outputs: Array | Sequence[Array]) -> tuple[Array, Array]:
        """The fullest bin of x and of y, and the higher (SimDR) or the lower (SimDR*, SimCC) one of the two peaks.

        SimDR's release takes the higher one of the probabilities. SimDR*'s takes the lower one, as MMPose does for
        SimCC and RTMPose: for Gaussian targets, and for outputs without a softmax.

        Args:
            outputs: the pair x (N, K, W * split), y (N, K, H * split).

        Returns:
            keypoints float32 (N, K, 2) in crop pixels and peaks float32 (N, K), in parts of `highest`, not clipped.
        """
        pair = [np.asarray(axis, np.float32) for axis in outputs]
        if len(pair) != 2:
            raise ModelError(f"SimDR decodes a pair of outputs, x and y, not {len(pair)}")
        points = np.stack([axis.argmax(axis=2) for axis in pair], axis=2).astype(np.float32) / self.split
        if not self.softmax:
            return points.astype(np.float32), finite(np.minimum(*(axis.max(axis=2) for axis in pair)))
        choose = np.minimum if self.sigma else np.maximum
        return points.astype(np.float32), finite(choose(*map(_softmax_peak, pair)) / np.float32(self.highest))

    def as_targets(self, outputs: Sequence[Array]) -> tuple[Array, Array]:
        """The distributions (N, K, X) and (N, K, Y) that a network means by its outputs, as `encode` makes them."""
        across, down = (np.exp(log_softmax(axis, 2)) for axis in outputs)
        return across, down

    @property
    def highest(self) -> float:
        """The probability in the best bin of a Gaussian target, centred on it; 1 for SimDR's targets."""
        return min(1 / (self.sigma * np.sqrt(2 * np.pi)), 1.0) if self.sigma else 1.0

    def merge_flipped(
        self, outputs: Sequence[Array], mirrored: Sequence[Array], pairs: Sequence[tuple[int, int]]
    ) -> tuple[Array, ...]:
        """Distributions averaged with the mirrored ones, turned back and shifted; see `Codec.merge_flipped`.

        As their authors do it, SimDR's probabilities are averaged, and SimDR*'s logits.
        """
        across, down = (swap_sides(axis, pairs) for axis in mirrored)
        across = across[..., ::-1]
        if self.flip_shift:
            across = np.concatenate([across[..., 1:], across[..., -1:]], axis=2)
        both = list(zip(outputs, (across, down), strict=True))
        if self.softmax and not self.sigma:
            # The logarithm, because decoding takes the softmax: it gives back just this average.
            return tuple(mean_logits(own, other, 2) for own, other in both)
        return tuple((own + other) * np.float32(0.5) for own, other in both)


def _softmax_peak(logits: Array) -> Array:
    """The largest value of the softmax along the last axis."""
    return 1 / np.exp(logits - logits.max(axis=2, keepdims=True)).sum(axis=2)
