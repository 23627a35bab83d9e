"""What a broken run goes on from: Lightning's state of training, in one file that is always whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from ..errors import InputError, OutputError
from ..media.files import why_not_written, write_beside


class WholeFiles(CheckpointIO):
    """Files that replace older ones once they are complete, and whose reading runs no code of theirs."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a state. Raises OutputError; the older one is then still there."""
        try:
            write_beside(os.fspath(path), lambda stream: torch.save(checkpoint, stream))
        except (OSError, RuntimeError) as error:
            # torch's own writer wraps what the disk says.
            cause = error if isinstance(error, OSError) else OSError(str(error).splitlines()[0])
            kept = " What was saved before is whole: free some space, and go on with --resume" * Path(path).is_file()
            raise OutputError(f"{why_not_written(os.fspath(path), cause)}.{kept}") from None

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state. Raises InputError for a file that is none."""
        try:
            state: dict[str, Any] = torch.load(path, map_location=map_location or "cpu", weights_only=True)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file, so there is nothing to go on from; leave out --resume") from None
        except Exception as error:  # damage raises anything at all
            raise InputError(f"{path} is no state of training ({str(error).splitlines()[0]})") from None
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a state."""
        Path(path).unlink(missing_ok=True)
