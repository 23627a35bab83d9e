"""How fast is `vitruvian predict` once it runs, against a plain loop in torch, and against rtmlib?

Each round runs, one after the other and each in a process of its own, the command and its rival with the same files:
- with checkpoints, a loop in torch, eager and in float32, stage after stage: a frame through YOLOv5, NMS, all crops of
  the frame as one batch, argmax, drawing, encoding by OpenCV;
- with ONNX files, rtmlib with its default engine, ONNX Runtime: one crop at a time, in the same loop.
Loading and converting don't count on either side. --int8-pose and --int8-detector are what `vitruvian export` made of
the same two models: the command then runs once more, with these. Printed are frames per second as multiples of the
rival's, the share of the command's time during which a network runs, and the seconds from the start of Python to the
first frame.

    python benchmarks/rival_speed.py VIDEO --detector yolov5n.pt --pose pose_hrnet_w32_256x192.pth --img-size 640
    python benchmarks/rival_speed.py VIDEO --detector rtmdet.onnx --pose simcc.onnx --img-size 320 --rtmlib PYTHON

PYTHON is the interpreter of an environment with rtmlib, numpy, opencv and onnxruntime.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SCORE, IOU = 0.3, 0.65
PARTS = ("command", "torch", "rtmlib")


def command(arguments: argparse.Namespace, output: Path) -> tuple[float, float]:
    """Frames per second as the command's last line says, and the share of that time with a network running."""
    from predict_speed import NetworkClock

    from vitruvian.cli import app

    line = ["predict", "--source", str(arguments.video), "--det-model", str(arguments.detector)]
    line += ["--pose-model", str(arguments.pose), "--img-size", str(arguments.img_size), "-o", str(output)]
    printed = io.StringIO()
    with NetworkClock() as clock, contextlib.redirect_stdout(printed):
        app(line, standalone_mode=False)
    found = re.search(r"(\d+) frames?, (\d+) persons?, ([\d.]+) s", printed.getvalue())
    assert found, printed.getvalue()
    frames, seconds = int(found[1]), float(found[3])
    return frames / seconds, clock.seconds / seconds


def loop(video: Path, output: Path, find: Any, estimate: Any) -> float:
    """Frames per second of a loop that does one thing after the other.

    Args:
        find: from a BGR picture to boxes (N, 4) xyxy in its pixels.
        estimate: from a BGR picture and boxes to keypoints (N, 17, 2) in its pixels.
    """
    import cv2
    import numpy as np

    pairs = (
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
    )
    reader = cv2.VideoCapture(str(video))
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    warm = np.zeros((size[1], size[0], 3), np.uint8)
    find(warm)
    estimate(warm, np.array([[0.0, 0.0, 100.0, 200.0]]))
    frames, started = 0, time.perf_counter()
    writer = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS), size)
    while True:
        more, frame = reader.read()
        if not more:
            break
        frames += 1
        boxes = find(frame)
        for points in estimate(frame, boxes) if len(boxes) else ():
            for pair in pairs:
                cv2.line(frame, *(tuple(points[end].astype(int).tolist()) for end in pair), (0, 255, 0), 2)
        writer.write(frame)
    writer.release()
    return frames / (time.perf_counter() - started)


def torch_loop(arguments: argparse.Namespace, output: Path) -> float:
    """The loop in torch, eager, float32."""
    import cv2
    import numpy as np
    import torch

    import vitruvian as vt

    detector = vt.zoo.load_network(checkpoint=arguments.detector)
    pose = vt.zoo.load_network(checkpoint=arguments.pose)
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    @torch.inference_mode()
    def find(frame: np.ndarray) -> np.ndarray:
        scale = arguments.img_size / max(frame.shape)
        small = cv2.resize(frame, None, fx=scale, fy=scale)
        canvas = np.full((-(-small.shape[0] // 32) * 32, -(-small.shape[1] // 32) * 32, 3), 114, np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        tensor = torch.from_numpy(canvas[..., ::-1].copy()).permute(2, 0, 1)[None].float() / 255
        found = detector(tensor)[0].numpy()
        scores = found[:, 4] * found[:, 5]
        found, scores = found[scores >= SCORE], scores[scores >= SCORE]
        xywh = np.concatenate([found[:, :2] - found[:, 2:4] / 2, found[:, 2:4]], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), SCORE, IOU), int).reshape(-1)
        return np.concatenate([xywh[kept, :2], xywh[kept, :2] + xywh[kept, 2:]], axis=1) / scale

    @torch.inference_mode()
    def estimate(frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        crops, corners, factors = [], [], []
        for x1, y1, x2, y2 in boxes:
            height = max(y2 - y1, (x2 - x1) * 256 / 192) * 1.25
            factor = 256 / height
            corner = np.array([(x1 + x2) / 2 - height * 0.375, (y1 + y2) / 2 - height / 2])
            affine = np.array([[factor, 0, -corner[0] * factor], [0, factor, -corner[1] * factor]])
            crops.append(cv2.warpAffine(frame, affine, (192, 256))[..., ::-1])
            corners.append(corner)
            factors.append(factor)
        tensor = torch.from_numpy(
            ((np.stack(crops).astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2).copy()
        )
        maps = pose(tensor)
        if isinstance(maps, tuple):
            cells = torch.stack([maps[0].argmax(-1), maps[1].argmax(-1)], -1).numpy() / 2
        else:
            flat = maps.flatten(2).argmax(-1).numpy()
            cells = np.stack([flat % 48, flat // 48], -1) * 4
        return cells / np.array(factors)[:, None, None] + np.array(corners)[:, None]

    return loop(arguments.video, output, find, estimate)


def rtmlib_loop(arguments: argparse.Namespace, output: Path) -> float:
    """The loop with rtmlib's solutions for each stage."""
    from rtmlib import RTMDet, RTMPose, ViTPose

    size = (arguments.img_size, arguments.img_size)
    detector = RTMDet(str(arguments.detector), size, score_thr=SCORE)
    pose = (ViTPose if arguments.heatmaps else RTMPose)(str(arguments.pose), (192, 256))
    return loop(arguments.video, output, detector, lambda frame, boxes: pose(frame, boxes)[0])


def in_a_process(part: str, arguments: argparse.Namespace, python: str, **changes: Any) -> list[float]:
    """The numbers that a part of this script prints, run alone."""
    values = {**vars(arguments), **changes}
    line = [python, __file__, str(values["video"]), "--part", part, "--img-size", str(values["img_size"])]
    line += ["--pose", str(values["pose"]), "--detector", str(values["detector"])]
    done = subprocess.run(line + ["--heatmaps"] * arguments.heatmaps, check=True, stdout=subprocess.PIPE, text=True)
    return [float(number) for number in done.stdout.splitlines()[-1].split()]


def first_frame(arguments: argparse.Namespace) -> float:
    """Seconds from the start of Python to the first frame's poses."""
    code = (
        "import sys, vitruvian as vt\n"
        "model = vt.load(pose=sys.argv[1], detector=sys.argv[2], img_size=int(sys.argv[3]))\n"
        "frames = iter(model.stream(sys.argv[4]))\n"
        "next(frames)\n"
        "print('done', flush=True)\n"
    )
    line = [sys.executable, "-c", code, str(arguments.pose), str(arguments.detector), str(arguments.img_size)]
    started = time.perf_counter()
    with subprocess.Popen([*line, str(arguments.video)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "done\n"
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--pose", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--int8-pose", type=Path)
    parser.add_argument("--int8-detector", type=Path)
    parser.add_argument("--img-size", type=int, default=640)
    parser.add_argument("--rtmlib", metavar="PYTHON")
    parser.add_argument("--heatmaps", action="store_true", help="the pose net returns heatmaps (rtmlib has to be told)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, help="run only this, in this process")
    arguments = parser.parse_args()
    if arguments.part:
        with tempfile.TemporaryDirectory() as folder:
            run = {"command": command, "torch": torch_loop, "rtmlib": rtmlib_loop}[arguments.part]
            numbers = run(arguments, Path(folder) / "drawn.mp4")
        print(*(numbers if isinstance(numbers, tuple) else (numbers,)))
        return
    rival = "rtmlib" if arguments.rtmlib else "torch"
    int8 = {"pose": arguments.int8_pose, "detector": arguments.int8_detector}
    int8 = {name: path for name, path in int8.items() if path}
    in_a_process("command", arguments, sys.executable)  # converts
    rounds = []
    for number in range(arguments.rounds):
        ours, share = in_a_process("command", arguments, sys.executable)
        (theirs,) = in_a_process(rival, arguments, arguments.rtmlib or sys.executable)
        row = [ours / theirs, share, first_frame(arguments)]
        if int8:
            small, small_share = in_a_process("command", arguments, sys.executable, **int8)
            row += [small / theirs, small_share]
        rounds.append(row)
        print(f"round {number + 1}: {rival} {theirs:.2f} frames/s, command {ours:.2f};", *(f"{x:.2f}" for x in row))
    columns = ["frames/s against the rival's", "share with a network running", "seconds to the first frame"]
    columns += ["int8: frames/s against the rival's", "int8: share with a network running"]
    for name, values in zip(columns, zip(*rounds, strict=True), strict=False):
        print(f"{name}: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
