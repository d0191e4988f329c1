"""Which networks and devices the arguments mean."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.errors import ConfigError, DeviceError, OracleError

if TYPE_CHECKING:
    from oracle.devices import Device

_SHIPPED = ("configs", "networks")  # where a checkout has what an installed oracle carries inside
_MOST_OTHERS = 20_000  # files that are no YAML beside networks, such as their weights


def expand(names: Iterable[str]) -> list[str]:
    """Names and files as they are, directories replaced by every YAML file below them, sorted.

    A directory is looked for here first, then among the shipped networks: both `configs/networks/regnetx` and
    `regnetx` are found from anywhere.

    Raises:
        ConfigError: a directory without YAML files.
    """
    found: list[str] = []
    for name in names:
        path = _here(name) or _shipped(name)
        if path is None or path.is_file():
            found.append(name if path is None else str(path))
            continue
        files = _yaml_files(path) or _yaml_files(_shipped(name))  # a directory of results may have a shipped one's name
        if not files:
            raise ConfigError("no YAML file in this directory", file=name)
        found += files
    return found


def only(found: Sequence[str], command: str, given: str) -> str:
    """The network of a command that takes one.

    Raises:
        OracleError: several; it names the first.
    """
    if len(found) == 1:
        return found[0]
    from oracle._resources import find_config

    first = Path(found[0])
    shown = first.stem if find_config("networks", first.stem) == first else first
    raise OracleError(f"{given}: {command} takes one network, such as {shown}; here are {len(found)}")


def configs_of(names: Iterable[str], what: str) -> list[str]:
    """The same for what needs configs.

    Args:
        names: as people write them.
        what: what needs configs, to start an error with.

    Raises:
        OracleError: a network that is no config.
    """
    from oracle.sources.references import is_reference

    found = expand(names)
    for name in found:
        if is_reference(name):
            raise OracleError(f"network={name!r}: {what} configs (YAML files and shipped names), and this is none")
    return found


def _yaml_files(folder: Path | None) -> list[str]:
    """Every YAML file below a directory, sorted; directories that cannot be read have none.

    Raises:
        ConfigError: so much else is below it that it is no directory of configs: a home, or the root.
    """
    found, others = list[str](), 0
    for root, _, names in () if folder is None else os.walk(folder):
        own = [str(Path(root, name)) for name in names if Path(name).suffix in (".yaml", ".yml")]
        found += own
        others += len(names) - len(own)
        if others > _MOST_OTHERS:
            many = f"more than {_MOST_OTHERS} files that are no YAML below this directory"
            raise ConfigError(f"{many}; expected one of networks", file=str(folder))
    return sorted(found)


def _here(name: str) -> Path | None:
    """A directory in the file system."""
    try:
        return Path(name) if name and Path(name).is_dir() else None  # no name is no working directory
    except OSError:  # a name too long for a file's
        return None


def _shipped(name: str) -> Path | None:
    """A shipped directory or, by a path as in a checkout, a shipped file."""
    from oracle._resources import shipped_dir

    parts = Path(name).parts
    inside = parts[len(_SHIPPED) :] if parts[: len(_SHIPPED)] == _SHIPPED else parts
    root = shipped_dir() / "networks"
    try:
        if not parts or Path(name).is_file() or ".." in parts or Path(name).is_absolute():
            return None
        if root.joinpath(*inside).is_file() and inside != parts:
            return root.joinpath(*inside)
        folder = root.joinpath(*(part.lower() for part in inside))
        return folder if folder.is_dir() else None
    except OSError:
        return None


def devices_of(names: Iterable[str]) -> list[Device]:
    """The devices, each once.

    Raises:
        DeviceError: an unknown or broken one, or two that share a name.
    """
    from oracle.devices import load_device

    found: dict[str, Device] = {}
    for name in names:
        device = load_device(name)
        if found.setdefault(device.name, device) != device:
            raise DeviceError(f"device={name!r}: another device given is called {device.name!r}; rename the file")
    return list(found.values())
