"""Annotated persons of one or several data sets, read as arrays for training a pose net."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..skeletons import Skeleton
from .annotations import Annotations
from .json_records import listed
from .locations import picture_paths
from .reading import read_annotations, read_content
from .skeletons import completed, from_file
from .yolo import description

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DataSource:
    """A data set: annotations, pictures and a weight.

    Args:
        annotations: file that `read_annotations` reads.
        images: the folder of its pictures; None for a YOLO data set, whose pictures are below its ``data.yaml``.
        weight: how often an epoch has each person, above 0; with 0.5 every other person, chosen at random.
        split: the split of a YOLO data set: train, val or test.
        allow_outside: take pictures whose names lead out of the folder, see `picture_paths`.
    """

    annotations: str | os.PathLike[str]
    images: str | os.PathLike[str] | None = None
    weight: float = 1.0
    split: str = "train"
    allow_outside: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.weight < np.inf:
            raise InputError(f"{self.annotations}: its weight is {self.weight}; it must be above 0")

    @property
    def folder(self) -> str:
        """The folder of the pictures. Raises InputError if it isn't given, and the annotations have no pictures."""
        return folder_of(self.annotations, self.images)


def folder_of(annotations: str | os.PathLike[str], images: str | os.PathLike[str] | None) -> str:
    """The folder of the pictures of an annotation file, by default that of a YOLO data set.

    Raises:
        InputError: `images` is None, and this is no YOLO data set.
    """
    if images is not None:
        return os.fspath(images)
    described = description(annotations)
    if described is None:
        raise InputError(
            f"{annotations}: give the folder of its pictures (--images); only YOLO data sets have their own"
        )
    return str(described.parent)


@dataclass(frozen=True, eq=False)
class Persons:
    """T persons with keypoints, none of them a crowd.

    Args:
        skeleton: names, limbs and pairs of the K keypoints.
        files: paths of the pictures.
        pictures: int64 (T,), each person's index in `files`.
        ids: int64 (T,), ids of the annotations.
        keypoints: float32 (T, K, 2) in pixels of the picture.
        confidences: float32 (T, K) in 0..1, the weight of each keypoint: 0 where it is not labelled, else 1, or the
            file's score of it, as in a teacher's annotations.
        boxes: float32 (T, 4) xyxy in pixels.
        copies: float64 (T,), how often an epoch has each person.
        notes: what was inferred or left out, one sentence each.
    """

    skeleton: Skeleton
    files: NDArray[np.str_]
    pictures: NDArray[np.int64]
    ids: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    confidences: NDArray[np.float32]
    boxes: NDArray[np.float32]
    copies: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> Persons:
        """The persons of a slice, an index array or a mask."""
        chosen = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, **chosen)

    def name(self, row: int) -> str:
        """The name of a person in messages."""
        return f"annotation {self.ids[row]} in {self.files[self.pictures[row]]}"


_COLUMNS = ("pictures", "ids", "keypoints", "confidences", "boxes", "copies")


def read_persons(
    sources: Sequence[DataSource], skeleton: str | os.PathLike[str] | None = None, clip_boxes: bool = False
) -> Persons:
    """Read the persons of data sets that have the same keypoints.

    Args:
        sources: at least one.
        skeleton: a YAML file that completes or replaces the annotations' skeleton, see `read_skeleton`.
        clip_boxes: clip boxes to the picture, see `Annotations.clipped`.

    Raises:
        InputError: a file can't be used, keypoints differ, or no person has both keypoints and a picture.
    """
    if not sources:
        raise InputError("no data: give annotations and the folder of their images")
    truths = [read_annotations(source.annotations, split=source.split) for source in sources]
    return persons_of(sources, truths, skeleton, clip_boxes)


def persons_of(
    sources: Sequence[DataSource],
    truths: Sequence[Annotations],
    skeleton: str | os.PathLike[str] | None = None,
    clip_boxes: bool = False,
) -> Persons:
    """As `read_persons`, for annotations that are read already."""
    parts = [_persons(source, truth, clip_boxes) for source, truth in zip(sources, truths, strict=True)]
    first, *others = parts
    for source, other in zip(sources[1:], others, strict=True):
        if other.skeleton.keypoints != first.skeleton.keypoints:
            raise InputError(
                f"{source.annotations} has the keypoints {listed(other.skeleton.keypoints)}, but "
                f"{sources[0].annotations} has {listed(first.skeleton.keypoints)}: they must be the same, in one order"
            )
    settled, inferred = completed(from_file(skeleton, first.skeleton))
    offsets = np.cumsum([0, *(len(part.files) for part in parts[:-1])])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    columns["pictures"] = np.concatenate(
        [part.pictures + offset for part, offset in zip(parts, offsets.tolist(), strict=True)]
    )
    files = np.concatenate([part.files for part in parts])
    notes = tuple(dict.fromkeys([note for part in parts for note in part.notes] + inferred))
    return Persons(settled, files, notes=notes, **columns)


def _persons(source: DataSource, truth: Annotations, clip_boxes: bool) -> Persons:
    files, pictures = picture_files(source, truth), truth.pictures
    boxes = truth.clipped if clip_boxes else truth.xyxy
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    wanted = truth.counted & solid & (truth.keypoints[..., 2] > 0).any(axis=1)
    # Only pictures that are needed are looked for: folders may be far away.
    needed = np.unique(pictures[wanted])
    present = np.zeros(len(files), bool)
    present[needed] = [os.path.isfile(files[index]) for index in needed.tolist()]
    rows = np.flatnonzero(wanted & present[pictures])
    notes = [note for note in truth.notes if "measured" not in note]
    notes += missing_note(source, [files[index] for index in needed.tolist() if not present[index]])
    if flat := int((truth.counted & ~solid).sum()):
        notes.append(f"{source.annotations}: {flat} persons have boxes without area, and are left out")
    if not len(rows):
        raise InputError(
            f"{source.annotations}: none of its {len(truth)} persons has keypoints, a box, and its picture in "
            f"{source.folder}; are these annotations of persons, and is this their folder?"
        )
    confidences = ((truth.keypoints[rows, :, 2] > 0) * truth.keypoint_scores[rows]).astype(np.float32)
    if not confidences.any():
        raise InputError(f"{source.annotations}: the keypoint_scores of all labelled keypoints are 0, so none counts")
    return Persons(
        truth.skeleton,
        np.array(files),
        pictures[rows],
        truth.ids[rows],
        truth.keypoints[rows, :, :2].astype(np.float32),
        confidences,
        boxes[rows].astype(np.float32),
        np.full(len(rows), source.weight),
        tuple(notes),
    )


def picture_files(source: DataSource, truth: Annotations) -> list[str]:
    """The paths of all annotated pictures, existing or not; see `picture_paths`."""
    records = list(truth.images.values())
    return picture_paths(records, source.folder, str(source.annotations), source.allow_outside)


def missing_note(source: DataSource, files: Sequence[str]) -> list[str]:
    """A note about missing files, if there are any."""
    names = [os.path.basename(file) for file in files]
    return [f"{source.folder} lacks {len(names)} pictures, which are left out: {listed(names)}"] if names else []


def subset(source: DataSource, ids: Sequence[int]) -> dict[str, Any]:
    """The content of an annotation file, reduced to these annotations and their pictures."""
    content: dict[str, Any] = read_content(source.annotations, source.split)
    wanted = set(ids)
    kept = [record for record in content["annotations"] if record["id"] in wanted]
    pictures = {record["image_id"] for record in kept}
    images = [record for record in content["images"] if record["id"] in pictures]
    return {**content, "images": images, "annotations": kept}
