"""CVAT's XML for pictures, version 1.1 (https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/).

A person is a ``skeleton`` with one ``points`` for each keypoint, and a ``box`` of the same ``group_id``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from ..errors import InputError
from ..io import read_xml, write_file

if TYPE_CHECKING:
    from .annotations import Annotations

BOX_LABEL = "box"
# That of boxes where the objects themselves are called box: labels differ from each other.
BOUNDS_LABEL = "bounds"


def read_cvat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """CVAT's XML in COCO's format.

    An ``occluded`` keypoint is labelled as hidden, one ``outside`` isn't labelled. The box of a skeleton is the one of
    its group, or else the bounds of its labelled keypoints. A box without a skeleton is a person without keypoints.

    Raises:
        InputError: no such file, no XML or XML with a DOCTYPE, tracks of a video, or numbers that are none.
    """
    root = read_xml(path, "annotations that CVAT exported as 'CVAT for images 1.1'")
    name = os.fspath(path)
    if root.tag != "annotations" or root.find("track") is not None:
        raise InputError(f"{name}: export the annotations as 'CVAT for images 1.1'; this is something else")
    label, keypoints, limbs = _skeleton(name, root)
    images: list[dict[str, Any]] = []
    persons: list[dict[str, Any]] = []
    bounds = 0
    try:
        for image in root.iter("image"):
            number = len(images) + 1
            sides = {side: int(image.attrib[side]) for side in ("width", "height")}
            images.append({"id": number, "file_name": image.attrib["name"], **sides})
            boxes = {(box.get("group_id") or f"alone{index}"): box for index, box in enumerate(image.iter("box"))}
            for skeleton in image.iter("skeleton"):
                if skeleton.get("label") != label:
                    continue
                points = _points(skeleton, keypoints)
                box = boxes.pop(skeleton.get("group_id") or "", None)
                bounds += box is None
                persons.append(
                    {"image_id": number, "bbox": _bounds(points) if box is None else _box(box)}
                    | {"keypoints": points.reshape(-1).tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
                )
            left = [box for box in boxes.values() if box.get("label") in (label, BOX_LABEL, BOUNDS_LABEL, "person")]
            persons += [{"image_id": number, "bbox": _box(box)} for box in left]
    except (KeyError, ValueError) as error:
        raise InputError(f"{name}: a picture, skeleton or box can't be read: {error!r}") from None
    shape = {"keypoints": keypoints, "skeleton": limbs} if keypoints else {}
    numbered = [{"id": index, "category_id": 1, "iscrowd": 0} | person for index, person in enumerate(persons, 1)]
    note = f"{bounds} persons have no box of their own: the bounds of their keypoints are taken"
    return {
        "images": images,
        "categories": [{"id": 1, "name": label} | shape],
        "annotations": numbered,
        "notes": [note] if bounds else [],
    }


def _skeleton(name: str, root: Element) -> tuple[str, list[str], list[list[int]]]:
    """Label of the skeletons, names of their keypoints, and limbs that count from 1."""
    labels = list(root.iter("label"))
    kinds = [text(label, "name") for label in labels if text(label, "type") == "skeleton"]
    drawn = [skeleton.get("label", "") for skeleton in root.iter("skeleton")]
    if not kinds and not drawn:
        return "person", [], []
    chosen = "person" if "person" in (*kinds, *drawn) else (kinds or drawn)[0]
    names = [text(label, "name") for label in labels if text(label, "parent") == chosen]
    if not names:
        used = (skeleton for skeleton in root.iter("skeleton") if skeleton.get("label") == chosen)
        names = list(dict.fromkeys(point.get("label", "") for skeleton in used for point in skeleton.iter("points")))
    if len(set(names)) != len(names) or not all(names):
        raise InputError(f"{name}: the keypoints of the skeleton {chosen} need names, each its own")
    svg = next((label.find("svg") for label in labels if text(label, "name") == chosen), None)
    return chosen, names, [] if svg is None else _limbs(svg, names)


def text(element: Element, child: str) -> str:
    """The text of a child element, empty if there is none."""
    return (element.findtext(child) or "").strip()


def _limbs(svg: Element, names: list[str]) -> list[list[int]]:
    """The edges of the drawing that CVAT keeps of a skeleton, as elements or, as it exports it, as escaped text."""
    drawing = svg
    if svg.text and svg.text.strip():
        from ..io import parse_xml

        try:
            drawing = parse_xml(f"<svg>{svg.text}</svg>".encode(), "the skeleton's drawing")
        except InputError:
            return []
    nodes = {node.get("data-node-id"): node.get("data-label-name") for node in drawing.iter("circle")}
    order = {number: index for index, number in enumerate(nodes)}
    limbs = []
    for edge in drawing.iter("line"):
        ends = [edge.get("data-node-from"), edge.get("data-node-to")]
        if all(end in nodes for end in ends):
            named = [nodes[end] for end in ends]
            limbs.append([names.index(n) + 1 if n in names else order[e] + 1 for n, e in zip(named, ends, strict=True)])
    return limbs if all(1 <= end <= len(names) for limb in limbs for end in limb) else []


def _points(skeleton: Element, names: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """float64 (K, 3): x, y, visibility."""
    points = np.zeros((len(names), 3))
    for point in skeleton.iter("points"):
        if point.get("outside") != "1" and point.get("label") in names:
            x, y = (_number(part) for part in point.attrib["points"].split(";")[0].split(","))
            points[names.index(point.attrib["label"])] = x, y, 1 if point.get("occluded") == "1" else 2
    return points


def _box(box: Element) -> list[float]:
    left, top, right, bottom = (_number(box.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return [left, top, right - left, bottom - top]


def _bounds(points: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    labelled = points[points[:, 2] > 0, :2]
    if not len(labelled):
        return [0.0] * 4
    low, high = labelled.min(axis=0), labelled.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _number(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} isn't finite")
    return number


def write_cvat(truth: Annotations, path: str | os.PathLike[str]) -> list[str]:
    """Write annotations as CVAT's XML.

    Returns:
        What was left out, one sentence each: crowds.

    Raises:
        OutputError: the file can't be written.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    _meta(root, truth)
    names, label = truth.skeleton.keypoints, _skeleton_label(truth)
    for index, (record, rows) in enumerate(zip(truth.images.values(), truth.by_picture, strict=True)):
        sides = {side: f"{record.get(side) or 0:g}" for side in ("width", "height")}
        image = SubElement(root, "image", {"id": str(index), "name": _xml_text(record["file_name"]), **sides})
        for group, row in enumerate(rows[~truth.crowd[rows]].tolist(), 1):
            common = {"source": "manual", "occluded": "0", "z_order": "0", "group_id": str(group)}
            corners = zip(("xtl", "ytl", "xbr", "ybr"), truth.xyxy[row].tolist(), strict=True)
            box = {"label": _box_label(label), **common}
            SubElement(image, "box", box | {side: f"{value:.4f}" for side, value in corners})
            if not (truth.keypoints[row, :, 2] > 0).any():
                continue
            skeleton = SubElement(image, "skeleton", {"label": label, **common})
            for name, (x, y, visible) in zip(names, truth.keypoints[row].tolist(), strict=True):
                flags = {"outside": str(int(visible == 0)), "occluded": str(int(visible == 1))}
                place = {"points": f"{x:.4f},{y:.4f}"}
                SubElement(skeleton, "points", {"label": _xml_text(name), "source": "manual", **flags, **place})
    indent(root)
    write_file(Path(path), tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return [f"{int(truth.crowd.sum())} crowds are left out: CVAT has none"] if truth.crowd.any() else []


def _meta(root: Element, truth: Annotations) -> None:
    """The labels, as CVAT lists them, with the skeleton's drawing: nodes on a circle, joined by its limbs."""
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    names, label = truth.skeleton.keypoints, _skeleton_label(truth)
    if names:
        nodes: list[Mapping[str, str]] = []
        for index, name in enumerate(names):
            angle = 2 * math.pi * index / len(names)
            place = {"cx": f"{50 + 40 * math.cos(angle):.2f}", "cy": f"{50 + 40 * math.sin(angle):.2f}", "r": "1.5"}
            number = {"data-type": "element node", "data-element-id": str(index + 1), "data-node-id": str(index + 1)}
            nodes.append(place | number | {"data-label-name": _xml_text(name)})
        drawing = ""
        for first, second in truth.skeleton.limbs:
            ends = {
                "x1": nodes[first]["cx"],
                "y1": nodes[first]["cy"],
                "x2": nodes[second]["cx"],
                "y2": nodes[second]["cy"],
            }
            ends |= {"data-type": "edge", "data-node-from": str(first + 1), "data-node-to": str(second + 1)}
            drawing += tostring(Element("line", ends), encoding="unicode")
        drawing += "".join(tostring(Element("circle", dict(node)), encoding="unicode") for node in nodes)
        _label(labels, label, "skeleton", {"svg": drawing})
        for name in names:
            _label(labels, name, "points", {"parent": label})
    _label(labels, _box_label(label), "rectangle", {})


def _skeleton_label(truth: Annotations) -> str:
    """The category's name as a label, which has no blanks at its ends."""
    return _xml_text(truth.skeleton.name).strip() or "person"


def _box_label(label: str) -> str:
    return BOUNDS_LABEL if label == BOX_LABEL else BOX_LABEL


def _label(labels: Element, name: str, kind: str, more: Mapping[str, str]) -> None:
    label = SubElement(labels, "label")
    for key, value in {"name": name, "type": kind, **more}.items():
        SubElement(label, key).text = _xml_text(value)
    SubElement(label, "attributes")


def _xml_text(value: object) -> str:
    """Text without characters that XML can't have."""
    return "".join(letter if letter >= " " and not "\ud800" <= letter <= "\udfff" else "?" for letter in str(value))
