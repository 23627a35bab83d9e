"""Video files and network streams, read with PyAV (FFmpeg)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import InputError
from ..pictures.decoding import MAX_SIDE, Image, max_pixels
from ..pictures.fetching import is_url
from .colours import RgbConverter
from .containers import READ_TIMEOUT, open_container
from .frames import Frame, Kind, VideoInfo

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream

# Servers send these at the pace of the camera; over TCP and HTTP a recording may come as fast as it can be read.
_PACED = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt")
_ALWAYS_LIVE = (*_PACED, "tcp")
_ATTACHED_PICTURE = 0x0400
# Demuxers that make "video" out of any text.
_NO_VIDEO_FORMATS = ("tty", "ansi", "bin", "xbin", "adf", "idf")
# The mov family has an index with every frame; the counts in other headers are estimates.
_EXACT_FORMATS = ("mov",)


# Other shapes of pixels are mistakes of the header.
_PIXEL_ASPECTS = Fraction(1, 8), Fraction(8)
# Decoders keep some frames, of one and a half bytes a pixel or more.
_FRAMES_KEPT = 4


class Video:
    """A video file or a network stream, upright, of square pixels and in RGB.

    Opening it reads the first frame. Kind "live" has no end known beforehand: rtsp, rtmp, udp, ..., and http streams
    without a duration. ``Frame.pts`` always increases: missing and repeated ones are derived from the frame rate.
    Frames that can't be decoded are skipped; what was wrong is in ``problems`` after the last.

    Attributes:
        name: the path as given, or the URL.
        info: size, rate, length.
        skip: says by index and time in seconds which frames aren't wanted; they are decoded, but not converted to RGB.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        """
        Raises:
            InputError: missing, not a video, without video frames, damaged beyond reading, or no answer in time.
        """
        self.name = os.fspath(source)
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.skip: Callable[[int, float], bool] | None = None
        # Kept for the first iteration: a live stream can't be opened twice without losing what came first.
        self._reader: _Reader | None = _Reader(self.name)
        self.kind: Kind = self._reader.kind
        self.paced = is_url(self.name) and self.name.split("://", 1)[0].lower() in _PACED
        self.info: VideoInfo = self._reader.info
        self.length: int | None = self.info.frame_count

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            InputError: the source can't be opened any more.
        """
        self.problems.clear()
        reader, self._reader = self._reader or _Reader(self.name), None
        reader.skip = self.skip
        try:
            for index, (image, pts) in enumerate(reader.frames()):
                if image is not None:
                    yield Frame(image, self.name, index, reader.seconds(pts), pts)
            self.problems += reader.verdict()
        finally:
            reader.close()

    def close(self) -> None:
        """Release the source of a video that will not be iterated; iterating opens it again."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class _Reader:
    """One pass over one opened container."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.network = is_url(name)
        self.damaged = 0
        self.packets = 0
        self.delivered = 0
        self.last_pts: int | None = None
        self.first_dts: int | None = None
        self.failure: str | None = None
        self.skip: Callable[[int, float], bool] | None = None
        self.container = open_container(name)
        try:
            self.stream = self._video_stream()
            self.time_base = self.stream.time_base or Fraction(1, 90_000)
            self.fps = _rate(self.stream)
            # AVI stores the order of decoding; what FFmpeg makes of it for B-frames is out of order.
            self.decode_order = self.container.format.name == "avi"
            self.kind: Kind = "live" if self._is_live() else "video"
            self.convert = RgbConverter(_pixel_aspect(self.stream))
            self.turn = _Turn()
            self._decoded = self._decode()
            self._first = next(self._decoded, None)
            if self._first is None or self._first[0] is None:
                reason = self.failure or "nothing in it can be decoded"
                raise InputError(f"{name} has no readable frame: {reason}; fetch or export it again")
            self.origin = self.stream.start_time if self.stream.start_time is not None else self._first[1]
            self.info = self._info(self._first[0])
        except BaseException:
            self.container.close()
            raise

    def _video_stream(self) -> VideoStream:
        stream = cast("VideoStream | None", self.container.streams.best("video"))
        disposition = getattr(stream, "disposition", 0)
        cover = int(getattr(disposition, "value", disposition)) & _ATTACHED_PICTURE
        if stream is None or cover or self.container.format.name in _NO_VIDEO_FORMATS:
            raise InputError(f"{self.name} has no video in it; give a video or a picture")
        if stream.codec_context is None:
            raise InputError(f"{self.name}: this build of FFmpeg has no decoder for its video; convert it to H.264")
        width, height, limit = stream.codec_context.width, stream.codec_context.height, max_pixels() // _FRAMES_KEPT
        if width * height > limit or max(width, height) > MAX_SIDE:
            raise InputError(
                f"{self.name} is {width}x{height}; the limit is {limit:,} pixels, and {MAX_SIDE:,} a side: "
                "scale it down first"
            )
        # The size may change within the stream.
        stream.codec_context.options = {"max_pixels": str(limit)}
        stream.thread_type = "AUTO"
        return stream

    def _is_live(self) -> bool:
        scheme = self.name.split("://", 1)[0].lower()
        return self.network and (scheme in _ALWAYS_LIVE or self.container.duration is None)

    def _info(self, image: Image) -> VideoInfo:
        duration = None if self.kind == "live" else self._duration()
        count = None
        if self.kind == "video":
            count = self.stream.frames or (round(duration * self.fps) if duration else None)
        height, width = image.shape[:2]
        audio = len(self.container.streams.audio) > 0
        return VideoInfo(width, height, self.fps, self.time_base, count, duration, audio)

    def _duration(self) -> float | None:
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        tagged = _clock(self.stream.metadata.get("DURATION", ""))
        if tagged is not None:
            return tagged
        return self.container.duration / 1_000_000 if self.container.duration else None

    def seconds(self, pts: int) -> float:
        return float((pts - self.origin) * self.time_base)

    def frames(self) -> Generator[tuple[Image | None, int], None, None]:
        first, self._first = self._first, None
        if first is not None:
            yield first
            del first
        yield from self._decoded

    def _decode(self) -> Generator[tuple[Image | None, int], None, None]:
        for frame in self._raw_frames():
            pts = self.last_pts = self._time_of(frame)
            self.damaged += bool(frame.is_corrupt)
            skipped = self.skip is not None and self.skip(self.delivered, self.seconds(pts))
            image = None if skipped else self.turn(self.convert(frame), frame)
            self.delivered += 1
            yield image, pts
            del image

    def _time_of(self, frame: VideoFrame) -> int:
        pts = frame.pts
        if self.decode_order and (self.first_dts is not None or frame.dts is not None):
            if self.first_dts is None:
                self.first_dts = frame.dts
            pts = None if frame.dts is None else frame.dts - (self.first_dts or 0) + (self.stream.start_time or 0)
        if self.last_pts is None:
            return pts if pts is not None else self.stream.start_time or 0
        if pts is None or pts <= self.last_pts:
            return self.last_pts + max(1, round(1 / (self.fps * self.time_base)))
        return pts

    def _raw_frames(self) -> Iterator[VideoFrame]:
        import av

        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self.failure = self._why_ended(error)
                return
            if packet is None:
                return
            yield from self._frames_of(packet)

    def _frames_of(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        import av

        flush = packet.dts is None and packet.size == 0
        if packet.is_corrupt and self.kind == "video":
            # The half packet at the end of a cut-off file: decoding it would cost the frames still in the decoder.
            self.damaged += 1
            return []
        self.packets += not flush
        try:
            return packet.decode()
        except av.FFmpegError:
            # A packet that can't be decoded costs its frame; the decoder finds back by itself.
            self.damaged += 1
            return []

    def _why_ended(self, error: Exception) -> str:
        import av

        if isinstance(error, av.error.ExitError):
            return f"no data for {READ_TIMEOUT:.0f} seconds"
        return getattr(error, "strerror", None) or str(error)

    def verdict(self) -> list[str]:
        """What was wrong with the pass that has just ended."""
        problems = []
        if self.damaged:
            problems.append(
                f"{self.name}: {self.damaged} damaged packets or frames; their pictures are missing or distorted"
            )
        if self.failure:
            problems.append(f"{self.name} ended early after {self.delivered} frames: {self.failure}")
        elif self.kind == "video" and (expected := self._cut_off()):
            problems.append(
                f"{self.name} is damaged or cut off: {self.delivered} frames read of about {expected};"
                " fetch or export it again"
            )
        return problems

    def _cut_off(self) -> int | None:
        """How many frames there should have been, if clearly more than there were."""
        exact = any(name in _EXACT_FORMATS for name in self.container.format.name.split(","))
        promised = self.stream.frames
        # Packets are compared, not frames: an edit list may hide frames of a healthy file.
        if promised and self.packets < promised - (0 if exact else max(3, promised // 50)):
            return promised
        duration = self._duration()
        # A container's duration says nothing about the video when longer audio may have set it.
        own = self.stream.duration or "DURATION" in self.stream.metadata or not self.container.streams.audio
        if promised or duration is None or not own or self.last_pts is None:
            return None
        missing = duration - self.seconds(self.last_pts) - float(1 / self.fps)
        return round(duration * self.fps) if missing > max(1.0, 0.02 * duration) else None

    def close(self) -> None:
        self._decoded.close()
        self.container.close()


def _rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate:
            return Fraction(rate)
    return Fraction(25)


def _clock(text: str) -> float | None:
    parts = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    return int(parts[1]) * 3600 + int(parts[2]) * 60 + float(parts[3]) if parts else None


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel over its height; 1 where the stream doesn't say, or can't mean it."""
    aspect = stream.sample_aspect_ratio
    low, high = _PIXEL_ASPECTS
    width, height = stream.codec_context.width, stream.codec_context.height
    if not aspect or not low <= aspect <= high or width * aspect > MAX_SIDE or width * height * aspect > max_pixels():
        return Fraction(1)
    return aspect


class _Turn:
    """Makes frames upright, as their display matrix (ISO 14496-12, 6.2.2) says: turned by right angles, mirrored."""

    def __init__(self) -> None:
        self._matrices: dict[float, tuple[int, int, int, int]] = {}

    def __call__(self, image: Image, frame: VideoFrame) -> Image:
        angle = frame.rotation
        if angle not in self._matrices:
            # Once an angle, since reading side data leaves a reference cycle, and frames would pile up with it.
            self._matrices[angle] = _display_matrix(frame)
        a, b, c, d = self._matrices[angle]
        if abs(a) + abs(d) < abs(b) + abs(c):
            image, a, d = image.transpose(1, 0, 2), c, b
        return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """(a, b, c, d): a pixel (x, y) is shown at (a x + c y, b x + d y), in units of 1/65536, and moved into view."""
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # side data that PyAV has no name for
        return 1, 0, 0, 1
    if data is None or data.buffer_size < 36:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    return a, b, c, d
