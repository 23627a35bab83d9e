"""Object keypoint similarity by its formula and pycocotools' own, and suppression by its definition."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coco_examples import annotations, person, result
from vitruvian import COCO17
from vitruvian.evaluation import oks, oks_nms, soft_oks_nms
from vitruvian.evaluation.oks import MAX_PERSONS, oks_between

SIGMAS = np.array(COCO17.sigmas)


def crowd(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions around a few persons: keypoints, scores, areas."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 400, (max(count // 4, 1), 17, 2))
    keypoints = centres[rng.integers(len(centres), size=count)] + rng.normal(0, 3, (count, 17, 2))
    return keypoints, rng.random(count), rng.uniform(4000, 90000, count)


def test_by_the_formula():
    truth = np.array([[[100.0, 50, 2], [0, 0, 0], [30, 80, 1]]])
    found = np.array([[[103.0, 54], [500, 500], [30, 80]]])
    # The first is 5 pixels away, the second not labelled, the third exact.
    first = np.exp(-25 / (2 * 900 * (2 * 0.1) ** 2))
    assert oks(found, truth, [900.0], [0.1, 0.1, 0.1])[0, 0] == pytest.approx((first + 1) / 2)


def test_as_pycocotools_has_it():
    rng = np.random.default_rng(4)
    points = np.concatenate([rng.uniform(0, 300, (5, 17, 2)), rng.integers(0, 3, (5, 17, 1))], axis=2)
    points[:, 0, 2] = 2
    found = np.concatenate(
        [points[rng.integers(5, size=9), :, :2] + rng.normal(0, 9, (9, 17, 2)), np.ones((9, 17, 1))], 2
    )
    truth = COCO()
    truth.dataset = annotations(17, persons=[person(row + 1, 1, each) for row, each in enumerate(points)])
    truth.createIndex()
    evaluator = COCOeval(
        truth, truth.loadRes([result(1, each, 1 - row / 10) for row, each in enumerate(found)]), "keypoints"
    )
    evaluator._prepare()
    expected = evaluator.computeOks(1, 1)
    areas = [record["area"] for record in truth.dataset["annotations"]]
    assert oks(found[..., :2], points, areas, SIGMAS) == pytest.approx(expected, abs=1e-12)


def test_a_person_without_labels_is_like_nobody():
    assert oks(np.zeros((1, 2, 2)), np.zeros((1, 2, 3)), [100.0], [0.1, 0.1])[0, 0] == 0


def test_predictions_among_each_other():
    keypoints, _, areas = crowd(12)
    table = oks_between(keypoints, areas, SIGMAS)
    assert table == pytest.approx(table.T)
    assert np.diag(table) == pytest.approx(np.ones(12))
    gap = ((keypoints[3] - keypoints[7]) ** 2).sum(axis=1)
    by_hand = np.exp(-gap / (2 * (areas[3] + areas[7]) / 2 * (2 * SIGMAS) ** 2)).mean()
    assert table[3, 7] == pytest.approx(by_hand)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_suppression_keeps_what_its_definition_says(seed, threshold):
    keypoints, scores, areas = crowd(24, seed)
    kept = oks_nms(keypoints, scores, areas, SIGMAS, threshold)
    assert np.all(np.diff(scores[kept]) <= 0)
    table = oks_between(keypoints, areas, SIGMAS)
    among = table[np.ix_(kept, kept)]
    assert (among[~np.eye(len(kept), dtype=bool)] <= threshold).all()
    for gone in set(range(24)) - set(kept.tolist()):
        better = kept[scores[kept] > scores[gone]]
        assert (table[gone, better] > threshold).any()


def test_soft_suppression_by_hand():
    # Two predictions of one person and a lone one: the second of the pair fades by exp(-1 / 0.9) and comes last.
    keypoints = np.stack([np.zeros((17, 2)), np.zeros((17, 2)), np.full((17, 2), 1e4)])
    assert soft_oks_nms(keypoints, [0.9, 0.8, 0.5], [1e4] * 3, SIGMAS).tolist() == [0, 2, 1]
    assert oks_nms(keypoints, [0.9, 0.8, 0.5], [1e4] * 3, SIGMAS).tolist() == [0, 2]


def test_soft_suppression_keeps_twenty_at_most_and_each_once():
    keypoints, scores, areas = crowd(50)
    kept = soft_oks_nms(keypoints, scores, areas, SIGMAS)
    assert len(kept) == MAX_PERSONS == len(set(kept.tolist()))
    assert kept[0] == scores.argmax()
    apart = np.arange(5)[:, None, None] * 1e4 + np.zeros((5, 17, 2))
    assert soft_oks_nms(apart, [0.1, 0.5, 0.3, 0.9, 0.7], [1e3] * 5, SIGMAS).tolist() == [3, 4, 1, 2, 0]


@pytest.mark.parametrize("suppress", [oks_nms, soft_oks_nms])
def test_nobody_stays_of_nobody(suppress):
    assert suppress(np.zeros((0, 17, 2)), [], [], SIGMAS).tolist() == []


@pytest.mark.parametrize("suppress", [oks_nms, soft_oks_nms])
def test_persons_without_area_do_no_harm(suppress):
    kept = suppress(np.zeros((2, 17, 2)), [0.2, 0.4], [0.0, 0.0], SIGMAS)
    assert kept[0] == 1
