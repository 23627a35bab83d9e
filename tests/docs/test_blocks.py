"""Every code block of README and docs runs, or says why not."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
import typer
import yaml
from blocks import ROOT, Block, blocks, commands, inline_commands, pages

from drawn import data_set
from vitruvian.cli import app
from vitruvian.skeletons import COCO17

SLOW = bool(os.environ.get("VITRUVIAN_SLOW_DOCS"))
LANGUAGES = {"python", "bash", "text", "yaml", "json", "sql"}
PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
WEIGHTS = {
    "pose_mobilenet_256x192.onnx": ("pose.onnx", "teacher.onnx", "a.onnx", "b.onnx"),
    "person_mobilenet_384x384.onnx": ("det.onnx", "detector.onnx"),
}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("files")
    photo = cv2.imread(str(ROOT / "docs/images/astronaut.jpg"))
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    (folder / "photos").mkdir()
    for name, picture in {"photo.jpg": photo, "photos/a.jpg": small, "photos/b.jpg": small[:, 20:]}.items():
        cv2.imwrite(str(folder / name), picture)
    excerpt(ROOT / "docs/media/squats.mp4", folder / "squats.mp4", 30)
    for name in ("dance.mp4", "game.mp4", "video.mp4"):
        shutil.copy(folder / "squats.mp4", folder / name)
    for name in ("train", "val"):
        data_set(folder, name=name, names=COCO17.keypoints)
    truth = json.loads((folder / "val.json").read_text())["annotations"]
    found = [{"image_id": one["image_id"], "category_id": 1, "bbox": one["bbox"], "score": 0.9} for one in truth]
    (folder / "detections.json").write_text(json.dumps(found))
    for own, names in WEIGHTS.items():
        for name in names:
            shutil.copy(ROOT / "src/vitruvian/weights" / own, folder / name)
    return folder


def excerpt(source: Path, target: Path, count: int) -> None:
    """The first frames of a video, half as large."""
    with av.open(str(source)) as video, av.open(str(target), "w") as file:
        stream = file.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        for frame, _ in zip(video.decode(video=0), range(count), strict=False):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(height=240, width=320, format="rgb24"))))
        file.mux(stream.encode())


@pytest.fixture
def place(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to run in, without a network."""
    folder = tmp_path / "place"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")
    return folder


@PAGES
def test_blocks_run(page: Path, place: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if not block.run or (block.slow and not SLOW):
            continue
        output = io.StringIO()
        try:
            with redirect_stdout(output):
                if block.language == "python":
                    exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
                elif block.language == "bash":
                    for words in commands(block.text):
                        run(words)
        except Exception as error:
            pytest.fail(f"{block}: {type(error).__name__}: {error}\n{output.getvalue()}")


def run(words: list[str]) -> None:
    """Runs commands of the package and scripts of docs/; others were looked at by `test_commands_are_known`."""
    if words[0] == "python" and words[1].startswith("docs/"):
        subprocess.run([sys.executable, ROOT / words[1], *words[2:]], check=True)
    if words[0] == "vitruvian":
        try:
            code = app(words[1:], standalone_mode=False)
        except SystemExit as left:
            code = left.code
        assert not code, f"{' '.join(words)}: exit code {code}"


@PAGES
def test_commands_are_known(page: Path) -> None:
    """Of all blocks, also of those that aren't run here."""
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block}: the language {block.language!r}"
        if block.language == "python":
            compile(block.text, str(block), "exec")
        elif block.language == "yaml":
            assert yaml.safe_load(block.text)
        elif block.language == "bash":
            for words in commands(block.text):
                check(words, block)
    for words in inline_commands(page):
        options(words)


def check(words: list[str], block: Block) -> None:
    """A command that exists, with options that exist."""
    if words[0] == "vitruvian":
        parse(words)
    elif words[0] == "pip":
        project = (ROOT / "pyproject.toml").read_text()
        for extras in re.findall(r"vitruvian\[([\w,-]+)\]", " ".join(words)):
            for extra in extras.split(","):
                assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"{block}: no extra {extra}"
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{block}: no target {words[1]}"
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), f"{block}: no script {words[1]}"
    else:
        assert words[0] in {"git", "cd", "python3", "source"} or not block.run, f"{block}: what is {words[0]}?"


def parse(words: list[str]) -> None:
    """As the command line does it, but nothing runs."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("vitruvian", list(words[1:2]), resilient_parsing=True)
    if words[1].startswith("-"):
        return
    command = group.get_command(context, words[1])
    assert command is not None, f"no command {words[1]}"
    command.make_context(words[1], words[2:], parent=context)


def options(words: list[str]) -> None:
    """Of a command in a text, which may have placeholders: each option exists."""
    group: Any = typer.main.get_command(app)
    command = group.commands.get(words[1])
    assert command is not None, f"no command {words[1]}"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words[2:]:
        if re.fullmatch(r"--?[a-z][\w-]*", word):
            assert word in known | {"--help", "-h"}, f"{' '.join(words)}: no option {word}"


def test_a_wrong_option_is_found() -> None:
    with pytest.raises(AssertionError, match="no option --detectors"):
        options(["vitruvian", "predict", "photo.jpg", "--detectors", "det.onnx"])
    with pytest.raises(Exception, match="--detectors"):
        parse(["vitruvian", "predict", "photo.jpg", "--detectors", "det.onnx"])


def test_a_failing_block_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: a reason -->\n```bash\nvitruvian x\n```\n\n1. a list\n\n   ```python\n   1 / 0\n   ```\n"
    )
    first, second = blocks(page)
    assert (first.run, first.line, first.language) == (False, 3, "bash")
    assert (second.run, second.line, second.text) == (True, 9, "1 / 0\n")
