"""Sources and sinks of frames: pictures, folders, videos, streams, cameras, windows, data files."""

from .cameras import Camera
from .frames import Frame, Image, Kind, Source, VideoInfo
from .parquet import ParquetFile
from .pictures import ImageBytes, ImageFiles, as_rgb, read_image
from .records import CocoDataset, CocoFile, CsvFile, JsonFile, image_ids, numbered_by_place
from .sinks import DrawnPictures, DrawnVideo, Sink
from .sources import open_source
from .videos import Video
from .writers import VideoWriter, write_image

__all__ = [
    "Camera",
    "CocoDataset",
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
    "ParquetFile",
    "Sink",
    "Source",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "as_rgb",
    "image_ids",
    "numbered_by_place",
    "open_source",
    "read_image",
    "write_image",
]
