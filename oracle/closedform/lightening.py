"""From the template of a cell that an engine runs to that of the same cell with quantised weights.

`oracle.counting.quantised` is the definition: the same kernels run on the same shapes; those of a convolution or linear
layer read fewer bytes of weights, and scales beside them. What changes follows from the shapes of each kernel's main
operator, so that nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from oracle.closedform.program import Program, Step
from oracle.closedform.template import SUMS, KernelMeta, Template, TemplateKey
from oracle.optable import ITEMSIZE
from oracle.spec import WEIGHT_GROUP

__all__ = ["lightened", "plain_key"]

_LAYERS = frozenset({"conv", "depthwise", "grouped", "linear"})


def plain_key(key: TemplateKey) -> TemplateKey:
    """The key of the same cell whose weights are not quantised."""
    return key._replace(workload=tuple([pair for pair in key.workload if pair[0] != "weights"]))


def lightened(template: Template, key: TemplateKey, weights: str) -> Template:
    """The template of a key of a workload with quantised weights.

    Args:
        template: that of its `plain_key`.
        key: its own.
        weights: int8 or int4.
    """
    writer = _Writer(template.program)
    reads, loads, traffic = (
        list(column) for column in (template.numbers.read_bytes, template.numbers.weight_bytes, template.traffic)
    )
    saved = []
    for number, kernel in enumerate(template.kernels):
        if kernel.op_class in _LAYERS and not writer.is_nothing(loads[number]):
            less = writer.saved(kernel, template.shapes[number], weights)
            saved.append(less)
            for column in (reads, loads, traffic):
                column[number] = writer.step("sub", column[number], less)
    sums = list(template.sums)
    resident = template.memory.weights
    if saved:
        total = reduce(lambda a, b: writer.step("add", a, b), saved)
        place = SUMS.index("traffic_bytes")
        sums[place] = writer.step("sub", sums[place], total)
        resident = writer.step("sub", resident, total)
    return replace(
        template,
        key=key,
        program=writer.program(),
        numbers=template.numbers._replace(read_bytes=tuple(reads), weight_bytes=tuple(loads)),
        traffic=tuple(traffic),
        sums=tuple(sums),
        memory=replace(template.memory, weights=resident),
    )


class _Writer:
    """Adds steps to those of a program, each once."""

    def __init__(self, program: Program) -> None:
        self._symbols = program.symbols
        self._steps = list(program.steps)
        self._known = {step: number for number, step in enumerate(program.steps)}

    def program(self) -> Program:
        """With all steps."""
        return Program(self._symbols, tuple(self._steps))

    def step(self, operation: str, a: int, b: int = 0) -> int:
        """The number of a step."""
        step: Step = (operation, a, b)
        if step not in self._known:
            self._known[step] = len(self._steps)
            self._steps.append(step)
        return self._known[step]

    def is_nothing(self, step: int) -> bool:
        """Whether a step is the number 0."""
        return self._steps[step][:2] == ("const", 0)

    def saved(self, kernel: KernelMeta, shapes: Sequence[Sequence[Sequence[int]]], weights: str) -> int:
        """The bytes that a layer's weight takes less than in the type of its operands: `shapes` is (reads, made)."""
        (_, weight, *_), (made, *_) = shapes
        size = self.step("const", 2 if kernel.matrix_dtype in ("float16", "bfloat16") else ITEMSIZE["float32"])
        elements, scales = self._product(weight), made[1]
        one = self.step("const", 1)
        stored = elements
        if weights == "int4":
            stored = self.step("floordiv", self.step("add", elements, one), self.step("const", 2))
        if kernel.op_class == "linear":
            scales = made[-1]
            if weights == "int4":
                above = self.step("add", weight[0], self.step("const", WEIGHT_GROUP - 1))
                scales = self.step("mul", scales, self.step("floordiv", above, self.step("const", WEIGHT_GROUP)))
        kept = self.step("add", stored, self.step("mul", scales, size))
        return self.step("sub", self.step("mul", elements, size), kept)

    def _product(self, shape: Sequence[int]) -> int:
        return reduce(lambda a, b: self.step("mul", a, b), shape)
