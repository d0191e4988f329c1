"""Where a half template is not what halving gives: found when both are made, and stored with the one in float32."""

from __future__ import annotations

import random
from typing import Any

from oracle.closedform.codec import Steps
from oracle.closedform.halving import BYTES, Exceptions, Reader, Target, half_name, halved, sizes_of
from oracle.closedform.program import Program
from oracle.closedform.template import MEMORY_SIZES, Template

_POINTS = 8  # at which templates are compared


def exceptions_of(template: Template, half: Template) -> Exceptions | None:
    """Where a half template, made by a trace, is not what halving gives; None where more than sizes differs.

    Args:
        template: in float32, of the same symbols in the same order.
        half: the one to be had of it.
    """
    if template.program.symbols != half.program.symbols or len(template.kernels) != len(half.kernels):
        return None
    target = Target()
    old, new = Reader(target, template.program), Reader(target, half.program)
    wanted = [new.copy(step) for step in sizes_of(half)]
    given = [_tried(old, step) for step in sizes_of(template)]
    program = target.program(half.program.symbols)
    steps, values = Steps().add(program), _values(program)
    kernels = len(BYTES) * len(half.kernels)

    def same(number: int, one: int, other: int) -> bool:
        # The larger of two peaks may be one of them at all points; what kernels move is a sum of products.
        return steps[one] == steps[other] or (number < kernels and values[one] == values[other])

    differing = {
        number: step
        for number, (step, other) in enumerate(zip(wanted, given, strict=True))
        if other is None or not same(number, step, other)
    }
    dtypes = {
        number: (kernel.matrix_dtype, kernel.vector_dtype)
        for number, (kernel, other) in enumerate(zip(half.kernels, template.kernels, strict=True))
        if (kernel.matrix_dtype, kernel.vector_dtype) != (half_name(other.matrix_dtype), half_name(other.vector_dtype))
    }
    kept = Target()
    reader = Reader(kept, program)
    exceptions = {number: reader.copy(step) for number, step in differing.items()}
    found = Exceptions(exceptions, dtypes, kept.program(half.program.symbols))
    return found if _alike(halved(template, found), half) else None


def _alike(one: Template, other: Template) -> bool:
    """Whether two templates of the same symbols say the same, in whatever order sums are added up."""

    def content(template: Template) -> tuple[Any, ...]:
        memory = template.memory
        values = _values(template.program)
        relations = [(name, values[a], values[b]) for name, a, b in template.guards]
        columns = [*template.numbers, template.traffic, template.sums, template.output]
        sizes = [values[getattr(memory, name)] for name in MEMORY_SIZES]
        flags = memory.output_retained, memory.input_retained
        shapes = [[[[values[step] for step in shape] for shape in end] for end in ends] for ends in template.shapes]
        ends = template.output_format, template.input_gradient, template.unknown, template.coverage
        numbers = [[values[step] for step in column] for column in columns]
        return relations, template.kernels, numbers, sizes, flags, shapes, ends

    return content(one) == content(other)


def _values(program: Program) -> list[tuple[int, ...]]:
    """What every step is at some points, the same for all programs of the same symbols."""
    draw = random.Random(0)
    points = [[draw.choice((1, 16, 64)) * draw.randrange(2, 64) for _ in program.symbols] for _ in range(_POINTS)]
    return list(zip(*map(program.values, points), strict=True))


def _tried(reader: Reader, step: int) -> int | None:
    try:
        return reader.half(step)
    except ValueError:
        return None
