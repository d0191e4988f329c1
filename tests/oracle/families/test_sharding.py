"""Shards of decoders: together they are the whole."""

from __future__ import annotations

from typing import Any

import pytest

import oracle
from oracle.errors import ConfigError
from oracle.families.sharding import Parallel, sharded, stage
from oracle.spec import NetSpec

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
    kinds = [cell.kind for cell in stage(whole, Parallel(pp=3)).cells]
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
    stage(sharded(decoder(), parallel), parallel)


def test_experts_that_gpus_cannot_share_are_an_error() -> None:
    with pytest.raises(ConfigError, match="ep=16: expected a divisor of the experts, 8"):
        sharded(decoder(**{**MIXED, "HEADS": 16}), Parallel(tp=1, dp=16, ep=16))
