"""Rewrites of ONNX graphs: the numbers that they compute in, and constants computed beforehand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ModelError

# Nodes of a graph that is int8 already.
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")


def read_graph(path: str | os.PathLike[str]) -> Any:
    """An ONNX model from a file, its weights inside of it.

    Raises:
        ModelError: damaged, or with weights in other files, which are not read: they could be any file at all.
    """
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        proto = onnx.load(path, load_external_data=False)
        constants = (item.t for node in _nodes(proto.graph) for item in node.attribute if item.HasField("t"))
        outside = any(map(uses_external_data, (*proto.graph.initializer, *constants)))
    except Exception as error:  # damage raises anything at all
        raise ModelError(f"{path} is no whole ONNX file ({(str(error).splitlines() or [''])[0][:200]})") from None
    if outside:
        raise ModelError(f"{path} keeps its weights in other files; save it as one file first")
    return proto


def is_quantised(proto: Any) -> bool:
    """Whether a model computes in integers already."""
    return any(node.op_type in _QUANTISED or node.op_type.startswith("QLinear") for node in _nodes(proto.graph))


def to_float32(proto: Any) -> None:
    """Turns weights, inputs and outputs in float16 into float32, in place, and drops the casts between the two."""
    from onnx import TensorProto, numpy_helper

    def convert(tensor: Any) -> None:
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    for tensor in proto.graph.initializer:
        convert(tensor)
    for item in (*proto.graph.input, *proto.graph.output):
        if item.type.tensor_type.elem_type == TensorProto.FLOAT16:
            item.type.tensor_type.elem_type = TensorProto.FLOAT
    del proto.graph.value_info[:]  # what it says of the types in between is over
    for node in _nodes(proto.graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                convert(attribute.t)
            # Casts, and the nodes that make random numbers or ranges, name their type by number.
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    _drop_casts(proto)


def _drop_casts(proto: Any) -> None:
    """Drops the casts to float32 of what is float32, so that quantisers don't trip over them."""
    from onnx import TensorProto, shape_inference

    inferred = shape_inference.infer_shapes(proto).graph
    floats = {
        item.name
        for item in (*inferred.value_info, *inferred.input)
        if item.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    graph = proto.graph
    results = {item.name for item in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT]:
        before, after = node.input[0], node.output[0]
        if before not in floats or (after in results and (before in results or before not in makers)):
            continue
        old, new = (before, after) if after in results else (after, before)
        graph.node.remove(node)
        for other in _nodes(graph):
            for names in (other.input, other.output):
                names[:] = [new if name == old else name for name in names]


def to_float16(proto: Any) -> Any:
    """The same model with weights and arithmetic in float16, behind inputs and outputs in float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(proto, keep_io_types=True)


def at_least_opset(proto: Any, version: int) -> Any:
    """The same model in a newer version of the standard's operators, if it has an older one.

    Raises:
        ModelError: an operator of it has no newer form.
    """
    from onnx.version_converter import convert_version

    if all(item.version >= version for item in proto.opset_import if item.domain in ("", "ai.onnx")):
        return proto
    try:
        return convert_version(proto, version)
    except Exception as error:  # its exceptions have no common base but Exception
        raise ModelError(f"the ONNX graph can't be brought to opset {version}: {str(error)[:200]}") from None


def folded(proto: Any) -> Any:
    """A model with its normalisations joined with the layers before, constants computed, and a name for every node.

    ONNX Runtime does it, with its rewrites that stay within the standard's operators.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder:
        path = Path(folder, "folded.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        result = onnx.load(path)
    del result.metadata_props[:]
    result.metadata_props.extend(proto.metadata_props)
    used = {node.domain for node in _nodes(result.graph)}
    domains = [item for item in result.opset_import if item.domain in used or not item.domain]
    del result.opset_import[:]
    result.opset_import.extend(domains)
    for index, node in enumerate(result.graph.node):
        node.name = f"{node.op_type}_{index}"
    return result


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the graphs inside of them (the branches of If, the bodies of Loop)."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                yield from _nodes(inner)
