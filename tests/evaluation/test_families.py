"""A network of every family, with random weights, through evaluation with both kinds of boxes and the flip test."""

from __future__ import annotations

import numpy as np
import pytest

import vitruvian as vt
from coco_examples import BOXES, annotations, person
from vitruvian import COCO17, ModelCard, PoseEstimator, codecs
from vitruvian.cards import OPTIONS
from vitruvian.evaluation import evaluate_coco

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

# Family, codec, its options, and what makes the network slim enough for a test.
FAMILIES = [
    ("pose_hrnet_w32_256x192", "heatmap", {}, {"width": 8}),
    ("simdr_hrnet_w32_256x192", "simdr", {}, {"width": 8}),
    ("sa_simdr_hrnet_w48_256x192", "simdr", {"sigma": 4.0}, {"width": 8}),
    ("rle_resnet50_256x192", "regression", {}, {}),
    ("psa_p_hrnet_w48_256x192", "heatmap", {"refine": "dark"}, {"width": 16}),
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Torch's threads wait for each other busily, which takes minutes on a machine that others use too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class TorchRuntime:
    """A network as an engine."""

    def __init__(self, network) -> None:
        self.network = network.eval()

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        with torch.inference_mode():
            outputs = self.network(torch.from_numpy(batch))
        return tuple(item.numpy() for item in ([outputs] if isinstance(outputs, torch.Tensor) else outputs))


def make(name: str, family: str, options: dict, slim: dict) -> PoseEstimator:
    torch.manual_seed(0)
    network = vt.networks.create(name, num_keypoints=17, **slim)
    card = ModelCard(name, "pose", family, (256, 192), options=OPTIONS[family](**options), skeleton=COCO17)
    return PoseEstimator(card, TorchRuntime(network), codecs.create(family, card.input_size, card.options))


@pytest.fixture(scope="module", params=FAMILIES, ids=[family[0] for family in FAMILIES])
def pose(request) -> PoseEstimator:
    return make(*request.param)


@pytest.mark.parametrize("detected", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_evaluation_runs(pose, made, detected, flip):
    rng = np.random.default_rng(1)
    persons = []
    for image in (1, 2):
        for box in BOXES:
            points = np.concatenate([rng.uniform(0, 30, (17, 2)) + box[:2], np.full((17, 1), 2)], axis=1)
            persons.append(person(len(persons) + 1, image, points, bbox=box, area=600.0))
    data = annotations(17, images=3, persons=persons)
    data["categories"][0]["keypoints"] = list(COCO17.keypoints)
    metrics = evaluate_coco(pose, data, made.images, made.detector() if detected else None, flip)
    assert metrics.persons == (6 if detected else 4)
    assert 1 <= len(metrics.results) <= metrics.persons
    assert all(0 <= metrics.keypoints[name] <= 1 for name in ("AP", "AP50", "AR"))
    assert np.isfinite([result["keypoints"] for result in metrics.results]).all()
    assert metrics.procedure.flip == flip


def test_a_mirrored_picture_has_mirrored_keypoints():
    # With the flip test both pictures average the same two answers, whatever the network says.
    pose = make("rle_resnet50_256x192", "regression", {}, {})
    image = np.random.default_rng(0).integers(0, 255, (256, 192, 3), np.uint8)
    double = PoseEstimator(pose.card, pose.runtime, pose.codec, flip=True)
    # The whole picture, so that the crop is the picture: pixel p mirrors to 191 - p.
    outputs = double.outputs(np.stack([image, image[:, ::-1]]))
    (straight, mirrored), scores = pose.codec.decode(outputs)
    order = np.arange(17)
    for left, right in COCO17.flip_pairs:
        order[[left, right]] = right, left
    assert mirrored[order, 0] == pytest.approx(191 - straight[:, 0], abs=1e-3)
    assert mirrored[order, 1] == pytest.approx(straight[:, 1], abs=1e-3)
    assert scores[1, order] == pytest.approx(scores[0], abs=1e-5)


def test_the_cards_say_how_authors_ranked(pose):
    rescoring = vt.evaluation.Procedure.of(pose, False).rescoring
    assert rescoring == ("sum" if pose.card.family == "regression" else "product")
