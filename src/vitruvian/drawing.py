"""Drawing of skeletons: limbs coloured by side, as wide as the person is large, fainter at low scores."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .angles import angles as angles_of
from .angles import joints as joints_of
from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .skeletons import Side, Skeleton

    Image = NDArray[np.uint8]
    Colour = tuple[int, int, int]

COLOURS: dict[Side, Colour] = {"left": (0, 194, 255), "right": (255, 122, 48), "centre": (255, 231, 120)}
TRACKS: tuple[Colour, ...] = (
    *((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66)),
    *((204, 121, 167), (213, 94, 0), (120, 130, 255), (170, 220, 120)),
)
OUTLINE: Colour = (24, 24, 32)
# Opacities that a score is rounded up to: a few, so that a person costs a few blends and not one per limb.
OPACITIES = (0.4, 0.65, 0.9)
SUBPIXEL_BITS = 4
# Points further out than this can't be seen and would overflow OpenCV's fixed-point coordinates.
FAR = 1e6


class Drawable(Protocol):
    """What can be drawn: the fields of `vitruvian.Poses`, which draws itself with `draw` and so stands above it."""

    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def box_scores(self) -> NDArray[np.float32]: ...
    @property
    def keypoints(self) -> NDArray[np.float32]: ...
    @property
    def scores(self) -> NDArray[np.float32]: ...
    @property
    def skeleton(self) -> Skeleton: ...
    @property
    def track_ids(self) -> NDArray[np.int64] | None: ...


def draw(
    image: Image,
    poses: Drawable,
    *,
    keypoint_score: float = 0.3,
    boxes: bool = False,
    scores: bool = False,
    names: bool = False,
    angles: bool = False,
) -> Image:
    """A copy of a picture with the persons' skeletons on it.

    Args:
        image: RGB uint8 (H, W, 3).
        poses: persons, in pixels of the picture; any skeleton.
        keypoint_score: keypoints scored lower, 0..1, are left out.
        boxes: draw the persons' boxes too.
        scores: label each person with its box score (and its track number, which is shown whenever there is one).
        names: write each keypoint's name beside it.
        angles: write the joint angles, in degrees, beside the joints.

    Returns:
        RGB uint8 (H, W, 3).
    """
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        raise InputError("a picture to draw on must be an RGB uint8 array (H, W, 3)")
    canvas = np.ascontiguousarray(image).copy()
    seen = (poses.scores >= keypoint_score) & (np.abs(poses.keypoints) < FAR).all(axis=2)
    degrees = angles_of(poses, keypoint_score) if angles else np.zeros((len(poses.boxes), 0))
    for person in reversed(range(len(poses.boxes))):  # the best last, on top
        _draw_skeleton(canvas, poses, person, seen[person], keypoint_score)
        if names:
            _draw_names(canvas, poses, person, seen[person])
        if angles:
            _draw_angles(canvas, poses, person, degrees[person])
        if boxes:
            _draw_box(canvas, poses.boxes[person], _track_colour(poses, person), _unit(poses.boxes[person]))
        if scores or poses.track_ids is not None:
            _draw_label(canvas, poses, person, scores)
    return canvas


def _draw_skeleton(canvas: Image, poses: Drawable, person: int, seen: NDArray[np.bool_], threshold: float) -> None:
    import cv2

    if not seen.any():
        return
    points = poses.keypoints[person]
    unit = _unit(poses.boxes[person])
    window = _window(canvas, points[seen], margin=3 * unit)
    region = canvas[window]
    if not region.size:
        return
    limb_colours, joint_colours = _colours(poses.skeleton)
    at = _fixed(points - np.array([window[1].start, window[0].start]))
    width = round(unit * 1.2)
    rim, ring, core = (round(radius * (1 << SUBPIXEL_BITS)) for radius in (unit * 1.1 + 1, unit * 1.1, unit * 0.77))
    for opacity, limbs, joints in _layers(poses, person, seen, threshold):
        overlay = region.copy()
        for limb in limbs:
            first, second = poses.skeleton.limbs[limb]
            cv2.line(overlay, at[first], at[second], OUTLINE, width + 2, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.line(overlay, at[first], at[second], limb_colours[limb], width, cv2.LINE_AA, SUBPIXEL_BITS)
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


def _draw_names(canvas: Image, poses: Drawable, person: int, seen: NDArray[np.bool_]) -> None:
    unit = _unit(poses.boxes[person])
    for index in np.flatnonzero(seen):
        x, y = poses.keypoints[person, index]
        _write(canvas, poses.skeleton.keypoints[index], round(x + 2 * unit), round(y), unit * 0.8, OUTLINE)


def _draw_angles(canvas: Image, poses: Drawable, person: int, degrees: NDArray[np.float64]) -> None:
    unit = _unit(poses.boxes[person])
    for (_, joint, _), value in zip(joints_of(poses.skeleton).values(), degrees.tolist(), strict=True):
        if value == value:  # not NaN
            x, y = np.clip(poses.keypoints[person, joint], -FAR, FAR)
            _write(canvas, f"{value:.0f}", round(float(x) + 2 * unit), round(float(y)), unit * 0.8, OUTLINE)


def _draw_box(canvas: Image, box: NDArray[np.float32], colour: Colour, unit: float) -> None:
    import cv2

    corner, opposite = _fixed(box.reshape(2, 2))
    cv2.rectangle(canvas, corner, opposite, colour, max(round(unit * 0.6), 1), cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_label(canvas: Image, poses: Drawable, person: int, scores: bool) -> None:
    number = 0 if poses.track_ids is None else int(poses.track_ids[person])
    words = [f"#{number}"] if number else []
    if scores:
        words.append(f"{poses.box_scores[person]:.2f}")
    if not words:
        return
    x, y = poses.boxes[person, :2]
    _write(canvas, " ".join(words), round(x), round(y), _unit(poses.boxes[person]), _track_colour(poses, person))


def _write(canvas: Image, text: str, x: int, y: int, unit: float, background: Colour) -> None:
    """A line of text on a filled ground, above (x, y) but always inside the picture."""
    import cv2

    size = float(np.clip(unit / 6, 0.4, 1.2))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    left = int(np.clip(x, 0, max(canvas.shape[1] - width - 4, 0)))
    bottom = int(np.clip(y, height + below + 2, max(canvas.shape[0], height + below + 2)))
    cv2.rectangle(canvas, (left, bottom - height - below - 2), (left + width + 4, bottom), background, -1)
    ink = (0, 0, 0) if sum(background) > 300 else (255, 255, 255)
    cv2.putText(canvas, text, (left + 2, bottom - below), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)


def _track_colour(poses: Drawable, person: int) -> Colour:
    return COLOURS["centre"] if poses.track_ids is None else TRACKS[int(poses.track_ids[person]) % len(TRACKS)]


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
