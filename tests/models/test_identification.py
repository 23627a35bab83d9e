"""What a file is, from names and shapes, and what is said of files that are something else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

import vitruvian as vt
from published import random_network
from vitruvian import ModelError, networks
from vitruvian.models import SPECS
from vitruvian.models.identification import spec_from_json, spec_to_json, with_size
from vitruvian.models.simdr import SimDRSpec
from vitruvian.models.simple_baselines import SimpleBaselinesSpec
from vitruvian.models.yolov5 import YOLOv5Spec
from vitruvian.zoo import identify


def shapes(name: str, num_keypoints: int = 17, **options: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published network, without its numbers."""
    with torch.device("meta"):
        network = networks.create(name, num_keypoints, **options)
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


# Networks whose files don't fix an input size are taken for the smaller of the published ones, SimDR* for SimDR.
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("pose_hrnet_w32_256x192", "pose_hrnet_w32_256x192"),
        ("pose_hrnet_w32_384x288", "pose_hrnet_w32_256x192"),
        ("pose_hrnet_w48_256x192", "pose_hrnet_w48_256x192"),
        ("simdr_hrnet_w32_256x192", "simdr_hrnet_w32_256x192"),
        ("simdr_hrnet_w48_256x192", "simdr_hrnet_w48_256x192"),
        ("sa_simdr_hrnet_w48_256x192", "simdr_hrnet_w48_256x192"),
        ("sa_simdr_hrnet_w48_384x288", "sa_simdr_hrnet_w48_384x288"),
        ("rle_resnet50_256x192", "rle_resnet50_256x192"),
        ("rle_hrnet_w48_384x288", "rle_hrnet_w48_384x288"),
        ("psa_p_hrnet_w48_384x288", "psa_p_hrnet_w48_256x192"),
        ("psa_s_hrnet_w48_384x288", "psa_s_hrnet_w48_384x288"),
        *((f"yolov5{size}", f"yolov5{size}") for size in "nsmlx"),
        ("yolov5m_crowdhuman", "yolov5m_crowdhuman"),
    ],
)
def test_published_networks(name: str, taken: str) -> None:
    found = identify(shapes(name))
    assert (found.name, found.spec) == (taken, networks.SPECS[taken])
    assert found.num_keypoints == (0 if name.startswith("yolov5") else 17)


@pytest.mark.parametrize(
    ("stem", "wanted", "name", "size"),
    [
        ("weights", None, "pose_hrnet_w32_256x192", (256, 192)),
        ("hrnet_w32_coco_384x288-d9f0d786_20200708", None, "pose_hrnet_w32_384x288", (384, 288)),
        ("pose_hrnet_w32_384x288", (256, 192), "pose_hrnet_w32_256x192", (256, 192)),
        ("pose_hrnet_w32_128x96", None, None, (128, 96)),
        ("frames_1920x1080", None, "pose_hrnet_w32_256x192", (256, 192)),  # no multiples of 32
    ],
)
def test_the_size_is_the_wanted_one_or_the_file_name_s(stem, wanted, name, size) -> None:
    found = with_size(identify(shapes("pose_hrnet_w32_384x288")), wanted, stem)
    assert (found.name, found.spec.input_size) == (name, size)


def test_a_simdr_head_takes_its_own_size_only() -> None:
    found = identify(shapes("simdr_hrnet_w32_256x192"))
    assert with_size(found, None, "simdr_384x288") is found
    star = with_size(identify(shapes("simdr_hrnet_w48_256x192")), None, "hrnet_w48_sa_simdr")
    assert (star.name, star.spec.target_sigma) == ("sa_simdr_hrnet_w48_256x192", 4.0)
    with pytest.raises(ModelError, match=r"256x192 .* not 384x288"):
        with_size(found, (384, 288), "")


def test_what_the_file_leaves_open_is_said() -> None:
    found = identify(shapes("pose_hrnet_w32_384x288"))
    assert "256x192 is assumed" in with_size(found, None, "weights").assumption
    assert "384x288 is taken from the file's name" in with_size(found, None, "384x288").assumption
    assert with_size(found, (384, 288), "weights").assumption == ""
    notes = identify(shapes("sa_simdr_hrnet_w48_256x192")).notes
    assert any("SimDR and SimDR*" in note and note.endswith("taken as SimDR") for note in notes)
    assert not any("assumed" in note for note in notes)
    assert identify(shapes("yolov5s")).notes == ()


@pytest.mark.parametrize(
    ("size", "split"),
    [((256, 192), 2.0), ((384, 288), 1.5), ((128, 96), 2.0), ((256, 256), 3.0), ((192, 256), 2.0), ((256, 192), 1.3)],
)
@pytest.mark.parametrize("attention", ["none", "parallel", "sequential"])
def test_a_simdr_head_tells_the_input_size(size: tuple[int, int], split: float, attention: Any) -> None:
    found = identify(
        shapes("simdr_hrnet_w32_256x192", 21, width=16, input_size=size, split=split, attention=attention)
    ).spec
    assert isinstance(found, SimDRSpec)
    assert (found.input_size, found.width, found.attention) == (size, 16, attention)
    assert found.bins == (round(size[1] * split), round(size[0] * split))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pose_hrnet_w32_256x192", {"width": 18}),
        ("psa_p_hrnet_w48_256x192", {"width": 16}),
        ("psa_s_hrnet_w48_384x288", {"width": 24}),
        ("rle_resnet50_256x192", {"width": 16}),
        ("rle_hrnet_w48_384x288", {"width": 32}),
    ],
)
def test_width_variants_and_keypoint_counts(name: str, options: dict[str, int]) -> None:
    found = identify(shapes(name, 133, **options))
    published = networks.spec(name)
    assert (found.name, found.num_keypoints) == (None, 133)
    assert replace(found.spec, input_size=published.input_size) == replace(published, **options)
    assert "133 keypoints" in str(found)


def test_simple_baselines_heatmaps_on_resnet() -> None:
    found = identify(shapes("mmpose_resnet50_256x192", 133))
    assert found.spec == SimpleBaselinesSpec(width=64, input_size=(256, 192), bgr=True)
    assert str(found) == "ResNet-50 256x192 (heatmap) with 133 keypoints"
    sized = with_size(found, None, "td-hm_res50_8xb64-210e_coco-384x288-7b8db90e_20220923")
    assert sized.spec.input_size == (384, 288)


@pytest.mark.parametrize(
    ("size", "split", "width"), [((256, 192), 2.0, 64), ((384, 288), 2.0, 64), ((128, 128), 3.0, 16)]
)
def test_simdr_on_resnet_tells_its_size_too(size: tuple[int, int], split: float, width: int) -> None:
    options = {"backbone": "resnet50", "width": width, "input_size": size, "split": split}
    found = identify(shapes("simdr_hrnet_w32_256x192", 21, **options))
    assert found.spec == SimDRSpec(backbone="resnet50", width=width, input_size=size, split=split, bgr=True)
    assert (found.name, found.num_keypoints) == (None, 21)


@pytest.mark.parametrize("name", ["yolov5n", "yolov5s", "yolov5m", "yolov5l", "yolov5x"])
@pytest.mark.parametrize("layout", ["v5", "v6"])
def test_yolov5_of_any_size_layout_and_classes(name: str, layout: Any) -> None:
    spec = identify(shapes(name, layout=layout, num_classes=7)).spec
    published = networks.spec(name)
    assert isinstance(spec, YOLOv5Spec)
    assert isinstance(published, YOLOv5Spec)
    assert (spec.depth, spec.width) == (published.depth, published.width)
    assert (spec.layout, spec.num_classes) == (layout, 7)


def classifier(width: int) -> dict[str, tuple[int, ...]]:
    """What ImageNet's HRNet files have instead of a pose head."""
    backbone = {
        name: shape for name, shape in shapes("pose_hrnet_w32_256x192", width=width).items() if "final" not in name
    }
    return {**backbone, "incre_modules.0.0.conv1.weight": (32, width, 1, 1), "classifier.weight": (1000, 2048)}


RESNET = {
    name.removeprefix("preact."): shape
    for name, shape in shapes("rle_resnet50_256x192").items()
    if name.startswith("preact.")
}


UPSAMPLED = {"deconv_layers.0.weight": (2048, 256, 4, 4), "final_layer.weight": (17, 256, 1, 1)}


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (classifier(32), "HRNet-W32 without a pose head.*load_backbone"),
        (classifier(48), "HRNet-W48 without a pose head"),
        ({**RESNET, "fc.weight": (1000, 2048)}, "a ResNet without a pose head"),
        (RESNET, "a ResNet without a pose head"),
        ({**RESNET, "deconv_layers.0.weight": (2048, 256, 4, 4)}, "no network"),
        ({**RESNET, **UPSAMPLED, "layer3.6.conv1.weight": (256, 1024, 1, 1)}, "deeper than ResNet-50"),
        ({"layer4.1.conv2.weight": (512, 512, 3, 3), **UPSAMPLED}, "other than ResNet-50"),
        ({"a": (1,), "b": (2, 2)}, r"no network that Vitruvian knows \(2 tensors: a, b"),
        ({"model.0.conv.weight": (16, 3, 6, 6), "model.22.dfl.conv.weight": (1, 16, 1, 1)}, "layer 24"),
        ({**shapes("yolov5n"), "model.24.m.0.weight": (16, 64, 1, 1)}, "gives 16 values"),
        ({**shapes("simdr_hrnet_w32_256x192"), "mlp_head_x.weight": (383, 3072)}, "fits no input size"),
        ({**shapes("simdr_hrnet_w32_256x192"), "mlp_head_x.weight": (384,)}, "should have 2 dimensions"),
        ({**shapes("pose_hrnet_w32_256x192"), "final_layer.weight": (0, 32, 1, 1)}, "at least one row"),
        ({**shapes("rle_resnet50_256x192"), "fc_coord.linear.weight": (33, 2048)}, "no pairs"),
        (
            {**shapes("rle_resnet50_256x192"), "preact.layer3.6.conv1.weight": (256, 1024, 1, 1)},
            "deeper than ResNet-50",
        ),
    ],
)
def test_what_is_no_pose_net_is_named(found: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(vt.ModelError, match=says):
        identify(found)


SLIM = [
    ("pose_hrnet_w32_256x192", {"width": 8}),
    ("simdr_hrnet_w32_256x192", {"width": 8, "input_size": (96, 64)}),
    ("psa_p_hrnet_w48_256x192", {"width": 8}),
    ("psa_s_hrnet_w48_384x288", {"width": 8}),
    ("mmpose_resnet50_256x192", {"width": 8}),
    ("simdr_hrnet_w32_256x192", {"backbone": "resnet50", "width": 8, "input_size": (96, 64)}),
    ("rle_resnet50_256x192", {"width": 8}),
    ("rle_hrnet_w48_384x288", {"width": 8}),
]


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
@pytest.mark.parametrize(("name", "options"), SLIM)
def test_files_become_the_networks_they_were(tmp_path: Path, name: str, options: dict[str, Any], kind: str) -> None:
    network = random_network(name, num_keypoints=5, **options)
    path = tmp_path / f"a.{kind}"
    if kind == "pth":
        torch.save({"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, path)
    else:
        safetensors.torch.save_file(network.state_dict(), path)
    loaded = vt.zoo.load_network(checkpoint=path)
    assert not loaded.training
    weights = network.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in loaded.state_dict().items())
    picture = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        expected, found = network(picture), loaded(picture)
    torch.testing.assert_close(found, expected)


def test_a_name_takes_the_files_keypoints_and_classes(tmp_path: Path) -> None:
    torch.save(random_network("pose_hrnet_w32_256x192", num_keypoints=5).state_dict(), tmp_path / "a.pth")
    loaded = vt.zoo.load_checkpoint("pose_hrnet_w32_384x288", tmp_path / "a.pth")
    assert (loaded.identity.name, loaded.identity.num_keypoints) == ("pose_hrnet_w32_384x288", 5)
    assert loaded.identity.spec == networks.spec("pose_hrnet_w32_384x288")
    torch.save(random_network("yolov5n", num_classes=2).state_dict(), tmp_path / "b.pth")
    detector = vt.zoo.load_checkpoint("yolov5n", tmp_path / "b.pth").identity.spec
    assert isinstance(detector, YOLOv5Spec)
    assert detector.num_classes == 2


def test_what_only_training_needs_may_be_missing(tmp_path: Path) -> None:
    network = random_network("rle_resnet50_256x192", width=8)
    weights = network.state_dict()
    for name in [name for name in weights if name.startswith("flow.") or name.endswith("num_batches_tracked")]:
        del weights[name]
    torch.save(weights, tmp_path / "a.pth")
    picture = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(vt.zoo.load_network(checkpoint=tmp_path / "a.pth")(picture), network(picture))
    del weights["fc_sigma.linear.bias"]
    torch.save(weights, tmp_path / "a.pth")
    with pytest.raises(vt.ModelError, match=r"missing: fc_sigma\.linear\.bias"):
        vt.zoo.load_network(checkpoint=tmp_path / "a.pth")


def test_names_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    weights = random_network("pose_hrnet_w32_256x192").state_dict()
    weights["conv9.weight"] = weights.pop("conv1.weight")
    weights["bn1.bias"] = torch.zeros(63)
    torch.save(weights, tmp_path / "a.pth")
    with pytest.raises(vt.ModelError) as caught:
        vt.zoo.load_network(checkpoint=tmp_path / "a.pth")
    for part in (
        "a.pth is not pose_hrnet_w32_256x192",
        "1 missing: conv1.weight;",
        "1 unexpected: conv9.weight;",
        "1 of another shape: bn1.bias (63,) instead of (64,)",
    ):
        assert part in str(caught.value)


def test_the_wrong_name_is_told_the_right_one(tmp_path: Path) -> None:
    torch.save(random_network("pose_hrnet_w32_256x192", width=16).state_dict(), tmp_path / "a.pth")
    with pytest.raises(vt.ModelError, match=r"a\.pth is not pose_hrnet_w32.*of another shape.*looks like HRNet-W16"):
        vt.zoo.load_network("pose_hrnet_w32_256x192", checkpoint=tmp_path / "a.pth")
    with pytest.raises(vt.ModelError, match=r"missing: mlp_head_x\.weight, .*looks like HRNet-W16"):
        vt.zoo.load_network("simdr_hrnet_w32_256x192", checkpoint=tmp_path / "a.pth")
    torch.save({"x": torch.ones(2)}, tmp_path / "b.pth")
    with pytest.raises(vt.ModelError, match=r"unexpected: x\..*no network that Vitruvian knows"):
        vt.zoo.load_network("pose_hrnet_w32_256x192", checkpoint=tmp_path / "b.pth")
    with pytest.raises(vt.ModelError, match="no network is called"):
        vt.zoo.load_network("pose_hrnet_w33_256x192", checkpoint=tmp_path / "a.pth")


def test_yolov5n_finds_the_people(shared: Path) -> None:
    network = vt.zoo.load_network(checkpoint=shared / "models" / "yolov5n.pt")
    folder = shared / "data" / "coco_mini" / "val"
    labels = json.loads((folder / "person_keypoints.json").read_text())
    for picture in labels["images"][:3]:
        x, y, width, height = best_person(network, folder / "images" / picture["file_name"])
        found = (x - width / 2, y - height / 2, width, height)
        persons = [person["bbox"] for person in labels["annotations"] if person["image_id"] == picture["id"]]
        assert max(overlap(found, person) for person in persons) > 0.7


def best_person(network: torch.nn.Module, path: Path) -> list[float]:
    """Centre, width and height of the surest person, in pixels of the picture."""
    picture = cv2.imread(str(path))
    assert picture is not None
    scale = 640 / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale)[..., ::-1]
    square = np.full((640, 640, 3), 114, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    with torch.no_grad():
        found = network(torch.from_numpy(square).permute(2, 0, 1)[None] / 255)[0]
    surest = (found[:, 4] * found[:, 5]).argmax()
    return [float(value) / scale for value in found[surest, :4]]


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x, y, width, height."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    return inside / (a[2] * a[3] + b[2] * b[3] - inside)


@pytest.mark.parametrize("value", [8.5, "32", True, None, -1, float("inf"), 10**6, 10**24])
def test_a_spec_whose_width_is_none_is_refused(value: object) -> None:
    whole = json.loads(spec_to_json(SPECS["pose_hrnet_w32_256x192"]))
    assert spec_from_json(json.dumps(whole)) == SPECS["pose_hrnet_w32_256x192"]
    with pytest.raises(ModelError, match="width"):
        spec_from_json(json.dumps({**whole, "width": value}))


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("vitpose_s_256x192", "depth", 10**9),
        ("vitpose_s_256x192", "heads", 10**24),
        ("yolov5n", "depth", 1e300),
        ("yolov5n", "width", float("nan")),
        ("yolov5n", "num_classes", 10**12),
        ("simdr_hrnet_w32_256x192", "split", 1e9),
        ("pose_hrnet_w32_256x192", "input_size", [32, 32 * 10**9]),
    ],
)
def test_a_spec_of_an_endless_network_is_refused(name: str, field: str, value: object) -> None:
    whole = json.loads(spec_to_json(SPECS[name]))
    with pytest.raises(ModelError, match=field):
        spec_from_json(json.dumps({**whole, field: value}))
