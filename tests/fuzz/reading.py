"""What the program does with a file of each kind, from its first byte to its last."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from http_requests import request

import vitruvian as vt
from vitruvian.cards import ModelCard
from vitruvian.datasets.reading import read_annotations
from vitruvian.datasets.tracks import read_predictions, read_truth
from vitruvian.errors import InputError
from vitruvian.evaluation.inputs import read_detections
from vitruvian.evaluation.journal import Journal
from vitruvian.loading import load_detector, load_pose
from vitruvian.media import VideoWriter, open_source, read_image
from vitruvian.skeletons.reading import read_skeleton
from vitruvian.training import read_recipe
from vitruvian.training.resume import AtomicCheckpointIO

PICTURE = np.full((80, 64, 3), 90, np.uint8)
PERSON = {"id": 1, "image_id": 7, "category_id": 1, "keypoints": [1, 1, 2, 9, 9, 2], "num_keypoints": 2}
TRUTH = {
    "images": [{"id": 7, "file_name": "7.png", "width": 100, "height": 120}],
    "annotations": [{**PERSON, "bbox": [1, 1, 9, 9], "area": 50, "iscrowd": 0}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["a", "b"], "skeleton": []}],
}


def picture(path: Path) -> None:
    """As a source, and as the picture that `model(path)` takes."""
    try:
        for frame in islice(open_source(path), 8):
            assert frame.image.dtype == np.uint8
            assert frame.image.ndim == 3
    except InputError:
        read_image(path)
        raise


def video(path: Path) -> None:
    """Read, and written again with its sound."""
    source = open_source(path)
    if source.info is None:
        list(source)
        return
    with VideoWriter(path.with_name("out.mp4"), source.info, path if source.info.has_audio else None) as writer:
        for frame in islice(source, 12):
            writer.write(frame.image, frame.pts)


def model(path: Path) -> None:
    """Its network, made and filled."""
    vt.zoo.load_network(checkpoint=path)


def onnx(path: Path) -> None:
    """Run on a picture."""
    engine = {"threads": 1, "precision": "fp32"}
    if path.name.startswith("pose"):
        poses = vt.pipeline.TopDown(load_pose(path, **engine))(PICTURE, boxes=[[5, 5, 50, 60]])
        assert np.isfinite(poses.keypoints).all()
    else:
        (boxes,) = load_detector(path, 64, **engine)([PICTURE])
        assert np.isfinite(boxes.xyxy).all()


def tracks(path: Path) -> None:
    """Annotated or predicted ones."""
    (read_truth if path.name.startswith("truth") else read_predictions)(path)


def detections(path: Path) -> None:
    """With annotations that have their picture."""
    read_detections(path, read_annotations(TRUTH))


def journal(path: Path) -> None:
    """Gone on from."""
    Journal(path, "a", 17, resume=True).close()


def state(path: Path) -> None:
    """Read as a run reads it that goes on."""
    AtomicCheckpointIO(lambda state: None).load_checkpoint(path)


READERS: dict[str, Callable[[Path], object]] = {
    "picture": picture,
    "video": video,
    "checkpoint": vt.zoo.read_checkpoint,
    "model": model,
    "onnx": onnx,
    "annotations": read_annotations,
    "detections": detections,
    "tracks": tracks,
    "card": lambda path: ModelCard.from_json(path.read_text(errors="surrogateescape")),
    "journal": journal,
    "skeleton": read_skeleton,
    "recipe": read_recipe,
    "state": state,
    "request": request,
}
