"""Boxes of persons and their keypoints, as plain dataclasses of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .drawing import draw
from .errors import InputError, VitruvianError
from .geometry import solid
from .skeletons import COCO17, Skeleton, named_skeleton

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .pictures import Picture

RESCORING_THRESHOLD = 0.2


@dataclass(frozen=True, eq=False, repr=False)
class Boxes:
    """Detected persons of one picture, best score first.

    Args:
        xyxy: float32 (N, 4), corners in pixels of the picture.
        scores: float32 (N,), 0..1.

    Raises:
        InputError: arrays of another shape, or no numbers.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        _settle(self, "xyxy", ("N", 4))
        _settle(self, "scores", (len(self.xyxy),))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __repr__(self) -> str:
        return f"Boxes({_counted(len(self))}{_range(self.scores)})"

    def __getitem__(self, index: Any) -> Boxes:
        """Some of the persons, by slice, index array or mask; an int gives Boxes of one."""
        index = _rows(index)
        return Boxes(self.xyxy[index], self.scores[index])

    def __iter__(self) -> Iterator[Boxes]:
        """Each person as Boxes of one, the same as by its index."""
        return (self[index] for index in range(len(self)))

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
            return cls.empty()
        if array.ndim != 2 or array.shape[1] != 4:
            raise InputError(f"boxes must be (N, 4) as x1 y1 x2 y2 in pixels, not {array.shape}")
        bad = ~solid(array)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"box {row} is {array[row].tolist()}: finite x1 y1 x2 y2 with x2 > x1 and y2 > y1 wanted")
        return cls(array, np.ones(len(array), np.float32))

    @classmethod
    def empty(cls) -> Boxes:
        """No person at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    none = empty  # the name until 0.1


@dataclass(frozen=True, eq=False, repr=False)
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

    Raises:
        InputError: arrays of another shape, or no numbers.
    """

    boxes: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    skeleton: Skeleton = COCO17
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.skeleton, Skeleton):
            raise InputError(f"skeleton is {self.skeleton!r}; it must be a vitruvian.Skeleton")
        _settle(self, "boxes", ("N", 4))
        count, points = len(self.boxes), len(self.skeleton)
        _settle(self, "box_scores", (count,))
        _settle(self, "keypoints", (count, points, 2))
        _settle(self, "scores", (count, points))
        if self.track_ids is not None:
            _settle(self, "track_ids", (count,), np.int64)

    def __len__(self) -> int:
        return len(self.boxes)

    def __repr__(self) -> str:
        tracks = "" if self.track_ids is None else f", tracks {' '.join(map(str, self.track_ids[:8].tolist()))}"
        more = " ..." if self.track_ids is not None and len(self) > 8 else ""
        return f"Poses({_counted(len(self))}, {self.skeleton.name}{_range(self.box_scores)}{tracks}{more})"

    @classmethod
    def empty(cls, skeleton: Skeleton = COCO17) -> Poses:
        """No person at all."""
        count = len(skeleton)
        points, scores = np.zeros((0, count, 2), np.float32), np.zeros((0, count), np.float32)
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), points, scores, skeleton)

    none = empty  # the name until 0.1

    @classmethod
    def concatenate(cls, parts: Iterable[Poses]) -> Poses:
        """The persons of several Poses, one after the other; of none at all `Poses.empty`.

        Where only some were tracked, the persons of the others have the track number 0.

        Raises:
            InputError: their skeletons differ.
        """
        several = list(parts)
        if not several:
            return cls.empty()
        skeleton = several[0].skeleton
        for other in several[1:]:
            if other.skeleton != skeleton:
                raise InputError(f"poses of {skeleton.name} and of {other.skeleton.name} can't be one")
        tracked = any(poses.track_ids is not None for poses in several)
        ids = [np.zeros(len(poses), np.int64) if poses.track_ids is None else poses.track_ids for poses in several]
        return cls(
            np.concatenate([poses.boxes for poses in several]),
            np.concatenate([poses.box_scores for poses in several]),
            np.concatenate([poses.keypoints for poses in several]),
            np.concatenate([poses.scores for poses in several]),
            skeleton,
            np.concatenate(ids) if tracked else None,
        )

    def __getitem__(self, index: Any) -> Poses:
        """Some of the persons, by slice, index array or mask; an int gives a Poses of one."""
        index = _rows(index)
        return replace(
            self,
            boxes=self.boxes[index],
            box_scores=self.box_scores[index],
            keypoints=self.keypoints[index],
            scores=self.scores[index],
            track_ids=None if self.track_ids is None else self.track_ids[index],
        )

    def __iter__(self) -> Iterator[Poses]:
        """Each person as a Poses of one, the same as by its index, so that whatever takes Poses takes a person."""
        return (self[index] for index in range(len(self)))

    @property
    def person_scores(self) -> NDArray[np.float32]:
        """float32 (N,): box score times the mean keypoint score above 0.2, as the HRNet authors rank persons."""
        sure = self.scores > RESCORING_THRESHOLD
        means = (self.scores * sure).sum(1) / np.maximum(sure.sum(1), 1)
        return (self.box_scores * means).astype(np.float32)

    def draw(self, image: Picture, **style: Any) -> NDArray[np.uint8]:
        """A copy of a picture with the skeletons on it, RGB uint8 (H, W, 3).

        Args:
            image: RGB uint8 (H, W, 3), a path, a URL, encoded bytes or a PIL image.
            style: keywords of `vitruvian.drawing.draw`.
        """
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

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], skeleton: Skeleton | None = None) -> Poses:
        """The poses that `to_dict` wrote; coordinates come back rounded, and nobody tracked where nobody has a number.

        Args:
            record: what `to_dict` gave, or a frame of the JSON output (then with `skeleton`).
            skeleton: what the keypoints are; None finds the record's ``skeleton`` by its name.

        Raises:
            InputError: a skeleton that isn't known by its name, or not what `to_dict` gives.
        """
        try:
            if skeleton is None:
                skeleton = named_skeleton(str(record["skeleton"]))
            persons = list(record["persons"])
            if not persons:
                return cls.empty(skeleton)
            fields = ("box", "score", "keypoints", "keypoint_scores")
            arrays = [[person[name] for person in persons] for name in fields]
            numbers = [person.get("track_id") or 0 for person in persons]
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"no poses as to_dict gives them ({type(error).__name__}: {error})") from None
        boxes, box_scores, keypoints, scores = arrays
        return cls(boxes, box_scores, keypoints, scores, skeleton, numbers if any(numbers) else None)  # type: ignore[arg-type]

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

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row a person (needs the extra ``pandas``).

        The columns are those of a person in the CSV output: track_id (missing where there is none), score, x1, y1, x2,
        y2 in pixels, and of each keypoint NAME_x, NAME_y in pixels and NAME_score.
        """
        try:
            import pandas
        except ImportError:
            raise VitruvianError("to_pandas needs a package more: pip install 'vitruvian[pandas]'") from None
        numbers = np.zeros(len(self), np.int64) if self.track_ids is None else self.track_ids
        triplets = np.concatenate([self.keypoints, self.scores[..., None]], axis=2)
        columns: dict[str, Any] = {
            "track_id": pandas.array([number or None for number in numbers.tolist()], dtype="Int64"),
            "score": self.box_scores,
            **dict(zip(("x1", "y1", "x2", "y2"), self.boxes.T, strict=True)),
        }
        columns |= dict(zip(self.skeleton.columns, triplets.reshape(len(self), 3 * len(self.skeleton)).T, strict=True))
        return pandas.DataFrame(columns)

    def to_supervision(self) -> Any:
        """A `supervision.KeyPoints` (needs the extra ``supervision``).

        ``detection_confidence`` is `box_scores`; ``data`` has the boxes as ``xyxy``, and as ``tracker_id`` the track
        numbers where somebody tracked.
        """
        try:
            import supervision
        except ImportError:
            raise VitruvianError("to_supervision needs a package more: pip install 'vitruvian[supervision]'") from None
        tracks = {} if self.track_ids is None else {"tracker_id": self.track_ids}
        return supervision.KeyPoints(
            xy=self.keypoints,
            keypoint_confidence=self.scores,
            detection_confidence=self.box_scores,
            class_id=np.zeros(len(self), int),
            data={"xyxy": self.boxes, **tracks},
        )


def _settle(record: Any, name: str, shape: tuple[int | str, ...], dtype: type[np.generic] = np.float32) -> None:
    """Makes a field an array of this dtype. Raises InputError for another shape; a letter stands for any length."""
    try:
        array = np.asarray(getattr(record, name), dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} must be numbers ({_listed(shape)}): {error}") from None
    fits = len(array.shape) == len(shape) and all(
        isinstance(wanted, str) or own == wanted for own, wanted in zip(array.shape, shape, strict=False)
    )
    if not fits:
        raise InputError(f"{name} must be ({_listed(shape)}), not ({_listed(array.shape)})")
    object.__setattr__(record, name, array)


def _listed(shape: Iterable[int | str]) -> str:
    return ", ".join(map(str, shape))


def _rows(index: Any) -> Any:
    """An index that keeps the first dimension."""
    return [index] if isinstance(index, (int, np.integer)) else index


def _counted(persons: int) -> str:
    return f"{persons} person{'' if persons == 1 else 's'}"


def _range(scores: NDArray[np.float32]) -> str:
    return f", scores {scores.min():.2f}..{scores.max():.2f}" if len(scores) else ""


def _rounded(array: NDArray[np.float32], digits: int) -> list[Any]:
    # Through float64: a rounded float32 prints as 0.10000000149011612.
    values: list[Any] = np.round(array.astype(np.float64), digits).tolist()
    return values
