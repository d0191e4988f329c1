"""Decoders of language (arXiv 2005.14165, 2302.13971): tokens in, scores of the next one out.

What a call works on is the COST section's, and decides sizes of cells as the DECODER section does:

    prefill     PROMPT tokens of each sequence, after PAST that are in the cache; scores of the last token of each
                (LOGITS: all for all of them)
    decode      one token of each sequence, after PAST that are in the cache, or PROMPT where PAST is 0
    training    PROMPT tokens of each sequence, without a cache; scores of all (MODE: training is the same)

Keys and values are kept in pages of KV_BLOCK tokens, so that a sequence has memory for the next multiple of that. A
layer with a window keeps the latest tokens of the window only. With KV_RANK attention is over latents: a prompt and
training in the expanded form, a decode step in the absorbed one (`oracle.cells.latent`); with INDEX_TOPK over those
that an indexer chooses (`oracle.cells.sparse`). Layers whose MIXERS say linear keep states in the place of a cache
(`oracle.cells.linear`).

COST.PARALLEL makes it what one of several GPUs has (`oracle.families.sharding`): of a pipeline the last part, with both
ends, and the others where they differ as `NetSpec.others`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oracle.families._checks import MAX_BLOCKS, MAX_TOKENS, MAX_WIDTH, choice, integer, require
from oracle.families.mixers import check_index, check_mixers, index_sizes, linear_sizes, mixers_of
from oracle.families.sharding import (
    GATED,
    LATENT,
    LINEAR,
    NO_EXPERTS,
    SHARD,
    SPARSE,
    Parallel,
    cuts_heads,
    parts_of,
    shard_cell,
)
from oracle.spec import CellSpec, NetSpec, Scalar

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu", "silu_clamped")
NORMS = ("layer", "rms")
ROUTERS = ("softmax", "softmax_all", "sigmoid")
PHASES = ("prefill", "decode", "training")
_PLAIN = "decoder_attention"
_FURTHER = "further tokens, not counted (DECODER.MTP_LAYERS)"
MAX_EXPERTS = 2**12
MAX_VOCAB = 2**24


@dataclass(frozen=True, slots=True)
class Call:
    """What of each sequence a call works on.

    Attributes:
        phase: prefill, decode or training.
        tokens: of a sequence in the call.
        past: tokens that came before, whose keys and values are in the cache.
        block: tokens of a page of the cache.
        kv_byte: whether the cache holds a byte per element.
        last: whether only the last token has scores.
    """

    phase: str
    tokens: int
    past: int
    block: int
    kv_byte: bool
    last: bool

    def seen(self, window: int) -> tuple[int, int]:
        """What a layer with a window (0 for none) has of a sequence: tokens before the call, and memory for how many.

        Example:
            >>> Call("decode", 1, 100, 16, False, True).seen(0), Call("decode", 1, 100, 16, False, True).seen(32)
            ((100, 112), (31, 32))
        """
        past = min(self.past, window - 1) if window else self.past
        return past, -(-(past + self.tokens) // self.block) * self.block


def call_of(cfg: Any) -> Call:
    """The call that a config's COST section describes.

    Raises:
        ConfigError: a phase that there is not, or numbers out of range.
    """
    cost = cfg["COST"]
    phase = choice("COST.PHASE", cost["PHASE"], PHASES)
    phase = "training" if cost["MODE"] == "training" else phase
    prompt = integer("COST.PROMPT", cost["PROMPT"], high=MAX_TOKENS)
    past = integer("COST.PAST", cost["PAST"], low=0, high=MAX_TOKENS)
    block = integer("COST.KV_BLOCK", cost["KV_BLOCK"], high=MAX_TOKENS)
    kv_byte = choice("COST.KV_DTYPE", cost["KV_DTYPE"], ("", "float8", "int8")) != ""
    last = choice("COST.LOGITS", cost["LOGITS"], ("last", "all")) == "last"
    if phase == "decode":
        return Call(phase, 1, past or prompt, block, kv_byte, last=True)
    return Call(phase, prompt, 0 if phase == "training" else past, block, kv_byte, last)


def to_spec(cfg: Any) -> NetSpec:
    """The network of the DECODER section, for the call of the COST section.

    Raises:
        ConfigError: heads that no group of keys and values fits, more tokens than positions, and the like.
    """
    call, section = call_of(cfg), cfg["DECODER"]
    width = integer("DECODER.WIDTH", section["WIDTH"])
    vocab = integer("DECODER.VOCAB", section["VOCAB"], high=MAX_VOCAB)
    words = Words.of(cfg, call)
    sizes = _sizes(section, width, words.shared)
    cells = words.first(width, vocab)
    layers = _layers(section, sizes, words.shared)
    further = integer("DECODER.MTP_LAYERS", section["MTP_LAYERS"], low=0, high=MAX_BLOCKS)
    what = "layers that predict" if further > 1 else "layer that predicts"
    notes = (f"{further} {what} {_FURTHER}",) if further else ()
    found: dict[tuple[CellSpec, ...], NetSpec] = {}
    for part in parts_of(len(layers), words.shared):
        own = [cell for at in part for cell in words.layer(layers[at], sizes)]
        shown = f"shown are layers {part.start + 1} to {part.stop} of {len(layers)}"
        net = NetSpec((*cells, *own, words.head(width, vocab)), (call.tokens,), cfg["COST"]["NAME"])
        found.setdefault(net.cells, replace(net, notes=(*notes, *([shown] if words.shared.pp > 1 else []))))
    one, *others = found.values()
    return replace(one, others=tuple(others)) if others else one


@dataclass(frozen=True, slots=True)
class Sizes:
    """Integers that the layers of a decoder share, each a plain one, or a column of candidates.

    Attributes:
        width, heads, kv_heads, head_dim, ff: as the DECODER section has them, what is 0 there worked out.
        q_rank, nope_dim, rope_dim, v_dim: of attention over latents.
        experts, chosen, expert_ff, shared: of a layer with experts; `experts` is 0 where there are none.
        linear_heads, linear_key_heads, linear_key_dim, linear_value_dim: of linear attention; 0 where there is none.
        index_heads, index_dim: of an indexer; 0 where there is none.
    """

    width: Any
    heads: Any
    kv_heads: Any
    head_dim: Any
    ff: Any
    q_rank: Any
    nope_dim: Any
    rope_dim: Any
    v_dim: Any
    experts: Any
    chosen: Any
    expert_ff: Any
    shared: Any
    linear_heads: Any
    linear_key_heads: Any
    linear_key_dim: Any
    linear_value_dim: Any
    index_heads: Any
    index_dim: Any


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, of integers or of columns: heads 0 for no attention, ff 0 for no feed-forward half, window 0 for none.

    `mixed` says whether it has experts, which `ff` is not the width of; `linear` whether its attention is so, whose
    heads are not those of `heads`.
    """

    heads: Any
    kv_heads: Any
    ff: Any
    window: int
    mixed: bool
    linear: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What the cells of a decoder share beside sizes: switches and words, which no candidates of a column differ in.

    Attributes:
        call: what of each sequence a call works on.
        rotary: the part of a head that positions turn.
        positions: rows of a learned table of positions.
        parallel: as DECODER.PARALLEL.
        kv_rank: of the latents that attention is over; 0 for plain heads.
        groups, chosen_groups: of experts.
        shared: by how many GPUs.
        section: the others, by their keys.
        ends: the last arguments of every cell.
    """

    call: Call
    rotary: float
    positions: int
    parallel: str
    kv_rank: int
    groups: int
    chosen_groups: int
    shared: Parallel
    section: Any
    ends: dict[str, Scalar]

    @classmethod
    def of(cls, cfg: Any, call: Call) -> Words:
        """Those of a config, checked.

        Raises:
            ConfigError: one that there is not, or that another excludes.
        """
        section = cfg["DECODER"]
        norm = choice("DECODER.NORM", section["NORM"], NORMS)
        activation = choice("DECODER.ACTIVATION", section["ACTIVATION"], ACTIVATIONS)
        gated = section["GATED"] or activation != "silu_clamped"
        require(gated, "DECODER.GATED", False, "True where ACTIVATION is silu_clamped")
        parallel = choice("DECODER.PARALLEL", section["PARALLEL"], ("", "one", "two"))
        for name in ("SINKS", "SOFTCAP"):
            require(not (section[name] and call.phase == "training"), f"DECODER.{name}", True, "False in training")
            gated = section[name] and section["OUT_GATE"]
            require(not gated, f"DECODER.{name}", True, "False where OUT_GATE is True")
        for name in ("SINKS", "SOFTCAP", "POST_NORM", "OUT_GATE"):
            require(not (section[name] and parallel), f"DECODER.{name}", True, "False where PARALLEL is set")
        require(not (section["TIED"] and section["HEAD_BIAS"]), "DECODER.HEAD_BIAS", True, "False where TIED is True")
        part = section["ROTARY"]
        require(0 <= part <= 1, "DECODER.ROTARY", part, "a part of a head, from 0 to 1")
        positions = _positions(section, call)
        kv_rank = _kv_rank(section)
        groups = integer("DECODER.EXPERT_GROUPS", section["EXPERT_GROUPS"], high=MAX_EXPERTS)
        of = integer("DECODER.GROUPS_PER_TOKEN", section["GROUPS_PER_TOKEN"], high=MAX_EXPERTS)
        require(of <= groups, "DECODER.GROUPS_PER_TOKEN", of, f"at most EXPERT_GROUPS, {groups}")
        choice("DECODER.ROUTER", section["ROUTER"], ROUTERS)
        ends = {"norm": norm, "ln_eps": cfg["LN"]["EPS"]}
        shared = _shared(cfg["COST"]["PARALLEL"])
        check_mixers(section)
        check_index(section, call.phase == "training")
        return cls(call, part, positions, parallel, kv_rank, groups, of, shared, section, ends)

    def first(self, width: Any, vocab: Any) -> list[CellSpec]:
        """The embedding, and where GPUs share the network a cell that says so."""
        shared = self.shared
        cells = [self.embedding(width, vocab)]
        if shared.gpus > 1:
            cells.append(CellSpec.make(SHARD, tp=shared.tp, pp=shared.pp, ep=shared.ep))
        return cells

    def _own(self, cell: CellSpec) -> CellSpec:
        """What one GPU has of a cell."""
        return shard_cell(cell, self.shared) if self.shared.tp > 1 else cell

    def embedding(self, width: Any, vocab: Any) -> CellSpec:
        """The first cell."""
        cell = CellSpec.make(
            "decoder_embedding",
            vocab=vocab,
            width=width,
            tied=self.section["TIED"],
            scaled=self.section["SCALED"],
            positions=self.positions,
            past=self.call.past if self.positions else 0,
        )
        return self._own(cell)

    def head(self, width: Any, vocab: Any) -> CellSpec:
        """The last cell."""
        cell = CellSpec.make(
            "decoder_head",
            width=width,
            vocab=vocab,
            last=self.call.last,
            head_bias=self.section["HEAD_BIAS"],
            softcap=self.section["SOFTCAP"],
            **self.ends,
        )
        return self._own(cell)

    def layer(self, layer: Layer, sizes: Sizes) -> list[CellSpec]:
        """The cells of a layer, none where it has neither half; of columns, halves are there in all rows or in none.

        One cell, but where attention or experts are of a kind of their own.
        """
        return [self._own(cell) for cell in self._whole(layer, sizes)]

    def _whole(self, layer: Layer, sizes: Sizes) -> list[CellSpec]:
        """The cells of a layer, as they are where one GPU has them."""
        attends, transforms = bool(np.any(layer.heads)), layer.mixed or bool(np.any(layer.ff))
        if not attends and not transforms:
            return []
        mixer, attention = self._mixer(layer, sizes) if attends else ("", {})
        own: dict[str, Any] = {}
        if layer.mixed:
            own = self._experts(sizes)
        elif transforms:
            own = {"ff": layer.ff, **self._mlp(), "gated": self.section["GATED"]}
        width = {"width": sizes.width}
        if self.parallel:
            both = {**width, **attention, **own, **self.ends, "two_norms": self.parallel == "two"}
            return [CellSpec.make("decoder_parallel_layer", **both)]
        ends: dict[str, Scalar] = {**self.ends, "post_norm": self.section["POST_NORM"]}
        switches: dict[str, Scalar] = {}
        if mixer == _PLAIN:
            switches = {"sinks": self.section["SINKS"], "softcap": self.section["SOFTCAP"]}
        first = CellSpec.make(mixer, **width, **attention, **ends, **switches) if attends else None
        kind = "decoder_mlp"
        if layer.mixed:
            kind = "decoder_routed_experts" if self.routes else "decoder_experts"
        second = CellSpec.make(kind, **width, **own, **ends) if transforms else None
        if mixer == _PLAIN and transforms and not (layer.mixed and self.routes):
            kind = "decoder_expert_layer" if layer.mixed else "decoder_layer"
            return [CellSpec.make(kind, **width, **attention, **own, **ends, **switches)]
        return [cell for cell in (first, second) if cell is not None]

    @property
    def routes(self) -> bool:
        """Whether routers are of another kind than Mixtral's, or experts shared out."""
        return self.groups > 1 or self.section["ROUTER"] != "softmax" or self.shared.ep > 1

    def _mixer(self, layer: Layer, sizes: Sizes) -> tuple[str, dict[str, Any]]:
        """The kind of a layer's attention, and its arguments."""
        if layer.linear:
            return LINEAR, self._linear(sizes)
        if self.kv_rank:
            return (SPARSE if self.section["INDEX_TOPK"] else LATENT), self._latent(layer, sizes)
        return (GATED if self.section["OUT_GATE"] else _PLAIN), self._attention(layer, sizes)

    def _linear(self, sizes: Sizes) -> dict[str, Any]:
        """Arguments of linear attention."""
        return {
            "heads": sizes.linear_heads,
            "key_heads": sizes.linear_key_heads,
            "key_dim": sizes.linear_key_dim,
            "value_dim": sizes.linear_value_dim,
            "kernel": self.section["LINEAR_KERNEL"],
            "recurrent": self.call.phase == "decode",
        }

    def _attention(self, layer: Layer, sizes: Sizes) -> dict[str, Any]:
        """Arguments of attention."""
        call, training = self.call, self.call.phase == "training"
        past, capacity = call.seen(layer.window)
        turned = sizes.head_dim * self.rotary
        return {
            "heads": layer.heads,
            "kv_heads": layer.kv_heads,
            "head_dim": sizes.head_dim,
            "rotary": (turned.astype(np.int64) if isinstance(turned, np.ndarray) else int(turned)) // 2 * 2,
            "past": 0 if training else past,
            "capacity": 0 if training else capacity,
            "window": layer.window if layer.window < call.past + call.tokens else 0,
            "qkv_bias": self.section["QKV_BIAS"],
            "out_bias": self.section["OUT_BIAS"],
            "qk_norm": self.section["QK_NORM"],
            "kv_byte": call.kv_byte and not training,
        }

    def _latent(self, layer: Layer, sizes: Sizes) -> dict[str, Any]:
        """Arguments of attention over latents."""
        training = self.call.phase == "training"
        past, capacity = self.call.seen(0)
        seen, most = past + self.call.tokens, self.section["INDEX_TOPK"]
        index = {"index_heads": sizes.index_heads, "index_dim": sizes.index_dim}
        return {
            **({**index, "chosen": min(seen, most)} if most else {}),
            "heads": layer.heads,
            "q_rank": sizes.q_rank,
            "kv_rank": self.kv_rank,
            "nope_dim": sizes.nope_dim,
            "rope_dim": sizes.rope_dim,
            "v_dim": sizes.v_dim,
            "past": 0 if training else past,
            "capacity": 0 if training else capacity,
            "absorbed": self.call.phase == "decode" or 0 < most < seen,
            "qkv_bias": self.section["QKV_BIAS"],
            "out_bias": self.section["OUT_BIAS"],
            "kv_byte": self.call.kv_byte and not training,
        }

    def _mlp(self) -> dict[str, Scalar]:
        return {"activation": self.section["ACTIVATION"], "mlp_bias": self.section["MLP_BIAS"]}

    def _experts(self, sizes: Sizes) -> dict[str, Any]:
        routing = {
            "groups": self.groups,
            "chosen_groups": self.chosen_groups,
            "scoring": self.section["ROUTER"],
            "shares": self.shared.ep,
        }
        return {
            "ff": sizes.expert_ff,
            "experts": sizes.experts,
            "chosen": sizes.chosen,
            **(routing if self.routes else {}),
            "shared": sizes.shared,
            "shared_gate": self.section["SHARED_GATE"],
            **self._mlp(),
        }


def _shared(parallel: Any) -> Parallel:
    """By how many GPUs a network is shared."""
    tp, pp, ep = (integer(f"COST.PARALLEL.{name}", parallel[name], high=2**16) for name in ("TP", "PP", "EP"))
    require(tp % ep == 0, "COST.PARALLEL.EP", ep, f"a divisor of TP, {tp}")
    return Parallel(tp, pp, ep)


def _kv_rank(section: Any) -> int:
    """The width of latents; 0 for plain heads."""
    rank = integer("DECODER.KV_RANK", section["KV_RANK"], low=0)
    for name in ("SINKS", "SOFTCAP", "QK_NORM", "PARALLEL", "WINDOWS", "OUT_GATE"):
        require(not (rank and section[name]), f"DECODER.{name}", section[name], "none where KV_RANK is set")
    return rank


def _positions(section: Any, call: Call) -> int:
    positions = integer("DECODER.POSITIONS", section["POSITIONS"], low=0, high=MAX_TOKENS)
    context = integer("DECODER.CONTEXT", section["CONTEXT"], low=0, high=MAX_TOKENS)
    for limit in filter(None, (positions, context)):
        end = call.past + call.tokens
        known = f"at most {limit - call.tokens}, for the network takes {limit} tokens of a sequence"
        require(end <= limit or not call.past, "COST.PAST", call.past, known)
        require(end <= limit, "COST.PROMPT", end, f"at most {limit} tokens of a sequence, as many as the network takes")
    return positions


def _sizes(section: Any, width: int, shared: Parallel) -> Sizes:
    """What layers share, checked; `oracle.families.many.decoder` checks columns in the same order."""
    heads = integer("DECODER.HEADS", section["HEADS"])
    kv_heads = integer("DECODER.KV_HEADS", section["KV_HEADS"], low=0) or heads
    head_dim = integer("DECODER.HEAD_DIM", section["HEAD_DIM"], low=0)
    latent = bool(section["KV_RANK"])
    q_rank = integer("DECODER.Q_RANK", section["Q_RANK"], low=0)
    nope_dim, rope_dim, v_dim = (
        integer(f"DECODER.{name}", section[name], low=int(latent)) for name in ("NOPE_DIM", "ROPE_DIM", "V_DIM")
    )
    index = index_sizes(section)
    require(rope_dim <= index[1] or not index[1], "DECODER.ROPE_DIM", rope_dim, f"at most INDEX_DIM, {index[1]}")
    if latent:
        head_dim = nope_dim + rope_dim
    if not head_dim:
        require(width % heads == 0, "DECODER.HEADS", heads, f"a divisor of WIDTH, {width}")
        head_dim = width // heads
    ff = integer("DECODER.FF", section["FF"])
    experts = integer("DECODER.EXPERTS", section["EXPERTS"], low=0, high=MAX_EXPERTS)
    chosen = integer("DECODER.EXPERTS_PER_TOKEN", section["EXPERTS_PER_TOKEN"])
    require(not experts or chosen <= experts, "DECODER.EXPERTS_PER_TOKEN", chosen, f"at most EXPERTS, {experts}")
    groups = section["EXPERT_GROUPS"]
    require(experts % groups == 0, "DECODER.EXPERT_GROUPS", groups, f"a divisor of EXPERTS, {experts}")
    require(experts % shared.ep == 0, "COST.PARALLEL.EP", shared.ep, f"a divisor of EXPERTS, {experts}")
    expert_ff = integer("DECODER.EXPERT_FF", section["EXPERT_FF"], low=0) or ff
    shared_ff = integer("DECODER.SHARED_FF", section["SHARED_FF"], low=0)
    gate = section["SHARED_GATE"]
    require(not gate or shared_ff > 0 or not experts, "DECODER.SHARED_GATE", gate, "False where SHARED_FF is 0")
    mixed = not experts or (section["GATED"] and not section["PARALLEL"])
    require(mixed, "DECODER.EXPERTS", experts, "0 where GATED is False or PARALLEL is set")
    latents = q_rank, nope_dim, rope_dim, v_dim
    others = *linear_sizes(section, shared), *index
    return Sizes(width, heads, kv_heads, head_dim, ff, *latents, experts, chosen, expert_ff, shared_ff, *others)


def _layers(section: Any, sizes: Sizes, shared: Parallel) -> list[Layer]:
    """The layers, checked."""
    count = integer("DECODER.LAYERS", section["LAYERS"], high=MAX_BLOCKS)
    require(shared.pp <= count, "COST.PARALLEL.PP", shared.pp, f"at most one GPU per layer, {count}")
    dense = integer("DECODER.DENSE_LAYERS", section["DENSE_LAYERS"], low=0, high=MAX_BLOCKS)
    require(shared.ep == 1 or (sizes.experts and dense < count), "COST.PARALLEL.EP", shared.ep, NO_EXPERTS)
    windows, mixers = windows_of(section), mixers_of(section)
    heads = _per_layer(section, "LAYER_HEADS", count, sizes.heads)
    groups = _per_layer(section, "LAYER_KV_HEADS", count, sizes.kv_heads)
    widths = _per_layer(section, "LAYER_FF", count, sizes.ff)
    found = []
    for at, (own, group, ff) in enumerate(zip(heads, groups, widths, strict=True)):
        if own:
            key = "DECODER.LAYER_KV_HEADS" if section["LAYER_KV_HEADS"] else "DECODER.KV_HEADS"
            require(group > 0 and own % group == 0, key, group, f"a divisor of the layer's heads, {own}")
            expected = f"heads of {MAX_WIDTH} elements at most"
            require(own * sizes.head_dim <= MAX_WIDTH, "DECODER.HEAD_DIM", sizes.head_dim, expected)
            fit = cuts_heads(own, own if section["KV_RANK"] else group, shared)
            expected = f"a divisor of the heads, {own}, and one that divides those of keys and values, {group}, or that"
            require(fit, "COST.PARALLEL.TP", shared.tp, f"{expected} they divide")
        whole = bool(own) and ff > 0
        require(whole or not section["PARALLEL"], "DECODER.PARALLEL", section["PARALLEL"], "layers of both halves")
        mixed = sizes.experts > 0 and at >= dense and ff > 0
        linear = mixers[at % len(mixers)]
        found.append(Layer(own, group if own else 0, ff, windows[at % len(windows)], mixed, linear))
    return found


def windows_of(section: Any) -> list[int]:
    """The windows of the layers, again and again; 0 for none."""
    windows = section["WINDOWS"]
    return [integer("DECODER.WINDOWS", window, low=0, high=MAX_TOKENS) for window in windows] or [0]


def _per_layer(section: Any, name: str, count: int, usual: int) -> list[int]:
    """A number per layer."""
    key, values = f"DECODER.{name}", section[name]
    if not values:
        return [usual] * count
    require(len(values) == count, key, len(values), f"an entry for each of the {count} layers, or none at all")
    return [integer(key, value, low=0) for value in values]
