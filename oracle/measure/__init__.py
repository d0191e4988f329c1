"""Measured on this host: latency of real networks, their operators, and the roofs of the machine itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from oracle.measure.device_file import device_yaml
    from oracle.measure.latency import measure
    from oracle.measure.measurement import Measurement, measurements_csv, read_measurements, write_measurements
    from oracle.measure.operators import KernelTime, NetworkProfile, OperatorTime, measure_kernels, measure_operators
    from oracle.measure.probing import probe
    from oracle.measure.stopwatch import places

__all__ = [
    "KernelTime",
    "Measurement",
    "NetworkProfile",
    "OperatorTime",
    "device_yaml",
    "measure",
    "measure_kernels",
    "measure_operators",
    "measurements_csv",
    "places",
    "probe",
    "read_measurements",
    "write_measurements",
]

# The imports above once more, for the interpreter.
lazy(
    __name__,
    {
        "oracle.measure.device_file": "device_yaml",
        "oracle.measure.latency": "measure",
        "oracle.measure.measurement": "Measurement measurements_csv read_measurements write_measurements",
        "oracle.measure.operators": "KernelTime NetworkProfile OperatorTime measure_kernels measure_operators",
        "oracle.measure.probing": "probe",
        "oracle.measure.stopwatch": "places",
    },
)
