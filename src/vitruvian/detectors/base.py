"""The way of every detector: letterbox, network, decode, thresholds, NMS, back to pixels of the picture.

NMS sees the boxes as the network gives them, as in YOLOv5 and YOLOX: those that reach over the picture's edge end there
only afterwards, for two persons at the edge overlap more once their boxes are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..geometry import letterbox, solid, to_tensor
from ..poses import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cards import ModelCard
    from ..runtimes import Runtime

    Array = NDArray[np.float32]

# From the network's outputs, its input size (height, width) and the index of the person class: per picture the boxes
# xyxy (M, 4) in pixels of the network's input, and their scores (M,).
Decode = Callable[[Sequence[Any], tuple[int, int], int], "list[tuple[Array, Array]]"]


# Boxes that overlap more than this are taken for the same person, unless a detector's card has a number of its own.
IOU = 0.65


@dataclass(frozen=True)
class Family:
    """What the detectors of one kind have in common.

    Args:
        decode: how their outputs are read.
        centred: pictures stand in the middle of their input, not in its top left corner.
        down: scaled sides round down. A pixel less of the picture costs a hundredth of AP, so each family rounds as its
            authors do.
    """

    decode: Decode
    centred: bool = False
    down: bool = False

    def letterbox(
        self, image: NDArray[np.uint8], size: tuple[int, int], stride: int | None = None
    ) -> tuple[NDArray[np.uint8], float, NDArray[np.float32]]:
        """A picture as the family wants it; see `vitruvian.geometry.letterbox`."""
        return letterbox(image, size, self.centred, self.down, stride)


class Detector:
    """Finds persons in pictures.

    Args:
        card: what the network takes. Its option ``person`` is the index of the person class (0 unless given); with an
            option ``stride`` the network takes any multiple of it, and pictures get no more border than they need.
        runtime: the network.
        family: how its inputs are laid out and its outputs are read.
        score, iou, max_persons: see `vitruvian.load`.
    """

    def __init__(
        self, card: ModelCard, runtime: Runtime, family: Family, score: float, iou: float, max_persons: int | None
    ) -> None:
        self.card = card
        self.runtime = runtime
        self.score = score
        self.iou = iou
        self.max_persons = max_persons
        self._family = family

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        """Persons of each RGB uint8 picture (H, W, 3), of any sizes; one batch through the network per input size."""
        stride = self.card.options.get("stride")
        boxed = [self._family.letterbox(image, self.card.input_size, stride) for image in images]
        sizes: dict[tuple[int, int], list[int]] = {}
        for index, (canvas, _, _) in enumerate(boxed):
            sizes.setdefault((canvas.shape[0], canvas.shape[1]), []).append(index)
        found: dict[int, Boxes] = {}
        for size, indices in sizes.items():
            canvases = [boxed[index][0] for index in indices]
            outputs = self.runtime(to_tensor(canvases, self.card.mean, self.card.std, self.card.bgr))
            try:
                decoded = self._family.decode(outputs, size, self.card.options.get("person", 0))
            except (IndexError, ValueError) as error:
                raise ModelError(
                    f"{self.runtime.path}: what the network returns is not a {self.card.family}'s ({error})"
                ) from None
            for index, (boxes, scores) in zip(indices, decoded, strict=True):
                _, scale, corner = boxed[index]
                boxes, scores = self._select(boxes, scores)
                height, width = images[index].shape[:2]
                xyxy = np.clip((boxes - np.tile(corner, 2)) / scale, 0, [width, height] * 2).astype(np.float32)
                inside = np.flatnonzero(solid(xyxy))[: self.max_persons]
                found[index] = Boxes(xyxy[inside], np.clip(scores[inside], 0, 1).astype(np.float32))
        return [found[index] for index in range(len(images))]

    def _select(self, boxes: Array, scores: Array) -> tuple[Array, Array]:
        """The boxes xyxy (M, 4) in pixels of the network's input that score enough and pass NMS, best first."""
        import cv2

        with np.errstate(over="ignore", invalid="ignore"):
            extent = boxes[:, 2:] - boxes[:, :2]
        # False for NaN, and for what is too large to be compared.
        usable = (scores >= self.score) & (extent > 0).all(axis=1) & np.isfinite(extent).all(axis=1)
        boxes, scores = boxes[usable], scores[usable]
        xywh = np.concatenate([boxes[:, :2], extent[usable]], axis=1)
        kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, self.iou) if len(boxes) else ()
        rows = np.asarray(kept, int).reshape(-1)
        return boxes[rows], scores[rows]
