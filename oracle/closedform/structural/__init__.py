"""Cells that are graphs, answered without a trace: tables of their operations put together and counted."""

from __future__ import annotations

from oracle.closedform.structural.costing import Answer, cost_structures
from oracle.closedform.structural.templating import structural_template

__all__ = ["Answer", "cost_structures", "structural_template"]
