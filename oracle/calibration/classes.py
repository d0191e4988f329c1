"""Which efficiency a kernel has: finer than the class of its main operator where devices tell operators apart."""

from __future__ import annotations

__all__ = ["CLASSES", "kernel_class"]

CLASSES = (
    "conv",
    "depthwise",
    "grouped",
    "matmul",
    "attention",
    "batch_norm",
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

_FINER = {
    "aten._to_copy": "cast",
    "aten.cat": "concat",
    "aten.stack": "concat",
}


def kernel_class(op_class: str, name: str) -> str:
    """The class of a kernel, one of `CLASSES`.

    Linear layers and matrix products run the same kernels, so they are one class; the norms differ in how often
    they pass over their input; casts, concatenations and the other copies differ in the order they read in.

    Args:
        op_class: class of the main operator, one of `oracle.optable.OP_CLASSES`.
        name: of the kernel, as `oracle.counting.KernelCount` has it: its main operator, and how many more.
    """
    operator = name.partition(" ")[0]
    if op_class in ("linear", "matmul"):
        return "matmul"
    if op_class == "norm":
        if "batch_norm" in operator:
            return "batch_norm"
        return "group_norm" if "group_norm" in operator else "layer_norm"
    if op_class == "copy":
        return _FINER.get(operator, "copy")
    return op_class if op_class in CLASSES else "other"
