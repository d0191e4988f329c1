"""The planner of TFLite-Micro: by hand, against bounds, and against the arenas that TFLM 0.dev20261023 allocated."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import oracle
from oracle.arena import ALIGNMENT, Lifetime, greedy_arena
from oracle.errors import WorkloadError
from oracle.query.arenas import net_arena, table_arena
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.benchmarks._small_networks import NETWORKS

TENSORS = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 20), st.integers(0, 8)).map(
        lambda item: Lifetime(item[0], item[1], item[1] + item[2])
    ),
    max_size=12,
)


def live_peak(tensors: list[Lifetime]) -> int:
    """The most bytes alive at once, sizes aligned: no planner needs less."""
    changes: dict[int, int] = {}
    for size, first, last in tensors:
        changes[first] = changes.get(first, 0) + -(-size // ALIGNMENT) * ALIGNMENT
        changes[last + 1] = changes.get(last + 1, 0) - -(-size // ALIGNMENT) * ALIGNMENT
    top = alive = 0
    for step in sorted(changes):
        alive += changes[step]
        top = max(top, alive)
    return top


def test_tensors_that_never_meet_share_their_place() -> None:
    assert greedy_arena([Lifetime(64, 0, 1), Lifetime(64, 2, 3)]) == 64
    assert greedy_arena([Lifetime(64, 0, 1), Lifetime(64, 1, 2)]) == 128  # one is read while the other is written
    assert greedy_arena([Lifetime(1, 0, 0)]) == 16
    assert greedy_arena([]) == live_peak([]) == 0


def test_of_equal_tensors_the_later_comes_first() -> None:
    """Two residual blocks: three tensors are alive at once, and the planner takes four places.

    From the last to the first: f at 0; e meets it, 16; d meets e, 0; c meets all of them, 32; b meets c, 0; a meets b,
    16; the first meets a, b and c, 48. (From the first to the last three places would do.)
    """
    first, a, b, c = Lifetime(16, 0, 3), Lifetime(16, 1, 2), Lifetime(16, 2, 3), Lifetime(16, 3, 6)
    d, e, f = Lifetime(16, 4, 5), Lifetime(16, 5, 6), Lifetime(16, 6, 6)
    assert live_peak([first, a, b, c, d, e, f]) == 48
    assert greedy_arena([first, a, b, c, d, e, f]) == 64


def test_the_largest_comes_first_and_the_next_into_the_first_gap() -> None:
    """48 at 0; of the two of 32 the later at 0, the other above it, at 32; 16 meets all three and lies at 64."""
    assert greedy_arena([Lifetime(32, 0, 1), Lifetime(16, 1, 4), Lifetime(32, 1, 2), Lifetime(48, 3, 3)]) == 80


@given(TENSORS)
def test_no_arena_is_smaller_than_what_is_alive_or_larger_than_all(tensors: list[Lifetime]) -> None:
    arena = greedy_arena(tensors)
    assert live_peak(tensors) <= arena <= sum(-(-tensor.size // 16) * 16 for tensor in tensors)
    assert arena % 16 == 0


# bytes of the arena's head, as its recording interpreter prints them for the files of tests/benchmarks/_tflite.py
TFLM_BYTES = {
    "ResNet-8": 49152,
    "MobileNetV1 0.25": 73728,  # 55,296 are alive at once
    "DS-CNN": 16000,
    "autoencoder": 768,
    "MobileNetV2 0.35": 138240,
    "MobileNetV2 0.5": 147456,  # 138,240 are
    "NB201 residual": 65536,  # 49,152 are
    "RegNetX-200MF": 142848,
    "FBNet-C": 276480,
}


@pytest.mark.parametrize("name", TFLM_BYTES)
def test_arenas_are_those_of_the_real_planner(name: str) -> None:
    make, shape = NETWORKS[name]
    workload = Workload(dtype="int8", runtime="engine")
    table = trace_module(make().eval(), (torch.empty(shape, device="meta"),), {}, workload)
    assert table_arena(table, workload) == TFLM_BYTES[name]


def test_a_config_has_the_arena_of_its_module() -> None:
    """RegNetX-200MF at 96 pixels is live-bound: nothing is lost to gaps."""
    net = oracle.to_spec(oracle.load_cfg("RegNetX-200MF", ["TRAIN.IM_SIZE", 96]))
    assert net_arena(net, Workload(dtype="int8", runtime="engine")) == TFLM_BYTES["RegNetX-200MF"]
    assert oracle.score(net, dtype="int8", runtime="engine").sram_bytes == TFLM_BYTES["RegNetX-200MF"]


def test_arenas_are_of_engines() -> None:
    net = oracle.to_spec(oracle.load_cfg("R-56"))
    with pytest.raises(WorkloadError, match="an engine's, in inference"):
        net_arena(net, Workload())


@pytest.mark.parametrize("inplace", [False, True])  # no operator of LiteRT writes over what it reads
def test_the_arena_is_of_the_operators_that_the_engine_runs(inplace: bool) -> None:
    """LiteRT's SiLU is two: at the product 288 bytes of the convolution, as many of the sigmoid, and of the result."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(inplace))
    workload = Workload(runtime="engine", engine="litert", dtype="int8")
    table = trace_module(module, (torch.empty(1, 3, 8, 8),), {}, workload)
    assert table_arena(table, workload) == 3 * 8 * 6 * 6
    assert table_arena(table, workload.with_(engine="generic")) == 3 * 8 * 8 + 8 * 6 * 6
