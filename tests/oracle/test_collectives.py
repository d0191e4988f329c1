"""Collectives against NCCL's accounting, and against what was measured."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import oracle
from oracle.collectives import OPERATIONS, Link, collective_s, link_between, link_values
from oracle.devices import Figure, Links
from oracle.errors import DeviceError, WorkloadError

FREE = Link(0.0, 0.0, 0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("operation", "sent"),
    [("all_reduce", 1.75), ("all_gather", 0.875), ("reduce_scatter", 0.875), ("all_to_all", 0.875)],
)
def test_without_latencies_a_collective_takes_its_bus_bandwidth(operation: str, sent: float) -> None:
    # factors of nccl-tests' PERFORMANCE.md for eight ranks
    assert float(FREE.seconds(operation, 1e9, 8, 1e11)) == pytest.approx(sent * 1e-2)


def test_an_all_reduce_is_a_reduce_scatter_and_an_all_gather_but_for_latencies() -> None:
    both = sum(FREE.seconds(name, 1e6, 4, 1e11) for name in ("reduce_scatter", "all_gather"))
    assert float(FREE.seconds("all_reduce", 1e6, 4, 1e11)) == pytest.approx(float(both))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_gpu_sends_nothing_and_more_bytes_take_longer(operation: str) -> None:
    device = oracle.load_device("h100-sxm")
    assert float(collective_s(operation, 1e6, 1, device)) == 0.0
    seconds = collective_s(operation, 2.0 ** np.arange(8, 30), 8, device)
    assert (np.diff(seconds) > 0).all()


def test_latencies_are_cycles() -> None:
    link, _ = link_values("nvlink")
    slow, fast = (float(link.seconds("all_reduce", 0.0, 8, 1e11, clock)) for clock in (1e9, 2e9))
    assert slow == pytest.approx(2 * fast)


def test_links_join_so_many() -> None:
    h100, l40s = oracle.load_device("h100-sxm"), oracle.load_device("l40s")
    assert link_between(h100, 8) == (link_values("nvlink")[0], 450e9)
    assert link_between(oracle.load_device("gb200"), 72)[1] == 900e9
    across, bandwidth = link_between(h100, 16)
    assert (across.large_share, bandwidth) == (1.0, 50e9)
    assert link_between(l40s, 4) == (link_values("pcie")[0], 32e9)


def test_what_cannot_be_sent_is_an_error() -> None:
    h100 = oracle.load_device("h100-sxm")
    with pytest.raises(WorkloadError, match="collective='broadcast': expected one of all_reduce"):
        collective_s("broadcast", 1, 8, h100)
    with pytest.raises(DeviceError, match="states no link to others of its kind"):
        collective_s("all_reduce", 1, 2, oracle.load_device("jetson-nano"))
    alone = replace(h100, links=Links(nvlink=Figure(450e9), nvlink_gpus=Figure(8)))
    with pytest.raises(DeviceError, match=r"16 GPUs are more than NVLink joins \(8\)"):
        collective_s("all_reduce", 1, 16, alone)


@pytest.mark.parametrize(("device", "error"), [("h100-sxm", 0.17), ("a100-sxm-80gb", 0.12), ("l40s", 0.13)])
def test_measured_collectives_are_met(device: str, error: float, shared_data: Path) -> None:
    off = []
    with (shared_data / "gpu_kernels" / "collectives.csv").open() as file:
        for row in csv.DictReader(file):
            if row["device"] == device:
                size = int(row["message_size"]) * {"float16": 2, "int8": 1}[row["dtype"]]
                operation = row["collective"].replace("alltoall", "all_to_all")
                seconds = collective_s(operation, size, int(row["num_gpus"]), oracle.load_device(device))
                off.append(abs(float(seconds) * 1e3 / float(row["latency_ms"]) - 1))
    assert np.mean(off) < error
