"""The command `vitruvian train-detector`, and what other commands make of its models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's and torch's own

RECIPE = ("--recipe", "person_csp_w32_416x416")
FAST = ["width=8", "neck=8", "input_size=96x96", "batch=8", "workers=0", "val_interval=1", "precision=32-true"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks as small as these ones wait for each other's threads longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture
def few(shared, tmp_path) -> tuple[Path, Path]:
    """Eight pictures of COCO with all of their persons, and no keypoints."""
    folder = shared / "data/coco_mini/train"
    content = json.loads((folder / "person_keypoints.json").read_text())
    content["images"] = content["images"][:8]
    numbers = {record["id"] for record in content["images"]}
    kept = [record for record in content["annotations"] if record["image_id"] in numbers]
    wanted = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    content["annotations"] = [{name: record[name] for name in wanted} for record in kept]
    content["categories"] = [{"id": 1, "name": "person"}]
    path = tmp_path / "few.json"
    path.write_text(json.dumps(content))
    return path, folder / "images"


def settings(*more: str) -> list[str]:
    return [*RECIPE, *(part for setting in [*FAST, *more] for part in ("--set", setting))]


def test_it_trains_evaluates_exports_and_goes_on(run, few, tmp_path):
    annotations, images = few
    out = tmp_path / "mine"
    data = ("--data", annotations, "--images", images, "--val-data", annotations, "--val-images", images)
    code, printed, said = run("train-detector", *data, "-o", out, "--epochs", 1, *settings())
    assert code == 0, said
    assert f"-> {out / 'best.safetensors'}" in printed
    model = out / "best.safetensors"
    code, printed, said = run("export", model, "-o", out / "mine.onnx", "--precision", "fp16")
    assert code == 0, said
    assert "mine, yolox, 96x96, fp16" in printed
    for number, file in enumerate((model, out / "mine.onnx")):
        evaluation = ("--annotations", annotations, "--images", images, "-o", tmp_path / f"evaluation{number}")
        code, printed, said = run("evaluate", "--detector", file, *evaluation)
        assert code == 0, said
        assert printed.startswith("AP ")
    code, printed, said = run("train-detector", *data, "-o", out, "--epochs", 2, "--resume", *settings())
    assert code == 0, said
    assert printed.startswith("2 epochs, loss ")


def test_a_dry_run_keeps_nothing(run, few, tmp_path):
    annotations, images = few
    data = ("--data", annotations, "--images", images, "--weight", 2)
    code, printed, said = run("train-detector", *data, "--dry-run", "-o", tmp_path / "out", *settings())
    assert code == 0, said
    assert "nothing is kept of a dry run" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "close_mosaik=1"], "did you mean close_mosaic?"),
        (["--recipe", "person_csp"], "did you mean person_csp_w32_416x416"),
        (["--recipe", "pose_hrnet_w32_256x192"], "no recipe is called"),
        (["--weight", "1", "--weight", "2"], "as many times --weight, not 2"),
        (["--images", "x"], "as many times --images, not 2"),
        (["--val-data", "x"], "belong together"),
        (["--init", "imagenet"], "pose nets"),
        (["--init", "nothing.pth"], "nothing.pth: no such file"),
        (["--epochs", "0"], "epochs is 0"),
        (["--resume"], "nothing to resume from"),
    ],
)
def test_wrong_use(run, few, tmp_path, arguments, words):
    annotations, images = few
    data = ("--data", annotations, "--images", images)
    code, _, said = run("train-detector", *data, "-o", tmp_path / "out", *settings(), *arguments)
    assert code == 2, said
    assert words in said


def test_annotations_without_keypoints_measure_detectors_only(run, few, tmp_path):
    annotations, images = few
    arguments = ("--annotations", annotations, "--images", images, "-o", tmp_path / "out")
    code, _, said = run("evaluate", "--pose", "x.onnx", *arguments)
    assert code == 2
    assert "no category names its keypoints" in said
