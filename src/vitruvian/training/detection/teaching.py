"""Boxes from a teacher: pictures that nobody annotated become a data set, by a detector that has learned already."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...evaluation.reading import read_json
from ...media import ImageFiles, open_folder, prefetch
from ...media.files import write_file
from ...pipeline import FRAMES_AT_ONCE, batched
from ...zoo import load_detector

if TYPE_CHECKING:
    from ...detectors import Detector

logger = logging.getLogger("vitruvian")

# What scores less is noise: RTMDet has twenty such boxes a picture, of which one in three hundred is a person. What the
# rest is worth is for the student's recipe to judge.
LEAST_SCORE = 0.1
_MOST_BOXES = 100
_TOLD_EVERY = 60.0


def taught(teacher: str, folder: str | os.PathLike[str], output: Path, size: tuple[int, int] | None = None) -> Path:
    """Annotations of a folder's pictures by a teacher, with its ``score`` for each box.

    Args:
        teacher: a detector, see `vitruvian.load`.
        folder: the pictures; those that can't be read are left out and logged.
        output: the annotations file. It is written whole or not at all, and taken as it is where it is of the same
            teacher and the same pictures.
        size: (height, width) of the teacher's input; None takes its own.

    Raises:
        InputError: a teacher or pictures that can't be used.
        OutputError: the file can't be written.
    """
    pictures = open_folder(folder, recursive=True)
    origin = _origin(teacher, size, pictures.paths)
    if output.is_file() and read_json(output, "a teacher's annotations").get("info") == origin:
        logger.info("%s has the boxes of %s already", output, teacher)
        return output
    detector = load_detector(teacher, size, score=LEAST_SCORE, max_persons=_MOST_BOXES)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, shape, boxes, scores) in enumerate(_found(detector, pictures), 1):
        images.append({"id": number, "file_name": os.path.relpath(name, folder), "width": shape[1], "height": shape[0]})
        for (x1, y1, x2, y2), score in zip(boxes, scores, strict=True):
            box = [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)]
            record = {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0}
            annotations.append({**record, "area": round(box[2] * box[3], 2), "score": round(score, 4)})
    for problem in pictures.problems:
        logger.warning("%s: left out", problem)
    if not images:
        raise InputError(f"{folder}: none of its pictures can be read")
    logger.info("%s: %d boxes in %d pictures of %s", teacher, len(annotations), len(images), folder)
    categories = [{"id": 1, "name": "person"}]
    content = {"info": origin, "images": images, "annotations": annotations, "categories": categories}
    write_file(output, json.dumps(content).encode())
    return output


def _origin(teacher: str, size: tuple[int, int] | None, paths: Sequence[str]) -> dict[str, Any]:
    """What boxes depend on; the files of the pictures by name and length."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{os.path.basename(path)} {os.path.getsize(path)}\n".encode(errors="surrogateescape"))
    weights = hashlib.sha256(Path(teacher).read_bytes()).hexdigest() if os.path.isfile(teacher) else teacher
    return {"teacher": weights, "size": list(size or ()), "least": LEAST_SCORE, "pictures": digest.hexdigest()}


def _found(
    detector: Detector, pictures: ImageFiles
) -> Iterator[tuple[str, tuple[int, ...], list[list[float]], list[float]]]:
    """Each picture's file, shape, boxes and scores."""
    done, told = 0, time.monotonic()
    with closing(prefetch(pictures, 2 * FRAMES_AT_ONCE)) as frames:
        for batch in batched(frames, FRAMES_AT_ONCE):
            for frame, boxes in zip(batch, detector([frame.image for frame in batch]), strict=True):
                yield frame.source, frame.image.shape, boxes.xyxy.tolist(), boxes.scores.tolist()
            done += len(batch)
            if time.monotonic() - told > _TOLD_EVERY:
                logger.info("teacher: %d of %d pictures", done, len(pictures.paths))
                told = time.monotonic()
