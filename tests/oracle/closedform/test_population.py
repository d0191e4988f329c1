"""Closed form, alone and in a population = trace of the whole module, all integers."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oracle.cells import make_cell
from oracle.cells.registry import register_cell
from oracle.closedform import CalibratedDevice, TemplateStore, cost_population, costs_of, evaluate, network_form
from oracle.closedform.library import library
from oracle.config import cfg_from_dict, load_cfg
from oracle.counting.networks import count_table, trace_whole
from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.families.many import population_of
from oracle.families.population import CellArray, Population
from oracle.query import score
from oracle.roofline import steady
from oracle.spec import CellSpec, NetSpec, Workload
from tests.benchmarks.equality import sums_by_count
from tests.nightly import examples, unless
from tests.oracle.closedform.members import FAMILIES, WORKLOADS, runs

_STORE = TemplateStore(library())
_PLACE = CalibratedDevice(load_device("rtx-4090"))  # the fewest dtypes are missing there
_NETWORKS = st.one_of(FAMILIES.values())
_BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def assert_equal(nets: list[NetSpec], workload: Workload) -> None:
    """By whole templates, as for few candidates, by their parts, as for many, and one by one."""
    columns = []
    for few in (evaluate._FEW, 0):
        with mock.patch.object(evaluate, "_FEW", few):
            columns.append(cost_population(_STORE, Population.of(nets), workload, [_PLACE]))
    for row, net in enumerate(nets):
        traced = sums_by_count(count_table(trace_whole(net, workload), workload))
        alone = network_form(_STORE, net, workload)
        names = ("macs", "flops", "params", "activations", "traffic_bytes")
        found = [{name: alone.sums[name] for name in names} | {"peak_memory_bytes": alone.peak_memory_bytes}]
        found += [{name: int(getattr(costs, name)[row]) for name in (*names, "peak_memory_bytes")} for costs in columns]
        assert found == [traced] * 3, net
        seconds = [costs.latency_s[0, row] for costs in columns] + [costs_of([alone], (_PLACE,)).latency_s[0, 0]]
        assert len({float(steady(value)) for value in seconds}) == 1, net


@examples(12)
@given(st.lists(_NETWORKS, min_size=2, max_size=3), WORKLOADS)
def test_random_networks_cost_what_their_trace_says(nets: list[NetSpec], workload: Workload) -> None:
    assert_equal([net for net in nets if runs(net, workload)], workload)


@pytest.mark.nightly
@examples(200)
@given(st.lists(_NETWORKS, min_size=1, max_size=3), WORKLOADS)
def test_many_random_networks_cost_what_their_trace_says(nets: list[NetSpec], workload: Workload) -> None:
    assert_equal([net for net in nets if runs(net, workload)], workload)


@pytest.mark.parametrize(
    ("mode", "layout"),
    unless(
        {("inference", "nhwc"), ("training", "nchw")}.__contains__,
        product(("inference", "training"), ("nchw", "nhwc")),
    ),
)
def test_shipped_networks_side_by_side(mode: str, layout: str) -> None:
    names = ("RegNetX-400MF", "RegNetY-200MF", "ResNet-50", "EfficientNet-B0", "ViT-S-16", "R-56")
    nets = [to_spec(load_cfg(name)) for name in names]
    assert_equal(nets, Workload(mode=mode, layout=layout, dtype="float16", batch_size=2))


@pytest.mark.parametrize("runtime", unless("compiled".__eq__, ["eager", "compiled", "engine"]))
def test_runs_of_different_lengths_side_by_side(runtime: str) -> None:
    """Each encoder of a run may be handed another gradient; the shorter run ends first."""
    nets = [_vit(layers, hidden) for layers, hidden in ((3, 16), (4, 24), (1, 8))]
    assert_equal(nets, Workload(mode="training", runtime=runtime))


def _vit(layers: int, hidden: int, heads: int = 2) -> NetSpec:
    keys = {"PATCH_SIZE": 8, "NUM_LAYERS": layers, "NUM_HEADS": heads, "HIDDEN_DIM": hidden, "MLP_DIM": 16}
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "vit"}, "VIT": keys, "TRAIN": {"IM_SIZE": 16}}))


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_equal_cells_on_smaller_and_smaller_images_are_no_repetitions(mode: str) -> None:
    nets = [_shrinking(stages) for stages in (1, 3, 4)]
    assert_equal(nets, Workload(mode=mode))


def _shrinking(stages: int) -> NetSpec:
    keys = {
        "STEM_TYPE": "res_stem_cifar",
        "STEM_W": 16,
        "BLOCK_TYPE": "vanilla_block",
        "DEPTHS": [1] * stages,
        "WIDTHS": [16] * stages,
        "STRIDES": [2] * stages,
    }
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "anynet"}, "ANYNET": keys, "TRAIN": {"IM_SIZE": 37}}))


@register_cell("test_specialising")
class _Specialising(nn.Module):
    """A cell that symbols cannot follow: it loops over a width."""

    def __init__(self, w_in: int) -> None:
        super().__init__()
        self.lines = nn.ModuleList(nn.Linear(8, 8, device="meta") for _ in range(int(w_in)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for line in self.lines:
            x = line(x)
        return x


def test_cells_without_a_closed_form_are_traced_one_by_one() -> None:
    nets = [NetSpec((CellSpec.make("test_specialising", w_in=width),), (4, 8)) for width in (2, 3, 3, 5)]
    assert make_cell(nets[0].cells[0]) is not None
    assert_equal(nets, Workload())


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_cells_that_are_repeated_no_time_cost_nothing(mode: str, layout: str) -> None:
    stem = CellSpec.make("simple_stem_in", w_in=3, w_out=16, **_BN)
    narrow = CellSpec.make("vanilla_block", w_in=16, w_out=32, stride=2, **_BN)
    wide = CellSpec.make("vanilla_block", w_in=32, w_out=32, stride=1, **_BN)
    heads = [CellSpec.make("head", w_in=w, head_w=0, num_classes=8, dropout=0.0, **_BN) for w in (32, 16)]
    nets = [NetSpec((stem, narrow, wide, wide, heads[0]), (3, 32, 32)), NetSpec((stem, heads[1]), (3, 32, 32))]
    rows = np.arange(2)
    places = [
        CellArray(stem.kind, stem.params, rows, np.array([1, 1])),
        CellArray(narrow.kind, narrow.params, rows, np.array([1, 0])),
        CellArray(wide.kind, wide.params, rows[:1], np.array([2])),
        CellArray("head", (("w_in", np.array([32, 16])), *heads[0].params[1:]), rows, np.array([1, 1])),
    ]
    population = Population(2, (3, 32, 32), tuple((place,) for place in places))
    assert list(population.specs()) == nets
    workload = Workload(mode=mode, layout=layout, dtype="float16", batch_size=2)
    found, expected = (
        cost_population(_STORE, asked, workload, [_PLACE]) for asked in (population, Population.of(nets))
    )
    for name in ("macs", "flops", "params", "activations", "traffic_bytes", "pycls_macs", "peak_memory_bytes"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name
    assert found.latency_s == pytest.approx(expected.latency_s, rel=1e-12)


def test_cells_that_are_not_there_may_be_too_large() -> None:
    stages = {"STRIDES": [1], "DEPTHS": [1], "WIDTHS": [8], "STEM_W": 8}
    anynet = {"STEM_TYPE": "res_stem_cifar", "BLOCK_TYPE": "res_basic_block", **stages}
    cfg = cfg_from_dict({"MODEL": {"TYPE": "anynet"}, "TRAIN": {"IM_SIZE": 64}, "ANYNET": anynet})
    columns = {"ANYNET.DEPTHS": np.array([[1], [2]] * 20), "ANYNET.WIDTHS": np.array([[16384], [8]] * 20)}
    population, _, _ = population_of(cfg, columns)
    assert any(not group.counts.all() for place in population.places for group in place)
    found = cost_population(_STORE, population, Workload(batch_size=4096), [])
    assert found.macs[0] == score(population.spec(0), batch_size=4096).macs


def test_numbers_beyond_62_bits_are_an_error() -> None:
    wide = CellSpec.make("vanilla_block", w_in=2**20, w_out=2**20, stride=1, **_BN)
    net = NetSpec((wide, wide), (2**20, 2**10, 2**10))
    with pytest.raises(OracleError, match="62 bits"):
        cost_population(TemplateStore(library()), Population.of([net, net]), Workload(batch_size=64), [])
