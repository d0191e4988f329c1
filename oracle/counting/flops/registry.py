"""The registry of formulas, and the lookup that counts a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from oracle.counting.flops.pointwise import COMPLEX_FLOPS, POINTWISE_FLOPS
from oracle.errors import OracleError
from oracle.opclasses import register_class
from oracle.optable import Row, Shape, prod

__all__ = ["Dim", "Work", "elements", "register_flops", "work_of"]

Dim = Any


class Work(NamedTuple):
    """What one operator computes: multiply-adds, and all floating-point operations (2 per MAC included)."""

    macs: Dim
    flops: Dim


Formula = Callable[..., Work]
_REAL_INSIDE = frozenset({"aten.linalg_eig", "aten._linalg_eigvals"})
"""Make complex numbers by real operations of what is real."""
_FORMULAS: dict[str, Formula] = {}


def register_flops(*names: str, op_class: str | None = None) -> Callable[[Formula], Formula]:
    """Register the FLOP formula of one or more operators. A decorator.

    The formula gets the arguments of the operator, tensors as tuples of sizes, and the shape of the output as `out`; it
    returns a `Work`. It runs on integers, symbols and arrays alike: arithmetic only.

    Args:
        names: operators as `namespace.name`, such as "aten.mm", or "mylib.conv" of a `torch.library` operator.
        op_class: class of a custom operator, one of `oracle.optable.OP_CLASSES`. Default: "other".

    Raises:
        OracleError: an operator that has a formula already, or no such class.

    Examples:
        >>> import oracle
        >>> from oracle import Work
        >>> @oracle.register_flops("doclib.scaled_mm", op_class="matmul")
        ... def scaled_mm(a, b, scale, out):
        ...     macs = a[0] * a[1] * b[1]
        ...     return Work(macs=macs, flops=2 * macs + out[0] * out[1])
        >>> scaled_mm((4, 5), (5, 6), 0.5, out=(4, 6))
        Work(macs=120, flops=264)
    """

    def register(formula: Formula) -> Formula:
        for name in names:
            if name in _FORMULAS:
                raise OracleError(f"operator={name} has a FLOP formula already: {_FORMULAS[name].__name__}")
            _FORMULAS[name] = formula
            if op_class is not None:
                register_class(name, op_class)
        return formula

    return register


def work_of(row: Row, causal: str = "full") -> Work | None:
    """What a row computes, or None where no formula is registered; complex numbers by their real operations.

    A complex multiply-add is four real ones, an addition two operations; see `COMPLEX_FLOPS` for the rest.

    Args:
        row: from a trace.
        causal: "full" counts causal attention like full attention, as torch's FlopCounterMode does; "half" counts
            the scores under the mask's diagonal only, as kernels that skip masked blocks compute.
    """
    work = _plain_work(row, causal)
    uses = row.reads if row.name in _REAL_INSIDE else (*row.reads, *row.writes)
    if work is None or not any(use.dtype.startswith("complex") for use in uses):
        return work
    if row.op_class in ("copy", "embedding") and row.name not in _FORMULAS:
        return work
    short = _short(row.name)
    other = work.flops - 2 * work.macs
    if short in COMPLEX_FLOPS:
        return Work(0, COMPLEX_FLOPS[short] * other)
    return Work(4 * work.macs, 8 * work.macs + 2 * other)


def _plain_work(row: Row, causal: str) -> Work | None:
    formula = _FORMULAS.get(row.name)
    if formula is not None:
        if causal == "half" and row.op_class == "attention":
            return formula(*row.args, out=row.out, causal_half=True, **row.kwargs)
        return formula(*row.args, out=row.out, **row.kwargs)
    short = _short(row.name)
    if row.op_class in ("copy", "embedding") and short not in POINTWISE_FLOPS:
        return Work(0, 0)
    if row.pointwise or row.op_class == "elementwise" or short in POINTWISE_FLOPS:
        # In-place operators on lists of tensors return nothing: what they change, they were given first.
        return Work(0, POINTWISE_FLOPS.get(short, 1) * elements(row.args[0] if row.out is None else row.out))
    return None


def _short(name: str) -> str:
    return name.rsplit(".", maxsplit=1)[-1].removeprefix("_foreach_").rstrip("_")


def elements(shapes: Any) -> Dim:
    """Elements of a shape, or of all shapes in a list."""
    if isinstance(shapes, Shape):
        return prod(shapes)
    total: Dim = 0
    for shape in shapes:
        if isinstance(shape, tuple):
            total = total + elements(shape)
    return total
