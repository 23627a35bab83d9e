"""Kalman filter of many boxes at once: constant velocity, with noise in body heights and time in seconds.

Centre and size are filtered independently, so each track needs two 2x2 covariances of position and velocity, which are
kept as their three numbers. Between two updates a person accelerates at random (white noise acceleration:
Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .settings import TrackerSettings

    Array = NDArray[np.float64]

# Boxes don't shrink below this, in pixels.
SMALLEST = 1.0


def to_centres(xyxy: Array) -> Array:
    """Boxes (N, 4) xyxy as centre x, centre y, width, height."""
    return np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def to_corners(centres: Array) -> Array:
    """The way back from `to_centres`."""
    half = centres[:, 2:] / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


@dataclass
class Motion:
    """The filtered boxes of M tracks.

    Args:
        box: float64 (M, 4), centre x, centre y, width, height in pixels.
        velocity: float64 (M, 4), its change in pixels per second.
        variance: float64 (M, 3, 2): of position, of position with velocity, of velocity; of the centre and of the size.
    """

    box: Array
    velocity: Array
    variance: Array

    @classmethod
    def start(cls, box: Array, settings: TrackerSettings) -> Motion:
        """Tracks that begin with boxes (M, 4) as `to_centres` gives them, at rest."""
        height = box[:, 3]
        variance = np.zeros((len(box), 3, 2))
        variance[:, 0] = ((settings.noise * height) ** 2)[:, None]
        speeds = np.array([settings.speed, settings.speed * _share(settings)])
        variance[:, 2] = (speeds * height[:, None]) ** 2
        return cls(box.copy(), np.zeros_like(box), variance)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Motion:
        return Motion(self.box[index], self.velocity[index], self.variance[index])

    def joined(self, other: Motion) -> Motion:
        """These tracks and then those."""
        return Motion(
            np.concatenate([self.box, other.box]),
            np.concatenate([self.velocity, other.velocity]),
            np.concatenate([self.variance, other.variance]),
        )

    def predict(self, seconds: float, settings: TrackerSettings) -> Motion:
        """The tracks `seconds` later."""
        box = self.box + self.velocity * seconds
        box[:, 2:] = np.maximum(box[:, 2:], SMALLEST)
        intensity = (np.array([settings.acceleration, settings.resizing]) * self.box[:, 3:]) ** 2
        place, both, speed = self.variance.transpose(1, 0, 2)
        variance = np.stack(
            [
                place + 2 * seconds * both + seconds**2 * speed + intensity * seconds**3 / 3,
                both + seconds * speed + intensity * seconds**2 / 2,
                speed + intensity * seconds,
            ],
            axis=1,
        )
        return Motion(box, self.velocity, variance)

    def correct(self, rows: NDArray[np.intp], measured: Array, settings: TrackerSettings) -> None:
        """Take the measured boxes (R, 4), as `to_centres` gives them, of the tracks `rows`."""
        place, both, speed = self.variance[rows].transpose(1, 0, 2)
        certainty = place + ((settings.noise * measured[:, 3]) ** 2)[:, None]
        gain, turn = place / certainty, both / certainty
        surprise = measured - self.box[rows]
        self.box[rows] += np.repeat(gain, 2, axis=1) * surprise
        self.box[rows, 2:] = np.maximum(self.box[rows, 2:], SMALLEST)
        self.velocity[rows] += np.repeat(turn, 2, axis=1) * surprise
        self.variance[rows] = np.stack([(1 - gain) * place, (1 - gain) * both, speed - turn * both], axis=1)

    def drift(self, seconds: float) -> Array:
        """How far the centre may have gone in `seconds` because its speed isn't known: (M,), pixels, one deviation."""
        return seconds * np.sqrt(self.variance[:, 2, 0])


def _share(settings: TrackerSettings) -> float:
    """How much slower sizes change than places, by the two accelerations."""
    return min(settings.resizing / settings.acceleration, 1.0) if settings.acceleration else 1.0
