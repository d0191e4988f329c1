"""Shapes as the table holds them: tuples of ints, or of sympy expressions when the trace is symbolic."""

from __future__ import annotations

from typing import Any

import torch

from oracle.optable import Shape

__all__ = ["dim_of", "dims_of", "shapes_of"]


def shapes_of(tree: Any) -> Any:
    """The same tree with tensors replaced by their shapes, and symbolic integers by their expressions."""
    if isinstance(tree, torch.Tensor):
        return Shape(dims_of(tree.shape))
    if isinstance(tree, (list, tuple)):
        return tuple(shapes_of(item) for item in tree)
    return dim_of(tree) if isinstance(tree, torch.SymInt) else tree


def dims_of(sizes: Any) -> tuple[Any, ...]:
    """Sizes or strides of a tensor."""
    return tuple(dim_of(size) for size in sizes)


def dim_of(size: Any) -> Any:
    """One size: an int, or its expression."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression) if expression.is_number else expression
