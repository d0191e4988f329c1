"""Matched kernels as points to calibrate a device with: each a network of its own, and its seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oracle.calibration import RoofTimes, kernel_class, roof_times
from oracle.counting import KernelCount
from oracle.counting.fusion import main_row
from oracle.counting.networks import NetCount
from oracle.devices import Device
from oracle.imports.matching import Matching
from oracle.optable import OpTable
from oracle.products import Products, product_of
from oracle.roofline import TEXTBOOK, Efficiency, KernelKinds

Floats = NDArray[np.float64]


def calibration_points(
    matching: Matching, count: NetCount, device: Device, runner: str, cut: Efficiency = TEXTBOOK
) -> tuple[list[RoofTimes], list[float]]:
    """What `oracle.calibration.fit` takes: roof times and measured seconds, one entry per match.

    Args:
        matching: of a trace with the kernels of `count`; matches that took no time are left out.
        count: of the network that was traced.
        device: the one that was traced; its roofs count.
        runner: what ran, as `oracle.spec.Workload.runner` says.
        cut: how the device cuts products, see `oracle.calibration.roof_times`.

    Raises:
        DeviceError: it states no peak for a dtype that was used.
    """
    timed = [match for match in matching.matches if match.seconds > 0]
    rows = [roof_times_of(match.kernels, count, device, runner, cut) for match in timed]
    return rows, [match.seconds for match in timed]


def roof_times_of(
    kernels: Sequence[KernelCount], count: NetCount, device: Device, runner: str, cut: Efficiency = TEXTBOOK
) -> RoofTimes:
    """Kernels of a counted network, as what runs them has them, at the roofs of a device which cuts products so."""
    kinds, matrix, vector, traffic, weights = kernel_columns(kernels, count, runner)
    products = products_of(kernels, count.table) if cut.tiled else None
    return roof_times(kinds, matrix, vector, traffic, device, weights, cut=cut, products=products)


def kernel_columns(
    kernels: Sequence[KernelCount], count: NetCount, runner: str
) -> tuple[KernelKinds, Floats, Floats, Floats, Floats]:
    """Kernels of a counted network as rooflines take them.

    Returns:
        Their kinds, with the classes that calibrations tell apart; matrix FLOPs, vector FLOPs, bytes, and those of
        weights, each (kernels,).
    """
    kinds = KernelKinds(
        tuple(kernel_class(count.table, kernel.rows, runner) for kernel in kernels),
        tuple(kernel.matrix_dtype for kernel in kernels),
        tuple(kernel.vector_dtype for kernel in kernels),
    )
    return (
        kinds,
        np.array([kernel.matrix_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.vector_flops for kernel in kernels], dtype=np.float64),
        np.array([kernel.read_bytes + kernel.write_bytes for kernel in kernels], dtype=np.float64),
        np.array([kernel.weight_bytes for kernel in kernels], dtype=np.float64),
    )


def products_of(kernels: Sequence[KernelCount], table: OpTable) -> Products:
    """The products of kernels of a counted network, those that a device cuts."""
    return Products.of(
        product_of(kernel.name, *table.rows[main_row(table, kernel.rows)].main_shapes) if kernel.matrix_flops else None
        for kernel in kernels
    )
