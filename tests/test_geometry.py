"""Crop geometry against the published procedure worked by hand, and against OpenCV's own affine estimation."""

import cv2
import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.geometry import crop, crop_affines, letterbox, solid, to_crop, to_image, to_tensor
from vitruvian.poses import Boxes

BOXES = np.array([[10, 20, 110, 420], [0, 0, 300, 50], [-40, -30, 12, 7], [5.5, 6.25, 6.5, 7.25]], np.float32)
SIZE = (256, 192)


def test_a_tall_box_is_padded_by_its_height() -> None:
    # 400 high at 192:256 is 300 wide; padded 375 wide; so 192 / 375 crop pixels a picture pixel.
    matrix = crop_affines(BOXES[:1], SIZE)[0]
    assert matrix[0, 0] == pytest.approx(192 / 375)
    assert matrix @ [60, 220, 1] == pytest.approx([96, 128])


def test_a_wide_box_is_padded_by_its_width() -> None:
    matrix = crop_affines(BOXES[1:2], SIZE)[0]
    assert matrix[0, 0] == pytest.approx(192 / (300 * 1.25))


@pytest.mark.parametrize("padding", [1.0, 1.25, 1.5])
def test_affines_equal_those_estimated_from_three_points(padding: float) -> None:
    for box, matrix in zip(BOXES, crop_affines(BOXES, SIZE, padding), strict=True):
        width, height = box[2:] - box[:2]
        width = max(width, height * 192 / 256) * padding
        centre = (box[:2] + box[2:]) / 2
        source = np.stack([centre, np.add(centre, [0, -width / 2]), np.subtract(centre, width / 2)]).astype(np.float32)
        target = np.array([[96, 128], [96, 128 - 96], [0, 128 - 96]], np.float32)
        assert matrix == pytest.approx(cv2.getAffineTransform(source, target), rel=1e-4, abs=1e-3)


def test_aligned_puts_the_box_s_corners_on_the_corner_pixels() -> None:
    matrix = crop_affines(np.array([[10, 20, 85, 120]], np.float32), SIZE, padding=1.0, aligned=True)[0]
    assert matrix @ [10, 20, 1] == pytest.approx([0, 0], abs=1e-4)
    assert matrix @ [85, 120, 1] == pytest.approx([191, 255], abs=1e-4)


def test_aligned_crops_of_a_mirrored_picture_are_the_mirrored_crops() -> None:
    image = np.random.default_rng(1).integers(0, 256, (300, 200, 3), np.uint8)
    x1, y1, x2, y2 = 30.0, 40.0, 130.0, 240.0
    affines = crop_affines(np.array([[x1, y1, x2, y2], [199 - x2, y1, 199 - x1, y2]], np.float32), SIZE, aligned=True)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    difference = crop(image, affines[:1], SIZE)[0, :, ::-1].astype(int) - crop(mirrored, affines[1:], SIZE)[0]
    # OpenCV rounds source positions to 1/32 pixel, which a mirror turns around.
    assert np.abs(difference).mean() < 2


def test_back_to_the_picture_inverts_the_crop() -> None:
    affines = crop_affines(BOXES, SIZE)
    points = np.random.default_rng(0).uniform(0, 400, (4, 17, 2))
    in_crop = np.einsum("nij,nkj->nki", affines, np.concatenate([points, np.ones((4, 17, 1))], axis=2))
    assert to_image(in_crop.astype(np.float32), affines) == pytest.approx(points, abs=1e-2)
    assert to_crop(points.astype(np.float32), affines) == pytest.approx(in_crop, rel=1e-5, abs=1e-3)


def test_a_drawn_dot_lands_where_the_affine_says() -> None:
    image = np.zeros((500, 400, 3), np.uint8)
    image[200:205, 80:85] = 255  # its centre of mass is at pixel (82, 202)
    affines = crop_affines(np.array([[10, 120, 160, 320]], np.float32), SIZE)
    cut = crop(image, affines, SIZE)[0, :, :, 0].astype(float)
    rows, columns = np.mgrid[:256, :192]
    centre = [(columns * cut).sum() / cut.sum(), (rows * cut).sum() / cut.sum()]
    assert centre == pytest.approx(affines[0] @ [82, 202, 1], abs=0.1)


def test_outside_of_the_picture_is_black() -> None:
    image = np.full((40, 40, 3), 200, np.uint8)
    cut = crop(image, crop_affines(np.array([[500, 500, 540, 560]], np.float32), SIZE), SIZE)
    assert cut.shape == (1, 256, 192, 3)
    assert not cut.any()


def test_letterbox_fits_top_left_and_fills_with_grey() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    canvas, scale, corner = letterbox(image, (320, 320))
    assert scale == 1.6
    assert corner.tolist() == [0, 0]
    assert (canvas[:160] == 255).all()
    assert (canvas[160:] == 114).all()


def test_letterbox_in_the_middle_of_what_the_stride_needs() -> None:
    # 500 x 333 at 640 is 640 x 426, and 426 needs 448 rows: 11 grey ones above and below.
    canvas, scale, corner = letterbox(np.full((333, 500, 3), 255, np.uint8), (640, 640), centred=True, stride=32)
    assert canvas.shape == (448, 640, 3)
    assert scale == 1.28
    assert corner.tolist() == [0, 11]
    assert (canvas[11:437] == 255).all()
    assert (canvas[:11] == 114).all()
    assert (canvas[437:] == 114).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_letterbox_of_extreme_shapes_keeps_a_pixel(shape: tuple[int, int]) -> None:
    canvas, scale, _ = letterbox(np.full((*shape, 3), 255, np.uint8), (320, 320))
    assert canvas.shape == (320, 320, 3)
    assert scale == 320 / max(shape)
    assert (canvas[0, 0] == 255).all()


def test_to_tensor_is_the_formula_in_both_channel_orders() -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 6, 3), np.uint8)
    mean, std = (103.5, 116.3, 123.7), (57.4, 57.1, 58.4)
    expected = (images.astype(np.float64) - mean) / std
    assert to_tensor(images, mean, std) == pytest.approx(expected.transpose(0, 3, 1, 2), abs=1e-5)
    expected = (images[..., ::-1].astype(np.float64) - mean) / std
    assert to_tensor(images, mean, std, bgr=True) == pytest.approx(expected.transpose(0, 3, 1, 2), abs=1e-5)


@pytest.mark.parametrize(("down", "width"), [(False, 18), (True, 17)])
def test_letterbox_rounds_to_the_nearest_or_down(down: bool, width: int) -> None:
    # Half of 35 columns is 17.5.
    canvas, scale, _ = letterbox(np.full((100, 35, 3), 200, np.uint8), (50, 50), down=down)
    assert scale == 0.5
    assert (canvas[0] == 200).all(axis=1).sum() == width


DEGENERATE = (
    [0, 0, 1e-45, 1e-45],
    [5, 5, 5, 9],
    [9, 9, 5, 5],
    [0, 0, 3e38, 3e38],
    [-3e38, -3e38, 3e38, 3e38],
    [1e7, 1e7, 1e7 + 10, 1e7 + 10],
    [30_000, 30_000, 30_000.004, 30_100],
    [float("nan"), 0, 1, 1],
    [0, 0, float("inf"), 1],
)


@pytest.mark.parametrize("box", DEGENERATE, ids=str)
def test_boxes_that_cannot_be_cropped(box):
    assert not solid(np.array([box], np.float64)).any()
    with pytest.raises(InputError, match="box 1 is"):
        Boxes.given([[0, 0, 10, 10], box])


@pytest.mark.parametrize("aligned", [False, True])
def test_every_solid_box_maps_back_to_where_it_was(aligned):
    rng = np.random.default_rng(0)
    corners = rng.uniform(-1, 1, (20_000, 2)) * 10.0 ** rng.uniform(-3, 6, (20_000, 1))
    sides = 10.0 ** rng.uniform(-4, 6, (20_000, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    boxes = boxes[solid(boxes)]
    assert len(boxes) > 5000
    affines = crop_affines(boxes, (256, 192), aligned=aligned)
    centre = np.tile(np.array([[[96, 128]]], np.float32), (len(boxes), 1, 1)) - 0.5 * aligned
    points = to_image(centre, affines)[:, 0]
    middles = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    largest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    assert np.isfinite(affines).all()
    assert (np.abs(points - middles) <= 0.05 * largest).all()


def test_boxes_that_are_none():
    for boxes in (5, "x", [[10**400, 0, 1, 1]], [[0, 0, 1]], {"a": 1}, object()):
        with pytest.raises(InputError, match="boxes must be"):
            Boxes.given(boxes)
