"""Where results go, and what is refused before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made import make_video, numbered_frames

from vitruvian import InputError
from vitruvian.media import ImageBytes, ImageFiles, Video
from vitruvian.media.destinations import check_targets, picture_targets, video_target
from vitruvian.media.pictures import open_folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*paths: str) -> ImageFiles:
    return ImageFiles(paths, "source")


def touched(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def names(targets) -> dict[str, str]:
    return {source: target.as_posix() for source, target in targets.items()}


@pytest.mark.parametrize(
    ("sources", "output", "targets"),
    [
        (["a.jpg"], None, ["runs/predict/a.jpg"]),
        (["x/y/a.jpg"], None, ["runs/predict/a.jpg"]),
        (["../a.jpg"], "out", ["out/a.jpg"]),
        (["/some/where/a.jpg"], "out", ["out/a.jpg"]),
        (["a.jpg"], "b.png", ["b.png"]),
        (["a.jpg"], "new/b.JPEG", ["new/b.JPEG"]),
        (["in/a.jpg", "in/b.png"], "out", ["out/a.jpg", "out/b.png"]),
        (["in/a.jpg", "in/deep/a.jpg"], "out", ["out/a.jpg", "out/deep/a.jpg"]),
        (["in/x/a.jpg", "in/y/a.jpg"], "out", ["out/x/a.jpg", "out/y/a.jpg"]),
        (["a.gif", "b.ppm", "c.avif"], "out", ["out/a.gif.png", "out/b.ppm.png", "out/c.avif.png"]),
        (["A.JPG", "b.TIF", "c"], "out", ["out/A.JPG", "out/b.TIF", "out/c.png"]),
    ],
)
def test_where_pictures_go(sources, output, targets):
    found = picture_targets(files(*sources), output and Path(output))
    assert names(found) == dict(zip(sources, targets, strict=True))


def test_a_recursive_folder_keeps_the_place_of_every_picture():
    touched("in/only/below/a.jpg")
    found = picture_targets(open_folder("in", recursive=True), Path("out"))
    assert names(found) == {"in/only/below/a.jpg": "out/only/below/a.jpg"}


def test_a_folder_whose_name_has_a_dot():
    Path("v1.5").mkdir()
    assert names(picture_targets(files("a.jpg", "b.jpg"), Path("v1.5"))) == {
        "a.jpg": "v1.5/a.jpg",
        "b.jpg": "v1.5/b.jpg",
    }


def test_standard_input_has_a_name():
    (target,) = picture_targets(ImageBytes(b"", "stdin"), None).values()
    assert target == Path("runs/predict/stdin.png")


def test_several_pictures_do_not_go_into_one_file():
    with pytest.raises(InputError, match=r"b\.png is one file, but there are 2 pictures: give a folder"):
        picture_targets(files("a.jpg", "c.jpg"), Path("b.png"))


@pytest.mark.parametrize("output", ["b.gif", "b.mp4", "b.txt"])
def test_pictures_of_formats_that_are_not_written(output):
    with pytest.raises(InputError, match=rf"{output}: a picture can be written as \.jpg"):
        picture_targets(files("a.jpg"), Path(output))


@pytest.mark.parametrize(
    ("output", "target"),
    [
        (None, "runs/predict/clip.tar.mp4"),
        ("out", "out/clip.tar.mp4"),
        ("out.mp4", "out.mp4"),
        ("x/out.MKV", "x/out.MKV"),
        ("out.mov", "out.mov"),
    ],
)
def test_where_videos_go(output, target):
    make_video(Path("clip.tar.avi"), numbered_frames(2), codec="mpeg4")
    assert video_target(Video("clip.tar.avi"), output and Path(output)) == Path(target)


def test_videos_of_formats_that_are_not_written():
    make_video(Path("clip.mp4"), numbered_frames(2))
    with pytest.raises(InputError, match=r"out\.avi: a video can be written as \.mp4"):
        video_target(Video("clip.mp4"), Path("out.avi"))


def test_nothing_stands_in_the_way():
    touched("a.jpg")
    targets = [Path("out/a.jpg"), Path("a.json")]
    assert check_targets(targets, files("a.jpg"), overwrite=False) is None
    assert not Path("out").exists()


def test_existing_files_need_permission():
    touched("a.jpg", "b.json", "c.csv")
    targets = [Path("new.jpg"), Path("b.json"), Path("c.csv")]
    with pytest.raises(InputError, match=r"b\.json exists already \(and 1 more\): allow it with --overwrite"):
        check_targets(targets, files("a.jpg"), overwrite=False)
    with pytest.raises(InputError, match=r"c\.csv exists already: allow"):
        check_targets(targets[::2], files("a.jpg"), overwrite=False)
    assert check_targets(targets, files("a.jpg"), overwrite=True) is None


@pytest.mark.parametrize("target", ["a.jpg", "./x/../a.jpg", "soft.jpg", "hard.jpg"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_source_is_never_a_target(here, target, overwrite):
    touched("a.jpg", "x/y")
    Path("soft.jpg").symlink_to("a.jpg")
    os.link("a.jpg", "hard.jpg")
    with pytest.raises(InputError, match="is the source itself, which is never overwritten" if overwrite else "jpg"):
        check_targets([Path(target)], files(str(here / "a.jpg"), "b.jpg"), overwrite)


def test_a_picture_of_the_folder_is_not_replaced_by_the_drawing_of_another():
    touched("in/a.gif", "in/a.gif.png")
    targets = picture_targets(files("in/a.gif"), Path("in")).values()
    with pytest.raises(InputError):
        check_targets(targets, files("in/a.gif", "in/a.gif.png"), overwrite=True)


def test_no_two_results_share_a_file():
    touched("a.jpg", "x/y")
    with pytest.raises(InputError, match=r"x/\.\./out\.json would be written twice"):
        check_targets([Path("out.json"), Path("x/../out.json")], files("a.jpg"), overwrite=True)


def test_a_folder_is_not_replaced_by_a_file():
    Path("out.json").mkdir()
    with pytest.raises(InputError, match=r"out\.json is a folder"):
        check_targets([Path("out.json")], files("a.jpg"), overwrite=True)


def test_devices_are_no_existing_files():
    assert check_targets([Path(os.devnull)], files("a.jpg"), overwrite=False) is None


def test_a_slash_at_the_end_makes_a_folder_of_any_name(tmp_path):
    touched("a.jpg")
    assert names(picture_targets(files("a.jpg"), "results.v2/")) == {"a.jpg": "results.v2/a.jpg"}
    assert names(picture_targets(files("a.jpg"), "drawn.png/")) == {"a.jpg": "drawn.png/a.jpg"}
    assert names(picture_targets(files("a.jpg"), "drawn.png")) == {"a.jpg": "drawn.png"}
    make_video(tmp_path / "v.mp4", numbered_frames(2))
    assert video_target(Video("v.mp4"), "out.d/").as_posix() == "out.d/v.mp4"
