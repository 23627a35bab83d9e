"""Who is who over time: boxes matched to those of the frames before, as ByteTrack (arXiv 2110.06864) does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .poses import Poses

SURE = 0.5
OVERLAP = 0.2
PATIENCE = 30
SMOOTHING = 0.5


@dataclass
class Track:
    """A person followed: number, last box xyxy, how that moves in a frame, and how many frames it is unseen."""

    number: int
    box: NDArray[np.float32]
    velocity: NDArray[np.float32]
    unseen: int = 0

    def see(self, box: NDArray[np.float32]) -> None:
        """Take the box of a new frame."""
        step = (box - self.box) / (self.unseen + 1)
        self.velocity = (SMOOTHING * self.velocity + (1 - SMOOTHING) * step).astype(np.float32)
        self.box, self.unseen = box, 0

    def expected(self) -> NDArray[np.float32]:
        """Where the box should be in the coming frame, if the person goes on as before."""
        return self.box + self.velocity * (self.unseen + 1)


class Tracker:
    """Numbers persons, from 1, so that one keeps its number from frame to frame.

    Boxes scored at least 0.5 are matched first, by overlap with where each track should be; fainter ones may then only
    continue a track. A track that isn't seen for 30 frames ends; only a sure box starts one.
    """

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._last = 0

    def update(self, poses: Poses) -> NDArray[np.int64]:
        """The numbers of the persons of the next frame, int64 (N,); 0 for a faint box that continues no track."""
        numbers = np.zeros(len(poses), np.int64)
        open_tracks = list(self._tracks)
        sure = poses.box_scores >= SURE
        for candidates in (np.flatnonzero(sure), np.flatnonzero(~sure)):
            for track, person in _matches(open_tracks, poses.boxes, candidates):
                track.see(poses.boxes[person])
                numbers[person] = track.number
                open_tracks.remove(track)
        for track in open_tracks:
            track.unseen += 1
        self._tracks = [track for track in self._tracks if track.unseen <= PATIENCE]
        for newcomer in np.flatnonzero(sure & (numbers == 0)):
            self._last += 1
            numbers[newcomer] = self._last
            self._tracks.append(Track(self._last, poses.boxes[newcomer], np.zeros(4, np.float32)))
        return numbers


def _matches(tracks: list[Track], boxes: NDArray[np.float32], candidates: NDArray[np.intp]) -> list[tuple[Track, int]]:
    """Pairs of a track and a person, the best overlap first, each taken once."""
    if not tracks or not len(candidates):
        return []
    overlaps = box_iou(np.stack([track.expected() for track in tracks]), boxes[candidates])
    pairs: list[tuple[Track, int]] = []
    while overlaps.max() >= OVERLAP:
        row, column = divmod(int(overlaps.argmax()), overlaps.shape[1])
        pairs.append((tracks[row], int(candidates[column])))
        overlaps[row], overlaps[:, column] = -1, -1
    return pairs


def box_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every pair of boxes, (N, 4) and (M, 4) xyxy, as (N, M) in 0..1."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(opposite - corner, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
