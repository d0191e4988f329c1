"""Which members are one and the same to somebody who evaluates them: equal in all that quality depends on.

A fingerprint of a network distinguishes whatever costs differently. Cells that are graphs can be spelled in several
ways that learn the same (`oracle.families.canonical`), and training keys (a learning rate, say) change what is learnt
and no cost. So a member is its network with every graph in its canonical form, and its training keys
(`search.study.keys`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.fingerprint import fingerprints
from oracle.families.graphs import Structure, structure_of
from oracle.families.population import CellArray, Population

from ..study.keys import Keys


def identities(keys: Keys, columns: Mapping[str, NDArray[Any]], population: Population) -> list[str]:
    """A key per member, equal for members that an evaluation cannot distinguish.

    Args:
        keys: of the space.
        columns: dotted key -> (n,) or (n, length) values.
        population: the n networks.
    """
    return keys.many(fingerprints(_canonical(population)), columns)


def connected(population: Population) -> NDArray[np.bool_]:
    """(n,) whether every cell that is a graph has a path from its input to its output."""
    found = np.ones(population.size, dtype=bool)
    for group, structure in graphs_of(population):
        if structure.canonical is not None:
            forms = map(structure.canonical, texts_at(group, structure.param))
            found[group.rows] &= np.fromiter(map(bool, forms), dtype=bool, count=len(group.rows))
    return found


def graphs_of(population: Population) -> list[tuple[CellArray, Structure]]:
    """The cells that are graphs, with what is known of their kind; those with the same texts once."""
    found: list[tuple[CellArray, Structure]] = []
    for group in (group for place in population.places for group in place):
        structure = structure_of(group.kind)
        if structure is not None and not any(_same(group, other, structure.param) for other, _ in found):
            found.append((group, structure))
    return found


def _same(first: CellArray, second: CellArray, param: str) -> bool:
    if first.kind != second.kind:
        return False
    own, other = (dict(group.params)[param] for group in (first, second))
    return own is other or np.array_equal(own, other)


def texts_at(group: CellArray, param: str) -> list[str]:
    """The text of each row of a group of cells that are graphs."""
    value: Any = dict(group.params)[param]
    return list(value) if isinstance(value, np.ndarray) else [value] * len(group.rows)


def _canonical(population: Population) -> Population:
    """The population with canonical forms in the place of the texts that spell out graphs."""
    known: dict[int, Any] = {}
    places = tuple(tuple(_canonical_cells(group, known) for group in place) for place in population.places)
    return replace(population, places=places)


def _canonical_cells(group: CellArray, known: dict[int, Any]) -> CellArray:
    structure = structure_of(group.kind)
    if structure is None or structure.canonical is None:
        return group
    return replace(
        group,
        params=tuple(
            (name, _rewritten(value, structure.canonical, known) if name == structure.param else value)
            for name, value in group.params
        ),
    )


def _rewritten(value: Any, canonical: Callable[[str], str], known: dict[int, Any]) -> Any:
    if not isinstance(value, np.ndarray):
        return canonical(value)
    if id(value) not in known:  # places mostly share one column
        known[id(value)] = np.array([canonical(text) for text in value.tolist()], dtype=object)
    return known[id(value)]
