"""Identities over time: boxes and keypoints of a frame matched to the tracks of those before."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..poses import Poses
from ..skeletons import Skeleton
from .association import DEFAULT_SIGMA, assign, box_iou, similarity
from .cuts import CutDetector
from .motion import Motion, to_centres, to_corners
from .settings import TrackerSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..poses import Boxes

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

# Between two updates without a usable time.
FRAME_SECONDS = 1 / 30
# A faint box may continue a track where it overlaps this much with the box that is expected.
REACH = 0.1
# What a track consists of, beside its motion.
ARRAYS = ("keypoints", "scores", "box_scores", "number", "born", "seen")


@dataclass
class _Tracks:
    """M tracks. Numbers are 0 until confirmed; keypoints (M, K, 2) move with the centre of the box."""

    motion: Motion
    keypoints: Array
    scores: Array
    box_scores: Array
    number: NDArray[np.int64]
    born: Array
    seen: Array

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, index: NDArray[np.bool_]) -> _Tracks:
        return _Tracks(self.motion[index], *(getattr(self, name)[index] for name in ARRAYS))

    def joined(self, other: _Tracks) -> _Tracks:
        both = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in ARRAYS)
        return _Tracks(self.motion.joined(other.motion), *both)

    def moved(self, seconds: float, settings: TrackerSettings) -> _Tracks:
        """Where they are expected `seconds` later."""
        motion = self.motion.predict(seconds, settings)
        shift = motion.box[:, None, :2] - self.motion.box[:, None, :2]
        return replace(self, motion=motion, keypoints=self.keypoints + shift)


class Tracker:
    """Numbers persons, from 1, so that one keeps its number from frame to frame.

    As ByteTrack does (arXiv 2110.06864), sure persons are matched first, and faint ones may then only continue a track.
    What is matched is where a Kalman filter in body heights and seconds expects each box and its keypoints; see
    `association.similarity`. A new person gets its number when it was seen for a moment, see
    `TrackerSettings.confirm`; a track that isn't seen for `TrackerSettings.patience` ends.

    Args:
        settings: the defaults suit people in videos of any frame rate.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._cuts = CutDetector()
        self._tracks: _Tracks | None = None
        self._skeleton: Skeleton | None = None
        self._sigmas = np.zeros(0)
        self._numbers = 0
        self._clock = 0.0
        self._time: float | None = None

    def update(
        self,
        poses: Poses,
        time: float | None = None,
        image: NDArray[np.uint8] | None = None,
        *,
        followed_only: bool = False,
    ) -> Poses:
        """The persons of the next frame with their `Poses.track_ids`.

        Args:
            poses: persons; a box that isn't finite, or is empty, is followed by no one, and a keypoint that isn't
                finite counts as not seen.
            time: seconds. A time that stands still or runs back a little counts as 1/30 s, and so does None; one that
                runs back by more than the tracker's patience ends all tracks.
            image: the frame, RGB uint8 (H, W, 3): where the scene changes, all tracks end.
            followed_only: leave out persons that neither continue nor start a track, such as faint ones.

        Returns:
            The persons in the order given. A number of 0 is that of a newcomer who isn't confirmed yet, or of one whom
            nobody follows.

        Raises:
            InputError: a time that isn't finite, or persons with other keypoints than before.
        """
        self._use(poses)
        cut = image is not None and self.settings.cuts and self._cuts.is_cut(image)
        seconds, backwards = self._elapsed(time)
        self._time = time if time is not None else self._time
        self._clock += seconds
        if cut or backwards:
            self._tracks = None
        numbers, followed = self._step(poses, seconds)
        found = replace(poses, track_ids=numbers)
        return found[followed] if followed_only else found

    def predict(self, time: float | None = None) -> Poses:
        """The numbered tracks as they are expected at a time (None: 1/30 s on), without moving the tracker on.

        Box scores and keypoint scores are those of the last time that each person was seen.
        """
        if self._tracks is None or self._skeleton is None:
            return Poses.empty(self._skeleton) if self._skeleton else Poses.empty()
        known = self._tracks[self._tracks.number > 0].moved(self._elapsed(time)[0], self.settings)
        return Poses(
            to_corners(known.motion.box).astype(np.float32),
            known.box_scores.astype(np.float32),
            known.keypoints.astype(np.float32),
            known.scores.astype(np.float32),
            self._skeleton,
            known.number,
        )

    def may_matter(self, boxes: Boxes, time: float | None = None) -> NDArray[np.bool_]:
        """Which boxes are worth a pose: (N,). Sure ones are, and faint ones where a track is expected at that time."""
        sure = boxes.scores >= self.settings.high
        faint = ~sure & (boxes.scores >= self.settings.low)
        if not faint.any():
            return sure
        expected = self.predict(time).boxes
        near = box_iou(boxes.xyxy, expected).max(axis=1, initial=0) >= REACH
        return sure | (faint & near)

    def _use(self, poses: Poses) -> None:
        before = None if self._tracks is None else self._tracks.keypoints.shape[1]
        if before not in (None, poses.keypoints.shape[1]):
            raise InputError(
                f"a tracker follows one skeleton: it was given poses of {before} keypoints, "
                f"and now of {poses.keypoints.shape[1]}"
            )
        self._skeleton = poses.skeleton

    def _elapsed(self, time: float | None) -> tuple[float, bool]:
        """Seconds since the last update, and whether time ran back by more than a slip."""
        if time is None:
            return FRAME_SECONDS, False
        if not math.isfinite(time):
            raise InputError(f"tracking: time is {time}; a finite number of seconds wanted")
        if self._time is None:
            return FRAME_SECONDS, False
        passed = time - self._time
        return (passed if passed > 0 else FRAME_SECONDS), passed < -self.settings.patience

    def _step(self, poses: Poses, seconds: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Numbers of the persons, and which of them continue or start a track."""
        settings, persons = self.settings, _Persons.of(poses)
        first = self._tracks is None
        tracks = _none(persons.keypoints.shape[1]) if self._tracks is None else self._tracks.moved(seconds, settings)
        sigmas = self._sigmas_of(persons.keypoints.shape[1])
        drift, boxes = tracks.motion.drift(seconds), to_corners(tracks.motion.box)
        everyone = persons.boxes, persons.keypoints, persons.scores
        alike = similarity((boxes, tracks.keypoints, tracks.scores), everyone, drift, sigmas)
        match = self._match(tracks, persons, alike)
        rows = np.flatnonzero(match >= 0)
        self._see(tracks, rows, persons, match[rows])
        numbers = np.zeros(len(persons.usable), np.int64)
        numbers[match[rows]] = tracks.number[rows]
        followed = np.zeros(len(persons.usable), bool)
        followed[match[rows]] = True

        age = self._clock - tracks.seen
        # Who is still to be confirmed has to be there every time.
        live = age <= np.where(tracks.number > 0, settings.patience + 1e-9, 0)
        self._tracks = tracks if live.all() else tracks[live]
        new = self._newcomers(persons, numbers, followed, sigmas)
        if len(new):
            started = self._start(persons, new, first)
            numbers[new], followed[new] = started.number, True
            self._tracks = self._tracks.joined(started)
        return numbers, followed

    def _match(self, tracks: _Tracks, persons: _Persons, alike: Array) -> NDArray[np.intp]:
        """The person of each track, or -1: sure persons go to numbered tracks first, and to unnumbered ones last."""
        settings = self.settings
        match = np.full(len(tracks), -1)
        sure = persons.usable & (persons.box_scores >= settings.high)
        faint = persons.usable & ~sure & (persons.box_scores >= settings.low)
        numbered = tracks.number > 0
        free = np.ones(len(persons.usable), bool)
        for who, which, threshold in (
            (numbered, sure, settings.match),
            (numbered, faint, settings.match_weak),
            (~numbered, sure, settings.match_weak),
        ):
            rows, columns = np.flatnonzero(who & (match < 0)), np.flatnonzero(which & free)
            if not len(rows) or not len(columns):
                continue
            row, column = assign(alike[np.ix_(rows, columns)], threshold)
            match[rows[row]] = columns[column]
            free[columns[column]] = False
        return match

    def _see(self, tracks: _Tracks, rows: Rows, persons: _Persons, which: Rows) -> None:
        """Take what was seen of the tracks `rows`, and number those that are confirmed by it."""
        tracks.motion.correct(rows, persons.centres[which], self.settings)
        tracks.keypoints[rows], tracks.scores[rows] = persons.keypoints[which], persons.scores[which]
        tracks.box_scores[rows], tracks.seen[rows] = persons.box_scores[which], self._clock
        age = self._clock - tracks.born[rows]
        confirmed = rows[(tracks.number[rows] == 0) & (age >= self.settings.confirm - 1e-9)]
        tracks.number[confirmed] = self._numbers + 1 + np.arange(len(confirmed))
        self._numbers += len(confirmed)

    def _newcomers(
        self, persons: _Persons, numbers: NDArray[np.int64], followed: NDArray[np.bool_], sigmas: Array
    ) -> Rows:
        """Sure persons whom no track has, and who are no second box of someone numbered."""
        new = np.flatnonzero(persons.usable & (persons.box_scores >= self.settings.high) & ~followed)
        known = np.flatnonzero(numbers)
        if not len(new) or not len(known):
            return new
        alike = similarity(persons.part(known), persons.part(new), np.zeros(len(known)), sigmas)
        return new[alike.max(axis=0) < self.settings.twin]

    def _start(self, persons: _Persons, new: Rows, first: bool) -> _Tracks:
        settings = self.settings
        sure = persons.scores[new] >= settings.sure_keypoint
        at_once = (2 * sure.sum(axis=1) >= max(sure.shape[1], 1)) | first | (settings.confirm == 0)
        number = np.where(at_once, self._numbers + np.cumsum(at_once), 0)
        self._numbers += int(at_once.sum())
        now = np.full(len(new), self._clock)
        motion, points, scores = Motion.start(persons.centres[new], settings), *persons.part(new)[1:]
        return _Tracks(motion, points, scores, persons.box_scores[new], number, now, now.copy())

    def _sigmas_of(self, count: int) -> Array:
        if len(self._sigmas) != count:
            own = self._skeleton.sigmas if self._skeleton else ()
            self._sigmas = np.array(own if len(own) == count else [DEFAULT_SIGMA] * count, np.float64)
        return self._sigmas


@dataclass(frozen=True)
class _Persons:
    """The persons of a frame in float64; what isn't finite is 0 and, if keypoint or box, scored 0."""

    boxes: Array
    box_scores: Array
    keypoints: Array
    scores: Array
    centres: Array
    usable: NDArray[np.bool_]

    @classmethod
    def of(cls, poses: Poses) -> _Persons:
        boxes, points = poses.boxes.astype(np.float64), poses.keypoints.astype(np.float64)
        usable = np.isfinite(boxes).all(axis=1) & np.isfinite(poses.box_scores)
        usable &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        scores = np.where(np.isfinite(points).all(axis=2), _shares(poses.scores), 0.0)
        boxes = np.where(usable[:, None], boxes, 0.0)
        return cls(
            boxes,
            _shares(poses.box_scores),
            np.where(np.isfinite(points), points, 0.0),
            scores,
            to_centres(boxes),
            usable,
        )

    def part(self, rows: Rows) -> tuple[Array, Array, Array]:
        return self.boxes[rows], self.keypoints[rows], self.scores[rows]


def _shares(scores: NDArray[np.float32]) -> Array:
    return np.clip(np.nan_to_num(scores.astype(np.float64), posinf=0.0), 0, 1)


def _none(keypoints: int) -> _Tracks:
    flat = np.zeros(0)
    motion = Motion(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 3, 2)))
    return _Tracks(
        motion, np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), flat, np.zeros(0, np.int64), flat, flat
    )
