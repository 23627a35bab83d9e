"""Journal of predictions on disk, from which an interrupted evaluation resumes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, OutputError
from ..geometry import solid
from ..io import MIB, parse_json, why_not_written
from ..poses import Boxes
from .inputs import EvaluatedPicture
from .predicting import Predicted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..pipeline import PoseEstimator

# A picture's predictions; thousands of persons of 133 keypoints have less.
_LONGEST_LINE = 64 * MIB


class Journal:
    """Predictions as JSON lines: the run's fingerprint, then a line a picture. An incomplete last line is dropped.

    Args:
        path: the file; its folder is created.
        fingerprint: of the model, its settings, the pictures and boxes.
        keypoints: K, of each person.
        resume: keep the file's predictions; otherwise it is overwritten.

    Raises:
        InputError: the file is of another run, or has a line that no run wrote.
        OutputError: the file can't be written.
    """

    def __init__(self, path: Path, fingerprint: str, keypoints: int, resume: bool) -> None:
        self.path = path
        self._keypoints = keypoints
        self.done: dict[int, Predicted] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            end = self._read(fingerprint) if resume and path.exists() else 0
            self._file = path.open("r+b" if end else "wb", buffering=0)
            self._file.truncate(end)
            self._file.seek(end)
            if not end:
                self._write({"fingerprint": fingerprint})
        except OSError as error:
            raise OutputError(why_not_written(str(path), error)) from None

    def _read(self, fingerprint: str) -> int:
        """Read the complete lines; returns the offset of their end."""
        end = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b"")):
                if not line.endswith(b"\n"):
                    break
                try:
                    record = parse_json(line, f"line {number + 1}")
                    if number > 0:
                        self._take(record)
                except (InputError, KeyError, TypeError, ValueError, OverflowError) as error:
                    raise InputError(
                        f"{self.path}: line {number + 1} is not what a run wrote ({type(error).__name__}: {error}); "
                        "remove the file, or overwrite it (--overwrite)"
                    ) from None
                if number == 0 and (not isinstance(record, dict) or record.get("fingerprint") != fingerprint):
                    raise InputError(
                        f"{self.path} has the predictions of another run (other model, settings, images or boxes); "
                        "remove it, or overwrite it (--overwrite)"
                    )
                end += len(line)
        return end

    def _take(self, record: dict[str, Any]) -> None:
        number = record["image_id"]
        if not isinstance(number, int):
            raise ValueError(f"the image_id is {number!r}")
        persons, count = record["shape"]
        if count != self._keypoints:
            raise ValueError(f"{count} keypoints instead of {self._keypoints}")
        scores = _array(record["box_scores"], (-1,))
        boxes = Boxes(_array(record["boxes"], (len(scores), 4)), scores)
        if persons > len(scores) or not solid(boxes.xyxy).all():
            raise ValueError("its boxes are none, or fewer than its persons")
        keypoints = _array(record["keypoints"], (persons, count, 2))
        peaks = _array(record["peaks"], (persons, count))
        self.done[number] = Predicted(number, boxes, keypoints, peaks)

    def append(self, predicted: Predicted) -> None:
        """Write a picture's predictions. Raises OutputError."""
        try:
            self._write(
                {
                    "image_id": predicted.image_id,
                    "shape": predicted.peaks.shape,
                    "boxes": predicted.boxes.xyxy.tolist(),
                    "box_scores": predicted.boxes.scores.tolist(),
                    "keypoints": predicted.keypoints.ravel().tolist(),
                    "peaks": predicted.peaks.ravel().tolist(),
                }
            )
        except OSError as error:
            raise OutputError(why_not_written(str(self.path), error)) from None

    def _write(self, record: dict[str, Any]) -> None:
        data = memoryview(json.dumps(record).encode() + b"\n")
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.array(values, np.float32)
    if not np.isfinite(array).all():
        raise ValueError("a number in it isn't finite")
    return array.reshape(shape)


def fingerprint(pose: PoseEstimator, detector: Any, pictures: Sequence[EvaluatedPicture], score: float) -> str:
    """A digest of all that predictions depend on: cards and files of networks, settings, pictures, boxes."""
    digest = hashlib.sha256(b"peaks")  # the lines' content, which once was scores
    for part in (pose, detector):
        if part is not None:
            path = getattr(part.runtime, "path", None)
            state = os.stat(path) if path and os.path.isfile(path) else None
            digest.update(part.card.to_json().encode())
            digest.update(repr((str(path), state and (state.st_size, state.st_mtime_ns))).encode())
    settings = [getattr(detector, name, None) for name in ("score", "iou", "max_persons")]
    digest.update(repr((pose.flip, score, settings)).encode())
    for picture in pictures:
        digest.update(repr((picture.image_id, str(picture.path))).encode())
        if picture.boxes is not None:
            digest.update(picture.boxes.xyxy.tobytes() + picture.boxes.scores.tobytes())
    return digest.hexdigest()
