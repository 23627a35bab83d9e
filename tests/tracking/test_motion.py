"""The Kalman filter against the textbook's matrices."""

from __future__ import annotations

import numpy as np

from vitruvian.tracking import TrackerSettings
from vitruvian.tracking.motion import Motion, to_centres, to_corners

SETTINGS = TrackerSettings()


def test_corners_and_centres():
    boxes = np.array([[1.0, 2, 5, 10], [0, 0, 1, 3]])
    assert np.array_equal(to_centres(boxes)[0], [3, 6, 4, 8])
    assert np.allclose(to_corners(to_centres(boxes)), boxes)


def test_it_is_the_filter_of_the_textbook():
    """One coordinate with full 2x2 matrices beside the filter of many boxes, over uneven times."""
    rng = np.random.default_rng(2)
    height = 100.0
    boxes = np.array([[50.0, 60, 40, height], [300, 80, 30, height]])
    motion = Motion.start(boxes, SETTINGS)
    state = np.array([50.0, 0])
    covariance = np.diag([(SETTINGS.noise * height) ** 2, (SETTINGS.speed * height) ** 2])
    for seconds in (0.04, 0.04, 0.5, 0.033):
        motion = motion.predict(seconds, SETTINGS)
        motion.box[:, 3] = height  # the noise goes by the height, which stays the same here
        move = np.array([[1, seconds], [0, 1]])
        random = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        state = move @ state
        covariance = move @ covariance @ move.T + random * (SETTINGS.acceleration * height) ** 2
        assert np.allclose(motion.drift(seconds)[0], seconds * np.sqrt(covariance[1, 1]))
        measured = np.array([[50 + rng.normal(0, 5), 60, 40, height]])
        gain = covariance[:, 0] / (covariance[0, 0] + (SETTINGS.noise * height) ** 2)
        state = state + gain * (measured[0, 0] - state[0])
        covariance = covariance - np.outer(gain, covariance[0])
        motion.correct(np.array([0]), measured, SETTINGS)
        assert np.allclose([motion.box[0, 0], motion.velocity[0, 0]], state)
        assert np.allclose(motion.variance[0, :, 0], covariance[[0, 0, 1], [0, 1, 1]])
    assert np.allclose(motion.box[1], boxes[1])


def test_the_other_tracks_stay():
    motion = Motion.start(np.array([[0.0, 0, 10, 20], [50, 50, 10, 20]]), SETTINGS)
    motion.correct(np.array([1]), np.array([[60.0, 50, 10, 20]]), SETTINGS)
    assert np.array_equal(motion.box[0], [0, 0, 10, 20])
    assert 50 < motion.box[1, 0] < 60


def test_boxes_never_turn_inside_out():
    motion = Motion.start(np.array([[0.0, 0, 10, 20]]), SETTINGS)
    motion.velocity[0, 2:] = -500
    assert (motion.predict(1.0, SETTINGS).box[0, 2:] > 0).all()
