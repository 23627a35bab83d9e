"""A run that was killed at any byte goes on to the same numbers."""

from __future__ import annotations

import json

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


def test_lines_that_are_no_predictions_name_the_file(made, tmp_path):
    run(made, tmp_path / "j")
    first = (tmp_path / "j").read_bytes().splitlines(keepends=True)[0]
    for line in (
        '{"image_id": 1}',
        "[]",
        "7",
        '{"image_id": 1, "shape": [1, 3], "boxes": 0, "box_scores": [NaN, "x"]}',
    ):
        (tmp_path / "j").write_bytes(first + line.encode() + b"\n")
        with pytest.raises(InputError, match="j, line 2 is no prediction"):
            run(made, tmp_path / "j", resume=True)
