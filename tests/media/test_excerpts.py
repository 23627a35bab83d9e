"""Sections of videos: which frames, with which numbers and times."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import make_video, number, numbered_frames
from PIL import Image as PIL

from vitruvian import InputError
from vitruvian.media import Section, open_source
from vitruvian.media.excerpts import Excerpt


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frame n, which has n in its pixels, is at n / 10 seconds."""
    folder = tmp_path_factory.mktemp("video")
    return make_video(folder / "a.mp4", numbered_frames(50), [3 * n for n in range(50)], fps=10, gop=12)


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        (Section(1.0), range(10, 50)),
        (Section(0, 1.0), range(10)),
        (Section(1.0, 2.0), range(10, 20)),
        (Section(0.95, 1.05), range(10, 11)),
        (Section(0, None, 7), range(0, 50, 7)),
        (Section(1.01, 4.0, 3), range(11, 40, 3)),
        (Section(4.9, 100.0), range(49, 50)),
    ],
    ids=str,
)
def test_frames_of_a_section_keep_their_number_and_time(video, section, wanted):
    source = Excerpt(open_source(video), section)
    assert source.length == len(wanted)
    for _ in range(2):  # it can be read again
        frames = list(source)
        assert [number(frame.image) for frame in frames] == list(wanted)
        assert [frame.index for frame in frames] == list(wanted)
        assert [frame.time for frame in frames] == pytest.approx([place / 10 for place in wanted])
        assert source.problems == []


def test_one_of_n_frames_is_a_slower_video(video):
    info = Excerpt(open_source(video), Section(stride=5)).info
    assert (info.fps, info.frame_count) == (2, 10)


def test_a_section_behind_the_end_is_told(video):
    source = Excerpt(open_source(video), Section(60.0))
    assert list(source) == []
    (problem,) = source.problems
    assert "no frame from 60 s on" in problem


def test_a_section_of_an_animation(tmp_path):
    frames = [PIL.new("L", (8, 8), 20 * index) for index in range(10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    got = list(Excerpt(open_source(tmp_path / "a.gif"), Section(0.3, 0.8, 2)))
    assert [frame.index for frame in got] == [3, 5, 7]
    assert [frame.image[0, 0, 0] for frame in got] == [60, 100, 140]


@pytest.mark.parametrize(
    "settings",
    [
        {"start": -1.0},
        {"start": float("nan")},
        {"start": 2.0, "end": 2.0},
        {"end": float("nan")},
        {"stride": 0},
        {"stride": 1.5},
    ],
)
def test_sections_that_are_none(settings):
    with pytest.raises(InputError, match=r"--start|--end|--stride"):
        Section(**settings)
