"""Modules for networks that come as graphs: they hold the tensors, and say where each operator stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from oracle.errors import TraceError

_DEEPEST = 100


class Place(nn.Module):
    """A part of the network: runs what it is handed, so that whoever watches modules sees who runs it."""

    def forward(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The function's result."""
        return function(*args, **kwargs)


def place_of(root: nn.Module, path: str) -> nn.Module:
    """The part at a dotted path below a root, made if need be; the root itself for ""."""
    here = root
    for part in _parts(path):
        below = dict(here.named_children())
        if part not in below:
            here.add_module(part, Place())
        here = below[part] if part in below else here.get_submodule(part)
    return here


def put(root: nn.Module, path: str, tensor: torch.Tensor) -> str:
    """Hold a tensor at a dotted path: a parameter as such, anything else as a buffer; returns the path it got."""
    where, _, name = path.rpartition(".")
    place = place_of(root, where)
    while not name or hasattr(place, name):
        name = f"{name}_"
    if isinstance(tensor, nn.Parameter):
        place.register_parameter(name, tensor)
    else:
        place.register_buffer(name, tensor)
    return ".".join([*_parts(where), name])


def held(root: nn.Module, paths: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The tensors that are now where `put` put them: who copies a module, or changes its layout, replaces them."""
    found = {}
    for key, path in paths.items():
        where, _, name = path.rpartition(".")
        found[key] = getattr(root.get_submodule(where), name)
    return found


def _parts(path: str) -> list[str]:
    """Names of children; one that every module has already, such as `type` or `forward`, is changed."""
    if path.count(".") >= _DEEPEST:
        raise TraceError(f"module {path[:40]!r}...: nested more than {_DEEPEST} deep")
    return [part if not hasattr(nn.Module, part) else f"{part}_" for part in path.split(".") if part]


def last_uses(steps: Sequence[tuple[Iterable[str], Iterable[str]]], kept: Iterable[str]) -> list[list[str]]:
    """For each step of a graph, the values nobody needs after it; let go then, as a module's own forward does.

    Args:
        steps: names that each step reads, and names that it makes.
        kept: names that the caller gets.
    """
    made = {name for _, outputs in steps for name in outputs}
    seen = set(kept)
    found: list[list[str]] = []
    for inputs, outputs in reversed(steps):
        names = {*inputs, *outputs}
        found.append(sorted((names & made) - seen))
        seen |= names
    return found[::-1]
