"""Steps of engines: their kernels are those that the oracle counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oracle
from oracle.errors import ConfigError
from oracle.families.sharding import Collective, Parallel
from oracle.serving.engines import reach_in_engines
from oracle.serving.steps import DECODING, EXPERT, OTHER, PREFILLING, Formats, Step, Work, figures_of, work_of
from tests.oracle.families.test_sharding import MIXED, decoder

ALONE = Parallel()


def work(step: Step, parallel: Parallel = ALONE, formats: Formats | None = None, **section: Any) -> Work:
    nets = decoder(**section), decoder("prefill", **section)
    return work_of(*nets, step, parallel, formats or Formats())


def macs(found: Work) -> float:
    kernels = found.kernels
    each = np.where(kernels.kinds == OTHER, 0.0, kernels.dims.prod(axis=0))
    twice = np.where(np.isin(kernels.kinds, (PREFILLING, DECODING)), 2.0, 1.0)
    chosen = np.where(kernels.kinds == EXPERT, kernels.chosen, 1.0)
    return float(each * twice * chosen @ kernels.counts)


@pytest.mark.parametrize("section", [{}, MIXED])
def test_a_step_of_one_kind_is_a_network_that_is_scored(section: dict[str, int]) -> None:
    for phase, step in (("decode", Step(4, 31)), ("prefill", Step(0, 31, 4, 32))):
        cost = oracle.score(
            decoder(phase, **section), batch_size=4, dtype="bfloat16", weights="bfloat16", runtime="compiled"
        )
        assert macs(work(step, **section)) == pytest.approx(cost.macs)


LINEAR = {
    "MIXERS": ["linear", "full"], "LINEAR_HEADS": 4, "LINEAR_KEY_HEADS": 2, "LINEAR_KEY_DIM": 6, "LINEAR_VALUE_DIM": 10,
    "OUT_GATE": True,
}  # fmt: skip


def test_states_are_of_sequences_and_not_of_tokens() -> None:
    """Convolutions and single steps of the rule compute on vector units; chunks of 64 are products."""
    convolution = 2 * (2 * 2 * 6 + 4 * 10) * 4  # layers, channels, tokens seen
    for phase, step, beside in (
        ("decode", Step(4, 31), 4 * (convolution + 2 * 3 * 4 * 6 * 10)),
        ("prefill", Step(0, 31, 4, 32), 4 * 32 * convolution),
    ):
        cost = oracle.score(
            decoder(phase, **LINEAR), batch_size=4, dtype="bfloat16", weights="bfloat16", runtime="compiled"
        )
        assert macs(work(step, **LINEAR)) == pytest.approx(cost.macs - beside)
    state = 2 * 2 * (4 * 4 * 6 * 10)  # read and written in two layers, in float32
    one, many = (work(Step(n, 31), **LINEAR).kernels for n in (1, 9))
    grown = float(many.traffic_bytes @ many.counts - one.traffic_bytes @ one.counts)
    assert grown > 8 * state


def test_an_indexer_scores_keys_before_each_query() -> None:
    latent = {"KV_RANK": 16, "NOPE_DIM": 8, "ROPE_DIM": 4, "V_DIM": 8, "INDEX_HEADS": 6, "INDEX_DIM": 10}
    section: dict[str, Any] = {**latent, "INDEX_TOPK": 8}
    found = work(Step(4, 31), **section)
    cost = oracle.score(decoder(**section), batch_size=4, dtype="bfloat16", weights="bfloat16", runtime="compiled")
    assert macs(found) == pytest.approx(cost.macs)
    prompts = work(Step(0, 31, 4, 32), **section).kernels
    (scores,) = np.unique(prompts.dims[:, prompts.dims[3] == 11], axis=1).T.tolist()
    assert scores == [4, 6 * 32, (32 + 1) / 2, 11]


def test_a_mixed_step_is_both_with_weights_read_once() -> None:
    apart = [work(step) for step in (Step(4, 31), Step(0, 31, 1, 32))]
    mixed = work(Step(4, 31, 1, 32))
    assert macs(mixed) == pytest.approx(sum(map(macs, apart)))
    moved = [float(own.kernels.traffic_bytes @ own.kernels.counts) for own in (*apart, mixed)]
    weights = 2 * (4 * (64 * 12 * 8 + 64 * 64 + 3 * 64 * 256) + 64 * 512 + 9 * 64)
    assert moved[0] + moved[1] - moved[2] == pytest.approx(weights)


def test_narrow_weights_move_less_and_no_router_is_narrow() -> None:
    plain, narrow = (work(Step(4, 31), formats=formats, **MIXED) for formats in (Formats(), Formats("float8")))
    assert not plain.kernels.narrow.any()
    assert narrow.kernels.narrow.sum() < (narrow.kernels.kinds != OTHER).sum() - 2  # router, head and attention are not
    assert (narrow.kernels.traffic_bytes <= plain.kernels.traffic_bytes).all()
    experts = work(Step(4, 31), formats=Formats("float4"), **MIXED).kernels
    assert (experts.narrow == (experts.kinds == EXPERT)).all()


def test_what_gpus_send() -> None:
    assert work(Step(4, 31)).collectives == ()
    reduced, gathered = work(Step(4, 31), Parallel(tp=2)).collectives
    assert reduced == Collective(1 + 2 * 4, "all_reduce", 2.0 * 4 * 64, 2)
    assert gathered == Collective(1, "all_gather", 2.0 * 4 * 512, 2)
    (sent,) = work(Step(4, 31), Parallel(pp=2)).collectives
    assert sent == Collective(1, "send", 2.0 * 4 * 64, 2)
    names = [own.operation for own in work(Step(4, 31), Parallel(dp=4, ep=4), **MIXED).collectives]
    assert names == ["all_gather", "reduce_scatter"]


def test_seconds_never_beat_the_roofs() -> None:
    reach, _ = reach_in_engines()
    figures = figures_of(oracle.load_device("h100-sxm"), Formats())
    kernels = work(Step(64, 31, 1, 32)).kernels
    seconds = reach.seconds(kernels, figures)
    flops = np.where(kernels.kinds == OTHER, 0.0, 2.0 * kernels.dims.prod(axis=0))
    assert (seconds >= kernels.traffic_bytes / figures.bandwidth).all()
    assert (seconds >= flops / figures.peak).all()


def test_routers_that_are_even_reach_the_expected_experts() -> None:
    from dataclasses import replace

    from oracle.experts import reached

    reach = replace(reach_in_engines()[0], skew=1e6)
    dims = np.array([[128.0, 128.0], [1.0, 64.0], [1.0, 1.0], [1.0, 1.0]])
    (busy, rows, *_), moved = reach._reached(dims, np.array([4 / 128] * 2), np.array([10.0] * 2))
    assert busy.tolist() == pytest.approx([4.0, reached(128, 4, 64)], rel=0.02)
    assert (busy * rows).tolist() == pytest.approx([4.0, 256.0])
    assert moved.tolist() == pytest.approx((10 * busy).tolist())


def test_formats_that_there_are_not_are_errors() -> None:
    with pytest.raises(ConfigError, match="weights='int3': expected one of bfloat16, float8"):
        Formats("int3")
    with pytest.raises(ConfigError, match="kv='int8': expected one of bfloat16, float8"):
        Formats(kv="int8")


def test_types_are_multiplied_in_where_the_device_has_them() -> None:
    b200, h100, a100 = map(oracle.load_device, ("b200", "h100-sxm", "a100-sxm-80gb"))
    assert [Formats("float4").computes_in(device) for device in (b200, h100)] == ["float4", "bfloat16"]
    assert [Formats("float8").computes_in(device) for device in (h100, a100)] == ["float8", "bfloat16"]
    assert Formats("int8").computes_in(h100) == "bfloat16"
