"""Check of a wheel before its release: size, content, and a fresh install on each Python that is there.

python .ci/check_wheel.py dist/vitruvian-X.Y.Z-py3-none-any.whl [3.10 3.11 ...]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MOST_MB = 12
NEEDED = (
    "vitruvian/py.typed",
    "vitruvian/serving/page/index.html",
    "vitruvian/weights/pose_mobilenet_256x192.onnx",
    "vitruvian/training/recipes/pose_mobilenet_256x192.yaml",
)
PHOTO = Path(__file__).resolve().parents[1] / "docs/images/astronaut.jpg"


def check_content(wheel: Path) -> None:
    """Size and files. Raises SystemExit."""
    size = wheel.stat().st_size / 1e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    missing = [name for name in NEEDED if name not in names]
    strange = [name for name in names if not name.startswith(("vitruvian/", "vitruvian-"))]
    if size > MOST_MB or missing or strange:
        raise SystemExit(f"{wheel}: {size:.1f} MB of {MOST_MB}, missing {missing}, strange {strange[:5]}")
    print(f"{wheel.name}: {size:.1f} MB, {len(names)} files")


def check_install(wheel: Path, python: str) -> None:
    """Install into a fresh environment, and draw a picture outside of the repository. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", f"{folder}/venv"], check=True)
        run = [f"{folder}/venv/bin/python", "-I", "-m"]
        subprocess.run([*run, "pip", "install", "--quiet", "--disable-pip-version-check", wheel.resolve()], check=True)
        shutil.copy(PHOTO, f"{folder}/photo.jpg")
        subprocess.run([*run, "vitruvian", "predict", "photo.jpg", "--json", "poses.json"], check=True, cwd=folder)
        assert Path(folder, "runs/predict/photo.jpg").stat().st_size > 10_000


def usable(python: str) -> bool:
    """Whether this Python is there; a name may be one that only says that it isn't installed."""
    return shutil.which(python) is not None and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def main() -> None:
    wheel = Path(sys.argv[1])
    check_content(wheel)
    for version in sys.argv[2:] or PYTHONS:
        python = f"python{version}"
        if not usable(python):
            print(f"{python} is not there: not checked")
            continue
        check_install(wheel, python)
        print(f"{python}: installed, and drew a picture")


if __name__ == "__main__":
    main()
