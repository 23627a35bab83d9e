"""Networks and pictures whose answers are known, and what to expect of them by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PIL

# The pictures are 128 wide and 96 high, the detector's input is 64x64: it sees them at half size.
WIDTH, HEIGHT = 128, 96
CROP_WIDTH, STRIDE = 48, 4
# In pixels of the detector's input: two persons, one too unsure, and one of another class.
DETECTIONS = np.array(
    [[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.6], [0, 0, 9, 9, 0.1], [20, 20, 60, 40, 0.95]], np.float32
)
LABELS = np.array([0, 0, 0, 1], np.int64)
BOXES = np.array([[16, 12, 80, 84], [88, 20, 120, 80]], np.float64)
BOX_SCORES = [0.9, 0.6]
# Columns and rows of the peaks on the 12x16 heatmaps: one is in the middle of the crop, one has a neighbour to its
# right that pulls it a quarter of a cell, one keypoint is nowhere.
CELLS = np.array([[6, 8], [9.25, 4], [0, 0]] + [[2 + k % 8, 2 + k % 11] for k in range(3, 17)])
SCORES = np.array([0.95, 0.5, 0.0] + [0.4 + 0.03 * k for k in range(3, 17)])


def heatmaps() -> np.ndarray:
    """Maps (17, 16, 12) with one peak each, that of `CELLS` and `SCORES`."""
    maps = np.zeros((17, 16, 12), np.float32)
    for points, (x, y), score in zip(maps, CELLS, SCORES, strict=True):
        points[int(y), int(x)] = score
        if x % 1:
            points[int(y), int(x) + 1] = score / 2
    return maps


def keypoints_in(box: np.ndarray) -> np.ndarray:
    """Where the keypoints of a person in this box are, in pixels of the picture, by hand.

    The box's centre lies in the crop's, column 6 and row 8, and 48 crop pixels are as wide as the box, made 3:4 and
    padded by a quarter.
    """
    x1, y1, x2, y2 = box
    width = max(x2 - x1, (y2 - y1) * 3 / 4) * 1.25
    return np.array([x1 + x2, y1 + y2]) / 2 + (CELLS - [6, 8]) * STRIDE * width / CROP_WIDTH


@dataclass
class Models:
    """Files of a detector and a pose net with constant answers."""

    detector: Path
    pose: Path


@dataclass
class Result:
    """How a run ended, and what it said."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


def program(*arguments: object) -> list[str]:
    """The command line of `vitruvian` in a process of its own."""
    return [sys.executable, "-m", "vitruvian", *map(str, arguments)]


def make_picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.new("RGB", size, (90, 120, 60)).save(path)
    return path


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
