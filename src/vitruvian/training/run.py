"""A run: data, network, Lightning's trainer, and errors in words."""

from __future__ import annotations

import hashlib
import logging
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from .. import codecs
from ..cards import ModelCard
from ..datasets import Persons, Source, read_persons
from ..datasets.persons import subset
from ..errors import InputError, VitruvianError
from ..evaluation.report import write_file, write_json
from ..geometry import crop_affines
from ..zoo.describing import describe
from .augmentation import NONE, place
from .loading import Batches, Loader
from .module import PoseTraining
from .recipe import Recipe
from .rounds import BEST, LAST, STATE, Rounds, evaluate_on
from .samples import Samples
from .starting import start
from .state import SameSums, WholeFiles, own_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger("vitruvian")

OVERFIT = "overfit.json"
_OVERFIT_COPIES = 10
_DRY_BATCHES, _DRY_PERSONS = 2, 8
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Job:
    """What to train on what.

    Args:
        recipe: how.
        data: on what.
        output: the folder for everything that is written.
        validation: what AP is measured on; None measures nothing.
        skeleton: a YAML file with what the annotations don't say of their keypoints.
        seed: what chance starts from.
        overfit: train on so many well labelled persons only, unvaried, ten times each in an epoch, and measure on
            them; 0: on all.
        dry_run: two steps and a small evaluation, of which nothing is kept.
        resume: go on from what `output` has.
        accelerator, devices, nodes: what it runs on, as Lightning takes them.
        deterministic: take slower algorithms where the faster ones differ from run to run (GPUs).
        progress: show a bar.
    """

    recipe: Recipe
    data: tuple[Source, ...]
    output: Path
    validation: Source | None = None
    skeleton: Path | None = None
    seed: int = 0
    overfit: int = 0
    dry_run: bool = False
    resume: bool = False
    accelerator: str = "auto"
    devices: str | int = "auto"
    nodes: int = 1
    deterministic: bool = False
    progress: bool = False


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Args:
        model: the best model by AP, or the last one where nothing was measured.
        best: its AP, 0..1; -1 where nothing was measured.
        history: a row an epoch, see `curves.COLUMNS`.
    """

    model: Path
    best: float
    history: list[dict[str, float]]


def train(job: Job) -> Trained:
    """Train a pose net.

    Raises:
        InputError: data or settings that can't be used, a loss that isn't finite, or too little memory.
        OutputError: something can't be written.
    """
    if job.dry_run:
        with tempfile.TemporaryDirectory(prefix="vitruvian-") as folder:
            return _train(replace(job, output=Path(folder), resume=False))
    return _train(job)


def _train(job: Job) -> Trained:
    persons = read_persons(job.data, job.skeleton)
    for note in persons.notes:
        logger.info(note)
    if job.overfit:
        job, persons = _overfit(job, persons)
    if _is_first():
        _prepare(job)
    L.seed_everything(job.seed, verbose=False)
    card = card_of(job.recipe, persons, job.output.resolve().name)
    network = start(job.recipe if not job.resume else job.recipe.changed({"init": "none"}), len(persons.skeleton))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = PoseTraining(network, card, job.recipe, job.output)
    rounds = Rounds(job.output, job.recipe, card, _identity(job, persons), _evaluation(job))
    trainer = _trainer(job, rounds)
    if job.recipe.sync_norm and trainer.strategy.root_device.type == "cpu":
        raise InputError(
            "sync_norm is for GPUs; on CPUs leave it out, or keep the norms as they are (freeze_norm=true)"
        )
    loader = _loader(job, persons, card, trainer)
    logger.info("%d persons, %d batches of %d an epoch", len(persons), len(loader), job.recipe.batch)
    with _in_words(job, rounds), own_threads():
        trainer.fit(module, loader, ckpt_path=str(job.output / STATE) if job.resume else None, weights_only=True)
    model = BEST if (job.output / BEST).is_file() else LAST
    return Trained(job.output / model, rounds.best, rounds.history)


def _overfit(job: Job, persons: Persons) -> tuple[Job, Persons]:
    if len(job.data) != 1:
        raise InputError("to overfit, give one data set")
    persons = persons[_learnable(persons, job.recipe, job.overfit)]
    # An epoch of a handful of persons would end before it began.
    persons = replace(persons, copies=persons.copies * _OVERFIT_COPIES)
    plain = {name: getattr(NONE, name) for name in NONE.__dataclass_fields__}
    recipe = replace(job.recipe, **{**plain, "reduced": False})
    few = Source(job.output / OVERFIT, job.data[0].images)
    if _is_first():
        write_json(job.output / OVERFIT, subset(job.data[0], persons.ids.tolist()))
    return replace(job, recipe=recipe, validation=few), persons


def _learnable(persons: Persons, recipe: Recipe, count: int) -> NDArray[np.intp]:
    """The persons with the most labelled keypoints, the largest first, of those whose crop shows all of these.

    A keypoint outside of its crop has no place in a heatmap, however well it is learned.
    """
    size, labelled = recipe.spec.input_size, persons.confidences > 0
    affines = crop_affines(persons.boxes, size)
    points = np.stack([place(affine, own) for affine, own in zip(affines, persons.keypoints, strict=True)])
    shown = ((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(axis=2) | ~labelled
    areas = (persons.boxes[:, 2:] - persons.boxes[:, :2]).prod(axis=1)
    order = np.lexsort((-areas, -labelled.sum(axis=1), ~shown.all(axis=1)))
    return np.sort(order[:count])


def _is_first() -> bool:
    """Whether this process writes the files; the others learn beside it."""
    return getattr(rank_zero_only, "rank", 0) == 0


def _prepare(job: Job) -> None:
    """The folder, and in it what the run is. Raises InputError if something would be lost."""
    there = (job.output / STATE).is_file()
    if there and not job.resume:
        raise InputError(f"{job.output} has a run already: go on with it (--resume), or give another folder (-o)")
    if job.resume and not there:
        raise InputError(f"{job.output / STATE}: no such file, so there is nothing to go on from; leave out --resume")
    write_file(job.output / "recipe.yaml", job.recipe.to_yaml().encode())


def card_of(recipe: Recipe, persons: Persons, name: str) -> ModelCard:
    """The card of what is trained."""
    card = describe(recipe.spec, name, len(persons.skeleton))
    options = dict(card.options)
    if card.family == "heatmap":
        options["sigma"] = recipe.sigma
    elif card.family == "simdr":
        options["smoothing"] = recipe.smoothing
    return replace(card, options=options, skeleton=persons.skeleton)


def _identity(job: Job, persons: Persons) -> dict[str, Any]:
    digest = hashlib.sha256()
    for column in (persons.ids, persons.boxes, persons.keypoints, persons.confidences, persons.copies):
        digest.update(column.tobytes())
    return {"the seed": job.seed, "the data": digest.hexdigest(), "the number of processes": _processes(job)}


def _processes(job: Job) -> str:
    return f"{job.nodes}x{job.devices}"


def _evaluation(job: Job) -> Any:
    if job.validation is None:
        return None
    annotations: Any = job.validation.annotations
    if job.dry_run:
        few = read_persons([job.validation]).ids[:_DRY_PERSONS].tolist()
        annotations = subset(job.validation, few)
    return evaluate_on(annotations, job.validation.images)


def _trainer(job: Job, rounds: Rounds) -> L.Trainer:
    recipe = job.recipe
    alone = str(job.devices) in ("auto", "1") and job.nodes == 1
    quiet = logging.getLogger("lightning.pytorch")
    quiet.setLevel(logging.WARNING)
    try:
        return L.Trainer(
            accelerator="cpu" if job.accelerator == "auto" and not torch.cuda.is_available() else job.accelerator,
            devices=1 if alone and str(job.devices) == "auto" and not torch.cuda.is_available() else job.devices,
            num_nodes=job.nodes,
            strategy="auto" if alone else "ddp",
            precision=recipe.precision,  # type: ignore[arg-type]
            max_epochs=1 if job.dry_run else recipe.epochs,
            limit_train_batches=_DRY_BATCHES if job.dry_run else None,
            accumulate_grad_batches=recipe.accumulate,
            gradient_clip_val=recipe.clip or None,
            sync_batchnorm=recipe.sync_norm,
            callbacks=[rounds, SameSums()],
            plugins=[WholeFiles()],
            logger=_loggers(job),
            enable_checkpointing=False,
            enable_progress_bar=job.progress,
            enable_model_summary=False,
            use_distributed_sampler=False,
            deterministic="warn" if job.deterministic else None,
            default_root_dir=job.output,
        )
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        raise InputError(f"Lightning can't run on that: {str(error).splitlines()[0]}") from None


def _loggers(job: Job) -> list[Logger]:
    if job.dry_run:
        return []
    try:
        return [TensorBoardLogger(job.output, name="tensorboard", version="")]
    except ModuleNotFoundError:
        logger.info("no TensorBoard log: pip install tensorboard")
        return []


def _loader(job: Job, persons: Persons, card: ModelCard, trainer: L.Trainer) -> Loader:
    recipe = job.recipe
    codec = codecs.create(card.family, card.input_size, card.options)
    samples = Samples(persons, card, codec, recipe.augmentation, job.seed, recipe.reduced)
    batches = Batches(persons.copies, recipe.batch, job.seed, trainer.global_rank, trainer.world_size)
    return Loader(samples, batches, recipe.workers, pin=torch.cuda.is_available())


@contextmanager
def _in_words(job: Job, rounds: Rounds) -> Iterator[None]:
    """Lightning's notes kept away, and errors that users can do something about told as such."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            # Lightning recommends and wonders at what is meant here: its tuner, more workers, frozen norms.
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    except VitruvianError as error:
        if "Original Traceback" in str(error):
            # What a worker process raised comes with its traceback as text.
            raise type(error)(str(error).strip().splitlines()[-1].partition(": ")[2]) from None
        raise
    except SystemExit:
        if not rounds.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
        batch, more = max(job.recipe.batch // 2, 1), job.recipe.accumulate * 2
        raise InputError(
            f"out of memory with batches of {job.recipe.batch}: smaller ones, more of them a step, train alike: "
            f"--set batch={batch} --set accumulate={more}. Half precision needs less, too: --precision 16-mixed"
        ) from None
