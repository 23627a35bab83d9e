"""ViTPose against `transformers`' own: the same random weights in each published layout give the same heatmaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

import vitruvian as vt
from vitruvian import networks
from vitruvian.cards import HeatmapOptions

SLIM = {"width": 64, "depth": 3, "heads": 1, "input_size": (128, 96)}
PICTURES = torch.randn(2, 3, 128, 96, generator=torch.Generator().manual_seed(0))


def theirs(decoder: str, experts: int = 1) -> Any:
    """Their network with random weights, none of them at the values that fresh ones have."""
    transformers = pytest.importorskip("transformers", reason="needs transformers, the package compared with")
    options = {"part_features": 16, "num_experts": experts} if experts > 1 else {}
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[128, 96],
        patch_size=[16, 16],
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=1,
        mlp_ratio=4,
        out_indices=[3],
        **options,
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, num_labels=5, use_simple_decoder=decoder == "simple", scale_factor=4
    )
    torch.manual_seed(3)
    network = transformers.VitPoseForPoseEstimation(config).eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5) if name.endswith("_var") else tensor.normal_(std=0.1)
    return network


def heatmaps(network: Any, experts: int = 1) -> Tensor:
    index = torch.zeros(len(PICTURES), dtype=torch.long) if experts > 1 else None
    with torch.no_grad():
        return network(PICTURES, dataset_index=index).heatmaps


@pytest.mark.parametrize("experts", [1, 6])
@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_the_numbers_are_those_of_transformers(tmp_path: Path, decoder: str, experts: int) -> None:
    network = theirs(decoder, experts)
    network.save_pretrained(tmp_path)
    loaded = vt.zoo.load_checkpoint(None, tmp_path / "model.safetensors")
    # 64 channels a head is what widths that were never published are taken for.
    expected = networks.spec("vitpose_b_256x192")
    assert loaded.identity.spec == type(expected)(decoder=decoder, **SLIM)
    assert (loaded.identity.name, loaded.identity.num_keypoints) == (None, 5)
    assert any("COCO" in note for note in loaded.identity.notes) == (experts > 1)
    with torch.no_grad():
        found = loaded.network(PICTURES)
    expected_maps = heatmaps(network, experts)
    assert expected_maps.shape == (2, 5, 32, 24)
    torch.testing.assert_close(found, expected_maps, rtol=1e-4, atol=1e-4)


def authors(decoder: str) -> dict[str, Tensor]:
    """A network's weights under the names of the authors' release, which is MMPose's 0.x."""
    network = networks.create("vitpose_b_256x192", 5, decoder=decoder, **SLIM)
    heads = ("deconv_layers.", "final_layer.")
    return {
        ("keypoint_head." if name.startswith(heads) else "backbone.") + name: tensor
        for name, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("decoder", ["classic", "simple"])
def test_the_authors_checkpoint_becomes_keypoints(tmp_path: Path, decoder: str) -> None:
    weights = authors(decoder)
    torch.save({"meta": {}, "state_dict": weights}, tmp_path / "vitpose.pth")
    loaded = vt.zoo.load_checkpoint(None, tmp_path / "vitpose.pth")
    assert loaded.identity.spec.decoder == decoder
    for name, tensor in loaded.network.state_dict().items():
        assert any(
            torch.equal(tensor, weights.get(prefix + name, torch.empty(0)))
            for prefix in ("backbone.", "keypoint_head.")
        )
    pose = vt.zoo.load_pose(tmp_path / "vitpose.pth", runtime="torch", threads=1)
    assert (pose.card.family, pose.card.input_size) == ("heatmap", (128, 96))
    assert pose.card.options == HeatmapOptions(aligned=True, refine="udp")
    image = torch.randint(0, 256, (200, 160, 3), generator=torch.Generator().manual_seed(1)).numpy().astype("uint8")
    poses = vt.TopDown(pose, None)(image, boxes=[[20, 20, 120, 180]])
    assert poses.keypoints.shape == (1, 5, 2)


def test_published_sizes_are_told_by_their_tensors(tmp_path: Path) -> None:
    for name in ("vitpose_s_256x192", "vitpose_h_simple_256x192"):
        with torch.device("meta"):
            network = networks.create(name)
        shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        found = vt.zoo.identify(shapes)
        assert (found.name, found.num_keypoints) == (name, 17)
        assert str(found) == f"{name} with 17 keypoints"


def test_weights_of_another_size_or_half_a_layer_are_refused(tmp_path: Path) -> None:
    torch.save(authors("classic"), tmp_path / "a.pth")
    with pytest.raises(vt.ModelError, match="the weights take 128x96"):
        vt.zoo.load_checkpoint(None, tmp_path / "a.pth", (256, 192))
    weights = theirs("classic").state_dict()
    weights.pop(next(name for name in weights if ".attention.key." in name or ".k_proj." in name))
    safetensors.torch.save_file(dict(weights), tmp_path / "b.safetensors")
    with pytest.raises(vt.ModelError, match=r"b\.safetensors: .*without"):
        vt.zoo.load_checkpoint(None, tmp_path / "b.safetensors")
    weights = authors("simple")
    weights["backbone.pos_embed"] = weights["backbone.pos_embed"][:, :-1]
    torch.save(weights, tmp_path / "c.pth")
    with pytest.raises(vt.ModelError, match="no grid of 4:3"):
        vt.zoo.load_checkpoint(None, tmp_path / "c.pth")
