"""FLOP formulas: small pure functions of shapes, one per operator.

A formula gets the operator's arguments with tensors replaced by their shapes, and `out`, the shape(s) of its
result; it returns `Work`. It may use +, -, *, // and `prod` only and must not branch on a size, so that it runs
unchanged on Python ints and on sympy symbols.

A multiply-add is 1 MAC and 2 FLOPs. MACs are those of contractions (convolution, linear, matrix product,
attention); every other operation, a bias add included, counts as FLOPs only. An addition, multiplication,
comparison, division, exponential or square root is 1 FLOP.
"""

from __future__ import annotations

from oracle.counting.flops import algebra, contractions, mixers, norms, others, reductions
from oracle.counting.flops.pointwise import POINTWISE_FLOPS
from oracle.counting.flops.registry import Work, register_flops, work_of

__all__ = [
    "POINTWISE_FLOPS",
    "Work",
    "algebra",
    "contractions",
    "mixers",
    "norms",
    "others",
    "reductions",
    "register_flops",
    "work_of",
]
