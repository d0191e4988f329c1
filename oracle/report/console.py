"""Where output goes: results to standard output, progress to standard error."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, TypeVar

from oracle.report.grid import WIDTH
from oracle.report.plain import plain_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_Item = TypeVar("_Item")

_FORCING = ("FORCE_COLOR", "TTY_COMPATIBLE")
_NARROWEST = 80  # a narrower terminal wraps lines, which reads better than columns of one letter


def text_of(renderables: Sequence[RenderableType]) -> str:
    """Plain text of at most `WIDTH` columns: no colours, ASCII rules, no blanks at line ends."""
    found = [_lines_of(renderable) for renderable in renderables]
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in found)


def _lines_of(renderable: RenderableType) -> list[str]:
    lines = plain_lines(renderable, WIDTH)
    if lines is not None:
        return lines
    from rich.console import Console

    text = io.StringIO()
    # what the environment says of terminals does not concern a text
    console = Console(file=text, width=WIDTH, color_system=None, force_terminal=False, highlight=False, _environ={})
    console.print(renderable)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def show(renderables: Sequence[RenderableType]) -> None:
    """Print, with colours and drawn rules on a terminal, as plain text anywhere else."""
    if not _may_be_terminal():
        write(text_of(renderables))
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        write(text_of(renderables))
        return
    console.width = max(console.width, _NARROWEST)
    _print(console, renderables)


def _may_be_terminal() -> bool:
    """Whether rich, which takes a while to load, is worth asking."""
    isatty = getattr(sys.stdout, "isatty", None)
    return (isatty is not None and isatty()) or any(name in os.environ for name in _FORCING)


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
    from rich.console import Console
    from rich.progress import track

    yield from track(items, label, console=Console(stderr=True), transient=True)
