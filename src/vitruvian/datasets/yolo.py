"""Data sets of YOLO for poses and boxes: ``data.yaml``, pictures, and a text file of labels for each picture.

The format is documented at https://docs.ultralytics.com/datasets/pose/. A line of a label file is a person: class,
box centre x y, width height, and x y (visibility) of each keypoint, as shares of the picture's width and height.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, OutputError
from ..io import MIB, read_yaml, why_not_written, write_file
from ..media.pictures import expand
from ..pictures.decoding import open_picture
from ..runtimes import usable_cores
from ..skeletons import COCO17, Skeleton, known_skeleton
from ..skeletons.base import numbered
from .json_records import PLACE, UNREADABLE, listed
from .locations import picture_paths

if TYPE_CHECKING:
    from .annotations import Annotations

NAMES = ("data.yaml", "data.yml", "dataset.yaml")
SUFFIXES = (".yaml", ".yml")
SPLITS = ("train", "val", "test")

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_MOST_KEYPOINTS = 10_000


def description(path: str | os.PathLike[str]) -> Path | None:
    """The ``data.yaml`` that a path names, itself or as its folder; None if it is no such data set."""
    if Path(path).suffix.lower() in SUFFIXES:
        return Path(path)
    return next((file for name in NAMES if (file := Path(path) / name).is_file()), None)


def splits(file: str | os.PathLike[str]) -> list[str]:
    """The splits that a ``data.yaml`` has, of train, val, test. Raises InputError as `read_yolo` does."""
    return [split for split in SPLITS if _described(Path(file)).get(split)]


def read_yolo(file: str | os.PathLike[str], split: str = "train") -> dict[str, Any]:
    """A split of a YOLO data set in COCO's format. Names of pictures are relative to the folder of ``data.yaml``.

    Keypoints have the names of ``kpt_names``; without it those of the known skeleton of as many keypoints and the same
    ``flip_idx``, or numbers. Keypoints without a visibility count as visible, unless they are (0, 0) or negative.

    Args:
        file: the ``data.yaml``.
        split: train, val or test.

    Raises:
        InputError: no such file or split, or a label that can't be read; it names the file and the line.
    """
    path = Path(file)
    data = _described(path)
    classes = _classes(path, data)
    count, values = _keypoint_shape(path, data)
    notes: list[str] = []
    shape: dict[str, Any] = {}
    if count:
        skeleton = _skeleton(path, data, count, notes)
        limbs = [[first + 1, second + 1] for first, second in skeleton.limbs]
        shape = {"keypoints": list(skeleton.keypoints), "skeleton": limbs, "flip_pairs": _pair_names(skeleton)}
    pictures = _pictures(path, data, split)
    with ThreadPoolExecutor(usable_cores()) as pool:
        sizes = list(pool.map(_size, pictures))
    broken = [str(picture) for picture, size in zip(pictures, sizes, strict=True) if size is None]
    if alone := _without_picture(path, data, split, pictures):
        notes.append(f"{len(alone)} label files have no picture: {listed([_below(file, path) for file in alone])}")
    images: list[dict[str, Any]] = []
    persons: list[dict[str, Any]] = []
    for picture, size in zip(pictures, sizes, strict=True):
        if size is None:
            continue
        name = os.path.relpath(picture, path.parent)
        images.append({"id": len(images) + 1, "file_name": name, "width": size[0], "height": size[1]})
        labels = _label_file(picture)
        for number, row in _rows(labels, 5 + count * values):
            if not 0 <= row[0] < len(classes) or row[0] % 1:
                raise InputError(f"{labels}, line {number}: class {row[0]:g}; there are {len(classes)}")
            place = {PLACE: f"{_below(labels, path)} line {number}"}
            own = {"id": len(persons) + 1, "image_id": len(images)} | place
            persons.append(own | _person(row, size, count, values))
    categories = [{"id": number, "name": name} | shape for number, name in enumerate(classes, 1)]
    content = {"images": images, "categories": categories, "annotations": persons}
    return content | {"notes": notes, UNREADABLE: [_below(Path(name), path) for name in broken]}


def _described(path: Path) -> Mapping[str, Any]:
    data = read_yaml(path)
    if not isinstance(data, Mapping) or "names" not in data or not any(split in data for split in SPLITS):
        raise InputError(f"{path} describes no YOLO data set: it needs names, and train or val (data.yaml)")
    return data


def _classes(path: Path, data: Mapping[str, Any]) -> list[str]:
    names = data["names"]
    if isinstance(names, Mapping) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(f"{path}: names must be a list, or numbers from 0 with a name each, not {names!r}")
    return [str(name) for name in names]


def _keypoint_shape(path: Path, data: Mapping[str, Any]) -> tuple[int, int]:
    """Number of keypoints, and of values of each; (0, 0) for boxes alone."""
    shape = data.get("kpt_shape")
    if shape is None:
        return 0, 0
    right = isinstance(shape, list) and len(shape) == 2 and all(type(number) is int for number in shape)
    if not right or not 0 < shape[0] <= _MOST_KEYPOINTS or shape[1] not in (2, 3):
        raise InputError(f"{path}: kpt_shape is {shape!r}; it must be the number of keypoints, and 2 or 3")
    return shape[0], shape[1]


def _skeleton(path: Path, data: Mapping[str, Any], count: int, notes: list[str]) -> Skeleton:
    order = data.get("flip_idx")
    if order is not None and (not isinstance(order, list) or sorted(map(str, order)) != sorted(map(str, range(count)))):
        raise InputError(f"{path}: flip_idx must have each number from 0 to {count - 1} once, not {order!r}")
    if order is not None and any(order[order[index]] != index for index in range(count)):
        raise InputError(f"{path}: flip_idx must exchange pairs: what it maps to each other is {order!r}")
    pairs = tuple((index, other) for index, other in enumerate(order or ()) if index < other)
    names = data.get("kpt_names")
    if isinstance(names, Mapping) and names:
        names = names[min(names)]
    if names is not None:
        if not isinstance(names, list) or len(set(map(str, names))) != count:
            raise InputError(f"{path}: kpt_names must be {count} different names, not {names!r}")
        own = tuple(map(str, names))
        return Skeleton("person", own, COCO17.limbs if own == COCO17.keypoints else (), (), pairs)
    known = known_skeleton(count)
    if known is not None and (order is None or {*map(frozenset, known.flip_pairs)} == {*map(frozenset, pairs)}):
        notes.append(f"{path} has no kpt_names: its {count} keypoints are taken for those of {known.name}")
        return known
    return Skeleton("person", numbered(count).keypoints, (), (), pairs)


def _pair_names(skeleton: Skeleton) -> list[list[str]]:
    return [[skeleton.keypoints[first], skeleton.keypoints[second]] for first, second in skeleton.flip_pairs]


def _pictures(path: Path, data: Mapping[str, Any], split: str) -> list[Path]:
    """The pictures of a split, which is a folder, a text file with a path a line, or a list of these."""
    if not data.get(split):
        has = ", ".join(name for name in SPLITS if data.get(name))
        raise InputError(f"{path} has no {split}; it has {has}")
    found: list[Path] = []
    for entry, place in _entries(path, data, split):
        if place.suffix == ".txt" and place.is_file():
            lines = _text(place, 256 * MIB).split("\n")
            found += [place.parent / line.strip() for line in lines if line.strip()]
        elif place.is_dir():
            found += map(Path, expand(place, recursive=True)[0])
        else:
            raise InputError(
                f"{path}: {split} is {str(entry)!r}, and {place} is neither a folder nor a list of pictures"
            )
    return found


def _entries(path: Path, data: Mapping[str, Any], split: str) -> Iterator[tuple[str, Path]]:
    """The entries of a split, each as written and as a path."""
    given = data[split] if isinstance(data[split], list) else [data[split]]
    root = path.parent / str(data.get("path") or "")
    # Written where it was made, the root is often another; then the file's own folder is it.
    base = root if root.is_dir() else path.parent
    for entry in map(str, given):
        # Some exports count from a folder below the file's own.
        places = [base / text for text in (entry, entry.removeprefix("../"))]
        yield entry, next((place for place in places if place.exists()), places[0])


def _without_picture(path: Path, data: Mapping[str, Any], split: str, pictures: Sequence[Path]) -> list[Path]:
    """Label files without a picture, where labels have folders of their own; a list of pictures may leave some out."""
    files = {_label_file(picture) for picture in pictures}
    found: list[Path] = []
    for _, place in _entries(path, data, split):
        labels = _label_file(place / "picture").parent
        if place.is_dir() and labels != place:
            found += sorted(set(labels.rglob("*.txt")) - files)
    return list(dict.fromkeys(found))


def _below(file: Path, described: Path) -> str:
    """A file's path from the folder of ``data.yaml``, for messages."""
    return os.path.relpath(file, described.parent)


def _size(picture: Path) -> tuple[int, int] | None:
    """Width and height as shown; None for what can't be read."""
    try:
        with open(picture, "rb") as stream, open_picture(stream, str(picture)) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(_ORIENTATION) in _TURNED else (width, height)
    except (InputError, OSError, ValueError, SyntaxError):
        return None


def _label_file(picture: Path) -> Path:
    """The picture's labels: in the folder labels beside the last folder images of its path, or else beside it."""
    parts = list(picture.parts)
    places = [index for index, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _text(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None
    if len(data) > limit:
        raise InputError(f"{path} is larger than {limit / MIB:g} MiB, the most that is read of such a file")
    return data.decode("utf-8", "replace")


def _rows(labels: Path, length: int) -> Iterator[tuple[int, list[float]]]:
    """The lines of a label file, with their numbers from 1; a picture without a file has none."""
    if not labels.is_file():
        return
    for number, line in enumerate(_text(labels, MIB).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = [float(text) for text in line.split()]
        except ValueError:
            raise InputError(f"{labels}, line {number}: {line.strip()[:40]!r} are no numbers") from None
        if len(row) != length:
            raise InputError(f"{labels}, line {number}: {len(row)} numbers, not the {length} of data.yaml's kpt_shape")
        if not np.isfinite(row).all():
            raise InputError(f"{labels}, line {number}: a number isn't finite")
        yield number, row


def _person(row: Sequence[float], size: tuple[int, int], count: int, values: int) -> dict[str, Any]:
    width, height = size
    x, y, w, h = (value * side for value, side in zip(row[1:5], (width, height) * 2, strict=True))
    person: dict[str, Any] = {"category_id": int(row[0]) + 1, "bbox": [x - w / 2, y - h / 2, w, h], "iscrowd": 0}
    if count:
        points = np.array(row[5:]).reshape(count, values)
        there = (points[:, :2] >= 0).all(axis=1) & (points[:, :2] != 0).any(axis=1)
        visible = points[:, 2] if values == 3 else np.where(there, 2, 0)
        points = np.column_stack([points[:, :2] * size * (visible > 0)[:, None], visible])
        person |= {"keypoints": points.reshape(-1).tolist(), "num_keypoints": int((visible > 0).sum())}
    return person


def write_yolo(
    truth: Annotations,
    folder: str | os.PathLike[str],
    images: str | os.PathLike[str] | None = None,
    split: str = "train",
    allow_outside: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Write annotations as a split of a YOLO data set; other splits in the folder stay.

    Crowds are left out. Boxes end at the picture's edges, keypoints outside of it count as not labelled.

    Args:
        truth: the annotations.
        folder: the folder of ``data.yaml``.
        images: the folder of the pictures, which are copied; None writes the labels alone.
        split: train, val or test.
        allow_outside: see `picture_paths`.
        overwrite: replace the labels of a split that is there already; its pictures stay, but those of the same names.

    Returns:
        What was left out or changed, one sentence each.

    Raises:
        InputError: the split is there already, the folder has other keypoints, or a picture's size is unknown.
        OutputError: a file can't be written.
    """
    root, count = Path(folder), len(truth.skeleton)
    labels, pictures = root / "labels" / split, root / "images" / split
    if labels.exists() and not overwrite:
        raise InputError(f"{labels} exists already: allow it with --overwrite, or give another folder or --split")
    records = list(truth.images.values())
    paths: list[str | None] = [None] * len(records)
    if images is not None:
        paths = [*picture_paths(records, images, truth.name, allow_outside)]
    names = _flat_names([str(record["file_name"]) for record in records])
    write_file(root / "data.yaml", _yaml(root, truth.skeleton, split).encode())
    lost = missing = 0
    for record, path, name, rows in zip(records, paths, names, truth.by_picture, strict=True):
        width, height = _known_size(truth, record, path)
        own = rows[~truth.crowd[rows]]
        corners = np.clip(truth.xyxy[own] / ([width, height] * 2), 0, 1)
        boxes = np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)
        points = truth.keypoints[own] / [width, height, 1]
        inside = ((points[..., :2] >= 0) & (points[..., :2] <= 1)).all(axis=2)
        lost += int((~inside & (points[..., 2] > 0)).sum())
        points *= (inside & (points[..., 2] > 0))[..., None]
        lines = [
            " ".join(["0", *(f"{value:.8g}" for value in (*box, *person.reshape(-1)))])
            for box, person in zip(boxes.tolist(), points if count else np.zeros((len(own), 0)), strict=True)
        ]
        write_file((labels / name).with_suffix(".txt"), "".join(f"{line}\n" for line in lines).encode())
        if path is not None and os.path.isfile(path):
            _copy(path, pictures / name)
        else:
            missing += path is not None
    stay = _leave(labels, pictures, {Path(name).stem for name in names})
    notes = [f"{int(truth.crowd.sum())} crowds are left out: YOLO has none"] if truth.crowd.any() else []
    notes += [f"{lost} keypoints outside of their picture count as not labelled"] if lost else []
    notes += [f"{missing} pictures are missing, and weren't copied"] if missing else []
    notes += [f"{stay} other pictures stay in {pictures}, now as pictures without persons"] if stay else []
    notes += [] if images is not None else [f"no --images, so that no pictures were copied: put them into {pictures}"]
    return notes


def _leave(labels: Path, pictures: Path, stems: set[str]) -> int:
    """Remove the label files of other pictures than these, and count such pictures, which stay."""
    for path in labels.glob("*.txt"):
        if path.stem not in stems:
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(why_not_written(str(path), error)) from None
    return sum(path.is_file() and path.stem not in stems for path in pictures.glob("*"))


def _flat_names(names: list[str]) -> list[str]:
    """Names of the pictures in one folder: their own, or with their folders in front where these aren't unique."""
    split = [[part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")] for name in names]
    last = [parts[-1] if parts else "picture" for parts in split]
    stems = {Path(name).stem for name in last}
    return last if len(stems) == len(names) else ["_".join(parts) for parts in split]


def _known_size(truth: Annotations, record: Mapping[str, Any], path: str | None) -> tuple[float, float]:
    size = record.get("width"), record.get("height")
    if all(isinstance(side, (int, float)) and 0 < side < np.inf for side in size):
        return float(size[0] or 0), float(size[1] or 0)
    read = None if path is None else _size(Path(path))
    if read is None:
        raise InputError(f"{truth.name}: the size of {record['file_name']} is unknown; give its folder (--images)")
    return read


def _yaml(root: Path, skeleton: Skeleton, split: str) -> str:
    """The ``data.yaml`` with the split added to those that are there. Raises InputError if it has other keypoints."""
    wanted: dict[str, Any] = {}
    if len(skeleton):
        order = list(range(len(skeleton)))
        for first, second in skeleton.flip_pairs:
            order[first], order[second] = second, first
        wanted = {"kpt_shape": [len(skeleton), 3], "flip_idx": order, "kpt_names": {0: list(skeleton.keypoints)}}
    wanted["names"] = {0: skeleton.name}
    there: list[str] = []
    if (root / "data.yaml").is_file():
        before = _described(root / "data.yaml")
        there = [name for name in SPLITS if before.get(name)]
        if any(before.get(key) != value for key, value in wanted.items()):
            raise InputError(f"{root / 'data.yaml'} has other keypoints or names: give another folder")
    lines = [f"{name}: images/{name}" for name in SPLITS if name in (*there, split)]
    lines += [f"{key}: {_flow(value)}" for key, value in wanted.items()]
    return "\n".join([*lines, ""])


def _flow(value: Any) -> str:
    """A value in YAML's flow style, which is JSON but for numbers as keys."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(own)}" for key, own in value.items()) + "}"
    return json.dumps(value)


def _copy(source: str, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.exists() and os.path.samefile(source, target)):
            shutil.copyfile(source, target)
    except OSError as error:
        raise OutputError(why_not_written(str(target), error)) from None
