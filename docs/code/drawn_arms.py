"""A data set of drawn robot arms with four keypoints each, in COCO's format.

    python docs/code/drawn_arms.py FOLDER [TRAIN_PICTURES VAL_PICTURES]

writes train.json with train/, and val.json with val/.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

KEYPOINTS = ["base", "elbow", "wrist", "gripper"]
LIMBS = [[1, 2], [2, 3], [3, 4]]
HEIGHT, WIDTH = 240, 320


def arm(rng: np.random.Generator, left: float, right: float) -> np.ndarray:
    """The keypoints of an arm that stands between two columns, inside the picture; (4, 2) in pixels."""
    points = _any_arm(rng, left, right)
    while (points < 12).any() or (points > (WIDTH - 12, HEIGHT - 12)).any():
        points = _any_arm(rng, left, right)
    return points


def _any_arm(rng: np.random.Generator, left: float, right: float) -> np.ndarray:
    base = np.array([rng.uniform(left + 40, right - 40), rng.uniform(190, 215)])
    angles = np.cumsum([rng.uniform(-0.7, 0.7), rng.uniform(-1.4, 1.4), rng.uniform(-1.2, 1.2)])
    lengths = rng.uniform((50, 40, 22), (70, 58, 30)) * rng.uniform(0.7, 1)
    steps = lengths[:, None] * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    return np.concatenate([base[None], base + np.cumsum(steps, axis=0)])


def draw(picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> None:
    """An arm in a colour of its own."""
    colour = np.array(rng.choice([(230, 120, 40), (70, 120, 190), (235, 190, 40), (120, 150, 90)]), float)
    ends = [tuple(int(value) for value in np.round(point)) for point in points]
    cv2.rectangle(picture, (ends[0][0] - 18, ends[0][1] - 4), (ends[0][0] + 18, ends[0][1] + 14), (70, 70, 76), -1)
    for index, width in enumerate((15, 12, 7)):
        dark, light = (colour * 0.75).tolist(), (colour * (1 - 0.1 * index)).tolist()
        cv2.line(picture, ends[index], ends[index + 1], dark, width, cv2.LINE_AA)
        cv2.line(picture, ends[index], ends[index + 1], light, width - 4, cv2.LINE_AA)
    for index, radius in enumerate((9, 8, 6)):
        cv2.circle(picture, ends[index], radius, (60, 62, 70), -1, cv2.LINE_AA)
        cv2.circle(picture, ends[index], radius // 2, (190, 192, 198), -1, cv2.LINE_AA)
    direction = (points[3] - points[2]) / np.linalg.norm(points[3] - points[2])
    for side in (-1, 1):
        across = side * 7 * direction[::-1] * (1, -1)
        tip = np.round(points[3] + across + 9 * direction).astype(int)
        foot = np.round(points[3] + across).astype(int)
        cv2.line(picture, ends[3], tuple(map(int, foot)), (60, 62, 70), 4, cv2.LINE_AA)
        cv2.line(picture, tuple(map(int, foot)), tuple(map(int, tip)), (60, 62, 70), 4, cv2.LINE_AA)


def picture(rng: np.random.Generator, arms: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A workshop with some arms, RGB uint8 (H, W, 3), and the keypoints of each."""
    wall, floor = rng.uniform(150, 225, 3), rng.uniform(90, 150, 3)
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:205], image[205:] = wall, floor
    for _ in range(rng.integers(3, 8)):
        corner = rng.integers((0, 0), (WIDTH - 60, 170))
        size = rng.integers((15, 15), (60, 90))
        cv2.rectangle(image, corner.tolist(), (corner + size).tolist(), rng.uniform(90, 230, 3).tolist(), -1)
    edges = np.linspace(0, WIDTH, arms + 1)
    several = [arm(rng, left, right) for left, right in pairwise(edges)]
    for points in several:
        draw(image, points, rng)
    noisy = image + rng.normal(0, 5, image.shape)
    return noisy.clip(0, 255).astype(np.uint8), several


def record(number: int, image: int, points: np.ndarray) -> dict[str, object]:
    """The annotation of an arm; all keypoints are visible, and the box has a margin of 14 pixels."""
    low = np.maximum(points.min(0) - 14, 0)
    high = np.minimum(points.max(0) + 14, (WIDTH, HEIGHT))
    box = [*low.tolist(), *(high - low).tolist()]
    triplets = np.concatenate([points, np.full((4, 1), 2)], axis=1).round(1)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": triplets.reshape(-1).tolist(),
        "num_keypoints": 4,
        "bbox": [round(value, 1) for value in box],
        "area": round(box[2] * box[3] * 0.3, 1),
        "iscrowd": 0,
    }


def write(folder: Path, name: str, count: int, seed: int) -> None:
    """One split: NAME.json and the pictures in NAME/."""
    rng = np.random.default_rng(seed)
    (folder / name).mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(1, count + 1):
        image, several = picture(rng, int(rng.integers(1, 3)))
        file = f"{number:04d}.jpg"
        cv2.imwrite(str(folder / name / file), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        images.append({"id": number, "file_name": file, "width": WIDTH, "height": HEIGHT})
        for points in several:
            annotations.append(record(len(annotations) + 1, number, points))
    category = {"id": 1, "name": "arm", "keypoints": KEYPOINTS, "skeleton": LIMBS}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / f"{name}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    counts = [int(text) for text in sys.argv[2:4]] or [200, 60]
    write(target, "train", counts[0], 0)
    write(target, "val", counts[1], 1)
