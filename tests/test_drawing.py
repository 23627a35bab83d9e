"""What is drawn, where, and that nothing that a network may return breaks it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PIL

from vitruvian import COCO17, InputError, Poses, Skeleton
from vitruvian.drawing import COLOURS, PERSONS, draw

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
    [GREY.astype(np.float32), GREY[:, :, 0], np.zeros((9, 9, 4), np.uint8), None],
    ids=["float", "grey", "RGBA", "None"],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(InputError, match="RGB uint8"):
        draw(image, person())


def crowd(count: int, track_ids: list[int] | None = None) -> Poses:
    """Persons side by side, 200 pixels each."""
    offsets = np.arange(count) * WIDTH
    points = STANDING + np.stack([offsets, 0 * offsets], axis=1)[:, None]
    boxes = np.array([[50 + x, 20, 150 + x, 230] for x in offsets], np.float32)
    ids = None if track_ids is None else np.array(track_ids)
    return Poses(boxes, np.full(count, 0.9), points, np.ones((count, 17)), COCO17, ids)


FOREARM = (STANDING[7] + STANDING[9]) / 2


def forearms(drawn: np.ndarray, count: int) -> list[np.ndarray]:
    """The pixel in the middle of each person's left forearm."""
    return [
        near(drawn.astype(int), FOREARM + np.array([place * WIDTH, 0]), radius=0).reshape(3) for place in range(count)
    ]


def nearest(pixel: np.ndarray, palette) -> int:
    return int(np.abs(np.array(palette) - pixel).sum(axis=1).argmin())


def test_each_tracked_person_has_a_colour_that_stays():
    canvas = np.full((HEIGHT, 4 * WIDTH, 3), 128, np.uint8)
    first = forearms(draw(canvas, crowd(4, [3, 1, 7, 2])), 4)
    assert [nearest(pixel, PERSONS) for pixel in first] == [2, 0, 6, 1]
    # In another frame they come in another order; one isn't confirmed.
    second = forearms(draw(canvas, crowd(4, [1, 3, 0, 2])), 4)
    assert np.array_equal(second[1], first[0])
    assert np.array_equal(second[0], first[1])
    assert np.array_equal(second[3], first[3])
    assert np.ptp(second[2]) < 30  # grey


def test_persons_have_a_colour_each_on_request():
    canvas = np.full((HEIGHT, 3 * WIDTH, 3), 128, np.uint8)
    drawn = draw(canvas, crowd(3), colours="person")
    assert [nearest(pixel, PERSONS) for pixel in forearms(drawn, 3)] == [0, 1, 2]
    # Joints still tell the side.
    wrist = near(drawn.astype(int), STANDING[9], radius=0).reshape(3)
    assert nearest(wrist, list(COLOURS.values())) == list(COLOURS).index("left")
    sides = forearms(draw(canvas, crowd(3, [1, 2, 3]), colours="side"), 3)
    assert [nearest(pixel, list(COLOURS.values())) for pixel in sides] == [list(COLOURS).index("left")] * 3


@pytest.mark.parametrize("colours", ["#ff0000,#0000ff", "FF0000, 0000ff", [(255, 0, 0), (0, 0, 255)]])
def test_colours_of_one_s_own(colours):
    canvas = np.full((HEIGHT, 3 * WIDTH, 3), 128, np.uint8)
    red, blue, third = forearms(draw(canvas, crowd(3), colours=colours), 3)
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]
    assert np.array_equal(third, red)


@pytest.mark.parametrize(
    "style",
    [
        *({"colours": colours} for colours in ("red", "#12345", "", [], [(1, 2)], [(1, 2, 300)])),
        *({"line_width": width} for width in (0, -1, float("nan"), 1e9)),
    ],
    ids=str,
)
def test_styles_that_are_none(style):
    with pytest.raises(InputError, match=r"colours is|line_width is"):
        draw(GREY, person(), **style)


def test_lines_are_as_wide_as_asked():
    line = Skeleton("line", ("a", "b"), ((0, 1),))
    image = np.full((200, 300, 3), 128, np.uint8)
    poses = person([[20, 100], [280, 100]], 1, (0, 0, 300, 200), line)
    widths = [int(changed(draw(image, poses, line_width=width), image)[:, 150].sum()) for width in (2, 10, 30)]
    # The line, and an outline that is a pixel wide and smooth.
    assert widths == pytest.approx([2 + 3, 10 + 3, 30 + 3], abs=2)


def test_names_are_written_only_where_there_is_room():
    """Of points that lie on each other few names can be read; of points far apart all."""
    names = tuple(f"point_{letter}" for letter in "abcdefghij")
    dots = Skeleton("dots", names)
    image = np.full((600, 600, 3), 128, np.uint8)
    apart = [[60 + 250 * (place % 2), 60 + 100 * (place // 2)] for place in range(10)]
    heaped = [[300, 300]] * 10

    def ground(points) -> int:
        poses = person(points, 1, (0, 0, 600, 600), dots)
        return int((changed(draw(image, poses, names=True), draw(image, poses))).sum())

    one = ground([[60, 60], *[[np.nan, np.nan]] * 9])
    assert ground(apart) == pytest.approx(10 * one, rel=0.05)
    assert one < ground(heaped) <= 4.2 * one


def test_small_persons_are_not_covered_by_names():
    image = np.full((400, 400, 3), 128, np.uint8)
    small = person(STANDING / 4 + 150, box=(160, 155, 190, 210))
    assert np.array_equal(draw(image, small, names=True), draw(image, small))


def test_names_of_a_crowd_cover_no_other():
    """Their grounds are dark rectangles; where two overlapped, their common area would be less than their sum."""
    from vitruvian.drawing.labels import Labels

    canvas = np.full((200, 200, 3), 255, np.uint8)
    labels = Labels(canvas)
    rng = np.random.default_rng(0)
    written = sum(labels.write_where_free("name", *rng.uniform(0, 200, 2), 2.0, (0, 0, 0)) for _ in range(300))
    spots = labels._taken
    assert written == len(spots)
    painted = np.zeros((200, 200), int)
    for left, top, right, bottom in spots:
        painted[top:bottom, left:right] += 1
    assert painted.max() == 1
    assert 5 < written < 100
    assert (spots >= 0).all()
    assert (spots <= 200).all()


def test_blurred_faces_cannot_be_read_and_the_rest_can():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2, (HEIGHT, WIDTH, 3)).astype(np.uint8) * 255
    poses = person(scores=0.0)  # nothing of the skeleton is drawn
    drawn = draw(image, poses, blur_faces=True)
    hidden = changed(drawn, image)
    for point in STANDING[:5]:
        patch = near(drawn.astype(int), point, 4)
        assert patch.std() < 60 < near(image.astype(int), point, 4).std()
    assert hidden[40:56, 100].all()  # down to the chin
    assert not hidden[STANDING[5:, 1].astype(int), STANDING[5:, 0].astype(int)].any()
    assert hidden.sum() < 60 * 60


def test_every_face_is_blurred_under_the_drawing():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2, (HEIGHT, 2 * WIDTH, 3)).astype(np.uint8) * 255
    poses = crowd(2)
    poses.scores[1, :5] = 0.01  # turned away, or not to be seen
    poses.keypoints[1, 3] = np.nan
    hidden = changed(draw(image, poses, blur_faces=True, keypoint_score=1.0), draw(image, poses, keypoint_score=1.0))
    assert near(hidden, (100, 48), 3).mean() > 0.5
    assert near(hidden, (300, 48), 3).mean() > 0.5


def test_faces_of_other_skeletons():
    from vitruvian.skeletons import SKELETONS

    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    for name, skeleton in SKELETONS.items():
        points = np.full((len(skeleton), 2), 120.0)
        poses = person(points, 0.0, skeleton=skeleton)
        if name == "hand21":
            with pytest.raises(InputError, match="hand21 has no keypoints of a face"):
                draw(image, poses, blur_faces=True)
        else:
            assert changed(draw(image, poses, blur_faces=True), image).any(), name


def test_poses_draw_on_files_and_pil_images(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    path = tmp_path / "a.png"
    PIL.fromarray(image).save(path)
    wanted = person().draw(image)
    for form in (path, str(path), path.read_bytes(), PIL.fromarray(image)):
        assert np.array_equal(person().draw(form), wanted)
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        person().draw(tmp_path / "gone.png")


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
