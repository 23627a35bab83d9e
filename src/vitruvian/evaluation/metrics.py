"""Metrics of an evaluation, computed from predictions and annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..codecs.base import as_scores
from ..datasets.annotations import Annotations
from ..poses import Boxes
from ..skeletons import Skeleton
from . import coco
from .accuracy import Matches, RankedPersons, breakdown, match, pck
from .predicting import Predicted
from .procedures import Procedure, padded_areas
from .provenance import MeasuredModel

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ..cards import ModelCard

# CrowdPose (arXiv 1812.00324) splits its pictures by these limits of the crowd index.
CROWDS = {"easy": (0.0, 0.1), "medium": (0.1, 0.8), "hard": (0.8, np.inf)}


@dataclass(frozen=True, eq=False)
class Metrics:
    """Metrics of a model on a data set.

    Args:
        keypoints: AP AP50 AP75 APM APL AR AR50 AR75 ARM ARL over OKS, 0..1; -1 where no person has that size.
        boxes: the same (and APS, ARS) over the boxes' IoU; None where boxes were not predicted.
        per_keypoint: AP of each keypoint alone, by its name.
        accuracy: PCK, AUC and PCKh, see `vitruvian.evaluation.pck`.
        errors: parts of the labelled keypoints by kind of error, see `vitruvian.evaluation.breakdown`.
        crowds: AP by crowd index, easy, medium and hard; empty where the annotations have none.
        results: the predictions in COCO's results format, from which `keypoints` was computed.
        precision: float64 (10, 101), over OKS 0.50, 0.55 ... 0.95 and recall 0.00, 0.01 ... 1.00.
        matches: the annotated persons and their predictions.
        truth: the annotations.
        skeleton: the keypoints, with the sigmas that were used.
        procedure: the settings.
        pictures: files by image id.
        persons: number of crops that the pose net ran on.
        seconds: their processing time.
        notes: remarks that a reader of the numbers needs.
        models: the pose net, as "pose", and the detector, where one ran, as "detector".
    """

    keypoints: dict[str, float]
    boxes: dict[str, float] | None
    per_keypoint: dict[str, float]
    accuracy: dict[str, float]
    errors: dict[str, float]
    crowds: dict[str, float]
    results: list[dict[str, Any]]
    precision: NDArray[np.float64]
    matches: Matches
    truth: Annotations
    skeleton: Skeleton
    procedure: Procedure
    pictures: Mapping[int, Path]
    persons: int
    seconds: float
    notes: tuple[str, ...] = ()
    models: Mapping[str, MeasuredModel] = field(default_factory=dict)

    @property
    def crops_per_second(self) -> float:
        """Crops of persons a second, from decoded picture to keypoints; 0 where nothing was timed."""
        return self.persons / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, the content of ``metrics.json``."""
        return {
            "keypoints": self.keypoints,
            **({} if self.boxes is None else {"boxes": self.boxes}),
            **({"crowds": self.crowds} if self.crowds else {}),
            "per_keypoint": self.per_keypoint,
            "accuracy": self.accuracy,
            "errors": self.errors,
            "counts": {
                "pictures": len(self.pictures),
                "annotated_persons": len(self.matches.rows),
                "results": len(self.results),
                "crops": self.persons,
            },
            "seconds": self.seconds,
            "crops_per_second": self.crops_per_second,
            "procedure": asdict(self.procedure),
            "models": {name: asdict(model) for name, model in self.models.items()},
            "version": __version__,
            "sigmas": self.skeleton.sigmas,
            "notes": self.notes,
        }


def measure(
    truth: Annotations,
    predicted: Sequence[Predicted],
    skeleton: Skeleton,
    procedure: Procedure,
    card: ModelCard,
    pictures: Mapping[int, Path],
    boxes_predicted: bool,
    cost: tuple[int, float] = (0, 0.0),
    notes: Sequence[str] = (),
    models: Mapping[str, MeasuredModel | None] | None = None,
) -> Metrics:
    """Rank the predictions, suppress duplicates, and compare them with the annotations.

    Args:
        predicted: predictions of every counted picture.
        skeleton: with sigmas.
        card: the pose net's.
        boxes_predicted: evaluate the boxes too.
        cost: crops and seconds.
        models: see `Metrics`; None is left out.
    """
    persons = {item.image_id: _persons(item, skeleton, procedure, card) for item in predicted}
    image_ids = list(persons)
    results = _results(truth.category, persons)
    score = coco.evaluate(truth, results, "keypoints", image_ids, skeleton.sigmas)
    matches = match(truth, persons, skeleton.sigmas, skeleton.flip_pairs)
    notes = [*notes] if results else [*notes, "no person was predicted, so every number is 0"]
    if len(pictures) < len(truth.images):
        part = f"{len(pictures)} of the {len(truth.images)} annotated pictures"
        notes.append(f"AP is over {part}: it can't be compared with an AP over all of them")
    return Metrics(
        score.numbers,
        measure_boxes(truth, [(item.image_id, item.boxes) for item in predicted]) if boxes_predicted else None,
        _per_keypoint(truth, results, image_ids, skeleton),
        pck(truth, matches),
        breakdown(truth, matches, skeleton.sigmas),
        _crowds(truth, results, image_ids, skeleton),
        results,
        score.precision,
        matches,
        truth,
        skeleton,
        procedure,
        pictures,
        *cost,
        tuple(notes),
        {name: model for name, model in (models or {}).items() if model is not None},
    )


def _persons(predicted: Predicted, skeleton: Skeleton, procedure: Procedure, card: ModelCard) -> RankedPersons:
    count = len(predicted.keypoints)
    ranks = procedure.rank(predicted.boxes.scores[:count], predicted.peaks)
    areas = padded_areas(predicted.boxes.xyxy[:count], card.input_size, card.padding)
    # Rounded as in the results file, so that an evaluation of that file gives the same numbers.
    keypoints, scores = (np.round(a.astype(float), 4) for a in (predicted.keypoints, as_scores(predicted.peaks)))
    kept = procedure.keep(keypoints, ranks, areas, skeleton.sigmas)
    return RankedPersons(keypoints[kept], scores[kept], np.round(ranks[kept], 8))


def _results(category: int, persons: Mapping[int, RankedPersons]) -> list[dict[str, Any]]:
    image_ids = [number for number, found in persons.items() for _ in found.ranks]
    points, scores, ranks = (
        np.concatenate([getattr(found, name) for found in persons.values()])
        for name in ("keypoints", "scores", "ranks")
    )
    triplets = np.concatenate([points, scores[..., None]], axis=2).reshape(len(image_ids), 3 * points.shape[1])
    # Without boxes: COCO's evaluation takes a person's size from the keypoints only where a result has no box.
    return [
        {"image_id": number, "category_id": category, "keypoints": row, "score": rank}
        for number, row, rank in zip(image_ids, triplets.tolist(), ranks.tolist(), strict=True)
    ]


def measure_boxes(truth: Annotations, found: Sequence[tuple[int, Boxes]]) -> dict[str, float]:
    """`Metrics.boxes` for the boxes of each counted picture, by image id."""
    results = [
        {"image_id": number, "category_id": truth.category, "bbox": box, "score": score}
        for number, boxes in found
        for box, score in zip(_xywh(boxes), boxes.scores.tolist(), strict=True)
    ]
    return coco.evaluate(truth, results, "bbox", [number for number, _ in found]).numbers


def _xywh(boxes: Boxes) -> list[list[float]]:
    corners = boxes.xyxy.astype(float)
    rows: list[list[float]] = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).tolist()
    return rows


def _per_keypoint(
    truth: Annotations, results: Sequence[dict[str, Any]], image_ids: Sequence[int], skeleton: Skeleton
) -> dict[str, float]:
    return {
        name: coco.evaluate(truth, results, "keypoints", image_ids, skeleton.sigmas, number).numbers["AP"]
        for number, name in enumerate(skeleton.keypoints)
    }


def _crowds(
    truth: Annotations, results: Sequence[dict[str, Any]], image_ids: Sequence[int], skeleton: Skeleton
) -> dict[str, float]:
    indices = {number: truth.images[number].get("crowdIndex") for number in image_ids}
    if not any(isinstance(index, (int, float)) for index in indices.values()):
        return {}
    split = {}
    for name, (low, high) in CROWDS.items():
        chosen = [number for number, index in indices.items() if index is not None and low <= index < high]
        split[name] = (
            coco.evaluate(truth, results, "keypoints", chosen, skeleton.sigmas).numbers["AP"] if chosen else -1.0
        )
    return split
