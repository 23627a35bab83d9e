"""A published ONNX network as a torch module, for batches of any size on any device: the teacher on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional


def simplified(path: Path, output: Path, size: tuple[int, int], outputs: tuple[str, ...] = ()) -> None:
    """Write the graph up to some tensors, for one picture of (height, width), with all shapes computed.

    Args:
        path, output: the ONNX files.
        size: (height, width) of the input in pixels.
        outputs: names of the tensors; none for the graph's own outputs.
    """
    model = onnx.load(path)
    graph = model.graph
    if outputs:
        needed, kept = set(outputs), []
        for node in reversed(graph.node):
            if needed & set(node.output):
                kept.append(node)
                needed |= set(node.input)
        del graph.node[:], graph.output[:]
        graph.node.extend(reversed(kept))
        graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs)
    for dimension, value in zip(graph.input[0].type.tensor_type.shape.dim, (1, 3, *size), strict=True):
        dimension.dim_value = value
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(output)
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class OnnxNetwork(nn.Module):
    """The operators of a graph by `simplified`, one after the other, without gradients.

    Args:
        path: the ONNX file. Shapes in it that begin with 1 begin with the batch here.

    Raises:
        NotImplementedError: an operator that light convolutional networks don't have.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._lists = {name: array.tolist() for name, array in arrays.items() if array.ndim == 1}
        self._names = {name: f"constant{number}" for number, name in enumerate(arrays)}
        for name, array in arrays.items():
            self.register_buffer(self._names[name], torch.from_numpy(array.copy()))
        self._nodes = [
            (
                node.op_type,
                list(node.input),
                list(node.output),
                {a.name: helper.get_attribute_value(a) for a in node.attribute},
            )
            for node in graph.node
        ]
        self._input, self._outputs = graph.input[0].name, [item.name for item in graph.output]
        self._last = {name: number for number, (_, inputs, *_) in enumerate(self._nodes) for name in inputs}

    @torch.no_grad()
    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W) to the graph's outputs."""
        values = {self._input: x}
        for number, (kind, inputs, outputs, options) in enumerate(self._nodes):
            given = [values[name] if name in values else getattr(self, self._names[name]) for name in inputs if name]
            lists = [self._lists.get(name) for name in inputs]
            found = self._run(kind, given, lists, options, len(x), len(outputs))
            values.update(zip(outputs, found, strict=True))
            for name in inputs:
                if self._last[name] == number and name not in self._outputs:
                    values.pop(name, None)
        return [values[name] for name in self._outputs]

    def _run(
        self, kind: str, given: list[Tensor], lists: list[Any], options: dict[str, Any], batch: int, count: int
    ) -> list[Tensor]:
        x = given[0]
        match kind:
            case "Conv":
                top, left, bottom, right = options.get("pads", (0, 0, 0, 0))
                if (top, left) != (bottom, right):
                    x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
                step, apart = options.get("strides", 1), options.get("dilations", 1)
                bias = given[2] if len(given) > 2 else None
                return [functional.conv2d(x, given[1], bias, step, (top, left), apart, options.get("group", 1))]
            case "Relu":
                return [x.relu()]
            case "Sigmoid":
                return [x.sigmoid()]
            case "HardSigmoid":
                return [(x * options.get("alpha", 0.2) + options.get("beta", 0.5)).clamp(0, 1)]
            case "Add":
                return [x + given[1]]
            case "Mul":
                return [x * given[1]]
            case "Concat":
                return [torch.cat(given, options["axis"])]
            case "Split":
                return list(x.chunk(count, options["axis"]))
            case "Transpose":
                return [x.permute(*options["perm"])]
            case "Reshape":
                return [x.reshape(batch, *lists[1][1:])]
            case "GlobalAveragePool":
                return [x.mean((2, 3), keepdim=True)]
            case "MaxPool":
                return [functional.max_pool2d(x, options["kernel_shape"], options["strides"], options["pads"][:2])]
            case "Resize":
                sizes = lists[3][2:] if len(lists) > 3 and lists[3] else None
                scales = None if sizes else tuple(lists[2][2:])
                if options["mode"] == b"nearest":
                    return [functional.interpolate(x, sizes, scales)]
                return [functional.interpolate(x, sizes, scales, "bilinear", align_corners=True)]
        raise NotImplementedError(kind)
