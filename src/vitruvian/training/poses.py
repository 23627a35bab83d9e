"""Pose nets: what a run trains, learns from and measures by."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import codecs
from ..cards import HeatmapOptions, ModelCard, SimDROptions
from ..datasets import Persons, Source, read_persons
from ..datasets.persons import subset
from ..errors import InputError
from ..evaluation import Annotations, evaluate_coco, read_annotations
from ..evaluation.page import page
from ..evaluation.sigmas import with_sigmas
from ..geometry import crop_affines, to_crop
from ..models import describe
from ..pipeline import PoseEstimator
from .augmentation import NONE
from .folder import is_first
from .module import PoseTraining
from .recipe import Recipe
from .rounds import Evaluate, Measured, engine
from .run import OVERFIT_COPIES, BaseJob, Task, Trained, by_heart, check_pictures, run
from .samples import Samples
from .starting import start
from .teaching import Teacher

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

logger = logging.getLogger("vitruvian")

_DRY_PERSONS = 8
_WORST = 24


@dataclass(frozen=True)
class Job(BaseJob):
    """A pose net to train; see `BaseJob`.

    Args:
        skeleton: a YAML file with what the annotations don't say of their keypoints.
        teacher: a pose net, by its name or file, whose outputs are matched too; see `teaching.Teacher`.
    """

    recipe: Recipe
    skeleton: Path | None = None
    teacher: str | None = None


def train(job: Job) -> Trained:
    """Train a pose net; see `run`."""
    return run(job, _task)


def _task(job: Job) -> Task:
    persons = read_persons(job.data, job.skeleton, job.recipe.clip_boxes)
    for note in persons.notes:
        logger.info(note)
    if job.overfit:
        job, persons = _overfit(job, persons)
    recipe = job.recipe
    card = card_of(recipe, persons, job.output.resolve().name)
    codec = codecs.create(card.family, card.input_size, card.options)

    teacher = Teacher(job.teacher, codec, persons.skeleton) if job.teacher else None

    def module() -> PoseTraining:
        begun = start(recipe, len(persons.skeleton), job.resume)
        return PoseTraining(begun, card, recipe, job.output, teacher)

    return Task(
        recipe,
        card,
        module,
        Samples(persons, card, codec, recipe.augmentation, job.seed, recipe.reduced),
        persons.copies,
        _evaluation(job, card),
        _digest(job, persons),
        "persons",
    )


def _overfit(job: Job, persons: Persons) -> tuple[Job, Persons]:
    if len(job.data) != 1:
        raise InputError("to overfit, give one data set")
    persons = persons[_learnable(persons, job.recipe, job.overfit)]
    persons = replace(persons, copies=persons.copies * OVERFIT_COPIES)
    return by_heart(job, NONE, lambda: subset(job.data[0], persons.ids.tolist())), persons


def _learnable(persons: Persons, recipe: Recipe, count: int) -> NDArray[np.intp]:
    """The persons with the most labelled keypoints, the largest first, of those whose crop shows all of these.

    A keypoint outside of its crop has no place in a heatmap, however well it is learned.
    """
    size, labelled = recipe.spec.input_size, persons.confidences > 0
    affines = crop_affines(persons.boxes, size)
    points = to_crop(persons.keypoints, affines)
    shown = ((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(axis=2) | ~labelled
    areas = (persons.boxes[:, 2:] - persons.boxes[:, :2]).prod(axis=1)
    order = np.lexsort((-areas, -labelled.sum(axis=1), ~shown.all(axis=1)))
    return np.sort(order[:count])


def card_of(recipe: Recipe, persons: Persons, name: str) -> ModelCard:
    """The card of what is trained."""
    card = describe(recipe.spec, name, len(persons.skeleton))
    if isinstance(card.options, HeatmapOptions):
        card = card.with_options(sigma=recipe.sigma)
    elif isinstance(card.options, SimDROptions):
        card = card.with_options(smoothing=recipe.smoothing)
    return replace(card, skeleton=persons.skeleton)


def _digest(job: Job, persons: Persons) -> str:
    digest = hashlib.sha256(os.fsencode(job.teacher or ""))
    # What trades places in a mirror is learned as well.
    digest.update(repr((persons.skeleton.keypoints, persons.skeleton.flip_pairs)).encode())
    for column in (persons.ids, persons.boxes, persons.keypoints, persons.confidences, persons.copies):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _evaluation(job: Job, card: ModelCard) -> Evaluate | None:
    """Measures by the procedure of the model's authors, with the annotated boxes."""
    if job.validation is None:
        return None
    images = job.validation.images
    codec = codecs.create(card.family, card.input_size, card.options)
    # Only the first process measures; the others may be here before it has written what is overfitted.
    truth = _truth(job, job.validation, card) if is_first() else None

    def evaluate(network: nn.Module, device: str) -> Measured:
        assert truth is not None
        metrics = evaluate_coco(PoseEstimator(card, engine(network, card, device), codec), truth, images)
        return Measured(metrics.keypoints, lambda: page(metrics, card.name, _WORST).encode(errors="replace"))

    return evaluate


def _truth(job: Job, source: Source, card: ModelCard) -> Annotations:
    """What AP is measured on. Raises InputError for what can't be, before training."""
    truth = read_annotations(source.annotations)
    check_pictures(source, truth)
    assert card.skeleton is not None
    try:
        with_sigmas(truth.skeleton, card.skeleton)
    except InputError as error:
        raise InputError(f"{source.annotations} can't measure this network: {error}") from None
    if job.dry_run:
        return read_annotations(subset(source, read_persons([source]).ids[:_DRY_PERSONS].tolist()))
    return truth
