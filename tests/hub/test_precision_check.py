"""Reduced precision is taken where a network bears it, and float32 where it doesn't."""

from __future__ import annotations

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

import vitruvian as vt
from vitruvian.hub.cache import cache_folder

REDUCED = {"BF16", "FP16"} & set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
pytestmark = pytest.mark.skipif(not REDUCED, reason="this CPU computes in float32 alone")


@pytest.fixture
def net(tmp_path):
    """Writes a net of two convolutions whose heatmaps are what the first one adds up beside a constant."""

    def make(constant: float):
        draw = np.random.default_rng(0)
        first = draw.standard_normal((8, 3, 4, 4)).astype(np.float32) / 7
        last = draw.standard_normal((17, 8, 1, 1)).astype(np.float32) / 3
        # The second bias takes away again what the constant in the first one has brought.
        values = {
            "w1": first,
            "b1": np.full(8, constant, np.float32),
            "w2": last,
            "b2": (-constant * last.sum(axis=(1, 2, 3))).astype(np.float32),
        }
        nodes = [
            helper.make_node("Conv", ["input", "w1", "b1"], ["hidden"], strides=[4, 4]),
            helper.make_node("Conv", ["hidden", "w2", "b2"], ["heatmaps"]),
        ]
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 256, 192])],
            [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["N", 17, 64, 48])],
            [numpy_helper.from_array(value, name) for name, value in values.items()],
        )
        path = tmp_path / f"net{constant:g}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return make


def test_a_net_that_bears_it_is_reduced(net):
    assert vt.load(pose=net(0)).pose.runtime.precision in ("bf16", "fp16")
    assert vt.load(pose=net(0), precision="fp32").pose.runtime.precision == "fp32"


def test_a_net_that_lives_on_small_differences_is_not(net):
    # Beside 1000, bfloat16 has steps of 4.
    file = net(1000)
    assert vt.load(pose=file, precision="bf16", runtime="openvino").pose.runtime.precision == "bf16"
    for _ in range(2):  # measured, then remembered
        assert vt.load(pose=file).pose.runtime.precision == "fp32"
    (record,) = (cache_folder() / "precision").iterdir()
    record.write_text("damaged")
    assert vt.load(pose=file).pose.runtime.precision == "fp32"
