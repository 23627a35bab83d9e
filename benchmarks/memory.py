"""Does the peak memory of `vitruvian predict` grow with the length of a video?

Makes a short and a long H.264 video of the same pictures, VIDEO's over and over, without sound, and runs the command on
each in a process of its own; it writes the drawn video, JSON and CSV. Printed is the ratio of the processes' peak
resident memory. The short one runs several times, which shows what differs from run to run anyway: threads decide by
chance how many pictures wait at a time. One kept picture of 426x240 per frame would be 1.8 GB more in the long one.
Other work on the machine changes the times printed, and memory hardly. Needs Unix, whose kernel keeps the peak.

    python benchmarks/memory.py VIDEO --pose POSE.onnx --detector DETECTOR.onnx [--seconds 10 600] [--width 426]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

CLIP_SECONDS = 10
OUTPUTS = {"--output": ".mp4", "--json": ".json", "--csv": ".csv"}
# The peak of a process counts that of the one it was forked from, hence a small one in between.
HELPER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == "darwin" else peak * 1024)
"""


def encode_clip(video: Path, clip: Path, width: int, fps: int) -> None:
    """Ten seconds of the video's pictures at this width, again from the start where they end."""
    with av.open(str(video)) as source, av.open(str(clip), "w") as target:
        shown = source.streams.video[0].codec_context
        height = round(width * shown.height / shown.width / 2) * 2
        decoded = itertools.islice(source.decode(video=0), CLIP_SECONDS * fps)
        frames = [frame.reformat(width, height, "yuv420p") for frame in decoded]
        # Without B-frames, packets can be shifted and cut off anywhere.
        stream = target.add_stream("libx264", rate=fps, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(itertools.islice(itertools.cycle(frames), CLIP_SECONDS * fps)):
            frame.pts, frame.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def repeat_clip(clip: Path, video: Path, fps: int, frames: int) -> None:
    """The clip's packets with shifted times, over and over, until there are so many frames."""
    with av.open(str(video), "w") as target:
        stream = None
        for start in range(0, frames, CLIP_SECONDS * fps):
            with av.open(str(clip)) as source:
                stream = stream or target.add_stream_from_template(source.streams.video[0])
                packets = (packet for packet in source.demux(video=0) if packet.size)
                for packet in itertools.islice(packets, frames - start):
                    shift = round(start / fps / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    target.mux(packet)


def run_command(video: Path, arguments: argparse.Namespace) -> tuple[int, str, float]:
    """Peak memory in bytes, the command's closing line, and the seconds it took."""
    command = [sys.executable, "-c", HELPER, sys.executable, "-m", "vitruvian", "predict", str(video)]
    command += ["--pose", str(arguments.pose), "--detector", str(arguments.detector)]
    command += ["--img-size", str(arguments.img_size), "--max-persons", "1", "--runtime", arguments.runtime]
    outputs = {option: video.with_name(f"out{ending}") for option, ending in OUTPUTS.items()}
    command += [*itertools.chain.from_iterable((option, str(path)) for option, path in outputs.items()), "--overwrite"]
    started = time.perf_counter()
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return int(printed[-1]), printed[0].split(" -> ")[0], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--pose", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 600], help="lengths of the videos")
    parser.add_argument("--width", type=int, default=426, help="of the videos, in pixels")
    parser.add_argument("--fps", type=int, default=10)
    parser.add_argument("--img-size", type=int, default=320)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--rounds", type=int, default=3, help="runs on the first length")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        encode_clip(arguments.video, clip, arguments.width, arguments.fps)
        first: list[int] = []
        for number, seconds in enumerate(arguments.seconds):
            video, frames = Path(folder) / f"{seconds}s.mp4", seconds * arguments.fps
            repeat_clip(clip, video, arguments.fps, frames)
            for _ in range(1 if number else arguments.rounds):
                peak, line, took = run_command(video, arguments)
                if not line.startswith(f"{frames} frame"):
                    sys.exit(f"{frames} frames were expected: {line}")
                if not number:
                    first.append(peak)
                ratio = peak / statistics.median(first)
                print(f"{seconds:4} s of video: peak {peak / 2**20:.0f} MiB ({line}; {took:.1f} s in all)", flush=True)
    print(
        f"peak at {arguments.seconds[-1]} s / median peak at {arguments.seconds[0]} s: {ratio:.3f}; "
        f"at {arguments.seconds[0]} s alone, largest / smallest: {max(first) / min(first):.3f}"
    )


if __name__ == "__main__":
    main()
