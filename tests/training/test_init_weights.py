"""Where weights start from: files in the layouts of several projects, whole and in part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from published import pose_estimation, random_network
from vitruvian import InputError, ModelError
from vitruvian.training import read_recipe
from vitruvian.training.init_weights import init_network

HRNET, SIMDR, RLE = "pose_hrnet_w32_256x192", "simdr_hrnet_w32_256x192", "rle_hrnet_w48_384x288"
SMALL = {"width": 8, "num_keypoints": 5, "input_size": (64, 64)}


def begun(recipe: str, file: Path, keypoints: int = 5) -> nn.Module:
    settings = ["width=8", "input_size=64x64", f"init={file}"]
    return init_network(read_recipe(recipe, settings), keypoints)


def saved(path: Path, name: str, prefix: str = "") -> dict[str, Tensor]:
    """Writes a network in pose-estimation's layout; returns its weights under the authors' names."""
    weights = dict(random_network(name, **SMALL).state_dict())
    strays = {"n_averaged": torch.tensor(3)} if prefix else {}
    torch.save({f"{prefix}{key}": tensor for key, tensor in pose_estimation(weights).items()} | strays, path)
    return weights


def taken(network: nn.Module, weights: dict[str, Tensor], prefix: str = "") -> set[str]:
    """The parts of the network that have exactly these weights."""
    own = network.state_dict()
    same = {name: torch.equal(own[prefix + name], weights[name]) for name in weights if prefix + name in own}
    same = {name: equal for name, equal in same.items() if own[prefix + name].numel() > 1}
    parts = {name.partition(".")[0] for name in same}
    return {part for part in parts if all(equal for name, equal in same.items() if name.startswith(f"{part}."))}


BACKBONE = {
    *("conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2", "transition2", "stage3"),
    *("transition3", "stage4"),
}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("name", "head"), [(HRNET, {"final_layer"}), (SIMDR, {"final_layer", "mlp_head_x", "mlp_head_y"})]
)
def test_everything(tmp_path: Path, name: str, head: set[str], prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vitruvian")
    weights = saved(tmp_path / "own.pth", name, prefix)
    assert taken(begun(name, tmp_path / "own.pth"), weights) == BACKBONE | head
    assert "nothing is new" in caplog.text


def test_other_keypoints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vitruvian")
    weights = saved(tmp_path / "own.pth", HRNET)
    network = begun(HRNET, tmp_path / "own.pth", 3)
    del weights["final_layer.weight"], weights["final_layer.bias"]
    assert taken(network, weights) == BACKBONE
    assert "new, with random weights: final_layer" in caplog.text


def test_another_family(tmp_path: Path) -> None:
    weights = saved(tmp_path / "own.pth", HRNET)
    assert taken(begun(SIMDR, tmp_path / "own.pth"), weights) == BACKBONE | {"final_layer"}
    assert taken(begun(RLE, tmp_path / "own.pth"), weights, "preact.") >= BACKBONE


def test_a_backbone_alone(tmp_path: Path) -> None:
    weights = {key: value for key, value in saved(tmp_path / "whole.pth", HRNET).items() if "final" not in key}
    torch.save(pose_estimation(weights), tmp_path / "own.pth")
    assert taken(begun(HRNET, tmp_path / "own.pth"), weights) == BACKBONE


def test_another_width_and_no_numbers(tmp_path: Path) -> None:
    weights = pose_estimation(random_network(HRNET, **{**SMALL, "width": 16}).state_dict())
    torch.save(weights, tmp_path / "wide.pth")
    with pytest.raises(InputError, match="take a checkpoint of the same width"):
        begun(HRNET, tmp_path / "wide.pth")
    weights = pose_estimation(saved(tmp_path / "own.pth", HRNET))
    weights["backbone.stage2.0.branches.1.0.bn1.bias"][0] = float("nan")
    torch.save(weights, tmp_path / "broken.pth")
    with pytest.raises(ModelError, match=r"broken\.pth: stage2\.0\.branches\.1\.0\.bn1\.bias has values that are NaN"):
        begun(HRNET, tmp_path / "broken.pth")


def test_the_note_counts_learned_tensors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Counters of batches are nothing learned; the last layer has a weight and a bias."""
    caplog.set_level("INFO", "vitruvian")
    weights = saved(tmp_path / "own.pth", HRNET)
    learned = [name for name in weights if not name.endswith("num_batches_tracked")]
    begun(HRNET, tmp_path / "own.pth", keypoints=7)
    assert f"{len(learned) - 2} of {len(learned)} tensors" in caplog.text
