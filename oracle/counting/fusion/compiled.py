"""Compiled: chains of pointwise, norm, softmax and reduction operators merge; the rest stays."""

from __future__ import annotations

from oracle.counting.fusion.chains import merged_groups
from oracle.counting.fusion.kernel import Kernel, all_producers, assemble, live_rows
from oracle.optable import OpTable

__all__ = ["compiled"]


def compiled(table: OpTable) -> tuple[Kernel, ...]:
    """Merge producers and consumers where no kernel has to run between them, see `merged_groups`."""
    known = all_producers(table)
    groups = merged_groups(table, live_rows(table, known), known)
    return assemble(table, groups, producers=known)
