"""The 26 body keypoints of Halpe-FullBody (https://github.com/Fang-Haoshu/Halpe-FullBody).

COCO's 17, head, neck, hip and feet. Sigmas are those of its evaluation, halpecocotools/cocoeval.py.
"""

from .base import Skeleton
from .coco17 import COCO17

HALPE26 = Skeleton(
    name="halpe26",
    keypoints=(
        *COCO17.keypoints,
        *("head", "neck", "hip"),
        *("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel"),
    ),
    limbs=(
        *((15, 13), (13, 11), (11, 19), (16, 14), (14, 12), (12, 19)),
        *((17, 18), (18, 19), (18, 5), (5, 7), (7, 9), (18, 6), (6, 8), (8, 10)),
        *((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
        *((15, 20), (15, 22), (15, 24), (16, 21), (16, 23), (16, 25)),
    ),
    sigmas=(*COCO17.sigmas, *(0.08, 0.08, 0.08), *(0.089, 0.089, 0.089, 0.089, 0.089, 0.089)),
)
