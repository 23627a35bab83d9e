"""The page in a real browser, against the direct call, the library's drawing and the files' own truth."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from browser import Visit, chromium, decoded
from made import frame_times, make_video
from servers import Server, server

import vitruvian as vt
from vitruvian.drawing import PERSONS
from vitruvian.drawing.colours import COLOURS
from vitruvian.media.frames import Frame
from vitruvian.media.records import CsvFile
from vitruvian.pictures import load_rgb
from vitruvian.skeletons import Skeleton

ASTRONAUT = Path(__file__).resolve().parents[2] / "docs/images/astronaut.jpg"
SURE = 0.5
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    camera = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    camera.write_bytes(ASTRONAUT.read_bytes() * 4)
    with chromium(camera) as found:
        yield found


@pytest.fixture
def visit(browser: Any, running: Server) -> Iterator[Visit]:
    found = Visit(browser, running.url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def direct(model: Any) -> vt.Poses:
    return model(ASTRONAUT)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A picture of two persons."""
    image = cv2.imread(str(ASTRONAUT))
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), np.concatenate([image, image[:, ::-1]], axis=1))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video that goes nearer to the astronaut, so that each frame has boxes of its own."""
    image = decoded(ASTRONAUT.read_bytes())
    images = [cv2.resize(image[: 512 - 12 * i, : 512 - 12 * i], (256, 256)) for i in range(12)]
    return make_video(tmp_path / "clip.mp4", images, fps=10, time_base=Fraction(1, 10))


def bare(persons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Persons without what `to_dict` leaves out."""
    return [{name: value for name, value in person.items() if name != "angles"} for person in persons]


def limb_pixels(poses: vt.Poses, person: int) -> list[tuple[int, int]]:
    """x, y of the middle of each long limb that is surely seen."""
    found = []
    for first, second in poses.skeleton.limbs:
        one, other = poses.keypoints[person, [first, second]]
        if poses.scores[person, [first, second]].min() >= SURE and np.linalg.norm(one - other) > 60:
            found.append((round((one[0] + other[0]) / 2), round((one[1] + other[1]) / 2)))
    return found


def difference(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Mean absolute difference of two pictures in a part of them, in grey levels."""
    return float(np.abs(one.astype(int) - other)[where].mean())


def test_downloads_are_the_direct_calls(visit: Visit, direct: vt.Poses, tmp_path: Path) -> None:
    visit.give(ASTRONAUT)
    assert visit.state("person").startswith(f"{len(direct)} person")
    found = visit.json()
    assert found["skeleton"]["keypoints"] == list(direct.skeleton.keypoints)
    (frame,) = found["frames"]
    assert (frame["source"], frame["width"], frame["height"], frame["time"]) == ("astronaut.jpg", 512, 512, None)
    assert bare(frame["persons"]) == direct.to_dict()["persons"]
    with_csv = CsvFile(tmp_path / "poses.csv", direct.skeleton, with_angles=True)
    with_csv.write(Frame(decoded(ASTRONAUT.read_bytes()), "astronaut.jpg", 0), direct)
    with_csv.close()
    assert numbers(visit.download("csv").decode()) == numbers((tmp_path / "poses.csv").read_text())


def numbers(text: str) -> list[list[str | float]]:
    """The cells of a CSV file; JavaScript writes 5 where Python writes 5.0."""
    return [
        [float(cell) if re.fullmatch(r"-?[\d.]+", cell) else cell for cell in row]
        for row in csv.reader(io.StringIO(text))
    ]


def test_the_skeleton_is_drawn_where_the_keypoints_are(visit: Visit, direct: vt.Poses) -> None:
    """As `Poses.draw` does, whose lines are nearly the same."""
    visit.give(ASTRONAUT)
    visit.state("person")
    visit.set(boxes=False, scores=False)
    picture, drawn = decoded(ASTRONAUT.read_bytes()), direct.draw(ASTRONAUT, colours="person")
    saved = decoded(visit.download("drawn"))
    assert saved.shape == picture.shape
    touched = np.abs(drawn.astype(int) - picture).max(axis=2) > 8
    assert 0.01 < touched.mean() < 0.3
    # Other lines of the same width: their edges differ.
    inside = cv2.erode(touched.astype(np.uint8), np.ones((3, 3))) > 0
    assert difference(saved, drawn, inside) < difference(saved, picture, inside) / 4
    assert difference(saved, drawn, touched) < difference(saved, picture, touched) / 3
    apart = cv2.dilate(touched.astype(np.uint8), np.ones((15, 15))) == 0
    assert difference(saved, picture, apart) < 1.5  # two JPEG decoders
    places = limb_pixels(direct, 0)
    assert len(places) >= 2
    shown = visit.stage(512, 512)
    for x, y in places:
        pixel = shown[round(y * shown.shape[0] / 512), round(x * shown.shape[1] / 512)].astype(int)
        assert np.abs(pixel - drawn[y, x]).max() < np.abs(pixel - picture[y, x]).max()


def test_colours_are_the_librarys(visit: Visit) -> None:
    found = visit.page.evaluate("() => import('/palette.js').then((all) => [all.PERSONS, all.SIDES])")
    assert [[tuple(colour) for colour in found[0]], {side: tuple(colour) for side, colour in found[1].items()}] == [
        list(PERSONS),
        COLOURS,
    ]


def test_faces_are_blurred(visit: Visit, direct: vt.Poses) -> None:
    """As the library blurs them: the circle of its drawing, six squares across."""
    visit.give(ASTRONAUT)
    visit.state("person")
    visit.set(boxes=False, scores=False, blur=True)
    visit.page.locator("#option-keypointScore").fill("1")
    saved = decoded(visit.download("drawn")).astype(int)
    plain, expected = (
        direct.draw(ASTRONAUT, keypoint_score=1.0, blur_faces=blur).astype(int) for blur in (False, True)
    )
    blurred = np.abs(plain - expected).max(axis=2) > 3
    assert np.abs(plain - expected)[blurred].mean() > 10
    assert np.abs(saved - expected)[blurred].mean() < 8
    assert np.abs(saved - plain)[~blurred].mean() < 1.5


def test_several_pictures_dropped_and_pasted(visit: Visit, two: Path, model: Any) -> None:
    give = """([event, name, text]) => {
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        data.items.add(new File([bytes], name, { type: "image/png" }));
        const settings = { bubbles: true, cancelable: true };
        document.dispatchEvent(event === "paste" ? new ClipboardEvent(event, { ...settings, clipboardData: data })
            : new DragEvent(event, { ...settings, dataTransfer: data }));
    }"""
    data = base64.b64encode(two.read_bytes()).decode()
    visit.page.evaluate(give, ["drop", "one.png", data])
    visit.page.evaluate(give, ["paste", "<b>other</b>.png", data])
    visit.page.locator("#strip .state", has_text="person").nth(1).wait_for()
    assert visit.page.locator("#strip b").count() == 0
    visit.page.locator("#all").check()
    found = visit.json()["frames"]
    assert [(frame["source"], frame["index"]) for frame in found] == [("one.png", 0), ("<b>other</b>.png", 1)]
    for frame in found:
        assert bare(frame["persons"]) == model(two).to_dict()["persons"]


def test_a_higher_score_is_asked_of_the_server(visit: Visit, tmp_path: Path, model: Any) -> None:
    # Who is half as large, above grey, has a lower score.
    image = cv2.imread(str(ASTRONAUT))
    small = np.full_like(image, 114)
    small[:256, :256] = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    two = tmp_path / "two.png"
    cv2.imwrite(str(two), np.concatenate([image, small], axis=1))
    visit.give(two)
    visit.state(f"{len(model(two))} persons")
    expected = model(two, score=0.8)
    assert len(expected) == 1 < len(model(two))
    visit.page.locator("#option-score").fill("0.8")
    visit.state("1 person")
    assert bare(visit.json()["frames"][0]["persons"]) == expected.to_dict()["persons"]


def test_pointing_and_the_keyboard_show_a_person(visit: Visit, two: Path, model: Any) -> None:
    poses = model(two)
    visit.give(two)
    visit.state("persons")
    canvas = visit.page.locator("#canvas")
    room = canvas.bounding_box()
    scale = min(room["width"] / 1024, room["height"] / 512)
    nose = poses.keypoints[1, 0]
    x, y = float(room["width"] / 2 + (nose[0] - 512) * scale), float(room["height"] / 2 + (nose[1] - 256) * scale)
    canvas.hover(position={"x": x, "y": y})
    tooltip = visit.page.locator("#tooltip").inner_text()
    assert "Person 2" in tooltip
    assert f"score {poses.box_scores[1]:.2f}" in tooltip
    assert f"nose {poses.scores[1, 0]:.2f} at {nose[0]:.1f}, {nose[1]:.1f}" in tooltip
    assert "hovered" in (visit.page.locator("#persons-body tr").nth(1).get_attribute("class") or "")
    canvas.hover(position={"x": room["width"] / 2, "y": 20})
    both = visit.stage(1024, 512)
    row = visit.page.locator("#persons-body tr").first
    row.focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("#persons-body tr").nth(1).get_attribute("aria-selected") == "true"
    assert "Person 2" in visit.page.inner_text("#details-title")
    details = visit.page.locator("#details-body tr").first.locator("th, td").all_inner_texts()
    assert details[:3] == ["nose", f"{nose[0]:.1f}", f"{nose[1]:.1f}"]
    one = visit.stage(1024, 512)
    half = one.shape[1] / 1024
    paled = [(round(x * half), round(y * half)) for x, y in limb_pixels(poses, 0)]
    kept = [(round(x * half), round(y * half)) for x, y in limb_pixels(poses, 1)]
    assert all(np.abs(one[y, x].astype(int) - both[y, x]).max() > 20 for x, y in paled)
    assert all(np.abs(one[y, x].astype(int) - both[y, x]).max() < 5 for x, y in kept)
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#details").is_hidden()


def test_the_keyboard_alone(visit: Visit, direct: vt.Poses) -> None:
    press = visit.page.keyboard.press
    reach(visit, "button[data-action=example]")
    press("Enter")
    visit.state("person")
    assert visit.page.locator("#live").inner_text() == f"example.jpg: {len(direct)} person{'s' * (len(direct) != 1)}"
    reach(visit, "#persons-body tr")
    press("Enter")
    assert visit.page.locator("#details").is_visible()
    reach(visit, "#option-angles")
    press("Space")
    assert visit.page.locator("#option-angles").is_checked()
    reach(visit, "#option-keypointScore")
    press("End")
    certain = sum(score >= 1 for score in direct.to_dict()["persons"][0]["keypoint_scores"])
    assert visit.rows()[0][2].startswith(f"{certain}/")
    reach(visit, "#save-json")
    with visit.page.expect_download() as waiting:
        press("Enter")
    frames = json.loads(Path(waiting.value.path()).read_text())["frames"]
    assert bare(frames[0]["persons"]) == direct.to_dict()["persons"]


def reach(visit: Visit, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")


def test_an_unreadable_file_is_told_of(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.txt"
    path.write_text("no picture")
    with pytest.raises(vt.VitruvianError) as raised:
        load_rgb(path)
    visit.give(path)
    problem = visit.page.locator("#problem-text")
    problem.wait_for()
    assert problem.inner_text() == str(raised.value).replace(str(path), path.name)
    assert visit.page.locator("#problem img, #strip img").count() == 0
    visit.page.click("#problem-remove")
    assert visit.page.locator("#welcome").is_visible()


def test_a_video_is_shown_in_step(visit: Visit, clip: Path) -> None:
    visit.give(clip)
    assert visit.state("at most").startswith("12 frames, at most ")
    # It plays by itself when it is done, to its end.
    visit.page.locator("#time", has_text="0:01.2 / 0:01.2").wait_for()
    visit.page.locator("#play[aria-label=Play]").wait_for()
    found = visit.json()
    assert [frame["time"] for frame in found["frames"]] == pytest.approx(frame_times(clip))
    lines = [json.loads(line) for line in visit.download("ndjson").decode().splitlines()]
    assert lines[0]["skeleton"] == found["skeleton"]
    assert lines[1:] == found["frames"]
    visit.page.locator("#seek").focus()
    visit.page.keyboard.press("Home")
    sizes = []
    for frame in found["frames"]:
        x1, y1, x2, y2 = min(frame["persons"], key=lambda person: person["track_id"] or 99)["box"]
        sizes.append(f"{half_up(x2 - x1)} {TIMES} {half_up(y2 - y1)}")
        visit.page.locator("#persons-body tr:first-child td", has_text=sizes[-1]).wait_for()
        visit.page.keyboard.press("ArrowRight")
    assert len(set(sizes)) > 6


def half_up(value: float) -> int:
    """Rounded as JavaScript does."""
    return math.floor(value + 0.5)


def test_the_drawn_video_is_recorded(visit: Visit, clip: Path, tmp_path: Path) -> None:
    """Its last frame is as the library draws it."""
    visit.give(clip)
    visit.state("at most")
    visit.set(boxes=False, scores=False)
    found = visit.json()
    path = tmp_path / "drawn.webm"
    path.write_bytes(visit.download("video"))
    plain, recorded = last_picture(clip), last_picture(path)
    skeleton = Skeleton("person", tuple(found["skeleton"]["keypoints"]), tuple(map(tuple, found["skeleton"]["limbs"])))
    drawn = vt.Poses.from_dict(found["frames"][-1], skeleton).draw(plain, colours="person")
    touched = np.abs(drawn.astype(int) - plain).max(axis=2) > 30
    # Coded colours of thin lines are blurred: they still lie on the drawn side.
    assert difference(recorded, drawn, touched) < difference(recorded, plain, touched)
    assert (
        difference(recorded, last_picture(clip), ~cv2.dilate(touched.astype(np.uint8), np.ones((9, 9))).astype(bool))
        < 12
    )


def last_picture(path: Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of a video's last frame."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            last = frame
        return last.to_ndarray(format="rgb24")


def test_a_video_can_be_cancelled(visit: Visit, clip: Path, tmp_path: Path) -> None:
    images = [decoded(ASTRONAUT.read_bytes())] * 300
    visit.give(make_video(tmp_path / "long.mp4", images))
    visit.state(re.compile(r"frame [1-9]\d* of 300"))
    assert 0 < visit.page.locator("#progress").evaluate("(bar) => bar.value") < 1
    visit.page.click("#cancel")
    assert re.match(r"cancelled, \d+ frames?, ", visit.state("cancelled"))
    assert 0 < len(visit.json()["frames"]) < 300


def test_a_camera(visit: Visit, direct: vt.Poses) -> None:
    visit.page.locator("#welcome button[data-action=camera]").click()
    assert re.match(r"\d+ persons? · \d+ frames a second · \d+ ms behind", visit.state("ms behind"))
    visit.page.locator("#persons-body th", has_text="#1").wait_for()
    visit.page.click("#camera-keep")
    visit.page.locator("#caption-name", has_text=".png").wait_for()
    visit.state("person")
    (frame,) = visit.json()["frames"]
    assert (frame["width"], frame["height"]) == (512, 512)
    assert np.abs(np.subtract(frame["persons"][0]["box"], direct.boxes[0])).max() < 20
    assert visit.page.locator("#camera-stop").is_hidden()


def test_a_camera_that_is_not_allowed_yet(visit: Visit) -> None:
    """The picture before it is gone, and the stage can be drawn again: with errors, `visit` would complain."""
    visit.give(ASTRONAUT)
    visit.state("person")
    visit.page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => new Promise(() => {}); }")
    visit.page.click("#bar-camera")
    visit.page.locator("#caption-name", has_text="Camera").wait_for()
    visit.set(boxes=False)
    visit.page.set_viewport_size({"width": 900, "height": 700})
    assert visit.page.locator("#save-drawn").is_disabled()


def test_a_picture_that_is_too_large_to_be_saved(visit: Visit) -> None:
    """As browsers tell of it: by null for the file."""
    visit.give(ASTRONAUT)
    visit.state("person")
    visit.page.evaluate("() => { HTMLCanvasElement.prototype.toBlob = (told) => told(null); }")
    visit.page.click("#save-drawn")
    visit.page.locator("#download-note", has_text="not saved").wait_for()


def test_a_token_and_a_limit(browser: Any, tmp_path: Path, two: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-thirty-two-characters\n")
    with server("--token-file", tmp_path / "tokens", "--limit", "picture_bytes=100000") as own:
        visit = Visit(browser, own.url)
        for token in ("a-token-that-is-not-right", "a-token-of-thirty-two-characters"):
            visit.page.locator("#token[open]").wait_for()
            visit.page.fill("#token-value", token)
            visit.page.keyboard.press("Enter")
            if token.endswith("right"):
                visit.page.locator("#token-refused").wait_for()
        visit.page.locator("#models").wait_for()
        visit.give(ASTRONAUT)
        visit.state("person")
        visit.page.click("#bar-camera")
        visit.state("frames a second")
        visit.give(two)
        visit.page.locator("#problem-text", has_text="two.png has").wait_for()
        assert len([url for url in visit.asked if "/v1/poses" in url]) == 1
        visit.close("401")


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_in_dark_and_light(browser: Any, running: Server, width: int, two: Path) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        visit = Visit(browser, running.url, viewport={"width": width, "height": 780}, color_scheme=scheme)
        grounds[scheme] = ground(visit)
        for _ in range(2):
            assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= width
            if visit.page.locator("#welcome").is_visible():
                visit.give(two)
                visit.state("persons")
        for theme in ("light", "dark"):
            visit.page.click("#theme")
            assert (ground(visit) == grounds[scheme]) == (theme == scheme)
        visit.close()
    assert grounds["light"] != grounds["dark"]


def ground(visit: Visit) -> str:
    """The colour of the page's background."""
    return visit.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
