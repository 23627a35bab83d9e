"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import printable

if TYPE_CHECKING:
    from rich.console import Console

Update = Callable[[int, "int | None"], None]


@contextmanager
def progress_bar(name: str, console: Console, total: int | None = None, rate: bool = False) -> Iterator[Update]:
    """A progress bar, if the console is a terminal and isn't quiet.

    Args:
        name: the text before the bar.
        console: where it is drawn.
        total: items to expect; none is drawn for a single one.
        rate: show items a second, called frames.

    Yields:
        The function to call with the number of items done, and with their total, or None to leave that as it is.
    """
    from rich import progress

    columns: list[progress.ProgressColumn] = [
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    ]
    if rate:
        columns.insert(3, progress.TextColumn("{task.fields[rate]:.1f} frames/s"))
    hidden = console.quiet or not console.is_terminal or total == 1
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(printable(name), total=total, rate=0.0)

        def update(done: int, total: int | None = None) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=done, total=total, rate=done / elapsed if elapsed else 0.0)

        yield update
