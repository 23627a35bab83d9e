"""Persons whose motion is known."""

from __future__ import annotations

import numpy as np

from vitruvian import Poses

RNG = np.random.default_rng(0)
# Where the keypoints are in their box, in widths and heights.
SHAPE = RNG.uniform(0.1, 0.9, (17, 2))


def persons(
    *corners: tuple[float, float], score: float = 0.9, sure: float = 0.0, size: tuple[float, float] = (40, 80)
) -> Poses:
    """Persons with their top left corner there; keypoints scored `sure` inside of the box."""
    boxes = np.array([[x, y, x + size[0], y + size[1]] for x, y in corners], np.float32).reshape(-1, 4)
    keypoints = boxes[:, None, :2] + SHAPE * np.array(size)
    count = len(boxes)
    scores = np.full((count, 17), sure, np.float32)
    return Poses(boxes, np.full(count, score, np.float32), keypoints.astype(np.float32), scores)


def numbers(poses: Poses) -> list[int]:
    assert poses.track_ids is not None
    return poses.track_ids.tolist()
