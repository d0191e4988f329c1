"""Shapes as the table holds them: tuples of ints, or of sympy expressions when the trace is symbolic."""

from __future__ import annotations

from typing import Any

import torch

from oracle.optable import Shape

__all__ = ["dim_of", "dims_of", "shapes_of"]


_PLAIN = frozenset({int, bool, float, str, type(None)})


def shapes_of(tree: Any) -> Any:
    """The same tree with tensors replaced by their shapes, and symbolic integers by their expressions."""
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, torch.Tensor):
        return Shape(dims_of(tree.shape))
    if isinstance(tree, (list, tuple)):
        return tuple(shapes_of(item) for item in tree)
    return dim_of(tree) if isinstance(tree, torch.SymInt) else tree


def dims_of(sizes: Any) -> tuple[Any, ...]:
    """Sizes or strides of a tensor."""
    dims = tuple(sizes)
    for size in dims:
        if type(size) is not int:  # symbolic
            return tuple(dim_of(each) for each in dims)
    return dims


def dim_of(size: Any) -> Any:
    """One size: an int, or its expression."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression) if expression.is_number else expression
