"""Memory of one GPU that serves or trains a shard of a decoder.

Serving: weights as they are stored, the cache of keys and values, and what a step works with. Training with Adam in
mixed precision, Psi parameters on one GPU and Nd of them sharing the state (Rajbhandari et al.: ZeRO, arXiv 1910.02054,
section 3): 2 Psi bytes of weights, 2 Psi of gradients and 12 Psi of optimiser state (weights, momentum and variance in
float32), of which

    stage 1 shares the state, stage 2 gradients as well, stage 3 weights as well.

Activations of a layer with s tokens in a sequence, b sequences, width h, a heads and t GPUs of tensor parallelism
(Korthikanti et al.: Reducing activation recomputation, arXiv 2205.05198, equations 1, 2, 4 and 6; GPT's layer, whose
feed-forward half is 4 h wide, with dropout, in 16 bits):

    none         s b h (10 + 24 / t + 5 a s / (h t))      everything is kept
    selective    s b h (10 + 24 / t)                      scores of attention are computed anew
    full         2 s b h                                  only what enters the layer is kept

and with sequence parallelism the 10 is shared by t as well.
"""

from __future__ import annotations

from typing import NamedTuple

from oracle.errors import ConfigError
from oracle.families.caches import cache_bytes, token_bytes
from oracle.families.sharding import ATTENTION, EXPERTS, Parallel, sharded, stages
from oracle.serving.steps import STORAGE_BITS, Formats, layer_form, plain_products
from oracle.spec import NetSpec, Workload

_HALF = Workload(dtype="bfloat16", weights="bfloat16")
RECOMPUTATIONS = ("none", "selective", "full")
_SHARED_FROM = {"state": 1, "gradients": 2, "weights": 3}
_BYTES = {"state": 12, "gradients": 2, "weights": 2}


def weight_bytes(net: NetSpec, parallel: Parallel, formats: Formats, part: int = 0) -> int:
    """Weights of one GPU, as they are stored; of a pipeline a part as `stages` numbers them."""
    shard = stages(sharded(net, parallel), parallel)[part]
    params = layer_form(shard, 1).sums["params"]
    absent = 0  # experts that other GPUs have
    narrow = plain_products(shard, formats)
    for cell in shard.cells:
        if cell.kind in EXPERTS:
            own = 3 * int(cell["width"]) * int(cell["ff"])
            absent += own * (int(cell["experts"]) - int(cell["experts"]) // parallel.ep)
            if formats.weights != "bfloat16":
                narrow += own * (int(cell["experts"]) // parallel.ep)
    bits = STORAGE_BITS[formats.weights]
    return int(2 * (params - absent) - narrow * (2.0 - bits / 8.0))


def cache_bytes_per_sequence(net: NetSpec, parallel: Parallel, part: int = 0) -> int:
    """Keys and values of one sequence on one GPU, of as many tokens as layers have memory for, and states."""
    return cache_bytes(stages(sharded(net, parallel), parallel)[part], _HALF)


def cache_bytes_per_token(net: NetSpec, parallel: Parallel, part: int = 0) -> int:
    """What a token of one sequence takes there in all layers, as `oracle.Cost.kv_bytes_per_token` has it."""
    return token_bytes(stages(sharded(net, parallel), parallel)[part], _HALF)


def working_bytes(net: NetSpec, parallel: Parallel, tokens: int, part: int = 0) -> int:
    """What a step of so many tokens has alive at once beside weights and cache."""
    shard = stages(sharded(net, parallel), parallel)[part]
    body = NetSpec(shard.cells[:-1], shard.input_shape)  # scores are made of the last tokens only
    form = layer_form(body, tokens)
    return int(form.peak_memory_bytes - form.flash_bytes)


class TrainingMemory(NamedTuple):
    """Bytes of one GPU in training."""

    weights: int
    gradients: int
    state: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def zero_bytes(params: int, stage_of_zero: int, gpus: int) -> dict[str, int]:
    """Bytes of weights, gradients and optimiser state of one GPU.

    Args:
        params: that one GPU would have without ZeRO.
        stage_of_zero: 0 (nothing is shared) to 3.
        gpus: that share: the data-parallel ones.

    Raises:
        ConfigError: no such stage.

    Example:
        >>> sum(zero_bytes(7_500_000_000, 1, 64).values()) / 1e9  # table 1 of the paper: 31.4 GB
        31.40625
    """
    if stage_of_zero not in (0, 1, 2, 3):
        raise ConfigError(f"zero={stage_of_zero!r}: expected a stage from 0 to 3")
    return {
        name: -(-_BYTES[name] * params // gpus) if stage_of_zero >= _SHARED_FROM[name] else _BYTES[name] * params
        for name in ("weights", "gradients", "state")
    }


def activation_bytes(
    sequence: int,
    batch: int,
    width: int,
    heads: int,
    tp: int = 1,
    recompute: str = "selective",
    sequence_parallel: bool = False,
) -> int:
    """Activations of one layer that the backward pass needs, in bytes of one GPU; see the module.

    Raises:
        ConfigError: no such way to compute anew.

    Example:
        >>> activation_bytes(2048, 1, 12288, 96, tp=8, recompute="none") / 2**20  # GPT-3
        558.0
    """
    if recompute not in RECOMPUTATIONS:
        raise ConfigError(f"recompute={recompute!r}: expected one of {', '.join(RECOMPUTATIONS)}")
    base = sequence * batch * width
    if recompute == "full":
        return 2 * base
    scores = 5 * heads * sequence * sequence * batch // tp if recompute == "none" else 0
    return 10 * base // (tp if sequence_parallel else 1) + 24 * base // tp + scores


def training_memory(
    net: NetSpec,
    *,
    sequence: int,
    batch: int,
    tp: int = 1,
    dp: int = 1,
    zero: int = 0,
    recompute: str = "selective",
    sequence_parallel: bool = False,
) -> TrainingMemory:
    """Bytes of one GPU that trains its shard of a decoder with Adam in mixed precision.

    Args:
        net: the decoder.
        sequence: tokens of a sequence.
        batch: sequences of one GPU.
        tp: GPUs that cut every layer.
        dp: GPUs that share out the batch, and what ZeRO shares.
        zero: its stage.
        recompute: none, selective or full.
        sequence_parallel: whether norms and dropout are shared by the `tp` GPUs, too.

    Raises:
        ConfigError: as `zero_bytes`, `activation_bytes` and `sharded`.

    Examples:
        >>> import oracle
        >>> net = oracle.to_spec(oracle.load_cfg("Llama-3.2-1B"))
        >>> alone, shared = (oracle.training_memory(net, sequence=2048, batch=1, dp=8, zero=zero) for zero in (0, 3))
        >>> shared.weights * 8 == alone.weights
        True
    """
    shard = sharded(net, Parallel(tp=tp))
    params = layer_form(shard, 1).sums["params"]
    kept = 0
    for cell, whole in zip(shard.cells, net.cells, strict=True):
        if cell.kind in ATTENTION:
            width, heads = int(cell["width"]), int(whole["heads"])
            kept += activation_bytes(sequence, batch, width, heads, tp, recompute, sequence_parallel)
    return TrainingMemory(**zero_bytes(params, zero, dp), activations=kept)
