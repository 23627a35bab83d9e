"""Boxes of persons from files: formats, matching of pictures, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.media import BoxFile, Frame

IMAGE = np.zeros((100, 120, 3), np.uint8)


def frame(source: str, index: int = 0, time: float | None = None) -> Frame:
    return Frame(IMAGE, source, index, time)


def place(item: Frame) -> int:
    return item.index


def saved(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_coco_annotations_are_matched_by_name(tmp_path):
    images = [{"id": 5, "file_name": "deep/a.jpg"}, {"id": 6, "file_name": "b.jpg"}, {"id": 7, "file_name": "none.jpg"}]
    annotations = [
        {"image_id": 5, "bbox": [1, 2, 10, 20]},
        {"image_id": 6, "bbox": [0, 0, 5, 5]},
        {"image_id": 5, "bbox": [3, 4, 10, 10], "score": 0.5},
        {"image_id": 5, "bbox": [0, 0, 100, 100], "iscrowd": 1},
    ]
    boxes = BoxFile(saved(tmp_path / "a.json", {"images": images, "annotations": annotations}))
    found = boxes.of(frame("/data/deep/a.jpg", 9), place)
    assert found.xyxy.tolist() == [[1, 2, 11, 22], [3, 4, 13, 14]]
    assert found.scores.tolist() == [1, 0.5]
    for name in ("a.jpg", "photos/a.jpg", "x/b.jpg", "b.jpg"):
        assert boxes.of(frame(name), place) is not None
    assert boxes.of(frame("c.jpg"), place) is None


def test_names_that_fit_several_pictures_are_refused(tmp_path):
    images = [{"id": 1, "file_name": "train/1.jpg"}, {"id": 2, "file_name": "val/1.jpg"}]
    annotations = [{"image_id": 1, "bbox": [0, 0, 5, 5]}, {"image_id": 2, "bbox": [0, 0, 9, 9]}]
    boxes = BoxFile(saved(tmp_path / "a.json", {"images": images, "annotations": annotations}))
    assert boxes.of(frame("in/val/1.jpg"), place).xyxy[0, 2] == 9
    with pytest.raises(InputError, match=r"several of its pictures are called 1\.jpg"):
        boxes.of(frame("photos/1.jpg"), place)


def test_coco_results_are_matched_by_number_best_first(tmp_path):
    results = [{"image_id": 139, "bbox": [0, 0, 5, 5], "score": score, "category_id": 1} for score in (0.2, 0.9, 0.4)]
    path = saved(tmp_path / "dets.json", results)
    picture = frame("000000000139.jpg", 4)
    assert BoxFile(path).of(picture, lambda item: 139).scores.tolist() == pytest.approx([0.9, 0.4, 0.2])
    assert BoxFile(path, score=0.3).of(picture, lambda item: 139).scores.tolist() == pytest.approx([0.9, 0.4])
    assert len(BoxFile(path, max_persons=1).of(picture, lambda item: 139)) == 1
    assert BoxFile(path).of(picture, place) is None


def test_csv_by_name_by_place_and_by_both(tmp_path):
    named = BoxFile(saved(tmp_path / "a.csv", "source,x1,y1,x2,y2\na.jpg,1,2,3,4\nb.jpg,1,2,5,6\n"))
    assert named.of(frame("in/b.jpg"), place).xyxy.tolist() == [[1, 2, 5, 6]]
    placed = BoxFile(saved(tmp_path / "b.csv", "frame,score,x1,y1,x2,y2\n0,.5,1,2,3,4\n7,.5,1,2,5,6\n"))
    assert placed.of(frame("clip.mp4", 7, 0.7), place).xyxy.tolist() == [[1, 2, 5, 6]]
    assert placed.of(frame("clip.mp4", 8, 0.8), place) is None
    text = "source,frame,time,x1,y1,x2,y2\nv.mp4,0,0.0,1,2,3,4\nv.mp4,3,0.3,1,2,5,6\nw.mp4,3,0.3,1,2,7,8\n"
    both = BoxFile(saved(tmp_path / "c.csv", text))
    assert both.of(frame("d/w.mp4", 3, 0.3), place).xyxy[0, 2] == 7
    assert both.of(frame("d/v.mp4", 1, 0.1), place) is None
    # A picture's place depends on what was given beside it.
    moved = BoxFile(saved(tmp_path / "d.csv", "source,frame,x1,y1,x2,y2\na.jpg,5,1,2,3,4\n"))
    assert len(moved.of(frame("a.jpg", 0), place)) == 1


def test_no_boxes_at_all(tmp_path):
    assert BoxFile(saved(tmp_path / "a.csv", "source,x1,y1,x2,y2\n")).of(frame("a.jpg"), place) is None
    assert BoxFile(saved(tmp_path / "a.json", [])).of(frame("a.jpg"), place) is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", {"images": []}, "has no boxes of persons"),
        ("a.json", [{"bbox": [0, 0, 1, 1]}], "image_id"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1]}], "no boxes"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 0, 1]}], r"box 0 is \[0.0, 0.0, 0.0, 1.0\]"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1e300, 1]}], "box 0 is"),
        ("a.json", '[{"image_id": 1, "bbox": [NaN, 0, 1, 1]}]', "box 0 is"),
        ("a.json", [{"image_id": 1, "bbox": [0, 0, 1, 1], "score": 7}], "score of 7"),
        ("a.json", [1, 2], "no boxes"),
        ("a.json", "7", "no boxes"),
        ("a.json", "{", "no valid JSON"),
        ("a.json", {"annotations": [{"image_id": 3, "bbox": [0, 0, 1, 1]}], "images": []}, "no boxes"),
        ("a.csv", "x1,y1\n1,2\n", "has the columns x1, y1; give COCO"),
        ("a.csv", "", "has the columns of nothing"),
        ("a.csv", "source,x1,y1,x2,y2\na,1,2,3,x\n", "line 2"),
        ("a.csv", "source,x1,y1,x2,y2\na,1,2\n", "line 2"),
        ("a.csv", "source,x1,y1,x2,y2\na,5,5,1,1\n", "box 0 is"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, words):
    path = saved(tmp_path / name, content)
    with pytest.raises(InputError, match=words) as raised:
        BoxFile(path)
    assert name in str(raised.value)


def test_missing_files(tmp_path):
    for name in ("gone.json", "gone.csv"):
        with pytest.raises(InputError, match=name):
            BoxFile(tmp_path / name)
