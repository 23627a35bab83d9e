"""Accuracy against speed: what does each pose net, precision and setting give for its time?

Prints the AP of keypoints in annotated boxes (as annotated, not clipped) and the persons a second of the whole pose
step (crop, network, decoding): CPU seconds of one thread, the median of rounds in which all of them take turns. With
--json FILE the figures are written for the drawing in docs/models.md, with --curves FILE the precision-recall curves
and the OKS of the persons by the first model, for docs/concepts.md.

    python benchmarks/accuracy_speed.py COCO_FOLDER pose_mobilenet_256x192:bf16 tinypose.onnx:fp32:dark [--json FILE]

A model is NAME[:PRECISION][:SETTING]..., settings are `dark` and `flip`. The folder has images/ and
person_keypoints.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vitruvian.evaluation import Metrics, Procedure, evaluate_coco
from vitruvian.pipeline import PoseEstimator
from vitruvian.poses import Boxes
from vitruvian.runtimes import EngineOptions
from vitruvian.zoo import load_pose

PERSONS = 8


@dataclass(frozen=True)
class Measured:
    """One model as it was run: AP, and persons a second of one thread."""

    model: str
    precision: str
    settings: tuple[str, ...]
    ap: float
    persons_per_second: float


def opened(text: str) -> tuple[str, str, tuple[str, ...], PoseEstimator]:
    """A model as it is named on the command line, on one thread of OpenVINO."""
    name, precision, *settings = [*text.split(":"), "fp32"] if ":" not in text else text.split(":")
    engine = EngineOptions("openvino", "cpu", 1, "auto" if precision == "int8" else precision)
    refine = "dark" if "dark" in settings else None
    pose = load_pose(name, refine=refine, flip="flip" in settings, engine=engine)
    return Path(name).stem, precision, tuple(settings), pose


def persons_per_second(poses: list[PoseEstimator], rounds: int) -> list[float]:
    """Of each model; every round runs all of them."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    corners = rng.uniform((0, 0), (400, 200), (PERSONS, 2))
    boxes = Boxes.given(np.concatenate([corners, corners + np.array((120, 240))], axis=1))
    taken: list[list[float]] = [[] for _ in poses]
    for number in range(rounds + 1):
        for pose, seconds in zip(poses, taken, strict=True):
            started = time.process_time()
            pose([picture], [boxes])
            if number:
                seconds.append(time.process_time() - started)
    return [PERSONS / statistics.median(seconds) for seconds in taken]


def write_curves(path: Path, metrics: Metrics) -> None:
    """Precision at 101 recalls for three thresholds of OKS, and each annotated person's OKS."""
    chosen = {f"{0.5 + 0.05 * row:.2f}": metrics.precision[row].clip(0).round(3).tolist() for row in (0, 5, 9)}
    content = {"precision": chosen, "oks": metrics.matches.oks.round(3).tolist()}
    path.write_text(json.dumps(content) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("coco", type=Path)
    parser.add_argument("models", nargs="+", metavar="MODEL[:PRECISION][:SETTING]...")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--curves", type=Path)
    arguments = parser.parse_args()
    models = [opened(text) for text in arguments.models]
    rates = persons_per_second([pose for *_, pose in models], arguments.rounds)
    rows = []
    for (name, precision, settings, pose), rate in zip(models, rates, strict=True):
        procedure = replace(Procedure.of(pose, True), clip_boxes=False, flip=pose.flip)
        if "dark" in settings:
            procedure = replace(procedure, refine="dark")
        coco = arguments.coco
        metrics = evaluate_coco(pose, coco / "person_keypoints.json", coco / "images", procedure=procedure)
        if arguments.curves and not rows:
            write_curves(arguments.curves, metrics)
        rows.append(Measured(name, precision, settings, round(metrics.keypoints["AP"], 4), round(rate, 1)))
        label = " ".join((name, precision, *settings))
        print(f"{label}: AP {rows[-1].ap:.3f}, {rate:.1f} persons/s", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
