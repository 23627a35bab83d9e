"""Files written before cards had a version and specs an architecture: they are read as they were meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import vitruvian as vt
from vitruvian import ModelError, networks
from vitruvian.cards import METADATA_KEY, DetectorOptions, HeatmapOptions, ModelCard, SimDROptions
from vitruvian.checkpoints.model_files import SPEC_KEY, save_model
from vitruvian.hub.downloads import packaged
from vitruvian.models import describe
from vitruvian.runtimes import open_runtime

# Of 0.1.0, as its `save_model` wrote them.
SKELETON = {"name": "two", "keypoints": ["nose", "tail"], "limbs": [[0, 1]], "sigmas": [0.1, 0.1], "pairs": []}
BASE = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "bgr": False, "padding": 1.25}
BASE |= {"weights": None, "published": None}
POSE = {"name": "mine", "task": "pose", "input_size": [64, 64], "skeleton": SKELETON, **BASE}
SPEC = {"width": 8, "input_size": [64, 64], "attention": "none", "split": 2.0, "target_sigma": 0.0}
SPEC |= {"feature_norm": True, "bgr": False}


@pytest.mark.parametrize(
    ("name", "spec", "family", "options", "expected"),
    [
        (
            "pose_hrnet_w32_256x192",
            {"backbone": "hrnet", "head": "heatmap"},
            "heatmap",
            {"stride": 4},
            HeatmapOptions(),
        ),
        (
            "psa_p_hrnet_w48_256x192",
            {"backbone": "hrnet", "head": "heatmap", "attention": "parallel"},
            "heatmap",
            {"stride": 4, "aligned": True, "refine": "udp", "sigma": 3.0},
            HeatmapOptions(aligned=True, refine="udp", sigma=3.0),
        ),
        (
            "sa_simdr_hrnet_w48_256x192",
            {"backbone": "hrnet", "head": "simdr", "target_sigma": 4.0},
            "simdr",
            {"split": 2.0, "sigma": 4.0, "smoothing": 0.2},
            SimDROptions(split=2.0, sigma=4.0, smoothing=0.2),
        ),
        ("rle_resnet50_256x192", {"backbone": "resnet50", "head": "regression"}, "regression", {}, None),
        ("mmpose_resnet50_256x192", {"backbone": "resnet50", "head": "heatmap"}, "heatmap", {"stride": 4}, None),
        (
            "pose_pyramid_w32_256x192",
            {"backbone": "pyramid", "head": "heatmap"},
            "heatmap",
            {"stride": 4, "aligned": True, "softmax": True, "refine": "dark", "sigma": 1.25},
            HeatmapOptions(aligned=True, softmax=True, refine="dark", sigma=1.25),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_trained_pose_nets(
    tmp_path: Path, name: str, spec: dict[str, Any], family: str, options: dict[str, Any], expected: Any
) -> None:
    wanted = networks.changed(name, {"width": 8, "input_size": (64, 64)})
    network = networks.build(wanted, 2)
    metadata = {
        METADATA_KEY: json.dumps({**POSE, "family": family, "options": options}),
        SPEC_KEY: json.dumps({**SPEC, **spec}),
    }
    safetensors.torch.save_file(dict(network.state_dict()), tmp_path / "mine.safetensors", metadata)
    loaded = vt.zoo.load_checkpoint(None, tmp_path / "mine.safetensors")
    assert loaded.identity.spec == wanted
    assert loaded.card is not None
    assert (loaded.card.name, loaded.card.family, loaded.card.skeleton.keypoints) == ("mine", family, ("nose", "tail"))
    if expected is not None:
        assert loaded.card.options == expected
    # Written again, the file is of today, and the same model.
    save_model(tmp_path / "new.safetensors", network.state_dict(), loaded.card, loaded.identity.spec)
    again = vt.zoo.load_checkpoint(None, tmp_path / "new.safetensors")
    assert (again.card, again.identity.spec) == (loaded.card, wanted)


def test_trained_detectors(tmp_path: Path) -> None:
    wanted = networks.changed("person_csp_w32_416x416", {"width": 8, "neck": 8, "input_size": (64, 64)})
    network = networks.build(wanted)
    card = {"name": "d", "task": "detection", "family": "yolox", "input_size": [64, 64], "options": {"iou": 0.5}}
    metadata = {
        METADATA_KEY: json.dumps({**BASE, **card, "skeleton": None}),
        SPEC_KEY: json.dumps({"width": 8, "neck": 8, "depth": 1, "input_size": [64, 64]}),
    }
    safetensors.torch.save_file(dict(network.state_dict()), tmp_path / "d.safetensors", metadata)
    loaded = vt.zoo.load_checkpoint(None, tmp_path / "d.safetensors")
    assert (loaded.identity.spec, loaded.card.options) == (wanted, DetectorOptions(iou=0.5))


def test_a_detectors_stride_is_its_size_multiple() -> None:
    card = describe(networks.spec("yolov5n"), "yolov5n")
    fields = json.loads(card.to_json())
    del fields["version"]
    fields["options"] = {"person": 0, "stride": 32}
    assert ModelCard.from_json(json.dumps(fields)) == card
    with pytest.raises(ModelError, match="stride"):
        ModelCard.from_json(json.dumps({**fields, "version": 2}))
    with pytest.raises(ModelError, match="version 3"):
        ModelCard.from_json(json.dumps({**json.loads(card.to_json()), "version": 3}))


@pytest.mark.parametrize("name", ["pose_mobilenet_256x192", "person_mobilenet_384x384"])
def test_the_packages_files(name: str) -> None:
    """They carry cards, and say by their networks' outputs what they are for."""
    file = packaged(vt.zoo.card(name))
    assert file is not None
    runtime = open_runtime(file, threads=1)
    assert json.loads(runtime.metadata[METADATA_KEY])["version"] == 2
    card = vt.zoo.recognise(runtime)
    assert (card.name, card.input_size) == (name, vt.zoo.card(name).input_size)
    assert card.family == vt.zoo.card(name).family


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "{", '{"head": "heatmap", "input_size": [64, 64]}', '{"architecture": "x", "input_size": [64, 64]}'],
)
def test_specs_that_are_none(tmp_path: Path, text: str) -> None:
    metadata = {METADATA_KEY: json.dumps({**POSE, "family": "heatmap", "options": {}}), SPEC_KEY: text}
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(ModelError, match=r"odd\.safetensors: the network's spec in the file can't be read"):
        vt.zoo.load_checkpoint(None, tmp_path / "odd.safetensors")
