"""The main job on real pictures and videos, with a real detector and a real pose net."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import onnxruntime
import pytest
from PIL import Image as PIL

import vitruvian as vt

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/keypoint_agreement.py"
PICTURES = 30


@pytest.fixture
def models(shared: Path) -> list[str]:
    folder = shared / "models"
    return ["--detector", f"{folder}/rtmdet_nano_person.onnx", "--pose", f"{folder}/tinypose_256x192.onnx"]


def predict(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vitruvian", "predict", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=cwd, env=environment)


def annotated(val: Path, least: int = 1) -> dict[int, list[dict]]:
    """The persons with at least so many keypoints, by picture."""
    persons: dict[int, list[dict]] = {}
    for item in json.loads((val / "person_keypoints.json").read_text())["annotations"]:
        if item["num_keypoints"] >= least and not item["iscrowd"]:
            persons.setdefault(item["image_id"], []).append(item)
    return persons


def overlap(box: list[float], xywh: list[float]) -> float:
    x, y, width, height = xywh
    shared = max(0, min(box[2], x + width) - max(box[0], x)) * max(0, min(box[3], y + height) - max(box[1], y))
    return shared / ((box[2] - box[0]) * (box[3] - box[1]) + width * height - shared)


def similarity(keypoints: np.ndarray, truth: dict) -> float:
    """Object keypoint similarity as COCO defines it, https://cocodataset.org/#keypoints-eval."""
    points = np.array(truth["keypoints"], float).reshape(17, 3)
    labelled = points[:, 2] > 0
    squared = ((keypoints - points[:, :2]) ** 2).sum(axis=1)
    spread = (2 * np.array(vt.COCO17.sigmas)) ** 2
    return float(np.exp(-squared / (2 * truth["area"] * spread))[labelled].mean())


def test_a_photo(tmp_path, val, models):
    name = "000000000785.jpg"
    photo = val / "images" / name
    if not photo.is_file():
        photo = sorted((val / "images").iterdir())[0]
    done = predict(photo, *models, "--json", "a.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 picture, ")
    (frame,) = json.loads((tmp_path / "a.json").read_text())["frames"]
    with PIL.open(photo) as before, PIL.open(tmp_path / "runs/predict" / photo.name) as after:
        assert (frame["width"], frame["height"]) == before.size == after.size
        difference = np.abs(np.asarray(before.convert("RGB")).astype(int) - np.asarray(after.convert("RGB")))
    assert difference.max() > 60
    (truths,) = [persons for number, persons in annotated(val).items() if number == int(photo.stem)]
    largest = max(truths, key=lambda item: item["area"])
    best = max(frame["persons"], key=lambda person: overlap(person["box"], largest["bbox"]))
    assert overlap(best["box"], largest["bbox"]) > 0.5


def test_a_folder_of_ninety_photos(tmp_path, val, models):
    done = predict(
        val / "images", *models, "--img-size", 320, "-o", "out", "--json", "a.json", "--coco", "coco.json", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("90 pictures, ")
    names = sorted(path.name for path in (val / "images").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    frames = json.loads((tmp_path / "a.json").read_text())["frames"]
    assert [Path(frame["source"]).name for frame in frames] == names
    records = json.loads((tmp_path / "coco.json").read_text())
    assert len(records) == sum(len(frame["persons"]) for frame in frames)
    assert {record["image_id"] for record in records} <= {int(Path(name).stem) for name in names}

    # Persons that are large and mostly visible are found by any working detector, and their keypoints by any pose net.
    by_picture = {int(Path(frame["source"]).stem): frame["persons"] for frame in frames}
    similarities = []
    for number, truths in annotated(val, least=12).items():
        for truth in truths:
            if truth["area"] < 96**2:
                continue
            near = [person for person in by_picture[number] if overlap(person["box"], truth["bbox"]) > 0.5]
            similarities.append(max((similarity(np.array(p["keypoints"]), truth) for p in near), default=0.0))
    assert len(similarities) > 20
    assert np.mean(np.array(similarities) > 0.5) > 0.8
    assert np.median(similarities) > 0.75


def test_a_video(tmp_path, shared, models):
    source = shared / "videos/basketball.mp4"
    done = predict(source, *models, "--img-size", 320, "--track", "--json", "a.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    target = tmp_path / "runs/predict/basketball.mp4"

    def facts(path: Path) -> tuple[list[float], tuple[int, int], list[str]]:
        with av.open(str(path)) as container:
            size = container.streams.video[0].width, container.streams.video[0].height
            kinds = sorted(stream.type for stream in container.streams if stream.type in ("video", "audio"))
            times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        return times, size, kinds

    times, size, kinds = facts(source)
    written, own_size, own_kinds = facts(target)
    assert np.subtract(written, written[0]) == pytest.approx(np.subtract(times, times[0]), abs=2e-3)
    assert own_size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert own_kinds == kinds
    frames = json.loads((tmp_path / "a.json").read_text())["frames"]
    assert [frame["index"] for frame in frames] == list(range(len(times)))
    assert np.mean([len(frame["persons"]) > 0 for frame in frames]) > 0.9
    for frame in frames:
        numbers = [person["track_id"] for person in frame["persons"] if person["track_id"]]
        assert len(set(numbers)) == len(numbers)
    first = {person["track_id"] for person in frames[0]["persons"]} - {0}
    second = {person["track_id"] for person in frames[1]["persons"]} - {0}
    assert first & second


@pytest.fixture(scope="module")
def book() -> ModuleType:
    """The benchmark's by-the-book procedure."""
    spec = importlib.util.spec_from_file_location("keypoint_agreement", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def some_persons(val: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The first pictures with annotated persons, and the boxes xyxy of these."""
    found = []
    for number, truths in sorted(annotated(val).items())[:PICTURES]:
        boxes = np.array([truth["bbox"] for truth in truths], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        found.append((vt.media.read_image(val / f"images/{number:012}.jpg"), boxes))
    return found


def gaps(model: vt.TopDown, book: ModuleType, file: Path, persons: list) -> np.ndarray:
    """Pixels between the model's keypoints and those by the book, (persons, keypoints)."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = []
    for image, boxes in persons:
        expected = np.stack([book.by_the_book(session, image, box) for box in boxes])
        found.append(np.linalg.norm(model(image, boxes=boxes).keypoints - expected, axis=2))
    return np.concatenate(found)


def test_keypoints_agree_with_the_published_procedure(shared, val, book):
    file = shared / "models/tinypose_256x192.onnx"
    persons = some_persons(val)
    assert len(persons) == PICTURES
    distances = gaps(vt.load(pose=file, runtime="onnxruntime", precision="fp32"), book, file, persons)
    assert distances.shape[0] >= PICTURES
    assert distances.shape[1] == 17
    assert distances.max() <= 0.01


def test_keypoints_agree_in_openvino(shared, val, book):
    # Another engine's rounding may tip an argmax between two cells that are all but equally high, and nothing else.
    file = shared / "models/tinypose_256x192.onnx"
    distances = gaps(vt.load(pose=file, runtime="openvino", precision="fp32"), book, file, some_persons(val)[:10])
    assert np.mean(distances <= 0.01) > 0.99


def test_fp32_is_fp32_and_bf16_stays_near(shared, val):
    file = shared / "models/tinypose_256x192.onnx"
    image, boxes = some_persons(val)[0]
    exact = vt.load(pose=file, runtime="onnxruntime", precision="fp32")(image, boxes=boxes)
    fp32, bf16 = (
        vt.load(pose=file, runtime="openvino", precision=precision)(image, boxes=boxes)
        for precision in ("fp32", "bf16")
    )
    assert fp32.scores == pytest.approx(exact.scores, abs=1e-4)
    # A half-precision engine is off by up to 1 part in 256 of each value on its way; a broken one by far more.
    assert np.abs(bf16.scores - exact.scores).max() < 0.1
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if "amx_bf16" in flags or "avx512_bf16" in flags:
        assert np.abs(bf16.scores - exact.scores).max() > np.abs(fp32.scores - exact.scores).max()
