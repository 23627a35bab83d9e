"""Sources of published weights and figures that several architectures share.

AP is always the authors' own figure, from the page at `paper`. `source` is who published the file. A checksum is given
only for its publisher's address. Parameters and work of the networks that
Vitruvian builds are counted on the networks themselves (a test does it again), in the unit that `Published` explains;
for the others they are the publishers'. No checksum was published for the files on Google Drive or by Megvii. The full
ones are those that several independent projects on GitHub pin for the same files; the eight digits of OpenMMLab's and
of the ImageNet files are part of their published names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..cards import Published, Weights

POSE_ESTIMATION = "https://github.com/sithu31296/pose-estimation"
HRNET = "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"
SIMDR = "https://github.com/leeyegy/SimCC"
MMPOSE = "https://github.com/open-mmlab/mmpose"
RTM = f"{MMPOSE}/tree/main/projects/rtmpose"
OPENMMLAB = "https://download.openmmlab.com/mmpose"

VAL, TEST = "COCO val2017", "COCO test-dev2017"
# Person AP of the boxes that the HRNet authors published for each of the two, and that everyone since has used.
_DETECTOR_AP = {VAL: 56.4, TEST: 60.9}

# Classifiers trained on ImageNet, to start training from.
BACKBONES: Mapping[str, Weights] = MappingProxyType(
    {
        "hrnet_w32": Weights(
            "hrnet_w32-36af842e.pth",
            (f"{OPENMMLAB}/pretrain_models/hrnet_w32-36af842e.pth",),
            "36af842e",
            None,
            "MIT",
            MMPOSE,
        ),
        "hrnet_w48": Weights(
            "hrnet_w48-8ef0771d.pth",
            (f"{OPENMMLAB}/pretrain_models/hrnet_w48-8ef0771d.pth",),
            "8ef0771d",
            None,
            "MIT",
            MMPOSE,
        ),
        "resnet50": Weights(
            "resnet50-0676ba61.pth",
            ("https://download.pytorch.org/models/resnet50-0676ba61.pth",),
            "0676ba61",
            None,
            "BSD-3-Clause",
            "https://github.com/pytorch/vision",
        ),
    }
)


def on_coco(ap: float | None, split: str, parameters: int | None, gflops: float | None, paper: str) -> Published:
    """Figures of a pose net on COCO, with the HRNet authors' detected boxes."""
    return Published(ap, split, None if ap is None else _DETECTOR_AP[split], parameters, gflops, paper)


def google_drive(*ids: str) -> tuple[str, ...]:
    """Addresses that skip the page on which Google Drive asks whether to download a large file unscanned."""
    page = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
    return tuple(page.format(key) for key in ids)


def pose_estimation(filename: str, key: str, licence: str = "not stated") -> Weights:
    """A file in the table of the project that this one continues: its own uploads, under names of its own."""
    return Weights(filename, google_drive(key), "", None, licence, POSE_ESTIMATION, "pose-estimation's")


def mmpose(path: str, sha256: str) -> Weights:
    """A checkpoint of MMPose's."""
    return Weights(path.rpartition("/")[2], (f"{OPENMMLAB}/{path}",), sha256, None, "Apache-2.0", MMPOSE, "MMPose's")


def rtm(name: str) -> Weights:
    """An ONNX file of RTMPose's project, in an archive."""
    # The digits in the archive's name are the checksum of the checkpoint that was exported, not the archive's own.
    url = f"{OPENMMLAB}/v1/projects/rtmposev1/onnx_sdk/{name}.zip"
    return Weights(f"{name}.onnx", (url,), licence="Apache-2.0", source=RTM)
