"""Options that several commands share."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..choices import PresetName, Refinement
from ..errors import InputError
from ..runtimes import Precision as PrecisionName
from ..runtimes import RuntimeName
from ..skeletons import SKELETONS

MODEL, TIME, OUTPUT, LOOK, ENGINE = "Models", "Videos and tracking", "Output", "Drawing", "Engine"


def _hush(quiet: bool) -> bool:
    """Keep the library's notes from being logged; its warnings still are."""
    if quiet:
        logging.getLogger("vitruvian").setLevel(logging.WARNING)
    return quiet


Quiet = Annotated[
    bool,
    typer.Option(
        *("-q", "--quiet"), callback=_hush, help="Say nothing unless something is wrong.", rich_help_panel=OUTPUT
    ),
]
PoseModel = Annotated[
    str | None,
    typer.Option(
        "--pose",
        "--pose-model",
        metavar="MODEL",
        help="Pose net: a name (vitruvian models), an ONNX file or a checkpoint.",
        rich_help_panel=MODEL,
    ),
]
DetectorModel = Annotated[
    str | None,
    typer.Option(
        "--detector",
        "--det-model",
        metavar="MODEL",
        help="Person detector: a name, an ONNX file or a YOLOv5 checkpoint.",
        rich_help_panel=MODEL,
    ),
]
Preset = Annotated[
    PresetName,
    typer.Option(
        help="Pair of models that stands for --detector and --pose where they aren't given.", rich_help_panel=MODEL
    ),
]
Score = Annotated[
    float,
    typer.Option(
        "--score",
        "--conf-thres",
        min=0,
        max=1,
        help="Drop persons detected with a lower score.",
        rich_help_panel=MODEL,
    ),
]
MaxPersons = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Keep the N best persons only.", rich_help_panel=MODEL)
]
Refine = Annotated[
    Refinement | None,
    typer.Option(
        help="Sub-pixel step for heatmaps (default: the model's, quarter if it has none).", rich_help_panel=MODEL
    ),
]
Flip = Annotated[
    bool,
    typer.Option("--flip", help="Average with the mirrored crop, as papers do: twice the work.", rich_help_panel=MODEL),
]
ImgSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW", help="Detector input in pixels (default: the file's own, or 640).", rich_help_panel=MODEL
    ),
]
PoseSize = Annotated[
    str | None,
    typer.Option(
        metavar="N|HxW",
        help="Pose net input, for checkpoints that fit any (default: what the file says).",
        rich_help_panel=MODEL,
    ),
]
SkeletonName = Annotated[
    str | None,
    typer.Option(
        "--skeleton",
        metavar="NAME|FILE",
        help=f"The pose net's keypoints: {', '.join(SKELETONS)}, or a YAML or JSON file (default: the model's own).",
        rich_help_panel=MODEL,
    ),
]
Iou = Annotated[
    float | None,
    typer.Option(
        "--iou",
        "--iou-thres",
        min=0,
        max=1,
        help="Drop boxes that overlap a better one more (default: the model's own, mostly 0.65).",
        rich_help_panel=MODEL,
    ),
]
TrackScore = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="With --track: only persons detected with this score get a number; fainter ones keep theirs "
        "(default: 0.4, or --score if that is more).",
        rich_help_panel=TIME,
    ),
]
TrackPatience = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="With --track: how long someone may be out of sight and keep the number (default: 1).",
        rich_help_panel=TIME,
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        "--boxes",
        metavar="FILE",
        help="Persons from this file (COCO JSON, or CSV) instead of a detector's.",
        rich_help_panel=MODEL,
    ),
]
Select = Annotated[
    str | None,
    typer.Option(
        "--select",
        metavar="largest|central|N|X,Y",
        help="One person only: largest, most central, N-th best (with --track number N), or at a point in pixels.",
        rich_help_panel=MODEL,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Videos from here on: seconds, or M:SS, or H:MM:SS.", rich_help_panel=TIME),
]
End = Annotated[str | None, typer.Option(metavar="TIME", help="Videos up to here.", rich_help_panel=TIME)]
Stride = Annotated[int, typer.Option(min=1, metavar="N", help="One of N frames of a video only.", rich_help_panel=TIME)]
Colours = Annotated[
    str,
    typer.Option(
        "--colours",
        "--colors",
        metavar="auto|side|person|#RRGGBB,...",
        help="Colours: of the body's sides, of each person, or yours for one person after the other "
        "(default: of persons in pictures and with --track, else of sides).",
        rich_help_panel=LOOK,
        show_default=False,
    ),
]
LineWidth = Annotated[
    float | None,
    typer.Option(metavar="PIXELS", help="Width of lines (default: as large as the person is).", rich_help_panel=LOOK),
]
BlurFaces = Annotated[
    bool, typer.Option("--blur-faces", help="Make faces unrecognisable in what is drawn.", rich_help_panel=LOOK)
]
DetectEveryN = Annotated[
    str,
    typer.Option(
        "--detect-every",
        metavar="N|auto",
        help="With --track: look for persons on every N-th frame only, or where enough has moved.",
        rich_help_panel=TIME,
    ),
]
Angles = Annotated[
    bool,
    typer.Option("--angles", help="Write joint angles into JSON, CSV and Parquet.", rich_help_panel=OUTPUT),
]
DrawAngles = Annotated[
    bool, typer.Option("--draw-angles", help="Write the joint angles beside the joints.", rich_help_panel=LOOK)
]
Trail = Annotated[
    list[str] | None,
    typer.Option(
        "--trail",
        metavar="KEYPOINT",
        help="With --track: draw the way of a keypoint, such as wrist or left_wrist; repeatable.",
        rich_help_panel=LOOK,
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(
        "--crop", min=1, metavar="N", help="With --track: a video of person N alone, 480x640.", rich_help_panel=LOOK
    ),
]
Slow = Annotated[
    float,
    typer.Option("--slow", metavar="N", help="Slow motion: N times as slow, without sound.", rich_help_panel=LOOK),
]
Runtime = Annotated[
    RuntimeName,
    typer.Option(help="Engine for all networks; checkpoints are converted for it once.", rich_help_panel=ENGINE),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, gpu (openvino), cuda, cuda:1 (onnxruntime, torch), tensorrt ...", rich_help_panel=ENGINE
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="CPU threads (default: all usable cores).", rich_help_panel=ENGINE),
]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        help="auto: the fastest at a loss of at most 0.003 AP; fp32: the same numbers on every machine.",
        rich_help_panel=ENGINE,
    ),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Run checkpoints in torch, compiled first, for long runs.", rich_help_panel=ENGINE),
]


def parse_size(option: str, text: str | None) -> tuple[int, int] | None:
    """(height, width) from ``N`` or ``HxW``, in pixels. Raises InputError, naming the option."""
    if text is None:
        return None
    try:
        lengths = [int(length) for length in text.lower().split("x")]
        height, width = lengths * 2 if len(lengths) == 1 else lengths
    except ValueError:
        raise InputError(
            f"{option} {text}: give one number, or HEIGHTxWIDTH, in pixels, such as 640 or 384x640"
        ) from None
    return height, width


def parse_time(option: str, text: str | None) -> float | None:
    """Seconds from ``S``, ``M:SS`` or ``H:MM:SS``. Raises InputError, naming the option."""
    if text is None:
        return None
    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) > 3 or not all(math.isfinite(part) and part >= 0 for part in parts):
            raise ValueError
    except ValueError:
        raise InputError(f"{option} {text}: give seconds, or M:SS, or H:MM:SS, such as 90 or 1:30") from None
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def parse_every(text: str) -> int | Literal["auto"]:
    """The value of --detect-every. Raises InputError for what is neither auto nor a number."""
    if text == "auto":
        return "auto"
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    raise InputError(f"--detect-every {text}: give a whole number of frames, or auto")
