"""The fields of what can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..angles import Keypoints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Drawable(Keypoints, Protocol):
    """What can be drawn: the fields of `vitruvian.Poses`, which draws itself with `draw` and so stands above it."""

    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def box_scores(self) -> NDArray[np.float32]: ...
    @property
    def track_ids(self) -> NDArray[np.int64] | None: ...
