"""YOLO data sets for poses and boxes, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as PIL

from vitruvian import InputError
from vitruvian.datasets import DataSource, check, read_annotations, read_persons
from vitruvian.datasets.boxes import read_boxes
from vitruvian.datasets.conversion import convert

WIDTH, HEIGHT = 200, 100
DATA = """
train: images/train
val: images/val
kpt_shape: [3, 3]
flip_idx: [0, 2, 1]
names: {0: person, 1: dog}
"""


def data_set(folder: Path, data: str = DATA, line: str = "0 0.5 0.5 0.2 0.6 0.5 0.3 2 0.45 0.5 1 0 0 0") -> Path:
    """A picture in each split, with the same line as its labels, and one in train without a label file."""
    for split, names in (("train", ("a", "empty")), ("val", ("b",))):
        for name in names:
            picture = folder / "images" / split / f"{name}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            PIL.new("RGB", (WIDTH, HEIGHT)).save(picture)
        labels = folder / "labels" / split / f"{names[0]}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(line + "\n")
    (folder / "data.yaml").write_text(data)
    return folder / "data.yaml"


def test_a_person_by_hand(tmp_path):
    found = read_annotations(data_set(tmp_path), split="train")
    assert [record["file_name"] for record in found.images.values()] == ["images/train/a.png", "images/train/empty.png"]
    assert {(record["width"], record["height"]) for record in found.images.values()} == {(WIDTH, HEIGHT)}
    # The centre is (100, 50), the box 40 wide and 60 high.
    assert found.boxes.tolist() == [[80, 20, 40, 60]]
    assert found.keypoints[0].tolist() == [[100, 30, 2], [90, 50, 1], [0, 0, 0]]
    assert found.labelled.tolist() == [2]
    assert found.skeleton.flip_pairs == ((1, 2),)
    assert any("only the category 'person'" in note for note in found.notes)


def test_pictures_turned_by_exif_have_the_size_that_is_shown(tmp_path):
    path = data_set(tmp_path)
    exif = PIL.Exif()
    exif[0x0112] = 6
    (tmp_path / "images/val/b.png").unlink()
    PIL.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images/val/b.jpg", exif=exif)
    (record,) = read_annotations(path).images.values()
    assert (record["width"], record["height"]) == (HEIGHT, WIDTH)


def test_keypoints_without_visibility(tmp_path):
    data = DATA.replace("[3, 3]", "[3, 2]")
    found = read_annotations(data_set(tmp_path, data, "0 .5 .5 .2 .6 .5 .3 0 0 -1 -1"))
    assert found.keypoints[0].tolist() == [[100, 30, 2], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("reader", ["data.yaml", "."])
def test_training_reads_pictures_below_the_file(tmp_path, reader):
    data_set(tmp_path)
    persons = read_persons([DataSource(tmp_path / reader)])
    assert persons.keypoints[0, :2].tolist() == [[100, 30], [90, 50]]
    assert [Path(file).is_file() for file in persons.files] == [True, True]
    assert len(read_boxes([DataSource(tmp_path / reader, split="val")])) == 1
    assert not [found for found in check(DataSource(tmp_path / reader)) if "missing" in found.what]


def test_names_of_keypoints(tmp_path):
    named = read_annotations(data_set(tmp_path, DATA + "kpt_names: {0: [nose, left_eye, right_eye]}"))
    assert named.skeleton.keypoints == ("nose", "left_eye", "right_eye")
    assert read_annotations(tmp_path / "data.yaml").skeleton.pairs == ((1, 2),)
    line = "0 0.5 0.5 0.2 0.6" + " 0.5 0.5 2" * 17
    coco = read_annotations(
        data_set(tmp_path, "train: images/train\nval: images/val\nkpt_shape: [17, 3]\nnames: [person]", line)
    )
    assert coco.skeleton.keypoints[5] == "left_shoulder"
    assert any("taken for those of coco17" in note for note in coco.notes)


@pytest.mark.parametrize("train", ["../images/train", "['images/train']", "list.txt", "{folder}/images/train"], ids=str)
def test_ways_to_name_the_pictures(tmp_path, train):
    path = data_set(tmp_path)
    (tmp_path / "list.txt").write_text("./images/train/a.png\n\n./images/train/empty.png\n")
    path.write_text(DATA.replace("images/train", train.format(folder=tmp_path)))
    assert len(read_persons([DataSource(path)]).files) == 2


def test_pictures_elsewhere_are_refused_unless_allowed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    data_set(tmp_path / "elsewhere")
    (tmp_path / "own").mkdir()
    path = tmp_path / "own/data.yaml"
    path.write_text(f"path: {tmp_path / 'elsewhere'}\n{DATA}")
    with pytest.raises(InputError, match="--allow-outside"):
        read_persons([DataSource(path)])
    assert len(read_persons([DataSource(path, allow_outside=True)])) == 1
    assert len(read_persons([DataSource(path, tmp_path / "elsewhere")])) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2", r"a\.txt, line 1: 4 numbers, not the 14"),
        ("0 0.5 0.5 0.2 0.6" + " nan" * 9, r"a\.txt, line 1: a number isn't finite"),
        ("0 0.5 0.5 0.2 x" + " 0" * 9, "are no numbers"),
        ("7 0.5 0.5 0.2 0.6" + " 0" * 9, "class 7; there are 2"),
    ],
)
def test_labels_that_are_wrong(tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        read_annotations(data_set(tmp_path, line=line), split="train")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("names: [person]", "describes no YOLO data set"),
        (DATA.replace("[3, 3]", "[3, 4]"), "kpt_shape is"),
        (DATA.replace("[0, 2, 1]", "[0, 1, 1]"), "flip_idx must have each number"),
        (DATA.replace("[0, 2, 1]", "[1, 2, 0]"), "exchange pairs"),
        (DATA.replace("images/train", "nowhere"), "neither a folder nor a list"),
        (DATA + "kpt_names: [a, a, b]", "kpt_names must be 3 different names"),
        ("train: images/train\nnames: [a]", "has no val; it has train"),
    ],
)
def test_descriptions_that_are_wrong(tmp_path, data, message):
    path = data_set(tmp_path, data)
    split = "val" if "val" in message else "train"
    with pytest.raises(InputError, match=message):
        read_annotations(path, boxes_alone=True, split=split)


def test_what_is_written_is_as_documented(tmp_path):
    """By hand: a box of 20x10 at (30, 40) in a picture of 100x50 has its centre at (0.4, 0.9)."""
    content = {
        "images": [{"id": 5, "file_name": "deep/a.png", "width": 100, "height": 50}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": []}],
        "annotations": [
            {
                "id": 1,
                "image_id": 5,
                "category_id": 1,
                "bbox": [30, 40, 20, 10],
                "keypoints": [40, 25, 2, 50, 45, 1, 150, 20, 2],
            }
        ],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    truth, notes = convert(tmp_path / "coco.json", tmp_path / "yolo", split="val")
    assert len(truth) == 1
    row = [float(text) for text in (tmp_path / "yolo/labels/val/a.txt").read_text().split()]
    assert row == pytest.approx([0, 0.4, 0.9, 0.2, 0.2, 0.4, 0.5, 2, 0.5, 0.9, 1, 0, 0, 0])
    data = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())
    assert data == {
        "val": "images/val",
        "kpt_shape": [3, 3],
        "flip_idx": [0, 2, 1],
        "kpt_names": {0: ["nose", "left_eye", "right_eye"]},
        "names": {0: "person"},
    }
    assert any("1 keypoints outside" in note for note in notes)
    with pytest.raises(InputError, match="exists already"):
        convert(tmp_path / "coco.json", tmp_path / "yolo", split="val")
    convert(tmp_path / "coco.json", tmp_path / "yolo", split="train")
    assert {"train", "val"} < set(yaml.safe_load((tmp_path / "yolo/data.yaml").read_text()))


def test_hostile_yaml_is_an_error(tmp_path):
    path = data_set(tmp_path)
    path.write_text("train: &a [x]\nval: *a\nnames: [person]")
    with pytest.raises(InputError, match="aliases"):
        read_annotations(path)


def test_many_pictures_keep_their_persons(tmp_path):
    """Persons of several pictures, in an order that isn't that of the pictures."""
    rng = np.random.default_rng(0)
    images = [{"id": n, "file_name": f"{n}.png", "width": 100, "height": 100} for n in (7, 3, 5)]
    persons = [
        {"id": k, "image_id": int(rng.choice([7, 5])), "category_id": 1, "bbox": [k, k, 9, 9], "keypoints": [k, k, 2]}
        for k in range(1, 20)
    ]
    category = {"id": 1, "name": "person", "keypoints": ["nose"]}
    content = {"images": images, "categories": [category], "annotations": persons}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    convert(tmp_path / "coco.json", tmp_path / "yolo")
    for image in images:
        lines = (tmp_path / f"yolo/labels/train/{image['id']}.txt").read_text().splitlines()
        expected = [person["id"] / 100 for person in persons if person["image_id"] == image["id"]]
        assert [float(line.split()[5]) for line in lines] == pytest.approx(expected)
