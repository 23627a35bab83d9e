"""Pictures with boxes, from COCO's instances, from keypoint annotations, and from a teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.datasets import Source
from vitruvian.datasets.boxes import read_boxes

IMAGES = [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 80}, {"id": 3, "file_name": "b.jpg"}]
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]


def box(number: int, image: int, xywh: list[float], category: int = 1, **more: object) -> dict[str, object]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": xywh, **more}


def source(
    folder: Path, annotations: list[dict[str, object]], name: str = "data", weight: float = 1.0, **more
) -> Source:
    images = folder / "images"
    images.mkdir(exist_ok=True)
    for file in ("a.jpg", "b.jpg"):
        (images / file).write_bytes(b"")
    content = {"images": IMAGES, "annotations": annotations, "categories": CATEGORIES, **more}
    (folder / f"{name}.json").write_text(json.dumps(content))
    return Source(folder / f"{name}.json", images, weight)


def test_boxes_of_instances_picture_by_picture(tmp_path):
    rows = [
        box(1, 3, [0, 0, 5, 6], score=0.25),
        box(2, 7, [10, 20, 30, 40]),
        box(3, 7, [1, 1, 1, 1], category=18),
        box(4, 7, [2, 2, 50, 50], iscrowd=1),
        box(5, 7, [2, 2, 0, 50]),
    ]
    found = read_boxes([source(tmp_path, rows, weight=0.5)])
    assert [Path(file).name for file in found.files] == ["a.jpg", "b.jpg"]
    assert found.boxes[found.box_rows(0)].tolist() == [[10, 20, 40, 60], [2, 2, 52, 52]]
    assert found.crowd[found.box_rows(0)].tolist() == [False, True]
    assert found.boxes[found.box_rows(1)].tolist() == [[0, 0, 5, 6]]
    assert found.confidences[found.box_rows(1)].tolist() == [0.25]
    assert found.sizes[0].tolist() == [100, 80]
    assert np.isnan(found.sizes[1]).all()
    assert found.copies.tolist() == [0.5, 0.5]
    assert "1 boxes have no area" in found.notes[0]


def test_pictures_without_persons_stay_and_missing_ones_go(tmp_path):
    data = source(tmp_path, [box(1, 7, [0, 0, 5, 6])])
    assert len(read_boxes([data])) == 2
    Path(data.images, "b.jpg").unlink()
    found = read_boxes([data])
    assert len(found) == 1
    assert found.ends.tolist() == [0, 1]
    assert "b.jpg" in found.notes[0]


def test_several_sets_and_some_of_their_pictures(tmp_path):
    first = source(tmp_path, [box(1, 7, [0, 0, 5, 6]), box(2, 3, [0, 0, 7, 8])])
    second = source(tmp_path, [box(1, 3, [0, 0, 9, 9])], "second", weight=2.0)
    found = read_boxes([first, second])
    assert [len(found.boxes[found.box_rows(row)]) for row in range(4)] == [1, 1, 0, 1]
    some = found[np.array([3, 1])]
    assert some.boxes.tolist() == [[0, 0, 9, 9], [0, 0, 7, 8]]
    assert some.copies.tolist() == [2, 1]
    assert some.ends.tolist() == [0, 1, 2]


def test_persons_without_keypoints_count(shared):
    folder = shared / "data/coco_mini/train"
    content = json.loads((folder / "person_keypoints.json").read_text())
    found = read_boxes([Source(folder / "person_keypoints.json", folder / "images")])
    assert len(found.boxes) == len(content["annotations"])
    assert int(found.crowd.sum()) == sum(record["iscrowd"] for record in content["annotations"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"annotations": []}, "no person has a box"),
        ({"annotations": [box(1, 7, [0, 0, 5, 5], iscrowd=1)]}, "no person has a box"),
        ({"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}, "no category is called person"),
        ({"annotations": [box(1, 7, [0, 0, 5])]}, "four numbers"),
        ({"annotations": [box(1, 9, [0, 0, 5, 5])]}, "which isn't there"),
        ({"annotations": [box(1, 7, [0, 0, 5, 5], score="much")]}, "score"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, more, words):
    with pytest.raises(InputError, match=words):
        read_boxes([source(tmp_path, **{"annotations": [], **more})])


def test_folders_that_are_not_theirs(tmp_path):
    data = source(tmp_path, [box(1, 7, [0, 0, 5, 6])])
    with pytest.raises(InputError, match="no such folder"):
        read_boxes([Source(data.annotations, tmp_path / "nowhere")])
    with pytest.raises(InputError, match="has none of the images"):
        read_boxes([Source(data.annotations, tmp_path)])
    with pytest.raises(InputError, match="no data"):
        read_boxes([])
