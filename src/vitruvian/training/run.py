"""A training run: folder, network, Lightning's trainer, and readable errors."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import lightning as L
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from ..cards import ModelCard
from ..datasets import DataSource
from ..datasets.persons import picture_files
from ..errors import InputError, VitruvianError
from ..evaluation.report import write_json
from ..io import write_file
from .callbacks import BEST, LAST, STATE, Evaluate, TrainingCallback
from .data_loader import BatchOrder, KeyedDataset, ResumableLoader
from .module import Training
from .recipe import BaseRecipe
from .resume import DAMAGE, AtomicCheckpointIO, ThreadCount, changed, restore_thread_count
from .run_folder import is_rank_zero, lock_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..evaluation import Annotations

logger = logging.getLogger("vitruvian")

OVERFIT = "overfit.json"
# With --overfit an epoch has each sample this often: a few samples alone would make too short an epoch.
OVERFIT_COPIES = 10
_DRY_BATCHES = 2
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class BaseJob:
    """A network to train, its data, and its hardware.

    Args:
        recipe: the settings.
        data: the training data.
        output: the run's folder.
        validation: the data for evaluation; None for no evaluation.
        seed: the random seed.
        overfit: train and evaluate on this many persons, or pictures, without augmentation, each ten times in an
            epoch; 0 for all data.
        dry_run: take two steps, evaluate on a few samples, and keep nothing.
        resume: resume the run in `output`.
        accelerator, devices, nodes: the hardware, as Lightning takes it.
        deterministic: use deterministic algorithms, which may be slower (GPUs).
        progress: show a progress bar.
    """

    recipe: BaseRecipe
    data: tuple[DataSource, ...]
    output: Path
    validation: DataSource | None = None
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
class TrainingResult:
    """Result of a run.

    Args:
        model: file of the best model by AP, or of the last one without evaluation.
        best: its AP, 0..1; -1 without evaluation.
        history: a row for each epoch, see `curves.COLUMNS`.
    """

    model: Path
    best: float
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Task:
    """The parts of a run that depend on the kind of network.

    Args:
        recipe: the settings, adapted to the job.
        card: the network's card.
        module: makes the network with its loss; called after seeding.
        samples: the training samples.
        copies: float64 (T,), how often an epoch has each row of the samples.
        evaluate: evaluates the network; None without validation data.
        digest: digest of the data, which a resumed run must share.
        rows: name of the rows: persons, pictures.
    """

    recipe: BaseRecipe
    card: ModelCard
    module: Callable[[], Training]
    samples: KeyedDataset[Any]
    copies: NDArray[Any]
    evaluate: Evaluate | None
    digest: str
    rows: str


AnyJob = TypeVar("AnyJob", bound=BaseJob)


def run(job: AnyJob, prepare: Callable[[AnyJob], Task]) -> TrainingResult:
    """Train a network.

    Args:
        job: the job.
        prepare: reads the job's data, once its folder is locked; a dry run has a temporary folder.

    Raises:
        InputError: data or settings can't be used, the loss isn't finite, or there is too little memory.
        OutputError: a file can't be written.
    """
    if job.dry_run:
        folder = Path(tempfile.mkdtemp(prefix="vitruvian-"))
        try:
            job = replace(job, output=folder, resume=False)
            return _run(job, prepare(job))
        finally:
            # An error message names the batch whose loss wasn't finite, so it stays.
            if not any(folder.glob("broken_batch_*.pt")):
                shutil.rmtree(folder, ignore_errors=True)
    with lock_folder(job.output, job.resume):
        return _run(job, prepare(job))


def _run(job: BaseJob, task: Task) -> TrainingResult:
    recipe = task.recipe
    if is_rank_zero() and not job.resume:
        # This early, to find out whether the folder can be written to.
        write_file(job.output / "recipe.yaml", recipe.to_yaml().encode())
    L.seed_everything(job.seed, verbose=False)
    module = task.module()
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    identity = {"the seed": job.seed, "the data": task.digest, "the number of processes": f"{job.nodes}x{job.devices}"}
    callback = TrainingCallback(job.output, recipe, task.card, identity, task.evaluate, reports=not job.progress)
    trainer = _trainer(job, recipe, callback)
    if recipe.sync_batchnorm and trainer.strategy.root_device.type == "cpu":
        raise InputError("sync_batchnorm is for GPUs; on CPUs leave it out, or freeze the norms (freeze_norm=true)")
    batches = BatchOrder(task.copies, recipe.batch, job.seed, trainer.global_rank, trainer.world_size)
    loader = ResumableLoader(task.samples, batches, recipe.workers, pin=torch.cuda.is_available())
    logger.info("%d %s, %d batches of %d an epoch", len(task.copies), task.rows, len(loader), recipe.batch)
    with _readable_errors(recipe, callback), _restored(job, callback), restore_thread_count():
        trainer.fit(module, loader, ckpt_path=str(job.output / STATE) if job.resume else None, weights_only=True)
    model = BEST if (job.output / BEST).is_file() else LAST
    return TrainingResult(job.output / model, callback.best, callback.history)


def overfit_job(job: AnyJob, augmentation: Any, content: Callable[[], Any]) -> AnyJob:
    """The job to train and evaluate on a few samples without augmentation.

    Args:
        job: a job with one data set.
        augmentation: settings of no augmentation, which replace the recipe's.
        content: makes the annotations of those samples, for `OVERFIT`.
    """
    if is_rank_zero():
        write_json(job.output / OVERFIT, content())
    recipe = replace(job.recipe, **asdict(augmentation), reduced_decoding=False)
    source = job.data[0]
    validation = DataSource(job.output / OVERFIT, source.folder, allow_outside=source.allow_outside)
    return replace(job, recipe=recipe, validation=validation)


def require_pictures(source: DataSource, truth: Annotations) -> None:
    """Raise InputError unless the folder has at least one of the pictures."""
    if not any(map(os.path.isfile, picture_files(source, truth))):
        raise InputError(f"{source.folder} has none of the images of {source.annotations}; is this their folder?")


def _trainer(job: BaseJob, recipe: BaseRecipe, callback: TrainingCallback) -> L.Trainer:
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
            accumulate_grad_batches=recipe.accumulate_grad_batches,
            gradient_clip_val=recipe.gradient_clip_val or None,
            sync_batchnorm=recipe.sync_batchnorm,
            callbacks=[callback, ThreadCount()],
            plugins=[AtomicCheckpointIO(callback.check)],
            logger=_loggers(job),
            enable_checkpointing=False,
            enable_progress_bar=job.progress,
            enable_model_summary=False,
            use_distributed_sampler=False,
            deterministic="warn" if job.deterministic else None,
            default_root_dir=job.output,
        )
    except (TypeError, ValueError, RuntimeError, MisconfigurationException) as error:
        wanted = f"--accelerator {job.accelerator} --devices {job.devices} --nodes {job.nodes}"
        raise InputError(f"{wanted}: Lightning can't run on that: {str(error).splitlines()[0]}") from None


def _loggers(job: BaseJob) -> list[Logger]:
    if job.dry_run:
        return []
    try:
        return [TensorBoardLogger(job.output, name="tensorboard", version="")]
    except ModuleNotFoundError:
        logger.info("no TensorBoard log: pip install tensorboard")
        return []


@contextmanager
def _restored(job: BaseJob, callback: TrainingCallback) -> Iterator[None]:
    """Context that blames the state for what fails before the first step of a resumed run. Raises InputError."""
    try:
        yield
    except DAMAGE as error:
        if callback.begun or not job.resume or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
        raise changed(job.output / STATE, error) from None


@contextmanager
def _readable_errors(recipe: BaseRecipe, callback: TrainingCallback) -> Iterator[None]:
    """Context that hides Lightning's notes, and turns errors that a user can fix into readable ones."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            # Lightning warns of intended settings: no tuner, few workers, frozen norms.
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    except VitruvianError as error:
        if "Original Traceback" in str(error):
            # An error of a worker process has its traceback as text.
            raise type(error)(str(error).strip().splitlines()[-1].partition(": ")[2]) from None
        raise
    except SystemExit:
        if not callback.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        if (callback.folder / STATE).is_file():
            logger.info("stopped; --resume continues from %s", callback.folder / STATE)
        raise KeyboardInterrupt from None
    except (RuntimeError, MemoryError) as error:
        if "DataLoader worker" in str(error):
            raise VitruvianError(
                "a data loader process was killed, maybe for lack of memory: use fewer of them "
                "(--set workers=1), and resume with --resume"
            ) from None
        if recipe.compile and "compiler" in str(error).lower():
            raise InputError(
                f"compile needs a C++ compiler: {str(error).splitlines()[0]}. Install one (g++), or don't compile the "
                "network: --set compile=false"
            ) from None
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
        raise InputError(
            f"out of memory with batches of {recipe.batch}: {_memory_advice(recipe)}. Half precision needs less, too: "
            "--precision 16-mixed"
        ) from None


def _memory_advice(recipe: BaseRecipe) -> str:
    """Advice on settings that need less memory."""
    if recipe.batch == 1:
        return "a smaller network needs less (--set input_size=..., --set width=...)"
    batch, more = recipe.batch // 2, recipe.accumulate_grad_batches * 2
    return f"smaller ones, more of them a step, train alike: --set batch={batch} --set accumulate_grad_batches={more}"
