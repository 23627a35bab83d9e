"""The process that reads mutated files: within limits of memory, and watched for what it touches.

    python child.py FOLDER BASE FIRST END [KIND]

reads the cases FIRST to END of the series BASE, of all kinds or of one, and prints a line of JSON before and after
each.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from random import Random

MEMORY = 1024 * 2**20
"""Bytes that a case may take beside what the program itself has."""

# What no reader of files has any business with; the second group changes files.
_FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pty.")
_CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "shutil.",
)


class Watch:
    """Notes what is forbidden while a case runs (PEP 578)."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)) or set(str(mode or "")) & set(
                "wax+"
            )
            if writes and self._outside(path):
                self.seen.append(f"open {path}")
        elif event.startswith(_FORBIDDEN) or (event.startswith(_CHANGES) and self._outside(arguments[0])):
            self.seen.append(f"{event} {arguments[:2]}")

    def _outside(self, path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        return not os.path.abspath(os.fsdecode(path)).startswith((self.folder, os.devnull))


def limit_memory() -> None:
    """From here on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))


def main(folder: Path, base: str, first: int, end: int, only: str = "") -> None:
    """Run the cases."""
    import torch
    from mutating import mutated
    from reading import READERS
    from seeds import all_seeds

    from vitruvian import VitruvianError

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what engines print is no answer
    seeds = {kind: some for kind, some in all_seeds(folder).items() if only in ("", kind)}
    for kind, some in seeds.items():
        for seed in some:
            _read_whole(READERS[kind], folder / seed.name, seed.wrap(seed.data), VitruvianError)
    watch = Watch(folder)
    limit_memory()
    kinds = list(seeds)
    for number in range(first, end):
        kind = kinds[number % len(kinds)]
        rng = Random(f"{base} {number}")
        seed = rng.choice(seeds[kind])
        path = folder / seed.name
        path.write_bytes(seed.wrap(mutated(seed.data, rng)))
        answers.write(json.dumps({"begun": number, "kind": kind, "file": seed.name}) + "\n")
        watch.seen.clear()
        watch.on = True
        result, text = "read", ""
        try:
            READERS[kind](path)
        except VitruvianError as error:
            result, text = "error", str(error)
        except BaseException:
            result, text = "fault", traceback.format_exc()
        watch.on = False
        if watch.seen:
            result, text = "fault", f"it touched {watch.seen[:3]}"
        answers.write(json.dumps({"ended": number, "result": result, "text": text[-3000:]}) + "\n")


def _read_whole(read, path: Path, data: bytes, errors: type[Exception]) -> None:
    """Whole files are read once before anything is limited or watched: all that is loaded late is then there."""
    path.write_bytes(data)
    with suppress(errors):  # checkpoints of no network that is known
        read(path)
    path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
