"""Latencies of served decoders: identities of queues, order, and errors."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import oracle
from oracle.config import CfgNode
from oracle.errors import ConfigError, DeviceError, WorkloadError
from oracle.serving import serve_latency
from oracle.serving.engines import ENGINES, engine_named
from oracle.serving.latency import Mix, Seconds, Steps, latencies
from oracle.serving.steps import Work

SMALL = {"VOCAB": 4096, "LAYERS": 8, "WIDTH": 512, "HEADS": 8, "KV_HEADS": 2, "FF": 2048}


def small(**section: Any) -> CfgNode:
    cost = {"NAME": "small"}
    return oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": {**SMALL, **section}, "COST": cost})


def served(**words: Any) -> Any:
    return serve_latency(small(), **{"device": "h100-sxm", "input_tokens": 512, "output_tokens": 128, **words})


@pytest.mark.parametrize("engine", ENGINES)
def test_more_requests_in_flight_are_slower_for_each_and_faster_for_all(engine: str) -> None:
    points = served(concurrency=[1, 8, 64], engine=engine).points
    for name, order in (("ttft_ms", 1), ("tpot_ms", 1), ("tokens_per_s", 1), ("tokens_per_s_per_user", -1)):
        values = [getattr(point, name) for point in points]
        assert values == sorted(values)[::order]
    assert points[0].tpot_ms == pytest.approx(points[0].decode_ms)  # nobody else's prompts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("network", "words", "around"),
    [
        ("gpt-oss-20b", {"input_tokens": 2, "output_tokens": 10, "tp": 2}, 256),  # 25 prompts to a step
        ("gpt-oss-20b", {"input_tokens": 2, "output_tokens": 10, "dp": 2}, 256),
        ("gpt-oss-20b", {"input_tokens": 2, "output_tokens": 10, "pp": 2}, 256),
        ("Llama-3.1-8B", {"input_tokens": 1, "output_tokens": 1, "tp": 2}, 512),  # a prompt for each that decodes
        ("Llama-3.2-1B", {"input_tokens": 5000, "output_tokens": 50, "tp": 2}, 512),  # more than a step holds
    ],
)
def test_one_more_request_never_makes_tokens_come_faster(
    network: str, words: dict[str, int], around: int, engine: str
) -> None:
    """At products of as many rows as a tile has, or one more."""
    points = serve_latency(
        network, "h100-sxm", engine=engine, concurrency=range(around - 4, around + 5), **words
    ).points
    times = [point.tpot_ms for point in points]
    assert all(more >= less * (1 - 1e-9) for less, more in itertools.pairwise(times))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("network", ["Llama-3.2-1B", "gpt-oss-20b"])
def test_longer_prompts_never_make_tokens_come_faster(network: str, engine: str) -> None:
    """Of one token more than one or two steps hold, too; a whole step more costs as much as a step, and attention."""
    words: dict[str, Any] = {"engine": engine, "output_tokens": 64, "concurrency": [1, 16]}
    found = [
        serve_latency(network, "h100-sxm", input_tokens=count, **words) for count in (1, 2, 8192, 8193, 16384, 16385)
    ]
    for name in ("ttft_ms", "tpot_ms", "prefill_ms"):
        for at in (0, 1):
            times = [getattr(each.points[at], name) for each in found]
            assert times == sorted(times)
            assert times[3] < 1.01 * times[2]
    one, two = (found[at].points[0].prefill_ms for at in (2, 4))
    assert 2 * one < two < 3 * one


def test_a_step_takes_as_many_prompts_as_it_meets() -> None:
    """24 of 25 running make a token of ten: 2.4 prompts to a step, of which at most three can be in it."""
    work = Work(None, ())  # type: ignore[arg-type]
    steps = Steps(25, work, work, work, work, work, pieces=1, beside=2, together=3)
    seconds = Seconds(decode=10.0, mixed=14.0, fuller=19.0, prompt=4.0, packed=9.0)
    engine = replace(engine_named("vllm"), overlaps=False, mixes=True, step_s=0.0, sequence_s=0.0, burst=0.0)
    tpot_s, _, _ = latencies(engine, Mix(8, 10, 25), steps, seconds, in_step=1.0)
    assert tpot_s == pytest.approx(10.0 + 4.0 + 0.4 * 5.0)
    full = steps._replace(beside=3)
    tpot_s, _, _ = latencies(engine, Mix(8, 5, 25), full, seconds._replace(mixed=19.0), in_step=1.0)
    assert tpot_s == pytest.approx(10.0 + 9.0 + (4.8 - 3.0) * 9.0 / 3.0)  # the rest is read in steps of its own


def test_throughput_follows_littles_law() -> None:
    (point,) = served(concurrency=16).points
    request_s = (point.ttft_ms + 127 * point.tpot_ms) / 1e3
    assert point.tokens_per_s == pytest.approx(16 * 128 / request_s)
    assert point.tokens_per_s_per_user == pytest.approx(1e3 / point.tpot_ms)


def test_requests_wait_for_room_in_the_cache() -> None:
    many = served(concurrency=[2**15, 2**16], input_tokens=4096).points
    assert many[0].running == many[1].running < 2**15
    assert many[0].tpot_ms == many[1].tpot_ms
    assert many[1].ttft_ms > 1.9 * many[0].ttft_ms


def test_a_share_of_the_memory_is_of_all_or_of_what_weights_leave() -> None:
    """Of 64 and 128 requests on one H200 TensorRT-LLM ran 48 and 50, as their waiting says (aiconfigurator's rows)."""
    words: dict[str, Any] = {"input_tokens": 1024, "output_tokens": 8192, "weights": "float8", "kv": "float8"}
    free, whole = (serve_latency("Llama-3.1-70B", "h200", engine=name, **words) for name in ("tensorrt-llm", "vllm"))
    assert 45 <= free.capacity <= 50
    per_request = whole.kv_bytes_per_token * (1024 + 8192 / 2)  # vLLM keeps no room for what is not yet there
    assert whole.capacity * per_request < 0.9 * 141 * 2**30 - whole.weight_bytes
    assert free.capacity * free.kv_bytes_per_token * 9216 > 0.9 * 141 * 2**30 - free.weight_bytes


def test_requests_of_equal_lengths_meet_the_prompts_of_others() -> None:
    drawn, equal = (served(concurrency=32, in_step=share).points[0] for share in (0.0, 1.0))
    assert equal.ttft_ms > drawn.ttft_ms + drawn.prefill_ms
    assert equal.tpot_ms == drawn.tpot_ms  # vLLM mixes


@pytest.mark.parametrize("name", ENGINES)
def test_a_load_of_which_nobody_says_the_lengths_is_between_both(name: str) -> None:
    """Each figure is that of the engine's share for it; of errors, too, those of such questions are stated."""
    engine = engine_named(name)
    words: dict[str, Any] = {"engine": name, "concurrency": 32, "output_tokens": 16}
    unsaid = served(**words)
    of_tpot, of_ttft = (served(in_step=share, **words) for share in (engine.in_step_tpot, engine.in_step_ttft))
    drawn, equal = (served(in_step=share, **words).points[0] for share in (0.0, 1.0))
    (point,) = unsaid.points
    assert (point.tpot_ms, point.tokens_per_s) == (of_tpot.points[0].tpot_ms, of_tpot.points[0].tokens_per_s)
    assert point.ttft_ms == pytest.approx(
        of_ttft.points[0].ttft_ms + engine.steps_waited * (point.tpot_ms - of_ttft.points[0].tpot_ms)
    )
    assert equal.tpot_ms <= point.tpot_ms <= drawn.tpot_ms
    assert drawn.ttft_ms * 0.9 < point.ttft_ms < equal.ttft_ms
    assert (unsaid.in_step, of_tpot.in_step) == (None, engine.in_step_tpot)
    assert unsaid.expected_error["TTFT"] == engine.origin.error["DEFAULT_DENSE_TTFT"]
    assert unsaid.expected_error["TTFT"] > of_ttft.expected_error["TTFT"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_prompt_that_is_cached_is_not_read(engine: str) -> None:
    """Reading what is left costs as much as a prompt of that alone, but for attention over what is cached."""
    words: Any = {"concurrency": [1, 32], "engine": engine, "output_tokens": 64, "input_tokens": 4096}
    served = partial(serve_latency, "Llama-3.1-8B", "h100-sxm")  # whose steps no host makes longer
    whole, most, all_but_one = (served(cached=share, **words).points for share in (0.0, 0.75, 1.0))
    for a, b, c in zip(whole, most, all_but_one, strict=True):
        assert a.ttft_ms > b.ttft_ms > c.ttft_ms
        assert a.prefill_ms > b.prefill_ms > c.prefill_ms
        assert a.decode_ms == b.decode_ms == c.decode_ms
        assert a.running == b.running
    assert whole[0].tpot_ms == all_but_one[0].tpot_ms  # nobody else's prompts
    assert whole[1].tpot_ms > all_but_one[1].tpot_ms
    short = served(**{**words, "input_tokens": 1024}).points[0]
    assert short.prefill_ms < most[0].prefill_ms < 1.5 * short.prefill_ms
    assert served(**words).points == served(cached=0.0, **words).points


def test_the_last_token_of_a_cached_prompt_is_read() -> None:
    assert Mix(1000, 10, 1, 1.0).cached_tokens == 999
    assert Mix(1000, 10, 1, 0.25).cached_tokens == 250
    assert Mix(100, 10, 1, 0.57).cached_tokens == 57  # whose product in floats is less


def test_sglang_reads_all_prompts_of_a_burst_before_it_decodes() -> None:
    words: Any = {"input_tokens": 512, "output_tokens": 128, "concurrency": 32, "engine": "sglang"}
    drawn, equal = (serve_latency("Llama-3.1-8B", "h100-sxm", in_step=share, **words).points[0] for share in (0.0, 1.0))
    assert equal.ttft_ms > drawn.ttft_ms
    assert equal.tpot_ms < drawn.tpot_ms


def test_gpus_share_the_work() -> None:
    one, two = (served(concurrency=4, tp=tp) for tp in (1, 2))
    assert two.weight_bytes < 0.6 * one.weight_bytes
    assert two.kv_bytes_per_token == one.kv_bytes_per_token / 2
    assert two.points[0].tokens_per_s_per_gpu == two.points[0].tokens_per_s / 2
    groups = served(concurrency=8, dp=2)
    assert groups.capacity == 2 * one.capacity
    assert groups.points[0].tpot_ms == pytest.approx(one.points[0].tpot_ms)  # four each, and no experts to share


def test_a_cache_in_float8_is_half_as_large() -> None:
    assert served(kv="float8").kv_bytes_per_token == served().kv_bytes_per_token / 2
    assert served(engine="tensorrt-llm", weights="float8").kv == "float8"
    assert served(weights="float8").kv == "bfloat16"


def test_answers_say_how_far_off_they_may_be_and_go_into_json() -> None:
    found = served(in_step=1.0)
    assert found.expected_error["TPOT"] == engine_named("vllm").origin.error["DENSE_TPOT"]
    assert json.loads(json.dumps(found.to_dict()))["points"][0]["concurrency"] == 1


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"concurrency": 0}, WorkloadError, "concurrency=0: expected a whole number from 1 to"),
        ({"concurrency": []}, WorkloadError, "concurrency: expected at least one number"),
        ({"output_tokens": True}, WorkloadError, "output_tokens=True: expected a whole number"),
        ({"in_step": 2.0}, WorkloadError, "in_step=2.0: expected a share, from 0 to 1"),
        ({"cached": 1.5}, WorkloadError, "cached=1.5: expected a share, from 0 to 1"),
        ({"cached": "0.5"}, WorkloadError, "cached='0.5': expected a share, from 0 to 1"),
        ({"in_step": True}, WorkloadError, "in_step=True: expected a share, from 0 to 1"),
        ({"concurrency": "12"}, WorkloadError, "concurrency='12': expected a whole number from 1 to"),
        ({"concurrency": None}, WorkloadError, "concurrency=None: expected a whole number from 1 to"),
        ({"engine": None}, ConfigError, "engine=None: expected one of vllm, tensorrt-llm, sglang"),
        ({"engine": "vlm"}, ConfigError, "engine='vlm': expected one of vllm, tensorrt-llm, sglang; did you mean vllm"),
        ({"weights": "int3"}, ConfigError, "weights='int3': expected one of"),
        ({"tp": 3}, ConfigError, "tp=3: expected a divisor of the heads, 8"),
        ({"tp": 2, "ep": 2}, ConfigError, "ep=2: expected 1, for no layer of this network has experts"),
        ({"device": "v100-sxm2"}, DeviceError, "in which alone engines are modelled; `oracle score NET -d v100-sxm2"),
    ],
)
def test_questions_without_an_answer_are_errors(words: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        served(**words)


def test_what_is_no_decoder_or_does_not_fit_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.TYPE='resnet': expected a decoder"):
        serve_latency("ResNet-50", "h100-sxm", input_tokens=1, output_tokens=1)
    with pytest.raises(DeviceError, match="leave nothing of 90% of 48 GiB for a cache; share the network among more"):
        serve_latency(small(LAYERS=512, FF=32768), "l40s", input_tokens=1, output_tokens=1)


def test_a_request_is_as_long_as_the_network_takes() -> None:
    words = {"device": "h100-sxm", "output_tokens": 28}
    assert serve_latency(small(CONTEXT=1024), input_tokens=996, **words).points
    with pytest.raises(WorkloadError, match="input_tokens=997, output_tokens=28: expected at most 1024 together"):
        serve_latency(small(CONTEXT=1024), input_tokens=997, **words)


def test_blackwell_is_answered_from_its_sheet() -> None:
    h200, b200 = (
        serve_latency(small(), name, input_tokens=512, output_tokens=128, concurrency=64).points[0].tpot_ms
        for name in ("h200", "b200")
    )
    assert b200 < h200


def test_gpus_are_those_of_the_config_where_nobody_says() -> None:
    cfg = oracle.load_cfg("Llama-3.2-1B", ["COST.PARALLEL.TP", 2])
    words: dict[str, Any] = {"input_tokens": 64, "output_tokens": 16, "concurrency": 2}
    stated, said = serve_latency(cfg, "h100-sxm", **words), serve_latency("Llama-3.2-1B", "h100-sxm", tp=2, **words)
    assert stated.parallel == said.parallel
    assert stated.points == said.points
    assert serve_latency(cfg, "h100-sxm", tp=1, **words).parallel.gpus == 1


def test_linear_attention_is_served() -> None:
    """Qwen3-Next keeps 75.5 MB of states and 24 KiB a token; long contexts cost it less than its experts do."""
    words: dict[str, Any] = {"output_tokens": 64, "concurrency": 4, "tp": 2, "weights": "float8", "kv": "bfloat16"}
    short, long = (serve_latency("Qwen3-Next-80B-A3B", "h200", input_tokens=n, **words) for n in (512, 32768))
    assert long.kv_bytes_per_token == short.kv_bytes_per_token == 12 * 1024
    assert (
        long.kv_bytes_per_token
        == oracle.score("Qwen3-Next-80B-A3B", phase="decode", past=512, parallel={"TP": 2}).kv_bytes_per_token
    )
    assert short.kv_cache_bytes == 36 * (4 * 16 * 128 * 128 + 2 * 3 * 4096) + 576 * 12288
    assert short.points[0].tpot_ms < long.points[0].tpot_ms


def test_a_pipeline_of_mixed_layers_has_room_where_its_caches_are() -> None:
    """The first half has windows of 64 tokens, the second none; a part's caches are what it holds requests by."""
    section = {"LAYERS": 4, "WIDTH": 512, "HEADS": 8, "HEAD_DIM": 64, "FF": 1024, "WINDOWS": [64, 64, 0, 0]}
    for windows in (section["WINDOWS"], section["WINDOWS"][::-1]):
        base = {"MODEL": {"TYPE": "decoder"}, "DECODER": {**section, "WINDOWS": windows}}
        words: dict[str, Any] = {"input_tokens": 4000, "output_tokens": 96, "concurrency": 8, "pp": 2}
        found = serve_latency(oracle.cfg_from_dict(base), "h100-sxm", **words)
        assert found.kv_cache_bytes == 4096 * 2 * 2 * 8 * 64 * 2
        if windows[0]:
            first = found
    assert found.capacity == first.capacity
    assert found.points == first.points


@pytest.mark.parametrize("name", ["DeepSeek-V2-Lite"])
def test_attention_over_latents_is_served(name: str) -> None:
    """A cache of 27 layers x (512 + 64) elements a token, on every GPU the same; longer prompts take longer."""
    words: dict[str, Any] = {"output_tokens": 64, "concurrency": 4}
    alone, shared = (serve_latency(name, "h100-sxm", input_tokens=512, tp=tp, **words) for tp in (1, 4))
    assert alone.kv_bytes_per_token == 27 * 576 * 2
    assert shared.kv_bytes_per_token == alone.kv_bytes_per_token
    assert shared.points[0].tpot_ms < alone.points[0].tpot_ms
    long = serve_latency(name, "h100-sxm", input_tokens=16384, **words)
    assert long.points[0].prefill_ms > 10 * alone.points[0].prefill_ms  # short ones wait for experts to be read
