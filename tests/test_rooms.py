"""The order of rooms: a module imports only from rooms above its own, and few of them import torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vitruvian

ROOT = Path(vitruvian.__file__).parent

# Ground floor first; those of a line don't import each other.
ORDER = """
_version errors choices
io settings
stores
pictures skeletons geometry
cards
angles
drawing
poses
codecs runtimes
media
models
networks
hub
checkpoints
detectors selection tracking
pipeline
loading
process benchmark
datasets
evaluation
plots
graphs
quantization
export
training
serving
scaling
zoo
cli
__main__
"""
RANKS = {room: rank for rank, line in enumerate(ORDER.split("\n")) for room in line.split()}

TORCH = ("networks/", "training/", "checkpoints/", "runtimes/torch.py", "export.py", "quantization.py")

MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, inside of functions and for types too."""
    package = ["vitruvian", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [*base, *(node.module.split(".") if node.module else [])]
            yield from ((node.lineno, ".".join([*names, alias.name])) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    own = room(path)
    wrong = []
    for line, name in imports(path):
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package == "vitruvian" and other != own and RANKS[other] >= RANKS[own]:
            wrong.append(f"{path.name}:{line} imports {name}")
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_torch_stays_in_its_rooms(path: Path) -> None:
    if str(path.relative_to(ROOT)).startswith(TORCH):
        return
    lines = type_checking_lines(path)
    assert not [line for line, name in imports(path) if name.split(".")[0] == "torch" and line not in lines]


def type_checking_lines(path: Path) -> set[int]:
    """The lines that no interpreter runs."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found
