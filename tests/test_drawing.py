"""What is drawn, where, and that nothing that a network may return breaks it."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian import COCO17, InputError, Poses, Skeleton
from vitruvian.drawing import COLOURS, draw

HEIGHT, WIDTH = 240, 200
GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
# A person that stands in the picture, at COCO's keypoints; the left of the body is at the right of the picture.
STANDING = np.array(
    [
        *([100, 40], [105, 35], [95, 35], [112, 40], [88, 40]),
        *([125, 70], [75, 70], [140, 100], [60, 100], [145, 130], [55, 130]),
        *([115, 130], [85, 130], [118, 175], [82, 175], [120, 220], [80, 220]),
    ],
    np.float32,
)


def person(points=STANDING, scores=1.0, box=(50, 20, 150, 230), skeleton=COCO17, **more) -> Poses:
    points = np.asarray(points, np.float32)
    return Poses(
        np.array([box], np.float32),
        np.array([0.9], np.float32),
        points[None],
        np.broadcast_to(np.asarray(scores, np.float32), (1, len(points))).copy(),
        skeleton,
        **more,
    )


def nobody() -> Poses:
    empty = np.zeros((0, 4), np.float32)
    return Poses(empty, empty[:, 0], np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))


def changed(image: np.ndarray, before: np.ndarray = GREY) -> np.ndarray:
    return (image != before).any(axis=2)


def near(image: np.ndarray, point, radius: int = 1) -> np.ndarray:
    x, y = np.round(point).astype(int)
    return image[y - radius : y + radius + 1, x - radius : x + radius + 1]


def test_a_copy_is_drawn_on():
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    before = image.copy()
    drawn = draw(image, person(), boxes=True, scores=True, names=True)
    assert np.array_equal(image, before)
    assert (drawn.shape, drawn.dtype) == (image.shape, np.uint8)
    assert not np.shares_memory(drawn, image)
    assert changed(drawn, before).any()


def test_poses_draw_themselves():
    assert np.array_equal(person().draw(GREY, boxes=True), draw(GREY, person(), boxes=True))


def test_joints_and_limbs_are_where_they_should_be():
    mask = changed(draw(GREY, person()))
    for point in STANDING:
        assert near(mask, point).all()
    for first, second in COCO17.limbs:
        assert near(mask, (STANDING[first] + STANDING[second]) / 2, radius=0).all()
    assert not mask[:, :40].any()
    assert not mask[:20].any()


def test_joints_have_the_colour_of_their_side():
    drawn = draw(GREY, person()).astype(int)
    for index, point in enumerate(STANDING):
        if index in (1, 2):  # the eyes are so near to the nose that the joints overlap
            continue
        (pixel,) = near(drawn, point, radius=0).reshape(-1, 3)
        distances = {side: np.abs(pixel - colour).sum() for side, colour in COLOURS.items()}
        assert min(distances, key=distances.get) == COCO17.side(index), COCO17.keypoints[index]


def test_limbs_have_the_colour_of_their_side():
    drawn = draw(GREY, person()).astype(int)
    for pair in ((7, 9), (8, 10), (13, 15), (14, 16), (5, 6), (11, 12)):
        (pixel,) = near(drawn, (STANDING[pair[0]] + STANDING[pair[1]]) / 2, radius=0).reshape(-1, 3)
        distances = {side: np.abs(pixel - colour).sum() for side, colour in COLOURS.items()}
        assert min(distances, key=distances.get) == COCO17.limb_side(pair), pair


def test_keypoints_below_the_threshold_are_left_out():
    assert np.array_equal(draw(GREY, person(scores=0.29), keypoint_score=0.3), GREY)
    scores = np.full(17, 0.9)
    scores[9] = 0.1
    mask = changed(draw(GREY, person(scores=scores)))
    assert not near(mask, STANDING[9], 3).any()
    assert not near(mask, (STANDING[7] + STANDING[9]) / 2, 2).any()
    assert near(mask, STANDING[7]).all()


def test_the_threshold_itself_is_drawn():
    assert changed(draw(GREY, person(scores=0.5), keypoint_score=0.5)).any()


def test_what_is_less_sure_is_fainter():
    changes = [np.abs(draw(GREY, person(scores=score)).astype(int) - 128).sum() for score in (0.35, 0.6, 1.0)]
    assert 0 < changes[0] < changes[1] < changes[2]
    scores = np.ones(17)
    scores[9] = 0.35
    sure, unsure = (draw(GREY, person(scores=values)).astype(int) - 128 for values in (np.ones(17), scores))
    middle = (STANDING[7] + STANDING[9]) / 2
    assert 0 < np.abs(near(unsure, middle)).sum() < np.abs(near(sure, middle)).sum()
    assert np.array_equal(near(unsure, STANDING[15]), near(sure, STANDING[15]))


def test_larger_persons_have_wider_lines():
    image = np.full((900, 900, 3), 128, np.uint8)
    points = np.array([[100, 450], [800, 450]])
    line = Skeleton("line", ("a", "b"), ((0, 1),))
    widths = []
    for size in (60, 300, 800):
        drawn = draw(image, person(points, 1, (0, 0, size, size), line))
        widths.append(int(changed(drawn, image)[:, 450].sum()))
    assert 0 < widths[0] < widths[1] < widths[2]


def test_lines_are_smooth():
    line = Skeleton("line", ("a", "b"), ((0, 1),))
    drawn = draw(GREY, person([[20, 30], [180, 170]], 1, (0, 0, 200, 240), line))
    # Jagged lines would have the colours of the outline and of the limb and nothing between.
    assert len(np.unique(drawn[60:150, 60:150].reshape(-1, 3), axis=0)) > 6


def test_the_best_person_is_on_top():
    spot = Skeleton("spots", ("left_a",)), Skeleton("spots", ("right_a",))
    points = np.array([[[100, 100]], [[100, 100]]], np.float32)
    boxes = np.tile(np.array([[0, 0, 180, 230]], np.float32), (2, 1))
    both = Poses(boxes, np.array([0.9, 0.5], np.float32), points, np.ones((2, 1), np.float32), spot[0])
    alone = draw(GREY, both[0]).astype(int)
    assert np.abs(near(draw(GREY, both).astype(int), [100, 100]) - near(alone, [100, 100])).max() < 40


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38])
def test_points_that_are_nowhere_are_left_out(bad):
    points = STANDING.copy()
    points[9] = bad
    points[16, 0] = bad
    with np.errstate(all="ignore"):
        drawn = draw(GREY, person(points), boxes=True, scores=True, names=True)
    assert near(changed(drawn), STANDING[15]).all()
    assert not near(changed(draw(GREY, person(points))), (STANDING[7] + STANDING[9]) / 2, 2).any()


def test_all_points_are_nowhere():
    assert np.array_equal(draw(GREY, person(np.full((17, 2), np.nan))), GREY)
    assert np.array_equal(draw(GREY, person(np.full((17, 2), 5000.0))), GREY)


def test_limbs_that_leave_the_picture_are_drawn_up_to_its_edge():
    line = Skeleton("line", ("a", "b"), ((0, 1),))
    mask = changed(draw(GREY, person([[100, 120], [9000, 120]], 1, (0, 0, 200, 240), line)))
    assert mask[120, 100:].all()
    assert not mask[:, :80].any()


@pytest.mark.parametrize("score", [np.nan, -1.0, 0.0])
def test_scores_that_are_none(score):
    assert np.array_equal(draw(GREY, person(scores=score)), GREY)


def test_a_skeleton_without_limbs():
    dots = Skeleton("dots", ("a", "left_b", "right_c"))
    points = np.array([[50, 60], [100, 60], [150, 60]])
    mask = changed(draw(GREY, person(points, 1, (0, 0, 200, 240), dots)))
    for point in points:
        assert near(mask, point).all()
    assert not near(mask, [75, 60], 2).any()
    assert not near(mask, [125, 60], 2).any()


@pytest.mark.parametrize("style", [{}, {"boxes": True}, {"scores": True}, {"names": True}])
def test_nobody_gives_an_equal_copy(style):
    drawn = draw(GREY, nobody(), **style)
    assert np.array_equal(drawn, GREY)
    assert not np.shares_memory(drawn, GREY)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (300, 1, 3)])
def test_the_smallest_pictures(shape):
    image = np.full(shape, 128, np.uint8)
    poses = person(box=(0, 0, shape[1], shape[0]))
    drawn = draw(image, poses, boxes=True, scores=True, names=True)
    assert drawn.shape == shape
    assert changed(drawn, image).any()


def test_boxes_scores_and_names_come_on_request():
    plain = draw(GREY, person())
    box = changed(draw(GREY, person(), boxes=True), plain)
    assert box[20, 100]
    assert box[100, 50]
    assert changed(draw(GREY, person(), scores=True), plain)[:30].any()
    assert changed(draw(GREY, person(), names=True), plain).sum() > 500


def test_track_numbers_are_shown_and_colour_the_box():
    numbered = [person(track_ids=np.array([number])) for number in (1, 2)]
    assert changed(draw(GREY, numbered[0]), draw(GREY, person())).any()
    first, second = (draw(GREY, poses, boxes=True)[230, 140] for poses in numbered)
    assert (first != second).any()


def test_pictures_that_are_not_contiguous():
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    flipped = image[::-1, ::-1]
    assert np.array_equal(draw(flipped, person()), draw(flipped.copy(), person()))


def test_a_picture_that_may_not_be_written():
    image = GREY.copy()
    image.flags.writeable = False
    assert changed(draw(image, person()), image).any()


@pytest.mark.parametrize(
    "image",
    [GREY.astype(np.float32), GREY[:, :, 0], np.zeros((9, 9, 4), np.uint8), "photo.jpg", None],
    ids=["float", "grey", "RGBA", "path", "None"],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(InputError, match="RGB uint8 array"):
        draw(image, person())


def test_angles_are_written_beside_their_joints_on_request():
    plain = draw(GREY, person())
    marked = draw(GREY, person(), angles=True)
    knee = STANDING[13] + (6, -6)
    assert changed(marked, plain).any()
    assert near(changed(marked, plain), knee, 3).any()
    # None without a sure keypoint, nor where nothing is finite.
    unsure = np.ones(17)
    unsure[[13, 14, 7, 8, 11, 12]] = 0
    assert np.array_equal(draw(GREY, person(scores=unsure), angles=True), draw(GREY, person(scores=unsure)))
    broken = np.full((17, 2), np.nan)
    assert np.array_equal(draw(GREY, person(broken), angles=True), GREY)
