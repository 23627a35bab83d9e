"""Names, what they mean, and what happens to wrong ones."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from shapes import outline

from vitruvian import ModelError, networks
from vitruvian.models.person_csp import PersonSpec
from vitruvian.models.simdr import SimDRSpec
from vitruvian.models.yolov5 import YOLOv5Spec

NAMES = [
    "pose_hrnet_w32_256x192",
    "pose_hrnet_w48_256x192",
    "pose_hrnet_w32_384x288",
    "pose_hrnet_w48_384x288",
    "simdr_hrnet_w32_256x192",
    "simdr_hrnet_w48_256x192",
    "sa_simdr_hrnet_w48_256x192",
    "sa_simdr_hrnet_w48_384x288",
    "rle_resnet50_256x192",
    "rle_hrnet_w48_384x288",
    "psa_p_hrnet_w48_256x192",
    "psa_p_hrnet_w48_384x288",
    "psa_s_hrnet_w48_384x288",
    "person_csp_w32_416x416",
    "yolov5n",
    "yolov5s",
    "yolov5m",
    "yolov5l",
    "yolov5x",
    "yolov5m_crowdhuman",
]


@pytest.mark.parametrize("name", [name for name in NAMES if "x" in name[-8:-3]])
def test_the_name_says_the_input_size(name: str) -> None:
    height, width = name.rsplit("_", 1)[1].split("x")
    assert networks.spec(name).input_size == (int(height), int(width))


@pytest.mark.parametrize("name", NAMES)
def test_every_network_takes_a_picture(name: str) -> None:
    spec = networks.spec(name)
    slim = {"width": 0.125} if isinstance(spec, YOLOv5Spec) else {"width": 8}
    network = outline(name, **slim).eval()
    outputs = network(torch.empty(2, 3, *spec.input_size, device="meta"))
    height, width = spec.input_size
    if isinstance(spec, YOLOv5Spec):
        assert outputs.shape == (2, 25200, 5 + spec.num_classes)
    elif isinstance(spec, PersonSpec):
        assert outputs.shape == (2, 52 * 52 + 26 * 26 + 13 * 13, 6)
    elif isinstance(outputs, torch.Tensor):
        assert outputs.shape == (2, 17, height // 4, width // 4)
    elif isinstance(spec, SimDRSpec):
        assert [output.shape[1:] for output in outputs] == [(17, width * spec.split), (17, height * spec.split)]
    else:
        assert [tuple(output.shape) for output in outputs] == [(2, 17, 2), (2, 17, 2)]


def test_an_unknown_name_is_answered_with_close_ones() -> None:
    with pytest.raises(ModelError, match="'pose_hrnet_w23_256x192'; did you mean pose_hrnet_w32_256x192"):
        networks.create("pose_hrnet_w23_256x192")
    with pytest.raises(ModelError, match="'zzz'; there are pose_hrnet_w32_256x192, "):
        networks.create("zzz")


def test_an_unknown_option_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"can't be made with widht; its options are input_size, width"):
        networks.create("pose_hrnet_w32_256x192", widht=8)
    with pytest.raises(ModelError, match="its options are depth, input_size, layout, num_classes, "):
        networks.create("yolov5n", head="heatmap")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 4}, "width is 4"),
        ({"input_size": (256, 100)}, "input_size is .*multiples of 32"),
        ({"backbone": "resnet18"}, "backbone is 'resnet18'; it can be hrnet, resnet50"),
        ({"attention": "polarized"}, "attention is 'polarized'"),
        ({"split": 0}, "split is 0"),
        ({"backbone": "resnet50", "attention": "parallel"}, "resnet50 comes without attention"),
        ({"num_keypoints": 0}, "num_keypoints is 0"),
    ],
)
def test_impossible_pose_networks_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        networks.create("simdr_hrnet_w32_256x192", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "v7"}, "layout is 'v7'"),
        ({"width": 0}, "multiples, above 0"),
        ({"num_classes": 0}, "person is class 0"),
    ],
)
def test_impossible_detectors_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        networks.create("yolov5n", **options)


def test_a_changed_spec_can_be_built() -> None:
    spec = networks.spec("simdr_hrnet_w32_256x192")
    assert isinstance(spec, SimDRSpec)
    slim = replace(spec, width=16, input_size=(128, 96))
    with torch.device("meta"):
        network = networks.build(slim, num_keypoints=21)
    x, y = network(torch.empty(1, 3, 128, 96, device="meta"))
    assert (x.shape, y.shape) == ((1, 21, 192), (1, 21, 256))
    assert slim.bins == (192, 256)


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_specs_need_no_torch() -> None:
    run("import sys, vitruvian.networks as n; n.spec('yolov5n'); assert 'torch' not in sys.modules")


def test_without_torch_the_message_says_what_to_install() -> None:
    run(
        "import sys; sys.modules['torch'] = None\n"
        "from vitruvian import ModelError, networks\n"
        "try: networks.create('yolov5n')\n"
        "except ModelError as error: assert 'vitruvian[torch]' in str(error)\n"
        "else: raise AssertionError('made a network without torch')"
    )


def test_public_names_can_be_had() -> None:
    assert all(getattr(networks, name) for name in networks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = networks.nothing
