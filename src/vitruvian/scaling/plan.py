"""The plan of a job: its inputs, divided into numbered partitions, each a file that a worker reads."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterable, Iterator

from ..datasets.batch_results import DONE
from ..errors import InputError, VitruvianError
from ..stores import Store
from .sources import Item

PLAN = "plan"
_COMPLETE = f"{PLAN}/complete.json"
_WAIT = 0.1
MOST_PARTITIONS = 2**22
"""Partitions of a job; with more pictures a larger partition is needed."""


def divided(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Consecutive items whose weights add up to `size` pictures or, where an item weighs more, that item alone."""
    part: list[Item] = []
    weight = 0
    for item in items:
        if part and weight + item.weight > size:
            yield part
            part, weight = [], 0
        part.append(item)
        weight += item.weight
    if part:
        yield part


def partition_name(number: int) -> str:
    """The file of a partition's inputs."""
    return f"{PLAN}/part-{number:06d}.jsonl.gz"


def manifest_name(number: int) -> str:
    """The file that is there when a partition is done."""
    return f"{DONE}/part-{number:06d}.json"


def write_partition(store: Store, number: int, items: Iterable[Item]) -> None:
    """Write a partition's inputs, or check those that were written.

    Raises:
        InputError: the listing has changed since it was interrupted.
        OutputError: it can't be written.
    """
    text = "".join(f"{item.to_json()}\n" for item in items)
    # Without a time in it, the same inputs are the same bytes.
    data = gzip.compress(text.encode(errors="surrogateescape"), 6, mtime=0)
    name = partition_name(number)
    before = store.read(name)
    if before is None:
        store.write(name, data)
    elif gzip.decompress(before) != gzip.decompress(data):
        raise InputError(
            f"{store.path(name)}: the inputs were being listed when the job was interrupted, and have changed since: "
            "start again in another folder"
        )


def read_partition(store: Store, number: int) -> list[Item]:
    """The inputs of a partition. Raises InputError."""
    name = partition_name(number)
    data = store.read(name)
    if data is None:
        raise InputError(f"{store.path(name)} is missing; start the job again in another folder")
    try:
        text = gzip.decompress(data).decode(errors="surrogateescape")
        return [Item.from_json(line) for line in text.splitlines()]
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise InputError(f"{store.path(name)} is damaged ({error}); start the job again in another folder") from None


class Plan:
    """Partitions that are still to be done, in order, while the inputs are still being listed.

    Memory is a byte for each partition; inputs are only in the files.

    Args:
        store: the job's folder.
        items: the inputs; a complete plan in the folder is taken instead.
        size: pictures of a partition.

    Attributes:
        partitions: how many there are so far.
        pictures: how many pictures are expected in them.
        complete: whether all inputs were listed.
    """

    def __init__(self, store: Store, items: Iterable[Item], size: int) -> None:
        self.partitions = 0
        self.pictures = 0
        self.complete = False
        self._store = store
        self._items = items
        self._size = size
        self._next = 0
        self._done = bytearray()
        for name in store.names(DONE):
            self.mark(int(name[5:-5]))
        self._error: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._list, name="vitruvian-plan", daemon=True)
        before = store.read(_COMPLETE)
        if before is not None:
            counts = json.loads(before)
            self.partitions, self.pictures, self.complete = counts["partitions"], counts["pictures"], True

    def start(self) -> None:
        """Begin to list the inputs on a thread, unless they were."""
        if not self.complete:
            self._thread.start()

    def wait(self) -> None:
        """Wait until there is a partition, or the end of the inputs. Raises as `check`."""
        while not (self.partitions or self.complete):
            self.check()
            self._thread.join(_WAIT)

    def stop(self) -> None:
        """End the listing."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def mark(self, number: int) -> None:
        """Note that a partition is done."""
        if number >= len(self._done):
            self._done.extend(bytes(max(1024, number + 1 - len(self._done))))
        self._done[number] = 1

    def done(self, number: int) -> bool:
        """Whether a partition is done."""
        return number < len(self._done) and bool(self._done[number])

    @property
    def left(self) -> int:
        """How many of the partitions so far aren't done."""
        return self.partitions - self._done.count(1, 0, self.partitions)

    def take(self) -> int | None:
        """The next partition to do; None if there is none, or none yet (see `complete`)."""
        while self._next < self.partitions:
            number, self._next = self._next, self._next + 1
            if not self.done(number):
                return number
        return None

    def check(self) -> None:
        """Raise what ended the listing, once all that was listed before is done.

        Raises:
            InputError: the inputs can't be listed.
            OutputError: the plan can't be written.
        """
        if self._error is not None and not self.left:
            raise self._error

    def _list(self) -> None:
        try:
            for number, items in enumerate(divided(self._items, self._size)):
                if self._stopped.is_set():
                    return
                if number >= MOST_PARTITIONS:
                    raise InputError(f"more than {MOST_PARTITIONS:,} partitions: make them larger (--partition)")
                write_partition(self._store, number, items)
                self.pictures += sum(item.weight for item in items)
                self.partitions = number + 1
            counts = {"partitions": self.partitions, "pictures": self.pictures}
            self._store.write(_COMPLETE, json.dumps(counts).encode())
            self.complete = True
        except (VitruvianError, OSError, ValueError) as error:
            self._error = error
        except BaseException as error:
            self._error = VitruvianError(f"the inputs can't be listed: {type(error).__name__}: {error}")
