"""YOLOX exported with its decoding or its NMS inside: told apart from the file, and the same persons are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vitruvian.detectors.yolox import anchors
from vitruvian.media import read_image
from vitruvian.runtimes import open_runtime
from vitruvian.zoo import load_detector, recognise

SIDE = 416


def decoded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The network with the decoding of arXiv 2107.08430 behind it: boxes as centre and size in pixels."""
    graph, raw = proto.graph, proto.graph.output[0].name
    grids = anchors((SIDE, SIDE))
    constants = {
        "cells": np.concatenate([grid for grid, _ in grids])[None],
        "strides": np.concatenate([np.full((len(grid), 1), stride, np.float32) for grid, stride in grids])[None],
        "parts": np.array([2, 2, 81], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("Split", [raw, "parts"], ["offsets", "logarithms", "scores"], axis=2),
            helper.make_node("Add", ["offsets", "cells"], ["places"]),
            helper.make_node("Mul", ["places", "strides"], ["centres"]),
            helper.make_node("Exp", ["logarithms"], ["factors"]),
            helper.make_node("Mul", ["factors", "strides"], ["sizes"]),
            helper.make_node("Concat", ["centres", "sizes", "scores"], ["decoded"], axis=2),
        ]
    )
    returned(proto, {"decoded": [1, 3549, 85]})
    return proto


def with_nms(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The decoded network with the hundred best persons behind it, as MMDeploy returns them: dets and labels."""
    proto = decoded(proto)
    constants = {
        "columns": np.array([2, 2, 1, 80], np.int64),
        "half": np.array(0.5, np.float32),
        "hundred": np.array([100], np.int64),
        "first": np.array([0], np.int64),
        "last": np.array([1], np.int64),
        "axis": np.array([2], np.int64),
        "nobody": np.zeros((1, 100), np.int64),
    }
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    proto.graph.node.extend(
        [
            helper.make_node("Split", ["decoded", "columns"], ["middle", "extent", "object", "classes"], axis=2),
            helper.make_node("Slice", ["classes", "first", "last", "axis"], ["person"]),
            helper.make_node("Mul", ["object", "person"], ["score"]),
            helper.make_node("Mul", ["extent", "half"], ["reach"]),
            helper.make_node("Sub", ["middle", "reach"], ["corner"]),
            helper.make_node("Add", ["middle", "reach"], ["opposite"]),
            helper.make_node("Concat", ["corner", "opposite", "score"], ["rows"], axis=2),
            helper.make_node("Squeeze", ["score", "axis"], ["flat"]),
            helper.make_node("TopK", ["flat", "hundred"], ["best", "which"], axis=1),
            helper.make_node("Squeeze", ["which", "first"], ["index"]),
            helper.make_node("Gather", ["rows", "index"], ["dets"], axis=1),
            helper.make_node("Identity", ["nobody"], ["labels"]),
        ]
    )
    returned(proto, {"dets": [1, 100, 5]})
    proto.graph.output.append(helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 100]))
    return proto


def returned(proto: onnx.ModelProto, outputs: dict[str, list[int]]) -> None:
    del proto.graph.output[:]
    proto.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()
    )


@pytest.mark.parametrize(("change", "kind"), [(decoded, "yolox_decoded"), (with_nms, "yolox_nms")])
def test_the_same_persons_are_found(shared: Path, tmp_path: Path, change, kind: str) -> None:
    source = shared / "models" / "yolox_nano.onnx"
    proto = onnx.load(source)
    proto.opset_import[0].version = max(proto.opset_import[0].version, 13)
    onnx.save(change(proto), tmp_path / "net.onnx")
    plain, other = load_detector(source, precision="fp32"), load_detector(tmp_path / "net.onnx", precision="fp32")
    assert (plain.card.family, other.card.family) == ("yolox", kind)
    assert (other.card.mean, other.card.std, other.card.bgr) == (plain.card.mean, plain.card.std, True)
    names = sorted((shared / "data/coco_mini/val/images").iterdir())[:4]
    found = 0
    for name in names:
        (expected,), (boxes,) = plain([read_image(name)]), other([read_image(name)])
        found += len(expected)
        np.testing.assert_allclose(boxes.xyxy, expected.xyxy, atol=0.05)
        np.testing.assert_allclose(boxes.scores, expected.scores, atol=1e-4)
    assert found > 3


def test_rtmdet_with_the_same_outputs_stays_rtmdet(shared: Path) -> None:
    card = recognise(open_runtime(shared / "models" / "rtmdet_nano_person.onnx"), (320, 320))
    assert (card.family, card.bgr) == ("rtmdet", True)
    assert card.std != (1.0, 1.0, 1.0)
    assert recognise(open_runtime(shared / "cases" / "yolox_nano_end2end.onnx")).family == "yolox_nms"
