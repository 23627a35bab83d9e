"""Small whole files of every kind that is read, made here, and what must be put right again after a mutation.

A seed is its file's name, the bytes that are mutated, and what makes the file of them: checksums, lengths and archives
are made anew, so that mutations reach what lies behind.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import http_requests
import numpy as np
import torch
from google.protobuf.json_format import MessageToJson, Parse
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image as PIL
from safetensors.torch import save

from vitruvian import networks
from vitruvian.checkpoints.model_files import save_model
from vitruvian.training import read_recipe
from vitruvian.zoo import card

POSE = "pose_hrnet_w32_256x192"


@dataclass(frozen=True)
class Seed:
    """A whole file.

    Args:
        name: of the file.
        data: what is mutated.
        wrap: makes the file's content of it.
    """

    name: str
    data: bytes
    wrap: Callable[[bytes], bytes] = bytes


def pictures() -> list[Seed]:
    """Every format that Pillow writes; PNG also with its checksums put right."""
    rng = np.random.default_rng(0)
    image = PIL.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
    frames = [PIL.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)) for _ in range(3)]
    exif = PIL.Exif()
    exif[0x0112] = 6
    several = {"save_all": True, "append_images": frames, "duration": 50}
    made = {
        "a.jpg": ("JPEG", {"exif": exif}),
        "progressive.jpg": ("JPEG", {"progressive": True}),
        "a.png": ("PNG", {}),
        "a.webp": ("WEBP", {"lossless": True}),
        "a.bmp": ("BMP", {}),
        "a.ppm": ("PPM", {}),
        "a.tif": ("TIFF", {"compression": "tiff_lzw"}),
        "pages.tif": ("TIFF", {"save_all": True, "append_images": frames}),
        "a.gif": ("GIF", several),
        "animated.png": ("PNG", several),
        "animated.webp": ("WEBP", several),
        "a.jp2": ("JPEG2000", {}),
    }
    seeds = []
    for name, (form, options) in made.items():
        buffer = io.BytesIO()
        image.save(buffer, form, **options)
        seeds.append(Seed(name, buffer.getvalue()))
        if form == "PNG":
            seeds.append(Seed(name, buffer.getvalue(), _png))
    return seeds


def _png(data: bytes) -> bytes:
    """The chunks with checksums of their own (https://www.w3.org/TR/png-3/#5Chunk-layout)."""
    parts, place = [data[:8]], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        content = data[place + 4 : place + 8 + min(length, len(data))]
        parts.append(struct.pack(">I", length) + content + struct.pack(">I", zlib.crc32(content)))
        place += 12 + length
    return b"".join(parts)


def videos() -> list[Seed]:
    """A second or less in the usual containers and codecs, with sound."""
    rng = np.random.default_rng(0)
    images = [np.roll(rng.integers(0, 255, (48, 64, 3), np.uint8), i, axis=1) for i in range(6)]
    made = {
        "a.mp4": ("libx264", "aac"),
        "a.mkv": ("libx264", "pcm_s16le"),
        "a.avi": ("mpeg4", "pcm_s16le"),
        "a.mov": ("mjpeg", None),
        "a.ts": ("mpeg2video", None),
        "a.webm": ("libvpx-vp9", None),
        "a.h264": ("libx264", None),
    }
    seeds = []
    for name, (codec, sound) in made.items():
        buffer = io.BytesIO()
        form = {"mkv": "matroska", "ts": "mpegts"}.get(name[2:], name[2:])
        with av.open(buffer, "w", format=form) as out:
            stream = out.add_stream(codec, rate=30)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            track = out.add_stream(sound, rate=48_000) if sound else None
            for image in images:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode(None))
            if track is not None:
                kind = "s16" if sound == "pcm_s16le" else "fltp"
                silence = np.zeros((1, 4096) if kind == "s16" else (2, 2048), np.int16 if kind == "s16" else np.float32)
                frame = av.AudioFrame.from_ndarray(silence, format=kind, layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
                out.mux(track.encode(frame))
                out.mux(track.encode(None))
        seeds.append(Seed(name, buffer.getvalue()))
    return seeds


def checkpoints() -> list[Seed]:
    """A small state dict in all its wrappings; of archives the pickle is mutated, too."""
    tensors = OrderedDict(
        (("conv1.weight", torch.ones(4, 3, 3, 3)), ("bn1.weight", torch.ones(4).half()), ("bn1.count", torch.tensor(3)))
    )
    buffers = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"epoch": 3, "state_dict": tensors, "best": 0.5}, buffer, _use_new_zipfile_serialization=new)
        buffers.append(buffer.getvalue())
    zipped, legacy = buffers
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        inner = archive.read("archive/data.pkl")
    flat = save(dict(tensors), {"format": "pt"})
    (length,) = struct.unpack("<Q", flat[:8])
    return [
        Seed("a.pth", zipped),
        *(Seed("inner.pth", inner, lambda data: _with_pickle(zipped, data)) for _ in range(3)),
        Seed("legacy.pth", legacy),
        Seed("plain.pth", pickle.dumps({"a": [1, {2: (3, "x")}]}, 4), lambda data: _with_pickle(zipped, data)),
        Seed("a.safetensors", flat),
        Seed(
            "header.safetensors",
            flat[8 : 8 + length],
            lambda head: struct.pack("<Q", len(head)) + head + flat[8 + length :],
        ),
    ]


def _with_pickle(archive: bytes, inner: bytes) -> bytes:
    """A PyTorch archive with another pickle in it, and checksums that are right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, inner if name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


def models(folder: Path) -> list[Seed]:
    """A whole model as training saves it: its header is mutated, and the card and the spec in it."""
    path = folder / "model.safetensors"
    spec = replace(networks.SPECS[POSE], width=8, input_size=(64, 64))
    network = networks.create(POSE, width=8, input_size=(64, 64))
    save_model(path, network.state_dict(), replace(card(POSE), input_size=(64, 64)), spec)
    whole = path.read_bytes()
    path.unlink()
    (length,) = struct.unpack("<Q", whole[:8])
    head, tensors = whole[8 : 8 + length], whole[8 + length :]

    def with_head(data: bytes) -> bytes:
        return struct.pack("<Q", len(data)) + data + tensors

    def with_text(key: str, data: bytes) -> bytes:
        header = json.loads(head)
        header["__metadata__"][key] = data.decode(errors="replace")
        return with_head(json.dumps(header).encode())

    inner = json.loads(head)["__metadata__"].items()
    texts = [Seed("model.safetensors", text.encode(), partial(with_text, key)) for key, text in inner]
    return [Seed("model.safetensors", head, with_head), *texts, *texts]


def graphs() -> list[Seed]:
    """A pose net and a detector of constants, as ONNX."""
    heat = np.zeros((17, 16, 12), np.float32)
    heat[:, 5, 6] = 1
    found = np.array([[10, 10, 50, 60, 0.9]], np.float32)
    pose = _constants({"heatmaps": heat}, (64, 48))
    detector = _constants({"dets": found, "labels": np.zeros(1, np.int64)}, (64, 64))
    seeds = []
    for name, data in (("pose.onnx", pose), ("detector.onnx", detector)):
        text = MessageToJson(ModelProto.FromString(data)).encode()
        seeds += [Seed(name, data), Seed(name, text, _graph), Seed(name, text, _graph)]
    return seeds


def _graph(text: bytes) -> bytes:
    """A graph from its JSON, so that mutations reach operators, shapes and values; what is no graph stays text."""
    try:
        return bytes(Parse(text, ModelProto()).SerializeToString())
    except Exception:  # protobuf's own, and whatever it raises beside them
        return text


def _constants(outputs: dict[str, np.ndarray], size: tuple[int, int]) -> bytes:
    nodes = [helper.make_node("Shape", ["input"], ["batch"], start=0, end=1)]
    infos = []
    for name, value in outputs.items():
        rest = numpy_helper.from_array(np.array(value.shape, np.int64), f"{name}_shape")
        nodes += [
            helper.make_node(
                "Constant", [], [f"{name}_one"], value=numpy_helper.from_array(value[None], f"{name}_value")
            ),
            helper.make_node("Constant", [], [f"{name}_rest"], value=rest),
            helper.make_node("Concat", ["batch", f"{name}_rest"], [f"{name}_full"], axis=0),
            helper.make_node("Expand", [f"{name}_one", f"{name}_full"], [name]),
        ]
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        infos.append(helper.make_tensor_value_info(name, kind, ["N", *value.shape]))
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, *size])
    graph = helper.make_graph(nodes, "constants", [entry], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def texts() -> dict[str, list[Seed]]:
    """Annotations, detections, cards, journals; skeletons and recipes."""
    triplets = [value for number in range(17) for value in (10.0 + number, 20.5, 2)]
    person = {"id": 1, "image_id": 7, "category_id": 1, "keypoints": triplets, "num_keypoints": 17, "iscrowd": 0}
    person |= {"bbox": [5.0, 6.0, 50.0, 80.0], "area": 2000.0}
    names = list(card(POSE).skeleton.keypoints)
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": [[1, 2], [2, 3]]}
    images = [{"id": 7, "file_name": "7.png", "width": 100, "height": 120}]
    annotations = {"images": images, "annotations": [person], "categories": [category]}
    detections = [{"image_id": 7, "category_id": 1, "bbox": [5.0, 6.0, 50.0, 80.0], "score": 0.9}]
    line = {"image_id": 7, "shape": [1, 17], "boxes": [[5, 6, 50, 80]], "box_scores": [0.9]}
    line |= {"keypoints": [1.5] * 34, "peaks": [0.5] * 17}
    journal = "".join(json.dumps(record) + "\n" for record in ({"fingerprint": "a"}, line, {**line, "image_id": 8}))
    skeleton = (
        f"name: own\nkeypoints: {json.dumps(names)}\nlimbs: [[nose, left_eye]]\nflip_pairs: [[left_eye, right_eye]]\n"
    )
    scored = {"box": [5, 6, 50, 80], "score": 0.9, "track_id": 1}
    scored |= {"keypoints": [[9, 9.5]] * 17, "keypoint_scores": [0.5] * 17}
    frames = [
        {"source": "in/7.png", "index": i, "time": None, "width": 100, "height": 120, "persons": [scored]}
        for i in (0, 1)
    ]
    poses = {"source": "in", "skeleton": {"name": "coco17", "keypoints": names, "limbs": [[0, 1]]}, "frames": frames}
    track = {**person, "track_id": 1, "bbox_head": [5, 6, 9, 9]}
    pose_track = {"images": [{**images[0], "is_labeled": True}], "annotations": [track], "categories": [category]}
    mot = b"1,1,5,6,50,80,1,1,1\n2,1,6,6,50,80,1,1,1\n2,2,60,6,50,80,0,7,0.5\n"
    return {
        "annotations": [
            Seed("annotations.json", json.dumps(annotations).encode()),
            Seed("poses.json", json.dumps(poses).encode()),
        ],
        "tracks": [
            Seed("truth.txt", mot),
            Seed("found.txt", mot),
            Seed("truth.json", json.dumps(pose_track).encode()),
            Seed("found.json", json.dumps({**poses, "source": "in.mp4"}).encode()),
        ],
        "detections": [Seed("detections.json", json.dumps(detections).encode())],
        "card": [Seed("card.json", card(POSE).to_json().encode())],
        "journal": [Seed("journal.jsonl", journal.encode())],
        "skeleton": [Seed("skeleton.yaml", (skeleton + "sigmas: [" + "0.1, " * 16 + "0.1]\n").encode())],
        "recipe": [Seed("recipe.yaml", read_recipe(POSE).to_yaml().encode())],
    }


def states() -> list[Seed]:
    """What a broken run goes on from."""
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "epoch": 1,
        "global_step": 4,
        "loops": {"fit_loop": {"epoch": 1}},
        "callbacks": {"SameSums": {"threads": 1}},
    }
    state |= {"state_dict": network.state_dict(), "optimizer_states": [optimizer.state_dict()]}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    whole = buffer.getvalue()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        inner = archive.read("archive/data.pkl")
    return [Seed("state.ckpt", inner, lambda data: _with_pickle(whole, data)), Seed("state.ckpt", whole)]


def all_seeds(folder: Path) -> dict[str, list[Seed]]:
    """Seeds by the kind of file; `folder` is used while they are made."""
    return {
        "picture": pictures(),
        "video": videos(),
        "checkpoint": checkpoints(),
        "model": models(folder),
        "onnx": graphs(),
        **texts(),
        "state": states(),
        "request": [Seed("a.request", data, wrap) for data, wrap in http_requests.seeds(pictures(), videos())],
    }
