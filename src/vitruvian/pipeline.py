"""The flow: picture -> detect -> crop -> network -> decode -> poses."""

from __future__ import annotations

import copy
import itertools
import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import numpy as np

from .codecs.base import as_scores
from .errors import InputError, ModelError
from .geometry import crop, crop_affines, to_image, to_tensor
from .media import Frame, Source, as_rgb, open_source, read_image
from .media.memory import BYTES_AHEAD, held_by
from .media.threads import prefetch
from .poses import Boxes, Poses
from .skeletons import COCO17, Skeleton
from .tracking import DetectEvery, DetectionSchedule, Follower, Smoother, Tracker, TrackerSettings

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from PIL.Image import Image

    from .cards import ModelCard
    from .codecs import Codec
    from .detectors import Detector
    from .runtimes import Runtime

# A picture that a model takes: a path, RGB uint8 (H, W, 3), or a PIL image.
Picture: TypeAlias = "str | os.PathLike[str] | NDArray[np.uint8] | Image"

logger = logging.getLogger("vitruvian")

T = TypeVar("T")

# Crops that go through a network at once: memory stays bounded however many persons a picture has.
CROPS_AT_ONCE = 32
# Pictures of a file or a folder that go through the detector at once.
FRAMES_AT_ONCE = 4


class PoseEstimator:
    """Keypoints of persons whose boxes are known.

    Args:
        card: what the network takes.
        runtime: the network.
        codec: how its outputs are read.
        flip: run every crop a second time, mirrored, and average: more exact at twice the cost (the flip test).
    """

    def __init__(self, card: ModelCard, runtime: Runtime, codec: Codec, flip: bool = False) -> None:
        self.card = card
        self.runtime = runtime
        self.codec = codec
        self.flip = flip
        self.skeleton: Skeleton = card.skeleton or COCO17

    def __repr__(self) -> str:
        height, width = self.card.input_size
        return f"PoseEstimator({self.card.name}, {height}x{width}, {self.skeleton.name}, {self.runtime})"

    def __call__(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes]) -> list[Poses]:
        """Poses of the boxed persons of each RGB uint8 picture (H, W, 3); persons of all pictures share batches."""
        return [
            Poses(found.xyxy, found.scores, keypoints, as_scores(peaks), self.skeleton)
            for found, (keypoints, peaks) in zip(boxes, self.estimate(images, boxes), strict=True)
        ]

    def estimate(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Like a call, but keypoints float32 (N, K, 2) and their peaks (N, K) that aren't clipped to scores in 0..1."""
        counts = [len(found) for found in boxes]
        count = len(self.skeleton)
        keypoints = np.zeros((sum(counts), count, 2), np.float32)
        peaks = np.zeros((sum(counts), count), np.float32)
        done = 0
        for crops, affines in self.crops(images, boxes):
            part = slice(done, done + len(crops))
            keypoints[part], peaks[part] = self.decode(self.outputs(crops), affines)
            done = part.stop
        parts = [slice(end - own, end) for own, end in zip(counts, itertools.accumulate(counts), strict=True)]
        return [(keypoints[part], peaks[part]) for part in parts]

    def crops(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
        """Crops of the boxed persons; see `crop_persons`."""
        return crop_persons(images, boxes, self.card, self.codec)

    def outputs(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """The network's outputs for RGB uint8 crops (N, H, W, 3), merged with those of the mirrored crops (flip)."""
        batch = to_tensor(crops, self.card.mean, self.card.std, self.card.bgr)
        outputs = self.runtime(batch)
        if not self.flip:
            return outputs
        self.skeleton.check_flip()
        mirrored = self.runtime(np.ascontiguousarray(batch[..., ::-1]))
        return self.codec.merge_flipped(outputs, mirrored, self.skeleton.flip_pairs)

    def decode(
        self, outputs: Sequence[NDArray[np.float32]], affines: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Keypoints float32 (N, K, 2) in pixels of the pictures and their peaks (N, K), from what `outputs` gives.

        Raises:
            ModelError: the network returns another number of keypoints than its card names.
        """
        points, peaks = self.codec.decode(outputs)
        count = len(self.skeleton)
        if points.shape[1] != count:
            raise ModelError(
                f"{self.runtime.path}: the network returns {points.shape[1]} keypoints, but its card names {count}"
            )
        return to_image(points, affines), peaks


def crop_persons(
    images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes], card: ModelCard, codec: Codec
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Crops of boxed persons, `CROPS_AT_ONCE` at a time, across the pictures.

    Args:
        images: RGB uint8 (H, W, 3).
        boxes: the persons of each picture.
        card, codec: of the pose net that takes the crops; no engine is needed.

    Yields:
        Crops, RGB uint8 (N, H, W, 3) of the card's input size, and their affines, float64 (N, 2, 3).
    """
    size = card.input_size
    affines = [crop_affines(found.xyxy, size, card.padding, codec.aligned) for found in boxes]
    persons = ((image, rows[i : i + 1]) for image, rows in zip(images, affines, strict=True) for i in range(len(rows)))
    for batch in batches(persons, CROPS_AT_ONCE):
        crops = np.concatenate([crop(image, affine, size) for image, affine in batch])
        yield crops, np.concatenate([affine for _, affine in batch])


def batches(
    items: Iterable[T],
    size: int,
    weigh: Callable[[T], int] | None = None,
    most: int | None = None,
    start: int = 0,
    enough: Callable[[list[T]], bool] | None = None,
) -> Iterator[list[T]]:
    """Lists of consecutive items, whatever their source; the last one may be shorter.

    Args:
        items: read one by one, only as far as the next list needs.
        size: a list is complete with so many items; with `weigh`, when its weights add up to this.
        weigh: weight of an item, such as its number of persons.
        most: a list is complete with so many items, however little they weigh.
        start: the first list has so many items, and each next one up to twice as many, so that first results come soon.
        enough: a list is also complete when this says so, such as for the memory that it holds.
    """
    batch: list[T] = []
    weight, limit = 0, min(start or size, size)
    for item in items:
        batch.append(item)
        weight += 1 if weigh is None else weigh(item)
        del item  # nothing is held here while the next one is read
        if weight >= limit or len(batch) == most or (enough is not None and enough(batch)):
            yield batch
            batch, weight, limit = [], 0, min(2 * limit, size)
    if batch:
        yield batch


class TopDown:
    """Finds every person of a picture and the keypoints of each.

    Args:
        pose: the pose net.
        detector: finds the persons; None if every call brings its boxes.
    """

    def __init__(self, pose: PoseEstimator, detector: Detector | None = None) -> None:
        self.pose = pose
        self.detector = detector

    def __repr__(self) -> str:
        return f"TopDown({self.pose}, {self.detector})"

    @overload
    def __call__(self, image: Picture, boxes: ArrayLike | None = None) -> Poses: ...
    @overload
    def __call__(
        self, image: list[Picture] | tuple[Picture, ...], boxes: Sequence[ArrayLike] | None = None
    ) -> list[Poses]: ...
    def __call__(self, image: Any, boxes: Any = None) -> Poses | list[Poses]:
        """Poses of one picture, or of a list of pictures as one batch.

        Args:
            image: a path, an RGB uint8 array (H, W, 3), a PIL image; or a list of these.
            boxes: persons as (N, 4) xyxy in pixels, instead of the detector's; for a list of pictures, a list of them.

        Raises:
            InputError: a picture that can't be read, or boxes that are none.
        """
        if not isinstance(image, (list, tuple)):
            return self._poses([_picture(image)], None if boxes is None else [boxes])[0]
        return self._poses([_picture(item) for item in image], boxes)

    def _poses(self, images: list[NDArray[np.uint8]], boxes: Sequence[ArrayLike] | None) -> list[Poses]:
        if boxes is not None:
            try:
                sets = list(boxes)
            except TypeError:
                raise InputError(f"boxes can't be {boxes!r}: a list of pictures needs a list of their boxes") from None
            if len(sets) != len(images):
                raise InputError(f"{len(images)} pictures need as many sets of boxes, not {len(sets)}")
            return self.pose(images, [Boxes.given(item) for item in sets])
        return self.pose(images, self._find(images, self.detector))

    @staticmethod
    def _find(images: list[NDArray[np.uint8]], detector: Detector | None) -> list[Boxes]:
        if detector is None:
            raise InputError("without a detector every call needs its boxes: load one (detector=) or give boxes=")
        return detector(images)

    def stream(
        self,
        source: str | Path | int,
        track: bool | Tracker = False,
        recursive: bool = False,
        smooth: bool | Smoother = False,
        detect_every: DetectEvery = 1,
    ) -> Iterator[tuple[NDArray[np.uint8], Poses]]:
        """Pictures and poses of a source, one by one, in constant memory; decoding runs ahead in a thread.

        Args:
            source: an image, a folder, a glob, a video, a stream's URL, or the number of a camera.
            track: number the persons so that one keeps its number over time (`Poses.track_ids`); a Tracker brings
                settings of its own. Faint persons are then looked for as well, and left out where they
                continue no track.
            recursive: take a folder's subfolders too.
            smooth: steady the keypoints of tracked persons over time; a Smoother brings settings of its own.
            detect_every: look for persons on every n-th frame only, or with "auto" where enough has moved, and on
                the first of each scene; in between, tracked persons are followed by their keypoints.

        Yields:
            The picture, RGB uint8 (H, W, 3), and its Poses. Files that can't be read are logged and passed over.

        Raises:
            InputError: nothing of the source can be read; `smooth` or `detect_every` without `track`.
        """
        opened = open_source(source, recursive=recursive)
        delivered = 0
        try:
            with closing(self.frames(opened, track, smooth, detect_every)) as frames:
                for frame, poses in frames:
                    delivered += 1
                    yield frame.image, poses
        finally:
            for problem in opened.problems:
                logger.warning(problem)
        if not delivered:
            raise InputError(f"{source}: none of its pictures could be read")

    def frames(
        self,
        source: Source,
        track: bool | Tracker = False,
        smooth: bool | Smoother = False,
        detect_every: DetectEvery = 1,
    ) -> Generator[tuple[Frame, Poses], None, None]:
        """Like `stream`, but from an opened source, and with `Frame`s, which have a name and a time.

        Problems of single files are in ``source.problems`` and aren't logged.
        """
        tracker = track if isinstance(track, Tracker) else Tracker(self.tracker_settings) if track else None
        smoother = smooth if isinstance(smooth, Smoother) else Smoother() if smooth else None
        if smoother is not None and tracker is None:
            raise InputError("smoothing needs tracks: track as well (track=True, --track)")
        schedule = None if detect_every == 1 else DetectionSchedule(detect_every)
        if schedule is not None and tracker is None:
            raise InputError("detecting on some frames only needs tracks: track as well (track=True, --track)")
        if schedule is None or tracker is None:
            found = self._every_frame(source, tracker)
        else:
            found = self._followed(source, tracker, schedule)
        with closing(found):
            for frame, poses in found:
                yield frame, poses if smoother is None else smoother.update(poses, frame.time)

    def _every_frame(self, source: Source, tracker: Tracker | None) -> Generator[tuple[Frame, Poses], None, None]:
        # Frames of live sources go through one by one, and few are read ahead, so that results aren't late.
        at_once, depth = (1, 1) if source.kind == "live" else (FRAMES_AT_ONCE, 2 * FRAMES_AT_ONCE)
        with closing(prefetch(self._detected(source, at_once, depth, self._detector_for(tracker)), 1)) as detected:
            for batch, boxes in detected:
                if tracker is not None:
                    wanted = [tracker.may_matter(found, frame.time) for frame, found in zip(batch, boxes, strict=True)]
                    boxes = [found[which] for found, which in zip(boxes, wanted, strict=True)]
                for frame, poses in zip(batch, self.pose([frame.image for frame in batch], boxes), strict=True):
                    if tracker is not None:
                        poses = tracker.update(poses, frame.time, frame.image, followed_only=True)
                    yield frame, poses

    def _followed(
        self, source: Source, tracker: Tracker, schedule: DetectionSchedule
    ) -> Generator[tuple[Frame, Poses], None, None]:
        """Frames and their poses, with detection where the schedule says so; it runs ahead in a thread."""
        depth = 1 if source.kind == "live" else 2 * FRAMES_AT_ONCE
        follower = Follower()
        with closing(prefetch(self._scheduled(source, schedule, depth, self._detector_for(tracker)), depth)) as ahead:
            for frame, found in ahead:
                if found is not None:
                    (poses,) = self.pose([frame.image], [found[tracker.may_matter(found, frame.time)]])
                    poses = tracker.update(poses, frame.time, frame.image, followed_only=True)
                    follower.start(poses)
                else:
                    boxes = follower.boxes(tracker.predict(frame.time), frame.image.shape[:2])
                    (poses,) = self.pose([frame.image], [boxes])
                    poses = tracker.update(follower.kept(poses), frame.time, frame.image)
                    follower.seen(poses)
                yield frame, poses

    @property
    def tracker_settings(self) -> TrackerSettings:
        """Settings of tracking that fit the detector's score."""
        return TrackerSettings() if self.detector is None else TrackerSettings.above(self.detector.score)

    def _detector_for(self, tracker: Tracker | None) -> Detector | None:
        """The detector, letting through the faint persons that a tracker wants as well."""
        detector = self.detector
        if tracker is not None and detector is not None and detector.score > tracker.settings.low:
            detector = copy.copy(detector)
            detector.score = tracker.settings.low
        return detector

    def _detected(
        self, source: Source, at_once: int, depth: int, detector: Detector | None
    ) -> Iterator[tuple[list[Frame], list[Boxes]]]:
        """Frames, `at_once` at a time, and the persons on them."""
        with closing(prefetch(source, depth, newest=source.paced)) as ahead:
            for batch in batches(ahead, at_once, start=1, enough=lambda batch: held_by(batch) >= BYTES_AHEAD):
                yield batch, self._find([frame.image for frame in batch], detector)

    def _scheduled(
        self, source: Source, schedule: DetectionSchedule, depth: int, detector: Detector | None
    ) -> Iterator[tuple[Frame, Boxes | None]]:
        """Frames, and the persons on those that the schedule names."""
        with closing(prefetch(source, depth, newest=source.paced)) as ahead:
            for frame in ahead:
                due = schedule.due(frame.image, frame.time)
                yield frame, self._find([frame.image], detector)[0] if due else None


def _picture(image: Picture) -> NDArray[np.uint8]:
    return read_image(image) if isinstance(image, (str, os.PathLike)) else as_rgb(image)
