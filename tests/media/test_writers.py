"""Writing pictures and videos: content, times, sound, and what a full or forbidden disk leaves behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made import RATE, boxes_of, codecs_of, frame_times, make_video, number, numbered_frames, pitch, sound_of, tone
from PIL import Image as PIL

from vitruvian.errors import InputError, OutputError
from vitruvian.media import Video, VideoInfo, VideoWriter, write_image

INFO = VideoInfo(64, 48, Fraction(30), Fraction(1, 30))
NOISE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


@pytest.mark.parametrize(("suffix", "form"), [(".png", "PNG"), (".bmp", "BMP"), (".tif", "TIFF"), (".TIFF", "TIFF")])
def test_lossless_pictures_come_back_equal(tmp_path, suffix, form):
    path = tmp_path / "new" / "folder" / f"a{suffix}"
    write_image(path, NOISE)
    with PIL.open(path) as image:
        assert image.format == form
        assert np.array_equal(np.asarray(image), NOISE)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "form"), [(".jpg", "JPEG"), (".jpeg", "JPEG"), (".webp", "WEBP")])
def test_lossy_pictures_come_back_close(tmp_path, suffix, form):
    smooth = np.stack([np.tile(np.arange(0, 240, 3, np.uint8), (60, 1))] * 3, axis=2)
    write_image(tmp_path / f"a{suffix}", smooth)
    with PIL.open(tmp_path / f"a{suffix}") as image:
        assert image.format == form
        assert np.abs(np.asarray(image).astype(int) - smooth).mean() < 2


def test_pictures_are_as_readable_as_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    write_image(tmp_path / "a.png", NOISE)
    assert stat.S_IMODE(os.stat(tmp_path / "a.png").st_mode) == stat.S_IMODE(os.stat(tmp_path / "other").st_mode)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.png").write_text("old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    write_image(tmp_path / "link.png", NOISE)
    assert (tmp_path / "link.png").is_symlink()
    with PIL.open(tmp_path / "real.png") as image:
        assert image.size == (80, 60)


def test_unknown_extensions(tmp_path):
    with pytest.raises(InputError, match=r"a\.xyz: pictures are written as \.jpg"):
        write_image(tmp_path / "a.xyz", NOISE)
    with pytest.raises(InputError, match=r"a\.avi: videos are written as \.mp4"):
        VideoWriter(tmp_path / "a.avi", INFO)
    assert list(tmp_path.iterdir()) == []


def test_a_full_device_is_an_output_error():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="/dev/full can't be written: No space left"):
        write_image("/dev/full", NOISE)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_path_below_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"a\.png can't be written"):
        write_image(tmp_path / "file" / "a.png", NOISE)
    with pytest.raises(OutputError, match=r"a\.mp4 can't be written"):
        VideoWriter(tmp_path / "file" / "a.mp4", INFO)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match=r"folder\.mp4 can't be written"):
        VideoWriter(tmp_path / "folder.mp4", INFO).write(NOISE)


def run_limited(code: str, limit: int, *args: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process whose files can't grow beyond `limit` bytes."""
    resource = pytest.importorskip("resource", reason="this system can't limit the size of files")
    assert resource.RLIMIT_FSIZE is not None
    head = f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_full_disk_leaves_the_old_picture_and_nothing_else(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("old")
    code = """
        import numpy as np
        from vitruvian.media import write_image
        write_image(sys.argv[1], np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    """
    done = run_limited(code, 10_000, path)
    assert f"OutputError: {path} can't be written: File too large" in done.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "frames"), [("mp4", 300), ("mkv", 300), ("mp4", 3)])
def test_a_full_disk_ends_a_video_with_an_output_error(tmp_path, suffix, frames):
    path = tmp_path / f"a.{suffix}"
    code = """
        import numpy as np
        from fractions import Fraction
        from vitruvian.media import VideoWriter, VideoInfo
        rng = np.random.default_rng(0)
        with VideoWriter(sys.argv[1], VideoInfo(160, 120, Fraction(30), Fraction(1, 30))) as writer:
            for i in range(int(sys.argv[2])):
                writer.write(rng.integers(0, 255, (120, 160, 3), np.uint8), i)
    """
    done = run_limited(code, 20_000, path, frames)
    assert done.returncode == 1
    assert f"OutputError: {path} can't be written: File too large" in done.stderr


def test_video_frames_and_times_come_back(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    with VideoWriter(path, INFO) as writer:
        for i, image in enumerate(numbered_frames(60)):
            writer.write(image, i)
        assert writer.problems == []
    assert [number(f.image) for f in Video(path)] == list(range(60))
    assert frame_times(path) == pytest.approx([i / 30 for i in range(60)])


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_a_variable_frame_rate_stays_one(tmp_path, suffix):
    pts = [0, 40, 50, 400, 401, 1000, 3000]
    path = tmp_path / f"a.{suffix}"
    with VideoWriter(path, VideoInfo(64, 48, Fraction(10), Fraction(1, 1000))) as writer:
        for image, at in zip(numbered_frames(7), pts, strict=True):
            writer.write(image, at)
    assert frame_times(path) == pytest.approx([p / 1000 for p in pts], abs=1e-6)


def test_video_starts_at_zero(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        for i in range(10):
            writer.write(NOISE, 95_443 * 30 + i)
    assert frame_times(tmp_path / "a.mp4") == pytest.approx([i / 30 for i in range(10)])


def test_missing_and_backward_times_are_repaired(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(64, 48, Fraction(25), Fraction(1, 1000))) as writer:
        for pts in (0, 40, None, 80, 30, 200, None):
            writer.write(NOISE, pts)
    # One frame of 25 fps is 40 ms; what isn't later comes one unit later.
    expected = [0, 40, 80, 81, 82, 200, 240]
    assert frame_times(tmp_path / "a.mp4") == pytest.approx([e / 1000 for e in expected])


@pytest.mark.parametrize("base", [Fraction(1, 10**9), Fraction(1, 2**33)])
def test_clocks_finer_than_mp4_can_tell(tmp_path, base):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(64, 48, Fraction(1), base)) as writer:
        for i in range(3):
            writer.write(NOISE, round(i * 10 / base))
    assert frame_times(tmp_path / "a.mp4") == pytest.approx([0, 10, 20], abs=1e-4)


def test_odd_sizes_are_padded_with_the_edge(tmp_path):
    image = np.zeros((47, 63, 3), np.uint8)
    image[:, 40:], image[30:] = (0, 255, 0), (255, 255, 255)
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        writer.write(image, 0)
    (frame,) = Video(tmp_path / "a.mp4")
    assert frame.image.shape == (48, 64, 3)
    assert np.abs(frame.image[5, 63].astype(int) - (0, 255, 0)).max() < 40
    assert frame.image[47].min() > 215


def test_another_size_is_scaled(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        for size in (48, 96):
            writer.write(numbered_frames(20, size, size)[19], None)
    assert [(f.image.shape, number(f.image)) for f in Video(tmp_path / "a.mp4")] == [((48, 48, 3), 19)] * 2


def test_colours_are_bt709_and_say_so(tmp_path):
    rgb = np.full((48, 64, 3), (200, 30, 60), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        writer.write(rgb, 0)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.format.name, frame.colorspace, frame.color_range) == ("yuv420p", 1, 1)
        # H.273 with Kr 0.2126, Kb 0.0722: 16 + 219 * 0.2679, 128 + 224 * -0.0176, 128 + 224 * 0.3283.
        for plane, value in zip(frame.planes, (74.7, 124.1, 201.5), strict=True):
            assert bytes(plane)[5] == pytest.approx(value, abs=2)
    (frame,) = Video(tmp_path / "a.mp4")
    assert np.abs(frame.image.astype(int) - rgb).max() <= 4


def test_no_frames_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", INFO):
        pass
    assert list(tmp_path.iterdir()) == []


def test_close_twice_and_write_after(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", INFO)
    writer.write(NOISE, 0)
    writer.close()
    size = (tmp_path / "a.mp4").stat().st_size
    writer.close()
    assert (tmp_path / "a.mp4").stat().st_size == size
    with pytest.raises(InputError, match="write after close"):
        writer.write(NOISE, 1)


def test_an_exception_in_between_still_gives_a_video(tmp_path):
    def body():
        with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
            for i in range(5):
                writer.write(NOISE, i)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        body()
    assert len(frame_times(tmp_path / "a.mp4")) == 5


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_killed_while_writing(tmp_path, suffix):
    source = make_video(tmp_path / "source.mp4", numbered_frames(100), audio="aac")
    path = tmp_path / f"a.{suffix}"
    code = """
        import os, signal, sys
        from vitruvian.media import Video, VideoWriter
        video = Video(sys.argv[1])
        writer = VideoWriter(sys.argv[2], video.info, sys.argv[1])
        for frame in video:
            writer.write(frame.image, frame.pts)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(source), str(path)]
    assert subprocess.run(command, timeout=60).returncode == -9
    frames = list(Video(path))
    assert 25 <= len(frames) < 100
    assert [number(f.image) for f in frames] == list(range(len(frames)))
    assert [f.time for f in frames] == pytest.approx([i / 30 for i in range(len(frames))], abs=1e-3)
    sound, start = sound_of(path)
    assert pitch(sound) == pytest.approx(440, abs=5)
    assert start == pytest.approx(0, abs=0.03)


def test_a_closed_mp4_is_an_ordinary_one(tmp_path):
    if av.library_versions["libavformat"] < (62, 12):
        pytest.skip("FFmpeg before 8.1 leaves a finished file fragmented")
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        for i, image in enumerate(numbered_frames(90)):
            writer.write(image, i)
    names = [name for name, *_ in boxes_of((tmp_path / "a.mp4").read_bytes())]
    assert "moof" not in names
    assert "moov" in names
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 90


def copy_with_sound(source: Path, target: Path, frames: int | None = None) -> VideoWriter:
    video = Video(source)
    with VideoWriter(target, video.info, source) as writer:
        for frame in video:
            if frames is None or frame.index < frames:
                writer.write(frame.image, frame.pts)
    return writer


@pytest.mark.parametrize(
    ("source", "codec", "target", "kept"),
    [
        ("a.mp4", "aac", "b.mp4", "aac"),
        ("a.mp4", "aac", "b.mov", "aac"),
        ("a.mp4", "aac", "b.mkv", "aac"),
        ("a.ts", "aac", "b.mp4", "aac"),
        ("a.mkv", "libmp3lame", "b.mp4", "mp3"),
        ("a.mkv", "ac3", "b.mp4", "ac3"),
        ("a.mkv", "pcm_s16le", "b.mkv", "pcm_s16le"),
        ("a.avi", "pcm_s16le", "b.mp4", "aac"),
        ("a.mkv", "pcm_s16le", "b.mp4", "aac"),
        ("a.mkv", "pcm_s16le", "b.mov", "aac"),
    ],
)
def test_sound_is_kept(tmp_path, source, codec, target, kept):
    if kept == "mp3" and av.__version__.startswith("14."):
        pytest.skip("PyAV 14 can't copy MP3, which becomes AAC there")
    made = make_video(tmp_path / source, numbered_frames(90), audio=codec)
    writer = copy_with_sound(made, tmp_path / target)
    assert writer.problems == []
    assert codecs_of(tmp_path / target) == ["h264", kept]
    sound, start = sound_of(tmp_path / target)
    assert len(sound) / RATE == pytest.approx(3, abs=0.06)
    assert start == pytest.approx(0, abs=0.05)
    assert pitch(sound) == pytest.approx(440, abs=1)
    assert 0.25 < np.sqrt(np.mean(sound[4800:-4800] ** 2)) < 0.45
    times = frame_times(tmp_path / target)
    assert times == pytest.approx([times[0] + i / 30 for i in range(90)], abs=0.0021)
    assert times[0] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "avi"])
def test_sound_ends_where_the_copy_is_stopped_and_not_before_it_ends_itself(tmp_path, codec, suffix):
    if (codec, suffix) == ("pcm_s16le", "mp4"):
        pytest.skip("FFmpeg has no PCM in mp4")
    made = make_video(tmp_path / f"a.{suffix}", numbered_frames(30), audio=codec, sound=tone(440, 10))
    writer = copy_with_sound(made, tmp_path / "b.mp4")
    assert writer.problems == []
    assert len(sound_of(tmp_path / "b.mp4")[0]) / RATE == pytest.approx(10, abs=0.06)
    assert len(frame_times(tmp_path / "b.mp4")) == 30
    copy_with_sound(made, tmp_path / "c.mp4", frames=15)
    assert len(sound_of(tmp_path / "c.mp4")[0]) / RATE == pytest.approx(0.5, abs=0.06)


def change_at(sound: np.ndarray, start: float) -> float:
    """When, in seconds of the video, silence becomes tone."""
    return start + int(np.argmax(np.abs(sound) > 0.2)) / RATE


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(("first_pts", "audio_start"), [(0, 0.0), (0, 0.5), (15, 0.0), (15, 0.25)])
def test_sound_stays_in_step_when_streams_start_apart(tmp_path, codec, first_pts, audio_start):
    sound = np.concatenate([np.zeros(RATE, np.float32), tone(440, 2)])
    pts = [first_pts + i for i in range(90)]
    made = make_video(tmp_path / "a.mkv", numbered_frames(90), pts, audio=codec, audio_start=audio_start, sound=sound)
    assert copy_with_sound(made, tmp_path / "b.mp4").problems == []
    # The tone starts one second into the sound; the video's first frame becomes 0.
    assert change_at(*sound_of(tmp_path / "b.mp4")) == pytest.approx(1 + audio_start - first_pts / 30, abs=0.03)
    assert frame_times(tmp_path / "b.mp4")[0] == 0


def test_a_source_without_sound(tmp_path):
    made = make_video(tmp_path / "a.mp4", numbered_frames(10))
    assert copy_with_sound(made, tmp_path / "b.mp4").problems == []
    assert codecs_of(tmp_path / "b.mp4") == ["h264"]


def test_sound_that_cannot_be_opened_costs_only_the_sound(tmp_path):
    (tmp_path / "no.mp4").write_text("no sound here")
    with VideoWriter(tmp_path / "b.mp4", INFO, tmp_path / "no.mp4") as writer:
        for i in range(5):
            writer.write(NOISE, i)
    assert len(frame_times(tmp_path / "b.mp4")) == 5
    assert len(writer.problems) == 1
    assert "no.mp4" in writer.problems[0]


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_damaged_sound_costs_only_the_sound(tmp_path, codec):
    made = make_video(tmp_path / "a.mkv", numbered_frames(90), audio=codec)
    data = bytearray(made.read_bytes())
    data[len(data) // 2 :] = np.random.default_rng(0).bytes(len(data) - len(data) // 2)
    (tmp_path / "damaged.mkv").write_bytes(data)
    with VideoWriter(tmp_path / "b.mp4", INFO, tmp_path / "damaged.mkv") as writer:
        for i, image in enumerate(numbered_frames(90)):
            writer.write(image, i)
    assert [number(f.image) for f in Video(tmp_path / "b.mp4")] == list(range(90))
    sound, _ = sound_of(tmp_path / "b.mp4")
    assert pitch(sound[: RATE // 2]) == pytest.approx(440, abs=5)
