"""Singular values and eigenvalues without their vectors.

torch computes vectors too where a gradient may be wanted or a mode like ours is on (`_may_require_fw_or_bw_grad` in its
LinearAlgebra sources), but a network that runs computes values alone where no gradient is wanted.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["FACTORISATIONS", "VALUES_ALONE", "values_alone"]

FACTORISATIONS = frozenset({"aten._linalg_svd", "aten._linalg_eigh", "aten.linalg_eig"})
VALUES_ALONE = frozenset(
    f"linalg_{name}" for name in "svdvals eigvalsh eigvals matrix_norm norm cond matrix_rank".split()
) | {"norm", "nuclear_norm"}
"""Functions of which only the values are left."""


def values_alone(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The call that computes no vectors, and the name to record; the same where a gradient is wanted, which needs them.

    Args:
        name, args, kwargs: of one of `FACTORISATIONS`.
    """
    if torch.is_grad_enabled() and args[0].requires_grad:
        return name, args, kwargs
    if name == "aten.linalg_eig":
        return "aten._linalg_eigvals", args, kwargs
    second = args[1] if len(args) > 1 else "L" if name == "aten._linalg_eigh" else False
    return name, (args[0], second, False), {}
