"""The content of real tensors, read while a trace has nothing but shapes."""

from __future__ import annotations

from typing import Any

from oracle.errors import TraceError
from oracle.trace import isolated

__all__ = ["listed", "number"]


def listed(tensor: Any) -> list[Any]:
    """The elements of a tensor that is shape arithmetic.

    Raises:
        TraceError: they depend on the data.
    """
    if tensor.is_meta:
        raise TraceError("its shapes depend on the data, which a cost from shapes cannot follow")
    with isolated():
        found: list[Any] = tensor.reshape(-1).tolist()
        return found


def number(tensor: Any) -> Any:
    """The only element of such a tensor."""
    return listed(tensor)[0]
