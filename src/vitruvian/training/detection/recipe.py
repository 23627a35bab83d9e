"""How a person detector is trained, as data."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...errors import InputError
from ...models import Spec
from ..recipe import Settings, check
from .augmentation import Variation


@dataclass(frozen=True)
class DetectorRecipe(Settings):
    """A way to train a person detector. The settings from `mosaic` on are those of `Variation`.

    Args:
        width, neck, depth, input_size: of the network instead of the model's own, see
            `vitruvian.models.person_csp`; input_size is (height, width).
        box_weight: how much boxes count beside scores.
        doubtful, certain: a teacher's scores up to the first are background, from the second on persons as if somebody
            had drawn them. In between it grows evenly how sure one is: of RTMDet-nano's boxes on COCO a hundredth is
            right at a score of 0.2, a quarter at 0.33, three quarters at 0.43, nine tenths at 0.5.
        match: weight of the loss against a teacher's predictions, where there is a teacher.
        plain: share of the epochs, at the end, without mosaics (YOLOX, arXiv 2107.08430).
    """

    TASK = "detection"

    width: int | None = None
    neck: int | None = None
    depth: int | None = None
    input_size: tuple[int, int] | None = None
    box_weight: float = 2.0
    doubtful: float = 0.2
    certain: float = 0.5
    match: float = 1.0
    plain: float = 0.1
    mosaic: float = 1.0
    smallest: float = 0.3
    largest: float = 1.4
    stretch: float = 0.15
    flip: float = 0.5
    colour: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init == "imagenet":
            raise InputError(
                "init is imagenet, which only pose nets' backbones can start from; give none or a checkpoint"
            )
        check("plain", self.plain, 0 <= self.plain <= 1, "in 0..1")
        check("doubtful", self.doubtful, 0 <= self.doubtful < 1, "0 or more, and below 1")
        check("certain", self.certain, self.doubtful < self.certain <= 1, f"above doubtful, {self.doubtful}, up to 1")
        check("match", self.match, self.match > 0, "above 0")
        check("box_weight", self.box_weight, self.box_weight >= 0, "0 or more")
        self.variation  # noqa: B018, it raises what is wrong with it

    @property
    def spec(self) -> Spec:
        """The network. Raises InputError for one that can't be."""
        return self._spec("width", "neck", "depth", "input_size")

    @property
    def variation(self) -> Variation:
        """How pictures vary."""
        return Variation(**{field.name: getattr(self, field.name) for field in fields(Variation)})
