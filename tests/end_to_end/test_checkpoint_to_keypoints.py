"""Each family from a file in the published layout to keypoints, in torch and through ONNX: the same ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vitruvian as vt
from vitruvian import loading, networks
from vitruvian.cli import main
from vitruvian.export import export
from vitruvian.tracking import box_iou

sys.path.append(str(Path(__file__).parents[1] / "zoo"))
from published import random_network, save_whole_yolov5

pytestmark = pytest.mark.filterwarnings("default")  # the exporter's own deprecation notes

PICTURE = Path(__file__).parents[2] / "docs/images/astronaut.jpg"
BOXES = [[60, 20, 420, 500], [100, 0, 330, 260], [0, 0, 511, 511]]
FAMILIES = [
    "pose_hrnet_w32_256x192",
    "simdr_hrnet_w32_256x192",
    "sa_simdr_hrnet_w48_256x192",
    "rle_resnet50_256x192",
    "psa_p_hrnet_w48_256x192",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_published_layout_runs_and_its_onnx_gives_the_same_keypoints(name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.pth"
    network = random_network(name)
    if name.startswith("psa"):
        # PSA's random weights blow up every rounding, unless its normalisations know their inputs' range.
        torch.manual_seed(1)
        network = networks.create(name)
        with torch.no_grad():
            for _ in range(2):
                network(torch.randn(2, 3, *networks.spec(name).input_size))
    torch.save({"state_dict": network.state_dict()}, checkpoint)
    model = vt.load(pose=checkpoint, runtime="torch", precision="fp32")
    poses = model(PICTURE, boxes=BOXES)
    assert poses.keypoints.shape == (3, 17, 2)
    assert poses.keypoints.std() > 1
    exported = export(checkpoint, tmp_path / "weights.onnx")
    for engine in ("onnxruntime", "openvino"):
        again = vt.load(pose=exported.path, runtime=engine, precision="fp32")
        assert again.pose.card == exported.card == model.pose.card
        apart = np.abs(again(PICTURE, boxes=BOXES).keypoints - poses.keypoints).max(axis=2)
        # Maps of random weights have peaks so close to each other that rounding decides: a few keypoints may jump.
        assert np.mean(apart < 0.05) > 0.8
        assert again(PICTURE, boxes=BOXES).scores == pytest.approx(poses.scores, abs=1e-3)


@pytest.mark.parametrize("name", ["yolov5n", "yolov5m_crowdhuman"])
def test_a_whole_yolov5_runs_and_its_onnx_finds_the_same_boxes(name: str, tmp_path: Path, monkeypatch) -> None:
    network = random_network(name)
    names = ["person", "head"] if "crowdhuman" in name else ["person", *(f"class {i}" for i in range(1, 80))]
    save_whole_yolov5(monkeypatch, network, tmp_path / "yolo.pt", names=names)
    exported = export(tmp_path / "yolo.pt", tmp_path / "yolo.onnx", size=(128, 128))
    # A picture that fills the input: the checkpoint takes any rectangle, the file one square.
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    boxes = vt.zoo.load_detector(tmp_path / "yolo.pt", 128, score=0.0, iou=0.9, runtime="torch")([picture])[0]
    again = vt.zoo.load_detector(exported.path, score=0.0, iou=0.9)([picture])[0]
    assert len(boxes) > 0
    assert len(again) == len(boxes)
    assert box_iou(boxes.xyxy, again.xyxy).max(axis=1).min() > 0.99


def test_the_command_line_as_people_know_it(shared: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    checkpoint = tmp_path / "simdr_hrnet_w32_256x192.pth"
    torch.save(random_network("simdr_hrnet_w32_256x192").state_dict(), checkpoint)
    arguments = ["--det-model", str(shared / "models/yolov5n.pt"), "--pose-model", str(checkpoint)]
    arguments += ["--img-size", "320", "--conf-thres", "0.5", "--iou-thres", "0.6", "-o", str(tmp_path / "drawn.png")]
    monkeypatch.setattr(sys, "argv", ["vitruvian", "predict", "--source", str(PICTURE), *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0
    assert "1 picture, 1 person" in capsys.readouterr().out
    assert (tmp_path / "drawn.png").is_file()


def test_a_name_loads_what_is_in_the_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path))
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    with pytest.raises(vt.ModelError, match=r"https://.*simdr_hrnet_w32_256x192\.pth"):
        vt.load(pose="simdr_hrnet_w32_256x192")
    (tmp_path / "models").mkdir()
    network = random_network("simdr_hrnet_w32_256x192", width=32)
    torch.save(network.state_dict(), tmp_path / "models/simdr_hrnet_w32_256x192.pth")
    fetched = []
    monkeypatch.setattr(loading, "fetch", lambda card: fetched.append(card.name) or vt.zoo.fetch(card))
    assert vt.load(pose="simdr_hrnet_w32_256x192").pose.card.name == "simdr_hrnet_w32_256x192"
    assert fetched == ["simdr_hrnet_w32_256x192"]
    with pytest.raises(vt.ModelError, match="did you mean simdr_hrnet_w32_256x192"):
        vt.load(pose="simdr_hrnet_w32_256")
