"""``GET /healthz``, ``/readyz``, ``/metrics``, ``/v1/models``: what runs, and how it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from .answers import as_json, header
from .problems import busy
from .service import Service

router = APIRouter(tags=["server"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Whether the process lives.")
async def healthz() -> dict[str, str]:
    """Always 200 while the process answers."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Whether requests are taken.")
async def readyz(request: Request) -> dict[str, str]:
    """200 while requests are taken, 503 from the moment on in which the server was told to leave."""
    service: Service = request.app.state.service
    if service.draining:
        raise busy("the server is about to leave")
    return {"status": "ready"}


@router.get("/metrics", summary="Numbers for Prometheus.", response_class=Response)
async def metrics(request: Request) -> Response:
    """In Prometheus's text format; of several workers the sum."""
    service: Service = request.app.state.service
    return Response(await service.encode(service.metrics.text), media_type=CONTENT_TYPE)


@router.get("/v1/models", summary="The models that run, and the limits of requests.", response_class=Response)
async def models(request: Request) -> Response:
    """The detector and the pose net, the skeleton, and what one request may take."""
    service: Service = request.app.state.service
    return Response(as_json(description(service)), media_type="application/json")


def description(service: Service) -> dict[str, Any]:
    """What ``/v1/models`` answers."""
    pose, detector = service.model.pose, service.model.detector
    assert detector is not None
    rows: list[tuple[str, Any, Any]] = [
        ("detection", detector.card, detector.runtime),
        ("pose", pose.card, pose.runtime),
    ]
    models = [
        {
            "task": task,
            "name": card.name,
            "family": card.family,
            "input_size": list(card.input_size),
            "engine": runtime.engine,
            "precision": runtime.precision,
            "device": runtime.options.place,
        }
        for task, card, runtime in rows
    ]
    limits = service.options.limits
    names = ("picture_bytes", "pixels", "pictures", "persons", "video_bytes", "video_seconds", "frames")
    return {
        **header(pose.skeleton),
        "models": models,
        "defaults": {
            "score": detector.score,
            "max_persons": min(detector.max_persons or limits.persons, limits.persons),
        },
        "limits": {name: getattr(limits, name) for name in names},
    }
