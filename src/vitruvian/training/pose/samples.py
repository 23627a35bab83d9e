"""Samples of pose nets: augmented crops and their targets, which depend on seed, epoch and person alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...codecs.base import mirror_order
from ...datasets import Persons, read_picture
from ...datasets.images import from_reduced, reduction
from ...geometry import crop, to_crop
from ..color_jitter import color_jitter
from ..data_loader import KeyedDataset
from .augmentation import HALF_PADDING, PoseAugmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...cards import ModelCard
    from ...codecs import Codec


@dataclass(frozen=True, eq=False)
class PoseSample:
    """A crop and its keypoints.

    Args:
        image: RGB uint8 (H, W, 3).
        keypoints: float32 (K, 2) in crop pixels.
        confidences: float32 (K,) in 0..1, weights of the keypoints.
        name: the sample's name in messages.
        problems: errors of the damaged samples that it replaces.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    confidences: NDArray[np.float32]
    name: str
    problems: tuple[str, ...] = ()


class PoseDataset(KeyedDataset[PoseSample]):
    """Crops of persons.

    Args:
        persons: the annotated persons.
        card: the network's card, with input size and padding of crops.
        codec: makes the targets, and decides whether crops are aligned.
        augmentation: the augmentation of crops.
        seed: the random seed.
        reduced_decoding: decode JPEGs at 1/2 of their size or less where the crop is that much smaller.
    """

    def __init__(
        self,
        persons: Persons,
        card: ModelCard,
        codec: Codec,
        augmentation: PoseAugmentation,
        seed: int,
        reduced_decoding: bool = True,
    ) -> None:
        self.persons = persons
        self.card = card
        self.codec = codec
        self.augmentation = augmentation
        self.seed = seed
        self.reduced_decoding = reduced_decoding

    def __len__(self) -> int:
        return len(self.persons)

    @cached_property
    def _mirrored(self) -> NDArray[np.intp]:
        return mirror_order(len(self.persons.skeleton), self.persons.skeleton.flip_pairs)

    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> PoseSample:
        """The sample of an epoch and a person. Raises InputError for a picture that can't be read."""
        persons, augmentation, size = self.persons, self.augmentation, self.card.input_size
        rng = np.random.default_rng((self.seed, epoch, row, copy))
        keypoints, confidences = persons.keypoints[row], persons.confidences[row]
        half = augmentation.half(rng, keypoints, confidences > 0, persons.skeleton)
        box, padding = (persons.boxes[row], self.card.padding) if half is None else (half, HALF_PADDING)
        affine, flipped = augmentation.affine(rng, box, size, padding, self.codec.aligned)
        file = persons.files[persons.pictures[row]]
        image, factor = read_picture(file, reduction(affine) if self.reduced_decoding else 1)
        pixels = color_jitter(rng, crop(image, from_reduced(affine, factor)[None], size)[0], augmentation.color_jitter)
        pixels = augmentation.random_erasing(rng, pixels)
        points = to_crop(keypoints[None], affine[None])[0]
        if flipped:
            points, confidences = points[self._mirrored], confidences[self._mirrored]
        return PoseSample(pixels, points, confidences, persons.name(row), problems)

    def collate(self, samples: Sequence[PoseSample]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3), ``targets`` as of the codec, ``names``, ``problems``."""
        confidences = np.stack([sample.confidences for sample in samples])
        *targets, weights = self.codec.encode(np.stack([sample.keypoints for sample in samples]), confidences)
        return {
            "images": torch.from_numpy(np.stack([sample.image for sample in samples])),
            "targets": tuple(torch.from_numpy(np.ascontiguousarray(t)) for t in (*targets, weights * confidences)),
            "names": [sample.name for sample in samples],
            "problems": [problem for sample in samples for problem in sample.problems],
        }
