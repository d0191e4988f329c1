"""Which efficiency a kernel has: finer than the class of its main operator where devices tell operators apart."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.opclasses import DEQUANTISE, QUANTISE
from oracle.optable import OpTable, Row, Shape

__all__ = ["CLASSES", "CONTRACTIONS", "kernel_class"]

CONTRACTIONS = ("conv", "pointwise_conv", "depthwise", "grouped", "biased_conv", "matmul", "attention")
"""Classes of kernels built around a convolution or a matrix product."""

CLASSES = (
    *CONTRACTIONS,
    "batch_norm",
    "squeeze",
    "layer_norm",
    "group_norm",
    "activation",
    "elementwise",
    "pool",
    "softmax",
    "reduction",
    "cast",
    "concat",
    "copy",
    "embedding",
    "other",
)

_ANCHORS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul", "attention"})
_SQUEEZED = frozenset({"activation", "reduction"})
_COPIES = {"aten._to_copy": "cast", "aten.cat": "concat", "aten.stack": "concat"}
_COPIES |= dict.fromkeys(DEQUANTISE | QUANTISE | {"oracle.quantize_dynamic"}, "cast")


def kernel_class(table: OpTable, rows: Sequence[int], runtime: str) -> str:
    """The class of a kernel, one of `CLASSES`; it depends on no size but the convolution's window.

    - Convolutions with a 1 x 1 window are a class of their own, which libraries run as matrix products.
    - Linear layers and matrix products run the same kernels, so they are one class.
    - Run eagerly, any convolution that adds a bias is `biased_conv`: on CUDA the bias is a pass of its own over the
      output (ATen/native/Convolution.cpp), on processors the library adds it.
    - Norms differ in how often they pass over their input; where a batch norm's result goes through an activation
      and is reduced in the same kernel, as compilers do for squeeze and excitation, that is `squeeze`.
    - Casts and concatenations are told from copies that reorder.

    Args:
        table: the operators.
        rows: those of the kernel.
        runtime: what runs it, one of `oracle.spec.RUNTIMES`.
    """
    main = next((table.rows[row] for row in rows if table.rows[row].op_class in _ANCHORS), table.rows[rows[0]])
    if runtime == "eager" and main.name == "aten.convolution" and main.args[2] is not None:
        return "biased_conv"
    if main.op_class == "conv":
        return "pointwise_conv" if _is_pointwise(main) else "conv"
    if main.op_class in ("linear", "matmul"):
        return "matmul"
    if main.op_class == "norm":
        return _norm_class(main.name, {table.rows[row].op_class for row in rows})
    if main.op_class == "copy":
        return _COPIES.get(main.name, "copy")
    return main.op_class if main.op_class in CLASSES else "other"


def _norm_class(name: str, op_classes: set[str]) -> str:
    if "batch_norm" in name:
        return "squeeze" if op_classes >= _SQUEEZED else "batch_norm"
    return "group_norm" if "group_norm" in name else "layer_norm"


def _is_pointwise(row: Row) -> bool:
    """Whether the window of a convolution (or of its backward pass) is 1 in every direction."""
    weight = row.args[1 if row.name != "aten.convolution_backward" else 2]
    return isinstance(weight, Shape) and len(weight) > 2 and all(bool(size == 1) for size in weight[2:])
