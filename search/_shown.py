"""How sweeps and studies show themselves in notebooks: as the tables of the command line, made when they are shown."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["html_by"]


def html_by(maker: str, result: Any) -> str:
    """HTML of the tables that a function of `search.cli` makes of a result.

    Args:
        maker: `module.function` there, looked up by name: results stand before the room that shows them.
        result: what it is given.
    """
    module, _, function = maker.partition(".")
    tables = getattr(import_module(f"search.cli.{module}"), function)(result)
    html: str = import_module("oracle.report.notebook").tables_html(tables)
    return html
