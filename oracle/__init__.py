"""What does this network cost on that device, before it is trained or deployed?

Every name below is loaded on first use, so that `import oracle` costs next to nothing and a command that
needs no network never waits for torch.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracle.build import build, initialise
    from oracle.config import default_cfg, list_networks, load_cfg, workload_of
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
    from oracle.measure import measure
    from oracle.query import Cost, Fit, Ranking, Scores, calibrate, fit, profile, rank, score, score_many
    from oracle.report.frames import to_pandas, to_polars
    from oracle.spec import CellSpec, NetSpec, Workload

    __version__: str

__all__ = [
    "CellSpec",
    "ConfigError",
    "Cost",
    "Device",
    "DeviceError",
    "Fit",
    "MissingDependencyError",
    "NetSpec",
    "OracleError",
    "Ranking",
    "Scores",
    "TraceError",
    "UnknownOperatorError",
    "Work",
    "Workload",
    "WorkloadError",
    "build",
    "calibrate",
    "default_cfg",
    "fit",
    "initialise",
    "list_devices",
    "list_networks",
    "load_cfg",
    "load_device",
    "measure",
    "profile",
    "rank",
    "register_flops",
    "score",
    "score_many",
    "to_pandas",
    "to_polars",
    "to_spec",
    "workload_of",
]

# The imports above once more, for the interpreter.
_ROOMS = {
    "oracle.build": ("build", "initialise"),
    "oracle.config": ("default_cfg", "list_networks", "load_cfg", "workload_of"),
    "oracle.counting.flops": ("Work", "register_flops"),
    "oracle.devices": ("Device", "list_devices", "load_device"),
    "oracle.errors": (
        "ConfigError",
        "DeviceError",
        "MissingDependencyError",
        "OracleError",
        "TraceError",
        "UnknownOperatorError",
        "WorkloadError",
    ),
    "oracle.families": ("to_spec",),
    "oracle.measure": ("measure",),
    "oracle.query": ("Cost", "Fit", "Ranking", "Scores", "calibrate", "fit", "profile", "rank", "score", "score_many"),
    "oracle.report.frames": ("to_pandas", "to_polars"),
    "oracle.spec": ("CellSpec", "NetSpec", "Workload"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}


class _Package(ModuleType):
    """Keeps a public name from being replaced by the submodule of the same name.

    Python binds a submodule to its package once it is imported: without this, `oracle.build` would be the
    function or the module depending on who imported what before.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nas-cost-oracle")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


if not TYPE_CHECKING:  # a type checker that saw it would accept every misspelt name

    def __getattr__(name: str) -> object:
        if name == "__version__":
            return _version()
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value  # asked once, an ordinary attribute from then on
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
