"""What a run writes of its sources, and how persons are tracked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..choices import CocoMode
from ..drawing import Colours, check_style
from ..errors import InputError
from ..io import check_extension
from ..media.excerpts import Section
from ..media.parquet import check_parquet
from ..media.records import STDOUT
from ..selection import Selection
from ..tracking import DetectEvery, check_every

if TYPE_CHECKING:
    File = str | os.PathLike[str]


@dataclass(frozen=True)
class ProcessOptions:
    """What is written of a source, and how its persons are tracked.

    Args:
        output: file or folder for what is drawn, a folder for several sources; None is the folder ``runs/predict``, or
            the first of ``runs/predict2``, ... that isn't there yet (with `overwrite`, the first).
        draw: write drawn pictures, or a drawn video with the source's timing and sound.
        json, csv, coco: files for the poses as data (docs/output.md); ``-`` is standard output, for one of them.
        coco_mode: "results" for COCO's results format, "dataset" for its annotation format, with images and categories.
        parquet: file for the poses as a table, one row a person; it needs the extra ``parquet``.
        overwrite: existing files are replaced. The source itself never is.
        recursive: take a folder's subfolders too.
        start, end: seconds of the videos between which frames are taken; None is a video's end.
        stride: of the frames of videos one of so many is taken.
        boxes: file with the persons' boxes, instead of a detector's, see `vitruvian.media.BoxFile`.
        select: keep one person only, ``largest``, ``central``, a number or a point ``X,Y``, see
            `vitruvian.selection.Selection`; a tracked one is followed.
        score, max_persons: persons detected with a lower score, or beyond so many, are dropped; None is the model's.
        track: number the persons over time.
        track_score: only persons detected with this score get a number, 0..1; None is 0.4, or the detector's score if
            that is higher.
        track_patience: seconds that somebody may be out of sight and keep the number; None is 1.
        smooth: steady the keypoints of tracked persons.
        detect_every: look for persons on every n-th frame, or with "auto" where enough has moved (needs `track`).
        show: show the results in a window, which ends the run when it is closed; for the main thread only.
        angles: write joint angles into JSON, CSV and Parquet.
        trail: draw the way of these keypoints over the last second, such as "wrist" or "left_wrist" (needs `track`).
        crop: the drawn video shows the person with this track number alone, 480x640 pixels (needs `track`).
        slow: the drawn video goes by so many times as slowly, 1..100, without sound.
        draw_angles: write the joint angles beside the joints.
        draw_boxes, draw_scores, draw_names: draw boxes, each person's score, each keypoint's name.
        keypoint_score: draw keypoints from this score on, 0..1.
        colours: as of `vitruvian.drawing.draw`, but that "auto" colours the persons of pictures, too.
        line_width: of limbs, in pixels; None is as the person is large.
        blur_faces: make faces unrecognisable in what is drawn.

    Raises:
        InputError: what needs `track` without it; a setting out of its range; several files to standard output.
    """

    output: File | None = None
    draw: bool = True
    json: File | None = None
    csv: File | None = None
    coco: File | None = None
    coco_mode: CocoMode = "results"
    parquet: File | None = None
    overwrite: bool = False
    recursive: bool = False
    start: float = 0.0
    end: float | None = None
    stride: int = 1
    boxes: File | None = None
    select: str | None = None
    score: float | None = None
    max_persons: int | None = None
    track: bool = False
    track_score: float | None = None
    track_patience: float | None = None
    smooth: bool = False
    detect_every: DetectEvery = 1
    angles: bool = False
    trail: tuple[str, ...] = ()
    crop: int | None = None
    slow: float = 1.0
    show: bool = False
    draw_boxes: bool = False
    draw_scores: bool = False
    draw_names: bool = False
    draw_angles: bool = False
    keypoint_score: float = 0.3
    colours: Colours = "auto"
    line_width: float | None = None
    blur_faces: bool = False

    def __post_init__(self) -> None:
        if not self.track and (self.smooth or self.track_score is not None or self.track_patience is not None):
            raise InputError(
                "smooth, track_score and track_patience need track "
                "(--smooth, --track-score and --track-patience need --track)"
            )
        _ = self.section, self.selection  # checks them
        check_style(self.colours, self.line_width)
        if self.coco_mode not in get_args(CocoMode):
            raise InputError(f"coco_mode is {self.coco_mode!r}; it can be {', '.join(get_args(CocoMode))}")
        for file, form, option in (
            *((self.csv, "CSV", "--csv"), (self.parquet, "Parquet", "--parquet")),
            *((self.json, "JSON", "--json"), (self.coco, "JSON", "--coco")),
        ):
            if file is not None:
                check_extension(file, form, {"CSV": "--csv", "JSON": "--json", "Parquet": "--parquet", form: option})
        if self.parquet is not None:
            check_parquet()
            if Path(self.parquet) == STDOUT:
                raise InputError("a Parquet file can't go to standard output (-): give a file")
        if check_every(self.detect_every) != 1 and not self.track:
            raise InputError("detect_every needs track (--detect-every needs --track)")
        if not self.track and (self.trail or self.crop is not None):
            raise InputError("trail and crop need track (--trail and --crop need --track)")
        if self.crop is not None and self.crop < 1:
            raise InputError(f"crop is {self.crop}; a track number from 1 wanted (--crop N)")
        if not 1 <= self.slow <= 100:
            raise InputError(f"slow is {self.slow}; a number from 1 to 100 wanted (--slow N)")
        if [Path(file) for file in (self.json, self.csv, self.coco) if file is not None].count(STDOUT) > 1:
            raise InputError("standard output (-) takes one of --json, --csv and --coco: give the others files")

    @property
    def section(self) -> Section:
        """The wanted frames of videos."""
        return Section(self.start, self.end, self.stride)

    @property
    def selection(self) -> Selection | None:
        """The wanted person."""
        return None if self.select is None else Selection.parse(self.select)

    @property
    def style(self) -> dict[str, Any]:
        """Keywords of `vitruvian.drawing.draw`."""
        switches = {
            "boxes": self.draw_boxes,
            "scores": self.draw_scores,
            "names": self.draw_names,
            "angles": self.draw_angles,
        }
        looks = {"colours": self.colours, "line_width": self.line_width, "blur_faces": self.blur_faces}
        return {**switches, **looks, "keypoint_score": self.keypoint_score}
