"""Where output goes: results to standard output, progress to standard error."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator, Sequence
from typing import TypeVar

from rich.console import Console, RenderableType

from oracle.report.grid import WIDTH

__all__ = ["show", "text_of", "tracked", "write"]

_Item = TypeVar("_Item")

_NARROWEST = 80  # a narrower terminal wraps lines, which reads better than columns of one letter


def text_of(renderables: Sequence[RenderableType]) -> str:
    """Plain text of at most `WIDTH` columns: no colours, ASCII rules, no blanks at line ends."""
    text = io.StringIO()
    # what the environment says of terminals does not concern a text
    console = Console(file=text, width=WIDTH, color_system=None, force_terminal=False, highlight=False, _environ={})
    _print(console, renderables)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def show(renderables: Sequence[RenderableType]) -> None:
    """Print, with colours and drawn rules on a terminal, as plain text anywhere else."""
    console = Console(highlight=False)
    if not console.is_terminal:
        write(text_of(renderables))
        return
    console.width = max(console.width, _NARROWEST)
    _print(console, renderables)


def _print(console: Console, renderables: Sequence[RenderableType]) -> None:
    for index, renderable in enumerate(renderables):
        if index:
            console.line()
        console.print(renderable)


def write(text: str) -> None:
    """Text to standard output as it is; a character that its encoding lacks becomes a question mark."""
    if sys.stdout is None:  # closed before we began
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def tracked(items: Sequence[_Item], label: str) -> Generator[_Item, None, None]:
    """The items; with a bar on standard error meanwhile, if that is a terminal and there are several."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import track

    yield from track(items, label, console=Console(stderr=True), transient=True)
