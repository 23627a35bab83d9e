"""Writers of pictures and videos."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..errors import InputError, OutputError
from ..io import why_not_written, write_beside
from ..pictures.decoding import Image
from ..runtimes import usable_cores
from .audio import AudioTrack
from .colours import YuvConverter
from .frames import VideoInfo
from .output_file import OutputFile, is_special

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import OutputContainer

_PICTURE_FORMATS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    ".jpg": ("JPEG", {"quality": 92}),
    ".jpeg": ("JPEG", {"quality": 92}),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 92}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}
_VIDEO_FORMATS: Final = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}

PICTURE_SUFFIXES: Final = tuple(_PICTURE_FORMATS)
"""Extensions of the pictures that can be written, lower case, with the dot."""

VIDEO_SUFFIXES: Final = tuple(_VIDEO_FORMATS)
"""Extensions of the videos that can be written, lower case, with the dot."""

# FFmpeg 8.1. The hybrid files of 7.1 to 8.0 have wrong sample offsets and no edit lists once finished; there, a
# finished file stays fragmented, which plays everywhere but doesn't tell its frame count.
_HYBRID_SINCE = (62, 12)
# Without delay_moov, a fragmented file has no edit lists: B-frames delay the video, and its audio loses its place.
_HYBRID = "hybrid_fragmented+frag_keyframe+delay_moov"
_FRAGMENTED = "frag_keyframe+delay_moov+default_base_moof"


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write a picture in the format of its extension: jpg, png, webp, bmp, tif. Parent folders are made.

    The file appears complete or not at all: until then, what was there before stays.

    Args:
        path: where to.
        image: RGB uint8 (H, W, 3).

    Raises:
        InputError: another extension.
        OutputError: it can't be written (no permission, disk full, too large for the format).
    """
    from PIL import Image as PIL

    target = os.path.realpath(path)
    suffix = Path(target).suffix.lower()
    if suffix not in _PICTURE_FORMATS and not is_special(target):
        raise InputError(
            f"{os.fspath(path)}: pictures are written as {', '.join(PICTURE_SUFFIXES)}; change the extension"
        )
    form, options = _PICTURE_FORMATS.get(suffix, _PICTURE_FORMATS[".png"])

    def save(stream: BinaryIO) -> None:
        PIL.fromarray(image).save(stream, format=form, **options)

    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if is_special(target):
            with open(target, "wb") as stream:
                save(stream)
        else:
            write_beside(target, save)
    except (OSError, ValueError) as error:
        raise OutputError(why_not_written(os.fspath(path), error)) from error


class VideoWriter:
    """Write frames as an H.264 video (yuv420p, BT.709) into .mp4, .mov or .mkv, with the audio of another file.

    The source's times are kept, shifted so that the first frame is at 0: a variable frame rate stays one. Matroska
    keeps milliseconds. Files are playable up to the last second or so even if the program is killed while writing.

    Attributes:
        problems: what went wrong without stopping the video, as audio that couldn't be kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        info: VideoInfo,
        audio_from: str | os.PathLike[str] | None = None,
    ) -> None:
        """
        Args:
            path: where to; parent folders are made. No file appears before the first frame.
            info: ``fps`` and ``time_base`` are used; the size is that of the first frame.
            audio_from: media file whose audio is kept, as far as the video goes, or to its end where the file's own
                video ends by then; its clock is that of ``pts``.

        Raises:
            InputError: another extension.
            OutputError: the folder can't be made.
        """
        self.name = os.fspath(path)
        self.problems: list[str] = []
        self._muxer = _VIDEO_FORMATS.get(Path(path).suffix.lower())
        if self._muxer is None:
            raise InputError(f"{self.name}: videos are written as {', '.join(VIDEO_SUFFIXES)}; change the extension")
        self._path = os.path.realpath(path)
        self._info = info
        self._audio_from = None if audio_from is None else os.fspath(audio_from)
        base = info.time_base
        # Finer clocks overflow the 32 bits that mp4 has for a frame's duration.
        self._time_base = base if 0 < base <= 1 and base.denominator <= 1_000_000 else Fraction(1, 90_000)
        self._step = max(1, round(1 / (info.fps * self._time_base)))
        self._file: OutputFile | None = None
        self._container: OutputContainer | None = None
        self._audio: AudioTrack | None = None
        self._first = 0
        self._last: int | None = None
        self._closed = False
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
        except OSError as error:
            raise OutputError(why_not_written(self.name, error)) from error

    def write(self, image: Image, pts: int | None = None) -> None:
        """Add a frame.

        Args:
            image: RGB uint8 (H, W, 3). Odd sizes are padded to even ones; a size other than the first is scaled.
            pts: its time in units of ``info.time_base``. None, or one that isn't after the last: one frame later.

        Raises:
            InputError: after `close`.
            OutputError: it can't be written.
        """
        if self._closed:
            raise InputError(f"{self.name}: write after close; make a new writer")
        with self._output_errors():
            time = self._next_time(pts)
            if self._container is None:
                self._start(image)
            assert self._container is not None
            if self._audio is not None:
                self._audio.advance(time * self._time_base)
            frame = self._convert(image)
            frame.pts, frame.time_base = time - self._first, self._time_base
            self._container.mux(self._stream.encode(frame))

    def _next_time(self, pts: int | None) -> int:
        time = None if pts is None else round(pts * self._info.time_base / self._time_base)
        if self._last is None:
            time = self._first = time or 0
        elif time is None:
            time = self._last + self._step
        elif time <= self._last:
            time = self._last + 1
        self._last = time
        return time

    def _start(self, image: Image) -> None:
        import av

        if self._audio_from is not None:
            try:
                self._open(image, self._audio_from)
                return
            except (av.FFmpegError, ValueError, InputError) as error:
                self._abandon()
                if isinstance(error, OSError):
                    raise
                self.problems.append(f"{self.name} is without the audio of {self._audio_from}: {error}")
        self._open(image, None)

    def _open(self, image: Image, audio_from: str | None) -> None:
        import av

        height, width = image.shape[:2]
        width, height = width + width % 2, height + height % 2
        self._convert = YuvConverter(width, height)
        hybrid = av.library_versions["libavformat"] >= _HYBRID_SINCE
        # Without flushing, the last second may sit in a buffer when the program is killed.
        options = {"flush_packets": "1"}
        if self._muxer != "matroska":
            options["movflags"] = _HYBRID if hybrid else _FRAGMENTED
        self._file = OutputFile(self._path)
        self._container = av.open(self._file, "w", format=self._muxer, container_options=options)
        self._stream = self._add_stream(self._container, width, height)
        if audio_from is not None:
            origin = self._first * self._time_base
            self._audio = AudioTrack(audio_from, self._container, origin, self.problems)
        self._container.start_encoding()

    def _add_stream(self, container: OutputContainer, width: int, height: int) -> VideoStream:
        stream = container.add_stream("libx264", rate=self._info.fps, options={"preset": "veryfast", "crf": "23"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = self._time_base
        # A fragment is written at every key frame, so this is also how much a killed program loses.
        context.gop_size = min(250, max(12, round(self._info.fps)))
        # x264 would take 1.5 per core, and hold as many frames.
        context.thread_count = min(8, usable_cores())
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        return stream

    @contextlib.contextmanager
    def _output_errors(self) -> Iterator[None]:
        import av

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            self._closed = True
            self._abandon()
            with contextlib.suppress(OSError):
                # Nothing fitted onto the disk.
                if not is_special(self._path) and os.path.getsize(self._path) == 0:
                    os.unlink(self._path)
            raise OutputError(why_not_written(self.name, error)) from error

    def _abandon(self) -> None:
        import av

        audio, self._audio = self._audio, None
        container, self._container = self._container, None
        if audio is not None:
            audio.close()
        if container is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                container.close()
        if self._file is not None:
            self._file.close()

    def close(self) -> None:
        """Write what is still in the encoder and finish the file; a second close does nothing.

        Raises:
            OutputError: it can't be written.
        """
        if self._closed:
            return
        self._closed = True
        if self._container is None or self._last is None:
            return
        with self._output_errors():
            if self._audio is not None:
                self._audio.finish((self._last + self._step) * self._time_base)
                self._audio = None
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = None
            assert self._file is not None
            self._file.finish()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # The body's own error is the one to tell.
        with contextlib.suppress(OutputError):
            self.close()
