"""Evaluation procedures: the settings that models' authors published, each of which can be overridden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from .. import codecs
from ..choices import Refinement, Rescoring
from ..codecs import REFINEMENTS, Codec, Heatmap, Regression, SimDR
from ..errors import InputError, ModelError
from ..pipeline import PoseEstimator
from ..poses import RESCORING_THRESHOLD
from .oks import oks_nms, soft_oks_nms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..cards import ModelCard

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Procedure:
    """Settings of an evaluation; the defaults are those of HRNet's authors (arXiv 1908.07919).

    Args:
        flip: average with the mirrored crop.
        flip_shift: the flip test's shift, see the codecs; None takes the model's.
        refine: sub-pixel step of heatmaps; None takes the model's.
        padding: factor by which boxes grow; None takes the model's.
        score: least score of boxes, 0..1.
        clip_boxes: annotated boxes end a pixel before their right and lower edge, and are clipped to the picture, as in
            the authors' data loaders; see `Annotations.clipped`.
        rescoring: score that ranks persons. "product": box score times the mean keypoint score above the threshold
            (HRNet, SimDR, PSA); "sum": box score plus the mean and the highest keypoint score (RLE); "box": box score.
            Keypoint scores are the peaks that `Codec.decode` returns: not clipped, so that the highest aren't tied.
        keypoint_threshold: see `rescoring`, 0..1.
        oks_nms: OKS above which the lower scored of two persons is dropped, 0..1; None keeps all.
        soft_nms: soft suppression instead, see `vitruvian.evaluation.soft_oks_nms`.

    Raises:
        InputError: a setting out of range.
    """

    flip: bool = False
    flip_shift: bool | None = None
    refine: Refinement | None = None
    padding: float | None = None
    score: float = 0.0
    clip_boxes: bool = True
    rescoring: Rescoring = "product"
    keypoint_threshold: float = RESCORING_THRESHOLD
    oks_nms: float | None = 0.9
    soft_nms: bool = False

    def __post_init__(self) -> None:
        for name in ("score", "keypoint_threshold", "oks_nms"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} is {value}; it must be in 0..1")
        if self.padding is not None and not 0 < self.padding < np.inf:
            raise InputError(f"padding is {self.padding}; it is a factor above 0, such as 1.25")
        if self.refine not in (None, *REFINEMENTS):
            raise InputError(f"refine is {self.refine!r}; it can be {', '.join(REFINEMENTS)}")
        if self.rescoring not in get_args(Rescoring):
            raise InputError(f"rescoring is {self.rescoring!r}; it can be {', '.join(get_args(Rescoring))}")
        if self.soft_nms and not self.oks_nms:
            raise InputError("soft suppression needs a threshold above 0: give oks_nms")

    @classmethod
    def of(cls, pose: PoseEstimator, annotated_boxes: bool) -> Procedure:
        """The procedure of the authors of a pose net's family, for annotated or for detected boxes.

        The project's own nets (heatmaps by a softmax) are trained and evaluated on boxes as they are annotated.
        """
        return cls.of_codec(pose.codec, annotated_boxes)

    @classmethod
    def of_codec(cls, codec: Codec, annotated_boxes: bool) -> Procedure:
        """As `of`, for a pose net of which only the codec is known."""
        if isinstance(codec, Regression):
            return cls(rescoring="sum", oks_nms=None if annotated_boxes else 0.9)
        if isinstance(codec, SimDR) and codec.softmax:
            return cls(keypoint_threshold=min(_least_probability(codec) / codec.highest, 1.0))
        return cls(clip_boxes=not (isinstance(codec, Heatmap) and codec.softmax))

    def configure(self, pose: PoseEstimator) -> PoseEstimator:
        """The pose net with these settings. Raises InputError for a setting that it can't have."""
        card = pose.card
        changes = {"refine": self.refine, "flip_shift": self.flip_shift}
        try:
            card = card.with_options(**{name: value for name, value in changes.items() if value is not None})
        except ModelError as error:
            raise InputError(str(error)) from None
        codec = pose.codec
        if card.options != pose.card.options:
            codec = codecs.create(card.family, card.input_size, card.options)
        card = card if self.padding is None else replace(card, padding=self.padding)
        return PoseEstimator(card, pose.runtime, codec, self.flip)

    def resolved(self, card: ModelCard) -> Procedure:
        """The settings with the model's own in place of None, which is left where a model has no such setting.

        Args:
            card: of the pose net as it is measured, see `configure`.
        """
        flip_shift, refine = (getattr(card.options, name, None) for name in ("flip_shift", "refine"))
        return replace(
            self,
            flip_shift=flip_shift if self.flip_shift is None else self.flip_shift,
            refine=refine if self.refine is None else self.refine,
            padding=card.padding if self.padding is None else self.padding,
        )

    def rank(self, box_scores: ArrayLike, scores: ArrayLike) -> Array:
        """Scores of N persons, float64 (N,), from those of their boxes (N,) and keypoints (N, K)."""
        box_scores, scores = np.asarray(box_scores, float), np.asarray(scores, float)
        if self.rescoring == "box":
            return box_scores
        if self.rescoring == "sum":
            total: Array = box_scores + scores.mean(axis=1) + scores.max(axis=1)
            return total
        kept = scores > self.keypoint_threshold
        result: Array = box_scores * (scores * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
        return result

    def keep(self, keypoints: Array, ranks: Array, areas: Array, sigmas: tuple[float, ...]) -> NDArray[np.intp]:
        """Indices of a picture's persons that stay; keypoints (N, K, 2), ranks and areas (N,)."""
        if self.oks_nms is None:
            return np.arange(len(ranks))
        suppress = soft_oks_nms if self.soft_nms else oks_nms
        return suppress(keypoints, ranks, areas, sigmas, self.oks_nms)


def _least_probability(codec: SimDR) -> float:
    """The least probability of counted keypoints for the crop's size, as configured in SimDR's release."""
    longer = max(codec.input_size)
    if codec.sigma:
        return 0.005 if longer >= 384 else 0.01
    return 0.01 if longer >= 256 else 0.02


def padded_areas(boxes: NDArray[np.float32], size: tuple[int, int], padding: float) -> Array:
    """Areas (N,) of the crops of boxes xyxy (N, 4), in square pixels of the picture; size is (height, width)."""
    extent = np.asarray(boxes[:, 2:] - boxes[:, :2], float)
    width = np.maximum(extent[:, 0], extent[:, 1] * size[1] / size[0]) * padding
    areas: Array = width**2 * size[0] / size[1]
    return areas
