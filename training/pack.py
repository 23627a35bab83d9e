"""Pictures, boxes and keypoints as a folder of a few files, to train from on a GPU without any reading in between.

    python training/pack.py PACK --detector rtmdet_nano.onnx --pictures people/ \
        --annotated coco_more.json more/ --annotated coco.json train/ --annotated lspet.json lspet/ \
        --held coco_held.json

A pack has pictures*.bin, WebP files one after the other, below 48 MB each, and pack.npz. Every picture is 384 pixels
long at most. Persons are those who are annotated, and those whom the detector finds beside them.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vitruvian.loading import load_detector
from vitruvian.training.detection.assignment import overlaps

SIDE = 384
_FILE = 46_000_000
# The qualities of annotated pictures and of others.
_QUALITIES = 80, 72
_DETECTOR_SIDE = 640
_LEAST_SCORE, _PERSON_SCORE, _LEAST_AREA, _SAME = 0.2, 0.3, 600.0, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--pictures", type=Path, action="append", default=[], help="folder of unlabelled pictures")
    parser.add_argument("--annotated", nargs=2, type=Path, action="append", default=[], metavar=("JSON", "FOLDER"))
    parser.add_argument("--held", type=Path, help="annotations of pictures that measure and aren't learned from")
    parser.add_argument(
        "--squeezed", nargs="*", default=["flickr8k", "sports100"], help="sources made square: names up to the last _"
    )
    arguments = parser.parse_args()
    arguments.pack.mkdir(parents=True)
    held = (
        {record["file_name"] for record in json.loads(arguments.held.read_text())["images"]}
        if arguments.held
        else set()
    )
    detector = load_detector(arguments.detector, (_DETECTOR_SIDE, _DETECTOR_SIDE))
    detector.score = _LEAST_SCORE
    writer = _Writer(arguments.pack)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("size", "group", "held", "squeezed", "shard", "offset", "length")
    }
    persons, boxes = [], []
    for group, path, found in _pictures(arguments.pictures, arguments.annotated):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        whole = detector([np.asarray(image)])[0]
        factor = min(1, SIDE / max(image.size))
        size = tuple(max(1, round(side * factor)) for side in image.size)
        image = image if factor == 1 else image.resize(size, Image.Resampling.LANCZOS)
        number = len(rows["size"])
        values = (size, group, path.name in held, path.stem.rpartition("_")[0] in arguments.squeezed)
        for name, value in zip(rows, (*values, *writer(image, _QUALITIES[group == 0])), strict=True):
            rows[name].append(value)
        known = [box * factor for box, _ in found]
        persons += [(number, box * factor, points * (factor, factor, 1)) for box, points in found]
        places = torch.from_numpy(whole.xyxy * factor).double()
        same = overlaps(places[:, None], torch.from_numpy(np.array(known).reshape(-1, 4))) > _SAME
        for box, score in zip(places[~same.any(dim=1)].numpy(), whole.scores[~same.any(dim=1).numpy()], strict=True):
            boxes.append((number, *box, score))
            if score >= _PERSON_SCORE and (box[2:] - box[:2]).prod() >= _LEAST_AREA:
                persons.append((number, box, np.zeros((17, 3))))
        boxes += [(number, *box, 1.0) for box in known]
    writer.close()
    pictures, areas, keypoints = zip(*persons, strict=True)
    np.savez_compressed(
        arguments.pack / "pack.npz",
        **{name: np.array(values) for name, values in rows.items()},
        person_picture=np.array(pictures),
        person_box=np.array(areas, np.float32),
        person_keypoints=np.array(keypoints, np.float32),
        boxes=np.array(boxes, np.float32),
    )
    print(f"{arguments.pack}: {len(rows['size'])} pictures, {len(persons)} persons, {len(boxes)} boxes")


def _pictures(folders: list[Path], annotated: list[list[Path]]) -> Any:
    """Group, file, and (box xyxy, keypoints (17, 3)) of the annotated persons; group 0 is not annotated."""
    for folder in folders:
        for path in sorted(folder.iterdir()):
            yield 0, path, []
    for group, (file, folder) in enumerate(annotated, 1):
        content = json.loads(file.read_text())
        found: dict[int, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
        for item in content["annotations"]:
            x, y, width, height = item["bbox"]
            points = np.array(item.get("keypoints", [0] * 51), float).reshape(17, 3)
            shown = (points[:, 2] > 0).any() or width * height >= _LEAST_AREA
            if not item.get("iscrowd") and min(width, height) >= 1 and shown:
                found.setdefault(item["image_id"], []).append((np.array([x, y, x + width, y + height]), points))
        for record in content["images"]:
            yield group, folder / record["file_name"], found.get(record["id"], [])


class _Writer:
    """Appends pictures to files, and says where: number of the file, offset, length."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._offset = folder, 0, 0
        self._stream = self._open()

    def _open(self) -> Any:
        return (self._folder / f"pictures{self._number}.bin").open("wb")

    def __call__(self, image: Image.Image, quality: int) -> tuple[int, int, int]:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=6)
        content = buffer.getvalue()
        if self._offset + len(content) > _FILE:
            self.close()
            self._number, self._offset = self._number + 1, 0
            self._stream = self._open()
        self._stream.write(content)
        self._offset += len(content)
        return self._number, self._offset - len(content), len(content)

    def close(self) -> None:
        self._stream.close()


if __name__ == "__main__":
    main()
