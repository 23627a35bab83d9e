"""Accuracy keypoint by keypoint: PCK and its area, PCKh, and what the errors are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .annotations import Annotations
from .matching import Matches
from .oks import similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PCK_AT = (0.05, 0.1, 0.2)
# The area under PCK is taken over these parts of the box's longer side.
AUC_OVER = np.arange(1, 21) / 100
PCKH_AT = (0.1, 0.5)
# MPII's evaluation takes this part of the head box's diagonal for a head's size.
HEAD_SHARE = 0.6

# The kinds of errors of arXiv 1707.05388 and its limits of a single keypoint's similarity.
GOOD, NEAR = 0.85, 0.5
KINDS = ("good", "jitter", "inversion", "swap", "miss", "person missed")


def pck(truth: Annotations, matches: Matches) -> dict[str, float]:
    """Part of the labelled keypoints that lie within a part of their box's longer side, and of those within a head.

    ``PCK@0.1`` is within a tenth of the longer side; ``AUC`` is the mean over 0.01, 0.02 ... 0.20. ``PCKh@0.5`` is
    within half a head, 0.6 of the diagonal of ``head_box``, over the persons that have one. Persons that weren't found
    count as wrong.
    """
    sizes = truth.boxes[matches.rows, 2:].max(axis=1)
    distances = _distances(truth, matches)
    numbers = {f"PCK@{part:g}": _share(distances, sizes, part) for part in PCK_AT}
    numbers["AUC"] = float(np.mean([_share(distances, sizes, part) for part in AUC_OVER]))
    heads = truth.heads[matches.rows]
    having = np.isfinite(heads).all(axis=1)
    if having.any():
        diagonal = np.linalg.norm(heads[having, 2:] - heads[having, :2], axis=1)
        for part in PCKH_AT:
            numbers[f"PCKh@{part:g}"] = _share(distances[having], diagonal * HEAD_SHARE, part)
    return numbers


def _distances(truth: Annotations, matches: Matches) -> Array:
    """Pixels (M, K) between prediction and truth: infinite if not found, NaN if not labelled."""
    expected = truth.keypoints[matches.rows]
    distances: Array = np.linalg.norm(matches.keypoints - expected[..., :2], axis=2)
    distances[~matches.found] = np.inf
    distances[expected[..., 2] <= 0] = np.nan
    return distances


def _share(distances: Array, sizes: Array, part: float) -> float:
    labelled = ~np.isnan(distances)
    # Half a millionth of tolerance: a tenth of 70 pixels is 7 pixels, whatever binary fractions say.
    right = distances <= sizes[:, None] * part * (1 + 5e-7)
    return float(right[labelled].mean()) if labelled.any() else -1.0


def breakdown(truth: Annotations, matches: Matches, sigmas: Sequence[float]) -> dict[str, float]:
    """Of which kind the labelled keypoints are, parts that add up to 1 (arXiv 1707.05388).

    Each keypoint's own similarity decides: from 0.85 it is ``good``, from 0.5 ``jitter``. Below that it is an
    ``inversion`` if it is on the person's other side, a ``swap`` if it is on another person, else a ``miss``.
    ``person missed``: no prediction is of that person.
    """
    expected = truth.keypoints[matches.rows]
    close = similarity(matches.keypoints, expected[..., :2], truth.areas[matches.rows], sigmas)
    close = np.nan_to_num(close)
    conditions = [
        np.broadcast_to(~matches.found[:, None], close.shape),
        close >= GOOD,
        close >= NEAR,
        matches.mirrored >= np.maximum(NEAR, matches.neighbours),
        matches.neighbours >= NEAR,
    ]
    kind = np.select(conditions, [5, 0, 1, 2, 3], 4)[expected[..., 2] > 0]
    return {name: float((kind == number).mean()) for number, name in enumerate(KINDS)}
