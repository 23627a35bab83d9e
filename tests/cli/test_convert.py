"""The command `vitruvian convert`."""

from __future__ import annotations

import json
from pathlib import Path

from known import Command, make_picture, read_json


def test_what_predict_wrote_becomes_coco_yolo_and_cvat(predict: Command, command: Command, folder: Path) -> None:
    make_picture(folder / "in/a.png")
    assert predict("in", "--no-draw", "--json", "poses.json").code == 0
    done = command("convert", "poses.json", "-o", "coco.json")
    assert (done.code, done.out) == (0, "1 pictures, 2 persons -> coco.json\n")
    coco = read_json(folder / "coco.json")
    (frame,) = read_json(folder / "poses.json")["frames"]
    assert coco["images"] == [{"id": 0, "file_name": "a.png", "width": frame["width"], "height": frame["height"]}]
    x1, y1, x2, y2 = frame["persons"][0]["box"]
    assert coco["annotations"][0]["bbox"] == [x1, y1, x2 - x1, y2 - y1]
    assert command("convert", "coco.json", "-o", "yolo", "--images", "in").code == 0
    assert len((folder / "yolo/labels/train/a.txt").read_text().splitlines()) == 2
    assert command("convert", "yolo", "-o", "a.xml").code == 0
    assert "<skeleton" in (folder / "a.xml").read_text()
    assert command("convert", "a.xml", "-o", "poses2.json", "--to", "poses").code == 0
    assert len(read_json(folder / "poses2.json")["frames"][0]["persons"]) == 2


def test_bad_usage(command: Command, folder: Path) -> None:
    (folder / "results.json").write_text(json.dumps([{"image_id": 1}]))
    (folder / "there.json").write_text("{}")
    for arguments, words in (
        (("gone.json", "-o", "a.json"), "gone.json: no such file"),
        (("results.json", "-o", "a.json"), "--coco-mode dataset"),
        (("results.json", "-o", "a.csv"), "say which format to write"),
        (("results.json", "-o", "there.json"), "there.json exists already"),
        (("results.json", "-o", "results.json", "--overwrite"), "results.json exists already"),
    ):
        done = command("convert", *arguments)
        assert (done.code, words in done.err) == (2, True), done.err


def test_a_split_of_a_yolo_data_set_is_replaced(command: Command, folder: Path) -> None:
    person = {"category_id": 1, "iscrowd": 0, "bbox": [8, 8, 16, 16], "area": 99}
    person |= {"keypoints": [10, 10, 2, 20, 20, 2], "num_keypoints": 2}
    category = {"id": 1, "name": "person", "keypoints": ["left_hand", "right_hand"], "skeleton": [[1, 2]]}
    for name, pictures in (("old", "ab"), ("new", "bc")):
        images = [{"id": number, "file_name": f"{letter}.png"} for number, letter in enumerate(pictures)]
        images = [image | {"width": 128, "height": 96} for image in images]
        persons = [person | {"id": number + 1, "image_id": number} for number in range(2)]
        content = {"images": images, "annotations": persons, "categories": [category]}
        (folder / f"{name}.json").write_text(json.dumps(content))
    for letter in "abc":
        make_picture(folder / f"in/{letter}.png")
    assert command("convert", "old.json", "-o", "yolo", "--images", "in").code == 0
    assert command("convert", "old.json", "-o", "yolo", "--split", "val").code == 0
    done = command("convert", "new.json", "-o", "yolo", "--images", "in")
    assert (done.code, "labels/train exists already: allow it with --overwrite" in done.err) == (2, True)
    done = command("convert", "new.json", "-o", "yolo", "--images", "in", "--overwrite")
    assert (done.code, "1 other pictures stay in yolo/images/train" in done.err) == (0, True), done.err
    there = [
        sorted(path.name for path in (folder / "yolo" / kind / "train").iterdir()) for kind in ("labels", "images")
    ]
    assert there == [["b.txt", "c.txt"], ["a.png", "b.png", "c.png"]]
    assert len(list((folder / "yolo/labels/val").iterdir())) == 2
    assert command("convert", "new.json", "-o", "yolo", "--images", "yolo/images/train", "--overwrite").code == 0
    assert (folder / "yolo/images/train/c.png").read_bytes() == (folder / "in/c.png").read_bytes()
    done = command("convert", "yolo", "-o", "yolo", "--to", "yolo", "--overwrite")
    assert (done.code, "is the source itself" in done.err) == (2, True)


def test_poses_of_a_video_are_no_annotations(predict: Command, command: Command, folder: Path) -> None:
    make_picture(folder / "a.png")
    assert predict("a.png", "--no-draw", "--json", "poses.json").code == 0
    (folder / "poses.json").write_text((folder / "poses.json").read_text().replace('"time": null', '"time": 0.5'))
    done = command("convert", "poses.json", "-o", "a.xml")
    assert (done.code, "save its frames as pictures" in done.err, "training" in done.err) == (2, True, False)


def test_the_split_that_is_converted_is_said(predict: Command, command: Command, folder: Path) -> None:
    make_picture(folder / "in/a.png")
    assert predict("in", "--no-draw", "--json", "poses.json").code == 0
    assert command("convert", "poses.json", "-o", "yolo", "--images", "in").code == 0
    assert "split" not in command("convert", "yolo", "-o", "alone.xml").err
    assert command("convert", "poses.json", "-o", "yolo", "--images", "in", "--split", "val").code == 0
    done = command("convert", "yolo", "-o", "both.xml")
    assert "only the split train of yolo is converted; the others: --split val" in done.err
    done = command("convert", "yolo", "-o", "val.xml", "--split", "val")
    assert "only the split val of yolo is converted; the others: --split train" in done.err
