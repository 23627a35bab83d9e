"""Hints of the command line where somebody's first try goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from known import Command, make_picture

import vitruvian as vt
from vitruvian.errors import did_you_mean, matching, printable


@pytest.fixture(autouse=True)
def offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be downloaded: the messages come before that."""
    monkeypatch.setenv("VITRUVIAN_OFFLINE", "1")


def test_without_arguments_there_is_help_and_no_error(command: Command) -> None:
    done = command()
    assert (done.code, done.err) == (0, "")
    assert "Usage" in done.out
    assert "predict" in done.out


@pytest.mark.parametrize(
    "name",
    [[], ["predict"], ["evaluate"], ["train"], ["train-detector"], ["check-data"], ["models"], ["export"], ["convert"]],
    ids=" ".join,
)
def test_short_help(command: Command, name: list[str]) -> None:
    done = command(*name, "-h")
    assert (done.code, done.err) == (0, "")
    assert "Usage" in done.out


@pytest.mark.parametrize("source", ["a.jpg", "clip.mp4", "https://example.org/a", "0", "-"])
def test_a_source_in_place_of_a_command(command: Command, source: str) -> None:
    done = command(source)
    assert done.code == 2
    assert f"vitruvian predict {source}" in done.err


def test_a_folder_in_place_of_a_command(command: Command, folder: Path) -> None:
    (folder / "photos").mkdir()
    assert "vitruvian predict photos" in command("photos").err
    assert "Did you mean 'predict'" in command("predikt").err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pose", "hrnet_w32_pose"], "did you mean pose_hrnet_w32"),
        (["--pose", "pose_hrnt_w32_256x192"], "did you mean pose_hrnet_w32_256x192"),
        (["--pose", "rtmpose"], "did you mean rtmpose_"),
        (["--detector", "nano rtmdet"], "did you mean rtmdet_nano"),
        (["--pose", "rtmdet_m"], "rtmdet_m is a detector (rtmdet), not a pose net"),
        (["--detector", "rtmpose_m_256x192"], "is a pose net"),
        (["--pose", ""], "the name of a model is empty"),
        (["--detector", " "], "the name of a model is empty"),
        (
            ["--pose", "rtmpose_m_256x192.onnx"],
            "without .onnx it would be a model's name: did you mean rtmpose_m_256x192",
        ),
        (["--pose", "pose.engine"], "no such model file"),
        (["--skeleton", "coco_17"], "did you mean coco17"),
        (["--pose", "."], "is a folder"),
    ],
    ids=" ".join,
)
def test_names_of_models(command: Command, folder: Path, options: list[str], words: str) -> None:
    make_picture(folder / "a.png")
    done = command("predict", "a.png", *options)
    assert done.code == 2
    assert words in done.err
    assert "switched off" not in done.err


def test_a_model_of_another_program_is_named(command: Command, folder: Path) -> None:
    make_picture(folder / "a.png")
    (folder / "pose.engine").write_bytes(b"engine")
    assert "pose.engine is a TensorRT engine" in command("predict", "a.png", "--pose", "pose.engine").err


def test_a_misspelt_file_names_the_one_beside_it(command: Command, folder: Path) -> None:
    make_picture(folder / "a.png")
    (folder / "my_pose.onnx").write_bytes(b"")
    assert "did you mean my_pose.onnx" in command("predict", "a.png", "--pose", "mypose.onnx").err


def test_models_by_words(command: Command) -> None:
    done = command("models", "W48", "hrnet")
    names = [line.split()[0] for line in done.out.splitlines()[1:]]
    expected = [card.name for card in vt.zoo.cards() if "hrnet" in card.name and "w48" in card.name]
    assert (done.code, names) == (0, expected)
    assert len(command("models", "detection").out.splitlines()) > 5
    assert "did you mean rtmdet_nano" in command("models", "rtmdt_nano").err


def test_export_explains_its_output(command: Command, folder: Path) -> None:
    (folder / "x.onnx").write_bytes(b"")
    done = command("export", "x.onnx")
    assert (done.code, "x.onnx is an ONNX file already" in done.err) == (2, True)
    assert "export my.pth -o my.onnx" in command("export", "my.pth").err
    done = command("export", "x.onnx", "-o", "x.engine")
    assert (done.code, "export writes ONNX files, such as x.onnx" in done.err) == (2, True)
    assert "--device tensorrt" in done.err


def test_the_package_for_a_gpu_is_named_before_a_download(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_picture(folder / "a.png")
    done = command("predict", "a.png", "--pose", "rtmpose_m_256x192", "--device", "cuda")
    assert (done.code, "onnxruntime-gpu" in done.err, "switched off" in done.err) == (2, True, False)
    done = command("predict", "a.png", "--pose", "rtmpose_m_256x192", "--device", "cuda", "--runtime", "openvino")
    assert "onnxruntime-gpu" in done.err
    monkeypatch.setattr("vitruvian.runtimes.opening.util.find_spec", lambda name: None)
    done = command("predict", "a.png", "--pose", "rtmpose_m_256x192", "--device", "tensorrt")
    assert "pip install onnxruntime-gpu" in done.err
    done = command("predict", "a.png", "--pose", "pose_hrnet_w32_256x192", "--device", "cuda:0")
    assert "pip install 'vitruvian[torch]'" in done.err


def test_a_run_that_would_write_nothing_is_refused(predict: Command, folder: Path) -> None:
    make_picture(folder / "a.png")
    done = predict("a.png", "--no-draw")
    assert (done.code, done.out, "nothing would be written: --no-draw" in done.err) == (2, "", True)
    assert predict("a.png", "--no-draw", "--json", "a.json").code == 0


def test_skipped_folders_name_the_option(predict: Command, folder: Path) -> None:
    make_picture(folder / "in/a.png")
    make_picture(folder / "in/deep/b.png")
    assert "1 folder was skipped: -r" in predict("in", "-o", "out1/").err
    assert "skipped" not in predict("in", "-r", "-o", "out2/").err
    (folder / "above/in").mkdir(parents=True)
    done = predict("above")
    assert (done.code, "-r" in done.err) == (2, True)


def test_control_characters_in_names_are_escaped(predict: Command, folder: Path) -> None:
    make_picture(folder / "in/a.png")
    (folder / "in/b\x1b[31m\r.jpg").write_text("words")
    done = predict("in")
    assert done.code == 2
    assert "\\x1b[31m\\r.jpg" in done.err
    assert "\x1b" not in done.err + done.out
    assert "\r" not in done.err + done.out


def test_sources_that_are_all_wrong_have_a_line_each(command: Command, folder: Path) -> None:
    (folder / "My Video.mp4").touch()
    done = command("predict", "My", "Video.mp4")
    quotes = 'no such file or folder; check the path; a name with spaces needs quotes: "My Video.mp4"'
    assert (done.code, done.err.splitlines()) == (2, [f"vitruvian: 'My': {quotes}", f"  'Video.mp4': {quotes}"])


def test_what_is_found_wrong_at_different_times_is_told_together(predict: Command, folder: Path) -> None:
    """One file isn't there, the other one shows its damage when it is read."""
    make_picture(folder / "a.png")
    data = (folder / "a.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    done = predict("gone.png", "cut.png")
    first, second = done.err.splitlines()
    assert done.code == 2
    assert first.startswith("vitruvian: 'gone.png': no such file")
    assert second.startswith("  cut.png is damaged or cut off")


def test_printable_text() -> None:
    assert printable("Fotos/Käse\u3000\u00a01.jpg") == "Fotos/Käse\u3000\u00a01.jpg"
    assert printable("a\nvitruvian: b\u202e\udcff") == "a\\nvitruvian: b\\u202e\\udcff"


def test_words_in_any_order() -> None:
    names = ["pose_hrnet_w32", "pose_hrnet_w48", "simdr_hrnet_w32"]
    assert matching("W32-pose", names) == ["pose_hrnet_w32"]
    assert matching("", names) == []
    assert did_you_mean("zzz", names, "none") == "none"


def test_tracebacks_in_the_log_have_lines_and_no_control_characters(tmp_path: Path) -> None:
    """Names stay escaped, and no line of an error's text can pass for a note."""
    code = (
        "import logging, sys\n"
        "import vitruvian.cli as cli\n"
        "def fail(): raise ValueError('a\\nvitruvian: all is well \\x1b[2J')\n"
        "def run():\n"
        "    try: fail()\n"
        "    except ValueError: logging.getLogger('vitruvian').error('b\\nc.png: a request failed', exc_info=True)\n"
        "cli.app = run\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    first, *rest = done.stderr.splitlines()
    assert first == "vitruvian: b\\nc.png: a request failed"
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-2:] == ["  ValueError: a", "  vitruvian: all is well \\x1b[2J"]
    assert all(line.startswith("  ") for line in rest)
