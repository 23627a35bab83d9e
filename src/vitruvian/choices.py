"""Choices that the library and the command line share, as types that cost nothing to import."""

from __future__ import annotations

from typing import Literal

Refinement = Literal["none", "quarter", "dark", "udp"]
"""Sub-pixel steps of heatmap nets."""

PresetName = Literal["fast", "balanced", "accurate"]
"""Pairs of a detector and a pose net, see `vitruvian.zoo.PRESETS`."""

ExportPrecision = Literal["fp32", "fp16", "int8"]
"""Precisions of exported files."""

Rescoring = Literal["product", "sum", "box"]
"""Ways to rank persons in an evaluation."""

CocoMode = Literal["results", "dataset"]
"""COCO's results format, or its annotation format with images and categories."""

BatchFormat = Literal["parquet", "jsonl", "webdataset"]
"""What a batch job writes."""
