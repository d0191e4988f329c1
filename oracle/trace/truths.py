"""Truth values that a forward asks of tensors without data: what an honest answer is, and when there is none.

`if mask.all():` asks whether a mask masks nothing, `if values.isnan().any():` whether something went wrong. Neither
can be known from shapes, but a mask is there because it masks something, and what was computed is taken to be right. So
`all` of a mask is False and `any` of it True, and its sum is neither 0 nor that of a mask that masks nothing; `all` of
a test of values computed with weights is True and `any` of it False. Of floating-point inputs nothing is known. Every
answer is told in the result.
"""

from __future__ import annotations

from collections.abc import Sequence

from oracle.optable import Row, Storage, Value

__all__ = ["truth_of"]

_NOT = frozenset({"aten.logical_not", "aten.bitwise_not"})
_BOTH = {"aten.logical_and": all, "aten.bitwise_and": all, "aten.logical_or": any, "aten.bitwise_or": any}
_REDUCED = {"aten.all": True, "aten._is_all_true": True, "aten.any": False, "aten._is_any_true": False}
_SUMMED = frozenset(f"aten.{name}" for name in "sum count_nonzero mean max min amax amin".split())
_COMPARED = {"aten.eq": False, "aten.ne": True, "aten.gt": True, "aten.lt": True}  # a sum of a mask with a number
_SAME = frozenset({"aten._to_copy", "aten.clone", "aten.contiguous"})


def truth_of(value: int, rows: Sequence[Row], values: Sequence[Value], storages: Sequence[Storage]) -> bool | None:
    """The truth of a tensor of one element, or None where its rows leave no answer.

    Args:
        value: that the tensor holds.
        rows, values, storages: recorded so far.
    """

    def requested(at: int) -> bool | None:
        row = rows[values[at].producer] if values[at].producer >= 0 else None
        if row is None or not row.reads:
            return None
        first = row.reads[0].value
        if row.name in _REDUCED:
            computed = is_computed(first)
            return None if computed is None else computed == _REDUCED[row.name]
        if row.name in _COMPARED:
            made = values[first].producer
            summed = made >= 0 and rows[made].name in _SUMMED
            return _COMPARED[row.name] if summed and is_computed(first) is False else None
        return _joined(row.name, [requested(use.value) for use in row.reads])

    def is_computed(at: int) -> bool | None:
        return _is_computed(at, rows, values, storages)

    return requested(value)


def _joined(name: str, parts: list[bool | None]) -> bool | None:
    """What an operator makes of truths."""
    if None in parts:
        return None
    if name in _NOT or name in _SAME:
        return parts[0] if name in _SAME else not parts[0]
    return _BOTH[name](parts) if name in _BOTH and len(parts) == 2 else None


def _is_computed(value: int, rows: Sequence[Row], values: Sequence[Value], storages: Sequence[Storage]) -> bool | None:
    """Whether weights are in what a tensor was made of; else it is a mask, unless it was made of real inputs (None)."""
    real = False
    seen: set[int] = set()
    stack = [value]
    while stack:
        at = stack.pop()
        if at < 0 or at in seen:
            continue
        seen.add(at)
        storage, producer, base = values[at]
        if producer >= 0:
            stack += [base, *(use.value for use in rows[producer].reads)]
        elif storages[storage].kind == "parameter":
            return True
        else:
            real |= storages[storage].kind == "input" and "float" in storages[storage].dtype
    return None if real else False
