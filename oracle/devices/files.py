"""Find and read device files, by the name or alias of a shipped device or by the path of a user's file."""

from __future__ import annotations

import reprlib
from functools import lru_cache
from pathlib import Path

from oracle._resources import Stamp, closest, find_config, shipped, stamp_of
from oracle.devices.model import Device
from oracle.devices.parsing import parse_device
from oracle.errors import DeviceError


def list_devices() -> tuple[str, ...]:
    """List the names of the shipped devices, sorted; reads no file.

    Examples:
        >>> import oracle
        >>> "rtx-4090" in oracle.list_devices()
        True
    """
    return tuple(sorted(shipped("devices")))


def is_path(name: str | Path) -> bool:
    """Whether it names a file rather than a shipped device: a `Path`, or text with a YAML suffix or a separator."""
    return isinstance(name, Path) or name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name


def load_device(name: str | Path) -> Device:
    """Load a device by the name or alias of a shipped one, or from a YAML file.

    Args:
        name: such as "rtx-4090"; or a path, which is a `Path`, or text that ends in .yaml or .yml or has a separator.

    Returns:
        The device, figures in SI units (FLOP/s, byte/s, byte, Hz, s, W), each with its source.

    Raises:
        DeviceError: no such device or file, or a file that breaks a rule stated in `oracle.devices`.

    Examples:
        >>> import oracle
        >>> device = oracle.load_device("t4")
        >>> device.memory.value / 2**30, device.kind
        (16.0, 'datacenter-gpu')
    """
    if not isinstance(name, (str, Path)):
        raise DeviceError(f"device={reprlib.repr(name)}: expected a name or the path of a YAML file")
    device, file = _found(name)
    if device.host is not None:
        _check_host(device.host.name, file)
    return device


def _check_host(name: str, file: Path) -> None:
    """Complain of a HOST that is no processor; its own HOST, if it has one, matters to nobody."""
    try:
        reason = "" if _found(name)[0].cores else "states no cores; expected a processor that does, such as i7-13700k"
    except DeviceError as error:
        reason = str(error)
    if reason:
        raise DeviceError(f"{file}: HOST={reprlib.repr(name)}: {reason}")


def _found(name: str | Path) -> tuple[Device, Path]:
    """The device, and the file that describes it."""
    if isinstance(name, Path) or is_path(name):
        return _read(Path(name)), Path(name)
    path = find_config("devices", name)
    if path:
        return _read(path), path
    lowered = name.lower()
    texts = {file: file.read_text(encoding="utf-8") for file in shipped("devices").values()}
    # parsing every file for one alias would take ten times as long, so only those that have the word in them
    for file in (file for file, text in texts.items() if lowered in text):
        device = _read(file)
        if lowered in device.aliases:
            return device, file
    aliases = [alias for file, text in texts.items() if "ALIASES:" in text for alias in _read(file).aliases]
    near = closest(name, [*list_devices(), *aliases])
    raise DeviceError(
        f"device={reprlib.repr(name)} is unknown{near or '.'} `oracle devices` lists all; "
        "the path of a YAML file works too"
    )


def _read(path: Path) -> Device:
    stamp = stamp_of(path)
    return _kept(str(path), stamp) if stamp else _parsed(path)


@lru_cache(maxsize=256)
def _kept(path: str, _stamp: Stamp) -> Device:
    return _parsed(Path(path))


def _parsed(path: Path) -> Device:
    from oracle.devices.reading import mapping_in

    try:
        content = mapping_in(path)
    except ValueError as error:
        raise DeviceError(f"{path}: {error}") from None
    return parse_device(content, path.stem, str(path))
