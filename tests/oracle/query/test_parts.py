"""Pipelines of mixed layers: the part that is shown is the one that what is asked depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oracle
from oracle.families.many import population_of
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


@pytest.mark.parametrize("devices", [[], ["h100-sxm"], ["l40s", "h100-sxm"]])
def test_candidates_of_a_space_are_judged_by_the_part_that_decides(devices: list[str]) -> None:
    """Caches before, experts behind, and layers without a half: now this part decides and now that."""
    keys = {"EXPERTS_PER_TOKEN": 1, "WINDOWS": [0, 0, 16, 16], "LAYER_HEADS": [4, 4, 0, 4]}
    columns = {
        "DENSE_LAYERS": [0, 1, 2, 3, 4, 2, 2],
        "EXPERT_FF": [8, 8, 16384, 4096, 64, 64, 16],
        "EXPERTS": [64, 64, 64, 64, 64, 0, 8],
    }
    arrays = {f"DECODER.{key}": np.array(column) for key, column in columns.items()}
    population, kept, rejected = population_of(_config(8191, **keys), arrays)
    assert (len(population.others), kept.tolist(), rejected) == (1, list(range(7)), {})
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    configs = [_config(8191, **keys, **row) for row in rows]
    for own, config in zip(population.specs(), configs, strict=True):
        assert set(own.others) == set(oracle.to_spec(config).others)
    many, each = (oracle.score_many(networks, devices, **_WORDS) for networks in (population, configs))
    assert list(many.specs()) == list(each.specs())
    shown = [net.cells != own.cells for net, own in zip(many.specs(), population.specs(), strict=True)]
    assert any(shown)
    assert not all(shown)
    chunks = oracle.score_many(population, devices, chunk=3, **_WORDS)
    for name in ("peak_memory_bytes", "kv_cache_bytes", "traffic_bytes", "macs"):
        assert getattr(many, name).tolist() == getattr(each, name).tolist() == getattr(chunks, name).tolist()
    for device in devices:
        assert many.latency_ms[device].tolist() == pytest.approx(each.latency_ms[device].tolist(), rel=1e-12)


def test_parts_that_are_alike_are_one() -> None:
    net = oracle.to_spec(_config(100))
    assert (net.others, net.notes) == ((), ("shown are layers 3 to 4 of 4",))
