"""Pages of the site that are made from the code, and links that leave docs/.

Adds the reference of the command line and of the Python API, the list of models, the notebooks, and the pages that
stand beside docs/ in the repository. An undocumented public name is a warning, which fails the strict build.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from api_reference import api_pages, modules, undocumented
from cli_reference import cli_page
from model_list import model_page
from notebook_pages import notebook_files

ROOT = Path(__file__).resolve().parents[2]
# Pages of the repository that are pages of the site, too.
BESIDE = {"benchmarks/README.md": "benchmarks.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
BESIDE["training/README.md"] = "diary.md"
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")
CODE = re.compile(r"`[^`]+`")

log = logging.getLogger("mkdocs.hooks.vitruvian")


def on_config(config: Any) -> Any:
    """Adds the modules to the entry of the Python reference."""
    pages = [{f"vitruvian.{name}": f"api/{name}.md"} for name in modules()]
    _replace(config.nav, "api/index.md", ["api/index.md", *pages])
    return config


def _replace(nav: Any, page: str, by: list[Any]) -> None:
    for entry in nav:
        for title, inner in entry.items() if isinstance(entry, dict) else ():
            if inner == page:
                entry[title] = by
            elif isinstance(inner, list):
                _replace(inner, page, by)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made."""
    made: dict[str, str | bytes] = {"cli.md": cli_page(), "model-list.md": model_page(), **api_pages()}
    made |= {name: _inside((ROOT / path).read_text(), path) for path, name in BESIDE.items()}
    for notebook in sorted((ROOT / "docs/notebooks").glob("*.ipynb")):
        files.remove(files.get_file_from_path(f"notebooks/{notebook.name}"))  # type: ignore[arg-type]
        made |= notebook_files(notebook)
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    for name in undocumented():
        log.warning("%s is public and has no docstring", name)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links that leave docs/ into links of the site."""
    return _inside(markdown, f"docs/{page.file.src_uri}")


def _inside(markdown: str, path: str) -> str:
    """The text of a page of the repository, whose links lead to pages of the site, or are no links."""
    depth = path.count("/") - 1 if path.startswith("docs/") else 0

    def link(match: re.Match[str]) -> str:
        text, to = match["text"], match["to"]
        if "://" in to or to.startswith(("#", "mailto:")):
            return match[0]
        place, mark, anchor = to.partition("#")
        target = (ROOT / path).parent.joinpath(place).resolve()
        try:
            inside = target.relative_to(ROOT).as_posix()
        except ValueError:
            return match[0]
        if inside in BESIDE:
            return f"[{text}]({'../' * depth}{BESIDE[inside]}{mark}{anchor})"
        if inside.startswith("docs/"):
            # A notebook is a page of the site, beside the file.
            page = ".md" if inside.endswith(".ipynb") else ""
            if path.startswith("docs/"):
                return f"[{text}]({place}{page}{mark}{anchor})"
            return f"[{text}]({inside.removeprefix('docs/')}{page}{mark}{anchor})"
        if inside == "README.md":
            return f"[{text}]({'../' * depth}index.md)"
        # Scripts and folders of the repository are no part of the site.
        return text if target.exists() else match[0]

    # In a table GitHub wants the bars inside of code escaped, the site doesn't.
    rows = re.compile(r"^\|.*$", re.MULTILINE)
    markdown = rows.sub(lambda row: CODE.sub(lambda span: span[0].replace("\\|", "|"), row[0]), markdown)
    return LINK.sub(link, markdown)
