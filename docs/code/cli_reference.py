"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

import typer

from vitruvian.cli import app

INTRODUCTION = """# Command line

This page is made from the commands. `vitruvian COMMAND --help` says the same.

Exit codes: 0 success, 1 failure (such as a full disk), 2 bad usage or input, 130 Ctrl-C.
"""
OTHER = "Other options"


def cli_page() -> str:
    """The page, Markdown."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="vitruvian")
    parts = [INTRODUCTION]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = typer.Context(command, info_name=name, parent=context)
        parts.append(_command(name, command, inner))
    return "\n".join(parts)


def _command(name: str, command: Any, context: Any) -> str:
    pieces = (piece for piece in command.collect_usage_pieces(context))
    usage = " ".join([f"vitruvian {name}", *pieces]).replace("{", "").replace("}", "")
    lines = [f"## vitruvian {name}", "", (command.help or "").strip(), "", "```text", usage, "```", ""]
    hints = _hints(name)
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    if arguments:
        names = (f"`{one.metavar or one.name.upper()}`" for one in arguments)
        lines += _table("argument", zip(names, (one.help or "" for one in arguments), repeat(""), strict=False))
    panels: dict[str, list[Any]] = {}
    for parameter in parameters:
        if parameter.param_type_name == "option" and parameter.name != "help":
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or OTHER, []).append(parameter)
    for title, options in panels.items():
        if len(panels) > 1:
            lines += [f"**{title}**", ""]
        lines += _table("option", (_option(option, hints.get(option.name)) for option in options))
    return "\n".join(lines)


def _hints(name: str) -> dict[str, Any]:
    """The types of a command's parameters."""
    callback = next(
        info.callback for info in app.registered_commands if info.callback and _dashed(info.callback.__name__) == name
    )
    return typing.get_type_hints(callback)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _option(option: Any, hint: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    metavar = "" if option.is_flag else f" `{option.metavar or _kind(hint)}`"
    plain = option.default is not None and not callable(option.default) and option.show_default is not False
    shown = plain and not option.is_flag and option.default not in ((), [], "")
    return names + metavar, option.help or "", f"`{option.default}`" if shown else ""


def _kind(hint: Any) -> str:
    """What stands for a value of this type: its choices, or N, X, PATH, TEXT."""
    if typing.get_origin(hint) is typing.Literal:
        return "|".join(map(str, typing.get_args(hint)))
    if parts := [part for part in typing.get_args(hint) if part is not type(None)]:
        return _kind(parts[0])
    return {int: "N", float: "X", Path: "PATH"}.get(hint, "TEXT")


def _table(first: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = [f"| {first} | | default |", "|---|---|---|"]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
