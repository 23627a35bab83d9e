"""Object keypoint similarity (https://cocodataset.org/#keypoints-eval), and suppression of duplicates by it.

Suppression follows HRNet's authors (arXiv 1908.07919), who take the padded box's area as a person's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

# Avoids a division by an area of 0, as in the published code.
_TINY = float(np.spacing(1))
# The most persons that soft suppression keeps in a picture, as many as COCO counts.
MAX_PERSONS = 20


def similarity(first: ArrayLike, second: ArrayLike, areas: ArrayLike, sigmas: ArrayLike) -> Array:
    """Similarity of keypoints, 0..1, float64 (..., K): exp(-d² / (2 area (2 sigma)²)).

    Args:
        first, second: (..., K, 2) in pixels, broadcast against each other.
        areas: (...,), square pixels of the persons.
        sigmas: (K,), in units of sqrt(area).
    """
    squared = ((np.asarray(first, float) - np.asarray(second, float)) ** 2).sum(axis=-1)
    variances = (2 * np.asarray(sigmas, float)) ** 2
    result: Array = np.exp(-squared / variances / (np.asarray(areas, float)[..., None] + _TINY) / 2)
    return result


def oks(predicted: ArrayLike, truth: ArrayLike, areas: ArrayLike, sigmas: ArrayLike) -> Array:
    """OKS of P predictions with T persons, float64 (P, T), over each person's labelled keypoints; 0 without any.

    Args:
        predicted: (P, K, 2) in pixels.
        truth: (T, K, 3), x and y in pixels, and above 0 where labelled.
        areas: (T,), square pixels.
        sigmas: (K,).
    """
    truth = np.asarray(truth, float)
    seen = truth[..., 2] > 0
    close = similarity(np.asarray(predicted)[:, None], truth[None, :, :, :2], np.asarray(areas)[None], sigmas)
    result: Array = (close * seen).sum(axis=2) / np.maximum(seen.sum(axis=1), 1)
    return result


def oks_between(keypoints: ArrayLike, areas: ArrayLike, sigmas: ArrayLike) -> Array:
    """OKS of N predictions (N, K, 2) with each other, float64 (N, N), over all keypoints and the mean of two areas."""
    keypoints, areas = np.asarray(keypoints, float), np.asarray(areas, float)
    mean = (areas[:, None] + areas) / 2
    result: Array = similarity(keypoints[:, None], keypoints, mean, sigmas).mean(axis=2)
    return result


def oks_nms(
    keypoints: ArrayLike, scores: ArrayLike, areas: ArrayLike, sigmas: ArrayLike, threshold: float = 0.9
) -> NDArray[np.intp]:
    """Indices of a picture's predictions that stay, best first: no OKS with a better one is above `threshold`.

    Args:
        keypoints: (N, K, 2) in pixels.
        scores, areas: (N,).
    """
    overlap = oks_between(keypoints, areas, sigmas) > threshold
    kept: list[int] = []
    for row in np.argsort(-np.asarray(scores, float), kind="stable"):
        if not overlap[row, kept].any():
            kept.append(int(row))
    return np.array(kept, np.intp)


def soft_oks_nms(
    keypoints: ArrayLike, scores: ArrayLike, areas: ArrayLike, sigmas: ArrayLike, threshold: float = 0.9
) -> NDArray[np.intp]:
    """Indices of a picture's predictions that stay, at most 20, in the order of scores decayed by better neighbours.

    A score decays by exp(-oks² / threshold). As in the authors' code, the decayed scores only select: predictions keep
    their own scores.
    """
    overlap = oks_between(keypoints, areas, sigmas)
    left = np.array(scores, float)
    kept: list[int] = []
    for _ in range(min(len(left), MAX_PERSONS)):
        best = int(left.argmax())
        kept.append(best)
        left *= np.exp(-(overlap[best] ** 2) / threshold)
        left[kept] = -np.inf
    return np.array(kept, np.intp)
