"""Persons of many pictures: each picture decoded once, ahead of time, and persons batched across pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..media import read_image
from ..media.threads import prefetch
from ..pictures.memory import BYTES_AHEAD, held_by
from ..pipeline import CROPS_AT_ONCE, FRAMES_AT_ONCE, PoseEstimator, batches
from ..poses import Boxes
from .inputs import EvaluatedPicture as Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..media import Image

Find = Callable[[Sequence["NDArray[np.uint8]"]], "list[Boxes]"]

# However few persons pictures have, no more of them wait for a batch to fill.
_PICTURES_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Predicted:
    """A picture's persons before they are ranked.

    Args:
        image_id: the picture's.
        boxes: all boxes, best first.
        keypoints: float32 (M, K, 2) in pixels, of the first M boxes.
        peaks: float32 (M, K), the scores before they are clipped to 0..1: what ranks persons.
    """

    image_id: int
    boxes: Boxes
    keypoints: NDArray[np.float32]
    peaks: NDArray[np.float32]


@dataclass
class Tally:
    """What a run costs, and what went wrong with single pictures."""

    crops: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


def predict(
    pictures: Iterable[Picture], pose: PoseEstimator, find: Find | None, score: float, tally: Tally
) -> Generator[Predicted, None, None]:
    """The persons of each picture, in order; pictures that can't be read go to ``tally.unreadable``.

    Args:
        pictures: with their boxes, but for those where `find` is to find them.
        pose: the pose net.
        find: the person detector.
        score: only boxes that score this get keypoints.
        tally: counts crops, and the seconds that they spend on the way from picture to keypoints.
    """
    with closing(prefetch(detect(pictures, find, tally), 2 * _PICTURES_AT_ONCE)) as ahead:
        for group in batches(
            ahead, CROPS_AT_ONCE, lambda item: _count(item[2], score), _PICTURES_AT_ONCE, enough=_large
        ):
            images = [image for _, image, _ in group]
            sure = [
                Boxes(boxes.xyxy[part], boxes.scores[part]) for _, _, boxes in group for part in [boxes.scores >= score]
            ]
            started = time.perf_counter()
            estimates = pose.estimate(images, sure)
            tally.seconds += time.perf_counter() - started
            tally.crops += sum(map(len, sure))
            for (picture, _, boxes), (keypoints, peaks) in zip(group, estimates, strict=True):
                yield Predicted(picture.image_id, boxes, keypoints, peaks)


def detect(pictures: Iterable[Picture], find: Find | None, tally: Tally) -> Iterator[tuple[Picture, Image, Boxes]]:
    """Pictures and their boxes, found by a detector, or their own where there is none; arguments as of `predict`."""
    for batch in batches(_readable(pictures, tally), FRAMES_AT_ONCE, enough=_large):
        unknown = {picture.image_id: image for picture, image in batch if picture.boxes is None}
        found = dict(zip(unknown, find(list(unknown.values())), strict=True)) if find and unknown else {}
        for picture, image in batch:
            yield picture, image, picture.boxes or found.get(picture.image_id) or Boxes.empty()


def _readable(pictures: Iterable[Picture], tally: Tally) -> Iterator[tuple[Picture, Image]]:
    for picture in pictures:
        try:
            yield picture, _read(picture, tally)
        except InputError as error:
            tally.problems.append(str(error))
            tally.unreadable.append(picture.image_id)


def _read(picture: Picture, tally: Tally) -> Image:
    image = read_image(picture.path)
    size = image.shape[1], image.shape[0]
    if picture.size is not None and size != picture.size:
        tally.problems.append(
            f"{picture.path} is {size[0]}x{size[1]}, but its annotations are for {picture.size[0]}x{picture.size[1]}"
        )
    return image


def _large(batch: Sequence[Any]) -> bool:
    return held_by(batch) >= BYTES_AHEAD


def _count(boxes: Boxes, score: float) -> int:
    return int((boxes.scores >= score).sum())
