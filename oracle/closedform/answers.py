"""All that a template says of one cell, to be held against what a trace says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oracle.closedform.template import MEMORY_SIZES, Template


def values_of(params: Iterable[tuple[str, Any]], dims: Iterable[int]) -> dict[str, Any]:
    """What a cell has of every symbol: its parameters, and the dimensions of its input as d0, d1, ..."""
    return {**dict(params), **{f"d{axis}": size for axis, size in enumerate(dims)}}


def answer(template: Template, values: Mapping[str, int]) -> tuple[Any, ...] | None:
    """All that a template says of one cell; None where its guards do not hold."""
    memory = template.memory
    steps = [step for column in template.numbers for step in column]
    steps += [*template.traffic, *template.sums, *template.output, *(getattr(memory, name) for name in MEMORY_SIZES)]
    steps += [step for pair in template.shapes for end in pair for shape in end for step in shape]
    numbers = template.program.scalar(template.guards, steps)(*(values[name] for name in template.program.symbols))
    if numbers is None:
        return None
    structure = [[[len(shape) for shape in end] for end in pair] for pair in template.shapes]
    flags = memory.output_retained, memory.input_retained
    ends = template.output_format, template.input_gradient
    return numbers, template.kernels, structure, flags, ends, template.unknown, template.coverage
