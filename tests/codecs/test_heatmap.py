"""Heatmaps against the HRNet authors' formulas, and DARK against a distribution whose centre is known."""

import cv2
import numpy as np
import pytest

from vitruvian import ModelError
from vitruvian.codecs import Heatmap
from vitruvian.codecs.base import as_scores

SIZE = (256, 192)


def gaussian(x: float, y: float, sigma: float = 2.0, grid: tuple[int, int] = (64, 48)) -> np.ndarray:
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)


def test_encode_puts_a_unit_gaussian_on_the_nearest_cell() -> None:
    maps, weights = Heatmap(SIZE).encode(np.array([[[101.0, 57.0]]]), np.ones((1, 1)))
    # 101 / 4 = 25.25 and 57 / 4 = 14.25: the nearest cells are 25 and 14.
    expected = gaussian(25, 14)
    rows, columns = np.mgrid[:64, :48]
    expected[(abs(columns - 25) > 6) | (abs(rows - 14) > 6)] = 0
    assert maps[0, 0] == pytest.approx(expected, abs=1e-6)
    assert weights.tolist() == [[1]]


def test_encode_weights_by_visibility_and_by_what_still_shows() -> None:
    # As released: the cell is int(x / 4 + 0.5), which rounds towards 0, and a blob of radius 6 cells counts unless
    # int(cell + 6 + 1) < 0 or int(cell - 6) is at or past the 48 columns.
    points = [-28.0, -29.9, -30.0, -34.0, 213.9, 214.0, 50.0, np.nan]
    cells = [-6, -6, -7, -8, 53, 54, 13, 0]
    counts = [1, 1, 1, 0, 1, 0, 0, 0]
    seen = np.array([[1, 1, 1, 1, 1, 1, 0, 0]])
    maps, weights = Heatmap(SIZE).encode(np.array([[[x, 80.0] for x in points]]), seen)
    assert weights.tolist() == [counts]
    columns = np.arange(48)
    for row, cell, count in zip(maps[0, :, 20], cells, counts, strict=True):
        blob = np.exp(-((columns - cell) ** 2) / 8) * (abs(columns - cell) <= 6)
        assert row == pytest.approx(blob * count, abs=1e-6)


def test_quarter_shift_goes_towards_the_higher_neighbour() -> None:
    maps = np.stack([gaussian(20.2, 30.4), gaussian(19.8, 29.6)])[None]
    points, scores = Heatmap(SIZE).decode(maps)
    assert points[0].tolist() == [[81, 121], [79, 119]]
    assert scores[0] == pytest.approx(maps.max(axis=(2, 3))[0])


@pytest.mark.parametrize(("x", "shifted"), [(0, False), (1, False), (2, True), (46, True), (47, False)])
def test_quarter_shift_spares_the_borders_as_published(x: int, shifted: bool) -> None:
    maps = np.zeros((1, 1, 64, 48), np.float32)
    maps[0, 0, 30, x] = 1
    if x < 47:
        maps[0, 0, 30, x + 1] = 0.5
    points, _ = Heatmap(SIZE).decode(maps)
    assert points[0, 0, 0] == 4 * (x + 0.25 * shifted)


@pytest.mark.parametrize(("x", "y"), [(20.3, 30.4), (5.9, 9.1), (40.49, 50.5), (24.0, 32.0)])
def test_dark_finds_the_centre_of_a_gaussian(x: float, y: float) -> None:
    # The smoothed map is a Gaussian too, whose logarithm is a parabola: one Newton step is exact.
    points, _ = Heatmap(SIZE, refine="dark").decode(gaussian(x, y)[None, None])
    assert points[0, 0] == pytest.approx([4 * x, 4 * y], abs=0.02)


def test_dark_equals_the_paper_step_by_step_on_noisy_maps() -> None:
    random = np.random.default_rng(3)
    maps = np.stack([gaussian(*random.uniform(8, 38, 2)) for _ in range(50)])
    maps += random.uniform(0, 0.05, maps.shape).astype(np.float32)
    points, _ = Heatmap(SIZE, refine="dark").decode(maps[None])
    for heatmap, point in zip(maps, points[0], strict=True):
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        log = np.log(np.maximum(cv2.GaussianBlur(heatmap, (11, 11), 0, borderType=cv2.BORDER_CONSTANT), 1e-10))
        first = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
        xx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
        yy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
        xy = (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]) / 4
        step = -np.linalg.solve([[xx, xy], [xy, yy]], first)
        assert point == pytest.approx(4 * (np.array([x, y]) + step), abs=0.02)


@pytest.mark.parametrize(("x", "y"), [(20.3, 30.4), (5.9, 9.1), (40.49, 50.5), (24.0, 32.0)])
def test_udp_finds_the_centre_of_a_gaussian_between_the_corner_pixels(x: float, y: float) -> None:
    points, _ = Heatmap(SIZE, refine="udp", aligned=True).decode(gaussian(x, y)[None, None])
    assert points[0, 0] == pytest.approx([x * 191 / 47, y * 255 / 63], abs=0.05)


def test_udp_equals_the_release_step_by_step_on_noisy_maps() -> None:
    random = np.random.default_rng(4)
    maps = np.stack([gaussian(*random.uniform(0, 47, 2)) for _ in range(50)])
    maps += random.uniform(0, 0.05, maps.shape).astype(np.float32)
    points, _ = Heatmap(SIZE, refine="udp", aligned=True).decode(maps[None])
    for heatmap, point in zip(maps, points[0], strict=True):
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        smooth = cv2.GaussianBlur(heatmap, (7, 7), 0)
        smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min()) * heatmap.max()
        log = np.pad(np.log(np.clip(smooth, 0.001, 50).astype(np.float64)), 1, mode="edge")[y : y + 3, x : x + 3]
        first = np.array([log[1, 2] - log[1, 0], log[2, 1] - log[0, 1]]) / 2
        xx, yy = log[1, 2] - 2 * log[1, 1] + log[1, 0], log[2, 1] - 2 * log[1, 1] + log[0, 1]
        xy = (log[2, 2] - log[1, 2] - log[2, 1] + 2 * log[1, 1] - log[1, 0] - log[0, 1] + log[0, 0]) / 2
        step = -np.linalg.solve([[xx, xy], [xy, yy]], first)
        assert point == pytest.approx((np.array([x, y]) + step) * [191 / 47, 255 / 63], abs=0.02)


def test_aligned_corners_lie_on_each_other() -> None:
    codec = Heatmap(SIZE, refine="none", aligned=True)
    corners = np.array([[[0, 0], [191, 255]]], np.float32)
    assert codec.decode(codec.encode(corners, np.ones((1, 2)))[0])[0] == pytest.approx(corners, abs=1e-4)


def test_aligned_blobs_stand_where_the_point_is() -> None:
    # 100 crop pixels are 100 * 47 / 191 = 24.607 heatmap pixels.
    maps, _ = Heatmap(SIZE, aligned=True).encode(np.array([[[100.0, 0.0]]]), np.ones((1, 1)))
    x, columns = 100 * 47 / 191, np.arange(48)
    # Six cells to each side of the nearest one, 25.
    blob = np.exp(-((columns - x) ** 2) / 8) * (abs(columns - 25) <= 6)
    assert maps[0, 0, 0] == pytest.approx(blob, abs=1e-6)


@pytest.mark.parametrize("refine", ["none", "quarter", "dark", "udp"])
def test_decode_inverts_encode_to_half_a_cell(refine: str) -> None:
    codec = Heatmap(SIZE, refine=refine)
    # UDP's smoothing mirrors at the border, which pulls on peaks within reach of it.
    truth = np.random.default_rng(0).uniform([24, 24], [168, 232], (5, 17, 2)).astype(np.float32)
    points, scores = codec.decode(codec.encode(truth, np.ones((5, 17)))[0])
    assert np.abs(points - truth).max() <= 2 + 1e-3
    assert scores == pytest.approx(1)


@pytest.mark.parametrize("refine", ["none", "quarter", "dark", "udp"])
def test_empty_and_broken_maps_score_nothing(refine: str) -> None:
    maps = np.zeros((1, 3, 64, 48), np.float32)
    maps[0, 1] = np.nan
    maps[0, 2] = -1
    points, peaks = Heatmap(SIZE, refine=refine).decode(maps)
    assert peaks.tolist() == [[0, 0, -1]]
    assert not as_scores(peaks).any()
    assert np.isfinite(points).all()
    assert not points.any()


def test_no_person_and_other_strides() -> None:
    points, scores = Heatmap(SIZE).decode((np.zeros((0, 5, 64, 48), np.float32),))
    assert points.shape == (0, 5, 2)
    assert scores.shape == (0, 5)
    codec = Heatmap((64, 64), stride=2, refine="none")
    truth = np.array([[[10.0, 20.0]]], np.float32)
    assert codec.decode(codec.encode(truth, np.ones((1, 1)))[0])[0].tolist() == truth.tolist()


def test_an_unknown_refinement_is_refused() -> None:
    with pytest.raises(ModelError, match="refine"):
        Heatmap(SIZE, refine="half")


def test_logits_are_read_by_their_softmax():
    """The logarithm of a heatmap, shifted by anything, is a perfect network's logits."""
    codec = Heatmap((256, 192), sigma=1.5, softmax=True, aligned=True, refine="dark")
    keypoints = np.random.default_rng(0).uniform(30, 160, (4, 17, 2)).astype(np.float32)
    maps, weights = codec.encode(keypoints, np.ones((4, 17)))
    logits = np.log(np.maximum(maps, 1e-12)) + np.random.default_rng(1).normal(size=(4, 17, 1, 1)).astype(np.float32)
    (again,) = codec.as_targets((logits,))
    # A Gaussian's sum over the grid is 2 pi sigma squared, but for its cut-off tails (1.1 %).
    assert again == pytest.approx(maps, abs=0.02)
    found, scores = codec.decode((logits,))
    assert found == pytest.approx(keypoints, abs=0.3)
    assert weights.all()
    assert (scores > 0.75).all()


def test_an_unsure_network_has_low_scores():
    codec = Heatmap((256, 192), sigma=1.5, softmax=True)
    _, scores = codec.decode((np.zeros((1, 2, 64, 48), np.float32),))
    assert scores == pytest.approx(np.full((1, 2), 2 * np.pi * 1.5**2 / (64 * 48)))
    _, scores = codec.decode((np.full((1, 2, 64, 48), np.nan, np.float32),))
    assert not scores.any()
