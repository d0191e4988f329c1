"""Profiled kernels and operators as flat rows; what was not measured is None, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oracle.imports.profiles import NetworkProfile
    from oracle.imports.roofs import OnRoofline
    from oracle.measure import KernelTime


def kernel_rows(found: Sequence[OnRoofline]) -> list[dict[str, Any]]:
    """One row per measured kernel."""
    return [
        {
            "kernel": row.kernel.name,
            "operator": row.kernel.operator or None,
            "invocations": row.kernel.invocations,
            "time_s": row.kernel.time_s,
            "flops": row.kernel.flops,
            "dram_bytes": row.kernel.dram_bytes,
            "l2_bytes": row.kernel.l2_bytes,
            "l1_bytes": row.kernel.l1_bytes,
            "achieved_flops_per_s": row.kernel.achieved_flops_per_s,
            "achieved_bytes_per_s": row.kernel.achieved_bytes_per_s,
            "intensity_flop_per_byte": row.kernel.intensity,
            "compute_roof_s": row.compute_s,
            "memory_roof_s": row.memory_s,
            "bound": row.bound or None,
            "roof_share": row.roof_share,
            "missing": "; ".join(f"{name}: {why}" for name, why in row.kernel.missing),
            "source": row.kernel.source,
        }
        for row in found
    ]


def kernel_time_rows(network: str, batch_size: int, kernels: Sequence[KernelTime]) -> list[dict[str, Any]]:
    """One row per kernel that ran in a call of a network."""
    return [{"network": network, "batch_size": batch_size, **asdict(kernel)} for kernel in kernels]


def operator_rows(profile: NetworkProfile) -> list[dict[str, Any]]:
    """One row per operator of a network."""
    return [
        {
            "network": profile.network,
            **asdict(item),
            "achieved_flops_per_s": item.achieved_flops_per_s,
            "achieved_bytes_per_s": item.achieved_bytes_per_s,
            "roof_share": item.roof_share,
        }
        for item in profile.operators
    ]
