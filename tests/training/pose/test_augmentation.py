"""Augmentation: what is drawn on a picture lands in the crop where its keypoint says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vitruvian import COCO17, InputError
from vitruvian.geometry import crop, crop_affines, to_crop
from vitruvian.training.color_jitter import color_jitter
from vitruvian.training.pose.augmentation import NO_AUGMENTATION, PoseAugmentation, lower_body, transform_affine
from vitruvian.training.pose.recipe import read_recipe

SIZE = 128, 96
BOX = np.array([40, 30, 200, 260], np.float32)


def centre_of(crop_image: np.ndarray) -> np.ndarray:
    """Where the light is, x and y in pixels."""
    light = crop_image[..., 0].astype(float)
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_dot_lands_where_its_keypoint_says(seed, aligned):
    rng = np.random.default_rng(seed)
    point = np.array([[rng.uniform(90, 150), rng.uniform(110, 190)]], np.float32).round()
    picture = np.zeros((300, 260, 3), np.uint8)
    cv2.circle(picture, (int(point[0, 0]), int(point[0, 1])), 4, (255, 255, 255), -1)
    affine, _ = PoseAugmentation(scale=0.3).affine(rng, BOX, SIZE, aligned=aligned)
    expected = to_crop(point[None], affine[None])[0, 0]
    if (expected < 6).any() or (expected > np.array(SIZE[::-1]) - 7).any():
        pytest.skip("turned out of the crop")
    assert centre_of(crop(picture, affine[None], SIZE)[0]) == pytest.approx(expected, abs=0.2)


def test_without_variation_the_crop_is_the_one_of_inference():
    for aligned in (False, True):
        affine, flipped = NO_AUGMENTATION.affine(np.random.default_rng(0), BOX, SIZE, aligned=aligned)
        assert not flipped
        assert affine == pytest.approx(crop_affines(BOX[None], SIZE, aligned=aligned)[0], abs=1e-6)


@pytest.mark.parametrize("aligned", [False, True])
def test_mirroring_is_that_of_the_mirrored_picture(aligned):
    # The release mirrors picture, box and keypoints first: x becomes width - 1 - x.
    width = 260
    points = np.array([[100, 120], [61, 200]], np.float32)
    mirrored_box = np.array([width - 1 - BOX[2], BOX[1], width - 1 - BOX[0], BOX[3]], np.float32)
    mirrored = points * [-1, 1] + [width - 1, 0]
    theirs = to_crop(mirrored[None], crop_affines(mirrored_box[None], SIZE, aligned=aligned))
    flipped = transform_affine(crop_affines(BOX[None], SIZE, aligned=aligned)[0], SIZE, 0, 1, True, aligned)
    ours = to_crop(points[None], flipped[None])
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_turn_and_zoom_by_hand():
    base = np.array([[1.0, 0, 0], [0, 1, 0]])
    # A quarter turn clockwise around (48, 64) takes what is right of it below it; twice the field halves distances.
    found = to_crop(np.array([[[68, 64]]], np.float32), transform_affine(base, SIZE, 90, 2, False)[None])
    assert found[0, 0] == pytest.approx([48, 74], abs=1e-4)


def drawn(vary: PoseAugmentation, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles in degrees, scales and mirrorings of so many crops."""
    rng = np.random.default_rng(0)
    base = crop_affines(BOX[None], SIZE)[0]
    rows = []
    for _ in range(count):
        affine, flipped = vary.affine(rng, BOX, SIZE)
        inner = affine[:, :2] @ np.linalg.inv(base[:, :2]) @ np.diag([-1.0 if flipped else 1.0, 1.0])
        angle = np.degrees(np.arctan2(inner[1, 0], inner[0, 0]))
        rows.append((angle, 1 / np.sqrt(np.linalg.det(inner)), flipped))
    return tuple(np.array(rows).T)


def test_rates_and_ranges_of_hrnet():
    angles, scales, flips = drawn(PoseAugmentation())
    assert np.mean(np.abs(angles) > 1e-6) == pytest.approx(0.6, abs=0.03)
    assert np.abs(angles).max() <= 90 + 1e-6
    assert min(scales) >= 0.65 - 1e-6
    assert max(scales) <= 1.35 + 1e-6
    # A normal number is beyond its standard deviation three times in ten: so many scales are at one of the ends.
    assert np.mean(np.abs(scales - 1) > 0.35 - 1e-6) == pytest.approx(0.3173, abs=0.03)
    assert np.mean(flips) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", ["rle_resnet50_256x192", "rle_hrnet_w48_384x288"])
def test_rates_and_ranges_of_rle(name):
    """RLE's release: with probability 0.5 an angle uniform in -45..45, always a scale uniform in 0.75..1.25."""
    angles, scales, flips = drawn(read_recipe(name).augmentation, 6000)
    turned = angles[np.abs(angles) > 1e-6]
    assert len(turned) / len(angles) == pytest.approx(0.5, abs=0.02)
    for values, low, high in ((turned, -45, 45), (scales, 0.75, 1.25)):
        assert low - 1e-6 <= values.min() < values.max() <= high + 1e-6
        # Of a uniform number each fifth of the range has as many.
        parts = np.histogram(values, 5, (low, high))[0] / len(values)
        assert parts == pytest.approx([0.2] * 5, abs=0.025)
    assert np.mean(flips) == pytest.approx(0.5, abs=0.02)


def test_half_bodies():
    assert lower_body(COCO17.keypoints).tolist() == [False] * 11 + [True] * 6
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (17, 2)).astype(np.float32)
    keypoints[11:, 1] += 200
    labelled = np.ones(17, bool)
    vary = PoseAugmentation()
    found = [vary.half(rng, keypoints, labelled, COCO17) for _ in range(6000)]
    boxes = [box for box in found if box is not None]
    assert len(boxes) / 6000 == pytest.approx(0.3, abs=0.02)
    upper = [box for box in boxes if box[3] < 200]
    # A standard normal number is below 0.5 with this probability.
    assert len(upper) / len(boxes) == pytest.approx(0.6915, abs=0.03)
    centre = keypoints[:11].mean(axis=0)
    extent = np.ptp(keypoints[:11], axis=0)
    assert upper[0] == pytest.approx(np.concatenate([centre - extent / 2, centre + extent / 2]), abs=1e-3)
    # Strictly more than the setting's number.
    labelled[9:] = False
    sure = replace(vary, half_body_prob=1.0)
    assert sure.half(rng, keypoints, labelled, COCO17) is not None
    labelled[8] = False
    assert sure.half(rng, keypoints, labelled, COCO17) is None


@pytest.mark.parametrize(
    ("upper", "lower", "taken"),
    [
        (3, 3, {"upper", "lower"}),
        (3, 2, {"upper"}),
        (2, 3, {"lower"}),
        (0, 3, {"lower"}),
        (2, 2, {"upper"}),
        (2, 0, {"upper"}),
        (1, 2, {"none"}),  # the upper one has to serve, and one keypoint is no half
        (0, 2, {"none"}),
    ],
)
def test_which_half_is_taken(upper, lower, taken):
    keypoints = np.random.default_rng(0).uniform(0, 100, (17, 2)).astype(np.float32)
    keypoints[11:, 1] += 200
    labelled = np.zeros(17, bool)
    labelled[:upper] = labelled[11 : 11 + lower] = True
    vary, rng = PoseAugmentation(half_body_prob=1.0, half_body_keypoints=0), np.random.default_rng(1)
    boxes = [vary.half(rng, keypoints, labelled, COCO17) for _ in range(50)]
    assert {"none" if box is None else "upper" if box[3] < 150 else "lower" for box in boxes} == taken


def test_colours_are_brightness_then_saturation_then_contrast():
    image = np.random.default_rng(1).integers(60, 160, (20, 10, 3), np.uint8)
    found = color_jitter(np.random.default_rng(3), image, 0.2)
    brightness, contrast, saturation = 1 + np.random.default_rng(3).uniform(-0.2, 0.2, 3)
    luma = np.array([0.299, 0.587, 0.114])
    pixels = image * brightness
    grey = (pixels @ luma)[..., None]
    pixels = grey + (pixels - grey) * saturation
    pixels = grey.mean() + (pixels - grey.mean()) * contrast
    assert np.abs(found - pixels).max() <= 1


def test_colours_stay_in_range_and_are_left_alone_by_default():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (8, 8, 3), np.uint8)
    assert color_jitter(rng, image, PoseAugmentation().color_jitter) is image
    other = color_jitter(rng, image, 0.4)
    assert other.dtype == np.uint8
    assert (other != image).any()


def test_a_rectangle_of_one_colour_is_erased():
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (100, 50, 3), np.uint8)
    assert PoseAugmentation().random_erasing(rng, image) is image
    for _ in range(30):
        changed = (PoseAugmentation(erasing_prob=1.0).random_erasing(rng, image) != image).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        # A pixel that had the colour before may hide an edge's end, hardly more.
        assert 9 <= height <= 40
        assert 4 <= width <= 20
        assert changed.sum() >= 0.95 * height * width


OUT_OF_RANGE = {
    "flip_prob": 2,
    "scale": 1,
    "rotation": -1,
    "half_body_prob": -0.1,
    "color_jitter": 2,
    "erasing_prob": 1.5,
    "distribution": "flat",
}


@pytest.mark.parametrize("setting", [{name: value} for name, value in OUT_OF_RANGE.items()])
def test_numbers_out_of_range(setting):
    with pytest.raises(InputError, match=next(iter(setting))):
        PoseAugmentation(**setting)
