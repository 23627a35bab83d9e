"""Code blocks of Markdown pages, and the commands in them.

A comment before a block says how it is treated:

    <!-- not run: REASON -->    it is only compiled, its commands only parsed
    <!-- slow -->               it runs with `make docs-test`, and is parsed everywhere
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")
NOT_RUN = re.compile(r"^<!-- not run: \S.* -->$")
SLOW = "<!-- slow -->"
COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line of its first line of code (from 1), its language and text."""

    page: Path
    line: int
    language: str
    text: str
    run: bool
    slow: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """The pages whose blocks are tested."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. A fence that doesn't end is a ValueError."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    start, language, indent = 0, "", 0
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if not start:
            start, language, indent = number, fence["language"], len(fence["indent"])
            continue
        before = next((text for text in reversed(lines[: start - 1]) if text.strip()), "").strip()
        text = "\n".join(row[indent:] for row in lines[start : number - 1]) + "\n"
        found.append(Block(page, start + 1, language, text, NOT_RUN.match(before) is None, before == SLOW))
        start = 0
    if start:
        raise ValueError(f"{page}:{start}: the block doesn't end")
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block as lists of words: lines that end in a backslash go on, comments are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(COMMENT.sub("", line)):
            yield words


def inline_commands(page: Path) -> list[list[str]]:
    """Commands `vitruvian ...` in the text and the tables of a page, outside of blocks."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(found.replace("\\|", "|")) for found in re.findall(r"`(vitruvian [a-z][^`']*)`", text)]
