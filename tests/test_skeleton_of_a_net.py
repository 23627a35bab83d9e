"""What the keypoints of a pose net are: given, in its file, or the only known ones of that number."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vitruvian as vt
from vitruvian import InputError, Skeleton
from vitruvian.cards import METADATA_KEY
from vitruvian.evaluation import evaluate_coco
from vitruvian.skeletons import SKELETONS, unnamed
from vitruvian.zoo import load_pose

OWN = Skeleton("mine", ("tip", "left_end", "right_end"), ((0, 1), (0, 2)))


@pytest.fixture
def net(make_onnx):
    """Writes a pose net that returns `count` heatmaps, of which only their number is known."""

    def make(count: int, **more: object) -> Path:
        maps = np.random.default_rng(0).uniform(0, 1, (count, 16, 12)).astype(np.float32)
        return make_onnx({"heatmaps": maps}, input_shape=("N", 3, 64, 48), **more)

    return make


@pytest.mark.parametrize("name", ["halpe26", "coco_wholebody133", "hand21", "crowdpose14", "mpii16"])
def test_the_only_known_skeleton_is_taken_aloud(net, name: str, caplog: pytest.LogCaptureFixture) -> None:
    skeleton = SKELETONS[name]
    with caplog.at_level(logging.INFO, "vitruvian"):
        pose = load_pose(net(len(skeleton)), threads=1)
    assert pose.skeleton is skeleton
    assert f"its {len(skeleton)} keypoints are taken for those of {name}" in caplog.text
    poses = vt.TopDown(pose)(np.zeros((64, 48, 3), np.uint8), boxes=[[0, 0, 48, 64]])
    assert poses.skeleton is skeleton


def test_coco_s_count_is_coco_s_and_other_counts_are_numbered(net, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "vitruvian"):
        assert load_pose(net(17), threads=1).skeleton is vt.COCO17
        assert load_pose(net(18), threads=1).skeleton == unnamed(18)
    assert "taken for" not in caplog.text


def test_a_skeleton_that_is_given_rules(net, tmp_path: Path) -> None:
    assert load_pose(net(17), skeleton="ap10k17", threads=1).skeleton is SKELETONS["ap10k17"]
    assert load_pose(net(3), skeleton=OWN, threads=1).card.skeleton is OWN
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"keypoints": OWN.keypoints, "limbs": [["tip", "left_end"], ["tip", "right_end"]]}))
    assert load_pose(net(3), skeleton=str(file), threads=1).skeleton == OWN
    card = replace(load_pose(net(3), threads=1).card, skeleton=OWN)
    carried = net(3, metadata={METADATA_KEY: card.to_json()}, name="carried.onnx")
    assert load_pose(carried, threads=1).skeleton == OWN
    other = replace(OWN, name="other")
    assert load_pose(carried, skeleton=other, threads=1).skeleton == other


def test_another_number_of_keypoints_is_refused(net) -> None:
    with pytest.raises(InputError, match="returns 3 keypoints; the skeleton coco17 has 17"):
        load_pose(net(3), skeleton="coco17")


def test_the_flip_test_needs_names(net) -> None:
    """Without them it would average left with right."""
    file = net(3)
    with pytest.raises(InputError, match="--skeleton"):
        load_pose(file, flip=True)
    pose = load_pose(file, threads=1)
    pose.flip = True
    with pytest.raises(InputError, match="--skeleton"):
        vt.TopDown(pose)(np.zeros((64, 48, 3), np.uint8), boxes=[[0, 0, 48, 64]])
    assert load_pose(file, flip=True, skeleton=OWN, threads=1).skeleton.flip_pairs == ((1, 2),)
    # A hand has names, and no two of its keypoints trade places.
    assert load_pose(net(21), flip=True, threads=1).skeleton.flip_pairs == ()


def test_annotations_know_better_than_a_guess(net, tmp_path: Path) -> None:
    """14 keypoints are taken for CrowdPose's, but annotations name their own, even the same in another order."""
    names = tuple(reversed(SKELETONS["crowdpose14"].keypoints))
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 48, 64], "area": 900.0, "iscrowd": 0}
    data = {
        "images": [{"id": 1, "file_name": "1.png", "width": 48, "height": 64}],
        "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": []}],
        "annotations": [{**person, "keypoints": [5, 5, 2] * 14, "num_keypoints": 14}],
    }
    vt.media.write_image(tmp_path / "1.png", np.zeros((64, 48, 3), np.uint8))
    pose = load_pose(net(14), threads=1)
    assert evaluate_coco(pose, data, tmp_path, flip=True).skeleton.keypoints == names
    data["categories"][0]["keypoints"] = unnamed(14).keypoints
    with pytest.raises(InputError, match="--skeleton"):
        evaluate_coco(pose, data, tmp_path, flip=True)
