"""Joint angles against triangles worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian import COCO17, Poses, Skeleton
from vitruvian.angles import angles, joints
from vitruvian.skeletons import COCO_WHOLEBODY133, CROWDPOSE14, HALPE26, HAND21, MPII16

LIMBS = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "hip", "knee") for side in ("left", "right")]


def pose(points: dict[str, tuple[float, float]], score: float = 0.9, skeleton: Skeleton = COCO17) -> Poses:
    """One person with these keypoints; the others are unsure."""
    keypoints, scores = np.zeros((1, len(skeleton), 2), np.float32), np.zeros((1, len(skeleton)), np.float32)
    for name, point in points.items():
        keypoints[0, skeleton.keypoints.index(name)] = point
        scores[0, skeleton.keypoints.index(name)] = score
    return Poses(np.float32([[0, 0, 9, 9]]), np.ones(1, np.float32), keypoints, scores, skeleton)


def knee(hip, joint, ankle, **more) -> float:
    poses = pose({"left_hip": hip, "left_knee": joint, "left_ankle": ankle}, **more)
    return dict(zip(joints(poses.skeleton), angles(poses)[0].tolist(), strict=True))["left_knee"]


@pytest.mark.parametrize(
    ("hip", "joint", "ankle", "degrees"),
    [
        ((100, 0), (100, 50), (100, 100), 180),  # straight
        ((100, 0), (100, 50), (150, 50), 90),
        ((100, 0), (100, 50), (50, 50), 90),  # to either side
        ((100, 0), (100, 50), (100, 10), 0),  # folded
        ((100, 0), (100, 50), (150, 0), 45),
        # In the triangle of sides 3, 4 and 5 the angle between 3 and 5 has the cosine 3/5.
        ((0, 3), (0, 0), (4, 3), 53.13010235),
        # Half of a regular hexagon's corner, and the corner.
        ((10, 0), (0, 0), (5, 8.660254), 60),
        ((10, 0), (0, 0), (-5, 8.660254), 120),
    ],
)
def test_triangles(hip, joint, ankle, degrees):
    assert knee(hip, joint, ankle) == pytest.approx(degrees, abs=1e-4)
    # Wherever it is, however large and turned.
    turned = [(1000 - 7 * y, 500 + 7 * x) for x, y in (hip, joint, ankle)]
    assert knee(*turned) == pytest.approx(degrees, abs=1e-3)


@pytest.mark.parametrize("skeleton", [COCO17, HALPE26, COCO_WHOLEBODY133, CROWDPOSE14, MPII16])
def test_every_body_has_its_joints_by_name(skeleton):
    names = list(joints(skeleton))
    assert names[:8] == LIMBS
    ankles = ["left_ankle", "right_ankle"] if "left_big_toe" in skeleton.keypoints else []
    assert names[8:] == ankles
    for name, (first, joint, second) in joints(skeleton).items():
        assert skeleton.keypoints[joint] == name
        assert len({first, joint, second}) == 3


def test_each_joint_lies_between_its_limbs():
    """An upright figure with the arms level, the forearms raised, and the left knee bent."""
    points = {
        **{"left_shoulder": (60, 100), "left_elbow": (100, 100), "left_wrist": (100, 60)},
        **{"right_shoulder": (40, 100), "right_elbow": (0, 100), "right_wrist": (-40, 100)},
        **{"left_hip": (60, 200), "left_knee": (60, 250), "left_ankle": (110, 250)},
        **{"right_hip": (40, 200), "right_knee": (40, 250), "right_ankle": (40, 300)},
        **{"left_big_toe": (110, 270), "right_big_toe": (20, 300)},
    }
    poses = pose(points, skeleton=HALPE26)
    found = dict(zip(joints(HALPE26), angles(poses)[0].round(3).tolist(), strict=True))
    assert found == {
        **{"left_shoulder": 90, "right_shoulder": 90, "left_elbow": 90, "right_elbow": 180},
        **{"left_hip": 180, "right_hip": 180, "left_knee": 90, "right_knee": 180, "left_ankle": 90, "right_ankle": 90},
    }


def test_what_is_not_known_is_nan():
    straight = (100, 0), (100, 50), (100, 100)
    assert np.isnan(knee(*straight, score=0.29))
    assert knee(*straight, score=0.31) == pytest.approx(180)
    assert np.isnan(knee((np.nan, 0), *straight[1:]))
    assert np.isnan(knee((np.inf, 0), *straight[1:]))
    assert np.isnan(knee((100, 50), *straight[1:]))  # the hip on the knee
    unsure = pose({"left_hip": straight[0], "left_knee": straight[1], "left_ankle": straight[2]})
    assert np.isfinite(angles(unsure)).sum() == 1
    several = Poses.concatenate([unsure, replace(unsure, scores=np.zeros_like(unsure.scores))])
    assert np.isfinite(angles(several)).sum(axis=1).tolist() == [1, 0]


def test_nobody_and_a_skeleton_without_joints():
    assert angles(Poses.empty()).shape == (0, 8)
    assert angles(Poses.empty(HAND21)).shape == (0, 0)
