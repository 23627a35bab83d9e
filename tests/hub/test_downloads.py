"""Downloads from a real server that does everything that goes wrong; what is returned is always the published file."""

from __future__ import annotations

import hashlib
import io
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest

import vitruvian as vt
from vitruvian.cards import Weights
from vitruvian.hub import cache, transfer
from weight_server import Server

CONTENT = b"\x80\x02" + random.Random(0).randbytes(699_998)  # begins as a pickle does
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def weights(server: Server) -> Weights:
    server.files["net.pth"] = CONTENT
    return Weights("net.pth", (server.url("net.pth"),), DIGEST, len(CONTENT))


def left(home: Path) -> set[str]:
    """What is in the cache beside locks."""
    return {path.name for path in home.iterdir() if path.suffix != ".lock"}


def test_a_whole_download_is_kept(server: Server, weights: Weights, home: Path) -> None:
    path = vt.zoo.fetch(weights)
    assert (path, path.read_bytes()) == (home / "net.pth", CONTENT)
    assert left(home) == {"net.pth", "net.pth.sha256"}
    assert vt.zoo.fetch(weights) == path
    assert len(server.requests) == 1


def test_the_checksum_beside_it_is_one_that_sha256sum_reads(weights: Weights, home: Path) -> None:
    vt.zoo.fetch(weights)
    checked = subprocess.run(["sha256sum", "-c", "net.pth.sha256"], cwd=home, capture_output=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_by_its_card(weights: Weights) -> None:
    card = replace(vt.zoo.card("yolov5n"), weights=weights)
    assert vt.zoo.downloaded(card) is None
    assert vt.zoo.fetch(card) == vt.zoo.downloaded(card)


def test_dropped_connections_are_continued(server: Server, weights: Weights) -> None:
    server.cuts["net.pth"] = [300_000, 1, 200_000]
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert server.requests == [
        ("net.pth", None, 200),
        ("net.pth", "bytes=300000-", 206),
        ("net.pth", "bytes=300001-", 206),
        ("net.pth", "bytes=500001-", 206),
    ]


def test_an_interrupted_download_goes_on_in_the_next_run(server: Server, weights: Weights, home: Path) -> None:
    server.cuts["net.pth"] = [300_000, 0, 0, 0, 0]
    with pytest.raises(vt.ModelError, match=r"ended after 300000 of 700000 bytes.*put it at .*net\.pth"):
        vt.zoo.fetch(weights)
    assert (home / "net.pth.part").read_bytes() == CONTENT[:300_000]
    assert not (home / "net.pth").exists()
    server.cuts.clear()
    server.requests.clear()
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert server.requests == [("net.pth", "bytes=300000-", 206)]
    assert left(home) == {"net.pth", "net.pth.sha256"}


@pytest.mark.parametrize(
    ("tags", "ranges", "statuses"),
    [("strong", False, [200, 200]), ("none", True, [200, 200]), ("weak", True, [200, 206])],
)
def test_a_server_that_can_not_continue_begins_anew(
    server: Server, weights: Weights, tags: str, ranges: bool, statuses: list[int]
) -> None:
    server.tags, server.ranges = tags, ranges
    server.cuts["net.pth"] = [300_000]
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert [status for _, _, status in server.requests] == statuses


def test_a_file_that_changed_meanwhile_is_not_pieced_together(server: Server, home: Path) -> None:
    unpinned = Weights("net.pth", (server.url("net.pth"),))
    server.files["net.pth"] = bytes(len(CONTENT))
    server.cuts["net.pth"] = [300_000, 0, 0, 0, 0]
    with pytest.raises(vt.ModelError, match="ended after"):
        vt.zoo.fetch(unpinned)
    server.cuts.clear()
    server.files["net.pth"] = CONTENT
    assert vt.zoo.fetch(unpinned).read_bytes() == CONTENT


@pytest.mark.parametrize(("tail", "statuses"), [(b"", [416]), (b"more", [416, 200])])
def test_a_part_as_long_as_the_file_or_longer(
    server: Server, weights: Weights, home: Path, tail: bytes, statuses: list[int]
) -> None:
    server.cuts["net.pth"] = [300_000, 0, 0, 0, 0]
    with pytest.raises(vt.ModelError, match="ended after"):
        vt.zoo.fetch(weights)
    server.cuts.clear()
    server.requests.clear()
    (home / "net.pth.part").write_bytes(CONTENT + tail)
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert [status for _, _, status in server.requests] == statuses


@pytest.mark.parametrize("expected", ["0" * 64, "0123abcd"])
def test_a_wrong_checksum_deletes_what_came(server: Server, weights: Weights, home: Path, expected: str) -> None:
    with pytest.raises(vt.ModelError) as refused:
        vt.zoo.fetch(replace(weights, sha256=expected))
    for said in (server.url("net.pth"), DIGEST, expected):
        assert said in str(refused.value)
    assert left(home) == set()


def test_the_first_digits_of_a_checksum_are_enough(weights: Weights) -> None:
    assert vt.zoo.fetch(replace(weights, sha256=DIGEST[:8])).read_bytes() == CONTENT


def test_a_wrong_length_deletes_what_came(weights: Weights, home: Path) -> None:
    with pytest.raises(vt.ModelError, match="700000 bytes instead of 699999"):
        vt.zoo.fetch(replace(weights, sha256="", size=699_999))
    assert left(home) == set()


def test_the_next_address_is_tried(server: Server, weights: Weights) -> None:
    server.files["other"] = CONTENT[::-1]
    several = replace(weights, urls=(server.url("gone"), server.url("other"), server.url("net.pth")))
    assert vt.zoo.fetch(several).read_bytes() == CONTENT
    assert [path for path, _, _ in server.requests] == ["gone", "other", "net.pth"]


def test_without_a_length_the_checksum_decides(server: Server, weights: Weights, home: Path) -> None:
    server.length = False
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    (home / "net.pth").unlink()
    server.cuts["net.pth"] = [300_000]
    with pytest.raises(vt.ModelError, match="300000 bytes instead of 700000"):
        vt.zoo.fetch(weights)
    assert left(home) == {"net.pth.sha256"}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html; charset=utf-8", b"Google Drive - Quota exceeded"),
        ("application/octet-stream", b"\n <!DOCTYPE html><html><title>Google Drive</title></html>"),
        ("application/octet-stream", b"<html><head>"),
    ],
)
def test_web_pages_are_no_weights(server: Server, home: Path, kind: str, content: bytes) -> None:
    server.files["uc"], server.kind = content, kind
    with pytest.raises(vt.ModelError, match="web page in place of the file"):
        vt.zoo.fetch(Weights("net.pth", (server.url("uc?id=1"),)))
    assert not (home / "net.pth").exists()


def test_a_page_does_not_spoil_the_part(server: Server, weights: Weights) -> None:
    server.cuts["net.pth"] = [300_000, 0, 0, 0, 0]
    with pytest.raises(vt.ModelError, match="ended after"):
        vt.zoo.fetch(weights)
    server.cuts.clear()
    server.kind = "text/html"
    with pytest.raises(vt.ModelError, match="web page"):
        vt.zoo.fetch(weights)
    server.kind = "application/octet-stream"
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert server.requests[-1] == ("net.pth", "bytes=300000-", 206)


def test_without_a_network_the_host_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    words = "can't be downloaded: no connection to {}; check the network. Or put it at "
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(vt.ModelError) as refused:
            vt.zoo.fetch(Weights("net.pth", ("https://models.example.org/net.pth",)))
    assert words.format("models.example.org") in str(refused.value)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(vt.ModelError, match=r"no connection to 127\.0\.0\.1 \(.*refused.*\); check the network"):
            vt.zoo.fetch(Weights("net.pth", (f"http://127.0.0.1:{nobody.getsockname()[1]}/net.pth",)))


def test_a_missing_file_is_not_asked_for_twice(server: Server, home: Path) -> None:
    with pytest.raises(vt.ModelError, match=r"/net\.pth can't be downloaded: Not Found.*put it at .*net\.pth by hand"):
        vt.zoo.fetch(Weights("net.pth", (server.url("net.pth"),)))
    assert len(server.requests) == 1
    assert left(home) == set()


def test_a_busy_server_is_asked_again(server: Server, weights: Weights) -> None:
    server.statuses["net.pth"] = [503, 429]
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    server.statuses["net.pth"] = [503] * 9
    with pytest.raises(vt.ModelError, match="Service Unavailable"):
        vt.zoo.fetch(replace(weights, filename="other.pth"))


def test_redirects_lead_to_http_only(server: Server, weights: Weights, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    server.redirects = {"on": server.url("net.pth"), "file": secret.as_uri(), "ftp": "ftp://127.0.0.1/net.pth"}
    assert vt.zoo.fetch(replace(weights, urls=(server.url("on"),))).read_bytes() == CONTENT
    for path in ("file", "ftp"):
        with pytest.raises(vt.ModelError):
            vt.zoo.fetch(replace(weights, filename=f"{path}.pth", urls=(server.url(path),)))


def test_no_redirect_leads_from_https_to_http() -> None:
    request = urllib.request.Request("https://example.org/net.pth")
    redirect = transfer._Redirects().redirect_request
    assert redirect(request, io.BytesIO(), 302, "", Message(), "https://example.net/net.pth") is not None
    for url in ("http://example.org/net.pth", "file:///etc/passwd"):
        with pytest.raises(vt.ModelError, match="not followed"):
            redirect(request, io.BytesIO(), 302, "", Message(), url)


def test_where_nobody_listens_it_fails_at_once(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/net.pth"
        start = time.monotonic()
        with pytest.raises(vt.ModelError) as failed:
            vt.zoo.fetch(Weights("net.pth", (url,)))
    assert time.monotonic() - start < 2
    assert url in str(failed.value)
    assert str(home / "net.pth") in str(failed.value)


@pytest.mark.parametrize("value", ["1", "true", " ON "])
def test_offline_by_the_environment(
    server: Server, weights: Weights, home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", value)
    with pytest.raises(vt.ModelError) as refused:
        vt.zoo.fetch(weights)
    assert weights.urls[0] in str(refused.value)
    assert str(home / "net.pth") in str(refused.value)
    assert not home.exists()
    assert vt.zoo.fetch(weights, offline=False).read_bytes() == CONTENT
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["", "0", "False", "no", "off"])
def test_not_offline(weights: Weights, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VITRUVIAN_OFFLINE", value)
    with pytest.raises(vt.ModelError, match="switched off"):
        vt.zoo.fetch(weights, offline=True)
    assert vt.zoo.fetch(weights).exists()


def test_a_file_put_there_by_hand(weights: Weights, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "net.pth").write_bytes(CONTENT)
    assert vt.zoo.fetch(replace(weights, urls=()), offline=True) == home / "net.pth"
    (home / "net.pth").write_bytes(CONTENT[:-1])
    (home / "net.pth.sha256").unlink()
    with pytest.raises(vt.ModelError, match=rf"net\.pth has been changed or damaged.*{DIGEST} \(published\)"):
        vt.zoo.fetch(weights)


def test_what_can_only_be_fetched_by_hand_says_so(home: Path) -> None:
    with pytest.raises(vt.ModelError) as refused:
        vt.zoo.fetch(Weights("net.pth", source="https://example.org/zoo"))
    assert "get it from https://example.org/zoo" in str(refused.value)
    assert str(home / "net.pth") in str(refused.value)


@pytest.mark.parametrize("published", [DIGEST, DIGEST[:8], ""])
def test_a_file_that_was_tampered_with_is_not_used(weights: Weights, published: str) -> None:
    pinned = replace(weights, sha256=published)
    path = vt.zoo.fetch(pinned)
    changed = bytearray(CONTENT)
    changed[350_000] ^= 1
    path.write_bytes(changed)
    for _ in range(2):
        with pytest.raises(vt.ModelError, match=r"net\.pth has been changed or damaged"):
            vt.zoo.fetch(pinned)
    path.unlink()
    assert vt.zoo.fetch(pinned).read_bytes() == CONTENT


@pytest.mark.parametrize("line", [b"", b" ", DIGEST[:10].encode(), b"\xff\0"])
def test_a_damaged_checksum_agrees_with_nothing(weights: Weights, home: Path, line: bytes) -> None:
    vt.zoo.fetch(weights)
    (home / "net.pth.sha256").write_bytes(line)
    with pytest.raises(vt.ModelError, match="changed or damaged"):
        vt.zoo.fetch(weights)


@pytest.mark.parametrize(("published", "times"), [(DIGEST, 0), ("", 1)])
def test_trust_in_a_first_download_is_not_silent(
    weights: Weights, caplog: pytest.LogCaptureFixture, published: str, times: int
) -> None:
    for _ in range(2):
        vt.zoo.fetch(replace(weights, sha256=published))
    assert caplog.text.count("no checksum of") == times


def archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return file.getvalue()


def test_the_one_file_of_an_archive(server: Server, home: Path) -> None:
    server.files["sdk.zip"] = archive({"2023/net/end2end.onnx": CONTENT, "2023/net/pipeline.json": b"{}"})
    wanted = Weights("net.onnx", (server.url("sdk.zip"),), hashlib.sha256(server.files["sdk.zip"]).hexdigest())
    server.cuts["sdk.zip"] = [300_000]
    for _ in range(2):
        assert vt.zoo.fetch(wanted).read_bytes() == CONTENT
    assert left(home) == {"net.onnx", "net.onnx.sha256"}
    (home / "net.onnx").write_bytes(CONTENT[::-1])
    with pytest.raises(vt.ModelError, match="changed or damaged"):
        vt.zoo.fetch(wanted)


@pytest.mark.parametrize(
    "content",
    [
        archive({"a/1.onnx": b"1", "b/2.onnx": b"2"}),
        archive({"readme.txt": b"1"}),
        archive({"a.onnx": CONTENT})[:5000],
        b"no archive at all",
    ],
)
def test_archives_that_are_not_what_they_should_be(server: Server, home: Path, content: bytes) -> None:
    server.files["sdk.zip"] = content
    with pytest.raises(vt.ModelError, match="no archive that can be opened"):
        vt.zoo.fetch(Weights("net.onnx", (server.url("sdk.zip"),)))
    assert left(home) == set()


def test_names_in_an_archive_lead_nowhere(server: Server, home: Path) -> None:
    server.files["sdk.zip"] = archive({"../../../escaped.onnx": b"\x08" + CONTENT})
    path = vt.zoo.fetch(Weights("net.onnx", (server.url("sdk.zip"),)))
    assert (path, path.read_bytes()) == (home / "net.onnx", b"\x08" + CONTENT)
    assert not list(home.parent.parent.rglob("escaped*"))


FETCH = """
import sys
from vitruvian.cards import Weights
from vitruvian.zoo import fetch
fetch(Weights("net.pth", (sys.argv[1],), sys.argv[2]))
"""


def test_two_processes_download_once(server: Server, weights: Weights, home: Path) -> None:
    server.delay = 0.5
    command = [sys.executable, "-c", FETCH, weights.urls[0], DIGEST]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert (home / "net.pth").read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_two_threads_download_once(server: Server, weights: Weights) -> None:
    server.delay = 0.2
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(vt.zoo.fetch(weights).read_bytes())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 3
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_leaves_a_part_that_goes_on(server: Server, weights: Weights, home: Path) -> None:
    import signal

    big = random.Random(1).randbytes(80_000_000)
    server.files["net.pth"] = big
    digest = hashlib.sha256(big).hexdigest()
    script = f"""
import sys
from vitruvian.hub import transfer
attempt = transfer._write
def slowly(*arguments):
    import time
    time.sleep(0.02)
    attempt(*arguments)
transfer._write = slowly
{FETCH}"""
    process = subprocess.Popen([sys.executable, "-c", script, weights.urls[0], digest], stderr=subprocess.PIPE)
    part = home / "net.pth.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size > 1_000_000:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    so_far = part.stat().st_size
    assert 1_000_000 < so_far < len(big)
    assert not (home / "net.pth").exists()
    assert vt.zoo.fetch(replace(weights, sha256=digest, size=None)).read_bytes() == big
    assert server.requests[-1] == ("net.pth", f"bytes={so_far}-", 206)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_says_so_and_keeps_the_part(server: Server, weights: Weights, home: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        with pytest.raises(vt.OutputError, match=r"net\.pth\.part can't be written: .*free space"):
            vt.zoo.fetch(weights)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (home / "net.pth").exists()
    assert vt.zoo.fetch(weights).read_bytes() == CONTENT
    assert server.requests[-1][2] == 206


def test_a_folder_that_can_not_be_made(weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VITRUVIAN_HOME", str(tmp_path / "file"))
    with pytest.raises(vt.OutputError, match="set VITRUVIAN_HOME to a folder that can be written to"):
        vt.zoo.fetch(weights)


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user")
def test_a_cache_that_may_only_be_read_is_used(weights: Weights, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "net.pth").write_bytes(CONTENT)
    home.chmod(0o500)
    assert vt.zoo.fetch(weights, offline=True).read_bytes() == CONTENT
    home.chmod(0o700)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG specification")
def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VITRUVIAN_HOME", "~/mine")
    assert cache.cache_folder() == tmp_path / "mine/models"
    monkeypatch.delenv("VITRUVIAN_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg/vitruvian/models"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache.cache_folder() == tmp_path / ".cache/vitruvian/models"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("net.pth", b""),
        ("net.pth", b'{"error": "quota"}'),
        ("net.pth", b"\xef\xbb\xbf<!-- x --><html>quota"),
        ("net.pth", b"PK\x03\x04" + CONTENT),  # an archive without its end
        ("net.onnx", CONTENT),
    ],
)
def test_junk_without_a_checksum_to_tell_is_refused(server, home: Path, name: str, content: bytes) -> None:
    server.files[name] = content
    with pytest.raises(vt.ModelError, match=name.replace(".", r"\.")):
        vt.zoo.fetch(Weights(name, (server.url(name),)))
    assert not (home / name).exists()
    assert not (home / f"{name}.sha256").exists()


def test_an_address_that_is_none_is_an_error_of_ours(home: Path) -> None:
    with pytest.raises(vt.ModelError, match="can't be downloaded"):
        vt.zoo.fetch(Weights("net.pth", ("http://[::1/net.pth",)))


@pytest.mark.parametrize("name", ["", "../net.pth", "a/b.pth", "a\\b", ".hidden", "/etc/passwd", "net.pth\n"])
def test_file_names_that_leave_the_cache(name: str) -> None:
    with pytest.raises(vt.ModelError, match="no plain file name"):
        Weights(name)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "net.pth", ""])
def test_addresses_that_are_not_http(url: str) -> None:
    with pytest.raises(vt.ModelError, match=r"no http\(s\) address"):
        Weights("net.pth", (url,))
