"""The way of every detector: letterbox, network, decode, thresholds, NMS, back to pixels of the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry import letterbox, to_tensor
from ..poses import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cards import ModelCard
    from ..runtimes import Runtime

    Array = NDArray[np.float32]

# From the network's outputs, its input size (height, width) and the index of the person class: per picture the boxes
# xyxy (M, 4) in pixels of the network's input, and their scores (M,).
Decode = Callable[[Sequence[Any], tuple[int, int], int], "list[tuple[Array, Array]]"]


class Detector:
    """Finds persons in pictures.

    Args:
        card: what the network takes; its option ``person`` is the index of the person class (0 unless given).
        runtime: the network.
        decode: how its family's outputs are read.
        score, iou, max_persons: see `vitruvian.load`.
    """

    def __init__(
        self, card: ModelCard, runtime: Runtime, decode: Decode, score: float, iou: float, max_persons: int | None
    ) -> None:
        self.card = card
        self.runtime = runtime
        self.score = score
        self.iou = iou
        self.max_persons = max_persons
        self._decode = decode

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        """Persons of each RGB uint8 picture (H, W, 3), of any sizes; one batch through the network."""
        if not images:
            return []
        # A pixel less of the picture costs a hundredth of AP, so each family rounds as its authors do.
        down = self.card.family == "yolox"
        canvases, scales = zip(*(letterbox(image, self.card.input_size, down=down) for image in images), strict=True)
        outputs = self.runtime(to_tensor(canvases, self.card.mean, self.card.std, self.card.bgr))
        found = self._decode(outputs, self.card.input_size, self.card.options.get("person", 0))
        return [
            self._select(boxes / scale, scores, image.shape[:2])
            for (boxes, scores), scale, image in zip(found, scales, images, strict=True)
        ]

    def _select(self, xyxy: Array, scores: Array, size: tuple[int, ...]) -> Boxes:
        import cv2

        xyxy = np.clip(xyxy, 0, np.array([size[1], size[0]] * 2)).astype(np.float32)
        extent = xyxy[:, 2:] - xyxy[:, :2]
        usable = (scores >= self.score) & (extent > 0).all(axis=1)  # False for NaN too
        xyxy, scores, extent = xyxy[usable], scores[usable], extent[usable]
        if not len(xyxy):
            return Boxes.none()
        xywh = np.concatenate([xyxy[:, :2], extent], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, self.iou), int).reshape(-1)
        kept = kept[: self.max_persons]
        return Boxes(xyxy[kept], np.clip(scores[kept], 0, 1).astype(np.float32))
