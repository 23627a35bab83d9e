"""Pictures and mosaics of pictures: pixels and boxes go the same way, and slivers of persons are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.datasets.boxes import BoxedPictures
from vitruvian.geometry import letterbox
from vitruvian.training import DetectorRecipe
from vitruvian.training.detection.augmentation import NO_AUGMENTATION, DetectionAugmentation, Tile, place_boxes
from vitruvian.training.detection.samples import DetectionDataset, DetectionSample, draw

MODEL = "person_csp_w32_416x416"
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def drawn(folder: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (240, 320), known: bool = True):
    """Four grey pictures, each with a rectangle of its own colour, whose box this is."""
    x1, y1, x2, y2 = box
    for number, colour in enumerate(COLOURS):
        picture = np.full((*size, 3), 114, np.uint8)
        picture[y1:y2, x1:x2] = colour[::-1]
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    count = len(COLOURS)
    sizes = np.tile(np.array([size[::-1]], float) if known else np.full((1, 2), np.nan), (count, 1))
    return BoxedPictures(
        np.array([str(folder / f"{number}.png") for number in range(count)]),
        np.arange(count),
        sizes,
        np.arange(count + 1),
        np.tile(np.array([box], np.float32), (count, 1)),
        np.ones(count, np.float32),
        np.zeros(count, bool),
        np.ones(count),
    )


def canvases(pictures: BoxedPictures, **settings) -> DetectionDataset:
    return DetectionDataset(pictures, (320, 320), DetectorRecipe(MODEL, **settings), seed=0)


def extents(image: np.ndarray) -> list[np.ndarray]:
    """Where each colour's pixels are, as boxes; the pixel in which an edge lies is half of each colour."""
    found = []
    for colour in COLOURS:
        distance = np.abs(image.astype(int) - colour).max(axis=2)
        rows, columns = np.nonzero(distance < 72)  # less than half way to grey
        if len(rows):
            found.append(np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float))
    return found


@pytest.mark.parametrize("known", [True, False])
def test_rectangles_land_where_their_boxes_say(tmp_path, known):
    data = canvases(drawn(tmp_path, (90, 60, 210, 200), known=known), color_jitter=0.0, close_mosaic=0.5, epochs=30)
    seen = 0
    for epoch in range(30):
        for row in range(4):
            canvas = data[(epoch, row, 0)]
            shown = [*canvas.boxes, *canvas.regions]
            marks = extents(canvas.image)
            if len(shown) != len(marks):
                continue  # a picture came twice into a mosaic, or shows less than a pixel of itself
            for mark in marks:
                nearest = min(np.abs(box - mark).max() for box in shown)
                assert nearest <= 0.75, (epoch, row, mark, shown)
                seen += 1
    assert seen > 50


def test_a_plain_picture_is_the_detector_s_letterbox(tmp_path):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (240, 400, 3), np.uint8), (0, 0), 3)
    expected, scale, _ = letterbox(picture, (320, 320))
    canvas = np.full((320, 320, 3), 114, np.uint8)
    draw(canvas, picture, Tile(np.array([[scale, 0, 0], [0, scale, 0]]), (0, 0, 320, 320)))
    inside = np.abs(canvas.astype(int) - expected)[1:190, 1:-1]
    assert inside.max() <= 2
    assert (canvas[193:] == 114).all()


def test_a_reduced_picture_lies_where_the_whole_one_does():
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8), (0, 0), 9)
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    tile = Tile(np.array([[0.4, 0, 30.3], [0, 0.45, -20.6]]), (20, 0, 200, 90))
    whole, reduced = (np.full((100, 220, 3), 114, np.uint8) for _ in range(2))
    draw(whole, picture, tile)
    draw(reduced, half, tile, 2)
    assert np.abs(whole.astype(int) - reduced)[2:-14, 34:156].max() <= 3


def test_boxes_are_cut_off_where_their_window_ends():
    mirrored = Tile(np.array([[-2.0, 0, 300], [0, 1, 10]]), (100, 0, 200, 100))
    boxes, shown = place_boxes(mirrored, np.array([[60, 20, 90, 40], [0, 0, 10, 10], [90, 0, 120, 200]], np.float32))
    assert boxes[0].tolist() == [120, 30, 180, 50]
    assert boxes[2].tolist() == [100, 10, 120, 100]
    assert shown.tolist() == pytest.approx([1, 0, 20 * 90 / (60 * 200)])


def test_the_last_epochs_have_no_mosaics(tmp_path):
    data = canvases(drawn(tmp_path, (90, 60, 210, 200)), epochs=10, close_mosaic=0.2, flip_prob=0.0)
    assert [data[(epoch, 0, 0)].name.count(".png") for epoch in (0, 7, 8, 9)] == [4, 4, 1, 1]
    late = data[(9, 0, 0)]
    assert (late.boxes[:, 2:] - late.boxes[:, :2]).tolist() == [pytest.approx([120, 140], abs=0.01)]


def test_mosaics_take_pictures_as_often_as_they_come(tmp_path):
    pictures = replace(drawn(tmp_path, (90, 60, 210, 200)), copies=np.array([4.0, 2.0, 2.0, 0.0]))
    data = canvases(pictures)
    names = [name for epoch in range(100) for name in data[(epoch, 0, 0)].name.split(", ")[1:]]
    shares = [sum(name.endswith(f"{number}.png") for name in names) / len(names) for number in range(4)]
    # Of 300, a share of a quarter has a standard deviation of 0.025, and one of a half of 0.03.
    assert shares == pytest.approx([0.5, 0.25, 0.25, 0], abs=0.1)


def test_samples_depend_on_their_key_alone(tmp_path):
    pictures = drawn(tmp_path, (90, 60, 210, 200))
    first, again = canvases(pictures)[(3, 1, 0)], canvases(pictures)[(3, 1, 0)]
    assert (first.image == again.image).all()
    assert (first.boxes == again.boxes).all()
    assert not np.array_equal(first.image, canvases(pictures)[(4, 1, 0)].image)


def one(folder: Path, box, confidence: float, crowd: bool, **settings) -> DetectionSample:
    """The canvas of one picture of 320 x 320 as it is."""
    pictures = drawn(folder, box, (320, 320))
    rows = len(pictures)
    changed = {"confidences": np.full(rows, confidence, np.float32), "crowd": np.full(rows, crowd)}
    plain = {name: getattr(NO_AUGMENTATION, name) for name in NO_AUGMENTATION.__dataclass_fields__}
    return canvases(BoxedPictures(**{**pictures.__dict__, **changed}), **{**plain, **settings})[(0, 0, 0)]


@pytest.mark.parametrize(
    ("score", "sure"), [(1.0, 1.0), (0.5, 1.0), (0.35, 0.5), (0.23, 0.1), (0.2, None), (0.1, None)]
)
def test_how_sure_a_teacher_s_box_is(tmp_path, score, sure):
    canvas = one(tmp_path, (90, 60, 210, 200), score, False)
    assert canvas.confidences.tolist() == ([] if sure is None else [pytest.approx(sure)])
    # What is hardly ever a person is background.
    assert len(canvas.regions) == 0


def test_crowds_and_what_is_hardly_seen_are_neither_persons_nor_background(tmp_path):
    crowd = one(tmp_path, (90, 60, 210, 200), 1.0, True)
    assert (len(crowd.boxes), crowd.regions.tolist(), crowd.crowd.tolist()) == (0, [[90, 60, 210, 200]], [True])
    tiny = one(tmp_path, (90, 60, 93, 63), 1.0, False)
    assert (len(tiny.boxes), tiny.regions.tolist(), tiny.crowd.tolist()) == (0, [[90, 60, 93, 63]], [False])
    # Three times as large as the canvas, a person is cut to a third, or less, or isn't there.
    parts = [one(tmp_path, (0, 0, 320, 80), 1.0, False, scale_min=s, scale_max=s) for s in (3.0, 4.0)]
    assert [(len(part.boxes), len(part.regions)) for part in parts][1][0] == 0


def test_a_batch_says_whose_each_box_is(tmp_path):
    data = canvases(drawn(tmp_path, (90, 60, 210, 200)))
    samples = [data[(0, row, 0)] for row in range(3)]
    batch = data.collate(samples)
    boxes, confidences, pictures, regions, crowd, owners = batch["targets"]
    assert batch["images"].shape == (3, 320, 320, 3)
    assert len(boxes) == len(confidences) == len(pictures)
    assert len(regions) == len(crowd) == len(owners)
    for number, sample in enumerate(samples):
        assert boxes[pictures == number].tolist() == sample.boxes.tolist()
        assert regions[owners == number].tolist() == sample.regions.tolist()


def test_a_damaged_picture_is_replaced(tmp_path):
    data = canvases(drawn(tmp_path, (90, 60, 210, 200)), mosaic=0.0)
    (tmp_path / "2.png").write_bytes(b"broken")
    canvas = data[(0, 2, 0)]
    assert "3.png" in canvas.name
    assert "2.png" in canvas.problems[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"mosaic": 2.0}, "mosaic is 2"),
        ({"scale_min": 2.0}, "in this order"),
        ({"scale_min": 0.0}, "above 0"),
        ({"stretch": -1.0}, "stretch is -1"),
    ],
)
def test_variations_that_cannot_be(setting, words):
    with pytest.raises(InputError, match=words):
        DetectionAugmentation(**setting)


@pytest.mark.parametrize("said", [(1, 1), (640, 480), (320, 241)])
def test_a_size_that_is_not_the_picture_s_is_not_believed(tmp_path, said):
    pictures = drawn(tmp_path, (90, 60, 210, 200))
    wrong = replace(pictures, sizes=np.tile(np.array([said], float), (4, 1)))
    plain = {"color_jitter": 0.0, "flip_prob": 0.0, "close_mosaic": 1.0}
    found, expected = (canvases(each, **plain)[(0, 0, 0)] for each in (wrong, pictures))
    assert found.boxes == pytest.approx(expected.boxes + found.boxes[:, [0, 1, 0, 1]] - expected.boxes[:, [0, 1, 0, 1]])
    (mark,) = extents(found.image)
    assert np.abs(found.boxes[0] - mark).max() <= 0.75
