"""Steps of a person detector: prepare, network, decode, suppress, and back to pixels of the picture.

A family says how its pictures are prepared, its outputs decoded and its duplicates suppressed; the rest is the same for
all. NMS sees the boxes as the network gives them, as in YOLOv5 and YOLOX. Boxes that reach over the picture's edge are
clipped only afterwards, because two persons at the edge overlap more once their boxes are clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..cards import DetectorOptions
from ..errors import ModelError
from ..geometry import letterbox, solid, to_tensor
from ..poses import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..cards import ModelCard
    from ..runtimes import Runtime

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]

IOU = 0.65
"""Boxes that overlap more than this count as the same person, unless a detector's card has a number of its own."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture at a network's input size.

    Args:
        canvas: RGB uint8 (H, W, 3).
        scale: float32 (2,), canvas pixels per picture pixel, in x and y.
        corner: float32 (2,), x and y of the picture's corner in canvas pixels.
    """

    canvas: Image
    scale: Array
    corner: Array

    def to_picture(self, boxes: Array) -> Array:
        """Boxes xyxy (M, 4) in canvas pixels as boxes in pixels of the picture."""
        corners, scales = self.corner[[0, 1, 0, 1]], self.scale[[0, 1, 0, 1]]
        return (boxes - corners) / scales


# From an RGB uint8 picture (h, w, 3), the network's input size (height, width), and its size multiple, or None for one
# fixed size: the prepared picture.
Prepare = Callable[["Image", tuple[int, int], "int | None"], Prepared]

# From the network's outputs, its input size (height, width) and the index of the person class: for each picture the
# boxes xyxy (M, 4) in pixels of the network's input, and their scores (M,).
Decode = Callable[[Sequence[Any], tuple[int, int], int], "list[tuple[Array, Array]]"]

# From boxes xyxy (M, 4), their scores (M,) and an IoU: the rows of the boxes that stay, best first.
Suppress = Callable[["Array", "Array", float], "NDArray[np.intp]"]


@dataclass(frozen=True)
class Letterbox:
    """Prepares a picture by scaling it to fit, with a grey border; see `vitruvian.geometry.letterbox`.

    Args:
        centred: pictures stand in the middle of the canvas, not in its top left corner.
        down: scaled sides round down. A pixel less of the picture costs a hundredth of AP, so each family rounds as its
            authors do.
    """

    centred: bool = False
    down: bool = False

    def __call__(self, image: Image, size: tuple[int, int], stride: int | None = None) -> Prepared:
        canvas, scale, corner = letterbox(image, size, self.centred, self.down, stride)
        return Prepared(canvas, np.full(2, scale, np.float32), corner)


def nms(boxes: Array, scores: Array, iou: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: boxes that overlap a better one by more than `iou` are dropped."""
    import cv2

    if not len(boxes):
        return np.zeros(0, np.intp)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return np.asarray(cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, iou), np.intp).reshape(-1)


@dataclass(frozen=True)
class Family:
    """The steps in which detectors of one kind differ from others.

    Args:
        decode: reads the outputs.
        prepare: brings pictures to the input size.
        suppress: drops duplicates; None for networks whose boxes are final.
        cells: how predictions map to the cells of the grids of strides 8, 16 and 32, for distillation: "all", one a
            cell in order; "sorted", one a cell by score, in front of an NMS inside of the network; "none", no mapping.
    """

    decode: Decode
    prepare: Prepare = Letterbox()
    suppress: Suppress | None = nms
    cells: Literal["all", "sorted", "none"] = "none"


class Detector:
    """Finds persons in pictures.

    Its steps can be called one by one: `prepare`, `outputs`, `decode` (these together: `candidates`), `select`.

    Args:
        card: what the network takes. With a `size_multiple` pictures get no more border than they need.
        runtime: the network.
        family: how its inputs are prepared, its outputs decoded and its duplicates suppressed.
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
        assert isinstance(card.options, DetectorOptions)
        self._options = card.options
        self.family = family

    def __repr__(self) -> str:
        height, width = self.card.input_size
        return f"Detector({self.card.name}, {height}x{width}, {self.runtime})"

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """Persons of each RGB uint8 picture (H, W, 3), of any sizes; one batch through the network per input size."""
        candidates = zip(images, self.candidates(images), strict=True)
        return [self.select(*found, (image.shape[0], image.shape[1])) for image, found in candidates]

    def candidates(self, images: Sequence[Image]) -> list[tuple[Array, Array, Prepared]]:
        """What `select` takes of each RGB uint8 picture (H, W, 3): all boxes, their scores, the prepared picture."""
        prepared = self.prepare(images)
        sizes: dict[tuple[int, int], list[int]] = {}
        for index, item in enumerate(prepared):
            sizes.setdefault((item.canvas.shape[0], item.canvas.shape[1]), []).append(index)
        found: dict[int, tuple[Array, Array, Prepared]] = {}
        for size, indices in sizes.items():
            decoded = self.decode(self.outputs([prepared[index].canvas for index in indices]), size)
            for index, (boxes, scores) in zip(indices, decoded, strict=True):
                found[index] = boxes, scores, prepared[index]
        return [found[index] for index in range(len(images))]

    def prepare(self, images: Sequence[Image]) -> list[Prepared]:
        """RGB uint8 pictures (H, W, 3) as the network takes them."""
        multiple = self._options.size_multiple
        return [self.family.prepare(image, self.card.input_size, multiple) for image in images]

    def outputs(self, canvases: Sequence[Image] | Image) -> tuple[NDArray[Any], ...]:
        """The network's outputs for RGB uint8 canvases of one size, N times (H, W, 3)."""
        return self.runtime(to_tensor(canvases, self.card.mean, self.card.std, self.card.bgr))

    def decode(self, outputs: Sequence[Any], size: tuple[int, int]) -> list[tuple[Array, Array]]:
        """For each canvas all boxes xyxy (M, 4) in its pixels and their scores (M,), before `select`.

        Args:
            outputs: those of the network.
            size: (height, width) of the canvases.

        Raises:
            ModelError: outputs that aren't of this family.
        """
        try:
            return self.family.decode(outputs, size, self._options.person)
        except (IndexError, ValueError) as error:
            raise ModelError(
                f"{self.runtime.path}: what the network returns is not a {self.card.family}'s ({error})"
            ) from None

    def select(self, boxes: Array, scores: Array, prepared: Prepared, size: tuple[int, int]) -> Boxes:
        """The persons of one picture, best first, in its pixels.

        Args:
            boxes, scores: as `decode` gives them.
            prepared: the picture as the network saw it.
            size: (height, width) of the picture.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            extent = boxes[:, 2:] - boxes[:, :2]
        # False for NaN, and for what is too large to be compared.
        usable = (scores >= self.score) & (extent > 0).all(axis=1) & np.isfinite(extent).all(axis=1)
        boxes, scores = boxes[usable], scores[usable]
        suppress = self.family.suppress
        kept = suppress(boxes, scores, self.iou) if suppress else np.argsort(-scores, kind="stable")
        boxes, scores = prepared.to_picture(boxes[kept]), scores[kept]
        xyxy = np.clip(boxes, 0, [size[1], size[0]] * 2).astype(np.float32)
        inside = np.flatnonzero(solid(xyxy))[: self.max_persons]
        return Boxes(xyxy[inside], np.clip(scores[inside], 0, 1).astype(np.float32))
