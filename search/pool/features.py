"""What is known about members before any is evaluated, as numbers that a surrogate can compare.

Four blocks: the parameters of the space, from 0 to 1 (words as one column each); what the oracle says (logarithms of
counts, traffic, memory and latencies, the depth and the widths); for cells that are graphs, how many paths of which
operations lead through them; and what earlier evaluations make one expect (`search.pool.warm`), which is nothing here.
Words that spell a graph are left out where its paths say the same whatever the spelling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Population

from ..space import Choice, Entries, Number, Space
from .identity import graphs_of, texts_at

Floats = NDArray[np.float32]
Columns = Mapping[str, NDArray[Any]]

Blocks = Sequence[Floats]

_STILL = 1e-6  # a deviation from which a column counts as one that varies
_LOGARITHMIC = ("macs", "params", "activations", "traffic_bytes", "peak_memory_bytes", "latency_ms")
_WIDTHS = ("w_out", "width", "w_in")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """From features as they are to features whose squared distances are comparable, block by block.

    Costs and expectations are standardised column by column. Parameters and paths share one scale in their block: a
    path that one cell in a thousand has would otherwise count as much as the difference between a convolution and none.

    Attributes:
        means, factors: of the columns of each block; the factor of a column that is the same everywhere is 0.
    """

    means: tuple[Floats, ...]
    factors: tuple[Floats, ...]

    @classmethod
    def of(cls, blocks: Blocks) -> Scaling:
        """The scaling by a pool's own features: the variances of a block's columns add up to 1."""
        factors = []
        for block, alone in zip(blocks, (False, True, False, True), strict=True):
            deviations = block.std(axis=0, dtype=np.float64)
            varies = deviations > _STILL
            scale = (
                deviations * max(varies.sum(), 1) ** 0.5
                if alone
                else np.full(len(varies), (deviations**2).sum() ** 0.5)
            )
            factors.append(np.divide(1.0, scale, out=np.zeros(len(varies)), where=varies).astype(np.float32))
        return cls(tuple(block.mean(axis=0, dtype=np.float64).astype(np.float32) for block in blocks), tuple(factors))

    def __call__(self, blocks: Blocks) -> list[Floats]:
        """Scaled features of the columns that vary; blocks in which none does are left out, unless that leaves none."""
        scaled = [
            ((block - mean) * factor)[:, factor > 0]
            for block, mean, factor in zip(blocks, self.means, self.factors, strict=True)
        ]
        return [block for block in scaled if block.shape[1]] or scaled[:1]


def raw_blocks(
    space: Space, columns: Columns, scores: Mapping[str, NDArray[np.float64]], population: Population
) -> tuple[Floats, ...]:
    """The features of n members, each block (n, columns); how many columns depends on the space alone."""
    size = population.size
    paths = _paths(population)
    parameters = [
        part for key, sampler in space.samplers for part in _parameter(sampler, columns[key], words=not paths)
    ]
    costs = [
        np.log(np.maximum(column, 1e-12)) for name, column in scores.items() if name.partition("@")[0] in _LOGARITHMIC
    ]
    costs += _shape(population)
    return _stacked(parameters, size), _stacked(costs, size), _stacked(paths, size), _stacked((), size)


def _stacked(columns: Sequence[NDArray[Any]], size: int) -> Floats:
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((size, 0), dtype=np.float32)


def _parameter(sampler: Number | Choice | Entries, column: NDArray[Any], *, words: bool) -> list[NDArray[Any]]:
    """Columns from 0 to 1; none for what has one value only, nor for words unless they are wanted."""
    if isinstance(sampler, Entries):
        places = enumerate(sampler.items)
        return [part for place, item in places for part in _parameter(item, column[:, place], words=words)]
    if isinstance(sampler, Number):
        low, high, values = sampler.low, sampler.high, column.astype(np.float64)
        if sampler.law not in ("uniform", "normal") and low > 0:
            low, high, values = np.log(low), np.log(high), np.log(values)
        return [(values - low) / (high - low)] if high > low else []
    if len(sampler.values) < 2:
        return []
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in sampler.values):
        ranks = np.searchsorted(np.sort(np.array(sampler.values, dtype=np.float64)), column.astype(np.float64))
        return [ranks / (len(sampler.values) - 1)]
    if not words:
        return []
    texts = np.array([repr(list(v) if isinstance(v, tuple) else v) for v in sampler.values])
    own = np.array([repr(value) for value in column.tolist()])
    return [(own == text).astype(np.float32) for text in texts]


def _shape(population: Population) -> list[NDArray[Any]]:
    """Depth in cells, and the widest and the geometric mean of the widths of cells, as logarithms."""
    depth, total, widest = (np.zeros(population.size) for _ in range(3))
    for group in (group for place in population.places for group in place):
        params = dict(group.params)
        width = next((params[name] for name in _WIDTHS if name in params), None)
        depth[group.rows] += group.counts
        if width is not None:
            logs = np.log(np.maximum(np.broadcast_to(np.asarray(width, dtype=np.float64), len(group.rows)), 1.0))
            total[group.rows] += group.counts * logs
            widest[group.rows] = np.maximum(widest[group.rows], np.where(group.counts > 0, logs, 0.0))
    return [np.log(np.maximum(depth, 1)), total / np.maximum(depth, 1), widest]


def _paths(population: Population) -> list[NDArray[Any]]:
    """How many paths of each sequence of operations lead through the cells that are graphs, as log(1 + count)."""
    found: list[NDArray[Any]] = []
    for group, structure in graphs_of(population):
        if structure.paths is None:
            continue
        texts = texts_at(group, structure.param)
        known = {text: structure.paths(text) for text in set(texts)}
        sequences = _sequences(structure.operations, structure.graph(texts[0]).nodes) if texts else []
        counts = np.zeros((population.size, len(sequences)))
        place = {sequence: i for i, sequence in enumerate(sequences)}
        rows = {text: np.zeros(len(sequences)) for text in known}
        for text, own in known.items():
            for sequence, count in own.items():
                rows[text][place[sequence]] = np.log1p(count)
        counts[group.rows] = [rows[text] for text in texts]
        found += list(counts.T)
    return found


def _sequences(operations: Sequence[str], nodes: Sequence[Any]) -> list[tuple[str, ...]]:
    """Every sequence of operations that a path through so many nodes can have."""
    sequences: list[tuple[str, ...]] = [()]
    level: list[tuple[str, ...]] = [()]
    for _ in nodes:
        level = [(*path, operation) for path in level for operation in operations]
        sequences += level
    return sequences
