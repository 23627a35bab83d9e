"""Pictures: decoded within limits of size and memory, from wherever they are given."""

from .decoding import Image
from .reading import Channels, Picture, as_rgb, is_tensor, load_rgb, read_image

__all__ = ["Channels", "Image", "Picture", "as_rgb", "is_tensor", "load_rgb", "read_image"]
