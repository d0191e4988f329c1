"""Templates as compact plain data: words and steps by their number in tables that many templates share.

Data only: reading it checks every step and every number of one, and runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from oracle.closedform.program import OPERATIONS, RELATIONS, Program, Step
from oracle.closedform.template import MEMORY_SIZES, SUMS, Format, KernelMeta, KernelNumbers, Template, TemplateKey
from oracle.errors import OracleError
from oracle.memory import CellMemory

_FLAGS = tuple(name for name in CellMemory.__dataclass_fields__ if name not in MEMORY_SIZES)
_META = len(KernelMeta._fields)
_CONST, _SYMBOL, _MUL = (OPERATIONS.index(name) for name in ("const", "symbol", "mul"))


class Words:
    """A table of words that grows as they are requested.

    Attributes:
        table: the words, by number.
    """

    def __init__(self) -> None:
        self.table: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """The number of a word."""
        if word not in self._numbers:
            self._numbers[word] = len(self.table)
            self.table.append(word)
        return self._numbers[word]


class Steps:
    """A table of steps that programs share; products are stored in one order of their factors.

    Attributes:
        operations, left, right: of each step: (const, number of a value, 0), (symbol, number of a word, 0), or an
            operation on two earlier steps.
        constants: the values.
        symbols: the words.
    """

    def __init__(self) -> None:
        self.operations: list[int] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.constants: list[int] = []
        self.symbols = Words()
        self._values: dict[int, int] = {}
        self._known: dict[tuple[int, int, int], int] = {}
        self._factors: dict[int, tuple[int, ...]] = {}

    def add(self, program: Program) -> list[int]:
        """The numbers of a program's steps."""
        found: list[int] = []
        for name, a, b in program.steps:
            operation = OPERATIONS.index(name)
            if operation == _CONST:
                if a not in self._values:
                    self._values[a] = len(self.constants)
                    self.constants.append(a)
                found.append(self._step(operation, self._values[a], 0))
            elif operation == _SYMBOL:
                found.append(self._step(operation, self.symbols.number(program.symbols[a]), 0))
            elif operation == _MUL:
                found.append(self._product(found[a], found[b]))
            else:
                found.append(self._step(operation, found[a], found[b]))
        return found

    def _product(self, a: int, b: int) -> int:
        factors = sorted((*self._factors.get(a, (a,)), *self._factors.get(b, (b,))), key=self._order)
        total = factors[0]
        for place, factor in enumerate(factors[1:], start=2):
            total = self._step(_MUL, total, factor)
            self._factors.setdefault(total, tuple(factors[:place]))
        return total

    def _order(self, step: int) -> tuple[bool, int]:
        return self.operations[step] == _CONST, step  # constants last

    def _step(self, operation: int, a: int, b: int) -> int:
        key = operation, a, b
        if key not in self._known:
            self._known[key] = len(self.operations)
            self.operations.append(operation)
            self.left.append(a)
            self.right.append(b)
        return self._known[key]

    def plain(self) -> list[Any]:
        """Plain data for `StepTable`."""
        return [self.operations, self.left, self.right, self.constants, self.symbols.table]


class StepTable:
    """The steps that `Steps` collected, for reading.

    Args:
        plain: what `Steps.plain` gave.

    Raises:
        TypeError, ValueError: anything else.
    """

    def __init__(self, plain: Sequence[Any]) -> None:
        self._operations, self._left, self._right, self._constants, self._symbols = plain
        if not len(self._operations) == len(self._left) == len(self._right):
            raise ValueError("steps: expected three columns of one length")

    def program(self, symbols: Sequence[str], requested: Iterable[int]) -> tuple[Program, dict[int, int]]:
        """The program of some steps and of what they need, and its step for each of the table's.

        Raises:
            TypeError, ValueError, IndexError, OracleError: numbers of no step, or a step that is none of ours.
        """
        operations, left, right = self._operations, self._left, self._right
        needed: set[int] = set()
        stack = list(requested)
        while stack:
            step = stack.pop()
            if type(step) is not int or not 0 <= step < len(operations):
                raise ValueError(f"step {step!r}: expected one of {len(operations)}")
            if step in needed:
                continue
            needed.add(step)
            if operations[step] not in (_CONST, _SYMBOL):
                a, b = left[step], right[step]
                if a >= step or b >= step:
                    raise ValueError(f"step {step} needs a later one")
                stack += [a, b]
        places = {name: place for place, name in enumerate(symbols)}
        steps: list[Step] = []
        found: dict[int, int] = {}
        for step in sorted(needed):
            operation = operations[step]
            if operation == _CONST:
                steps.append(("const", self._constants[left[step]], 0))
            elif operation == _SYMBOL:
                steps.append(("symbol", places.get(self._symbols[left[step]], -1), 0))
            else:
                steps.append((OPERATIONS[operation], found[left[step]], found[right[step]]))
            found[step] = len(steps) - 1
        return Program(tuple(symbols), tuple(steps)), found


def pack(template: Template, words: Words, steps: Steps) -> list[Any]:
    """All of a template but its key, and the formats at its ends."""
    number, step = words.number, steps.add(template.program)
    memory = template.memory
    return [
        [number(name) for name in template.program.symbols],
        [part for name, a, b in template.guards for part in (RELATIONS.index(name), step[a], step[b])],
        [number(word) for kernel in template.kernels for word in kernel],
        [[step[own] for own in column] for column in (*template.numbers, template.traffic)],
        _mapped(template.shapes, step),
        [step[own] for own in template.sums],
        [step[getattr(memory, name)] for name in MEMORY_SIZES],
        [int(getattr(memory, name)) for name in _FLAGS],
        [step[own] for own in template.output],
        template.unknown,
        template.coverage,
    ]


def unpack(
    key: TemplateKey, packed: Sequence[Any], ends: Sequence[Any], words: Sequence[str], table: StepTable
) -> Template:
    """The template that `pack` packed, through JSON; `ends` are the formats of its output and its input's gradient.

    Raises:
        TypeError, ValueError, IndexError, KeyError, OracleError: anything else than what `pack` makes.
    """
    symbols, guards, kernels, columns, shapes, sums, sizes, flags, output, unknown, coverage = packed
    output_format, input_gradient = ends
    relations = list(_by(3, guards))
    requested = [step for column in columns for step in column] + [*sums, *sizes, *output]
    requested += [step for _, a, b in relations for step in (a, b)]
    requested += [step for pair in shapes for end in pair for shape in end for step in shape]
    program, step = table.program([words[number] for number in symbols], requested)
    metas = tuple(KernelMeta(*(words[number] for number in kernel)) for kernel in _by(_META, kernels))
    *numbers, traffic = [tuple([step[own] for own in column]) for column in columns]
    if not all(len(column) == len(metas) for column in (*numbers, traffic, shapes)):
        raise OracleError(f"template of cell kind={key.kind!r}: expected as many numbers as kernels")
    if len(sums) != len(SUMS):
        raise OracleError(f"template of cell kind={key.kind!r}: expected {len(SUMS)} sums")
    return Template(
        key=key,
        program=program,
        guards=tuple((RELATIONS[name], step[a], step[b]) for name, a, b in relations),
        kernels=metas,
        numbers=KernelNumbers(*numbers),
        shapes=_mapped(shapes, step),
        traffic=traffic,
        sums=tuple([step[own] for own in sums]),
        memory=CellMemory(
            **{name: step[size] for name, size in zip(MEMORY_SIZES, sizes, strict=True)},
            **{name: bool(flag) for name, flag in zip(_FLAGS, flags, strict=True)},
        ),
        output=tuple([step[own] for own in output]),
        output_format=_format(output_format),
        input_gradient=None if input_gradient is None else _format(input_gradient),
        unknown=tuple(unknown),
        coverage=(coverage[0], coverage[1], coverage[2]),
    )


def key_to(key: TemplateKey) -> list[Any]:
    """A key as plain data."""
    return list(key)


def key_from(plain: Sequence[Any]) -> TemplateKey:
    """The key that `key_to` gave, through JSON."""
    kind, static, pinned, entering, gradient, first, workload = plain
    return TemplateKey(
        kind,
        _tuples(static),
        _tuples(pinned),
        _format(entering),
        None if gradient is None else _format(gradient),
        first,
        _tuples(workload),
    )


def _format(plain: Sequence[Any]) -> Format:
    dtype, order = plain
    return Format(dtype, tuple(order))


def _by(count: int, values: Sequence[Any]) -> zip[tuple[Any, ...]]:
    """Values by so many at a time."""
    return zip(*(iter(values),) * count, strict=True)


def _mapped(value: Any, step: Any) -> Any:
    """Nested numbers of steps as those of another table."""
    return tuple([_mapped(item, step) for item in value]) if isinstance(value, (list, tuple)) else step[value]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value
