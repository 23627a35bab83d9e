"""Atomic file writing, and reading of JSON, YAML and XML with limits on size and nesting."""

from __future__ import annotations

import contextlib
import json
import os
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import gaierror
from typing import TYPE_CHECKING, Any, BinaryIO

from .errors import InputError, OutputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MIB = 2**20
JSON_LIMIT = 2048 * MIB
"""Bytes of the largest JSON file that is read: the annotations of COCO's training pictures have 240 MiB."""

YAML_LIMIT = MIB
"""Bytes of the largest YAML file that is read: recipes and skeletons have a few thousand."""

XML_LIMIT = 512 * MIB
"""Bytes of the largest XML file that is read."""

MAX_DEPTH = 64
"""Deepest nesting of lists and objects: annotations and predictions have 6."""


def as_text(name: str) -> str:
    """A name as it is written: names of files are any bytes, so not all of them are valid text."""
    return name.encode("utf-8", "backslashreplace").decode()


def write_beside(target: str, save: Callable[[BinaryIO], object]) -> None:
    """Let `save` write a new file and put it in place of `target` when it is complete; else nothing is left of it."""
    folder, name = os.path.split(target)
    # Not tempfile: its files are private to the user, and the result would stay so.
    temporary = os.path.join(folder, f".{uuid.uuid4().hex[:8]}.{name[-80:]}.part")
    try:
        with open(temporary, "xb") as stream:
            save(stream)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and the folders above it. Raises OutputError; an older file is still there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(str(path), lambda stream: stream.write(data))
    except OSError as error:
        raise OutputError(why_not_written(str(path), error)) from None


def why_not_written(path: str, error: Exception) -> str:
    """The message of an OutputError."""
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileExistsError):
        reason = "a file stands where its folder should be"
    return f"{path} can't be written: {reason}; check free space and permissions, or write elsewhere"


def why_not_fetched(url: str, error: Exception) -> str:
    """Why a URL gave nothing, in words; where no connection was made, to which host."""
    from ssl import SSLError
    from urllib.error import URLError
    from urllib.parse import urlsplit

    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if type(error) is URLError and isinstance(reason, OSError) and not isinstance(reason, SSLError):
        detail = "" if isinstance(reason, gaierror) else f" ({reason.strerror or reason})"
        return f"no connection to {urlsplit(url).hostname}{detail}"
    return " ".join(str(reason).split())


_SPREADSHEETS = (".xlsx", ".xls", ".ods")
_FORMATS = {".csv": "CSV", ".tsv": "CSV", ".json": "JSON", ".parquet": "Parquet", ".pq": "Parquet"}
_FORMATS |= dict.fromkeys(_SPREADSHEETS, "CSV")
_MEDIA = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".mp4", ".mov", ".mkv", ".avi")


def check_extension(path: str | os.PathLike[str], form: str, options: Mapping[str, str]) -> None:
    """Refuse to write a format into a file whose extension says another one; an unknown extension says nothing.

    Args:
        path: the file to be written.
        form: "CSV", "JSON" or "Parquet".
        options: the command's option for each of these formats that it writes, for messages.

    Raises:
        InputError: another format's extension; the message has the fitting name or option.
    """
    suffix = Path(path).suffix.lower()
    other = _FORMATS.get(suffix, form)
    if suffix not in (*_SPREADSHEETS, *_MEDIA) and other == form:
        return
    name = Path(path).with_suffix(f".{form.lower()}")
    own = wanted = ""
    if other == form and suffix in _SPREADSHEETS:
        own = ", which is text that spreadsheets open"
    elif other != form and other in options:
        clause = ", which spreadsheets open," if suffix in _SPREADSHEETS else ""
        wanted = f", or write {other}{clause} with {options[other]}"
    raise InputError(f"{os.fspath(path)}: {options[form]} writes {form}{own}; call it {name}{wanted}")


def read_json(path: str | os.PathLike[str], wanted: str, limit: int = JSON_LIMIT) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        wanted: a noun phrase of the file that a user should give, for messages.
        limit: bytes that the file may have.

    Raises:
        InputError: the file is missing, too large, nested deeper than `MAX_DEPTH`, or no JSON; the message names it.
    """
    try:
        data = _read(Path(path), limit)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give {wanted}") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; give {wanted}") from None
    return parse_json(data, os.fspath(path), f"give {wanted}, or fetch or write it again")


def parse_json(data: bytes | bytearray | str, name: str, advice: str = "fetch or write it again") -> Any:
    """The value of a JSON text.

    Args:
        data: the text, or its bytes in UTF-8, UTF-16 or UTF-32.
        name: what messages call it.
        advice: what to do where it is none.

    Raises:
        InputError: no JSON, or nested deeper than `MAX_DEPTH`.
    """
    try:
        text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
        _check_depth(text.encode(errors="surrogatepass") if isinstance(data, str) or b"\0" in data[:4] else data)
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is no valid JSON ({error}); {advice}") from None


def read_xml(path: str | os.PathLike[str], wanted: str, limit: int = XML_LIMIT) -> Element:
    """The root element of an XML file; arguments are those of `read_json`.

    Raises:
        InputError: the file is missing, too large, nested deeper than `MAX_DEPTH`, no XML, or has a DOCTYPE, whose
            entities can stand for gigabytes or for other files; the message names it.
    """
    try:
        data = _read(Path(path), limit)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give {wanted}") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}; give {wanted}") from None
    return parse_xml(data, os.fspath(path))


def parse_xml(data: bytes | bytearray, name: str) -> Element:
    """The root element of an XML text; `name` is what messages call it. Errors are those of `read_xml`."""
    from xml.etree.ElementTree import TreeBuilder
    from xml.parsers import expat

    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(*_: object) -> None:
        raise ValueError("a DOCTYPE isn't read")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(bytes(data), True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"{name} can't be read as XML: {error}") from None


def read_yaml(path: str | os.PathLike[str], limit: int = YAML_LIMIT) -> Any:
    """The content of a YAML file.

    Args:
        path: the file.
        limit: bytes that the file may have.

    Raises:
        InputError: PyYAML is missing; or the file is missing, too large, no YAML, nested deeper than `MAX_DEPTH`, or
            has aliases (``*name``), by which a few lines can stand for gigabytes. The message names the file.
    """
    try:
        text = _read(Path(path), limit).decode("utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(text, os.fspath(path))


def parse_yaml(text: str, name: str) -> Any:
    """The value of a YAML text; `name` is what messages call it. Errors are those of `read_yaml`."""
    try:
        import yaml
    except ImportError:
        raise InputError("YAML files need a package more: pip install 'vitruvian[train]'") from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise ValueError(f"line {self.peek_event().start_mark.line + 1}: aliases (*name) aren't read")
            if self.depth > MAX_DEPTH:
                raise ValueError(_TOO_DEEP)
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    try:
        return yaml.load(text, Loader)  # a SafeLoader
    # What PyYAML's constructors raise for dates, numbers and tags that are none is not only its own error.
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{name} can't be read as YAML: {error}") from None


_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"
_STRUCTURE = b'[]{}"'
_NO_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))


def _read(path: Path, limit: int) -> bytearray:
    """A file's bytes. Raises OSError, and InputError for more than `limit`."""
    data = bytearray()
    with path.open("rb") as file:
        while part := file.read(MIB):
            data += part
            if len(data) > limit:
                raise InputError(f"{path} is larger than {limit / MIB:g} MiB, the most that is read of such a file")
    return data


def _check_depth(data: bytes | bytearray) -> None:
    """Raises ValueError for JSON that is nested too deep, before anything is built of it."""
    import numpy as np

    if b"\\" in data:
        data = re.sub(rb"\\.", b"", data, flags=re.DOTALL)
    # Adjacent quotes hold nothing: a string without brackets, or the end of one and the start of the next.
    structure = data.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    # What remains outside of strings are brackets: those that open have bit 1 set, those that close have not.
    brackets = b"".join(structure.split(b'"')[::2])
    steps = (np.frombuffer(brackets, np.uint8) & 2).astype(np.int8) - 1
    if len(steps) and np.cumsum(steps, dtype=np.int64).max() > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
