"""The caches of keys and values that a decoder keeps between calls: their bytes, from its cells alone.

Traces and closed forms count the same memory, as memory that stays; tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import CellArray, Population
from oracle.spec import HALVES, NetSpec, Workload

__all__ = ["cache_bytes", "cache_bytes_of_many", "token_bytes", "token_bytes_of_many", "token_elements"]

Ints = NDArray[np.int64]


def cache_bytes(net: NetSpec, workload: Workload) -> int:
    """Bytes of all caches of a call: pages of every layer and sequence; 0 where there are none.

    Example:
        >>> from oracle import load_cfg, to_spec
        >>> net = to_spec(load_cfg("Llama-3.1-8B", ["COST.PHASE", "decode", "COST.PAST", 1023]))
        >>> cache_bytes(net, Workload(dtype="bfloat16", weights="bfloat16")) // 2**20
        128
    """
    return int(workload.batch_size * sum(_elements(cell.kwargs, workload, "capacity") for cell in net.cells))


def token_bytes(net: NetSpec, workload: Workload) -> int:
    """Bytes that a token of one sequence takes in the caches of all layers, those with windows included."""
    return sum(_elements(cell.kwargs, workload, None) for cell in net.cells)


def cache_bytes_of_many(networks: Population | Iterable[NetSpec], workload: Workload) -> Ints:
    """`cache_bytes` of each of many candidates, as a column."""
    if not isinstance(networks, Population):
        return np.array([cache_bytes(net, workload) for net in networks], dtype=np.int64)
    return workload.batch_size * _of_many(networks, workload, "capacity")


def token_bytes_of_many(networks: Population | Iterable[NetSpec], workload: Workload) -> Ints:
    """`token_bytes` of each of many candidates, as a column."""
    if not isinstance(networks, Population):
        return np.array([token_bytes(net, workload) for net in networks], dtype=np.int64)
    return _of_many(networks, workload, None)


def _of_many(population: Population, workload: Workload, tokens: str | None) -> Ints:
    total: Ints = np.zeros(population.size, dtype=np.int64)
    for group in (group for place in population.places for group in place if _caches(group)):
        total[group.rows] += group.counts * _elements(dict(group.params), workload, tokens)
    return total


def _caches(group: CellArray) -> bool:
    return any(name == "kv_byte" for name, _ in group.params)


def token_elements(words: Any) -> Any:
    """Elements that a token of one sequence takes in the cache of one cell: keys and values, or a latent and a key."""
    if "kv_rank" in words:
        return words["kv_rank"] + words["rope_dim"]
    return 2 * words["kv_heads"] * words["head_dim"] if "kv_heads" in words else 0


def _elements(words: Any, workload: Workload, tokens: str | None) -> Any:
    """Bytes of the cache of one cell and sequence, of so many tokens as a parameter says, or of one."""
    if workload.training or "kv_byte" not in words:
        return 0
    byte = words["kv_byte"] or workload.is_quantised
    size = 1 if byte else 2 if workload.dtype in HALVES else 4
    return (words[tokens] if tokens else 1) * token_elements(words) * size
