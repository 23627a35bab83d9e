"""The flow: picture -> detect -> crop -> network -> decode -> poses."""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import numpy as np

from .codecs.base import as_scores
from .errors import InputError, ModelError
from .geometry import crop, crop_affines, to_image, to_tensor
from .media import Frame, GivenPictures, Source, open_sources
from .media.threads import prefetch
from .pictures import Channels, Picture, is_tensor, load_rgb
from .pictures.memory import BYTES_AHEAD, held_by
from .poses import Boxes, Poses
from .selection import Selector
from .skeletons import COCO17, Skeleton
from .tracking import DetectEvery, DetectionSchedule, Follower, Smoother, Tracker, TrackerSettings

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .cards import ModelCard
    from .codecs import Codec
    from .detectors import Detector
    from .media.several import Specs
    from .runtimes import Runtime
    from .selection import Selection

# From an opened frame: its persons.
FindBoxes: TypeAlias = "Callable[[Frame], Boxes]"

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
    def __call__(
        self,
        image: Picture,
        boxes: ArrayLike | None = None,
        *,
        channels: Channels = "rgb",
        score: float | None = None,
        max_persons: int | None = None,
    ) -> Poses: ...
    @overload
    def __call__(
        self,
        image: list[Picture] | tuple[Picture, ...],
        boxes: Sequence[ArrayLike] | None = None,
        *,
        channels: Channels = "rgb",
        score: float | None = None,
        max_persons: int | None = None,
    ) -> list[Poses]: ...
    def __call__(
        self,
        image: Any,
        boxes: Any = None,
        *,
        channels: Channels = "rgb",
        score: float | None = None,
        max_persons: int | None = None,
    ) -> Poses | list[Poses]:
        """Poses of one picture, or of a list of pictures as one batch.

        Args:
            image: a path, an http(s) URL, encoded bytes, a binary file object, a PIL image, an array uint8 or uint16
                (H, W, 3), or a torch tensor (C, H, W) or (H, W, C), uint8 or floating-point in 0..1, of any device
                (see `vitruvian.pictures.as_rgb`); or a list of these, or a tensor (N, C, H, W).
            boxes: persons as (N, 4) xyxy in pixels, instead of the detector's; for a list of pictures, a list of them.
            channels: order of the channels of arrays and tensors, "rgb" or "bgr" (OpenCV's).
            score, max_persons: see `limited`.

        Raises:
            InputError: a picture that can't be read, boxes that are none, or `score` or `max_persons` beside `boxes`.
        """
        if boxes is not None and not (score is None and max_persons is None):
            raise InputError("score and max_persons are for the detector's boxes; choose among those that you give")
        model = self.limited(score, max_persons)
        if is_tensor(image) and image.ndim == 4:
            image = list(image)
        if not isinstance(image, (list, tuple)):
            return model._poses([load_rgb(image, channels)], None if boxes is None else [boxes])[0]
        return model._poses([load_rgb(item, channels) for item in image], boxes)

    def limited(self, score: float | None = None, max_persons: int | None = None) -> TopDown:
        """The same model with other limits of its detector. Networks are shared; without a detector nothing changes.

        Args:
            score: persons detected with a lower score are dropped, 0..1; None leaves the detector's own. Networks with
                NMS inside have dropped some already.
            max_persons: at most so many persons of a picture, the best scored; None leaves the detector's own.

        Raises:
            InputError: out of range.
        """
        if score is not None and not (isinstance(score, Real) and 0 <= score <= 1):
            raise InputError(f"score is {score!r}; it must be a number in 0..1")
        if max_persons is not None and not (isinstance(max_persons, Integral) and max_persons >= 1):
            raise InputError(f"max_persons is {max_persons!r}; it must be a whole number, at least 1")
        if self.detector is None or (score is None and max_persons is None):
            return self
        detector = copy.copy(self.detector)
        detector.score = detector.score if score is None else float(score)
        detector.max_persons = detector.max_persons if max_persons is None else int(max_persons)
        return TopDown(self.pose, detector)

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
        source: Specs,
        track: bool | Tracker = False,
        recursive: bool = False,
        smooth: bool | Smoother = False,
        detect_every: DetectEvery = 1,
        *,
        channels: Channels = "rgb",
        score: float | None = None,
        max_persons: int | None = None,
    ) -> Iterator[Result]:
        """Pictures and poses of a source, one by one, in constant memory; decoding runs ahead in a thread.

        Args:
            source: an image, a folder, a glob, a video, a stream's URL, the number of a camera, or a picture as a call
                takes it; a list of these (the pictures come first, then each video); or an iterator of pictures.
            track: number the persons so that one keeps its number over time (`Poses.track_ids`), in each video anew;
                a Tracker brings settings of its own, and goes on where it was. Faint persons are then looked for as
                well, and left out where they continue no track.
            recursive: take a folder's subfolders too.
            smooth: steady the keypoints of tracked persons over time; a Smoother brings settings of its own.
            detect_every: look for persons on every n-th frame only, or with "auto" where enough has moved, and on
                the first of each scene; in between, tracked persons are followed by their keypoints.
            channels: order of the channels of arrays and tensors, "rgb" or "bgr" (OpenCV's).
            score, max_persons: see `limited`.

        Yields:
            A `Result`: the picture, RGB uint8 (H, W, 3), and its Poses, which also has their source, index, time and
            size. Files that can't be read are logged and passed over.

        Raises:
            InputError: nothing of the source can be read; `smooth` or `detect_every` without `track`.
        """
        model = self.limited(score, max_persons)
        opened = open_sources(source, recursive, channels=channels)
        problems, delivered = list(opened.problems), 0
        for one in opened.sources:
            try:
                with closing(model.frames(one, track, smooth, detect_every)) as frames:
                    for frame, poses in frames:
                        delivered += 1
                        yield Result(frame, poses)
            except InputError as error:
                if len(opened.sources) == 1:
                    raise
                problems.append(str(error))
            finally:
                problems += one.problems
                while problems:
                    logger.warning(problems.pop(0))
        if not delivered and not (len(opened.sources) == 1 and isinstance(opened.sources[0], GivenPictures)):
            raise InputError(f"{opened.name}: none of its pictures could be read")

    def frames(
        self,
        source: Source,
        track: bool | Tracker = False,
        smooth: bool | Smoother = False,
        detect_every: DetectEvery = 1,
        *,
        boxes: FindBoxes | None = None,
        select: Selection | None = None,
    ) -> Generator[tuple[Frame, Poses], None, None]:
        """Like `stream`, but from an opened source, and with `Frame`s.

        Problems of single files are in ``source.problems`` and aren't logged.

        Args:
            source: the source.
            track, smooth, detect_every: see `stream`.
            boxes: the persons of each frame, instead of the detector's.
            select: keep this person only.
        """
        tracker = track if isinstance(track, Tracker) else Tracker(self.tracker_settings) if track else None
        smoother = smooth if isinstance(smooth, Smoother) else Smoother() if smooth else None
        if smoother is not None and tracker is None:
            raise InputError("smoothing needs tracks: track as well (track=True, --track)")
        schedule = None if detect_every == 1 else DetectionSchedule(detect_every)
        if schedule is not None and tracker is None:
            raise InputError("detecting on some frames only needs tracks: track as well (track=True, --track)")
        if schedule is not None and boxes is not None:
            raise InputError("boxes from a file are there for every frame: leave out detect_every (--detect-every)")
        selector = None if select is None else Selector(select)
        if schedule is None or tracker is None:
            found = self._every_frame(source, tracker, boxes, selector)
        else:
            found = self._followed(source, tracker, schedule)
        with closing(found):
            for frame, poses in found:
                if tracker is not None and selector is not None:
                    poses = selector.of_tracks(poses, frame.time, frame.size)
                yield frame, poses if smoother is None else smoother.update(poses, frame.time)

    def _every_frame(
        self, source: Source, tracker: Tracker | None, boxes: FindBoxes | None, selector: Selector | None
    ) -> Generator[tuple[Frame, Poses], None, None]:
        # Frames of live sources go through one by one, and few are read ahead, so that results aren't late.
        at_once, depth = (1, 1) if source.kind == "live" else (FRAMES_AT_ONCE, 2 * FRAMES_AT_ONCE)
        ahead = self._detected(source, at_once, depth, self._detector_for(tracker), boxes)
        with closing(prefetch(ahead, 1)) as detected:
            for batch, persons in detected:
                if tracker is not None:
                    wanted = [
                        tracker.may_matter(found, frame.time) for frame, found in zip(batch, persons, strict=True)
                    ]
                    persons = [found[which] for found, which in zip(persons, wanted, strict=True)]
                elif selector is not None:
                    pairs = zip(persons, batch, strict=True)
                    persons = [selector.of_boxes(found, frame.size) for found, frame in pairs]
                for frame, poses in zip(batch, self.pose([frame.image for frame in batch], persons), strict=True):
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
                    follower.start(poses, frame.time)
                else:
                    boxes = follower.boxes(frame.image.shape[:2], frame.time)
                    (poses,) = self.pose([frame.image], [boxes])
                    poses = tracker.update(follower.kept(poses), frame.time, frame.image)
                    follower.seen(poses, frame.time)
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
        self, source: Source, at_once: int, depth: int, detector: Detector | None, given: FindBoxes | None
    ) -> Iterator[tuple[list[Frame], list[Boxes]]]:
        """Frames, `at_once` at a time, and the persons on them."""
        with closing(prefetch(source, depth, newest=source.paced)) as ahead:
            for batch in batches(ahead, at_once, start=1, enough=lambda batch: held_by(batch) >= BYTES_AHEAD):
                if given is not None:
                    yield batch, [given(frame) for frame in batch]
                else:
                    yield batch, self._find([frame.image for frame in batch], detector)

    def _scheduled(
        self, source: Source, schedule: DetectionSchedule, depth: int, detector: Detector | None
    ) -> Iterator[tuple[Frame, Boxes | None]]:
        """Frames, and the persons on those that the schedule names."""
        with closing(prefetch(source, depth, newest=source.paced)) as ahead:
            for frame in ahead:
                due = schedule.due(frame.image, frame.time)
                yield frame, self._find([frame.image], detector)[0] if due else None


class Result(tuple["NDArray[np.uint8]", Poses]):
    """A picture of a source, and the poses on it: the pair ``image, poses``, and where it is from.

    Args:
        frame: the picture.
        poses: its persons.

    Attributes:
        source: the file as it was given, the URL, ``"camera 0"``, or ``"picture 0"`` for one in memory.
        index: position in its source, from 0.
        time: seconds from the start of the video; None for pictures.
    """

    source: str
    index: int  # type: ignore[assignment]
    time: float | None

    def __new__(cls, frame: Frame, poses: Poses) -> Result:
        """The pair, with the fields of the frame."""
        made = super().__new__(cls, (frame.image, poses))
        made.source, made.index, made.time = frame.source, frame.index, frame.time
        return made

    def __getnewargs__(self) -> tuple[Frame, Poses]:
        """What pickle makes it from."""
        return Frame(self.image, self.source, self.index, self.time), self.poses

    @property
    def image(self) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3)."""
        return self[0]

    @property
    def poses(self) -> Poses:
        """The persons on it."""
        return self[1]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def __repr__(self) -> str:
        width, height = self.size
        time = "" if self.time is None else f", {self.time:.3f} s"
        return f"Result({self.source}, {self.index}{time}, {width}x{height}, {self.poses})"
