"""Runs the notebooks and saves them with their outputs, small ones.

python docs/code/run_notebooks.py
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
SECONDS = 300


def executed(path: Path) -> Any:
    """The notebook after a run of all its cells, in its own folder. An error of a cell is an exception."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    return notebook


def shrink(notebook: Any) -> None:
    """Pictures of the outputs with a palette, and without what changes from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).get("image/png")
            if picture:
                image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
                buffer = io.BytesIO()
                image.quantize(128).save(buffer, "PNG", optimize=True)
                output["data"]["image/png"] = base64.b64encode(buffer.getvalue()).decode()
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        notebook = executed(path)
        shrink(notebook)
        nbformat.write(notebook, path)
