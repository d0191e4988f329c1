"""Tables as a console of some width shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, RenderableType

__all__ = ["WIDTHS", "drawn"]

WIDTHS = (80, 100, 120)


def drawn(tables: Sequence[RenderableType], width: int) -> list[str]:
    """The lines of some tables on a console of some width."""
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, highlight=False, _environ={})
    for table in tables:
        console.print(table)
    return text.getvalue().splitlines()
