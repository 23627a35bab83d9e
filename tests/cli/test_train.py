"""The commands `vitruvian train` and `vitruvian check-data`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import vitruvian as vt

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's and torch's own

RECIPE = ("--recipe", "pose_pyramid_w32_256x192")
FAST = ["width=8", "input_size=64x64", "batch=4", "workers=0", "val_interval=1"]
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks as small as these ones wait for each other's threads longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture
def faces(shared, tmp_path) -> tuple[Path, Path]:
    """A data set of five keypoints: COCO's faces of eight persons who show all of them."""
    folder = shared / "data/coco_mini/train"
    content = json.loads((folder / "person_keypoints.json").read_text())
    whole = [a for a in content["annotations"] if not a["iscrowd"] and all(a["keypoints"][2:15:3])][:8]
    for record in whole:
        record["keypoints"], record["num_keypoints"] = record["keypoints"][:15], 5
    pictures = {record["image_id"] for record in whole}
    content["images"] = [image for image in content["images"] if image["id"] in pictures]
    content["annotations"] = whole
    content["categories"] = [
        {"id": 1, "name": "person", "keypoints": FACE, "skeleton": [[1, 2], [1, 3], [2, 4], [3, 5]]}
    ]
    path = tmp_path / "faces.json"
    path.write_text(json.dumps(content))
    return path, folder / "images"


def settings(*more: str) -> list[str]:
    return [*RECIPE, *(part for setting in [*FAST, *more] for part in ("--set", setting))]


def test_a_skeleton_of_ones_own_trains_evaluates_predicts_and_draws(run, faces, tmp_path, caplog):
    annotations, images = faces
    out = tmp_path / "face"
    data = ("--data", annotations, "--images", images, "--val-data", annotations, "--val-images", images)
    code, printed, said = run("train", *data, "-o", out, "--init", "none", "--epochs", 2, *settings())
    assert code == 0, said
    assert f"-> {out / 'best.safetensors'}" in printed
    assert "left_eye / right_eye, left_ear / right_ear" in caplog.text
    model = out / "best.safetensors"
    evaluation = ("--annotations", annotations, "--images", images, "-o", tmp_path / "evaluation")
    code, _, said = run("evaluate", "--pose", model, *evaluation)
    assert code == 0, said
    metrics = json.loads((tmp_path / "evaluation/metrics.json").read_text())
    assert set(metrics["per_keypoint"]) == set(FACE)
    content = json.loads(annotations.read_text())
    record = content["annotations"][0]
    file = next(image["file_name"] for image in content["images"] if image["id"] == record["image_id"])
    x, y, width, height = record["bbox"]
    poses = vt.load(pose=model)(images / file, boxes=[[x, y, x + width, y + height]])
    assert poses.skeleton.keypoints == FACE
    picture = vt.media.read_image(images / file)
    assert (poses.draw(picture, keypoint_score=0) != picture).any()


def test_overfit_says_what_it_does_and_leaves_what_evaluate_takes(run, faces, tmp_path, caplog):
    annotations, images = faces
    out = tmp_path / "out"
    data = ("--data", annotations, "--images", images, "--init", "none")
    code, printed, said = run("train", *data, "--overfit", 2, "-o", out, "--epochs", 1, *settings("batch=20"))
    assert code == 0, said
    assert printed.startswith("1 epoch, loss ")
    assert "2 persons, 1 batches of 20 an epoch" in caplog.text
    assert len(json.loads((out / "overfit.json").read_text())["annotations"]) == 2
    code, _, said = run("train", *data, "--overfit", 2, "-o", out, "--epochs", 2, *settings("batch=20"))
    assert code == 2
    assert "has a run already" in said
    code, printed, _ = run("train", *data, "--overfit", 2, "-o", out, "--epochs", 2, "--resume", *settings("batch=20"))
    assert code == 0
    assert printed.startswith("2 epochs, loss ")


def test_a_dry_run(run, faces, tmp_path):
    annotations, images = faces
    data = ("--data", annotations, "--images", images, "--init", "none", "-o", tmp_path / "out")
    code, printed, said = run("train", *data, "--dry-run", *settings())
    assert code == 0, said
    assert "nothing is kept of a dry run" in printed
    assert not (tmp_path / "out").exists()


def test_the_check(run, faces):
    annotations, images = faces
    content = json.loads(annotations.read_text())
    content["annotations"][0]["bbox"][2] = 9999
    annotations.write_text(json.dumps(content))
    for command in (["check-data"], ["train", "--check"]):
        code, printed, _ = run(*command, "--data", annotations, "--images", images)
        assert code == 0
        assert "1 boxes reach out of their picture" in printed


def test_the_check_says_what_the_data_have(run, faces):
    annotations, images = faces
    code, printed, _ = run("check-data", "--data", annotations, "--images", images)
    assert code == 0
    for words in ("5 keypoints: nose, left_eye, right_eye", "flip pairs: left_eye / right_eye, ", "sigmas: 0.026, "):
        assert words in printed


def test_the_check_ends_with_an_error_where_pictures_are_missing(run, faces):
    annotations, images = faces
    content = json.loads(annotations.read_text())
    content["images"][0]["file_name"] = "gone.png"
    annotations.write_text(json.dumps(content))
    for command in (["check-data"], ["train", "--check"]):
        code, printed, _ = run(*command, "--data", annotations, "--images", images)
        assert (code, "error: 1 pictures are missing: gone.png" in printed) == (2, True)


@pytest.mark.parametrize("checked", [["check-data"], ["train", "--check"]])
def test_the_check_takes_a_skeleton_and_refuses_what_training_refuses(run, faces, tmp_path, checked):
    annotations, images = faces
    data = ("--data", annotations, "--images", images)
    skeleton = tmp_path / "face.yaml"
    skeleton.write_text("keypoints: [tip, a, b, c, d]\nflip_pairs: [[a, b]]\nsigmas: [.1, .1, .1, .1, .1]\n")
    code, printed, _ = run(*checked, *data, "--skeleton", skeleton)
    assert code == 0
    for words in ("5 keypoints: tip, a, b, c, d", "flip pairs: a / b", "sigmas: 0.1\n"):
        assert words in printed
    skeleton.write_text("keypoints: [tip, a, b, c]\n")
    training = run("train", *data, "--skeleton", skeleton, "-o", tmp_path / "out")
    checking = run(*checked, *data, "--skeleton", skeleton)
    assert training[0] == checking[0] == 2
    assert "names 4 keypoints, the annotations have 5" in training[2]
    assert training[2].splitlines()[-1] == checking[2].splitlines()[-1]


def test_the_check_refuses_data_sets_of_different_keypoints(run, faces, tmp_path):
    annotations, images = faces
    content = json.loads(annotations.read_text())
    content["categories"][0]["keypoints"][0] = "tip"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content))
    both = [word for file in (annotations, other) for word in ("--data", file, "--images", images)]
    code, printed, said = run("check-data", *both)
    assert (code, "they must be the same, in one order" in said) == (2, True)
    assert printed.count("5 keypoints: ") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "gama=1"], "did you mean gamma?"),
        (["--recipe", "pose_hrnet_w32"], "did you mean pose_hrnet_w32_256x192"),
        (["--weight", "1", "--weight", "2"], "as many times --weight, not 2"),
        (["--images", "x"], "as many times --images, not 2"),
        (["--val-data", "x"], "belong together"),
        (["--init", "nothing.pth"], "nothing.pth: no such file"),
        (["--epochs", "0"], "epochs is 0"),
        (["--precision", "half"], "precision is half"),
        (["--resume"], "nothing to resume from"),
        (["--devices", "x", "--init", "none"], "can't run on that"),
    ],
)
def test_bad_usage(run, faces, tmp_path, arguments, words):
    annotations, images = faces
    code, _, said = run("train", "--data", annotations, "--images", images, "-o", tmp_path / "out", *arguments)
    assert code == 2, said
    assert words in said


def test_imagenet_weights_that_cannot_be_had(run, faces, tmp_path, monkeypatch):
    annotations, images = faces
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path))
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    data = ("--recipe", "pose_hrnet_w32_256x192", "--data", annotations, "--images", images)
    code, _, said = run("train", *data, "-o", tmp_path / "out")
    assert code == 2
    assert "--init none for random weights" in said
    code, _, said = run("train", *data, "-o", tmp_path / "o", "--set", "width=8")
    assert code == 2
    assert "hrnet_w8" in said


def test_ctrl_c_leaves_a_run_that_goes_on(run, faces, tmp_path):
    annotations, images = faces
    out = tmp_path / "out"
    given = ["--data", annotations, "--images", images, "--init", "none", "-o", out, *settings("save_every=1")]
    command = [sys.executable, "-m", "vitruvian", "train", *map(str, given), "--epochs", "1000"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        end = time.monotonic() + 120
        while not (out / "state.ckpt").is_file() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"--resume continues from {out / 'state.ckpt'}" in said
    assert "Traceback" not in said
    step = torch.load(out / "state.ckpt", weights_only=True)["global_step"]
    epochs = torch.load(out / "state.ckpt", weights_only=True)["epoch"] + 1
    code, _, said = run("train", *given, "--epochs", epochs, "--resume")
    assert code == 0, said
    assert torch.load(out / "state.ckpt", weights_only=True)["global_step"] >= step


def test_the_default_recipe_needs_no_network(run, faces, tmp_path, monkeypatch):
    annotations, images = faces
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path))
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    fast = ("--set", "batch=2", "--set", "workers=0", "--precision", "32-true", "--set", "input_size=128x96")
    code, printed, said = run("train", "--data", annotations, "--images", images, "--dry-run", *fast)
    assert code == 0, said
    assert "nothing is kept of a dry run" in printed


def yolo_faces(faces, folder: Path) -> Path:
    """The data set in YOLO's format, the same persons to train and to measure."""
    from vitruvian.datasets.conversion import convert

    for split in ("train", "val"):
        convert(faces[0], folder, images=faces[1], split=split)
    return folder / "data.yaml"


def test_a_yolo_data_set_is_checked_trained_on_and_measured(run, faces, tmp_path):
    data = yolo_faces(faces, tmp_path / "yolo")
    code, printed, _ = run("check-data", "--data", data)
    assert (code, "data.yaml (train)" in printed, "data.yaml (val)" in printed) == (0, True, True)
    assert "missing" not in printed
    out = tmp_path / "out"
    code, printed, said = run("train", "--data", data, "-o", out, "--init", "none", "--epochs", 1, *settings())
    assert code == 0, said
    assert ", AP " in printed
    assert vt.load(pose=out / "best.safetensors").pose.skeleton.flip_pairs == ((1, 2), (3, 4))
    measured = {}
    for name, given in (("yolo", [data]), ("coco", [faces[0], "--images", faces[1]])):
        where = tmp_path / name
        pose = ("--pose", out / "best.safetensors")
        code, _, said = run("evaluate", *pose, "--annotations", *given, "-o", where, "--runtime", "torch")
        assert code == 0, said
        measured[name] = json.loads((where / "metrics.json").read_text())["keypoints"]["AR"]
    assert measured["yolo"] == pytest.approx(measured["coco"], abs=0.02)
