"""A template: one kind of cell, counted once with symbols, answering for arrays of its integers.

Free of torch and sympy, so that templates from the cache file answer without either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from oracle.closedform.partition import Part, Pattern, checks_of, parts_of
from oracle.closedform.places import Place, roofs_at
from oracle.closedform.program import Program
from oracle.counting.memory import CellMemory
from oracle.roofline import KernelKinds, Roofs

__all__ = ["MEMORY_SIZES", "SUMS", "Format", "KernelMeta", "KernelNumbers", "Template", "TemplateKey"]

MEMORY_SIZES = tuple(name for name in CellMemory.__dataclass_fields__ if not name.endswith("put_retained"))
"""Fields of a cell's memory that are bytes; the others are flags."""

SUMS = ("macs", "flops", "traffic_bytes", "params", "activations", "pycls_macs", "pycls_activations")
"""What is added up over the kernels of a cell, and over the cells of a network; the last two as pycls counts."""

Array = Any  # an int, or an int64 array of shape (rows,)


class Format(NamedTuple):
    """How a dense tensor is laid out, without its sizes.

    Attributes:
        dtype: such as `float32`.
        order: its dimensions from the outermost to the innermost; (0, 2, 3, 1) is channels last.
    """

    dtype: str
    order: tuple[int, ...]

    @classmethod
    def of(cls, dtype: str, shape: Sequence[int], stride: Sequence[int]) -> Format:
        """The format of a tensor; dimensions of size 1, whose stride means nothing, stay where they are."""
        order = sorted((axis for axis in range(len(shape)) if shape[axis] != 1), key=lambda axis: -stride[axis])
        moving = iter(order)
        return cls(dtype, tuple(axis if shape[axis] == 1 else next(moving) for axis in range(len(shape))))

    @classmethod
    def image(cls, dtype: str, rank: int, layout: str) -> Format:
        """The format of an input of some rank in a workload's layout."""
        return cls(dtype, (0, 2, 3, 1) if layout == "nhwc" and rank == 4 else tuple(range(rank)))


class TemplateKey(NamedTuple):
    """What a template is for; its guards say for which integers.

    Attributes:
        kind: of the cell.
        static: parameters that are no symbols.
        pinned: symbols that are 0 or 1, with their value (both change what runs).
        input, gradient: formats of what enters at both ends; no gradient means like the output.
        first: whether the input needs no gradient.
        workload: the workload's fields but for the batch size.
    """

    kind: str
    static: tuple[tuple[str, Any], ...]
    pinned: tuple[tuple[str, int], ...]
    input: Format
    gradient: Format | None
    first: bool
    workload: tuple[tuple[str, str], ...]


class KernelMeta(NamedTuple):
    """What of a kernel does not depend on sizes; see `oracle.counting.KernelCount` and `oracle.calibration`."""

    name: str
    op_class: str
    kernel_class: str
    module: str
    phase: str
    matrix_dtype: str
    vector_dtype: str


class KernelNumbers(NamedTuple):
    """The integers of each kernel, as steps of the program or as their values."""

    macs: tuple[Any, ...]
    matrix_flops: tuple[Any, ...]
    vector_flops: tuple[Any, ...]
    read_bytes: tuple[Any, ...]
    write_bytes: tuple[Any, ...]
    weight_bytes: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """Closed forms of one kind of cell.

    Attributes:
        key: what it is for.
        program: all expressions.
        guards: relations (name, step, step) that the trace relied on.
        kernels: what is known of each kernel.
        numbers: steps of each kernel's integers.
        traffic: steps of the bytes that each kernel moves.
        sums: steps of what `SUMS` names.
        memory: steps of what `oracle.counting.memory.measure` says.
        output: steps of the dimensions that leave the cell, and their format.
        input_gradient: format of the gradient that leaves it; None in inference and for the first cell.
        unknown, coverage: as in `oracle.counting.TableCount`.
    """

    key: TemplateKey
    program: Program
    guards: tuple[tuple[str, int, int], ...]
    kernels: tuple[KernelMeta, ...]
    numbers: KernelNumbers
    traffic: tuple[int, ...]
    sums: tuple[int, ...]
    memory: CellMemory
    output: tuple[int, ...]
    output_format: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]

    @cached_property
    def kinds(self) -> KernelKinds:
        """What `oracle.roofline.time_kernels` wants to know of the kernels."""
        return KernelKinds(
            tuple(kernel.kernel_class for kernel in self.kernels),
            tuple(kernel.matrix_dtype for kernel in self.kernels),
            tuple(kernel.vector_dtype for kernel in self.kernels),
        )

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """Fields of the memory that are sizes and matter: inference has a forward pass only."""
        names = MEMORY_SIZES if dict(self.key.workload)["mode"] == "training" else ("weights", "forward")
        return tuple(names)

    @cached_property
    def no_memory(self) -> CellMemory:
        """The memory with all sizes 0."""
        return replace(self.memory, **dict.fromkeys(MEMORY_SIZES, 0))

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Steps of what `SUMS` names, of the dimensions that leave the cell, and of `sizes`, each once.

        Without those that are symbols.
        """
        return tuple(step for step in self._answers if step not in self.handed_on)

    @cached_property
    def handed_on(self) -> dict[int, int]:
        """The others: step -> which symbol it is."""
        steps = self.program.steps
        return {step: steps[step][1] for step in self._answers if steps[step][0] == "symbol"}

    @cached_property
    def _answers(self) -> tuple[int, ...]:
        sizes = (getattr(self.memory, name) for name in self.sizes)
        return tuple(dict.fromkeys((*self.sums, *self.output, *sizes)))

    @cached_property
    def joins(self) -> tuple[str, ...]:
        """The operation that puts the shares of the parts together, for each output."""
        return tuple(self.program.steps[step][0] for step in self.outputs)

    @cached_property
    def parts(self) -> Callable[[Pattern, bool], tuple[Part, ...]]:
        """Outputs and kernels, those that depend on the same columns together.

        A function of the symbols' columns, and of whether the bytes of weights are asked for, which roofs alone do not.
        """
        numbers = self.numbers
        columns = (numbers.matrix_flops, numbers.vector_flops, self.traffic, numbers.weight_bytes)

        @lru_cache(maxsize=64)
        def parts(pattern: Pattern, weighted: bool) -> tuple[Part, ...]:
            kernels = tuple(zip(*columns[: 4 if weighted else 3], strict=True))
            return parts_of(self.program, pattern, self.outputs, kernels)

        return parts

    @cached_property
    def checks(self) -> Callable[[Pattern], tuple[Part, ...]]:
        """A function of the symbols' columns: the guards, those that depend on the same ones together."""
        return lru_cache(maxsize=64)(lambda pattern: checks_of(self.program, pattern, self.guards))

    @cached_property
    def _numbers(self) -> Any:
        return self.program.function([step for column in self.numbers for step in column])

    def roofs(self, place: Place) -> Roofs:
        """The roofs of its kernels on a device, worked out once."""
        key = id(place), None
        if key not in self._roofs:
            steps = self.program.steps
            matrix, vector = (
                [steps[step] != ("const", 0, 0) for step in column]
                for column in (self.numbers.matrix_flops, self.numbers.vector_flops)
            )
            # The place is kept as well: its address must not be given to another one.
            self._roofs[key] = roofs_at(place, self.kinds, matrix, vector), place
        return self._roofs[key][0]

    def part_roofs(self, place: Place, part: Part) -> Roofs:
        """The roofs of a part's kernels on a device, worked out once."""
        key = id(place), part.kernels
        if key not in self._roofs:
            self._roofs[key] = self.roofs(place).of_kernels(part.kernels), place
        return self._roofs[key][0]

    @cached_property
    def _roofs(self) -> dict[tuple[int, tuple[int, ...] | None], tuple[Roofs, Place]]:
        return {}

    def kernel_numbers(self, values: Sequence[Array]) -> KernelNumbers:
        """The integers of every kernel."""
        found = self._numbers(*values)
        count = len(self.kernels)
        return KernelNumbers(*(found[i * count : (i + 1) * count] for i in range(6)))

    @cached_property
    def largest(self) -> Callable[[tuple[int, ...], tuple[int, ...]], int]:
        """A function of the largest and smallest value of each symbol: a bound of every integer in between."""

        @lru_cache(maxsize=256)
        def bound(highs: tuple[int, ...], lows: tuple[int, ...]) -> int:
            largest, smallest = (dict(zip(self.program.symbols, box, strict=True)) for box in (highs, lows))
            return max(self.program.bounds(largest, smallest, [*self.sums, self.memory.forward, self.memory.backward]))

        return bound

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the cache file."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["program"] = {"symbols": self.program.symbols, "steps": self.program.steps}
        plain["memory"] = {name: getattr(self.memory, name) for name in CellMemory.__dataclass_fields__}
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Template:
        """The template that `to_dict` wrote, through JSON.

        Raises:
            KeyError, TypeError, ValueError, OracleError: anything else than what `to_dict` wrote.
        """
        data = {name: _tuples(plain[name]) for name in cls.__dataclass_fields__}
        key = data["key"]
        gradient = None if key[4] is None else Format(*key[4])
        data["key"] = TemplateKey(key[0], key[1], key[2], Format(*key[3]), gradient, key[5], key[6])
        program = plain["program"]
        data["program"] = Program(_tuples(program["symbols"]), _tuples(program["steps"]))
        data["kernels"] = tuple(KernelMeta(*kernel) for kernel in data["kernels"])
        data["numbers"] = KernelNumbers(*data["numbers"])
        data["memory"] = CellMemory(**{name: plain["memory"][name] for name in CellMemory.__dataclass_fields__})
        data["output_format"] = Format(*data["output_format"])
        data["input_gradient"] = None if data["input_gradient"] is None else Format(*data["input_gradient"])
        return cls(**data)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
