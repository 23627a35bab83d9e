"""Pictures of results: the athlete's squats with trails and angles, the knee over time, the data set of arms."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from drawn_arms import picture
from drawn_athlete import knee_angle, write
from picture_style import IMAGES, STYLES, Style, save, styled

import vitruvian as vt
from vitruvian.plots import read_movements
from vitruvian.process import ProcessOptions, process
from vitruvian.tracking import repetitions, smooth_series

VIDEO = IMAGES.parent / "media/squats.mp4"
ARM = vt.Skeleton("arm", ("base", "elbow", "wrist", "gripper"), ((0, 1), (1, 2), (2, 3)))


def squats(folder: Path) -> Path:
    """Three frames of the tracked video; the poses as JSON."""
    options = ProcessOptions(
        output=folder / "drawn.mp4",
        json=folder / "poses.json",
        track=True,
        smooth=True,
        angles=True,
        draw_angles=True,
        trail=("right_wrist",),
    )
    process(vt.load(threads=1), VIDEO, options)
    frames = [_frame(folder / "drawn.mp4", index) for index in (40, 50, 60)]
    strip = np.concatenate([frame[:, 90:590] for frame in frames], axis=1)
    cv2.imwrite(str(IMAGES / "squats.jpg"), strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])
    return folder / "poses.json"


def _frame(path: Path, index: int) -> np.ndarray:
    """A frame of a video, RGB uint8 (H, W, 3)."""
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, index)
    found, frame = video.read()
    video.release()
    assert found, path
    return frame[..., ::-1]


def knee(poses: Path, style: Style) -> None:
    """The knee's angle as drawn and as found."""
    person = next(iter(read_movements(poses).values()))
    found = smooth_series(person.times, person.angle("right_knee"))
    ends = repetitions(person.times, found)
    truth = [knee_angle(time) for time in person.times]
    with styled(style):
        figure, ax = plt.subplots(figsize=(9, 3.2))
        ax.plot(person.times, truth, color=style.faint, lw=5, label="as drawn")
        ax.plot(person.times, found, color=style.series[0], lw=2, label="right knee, as found")
        for number, end in enumerate(ends, 1):
            ax.axvline(end, color=style.series[1], lw=1, ls=":")
            ax.text(end, 182, str(number), color=style.series[1], ha="center")
        ax.set(xlabel="seconds", ylabel="degrees", ylim=(70, 190), xlim=(0, person.times[-1]))
        ax.grid(axis="y")
        ax.legend(loc="lower left", ncols=2)
        save(figure, "knee", style)
        plt.close(figure)


def arms() -> None:
    """Six pictures of the data set of arms, with their annotations."""
    rng = np.random.default_rng(0)
    tiles = []
    for number in range(6):
        image, several = picture(rng, 1 + number % 2)
        points = np.stack(several)
        low, high = points.min(axis=1) - 14, points.max(axis=1) + 14
        count = len(points)
        boxes = np.concatenate([low, high], axis=1)
        poses = vt.Poses(boxes, np.ones(count), points, np.ones((count, 4)), ARM)
        tiles.append(poses.draw(image, line_width=3, colours="person"))
    sheet = np.concatenate([np.concatenate(tiles[row : row + 3], axis=1) for row in (0, 3)])
    cv2.imwrite(str(IMAGES / "arms.jpg"), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])


def make() -> None:
    """All of them. The video is drawn first if it isn't there."""
    if not VIDEO.exists():
        write(VIDEO)
    with tempfile.TemporaryDirectory() as folder:
        poses = squats(Path(folder))
        for style in STYLES:
            knee(poses, style)
    arms()
