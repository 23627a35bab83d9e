"""The page of all models by name, from their cards."""

from __future__ import annotations

from vitruvian.cards import ModelCard, Published
from vitruvian.hub.downloads import packaged
from vitruvian.zoo import cards

INTRODUCTION = """# All models by name

These names go wherever a model goes: `--pose NAME`, `--detector NAME`, `vt.load(pose=NAME)`. The list is made from
`vt.zoo.cards()`. AP is the figure of the authors, on the named pictures of COCO, with the person detector that
they used; it was not measured here. A name without weights has a network, for training. `vitruvian models NAME`
prints one card in full.
"""
HEAD = "| name | input | AP | on | M parameters | GFLOPs | weights | paper |\n|---|---|---|---|---|---|---|---|"


def model_page() -> str:
    """The page, Markdown."""
    parts = [INTRODUCTION]
    for title, task in (("Pose nets", "pose"), ("Person detectors", "detection")):
        rows = [_row(card) for card in cards() if card.task == task]
        parts += [f"## {title}", "\n".join([HEAD, *rows])]
    return "\n\n".join(parts) + "\n"


def _row(card: ModelCard) -> str:
    published, weights = card.published or Published(), card.weights
    if weights is not None:
        source = f"[{weights.licence}]({weights.source})" if weights.source else weights.licence
    else:
        source = "in the package, Apache-2.0" if packaged(card) else "none published"
    cells = (
        f"`{card.name}`",
        "{}x{}".format(*card.input_size),
        _number(published.ap),
        published.split.removeprefix("COCO "),
        _number(published.parameters, 1e6),
        _number(published.gflops),
        source,
        f"[paper]({published.paper})" if published.paper else "",
    )
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:.1f}"
