"""Evaluation of pose nets and detectors on annotated pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.annotations import Annotations
from ..datasets.json_records import listed
from ..datasets.reading import read_annotations
from ..datasets.skeletons import with_sigmas
from ..errors import InputError
from ..pipeline import PoseEstimator, TopDown
from .inputs import annotated, gather, read_detections
from .journal import Journal, fingerprint
from .metrics import Metrics, measure, measure_boxes
from .predicting import Predicted, Tally, detect, predict
from .procedures import Procedure
from .provenance import MeasuredModel

if TYPE_CHECKING:
    from ..detectors import Detector
    from ..poses import Boxes

    File = str | os.PathLike[str]


def evaluate_coco(
    model: TopDown | PoseEstimator,
    annotations: File | Mapping[str, Any] | Annotations,
    images: File | None = None,
    detections: File | Sequence[Mapping[str, Any]] | Detector | None = None,
    flip: bool | None = None,
    *,
    procedure: Procedure | None = None,
    strict: bool = False,
    allow_outside: bool = False,
    journal: File | None = None,
    resume: bool = False,
    progress: Callable[[int, int], object] | None = None,
    found: dict[int, Boxes] | None = None,
) -> Metrics:
    """Evaluate a model on COCO-style keypoints, by the procedure that its authors published.

    Args:
        model: the pose net, alone or in a `TopDown`, whose own detector is not used.
        annotations: COCO's keypoint format, as a file or its content, or another file that `read_annotations` reads.
        images: the folder of their pictures; None for that of a YOLO data set.
        detections: the source of boxes: a file in COCO's results format (or its content), or a detector such as
            ``model.detector``; AP is then taken over the pictures that it covers. None takes the annotated boxes.
        flip: average with the mirrored crop; None leaves it to `procedure`, or to the model.
        procedure: the settings; None takes those of the model's family.
        strict: raise an error instead of adding a note: for missing or unreadable pictures, pictures of another
            size than annotated, detections that can't be used.
        allow_outside: take pictures whose names lead out of the folder.
        journal: a file to which predictions are appended, picture by picture.
        resume: continue from the journal's predictions.
        progress: called with the number of pictures done and their total.
        found: boxes that the detector found in other evaluations, by image id; they are reused, and new ones added.

    Raises:
        InputError: annotations, detections or pictures can't be used; it names the file and the entry.
        OutputError: the journal can't be written.
    """
    pose = model.pose if isinstance(model, TopDown) else model
    truth = annotations if isinstance(annotations, Annotations) else read_annotations(annotations)
    settings = procedure or replace(Procedure.of(pose, detections is None), flip=pose.flip)
    settings = settings if flip is None else replace(settings, flip=flip)
    pose = settings.configure(pose)
    settings = settings.resolved(pose.card)
    skeleton, origin = with_sigmas(truth.skeleton, pose.skeleton)
    notes = [*truth.notes, f"sigmas of OKS: {origin}"]
    # Names decide which keypoints trade places in a mirror, and a bare ONNX file has none of its own.
    pose.skeleton = skeleton
    if settings.flip:
        skeleton.check_flip()
    if settings.flip and not skeleton.flip_pairs:
        notes.append("the flip test exchanges no keypoints: no names say left and right")
    detector, boxes = None, None
    problems: list[str] = []
    if detections is None:
        boxes = annotated(truth, settings.clip_boxes)
    elif callable(detections):
        detector = detections
    else:
        read = read_detections(detections, truth)
        boxes, problems = dict(read.boxes), [*read.problems]
        if without := len(truth.images) - len(boxes):
            notes.append(f"{without} of the {len(truth.images)} annotated pictures have no detections, and don't count")
    pictures, missing = gather(truth, images, boxes, allow_outside)
    _report_problems([*problems, *_missing_note(truth, images, missing)], notes, strict)
    tally = Tally()
    done: dict[int, Predicted] = {}
    log = None
    if journal is not None:
        digest = fingerprint(pose, detector, pictures, settings.score)
        log = Journal(Path(journal), digest, len(pose.skeleton), resume)
        done = log.done
    try:
        left = [picture for picture in pictures if picture.image_id not in done]
        if detector is not None and found:
            left = [replace(picture, boxes=found.get(picture.image_id)) for picture in left]
        with closing(predict(left, pose, detector, settings.score, tally)) as persons:
            for predicted in persons:
                done[predicted.image_id] = predicted
                if log is not None:
                    log.append(predicted)
                if progress is not None:
                    progress(len(done), len(pictures))
    finally:
        if log is not None:
            log.close()
    _report_problems(tally.problems, notes, strict)
    if detector is not None and found is not None:
        found.update({number: predicted.boxes for number, predicted in done.items()})
    if not done:
        raise InputError(f"{images or truth.name}: none of the pictures can be read")
    files = {picture.image_id: picture.path for picture in pictures if picture.image_id in done}
    ordered = [done[number] for number in files]
    cost = tally.crops, tally.seconds
    models = {"pose": MeasuredModel.of(pose), "detector": MeasuredModel.of(detector)}
    return measure(truth, ordered, skeleton, settings, pose.card, files, detections is not None, cost, notes, models)


def _missing_note(truth: Annotations, images: File | None, missing: Sequence[str]) -> list[str]:
    return (
        [f"{images or truth.name} lacks {len(missing)} pictures, which don't count: {listed(missing)}"]
        if missing
        else []
    )


def _report_problems(problems: Sequence[str], notes: list[str], strict: bool) -> None:
    if problems and strict:
        raise InputError("; ".join(problems))
    notes += problems


def evaluate_boxes(
    detector: Detector,
    annotations: File | Mapping[str, Any] | Annotations,
    images: File | None = None,
    *,
    strict: bool = False,
    allow_outside: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[dict[str, float], list[str]]:
    """Evaluate a person detector: AP and AR of its boxes, see `Metrics.boxes`, and notes.

    Arguments and errors are those of `evaluate_coco`, but annotations need no keypoints. Give the detector a low score
    threshold, such as 0.001: AP is taken over all thresholds.
    """
    truth = annotations if isinstance(annotations, Annotations) else read_annotations(annotations, boxes_alone=True)
    pictures, missing = gather(truth, images, None, allow_outside)
    notes = [*truth.notes]
    _report_problems(_missing_note(truth, images, missing), notes, strict)
    tally = Tally()
    found = []
    for picture, _, boxes in detect(pictures, detector, tally):
        found.append((picture.image_id, boxes))
        if progress is not None:
            progress(len(found), len(pictures))
    _report_problems(tally.problems, notes, strict)
    return measure_boxes(truth, found), notes
