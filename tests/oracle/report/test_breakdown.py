from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.query import KernelCost
from oracle.report.breakdown import GROUPINGS, ORDERS, breakdown, ordered, total


def kernel(**fields: Any) -> KernelCost:
    given_fields: dict[str, Any] = {
        "name": "aten.convolution",
        "op_class": "conv",
        "module": "s1_b1.f.a",
        "phase": "forward",
        "cell": 1,
        "dtype": "float32",
        "macs": 10,
        "flops": 20,
        "traffic_bytes": 5,
        "weight_bytes": 1,
        "time_ms": 2.0,
        "compute_ms": 2.0,
        "memory_ms": 1.0,
        "bound": "compute",
        "share": 0.5,
    }
    given_fields |= fields
    return KernelCost(intensity=given_fields["flops"] / given_fields["traffic_bytes"], **given_fields)


KERNELS = st.builds(
    kernel,
    name=st.sampled_from(["aten.convolution", "aten.convolution +2", "aten.add"]),
    op_class=st.sampled_from(["conv", "norm"]),
    module=st.sampled_from(["", "stem", "s1.a", "s1.a.b", "s1.b"]),
    phase=st.sampled_from(["forward", "backward"]),
    cell=st.integers(0, 3),
    flops=st.integers(0, 10**12),
    time_ms=st.floats(0, 1e3),
)


@given(st.lists(KERNELS, max_size=12), st.sampled_from(sorted(GROUPINGS)), st.none() | st.integers(1, 3))
def test_groups_are_the_whole(kernels: list[KernelCost], by: str, depth: int | None) -> None:
    groups = breakdown(kernels, by, depth)
    assert len({group.name for group in groups}) == len(groups)
    assert sum(group.kernels for group in groups) == len(kernels)
    for field in ("macs", "flops", "traffic_bytes", "weight_bytes"):
        assert sum(getattr(group, field) for group in groups) == sum(getattr(k, field) for k in kernels)
        assert getattr(total("", groups), field) == getattr(total("", kernels), field)
    assert total("", groups).kernels == len(kernels)


def test_names_of_groups() -> None:
    found = [
        kernel(module="s1_b1.f.a", name="aten.convolution +2"),
        kernel(module="s1_b1.f.b"),
        kernel(module="", name="aten.add", op_class="elementwise", cell=2, phase="backward"),
    ]

    def names(by: str, depth: int | None = None) -> list[str]:
        return [group.name for group in breakdown(found, by, depth)]

    assert names("module") == ["s1_b1.f.a", "s1_b1.f.b", "(network)"]
    assert names("module", 2) == ["s1_b1.f", "(network)"]
    assert names("class") == ["conv", "elementwise"]
    assert names("op") == ["aten.convolution", "aten.add"]
    assert names("phase") == ["forward", "backward"]
    assert names("cell") == ["1: s1_b1", "2: "]


def test_a_group_adds_up_its_kernels() -> None:
    group = total("x", [kernel(), kernel(flops=40, bound="memory", time_ms=2.5), kernel(time_ms=0.2)])
    assert (group.name, group.kernels, group.macs, group.flops) == ("x", 3, 30, 80)
    assert (group.traffic_bytes, group.weight_bytes) == (15, 3)
    assert group.time_ms == pytest.approx(4.7)
    assert group.intensity == pytest.approx(80 / 15)
    assert group.achieved_flops_per_s == pytest.approx(80 / 4.7e-3)
    assert group.bound == "memory"  # 2.5 ms against 2.2
    assert group.share == pytest.approx(1.5)


def test_nothing_is_a_group_of_zeros() -> None:
    group = total("none", [])
    assert (group.kernels, group.flops, group.time_ms, group.bound) == (0, 0, 0, "")
    assert group.intensity == 0
    assert group.achieved_flops_per_s == 0


def test_times_nobody_knows_stay_unknown() -> None:
    group = total("x", [kernel(time_ms=math.nan, share=math.nan, bound="")])
    assert math.isnan(group.time_ms)
    assert math.isnan(group.achieved_flops_per_s)


@pytest.mark.parametrize("order", ORDERS)
def test_orders(order: str) -> None:
    kernels = [kernel(flops=20, time_ms=1.0), kernel(flops=60, time_ms=0.5), kernel(flops=40, time_ms=3.0)]
    expected = {"order": [20, 60, 40], "time": [40, 20, 60], "flops": [60, 40, 20], "intensity": [60, 40, 20]}
    assert [found.flops for found in ordered(kernels, order)] == expected.get(order, [20, 60, 40])
