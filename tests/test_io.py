"""Files read within limits and written whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitruvian import InputError, ModelCard, ModelError, OutputError
from vitruvian.io import MAX_DEPTH, parse_json, parse_yaml, read_json, read_yaml, write_beside, write_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_of_every_encoding(path: Path, encoding: str) -> None:
    content = {"names": ["ä", "\\", '"', "孛[{"], "number": 1.5}  # U+5B5B has a bracket's byte twice
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert read_json(path, "a file") == content


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH),
        json.dumps(["[" * 100, '\\"' + "{" * 100, ['"' + "[" * 100]]),
        "[" + ",".join([nested(5)] * 100) + "]",
        json.dumps({"[" * 40: ["", "", "]", "" * 3, "[" * 40], "": "{" * 40}),
    ],
)
def test_json_within_the_depth(text: str) -> None:
    assert parse_json(text, "it") == json.loads(text)
    assert parse_json(text.encode(), "it") == json.loads(text)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 200_000])
def test_json_nested_too_deep_names_the_file(path: Path, depth: int) -> None:
    path.write_text('{"a": ' + nested(depth - 1) + "}")
    with pytest.raises(InputError, match=rf"{path} is no valid JSON \(it is nested deeper than {MAX_DEPTH}"):
        read_json(path, "a file")
    # Strings that hide quotes don't hide brackets.
    with pytest.raises(InputError, match="nested deeper"):
        parse_json('["\\\\", ' + nested(depth) + ', "\\""]', "it")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\xfa", b"[1,]", b"1" * 5000, b'{"a": "\xc3"}', b"]]]"])
def test_broken_json_names_the_file(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{path} is no valid JSON"):
        read_json(path, "a file")


def test_files_that_are_missing_or_too_large(path: Path) -> None:
    with pytest.raises(InputError, match=f"{path}: no such file; give annotations"):
        read_json(path, "annotations")
    with pytest.raises(InputError, match=f"{path} can't be read: No such file"):
        read_yaml(path)
    path.write_bytes(b"[1]" + b" " * 98)
    for read in (lambda limit: read_json(path, "a file", limit), lambda limit: read_yaml(path, limit)):
        assert read(101) == [1]
        with pytest.raises(InputError, match=f"{path} is larger than"):
            read(100)
    with pytest.raises(InputError, match=f"{path.parent} can't be read: Is a directory"):
        read_json(path.parent, "annotations")


def test_an_endless_file_ends_at_the_limit() -> None:
    with pytest.raises(InputError, match="/dev/zero is larger than 1 MiB"):
        read_yaml("/dev/zero")


def test_yaml_has_no_aliases(path: Path) -> None:
    pytest.importorskip("yaml")
    path.write_text("a: &x [1, 2]\nb: *x\n")
    with pytest.raises(InputError, match=rf"{path} can't be read as YAML: line 2: aliases"):
        read_yaml(path)
    assert parse_yaml("a: &x [1, 2]\nb: '*x'", "it") == {"a": [1, 2], "b": "*x"}


def test_the_bomb_is_refused(shared: Path) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(InputError, match=r"bomb\.yaml can't be read as YAML: line 4: aliases"):
        read_yaml(shared / "cases/bomb.yaml")


def test_yaml_nested_too_deep() -> None:
    pytest.importorskip("yaml")
    for text in (nested(10_000), "- " * 10_000, "{a: " * 10_000):
        with pytest.raises(InputError, match="it can't be read as YAML: it is nested deeper"):
            parse_yaml(text, "it")
    assert parse_yaml(nested(MAX_DEPTH), "it") == json.loads(nested(MAX_DEPTH))


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "2001-99-99",
        "!!int x",
        "!!int ''",
        "!!bool x",
        "!!timestamp x",
        "!!python/name:os.system",
        "? {a: b}\n: c",
    ],
)
def test_broken_yaml_names_the_file(path: Path, text: str) -> None:
    pytest.importorskip("yaml")
    path.write_text(text)
    with pytest.raises(InputError, match=f"{path} can't be read as YAML"):
        read_yaml(path)


def test_a_card_nested_too_deep_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="nested deeper"):
        ModelCard.from_json('{"options": ' + nested(100_000) + "}")


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_file(path, b"first")

    def fail(stream) -> None:
        stream.write(b"half of the second")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_beside(str(path), fail)
    assert [item.name for item in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == b"first"
    with pytest.raises(OutputError, match="a file stands where its folder should be"):
        write_file(path / "below", b"")
