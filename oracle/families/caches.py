"""The caches of keys and values, and the states, that a decoder keeps between calls: their bytes, from its cells alone.

Traces and closed forms count the same memory, as memory that stays; tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import CellArray, Population
from oracle.spec import HALVES, NetSpec, Workload

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
    return any(name in ("kv_byte", "recurrent") for name, _ in group.params)


def token_elements(words: Any) -> Any:
    """Elements that a token of one sequence takes in the cache of one cell: keys and values, or a latent and a key.

    And a key of the indexer's, where the cell has one.
    """
    if "kv_rank" in words:
        return words["kv_rank"] + words["rope_dim"] + words.get("index_dim", 0)
    return 2 * words["kv_heads"] * words["head_dim"] if "kv_heads" in words else 0


def state_bytes(words: Any, size: int) -> Any:
    """Bytes that a cell keeps of a sequence of any length: matrices in float32, and a convolution's last tokens.

    The matrices are in float32 whatever else is quantised, as flash-linear-attention and SGLang keep them; the tokens
    are activations, in their type (transformers, and vLLM's `mamba_cache_dtype` of "auto").

    Args:
        words: arguments of the cell.
        size: bytes of an element of an activation.
    """
    if "recurrent" not in words:
        return 0
    values = words["heads"] * words["value_dim"]
    channels = 2 * words["key_heads"] * words["key_dim"] + values
    return 4 * values * words["key_dim"] + size * channels * (words["kernel"] - 1)


def _elements(words: Any, workload: Workload, tokens: str | None) -> Any:
    """Bytes of the cache of one cell and sequence, of so many tokens as a parameter says, or of one."""
    size = 2 if workload.dtype in HALVES else 1 if workload.is_quantised else 4
    if workload.training:
        return 0
    if "kv_byte" not in words:
        return state_bytes(words, size) if tokens else 0
    size = 1 if words["kv_byte"] else size
    return (words[tokens] if tokens else 1) * token_elements(words) * size
