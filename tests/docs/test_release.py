"""Documents that name the version, and the check of a wheel."""

from __future__ import annotations

import re
import runpy
import zipfile
from pathlib import Path

import pytest
import yaml
from blocks import ROOT

import vitruvian as vt


def test_the_version_is_the_same_everywhere() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == vt.__version__
    newest = re.search(r"^## (\d[\d.]*) - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == vt.__version__


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_issue_templates_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.stem != "config":
        assert {"name", "description", "body"} <= form.keys()
        assert all(field["type"] in {"textarea", "input"} for field in form["body"])


def test_a_wheel_without_its_models_is_refused(tmp_path: Path) -> None:
    check = runpy.run_path(str(ROOT / ".ci/check_wheel.py"))["check_content"]
    wheel = tmp_path / "vitruvian-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vitruvian/py.typed", "")
        archive.writestr("tests/test_x.py", "")
    with pytest.raises(SystemExit, match=r"missing \['vitruvian/serving/page.*weights.*strange \['tests/test_x.py'\]"):
        check(wheel)
