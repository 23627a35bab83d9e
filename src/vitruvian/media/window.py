"""A window for pictures, with the standard library's tkinter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Window:
    """Opens on the first display. Use it from the main thread only.

    Raises:
        OutputError: this Python has no tkinter, or there is no display.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError:
            raise OutputError(
                "no window can be shown: this Python lacks tkinter (Debian: apt install python3-tk)"
            ) from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise OutputError(f"no window can be shown: there is no display here ({error})") from None
        self.closed = False
        self._picture: tkinter.PhotoImage | None = None
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self._root.bind(key, lambda _event: self.close())

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show an RGB uint8 picture (H, W, 3), made smaller if the screen is; nothing once the window is closed."""
        import tkinter

        import cv2

        if self.closed:
            return
        height, width = image.shape[:2]
        scale = min(0.9 * self._root.winfo_screenheight() / height, 0.9 * self._root.winfo_screenwidth() / width, 1.0)
        size = max(int(width * scale), 1), max(int(height * scale), 1)
        pixels = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        ppm = b"P6 %d %d 255\n" % size + pixels.tobytes()
        # Tk keeps no reference of its own, hence the attribute.
        self._picture = tkinter.PhotoImage(master=self._root, data=ppm, format="PPM")
        self._label.configure(image=self._picture)
        self._root.update()

    def wait(self) -> None:
        """Return when the user closes the window (q, Escape, or its button)."""
        # Not Tk's own loop, which doesn't hear Ctrl-C.
        while not self.closed:
            self._root.update()
            time.sleep(0.02)

    def close(self) -> None:
        """Close the window; harmless a second time."""
        if not self.closed:
            self.closed = True
            self._root.destroy()
