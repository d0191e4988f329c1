"""Cells that are graphs: a parameter spells out which operation stands on which edge.

The graph is plain data, derived in one place from the parameter. The cell's module executes it, and the closed form
composes the tables of the operations along it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import NamedTuple

from oracle.errors import OracleError


class Edge(NamedTuple):
    """An operation between two nodes.

    Attributes:
        name: of its module, among those in the cell's `edges`.
        operation: what it runs.
        source: the node whose tensor it reads; node 0 is the cell's input.
    """

    name: str
    operation: str
    source: int


class Graph(NamedTuple):
    """Nodes 1, 2, ... by the edges that lead to each: a node adds up what they make, from the first to the last.

    Edges run in this order, each sum as soon as both its terms are there. The last node is the cell's output.
    """

    nodes: tuple[tuple[Edge, ...], ...]

    @property
    def operations(self) -> tuple[str, ...]:
        """The operation of each edge, in order."""
        return tuple(edge.operation for node in self.nodes for edge in node)

    @property
    def wiring(self) -> tuple[tuple[int, ...], ...]:
        """The source of each edge, node by node: the graph without its operations."""
        return tuple(tuple(edge.source for edge in node) for node in self.nodes)


@dataclass(frozen=True)
class Structure:
    """How the cells of one kind spell out their graphs.

    Attributes:
        kind: of the cell.
        param: its parameter that does; a string.
        operations: all that an edge can run.
        spelled: parameter -> graph.
        alone: operation -> the parameter of a cell whose only edge runs it.
        canonical: parameter -> a text that is equal for cells that can learn the same, "" where no path leads from
            input to output (`oracle.families.canonical`); None where nothing is known about that.
        paths: parameter -> operations along paths from input to output -> how many; None as above.
    """

    kind: str
    param: str
    operations: tuple[str, ...]
    spelled: Callable[[str], Graph]
    alone: Callable[[str], str]
    canonical: Callable[[str], str] | None = None
    paths: Callable[[str], Mapping[tuple[str, ...], int]] | None = None

    @cached_property
    def graph(self) -> Callable[[str], Graph]:
        """The graph that a parameter spells out, remembered for the latest 65,536."""
        return lru_cache(maxsize=65_536)(self.spelled)


_HOMES = {"nasbench201_cell": "oracle.families.nasbench201"}  # our own kinds, and the files that register them
_STRUCTURES: dict[str, Structure] = {}


def register_structure(structure: Structure) -> Structure:
    """Make known how cells of a kind spell out their graphs; returns it.

    Raises:
        OracleError: the kind is taken.
    """
    if structure.kind in _STRUCTURES:
        raise OracleError(f"cell kind={structure.kind!r} has a structure already")
    _STRUCTURES[structure.kind] = structure
    return structure


def ours(kind: str) -> bool:
    """Whether a kind of cell that spells out a graph is one of ours."""
    return kind in _HOMES


def structure_of(kind: str) -> Structure | None:
    """How cells of a kind spell out their graphs; None where they have none."""
    if kind not in _STRUCTURES and kind in _HOMES:
        import_module(_HOMES[kind])
    return _STRUCTURES.get(kind)
