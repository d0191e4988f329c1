"""Which templates answer for the cells of a network, one cell after the other, and what they answer.

What is asked of most cells was asked of others like it: which template answered is remembered by what decides that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from oracle.closedform.cells import templates_for, traced_alone
from oracle.closedform.inputs import CellInputs, Visit, is_static, split_params
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import ALONE, SUMS, Format, Template
from oracle.errors import OracleError
from oracle.memory import CellMemory
from oracle.spec import CellSpec, Workload

Request: TypeAlias = tuple[CellSpec, tuple[int, ...], Format, Format | None, bool]
Answers: TypeAlias = Callable[..., tuple[Any, ...] | None]

_KEYS = 4096  # structures whose templates are remembered at hand
_DIMS = tuple(f"d{axis}" for axis in range(8))
_FUNCTIONS = 1024  # of templates that are kept


class Cell(NamedTuple):
    """One cell, or several in a row that cost the same.

    Attributes:
        template: that answered for it.
        values: of the template's symbols.
        answer: what `ALONE` names (the other sums are those of the numbers), the bytes of what `Template.sizes` names,
            the dimensions of what leaves the cell, and last, as the bytes of 64-bit integers, of each kernel the matrix
            FLOPs, the vector FLOPs, the bytes moved, and the part of them that is weights.
        requested: what stands where in the network, the fields of a `Visit`.
    """

    template: Template
    values: tuple[int, ...]
    answer: tuple[Any, ...]
    requested: Request

    @property
    def visit(self) -> Visit:
        """What the templates answered for."""
        return Visit(*self.requested)

    @property
    def memory(self) -> CellMemory:
        """Its memory."""
        return replace(
            self.template.no_memory, **dict(zip(self.template.sizes, self.answer[len(ALONE) :], strict=False))
        )


Ask: TypeAlias = Callable[[CellSpec, tuple[int, ...]], Cell]
Desk: TypeAlias = Callable[[Format, Format | None, bool], Ask]


class _Plan:
    """How the parameters of a cell are read, whatever their values, and which templates answered for such cells."""

    __slots__ = ("convert", "free", "known", "static")

    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        static = [place for place, pair in enumerate(zip(names, values, strict=True)) if is_static(*pair)]
        others = [place for place in range(len(names)) if place not in static]
        self.static, self.free = _getter(static), _getter(others)
        self.convert = any(type(values[place]) is not int for place in others)
        """Whether integers are numpy's, say."""
        self.known: dict[Any, list[tuple[Template, Answers, Callable[[Sequence[int]], tuple[int, ...]]]]] = {}


@lru_cache(maxsize=256)
def desk_of(store: TemplateStore, workload: Workload) -> Desk:
    """What evaluates cells for one workload."""
    return _any_batch(store, workload.with_(batch_size=1))  # of batches templates know nothing


@lru_cache(maxsize=32)
def _any_batch(store: TemplateStore, workload: Workload) -> Desk:
    """The same for batches of any size."""
    return cache(partial(_asked, partial(_found, store, workload)))


def _asked(found: Callable[..., Cell], form: Format, gradient: Format | None, first: bool) -> Ask:
    """What evaluates cells, given what enters at both ends and whether they stand first.

    It remembers which templates answered for which structures, and asks `found` who answers for others.
    """
    plans: dict[Any, _Plan] = {}

    def ask(spec: CellSpec, dims: tuple[int, ...]) -> Cell:
        kind, params = spec.kind, spec.params
        names, values = zip(*params, strict=True) if params else ((), ())
        types = tuple(map(type, values))
        plan = plans.get((kind, names, types))
        if plan is None:
            plan = plans[kind, names, types] = _Plan(names, values)
        integers, structure = plan.free(values) + dims, plan.static(values)
        if plan.convert:
            integers = tuple(map(int, integers))
        if min(integers) < 2:
            structure += tuple([value if value < 2 else 2 for value in integers])  # noqa: FURB136
        requested = spec, dims, form, gradient, first
        try:
            for template, answers, arguments in plan.known.get(structure, ()):
                given = arguments(integers)
                answer = answers(*given)
                if answer is not None:
                    return Cell(template, given, answer, requested)
            return found(requested, plan, structure, integers)
        except struct.error:
            raise OracleError(f"cell={kind}: its FLOPs or bytes exceed 62 bits; the cells are too large") from None

    return ask


def _found(
    store: TemplateStore,
    workload: Workload,
    requested: Request,
    plan: _Plan,
    structure: tuple[Any, ...],
    integers: tuple[int, ...],
) -> Cell:
    """A cell for which no known template answers: one that does is looked for, or made."""
    spec, dims, form, gradient, first = requested
    static, free = split_params(spec.kind, spec.params)
    free.update(zip(_DIMS, dims, strict=False))
    inputs = CellInputs(spec.kind, spec.params, dims, form, gradient, first)
    order = tuple(free)
    for template in templates_for(store, inputs, static, free, workload):
        answers = answers_of(template)
        arguments = _getter([order.index(name) for name in template.program.symbols])
        given = arguments(integers)
        answer = answers(*given)
        if answer is not None:
            if len(plan.known) >= _KEYS:
                plan.known.clear()
            plan.known.setdefault(structure, []).append((template, answers, arguments))
            return Cell(template, given, answer, requested)
    template = traced_alone(inputs, static, free, workload)
    return Cell(template, (), _alone(template)() or (), requested)


def _alone(template: Template) -> Answers:
    """A function of the symbols' values: `Cell.answer`, or None where the guards do not hold."""
    sums = [step for name, step in zip(SUMS, template.sums, strict=True) if name in ALONE]
    sizes = [getattr(template.memory, name) for name in template.sizes]
    own = template.numbers
    kernels = zip(own.matrix_flops, own.vector_flops, template.traffic, own.weight_bytes, strict=True)
    numbers = list(chain.from_iterable(kernels))
    return template.program.scalar(template.guards, [*sums, *sizes, *template.output], numbers)


answers_of = lru_cache(maxsize=_FUNCTIONS)(_alone)


def _getter(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes the items at some places, as a tuple however few they are."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda items: tuple([items[place] for place in places])
