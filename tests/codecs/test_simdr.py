"""SimDR against the paper's formulas."""

import numpy as np
import pytest

from vitruvian import ModelError
from vitruvian.codecs import SimDR

SIZE = (256, 192)


def test_one_hot_targets_are_smoothed_as_published() -> None:
    x, y, weights = SimDR(SIZE, split=2.0).encode(np.array([[[10.2, 100.6]]]), np.ones((1, 1)))
    assert x.shape == (1, 1, 384)
    assert y.shape == (1, 1, 512)
    # round(20.4) = 20 and round(201.2) = 201; the smoothing is spread over the other bins.
    assert x[0, 0, 20] == pytest.approx(0.9)
    assert x[0, 0, 21] == pytest.approx(0.1 / 383)
    assert y[0, 0].argmax() == 201
    assert x.sum() == pytest.approx(1, abs=1e-5)
    assert weights.tolist() == [[1]]


def test_gaussian_targets_are_densities() -> None:
    x, _, _ = SimDR(SIZE, split=2.0, sigma=6.0).encode(np.array([[[50.0, 60.0]]]), np.ones((1, 1)))
    assert x[0, 0, 100] == pytest.approx(1 / (6 * np.sqrt(2 * np.pi)))
    assert x[0, 0, 106] == pytest.approx(np.exp(-0.5) / (6 * np.sqrt(2 * np.pi)))
    assert x.sum() == pytest.approx(1, abs=1e-5)


def test_points_outside_or_unlabelled_weigh_nothing() -> None:
    points = np.array([[[-1.0, 5], [5, 256.0], [191.9, 10], [20, 20], [np.nan, 1]]])
    x, y, weights = SimDR(SIZE).encode(points, np.array([[1, 1, 1, 0, 0]]))
    assert weights.tolist() == [[0, 0, 0, 0, 0]]  # 191.9 * 2 rounds to bin 384, one past the last
    assert not x.any()
    assert not y.any()


@pytest.mark.parametrize("sigma", [0.0, 6.0])
@pytest.mark.parametrize("split", [1.0, 1.5, 2.0, 3.0])
def test_decode_inverts_encode_to_half_a_bin(split: float, sigma: float) -> None:
    codec = SimDR(SIZE, split=split, sigma=sigma, softmax=False)
    truth = np.random.default_rng(0).uniform([0, 0], [190, 254], (4, 17, 2)).astype(np.float32)
    points, _ = codec.decode(codec.encode(truth, np.ones((4, 17)))[:2])
    assert np.abs(points - truth).max() <= 0.5 / split + 1e-4


def test_score_is_the_lower_peak_of_the_softmax() -> None:
    x, y = np.zeros((1, 1, 4), np.float32), np.zeros((1, 1, 4), np.float32)
    x[0, 0, 1], y[0, 0, 2] = np.log(3), np.log(7)
    points, scores = SimDR((4, 4), split=1.0).decode([x, y])
    assert points.tolist() == [[[1, 2]]]
    assert scores[0, 0] == pytest.approx(3 / 6)
    raw = SimDR((4, 4), split=1.0, softmax=False).decode([x * 0.1, y])[1]
    assert raw[0, 0] == pytest.approx(np.log(3) * 0.1)


def test_a_perfect_simdr_star_is_sure_of_its_keypoints() -> None:
    codec = SimDR(SIZE, sigma=4.0)
    x, y, _ = codec.encode(np.array([[[100.0, 50.0]]], np.float32), np.ones((1, 1)))
    # Logits whose softmax is the target: its Gaussians have sum 1 up to what they leave outside of the crop.
    _, scores = codec.decode([np.log(np.maximum(x, 1e-30)), np.log(np.maximum(y, 1e-30))])
    assert scores[0, 0] == pytest.approx(1, abs=1e-3)
    # Logits that say nothing: 1 / 512 of a peak of 1 / (4 sqrt(2 pi)).
    flat = [np.zeros((1, 1, 384), np.float32), np.zeros((1, 1, 512), np.float32)]
    assert codec.decode(flat)[1][0, 0] == pytest.approx(4 * np.sqrt(2 * np.pi) / 512)


def test_huge_logits_and_nan_keep_scores_in_range() -> None:
    x = np.full((1, 2, 384), 1e4, np.float32)
    x[0, 1] = np.nan
    _, scores = SimDR(SIZE).decode([x, np.ones((1, 2, 512), np.float32)])
    assert scores[0, 0] == pytest.approx(1 / 512)
    assert scores[0, 1] == 0


def test_a_single_output_is_refused() -> None:
    with pytest.raises(ModelError, match="pair"):
        SimDR(SIZE).decode([np.zeros((1, 17, 384), np.float32)])
