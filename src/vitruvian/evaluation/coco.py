"""Average precision and recall as COCO defines them, by hotcoco, which agrees with pycocotools to the last bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..datasets.annotations import Annotations
from ..errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Score:
    """Figures of COCO's evaluation.

    Args:
        numbers: AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL (and APS, ARS for boxes), 0..1; -1 where nothing of
            that size is annotated.
        precision: (10, 101) over `IOU_THRESHOLDS` (of OKS for keypoints) and `RECALL_THRESHOLDS`; -1 as above.
    """

    numbers: dict[str, float]
    precision: Array


def evaluate(
    truth: Annotations,
    results: Sequence[Mapping[str, Any]],
    kind: Literal["keypoints", "bbox"],
    image_ids: Sequence[int],
    sigmas: Sequence[float] = (),
    keypoint: int | None = None,
) -> Score:
    """Evaluate results against annotations.

    Args:
        results: in COCO's results format, of the annotations' category and images.
        image_ids: ids of the counted pictures.
        sigmas: of the keypoints.
        keypoint: evaluate this keypoint alone, as if no other was labelled.

    Raises:
        InputError: hotcoco is not installed.
    """
    hotcoco = _hotcoco()
    expected = hotcoco.COCO(truth.to_coco(keypoint))
    evaluator = hotcoco.COCOeval(expected, expected.load_res(list(results)), kind)
    evaluator.params.img_ids = list(image_ids)
    evaluator.params.cat_ids = [truth.category]
    if kind == "keypoints":
        evaluator.params.kpt_oks_sigmas = list(sigmas)
    areas = list(evaluator.params.area_rng_lbl)
    evaluator.evaluate()
    evaluator.accumulate()
    # Over thresholds, (recalls,) categories, areas and numbers of results: the only category, the largest number.
    precision = np.asarray(evaluator.eval["precision"])[:, :, 0, :, -1]
    recall = np.asarray(evaluator.eval["recall"])[:, 0, :, -1]
    return Score(_numbers(precision, recall, areas), precision[..., areas.index("all")])


def _numbers(precision: Array, recall: Array, areas: Sequence[str]) -> dict[str, float]:
    whole = areas.index("all")
    numbers: dict[str, float] = {}
    for name, values in (("AP", precision), ("AR", recall)):
        numbers[name] = _mean(values[..., whole])
        for percent, row in ((50, 0), (75, 5)):
            numbers[f"{name}{percent}"] = _mean(values[row, ..., whole])
        for area in ("small", "medium", "large"):
            if area in areas:
                numbers[name + area[0].upper()] = _mean(values[..., areas.index(area)])
    return numbers


def _mean(values: Array) -> float:
    there = values[values > -1]
    return float(there.mean()) if there.size else -1.0


def _hotcoco() -> Any:
    try:
        import hotcoco
    except ImportError:
        raise InputError("evaluation needs packages more: pip install 'vitruvian[evaluate]'") from None
    return hotcoco
