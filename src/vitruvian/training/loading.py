"""In which order samples come, on one process or many, and again after a break."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# An epoch, a row of the data (a person or a picture), and which of its copies in that epoch.
Key = tuple[int, int, int]

# After so many damaged pictures in a row it isn't a damaged picture.
_MOST_DAMAGED = 20

Item = TypeVar("Item")


class KeyedSamples(Dataset[Item], ABC):
    """Samples that depend on their key, and on the seed, alone."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows the data have."""

    @abstractmethod
    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> Item:
        """The sample of a key, which keeps what was wrong with those that it stands in for. Raises InputError."""

    @abstractmethod
    def collate(self, samples: Sequence[Item]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3), ``targets``, ``names`` for messages, ``problems`` of its samples."""

    def __getitem__(self, key: Key) -> Item:
        """The sample of an epoch and a row; one whose picture is damaged is replaced by the next row's.

        Raises:
            InputError: twenty in a row are damaged.
        """
        epoch, row, copy = key
        problems: list[str] = []
        for step in range(min(_MOST_DAMAGED, len(self))):
            try:
                return self.sample(epoch, (row + step) % len(self), copy, tuple(problems))
            except InputError as error:
                problems.append(str(error))
        raise InputError(f"{len(problems)} pictures in a row can't be read, such as: {problems[0]}")


class Batches(Sampler[list[Key]]):
    """The keys of each batch of an epoch, in an order that the seed and the epoch decide.

    All processes together take the batches that one process with a batch as large as theirs together would take. The
    last batch is filled up from the epoch's start, so that every batch counts as much.

    Args:
        copies: float (T,), how often each row of the data comes in an epoch; a fraction by chance.
        batch: samples a batch, of one process.
        seed: what chance starts from.
        rank, world: which process this is, and of how many.
        shuffle: without it the order is that of the data.
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
        """Begin this epoch, unless it has begun already."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def __iter__(self) -> Iterator[list[Key]]:
        keys = self.keys(self.epoch)
        whole = self.batch * self.world
        for number in range(self.start, len(self)):
            first = number * whole + self.rank * self.batch
            yield [(self.epoch, row, copy) for row, copy in keys[first : first + self.batch].tolist()]

    def keys(self, epoch: int) -> NDArray[np.int64]:
        """The rows and copies (len * batch * world, 2) of an epoch, of all processes."""
        rng = np.random.default_rng((self.seed, epoch))
        # Along a random order one counter goes up by each row's copies, so that their sum isn't left to chance.
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


class Loader(DataLoader[Any]):
    """Batches from worker processes; it knows where it is, so that training can go on there.

    Args:
        samples: what batches are made of.
        batches: their order.
        workers: processes that make samples; 0 makes them in this one.
        pin: use memory from which GPUs copy faster.
    """

    def __init__(self, samples: KeyedSamples[Any], batches: Batches, workers: int, pin: bool = False) -> None:
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

            # Workers are forked, and OpenCV's threads, had it any, would not be there for them.
            cv2.setNumThreads(1)
        self._given = self.batches.start
        for batch in super().__iter__():
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its batches were given."""
        if self._given >= len(self.batches):
            return {"epoch": self.batches.epoch + 1, "given": 0}
        return {"epoch": self.batches.epoch, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on there."""
        self.batches.epoch, self.batches.start = state["epoch"], state["given"]
        self._given = state["given"]
