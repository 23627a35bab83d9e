"""Whole jobs on Ray: rows, resuming, processes that end, other models, and what the command says."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vitruvian as vt
from vitruvian.scaling.pool import Pool, check_room, room
from vitruvian.scaling.report import REPORT

ray = pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[None]:
    """Ray with room for two workers, once for all jobs of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # Or other work on the machine has precedence over the workers.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=100 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield
        ray.shutdown()


def test_a_job_from_its_sources_to_its_report(cluster, pictures, networks, tmp_path, command, monkeypatch):
    manifest = tmp_path / "more.txt"
    manifest.write_text("pictures/00.jpg\npictures/missing.jpg\n")
    output = tmp_path / "out"
    model = [f"--{name}={path}" for name, path in networks.items()]
    arguments = ["batch", pictures, manifest, "-o", output, "--partition", 3, *model]
    done = command(*arguments)
    assert done.code == 0, done.err
    assert "10 pictures, 16 persons, 2 failed" in done.out
    found = list(vt.scaling.read(output))
    names = [*(str(pictures / f"{number:02d}.jpg") for number in range(8)), str(pictures / "00.jpg")]
    assert [one.source for one in found] == [*names, str(pictures / "missing.jpg")]
    model_here = vt.load(**networks, threads=1)
    for one in found:
        if one.poses is not None:
            np.testing.assert_allclose(one.poses.keypoints, model_here(one.source).keypoints, atol=1e-3)
    page = (output / REPORT).read_text()
    assert "missing.jpg" in page
    assert "<svg" in page
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.suffix != ".lock"}

    # A finished job is left alone.
    again = command(*arguments)
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.suffix != ".lock"} == times

    # An unfinished one needs a word, and is then done to the same rows.
    (output / "done/part-000001.json").unlink()
    refused = command(*arguments)
    assert (refused.code, "--resume" in refused.err) == (2, True)
    left = output / "persons/part-000001-00000000.parquet"
    left.write_bytes(b"of a worker that was killed")
    resumed = command(*arguments, "--resume")
    assert not left.exists()
    assert (resumed.code, "10 pictures" in resumed.out) == (0, True)
    assert [one.picture for one in vt.scaling.read(output)] == [one.picture for one in found]

    # What failed is tried again.
    (pictures / "missing.jpg").write_bytes((pictures / "01.jpg").read_bytes())
    tried = command(*arguments, "--retry-failed")
    assert "10 pictures, 18 persons, 1 failed" in tried.out, tried.err
    assert [one.picture for one in vt.scaling.read(output)] == [one.picture for one in found]

    # Other settings, and other weights under the same name.
    other = command(*arguments, "--score", "0.5", "--resume")
    assert (other.code, "score 0.3, not 0.5" in other.err) == (2, True)
    (output / "done/part-000001.json").unlink()
    data = Path(networks["pose"]).read_bytes()
    import onnx

    changed = onnx.load_from_string(data)
    onnx.helper.set_model_props(changed, {"note": "retrained"})
    onnx.save(changed, networks["pose"])
    refused = command(*arguments, "--resume")
    assert (refused.code, "another model" in refused.err) == (2, True)


class Killed:
    """A worker that ends its process when it comes to a deadly picture."""

    def __init__(self, spec):
        from vitruvian.scaling.worker import Worker

        self._worker = Worker(spec)

    def describe(self):
        found = self._worker.describe()
        model = self._worker._work.model

        def deadly(images, *arguments, **keywords):
            if any(image.shape[0] == 60 + 8 * 2 for image in images):
                os.kill(os.getpid(), signal.SIGKILL)
            return vt.TopDown.__call__(model, images, *arguments, **keywords)

        object.__setattr__(self._worker._work, "model", _Called(model, deadly))
        return found

    def process(self, attempt, witness):
        return self._worker.process(attempt, witness)


class _Called:
    def __init__(self, model, call):
        self.pose, self._call = model.pose, call

    def __call__(self, images):
        return self._call(images)


def test_a_picture_that_ends_its_worker_is_found_and_set_aside(cluster, pictures, networks, tmp_path):
    from vitruvian.scaling.job import _Job
    from vitruvian.stores import Store

    options = vt.scaling.BatchOptions(partition=8)
    job = _Job(Store(tmp_path / "out"), [str(pictures)], options, vt.scaling.Workers(most=1), networks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitruvian.scaling.job.Pool", lambda *given, **more: Pool(*given, **more, worker=Killed))
        done = job.run(lambda state: None)
    assert (done.pictures, done.failed) == (8, 2)
    errors = {Path(one.source).stem: one.error for one in vt.scaling.read(tmp_path / "out") if one.error}
    assert set(errors) == {"02", "04"}
    assert "ended the process 3 times" in errors["02"]


class Refusing:
    """A worker without networks whose engine fails on the third of four pictures, or on each."""

    def __init__(self, spec):
        self.always = "always" in spec.model

    def describe(self):
        from vitruvian.scaling.worker import Description

        return Description(ray.get_runtime_context().get_node_id(), "", {})

    def process(self, attempt, witness):
        for item in range(4):
            if (item, 0) in attempt.set_aside:
                continue
            if attempt.careful:
                ray.get(witness.note.remote(attempt.partition, item, 0))
            if item == 2 or self.always:
                raise vt.ModelError("out of memory")
        return {"partition": attempt.partition, "set_aside": dict(attempt.set_aside)}


def test_an_engine_that_fails_on_a_picture_does_not_end_the_job(cluster, tmp_path, monkeypatch):
    from vitruvian.scaling import pool
    from vitruvian.scaling.job import _Queue
    from vitruvian.scaling.worker import WorkerSpec

    workers, options, done = vt.scaling.Workers(most=1), vt.scaling.BatchOptions(), []

    def run(model: dict) -> None:
        queue = _Queue([0])

        def committed(manifest: dict) -> None:
            queue.numbers.discard(manifest["partition"])
            done.append(manifest)

        spec = WorkerSpec(model, options, workers, str(tmp_path), ".")
        Pool(spec, lambda found: None, worker=Refusing).run(queue, committed, lambda: None)

    run({})
    assert done == [{"partition": 0, "set_aside": {(2, 0): "out of memory 3 times; it is set aside"}}]
    # Networks that never work are told as such.
    monkeypatch.setattr(pool, "_MODEL_ERRORS", 2)
    with pytest.raises(vt.ModelError, match="out of memory"):
        run({"always": True})


class Blind:
    """Workers without networks of two machines, of which the first has no inputs."""

    def __init__(self, spec):
        try:
            os.close(os.open(f"{spec.output}/first", os.O_CREAT | os.O_EXCL))
            self.node = "blind"
        except FileExistsError:
            self.node = "seeing"

    def describe(self):
        from vitruvian.scaling.worker import Description

        return Description(self.node, "", {})

    def process(self, attempt, witness):
        import time

        from vitruvian.scaling.partition import InputsMissing

        if self.node == "blind" and attempt.elsewhere:
            raise InputsMissing
        time.sleep(0.2)
        return {"partition": attempt.partition, "node": self.node}


def test_a_machine_without_the_inputs_takes_none_from_others(cluster, tmp_path):
    from vitruvian.scaling.job import _Queue
    from vitruvian.scaling.worker import WorkerSpec

    queue, done = _Queue(range(8)), []

    def committed(manifest: dict) -> None:
        queue.numbers.discard(manifest["partition"])
        done.append(manifest)

    spec = WorkerSpec({}, vt.scaling.BatchOptions(), vt.scaling.Workers(most=2), str(tmp_path), ".")
    pool = Pool(spec, lambda found: None, worker=Blind)
    pool.run(queue, committed, lambda: None)
    assert sorted(manifest["partition"] for manifest in done) == list(range(8))
    assert {manifest["node"] for manifest in done} == {"seeing"}


def test_a_worker_that_is_killed_costs_nothing(cluster, pictures, networks, tmp_path):
    killed = []

    def kill(state: vt.scaling.BatchProgress) -> None:
        if killed:
            return
        for entry in Path("/proc").iterdir():
            try:
                title = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if title.startswith(b"ray::Worker") and parent in raylets():
                killed.append(int(entry.name))
                os.kill(killed[0], signal.SIGKILL)
                return

    done = vt.scaling.estimate(
        str(pictures), tmp_path / "out", workers=vt.scaling.Workers(most=1), progress=kill, **networks
    )
    assert killed
    assert (done.pictures, done.failed) == (8, 1)


def raylets() -> list[int]:
    """The processes of this machine's node."""
    node = ray._private.worker._global_node
    return [process.process.pid for process in node.all_processes["raylet"]]


def test_a_model_that_cannot_be_loaded_is_an_error_at_once(cluster, pictures, tmp_path, command):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    done = command("batch", pictures, "-o", tmp_path / "out", "--pose", broken)
    assert done.code == 2
    assert "broken.onnx" in done.err
    # Nothing was begun, so that the right model needs no other folder.
    assert not (tmp_path / "out/job.json").exists()


def test_two_jobs_cannot_write_into_one_folder(pictures, tmp_path, command):
    from vitruvian.scaling.lock import one_job
    from vitruvian.stores import Store

    with one_job(Store(tmp_path / "out")):
        # Another process: a lock is this process's otherwise.
        import subprocess
        import sys

        arguments = [sys.executable, "-m", "vitruvian", "batch", pictures, "-o", tmp_path / "out"]
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "another job is writing into it" in done.stderr


def test_a_job_whose_pictures_all_failed_is_wrong_input(cluster, networks, tmp_path, command):
    (tmp_path / "gone.txt").write_text("pictures/1.jpg\npictures/2.jpg\n")
    model = [f"--{name}={path}" for name, path in networks.items()]
    for more in ([], ["--resume"]):
        done = command("batch", tmp_path / "gone.txt", "-o", tmp_path / "out", *model, *more)
        assert (done.code, "2 pictures" in done.out) == (2, True)
        assert f"all 2 pictures failed; {tmp_path / 'out' / REPORT} says why" in done.err


def test_a_job_goes_on_from_another_folder(cluster, pictures, networks, folder, monkeypatch):
    (folder / "list.txt").write_text("".join(f"../pictures/{number:02d}.jpg\n" for number in range(3)))
    workers = vt.scaling.Workers(most=1)
    done = vt.scaling.estimate("list.txt", "out", vt.scaling.BatchOptions(partition=2), workers, **networks)
    assert (done.pictures, done.failed) == (3, 0)
    (folder / "out/done/part-000001.json").unlink()
    monkeypatch.chdir(pictures)
    options = vt.scaling.BatchOptions(partition=2, resume=True)
    done = vt.scaling.estimate("list.txt", "../work/out", options, workers, **networks)
    assert (done.pictures, done.failed, done.done_now) == (3, 0, 1)
    # What isn't listed yet would be others here.
    (folder / "out/plan/complete.json").unlink()
    (folder / "out/done/part-000001.json").unlink()
    with pytest.raises(vt.InputError, match=f"the job began in {folder}"):
        vt.scaling.estimate("list.txt", "../work/out", options, workers, **networks)


def test_a_listing_that_fails_ends_a_resumed_job_when_all_before_it_is_done(cluster, pictures, networks, tmp_path):
    names = "".join(f"pictures/{number:02d}.jpg,1\n" for number in range(4))
    # The last field is longer than any that is read.
    (tmp_path / "list.csv").write_text(f"path,label\n{names}{'x' * 200_000}\n")
    calls = []

    def tick(state: vt.scaling.BatchProgress) -> None:
        calls.append(state)
        assert len(calls) < 100, "the job goes on without anything to do"

    for resume in (False, True):
        calls.clear()
        options = vt.scaling.BatchOptions(partition=3, resume=resume)
        workers = vt.scaling.Workers(most=1)
        with pytest.raises(vt.InputError, match=r"list\.csv"):
            vt.scaling.estimate(
                str(tmp_path / "list.csv"), tmp_path / "out", options, workers, progress=tick, **networks
            )
        assert len(vt.scaling.read(tmp_path / "out")) == 1


def test_of_two_jobs_that_begin_at_once_on_a_store_one_has_the_lock(monkeypatch):
    from vitruvian.scaling import lock
    from vitruvian.stores import Store

    store, barrier, ends = Store("memory://at-once"), threading.Barrier(2), []
    write = lock._write

    def together(*arguments):
        # Both have found no lock when the first writes one.
        barrier.wait(10)
        write(*arguments)

    monkeypatch.setattr(lock, "_write", together)
    monkeypatch.setattr(lock, "SETTLED", 0.5, raising=False)

    def begin() -> None:
        try:
            with lock.one_job(store):
                ends.append("begun")
        except vt.InputError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends.count("begun") == 1
    assert any("another job" in end for end in ends)


def test_a_job_ends_when_another_has_taken_its_lock(monkeypatch):
    import time

    from vitruvian.scaling import lock
    from vitruvian.stores import Store

    monkeypatch.setattr(lock, "RENEWED", 0.2)
    monkeypatch.setattr(lock, "SETTLED", 0.0)
    store = Store("memory://taken")
    with lock.one_job(store) as check:
        check()
        lock._write(store, "of another")
        time.sleep(1)
        with pytest.raises(vt.OutputError, match="another job has taken the folder"):
            check()
    assert json.loads(store.read("job.lock"))["token"] == "of another"


def test_a_lock_on_a_store_is_renewed_and_ends():
    from vitruvian.scaling.lock import LEFT_BEHIND, one_job
    from vitruvian.stores import Store

    store = Store("memory://locked")
    with one_job(store), pytest.raises(vt.InputError, match="another job"), one_job(store):
        pass
    assert store.read("job.lock") is None
    old = {"token": "x", "host": "h", "pid": 1, "time": 0}
    store.write("job.lock", json.dumps(old).encode())
    with one_job(store):
        assert json.loads(store.read("job.lock"))["time"] > LEFT_BEHIND
    assert not [thread for thread in threading.enumerate() if thread.name == "vitruvian-lock"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jpg"], "no such file or folder"),
        (["."], "no pictures"),
        (["nosuch://bucket/x"], "no store is known"),
        ([".", "--smooth"], "smooth needs track"),
        ([".", "--gpus", "1.5"], "gpus is 1.5"),
        ([".", "--partition", "1000000"], "partition"),
        ([".", "--retry-failed"], "no job whose pictures failed"),
    ],
)
def test_bad_input_is_told_before_anything_is_started(arguments, words, folder, command):
    done = command("batch", *arguments, "-o", "out")
    assert done.code == 2
    assert words in done.err
    assert not Path("out/job.json").exists()


def test_workers_that_fit_into_a_cluster():
    workers = vt.scaling.Workers()
    assert room({"CPU": 8.0}, workers) == 8
    assert room({"CPU": 8.0}, vt.scaling.Workers(threads=3)) == 2
    assert room({"CPU": 32.0, "GPU": 2.0}, vt.scaling.Workers(gpus=0.5)) == 4
    assert room({"CPU": 8.0}, vt.scaling.Workers(gpus=1)) == 0
    with pytest.raises(vt.InputError, match=r"takes 1 CPUs \(--threads\) and 1 GPUs .* has 8 CPUs and 0 GPUs"):
        check_room({"CPU": 8.0}, vt.scaling.Workers(gpus=1))


def test_workers_leave_room_for_the_tasks_that_decode(cluster, tmp_path):
    from vitruvian.scaling.worker import WorkerSpec

    # Five of 0.4 CPUs would take both.
    for most, wanted in ((5, 2), (1, 1)):
        workers = vt.scaling.Workers(most=most, decode_cpus=0.6)
        spec = WorkerSpec({}, vt.scaling.BatchOptions(), workers, str(tmp_path), ".")
        assert Pool(spec, lambda found: None)._most() == wanted


def test_a_cluster_without_room_is_told(cluster, tmp_path, monkeypatch, caplog):
    from vitruvian.scaling import pool
    from vitruvian.scaling.job import _Queue
    from vitruvian.scaling.worker import WorkerSpec

    class Told(Exception):
        pass

    def tick() -> None:
        if "no worker has started" in caplog.text:
            raise Told

    monkeypatch.setattr(pool, "_PENDING", 0.1)
    spec = WorkerSpec({}, vt.scaling.BatchOptions(), vt.scaling.Workers(gpus=1), str(tmp_path), ".")
    with pytest.raises(Told):
        Pool(spec, lambda found: None, worker=Refusing).run(_Queue([0]), lambda manifest: None, tick)
    assert "takes 1 CPUs (--threads) and 1 GPUs (--gpus)" in caplog.text
