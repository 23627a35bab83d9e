"""Training jobs of pose nets: persons, network, targets and evaluation of a run."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import codecs
from ...cards import HeatmapOptions, ModelCard, SimDROptions
from ...datasets import DataSource, Persons, read_persons
from ...datasets.persons import subset
from ...datasets.skeletons import with_sigmas
from ...errors import InputError
from ...evaluation import Annotations, evaluate_coco, read_annotations
from ...evaluation.report import page
from ...geometry import crop_affines, to_crop
from ...models import describe
from ...pipeline import PoseEstimator
from ..callbacks import Evaluate, Evaluation, torch_runtime
from ..init_weights import init_network
from ..run import OVERFIT_COPIES, BaseJob, Task, TrainingResult, overfit_job, require_pictures, run
from ..run_folder import is_rank_zero
from .augmentation import NO_AUGMENTATION
from .distillation import PoseTeacher
from .module import PoseTraining
from .recipe import Recipe
from .samples import PoseDataset

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
        skeleton: a YAML file that completes or replaces the annotations' skeleton, see `read_skeleton`.
        teacher: name or file of a pose net whose outputs are targets too, see `distillation.PoseTeacher`.
    """

    recipe: Recipe
    skeleton: Path | None = None
    teacher: str | None = None


def train(job: Job) -> TrainingResult:
    """Train a pose net; see `run`."""
    return run(job, _task)


def _task(job: Job) -> Task:
    persons = read_persons(job.data, job.skeleton, job.recipe.clip_boxes)
    for note in persons.notes:
        logger.info(note)
    if job.overfit:
        job, persons = _overfit(job, persons)
    recipe = job.recipe
    card = make_card(recipe, persons, job.output.resolve().name)
    codec = codecs.create(card.family, card.input_size, card.options)

    teacher = PoseTeacher(job.teacher, codec, persons.skeleton) if job.teacher else None

    def module() -> PoseTraining:
        network = init_network(recipe, len(persons.skeleton), job.resume)
        return PoseTraining(network, card, recipe, job.output, teacher)

    return Task(
        recipe,
        card,
        module,
        PoseDataset(persons, card, codec, recipe.augmentation, job.seed, recipe.reduced_decoding),
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
    return overfit_job(job, NO_AUGMENTATION, lambda: subset(job.data[0], persons.ids.tolist())), persons


def _learnable(persons: Persons, recipe: Recipe, count: int) -> NDArray[np.intp]:
    """Indices of the persons with the most labelled keypoints, large ones first, if crops show all of these.

    A heatmap can't represent a keypoint outside of the crop.
    """
    size, labelled = recipe.spec.input_size, persons.confidences > 0
    affines = crop_affines(persons.boxes, size)
    points = to_crop(persons.keypoints, affines)
    shown = ((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(axis=2) | ~labelled
    areas = (persons.boxes[:, 2:] - persons.boxes[:, :2]).prod(axis=1)
    order = np.lexsort((-areas, -labelled.sum(axis=1), ~shown.all(axis=1)))
    return np.sort(order[:count])


def make_card(recipe: Recipe, persons: Persons, name: str) -> ModelCard:
    """The card of the trained model."""
    card = describe(recipe.spec, name, len(persons.skeleton))
    if isinstance(card.options, HeatmapOptions):
        card = card.with_options(sigma=recipe.sigma)
    elif isinstance(card.options, SimDROptions):
        card = card.with_options(smoothing=recipe.smoothing)
    return replace(card, skeleton=persons.skeleton)


def _digest(job: Job, persons: Persons) -> str:
    digest = hashlib.sha256(os.fsencode(job.teacher or ""))
    # Flip pairs affect training, too.
    digest.update(repr((persons.skeleton.keypoints, persons.skeleton.flip_pairs)).encode())
    for column in (persons.ids, persons.boxes, persons.keypoints, persons.confidences, persons.copies):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _evaluation(job: Job, card: ModelCard) -> Evaluate | None:
    """Evaluation by the procedure of the model's authors, with the annotated boxes."""
    if job.validation is None:
        return None
    source = job.validation
    codec = codecs.create(card.family, card.input_size, card.options)
    # Only the first process evaluates; the others may be here before it has written the file of --overfit.
    truth = _truth(job, job.validation, card) if is_rank_zero() else None

    def evaluate(network: nn.Module, device: str) -> Evaluation:
        assert truth is not None
        estimator = PoseEstimator(card, torch_runtime(network, card, device), codec)
        metrics = evaluate_coco(estimator, truth, source.folder, allow_outside=source.allow_outside)
        return Evaluation(metrics.keypoints, lambda: page(metrics, card.name, _WORST).encode(errors="replace"))

    return evaluate


def _truth(job: Job, source: DataSource, card: ModelCard) -> Annotations:
    """The annotations for evaluation. Raises InputError before training if they can't be used."""
    truth = read_annotations(source.annotations, split=source.split)
    require_pictures(source, truth)
    assert card.skeleton is not None
    try:
        with_sigmas(truth.skeleton, card.skeleton)
    except InputError as error:
        raise InputError(f"{source.annotations} can't measure this network: {error}") from None
    if job.dry_run:
        return read_annotations(subset(source, read_persons([source]).ids[:_DRY_PERSONS].tolist()))
    return truth
