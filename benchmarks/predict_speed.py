"""How fast is `vitruvian predict` on a video, against the networks alone and against a plain loop?

Each round runs, one after the other and in a process of its own, the command and a plain loop of the same two networks:
ONNX Runtime with its defaults, one person at a time, OpenCV reading and writing the video. Printed are, per round,
- the whole command, from start of the process to its end, as a multiple of the time during which a network runs;
- the command's frames per second as a multiple of the plain loop's.

    python benchmarks/predict_speed.py VIDEO --pose POSE.onnx --detector RTMDET.onnx [--runtime R] [--precision auto]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from keypoint_agreement import by_the_book

from vitruvian.benchmark import Clock
from vitruvian.cli import app
from vitruvian.runtimes import Runtime
from vitruvian.skeletons import COCO17

INPUT = 320
SCORE = 0.3
MEAN, STD = np.array([103.53, 116.28, 123.675], np.float32), np.array([57.375, 57.12, 58.395], np.float32)


class NetworkClock(Clock):
    """Counts while any network runs: the detector works ahead while poses are estimated."""

    def __enter__(self) -> NetworkClock:
        self._call = Runtime.__call__

        def timed(runtime: Runtime, batch: np.ndarray) -> tuple[np.ndarray, ...]:
            self.change(1)
            try:
                return self._call(runtime, batch)
            finally:
                self.change(-1)

        Runtime.__call__ = timed
        return self

    def __exit__(self, *_: object) -> None:
        Runtime.__call__ = self._call


def run_command(video: Path, pose: Path, detector: Path, output: Path, runtime: str, precision: str) -> float:
    """Runs the command; gives the seconds inside the networks."""
    arguments = ["predict", str(video), "--pose", str(pose), "--detector", str(detector), "--img-size", str(INPUT)]
    arguments += [
        "--score",
        str(SCORE),
        "--runtime",
        runtime,
        "--precision",
        precision,
        "-o",
        str(output),
        "--overwrite",
        "-q",
    ]
    with NetworkClock() as clock:
        app(arguments, standalone_mode=False)
    return clock.seconds


def run_plain_loop(video: Path, pose: Path, detector: Path, output: Path) -> int:
    """The loop that one writes first; gives the number of frames."""
    find = onnxruntime.InferenceSession(str(detector), providers=["CPUExecutionProvider"])
    estimate = onnxruntime.InferenceSession(str(pose), providers=["CPUExecutionProvider"])
    reader = cv2.VideoCapture(str(video))
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size)
    frames = 0
    while True:
        more, frame = reader.read()
        if not more:
            break
        frames += 1
        scale = INPUT / max(frame.shape)
        small = cv2.resize(frame, None, fx=scale, fy=scale)
        canvas = np.full((INPUT, INPUT, 3), 114, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = ((canvas.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
        found, labels = find.run(None, {find.get_inputs()[0].name: tensor})
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        for *box, score in found[0][labels[0] == 0]:
            if score < SCORE:
                continue
            points = by_the_book(estimate, rgb, np.array(box) / scale)
            for first, second in COCO17.limbs:
                ends = [tuple(points[end].astype(int).tolist()) for end in (first, second)]
                cv2.line(frame, *ends, (0, 255, 0), 2)
        writer.write(frame)
    writer.release()
    return frames


def in_a_process(part: str, arguments: argparse.Namespace) -> tuple[float, float]:
    """Seconds of the whole process, and what it printed."""
    command = [sys.executable, __file__, str(arguments.video), "--pose", str(arguments.pose)]
    command += ["--detector", str(arguments.detector), "--runtime", arguments.runtime]
    command += ["--precision", arguments.precision, "--part", part]
    started = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - started, float(printed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--pose", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=["command", "plain"], help="run only this, in this process")
    arguments = parser.parse_args()
    if arguments.part:
        files = arguments.video, arguments.pose, arguments.detector
        with tempfile.TemporaryDirectory() as folder:
            if arguments.part == "command":
                print(run_command(*files, Path(folder) / "ours.mp4", arguments.runtime, arguments.precision))
            else:
                print(run_plain_loop(*files, Path(folder) / "plain.mp4"))
        return
    rounds = []
    for number in range(arguments.rounds):
        whole, inside = in_a_process("command", arguments)
        plain, frames = in_a_process("plain", arguments)
        rounds.append((whole / inside, plain / whole))
        print(
            f"round {number + 1}: {frames:.0f} frames; command {frames / whole:.1f} frames/s, "
            f"{whole / inside:.2f} x the time inside the networks; plain loop {frames / plain:.1f} frames/s; "
            f"ratio {plain / whole:.2f}",
            flush=True,
        )
    inside_ratio, speed_ratio = np.median(rounds, axis=0)
    print(f"median: {inside_ratio:.2f} x the time inside the networks; {speed_ratio:.2f} x the plain loop's frames/s")


if __name__ == "__main__":
    main()
