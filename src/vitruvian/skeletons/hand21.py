"""The 21 keypoints of a hand, left or right, of COCO-WholeBody (https://github.com/jin-s13/COCO-WholeBody).

A mirrored hand is a hand whose keypoints keep their places, so that there are no pairs.
"""

from .base import Skeleton

FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")

HAND21 = Skeleton(
    name="hand21",
    keypoints=("wrist", *(f"{finger}{joint}" for finger in FINGERS for joint in (1, 2, 3, 4))),
    limbs=tuple(
        (0 if joint == 1 else first + joint - 1, first + joint) for first in (0, 4, 8, 12, 16) for joint in (1, 2, 3, 4)
    ),
    sigmas=(
        0.029,
        *(0.022, 0.035, 0.037, 0.047),
        *(0.026, 0.025, 0.024, 0.035),
        *(0.018, 0.024, 0.022, 0.026),
        *(0.017, 0.021, 0.021, 0.032),
        *(0.020, 0.019, 0.022, 0.031),
    ),
)
