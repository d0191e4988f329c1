"""Closed form = sum over traced cells (= trace of the whole module, which test_chain holds), all integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from oracle.cells import make_cell
from oracle.cells.registry import register_cell
from oracle.closedform import TemplateStore, cost_few, cost_population
from oracle.config import cfg_from_dict, load_cfg
from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.families.population import Population
from oracle.query import score
from oracle.spec import CellSpec, NetSpec, Workload

_STORE = TemplateStore()
_DEVICE = load_device("t4")
_BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


@st.composite
def anynets(draw: st.DrawFn) -> NetSpec:
    stages = draw(st.integers(1, 3))
    group = draw(st.sampled_from([1, 4, 8]))
    widths = [group * draw(st.integers(1, 6)) * 2 for _ in range(stages)]
    return to_spec(
        cfg_from_dict(
            {
                "MODEL": {
                    "TYPE": "anynet",
                    "NUM_CLASSES": draw(st.sampled_from([1, 2, 10])),
                    "ACTIVATION_FUN": draw(st.sampled_from(["relu", "silu", "gelu"])),
                    "ACTIVATION_INPLACE": draw(st.booleans()),
                },
                "ANYNET": {
                    "STEM_TYPE": draw(st.sampled_from(["simple_stem_in", "res_stem_in", "res_stem_cifar"])),
                    "STEM_W": draw(st.sampled_from([8, 12])),
                    "BLOCK_TYPE": draw(
                        st.sampled_from(
                            ["vanilla_block", "res_basic_block", "res_bottleneck_block", "res_bottleneck_linear_block"]
                        )
                    ),
                    "DEPTHS": [draw(st.integers(1, 3)) for _ in range(stages)],
                    "WIDTHS": widths,
                    "STRIDES": [draw(st.sampled_from([1, 2])) for _ in range(stages)],
                    "BOT_MULS": [1.0] * stages,
                    "GROUP_WS": [group] * stages,
                    "SE_ON": draw(st.booleans()),
                    "HEAD_W": draw(st.sampled_from([0, 24])),
                },
                "TRAIN": {"IM_SIZE": draw(st.sampled_from([32, 37, 64]))},
            }
        )
    )


@st.composite
def effnets(draw: st.DrawFn) -> NetSpec:
    stages = draw(st.integers(1, 3))
    return to_spec(
        cfg_from_dict(
            {
                "MODEL": {"TYPE": "effnet", "NUM_CLASSES": 10, "ACTIVATION_FUN": "swish"},
                "EN": {
                    "STEM_W": 16,
                    "DEPTHS": [draw(st.integers(1, 3)) for _ in range(stages)],
                    "WIDTHS": [draw(st.sampled_from([16, 24])) for _ in range(stages)],
                    "EXP_RATIOS": [draw(st.sampled_from([1, 4, 6])) for _ in range(stages)],
                    "STRIDES": [draw(st.sampled_from([1, 2])) for _ in range(stages)],
                    "KERNELS": [draw(st.sampled_from([3, 5])) for _ in range(stages)],
                    "HEAD_W": 32,
                    "SE_R": draw(st.sampled_from([0.0, 0.25])),
                    "DC_RATIO": draw(st.sampled_from([0.0, 0.2])),
                    "DROPOUT_RATIO": draw(st.sampled_from([0.0, 0.2])),
                },
                "TRAIN": {"IM_SIZE": draw(st.sampled_from([33, 64]))},
            }
        )
    )


@st.composite
def vits(draw: st.DrawFn) -> NetSpec:
    heads, patch = draw(st.integers(1, 4)), draw(st.sampled_from([4, 8]))
    return to_spec(
        cfg_from_dict(
            {
                "MODEL": {"TYPE": "vit", "NUM_CLASSES": 10},
                "VIT": {
                    "PATCH_SIZE": patch,
                    "NUM_LAYERS": draw(st.integers(1, 4)),
                    "NUM_HEADS": heads,
                    "HIDDEN_DIM": 8 * heads,
                    "MLP_DIM": draw(st.sampled_from([16, 40])),
                    "CLASSIFIER_TYPE": draw(st.sampled_from(["token", "pooled"])),
                },
                "TRAIN": {"IM_SIZE": patch * draw(st.integers(2, 4))},
            }
        )
    )


_NETWORKS = st.one_of(anynets(), effnets(), vits())
_WORKLOADS = st.builds(
    Workload,
    batch_size=st.sampled_from([1, 3]),
    dtype=st.sampled_from(["float32", "float16"]),
    mode=st.sampled_from(["inference", "training"]),
    runtime=st.sampled_from(["eager", "compiled", "engine"]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    optimizer=st.sampled_from(["sgd", "adamw"]),
)


def assert_equal(nets: list[NetSpec], workload: Workload) -> None:
    costs = cost_population(_STORE, Population.of(nets), workload, [_DEVICE])
    fields: dict[str, Any] = {name: getattr(workload, name) for name in Workload.__dataclass_fields__}
    for row, net in enumerate(nets):
        expected = score(net, [_DEVICE], **fields)
        found = {
            name: int(getattr(costs, name)[row])
            for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes")
        }
        assert found == {name: getattr(expected, name) for name in found}, net
        assert costs.latency_s[0, row] * 1e3 == pytest.approx(expected.latency_ms["t4"], rel=1e-12)


@settings(max_examples=40)
@given(st.lists(_NETWORKS, min_size=1, max_size=3), _WORKLOADS)
def test_random_networks_cost_what_their_trace_says(nets: list[NetSpec], workload: Workload) -> None:
    assert_equal(nets, workload)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_shipped_networks_side_by_side(mode: str, layout: str) -> None:
    names = ("RegNetX-400MF", "RegNetY-200MF", "ResNet-50", "EfficientNet-B0", "ViT-S-16", "R-56")
    nets = [to_spec(load_cfg(name)) for name in names]
    assert_equal(nets, Workload(mode=mode, layout=layout, dtype="float16", batch_size=2))


@settings(max_examples=10)
@given(st.lists(_NETWORKS, min_size=1, max_size=2), st.sampled_from(["eager", "compiled", "engine"]))
def test_ints_and_arrays_agree(nets: list[NetSpec], runtime: str) -> None:
    workload = Workload(runtime=runtime, batch_size=2)
    arrays = cost_population(_STORE, Population.of(nets), workload, [_DEVICE])
    few = cost_few(_STORE, nets, workload, [_DEVICE])
    assert few is not None
    for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes"):
        assert np.array_equal(getattr(few, name), getattr(arrays, name))
    assert few.latency_s == pytest.approx(arrays.latency_s, rel=1e-12)


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


def test_numbers_beyond_62_bits_are_an_error() -> None:
    wide = CellSpec.make("vanilla_block", w_in=2**20, w_out=2**20, stride=1, **_BN)
    net = NetSpec((wide, wide), (2**20, 2**10, 2**10))
    with pytest.raises(OracleError, match="62 bits"):
        cost_population(TemplateStore(), Population.of([net, net]), Workload(batch_size=64), [])
