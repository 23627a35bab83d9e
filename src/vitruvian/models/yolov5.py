"""YOLOv5 in the layouts v5 and v6, and its YOLOv5m trained on CrowdHuman."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Literal

from ..cards import DetectorOptions, ModelCard, Published, Triple, Weights
from ..errors import ModelError
from .base import SIZE_MULTIPLE, Architecture, Identity, Shapes, Spec, check_choice, entry, first_published, rows
from .published import VAL, google_drive

Layout = Literal["v6", "v5"]

_PAGE = "https://github.com/ultralytics/yolov5"
_CROWDHUMAN = "https://github.com/deepakcrk/yolov5-crowdhuman"
_MEAN: Triple = (0.0, 0.0, 0.0)
_STD: Triple = (255.0, 255.0, 255.0)


@dataclass(frozen=True, kw_only=True)
class YOLOv5Spec(Spec):
    """YOLOv5.

    Args:
        depth: multiple of the layer table's repeats.
        width: multiple of the layer table's channels.
        num_classes: classes; `person` is the index of the one that the pose networks want.
        layout: "v6" starts with a 6x6 convolution and ends its backbone with SPPF, "v5" with Focus and SPP.
        input_size: (height, width) in pixels, multiples of 32, that the released weights were trained at.

    Raises:
        ModelError: an option that the network can't have.
    """

    depth: float
    width: float
    num_classes: int = 80
    person: int = 0
    layout: Layout = "v6"
    input_size: tuple[int, int] = (640, 640)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("layout", self.layout, ("v6", "v5"))
        if self.depth <= 0 or self.width <= 0:
            raise ModelError(f"depth and width are {self.depth} and {self.width}; they are multiples, above 0")
        if not 0 <= self.person < self.num_classes:
            raise ModelError(f"person is class {self.person} of {self.num_classes}; it is an index below num_classes")

    def __str__(self) -> str:
        return f"YOLOv5 (depth {self.depth:g}, width {self.width:g}, layout {self.layout})"

    def counted(self, num_keypoints: int) -> str:
        """The number of results, in words."""
        return f"{self.num_classes} classes"


# What is known of crowdhuman_yolov5m (github.com/deepakcrk/yolov5-crowdhuman): its users print the layer table of
# YOLOv5m in the v5 layout (Focus of 48 channels, SPP at 8, C3 without shortcuts at 9), and take class 0 for the whole
# person, class 1 for the head.
SPECS: Mapping[str, YOLOv5Spec] = MappingProxyType(
    {
        "yolov5n": YOLOv5Spec(depth=0.33, width=0.25),
        "yolov5s": YOLOv5Spec(depth=0.33, width=0.50),
        "yolov5m": YOLOv5Spec(depth=0.67, width=0.75),
        "yolov5l": YOLOv5Spec(depth=1.0, width=1.0),
        "yolov5x": YOLOv5Spec(depth=1.33, width=1.25),
        "yolov5m_crowdhuman": YOLOv5Spec(depth=0.67, width=0.75, num_classes=2, layout="v5"),
    }
)


def describe(spec: YOLOv5Spec, name: str, num_keypoints: int) -> ModelCard:
    """The card of a network, as its authors feed and read it."""
    options = DetectorOptions(person=spec.person, size_multiple=SIZE_MULTIPLE)
    return ModelCard(name, "detection", "yolov5", spec.input_size, _MEAN, _STD, options=options)


def identify(shapes: Shapes) -> Identity | None:
    """Width from the channels of layer 7, depth from the repeats of layer 6, which the table gives as 9."""
    if "model.0.conv.weight" not in shapes and "model.0.conv.conv.weight" not in shapes:
        return None
    if "model.24.m.0.weight" not in shapes:
        raise ModelError(
            "the weights look like a YOLO's, but not like YOLOv5's n, s, m, l or x in the layouts v5 and v6: layer 24 "
            "isn't YOLOv5's detection head with three levels; YOLOv8 and later have no network here"
        )
    layout: Layout = "v5" if "model.0.conv.conv.weight" in shapes else "v6"
    width = rows(shapes, "model.7.conv.weight") / 1024
    repeats = next(number for number in count() if f"model.6.m.{number}.cv1.conv.weight" not in shapes)
    values = rows(shapes, "model.24.m.0.weight")
    if values % 3 or values < 18 or not repeats:
        raise ModelError(f"the weights look like YOLOv5's, but layer 24 gives {values} values, or layer 6 is empty")
    known = {(round(9 * spec.depth), spec.width): spec.depth for spec in SPECS.values()}
    depth = known.get((repeats, width), repeats / 9)
    spec = YOLOv5Spec(depth=depth, width=width, num_classes=values // 3 - 5, layout=layout)
    return Identity(spec, first_published(SPECS, spec)[0], 0)


def fit_classes(wanted: YOLOv5Spec, found: object, names: tuple[str, ...]) -> tuple[YOLOv5Spec, str]:
    """The file's classes, of which the one that is called person is found; see `Architecture`."""
    if isinstance(found, YOLOv5Spec) and found.num_classes != wanted.num_classes:
        wanted = replace(wanted, num_classes=found.num_classes, person=0)
    named = [name.lower() for name in names[: wanted.num_classes]]
    if named and "person" not in named:
        raise ModelError(f"a detector of {', '.join(names[:4])}{', ...' * (len(names) > 4)}, but not of persons")
    if named:
        return replace(wanted, person=named.index("person")), ""
    unknown = first_published(SPECS, wanted)[0] is None
    note = f"the file doesn't name its {wanted.num_classes} classes; class {wanted.person} is taken for persons"
    return wanted, note if unknown else ""


def _card(size: str, ap: float, parameters: int, gflops: float, sha256: str, length: int) -> ModelCard:
    name = f"yolov5{size}"
    url = f"{_PAGE}/releases/download/v7.0/{name}.pt"
    weights = Weights(f"{name}.pt", (url,), sha256, length, "GPL-3.0, now AGPL-3.0", _PAGE, "YOLOv5's")
    return entry(
        describe(SPECS[name], name, 0), Published(ap, f"{VAL} boxes", None, parameters, gflops, _PAGE), weights
    )


ARCHITECTURE = Architecture(
    name="yolov5",
    title="YOLOv5",
    task="detection",
    cards=(
        _card(
            "n", 28.0, 1_872_157, 4.47, "4f180cf23ba0717ada0badd6c685026d73d48f184d00fc159c2641284b2ac0a3", 4_062_133
        ),
        _card(
            "s", 37.4, 7_235_389, 16.43, "8b3b748c1e592ddd8868022e8732fde20025197328490623cc16c6f24d0782ee", 14_808_437
        ),
        _card(
            "m", 45.4, 21_190_557, 48.87, "61d933360ba5a7733a36764996c800287d973889d875227f5beedd2473a97a56", 42_806_829
        ),
        _card(
            "l",
            49.0,
            46_563_709,
            108.99,
            "2f603b7354c25454d1270663a14d8ddc1eea98e5eebc1d84ce0c6e3150fa155f",
            93_622_629,
        ),
        _card(
            "x",
            50.7,
            86_749_405,
            205.45,
            "9f27a794fa0308e2606f90565164571d6f0a0ba18a3ce2e5e5d323b71c157859",
            174_114_333,
        ),
        entry(
            describe(SPECS["yolov5m_crowdhuman"], "yolov5m_crowdhuman", 0),
            Published(None, "", None, 21_060_447, 50.23, _CROWDHUMAN),
            Weights(
                "crowdhuman_yolov5m.pt",
                google_drive("1gglIwqxaH2iTvy6lZlXuAcMpd_U0GCUb"),
                source=_CROWDHUMAN,
                layout="YOLOv5's",
            ),
        ),
    ),
    spec=YOLOv5Spec,
    specs=SPECS,
    builder="yolov5:yolov5",
    describe=describe,
    identify=identify,
    fit_classes=fit_classes,
    trainable=False,
)
