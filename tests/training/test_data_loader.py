"""In which order persons come, and what a sample depends on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError, codecs
from vitruvian.datasets import read_persons
from vitruvian.training.data_loader import BatchOrder, ResumableLoader
from vitruvian.training.pose.augmentation import NO_AUGMENTATION, PoseAugmentation
from vitruvian.training.pose.job import make_card
from vitruvian.training.pose.recipe import Recipe
from vitruvian.training.pose.samples import PoseDataset


def rows(batches: BatchOrder) -> list[list[int]]:
    return [[row for _, row, _ in batch] for batch in batches]


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def samples_of(source, augmentation=NO_AUGMENTATION, model="pose_hrnet_w32_256x192") -> PoseDataset:
    persons = read_persons([source])
    card = make_card(Recipe(model, input_size=(64, 64)), persons, "test")
    return PoseDataset(persons, card, codecs.create(card.family, card.input_size, card.options), augmentation, 0)


def test_an_epoch_has_everybody_once_in_an_order_of_its_own():
    batches = BatchOrder(np.ones(12), 4, seed=3)
    first = rows(batches)
    assert sorted(flat(first)) == list(range(12))
    assert rows(batches) == first
    batches.set_epoch(1)
    second = rows(batches)
    assert second != first
    assert sorted(flat(second)) == list(range(12))
    assert rows(BatchOrder(np.ones(12), 4, seed=4)) != first


def test_the_last_batch_is_filled_up():
    batches = rows(BatchOrder(np.ones(5), 4, seed=0))
    assert [len(batch) for batch in batches] == [4, 4]
    everybody = flat(batches)
    assert everybody[5:] == everybody[:3]
    assert rows(BatchOrder(np.ones(2), 4, seed=0, shuffle=False)) == [[0, 1, 0, 1]]


def test_two_processes_share_the_batches_of_one():
    whole = rows(BatchOrder(np.ones(16), 4, seed=0))
    halves = [rows(BatchOrder(np.ones(16), 2, seed=0, rank=rank, world=2)) for rank in (0, 1)]
    assert [first + second for first, second in zip(*halves, strict=True)] == whole


def test_weights_are_how_often_a_person_comes():
    batches = BatchOrder(np.array([2.0] * 10 + [0.5] * 400), 10, seed=0)
    keys = batches.keys(0)
    counts = np.bincount(keys[:, 0], minlength=410)
    assert (counts[:10] >= 2).all()
    assert counts[10:].sum() == pytest.approx(200, abs=40)
    assert {tuple(key) for key in keys[keys[:, 0] == 3].tolist()} >= {(3, 0), (3, 1)}
    assert not np.array_equal(np.sort(keys[:, 0]), np.sort(batches.keys(1)[:, 0]))


def test_a_sample_depends_on_seed_epoch_and_person_alone(draw):
    samples = samples_of(draw(3), PoseAugmentation())
    sample = samples[0, 1, 0]
    assert np.array_equal(sample.image, samples[0, 1, 0].image)
    assert not np.array_equal(sample.image, samples[1, 1, 0].image)
    assert not np.array_equal(sample.image, samples[0, 1, 1].image)
    samples.seed = 5
    assert not np.array_equal(sample.image, samples[0, 1, 0].image)


@pytest.mark.parametrize("model", ["pose_hrnet_w32_256x192", "psa_p_hrnet_w48_256x192"])
def test_dots_of_the_data_lie_where_their_keypoints_say(draw, model):
    # The nose is drawn blue, the hips yellow (left) and cyan (right): their sides must agree with the mirror.
    samples = samples_of(draw(4), replace(NO_AUGMENTATION, flip_prob=0.5, rotation=20.0, rotation_prob=1.0), model)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])
    mirrored = 0
    for epoch in range(6):
        sample = samples[epoch, epoch % 4, 0]
        order = [1, 0, 2, 4, 3]
        points = np.clip(sample.keypoints.round().astype(int), 0, 63)
        seen = sample.image[points[:, 1], points[:, 0]].astype(int)
        right = np.abs(seen - colours).sum(axis=1) < 120
        swapped = np.abs(seen - colours[order]).sum(axis=1) < 120
        assert right.sum() >= 4 or swapped.sum() >= 4
        mirrored += int(swapped[0] and not right[0])
    assert 0 < mirrored < 6


def test_a_damaged_picture_is_replaced_and_named(draw):
    source = draw(3)
    path = Path(source.images, "2.png")
    path.write_bytes(b"broken")
    samples = samples_of(source)
    batch = samples.collate([samples[0, 1, 0], samples[0, 0, 0]])
    assert [name.split()[1] for name in batch["names"]] == ["3", "1"]
    assert len(batch["problems"]) == 1
    assert "2.png" in batch["problems"][0]
    for number in (1, 3):
        Path(source.images, f"{number}.png").write_bytes(b"broken")
    with pytest.raises(InputError, match="3 pictures in a row"):
        samples[0, 0, 0]


def test_soft_labels_weigh_less(draw):
    samples = samples_of(draw(2))
    samples.persons.confidences[0, 2] = 0.25
    batch = samples.collate([samples[0, 0, 0]])
    assert batch["targets"][-1].tolist() == [[1, 1, 0.25, 1, 1]]
    assert batch["images"].shape == (1, 64, 64, 3)
    assert batch["targets"][0].shape == (1, 5, 16, 16)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_goes_on_where_it_was(draw, workers):
    samples = samples_of(draw(8), PoseAugmentation())

    def loader() -> ResumableLoader:
        return ResumableLoader(samples, BatchOrder(samples.persons.copies, 2, seed=0), workers)

    whole = loader()
    batches = [batch["images"].numpy() for batch in whole]
    broken = loader()
    iterator = iter(broken)
    next(iterator)
    state = broken.state_dict()
    assert state == {"epoch": 0, "given": 1}
    again = loader()
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert all(np.array_equal(a["images"].numpy(), b) for a, b in zip(again, batches[1:], strict=True))
    assert whole.state_dict() == {"epoch": 1, "given": 0}


def test_half_bodies_grow_by_half_as_in_the_release(draw):
    names = ("left_eye", "right_eye", "nose", "left_shoulder", "right_shoulder")
    vary = replace(NO_AUGMENTATION, half_body_prob=1.0, half_body_keypoints=3)
    # A single hip is too little of a lower half.
    samples = samples_of(draw(4, names=(*names, "left_hip")), vary)
    for row in range(4):
        points = samples[(0, row, 0)].keypoints[: len(names)]
        # The longer side is the crop but for what it grew by; the other one is no longer.
        assert np.ptp(points, axis=0).max() == pytest.approx(64 / 1.5, rel=1e-4)
