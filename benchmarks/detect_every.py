"""Detection on every n-th frame against detection on each: persons lost, OKS, detector calls, frames/s.

    python benchmarks/detect_every.py VIDEO ... [--every 5 auto] [--rounds 3]

With the models inside the package, tracking on. Persons of both runs are paired frame by frame, the most similar first,
from an OKS of 0.5 on, with the box of the run with every frame as area and over the keypoints that it scores 0.3 or
more. Lost are those of that run without a partner, added those of the other; the mean OKS is of the pairs. How much of
this is flicker of the detector shows the same between successive frames of that one run.
With --rounds, whole runs are timed in turns, and first how long detector and pose net take one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vitruvian as vt
from vitruvian.evaluation.oks import oks
from vitruvian.poses import Poses

SAME, SURE, CLEAR = 0.5, 0.3, 0.7


class CountedRuntime:
    """A detector's network that counts the pictures that go through it."""

    def __init__(self, runtime: Any) -> None:
        self.runtime, self.pictures = runtime, 0

    def __call__(self, batch: Any) -> Any:
        self.pictures += len(batch)
        return self.runtime(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runtime, name)


def compare(first: Sequence[Poses], second: Sequence[Poses]) -> tuple[float, float, float]:
    """Persons of `first` that `second` lost, and those that it added, in percent of `first`; mean OKS of the others."""
    similar: list[float] = []
    one = sum(map(len, first))
    other = sum(map(len, second))
    for before, after in zip(first, second, strict=True):
        truth = np.concatenate([before.keypoints, before.scores[..., None] >= SURE], axis=2)
        area = (before.boxes[:, 2:] - before.boxes[:, :2]).prod(axis=1)
        left = oks(after.keypoints, truth, area, before.skeleton.sigmas)
        while left.size and left.max() >= SAME:
            row, column = np.unravel_index(left.argmax(), left.shape)
            similar.append(float(left[row, column]))
            left[row], left[:, column] = 0, 0
    pairs = len(similar)
    return 100 * (one - pairs) / max(one, 1), 100 * (other - pairs) / max(one, 1), float(np.mean(similar))


def run(model: vt.TopDown, video: Path, every: Any) -> tuple[list[Poses], int, float]:
    """Poses of each frame, pictures that the detector saw, and frames/s."""
    counted = model.detector.runtime
    counted.pictures = 0
    started = time.perf_counter()
    poses = [found for _, found in model.stream(video, track=True, detect_every=every)]
    return poses, counted.pictures, len(poses) / (time.perf_counter() - started)


def detector_share(model: vt.TopDown, video: Path) -> float:
    """The detector's share of the time of detector and pose net, one frame after the other."""
    detecting = posing = 0.0
    for number, (image, _) in enumerate(model.stream(video, track=True)):
        if number % 5 == 0:
            started = time.perf_counter()
            boxes = model.detector([image])
            found = time.perf_counter()
            model.pose([image], boxes)
            detecting, posing = detecting + found - started, posing + time.perf_counter() - found
    return detecting / (detecting + posing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--every", nargs="+", default=["5", "auto"])
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    model = vt.load(threads=arguments.threads)
    model.detector.runtime = CountedRuntime(model.detector.runtime)
    choices = [every if every == "auto" else int(every) for every in arguments.every]
    for video in arguments.videos:
        base, pictures, _ = run(model, video, 1)
        print(f"{video.name}: {len(base)} frames, {sum(map(len, base))} persons, {pictures} detections", flush=True)
        lost, added, mean = compare(base[:-1], base[1:])
        print(f"  from frame to frame: {lost:.1f} % lost, {added:.1f} % added, OKS {mean:.3f}")
        for every in choices:
            poses, calls, _ = run(model, video, every)
            lost, added, mean = compare(base, poses)
            sure = compare([found[found.box_scores >= CLEAR] for found in base], poses)[0]
            what = f"{lost:.1f} % lost ({sure:.1f} % of those scored {CLEAR}), {added:.1f} % added"
            print(f"  every {every}: {calls} detections, {what}, OKS {mean:.3f}", flush=True)
        if arguments.rounds:
            print(f"  the detector takes {100 * detector_share(model, video):.0f} % of the time")
        ratios: dict[Any, list[float]] = {every: [] for every in choices}
        for _ in range(arguments.rounds):
            single = run(model, video, 1)[2]
            for every in choices:
                ratios[every].append(run(model, video, every)[2] / single)
            print(f"  every 1: {single:.1f} frames/s; " + ", ".join(f"{e}: {r[-1]:.2f} x" for e, r in ratios.items()))
        for every, several in ratios.items():
            if several:
                print(f"  every {every}: median {np.median(several):.2f} x")


if __name__ == "__main__":
    main()
