"""What the server's tests share: the model called directly, pictures of several sizes and formats, one server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from servers import Server, server

import vitruvian as vt

PHOTO = Path(__file__).resolve().parents[2] / "docs/images/astronaut.jpg"


@pytest.fixture(scope="session")
def model() -> vt.TopDown:
    """The package's models, as the server has them."""
    return vt.load()


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A person, as JPEG."""
    return PHOTO.read_bytes()


@pytest.fixture(scope="session")
def pictures(photo: bytes) -> list[bytes]:
    """Pictures of different sizes, numbers of persons and formats, made of that photo."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    width, height = image.size
    side = Image.new("RGB", (2 * width, height), (90, 90, 90))
    side.paste(image, (0, 0))
    side.paste(image, (width, 0))
    made = [
        image,
        side,
        image.resize((width // 2, height // 2)),
        image.rotate(180),
        image.crop((0, 0, width, height // 2)),
    ]
    made += [image.resize((301, 517)), Image.new("RGB", (64, 48)), side.resize((1500, 700))]
    return [_encoded(item, ("PNG", "JPEG", "WEBP")[number % 3]) for number, item in enumerate(made)]


def _encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def clip(photo: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of that person moving, 10 a second."""
    image = np.array(Image.open(io.BytesIO(photo)).convert("RGB").resize((320, 320)))
    path = tmp_path_factory.mktemp("clip") / "moving.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for step in range(12):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(image, 3 * step, axis=1), format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def running() -> Iterator[Server]:
    """A server with its defaults."""
    with server() as one:
        yield one
