"""What the keypoints of a person are called, how they connect, and how precisely people place them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["left", "right", "centre"]


@dataclass(frozen=True)
class Skeleton:
    """A keypoint set as plain data. Any set works: nothing elsewhere assumes COCO's.

    Args:
        name: short identifier, such as ``"coco17"``.
        keypoints: K names in the order of the network's output.
        limbs: pairs of keypoint indices to draw a line between.
        sigmas: K standard deviations of annotators, in units of sqrt(area), as OKS takes them
            (https://cocodataset.org/#keypoints-eval); empty where nobody measured them.
        pairs: index pairs that trade places when a picture is mirrored; empty where the names tell them.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.keypoints)

    def side(self, index: int) -> Side:
        """Which side of the body keypoint `index` belongs to, by its name."""
        words = self.keypoints[index].lower().replace("-", "_").split("_")
        return "left" if "left" in words else "right" if "right" in words else "centre"

    def limb_side(self, limb: tuple[int, int]) -> Side:
        """The side of a limb; one that joins two sides (the shoulders) lies in the centre."""
        first, second = self.side(limb[0]), self.side(limb[1])
        if first == second or second == "centre":
            return first
        return second if first == "centre" else "centre"

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """Index pairs (left, right) that trade places when a picture is mirrored: `pairs`, or what the names tell."""
        if self.pairs:
            return self.pairs
        by_name = {name: index for index, name in enumerate(self.keypoints)}
        mirrored = [(name, name.replace("left", "right")) for name in self.keypoints if "left" in name]
        return tuple((by_name[left], by_name[right]) for left, right in mirrored if right in by_name)


COCO17 = Skeleton(
    name="coco17",
    keypoints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    limbs=(
        (15, 13),
        (13, 11),
        (16, 14),
        (14, 12),
        (11, 12),
        (5, 11),
        (6, 12),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
    ),
    sigmas=(
        *(0.026, 0.025, 0.025, 0.035, 0.035),
        *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),
        *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
    ),
)


def unnamed(count: int) -> Skeleton:
    """A skeleton for a network of which only the number of keypoints is known: COCO's if that is 17."""
    if count == len(COCO17):
        return COCO17
    return Skeleton(name=f"keypoints{count}", keypoints=tuple(f"keypoint_{i}" for i in range(count)))
