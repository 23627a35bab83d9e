"""The boxes that are taken: detections from files, annotated ones, and pictures that are there or not."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from coco_examples import annotations, person
from vitruvian import InputError
from vitruvian.evaluation import read_annotations
from vitruvian.evaluation.inputs import annotated, gather, read_detections

FULL = np.array([[10, 10, 2], [40, 10, 2], [25, 40, 1]], float)
TRUTH = read_annotations(annotations(images=3, persons=[person(1, 1, FULL), person(2, 2, FULL)]))


def detection(image_id: int = 1, score: float = 0.5, **fields: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "bbox": [5.0, 6, 30, 20], "score": score, **fields}


def test_boxes_by_image_best_first():
    found = read_detections([detection(2, 0.2), detection(1, 0.3), detection(2, 0.9, bbox=[1, 2, 3, 4])], TRUTH)
    assert list(found.boxes) == [1, 2]
    assert found.boxes[2].xyxy.tolist() == [[1, 2, 4, 6], [5, 6, 35, 26]]
    assert found.boxes[2].scores == pytest.approx([0.9, 0.2])
    assert found.problems == ()


def test_other_categories_are_passed_over():
    found = read_detections([detection(), detection(2, category_id=18)], TRUTH)
    assert list(found.boxes) == [1]
    assert found.problems == ()


def test_unknown_images_and_boxes_without_area_are_told():
    found = read_detections([detection(), detection(77), detection(2, bbox=[1, 1, 0, 5])], TRUTH)
    assert list(found.boxes) == [1]
    assert "1 detections of images that the annotations don't have: 77" in found.problems[0]
    assert "1 boxes have no area" in found.problems[1]


@pytest.mark.parametrize(
    ("records", "match"),
    [
        ([], "of its 0 detections none"),
        ([detection(77)], "of its 1 detections none"),
        ({"images": []}, "no list of detections"),
        ([3], "no list of detections"),
        ([detection(), detection(image_id="1")], "entry 1 needs an integer image_id and a score"),
        ([detection(image_id=2**63)], "entry 0 needs an integer image_id and a score"),
        ([detection(score=10**400)], "entry 0 needs an integer image_id and a score"),
        ([detection(bbox=[1, 2, 10**400, 4])], "entry 0: its bbox"),
        ([detection(score=None)], "entry 0 needs an integer image_id and a score"),
        ([detection(bbox=[1, 2, math.nan, 4])], "entry 0: its bbox .* must be finite"),
        ([detection(), detection(bbox=[1, 2])], "entry 1: its bbox"),
        ([detection(score=math.nan)], "entry 0 has a score that isn't finite"),
    ],
)
def test_detections_that_cannot_be_used(records, match):
    with pytest.raises(InputError, match=match):
        read_detections(records, TRUTH)


def test_a_detections_file_that_is_broken(tmp_path):
    path = tmp_path / "dets.json"
    path.write_text(json.dumps([detection()])[:-3])
    with pytest.raises(InputError, match=r"dets\.json is no valid JSON"):
        read_detections(path, TRUTH)


def test_annotated_boxes_are_of_those_to_be_found():
    persons = [
        person(1, 1, FULL, bbox=[5, 5, 30, 20]),
        person(2, 1, FULL, iscrowd=1),
        person(3, 1, FULL * [1, 1, 0]),
        person(4, 2, FULL, bbox=[5, 5, 0, 20]),
    ]
    boxes = annotated(read_annotations(annotations(images=2, persons=persons)), clip=False)
    assert boxes[1].xyxy.tolist() == [[5, 5, 35, 25]]
    assert boxes[1].scores.tolist() == [1]
    assert len(boxes[2]) == 0


def test_clipped_boxes_are_those_of_hrnet_s_loader():
    # The pictures are 64x48. By the published lines: x1 = max(0, x), x2 = min(width - 1, x1 + max(0, w - 1)).
    persons = [person(1, 1, FULL, bbox=[-4, 10, 30, 20]), person(2, 1, FULL, bbox=[50, 40.5, 30, 20])]
    boxes = annotated(read_annotations(annotations(persons=persons)), clip=True)
    assert boxes[1].xyxy.tolist() == [[0, 10, 29, 29], [50, 40.5, 63, 47]]


@pytest.mark.parametrize("sides", [{}, {"width": "wide", "height": None}, {"width": 0}, {"width": 10**400}])
def test_pictures_whose_size_is_not_said_have_no_edge_on_the_right(sides):
    data = annotations(persons=[person(1, 1, FULL, bbox=[-4, 10, 300, 200])])
    data["images"] = [{"id": 1, "file_name": "1.png", **sides}]
    assert annotated(read_annotations(data), clip=True)[1].xyxy.tolist() == [[0, 10, 299, 209]]


def test_missing_pictures_are_listed(tmp_path):
    (tmp_path / "2.png").write_bytes(b"")
    pictures, missing = gather(TRUTH, tmp_path, None)
    assert [picture.image_id for picture in pictures] == [2]
    assert missing == ["1.png", "3.png"]
    assert pictures[0].size == (64, 48)


def test_no_pictures_at_all(tmp_path):
    with pytest.raises(InputError, match=r"has none of the images of .*, such as 1\.png"):
        gather(TRUTH, tmp_path, None)
    with pytest.raises(InputError, match="no such folder"):
        gather(TRUTH, tmp_path / "gone", None)
