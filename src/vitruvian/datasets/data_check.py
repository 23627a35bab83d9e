"""Checks of a data set before training: what it has, missing pictures, odd boxes and keypoints, names without pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..media import read_image
from ..runtimes import usable_cores
from ..skeletons import Skeleton
from .annotations import Annotations
from .persons import DataSource, picture_files
from .reading import read_annotations, unreadable_note
from .skeletons import completed, from_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 5
# Annotators draw boxes by eye, so keypoints may lie this many pixels outside.
_MARGIN = 2.0


@dataclass(frozen=True)
class Finding:
    """A problem, or something that looks like one.

    Args:
        what: its description.
        count: number of places; 0 for a remark about the whole data set.
        where: the first few places.
        error: the pictures aren't those that were annotated; otherwise it may be meant, and is for someone to look at.
    """

    what: str
    count: int = 0
    where: tuple[str, ...] = ()
    error: bool = False

    def __str__(self) -> str:
        more = " ..." if self.count > len(self.where) else ""
        return f"{f'{self.count} ' * bool(self.count)}{self.what}{': ' * bool(self.where)}{', '.join(self.where)}{more}"


@dataclass(frozen=True, eq=False)
class DataReport:
    """What a data set has, and what was found in it.

    Args:
        truth: the annotations.
        skeleton: their keypoints, with the flip pairs and sigmas that training takes.
        findings: problems, and what looks like one.
    """

    truth: Annotations
    skeleton: Skeleton
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> str:
        """Numbers of pictures and of annotated objects, in words."""
        counted, crowds = int(self.truth.counted.sum()), int(self.truth.crowd.sum())
        without = len(self.truth) - counted - crowds
        more = f", {without} without keypoints" * bool(without) + f", {_number(crowds, 'crowd')}" * bool(crowds)
        return f"{_number(len(self.truth.images), 'picture')}, {_number(counted, 'object')} with keypoints{more}"

    @property
    def summary(self) -> list[str]:
        """Keypoints, flip pairs and sigmas, a line each."""
        names, sigmas = self.skeleton.keypoints, [f"{sigma:g}" for sigma in self.skeleton.sigmas]
        pairs = [f"{names[first]} / {names[second]}" for first, second in self.skeleton.flip_pairs]
        return [
            f"{_number(len(names), 'keypoint')}: {', '.join(names)}",
            f"flip pairs: {', '.join(pairs) or 'none'}",
            f"sigmas: {', '.join(sigmas if len(set(sigmas)) > 1 else sigmas[:1])}",
        ]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def check(
    source: DataSource, decode: bool = True, progress: Callable[[int, int], object] | None = None
) -> list[Finding]:
    """Check a data set; an empty list means that nothing was found. Arguments and errors are those of `examine`."""
    return [*examine(source, None, decode, progress).findings]


def examine(
    source: DataSource,
    skeleton: str | os.PathLike[str] | None = None,
    decode: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> DataReport:
    """Check a data set, and say what it has.

    Args:
        source: annotations and pictures.
        skeleton: a YAML file that completes or replaces the annotations' skeleton, see `read_skeleton`.
        decode: also decode every picture, which finds damaged ones and sizes that differ from the annotations.
        progress: called with the number of pictures read and their total.

    Raises:
        InputError: the annotations or the skeleton can't be read, or have different numbers of keypoints.
    """
    truth = read_annotations(source.annotations, split=source.split)
    paths = picture_files(source, truth)
    settled, _ = completed(from_file(skeleton, truth.skeleton))
    notes = [note for note in truth.notes if note != unreadable_note(truth.unreadable)]
    found = [*map(Finding, notes), *_objects(truth, settled), *_names(settled, given=skeleton is not None)]
    files = dict(zip(truth.images, map(Path, paths), strict=True))
    names = {number: str(record["file_name"]) for number, record in truth.images.items()}
    present = {number: path for number, path in files.items() if path.is_file()}
    left_out = {name: Path(source.folder, name).is_file() for name in truth.unreadable}
    missing = [names[number] for number in files if number not in present]
    missing += [name for name, there in left_out.items() if not there]
    found += _finding("pictures are missing", missing, error=True)
    empty = sorted(set(truth.images) - set(truth.image_ids[truth.counted].tolist()))
    found += _finding("pictures have no object with keypoints", [names[number] for number in empty])
    damaged = [name for name, there in left_out.items() if there]
    if decode:
        found += _pictures(truth, present, damaged, progress)
    else:
        found += _finding("pictures can't be read", damaged, error=True)
    return DataReport(truth, settled, tuple(found))


def _finding(what: str, places: Sequence[str], error: bool = False) -> Iterator[Finding]:
    if places:
        yield Finding(what, len(places), tuple(places[:_SHOWN]), error)


def _objects(truth: Annotations, skeleton: Skeleton) -> Iterator[Finding]:
    boxes, labelled = truth.boxes, truth.keypoints[..., 2] > 0
    points = truth.keypoints[..., :2]
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    sides = np.array([_stated(truth, number) for number in truth.image_ids.tolist()], float).reshape(-1, 2)
    counted = truth.counted

    def rows(what: str, wrong: NDArray[np.bool_] | np.bool_) -> Iterable[Finding]:
        return _finding(what, [truth.place(row) for row in np.flatnonzero(wrong & counted).tolist()])

    yield from rows("boxes have no area", ~(boxes[:, 2:] > 0).all(axis=1))
    outside = (boxes[:, :2] < -1).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] > sides + 1).any(axis=1)
    yield from rows("boxes reach out of their picture", outside)
    strays = labelled & ((points < low - _MARGIN) | (points > high + _MARGIN)).any(axis=2)
    yield from rows("objects have keypoints outside of their box", strays.any(axis=1))
    lost = labelled & ((points < -1) | (points > sides[:, None] + 1)).any(axis=2)
    yield from rows("objects have keypoints outside of the picture", lost.any(axis=1))
    never = ~labelled[counted].any(axis=0)
    yield from _finding("keypoints are never labelled", [skeleton.keypoints[k] for k in np.flatnonzero(never)])


def _stated(truth: Annotations, number: int) -> tuple[float, float]:
    """Width and height of a picture as annotated; infinite where unknown."""
    record = truth.images[number]
    width, height = record.get("width"), record.get("height")
    known = isinstance(width, (int, float)) and isinstance(height, (int, float))
    return (float(width), float(height)) if known and width and height else (np.inf, np.inf)


def _names(skeleton: Skeleton, given: bool) -> Iterator[Finding]:
    """Findings about names; a skeleton file (`given`) has said what it wants about pairs and limbs."""
    paired = {index for pair in skeleton.flip_pairs for index in pair}
    sided = [index for index in range(len(skeleton)) if skeleton.side(index) != "centre"]
    alone = [skeleton.keypoints[index] for index in sided if index not in paired]
    yield from _finding("keypoints have a side but no partner, and will not be exchanged in a mirror", alone)
    if not paired and not given:
        yield Finding("no flip pairs: no names say left and right, so give them in a skeleton file (--skeleton)")
    if not skeleton.limbs and not given:
        yield Finding("no limbs: nothing but points will be drawn, unless a skeleton file gives some (--skeleton)")


def _pictures(
    truth: Annotations,
    files: dict[int, Path],
    damaged: list[str],
    progress: Callable[[int, int], object] | None,
) -> Iterator[Finding]:
    differ = []

    def look(item: tuple[int, Path]) -> tuple[str, str]:
        number, path = item
        try:
            size = read_image(path).shape[1::-1]
        except InputError as error:
            return str(error), ""
        stated = _stated(truth, number)
        same = size == stated or stated[0] == np.inf
        return "", "" if same else f"{path.name} is {size[0]}x{size[1]}, not {stated[0]:g}x{stated[1]:g}"

    with ThreadPoolExecutor(usable_cores()) as pool:
        for done, (broken, other) in enumerate(pool.map(look, files.items()), 1):
            damaged += [broken] * bool(broken)
            differ += [other] * bool(other)
            if progress is not None:
                progress(done, len(files))
    yield from _finding("pictures can't be read", damaged, error=True)
    yield from _finding("pictures have another size than the annotations state", differ, error=True)
