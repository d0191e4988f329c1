"""How results show themselves in notebooks: as the tables of the command line, made only when one is shown.

Results stand before the room that knows how a number looks, so it is looked up by name, and not before it is needed.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["Shown"]


class Shown:
    """A result that a notebook shows as tables."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = import_module("oracle.report.notebook").html_of(self)
        return html
