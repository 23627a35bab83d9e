"""JSON objects to files or to standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError


def write_json(content: Any, target: Path, overwrite: bool) -> None:
    """Write one JSON object to a file, or to standard output for ``-``. Raises InputError for a file that exists."""
    from ..io import write_file

    check_json(target, overwrite)
    text = json.dumps(content, indent=2)
    if str(target) == "-":
        print(text)
    else:
        write_file(target, f"{text}\n".encode())


def check_json(target: Path, overwrite: bool) -> None:
    """Raises InputError for a file of --json that must not be replaced, or whose extension says another format."""
    from ..io import check_extension

    check_extension(target, "JSON", {"JSON": "--json"})
    check_free(target, overwrite)


def check_free(target: Path, overwrite: bool) -> None:
    """Raises InputError for a file that exists and must not be replaced."""
    if str(target) != "-" and target.exists() and not overwrite:
        raise InputError(f"{target} exists; choose another name, or --overwrite")
