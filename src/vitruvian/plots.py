"""Plots of joint angles and keypoint positions over time, from prediction files."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .angles import MIN_SCORE, angles, joints
from .datasets.prediction_files import is_poses
from .errors import InputError
from .evaluation.report import figure_canvas
from .io import read_json
from .poses import Poses
from .skeletons import Skeleton
from .tracking import repetitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# More persons than this are no longer told apart.
MOST_PERSONS = 10
_WANTED = "what vitruvian predict VIDEO --track --json wrote"
# So many of them are named in a message.
_NAMED = 5


@dataclass(frozen=True)
class Movement:
    """The poses of one tracked person over time.

    Args:
        times: (S,), seconds, increasing.
        poses: S persons, one for each time.
    """

    times: Array
    poses: Poses

    def angle(self, name: str) -> Array:
        """Degrees (S,), NaN where unknown. Raises InputError for a name that is no angle of the skeleton."""
        names = list(joints(self.poses.skeleton))
        if name not in names:
            raise InputError(f"no angle is called {name!r}; there are {', '.join(names) or 'none for this skeleton'}")
        return angles(self.poses)[:, names.index(name)]

    def position(self, name: str) -> Array:
        """x and y (S, 2) of a keypoint in pixels, NaN where unsure. Raises InputError for no keypoint's name."""
        names = self.poses.skeleton.keypoints
        if name not in names:
            raise InputError(f"no keypoint is called {name!r}; there are {', '.join(names)}")
        index = names.index(name)
        sure = self.poses.scores[:, index] >= MIN_SCORE
        return np.where(sure[:, None], self.poses.keypoints[:, index].astype(np.float64), np.nan)


def read_movements(path: str | os.PathLike[str]) -> dict[int, Movement]:
    """The tracked persons of what `vitruvian predict VIDEO --track --json` wrote, by number.

    Raises:
        InputError: another file, or one without times or without numbers; the message names it.
    """
    path = Path(path)
    other = {".csv": "CSV", ".parquet": "Parquet"}.get(path.suffix.lower())
    if other is not None:
        raise InputError(f"{path}: plot reads {_WANTED}, not {other}")
    data = read_json(path, _WANTED)
    if not is_poses(data):
        raise InputError(f"{path}: plot reads {_WANTED}, and this is other JSON")
    times: dict[int, list[float]] = {}
    rows: dict[int, list[Poses]] = {}
    try:
        shape = data["skeleton"]
        limbs = tuple((int(first), int(second)) for first, second in shape["limbs"])
        skeleton = Skeleton(str(shape["name"]), tuple(map(str, shape["keypoints"])), limbs)
        if data["frames"] and all(frame["time"] is None for frame in data["frames"]):
            raise InputError(f"{path} has the poses of pictures, which have no times: plot reads {_WANTED}")
        for frame in data["frames"]:
            poses = Poses.from_dict(frame, skeleton)
            for person, number in zip(poses, [] if poses.track_ids is None else poses.track_ids.tolist(), strict=False):
                if number and (not times.get(number) or float(frame["time"]) > times[number][-1]):
                    times.setdefault(number, []).append(float(frame["time"]))
                    rows.setdefault(number, []).append(person)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not what vitruvian predict --json writes of a video: {error!r}") from None
    if not rows:
        raise InputError(f"{path} has nobody with a number: run predict with --track")
    return {number: Movement(np.array(times[number]), Poses.concatenate(rows[number])) for number in sorted(rows)}


def plot(
    movements: dict[int, Movement],
    angle_names: Sequence[str] = (),
    keypoint_names: Sequence[str] = (),
    form: str = "png",
    count: bool = False,
) -> bytes:
    """A picture with a panel for each angle and for x and y of each keypoint, over time, and a line for each person.

    Args:
        movements: by track number.
        angle_names: such as "left_knee".
        keypoint_names: such as "left_wrist".
        form: "png" or "svg".
        count: mark the ends of the repetitions of each angle (`vitruvian.tracking.repetitions`), and name their number
            in the legends.

    Raises:
        InputError: nothing to plot, more than ten persons, unknown names, or matplotlib is missing.
    """
    if not angle_names and not keypoint_names:
        raise InputError("nothing to plot: give an angle or a keypoint (--angle left_knee, --keypoint left_wrist)")
    if len(movements) > MOST_PERSONS:
        raise InputError(
            f"{len(movements)} persons are too many for a plot: choose some, of those there longest "
            f"{_longest(movements)}"
        )
    figure = figure_canvas()
    panels: list[tuple[str, int | None]] = [(name, None) for name in angle_names]
    panels += [(name, axis) for name in keypoint_names for axis in (0, 1)]
    figure.set_size_inches(9, 1 + 2.2 * len(panels))
    for row, (name, axis) in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, row)
        for number, movement in movements.items():
            values = movement.angle(name) if axis is None else movement.position(name)[:, axis]
            label = f"person {number}"
            ends = repetitions(movement.times, values) if count and axis is None else None
            if ends is not None:
                label += f": {len(ends)} repetition{'' if len(ends) == 1 else 's'}"
            (line,) = axes.plot(*_with_gaps(movement.times, values), lw=1.2, label=label)
            if ends is not None and len(ends):
                heights = values[np.searchsorted(movement.times, ends)]
                axes.plot(ends, heights, "o", ms=5, color=line.get_color(), gid=f"ends-{name}-{number}")
        axes.set_ylabel(f"{name}, degrees" if axis is None else f"{name} {'xy'[axis]}, pixels", parse_math=False)
        if axis == 1:
            axes.invert_yaxis()  # as in the picture, where y goes down
        axes.grid(alpha=0.3)
        # Above the panel, where it covers no curve.
        columns = 3 if count else 5
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize="small", frameon=False)
    axes.set_xlabel("seconds")
    return _saved(figure, form)


def counts(movements: dict[int, Movement], angle_names: Sequence[str]) -> list[str]:
    """The number of repetitions of each person and angle, a line each. Raises InputError for unknown names."""
    lines = []
    for number, movement in movements.items():
        for name in angle_names:
            found = len(repetitions(movement.times, movement.angle(name)))
            lines.append(f"person {number}, {name}: {found} repetition{'' if found == 1 else 's'}")
    return lines


def _longest(movements: dict[int, Movement]) -> str:
    """The persons that are there the longest, as options, with their numbers of frames."""
    order = sorted(movements, key=lambda number: (-len(movements[number].times), number))
    return ", ".join(f"--person {number} ({len(movements[number].times)} frames)" for number in order[:_NAMED])


def _with_gaps(times: Array, values: Array, longest: float = 0.5) -> tuple[Array, Array]:
    """The series with a NaN wherever nothing is known for longer than that, so that no line is drawn across."""
    gaps = np.flatnonzero(np.diff(times) > longest) + 1
    return np.insert(times, gaps, times[gaps]), np.insert(values, gaps, np.nan)


def _saved(figure: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=120)
    return buffer.getvalue()
