"""From pictures with boxes to batches: canvases of the network's size, and what is to be found on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...datasets import read_picture
from ...datasets.pictures import reduction
from ...geometry import GREY
from ..augmentation import recolour
from ..loading import KeyedSamples
from .augmentation import Tile, Variation, place_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...datasets.boxed import BoxedPictures
    from .recipe import DetectorRecipe

# What shows less than this part of a person, or is smaller than so many pixels, is neither a person nor background.
_LEAST_SHOWN, _LEAST_SIDE = 0.3, 4.0


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture, or four of them, and the boxes there, xyxy in pixels of the canvas.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes: float32 (M, 4), persons to be found.
        confidences: float32 (M,) in 0..1, above 0, how sure it is that each is one.
        regions: float32 (R, 4), where finding somebody is neither right nor wrong.
        crowd: bool (R,): anywhere within the region; else only who finds this very box, of which too little is seen.
        name: what messages call it.
        problems: what was wrong with pictures that it stands in for.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    confidences: NDArray[np.float32]
    regions: NDArray[np.float32]
    crowd: NDArray[np.bool_]
    name: str
    problems: tuple[str, ...] = ()


class Canvases(KeyedSamples[Canvas]):
    """Pictures and mosaics of pictures.

    Args:
        pictures: which.
        size: (height, width) of the canvas in pixels.
        recipe: how they vary, and what a teacher's scores are worth.
        seed: what chance starts from.
    """

    def __init__(self, pictures: BoxedPictures, size: tuple[int, int], recipe: DetectorRecipe, seed: int) -> None:
        self.pictures = pictures
        self.size = size
        self.variation = recipe.variation
        self.late = replace(recipe.variation, mosaic=0, smallest=1, largest=1, stretch=0)
        self.mosaics_end = round(recipe.epochs * (1 - recipe.plain))
        self.doubtful, self.certain = recipe.doubtful, recipe.certain
        self.reduced = recipe.reduced
        self.seed = seed
        self._shares = np.cumsum(pictures.copies) / pictures.copies.sum()

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, epoch: int, row: int, copy: int, problems: tuple[str, ...]) -> Canvas:
        """The canvas of an epoch and a picture. Raises InputError for a picture that can't be read."""
        rng = np.random.default_rng((self.seed, epoch, row, copy))
        # At the end pictures come as the detector will see them.
        variation = self.late if epoch >= self.mosaics_end else self.variation
        windows = variation.windows(rng, self.size)
        # Who comes often comes often into others' mosaics, too.
        rows = [row, *np.searchsorted(self._shares, rng.random(len(windows) - 1), side="right").tolist()]
        image = np.full((*self.size, 3), GREY, np.uint8)
        placed = [self._put(rng, variation, image, index, window) for index, window in zip(rows, windows, strict=True)]
        boxes, confidences, regions, crowd = (np.concatenate(parts) for parts in zip(*placed, strict=True))
        image = recolour(rng, image, variation.colour)
        names = ", ".join(str(self.pictures.files[index]) for index in rows)
        return Canvas(image, boxes, confidences, regions, crowd, names, problems)

    def _put(
        self,
        rng: np.random.Generator,
        variation: Variation,
        canvas: NDArray[np.uint8],
        row: int,
        window: tuple[int, int, int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Draw a picture onto a canvas; returns its boxes, confidences, regions and which of these are crowds."""
        pictures, own = self.pictures, self.pictures.own(row)
        width, height = pictures.sizes[row].tolist()
        known = not np.isnan(width)
        if known:
            tile = variation.tile(rng, (width, height), window, self.size)
            image, factor = read_picture(pictures.files[row], reduction(tile.affine) if self.reduced else 1)
            known = image.shape[:2] == (math.ceil(height / factor), math.ceil(width / factor))
        if not known:
            # Nothing is said of its size, or what isn't so.
            image, factor = read_picture(pictures.files[row])
            height, width = image.shape[:2]
            tile = variation.tile(rng, (width, height), window, self.size)
        draw(canvas, image, tile, factor)
        boxes, shown = place_boxes(tile, pictures.boxes[own])
        visible = (shown > 0) & (boxes[:, 2:] - boxes[:, :2] > 0).all(axis=1)
        boxes, shown, crowd = boxes[visible], shown[visible], pictures.crowd[own][visible]
        confidences = self._sureness(pictures.confidences[own][visible])
        large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= _LEAST_SIDE
        wanted = ~crowd & large & (shown >= _LEAST_SHOWN) & (confidences > 0)
        neither = crowd | ~wanted & (confidences > 0)
        return boxes[wanted], confidences[wanted], boxes[neither], crowd[neither]

    def _sureness(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """How sure it is that boxes are persons, from who drew them: see `DetectorRecipe`."""
        sure = (scores - self.doubtful) / (self.certain - self.doubtful)
        return np.clip(sure, 0, 1).astype(np.float32)

    def collate(self, samples: Sequence[Canvas]) -> dict[str, Any]:
        """A batch: ``images`` uint8 (N, H, W, 3); ``targets`` boxes, confidences and their pictures int64, and regions,
        crowd and their pictures, all pictures' in one row; ``names``, ``problems``."""

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
    """Put a picture in its place.

    Args:
        canvas: RGB uint8 (H, W, 3); it is changed.
        image: RGB uint8 (h, w, 3), `factor` times smaller than the picture.
        tile: the picture's place.
    """
    import cv2

    x1, y1, x2, y2 = tile.window
    affine = tile.affine.copy()
    affine[:, :2] *= factor
    affine[:, 2] -= x1, y1
    # OpenCV counts from the middle of the first pixel, boxes from its corner.
    affine[:, 2] += affine[:, :2].sum(axis=1) / 2 - 0.5
    size = (x2 - x1, y2 - y1)
    grey = (GREY,) * 3
    canvas[y1:y2, x1:x2] = cv2.warpAffine(
        image, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=grey
    )
