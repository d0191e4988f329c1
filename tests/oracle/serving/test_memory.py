"""Memory of serving and training, against figures of the papers."""

from __future__ import annotations

import pytest

import oracle
from oracle.errors import ConfigError
from oracle.families.sharding import Parallel
from oracle.serving.memory import (
    activation_bytes,
    cache_bytes_per_sequence,
    training_memory,
    weight_bytes,
    working_bytes,
    zero_bytes,
)
from oracle.serving.steps import Formats
from tests.oracle.families.test_sharding import MIXED, decoder


@pytest.mark.parametrize(("stage", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.88)])
def test_zero_is_what_its_paper_says(stage: int, gigabytes: float) -> None:
    # figure 1 of arXiv 1910.02054: 7.5 billion parameters on 64 GPUs
    assert sum(zero_bytes(7_500_000_000, stage, 64).values()) / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_activations_are_what_their_paper_says() -> None:
    # equations 1, 2 and 6 of arXiv 2205.05198 for GPT-3 (s 2048, b 1, h 12288, a 96), in units of s b h
    unit = 2048 * 12288
    assert activation_bytes(2048, 1, 12288, 96, recompute="none") == unit * (34 + 5 * 96 * 2048 // 12288)
    assert activation_bytes(2048, 1, 12288, 96, recompute="selective") == 34 * unit
    assert activation_bytes(2048, 1, 12288, 96, tp=8, recompute="selective") == 13 * unit
    assert activation_bytes(2048, 1, 12288, 96, tp=8, sequence_parallel=True) == 34 * unit // 8
    assert activation_bytes(2048, 1, 12288, 96, recompute="full") == 2 * unit


def test_training_adds_up() -> None:
    net = decoder()
    found = training_memory(net, sequence=32, batch=2, zero=1, dp=4)
    params = oracle.score(net, dtype="bfloat16", weights="bfloat16").params
    assert (found.weights, found.gradients, found.state) == (2 * params, 2 * params, 3 * params)
    assert found.activations == 4 * activation_bytes(32, 2, 64, 8)
    assert found.total == sum(found)


def test_weights_are_those_that_a_gpu_stores() -> None:
    net = decoder()
    params = oracle.score(net, dtype="bfloat16", weights="bfloat16").params
    assert weight_bytes(net, Parallel(), Formats()) == 2 * params
    layers = 4 * (64 * (8 + 2 * 2) * 8 + 8 * 8 * 64 + 3 * 64 * 256)
    assert weight_bytes(net, Parallel(), Formats("float8")) == 2 * params - layers


def test_states_of_linear_attention_do_not_grow() -> None:
    linear = {"LINEAR_HEADS": 4, "LINEAR_KEY_HEADS": 2, "LINEAR_KEY_DIM": 6, "LINEAR_VALUE_DIM": 10}
    net = decoder(**linear, MIXERS=["linear", "full"], OUT_GATE=True)
    states = 2 * (4 * 4 * 6 * 10 + 2 * 3 * (2 * 2 * 6 + 4 * 10))  # float32, and three tokens of a convolution
    caches = 2 * 32 * 2 * 2 * 8 * 2
    assert cache_bytes_per_sequence(net, Parallel()) == states + caches
    assert cache_bytes_per_sequence(net, Parallel(tp=2)) == (states + caches) // 2


def test_experts_of_other_gpus_weigh_nothing() -> None:
    net = decoder(**MIXED)
    whole, own = (weight_bytes(net, Parallel(dp=4, ep=ep), Formats()) for ep in (1, 4))
    experts = 2 * 3 * 8 * 3 * 64 * 32  # bytes, layers, experts, matrices
    assert weight_bytes(net, Parallel(), Formats()) - own == experts - experts // 4
    assert whole == own  # cut by four, all of them are as much as a fourth of them whole
    four_bits = weight_bytes(net, Parallel(), Formats("int4"))
    assert weight_bytes(net, Parallel(), Formats()) - four_bits == int(experts * (1 - 4.5 / 16))


def test_the_cache_is_that_of_the_layers() -> None:
    net = decoder()  # 32 tokens of two heads of eight elements in four layers, in bfloat16
    assert cache_bytes_per_sequence(net, Parallel()) == 4 * 2 * 2 * 8 * 32 * 2
    assert cache_bytes_per_sequence(net, Parallel(tp=2)) == 4 * 2 * 8 * 32 * 2
    assert cache_bytes_per_sequence(net, Parallel(pp=2)) == 2 * 2 * 2 * 8 * 32 * 2


def test_a_step_works_with_more_where_it_has_more_tokens() -> None:
    net = decoder()
    assert 0 < working_bytes(net, Parallel(), 8) < working_bytes(net, Parallel(), 64)


def test_words_that_there_are_not_are_errors() -> None:
    with pytest.raises(ConfigError, match="zero=4: expected a stage from 0 to 3"):
        zero_bytes(1, 4, 1)
    with pytest.raises(ConfigError, match="recompute='half': expected one of none, selective, full"):
        activation_bytes(1, 1, 1, 1, recompute="half")
