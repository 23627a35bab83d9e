"""Exported files carry their card, take any batch, and give torch's numbers in both ONNX engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import vitruvian as vt
from vitruvian import InputError, ModelCard, ModelError, OutputError, networks
from vitruvian.cards import METADATA_KEY
from vitruvian.codecs import create
from vitruvian.export import Exported, export
from vitruvian.media import read_image
from vitruvian.runtimes import open_runtime
from vitruvian.tracking import box_iou
from vitruvian.zoo import load_detector

pytestmark = pytest.mark.filterwarnings("default")  # the exporter's own deprecation notes

SIZE = (128, 96)
PICTURE = Path(__file__).parents[1] / "docs/images/astronaut.jpg"

# Slim variants of each family: the same layers as the published ones, and quicker.
SLIM = {
    "pose_hrnet_w32_256x192": {"width": 8, "input_size": SIZE},
    "simdr_hrnet_w32_256x192": {"width": 8, "input_size": SIZE},
    "sa_simdr_hrnet_w48_384x288": {"width": 8, "input_size": SIZE},
    "rle_resnet50_256x192": {"width": 8, "input_size": SIZE},
    "rle_hrnet_w48_384x288": {"width": 8, "input_size": SIZE},
    "psa_p_hrnet_w48_256x192": {"width": 8, "input_size": SIZE},
    "psa_s_hrnet_w48_384x288": {"width": 8, "input_size": SIZE},
    "yolov5n": {},
    "yolov5m_crowdhuman": {"depth": 0.33, "width": 0.25},
}


@pytest.fixture(scope="module", params=SLIM)
def slim(request, tmp_path_factory) -> tuple[str, torch.nn.Module, Exported]:
    """A name, a network with weights that have seen some data, and what became of its checkpoint."""
    folder = tmp_path_factory.mktemp("slim")
    network = seasoned(request.param, folder / "net_128x96.pth")
    return request.param, network, export(folder / "net_128x96.pth", folder / "net.onnx", size=SIZE)


def seasoned(name: str, path: Path) -> torch.nn.Module:
    """A slim network whose normalisations know their inputs' range, or random weights overflow; and its checkpoint."""
    torch.manual_seed(1)
    network = networks.create(name, **SLIM[name])
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, *SIZE))
    torch.save(network.state_dict(), path)
    return network.eval()


def test_outputs_equal_torch_s_in_both_engines(slim) -> None:
    name, network, done = slim
    assert done.difference < 1e-4
    images = torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        results = network(images)
    expected = [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]
    for engine in ("onnxruntime", "openvino"):
        runtime = open_runtime(done.path, engine)
        assert runtime.inputs[0].shape == (None, 3, *SIZE)
        for count in (1, 3):
            for ours, theirs in zip(runtime(images[:count].numpy()), expected, strict=True):
                assert np.abs(ours - theirs[:count]).max() < 1e-4 * np.ptp(theirs), (name, engine)


def test_the_file_says_what_it_is(slim) -> None:
    name, _, done = slim
    metadata = {entry.key: entry.value for entry in onnx.load(done.path).metadata_props}
    card = ModelCard.from_json(metadata[METADATA_KEY])
    assert card == done.card
    assert card.input_size == SIZE
    spec = networks.SPECS[name]
    if isinstance(spec, networks.DetectorSpec):
        assert (card.task, card.family, card.options) == ("detection", "yolov5", {"person": 0})
        assert load_detector(done.path).card == card
    else:
        codec = create(card.family, card.input_size, card.options)
        assert codec.aligned == (spec.attention != "none")
        assert vt.load(pose=done.path).pose.codec == codec


@pytest.mark.parametrize("name", ["pose_hrnet_w32_256x192", "simdr_hrnet_w32_256x192", "yolov5n"])
def test_halves_are_half_as_large_and_nearly_the_same(name: str, tmp_path: Path) -> None:
    seasoned(name, tmp_path / "net.pth")
    full, half = (
        export(tmp_path / "net.pth", tmp_path / p, size=SIZE if "simdr" not in name else None, precision=p)
        for p in ("fp32", "fp16")
    )
    # Halves have 11 bits, and each layer rounds anew.
    assert 0 < half.difference < 0.05
    assert half.path.stat().st_size < 0.62 * full.path.stat().st_size
    assert open_runtime(half.path, "onnxruntime").inputs[0].shape == (None, 3, *SIZE)


def test_int8_is_a_quarter_and_leaves_the_last_layers_alone(tmp_path: Path) -> None:
    seasoned("pose_hrnet_w32_256x192", tmp_path / "net.pth")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes(PICTURE.read_bytes())
    sizes = {}
    for precision, calibration in (("fp32", None), ("int8", tmp_path / "pictures")):
        done = export(
            tmp_path / "net.pth", tmp_path / f"{precision}.onnx", precision=precision, calibration=calibration
        )
        sizes[precision] = done.path.stat().st_size
    assert sizes["int8"] < 0.5 * sizes["fp32"]
    graph = onnx.load(tmp_path / "int8.onnx").graph
    makers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    quantised = [node for node in convolutions if makers.get(node.input[1], node).op_type == "DequantizeLinear"]
    assert len(convolutions) - len(quantised) == 1
    assert makers["heatmaps"] not in quantised
    assert vt.load(pose=tmp_path / "int8.onnx")(PICTURE, boxes=[[0, 0, 500, 500]]).keypoints.shape == (1, 17, 2)


def test_int8_still_finds_the_persons(shared: Path, tmp_path: Path) -> None:
    pictures = shared / "data/coco_mini"
    done = export(
        shared / "models/yolov5n.pt",
        tmp_path / "int8.onnx",
        precision="int8",
        calibration=pictures / "train/images",
    )
    exact, coarse = load_detector(shared / "models/yolov5n.pt", score=0.6), load_detector(done.path, score=0.3)
    wanted = found = 0
    for file in sorted((pictures / "val/images").iterdir())[:20]:
        image = read_image(file)
        sure, boxes = exact([image])[0], coarse([image])[0]
        wanted += len(sure)
        if len(sure) and len(boxes):
            found += int((box_iou(sure.xyxy, boxes.xyxy).max(axis=1) > 0.7).sum())
    assert wanted > 20
    assert found / wanted > 0.9


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"precision": "int4"}, InputError, "fp32, fp16, int8"),
        ({"precision": "int8"}, InputError, "calibration"),
        ({"calibration": "somewhere"}, InputError, "only int8"),
        ({"size": (100, 96)}, ModelError, "multiples of 32"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments, error, words) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    with pytest.raises(error, match=words):
        export(tmp_path / "net.pth", tmp_path / "net.onnx", **arguments)
    assert not (tmp_path / "net.onnx").exists()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    with pytest.raises(OutputError, match=r"net\.pth"):
        export(tmp_path / "net.pth", tmp_path / "net.pth" / "net.onnx")


def test_pictures_without_anybody_to_calibrate_with(tmp_path: Path, make_onnx) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes(PICTURE.read_bytes())
    outputs = {"dets": np.zeros((0, 5), np.float32), "labels": np.zeros(0, np.int64)}
    nobody = load_detector(make_onnx(outputs, input_shape=("N", 3, "H", "W")), 320)
    with pytest.raises(InputError, match="no pictures of persons"):
        export(
            tmp_path / "net.pth",
            tmp_path / "net.onnx",
            precision="int8",
            calibration=tmp_path / "pictures",
            detector=nobody,
        )


def test_the_checkpoint_itself_and_a_folder_are_no_outputs(tmp_path: Path) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    before = (tmp_path / "net.pth").read_bytes()
    for output in (tmp_path / "net.pth", tmp_path / "." / "net.pth", tmp_path):
        with pytest.raises(InputError):
            export(tmp_path / "net.pth", output)
    assert (tmp_path / "net.pth").read_bytes() == before


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_outputs_that_are_no_numbers_are_not_written(tmp_path: Path, precision: str) -> None:
    network = seasoned("simdr_hrnet_w32_256x192", tmp_path / "net.pth")
    network.mlp_head_y.weight.data[:] = torch.nan if precision == "fp32" else 1e6  # beyond what halves can hold
    torch.save(network.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="no finite numbers"):
        export(tmp_path / "net.pth", tmp_path / "net.onnx", precision=precision)
    assert not (tmp_path / "net.onnx").exists()
