"""A template: one kind of cell, counted once with symbols, answering for arrays of its integers.

Free of torch and sympy, so that templates from the cache file answer without either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from oracle.closedform.program import Program
from oracle.counting.memory import CellMemory, Lifetimes, Span, measure
from oracle.roofline import KernelKinds

__all__ = ["Format", "KernelMeta", "KernelNumbers", "Template", "TemplateKey"]

Array = Any  # an int, or an int64 array of shape (rows,)


class Format(NamedTuple):
    """How a tensor is laid out, without its sizes: dtype, and "contiguous" or "channels_last"."""

    dtype: str
    layout: str


class TemplateKey(NamedTuple):
    """What a template is for; its guards say for which integers.

    Attributes:
        kind: of the cell.
        static: parameters that are no symbols.
        pinned: symbols that are 0 or 1, with their value (both change what runs).
        rank: dimensions of the input.
        input, gradient: formats of what enters at both ends; no gradient means like the output.
        first: whether the input needs no gradient.
        workload: the workload's fields but for the batch size.
    """

    kind: str
    static: tuple[tuple[str, Any], ...]
    pinned: tuple[tuple[str, int], ...]
    rank: int
    input: Format
    gradient: Format | None
    first: bool
    workload: tuple[tuple[str, str], ...]


class KernelMeta(NamedTuple):
    """What of a kernel does not depend on sizes; see `oracle.counting.KernelCount`."""

    name: str
    op_class: str
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


class Answer(NamedTuple):
    """What the cells of some rows cost, summed over their kernels.

    Attributes:
        macs, flops, traffic_bytes, params, activations: ints or arrays.
        matrix_flops, vector_flops, kernel_bytes: one entry per kernel, each an int or an array.
        memory: as `oracle.counting.memory` has it.
        output: dimensions of what leaves the cell.
    """

    macs: Array
    flops: Array
    traffic_bytes: Array
    params: Array
    activations: Array
    matrix_flops: tuple[Array, ...]
    vector_flops: tuple[Array, ...]
    kernel_bytes: tuple[Array, ...]
    memory: CellMemory
    output: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """Closed forms of one kind of cell.

    Attributes:
        key: what it is for.
        program: all expressions.
        guards: relations (name, step, step) that the trace relied on.
        kernels: what is known of each kernel.
        numbers: steps of each kernel's integers.
        traffic, macs, flops, total_bytes: steps: bytes per kernel, and sums over kernels.
        params, activations: steps.
        sizes: steps of the bytes of each storage.
        lifetimes: when each storage lives.
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
    macs: int
    flops: int
    total_bytes: int
    params: int
    activations: int
    sizes: tuple[int, ...]
    lifetimes: Lifetimes
    output: tuple[int, ...]
    output_format: Format
    input_gradient: Format | None
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]

    @cached_property
    def covers(self) -> Any:
        """A function of the symbols that says where the guards hold."""
        return self.program.predicate(self.guards)

    @cached_property
    def kinds(self) -> KernelKinds:
        """What `oracle.roofline.time_kernels` wants to know of the kernels."""
        return KernelKinds(
            tuple(kernel.op_class for kernel in self.kernels),
            tuple(kernel.matrix_dtype for kernel in self.kernels),
            tuple(kernel.vector_dtype for kernel in self.kernels),
        )

    @cached_property
    def _answers(self) -> Any:
        return self.program.function(
            (
                self.macs,
                self.flops,
                self.total_bytes,
                self.params,
                self.activations,
                *self.output,
                *self.numbers.matrix_flops,
                *self.numbers.vector_flops,
                *self.traffic,
                *(self.sizes[storage] for storage in self._stored),
            )
        )

    @cached_property
    def _stored(self) -> tuple[int, ...]:
        """Storages whose size matters."""
        life = self.lifetimes
        spans = {span.storage for phase in life.spans for span in phase}
        ends = {end for end in (life.boundary_in, life.boundary_out) if end >= 0}
        return tuple(sorted(spans | ends | {*life.weights, *life.states, *life.gradients, *life.retained}))

    @cached_property
    def _numbers(self) -> Any:
        return self.program.function([step for column in self.numbers for step in column])

    def answer(self, values: Sequence[Array]) -> Answer:
        """Costs for values of the program's symbols, ints or arrays of one length."""
        found = self._answers(*values)
        rank, count = len(self.output), len(self.kernels)
        parts, position = [], 5 + rank
        for _ in range(3):
            parts.append(found[position : position + count])
            position += count
        sizes: list[Array] = [0] * len(self.sizes)
        for storage, size in zip(self._stored, found[position:], strict=True):
            sizes[storage] = size
        maximum = np.maximum if any(isinstance(value, np.ndarray) for value in values) else max
        return Answer(*found[:5], *parts, measure(self.lifetimes, sizes, maximum), found[5 : 5 + rank])

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
            return max(self.program.bounds(largest, smallest, [self.flops, self.total_bytes, *self.sizes]))

        return bound

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the cache file."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["program"] = {"symbols": self.program.symbols, "steps": self.program.steps}
        plain["lifetimes"] = {name: getattr(self.lifetimes, name) for name in Lifetimes.__dataclass_fields__}
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Template:
        """The template that `to_dict` wrote, through JSON.

        Raises:
            KeyError, TypeError, ValueError, OracleError: anything else than what `to_dict` wrote.
        """
        data = {name: _tuples(plain[name]) for name in cls.__dataclass_fields__}
        key = data["key"]
        data["key"] = TemplateKey(
            key[0], key[1], key[2], key[3], Format(*key[4]), None if key[5] is None else Format(*key[5]), key[6], key[7]
        )
        program = plain["program"]
        data["program"] = Program(_tuples(program["symbols"]), _tuples(program["steps"]))
        data["kernels"] = tuple(KernelMeta(*kernel) for kernel in data["kernels"])
        data["numbers"] = KernelNumbers(*data["numbers"])
        life = {name: _tuples(plain["lifetimes"][name]) for name in Lifetimes.__dataclass_fields__}
        life["spans"] = tuple(tuple(Span(*span) for span in phase) for phase in life["spans"])
        data["lifetimes"] = Lifetimes(**life)
        data["output_format"] = Format(*data["output_format"])
        data["input_gradient"] = None if data["input_gradient"] is None else Format(*data["input_gradient"])
        return cls(**data)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
