"""Person detectors: what a run trains, learns from and measures by."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cards import ModelCard
from ...datasets import Source
from ...datasets.boxed import BoxedPictures, read_boxes
from ...detectors import create
from ...errors import InputError
from ...evaluation import Annotations, evaluate_boxes, read_annotations
from ...evaluation.annotations import read_content
from ...models import describe
from ..folder import is_first
from ..rounds import Evaluate, Measured, engine
from ..run import OVERFIT_COPIES, BaseJob, Task, Trained, by_heart, check_pictures, run
from ..starting import start
from .augmentation import PLAIN
from .module import DetectorTraining
from .recipe import DetectorRecipe
from .samples import Canvases
from .teaching import Teacher

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger("vitruvian")

_DRY_PICTURES = 8
# As COCO counts: whatever is hardly sure, and 100 a picture.
_LEAST_SCORE, _MOST_BOXES = 0.001, 100


@dataclass(frozen=True)
class DetectorJob(BaseJob):
    """A person detector to train; see `BaseJob`.

    Args:
        teacher: a detector, by its name or file, whose predictions are matched too; see `teaching.Teacher`.
    """

    recipe: DetectorRecipe
    teacher: str | None = None


def train_detector(job: DetectorJob) -> Trained:
    """Train a person detector; see `run`."""
    return run(job, _task)


def _task(job: DetectorJob) -> Task:
    if job.overfit and len(job.data) != 1:
        raise InputError("to overfit, give one data set")
    pictures = read_boxes(job.data)
    for note in pictures.notes:
        logger.info(note)
    if job.overfit:
        job, pictures = _overfit(job, pictures)
    recipe = job.recipe
    card = describe(recipe.spec, job.output.resolve().name)

    teacher = Teacher(job.teacher, card.input_size) if job.teacher else None

    def module() -> DetectorTraining:
        begun = start(recipe, resume=job.resume)
        return DetectorTraining(begun, card, recipe, job.output, teacher)

    samples = Canvases(pictures, card.input_size, recipe, job.seed)
    return Task(
        recipe, card, module, samples, pictures.copies, _evaluation(job, card), _digest(job, pictures), "pictures"
    )


def _overfit(job: DetectorJob, pictures: BoxedPictures) -> tuple[DetectorJob, BoxedPictures]:
    """The pictures with the largest persons, as they are."""
    areas = (pictures.boxes[:, 2:] - pictures.boxes[:, :2]).prod(axis=1)
    least = np.array([areas[pictures.own(row)].min(initial=np.inf) for row in range(len(pictures))])
    least[~np.isfinite(least)] = -1
    pictures = pictures[np.sort(np.argsort(-least, kind="stable")[: job.overfit])]
    pictures = replace(pictures, copies=pictures.copies * OVERFIT_COPIES)
    return by_heart(job, PLAIN, lambda: _some(job.data[0], pictures.ids.tolist())), pictures


def _some(source: Source, ids: list[int]) -> Mapping[str, Any]:
    """The content of an annotation file with only these pictures, and all of their annotations."""
    content: dict[str, Any] = read_content(source.annotations)
    wanted = set(ids)
    images = [record for record in content["images"] if record["id"] in wanted]
    kept = [record for record in content["annotations"] if record["image_id"] in wanted]
    return {**content, "images": images, "annotations": kept}


def _digest(job: DetectorJob, pictures: BoxedPictures) -> str:
    digest = hashlib.sha256(os.fsencode(job.teacher or ""))
    for column in (pictures.ids, pictures.ends, pictures.boxes, pictures.confidences, pictures.crowd, pictures.copies):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _evaluation(job: DetectorJob, card: ModelCard) -> Evaluate | None:
    """Measures the AP of the boxes, as COCO does."""
    if job.validation is None:
        return None
    source = job.validation
    # Only the first process measures; the others may be here before it has written what is overfitted.
    truth = _truth(job, source) if is_first() else None

    def evaluate(network: nn.Module, device: str) -> Measured:
        assert truth is not None
        detector = create(card, engine(network, card, device), _LEAST_SCORE, max_persons=_MOST_BOXES)
        return Measured(evaluate_boxes(detector, truth, source.images)[0])

    return evaluate


def _truth(job: DetectorJob, source: Source) -> Annotations:
    """What AP is measured on. Raises InputError for what can't be, before training."""
    truth = read_annotations(source.annotations, boxes_alone=True)
    check_pictures(source, truth)
    if job.dry_run:
        return read_annotations(_some(source, list(truth.images)[:_DRY_PICTURES]), boxes_alone=True)
    return truth
