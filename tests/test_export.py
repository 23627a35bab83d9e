"""Exported files carry their card, take any batch, and give torch's numbers in both ONNX engines."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

import vitruvian as vt
from vitruvian import InputError, ModelCard, ModelError, OutputError, networks
from vitruvian.cards import METADATA_KEY, DetectorOptions
from vitruvian.codecs import create
from vitruvian.export import Exported, export
from vitruvian.hub.downloads import packaged
from vitruvian.media import read_image
from vitruvian.quantization import calibration_samples
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
    if name.startswith("yolov5"):
        assert (card.task, card.family, card.options) == ("detection", "yolov5", DetectorOptions(person=0))
        assert load_detector(done.path).card == card
    else:
        codec = create(card.family, card.input_size, card.options)
        assert codec.aligned == (name.startswith("psa"))
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


def test_int8_is_a_quarter_and_leaves_the_last_layers_alone(tmp_path: Path, pictures: Path) -> None:
    seasoned("pose_hrnet_w32_256x192", tmp_path / "net.pth")
    sizes = {}
    for precision, calibration in (("fp32", None), ("int8", pictures)):
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


@pytest.mark.parametrize("file", ["yolov5n.pt", "rtmdet_nano_person.onnx", "yolox_nano.onnx"])
def test_int8_still_finds_the_persons(shared: Path, tmp_path: Path, file: str) -> None:
    # A pickle; a graph with its NMS, for any size; one for a single picture, in an old version of the operators.
    pictures, size = shared / "data/coco_mini", 320 if file.startswith("rtmdet") else None
    (tmp_path / "some").mkdir()
    for picture in sorted((pictures / "train/images").iterdir())[:20]:
        (tmp_path / "some" / picture.name).symlink_to(picture)
    done = export(
        shared / "models" / file,
        tmp_path / "int8.onnx",
        size=size and (size, size),
        precision="int8",
        calibration=tmp_path / "some",
    )
    assert done.path.stat().st_size < 0.75 * (shared / "models" / file).stat().st_size
    exact, coarse = load_detector(shared / "models" / file, size, score=0.6), load_detector(done.path, score=0.3)
    wanted = found = 0
    for picture in sorted((pictures / "val/images").iterdir())[:20]:
        image = read_image(picture)
        sure, boxes = exact([image])[0], coarse([image])[0]
        wanted += len(sure)
        if len(sure) and len(boxes):
            found += int((box_iou(sure.xyxy, boxes.xyxy).max(axis=1) > 0.7).sum())
    assert wanted > 15
    assert found / wanted > 0.9


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one person's picture."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes(PICTURE.read_bytes())
    return tmp_path / "pictures"


def test_a_model_by_its_name_in_int8_has_keypoints_where_it_had_them(tmp_path: Path, pictures: Path) -> None:
    done = export("pose_mobilenet_256x192", tmp_path / "int8.onnx", precision="int8", calibration=pictures)
    exact, coarse = vt.load(), vt.load(pose=done.path)
    assert coarse.pose.card == replace(exact.pose.card, name=done.card.name)
    box = exact(PICTURE).boxes[:1]
    before, after = exact(PICTURE, boxes=box), coarse(PICTURE, boxes=box)
    sure = before.scores > 0.5
    assert sure.sum() > 4
    apart = np.linalg.norm(before.keypoints[sure] - after.keypoints[sure], axis=1)
    assert np.median(apart) < 0.02 * (box[0, 3] - box[0, 1])


@pytest.mark.parametrize(("precision", "bytes_each"), [("fp32", 4), ("fp16", 2)])
def test_an_onnx_file_in_another_precision(tmp_path: Path, precision: str, bytes_each: int) -> None:
    # The file in the package has halves.
    done = export("person_mobilenet_384x384", tmp_path / "net.onnx", precision=precision)
    weights = sum(int(np.prod(tensor.dims)) for tensor in onnx.load(done.path).graph.initializer)
    assert weights > 1.3e6
    assert done.path.stat().st_size == pytest.approx(bytes_each * weights, rel=0.06)
    # What halves round, and nothing else, lies between the two.
    assert done.difference == pytest.approx(0, abs=5e-3)
    exact, other = load_detector("person_mobilenet_384x384"), load_detector(done.path)
    assert replace(exact.card, options=None) == replace(other.card, options=None, name=exact.card.name)
    for ours, theirs in zip(other([read_image(PICTURE)]), exact([read_image(PICTURE)]), strict=True):
        assert ours.xyxy == pytest.approx(theirs.xyxy, abs=1)


def gated(path: Path) -> Path:
    """A pose net for one person in opset 11, without names: a depthwise layer, channel attention, and a head."""
    rng = np.random.default_rng(0)
    shapes = {"stem": (8, 3, 3, 3), "depthwise": (8, 1, 3, 3), "point": (8, 8, 1, 1), "gate": (8, 8, 1, 1)}
    shapes |= {"last": (8, 8, 1, 1), "head": (17, 8, 1, 1)}
    weights = [
        onnx.numpy_helper.from_array(rng.normal(size=shape).astype(np.float32) / 3, name)
        for name, shape in shapes.items()
    ]
    conv, make = partial(helper.make_node, "Conv"), helper.make_node
    nodes = [
        conv(["images", "stem"], ["a"], strides=[4, 4], pads=[1, 1, 1, 1]),
        make("Relu", ["a"], ["b"]),
        conv(["b", "depthwise"], ["c"], group=8, pads=[1, 1, 1, 1]),
        make("Relu", ["c"], ["c2"]),
        conv(["c2", "point"], ["d"]),
        make("Relu", ["d"], ["d2"]),
        make("GlobalAveragePool", ["d2"], ["e"]),
        conv(["e", "gate"], ["f"]),
        make("Relu", ["f"], ["g"]),
        make("Mul", ["d2", "g"], ["h"]),
        conv(["h", "last"], ["i"]),
        conv(["i", "head"], ["heatmaps"]),
    ]
    entry = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
    result = helper.make_tensor_value_info("heatmaps", onnx.TensorProto.FLOAT, [1, 17, 16, 16])
    graph = helper.make_graph(nodes, "g", [entry], [result], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    return path


def test_depthwise_layers_gates_and_the_head_stay_float(tmp_path: Path, pictures: Path) -> None:
    done = export(gated(tmp_path / "net.onnx"), tmp_path / "int8.onnx", precision="int8", calibration=pictures)
    graph = onnx.load(done.path).graph
    integers = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    assert {name.removesuffix("_quantized") for name in integers if not name.endswith("zero_point")} == {
        "stem",
        "point",
        "last",
    }
    images = np.concatenate(list(calibration_samples(done.card, pictures)) * 3)
    (expected,) = open_runtime(tmp_path / "net.onnx", "onnxruntime")(images)
    for engine in ("onnxruntime", "openvino"):
        (output,) = open_runtime(done.path, engine)(images)
        assert np.corrcoef(output.ravel(), expected.ravel())[0, 1] > 0.99


def test_files_that_no_other_precision_can_be_made_of(tmp_path: Path, pictures: Path) -> None:
    net = gated(tmp_path / "net.onnx")
    export(net, tmp_path / "int8.onnx", precision="int8", calibration=pictures)
    for precision in ("fp32", "fp16"):
        with pytest.raises(ModelError, match=r"int8\.onnx is int8 already"):
            export(tmp_path / "int8.onnx", tmp_path / "other.onnx", precision=precision)
    onnx.save(onnx.load(net), tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0, location="data")
    with pytest.raises(ModelError, match=r"split\.onnx keeps its weights in other files"):
        export(tmp_path / "split.onnx", tmp_path / "other.onnx")
    with pytest.raises(InputError, match="the model itself"):
        export(net, net)
    assert not (tmp_path / "other.onnx").exists()


def test_int8_files_run_in_openvino_unless_asked_otherwise(tmp_path: Path, pictures: Path) -> None:
    net = gated(tmp_path / "net.onnx")
    done = export(net, tmp_path / "int8.onnx", precision="int8", calibration=pictures)
    assert type(open_runtime(done.path)).__name__ == "OpenVINO"
    assert type(open_runtime(done.path, "onnxruntime")).__name__ == "ONNXRuntime"
    assert type(open_runtime(net)).__name__ == "ONNXRuntime"


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


def test_pictures_without_anybody_to_calibrate_with(tmp_path: Path, pictures: Path, make_onnx) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    outputs = {"dets": np.zeros((0, 5), np.float32), "labels": np.zeros(0, np.int64)}
    nobody = load_detector(make_onnx(outputs, input_shape=("N", 3, "H", "W")), 320)
    with pytest.raises(InputError, match="no pictures of persons"):
        export(
            tmp_path / "net.pth",
            tmp_path / "net.onnx",
            precision="int8",
            calibration=pictures,
            detector=nobody,
        )


def test_the_checkpoint_itself_and_a_folder_are_no_outputs(tmp_path: Path) -> None:
    torch.save(networks.create("pose_hrnet_w32_256x192", width=8).state_dict(), tmp_path / "net.pth")
    before = (tmp_path / "net.pth").read_bytes()
    for output in (tmp_path / "net.pth", tmp_path / "." / "net.pth", tmp_path):
        with pytest.raises(InputError):
            export(tmp_path / "net.pth", output)
    assert (tmp_path / "net.pth").read_bytes() == before


def test_outputs_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    network = seasoned("simdr_hrnet_w32_256x192", tmp_path / "net.pth")
    network.mlp_head_y.weight.data[:] = 1e6  # beyond what halves can hold
    torch.save(network.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="no finite numbers"):
        export(tmp_path / "net.pth", tmp_path / "net.onnx", precision="fp16")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("absent", ["onnxruntime", "onnx", "torch"])
def test_a_checkpoint_names_the_extra_that_has_all_it_needs(tmp_path, monkeypatch, absent) -> None:
    checkpoint = tmp_path / "net.pth"
    checkpoint.write_bytes(b"not read before the packages are there")
    monkeypatch.setitem(sys.modules, absent, None)
    # By name, too; nothing is downloaded before.
    for model in (checkpoint, "pose_hrnet_w32_256x192"):
        with pytest.raises(InputError, match=re.escape(f"export needs {absent}: pip install 'vitruvian[export]'")):
            export(model, tmp_path / "out.onnx")
    if absent != "torch":
        for model in (vt.loading.DEFAULT_POSE, packaged(vt.zoo.card(vt.loading.DEFAULT_POSE))):
            with pytest.raises(InputError, match=re.escape(f"export needs {absent}: pip install 'vitruvian[int8]'")):
                export(model, tmp_path / "out.onnx")
