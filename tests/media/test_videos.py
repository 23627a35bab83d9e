"""Reading videos: times, turning, colours, damage and streams, against videos made here with known content."""

from __future__ import annotations

import http.server
import itertools
import struct
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made import boxes_of, make_video, number, numbered_frames, serving

from vitruvian.errors import InputError
from vitruvian.media import Video, containers
from vitruvian.media.videos import _display_matrix

SHARED = Path(__file__).resolve().parents[2] / "../shared/videos"


def noise(count: int, size: int = 96) -> list[np.ndarray]:
    """Frames that don't compress, so that every part of the file holds some of them."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (size, size, 3), np.uint8) for _ in range(count)]


def test_every_frame_in_order_with_its_time(tmp_path):
    path = make_video(tmp_path / "a.mp4", numbered_frames(50))
    video = Video(path)
    assert (video.kind, video.name, video.length) == ("video", str(path), 50)
    info = video.info
    assert (info.width, info.height, info.fps, info.frame_count, info.has_audio) == (64, 48, 30, 50, False)
    assert info.duration == pytest.approx(50 / 30, abs=0.002)
    for _ in range(2):
        frames = list(video)
        assert [number(f.image) for f in frames] == list(range(50))
        assert [f.index for f in frames] == list(range(50))
        assert [f.time for f in frames] == pytest.approx([i / 30 for i in range(50)])
        assert [f.pts * info.time_base for f in frames] == [Fraction(i, 30) for i in range(50)]
        assert {f.source for f in frames} == {str(path)}
        assert all(f.image.flags.c_contiguous and f.image.dtype == np.uint8 for f in frames)
        assert video.problems == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_frame_rate_is_kept(tmp_path, suffix):
    pts = np.cumsum(np.random.default_rng(3).integers(5, 200, 40)).tolist()
    pts = [p - pts[0] for p in pts]
    path = make_video(tmp_path / f"vfr.{suffix}", numbered_frames(40), pts, time_base=Fraction(1, 1000))
    assert [f.time for f in Video(path)] == pytest.approx([p / 1000 for p in pts], abs=1e-6)


def test_time_starts_at_zero_where_pts_does_not(tmp_path):
    path = make_video(tmp_path / "late.ts", numbered_frames(10))
    frames = list(Video(path))
    assert frames[0].pts > 0
    assert [f.time for f in frames] == pytest.approx([i / 30 for i in range(10)], abs=1e-4)


@pytest.mark.parametrize("name", ["raw.h264", "b_frames.avi"])
def test_missing_times_are_derived_from_the_rate(tmp_path, name):
    path = make_video(tmp_path / name, numbered_frames(40), format="h264" if name.endswith("h264") else None)
    video = Video(path)
    frames = list(video)
    assert [number(f.image) for f in frames] == list(range(40))
    pts = [f.pts for f in frames]
    assert all(b > a for a, b in itertools.pairwise(pts))
    assert frames[-1].time - frames[0].time == pytest.approx(float(39 / video.info.fps), abs=1e-3)


def test_has_audio(tmp_path):
    assert Video(make_video(tmp_path / "a.mp4", numbered_frames(5), audio="aac")).info.has_audio


# ISO 14496-12, 8.3.2: (x, y) is shown at (a x + c y, b x + d y), then moved so that the picture is at 0, 0.
MATRICES = {
    "0 degrees": (1, 0, 0, 1),
    "90 degrees": (0, 1, -1, 0),
    "180 degrees": (-1, 0, 0, -1),
    "270 degrees": (0, -1, 1, 0),
    "left to right": (-1, 0, 0, 1),
    "top to bottom": (1, 0, 0, -1),
    "diagonal": (0, 1, 1, 0),
    "other diagonal": (0, -1, -1, 0),
}


@pytest.mark.parametrize("turn", MATRICES)
def test_frames_are_turned_and_mirrored_as_the_file_says(tmp_path, turn):
    a, b, c, d = MATRICES[turn]
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32], stored[:24, 32:], stored[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = make_video(tmp_path / "r.mp4", [stored] * 3)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", data[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    one = 65536
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    y, x = np.mgrid[:48, :64]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    shown = np.zeros((to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    shown[to_y, to_x] = stored
    video = Video(path)
    assert (video.info.height, video.info.width) == shown.shape[:2]
    for frame in video:
        assert frame.image.shape == shown.shape
        assert frame.image.flags.c_contiguous
        for row, column in itertools.product((0.25, 0.75), repeat=2):
            spot = int(row * shown.shape[0]), int(column * shown.shape[1])
            assert np.abs(frame.image[spot].astype(int) - shown[spot]).max() < 40


@pytest.mark.parametrize(
    ("aspect", "shown"),
    [
        ("2:1", (48, 128)),
        ("1:2", (48, 32)),
        ("16:11", (48, 93)),
        ("1:1", (48, 64)),
        ("0:1", (48, 64)),
        ("99:1", (48, 64)),
    ],
)
def test_pixels_become_square(tmp_path, aspect, shown):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*map(int, aspect.split(":")))
        for image in numbered_frames(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    video = Video(path)
    frames = list(video)
    assert (video.info.height, video.info.width) == shown
    assert {frame.image.shape for frame in frames} == {(*shown, 3)}
    assert [number(frame.image) for frame in frames] == list(range(5))


def test_the_cases_with_a_mirror_and_with_wide_pixels(shared):
    path = shared / "cases/hflip_matrix.mp4"
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    shown = next(iter(Video(path))).image
    assert np.abs(shown.astype(int) - stored[:, ::-1]).mean() < 3
    info = Video(shared / "cases/sar2_anamorphic.mp4").info
    assert (info.width, info.height) == (424, 240)


def test_frames_beyond_the_memory_are_refused_from_the_header(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4", numbered_frames(5))
    monkeypatch.setattr("vitruvian.media.videos.max_pixels", lambda: 4 * 64 * 48 - 1)
    with pytest.raises(InputError, match=r"a\.mp4 is 64x48; the limit is 3,071 pixels"):
        Video(path)


def yuv_of(rgb: tuple[int, int, int], kr: float, kb: float, full: bool) -> list[int]:
    """ITU-T H.273, 8.3: 8-bit Y, Cb, Cr."""
    r, g, b = (value / 255 for value in rgb)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / 2 / (1 - kb), (r - y) / 2 / (1 - kr)
    scaled = (255 * y, 255 * cb + 128, 255 * cr + 128) if full else (219 * y + 16, 224 * cb + 128, 224 * cr + 128)
    return [round(value) for value in scaled]


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


@pytest.mark.parametrize(
    ("weights", "space", "full", "width"),
    [
        (BT709, 1, False, 64),
        (BT709, 1, True, 64),
        (BT601, 6, False, 64),
        (BT601, 5, True, 64),
        (BT601, 5, False, 1280),
        (BT601, 2, False, 64),
        (BT709, 2, False, 1280),
    ],
)
def test_colours_follow_the_tags_of_the_stream(tmp_path, weights, space, full, width):
    rgb = (200, 30, 60)
    path = tmp_path / "c.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, 64, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 2 if full else 1
        frame = av.VideoFrame(width, 64, "yuv420p")
        for plane, value in zip(frame.planes, yuv_of(rgb, *weights, full), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range, frame.pts = space, 2 if full else 1, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (got,) = Video(path)
    assert np.abs(got.image.astype(int) - rgb).max() <= 3


def test_rgb_video_is_not_stretched(tmp_path):
    rgb = [np.full((48, 64, 3), (200, 30, 60), np.uint8)]
    path = make_video(tmp_path / "a.mkv", rgb, codec="ffv1", pix_fmt="bgr0")
    assert np.array_equal(next(iter(Video(path))).image, rgb[0])


def test_cut_off_with_the_index_in_front(tmp_path):
    path = make_video(tmp_path / "clip.mp4", noise(60), options={"movflags": "faststart"})
    data = path.read_bytes()
    assert [name for name, *_ in boxes_of(data)].index("moov") < [name for name, *_ in boxes_of(data)].index("mdat")
    path.write_bytes(data[: int(len(data) * 0.6)])
    video = Video(path)
    count = sum(1 for _ in video)
    assert 28 <= count <= 40
    assert any(f"clip.mp4 is damaged or cut off: {count} frames read of about 60" in p for p in video.problems)


def test_cut_off_without_frame_counts(tmp_path):
    path = make_video(tmp_path / "clip.mkv", noise(120))
    assert list(Video(path))[-1].index == 119
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    video = Video(path)
    count = sum(1 for _ in video)
    assert 30 <= count <= 45
    assert any(f"clip.mkv is damaged or cut off: {count} frames read of about 120" in p for p in video.problems)


def test_cut_off_before_the_index(tmp_path):
    path = make_video(tmp_path / "clip.mp4", noise(30))
    data = path.read_bytes()
    assert [name for name, *_ in boxes_of(data)][-1] == "moov"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"clip\.mp4 can't be read as a video.*fetch or export it again"):
        Video(path)


def test_corrupt_bytes_in_the_middle_cost_frames_and_are_told(tmp_path):
    path = make_video(tmp_path / "bad.mp4", noise(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = np.random.default_rng(5).bytes(20_000)
    path.write_bytes(data)
    video = Video(path)
    count = sum(1 for _ in video)
    assert 20 < count <= 60
    assert any("bad.mp4" in p and "damaged" in p for p in video.problems)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zero.mp4", b"", "is empty"),
        ("text.mp4", b"words and words\n" * 200, "can't be read as a video"),
        ("text.txt", b"words and words\n" * 200, "text.txt"),
        ("zeros.mp4", bytes(10_000), "can't be read as a video"),
    ],
)
def test_files_that_are_no_videos(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        Video(tmp_path / name)


def test_missing_folder_and_sound_only(tmp_path):
    with pytest.raises(InputError, match=r"no\.mp4: no such file"):
        Video(tmp_path / "no.mp4")
    with pytest.raises(InputError, match="is a folder"):
        Video(tmp_path)
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        track = out.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    with pytest.raises(InputError, match="has no video in it"):
        Video(path)


def test_a_file_named_like_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "ok.mp4", numbered_frames(3)).rename(tmp_path / "pipe:0.mp4")
    assert len(list(Video("pipe:0.mp4"))) == 3


def test_closing_the_iterator_releases_the_file(tmp_path):
    path = make_video(tmp_path / "a.mp4", numbered_frames(30))

    def handles() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(str(link.resolve()) == str(path) for link in links)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system doesn't list open files in /proc/self/fd")
    frames = iter(Video(path))
    next(frames)
    assert handles() == 1
    frames.close()
    assert handles() == 0


def test_nothing_reaches_the_terminal(tmp_path):
    path = make_video(tmp_path / "bad.mp4", noise(30))
    data = bytearray(path.read_bytes())
    data[20_000:60_000] = bytes(40_000)
    path.write_bytes(data)
    code = (
        "import sys; from vitruvian.media import Video, VideoWriter; v = Video(sys.argv[1])\n"
        "with VideoWriter(sys.argv[2], v.info) as w: [w.write(f.image, f.pts) for f in v]\n"
        "assert v.problems"
    )
    command = [sys.executable, "-c", code, str(path), str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["basketball.mp4", "dance.avi", "hug.mp4"])
def test_healthy_real_files_have_no_problems(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real video {name} is not beside the repository")
    with av.open(str(path)) as container:
        packets = sum(1 for packet in container.demux(video=0) if packet.size)
    video = Video(path)
    assert sum(1 for _ in video) == packets == video.length
    assert video.problems == []


class Camera(http.server.BaseHTTPRequestHandler):
    """A network camera: MPEG-TS without an end; /silent never answers; /file is a file with a length."""

    file = b""

    def do_GET(self):
        if self.path == "/silent":
            time.sleep(3)
            return
        self.send_response(200)
        if self.path == "/file.mp4":
            self.send_header("Content-Length", str(len(self.file)))
            self.end_headers()
            self.wfile.write(self.file)
            return
        self.end_headers()
        try:
            with av.open(self.wfile, "w", format="mpegts") as out:
                stream = out.add_stream("libx264", rate=30, options={"tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt, stream.codec_context.gop_size = 64, 48, "yuv420p", 10
                for image in itertools.cycle(numbered_frames(50)):
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        except (OSError, av.FFmpegError):
            pass

    def log_message(self, *args):
        pass


@pytest.fixture
def camera():
    with serving(Camera) as address:
        yield address


def test_an_endless_stream_is_live(camera):
    video = Video(f"{camera}/live")
    assert (video.kind, video.length, video.info.frame_count, video.info.duration) == ("live", None, None, None)
    assert (video.info.width, video.info.height) == (64, 48)
    frames = iter(video)
    got = list(itertools.islice(frames, 200))
    assert [f.index for f in got] == list(range(200))
    numbers = [number(f.image) for f in got]
    assert all((b - a) % 50 == 1 for a, b in itertools.pairwise(numbers))
    assert np.allclose(np.diff([f.time for f in got]), 1 / 30, atol=1e-4)
    frames.close()
    assert video.problems == []


def test_a_file_over_http_is_a_video(camera, tmp_path):
    Camera.file = make_video(tmp_path / "a.mp4", numbered_frames(20), options={"movflags": "faststart"}).read_bytes()
    video = Video(f"{camera}/file.mp4")
    assert (video.kind, video.length) == ("video", 20)
    assert [number(f.image) for f in video] == list(range(20))


def test_a_server_that_says_nothing(camera, monkeypatch):
    monkeypatch.setattr(containers, "OPEN_TIMEOUT", 0.5)
    start = time.monotonic()
    with pytest.raises(InputError, match="can't be opened: no answer"):
        Video(f"{camera}/silent")
    assert time.monotonic() - start < 2.5


def test_a_server_that_is_not_there():
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/x can't be opened.*check the address"):
        Video("http://127.0.0.1:9/x")


def test_side_data_without_a_name_turns_nothing():
    """As damaged pictures have, which FFmpeg is tried on after Pillow."""

    class Unnamed:
        @property
        def side_data(self):
            raise ValueError("47 is not a valid Type")

    assert _display_matrix(Unnamed()) == (1, 0, 0, 1)
