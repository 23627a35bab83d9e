"""The command `vitruvian models`: a list of models by name, with published figures and local files, and of presets."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .json_output import write_json

if TYPE_CHECKING:
    from ..cards import ModelCard


def models(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|TEXT...]",
            help="This model, and all that is known of it; or those with these words.",
        ),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download NAME and print where it is.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="With --fetch: use what is here, stay off the network.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The list as JSON; - is standard output.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing FILE.")] = False,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Delete the ONNX files made of checkpoints; downloads stay.")
    ] = False,
) -> None:
    """List the models that have a name: input size, published accuracy, cost, licence, source; and the presets."""
    from .. import zoo
    from ..models import find

    text = " ".join(words) if words else None

    if (offline and not fetch) or (overwrite and data is None) or (fetch and data is not None):
        raise InputError("--offline goes with --fetch, --overwrite with --json, and --fetch without --json")
    if clear_cache:
        if text is not None or fetch or data is not None:
            raise InputError("--clear-cache goes alone: it deletes what was converted of every checkpoint")
        typer.echo(f"{zoo.clear_converted() / 1e6:.1f} MB deleted in {zoo.converted_folder()}")
        return
    if fetch:
        if text is None:
            raise InputError("--fetch needs the NAME of a model; vitruvian models lists them")
        typer.echo(str(zoo.fetch(zoo.card(text), offline=offline or None)))
        return
    one = text in {card.name for card in zoo.cards()}
    chosen = list(zoo.cards()) if text is None else [zoo.card(text)] if one else list(find(text))
    if data is not None:
        presets = {} if text is not None else {"presets": {key: asdict(pair) for key, pair in zoo.PRESETS.items()}}
        write_json({"models": [_record(card) for card in chosen], **presets}, data, overwrite)
    elif one:
        _print_one(chosen[0])
    else:
        _print_table(chosen)
        if text is None:
            _print_presets()


def _record(card: ModelCard) -> dict[str, Any]:
    """A model's entry in the JSON list, without the fields that only code needs."""
    from ..zoo import downloaded

    path = downloaded(card)
    return {
        "name": card.name,
        "task": card.task,
        "family": card.family,
        "input_size": list(card.input_size),
        "published": asdict(card.published) if card.published else None,
        "weights": asdict(card.weights) if card.weights else None,
        "downloaded": str(path) if path else None,
    }


def _print_one(card: ModelCard) -> None:
    published, weights = card.published, card.weights
    lines = {"name": card.name, "task": f"{card.task} ({card.family})", "input": f"{_size(card)} (height x width)"}
    if published:
        persons = f", persons from a detector of AP {published.detector_ap}" if published.detector_ap else ""
        lines["AP"] = "-" if published.ap is None else f"{published.ap} on {published.split}{persons}"
        lines["parameters"] = f"{_number(published.parameters, 1e6)} M"
        lines |= {"GFLOPs": _number(published.gflops), "paper": published.paper}
    if weights:
        lines |= {"licence": weights.licence, "source": weights.source, "file": weights.filename}
        lines |= {f"address{f' {index}' if index > 1 else ''}": url for index, url in enumerate(weights.urls, 1)}
        lines |= {"layout": f"{weights.layout} names"} if weights.layout else {}
        lines["sha256"] = weights.sha256 or "none published: that of the first download is kept and checked"
    else:
        licence, lines["source"] = _unpublished(card)
        lines |= {"licence": licence} if licence != "-" else {}
    lines["downloaded"] = _where(card)
    for key, value in lines.items():
        typer.echo(f"{key:<12}{value}")


# On a narrow terminal the last columns are left out.
_COLUMNS = ("name", "input", "AP", "M par.", "GFLOPs", "here", "split", "det AP", "task", "licence", "source")
_NUMBERS = {"AP", "det AP", "M par.", "GFLOPs"}
_GAP = "  "


def _row(card: ModelCard) -> tuple[str, ...]:
    from ..cards import Published

    published, weights = card.published or Published(), card.weights
    return (
        card.name,
        _size(card),
        _number(published.ap),
        _number(published.parameters, 1e6),
        _number(published.gflops),
        "no" if _where(card) == "no" else "yes",
        published.split.removeprefix("COCO ") or "-",
        _number(published.detector_ap),
        card.task,
        *((weights.licence, weights.source.removeprefix("https://")) if weights else _unpublished(card)),
    )


def _unpublished(card: ModelCard) -> tuple[str, str]:
    """Licence and source of a model that its authors have no weights of."""
    from ..hub.downloads import packaged

    return ("Apache-2.0", "inside the package") if packaged(card) else ("-", "no weights published")


def _print_table(cards: list[ModelCard]) -> None:
    """One line a model. In a file or a pipe lines stay whole, however long."""
    columns = list(zip(_COLUMNS, *map(_row, cards), strict=True))
    widths = [max(map(len, column)) for column in columns]
    room = (
        shutil.get_terminal_size().columns
        if sys.stdout and sys.stdout.isatty()
        else sum(widths) + len(widths) * len(_GAP)
    )
    while len(columns) > 1 and sum(widths) + (len(widths) - 1) * len(_GAP) > room:
        columns.pop()
        widths.pop()
    for row in zip(*columns, strict=True):
        cells = (
            cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
            for cell, width, title in zip(row, widths, _COLUMNS, strict=False)
        )
        typer.echo(_GAP.join(cells).rstrip())
    left_out = _COLUMNS[len(columns) :]
    if left_out:
        typer.echo(f"\nNo room for {', '.join(left_out)}: widen the window, or ask for one: vitruvian models NAME")


def _print_presets() -> None:
    from ..zoo import PRESETS

    typer.echo()
    for row in (("preset", "detector", "pose"), *((name, *astuple(pair)) for name, pair in PRESETS.items())):
        typer.echo("{:<10}{:<26}{}".format(*row))


def _size(card: ModelCard) -> str:
    return "{}x{}".format(*card.input_size)


def _number(value: float | None, unit: float = 1.0) -> str:
    return "-" if value is None else f"{value / unit:.1f}"


def _where(card: ModelCard) -> str:
    from ..zoo import downloaded

    return str(downloaded(card) or "no")
