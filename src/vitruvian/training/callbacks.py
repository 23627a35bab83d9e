"""Callback of training: evaluation, saving of the best and the last model, history, and saved states."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch

from ..checkpoints.model_files import save_model
from ..errors import InputError
from ..io import write_file
from ..runtimes import EngineOptions
from ..runtimes.torch import TorchRuntime
from .curves import COLUMNS, curves, table
from .module import Training
from .recipe import BaseRecipe

if TYPE_CHECKING:
    from ..cards import ModelCard

logger = logging.getLogger("vitruvian")

STATE, LAST, BEST = "state.ckpt", "last.safetensors", "best.safetensors"
# Settings that may differ when a run resumes. With another number of epochs, a cosine and the end of mosaics follow it.
FREE = {"compile", "epochs", "workers", "val_interval", "patience", "save_every", "init"}
_LOGGED = 50
PROGRESS_SECONDS = 10.0
"""Seconds between two lines of progress, where no progress bar is shown."""


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Args:
        numbers: AP, AP50 and so on, 0..1.
        page: makes an HTML page of the worst persons; None if there is none.
    """

    numbers: Mapping[str, float]
    page: Callable[[], bytes] | None = None


# Evaluates a network on the device of this name.
Evaluate = Callable[[torch.nn.Module, str], Evaluation]


class TrainingCallback(L.Callback):
    """Evaluates the network, and writes models, history and states.

    Args:
        folder: the run's folder.
        recipe: the settings.
        card: the network's card.
        identity: properties that a resumed run must share: seed, data, processes.
        evaluate: evaluates the network; None without validation data.
        reports: log lines of progress within epochs.
    """

    def __init__(
        self,
        folder: Path,
        recipe: BaseRecipe,
        card: ModelCard,
        identity: Mapping[str, Any],
        evaluate: Evaluate | None,
        reports: bool = True,
    ) -> None:
        self.folder = folder
        self.recipe = recipe
        self.card = card
        self.identity = dict(identity)
        self.evaluate = evaluate
        self.reports = reports
        self.history: list[dict[str, float]] = []
        self.best = -1.0
        self.waited = 0
        self.interrupted = False
        self.begun = False
        self._total = torch.zeros((), dtype=torch.float64)
        self._count = 0
        self._reported, self._seen = 0.0, 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the recipe; by now the state of a resumed run has been checked."""
        self.begun = True
        if trainer.is_global_zero:
            write_file(self.folder / "recipe.yaml", self.recipe.to_yaml().encode())

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the epoch of the data loader."""
        self._reported = 0.0
        trainer.train_dataloader.batches.set_epoch(trainer.current_epoch)  # type: ignore[union-attr]

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any) -> None:
        """Add the loss, log it, and save the state where it is time."""
        loss = outputs["loss"].detach()
        self._total = self._total.to(loss.device, non_blocking=True) + loss * trainer.accumulate_grad_batches
        self._count += 1
        self._report(trainer)
        if self._count == _LOGGED:
            self._check_loss(trainer.current_epoch + 1)
        step = trainer.global_step
        if step % _LOGGED == 0:
            self._log(trainer, {"loss": float(loss) * trainer.accumulate_grad_batches, "rate": _lr(trainer)})
        steps_ended = self._count % trainer.accumulate_grad_batches == 0
        if self.recipe.save_every and steps_ended and step % self.recipe.save_every == 0:
            trainer.save_checkpoint(self.folder / STATE)

    def _report(self, trainer: L.Trainer) -> None:
        """Log loss, speed and time left, every few seconds."""
        now = time.monotonic()
        self._seen += self.recipe.batch * trainer.world_size
        if not self._reported:
            # The first batch is slower, by compilation and the start of the workers.
            self._reported, self._seen = now, 0
        elif self.reports and now - self._reported >= PROGRESS_SECONDS:
            rate = self._seen / max(now - self._reported, 1e-9)
            batches = int(trainer.num_training_batches)
            epochs = max((trainer.max_epochs or 1) - trainer.current_epoch, 1)
            left = (epochs * batches - self._count) * self.recipe.batch * trainer.world_size / max(rate, 1e-9)
            logger.info(
                "epoch %d of %s, batch %d of %d: loss %.6g, %.1f samples/s, about %s left",
                *(trainer.current_epoch + 1, trainer.max_epochs, self._count, batches),
                *(float(self._total) / self._count, rate, _duration(left)),
            )
            self._reported, self._seen = now, 0

    def _check_loss(self, epoch: int) -> None:
        """Raise InputError for a loss of exactly 0: there is nothing to learn from."""
        if self._count and float(self._total) == 0:
            raise InputError(
                f"the loss is 0 in epoch {epoch}: no keypoint counts, as none is labelled and inside of its crop; "
                "check the data (vitruvian check-data)"
            )

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Evaluate where it is time, write models and history, and save the state."""
        assert isinstance(module, Training)
        epoch = trainer.current_epoch + 1
        self._check_loss(epoch)
        loss = trainer.strategy.reduce(self._total / max(self._count, 1), reduce_op="mean")
        row = {"epoch": float(epoch), "step": float(trainer.global_step), "loss": float(loss), "rate": _lr(trainer)}
        self._total, self._count = torch.zeros((), dtype=torch.float64), 0
        last = epoch == trainer.max_epochs
        if self.evaluate is not None and (epoch % self.recipe.val_interval == 0 or last):
            row.update(self._measure(trainer, module))
        self.history = [*(old for old in self.history if old["epoch"] < epoch), row]
        if trainer.is_global_zero:
            self._write(trainer, module, row)
        trainer.save_checkpoint(self.folder / STATE)
        if self.recipe.patience and self.waited >= self.recipe.patience:
            logger.info("stopped: the AP has not risen for %d evaluations", self.waited)
            trainer.should_stop = True

    def _measure(self, trainer: L.Trainer, module: Training) -> dict[str, float]:
        """Metrics, evaluated by the first process and shared with the others."""
        numbers: dict[str, float] = {}
        if trainer.is_global_zero and self.evaluate is not None:
            found = self.evaluate(module.best_network, str(module.device))
            numbers = {name: found.numbers[name] for name in COLUMNS if name in found.numbers}
            if numbers["AP"] > self.best:
                self._save(BEST, module)
                if found.page is not None:
                    write_file(self.folder / "samples.html", found.page())
        numbers = trainer.strategy.broadcast(numbers)
        self.waited = 0 if numbers["AP"] > self.best else self.waited + 1
        self.best = max(self.best, numbers["AP"])
        return numbers

    def _write(self, trainer: L.Trainer, module: Training, row: dict[str, float]) -> None:
        self._save(LAST, module)
        write_file(self.folder / "metrics.csv", table(self.history))
        if module.problems:
            write_file(self.folder / "left_out.txt", "\n".join([*module.problems, ""]).encode(errors="replace"))
        self._log(trainer, row)
        measured = f", AP {row['AP']:.4f}, best {self.best:.4f}" if "AP" in row else ""
        logger.info("epoch %d of %s: loss %.6g%s", row["epoch"], trainer.max_epochs, row["loss"], measured)

    def _save(self, name: str, module: Training) -> None:
        save_model(self.folder / name, module.best_network.state_dict(), self.card, self.recipe.spec)

    def _log(self, trainer: L.Trainer, numbers: Mapping[str, float]) -> None:
        for log in trainer.loggers:
            log.log_metrics(dict(numbers), step=trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the plot of loss and AP."""
        if trainer.is_global_zero and self.history:
            write_file(self.folder / "curves.png", curves(self.history))

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        """Note a Ctrl-C, which Lightning turns into a failure."""
        self.interrupted = isinstance(exception, KeyboardInterrupt)

    def state_dict(self) -> dict[str, Any]:
        """The state for a resumed run."""
        return {
            "history": [dict(row) for row in self.history],
            "best": self.best,
            "waited": self.waited,
            "total": float(self._total),
            "count": self._count,
            "recipe": json.dumps(asdict(self.recipe)),
            "identity": self.identity,
        }

    def check(self, checkpoint: Mapping[str, Any]) -> None:
        """Raise InputError for the state of another run, before its weights are loaded: they may not fit."""
        state = checkpoint.get("callbacks", {}).get(self.state_key)
        if state is None:
            raise InputError(f"{self.folder / STATE} is no state of a run of Vitruvian; train anew in another folder")
        before, now = json.loads(state["recipe"]), json.loads(json.dumps(asdict(self.recipe)))
        names = [field.name for field in fields(self.recipe) if field.name not in FREE]
        if before["model"] != now["model"]:
            # The settings of another network differ anyway.
            names = ["model"]
        changed = [f"{name} was {before.get(name)}, is {now[name]}" for name in names if before.get(name) != now[name]]
        changed += [f"{name} differs" for name, value in self.identity.items() if state["identity"].get(name) != value]
        if changed:
            raise InputError(
                f"{self.folder} has another run: {', '.join(changed)}. Go on with the same data, seed, processes and "
                f"settings, of which only {', '.join(sorted(FREE))} may differ, or train anew in another folder"
            )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state that `check` accepted."""
        self.history = [{str(key): float(value) for key, value in row.items()} for row in state["history"]]
        self.best, self.waited = float(state["best"]), int(state["waited"])
        self._total, self._count = torch.tensor(float(state["total"]), dtype=torch.float64), int(state["count"])


def torch_runtime(network: torch.nn.Module, card: ModelCard, device: str) -> TorchRuntime:
    """A runtime with a copy of a network, as `vitruvian.load` would make it for the saved file."""
    where = device if device.startswith("cuda") else "cpu"
    return TorchRuntime(copy.deepcopy(network).float(), Path(LAST), card.input_size, EngineOptions(device=where))


def _lr(trainer: L.Trainer) -> float:
    """The highest learning rate of the parameter groups."""
    return max(float(group["lr"]) for group in trainer.optimizers[0].param_groups)


def _duration(seconds: float) -> str:
    """A duration in the largest unit of which there are two or more."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
