"""Tracking metrics: HOTA, IDF1, MOTA and identity switches, computed by TrackEval.

HOTA: Luiten et al., IJCV 2021; IDF1: Ristani et al., 2016; MOTA: Bernardin and Stiefelhagen, 2008.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.tracks import TrackedPersons, TrackFile, read_predictions, read_truth, sequences
from ..errors import InputError, VitruvianError
from ..tracking import box_iou
from .oks import oks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SHARES = ("HOTA", "DetA", "AssA", "IDF1", "MOTA")
COUNTS = {"switches": "IDSW", "fragments": "Frag", "false_positives": "CLR_FP", "misses": "CLR_FN"}
# MOTChallenge's classes that are neither right nor wrong: persons on vehicles, static ones, distractors, reflections.
DISTRACTORS = (2, 7, 8, 12)
HIT = 0.5


@dataclass(frozen=True)
class TrackingMetrics:
    """Tracking metrics of all sequences together and of each.

    Args:
        combined: HOTA, DetA, AssA, IDF1 and MOTA, up to 1; switches, fragments, false_positives and misses, counted.
        sequences: the same by name.
    """

    combined: Mapping[str, float]
    sequences: Mapping[str, Mapping[str, float]]


def evaluate_tracking(predictions: str | Path, truth: str | Path) -> TrackingMetrics:
    """Evaluate predicted tracks.

    Boxes (MOTChallenge) are compared by IoU, keypoints (PoseTrack) by OKS with each person's box as area; MOTA, IDF1
    and switches match from 0.5 on, HOTA is the mean over 0.05 to 0.95. As in MOTChallenge, annotations marked with 0
    aren't counted, and predictions matched to distractors are dropped. Predictions without a track id are dropped.

    Args:
        predictions: a file of ``vitruvian predict --track --json``, a text file in MOTChallenge's format, or a folder
            of these, named after the sequences of `truth`.
        truth: MOTChallenge's ``gt.txt``, PoseTrack's JSON of a video, or a folder of sequences (``NAME/gt.txt``,
            ``NAME/gt/gt.txt``, ``NAME.json``).

    Raises:
        InputError: a file is missing, broken, or doesn't match the other.
        VitruvianError: the extra ``evaluate`` isn't installed.
    """
    data = {
        name: _compared(read_predictions(ours), read_truth(theirs)) for name, ours, theirs in _pairs(predictions, truth)
    }
    return _measured(data)


def _pairs(predictions: str | Path, truth: str | Path) -> list[tuple[str, Path, Path]]:
    ours, theirs = Path(predictions), Path(truth)
    if not theirs.is_dir():
        return [(theirs.parent.name if theirs.name == "gt.txt" else theirs.stem, ours, theirs)]
    found = sequences(theirs)
    if not ours.is_dir():
        raise InputError(f"{ours}: {theirs} is a folder of sequences, so give a folder with a file for each")
    pairs = []
    for name, path in found.items():
        files = [ours / f"{name}{ending}" for ending in (".json", ".txt") if (ours / f"{name}{ending}").is_file()]
        if not files:
            raise InputError(f"{ours} has neither {name}.json nor {name}.txt, the predictions for {path}")
        pairs.append((name, files[0], path))
    return pairs


def _compared(ours: TrackFile, theirs: TrackFile) -> dict[str, Any]:
    """TrackEval's description of a sequence."""
    if theirs.sigmas is not None and ours.keypoints != theirs.keypoints:
        raise InputError(
            f"{ours.path} has {ours.keypoints} keypoints a person, {theirs.path} has {theirs.keypoints}: "
            "both must be of one skeleton"
        )
    truths, tracks, similarities = [], [], []
    # PoseTrack labels some of a video's frames. MOTChallenge labels all, and lists those where someone is.
    frames = set(theirs.frames) if theirs.sigmas is not None else set(theirs.frames) | set(ours.frames)
    for number in sorted(frames):
        real, found = theirs.frames.get(number, theirs.nobody), ours.frames.get(number, ours.nobody)
        alike = _similarity(real, found, theirs.sigmas)
        keep = ~_on_distractors(alike, np.isin(real.classes, DISTRACTORS))
        truths.append(real.ids[real.counted])
        tracks.append(found.ids[keep])
        similarities.append(alike[real.counted][:, keep])
    return _numbered(truths, tracks, similarities)


def _similarity(real: TrackedPersons, found: TrackedPersons, sigmas: Sequence[float] | None) -> Array:
    """Similarity of annotated with predicted persons: OKS if there are sigmas, else IoU."""
    if sigmas is None or real.keypoints is None or found.keypoints is None:
        return box_iou(real.boxes, found.boxes)
    areas = (real.boxes[:, 2:] - real.boxes[:, :2]).prod(axis=1)
    return oks(found.keypoints, real.keypoints, areas, sigmas).T


def _on_distractors(alike: Array, distractors: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask of the predictions that an assignment to all annotations matches with a distractor."""
    result = np.zeros(alike.shape[1], bool)
    if distractors.any():
        from scipy.optimize import linear_sum_assignment

        hits = np.where(alike >= HIT, alike, 0.0)
        rows, columns = linear_sum_assignment(-hits)
        result[columns[(hits[rows, columns] > 0) & distractors[rows]]] = True
    return result


def _numbered(
    truths: Sequence[NDArray[np.int64]], tracks: Sequence[NDArray[np.int64]], alike: Sequence[Array]
) -> dict[str, Any]:
    data: dict[str, Any] = {"num_timesteps": len(truths), "similarity_scores": list(alike)}
    for key, which in (("gt", truths), ("tracker", tracks)):
        ids, rows = np.unique(np.concatenate([np.zeros(0, np.int64), *which]), return_inverse=True)
        data[f"{key}_ids"] = np.split(rows, np.cumsum([len(part) for part in which])[:-1])
        data[f"num_{key}_ids"], data[f"num_{key}_dets"] = len(ids), len(rows)
    return data


def _measured(data: Mapping[str, Mapping[str, Any]]) -> TrackingMetrics:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from trackeval.metrics import CLEAR, HOTA, Identity
    except ImportError:
        raise VitruvianError(
            "evaluating tracks needs a package more: pip install 'vitruvian[evaluate-tracking]'"
        ) from None
    combined: dict[str, Any] = {}
    single: dict[str, dict[str, Any]] = {name: {} for name in data}
    for metric in (HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})):
        results = {name: metric.eval_sequence(one) for name, one in data.items()}
        combined |= metric.combine_sequences(results)
        for name, result in results.items():
            single[name] |= result
    return TrackingMetrics(_figures(combined), {name: _figures(result) for name, result in single.items()})


def _figures(result: Mapping[str, Any]) -> dict[str, float]:
    shares = {name: float(np.mean(result[name])) for name in SHARES}
    return shares | {name: int(result[theirs]) for name, theirs in COUNTS.items()}
