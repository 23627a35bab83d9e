"""Layouts of pose-estimation and of MMPose: names as their sources give them, arithmetic by their formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vitruvian as vt
from published import mmpose, mmpose_rle, pose_estimation, random_network
from vitruvian import networks
from vitruvian.cards import IMAGENET_MEAN, IMAGENET_STD
from vitruvian.models import describe
from vitruvian.models.identification import convert, identify, with_size
from vitruvian.networks.heads import RLEPose
from vitruvian.zoo import Loaded

PICTURE = torch.linspace(0, 1, 3 * 64 * 64).view(1, 3, 64, 64)


def loaded(tmp_path: Path, weights: dict[str, Tensor], name: str | None = None) -> Loaded:
    torch.save({"meta": {"mmpose_version": "1"}, "state_dict": weights}, tmp_path / "mm.pth")
    return vt.zoo.load_checkpoint(name, tmp_path / "mm.pth")


def outputs(network: nn.Module) -> Any:
    with torch.no_grad():
        return network(PICTURE)


HRNETS = [
    ("pose_hrnet_w32_256x192", {"width": 8, "num_keypoints": 5}),
    ("simdr_hrnet_w32_256x192", {"width": 8, "num_keypoints": 21, "input_size": (64, 64)}),
]
WRAPPED = {
    "plain": lambda weights: weights,
    "state_dict": lambda weights: {"epoch": 3, "state_dict": weights},
    "model": lambda weights: {"model": weights, "optimizer": {}},
    "module": lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("name", "options"), HRNETS)
def test_pose_estimation(
    tmp_path: Path, name: str, options: dict[str, Any], half: bool, wrap: Callable[[dict[str, Tensor]], dict[str, Any]]
) -> None:
    network = random_network(name, **options)
    if half:
        network = network.half().float()  # to what the file can hold
    theirs = pose_estimation(network.state_dict())
    torch.save(wrap({key: tensor.half() if half else tensor for key, tensor in theirs.items()}), tmp_path / "own.pth")
    found = vt.zoo.load_checkpoint(None, tmp_path / "own.pth")
    torch.testing.assert_close(outputs(found.network), outputs(network), rtol=0, atol=0)
    assert found.identity.num_keypoints == options["num_keypoints"]
    assert any("pose-estimation" in note for note in found.identity.notes)
    assert not any("MMPose" in note for note in found.identity.notes)


@pytest.mark.parametrize(
    ("file", "name", "count"),
    [
        ("posehrnet_w32_256x192", "pose_hrnet_w32_256x192", 1754),
        ("posehrnet_w48_256x192", "pose_hrnet_w48_256x192", 1754),
        ("simdr_hrnet_w32_256x192", "simdr_hrnet_w32_256x192", 1758),
        ("sasimdr_hrnet_w48_256x192", "sa_simdr_hrnet_w48_256x192", 1758),
        ("sa_simdr_hrnet_w48_256x192", "sa_simdr_hrnet_w48_256x192", 1758),
    ],
)
def test_pose_estimations_published_networks(file: str, name: str, count: int) -> None:
    with torch.device("meta"):
        theirs = pose_estimation(vt.networks.create(name).state_dict())
    assert len(theirs) == count
    names = list(theirs)
    assert names[0] == "backbone.conv1.weight"
    assert names[-3 if count == 1754 else -7] == "backbone.stage4.2.fuse_layers.0.3.1.num_batches_tracked"
    assert theirs["final_layer.weight"].shape == (17, 32 if "w32" in name else 48, 1, 1)
    assert count == 1754 or theirs["mlp_head_y.weight"].shape == (512, 3072)
    shapes = {key: tuple(tensor.shape) for key, tensor in convert(theirs).tensors.items()}
    found = with_size(identify(shapes), None, file)
    assert (found.name, found.spec, found.num_keypoints) == (name, vt.networks.spec(name), 17)


@pytest.mark.parametrize(
    "lost", ["backbone.stage4.0.branches.1.2.conv1.weight", "final_layer.weight", "mlp_head_x.bias"]
)
def test_pose_estimations_files_are_whole(tmp_path: Path, lost: str) -> None:
    theirs = pose_estimation(random_network(HRNETS[1][0], **HRNETS[1][1]).state_dict())
    del theirs[lost]
    with pytest.raises(vt.ModelError, match=lost.removeprefix("backbone.") + "|without a pose head"):
        loaded(tmp_path, theirs)


@pytest.mark.parametrize("head", ["keypoint_head.", "head."])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pose_hrnet_w32_256x192", {"width": 8}),
        ("simdr_hrnet_w32_256x192", {"width": 8, "input_size": (64, 64)}),
    ],
)
def test_hrnet(tmp_path: Path, name: str, options: dict[str, Any], head: str) -> None:
    network = random_network(name, **options)
    theirs = mmpose(dict(network.state_dict()), head)
    assert f"{head}final_layer.weight" in theirs
    assert "backbone.stage3.2.fuse_layers.0.2.0.weight" in theirs
    found = loaded(tmp_path, theirs)
    torch.testing.assert_close(outputs(found.network), outputs(network), rtol=0, atol=0)
    assert any("MMPose's HRNet" in note for note in found.identity.notes)


@pytest.mark.parametrize(
    ("head", "maps", "name", "options"),
    [
        ("keypoint_head.", "", "mmpose_resnet50_256x192", {}),
        ("head.", "", "mmpose_resnet50_256x192", {}),
        ("head.", "deconv_head.", "mmpose_simcc_resnet50_256x192", {"input_size": (64, 64)}),
    ],
)
def test_resnet(tmp_path: Path, head: str, maps: str, name: str, options: dict[str, Any]) -> None:
    network = random_network(name, num_keypoints=5, width=8, **options)
    theirs = mmpose(dict(network.state_dict()), head, maps)
    assert theirs[f"{head}{maps}deconv_layers.3.weight"].shape == (32, 32, 4, 4)
    assert {"backbone.layer4.2.conv3.weight", f"{head}{maps}final_layer.bias"} < set(theirs)
    assert ("head.mlp_head_y.bias" in theirs) == ("simcc" in name)
    found = loaded(tmp_path, theirs)
    torch.testing.assert_close(outputs(found.network), outputs(network), rtol=0, atol=0)
    spec = networks.changed(name, {"width": 8, **options})
    assert getattr(spec, "target_sigma", 6.0) == 6.0
    assert (found.identity.spec, found.identity.num_keypoints) == (spec, 5)
    assert any("MMPose's" in note and "RGB" in note for note in found.identity.notes)
    # Under the authors' names the same weights are fed in BGR, as theirs are.
    own = loaded(tmp_path, dict(network.state_dict()))
    assert own.identity.spec == replace(spec, bgr=True, **({"target_sigma": 0.0} if "simcc" in name else {}))
    assert any("BGR" in note for note in own.identity.notes)
    cards = [describe(identity.spec, "", 5) for identity in (found.identity, own.identity)]
    assert [card.bgr for card in cards] == [False, True]
    # The authors' means and deviations are ImageNet's either way, unturned.
    assert {(card.mean, card.std) for card in cards} == {(IMAGENET_MEAN, IMAGENET_STD)}


def test_published_widths_keep_their_name(tmp_path: Path) -> None:
    theirs = mmpose(dict(random_network("pose_hrnet_w32_256x192").state_dict()), "head.")
    assert loaded(tmp_path, theirs).identity.name == "pose_hrnet_w32_256x192"
    assert loaded(tmp_path, theirs, "pose_hrnet_w32_384x288").identity.name == "pose_hrnet_w32_384x288"


@pytest.mark.parametrize(("head", "loss"), [("keypoint_head.", "loss"), ("head.", "loss_module")])
def test_rle_by_mmposes_formulas(tmp_path: Path, head: str, loss: str) -> None:
    network = random_network("rle_resnet50_256x192", num_keypoints=5, width=8)
    assert isinstance(network, RLEPose)
    theirs = mmpose_rle(dict(network.state_dict()), head, loss)
    assert theirs[f"{head}fc.weight"].shape == (20, 256)
    found = loaded(tmp_path, theirs)
    with torch.no_grad():
        feature = network.preact.features(PICTURE)[0].mean(dim=(2, 3))
    numbers = nn.functional.linear(feature, theirs[f"{head}fc.weight"], theirs[f"{head}fc.bias"]).reshape(1, 5, 4)
    coordinates, sigma = outputs(found.network)
    # There 0..1 of the picture, here -0.5..0.5.
    torch.testing.assert_close(coordinates, numbers[..., :2] - 0.5)
    torch.testing.assert_close(sigma, numbers[..., 2:].sigmoid())
    # The authors' network divides by the norm, so that the same layers give something else.
    assert not torch.allclose(coordinates, outputs(network)[0])
    assert found.identity.name is None
    flow = {name: value for name, value in network.state_dict().items() if name.startswith("flow.")}
    assert all(torch.equal(found.network.state_dict()[name], value) for name, value in flow.items())


def test_rle_under_its_name_and_at_its_published_width(tmp_path: Path) -> None:
    network = random_network("rle_resnet50_256x192")
    found = loaded(tmp_path, mmpose_rle(dict(network.state_dict()), "head.", "loss_module"), "rle_resnet50_256x192")
    assert isinstance(found.network, RLEPose)
    assert not found.network.fc_coord.normalise
    assert any("MMPose's RLE" in note for note in found.identity.notes)


def resnet() -> dict[str, Tensor]:
    weights = random_network("rle_resnet50_256x192", width=8).state_dict()
    return {f"backbone.{name[7:]}": value for name, value in weights.items() if name.startswith("preact.")}


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (
            {"head.deconv_layers.0.weight": (2, 2), "backbone.layer3.6.conv1.weight": (1,)},
            "Baselines .* on ResNet-50 only",
        ),
        ({"head.deconv_head.deconv_layers.0.weight": (2, 2)}, "its head is deconv_head.deconv_layers.0.weight"),
        ({"head.cls_x.weight": (2, 2)}, "RTMPose.*ONNX"),
        ({"head.fc.weight": (34, 256), "head.fc.bias": (34,)}, "DeepPose"),
        ({"head.fc.weight": (1000, 256), "head.fc.bias": (1000,)}, "classifier"),
        ({"head.something.weight": (3,)}, "its head is something.weight"),
        ({"head.final_layer.weight": (17, 256, 1, 1)}, "its head is final_layer.weight"),
        ({"head.fc.weight": (68, 256), "neck.weight": (2, 2)}, "parts that Vitruvian doesn't have: neck.weight"),
        ({"head.fc.weight": (68, 256), "backbone.layer3.6.conv1.weight": (1,)}, "on ResNet-50 only"),
    ],
)
def test_what_has_no_counterpart_is_named(tmp_path: Path, head: dict[str, tuple[int, ...]], says: str) -> None:
    weights = {**resnet(), **{name: torch.ones(shape) for name, shape in head.items()}}
    with pytest.raises(vt.ModelError, match=rf"mm\.pth: .*{says}"):
        loaded(tmp_path, weights)


def test_other_names_pass() -> None:
    tensors = {"conv1.weight": torch.ones(1), "head.x": torch.ones(1)}
    assert convert(tensors).tensors is tensors
