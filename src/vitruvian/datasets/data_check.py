"""Checks of a data set before training: missing pictures, odd boxes and keypoints, names without pairs."""

from __future__ import annotations

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
from .annotations import Annotations, read_annotations
from .persons import DataSource, picture_files

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
    """

    what: str
    count: int = 0
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = " ..." if self.count > len(self.where) else ""
        return f"{f'{self.count} ' * bool(self.count)}{self.what}{': ' * bool(self.where)}{', '.join(self.where)}{more}"


def check(
    source: DataSource, decode: bool = True, progress: Callable[[int, int], object] | None = None
) -> list[Finding]:
    """Check a data set; an empty list means that nothing was found.

    Args:
        source: annotations and pictures.
        decode: also decode every picture, which finds damaged ones and sizes that differ from the annotations.
        progress: called with the number of pictures read and their total.

    Raises:
        InputError: the annotations can't be read at all.
    """
    truth = read_annotations(source.annotations, split=source.split)
    paths = picture_files(source, truth)
    found = [*(Finding(note) for note in truth.notes), *_persons(truth), *_names(truth.skeleton)]
    files = dict(zip(truth.images, map(Path, paths), strict=True))
    present = {number: path for number, path in files.items() if path.is_file()}
    missing = [path.name for number, path in files.items() if number not in present]
    found += _finding("pictures are missing", missing)
    empty = sorted(set(truth.images) - set(truth.image_ids[truth.counted].tolist()))
    found += _finding("pictures have no person with keypoints", [files[number].name for number in empty])
    if decode:
        found += _pictures(truth, present, progress)
    return found


def _finding(what: str, places: Sequence[str]) -> Iterator[Finding]:
    if places:
        yield Finding(what, len(places), tuple(places[:_SHOWN]))


def _persons(truth: Annotations) -> Iterator[Finding]:
    boxes, labelled = truth.boxes, truth.keypoints[..., 2] > 0
    points = truth.keypoints[..., :2]
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    sides = np.array([_stated(truth, number) for number in truth.image_ids.tolist()], float).reshape(-1, 2)
    counted = truth.counted

    def rows(what: str, wrong: NDArray[np.bool_] | np.bool_) -> Iterable[Finding]:
        return _finding(what, [f"annotation {number}" for number in truth.ids[wrong & counted].tolist()])

    yield from rows("boxes have no area", ~(boxes[:, 2:] > 0).all(axis=1))
    outside = (boxes[:, :2] < -1).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] > sides + 1).any(axis=1)
    yield from rows("boxes reach out of their picture", outside)
    strays = labelled & ((points < low - _MARGIN) | (points > high + _MARGIN)).any(axis=2)
    yield from rows("persons have keypoints outside of their box", strays.any(axis=1))
    lost = labelled & ((points < -1) | (points > sides[:, None] + 1)).any(axis=2)
    yield from rows("persons have keypoints outside of the picture", lost.any(axis=1))
    never = ~labelled[counted].any(axis=0)
    yield from _finding("keypoints are never labelled", [truth.skeleton.keypoints[k] for k in np.flatnonzero(never)])


def _stated(truth: Annotations, number: int) -> tuple[float, float]:
    """Width and height of a picture as annotated; infinite where unknown."""
    record = truth.images[number]
    width, height = record.get("width"), record.get("height")
    known = isinstance(width, (int, float)) and isinstance(height, (int, float))
    return (float(width), float(height)) if known and width and height else (np.inf, np.inf)


def _names(skeleton: Skeleton) -> Iterator[Finding]:
    paired = {index for pair in skeleton.flip_pairs for index in pair}
    sided = [index for index in range(len(skeleton)) if skeleton.side(index) != "centre"]
    alone = [skeleton.keypoints[index] for index in sided if index not in paired]
    yield from _finding("keypoints have a side but no partner, and will not be exchanged in a mirror", alone)
    if not paired:
        yield Finding("no flip pairs: no names say left and right, so give them in a skeleton file")
    if not skeleton.limbs:
        yield Finding("no limbs: nothing but points will be drawn, unless a skeleton file gives some")


def _pictures(
    truth: Annotations, files: dict[int, Path], progress: Callable[[int, int], object] | None
) -> Iterator[Finding]:
    damaged, differ = [], []

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
    yield from _finding("pictures can't be read", damaged)
    yield from _finding("pictures have another size than the annotations state", differ)
