"""What a broken run goes on from: Lightning's state of training, in one file that is always whole.

Every step continues the one before to the last bit only if sums are made in the same order, and on a CPU that order
follows from the number of threads: each of them sums up a part. So that number belongs to the state.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from ..errors import InputError, ModelError, OutputError
from ..media.files import why_not_written, write_beside
from ..zoo.unpickling import unpickle

logger = logging.getLogger("vitruvian")


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


class WholeFiles(CheckpointIO):
    """Files that replace older ones once they are complete, and whose reading runs no code of theirs.

    Args:
        check: raises what is wrong with a state that was read.
    """

    def __init__(self, check: Callable[[dict[str, Any]], None]) -> None:
        self._check = check

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state. Raises OutputError; the older one is then still there."""
        try:
            write_beside(os.fspath(path), lambda stream: torch.save(checkpoint, stream))
        except (OSError, RuntimeError) as error:
            # torch's own writer complains of its own place in the file, and only then of what the disk says.
            said = error.__cause__ or error.__context__
            cause = next(
                (each for each in (error, said) if isinstance(each, OSError)), OSError(str(error).splitlines()[0])
            )
            kept = " What was saved before is whole: free some space, and go on with --resume" * Path(path).is_file()
            raise OutputError(f"{why_not_written(os.fspath(path), cause)}.{kept}") from None

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state. Raises InputError for a file that is none."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file, so there is nothing to go on from; leave out --resume")
        try:
            state: dict[str, Any] = unpickle(Path(path))
            if not isinstance(state, dict):
                raise InputError(f"{path} is no state of training: it holds something else")
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


class SameSums(L.Callback):
    """A run that goes on sums up as it did before: on a CPU with as many threads; what else differs is said."""

    def __init__(self) -> None:
        self._device = "cpu"

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Note what computes; states are read after this."""
        self._device = trainer.strategy.root_device.type

    def state_dict(self) -> dict[str, Any]:
        """What the order of sums follows from."""
        return {
            "threads": torch.get_num_threads(),
            "device": self._device,
            "torch": str(torch.__version__),
            "instructions": torch.backends.cpu.get_cpu_capability(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the number of threads; `own_threads` gives it back."""
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
def own_threads() -> Iterator[None]:
    """Whatever happens to PyTorch's number of threads, it is what it was afterwards."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
