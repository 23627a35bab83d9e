"""Is a network that takes one sample at a time faster with its batch dimension freed?

Such a file runs several samples at once, each on its share of the threads (`vitruvian.runtimes`). The other way is to
free the batch dimension: shapes that its graph has as constants then begin with a 0, which copies the batch's size. Of
a graph with an NMS for one picture only the part before it can be freed; both ways then run that part. The two let
each other take turns in each engine; their outputs must agree. Printed are the medians of the rounds' ratios of
samples/s.

    python benchmarks/fixed_batch.py MODEL.onnx... [--batches 2 4 12] [--size 320] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.utils import Extractor

from vitruvian.graphs import folded, read_graph
from vitruvian.runtimes import Runtime, open_runtime, usable_cores


def before_nms(proto: Any) -> Any:
    """The graph up to its last convolutions, if a choice of the best comes after them; else all of it."""
    if not any(node.op_type == "NonMaxSuppression" for node in proto.graph.node):
        return proto
    inferred = onnx.shape_inference.infer_shapes(folded(proto))
    makers = {name: node for node in inferred.graph.node for name in node.output}
    inner: set[str] = set()
    for node in inferred.graph.node:
        if node.op_type == "Conv":
            waiting = list(node.input)
            while waiting:
                if (name := waiting.pop()) in makers and name not in inner:
                    inner.add(name)
                    waiting += makers[name].input
    ends = [node.output[0] for node in inferred.graph.node if node.op_type == "Conv" and node.output[0] not in inner]
    return Extractor(inferred).extract_model([inferred.graph.input[0].name], ends)


def set_batch(proto: Any, size: tuple[int, int], batch: int | None) -> Any:
    """The graph for `batch` samples of `size`, or for any number of them."""
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    graph = changed.graph
    del graph.value_info[:]
    for item in (*graph.input, *graph.output):
        dimensions = item.type.tensor_type.shape.dim
        if batch is None:
            dimensions[0].dim_param = "N"
        else:
            dimensions[0].dim_value = batch
    for dimension, length in zip(graph.input[0].type.tensor_type.shape.dim[2:], size, strict=True):
        dimension.dim_value = length
    if batch is None:
        shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
        for tensor in graph.initializer:
            if tensor.name in shapes:
                lengths = numpy_helper.to_array(tensor).copy()
                lengths[0] = 0
                tensor.CopyFrom(numpy_helper.from_array(lengths, tensor.name))
    return changed


def samples_per_second(runtime: Runtime, batch: np.ndarray, seconds: float) -> float:
    calls, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds or calls < 2:
        runtime(batch)
        calls += 1
    return calls * len(batch) / took


def compare(path: Path, folder: Path, arguments: argparse.Namespace) -> None:
    proto = before_nms(read_graph(path))
    part = "" if len(proto.graph.output) == len(read_graph(path).graph.output) else " before its NMS"
    lengths = [item.dim_value or arguments.size for item in proto.graph.input[0].type.tensor_type.shape.dim[2:]]
    size = lengths[0], lengths[1]
    files = {name: folder / f"{name}.onnx" for name in ("one", "free")}
    onnx.save(set_batch(proto, size, 1), files["one"])
    onnx.save(set_batch(proto, size, None), files["free"])
    for engine in ("onnxruntime", "openvino"):
        runtimes = {name: open_runtime(file, engine, threads=arguments.threads) for name, file in files.items()}
        for count in arguments.batches:
            batch = np.random.default_rng(0).standard_normal((count, 3, *size), np.float32)
            apart = max(
                float(np.abs(one - free).max() / np.ptp(one))
                for one, free in zip(*(runtime(batch) for runtime in runtimes.values()), strict=True)
            )
            if apart > 1e-4:
                raise SystemExit(f"{path}: with a free batch the outputs differ by {apart:.1e} of their range")
            rounds = [
                {name: samples_per_second(runtime, batch, arguments.seconds) for name, runtime in runtimes.items()}
                for _ in range(arguments.rounds)
            ]
            ratios = [taken["free"] / taken["one"] for taken in rounds]
            print(
                f"{path.stem}{part}, {engine}, {count} samples: a free batch is {statistics.median(ratios):.2f} x as "
                f"fast ({min(ratios):.2f} to {max(ratios):.2f}); outputs within {apart:.0e} of their range",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 12])
    parser.add_argument("--size", type=int, default=320, help="height and width where the network takes any")
    parser.add_argument("--threads", type=int, default=usable_cores(), help="CPU threads [all usable cores]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each runs in a round")
    arguments = parser.parse_args()
    print(f"{arguments.threads} CPU threads, {arguments.rounds} rounds")
    for path in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            compare(path, Path(folder), arguments)


if __name__ == "__main__":
    main()
