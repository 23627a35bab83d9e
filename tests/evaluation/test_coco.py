"""Average precision and recall against pycocotools, on sets with all that is awkward."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from coco_examples import annotations, person, random_set, result, witness
from vitruvian import InputError
from vitruvian.evaluation import read_annotations
from vitruvian.evaluation.coco import evaluate


def usable(seed: int) -> bool:
    """Whether pycocotools can say anything: it refuses an empty list of results."""
    data, results, _ = random_set(seed)
    return bool(results) and any(a["num_keypoints"] and not a["iscrowd"] for a in data["annotations"])


SEEDS = [seed for seed in range(90) if usable(seed)][:60]


def test_there_are_enough_sets_and_they_are_awkward():
    sets = [random_set(seed) for seed in SEEDS]
    assert len(sets) == 60
    persons = [person for data, _, _ in sets for person in data["annotations"]]
    assert sum(person["iscrowd"] for person in persons) > 50
    assert sum(person["num_keypoints"] == 0 for person in persons) > 50
    empty = [{a["image_id"] for a in data["annotations"]} < {i["id"] for i in data["images"]} for data, _, _ in sets]
    assert sum(empty) > 20
    scores = [[result["score"] for result in results] for _, results, _ in sets]
    assert sum(len(set(each)) < len(each) for each in scores) > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_keypoints_are_as_pycocotools_says(seed):
    data, results, sigmas = random_set(seed)
    expected = witness(copy.deepcopy(data), copy.deepcopy(results), sigmas=sigmas)
    ids = [image["id"] for image in data["images"]]
    measured = evaluate(read_annotations(data), results, "keypoints", ids, sigmas).numbers
    assert measured == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.mark.parametrize("seed", SEEDS[:20])
def test_boxes_are_as_pycocotools_says(seed):
    data, results, _ = random_set(seed)
    boxes = []
    for entry in results:
        points = np.reshape(entry["keypoints"], (-1, 3))[:, :2]
        low, high = points.min(axis=0), points.max(axis=0) + 1
        boxes.append(
            {"image_id": entry["image_id"], "category_id": 1, "bbox": [*low, *(high - low)], "score": entry["score"]}
        )
    expected = witness(copy.deepcopy(data), copy.deepcopy(boxes), "bbox")
    ids = [image["id"] for image in data["images"]]
    measured = evaluate(read_annotations(data), boxes, "bbox", ids).numbers
    shared = {name: value for name, value in measured.items() if name in expected}
    assert set(shared) == {"AP", "AP50", "AP75", "APS", "APM", "APL", "AR", "ARS", "ARM", "ARL"}
    assert shared == pytest.approx({name: expected[name] for name in shared}, abs=1e-9, rel=0)


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_a_part_of_the_images_counts_alone(seed):
    data, results, sigmas = random_set(seed)
    ids = [image["id"] for image in data["images"]][::2]
    expected = witness(copy.deepcopy(data), copy.deepcopy(results), sigmas=sigmas, image_ids=ids)
    measured = evaluate(read_annotations(data), results, "keypoints", ids, sigmas).numbers
    assert measured == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_a_keypoint_alone_is_a_set_where_no_other_is_labelled(seed):
    data, results, sigmas = random_set(seed)
    single = copy.deepcopy(data)
    for record in single["annotations"]:
        record["keypoints"][3:] = [0] * (len(record["keypoints"]) - 3)
        record["num_keypoints"] = int(record["keypoints"][2] > 0)
    expected = witness(single, copy.deepcopy(results), sigmas=sigmas)
    ids = [image["id"] for image in data["images"]]
    measured = evaluate(read_annotations(data), results, "keypoints", ids, sigmas, keypoint=0).numbers
    assert measured == pytest.approx(expected, abs=1e-9, rel=0)


def points(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, float)


FULL = points((10, 10, 2), (40, 10, 2), (25, 40, 1))


def test_no_results_are_worth_nothing():
    truth = read_annotations(annotations(persons=[person(1, 1, FULL)]))
    numbers = evaluate(truth, [], "keypoints", [1], [0.1] * 3).numbers
    assert {name: numbers[name] for name in ("AP", "AP50", "AR")} == {"AP": 0, "AP50": 0, "AR": 0}


def test_where_nothing_is_of_a_size_the_number_is_minus_one():
    truth = read_annotations(annotations(persons=[person(1, 1, FULL, area=2000.0)]))
    numbers = evaluate(truth, [result(1, FULL, 1.0)], "keypoints", [1], [0.1] * 3).numbers
    assert (numbers["APM"], numbers["APL"]) == (pytest.approx(1), -1)


def test_a_find_of_an_unlabelled_person_or_in_a_crowd_is_neither_right_nor_wrong():
    nobody = FULL * [1, 1, 0] + np.array([100, 0, 0])
    crowd = FULL + np.array([200, 0, 0])
    persons = [person(1, 1, FULL), person(2, 1, nobody), person(3, 1, crowd, iscrowd=1)]
    found = [
        result(1, keypoints, score) for keypoints, score in ((FULL, 0.5), (nobody, 0.9), (crowd, 0.8), (crowd, 0.7))
    ]
    truth = read_annotations(annotations(persons=persons))
    assert evaluate(truth, found, "keypoints", [1], [0.1] * 3).numbers["AP"] == pytest.approx(1)


def test_without_hotcoco_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hotcoco", None)
    truth = read_annotations(annotations(persons=[person(1, 1, FULL)]))
    with pytest.raises(InputError, match=r"pip install 'vitruvian\[evaluate\]'"):
        evaluate(truth, [], "keypoints", [1], [0.1] * 3)
