"""What depends on weights only, which engines compute when they are built."""

from __future__ import annotations

from oracle.optable import OpTable

__all__ = ["constant_rows", "is_constant"]

_RANDOM = frozenset(
    f"aten.{name}"
    for name in "bernoulli bernoulli_ uniform_ normal_ exponential_ rand randn rand_like randn_like randint"
    " randint_like randperm multinomial native_dropout".split()
)


def constant_rows(table: OpTable) -> set[int]:
    """Inference rows that depend on weights only (casts of weights, reparametrisations, position tables)."""
    constant: set[int] = set()
    if any(row.phase != "forward" for row in table.rows):
        return constant  # weights change at every step
    for index, row in enumerate(table.rows):
        parts = [part for use in (*row.reads, *row.writes) for part in table.lineage(use.value)]
        known = all(is_constant(table, part, index, constant) for part in parts)
        if known and row.writes and row.name not in _RANDOM:
            constant.add(index)
    return constant


def is_constant(table: OpTable, value: int, row: int, constant: set[int]) -> bool:
    """Whether a value is a weight, or made by a row itself, or by one of those that are constant."""
    made = table.values[value]
    if made.producer < 0:
        return table.storages[made.storage].is_weight
    return made.producer == row or made.producer in constant
