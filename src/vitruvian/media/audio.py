"""The audio of a source, carried into a video that is being written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..errors import InputError
from .containers import open_container

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import OutputContainer

_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "alac"})
COPIED: Final = {
    "mp4": _MP4,
    "mov": _MP4 - {"opus"},
    "matroska": _MP4 | {"vorbis", "flac", "mp2", "pcm_s16le", "pcm_s24le"},
}
"""Codecs that are kept as they are, by muxer; others become AAC."""

# Later than any sound.
_FOREVER = Fraction(2**62)
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
# These say that the output is at fault, not the audio.
_OUTPUT_ERRNOS = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT, errno.EPIPE, errno.EACCES, errno.EROFS}


class AudioTrack:
    """Moves the audio of one file into an output container, up to a time that the caller sets.

    A fault in the audio ends the audio alone, with a message in ``problems``.
    """

    def __init__(self, path: str, output: OutputContainer, origin: Fraction, problems: list[str]) -> None:
        """
        Args:
            path: media file; one without audio is no error, and gives none.
            output: where to, before its header is written.
            origin: time in the source, in seconds, that becomes 0 in the output.
            problems: gets messages.

        Raises:
            InputError: the file can't be opened, or its audio not be used.
        """
        self.path = path
        self.output = output
        self.origin = origin
        self.problems = problems
        self.source = open_container(path)
        stream = self.source.streams.best("audio")
        self.copied = True
        self.samples = -1
        self.last_dts: int | None = None
        self.packets: Iterator[Packet[AudioStream]] | None = None
        self.waiting: Packet[AudioStream] | None = None
        if stream is None:
            self.source.close()
            return
        try:
            self._connect(stream)  # type: ignore[arg-type]
        except BaseException:
            self.source.close()
            raise

    def _connect(self, stream: AudioStream) -> None:
        if stream.codec_context is None:
            raise InputError("this build of FFmpeg can't decode it")
        # FFmpeg names some decoders after their library or arithmetic: mp3float, libopus.
        codec = stream.codec_context.name.removeprefix("lib").removesuffix("float")
        muxer = self.output.format.name
        self.copied = codec in COPIED.get(muxer, _MP4)
        # Only with an edit list can what comes before 0, as an encoder's run-up, be stored and not played.
        self.edits = muxer != "matroska"
        if self.copied:
            try:
                self._prepare_copying(stream, codec)
            except ValueError:
                # PyAV 14.0 copies only what it has an encoder of the same name for, which mp3float isn't.
                self.copied = False
        if not self.copied:
            self._prepare_transcoding(stream)
        self.stream = stream
        self.packets = iter(self.source.demux(stream))

    def _prepare_copying(self, stream: AudioStream, codec: str) -> None:
        from av.bitstream import BitStreamFilterContext

        self.target = self.output.add_stream_from_template(stream)
        # AAC of MPEG-TS has its headers in the packets; FFmpeg moves them by itself, but not for fragmented mp4.
        in_packets = codec == "aac" and self.edits and not stream.codec_context.extradata
        self.filter = BitStreamFilterContext("aac_adtstoasc", stream) if in_packets else None

    def _prepare_transcoding(self, stream: AudioStream) -> None:
        import av

        context = stream.codec_context
        rate = context.sample_rate if context.sample_rate in _AAC_RATES else 48000
        layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        self.target = self.output.add_stream("aac", rate=rate)
        self.target.codec_context.layout = layout
        self.target.codec_context.time_base = Fraction(1, rate)
        self.resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=1024)

    def advance(self, until: Fraction) -> None:
        """Write all audio before this time of the source, in seconds.

        Raises:
            OSError: the output can't be written (also FFmpeg's own kinds).
        """
        import av

        try:
            while self.packets is not None and (packet := self._next_before(until)) is not None:
                self._write(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) in _OUTPUT_ERRNOS:
                raise
            self._end()
            self.problems.append(f"{self.path}: its audio is damaged and ends early: {error}")

    def _next_before(self, until: Fraction) -> Packet[AudioStream] | None:
        packet = self.waiting
        while packet is None and self.packets is not None:
            packet = next(self.packets, None)
            if packet is None:
                self._drain()
            elif packet.pts is None:
                packet = None
        self.waiting = packet
        if packet is None or packet.pts is None or packet.pts * packet.time_base >= until:
            return None
        self.waiting = None
        return packet

    def _write(self, packet: Packet[AudioStream]) -> None:
        if self.copied:
            self._copy(packet)
        else:
            for frame in self._decoded(packet):
                self._encode(frame)

    def _copy(self, packet: Packet[AudioStream]) -> None:
        assert packet.pts is not None
        base = packet.time_base
        shift = round(self.origin / base)
        packet.pts -= shift
        packet.dts = packet.pts if packet.dts is None else packet.dts - shift
        if packet.pts < (-(packet.duration or 0) if self.edits else 0):
            return
        if self.last_dts is not None and packet.dts <= self.last_dts:
            return
        self.last_dts = packet.dts
        for out in self.filter.filter(packet) if self.filter else [packet]:
            out.stream, out.time_base = self.target, base
            self.output.mux(out)

    def _decoded(self, packet: Packet[AudioStream] | None) -> list[AudioFrame]:
        import av

        try:
            frames = self.stream.codec_context.decode(packet)
        except av.FFmpegError:
            # One bad packet is a gap; the next may be fine.
            return []
        return [out for frame in frames for out in self.resampler.resample(frame)]

    def _encode(self, frame: AudioFrame) -> None:
        rate = self.target.codec_context.sample_rate
        if self.samples < 0:
            start = (frame.pts or 0) * Fraction(frame.time_base or Fraction(1, rate)) - self.origin
            if start < 0:
                return
            self.samples = round(start * rate)
        frame.pts, frame.time_base = self.samples, Fraction(1, rate)
        self.samples += frame.samples
        self.output.mux(self.target.encode(frame))

    def _drain(self) -> None:
        self.packets = None
        if self.copied:
            return
        for frame in [*self._decoded(None), *self.resampler.resample(None)]:
            self._encode(frame)

    def _end(self) -> None:
        self.packets = self.waiting = None

    def finish(self, end: Fraction) -> None:
        """Write the audio that is left before this time of the source, in seconds, and close the source.

        Where the source's own video ends there too, its audio is kept to its end.

        Raises:
            OSError: the output can't be written.
        """
        try:
            self.advance(_FOREVER if self._video_ends_by(end) else end)
            if not self.copied and self.samples >= 0:
                self.output.mux(self.target.encode(None))
        finally:
            self.close()

    def _video_ends_by(self, end: Fraction) -> bool:
        """Whether the source has no frame of video at this time or later."""
        import av

        if self.packets is None:
            return False
        try:
            with open_container(self.path) as container:
                stream = container.streams.best("video")
                if stream is None:
                    return True
                container.seek(int(end * av.time_base))
                # AVI has no times of frames but their order of decoding; see `videos`.
                decode_order = container.format.name == "avi"
                for packet in container.demux(stream):
                    time = packet.dts if decode_order or packet.pts is None else packet.pts
                    if time is not None and time * packet.time_base >= end:
                        return False
        except (av.FFmpegError, InputError, OSError, ValueError):
            return False
        return True

    def close(self) -> None:
        """Release the source."""
        self._end()
        self.source.close()
