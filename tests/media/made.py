"""Videos made on the spot with PyAV, whose every frame, time and sample is known."""

from __future__ import annotations

import contextlib
import http.server
import struct
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 48_000


def numbered_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frame i shows i (below 256) as eight black or white stripes, the lowest bit at the left."""
    stripes = np.arange(width) * 8 // width
    rows = [((i >> stripes) & 1).astype(np.uint8) * 255 for i in range(count)]
    return [np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3))) for row in rows]


def number(image: np.ndarray) -> int:
    """What `numbered_frames` wrote into a picture."""
    stripes = np.array_split(image.mean(axis=(0, 2)), 8)
    return sum((float(stripe.mean()) > 128) << bit for bit, stripe in enumerate(stripes))


@contextlib.contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # The server's threads must not hold up the end of the test.
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make_video(
    path: Path,
    images: Sequence[np.ndarray],
    pts: Sequence[int] | None = None,
    *,
    time_base: Fraction = Fraction(1, 30),
    fps: int = 30,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = None,
    audio_start: float = 0.0,
    sound: np.ndarray | None = None,
    options: dict[str, str] | None = None,
    gop: int = 12,
    format: str | None = None,
) -> Path:
    """Write a video; with `audio` (a codec), mono `sound` (a 440 Hz tone by default) that begins at `audio_start`."""
    with av.open(str(path), "w", format=format, container_options=options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        track = _add_audio(out, audio) if audio else None
        sound = tone(440, len(images) / fps) if sound is None else sound
        done = 0
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = (pts[i] if pts else i), time_base
            out.mux(stream.encode(frame))
            while track and done < min(len(sound), RATE * (i + 1) // fps):
                done = _put_audio(out, track, sound, done, audio_start)
        while track and done < len(sound):
            done = _put_audio(out, track, sound, done, audio_start)
        out.mux(stream.encode(None))
        if track:
            out.mux(track.encode(None))
    return path


def make_heic(path: Path, image: np.ndarray, tiles: tuple[int, int] = (1, 1), turns: int = 0) -> Path:
    """Write a HEIC picture (ISO 23008-12) by hand, with x265 of PyAV's FFmpeg, as phones do.

    Args:
        path: the file.
        image: RGB uint8 (H, W, 3).
        tiles: rows and columns of equal parts, each coded by itself; several are put together by a grid.
        turns: right angles, anticlockwise, by which the picture is to be turned to be upright.
    """
    parts = [part for row in np.split(image, tiles[0]) for part in np.split(row, tiles[1], axis=1)]
    coded = [_hevc(part) for part in parts]
    size = struct.pack(">4xII", *parts[0].shape[1::-1])
    whole = struct.pack(">4xII", *image.shape[1::-1])
    turn = box("irot", bytes([turns]))
    properties = box("hvcC", coded[0][0]), box("ispe", size), box("ispe", whole), turn
    items = {number: ("hvc1", data, (0x81, 2)) for number, (_, data) in enumerate(coded, 1)}
    grid = struct.pack(">BBBBHH", 0, 0, tiles[0] - 1, tiles[1] - 1, *image.shape[1::-1])
    several = len(parts) > 1
    primary = len(items) + several
    if several:
        items[primary] = ("grid", grid, (3, 0x84))
    else:
        items[1] = ("hvc1", items[1][1], (0x81, 2, 0x84))
    infos = [box("infe", struct.pack(">IHH4sx", 2 << 24, n, 0, kind.encode())) for n, (kind, *_) in items.items()]
    links = [struct.pack(">HB", n, len(used)) + bytes(used) for n, (*_, used) in items.items()]
    dimg = box("dimg", struct.pack(f">HH{len(parts)}H", primary, len(parts), *range(1, len(parts) + 1)))

    def meta(offset: int) -> bytes:
        places = []
        for n, (_, data, _) in items.items():
            places.append(struct.pack(">HHHII", n, 0, 1, offset, len(data)))
            offset += len(data)
        return box(
            "meta",
            bytes(4),
            box("hdlr", struct.pack(">8x4s13x", b"pict")),
            box("pitm", struct.pack(">4xH", primary)),
            box("iloc", struct.pack(">4xBBH", 0x44, 0, len(items)), *places),
            box("iinf", struct.pack(">4xH", len(items)), *infos),
            box("iref", bytes(4), dimg) if several else b"",
            box("iprp", box("ipco", *properties), box("ipma", struct.pack(">4xI", len(items)), *links)),
        )

    head = box("ftyp", b"heic", bytes(4), b"mif1heic")
    place = len(head) + len(meta(0)) + 8
    path.write_bytes(head + meta(place) + box("mdat", *(data for _, data, _ in items.values())))
    return path


def box(name: str, *content: bytes) -> bytes:
    """A box of ISO 14496-12."""
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, name.encode()) + data


def _hevc(image: np.ndarray) -> tuple[bytes, bytes]:
    """A picture's decoder configuration (hvcC, ISO 14496-15, 8.3.3) and its data."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *image.shape[:2], "yuv420p"
    encoder.time_base = Fraction(1)
    encoder.options = {"crf": "10", "x265-params": "log-level=none:pools=none:frame-threads=1"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    stream = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.rstrip(b"\0")]
    by_type = {unit[0] >> 1 & 63: unit for unit in units}
    heads = [by_type[kind] for kind in (32, 33, 34)]
    # Of the sequence's parameters, without the bytes that keep start codes out.
    profile = heads[1].replace(b"\0\0\3", b"\0\0")[3:15]
    arrays = [struct.pack(">BHH", 0x80 | unit[0] >> 1, 1, len(unit)) + unit for unit in heads]
    config = b"\1" + profile + bytes((0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, len(arrays))) + b"".join(arrays)
    pictures = [unit for unit in units if unit[0] >> 1 & 63 < 32]
    return config, b"".join(struct.pack(">I", len(unit)) + unit for unit in pictures)


def tone(hertz: float, seconds: float) -> np.ndarray:
    """A sine of half amplitude: float32 (samples,) at RATE."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def _add_audio(out, codec):
    track = out.add_stream(codec, rate=RATE)
    track.codec_context.layout = "mono"
    if codec == "pcm_s16le":
        track.codec_context.format = "s16"
    return track


def _put_audio(out, track, sound, done, start):
    chunk = sound[done : done + 1024]
    if track.codec_context.format.name.startswith("s16"):
        data, kind = (chunk * 32767).astype(np.int16), track.codec_context.format.name
    else:
        data, kind = chunk, "fltp"
    frame = av.AudioFrame.from_ndarray(data[None], format=kind, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, done + round(start * RATE), Fraction(1, RATE)
    out.mux(track.encode(frame))
    return done + len(chunk)


def frame_times(path: Path) -> list[float]:
    """Seconds of every frame, by PyAV alone."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def sound_of(path: Path) -> tuple[np.ndarray, float]:
    """All samples of the first audio stream, mono float, and the time in seconds of the first."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts, start = [], None
        for packet in container.demux(stream):
            # Damaged packets are a gap, as for any player.
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    start = float(frame.pts * frame.time_base) if start is None else start
                    parts += [out.to_ndarray().ravel() for out in resampler.resample(frame)]
        parts += [out.to_ndarray().ravel() for out in resampler.resample(None)]
    return np.concatenate(parts), start or 0.0


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[spectrum.argmax()])


def codecs_of(path: Path) -> list[str]:
    """The codecs of the streams, in order."""
    with av.open(str(path)) as container:
        return [stream.codec_context.name.removesuffix("float") for stream in container.streams]


def boxes_of(data: bytes) -> list[tuple[str, int, int]]:
    """Top-level boxes of an mp4: name, offset, size (ISO 14496-12)."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append((name.decode("latin1"), at, size))
        if size < 8:
            break
        at += size
    return found
