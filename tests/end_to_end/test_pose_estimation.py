"""Files of sithu31296/pose-estimation, written by torch alone in its layout, wherever a checkpoint goes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import vitruvian as vt
from vitruvian.cli import main

sys.path.append(str(Path(__file__).parents[1] / "zoo"))
from published import pose_estimation, random_network

pytestmark = pytest.mark.filterwarnings("default")  # the exporter's and Lightning's own

PICTURE = Path(__file__).parents[2] / "docs/images/astronaut.jpg"
BOXES = [[60, 20, 420, 500], [100, 0, 330, 260]]
HEATMAP, SIMDR = "pose_hrnet_w32_256x192", "simdr_hrnet_w32_256x192"

Command = Callable[..., None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    torch.set_num_threads(1)

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["vitruvian", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
        assert leaving.value.code == 0

    return run


def saved(name: str, folder: Path) -> tuple[Path, Path]:
    """The same random weights in pose-estimation's layout and in the authors'."""
    network = random_network(name, width=8, num_keypoints=5, input_size=(64, 64))
    own, authors = folder / "own_64x64.pth", folder / "authors_64x64.pth"
    torch.save(pose_estimation(network.state_dict()), own)
    torch.save(network.state_dict(), authors)
    return own, authors


@pytest.mark.parametrize("name", [HEATMAP, SIMDR])
def test_the_keypoints_are_those_of_the_authors_layout(name: str, tmp_path: Path) -> None:
    poses, expected = (vt.load(pose=file)(PICTURE, boxes=BOXES) for file in saved(name, tmp_path))
    assert poses.keypoints.tolist() == expected.keypoints.tolist()
    assert poses.scores.tolist() == expected.scores.tolist()
    assert poses.keypoints.std() > 1


def test_every_command_takes_them(draw, tmp_path: Path, command: Command, caplog) -> None:
    source = draw(4)
    data = ("--annotations", source.annotations, "--images", source.images)
    written = []
    for file in saved(SIMDR, tmp_path):
        out = tmp_path / file.stem
        command("predict", PICTURE, "--pose", file, "--no-draw", "--json", f"{out}.json", "-q")
        command("evaluate", "--pose", file, *data, "-o", out, "-q")
        metrics = json.loads((out / "metrics.json").read_text())
        written.append((json.loads(out.with_suffix(".json").read_text())["frames"], metrics["keypoints"]))
    assert written[0] == written[1]
    own = tmp_path / "own_64x64.pth"
    command("export", own, "-o", tmp_path / "own.onnx")
    poses, again = (vt.load(pose=file)(PICTURE, boxes=BOXES) for file in (own, tmp_path / "own.onnx"))
    assert np.median(np.abs(again.keypoints - poses.keypoints)) < 0.05
    caplog.clear()
    fast = ("width=8", "input_size=64x64", "batch=4", "workers=0", "epochs=1")
    settings = [part for setting in fast for part in ("--set", setting)]
    training = ("train", "--recipe", SIMDR, "--data", source.annotations, "--images", source.images)
    command(*training, "--init", own, "-o", tmp_path / "run", *settings)
    learned = sum("num_batches" not in name for name in random_network(SIMDR, width=8).state_dict())
    assert f"start: {own}, {learned} of {learned} tensors; nothing is new" in caplog.text


def test_the_forerunners_command(tmp_path: Path, shared: Path, command: Command, capsys) -> None:
    checkpoint = tmp_path / "posehrnet_w32_256x192.pth"
    torch.save(pose_estimation(random_network(HEATMAP, width=8).state_dict()), checkpoint)
    arguments = ("--det-model", shared / "models/yolov5n.pt", "--pose-model", checkpoint, "--img-size", "320")
    command("predict", "--source", PICTURE, *arguments, "-o", tmp_path / "drawn.png")
    assert "1 picture, 1 person" in capsys.readouterr().out
    assert (tmp_path / "drawn.png").is_file()
