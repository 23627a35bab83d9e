"""Evaluation of models: COCO's average precision by the authors' procedures, and an analysis of errors.

metrics = vt.evaluation.evaluate_coco(model, "person_keypoints.json", "images/")
metrics.keypoints["AP"]
"""

from ..datasets.annotations import Annotations
from ..datasets.reading import read_annotations
from .accuracy import breakdown, pck
from .batch import evaluate_batch
from .evaluate import evaluate_boxes, evaluate_coco
from .metrics import Metrics
from .oks import oks, oks_nms, soft_oks_nms
from .procedures import Procedure

__all__ = [
    "Annotations",
    "Metrics",
    "Procedure",
    "breakdown",
    "evaluate_batch",
    "evaluate_boxes",
    "evaluate_coco",
    "oks",
    "oks_nms",
    "pck",
    "read_annotations",
    "soft_oks_nms",
]
