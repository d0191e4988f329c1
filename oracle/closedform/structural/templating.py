"""The template of one structural cell, counted on the table that its parts make, with sizes left open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, reduce
from typing import Any

from oracle.closedform.assembling import kernel_fields
from oracle.closedform.lightening import lightened, plain_key
from oracle.closedform.program import Program, Step
from oracle.closedform.structural.composing import Composed
from oracle.closedform.structural.sizes import Peak, Poly, Size, largest
from oracle.closedform.structural.stock import StockKey, stock_of
from oracle.closedform.template import MEMORY_SIZES, Template, TemplateKey
from oracle.counting import count
from oracle.counting.memory import measure
from oracle.families.graphs import structure_of
from oracle.spec import QUANTISED_WEIGHTS, Workload

_TEMPLATES = 512  # composed ones that are remembered, 20 to 100 kB each


@lru_cache(maxsize=_TEMPLATES)
def structural_template(key: TemplateKey, workload: Workload) -> Template | None:
    """The template of a cell that is a graph, without a trace.

    Args:
        key: of the template; the parameter that spells out the graph is among its static ones.
        workload: the key's, complete; its batch size does not matter.

    Returns:
        None where cells of this kind spell out no graph, or where a part of this one is missing: it is to be traced.
    """
    structure = structure_of(key.kind)
    if structure is None or (key.first and workload.training):
        return None
    if workload.weights in QUANTISED_WEIGHTS:
        plain = structural_template(plain_key(key), workload.unquantised)
        return plain and lightened(plain, key, workload.weights)
    stock = stock_of(StockKey(key.kind, workload.with_(batch_size=1), key.pinned, key.input, key.gradient))
    graph = structure.graph(dict(key.static)[structure.param])
    composed = stock.compose(graph, stock.open_pieces)
    return None if composed is None else _template(key, stock.symbols, composed, workload)


def _template(key: TemplateKey, symbols: Sequence[str], composed: Composed, workload: Workload) -> Template:
    table, parts = composed.table, [piece.part for piece in composed.pieces]
    counts, program = count(table, workload), _Steps(symbols)
    macs, activations = (sum(sizes) for sizes in zip(*(part.pycls for part in parts), strict=True))
    fields = kernel_fields(program, table, counts, (macs, activations), workload.runtime)
    memory = measure(counts.lifetimes, counts.sizes, largest)
    guards = dict.fromkeys(guard for part in parts for guard in part.guards)
    return Template(
        key=key,
        guards=tuple((name, program.add(a), program.add(b)) for name, a, b in guards),
        memory=replace(memory, **{name: program.add(getattr(memory, name)) for name in MEMORY_SIZES}),
        output=tuple(map(program.add, parts[0].output)),
        output_format=composed.output_format,
        input_gradient=composed.input_gradient,
        program=program.finished(),  # when all of the above have their steps
        **fields,
    )


class _Steps:
    """Collects sizes as steps; products share prefixes, image size first, and constants come last."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = {name: index for index, name in enumerate(symbols)}
        self._numbers: dict[Step, int] = {}
        self._known: dict[Any, int] = {}
        for index in self._symbols.values():
            self._step("symbol", index, 0)

    def add(self, size: Size | Peak) -> int:
        """The step that computes a size."""
        if isinstance(size, Peak):
            return reduce(lambda a, b: self._step("max", a, b), map(self.add, size.sizes))
        if not isinstance(size, Poly):
            return self._step("const", int(size), 0)
        if size not in self._known:
            self._known[size] = self.total(self._product(names, factor) for names, factor in sorted(size.terms.items()))
        return self._known[size]

    def total(self, steps: Iterable[int]) -> int:
        """The step that adds up others, without those that are 0."""
        nothing = self._step("const", 0, 0)
        kept = [step for step in steps if step != nothing]
        return reduce(lambda a, b: self._step("add", a, b), kept) if kept else nothing

    def _product(self, names: Sequence[str], factor: int) -> int:
        factors = [self._step("symbol", self._symbols[name], 0) for name in names]
        if factor != 1 or not factors:
            factors.append(self._step("const", factor, 0))
        return reduce(lambda a, b: self._step("mul", a, b), factors)

    def finished(self) -> Program:
        """The program."""
        return Program(tuple(self._symbols), tuple(self._numbers))

    def _step(self, operation: str, a: int, b: int) -> int:
        return self._numbers.setdefault((operation, a, b), len(self._numbers))
