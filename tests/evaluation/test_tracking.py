"""Figures of tracks: a case worked by hand, and the files that they are read from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian import InputError
from vitruvian.evaluation.tracking import evaluate_tracking

pytest.importorskip("trackeval", reason="the extra `evaluate-tracking` is not installed")

NAMES = ["nose", "head_bottom", "head_top"]


def mot(path: Path, rows: list[tuple[int, int, float]], tail: str) -> Path:
    """Boxes of 10 x 20 pixels in MOTChallenge's format: frame, id, left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{frame},{number},{left},0,10,20,{tail}\n" for frame, number, left in rows))
    return path


def truth(path: Path) -> Path:
    """Two persons in each of four frames."""
    return mot(path, [(frame, number, 100 * number) for frame in range(1, 5) for number in (1, 2)], "1,1,1")


# Person 1 is found in all frames, as 7 in the first two and as 8 in the last two; person 2 as 9 in three, and in the
# third frame there is someone who isn't.
FOUND = [(1, 7, 100), (2, 7, 100), (3, 8, 100), (4, 8, 100), (1, 9, 200), (2, 9, 200), (4, 9, 200), (3, 9, 500)]


def test_worked_by_hand(tmp_path):
    metrics = evaluate_tracking(mot(tmp_path / "a.txt", FOUND, "1,-1,-1,-1"), truth(tmp_path / "one/gt.txt"))
    figures = metrics.combined
    # 7 of 8 are hit, 1 is missed, 1 is false, and 1 switches its number.
    assert (figures["switches"], figures["false_positives"], figures["misses"]) == (1, 1, 1)
    assert figures["MOTA"] == pytest.approx(1 - 3 / 8)
    # One number a person at most: 7 or 8 hits person 1 twice, 9 hits person 2 three times, of 8 true and 8 found.
    assert figures["IDF1"] == pytest.approx(2 * 5 / 16)
    # At every threshold the 7 hits are the same. Of each: how often both numbers meet, of all frames with either.
    assert figures["DetA"] == pytest.approx(7 / 9)
    assert figures["AssA"] == pytest.approx((4 * 2 / 4 + 3 * 3 / 5) / 7)
    assert figures["HOTA"] == pytest.approx(np.sqrt(7 / 9 * 3.8 / 7))
    assert metrics.sequences == {"one": figures}


def test_what_does_not_count_does_not_count(tmp_path):
    real = truth(tmp_path / "gt.txt")
    # A cyclist, and a person marked as not to be counted: to find the one is no error, to find the other is.
    real.write_text(real.read_text() + "1,5,300,0,10,20,0,7,1\n1,6,400,0,10,20,0,1,1\n")
    plain = evaluate_tracking(mot(tmp_path / "a.txt", FOUND, "1,-1,-1,-1"), real).combined
    more = evaluate_tracking(mot(tmp_path / "b.txt", [*FOUND, (1, 11, 300)], "1,-1,-1,-1"), real).combined
    assert more == plain
    most = evaluate_tracking(mot(tmp_path / "c.txt", [*FOUND, (1, 12, 400)], "1,-1,-1,-1"), real).combined
    assert most["false_positives"] == plain["false_positives"] + 1


def test_folders_of_sequences(tmp_path):
    for name in ("first", "second"):
        truth(tmp_path / "truth" / name / "gt/gt.txt")
    mot(tmp_path / "found/first.txt", FOUND, "1,-1,-1,-1")
    with pytest.raises(InputError, match=r"neither second\.json nor second\.txt"):
        evaluate_tracking(tmp_path / "found", tmp_path / "truth")
    mot(tmp_path / "found/second.txt", FOUND[:4], "1,-1,-1,-1")
    metrics = evaluate_tracking(tmp_path / "found", tmp_path / "truth")
    assert [metrics.sequences[name]["misses"] for name in ("first", "second")] == [1, 4]
    assert metrics.combined["misses"] == 5
    assert metrics.combined["MOTA"] == pytest.approx(1 - (3 + 5) / 16)


def poses(path: Path, rows: list[tuple[int, int | None, float]], count: int = 3) -> Path:
    """What predict --json writes: frame from 0, track_id, left of a box of 10 x 20."""
    frames: list[dict] = [{"index": index, "persons": []} for index in range(4)]
    for frame, number, left in rows:
        points = [[left + 3 * k, 5 * k] for k in range(count)]
        frames[frame]["persons"].append({"track_id": number, "box": [left, 0, left + 10, 20], "keypoints": points})
    names = [f"k{index}" for index in range(count)]
    path.write_text(json.dumps({"skeleton": {"keypoints": names}, "frames": frames}))
    return path


def posetrack(path: Path) -> Path:
    """Two persons in four frames, the third without labels; pictures are listed backwards."""
    images = [{"id": 10 + n, "file_name": f"v/{n:06}.jpg", "is_labeled": n != 2} for n in reversed(range(4))]
    annotations = [
        {
            "id": 100 * number + frame,
            "image_id": 10 + frame,
            "track_id": number,
            "bbox": [100 * number, 0, 10, 20],
            "keypoints": [value for k in range(3) for value in (100 * number + 3 * k, 5 * k, 2)],
        }
        for frame in range(4)
        for number in (1, 2)
    ]
    category = {"id": 1, "name": "person", "keypoints": NAMES}
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return path


def test_posetrack(tmp_path):
    real = posetrack(tmp_path / "v.json")
    rows = [(frame, 3, 100) for frame in range(4)] + [(frame, 4 + (frame == 3), 200) for frame in range(4)]
    figures = evaluate_tracking(poses(tmp_path / "p.json", [*rows, (2, 9, 900), (0, None, 100)]), real).combined
    # The third frame isn't labelled, and who has no number isn't tracked.
    assert (figures["switches"], figures["false_positives"], figures["misses"]) == (1, 0, 0)
    assert figures["DetA"] == pytest.approx(1)
    assert figures["IDF1"] == pytest.approx(2 * (3 + 2) / 12)


def test_predictions_with_boxes_fit_motchallenge(tmp_path):
    rows = [(frame, number, 100 * number) for frame in range(4) for number in (1, 2)]
    figures = evaluate_tracking(poses(tmp_path / "p.json", rows), truth(tmp_path / "gt.txt")).combined
    assert figures["HOTA"] == pytest.approx(1)
    assert figures["switches"] == 0


def test_the_yardsticks_figures(shared, tmp_path):
    """A sequence of MOT15 whose detections are numbered by their place, against TrackEval called by hand."""
    from trackeval.metrics import CLEAR

    from vitruvian.tracking import box_iou

    folder = shared / "tracking/dev/MOT15/TUD-Campus"
    found, real = (np.loadtxt(folder / name, delimiter=",") for name in ("det.txt", "gt.txt"))
    found[:, 1] = np.concatenate([np.arange(np.sum(found[:, 0] == f)) for f in np.unique(found[:, 0])]) + 1
    np.savetxt(tmp_path / "a.txt", found, delimiter=",", fmt="%g")
    figures = evaluate_tracking(tmp_path / "a.txt", folder / "gt.txt").combined
    per = [(real[real[:, 0] == f], found[found[:, 0] == f]) for f in range(1, 72)]
    corners = [[np.c_[rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]] for rows in pair] for pair in per]
    data = {
        "gt_ids": [np.searchsorted(np.unique(real[:, 1]), a[:, 1]) for a, _ in per],
        "tracker_ids": [np.searchsorted(np.unique(found[:, 1]), b[:, 1]) for _, b in per],
        "similarity_scores": [box_iou(a, b) for a, b in corners],
        "num_timesteps": 71,
        **{"num_gt_ids": len(np.unique(real[:, 1])), "num_tracker_ids": len(np.unique(found[:, 1]))},
        **{"num_gt_dets": len(real), "num_tracker_dets": len(found)},
    }
    expected = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    assert figures["MOTA"] == pytest.approx(expected["MOTA"])
    assert figures["switches"] == expected["IDSW"] > 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,2,3", "each line needs"),
        ("words\n", "not in MOTChallenge's format"),
        ("1,1,nan,0,10,20,1,1,1", "finite"),
        ("1,1,0,0,10,20,1,1,1\n1,1,50,0,10,20,1,1,1", "frame 1: the ids 1 occur more than once"),
    ],
)
def test_broken_text(tmp_path, content, words):
    broken = tmp_path / "broken.txt"
    broken.write_text(content)
    for pair in ((broken, truth(tmp_path / "gt.txt")), (truth(tmp_path / "ours.txt"), broken)):
        with pytest.raises(InputError, match=words) as caught:
            evaluate_tracking(*pair)
        assert "broken.txt" in str(caught.value)


def test_nothing_and_nobody(tmp_path):
    real = truth(tmp_path / "gt.txt")
    (tmp_path / "none.txt").write_text("")
    figures = evaluate_tracking(tmp_path / "none.txt", real).combined
    assert (figures["misses"], figures["HOTA"], figures["switches"]) == (8, 0, 0)
    with pytest.raises(InputError, match=r"gone\.txt can't be read"):
        evaluate_tracking(tmp_path / "gone.txt", real)
    with pytest.raises(InputError, match="has no sequences"):
        evaluate_tracking(tmp_path, tmp_path)
    with pytest.raises(InputError, match="run predict with --track"):
        evaluate_tracking(poses(tmp_path / "p.json", [(0, None, 100)]), real)
    with pytest.raises(InputError, match="is not what vitruvian predict --json writes"):
        evaluate_tracking(posetrack(tmp_path / "v.json"), real)
    with pytest.raises(InputError, match="is not PoseTrack's annotation"):
        evaluate_tracking(real, poses(tmp_path / "q.json", [(0, 1, 100)]))
    with pytest.raises(InputError, match="0 keypoints a person"):
        evaluate_tracking(tmp_path / "none.txt", tmp_path / "v.json")
    with pytest.raises(InputError, match="2 keypoints a person"):
        evaluate_tracking(poses(tmp_path / "r.json", [(0, 1, 100)], count=2), tmp_path / "v.json")
