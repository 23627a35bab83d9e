"""Tracking of persons over time, and smoothing of their keypoints.

tracker = vt.tracking.Tracker()
poses = tracker.update(poses, time=seconds)     # poses.track_ids
"""

from .association import box_iou
from .following import DetectEvery, DetectionSchedule, Follower, check_every
from .series import repetitions, smooth_series, speed
from .settings import TrackerSettings
from .smoothing import Smoother, SmoothingSettings, smooth
from .tracker import Tracker

__all__ = [
    "DetectEvery",
    "DetectionSchedule",
    "Follower",
    "Smoother",
    "SmoothingSettings",
    "Tracker",
    "TrackerSettings",
    "box_iou",
    "check_every",
    "repetitions",
    "smooth",
    "smooth_series",
    "speed",
]
