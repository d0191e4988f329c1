"""From the template of a cell in float32 to that of the same cell in half precision, as `Module.half` makes it.

Nothing is cast in either: the same kernels run on the same shapes. What differs are the bytes of floating-point
tensors, of which there are half as many, and the names of types. What keeps its size (counts of batches, indices,
masks, the statistics of a norm) makes exceptions, which are stored; terms of bytes without symbols are taken to be of
that kind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from oracle.closedform.program import Program, Step
from oracle.closedform.template import MEMORY_SIZES, SUMS, Format, KernelNumbers, Template, TemplateKey

_FLOAT, _HALF = "float32", "float16"
BYTES = ("read_bytes", "write_bytes", "weight_bytes")


class Exceptions(NamedTuple):
    """Where a half template is not what halving gives.

    Attributes:
        steps: number of a size (of the bytes each kernel reads, of those it writes, of those of weights, and of
            `MEMORY_SIZES`, one after the other) -> its step.
        dtypes: number of a kernel -> types it computes in on either unit.
        program: of the steps.
    """

    steps: dict[int, int]
    dtypes: dict[int, tuple[str, str]]
    program: Program


def half_key(key: TemplateKey) -> TemplateKey:
    """The key of the same cell with weights in half precision, given its canonical one in float32."""
    workload = {**dict(key.workload), "dtype": _HALF, "weights": _HALF}

    def form(old: Format | None) -> Format | None:
        return old and old._replace(dtype=half_name(old.dtype))

    return key._replace(
        workload=tuple(sorted(workload.items())),
        input=key.input._replace(dtype=half_name(key.input.dtype)),
        gradient=form(key.gradient),
    )


def halved(template: Template, but: Exceptions) -> Template:
    """The half template of one in float32.

    Args:
        template: that one.
        but: where halving does not give it.

    Raises:
        ValueError: bytes that are no multiple of two, and no exception.
    """
    target = Target()
    old, other = Reader(target, template.program), Reader(target, but.program)
    sizes = [
        other.copy(but.steps[number]) if number in but.steps else old.half(step)
        for number, step in enumerate(sizes_of(template))
    ]
    count = len(template.kernels)
    reads, writes, weights = (tuple(sizes[place * count : (place + 1) * count]) for place in range(3))
    memory = dict(zip(MEMORY_SIZES, sizes[3 * count :], strict=True))
    macs, matrix, vector = (tuple(map(old.copy, column)) for column in template.numbers[:3])
    traffic = tuple([target.total(pair) for pair in zip(reads, writes, strict=True)])
    sums = [
        target.total(traffic) if name == "traffic_bytes" else old.copy(step)
        for name, step in zip(SUMS, template.sums, strict=True)
    ]
    kernels = [
        kernel._replace(matrix_dtype=half_name(kernel.matrix_dtype), vector_dtype=half_name(kernel.vector_dtype))
        for kernel in template.kernels
    ]
    for number, (on_matrix, on_vector) in but.dtypes.items():
        kernels[number] = kernels[number]._replace(matrix_dtype=on_matrix, vector_dtype=on_vector)

    def form(given: Format | None) -> Format | None:
        return given and given._replace(dtype=half_name(given.dtype))

    fields: dict[str, Any] = {
        "key": half_key(template.key),
        "guards": tuple([(name, old.copy(a), old.copy(b)) for name, a, b in template.guards]),
        "kernels": tuple(kernels),
        "numbers": KernelNumbers(macs, matrix, vector, reads, writes, weights),
        "shapes": _mapped(template.shapes, old),
        "traffic": traffic,
        "sums": tuple(sums),
        "memory": replace(template.memory, **memory),
        "output": tuple(map(old.copy, template.output)),
        "output_format": form(template.output_format),
        "input_gradient": form(template.input_gradient),
    }
    return replace(template, **fields, program=target.program(template.program.symbols))


def sizes_of(template: Template) -> list[int]:
    """The steps of all bytes, in the order of their numbers in `Exceptions`."""
    columns = [step for name in BYTES for step in getattr(template.numbers, name)]
    return columns + [getattr(template.memory, name) for name in MEMORY_SIZES]


def half_name(dtype: str) -> str:
    """A type of the float32 template as the half one has it."""
    return _HALF if dtype == _FLOAT else dtype


def _mapped(value: Any, reader: Reader) -> Any:
    return tuple([_mapped(item, reader) for item in value]) if isinstance(value, tuple) else reader.copy(value)


class Target:
    """A program that is being written, each step once."""

    def __init__(self) -> None:
        self._steps: dict[Step, int] = {}

    def step(self, operation: str, a: int, b: int) -> int:
        """The number of a step."""
        return self._steps.setdefault((operation, a, b), len(self._steps))

    def total(self, steps: tuple[int, ...]) -> int:
        """The step that adds up others; adding nothing makes no step."""
        nothing = self.step("const", 0, 0)
        kept = [step for step in steps if step != nothing] or [nothing]
        total = kept[0]
        for step in kept[1:]:
            total = self.step("add", total, step)
        return total

    def program(self, symbols: tuple[str, ...]) -> Program:
        """What was written."""
        return Program(symbols, tuple(self._steps))


class Reader:
    """Writes steps of one program to another, as they are or with half of every term."""

    def __init__(self, target: Target, program: Program) -> None:
        self._target = target
        self._old = program.steps
        self._copies: dict[int, int] = {}
        self._halves: dict[int, int] = {}

    def copy(self, step: int) -> int:
        """A step as it is."""
        if step not in self._copies:
            operation, a, b = self._old[step]
            if operation not in ("const", "symbol"):
                a, b = self.copy(a), self.copy(b)
            self._copies[step] = self._target.step(operation, a, b)
        return self._copies[step]

    def half(self, step: int) -> int:
        """A step with half of every term that has symbols.

        Raises:
            ValueError: such a term is no multiple of two.
        """
        if step not in self._halves:
            operation, a, b = self._old[step]
            factor = self._old[b][1] if operation == "mul" and self._old[b][0] == "const" else 1
            if operation == "const":
                found = self.copy(step)
            elif operation in ("add", "sub", "max"):
                found = self._target.step(operation, self.half(a), self.half(b))
            elif factor % 2:
                raise ValueError(f"step {step}: expected bytes")
            elif factor == 2:
                found = self.copy(a)
            else:
                found = self._target.step("mul", self.copy(a), self._target.step("const", factor // 2, 0))
            self._halves[step] = found
        return self._halves[step]
