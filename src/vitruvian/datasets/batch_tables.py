"""Arrow tables of the pictures and the persons that a batch job found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..poses import Poses

if TYPE_CHECKING:
    from ..skeletons import Skeleton

METADATA_KEY = "vitruvian"
"""Key of the schema's metadata: JSON with the skeleton and the models' cards."""


@dataclass(frozen=True, eq=False)
class BatchPicture:
    """A picture, or a frame of a video, of a batch job.

    Args:
        picture: its number, the same in both tables and in every run.
        source: path, address, or file#name in a shard.
        frame: index of a video's frame; None for pictures.
        time: seconds from the start of a video; None for pictures.
        width, height: pixels; None where it can't be read.
        poses: its persons; None where it can't be read.
        error: why it has none.
    """

    picture: int
    source: str
    frame: int | None
    time: float | None
    width: int | None
    height: int | None
    poses: Poses | None
    error: str | None = None


def check_pyarrow() -> None:
    """Raises InputError where the package that reads and writes Parquet is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InputError("batch results need packages more: pip install 'vitruvian[ray]'") from None


def pictures_table(pictures: Sequence[BatchPicture], metadata: Mapping[str, Any]) -> Any:
    """A `pyarrow.Table`, one row a picture, with the fields of `BatchPicture` and the number of persons."""
    import pyarrow as pa

    columns = {
        "picture": pa.array([one.picture for one in pictures], pa.int64()),
        "source": pa.array([one.source for one in pictures], pa.string()),
        "frame": pa.array([one.frame for one in pictures], pa.int64()),
        "time": pa.array([one.time for one in pictures], pa.float64()),
        "width": pa.array([one.width for one in pictures], pa.int32()),
        "height": pa.array([one.height for one in pictures], pa.int32()),
        "persons": pa.array([0 if one.poses is None else len(one.poses) for one in pictures], pa.int32()),
        "error": pa.array([one.error for one in pictures], pa.string()),
    }
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(metadata)})


def persons_table(pictures: Sequence[BatchPicture], skeleton: Skeleton, metadata: Mapping[str, Any]) -> Any:
    """A `pyarrow.Table`, one row a person, with the columns of `vitruvian predict --parquet` and the picture's number.

    Coordinates are float32 in pixels, not rounded.
    """
    import pyarrow as pa

    having = [(one, one.poses) for one in pictures if one.poses is not None and len(one.poses)]
    counts = [len(poses) for _, poses in having]
    everybody = Poses.concatenate([poses for _, poses in having]) if having else Poses.empty(skeleton)

    def repeated(values: Sequence[Any], kind: Any) -> Any:
        return pa.array([value for value, count in zip(values, counts, strict=True) for _ in range(count)], kind)

    ids = everybody.track_ids
    tracks = [None] * len(everybody) if ids is None else [number or None for number in ids.tolist()]
    columns = {
        "picture": repeated([one.picture for one, _ in having], pa.int64()),
        "source": repeated([one.source for one, _ in having], pa.string()),
        "frame": repeated([one.frame for one, _ in having], pa.int64()),
        "time": repeated([one.time for one, _ in having], pa.float64()),
        "person": pa.array([index for count in counts for index in range(count)], pa.int32()),
        "track_id": pa.array(tracks, pa.int64()),
        "score": everybody.box_scores,
    }
    triplets = np.concatenate([everybody.keypoints, everybody.scores[..., None]], axis=2)
    numbers = [*everybody.boxes.T, *triplets.reshape(len(everybody), 3 * len(skeleton)).T]
    names = ["x1", "y1", "x2", "y2", *skeleton.columns]
    columns |= {name: np.ascontiguousarray(column) for name, column in zip(names, numbers, strict=True)}
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(metadata)})


def pictures_of(pictures: Any, persons: Any, skeleton: Skeleton) -> Iterator[BatchPicture]:
    """What `pictures_table` and `persons_table` were made of, picture by picture."""
    columns = {name: persons.column(name).to_numpy() for name in ("x1", "y1", "x2", "y2", "score")}
    boxes = np.stack([columns[name] for name in ("x1", "y1", "x2", "y2")], axis=1).astype(np.float32)
    scores = columns["score"].astype(np.float32)
    values = [persons.column(name).to_numpy() for name in skeleton.columns]
    triplets = np.stack(values, axis=1).astype(np.float32).reshape(len(scores), len(skeleton), 3)
    tracks = persons.column("track_id").to_pylist()
    ids = np.array([number or 0 for number in tracks], np.int64) if any(tracks) else None
    rows = pictures.to_pylist()
    owners = persons.column("picture").to_numpy()
    starts = np.searchsorted(owners, [row["picture"] for row in rows])
    for row, start in zip(rows, starts.tolist(), strict=True):
        part = slice(start, start + row["persons"])
        poses = None
        if row["error"] is None:
            own = None if ids is None else ids[part]
            poses = Poses(boxes[part], scores[part], triplets[part, :, :2], triplets[part, :, 2], skeleton, own)
        fields = {name: value for name, value in row.items() if name != "persons"}
        yield BatchPicture(**fields, poses=poses)
