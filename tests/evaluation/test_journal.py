"""A run that was killed at any byte goes on to the same numbers."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from coco_examples import Made
from vitruvian import InputError, OutputError
from vitruvian.evaluation import Metrics, Procedure, evaluate_coco


def run(made: Made, journal, resume: bool = False, **options) -> Metrics:
    return evaluate_coco(made.pose, made.data, made.images, made.detector(), journal=journal, resume=resume, **options)


def test_killed_at_any_byte(made, tmp_path):
    path = tmp_path / "deep/journal.jsonl"
    whole = run(made, path)
    data = path.read_bytes()
    assert data.count(b"\n") == 4
    for end in [*range(0, 90, 7), *range(90, len(data), 97), len(data) - 1, len(data)]:
        path.write_bytes(data[:end])
        again = run(made, path, resume=True)
        assert again.results == whole.results
        assert again.keypoints == whole.keypoints
        assert again.boxes == whole.boxes
        assert path.read_bytes() == data
        assert again.persons == 6 - 2 * max(data[:end].count(b"\n") - 1, 0)


def test_what_is_resumed_can_be_ranked_otherwise(made, tmp_path):
    run(made, tmp_path / "j")
    metrics = run(made, tmp_path / "j", True, procedure=Procedure(rescoring="box"))
    assert metrics.persons == 0
    assert [result["score"] for result in metrics.results] == pytest.approx([0.9, 0.8] * 3, abs=1e-6)


@pytest.mark.parametrize("change", [{"flip": True}, {"padding": 1.1}, {"score": 0.5}], ids=str)
def test_other_settings_are_another_run(made, tmp_path, change):
    run(made, tmp_path / "j")
    with pytest.raises(InputError, match="another run"):
        run(made, tmp_path / "j", True, procedure=Procedure(**change))


def test_other_boxes_are_another_run(made, tmp_path):
    run(made, tmp_path / "j")
    with pytest.raises(InputError, match="another run"):
        evaluate_coco(made.pose, made.data, made.images, journal=tmp_path / "j", resume=True)


def test_another_file_is_not_taken_for_one(made, tmp_path):
    (tmp_path / "j").write_text(json.dumps({"images": []}) + "\n")
    with pytest.raises(InputError, match="another run"):
        run(made, tmp_path / "j", True)


def test_without_resuming_it_starts_anew(made, tmp_path):
    (tmp_path / "j").write_text("what was there")
    assert run(made, tmp_path / "j").persons == 6
    assert b"what" not in (tmp_path / "j").read_bytes()


def test_a_journal_that_cannot_be_written(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        run(made, tmp_path / "file/journal")


def test_numbers_come_back_as_they_were(made, tmp_path):
    first = run(made, tmp_path / "j")
    second = run(made, tmp_path / "j", True)
    assert np.array_equal(first.matches.keypoints, second.matches.keypoints, equal_nan=True)


CHANGES = {
    "no JSON": lambda line: b"{]",
    "deep JSON": lambda line: b"[" * 100_000 + b"]" * 100_000,
    "no record": lambda line: b"5",
    "no image": lambda line: line.replace(b"image_id", b"image"),
    "an image that is a text": lambda line: re.sub(rb'"image_id": \d+', b'"image_id": "a"', line),
    "more persons than boxes": lambda line: line.replace(b'"shape": [2,', b'"shape": [3,'),
    "other keypoints": lambda line: re.sub(rb'"shape": \[2, (\d+)\]', b'"shape": [2, 99]', line),
    "a shape beyond all": lambda line: line.replace(b'"shape": [2,', b'"shape": [99999999999999,'),
    "a number that is none": lambda line: line.replace(b'"peaks": [', b'"peaks": [NaN, '),
    "a number too large": lambda line: line.replace(b'"boxes": [[', b'"boxes": [[-1e39, '),
    "a number too few": lambda line: re.sub(rb'"peaks": \[[^,]*, ', b'"peaks": [', line),
    "a box without extent": lambda line: re.sub(rb'"boxes": \[\[[^]]*\]', b'"boxes": [[1, 1, 1, 1]', line),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_journal_that_was_changed(made, tmp_path, change):
    run(made, tmp_path / "j")
    lines = (tmp_path / "j").read_bytes().splitlines()
    changed = CHANGES[change](lines[2])
    assert changed != lines[2]
    lines[2] = changed
    (tmp_path / "j").write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(InputError, match="j: line 3 is not what a run wrote"):
        run(made, tmp_path / "j", True)
