"""Sources and sinks of frames: pictures, folders, videos, streams, cameras, windows, data files."""

from .cameras import Camera
from .decoding import MAX_PIXELS, picture_extensions
from .destinations import check_targets, picture_targets, video_target
from .frames import Frame, Image, Kind, Source, VideoInfo
from .pictures import ImageBytes, ImageFiles, as_rgb, expand, open_folder, read_image
from .records import STDOUT, CocoFile, CsvFile, JsonFile, image_ids
from .sinks import DrawnPictures, DrawnVideo, Sink
from .sources import open_source
from .threads import Background, prefetch
from .videos import Video
from .window import Window
from .writers import PICTURE_SUFFIXES, VIDEO_SUFFIXES, VideoWriter, write_image

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "STDOUT",
    "VIDEO_SUFFIXES",
    "Background",
    "Camera",
    "CocoFile",
    "CsvFile",
    "DrawnPictures",
    "DrawnVideo",
    "Frame",
    "Image",
    "ImageBytes",
    "ImageFiles",
    "JsonFile",
    "Kind",
    "Sink",
    "Source",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "Window",
    "as_rgb",
    "check_targets",
    "expand",
    "image_ids",
    "open_folder",
    "open_source",
    "picture_extensions",
    "picture_targets",
    "prefetch",
    "read_image",
    "video_target",
    "write_image",
]
