"""The keypoint set of a network or a data set: names, limbs, left and right, sigmas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError

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

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Skeleton:
        """The skeleton whose `dataclasses.asdict` this is, also by way of JSON.

        Raises:
            KeyError, TypeError, ValueError: it is that of none.
        """
        limbs, pairs = (tuple((int(a), int(b)) for a, b in record[name]) for name in ("limbs", "pairs"))
        names, sigmas = tuple(map(str, record["keypoints"])), tuple(map(float, record["sigmas"]))
        return cls(str(record["name"]), names, limbs, sigmas, pairs)

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of keypoints in tables: NAME_x, NAME_y and NAME_score of each."""
        return [f"{name}_{part}" for name in self.keypoints for part in ("x", "y", "score")]

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

    @property
    def named(self) -> bool:
        """Whether the keypoints have names, not just numbers, as those of `numbered`."""
        return self.keypoints != numbered(len(self)).keypoints

    def check_flip(self) -> None:
        """Raises InputError where a flip test would average left with right: nothing is known but numbers."""
        if not self.named:
            raise InputError(
                f"the flip test must know which of the {len(self)} keypoints are left and right, but they have no "
                "names: give a skeleton (--skeleton NAME|FILE, skeleton=)"
            )


def numbered(count: int) -> Skeleton:
    """A skeleton whose keypoints have numbers instead of names, "keypoint_0" and so on."""
    return Skeleton(f"keypoints{count}", tuple(f"keypoint_{index}" for index in range(count)))
