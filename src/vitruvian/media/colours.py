"""Conversion between FFmpeg's YUV frames and RGB arrays, with the right matrix and range.

PyAV 14 to 16 leave out the range, and sometimes the matrix, when both ends name the same colour space, and ignore the
frame's own tags. So everything is said explicitly, and the RGB end, where a matrix means nothing, names another one.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..pictures.decoding import Image

if TYPE_CHECKING:
    from av import VideoFrame

# AVColorSpace numbers (ITU-T H.273 matrix coefficients) by swscale's names.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
_BT709 = 1
_FULL_RANGE = 2


class RgbConverter:
    """Decoded frames to RGB uint8 (H, W, 3), reusing one scaler.

    A stream that doesn't name its colour space is taken as BT.709 if it is 1280 pixels wide or has more than 576 lines,
    and as BT.601 below, as players do.

    Args:
        pixel_aspect: width of the stream's pixels over their height; frames become so much wider, of square pixels.
    """

    def __init__(self, pixel_aspect: Fraction = Fraction(1)) -> None:
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()
        self._aspect = pixel_aspect

    def __call__(self, frame: VideoFrame) -> Image:
        matrix = _matrix(frame)
        form = frame.format
        full = frame.color_range == _FULL_RANGE or form.is_rgb or form.has_palette or form.name.startswith("yuvj")
        rgb = self._scaler.reformat(
            frame,
            width=max(1, round(frame.width * self._aspect)),
            format="rgb24",
            src_colorspace=matrix,  # type: ignore[arg-type]
            dst_colorspace=_other(matrix),  # type: ignore[arg-type]
            src_color_range="JPEG" if full else "MPEG",
            dst_color_range="JPEG",
        )
        return np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)


class YuvConverter:
    """RGB arrays to BT.709, limited-range yuv420p frames of one even size."""

    def __init__(self, width: int, height: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()
        self._width = width
        self._height = height

    def __call__(self, image: Image) -> VideoFrame:
        from av import VideoFrame

        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
            width=self._width,
            height=self._height,
            format="yuv420p",
            src_colorspace="ITU601",  # type: ignore[arg-type]
            dst_colorspace="ITU709",  # type: ignore[arg-type]
            src_color_range="JPEG",
            dst_color_range="MPEG",
        )
        frame.colorspace = _BT709
        frame.color_range = 1
        return frame


def _matrix(frame: VideoFrame) -> str:
    from av.video.reformatter import Colorspace

    guess = "ITU709" if frame.width >= 1280 or frame.height > 576 else "ITU601"
    matrix = _MATRICES.get(int(frame.colorspace), guess)
    # PyAV 14 and 15 have no name for BT.2020, and BT.709 is the nearest they have.
    return matrix if hasattr(Colorspace, matrix) else "ITU709"


def _other(matrix: str) -> str:
    return "ITU601" if matrix != "ITU601" else "ITU709"
