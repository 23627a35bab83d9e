"""Clients: their poses are those of the direct call, their errors the server's sentences."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from servers import Server, server

import vitruvian as vt
from vitruvian.serving import AsyncClient, Client, ServerError


def same(found: vt.Poses, wanted: vt.Poses) -> bool:
    """Equal to the last digit that JSON has."""
    return found.skeleton == wanted.skeleton and found.to_dict() == wanted.to_dict()


def test_pictures(running: Server, model, photo, pictures, tmp_path: Path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo)
    wanted = model(photo)
    with Client(running.url) as client:
        assert client.ready()
        for picture in (photo, path, str(path), io.BytesIO(photo)):
            assert same(client.poses(picture), wanted)
        assert same(client.poses(photo, score=0.9), model(photo, score=0.9))
        several = client.poses([*pictures[:3], path])
        assert all(same(one, model(data)) for one, data in zip(several, [*pictures[:3], photo], strict=True))
        drawn = np.array(Image.open(io.BytesIO(client.drawn(photo, colours="side"))))
        assert np.array_equal(drawn, wanted.draw(photo, colours="side"))
        assert client.models()["models"][0]["task"] == "detection"


@pytest.mark.parametrize("shape", [(4, 4, 3), (2, 4, 4, 3)])
def test_arrays_have_to_be_encoded(running: Server, shape):
    for array in (np.zeros(shape, np.uint8), np.zeros(shape, np.float32)):
        with Client(running.url) as client:
            for ask in (client.poses, client.drawn, lambda item: client.poses([b"", item])):
                with pytest.raises(vt.InputError, match=r"not a ndarray: encode it first, such as cv2\.imencode"):
                    ask(array)
            with pytest.raises(vt.InputError, match="a video can be a path"):
                list(client.video(array))

        async def ask(item) -> None:
            async with AsyncClient(running.url) as client:
                await client.poses(item)

        with pytest.raises(vt.InputError, match="not a ndarray: encode it first"):
            asyncio.run(ask(array))


def test_answers_have_the_pairs_of_left_and_right(running: Server, photo):
    skeleton = httpx.post(running.url + "/v1/poses", content=photo).json()["skeleton"]
    names = skeleton["keypoints"]
    assert {(names[left], names[right]) for left, right in skeleton["pairs"]} == {
        (f"left_{part}", f"right_{part}")
        for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    }


def test_a_video(running: Server, model, clip):
    direct = [result.poses for result in model.stream(str(clip), track=True)]
    with Client(running.url) as client:
        found = list(client.video(clip, track=True))
    assert len(found) == 12
    assert all(same(poses, wanted) for (_, poses), wanted in zip(found, direct, strict=True))
    assert [frame["index"] for frame, _ in found] == list(range(12))


def test_the_asynchronous_one(running: Server, model, photo, clip):
    async def ask() -> tuple[list[vt.Poses], list[vt.Poses], int, bytes]:
        async with AsyncClient(running.url) as client:
            assert await client.ready()
            at_once = await asyncio.gather(*(client.poses(photo) for _ in range(4)))
            several = await client.poses([photo, photo])
            frames = [poses async for _, poses in client.video(clip, track=True)]
            return list(at_once), several, len(frames), await client.drawn(photo)

    at_once, several, frames, drawn = asyncio.run(ask())
    wanted = model(photo)
    assert all(same(one, wanted) for one in [*at_once, *several])
    assert (len(at_once), len(several), frames) == (4, 2, 12)
    assert Image.open(io.BytesIO(drawn)).format == "PNG"


def test_errors(running: Server, photo, tmp_path: Path):
    with Client(running.url) as client:
        for ask in (client.poses, client.drawn):
            with pytest.raises(ServerError, match="picture is not a picture that can be read") as error:
                ask(b"nothing")
            assert error.value.status == 422
        with pytest.raises(ServerError, match="picture 1 is not a picture") as error:
            client.poses([photo, b"nothing"])
        assert error.value.status == 422
        with pytest.raises(ServerError, match="video is no video"):
            list(client.video(b"nothing"))
        with pytest.raises(ServerError, match="score"):
            client.poses(photo, score=3)
        with pytest.raises(vt.InputError, match=r"nowhere\.jpg"):
            client.poses(tmp_path / "nowhere.jpg")
        with pytest.raises(vt.InputError, match=r"nowhere\.mp4"):
            list(client.video(tmp_path / "nowhere.mp4"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(nowhere) as client:
        assert not client.ready()
        with pytest.raises(ServerError, match="can't be reached"):
            client.poses(photo)


def test_a_token_and_a_busy_server(photo, tmp_path: Path):
    token = "a-token-of-twenty-letters"
    file = tmp_path / "tokens"
    file.write_text(token)
    with server("--token-file", file, f"--limit=body_bytes={len(photo) - 1}") as one:
        with Client(one.url) as client, pytest.raises(ServerError) as error:
            client.models()
        assert error.value.status == 401
        with Client(one.url, token=token) as client:
            assert client.models()["models"]
            with pytest.raises(ServerError) as error:
                client.poses(photo)
        assert (error.value.status, error.value.retry_after) == (503, 1.0)
