"""Devices however they were named; files are parsed once, until they change."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from oracle.devices import Device, load_device
from oracle.devices.files import is_path


def find_devices(devices: Iterable[str | Path | Device]) -> list[Device]:
    """Load devices by name or path, each once, in the order given.

    Raises:
        DeviceError: an unknown name, or a broken file.
    """
    if isinstance(devices, (str, Path, Device)):
        devices = [devices]
    found: dict[str, Device] = {}
    for device in devices:
        loaded = device if isinstance(device, Device) else _load(str(device), _modified_ns(str(device)))
        found.setdefault(loaded.name, loaded)
    return list(found.values())


def _modified_ns(source: str) -> int:
    """When a file changed last; 0 for a shipped device, which does not, or where there is no file."""
    if not is_path(source):
        return 0
    try:
        return os.stat(source).st_mtime_ns  # noqa: PTH116 - a Path would take longer than some queries do
    except OSError:
        return 0


@lru_cache(maxsize=1024)
def _load(source: str, _modified_ns: int) -> Device:
    return load_device(source)
