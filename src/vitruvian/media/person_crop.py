"""Cut-outs of one tracked person, of fixed size, around the smoothed box."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..geometry import crop, crop_affines, solid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pictures import Image
    from ..poses import Poses

SIZE = (640, 480)
"""Height and width of the cut-outs, pixels."""

# The window follows the box with this time constant, and stays where it was while the person is unseen, in seconds.
FOLLOW = 0.3
HOLD = 1.0


class PersonCrop:
    """The cut-outs of the person with a track number; what lies outside of the picture is black.

    Args:
        number: of the track, from 1.

    Attributes:
        numbers: of all tracks so far.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.numbers: set[int] = set()
        self._box: NDArray[np.float64] | None = None
        self._time = self._seen = 0.0

    def box(self, poses: Poses, time: float) -> NDArray[np.float64] | None:
        """The smoothed box, float64 (4,) xyxy, for the next frame at `time` in seconds; None where there is nobody."""
        if poses.track_ids is not None:
            self.numbers.update(filter(None, poses.track_ids.tolist()))
        own = np.zeros(len(poses), bool) if poses.track_ids is None else poses.track_ids == self.number
        rows = np.flatnonzero(own & solid(poses.boxes))
        passed, self._time = time - self._time, time
        if len(rows):
            now = poses.boxes[rows[0]].astype(np.float64)
            if self._box is None or not 0 <= time - self._seen <= HOLD:
                self._box = now
            else:
                self._box = self._box + (1 - math.exp(-max(passed, 0) / FOLLOW)) * (now - self._box)
            self._seen = time
        elif not 0 <= time - self._seen <= HOLD:
            self._box = None
        return self._box

    def __call__(self, image: Image, poses: Poses, time: float) -> Image | None:
        """The cut-out of the next frame, RGB uint8 (640, 480, 3); None where the person isn't, nor was a second ago."""
        box = self.box(poses, time)
        if box is None:
            return None
        found: Image = crop(image, crop_affines(box[None].astype(np.float32), SIZE), SIZE)[0]
        return found
