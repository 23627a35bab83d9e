"""Random brightness, contrast and saturation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def color_jitter(rng: np.random.Generator, image: NDArray[np.uint8], amount: float) -> NDArray[np.uint8]:
    """A picture RGB uint8 (H, W, 3) with brightness, contrast and saturation times 1 - amount to 1 + amount."""
    brightness, contrast, saturation = 1 + rng.uniform(-amount, amount, 3)
    if not amount:
        return image
    import cv2

    grey = np.array([0.299, 0.587, 0.114])
    # All three are one linear map of colours; contrast keeps the mean.
    colours = brightness * (saturation * np.eye(3) + (1 - saturation) * grey)
    mean = brightness * float(np.dot(cv2.mean(image)[:3], grey))
    changed = cv2.transform(image, np.column_stack([contrast * colours, np.full(3, (1 - contrast) * mean)]))
    return changed.astype(np.uint8, copy=False)
