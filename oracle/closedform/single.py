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
from oracle.closedform.population import PopulationCosts
from oracle.closedform.scalar import Priced, scalar_function
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format, Template
from oracle.errors import OracleError
from oracle.spec import CellSpec, NetSpec, Workload

__all__ = ["cost_few"]

_Desk = Callable[[CellSpec, tuple[int, ...], Format, bool], Priced | None]


def cost_few(
    store: TemplateStore, nets: Sequence[NetSpec], workload: Workload, devices: Sequence[Place]
) -> PopulationCosts | None:
    """Costs of a few networks in inference; None where a cell has no closed form, so that arrays must answer.

    Raises:
        OracleError: numbers beyond 62 bits, as from arrays.
    """
    desk = _desk(store, workload, tuple(map(_Same, devices)))
    image = (workload.batch_size,)
    rows = []
    for net in nets:
        form = Format.image("float32", len(net.input_shape) + 1, workload.layout)
        row = _cost(desk, net.cells, (*image, *net.input_shape), form)
        if row is None:
            return None
        rows.append(row)
    if any(max(sums) >= LIMIT for sums, _ in rows):
        raise OracleError("a network's FLOPs or bytes exceed 62 bits: it or the batch is too large")
    integers = np.array([sums for sums, _ in rows], dtype=np.int64).T
    latency = np.array([latency_s for _, latency_s in rows], dtype=np.float64).reshape(len(rows), len(devices)).T
    fields: dict[str, Any] = dict(zip((*SUMS, "peak_memory_bytes"), integers, strict=True))
    return PopulationCosts(**fields, latency_s=latency, unknown=())


def _cost(
    desk: _Desk, cells: Sequence[CellSpec], dims: tuple[int, ...], form: Format
) -> tuple[list[int], list[float]] | None:
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
        if found is None:
            return None
        runs.append((found, 1))
        asked, dims, form = asking, found.output, found.output_format
    sums = [sum(column) for column in zip(*([n * count for n in cell.sums] for cell, count in runs), strict=True)]
    weights = sums.pop()
    live = max(cell.forward_bytes for cell, _ in runs)
    latency = [sum(column) for column in zip(*([s * count for s in c.latency_s] for c, count in runs), strict=True)]
    return [*sums, weights + live], latency


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
    def price(spec: CellSpec, dims: tuple[int, ...], form: Format, first: bool) -> Priced | None:
        static, values = split_params(spec.params)
        inputs = CellInputs(spec.kind, spec.params, dims, form, None, first)
        values |= {f"d{axis}": size for axis, size in enumerate(dims)}
        for template in templates_for(store, inputs, static, values, workload):
            found = function(template)(*(values[name] for name in template.program.symbols))
            if found is not None:
                return found
        return None

    return price
