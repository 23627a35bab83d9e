"""The 133 keypoints of COCO-WholeBody (https://github.com/jin-s13/COCO-WholeBody): body, feet, face and both hands.

Sigmas are those of its evaluation; the face has the 68 points of 300-W, which are drawn without limbs.
"""

from .base import Skeleton
from .coco17 import COCO17
from .hand21 import HAND21

_FACE = 23  # the number of the face's first keypoint, and of the hands'
_LEFT_HAND, _RIGHT_HAND = 91, 112
# Points of the face that lie opposite each other, counted from its first; the others lie in the middle.
_FACE_PAIRS = (
    *((0, 16), (1, 15), (2, 14), (3, 13), (4, 12), (5, 11), (6, 10), (7, 9)),  # chin
    *((17, 26), (18, 25), (19, 24), (20, 23), (21, 22)),  # eyebrows
    *((31, 35), (32, 34)),  # nose
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)),  # mouth
)


def _hand(side: str) -> tuple[str, ...]:
    return (f"{side}_hand_root", *(f"{side}_{name}" for name in HAND21.keypoints[1:]))


COCO_WHOLEBODY133 = Skeleton(
    name="coco_wholebody133",
    keypoints=(
        *COCO17.keypoints,
        *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
        *(f"face-{index}" for index in range(68)),
        *_hand("left"),
        *_hand("right"),
    ),
    limbs=(
        *COCO17.limbs,
        *((15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22)),
        *((first + start, first + end) for first in (_LEFT_HAND, _RIGHT_HAND) for start, end in HAND21.limbs),
    ),
    sigmas=(
        *COCO17.sigmas,
        *(0.068, 0.066, 0.066, 0.092, 0.094, 0.094),
        *(0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032, 0.037, 0.038, 0.043),
        *(0.041, 0.045, 0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015, 0.009, 0.007, 0.007),
        *(0.007, 0.012, 0.009, 0.008, 0.016, 0.010, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007, 0.013, 0.008, 0.011),
        *(0.012, 0.010, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008, 0.009, 0.009, 0.009, 0.007),
        *(0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008),
        *HAND21.sigmas,
        *HAND21.sigmas,
    ),
    pairs=(
        *COCO17.flip_pairs,
        *((17, 20), (18, 21), (19, 22)),
        *((_FACE + one, _FACE + other) for one, other in _FACE_PAIRS),
        *((_LEFT_HAND + index, _RIGHT_HAND + index) for index in range(len(HAND21))),
    ),
)
