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
