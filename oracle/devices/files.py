"""Find and read device files, by the name or alias of a shipped device or by the path of a user's file."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

import yaml

from oracle._resources import closest, find_config, shipped
from oracle.devices.model import Device
from oracle.devices.parsing import parse_device
from oracle.errors import DeviceError

__all__ = ["list_devices", "load_device"]

_MAX_BYTES = 1_000_000


def list_devices() -> tuple[str, ...]:
    """Names of the shipped devices, sorted; reads no file."""
    return tuple(sorted(shipped("devices")))


def load_device(name: str | Path) -> Device:
    """The device of a shipped name or alias, or of a user's YAML file.

    Args:
        name: a name such as "rtx-4090"; or a path: a `Path`, or text with a YAML suffix or a separator.

    Raises:
        DeviceError: no such device or file, or a file that breaks a rule told in `oracle.devices`.
    """
    if isinstance(name, Path):
        return _read(name)
    if not isinstance(name, str):
        raise DeviceError(f"device={reprlib.repr(name)}: expected a name or the path of a YAML file")
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _read(Path(name))
    path = find_config("devices", name)
    if path:
        return _read(path)
    lowered = name.lower()
    texts = {file: file.read_text(encoding="utf-8") for file in shipped("devices").values()}
    # parsing every file for one alias would take ten times as long, so only those that have the word in them
    for file in (file for file, text in texts.items() if lowered in text):
        device = _read(file)
        if lowered in device.aliases:
            return device
    aliases = [alias for file, text in texts.items() if "ALIASES:" in text for alias in _read(file).aliases]
    near = closest(name, [*list_devices(), *aliases])
    raise DeviceError(
        f"device={reprlib.repr(name)} is unknown{near or '.'} `oracle devices` lists all; "
        "the path of a YAML file works too"
    )


def _read(path: Path) -> Device:
    try:
        content = _mapping(path)
    except ValueError as error:
        raise DeviceError(f"{path}: {error}") from None
    return parse_device(content, path.stem, str(path))


class _Loader(yaml.BaseLoader):
    """YAML as texts, lists and mappings; a key that stands twice is an error, where YAML would take the last.

    The pure-Python parser on purpose: on deep nesting libyaml's overflows the C stack and ends the process.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _mapping(path: Path) -> dict[str, Any]:
    """The mapping a file holds; a ValueError says why there is none."""
    try:
        if not path.is_file():
            raise ValueError("no such file")
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES} bytes; a device is a few lines")
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - safer than safe: it makes texts only
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: broken YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"broken YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("broken YAML: nested too deeply") from None
    if not isinstance(content, dict):
        found = reprlib.repr(content) if content else "nothing"
        raise ValueError(f"expected a mapping of keys, found {found}")
    return content
