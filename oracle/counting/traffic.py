"""Bytes an operator moves: it reads its inputs once and writes its outputs once.

A broadcast dimension counts once, an in-place operator reads and writes its tensor, a gather reads the rows it
picks and not the whole table. That is a lower bound: caches may miss, and a kernel may read twice.
"""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.others import TAPS
from oracle.experts import reached
from oracle.optable import ITEMSIZE, Row, Use, prod, smaller

__all__ = ["moved_elements", "reads_of", "stored_bytes"]

Dim = Any

_PACKED = frozenset({"int4", "uint4"})
"""What takes half a byte. (torch has these types in name only: a tensor of one of them takes a byte.)"""
_GATHERS = frozenset(
    f"aten.{name}"
    for name in "embedding index index_select gather take _unsafe_index masked_select upsample_nearest1d"
    " upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d"
    " _upsample_nearest_exact3d".split()
)
"""Read, of their first tensor, one element for each that they make at most."""
_BAGS = frozenset({"aten._embedding_bag", "aten._embedding_bag_forward_only"})
"""Read, of their first tensor, one row per index in their second."""
_PICKS = frozenset({"aten.nll_loss_forward", "aten.nll_loss2d_forward"})
"""Read, of their first tensor, one element per index in their second."""
_SCATTERS = frozenset(
    f"aten.{name}"
    for name in "index_add_ index_put_ _index_put_impl_ scatter_ scatter_add_ scatter_reduce_ index_copy_"
    " index_fill_ embedding_renorm_".split()
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
    if row.name in _SCATTERS and use.shape == row.args[0] and len(row.reads) > 1:
        unread = not writing and use is row.reads[0] and _overwrites(row)
        return 0 if unread else min(use.elements, _scattered(row))
    if writing or use is not row.reads[0]:
        return use.elements if writing else _read_besides(row, use)
    if row.name in _PICKS and len(row.reads) > 1:
        return row.reads[1].elements
    most = _picked(row)
    return use.elements if most is None else smaller(most, use.elements)


def _read_besides(row: Row, use: Use) -> Dim:
    """Elements that a row reads of a tensor other than its first."""
    if row.name in _KEPT_FOR_ITS_SHAPE and use is row.reads[1]:
        return 0
    if row.name == "oracle.experts" and use is not row.reads[0] and use.dtype != "int64":
        tokens, per_token = row.args[3]  # an expert that no token reaches stays where it is
        return reached(use.shape[0], per_token, tokens) * prod(use.shape[1:])
    if row.name == "aten._grouped_mm" and len(row.args[0]) == 2 and use.shape == row.args[1]:
        # An expert that no row reaches stays where it is; that two rows share one is not known from shapes.
        return use.elements // use.shape[0] * min(use.shape[0], row.args[0][0])
    return use.elements


def _picked(row: Row) -> Dim | None:
    """Elements that a row reads of its first tensor at most; None for all of them."""
    if row.name in _GATHERS:
        return prod(row.out)
    if row.name == "oracle.sparse_attention":
        return prod(row.args[1]) * row.args[0][-1]  # the latents that queries chose
    if row.name in _BAGS and len(row.reads) > 1:
        return prod(row.args[1]) * prod(row.args[0][1:])
    taps = TAPS.get(row.name.removeprefix("aten."))
    return None if taps is None or row.name.endswith("_aa") else taps * prod(row.out)


def _overwrites(row: Row) -> bool:
    """Whether a scatter leaves nothing of what was in the places that it writes to."""
    if row.name in ("aten.index_put_", "aten._index_put_impl_"):
        return len(row.args) < 4 or not row.args[3]
    return row.name in ("aten.index_fill_", "aten.index_copy_", "aten.scatter_") and not row.kwargs.get("reduce")


def _scattered(row: Row) -> Dim:
    """Elements that a scatter overwrites at most: one per index, or one per value; an index of rows has one per row."""
    if "scatter" in row.name:
        return prod(row.args[2])  # as the call has it, however it was expanded
    if row.name == "aten.embedding_renorm_":
        return prod(row.args[1]) * prod(row.args[0][1:])
    if row.name == "aten.index_fill_":
        x, dim, index = row.args[:3]
        return prod(index) * prod(size for axis, size in enumerate(x) if axis != dim % max(len(x), 1))
    return max(other.elements for other in row.reads[1:])
