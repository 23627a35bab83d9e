"""The files that a run writes for each of its sources."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import media
from ..choices import CocoMode
from ..errors import InputError
from ..media.destinations import (
    DEFAULT_FOLDER,
    check_folder,
    check_targets,
    free_folder,
    picture_targets,
    places,
    video_target,
)
from ..media.person_crop import PersonCrop
from ..media.records import STDOUT
from ..media.trails import Trails
from .options import ProcessOptions

if TYPE_CHECKING:
    from ..media import Sink, Source, SourceList
    from ..skeletons import Skeleton


@dataclass(frozen=True)
class Targets:
    """The files that a run writes for one source.

    Args:
        pictures: the drawn picture of each source picture; None if none are drawn.
        video: the drawn video.
        json, csv, coco, parquet: the data files.
        coco_mode: see `ProcessOptions`.
    """

    pictures: Mapping[str, Path] | None
    video: Path | None
    json: Path | None
    csv: Path | None
    coco: Path | None
    parquet: Path | None = None
    coco_mode: CocoMode = "results"

    @classmethod
    def of(cls, opened: SourceList, options: ProcessOptions) -> list[Targets]:
        """The files for each source. Raises InputError for those that don't fit, and where something would be lost.

        Several sources have one data file for all pictures, the given one, and one for each video, in the folder that
        is called like the given file without its extension.
        """
        if (options.trail or options.crop is not None or options.slow != 1) and (
            not options.draw or all(source.kind == "images" for source in opened.sources)
        ):
            raise InputError("trail, crop and slow are for drawn videos (--trail, --crop, --slow)")
        sources, root = opened.sources, opened.root if len(opened.sources) > 1 else None
        output = None if options.output is None else os.fspath(options.output)
        if options.draw and output is None and not options.overwrite:
            output = os.fspath(free_folder())
        if root is None and isinstance(sources[0], media.PictureList):
            root = opened.root
        if options.draw and root is not None:
            check_folder(output)
        files_of_data = (options.json, options.csv, options.coco, options.parquet)
        given = [None if file is None else Path(file) for file in files_of_data]
        if len(sources) > 1 and STDOUT in given:
            raise InputError("standard output (-) takes the poses of pictures or of one video: give a file")
        moving = [source for source in sources if source.kind != "images"]
        stems = dict(zip(map(id, moving), places(moving, root or opened.root), strict=True))
        targets = []
        for source in sources:
            pictures, video, data = None, None, given
            if options.draw and source.kind == "images":
                pictures = picture_targets(source, output, root)
            elif options.draw and root is None:
                video = video_target(source, output)
            elif options.draw:
                stem = stems[id(source)]
                video = Path(output or DEFAULT_FOLDER) / stem.with_name(f"{stem.name}.mp4")
            if source.kind != "images" and root is not None:
                data = [None if file is None else _of_video(file, stems[id(source)]) for file in given]
            json, csv, coco, parquet = data
            targets.append(cls(pictures, video, json, csv, coco, parquet, options.coco_mode))
        files = [path for target in targets for path in target.files if path != STDOUT]
        check_targets(files, sources, options.overwrite)
        return targets

    @property
    def drawn(self) -> list[Path]:
        """The pictures or the video."""
        return [*(self.pictures or {}).values(), *([self.video] if self.video else [])]

    @property
    def data(self) -> list[Path]:
        """The data files."""
        return [path for path in (self.json, self.csv, self.coco, self.parquet) if path is not None]

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [*([self.video] if self.video else []), *self.data, *(self.pictures or {}).values()]

    def open(
        self, source: Source, name: str, skeleton: Skeleton, style: Mapping[str, Any], options: ProcessOptions
    ) -> Iterator[Sink]:
        """The sinks, one after the other, so that the first ones can be closed if a later one fails."""
        if self.pictures is not None:
            yield media.DrawnPictures(self.pictures, style)
        if self.video is not None and source.info is not None:
            sound = source.name if source.kind == "video" and source.info.has_audio else None
            trails = Trails(skeleton, options.trail, options.keypoint_score) if options.trail else None
            crop = None if options.crop is None else PersonCrop(options.crop)
            yield media.DrawnVideo(self.video, source.info, sound, style, trails, crop, options.slow)
        if self.json is not None:
            yield media.JsonFile(self.json, name if source.kind == "images" else source.name, skeleton, options.angles)
        if self.csv is not None:
            yield media.CsvFile(self.csv, skeleton, options.angles)
        if self.coco is not None and self.coco_mode == "dataset":
            yield media.CocoDataset(self.coco, media.image_ids(source), source, skeleton)
        elif self.coco is not None:
            yield media.CocoFile(self.coco, media.image_ids(source))
        if self.parquet is not None:
            yield media.ParquetFile(self.parquet, skeleton, options.angles)


def _of_video(file: Path, stem: Path) -> Path:
    """The data file of one of several videos."""
    folder = file.with_suffix("") if file.suffix else file.with_name(f"{file.name}-videos")
    return folder / stem.with_name(f"{stem.name}{file.suffix}")
