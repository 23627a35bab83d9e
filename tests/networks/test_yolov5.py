"""YOLOv5 against the published layer tables, arithmetic by hand, and the released weights."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import inert
import numpy as np
import pytest
import torch
from shapes import missing_or_different, outline, shapes
from torch import nn

from vitruvian import networks
from vitruvian.networks.yolov5 import SPP, Detect, Focus, YOLOv5

SHARED = Path(__file__).resolve().parents[3] / "shared"
WEIGHTS = SHARED / "models" / "yolov5n.pt"
PICTURES = SHARED / "data" / "coco_mini" / "val"

needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason="shared/models/yolov5n.pt is not beside the repository"
)


def fused(network: nn.Module) -> int:
    """Parameters once each normalisation (two a channel) is folded into a bias (one) of its convolution."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return networks.count_parameters(network) - sum(module.num_features for module in normalisations)


@pytest.mark.parametrize(
    ("name", "parameters", "fused_parameters"),
    [
        ("yolov5n", 1_872_157, 1_867_405),
        ("yolov5s", 7_235_389, 7_225_885),
        ("yolov5m", 21_190_557, 21_172_173),
        ("yolov5l", 46_563_709, 46_533_693),
        ("yolov5x", 86_749_405, 86_705_005),
    ],
)
def test_published_counts_of_v6(name: str, parameters: int, fused_parameters: int) -> None:
    network = outline(name)
    assert networks.count_parameters(network) == parameters
    assert fused(network) == fused_parameters


@pytest.mark.parametrize(
    ("name", "fused_parameters"),
    [("yolov5s", 7_266_973), ("yolov5m", 21_356_877), ("yolov5l", 47_025_981), ("yolov5x", 87_730_285)],
)
def test_published_counts_of_v5(name: str, fused_parameters: int) -> None:
    assert fused(outline(name, layout="v5")) == fused_parameters


# What training prints for each layer, as users of the two published it.
V5_TABLES = {
    "yolov5s": """3520 18560 18816 73984 156928 295424 625152 1180672 656896 1182720 131584 0 0
        361984 33024 0 0 90880 147712 0 296448 590336 0 1182720""",
    "yolov5m_crowdhuman": """5280 41664 65280 166272 629760 664320 2512896 2655744 1476864 4134912 295680 0""",
}


@pytest.mark.parametrize("name", list(V5_TABLES))
def test_published_layer_tables_of_v5(name: str) -> None:
    layers = outline(name, layout="v5").get_submodule("model")
    assert isinstance(layers, nn.ModuleList)
    table = [int(parameters) for parameters in V5_TABLES[name].split()]
    assert [networks.count_parameters(layer) for layer in layers][: len(table)] == table


V6_NAMES = {
    "model.0.conv.weight": (16, 3, 6, 6),
    "model.0.bn.running_mean": (16,),
    "model.2.cv1.conv.weight": (16, 32, 1, 1),
    "model.2.m.0.cv1.conv.weight": (16, 16, 1, 1),
    "model.6.m.2.cv2.conv.weight": (64, 64, 3, 3),
    "model.9.cv2.conv.weight": (256, 512, 1, 1),
    "model.13.cv1.conv.weight": (64, 256, 1, 1),
    "model.23.cv3.bn.bias": (256,),
    "model.24.anchors": (3, 3, 2),
    "model.24.m.0.weight": (255, 64, 1, 1),
    "model.24.m.2.bias": (255,),
}


def test_names_and_shapes_are_the_releases() -> None:
    assert missing_or_different("yolov5n", V6_NAMES) == {}
    # 57 convolutions with a normalisation of five tensors each, the anchors and three last convolutions with a bias.
    assert len(shapes("yolov5n")) == 57 * 6 + 1 + 6


def test_v5_has_its_own_names() -> None:
    expected = {
        "model.0.conv.conv.weight": (48, 12, 3, 3),
        "model.4.m.5.cv1.conv.weight": (96, 96, 1, 1),
        "model.8.cv2.conv.weight": (768, 1536, 1, 1),
        "model.9.m.1.cv2.conv.weight": (384, 384, 3, 3),
        "model.24.anchors": (3, 3, 2),
        "model.24.anchor_grid": (3, 1, 3, 1, 1, 2),
        "model.24.m.0.weight": (21, 192, 1, 1),
    }
    assert missing_or_different("yolov5m_crowdhuman", expected) == {}


def test_focus_gathers_the_four_corners_of_every_square() -> None:
    focus = Focus(1, 8).eval()
    seen: list[torch.Tensor] = []
    focus.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        focus(torch.arange(16.0).view(1, 1, 4, 4))
    # Top left, bottom left, top right, bottom right, as in every Focus since (YOLOX has the same).
    assert seen[0][0].tolist() == [[[0, 2], [8, 10]], [[4, 6], [12, 14]], [[1, 3], [9, 11]], [[5, 7], [13, 15]]]


def test_pooling_in_a_row_is_the_pyramid() -> None:
    pyramid = SPP(8).eval()
    x = torch.randn(1, 8, 20, 20)
    with torch.no_grad():
        narrow = pyramid.cv1(x)
        pooled = [nn.functional.max_pool2d(narrow, size, 1, size // 2) for size in (5, 9, 13)]
        torch.testing.assert_close(pyramid(x), pyramid.cv2(torch.cat([narrow, *pooled], dim=1)))


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_decode_by_hand() -> None:
    detect = Detect((1, 1, 1), num_classes=2, layout="v6")
    for conv in detect.m:
        assert isinstance(conv, nn.Conv2d)
        values = [logit(p) for p in (0.25, 0.75, 0.5, 0.9, 0.6, 0.1, 0.8)]
        conv.load_state_dict({"weight": torch.zeros(21, 1, 1, 1), "bias": torch.tensor(values * 3)})
    with torch.no_grad():
        found = detect(torch.zeros(1, 1, 8, 4), torch.zeros(1, 1, 4, 2), torch.zeros(1, 1, 2, 1))
    assert found.shape == (1, 3 * (32 + 8 + 2), 7)
    # Stride 8, second anchor (16, 30), row 5, column 3: (2 * 0.25 - 0.5 + 3) * 8 and (2 * 0.75 - 0.5 + 5) * 8;
    # (2 * 0.5) ** 2 * 16 and (2 * 0.9) ** 2 * 30.
    assert found[0, 32 + 5 * 4 + 3].tolist() == pytest.approx([24, 48, 16, 97.2, 0.6, 0.1, 0.8], rel=1e-5)
    # Stride 32, third anchor (373, 326), row 1, column 0.
    expected = [0, 64, 373, 3.24 * 326, 0.6, 0.1, 0.8]
    assert found[0, -1].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_three_anchors_for_each_cell_of_three_strides() -> None:
    network = networks.create("yolov5n", num_classes=1).eval()
    with torch.no_grad():
        found = network(torch.rand(2, 3, 64, 96))
    assert found.shape == (2, 3 * (8 * 12 + 4 * 6 + 2 * 3), 6)
    # Nothing is taken for an object before training.
    assert 0.005 < found[..., 4].mean() < 0.02
    assert 0.005 < found[..., 5].mean() < 0.02


def test_v5_layout_runs() -> None:
    network = YOLOv5(depth=0.33, width=0.25, num_classes=2, layout="v5").eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 64, 64)).shape == (1, 3 * (64 + 16 + 4), 7)


def test_normalisation_is_the_releases() -> None:
    normalisations = [module for module in outline("yolov5n").modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(module.eps, module.momentum) for module in normalisations} == {(1e-3, 0.03)}


@pytest.fixture(scope="module")
def released() -> nn.Module:
    network = networks.create("yolov5n")
    network.load_state_dict({name: tensor.float() for name, tensor in inert.state_dict(WEIGHTS).items()})
    return network.eval()


@needs_weights
def test_released_weights_have_these_names_in_this_order() -> None:
    weights = inert.state_dict(WEIGHTS)
    assert [(name, tuple(tensor.shape)) for name, tensor in weights.items()] == list(shapes("yolov5n").items())


@needs_weights
def test_released_weights_find_the_people(released: nn.Module) -> None:
    annotations = json.loads((PICTURES / "person_keypoints.json").read_text())
    persons: dict[int, list[list[float]]] = {}
    for person in annotations["annotations"]:
        persons.setdefault(person["image_id"], []).append(person["bbox"])
    overlaps = []
    for picture in annotations["images"][:12]:
        x, y, width, height = best_person(released, PICTURES / "images" / picture["file_name"])
        box = (x - width / 2, y - height / 2, width, height)
        overlaps.append(max(overlap(box, person) for person in persons[picture["id"]]))
    assert np.mean(np.array(overlaps) > 0.7) > 0.9


def best_person(network: nn.Module, path: Path) -> list[float]:
    """The surest person's centre, width and height in pixels of the picture."""
    image = cv2.imread(str(path))
    assert image is not None
    scale = 640 / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale)
    square = np.full((640, 640, 3), 114, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    pixels = torch.from_numpy(square[..., ::-1].transpose(2, 0, 1).copy())[None] / 255
    with torch.no_grad():
        found = network(pixels)[0]
    best = found[(found[:, 4] * found[:, 5]).argmax(), :4] / scale
    return list(best.tolist())


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x, y, width, height."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inside = max(width, 0) * max(height, 0)
    return inside / (a[2] * a[3] + b[2] * b[3] - inside)
