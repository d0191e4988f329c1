"""A template's answer for one cell, latencies included, as one straight-line function of plain ints.

For loops that ask one candidate at a time: where arrays pay for every operation, this has every roof as a constant
in its source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oracle.closedform.template import SUMS, Format, Template
from oracle.roofline import Roofs

__all__ = ["Priced", "scalar_function"]


class Priced(NamedTuple):
    """What one cell costs in inference.

    Attributes:
        sums: what `SUMS` names, then the bytes of its weights.
        forward_bytes: peak of its forward pass, as `oracle.counting.memory` has it.
        output, output_format: of what leaves it.
        latency_s: per device.
    """

    sums: tuple[int, ...]
    forward_bytes: int
    output: tuple[int, ...]
    output_format: Format
    latency_s: tuple[float, ...]


def scalar_function(template: Template, roofs: Sequence[Roofs]) -> Callable[..., Priced | None]:
    """A function of the program's symbols: the cell's price under each of some roofs; None where guards fail."""
    memory, numbers = template.memory, template.numbers
    steps: list[Any] = [*template.sums, memory.weights, memory.forward, *template.output]
    columns = list(zip(numbers.matrix_flops, numbers.vector_flops, template.traffic, numbers.weight_bytes, strict=True))
    lines = [line for index, device in enumerate(roofs) for line in _seconds(device, columns, f"s{index}")]
    more = "(" + "".join(f"s{index}, " for index in range(len(roofs))) + ")"
    read = 4 if any(device.weights is not None for device in roofs) else 3
    uses = [step for column in columns for step in column[:read]] if roofs else []
    run = template.program.scalar(template.guards, steps, [*lines, f"more = {more}"], uses)
    sums, end = len(SUMS) + 1, len(steps)
    form = template.output_format

    def price(*values: int) -> Priced | None:
        found = run(*values)
        if found is None:
            return None
        return Priced(found[:sums], found[sums], found[sums + 1 : end], form, found[end:])

    return price


def _seconds(roofs: Roofs, columns: Sequence[tuple[int, int, int, int]], name: str) -> list[str]:
    """What `oracle.roofline.total_seconds` does, kernel by kernel, as source."""
    lines = [f"{name} = {roofs.launch_s.sum().item()!r}"]
    peaks = zip(roofs.matrix.tolist(), roofs.vector.tolist(), strict=True)
    for index, (steps, (matrix, vector)) in enumerate(zip(columns, peaks, strict=True)):
        matrix_step, vector_step, traffic, weights = steps
        work = ((matrix_step, matrix), (vector_step, vector))
        terms = [f"v{step} / {peak!r}" for step, peak in work if math.isfinite(peak)]
        bandwidth = repr(roofs.bandwidth[index].item())
        if roofs.cache_bandwidth is not None:
            cache = repr(roofs.cache_bandwidth[index].item())
            bandwidth = f"({cache} if v{traffic} <= {roofs.cache_bytes!r} else {bandwidth})"
        moved = f"v{traffic}"
        if roofs.weights is not None:
            moved = f"({moved} + v{weights} * {roofs.weights[index].item()!r})"
        lines.append(f"t = {moved} / {bandwidth}")
        if roofs.floor_s:
            terms.append(f"{roofs.floor_s!r}")
        for term in terms:
            lines += [f"c = {term}", "t = c if c > t else t"]
        lines.append(f"{name} = {name} + t")
    return lines
