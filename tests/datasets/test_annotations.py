"""What annotations may and may not be."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coco_examples import annotations, person
from vitruvian import InputError
from vitruvian.datasets import read_persons
from vitruvian.evaluation import read_annotations

FULL = np.array([[10, 10, 2], [40, 10, 2], [25, 40, 1]], float)


def one(**fields: Any) -> dict[str, Any]:
    return annotations(persons=[person(7, 1, FULL, **fields)])


def without(data: dict[str, Any], field: str) -> dict[str, Any]:
    del data["annotations"][0][field]
    return data


def refused(data: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_annotations(data)


def test_names_limbs_and_sigmas_are_those_of_the_category():
    data = one()
    data["categories"][0]["sigmas"] = [0.1, 0.2, 0.3]
    skeleton = read_annotations(data).skeleton
    assert skeleton.keypoints == ("k0", "left_1", "right_1")
    assert skeleton.limbs == ((0, 1), (1, 2))
    assert skeleton.sigmas == (0.1, 0.2, 0.3)
    assert skeleton.flip_pairs == ((1, 2),)


def test_a_file_that_is_not_there(tmp_path):
    refused(tmp_path / "gone.json", r"gone\.json: no such file; give COCO-style keypoint annotations")


@pytest.mark.parametrize("text", ["", "{", '{"images": [}', "\x00"])
def test_broken_json(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    refused(path, r"broken\.json is no valid JSON")


@pytest.mark.parametrize("content", [[], 3, {}, {"images": []}, {"images": {}, "annotations": [], "categories": []}])
def test_json_that_is_something_else(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    refused(path, r"other\.json (is a list, such as COCO's results|has no list '(images|annotations)')")


def test_entries_that_are_no_objects():
    refused({"images": [3], "annotations": [], "categories": []}, "entries that are no objects")


def test_annotations_of_boxes_only():
    data = one()
    del data["categories"][0]["keypoints"]
    refused(data, "no category names its keypoints")


def test_persons_without_keypoints_only():
    refused(without(one(num_keypoints=0), "keypoints"), "none of its 1 persons has labelled keypoints")


def test_no_persons():
    refused(annotations(), "none of its 0 persons")


def test_a_person_without_keypoints_among_others_is_neither_found_nor_missed():
    data = annotations(persons=[person(1, 1, FULL), person(2, 1, FULL, num_keypoints=0)])
    del data["annotations"][1]["keypoints"]
    truth = read_annotations(data)
    assert truth.counted.tolist() == [True, False]
    assert not truth.keypoints[1].any()


def test_a_crowd_is_not_counted():
    data = annotations(persons=[person(1, 1, FULL), person(2, 1, FULL, iscrowd=1, keypoints=[])])
    assert read_annotations(data).counted.tolist() == [True, False]


@pytest.mark.parametrize("count", [1, 8, 10, 51])
def test_a_wrong_number_of_keypoints(count):
    refused(one(keypoints=[1] * count), f"annotation 7 has {count} numbers as keypoints; .* 3 keypoints need 9")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_keypoints_and_boxes_that_are_not_finite(bad):
    refused(one(keypoints=[bad] * 9), "keypoints of annotation 7 aren't finite")
    refused(one(bbox=[0, 0, bad, 5]), r"annotation 7: its bbox is \[.*\]; every number must be finite")
    refused(one(area=bad), "area of annotation 7 isn't finite")


@pytest.mark.parametrize("bad", [None, [1, 2, 3], "box", [1, 2, 3, "x"]])
def test_what_is_no_box(bad):
    refused(one(bbox=bad), "annotation 7: its bbox is")


@pytest.mark.parametrize("field", ["area", "num_keypoints"])
def test_what_is_no_number(field):
    refused(one(**{field: "many"}), f"the field {field} of an annotation is no number")


def test_keypoints_that_are_no_numbers():
    refused(one(keypoints=["x"] * 9), "its keypoints are no numbers")


def test_ids_that_occur_twice():
    refused(annotations(persons=[person(3, 1, FULL), person(3, 1, FULL)]), "annotation ids 3 occur more than once")
    data = one()
    data["images"] *= 2
    refused(data, "image ids 1 occur more than once")


def test_an_annotation_of_an_image_that_is_not_there():
    refused(one(image_id=99), "annotation 7 is of image 99, which isn't there")


@pytest.mark.parametrize("fields", [{"id": "a"}, {"id": None}, {"file_name": None}])
def test_images_without_id_or_name(fields):
    data = one()
    data["images"][0].update(fields)
    refused(data, "an image needs an integer id and a file_name")


def test_limbs_to_nowhere():
    data = one()
    data["categories"][0]["skeleton"] = [[0, 1]]
    refused(data, "counts from 1 to 3")


@pytest.mark.parametrize("sigmas", [[0.1], [0.1, 0.1, -1], [0.1, 0.1, math.nan]])
def test_sigmas_that_do_not_fit(sigmas):
    data = one()
    data["categories"][0]["sigmas"] = sigmas
    refused(data, "need as many sigmas, above 0")


def test_what_is_left_out_is_assumed_and_said():
    truth = read_annotations(without(without(one(bbox=[0, 0, 10, 20]), "area"), "iscrowd"))
    assert truth.areas.tolist() == [pytest.approx(0.53 * 200)]
    assert not truth.crowd.any()
    assert "no area; 0.53 x box area is used instead (normal for YOLO and CVAT)" in " ".join(truth.notes)
    assert read_annotations(without(one(), "num_keypoints")).labelled.tolist() == [3]


def test_a_number_of_keypoints_that_is_not_theirs_is_kept_and_said():
    truth = read_annotations(one(num_keypoints=1))
    assert truth.labelled.tolist() == [1]
    assert "num_keypoints" in truth.notes[0]


def test_other_categories_are_left_out():
    data = one()
    data["categories"].append({"id": 2, "name": "dog", "keypoints": ["nose"]})
    data["annotations"].append({"id": 8, "image_id": 1, "category_id": 2, "bbox": None})
    truth = read_annotations(data)
    assert (len(truth), truth.category) == (1, 1)
    assert "'person'" in truth.notes[0]


def test_values_of_another_type():
    refused(one(keypoints=5), "annotation 7 has 5 as keypoints; a list of numbers is needed")
    refused(one(keypoints="abcdefghi"), "annotation 7 has 'abcdefghi' as keypoints")
    refused(one(image_id=[1]), r"annotation 7 is of image \[1\], which isn't there")
    data = one()
    data["categories"][0]["keypoints"] = 5
    refused(data, "the category 'person' can't be read")


def test_numbers_beyond_what_floats_and_integers_hold():
    for name, value in (("skeleton", [[math.inf, 1]]), ("sigmas", [10**400] * 3), ("id", math.inf)):
        data = one()
        data["categories"][0][name] = value
        refused(data, "can't be read|no category|none of its")
    refused(one(bbox=[0, 0, 10**400, 5]), "annotation 7: its bbox is")
    refused(one(keypoints=[10**400] * 9), "its keypoints")
    refused(one(area=10**400), "area")
    refused(one(id=2**63), "an annotation's id is")
    refused(one(image_id=2**63), "which isn't there")
    data = one()
    data["images"][0]["id"] = 2**63
    refused(data, "an image needs an integer id")


@pytest.mark.parametrize("area", [0, -3.5])
def test_an_area_of_0_or_less_is_a_missing_one(tmp_path, area):
    data = annotations(2, persons=[person(1, 1, np.array([[10, 10, 2], [20, 30, 2]]), area=area)])
    (tmp_path / "a.json").write_text(json.dumps(data))
    found = read_annotations(tmp_path / "a.json")
    assert found.areas.tolist() == pytest.approx([0.53 * 10 * 20])
    assert any("1 persons have an area of 0 or less" in note for note in found.notes)


def test_a_real_file_with_areas_of_0(shared):
    found = read_annotations(shared / "cases/area0.json")
    assert (found.areas[found.counted] > 0).all()
    assert any("area of 0 or less" in note for note in found.notes)


def test_keypoints_that_all_score_0_teach_nothing(draw):
    source = draw(1)
    data = json.loads(Path(source.annotations).read_text())
    data["annotations"][0]["keypoint_scores"] = [0.0] * 5
    Path(source.annotations).write_text(json.dumps(data))
    with pytest.raises(InputError, match="keypoint_scores of all labelled keypoints are 0"):
        read_persons([source])
