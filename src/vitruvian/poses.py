"""What comes out: boxes of persons and their keypoints, as plain dataclasses of arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, VitruvianError
from .geometry import solid
from .skeletons import COCO17, Skeleton

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

RESCORING_THRESHOLD = 0.2


@dataclass(frozen=True, eq=False)
class Boxes:
    """Detected persons of one picture, best score first.

    Args:
        xyxy: float32 (N, 4), corners in pixels of the picture.
        scores: float32 (N,), 0..1.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: Any) -> Boxes:
        """Some of the persons, by slice, index array or mask."""
        return Boxes(self.xyxy[index], self.scores[index])

    @classmethod
    def given(cls, xyxy: ArrayLike) -> Boxes:
        """Boxes (N, 4) that a caller supplies, scored 1.

        Raises:
            InputError: another shape, a number that isn't finite or is beyond a million, or not x2 > x1 and y2 > y1 by
                a thousandth of a pixel.
        """
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(xyxy, np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"boxes must be numbers (N, 4) as x1 y1 x2 y2 in pixels: {error}") from None
        if array.size == 0:
            return cls.none()
        if array.ndim != 2 or array.shape[1] != 4:
            raise InputError(f"boxes must be (N, 4) as x1 y1 x2 y2 in pixels, not {array.shape}")
        bad = ~solid(array)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"box {row} is {array[row].tolist()}: finite x1 y1 x2 y2 with x2 > x1 and y2 > y1 wanted")
        return cls(array, np.ones(len(array), np.float32))

    @classmethod
    def none(cls) -> Boxes:
        """No person at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, eq=False)
class Poses:
    """The persons of one picture.

    Args:
        boxes: float32 (N, 4) xyxy in pixels of the picture.
        box_scores: float32 (N,), 0..1.
        keypoints: float32 (N, K, 2), x and y in pixels of the picture; may lie outside of it.
        scores: float32 (N, K), 0..1, how sure the network is of each keypoint.
        skeleton: names and limbs of the K keypoints.
        track_ids: int64 (N,), the same person's number over time, from 1, and 0 for one whom the tracker doesn't follow
            or hasn't confirmed yet; None where nobody tracked.
    """

    boxes: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    skeleton: Skeleton = COCO17
    track_ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def none(cls, skeleton: Skeleton = COCO17) -> Poses:
        """No person at all."""
        count = len(skeleton)
        points, scores = np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), points, scores, skeleton)

    def __getitem__(self, index: Any) -> Poses:
        """Some of the persons, by slice, index array or mask; an int gives a Poses of one."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        return replace(
            self,
            boxes=self.boxes[index],
            box_scores=self.box_scores[index],
            keypoints=self.keypoints[index],
            scores=self.scores[index],
            track_ids=None if self.track_ids is None else self.track_ids[index],
        )

    @property
    def person_scores(self) -> NDArray[np.float32]:
        """float32 (N,): box score times the mean keypoint score above 0.2, as the HRNet authors rank persons."""
        sure = self.scores > RESCORING_THRESHOLD
        means = (self.scores * sure).sum(1) / np.maximum(sure.sum(1), 1)
        return (self.box_scores * means).astype(np.float32)

    def draw(self, image: NDArray[np.uint8], **style: Any) -> NDArray[np.uint8]:
        """A copy of `image`, RGB uint8 (H, W, 3), with the skeletons on it; keywords of `vitruvian.drawing.draw`."""
        from .drawing import draw

        return draw(image, self, **style)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, the ``persons`` of the JSON output and the name of their skeleton."""
        numbers = [0] * len(self) if self.track_ids is None else self.track_ids.tolist()
        ids = [number or None for number in numbers]
        rows = zip(
            ids,
            _rounded(self.boxes, 2),
            _rounded(self.box_scores, 4),
            _rounded(self.keypoints, 2),
            _rounded(self.scores, 4),
            strict=True,
        )
        names = ("track_id", "box", "score", "keypoints", "keypoint_scores")
        return {"skeleton": self.skeleton.name, "persons": [dict(zip(names, row, strict=True)) for row in rows]}

    def to_coco(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """One record a person in COCO's results format (https://cocodataset.org/#format-results).

        ``keypoints`` is x, y, score for each keypoint, ``score`` is `person_scores`, ``bbox`` is x, y, width, height.
        """
        triplets = np.concatenate([self.keypoints, self.scores[..., None]], axis=2).reshape(
            len(self), 3 * len(self.skeleton)
        )
        xywh = np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)
        rows = zip(_rounded(triplets, 4), _rounded(xywh, 2), _rounded(self.person_scores, 6), strict=True)
        return [
            {"image_id": image_id, "category_id": category_id, "keypoints": keypoints, "bbox": box, "score": score}
            for keypoints, box, score in rows
        ]

    def to_supervision(self) -> Any:
        """A `supervision.KeyPoints` (needs the extra ``supervision``)."""
        try:
            import supervision
        except ImportError:
            raise VitruvianError("to_supervision needs a package more: pip install 'vitruvian[supervision]'") from None
        return supervision.KeyPoints(
            xy=self.keypoints, keypoint_confidence=self.scores, class_id=np.zeros(len(self), int)
        )


def _rounded(array: NDArray[np.float32], digits: int) -> list[Any]:
    # Through float64: a rounded float32 prints as 0.10000000149011612.
    values: list[Any] = np.round(array.astype(np.float64), digits).tolist()
    return values
