"""``POST /v1/poses`` and ``POST /v1/poses/drawn``: the poses of pictures."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile

from ..drawing import check_faces, check_style, draw
from . import examples
from .answers import as_json, frame, header
from .fetching import fetch
from .inputs import JSON, MULTIPART, Note, check_type, content_type, multipart, named, read_picture, read_url
from .problems import Problem, as_problem
from .queries import DrawQuery, PoseQuery
from .service import Service, unless_gone

if TYPE_CHECKING:
    from ..pictures import Image
    from ..poses import Poses

router = APIRouter(tags=["pictures"])

FIELD = "picture"
RAW = "picture"
"""What a picture without a file name is called."""


@router.post(
    "/v1/poses",
    summary="The poses of one or several pictures.",
    openapi_extra=examples.body("image/jpeg", FIELD),
    responses=examples.answers(examples.POSES, "application/json"),
    response_class=Response,
)
async def poses(request: Request, query: Annotated[PoseQuery, Query()]) -> Response:
    """Send a picture as the body: the answer is its frame. Send several as parts named `picture` of
    multipart/form-data: the answer has them in order in `frames`; one that can't be read has an `error` there.
    """
    service: Service = request.app.state.service
    with service.admitted(), service.holding() as note:
        if content_type(request) == MULTIPART:
            async with _files(service, request, service.options.limits.pictures, note) as files:
                return await _answer(service, request, _several(service, files, query))
        part = await _one(service, request, note)
        return await _answer(service, request, _single(service, part, query))


@router.post(
    "/v1/poses/drawn",
    summary="A picture with the skeletons drawn.",
    openapi_extra=examples.body("image/jpeg", FIELD),
    responses=examples.answers(None, "image/png", "image/jpeg"),
    response_class=Response,
)
async def drawn(request: Request, query: Annotated[DrawQuery, Query()]) -> Response:
    """Send one picture as for `/v1/poses`. `Accept: image/jpeg` gets a JPEG, else the answer is a PNG."""
    service: Service = request.app.state.service
    check_style(query.colours, query.line_width)
    if query.blur_faces:
        check_faces(service.model.pose.skeleton)
    form = accepted(request.headers.get("accept", "*/*"))
    with service.admitted(), service.holding() as note:
        if content_type(request) == MULTIPART:
            async with _files(service, request, 1, note) as (file,):
                part = _Part(named(file, 0), await file.read())
        else:
            part = await _one(service, request, note)
        work = service.poses(part.data, part.name, service.detector(query.limited), _Drawing(query, form))
        return await _answer(service, request, work, f"image/{form.lower()}")


@dataclass(frozen=True)
class _Part:
    """A picture's file, and what answers and messages call it."""

    name: str
    data: bytes


@asynccontextmanager
async def _files(service: Service, request: Request, count: int, note: Note) -> AsyncIterator[list[UploadFile]]:
    """Context with the files of a multipart body."""
    limits = service.options.limits
    with service.metrics.stage("receive"):
        context = multipart(request, FIELD, count, limits.picture_bytes, limits.body_seconds, note)
        files = await context.__aenter__()
    try:
        yield files
    finally:
        await context.__aexit__(None, None, None)


async def _one(service: Service, request: Request, note: Note) -> _Part:
    """The picture of a raw body, or the one that its URL names."""
    limits = service.options.limits
    with service.metrics.stage("receive"):
        if content_type(request) == JSON:
            address = await read_url(request, limits.body_seconds, note)
            hosts = service.options.access.url_hosts
            return _Part(address, await fetch(address, hosts, limits.picture_bytes, limits.body_seconds, note))
        check_type(request, "image")
        return _Part(RAW, await read_picture(request, limits.picture_bytes, limits.body_seconds, note))


async def _single(service: Service, part: _Part, query: PoseQuery) -> bytes:
    head, angles_from = header(service.model.pose.skeleton), query.angles_from

    def finish(image: Image, found: Poses) -> bytes:
        return as_json(head | frame(image, found, part.name, angles_from=angles_from))

    return await service.poses(part.data, part.name, service.detector(query.limited), finish)


async def _several(service: Service, files: list[UploadFile], query: PoseQuery) -> bytes:
    """A frame or an error for each picture. Only as many are in the queue at a time as a batch takes."""
    detector, places = service.detector(query.limited), asyncio.Semaphore(service.options.batching.size)

    async def one(index: int, file: UploadFile) -> dict[str, Any]:
        name = named(file, index)

        def finish(image: Image, found: Poses) -> dict[str, Any]:
            return frame(image, found, name, index, query.angles_from)

        try:
            async with places:
                return await service.poses(await file.read(), name, detector, finish)
        except Exception as error:
            problem = as_problem(error)
            if problem.status >= 500:
                raise
            return {"source": name, "index": index, "error": problem.record}

    frames = await _gathered([one(index, file) for index, file in enumerate(files)])
    return await service.encode(lambda: as_json(header(service.model.pose.skeleton) | {"frames": frames}))


async def _gathered(work: list[Any]) -> list[Any]:
    """The results of all; the others are cancelled when one fails."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def _answer(service: Service, request: Request, work: Any, media_type: str = "application/json") -> Response:
    seconds = service.options.limits.request_seconds
    return Response(await unless_gone(work, request.receive, seconds, "the request"), media_type=media_type)


def accepted(accept: str) -> str:
    """PNG or JPEG, as an Accept header prefers it. Raises Problem (406) where it takes neither."""
    weights = {"PNG": 0.0, "JPEG": 0.0}
    for item in accept.split(","):
        kind, *parameters = (text.strip().lower() for text in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        # What is named counts before what a wildcard covers.
        for form in weights:
            share = {f"image/{form.lower()}": 1.0, "image/*": 0.5, "*/*": 0.25, "": 0.25}.get(kind, 0.0)
            weights[form] = max(weights[form], weight * share)
    if not any(weights.values()):
        raise Problem(406, "drawn pictures are image/png or image/jpeg; accept one of them")
    return "JPEG" if weights["JPEG"] > weights["PNG"] else "PNG"


class _Drawing:
    """Draws the poses and encodes the picture."""

    def __init__(self, query: DrawQuery, form: str) -> None:
        self._form = form
        names = ("boxes", "scores", "names", "angles", "colours", "line_width", "blur_faces", "keypoint_score")
        self._style = {name: getattr(query, name) for name in names}

    def __call__(self, image: Image, found: Poses) -> bytes:
        from PIL import Image as PIL

        buffer = io.BytesIO()
        options: dict[str, Any] = {"quality": 92} if self._form == "JPEG" else {"compress_level": 1}
        PIL.fromarray(draw(image, found, **self._style)).save(buffer, self._form, **options)
        return buffer.getvalue()
