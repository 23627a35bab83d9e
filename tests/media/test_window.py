"""The window, on a real display: the one there is, or an Xvfb of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from vitruvian import OutputError
from vitruvian.media.window import Window

tkinter = pytest.importorskip("tkinter", reason="this Python has no tkinter")

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A display; tests that need one skip where there is none and no Xvfb."""
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    if shutil.which("Xvfb") is None:
        pytest.skip("no display, and no Xvfb to make one")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        if not number:
            pytest.skip("Xvfb doesn't start here")
        os.environ["DISPLAY"] = f":{number}"
        yield os.environ["DISPLAY"]
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait(10)


@pytest.fixture
def window(display: str) -> Iterator[Window]:
    window = Window("a test")
    yield window
    window.close()


def shown(window: Window) -> np.ndarray:
    """The pixels of the picture that the label holds."""
    picture = window._picture
    assert picture is not None
    return np.array(
        [[picture.get(x, y) for x in range(picture.width())] for y in range(picture.height())], np.uint8
    ).reshape(picture.height(), picture.width(), 3)


def test_the_picture_is_shown_as_it_is(window):
    window.show(PICTURE)
    assert np.array_equal(shown(window), PICTURE)
    assert not window.closed


def test_pictures_follow_each_other(window):
    for image in (PICTURE, 255 - PICTURE, PICTURE[:, :30]):
        window.show(image)
        assert np.array_equal(shown(window), image)


def test_a_picture_larger_than_the_screen_is_made_smaller(window):
    screen = window._root.winfo_screenwidth(), window._root.winfo_screenheight()
    height, width = screen[1] * 2, screen[0] * 3
    window.show(np.full((height, width, 3), (10, 20, 30), np.uint8))
    picture = window._picture
    assert picture.width() <= screen[0]
    assert picture.height() <= screen[1]
    assert picture.width() / picture.height() == pytest.approx(width / height, rel=0.02)
    assert picture.get(5, 5) == (10, 20, 30)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_sizes(window, size):
    window.show(np.full((*size, 3), 77, np.uint8))
    assert window._picture.width() >= 1
    assert window._picture.get(0, 0) == (77, 77, 77)


@pytest.mark.parametrize("key", ["q", "<Escape>"])
def test_keys_close_it(window, key):
    window.show(PICTURE)
    window._root.focus_force()
    window._root.update()
    window._root.event_generate(key)
    end = time.monotonic() + 5
    while not window.closed and time.monotonic() < end:
        window._root.update()
    assert window.closed


def test_the_wait_ends_when_it_is_closed(window):
    window.show(PICTURE)
    window._root.after(50, window.close)
    start = time.monotonic()
    window.wait()
    assert window.closed
    assert 0.03 < time.monotonic() - start < 10


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_wait(display):
    code = """
import numpy as np
from vitruvian.media.window import Window
window = Window("a test")
window.show(np.zeros((60, 80, 3), np.uint8))
print("shown", flush=True)
try:
    window.wait()
except KeyboardInterrupt:
    print("interrupted")
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout.readline() == "shown\n"
            time.sleep(0.5)
            run.send_signal(signal.SIGINT)
            assert run.communicate(timeout=5)[0] == "interrupted\n"
        finally:
            run.kill()


def test_nothing_happens_after_closing(window):
    window.show(PICTURE)
    window.close()
    window.close()
    window.show(PICTURE)
    window.wait()
    assert window.closed


def test_no_display_is_an_output_error(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":97531")
    with pytest.raises(OutputError, match="no window can be shown: there is no display here"):
        Window("nowhere")
