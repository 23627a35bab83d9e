"""Pictures at a reduced scale show the same crop."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian import InputError
from vitruvian.datasets import read_picture
from vitruvian.datasets.images import from_reduced, reduction
from vitruvian.geometry import crop, crop_affines

SIZE = 64, 48
BOX = np.array([[120, 60, 660, 700]], np.float32)


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth blobs on 805x611 pixels: sizes that no power of two divides."""
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(small, (805, 611), interpolation=cv2.INTER_CUBIC)


def jpeg(picture: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_a_reduced_jpeg_gives_the_same_crop(tmp_path, picture, most):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(picture))
    image, factor = read_picture(path, most)
    assert factor == most
    assert image.shape[:2] == (-(-611 // most), -(-805 // most))
    affine = crop_affines(BOX, SIZE)[0]
    assert reduction(affine) == 8
    found = crop(image, from_reduced(affine, factor)[None], SIZE)[0].astype(int)
    expected = crop(picture, affine[None], SIZE)[0].astype(int)
    # A pixel off would be ten grey levels here, on average.
    assert np.abs(found - expected)[4:-4, 4:-4].mean() < 2.5


@pytest.mark.parametrize("kind", ["png", "exif", "cmyk"])
def test_other_pictures_are_read_whole(tmp_path, picture, kind):
    path = tmp_path / "a.jpg"
    if kind == "png":
        Image.fromarray(picture).save(path, "PNG")
    elif kind == "exif":
        exif = Image.Exif()
        exif[274] = 6
        path.write_bytes(jpeg(picture, exif=exif))
    else:
        Image.fromarray(picture).convert("CMYK").save(path, "JPEG")
    image, factor = read_picture(path, 8)
    assert factor == 1
    assert image.shape == ((805, 611, 3) if kind == "exif" else (611, 805, 3))


def test_reductions_never_enlarge():
    for scale, factor in ((2.0, 1), (0.6, 1), (0.5, 2), (0.3, 2), (0.25, 4), (0.1, 8), (0.01, 8)):
        assert reduction(np.array([[scale, 0, 5], [0, scale, 7]])) == factor


def test_damaged_and_missing_pictures(tmp_path, picture):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(picture)[:9000])
    with pytest.raises(InputError, match=r"a\.jpg"):
        read_picture(path, 4)
    with pytest.raises(InputError, match=r"b\.jpg can't be read"):
        read_picture(tmp_path / "b.jpg")
