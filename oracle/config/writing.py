"""Configs as YAML text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from oracle.config.schema import default_values


def dumped(cfg: Any, *, cost: bool) -> str:
    """What `oracle.config.to_yaml` returns."""
    changed = _changed(cfg, default_values(cfg.MODEL.TYPE))
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
