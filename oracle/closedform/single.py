"""A closed-form query for a network or two, without arrays: for loops that ask one candidate at a time.

Numbers are plain ints here, and a cell that was asked before is a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from oracle.closedform.cells import templates_for
from oracle.closedform.evaluate import LIMIT
from oracle.closedform.inputs import CellInputs, split_params
from oracle.closedform.places import Place
from oracle.closedform.scalar import Priced, scalar_function
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format, Template
from oracle.closedform.totals import PopulationCosts
from oracle.errors import OracleError
from oracle.spec import CellSpec, NetSpec, Workload

__all__ = ["cost_few"]

_Desk = Callable[[CellSpec, tuple[int, ...], Format, bool], Priced]


def cost_few(
    store: TemplateStore, nets: Sequence[NetSpec], workload: Workload, devices: Sequence[Place]
) -> PopulationCosts:
    """Costs of a few networks in inference.

    Raises:
        OracleError: a cell that cannot be traced, or numbers beyond 62 bits.
    """
    desk = _desk(store, workload, tuple(map(_Same, devices)))
    image = (workload.batch_size,)
    rows = []
    for net in nets:
        form = Format.image("float32", len(net.input_shape) + 1, workload.layout)
        rows.append(_cost(desk, net.cells, (*image, *net.input_shape), form))
    if any(max(sums) >= LIMIT for sums, _ in rows):
        raise OracleError("a network's FLOPs or bytes exceed 62 bits: it or the batch is too large")
    integers = np.array([sums for sums, _ in rows], dtype=np.int64).T
    latency = np.array([latency_s for _, latency_s in rows], dtype=np.float64).reshape(len(rows), len(devices)).T
    fields: dict[str, Any] = dict(zip((*SUMS, "peak_memory_bytes"), integers, strict=True))
    return PopulationCosts(**fields, latency_s=latency, unknown=())


def _cost(desk: _Desk, cells: Sequence[CellSpec], dims: tuple[int, ...], form: Format) -> tuple[list[int], list[float]]:
    """What `SUMS` names and the peak memory; the latency on each device."""
    runs: list[tuple[Priced, int]] = []
    asked: tuple[CellSpec, tuple[int, ...], Format, bool] | None = None
    for spec in cells:
        asking = spec, dims, form, asked is None
        if asking == asked:  # most blocks repeat the one before
            priced, count = runs[-1]
            runs[-1] = priced, count + 1
            continue
        found = desk(*asking)
        runs.append((found, 1))
        asked, dims, form = asking, found.output, found.output_format
    sums = list(map(sum, zip(*(_times(count, cell.sums) for cell, count in runs), strict=True)))
    weights = sums.pop()
    live = max([cell.forward_bytes for cell, _ in runs])
    latency: list[float] = list(map(sum, zip(*(_times(count, cell.latency_s) for cell, count in runs), strict=True)))
    return [*sums, weights + live], latency


def _times(count: int, numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    return numbers if count == 1 else tuple([count * number for number in numbers])


class _Same:
    """A key that is equal to itself alone: hashing all figures of a device would take longer than the query."""

    __slots__ = ("device",)

    def __init__(self, device: Place) -> None:
        self.device = device

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.device is self.device

    def __hash__(self) -> int:
        return id(self.device)


@lru_cache(maxsize=64)
def _desk(store: TemplateStore, workload: Workload, devices: tuple[_Same, ...]) -> _Desk:
    """What prices cells for one workload and some devices, and remembers them."""
    functions: dict[int, tuple[Template, Callable[..., Priced | None]]] = {}

    def function(template: Template) -> Callable[..., Priced | None]:
        # The template is kept as well: its address must not be given to another one.
        if id(template) not in functions:
            roofs = [template.roofs(same.device) for same in devices]
            functions[id(template)] = template, scalar_function(template, roofs)
        return functions[id(template)][1]

    @lru_cache(maxsize=65536)
    def price(spec: CellSpec, dims: tuple[int, ...], form: Format, first: bool) -> Priced:
        static, values = split_params(spec.params)
        inputs = CellInputs(spec.kind, spec.params, dims, form, None, first)
        values |= {f"d{axis}": size for axis, size in enumerate(dims)}
        for template in templates_for(store, inputs, static, values, workload):
            found = function(template)(*(values[name] for name in template.program.symbols))
            if found is not None:
                return found
        return _traced(spec, dims, inputs, workload, [same.device for same in devices])

    return price


def _traced(
    spec: CellSpec, dims: tuple[int, ...], inputs: CellInputs, workload: Workload, devices: Sequence[Place]
) -> Priced:
    """What a cell costs by a trace of its own."""
    from oracle.closedform.concrete import concrete_cell  # needs torch

    cell = concrete_cell(spec, dims, inputs, workload)
    latency_s = tuple(float(seconds) for seconds in cell.costs(devices).latency_s)
    weights, forward = cell.memory.weights, cell.memory.forward
    return Priced((*cell.sums, weights), forward, cell.output, cell.output_format, latency_s)
