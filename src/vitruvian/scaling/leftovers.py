"""Files of partitions that no manifest names: of workers that ended, or were overtaken, before they could commit."""

from __future__ import annotations

from itertools import groupby

from ..datasets.batch_results import read_record
from ..stores import Store
from .plan import manifest_name
from .tables import FOLDERS


def remove_leftovers(store: Store) -> None:
    """Remove the files that no manifest names from the folder of a job whose partitions are all committed.

    Raises:
        InputError: the folder or a manifest can't be read.
        OutputError: a file can't be removed.
    """
    for folder in FOLDERS:
        for number, group in groupby(store.names(folder), _partition):
            names = [f"{folder}/{name}" for name in group]
            if number is None or len(names) == 1:
                continue
            named = set(read_record(store, manifest_name(number))["files"])
            for name in names:
                if name not in named and not named.isdisjoint(names):
                    store.remove(name)


def _partition(name: str) -> int | None:
    """The partition of a file such as part-000012-0a1b2c3d.parquet; None for a file of something else."""
    number = name.removeprefix("part-").split(".")[0].split("-")[0]
    return int(number) if name.startswith("part-") and number.isdecimal() else None
