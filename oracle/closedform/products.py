"""The products of a template's kernels: their integers as further steps of its program, made when somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from oracle.closedform.partition import Part, Pattern
from oracle.closedform.program import Program, Step
from oracle.closedform.template import Template, parts_in
from oracle.products import product_of

_TEMPLATES = 1024  # whose products are kept, some kilobytes each


@dataclass(frozen=True, eq=False)
class TemplateProducts:
    """The products of a template's kernels.

    Attributes:
        template: whose.
        program: its program with more steps behind.
        kernels: numbers of the kernels that have one.
        kinds: of each.
        dims: the five steps of each, see `oracle.products.Product`.
    """

    template: Template
    program: Program
    kernels: tuple[int, ...]
    kinds: tuple[int, ...]
    dims: tuple[tuple[int, ...], ...]

    @cached_property
    def alone(self) -> Callable[..., Any]:
        """A function of the symbols' values, all ints: the five integers of the first, then those of the next."""
        return self.program.scalar((), [step for own in self.dims for step in own])

    @cached_property
    def parts(self) -> Callable[[Pattern, bool], tuple[Part, ...]]:
        """`Template.parts`, with these integers."""
        return parts_in(self.template, self.program, dict(zip(self.kernels, self.dims, strict=True)))


@lru_cache(maxsize=_TEMPLATES)
def products_in(template: Template) -> TemplateProducts:
    """The products of a template's kernels, of those that compute on the matrix unit."""
    steps = list(template.program.steps)
    kernels, kinds, dims = [], [], []
    for number, (meta, ends) in enumerate(zip(template.kernels, template.shapes, strict=True)):
        if steps[template.numbers.matrix_flops[number]] == ("const", 0, 0):
            continue
        product = product_of(meta.name, *([[_Term(steps, dim) for dim in shape] for shape in end] for end in ends))
        if product is not None:
            kernels.append(number)
            kinds.append(product.kind)
            dims.append(tuple(_number(steps, dim) for dim in product.dims))
    program = Program(template.program.symbols, tuple(steps))
    return TemplateProducts(template, program, tuple(kernels), tuple(kinds), tuple(dims))


class _Term:
    """A step that arithmetic adds further steps to."""

    __slots__ = ("number", "steps")

    def __init__(self, steps: list[Step], number: int) -> None:
        self.steps, self.number = steps, number

    def _joined(self, operation: str, other: Any) -> _Term:
        self.steps.append((operation, self.number, _number(self.steps, other)))
        return _Term(self.steps, len(self.steps) - 1)

    def __add__(self, other: Any) -> _Term:
        return self._joined("add", other)

    def __mul__(self, other: Any) -> _Term:
        return self._joined("mul", other) if isinstance(other, _Term) or other != 1 else self

    def __rmul__(self, other: Any) -> _Term:
        return self.__mul__(other)

    def __floordiv__(self, other: Any) -> _Term:
        return self._joined("floordiv", other)


def _number(steps: list[Step], dim: Any) -> int:
    """The number of a dimension among the steps; a plain int becomes one."""
    if isinstance(dim, _Term):
        return dim.number
    steps.append(("const", int(dim), 0))
    return len(steps) - 1
