"""Several sources as one list: what is opened, in which order, and what is said of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made import make_video, numbered_frames
from PIL import Image as PIL

from vitruvian import InputError
from vitruvian.media import Section, open_sources


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: str, grey: int = 9) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    PIL.new("RGB", (8, 6), (grey, grey, grey)).save(path)
    return path


def clip(path: str, count: int = 3) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return str(make_video(Path(path), numbered_frames(count)))


def read(specs, **more) -> list[tuple[str, int]]:
    return [(frame.source, frame.index) for source in open_sources(specs, **more).sources for frame in source]


def test_paths_globs_folders_and_videos_are_one_list_of_pictures_and_then_the_videos(here):
    names = ["a.png", "b.jpg", "photos/1.png", "photos/10.png", "photos/2.png", "x/c.png"]
    for name in names:
        picture(name)
    clip("clip.mp4")
    clip("photos/z.mkv", 2)
    opened = open_sources(["b.jpg", "clip.mp4", "a.png", "photos", "x/*.png"])
    assert [source.kind for source in opened.sources] == ["images", "video", "video"]
    frames = [frame for source in opened.sources for frame in source]
    pictures = ["b.jpg", "a.png", "photos/1.png", "photos/2.png", "photos/10.png", "x/c.png"]
    assert [frame.source for frame in frames] == [*pictures, *["clip.mp4"] * 3, *["photos/z.mkv"] * 2]
    assert [frame.index for frame in frames] == [*range(6), *range(3), *range(2)]
    assert (opened.problems, opened.notes, opened.root) == ([], [], str(here))


def test_a_folder_of_videos_and_of_both(here):
    clip("in/b.mp4", 2)
    clip("in/a.avi.mp4", 2)
    assert read("in") == [("in/a.avi.mp4", 0), ("in/a.avi.mp4", 1), ("in/b.mp4", 0), ("in/b.mp4", 1)]
    picture("in/c.png")
    clip("in/below/d.mp4", 1)
    (here / "in/notes.txt").write_text("words")
    opened = open_sources("in")
    assert [source.kind for source in opened.sources] == ["images", "video", "video"]
    below_too = "1 folder was skipped: -r (recursive=True) takes the pictures in folders, too"
    assert opened.notes == ["1 file that is no picture was skipped", below_too]
    assert opened.root == str(here / "in")
    assert len(open_sources("in", recursive=True).sources) == 4


def test_a_gif_of_a_folder_is_what_its_content_is(here):
    frames = [PIL.new("L", (8, 8), grey) for grey in (0, 90, 200)]
    Path("in").mkdir()
    frames[0].save("in/moves.gif", save_all=True, append_images=frames[1:], duration=100)
    frames[0].save("in/still.gif")
    picture("in/a.png")
    assert read("in") == [("in/a.png", 0), ("in/still.gif", 1), *(("in/moves.gif", place) for place in range(3))]


def test_a_file_that_is_named_twice_is_read_once(here):
    picture("in/a.png")
    picture("in/b.png")
    clip("c.mp4", 1)
    os.symlink("in/a.png", "link.png")
    got = [
        name for name, _ in read(["in/b.png", "in", "./in/b.png", str(here / "in/a.png"), "link.png", "c.mp4", "c.mp4"])
    ]
    assert got == ["in/b.png", "in/a.png", "c.mp4"]


def test_what_cannot_be_opened_is_named_and_the_others_are_read(here):
    picture("a.png")
    Path("bad.mp4").write_text("words")
    Path("in").mkdir()
    Path("in/bad.mkv").write_text("words")
    picture("in/b.png")
    opened = open_sources(["gone.jpg", "a.png", "bad.mp4", "in", "*.tif"])
    assert [frame.source for source in opened.sources for frame in source] == ["a.png", "in/b.png"]
    assert [problem.split()[0].strip("':") for problem in opened.problems] == [
        "gone.jpg",
        "bad.mp4",
        "in/bad.mkv",
        "*.tif",
    ]


def test_nothing_of_several_can_be_opened(here):
    with pytest.raises(InputError, match=r"gone\.jpg(.|\n)*away\.mp4"):
        open_sources(["gone.jpg", "away.mp4"])
    with pytest.raises(InputError, match="no source"):
        open_sources([])


def test_a_damaged_picture_among_several_costs_the_others_nothing(here):
    names = [picture("a.png"), picture("b.png"), picture("c.png")]
    Path("b.png").write_bytes(Path("b.png").read_bytes()[:50])
    (source,) = open_sources(names).sources
    assert [(frame.source, frame.index) for frame in source] == [("a.png", 0), ("c.png", 2)]
    (problem,) = source.problems
    assert "b.png" in problem


def test_videos_of_several_are_closed_until_they_are_read(here):
    """Else a folder of many would hold a decoder and a frame of each."""
    for number in range(40):
        clip(f"in/{number}.mp4", 2)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    opened = open_sources("in")
    if before:
        assert len(os.listdir("/proc/self/fd")) < before + 5
    assert sum(1 for source in opened.sources for _ in source) == 80


def test_pictures_in_memory_stand_beside_files(here):
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 255
    picture("a.png")
    data = Path("a.png").read_bytes()
    with open("a.png", "rb") as stream:
        opened = open_sources([red, "a.png", data, PIL.fromarray(red), stream])
    (source,) = opened.sources
    frames = list(source)
    assert [frame.source for frame in frames] == ["picture 0", "a.png", "picture 2", "picture 3", "a.png"]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert np.array_equal(frames[0].image, red)
    assert np.array_equal(frames[2].image, frames[1].image)


def test_an_iterator_is_read_as_far_as_asked(here):
    given = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            given.append(None)
            yield np.full((4, 4, 3), len(given), np.uint8)

    (source,) = open_sources(endless()).sources
    frames = iter(source)
    assert [next(frames).image[0, 0, 0] for _ in range(3)] == [1, 2, 3]
    assert len(given) == 3


def test_a_section_is_of_videos(here):
    picture("a.png")
    clip("b.mp4", 30)
    opened = open_sources(["a.png", "b.mp4"], section=Section(0.2, 0.4, 2))
    assert [frame.index for source in opened.sources for frame in source] == [0, 6, 8, 10]
    with pytest.raises(InputError, match="--start"):
        open_sources("a.png", section=Section(1.0))


def test_a_name_with_spaces_without_quotes(here):
    clip("My own video.mp4")
    for specs in (["My", "own", "video.mp4"], ["a.png", "My", "own", "video.mp4", "b.png"]):
        with pytest.raises(InputError) as refused:
            open_sources(specs)
        hints = [line for line in str(refused.value).split("\n  ") if 'needs quotes: "My own video.mp4"' in line]
        assert [line.split(":")[0] for line in hints] == ["'My'", "'own'", "'video.mp4'"]
    with pytest.raises(InputError) as refused:
        open_sources(["My", "video.mp4"])
    assert "quotes" not in str(refused.value)
