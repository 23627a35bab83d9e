"""Distillation of pose nets: another pose net, of any runtime, whose outputs are targets beside the annotations.

To learn a teacher's keypoints alone, train on a file of `vitruvian predict --json`, which is read like annotations,
with the teacher's scores as weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...codecs import Heatmap, Regression, SimDR
from ...codecs.base import as_scores
from ...datasets.json_records import listed
from ...errors import InputError
from ...loading import load_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...codecs import Codec
    from ...skeletons import Skeleton


class PoseTeacher:
    """A trained pose net that makes targets for crops.

    Args:
        model: its name or file, as `vitruvian.load` takes it.
        codec: the student's codec.
        skeleton: the student's skeleton.

    Raises:
        InputError: the teacher takes crops of another size or geometry, or returns outputs of another shape, or the
            same keypoints in another order.
        ModelError: the teacher can't be loaded.
    """

    def __init__(self, model: str, codec: Codec, skeleton: Skeleton) -> None:
        self._pose = load_pose(model)
        theirs, ours = (
            _describe_outputs(self._pose.codec, len(self._pose.skeleton)),
            _describe_outputs(codec, len(skeleton)),
        )
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
        """Targets as `Codec.encode` makes them, with the teacher's scores of keypoints, 0..1, as weights (N, K).

        Args:
            crops: RGB uint8 (N, H, W, 3).
        """
        codec, outputs = self._pose.codec, self._pose.outputs(crops)
        assert isinstance(codec, Heatmap | SimDR)
        scores = as_scores(codec.decode(outputs)[1])
        return [torch.from_numpy(np.ascontiguousarray(array)) for array in (*codec.as_targets(outputs), scores)]


def _describe_outputs(codec: Codec, num_keypoints: int) -> str:
    """A description of a network's outputs, which is equal for two networks if one can learn the other's."""
    crops = f"{num_keypoints} keypoints of {'aligned ' * codec.aligned}crops of {_format_size(codec.input_size)}"
    if isinstance(codec, Heatmap):
        return f"heatmaps {_format_size(codec.grid)} of {crops}"
    return f"{_format_size(codec.bins)} bins of {crops}" if isinstance(codec, SimDR) else f"coordinates of {crops}"


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
