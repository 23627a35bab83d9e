"""Sources and sinks of frames: pictures, folders, videos, streams, cameras, windows, data files."""

from ..pictures import Image, as_rgb, read_image
from .boxes import BoxFile
from .cameras import Camera
from .excerpts import Section
from .frames import Frame, Kind, Source, VideoInfo
from .parquet import ParquetFile
from .pictures import GivenPictures, ImageBytes, ImageFiles, PictureList
from .records import CocoDataset, CocoFile, CsvFile, JsonFile, image_ids, numbered_by_place
from .several import SourceList, open_sources
from .sinks import DrawnPictures, DrawnVideo, Sink
from .sources import open_source
from .videos import Video
from .writers import VideoWriter, write_image

__all__ = [
    "BoxFile",
    "Camera",
    "CocoDataset",
    "CocoFile",
    "CsvFile",
    "DrawnPictures",
    "DrawnVideo",
    "Frame",
    "GivenPictures",
    "Image",
    "ImageBytes",
    "ImageFiles",
    "JsonFile",
    "Kind",
    "ParquetFile",
    "PictureList",
    "Section",
    "Sink",
    "Source",
    "SourceList",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "as_rgb",
    "image_ids",
    "numbered_by_place",
    "open_source",
    "open_sources",
    "read_image",
    "write_image",
]
