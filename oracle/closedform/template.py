"""A template: one kind of cell, counted once with symbols, answering for arrays of its integers.

Free of torch and sympy, so that templates from the cache file answer without either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from oracle.closedform.calibrated import CalibratedDevice, roofs_at
from oracle.closedform.partition import Part, Pattern, checks_of, parts_of
from oracle.closedform.program import Program
from oracle.memory import PHASES, CellMemory
from oracle.optable import shapes_text
from oracle.roofline import KernelKinds, Roofs

__all__ = [
    "ALONE",
    "MEMORY_SIZES",
    "SUMS",
    "Format",
    "KernelMeta",
    "KernelNumbers",
    "Template",
    "TemplateKey",
    "parts_in",
]

MEMORY_SIZES = tuple(name for name in CellMemory.__dataclass_fields__ if not name.endswith("put_retained"))
"""Fields of a cell's memory that are bytes; the others are flags."""

SUMS = ("macs", "flops", "masked_flops", "traffic_bytes", "params", "activations", "pycls_macs", "pycls_activations")
"""What is added up over the kernels of a cell, and over the cells of a network; the last two as pycls counts.

FLOPs are those that are counted; `masked_flops` those of them that no kernel runs, see `oracle.counting`.
"""

ALONE = ("macs", "masked_flops", "params", "activations", "pycls_macs", "pycls_activations")
"""Those of `SUMS` that the numbers of the kernels do not add up to."""

_PLACES = 64  # devices, as calibrated, whose roofs a template remembers


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
    """The integers of each kernel, as steps of the program."""

    macs: tuple[int, ...]
    matrix_flops: tuple[int, ...]
    vector_flops: tuple[int, ...]
    read_bytes: tuple[int, ...]
    write_bytes: tuple[int, ...]
    weight_bytes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """Closed forms of one kind of cell.

    Attributes:
        key: what it is for.
        program: all expressions.
        guards: relations (name, step, step) that the trace relied on.
        kernels: what is known of each kernel.
        numbers: steps of each kernel's integers.
        shapes: of each kernel, the shapes that its main operator reads and makes, in steps (`Row.main_shapes`).
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
    shapes: tuple[Any, ...]
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

        A function of the symbols' columns, and of whether the bytes of weights are requested, which roofs alone do not.
        """
        return parts_in(self, self.program)

    @cached_property
    def checks(self) -> Callable[[Pattern], tuple[Part, ...]]:
        """A function of the symbols' columns: the guards, those that depend on the same ones together."""
        return lru_cache(maxsize=64)(lambda pattern: checks_of(self.program, pattern, self.guards))

    @cached_property
    def roofs(self) -> Callable[[CalibratedDevice], Roofs]:
        """A function of a place: the roofs of its kernels there."""
        steps = self.program.steps
        matrix, vector = (
            [steps[step] != ("const", 0, 0) for step in column]
            for column in (self.numbers.matrix_flops, self.numbers.vector_flops)
        )
        return lru_cache(maxsize=_PLACES)(lambda place: roofs_at(place, self.kinds, matrix, vector))

    @cached_property
    def part_roofs(self) -> Callable[[CalibratedDevice, tuple[int, ...]], Roofs]:
        """A function of a place and the numbers of some kernels: their roofs there."""
        return lru_cache(maxsize=8 * _PLACES)(lambda place, kernels: self.roofs(place).of_kernels(kernels))

    def described(self, values: Sequence[int]) -> list[tuple[KernelMeta, int, str]]:
        """Each kernel of one cell: its words, its multiply-adds, and the shapes of its main operator for people."""
        numbers = self._details(*values)
        count = len(self.kernels)
        texts = [form % numbers[count + start : count + stop] for form, start, stop in self._shape_forms]
        return list(zip(self.kernels, numbers, texts, strict=False))

    @cached_property
    def _shape_forms(self) -> list[tuple[str, int, int]]:
        """Of each kernel: its shapes with a `%d` per dimension, and where these stand among all dimensions."""
        found, stop = [], 0
        for ends in self.shapes:
            start, stop = stop, stop + sum(len(shape) for end in ends for shape in end)
            found.append((shapes_text([[["%d"] * len(shape) for shape in end] for end in ends]), start, stop))
        return found

    @cached_property
    def by_phase(self) -> tuple[list[int], ...]:
        """The numbers of the kernels of each phase, in order."""
        numbered = list(enumerate(self.kernels))
        return tuple([at for at, kernel in numbered if kernel.phase == phase] for phase in PHASES)

    @cached_property
    def _details(self) -> Callable[..., tuple[int, ...]]:
        dims = [step for ends in self.shapes for end in ends for shape in end for step in shape]
        return self.program.function([*self.numbers.macs, *dims])

    @cached_property
    def largest(self) -> Callable[[tuple[int, ...], tuple[int, ...]], int]:
        """A function of the largest and smallest value of each symbol: a bound of every integer in between."""

        @lru_cache(maxsize=256)
        def bound(highs: tuple[int, ...], lows: tuple[int, ...]) -> int:
            largest, smallest = (dict(zip(self.program.symbols, box, strict=True)) for box in (highs, lows))
            return max(self.program.bounds(largest, smallest, [*self.sums, self.memory.forward, self.memory.backward]))

        return bound


def parts_in(
    template: Template, program: Program, dims: Mapping[int, tuple[int, ...]] = MappingProxyType({})
) -> Callable[[Pattern, bool], tuple[Part, ...]]:
    """What `Template.parts` is.

    Args:
        template: whose outputs and kernels count.
        program: that computes them, and the dimensions.
        dims: kernel -> the steps of what its product multiplies.
    """
    numbers = template.numbers
    columns = (numbers.matrix_flops, numbers.vector_flops, template.traffic, numbers.weight_bytes)

    @lru_cache(maxsize=64)
    def parts(pattern: Pattern, weighted: bool) -> tuple[Part, ...]:
        kernels = tuple(zip(*columns[: 4 if weighted else 3], strict=True))
        return parts_of(program, pattern, template.outputs, kernels, dims)

    return parts
