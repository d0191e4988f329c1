"""What a sweep is: everything its candidates and their numbers depend on, as a value and as plain data."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import oracle
from oracle.calibration import Calibration
from oracle.calibration.files import from_yaml, to_yaml
from oracle.closedform.store import fingerprint
from oracle.devices import Device
from oracle.errors import OracleError
from oracle.query.choosing import best_calibration
from oracle.spec import Workload

from ..limits import OracleLimits
from ..space import Space

FORMATS = ("csv", "parquet")
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sweep.

    Attributes:
        space: candidates, limits, seed, chunk size.
        devices: to predict for, those of the limits among them.
        workload: what every number is for.
        wanted: feasible candidates after which to stop, 0 for the whole stream.
        formats: of the parts and the result, some of `FORMATS`.
        model: what predicts latency, see `oracle.score`.
        calibrations: the user's own, as the content of their files: plain text reaches every worker.
    """

    space: Space
    devices: tuple[Device, ...]
    workload: Workload
    wanted: int
    formats: tuple[str, ...]
    model: str = "best"
    calibrations: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[Calibration, ...]:
        """The user's own calibrations."""
        return tuple(_calibration(text) for text in self.calibrations)

    @property
    def limits(self) -> OracleLimits:
        """What candidates must obey, on which devices and by which predictions, as one value."""
        return OracleLimits(self.space.limits, self.space, self.devices, self.workload, self.model, self.own)


def identity(plan: Plan) -> dict[str, Any]:
    """What must be equal for two runs to be the same sweep, as JSON would give it back."""
    sources = {"oracle": oracle.__version__, "torch": _version("torch"), "formulas": fingerprint()[:16]}
    data = {
        "space": {"SETUP": plan.space.setup},
        "workload": plan.workload.to_dict(),
        "devices": {device.name: asdict(device) for device in plan.devices},
        "wanted": plan.wanted,
        "formats": list(plan.formats),
        "versions": sources,
    }
    if plan.model != "roofline":
        # Whose shares were used, also where they are the shipped ones: those of another version are another sweep.
        used = {device.name: best_calibration(device, plan.workload, plan.own) for device in plan.devices}
        texts = {name: to_yaml(item) for name, item in used.items() if item is not None}
        data["model"] = {"name": plan.model, "calibrations": texts}
    plain: dict[str, Any] = json.loads(json.dumps(data))
    return plain


@lru_cache(maxsize=64)
def _calibration(text: str) -> Calibration:
    return from_yaml(text, "calibration")


def versions() -> dict[str, str]:
    """Of what else took part; a sweep may go on under others."""
    return {"python": platform.python_version(), "numpy": _version("numpy"), "pyarrow": _version("pyarrow")}


def refuse_other(place: str, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Complain if a directory holds another sweep.

    Raises:
        OracleError: naming what differs, key by key.
    """
    found = list(_differences(recorded, wanted, ()))
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise OracleError(
            f"out={place!r} holds another sweep: {'; '.join(found[:_SHOWN])}{more}; choose another directory"
        )


def _differences(old: Any, new: Any, path: Sequence[str]) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [*old, *(name for name in new if name not in old)]
        return [line for name in names for line in _differences(old.get(name), new.get(name), (*path, name))]
    name = "n" if path == ("wanted",) else ".".join(path)  # as it is asked for
    return [] if old == new else [f"{name} is {_short(old)} there and {_short(new)} here"]


def _short(value: Any) -> str:
    if isinstance(value, Mapping) or (isinstance(value, str) and "\n" in value):
        return "set"  # a whole device, a calibration's file
    text = "not set" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
