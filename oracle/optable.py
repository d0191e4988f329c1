"""The operator table: what a trace saw, one row per executed operator.

A *use* is a tensor as one operator saw it; a *value* is what a storage holds between two writes, so that an
in-place operator reads one value and writes the next; a *storage* is memory. Views make no rows: they are
uses of their base's value. All dimensions are Python ints, or sympy expressions when the trace was symbolic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple

__all__ = [
    "ITEMSIZE",
    "MATRIX_CLASSES",
    "OP_CLASSES",
    "FunctionCall",
    "ModuleCall",
    "OpTable",
    "Row",
    "Shape",
    "Storage",
    "Use",
    "Value",
    "equal",
    "larger",
    "pieces",
    "prod",
    "shapes_text",
    "smaller",
]

Dim = Any  # an int, or a sympy expression of a cell's integers

OP_CLASSES = (
    "conv",
    "depthwise",
    "grouped",
    "linear",
    "matmul",
    "attention",
    "norm",
    "activation",
    "elementwise",
    "pool",
    "softmax",
    "reduction",
    "copy",
    "embedding",
    "other",
)

MATRIX_CLASSES = frozenset({"conv", "grouped", "linear", "matmul", "attention"})
"""Classes whose multiply-adds run on the matrix unit where a device has one; depthwise convolutions never do."""

_DTYPES_BY_SIZE = {
    1: "bool uint8 int8 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2"
    " qint8 quint8 quint4x2 quint2x4 bits8 bits1x8 bits2x4 bits4x2"
    " int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7",
    2: "int16 uint16 float16 bfloat16 bits16",
    4: "int32 uint32 float32 qint32 complex32 bcomplex32",
    8: "int64 uint64 float64 complex64",
    16: "complex128",
}
ITEMSIZE = {dtype: size for size, dtypes in _DTYPES_BY_SIZE.items() for dtype in dtypes.split()}
"""Bytes per element of each torch dtype, by its name without `torch.`."""

_PLAIN = (bool, int, float, str, type(None))  # arguments of operators that are no sizes


def prod(dims: Iterable[Dim]) -> Dim:
    """Product of dimensions; 1 for none."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


def smaller(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes, which may be expressions.

    Example:
        >>> smaller(3, 5)
        3
    """
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    from torch.utils._sympy.functions import Min  # whoever has expressions has torch

    return Min(a, b)  # type: ignore[no-untyped-call]


def larger(a: Dim, b: Dim) -> Dim:
    """The larger of two sizes, which may be expressions."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    from torch.utils._sympy.functions import Max  # whoever has expressions has torch

    return Max(a, b)  # type: ignore[no-untyped-call]


def pieces(length: Dim, size: int) -> Dim:
    """Into how many pieces of a size a length is cut, the last of which may be shorter; lengths may be expressions.

    Example:
        >>> pieces(130, 64)
        3
    """
    if isinstance(length, int):
        return -(-length // size)
    from torch.utils._sympy.functions import FloorDiv  # whoever has expressions has torch

    return FloorDiv(length + size - 1, size)


def equal(a: Dim, b: Dim) -> bool:
    """Whether two sizes are equal; expressions are, if they are when multiplied out."""
    difference = a - b
    return bool(difference == 0 or (hasattr(difference, "expand") and difference.expand() == 0))


class Shape(tuple[Dim, ...]):
    """The shape of a tensor argument; a type of its own, so that a formula can tell it from a list of ints."""

    __slots__ = ()


class Use(NamedTuple):
    """One tensor as one operator saw it."""

    value: int
    shape: tuple[Dim, ...]
    stride: tuple[Dim, ...]
    offset: Dim
    dtype: str

    @property
    def elements(self) -> Dim:
        """Elements it touches: those of a broadcast (stride 0) dimension count once, and so do those of two windows."""
        dims = [(step, size) for step, size in zip(self.stride, self.shape, strict=True) if step != 0]
        return prod([size for _, size in dims]) if len(dims) < 2 else _touched(dims)

    @property
    def memory(self) -> tuple[Any, ...]:
        """Which memory it touches: the same for a tensor and its transpose."""
        pairs = zip(self.shape, self.stride, strict=True)
        return self.value, self.offset, frozenset((size, step) for size, step in pairs if step != 0 and size != 1)


def _touched(dims: list[tuple[Dim, Dim]]) -> Dim:
    """Elements within strides and sizes, of which none is 0.

    Windows (`unfold`, `as_strided`) overlap where a stride is shorter than what the dimensions of shorter strides span.
    Strides that depend on symbols are those of whole rows and planes, which share nothing.
    """
    known = sorted([pair for pair in dims if type(pair[0]) is int], key=itemgetter(0))
    count: Dim = 1
    span: Dim = 1
    for step, size in known:
        before, span = span, span + (size - 1) * step
        if type(before) is not int or step >= before:
            count = count * size
        else:  # as many as they span, or fewer, if they leave gaps
            count = min(count * size, span) if type(count) is type(span) is int else span
    return prod([count, *(size for step, size in dims if type(step) is not int)])


class Value(NamedTuple):
    """The content of a storage between two writes.

    Attributes:
        storage: which memory.
        producer: the row that wrote it, -1 where it was given.
        base: the value before it, of which that row overwrote only a part; -1 if it left nothing.
    """

    storage: int
    producer: int
    base: int = -1


class Storage(NamedTuple):
    """A piece of memory.

    `kind` says why it exists: input, parameter, buffer, state (of the optimiser), constant (a tensor
    the module holds but did not register), scale (of a quantised weight, which no trace saw), gradient (of a
    parameter), cache (keys and values of tokens that came before), shared (a parameter that another cell owns, or its
    gradient), accumulated (what gradients of both come to), idle (parameters that an engine has loaded, though this
    call reads none of them) or activation; `requires_grad` tells parameters that
    training changes from frozen ones.
    """

    elements: Dim
    dtype: str
    kind: str
    requires_grad: bool = False

    @property
    def is_weight(self) -> bool:
        """Whether it is there before the call and stays after it."""
        return self.kind in ("parameter", "buffer", "constant", "scale", "shared")


class Row(NamedTuple):
    """One executed operator.

    Attributes:
        name: overload packet, such as `aten.convolution`.
        op_class: one of `OP_CLASSES`.
        module: dotted path of the module that ran it ("" is the root).
        phase: forward, backward or optimizer.
        cell: index of the cell it belongs to; kernels never fuse across cells.
        call: number of the framework call it came from; one `F.linear` may run several operators.
        function: name of that call, such as `linear` (what a tracer above the dispatcher sees).
        args, kwargs: the arguments, tensors replaced by their `Shape`.
        out: `Shape` of the result, or a tuple of them.
        reads, writes: the tensors moved, each once.
        pointwise: whether torch tags it so.
    """

    name: str
    op_class: str
    module: str
    phase: str
    cell: int
    call: int
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    reads: tuple[Use, ...]
    writes: tuple[Use, ...]
    pointwise: bool

    @property
    def dtype(self) -> str:
        """The dtype it computes in: of its first floating-point result, else of its first result or input."""
        uses = self.writes or self.reads
        for use in uses:
            if "float" in use.dtype:
                return use.dtype
        return uses[0].dtype if uses else "float32"

    @property
    def result(self) -> Shape:
        """The shape of its first result."""
        found: Shape = self.out if isinstance(self.out, Shape) else self.out[0]
        return found

    @property
    def shapes(self) -> str:
        """What it reads and makes, for people: `1x3x224x224, 64x3x7x7 -> 1x64x112x112`.

        Of tensors that it reads the first two with several dimensions, or else the first; the first that it makes.
        """
        return shapes_text(self.main_shapes)

    @property
    def main_shapes(self) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        """The shapes that `shapes` shows: of what it reads, and of what it makes."""
        read = [part for part in self.args if isinstance(part, Shape)]
        made = [part for part in ((self.out,) if isinstance(self.out, Shape) else self.out or ()) if part]
        return tuple([part for part in read if len(part) > 1][:2] or read[:1]), tuple(made[:1])


def shapes_text(ends: Iterable[Iterable[Iterable[Dim]]]) -> str:
    """Shapes for people: `1x3x224x224, 64x3x7x7 -> 1x64x112x112`."""
    return " -> ".join(", ".join("x".join(map(str, shape)) or "scalar" for shape in end) for end in ends if end)


class ModuleCall(NamedTuple):
    """One forward call of a module, as hook-based counters see it.

    Attributes:
        path, cell: where it stands.
        module: the traced twin on meta, which holds no weights; only who recounts looks into it.
        inputs, output: shapes of what went in by position, and of the first tensor that came out.
        places: how often a walk through the children of every module meets it (once, unless several share it).
    """

    path: str
    cell: int
    module: Any
    inputs: tuple[Shape, ...]
    output: Shape | None
    places: int = 1

    @property
    def type_name(self) -> str:
        """Its class, in full."""
        kind = type(self.module)
        return f"{kind.__module__}.{kind.__qualname__}"

    @property
    def config(self) -> dict[str, Any]:
        """The plain attributes that counters look at: kernel_size, groups, ..."""
        return {
            key: value
            for key, value in vars(self.module).items()
            if key[0] != "_" and isinstance(value, (bool, int, float, str, tuple))
        }

    @property
    def params(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its own parameters by name."""
        return {name: tuple(param.shape) for name, param in self.module._parameters.items() if param is not None}  # noqa: SLF001

    @property
    def leaf(self) -> bool:
        """Whether it contains no other module."""
        return not self.module._modules  # noqa: SLF001


class FunctionCall(NamedTuple):
    """One call of a framework function, as counters above the dispatcher see it.

    Attributes:
        call: its number, which its rows carry too; of a Python function, that of the first call inside.
        name: such as `linear`; the trace keeps those that a counter has a rule for.
        kind: function (`torch.add`), method (`Tensor.add`), or python: a function that torch writes in
            Python, as most of torch.nn.functional; the calls inside it come first.
        by_name: whether the caller found it as an attribute of that name (`F.relu(x)`, `x.add(y)`), not
            through an operator (`x + y`) or a reference of its own; counters that patch torch see no others.
        args, kwargs, out: the arguments and the result, tensors replaced by their `Shape`.
    """

    call: int
    name: str
    kind: str
    by_name: bool
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any


@dataclass(frozen=True, slots=True)
class OpTable:
    """All rows of one trace with the memory they move.

    Attributes:
        rows: operators in the order of execution.
        values, storages: what `Use.value` and `Value.storage` index.
        outputs: values that the caller holds after the call.
        calls: module calls in the order in which they returned.
        functions: framework calls of the forward pass in the order in which they returned.
        boundary_in, boundary_out: storages at the ends of the forward pass (first input, first output).
        grad_in, grad_out: storages of the gradients that leave and enter the backward pass.
        All four are -1 where there is none.
        notes: lines for people on what the trace could not follow.
        released: of each storage, how many rows had run when the program let go of it, which may be long after the
            last row that uses it: callers hold their arguments until they return. Empty where nobody observed that.
    """

    rows: tuple[Row, ...]
    values: tuple[Value, ...]
    storages: tuple[Storage, ...]
    outputs: frozenset[int]
    calls: tuple[ModuleCall, ...]
    functions: tuple[FunctionCall, ...] = ()
    boundary_in: int = -1
    boundary_out: int = -1
    grad_in: int = -1
    grad_out: int = -1
    notes: tuple[str, ...] = ()
    released: tuple[int, ...] = ()

    def mapped(self, size: Callable[[Any], Any]) -> OpTable:
        """The table with a function applied to every size in its rows and storages; calls stay as they are.

        Numbers among the arguments of an operator are left alone; expressions there are sizes.
        """

        def tree(value: Any) -> Any:
            if isinstance(value, Shape):
                return Shape(map(size, value))
            if isinstance(value, tuple):
                return tuple(map(tree, value))
            return value if isinstance(value, _PLAIN) else size(value)

        def use(seen: Use) -> Use:
            shape, stride = tuple(map(size, seen.shape)), tuple(map(size, seen.stride))
            return Use(seen.value, shape, stride, size(seen.offset), seen.dtype)

        rows = tuple(
            row._replace(
                args=tree(row.args),
                kwargs={name: tree(value) for name, value in row.kwargs.items()},
                out=tree(row.out),
                reads=tuple(map(use, row.reads)),
                writes=tuple(map(use, row.writes)),
            )
            for row in self.rows
        )
        storages = tuple(storage._replace(elements=size(storage.elements)) for storage in self.storages)
        return replace(self, rows=rows, storages=storages)

    def lineage(self, value: int) -> Iterator[int]:
        """A value, and those before it that are still in its memory in part."""
        while value >= 0:
            yield value
            value = self.values[value].base

    def storage_of(self, use: Use) -> Storage:
        """The memory behind a use."""
        return self.storages[self.values[use.value].storage]
