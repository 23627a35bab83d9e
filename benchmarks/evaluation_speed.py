"""How fast is evaluation proper, from results in memory to numbers, beside pycocotools?

5,000 pictures, 60,000 results of 17 keypoints, made at random around 11,000 persons. Both start from the same lists.

    python benchmarks/evaluation_speed.py
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import vitruvian as vt
from vitruvian.evaluation.coco import evaluate

PICTURES, RESULTS, PERSONS_A_PICTURE = 5_000, 60_000, 2.2
REPEATS = 3


def make() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rng = np.random.default_rng(0)
    counts = rng.poisson(PERSONS_A_PICTURE, PICTURES)
    images = np.repeat(np.arange(1, PICTURES + 1), counts)
    size = rng.uniform(30, 300, (len(images), 1, 1))
    points = rng.uniform(0, 400, (len(images), 1, 2)) + rng.uniform(0, 1, (len(images), 17, 2)) * size
    seen = rng.integers(0, 3, (len(images), 17, 1))
    keypoints = np.concatenate([points * (seen > 0), seen], axis=2).round()
    persons = [
        {
            "id": number + 1,
            "image_id": int(image),
            "category_id": 1,
            "keypoints": keypoints[number].ravel().tolist(),
            "num_keypoints": int((seen[number] > 0).sum()),
            "bbox": [*points[number].min(axis=0).tolist(), *np.ptp(points[number], axis=0).tolist()],
            "area": float(0.53 * np.ptp(points[number], axis=0).prod()),
            "iscrowd": int(rng.random() < 0.02),
        }
        for number, image in enumerate(images)
    ]
    found = np.concatenate([np.arange(len(images)), rng.integers(len(images), size=RESULTS - len(images))])
    noisy = points[found] + rng.normal(0, 0.08, (RESULTS, 17, 2)) * size[found]
    triplets = np.concatenate([noisy, rng.random((RESULTS, 17, 1))], axis=2).reshape(RESULTS, -1)
    results = [
        {"image_id": int(image), "category_id": 1, "keypoints": row, "score": score}
        for image, row, score in zip(images[found], triplets.tolist(), rng.random(RESULTS).tolist(), strict=True)
    ]
    data = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480} for n in range(1, PICTURES + 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(vt.COCO17.keypoints), "skeleton": []}],
        "annotations": persons,
    }
    return data, results


def by_pycocotools(data: dict[str, Any], results: list[dict[str, Any]]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes([dict(result) for result in results]), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return float(evaluator.stats[0])


def by_vitruvian(data: dict[str, Any], results: list[dict[str, Any]]) -> float:
    truth = vt.evaluation.read_annotations(data)
    return evaluate(truth, results, "keypoints", list(truth.images), vt.COCO17.sigmas).numbers["AP"]


def seconds(run: Callable[[], float]) -> tuple[float, float]:
    """The shortest time of a few, and what came out."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        value = run()
        times.append(time.perf_counter() - started)
    return min(times), value


def main() -> None:
    data, results = make()
    ours, our_ap = seconds(lambda: by_vitruvian(data, results))
    theirs, their_ap = seconds(lambda: by_pycocotools(data, results))
    print(f"{PICTURES} pictures, {len(data['annotations'])} persons, {len(results)} results")
    print(f"pycocotools {theirs:.2f} s, Vitruvian {ours:.3f} s, {theirs / ours:.1f} times faster")
    print(f"AP {their_ap:.12f} and {our_ap:.12f}, {abs(their_ap - our_ap):.1e} apart")


if __name__ == "__main__":
    main()
