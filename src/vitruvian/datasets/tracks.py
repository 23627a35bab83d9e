"""Track files: MOTChallenge's text, PoseTrack's JSON, and prediction files of `vitruvian predict --json`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..io import read_json
from .json_records import boxes_of, unique
from .prediction_files import is_poses
from .skeletons import sigmas_by_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PEDESTRIAN = 1


@dataclass(frozen=True)
class TrackedPersons:
    """The N persons of a frame.

    Args:
        ids: int64 (N,), track ids, unique in the frame.
        boxes: (N, 4) xyxy in pixels.
        keypoints: (N, K, 3) with x, y and a visibility above 0 where labelled, or (N, K, 2); None for boxes alone.
        counted: bool (N,), persons that the metrics count.
        classes: int64 (N,), MOTChallenge's classes, 1 for pedestrians.
    """

    ids: NDArray[np.int64]
    boxes: Array
    keypoints: Array | None
    counted: NDArray[np.bool_]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class TrackFile:
    """The persons of each frame, by its number from 1, and the sigmas of OKS where a truth has keypoints."""

    path: Path
    frames: Mapping[int, TrackedPersons]
    keypoints: int = 0
    sigmas: tuple[float, ...] | None = None

    @property
    def empty(self) -> TrackedPersons:
        """A frame without persons."""
        points = np.zeros((0, self.keypoints, 2)) if self.keypoints else None
        return _persons(np.zeros(0, np.int64), np.zeros((0, 4)), points)


def sequences(folder: Path) -> dict[str, Path]:
    """The annotation files in a folder by sequence name. Raises InputError if there are none."""
    found = {path.parent.name: path for path in sorted(folder.glob("*/gt.txt"))}
    found |= {path.parent.parent.name: path for path in sorted(folder.glob("*/gt/gt.txt"))}
    found |= {path.stem: path for path in sorted(folder.glob("*.json"))}
    if not found:
        raise InputError(f"{folder} has no sequences: NAME/gt.txt, NAME/gt/gt.txt or NAME.json are looked for")
    return found


def read_truth(path: Path) -> TrackFile:
    """Read annotated tracks of MOTChallenge or PoseTrack. Raises InputError, naming the file."""
    return _posetrack(path) if path.suffix == ".json" else _mot(path, truth=True)


def read_predictions(path: Path) -> TrackFile:
    """Read predicted tracks; persons without a track id are left out. Raises InputError, naming the file."""
    return _poses(path) if path.suffix == ".json" else _mot(path, truth=False)


def _persons(ids: NDArray[np.int64], boxes: Array, keypoints: Array | None = None) -> TrackedPersons:
    return TrackedPersons(ids, boxes, keypoints, np.ones(len(ids), bool), np.full(len(ids), PEDESTRIAN))


def _mot(path: Path, truth: bool) -> TrackFile:
    """Read lines of frame, id, left, top, width, height, and in annotations also counted, class, visibility."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file has no tracks
            table = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{path} can't be read: {reason}; give tracks in MOTChallenge's format") from None
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} is not in MOTChallenge's format, numbers between commas: {error}") from None
    table = table if table.size else np.zeros((0, 9))
    if table.shape[1] < 6 or not np.isfinite(table).all():
        raise InputError(f"{path}: each line needs finite frame, id, left, top, width, height")
    frames = {}
    numbers = table[:, 0].astype(int)
    for number in np.unique(numbers):
        rows = table[numbers == number]
        ids = rows[:, 1].astype(np.int64)
        unique(ids.tolist(), f"{path}: frame {number}: the ids")
        persons = _persons(ids, np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1))
        if truth and rows.shape[1] >= 8:
            classes = rows[:, 7].astype(np.int64)
            # 2D MOT 2015 has coordinates in the world here, and -1.
            classes = np.where(classes < 0, PEDESTRIAN, classes)
            counted = (rows[:, 6] > 0) & (classes == PEDESTRIAN)
            persons = TrackedPersons(persons.ids, persons.boxes, None, counted, classes)
        frames[int(number)] = persons
    return TrackFile(path, frames)


def _posetrack(path: Path) -> TrackFile:
    """Read PoseTrack's JSON of a video, COCO's format with a ``track_id``; frames count from 1 by file name."""
    data = read_json(path, "PoseTrack's annotations of a video")
    try:
        pictures = sorted(data["images"], key=lambda image: str(image["file_name"]))
        (category,) = [entry for entry in data["categories"] if entry["name"] == "person"]
        names = list(map(str, category["keypoints"]))
        by_image: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in pictures}
        for entry in data["annotations"]:
            by_image[entry["image_id"]].append(entry)
        frames = {
            number: _annotated(path, by_image[image["id"]], len(names))
            for number, image in enumerate(pictures, 1)
            if image.get("is_labeled", True)
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} is not PoseTrack's annotation of a video: {error!r}") from None
    return TrackFile(path, frames, len(names), sigmas_by_name(names))


def _annotated(path: Path, entries: list[Mapping[str, Any]], count: int) -> TrackedPersons:
    entries = [entry for entry in entries if "keypoints" in entry and any(entry["keypoints"])]
    ids = np.array([entry["track_id"] for entry in entries], np.int64)
    unique(ids.tolist(), f"{path}: a picture's track_ids")
    points = np.array([entry["keypoints"] for entry in entries], float).reshape(len(entries), count, 3)
    boxes = boxes_of(entries, lambda row: f"{path}: annotation {entries[row].get('id')}")
    return _persons(ids, np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1), points)


def _poses(path: Path) -> TrackFile:
    data = read_json(path, "what vitruvian predict --track --json wrote")
    if not is_poses(data):
        raise InputError(f"{path} is not what vitruvian predict --json writes")
    try:
        count = len(data["skeleton"]["keypoints"])
        frames = {}
        for frame in data["frames"]:
            persons = [person for person in frame["persons"] if person["track_id"]]
            ids = np.array([person["track_id"] for person in persons], np.int64)
            unique(ids.tolist(), f"{path}: frame {frame['index']}: the track_ids")
            boxes = np.array([person["box"] for person in persons], float).reshape(len(ids), 4)
            points = np.array([person["keypoints"] for person in persons], float).reshape(len(ids), count, 2)
            frames[int(frame["index"]) + 1] = _persons(ids, boxes, points)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is not what vitruvian predict --json writes: {error!r}") from None
    if not any(len(persons.ids) for persons in frames.values()):
        raise InputError(f"{path} has no track_id: run predict with --track")
    return TrackFile(path, frames, count)
