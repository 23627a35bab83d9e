"""Which files a run writes: planned and checked before any work is done, opened when the model is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..media import Sink, Source
    from ..skeletons import Skeleton


@dataclass(frozen=True)
class Outputs:
    """The files that a run writes."""

    pictures: Mapping[str, Path] | None
    video: Path | None
    json: Path | None
    csv: Path | None
    coco: Path | None

    @classmethod
    def plan(
        cls, source: Source, output: str | None, no_draw: bool, json: Path | None, csv: Path | None, coco: Path | None
    ) -> Outputs:
        """Raises InputError for an output that doesn't fit the source."""
        from ..media.destinations import picture_targets, video_target

        pictures = video = None
        if not no_draw:
            if source.kind == "images":
                pictures = picture_targets(source, output)
            else:
                video = video_target(source, output)
        return cls(pictures, video, json, csv, coco)

    def check(self, source: Source, overwrite: bool) -> None:
        """Raises InputError if something would be lost."""
        from ..media.destinations import check_targets
        from ..media.records import STDOUT

        data = [path for path in (self.json, self.csv, self.coco) if path is not None]
        if data.count(STDOUT) > 1:
            raise InputError("standard output (-) takes one of --json, --csv and --coco: give the others files")
        files = [path for path in (self.video, *data) if path not in (None, STDOUT)]
        files += (self.pictures or {}).values()
        check_targets(files, source, overwrite)

    def open(self, source: Source, skeleton: Skeleton, style: dict[str, Any]) -> Iterator[Sink]:
        """The sinks, one after the other, so that the first ones can be closed if a later one fails."""
        from .. import media

        if self.pictures is not None:
            yield media.DrawnPictures(self.pictures, style)
        if self.video is not None and source.info is not None:
            sound = source.name if source.kind == "video" and source.info.has_audio else None
            yield media.DrawnVideo(self.video, source.info, sound, style)
        if self.json is not None:
            yield media.JsonFile(self.json, source.name, skeleton)
        if self.csv is not None:
            yield media.CsvFile(self.csv, skeleton)
        if self.coco is not None:
            yield media.CocoFile(self.coco, media.image_ids(source))

    @property
    def to_stdout(self) -> bool:
        """Whether data goes to standard output, where nothing else may then go."""
        from ..media.records import STDOUT

        return STDOUT in (self.json, self.csv, self.coco)

    def __str__(self) -> str:
        """The files, many pictures as their folder."""
        drawn = [str(self.video)] if self.video else []
        if self.pictures:
            drawn = [str(path) for path in self.pictures.values()]
            drawn = drawn if len(drawn) == 1 else [os.path.commonpath(path for path in self.pictures.values())]
        return ", ".join(drawn + [str(path) for path in (self.json, self.csv, self.coco) if path])


def write_json(content: Any, target: Path, overwrite: bool) -> None:
    """Write one JSON object to a file, or to standard output for ``-``. Raises InputError for a file that exists."""
    from ..media.files import write_file

    check_free(target, overwrite)
    text = json.dumps(content, indent=2)
    if str(target) == "-":
        print(text)
    else:
        write_file(target, f"{text}\n".encode())


def check_free(target: Path, overwrite: bool) -> None:
    """Raises InputError for a file that exists and must not be replaced."""
    if str(target) != "-" and target.exists() and not overwrite:
        raise InputError(f"{target} exists; choose another name, or --overwrite")
