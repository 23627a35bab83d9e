"""Examples and request bodies of the OpenAPI description."""

from __future__ import annotations

from typing import Any

from .problems import MEDIA_TYPE

_PERSON = {
    "track_id": None,
    "box": [5.93, 36.7, 379.6, 509.07],
    "score": 0.6442,
    "keypoints": [[222.49, 121.5], [231.0, 110.2]],
    "keypoint_scores": [0.8581, 0.9012],
}
_SKELETON = {"name": "person", "keypoints": ["nose", "left_eye"], "limbs": [[0, 1]]}
_FRAME = {"source": "picture", "index": 0, "time": None, "width": 512, "height": 512, "persons": [_PERSON]}

POSES: dict[str, Any] = {
    "one picture": {"value": {"version": 1, "generator": "vitruvian", "skeleton": _SKELETON, **_FRAME}},
    "several pictures": {"value": {"version": 1, "generator": "vitruvian", "skeleton": _SKELETON, "frames": [_FRAME]}},
}
LINES: dict[str, Any] = {
    "header": {"value": {"skeleton": _SKELETON, "width": 1280, "height": 720, "frame_rate": 25.0, "frames": 250}},
    "frame": {"value": {**_FRAME, "time": 0.0}},
    "end": {"value": {"done": True, "frames": 250}},
}
_PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "picture is not a picture that can be read; give one of JPEG, PNG, WEBP",
}
_STATUSES = {
    400: "No body, or no multipart that can be read",
    401: "No token, or a wrong one",
    408: "The body came too slowly",
    413: "Too large: bytes, pixels, pictures, seconds or frames",
    415: "A body of another type",
    422: "Not readable, or a wrong option",
    500: "A network failed",
    503: "All that fits is being handled; Retry-After says when to try again",
    504: "It took too long",
}


def body(raw: str, field: str) -> dict[str, Any]:
    """The request body of an operation: raw, or multipart with parts of this name."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {field: files}, "required": [field]}}
    content = {raw: binary, "application/octet-stream": binary, "multipart/form-data": form}
    return {"requestBody": {"required": True, "content": content}}


def answers(examples: dict[str, Any] | None, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """The answers of an operation: the good one, and its problems."""
    if examples is None:
        content: dict[str, Any] = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types}
    else:
        content = {kind: {"schema": {"type": "object"}, "examples": examples} for kind in media_types}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _PROBLEM}}
    wrong: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": problem} for status, text in _STATUSES.items()
    }
    return {200: {"description": "Poses", "content": content}, **wrong}


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do."},
    },
}
