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
from oracle.spec import HALVES, MXFP4, WEIGHT_GROUPS

_EXPERTS = "oracle.experts"
_LAYERS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul"})


def plain_key(key: TemplateKey) -> TemplateKey:
    """The key of the same cell whose weights are not quantised: `oracle.spec.Workload.unquantised`."""
    dtype = dict(key.workload)["dtype"]
    pairs = [("weights", dtype) if name == "weights" else (name, value) for name, value in key.workload]
    kept = pairs if dtype in HALVES else [pair for pair in pairs if pair[0] != "weights"]
    return key._replace(workload=tuple(kept))


def lightened(template: Template, key: TemplateKey, weights: str) -> Template:
    """The template of a key of a workload with quantised weights.

    Args:
        template: that of its `plain_key`.
        key: its own.
        weights: int8, float8, int4 or float4.
    """
    writer = _Writer(template.program)
    reads, loads, traffic = (
        list(column) for column in (template.numbers.read_bytes, template.numbers.weight_bytes, template.traffic)
    )
    sums = list(template.sums)
    resident = template.memory.weights
    place = SUMS.index("traffic_bytes")
    tied = bool(dict(key.static).get("tied")) and weights != MXFP4
    for number, kernel in enumerate(template.kernels):
        if tied and kernel.op_class == "embedding":  # the product that shares the table reads one of its own
            resident = writer.step("add", resident, writer.table_bytes(key, template.shapes[number]))
            tied = False
        if writer.is_nothing(loads[number]):
            continue
        if kernel.name.partition(" ")[0] == _EXPERTS:
            biased = bool(dict(key.static)["mlp_bias"])
            moved, kept = writer.saved_by_experts(kernel, template.shapes[number], weights, loads[number], biased)
        elif kernel.op_class in _LAYERS and weights != MXFP4:
            moved = kept = writer.saved(kernel, template.shapes[number], weights)
        else:
            continue
        for column in (reads, loads, traffic):
            column[number] = writer.step("sub", column[number], moved)
        sums[place] = writer.step("sub", sums[place], moved)
        resident = writer.step("sub", resident, kept)
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
        elements, scales = self._product(weight), made[1]
        if kernel.op_class == "linear":
            scales = self._scales(made[-1], weight[0], weights)
        elif kernel.op_class == "matmul":
            scales = made[-1]
        return self._less(kernel, elements, scales, weights)

    def table_bytes(self, key: TemplateKey, shapes: Sequence[Sequence[Sequence[int]]]) -> int:
        """The bytes of a table of embeddings in the type of the network."""
        size = 2 if dict(key.workload)["dtype"] in HALVES else ITEMSIZE["float32"]
        return self.step("mul", self._product(shapes[0][0]), self.step("const", size))

    def saved_by_experts(
        self, kernel: KernelMeta, shapes: Sequence[Sequence[Sequence[int]]], weights: str, loads: int, biased: bool
    ) -> tuple[int, int]:
        """The same for matrices of experts: of those that are read, and of all.

        Args:
            kernel, shapes, weights: of the product of all experts.
            loads: bytes of weights that it reads in the type of its operands, those of as many biases included.
            biased: whether each expert has a bias.
        """
        (_, (experts, inputs, outputs), *_), _ = shapes
        each = self._product((inputs, outputs))
        read = self.step("add", each, outputs) if biased else each
        reached = self.step("floordiv", loads, self.step("mul", read, self._size(kernel)))
        scales = self._scales(outputs, inputs, weights)
        moved, kept = (
            self._less(kernel, self.step("mul", count, each), self.step("mul", count, scales), weights)
            for count in (reached, experts)
        )
        return moved, kept

    def _scales(self, outputs: int, inputs: int, weights: str) -> int:
        """How many scales a matrix has."""
        group = WEIGHT_GROUPS.get(weights)
        if group is None:
            return outputs
        above = self.step("add", inputs, self.step("const", group - 1))
        return self.step("mul", outputs, self.step("floordiv", above, self.step("const", group)))

    def _less(self, kernel: KernelMeta, elements: int, scales: int, weights: str) -> int:
        """The bytes that elements take less, with their scales."""
        size, stored = self._size(kernel), elements
        scale = self.step("const", 1) if weights == MXFP4 else size
        if weights in WEIGHT_GROUPS:
            stored = self.step("floordiv", self.step("add", elements, self.step("const", 1)), self.step("const", 2))
        kept = self.step("add", stored, self.step("mul", scales, scale))
        return self.step("sub", self.step("mul", elements, size), kept)

    def _size(self, kernel: KernelMeta) -> int:
        return self.step("const", 2 if kernel.matrix_dtype in ("float16", "bfloat16") else ITEMSIZE["float32"])

    def _product(self, shape: Sequence[int]) -> int:
        return reduce(lambda a, b: self.step("mul", a, b), shape)
