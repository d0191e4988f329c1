"""The kernels of one step of an inference engine on one GPU, and the seconds that they take.

A step of continuous batching (Yu et al.: Orca, OSDI 2022) computes one token of every sequence that decodes, and
perhaps a piece of new prompts beside (Agrawal et al.: Sarathi-Serve, OSDI 2024): the products of a layer are over all
these tokens at once, attention is over each sequence's own.

What kernels there are and what they compute and move comes from the cells of a decoder: those of a step of so many
tokens; of attention, those of a decoding batch and those of the prompts. Seconds follow `oracle.tiling`:

    t = max(compute, memory) + overlap * min(compute, memory) + gap

in which products and attention compute as long as their tiles, at a share of the peak, everything else as long as its
FLOPs on the vector units, and memory is the traffic over a share of the bandwidth. The experts of a layer are as many
products as experts are reached. `oracle.experts` takes every expert for as likely as another; routers are not even, and
how many experts a batch reaches is what decides what it moves. With popularities that vary like a gamma distribution of
shape `skew` (Poisson draws of gamma rates: Greenwood and Yule, 1920), T tokens that choose a share c of E experts reach

    E (c + (1 - c) (1 - (1 + (T - 1) c / skew)^-skew))

of them: c E for one token, the even case for a skew without end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.closedform import network_form, shared_store
from oracle.closedform.network import NetworkForm
from oracle.devices import Device
from oracle.errors import ConfigError, DeviceError
from oracle.families.sharding import EXPERTS, LATENT, SPARSE, Collective, Parallel, collectives, sharded, stages
from oracle.spec import DELTA_CHUNK, MXFP4, CellSpec, NetSpec, Workload
from oracle.tiling import CLOCK_HZ, DECODE, PREFILL, PRODUCTS

__all__ = [
    "STORAGE_BITS",
    "Collective",
    "Figures",
    "Formats",
    "Kernels",
    "Reach",
    "Step",
    "Work",
    "figures_of",
    "layer_form",
    "plain_products",
    "work_of",
]

Array = NDArray[Any]

STORAGE_BITS: Mapping[str, float] = {"bfloat16": 16.0, "float8": 8.0, "int8": 8.0, "int4": 4.5, MXFP4: 4.25}
"""Bits that a weight is stored in, its share of scales included: int4 with one of 16 bits per 32 weights, float4 with
one of 8 bits per 32 (OCP Microscaling formats, 2023)."""

_NARROW = ("int4", MXFP4)
OTHER, PRODUCT, EXPERT, PREFILLING, DECODING = range(5)


class Step(NamedTuple):
    """What one step computes.

    Attributes:
        decoding: sequences of which it computes one token.
        past: tokens of each that are in the cache, on average.
        prompts: sequences of which it computes a piece of the prompt.
        tokens: of each piece.
        prompt_past: tokens of these that are in the cache.
    """

    decoding: int
    past: int = 1
    prompts: int = 0
    tokens: int = 0
    prompt_past: int = 0

    @property
    def width(self) -> int:
        """Tokens in the step."""
        return self.decoding + self.prompts * self.tokens


@dataclass(frozen=True, slots=True)
class Formats:
    """What weights and the cache are stored in.

    Attributes:
        weights: a key of `STORAGE_BITS`: of the products in layers. Embedding, scores and router are in bfloat16.
        kv: bfloat16 or float8.
        experts_only: whether only the products of experts are stored so; the default for narrow weights of a network
            with experts, as in gpt-oss and Kimi K2.
    """

    weights: str = "bfloat16"
    kv: str = "bfloat16"
    experts_only: bool | None = None

    def __post_init__(self) -> None:
        for name, words in (("weights", tuple(STORAGE_BITS)), ("kv", ("bfloat16", "float8"))):
            value = getattr(self, name)
            if value not in words:
                raise ConfigError(f"{name}={value!r}: expected one of {', '.join(words)}")

    def computes_in(self, device: Device) -> str:
        """The type that matrix units multiply stored weights in: their own if the device has it, or bfloat16."""
        native = self.weights in ("float8", MXFP4) and self.weights in device.matrix
        return self.weights if native else "bfloat16"


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """The kernels of a step on one GPU; one entry each.

    Attributes:
        counts: how often each runs.
        kinds: OTHER, PRODUCT, EXPERT (products of experts), PREFILLING or DECODING attention.
        narrow: whether a product multiplies in the type that weights are stored in.
        vector_flops, traffic_bytes: as everywhere.
        dims: (4, kernels) batch, m, n, k; of attention batch times heads, queries, keys, width of a head; of experts
            how many a GPU has, tokens of all, n, k.
        chosen: the share of experts that a token goes to.
        expert_bytes: of one expert's weights.
        groups: heads that share one of keys and values.
        windows: latest keys that a query sees; infinite for all.
    """

    counts: Array
    kinds: Array
    narrow: Array
    vector_flops: Array
    traffic_bytes: Array
    dims: Array
    groups: Array
    windows: Array
    chosen: Array
    expert_bytes: Array

    @classmethod
    def joined(cls, parts: Sequence[Kernels]) -> Kernels:
        """All kernels of some steps."""
        columns = [np.concatenate([getattr(part, field.name) for part in parts], axis=-1) for field in fields(cls)]
        return cls(*columns)


class Figures(NamedTuple):
    """What a device can reach at most; numbers, or arrays of one per kernel."""

    peak: Any
    narrow_peak: Any
    vector_peak: Any
    bandwidth: Any
    units: Any
    clock: Any


@dataclass(frozen=True, slots=True)
class Reach:
    """What GPUs reach of their figures in an engine.

    Attributes:
        product, narrow: of the peak in bfloat16 and in narrower types, in products.
        skew: of routers, see the module.
        prefilling, decoding: of the peak in bfloat16, in attention.
        memory, cache: of the bandwidth: by all kernels, and by attention over the cache.
        gap_s: seconds between kernels, at `CLOCK_HZ`.
        reduce: of the latency of NCCL's all-reduce that engines' own takes for small messages.
    """

    product: float
    narrow: float
    skew: float
    prefilling: float
    decoding: float
    memory: float
    cache: float
    gap_s: float
    reduce: float

    def seconds(self, kernels: Kernels, figures: Figures) -> Array:
        """Seconds of each kernel, once."""
        peak, narrow_peak, vector_peak, bandwidth, units, clock = figures
        own = np.where(kernels.narrow, narrow_peak * self.narrow, peak * self.product)
        compute_s = kernels.vector_flops / vector_peak
        overlap = np.zeros(kernels.counts.shape)
        traffic = kernels.traffic_bytes
        for kind, tiling in ((PRODUCT, PRODUCTS), (EXPERT, PRODUCTS), (PREFILLING, PREFILL), (DECODING, DECODE)):
            at = kernels.kinds == kind
            if not at.any():
                continue
            dims, place = kernels.dims[:, at], [_at(value, at) for value in (own, peak, units, clock)]
            if kind == PRODUCT:
                seconds = PRODUCTS.compute_s(dims, place[0], *place[2:])
            elif kind == EXPERT:
                dims, moved = self._reached(dims, kernels.chosen[at], kernels.expert_bytes[at])
                seconds = PRODUCTS.compute_s(dims, place[0], *place[2:])
                traffic = traffic.copy()
                traffic[at] += moved
            else:
                share = self.prefilling if kind == PREFILLING else self.decoding
                attention = PREFILL if kind == PREFILLING else DECODE
                seconds = attention.compute_s(
                    dims,
                    place[1] * share,
                    *place[2:],
                    causal=True,
                    window=kernels.windows[at],
                    group=kernels.groups[at],
                    splits=kind == DECODING,
                )
            compute_s[at], overlap[at] = seconds, tiling.overlap
        attends = (kernels.kinds == PREFILLING) | (kernels.kinds == DECODING)
        memory_s = traffic / (bandwidth * np.where(attends, self.cache, self.memory))
        busy_s = np.maximum(compute_s, memory_s) + overlap * np.minimum(compute_s, memory_s)
        return np.asarray(busy_s + self.gap_s * CLOCK_HZ / clock)

    def _reached(self, dims: Array, chosen: Array, expert_bytes: Array) -> tuple[Array, Array]:
        """Products of the experts that tokens reach, and the bytes of their weights."""
        here, tokens, n, k = dims
        missed = (1.0 + (tokens - 1.0) * chosen / self.skew) ** -self.skew
        busy = np.maximum(here * (chosen + (1.0 - chosen) * (1.0 - missed)), 1.0)
        rows = np.maximum(here * chosen * tokens / busy, 1.0)
        return np.stack([busy, rows, n, k]), busy * expert_bytes


def _at(value: Any, which: Array) -> Any:
    return value[which] if isinstance(value, np.ndarray) and value.ndim else value


def figures_of(device: Device, formats: Formats) -> Figures:
    """What a device can reach of these formats.

    Raises:
        DeviceError: it states no peak in bfloat16, or no bandwidth.
    """
    if "bfloat16" not in device.dtypes and "float16" in device.dtypes:
        step = f"oracle score NET -d {device.name} --set COST.PHASE decode --dtype float16"
        raise DeviceError(
            f"device={device.name!r} has no matrix peak for dtype='bfloat16', in which alone engines are modelled; "
            f"`{step}` has the time of a step"
        )
    return Figures(
        device.peak_flops("matrix", "bfloat16"),
        device.peak_flops("matrix", formats.computes_in(device)),
        device.peak_flops("vector", "float32"),
        device.peak_bandwidth(),
        device.compute_units.value if device.compute_units else 1.0,
        device.clock.value if device.clock else CLOCK_HZ,
    )


class Work(NamedTuple):
    """What a GPU does in a step: its kernels, and what it sends."""

    kernels: Kernels
    collectives: tuple[Collective, ...]


def work_of(
    decode: NetSpec, prefill: NetSpec | None, step: Step, parallel: Parallel, formats: Formats, part: int = 0
) -> Work:
    """The kernels and collectives of a step.

    Args:
        decode: the decoder for one token after `step.past`, its cache in `formats.kv`.
        prefill: the decoder for the tokens of a piece of a prompt; None where the step has none.
        step: what it computes; of one group of data parallelism.
        parallel: how GPUs share the decoder.
        formats: of weights and cache.
        part: of a pipeline, as `oracle.families.sharding.stages` numbers them.

    Raises:
        ConfigError: a network that is no decoder, or that so many GPUs cannot share.
    """
    shard = stages(sharded(decode, parallel), parallel)[part]
    samples = step.decoding + step.prompts
    found = _plain(shard, step.width, parallel, formats, heads=False)
    found += _plain(shard, samples, parallel, formats, heads=True)
    if step.decoding:
        found += _attention(shard, step.decoding, DECODING, formats)
    if prefill is not None and step.prompts:
        prompts = stages(sharded(prefill, parallel), parallel)[part]
        found += _attention(prompts, step.prompts, PREFILLING, formats) + _expansion(prompts, step, formats)
    columns = list(zip(*found, strict=True))
    arrays = [np.array(column) for column in columns]
    counts, kinds, narrow, vector, traffic, dims, *rest = arrays
    kernels = Kernels(counts.astype(np.float64), kinds, narrow, vector, traffic, dims.T, *rest)
    ends = int(shard.cells[0]["width"]), int(shard.cells[-1]["vocab"])
    sent = collectives([(cell.kind, 1) for cell in shard.cells], parallel, step.width, samples, *ends)
    return Work(kernels, sent)


_SPARSE = "oracle.sparse_attention"
_STATES = ("oracle.delta_rule", "oracle.causal_conv", "oracle.index_choice")
"""Kernels beside attention that are of each sequence, and not of all tokens of a step alike."""

_Entry = tuple[int, int, bool, float, float, tuple[float, ...], float, float, float, float]
_NO_DIMS = (1.0, 1.0, 1.0, 1.0)


@lru_cache(maxsize=4096)
def layer_form(net: NetSpec, batch: int) -> NetworkForm:
    """What a decoder costs in bfloat16 for a batch, one token of each, pointwise chains merged as engines do."""
    workload = Workload(batch_size=batch, dtype="bfloat16", weights="bfloat16", runtime="compiled")
    return network_form(shared_store(), net, workload)


def _kernels_of(net: NetSpec, batch: int) -> list[tuple[CellSpec, int, Any, list[int], tuple[float, ...] | None]]:
    """Of each kernel its cell, how often it runs, its words, its numbers, and the five integers of its product."""
    form = layer_form(net, batch)
    dims = dict(zip(form.products.kernels.tolist(), form.products.dims.T.tolist(), strict=True))
    numbers, found, start = form.numbers.T.tolist(), [], 0
    for cell, times in zip(form.cells, form.times, strict=True):
        for meta in cell.template.kernels:
            product = dims.get(start)
            found.append((cell.visit.spec, times, meta, numbers[start], tuple(product) if product else None))
            start += 1
    return found


def _plain(net: NetSpec, tokens: int, parallel: Parallel, formats: Formats, heads: bool) -> list[_Entry]:
    """All kernels but those of attention, of the layers or of the head."""
    only_experts = _only_experts(net, formats)
    found: list[_Entry] = []
    second = False  # of the two products of experts
    for spec, times, meta, (_, vector, traffic, weights), dims in _kernels_of(net, tokens):
        if (spec.kind == "decoder_head") != heads or meta.op_class == "attention" or meta.name.startswith(_STATES):
            continue
        stored = formats.weights != "bfloat16" and not heads and "router" not in meta.module
        if meta.name.startswith("oracle.experts"):
            found.append(_experts_entry(spec, times, tokens, parallel, second, traffic - weights, stored, formats))
            second = not second
            continue
        if dims is None:
            found.append((times, OTHER, False, float(vector), float(traffic), _NO_DIMS, 1.0, np.inf, 0.0, 0.0))
            continue
        stored = stored and not only_experts
        bits = STORAGE_BITS[formats.weights] if stored else 16.0
        moved = traffic - weights * (1.0 - bits / 16.0)
        found.append((times, PRODUCT, stored, 0.0, moved, dims[:4], 1.0, np.inf, 0.0, 0.0))
    return found


def _only_experts(net: NetSpec, formats: Formats) -> bool:
    if formats.experts_only is not None:
        return formats.experts_only
    return formats.weights in _NARROW and any(cell.kind in EXPERTS for cell in net.cells)


def plain_products(net: NetSpec, formats: Formats) -> int:
    """Weights of a shard's products, those of experts left out, that are stored in narrow formats."""
    if formats.weights == "bfloat16" or _only_experts(net, formats):
        return 0
    kernels = _kernels_of(net, 1)
    return sum(
        int(times * dims[0] * dims[2] * dims[3])
        for spec, times, meta, _, dims in kernels
        if dims and spec.kind != "decoder_head" and meta.op_class != "attention" and "router" not in meta.module
    )


def _experts_entry(
    spec: CellSpec,
    times: int,
    tokens: int,
    parallel: Parallel,
    second: bool,
    other_bytes: float,
    stored: bool,
    formats: Formats,
) -> _Entry:
    """The products of a layer's experts on one GPU, which tokens of all groups of data parallelism reach."""
    width, ff, experts, chosen = (float(spec[name]) for name in ("width", "ff", "experts", "chosen"))
    everyone, here = float(tokens * parallel.dp), experts / parallel.ep
    n, k = (width, ff) if second else (2.0 * ff, width)
    bits = STORAGE_BITS[formats.weights] if stored else 16.0
    other = other_bytes * parallel.dp / parallel.ep
    dims = here, everyone, n, k
    return (times, EXPERT, stored, 0.0, other, dims, 1.0, np.inf, chosen / experts, n * k * bits / 8.0)


def _attention(net: NetSpec, batch: int, kind: int, formats: Formats) -> list[_Entry]:
    """The kernels of attention, of whatever kind, of so many sequences.

    Nobody measured those of linear and of sparse attention alone. Chunks of the gated delta rule are taken for as many
    products of a chunk with a state as make their FLOPs, whatever they wait for one another; its single steps, and
    convolutions, for traffic and work of the vector units. Scores of an indexer are a product of all its heads with the
    keys before each query, in the type that weights are stored in (float8 in DeepGEMM's fp8_mqa_logits).
    """
    found: list[_Entry] = []
    for spec, times, meta, (matrix, vector, traffic, _), dims in _kernels_of(net, batch):
        ends = np.inf, 0.0, 0.0
        if meta.name.startswith(_STATES):
            if meta.name.startswith("oracle.delta_rule") and not spec["recurrent"]:
                m, n, k = float(DELTA_CHUNK), float(spec["value_dim"]), float(spec["key_dim"])
                own = matrix / (2.0 * m * n * k), m, n, k
                found.append((times, PRODUCT, False, 0.0, float(traffic), own, 1.0, *ends))
            else:
                found.append((times, OTHER, False, float(vector + matrix), float(traffic), _NO_DIMS, 1.0, *ends))
        elif meta.name.startswith("oracle.index_scores") and dims is not None:
            n, rows, seen, width, _ = dims
            seen -= (rows / float(spec["index_heads"]) - 1.0) / 2.0  # the mask, on average
            narrow = formats.weights != "bfloat16"
            found.append((times, PRODUCT, narrow, 0.0, float(traffic), (n, rows, seen, width), 1.0, *ends))
        elif meta.op_class == "attention" and dims is not None:
            window = float(spec.kwargs.get("window", 0)) or np.inf
            own_kind = DECODING if meta.name.startswith(_SPARSE) else kind  # each token over keys of its own
            found.append((times, own_kind, False, 0.0, float(traffic), dims[:4], dims[4], window, 0.0, 0.0))
    return found


def _expansion(net: NetSpec, step: Step, formats: Formats) -> list[_Entry]:
    """What prompts over latents take besides, in the expanded form: keys and values of the tokens before, and copies.

    Those of the piece's own tokens take as many FLOPs as the products of the absorbed form, which all tokens count.
    """
    before = step.prompt_past / max(step.prompt_past + step.tokens, 1)
    stored, bits = formats.weights != "bfloat16" and not _only_experts(net, formats), STORAGE_BITS[formats.weights]
    found: list[_Entry] = []
    for spec, times, meta, (_, vector, traffic, weights), dims in _kernels_of(net, step.prompts):
        if spec.kind not in (LATENT, SPARSE) or spec["absorbed"]:
            continue
        if meta.op_class == "copy":
            found.append((times, OTHER, False, float(vector), float(traffic), _NO_DIMS, 1.0, np.inf, 0.0, 0.0))
        elif meta.module == "kv" and before and dims is not None:
            moved = before * (traffic - weights) + weights * (bits if stored else 16.0) / 16.0
            own = dims[0], dims[1] * before, dims[2], dims[3]
            found.append((times, PRODUCT, stored, 0.0, moved, own, 1.0, np.inf, 0.0, 0.0))
    return found
