"""Annotated persons of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..skeletons import Skeleton

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Annotations:
    """The T annotated persons of one category, with K keypoints each.

    Args:
        name: the file, for messages.
        images: the image records by their id.
        category: id of the category.
        skeleton: names and limbs of the category, and its sigmas where the file has them.
        ids, image_ids: int64 (T,).
        keypoints: float64 (T, K, 3), x and y in pixels, and 0 not labelled, 1 hidden, 2 visible.
        boxes: float64 (T, 4), x y width height in pixels.
        areas: float64 (T,), square pixels.
        crowd: bool (T,), regions that stand for many persons. They count neither as found nor as missed.
        labelled: int64 (T,), number of labelled keypoints as the file states it.
        heads: float64 (T, 4) xyxy, the field ``head_box``; NaN where there is none.
        keypoint_scores: float64 (T, K) in 0..1, confidence of each keypoint, 1 where the file has none.
        confidences: float64 (T,), the field ``score``, a detector's confidence of the box; 1 where there is none.
        notes: assumptions that were made, one sentence each.
        places: T texts, where the file has each person, such as the label file and its line; empty where ids tell.
        unreadable: pictures that are missing or damaged, and left out of `images`.
    """

    name: str
    images: Mapping[int, Mapping[str, Any]]
    category: int
    skeleton: Skeleton
    ids: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    keypoints: Array
    boxes: Array
    areas: Array
    crowd: NDArray[np.bool_]
    labelled: NDArray[np.int64]
    heads: Array
    keypoint_scores: Array
    confidences: Array
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def place(self, row: int) -> str:
        """Where a person is, for messages: its line in a label file, or its id and its picture."""
        picture = self.images[int(self.image_ids[row])]["file_name"]
        return self.places[row] if self.places else f"annotation {self.ids[row]} ({picture})"

    @property
    def counted(self) -> NDArray[np.bool_]:
        """bool (T,): the persons that evaluation counts, with labelled keypoints and no crowd."""
        return ~self.crowd & (self.labelled > 0)

    @property
    def xyxy(self) -> Array:
        """float64 (T, 4), the boxes as x1 y1 x2 y2."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]], axis=1)

    @property
    def clipped(self) -> Array:
        """float64 (T, 4), boxes xyxy as HRNet's release loads them, in pixels that count from 0.

        x1 = max(0, x), x2 = min(width - 1, x1 + max(0, w - 1)), and y likewise; if the file lacks the picture's size,
        the right and lower edges aren't clipped.
        """
        sides = {number: (_side(record, "width"), _side(record, "height")) for number, record in self.images.items()}
        edges = np.array([sides[number] for number in self.image_ids.tolist()]).reshape(-1, 2) - 1
        start = np.maximum(self.boxes[:, :2], 0)
        return np.concatenate([start, np.minimum(start + np.maximum(self.boxes[:, 2:] - 1, 0), edges)], axis=1)

    @property
    def pictures(self) -> NDArray[np.int64]:
        """int64 (T,), the index of each person's picture in `images`."""
        places = {number: place for place, number in enumerate(self.images)}
        return np.array([places[number] for number in self.image_ids.tolist()], np.int64)

    @property
    def by_picture(self) -> list[NDArray[np.intp]]:
        """The rows of the persons of each picture of `images`."""
        pictures = self.pictures
        order = np.argsort(pictures, kind="stable")
        return np.split(order, np.searchsorted(pictures[order], np.arange(1, len(self.images))))[: len(self.images)]

    def to_coco(self, keypoint: int | None = None) -> dict[str, Any]:
        """The annotations as COCO's dict, without segmentations; with all keypoints labelled, or a single one."""
        points, labelled = self.keypoints, self.labelled
        if keypoint is not None:
            points = points * (np.arange(points.shape[1]) == keypoint)[:, None]
            labelled = (points[..., 2] > 0).sum(axis=1)
        flat = points.reshape(len(self), -1)
        columns = (self.ids, self.image_ids, flat, self.boxes, self.areas, self.crowd.astype(int), labelled)
        return {
            "images": [{"id": number, "width": 0, "height": 0} for number in self.images],
            "categories": [{"id": self.category, "name": "person"}],
            "annotations": [
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": self.category,
                    "keypoints": triplets,
                    "bbox": box,
                    "area": area,
                    "iscrowd": crowd,
                    "num_keypoints": count,
                }
                for number, image_id, triplets, box, area, crowd, count in zip(
                    *(column.tolist() for column in columns), strict=True
                )
            ],
        }


def _side(record: Mapping[str, Any], name: str) -> float:
    """A picture's width or height in pixels, infinite where the file has no such number."""
    value = record.get(name)
    return float(value) if isinstance(value, (int, float)) and 0 < value < 2**31 else np.inf
