"""Decoders: counts of transformers, equality of closed form and whole trace, what no decoder is."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.config import CfgNode, cfg_from_dict, load_cfg
from oracle.config.huggingface import sections_of
from oracle.counting.networks import count_net
from oracle.errors import ConfigError, WorkloadError
from oracle.families import to_spec
from oracle.families.caches import cache_bytes, cache_bytes_of_many
from oracle.families.decoder import Call
from oracle.families.population import Population
from oracle.query.resolving import resolve
from oracle.spec import CellSpec

_TRUTHS: dict[str, Any] = json.loads((Path(__file__).parent / "truths" / "decoders.json").read_text(encoding="utf-8"))
_SHIPPED = [name for name in _TRUTHS if name in oracle.list_networks()]
_SMALL = ["DECODER.VOCAB", 320, "DECODER.LAYERS", 2]
_LATENT = ("DeepSeek-V2-Lite", "DeepSeek-V3")
_LINEAR = "Qwen3-Next-80B-A3B"
_SHAPES = ("Llama-3.2-1B", "Qwen3-30B-A3B", "Gemma-3-1B", "Phi-2", "gpt-oss-20b", "GPT-2", *_LATENT, _LINEAR, "GLM-5")


def _small(name: str) -> list[Any]:
    """Two layers, one of each kind."""
    if name == _LINEAR:
        return [*_SMALL, "DECODER.MIXERS", ["linear", "full"]]
    if name == "GLM-5":
        return [*_SMALL, "DECODER.DENSE_LAYERS", 1, "DECODER.INDEX_TOPK", 64]
    return [*_SMALL, "DECODER.DENSE_LAYERS", 1] if name in _LATENT else _SMALL


def _call(text: str) -> dict[str, Any]:
    """`2x1+100`: two sequences, one token of each, after a hundred."""
    batch, _, rest = text.partition("x")
    tokens, _, past = rest.partition("+")
    words: dict[str, Any] = {"batch_size": int(batch), "past": int(past)}
    return words | ({"phase": "decode"} if int(past) else {"phase": "prefill", "prompt": int(tokens)})


@pytest.mark.parametrize("name", _TRUTHS)
def test_parameters_and_macs_are_those_of_transformers(name: str) -> None:
    """Of its own modules under FlopCounterMode: `python tests/benchmarks/decoders.py`.

    That has no formula for products of experts: three matrices of each expert that a token chose. What else runs in
    another form here: `_absorbed`, `_linear`.
    """
    cfg = load_cfg(name) if name in _SHIPPED else cfg_from_dict(sections_of(_TRUTHS[name]["config"]))
    section = cfg.DECODER
    width, mixed = section.EXPERT_FF or section.FF, section.LAYERS - section.DENSE_LAYERS
    each = 3 * section.EXPERTS_PER_TOKEN * section.WIDTH * width * mixed if section.EXPERTS else 0
    for call, macs in _TRUTHS[name]["macs"].items():
        batch, tokens, past = (int(part) for part in call.replace("+", "x").split("x"))
        cost = oracle.score(cfg, **_call(call))
        more = section.LAYERS * _absorbed(section, tokens, past) if section.KV_RANK else 0
        more += section.MIXERS.count("linear") * section.LAYERS // 4 * _linear(section, tokens, past)
        expected = _TRUTHS[name]["params"], macs + batch * (tokens * each + more), ()
        assert (cost.params, cost.macs, cost.unknown) == expected, call


def _absorbed(section: Any, tokens: int, past: int) -> int:
    """What latent attention has more than transformers', which expands, looks at all keys and scores all, always.

    An absorbed call makes no keys and values of tokens before it anew, and sees those that an indexer chose; another
    makes no scores to choose by.
    """
    rank, plain, most, seen = section.KV_RANK, section.NOPE_DIM + section.V_DIM, section.INDEX_TOPK, past + tokens
    if past or 0 < most < seen:
        keys = min(seen, most or seen)
        ours, theirs = keys * (2 * rank + section.ROPE_DIM), seen * (plain + section.ROPE_DIM)
        return int(section.HEADS * (tokens * (ours - theirs) - past * rank * plain))
    heads, width = section.INDEX_HEADS, section.INDEX_DIM
    return -int(tokens * (section.Q_RANK * heads * width + section.WIDTH * heads + seen * heads * (width + 1)))


def _linear(section: Any, tokens: int, past: int) -> int:
    """What the gated delta rule has more in a layer than FlopCounterMode sees in transformers' module.

    It has no formula for triangular systems of chunks of 64, nor for sums of products, as which a token alone reads and
    writes its state; and it counts the convolution over padding on both sides, one position of it in a step.
    """
    keys, values = section.LINEAR_KEY_DIM, section.LINEAR_VALUE_DIM
    unseen = 3 * keys * values if past else -(-tokens // 64) * 64 * 63 // 2 * (keys + values)
    channels = 2 * section.LINEAR_KEY_HEADS * keys + section.LINEAR_HEADS * values
    padding = channels * section.LINEAR_KERNEL * (1 if past else section.LINEAR_KERNEL - 1)
    return int(section.LINEAR_HEADS * unseen - padding)


@pytest.mark.parametrize("name", _SHIPPED)
def test_shipped_networks_are_what_their_config_json_says(name: str) -> None:
    values = sections_of(_TRUTHS[name]["config"])
    assert to_spec(cfg_from_dict({"MODEL": values["MODEL"], "DECODER": values["DECODER"]})) == to_spec(load_cfg(name))


def _counts(cfg: CfgNode, **words: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What closed forms say, and what a trace of the whole module does."""
    net, workload, _ = resolve(cfg, **words)
    cost, whole = oracle.score(cfg, **words), count_net(net, workload)
    ours = cost.macs, cost.executed_flops, cost.traffic_bytes, cost.params, cost.peak_memory_bytes, cost.activations
    kernels = whole.kernels
    theirs = (
        sum(kernel.macs for kernel in kernels),
        sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels),
        sum(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        whole.params,
        whole.memory.peak_bytes,
        whole.activations,
    )
    return (*ours, len(cost.kernels())), (*theirs, len(kernels))


@pytest.mark.parametrize("runtime", ["eager", "compiled", "engine"])
@pytest.mark.parametrize("name", _SHAPES)
def test_closed_forms_are_the_trace_of_the_whole_module(name: str, runtime: str) -> None:
    cfg = load_cfg(name, _small(name))
    for words in (
        {"phase": "prefill", "prompt": 40, "batch_size": 1},
        {"phase": "prefill", "prompt": 20, "past": 50, "batch_size": 2},
        {"phase": "decode", "past": 100, "batch_size": 3},
        {"phase": "decode", "past": 30, "batch_size": 1, "kv_dtype": "float8"},
    ):
        ours, theirs = _counts(cfg, runtime=runtime, **words)
        assert ours == theirs, words


@pytest.mark.parametrize("weights", ["int8", "int4", "float8"])
@pytest.mark.parametrize("name", ["Llama-3.2-1B", "Mixtral-8x7B", "gpt-oss-20b", *_LATENT, _LINEAR, "GLM-5"])
def test_quantised_weights_are_those_of_a_trace(name: str, weights: str) -> None:
    words = {"phase": "decode", "past": 100, "batch_size": 3, "runtime": "engine", "weights": weights}
    ours, theirs = _counts(load_cfg(name, _small(name)), **words)
    assert ours == theirs


@pytest.mark.parametrize("name", ["Mixtral-8x7B", "gpt-oss-20b", *_LATENT])
def test_experts_in_mxfp4_are_those_of_a_trace(name: str) -> None:
    words = {"phase": "decode", "past": 100, "batch_size": 3, "runtime": "engine", "weights": "float4"}
    ours, theirs = _counts(load_cfg(name, _small(name)), **words)
    assert ours == theirs


def test_weights_in_mxfp4_are_the_published_file() -> None:
    """Blocks of 16 bytes and a scale for 32 weights of the experts, all else in bfloat16: 13.76 GB, as is published."""
    cost = oracle.score("gpt-oss-20b", phase="decode", past=100, runtime="engine", weights="float4")
    matrices = 24 * 32 * (2880 * 5760 + 2880 * 2880)
    assert cost.flash_bytes == matrices // 2 + matrices // 32 + 2 * (cost.params - matrices)
    assert round(cost.flash_bytes / 1e9, 2) == 13.76
    up = next(kernel for kernel in cost.kernels() if kernel.name == "oracle.experts")
    assert up.weight_bytes == 4 * (2880 * 5760 * 17 // 32 + 2 * 5760)  # four experts, and their biases


def test_what_weights_alone_leave_is_in_half_precision() -> None:
    """By hand: a table of embeddings in bfloat16, that of the scores, which it shares, in a byte beside it."""
    words = {"phase": "decode", "past": 100, "runtime": "engine"}
    whole, cost = (oracle.score("Llama-3.2-1B", weights=weights, **words) for weights in ("bfloat16", "int8"))
    vocab, width, layers, heads, ff = 128256, 2048, 16, (32 + 2 * 8) * 64, 8192
    outputs = vocab + layers * (heads + width + 2 * ff + width)  # a scale each
    products = vocab * width + layers * (width * (heads + width) + 3 * width * ff)
    norms = (2 * layers + 1) * width
    assert whole.flash_bytes == 2 * (products + norms)
    assert cost.flash_bytes == products + 2 * outputs + 2 * (vocab * width + norms)


def test_networks_without_experts_are_not_in_mxfp4() -> None:
    words: Any = {"runtime": "engine", "weights": "float4"}
    spaces = Population.of([to_spec(load_cfg("GPT-2"))])
    for ask in (
        lambda: oracle.score("Llama-3.2-1B", **words),
        lambda: oracle.score_many(["gpt-oss-20b", "GPT-2"], **words),
        lambda: oracle.score_many(spaces, **words),
    ):
        with pytest.raises(WorkloadError, match=r"weights='float4': .* experts, which alone are stored so"):
            ask()


def test_a_clamped_gate_is_that_of_gpt_oss() -> None:
    """What transformers' GptOssExperts computes of a gate and an up projection."""
    torch = pytest.importorskip("torch")
    from oracle.cells.decoder import Mlp

    mlp = Mlp(4, 3, "silu_clamped", True, False, "rms", False, 1e-5, False).to_empty(device="cpu")
    torch.nn.init.normal_(mlp.up.weight, std=8.0)
    torch.nn.init.normal_(mlp.down.weight)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    gate, up = (x @ mlp.up.weight.T).split(3, dim=-1)
    gate, up = gate.clamp(max=7.0), up.clamp(min=-7.0, max=7.0)
    expected = ((up + 1) * gate * torch.sigmoid(1.702 * gate)) @ mlp.down.weight.T
    assert torch.allclose(mlp.transformed(x), expected, rtol=1e-5, atol=1e-4)
    with pytest.raises(ConfigError, match=r"activation='silu_clamped': expected one of gelu, gelu_tanh, relu, silu$"):
        Mlp(4, 3, "silu_clamped", False, False, "rms", False, 1e-5)


@pytest.mark.parametrize("name", ["Llama-3.2-1B", "Mistral-7B-v0.1", *_LATENT, _LINEAR])
def test_a_training_step_is_that_of_a_trace(name: str) -> None:
    ours, theirs = _counts(load_cfg(name, _small(name)), phase="training", prompt=24, batch_size=2)
    assert ours == theirs


@pytest.mark.parametrize("windows", [[4], [4, 0]])
def test_windows_in_training_by_hand(windows: list[int]) -> None:
    """Ten tokens, of which each sees four: 1 + 2 + 3 + 7 * 4 = 34 scores of a head in place of 55, and of 100."""
    section = ["WIDTH", 64, "HEADS", 4, "KV_HEADS", 2, "HEAD_DIM", 16, "FF", 48, "VOCAB", 96, "LAYERS", 2]
    pairs = [f"DECODER.{item}" if isinstance(item, str) else item for item in section]
    cfg = load_cfg("Gemma-3-1B", [*pairs, "DECODER.WINDOWS", windows])
    words: dict[str, Any] = {"phase": "training", "prompt": 10, "batch_size": 2}
    for causal in ("full", "half"):
        ours, theirs = _counts(cfg, causal=causal, **words)
        assert ours == theirs
    heads = 2 * 4
    seen = [34 if window else 55 for window in (windows * 2)[:2]]
    half = [kernel for kernel in oracle.score(cfg, causal="half", **words).kernels() if kernel.op_class == "attention"]
    assert [kernel.macs for kernel in half] == [
        *(heads * scores * 2 * 16 for scores in seen),
        *(
            heads * scores * 5 * 16 for scores in reversed(seen)
        ),  # again, and gradients of values, scores, queries, keys
    ]
    full = [kernel for kernel in oracle.score(cfg, **words).kernels() if kernel.op_class == "attention"]
    assert [kernel.macs for kernel in full] == [heads * 100 * each * 16 for each in (2, 2, 5, 5)]
    assert [kernel.flops for kernel in full] == [kernel.flops for kernel in half]  # what runs
    assert [kernel.traffic_bytes for kernel in full] == [kernel.traffic_bytes for kernel in half]


def test_a_decode_step_by_hand() -> None:
    """Llama 3.1 8B, 16 sequences after 4,096 tokens: weights but the embedding, and all keys and values, move once."""
    cost = oracle.score("Llama-3.1-8B", phase="decode", past=4096, batch_size=16)
    params, vocab, width, layers = cost.params or 0, 128256, 4096, 32
    per_token = layers * 2 * 8 * 128 * 2
    weights = sum(kernel.weight_bytes for kernel in cost.kernels())
    assert weights == 2 * (params - vocab * width) + 2 * 16 * width  # and a row of the embedding per sequence
    assert cost.kv_bytes_per_token == per_token
    assert cost.kv_cache_bytes == 16 * 4112 * per_token  # pages of 16 tokens
    read = sum(kernel.traffic_bytes for kernel in cost.kernels() if kernel.op_class == "attention")
    assert read == 16 * (4097 * per_token + layers * 2 * 2 * 4096)  # queries in, values out
    assert cost.flash_bytes + cost.kv_cache_bytes < cost.peak_memory_bytes < 1.01 * (cost.flash_bytes + 2**33 + 2**27)


_LENGTHS = [1, 2, 3, 16, 17, 63, 64, 65, 128, 129, 500, 511, 512, 513, 767, 1024, 2000, 4096]


@pytest.mark.parametrize(
    "words",
    [
        {"runtime": "eager"},
        {"runtime": "compiled", "kv_dtype": "float8"},
        {"runtime": "engine", "weights": "int8"},
        {"runtime": "engine", "dtype": "float8"},
        {"runtime": "engine", "engine": "tensorrt"},
    ],
    ids=lambda words: " ".join(map(str, words.values())),
)
def test_more_work_never_takes_less_time(words: dict[str, Any]) -> None:
    """Tokens before a call, tokens of a prompt and sequences, in layers with windows of 512 and without."""
    devices = ["h100-sxm", "l40s", "rtx-4090"]
    grown: dict[str, list[dict[str, Any]]] = {
        "past": [{"phase": "decode", "past": length} for length in _LENGTHS],
        "prompt": [{"phase": "prefill", "prompt": length, "past": 300} for length in _LENGTHS],
        "batch": [{"phase": "decode", "past": 700, "batch_size": size} for size in (1, 2, 3, 8, 15, 16, 17, 64, 100)],
    }
    for name, calls in grown.items():
        costs = [oracle.score("Gemma-3-1B", devices, **words, **call) for call in calls]
        for device in devices:
            times = [cost.latency_ms[device] for cost in costs]
            assert all(after >= before * (1 - 1e-12) for before, after in pairwise(times)), (name, device)


def test_states_of_linear_attention_by_hand() -> None:
    """Qwen3-Next: 36 layers keep 32 matrices of 128 x 128 in float32 and three tokens of 8,192 channels, 12 a cache."""
    state, convolution = 36 * 32 * 128 * 128 * 4, 36 * 8192 * 3 * 2
    for past in (1008, 16_368):
        cost = oracle.score(_LINEAR, phase="decode", past=past, batch_size=4)
        assert cost.kv_bytes_per_token == 12 * 2 * 2 * 256 * 2
        assert cost.kv_cache_bytes == 4 * (state + convolution + (past + 16) * cost.kv_bytes_per_token)
        rules, convolutions = (
            [kernel for kernel in cost.kernels() if kernel.name == f"oracle.{name}"]
            for name in ("delta_rule", "causal_conv")
        )
        gates = 36 * (4 * 64 + 64) * 2  # made from each token's, and two numbers of each head
        tokens = 36 * 4 * (8192 + 4096) * 2
        assert sum(kernel.traffic_bytes for kernel in rules) == 2 * 4 * state + tokens + gates
        assert sum(kernel.macs for kernel in rules) == 36 * 4 * 32 * 3 * 128 * 128
        weights = 36 * 8192 * 4 * 2
        assert (
            sum(kernel.traffic_bytes for kernel in convolutions)
            == 2 * 4 * convolution + 36 * 4 * 2 * 8192 * 2 + weights
        )


@pytest.mark.parametrize("dtype", ["float8", "int8"])
def test_states_of_linear_attention_stay_in_float32_whatever_is_quantised(dtype: str) -> None:
    """The matrices alone: tokens of the convolution are activations, in a byte as all of these are.

    transformers' `torch_recurrent_gated_delta_rule` returns states in float32 for queries in bfloat16, and its cache
    holds the convolution's tokens in bfloat16 (5.24.0).
    """
    words = {"phase": "decode", "past": 1008, "batch_size": 4, "dtype": dtype, "runtime": "engine"}
    state, convolution = 36 * 32 * 128 * 128 * 4, 36 * 8192 * 3
    cost = oracle.score(_LINEAR, **words)
    assert cost.kv_bytes_per_token == 12 * 2 * 2 * 256
    assert cost.kv_cache_bytes == 4 * (state + convolution + 1024 * cost.kv_bytes_per_token)
    rules = [kernel for kernel in cost.kernels() if kernel.name == "oracle.delta_rule"]
    gates, tokens = 36 * (4 * 64 + 64), 36 * 4 * (8192 + 4096)
    moved = sum(kernel.traffic_bytes for kernel in rules)
    assert 2 * 4 * state + tokens + gates <= moved <= 2 * 4 * state + tokens + 4 * gates  # vectors stay in float32
    assert {kernel.dtype for kernel in rules} == {dtype}
    half = oracle.score(_LINEAR, **{**words, "dtype": "bfloat16"})
    assert half.kv_cache_bytes - cost.kv_cache_bytes == 4 * (convolution + 1024 * cost.kv_bytes_per_token)
    for weights in ("float8", "int4"):
        narrow = oracle.score(_LINEAR, **{**words, "dtype": "bfloat16", "weights": weights})
        assert narrow.kv_cache_bytes == half.kv_cache_bytes
    ours, theirs = _counts(load_cfg(_LINEAR, _small(_LINEAR)), **words)
    assert ours == theirs


def test_weights_of_an_indexer_are_there_in_calls_that_score_nothing() -> None:
    """GLM-5: 78 layers with queries of 32 heads of 128 from a latent of 2,048, and 32 weights of a token of 6,144."""
    words = {"phase": "prefill", "dtype": "bfloat16", "runtime": "engine"}
    every, chosen = (oracle.score("GLM-5", prompt=prompt, **words) for prompt in (2048, 2049))
    assert every.flash_bytes == chosen.flash_bytes
    assert every.params == chosen.params
    moved = [sum(kernel.weight_bytes for kernel in cost.kernels()) for cost in (every, chosen)]
    assert moved[1] - moved[0] == 2 * 78 * (2048 * 32 * 128 + 6144 * 32) + 2 * 6144  # one more row of the embedding


def test_a_chunked_prompt_by_hand() -> None:
    """130 tokens are three chunks of 64: products of 64 x 64 pairs, systems, and three with a state of 128 x 128."""
    cost = oracle.score(_LINEAR, phase="prefill", prompt=130)
    rules = [kernel for kernel in cost.kernels() if kernel.name == "oracle.delta_rule"]
    chunk = 64 * 64 * (128 + 128 + 128) + 64 * 63 // 2 * (128 + 128) + 3 * 64 * 128 * 128
    assert [kernel.macs for kernel in rules] == [3 * 32 * chunk] * 36


def test_sparse_attention_reads_what_is_chosen_by_hand() -> None:
    """GLM-5, two sequences after 9,999 tokens: keys of the indexer are read whole, latents of 2,048 tokens."""
    cost = oracle.score("GLM-5", phase="decode", past=9999, batch_size=2)
    assert cost.kv_bytes_per_token == 78 * (512 + 64 + 128) * 2
    by_name = {kernel.name: kernel for kernel in cost.kernels()}
    queries, ids = 2 * 64 * (512 + 512 + 64) * 2, 2 * 2048 * 4
    assert by_name["oracle.sparse_attention"].traffic_bytes == 2 * 2048 * 576 * 2 + queries + ids
    assert by_name["oracle.sparse_attention"].macs == 2 * 64 * 2048 * (512 + 512 + 64)
    assert by_name["oracle.index_scores"].macs == 2 * 32 * 10_000 * 129
    weights, scores = 2 * 32 * 2, 2 * 10_000 * 4
    assert by_name["oracle.index_scores"].traffic_bytes == 2 * 10_000 * 128 * 2 + 2 * 32 * 128 * 2 + weights + scores


@pytest.mark.parametrize(("batch", "experts"), [(1, 2), (2, 4), (4, 5), (64, 8)])
def test_experts_that_no_token_reaches_stay_where_they_are(batch: int, experts: int) -> None:
    cost = oracle.score("Mixtral-8x7B", phase="decode", past=100, batch_size=batch)
    up = next(kernel for kernel in cost.kernels() if kernel.name == "oracle.experts")
    assert up.weight_bytes == experts * 4096 * 2 * 14336 * 2


def test_a_window_bounds_what_is_read_and_kept() -> None:
    narrow, wide = (oracle.score("Mistral-7B-v0.1", phase="decode", past=past) for past in (4095, 20_000))
    assert narrow.traffic_bytes == wide.traffic_bytes
    assert narrow.kv_cache_bytes == wide.kv_cache_bytes == 32 * 2 * 8 * 128 * 2 * 4096
    assert Call("decode", 1, 100, 16, False, True).seen(32) == (31, 32)


def test_causal_attention_counts_in_half_from_the_last_key_on() -> None:
    """Tokens of a prompt that follow others see all of these, and a window no more than its length."""
    for name, past, prompt, seen in (
        ("Llama-3.1-8B", 0, 8, 36),
        ("Llama-3.1-8B", 10, 4, 50),
        ("Gemma-3-1B", 0, 1000, None),
    ):
        full, half = (
            oracle.score(name, phase="prefill", past=past, prompt=prompt, causal=causal) for causal in ("full", "half")
        )
        gone = (full.macs or 0) - (half.macs or 0)
        if seen is not None:
            assert gone == 32 * 32 * 2 * 128 * (prompt * (past + prompt) - seen)
        else:
            windowed = sum(min(i + 1, 512) for i in range(prompt))
            kept = 22 * windowed + 4 * prompt * (prompt + 1) // 2
            assert gone == 4 * 2 * 256 * (26 * prompt**2 - kept)


def test_layers_may_lack_a_half() -> None:
    cfg = load_cfg(
        "Llama-3.2-1B",
        ["DECODER.LAYERS", 3, "DECODER.LAYER_HEADS", [32, 0, 16], "DECODER.LAYER_FF", [0, 4096, 8192]],
    )
    cells = to_spec(cfg).cells
    assert [cell.kind for cell in cells[1:-1]] == ["decoder_attention", "decoder_mlp", "decoder_layer"]
    ours, theirs = _counts(cfg, phase="decode", past=64)
    assert ours == theirs
    both_gone = load_cfg("Llama-3.2-1B", ["DECODER.LAYERS", 1, "DECODER.LAYER_HEADS", [0], "DECODER.LAYER_FF", [0]])
    assert len(to_spec(both_gone).cells) == 2


def test_caches_of_many_are_those_of_each() -> None:
    specs = [to_spec(load_cfg("Gemma-3-1B", ["COST.PHASE", "decode", "DECODER.LAYERS", n])) for n in (1, 7, 20)]
    workload = oracle.Workload(batch_size=3, dtype="bfloat16", weights="bfloat16")
    found = cache_bytes_of_many(Population.of(specs), workload)
    assert found.tolist() == [cache_bytes(net, workload) for net in specs]


def test_scores_of_the_last_token_or_of_all() -> None:
    last, every = (oracle.score("GPT-2", prompt=64, logits=logits) for logits in ("last", "all"))
    assert (every.macs or 0) - (last.macs or 0) == 63 * 768 * 50257


def test_words_of_a_call_are_of_decoders_only() -> None:
    with pytest.raises(WorkloadError, match="past=4: only decoders have phases"):
        oracle.score("ResNet-50", past=4)
    with pytest.raises(WorkloadError, match=r"phase='decode': .* is of one call already"):
        oracle.score(to_spec(load_cfg("GPT-2")), phase="decode")
    with pytest.raises(WorkloadError, match="expected one of mode='training'"):
        oracle.score("GPT-2", phase="decode", mode="training")
    with pytest.raises(ConfigError, match=r"COST\.PHASE"):
        oracle.score("GPT-2", phase="decoding")


_INDEXED = {"INDEX_TOPK": 8, "KV_RANK": 16, "NOPE_DIM": 8, "ROPE_DIM": 4, "V_DIM": 8}
_HEADS = {
    "MIXERS": ["linear"], "LINEAR_HEADS": 6, "LINEAR_KEY_HEADS": 3, "LINEAR_KEY_DIM": 8, "LINEAR_VALUE_DIM": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"HEADS": 5}, "DECODER.HEADS"),
        ({"KV_HEADS": 5}, "DECODER.KV_HEADS"),
        ({"WINDOWS": [2**30]}, "DECODER.WINDOWS"),
        ({"POSITIONS": 100}, "COST.PROMPT"),
        ({"CONTEXT": 100}, "COST.PROMPT"),
        ({"EXPERTS": 4, "EXPERTS_PER_TOKEN": 5}, "DECODER.EXPERTS_PER_TOKEN"),
        ({"EXPERTS": 4, "GATED": False}, "DECODER.EXPERTS"),
        ({"EXPERTS": 4, "SHARED_GATE": True}, "DECODER.SHARED_GATE"),
        ({"LAYER_FF": [4]}, "DECODER.LAYER_FF"),
        ({"LAYER_HEADS": [7] * 12, "KV_HEADS": 2}, "DECODER.KV_HEADS"),
        ({"TIED": True, "HEAD_BIAS": True}, "DECODER.HEAD_BIAS"),
        ({"PARALLEL": "one", "LAYER_FF": [0] * 12}, "DECODER.PARALLEL"),
        ({"PARALLEL": "one", "SINKS": True}, "DECODER.SINKS"),
        ({"ROTARY": 1.5}, "DECODER.ROTARY"),
        ({"ACTIVATION": "silu_clamped", "GATED": False}, "DECODER.GATED"),
        ({"MIXERS": ["lineal"]}, "DECODER.MIXERS"),
        ({"MIXERS": ["linear"]}, "DECODER.LINEAR_HEADS"),
        ({**_HEADS, "LINEAR_KEY_HEADS": 4}, "DECODER.LINEAR_KEY_HEADS"),
        ({**_HEADS, "LINEAR_HEADS": 2**19}, "DECODER.LINEAR_HEADS"),
        ({**_HEADS, "LINEAR_KERNEL": 1}, "DECODER.LINEAR_KERNEL"),
        ({**_HEADS, "WINDOWS": [8]}, "DECODER.WINDOWS"),
        ({"OUT_GATE": True, "SINKS": True}, "DECODER.SINKS"),
        ({"OUT_GATE": True, "PARALLEL": "one"}, "DECODER.OUT_GATE"),
        ({"INDEX_TOPK": 8, "INDEX_DIM": 4, "INDEX_HEADS": 2}, "DECODER.INDEX_TOPK"),
        ({**_INDEXED, "INDEX_DIM": 4}, "DECODER.INDEX_HEADS"),
        ({**_INDEXED, "INDEX_DIM": 2**19, "INDEX_HEADS": 4}, "DECODER.INDEX_HEADS"),
    ],
)
def test_what_no_decoder_is_names_its_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as found:
        to_spec(cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": keys}))
    assert found.value.key == key


def test_cells_of_one_layer_are_one() -> None:
    kinds = {cell.kind for cell in to_spec(load_cfg("Qwen3-30B-A3B")).cells}
    assert kinds == {"decoder_embedding", "decoder_expert_layer", "decoder_head"}
    assert isinstance(to_spec(load_cfg("GPT-2")).cells[0], CellSpec)


def test_a_past_beyond_what_the_network_takes_is_named() -> None:
    cfg = load_cfg("Llama-3.1-8B", ["COST.PHASE", "decode", "COST.PAST", 200_000])
    with pytest.raises(ConfigError, match=r"COST.PAST: value 200000: expected at most 131071"):
        to_spec(cfg)
