"""Distillation: another pose net, of any runtime, says what a crop's outputs should be.

That is beside what annotations say. A teacher's keypoints alone need nothing of this: what `vitruvian predict --json`
writes about pictures without labels is read like any annotations, with the teacher's scores as weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..codecs import Heatmap, Regression, SimDR
from ..codecs.base import as_scores
from ..errors import InputError
from ..evaluation.reading import listed
from ..loading import load_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..codecs import Codec
    from ..skeletons import Skeleton


class Teacher:
    """Targets that a trained pose net gives for crops.

    Args:
        model: its name or file, as `vitruvian.load` takes it.
        codec: of the network that learns.
        skeleton: of that network.

    Raises:
        InputError: the teacher takes crops of another size or geometry, returns something of another shape, or the same
            keypoints in another order.
        ModelError: it can't be loaded.
    """

    def __init__(self, model: str, codec: Codec, skeleton: Skeleton) -> None:
        self._pose = load_pose(model)
        theirs, ours = _nature(self._pose.codec, len(self._pose.skeleton)), _nature(codec, len(skeleton))
        if theirs != ours or isinstance(codec, Regression):
            raise InputError(
                f"{model} can't teach this network by its outputs: it returns {theirs}, the network {ours}. It can by "
                "its keypoints: write them with vitruvian predict --json, and train on that file"
            )
        names, wanted = self._pose.skeleton.keypoints, skeleton.keypoints
        if names != wanted and set(names) == set(wanted):
            raise InputError(
                f"{model} returns {listed(names)}, the annotations have {listed(wanted)}: in another order"
            )

    def __call__(self, crops: NDArray[np.uint8]) -> list[Tensor]:
        """What `Codec.encode` gives: targets, and as weights (N, K) how sure the teacher is of each keypoint, 0..1.

        Args:
            crops: RGB uint8 (N, H, W, 3).
        """
        codec, outputs = self._pose.codec, self._pose.outputs(crops)
        assert isinstance(codec, Heatmap | SimDR)
        scores = as_scores(codec.decode(outputs)[1])
        return [torch.from_numpy(np.ascontiguousarray(array)) for array in (*codec.as_targets(outputs), scores)]


def _nature(codec: Codec, num_keypoints: int) -> str:
    """What a network returns, in words; alike for two networks if one can learn the other's outputs."""
    crops = f"{num_keypoints} keypoints of {'aligned ' * codec.aligned}crops of {_by(codec.input_size)}"
    if isinstance(codec, Heatmap):
        return f"heatmaps {_by(codec.grid)} of {crops}"
    return f"{_by(codec.bins)} bins of {crops}" if isinstance(codec, SimDR) else f"coordinates of {crops}"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
