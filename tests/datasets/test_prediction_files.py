"""What `vitruvian predict --json` writes, read as annotations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, Poses
from vitruvian.datasets import Source, read_persons
from vitruvian.datasets.reading import read_annotations
from vitruvian.media import JsonFile
from vitruvian.media.frames import Frame
from vitruvian.skeletons import COCO17


def written(folder: Path, frames: int = 2, time: float | None = None) -> tuple[Path, Poses]:
    """A file of that many pictures with two persons each, and the poses of one of them."""
    rng = np.random.default_rng(0)
    poses = Poses(
        np.array([[10, 20, 60, 120], [30, 5, 70, 90]], np.float32),
        np.array([0.9, 0.5], np.float32),
        rng.uniform(10, 90, (2, 17, 2)).astype(np.float32),
        np.linspace(0.05, 0.95, 34).reshape(2, 17).astype(np.float32),
    )
    sink = JsonFile(folder / "poses.json", str(folder / "photos"), COCO17)
    image = np.zeros((130, 100, 3), np.uint8)
    for number in range(frames):
        sink.write(Frame(image, str(folder / "photos" / "deep" / f"{number}.jpg"), number, time), poses)
    sink.close()
    return folder / "poses.json", poses


def test_persons_boxes_and_names_are_those_predicted(tmp_path):
    path, poses = written(tmp_path)
    found = read_annotations(path)
    assert [record["file_name"] for record in found.images.values()] == ["deep/0.jpg", "deep/1.jpg"]
    assert found.image_ids.tolist() == [0, 0, 1, 1]
    assert found.boxes[0] == pytest.approx([10, 20, 50, 100])
    assert found.keypoints[:2, :, :2] == pytest.approx(poses.keypoints, abs=0.01)
    assert found.skeleton.keypoints == COCO17.keypoints
    assert found.skeleton.limbs == COCO17.limbs


def test_scores_weigh_keypoints_and_low_ones_count_as_missing(tmp_path):
    path, poses = written(tmp_path)
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "photos" / "deep" / f"{number}.jpg").write_bytes(b"")
    persons = read_persons([Source(path, tmp_path / "photos")])
    assert len(persons) == 4
    expected = np.where(poses.scores > 0.2, poses.scores, 0)
    assert persons.confidences[:2] == pytest.approx(expected, abs=1e-4)
    assert (persons.confidences[0] == 0).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("skeleton"), "not what vitruvian predict --json writes"),
        (lambda data: data["frames"][0]["persons"][0].pop("box"), "not what vitruvian predict --json writes"),
        (lambda data: data["frames"][0]["persons"][0].update(keypoints=[[1, 2]]), "not what vitruvian predict"),
        (lambda data: data["frames"][0].update(time=0.5), "poses of a video"),
        (lambda data: data["frames"][1].update(source=data["frames"][0]["source"]), "occur more than once"),
        (lambda data: data["frames"][0]["persons"][0]["keypoint_scores"].__setitem__(0, 2.0), "in 0..1"),
        (lambda data: data["frames"][0]["persons"][0]["box"].__setitem__(0, None), "not what vitruvian predict"),
    ],
)
def test_damage_is_told(tmp_path, change, message):
    path, _ = written(tmp_path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as error:
        read_annotations(path)
    assert str(path) in str(error.value)
