"""A closed-form query for a network or two, without arrays: for loops that ask one candidate at a time.

Numbers are plain ints here; a cell that was asked before is a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from oracle.closedform.cells import find_template
from oracle.closedform.inputs import CellInputs, is_static
from oracle.closedform.population import PopulationCosts
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Answer, Format, Template
from oracle.devices import Device
from oracle.roofline import Roofs, total_seconds
from oracle.spec import CellSpec, NetSpec, Workload

__all__ = ["cost_few"]


class _Cell(NamedTuple):
    """What a cell costs, and what leaves it."""

    answer: Answer
    template: Template
    latencies: dict[int, float]  # by address of the roofs, which their template keeps

    def latency_s(self, device: Device) -> float:
        roofs = self.template.roofs(device)
        found = self.latencies.get(id(roofs))
        if found is None:
            found = self.latencies[id(roofs)] = _seconds(roofs, self.answer)
        return found


def cost_few(
    store: TemplateStore, nets: Sequence[NetSpec], workload: Workload, devices: Sequence[Device]
) -> PopulationCosts | None:
    """Costs of a few networks in inference; None where a cell has no closed form, so that arrays must answer."""
    rows = []
    for net in nets:
        row = _cost(store, net, workload, devices)
        if row is None:
            return None
        rows.append(row)
    integers = np.array([row[0] for row in rows], dtype=np.int64).T
    latency = np.array([row[1] for row in rows], dtype=np.float64).reshape(len(rows), len(devices)).T
    fields: dict[str, Any] = dict(zip((*SUMS, "peak_memory_bytes"), integers, strict=True))
    return PopulationCosts(**fields, latency_s=latency, unknown=())


def _cost(
    store: TemplateStore, net: NetSpec, workload: Workload, devices: Sequence[Device]
) -> tuple[list[int], list[float]] | None:
    """What `SUMS` names and the peak memory; the latency on each device."""
    cells: list[_Cell] = []
    form = Format.image("float32", len(net.input_shape) + 1, workload.layout)
    entering = (workload.batch_size, *net.input_shape), form
    previous: CellSpec | None = None
    cell: _Cell | None = None
    for index, spec in enumerate(net.cells):
        if cell is None or spec != previous or entering[0] != cell.answer.output:
            cell = _lookup(store, spec, *entering, index == 0, workload)
        if cell is None:
            return None
        cells.append(cell)
        previous, entering = spec, (cell.answer.output, cell.template.output_format)
    answers = [cell.answer for cell in cells]
    weights = sum(answer.memory.weights for answer in answers)
    live = max(answer.memory.forward for answer in answers)
    sums = [sum(column) for column in zip(*(answer.sums for answer in answers), strict=True)]
    latency = [sum(cell.latency_s(device) for cell in cells) for device in devices]
    return [*sums, weights + live], latency


@lru_cache(maxsize=65536)
def _lookup(
    store: TemplateStore, spec: CellSpec, dims: tuple[int, ...], form: Format, first: bool, workload: Workload
) -> _Cell | None:
    inputs = CellInputs(spec.kind, spec.params, dims, form, None, first)
    static = tuple((name, value) for name, value in spec.params if is_static(name, value))
    values = {name: int(value) for name, value in spec.params if not is_static(name, value)}
    values |= {f"d{axis}": size for axis, size in enumerate(dims)}
    template = find_template(store, inputs, static, values, workload)
    if template is None:
        return None
    return _Cell(template.answer([values[name] for name in template.program.symbols]), template, {})


def _seconds(roofs: Roofs, answer: Answer) -> float:
    return float(total_seconds(roofs, answer.matrix_flops, answer.vector_flops, answer.kernel_bytes, max))
