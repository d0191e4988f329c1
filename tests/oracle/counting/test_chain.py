"""The sum over cells is a trace of the whole module, to the last integer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from oracle.config import load_cfg
from oracle.counting import KernelCount
from oracle.counting.chain import _trace_cell, count_net, count_table, trace_whole
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.spec import Workload

# One network of each family and block; the full sweep is tests/benchmarks/equality.py.
_NAMES = ("RegNetX-200MF", "RegNetY-200MF", "ResNet-50", "R-56", "EfficientNet-B0", "ViT-S-16")
_WORKLOADS = [
    Workload(batch_size=2),
    Workload(runtime="compiled", dtype="float16", layout="nhwc"),
    Workload(runtime="engine", dtype="int8"),
    Workload(mode="training", batch_size=2),
    Workload(mode="training", runtime="compiled", dtype="float16", optimizer="adamw"),
    Workload(mode="training", runtime="engine", layout="nhwc"),
]


def numbers(kernel: KernelCount) -> tuple[Any, ...]:
    """Everything of a kernel but the cell's number and rows, which a table on its own has otherwise."""
    return kernel[:4] + kernel[5:-1]


@pytest.mark.parametrize("workload", _WORKLOADS, ids=lambda w: f"{w.mode}-{w.runtime}-{w.dtype}-{w.layout}")
@pytest.mark.parametrize("name", _NAMES)
def test_cells_add_up_to_the_whole(name: str, workload: Workload) -> None:
    net = to_spec(load_cfg(name))
    cells, whole = count_net(net, workload), count_table(trace_whole(net, workload), workload)
    assert Counter(map(numbers, cells.kernels)) == Counter(map(numbers, whole.kernels))
    assert (cells.params, cells.activations) == (whole.params, whole.activations)
    assert cells.memory == whole.memory
    assert cells.coverage == whole.coverage
    assert cells.unknown == whole.unknown == ()


def test_kernels_come_in_the_order_they_run() -> None:
    kernels = count_net(to_spec(load_cfg("R-56")), Workload(mode="training")).kernels
    phases = [kernel.phase for kernel in kernels]
    assert sorted(phases, key=("forward", "backward", "optimizer").index) == phases
    forward = [kernel.cell for kernel in kernels if kernel.phase == "forward"]
    backward = [kernel.cell for kernel in kernels if kernel.phase == "backward"]
    assert forward == sorted(forward)
    assert backward == sorted(backward, reverse=True)
    assert kernels[0].module == "stem.conv"
    assert backward[0] == forward[-1] == len(to_spec(load_cfg("R-56")).cells)  # the loss


@pytest.mark.parametrize("batch_size", [10**16, 10**18, 2**63, 10**30])
def test_images_beyond_64_bits_are_an_error(batch_size: int) -> None:
    with pytest.raises(OracleError, match=f"batch_size={batch_size}.* exceed 64 bits"):
        count_net(to_spec(load_cfg("R-56")), Workload(batch_size=batch_size))


def test_equal_cells_are_traced_once() -> None:
    net = to_spec(load_cfg("R-110"))
    workload = Workload(batch_size=7)
    before = _trace_cell.cache_info().misses
    count_net(net, workload)
    distinct = len(set(net.cells))
    assert distinct < len(net.cells) // 5
    assert _trace_cell.cache_info().misses - before <= distinct + 2  # the first of a stage sees another image
    count_net(net, workload.with_(runtime="compiled"))
    assert _trace_cell.cache_info().misses - before <= distinct + 2
