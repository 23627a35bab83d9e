"""Reading pictures: every mode, orientation and fault, against pixels made here."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from made import make_heic
from PIL import Image as PIL

from vitruvian.errors import InputError
from vitruvian.media import ImageFiles, as_rgb, open_source, read_image
from vitruvian.media.pictures import expand, open_folder

COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [200, 100, 50], [255, 255, 255]]], np.uint8)


def save(path: Path, image: PIL.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("png", {}), ("webp", {"lossless": True}), ("bmp", {}), ("tif", {}), ("gif", {}), ("ppm", {})],
)
def test_lossless_formats_give_the_pixels_that_were_written(tmp_path, suffix, options):
    got = read_image(save(tmp_path / f"a.{suffix}", PIL.fromarray(COLOURS), **options))
    assert np.array_equal(got, COLOURS)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    assert got.flags.writeable


def test_jpeg_colours_are_close(tmp_path):
    plain = np.full((32, 32, 3), (200, 30, 60), np.uint8)
    got = read_image(save(tmp_path / "a.jpg", PIL.fromarray(plain), quality=95))
    assert np.abs(got.astype(int) - plain).max() <= 4


def test_one_pixel():
    buffer = io.BytesIO()
    PIL.fromarray(COLOURS[:1, :1]).save(buffer, "PNG")
    assert read_image(buffer.getvalue()).tolist() == [[[255, 0, 0]]]
    assert read_image(buffer).tolist() == [[[255, 0, 0]]]


def test_grey_and_grey_with_alpha_become_equal_channels(tmp_path):
    grey = np.array([[0, 100, 255]], np.uint8)
    expected = np.stack([grey] * 3, axis=2)
    assert np.array_equal(read_image(save(tmp_path / "l.png", PIL.fromarray(grey))), expected)
    la = PIL.merge("LA", [PIL.fromarray(grey), PIL.new("L", (3, 1), 7)])
    assert np.array_equal(read_image(save(tmp_path / "la.png", la)), expected)


def test_alpha_is_dropped_not_blended(tmp_path):
    rgba = np.dstack([COLOURS, np.zeros(COLOURS.shape[:2], np.uint8)])
    assert np.array_equal(read_image(save(tmp_path / "a.png", PIL.fromarray(rgba))), COLOURS)


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
def test_palettes_with_and_without_transparency(tmp_path, transparency):
    image = PIL.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    options = {} if transparency is None else {"transparency": transparency}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = read_image(save(tmp_path / "p.png", image, **options))
    assert got.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


def test_bilevel(tmp_path):
    image = PIL.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read_image(save(tmp_path / "b.png", image)).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_cmyk(tmp_path):
    image = PIL.new("CMYK", (16, 16), (0, 255, 255, 0))
    got = read_image(save(tmp_path / "c.jpg", image, quality=95))
    assert np.abs(got.astype(int) - (255, 0, 0)).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_divided_by_256(tmp_path, suffix):
    values = np.array([[0, 255, 256, 65535, 40000]], np.uint16)
    got = read_image(save(tmp_path / f"a.{suffix}", PIL.fromarray(values)))
    assert got[:, :, 0].tolist() == [[0, 0, 1, 255, 156]]
    assert np.array_equal(got[:, :, 0], got[:, :, 2])


def test_big_endian_sixteen_bit_tiff(tmp_path):
    # A TIFF by hand (TIFF 6.0): "MM", one 2x1 strip of 16-bit grey.
    entries = [(256, 4, 2), (257, 4, 1), (258, 3, 16 << 16), (259, 3, 1 << 16), (262, 3, 1 << 16), (273, 4, 122)]
    entries += [(277, 3, 1 << 16), (278, 4, 1), (279, 4, 4)]
    data = b"MM\0*" + struct.pack(">IH", 8, len(entries))
    data += b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in entries) + bytes(4)
    path = tmp_path / "be.tif"
    path.write_bytes(data + struct.pack(">HH", 0x1234, 0xFF00))
    assert len(data) == 122
    assert read_image(path)[0, :, 0].tolist() == [0x12, 0xFF]


def test_values_without_an_agreed_range_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"f\.tif.*floating-point.*scale"):
        read_image(save(tmp_path / "f.tif", PIL.fromarray(np.ones((2, 2), np.float32))))
    with pytest.raises(InputError, match=r"i\.tif.*0\.\.65535"):
        read_image(save(tmp_path / "i.tif", PIL.fromarray(np.full((2, 2), 70_000, np.int32))))


# Row 0 and column 0 as the EXIF 2.3 table names them: what the stored array looks like for an upright A.
STORED = {
    1: lambda a: a,
    2: lambda a: np.fliplr(a),
    3: lambda a: np.flipud(np.fliplr(a)),
    4: lambda a: np.flipud(a),
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.flipud(np.swapaxes(a, 0, 1)),
    7: lambda a: np.flipud(np.fliplr(np.swapaxes(a, 0, 1))),
    8: lambda a: np.fliplr(np.swapaxes(a, 0, 1)),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    upright = np.kron(COLOURS, np.ones((16, 16, 1), np.uint8))
    exif = PIL.Exif()
    exif[0x0112] = orientation
    stored = PIL.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    got = read_image(save(tmp_path / f"o.{suffix}", stored, exif=exif, **options))
    assert got.shape == upright.shape
    assert np.abs(got.astype(int) - upright).max() <= 6
    assert got.flags.c_contiguous


def test_first_frame_of_an_animation(tmp_path):
    frames = [PIL.new("RGB", (4, 4), colour) for colour in ("red", "lime")]
    for suffix, options in (("gif", {}), ("webp", {"lossless": True})):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert read_image(path)[0, 0].tolist() == [255, 0, 0]


def png_of_size(width: int, height: int) -> bytes:
    """A PNG of one-bit black pixels by hand, so that making it needs no memory."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = bytes(1 + (width + 7) // 8)
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_twenty_thousand_square_is_refused_from_its_header():
    with pytest.raises(InputError, match=r"big\.png is 20000x20000.*limit is 268,435,456.*scale it down"):
        read_image(png_of_size(20_000, 20_000), "big.png")


def test_large_pictures_below_the_limit_are_read_without_warnings():
    # Above 89 million pixels Pillow warns by itself.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard = PIL.MAX_IMAGE_PIXELS
        assert read_image(png_of_size(10_000, 9_001)).shape == (9_001, 10_000, 3)
    assert guard == PIL.MAX_IMAGE_PIXELS


def blank_jpeg(width: int, height: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    PIL.new("L", (width, height), 128).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_claims_more_than_its_bytes_can_say_is_damaged(progressive):
    blank = blank_jpeg(4000, 3000, progressive=progressive, optimize=True)
    assert read_image(blank).shape == (3000, 4000, 3)
    start = re.search(rb"\xff[\xc0\xc2]\x00\x0b\x08", blank).end()
    larger = blank[:start] + struct.pack(">HH", 16_384, 16_384) + blank[start + 4 :]
    with pytest.raises(
        InputError, match=rf"image bytes claims 16384x16384 pixels in {len(larger)} bytes: it is damaged"
    ):
        read_image(larger)


def test_the_case_that_claims_16384_square(shared):
    tracemalloc.start()
    with pytest.raises(InputError, match=r"prog0\.jpg claims 16384x16384 pixels in 543 bytes"):
        list(open_source(shared / "cases/prog0.jpg"))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def limited(code: str, gibibytes: float, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process with so much memory."""
    pytest.importorskip("resource", reason="this system can't limit a process's memory")
    size = int(gibibytes * 2**30)
    head = f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({size}, {size}))\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_limit_follows_the_memory(tmp_path):
    (tmp_path / "large.png").write_bytes(png_of_size(16_000, 16_000))
    done = limited("from vitruvian.media import read_image; read_image(sys.argv[1])", 2, tmp_path / "large.png")
    assert "InputError: " in done.stderr
    assert "large.png is 16000x16000, 256,000,000 pixels; the limit is 67,108,864 on a machine with so" in done.stderr


def test_too_little_memory_is_said_as_such(tmp_path):
    (tmp_path / "large.png").write_bytes(png_of_size(15_000, 15_000))
    code = """
        from vitruvian.pictures import decoding, read_image
        decoding.max_pixels = lambda: 2**28
        read_image(sys.argv[1])
    """
    done = limited(code, 1, tmp_path / "large.png")
    assert re.search(r"InputError: .*large\.png is 15000x15000: there is not enough memory to decode it", done.stderr)


HEIC = pytest.mark.skipif(importlib.util.find_spec("pi_heif") is None, reason="pi-heif is not installed")


@HEIC
@pytest.mark.parametrize("tiles", [(1, 1), (2, 3)])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_heic_with_tiles_and_orientation(tmp_path, tiles, turns):
    stored = np.zeros((64 * tiles[0], 64 * tiles[1], 3), np.uint8)
    height, width = stored.shape[:2]
    stored[: height // 2, : width // 2], stored[height // 2 :, width // 2 :] = (220, 30, 30), (30, 30, 220)
    path = make_heic(tmp_path / "a.heic", stored, tiles, turns)
    # ISO 23008-12, 6.5.10: turned by so many right angles, anticlockwise.
    shown = np.rot90(stored, turns)
    for image in (read_image(path), next(iter(open_source(path))).image, next(iter(open_source(tmp_path))).image):
        assert image.shape == shown.shape
        assert np.abs(image.astype(int) - shown).mean() < 6
    assert open_source(path).kind == "images"


@HEIC
def test_a_phones_heic(shared):
    source = open_source(shared / "cases/photo.heic")
    assert source.kind == "images"
    assert next(iter(source)).image.shape == (425, 640, 3)


def test_missing_folder_empty_and_text(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jpg: no such file"):
        read_image(tmp_path / "nothing.jpg")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(InputError, match=r"empty\.png is empty"):
        read_image(tmp_path / "empty.png")
    (tmp_path / "text.jpg").write_text("this is no picture\n" * 50)
    with pytest.raises(InputError, match=r"text\.jpg is not a picture"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(InputError, match="usable path"):
        read_image("a\0b.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif"])
@pytest.mark.parametrize("part", [0.3, 0.8])
def test_cut_off_files_name_themselves(tmp_path, suffix, part):
    noise = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
    path = save(tmp_path / f"cut.{suffix}", PIL.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match=rf"cut\.{suffix}"):
        read_image(path)


def test_any_broken_bytes_give_a_picture_or_an_input_error(tmp_path):
    rng = np.random.default_rng(1)
    outcomes = set()
    for suffix in ("png", "jpg", "webp", "tif", "gif"):
        good = save(tmp_path / f"a.{suffix}", PIL.fromarray(COLOURS.repeat(9, 0).repeat(9, 1))).read_bytes()
        for _ in range(40):
            data = bytearray(good)
            for at in rng.integers(0, len(data), 3):
                data[at] = rng.integers(0, 256)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    outcomes.add(read_image(bytes(data)).dtype)
                except InputError as error:
                    outcomes.add(type(error))
    assert outcomes == {np.dtype(np.uint8), InputError}


def test_damaged_exif_costs_neither_the_picture_nor_a_warning(tmp_path):
    path = save(
        tmp_path / "e.jpg", PIL.new("RGB", (8, 8), (0, 0, 255)), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape == (8, 8, 3)


def test_as_rgb_of_arrays():
    assert as_rgb(COLOURS) is COLOURS or np.shares_memory(as_rgb(COLOURS), COLOURS)
    assert np.array_equal(as_rgb(COLOURS.astype(np.uint16) * 256), COLOURS)
    grey = COLOURS[:, :, 0]
    for image in (grey, grey[:, :, None]):
        assert np.array_equal(as_rgb(image), np.stack([grey] * 3, axis=2))
    assert np.array_equal(as_rgb(np.dstack([COLOURS, grey])), COLOURS)
    turned = as_rgb(COLOURS[:, ::-1])
    assert np.array_equal(turned, COLOURS[:, ::-1])
    assert turned.flags.c_contiguous


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_as_rgb_says_what_it_accepts(image):
    with pytest.raises(InputError, match=r"accepted are RGB uint8 or uint16 arrays"):
        as_rgb(image)


def test_as_rgb_turns_pil_images_upright(tmp_path):
    image = PIL.fromarray(COLOURS)
    image.getexif()[0x0112] = 3
    assert np.array_equal(as_rgb(image), COLOURS[::-1, ::-1])


def test_a_bad_file_among_several_is_a_problem_and_alone_an_error(tmp_path):
    good = [save(tmp_path / f"{i}.png", PIL.new("RGB", (2, 2), (i, 0, 0))) for i in (1, 2)]
    bad = tmp_path / "bad.png"
    bad.write_text("no")
    source = ImageFiles([good[0], bad, good[1]], "three")
    for _ in range(2):
        frames = list(source)
        assert [(f.index, f.source, f.image[0, 0, 0], f.time, f.pts) for f in frames] == [
            (0, str(good[0]), 1, None, None),
            (2, str(good[1]), 2, None, None),
        ]
        assert len(source.problems) == 1
        assert "bad.png" in source.problems[0]
    assert source.length == 3
    with pytest.raises(InputError, match=r"bad\.png"):
        list(ImageFiles([bad], "one"))


def test_expand(tmp_path):
    for name in ("img10.png", "img2.PNG", "notes.txt", ".hidden.png", "sub/img1.jpg", ".git/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    here, below = [str(tmp_path / n) for n in ("img2.PNG", "img10.png")], str(tmp_path / "sub/img1.jpg")
    assert expand(tmp_path) == (here, 1)
    assert expand(tmp_path, recursive=True) == ([*here, below], 1)
    assert expand(tmp_path / "*") == (here, 1)
    assert expand(tmp_path / "**" / "*.jpg") == ([below], 0)
    assert set(expand(tmp_path / "*", recursive=True)[0]) == {*here, below}
    below_too = "1 folder was skipped: -r (recursive=True) takes the pictures in folders, too"
    assert open_folder(tmp_path).notes == ["1 file that is no picture was skipped", below_too]
    assert open_folder(tmp_path, recursive=True).notes == ["1 file that is no picture was skipped"]
    assert open_folder(tmp_path / "*.png").notes == []
    (tmp_path / "more.csv").touch()
    assert open_folder(tmp_path).notes[0] == "2 files that are no pictures were skipped"


def test_expand_of_nothing(tmp_path):
    with pytest.raises(InputError, match="no pictures found"):
        expand(tmp_path)
    with pytest.raises(InputError, match="no pictures found"):
        expand(tmp_path / "*.png")
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match="no pictures found among its 1 files"):
        expand(tmp_path)


@pytest.mark.parametrize("shape", [(2, 40_000), (40_000, 2)])
def test_a_picture_too_long_for_opencv_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    PIL.fromarray(pixels).save(tmp_path / "long.png")
    with pytest.raises(InputError, match=r"long\.png is .* a side"):
        read_image(tmp_path / "long.png")
    with pytest.raises(InputError, match="a side"):
        as_rgb(pixels)
