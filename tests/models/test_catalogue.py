"""The models by name: their figures against the papers' tables, and against the networks themselves."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import pytest
import torch

import vitruvian as vt
from vitruvian import networks
from vitruvian.cards import HeatmapOptions, ModelCard, SimDROptions, Weights
from vitruvian.hub import cache
from vitruvian.models import BACKBONES

# AP, the pictures, the person detector's AP there, millions of parameters and GFLOPs as the papers' tables round them.
VAL, TEST = ("COCO val2017", 56.4), ("COCO test-dev2017", 60.9)
PAPERS = {
    "pose_hrnet_w32_256x192": (74.4, VAL, 29, 7),
    "pose_hrnet_w48_256x192": (75.1, VAL, 64, 15),
    "pose_hrnet_w32_384x288": (75.8, VAL, 29, 16),
    "pose_hrnet_w48_384x288": (76.3, VAL, 64, 33),
    "simdr_hrnet_w32_256x192": (75.3, VAL, 31, 7),
    "simdr_hrnet_w48_256x192": (75.9, VAL, 66, 15),
    "sa_simdr_hrnet_w48_256x192": (75.4, TEST, 66, 15),
    "sa_simdr_hrnet_w48_384x288": (76.0, TEST, 71, 33),
    "rle_hrnet_w48_384x288": (75.7, TEST, None, None),
    "psa_p_hrnet_w48_256x192": (78.9, TEST, 70, 16),
    "psa_p_hrnet_w48_384x288": (79.5, TEST, 70, None),
    "psa_s_hrnet_w48_384x288": (79.4, TEST, None, None),
}

# Box AP, millions of parameters and GFLOPs (two operations a multiply-add) as YOLOv5's table has them.
YOLOV5 = {
    "yolov5n": (28.0, 1.9, 4.5),
    "yolov5s": (37.4, 7.2, 16.5),
    "yolov5m": (45.4, 21.2, 49.0),
    "yolov5l": (49.0, 46.5, 109.1),
    "yolov5x": (50.7, 86.7, 205.7),
}


@pytest.mark.parametrize("name", PAPERS)
def test_what_the_papers_publish(name: str) -> None:
    ap, (split, detector), parameters, gflops = PAPERS[name]
    published = vt.zoo.card(name).published
    assert published is not None
    assert (published.ap, published.split, published.detector_ap) == (ap, split, detector)
    if parameters is not None:
        assert round(published.parameters / 1e6) == parameters
    if gflops is not None:
        assert round(published.gflops) == gflops


@pytest.mark.parametrize("name", YOLOV5)
def test_what_yolov5_publishes(name: str) -> None:
    published = vt.zoo.card(name).published
    assert published is not None
    ap, parameters, gflops = YOLOV5[name]
    assert (published.ap, published.detector_ap) == (ap, None)
    assert published.parameters / 1e6 == pytest.approx(parameters, abs=0.07)
    assert published.gflops == pytest.approx(gflops, abs=0.3)


def unit(name: str) -> float:
    """Multiply-adds in one GFLOP of the tables: 2 ** 30 in HRNet's, 1e9 in RLE's, half of that in detectors'."""
    if name.startswith("rle_"):
        return 1e9
    return 0.5e9 if name.startswith(("yolov5", "person_")) else 2**30


@pytest.mark.parametrize("name", networks.SPECS)
def test_the_figures_are_those_of_the_networks(name: str) -> None:
    spec, published = networks.spec(name), vt.zoo.card(name).published
    assert published is not None
    with torch.device("meta"):
        network = networks.create(name)
    assert published.parameters == networks.count_parameters(network)
    assert published.gflops == pytest.approx(networks.count_macs(network, spec.input_size) / unit(name), abs=0.005)


@pytest.mark.parametrize("size", ["256x192", "384x288"])
@pytest.mark.parametrize("width", [32, 48])
def test_mmpose_has_the_authors_networks(width: int, size: str) -> None:
    theirs, ours = vt.zoo.card(f"mmpose_hrnet_w{width}_{size}"), vt.zoo.card(f"pose_hrnet_w{width}_{size}")
    assert replace(theirs, name=ours.name, weights=ours.weights, published=ours.published) == ours
    assert theirs.published is not None
    assert ours.published is not None
    costs = [(card.published.parameters, card.published.gflops) for card in (theirs, ours)]
    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("name", "ap", "head", "height"),
    [
        ("mmpose_resnet50_256x192", 71.8, "heatmap", 256),
        ("mmpose_resnet50_384x288", 73.1, "heatmap", 384),
        ("mmpose_simcc_resnet50_256x192", 72.1, "simdr", 256),
        ("mmpose_simcc_resnet50_384x288", 73.5, "simdr", 384),
    ],
)
def test_mmposes_resnets(name: str, ap: float, head: str, height: int) -> None:
    card = vt.zoo.card(name)
    size = (height, height * 3 // 4)
    with torch.device("meta"):
        network = networks.create(name)
    assert (card.family, card.input_size, card.bgr) == (head, size, False)
    # MMPose's flip test of SimCC shifts nothing.
    simcc = SimDROptions(split=2.0, sigma=6.0, flip_shift=False)
    assert card.options == (HeatmapOptions(stride=4) if head == "heatmap" else simcc)
    assert card.published is not None
    assert (card.published.ap, card.published.parameters) == (ap, networks.count_parameters(network))
    assert card.published.gflops == pytest.approx(networks.count_macs(network, size) / 2**30, abs=0.005)


def test_every_network_has_a_card_and_every_name_is_there_once() -> None:
    names = [card.name for card in vt.zoo.cards()]
    assert len(set(names)) == len(names)
    assert set(networks.SPECS) < set(names)
    assert [vt.zoo.card(name).name for name in names] == names


@pytest.mark.parametrize("card", vt.zoo.cards(), ids=lambda card: card.name)
def test_cards_can_be_written_and_read(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card
    size = re.search(r"(\d+)x(\d+)$", card.name)
    assert not size or card.input_size == (int(size[1]), int(size[2]))
    assert (card.skeleton is not None) == (card.task == "pose")


def test_cards_from_before_read_as_they_did() -> None:
    card = vt.zoo.card("yolov5n")
    fields = json.loads(card.to_json())
    del fields["weights"], fields["published"]
    assert ModelCard.from_json(json.dumps(fields)) == replace(card, weights=None, published=None)


@pytest.mark.parametrize(
    "weights",
    [{"filename": "../net.pth"}, {"filename": "net.pth", "urls": ["file:///etc/passwd"]}, {"name": "net.pth"}, "net"],
)
def test_a_card_can_not_name_a_place_of_its_own(weights: object) -> None:
    fields = json.loads(vt.zoo.card("yolov5n").to_json()) | {"weights": weights}
    with pytest.raises(vt.ModelError):
        ModelCard.from_json(json.dumps(fields))


def all_weights() -> list[Weights]:
    return [card.weights for card in vt.zoo.cards() if card.weights] + list(BACKBONES.values())


def test_addresses_and_checksums() -> None:
    files = [weights.filename for weights in all_weights()]
    assert len(set(files)) == len(files)
    for weights in all_weights():
        assert weights.source.startswith("https://")
        assert weights.licence
        for url in weights.urls:
            assert re.match(
                r"https://(drive\.usercontent\.google\.com/download\?id=[\w-]{33}&export=download&confirm=t$"
                r"|huggingface\.co/usyd-community/vitpose-[\w-]+/resolve/|download\.openmmlab\.com/mmpose/|download\.pytorch\.org/models/|github\.com/(ultralytics/yolov5|Megvii-BaseDetection/YOLOX)/releases/)",
                url,
            )


# Each publisher's page, and what its addresses look like. A file on Google Drive is its publisher's by its id.
HRNET, SIMCC = "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch", "https://github.com/leeyegy/SimCC"
POSE_ESTIMATION = "https://github.com/sithu31296/pose-estimation"
DRIVE = {
    "1zYC7go9EV0XaSlSBjMaiyE_4TcHc_S38": HRNET,
    "1UoJhTtjHNByZSm96W3yFTfU5upJnsKiS": HRNET,
    "1os6T42ri4zsVPXwceli3J3KtksIaaGgu": POSE_ESTIMATION,
    "1MbEjiXkV83Pm3G2o_Rni4j9CT_jRDSAQ": POSE_ESTIMATION,
    "1Bd8h2H30tCN8WuLIhuSRF9ViN6zghj29": POSE_ESTIMATION,
    "1WU_9e0MxgrO8X4W6wKo16L8siCdwgLSZ": POSE_ESTIMATION,
    "1Tj9bGL7g7XRyL2F1a-uAcWhgYXnXpqBY": POSE_ESTIMATION,
    "1gglIwqxaH2iTvy6lZlXuAcMpd_U0GCUb": "https://github.com/deepakcrk/yolov5-crowdhuman",
    "1YBHqNKkxIVv8CqgDxkezC-4vyKpx-zXK": "https://github.com/Jeff-sjtu/res-loglikelihood-regression",
}
HOSTS = {
    "https://download.openmmlab.com/mmpose/": "https://github.com/open-mmlab/mmpose",
    "https://download.pytorch.org/models/": "https://github.com/pytorch/vision",
    "https://github.com/ultralytics/yolov5/releases/": "https://github.com/ultralytics/yolov5",
    "https://github.com/Megvii-BaseDetection/YOLOX/releases/": "https://github.com/Megvii-BaseDetection/YOLOX",
}
# Who pins a full checksum of what lies at an address: HRNet's by its users, YOLOv5's and YOLOX's by theirs.
PINNED = {"1zYC7go9EV0XaSlSBjMaiyE_4TcHc_S38": "19bc083708", "1UoJhTtjHNByZSm96W3yFTfU5upJnsKiS": "95e0fec319"}


def publisher(url: str) -> str:
    if page := re.match(r"https://huggingface\.co/usyd-community/[\w-]+", url):
        return page[0]
    if key := re.search(r"id=([\w-]{33})", url):
        return DRIVE[key[1]]
    return next(page for start, page in HOSTS.items() if url.startswith(start))


def test_no_checksum_stands_beside_another_publishers_address() -> None:
    listed = []
    for weights in all_weights():
        for url in weights.urls:
            assert weights.source.startswith(publisher(url)), weights.filename
            key = re.search(r"id=([\w-]{33})", url)
            if key:
                listed.append(key[1])
                assert weights.sha256[:10] == PINNED.get(key[1], ""), weights.filename
    assert sorted(listed) == sorted(DRIVE)


def test_what_the_forerunner_uploaded() -> None:
    for name, filename in {
        "posehrnet_w32_256x192": "posehrnet_w32_256x192.pth",
        "pose_hrnet_w48_256x192": "posehrnet_w48_256x192.pth",
        "simdr_hrnet_w32_256x192": "simdr_hrnet_w32_256x192.pth",
        "simdr_hrnet_w48_256x192": "simdr_hrnet_w48_256x192.pth",
        "sa_simdr_hrnet_w48_256x192": "sa_simdr_hrnet_w48_256x192.pth",
    }.items():
        weights = vt.zoo.card(name).weights
        assert weights is not None
        assert (weights.filename, weights.source, weights.layout) == (filename, POSE_ESTIMATION, "pose-estimation's")
        assert (weights.sha256, weights.size, len(weights.urls)) == ("", None, 1)
    own, authors = vt.zoo.card("posehrnet_w32_256x192"), vt.zoo.card("pose_hrnet_w32_256x192")
    assert replace(own, name=authors.name, weights=authors.weights) == authors


# As the RTMPose project's page has them: AP of persons on COCO, input, millions of parameters, GFLOPs.
@pytest.mark.parametrize(
    ("name", "ap", "side", "parameters", "gflops"),
    [("rtmdet_nano", 40.3, 320, 0.99, 0.31), ("rtmdet_m", 62.5, 640, 24.66, 38.95)],
)
def test_rtmdets_for_persons(name: str, ap: float, side: int, parameters: float, gflops: float) -> None:
    card = vt.zoo.card(name)
    assert (card.task, card.family, card.input_size, card.bgr) == ("detection", "rtmdet", (side, side), True)
    # MMDetection's means and deviations, of blue, green and red.
    assert (card.mean, card.std) == ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
    assert card.published is not None
    assert (card.published.ap, card.published.parameters) == (ap, parameters * 1e6)
    assert card.published.gflops == gflops
    assert card.weights is not None
    (url,) = card.weights.urls
    assert re.search(rf"/rtmposev1/onnx_sdk/{name}_8xb32-100e_coco-obj365-person-[0-9a-f]{{8}}\.zip$", url)
    assert card.weights.filename.endswith(".onnx")


def test_checksums_in_names_are_those_in_the_table() -> None:
    marked = {weights.sha256: weights.filename for weights in all_weights() if 0 < len(weights.sha256) < 64}
    assert len(marked) == 12
    for digits, filename in marked.items():
        assert re.search(rf"-{digits}[._]", filename)


def test_the_real_file_is_the_published_one(shared, home) -> None:
    home.mkdir(parents=True)
    (home / "yolov5n.pt").symlink_to(shared / "models/yolov5n.pt")
    assert vt.zoo.fetch(vt.zoo.card("yolov5n"), offline=True) == cache.cache_folder() / "yolov5n.pt"


@pytest.mark.parametrize("name", ["psa_p_hrnet_w48_256x192", "psa_s_hrnet_w48_384x288", "rle_hrnet_w48_384x288"])
def test_weights_that_nobody_published(name: str) -> None:
    assert vt.zoo.card(name).weights is None
    with pytest.raises(vt.ModelError, match=rf"no weights of {name} have been published"):
        vt.zoo.fetch(vt.zoo.card(name))


def test_the_licence_of_weights_that_bind_their_users() -> None:
    for card in vt.zoo.cards():
        if card.family == "yolov5" and card.name != "yolov5m_crowdhuman":
            assert card.weights is not None
            assert "AGPL" in asdict(card.weights)["licence"]


def test_names_that_there_are_not() -> None:
    with pytest.raises(vt.ModelError, match=r"no model is called 'pose_hrnet_w32'.* did you mean .*pose_hrnet_w32_"):
        vt.zoo.card("pose_hrnet_w32")
    with pytest.raises(vt.ModelError, match="vitruvian models lists them"):
        vt.zoo.card("???")
    with pytest.raises(vt.ModelError, match="no backbone is called 'hrnet_w18'; there are hrnet_w32, hrnet_w48"):
        vt.zoo.backbone("hrnet_w18")
    assert vt.zoo.backbone("hrnet_w32").filename == "hrnet_w32-36af842e.pth"
