"""`--skeleton` of predict and evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from known import Command, Models, make_picture, read_json

from vitruvian.skeletons import SKELETONS

ANIMAL = SKELETONS["ap10k17"]


@pytest.fixture
def three(make_onnx) -> Path:
    """A pose net of three keypoints without names."""
    maps = np.random.default_rng(0).uniform(0, 1, (3, 16, 12)).astype(np.float32)
    return make_onnx({"heatmaps": maps}, input_shape=("N", 3, 64, 48), name="three.onnx")


def test_predict_names_the_keypoints(predict: Command, folder: Path) -> None:
    picture = make_picture(folder / "a.png")
    assert predict(picture, "--json", "a.json", "--no-draw", "--skeleton", "ap10k17").code == 0
    assert read_json(folder / "a.json")["skeleton"]["keypoints"] == list(ANIMAL.keypoints)
    names = [f"point {number}" for number in range(17)]
    (folder / "mine.json").write_text(json.dumps({"keypoints": names, "limbs": [[names[0], names[1]]]}))
    assert predict(picture, "--json", "b.json", "--no-draw", "--skeleton", "mine.json").code == 0
    found = read_json(folder / "b.json")["skeleton"]
    assert found == {"name": "mine", "keypoints": names, "limbs": [[0, 1]]}


def test_other_objects_found_by_the_person_detector_are_warned_of(
    command: Command, models: Models, three: Path, folder: Path
) -> None:
    picture = make_picture(folder / "a.png")
    (folder / "tool.json").write_text(json.dumps({"keypoints": ["Claw", "face", "grip"]}))
    (folder / "face.json").write_text(json.dumps({"keypoints": ["Nose", "chin", "brow"]}))
    (folder / "boxes.csv").write_text("source,x1,y1,x2,y2\na.png,1,1,30,40\n")
    tool = ("predict", picture, "--no-draw", "--pose", three, "--skeleton", "tool.json")
    words = (
        "the detector finds persons, and none of the pose net's keypoints has the name of a person's: Claw, face, grip"
    )
    done = command(*tool, "--json", "0.json")
    assert (done.code, words in done.err) == (0, True), done.err
    # Another detector, persons' keypoints, or nothing but numbers.
    face = ("predict", picture, "--no-draw", "--pose", three, "--skeleton", "face.json")
    bare = ("predict", picture, "--no-draw", "--pose", three)
    for number, arguments in enumerate(
        ((*tool, "--detector", models.detector), (*tool, "--boxes", "boxes.csv"), face, bare)
    ):
        done = command(*arguments, "--json", f"{number + 1}.json")
        assert (done.code, "the detector finds persons" in done.err) == (0, False), done.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("coco", "no skeleton is called 'coco'; did you mean"),
        ("nowhere.yaml", "nowhere.yaml can't be read"),
        ("halpe26", "returns 17 keypoints; the skeleton halpe26 has 26"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(predict: Command, folder: Path, given: str, words: str) -> None:
    done = predict(make_picture(folder / "a.png"), "--no-draw", "--json", "a.json", "--skeleton", given)
    assert done.code == 2
    assert words in done.err
    assert not (folder / "a.json").exists()


def test_flip_without_names_is_refused(command: Command, models: Models, three: Path, folder: Path) -> None:
    picture = make_picture(folder / "a.png")
    arguments = ["predict", picture, "--pose", three, "--detector", models.detector, "--no-draw", "--json", "a.json"]
    done = command(*arguments, "--flip")
    assert (done.code, "--skeleton" in done.err) == (2, True)
    (folder / "mine.json").write_text(json.dumps({"keypoints": ["tip", "left_end", "right_end"]}))
    assert command(*arguments, "--flip", "--skeleton", "mine.json").code == 0


def test_evaluate_takes_its_names_and_sigmas(command: Command, models: Models, folder: Path) -> None:
    make_picture(folder / "images/1.png")
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [16, 12, 64, 72], "area": 2400.0, "iscrowd": 0}
    old_names = [f"keypoint_{number}" for number in range(17)]
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": 128, "height": 96}],
        "categories": [{"id": 1, "name": "animal", "keypoints": old_names, "skeleton": []}],
        "annotations": [{**person, "keypoints": [40, 40, 2] * 17, "num_keypoints": 17}],
    }
    (folder / "data.json").write_text(json.dumps(content))
    arguments = ["evaluate", "--annotations", "data.json", "--images", "images", "--pose", models.pose, "--flip"]
    refused = command(*arguments, "-o", "plain")
    assert (refused.code, "--skeleton" in refused.err) == (2, True)
    assert command(*arguments, "-o", "named", "--skeleton", "ap10k17").code == 0
    notes = read_json(folder / "named/metrics.json")["notes"]
    assert "sigmas of OKS: the model's skeleton ap10k17" in notes
    wrong = command(*arguments, "-o", "wrong", "--skeleton", "hand21")
    assert wrong.code == 2
    assert "--skeleton hand21 has 21 keypoints" in wrong.err
