"""Which calls of framework functions are kept for other counters, and how the caller wrote them.

A counter that patches `torch.nn.functional.relu` or `torch.Tensor.add` sees `F.relu(x)` and `x.add(y)`,
but neither `x + y` nor a function that somebody took hold of before. To a torch function mode the operator
and the method are the same function; only the caller's bytecode tells them apart.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from types import FrameType, MappingProxyType
from typing import Any

__all__ = ["RECORDED", "found_by_name"]

RECORDED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "python": frozenset(
            "relu relu6 elu silu softmax interpolate adaptive_avg_pool2d adaptive_avg_pool3d".split()
            + [
                f"{adaptive}max_pool{n}d{indices}"
                for adaptive in ("", "adaptive_")
                for n in (1, 2, 3)
                for indices in ("", "_with_indices")
            ]
        ),
        "method": frozenset("addmm mm bmm matmul add mul".split()),
        "function": frozenset(
            "linear addmm mm bmm baddbmm matmul einsum add mul"
            " conv1d conv2d conv3d batch_norm layer_norm group_norm instance_norm gelu prelu"
            " avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d"
            " upsample_nearest2d upsample_bilinear2d grid_sampler".split()
        ),
    }
)
"""Names of the functions that some counter has a rule for, by the `kind` of a `FunctionCall`."""

_FUNCTIONAL = "torch.nn.functional"
_BETWEEN = ("torch.overrides", "torch._jit_internal")  # frames between a Python function and a mode


def found_by_name(func: Callable[..., Any], name: str, frame: FrameType | None) -> bool:
    """Whether the caller found `func` as an attribute called `name`.

    Args:
        func: the function called.
        name: its name without a suffix such as `_with_indices`, which callers do not write.
        frame: whence it was called; frames of the function itself are skipped.
    """
    own = getattr(func, "__name__", name)
    while frame is not None and (
        frame.f_globals.get("__name__") in _BETWEEN
        or (frame.f_globals.get("__name__") == _FUNCTIONAL and frame.f_code.co_name in (own, f"_{own}"))
    ):
        frame = frame.f_back
    if frame is None or name not in frame.f_code.co_names:
        return False
    if dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("BINARY_"):
        return False
    # A name that a module imported stays what it was whatever is patched; torch's own functions look it up.
    return frame.f_globals.get(name) is not func or frame.f_globals.get("__name__") == _FUNCTIONAL
