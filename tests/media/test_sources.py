"""One door for all sources, and cameras."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest
from made import make_video, number, numbered_frames
from PIL import Image as PIL

from vitruvian.errors import InputError
from vitruvian.media import Camera, ImageFiles, Video, open_source

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


def test_an_animation_is_its_first_frame(tmp_path):
    frames = [PIL.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (frame,) = open_source(tmp_path / "a.gif")
    assert frame.image[0, 0].tolist() == [255, 0, 0]


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


def test_what_is_neither(tmp_path):
    (tmp_path / "notes.txt").write_text("words " * 100)
    with pytest.raises(InputError, match=r"notes\.txt is neither a picture nor a video"):
        open_source(tmp_path / "notes.txt")
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
