"""Training jobs of person detectors: pictures, network, boxes and evaluation of a run."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cards import ModelCard
from ...datasets import DataSource
from ...datasets.boxes import BoxedPictures, read_boxes
from ...datasets.reading import read_content
from ...detectors import create
from ...errors import InputError
from ...evaluation import Annotations, evaluate_boxes, read_annotations
from ...models import describe
from ..callbacks import Evaluate, Evaluation, torch_runtime
from ..init_weights import init_network
from ..run import OVERFIT_COPIES, BaseJob, Task, TrainingResult, overfit_job, require_pictures, run
from ..run_folder import is_rank_zero
from .augmentation import NO_AUGMENTATION
from .distillation import DetectorTeacher
from .module import DetectorTraining
from .recipe import DetectorRecipe
from .samples import DetectionDataset

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger("vitruvian")

_DRY_PICTURES = 8
# As in COCO's evaluation: low scores, and 100 boxes a picture.
_LEAST_SCORE, _MOST_BOXES = 0.001, 100


@dataclass(frozen=True)
class DetectorJob(BaseJob):
    """A person detector to train; see `BaseJob`.

    Args:
        teacher: name or file of a detector whose predictions are targets too, see `distillation.DetectorTeacher`.
    """

    recipe: DetectorRecipe
    teacher: str | None = None


def train_detector(job: DetectorJob) -> TrainingResult:
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

    teacher = DetectorTeacher(job.teacher, card.input_size) if job.teacher else None

    def module() -> DetectorTraining:
        network = init_network(recipe, resume=job.resume)
        return DetectorTraining(network, card, recipe, job.output, teacher)

    samples = DetectionDataset(pictures, card.input_size, recipe, job.seed)
    return Task(
        recipe, card, module, samples, pictures.copies, _evaluation(job, card), _digest(job, pictures), "pictures"
    )


def _overfit(job: DetectorJob, pictures: BoxedPictures) -> tuple[DetectorJob, BoxedPictures]:
    """The job for the pictures with the largest persons, without augmentation."""
    areas = (pictures.boxes[:, 2:] - pictures.boxes[:, :2]).prod(axis=1)
    least = np.array([areas[pictures.box_rows(row)].min(initial=np.inf) for row in range(len(pictures))])
    least[~np.isfinite(least)] = -1
    pictures = pictures[np.sort(np.argsort(-least, kind="stable")[: job.overfit])]
    pictures = replace(pictures, copies=pictures.copies * OVERFIT_COPIES)
    return overfit_job(job, NO_AUGMENTATION, lambda: _subset(job.data[0], pictures.ids.tolist())), pictures


def _subset(source: DataSource, ids: list[int]) -> Mapping[str, Any]:
    """The content of an annotation file, reduced to these pictures and their annotations."""
    content: dict[str, Any] = read_content(source.annotations, source.split)
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
    """Evaluation of boxes, as in COCO."""
    if job.validation is None:
        return None
    source = job.validation
    # Only the first process evaluates; the others may be here before it has written the file of --overfit.
    truth = _truth(job, source) if is_rank_zero() else None

    def evaluate(network: nn.Module, device: str) -> Evaluation:
        assert truth is not None
        detector = create(card, torch_runtime(network, card, device), _LEAST_SCORE, max_persons=_MOST_BOXES)
        return Evaluation(evaluate_boxes(detector, truth, source.folder, allow_outside=source.allow_outside)[0])

    return evaluate


def _truth(job: DetectorJob, source: DataSource) -> Annotations:
    """The annotations for evaluation. Raises InputError before training if they can't be used."""
    truth = read_annotations(source.annotations, boxes_alone=True, split=source.split)
    require_pictures(source, truth)
    if job.dry_run:
        return read_annotations(_subset(source, list(truth.images)[:_DRY_PICTURES]), boxes_alone=True)
    return truth
