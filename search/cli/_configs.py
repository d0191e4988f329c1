"""Candidates as YAML files that `oracle score` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle.config import cost_values, to_yaml
from oracle.devices import load_device
from oracle.errors import DeviceError, OracleError
from oracle.report.export import write_text

from ..space import space_of

if TYPE_CHECKING:
    from oracle.devices import Device

    from ..report.manifests import Manifest


def configs_of(manifest: Manifest, rows: Iterable[Mapping[str, Any]], *, plain: bool = False) -> dict[str, str]:
    """`row-N` -> the config of a candidate, with the workload and the devices of its sweep.

    Args:
        manifest: of the sweep.
        rows: candidates, with all columns of the sweep's files.
        plain: without the workload and the devices, as pycls reads it.

    Raises:
        ConfigError: a space that this version cannot read.
    """
    space = space_of(manifest.setup, manifest.space, devices=[device.name for device in manifest.devices])
    keys = [key for key, _ in space.samplers]
    return {
        f"row-{row['row']}": to_yaml(
            space.cfg({key: np.array([value]) for key, value in _values(manifest, row, keys).items()}, 0),
            cost=not plain,
        )
        for row in rows
    }


def _values(manifest: Manifest, row: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    workload, foreign = manifest.workload, foreign_devices(manifest)
    return {
        **{key: row[key] for key in keys},
        "OPTIM.OPTIMIZER": workload.optimizer,
        "COST.NAME": "",  # the file's
        **{f"COST.{name}": value for name, value in cost_values(workload).items()},
        "COST.DEVICES": [device.name for device in manifest.devices if device.name not in foreign],
    }


def foreign_devices(manifest: Manifest) -> list[str]:
    """Names of the sweep's devices that are a file's: a config cannot name what does not ship, or was another then."""
    return [device.name for device in manifest.devices if not _ships(device)]


def _ships(device: Device) -> bool:
    try:
        return load_device(device.name) == device
    except DeviceError:
        return False


def write_configs(directory: str | Path, texts: Mapping[str, str]) -> None:
    """Each as a file of its name, in a directory that holds nothing else.

    Raises:
        OracleError: it holds something, or a file cannot be written.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        others = any(Path(directory).iterdir())
    except OSError as error:
        raise OracleError(f"configs={str(directory)!r}: {error.strerror or error}") from None
    if others:
        raise OracleError(f"configs={str(directory)!r} is not empty, and configs would mix; expected a new directory")
    for name, text in texts.items():
        write_text(Path(directory) / f"{name}.yaml", text)
