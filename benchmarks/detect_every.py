"""Detection on every n-th frame against detection on each: persons lost, OKS, detector calls, frames/s.

    python benchmarks/detect_every.py VIDEO ... [--every 5 auto] [--frames 100] [--rounds 3]

With the models inside the package, tracking on. Persons of both runs are paired frame by frame, the most similar first,
from an OKS of 0.5 on, with the box of the run with every frame as area and over the keypoints that it scores 0.3 or
more. Lost are those of that run without a partner, added those of the other; the mean OKS is of the pairs. Each frame
counts: someone who is lost on four frames is four persons.

The detector finds faint persons on one frame and not on the next. What of the figures is this flicker shows the run
with every frame against itself with the pictures shifted by one pixel. Steady are the persons that both find; of
the steady ones that are lost, newcomers are those who weren't there at the last detection.
With --rounds, whole runs are timed in turns, and first how long detector and pose net take one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vitruvian as vt
from vitruvian.evaluation.oks import oks
from vitruvian.media import Frame, open_sources
from vitruvian.poses import Poses
from vitruvian.tracking import DetectionSchedule

SAME, SURE, CLEAR = 0.5, 0.3, 0.7


class Excerpt:
    """The first frames of a video as a source, shifted to the right by some pixels."""

    kind, paced = "video", False

    def __init__(self, video: Path, count: int | None, shift: int = 0) -> None:
        self.video, self.count, self.shift = video, count, shift
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        for frame in islice(open_sources(str(self.video)).sources[0], self.count):
            if self.shift:
                padded = np.pad(frame.image, ((0, 0), (self.shift, 0), (0, 0)), mode="edge")
                image = np.ascontiguousarray(padded[:, : -self.shift])
                frame = replace(frame, image=image)
            yield frame


class CountedRuntime:
    """A detector's network that counts the pictures that go through it."""

    def __init__(self, runtime: Any) -> None:
        self.runtime, self.pictures = runtime, 0

    def __call__(self, batch: Any) -> Any:
        self.pictures += len(batch)
        return self.runtime(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runtime, name)


def partners(first: Sequence[Poses], second: Sequence[Poses]) -> list[NDArray[np.float64]]:
    """Of each frame, the OKS (N,) of each person of `first` with its partner in `second`; 0 without one."""
    found = []
    for before, after in zip(first, second, strict=True):
        truth = np.concatenate([before.keypoints, before.scores[..., None] >= SURE], axis=2)
        area = (before.boxes[:, 2:] - before.boxes[:, :2]).prod(axis=1)
        left = oks(after.keypoints, truth, area, before.skeleton.sigmas)
        similar = np.zeros(len(before))
        while left.size and left.max() >= SAME:
            row, column = np.unravel_index(left.argmax(), left.shape)
            similar[column] = left[row, column]
            left[row], left[:, column] = 0, 0
        found.append(similar)
    return found


def summary(first: Sequence[Poses], second: Sequence[Poses]) -> str:
    """Persons of `first` that `second` lost, those that it added, and the OKS of the others."""
    similar = np.concatenate(partners(first, second))
    one, other, pairs = len(similar), sum(map(len, second)), int((similar > 0).sum())
    share = 100 / max(one, 1)
    return (
        f"{share * (one - pairs):.1f} % lost, {share * (other - pairs):.1f} % added, "
        f"OKS {similar[similar > 0].mean():.3f}"
    )


def lost(
    base: Sequence[Poses], chosen: Sequence[NDArray[np.bool_]], run: Sequence[Poses], detected: Sequence[bool]
) -> str:
    """How many of the chosen persons of `base` the run lost, and who of them came after its last detection."""
    similar = partners(base, run)
    total = gone = new = 0
    there: set[int] = set()
    for poses, which, close, fresh in zip(base, chosen, similar, detected, strict=True):
        ids = np.zeros(len(poses), int) if poses.track_ids is None else poses.track_ids
        there = set(ids.tolist()) if fresh else there
        away = which & (close == 0)
        total, gone = total + int(which.sum()), gone + int(away.sum())
        new += sum(one not in there for one in ids[away].tolist())
    share = 100 / max(total, 1)
    return f"{share * gone:.1f} % of {total}, {share * new:.1f} % newcomers"


def run(model: vt.TopDown, source: Excerpt, every: Any) -> tuple[list[Poses], int, float]:
    """Poses of each frame, pictures that the detector saw, and frames/s."""
    counted = model.detector.runtime
    counted.pictures = 0
    started = time.perf_counter()
    poses = [found for _, found in model.frames(source, True, False, every)]
    return poses, counted.pictures, len(poses) / (time.perf_counter() - started)


def detector_share(model: vt.TopDown, source: Excerpt) -> float:
    """The detector's share of the time of detector and pose net, one frame after the other."""
    detecting = posing = 0.0
    for number, (frame, _) in enumerate(model.frames(source, True)):
        if number % 5 == 0:
            started = time.perf_counter()
            boxes = model.detector([frame.image])
            found = time.perf_counter()
            model.pose([frame.image], boxes)
            detecting, posing = detecting + found - started, posing + time.perf_counter() - found
    return detecting / (detecting + posing)


def persons_of(model: vt.TopDown, video: Path, count: int | None, choices: Sequence[Any]) -> None:
    """Print who is lost."""
    source = Excerpt(video, count)
    base, pictures, _ = run(model, source, 1)
    print(f"{video.name}: {len(base)} frames, {sum(map(len, base))} persons, {pictures} detections", flush=True)
    shifted = [
        replace(poses, boxes=poses.boxes - np.float32([1, 0, 1, 0]), keypoints=poses.keypoints - np.float32([1, 0]))
        for poses in run(model, Excerpt(video, count, 1), 1)[0]
    ]
    print(f"  shifted by one pixel: {summary(base, shifted)}", flush=True)
    steady = [close > 0 for close in partners(base, shifted)]
    for every in choices:
        poses, calls, _ = run(model, source, every)
        schedule = DetectionSchedule(every)
        detected = [schedule.due(frame.image, frame.time) for frame in source]
        print(f"  every {every}: {calls} detections, {summary(base, poses)}")
        print(f"    of the steady ones lost {lost(base, steady, poses, detected)}")
        clear = [found.box_scores >= CLEAR for found in base]
        print(f"    of those scored {CLEAR} lost {lost(base, clear, poses, detected)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--every", nargs="+", default=["5", "auto"])
    parser.add_argument("--frames", type=int, help="the first of each video only")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    model = vt.load(threads=arguments.threads)
    model.detector.runtime = CountedRuntime(model.detector.runtime)
    choices = [every if every == "auto" else int(every) for every in arguments.every]
    for video in arguments.videos:
        persons_of(model, video, arguments.frames, choices)
        source = Excerpt(video, arguments.frames)
        if arguments.rounds:
            print(f"  the detector takes {100 * detector_share(model, source):.0f} % of the time")
        ratios: dict[Any, list[float]] = {every: [] for every in choices}
        for _ in range(arguments.rounds):
            single = run(model, source, 1)[2]
            for every in choices:
                ratios[every].append(run(model, source, every)[2] / single)
            print(f"  every 1: {single:.1f} frames/s; " + ", ".join(f"{e}: {r[-1]:.2f} x" for e, r in ratios.items()))
        for every, several in ratios.items():
            if several:
                print(f"  every {every}: median {np.median(several):.2f} x")


if __name__ == "__main__":
    main()
