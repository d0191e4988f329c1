"""Which efficiency a kernel has: finer than the class of its main operator where devices tell operators apart."""

from __future__ import annotations

from collections.abc import Sequence

from oracle._frozen import Frozen
from oracle.opclasses import DEQUANTISE, QUANTISE
from oracle.optable import OpTable, Row, Shape

__all__ = ["CLASSES", "CONTRACTIONS", "WHOLES", "kernel_class"]

CONTRACTIONS = ("conv", "winograd", "pointwise_conv", "depthwise", "grouped", "biased_conv", "matmul", "attention")
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

WHOLES = Frozen({"winograd": "conv"})
"""Class that an engine tells apart -> the class that it is a part of everywhere else."""

_WINOGRAD_ENGINES = frozenset({"ncnn"})
_WINDOW_ARGS = (3, 5)  # of a convolution, where the stride and the dilation stand
_ANCHORS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul", "attention"})
_SQUEEZED = frozenset({"activation", "reduction"})
_COPIES = {"aten._to_copy": "cast", "aten.cat": "concat", "aten.stack": "concat"}
_COPIES |= dict.fromkeys(DEQUANTISE | QUANTISE | {"oracle.quantize_dynamic"}, "cast")


def kernel_class(table: OpTable, rows: Sequence[int], runner: str) -> str:
    """The class of a kernel, one of `CLASSES`; it depends on no size but the convolution's window and steps.

    - Convolutions with a 1 x 1 window are a class of their own, which libraries run as matrix products.
    - ncnn runs those of 3 x 3 at stride 1 by Winograd's algorithm, several times as fast per FLOP as all others.
    - Linear layers and matrix products run the same kernels, so they are one class.
    - Run eagerly, any convolution that adds a bias is `biased_conv`: on CUDA the bias is a pass of its own over the
      output (ATen/native/Convolution.cpp), on processors the library adds it.
    - Norms differ in how often they pass over their input; where a batch norm's result goes through an activation
      and is reduced in the same kernel, as compilers do for squeeze and excitation, that is `squeeze`.
    - Casts and concatenations are told from copies that reorder.

    Args:
        table: the operators.
        rows: those of the kernel.
        runner: what runs it, as `oracle.spec.Workload.runner` says.
    """
    main = next((table.rows[row] for row in rows if table.rows[row].op_class in _ANCHORS), table.rows[rows[0]])
    if runner == "eager" and main.name == "aten.convolution" and main.args[2] is not None:
        return "biased_conv"
    if main.op_class == "conv":
        return _conv_class(main, runner)
    if main.op_class in ("linear", "matmul"):
        return "matmul"
    if main.op_class == "norm":
        return _norm_class(main.name, {table.rows[row].op_class for row in rows})
    if main.op_class == "copy":
        return _COPIES.get(main.name, "copy")
    return main.op_class if main.op_class in CLASSES else "other"


def _conv_class(row: Row, runner: str) -> str:
    if runner in _WINOGRAD_ENGINES and _suits_winograd(row):
        return "winograd"
    return "pointwise_conv" if _is_pointwise(row) else "conv"


def _norm_class(name: str, op_classes: set[str]) -> str:
    if "batch_norm" in name:
        return "squeeze" if op_classes >= _SQUEEZED else "batch_norm"
    return "group_norm" if "group_norm" in name else "layer_norm"


def _is_pointwise(row: Row) -> bool:
    """Whether the window of a convolution (or of its backward pass) is 1 in every direction."""
    weight = row.args[1 if row.name != "aten.convolution_backward" else 2]
    return isinstance(weight, Shape) and len(weight) > 2 and all(bool(size == 1) for size in weight[2:])


def _suits_winograd(row: Row) -> bool:
    """Whether a convolution has a window of 3 x 3 that moves by one pixel and has no holes."""
    if row.name != "aten.convolution":
        return False
    weight, steps = row.args[1], [row.args[place] for place in _WINDOW_ARGS]
    moved = any(bool(step != 1) for each in steps for step in each)
    return isinstance(weight, Shape) and tuple(weight[2:]) == (3, 3) and not row.args[6] and not moved
