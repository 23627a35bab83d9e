"""Selection of one person of a picture or a video: the largest, the most central, by number or by a point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .poses import Boxes, Poses

# A track that nobody had for so many seconds is given up, and the person chosen again; pictures count as one each.
LOST = 5.0


@dataclass(frozen=True)
class Selection:
    """The person that is wanted.

    Args:
        rule: "largest" is the person with the largest box; "central" the one whose box is nearest to the centre of the
            picture; "number" the n-th best detected, from 1, or where persons are tracked the one with this track
            number; "point" the smallest box that has the point in it.
        number: for "number".
        point: x and y in pixels, for "point".

    Raises:
        InputError: no such rule, a number below 1, a point that isn't finite.
    """

    rule: Literal["largest", "central", "number", "point"]
    number: int = 1
    point: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        known = self.rule in ("largest", "central", "number", "point")
        if not known or self.number < 1 or not all(map(math.isfinite, self.point)):
            raise InputError(f"{self!r}: give largest, central, a number from 1 on, or a point X,Y")

    @classmethod
    def parse(cls, text: str) -> Selection:
        """From ``largest``, ``central``, a number ``N`` or a point ``X,Y``.

        Raises:
            InputError: something else.
        """
        try:
            if text in ("largest", "central"):
                return cls(text)  # type: ignore[arg-type]
            if "," in text:
                x, y = map(float, text.split(","))
                return cls("point", point=(x, y))
            return cls("number", int(text))
        except (ValueError, InputError):
            raise InputError(
                f"select is {text!r}: give largest, central, a number from 1 on, or a point X,Y in pixels (--select)"
            ) from None

    def index(self, boxes: NDArray[np.float32], size: tuple[int, int]) -> int | None:
        """The row of the wanted person; None if there is none.

        Args:
            boxes: (N, 4) xyxy in pixels, best score first.
            size: width and height of the picture.
        """
        if self.rule == "number":
            return self.number - 1 if self.number <= len(boxes) else None
        if not len(boxes):
            return None
        rows = boxes.astype(np.float64)
        area = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])
        if self.rule == "largest":
            return int(area.argmax())
        if self.rule == "central":
            offset = (rows[:, :2] + rows[:, 2:]) / 2 - np.array(size) / 2
            return int((offset**2).sum(axis=1).argmin())
        point = np.array(self.point)
        inside = ((rows[:, :2] <= point) & (point <= rows[:, 2:])).all(axis=1)
        return int(np.where(inside, area, np.inf).argmin()) if inside.any() else None


class Selector:
    """Keeps the selected person of each frame of a source.

    Of tracked persons the one who is chosen first is followed by the track number. When the track is lost for
    `LOST` seconds, the choice is made again.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self._followed = selection.number if selection.rule == "number" else None
        self._seen = 0.0
        self._frames = 0

    def of_boxes(self, boxes: Boxes, size: tuple[int, int]) -> Boxes:
        """The selected person of one picture, or nobody; `size` is its width and height."""
        index = self.selection.index(boxes.xyxy, size)
        return boxes[:0] if index is None else boxes[index]

    def of_tracks(self, poses: Poses, time: float | None, size: tuple[int, int]) -> Poses:
        """The selected person of the next frame, or nobody, by track number; see `Poses.track_ids`."""
        assert poses.track_ids is not None
        self._frames += 1
        now = float(self._frames) if time is None else time
        if self.selection.rule != "number" and (self._followed is None or now - self._seen > LOST):
            tracked = np.flatnonzero(poses.track_ids)
            index = self.selection.index(poses.boxes[tracked], size)
            self._followed = None if index is None else int(poses.track_ids[tracked[index]])
        rows = np.flatnonzero(poses.track_ids == self._followed) if self._followed else np.zeros(0, np.intp)
        if len(rows):
            self._seen = now
        return poses[rows]
