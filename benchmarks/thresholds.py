"""Which detection score and keypoint score show the most that is right and the least that is wrong?

For each threshold it prints precision, recall and F1 of what is shown, by the package's models or others:

- boxes: right if their IoU with an annotated person is at least 0.5, each person once, better scores first;
- keypoints in the boxes from each detection score on: right if their own similarity (a keypoint's part of OKS) with the
  person's annotated keypoint is at least 0.5. Keypoints that aren't labelled, or in a box that is nobody, are wrong.

Crowds, and keypoints of persons whose keypoints nobody labelled, are neither right nor wrong.

    python benchmarks/thresholds.py ANNOTATIONS IMAGES [--pose MODEL --detector MODEL]

The pictures must be annotated completely, and be none that the models were trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vitruvian as vt
from vitruvian.datasets.skeletons import with_sigmas
from vitruvian.evaluation import Annotations, read_annotations
from vitruvian.evaluation.oks import similarity

Array = NDArray[np.float64]
LEAST_SCORE, LEAST_IOU, LEAST_SIMILARITY = 0.05, 0.5, 0.5
SCORES = np.arange(2, 15) * 0.05
KEYPOINT_SCORES = np.arange(0, 15) * 0.05
NOBODY, CROWD = -1, -2


@dataclass(frozen=True, eq=False)
class Shown:
    """The N detections of all pictures.

    Args:
        scores: float64 (N,), 0..1, of the boxes.
        right: bool (N,), boxes that are a person.
        counted: bool (N,), the others lie in crowds.
        keypoint_scores: float64 (N, K), 0..1.
        keypoints_right: bool (N, K).
        keypoints_counted: bool (N,), the others are of crowds, or of persons without labelled keypoints.
    """

    scores: Array
    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    keypoint_scores: Array
    keypoints_right: NDArray[np.bool_]
    keypoints_counted: NDArray[np.bool_]


def assigned(boxes: Array, persons: Array, crowd: NDArray[np.bool_]) -> list[int]:
    """The person of each box, best score first: its row, `NOBODY` or `CROWD`; boxes and persons are xyxy (N, 4)."""
    shared = np.minimum(boxes[:, None, 2:], persons[:, 2:]) - np.maximum(boxes[:, None, :2], persons[:, :2])
    overlap = np.maximum(shared, 0).prod(axis=2)
    own, theirs = ((some[:, 2:] - some[:, :2]).prod(axis=1) for some in (boxes, persons))
    iou = overlap / np.maximum(own[:, None] + theirs - overlap, 1e-9)
    inside = (overlap / np.maximum(own[:, None], 1e-9))[:, crowd].max(axis=1, initial=0)
    iou[:, crowd] = 0
    rows = []
    for index in range(len(boxes)):
        best = int(iou[index].argmax()) if len(persons) else 0
        if len(persons) and iou[index, best] >= LEAST_IOU:
            iou[:, best] = 0
            rows.append(best)
        else:
            rows.append(CROWD if inside[index] >= LEAST_IOU else NOBODY)
    return rows


def shown(model: vt.TopDown, truth: Annotations, images: Path, sigmas: Sequence[float]) -> Shown:
    """What the model finds in the pictures, and what of it is right."""
    parts: list[tuple[Array | NDArray[np.bool_], ...]] = []
    for number, record in truth.images.items():
        rows = np.flatnonzero(truth.image_ids == number)
        poses = model(images / str(record["file_name"]))
        found = np.array(assigned(poses.boxes.astype(float), truth.xyxy[rows], truth.crowd[rows]), int)
        person = found >= 0
        right = np.zeros(poses.scores.shape, bool)
        counted = found == NOBODY
        if person.any():
            of = rows[found[person]]
            close = similarity(poses.keypoints[person], truth.keypoints[of, :, :2], truth.areas[of], sigmas)
            right[person] = (close >= LEAST_SIMILARITY) & (truth.keypoints[of, :, 2] > 0)
            counted[person] = truth.counted[of]
        scores = poses.scores.astype(float)
        parts.append((poses.box_scores.astype(float), person, found != CROWD, scores, right, counted))
    return Shown(*(np.concatenate(column) for column in zip(*parts, strict=True)))  # type: ignore[arg-type]


def rates(right: int, shown: int, wanted: int) -> tuple[float, float, float]:
    """Precision, recall and F1."""
    return right / max(shown, 1), right / max(wanted, 1), 2 * right / max(shown + wanted, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations")
    parser.add_argument("images", type=Path)
    parser.add_argument("--pose")
    parser.add_argument("--detector")
    arguments = parser.parse_args()
    names = {name: value for name in ("pose", "detector") if (value := getattr(arguments, name))}
    model = vt.load(score=LEAST_SCORE, max_persons=100, **names)
    truth = read_annotations(arguments.annotations)
    sigmas = with_sigmas(truth.skeleton, model.pose.skeleton)[0].sigmas
    found = shown(model, truth, arguments.images, sigmas)
    persons = int((~truth.crowd).sum())
    labelled = int((truth.keypoints[truth.counted, :, 2] > 0).sum())
    print(f"{persons} persons, {labelled} labelled keypoints in {len(truth.images)} pictures\n\nboxes")
    print("score  precision  recall  F1")
    for score in SCORES:
        from_here = found.counted & (found.scores >= score)
        numbers = rates(int((from_here & found.right).sum()), int(from_here.sum()), persons)
        print(f"{score:.2f}   {numbers[0]:.3f}      {numbers[1]:.3f}   {numbers[2]:.3f}")
    print("\nF1 of keypoints: a row a detection score, a column a keypoint score")
    print("      " + " ".join(f" {least:.2f}" for least in KEYPOINT_SCORES))
    for score in SCORES:
        row = []
        for least in KEYPOINT_SCORES:
            visible = (found.keypoints_counted & (found.scores >= score))[:, None] & (found.keypoint_scores >= least)
            row.append(rates(int((visible & found.keypoints_right).sum()), int(visible.sum()), labelled)[2])
        print(f"{score:.2f}  " + " ".join(f"{value:.3f}" for value in row))


if __name__ == "__main__":
    main()
