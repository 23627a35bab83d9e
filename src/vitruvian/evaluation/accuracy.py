"""Accuracy keypoint by keypoint: predictions matched to persons, PCK and its area, PCKh, and kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..codecs.base import mirror_order
from ..datasets.annotations import Annotations
from .oks import oks, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PCK_AT = (0.05, 0.1, 0.2)
# AUC is the mean of PCK over these shares of the box's longer side.
AUC_OVER = np.arange(1, 21) / 100
PCKH_AT = (0.1, 0.5)
# A head's size as a share of the head box's diagonal, as in MPII's evaluation.
HEAD_SHARE = 0.6

# The kinds of errors of arXiv 1707.05388, and its limits of a keypoint's similarity.
GOOD, NEAR = 0.85, 0.5
KINDS = ("good", "jitter", "inversion", "swap", "miss", "person missed")

# The least OKS of a match, as in arXiv 1707.05388.
LEAST_OKS = 0.1


@dataclass(frozen=True, eq=False)
class RankedPersons:
    """The N predicted persons of a picture after suppression.

    Args:
        keypoints: float64 (N, K, 2) in pixels.
        scores: float64 (N, K), 0..1.
        ranks: float64 (N,), scores by which persons are ranked.
    """

    keypoints: Array
    scores: Array
    ranks: Array


@dataclass(frozen=True, eq=False)
class Matches:
    """The M counted persons and the predictions matched to them.

    Args:
        rows: int64 (M,), their rows in the annotations.
        oks: float64 (M,), similarity with the prediction; 0 where there is none.
        found: bool (M,).
        keypoints: float64 (M, K, 2) predicted, in pixels; NaN where there is no prediction.
        scores: float64 (M, K); NaN likewise.
        mirrored: float64 (M, K), similarity of each predicted keypoint with the person's keypoint of the other side.
        neighbours: float64 (M, K), its highest similarity with another person's keypoint of this kind, or of the
            other side.
    """

    rows: NDArray[np.int64]
    oks: Array
    found: NDArray[np.bool_]
    keypoints: Array
    scores: Array
    mirrored: Array
    neighbours: Array


def match(
    truth: Annotations,
    predicted: Mapping[int, RankedPersons],
    sigmas: Sequence[float],
    pairs: Sequence[tuple[int, int]],
) -> Matches:
    """Match each counted person in the pictures of `predicted` with at most one prediction.

    As in COCO's evaluation, predictions are matched in the order of their rank, each with the most similar person that
    is left, if their OKS is 0.1 or more.
    """
    rows = np.flatnonzero(truth.counted & np.isin(truth.image_ids, list(predicted)))
    count = truth.keypoints.shape[1]
    other = mirror_order(count, pairs)
    result = Matches(
        rows,
        np.zeros(len(rows)),
        np.zeros(len(rows), bool),
        *(np.full((len(rows), count, *more), np.nan) for more in ((2,), ())),
        *(np.zeros((len(rows), count)) for _ in range(2)),
    )
    order = np.argsort(truth.image_ids[rows], kind="stable")
    numbers, starts = np.unique(truth.image_ids[rows][order], return_index=True)
    for number, places in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        _match_picture(truth, rows[places], places, predicted[number], np.asarray(sigmas), other, result)
    return result


def _match_picture(
    truth: Annotations,
    rows: NDArray[np.int64],
    places: NDArray[np.intp],
    persons: RankedPersons,
    sigmas: Array,
    other: NDArray[np.intp],
    result: Matches,
) -> None:
    expected, areas = truth.keypoints[rows], truth.areas[rows]
    table = oks(persons.keypoints, expected, areas, sigmas)
    free = np.ones(len(rows), bool)
    for person in np.argsort(-persons.ranks, kind="stable"):
        best = int(np.where(free, table[person], -1).argmax())
        if not free[best] or table[person, best] < LEAST_OKS:
            continue
        free[best] = False
        place = places[best]
        result.oks[place], result.found[place] = table[person, best], True
        result.keypoints[place], result.scores[place] = persons.keypoints[person], persons.scores[person]
    # Similarity of each match with each person of the picture: by the same keypoint, and by that of the other side.
    points = result.keypoints[places]
    seen = expected[..., 2] > 0
    same = np.nan_to_num(similarity(points[:, None], expected[None, ..., :2], areas[:, None], sigmas)) * seen
    across = np.nan_to_num(similarity(points[:, None], expected[None, :, other, :2], areas[:, None], sigmas))
    across *= seen[:, other] & (other != np.arange(len(other)))
    own = np.eye(len(rows), dtype=bool)
    result.mirrored[places] = across[own]
    result.neighbours[places] = np.where(own[..., None], 0, np.maximum(same, across)).max(axis=1)


def pck(truth: Annotations, matches: Matches) -> dict[str, float]:
    """Shares of the labelled keypoints within a share of the box's longer side (PCK) or of the head's size (PCKh).

    ``PCK@0.1`` is within a tenth of the longer side; ``AUC`` is the mean over 0.01, 0.02 ... 0.20. ``PCKh@0.5`` is
    within half a head size, which is 0.6 of the diagonal of ``head_box``, over the persons that have one. Keypoints of
    persons that weren't found count as wrong.
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
    """Shares of the labelled keypoints by kind of error, which add up to 1 (arXiv 1707.05388).

    Each keypoint's own similarity decides: from 0.85 it is ``good``, from 0.5 ``jitter``. Below that it is an
    ``inversion`` if it is on the person's other side, a ``swap`` if it is on another person, else a ``miss``.
    ``person missed``: no prediction matches the person.
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
