"""Recommended pairs by name: what they are, and that they run."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import vitruvian as vt
from vitruvian import loading
from vitruvian.choices import PresetName
from weight_server import Server

PHOTO = Path(__file__).parents[2] / "docs/images/astronaut.jpg"


def simcc(make_onnx, size: tuple[int, int]) -> Path:
    """A pose net of RTMPose's shapes whose keypoints are all in the middle of the crop."""
    height, width = size
    x, y = np.zeros((17, 2 * width), np.float32), np.zeros((17, 2 * height), np.float32)
    x[:, width], y[:, height] = 0.9, 0.8
    return make_onnx({"simcc_x": x, "simcc_y": y}, input_shape=("N", 3, height, width), name="simcc.onnx")


def test_what_they_are_made_of() -> None:
    assert tuple(vt.zoo.PRESETS) == get_args(PresetName)  # the command line's choices
    assert list(vt.zoo.PRESETS) == ["fast", "balanced", "accurate"]
    for pair in vt.zoo.PRESETS.values():
        detector, pose = vt.zoo.card(pair.detector), vt.zoo.card(pair.pose)
        assert (detector.task, pose.task) == ("detection", "pose")
        # No torch: ONNX, from the package or an address.
        for card in (detector, pose):
            assert vt.zoo.downloaded(card) or (card.weights and card.weights.filename.endswith(".onnx"))
            assert not card.weights or card.weights.urls
    assert all(vt.zoo.downloaded(vt.zoo.card(name)) for name in ("person_mobilenet_384x384", "pose_mobilenet_256x192"))


def test_the_fast_one_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    poses, again = vt.load(preset="fast")(PHOTO), vt.load()(PHOTO)
    assert len(poses) >= 1
    assert poses.keypoints.tolist() == again.keypoints.tolist()


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(vt.InputError, match="preset is 'quick'; it can be fast, balanced, accurate"):
        vt.load(preset="quick")


@pytest.mark.parametrize("name", ["balanced", "accurate"])
def test_offline_it_says_what_to_get(name: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    detector = vt.zoo.card(vt.zoo.PRESETS[name].detector)
    assert detector.weights is not None
    with pytest.raises(vt.ModelError) as refused:
        vt.load(preset=name)
    assert detector.weights.urls[0] in str(refused.value)
    assert str(home / detector.weights.filename) in str(refused.value)


@pytest.mark.parametrize("name", ["balanced", "accurate"])
def test_it_is_downloaded_and_runs(
    name: str, shared: Path, server: Server, make_onnx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real RTMDet, in archives as the publisher's, from a server of our own."""
    pair = vt.zoo.PRESETS[name]
    files = {
        pair.detector: shared / "models/rtmdet_nano_person.onnx",
        pair.pose: simcc(make_onnx, vt.zoo.card(pair.pose).input_size),
    }
    for file, path in files.items():
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.write(path, "folder/end2end.onnx")
            opened.writestr("folder/deploy.json", "{}")
        server.files[f"{file}.zip"] = archive.getvalue()

    def here(file: str) -> vt.ModelCard:
        card = vt.zoo.card(file)
        assert card.weights is not None
        return replace(card, weights=replace(card.weights, urls=(server.url(f"{file}.zip"),)))

    monkeypatch.setattr(loading.models, "card", here)
    model = vt.load(preset=name, max_persons=1)
    assert (model.detector.card.name, model.pose.card.name) == (pair.detector, pair.pose)
    # This file takes any size: it is run at the one that the name's was trained at.
    assert model.detector.card.input_size == vt.zoo.card(pair.detector).input_size
    poses = model(PHOTO)
    assert len(poses) == 1
    x1, y1, x2, y2 = poses.boxes[0]
    assert poses.keypoints[0] == pytest.approx(np.tile([(x1 + x2) / 2, (y1 + y2) / 2], (17, 1)), abs=1)
    assert len(server.requests) == 2


def test_what_is_given_wins(monkeypatch: pytest.MonkeyPatch, make_onnx) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    mine = simcc(make_onnx, (64, 48))
    with pytest.raises(vt.ModelError, match="rtmdet_nano"):
        vt.load(mine, preset="balanced")
    model = vt.load(mine, "person_mobilenet_384x384", preset="balanced")
    assert (model.pose.runtime.path, model.detector.card.name) == (mine, "person_mobilenet_384x384")
