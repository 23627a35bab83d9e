"""Tracking on MOTChallenge's sequences with their public detections: HOTA, IDF1, switches, and milliseconds a frame.

    python benchmarks/tracking.py FOLDER [--every 3]

FOLDER has sequences as NAME/gt.txt and NAME/det.txt with NAME/seqinfo.ini. The times are of made-up persons with 17
keypoints, and their ratio to the time at 50 persons is what to compare.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from vitruvian import Poses
from vitruvian.evaluation.tracking import evaluate_tracking
from vitruvian.tracking import Tracker


def track(sequence: Path, every: int) -> tuple[list[str], list[str]]:
    """Rows of the tracks and of the truth, in MOTChallenge's format, of each `every`th frame."""
    facts = dict(line.split("=", 1) for line in (sequence / "seqinfo.ini").read_text().split() if "=" in line)
    found, real = (np.loadtxt(sequence / name, delimiter=",", ndmin=2) for name in ("det.txt", "gt.txt"))
    tracker = Tracker()
    ours, theirs = [], []
    for number, frame in enumerate(range(1, int(facts["seqLength"]) + 1, every), 1):
        rows = found[found[:, 0] == frame]
        boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)
        nothing = np.zeros((len(rows), 17, 2), np.float32), np.zeros((len(rows), 17), np.float32)
        poses = tracker.update(
            Poses(boxes, rows[:, 6].astype(np.float32), *nothing), (frame - 1) / float(facts["frameRate"])
        )
        assert poses.track_ids is not None
        ours += [
            f"{number},{track_id},{','.join(map(str, row[2:6]))},1,-1,-1,-1"
            for track_id, row in zip(poses.track_ids, rows, strict=True)
            if track_id
        ]
        theirs += [f"{number},{','.join(map(str, row[1:]))}" for row in real[real[:, 0] == frame]]
    return ours, theirs


def milliseconds(count: int) -> float:
    """The median time of an update with so many persons, who walk at random."""
    rng = np.random.default_rng(count)
    centres, speed = rng.uniform(0, 1, (count, 2)) * (1800, 900), rng.normal(0, 3, (count, 2))
    shape = rng.uniform(-0.5, 0.5, (count, 17, 2)) * (40, 100)
    tracker, taken = Tracker(), []
    for frame in range(40):
        centres = centres + speed
        keypoints = (centres[:, None] + shape + rng.normal(0, 1, shape.shape)).astype(np.float32)
        half = np.array([20, 50])
        boxes = np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
        poses = Poses(boxes, np.full(count, 0.9, np.float32), keypoints, np.full((count, 17), 0.9, np.float32))
        start = time.perf_counter()
        tracker.update(poses, frame / 30)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken[5:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each Nth frame only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch) / "ours", Path(scratch) / "theirs"
        for sequence in sorted(path.parent for path in options.folder.glob("*/det.txt")):
            tracks, truth = track(sequence, options.every)
            (theirs / sequence.name).mkdir(parents=True)
            ours.mkdir(exist_ok=True)
            (ours / f"{sequence.name}.txt").write_text("\n".join(tracks))
            (theirs / sequence.name / "gt.txt").write_text("\n".join(truth))
        figures = evaluate_tracking(ours, theirs).combined
    print(f"HOTA {100 * figures['HOTA']:.1f}  IDF1 {100 * figures['IDF1']:.1f}  switches {figures['switches']}")
    times = {count: milliseconds(count) for count in (10, 50, 200)}
    print("  ".join(f"{count} persons: {taken:.2f} ms ({taken / times[50]:.2f})" for count, taken in times.items()))


if __name__ == "__main__":
    main()
