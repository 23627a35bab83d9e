"""Options of requests, as query parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..angles import MIN_SCORE
from .service import Limited

_SCORE = "Persons detected with a lower score are left out (default: the model's)."
_MAX_PERSONS = "At most so many persons of a picture, those scored best."
_KEYPOINT = "Keypoints scored lower have no angles and are not drawn."


class PoseQuery(BaseModel):
    """Which persons are wanted, and what is said of them."""

    model_config = ConfigDict(extra="forbid")

    score: float | None = Field(None, ge=0, le=1, description=_SCORE)
    max_persons: int | None = Field(None, ge=1, le=100_000, description=_MAX_PERSONS)
    keypoint_score: float = Field(MIN_SCORE, ge=0, le=1, description=_KEYPOINT)
    angles: bool = Field(False, description="Joint angles, in degrees, of each person.")

    @property
    def limited(self) -> Limited:
        """The limits of persons."""
        return Limited(self.score, self.max_persons)

    @property
    def angles_from(self) -> float | None:
        """See `vitruvian.media.records.frame_record`."""
        return self.keypoint_score if self.angles else None


class DrawQuery(PoseQuery):
    """What is drawn; see `vitruvian.drawing.draw`."""

    angles: bool = Field(False, description="Write the joint angles, in degrees, beside the joints.")
    boxes: bool = Field(False, description="Draw the persons' boxes.")
    scores: bool = Field(False, description="Write each person's score.")
    names: bool = Field(False, description="Write each keypoint's name where there is room.")
    colours: str = Field("person", max_length=1000, description="person, side, or colours as #ff8800,#0088ff.")
    line_width: float | None = Field(None, gt=0, le=1000, description="Width of lines, in pixels.")
    blur_faces: bool = Field(False, description="Make every face unrecognisable.")


class TrackQuery(PoseQuery):
    """How persons are followed over time."""

    track: bool = Field(False, description="Number the persons, so that one keeps the number.")
    smooth: bool = Field(False, description="Steady the keypoints over time (with track).")


class VideoQuery(TrackQuery):
    """Which frames of a video are handled."""

    detect_every: int | Literal["auto"] = Field(
        1, description="With track: look for persons on every n-th frame only, or with auto where enough has moved."
    )
    stride: int = Field(1, ge=1, le=100_000, description="One of so many frames.")
    start: float = Field(0, ge=0, le=1e7, description="Seconds from the start of the video to the first frame.")
    end: float | None = Field(None, gt=0, le=1e7, description="Seconds from the start of the video to its last frame.")


_OPTIONS: dict[str, type[BaseModel]] = {
    "/v1/poses": PoseQuery,
    "/v1/poses/drawn": DrawQuery,
    "/v1/videos": VideoQuery,
    "/v1/stream": TrackQuery,
}


def what_is_wrong(path: str, errors: Sequence[Any]) -> str:
    """What a query has that it can't have.

    Args:
        path: of the endpoint.
        errors: pydantic's.
    """
    known = _OPTIONS.get(path)
    said, wrong = [], []
    for item in errors[:5]:
        name = ".".join(map(str, item["loc"][1:2]))[:100]
        if item["type"] == "extra_forbidden" and known is not None:
            said.append(f"{name} is no option of {path}; there are {', '.join(known.model_fields)}")
        else:
            wrong.append(f"{name}: {item['msg']}")
    said += [f"options that can't be used: {'; '.join(wrong)}"] if wrong else []
    return ". ".join(said)
