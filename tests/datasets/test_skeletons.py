"""Whose sigmas OKS is measured with."""

from __future__ import annotations

import pytest

from vitruvian import COCO17, InputError, Skeleton
from vitruvian.datasets.skeletons import with_sigmas

NAMES = ("k0", "left_1", "right_1")


def test_sigmas_of_the_model_come_first_then_those_of_the_file():
    model, file = Skeleton("m", NAMES, sigmas=(0.1, 0.1, 0.1)), Skeleton("f", NAMES, sigmas=(0.2, 0.2, 0.2))
    found, origin = with_sigmas(file, model)
    assert (found.sigmas, origin) == (model.sigmas, "the model's skeleton m")
    found, origin = with_sigmas(file, Skeleton("m", NAMES))
    assert (found.sigmas, origin) == (file.sigmas, "the annotations")


def test_sigmas_of_a_model_of_something_else_are_not_taken():
    animal = Skeleton("animal", tuple(f"part_{number}" for number in range(17)))
    found, origin = with_sigmas(animal, COCO17)
    assert found.sigmas != COCO17.sigmas
    assert "neither the model nor the file" in origin


def test_sigmas_by_name_are_crowdpose_s():
    names = [
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ]
    found, _ = with_sigmas(Skeleton("crowdpose", (*names, "head", "neck")), Skeleton("m", tuple(map(str, range(14)))))
    # As published with CrowdPose's evaluation.
    assert found.sigmas == (
        *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107),
        *(0.087, 0.087, 0.089, 0.089, 0.079, 0.079),
    )


@pytest.mark.parametrize("names", [("k0", "left_1"), ("k0", "right_1", "left_1")])
def test_a_model_of_other_keypoints_is_refused(names):
    with pytest.raises(InputError, match="they must be the same, in one order"):
        with_sigmas(Skeleton("f", NAMES), Skeleton("m", names))
