"""Importing costs next to nothing: what is heavy comes when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import vitruvian

HEAVY = {
    "openvino",
    "onnxruntime",
    "onnx",
    "torch",
    "lightning",
    "av",
    "cv2",
    "PIL",
    "numpy",
    "supervision",
    "rich",
} | {
    "fastapi",
    "httpx",
    "uvicorn",
    "hotcoco",
    "matplotlib",
    "scipy",
    "trackeval",
}
# Typer draws its help with rich.
FOR_HELP = {"rich"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running this code."""
    tail = (
        "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_import_takes_in_nothing_heavy():
    loaded = modules_after("import vitruvian")
    assert "vitruvian" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["predict", "--help"],
        ["evaluate", "--help"],
        ["evaluate-tracking", "--help"],
        ["train", "--help"],
        ["train-detector", "--help"],
        ["models", "--help"],
        ["serve", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_help_takes_in_nothing_heavy(arguments):
    code = f"""
import sys
sys.argv = ["vitruvian", *{arguments}]
from vitruvian.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""
    assert modules_after(code) & (HEAVY - FOR_HELP) == set()


def test_modules_that_need_no_engine_take_in_none():
    names = ("pipeline", "media", "zoo", "drawing", "tracking", "evaluation", "process", "serving")
    code = "import " + ", ".join(f"vitruvian.{name}" for name in names)
    assert (
        modules_after(code) & {"openvino", "onnxruntime", "torch", "lightning", "av", "cv2", "scipy", "trackeval"}
        == set()
    )


@pytest.mark.parametrize("name", vitruvian.__all__)
def test_every_public_name_is_there(name):
    assert getattr(vitruvian, name) is not None
    assert name in dir(vitruvian)


def test_a_star_import_gives_every_public_name():
    names: dict[str, object] = {}
    exec("from vitruvian import *", names)
    assert set(vitruvian.__all__) <= set(names)


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        vitruvian.lode  # noqa: B018


def test_errors_know_their_exit_codes():
    assert (vitruvian.VitruvianError.exit_code, vitruvian.OutputError.exit_code) == (1, 1)
    assert (vitruvian.InputError.exit_code, vitruvian.ModelError.exit_code) == (2, 2)
    for error in (vitruvian.InputError, vitruvian.ModelError, vitruvian.OutputError):
        assert issubclass(error, vitruvian.VitruvianError)
