"""The fields of what can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..skeletons import Skeleton


class Drawable(Protocol):
    """What can be drawn: the fields of `vitruvian.Poses`, which draws itself with `draw` and so stands above it."""

    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def box_scores(self) -> NDArray[np.float32]: ...
    @property
    def keypoints(self) -> NDArray[np.float32]: ...
    @property
    def scores(self) -> NDArray[np.float32]: ...
    @property
    def skeleton(self) -> Skeleton: ...
    @property
    def track_ids(self) -> NDArray[np.int64] | None: ...
