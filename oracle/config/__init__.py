"""Configs: load, merge, check, write. The only room that knows yacs.

A config is parsed once, checked key by key and frozen; `oracle.families` turns it into a hashable spec.
There is no global config: every call returns a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from oracle._resources import shipped
from oracle.config.files import BASE_KEY, layers, locate
from oracle.config.merge import merge
from oracle.config.schema import FAMILY_DEFAULTS, default_cfg
from oracle.errors import ConfigError
from oracle.spec import OPTIMIZERS, Workload

__all__ = [
    "COST_KEYS",
    "CfgNode",
    "cfg_from_dict",
    "cost_values",
    "default_cfg",
    "list_networks",
    "load_cfg",
    "to_yaml",
    "workload_of",
]


def load_cfg(source: str | Path, overrides: Iterable[Any] | None = None) -> CfgNode:
    """A frozen config from a YAML file, or from a shipped network's name.

    Args:
        source: path of a YAML file, or a name that `list_networks` knows (in any case).
        overrides: `[key, value, key, value, ...]` with dotted keys, applied last; text is converted to the
            type of the key, as from a command line.

    Raises:
        ConfigError: anything wrong with the file or the values, naming file, dotted key, value and what
            was expected.
    """
    path = locate(source)
    return _finished([(values, str(file)) for file, values in layers(path)], overrides, path.stem)


def cfg_from_dict(values: Mapping[str, Any], overrides: Iterable[Any] | None = None, name: str = "") -> CfgNode:
    """A frozen config from nested mappings, checked as a file's would be.

    Args:
        values: sections and their keys; what is absent has its default.
        overrides: as in `load_cfg`.
        name: what COST.NAME becomes unless the values say it.

    Raises:
        ConfigError: as `load_cfg`.
    """
    if isinstance(values, Mapping) and BASE_KEY in values:
        raise ConfigError("only a file can have a base; load it with load_cfg", key=BASE_KEY)
    return _finished([(values, "")], overrides, name)


def _finished(layered: list[tuple[Any, str]], overrides: Iterable[Any] | None, name: str) -> CfgNode:
    """Values (with the file they stand in) one over the other, the overrides on top."""
    flat = list(overrides or ())
    if len(flat) % 2:
        raise ConfigError(f"overrides={flat!r}: expected key, value, key, value, ...")
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        if not isinstance(key, str):
            raise ConfigError(f"override key {key!r}: expected a dotted key")
        layered.append((reduce(lambda inner, part: {part: inner}, reversed(key.split(".")), value), ""))
    cfg = _merged(layered, "")
    if cfg.MODEL.TYPE in FAMILY_DEFAULTS:  # known only now, and the family's defaults lie below everything
        cfg = _merged(layered, cfg.MODEL.TYPE)
    if not cfg.COST.NAME:
        cfg.COST.NAME = name
    cfg.freeze()
    return cfg


def _merged(layered: Iterable[tuple[Any, str]], family: str) -> CfgNode:
    cfg = default_cfg(family)
    for values, file in layered:
        merge(cfg, values, file)
    return cfg


COST_KEYS = ("BATCH_SIZE", "DTYPE", "MODE", "RUNTIME", "LAYOUT")
"""Keys of the COST section that are fields of a workload, whose names are the same in lower case."""


def cost_values(workload: Workload) -> dict[str, Any]:
    """Those keys with the values that state a workload."""
    return {name: getattr(workload, name.lower()) for name in COST_KEYS}


def workload_of(cfg: CfgNode, **changes: Any) -> Workload:
    """The workload that a config's COST section and optimiser describe.

    Args:
        cfg: a loaded config.
        changes: fields of `Workload` that overrule the config before it is checked; None leaves a field
            alone. An optimiser we cannot cost is an error in training only.

    Raises:
        WorkloadError: a value or a combination that no runtime offers.
    """
    fields: dict[str, Any] = {
        **{name.lower(): cfg.COST[name] for name in COST_KEYS},
        "optimizer": cfg.OPTIM.OPTIMIZER,
    }
    fields |= {name: value for name, value in changes.items() if value is not None}
    if fields["mode"] == "inference" and cfg.OPTIM.OPTIMIZER not in OPTIMIZERS:
        # Somebody's training recipe: no reason not to answer what one forward pass costs.
        fields["optimizer"] = changes.get("optimizer") or OPTIMIZERS[0]
    return Workload(**fields)


def to_yaml(cfg: CfgNode, *, cost: bool = False) -> str:
    """YAML text of every key that is not at its default; `load_cfg` and pycls read it back.

    Args:
        cfg: a loaded config.
        cost: include the COST section, which pycls does not know.
    """
    changed = _changed(cfg, default_cfg(cfg.MODEL.TYPE))
    if not cost:
        changed.pop("COST", None)
    return yaml.dump(changed, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Mappings in blocks, lists on a line, as people write configs."""

    def represent_sequence(self, tag: str, sequence: Iterable[Any], flow_style: bool | None = True) -> Any:
        return super().represent_sequence(tag, sequence, flow_style)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - a list that occurs twice is written twice
        return True


def _changed(cfg: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """The part of nested mappings that differs from the default, as plain dicts."""
    found: dict[str, Any] = {}
    for name, value in cfg.items():
        old = default.get(name)
        if isinstance(value, Mapping):
            part = _changed(value, old if isinstance(old, Mapping) else {})
            if part:
                found[name] = part
        elif name not in default or value != old:
            found[name] = value
    return found


def list_networks() -> tuple[str, ...]:
    """Names of the shipped networks, sorted; `load_cfg` accepts each."""
    return tuple(sorted(shipped("networks")))
