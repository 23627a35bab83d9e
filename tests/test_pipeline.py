"""From pictures to poses: every way to give a picture, every way to give boxes, and a network checked by hand."""

from __future__ import annotations

import io
import logging
import pickle
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PIL

import vitruvian as vt
from vitruvian import InputError, Poses
from vitruvian.media import Frame, VideoInfo, VideoWriter
from vitruvian.pictures.memory import BYTES_AHEAD, held_by
from vitruvian.pipeline import batches
from vitruvian.poses import Boxes

ENGINES = ["openvino", "onnxruntime"]
HEIGHT, WIDTH = 96, 128
PICTURE = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
TWO = np.array([[10, 10, 70, 90], [60, 5, 120, 60]], np.float32)


def same(first: Poses, second: Poses, within: float = 0.0) -> bool:
    names = ("boxes", "box_scores", "keypoints", "scores")
    pairs = [(getattr(first, name), getattr(second, name)) for name in names]
    return all(a.shape == b.shape and np.allclose(a, b, rtol=0, atol=within) for a, b in pairs)


@pytest.fixture
def detector(make_onnx) -> Path:
    """Finds two persons at fixed places of its 64x64 input."""
    dets = np.array([[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.6]], np.float32)
    outputs = {"dets": dets, "labels": np.zeros(2, np.int64)}
    return make_onnx(outputs, input_shape=("N", 3, 64, 64), name="detector.onnx")


def export(network, path: Path, shape: tuple[int, ...], names: list[str], batch: bool) -> Path:
    import torch

    axes = {name: {0: "N"} for name in ("input", *names)} if batch else None
    torch.onnx.export(
        network,
        (torch.zeros(1, *shape),),
        path,
        input_names=["input"],
        output_names=names,
        dynamic_axes=axes,
        dynamo=False,
    )
    return path


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Small pose nets that look at their input: one with heatmaps, one with SimCC pairs, with any batch and with 1."""
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    torch.manual_seed(1)

    class SimCC(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Conv2d(3, 5, 7, stride=4, padding=3)
            self.across = torch.nn.Linear(16 * 12, 96)
            self.down = torch.nn.Linear(16 * 12, 128)

        def forward(self, x):
            flat = self.features(x).tanh().flatten(2)
            return self.across(flat), self.down(flat)

    folder = tmp_path_factory.mktemp("nets")
    simcc = SimCC().eval()
    heat = torch.nn.Conv2d(3, 5, 9, stride=4, padding=4).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecation notes
        made = {
            "simcc.onnx": export(simcc, folder / "simcc.onnx", (3, 64, 48), ["simcc_x", "simcc_y"], True),
            "simcc1.onnx": export(simcc, folder / "simcc1.onnx", (3, 64, 48), ["simcc_x", "simcc_y"], False),
            "heat.onnx": export(heat, folder / "heat.onnx", (3, 64, 48), ["heatmaps"], True),
        }
    return {**made, "simcc": simcc, "heat": heat}


@pytest.fixture
def model(nets, detector) -> vt.TopDown:
    return vt.load(pose=nets["heat.onnx"], detector=detector, threads=1, precision="fp32")


def test_path_array_and_pil_image_are_the_same_picture(model, tmp_path):
    path = tmp_path / "a.png"
    PIL.fromarray(PICTURE).save(path)
    poses = model(PICTURE)
    assert poses.boxes.tolist() == [[16, 12, 80, 84], [88, 20, 120, 80]]
    assert (poses.keypoints.shape, poses.scores.shape) == ((2, 5, 2), (2, 5))
    assert {array.dtype for array in (poses.boxes, poses.box_scores, poses.keypoints, poses.scores)} == {
        np.dtype(np.float32)
    }
    for picture in (path, str(path), PIL.fromarray(PICTURE), np.asfortranarray(PICTURE)):
        assert same(model(picture), poses)
    assert not same(model(255 - PICTURE), poses)


def test_a_list_gives_the_poses_of_each_in_order(model, tmp_path):
    path = tmp_path / "a.png"
    other = np.ascontiguousarray(PICTURE[::-1, :100])
    PIL.fromarray(PICTURE).save(path)
    together = model([path, other, PIL.fromarray(PICTURE)])
    assert isinstance(together, list)
    for poses, alone in zip(together, (PICTURE, other, PICTURE), strict=True):
        assert same(poses, model(alone), within=1e-3)
    assert not same(together[0], together[1], within=1)
    assert same(model((PICTURE,))[0], together[0], within=1e-3)
    assert model([]) == []


def test_given_boxes_take_the_place_of_the_detector(nets, model):
    alone = vt.load(pose=nets["heat.onnx"], threads=1, precision="fp32")
    found = model(PICTURE)
    given = alone(PICTURE, boxes=found.boxes)
    assert same(given, replace(found, box_scores=np.ones(2)), within=1e-3)
    assert same(model(PICTURE, boxes=TWO), alone(PICTURE, boxes=TWO.tolist()))
    assert model(PICTURE, boxes=TWO).boxes.tolist() == TWO.tolist()


def test_lists_of_boxes_go_with_lists_of_pictures(nets):
    model = vt.load(pose=nets["heat.onnx"], threads=1, precision="fp32")
    other = 255 - PICTURE
    sets = [TWO, np.zeros((0, 4), np.float32), TWO[:1]]
    together = model([PICTURE, PICTURE, other], boxes=sets)
    assert [len(poses) for poses in together] == [2, 0, 1]
    for poses, image, boxes in zip(together, (PICTURE, PICTURE, other), sets, strict=True):
        assert same(poses, model(image, boxes=boxes), within=1e-3)


def test_no_boxes_are_no_persons(model):
    poses = model(PICTURE, boxes=[])
    assert len(poses) == 0
    assert (poses.keypoints.shape, poses.scores.shape) == ((0, 5, 2), (0, 5))
    assert poses.to_coco(1) == []
    assert poses.to_dict()["persons"] == []


@pytest.mark.parametrize(
    ("image", "boxes", "words"),
    [
        ([PICTURE, PICTURE], [TWO], "2 pictures need as many sets of boxes, not 1"),
        ([PICTURE], [TWO, TWO], "1 pictures? needs? as many sets of boxes, not 2"),
        (PICTURE, [[0, 0, np.nan, 9]], r"box 0 is \[0.0, 0.0, nan, 9.0\]: finite"),
        (PICTURE, [[0, 0, 9, 9], [9, 0, 9, 9]], "box 1 is"),
        (PICTURE, [0, 0, 9, 9], r"boxes must be \(N, 4\)"),
        (PICTURE, "boxes", "boxes must be"),
        (PICTURE.astype(np.float32), TWO, "float32"),
        (PICTURE[:, :, :2], TWO, r"\(96, 128, 2\)"),
        (PICTURE[:0], TWO, r"\(0, 128, 3\)"),
        (None, TWO, "NoneType"),
        ([PICTURE, "gone.png"], [TWO, TWO], "gone.png: no such file"),
        ("gone.png", None, "gone.png: no such file"),
    ],
)
def test_what_cannot_be_is_refused(model, image, boxes, words):
    with pytest.raises(InputError, match=words):
        model(image, boxes=boxes)


def test_without_a_detector_boxes_are_needed(nets, tmp_path):
    model = vt.TopDown(vt.zoo.load_pose(nets["heat.onnx"]))
    with pytest.raises(InputError, match="without a detector every call needs its boxes"):
        model(PICTURE)
    PIL.fromarray(PICTURE).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="without a detector"):
        list(model.stream(tmp_path))


def test_more_persons_than_one_batch_keep_their_order(nets):
    model = vt.load(pose=nets["simcc.onnx"], threads=1, precision="fp32")
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (75, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 60, (75, 2))], axis=1).astype(np.float32)
    poses = model(PICTURE, boxes=boxes)
    assert np.array_equal(poses.boxes, boxes)
    for index in range(75):
        assert same(poses[index], model(PICTURE, boxes=boxes[index : index + 1]), within=0.01)
    split = [boxes[:40], boxes[40:41], boxes[41:]]
    parts = model([PICTURE] * 3, boxes=split)
    assert [len(part) for part in parts] == [40, 1, 34]
    assert np.concatenate([part.keypoints for part in parts]) == pytest.approx(poses.keypoints, abs=0.01)


def crops_by_hand(boxes: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Normalised crops (N, 3, 64, 48) of `PICTURE` and the maps from crop pixels back, from three points each."""
    crops, back = [], []
    for x1, y1, x2, y2 in boxes.astype(np.float64):
        centre = np.array([x1 + x2, y1 + y2]) / 2
        half = max(x2 - x1, (y2 - y1) * 48 / 64) * 1.25 / 2
        source = np.float32(centre + np.array([[0, 0], [0, -half], [-half, -half]]))
        target = np.float32([[24, 32], [24, 8], [0, 8]])
        crops.append(cv2.warpAffine(PICTURE, cv2.getAffineTransform(source, target), (48, 64), flags=cv2.INTER_LINEAR))
        back.append(cv2.getAffineTransform(target, source))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return ((np.stack(crops) / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32), back


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("file", ["simcc.onnx", "simcc1.onnx"])
def test_a_simcc_net_gives_what_torch_gives(nets, engine, file):
    import torch

    rng = np.random.default_rng(5)
    corners = rng.uniform(-10, 70, (6, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 60, (6, 2))], axis=1).astype(np.float32)
    tensors, back = crops_by_hand(boxes)
    with torch.no_grad():
        across, down = (output.numpy() for output in nets["simcc"](torch.from_numpy(tensors)))
    poses = vt.load(pose=nets[file], runtime=engine, threads=2, precision="fp32")(PICTURE, boxes=boxes)
    assert poses.keypoints.shape == (6, 5, 2)
    for person in range(6):
        for joint in range(5):
            x, y = across[person, joint], down[person, joint]
            # Two bins a pixel: 96 bins for 48 pixels, 128 for 64.
            point = back[person] @ [x.argmax() / 2, y.argmax() / 2, 1]
            assert poses.keypoints[person, joint] == pytest.approx(point, abs=0.01)
            assert poses.scores[person, joint] == pytest.approx(np.clip(min(x.max(), y.max()), 0, 1), abs=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_heatmap_net_gives_what_torch_gives(nets, engine):
    import torch

    tensors, back = crops_by_hand(TWO)
    with torch.no_grad():
        maps = nets["heat"](torch.from_numpy(tensors)).numpy()
    poses = vt.load(pose=nets["heat.onnx"], runtime=engine, refine="none", precision="fp32")(PICTURE, boxes=TWO)
    assert maps.shape == (2, 5, 16, 12)
    for person in range(2):
        for joint in range(5):
            row, column = divmod(int(maps[person, joint].argmax()), 12)
            assert poses.keypoints[person, joint] == pytest.approx(back[person] @ [column * 4, row * 4, 1], abs=0.01)
            assert poses.scores[person, joint] == pytest.approx(np.clip(maps[person, joint].max(), 0, 1), abs=1e-3)


def test_the_steps_one_by_one_give_what_a_call_gives(model):
    pose, boxes = model.pose, Boxes.given(TWO)
    ((crops, affines),) = pose.crops([PICTURE], [boxes])
    assert (crops.shape, crops.dtype, affines.shape) == ((2, 64, 48, 3), np.uint8, (2, 2, 3))
    keypoints, peaks = pose.decode(pose.outputs(crops), affines)
    (poses,) = pose([PICTURE], [boxes])
    assert np.array_equal(keypoints, poses.keypoints)
    assert np.array_equal(peaks.clip(0, 1), poses.scores)


def test_batches_by_number_and_by_weight():
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batches(range(6), 3)) == [[0, 1, 2], [3, 4, 5]]
    assert list(batches([], 3)) == []
    # The first results come soon: 1, 2, then 4 at a time.
    assert [len(batch) for batch in batches(range(12), 4, start=1)] == [1, 2, 4, 4, 1]
    assert [len(batch) for batch in batches(range(3), 1, start=1)] == [1, 1, 1]
    weights = [1, 0, 5, 9, 0, 0, 0, 0, 2]
    assert list(batches(weights, 6, int, most=3)) == [[1, 0, 5], [9], [0, 0, 0], [0, 2]]


def test_batches_read_no_further_than_they_need():
    items = iter(range(10))
    several = batches(items, 4)
    assert next(several) == [0, 1, 2, 3]
    assert next(items) == 4


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for index in range(7):
        PIL.fromarray(np.roll(PICTURE, 10 * index, axis=1)).save(folder / f"{index}.png")
    PIL.fromarray(PICTURE).save(folder / "deep/7.png")
    return folder


def test_a_stream_over_a_folder_gives_pictures_and_poses_in_order(model, pictures):
    got = list(model.stream(pictures))
    assert len(got) == 7
    for index, (image, poses) in enumerate(got):
        expected = np.roll(PICTURE, 10 * index, axis=1)
        assert np.array_equal(image, expected)
        assert same(poses, model(expected), within=1e-3)
        assert poses.track_ids is None
    assert len(list(model.stream(str(pictures), recursive=True))) == 8
    assert len(list(model.stream(f"{pictures}/[0-2].png"))) == 3


def test_a_stream_logs_a_bad_file_and_goes_on(model, pictures, caplog):
    (pictures / "3.png").write_text("words")
    with caplog.at_level(logging.WARNING, logger="vitruvian"):
        assert len(list(model.stream(pictures))) == 6
    (record,) = caplog.records
    assert record.name == "vitruvian"
    assert str(pictures / "3.png") in record.getMessage()


def test_a_stream_of_a_single_bad_file_raises(model, tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        list(model.stream(tmp_path / "gone.png"))
    (tmp_path / "words.png").write_text("words")
    with pytest.raises(InputError, match=r"words\.png"):
        list(model.stream(tmp_path / "words.png"))


def test_a_stream_numbers_persons_on_request(model, pictures):
    numbers = [poses.track_ids for _, poses in model.stream(pictures, track=True)]
    assert len(numbers) == 7
    assert all(row.dtype == np.int64 for row in numbers)
    assert len(set(numbers[0].tolist())) == 2
    assert all(row.tolist() == numbers[0].tolist() for row in numbers)


def test_a_faint_person_who_continues_no_track_is_left_out_when_tracking(model, pictures, make_onnx, tmp_path):
    """The detector of these finds one at 0.9 and one at 0.2, who is a person of the track's only where one was."""
    dets = np.array([[8, 6, 40, 42, 0.9], [44, 10, 60, 40, 0.2]], np.float32)
    outputs = {"dets": dets, "labels": np.zeros(2, np.int64)}
    path = make_onnx(outputs, input_shape=("N", 3, 64, 64), name="faint.onnx")
    faint = vt.TopDown(model.pose, vt.zoo.load_detector(str(path)))
    assert faint.detector is not None
    assert [len(poses) for _, poses in faint.stream(pictures, track=True)] == [1] * 7
    # Someone who was sure there before is followed by it, below the detector's own score, which stays as it was.
    tracker = vt.tracking.Tracker(vt.tracking.TrackerSettings(cuts=False))
    tracker.update(model(PICTURE))
    got = [poses.track_ids.tolist() for _, poses in faint.stream(pictures, track=tracker)]
    assert got == [[1, 2]] * 7
    assert len(faint(PICTURE)) == 1
    assert faint.detector.score == 0.3


def test_a_stream_steadies_the_keypoints_on_request(model, pictures):
    plain = [poses for _, poses in model.stream(pictures, track=True)]
    steady = [poses for _, poses in model.stream(pictures, track=True, smooth=True)]
    assert np.array_equal(steady[0].keypoints, plain[0].keypoints)
    path = [np.abs(np.diff([poses.keypoints for poses in several], axis=0)).mean() for several in (plain, steady)]
    assert path[1] < path[0]
    with pytest.raises(InputError, match="track as well"):
        next(model.stream(pictures, smooth=True))


class Counted:
    """A network that counts the pictures it is given."""

    def __init__(self, runtime) -> None:
        self.runtime, self.pictures = runtime, 0

    def __call__(self, batch):
        self.pictures += len(batch)
        return self.runtime(batch)


@pytest.fixture
def dots(detector, tmp_path) -> tuple[vt.TopDown, NDArray[np.uint8]]:
    """A net that finds five colours, and a picture of two persons whose five keypoints are dots of these colours."""
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.7, 0.7, 0], [0, 0.7, 0.7]])
    net = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Conv2d(3, 5, 1, bias=False)).eval()
    net[1].weight.data = torch.tensor(colours, dtype=torch.float32)[..., None, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecation notes
        path = export(net, tmp_path / "dots.onnx", (3, 64, 48), ["heatmaps"], True)
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for places in (
        ((26, 20), (64, 26), (46, 44), (30, 72), (66, 70)),
        ((98, 26), (110, 30), (104, 50), (98, 70), (110, 74)),
    ):
        for (x, y), colour in zip(places, colours, strict=True):
            picture[y - 3 : y + 4, x - 3 : x + 4] = 128 + 127 * colour
    return vt.load(pose=path, detector=detector, threads=1, precision="fp32"), picture


def test_a_stream_detects_on_some_frames_and_has_persons_on_all(dots, tmp_path):
    """The picture stands still, so that the persons do."""
    model, picture = dots
    (tmp_path / "in").mkdir()
    for index in range(11):
        PIL.fromarray(picture).save(tmp_path / f"in/{index:02}.png")
    model.detector.runtime = counted = Counted(model.detector.runtime)
    every = [poses for _, poses in model.stream(tmp_path / "in", track=True)]
    assert counted.pictures == 11
    for setting, calls in ((5, 3), ("auto", 1)):
        counted.pictures = 0
        some = [poses for _, poses in model.stream(tmp_path / "in", track=True, smooth=True, detect_every=setting)]
        assert counted.pictures == calls
        assert same(some[0], every[0], within=1e-3)
        assert [poses.track_ids.tolist() for poses in some] == [poses.track_ids.tolist() for poses in every]
    for setting, reason in ((2, "track as well"), (0, "whole number"), ("rarely", "whole number")):
        with pytest.raises(InputError, match=reason):
            next(model.stream(tmp_path / "in", detect_every=setting))


def test_a_stream_can_be_left_early(model, pictures):
    stream = model.stream(pictures)
    image, _ = next(stream)
    stream.close()
    assert np.array_equal(image, PICTURE)
    assert list(stream) == []
    assert len(model(PICTURE)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"score": 2}, "score is 2"),
        ({"iou": -0.1}, "iou is -0.1"),
        ({"max_persons": 0}, "max_persons is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"score": "x"}, "score is 'x'"),
        ({"score": float("nan")}, "score is nan"),
        ({"max_persons": 1.5}, "max_persons is 1.5"),
        ({"max_persons": "x"}, "max_persons is 'x'"),
        ({"threads": "x"}, "threads is 'x'"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"img_size": 1.5}, "img_size is 1.5"),
        ({"img_size": "64"}, "img_size is '64'"),
        ({"img_size": (64, 64.5)}, r"img_size is \(64, 64.5\)"),
        ({"img_size": (64, 64, 64)}, r"img_size is \(64, 64, 64\)"),
        ({"runtime": "caffe"}, "runtime is 'caffe'"),
        ({"precision": "int1"}, "precision is 'int1'"),
        ({"device": "abacus"}, "abacus"),
        ({"refine": "magic"}, "refine is 'magic'"),
        ({"img_size": 320}, "takes 64x64"),
        ({"pose": "gone.onnx"}, r"gone\.onnx: no such model file"),
        ({"detector": "gone.onnx"}, r"gone\.onnx: no such model file"),
    ],
)
def test_load_refuses_what_cannot_be(nets, detector, arguments, words):
    with pytest.raises(InputError, match=words):
        vt.load(**{"pose": nets["heat.onnx"], "detector": detector, **arguments})


@pytest.mark.parametrize("boxes", [5, 5.0, "x", [5], [[1, 2, 3]], {"a": 1}])
def test_boxes_that_are_none(model, boxes):
    for image, given in ((PICTURE, boxes), ([PICTURE], boxes), ([PICTURE, PICTURE], boxes)):
        with pytest.raises(InputError, match="boxes"):
            model(image, boxes=given)


def test_batches_are_smaller_where_frames_are_large(monkeypatch):
    large = np.zeros((2**25, 1, 3), np.uint8)  # 96 MiB
    small = np.zeros((1, 1, 3), np.uint8)
    frames = [Frame(image, "a", 0) for image in (small, small, small, large, large, large, small, small, small, small)]

    def full(batch: list[Frame]) -> bool:
        return held_by(batch) >= BYTES_AHEAD

    assert [len(batch) for batch in batches(iter(frames), 8, start=1, enough=full)] == [1, 2, 3, 4]


def every_form(folder: Path) -> dict[str, object]:
    """PICTURE in every form that a call takes."""
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    path = folder / "form.png"
    PIL.fromarray(PICTURE).save(path)
    data = path.read_bytes()
    chw = torch.from_numpy(PICTURE.transpose(2, 0, 1).copy())
    return {
        "Path": path,
        "str": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "BytesIO": io.BytesIO(data),
        "PIL": PIL.fromarray(PICTURE),
        "RGBA": np.dstack([PICTURE, PICTURE[:, :, :1]]),
        "tensor": chw,
        "tensor (H, W, C)": torch.from_numpy(PICTURE.copy()),
        "float tensor": chw.float() / 255,
        "requires grad": (chw.double() / 255).requires_grad_(),
        "half": (chw.float() / 255).half(),
        "strided": torch.from_numpy(PICTURE.copy()).permute(2, 0, 1),
    }


def test_a_picture_in_any_form_is_the_same_picture(model, tmp_path):
    wanted = model(PICTURE)
    forms = every_form(tmp_path)
    for name, form in forms.items():
        assert same(model(form), wanted, within=0.0 if name != "half" else 1.0), name
    forms["BytesIO"].seek(0)
    several = model(list(forms.values()))
    assert len(several) == len(forms)
    assert all(same(poses, wanted, within=1.0) for poses in several)


def test_channels_in_the_other_order(model):
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    wanted, bgr = model(PICTURE), PICTURE[:, :, ::-1]
    assert same(model(bgr, channels="bgr"), wanted)
    assert same(model(np.dstack([bgr, bgr[:, :, :1]]), channels="bgr"), wanted)
    assert same(model(torch.from_numpy(bgr.copy()).permute(2, 0, 1), channels="bgr"), wanted)
    # What isn't an array has an order of its own.
    assert same(model(PIL.fromarray(PICTURE), channels="bgr"), wanted)
    assert not same(model(bgr), wanted)
    with pytest.raises(InputError, match="'rgb' or 'bgr'"):
        model(PICTURE, channels="gbr")


def test_a_tensor_of_several_pictures_is_a_list(model):
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    batch = torch.from_numpy(np.stack([PICTURE, 255 - PICTURE]).transpose(0, 3, 1, 2).copy())
    first, second = model(batch)
    assert same(first, model(PICTURE), within=1e-3)
    assert same(second, model(255 - PICTURE), within=1e-3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda torch: torch.full((3, 8, 8), 2.0), "values in 0..1"),
        (lambda torch: torch.full((3, 8, 8), float("nan")), "values in 0..1"),
        (lambda torch: torch.zeros((3, 8, 8), dtype=torch.int64), "int64 has no agreed range"),
        (lambda torch: torch.zeros((5, 8, 8)), r"\(5, 8, 8\)"),
        (lambda torch: torch.zeros((3, 0, 8)), "values in 0..1"),
        (lambda torch: torch.zeros(8, dtype=torch.uint8), r"\(8,\)"),
    ],
)
def test_tensors_that_are_no_pictures(model, make, words):
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    with pytest.raises(InputError, match=words):
        model(make(torch))


def test_limits_of_one_call(model):
    """The detector finds one at 0.9 and one at 0.6."""
    assert len(model(PICTURE)) == 2
    assert model(PICTURE, score=0.7).box_scores.tolist() == pytest.approx([0.9])
    assert model(PICTURE, max_persons=1).box_scores.tolist() == pytest.approx([0.9])
    assert len(model(PICTURE, score=0.95)) == 0
    assert [len(poses) for poses in model([PICTURE] * 2, score=0.7)] == [1, 1]
    assert [len(poses) for _, poses in model.stream([PICTURE] * 2, max_persons=1)] == [1, 1]
    assert (model.detector.score, model.detector.max_persons) == (0.3, None)
    for limits in ({"score": 1.5}, {"score": "x"}, {"max_persons": 0}, {"max_persons": 1.5}):
        with pytest.raises(InputError, match=next(iter(limits))):
            model(PICTURE, **limits)
    with pytest.raises(InputError, match="choose among those that you give"):
        model(PICTURE, boxes=TWO, score=0.5)


def test_results_of_a_stream_know_where_they_are_from(model, pictures):
    results = list(model.stream(pictures))
    for index, result in enumerate(results):
        image, poses = result
        assert (result.image is image, result.poses is poses, result[1] is poses, len(result)) == (True, True, True, 2)
        assert (result.source, result.index, result.time) == (str(pictures / f"{index}.png"), index, None)
        assert result.size == (WIDTH, HEIGHT)
    assert isinstance(results[0], vt.Result)
    copied = pickle.loads(pickle.dumps(results[3]))
    assert np.array_equal(copied.image, results[3].image)
    assert (copied.source, copied.index, copied.size, len(copied.poses)) == (results[3].source, 3, (WIDTH, HEIGHT), 2)


def test_a_stream_of_a_video_has_times(model, tmp_path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(WIDTH, HEIGHT, Fraction(10), Fraction(1, 10))) as writer:
        for index in range(4):
            writer.write(PICTURE, index)
    got = [(result.source, result.index, result.time) for result in model.stream(tmp_path / "a.mp4")]
    assert got == [(str(tmp_path / "a.mp4"), index, index / 10) for index in range(4)]


def test_a_stream_of_several_sources(model, pictures, tmp_path, caplog):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(WIDTH, HEIGHT, Fraction(10), Fraction(1, 10))) as writer:
        for index in range(3):
            writer.write(PICTURE, index)
    with caplog.at_level(logging.WARNING, logger="vitruvian"):
        got = list(model.stream([tmp_path / "a.mp4", pictures / "2.png", "gone.png", PICTURE]))
    names = [str(pictures / "2.png"), "picture 3", *[str(tmp_path / "a.mp4")] * 3]
    assert [result.source for result in got] == names
    (record,) = caplog.records
    assert "gone.png" in record.getMessage()


def test_a_stream_of_an_iterator_takes_what_it_needs(model):
    taken = []

    def camera():
        while True:
            taken.append(None)
            yield PICTURE[:, :, ::-1]

    stream = model.stream(camera(), channels="bgr")
    image, poses = next(stream)
    stream.close()
    assert np.array_equal(image, PICTURE)
    assert same(poses, model(PICTURE))
    assert len(taken) < 40
    assert list(model.stream(iter([]))) == []
