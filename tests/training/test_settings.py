"""Earlier names of settings, in recipes, on the command line and in states of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vitruvian import InputError
from vitruvian.training import DetectorRecipe, Job, read_recipe, read_settings, train
from vitruvian.training.resume import with_current_names

POSE, DETECTOR = "pose_hrnet_w32_256x192", "person_csp_w32_416x416"
# Each setting as recipes once had it, and the field that it sets now.
EARLIER_POSE = {
    **{"rate: 0.002": ("lr", 0.002), "rate_steps: [3, 5]": ("milestones", (3, 5)), "rate_factor: 0.2": ("gamma", 0.2)},
    **{
        "decay: cosine": ("lr_decay", "cosine"),
        "warmup: 7": ("warmup_steps", 7),
        "clip: 2": ("gradient_clip_val", 2.0),
    },
    **{"accumulate: 3": ("accumulate_grad_batches", 3), "sync_norm: true": ("sync_batchnorm", True)},
    **{"ema: 0.5": ("ema_decay", 0.5), "evaluate_every: 4": ("val_interval", 4), "hardest: 8": ("ohkm_topk", 8)},
    **{"reduced: false": ("reduced_decoding", False), "backbone_rate: 0.1": ("backbone_lr_mult", 0.1)},
    **{"match: 0.3": ("distill_weight", 0.3), "flip: 0.1": ("flip_prob", 0.1), "erase: 0.3": ("erasing_prob", 0.3)},
    **{"rotation_probability: 0.2": ("rotation_prob", 0.2), "half_body: 0.2": ("half_body_prob", 0.2)},
    **{"colour: 0.3": ("color_jitter", 0.3)},
}
EARLIER_DETECTOR = {
    **{"doubtful: 0.1": ("conf_low", 0.1), "certain: 0.9": ("conf_high", 0.9), "plain: 0.4": ("close_mosaic", 0.4)},
    **{"smallest: 0.6": ("scale_min", 0.6), "largest: 1.2": ("scale_max", 1.2), "match: 0.3": ("distill_weight", 0.3)},
    **{"flip: 0.1": ("flip_prob", 0.1), "colour: 0.1": ("color_jitter", 0.1), "rate: 0.002": ("lr", 0.002)},
}
BOTH = pytest.mark.parametrize(
    ("kind", "model", "earlier"),
    [(type(read_recipe(POSE)), POSE, EARLIER_POSE), (DetectorRecipe, DETECTOR, EARLIER_DETECTOR)],
)


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "new names" in record.getMessage()]


@BOTH
def test_recipe_files_with_earlier_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind, model, earlier
) -> None:
    caplog.set_level("INFO", "vitruvian")
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join([f"model: {model}", *earlier]))
    recipe = read_settings(kind, path)
    for name, value in earlier.values():
        assert getattr(recipe, name) == value, name
    (note,) = notes(caplog)
    assert note.startswith(f"{path}: ")
    assert "rate is now lr" in note


@BOTH
def test_the_command_line_with_earlier_names(caplog, kind, model, earlier) -> None:
    caplog.set_level("INFO", "vitruvian")
    recipe = read_settings(kind, model, [setting.replace(": ", "=") for setting in earlier])
    for name, value in earlier.values():
        assert getattr(recipe, name) == value, name
    (note,) = notes(caplog)
    assert note.startswith("--set: ")
    assert "match is now distill_weight" in note


def test_a_setting_under_both_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--set: rate is the earlier name of lr; give one of them"):
        read_recipe(POSE, ["rate=0.1", "lr=0.2"])
    path = tmp_path / "mine.yaml"
    path.write_text(f"model: {POSE}\nclip: 1\ngradient_clip_val: 2\n")
    with pytest.raises(InputError, match=r"mine\.yaml: clip is the earlier name of gradient_clip_val"):
        read_recipe(path)
    # The command line replaces a recipe's setting, whatever each calls it.
    path.write_text(f"model: {POSE}\nclip: 1\n")
    assert read_recipe(path, ["gradient_clip_val=2"]).gradient_clip_val == 2
    assert read_recipe(path, ["clip=3"]).gradient_clip_val == 3


def test_current_names_have_no_note(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "vitruvian")
    read_recipe(POSE, ["lr=0.1"])
    assert not notes(caplog)


@pytest.mark.filterwarnings("default")
def test_states_with_earlier_names(draw, tmp_path: Path) -> None:
    """A state as it once was: other names of settings and callbacks."""
    small = ["width=8", "input_size=64x64", "batch=4", "workers=0", "init=none", "val_interval=1", "milestones=1,2"]
    small += ["ema_decay=0.9", "warmup_steps=2"]
    source = draw(4)

    def job(name: str, epochs: int, *settings: str, **more: Any) -> Job:
        recipe = read_recipe(POSE, [*small, f"epochs={epochs}", *settings])
        return Job(recipe, (source,), tmp_path / name, **more)

    train(job("broken", 1))
    train(job("whole", 2))
    path = tmp_path / "broken/state.ckpt"
    state = torch.load(path, weights_only=True)
    own = state["callbacks"].pop("TrainingCallback")
    recipe = json.loads(own["recipe"])
    for setting, (name, _) in EARLIER_POSE.items():
        recipe[setting.partition(":")[0]] = recipe.pop(name)
    assert not {"lr", "milestones", "val_interval"} & recipe.keys()
    state["callbacks"]["Rounds"] = {**own, "recipe": json.dumps(recipe)}
    state["callbacks"]["SameSums"] = state["callbacks"].pop("ThreadCount")
    torch.save(state, path)

    with pytest.raises(InputError, match=r"another run: lr was 0\.001, is 0\.1"):
        train(job("broken", 2, "lr=0.1", resume=True))
    train(job("broken", 2, resume=True))
    ours, theirs = (torch.load(tmp_path / name / "state.ckpt", weights_only=True) for name in ("broken", "whole"))
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])
    assert ours["callbacks"].keys() == theirs["callbacks"].keys()


def test_other_files_stay_as_they_are() -> None:
    for state in ({"epoch": 3}, {"callbacks": None}, {"callbacks": {"Other": {"total": 1}}}):
        assert with_current_names(state) == state
