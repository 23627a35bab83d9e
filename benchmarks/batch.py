"""Proofs of `vitruvian batch`: nothing lost and nothing twice, throughput, killed processes, a bad store, growth.

python benchmarks/batch.py exact PHOTOS/ [--count 20000] [--constant]
python benchmarks/batch.py kills PHOTOS/ [--kills 20]
python benchmarks/batch.py store PHOTOS/
python benchmarks/batch.py growth
python benchmarks/batch.py listing

Needs the extra `ray`, and `onnx` for the networks with constant answers (`--constant`, kills, store), beside which the
job's own work is what takes time. `exact` compares with `TopDown.frames`, the loop of `predict`, on the same cores.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import vitruvian as vt

DAMAGED = 100  # one of so many
STORE_MEMORY = 300 * 2**20


def links(photos: Path, folder: Path, count: int) -> list[Path]:
    """So many names of the photos in a folder; each 100th is a photo that was cut off."""
    known = sorted(path for path in photos.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    folder.mkdir(parents=True)
    cut = folder.parent / "cut.jpg"
    data = known[0].read_bytes()
    cut.write_bytes(data[: len(data) // 3])
    paths = []
    for number in range(count):
        path = folder / f"{number:06d}{known[number % len(known)].suffix}"
        path.symlink_to(cut if number % DAMAGED == DAMAGED - 1 else known[number % len(known)])
        paths.append(path)
    return paths


def constants(folder: Path) -> dict[str, str]:
    """A detector that finds two persons in every picture, and a pose net with one answer."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def save(name: str, size: tuple[int, int], outputs: dict[str, np.ndarray]) -> str:
        nodes = [helper.make_node("Shape", ["input"], ["batch"], start=0, end=1)]
        for key, value in outputs.items():
            rest = numpy_helper.from_array(np.array(value.shape, np.int64), f"{key}_shape")
            whole = numpy_helper.from_array(value[None], f"{key}_value")
            nodes += [
                helper.make_node("Constant", [], [f"{key}_one"], value=whole),
                helper.make_node("Constant", [], [f"{key}_rest"], value=rest),
                helper.make_node("Concat", ["batch", f"{key}_rest"], [f"{key}_full"], axis=0),
                helper.make_node("Expand", [f"{key}_one", f"{key}_full"], [key]),
            ]
        infos = [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(value.dtype), ["N", *value.shape])
            for key, value in outputs.items()
        ]
        entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, *size])
        graph = helper.make_graph(nodes, "constants", [entry], infos)
        path = folder / name
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return str(path)

    boxes = np.array([[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.6]], np.float32)
    maps = np.random.default_rng(0).random((17, 16, 12), np.float32)
    detector = save("detector.onnx", (64, 64), {"dets": boxes, "labels": np.zeros(2, np.int64)})
    return {"detector": detector, "pose": save("pose.onnx", (64, 48), {"heatmaps": maps})}


def compare(output: Path, expected: dict[str, vt.Poses | None]) -> dict[str, Any]:
    """How the rows of a job differ from what was expected by source; None is a picture that can't be read."""
    seen: dict[str, int] = {}
    wrong, farthest, persons = 0, 0.0, 0
    for one in vt.scaling.read(output):
        seen[one.source] = seen.get(one.source, 0) + 1
        poses = expected.get(one.source)
        if poses is None or one.poses is None:
            wrong += (poses is None) != (one.poses is None)
            continue
        persons += len(poses)
        if len(poses) != len(one.poses):
            wrong += 1
        elif len(poses):
            farthest = max(farthest, float(np.abs(poses.keypoints - one.poses.keypoints).max()))
    twice = sum(count - 1 for count in seen.values())
    missing = len(set(expected) - set(seen))
    strange = len(set(seen) - set(expected))
    return {
        "missing": missing,
        "twice": twice,
        "not in the source": strange,
        "other persons or errors": wrong,
        "persons": persons,
        "farthest keypoint, px": farthest,
    }


def single(paths: list[Path], model: dict[str, str]) -> tuple[dict[str, vt.Poses | None], float, float]:
    """The poses of one process with all cores, its seconds and its CPU seconds, both without the loading."""
    loaded = vt.load(**model)
    expected: dict[str, vt.Poses | None] = {str(path): None for path in paths}
    loaded(str(paths[0]))
    started, spent = time.perf_counter(), time.process_time()
    # Not `stream`, which reads links to one file once.
    for frame, poses in loaded.frames(vt.media.ImageFiles(paths, "photos")):
        expected[frame.source] = poses
    return expected, time.perf_counter() - started, time.process_time() - spent


def cpu_seconds_below() -> float:
    """CPU seconds of all processes below this one, and of those that they waited for."""
    parents, spent = {}, {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            continue

    def is_below(number: int) -> bool:
        while number in parents:
            number = parents[number]
            if number == os.getpid():
                return True
        return False

    return sum(seconds for number, seconds in spent.items() if is_below(number))


def start_ray(**more: Any) -> None:
    import ray

    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(address="local", object_store_memory=STORE_MEMORY, **quiet, **more)


def exact(photos: Path, count: int, constant: bool, work: Path) -> None:
    """Every picture once, equal to the single process, and the rates of both in turns."""
    paths = links(photos, work / "photos", count)
    model = constants(work) if constant else {}
    expected, alone, alone_cpu = single(paths, model)
    start_ray()
    times: list[tuple[float, int]] = []
    options = vt.scaling.BatchOptions(partition=500)
    started = time.perf_counter()
    done = vt.scaling.estimate(
        str(work / "photos"),
        work / "out",
        options,
        vt.scaling.Workers(threads=1),
        progress=lambda state: times.append((time.perf_counter() - started, state.pictures)),
        **model,
    )
    cpu = cpu_seconds_below()
    first = next(((second, number) for second, number in times if number), (0.0, 0))
    last = max(times)
    print(json.dumps({"pictures": done.pictures, "failed": done.failed, **compare(work / "out", expected)}))
    whole = done.pictures / done.seconds
    steady = (last[1] - first[1]) / (last[0] - first[0]) if last[0] > first[0] else whole
    rate = len(paths) / alone
    print(f"single {rate:.1f} pictures/s; batch {whole:.1f} with its start, {steady:.1f} from the first partition on")
    print(f"ratio {whole / rate:.2f} with the start, {steady / rate:.2f} without")
    each = alone_cpu / count * 1e3, cpu / count * 1e3
    print(f"CPU milliseconds a picture: single {each[0]:.1f}, batch with its start {each[1]:.1f}")
    print(f"driver: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB with the single process in it")


def kills(photos: Path, count: int, number: int, work: Path, seed: int = 0) -> None:
    """Workers, nodes and drivers killed at random moments until so many kills were made, then an undisturbed end."""
    from ray.cluster_utils import Cluster

    paths = links(photos, work / "photos", count)
    model = constants(work)
    expected, *_ = single(paths, model)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE_MEMORY // 3})
    nodes = [cluster.add_node(num_cpus=2, object_store_memory=STORE_MEMORY // 3) for _ in range(2)]
    options = ["--partition", "50", "--resume", "--address", cluster.address, "--workers", "3", "-q"]
    options += [f"--{name}={path}" for name, path in model.items()]
    command = [sys.executable, "-m", "vitruvian", "batch", str(work / "photos"), "-o", str(work / "out"), *options]
    dice, made, codes = random.Random(seed), {"worker": 0, "node": 0, "driver": 0}, []
    driver = subprocess.Popen(command)
    started = time.monotonic()
    while driver.poll() is None or sum(made.values()) < number:
        if driver.poll() is not None:
            codes.append(driver.returncode)
            if driver.returncode == 0:
                break
            driver = subprocess.Popen(command)
        if sum(made.values()) >= number:
            driver.wait()
            continue
        time.sleep(dice.uniform(4, 20))
        kind = dice.choice(["worker", "worker", "node", "driver"])
        if kind == "worker":
            made[kind] += kill_worker([raylet(node) for node in nodes], dice)
        elif kind == "driver":
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            made[kind] += 1
        else:
            victim = nodes.pop(dice.randrange(len(nodes)))
            os.kill(raylet(victim), signal.SIGKILL)
            cluster.remove_node(victim, allow_graceful=False)
            nodes.append(cluster.add_node(num_cpus=2, object_store_memory=STORE_MEMORY // 3))
            made[kind] += 1
        finished = len(list((work / "out/done").glob("*.json"))) if (work / "out/done").is_dir() else 0
        print(f"{time.monotonic() - started:.0f} s: {made}, {finished} partitions", flush=True)
    code = driver.wait()
    print(json.dumps({"kills": made, "exit code of the last run": code, **compare(work / "out", expected)}))
    before = {path: path.stat().st_mtime_ns for path in (work / "out").rglob("*.parquet")}
    again = subprocess.run(command, check=False)
    after = {path: path.stat().st_mtime_ns for path in (work / "out").rglob("*.parquet")}
    print(f"rerun: exit code {again.returncode}, files changed: {before != after}")
    cluster.shutdown()


def raylet(node: Any) -> int:
    """The process of a node."""
    return int(node.all_processes["raylet"][0].process.pid)


def kill_worker(parents: list[int], dice: random.Random) -> int:
    """Kill a process that holds networks; how many were killed."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if title.startswith(b"ray::Worker") and parent in parents:
            found.append(int(entry.name))
    if found:
        os.kill(dice.choice(sorted(found)), signal.SIGKILL)
    return bool(found)


class _BadStore(http.server.SimpleHTTPRequestHandler):
    """Files with latency; for a while some answers are 503, and some are cut off."""

    bad_until = 0.0
    counts: dict[str, int] = {"answers": 0, "503": 0, "cut off": 0}  # noqa: RUF012
    dice = random.Random(0)

    def do_GET(self) -> None:
        time.sleep(self.dice.uniform(0.02, 0.1))
        self.counts["answers"] += 1
        bad = time.monotonic() < self.bad_until
        if bad and self.dice.random() < 0.4:
            self.counts["503"] += 1
            self.send_error(503)
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cut = bad and self.dice.random() < 0.1
        self.counts["cut off"] += cut
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


def store(photos: Path, count: int, work: Path) -> None:
    """A server that is bad for 30 seconds in the middle of a job: the rate before, during and after, and the rows."""
    paths = links(photos, work / "photos", count)
    model = constants(work)
    expected, *_ = single(paths, model)
    os.chdir(work / "photos")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _BadStore)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    manifest = work / "pictures.txt"
    manifest.write_text("".join(f"{address}/{path.name}\n" for path in paths))
    start_ray()
    times: list[tuple[float, int]] = []
    begin: list[float] = []

    def progress(state: Any) -> None:
        now = time.monotonic()
        times.append((now, state.pictures))
        if not begin and state.pictures >= count // 3:
            begin.append(now)
            _BadStore.bad_until = now + 30

    options = vt.scaling.BatchOptions(partition=50)
    vt.scaling.estimate(str(manifest), work / "out", options, progress=progress, **model)
    named = {f"{address}/{Path(name).name}": poses for name, poses in expected.items()}
    print(json.dumps({**_BadStore.counts, **compare(work / "out", named)}))
    started = next(moment for moment, number in times if number)
    spans = (started, begin[0]), (begin[0], begin[0] + 30), (begin[0] + 30, times[-1][0])
    print("pictures/s before, during, after:", *(f"{rate(times, *span):.1f}" for span in spans))


def rate(times: list[tuple[float, int]], start: float, end: float) -> float:
    """Pictures a second between two moments."""
    inside = [(moment, number) for moment, number in times if start <= moment <= end]
    if len(inside) < 2 or inside[-1][0] == inside[0][0]:
        return 0.0
    return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


class Sleeper:
    """A worker that sleeps as long as the networks would take: 20 ms a picture."""

    def __init__(self, spec: Any) -> None:
        self.output = spec.output

    def describe(self) -> Any:
        import ray

        from vitruvian.scaling.worker import Description

        return Description(ray.get_runtime_context().get_node_id(), "", {})

    def process(self, attempt: Any, witness: Any) -> dict[str, Any]:
        from vitruvian.scaling.plan import read_partition
        from vitruvian.stores import Store

        items = read_partition(Store(self.output), attempt.partition)
        time.sleep(0.02 * len(items))
        return {"partition": attempt.partition, "pictures": len(items)}


def growth(work: Path) -> None:
    """Pictures/s of sleeping workers on 1, 2 and 4 nodes, from the first partition on."""
    import ray
    from ray.cluster_utils import Cluster

    from vitruvian.scaling.plan import Plan
    from vitruvian.scaling.pool import Pool
    from vitruvian.scaling.sources import list_items
    from vitruvian.scaling.worker import WorkerSpec
    from vitruvian.stores import Store

    alone = 0.0
    for nodes in (1, 2, 4):
        manifest = work / f"{nodes}.txt"
        manifest.write_text("".join(f"{number}.jpg\n" for number in range(12_000 * nodes)))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80 * 2**20})
        for _ in range(nodes):
            cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        output = Store(work / f"out{nodes}")
        options = vt.scaling.BatchOptions(partition=100)
        plan = Plan(output, list_items([str(manifest)], options), 100)
        plan.start()
        moments: list[tuple[float, int]] = []
        pool = Pool(
            WorkerSpec({}, options, vt.scaling.Workers(most=2 * nodes), output.root, "."), lambda found: None,
            worker=Sleeper,
        )  # fmt: skip

        def done(manifest: dict[str, Any], plan: Any = plan, moments: Any = moments) -> None:
            plan.mark(manifest["partition"])
            moments.append((time.monotonic(), manifest["pictures"]))

        pool.run(plan, done, lambda: None)
        # Between the moments when all workers have started and when some have run out of work.
        middle = moments[len(moments) // 4 : -len(moments) // 8]
        speed = sum(number for _, number in middle[1:]) / (middle[-1][0] - middle[0][0])
        alone = alone or speed
        print(
            f"{nodes} nodes: {speed:.1f} pictures/s, {speed / alone / nodes:.2f} of {nodes} times one node", flush=True
        )
        ray.shutdown()
        cluster.shutdown()


def listing(work: Path) -> None:
    """Seconds a picture and memory of the driver's plan for 10^4, 10^5 and 10^6 listed pictures, each in a process."""
    code = (
        "import resource, sys, time\n"
        "from vitruvian.scaling.options import BatchOptions\n"
        "from vitruvian.scaling.plan import Plan\n"
        "from vitruvian.scaling.sources import list_items\n"
        "from vitruvian.stores import Store\n"
        "started = time.process_time()\n"
        "plan = Plan(Store(sys.argv[2]), list_items([sys.argv[1]], BatchOptions()), 1000)\n"
        "plan.start(); taken = 0\n"
        "while not plan.complete or plan.left:\n"
        "    number = plan.take()\n"
        "    if number is None: time.sleep(0.01)\n"
        "    else: plan.mark(number); taken += 1\n"
        "seconds = time.process_time() - started\n"
        "print(taken, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    for power in (4, 5, 6):
        manifest = work / f"{power}.txt"
        with manifest.open("w") as file:
            file.writelines(f"photos/{number // 1000:05d}/{number:09d}.jpg\n" for number in range(10**power))
        command = [sys.executable, "-c", code, str(manifest), str(work / f"out{power}")]
        partitions, seconds, peak = map(float, subprocess.check_output(command).split())
        each = seconds / 10**power * 1e6
        print(
            f"10^{power} pictures: {partitions:.0f} partitions, {each:.1f} us of CPU a picture, {peak:.0f} MiB",
            flush=True,
        )


def main() -> None:
    # Or other work on a shared machine has precedence over the workers, and not over the single process.
    os.environ.setdefault("RAY_worker_niceness", "0")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=["exact", "kills", "store", "growth", "listing"])
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--count", type=int, help="pictures (exact, kills: 20000, store: 3000)")
    parser.add_argument("--constant", action="store_true", help="networks with constant answers")
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="batch") as folder:
        work = Path(folder)
        photos = arguments.photos.resolve() if arguments.photos else work
        if arguments.proof == "exact":
            exact(photos, arguments.count or 20_000, arguments.constant, work)
        elif arguments.proof == "kills":
            kills(photos, arguments.count or 20_000, arguments.kills, work)
        elif arguments.proof == "store":
            store(photos, arguments.count or 3000, work)
        elif arguments.proof == "growth":
            growth(work)
        else:
            listing(work)


if __name__ == "__main__":
    main()
