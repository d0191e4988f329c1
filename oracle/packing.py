"""Weights that are laid out anew at every call, as PyTorch does on processors before it convolves or multiplies.

What of both copies the last-level cache does not hold is moved once more: written to memory and read from there. That
takes whole families of timm's networks that a fit has not seen from 12.1 to 11.2 % on an i9-10940X, with nothing to fit
(docs/accuracy.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.devices import Device


def rooms_bytes(device: Device, packing: Collection[str], op_classes: Sequence[str]) -> list[float]:
    """Of the weights of each kernel, those of which the last-level cache holds two copies.

    Infinite for classes that lay none out anew (rows of a table that are looked up, and weights that are trained, lie
    as they are), and where no cache is stated.
    """
    room = device.llc.value / 2.0 if device.llc else np.inf
    return [room if name in packing else np.inf for name in op_classes]


def packed_bytes(weight_bytes: NDArray[Any], room: Any) -> NDArray[Any]:
    """Bytes of weights that are moved, given those that there are.

    Example:
        >>> packed_bytes(np.array([8.0, 12.0]), 10.0).tolist()
        [8.0, 14.0]
    """
    return np.asarray(weight_bytes + np.maximum(weight_bytes - room, 0.0))
