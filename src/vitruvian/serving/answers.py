"""Answers as JSON: frames as docs/output.md has them, with the skeleton."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..media.frames import Frame
from ..media.records import frame_record, header_record

if TYPE_CHECKING:
    from ..pictures import Image
    from ..poses import Poses
    from ..skeletons import Skeleton


def as_json(record: Any) -> bytes:
    """Compact JSON in UTF-8; text that is no valid Unicode is escaped."""
    return json.dumps(record, separators=(",", ":")).encode()


def header(skeleton: Skeleton) -> dict[str, Any]:
    """``version``, ``generator`` and ``skeleton``, which every answer has at its top.

    The skeleton also has its ``sigmas`` and its ``pairs`` of left and right, so that clients can make it again.
    """
    record = header_record("", skeleton)
    del record["source"]
    record["skeleton"] |= {"sigmas": skeleton.sigmas, "pairs": skeleton.flip_pairs}
    return record


def frame(image: Image, poses: Poses, name: str, index: int = 0, angles_from: float | None = None) -> dict[str, Any]:
    """One picture's frame object; arguments as of `frame_record`."""
    return frame_record(Frame(image, name, index), poses, angles_from)
