"""Bytes an operator moves: it reads its inputs once and writes its outputs once.

A broadcast dimension counts once, an in-place operator reads and writes its tensor, a gather reads the rows it
picks and not the whole table. That is a lower bound: caches may miss, and a kernel may read twice.
"""

from __future__ import annotations

from typing import Any

from oracle.optable import ITEMSIZE, Row, Use, prod

__all__ = ["moved_elements", "reads_of", "stored_bytes"]

Dim = Any

_PACKED = frozenset({"int4", "uint4"})
"""What takes half a byte. (torch has these types in name only: a tensor of one of them takes a byte.)"""
_GATHERS = frozenset(
    f"aten.{name}" for name in "embedding index index_select gather take _unsafe_index masked_select".split()
)
_PICKS = frozenset({"aten.nll_loss_forward", "aten.nll_loss2d_forward"})
"""Read, of their first tensor, one element per index in their second."""
_SCATTERS = frozenset(
    f"aten.{name}" for name in "index_add_ index_put_ _index_put_impl_ scatter_ scatter_add_ index_copy_".split()
)
_KEPT_FOR_ITS_SHAPE = frozenset(
    f"aten.{name}_backward"
    for name in "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d adaptive_max_pool2d"
    " adaptive_max_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d reflection_pad1d reflection_pad2d"
    " replication_pad1d replication_pad2d nll_loss nll_loss2d".split()
)
"""Take the forward input as their second tensor; autograd keeps it for them, but they only ask for its shape."""


def stored_bytes(elements: Dim, dtype: str) -> Dim:
    """Bytes that elements of a type take in memory and in files; those of four bits are packed by twos."""
    if dtype in _PACKED:
        return (elements + 1) // 2
    return elements * ITEMSIZE[dtype]


def reads_of(row: Row) -> tuple[Use, ...]:
    """What a row reads; the backward of a convolution reads only what the wanted gradients need."""
    if row.name == "aten.convolution_backward" and len(row.reads) == 3:
        grad, x, weight = row.reads
        mask = row.args[-1]
        return (grad, *((x,) if mask[1] else ()), *((weight,) if mask[0] else ()))
    return row.reads


def moved_elements(row: Row, use: Use, writing: bool) -> Dim:
    """Elements of a use that really move."""
    if not writing and row.name in _GATHERS and use is row.reads[0]:
        return min(prod(row.out), use.elements)
    if not writing and row.name in _PICKS and use is row.reads[0] and len(row.reads) > 1:
        return row.reads[1].elements
    if not writing and row.name in _KEPT_FOR_ITS_SHAPE and use is row.reads[1]:
        return 0
    if row.name in _SCATTERS and use.shape == row.args[0] and len(row.reads) > 1:
        # As many as there are indices (of which an index of rows has one per row), or values.
        given = row.reads[1:2] if "scatter" in row.name else row.reads[1:]
        return min(use.elements, max(other.elements for other in given))
    return use.elements
