"""ImageNet weights into pose networks, in the layouts of the public classifiers' files."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vitruvian import ModelError, networks
from vitruvian.networks.hrnet import HRNet
from vitruvian.networks.resnet import ResNet50


def classifier(width: int = 8) -> dict[str, Tensor]:
    """An HRNet classifier's file: the whole backbone, and a few of the names that follow it."""
    torch.manual_seed(1)
    tail = {
        "incre_modules.0.0.conv1.weight": torch.rand(32, width, 1, 1),
        "downsamp_modules.0.0.bias": torch.rand(256),
        "final_layer.0.weight": torch.rand(2048, 1024, 1, 1),
        "classifier.weight": torch.rand(1000, 2048),
        "classifier.bias": torch.rand(1000),
    }
    return {**HRNet(width).state_dict(), **tail}


@pytest.mark.parametrize("name", ["pose_hrnet_w32_256x192", "simdr_hrnet_w32_256x192"])
def test_shared_names_load_and_the_classifier_does_not(name: str) -> None:
    network = networks.create(name, width=8)
    weights = classifier()
    report = networks.load_backbone(network, weights)
    own = network.state_dict()
    assert all(torch.equal(own[key], weights[key]) for key in report.loaded)
    assert len(report.loaded) == 1752
    # The classifier's last module exchanges between all branches, the pose network's only into the first.
    ignored = {key.split(".")[0] for key in report.ignored if not key.startswith("stage4.2.fuse_layers.")}
    assert ignored == {"incre_modules", "downsamp_modules", "final_layer", "classifier"}
    assert {key.split(".")[0] for key in report.missing} <= {"final_layer", "mlp_head_x", "mlp_head_y"}
    assert {"final_layer.weight", "final_layer.bias"} <= set(report.missing)


def test_a_final_layer_is_never_taken() -> None:
    network = networks.create("pose_hrnet_w32_256x192", width=8)
    before = network.state_dict()["final_layer.weight"].clone()
    report = networks.load_backbone(network, {**classifier(), "final_layer.weight": torch.rand(17, 8, 1, 1)})
    assert torch.equal(network.state_dict()["final_layer.weight"], before)
    assert "final_layer.weight" in report.ignored


def test_attention_keeps_its_random_weights() -> None:
    network = networks.create("psa_p_hrnet_w48_256x192", width=8)
    report = networks.load_backbone(network, classifier())
    assert sum("deattn" in key for key in report.missing) == 104 * 5
    assert len(report.loaded) == 1752


def test_rle_takes_all_of_hrnet() -> None:
    network = networks.create("rle_hrnet_w48_384x288", width=8)
    report = networks.load_backbone(network, classifier())
    assert report.missing == ()
    assert not any(key.startswith("stage") for key in report.ignored)


def test_rle_takes_all_of_resnet() -> None:
    weights = {**ResNet50(8).state_dict(), "fc.weight": torch.rand(1000, 256), "fc.bias": torch.rand(1000)}
    network = networks.create("rle_resnet50_256x192", width=8)
    report = networks.load_backbone(network, weights)
    assert (report.ignored, report.missing) == (("fc.weight", "fc.bias"), ())
    assert torch.equal(network.state_dict()["preact.layer4.2.conv3.weight"], weights["layer4.2.conv3.weight"])


def test_another_width_is_refused_and_changes_nothing() -> None:
    network = networks.create("pose_hrnet_w32_256x192", width=8)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    with pytest.raises(ModelError, match=r"transition1.0.0.weight is \(16, .*\) in the file and \(8, .*\) in the"):
        networks.load_backbone(network, classifier(16))
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match="share no name with YOLOv5"):
        networks.load_backbone(networks.create("yolov5n"), classifier())
