"""The optimiser steps as the multi-tensor kernels that `torch.optim` runs by default on accelerators."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["STATES_PER_PARAMETER", "step"]

STATES_PER_PARAMETER = {"sgd": 1, "adamw": 2}
"""Tensors of a parameter's size that each optimiser keeps: SGD its momentum, AdamW two moments."""


def step(optimizer: str, params: list[Any], grads: list[Any], states: list[list[Any]]) -> None:
    """One step on lists of tensors; `states` holds `STATES_PER_PARAMETER` lists.

    The arithmetic is that of `torch.optim.SGD(momentum, weight_decay)` and `torch.optim.AdamW` with foreach=True
    after their first step. Hyperparameter values do not change the cost; those here are common ones.
    """
    if optimizer == "sgd":
        (momentum,) = states
        decayed = torch._foreach_add(grads, params, alpha=5e-5)
        torch._foreach_mul_(momentum, 0.9)
        torch._foreach_add_(momentum, decayed, alpha=1.0)
        torch._foreach_add_(params, momentum, alpha=-0.1)
        return
    first, second = states
    torch._foreach_mul_(params, 1 - 1e-3 * 1e-2)
    torch._foreach_lerp_(first, grads, 0.1)
    torch._foreach_mul_(second, 0.999)
    torch._foreach_addcmul_(second, grads, grads, 0.001)
    root = torch._foreach_sqrt(second)
    torch._foreach_div_(root, 0.5)
    torch._foreach_add_(root, 1e-8)
    torch._foreach_addcdiv_(params, first, root, -1e-3)
