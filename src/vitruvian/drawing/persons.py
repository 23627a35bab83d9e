"""Drawing of skeletons: limbs coloured by side or person, as wide as the person is large, fainter at low scores."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..angles import angles as angles_of
from ..angles import joints as joints_of
from ..errors import InputError
from ..pictures import load_rgb
from .colours import COLOURS, OUTLINE, Colours, check_colours, person_colours
from .faces import blur_faces as blur
from .labels import Labels, text_height

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pictures import Image, Picture
    from ..skeletons import Skeleton
    from .colours import Colour
    from .drawable import Drawable

# Opacities that a score is rounded up to: a few, so that a person costs a few blends and not one per limb.
OPACITIES = (0.4, 0.65, 0.9)
SUBPIXEL_BITS = 4
# Width of a limb in units of the person's size.
LIMB = 1.2
# Smaller persons, in heights of a line of text, would be covered by the names of their keypoints.
LEAST_NAMED = 6
# OpenCV draws no wider lines.
MAX_WIDTH = 1000
# Points further out than this can't be seen and would overflow OpenCV's fixed-point coordinates.
FAR = 1e6


def draw(
    image: Picture,
    poses: Drawable,
    *,
    keypoint_score: float = 0.3,
    boxes: bool = False,
    scores: bool = False,
    names: bool = False,
    colours: Colours = "auto",
    line_width: float | None = None,
    blur_faces: bool = False,
    angles: bool = False,
) -> Image:
    """A copy of a picture with the persons' skeletons on it.

    Args:
        image: RGB uint8 (H, W, 3), or a picture in a file, at a URL, encoded, or of PIL; see
            `vitruvian.pictures.load_rgb`.
        poses: persons, in pixels of the picture; any skeleton.
        keypoint_score: keypoints scored lower, 0..1, are left out.
        boxes: draw the persons' boxes too.
        scores: label each person with its box score (and its track number, which is shown whenever there is one).
        names: write each keypoint's name beside it where there is room: beside small persons there is none.
        colours: "side" colours limbs by the side of the body; "person" each person, by track number where there is one,
            else by place, with joints by side; "auto" persons where they are tracked, so that a person's colour stays,
            else sides; or colours for one person after the other, as ``"#ff8800,#0088ff"`` or RGB triples.
        line_width: of limbs, in pixels, above 0; None is as the person is large.
        blur_faces: make every face unrecognisable, whatever its keypoints' scores.
        angles: write the joint angles, in degrees, beside the joints.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        InputError: no such picture, colours or line width; or `blur_faces` with a skeleton that has no face.
    """
    canvas = _canvas(image)
    check_style(colours, line_width)
    numbers = None if poses.track_ids is None else poses.track_ids.tolist()
    own = person_colours(colours, len(poses.boxes), numbers)
    reachable = (np.abs(poses.keypoints) < FAR).all(axis=2)
    seen = (poses.scores >= keypoint_score) & reachable
    if blur_faces:
        blur(canvas, poses, seen)
    order = range(len(poses.boxes))
    for person in reversed(order):  # the best last, on top
        colour = None if own is None else own[person]
        unit = _unit(poses.boxes[person]) if line_width is None else line_width / LIMB
        _draw_skeleton(canvas, poses, person, seen[person], keypoint_score, colour, unit)
        if boxes:
            _draw_box(canvas, poses.boxes[person], colour or COLOURS["centre"], unit)
    degrees = angles_of(poses, keypoint_score) if angles else None
    labels = Labels(canvas)
    if scores or poses.track_ids is not None:
        for person in reversed(order):
            _draw_label(labels, poses, person, scores, COLOURS["centre"] if own is None else own[person])
    if names:
        for person in order:  # those of the best where there isn't room for all
            _draw_names(labels, poses, person, seen[person])
    if degrees is not None:
        for person in order:
            _draw_angles(labels, poses, person, degrees[person])
    return canvas


def check_style(colours: Colours, line_width: float | None) -> None:
    """Raises InputError for colours or a line width that `draw` doesn't take."""
    check_colours(colours)
    if line_width is not None and not 0 < line_width <= MAX_WIDTH:
        raise InputError(
            f"line_width is {line_width}; it must be above 0 and at most {MAX_WIDTH} pixels (--line-width)"
        )


def _canvas(image: Picture) -> Image:
    """A copy to draw on. Raises InputError for what is no picture."""
    if not isinstance(image, np.ndarray):
        return load_rgb(image).copy()
    if not (image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        raise InputError("a picture to draw on must be an RGB uint8 array (H, W, 3), a file or a PIL image")
    return np.ascontiguousarray(image).copy()


def _draw_skeleton(
    canvas: Image,
    poses: Drawable,
    person: int,
    seen: NDArray[np.bool_],
    threshold: float,
    colour: Colour | None,
    unit: float,
) -> None:
    import cv2

    if not seen.any():
        return
    points = poses.keypoints[person]
    window = _window(canvas, points[seen], margin=3 * unit)
    region = canvas[window]
    if not region.size:
        return
    limb_colours, joint_colours = _colours(poses.skeleton)
    at = _fixed(points - np.array([window[1].start, window[0].start]))
    width = max(round(unit * LIMB), 1)
    rim, ring, core = (round(radius * (1 << SUBPIXEL_BITS)) for radius in (unit * 1.1 + 1, unit * 1.1, unit * 0.77))
    for opacity, limbs, joints in _layers(poses, person, seen, threshold):
        overlay = region.copy()
        for limb in limbs:
            first, second = poses.skeleton.limbs[limb]
            cv2.line(overlay, at[first], at[second], OUTLINE, width + 2, cv2.LINE_AA, SUBPIXEL_BITS)
            paint = colour or limb_colours[limb]
            cv2.line(overlay, at[first], at[second], paint, width, cv2.LINE_AA, SUBPIXEL_BITS)
        for joint in joints:
            cv2.circle(overlay, at[joint], rim, OUTLINE, -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(overlay, at[joint], ring, (255, 255, 255), -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(overlay, at[joint], core, joint_colours[joint], -1, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.addWeighted(overlay, opacity, region, 1 - opacity, 0, dst=region)


@cache
def _colours(skeleton: Skeleton) -> tuple[list[Colour], list[Colour]]:
    """The colours of the limbs and of the joints."""
    joints = [COLOURS[skeleton.side(index)] for index in range(len(skeleton))]
    return [COLOURS[skeleton.limb_side(limb)] for limb in skeleton.limbs], joints


def _layers(
    poses: Drawable, person: int, seen: NDArray[np.bool_], threshold: float
) -> Iterator[tuple[float, list[int], list[int]]]:
    """For each opacity, the faintest first: the numbers of its limbs and of its joints."""
    sure = (poses.scores[person] - threshold) / max(1 - threshold, 1e-6)
    level = np.clip((sure * len(OPACITIES)).astype(int), 0, len(OPACITIES) - 1)
    level[~seen] = -1
    ends = np.array(poses.skeleton.limbs, int).reshape(-1, 2)
    limb_level = level[ends].min(axis=1)
    for index, opacity in enumerate(OPACITIES):
        limbs, joints = np.flatnonzero(limb_level == index).tolist(), np.flatnonzero(level == index).tolist()
        if limbs or joints:
            yield opacity, limbs, joints


def _draw_names(labels: Labels, poses: Drawable, person: int, seen: NDArray[np.bool_]) -> None:
    unit = _unit(poses.boxes[person])
    width, height = np.clip(poses.boxes[person, 2:] - poses.boxes[person, :2], 0, FAR)
    if np.sqrt(width * height) < LEAST_NAMED * text_height(unit * 0.8):
        return
    for index in np.flatnonzero(seen):
        x, y = poses.keypoints[person, index].tolist()
        labels.write_where_free(poses.skeleton.keypoints[index], x, y, unit * 0.8, OUTLINE)


def _draw_angles(labels: Labels, poses: Drawable, person: int, degrees: NDArray[np.float64]) -> None:
    unit = _unit(poses.boxes[person])
    for (_, joint, _), value in zip(joints_of(poses.skeleton).values(), degrees.tolist(), strict=True):
        if value == value:  # not NaN
            x, y = np.clip(poses.keypoints[person, joint], -FAR, FAR).tolist()
            labels.write_where_free(f"{value:.0f}", x, y, unit * 0.8, OUTLINE)


def _draw_box(canvas: Image, box: NDArray[np.float32], colour: Colour, unit: float) -> None:
    import cv2

    corner, opposite = _fixed(box.reshape(2, 2))
    cv2.rectangle(canvas, corner, opposite, colour, max(round(unit * 0.6), 1), cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_label(labels: Labels, poses: Drawable, person: int, scores: bool, colour: Colour) -> None:
    number = 0 if poses.track_ids is None else int(poses.track_ids[person])
    words = [f"#{number}"] if number else []
    if scores:
        words.append(f"{poses.box_scores[person]:.2f}")
    if not words:
        return
    x, y = np.clip(poses.boxes[person, :2], -FAR, FAR)
    labels.write(" ".join(words), round(float(x)), round(float(y)), _unit(poses.boxes[person]), colour)


def _unit(box: NDArray[np.float32]) -> float:
    """The line width, in pixels, that suits a person of this size."""
    width, height = np.clip(box[2:] - box[:2], 0, FAR)
    return float(np.clip(np.sqrt(width * height) / 60, 1, 40))


def _window(canvas: Image, points: NDArray[np.float32], margin: float) -> tuple[slice, slice]:
    """The part of the picture that the points and what is drawn around them lie in."""
    limit = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(points.min(axis=0) - margin), 0, limit).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + margin) + 1, 0, limit).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _fixed(points: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Points (M, 2) as OpenCV's fixed-point coordinates."""
    pixels = np.clip(np.nan_to_num(points), -FAR, FAR)
    return [(x, y) for x, y in np.round(pixels * (1 << SUBPIXEL_BITS)).astype(int).tolist()]
