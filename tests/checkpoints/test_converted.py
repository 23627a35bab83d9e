"""Checkpoints run as ONNX files that are made once, kept, and made anew when something is wrong with them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vitruvian as vt
from vitruvian import networks
from vitruvian.checkpoints import converted
from vitruvian.checkpoints.model_files import save_model
from vitruvian.zoo import clear_converted, converted_folder

pytestmark = pytest.mark.filterwarnings("default")  # the exporter's own deprecation notes

PICTURE = Path(__file__).parents[2] / "docs/images/astronaut.jpg"
BOXES = [[60, 20, 420, 500], [0, 0, 511, 511]]
NAME = "pose_pyramid_w32_256x192"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = networks.create(NAME)
    with torch.no_grad():
        for _ in range(2):  # norms learn the range of what they get
            network(torch.randn(2, 3, 256, 192))
    return network.state_dict()


def save(path: Path, weights: dict[str, torch.Tensor]) -> Path:
    save_model(path, weights, vt.zoo.card(NAME), networks.spec(NAME))
    return path


@pytest.fixture
def checkpoint(weights: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    return save(tmp_path / f"{NAME}.safetensors", weights)


def kept() -> list[Path]:
    return sorted(converted_folder().glob("*.onnx"))


def test_the_outputs_are_torch_s_in_every_engine(checkpoint: Path) -> None:
    samples = np.random.default_rng(0).standard_normal((3, 3, 256, 192), np.float32)
    expected = vt.load(pose=checkpoint, runtime="torch", precision="fp32").pose.runtime(samples)[0]
    for engine in ("auto", "openvino", "onnxruntime"):
        model = vt.load(pose=checkpoint, runtime=engine, precision="fp32")
        assert type(model.pose.runtime).__name__ in ("OpenVINO", "ONNXRuntime")
        assert model.pose.card == vt.load(pose=checkpoint, runtime="torch").pose.card
        assert np.abs(model.pose.runtime(samples)[0] - expected).max() < 1e-4 * np.ptp(expected)
    assert len(kept()) == 1


def test_a_converted_network_names_its_checkpoint(checkpoint: Path) -> None:
    network = vt.load(pose=checkpoint).pose.runtime
    assert network.source == checkpoint
    assert network.path == kept()[0]
    assert vt.load().pose.runtime.source == vt.load().pose.runtime.path


def test_the_second_start_needs_no_torch(checkpoint: Path) -> None:
    code = f"import sys, vitruvian as vt; vt.load(pose={str(checkpoint)!r}); print('torch' in sys.modules)"
    for first in (True, False):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(first)]
    assert len(kept()) == 1


def test_a_damaged_file_is_made_anew(checkpoint: Path) -> None:
    expected = vt.load(pose=checkpoint)(PICTURE, boxes=BOXES).keypoints
    (path,) = kept()
    for damage in (lambda data: data[: len(data) // 2], lambda data: data[:-40] + bytes(40), lambda data: b""):
        path.write_bytes(damage(path.read_bytes()))
        assert vt.load(pose=checkpoint)(PICTURE, boxes=BOXES).keypoints.tolist() == expected.tolist()
        assert kept() == [path]


def test_other_weights_another_name_and_another_size_are_other_files(checkpoint: Path, weights) -> None:
    vt.load(pose=checkpoint)
    save(checkpoint, {name: tensor * 1.01 for name, tensor in weights.items()})
    vt.load(pose=checkpoint)
    assert len(kept()) == 2
    assert vt.load(pose=checkpoint, pose_size=(128, 96)).pose.card.input_size == (128, 96)
    assert len(kept()) == 3
    vt.load(pose=checkpoint.rename(checkpoint.with_name("mine.safetensors")))
    assert len(kept()) == 4
    assert clear_converted() > 1_000_000
    assert kept() == []


def test_a_folder_that_can_not_be_written_costs_speed_alone(checkpoint: Path, monkeypatch, tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "vitruvian"):
        model = vt.load(pose=checkpoint)
    assert type(model.pose.runtime).__name__ == "TorchRuntime"
    assert "runs in torch" in caplog.text
    with pytest.raises(vt.OutputError, match="file"):
        vt.load(pose=checkpoint, runtime="openvino")


def test_the_files_used_longest_ago_make_room(checkpoint: Path, monkeypatch) -> None:
    monkeypatch.setattr(converted, "_KEPT", 2)
    converted_folder().mkdir(parents=True)
    for age in (30, 20, 10):
        path = converted_folder() / f"old-{age}.onnx"
        path.write_bytes(b"")
        os.utime(path, (age, 1_000_000 - age))
    vt.load(pose=checkpoint)
    assert [path.name.split("-")[0] for path in kept()] == ["old", NAME]
    assert kept()[0].name == "old-10.onnx"


def test_a_yolov5_takes_rectangles_as_in_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(networks.create("yolov5n").state_dict(), tmp_path / "yolov5n.pt")
    ours, exact = (vt.zoo.load_detector(tmp_path / "yolov5n.pt", 320, runtime=runtime) for runtime in ("auto", "torch"))
    assert ours.card == exact.card
    for shape in ((1, 3, 96, 320), (2, 3, 320, 224)):
        images = np.random.default_rng(0).random(shape, np.float32)
        assert ours.runtime(images)[0] == pytest.approx(exact.runtime(images)[0], abs=1e-3)  # pixels


def test_the_command_line_empties_the_folder(checkpoint: Path) -> None:
    vt.load(pose=checkpoint)
    done = subprocess.run(
        [sys.executable, "-m", "vitruvian", "models", "--clear-cache"], capture_output=True, text=True, check=True
    )
    assert "MB deleted" in done.stdout
    assert kept() == []
