"""COCO's keypoints against its published annotation format."""

from vitruvian import COCO17, Skeleton
from vitruvian.skeletons import unnamed


def test_coco_flip_pairs_are_the_published_ones() -> None:
    assert COCO17.flip_pairs == ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))


def test_coco_sigmas_sum_as_in_the_evaluation_code() -> None:
    # pycocotools: kpt_oks_sigmas = [.26 .25 .25 .35 .35 .79 .79 .72 .72 .62 .62 1.07 1.07 .87 .87 .89 .89] / 10
    assert len(COCO17.sigmas) == len(COCO17) == 17
    assert abs(sum(COCO17.sigmas) * 10 - 11.38) < 1e-9


def test_sides_come_from_names() -> None:
    assert [COCO17.side(i) for i in (0, 1, 2)] == ["centre", "left", "right"]
    assert COCO17.limb_side((5, 6)) == "centre"
    assert COCO17.limb_side((5, 7)) == "left"
    assert COCO17.limb_side((0, 2)) == "right"
    assert Skeleton("s", ("bright_spot", "right-hand")).side(0) == "centre"
    assert Skeleton("s", ("bright_spot", "right-hand")).side(1) == "right"


def test_an_unknown_count_gets_numbered_names() -> None:
    assert unnamed(17) is COCO17
    assert unnamed(3).keypoints == ("keypoint_0", "keypoint_1", "keypoint_2")
    assert unnamed(3).flip_pairs == ()
