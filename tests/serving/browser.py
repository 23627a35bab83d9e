"""A browser that shows the page, and what is on it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT = 30_000
"""Milliseconds for anything to happen."""


@contextlib.contextmanager
def chromium(camera: Path) -> Iterator[Any]:
    """The browser; its camera shows a file of JPEGs one after the other (.mjpeg)."""
    if CHROMIUM is None:
        pytest.skip("chromium is absent")
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={camera}"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


class Visit:
    """A page that is open, what it asked for, and what it complained of."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        self.context.set_default_timeout(WAIT)
        self.page = self.context.new_page()
        self.address = address
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def close(self, *allowed: str) -> None:
        """Leave; nothing was asked of another host, and nothing but what is allowed complained of."""
        self.context.close()
        host = urlsplit(self.address).netloc
        assert {urlsplit(url).netloc for url in self.asked if urlsplit(url).scheme not in ("blob", "data")} == {host}
        assert [text for text in self.complaints if not any(part in text for part in allowed)] == []

    def give(self, *files: Path) -> None:
        """Choose files."""
        self.page.set_input_files("#files", [str(file) for file in files])

    def state(self, text: str | re.Pattern[str]) -> str:
        """Wait until the shown file's state has a text; the whole of it."""
        found = self.page.locator("#caption-state").filter(has_text=text)
        found.wait_for()
        return found.inner_text()

    def download(self, button: str) -> bytes:
        """What a button saves."""
        with self.page.expect_download() as waiting:
            self.page.click(f"#save-{button}")
        return Path(waiting.value.path()).read_bytes()

    def json(self) -> dict[str, Any]:
        """What the button JSON saves."""
        return json.loads(self.download("json"))

    def rows(self) -> list[list[str]]:
        """The texts of the table of persons."""
        rows = self.page.locator("#persons-body tr").all()
        return [row.locator("th, td").all_inner_texts() for row in rows]

    def set(self, **switches: bool) -> None:
        """Set switches of what is shown."""
        for name, on in switches.items():
            self.page.locator(f"#option-{name}").set_checked(on)

    def stage(self, width: int, height: int) -> np.ndarray:
        """The pixels of the canvas on the screen that show a picture of this size: RGB uint8, at the screen's scale."""
        shot = decoded(self.page.locator("#canvas").screenshot())
        scale = min(shot.shape[1] / width, shot.shape[0] / height)
        left, top = (shot.shape[1] - width * scale) / 2, (shot.shape[0] - height * scale) / 2
        return shot[round(top) : round(top + height * scale), round(left) : round(left + width * scale)]


def decoded(data: bytes) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a picture's file."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
