"""Data loading: samples by key, their order over epochs and processes, and a loader that resumes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The epoch, the row of the data (a person or a picture), and the number of its copy in that epoch.
Key = tuple[int, int, int]

# After this many damaged pictures in a row, all of them are likely to be damaged.
_MOST_DAMAGED = 20

Item = TypeVar("Item")


class KeyedDataset(Dataset[Item], ABC):
    """Data set whose samples depend on their key and the seed alone."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows of the data."""

    @abstractmethod
    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> Item:
        """The sample of a key; it keeps the problems of the samples that it replaces. Raises InputError."""

    @abstractmethod
    def collate(self, samples: Sequence[Item]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3), ``targets``, ``names`` for messages, ``problems``."""

    def __getitem__(self, key: Key) -> Item:
        """The sample of a key; one with a damaged picture is replaced by that of the next row.

        Raises:
            InputError: twenty pictures in a row are damaged.
        """
        epoch, row, copy = key
        problems: list[str] = []
        for step in range(min(_MOST_DAMAGED, len(self))):
            try:
                return self.sample(epoch, (row + step) % len(self), copy, tuple(problems))
            except InputError as error:
                problems.append(str(error))
        raise InputError(f"{len(problems)} pictures in a row can't be read, such as: {problems[0]}")


class BatchOrder(Sampler[list[Key]]):
    """Sampler of the keys of each batch, in an order that depends on the seed and the epoch.

    All processes together take the same batches as one process with their total batch size. The last batch is filled
    with keys from the epoch's start, so that all batches have one size.

    Args:
        copies: float (T,), how often an epoch has each row of the data; a fraction is a probability.
        batch: batch size of one process.
        seed: the random seed.
        rank, world: number of this process, and number of processes.
        shuffle: shuffle the rows; otherwise they keep the order of the data.
    """

    def __init__(
        self,
        copies: NDArray[np.float64],
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        shuffle: bool = True,
    ) -> None:
        self.copies = copies
        self.batch = batch
        self.seed = seed
        self.rank = rank
        self.world = world
        self.shuffle = shuffle
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return max(1, -int(-self.copies.sum() // (self.batch * self.world)))

    def set_epoch(self, epoch: int) -> None:
        """Start this epoch, unless it has started already."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def __iter__(self) -> Iterator[list[Key]]:
        keys = self.keys(self.epoch)
        whole = self.batch * self.world
        for number in range(self.start, len(self)):
            first = number * whole + self.rank * self.batch
            yield [(self.epoch, row, copy) for row, copy in keys[first : first + self.batch].tolist()]

    def keys(self, epoch: int) -> NDArray[np.int64]:
        """Rows and copies (len * batch * world, 2) of an epoch, for all processes."""
        rng = np.random.default_rng((self.seed, epoch))
        # Cumulative copies in a random order are rounded, so that their total isn't random.
        order = rng.permutation(len(self.copies))
        ends = np.floor(np.cumsum(self.copies[order]) + rng.random()).astype(np.int64)
        counts = np.zeros(len(order), np.int64)
        counts[order] = np.diff(ends, prepend=0)
        if not counts.any():
            counts[:] = 1
        rows = np.repeat(np.arange(len(counts)), counts)
        copies = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        keys = np.stack([rows, copies], axis=1)
        if self.shuffle:
            rng.shuffle(keys)
        return np.resize(keys, (len(self) * self.batch * self.world, 2))


class ResumableLoader(DataLoader[Any]):
    """Data loader whose state is its place in the epoch, so that a run resumes there.

    Args:
        samples: the data set.
        batches: the keys of each batch.
        workers: number of worker processes; 0 makes samples in this process.
        pin: use pinned memory, from which GPUs copy faster.
    """

    def __init__(self, samples: KeyedDataset[Any], batches: BatchOrder, workers: int, pin: bool = False) -> None:
        super().__init__(
            samples,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=samples.collate,
            persistent_workers=workers > 0,
            pin_memory=pin,
            prefetch_factor=4 if workers else None,
        )
        self.batches = batches
        self._given = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        if self.num_workers:
            import cv2

            # Workers are forked, and forks have no threads of OpenCV.
            cv2.setNumThreads(1)
        self._given = self.batches.start
        for batch in super().__iter__():
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch, and the number of its batches that were given out."""
        if self._given >= len(self.batches):
            return {"epoch": self.batches.epoch + 1, "given": 0}
        return {"epoch": self.batches.epoch, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume at a place in an epoch."""
        self.batches.epoch, self.batches.start = state["epoch"], state["given"]
        self._given = state["given"]
