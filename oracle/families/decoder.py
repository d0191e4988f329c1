"""Decoders of language (arXiv 2005.14165, 2302.13971): tokens in, scores of the next one out.

What a call works on is the COST section's, and decides sizes of cells as the DECODER section does:

    prefill     PROMPT tokens of each sequence, after PAST that are in the cache; scores of the last token of each
                (LOGITS: all for all of them)
    decode      one token of each sequence, after PAST that are in the cache, or PROMPT where PAST is 0
    training    PROMPT tokens of each sequence, without a cache; scores of all (MODE: training is the same)

Keys and values are kept in pages of KV_BLOCK tokens, so that a sequence has memory for the next multiple of that. A
layer with a window keeps the latest tokens of the window only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oracle.families._checks import MAX_BLOCKS, MAX_WIDTH, choice, integer, require
from oracle.spec import CellSpec, NetSpec, Scalar

__all__ = ["Call", "call_of", "to_spec"]

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")
NORMS = ("layer", "rms")
PHASES = ("prefill", "decode", "training")
MAX_TOKENS = 2**24
MAX_EXPERTS = 2**12


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
    vocab = integer("DECODER.VOCAB", section["VOCAB"], high=2**24)
    ends: dict[str, Scalar] = {"norm": choice("DECODER.NORM", section["NORM"], NORMS), "ln_eps": cfg["LN"]["EPS"]}
    embedding = CellSpec.make(
        "decoder_embedding",
        vocab=vocab,
        width=width,
        tied=section["TIED"],
        scaled=section["SCALED"],
        positions=_positions(section, call),
        past=call.past if section["POSITIONS"] else 0,
    )
    head = CellSpec.make(
        "decoder_head",
        width=width,
        vocab=vocab,
        last=call.last,
        head_bias=section["HEAD_BIAS"],
        softcap=section["SOFTCAP"],
        **ends,
    )
    for name in ("SINKS", "SOFTCAP"):
        require(not (section[name] and call.phase == "training"), f"DECODER.{name}", True, "False in training")
    require(not (section["TIED"] and section["HEAD_BIAS"]), "DECODER.HEAD_BIAS", True, "none where TIED is True")
    layers = [cell for layer in _layers(section) for cell in _cells(section, call, layer, width, ends)]
    return NetSpec((embedding, *layers, head), (call.tokens,), cfg["COST"]["NAME"])


def _positions(section: Any, call: Call) -> int:
    positions = integer("DECODER.POSITIONS", section["POSITIONS"], low=0, high=MAX_TOKENS)
    context = integer("DECODER.CONTEXT", section["CONTEXT"], low=0, high=MAX_TOKENS)
    for limit in filter(None, (positions, context)):
        end = call.past + call.tokens
        require(end <= limit, "COST.PROMPT", end, f"at most {limit} tokens of a sequence, as many as the network takes")
    return positions


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer: heads 0 for no attention, ff 0 for no feed-forward half, window 0 for none."""

    heads: int
    kv_heads: int
    window: int
    ff: int
    experts: bool


def _layers(section: Any) -> list[_Layer]:
    """The layers, checked."""
    count = integer("DECODER.LAYERS", section["LAYERS"], high=MAX_BLOCKS)
    heads = integer("DECODER.HEADS", section["HEADS"])
    kv_heads = integer("DECODER.KV_HEADS", section["KV_HEADS"], low=0) or heads
    ff = integer("DECODER.FF", section["FF"])
    own_heads = _per_layer(section, "LAYER_HEADS", count, heads)
    own_kv = _per_layer(section, "LAYER_KV_HEADS", count, kv_heads)
    own_ff = _per_layer(section, "LAYER_FF", count, ff)
    experts = integer("DECODER.EXPERTS", section["EXPERTS"], low=0, high=MAX_EXPERTS)
    dense = integer("DECODER.DENSE_LAYERS", section["DENSE_LAYERS"], low=0, high=MAX_BLOCKS)
    windows = [integer("DECODER.WINDOWS", window, low=0, high=MAX_TOKENS) for window in section["WINDOWS"]] or [0]
    found = []
    for at in range(count):
        own, groups = own_heads[at], own_kv[at]
        if own:
            key = "DECODER.LAYER_KV_HEADS" if section["LAYER_KV_HEADS"] else "DECODER.KV_HEADS"
            require(groups > 0 and own % groups == 0, key, groups, f"a divisor of the layer's heads, {own}")
        mixed = bool(experts) and at >= dense and own_ff[at] > 0
        found.append(_Layer(own, groups, windows[at % len(windows)], own_ff[at], mixed))
    return found


def _per_layer(section: Any, name: str, count: int, usual: int) -> list[int]:
    """A number per layer."""
    key, values = f"DECODER.{name}", section[name]
    if not values:
        return [usual] * count
    require(len(values) == count, key, len(values), f"an entry for each of the {count} layers, or none at all")
    return [integer(key, value, low=0) for value in values]


def _cells(section: Any, call: Call, layer: _Layer, width: int, ends: dict[str, Scalar]) -> list[CellSpec]:
    """The cells of one layer."""
    parallel = choice("DECODER.PARALLEL", section["PARALLEL"], ("", "one", "two"))
    attention = _attention(section, call, layer) if layer.heads else {}
    post: dict[str, Scalar] = {"post_norm": section["POST_NORM"]}
    capped: dict[str, Scalar] = {"sinks": section["SINKS"], "softcap": section["SOFTCAP"]}
    mlp: dict[str, Scalar] = {
        "activation": choice("DECODER.ACTIVATION", section["ACTIVATION"], ACTIVATIONS),
        "gated": section["GATED"],
        "mlp_bias": section["MLP_BIAS"],
    }
    if parallel:
        whole = bool(attention) and layer.ff > 0 and not layer.experts and not any((*post.values(), *capped.values()))
        require(
            whole, "DECODER.PARALLEL", parallel, "layers of both halves, without experts, sinks, caps or post norms"
        )
        norms: dict[str, Scalar] = {"two_norms": parallel == "two"}
        return [CellSpec.make("decoder_parallel_layer", width=width, **attention, ff=layer.ff, **mlp, **ends, **norms)]
    if attention and layer.ff and not layer.experts:
        return [CellSpec.make("decoder_layer", width=width, **attention, ff=layer.ff, **capped, **mlp, **ends, **post)]
    cells = []
    if attention:
        cells.append(CellSpec.make("decoder_attention", width=width, **attention, **capped, **ends, **post))
    if layer.experts:
        cells.append(_experts(section, width, mlp, {**ends, **post}))
    elif layer.ff:
        cells.append(CellSpec.make("decoder_mlp", width=width, ff=layer.ff, **mlp, **ends, **post))
    return cells


def _attention(section: Any, call: Call, layer: _Layer) -> dict[str, Scalar]:
    """Arguments of attention."""
    head_dim = integer("DECODER.HEAD_DIM", section["HEAD_DIM"], low=0)
    if not head_dim:
        heads = section["HEADS"]
        require(section["WIDTH"] % heads == 0, "DECODER.HEADS", heads, f"a divisor of WIDTH, {section['WIDTH']}")
        head_dim = section["WIDTH"] // heads
    require(layer.heads * head_dim <= MAX_WIDTH, "DECODER.HEAD_DIM", head_dim, f"heads of {MAX_WIDTH} elements at most")
    part = section["ROTARY"]
    require(0 <= part <= 1, "DECODER.ROTARY", part, "a part of a head, from 0 to 1")
    past, capacity = call.seen(layer.window)
    training = call.phase == "training"
    return {
        "heads": layer.heads,
        "kv_heads": layer.kv_heads,
        "head_dim": head_dim,
        "rotary": int(head_dim * part) // 2 * 2,
        "past": 0 if training else past,
        "capacity": 0 if training else capacity,
        "window": layer.window if layer.window < call.past + call.tokens else 0,
        "qkv_bias": section["QKV_BIAS"],
        "out_bias": section["OUT_BIAS"],
        "qk_norm": section["QK_NORM"],
        "kv_byte": call.kv_byte and not training,
    }


def _experts(section: Any, width: int, mlp: dict[str, Scalar], ends: dict[str, Scalar]) -> CellSpec:
    count = section["EXPERTS"]
    chosen = integer("DECODER.EXPERTS_PER_TOKEN", section["EXPERTS_PER_TOKEN"], high=count)
    require(bool(mlp["gated"]), "DECODER.GATED", False, "True where there are experts")
    shared = integer("DECODER.SHARED_FF", section["SHARED_FF"], low=0)
    gate = section["SHARED_GATE"]
    require(bool(shared) or not gate, "DECODER.SHARED_GATE", gate, "False where SHARED_FF is 0")
    return CellSpec.make(
        "decoder_experts",
        width=width,
        ff=integer("DECODER.EXPERT_FF", section["EXPERT_FF"], low=0) or section["FF"],
        experts=count,
        chosen=chosen,
        shared=shared,
        shared_gate=gate,
        activation=mlp["activation"],
        mlp_bias=mlp["mlp_bias"],
        **ends,
    )
