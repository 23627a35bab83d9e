"""Poses as a Parquet file, one row a person, in row groups of bounded size."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OutputError
from ..io import as_text, why_not_written
from .records import angle_columns, angle_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..poses import Poses
    from ..skeletons import Skeleton
    from .frames import Frame

# Persons of a row group: as many are in memory at most.
_GROUP = 10_000


def check_parquet() -> None:
    """Raises InputError where the package that writes Parquet is missing."""
    if not find_spec("pyarrow"):
        raise InputError("--parquet needs a package more: pip install 'vitruvian[parquet]'")


class ParquetFile:
    """One row a person, with the columns of `CsvFile`.

    Source is a string, frame, person and track_id are int64, the others float32 but for time, a float64 in seconds;
    time, track_id and unsure angles are null. Without any picture no file appears. Where writing fails, nothing
    is left of the file, as its index is at the end.

    Args:
        path: the file to write; its folder is made.
        skeleton: what the keypoints are.
        with_angles: write the joint angles too.
    """

    def __init__(self, path: Path, skeleton: Skeleton, with_angles: bool = False) -> None:
        check_parquet()
        self.path = path
        self.problems: list[str] = []
        self._points = skeleton.columns
        self._angles = angle_columns(skeleton) if with_angles else []
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None
        self._schema: Any = None
        self._closed = False

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append the persons of one picture. Raises OutputError."""
        with self._output_errors():
            if self._writer is None:
                self._open()
            place = {"source": as_text(frame.source), "frame": frame.index}
            angles = angle_rows(poses) if self._angles else [[] for _ in range(len(poses))]
            for number, (person, degrees) in enumerate(zip(poses.to_dict()["persons"], angles, strict=True)):
                row: dict[str, Any] = {**place, "time": frame.time, "person": number, "track_id": person["track_id"]}
                row |= {"score": person["score"]} | dict(zip(("x1", "y1", "x2", "y2"), person["box"], strict=True))
                triplets = zip(person["keypoints"], person["keypoint_scores"], strict=True)
                values = [value for point, score in triplets for value in (*point, score)]
                row |= dict(zip(self._points, values, strict=True)) | dict(zip(self._angles, degrees, strict=True))
                self._rows.append(row)
            if len(self._rows) >= _GROUP:
                self._flush()

    def close(self) -> None:
        """Complete the file; harmless a second time. Raises OutputError."""
        if self._writer is None or self._closed:
            return
        with self._output_errors():
            self._flush()
            self._writer.close()
            self._closed = True

    def _open(self) -> None:
        import pyarrow
        from pyarrow import parquet

        whole = {name: pyarrow.int64() for name in ("frame", "person", "track_id")}
        kinds = {"source": pyarrow.string(), "time": pyarrow.float64(), **whole}
        names = ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"]
        names += [*self._points, *self._angles]
        self._schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float32())) for name in names])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = parquet.ParquetWriter(str(self.path), self._schema)

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._closed = True
            if self._writer is not None:
                with suppress(OSError):
                    self._writer.close()
                if self.path.is_file():
                    with suppress(OSError):
                        self.path.unlink()
            raise OutputError(why_not_written(str(self.path), error)) from None
