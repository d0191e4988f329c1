"""What each `model_type` of a `config.json` builds, as keys of our DECODER section."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

from oracle.config.huggingface_reader import Reader

_Keys = dict[str, Any]
_Item = TypeVar("_Item")


def _base(read: Reader, ff: int | None = None, groups: int = 0) -> _Keys:
    """What most configs call alike.

    Args:
        read: the file.
        ff: where there may be no feed-forward half of that width.
        groups: of heads in a file that does not say, as transformers' classes have them; 0 for as many as heads, which
            is what null means.
    """
    heads = read.integer("num_attention_heads")
    return {
        "VOCAB": read.integer("vocab_size"),
        "LAYERS": read.integer("num_hidden_layers"),
        "WIDTH": read.integer("hidden_size"),
        "HEADS": heads,
        "KV_HEADS": read.rank("num_key_value_heads", groups) or heads,
        "HEAD_DIM": read.integer("head_dim", 0),
        "FF": read.integer("intermediate_size", ff),
        "CONTEXT": read.integer("max_position_embeddings", 0),
        "TIED": read.flag("tie_word_embeddings", False),
    }


def _llama(read: Reader, ff: int | None = None, groups: int = 0) -> _Keys:
    bias = read.flag("attention_bias", False)
    return {
        **_base(read, ff, groups),
        "ACTIVATION": read.activation("hidden_act", "silu"),
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
        "MLP_BIAS": read.flag("mlp_bias", False),
    }


def _seed_oss(read: Reader) -> _Keys:
    keys = _base(read, groups=8)
    return {
        **keys,
        "HEAD_DIM": keys["HEAD_DIM"] or 128,
        "ACTIVATION": read.activation("hidden_act", "silu"),
        "QKV_BIAS": read.flag("attention_bias", True),
        "OUT_BIAS": read.flag("attention_out_bias", False),
        "MLP_BIAS": read.flag("mlp_bias", False),
    }


def _ernie4_5(read: Reader) -> _Keys:
    keys, bias = _base(read, groups=2), read.flag("use_bias", False)
    return {
        **keys,
        "HEAD_DIM": keys["HEAD_DIM"] or 128,
        "TIED": read.flag("tie_word_embeddings", True),
        "ACTIVATION": read.activation("hidden_act", "silu"),
        **dict.fromkeys(_BIASED, bias),
    }


def _ministral3(read: Reader) -> _Keys:
    """As Mistral; the scale of queries at far positions is a part of the rotary kernel."""
    keys = _mistral(read, 0)
    return {**keys, "HEAD_DIM": keys["HEAD_DIM"] or 128}


def _mistral(read: Reader, window: int = 4096) -> _Keys:
    keys = {**_base(read, groups=8), "ACTIVATION": read.activation("hidden_act", "silu")}
    layers = keys["LAYERS"] if read.has("layer_types") else 1
    return {**keys, "WINDOWS": read.windows(layers, _every, window)}


def _every(_: int) -> bool:
    return True


def _layered(read: Reader, keys: _Keys, usual: Callable[[int], bool], window: int = 4096) -> list[int]:
    return read.windows(keys["LAYERS"], usual, window)


def _qwen_windows(read: Reader, keys: _Keys, usual: Callable[[int, int], bool] = operator.ge) -> list[int]:
    """Windows where they are used: usually of the layers from `max_window_layers` on."""
    if not read.flag("use_sliding_window", False):
        return []
    bound = read.integer("max_window_layers", 28, low=0)
    return _layered(read, keys, lambda layer: usual(layer, bound))


def _biased(read: Reader, groups: int) -> _Keys:
    return {**_base(read, groups=groups), "ACTIVATION": read.activation("hidden_act", "silu"), "QKV_BIAS": True}


def _qwen2(read: Reader) -> _Keys:
    keys = _biased(read, 32)
    return {**keys, "WINDOWS": _qwen_windows(read, keys)}


def _normed(read: Reader, groups: int) -> _Keys:
    return {**_llama(read, groups=groups), "QK_NORM": True, "MLP_BIAS": False}


def _qwen3(read: Reader) -> _Keys:
    keys = _normed(read, 32)
    return {**keys, "HEAD_DIM": keys["HEAD_DIM"] or 128, "WINDOWS": _qwen_windows(read, keys)}


def _gemma(read: Reader, groups: int = 16) -> _Keys:
    bias = read.flag("attention_bias", False)
    name = "hidden_activation" if read.has("hidden_activation") else "hidden_act"
    keys = _base(read, groups=groups)
    return {
        **keys,
        "HEAD_DIM": keys["HEAD_DIM"] or 256,
        "TIED": read.flag("tie_word_embeddings", True),
        "ACTIVATION": "gelu_tanh" if not read.has("hidden_activation") else read.activation(name, "gelu_pytorch_tanh"),
        "SCALED": True,
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
    }


def _gemma2(read: Reader) -> _Keys:
    keys = {**_gemma(read, 4), "POST_NORM": True, "SOFTCAP": _capped(read)}
    return {**keys, "WINDOWS": _shortened(_layered(read, keys, lambda layer: layer % 2 == 0))}


def _capped(read: Reader) -> bool:
    """Both caps, or none: they are there but for null."""
    scores, final = (not read.denies(f"{name}_logit_softcapping") for name in ("attn", "final"))
    if scores != final:
        raise read.fail("attn_logit_softcapping", "null where final_logit_softcapping is, and a number where that is")
    return scores


def _gemma3(read: Reader) -> _Keys:
    pattern = read.integer("sliding_window_pattern", 6)
    keys = {**_gemma(read, 4), "POST_NORM": True, "QK_NORM": True}
    read.expect("attn_logit_softcapping", None)
    read.expect("final_logit_softcapping", None)
    return {**keys, "WINDOWS": _shortened(_layered(read, keys, lambda layer: (layer + 1) % pattern != 0))}


def _shortened(windows: list[_Item]) -> list[_Item]:
    """The shortest list that says the same, repeated."""
    for size in range(1, len(windows)):
        if all(own == windows[at % size] for at, own in enumerate(windows)):
            return windows[:size]
    return windows


def _phi3(read: Reader) -> _Keys:
    keys = {**_base(read), "ACTIVATION": read.activation("hidden_act", "silu")}
    return {**keys, "ROTARY": read.number("partial_rotary_factor", 1.0), "WINDOWS": read.windows(1, _every)}


def _phi(read: Reader) -> _Keys:
    read.expect("qk_layernorm", False)
    return {
        **_base(read),
        **_LAYER_NORMED,
        "HEAD_BIAS": True,
        "ACTIVATION": read.activation("hidden_act", "gelu_new"),
        "ROTARY": read.number("partial_rotary_factor", 0.5),
        "PARALLEL": "one",
    }


_BIASED = {"QKV_BIAS": True, "OUT_BIAS": True, "MLP_BIAS": True}
_LAYER_NORMED = {"NORM": "layer", "GATED": False, **_BIASED}


def _gpt_neox(read: Reader) -> _Keys:
    bias = read.flag("attention_bias", True)
    return {
        **_base(read),
        **_LAYER_NORMED,
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
        "ACTIVATION": read.activation("hidden_act", "gelu"),
        "ROTARY": read.number("rotary_pct", 0.25),
        "PARALLEL": "two" if read.flag("use_parallel_residual", True) else "",
    }


def _starcoder2(read: Reader) -> _Keys:
    return {
        **_base(read, groups=2),
        **_LAYER_NORMED,
        "TIED": read.flag("tie_word_embeddings", True),
        **dict.fromkeys(_BIASED, read.flag("use_bias", True)),
        "ACTIVATION": read.activation("hidden_act", "gelu_pytorch_tanh"),
        "WINDOWS": read.windows(1, _every),
    }


def _gpt2(read: Reader) -> _Keys:
    width = read.integer("n_embd")
    return {
        "VOCAB": read.integer("vocab_size"),
        "LAYERS": read.integer("n_layer"),
        "WIDTH": width,
        "HEADS": read.integer("n_head"),
        "FF": read.integer("n_inner", 4 * width),
        "POSITIONS": read.integer("n_positions", 1024),
        "TIED": read.flag("tie_word_embeddings", True),
        **_LAYER_NORMED,
        "ACTIVATION": read.activation("activation_function", "gelu_new"),
        "ROTARY": 0.0,
    }


def _opt(read: Reader) -> _Keys:
    width = read.integer("hidden_size")
    read.expect("do_layer_norm_before", True)
    read.expect("layer_norm_elementwise_affine", True)
    read.expect("_remove_final_layer_norm", False)
    read.expect("word_embed_proj_dim", width)
    bias = read.flag("enable_bias", True)
    context = read.integer("max_position_embeddings", 2048)
    return {
        "VOCAB": read.integer("vocab_size"),
        "LAYERS": read.integer("num_hidden_layers"),
        "WIDTH": width,
        "HEADS": read.integer("num_attention_heads"),
        "FF": read.integer("ffn_dim"),
        "POSITIONS": context + 2,  # whose first two rows nobody reads
        "CONTEXT": context,
        "TIED": read.flag("tie_word_embeddings", True),
        **_LAYER_NORMED,
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
        "MLP_BIAS": bias,
        "ACTIVATION": read.activation("activation_function", "relu"),
        "ROTARY": 0.0,
    }


def _mixtral(read: Reader) -> _Keys:
    keys = _mistral(read, 0)
    return {**keys, **_expert_keys(read, "num_local_experts", keys["FF"])}


def _expert_keys(read: Reader, count: str, ff: int) -> _Keys:
    return {"EXPERTS": read.integer(count), "EXPERTS_PER_TOKEN": read.integer("num_experts_per_tok"), "EXPERT_FF": ff}


def _sparse(read: Reader, layers: int) -> _Keys:
    """The first layers that have no experts; any others that have none are not built here."""
    read.expect("decoder_sparse_step", 1)
    dense = sorted(read.integers("mlp_only_layers"))
    if dense != list(range(len(dense))) or len(dense) > layers:
        raise read.fail("mlp_only_layers", "the first layers only")
    return {"DENSE_LAYERS": len(dense)}


def _qwen2_moe(read: Reader) -> _Keys:
    keys = _biased(read, 16)
    keys["WINDOWS"] = _qwen_windows(read, keys, lambda layer, bound: layer % 2 == 0 and layer < bound)
    keys |= _expert_keys(read, "num_experts", read.integer("moe_intermediate_size")) | _sparse(read, keys["LAYERS"])
    return {
        **keys,
        "QKV_BIAS": read.flag("qkv_bias", True),
        "SHARED_FF": read.integer("shared_expert_intermediate_size"),
        "SHARED_GATE": True,
    }


def _qwen3_moe(read: Reader) -> _Keys:
    keys = _normed(read, 4)
    experts = "num_local_experts" if read.has("num_local_experts") else "num_experts"  # as transformers 5 writes it
    return {
        **keys,
        "WINDOWS": _qwen_windows(read, keys, lambda _, __: True),
        **_expert_keys(read, experts, read.integer("moe_intermediate_size")),
        **_sparse(read, keys["LAYERS"]),
    }


def _qwen3_next(read: Reader) -> _Keys:
    keys = _qwen3_moe(read)
    return {**keys, **_mixers(read, keys["LAYERS"], 2), **_shared_expert(read)}


def _qwen3_5(read: Reader, ff: int | None = None, groups: int = 4) -> _Keys:
    keys = {**_llama(read, ff), "QK_NORM": True, "MLP_BIAS": False}
    return {**keys, **_mixers(read, keys["LAYERS"], groups), "MTP_LAYERS": read.integer("mtp_num_hidden_layers", 0, 0)}


def _qwen3_5_moe(read: Reader) -> _Keys:
    expert_ff = read.integer("moe_intermediate_size")
    experts = _expert_keys(read, "num_local_experts" if read.has("num_local_experts") else "num_experts", expert_ff)
    return {**_qwen3_5(read, expert_ff, 2), **experts, **_shared_expert(read)}


def _shared_expert(read: Reader) -> _Keys:
    return {"SHARED_FF": read.integer("shared_expert_intermediate_size"), "SHARED_GATE": True}


def _mixers(read: Reader, layers: int, groups: int) -> _Keys:
    """Linear attention in most layers, attention with a gate in the others, of so many groups if nothing is said."""
    read.expect("attn_output_gate", True)
    every = read.integer("full_attention_interval", 4)
    usual = ["full_attention" if (layer + 1) % every == 0 else "linear_attention" for layer in range(layers)]
    words = read.words("layer_types", usual, ("linear_attention", "full_attention"))
    return {
        "KV_HEADS": read.integer("num_key_value_heads", groups),
        "HEAD_DIM": read.integer("head_dim", 256),
        "ROTARY": read.number("partial_rotary_factor", 0.25),
        "OUT_GATE": True,
        "MIXERS": _shortened([word.removesuffix("_attention") for word in words]),
        "LINEAR_HEADS": read.integer("linear_num_value_heads", 32),
        "LINEAR_KEY_HEADS": read.integer("linear_num_key_heads", 16),
        "LINEAR_KEY_DIM": read.integer("linear_key_head_dim", 128),
        "LINEAR_VALUE_DIM": read.integer("linear_value_head_dim", 128),
        "LINEAR_KERNEL": read.integer("linear_conv_kernel_dim", 4),
    }


def _latent(read: Reader, dense: int, shared: int, q_rank: int = 1536) -> _Keys:
    """Attention over latents, and experts as `_after_dense` has them.

    `q_rank` is that of a file that has no `q_lora_rank`; null is none.
    """
    bias = read.flag("attention_bias", False)
    return {
        **_base(read),
        "HEAD_DIM": 0,
        "ACTIVATION": read.activation("hidden_act", "silu"),
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
        "Q_RANK": read.rank("q_lora_rank", q_rank),
        "KV_RANK": read.integer("kv_lora_rank"),
        "NOPE_DIM": read.integer("qk_nope_head_dim"),
        "ROPE_DIM": read.integer("qk_rope_head_dim"),
        "V_DIM": read.integer("v_head_dim"),
        **_after_dense(read, dense, shared),
    }


def _after_dense(read: Reader, dense: int, shared: int) -> _Keys:
    """Experts after so many layers, beside so many shared ones, if nothing is said."""
    read.expect("moe_layer_freq", 1)
    expert_ff = read.integer("moe_intermediate_size")
    return {
        **_expert_keys(read, read.agree(("n_routed_experts", "num_local_experts", "num_experts")), expert_ff),
        "SHARED_FF": expert_ff * read.integer("n_shared_experts", shared, low=0),
        "DENSE_LAYERS": min(read.integer("first_k_dense_replace", dense, low=0), read.integer("num_hidden_layers")),
    }


def _groups(read: Reader, groups: int = 1, chosen: int = 1) -> _Keys:
    return {"EXPERT_GROUPS": read.integer("n_group", groups), "GROUPS_PER_TOKEN": read.integer("topk_group", chosen)}


def _deepseek_v2(read: Reader) -> _Keys:
    grouped = read.word("topk_method", "greedy", ("greedy", "group_limited_greedy")) == "group_limited_greedy"
    return {**_latent(read, 0, 2), "MLP_BIAS": False, "ROUTER": "softmax_all", **(_groups(read) if grouped else {})}


def _deepseek_v3(read: Reader, q_rank: int = 1536, groups: tuple[int, int] = (8, 4)) -> _Keys:
    return {**_latent(read, 3, 1, q_rank), **_sigmoid(read, groups)}


def _sigmoid(read: Reader, groups: tuple[int, int]) -> _Keys:
    """The router of DeepSeek-V3, and layers that predict further tokens."""
    read.expect("scoring_func", "sigmoid")
    read.expect("topk_method", "noaux_tc")
    further = read.agree(("num_nextn_predict_layers", "num_mtp_layers"))
    return {"ROUTER": "sigmoid", **_groups(read, *groups), "MTP_LAYERS": read.integer(further, 0, low=0)}


def _glm4_moe(read: Reader) -> _Keys:
    return {
        **_base(read, groups=8),
        "ACTIVATION": read.activation("hidden_act", "silu"),
        "QKV_BIAS": read.flag("attention_bias", False),
        "QK_NORM": read.flag("use_qk_norm", False),
        "ROTARY": read.number("partial_rotary_factor", 0.5),
        **_after_dense(read, 1, 1),
        **_sigmoid(read, (1, 1)),
    }


def _glm_moe_dsa(read: Reader) -> _Keys:
    return _indexed(read, 2048, (1, 1))


def _indexed(read: Reader, q_rank: int = 1536, groups: tuple[int, int] = (8, 4)) -> _Keys:
    """As DeepSeek-V3, with an indexer in every layer, whose queries are made from the latent of the others."""
    if not read.rank("q_lora_rank", q_rank):
        raise read.fail("q_lora_rank", "a number, for the indexer's queries are made from that latent")
    read.kinds("indexer_types", "full")
    read.expect("index_topk_freq", 1)
    read.expect("index_topk_pattern", None)
    index = {f"INDEX_{ours}": read.integer(f"index_{name}") for ours, name in _INDEX.items()}
    return {**_typed(read, _deepseek_v3(read, q_rank, groups)), **index}


def _typed(read: Reader, keys: _Keys) -> _Keys:
    """With the first layers without experts as `mlp_layer_types` has them, which decides in transformers."""
    dense, layers = keys["DENSE_LAYERS"], keys["LAYERS"]
    usual = ["dense"] * dense + ["sparse"] * (layers - dense)
    words = read.words("mlp_layer_types", usual, ("dense", "sparse"))
    if words != sorted(words):
        raise read.fail("mlp_layer_types", "dense for the first layers, and sparse for the others")
    return {**keys, "DENSE_LAYERS": words.count("dense")}


def _glm4_moe_lite(read: Reader) -> _Keys:
    if read.has("first_k_dense_replace") and not read.has("mlp_layer_types"):
        read.expect("first_k_dense_replace", 1)  # which transformers does not read here, and engines do
    return _typed(read, {**_latent(read, 1, 1, 768), **_sigmoid(read, (1, 1))})


_INDEX = {"HEADS": "n_heads", "DIM": "head_dim", "TOPK": "topk"}


def _gpt_oss(read: Reader) -> _Keys:
    keys = _base(read, groups=8)
    bias = read.flag("attention_bias", True)
    chosen = "num_experts_per_tok" if read.has("num_experts_per_tok") else "experts_per_token"
    return {
        **keys,
        "HEAD_DIM": keys["HEAD_DIM"] or 64,
        "QKV_BIAS": bias,
        "OUT_BIAS": bias,
        "MLP_BIAS": True,
        "ACTIVATION": "silu_clamped",
        "SINKS": True,
        "WINDOWS": _shortened(_layered(read, keys, lambda layer: layer % 2 == 0, 128)),
        "EXPERTS": read.integer("num_local_experts"),
        "EXPERTS_PER_TOKEN": read.integer(chosen),
    }


CONVERTERS: dict[str, Callable[[Reader], _Keys]] = {
    "llama": _llama,
    "mistral": _mistral,
    "ministral3": _ministral3,
    "seed_oss": _seed_oss,
    "ernie4_5": _ernie4_5,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "phi": _phi,
    "phi3": _phi3,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "opt": _opt,
    "starcoder2": _starcoder2,
    "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
    "gpt_oss": _gpt_oss,
    "deepseek_v2": _deepseek_v2,
    "deepseek_v3": _deepseek_v3,
    "kimi_k2": _deepseek_v3,
    "deepseek_v32": _indexed,
    "glm4_moe": _glm4_moe,
    "glm4_moe_lite": _glm4_moe_lite,
    "glm_moe_dsa": _glm_moe_dsa,
    "qwen3_next": _qwen3_next,
    "qwen3_5": _qwen3_5,
    "qwen3_5_text": _qwen3_5,
    "qwen3_5_moe": _qwen3_5_moe,
    "qwen3_5_moe_text": _qwen3_5_moe,
}
