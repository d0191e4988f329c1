"""Networks whose stages compute in different types: by hand, and against traces of the whole module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.closedform import CalibratedDevice, TemplateStore, cost_population, network_form
from oracle.closedform.library import library, role_of
from oracle.counting.networks import count_net
from oracle.devices import load_device
from oracle.errors import WorkloadError
from oracle.families import to_spec
from oracle.families.fingerprint import fingerprint, fingerprints
from oracle.families.population import Population
from oracle.naming import cell_dtypes, near_names
from oracle.spec import CellSpec, NetSpec, Workload
from tests.benchmarks.equality import sums_by_count

_STORE = TemplateStore(library())
_ENGINE = Workload(runtime="engine")
_NAMES = ("macs", "flops", "params", "activations", "traffic_bytes")
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}

SMALL = {
    "RegNetX-400MF": {"REGNET.DEPTH": 4, "REGNET.W0": 16, "REGNET.WA": 16.0, "REGNET.WM": 2.0, "TRAIN.IM_SIZE": 64},
    "ResNet-50": {"TRAIN.IM_SIZE": 64},
    "EfficientNet-B0": {
        "EN.DEPTHS": [1, 2, 1],
        "EN.WIDTHS": [16, 24, 32],
        "EN.EXP_RATIOS": [1, 4, 4],
        "EN.STRIDES": [1, 2, 2],
        "EN.KERNELS": [3, 5, 3],
        "EN.HEAD_W": 64,
        "TRAIN.IM_SIZE": 64,
    },
    "ViT-S-16": {"VIT.NUM_LAYERS": 3, "VIT.NUM_HEADS": 2, "VIT.HIDDEN_DIM": 32, "VIT.MLP_DIM": 64, "TRAIN.IM_SIZE": 64},
}
ASKED: list[Mapping[str, str]] = [
    {"stem": "float16", "s2": "int8"},
    {"stem": "float32", "block": "int8", "head": "float16"},
    {"s2_b1": "bfloat16", "s1": "int8", "block2": "int8"},
]


def network(name: str, dtypes: Mapping[str, str] = {}) -> NetSpec:
    return replace(to_spec(oracle.load_cfg(name, SMALL.get(name, {}))), dtypes=tuple(dtypes.items()))


def tiny(**dtypes: str) -> NetSpec:
    """3 x 16 x 16 -> a convolution to 8 x 8 x 8 -> its mean -> 10 classes."""
    style = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
    stem = CellSpec.make("simple_stem_in", w_in=3, w_out=8, **style)
    head = CellSpec.make("head", w_in=8, head_w=0, num_classes=10, dropout=0.0, **style)
    return NetSpec((stem, head), (3, 16, 16), "tiny", tuple(dtypes.items()))


def test_a_conversion_by_hand() -> None:
    form = network_form(_STORE, tiny(head="int8"), _ENGINE)
    image, tensor, weights, linear = 3 * 16 * 16, 8 * 8 * 8, 8 * 3 * 9 + 8, 8 * 10
    moved = [
        4 * (image + weights + tensor),  # the stem in float32; batch norm is a bias
        (4 + 1) * tensor,  # the conversion
        tensor + 8,  # the mean in int8
        8 + linear + (4 + 4) * 10 + 10,  # biases and scales of the products take four bytes
    ]
    assert form.numbers[2].tolist() == moved
    assert form.sums["traffic_bytes"] == sum(moved)
    assert form.numbers[:2, 1].tolist() == [0, 0]
    assert form.flash_bytes == 4 * weights + linear + (4 + 4) * 10
    # What is alive at once at most: the image and what the stem makes of it.
    assert form.peak_memory_bytes == form.flash_bytes + 4 * (image + tensor)
    assert [name for _, _, name in form.launches()] == ["stem.conv", "head.conversion", "head.pool", "head.fc"]
    assert [cell for _, cell, _ in form.launches()] == [0, 1, 1, 1]
    assert [kernel.shape for kernel in form.described()][1] == "1x8x8x8 -> 1x8x8x8"


def by_trace(net: NetSpec, workload: Workload) -> dict[str, int]:
    """The whole module traced in each type; of each trace the kernels of the cells that have the type."""
    own = cell_dtypes(net, workload.dtype, role_of)
    plain = replace(net, dtypes=())
    traces = {dtype: count_net(plain, workload.with_(dtype=dtype)) for dtype in set(own)}
    kernels = [kernel for cell, dtype in enumerate(own) for kernel in traces[dtype].kernels if kernel.cell == cell]
    found = {
        "macs": sum(kernel.macs for kernel in kernels),
        "flops": sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels),
        "traffic_bytes": sum(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        "kernels": len(kernels),
    }
    for cell in range(1, len(own)):
        before, after = (stored(traces[own[place]], cell, own[place]) for place in (cell - 1, cell))
        if before.dtype != after.dtype:
            found["traffic_bytes"] += before.elements * (_BYTES[before.dtype] + _BYTES[after.dtype])
            found["kernels"] += 1
    return found


class Border:
    """The tensor between a cell and the one before, as a trace of the whole module has it."""

    def __init__(self, dtype: str, elements: int) -> None:
        self.dtype, self.elements = dtype, elements


def stored(traced: Any, cell: int, dtype: str) -> Border:
    table = traced.traced
    crossing = {
        use.value
        for row in table.rows
        if row.cell == cell
        for use in row.reads
        if table.values[use.value].producer >= 0 and table.rows[table.values[use.value].producer].cell == cell - 1
    }
    (storage,) = {table.values[value].storage for value in crossing}
    held = table.storages[storage]
    return Border("int8" if dtype == "int8" else held.dtype, held.elements)


@pytest.mark.parametrize("engine", ["generic", "onnxruntime"])
@pytest.mark.parametrize("name", SMALL)
def test_cells_are_those_of_a_trace_of_the_whole_module(name: str, engine: str) -> None:
    workload = _ENGINE.with_(engine=engine)
    for dtypes in ASKED:
        net = network(name, dtypes)
        if set(cell_dtypes(net, "float32", role_of)) == {"float32"}:
            continue
        form = network_form(_STORE, net, workload)
        found = {key: form.sums[key] for key in ("macs", "flops", "traffic_bytes")} | {"kernels": form.kernel_count}
        assert found == by_trace(net, workload), (name, dtypes)


def test_populations_mix_as_single_networks_do() -> None:
    nets = [network(name, dtypes) for name in ("RegNetX-400MF", "ResNet-50", "ViT-S-16") for dtypes in ({}, *ASKED)]
    place = CalibratedDevice(load_device("rtx-4090"))
    for workload in (_ENGINE, _ENGINE.with_(dtype="int8", engine="tensorrt", batch_size=3)):
        costs = cost_population(_STORE, Population.of(nets), workload, [place])
        for row, net in enumerate(nets):
            alone = network_form(_STORE, net, workload)
            assert {name: int(getattr(costs, name)[row]) for name in _NAMES} == {n: alone.sums[n] for n in _NAMES}
            assert costs.peak_memory_bytes[row] == alone.peak_memory_bytes
            assert costs.flash_bytes[row] == alone.flash_bytes
            assert costs.kernels[row] == alone.kernel_count
            seconds = float(alone.timed((place,)).total_s[0] @ alone.counts)
            assert costs.latency_s[0, row] == pytest.approx(seconds, rel=1e-12)


def test_one_type_by_stage_is_that_type() -> None:
    everywhere = {"stem": "int8", "block": "int8", "head": "int8"}
    mixed = network_form(_STORE, network("ResNet-50", everywhere), _ENGINE)
    plain = network_form(_STORE, network("ResNet-50"), _ENGINE.with_(dtype="int8"))
    assert mixed.sums == plain.sums
    assert mixed.peak_memory_bytes == plain.peak_memory_bytes
    assert mixed.sums != network_form(_STORE, network("ResNet-50"), _ENGINE).sums
    traced = sums_by_count(count_net(network("ResNet-50"), _ENGINE.with_(dtype="int8")))
    assert {name: mixed.sums[name] for name in _NAMES} == {name: traced[name] for name in _NAMES}


def test_the_nearest_name_counts() -> None:
    net = network("ResNet-50", {"block": "int8", "s2": "float16", "s2_b3": "float32", "head": "bfloat16"})
    assert cell_dtypes(net, "tf32", role_of) == (
        "tf32", *["int8"] * 3, "float16", "float16", "float32", "float16", *["int8"] * 9, "bfloat16",
    )  # fmt: skip
    assert near_names("head") == ("head",)
    assert near_names("s12_b3") == ("s12_b3", "s12", "block")


def test_types_are_part_of_a_network_and_of_its_fingerprint() -> None:
    plain, mixed = network("R-56"), network("R-56", {"s2": "int8", "stem": "float16"})
    assert mixed == network("R-56", {"stem": "float16", "s2": "int8"}) != plain
    nets = [plain, mixed, network("R-56", {"s2": "int8"})]
    population = Population.of(nets)
    assert list(population.specs()) == nets
    assert [fingerprint(net) for net in nets] == list(zip(*fingerprints(population).tolist(), strict=True))
    assert len({fingerprint(net) for net in nets}) == 3
    assert list(population.part(1, 3).specs()) == nets[1:]
    assert list(population.take(np.array([0, 2])).specs()) == [nets[0], nets[2]]


@pytest.mark.parametrize(
    ("dtypes", "workload", "message"),
    [
        ({"s2": "int8"}, {}, "types by stage need runtime='engine' and mode='inference', got runtime='eager'"),
        ({"s2": "int8"}, {"mode": "training"}, "got runtime='eager' and mode='training'"),
        ({"s2": "int4"}, {"runtime": "engine"}, "dtypes.s2='int4': expected one of float32"),
        ({"stage2": "int8"}, {"runtime": "engine"}, "dtypes.stage2='int8': expected a stage or cell, such as stem"),
        ({"s9": "int8"}, {"runtime": "engine"}, "dtypes.s9='int8': R-56 has stem, block, s1, s2, s3, head"),
    ],
)
def test_what_nobody_runs_is_refused(dtypes: dict[str, str], workload: dict[str, Any], message: str) -> None:
    for ask in (oracle.score, lambda net, devices, **words: oracle.score_many([net], devices, **words)):
        with pytest.raises(WorkloadError, match=message):
            ask("R-56", ["t4"], dtypes=dtypes, **workload)


def test_weights_of_their_own_stay_with_float_stages() -> None:
    words: dict[str, Any] = {"dtype": "float16", "runtime": "engine", "weights": "int4"}
    alone, mixed = (oracle.score("ViT-S-16", dtypes=dtypes, **words).flash_bytes for dtypes in ({}, {"block": "int8"}))
    blocks = {
        dtype: oracle.score("ViT-S-16", runtime="engine", dtype=dtype).flash_bytes for dtype in ("float16", "int8")
    }
    assert alone < mixed < blocks["int8"] * 1.1 < blocks["float16"]


def test_decoders_have_no_stages() -> None:
    with pytest.raises(WorkloadError, match="types by stage are for networks of images"):
        oracle.score("GPT-2", [], runtime="engine", dtypes={"block": "int8"})


def test_a_query_of_a_mixed_network() -> None:
    words: dict[str, Any] = {"engine": "tensorrt", "dtype": "float16"}
    cost = oracle.score("ResNet-50", ["t4"], dtypes={"s3": "int8"}, **words)
    assert cost.dtypes == {"s3": "int8"}
    assert cost.to_dict()["dtypes"] == {"s3": "int8"}
    assert cost.notes == ("ResNet-50 has s3 in int8, else float16",)
    kernels = {kernel.module: kernel for kernel in cost.kernels("t4")}
    assert kernels["s3_b1.f.a.conv"].dtype == "int8"
    assert kernels["s4_b1.conversion"].traffic_bytes == (1 + 2) * 1024 * 14 * 14
    assert sum(kernel.time_ms for kernel in cost.kernels("t4")) + cost.times["t4"].call_ms == pytest.approx(
        cost.latency_ms["t4"]
    )
    both = oracle.score_many(
        ["ResNet-50", oracle.load_cfg("ResNet-50", {"COST.DTYPES": {"s3": "int8"}})], ["t4"], **words
    )
    assert both.latency_ms["t4"][1] == cost.latency_ms["t4"] < both.latency_ms["t4"][0]
    assert both.roofline_ms["t4"][1] == cost.roofline_ms["t4"]
    # Tools count a mixed network as any other.
    assert oracle.score("R-56", dtypes={"s2": "int8"}, runtime="engine", convention="fvcore").macs == (
        oracle.score("R-56", convention="fvcore").macs
    )
    with pytest.raises(WorkloadError, match="only configs have stages"):
        oracle.score("torch.nn:Identity()", inputs=["1x3x8x8"], dtypes={"s3": "int8"})
