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


def test_gaussian_targets_are_centred_on_the_exact_position() -> None:
    """At 20.3 and 100.35 crop pixels and two bins a pixel: 40.6 and 200.7 bins, between two of them."""
    x, y, _ = SimDR(SIZE, split=2.0, sigma=4.0).encode(np.array([[[20.3, 100.35]]]), np.ones((1, 1)))
    peak = 4 * np.sqrt(2 * np.pi)
    for row, centre in ((x[0, 0], 40.6), (y[0, 0], 200.7)):
        for number in (int(centre), int(centre) + 1, int(centre) - 7):
            assert row[number] == pytest.approx(np.exp(-((number - centre) ** 2) / 32) / peak, rel=1e-4)


@pytest.mark.parametrize(
    ("position", "counts"),
    [
        # int(p - 12) >= 192 or int(p + 13) < 0 drops a keypoint along x; int cuts towards 0.
        (203.9, True),
        (204.0, False),
        (-13.9, True),
        (-14.0, False),
        (191.9, True),
        (0.0, True),
    ],
)
def test_which_keypoints_of_simdr_star_count(position: float, counts: bool) -> None:
    codec, seen = SimDR(SIZE, split=2.0, sigma=4.0), np.ones((1, 1))
    x, _, weights = codec.encode(np.array([[[position, 50.0]]]), seen)
    assert weights.tolist() == [[float(counts)]]
    # What is outside leaves the tail of its density in the crop, and that isn't made to sum to 1.
    bins = np.arange(384)
    density = np.exp(-((bins - 2 * position) ** 2) / 32) / (4 * np.sqrt(2 * np.pi))
    assert x[0, 0] == pytest.approx(density * counts, abs=1e-7)
    # Along y the crop is 64 pixels longer.
    other = position + 64 if position > 0 else position
    assert codec.encode(np.array([[[50.0, other]]]), seen)[2].tolist() == [[float(counts)]]


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


def test_which_peak_is_the_score() -> None:
    """Probabilities of 3/6 and 7/10: SimDR takes the higher one, SimDR* the lower one, as do raw peaks (RTMPose)."""
    x, y = np.zeros((1, 1, 4), np.float32), np.zeros((1, 1, 4), np.float32)
    x[0, 0, 1], y[0, 0, 2] = np.log(3), np.log(7)
    for first, second in ((x, y), (y, x)):
        points, scores = SimDR((4, 4), split=1.0).decode([first, second])
        assert points.tolist() == ([[[1, 2]]] if first is x else [[[2, 1]]])
        assert scores[0, 0] == pytest.approx(7 / 10)
        star = SimDR((4, 4), split=1.0, sigma=4.0).decode([first, second])[1]
        # In parts of the density's peak, and not clipped.
        assert star[0, 0] == pytest.approx(3 / 6 * 4 * np.sqrt(2 * np.pi))
        raw = SimDR((4, 4), split=1.0, softmax=False).decode([first * 2, second * 2])[1]
        assert raw[0, 0] == pytest.approx(np.log(9))


def test_a_perfect_simdr_star_is_sure_of_its_keypoints() -> None:
    codec = SimDR(SIZE, sigma=4.0)
    x, y, _ = codec.encode(np.array([[[100.0, 50.0]]], np.float32), np.ones((1, 1)))
    # Logits whose softmax is the target: its Gaussians have sum 1 up to what they leave outside of the crop.
    _, scores = codec.decode([np.log(np.maximum(x, 1e-30)), np.log(np.maximum(y, 1e-30))])
    assert scores[0, 0] == pytest.approx(1, abs=1e-3)
    # Logits that say nothing: 1 / 512 of a peak of 1 / (4 sqrt(2 pi)).
    flat = [np.zeros((1, 1, 384), np.float32), np.zeros((1, 1, 512), np.float32)]
    assert codec.decode(flat)[1][0, 0] == pytest.approx(4 * np.sqrt(2 * np.pi) / 512)


@pytest.mark.parametrize(("sigma", "flat"), [(0.0, 1 / 384), (4.0, 4 * np.sqrt(2 * np.pi) / 512)])
def test_huge_logits_and_nan_keep_scores_in_range(sigma: float, flat: float) -> None:
    x = np.full((1, 2, 384), 1e4, np.float32)
    x[0, 1] = np.nan
    _, scores = SimDR(SIZE, sigma=sigma).decode([x, np.ones((1, 2, 512), np.float32)])
    assert scores[0, 0] == pytest.approx(flat)
    assert scores[0, 1] == 0


def test_a_single_output_is_refused() -> None:
    with pytest.raises(ModelError, match="pair"):
        SimDR(SIZE).decode([np.zeros((1, 17, 384), np.float32)])
