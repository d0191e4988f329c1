"""Pipelines of mixed layers: the part that is shown is the one that what is asked depends on."""

from __future__ import annotations

from typing import Any

import oracle
from oracle.families.sharding import Parallel, parts_of
from oracle.query.contexts import fit_context

_SIZES = {"LAYERS": 4, "WIDTH": 256, "HEADS": 4, "KV_HEADS": 2, "HEAD_DIM": 64, "FF": 512, "VOCAB": 320}
_LINEAR = {"LINEAR_HEADS": 4, "LINEAR_KEY_HEADS": 2, "LINEAR_KEY_DIM": 32, "LINEAR_VALUE_DIM": 32}
_WORDS: dict[str, Any] = {"dtype": "bfloat16", "weights": "bfloat16", "runtime": "compiled", "batch_size": 8}


def _config(past: int, **section: Any) -> Any:
    cost = {"PHASE": "decode", "PAST": past, "PARALLEL": {"PP": 2}}
    return oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": {**_SIZES, **section}, "COST": cost})


def test_layers_are_cut_into_parts_of_which_the_last_may_have_one_more() -> None:
    assert parts_of(7, Parallel(pp=3)) == [range(4, 7), range(2, 4), range(2)]
    assert parts_of(6, Parallel()) == [range(6)]


def test_the_part_with_the_caches_is_the_largest_and_the_slowest() -> None:
    """Two layers of plain attention, then two of linear attention, which keep no cache that grows."""
    cfg = _config(65_535, MIXERS=["full", "full", "linear", "linear"], OUT_GATE=True, **_LINEAR)
    assert len(oracle.to_spec(cfg).others) == 1
    for devices in ([], ["h100-sxm"]):
        cost = oracle.score(cfg, devices, **_WORDS)
        assert cost.kv_cache_bytes == 8 * 2 * 2 * 2 * 64 * 2 * 65_536
        assert cost.notes[0] == "shown are layers 1 to 2 of 4"
        many = oracle.score_many([cfg] * 2, devices, **_WORDS)
        assert many.peak_memory_bytes.tolist() == [cost.peak_memory_bytes] * 2
    (found,) = oracle.fit(cfg, ["rtx-4090"], modes=["inference"], **{**_WORDS, "batch_size": None})
    assert found.batch_size == int((24 * 2**30 - cost.flash_bytes) / (cost.kv_cache_bytes / 8 + 2**13))
    (longest,) = fit_context(cfg, ["rtx-4090"], **_WORDS)
    assert longest.kv_cache_bytes == 8 * 2 * 2 * 2 * 64 * 2 * (-(-longest.context // 16) * 16)


def test_the_slowest_part_need_not_be_the_largest() -> None:
    """The first two layers read a long cache; the last two have many experts, of which a step reaches few."""
    experts = {"EXPERTS": 2048, "EXPERTS_PER_TOKEN": 1, "DENSE_LAYERS": 2, "WINDOWS": [0, 0, 16, 16]}
    cfg, words = _config(65_535, **experts), {**_WORDS, "batch_size": 2}
    largest, slowest = (oracle.score(cfg, devices, **words) for devices in ([], ["h100-sxm"]))
    assert [cost.notes[0] for cost in (largest, slowest)] == [
        f"shown are layers {n} of 4" for n in ("3 to 4", "1 to 2")
    ]
    assert largest.peak_memory_bytes > slowest.peak_memory_bytes
    assert slowest.notes[-1] == f"another part needs more memory: {largest.peak_memory_bytes / 1e9:.2f} GB at its peak"


def test_parts_that_are_alike_are_one() -> None:
    net = oracle.to_spec(_config(100))
    assert (net.others, net.notes) == ((), ("shown are layers 3 to 4 of 4",))
