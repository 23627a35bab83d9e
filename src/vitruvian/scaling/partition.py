"""The work on one partition: its pictures decoded, their poses estimated, its rows written and committed."""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..datasets.batch_results import BatchResults, read_record
from ..errors import InputError, ModelError, OutputError, VitruvianError
from ..io import as_text
from ..pictures.memory import BYTES_AHEAD, held_by
from ..pipeline import TopDown, batches
from ..poses import Poses
from ..stores import Store, StoreError, is_address
from .decoding import Decoded, Tasks, decode_ahead
from .entries import Entry, ItemError, entries_of
from .options import BatchOptions
from .plan import manifest_name, read_partition
from .sources import Item
from .tables import Rows, encoded_in, item_of
from .videos import Segment, local_video

if TYPE_CHECKING:
    from ..datasets.batch_tables import BatchPicture

# So many inputs that a store failed on, or all there are, and half of the pictures mean that the store is down.
_STORE_DOWN = 4
# The part of a partition's files that, if they are missing, means that the machine has not the disk of the inputs.
_MISSING = 0.9
# Seconds until the few pictures that a store failed on are tried again, before their partition is written.
WAITS = (2.0, 10.0, 30.0)


class StoreDown(VitruvianError):
    """A store failed for most pictures of a partition, or for its rows: it is to be tried again later."""


class InputsMissing(VitruvianError):
    """This machine has nearly none of a partition's inputs, which others may have."""


@dataclass(frozen=True)
class Attempt:
    """One try at a partition.

    Args:
        partition: its number.
        careful: picture by picture, telling each before it is begun: a worker was lost with this partition.
        set_aside: the pictures (item, place) that ended workers, and the reason that becomes their row.
        lenient: pictures that a store fails on become rows.
        elsewhere: there are other machines that may have the inputs if this one has not.
        retry: only pictures that failed are read; the other rows stay, and rows that would become worse.
    """

    partition: int
    careful: bool = False
    set_aside: Mapping[tuple[int, int], str] = field(default_factory=dict)
    lenient: bool = False
    elsewhere: bool = False
    retry: bool = False


# Told before a picture is begun: its item and its place.
Begin = Callable[[int, int], object]


@dataclass(frozen=True)
class PartitionWork:
    """What a worker does with each partition.

    Args:
        model: finds persons and their keypoints.
        options: of the job.
        output: the job's folder.
        tasks: where pictures are decoded.
        ahead: bytes of decoded pictures that may wait.
        cwd: folder that relative paths are taken from.
        metadata: of the tables' schemas.
    """

    model: TopDown
    options: BatchOptions
    output: Store
    tasks: Tasks
    ahead: int
    cwd: str
    metadata: Mapping[str, Any]

    def run(self, attempt: Attempt, begin: Begin | None = None) -> dict[str, Any]:
        """Do a partition and commit it: its files are written first, then the manifest that names them.

        Files of different tries have different names, so that a manifest always names those of one try. A partition
        that is committed, by a worker that was lost before it could say so, is left as it is.

        Args:
            attempt: the partition, and how it is done.
            begin: called before each picture, with `Attempt.careful`.

        Returns:
            The manifest.

        Raises:
            InputsMissing: nothing is committed, as files aren't on this machine; with `Attempt.elsewhere` only.
            StoreDown: nothing is committed, as most pictures can't be fetched, or the store of the rows fails.
            ModelError: an engine fails.
            OutputError: the rows can't be written.
        """
        try:
            return self._run(attempt, begin)
        except (StoreError, OutputError) as error:
            if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
                raise StoreDown(str(error)) from None
            raise

    def _run(self, attempt: Attempt, begin: Begin | None) -> dict[str, Any]:
        started = time.perf_counter()
        name = manifest_name(attempt.partition)
        manifest = self.output.read(name)
        if manifest is not None and not attempt.retry:
            return read_record(self.output, name)
        items = list(enumerate(read_partition(self.output, attempt.partition)))
        rows = Rows(attempt.partition, self.model.pose.skeleton)
        wanted: dict[int, set[str]] | None = None
        before = None if manifest is None else self._before(attempt.partition)
        if before is not None:
            failed = [one for one in before.pictures if one.error is not None]
            rows.pictures, wanted = _without(failed, before.pictures, dict(items))
        walk = _Walk(self, attempt, rows, begin if attempt.careful else None, items, wanted)
        walk.over()
        if attempt.elsewhere and len(walk.missing) > _MISSING * len(walk.items):
            raise InputsMissing(f"{len(walk.missing)} of {len(walk.items)} files aren't there")
        for wait in WAITS:
            if not walk.passing or walk.store_is_down:
                break
            time.sleep(wait)
            walk.again()
        if walk.store_is_down and not attempt.lenient:
            raise StoreDown(next(iter(walk.passing.values())))
        if before is not None:
            _take_over(rows, before)
        rows.sort()
        return self._commit(rows, manifest, time.perf_counter() - started)

    def _before(self, partition: int) -> Rows:
        """The rows of a committed partition."""
        results = BatchResults(self.output.root)
        rows = Rows(partition, self.model.pose.skeleton)
        rows.pictures = results.pictures(partition)
        for name in results.manifest(partition)["files"] if self.options.format == "webdataset" else ():
            rows.encoded |= encoded_in(self.output.read(name) or b"")
        return rows

    def _commit(self, rows: Rows, before: bytes | None, seconds: float) -> dict[str, Any]:
        """Write files and manifest; `before` is the manifest that is replaced."""
        number, name_of_manifest = rows.partition, manifest_name(rows.partition)
        files = rows.files(self.options.format, self.metadata, uuid.uuid4().hex[:8])
        for name, data in files.items():
            self.output.write(name, data)
        done = {
            "version": 1,
            "partition": number,
            "files": {name: len(data) for name, data in files.items()},
            "seconds": round(seconds, 3),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            **rows.summary(),
        }
        now = self.output.read(name_of_manifest)
        if now is not None and now != before:
            # Another worker was faster: this one counted as lost.
            self._remove(files)
            return read_record(self.output, name_of_manifest)
        self.output.write(name_of_manifest, json.dumps(done).encode())
        if before is not None:
            self._remove(json.loads(before)["files"])
        return done

    def _remove(self, names: Iterable[str]) -> None:
        """Remove files that no manifest names; those that stay are removed when the job ends."""
        for name in names:
            with suppress(OutputError):
                self.output.remove(name)


def _take_over(rows: Rows, before: Rows) -> None:
    """Take over what was kept of the rows before, and all rows of items that have fewer good ones now."""

    def good(pictures: Sequence[BatchPicture]) -> Counter[int]:
        return Counter(item_of(one.picture) for one in pictures if one.error is None)

    had, has = good(before.pictures), good(rows.pictures)
    worse = {item for item in had if has[item] < had[item]}
    new = {number: data for number, data in rows.encoded.items() if item_of(number) not in worse}
    rows.encoded = before.encoded | new
    rows.pictures = [one for one in rows.pictures if item_of(one.picture) not in worse]
    rows.pictures += [one for one in before.pictures if item_of(one.picture) in worse]


def _without(
    failed: Sequence[BatchPicture], rows: Sequence[BatchPicture], items: Mapping[int, Item]
) -> tuple[list[BatchPicture], dict[int, set[str]]]:
    """The rows that stay when the failed ones are to be tried again, and the names of these by their item."""
    names: dict[int, set[str]] = {}
    for one in failed:
        names.setdefault(item_of(one.picture), set()).add(one.source)

    def stays(one: BatchPicture) -> bool:
        number = item_of(one.picture)
        if number not in names:
            return True
        # An error of the file itself: what follows in it is unknown.
        return as_text(items[number].path) not in names[number] and one.source not in names[number]

    return [one for one in rows if stays(one)], names


class _Walk:
    """The way through one partition's items.

    Attributes:
        items: the items by their numbers; with `wanted` those of them that have any.
        passing: why a store failed on pictures, by their numbers.
        missing: items whose file isn't on this machine.
    """

    def __init__(
        self,
        work: PartitionWork,
        attempt: Attempt,
        rows: Rows,
        begin: Begin | None,
        items: Sequence[tuple[int, Item]],
        wanted: Mapping[int, set[str]] | None,
    ) -> None:
        self.work = work
        self.attempt = attempt
        self.rows = rows
        self.begin = begin
        self.items = {number: item for number, item in items if wanted is None or number in wanted}
        self.wanted = wanted
        self.passing: dict[int, str] = {}
        self.missing: set[int] = set()

    @property
    def store_is_down(self) -> bool:
        """Whether a store failed on most of the pictures, or on a file with many."""
        failed = [self.items[number] for number in {item_of(picture) for picture in self.passing}]
        if not failed:
            return False
        if any(item.kind in ("shard", "rows") for item in failed):
            return True
        most = 2 * sum(item.weight for item in failed) >= sum(item.weight for item in self.items.values())
        return most and len(failed) >= min(_STORE_DOWN, len(self.items))

    def over(self) -> None:
        """Do the items, or those of them that are wanted."""
        chosen = [pair for pair in self.items.items() if self.wanted is None or pair[0] in self.wanted]
        for is_video, group in itertools.groupby(chosen, lambda pair: pair[1].kind == "video"):
            if is_video:
                for number, item in group:
                    self.video(number, item)
            else:
                self.pictures(group)

    def again(self) -> None:
        """Do once more what a store failed on."""
        rows = self.rows.pictures
        failed = [one for one in rows if one.picture in self.passing]
        self.rows.pictures, self.wanted = _without(failed, rows, self.items)
        self.passing = {}
        self.over()

    def pictures(self, items: Iterator[tuple[int, Item]]) -> None:
        """The pictures of consecutive items that are no videos."""
        work = self.work
        found = decode_ahead(self._entries(items), work.tasks, work.ahead)
        at_once = 1 if self.begin is not None else work.options.batch
        for batch in batches(found, at_once, enough=lambda batch: held_by(batch) >= BYTES_AHEAD):
            self._estimate(batch)

    def _entries(self, items: Iterator[tuple[int, Item]]) -> Iterator[Entry]:
        for number, item in items:
            names = None if self.wanted is None else self.wanted[number]
            # An error of the file itself: all of it is wanted.
            if names is not None and as_text(item.path) in names:
                names = None
            place = 0
            try:
                for entry in entries_of(number, item, self.work.cwd):
                    place = entry.place + 1
                    if names is not None and as_text(entry.name) not in names:
                        continue
                    reason = self.attempt.set_aside.get((number, entry.place))
                    if reason is not None:
                        self._fail(number, entry.place, entry.name, f"{entry.name}: {reason}")
                        continue
                    yield entry
            except (ItemError, StoreError) as error:
                self._fail(number, place, item.path, str(error), passing=isinstance(error, StoreError))
                self._note_missing(number, item)

    def _note_missing(self, number: int, item: Item) -> None:
        if not is_address(item.path) and not os.path.exists(os.path.join(self.work.cwd, item.path)):
            self.missing.add(number)

    def _estimate(self, batch: list[Decoded]) -> None:
        for done in batch:
            if done.image is None:
                self._fail(done.entry.item, done.entry.place, done.entry.name, done.error or "", done.passing)
                if done.missing:
                    self.missing.add(done.entry.item)
        good = [done for done in batch if done.image is not None]
        if not good:
            return
        if self.begin is not None:
            self.begin(good[0].entry.item, good[0].entry.place)
        try:
            found = self._poses(good)
        except ModelError:
            raise
        except Exception:
            # One by one, so that only the pictures fail that do.
            for done in good:
                self._alone(done)
            return
        for done, poses in zip(good, found, strict=True):
            self._add(done, poses)

    def _poses(self, good: list[Decoded]) -> list[Poses]:
        return self.work.model([done.image for done in good if done.image is not None])

    def _alone(self, done: Decoded) -> None:
        try:
            (poses,) = self._poses([done])
        except ModelError:
            raise
        except Exception as error:  # engines raise classes of their own
            entry = done.entry
            reason = f"{entry.name}: its poses can't be estimated: {type(error).__name__}: {error}"
            self._fail(entry.item, entry.place, entry.name, reason)
            return
        self._add(done, poses)

    def _add(self, done: Decoded, poses: Poses) -> None:
        assert done.image is not None
        entry, (height, width) = done.entry, done.image.shape[:2]
        number = self.rows.add(entry.item, entry.place, entry.name, (width, height), poses)
        if done.encoded is not None:
            self.rows.encoded[number] = done.encoded

    def _fail(self, item: int, place: int, name: str, error: str, passing: bool = False) -> None:
        number = self.rows.add(item, place, name, None, None, error)
        if passing:
            self.passing[number] = error

    def video(self, number: int, item: Item) -> None:
        """The frames of a video, tracked if the options say so."""
        work, place = self.work, 0
        reason = self.attempt.set_aside.get((number, 0))
        if reason is not None:
            self._fail(number, 0, item.path, f"{item.path}: {reason}")
            return
        if self.begin is not None:
            self.begin(number, 0)
        path = item.path if is_address(item.path) else os.path.join(work.cwd, item.path)
        try:
            with local_video(path) as file:
                options = work.options
                source = Segment(file, item.path, item.first, item.last, options.stride)
                with closing(work.model.frames(source, options.track, options.smooth)) as frames:
                    for frame, poses in frames:
                        self.rows.add(number, place, item.path, frame.size, poses, None, frame.index, frame.time)
                        place += 1
                for problem in source.problems:
                    self._fail(number, place, item.path, problem)
                    place += 1
        except ModelError:
            raise
        except InputError as error:
            self._fail(number, place, item.path, str(error), passing=isinstance(error, StoreError))
            self._note_missing(number, item)
        except Exception as error:  # engines raise classes of their own
            self._fail(number, place, item.path, f"{item.path}: {type(error).__name__}: {error}")
