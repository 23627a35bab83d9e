"""Recipes: what comes with the package, what people change, and what they mistype."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitruvian import InputError
from vitruvian.models import SPECS, architecture
from vitruvian.training.pose.recipe import Recipe, read_recipe, recipes

HRNET = "pose_hrnet_w32_256x192"


def test_every_pose_net_has_a_recipe():
    # Of ViTPose's eight one, which is for the others too.
    own = {name for name, spec in SPECS.items() if architecture(spec).task == "pose" and "vitpose" not in name}
    assert set(recipes()) == own | {"vitpose_b_256x192"}
    assert read_recipe("vitpose_b_256x192", ["model=vitpose_s_simple_256x192"]).spec.width == 384
    for name in recipes():
        recipe = read_recipe(name)
        assert recipe.model == name
        assert recipe.spec == SPECS[name]
        if any(other in name for other in ("pyramid", "mobilenet", "vitpose")):
            continue
        assert (recipe.lr, recipe.milestones, recipe.init) == (1e-3, (170, 200), "imagenet")
        assert recipe.clip_boxes
        assert recipe.epochs == (270 if name.startswith("rle") else 210)
        assert recipe.scale == (0.25 if name.startswith("rle") else 0.35)
        # HRNet's release halves the batch of W48 at 384x288 to 24 for want of memory; SimDR*'s doesn't.
        assert recipe.batch == (24 if "w48_384x288" in name and not name.startswith("sa_simdr") else 32)
        uniform = recipe.distribution, recipe.rotation_prob
        assert uniform == (("uniform", 0.5) if name.startswith("rle") else ("normal", 0.6))


def test_settings_have_their_types():
    given = ["lr=1e-4", "milestones=3,5", "input_size=128x96", "width=16", "freeze_norm=true", "init=none", "batch=8"]
    recipe = read_recipe(HRNET, given)
    assert (recipe.lr, recipe.milestones, recipe.batch) == (1e-4, (3, 5), 8)
    assert recipe.spec.input_size == (128, 96)
    assert recipe.spec.width == 16
    assert recipe.freeze_norm is True
    assert read_recipe(HRNET, ["milestones=[]"]).milestones == ()
    assert read_recipe(HRNET, ["milestones=7"]).milestones == (7,)


def test_a_recipe_survives_its_file(tmp_path):
    recipe = read_recipe(HRNET, ["lr=1e-5", "input_size=128x96", "ema_decay=0.999"])
    path = tmp_path / "mine.yaml"
    path.write_text(recipe.to_yaml())
    assert read_recipe(path) == recipe


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("gama=1", "did you mean gamma?"),
        ("epoch=1", "did you mean epochs?"),
        ("nothing_like_it_at_all=1", "there are model"),
        ("lr=fast", "must be a number"),
        ("epochs=1.5", "must be a whole number"),
        ("epochs=0", "epochs is 0; it must be 1 or more"),
        ("freeze_norm=2", "must be true or false"),
        ("milestones=a", "whole numbers"),
        ("input_size=1,2,3", "whole numbers"),
        ("input_size=64", "two whole numbers, such as 256x192"),
        ("epochs=.inf", "must be a whole number"),
        ("lr=.inf", "must be a number"),
        ("milestones=[1.5]", "whole numbers"),
        ("workers=100000", "1024 or less"),
        ("split=3", "can't be made with split; its options are input_size, width"),
        ("target_sigma=3", "can't be made with target_sigma"),
        ("input_size=100x100", "multiples of 32"),
        ("width=2", "8 or more"),
        ("ema_decay=1", "below 1"),
        ("optimizer=lion", "one of adam, adamw, sgd, muon"),
        ("precision=8", "one of 32-true"),
        ("flip_prob=7", "flip_prob is 7"),
        ("freeze=9", "0 to 5"),
        ("rate", "key=value"),
    ],
)
def test_what_is_mistyped_is_told(setting, words):
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        read_recipe(HRNET, [setting])


def test_recipes_that_cannot_be(tmp_path: Path):
    with pytest.raises(InputError, match="did you mean pose_hrnet_w32_256x192"):
        read_recipe("pose_hrnet_w32")
    with pytest.raises(InputError, match="a detector"):
        Recipe("yolov5n")
    for other in ("simdr_hrnet_w32_256x192", "pose_pyramid_w32_256x192"):
        with pytest.raises(InputError, match="ohkm_topk is for heatmaps"):
            Recipe(other, ohkm_topk=8)
    with pytest.raises(InputError, match="can't be read"):
        read_recipe(tmp_path / "none.yaml")
    path = tmp_path / "mine.yaml"
    path.write_text("lr: 1\n")
    with pytest.raises(InputError, match="says no model"):
        read_recipe(path)
    path.write_text("- rate\n")
    with pytest.raises(InputError, match="is no recipe"):
        read_recipe(path)
    path.write_text("modell: x\n")
    with pytest.raises(InputError, match=r"mine.yaml: no setting is called modell; did you mean model\?"):
        read_recipe(path)


@pytest.mark.parametrize("name", ["7", "true", "runs: mine/best.pth", "a #b.pth", "null"])
def test_text_is_taken_as_it_is(name):
    assert read_recipe(HRNET, [f"init={name}"]).init == name
