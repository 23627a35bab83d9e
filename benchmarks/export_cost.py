"""What do fp16 and int8 cost in exactness, and bring in size and speed, when a checkpoint becomes an ONNX file?

Exports the checkpoint three times and lets the files take turns in ONNX Runtime and OpenVINO, beside the checkpoint
itself in torch; printed are sizes, the outputs' largest difference from torch's in parts of their range, and the median
of the rounds' ratios of speed to the fp32 file in ONNX Runtime. With --annotations a detector's box AP is measured too.
Random weights show the speed of a pose net, but nothing of what int8 does to a trained one.

    python benchmarks/export_cost.py MODEL --calibrate PICTURES [--size 640] \
        [--annotations FILE --images DIR --covered-by FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from vitruvian.export import EXPORT_PRECISIONS, export
from vitruvian.runtimes import Runtime, open_network, open_runtime
from vitruvian.zoo import load_detector
from vitruvian.zoo.loading import checkpoint_network


def seconds(runtime: Runtime, batch: np.ndarray) -> float:
    started = time.perf_counter()
    runtime(batch)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--calibrate", required=True, help="pictures for int8")
    parser.add_argument("--detector", help="finds the persons in them, for a pose net")
    parser.add_argument("--size", type=int, help="height and width of the input")
    parser.add_argument("--annotations", help="COCO annotations, to measure a detector's box AP on")
    parser.add_argument("--images", help="their pictures")
    parser.add_argument("--covered-by", help="COCO results: only the pictures in this file count")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    size = (arguments.size, arguments.size) if arguments.size else None
    finder = load_detector(arguments.detector) if arguments.detector else None
    network, card = checkpoint_network(arguments.model, size)
    runtimes = {("torch", "fp32"): open_network(network, arguments.model, card.input_size)}
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for precision in EXPORT_PRECISIONS:
            calibration = arguments.calibrate if precision == "int8" else None
            done = export(
                arguments.model,
                Path(folder, f"{precision}.onnx"),
                size=size,
                precision=precision,
                calibration=calibration,
                detector=finder,
            )
            files[precision] = done.path
            megabytes = done.path.stat().st_size / 1e6
            print(f"{precision}: {megabytes:.1f} MB, outputs within {done.difference:.1e} of their range from torch's")
            for engine in ("onnxruntime", "openvino"):
                runtimes[engine, precision] = open_runtime(done.path, engine)
        batch = np.random.default_rng(0).uniform(0, 1, (1, 3, *card.input_size)).astype(np.float32)
        for runtime in runtimes.values():
            runtime(batch)
        rounds = [{key: seconds(runtime, batch) for key, runtime in runtimes.items()} for _ in range(arguments.rounds)]
        for key in runtimes:
            ratio = statistics.median(taken["onnxruntime", "fp32"] / taken[key] for taken in rounds)
            print(f"{key[0]:11} {key[1]}: {ratio:.2f} x the speed of onnxruntime fp32")
        if arguments.annotations:
            box_ap(arguments, files)


def box_ap(arguments: argparse.Namespace, files: dict[str, Path]) -> None:
    from vitruvian.evaluation import evaluate_boxes

    truth = json.loads(Path(arguments.annotations).read_text())
    if arguments.covered_by:
        covered = {found["image_id"] for found in json.loads(Path(arguments.covered_by).read_text())}
        truth["images"] = [image for image in truth["images"] if image["id"] in covered]
        truth["annotations"] = [person for person in truth["annotations"] if person["image_id"] in covered]
    for name, file in {"checkpoint": arguments.model, **files}.items():
        detector = load_detector(file, arguments.size, score=0.001, iou=0.6, max_persons=300)
        numbers, _ = evaluate_boxes(detector, truth, arguments.images)
        print(f"{name}: box AP {numbers['AP']:.3f}, AP50 {numbers['AP50']:.3f}")


if __name__ == "__main__":
    main()
