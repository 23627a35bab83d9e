"""Clients of a server, synchronous and asynchronous, which return `Poses`."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, overload

from ..errors import InputError, VitruvianError
from ..poses import Poses
from ..skeletons import Skeleton

try:
    import httpx
except ImportError:
    raise InputError("clients need a package more: pip install 'vitruvian[serve]'") from None

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

File: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO"
"""A picture's or a video's file: path, bytes, or binary file object."""

_TIMEOUT = 60.0


class ServerError(VitruvianError):
    """A server's answer that says what went wrong, or none at all.

    Args:
        message: the server's sentence.
        status: HTTP status; 0 where there was no answer.
        retry_after: seconds after which to try again, where the server says so.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class _Requests:
    """What both clients ask, and how they read the answers."""

    @staticmethod
    def picture(picture: File, options: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a request with one picture."""
        headers = {"Content-Type": "application/octet-stream"}
        return {"content": _bytes(picture), "params": _query(options), "headers": headers}

    @staticmethod
    def pictures(pictures: Sequence[File], options: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a request with several."""
        files = [("picture", (_name(item, f"picture {place}"), _bytes(item))) for place, item in enumerate(pictures)]
        return {"files": files, "params": _query(options)}

    @staticmethod
    @contextmanager
    def video(video: File, options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Context with the arguments of a request with a video. Raises InputError where it can't be read."""
        _check_file(video, "video")
        with ExitStack() as stack:
            opened = video
            if isinstance(video, (str, os.PathLike)):
                try:
                    opened = stack.enter_context(open(video, "rb"))
                except OSError as error:
                    raise _unread(video, error) from None
            yield {"files": [("video", (_name(video, "video"), opened))], "params": _query(options)}

    @staticmethod
    def poses(record: Mapping[str, Any]) -> Poses:
        """The poses of one picture's answer."""
        return Poses.from_dict(record, _skeleton(record))

    @staticmethod
    def several(record: Mapping[str, Any]) -> list[Poses]:
        """The poses of several pictures' answer. Raises ServerError for the first that could not be read."""
        skeleton = _skeleton(record)
        for frame in record["frames"]:
            if "error" in frame:
                raise ServerError(frame["error"]["detail"], frame["error"]["status"])
        return [Poses.from_dict(frame, skeleton) for frame in record["frames"]]


class Client:
    """A server's client.

        with Client("http://127.0.0.1:8000") as client:
            poses = client.poses("photo.jpg", score=0.5)
            for frame, poses in client.video("dance.mp4", track=True): ...

    Args:
        address: the server's URL.
        token: bearer token, where the server wants one.
        timeout: seconds without an answer, or between two lines of a video's.
        http: further keywords of `httpx.Client`.

    Raises:
        ServerError: in every method: the server can't be reached, or doesn't take the request.
    """

    def __init__(self, address: str, token: str | None = None, timeout: float = _TIMEOUT, **http: Any) -> None:
        self._http = httpx.Client(base_url=address, headers=_authorized(token), timeout=timeout, **http)

    @overload
    def poses(self, picture: list[File] | tuple[File, ...], **options: Any) -> list[Poses]: ...
    @overload
    def poses(self, picture: File, **options: Any) -> Poses: ...
    def poses(self, picture: Any, **options: Any) -> Poses | list[Poses]:
        """The poses of one picture, or of a list of pictures.

        Args:
            picture: file or files; see `File`.
            options: the query of ``POST /v1/poses``: `score`, `max_persons`.
        """
        if isinstance(picture, (list, tuple)):
            return _Requests.several(self._post("/v1/poses", _Requests.pictures(picture, options)).json())
        return _Requests.poses(self._post("/v1/poses", _Requests.picture(picture, options)).json())

    def drawn(self, picture: File, **options: Any) -> bytes:
        """The picture with the skeletons drawn, as a PNG file; options are the query of ``POST /v1/poses/drawn``."""
        return self._post("/v1/poses/drawn", _Requests.picture(picture, options)).content

    def video(self, video: File, **options: Any) -> Iterator[tuple[dict[str, Any], Poses]]:
        """Each frame of a video as docs/output.md has it, and its poses; options are the query of ``/v1/videos``."""
        with ExitStack() as stack:
            arguments = stack.enter_context(_Requests.video(video, options))
            stack.enter_context(_errors())
            answer = stack.enter_context(self._http.stream("POST", "/v1/videos", **arguments))
            if answer.status_code != 200:
                answer.read()
            reader = _Lines(_checked(answer))
            for line in answer.iter_lines():
                frame = reader.read(line)
                if frame is not None:
                    yield frame
            reader.check()

    def models(self) -> dict[str, Any]:
        """What ``/v1/models`` answers."""
        with _errors():
            return _checked(self._http.get("/v1/models")).json()

    def ready(self) -> bool:
        """Whether the server takes requests; False also where there is none."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def _post(self, path: str, arguments: dict[str, Any]) -> httpx.Response:
        with _errors():
            return _checked(self._http.post(path, **arguments))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: arguments, results and errors are those of `Client`."""

    def __init__(self, address: str, token: str | None = None, timeout: float = _TIMEOUT, **http: Any) -> None:
        self._http = httpx.AsyncClient(base_url=address, headers=_authorized(token), timeout=timeout, **http)

    @overload
    async def poses(self, picture: list[File] | tuple[File, ...], **options: Any) -> list[Poses]: ...
    @overload
    async def poses(self, picture: File, **options: Any) -> Poses: ...
    async def poses(self, picture: Any, **options: Any) -> Poses | list[Poses]:
        """See `Client.poses`."""
        if isinstance(picture, (list, tuple)):
            return _Requests.several((await self._post("/v1/poses", _Requests.pictures(picture, options))).json())
        return _Requests.poses((await self._post("/v1/poses", _Requests.picture(picture, options))).json())

    async def drawn(self, picture: File, **options: Any) -> bytes:
        """See `Client.drawn`."""
        return (await self._post("/v1/poses/drawn", _Requests.picture(picture, options))).content

    async def video(self, video: File, **options: Any) -> AsyncIterator[tuple[dict[str, Any], Poses]]:
        """See `Client.video`."""
        with _Requests.video(video, options) as arguments, _errors():
            async with self._http.stream("POST", "/v1/videos", **arguments) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                reader = _Lines(_checked(answer))
                async for line in answer.aiter_lines():
                    frame = reader.read(line)
                    if frame is not None:
                        yield frame
                reader.check()

    async def models(self) -> dict[str, Any]:
        """See `Client.models`."""
        with _errors():
            return _checked(await self._http.get("/v1/models")).json()

    async def ready(self) -> bool:
        """See `Client.ready`."""
        try:
            return (await self._http.get("/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def _post(self, path: str, arguments: dict[str, Any]) -> httpx.Response:
        with _errors():
            return _checked(await self._http.post(path, **arguments))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _Lines:
    """Reader of a video's answer, line by line."""

    def __init__(self, answer: httpx.Response) -> None:
        self._skeleton: Skeleton | None = None
        self._done = False

    def read(self, line: str) -> tuple[dict[str, Any], Poses] | None:
        """A frame and its poses; None for the header and the end. Raises ServerError for the line of an error."""
        record = json.loads(line)
        if "error" in record:
            raise ServerError(record["error"]["detail"], record["error"]["status"])
        if "skeleton" in record:
            self._skeleton = _skeleton(record)
        elif "done" in record:
            self._done = True
        else:
            return record, Poses.from_dict(record, self._skeleton)
        return None

    def check(self) -> None:
        """Raises ServerError for an answer that broke off."""
        if not self._done:
            raise ServerError("the server's answer broke off; try again")


def _skeleton(record: Mapping[str, Any]) -> Skeleton:
    said = record["skeleton"]
    limbs, pairs = (tuple((first, second) for first, second in said.get(name, ())) for name in ("limbs", "pairs"))
    by_name = Skeleton(said["name"], tuple(said["keypoints"]), limbs, tuple(said.get("sigmas", ())))
    return by_name if by_name.flip_pairs == pairs else replace(by_name, pairs=pairs)


def _authorized(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _query(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _bytes(file: File) -> bytes:
    """A file's bytes. Raises InputError where it can't be read."""
    _check_file(file, "picture")
    if isinstance(file, bytes):
        return file
    try:
        return Path(file).read_bytes() if isinstance(file, (str, os.PathLike)) else file.read()
    except OSError as error:
        raise _unread(file, error) from None


def _check_file(file: Any, kind: str) -> None:
    """Raises InputError for what is no `File`: arrays, which have to be encoded."""
    if isinstance(file, (str, os.PathLike, bytes)) or callable(getattr(file, "read", None)):
        return
    encode = ": encode it first, such as cv2.imencode('.jpg', frame)[1].tobytes()" if kind == "picture" else ""
    raise InputError(f"a {kind} can be a path, bytes or a binary file object, not a {type(file).__name__}{encode}")


def _unread(file: File, error: OSError) -> InputError:
    return InputError(f"{_name(file, 'the file')} can't be read: {error.strerror or error}; check the path")


def _name(file: File, other: str) -> str:
    return Path(file).name if isinstance(file, (str, os.PathLike)) else other


@contextmanager
def _errors() -> Iterator[None]:
    """Context in which a connection's errors become ServerError."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ServerError(f"the server can't be reached: {error}; check its address") from None


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer itself. Raises ServerError for a problem."""
    if answer.status_code == 200:
        return answer
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the server answers {answer.status_code} {answer.reason_phrase}"
    after = answer.headers.get("retry-after", "")
    raise ServerError(detail, answer.status_code, float(after) if after.isdecimal() else None)
