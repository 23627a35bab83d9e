"""Files are known by their shapes and their card, never by their name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, ModelCard, ModelError, Skeleton
from vitruvian.cards import HeatmapOptions, SimDROptions
from vitruvian.runtimes import open_runtime
from vitruvian.zoo import load, load_detector, load_pose, recognise

POSE = ("N", 3, 256, 192)
ANY = ("N", 3, "H", "W")


def outputs(*shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {f"output{i}": np.zeros(shape, np.float32) for i, shape in enumerate(shapes)}


def card_of(file: Path, size: tuple[int, int] | None = None) -> ModelCard:
    return recognise(open_runtime(file), size)


@pytest.mark.parametrize(
    ("name", "family", "size"),
    [
        ("tinypose_256x192.onnx", "heatmap", (256, 192)),
        ("rtmdet_nano_person.onnx", "rtmdet", (640, 640)),
        ("yolox_nano.onnx", "yolox", (416, 416)),
    ],
)
def test_real_files_under_any_name(shared: Path, tmp_path: Path, name: str, family: str, size: tuple[int, int]) -> None:
    disguised = tmp_path / "model.onnx"
    disguised.symlink_to(shared / "models" / name)
    card = card_of(disguised)
    assert (card.family, card.input_size) == (family, size)


def test_heatmaps_and_their_stride(make_onnx) -> None:
    card = card_of(make_onnx(outputs((5, 64, 48)), input_shape=POSE))
    assert (card.task, card.family, card.options) == ("pose", "heatmap", HeatmapOptions(stride=4))
    assert card.skeleton is not None
    assert len(card.skeleton) == 5
    assert card_of(make_onnx(outputs((17, 128, 96)), input_shape=POSE)).options == HeatmapOptions(stride=2)


@pytest.mark.parametrize(("split", "bins"), [(2.0, (384, 512)), (1.5, (288, 384)), (1.0, (192, 256))])
def test_simcc_pairs_and_their_split(make_onnx, split: float, bins: tuple[int, int]) -> None:
    card = card_of(make_onnx(outputs((17, bins[0]), (17, bins[1])), input_shape=POSE))
    assert card.family == "simdr"
    assert card.options.split == split
    assert card.skeleton is not None
    assert card.skeleton.name == "coco17"


@pytest.mark.parametrize(
    "shapes",
    [
        [(1000,)],
        [(64, 48, 17)],  # heatmaps with the keypoints last
        [(17, 384), (17, 500)],  # bins that don't fit one split
        [(17, 384), (16, 512)],
        [(3, 64, 48), (17, 64, 48)],
        [(25200, 85)],
    ],
)
def test_what_fits_nothing_is_refused_with_its_shapes(make_onnx, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match=r"neither a detector nor a pose net.*" + str(shapes[0][0])):
        card_of(make_onnx(outputs(*shapes), input_shape=POSE))


def test_other_inputs_are_refused(make_onnx) -> None:
    with pytest.raises(ModelError, match="one input"):
        card_of(make_onnx(outputs((17, 64, 48)), input_shape=("N", 1, 256, 192)))
    with pytest.raises(ModelError, match="one input"):
        card_of(make_onnx(outputs((17, 64, 48)), input_shape=("N", 768)))


def test_sizes_that_the_file_does_not_take_are_refused(make_onnx) -> None:
    fixed = make_onnx(outputs((3549, 85)), input_shape=(1, 3, 416, 416))
    assert card_of(fixed, (416, 416)).family == "yolox"
    with pytest.raises(ModelError, match="416x416"):
        card_of(fixed, (640, 640))
    with pytest.raises(ModelError, match="multiples of 32"):
        load_detector(make_onnx(outputs((10, 5), (10,)), input_shape=ANY), 300)


CARD = ModelCard(
    "mine",
    "pose",
    "simdr",
    (64, 48),
    mean=(1.0, 2.0, 3.0),
    std=(4.0, 5.0, 6.0),
    bgr=True,
    options=SimDROptions(split=2.0, sigma=6.0),
    padding=1.1,
    skeleton=Skeleton("two", ("left_a", "right_a"), ((0, 1),), (0.1, 0.2)),
)


def test_a_card_in_the_file_outweighs_the_shapes(make_onnx) -> None:
    shape = ("N", 3, 64, 48)
    file = make_onnx(outputs((2, 96), (2, 128)), input_shape=shape, metadata={"vitruvian": CARD.to_json()})
    assert card_of(file) == CARD
    assert load_pose(file).codec.softmax is True  # the card says nothing of it, so the codec's own default


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"name": 1}', json.dumps(json.loads(CARD.to_json()) | {"extra": 1})]
)
def test_a_card_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="model card"):
        ModelCard.from_json(text)


def test_a_pose_card_without_skeleton_or_codec_is_refused(make_onnx) -> None:
    with pytest.raises(ModelError, match="skeleton"):
        ModelCard.from_json(replace(CARD, skeleton=None).to_json())
    odd = CARD.to_json().replace('"simdr"', '"runes"')
    assert odd != CARD.to_json()
    with pytest.raises(ModelError, match="runes"):
        load_pose(make_onnx(outputs((2, 96)), input_shape=("N", 3, 64, 48), metadata={"vitruvian": odd}))


def test_models_in_each_others_place_say_so(make_onnx) -> None:
    pose = make_onnx(outputs((17, 64, 48)), input_shape=POSE, name="pose.onnx")
    detector = make_onnx(outputs((10, 5), (10,)), input_shape=ANY, name="detector.onnx")
    with pytest.raises(ModelError, match=r"detector\.onnx is a detector"):
        load(pose=detector)
    with pytest.raises(ModelError, match=r"pose\.onnx is a pose net"):
        load(pose=pose, detector=pose)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"score": 1.5}, "score"),
        ({"iou": -1}, "iou"),
        ({"iou": float("nan")}, "iou"),
        ({"max_persons": 0}, "max_persons"),
    ],
)
def test_arguments_out_of_range(make_onnx, arguments: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_detector(make_onnx(outputs((10, 5), (10,)), input_shape=ANY), **arguments)


def test_with_the_wrong_refinement(make_onnx) -> None:
    simcc = make_onnx(outputs((17, 384), (17, 512)), input_shape=POSE)
    with pytest.raises(InputError, match="refine"):
        load(pose=simcc, refine="dark")
    heatmap = make_onnx(outputs((17, 64, 48)), input_shape=POSE)
    assert load_pose(heatmap, refine="dark").codec.refine == "dark"
