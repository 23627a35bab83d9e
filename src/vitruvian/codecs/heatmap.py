"""Keypoints as Gaussian blobs on a grid, as in HRNet (arXiv 1908.07919).

Sub-pixel decoding by DARK (1910.06278) or UDP (1911.07524), whose coordinates are an option too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..cards import REFINEMENTS, HeatmapOptions
from ..choices import Refinement
from .base import finite, log_softmax, mean_logits, swap_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .base import Array

    Index = NDArray[np.intp]
    Double = NDArray[np.float64]

__all__ = ["REFINEMENTS", "Heatmap", "Refinement"]

# DARK smooths with an 11-tap Gaussian of sigma 2 and then looks two pixels around the peak.
_TAPS = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 2.0**2))
_TAPS /= _TAPS.sum()
_REACH = 2
_PATCH = _REACH + len(_TAPS) // 2

# UDP smooths with the 7 taps that OpenCV has for a Gaussian of that size, and bounds what it takes the logarithm of.
_UDP_TAPS = np.array([1, 3.5, 7, 9, 7, 3.5, 1], np.float32) / 32
_UDP_BOUNDS = 0.001, 50.0


@dataclass(frozen=True)
class Heatmap(HeatmapOptions):
    """A keypoint as the peak of a map.

    Args:
        input_size: (height, width) of the crop in pixels.
        stride, sigma, refine, aligned, softmax, flip_shift: see `vitruvian.cards.HeatmapOptions`.
    """

    input_size: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of a heatmap."""
        return self.input_size[0] // self.stride, self.input_size[1] // self.stride

    def _pixel(self, height: int, width: int) -> Array:
        """Crop pixels in a pixel of a heatmap (height, width), along x and y."""
        less = int(self.aligned)
        crop, grid = np.array(self.input_size[::-1]) - less, np.array([width, height]) - less
        return (crop / np.maximum(grid, 1)).astype(np.float32)

    def encode(self, keypoints: Array, visible: Array) -> tuple[Array, Array]:
        """Gaussians of height 1, cut off at 3 sigma from the nearest heatmap pixel, as in HRNet's and UDP's releases.

        They are around that pixel, or around the very point if aligned. The nearest one is int(p + 0.5) for p heatmap
        pixels, which rounds towards 0 left of the map and above it.

        Args:
            keypoints: (N, K, 2) in crop pixels.
            visible: (N, K), above 0 where the keypoint is labelled.

        Returns:
            heatmaps float32 (N, K, H / stride, W / stride) and weights float32 (N, K): 0 where the keypoint is not
            labelled, or its blob ends more than a pixel before the map.
        """
        grid, reach = np.array(self.grid[::-1]), self.sigma * 3
        points = np.nan_to_num(keypoints) / self._pixel(*self.grid)
        nearest = np.trunc(points + 0.5)
        counted = ((np.trunc(nearest - reach) < grid) & (np.trunc(nearest + reach + 1) >= 0)).all(axis=-1)
        weights = (counted & (np.asarray(visible) > 0)).astype(np.float32)
        centres = points if self.aligned else nearest
        across, down = (self._gaussian(centres[..., i], nearest[..., i], int(grid[i])) for i in (0, 1))
        return down[..., :, None] * across[..., None, :] * weights[..., None, None], weights

    def _gaussian(self, centres: Array, nearest: Array, length: int) -> Array:
        pixels = np.arange(length)
        window = np.abs(pixels - nearest[..., None]) <= self.sigma * 3
        blob = np.exp(-((pixels - centres[..., None]) ** 2) / (2 * self.sigma**2)) * window
        return blob.astype(np.float32)

    def decode(self, outputs: Array | Sequence[Array]) -> tuple[Array, Array]:
        """The peak of each map, refined, and its height.

        Args:
            outputs: heatmaps or their logits (N, K, h, w), alone or as the only item of a sequence.

        Returns:
            keypoints float32 (N, K, 2) in crop pixels and peaks float32 (N, K), not clipped. A map without a positive
            value gives the point (0, 0).
        """
        (maps,) = self.as_targets([outputs] if isinstance(outputs, np.ndarray) else outputs)
        persons, count, height, width = maps.shape
        flat = maps.reshape(persons * count, height * width)
        rows = np.arange(len(flat))
        best = flat.argmax(axis=1)
        peaks = flat[rows, best]
        x, y = best % width, best // width
        points = np.stack([x, y], axis=1).astype(np.float32)
        if self.refine == "quarter":
            points += _quarter_shift(flat.reshape(-1, height, width), rows, x, y)
        elif self.refine == "dark":
            points += _dark_shift(flat.reshape(-1, height, width), rows, x, y)
        elif self.refine == "udp":
            points += _udp_shift(flat.reshape(-1, height, width), rows, x, y)
        points *= self._pixel(height, width)
        points[~(peaks > 0)] = 0
        return points.reshape(persons, count, 2), finite(peaks).reshape(persons, count)

    def merge_flipped(
        self, outputs: Sequence[Array], mirrored: Sequence[Array], pairs: Sequence[tuple[int, int]]
    ) -> tuple[Array, ...]:
        """Maps averaged with the mirrored ones, turned back and shifted; see `Codec.merge_flipped`.

        Of logits the probabilities are averaged, and come back as logits.
        """
        back = swap_sides(mirrored[0], pairs)[..., ::-1]
        if self.flip_shift and not self.aligned:
            back = np.concatenate([back[..., :1], back[..., :-1]], axis=3)
        if self.softmax:
            return (mean_logits(outputs[0], back, (2, 3)),)
        return ((outputs[0] + back) * np.float32(0.5),)

    def as_targets(self, outputs: Sequence[Array]) -> tuple[Array]:
        """The heatmaps (N, K, h, w) that a network means by its outputs, the only item, as `encode` makes them."""
        if not self.softmax:
            return (outputs[0],)
        return (np.exp(log_softmax(outputs[0], (2, 3))) * np.float32(2 * np.pi * self.sigma**2),)


def _quarter_shift(maps: Array, rows: Index, x: Index, y: Index) -> Array:
    height, width = maps.shape[1:]
    # The authors leave peaks in the first two and the last columns and rows alone.
    inner = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    rows, x, y = rows[inner], x[inner], y[inner]
    shift = np.zeros((len(maps), 2), np.float32)
    shift[inner, 0] = np.sign(maps[rows, y, x + 1] - maps[rows, y, x - 1])
    shift[inner, 1] = np.sign(maps[rows, y + 1, x] - maps[rows, y - 1, x])
    return np.nan_to_num(shift) * np.float32(0.25)


def _dark_shift(maps: Array, rows: Index, x: Index, y: Index) -> Array:
    height, width = maps.shape[1:]
    inner = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    log = _smoothed_log_around(maps, rows[inner], x[inner], y[inner])

    def at(dy: int, dx: int) -> Double:
        return log[:, _REACH + dy, _REACH + dx]

    gradient = np.stack([at(0, 1) - at(0, -1), at(1, 0) - at(-1, 0)], axis=1) / 2
    dxx = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
    dyy = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4
    dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    shift = np.zeros((len(maps), 2), np.float32)
    shift[inner] = _newton_step(gradient, dxx, dyy, dxy)
    return shift


def _newton_step(gradient: Double, dxx: Double, dyy: Double, dxy: Double) -> Double:
    """From a point to the extremum of the parabola there, (M, 2); zero where it has none."""
    determinant = dxx * dyy - dxy**2
    solvable = determinant != 0
    inverse = np.stack([dyy, -dxy, -dxy, dxx], axis=1).reshape(-1, 2, 2)
    offset = -np.einsum("nij,nj->ni", inverse, gradient) / np.where(solvable, determinant, 1)[:, None]
    return np.where(solvable[:, None], np.nan_to_num(offset), 0)


def _smoothed_log_around(maps: Array, rows: Index, x: Index, y: Index) -> Double:
    """The logarithm of the smoothed map within two pixels of (x, y), float64 (M, 5, 5).

    DARK also scales each smoothed map back to its old maximum: a constant in the logarithm, which no derivative sees.
    """
    padded = np.pad(maps, ((0, 0), (_PATCH, _PATCH), (_PATCH, _PATCH)))
    reach = np.arange(2 * _PATCH + 1)
    patches = padded[rows[:, None, None], y[:, None, None] + reach[:, None], x[:, None, None] + reach].astype(
        np.float64
    )
    windows = np.lib.stride_tricks.sliding_window_view(patches, (len(_TAPS), len(_TAPS)), axis=(1, 2))
    return np.log(np.maximum(np.einsum("nijab,a,b->nij", windows, _TAPS, _TAPS, optimize=True), 1e-10))


def _udp_shift(maps: Array, rows: Index, x: Index, y: Index) -> Array:
    smooth = _smoothed(maps)
    low, high = smooth.min(axis=(1, 2), keepdims=True), smooth.max(axis=(1, 2), keepdims=True)
    height = maps.max(axis=(1, 2), keepdims=True) / np.where(high > low, high - low, 1)
    log = np.log(np.clip((smooth - low) * height, *_UDP_BOUNDS).astype(np.float64))
    log = np.pad(log, ((0, 0), (1, 1), (1, 1)), mode="edge")

    def at(dy: int, dx: int) -> Double:
        return log[rows, y + 1 + dy, x + 1 + dx]

    gradient = np.stack([at(0, 1) - at(0, -1), at(1, 0) - at(-1, 0)], axis=1) / 2
    dxx = at(0, 1) - 2 * at(0, 0) + at(0, -1)
    dyy = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    dxy = (at(1, 1) - at(0, 1) - at(1, 0) + 2 * at(0, 0) - at(0, -1) - at(-1, 0) + at(-1, -1)) / 2
    return _newton_step(gradient, dxx, dyy, dxy).astype(np.float32)


def _smoothed(maps: Array) -> Array:
    """Every map through UDP's Gaussian, mirrored at the borders without repeating the border pixel, as OpenCV does."""
    height, width = maps.shape[1:]
    reach = len(_UDP_TAPS) // 2
    padded = np.pad(maps, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    rows = sum(tap * padded[:, i : i + height] for i, tap in enumerate(_UDP_TAPS))
    return np.asarray(sum(tap * rows[:, :, i : i + width] for i, tap in enumerate(_UDP_TAPS)))
