"""Evaluations of several pose nets by several procedures, each with a report of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .evaluate import evaluate_coco
from .procedures import Procedure
from .report import write_json, write_report

if TYPE_CHECKING:
    from ..datasets.annotations import Annotations
    from ..detectors import Detector
    from ..pipeline import PoseEstimator
    from ..poses import Boxes
    from .metrics import Metrics

METRICS, JOURNAL = "metrics.json", "predictions.jsonl"


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Args:
        model: the pose net's file or name.
        label: a name that no other run has.
        folder: where its journal and its report go.
        changes: settings of `Procedure` in place of the model's own.
    """

    model: Path
    label: str
    folder: Path
    changes: Mapping[str, Any]


def plan_runs(models: Sequence[Path], variants: Mapping[str, Mapping[str, Any]], output: Path) -> list[Run]:
    """Each model with each set of settings: all sets of the first model, then all of the second.

    Args:
        models: files or names of pose nets.
        variants: settings of `Procedure` by a text that labels them.
        output: folder of the only run, or of the runs' folders.

    Raises:
        InputError: values of settings that don't fit.
    """
    for changes in variants.values():
        _changed(Procedure(), changes)  # raises now what would otherwise end a comparison half way
    stems = [path.stem for path in models]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in models]
    labelled = [
        (model, f"{name} {text}".strip(), changes)
        for model, name in zip(models, names, strict=True)
        for text, changes in variants.items()
    ]
    runs = []
    for number, (model, label, changes) in enumerate(labelled, start=1):
        safe = "".join(letter if letter.isalnum() or letter in "-_.=" else "_" for letter in label)
        folder = output if len(labelled) == 1 else output / f"{number}-{safe}"
        runs.append(Run(model, label, folder, changes))
    return runs


def _changed(procedure: Procedure, changes: Mapping[str, Any]) -> Procedure:
    try:
        return replace(procedure, **changes)
    except TypeError:
        listed = ", ".join(f"{name}={value}" for name, value in changes.items())
        raise InputError(f"these settings don't fit: {listed}") from None


def check_outputs(runs: Sequence[Run], output: Path, results: Path | None, overwrite: bool, resume: bool) -> None:
    """Raises InputError if files of an earlier evaluation would be lost; `results` is another file to be written."""
    if overwrite and resume:
        raise InputError("an earlier evaluation is either replaced (--overwrite) or gone on with (--resume), not both")
    there = [path for path in (output / METRICS, *(run.folder / JOURNAL for run in runs)) if path.exists()]
    if there and not overwrite and not resume:
        raise InputError(f"{there[0]} is there: replace it (--overwrite), go on with it (--resume), or give another -o")
    if results is not None and results.exists() and not overwrite and not resume:
        raise InputError(f"{results} is there: replace it (--overwrite), or give another name")


def compare(
    runs: Sequence[Run],
    load: Callable[[Path], PoseEstimator],
    truth: Annotations,
    images: Path | None,
    boxes: Path | Detector | None,
    output: Path,
    *,
    strict: bool = False,
    allow_outside: bool = False,
    resume: bool = False,
    worst: int = 24,
    progress: Callable[[str], AbstractContextManager[Callable[[int, int], object]]] | None = None,
) -> dict[str, Metrics]:
    """Measure all runs, and write the report of each as soon as it is measured, and of several a summary.

    A model is loaded once for all its runs, and a detector sees each picture once.

    Args:
        runs: see `plan_runs`.
        load: opens a pose net.
        truth, images, boxes, strict, allow_outside, resume: see `evaluate_coco`; `boxes` are its `detections`.
        output: folder of the summary.
        worst: how many persons a report shows.
        progress: gives, for a run's label, a context of the function that takes the pictures done and all of them.

    Returns:
        the metrics by the runs' labels.
    """
    measured: dict[str, Metrics] = {}
    found: dict[int, Boxes] = {}
    for model in dict.fromkeys(run.model for run in runs):
        pose = load(model)
        own = Procedure.of(pose, boxes is None)
        for run in (run for run in runs if run.model == model):
            with nullcontext() if progress is None else progress(run.label) as update:
                measured[run.label] = evaluate_coco(
                    *(pose, truth, images, boxes),
                    procedure=_changed(own, run.changes),
                    strict=strict,
                    allow_outside=allow_outside,
                    journal=run.folder / JOURNAL,
                    resume=resume,
                    progress=update,
                    found=found,
                )
            write_report(measured[run.label], run.folder, run.label, worst)
    if len(measured) > 1:
        rows = [{"name": label, **metrics.to_dict()} for label, metrics in measured.items()]
        write_json(output / METRICS, {"runs": rows})
    return measured
