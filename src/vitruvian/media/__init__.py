"""Sources and sinks of frames: pictures, folders, videos, streams, cameras, windows, data files."""

from .cameras import Camera
from .frames import Frame, Image, Kind, Source, VideoInfo
from .pictures import ImageBytes, ImageFiles, as_rgb, read_image
from .records import CocoFile, CsvFile, JsonFile, image_ids
from .sinks import DrawnPictures, DrawnVideo, Sink
from .sources import open_source
from .videos import Video
from .writers import VideoWriter, write_image

__all__ = [
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
    "as_rgb",
    "image_ids",
    "open_source",
    "read_image",
    "write_image",
]
