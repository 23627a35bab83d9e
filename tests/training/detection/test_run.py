"""Runs of detectors from end to end: what comes out, going on after a break, and learning from another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vitruvian as vt
from vitruvian import InputError, Poses
from vitruvian.datasets import Source
from vitruvian.datasets.boxes import read_boxes
from vitruvian.export import export
from vitruvian.media import JsonFile
from vitruvian.media.frames import Frame
from vitruvian.skeletons import COCO17
from vitruvian.training import DetectorJob, DetectorRecipe, read_settings, recipes, train_detector
from vitruvian.training.run import TrainingResult
from vitruvian.zoo import load_detector

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's and torch's own

NAME = "person_csp_w32_416x416"
SETTINGS = [
    *("width=8", "neck=8", "input_size=96x96", "batch=4", "workers=0", "val_interval=1", "epochs=1", "warmup_steps=0"),
    *("ema_decay=0.5", "precision=32-true"),
]


@pytest.fixture
def people(tmp_path: Path) -> Source:
    """A data set of a test's own."""
    return drawn(tmp_path)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Source]:
    """A detector that knows four pictures by heart, and their data set."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("learned")
    source = drawn(folder)
    settings = ["epochs=15", "optimizer=adamw", "lr=0.01", "batch=8", "ema_decay=0.8", "val_interval=15"]
    return train_detector(job(source, folder / "out", *settings, overfit=4)), source


def drawn(folder: Path) -> Source:
    """Eight pictures with a bright rectangle each, which stands for a person, and COCO's instances of them."""
    rng = np.random.default_rng(0)
    (folder / "people").mkdir()
    images, annotations = [], []
    for number in range(1, 9):
        picture = np.full((96, 128, 3), 60, np.uint8)
        x, y = rng.integers(4, 50, 2).tolist()
        picture[y : y + 40, x : x + 24] = (40, 200, 240)
        cv2.imwrite(str(folder / f"people/{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 96})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [x, y, 24, 40], "area": 960})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(content))
    return Source(folder / "people.json", folder / "people")


def job(source: Source, output: Path, *settings: str, **more) -> DetectorJob:
    return DetectorJob(read_settings(DetectorRecipe, NAME, [*SETTINGS, *settings]), (source,), output, **more)


def same(first: Path, second: Path) -> bool:
    ours, theirs = (load_file(path / "last.safetensors") for path in (first, second))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_comes_out_is_taken_everywhere(people, tmp_path):
    out = tmp_path / "mine"
    done = train_detector(job(people, out, validation=people))
    assert done.model == out / "best.safetensors"
    assert {path.name for path in out.iterdir()} >= {
        *("recipe.yaml", "state.ckpt", "last.safetensors", "metrics.csv", "curves.png", "tensorboard")
    }
    detector = load_detector(done.model, score=0.001, max_persons=100)
    assert (detector.card.name, detector.card.input_size) == ("mine", (96, 96))
    numbers, _ = vt.evaluation.evaluate_boxes(detector, people.annotations, people.images)
    assert numbers["AP"] == pytest.approx(done.best)
    exported = export(done.model, tmp_path / "mine.onnx")
    assert exported.card == detector.card
    assert read_settings(DetectorRecipe, out / "recipe.yaml").epochs == 1


def test_it_learns_by_heart(learned):
    done, source = learned
    folder = done.model.parent
    content = json.loads((folder / "overfit.json").read_text())
    assert len(content["images"]) == 4
    assert done.history[-1]["AP50"] > 0.9
    assert "mosaic: 0" in (folder / "recipe.yaml").read_text()
    x, y, width, height = content["annotations"][0]["bbox"]
    picture = vt.media.read_image(Path(source.images, content["images"][0]["file_name"]))
    found = load_detector(done.model, score=0.3)([picture])[0]
    assert found.xyxy[0] == pytest.approx([x, y, x + width, y + height], abs=6)


def test_frozen_stages_stay_as_they_were(people, tmp_path):
    train_detector(job(people, tmp_path / "before"))
    start = tmp_path / "before/last.safetensors"
    train_detector(job(people, tmp_path / "after", f"init={start}", "freeze=2", "backbone_lr_mult=0.1"))
    before, after = load_file(start), load_file(tmp_path / "after/last.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in moved if name.startswith("stem.")]
    assert {name.split(".")[0] for name in moved} >= {"stage8", "stage16", "stage32", "lateral8", "head"}


def test_a_run_that_ended_can_be_made_longer(people, tmp_path):
    steady = ["lr_decay=steps", "milestones=2", "close_mosaic=0"]
    train_detector(job(people, tmp_path / "short", *steady))
    train_detector(job(people, tmp_path / "short", *steady, "epochs=3", resume=True))
    train_detector(job(people, tmp_path / "whole", *steady, "epochs=3"))
    assert same(tmp_path / "short", tmp_path / "whole")


def test_the_rate_falls_along_half_a_cosine(people, tmp_path):
    settings = ["epochs=4", "lr=0.01", "gamma=0.1", "batch=8"]
    done = train_detector(job(people, tmp_path / "out", *settings))
    # One step an epoch: the rates of steps 0 to 3 of 4.
    expected = [0.01 * (0.1 + 0.9 * (1 + np.cos(np.pi * step / 4)) / 2) for step in range(4)]
    assert [row["rate"] for row in done.history] == pytest.approx(expected)


def test_a_detector_starts_from_another(people, tmp_path):
    first = train_detector(job(people, tmp_path / "first"))
    done = train_detector(job(people, tmp_path / "second", f"init={first.model}", "lr=1e-12", "ema_decay=0"))
    before, after = load_file(first.model), load_file(done.model)
    names = [name for name in before if name.endswith("weight") and before[name].dim() == 4]
    assert all(torch.allclose(before[name], after[name], atol=1e-8) for name in names)
    with pytest.raises(InputError, match="of the same width"):
        train_detector(job(people, tmp_path / "third", f"init={first.model}", "width=16"))


def test_another_run_in_the_folder(people, tmp_path):
    first = job(people, tmp_path / "out")
    train_detector(first)
    with pytest.raises(InputError, match="has a run already"):
        train_detector(first)
    with pytest.raises(InputError, match=r"close_mosaic was 0\.2, is 0\.5"):
        train_detector(job(people, tmp_path / "out", "close_mosaic=0.5", resume=True))
    content = json.loads(Path(people.annotations).read_text())
    content["annotations"][0]["bbox"][2] += 1
    Path(people.annotations).write_text(json.dumps(content))
    with pytest.raises(InputError, match="the data differs"):
        train_detector(replace(first, resume=True))


def test_what_cannot_be_measured_is_told_before_training(people, tmp_path):
    for validation, words in (
        (replace(people, annotations=tmp_path / "none.json"), "none.json: no such file"),
        (replace(people, images=tmp_path), "has none of the images of"),
    ):
        with pytest.raises(InputError, match=words):
            train_detector(job(people, tmp_path / "out", validation=validation))
        assert not (tmp_path / "out").exists()


def test_a_dry_run_leaves_nothing(people, tmp_path):
    done = train_detector(job(people, tmp_path / "out", "batch=1", validation=people, dry_run=True))
    assert done.history[0]["step"] == 2
    assert not (tmp_path / "out").exists()


def test_what_predict_wrote_is_learned(people, tmp_path, caplog):
    """Another detector's persons, those of other pictures, and how sure it was of each."""
    caplog.set_level("INFO", "vitruvian")
    sink = JsonFile(tmp_path / "teacher.json", str(people.images), COCO17)
    scores = [0.15, 0.35, 0.9]
    found = Poses(
        np.array([[10, 10, 60, 80], [30, 20, 70, 90], [5, 5, 90, 90]], np.float32),
        np.array(scores, np.float32),
        np.zeros((3, 17, 2), np.float32),
        np.zeros((3, 17), np.float32),
    )
    for number, file in enumerate(sorted(Path(people.images).iterdir())):
        sink.write(Frame(vt.media.read_image(file), str(file), number, None), found[: 3 * (number < 4)])
    sink.close()
    teacher = Source(tmp_path / "teacher.json", people.images, 0.5)
    pictures = read_boxes([teacher])
    assert len(pictures) == 8
    assert pictures.confidences[pictures.box_rows(0)] == pytest.approx(scores)
    assert len(pictures.boxes[pictures.box_rows(7)]) == 0
    train_detector(job(teacher, tmp_path / "student"))
    assert "8 pictures, 1 batches of 4 an epoch" in caplog.text


def test_damaged_pictures_are_left_out(people, tmp_path):
    Path(people.images, "2.png").write_bytes(b"broken")
    train_detector(job(people, tmp_path / "out", "mosaic=0"))
    assert "2.png" in (tmp_path / "out/left_out.txt").read_text()


def test_recipes_of_detectors_and_of_pose_nets_are_told_apart():
    assert recipes(DetectorRecipe) == [NAME, "person_mobilenet_384x384"]
    assert NAME not in recipes()
    with pytest.raises(InputError, match="no recipe is called pose_hrnet_w32_256x192"):
        read_settings(DetectorRecipe, "pose_hrnet_w32_256x192")
    with pytest.raises(InputError, match=f"is a pose net, and not trained like this; there are {NAME}"):
        DetectorRecipe("pose_hrnet_w32_256x192")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("conf_low=1", "below 1"),
        ("conf_high=0.1", "above conf_low"),
        ("close_mosaic=2", "in 0..1"),
        ("mosaic=3", "mosaic is 3"),
        ("input_size=100x100", "multiples of 32"),
        ("lr_decay=slow", "steps or cosine"),
        ("sigma=2", "no setting is called sigma"),
        ("neck=7", "neck is 7"),
    ],
)
def test_settings_that_cannot_be(setting, words):
    with pytest.raises(InputError, match=words):
        read_settings(DetectorRecipe, NAME, [setting])
