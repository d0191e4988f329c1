"""Roofs: the peaks that kernels can reach, and the bandwidths below which they stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

import oracle
from oracle.devices import Figure, load_device
from oracle.report.roofs import Slope, ceilings, slopes


def test_peaks_are_those_that_take_part_the_highest_first() -> None:
    device = load_device("t4")
    found = ceilings(device, oracle.score("R-56", ["t4"], dtype="float16").kernels("t4"))
    # published: 65.1 TFLOP/s of the tensor cores in float16, 8.14 of the others in float32, which pointwise work runs in
    assert [ceiling.flops_per_s for ceiling in found] == pytest.approx([65.1e12, 8.14e12], rel=1e-3)
    assert "matrix unit" in found[0].name
    assert "vector unit" in found[1].name
    assert found[0].ridge == pytest.approx(65.1e12 / 320e9, rel=1e-3)


def test_without_a_matrix_unit_for_the_dtype_all_runs_on_the_vector_unit() -> None:
    device = load_device("t4")
    (only,) = ceilings(device, oracle.score("R-56", ["t4"]).kernels("t4"))
    assert (only.name, only.flops_per_s) == ("float32, vector unit", device.peak_flops("vector", "float32"))


def test_no_textbook_kernel_is_above_its_roofs() -> None:
    device = load_device("rtx-4090")
    kernels = oracle.score("R-56", [device], batch_size=64, dtype="float16").kernels("rtx-4090")
    peak, rate = ceilings(device, kernels)[0].flops_per_s, slopes(device)[0].bytes_per_s
    for kernel in kernels:
        assert kernel.achieved_flops_per_s <= min(peak, rate * kernel.intensity) * (1 + 1e-9)


def test_the_cache_has_a_slope_where_its_bandwidth_is_stated() -> None:
    device = load_device("t4")
    assert slopes(device) == (Slope("memory", 320e9),)
    cached = replace(device, llc_bandwidth=Figure(1280e9, "measured"))
    assert slopes(cached)[1] == Slope("last-level cache", 1280e9)
