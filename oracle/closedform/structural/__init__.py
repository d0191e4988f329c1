"""Cells that are graphs, answered without a trace: tables of their operations put together and counted."""

from __future__ import annotations

from oracle.closedform.structural.costing import cost_structures
from oracle.closedform.structural.templating import structural_template

__all__ = ["cost_structures", "structural_template"]
