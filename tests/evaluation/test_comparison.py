"""Several models and procedures beside each other."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from coco_examples import Made
from vitruvian import InputError
from vitruvian.evaluation import evaluate_coco, read_annotations
from vitruvian.evaluation.comparison import check_outputs, compare, plan_runs
from vitruvian.zoo import load_pose

VARIANTS = {"": {}, "flip,oks-nms=0.8": {"flip": True, "oks_nms": 0.8}}


def test_a_single_run_goes_into_the_output_itself():
    (run,) = plan_runs([Path("nets/a.onnx")], {"": {}}, Path("out"))
    assert (run.label, run.folder) == ("a", Path("out"))


def test_each_model_with_each_set_of_settings_has_a_name_and_a_folder():
    runs = plan_runs([Path("a.onnx"), Path("b.onnx")], VARIANTS, Path("out"))
    assert [run.label for run in runs] == ["a", "a flip,oks-nms=0.8", "b", "b flip,oks-nms=0.8"]
    names = ["1-a", "2-a_flip_oks-nms=0.8", "3-b", "4-b_flip_oks-nms=0.8"]
    assert [run.folder for run in runs] == [Path("out", name) for name in names]
    assert runs[1].changes == VARIANTS["flip,oks-nms=0.8"]
    # Two files of one name are told apart by their folders.
    assert [run.label for run in plan_runs([Path("x/a.onnx"), Path("y/a.onnx")], {"": {}}, Path("out"))] == [
        "x/a.onnx",
        "y/a.onnx",
    ]


@pytest.mark.parametrize("changes", [{"padding": "wide"}, {"oks_nms": 2}])
def test_settings_that_do_not_fit_are_refused_at_once(changes):
    with pytest.raises(InputError, match=r"these settings don't fit: padding=wide|oks_nms is 2"):
        plan_runs([], {"x": changes}, Path("out"))


def test_earlier_results_are_kept_unless_told_otherwise(tmp_path):
    runs = plan_runs([Path("a.onnx"), Path("b.onnx")], {"": {}}, tmp_path)
    check_outputs(runs, tmp_path, None, False, False)
    runs[1].folder.mkdir()
    (runs[1].folder / "predictions.jsonl").write_text("")
    with pytest.raises(InputError, match=r"2-b/predictions\.jsonl is there"):
        check_outputs(runs, tmp_path, None, False, False)
    for overwrite, resume in ((True, False), (False, True)):
        check_outputs(runs, tmp_path, None, overwrite, resume)
    with pytest.raises(InputError, match="not both"):
        check_outputs(runs, tmp_path, None, True, True)


def test_a_comparison_gives_what_single_evaluations_give(made: Made, tmp_path):
    loaded: list[Path] = []
    shown: list[str] = []

    def load(file: Path):
        loaded.append(file)
        return load_pose(file, threads=1)

    @contextmanager
    def progress(label: str):
        yield lambda done, total: shown.append(f"{label} {done}/{total}")

    runs = plan_runs([made.pose_file], {"": {}, "score=0.85": {"score": 0.85}}, tmp_path)
    truth = read_annotations(made.data)
    measured = compare(runs, load, truth, made.images, made.detector(), tmp_path, progress=progress)
    assert list(measured) == ["pose", "pose score=0.85"]
    assert loaded == [made.pose_file]
    assert shown == [f"{label} {number}/3" for label in measured for number in (1, 2, 3)]
    single = evaluate_coco(made.pose, made.data, made.images, made.detector())
    assert measured["pose"].results == single.results
    assert len(measured["pose score=0.85"].results) == 3  # of two boxes a picture one scores 0.8
    rows = json.loads((tmp_path / "metrics.json").read_text())["runs"]
    assert [row["name"] for row in rows] == list(measured)
    assert all((run.folder / "worst.html").is_file() for run in runs)
