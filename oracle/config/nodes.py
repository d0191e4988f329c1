"""Plain sections as yacs's CfgNode, without what its constructor spends: deep copies and checks of what we know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yacs.config import CfgNode

from oracle.config.schema import OPEN_SECTIONS

__all__ = ["CfgNode", "node_of"]


def node_of(sections: Mapping[str, Any], *, frozen: bool) -> CfgNode:
    """A config that shares nothing that could change with the sections it is made of.

    Args:
        sections: nested dicts, lists and scalars. Dicts become nodes, but for those within lists, as in yacs.
        frozen: whether its attributes can be set.
    """
    return _node(sections, frozen=frozen, open_below=True)


def _node(values: Mapping[str, Any], *, frozen: bool, new_allowed: bool = False, open_below: bool = False) -> CfgNode:
    node = CfgNode.__new__(CfgNode)
    node.update(values)
    for name, value in values.items():
        kind = type(value)
        if kind is dict:
            node[name] = _node(value, frozen=frozen, new_allowed=open_below and name in OPEN_SECTIONS)
        elif kind is list:
            node[name] = _copied(value)
    # What yacs's own __init__ sets.
    node.__dict__.update(
        {
            CfgNode.IMMUTABLE: frozen,
            CfgNode.DEPRECATED_KEYS: set(),
            CfgNode.RENAMED_KEYS: {},
            CfgNode.NEW_ALLOWED: new_allowed,
        }
    )
    return node


def _copied(value: Any) -> Any:
    """Lists and dicts within a list, made anew."""
    kind = type(value)
    if kind is list:
        return [_copied(item) for item in value]
    return {name: _copied(item) for name, item in value.items()} if kind is dict else value
