"""Detectors: decoding by hand, selection by its rules, and the real networks on a real picture."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian import ModelCard, ModelError
from vitruvian.cards import DetectorOptions
from vitruvian.detectors import Detector, Family, Letterbox, Prepared, prepare, rtmdet, yolox
from vitruvian.media import read_image
from vitruvian.runtimes import open_runtime
from vitruvian.tracking import box_iou
from vitruvian.zoo import load_detector

BLANK = np.zeros((320, 640, 3), np.uint8)


def rtmdet_file(make_onnx, rows: list[list[float]], labels: list[int]) -> Path:
    outputs = {"dets": np.array(rows, np.float32).reshape(-1, 5), "labels": np.array(labels, np.int64)}
    return make_onnx(outputs, input_shape=("N", 3, "H", "W"))


def test_yolox_decodes_a_cell_by_the_paper() -> None:
    raw = np.zeros((1, 84, 7), np.float32)
    # 64x64 has 8x8 cells of stride 8, then 4x4 of stride 16, then 2x2 of stride 32. Cell 64 + 4 * 1 + 2 is stride 16,
    # column 2, row 1.
    raw[0, 70] = [0.25, 0.5, np.log(2), np.log(3), 0.5, 0.8, 0.1]
    boxes, scores = yolox.decode([raw], (64, 64), 0)[0]
    centre, size = np.array([2.25 * 16, 1.5 * 16]), np.array([32, 48])
    assert boxes[70] == pytest.approx([*(centre - size / 2), *(centre + size / 2)], rel=1e-5)
    assert scores[70] == pytest.approx(0.4)
    assert yolox.decode([raw], (64, 64), 1)[0][1][70] == pytest.approx(0.05)


def test_rtmdet_keeps_the_person_class() -> None:
    dets = np.array([[[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.8]]], np.float32)
    boxes, scores = rtmdet.decode([dets, np.array([[1, 0]])], (64, 64), 0)[0]
    assert boxes.tolist() == [[5, 6, 7, 8]]
    assert scores == pytest.approx([0.8])


def test_boxes_come_back_in_pixels_of_the_picture(make_onnx) -> None:
    detector = load_detector(rtmdet_file(make_onnx, [[16, 16, 32, 80, 0.9]], [0]), 320)
    boxes = detector([BLANK])[0]  # 640 wide onto 320: two picture pixels a pixel
    assert boxes.xyxy.tolist() == [[32, 32, 64, 160]]
    assert boxes.scores == pytest.approx([0.9])


def test_selection_by_score_overlap_and_number(make_onnx) -> None:
    rows = [
        [10, 10, 50, 90, 0.6],
        [12, 10, 50, 90, 0.9],  # overlaps the first by 38 * 80 / (40 * 80) = 0.95
        [100, 10, 140, 90, 0.7],
        [200, 10, 240, 90, 0.2],
        [300, 10, 300, 90, 0.95],  # no width
        [float("nan"), 0, 1, 1, 0.9],
        [0, 0, float("inf"), 50, 0.9],
        [200, 10, 240, 90, 0.99],  # no person
    ]
    file = rtmdet_file(make_onnx, rows, [0, 0, 0, 0, 0, 0, 0, 1])
    assert load_detector(file, 320)([BLANK])[0].scores == pytest.approx([0.9, 0.7])
    assert load_detector(file, 320, iou=0.96)([BLANK])[0].scores == pytest.approx([0.9, 0.7, 0.6])
    assert load_detector(file, 320, score=0.1)([BLANK])[0].scores == pytest.approx([0.9, 0.7, 0.2])
    assert load_detector(file, 320, max_persons=1)([BLANK])[0].scores == pytest.approx([0.9])


def test_a_model_may_have_an_overlap_of_its_own(make_onnx) -> None:
    # They share 30 of 50 columns: 0.6.
    rows = [[10, 10, 50, 90, 0.9], [20, 10, 60, 90, 0.8]]
    dets = {"dets": np.array(rows, np.float32), "labels": np.zeros(2, np.int64)}
    for own, kept in ((None, 2), (0.55, 1)):
        card = ModelCard("own", "detection", "rtmdet", (320, 320), options=DetectorOptions(iou=own))
        metadata = {"vitruvian": card.to_json()}
        file = make_onnx(dets, input_shape=("N", 3, 320, 320), metadata=metadata, name=f"{own}.onnx")
        assert len(load_detector(file)([BLANK])[0]) == kept
        assert len(load_detector(file, iou=0.5)([BLANK])[0]) == 1
        assert len(load_detector(file, iou=0.65)([BLANK])[0]) == 2


def test_boxes_end_at_the_picture_and_none_is_fine(make_onnx) -> None:
    file = rtmdet_file(make_onnx, [[-20, -20, 400, 400, 0.9], [0, 200, 50, 300, 0.9]], [0, 0])
    assert load_detector(file, 320)([BLANK])[0].xyxy.tolist() == [[0, 0, 640, 320]]  # the second lies in the grey
    nobody = load_detector(rtmdet_file(make_onnx, [], []), 320)([BLANK, BLANK])
    assert [len(boxes) for boxes in nobody] == [0, 0]
    assert nobody[0].xyxy.shape == (0, 4)


def rows_of(family: str, boxes: np.ndarray, scores: list[float]) -> dict[str, np.ndarray]:
    """What a family's network returns for boxes xyxy in pixels of its 64x64 input."""
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    if family == "rtmdet":
        dets = np.column_stack([boxes, scores]).astype(np.float32)
        return {"dets": dets, "labels": np.zeros(len(boxes), np.int64)}
    surely = np.column_stack([scores, np.ones(len(boxes))])
    if family == "yolov5":
        return {"p": np.column_stack([centres, sizes, surely]).astype(np.float32)}
    raw = np.zeros((84, 6), np.float32)
    cells = np.column_stack([np.arange(len(boxes)), np.zeros(len(boxes))])  # the first ones, of stride 8
    raw[: len(boxes)] = np.column_stack([centres / 8 - cells, np.log(sizes / 8), surely])
    return {"p": raw}


@pytest.mark.parametrize("family", ["rtmdet", "yolov5", "yolox"])
def test_persons_at_the_edge_are_compared_before_their_boxes_are_cut(make_onnx, family: str) -> None:
    """One reaches over the left edge: they share 20x40 of 60x40 and 24x40, 0.3125. If cut first it were 0.83."""
    boxes = np.array([[-40, 10, 20, 50], [0, 10, 24, 50], [-30, 10, -5, 50]], np.float32)
    card = ModelCard("net", "detection", family, (64, 64), (0, 0, 0), (255, 255, 255))
    outputs = rows_of(family, boxes, [0.9, 0.8, 0.7])
    file = make_onnx(outputs, input_shape=("N", 3, 64, 64), metadata={"vitruvian": card.to_json()})
    picture = np.zeros((128, 128, 3), np.uint8)  # two of its pixels are one of the network's
    found = load_detector(file, iou=0.45)([picture])[0]
    # The third lies in the first by 25x40 of 60x40, 0.42, and is wholly outside of the picture.
    assert found.xyxy == pytest.approx(np.array([[0, 20, 40, 100], [0, 20, 48, 100]]), abs=1e-4)
    assert found.scores == pytest.approx([0.9, 0.8])
    assert len(load_detector(file, iou=0.3)([picture])[0]) == 1


def test_a_card_that_does_not_fit_its_network_is_an_error_of_ours(make_onnx) -> None:
    card = ModelCard(
        "net", "detection", "yolov5", (64, 64), (0, 0, 0), (255, 255, 255), options=DetectorOptions(person=9)
    )
    file = make_onnx(
        {"p": np.ones((10, 7), np.float32)}, input_shape=("N", 3, 64, 64), metadata={"vitruvian": card.to_json()}
    )
    with pytest.raises(ModelError, match="returns is not a yolov5"):
        load_detector(file, 64)([BLANK])


def stretched(image: np.ndarray, size: tuple[int, int], stride: int | None) -> Prepared:
    """The whole picture on the whole input, whatever its shape."""
    height, width = image.shape[:2]
    scale = np.array([size[1] / width, size[0] / height], np.float32)
    return Prepared(cv2.resize(image, size[::-1]), scale, np.zeros(2, np.float32))


def decode_queries(outputs, size: tuple[int, int], person: int):
    """DETR (arXiv 2005.12872): class logits, and centre, width and height in parts of the picture."""
    logits, relative = outputs
    boxes = np.concatenate(
        [relative[..., :2] - relative[..., 2:] / 2, relative[..., :2] + relative[..., 2:] / 2], axis=2
    )
    scores = 1 / (1 + np.exp(-logits[..., person]))
    return list(zip(boxes * np.array([size[1], size[0]] * 2, np.float32), scores, strict=True))


def test_a_family_without_letterbox_and_nms(make_onnx) -> None:
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.5, 0.5, 0.2, 0.4], [0.1, 0.25, 0.4, 0.5]], np.float32)
    logits = np.log(np.array([[0.5, 0.9], [0.25, 0.9], [0.75, 0.9]], np.float32))
    logits -= np.log(1 - np.exp(logits))
    file = make_onnx({"logits": logits, "boxes": boxes}, input_shape=("N", 3, 100, 300))
    card = ModelCard("detr", "detection", "detr", (100, 300))
    family = Family(decode_queries, stretched, None)
    detector = Detector(card, open_runtime(file), family, score=0.3, iou=0.1, max_persons=None)
    tall = np.zeros((400, 200, 3), np.uint8)
    assert detector.prepare([tall])[0].canvas.shape == (100, 300, 3)
    wide, narrow = detector([BLANK, tall])
    # Both pictures keep the twins, in the order of their scores; the third box begins left of the picture.
    assert wide.scores == pytest.approx([0.75, 0.5])
    assert narrow.scores == pytest.approx([0.75, 0.5])
    assert wide.xyxy == pytest.approx(np.array([[0, 0, 192, 160], [256, 96, 384, 224]]), abs=1e-3)
    assert narrow.xyxy == pytest.approx(np.array([[0, 0, 60, 200], [80, 120, 120, 280]]), abs=1e-3)
    detector.score = 0.2
    assert detector([tall])[0].scores == pytest.approx([0.75, 0.5, 0.25])


def test_yolox_with_its_nms_inside_finds_what_the_plain_file_finds(shared: Path) -> None:
    plain = load_detector(shared / "models/yolox_nano.onnx", runtime="onnxruntime")
    runtime = open_runtime(shared / "cases/yolox_nano_end2end.onnx", "onnxruntime")
    family = Family(rtmdet.decode, Letterbox(down=True), None)
    inside = Detector(plain.card, runtime, family, score=plain.score, iou=plain.iou, max_persons=None)
    count = 0
    for path in sorted((shared / "data/coco_mini/val/images").iterdir())[:6]:
        image = read_image(path)
        (expected,), (found,) = plain([image]), inside([image])
        assert found.xyxy == pytest.approx(expected.xyxy, abs=0.01)
        assert found.scores == pytest.approx(expected.scores, abs=1e-4)
        count += len(found)
    assert count > 10


def test_prepared_needs_no_engine() -> None:
    """YOLOv5 in the middle of the whole input, also where the network takes less (its size multiple)."""
    card = ModelCard("net", "detection", "yolov5", (64, 64), options=DetectorOptions(size_multiple=32))
    (prepared,) = prepare(card, [np.full((32, 128, 3), 200, np.uint8)])
    assert prepared.canvas.shape == (64, 64, 3)
    assert (np.flatnonzero((prepared.canvas == 200).all(axis=(1, 2)))).tolist() == list(range(24, 40))
    assert prepared.to_picture(np.array([[0, 24, 64, 40]], np.float32)).tolist() == [[0, 0, 128, 32]]
    with pytest.raises(ModelError, match="no detector family is called 'detr'; there are rtmdet, yolox, "):
        prepare(ModelCard("net", "detection", "detr", (64, 64)), [])


@pytest.mark.parametrize(("name", "size"), [("rtmdet_nano_person.onnx", 640), ("yolox_nano.onnx", None)])
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_real_detectors_find_the_annotated_persons(shared: Path, name: str, size: int | None, runtime: str) -> None:
    folder = shared / "data/coco_mini/val"
    truth = json.loads((folder / "person_keypoints.json").read_text())
    detector = load_detector(shared / "models" / name, size, runtime=runtime)
    found, large = 0, 0
    for picture in truth["images"][:24]:
        boxes = detector([read_image(folder / "images" / picture["file_name"])])[0]
        persons = [a for a in truth["annotations"] if a["image_id"] == picture["id"] and not a["iscrowd"]]
        corners = np.array([a["bbox"] for a in persons if a["area"] > 96**2], np.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        large += len(corners)
        if len(corners) and len(boxes):
            found += int((box_iou(corners, boxes.xyxy).max(axis=1) > 0.5).sum())
    assert large > 20
    assert found / large > 0.8


def test_boxes_too_small_or_too_far_to_be_cropped_are_dropped(make_onnx) -> None:
    rows = [
        [10, 10, 10 + 1e-5, 50, 0.9],
        [0, 0, 1e-45, 1e-45, 0.9],
        [-3e38, -3e38, 3e38, 3e38, 0.9],
        [float("nan")] * 4 + [0.9],
        [100, 10, 140, 90, 0.7],
        [200, 10, 240, 90, float("nan")],
    ]
    detector = load_detector(rtmdet_file(make_onnx, rows, [0] * len(rows)), 320)
    assert detector([BLANK])[0].xyxy.tolist() == [[200, 20, 280, 180]]
