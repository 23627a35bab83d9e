"""What do int8 and other precisions cost a model in AP, and bring in speed and size?

Exports each model in every precision that is asked for, measures AP on COCO's pictures (keypoints in annotated boxes;
boxes of persons on the pictures that are annotated completely), and lets the files take turns in each engine. Printed
are AP, its difference from fp32, the file's size, and samples/s as a multiple of the float32 file's in ONNX Runtime
and in OpenVINO: medians of the rounds' ratios. With --nncf, NNCF quantises the same float32 file with the same samples.
Random weights show the speed of a model, but nothing of its AP: give --no-ap.

    python benchmarks/int8_cost.py MODEL[:SIZE]... --coco FOLDER --calibrate PICTURES [--cpu-time]

The folder has images/, person_keypoints.json and person_detections.json. On a machine that does other work, --cpu-time
counts the CPU's seconds on one thread, which the others hardly change, in place of the clock's on all threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from default_models import complete

from vitruvian.cards import ModelCard
from vitruvian.evaluation import evaluate_boxes, evaluate_coco
from vitruvian.export import EXPORT_PRECISIONS, export
from vitruvian.graphs import folded
from vitruvian.quantization import calibration_samples
from vitruvian.runtimes import Runtime, open_runtime
from vitruvian.zoo import load_detector, load_pose

# What runs: the file's precision, the engine, and the precision that it is asked for.
Way = tuple[str, str, str]


def with_nncf(plain: Path, output: Path, card: ModelCard, folder: str) -> None:
    """The file as NNCF quantises it by its own defaults for graphs with any activations."""
    import nncf
    import onnx

    proto = folded(onnx.load(plain))
    name = proto.graph.input[0].name
    samples = nncf.Dataset(list(calibration_samples(card, folder)), lambda sample: {name: sample})
    onnx.save(nncf.quantize(proto, samples, preset=nncf.QuantizationPreset.MIXED), output)


def average_precision(path: Path, card: ModelCard, coco: Path, precision: str) -> float:
    engine = {"runtime": "openvino", "precision": precision}
    if card.task == "pose":
        metrics = evaluate_coco(load_pose(path, **engine), coco / "person_keypoints.json", coco / "images")
        return metrics.keypoints["AP"]
    detector = load_detector(path, score=0.001, max_persons=300, **engine)
    return evaluate_boxes(detector, complete(coco), coco / "images")[0]["AP"]


def speeds(
    files: dict[str, Path], card: ModelCard, arguments: argparse.Namespace, clock: Callable[[], float]
) -> dict[Way, list[float]]:
    """Samples per second of each way, round by round."""
    threads = 1 if arguments.cpu_time else arguments.threads
    ways = [(name, engine, "fp32") for name in files for engine in ("onnxruntime", "openvino")]
    ways += [(name, "openvino", "bf16") for name in files if name in ("fp32", "int8")]
    runtimes: dict[Way, Runtime] = {
        way: open_runtime(files[way[0]], way[1], threads=threads, precision=way[2]) for way in ways
    }
    batch = np.random.default_rng(0).uniform(0, 1, (arguments.batch, 3, *card.input_size)).astype(np.float32)
    taken: dict[Way, list[float]] = {way: [] for way in ways}
    for runtime in runtimes.values():
        runtime(batch)
    for _ in range(arguments.rounds):
        for way, runtime in runtimes.items():
            runtime(batch)
            calls, started = 0, clock()
            while (passed := clock() - started) < arguments.seconds or calls < 2:
                runtime(batch)
                calls += 1
            taken[way].append(calls * len(batch) / passed)
    return taken


def report(model: str, folder: Path, arguments: argparse.Namespace) -> None:
    name, _, length = model.rpartition(":")
    source, size = (name, (int(length), int(length))) if length.isdigit() else (model, None)
    files: dict[str, Path] = {}
    for precision in arguments.precisions:
        calibration = arguments.calibrate if precision == "int8" else None
        done = export(source, folder / f"{precision}.onnx", size=size, precision=precision, calibration=calibration)
        files[precision], card = done.path, done.card
    if arguments.nncf:
        files["nncf"] = folder / "nncf.onnx"
        with_nncf(files["fp32"], files["nncf"], card, arguments.calibrate)
    print(f"{card.name}, {card.input_size[0]}x{card.input_size[1]}", flush=True)
    if not arguments.no_ap:
        exact = 0.0
        for label, file in (*files.items(), ("fp32", files["fp32"])):
            asked = "bf16" if label == "fp32" and exact else "fp32"
            ap = average_precision(file, card, arguments.coco, asked)
            exact = exact or ap
            size_mb = f"{file.stat().st_size / 1e6:.1f} MB"
            print(f"  {label} file, {asked}: AP {ap:.4f} ({ap - exact:+.4f}), {size_mb}", flush=True)
    taken = speeds(files, card, arguments, time.process_time if arguments.cpu_time else time.perf_counter)
    for way, rates in taken.items():
        ratios = [
            statistics.median(mine / his for mine, his in zip(rates, taken["fp32", engine, "fp32"], strict=True))
            for engine in ("onnxruntime", "openvino")
        ]
        print(
            f"  {way[0]} file, {way[1]} {way[2]}: {statistics.median(rates):.1f} samples/s, "
            f"{ratios[0]:.2f} x onnxruntime fp32, {ratios[1]:.2f} x openvino fp32",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL[:SIZE]")
    parser.add_argument("--coco", type=Path, help="pictures and annotations to measure AP on")
    parser.add_argument("--calibrate", required=True, help="a folder of other pictures, for int8")
    parser.add_argument("--precisions", nargs="+", choices=EXPORT_PRECISIONS, default=["fp32", "int8"])
    parser.add_argument("--nncf", action="store_true", help="compare with NNCF, which has to be installed")
    parser.add_argument("--no-ap", action="store_true")
    parser.add_argument("--cpu-time", action="store_true", help="CPU seconds on one thread")
    parser.add_argument("--threads", type=int, help="CPU threads [all usable cores]")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.2, help="how long each runs in a round")
    arguments = parser.parse_args()
    if "fp32" not in arguments.precisions:
        parser.error("the others are compared with fp32: --precisions fp32 ...")
    if arguments.coco is None and not arguments.no_ap:
        parser.error("--coco FOLDER, or --no-ap")
    for model in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            report(model, Path(folder), arguments)


if __name__ == "__main__":
    main()
