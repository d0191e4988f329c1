"""score_many against score, chunk by chunk, and against pycls's published figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import oracle
from oracle.closedform import TemplateStore
from oracle.closedform.library import library, role_of
from oracle.config import load_cfg
from oracle.errors import DeviceError, OracleError, WorkloadError
from oracle.families import to_spec
from oracle.families.population import Population
from oracle.naming import cell_names, near_names
from oracle.query import score, score_many
from oracle.spec import Workload

_NAMES = ("RegNetX-200MF", "RegNetX-400MF", "RegNetX-600MF", "RegNetY-200MF", "EfficientNet-B0")
_STORE = TemplateStore(library())


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_chunks_do_not_show(chunk: int) -> None:
    nets = [to_spec(load_cfg(name)) for name in _NAMES] * 4
    seen: list[tuple[int, int]] = []
    scores = score_many(
        Population.of(nets),
        ["t4", "raspberry-pi-4"],
        chunk=chunk,
        store=_STORE,
        progress=lambda done, total: seen.append((done, total)),
        batch_size=2,
    )
    assert len(scores) == len(nets) == 20
    assert seen[-1] == (20, 20)
    assert len(seen) == -(-20 // chunk)
    for row, net in enumerate(nets[:5]):
        expected = score(net, ["t4", "raspberry-pi-4"], batch_size=2)
        sizes = ("traffic_bytes", "peak_memory_bytes", "sram_bytes", "flash_bytes")
        for name in ("macs", "flops", "params", "activations", *sizes):
            assert getattr(scores, name)[row :: len(_NAMES)].tolist() == [getattr(expected, name)] * 4
        for device, column in scores.latency_ms.items():
            assert column[row] == pytest.approx(expected.latency_ms[device], rel=1e-12)
        assert scores.intensity[row] == pytest.approx(expected.intensity)
    assert list(scores.specs()) == nets


def test_a_few_specs_take_the_short_way_to_the_same_columns() -> None:
    nets = [to_spec(load_cfg(name)) for name in _NAMES]
    few, many = score_many(nets, ["t4"], store=_STORE), score_many(Population.of(nets), ["t4"], store=_STORE)
    for name, column in few.columns().items():
        assert np.allclose(column, many.columns()[name], rtol=1e-12, atol=0)
    assert set(few.columns()) >= {"macs", "traffic_bytes", "latency_ms@t4", "intensity_flop_per_byte"}


@pytest.mark.parametrize("population", [False, True])
def test_the_two_memories_of_a_microcontroller(population: bool) -> None:
    """Inference keeps weights in flash, training changes them; what is one network's is a column's too."""
    nets = [to_spec(load_cfg(name)) for name in _NAMES]
    given = Population.of(nets) if population else nets
    alone = [score(net, dtype="int8", runtime="engine") for net in nets]
    small = score_many(given, store=_STORE, dtype="int8", runtime="engine")
    assert small.flash_bytes.tolist() == [cost.memory.weights_bytes for cost in alone]
    assert (small.flash_bytes + small.sram_bytes == small.peak_memory_bytes).all()
    assert (small.sram_bytes > 3 * 224 * 224).all()  # the image and what is made of it
    training = score_many(given, store=_STORE, mode="training")
    assert not training.flash_bytes.any()
    assert (training.sram_bytes == training.peak_memory_bytes).all()


def test_pycls_columns_are_pycls_figures(shared_data: Path) -> None:
    with (shared_data / "pycls_complexity.csv").open() as file:
        rows = list(csv.DictReader(file))
    nets = [to_spec(load_cfg(row["network"])) for row in rows]
    for batch in (1, 3):  # figures are per image
        scores = score_many(nets, batch_size=batch, store=_STORE)
        assert scores.pycls_flops.tolist() == [int(row["macs_with_bias"]) for row in rows]
        assert scores.pycls_acts.tolist() == [int(row["activations"]) for row in rows]
        assert scores.params.tolist() == [int(row["params"]) for row in rows]


def test_latencies_are_those_of_scores_to_the_last_digit() -> None:
    specs = [to_spec(load_cfg(name)) for name in _NAMES]
    for net in specs:
        cost = score(net, ["t4", "pixel-4"], batch_size=3)
        for few in ([net], specs * 4):
            scores = score_many(few, ["t4", "pixel-4"], batch_size=3)
            row = few.index(net)
            assert {device: float(column[row]) for device, column in scores.latency_ms.items()} == cost.latency_ms


def test_columns_cannot_be_changed() -> None:
    scores = score_many(["R-56"], ["t4"])
    for column in (scores.macs, scores.latency_ms["t4"]):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(WorkloadError, match=r"batchsize=2: no field of a workload; did you mean batch_size\?"):
        score_many(["R-56"], batchsize=2)


def test_scores_are_plain_data_too() -> None:
    scores = score_many(["R-56", "R-110"], ["t4"], batch_size=2)
    plain = json.loads(json.dumps(scores.to_dict()))
    assert plain["networks"] == ["R-56", "R-110"]
    assert plain["columns"]["macs"] == scores.macs.tolist()
    assert plain["columns"]["latency_ms@t4"] == scores.latency_ms["t4"].tolist()
    assert Workload(**plain["workload"]) == scores.workload


def test_no_candidates_are_no_rows() -> None:
    scores = score_many([], ["t4"])
    assert len(scores) == 0
    assert scores.latency_ms["t4"].shape == (0,)


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"chunk": 0}, WorkloadError),
        ({"batchsize": 2}, WorkloadError),
        ({"batch_size": -1}, WorkloadError),
        ({"devices": ["t5"]}, DeviceError),
        ({"devices": ["t4"], "dtype": "bfloat16"}, DeviceError),
    ],
)
def test_bad_questions_are_oracle_errors(keywords: dict[str, object], error: type[OracleError]) -> None:
    devices = keywords.pop("devices", [])
    with pytest.raises(error):
        score_many([to_spec(load_cfg("R-56"))], devices, store=_STORE, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("convention", "mode"), [("pycls", "inference"), ("pycls", "training"), ("torch", "inference"), (None, "training")]
)
def test_conventions_count_as_those_of_score(convention: str | None, mode: str) -> None:
    words = {"convention": convention, "mode": mode, "batch_size": 3}
    nets = [to_spec(load_cfg(name)) for name in (*_NAMES, "ViT-S-16", "R-56")]
    for networks in (nets, Population.of(nets * 3)):
        scores = score_many(networks, ["t4"], store=_STORE, **words)
        assert scores.convention == scores.to_dict()["convention"] == (convention or "oracle")
        for row, net in enumerate(nets):
            cost = score(net, ["t4"], **words)
            for name in ("macs", "flops", "params", "activations", "traffic_bytes", "executed_flops"):
                column, expected = getattr(scores, name), getattr(cost, name)
                assert (None if column is None else column[row]) == expected, name
            assert scores.intensity[row] == pytest.approx(cost.intensity)
            assert scores.latency_ms["t4"][row] == cost.latency_ms["t4"]


_DEAD = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
"""A cell whose only convolution nobody reads."""


@pytest.mark.parametrize("words", [{}, {"dtype": "int8"}, {"dtypes": {"stem": "int8"}}, {"weights": "int8"}])
def test_torch_counts_the_eager_module_whoever_runs_the_network(words: dict[str, Any]) -> None:
    """What FlopCounterMode says of it, dead edges included, which an engine drops."""
    net = to_spec(load_cfg("NB201-ResNet", ["NB201.ARCH", _DEAD]))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        oracle.build(net).eval()(torch.empty(2, 3, 32, 32, device="meta"))
    flops = counter.get_total_flops()
    words = {"batch_size": 2, "runtime": "engine", **words}
    assert flops > 5 * score(net, **words).flops
    cost = score(net, ["t4"], convention="torch", **words)
    assert (cost.macs, cost.flops) == (flops // 2, flops)
    assert cost.traffic_bytes == score(net, **words).traffic_bytes
    for networks in ([net], [net] * 9, Population.of([net] * 3)):
        scores = score_many(networks, ["t4"], store=_STORE, convention="torch", **words)
        assert set(scores.flops.tolist()) == {flops}
        assert (scores.params, scores.activations) == (None, None)
        assert set(scores.latency_ms["t4"].tolist()) == {cost.latency_ms["t4"]}


def test_columns_that_a_tool_does_not_report_are_left_out() -> None:
    counts = {"macs", "flops", "params", "activations"}
    for convention, missing in (("pycls", {"flops"}), ("torch", {"params", "activations"}), ("oracle", set())):
        scores = score_many(["R-56"], convention=convention)
        assert counts - scores.columns().keys() == missing
        assert all(getattr(scores, name) is None for name in missing)


@pytest.mark.parametrize(
    ("convention", "mode"), [("fvcore", "inference"), ("torch", "training"), ("fvcor", "inference")]
)
def test_other_conventions_are_refused_before_anything_is_costed(convention: str, mode: str) -> None:
    message = f"convention='{convention}' under mode='{mode}': expected pycls or, in inference, torch"
    with pytest.raises(WorkloadError, match=message):
        score_many(["R-56"], store=TemplateStore(), convention=convention, mode=mode)


@pytest.mark.parametrize("device", ["allwinner-h2", "raspberry-pi-4", "t4"])
@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_no_end_of_an_interval_is_below_the_bound(device: str, batch_size: int) -> None:
    names = ["ResNet-50", "R-56"]
    many = score_many(names, [device], batch_size=batch_size)
    low, high = many.interval_ms[device]
    assert (many.roofline_ms[device] <= low).all()
    assert (low <= high).all()
    assert many.latency_quantile_ms(device, 0.1).tolist() == low.tolist()
    for place, name in enumerate(names):
        cost = score(name, [device], batch_size=batch_size)
        assert cost.times[device].interval_ms == (low[place], high[place])


def test_an_engine_of_specs_is_their_runtime() -> None:
    specs = [to_spec(load_cfg(name)) for name in ("R-56", "R-110")]
    words: Any = {"engine": "tensorrt", "dtypes": {"s3": "int8"}}
    many = score_many(specs, ["t4"], **words)
    assert many.traffic_bytes.tolist() == [score(spec, ["t4"], **words).traffic_bytes for spec in specs]


@pytest.mark.parametrize("names", [_NAMES, ("R-56", "R-110"), ("ViT-S-16",)])
@pytest.mark.parametrize(
    "stage", ["stem", "s1", "s3_b2", "s4", "s4_b30", "s6", "s9", "block", "block3", "head", "head2"]
)
def test_a_stage_that_no_candidate_of_a_population_has_is_named(names: tuple[str, ...], stage: str) -> None:
    """What cells of no spec are called is refused, and nothing else."""
    words: Any = {"engine": "tensorrt", "dtypes": {stage: "float16"}}
    nets = [to_spec(load_cfg(name)) for name in names]
    known = {near for net in nets for name in cell_names(net, role_of) for near in near_names(name)}
    if stage in known:
        assert len(score_many(Population.of(nets), **words)) == len(nets)
        return
    with pytest.raises(WorkloadError, match=rf"dtypes.{stage}='float16': no candidate has it; there are stem, block"):
        score_many(Population.of(nets), **words)
