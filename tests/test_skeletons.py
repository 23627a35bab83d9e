"""Keypoint sets against what their data sets publish."""

import json

import pytest

from vitruvian import COCO17, InputError, Skeleton
from vitruvian.skeletons import SKELETONS, as_skeleton, known_skeleton, named_skeleton, unnamed


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
    assert unnamed(17).named
    assert not unnamed(3).named


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_known_skeletons_are_whole(skeleton: Skeleton) -> None:
    count = len(skeleton)
    assert skeleton.name.endswith(str(count))
    assert len(set(skeleton.keypoints)) == count
    assert len(skeleton.sigmas) == (0 if skeleton.name == "mpii16" else count)
    assert {index for limb in skeleton.limbs for index in limb} <= set(range(count))
    # A keypoint trades places with one other, and sides with names are on their own side.
    paired = [index for pair in skeleton.flip_pairs for index in pair]
    assert len(set(paired)) == len(paired)
    for left, right in skeleton.flip_pairs:
        assert (skeleton.side(left), skeleton.side(right)) in {("left", "right"), ("centre", "centre")}
    assert {index for index in range(count) if skeleton.side(index) != "centre"} <= set(paired)
    # A mirrored person has the same limbs.
    mirror = dict([*skeleton.flip_pairs, *((right, left) for left, right in skeleton.flip_pairs)])
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset(mirror.get(index, index) for index in limb) for limb in limbs} == limbs


def test_numbers_of_the_releases() -> None:
    # COCO-WholeBody's evaluation: the left hand repeats as the right one, the chin's middle lies on the axis.
    whole = SKELETONS["coco_wholebody133"]
    assert whole.keypoints[91] == "left_hand_root"
    assert whole.keypoints[132] == "right_pinky_finger4"
    assert whole.sigmas[91:112] == whole.sigmas[112:] == SKELETONS["hand21"].sigmas
    assert (23, 39) in whole.flip_pairs
    assert not {31, 50, 51, 52, 53} & {index for pair in whole.flip_pairs for index in pair}
    # halpecocotools/cocoeval.py, crowdposetools/cocoeval.py and AP-10K's configuration.
    assert SKELETONS["halpe26"].sigmas[17:] == (0.08, 0.08, 0.08, *[0.089] * 6)
    assert SKELETONS["crowdpose14"].sigmas[-2:] == (0.079, 0.079)
    assert (
        dict(zip(SKELETONS["ap10k17"].keypoints, SKELETONS["ap10k17"].sigmas, strict=True))["left_front_paw"] == 0.062
    )
    assert SKELETONS["mpii16"].keypoints[6:10] == ("pelvis", "thorax", "upper_neck", "head_top")


def test_the_only_known_skeleton_of_a_count() -> None:
    assert known_skeleton(17) is COCO17
    assert known_skeleton(133) is SKELETONS["coco_wholebody133"]
    assert known_skeleton(18) is None


def test_a_skeleton_is_given_by_name_file_or_itself(tmp_path) -> None:
    own = Skeleton("mine", ("nose", "left_ear", "right_ear"), ((0, 1), (0, 2)), (0.1, 0.2, 0.2))
    assert as_skeleton(own) is own
    assert as_skeleton("halpe26") is SKELETONS["halpe26"]
    assert named_skeleton("keypoints9") == unnamed(9)
    file = tmp_path / "mine.json"
    record = {"keypoints": own.keypoints, "limbs": [["nose", "left_ear"], ["nose", "right_ear"]]}
    file.write_text(json.dumps({**record, "sigmas": {"nose": 0.1, "left_ear": 0.2, "right_ear": 0.2}}))
    assert as_skeleton(file) == as_skeleton(str(file)) == own


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("coco", "no skeleton is called 'coco'; did you mean"),
        ("keypoints03", "no skeleton is called"),
        ("nowhere.json", r"nowhere\.json: no such file"),
        (5, "must be a name, a file or a Skeleton"),
    ],
)
def test_what_is_no_skeleton_is_refused(given: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_skeleton(given)


@pytest.mark.parametrize(
    "content", ["[", "[]", '{"keypoints": "nose"}', '{"keypoints": ["a", "a"]}', '{"nose": 1}', "[" * 100_000]
)
def test_files_that_are_no_skeletons_are_named(tmp_path, content: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"odd\.json"):
        as_skeleton(file)
