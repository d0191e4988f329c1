"""Measured kernels from other people's profilers: Nsight Compute CSV and torch.profiler traces.

A counter that is missing stays missing: its quantity is None, with the reason beside it, and `require` raises
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from oracle.imports.averages import read_averages
    from oracle.imports.counted import counted_operators
    from oracle.imports.kernels import Imported, MeasuredKernel
    from oracle.imports.kineto import read_trace
    from oracle.imports.matching import match_operators
    from oracle.imports.ncu import read_ncu
    from oracle.imports.points import calibration_points
    from oracle.imports.profiles import NetworkProfile, profile_of
    from oracle.imports.replay import OperatorCall, replay
    from oracle.imports.roofs import OnRoofline, on_roofline

__all__ = [
    "Imported",
    "MeasuredKernel",
    "NetworkProfile",
    "OnRoofline",
    "OperatorCall",
    "calibration_points",
    "counted_operators",
    "match_operators",
    "on_roofline",
    "profile_of",
    "read_averages",
    "read_ncu",
    "read_trace",
    "replay",
]

# The imports above once more, for the interpreter.
lazy(
    __name__,
    {
        "oracle.imports.averages": "read_averages",
        "oracle.imports.counted": "counted_operators",
        "oracle.imports.kernels": "Imported MeasuredKernel",
        "oracle.imports.kineto": "read_trace",
        "oracle.imports.matching": "match_operators",
        "oracle.imports.ncu": "read_ncu",
        "oracle.imports.points": "calibration_points",
        "oracle.imports.profiles": "NetworkProfile profile_of",
        "oracle.imports.replay": "OperatorCall replay",
        "oracle.imports.roofs": "OnRoofline on_roofline",
    },
)
