"""One door for all sources, and cameras."""

from __future__ import annotations

import http.server
import io
import os
import subprocess
import sys
import threading
from fractions import Fraction
from typing import ClassVar

import cv2
import numpy as np
import pytest
from made import make_video, number, numbered_frames, serving
from PIL import Image as PIL

from vitruvian.errors import InputError
from vitruvian.media import Camera, ImageFiles, Video, open_source, read_image
from vitruvian.media.destinations import picture_targets

NO_CAMERA = 97


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    PIL.new("RGB", (4, 3), (1, 2, 3)).save(path)
    return path


def test_a_picture_and_a_video_are_told_apart_by_content(tmp_path, picture):
    misnamed = picture.rename(tmp_path / "picture.mp4")
    source = open_source(str(misnamed))
    assert isinstance(source, ImageFiles)
    assert next(iter(source)).image[0, 0].tolist() == [1, 2, 3]
    video = make_video(tmp_path / "v.mp4", numbered_frames(4)).rename(tmp_path / "video.jpg")
    source = open_source(video)
    assert isinstance(source, Video)
    assert [number(f.image) for f in source] == [0, 1, 2, 3]


COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


@pytest.mark.parametrize(
    ("suffix", "options"), [("gif", {}), ("webp", {"lossless": True}), ("png", {"default_image": False})]
)
def test_an_animation_is_a_video(tmp_path, suffix, options):
    frames = [PIL.new("RGB", (8, 6), colour) for colour in COLOURS]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 300], **options)
    source = open_source(path)
    assert (source.kind, source.length, source.name) == ("video", 3, str(path))
    assert (source.info.width, source.info.height, source.info.has_audio) == (8, 6, False)
    for _ in range(2):
        found = list(source)
        assert [frame.image[0, 0].tolist() for frame in found] == [list(colour) for colour in COLOURS]
        assert [frame.index for frame in found] == [0, 1, 2]
        assert [frame.time for frame in found] == pytest.approx([0, 0.1, 0.3])
        assert [frame.pts * source.info.time_base for frame in found] == [0, Fraction(1, 10), Fraction(3, 10)]
        assert source.problems == []


def test_a_still_picture_of_these_formats_is_none(tmp_path):
    for suffix in ("gif", "webp", "png"):
        PIL.new("RGB", (8, 6)).save(tmp_path / f"a.{suffix}")
        assert open_source(tmp_path / f"a.{suffix}").kind == "images"


def test_frames_without_a_time_are_shown_as_browsers_do(tmp_path):
    frames = [PIL.new("RGB", (8, 6), colour) for colour in COLOURS]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    source = open_source(tmp_path / "a.gif")
    assert [frame.time for frame in source] == pytest.approx([0, 0.1, 0.2])
    assert source.info.fps == 10


def test_a_cut_off_animation_gives_what_it_has(tmp_path):
    rng = np.random.default_rng(0)
    frames = [PIL.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)) for _ in range(4)]
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    source = open_source(path)
    assert len(list(source)) == 2
    assert len(source.problems) == 1
    assert "a.png is damaged: it ends early, after 2 frames" in source.problems[0]


def test_the_case_of_an_animation(shared):
    source = open_source(shared / "cases/anim.gif")
    frames = list(source)
    assert (source.kind, len(frames)) == ("video", 3)
    assert [len(np.unique(frame.image)) > 50 for frame in frames][:2] == [False, True]


def test_pages_of_a_tiff_are_pictures(tmp_path):
    pages = [PIL.new("RGB", (8 + page, 6), colour) for page, colour in enumerate(COLOURS)]
    path = tmp_path / "b.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    PIL.new("RGB", (5, 5), (9, 9, 9)).save(tmp_path / "a.png")
    source = open_source(path)
    assert (source.kind, source.length) == ("images", 3)
    frames = list(source)
    assert [frame.image[0, 0].tolist() for frame in frames] == [list(colour) for colour in COLOURS]
    assert [frame.image.shape[1] for frame in frames] == [8, 9, 10]
    assert [frame.source for frame in frames] == [f"{path}#{page}" for page in (1, 2, 3)]
    targets = picture_targets(source, tmp_path / "out")
    assert [target.name for target in targets.values()] == ["b.tif#1.png", "b.tif#2.png", "b.tif#3.png"]
    assert [targets[frame.source] for frame in frames] == list(targets.values())
    folder = open_source(tmp_path)
    assert [frame.source for frame in folder] == [str(tmp_path / "a.png"), *(frame.source for frame in frames)]
    assert [frame.index for frame in folder] == [0, 1, 2, 3]
    assert read_image(path).shape == (6, 8, 3)


def test_folders_and_globs(tmp_path, picture):
    (tmp_path / "below").mkdir()
    PIL.new("RGB", (1, 1)).save(tmp_path / "below" / "b.jpg")
    assert open_source(tmp_path).length == 1
    assert open_source(tmp_path, recursive=True).length == 2
    assert [f.source for f in open_source(f"{tmp_path}/ph*.png")] == [str(picture)]
    with pytest.raises(InputError, match="no pictures found"):
        open_source(f"{tmp_path}/x*.png")


def test_a_file_whose_name_looks_like_a_glob(tmp_path, picture):
    odd = picture.rename(tmp_path / "photo[1].png")
    (tmp_path / "photo1.png").write_text("not this one")
    assert [f.source for f in open_source(str(odd))] == [str(odd)]


def test_standard_input(monkeypatch, picture):
    stdin = io.TextIOWrapper(io.BytesIO(picture.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    source = open_source("-")
    assert (source.kind, source.name, source.length) == ("images", "stdin", 1)
    for _ in range(2):
        (frame,) = source
        assert (frame.source, frame.image.shape) == ("stdin", (3, 4, 3))


class Endless(io.RawIOBase):
    """Gives zeros without end, and counts them."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self.given += len(buffer)
        return len(buffer)


def test_standard_input_without_end_is_refused(monkeypatch):
    endless = Endless()
    monkeypatch.setattr("vitruvian.pictures.reading.MAX_BYTES", 5_000_000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    with pytest.raises(InputError, match="stdin has more than 5,000,000 bytes, too much for a picture"):
        open_source("-")
    assert endless.given < 7_000_000
    with pytest.raises(InputError, match="more than 5,000,000 bytes"):
        read_image(endless)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_once(tmp_path, picture):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(picture.read_bytes()), daemon=True)
    writer.start()
    source = open_source(pipe)
    writer.join(5)
    for _ in range(2):
        (frame,) = source
        assert (frame.source, frame.image[0, 0].tolist()) == (str(pipe), [1, 2, 3])


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no /dev/zero")
def test_a_device_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("vitruvian.pictures.reading.MAX_BYTES", 5_000_000)
    with pytest.raises(InputError, match="/dev/zero has more than 5,000,000 bytes"):
        open_source("/dev/zero")


class Shop(http.server.BaseHTTPRequestHandler):
    """Sends `content`, by path: its type and its bytes."""

    content: ClassVar[dict[str, tuple[str | None, bytes]]] = {}

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.content:
            self.send_error(404)
            return
        kind, data = self.content[path]
        self.send_response(200)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) + ("cut" in path)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_a_picture_by_its_address(tmp_path, picture, monkeypatch):
    frames = [PIL.new("RGB", (8, 8), colour) for colour in COLOURS]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    png, gif = picture.read_bytes(), (tmp_path / "a.gif").read_bytes()
    monkeypatch.setattr(
        Shop,
        "content",
        {
            "/a": ("image/png", png),
            "/b.PNG": (None, png),
            "/c.png": ("application/octet-stream", png),
            "/d.gif": ("image/gif", gif),
            "/cut.png": ("image/png", png[:20]),
            "/text.png": ("text/html", b"<p>Sign in</p>"),
            "/huge.png": ("image/png", bytes(2000)),
        },
    )
    with serving(Shop) as address:
        for path in ("/a", "/b.PNG?size=3", "/c.png"):
            source = open_source(address + path)
            (frame,) = source
            assert (source.kind, frame.source, frame.image.shape) == ("images", address + path, (3, 4, 3))
            assert np.array_equal(read_image(address + path), frame.image)
        (target,) = picture_targets(open_source(f"{address}/b.PNG?size=3"), tmp_path / "out").values()
        assert target == tmp_path / "out/b.PNG"
        assert open_source(f"{address}/d.gif").length == 3
        for path, reason in (("/cut.png", "cut off|can't be opened"), ("/gone.png", "Not Found"), ("/text.png", "")):
            with pytest.raises(InputError, match=f"{path}.*({reason})"):
                open_source(address + path)
        monkeypatch.setattr("vitruvian.pictures.fetching.MAX_BYTES", 1000)
        with pytest.raises(InputError, match=r"huge\.png has more than 1,000 bytes"):
            open_source(f"{address}/huge.png")


def test_what_is_neither(tmp_path):
    (tmp_path / "notes.txt").write_text("words " * 100)
    with pytest.raises(InputError, match=r"notes\.txt is neither a picture nor a video"):
        open_source(tmp_path / "notes.txt")
    (tmp_path / "cut.mp4").write_text("words " * 100)
    with pytest.raises(InputError) as refused:
        open_source(tmp_path / "cut.mp4")
    assert str(refused.value).count("cut.mp4") == str(refused.value).count("video that can be read") == 1
    assert "as a video" not in str(refused.value)
    with pytest.raises(InputError, match=r"gone\.png'?: no such file"):
        open_source(tmp_path / "gone.png")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(InputError, match=r"empty\.jpg is empty"):
        open_source(tmp_path / "empty.jpg")
    (tmp_path / "text.jpg").write_text("words " * 100)
    with pytest.raises(InputError, match=r"text\.jpg is not a picture"):
        open_source(tmp_path / "text.jpg")


def test_a_cut_off_picture_says_so(tmp_path):
    image = PIL.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    image.save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.jpg is damaged or cut off: .*truncated"):
        list(open_source(tmp_path / "cut.jpg"))


@pytest.mark.parametrize("spec", [NO_CAMERA, str(NO_CAMERA)])
def test_no_camera_is_told_once_and_quietly(spec, capfd):
    with pytest.raises(InputError, match=f"camera {NO_CAMERA} gives no picture"):
        open_source(spec)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def unplugged_after_ten(tmp_path, monkeypatch):
    """OpenCV reading a file of ten frames in place of camera 0: what stops is the same to it."""
    path = make_video(tmp_path / "camera.avi", numbered_frames(10), codec="mjpeg", pix_fmt="yuvj420p")
    opened = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: opened(str(path)))


def test_a_camera_that_stops(unplugged_after_ten):
    camera = Camera(0)
    assert (camera.name, camera.kind, camera.length) == ("camera 0", "live", None)
    assert (camera.info.width, camera.info.height) == (64, 48)
    assert (camera.info.fps, camera.info.time_base) == (30, Fraction(1, 1000))
    for _ in range(2):
        frames = list(camera)
        assert [number(f.image) for f in frames] == list(range(10))
        assert [f.index for f in frames] == list(range(10))
        assert {f.source for f in frames} == {"camera 0"}
        times = [f.time for f in frames]
        assert times == sorted(times)
        assert [f.pts for f in frames] == [round(1000 * t) for t in times]
        assert len(camera.problems) == 1
        assert "camera 0 stopped delivering after 10 frames" in camera.problems[0]


def test_camera_colours_are_rgb(tmp_path, monkeypatch):
    red = [np.full((48, 64, 3), (230, 20, 20), np.uint8)] * 3
    path = make_video(tmp_path / "red.avi", red, codec="mjpeg", pix_fmt="yuvj420p")
    opened = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: opened(str(path)))
    assert np.abs(next(iter(Camera(0))).image.astype(int) - red[0]).max() < 10


def test_importing_media_loads_nothing_heavy():
    code = "import sys, vitruvian.media; print([m for m in ('cv2', 'av', 'PIL', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
