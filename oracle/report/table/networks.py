"""Networks that ship with the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle.report.grid import Column, Grid

if TYPE_CHECKING:
    from rich.console import RenderableType


def networks_tables(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """One line per network; rows as `oracle.report.rows.network_row` makes them."""
    return [
        Grid(
            (
                Column("Network", [row["network"] for row in rows]),
                Column("Directory", [row["directory"] for row in rows]),
                Column("Type", [row["type"] for row in rows]),
                Column("Input", [row["input"] for row in rows], _input_unit(rows), number=True),
                Column(
                    "Classes", ["-" if row["classes"] is None else str(row["classes"]) for row in rows], number=True
                ),
                Column("Cells", [str(row["cells"]) for row in rows], number=True),
            )
        )
    ]


def _input_unit(rows: Sequence[Mapping[str, Any]]) -> str:
    """What inputs are counted in: images, or tokens of a sequence."""
    kinds = {"C x H x W" if "x" in row["input"] else "tokens" for row in rows}
    return " or ".join(sorted(kinds))
