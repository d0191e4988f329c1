"""Eager: every operator is a kernel."""

from __future__ import annotations

from oracle.counting.conversions import is_inside
from oracle.counting.fusion.kernel import Kernel
from oracle.counting.traffic import reads_of
from oracle.optable import OpTable

__all__ = ["eager"]


def eager(table: OpTable) -> tuple[Kernel, ...]:
    """One kernel per row, in program order; conversions inside of an operator are none."""
    return tuple(
        Kernel(
            (index,),
            index,
            tuple((index, use) for use in reads_of(row)),
            tuple((index, use) for use in row.writes),
        )
        for index, row in enumerate(table.rows)
        if not is_inside(row)
    )
