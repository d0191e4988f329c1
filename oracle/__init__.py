"""What does this network cost on that device, before it is trained or deployed?

Every name below is loaded on first use, so that `import oracle` costs next to nothing and a command that
needs no network never waits for torch. `oracle.search` asks which network to take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from oracle import search
    from oracle.build import build, initialise
    from oracle.calibration import Calibration, load_calibration, save_calibration
    from oracle.cells import register_cell
    from oracle.config import cfg_from_dict, default_cfg, list_networks, load_cfg, workload_of
    from oracle.counting.flops import Work, register_flops
    from oracle.devices import Device, list_devices, load_device
    from oracle.errors import (
        ConfigError,
        DeviceError,
        MissingDependencyError,
        OracleError,
        TraceError,
        UnknownOperatorError,
        WorkloadError,
    )
    from oracle.families import to_spec
    from oracle.measure import Measurement, measure
    from oracle.query import (
        BatchCurve,
        BatchPoint,
        Comparison,
        Cost,
        DeviceTime,
        Fit,
        KernelCost,
        Ranking,
        Scores,
        Sensitivity,
        batch_curve,
        calibrate,
        compare,
        fit,
        knobs,
        profile,
        rank,
        score,
        score_many,
    )
    from oracle.report.frames import to_pandas, to_polars
    from oracle.serving import Parallel, Serving, ServingPoint, collective_s, serve_latency, training_memory
    from oracle.spec import CellSpec, NetSpec, Workload

    __version__: str

__all__ = [
    "BatchCurve",
    "BatchPoint",
    "Calibration",
    "CellSpec",
    "Comparison",
    "ConfigError",
    "Cost",
    "Device",
    "DeviceError",
    "DeviceTime",
    "Fit",
    "KernelCost",
    "Measurement",
    "MissingDependencyError",
    "NetSpec",
    "OracleError",
    "Parallel",
    "Ranking",
    "Scores",
    "Sensitivity",
    "Serving",
    "ServingPoint",
    "TraceError",
    "UnknownOperatorError",
    "Work",
    "Workload",
    "WorkloadError",
    "batch_curve",
    "build",
    "calibrate",
    "cfg_from_dict",
    "collective_s",
    "compare",
    "default_cfg",
    "fit",
    "initialise",
    "knobs",
    "list_devices",
    "list_networks",
    "load_calibration",
    "load_cfg",
    "load_device",
    "measure",
    "profile",
    "rank",
    "register_cell",
    "register_flops",
    "save_calibration",
    "score",
    "score_many",
    "search",
    "serve_latency",
    "to_pandas",
    "to_polars",
    "to_spec",
    "training_memory",
    "workload_of",
]


def _version() -> str:
    from oracle._versions import version_of

    return version_of("nas-cost-oracle", "0+unknown")  # a source tree that was never installed has none


def _search() -> object:
    from importlib import import_module

    return import_module("oracle.search")  # the package after all others: by name, as none imports one that follows


# The imports above once more, for the interpreter.
lazy(
    __name__,
    {
        "oracle.build": "build initialise",
        "oracle.calibration": "Calibration load_calibration save_calibration",
        "oracle.cells": "register_cell",
        "oracle.config": "cfg_from_dict default_cfg list_networks load_cfg workload_of",
        "oracle.counting.flops": "Work register_flops",
        "oracle.devices": "Device list_devices load_device",
        "oracle.errors": (
            "ConfigError DeviceError MissingDependencyError OracleError TraceError UnknownOperatorError WorkloadError"
        ),
        "oracle.families": "to_spec",
        "oracle.measure": "Measurement measure",
        "oracle.query": (
            "BatchCurve BatchPoint Comparison Cost DeviceTime Fit KernelCost Ranking Scores Sensitivity batch_curve"
            " calibrate compare fit knobs profile rank score score_many"
        ),
        "oracle.report.frames": "to_pandas to_polars",
        "oracle.serving": "Parallel Serving ServingPoint collective_s serve_latency training_memory",
        "oracle.spec": "CellSpec NetSpec Workload",
    },
    {"__version__": _version, "search": _search},
)
