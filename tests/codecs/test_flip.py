"""The flip test: a network that sees a mirrored crop answers with the mirror image, and averaging undoes that."""

import numpy as np
import pytest

from vitruvian import COCO17
from vitruvian.codecs import Heatmap, Regression, SimDR
from vitruvian.codecs.base import mirror_order

SIZE = (256, 192)
PAIRS = COCO17.flip_pairs
VISIBLE = np.ones((3, 17))


def points(step: float) -> np.ndarray:
    """Keypoints on whole steps, away from the edges."""
    rng = np.random.default_rng(5)
    return (rng.integers([20 / step, 20 / step], [170 / step, 230 / step], (3, 17, 2)) * step).astype(np.float32)


def mirrored(keypoints: np.ndarray) -> np.ndarray:
    """Where the keypoints are in the mirrored crop: x to W - 1 - x, and left is called right."""
    order = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    return np.stack([SIZE[1] - 1 - keypoints[..., 0], keypoints[..., 1]], axis=2)[:, order]


@pytest.mark.parametrize("sigma", [0.0, 6.0])
def test_simdr_of_a_perfect_network_is_unchanged(sigma: float) -> None:
    codec, truth = SimDR(SIZE, sigma=sigma, softmax=False), points(0.5)
    outputs, other = (codec.encode(keypoints, VISIBLE)[:2] for keypoints in (truth, mirrored(truth)))
    merged = codec.merge_flipped(outputs, other, PAIRS)
    assert codec.decode(merged)[0] == pytest.approx(truth)
    # The last bin has no neighbour to come from; everywhere else the two agree.
    assert merged[0][..., :-1] == pytest.approx(outputs[0][..., :-1], abs=1e-6)
    assert merged[1] == pytest.approx(outputs[1])


def test_regression_of_a_perfect_network_is_unchanged() -> None:
    codec, truth = Regression(SIZE), points(0.1)
    sigma = np.random.default_rng(1).uniform(0, 1, (3, 17, 2)).astype(np.float32)
    order = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    outputs = (codec.encode(truth, VISIBLE)[0], sigma)
    other = (codec.encode(mirrored(truth), VISIBLE)[0], sigma[:, order])
    coordinates, uncertainty = codec.merge_flipped(outputs, other, PAIRS)
    assert coordinates == pytest.approx(outputs[0], abs=1e-6)
    assert uncertainty == pytest.approx(sigma)


def test_regression_without_the_shift_mirrors_around_the_middle_of_the_crop() -> None:
    outputs = (np.array([[[0.125, 0.25]]], np.float32), np.zeros((1, 1, 2), np.float32))
    other = (np.array([[[-0.125, 0.25]]], np.float32), np.zeros((1, 1, 2), np.float32))
    assert Regression(SIZE, flip_shift=False).merge_flipped(outputs, other, ())[0].tolist() == [[[0.125, 0.25]]]


def test_the_mirrored_heatmap_is_turned_back_and_moves_one_pixel_right() -> None:
    straight, other = np.zeros((2, 1, 2, 4, 6), np.float32)
    straight[0, 0, 1, 2], other[0, 1, 1, 4] = 1, 1  # column 4 of 6, turned back, is column 1
    (merged,) = Heatmap((16, 24)).merge_flipped([straight], [other], [(0, 1)])
    assert merged.tolist() == (straight * 1.0).tolist()
    (still,) = Heatmap((16, 24), flip_shift=False).merge_flipped([straight], [other], [(0, 1)])
    assert np.argwhere(still).tolist() == [[0, 0, 1, 1], [0, 0, 1, 2]]


def test_the_first_column_of_the_shifted_map_stays() -> None:
    other = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    (merged,) = Heatmap((4, 24)).merge_flipped([np.zeros_like(other)], [other], [])
    assert merged[0, 0, 0].tolist() == [2.5, 2.5, 2, 1.5, 1, 0.5]


def test_simdr_averages_probabilities_and_its_starred_form_logits() -> None:
    rng = np.random.default_rng(2)
    own, other = ([rng.normal(0, 3, (1, 1, bins)).astype(np.float32) for bins in (8, 8)] for _ in range(2))

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    size = (4, 4)
    plain = SimDR(size, flip_shift=False).merge_flipped(own, other, ())
    assert softmax(plain[1]) == pytest.approx((softmax(own[1]) + softmax(other[1])) / 2, abs=1e-6)
    assert softmax(plain[0]) == pytest.approx((softmax(own[0]) + softmax(other[0])[..., ::-1]) / 2, abs=1e-6)
    starred = SimDR(size, sigma=6, flip_shift=False).merge_flipped(own, other, ())
    assert starred[1] == pytest.approx((own[1] + other[1]) / 2)


def test_logits_are_averaged_as_probabilities() -> None:
    codec = Heatmap(SIZE, softmax=True, aligned=True)
    one, other = np.random.default_rng(2).normal(size=(2, 3, 17, 64, 48)).astype(np.float32)
    (merged,) = codec.merge_flipped((one,), (other,), PAIRS)

    def softmax(logits: np.ndarray) -> np.ndarray:
        powers = np.exp(logits.astype(np.float64))
        return powers / powers.sum(axis=(2, 3), keepdims=True)

    order = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert softmax(merged) == pytest.approx((softmax(one) + softmax(other)[:, order, :, ::-1]) / 2, rel=1e-4)


def test_a_mirror_exchanges_sides() -> None:
    order = mirror_order(17, PAIRS)
    assert (order[0], order[5], order[6]) == (0, 6, 5)
    assert mirror_order(3, ((0, 2),)).tolist() == [2, 1, 0]
