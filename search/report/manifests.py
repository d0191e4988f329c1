"""What a sweep's manifest tells a reader: workload, devices, versions, and what became of the candidates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.calibration.files import from_yaml
from oracle.devices import Device, Figure, Peaks
from oracle.errors import OracleError
from oracle.query.models import Trust, trust_of
from oracle.spec import Workload

from ..space import Tally
from ..sweep.folder import MANIFEST, Sums

__all__ = ["Manifest", "manifest_beside"]

_PEAKS = ("vector", "matrix", "matrix_fp16_accumulate")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished sweep, as its directory tells it.

    Attributes:
        space: its name.
        setup: what `search.space.space_of` makes the space of.
        workload: what every number is for.
        devices: as they were when it ran.
        versions: of what made the numbers.
        tally: what became of the candidates.
        kept: how many of the feasible ones the files hold.
        trust: device -> what predicts, and how far to trust it; empty for the textbook's bound.
    """

    space: str
    setup: Mapping[str, Any]
    workload: Workload
    devices: tuple[Device, ...]
    versions: tuple[tuple[str, str], ...]
    tally: Tally
    kept: int
    trust: Mapping[str, Trust]


def manifest_beside(file: Path) -> Manifest | None:
    """The manifest of the sweep that a file of candidates belongs to; None for a file of somebody's own.

    Raises:
        OracleError: there is one, and this version cannot read it.
    """
    path = file.parent / MANIFEST
    if not path.is_file():
        return None
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OracleError(f"{path}: cannot be read as the manifest of a sweep: {error}") from None


def _read(content: Mapping[str, Any]) -> Manifest:
    identity, sums = content["identity"], Sums.read(content)
    workload = Workload(**identity["workload"])
    devices = tuple(_device(data) for data in identity["devices"].values())
    made = identity["versions"]
    versions = {"nas-cost-oracle": made["oracle"], "torch": made["torch"], "formulas": made["formulas"]}
    texts = identity.get("model", {}).get("calibrations", {})
    return Manifest(
        content["name"],
        identity["space"],
        workload,
        devices,
        tuple({**versions, **content["versions"]}.items()),
        sums.tally,
        sums.found,
        {
            device.name: trust_of(from_yaml(texts[device.name], device.name), device, workload)
            for device in devices
            if device.name in texts
        },
    )


def _device(data: Mapping[str, Any]) -> Device:
    """A device from what `dataclasses.asdict` made of it."""
    fields: dict[str, Any] = {}
    for name, value in data.items():
        if name in _PEAKS:
            fields[name] = Peaks(tuple((dtype, Figure(**figure)) for dtype, figure in value["pairs"]))
        elif isinstance(value, Mapping):
            fields[name] = Figure(**value)
        else:
            fields[name] = tuple(value) if isinstance(value, list) else value
    return Device(**fields)
