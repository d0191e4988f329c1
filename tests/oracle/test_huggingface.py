"""Configs of transformers: read as data, and refused where they are no decoder that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.config.huggingface import sections_of
from oracle.config.huggingface_kinds import CONVERTERS
from oracle.errors import ConfigError

_LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "torch_dtype": "bfloat16",
}


def _written(folder: Path, values: Any) -> str:
    path = folder / "tiny" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return f"hf:{path}"


def test_a_file_and_its_directory_are_a_network(tmp_path: Path) -> None:
    source = _written(tmp_path, _LLAMA)
    one, other = oracle.score(source), oracle.score(source.removesuffix("/config.json"))
    assert (one.name, one.macs, one.params) == (other.name, other.macs, other.params)
    assert one.name == "tiny"
    assert (one.workload.dtype, one.workload.weights) == ("bfloat16", "bfloat16")
    assert one.params == 2 * 320 * 64 + 64 + 2 * (64 * (64 + 2 * 32) + 64 * 64 + 3 * 64 * 128 + 2 * 64)


_NONE = {"torch_dtype": None}


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ({**_LLAMA, **_NONE}, "float32"),  # what transformers builds of it
        ({**_LLAMA, "torch_dtype": "auto"}, "float32"),
        ({**_LLAMA, "torch_dtype": "float32"}, "float32"),
        ({**_LLAMA, "torch_dtype": "float16"}, "float16"),
        ({**_LLAMA, **_NONE, "dtype": "float16"}, "float16"),
        ({**_LLAMA, "dtype": "float16"}, "float16"),
        ({**_LLAMA, "dtype": None}, "bfloat16"),
        ({**_LLAMA, **_NONE, "quantization_config": {"quant_method": "mxfp4"}}, "bfloat16"),
        ({**_LLAMA, **_NONE, "quantization_config": {"quant_method": "gptq"}}, "float32"),
        ({"model_type": "llava", "torch_dtype": "float16", "text_config": {**_LLAMA}}, "bfloat16"),
    ],
)
def test_weights_are_in_what_the_file_says(tmp_path: Path, values: dict[str, Any], dtype: str) -> None:
    cost = oracle.score(_written(tmp_path, values))
    assert (cost.workload.dtype, cost.workload.weights) == (dtype, "" if dtype == "float32" else dtype)
    outer = {name: values[name] for name in ("dtype", "torch_dtype", "quantization_config") if name in values}
    inner = {name: value for name, value in values.items() if name not in outer}
    if "text_config" not in values:  # of a network that sees images, the file says it once, of both parts
        both = oracle.score(_written(tmp_path, {"model_type": "llava", **outer, "text_config": inner}))
        assert both.workload == cost.workload


def test_every_kind_is_listed_where_one_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="model_type: value 'llamma': expected a decoder of a known kind") as found:
        oracle.score(_written(tmp_path, {**_LLAMA, "model_type": "llamma"}))
    assert all(kind in str(found.value) for kind in CONVERTERS)
    assert "did you mean" in str(found.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": "64"}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": 64.0}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": -64}, "hidden_size"),
        ({"hidden_size": 10**30}, "hidden_size"),
        ({"num_key_value_heads": [2]}, "num_key_value_heads"),
        ({"attention_bias": 1}, "attention_bias"),
        ({"hidden_act": "tanh"}, "hidden_act"),
        ({"hidden_act": ["silu"]}, "hidden_act"),
        ({"model_type": 7}, "model_type"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"model_type": None}, "model_type"),
        ({"model_type": "mistral", "sliding_window": "4096"}, "sliding_window"),
        ({"model_type": "qwen3", "use_sliding_window": True, "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "qwen3", "use_sliding_window": True, "layer_types": ["linear_attention"] * 2}, "layer_types"),
        ({"model_type": "gemma2", "final_logit_softcapping": None}, "attn_logit_softcapping"),
        ({"model_type": "gemma2", "attn_logit_softcapping": None}, "attn_logit_softcapping"),
        ({"model_type": "mixtral"}, "num_local_experts"),
        ({"model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2}, "moe_intermediate_size"),
        ({"model_type": "phi", "partial_rotary_factor": 2}, "partial_rotary_factor"),
        ({"model_type": "phi", "qk_layernorm": True}, "qk_layernorm"),
        ({"model_type": "gpt2"}, "n_embd"),
        ({"model_type": "opt", "ffn_dim": 128, "do_layer_norm_before": False}, "do_layer_norm_before"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "architectures"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder"),
        (
            {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 2, "add_cross_attention": True},
            "add_cross_attention",
        ),
        ({"model_type": "gemma3_text", "use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"torch_dtype": "float61"}, "torch_dtype"),
        ({"dtype": ["bfloat16"]}, "dtype"),
        ({"num_local_experts": 8}, "num_local_experts"),
        ({"kv_lora_rank": 16}, "kv_lora_rank"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "layer_types"),
        ({"model_type": "qwen2", "layer_types": ["sliding_attention"] * 2}, "layer_types"),
    ],
)
def test_a_value_that_is_wrong_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as found:
        sections_of({**_LLAMA, **changes}, "config.json")
    assert (found.value.key, found.value.file) == (key, "config.json")


def test_what_says_that_a_part_is_absent_and_what_nobody_knows_is_read_over() -> None:
    absent = {
        "architectures": ["LlamaForCausalLM"],
        "is_encoder_decoder": False,
        "num_experts": 1,
        "kv_lora_rank": None,
    }
    more = {"layer_types": ["full_attention"] * 2, "rope_scaling": {"factor": 8.0}, "a_field_of_tomorrow": [1]}
    assert sections_of({**_LLAMA, **absent, **more}) == sections_of(_LLAMA)


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("tie_word_embedings", True, "tie_word_embeddings"),
        ("head_dims", 32, "head_dim"),
        ("hidden_cat", "gelu", "hidden_act"),
        ("num_local_expert", 8, "num_local_experts"),
        ("HEAD_DIM", 32, "head_dim"),
    ],
)
def test_a_misspelt_key_is_no_key_that_nobody_knows(name: str, value: Any, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown key; did you mean {meant}") as found:
        sections_of({**_LLAMA, name: value})
    assert found.value.key == name


@pytest.mark.parametrize("name", ["num_kv_heads", "n_kv_heads", "Num_Key_Value_Heads"])
def test_heads_of_keys_and_values_by_another_name_are_not_taken_to_be_as_many_as_heads(name: str) -> None:
    values = {key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"}
    assert sections_of(values)["DECODER"]["KV_HEADS"] == 4
    with pytest.raises(ConfigError, match="did you mean num_key_value_heads") as found:
        sections_of({**values, name: 2})
    assert found.value.key == name


def test_what_is_missing_names_the_key_that_is_there_instead() -> None:
    values = {key: value for key, value in _LLAMA.items() if key != "num_hidden_layers"}
    with pytest.raises(ConfigError, match=r"missing: expected an integer .*; found num_hiden_layers$") as found:
        sections_of({**values, "num_hiden_layers": 2})
    assert found.value.key == "num_hidden_layers"
    with pytest.raises(ConfigError, match=r"missing: expected an integer from 1 to \d+$"):
        sections_of(values)


def test_experts_are_read_as_either_transformers_writes_them() -> None:
    moe = {**_LLAMA, "model_type": "qwen3_moe", "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    old, new = (sections_of({**moe, name: 8}) for name in ("num_experts", "num_local_experts"))
    assert old == new
    assert new["DECODER"]["EXPERTS"] == 8


def test_a_key_beside_the_one_that_it_resembles_is_read_over() -> None:
    beside = {"num_key_value_head": 1, "hidden_sizes": [1, 2], "_sliding_window_pattern": 6}
    assert sections_of({**_LLAMA, **beside}) == sections_of(_LLAMA)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '"llama"', "null", "[" * 5000, '{"model_type": NaN}', "\ufeff{}"])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        oracle.load_cfg(_written(tmp_path, text))


def test_a_file_that_is_not_there_says_that_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is downloaded"):
        oracle.score(f"hf:{tmp_path}/nowhere.json")
    with pytest.raises(ConfigError):
        oracle.score("hf:meta-llama/Llama-3.1-8B")
    (tmp_path / "big.json").write_bytes(b" " * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        oracle.load_cfg(f"hf:{tmp_path}/big.json")


def test_sizes_beyond_all_networks_are_an_error_and_no_overflow(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"DECODER\.WIDTH"):
        oracle.score(_written(tmp_path, {**_LLAMA, "hidden_size": 2**30}))
    with pytest.raises(ConfigError, match=r"DECODER\.LAYERS"):
        oracle.score(_written(tmp_path, {**_LLAMA, "num_hidden_layers": 2**30}))


def test_the_decoder_of_a_network_that_sees_is_read() -> None:
    inner = {**_LLAMA, "model_type": "gemma3_text", "sliding_window": 16}
    found = sections_of({"model_type": "gemma3", "text_config": inner})["DECODER"]
    assert (found["QK_NORM"], found["SCALED"], found["WINDOWS"]) == (True, True, [16])


_DEEPSEEK: dict[str, Any] = {
    **_LLAMA, "model_type": "deepseek_v3", "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 2,
    "moe_intermediate_size": 12, "first_k_dense_replace": 1, "n_group": 4, "topk_group": 2,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["deepseek_v3", "kimi_k2"])
def test_attention_over_latents_and_groups_of_experts_are_read(kind: str) -> None:
    keys = sections_of({**_DEEPSEEK, "model_type": kind})["DECODER"]
    assert (keys["Q_RANK"], keys["KV_RANK"], keys["NOPE_DIM"], keys["ROPE_DIM"], keys["V_DIM"]) == (24, 16, 8, 4, 8)
    assert (keys["ROUTER"], keys["EXPERT_GROUPS"], keys["GROUPS_PER_TOKEN"]) == ("sigmoid", 4, 2)
    assert (keys["SHARED_FF"], keys["DENSE_LAYERS"]) == (24, 1)


@pytest.mark.parametrize(("method", "groups"), [("greedy", None), ("group_limited_greedy", 4)])
def test_the_second_version_says_how_it_chooses(method: str, groups: int | None) -> None:
    values = {**_DEEPSEEK, "model_type": "deepseek_v2", "topk_method": method, "q_lora_rank": None}
    keys = sections_of(values)["DECODER"]
    assert (keys["ROUTER"], keys.get("EXPERT_GROUPS"), keys["Q_RANK"]) == ("softmax_all", groups, 0)


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"moe_layer_freq": 2}, "moe_layer_freq"), ({"scoring_func": "softmax"}, "scoring_func"),
     ({"kv_lora_rank": None}, "kv_lora_rank"), ({"topk_method": "best"}, "topk_method")],
)  # fmt: skip
def test_what_no_latent_decoder_is_names_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sections_of({**_DEEPSEEK, **changes})
    assert caught.value.key == key


@pytest.mark.parametrize("kind", ["deepseek_v32", "glm_moe_dsa"])
def test_indexers_are_read(kind: str) -> None:
    index = {"index_n_heads": 4, "index_head_dim": 10, "index_topk": 64}
    lists = {"layer_types": ["indexed_attention"] * 2, "indexer_types": ["full"] * 2}
    keys = sections_of({**_DEEPSEEK, **index, **lists, "model_type": kind})["DECODER"]
    assert (keys["INDEX_HEADS"], keys["INDEX_DIM"], keys["INDEX_TOPK"], keys["ROUTER"]) == (4, 10, 64, "sigmoid")
    for changes in (
        {"indexer_types": ["full", "shared"]},
        {"index_topk_freq": 2},
        {"index_topk_pattern": "FS"},
        {"index_topk": None},
    ):
        with pytest.raises(ConfigError) as caught:
            sections_of({**_DEEPSEEK, **index, **changes, "model_type": kind})
        assert caught.value.key == next(iter(changes))
    with pytest.raises(ConfigError, match="index_topk: value 64: expected none"):
        sections_of({**_DEEPSEEK, **index})


@pytest.mark.parametrize("kind", ["deepseek_v3", "deepseek_v32", "glm_moe_dsa"])
def test_what_deepseek_leaves_out_is_as_transformers_has_it(kind: str) -> None:
    """Defaults of transformers 5.24: three layers without experts, one shared expert."""
    index = {} if kind == "deepseek_v3" else {"index_n_heads": 4, "index_head_dim": 10, "index_topk": 64}
    left = {
        name: value for name, value in _DEEPSEEK.items() if name not in ("first_k_dense_replace", "n_shared_experts")
    }
    keys = sections_of({**left, **index, "model_type": kind, "num_hidden_layers": 5})["DECODER"]
    assert (keys["DENSE_LAYERS"], keys["SHARED_FF"]) == (3, _DEEPSEEK["moe_intermediate_size"])
    if index:
        words = {"mlp_layer_types": ["dense", "sparse"] + ["sparse"] * 3}
        keys = sections_of({**left, **index, **words, "model_type": kind, "num_hidden_layers": 5})["DECODER"]
        assert keys["DENSE_LAYERS"] == 1
        with pytest.raises(ConfigError, match="dense for the first layers"):
            sections_of({**_DEEPSEEK, **index, "mlp_layer_types": ["sparse", "dense"], "model_type": kind})


def test_first_layers_of_glm4_moe_lite_that_transformers_does_not_read_are_refused() -> None:
    """Transformers builds one without experts, however many the file says, unless it has a word for each layer."""
    values = {**_DEEPSEEK, "model_type": "glm4_moe_lite", "num_hidden_layers": 3}
    for said, words, dense in (
        (1, None, 1),
        (None, None, 1),
        (2, ["dense", "dense", "sparse"], 2),
        (1, ["sparse"] * 3, 0),
    ):
        keys = sections_of({**values, "first_k_dense_replace": said, "mlp_layer_types": words})["DECODER"]
        assert keys["DENSE_LAYERS"] == dense
    with pytest.raises(ConfigError) as caught:
        sections_of({**values, "first_k_dense_replace": 2})
    assert caught.value.key == "first_k_dense_replace"


def test_whose_head_is_tied_an_outer_config_decides() -> None:
    """As transformers' Qwen3.5, which writes an inner flag that it does not read."""
    inner = {**_LINEAR, "tie_word_embeddings": False}
    outer = {"model_type": "qwen3_5", "text_config": inner, "tie_word_embeddings": True}
    assert sections_of(outer)["DECODER"]["TIED"]
    assert not sections_of({**outer, "tie_word_embeddings": False})["DECODER"]["TIED"]


@pytest.mark.parametrize(("kind", "groups"), [("qwen3_next", 2), ("qwen3_5_text", 4), ("qwen3_5_moe_text", 2)])
def test_groups_of_heads_that_are_not_stated(kind: str, groups: int) -> None:
    left = {name: value for name, value in {**_LINEAR, **_EXPERTS}.items() if name != "num_key_value_heads"}
    sizes = {"num_attention_heads": 8, "hidden_size": 64}
    if kind == "qwen3_5_text":
        left = {name: value for name, value in left.items() if name not in _EXPERTS}
    assert sections_of({**left, **sizes, "model_type": kind})["DECODER"]["KV_HEADS"] == groups


@pytest.mark.parametrize(
    ("kind", "groups", "windows"),
    [("llama", 64, []), ("mistral", 8, [4096]), ("mixtral", 8, []), ("gemma", 16, []), ("gemma2", 4, [4096, 0]),
     ("gemma3_text", 4, [4096] * 5 + [0]), ("phi3", 64, []), ("qwen2", 32, [4096]), ("qwen3", 32, [4096]),
     ("qwen2_moe", 16, [4096, 0]), ("qwen3_moe", 4, [4096]), ("gpt_oss", 8, [128, 0])],
)  # fmt: skip
def test_what_a_file_leaves_out_is_as_transformers_class_has_it(kind: str, groups: int, windows: list[int]) -> None:
    """Groups of heads, windows and head width of transformers 5.24's configs; null is as many groups as heads, none."""
    sizes = {"model_type": kind, "num_attention_heads": 64, "hidden_size": 256, "num_hidden_layers": 12}
    left = {name: value for name, value in {**_LLAMA, **_EXPERTS}.items() if name != "num_key_value_heads"}
    if kind in ("mixtral", "gpt_oss"):
        left |= {"num_local_experts": left.pop("num_experts")}
    elif not kind.endswith("_moe"):
        left = {name: value for name, value in left.items() if name not in _EXPERTS}
    used = {"use_sliding_window": True, "max_window_layers": 12 if kind == "qwen2_moe" else 0}
    values = {**left, **sizes, **(used if kind.startswith("qwen") else {})}
    found = sections_of(values)["DECODER"]
    layers = [found["WINDOWS"][at % len(found["WINDOWS"])] for at in range(12)] if found.get("WINDOWS") else [0] * 12
    assert layers == [(windows or [0])[at % len(windows or [0])] for at in range(12)]
    assert found["KV_HEADS"] == groups
    wide = {"gemma": 256, "gemma2": 256, "gemma3_text": 256, "qwen3": 128, "gpt_oss": 64}
    assert found["HEAD_DIM"] == wide.get(kind, 0)
    without = sections_of({**values, "num_key_value_heads": None, "sliding_window": None})["DECODER"]
    assert (without["KV_HEADS"], without.get("WINDOWS", [])) == (64, [])


def test_scores_of_the_second_gemma_are_capped_unless_null_says_otherwise() -> None:
    gemma = {**_LLAMA, "model_type": "gemma2"}
    none = {"attn_logit_softcapping": None, "final_logit_softcapping": None}
    assert sections_of(gemma)["DECODER"]["SOFTCAP"]
    assert not sections_of({**gemma, **none})["DECODER"]["SOFTCAP"]


@pytest.mark.parametrize(
    ("kind", "groups"),
    [("deepseek_v3", (8, 4)), ("kimi_k2", (8, 4)), ("deepseek_v32", (8, 4)), ("glm_moe_dsa", (1, 1))],
)
def test_groups_of_experts_that_are_not_stated(kind: str, groups: tuple[int, int]) -> None:
    index = (
        {"index_n_heads": 4, "index_head_dim": 10, "index_topk": 64} if kind not in ("deepseek_v3", "kimi_k2") else {}
    )
    left = {name: value for name, value in _DEEPSEEK.items() if name not in ("n_group", "topk_group")}
    keys = sections_of({**left, **index, "model_type": kind})["DECODER"]
    assert (keys["EXPERT_GROUPS"], keys["GROUPS_PER_TOKEN"]) == groups


_LINEAR: dict[str, Any] = {
    **_LLAMA, "model_type": "qwen3_5_text", "num_hidden_layers": 4, "linear_num_value_heads": 6,
    "linear_num_key_heads": 3, "linear_key_head_dim": 8, "linear_value_head_dim": 12,
}  # fmt: skip
_EXPERTS = {
    "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 16,
}  # fmt: skip


def test_linear_attention_is_read_by_layers_or_by_their_distance() -> None:
    full = {"layer_types": ["linear_attention", "full_attention"] * 2}
    keys, other = (sections_of({**_LINEAR, **more})["DECODER"] for more in ({}, full))
    assert (keys["MIXERS"], other["MIXERS"]) == (["linear"] * 3 + ["full"], ["linear", "full"])
    assert [keys[f"LINEAR_{name}"] for name in ("HEADS", "KEY_HEADS", "KEY_DIM", "VALUE_DIM", "KERNEL")] == [
        6,
        3,
        8,
        12,
        4,
    ]
    assert (keys["HEAD_DIM"], keys["ROTARY"], keys["QK_NORM"], keys["OUT_GATE"]) == (256, 0.25, True, True)
    outer = {"model_type": "qwen3_5", "text_config": _LINEAR, "tie_word_embeddings": True}
    assert sections_of(outer)["DECODER"] == {**keys, "TIED": True}


@pytest.mark.parametrize("kind", ["qwen3_next", "qwen3_5_moe_text"])
def test_experts_beside_linear_attention_are_read(kind: str) -> None:
    keys = sections_of({**_LINEAR, **_EXPERTS, "model_type": kind})["DECODER"]
    assert (keys["EXPERTS"], keys["EXPERT_FF"], keys["SHARED_FF"], keys["SHARED_GATE"]) == (8, 24, 16, True)
    assert keys["MIXERS"] == ["linear"] * 3 + ["full"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"layer_types": ["linear_attention"]}, "layer_types"), ({"layer_types": ["mamba"] * 4}, "layer_types"),
     ({"attn_output_gate": False}, "attn_output_gate"), ({"num_experts": 8}, "num_experts")],
)  # fmt: skip
def test_what_no_linear_decoder_is_names_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sections_of({**_LINEAR, **changes})
    assert caught.value.key == key


def test_keys_of_a_part_that_are_further_from_ours_are_misspelt_ones() -> None:
    """Defaults stand in for what is not there, so that `linear_keydim` would be 128 whatever it says."""
    linear = {**_LLAMA, "model_type": "qwen3_5", "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4}
    assert sections_of({**linear, "linear_key_head_dim": 8})["DECODER"]["LINEAR_KEY_DIM"] == 8
    with pytest.raises(ConfigError, match="did you mean linear_key_head_dim") as found:
        sections_of({**linear, "linear_keydim": 8})
    assert found.value.key == "linear_keydim"
    assert sections_of({**linear, "linear_bias_of_tomorrow": True}) == sections_of(linear)


@pytest.mark.parametrize(
    ("kind", "missing"), [("deepseek_v2", 1536), ("deepseek_v3", 1536), ("deepseek_v32", 1536), ("glm_moe_dsa", 2048)]
)
def test_no_rank_of_queries_is_null_and_not_a_key_that_is_left_out(kind: str, missing: int) -> None:
    """Defaults of transformers 5.24, whose indexers refuse null."""
    index = {"index_n_heads": 4, "index_head_dim": 10, "index_topk": 64} if missing == 2048 or "32" in kind else {}
    values = {**_DEEPSEEK, **index, "model_type": kind}
    left = {name: value for name, value in values.items() if name != "q_lora_rank"}
    assert sections_of(left)["DECODER"]["Q_RANK"] == missing
    if index:
        with pytest.raises(ConfigError, match="q_lora_rank: value None"):
            sections_of({**values, "q_lora_rank": None})
    else:
        assert sections_of({**values, "q_lora_rank": None})["DECODER"]["Q_RANK"] == 0


def test_experts_of_latent_decoders_have_one_number() -> None:
    """transformers writes some of them as num_local_experts; another number beside it would be read over in silence."""
    left = {name: value for name, value in _DEEPSEEK.items() if name != "n_routed_experts"}
    assert sections_of({**left, "num_local_experts": 8}) == sections_of({**_DEEPSEEK, "num_experts": 8})
    with pytest.raises(ConfigError, match="num_experts: value 16: expected 8, as n_routed_experts says"):
        sections_of({**_DEEPSEEK, "num_experts": 16})


def test_layers_that_predict_further_tokens_are_read_and_stated(tmp_path: Path) -> None:
    for name in ("num_nextn_predict_layers", "num_mtp_layers"):
        assert sections_of({**_DEEPSEEK, name: 1})["DECODER"]["MTP_LAYERS"] == 1
    (tmp_path / "config.json").write_text(json.dumps({**_DEEPSEEK, "num_nextn_predict_layers": 1}), encoding="utf-8")
    cost = oracle.score(f"hf:{tmp_path}")
    assert cost.notes == ("1 layer that predicts further tokens, not counted (DECODER.MTP_LAYERS)",)
    assert cost.params == oracle.score(f"hf:{tmp_path}", phase="decode").params
