"""Training can start from what was exported: the weights of an ONNX file, under the network's own names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

import vitruvian as vt
from vitruvian import ModelError, networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.export import export
from vitruvian.models import describe
from vitruvian.skeletons import unnamed
from vitruvian.training import read_recipe
from vitruvian.training.init_weights import init_network

pytestmark = pytest.mark.filterwarnings("default")  # the exporter's own deprecation notes

NAME = "pose_pyramid_w32_256x192"


def exported(folder: Path, precision: str, keypoints: int = 5) -> tuple[torch.nn.Module, Path]:
    """A network whose norms know some data, and its ONNX file."""
    torch.manual_seed(0)
    spec = replace(networks.spec(NAME), width=8, input_size=(64, 64))
    network = networks.build(spec, keypoints)
    with torch.no_grad():
        network(torch.randn(4, 3, 64, 64))
    card = replace(describe(spec, "x", keypoints), skeleton=unnamed(keypoints))
    save_model(folder / "x.safetensors", network.state_dict(), card, spec)
    return network.eval(), export(folder / "x.safetensors", folder / "x.onnx", precision=precision).path


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.0), ("fp16", 1e-3)])
def test_every_tensor_comes_back(tmp_path, precision, tolerance):
    network, file = exported(tmp_path, precision)
    read = vt.zoo.read_checkpoint(file)
    expected = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    assert expected.keys() <= read.tensors.keys()
    for name, tensor in expected.items():
        assert torch.allclose(read.tensors[name], tensor, rtol=tolerance, atol=tolerance), name
    assert vt.ModelCard.from_json(read.metadata["vitruvian"]).input_size == (64, 64)


def test_training_starts_from_it_with_other_keypoints_too(tmp_path):
    network, file = exported(tmp_path, "fp32")
    recipe = read_recipe(NAME, ["width=8", f"init={file}"])
    begun = init_network(recipe, 3)
    theirs = network.state_dict()
    for name, tensor in begun.state_dict().items():
        if not name.startswith("final_layer") and "num_batches" not in name:
            assert torch.equal(tensor, theirs[name]), name
    assert begun.final_layer.weight.shape[0] == 3


@pytest.mark.parametrize("model", ["pose_mobilenet_256x192", "person_mobilenet_384x384"])
def test_training_starts_from_the_packages_models(model, monkeypatch):
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    tensors = vt.zoo.read_checkpoint(vt.zoo.fetch(vt.zoo.card(model))).tensors
    names = {name for name in networks.build(networks.spec(model), 17).state_dict() if "num_batches" not in name}
    assert names <= tensors.keys()


def test_damaged_files(tmp_path):
    _, file = exported(tmp_path, "fp32")
    data = file.read_bytes()
    for number, damaged in enumerate((data[: len(data) // 2], data[:2], b"\x08" + bytes(range(256)))):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=f"{number}.onnx"):
            vt.zoo.read_checkpoint(path)


def test_files_beside_it_are_not_read(tmp_path):
    """An ONNX file may name any other file as the place of its weights."""
    tensor = TensorProto(name="stem.0.0.weight", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    (tmp_path / "secret").write_bytes(bytes(8))
    path = tmp_path / "points.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [tensor])), path)
    with pytest.raises(ModelError, match=r"points\.onnx"):
        vt.zoo.read_checkpoint(path)
