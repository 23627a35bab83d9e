"""Drawing of skeletons, boxes, labels and blurred faces onto pictures."""

from .colours import COLOURS, PERSONS, Colours
from .drawable import Drawable
from .faces import check_faces
from .persons import check_style, draw

__all__ = ["COLOURS", "PERSONS", "Colours", "Drawable", "check_faces", "check_style", "draw"]
