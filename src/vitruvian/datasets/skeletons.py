"""What a data set's keypoints are, with what their names tell."""

from __future__ import annotations

from dataclasses import replace

from ..evaluation.sigmas import DEFAULT_SIGMA, sigmas_by_name
from ..skeletons import COCO17, Skeleton


def completed(skeleton: Skeleton) -> tuple[Skeleton, list[str]]:
    """The skeleton with sigmas, and one sentence for everything that was inferred."""
    notes = []
    if not skeleton.sigmas:
        others = [name for name in skeleton.keypoints if name not in COCO17.keypoints]
        told = f"{DEFAULT_SIGMA} for {', '.join(others)}" if others else "COCO's"
        notes.append(f"no sigmas are given: by the keypoints' names, {told}")
        skeleton = replace(skeleton, sigmas=sigmas_by_name(skeleton.keypoints))
    if not skeleton.pairs:
        pairs = [f"{skeleton.keypoints[left]} / {skeleton.keypoints[right]}" for left, right in skeleton.flip_pairs]
        inferred = ", ".join(pairs) if pairs else "none, so that nothing trades places in a mirror"
        notes.append(f"flip pairs, by the keypoints' names: {inferred}")
    return skeleton, notes
