"""What a sweep's manifest states: workload, devices, versions, and what became of the candidates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle._files import MISSHAPEN, misshape
from oracle.calibration.files import from_yaml, to_yaml
from oracle.devices import Device, Figure, Host, Links, Peaks
from oracle.devices.model import Cluster
from oracle.errors import ConfigError, OracleError
from oracle.query.choosing import best_calibration
from oracle.query.trust import Trust, trust_of, trust_without
from oracle.spec import Workload

from ..space import Limit, Space, Tally, space_of
from ..sweep.folder import MANIFEST, Sums

_PEAKS = ("vector", "matrix", "matrix_fp16_accumulate")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished sweep, as read from its directory.

    Attributes:
        space: its name.
        setup: what `search.space.space_of` makes the space of.
        workload: what every number is for.
        devices: as they were when it ran.
        versions: of what made the numbers.
        tally: what became of the candidates.
        kept: how many of the feasible ones the files hold.
        model: what predicts latency, see `oracle.score`; those that name none are of the textbook's bound.
        own: devices that a calibration was used for which does not ship with this version.
        trust: device -> what predicts, and how far to trust it; empty for the textbook's bound.
        limits: that candidates obey; none where this version cannot read them.
    """

    space: str
    setup: Mapping[str, Any]
    workload: Workload
    devices: tuple[Device, ...]
    versions: tuple[tuple[str, str], ...]
    tally: Tally
    kept: int
    model: str
    own: tuple[str, ...]
    trust: Mapping[str, Trust]
    limits: tuple[Limit, ...] = ()


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
    except (OSError, *MISSHAPEN) as error:
        why = misshape(error) if isinstance(error, MISSHAPEN) else error.strerror
        raise OracleError(f"{path}: cannot be read as the manifest of a sweep: {why}") from None


def _read(content: Mapping[str, Any]) -> Manifest:
    identity, sums = content["identity"], Sums.read(content)
    workload = Workload(**identity["workload"])
    devices = tuple(_device(data) for data in identity["devices"].values())
    made = identity["versions"]
    versions = {"nas-cost-oracle": made["oracle"], "torch": made["torch"], "formulas": made["formulas"]}
    space = _space(identity)
    model = identity.get("model", {"name": "roofline", "calibrations": {}})
    return Manifest(
        content["name"],
        identity["space"],
        workload,
        devices,
        tuple({**versions, **content["versions"]}.items()),
        sums.tally,
        sums.found,
        model["name"],
        tuple(device.name for device in devices if _differs(model["calibrations"].get(device.name), device, workload)),
        {}
        if model["name"] == "roofline"
        else _trust(model["calibrations"], devices, workload, space.image_size if space else None),
        space.limits if space else (),
    )


def _trust(
    texts: Mapping[str, str], devices: Iterable[Device], workload: Workload, image_size: int | None
) -> dict[str, Trust]:
    """Device -> how far to trust its calibration, or the bound where there is none."""
    return {
        device.name: trust_of(from_yaml(texts[device.name], device.name), device, workload, image_size)
        if device.name in texts
        else trust_without(device, workload)
        for device in devices
    }


def _differs(text: str | None, device: Device, workload: Workload) -> bool:
    """Whether a calibration is not what ships for a device."""
    if text is None:
        return False
    shipped = best_calibration(device, workload)
    return shipped is None or to_yaml(shipped) != text


def _space(identity: Mapping[str, Any]) -> Space | None:
    """The space; None where this version cannot read it."""
    try:
        return space_of(identity["space"], devices=tuple(identity["devices"]))
    except ConfigError:
        return None


def _cluster(data: Mapping[str, Any]) -> Cluster:
    clocks = {name: data[name] and Figure(**data[name]) for name in ("clock", "boost") if name in data}
    return Cluster(**{**data, **clocks})


def _device(data: Mapping[str, Any]) -> Device:
    """A device from what `dataclasses.asdict` made of it."""
    fields: dict[str, Any] = {}
    for name, value in data.items():
        if name in _PEAKS:
            fields[name] = Peaks(tuple((dtype, Figure(**figure)) for dtype, figure in value["pairs"]))
        elif name in ("cores", "idle_cores"):
            fields[name] = tuple(map(_cluster, value))
        elif name == "host":
            fields[name] = value and Host(**value)
        elif name == "links":
            fields[name] = Links(**{kind: figure and Figure(**figure) for kind, figure in value.items()})
        elif isinstance(value, Mapping):
            fields[name] = Figure(**value)
        else:
            fields[name] = tuple(value) if isinstance(value, list) else value
    return Device(**fields)
