"""The zoo as data: what was published of each model, and where its file lies. Nothing is computed or fetched here.

AP is the authors' own figure, from the page at `paper`, also where the file is from somebody else: `source` says from
whom, and a checksum stands beside the addresses of its own publisher only. Parameters and work of the networks in
`networks.SPECS` are counted on the networks themselves (a test does it again), in the unit that `Published` explains;
for the others they are the publishers'. No checksum was published for the files on Google Drive or by Megvii. The full
ones below are those that several independent projects on GitHub pin for the same files; the eight digits of OpenMMLab's
and of the ImageNet files are part of their published names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cards import Published, Weights

_POSE_ESTIMATION = "https://github.com/sithu31296/pose-estimation"
_HRNET = "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"
_HRNET_FOLDER = "https://drive.google.com/drive/folders/1hOTihvbyIxsm5ygDpbUuJ7O_tzv4oXjC"
_SIMDR = "https://github.com/leeyegy/SimCC"
_SIMDR_FOLDER = "https://drive.google.com/drive/folders/1HtIkWDpHasULk_MArlGLtyf-XRAyAsuP"
_RLE = "https://github.com/Jeff-sjtu/res-loglikelihood-regression"
_PSA = "https://github.com/DeLightCMU/PSA"
_YOLOV5 = "https://github.com/ultralytics/yolov5"
_CROWDHUMAN = "https://github.com/deepakcrk/yolov5-crowdhuman"
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX"
_MMPOSE = "https://github.com/open-mmlab/mmpose"
_RTM = f"{_MMPOSE}/tree/main/projects/rtmpose"
_OPENMMLAB = "https://download.openmmlab.com/mmpose"
_HEATMAP_1X = "v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco"
_SIMCC_1X = "v1/body_2d_keypoint/simcc/coco"

_VAL, _TEST = "COCO val2017", "COCO test-dev2017"
# Person AP of the boxes that the HRNet authors published for each of the two, and that everyone since has used.
_DETECTOR = {_VAL: 56.4, _TEST: 60.9}


@dataclass(frozen=True)
class Entry:
    """A line of the zoo.

    Args:
        published: its quality and cost.
        weights: where its file lies, None where the authors published none.
    """

    published: Published
    weights: Weights | None = None


def _drive(*ids: str) -> tuple[str, ...]:
    """Addresses that skip the page on which Google Drive asks whether to download a large file unscanned."""
    page = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"
    return tuple(page.format(key) for key in ids)


def _pose(
    ap: float | None, split: str, parameters: int | None, gflops: float | None, paper: str, weights: Weights | None
) -> Entry:
    detector = None if ap is None else _DETECTOR[split]
    return Entry(Published(ap, split, detector, parameters, gflops, paper), weights)


def _hrnet(filename: str, *ids: str, sha256: str = "", size: int | None = None) -> Weights:
    return Weights(filename, _drive(*ids), sha256, size, "MIT", _HRNET if ids else _HRNET_FOLDER, "HRNet's")


def _pose_estimation(filename: str, key: str, licence: str = "not stated") -> Weights:
    """What the project that this one continues has in its table: its own uploads, under names of its own."""
    return Weights(filename, _drive(key), "", None, licence, _POSE_ESTIMATION, "pose-estimation's")


def _mmpose(path: str, sha256: str) -> Weights:
    return Weights(path.rpartition("/")[2], (f"{_OPENMMLAB}/{path}",), sha256, None, "Apache-2.0", _MMPOSE, "MMPose's")


def _rtm(name: str) -> Weights:
    # The digits in the archive's name are the checksum of the checkpoint that was exported, not the archive's own.
    url = f"{_OPENMMLAB}/v1/projects/rtmposev1/onnx_sdk/{name}.zip"
    return Weights(f"{name}.onnx", (url,), licence="Apache-2.0", source=_RTM)


def _rtmpose(name: str, ap: float, parameters: int, gflops: float) -> Entry:
    return _pose(ap, _VAL, parameters, gflops, "https://arxiv.org/abs/2303.07399", _rtm(name))


def _rtmdet(name: str, ap: float, parameters: int, gflops: float) -> Entry:
    return Entry(Published(ap, f"{_VAL} persons", None, parameters, gflops, _RTM), _rtm(name))


def _yolov5(size: str, ap: float, parameters: int, gflops: float, sha256: str, length: int) -> Entry:
    url = f"{_YOLOV5}/releases/download/v7.0/yolov5{size}.pt"
    weights = Weights(f"yolov5{size}.pt", (url,), sha256, length, "GPL-3.0, now AGPL-3.0", _YOLOV5, "YOLOv5's")
    return Entry(Published(ap, f"{_VAL} boxes", None, parameters, gflops, _YOLOV5), weights)


def _yolox(size: str, ap: float, parameters: int, gflops: float, sha256: str = "", length: int | None = None) -> Entry:
    url = f"{_YOLOX}/releases/download/0.1.1rc0/yolox_{size}.onnx"
    weights = Weights(f"yolox_{size}.onnx", (url,), sha256, length, "Apache-2.0", _YOLOX)
    return Entry(Published(ap, f"{_VAL} boxes", None, parameters, gflops, _YOLOX), weights)


_W32 = _hrnet(
    "pose_hrnet_w32_256x192.pth",
    "1zYC7go9EV0XaSlSBjMaiyE_4TcHc_S38",
    sha256="19bc083708bb8d873211e50d85d56344c10290c6e8b564c813fdde09645c4c1c",
    size=114_721_619,
)
_W48_LARGE = _hrnet(
    "pose_hrnet_w48_384x288.pth",
    "1UoJhTtjHNByZSm96W3yFTfU5upJnsKiS",
    sha256="95e0fec3194826d5e3f806ea89be68bbb84517b114c3a32b3058c56610b5ef61",
    size=255_061_287,
)
# All but the first its authors have in folders only, which open in a browser and nowhere else.
_POSEHRNET_W32 = _pose_estimation("posehrnet_w32_256x192.pth", "1os6T42ri4zsVPXwceli3J3KtksIaaGgu", "MIT")
_POSEHRNET_W48 = _pose_estimation("posehrnet_w48_256x192.pth", "1MbEjiXkV83Pm3G2o_Rni4j9CT_jRDSAQ", "MIT")
_SIMDR_W32 = _pose_estimation("simdr_hrnet_w32_256x192.pth", "1Bd8h2H30tCN8WuLIhuSRF9ViN6zghj29")
_SIMDR_W48 = _pose_estimation("simdr_hrnet_w48_256x192.pth", "1WU_9e0MxgrO8X4W6wKo16L8siCdwgLSZ")
_SIMDR_STAR = _pose_estimation("sa_simdr_hrnet_w48_256x192.pth", "1Tj9bGL7g7XRyL2F1a-uAcWhgYXnXpqBY")
_SIMDR_LARGE = Weights("sa_simdr_hrnet_w48_384x288.pth", source=_SIMDR_FOLDER, layout="HRNet's")
_CROWD = Weights(
    "crowdhuman_yolov5m.pt", _drive("1gglIwqxaH2iTvy6lZlXuAcMpd_U0GCUb"), source=_CROWDHUMAN, layout="YOLOv5's"
)
_RLE_COCO = Weights("coco-laplace-rle.pth", _drive("1YBHqNKkxIVv8CqgDxkezC-4vyKpx-zXK"), source=_RLE, layout="RLE's")
_RLE_PAPER = "https://arxiv.org/abs/2107.11291"

ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "pose_hrnet_w32_256x192": _pose(74.4, _VAL, 28_536_113, 7.12, _HRNET, _W32),
        "posehrnet_w32_256x192": _pose(74.4, _VAL, 28_536_113, 7.12, _HRNET, _POSEHRNET_W32),
        "pose_hrnet_w32_384x288": _pose(75.8, _VAL, 28_536_113, 16.02, _HRNET, _hrnet("pose_hrnet_w32_384x288.pth")),
        "pose_hrnet_w48_256x192": _pose(75.1, _VAL, 63_595_745, 14.61, _HRNET, _POSEHRNET_W48),
        "pose_hrnet_w48_384x288": _pose(76.3, _VAL, 63_595_745, 32.88, _HRNET, _W48_LARGE),
        "simdr_hrnet_w32_256x192": _pose(75.3, _VAL, 31_289_521, 7.16, _SIMDR, _SIMDR_W32),
        "simdr_hrnet_w48_256x192": _pose(75.9, _VAL, 66_349_153, 14.66, _SIMDR, _SIMDR_W48),
        "sa_simdr_hrnet_w48_256x192": _pose(75.4, _TEST, 66_349_153, 14.66, _SIMDR, _SIMDR_STAR),
        "sa_simdr_hrnet_w48_384x288": _pose(76.0, _TEST, 70_564_049, 32.99, _SIMDR, _SIMDR_LARGE),
        "pose_pyramid_w32_256x192": _pose(None, "", 2_358_625, 0.52, "", None),
        "rle_resnet50_256x192": _pose(None, "", 23_701_148, 4.0, _RLE_PAPER, _RLE_COCO),
        "rle_hrnet_w48_384x288": _pose(75.7, _TEST, 65_427_932, 35.74, _RLE_PAPER, None),
        "psa_p_hrnet_w48_256x192": _pose(78.9, _TEST, 69_950_945, 15.65, _PSA, None),
        "psa_p_hrnet_w48_384x288": _pose(79.5, _TEST, 69_950_945, 35.21, _PSA, None),
        "psa_s_hrnet_w48_384x288": _pose(79.4, _TEST, 68_980_289, 35.21, _PSA, None),
        # The project's own, after RTMDet; nothing is published of it.
        "person_csp_w32_416x416": Entry(Published(None, "", None, 1_369_509, 1.53, "https://arxiv.org/abs/2212.07784")),
        "yolov5n": _yolov5(
            "n", 28.0, 1_872_157, 4.47, "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3", 4_062_133
        ),
        "yolov5s": _yolov5(
            "s", 37.4, 7_235_389, 16.43, "8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee", 14_808_437
        ),
        "yolov5m": _yolov5(
            "m", 45.4, 21_190_557, 48.87, "61d933360ba5a7733a36764996c800287d973889d875227f5beedd2473a97a56", 42_806_829
        ),
        "yolov5l": _yolov5(
            "l",
            49.0,
            46_563_709,
            108.99,
            "2f603b7354c25454d1270663a14d8ddc1eea98e5eebc1d84ce0c6e3150fa155f",
            93_622_629,
        ),
        "yolov5x": _yolov5(
            "x",
            50.7,
            86_749_405,
            205.45,
            "9f27a794fa0308e2606f90565164571d6f0a0ba18a3ce2e5e5d323b71c157859",
            174_114_333,
        ),
        "yolov5m_crowdhuman": Entry(Published(None, "", None, 21_060_447, 50.23, _CROWDHUMAN), _CROWD),
        "mmpose_hrnet_w32_256x192": _pose(
            74.6,
            _VAL,
            28_536_113,
            7.12,
            _MMPOSE,
            _mmpose("top_down/hrnet/hrnet_w32_coco_256x192-c78dce93_20200708.pth", "c78dce93"),
        ),
        "mmpose_hrnet_w32_384x288": _pose(
            76.0,
            _VAL,
            28_536_113,
            16.02,
            _MMPOSE,
            _mmpose("top_down/hrnet/hrnet_w32_coco_384x288-d9f0d786_20200708.pth", "d9f0d786"),
        ),
        "mmpose_hrnet_w48_256x192": _pose(
            75.6,
            _VAL,
            63_595_745,
            14.61,
            _MMPOSE,
            _mmpose("top_down/hrnet/hrnet_w48_coco_256x192-b9e0b3ab_20200708.pth", "b9e0b3ab"),
        ),
        "mmpose_hrnet_w48_384x288": _pose(
            76.7,
            _VAL,
            63_595_745,
            32.88,
            _MMPOSE,
            _mmpose("top_down/hrnet/hrnet_w48_coco_384x288-314c8528_20200708.pth", "314c8528"),
        ),
        "mmpose_rle_resnet50_256x192": _pose(
            70.4,
            _VAL,
            23_701_148,
            4.0,
            _MMPOSE,
            _mmpose("top_down/deeppose/deeppose_res50_coco_256x192_rle-2ea9bb4a_20220616.pth", "2ea9bb4a"),
        ),
        # Multiply-adds as they are, not as Simple Baselines' tables count those of transposed convolutions (8.9).
        "mmpose_resnet50_256x192": _pose(
            71.8, _VAL, 33_999_697, 5.05, _MMPOSE, _mmpose(f"{_HEATMAP_1X}_256x192-04af38ce_20220923.pth", "04af38ce")
        ),
        "mmpose_resnet50_384x288": _pose(
            73.1, _VAL, 33_999_697, 11.37, _MMPOSE, _mmpose(f"{_HEATMAP_1X}_384x288-7b8db90e_20220923.pth", "7b8db90e")
        ),
        "mmpose_simcc_resnet50_256x192": _pose(
            72.1,
            _VAL,
            36_753_105,
            5.1,
            _MMPOSE,
            _mmpose(f"{_SIMCC_1X}/simcc_res50_8xb64-210e_coco-256x192-8e0f5b59_20220919.pth", "8e0f5b59"),
        ),
        "mmpose_simcc_resnet50_384x288": _pose(
            73.5,
            _VAL,
            43_290_769,
            11.52,
            _MMPOSE,
            _mmpose(f"{_SIMCC_1X}/simcc_res50_8xb32-140e_coco-384x288-45c3ba34_20220913.pth", "45c3ba34"),
        ),
        "rtmpose_s_256x192": _rtmpose(
            "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504", 69.7, 5_470_000, 0.68
        ),
        "rtmpose_m_256x192": _rtmpose(
            "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504", 74.9, 13_590_000, 1.93
        ),
        "rtmpose_x_384x288": _rtmpose(
            "rtmpose-x_simcc-body7_pt-body7_700e-384x288-71d7b7e9_20230629", 78.8, 49_430_000, 17.22
        ),
        "rtmdet_nano": _rtmdet("rtmdet_nano_8xb32-100e_coco-obj365-person-05d8511e", 40.3, 990_000, 0.31),
        "rtmdet_m": _rtmdet("rtmdet_m_8xb32-100e_coco-obj365-person-235e8209", 62.5, 24_660_000, 38.95),
        "yolox_nano": _yolox(
            "nano", 25.8, 910_000, 1.08, "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d", 3_659_407
        ),
        "yolox_tiny": _yolox("tiny", 32.8, 5_060_000, 6.45),
        "yolox_s": _yolox("s", 40.5, 9_000_000, 26.8),
        "yolox_m": _yolox("m", 47.2, 25_300_000, 73.8),
        "yolox_l": _yolox("l", 50.1, 54_200_000, 155.6),
    }
)

# Classifiers trained on ImageNet, to start training from.
BACKBONES: Mapping[str, Weights] = MappingProxyType(
    {
        "hrnet_w32": Weights(
            "hrnet_w32-36af842e.pth",
            (f"{_OPENMMLAB}/pretrain_models/hrnet_w32-36af842e.pth",),
            "36af842e",
            None,
            "MIT",
            _MMPOSE,
        ),
        "hrnet_w48": Weights(
            "hrnet_w48-8ef0771d.pth",
            (f"{_OPENMMLAB}/pretrain_models/hrnet_w48-8ef0771d.pth",),
            "8ef0771d",
            None,
            "MIT",
            _MMPOSE,
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
