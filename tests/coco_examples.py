"""Annotations and results made here, and pycocotools as the witness of what they are worth."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vitruvian import PoseEstimator
from vitruvian.zoo import load_detector

KEYPOINT_STATS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
BOX_STATS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR", "ARS", "ARM", "ARL")


def person(number: int, image_id: int, keypoints: np.ndarray, /, **fields: Any) -> dict[str, Any]:
    """An annotation around its keypoints (K, 3)."""
    low, high = keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)
    box = [*low.tolist(), *np.maximum(high - low, 1).tolist()]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints.ravel().tolist(),
        "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        "bbox": box,
        "area": box[2] * box[3] * 0.53,
        "iscrowd": 0,
        **fields,
    }


def annotations(count: int = 3, images: int = 1, persons: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A COCO file's content; `count` keypoints named k0, left_1, right_1 ..., limbs from each to the next."""
    names = ["k0", *(f"{side}_{number}" for number in range(1, count) for side in ("left", "right"))][:count]
    limbs = [[number, number + 1] for number in range(1, count)]
    return {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 64, "height": 48} for number in range(1, images + 1)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": names, "skeleton": limbs}],
        "annotations": persons or [],
    }


def random_set(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]], list[float]]:
    """Annotations, results and sigmas with all that is awkward: crowds, ties, empty images, unlabelled persons."""
    rng = np.random.default_rng(seed)
    count = int(rng.choice([1, 5, 14, 17]))
    data = annotations(count, images=int(rng.integers(1, 12)))
    results: list[dict[str, Any]] = []
    for image in data["images"]:
        for _ in range(rng.integers(0, 7) * (rng.random() > 0.25)):
            points = np.concatenate(
                [
                    rng.uniform(0, 500, (1, 2)) + rng.uniform(0, rng.choice([40, 120, 300]), (count, 2)),
                    np.zeros((count, 1)),
                ],
                axis=1,
            ).round()
            points[:, 2] = rng.choice([0, 1, 2], count) * (rng.random() > 0.15)
            crowd = int(rng.random() < 0.15)
            data["annotations"].append(person(len(data["annotations"]) + 1, image["id"], points, iscrowd=crowd))
            for _ in range(rng.integers(0, 4)):
                noisy = points.copy()
                noisy[:, :2] += rng.normal(0, rng.choice([0, 3, 15]), (count, 2))
                results.append(result(image["id"], noisy, rng.choice([0.25, 0.5, 0.5, rng.random()])))
        for _ in range(rng.integers(0, rng.choice([3, 30]))):
            points = np.concatenate([rng.uniform(0, 600, (count, 2)), np.ones((count, 1))], axis=1)
            results.append(result(image["id"], points, rng.choice([0.25, rng.random()])))
    return data, results, rng.uniform(0.02, 0.12, count).tolist()


def result(image_id: int, keypoints: np.ndarray, score: float) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": float(score)}


def witness(
    data: dict[str, Any],
    results: list[dict[str, Any]],
    kind: str = "keypoints",
    sigmas: list[float] | None = None,
    image_ids: list[int] | None = None,
) -> dict[str, float]:
    """What pycocotools says."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(results), kind)
        if sigmas:
            evaluator.params.kpt_oks_sigmas = np.array(sigmas)
        if image_ids is not None:
            evaluator.params.imgIds = image_ids
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    names = KEYPOINT_STATS if kind == "keypoints" else BOX_STATS
    return dict(zip(names, evaluator.stats.tolist(), strict=True))


# The pictures are 64x48, the crops 48x64 with a stride of 4. The boxes are 30x40, so that with the padding 48 crop
# pixels are 37.5 of the picture: a cell of the heatmap is 3.125 pixels.
CELL = 37.5 / 48 * 4
CELLS = np.array([[6, 8], [3, 4], [9, 12]])
BOXES = [[4.0, 3, 30, 40], [28.0, 5, 30, 40]]


def keypoints_in(box: list[float]) -> np.ndarray:
    """Where the constant pose net sees the keypoints of a box x y width height; cell (6, 8) is its centre."""
    centre = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    return centre + (CELLS - [6, 8]) * CELL


@dataclass
class Made:
    """A data set of three pictures, two persons each but for the last, whom the pose net finds exactly."""

    data: dict[str, Any]
    images: Path
    pose: PoseEstimator
    pose_file: Path
    detector_file: Path
    nobody_file: Path

    def detector(self, file: Path | None = None) -> Any:
        return load_detector(file or self.detector_file, score=0.001, threads=1)
