"""Association of persons and tracks: similarity of boxes and keypoints, and a greedy assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# A joint takes part if both its scores are above this, and joints count if there are this many.
JOINT_SCORE = 0.25
JOINTS = 3
# OKS's sigmas measure how well people annotate one picture. Between two frames joints move as well.
SIGMA_SCALE = 2.0
# Where a skeleton has no sigmas: COCO's shoulder.
DEFAULT_SIGMA = 0.079
# Boxes grow by this part of the drift's deviation, and by at most this share of their height.
DRIFT_SHARE = 0.25
LARGEST_MARGIN = 0.3


def box_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> Array:
    """Intersection over union of every pair of boxes, (N, 4) and (M, 4) xyxy, as float64 (N, M) in 0..1."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    width, height = _shared(one[:, None], other[None])
    return _over_union(width * height, _area(one)[:, None], _area(other)[None])


def similarity(
    tracks: tuple[Array, Array, Array], persons: tuple[Array, Array, Array], drift: Array, sigmas: Array
) -> Array:
    """How similar each of M tracks is to each of N persons: float64 (M, N), 0..1, and 0 where the boxes don't meet.

    Half of it is the IoU of the boxes times the IoU of their vertical extents (height-modulated IoU, Hybrid-SORT,
    arXiv 2308.00783), both boxes grown by a part of the track's drift; half is OKS with sigmas doubled, joints weighted
    by the smaller of both scores. With fewer than three sure joints the boxes count alone.

    Args:
        tracks: boxes (M, 4) xyxy, keypoints (M, K, 2), scores (M, K); those of the tracks where they are expected.
        persons: the same of the persons, all finite.
        drift: (M,), how far each track may be off, in pixels.
        sigmas: (K,), those of OKS.
    """
    (boxes, keypoints, scores), (found, points, sure) = tracks, persons
    margin = np.minimum(DRIFT_SHARE * drift, LARGEST_MARGIN * (boxes[:, 3] - boxes[:, 1]))
    result = np.zeros((len(boxes), len(found)))
    grown, reach = _grow(boxes, margin), found[None] + margin[:, None, None] * _OUTWARDS
    rows, columns = np.nonzero(np.minimum(*_shared(grown[:, None], reach)) > 0)
    if not len(rows):
        return result
    first, second = grown[rows], reach[rows, columns]
    width, height = _shared(first, second)
    iou = _over_union(width * height, _area(first), _area(second))
    tall = np.maximum(first[:, 3], second[:, 3]) - np.minimum(first[:, 1], second[:, 1])
    iou *= height / np.maximum(tall, 1e-9)
    if keypoints.shape[1] >= JOINTS:
        area = (_area(boxes)[rows] + _area(found)[columns]) / 2
        oks, joints = _oks(keypoints[rows], points[columns], scores[rows], sure[columns], area, sigmas)
        iou = np.where(joints >= JOINTS, (iou + oks) / 2, iou)
    result[rows, columns] = iou
    return result


def assign(similarity: Array, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pairs of a greedy assignment: the most similar pair first, each taken once.

    Pairs that are the best of their row and of their column are taken together, which gives what one after the other
    would.
    """
    left = np.where(similarity >= max(threshold, 1e-9), similarity, 0.0)
    rows, columns = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
    while left.size:
        best = left.argmax(axis=1)
        every = np.arange(len(left))
        row = np.flatnonzero((left[every, best] > 0) & (left.argmax(axis=0)[best] == every))
        if not len(row):
            break
        rows.append(row)
        columns.append(best[row])
        left[row] = 0
        left[:, best[row]] = 0
    return np.concatenate(rows), np.concatenate(columns)


def _oks(
    first: Array, second: Array, first_scores: Array, second_scores: Array, area: Array, sigmas: Array
) -> tuple[Array, NDArray[np.intp]]:
    """OKS of P pairs of poses (P, K, 2), and how many joints it is of."""
    weight = np.minimum(first_scores, second_scores)
    weight = np.where(weight > JOINT_SCORE, weight, 0.0)
    squared = ((first - second) ** 2).sum(axis=2)
    variance = (2 * SIGMA_SCALE * sigmas) ** 2
    close = np.exp(-squared / (2 * variance * np.maximum(area, 1e-9)[:, None]))
    return (weight * close).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9), (weight > 0).sum(axis=1)


_OUTWARDS = np.array([-1.0, -1.0, 1.0, 1.0])


def _grow(boxes: Array, margin: Array) -> Array:
    return boxes + margin[:, None] * _OUTWARDS


def _area(boxes: Array) -> Array:
    return np.clip(boxes[..., 2] - boxes[..., 0], 0, None) * np.clip(boxes[..., 3] - boxes[..., 1], 0, None)


def _shared(first: Array, second: Array) -> tuple[Array, Array]:
    """Width and height of what two boxes share."""
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    return np.clip(width, 0, None), np.clip(height, 0, None)


def _over_union(shared: Array, first: Array, second: Array) -> Array:
    union = first + second - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
