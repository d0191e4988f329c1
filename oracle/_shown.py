"""How results show themselves in notebooks: as the tables of the command line, made only when one is shown."""

from __future__ import annotations


class Shown:
    """A result that a notebook shows as tables."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from oracle.report.notebook import html_of  # tables come after results

        return html_of(self)
