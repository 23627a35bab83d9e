"""The pages of the Python reference, one for each public module, and the public names without a docstring."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe

SOURCE = Path(__file__).resolve().parents[2] / "src"
# Modules with a page, beside those of `vitruvian.__all__`. Of some only these names are public.
OTHERS: dict[str, tuple[str, ...]] = {
    "angles": ("angles", "joints", "MIN_SCORE"),
    "cards": (),
    "errors": ("VitruvianError", "InputError", "ModelError", "OutputError"),
    "pictures": (),
    "pipeline": ("TopDown", "PoseEstimator", "Result"),
    "plots": (),
    "poses": ("Poses", "Boxes"),
    "selection": (),
}
# What they are for, in the order of the page that lists them.
FIRST = """# Python

`import vitruvian as vt`. Every public name is here, by its module. Arrays are numpy; pictures are RGB uint8 (H, W, 3),
boxes float32 (N, 4) x1 y1 x2 y2 in pixels, keypoints float32 (N, K, 2) in pixels of the picture, scores 0..1.
"""


@cache
def package() -> Any:
    """The package as its source says it; nothing of it is imported."""
    loader = griffe.GriffeLoader(search_paths=[SOURCE], docstring_parser=griffe.Parser.google)
    loaded = loader.load("vitruvian")
    loader.resolve_aliases(implicit=False)
    return loaded


def modules() -> list[str]:
    """The modules with a page."""
    own = package()
    named = [name for name in own.exports or () if str(name) in own.members and own[str(name)].is_module]
    return sorted({*map(str, named), *OTHERS})


def public(module: str) -> list[str]:
    """The public names of a module: its `__all__`, or else what it defines itself without an underscore."""
    if chosen := OTHERS.get(module):
        return list(chosen)
    found = package()[module]
    if found.exports is not None:
        return [str(name) for name in found.exports]
    return [name for name, member in found.members.items() if not name.startswith("_") and not member.is_alias]


def api_pages() -> dict[str, str]:
    """The pages by their names, Markdown for mkdocstrings."""
    pages, rows = {}, []
    homes = {name: module for module in modules() for name in public(module)}
    for module in modules():
        about = package()[module].docstring
        summary = about.value.splitlines()[0] if about else ""
        rows.append(f"| [`vitruvian.{module}`]({module}.md) | {summary} |")
        pages[f"api/{module}.md"] = "\n\n".join([f"# vitruvian.{module}", summary, *_entries(module, homes)]) + "\n"
    names = [str(name) for name in package().exports if str(name) not in modules()]
    short = [f"[`vt.{name}`]({homes[name]}.md#vitruvian.{homes[name]}.{name})" for name in names if name in homes]
    lines = [FIRST, "Short names: " + ", ".join(short) + ".", "", "| module | |", "|---|---|", *rows, ""]
    return {"api/index.md": "\n".join(lines), **pages}


def _entries(module: str, homes: dict[str, str]) -> Iterator[str]:
    """One entry a name; of a name that several modules have, one has the entry and the others say where it is."""
    for name in public(module):
        if homes[name] != module:
            yield f"`{name}`: see [vitruvian.{homes[name]}]({homes[name]}.md)."
        else:
            yield f"::: vitruvian.{module}.{name}"


def undocumented() -> list[str]:
    """Public names, and public methods of public classes, that have no docstring."""
    missing = []
    for module in modules():
        if not package()[module].docstring:
            missing.append(f"vitruvian.{module}")
        for name in public(module):
            missing += _missing(package()[module][name])
    return missing


def _missing(thing: Any) -> Iterator[str]:
    target = thing.final_target if thing.is_alias else thing
    if target.is_attribute:
        return  # constants and types are said by their values
    if not target.docstring:
        yield target.path
    if not target.is_class or any("Protocol" in str(base) for base in target.bases):
        return
    for name, member in target.members.items():
        if name.startswith("_") or not member.is_function or member.docstring or member.overloads:
            continue
        if not any(name in base.members for base in target.mro()):
            yield member.path
