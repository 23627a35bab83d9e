"""`vitruvian evaluate`: what it measures, writes and says, on networks whose answers are known."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from known import BOX_SCORES, BOXES, HEIGHT, WIDTH, Command, keypoints_in, make_picture, program, read_json
from onnx import helper, numpy_helper

from vitruvian import COCO17, __version__, zoo
from vitruvian.cli.procedures import variants
from vitruvian.detectors import Detector

NUMBERS = {"AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"}
# The third keypoint has a score of 0: the network sees it nowhere, so nobody labelled it.
SEEN = np.array([1, 1, 0] + [1] * 14)


@pytest.fixture
def data(folder: Path) -> dict[str, Any]:
    """Two pictures, on each of which the networks find everyone exactly; in data.json and images/."""
    persons = []
    for image in (1, 2):
        make_picture(folder / f"images/{image}.png")
        for box in BOXES:
            triplets = np.concatenate([keypoints_in(box), 2 * SEEN[:, None]], axis=1) * SEEN[:, None]
            size = (box[2:] - box[:2]).tolist()
            persons.append(
                {
                    "id": len(persons) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": triplets.ravel().tolist(),
                    "num_keypoints": int(SEEN.sum()),
                    "bbox": [*box[:2].tolist(), *size],
                    "area": 0.53 * size[0] * size[1],
                    "iscrowd": 0,
                }
            )
    content = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT} for number in (1, 2)],
        "categories": [{"id": 1, "name": "person", "keypoints": COCO17.keypoints, "skeleton": []}],
        "annotations": persons,
    }
    write(folder / "data.json", content)
    return content


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def evaluate(command: Command, data) -> Command:
    return lambda *arguments: command("evaluate", "--annotations", "data.json", "--images", "images", *arguments)


def detections(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"image_id": person["image_id"], "category_id": 1, "bbox": person["bbox"], "score": 0.9}
        for person in data["annotations"]
    ]


def test_annotated_boxes(evaluate, models, folder):
    done = evaluate("--pose", models.pose, "-o", "out")
    assert (done.code, done.out.splitlines()[-1]) == (0, "-> out")
    written = read_json(folder / "out/metrics.json")
    assert set(written["keypoints"]) == NUMBERS
    assert written["keypoints"]["AP"] == pytest.approx(1)
    assert "boxes" not in written
    files = sorted(path.name for path in (folder / "out").iterdir())
    assert files == ["metrics.json", "oks.png", "precision_recall.png", "predictions.jsonl", "worst.html"]
    assert "pose" in done.out
    assert "1.0000" in done.out
    assert "sigmas of OKS: the model's skeleton coco17" in done.err


def test_the_default_folder(evaluate, models, folder):
    assert evaluate("--pose", models.pose, "-q").code == 0
    assert (folder / "runs/evaluate/metrics.json").is_file()


def test_quiet_says_nothing(evaluate, models):
    done = evaluate("--pose", models.pose, "-o", "out", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    # Nor does the library, as it does of a checkpoint whose input size it assumes.
    assert not logging.getLogger("vitruvian").isEnabledFor(logging.INFO)
    assert evaluate("--pose", models.pose, "-o", "loud").code == 0
    assert logging.getLogger("vitruvian").isEnabledFor(logging.INFO)


def test_detections(evaluate, models, data, folder):
    write(folder / "dets.json", detections(data)[:2])
    done = evaluate("--pose", models.pose, "--detections", "dets.json", "-o", "out")
    assert done.code == 0
    written = read_json(folder / "out/metrics.json")
    assert written["keypoints"]["AP"] == pytest.approx(1)
    assert set(written["boxes"]) >= NUMBERS
    assert written["boxes"]["AP"] == pytest.approx(1)
    assert written["counts"]["pictures"] == 1
    words = "AP is over 1 of the 2 annotated pictures: it can't be compared with an AP over all of them"
    assert words in done.err
    assert "1 of the 2 annotated pictures have no detections, and don't count" in done.err
    assert words in written["notes"]
    write(folder / "all.json", detections(data))
    done = evaluate("--pose", models.pose, "--detections", "all.json", "-o", "all")
    assert "annotated pictures" not in done.err


def test_a_detector(evaluate, models, folder):
    done = evaluate("--pose", models.pose, "--detector", models.detector, "-o", "out", "--results", "r.json")
    assert done.code == 0
    written = read_json(folder / "out/metrics.json")
    assert written["keypoints"]["AR"] == pytest.approx(1)
    assert written["boxes"]["AR"] == pytest.approx(1)
    # Also the box that a user would never see: it scores 0.1.
    assert written["counts"]["crops"] == 6
    results = read_json(folder / "r.json")
    assert [result["image_id"] for result in results].count(1) == 3
    assert set(results[0]) == {"image_id", "category_id", "keypoints", "score"}


def test_a_detector_alone(evaluate, models, folder):
    done = evaluate("--detector", models.detector, "-o", "out")
    assert done.code == 0
    written = read_json(folder / "out/metrics.json")
    assert set(written) == {"boxes", "models", "version", "notes"}
    assert written["models"]["detector"]["file"] == str(models.detector)
    assert "AR 1.0000" in done.out


def test_settings_of_the_procedure(evaluate, models, folder):
    settings = ["--flip", "--no-flip-shift", "--refine", "dark", "--padding", "1.1", "--score", "0.2", "--clip-boxes"]
    settings += ["--rescoring", "box", "--keypoint-threshold", "0.3", "--oks-nms", "0.8", "--soft-nms"]
    assert evaluate("--pose", models.pose, "-o", "out", *settings).code == 0
    assert read_json(folder / "out/metrics.json")["procedure"] == {
        "flip": True,
        "flip_shift": False,
        "refine": "dark",
        "padding": 1.1,
        "score": 0.2,
        "clip_boxes": True,
        "rescoring": "box",
        "keypoint_threshold": 0.3,
        "oks_nms": 0.8,
        "soft_nms": True,
    }


def test_the_report_says_how_it_was_measured(evaluate, models, folder):
    given = ("--pose", models.pose, "--detector", models.detector, "--runtime", "onnxruntime")
    assert evaluate(*given, "-o", "out").code == 0
    written = read_json(folder / "out/metrics.json")
    # The model's own: HRNet's published settings.
    own = {name: written["procedure"][name] for name in ("flip_shift", "refine", "padding")}
    assert own == {"flip_shift": True, "refine": "quarter", "padding": 1.25}
    assert written["version"] == __version__
    for part, file, size in (("pose", models.pose, [64, 48]), ("detector", models.detector, [64, 64])):
        model = written["models"][part]
        assert model["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert (model["file"], model["input_size"]) == (str(file), size)
        assert (model["engine"], model["precision"], model["device"]) == ("onnxruntime", "fp32", "cpu")
    assert evaluate("--pose", models.pose, "-o", "annotated").code == 0
    assert set(read_json(folder / "annotated/metrics.json")["models"]) == {"pose"}


def test_an_int8_file_is_called_so(evaluate, models, folder):
    net = onnx.load(models.pose)
    source = net.graph.input[0].name
    net.graph.node[0].input[0] = "rounded"
    net.graph.initializer.append(numpy_helper.from_array(np.float32(0.05), "step"))
    net.graph.initializer.append(numpy_helper.from_array(np.int8(0), "zero"))
    for place, (kind, given, made) in enumerate(
        (("QuantizeLinear", source, "bytes"), ("DequantizeLinear", "bytes", "rounded"))
    ):
        net.graph.node.insert(place, helper.make_node(kind, [given, "step", "zero"], [made]))
    onnx.save(net, folder / "int8.onnx")
    for name, file in (("fp32", models.pose), ("int8", folder / "int8.onnx")):
        assert evaluate("--pose", file, "--runtime", "openvino", "-o", name).code == 0
        assert read_json(folder / name / "metrics.json")["models"]["pose"]["precision"] == name


def test_models_and_settings_side_by_side(evaluate, models, folder):
    second = folder / "second.onnx"
    second.write_bytes(models.pose.read_bytes())
    also = ["--also", "flip", "--also", "rescoring=box,oks-nms=0.5,flip-shift=false"]
    done = evaluate("--pose", models.pose, "--pose", second, *also, "-o", "out")
    assert done.code == 0
    runs = read_json(folder / "out/metrics.json")["runs"]
    names = ["pose", "pose flip", "pose rescoring=box,oks-nms=0.5,flip-shift=false"]
    names += [name.replace("pose", "second") for name in names]
    assert [run["name"] for run in runs] == names
    assert [run["procedure"]["flip"] for run in runs] == [False, True, False] * 2
    assert runs[2]["procedure"]["oks_nms"] == 0.5
    assert all(run["crops_per_second"] > 0 for run in runs)
    for name in names:
        assert name in done.out
    assert len(list((folder / "out").glob("*/worst.html"))) == 6


def test_none_is_a_refinement_but_no_suppression():
    assert variants(["refine=none,oks-nms=none"])["refine=none,oks-nms=none"] == {"refine": "none", "oks_nms": None}


def test_each_model_is_loaded_once_and_persons_are_detected_once(evaluate, models, folder, monkeypatch):
    second = folder / "second.onnx"
    second.write_bytes(models.pose.read_bytes())
    loaded, seen = [], []
    load, find = zoo.load_pose, Detector.__call__
    monkeypatch.setattr(zoo, "load_pose", lambda file, *rest, **more: loaded.append(file) or load(file, *rest, **more))
    monkeypatch.setattr(Detector, "__call__", lambda self, images: seen.extend(images) or find(self, images))
    arguments = ["--pose", models.pose, "--pose", second, "--detector", models.detector, "--also", "flip", "-o", "out"]
    assert evaluate(*arguments).code == 0
    assert (loaded, len(seen)) == ([models.pose, second], 2)
    runs = read_json(folder / "out/metrics.json")["runs"]
    assert [(run["counts"]["crops"], run["boxes"]) for run in runs] == [(6, runs[0]["boxes"])] * 4
    # What the journal of one run has, the others take from it.
    (folder / "out/metrics.json").unlink()
    for journal in (folder / "out").glob("[234]-*/predictions.jsonl"):
        journal.unlink()
    assert evaluate(*arguments, "--resume").code == 0
    assert (len(seen), read_json(folder / "out/metrics.json")["runs"][3]["boxes"]) == (2, runs[3]["boxes"])


def test_no_number_is_cut_off_on_a_narrow_terminal(evaluate, models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    done = evaluate("--pose", models.pose, "-o", "out")
    assert done.out.count("1.0000") >= 4
    assert "\u2026" not in done.out


def test_ctrl_c_keeps_what_was_predicted(models, data, folder):
    # So many pictures that the run can't be over before it is interrupted.
    images = [{**data["images"][0], "id": number} for number in range(1, 3001)]
    persons = [{**data["annotations"][0], "id": number, "image_id": number} for number in range(1, 3001)]
    write(folder / "data.json", {**data, "images": images, "annotations": persons})
    arguments = ["--pose", models.pose, "--annotations", "data.json", "--images", "images", "-o", "out"]
    run = subprocess.Popen(program("evaluate", *arguments), stderr=subprocess.PIPE, text=True)
    journal = folder / "out/predictions.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b"\n") > 20):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert (run.returncode, "--resume goes on" in said, "Traceback" in said) == (130, True, False)
    assert not (folder / "out/metrics.json").exists()
    lines = journal.read_text().splitlines()
    assert 20 < len(lines) < 3001
    assert json.loads(lines[-1])["image_id"] == len(lines) - 1


def test_an_earlier_evaluation_is_kept(evaluate, models, folder):
    evaluate("--pose", models.pose, "-o", "out")
    before = (folder / "out/metrics.json").read_bytes()
    done = evaluate("--pose", models.pose, "-o", "out", "--flip")
    assert done.code == 2
    assert "out/metrics.json is there: replace it (--overwrite), go on with it (--resume)" in done.err
    assert (folder / "out/metrics.json").read_bytes() == before
    assert evaluate("--pose", models.pose, "-o", "out", "--flip", "--overwrite").code == 0
    assert (folder / "out/metrics.json").read_bytes() != before


def test_results_are_kept(evaluate, models, folder):
    write(folder / "r.json", [])
    done = evaluate("--pose", models.pose, "-o", "out", "--results", "r.json")
    assert (done.code, (folder / "r.json").read_text()) == (2, "[]")
    assert "r.json is there" in done.err


def test_resume(evaluate, models, folder):
    evaluate("--pose", models.pose, "-o", "out")
    journal = folder / "out/predictions.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    (folder / "out/metrics.json").unlink()
    assert evaluate("--pose", models.pose, "-o", "out").code == 2
    done = evaluate("--pose", models.pose, "-o", "out", "--resume")
    assert done.code == 0
    written = read_json(folder / "out/metrics.json")
    assert written["counts"]["crops"] == 2
    assert written["keypoints"]["AP"] == pytest.approx(1)
    other = evaluate("--pose", models.pose, "-o", "out", "--resume", "--flip")
    assert (other.code, "another run" in other.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out"], "nothing to measure"),
        (["--pose", "gone.onnx"], "gone.onnx: no such model file"),
        (["--pose", "P", "--detections", "gone.json"], "gone.json: no such file"),
        (["--pose", "P", "--detections", "d.json", "--detector", "D"], "not from both"),
        (["--pose", "D"], "is a detector (rtmdet), not a pose net"),
        (["--detector", "P"], "is a pose net (heatmap), not a detector"),
        (["--pose", "P", "--overwrite", "--resume"], "not both"),
        (["--pose", "P", "--oks-nms", "1.5"], "oks_nms is 1.5; it must be in 0..1"),
        (["--pose", "P", "--padding", "0"], "padding is 0.0"),
        (["--pose", "P", "--score", "-1"], "score is -1.0"),
        (["--pose", "P", "--also", "speed=3"], "--also speed=3: no such setting; there are flip"),
        (["--pose", "P", "--also", "refine=best"], "refine is 'best'"),
        (["--pose", "P", "--also", "padding=wide"], "these settings don't fit: padding=wide"),
        (["--pose", "P", "--also", "flip", "--results", "r.json"], "--results is for one evaluation"),
        (["--pose", "P", "--img-size", "big", "--detector", "D"], "--img-size big"),
        (["--pose", "P", "--refine", "best"], "refine is 'best'"),
        (["--pose", "P", "--runtime", "abacus"], "'abacus'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage(evaluate, models, folder, arguments, message):
    files = {"P": models.pose, "D": models.detector}
    done = evaluate(*(files.get(argument, argument) for argument in arguments))
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not list(folder.rglob("metrics.json"))


def test_broken_annotations(command, models, data, folder):
    (folder / "data.json").write_text((folder / "data.json").read_text()[:-5])
    done = command("evaluate", "--pose", models.pose, "--annotations", "data.json", "--images", "images")
    assert done.code == 2
    assert "data.json is no valid JSON" in done.err


def test_missing_pictures_fail_when_strict(evaluate, models, folder):
    (folder / "images/2.png").unlink()
    done = evaluate("--pose", models.pose, "-o", "a")
    assert done.code == 0
    assert "images lacks 1 pictures, which don't count: 2.png" in done.err
    done = evaluate("--pose", models.pose, "-o", "b", "--strict")
    assert done.code == 2
    assert "2.png" in done.err
    assert not (folder / "b/metrics.json").exists()


def test_nothing_can_be_written(evaluate, models, folder):
    (folder / "file").write_text("")
    done = evaluate("--pose", models.pose, "-o", "file/out")
    assert (done.code, "can't be written" in done.err) == (1, True)


def test_nobody_found(evaluate, models, nobody, folder):
    done = evaluate("--pose", models.pose, "--detector", nobody, "-o", "out")
    assert done.code == 0
    assert "no person was predicted, so every number is 0" in done.err
    written = read_json(folder / "out/metrics.json")
    assert (written["keypoints"]["AP"], written["boxes"]["AP"], written["crops_per_second"]) == (0, 0, 0)


def test_box_scores_are_those_of_the_detector(evaluate, models, folder):
    evaluate(
        "--pose", models.pose, "--detector", models.detector, "--rescoring", "box", "-o", "o", "--results", "r.json"
    )
    scores = [result["score"] for result in read_json(folder / "r.json") if result["image_id"] == 2]
    assert scores[:2] == pytest.approx(BOX_SCORES)


def test_in_a_process_of_its_own_nothing_warns(models, data, folder):
    arguments = ["--pose", models.pose, "--annotations", "data.json", "--images", "images", "-o", "out"]
    command = program("evaluate", *arguments)
    done = subprocess.run([*command[:1], "-W", "error", *command[1:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("-> out\n")
