"""A run, whatever is trained: folder, network, Lightning's trainer, and errors in words."""

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
from ..datasets import Source
from ..errors import InputError, VitruvianError
from ..evaluation.report import write_json
from ..media.files import write_file
from .folder import is_first, own_folder
from .loading import Batches, KeyedSamples, Loader
from .module import Training
from .recipe import Settings
from .rounds import BEST, LAST, STATE, Evaluate, Rounds
from .state import DAMAGE, SameSums, WholeFiles, changed, own_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..evaluation import Annotations

logger = logging.getLogger("vitruvian")

OVERFIT = "overfit.json"
# With --overfit everything comes so often in an epoch: that of a handful would end before it began.
OVERFIT_COPIES = 10
_DRY_BATCHES = 2
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class BaseJob:
    """What to train on what.

    Args:
        recipe: how.
        data: on what.
        output: the folder for everything that is written.
        validation: what AP is measured on; None measures nothing.
        seed: what chance starts from.
        overfit: learn so many persons, or pictures, by heart: unvaried, ten times each in an epoch, and measure on
            them; 0: learn from all.
        dry_run: two steps and a small evaluation, of which nothing is kept.
        resume: go on from what `output` has.
        accelerator, devices, nodes: what it runs on, as Lightning takes them.
        deterministic: take slower algorithms where the faster ones differ from run to run (GPUs).
        progress: show a bar.
    """

    recipe: Settings
    data: tuple[Source, ...]
    output: Path
    validation: Source | None = None
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


@dataclass(frozen=True)
class Task:
    """What a run of one kind of network consists of.

    Args:
        recipe: the settings, as the job turned out to need them.
        card: what the network takes and returns.
        module: makes the network with its loss, once chance has its seed.
        samples: what it learns from.
        copies: float64 (T,), how often each row of the samples comes in an epoch.
        evaluate: measures the network; None if there is nothing to measure it on.
        digest: of the data, by which a broken run knows them again.
        rows: what the rows are called: persons, pictures.
    """

    recipe: Settings
    card: ModelCard
    module: Callable[[], Training]
    samples: KeyedSamples[Any]
    copies: NDArray[Any]
    evaluate: Evaluate | None
    digest: str
    rows: str


AnyJob = TypeVar("AnyJob", bound=BaseJob)


def run(job: AnyJob, prepare: Callable[[AnyJob], Task]) -> Trained:
    """Train what a job's task says.

    Args:
        job: the job.
        prepare: reads its data. The folder is there then, and has no other run; a dry run has one of its own.

    Raises:
        InputError: data or settings that can't be used, a loss that isn't finite, or too little memory.
        OutputError: something can't be written.
    """
    if job.dry_run:
        folder = Path(tempfile.mkdtemp(prefix="vitruvian-"))
        try:
            job = replace(job, output=folder, resume=False)
            return _run(job, prepare(job))
        finally:
            # The batch that broke a run is named, to be looked at.
            if not any(folder.glob("broken_batch_*.pt")):
                shutil.rmtree(folder, ignore_errors=True)
    with own_folder(job.output, job.resume):
        return _run(job, prepare(job))


def _run(job: BaseJob, task: Task) -> Trained:
    recipe = task.recipe
    if is_first() and not job.resume:
        # Now already, so that a folder that can't be written to is found before anything heavy begins.
        write_file(job.output / "recipe.yaml", recipe.to_yaml().encode())
    L.seed_everything(job.seed, verbose=False)
    module = task.module()
    module.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    identity = {"the seed": job.seed, "the data": task.digest, "the number of processes": f"{job.nodes}x{job.devices}"}
    rounds = Rounds(job.output, recipe, task.card, identity, task.evaluate)
    trainer = _trainer(job, recipe, rounds)
    if recipe.sync_norm and trainer.strategy.root_device.type == "cpu":
        raise InputError(
            "sync_norm is for GPUs; on CPUs leave it out, or keep the norms as they are (freeze_norm=true)"
        )
    batches = Batches(task.copies, recipe.batch, job.seed, trainer.global_rank, trainer.world_size)
    loader = Loader(task.samples, batches, recipe.workers, pin=torch.cuda.is_available())
    logger.info("%d %s, %d batches of %d an epoch", len(task.copies), task.rows, len(loader), recipe.batch)
    with _in_words(recipe, rounds), _restored(job, rounds), own_threads():
        trainer.fit(module, loader, ckpt_path=str(job.output / STATE) if job.resume else None, weights_only=True)
    model = BEST if (job.output / BEST).is_file() else LAST
    return Trained(job.output / model, rounds.best, rounds.history)


def by_heart(job: AnyJob, still: Any, content: Callable[[], Any]) -> AnyJob:
    """The job for a few samples that come as they are, which are also what is measured on.

    Args:
        job: of one data set.
        still: the variation of a recipe that varies nothing, whose settings the recipe gets.
        content: the annotations of those samples, for `OVERFIT`.
    """
    if is_first():
        write_json(job.output / OVERFIT, content())
    recipe = replace(job.recipe, **asdict(still), reduced=False)
    return replace(job, recipe=recipe, validation=Source(job.output / OVERFIT, job.data[0].images))


def check_pictures(source: Source, truth: Annotations) -> None:
    """Raises InputError unless the folder has at least one of the pictures: before training, not after epochs of it."""
    files = (os.path.join(source.images, str(record["file_name"])) for record in truth.images.values())
    if not any(map(os.path.isfile, files)):
        raise InputError(f"{source.images} has none of the images of {source.annotations}; is this their folder?")


def _trainer(job: BaseJob, recipe: Settings, rounds: Rounds) -> L.Trainer:
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
            plugins=[WholeFiles(rounds.check)],
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
def _restored(job: BaseJob, rounds: Rounds) -> Iterator[None]:
    """What fails before the first step of a run that goes on is its state's fault. Raises InputError."""
    try:
        yield
    except DAMAGE as error:
        if rounds.begun or not job.resume or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
        raise changed(job.output / STATE, error) from None


@contextmanager
def _in_words(recipe: Settings, rounds: Rounds) -> Iterator[None]:
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
        if (rounds.folder / STATE).is_file():
            logger.info("stopped; --resume goes on from what %s has", rounds.folder / STATE)
        raise KeyboardInterrupt from None
    except (RuntimeError, MemoryError) as error:
        if "DataLoader worker" in str(error):
            raise VitruvianError(
                "a process that makes samples was killed, maybe for want of memory: take fewer of them "
                "(--set workers=1), and go on with --resume"
            ) from None
        if recipe.compile and "compiler" in str(error).lower():
            raise InputError(
                f"compile needs a C++ compiler: {str(error).splitlines()[0]}. Install one (g++), or leave the network "
                "as it is: --set compile=false"
            ) from None
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise
        raise InputError(
            f"out of memory with batches of {recipe.batch}: {_less(recipe)}. Half precision needs less, too: "
            "--precision 16-mixed"
        ) from None


def _less(recipe: Settings) -> str:
    """What needs less memory, in words."""
    if recipe.batch == 1:
        return "a smaller network needs less (--set input_size=..., --set width=...)"
    batch, more = recipe.batch // 2, recipe.accumulate * 2
    return f"smaller ones, more of them a step, train alike: --set batch={batch} --set accumulate={more}"
