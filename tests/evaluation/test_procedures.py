"""Ranking, suppression and settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, ModelCard, PoseEstimator
from vitruvian.cards import METADATA_KEY, OPTIONS
from vitruvian.evaluation import Procedure
from vitruvian.evaluation.procedures import padded_areas
from vitruvian.skeletons import unnamed
from vitruvian.zoo import load_pose

SCORES = np.array([[0.9, 0.5, 0.2, 0.1], [0.1, 0.2, 0.0, 0.15]])


@pytest.fixture
def pose(make_onnx) -> PoseEstimator:
    return load_pose(make_onnx({"heatmaps": np.zeros((3, 64, 48), np.float32)}), threads=1)


@pytest.fixture
def simcc(make_onnx) -> Path:
    outputs = {"x": np.zeros((3, 384), np.float32), "y": np.zeros((3, 512), np.float32)}
    return make_onnx(outputs, name="simcc.onnx")


def test_persons_are_ranked_as_published():
    boxes = [0.5, 0.8]
    # Above 0.2 are 0.9 and 0.5 of the first person, and nothing of the second.
    assert Procedure().rank(boxes, SCORES) == pytest.approx([0.5 * 0.7, 0])
    assert Procedure(keypoint_threshold=0.1).rank(boxes, SCORES) == pytest.approx([0.5 * 1.6 / 3, 0.8 * 0.175])
    assert Procedure(rescoring="sum").rank(boxes, SCORES) == pytest.approx([0.5 + 0.425 + 0.9, 0.8 + 0.1125 + 0.2])
    assert Procedure(rescoring="box").rank(boxes, SCORES).tolist() == boxes


def test_presets(make_onnx, pose):
    assert Procedure.of(pose, False) == Procedure.of(pose, True) == Procedure(keypoint_threshold=0.2, oks_nms=0.9)
    pair = {"x": np.zeros((3, 384), np.float32), "y": np.zeros((3, 512), np.float32)}

    def carded(family: str, size: tuple[int, int] = (256, 192), **options: float | bool) -> PoseEstimator:
        card = ModelCard("net", "pose", family, size, options=OPTIONS[family](**options), skeleton=unnamed(3))
        file = make_onnx(pair, input_shape=("N", 3, *size), metadata={METADATA_KEY: card.to_json()})
        return load_pose(file, threads=1)

    assert Procedure.of(carded("simdr", split=2.0), False).keypoint_threshold == 0.01
    # Of a probability; scores are in parts of the highest that Gaussians of 4 bins allow, 1 / (4 sqrt(2 pi)).
    for size, probability in (((256, 192), 0.01), ((384, 288), 0.005)):
        star = Procedure.of(carded("simdr", size, split=2.0, sigma=4.0), False).keypoint_threshold
        assert star == pytest.approx(probability * 4 * np.sqrt(2 * np.pi))
        assert Procedure.of(carded("simdr", size, split=2.0), False).keypoint_threshold == 0.01
    assert Procedure.of(carded("simdr", (128, 128), split=2.0), False).keypoint_threshold == 0.02
    assert Procedure.of(carded("simdr", split=2.0, softmax=False), False) == Procedure()
    assert Procedure.of(carded("regression"), False) == Procedure(rescoring="sum", oks_nms=0.9)
    assert Procedure.of(carded("regression"), True) == Procedure(rescoring="sum", oks_nms=None)
    assert Procedure().clip_boxes
    # The project's own nets learned from boxes as they are annotated.
    assert not Procedure.of(carded("heatmap", softmax=True, aligned=True), True).clip_boxes


def test_which_persons_stay():
    keypoints, areas = np.zeros((2, 3, 2)), np.full(2, 100.0)
    ranks, sigmas = np.array([0.1, 0.9]), (0.1, 0.1, 0.1)
    assert Procedure().keep(keypoints, ranks, areas, sigmas).tolist() == [1]
    assert Procedure(soft_nms=True).keep(keypoints, ranks, areas, sigmas).tolist() == [1, 0]
    assert Procedure(oks_nms=None).keep(keypoints, ranks, areas, sigmas).tolist() == [0, 1]
    assert Procedure(oks_nms=1.0).keep(keypoints, ranks, areas, sigmas).tolist() == [1, 0]


def test_the_area_is_what_the_crop_shows():
    boxes = np.array([[0, 0, 30, 80], [0, 0, 90, 40]], np.float32)
    # Made 3:4 by the longer side, 60x80 and 90x120, then 1.25 times each side.
    assert padded_areas(boxes, (256, 192), 1.25) == pytest.approx([75 * 100, 112.5 * 150])


def test_settings_reach_the_model(pose):
    changed = Procedure(flip=True, refine="dark", padding=1.1, flip_shift=False).configure(pose)
    assert (changed.flip, changed.card.padding, changed.codec.refine, changed.codec.flip_shift) == (
        True,
        1.1,
        "dark",
        False,
    )
    same = Procedure().configure(pose)
    assert (same.card, same.codec, same.flip) == (pose.card, pose.codec, False)


def test_the_flip_test_s_shift_is_the_model_s_unless_given(simcc):
    pose = load_pose(simcc, threads=1)
    # What MMPose exports is turned back without a shift.
    assert [Procedure(flip_shift=given).configure(pose).codec.flip_shift for given in (None, False, True)] == [
        False,
        False,
        True,
    ]


def test_only_heatmaps_are_refined(simcc):
    with pytest.raises(InputError, match="refine is for heatmaps"):
        Procedure(refine="dark").configure(load_pose(simcc, threads=1))


@pytest.mark.parametrize(
    "settings",
    [
        {"score": -0.1},
        {"score": float("nan")},
        {"keypoint_threshold": 1.1},
        {"oks_nms": 2},
        {"padding": 0},
        {"padding": float("inf")},
        {"refine": "half"},
        {"rescoring": "max"},
        {"soft_nms": True, "oks_nms": None},
    ],
    ids=str,
)
def test_settings_out_of_range(settings):
    with pytest.raises(InputError):
        Procedure(**settings)


def test_what_a_model_has_is_filled_in_and_nothing_else(pose, simcc):
    given = Procedure(refine="dark")
    configured = given.configure(pose)
    filled = given.resolved(configured.card)
    assert (filled.refine, filled.flip_shift, filled.padding) == ("dark", True, 1.25)
    assert filled.configure(pose).codec == configured.codec
    # Distributions of x and y have no sub-pixel step.
    assert Procedure().resolved(load_pose(simcc, threads=1).card).refine is None
