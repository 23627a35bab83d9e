"""Cards go through JSON unchanged, and what no network could be fed with is refused."""

import json
from dataclasses import asdict, replace

import pytest

from vitruvian import COCO17, ModelCard, ModelError
from vitruvian.cards import DetectorOptions, SimDROptions

CARD = ModelCard("net", "pose", "simdr", (256, 192), options=SimDROptions(split=2.0, softmax=False), skeleton=COCO17)
FOUND = ModelCard(
    "det", "detection", "yolov5", (640, 640), (0, 0, 0), (255, 255, 255), options=DetectorOptions(person=1)
)


@pytest.mark.parametrize("card", [CARD, FOUND, replace(CARD, options=None, padding=1.1, bgr=True)])
def test_json_and_back(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card


@pytest.mark.parametrize(
    "changes",
    [
        {"std": [0, 1, 1]},
        {"std": ["a", 1, 1]},
        {"mean": [1, 1]},
        {"mean": [float("nan"), 1, 1]},
        {"padding": 0},
        {"padding": float("nan")},
        {"input_size": [0, 0]},
        {"input_size": [256]},
        {"input_size": [256.5, 192]},
        {"name": [1]},
        {"bgr": "x"},
        {"task": "segmentation"},
        {"options": {"split": "a"}},
        {"options": {"split": 0}},
        {"options": {"person": "x"}},
        {"options": {"person": -1}},
        {"options": {"stride": -5}},
        {"options": {"aligned": "no"}},
        {"options": [1]},
        {"skeleton": None},
        {"colour": "blue"},
        {"padding": 10**400},
        {"skeleton": {"name": "a", "keypoints": ["b"], "limbs": [[float("inf"), 0]], "sigmas": []}},
        {"skeleton": {"name": "a", "keypoints": ["b"], "limbs": [], "sigmas": [10**400]}},
    ],
    ids=str,
)
def test_what_no_network_could_be_fed_with_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        ModelCard.from_json(json.dumps({"version": 2, **asdict(CARD), **changes}))
