"""Which prediction is which annotated person: what every figure but COCO's own is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..codecs.base import mirror_order
from .annotations import Annotations
from .oks import oks, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Less similar is no match: the limit of arXiv 1707.05388.
LEAST_OKS = 0.1


@dataclass(frozen=True, eq=False)
class Persons:
    """The predictions of a picture that stayed.

    Args:
        keypoints: float64 (N, K, 2) in pixels.
        scores: float64 (N, K), 0..1.
        ranks: float64 (N,), what orders the persons.
    """

    keypoints: Array
    scores: Array
    ranks: Array


@dataclass(frozen=True, eq=False)
class Matches:
    """The M persons to be found, and what was found of them.

    Args:
        rows: int64 (M,), their places in the annotations.
        oks: float64 (M,), similarity with the prediction; 0 where there is none.
        found: bool (M,).
        keypoints: float64 (M, K, 2) predicted, in pixels; NaN where there is no prediction.
        scores: float64 (M, K); NaN likewise.
        mirrored: float64 (M, K), how close each prediction is to the keypoint of the other side.
        neighbours: float64 (M, K), how close it is to another person's keypoint of this kind, or of the other side.
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
    predicted: Mapping[int, Persons],
    sigmas: Sequence[float],
    pairs: Sequence[tuple[int, int]],
) -> Matches:
    """Give every person to be found in the pictures that `predicted` has at most one prediction.

    As COCO does: predictions choose in the order of their rank, each the most similar person that is left, from an OKS
    of 0.1 on.
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
    persons: Persons,
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
    # Of every match with every person of the picture: the same keypoint, and that of the other side.
    points = result.keypoints[places]
    seen = expected[..., 2] > 0
    same = np.nan_to_num(similarity(points[:, None], expected[None, ..., :2], areas[:, None], sigmas)) * seen
    across = np.nan_to_num(similarity(points[:, None], expected[None, :, other, :2], areas[:, None], sigmas))
    across *= seen[:, other] & (other != np.arange(len(other)))
    own = np.eye(len(rows), dtype=bool)
    result.mirrored[places] = across[own]
    result.neighbours[places] = np.where(own[..., None], 0, np.maximum(same, across)).max(axis=1)
