"""A template in parts: what depends on the same columns stands together.

Nearly all that a cell costs depends on one of its widths at a time, of which a population has few different ones;
a kernel or two see two at once. So sums and maxima are taken apart into their terms, and terms and kernels that
depend on the same columns become one program, to be evaluated for the distinct values of these columns only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from oracle.closedform.program import Program, Relation, Step

_JOINS = ("add", "max")

Pattern = tuple[int | None, ...]
"""For each symbol of a program the number of the column that holds its values; None if all rows share one."""


class Part(NamedTuple):
    """Terms and kernels that depend on the same columns.

    Attributes:
        columns: which; none for what is the same in every row.
        outputs: positions of the outputs that it has terms of.
        kernels: positions of its kernels.
        run: a function of the program's symbols: its share of each output, then of each kernel the matrix FLOPs, of
            each the vector FLOPs, of each the bytes, and of each those of its weights if they are requested; then the
            four integers of the first product, those of the next, ...
        steps: how many it takes, a measure of its work.
        products: which of its kernels, counted within the part, have a product that was requested.
    """

    columns: frozenset[int]
    outputs: tuple[int, ...]
    kernels: tuple[int, ...]
    run: Callable[..., tuple[Any, ...]]
    steps: int
    products: tuple[int, ...] = ()


def parts_of(
    program: Program,
    pattern: Pattern,
    outputs: Sequence[int],
    kernels: Sequence[tuple[int, ...]],
    products: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> tuple[Part, ...]:
    """Take a program apart.

    Args:
        program, pattern: what, and where its symbols stand.
        outputs: steps. What `joins` says of them puts the shares of the parts together again.
        kernels: steps of each kernel's numbers.
        products: number of a kernel -> steps of the integers of its product.
    """
    columns = _columns_of_steps(program, pattern)
    terms: dict[frozenset[int], dict[int, list[int]]] = {}
    for output, step in enumerate(outputs):
        for term in _terms(program, step, program.steps[step][0]):
            terms.setdefault(columns[term], {}).setdefault(output, []).append(term)
    members: dict[frozenset[int], list[int]] = {}
    for number, steps in enumerate(kernels):
        used = (*steps, *products.get(number, ()))
        members.setdefault(frozenset().union(*(columns[step] for step in used)), []).append(number)
    joins = [program.steps[step][0] for step in outputs]
    return tuple(
        _part(program, joins, kernels, products, own, terms.get(own, {}), members.get(own, []))
        for own in sorted({*terms, *members}, key=sorted)
    )


def checks_of(program: Program, pattern: Pattern, relations: Sequence[Relation]) -> tuple[Part, ...]:
    """Take a condition apart: each part's `run` says whether its relations hold, and all must."""
    columns = _columns_of_steps(program, pattern)
    found: dict[frozenset[int], list[Relation]] = {}
    for relation in relations:
        found.setdefault(columns[relation[1]] | columns[relation[2]], []).append(relation)
    return tuple(
        Part(own, (), (), program.predicate(some), program.work([step for _, a, b in some for step in (a, b)]))
        for own, some in found.items()
    )


def _part(
    program: Program,
    joins: Sequence[str],
    kernels: Sequence[tuple[int, ...]],
    products: Mapping[int, tuple[int, ...]],
    columns: frozenset[int],
    terms: dict[int, list[int]],
    members: Sequence[int],
) -> Part:
    steps: list[Step] = list(program.steps)

    def joined(output: int, terms: Sequence[int]) -> int:
        total = terms[0]
        for term in terms[1:]:
            steps.append((joins[output], total, term))
            total = len(steps) - 1
        return total

    shares = [joined(output, own) for output, own in terms.items()]
    numbers = [step for column in zip(*(kernels[number] for number in members), strict=True) for step in column]
    whole = Program(program.symbols, tuple(steps))
    requested = [*shares, *numbers, *(step for number in members for step in products.get(number, ()))]
    places = tuple(place for place, number in enumerate(members) if number in products)
    return Part(columns, tuple(terms), tuple(members), whole.function(requested), whole.work(requested), places)


def _columns_of_steps(program: Program, pattern: Pattern) -> list[frozenset[int]]:
    """The columns that each step depends on."""
    found: list[frozenset[int]] = []
    for operation, a, b in program.steps:
        if operation == "const":
            found.append(frozenset())
        elif operation == "symbol":
            column = pattern[a]
            found.append(frozenset() if column is None else frozenset([column]))
        else:
            found.append(found[a] | found[b])
    return found


def _terms(program: Program, step: int, join: str) -> list[int]:
    """The steps that a sum adds up, or a maximum compares; the step itself where it is neither."""
    operation, a, b = program.steps[step]
    if operation != join or join not in _JOINS:
        return [step]
    return [*_terms(program, a, join), *_terms(program, b, join)]
