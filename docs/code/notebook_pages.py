"""Notebooks as pages of the site, with the outputs that they were saved with."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter


def notebook_files(path: Path) -> dict[str, str | bytes]:
    """The page and its pictures by their names, and the notebook itself for those who want to run it."""
    notebook = nbformat.read(path, as_version=4)
    exporter = MarkdownExporter()
    text, resources = exporter.from_notebook_node(notebook, {"unique_key": path.stem, "output_files_dir": path.stem})
    note = f'!!! note "A notebook"\n    [Download it]({path.name}) and run it with `jupyter lab {path.name}`.\n'
    title, _, rest = text.lstrip().partition("\n")
    folder = "notebooks"
    files: dict[str, str | bytes] = {f"{folder}/{path.name}.md": f"{title}\n\n{note}\n{rest}"}
    files[f"{folder}/{path.name}"] = path.read_bytes()
    files |= {f"{folder}/{name}": data for name, data in resources["outputs"].items()}
    return files
