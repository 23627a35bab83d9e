"""Distillation: learning another net's outputs, and another net's keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitruvian import InputError, codecs, networks
from vitruvian.cards import ModelCard
from vitruvian.checkpoints.model_files import save_model
from vitruvian.datasets import read_persons
from vitruvian.export import export
from vitruvian.geometry import crop, crop_affines
from vitruvian.media import read_image
from vitruvian.models import describe
from vitruvian.skeletons import Skeleton, unnamed
from vitruvian.training import Job, read_recipe, train
from vitruvian.training.pose.distillation import PoseTeacher

pytestmark = pytest.mark.filterwarnings("default")  # Lightning's and torch's own

SMALL = ["width=8", "input_size=64x64", "batch=4", "workers=0", "init=none", "epochs=2", "lr=0.002", "warmup_steps=0"]


def saved(path, name: str, **options):
    """A net with random weights, sure of what it returns, as training writes it; its card and itself."""
    torch.manual_seed(1)
    spec = replace(networks.spec(name), **{"width": 8, "input_size": (64, 64), **options})
    network = networks.build(spec, 5).eval()
    with torch.no_grad():
        if describe(spec, "teacher", 5).family == "heatmap":
            network.final_layer.weight.mul_(100)
    card = replace(describe(spec, "teacher", 5), skeleton=unnamed(5))
    save_model(path, network.state_dict(), card, spec)
    return card, network


def codec_of(card: ModelCard) -> codecs.Codec:
    return codecs.create(card.family, card.input_size, card.options)


@pytest.mark.parametrize("name", ["pose_hrnet_w32_256x192", "pose_pyramid_w32_256x192", "simdr_hrnet_w32_256x192"])
def test_a_network_agrees_with_itself(tmp_path, name):
    """What a net is taught by its own copy is what it returns already, in the units of its targets."""
    card, network = saved(tmp_path / "teacher.safetensors", name)
    teacher = PoseTeacher(str(tmp_path / "teacher.safetensors"), codec_of(card), unnamed(5))
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    *targets, weights = teacher(crops)
    pixels = (torch.from_numpy(crops) - torch.tensor(card.mean)) / torch.tensor(card.std)
    with torch.no_grad():
        outputs = network(pixels.permute(0, 3, 1, 2))
    if card.family == "simdr":
        expected = [output.softmax(2) for output in outputs]
    elif "pyramid" in name:
        gaussian = 2 * np.pi * 2.0**2
        expected = [outputs.flatten(2).softmax(2).view_as(outputs) * gaussian]
    else:
        expected = [outputs]
    for ours, theirs in zip(targets, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert weights.shape == (3, 5)
    assert ((weights >= 0) & (weights <= 1)).all()


@pytest.mark.parametrize(
    ("teacher", "options", "message"),
    [
        ("simdr_hrnet_w32_256x192", {}, "it returns 128x128 bins"),
        ("psa_p_hrnet_w48_256x192", {}, "aligned crops"),
        ("pose_hrnet_w32_256x192", {"input_size": (96, 64)}, "heatmaps 24x16"),
        ("rle_resnet50_256x192", {}, "it returns coordinates"),
    ],
)
def test_what_cannot_teach(tmp_path, teacher, options, message):
    own, _ = saved(tmp_path / "own.safetensors", "pose_hrnet_w32_256x192")
    saved(tmp_path / "teacher.safetensors", teacher, **options)
    with pytest.raises(InputError, match=rf"{message}.*vitruvian predict --json"):
        PoseTeacher(str(tmp_path / "teacher.safetensors"), codec_of(own), unnamed(5))


def test_coordinates_teach_nothing_even_alike(tmp_path):
    own, _ = saved(tmp_path / "own.safetensors", "rle_resnet50_256x192")
    with pytest.raises(InputError, match="can't teach"):
        PoseTeacher(str(tmp_path / "own.safetensors"), codec_of(own), unnamed(5))


def test_an_onnx_teacher_pulls_towards_itself(draw, tmp_path):
    """The more the teacher counts beside the annotations, the closer to its outputs a network comes."""
    source, name = draw(4), "pose_pyramid_w32_256x192"
    saved(tmp_path / "teacher.safetensors", name)
    onnx = export(tmp_path / "teacher.safetensors", tmp_path / "teacher.onnx").path
    persons = read_persons([source])
    affines = crop_affines(persons.boxes, (64, 64), aligned=True)
    pictures = [read_image(file) for file in persons.files[persons.pictures]]
    crops = np.concatenate([crop(*pair, (64, 64)) for pair in zip(pictures, affines[:, None], strict=True)])
    plain = ["lr_decay=steps", "precision=32-true", "ema_decay=0"]
    plain += ["flip_prob=0", "rotation=0", "scale=0", "half_body_prob=0", "color_jitter=0"]
    distances = []
    for weight in (1e-6, 1e3):
        recipe = read_recipe(
            name,
            [*SMALL, f"distill_weight={weight}", "sigma=2", "epochs=30", *plain],
        )
        done = train(Job(recipe, (source,), tmp_path / f"run{weight}", teacher=str(onnx)))
        taught, learned = (
            PoseTeacher(str(model), codecs.Heatmap((64, 64), aligned=True), unnamed(5)) for model in (onnx, done.model)
        )
        distances.append(float((taught(crops)[0] - learned(crops)[0]).square().mean()))
    assert distances[1] < distances[0] / 2


def test_a_teacher_whose_keypoints_come_in_another_order(tmp_path):
    card, network = saved(tmp_path / "own.safetensors", "pose_hrnet_w32_256x192")
    own = Skeleton("own", ("a", "b", "c", "d", "e"))
    other = replace(card, skeleton=Skeleton("other", ("b", "a", "c", "d", "e")))
    spec = replace(networks.spec("pose_hrnet_w32_256x192"), width=8, input_size=(64, 64))
    save_model(tmp_path / "teacher.safetensors", network.state_dict(), other, spec)
    with pytest.raises(InputError, match=r"teacher.safetensors returns b, a, c, d, e, the annotations have a, b"):
        PoseTeacher(str(tmp_path / "teacher.safetensors"), codec_of(card), own)
