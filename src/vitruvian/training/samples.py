"""From persons to batches: crops and targets, which depend on the seed, the epoch and the person alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..codecs.base import mirror_order
from ..datasets import Persons, read_picture
from ..datasets.pictures import from_reduced, reduction
from ..geometry import crop, to_crop
from .augmentation import HALF_PADDING, Augmentation
from .loading import KeyedSamples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cards import ModelCard
    from ..codecs import Codec


@dataclass(frozen=True, eq=False)
class Sample:
    """A crop and its keypoints.

    Args:
        image: RGB uint8 (H, W, 3).
        keypoints: float32 (K, 2) in crop pixels.
        confidences: float32 (K,), 0..1, how much each counts.
        name: what messages call it.
        problems: what was wrong with pictures that it stands in for.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    confidences: NDArray[np.float32]
    name: str
    problems: tuple[str, ...] = ()


class Samples(KeyedSamples[Sample]):
    """Crops of persons.

    Args:
        persons: whom.
        card: the network's; its input size and padding make the crop.
        codec: makes the targets, and says whether crops are aligned.
        augmentation: how crops vary.
        seed: what chance starts from.
        reduced: decode JPEGs at a half or less where the crop is that much smaller.
    """

    def __init__(
        self,
        persons: Persons,
        card: ModelCard,
        codec: Codec,
        augmentation: Augmentation,
        seed: int,
        reduced: bool = True,
    ) -> None:
        self.persons = persons
        self.card = card
        self.codec = codec
        self.augmentation = augmentation
        self.seed = seed
        self.reduced = reduced

    def __len__(self) -> int:
        return len(self.persons)

    @cached_property
    def _mirrored(self) -> NDArray[np.intp]:
        return mirror_order(len(self.persons.skeleton), self.persons.skeleton.flip_pairs)

    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> Sample:
        """The crop of an epoch and a person. Raises InputError for a picture that can't be read."""
        persons, vary, size = self.persons, self.augmentation, self.card.input_size
        rng = np.random.default_rng((self.seed, epoch, row, copy))
        keypoints, confidences = persons.keypoints[row], persons.confidences[row]
        half = vary.half(rng, keypoints, confidences > 0, persons.skeleton)
        box, padding = (persons.boxes[row], self.card.padding) if half is None else (half, HALF_PADDING)
        affine, flipped = vary.affine(rng, box, size, padding, self.codec.aligned)
        file = persons.files[persons.pictures[row]]
        image, factor = read_picture(file, reduction(affine) if self.reduced else 1)
        pixels = vary.recolour(rng, crop(image, from_reduced(affine, factor)[None], size)[0])
        pixels = vary.erased(rng, pixels)
        points = to_crop(keypoints[None], affine[None])[0]
        if flipped:
            points, confidences = points[self._mirrored], confidences[self._mirrored]
        return Sample(pixels, points, confidences, persons.name(row), problems)

    def collate(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3), ``targets`` as of the codec, ``names``, ``problems``."""
        confidences = np.stack([sample.confidences for sample in samples])
        *targets, weights = self.codec.encode(np.stack([sample.keypoints for sample in samples]), confidences)
        return {
            "images": torch.from_numpy(np.stack([sample.image for sample in samples])),
            "targets": tuple(torch.from_numpy(np.ascontiguousarray(t)) for t in (*targets, weights * confidences)),
            "names": [sample.name for sample in samples],
            "problems": [problem for sample in samples for problem in sample.problems],
        }
