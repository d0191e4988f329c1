"""No prediction is below the lower bound, however much of a prompt's scores a mask hides."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

import oracle
from tests.nightly import unless

_DEVICES = ("h100-sxm", "a100-sxm-80gb", "l40s", "rtx-4090", "mi300x", "t4")
_PROMPTS = ((1, 0), (17, 0), (2048, 0), (9_000, 0), (120_000, 0), (64, 30_000), (4_096, 60_000))
_NETWORKS = ("Llama-3.1-8B", "Gemma-3-1B", "gpt-oss-20b", "DeepSeek-V3", "GLM-5", "Qwen3-Next-80B-A3B")


@pytest.mark.parametrize(
    ("runtime", "name"),  # a runtime shows in one network what it changes; the kernels of a network, in one runtime
    unless(lambda case: "eager" in case or "gpt-oss-20b" in case, product(("eager", "compiled", "engine"), _NETWORKS)),
)
def test_prompts_take_no_less_than_the_bound(runtime: str, name: str) -> None:
    for prompt, past in _PROMPTS:
        if name == "Gemma-3-1B" and prompt + past > 32_768:
            continue
        cost = oracle.score(name, _DEVICES, dtype="float16", prompt=prompt, past=past, runtime=runtime)
        for device in _DEVICES:
            assert cost.latency_ms[device] >= cost.roofline_ms[device] * (1 - 1e-9), (device, prompt, past)


@pytest.mark.parametrize(("runtime", "engine"), [("eager", None), ("compiled", None), ("engine", "onnxruntime")])
def test_prompts_on_a_processor_take_no_less_than_the_bound(runtime: str, engine: str | None) -> None:
    for name, prompt in (("Gemma-3-1B", 9000), ("GPT-2", 1024), ("GPT-2", 1)):
        cost = oracle.score(
            name, ["i9-10940x", "epyc-7742"], dtype="float32", prompt=prompt, runtime=runtime, engine=engine
        )
        assert all(cost.latency_ms[device] >= cost.roofline_ms[device] for device in cost.latency_ms)


def test_how_masked_scores_are_counted_decides_no_time() -> None:
    words: dict[str, Any] = {"prompt": 9000, "runtime": "compiled", "dtype": "float16"}
    for name in ("Llama-3.1-8B", "gpt-oss-20b"):
        full, half = (oracle.score(name, _DEVICES, causal=causal, **words) for causal in ("full", "half"))
        assert full.latency_ms == half.latency_ms
        assert full.roofline_ms == half.roofline_ms
        assert (full.macs or 0) > (half.macs or 0)
        assert full.executed_flops == half.executed_flops == half.flops
        many = oracle.score_many([name] * 2, _DEVICES, causal="full", **words)
        assert many.executed_flops.tolist() == [full.executed_flops] * 2
        assert many.flops is not None
        assert many.flops.tolist() == [full.flops] * 2


def test_the_bound_of_a_long_prompt_by_hand() -> None:
    """Llama-3.1-8B, 120,000 tokens: products at 989.4 TFLOP/s, and of 120,000 x 120,000 scores those under the mask."""
    cost = oracle.score("Llama-3.1-8B", ["h100-sxm"], prompt=120_000)
    layers, tokens, heads = 32, 120_000, 32
    products = layers * tokens * (4096 * (32 + 16) * 128 + 4096 * 4096 + 3 * 4096 * 14336) + 4096 * 128256
    scores = layers * heads * tokens * (tokens + 1) // 2 * 2 * 128
    least_ms = 2 * (products + scores) / oracle.load_device("h100-sxm").peak_flops("matrix", "bfloat16") * 1e3
    assert least_ms <= cost.roofline_ms["h100-sxm"] <= 1.06 * least_ms
    assert cost.macs == products + layers * heads * tokens * tokens * 2 * 128


def test_a_window_is_timed_as_one() -> None:
    """Of 100,000 queries those that have room see 4,096 or 8,192 keys; without a window they see 50,000 on average."""
    seconds = []
    for window in (4096, 8192, 0):
        cfg = oracle.load_cfg("Llama-3.1-8B", ["DECODER.WINDOWS", [window] if window else [], "DECODER.LAYERS", 1])
        kernels = oracle.score(cfg, ["h100-sxm"], prompt=100_000).kernels("h100-sxm")
        seconds.append(sum(kernel.time_ms for kernel in kernels if kernel.op_class == "attention"))
    seen = [window - window**2 / 200_000 for window in (4096, 8192, 100_000)]
    assert seconds[1] / seconds[0] == pytest.approx(seen[1] / seen[0], rel=0.1)
    assert seconds[2] / seconds[1] == pytest.approx(seen[2] / seen[1], rel=0.1)


def test_training_computes_no_masked_scores_either() -> None:
    full, half = (
        oracle.score("GPT-2", _DEVICES, phase="training", prompt=1024, dtype="float16", causal=causal)
        for causal in ("full", "half")
    )
    assert full.latency_ms == half.latency_ms
    assert all(full.latency_ms[device] >= full.roofline_ms[device] for device in _DEVICES)
    unseen = 1024 * 1024 - 1024 * 1025 // 2
    assert (full.macs or 0) - (half.macs or 0) == 12 * 12 * unseen * 64 * (2 + 5)
