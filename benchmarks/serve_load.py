"""The server under load: throughput against batches in one process, latencies, refusals, memory, one idle client.

    python benchmarks/serve_load.py [--pictures ../shared/data/coco_mini/val/images] [--seconds 60]
    python benchmarks/serve_load.py --memory 10        # only 64 clients for ten minutes, and the memory

The clients run in a process of their own, on the cores of the server, and send JPEGs one after the other. What the
server is compared with takes the same pictures, 8 at a time and as files in memory, by `model([...])`.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = (1, 8, 64, 200)
BATCH = 8
HERE = Path(__file__).resolve().parent


@dataclass
class Load:
    """What clients saw.

    Args:
        seconds: how long they asked.
        statuses: answers by status; 0 is a broken connection.
        latencies: seconds of each answer with 200.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Pictures/s."""
        return self.statuses[200] / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> int:
    """One request over a kept connection; its status."""
    head = f"POST /v1/poses HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return int(answer[9:12])


async def client(place: tuple[str, int], files: list[bytes], first: int, until: float, load: Load) -> None:
    """Ask again and again; after a refusal wait a second, as the server says."""
    reader = writer = None
    number = first
    while time.perf_counter() < until:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(*place)
            assert reader is not None
            start = time.perf_counter()
            status = await ask(reader, writer, files[number % len(files)])
        except (OSError, asyncio.IncompleteReadError):
            status, writer = 0, None
        load.statuses[status] += 1
        if status == 200:
            load.latencies.append(time.perf_counter() - start)
            number += 1
        else:
            await asyncio.sleep(1)
    if writer is not None:
        writer.close()


async def clients(place: tuple[str, int], files: list[bytes], count: int, seconds: float) -> Load:
    """So many clients at a time."""
    load, start = Load(), time.perf_counter()
    several = [client(place, files, 7 * number, start + seconds, load) for number in range(count)]
    await asyncio.gather(*several)
    load.seconds = time.perf_counter() - start
    return load


def in_a_process(place: tuple[str, int], files: list[bytes], count: int, seconds: float) -> Load:
    """The same in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (place, files, count, seconds))


def _run(place: tuple[str, int], files: list[bytes], count: int, seconds: float) -> Load:
    return asyncio.run(clients(place, files, count, seconds))


def direct(files: list[bytes], seconds: float) -> tuple[float, float]:
    """Pictures/s of `model([...])`, in a process of its own, and CPU seconds of a picture."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_direct, (files, seconds))


def _direct(files: list[bytes], seconds: float) -> tuple[float, float]:
    import vitruvian as vt

    model = vt.load()
    model(files[:BATCH])
    count, start, used = 0, time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < start + seconds:
        model([files[(count + place) % len(files)] for place in range(BATCH)])
        count += BATCH
    return count / (now - start), (time.process_time() - used) / count


def idle(place: tuple[str, int], files: list[bytes], rounds: int) -> tuple[float, float]:
    """Median milliseconds of the direct call, and of one client's request, for the same pictures in turn."""
    import vitruvian as vt

    model = vt.load()

    async def measure() -> tuple[float, float]:
        reader, writer = await asyncio.open_connection(*place)
        times: dict[str, list[float]] = {"direct": [], "server": []}
        for number in range(rounds + 10):
            data = files[number % len(files)]
            first = time.perf_counter()
            model(data)
            second = time.perf_counter()
            await ask(reader, writer, data)
            third = time.perf_counter()
            if number >= 10:
                times["direct"].append(second - first)
                times["server"].append(third - second)
        writer.close()
        return 1000 * statistics.median(times["direct"]), 1000 * statistics.median(times["server"])

    return asyncio.run(measure())


def busy(process: int) -> float:
    """CPU seconds that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """Resident MiB of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def over_time(process: int, place: tuple[str, int], files: list[bytes], minutes: float) -> None:
    """Memory of the server while 64 clients ask."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        running = pool.apply_async(_run, (place, files, 64, 60 * minutes))
        start = time.monotonic()
        while not running.ready():
            print(f"  {(time.monotonic() - start) / 60:5.1f} min {memory(process):7.0f} MiB", flush=True)
            running.wait(30)
        load = running.get()
    print(f"  {load.statuses[200]} answers, others {dict(load.statuses - Counter({200: load.statuses[200]}))}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = HERE.parents[1] / "shared/data/coco_mini/val/images"
    parser.add_argument("--pictures", type=Path, default=default)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    parser.add_argument("--memory", type=float, metavar="MINUTES")
    parser.add_argument("--rounds", type=int, default=100, help="requests of the idle client")
    parser.add_argument("rest", nargs="*", help="options of vitruvian serve, after --")
    given = parser.parse_args()
    files = [path.read_bytes() for path in sorted(given.pictures.glob("*.jpg"))]
    print(f"{len(files)} pictures, load average {' '.join(f'{value:.1f}' for value in os.getloadavg())}")
    command = [sys.executable, "-m", "vitruvian", "serve", "--port", "0", *given.rest]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[3]
            host, _, port = address.removeprefix("http://").partition(":")
            place = (host, int(port))
            print(f"up after {time.perf_counter() - start:.1f} s, {memory(server.pid):.0f} MiB")
            if given.memory:
                over_time(server.pid, place, files, given.memory)
                return
            own, served = idle(place, files, given.rounds)
            print(f"one idle client: {served:.1f} ms, direct call {own:.1f} ms: {served - own:+.1f} ms")
            for count in given.clients:
                before, cost_before = direct(files, given.seconds / 2)
                used = busy(server.pid)
                load = in_a_process(place, files, count, given.seconds)
                cost = (busy(server.pid) - used) / max(load.statuses[200], 1)
                after, cost_after = direct(files, given.seconds / 2)
                share = load.rate / ((before + after) / 2)
                spent = cost / ((cost_before + cost_after) / 2)
                others = {status: number for status, number in load.statuses.items() if status != 200}
                print(
                    f"{count:4} clients: {load.rate:6.1f} pictures/s, direct {before:.1f} and {after:.1f}: {share:.2f};"
                    f" CPU {1000 * cost:.0f} ms a picture, {spent:.2f} of direct;"
                    f" p50 {load.quantile(0.5):.0f} ms, p99 {load.quantile(0.99):.0f} ms; others {others};"
                    f" {memory(server.pid):.0f} MiB",
                    flush=True,
                )
        finally:
            server.terminate()
            print(f"ended with {server.wait()}")


if __name__ == "__main__":
    main()
