"""Samples of person detectors: canvases of the network's size with one or four pictures, and their boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...datasets import read_picture
from ...datasets.images import reduction
from ...geometry import GREY
from ..color_jitter import color_jitter
from ..data_loader import KeyedDataset
from .augmentation import DetectionAugmentation, Tile, place_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...datasets.boxes import BoxedPictures
    from .recipe import DetectorRecipe

# Boxes with a smaller visible share, or a shorter side in pixels, are ignored: neither persons nor background.
_LEAST_SHOWN, _LEAST_SIDE = 0.3, 4.0


@dataclass(frozen=True, eq=False)
class DetectionSample:
    """A canvas with one picture or four, and the boxes on it, xyxy in pixels of the canvas.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes: float32 (M, 4), the persons.
        confidences: float32 (M,), above 0, to 1: the probability that each box is a person.
        regions: float32 (R, 4), ignored regions, where detections count neither as right nor as wrong.
        crowd: bool (R,), True for crowds, which ignore all boxes inside; False for persons that are hardly visible,
            which ignore boxes that match theirs.
        name: the sample's name in messages.
        problems: errors of the damaged samples that it replaces.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    regions: NDArray[np.float32]
    crowd: NDArray[np.bool_]
    name: str
    problems: tuple[str, ...] = ()


class DetectionDataset(KeyedDataset[DetectionSample]):
    """Pictures and mosaics of pictures.

    Args:
        pictures: the pictures and their boxes.
        size: (height, width) of the canvas in pixels.
        recipe: the settings, with augmentation and bounds of a teacher's scores.
        seed: the random seed.
    """

    def __init__(self, pictures: BoxedPictures, size: tuple[int, int], recipe: DetectorRecipe, seed: int) -> None:
        self.pictures = pictures
        self.size = size
        self.augmentation = recipe.augmentation
        self.late = replace(recipe.augmentation, mosaic=0, scale_min=1, scale_max=1, stretch=0)
        self.mosaics_end = round(recipe.epochs * (1 - recipe.close_mosaic))
        self.conf_low, self.conf_high = recipe.conf_low, recipe.conf_high
        self.reduced = recipe.reduced_decoding
        self.seed = seed
        self._shares = np.cumsum(pictures.copies) / pictures.copies.sum()

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> DetectionSample:
        """The canvas of an epoch and a picture. Raises InputError for a picture that can't be read."""
        rng = np.random.default_rng((self.seed, epoch, row, copy))
        # The last epochs show pictures as the detector will see them.
        augmentation = self.late if epoch >= self.mosaics_end else self.augmentation
        windows = augmentation.windows(rng, self.size)
        # Pictures are drawn into mosaics in proportion to their copies.
        rows = [row, *np.searchsorted(self._shares, rng.random(len(windows) - 1), side="right").tolist()]
        image = np.full((*self.size, 3), GREY, np.uint8)
        placed = [
            self._put(rng, augmentation, image, index, window) for index, window in zip(rows, windows, strict=True)
        ]
        boxes, confidences, regions, crowd = (np.concatenate(parts) for parts in zip(*placed, strict=True))
        image = color_jitter(rng, image, augmentation.color_jitter)
        names = ", ".join(str(self.pictures.files[index]) for index in rows)
        return DetectionSample(image, boxes, confidences, regions, crowd, names, problems)

    def _put(
        self,
        rng: np.random.Generator,
        augmentation: DetectionAugmentation,
        canvas: NDArray[np.uint8],
        row: int,
        window: tuple[int, int, int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Draw a picture onto a canvas; returns its boxes, confidences, ignored regions and their crowd flags."""
        pictures, own = self.pictures, self.pictures.box_rows(row)
        width, height = pictures.sizes[row].tolist()
        known = not np.isnan(width)
        if known:
            tile = augmentation.tile(rng, (width, height), window, self.size)
            image, factor = read_picture(pictures.files[row], reduction(tile.affine) if self.reduced else 1)
            known = image.shape[:2] == (math.ceil(height / factor), math.ceil(width / factor))
        if not known:
            # The annotated size is missing or wrong.
            image, factor = read_picture(pictures.files[row])
            height, width = image.shape[:2]
            tile = augmentation.tile(rng, (width, height), window, self.size)
        draw(canvas, image, tile, factor)
        boxes, shown = place_boxes(tile, pictures.boxes[own])
        visible = (shown > 0) & (boxes[:, 2:] - boxes[:, :2] > 0).all(axis=1)
        boxes, shown, crowd = boxes[visible], shown[visible], pictures.crowd[own][visible]
        confidences = self._confidences(pictures.confidences[own][visible])
        large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= _LEAST_SIDE
        wanted = ~crowd & large & (shown >= _LEAST_SHOWN) & (confidences > 0)
        neither = crowd | ~wanted & (confidences > 0)
        return boxes[wanted], confidences[wanted], boxes[neither], crowd[neither]

    def _confidences(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Confidences of boxes from their scores, see `DetectorRecipe`."""
        return np.clip((scores - self.conf_low) / (self.conf_high - self.conf_low), 0, 1).astype(np.float32)

    def collate(self, samples: Sequence[DetectionSample]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3); ``targets``, concatenated over pictures: boxes, confidences and their
        pictures int64, ignored regions, crowd and their pictures int64; ``names``, ``problems``."""

        def rows(name: str) -> torch.Tensor:
            return torch.from_numpy(np.concatenate([getattr(sample, name) for sample in samples]))

        def pictures(name: str) -> torch.Tensor:
            return torch.arange(len(samples)).repeat_interleave(
                torch.tensor([len(getattr(sample, name)) for sample in samples])
            )

        return {
            "images": torch.from_numpy(np.stack([sample.image for sample in samples])),
            "targets": (
                *(rows("boxes"), rows("confidences"), pictures("boxes")),
                *(rows("regions"), rows("crowd"), pictures("regions")),
            ),
            "names": [sample.name for sample in samples],
            "problems": [problem for sample in samples for problem in sample.problems],
        }


def draw(canvas: NDArray[np.uint8], image: NDArray[np.uint8], tile: Tile, factor: int = 1) -> None:
    """Draw a picture onto a canvas.

    Args:
        canvas: RGB uint8 (H, W, 3), modified in place.
        image: RGB uint8 (h, w, 3), `factor` times smaller than the picture.
        tile: the picture's place.
    """
    import cv2

    x1, y1, x2, y2 = tile.window
    affine = tile.affine.copy()
    affine[:, :2] *= factor
    affine[:, 2] -= x1, y1
    # OpenCV's origin is the centre of the first pixel, that of boxes is its corner.
    affine[:, 2] += affine[:, :2].sum(axis=1) / 2 - 0.5
    size = (x2 - x1, y2 - y1)
    grey = (GREY,) * 3
    canvas[y1:y2, x1:x2] = cv2.warpAffine(
        image, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=grey
    )
