"""State files of training, from which a run resumes: atomic writing, safe reading, and the number of threads.

A resumed run equals an unbroken one to the last bit only if sums have the same order. On a CPU the order depends on the
number of threads, since each of them sums a part, so the state has that number.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from ..checkpoints.unpickling import unpickle
from ..errors import InputError, ModelError, OutputError
from ..io import why_not_written, write_beside
from .settings import EARLIER_NAMES

logger = logging.getLogger("vitruvian")

_EARLIER_CALLBACKS = {"Rounds": "TrainingCallback", "SameSums": "ThreadCount"}

# What a state that somebody changed makes Python, PyTorch and Lightning raise.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)
_PARTS = {"epoch": int, "global_step": int, "loops": dict, "optimizer_states": list, "state_dict": dict}
# More would be of no use on any machine, and starting them may end the process.
_MOST_THREADS = 1024


def changed(path: str | os.PathLike[str], error: BaseException) -> InputError:
    """What is to be raised for a state that can be read, but isn't what a run wrote."""
    reason = next(iter(str(error).splitlines()), "")
    return InputError(
        f"{os.fspath(path)} is damaged, or was changed after a run wrote it ({type(error).__name__}: {reason}); "
        "train anew in another folder, from last.safetensors beside it (--set init=...) if that is whole"
    )


def _check_parts(state: dict[str, Any]) -> None:
    """Raises ValueError for a state without a part that Lightning would go on without."""
    for name, kind in _PARTS.items():
        if not isinstance(state.get(name), kind) or (kind is list and not state[name]):
            raise ValueError(f"its {name} is missing, or no {kind.__name__}")
    if not state["loops"].get("fit_loop"):
        raise ValueError("it doesn't say how far the run came")


def with_current_names(state: dict[str, Any]) -> dict[str, Any]:
    """A state with the current names of callbacks and settings, whichever version wrote it."""
    callbacks = state.get("callbacks")
    if not isinstance(callbacks, dict):
        return state
    callbacks = {_EARLIER_CALLBACKS.get(name, name): content for name, content in callbacks.items()}
    if "TrainingCallback" in callbacks:
        recipe = json.loads(callbacks["TrainingCallback"]["recipe"])
        recipe = {EARLIER_NAMES.get(name, name): value for name, value in recipe.items()}
        callbacks["TrainingCallback"] = {**callbacks["TrainingCallback"], "recipe": json.dumps(recipe)}
    return {**state, "callbacks": callbacks}


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoint files, replaced atomically, and read without running code from them.

    Args:
        check: raises an error for a state that doesn't belong to the run.
    """

    def __init__(self, check: Callable[[dict[str, Any]], None]) -> None:
        self._check = check

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state. Raises OutputError; the file is then unchanged."""
        try:
            write_beside(os.fspath(path), lambda stream: torch.save(checkpoint, stream))
        except (OSError, RuntimeError) as error:
            # torch's writer raises an error of its own; the system's, or Ctrl-C, is its cause.
            inner = error.__cause__ or error.__context__
            if isinstance(inner, KeyboardInterrupt):
                raise inner from None
            cause = next(
                (each for each in (error, inner) if isinstance(each, OSError)), OSError(str(error).splitlines()[0])
            )
            kept = " The state saved before is intact: free some space, and go on with --resume" * Path(path).is_file()
            raise OutputError(f"{why_not_written(os.fspath(path), cause)}.{kept}") from None

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state, with current names. Raises InputError for another file."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file, so there is nothing to resume from; leave out --resume")
        try:
            state: dict[str, Any] = unpickle(Path(path))
            if not isinstance(state, dict):
                raise InputError(f"{path} is no state of training: it holds something else")
            state = with_current_names(state)
            self._check(state)
            _check_parts(state)
        except ModelError as error:
            raise InputError(f"{path} is no state of training ({error})") from None
        except DAMAGE as error:
            raise changed(path, error) from None
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a state."""
        Path(path).unlink(missing_ok=True)


class ThreadCount(L.Callback):
    """Callback that restores a CPU run's number of threads, and warns where device, torch or instructions differ."""

    def __init__(self) -> None:
        self._device = "cpu"

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Store the type of the device; states are read after this."""
        self._device = trainer.strategy.root_device.type

    def state_dict(self) -> dict[str, Any]:
        """Everything that the order of sums depends on."""
        return {
            "threads": torch.get_num_threads(),
            "device": self._device,
            "torch": str(torch.__version__),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the number of threads; `restore_thread_count` resets it."""
        now = self.state_dict()
        names = [name for name in ("device", "torch", "instructions") if state[name] != now[name]]
        if names:
            changes = ", ".join(f"{name} was {state[name]}, is {now[name]}" for name in names)
            logger.warning("%s: the weights will not be those of an unbroken run to the last bit", changes)
        if not isinstance(state["threads"], int) or not 1 <= state["threads"] <= _MOST_THREADS:
            raise ValueError(f"{state['threads']!r} threads")
        if self._device == "cpu" and state["threads"] != now["threads"]:
            torch.set_num_threads(state["threads"])
            logger.info(
                "computing with %d threads, as before, instead of %d: sums depend on it in their last bits",
                state["threads"],
                now["threads"],
            )


@contextmanager
def restore_thread_count() -> Iterator[None]:
    """Context in which PyTorch's number of threads may change; it is reset at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
