"""Evaluation of the results of `vitruvian batch`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from .. import codecs
from ..cards import ModelCard
from ..datasets.annotations import Annotations
from ..datasets.batch_results import read
from ..datasets.json_records import listed
from ..datasets.reading import read_annotations
from ..datasets.skeletons import with_sigmas
from ..errors import InputError
from ..poses import Boxes, Poses
from .metrics import Metrics, measure
from .predicting import Predicted
from .procedures import Procedure
from .provenance import MeasuredModel


def evaluate_batch(
    folder: str | os.PathLike[str],
    annotations: str | os.PathLike[str] | Mapping[str, Any] | Annotations,
    changes: Mapping[str, Any] | None = None,
) -> Metrics:
    """Evaluate the poses that a batch job found, by the procedure of its pose net's authors.

    AP is taken over the annotated pictures that the job has read. A picture is found by its name, as much of the path
    as both have.

    Args:
        folder: of the job.
        annotations: what `read_annotations` reads.
        changes: settings of `Procedure` that rank persons, in place of the model's own.

    Raises:
        InputError: none of the annotated pictures is among the job's, or the folder or the annotations can't be read.
    """
    results = read(folder)
    truth = annotations if isinstance(annotations, Annotations) else read_annotations(annotations)
    if len(results.skeleton) != len(truth.skeleton):
        raise InputError(
            f"{folder} has {len(results.skeleton)} keypoints, {truth.name} has {len(truth.skeleton)}: they must be the "
            "same"
        )
    card = ModelCard.from_json(json.dumps(results.job["pose"]))
    skeleton, origin = with_sigmas(truth.skeleton, results.skeleton)
    notes = [*truth.notes, f"sigmas of OKS: {origin}"]
    names = _Names(truth)
    found: dict[int, tuple[Path, Poses]] = {}
    failed: list[str] = []
    for one in results:
        number = names.number(one.source)
        if number is None or one.frame is not None:
            continue
        if number in found:
            raise InputError(f"{folder}: {one.source} and {found[number][0]} are both the picture {number}")
        if one.poses is None:
            failed.append(one.source)
        else:
            found[number] = Path(one.source), one.poses
    if not found:
        raise InputError(f"{folder} has none of the pictures of {truth.name}")
    missing = [str(record["file_name"]) for number, record in truth.images.items() if number not in found]
    if missing:
        notes.append(f"{folder} lacks {len(missing)} of the pictures, which don't count: {listed(missing)}")
    if failed:
        notes.append(f"{len(failed)} of them could not be read: {listed(failed)}")
    codec = codecs.create(card.family, card.input_size, card.options)
    try:
        procedure = replace(Procedure.of_codec(codec, False), **(changes or {}))
    except TypeError:
        raise InputError(f"these settings don't fit: {', '.join(changes or {})}") from None
    # Found already, with the settings of the job.
    flip = bool((results.job.get("model") or {}).get("flip"))
    procedure = replace(procedure, flip=flip).resolved(card)
    ordered = [
        Predicted(number, Boxes(poses.boxes, poses.box_scores), poses.keypoints, poses.scores)
        for number in truth.images
        if number in found
        for poses in [found[number][1]]
    ]
    files = {item.image_id: found[item.image_id][0] for item in ordered}
    return measure(
        truth, ordered, skeleton, procedure, card, files, True, notes=notes, models=_models(card, results.job)
    )


def _models(card: ModelCard, job: Mapping[str, Any]) -> dict[str, MeasuredModel]:
    """The models of a job, which keeps their cards, and neither files nor how they ran."""
    cards = {"pose": card}
    if job.get("detector") is not None:
        cards["detector"] = ModelCard.from_json(json.dumps(job["detector"]))
    return {name: MeasuredModel(own.name, own.family, own.input_size) for name, own in cards.items()}


class _Names:
    """Annotated pictures by the ends of their paths."""

    def __init__(self, truth: Annotations) -> None:
        self._name = truth.name
        self._by_end: dict[tuple[str, ...], int | None] = {}
        for number, record in truth.images.items():
            parts = _parts(str(record["file_name"]))
            for first in range(len(parts)):
                end = parts[first:]
                self._by_end[end] = None if end in self._by_end else number
        # A whole name is never ambiguous.
        self._by_end |= {_parts(str(record["file_name"])): number for number, record in truth.images.items()}

    def number(self, source: str) -> int | None:
        """The image id of a picture; None for one that isn't annotated. Raises InputError for several."""
        parts = _parts(source)
        for first in range(len(parts)):
            end = parts[first:]
            if end in self._by_end:
                number = self._by_end[end]
                if number is None:
                    raise InputError(f"{self._name}: several pictures are called {'/'.join(end)}, as {source} is")
                return number
        return None


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/").replace("#", "/")).parts
