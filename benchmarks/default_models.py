"""How good and how fast are the models inside the package?

Prints the AP of keypoints with annotated boxes, the AP50 of the detector's boxes and the AP of both together on COCO's
pictures, and how many frames/s `vitruvian predict` makes of a video with them, as a multiple of what it makes with
another detector and pose net (each in a process of its own, from start to end, in turns).

    python benchmarks/default_models.py COCO_FOLDER [VIDEO --pose POSE.onnx --detector DETECTOR.onnx [--img-size N]]

The folder has images/, person_keypoints.json, and person_detections.json, whose pictures are those that are annotated
completely: only there is it wrong to find somebody who isn't annotated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import vitruvian as vt
from vitruvian.evaluation import evaluate_boxes, evaluate_coco

NAMES = ("AP", "AP50", "AP75", "APM", "APL")


def complete(folder: Path) -> dict[str, Any]:
    """The annotations of the pictures that are annotated completely."""
    content = json.loads((folder / "person_keypoints.json").read_text())
    wanted = {record["image_id"] for record in json.loads((folder / "person_detections.json").read_text())}
    images = [record for record in content["images"] if record["id"] in wanted]
    return {**content, "images": images, "annotations": [a for a in content["annotations"] if a["image_id"] in wanted]}


def show(label: str, numbers: Mapping[str, float]) -> None:
    print(f"{label}: " + "  ".join(f"{name} {numbers[name]:.4f}" for name in NAMES), flush=True)


def seconds(video: Path, *models: str) -> float:
    """How long the command takes, from start to end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "vitruvian", "predict", str(video), "-o", f"{folder}/out.mp4", "-q", *models]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("coco", type=Path)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--pose")
    parser.add_argument("--detector")
    parser.add_argument("--img-size", help="of the other detector")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    images, some = arguments.coco / "images", complete(arguments.coco)
    model = vt.load(score=0.001, max_persons=100)
    show("keypoints, annotated boxes", evaluate_coco(model, arguments.coco / "person_keypoints.json", images).keypoints)
    show(f"the same on {len(some['images'])} pictures", evaluate_coco(model, some, images).keypoints)
    show("keypoints, own boxes there", evaluate_coco(model, some, images, model.detector).keypoints)
    show("boxes there", evaluate_boxes(model.detector, some, images)[0])
    if arguments.video is None:
        return
    others = ["--pose", arguments.pose, "--detector", arguments.detector]
    if arguments.img_size:
        others += ["--img-size", arguments.img_size]
    ratios = []
    for number in range(arguments.rounds):
        ours, theirs = seconds(arguments.video), seconds(arguments.video, *others)
        ratios.append(theirs / ours)
        print(f"round {number + 1}: {ours:.1f} s, {theirs:.1f} s with the others; ratio {ratios[-1]:.2f}", flush=True)
    print(f"median: {np.median(ratios):.2f} x the others' frames/s")


if __name__ == "__main__":
    main()
