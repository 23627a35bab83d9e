"""Regression against RLEPose's convention: fractions of the crop around its centre, score 1 - mean sigma."""

import numpy as np
import pytest

from vitruvian.codecs import Regression, create
from vitruvian.errors import ModelError


def test_encode_and_decode_by_hand() -> None:
    codec = Regression((256, 192))
    points = np.array([[[0.0, 0.0], [96.0, 192.0], [192.0, 256.0]]], np.float32)
    coordinates, weights = codec.encode(points, np.array([[1, 2, 0]]))
    assert coordinates[0].tolist() == [[-0.5, -0.5], [0.0, 0.25], [0.0, 0.0]]
    assert weights.tolist() == [[1, 1, 0]]
    sigma = np.array([[[0.1, 0.3], [0.0, 0.0], [1.0, 1.0]]], np.float32)
    decoded, scores = codec.decode([coordinates, sigma])
    assert decoded[0, :2].tolist() == points[0, :2].tolist()
    assert scores[0] == pytest.approx([0.8, 1.0, 0.0])


def test_nan_scores_nothing() -> None:
    coordinates = np.array([[[np.nan, 0.0], [0.1, 0.1]]], np.float32)
    points, scores = Regression((256, 192)).decode([coordinates, np.zeros((1, 2, 2), np.float32)])
    assert points[0, 0].tolist() == [0, 0]
    assert scores.tolist() == [[0, 1]]


def test_codecs_are_made_by_name() -> None:
    assert create("regression", (64, 64), {}) == Regression((64, 64))
    with pytest.raises(ModelError, match="no codec"):
        create("wavelet", (64, 64), {})
    with pytest.raises(ModelError, match="split"):
        create("regression", (64, 64), {"split": 2})
