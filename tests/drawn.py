"""A small data set, drawn here: dots of a colour for each keypoint, on grey."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from vitruvian.datasets import Source

NAMES = ("left_eye", "right_eye", "nose", "left_hip", "right_hip")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255))


def person(number: int, image: int, points: np.ndarray) -> dict[str, object]:
    """An annotation of keypoints (K, 2), all of them visible."""
    low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
    triplets = np.concatenate([points, np.full((len(points), 1), 2)], axis=1)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": triplets.reshape(-1).tolist(),
        "num_keypoints": len(points),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": float((high - low).prod() * 0.53),
        "iscrowd": 0,
    }


def data_set(
    place: Path, count: int = 4, name: str = "data", names: tuple[str, ...] = NAMES, **category: object
) -> Source:
    """Writes so many pictures with one person each, and their annotations."""
    rng = np.random.default_rng(0)
    folder = place / name
    folder.mkdir()
    images, annotations = [], []
    for number in range(1, count + 1):
        picture = np.full((120, 160, 3), 90, np.uint8)
        points = rng.uniform((40, 30), (120, 90), (len(names), 2)).round()
        for point, colour in zip(points, COLOURS * len(names), strict=False):
            cv2.circle(picture, tuple(int(value) for value in point), 4, colour[::-1], -1)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 160, "height": 120})
        annotations.append(person(number, number, points))
    record = {"id": 1, "name": "person", "keypoints": list(names), "skeleton": [[1, 3], [2, 3]], **category}
    content = {"images": images, "annotations": annotations, "categories": [record]}
    (place / f"{name}.json").write_text(json.dumps(content))
    return Source(place / f"{name}.json", folder)
