"""Answers equal those of the direct call, also under load; every endpoint."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image
from servers import Server, lines, problem
from websockets.sync.client import connect

import vitruvian as vt
from vitruvian.angles import angles, joints
from vitruvian.drawing import draw
from vitruvian.tracking import Smoother, Tracker


def persons(poses: vt.Poses) -> list[dict]:
    """As JSON has them."""
    return json.loads(json.dumps(poses.to_dict()["persons"]))


@pytest.fixture(scope="module")
def http(running: Server):
    with httpx.Client(base_url=running.url, timeout=120) as client:
        yield client


def test_a_picture_as_the_body(http, model, photo):
    answer = http.post("/v1/poses", content=photo, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 200
    record = answer.json()
    direct = model(photo)
    assert len(direct) >= 1
    assert record["persons"] == persons(direct)
    assert (record["source"], record["index"], record["time"]) == ("picture", 0, None)
    assert (record["width"], record["height"]) == Image.open(io.BytesIO(photo)).size
    skeleton = direct.skeleton
    assert record["skeleton"]["keypoints"] == list(skeleton.keypoints)
    assert record["skeleton"]["limbs"] == [list(limb) for limb in skeleton.limbs]
    assert record["version"] == 1


def test_many_clients_with_mixed_sizes_get_what_the_direct_call_gives(running, http, model, pictures):
    """Each of 96 requests, 16 at a time, with one of several limits: they share batches with others."""
    options = [{}, {"score": 0.1}, {"score": 0.7}, {"max_persons": 1}]
    cases = [(number % len(pictures), number // len(pictures) % len(options)) for number in range(96)]
    direct = {(which, how): persons(model(pictures[which], **options[how])) for which, how in sorted(set(cases))}
    assert {len(found) for found in direct.values()} >= {0, 1, 2}
    before = running.metric("vitruvian_batch_pictures_count")

    def ask(case: tuple[int, int]) -> bool:
        answer = http.post("/v1/poses", content=pictures[case[0]], params=options[case[1]])
        return answer.status_code == 200 and answer.json()["persons"] == direct[case]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, cases))
    # The proof that they did share batches.
    assert running.metric("vitruvian_batch_pictures_count") - before < 96


def test_several_pictures_in_one_request(http, model, pictures):
    parts = [("picture", (f"{number}.bin", data)) for number, data in enumerate(pictures)]
    parts.insert(2, ("picture", ("note.txt", b"this is no picture")))
    record = http.post("/v1/poses", files=parts).json()
    frames = record["frames"]
    assert [frame["index"] for frame in frames] == list(range(len(parts)))
    assert [frame["source"] for frame in frames] == [name for _, (name, _) in parts]
    bad = frames.pop(2)
    assert set(bad) == {"source", "index", "error"}
    assert bad["error"]["status"] == 422
    with pytest.raises(vt.InputError) as error:
        vt.media.read_image(b"this is no picture", "note.txt")
    assert bad["error"]["detail"] == str(error.value)
    assert [frame["persons"] for frame in frames] == [persons(model(data)) for data in pictures]
    assert "skeleton" in record


def test_angles_and_the_score_of_their_keypoints(http, model, photo):
    poses = model(photo)
    for least in (0.3, 0.6):
        query = {"angles": "true", "keypoint_score": least}
        (person, *_) = http.post("/v1/poses", content=photo, params=query).json()["persons"]
        degrees = angles(poses, least)[0]
        wanted = [None if np.isnan(value) else round(float(value), 2) for value in degrees]
        assert person["angles"] == dict(zip(joints(poses.skeleton), wanted, strict=True))
    assert "angles" not in http.post("/v1/poses", content=photo).json()["persons"][0]


def test_a_drawn_picture(http, model, photo):
    image = vt.media.read_image(photo)
    poses = model(photo)
    answer = http.post("/v1/poses/drawn", content=photo, params={"boxes": "true", "colours": "side"})
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(
        np.array(Image.open(io.BytesIO(answer.content))), draw(image, poses, boxes=True, colours="side")
    )
    answer = http.post("/v1/poses/drawn", files={"picture": photo}, headers={"Accept": "image/jpeg, image/png;q=0.5"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"
    problem(http.post("/v1/poses/drawn", content=photo, headers={"Accept": "text/html"}), 406)
    problem(http.post("/v1/poses/drawn", content=photo, params={"colours": "nice"}), 422)


@pytest.mark.parametrize("form", ["raw", "multipart"])
def test_a_video_line_by_line(http, model, clip, form):
    query = {"track": True, "smooth": True, "score": 0.4}
    body = {"content": clip.read_bytes()} if form == "raw" else {"files": {"video": (clip.name, clip.read_bytes())}}
    with http.stream("POST", "/v1/videos", params=query, **body) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        head, *frames, end = lines(answer)
    direct = list(model.stream(str(clip), **query))
    assert len(direct) == 12
    assert (head["width"], head["height"], head["frame_rate"], head["frames"]) == (320, 320, 10.0, 12)
    assert head["skeleton"]["name"] == model.pose.skeleton.name
    assert end == {"done": True, "frames": 12}
    assert [frame["persons"] for frame in frames] == [persons(result.poses) for result in direct]
    assert [frame["time"] for frame in frames] == [round(result.time, 6) for result in direct]
    assert frames[-1]["persons"][0]["track_id"] == 1
    assert {frame["source"] for frame in frames} == {"video" if form == "raw" else clip.name}


def test_a_part_of_a_video(http, clip):
    query = {"stride": 3, "start": 0.2, "end": 0.95}
    with http.stream("POST", "/v1/videos", params=query, content=clip.read_bytes()) as answer:
        head, *frames, end = lines(answer)
    assert [frame["index"] for frame in frames] == [2, 5, 8]
    assert end == {"done": True, "frames": 3}
    assert head["frames"] == 3


def test_a_stream_of_frames_answers_the_newest(running, model, photo, pictures):
    address = running.url.replace("http", "ws") + "/v1/stream"
    with connect(address, max_size=None) as socket:
        socket.send(photo)
        first = json.loads(socket.recv(60))
        assert first["sequence"] == 0
        assert first["persons"] == persons(model(photo))
        assert first["skeleton"]["keypoints"] == list(model.pose.skeleton.keypoints)
        before = running.metric("vitruvian_stream_dropped_total")
        for data in [*pictures, *pictures, photo]:
            socket.send(data)
        last, answers = 2 * len(pictures) + 1, []
        while not answers or answers[-1]["sequence"] < last:
            answers.append(json.loads(socket.recv(60)))
        numbers = [answer["sequence"] for answer in answers]
        assert numbers == sorted(set(numbers))
        assert answers[-1]["persons"] == persons(model(photo))
        assert running.metric("vitruvian_stream_dropped_total") - before == last - len(numbers)
        socket.send(b"no picture")
        answer = json.loads(socket.recv(60))
        assert answer["sequence"] == last + 1
        assert answer["error"]["status"] == 422
        socket.send(photo)
        assert json.loads(socket.recv(60))["persons"] == persons(model(photo))


def test_a_stream_with_tracks(running, model, photo, pictures):
    """As a tracker and a smoother that are fed by hand."""
    address = running.url.replace("http", "ws") + "/v1/stream?track=true&smooth=true"
    tracker, smoother = Tracker(model.tracker_settings), Smoother()
    faint = model.limited(score=tracker.settings.low)
    image = vt.media.read_image(photo)
    with connect(address, max_size=None) as socket:
        for _ in range(4):
            socket.send(photo)
            answer = json.loads(socket.recv(60))
            found = faint.detector([image])[0]
            chosen = found[tracker.may_matter(found, answer["time"])]
            (poses,) = model.pose([image], [chosen])
            poses = smoother.update(tracker.update(poses, answer["time"], image, followed_only=True), answer["time"])
            assert answer["persons"] == persons(poses)
            assert answer["persons"][0]["track_id"] == 1


def test_a_stream_that_asks_for_nonsense(running):
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    base = running.url.replace("http", "ws")
    with connect(base + "/v1/stream?smooth=true") as socket:
        assert "track" in json.loads(socket.recv(30))["error"]["detail"]
        with pytest.raises(ConnectionClosed):
            socket.recv(30)
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        connect(base + "/v1/stream?score=7").recv(30)
    with connect(base + "/v1/stream") as socket:
        socket.send("text")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


def test_what_says_how_the_server_is(http, model):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}
    assert http.head("/readyz").status_code == 200
    record = http.get("/v1/models").json()
    assert [item["name"] for item in record["models"]] == [model.detector.card.name, model.pose.card.name]
    assert record["defaults"]["score"] == model.detector.score


def test_metrics_count_what_was_done(running, http, model, photo):
    names = ("vitruvian_pictures_total", "vitruvian_persons_total", "vitruvian_requests_total")
    before = [running.metric(name) for name in names]
    for _ in range(3):
        http.post("/v1/poses", content=photo)
    after = [running.metric(name) for name in names]
    assert after[0] - before[0] == 3
    assert after[1] - before[1] == 3 * len(model(photo))
    # Those for the metrics themselves are among them.
    assert after[2] - before[2] >= 3
    text = http.get("/metrics").text
    for stage in ("receive", "decode", "wait", "detect", "pose", "encode"):
        assert f'vitruvian_stage_seconds_count{{stage="{stage}"}}' in text
    assert 'vitruvian_requests_total{method="POST",route="/v1/poses",status="200"}' in text
    assert running.metric("vitruvian_requests_inside") == 0
    assert running.metric("vitruvian_queue") == 0


def test_the_description_names_every_path_and_its_problems(http):
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {
        *("/v1/poses", "/v1/poses/drawn", "/v1/videos", "/v1/models", "/healthz", "/readyz", "/metrics")
    }
    for path in ("/v1/poses", "/v1/poses/drawn", "/v1/videos"):
        operation = document["paths"][path]["post"]
        assert "multipart/form-data" in operation["requestBody"]["content"]
        assert operation["responses"]["503"]["content"].keys() == {"application/problem+json"}
    assert document["paths"]["/v1/poses"]["post"]["responses"]["200"]["content"]["application/json"]["examples"]
    names = {parameter["name"] for parameter in document["paths"]["/v1/videos"]["post"]["parameters"]}
    assert names >= {"track", "smooth", "detect_every", "stride", "score", "max_persons", "angles"}
    # Those pages of FastAPI load scripts from other hosts.
    assert http.get("/docs").status_code == http.get("/redoc").status_code == 404
