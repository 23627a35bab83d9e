"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterable
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
    usage = " ".join([f"vitruvian {name}", *command.collect_usage_pieces(context)])
    lines = [f"## vitruvian {name}", "", (command.help or "").strip(), "", "```text", usage, "```", ""]
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    if arguments:
        lines += _table("argument", ((f"`{one.make_metavar(context)}`", one.help or "", "") for one in arguments))
    panels: dict[str, list[Any]] = {}
    for parameter in parameters:
        if parameter.param_type_name == "option":
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or OTHER, []).append(parameter)
    for title, options in panels.items():
        if len(panels) > 1:
            lines += [f"**{title}**", ""]
        lines += _table("option", (_option(option, context) for option in options))
    return "\n".join(lines)


def _option(option: Any, context: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    metavar = "" if option.is_flag else f" `{option.make_metavar(context)}`"
    plain = option.default is not None and not callable(option.default) and option.show_default is not False
    shown = plain and not option.is_flag and option.default not in ((), [], "")
    return names + metavar, option.help or "", f"`{option.default}`" if shown else ""


def _table(first: str, rows: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = [f"| {first} | | default |", "|---|---|---|"]
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return [*lines, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
