"""Settings of the tracker, with defaults measured in benchmarks/tracking.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..errors import InputError


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of a `Tracker`. Times are in seconds and lengths in body heights, so that they fit any video.

    Args:
        high: box score from which a person is sure: it is matched first and may start a track.
        low: box score below which a box is ignored. One between `low` and `high` may only continue a track.
        patience: seconds that a track goes on unseen.
        confirm: seconds that a new person must be seen, in every frame, before it gets a number; 0 numbers at once.
            The first frame, the first after a cut, and a person of whom half of the keypoints are scored
            `sure_keypoint` or more are numbered at once.
        sure_keypoint: see `confirm`.
        match: lowest similarity, 0..1, between a track and a sure person.
        match_weak: lowest similarity where either is unsure: a faint box, or a track without a number.
        twin: a newcomer that is this similar to a numbered person of the same frame starts no track.
        noise: standard deviation of a measured box, in heights.
        acceleration: random acceleration of a person, in heights per second^1.5.
        resizing: the same for width and height.
        speed: standard deviation of a newcomer's unknown speed, in heights per second.
        cuts: end all tracks where the scene changes, if `Tracker.update` gets the pictures.

    Raises:
        InputError: a value out of its range.
    """

    high: float = 0.4
    low: float = 0.1
    patience: float = 1.0
    confirm: float = 0.05
    sure_keypoint: float = 0.3
    match: float = 0.1
    match_weak: float = 0.3
    twin: float = 0.5
    noise: float = 0.06
    acceleration: float = 0.7
    resizing: float = 0.1
    speed: float = 1.5
    cuts: bool = True

    @classmethod
    def above(cls, score: float) -> TrackerSettings:
        """The defaults for a detector from which persons scored less than `score` aren't wanted."""
        return cls(high=max(cls.high, score), low=min(cls.low, score))

    def __post_init__(self) -> None:
        shares = ("high", "low", "sure_keypoint", "match", "match_weak", "twin")
        for name in (field.name for field in fields(self) if field.name != "cuts"):
            value = getattr(self, name)
            top = 1.0 if name in shares else math.inf
            if not (0 <= value <= top and math.isfinite(value)):
                raise InputError(
                    f"tracking: {name} is {value}; a number from 0{' to 1' if name in shares else ''} wanted"
                )
        if self.low > self.high:
            raise InputError(f"tracking: low ({self.low}) is above high ({self.high})")
        if not self.noise:
            raise InputError("tracking: noise is 0; a measured box is never exact")
