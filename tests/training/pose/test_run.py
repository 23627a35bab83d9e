"""Runs from end to end, on drawn data: what comes out, going on after a break, and what goes wrong in words."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._inductor.config
from safetensors.torch import load_file

import vitruvian as vt
from vitruvian import InputError, OutputError, VitruvianError, networks
from vitruvian.export import export
from vitruvian.training import Job, read_recipe, train
from vitruvian.training.init_weights import freeze_stages, init_network
from vitruvian.training.pose.job import _task as prepared
from vitruvian.training.pose.module import PoseTraining
from vitruvian.training.pose.samples import PoseDataset
from vitruvian.training.resume import AtomicCheckpointIO, ThreadCount, restore_thread_count

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's and torch's own

SETTINGS = ["width=8", "input_size=64x64", "batch=4", "workers=0", "init=none", "val_interval=1", "epochs=1"]
# The command line, which notes what every step saw, and dies where it is told to.
NOTED = """
import os, signal, zlib
from vitruvian.cli import main
from vitruvian.training.pose.module import PoseTraining
stepped, ended = PoseTraining.training_step, PoseTraining.on_train_batch_end
def step(self, batch, index):
    arrays = [batch["images"], *batch["targets"]]
    with open(os.environ["SEEN"], "a") as stream:
        print(self.global_step, *batch["names"], *(zlib.crc32(a.numpy().tobytes()) for a in arrays), file=stream)
    return stepped(self, batch, index)
def end(self, *arguments):
    ended(self, *arguments)
    if self.global_step == int(os.environ["DIES"]):
        os.kill(os.getpid(), signal.SIGKILL)
PoseTraining.training_step, PoseTraining.on_train_batch_end = step, end
main()
"""


def job(source, output: Path, *settings: str, recipe: str = "pose_hrnet_w32_256x192", **more) -> Job:
    return Job(read_recipe(recipe, [*SETTINGS, *settings]), (source,), output, **more)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "last.safetensors")


def same(first: Path, second: Path) -> bool:
    ours, theirs = weights(first), weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def command(source, output: Path, *settings: str) -> list[str]:
    given = [part for setting in [*SETTINGS, *settings] for part in ("--set", setting)]
    recipe = ["--recipe", "pose_hrnet_w32_256x192"]
    return [
        "train",
        *recipe,
        "--data",
        str(source.annotations),
        "--images",
        str(source.images),
        "-o",
        str(output),
        *given,
    ]


def test_the_recipe_says_whether_boxes_are_clipped(draw, tmp_path):
    source = draw(1)
    x, y, width, height = json.loads(Path(source.annotations).read_text())["annotations"][0]["bbox"]
    for setting, less in (("clip_boxes=true", 1), ("clip_boxes=false", 0)):
        persons = prepared(job(source, tmp_path / "run", setting)).samples.persons
        assert persons.boxes[0] == pytest.approx([x, y, x + width - less, y + height - less])


@pytest.mark.parametrize(
    ("recipe", "settings", "sigma"),
    [
        ("pose_hrnet_w32_256x192", ["sigma=1.5", "ohkm_topk=3", "ema_decay=0.9"], 1.5),
        ("pose_pyramid_w32_256x192", [], 1.25),
        ("simdr_hrnet_w32_256x192", [], 0.0),
        ("sa_simdr_hrnet_w48_256x192", ["target_sigma=3"], 3.0),
        ("rle_resnet50_256x192", [], None),
        ("psa_s_hrnet_w48_384x288", [], 3.0),
    ],
)
def test_what_comes_out_is_taken_everywhere(draw, tmp_path, recipe, settings, sigma):
    source = draw(4)
    out = tmp_path / "mine"
    done = train(job(source, out, *settings, recipe=recipe, validation=source))
    assert done.model == out / "best.safetensors"
    assert {path.name for path in out.iterdir()} >= {
        *("recipe.yaml", "state.ckpt", "last.safetensors", "metrics.csv", "curves.png", "samples.html", "tensorboard")
    }
    model = vt.load(pose=done.model, runtime="torch", precision="fp32")
    card = model.pose.card
    assert (card.name, card.input_size) == ("mine", (64, 64))
    assert card.skeleton.keypoints == ("left_eye", "right_eye", "nose", "left_hip", "right_hip")
    assert getattr(card.options, "sigma", None) == sigma
    metrics = vt.evaluation.evaluate_coco(model, source.annotations, source.images)
    assert metrics.keypoints["AP"] == pytest.approx(done.best)
    picture = Path(source.images, "1.png")
    poses = model(picture, boxes=[[20, 20, 140, 110]])
    assert poses.keypoints.shape == (1, 5, 2)
    assert poses.draw(vt.media.read_image(picture), keypoint_score=0).shape == (120, 160, 3)
    if recipe.startswith("sa"):
        exported = export(done.model, tmp_path / "mine.onnx")
        assert exported.card == card
        again = vt.load(pose=exported.path, precision="fp32")(picture, boxes=[[20, 20, 140, 110]])
        assert again.keypoints == pytest.approx(poses.keypoints, abs=1)


def noted(arguments: list[str], seen: Path, threads: int, dies: int = 0) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process with so many threads, which don't keep each other's cores busy while they wait."""
    numbers = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "SEEN": str(seen), "DIES": str(dies)}
    environment = {**os.environ, **numbers}
    environment.pop("MKL_NUM_THREADS", None)
    return subprocess.run([sys.executable, "-c", NOTED, *arguments], env=environment, capture_output=True, timeout=300)


def test_a_killed_run_ends_as_one_that_was_not(draw, tmp_path):
    source = draw(5)
    settings = ["batch=2", "epochs=3", "save_every=4", "workers=2", "ema_decay=0.9", "milestones=1,2"]
    out, whole = tmp_path / "broken", tmp_path / "whole"
    broken, straight = (
        [*command(source, path, *settings), "--recipe", "rle_resnet50_256x192"] for path in (out, whole)
    )
    unbroken = noted(straight, tmp_path / "seen", threads=2)
    assert unbroken.returncode == 0, unbroken.stderr.decode()
    killed = noted(broken, tmp_path / "before", threads=2, dies=5)
    assert killed.returncode == -9, killed.stderr.decode()
    # One of the second epoch's three steps is in the state; the one after it is lost, and comes again.
    assert torch.load(out / "state.ckpt", weights_only=True)["global_step"] == 4
    resumed = noted([*broken, "--resume"], tmp_path / "after", threads=1)
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert "computing with 2 threads, as before, instead of 1" in resumed.stderr.decode()

    before, after, seen = ((tmp_path / name).read_text().splitlines() for name in ("before", "after", "seen"))
    assert before == seen[:5]
    assert after == seen[4:]
    assert len(seen) == 9
    assert same(out, whole)
    ours, theirs = (torch.load(path / "state.ckpt", weights_only=True)["state_dict"] for path in (out, whole))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert (out / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_what_sums_depend_on_is_taken_or_said(caplog):
    sums = ThreadCount()
    state = sums.state_dict()
    with restore_thread_count():
        sums.load_state_dict(state)
        assert not caplog.text
        sums.load_state_dict({**state, "threads": 2, "torch": "1.0"})
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1
    assert "torch was 1.0, is " in caplog.text
    assert "instructions" not in caplog.text


def test_a_run_that_ended_can_be_made_longer(draw, tmp_path):
    source = draw(4)
    out, whole = tmp_path / "short", tmp_path / "long"
    train(job(source, out, validation=source))
    train(job(source, out, "epochs=3", resume=True, validation=source))
    longer = train(job(source, whole, "epochs=3", validation=source))
    assert same(out, whole)
    assert [row["epoch"] for row in longer.history] == [1, 2, 3]


def test_two_processes_learn_what_one_does_with_twice_the_batch(draw, tmp_path):
    source = draw(10)
    # Batch norms look at one process's persons only, so they stay as they are; doubles show what isn't rounding.
    settings = ["epochs=4", "freeze_norm=true", "precision=64-true", "lr=0.01"]
    run = [sys.executable, "-m", "vitruvian", *command(source, tmp_path / "two", *settings, "batch=2")]
    done = subprocess.run(
        [*run, "--devices", "2", "--accelerator", "cpu", "--seed", "0"], capture_output=True, timeout=200
    )
    assert done.returncode == 0, done.stderr.decode()
    alone = train(job(source, tmp_path / "one", *settings, "batch=4"))
    assert alone.history[-1]["step"] == 12
    ours, theirs = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(ours[name], theirs[name], rtol=0, atol=1e-9) for name in ours)
    start = train(job(source, tmp_path / "start", *settings, "lr=1e-12"))
    assert not torch.allclose(ours["final_layer.weight"], weights(start.model.parent)["final_layer.weight"], atol=1e-3)


def test_norms_over_all_processes_need_gpus(draw, tmp_path):
    with pytest.raises(InputError, match="sync_batchnorm is for GPUs"):
        train(job(draw(4), tmp_path / "out", "sync_batchnorm=true", accelerator="cpu"))


def test_accumulated_batches_are_one_large_one(draw, tmp_path):
    source = draw(8)
    settings = ["freeze_norm=true", "precision=64-true", "epochs=2"]
    train(job(source, tmp_path / "small", *settings, "batch=2", "accumulate_grad_batches=2"))
    train(job(source, tmp_path / "large", *settings, "batch=4"))
    ours, theirs = weights(tmp_path / "small"), weights(tmp_path / "large")
    assert all(torch.allclose(ours[name], theirs[name], rtol=0, atol=1e-9) for name in ours)


def test_fine_tuning_keeps_everything_but_the_last_layer(draw, tmp_path, caplog):
    caplog.set_level("INFO", "vitruvian")
    first = train(job(draw(4), tmp_path / "first"))
    other = draw(4, "other", names=("a", "b", "nose"))
    frozen = ["freeze=5", f"init={first.model}", "batch=4"]
    done = train(job(other, tmp_path / "second", *frozen))
    assert "new, with random weights: final_layer" in caplog.text
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert after["final_layer.weight"].shape[0] == 3
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("final_layer."))
    assert vt.load(pose=done.model, runtime="torch").pose.skeleton.keypoints == ("a", "b", "nose")
    # A heatmap net's backbone suits SimDR as well.
    train(job(other, tmp_path / "third", *frozen, recipe="simdr_hrnet_w32_256x192"))
    assert torch.equal(weights(tmp_path / "third")["conv1.weight"], before["conv1.weight"])
    with pytest.raises(InputError, match="take a checkpoint of the same width"):
        train(job(other, tmp_path / "fourth", f"init={first.model}", "width=16"))
    with pytest.raises(InputError, match="no such file"):
        train(job(other, tmp_path / "fifth", "init=none.pth"))


def test_the_backbone_may_learn_more_slowly(draw, tmp_path):
    source = draw(4)
    start = train(job(source, tmp_path / "start", "lr=1e-12"))
    done = train(job(source, tmp_path / "slow", "backbone_lr_mult=0"))
    ours, theirs = weights(done.model.parent), weights(start.model.parent)
    assert torch.allclose(ours["layer1.0.conv1.weight"], theirs["layer1.0.conv1.weight"], atol=1e-9)
    assert not torch.allclose(ours["final_layer.weight"], theirs["final_layer.weight"], atol=1e-6)


def test_a_run_that_does_not_get_better_stops(draw, tmp_path):
    source = draw(4)
    done = train(job(source, tmp_path / "out", "epochs=9", "patience=2", "lr=1e-12", validation=source))
    assert len(done.history) == 3


def test_a_dry_run_leaves_nothing(draw, tmp_path):
    source = draw(4)
    done = train(job(source, tmp_path / "out", "epochs=9", "batch=1", validation=source, dry_run=True))
    assert done.history[0]["step"] == 2
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_measured_is_told_before_training(draw, tmp_path):
    source, out = draw(4), tmp_path / "out"
    wrong = [
        (replace(source, annotations=tmp_path / "none.json"), "none.json: no such file"),
        (replace(source, images=tmp_path), "has none of the images of"),
        (draw(4, "other", names=("a", "b", "nose")), "other.json can't measure this network: .* they must be the same"),
    ]
    for validation, words in wrong:
        with pytest.raises(InputError, match=words):
            train(job(source, out, "val_interval=10", validation=validation))
        assert not out.exists()


def test_a_dry_run_that_breaks_keeps_its_batch(draw, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(InputError, match="The batch is saved as") as caught:
        train(job(draw(4), tmp_path / "out", "lr=1e30", "batch=2", dry_run=True))
    path = Path(str(caught.value).partition("saved as ")[2].partition(";")[0])
    assert path.is_relative_to(tmp_path)
    assert len(torch.load(path, weights_only=True)["names"]) == 2


def test_a_full_disk_does_not_hide_a_broken_loss(draw, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"the loss is .* can't be saved as .*No space left"):
        train(job(draw(4), tmp_path / "out", "lr=1e30", "batch=2", "save_every=0"))


def test_every_kind_of_backbone_can_be_kept():
    names = ("pose_hrnet_w32_256x192", "pose_pyramid_w32_256x192", "rle_resnet50_256x192", "rle_hrnet_w48_384x288")
    slim = {name: {"width": 8} for name in (*names, "mmpose_resnet50_256x192", "psa_s_hrnet_w48_384x288")}
    detectors = {"person_csp_w32_416x416": {"width": 8}, "person_mobilenet_384x384": {}}
    for name, options in {**slim, "pose_mobilenet_256x192": {}, **detectors}.items():
        spec = networks.changed(name, options)
        network = networks.build(spec, 5)
        learning = [sum(parameter.requires_grad for parameter in network.parameters())]
        for stages in range(1, 6):
            freeze_stages(network, spec, stages)
            learning.append(sum(parameter.requires_grad for parameter in network.parameters()))
        assert sorted(set(learning), reverse=True) == learning, name
    with pytest.raises(InputError, match="pyramids were never trained on ImageNet"):
        init_network(read_recipe("pose_pyramid_w32_256x192", ["init=imagenet"]), 5)


def test_a_loss_that_is_no_number_stops_and_leaves_the_batch(draw, tmp_path):
    source = draw(4)
    content = json.loads(Path(source.annotations).read_text())
    for record in content["annotations"]:
        record["bbox"] = [0, 0, 1e-30, 1e-30]
    Path(source.annotations).write_text(json.dumps(content))
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"the loss is (nan|inf).*annotation \d") as caught:
        train(
            job(source, tmp_path / "out", "reduced_decoding=false", "clip_boxes=false", recipe="rle_resnet50_256x192")
        )
    path = tmp_path / "out/broken_batch_0.pt"
    assert str(path) in str(caught.value)
    assert len(torch.load(path, weights_only=True)["names"]) == 4


def test_damaged_pictures_are_left_out_and_listed(draw, tmp_path):
    source = draw(4)
    Path(source.images, "2.png").write_bytes(b"broken")
    train(job(source, tmp_path / "out"))
    assert "2.png" in (tmp_path / "out/left_out.txt").read_text()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")])
def test_too_little_memory(draw, tmp_path, monkeypatch, error):
    def step(*_):
        raise error

    monkeypatch.setattr(PoseTraining, "training_step", step)
    with pytest.raises(InputError, match="batch=2 --set accumulate_grad_batches=2"):
        train(job(draw(4), tmp_path / "out"))
    with pytest.raises(InputError, match="with batches of 1: a smaller network needs less"):
        train(job(draw(4, "other"), tmp_path / "single", "batch=1"))


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_it_learns_the_same(draw, tmp_path):
    source = draw(4)
    settings = ["optimizer=muon", "precision=32-true"]
    plain, compiled = (
        train(job(source, tmp_path / str(number), *settings, f"compile={wanted}", recipe="pose_pyramid_w32_256x192"))
        for number, wanted in enumerate(("false", "true"))
    )
    assert compiled.history[-1]["loss"] == pytest.approx(plain.history[-1]["loss"], rel=1e-3)


def test_no_compiler_is_told(draw, tmp_path):
    none = torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True})
    with none, pytest.raises(InputError, match=r"compile needs a C\+\+ compiler.*compile=false"):
        train(job(draw(4), tmp_path / "out", "compile=true", recipe="pose_pyramid_w32_256x192"))


def test_a_killed_worker_is_told(draw, tmp_path, monkeypatch):
    monkeypatch.setattr(PoseDataset, "sample", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(VitruvianError, match=r"was killed.*workers=1.*--resume"):
        train(job(draw(4), tmp_path / "out", "workers=1"))


def test_a_full_disk_keeps_what_was_saved(draw, tmp_path, monkeypatch):
    source = draw(4)
    out = tmp_path / "out"
    train(job(source, out))
    before = {name: (out / name).read_bytes() for name in ("state.ckpt", "last.safetensors")}
    save = torch.save

    def full(content, stream, *arguments, **options):
        save(content, stream, *arguments, **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"No space left.*go on with --resume"):
        train(job(source, out, "epochs=2", resume=True))
    assert (out / "state.ckpt").read_bytes() == before["state.ckpt"]
    assert not list(out.glob(".*.part"))
    monkeypatch.undo()
    train(job(source, out, "epochs=2", resume=True))
    train(job(source, tmp_path / "whole", "epochs=2"))
    assert same(out, tmp_path / "whole")


def test_the_disk_s_own_words_are_passed_on(tmp_path, monkeypatch):
    """What torch makes of a full disk in the middle of a file says nothing to anybody."""

    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            if len(data) > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return len(data)

    monkeypatch.setattr("vitruvian.training.resume.write_beside", lambda path, save: save(Full()))
    files = AtomicCheckpointIO(lambda state: None)
    with pytest.raises(OutputError, match=r"state\.ckpt can't be written: No space left on device; check"):
        files.save_checkpoint({"weights": torch.zeros(10000)}, tmp_path / "state.ckpt")


def test_ctrl_c_while_a_state_is_written_is_ctrl_c(tmp_path, monkeypatch):
    """torch's writer makes an error of its own of it."""

    class Interrupted(io.BytesIO):
        def write(self, data):
            raise KeyboardInterrupt

    monkeypatch.setattr("vitruvian.training.resume.write_beside", lambda path, save: save(Interrupted()))
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO(lambda state: None).save_checkpoint({"weights": torch.zeros(9)}, tmp_path / "state.ckpt")


def test_two_runs_at_once_in_one_folder(draw, tmp_path):
    source, out = draw(4), tmp_path / "out"
    code = (
        f"import filelock; lock = filelock.FileLock({str(out / '.lock')!r}); lock.acquire(); print(flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(InputError, match="out: a run is writing there"):
            train(job(source, out))
        assert [path.name for path in out.iterdir()] == [".lock"]
        other.kill()
    # The system lets go of what a killed run held.
    assert train(job(source, out)).model.is_file()


def test_folders_with_another_run(draw, tmp_path):
    source = draw(4)
    out = tmp_path / "out"
    first = job(source, out)
    with pytest.raises(InputError, match="nothing to resume from"):
        train(replace(first, resume=True))
    train(first)
    with pytest.raises(InputError, match="has a run already"):
        train(first)
    with pytest.raises(InputError, match=r"lr was 0\.001, is 0\.1"):
        train(job(source, out, "lr=0.1", resume=True))
    with pytest.raises(InputError, match="the seed differs"):
        train(job(source, out, seed=3, resume=True))
    # Networks that the state doesn't fit.
    with pytest.raises(InputError, match="width was 8, is 16"):
        train(job(source, out, "width=16", resume=True))
    with pytest.raises(InputError, match=r"has another run: model was pose_hrnet_w32_256x192, is simdr[^,]*\."):
        train(job(source, out, resume=True, recipe="simdr_hrnet_w32_256x192"))
    (tmp_path / "unlike.yaml").write_text("flip_pairs: [[left_eye, right_hip]]\n")
    with pytest.raises(InputError, match="the data differs"):
        train(job(source, out, skeleton=tmp_path / "unlike.yaml", resume=True))
    with pytest.raises(InputError, match="the data differs"):
        train(job(draw(4, "other", names=("a", "b", "nose")), out, resume=True))
    assert read_recipe(out / "recipe.yaml") == first.recipe
    torch.save({"epoch": 3}, out / "state.ckpt")
    with pytest.raises(InputError, match="is no state of a run"):
        train(replace(first, resume=True))
    (out / "state.ckpt").write_bytes(b"broken")
    with pytest.raises(InputError, match="is no state of training"):
        train(replace(first, resume=True))


def _other(state, path, value):
    *parents, last = path
    for key in parents:
        state = state[key]
    state[last] = value


CHANGED = {
    "nothing else": lambda state: [state.pop(key) for key in list(state) if key != "callbacks"],
    "weights": lambda state: state["state_dict"].popitem(),
    "a shape": lambda state: _other(state, ["state_dict", next(iter(state["state_dict"]))], torch.zeros(1, 2, 3)),
    "no optimiser": lambda state: _other(state, ["optimizer_states"], []),
    "another optimiser": lambda state: _other(state, ["optimizer_states", 0], {"state": 5}),
    "steps": lambda state: _other(state, ["loops", "fit_loop"], {}),
    "history": lambda state: _other(rounds(state), ["history"], [{"epoch": "x"}]),
    "history that is none": lambda state: _other(rounds(state), ["history"], 7),
    "recipe": lambda state: _other(rounds(state), ["recipe"], "{"),
    "deep recipe": lambda state: _other(rounds(state), ["recipe"], "[" * 100_000),
    "identity": lambda state: _other(rounds(state), ["identity"], 5),
    "callbacks": lambda state: _other(state, ["callbacks"], [1]),
    "threads": lambda state: _other(state["callbacks"]["ThreadCount"], ["threads"], 10**7),
}


def rounds(state):
    return next(value for key, value in state["callbacks"].items() if "TrainingCallback" in key)


def message_of(resumed):
    """What a run that can't go on says, "" where it goes on."""
    try:
        train(resumed)
    except InputError as error:
        return str(error)
    return ""


def test_a_state_that_was_changed(draw, tmp_path):
    source, out = draw(4), tmp_path / "out"
    first = job(source, out)
    train(first)
    whole = (out / "state.ckpt").read_bytes()
    said = {}
    for name, change in CHANGED.items():
        state = torch.load(io.BytesIO(whole), weights_only=True)
        change(state)
        torch.save(state, out / "state.ckpt")
        said[name] = message_of(replace(first, resume=True))
    wanted = re.compile(r"[^\n]*state\.ckpt (is damaged, or was changed|is no state)[^\n]*")
    assert {name: text for name, text in said.items() if not wanted.fullmatch(text)} == {}
    for harm in (b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\xc0\x00\x85R.", b"\x80\x02cos\nsystem\n."):
        (out / "state.ckpt").write_bytes(harm)
        with pytest.raises(InputError, match="is no state of training"):
            train(replace(first, resume=True))
    (out / "state.ckpt").write_bytes(whole)
    assert train(replace(first, resume=True)).model.is_file()


def test_progress_is_told_every_few_seconds(draw, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "vitruvian")
    monkeypatch.setattr("vitruvian.training.callbacks.PROGRESS_SECONDS", 0)
    train(job(draw(8), tmp_path / "out", "batch=2", "epochs=2"))
    lines = [re.match(r"epoch (\d) of 2, batch (\d) of 4: loss \S+, (\S+) samples/s, about \d+ \w+ left", text)
             for text in caplog.messages]  # fmt: skip
    found = [match.groups() for match in lines if match]
    assert [pair[:2] for pair in found] == [(epoch, batch) for epoch in "12" for batch in "234"]
    assert all(float(rate) > 0 for *_, rate in found)
    caplog.clear()
    train(job(draw(4, "other"), tmp_path / "bar", "batch=2", progress=True))
    assert "samples/s" not in caplog.text


def test_a_loss_of_0_is_an_error(draw, tmp_path):
    """All keypoints lie outside of their crops, where no heatmap has a place for them."""
    source = draw(4)
    content = json.loads(Path(source.annotations).read_text())
    for person in content["annotations"]:
        person["bbox"] = [2, 2, 4, 4]
        person["keypoints"] = [value for _ in range(5) for value in (150, 110, 2)]
    Path(source.annotations).write_text(json.dumps(content))
    settings = ["rotation=0", "scale=0", "half_body_prob=0"]
    with pytest.raises(InputError, match="the loss is 0 in epoch 1: no keypoint counts"):
        train(job(source, tmp_path / "out", *settings))
