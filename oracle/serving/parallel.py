"""Shards of a decoder: what one GPU of several computes and keeps, and what it sends.

Tensor parallelism (Shoeybi et al.: Megatron-LM, arXiv 1909.08053) gives every GPU some heads, some columns of the
feed-forward halves and some words of the vocabulary, after which results are added up by an all-reduce: two in a layer.
Heads of keys and values that are fewer than GPUs are kept by several of them, and latents by all. Expert parallelism (GShard, arXiv
2006.16668) gives every GPU whole experts; what tensor parallelism is left over cuts them. Data parallelism of
attention keeps attention whole, for its own sequences: tokens of all GPUs are gathered before the experts and their
results scattered after. Pipeline parallelism gives every GPU some layers.

A shard is a network of smaller integers, so that what is counted of it comes from the cells as everything does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from oracle.errors import ConfigError
from oracle.spec import CellSpec, NetSpec, Scalar

__all__ = ["ATTENTION", "EXPERTS", "FEED_FORWARD", "LATENT", "Parallel", "sharded", "stage"]

LATENT = "decoder_latent_attention"
ATTENTION = ("decoder_layer", "decoder_attention", "decoder_parallel_layer", "decoder_expert_layer", LATENT)
FEED_FORWARD = ("decoder_layer", "decoder_mlp", "decoder_parallel_layer")
EXPERTS = ("decoder_experts", "decoder_expert_layer", "decoder_routed_experts")
_ENDS = ("decoder_embedding", "decoder_head")


@dataclass(frozen=True, slots=True)
class Parallel:
    """How GPUs share a decoder.

    Attributes:
        tp: GPUs among which every layer's heads and columns are cut.
        pp: GPUs in a row, each with some layers.
        ep: GPUs among which whole experts are shared out; tp * dp / ep of them cut one expert. 1: all cut every expert.
        dp: groups of `tp` GPUs, each with attention and feed-forward halves of its own and with its own sequences.
    """

    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1

    def __post_init__(self) -> None:
        for name in ("tp", "pp", "ep", "dp"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**16:
                raise ConfigError(f"{name}={value!r}: expected a whole number of GPUs, 1 or more")
        if self.tp * self.dp % self.ep:
            raise ConfigError(f"ep={self.ep}: expected a divisor of tp * dp, {self.tp * self.dp}")

    @property
    def gpus(self) -> int:
        """All of them."""
        return self.tp * self.pp * self.dp

    @property
    def expert_tp(self) -> int:
        """GPUs among which one expert is cut."""
        return self.tp * self.dp // self.ep


def sharded(net: NetSpec, parallel: Parallel) -> NetSpec:
    """What one GPU has of every layer; experts are those of all GPUs, cut by `expert_tp` only.

    Raises:
        ConfigError: heads, widths or experts that so many GPUs cannot share.

    Example:
        >>> shard = sharded(oracle.to_spec(oracle.load_cfg("Llama-3.1-8B")), Parallel(tp=4))
        >>> [shard.cells[1][key] for key in ("heads", "kv_heads", "ff")]
        [8, 2, 3584]
    """
    if parallel.tp == 1 and parallel.expert_tp == 1 and parallel.ep == 1:
        return net
    return replace(net, cells=tuple([_shard(cell, parallel) for cell in net.cells]))


def stage(net: NetSpec, parallel: Parallel) -> NetSpec:
    """The longest of the `pp` parts into which the layers are cut, with the head, which the last part has."""
    ends = [cell for cell in net.cells if cell.kind in _ENDS]
    layers = [cell for cell in net.cells if cell.kind not in _ENDS]
    if parallel.pp > len(layers):
        raise ConfigError(f"pp={parallel.pp}: expected at most one GPU per layer, {len(layers)}")
    longest = -(-len(layers) // parallel.pp)
    kept = layers[len(layers) - longest :]
    return replace(net, cells=(ends[0], *kept, *ends[1:])) if parallel.pp > 1 else net


def _shard(cell: CellSpec, parallel: Parallel) -> CellSpec:
    own: dict[str, Scalar] = cell.kwargs
    tp = parallel.tp
    if cell.kind == LATENT:
        heads = _int(own, "heads")
        if heads % tp:
            raise ConfigError(f"tp={tp}: expected a divisor of the heads, {heads}")
        own["heads"] = heads // tp
    elif cell.kind in ATTENTION:
        heads, kv_heads = _int(own, "heads"), _int(own, "kv_heads")
        if heads % tp or (kv_heads % tp and tp % kv_heads):
            raise ConfigError(
                f"tp={tp}: expected a divisor of the heads, {heads}, that divides those of keys and values, {kv_heads},"
                " or that they divide"
            )
        own |= {"heads": heads // tp, "kv_heads": max(kv_heads // tp, 1)}
    if cell.kind in FEED_FORWARD:
        own["ff"] = -(-_int(own, "ff") // tp)
    if cell.kind in EXPERTS:
        experts = _int(own, "experts")
        if experts % parallel.ep:
            raise ConfigError(f"ep={parallel.ep}: expected a divisor of the experts, {experts}")
        own["ff"] = -(-_int(own, "ff") // parallel.expert_tp)
        own["shared"] = -(-_int(own, "shared") // tp)
    if cell.kind in _ENDS:
        own["vocab"] = -(-_int(own, "vocab") // tp)
    return CellSpec(cell.kind, tuple(own.items()))


def _int(own: Mapping[str, Any], name: str) -> int:
    return int(own[name])
