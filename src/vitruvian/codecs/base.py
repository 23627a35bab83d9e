"""Protocol of codecs, and the functions that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


class Codec(Protocol):
    """N persons, K keypoints, crops of `input_size` (height, width) pixels."""

    @property
    def input_size(self) -> tuple[int, int]: ...

    @property
    def flip_shift(self) -> bool:
        """The flip test moves the mirrored outputs, as the codec says."""

    @property
    def aligned(self) -> bool:
        """The crops are those of UDP: see `vitruvian.geometry.crop_affines`."""

    def encode(self, keypoints: Array, visible: Array) -> tuple[Array, ...]:
        """Training targets, the last of them the weights (N, K), from keypoints (N, K, 2), visible (N, K)."""

    def decode(self, outputs: Array | Sequence[Array]) -> tuple[Array, Array]:
        """Keypoints (N, K, 2) in crop pixels and their peaks (N, K), from what the network returns.

        Peaks are finite and not clipped: persons are ranked by them. `as_scores` makes scores in 0..1 of them.
        """

    def merge_flipped(
        self, outputs: Sequence[Array], mirrored: Sequence[Array], pairs: Sequence[tuple[int, int]]
    ) -> tuple[Array, ...]:
        """The flip test: outputs of crops averaged with those of the crops mirrored left to right.

        Args:
            outputs, mirrored: what the network returns for the crops, and for the mirrored ones.
            pairs: channels (left, right) that trade places in a mirror.
        """


def mirror_order(count: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.intp]:
    """The index (K,) of the keypoint that takes each one's place in a mirror, by the pairs that trade places."""
    order = np.arange(count)
    for left, right in pairs:
        order[[left, right]] = right, left
    return order


def swap_sides(array: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """A copy of (N, K, ...) with the channels of each pair exchanged."""
    return array[:, mirror_order(array.shape[1], pairs)]


def log_softmax(logits: Array, axes: int | tuple[int, ...]) -> Array:
    """The logarithm of the softmax along an axis, or over several together."""
    shifted = logits - logits.max(axis=axes, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=axes, keepdims=True))
    return result


def mean_logits(own: Array, other: Array, axes: int | tuple[int, ...]) -> Array:
    """Logits whose softmax along these axes is the average of that of both."""
    result: Array = np.logaddexp(log_softmax(own, axes), log_softmax(other, axes)) - np.float32(np.log(2))
    return result


def finite(peaks: Array) -> Array:
    """Peaks as float32, 0 where a network returned NaN."""
    return np.nan_to_num(peaks.astype(np.float32), nan=0.0)


def as_scores(peaks: Array) -> Array:
    """Peaks as `Codec.decode` returns them as scores in 0..1, float32; 0 for NaN."""
    return np.clip(finite(peaks), 0.0, 1.0)
