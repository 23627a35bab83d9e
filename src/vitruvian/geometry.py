"""Geometry of crops: from a box to a crop of fixed size, and from crop pixels back to the picture.

The procedure is the one published with HRNet (arXiv 1908.07919) and used by all five families: the box grows to the
network's aspect ratio, is padded, and is warped to the crop by an affine map with bilinear interpolation and a black
border. The box's centre goes to the crop's centre (W/2, H/2), its width to W. UDP (1911.07524), which PSA uses, counts
the intervals between pixels instead: its crops are `aligned`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PADDING = 1.25
# The level of what a canvas has beside its picture.
GREY = 114
# The authors keep the size of a person in units of 200 pixels.
PIXEL_STD = 200.0


# Shorter sides, in pixels and as a share of the coordinates, vanish in float32.
_LEAST_SIDE, _LEAST_SHARE = 1e-3, 1e-5
# No picture is so long (`media.MAX_SIDE`), and further away nothing of it is seen.
_FURTHEST = 1e6


def solid(boxes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which boxes (N, 4) xyxy in pixels can be cropped: finite, within a million pixels, and not without any extent."""
    xyxy = np.asarray(boxes, np.float64).reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        reach = np.abs(xyxy).max(axis=1)
        side = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1)
        found: NDArray[np.bool_] = (reach <= _FURTHEST) & (side >= np.maximum(_LEAST_SIDE, _LEAST_SHARE * reach))
    return found


def crop_affines(
    boxes: NDArray[np.float32], size: tuple[int, int], padding: float = PADDING, aligned: bool = False
) -> NDArray[np.float64]:
    """The maps from picture pixels to crop pixels.

    Args:
        boxes: (N, 4) xyxy in pixels, each of them `solid`.
        size: (height, width) of the crop.
        padding: factor by which the box grows after its aspect ratio is right.
        aligned: UDP's way: the corners of the grown box go to the centres of the crop's corner pixels, so that a
            mirrored crop is the crop of the mirrored picture to the pixel.

    Returns:
        float64 (N, 2, 3): crop = matrix @ (x, y, 1).
    """
    # Float32, in the authors' order of steps: their crops then come out the same to the last grey level.
    corners = np.asarray(boxes, np.float32).reshape(-1, 2, 2)
    height, width = size
    extent = corners[:, 1] - corners[:, 0]
    centres = corners[:, 0] + extent * np.float32(0.5)
    box_width = np.maximum(extent[:, 0], extent[:, 1] * np.float32(width / height))
    box_width = box_width / np.float32(PIXEL_STD) * np.float32(padding) * np.float32(PIXEL_STD)
    if aligned:
        return _aligned_affines(centres, box_width, size)
    above = np.stack([np.zeros_like(box_width), -box_width / 2], axis=1)
    source = np.stack([centres, centres + above, centres + above], axis=1)
    source[:, 2, 0] -= centres[:, 1] - source[:, 1, 1]
    centre = np.array([width / 2, height / 2])
    target = centre + np.array([[0, 0], [0, -width / 2], [-width / 2, -width / 2]])
    known = np.concatenate([source.astype(np.float64), np.ones((len(source), 3, 1))], axis=2)
    return np.linalg.solve(known, np.broadcast_to(target, (len(source), 3, 2))).transpose(0, 2, 1)


def _aligned_affines(
    centres: NDArray[np.float32], box_width: NDArray[np.float32], size: tuple[int, int]
) -> NDArray[np.float64]:
    height, width = size
    extent = box_width[:, None].astype(np.float64) * (1, height / width)
    scale = np.array([width - 1, height - 1]) / extent
    affines = np.zeros((len(centres), 2, 3))
    affines[:, (0, 1), (0, 1)] = scale
    affines[:, :, 2] = scale * (extent / 2 - centres)
    return affines


def crop(image: NDArray[np.uint8], affines: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut-outs (N, H, W, 3) uint8 of an RGB picture (h, w, 3); what lies outside of the picture is black."""
    import cv2

    height, width = size
    crops = np.empty((len(affines), height, width, 3), np.uint8)
    for affine, target in zip(affines, crops, strict=True):
        cv2.warpAffine(image, affine, (width, height), dst=target, flags=cv2.INTER_LINEAR)
    return crops


def to_crop(keypoints: NDArray[np.float32], affines: NDArray[np.float64]) -> NDArray[np.float32]:
    """Keypoints (N, K, 2) in pixels of the picture to crop pixels, by the maps of `crop_affines`; float32."""
    return (keypoints @ affines[:, :, :2].transpose(0, 2, 1) + affines[:, None, :, 2]).astype(np.float32)


def to_image(keypoints: NDArray[np.float32], affines: NDArray[np.float64]) -> NDArray[np.float32]:
    """Keypoints (N, K, 2) in crop pixels to pixels of the picture, inverting `crop_affines`; float32."""
    back = np.linalg.inv(affines[:, :, :2]).transpose(0, 2, 1)
    return ((keypoints - affines[:, None, :, 2]) @ back).astype(np.float32)


def letterbox(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    centred: bool = False,
    down: bool = False,
    stride: int | None = None,
    grey: int = GREY,
) -> tuple[NDArray[np.uint8], float, NDArray[np.float32]]:
    """An RGB picture scaled to fit (height, width), on a grey canvas.

    Args:
        image: RGB uint8 (h, w, 3).
        size: of the canvas, (height, width).
        centred: in the middle of the canvas (YOLOv5), not in its top left corner (YOLOX, RTMDet).
        down: the scaled sides are rounded down to whole pixels (YOLOX), not to the nearest.
        stride: a canvas that is no larger than the picture needs, in multiples of this; None makes all of `size`.
        grey: level of the canvas.

    Returns:
        the canvas, uint8 (height, width, 3); the scale, canvas pixels per picture pixel; and where the picture's corner
        is, float32 (2,), x and y in canvas pixels.
    """
    import cv2

    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    whole = int if down else round
    height, width = max(whole(image.shape[0] * scale), 1), max(whole(image.shape[1] * scale), 1)
    if stride:
        size = -(-height // stride) * stride, -(-width // stride) * stride
    top, left = ((size[0] - height) // 2, (size[1] - width) // 2) if centred else (0, 0)
    canvas = np.full((*size, 3), grey, np.uint8)
    inner = canvas[top : top + height, left : left + width]
    inner[:] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return canvas, scale, np.array([left, top], np.float32)


def to_tensor(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    bgr: bool = False,
) -> NDArray[np.float32]:
    """Pictures of one size as a network takes them.

    Args:
        images: N times RGB uint8 (H, W, 3).
        mean, std: per channel, in grey levels 0..255, in the order of the network's channels.
        bgr: the network's channel order is blue, green, red.

    Returns:
        float32 (N, 3, H, W), (image - mean) / std.
    """
    import cv2

    blob: Any = cv2.dnn.blobFromImages(list(images), mean=mean, swapRB=bgr)
    if std != (1.0, 1.0, 1.0):
        blob /= np.asarray(std, np.float32)[:, None, None]
    return blob
