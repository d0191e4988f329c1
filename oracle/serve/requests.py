"""What a request says, checked: networks from its body, words from its query string."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle._resources import closest, find_config, shipped
from oracle.config import CfgNode, cfg_from_dict, load_cfg
from oracle.config.strict_yaml import parse_yaml
from oracle.devices import Device, load_device
from oracle.devices.files import is_path
from oracle.errors import ConfigError, DeviceError, WorkloadError
from oracle.query.resolving import check_words

_BASE = "_BASE_"
_COUNTS = ("batch_size", "threads")
_FLAGS = ("cuda_graphs",)
_ASIDE = ("model", "convention", "strict")
_TRUE, _FALSE = ("true", "1", ""), ("false", "0")


@dataclass(frozen=True, slots=True)
class Query:
    """The query string of a request.

    Attributes:
        devices: by name; None where none is named.
        workload: fields of `oracle.Workload`.
        words: model, convention and strict, as in `oracle.score`.
    """

    devices: tuple[str, ...] | None = None
    workload: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)


def query_of(pairs: Iterable[tuple[str, str]]) -> Query:
    """The words of a query string: `device=t4&device=l4&batch_size=8&dtype=float16`.

    Raises:
        OracleError: an unknown word, one that is given twice, or no number where one belongs.
    """
    devices: list[str] = []
    workload: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for name, value in pairs:
        if name == "device":
            devices.append(value)
            continue
        if name in workload or name in words:
            raise WorkloadError(f"{name}={value!r}: expected it once")
        if name in _ASIDE:
            words[name] = _flag(name, value) if name == "strict" else value
            continue
        check_words({name: value})
        workload[name] = _count(name, value) if name in _COUNTS else _flag(name, value) if name in _FLAGS else value
    return Query(tuple(devices) or None, workload, words)


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise WorkloadError(f"{name}={value!r}: expected a count")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise WorkloadError(f"{name}={value!r}: expected true or false")
    return value.lower() in _TRUE


def networks_of(content: Any) -> list[CfgNode]:
    """The networks of a body: one config, or a list of them.

    Args:
        content: what the JSON says. A config is a mapping of sections, the same as YAML text, or the name of a shipped
            network; a mapping may start from one by `_BASE_`.

    Raises:
        OracleError: what is none of these, or a config that cannot be used.
    """
    items = content if isinstance(content, list) else [content]
    if not items:
        raise ConfigError("value []: expected at least one network")
    return [_network(items[0])] if len(items) == 1 else [_member(item, place) for place, item in enumerate(items)]


def _member(item: Any, place: int) -> CfgNode:
    """A network of a list."""
    try:
        return _network(item)
    except ConfigError as error:
        raise placed(error, place) from None


def placed(error: ConfigError, place: int) -> ConfigError:
    """A complaint about the config at a place of a list."""
    key = f"[{place}].{error.key}" if error.key else f"[{place}]"
    return ConfigError(str(error).removeprefix(f"{error.key}: "), key=key)


def _network(item: Any) -> CfgNode:
    if isinstance(item, str):
        if find_config("networks", item):
            return load_cfg(_shipped(item))
        if "\n" not in item and ":" not in item:
            return load_cfg(_shipped(item))  # complains of an unknown name
        item = parse_yaml(item)
    if not isinstance(item, Mapping):
        raise ConfigError(
            f"value {_short(item)}: expected a config, as a mapping of sections or YAML text, or the name of a shipped "
            "network; references and paths are not opened"
        )
    if _BASE not in item:
        return cfg_from_dict(item)
    base, rest = item[_BASE], {name: value for name, value in item.items() if name != _BASE}
    return load_cfg(_shipped(base, key=_BASE), _flat(rest))


def _shipped(name: Any, key: str = "") -> str:
    """A name that a shipped network has, and no path."""
    if isinstance(name, str) and find_config("networks", name):
        return name
    hint = closest(str(name), shipped("networks"))
    raise ConfigError(f"value {_short(name)}: expected the name of a shipped network{hint}", key=key)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, content in values.items():
        if not isinstance(content, Mapping):
            raise ConfigError(f"value {_short(content)}: expected a section with keys", key=str(section))
        found |= {f"{section}.{name}": value for name, value in content.items()}
    return found


def devices_of(query: Query, cfgs: Sequence[CfgNode]) -> list[Device]:
    """The devices that a request names; without any, those of its first config's COST.DEVICES.

    Raises:
        DeviceError: an unknown name, or a path.
    """
    names = query.devices if query.devices is not None else tuple(cfgs[0].COST.DEVICES)
    return [_device(name) for name in dict.fromkeys(names)]


def _device(name: str) -> Device:
    if is_path(name):
        raise DeviceError(f"device={name!r}: expected the name of a shipped device; files are not opened")
    return load_device(name)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
