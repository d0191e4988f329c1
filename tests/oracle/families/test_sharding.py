"""Shards of decoders: together they are the whole."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import oracle
from oracle.errors import ConfigError, DeviceError
from oracle.families.caches import token_bytes
from oracle.families.sharding import GATED, LATENT, LINEAR, SHARD, SPARSE, Parallel, sharded, stages
from oracle.spec import CellSpec, NetSpec, Workload

TINY: dict[str, Any] = {
    "VOCAB": 512, "LAYERS": 4, "WIDTH": 64, "HEADS": 8, "KV_HEADS": 2, "FF": 256, "EXPERTS": 0
}  # fmt: skip
MIXED = {**TINY, "EXPERTS": 8, "EXPERTS_PER_TOKEN": 2, "EXPERT_FF": 32, "SHARED_FF": 64, "DENSE_LAYERS": 1}


def decoder(phase: str = "decode", **section: Any) -> NetSpec:
    cost = {"PHASE": phase, "PAST": 31 if phase == "decode" else 0, "PROMPT": 32}
    return oracle.to_spec(
        oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": {**TINY, **section}, "COST": cost})
    )


def macs(net: NetSpec) -> int:
    found = oracle.score(net, batch_size=4, dtype="bfloat16", weights="bfloat16", runtime="compiled").macs
    assert found is not None
    return found


@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize("tp", [2, 8])
def test_gpus_that_cut_layers_compute_the_whole_network_together(phase: str, tp: int) -> None:
    whole = decoder(phase)
    doubled = 2 * 4 * 64 * 8 * 4 * (32 if phase == "prefill" else 1)  # keys and values of a head too many, per GPU
    own = tp * macs(sharded(whole, Parallel(tp=tp)))
    copies = max(tp // 2, 1) - 1  # of each of the two heads
    assert own - macs(whole) == copies * 2 * doubled


def test_whole_gpus_keep_all() -> None:
    whole = decoder()
    assert sharded(whole, Parallel()) is whole
    assert sharded(whole, Parallel(dp=4)) == whole


def test_experts_are_cut_by_what_is_left() -> None:
    whole = decoder(**MIXED)
    cell = whole.cells[2]
    assert (cell["experts"], cell["ff"], cell["shared"]) == (8, 32, 64)
    for parallel, ff in ((Parallel(tp=4), 8), (Parallel(tp=4, ep=4), 32), (Parallel(tp=4, ep=2), 16)):
        own = sharded(whole, parallel).cells[2]
        assert (own["experts"], own["ff"], own["shared"]) == (8, ff, 16)
    assert sharded(whole, Parallel(dp=4, ep=4)).cells[2]["heads"] == 8


def test_a_stage_has_its_layers_and_the_head() -> None:
    whole = decoder()
    kinds = [cell.kind for cell in stages(whole, Parallel(pp=3))[0].cells]
    assert kinds == ["decoder_embedding", "decoder_layer", "decoder_layer", "decoder_head"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"tp": 3}, "tp=3: expected a divisor of the heads, 8"),
        ({"tp": 0}, "tp=0: expected a whole number of GPUs, 1 or more"),
        ({"tp": True}, "tp=True: expected a whole number of GPUs"),
        ({"tp": 2, "ep": 4}, "ep=4: expected a divisor of tp . dp, 2"),
        ({"pp": 5}, "pp=5: expected at most one GPU per layer, 4"),
    ],
)
def test_what_gpus_cannot_share_is_an_error(words: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _shared(words)


def _shared(words: dict[str, int]) -> None:
    parallel = Parallel(**words)
    stages(sharded(decoder(), parallel), parallel)


def test_attention_over_latents_cuts_heads_and_keeps_the_cache() -> None:
    latent = {"KV_RANK": 16, "NOPE_DIM": 8, "ROPE_DIM": 4, "V_DIM": 8, "Q_RANK": 24}
    whole = decoder(**latent)
    own = sharded(whole, Parallel(tp=4)).cells[1]
    assert (own.kind, own["heads"], own["kv_rank"]) == (LATENT, 2, 16)
    assert token_bytes(sharded(whole, Parallel(tp=4)), Workload(dtype="bfloat16")) == 4 * (16 + 4) * 2
    parts = stages(decoder(**latent), Parallel(pp=2))[0].cells
    assert [cell.kind for cell in parts[1:-1]] == [LATENT, "decoder_mlp"] * 2


def test_heads_of_linear_attention_are_cut_and_indexers_are_not() -> None:
    linear = {"LINEAR_HEADS": 8, "LINEAR_KEY_HEADS": 4, "LINEAR_KEY_DIM": 6, "LINEAR_VALUE_DIM": 10}
    whole = decoder(**linear, KV_HEADS=4, MIXERS=["linear", "full"], OUT_GATE=True)
    parts = stages(sharded(whole, Parallel(tp=4)), Parallel(pp=2))[0].cells
    assert [cell.kind for cell in parts[1:-1]] == [LINEAR, "decoder_mlp", GATED, "decoder_mlp"]
    assert (parts[1]["heads"], parts[1]["key_heads"], parts[3]["heads"]) == (2, 1, 2)
    with pytest.raises(ConfigError, match="tp=3: expected a divisor of the heads, 8"):
        sharded(whole, Parallel(tp=3))
    latent = {"KV_RANK": 16, "NOPE_DIM": 8, "ROPE_DIM": 4, "V_DIM": 8, "INDEX_HEADS": 6, "INDEX_DIM": 10}
    own = sharded(decoder(**latent, INDEX_TOPK=8), Parallel(tp=4))
    assert (own.cells[1].kind, own.cells[1]["heads"], own.cells[1]["index_heads"]) == (SPARSE, 2, 6)
    assert token_bytes(own, Workload(dtype="bfloat16")) == 4 * (16 + 4 + 10) * 2


# -- COST.PARALLEL ---------------------------------------------------------------------------------------------


def config(parallel: dict[str, int], phase: str = "decode", **section: Any) -> Any:
    cost = {"PHASE": phase, "PAST": 31 if phase == "decode" else 0, "PROMPT": 32, "PARALLEL": parallel}
    return oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": {**TINY, **section}, "COST": cost})


def scored(cfg: Any, **words: Any) -> oracle.Cost:
    usual = {"batch_size": 4, "dtype": "bfloat16", "weights": "bfloat16", "runtime": "compiled"}
    return oracle.score(cfg, ["h100-sxm", "l40s"], **{**usual, **words})


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_config_of_several_gpus_is_the_shard_of_a_network(phase: str) -> None:
    parallel = Parallel(tp=2, pp=2)
    cells = oracle.to_spec(config({"TP": 2, "PP": 2}, phase, **MIXED)).cells
    assert cells[1] == CellSpec.make(SHARD, tp=2, pp=2, ep=1)
    assert (cells[0], *cells[2:]) == stages(sharded(decoder(phase, **MIXED), parallel), parallel)[0].cells


def test_experts_that_are_shared_out_are_a_part_of_the_rows_and_of_the_weights() -> None:
    whole, shared = (scored(config(words, **MIXED)) for words in ({"TP": 2}, {"TP": 2, "EP": 2}))
    assert shared.macs == whole.macs  # half of the experts, or half of each
    assert shared.params == whole.params


def test_what_gpus_send_are_kernels_where_it_happens() -> None:
    """An all-reduce after the embedding and after each half, and the scores gathered: 1 + 2 x 4 and 1."""
    cost = scored(config({"TP": 2}))
    names = [kernel.name for kernel in cost.kernels("h100-sxm")]
    assert names.count("collective.all_reduce") == 9
    assert names[1] == "collective.all_reduce"
    assert names[-1] == "collective.all_gather"
    own = [kernel for kernel in cost.kernels("h100-sxm") if kernel.op_class == "collective"]
    expected = 9 * oracle.collective_s("all_reduce", 2 * 4 * 64, 2, oracle.load_device("h100-sxm"))
    expected += oracle.collective_s("all_gather", 2 * 4 * 512, 2, oracle.load_device("h100-sxm"))
    assert sum(kernel.time_ms for kernel in own) == pytest.approx(1e3 * float(expected))
    assert all(cost.roofline_ms[name] < cost.latency_ms[name] for name in cost.latency_ms)


def test_training_sends_gradients_as_well() -> None:
    """Two all-reduces of a half, forward and backward; three of the cross entropy, and a part sends both ways."""
    cost = scored(config({"TP": 2, "PP": 2}, "training"))
    counted = Counter(
        (kernel.name, kernel.phase) for kernel in cost.kernels("h100-sxm") if kernel.op_class == "collective"
    )
    assert counted == {
        ("collective.all_reduce", "forward"): 1 + 2 * 2 + 3,
        ("collective.all_reduce", "backward"): 1 + 2 * 2,
        ("collective.send", "forward"): 1,
        ("collective.send", "backward"): 1,
    }


@pytest.mark.parametrize("phase", ["decode", "prefill", "training"])
def test_many_candidates_send_what_each_does_alone(phase: str) -> None:
    ways: list[dict[str, int]] = [{}, {"TP": 2}, {"TP": 2, "EP": 2}, {"TP": 4, "PP": 2}, {"PP": 4}]
    sizes = [{"FF": 192}, {"WIDTH": 128}, {"LAYERS": 6}, {"EXPERT_FF": 64}]
    cfgs = [config(way, phase, **{**MIXED, **size}) for way in ways for size in sizes]
    words = {"batch_size": 4, "dtype": "bfloat16", "weights": "bfloat16", "runtime": "compiled"}
    many = oracle.score_many(cfgs, ["h100-sxm", "l40s"], **words)
    assert len(cfgs) > 16  # by arrays
    for row, cfg in enumerate(cfgs):
        alone = oracle.score(cfg, ["h100-sxm", "l40s"], **words)
        for name in ("h100-sxm", "l40s"):
            assert many.latency_ms[name][row] == alone.latency_ms[name]
            assert many.roofline_ms[name][row] == alone.roofline_ms[name]
        assert (many.macs[row], many.peak_memory_bytes[row]) == (alone.macs, alone.peak_memory_bytes)


def test_a_device_that_states_no_link_says_so() -> None:
    with pytest.raises(DeviceError, match="states no link to others of its kind"):
        oracle.score(config({"TP": 2}), ["epyc-7742"], batch_size=1, dtype="float32", weights="")


@pytest.mark.parametrize(
    ("parallel", "key"),
    [({"TP": 3}, "TP"), ({"TP": 2, "EP": 4}, "EP"), ({"PP": 5}, "PP"), ({"TP": 0}, "TP"), ({"XP": 2}, "XP")],
)
def test_a_config_that_gpus_cannot_share_names_its_key(parallel: dict[str, int], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        oracle.to_spec(config(parallel))
    assert caught.value.key == f"COST.PARALLEL.{key}"


@pytest.mark.parametrize("section", [{}, {**MIXED, "DENSE_LAYERS": 4}])
def test_experts_of_a_dense_network_are_not_shared_out(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"PARALLEL.EP: value 2: expected 1, for no layer of this network has exp"):
        oracle.to_spec(config({"TP": 2, "EP": 2}, **section))
    with pytest.raises(ConfigError, match="ep=2: expected 1, for no layer of this network has experts"):
        sharded(decoder(**section), Parallel(tp=2, ep=2))


def test_experts_that_gpus_cannot_share_are_an_error() -> None:
    with pytest.raises(ConfigError, match="ep=16: expected a divisor of the experts, 8"):
        sharded(decoder(**{**MIXED, "HEADS": 16}), Parallel(tp=1, dp=16, ep=16))


def test_a_shard_is_not_cut_again() -> None:
    with pytest.raises(ConfigError, match="is one GPU's of several already"):
        sharded(oracle.to_spec(config({"TP": 2})), Parallel(tp=2))
