"""Shards of a decoder: what one GPU of several computes and keeps, and what it sends.

Tensor parallelism (Shoeybi et al.: Megatron-LM, arXiv 1909.08053) gives every GPU some heads, some columns of the
feed-forward halves and some words of the vocabulary, after which results are added up by an all-reduce: two in a layer,
and in training two more of its gradients. Heads of keys and values that are fewer than GPUs are kept by several of
them, and latents and indexers by all. Expert parallelism (GShard, arXiv 2006.16668) gives every GPU whole experts; what
tensor parallelism is left over cuts them. Data parallelism of attention keeps attention whole, for its own sequences:
tokens of all GPUs are gathered before the experts and their results scattered after. Pipeline parallelism gives every
GPU some layers, and sends tokens from one to the next.

A shard is a network of smaller integers, so that what is counted of it comes from the cells as everything does. One
that a config describes (COST.PARALLEL) says so by a cell of its own, `decoder_shard`, which does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.errors import ConfigError
from oracle.families.population import Population
from oracle.spec import HALVES, CellSpec, NetSpec, Workload

Ints = NDArray[np.int64]

SHARD = "decoder_shard"
LATENT = "decoder_latent_attention"
SPARSE = "decoder_sparse_attention"
LINEAR = "decoder_linear_attention"
GATED = "decoder_gated_attention"
_FIRST_HALVES = ("decoder_attention", LATENT, SPARSE, LINEAR, GATED)
ATTENTION = ("decoder_layer", "decoder_parallel_layer", "decoder_expert_layer", *_FIRST_HALVES)
FEED_FORWARD = ("decoder_layer", "decoder_mlp", "decoder_parallel_layer")
EXPERTS = ("decoder_experts", "decoder_expert_layer", "decoder_routed_experts")
NO_EXPERTS = "1, for no layer of this network has experts to share out"
"""What is expected of the GPUs that share experts."""
_EMBEDDING, _HEAD = _ENDS = ("decoder_embedding", "decoder_head")
_BOTH = ("decoder_layer", "decoder_expert_layer")


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
    def ways(self) -> str:
        """In words, what is shared: `TP 4, EP 2`; "" where nothing is."""
        numbers = [(name.upper(), getattr(self, name)) for name in ("tp", "pp", "ep", "dp")]
        return ", ".join(f"{name} {number}" for name, number in numbers if number > 1)

    @property
    def note(self) -> str:
        """In words, whose numbers those of one of them are."""
        ends = ", a part with both ends of the network" if self.pp > 1 else ""
        return f"every number is of one GPU of {self.gpus} ({self.ways}){ends}"

    @property
    def expert_tp(self) -> int:
        """GPUs among which one expert is cut."""
        return self.tp * self.dp // self.ep


class Collective(NamedTuple):
    """Collectives of a call that are alike.

    Attributes:
        times: how many there are.
        operation: one of `oracle.collectives.OPERATIONS`.
        message_bytes: as in `oracle.collectives.Link.seconds`.
        ranks: GPUs that take part.
        phase: of the call, forward or backward.

    Of several networks the first and the third may be columns.
    """

    times: Any
    operation: str
    message_bytes: Any
    ranks: int
    phase: str = "forward"


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
    if any(cell.kind == SHARD for cell in net.cells):
        raise ConfigError(f"network {net.name!r} is one GPU's of several already; expected one without COST.PARALLEL")
    if parallel.ep > 1 and not any(cell.kind in EXPERTS for cell in net.cells):
        raise ConfigError(f"ep={parallel.ep}: expected {NO_EXPERTS}")
    return replace(net, cells=tuple([_checked(cell, parallel) for cell in net.cells]))


def stages(net: NetSpec, parallel: Parallel) -> tuple[NetSpec, ...]:
    """The `pp` parts into which the layers are cut, each with both ends; the last one comes first."""
    if parallel.pp == 1:
        return (net,)
    ends = [cell for cell in net.cells if cell.kind in _ENDS]
    layers: list[list[CellSpec]] = []
    for cell in net.cells:
        if cell.kind in _ENDS:
            continue
        if layers and cell.kind not in ATTENTION and layers[-1][-1].kind in _FIRST_HALVES:
            layers[-1].append(cell)  # the other half
        else:
            layers.append([cell])
    if parallel.pp > len(layers):
        raise ConfigError(f"pp={parallel.pp}: expected at most one GPU per layer, {len(layers)}")
    return tuple(
        [
            replace(net, cells=(ends[0], *[cell for at in part for cell in layers[at]], *ends[1:]))
            for part in parts_of(len(layers), parallel)
        ]
    )


def parts_of(layers: int, parallel: Parallel) -> list[range]:
    """Which of so many layers each part of a pipeline has, the last part first; the last ones may have one more.

    Example:
        >>> parts_of(7, Parallel(pp=3))
        [range(4, 7), range(2, 4), range(0, 2)]
    """
    least, more = divmod(layers, parallel.pp)
    found, stop = [], layers
    for at in range(parallel.pp):
        found.append(range(stop - least - (at < more), stop))
        stop = found[-1].start
    return found


def cuts_heads(heads: Any, kv_heads: Any, parallel: Parallel) -> Any:
    """Whether GPUs can share heads; of columns, a column."""
    tp = parallel.tp
    return (heads % tp == 0) & ((kv_heads % tp == 0) | (tp % np.maximum(kv_heads, 1) == 0))


def _checked(cell: CellSpec, parallel: Parallel) -> CellSpec:
    """`shard_cell` where GPUs can share it."""
    own, tp = cell.kwargs, parallel.tp
    if cell.kind in ATTENTION:
        heads = own["heads"]
        kv_heads = own.get("kv_heads", own.get("key_heads", heads))
        if not cuts_heads(heads, kv_heads, parallel):
            raise ConfigError(
                f"tp={tp}: expected a divisor of the heads, {heads}, that divides those of keys and values, {kv_heads},"
                " or that they divide"
            )
    if cell.kind in EXPERTS and int(own["experts"]) % parallel.ep:
        raise ConfigError(f"ep={parallel.ep}: expected a divisor of the experts, {own['experts']}")
    return shard_cell(cell, parallel)


def shard_cell(cell: CellSpec, parallel: Parallel) -> CellSpec:
    """What one GPU has of a cell of integers or of columns, which GPUs can share."""
    own: dict[str, Any] = cell.kwargs
    tp = parallel.tp
    if "heads" in own:
        own["heads"] = own["heads"] // tp
        for groups in {"kv_heads", "key_heads"} & own.keys():
            fewer = own[groups] // tp
            own[groups] = np.maximum(fewer, 1) if isinstance(fewer, np.ndarray) else max(fewer, 1)
    if cell.kind in FEED_FORWARD and "ff" in own:
        own["ff"] = -(-own["ff"] // tp)
    if cell.kind in EXPERTS:
        own["ff"] = -(-own["ff"] // parallel.expert_tp)
        own["shared"] = -(-own["shared"] // tp)
    if cell.kind in _ENDS:
        own["vocab"] = -(-own["vocab"] // tp)
    return CellSpec(cell.kind, tuple(own.items()))


def shard_of(cells: Iterable[CellSpec]) -> Parallel | None:
    """How GPUs share a network of some cells; None where none of these says so, and one GPU has all."""
    shard = next((cell for cell in cells if cell.kind == SHARD), None)
    return None if shard is None else Parallel(**{name: int(shard[name]) for name in ("tp", "pp", "ep")})


def halves(kind: str, parallel: Parallel) -> int:
    """How often results of a cell are added up."""
    if kind in EXPERTS and parallel.dp > 1:
        return int(kind in ATTENTION)
    return 2 if kind in _BOTH else int(kind in ATTENTION or kind in FEED_FORWARD or kind in EXPERTS)


def collectives(
    cells: Iterable[tuple[str, Any]],
    parallel: Parallel,
    tokens: int,
    samples: int,
    width: Any,
    vocab: Any,
    element_bytes: int = 2,
    training: bool = False,
) -> tuple[Collective, ...]:
    """What one GPU sends in a call.

    Args:
        cells: kinds, and how often each is there; a number, or a column of them.
        parallel: how GPUs share the decoder.
        tokens: of the call; of one group of data parallelism.
        samples: tokens that have scores.
        width: of a token; a number or a column.
        vocab: of the shard.
        element_bytes: of what is sent.
        training: whether gradients are sent as well, and scores are not: a cross entropy of shards needs three numbers
            of each token (Megatron-LM, section 3).
    """
    tp, dp, found = parallel.tp, parallel.dp, list[Collective]()
    message = 1.0 * element_bytes * tokens * width
    kinds = list(cells)
    if tp > 1:
        reduced = 1 + sum(count * halves(kind, parallel) for kind, count in kinds)
        found.append(Collective(reduced, "all_reduce", message, tp))
        if training:
            found.append(Collective(reduced, "all_reduce", message, tp, "backward"))
            found.append(Collective(3, "all_reduce", 4.0 * samples, tp))
        else:
            found.append(Collective(1, "all_gather", 1.0 * element_bytes * samples * vocab * tp, tp))
    mixed = sum(count for kind, count in kinds if kind in EXPERTS)
    if dp > 1 and np.any(mixed):
        found += [Collective(mixed, name, message * dp, dp) for name in ("all_gather", "reduce_scatter")]
    if parallel.pp > 1:
        phases = ("forward", "backward") if training else ("forward",)
        found += [Collective(1, "send", message, 2, phase) for phase in phases]
    return tuple(found)


def collectives_of(net: NetSpec, workload: Workload) -> tuple[Collective, ...]:
    """What one GPU of a network of COST.PARALLEL sends in a call; nothing where one has all.

    Args:
        net: as `oracle.to_spec` makes it.
        workload: of the call.
    """
    parallel = shard_of(net.cells)
    if parallel is None:
        return ()
    return _sent([(cell.kind, 1) for cell in net.cells], parallel, net.cells[-1].kwargs, net.input_shape[0], workload)


def collectives_of_many(population: Population, workload: Workload) -> list[tuple[Ints, Parallel, list[Collective]]]:
    """The same of many candidates: those that are shared alike, by how many, and what they send as columns."""
    groups = [group for place in population.places for group in place]
    shards = [group for group in groups if group.kind == SHARD]
    if not shards:
        return []
    ways = np.ones((population.size, 3), dtype=np.int64)
    for group in shards:
        for place, (_, value) in enumerate(group.params):
            ways[group.rows, place] = value
    kinds = [(group.kind, np.bincount(group.rows, group.counts, population.size)) for group in groups]
    heads = [group for group in groups if group.kind == _HEAD]
    head: dict[str, Any] = {"last": dict(heads[0].params)["last"]}
    for name in ("width", "vocab"):
        head[name] = np.zeros(population.size)
        for group in heads:
            head[name][group.rows] = dict(group.params)[name]
    found = []
    for way in np.unique(ways[np.max(ways, axis=1) > 1], axis=0):
        rows, parallel = np.flatnonzero((ways == way).all(axis=1)), Parallel(*way.tolist())
        sent = _sent(kinds, parallel, head, population.input_shape[0], workload)
        columns = [
            (np.broadcast_to(own.times, population.size), np.broadcast_to(own.message_bytes, population.size))
            for own in sent
        ]
        found.append(
            (
                rows,
                parallel,
                [
                    own._replace(times=times[rows], message_bytes=size[rows])
                    for own, (times, size) in zip(sent, columns, strict=True)
                ],
            )
        )
    return found


def _sent(
    kinds: Iterable[tuple[str, Any]], parallel: Parallel, head: Mapping[str, Any], length: Any, workload: Workload
) -> tuple[Collective, ...]:
    tokens = workload.batch_size * int(length)
    samples = workload.batch_size if head["last"] and not workload.training else tokens
    size = 2 if workload.dtype in HALVES else 1 if workload.is_quantised else 4
    return collectives(kinds, parallel, tokens, samples, head["width"], head["vocab"], size, workload.training)
