"""AP-10K's 17 keypoints of animals on four legs (https://github.com/AlexTheBad/AP-10K), with its release's sigmas."""

from .base import Skeleton

AP10K17 = Skeleton(
    name="ap10k17",
    keypoints=(
        *("left_eye", "right_eye", "nose", "neck", "root_of_tail"),
        *("left_shoulder", "left_elbow", "left_front_paw", "right_shoulder", "right_elbow", "right_front_paw"),
        *("left_hip", "left_knee", "left_back_paw", "right_hip", "right_knee", "right_back_paw"),
    ),
    limbs=(
        *((0, 1), (0, 2), (1, 2), (2, 3), (3, 4)),
        *((3, 5), (5, 6), (6, 7), (3, 8), (8, 9), (9, 10)),
        *((4, 11), (11, 12), (12, 13), (4, 14), (14, 15), (15, 16)),
    ),
    sigmas=(
        *(0.025, 0.025, 0.026, 0.035, 0.035),
        *(0.079, 0.072, 0.062, 0.079, 0.072, 0.062),
        *(0.107, 0.087, 0.089, 0.107, 0.087, 0.089),
    ),
)
