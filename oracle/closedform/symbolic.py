"""Trace a cell with symbolic integers and turn what was counted into a template.

The same trace, FLOP formulas, traffic rules and kernel grouping as for integers run on torch's SymInts; what
they assumed on the way (the guards of torch's ShapeEnv) becomes the template's condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

from oracle.closedform.assembling import kernel_fields
from oracle.closedform.compile import ProgramBuilder, Term, UnsupportedExpressionError
from oracle.closedform.equalities import equalities, rewritten
from oracle.closedform.hints import Hints
from oracle.closedform.inputs import Visit, is_static
from oracle.closedform.template import MEMORY_SIZES, Format, Template, TemplateKey
from oracle.counting import count, lowered_for
from oracle.counting.conventions import recount
from oracle.counting.memory import measure
from oracle.counting.networks import TensorSpec, TracedCell, run_cell, trace_cell, tracing_part
from oracle.errors import TraceError
from oracle.optable import OpTable
from oracle.spec import CellSpec, Workload
from oracle.trace import isolated, undisturbed
from oracle.trace.dims import dim_of

__all__ = ["Recording", "concrete_template", "counted_template", "make_template", "record", "traced_cell"]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A cell traced with symbols: what every runtime's template of it is counted from.

    Attributes:
        symbols: names with their expressions, in order.
        guards: what the trace assumed of them.
        table: the operators; sizes that are equal are written alike.
        output: dimensions of what leaves the cell.
        output_format, input_gradient: as in `Template`.
    """

    symbols: tuple[tuple[str, Any], ...]
    guards: tuple[Any, ...]
    table: OpTable
    output: tuple[Any, ...]
    output_format: Format
    input_gradient: Format | None

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether the guards hold for some integers."""
        builder = ProgramBuilder(self.symbols)
        relations = [relation for guard in self.guards for relation in builder.relation(guard)]
        program = builder.program()
        return program.scalar(relations, ())(*(values[name] for name, _ in self.symbols)) is not None


def make_template(
    key: TemplateKey, params: Sequence[tuple[str, Any]], dims: Sequence[int], workload: Workload
) -> Template:
    """Trace the cell of a key, with symbols for all integers that are neither static nor pinned, and count it.

    Args:
        key: what the template is for.
        params: all parameters of the cell that asks for the template, in order.
        dims: dimensions of its input.
        workload: the key's, complete.

    Raises:
        UnsupportedExpressionError: a result that has no closed form here.
        TraceError: the cell cannot be traced with symbols.
    """
    values = {**dict(params), **{f"d{axis}": size for axis, size in enumerate(dims)}}
    return counted_template(key, record(key, params, dims, workload), workload, values)


def record(key: TemplateKey, params: Sequence[tuple[str, Any]], dims: Sequence[int], workload: Workload) -> Recording:
    """Trace the cell of a key with symbols; arguments and errors as those of `make_template`.

    Most operators take symbolic sizes on meta as they are. Those that do not are what torch's FakeTensorMode is for,
    which takes three times as long.
    """
    try:
        return _recorded(key, params, dims, workload, ShapeEnv(duck_shape=False), nullcontext())
    except TraceError:
        environment = ShapeEnv(duck_shape=False)
        mode = FakeTensorMode(shape_env=environment, allow_non_fake_inputs=False)
        mode.cache_enabled = False  # no two operators of a cell have the same symbolic inputs
        return _recorded(key, params, dims, workload, environment, mode)


def _recorded(
    key: TemplateKey,
    params: Sequence[tuple[str, Any]],
    dims: Sequence[int],
    workload: Workload,
    environment: ShapeEnv,  # equal hints need not stay equal in it
    mode: AbstractContextManager[Any],
) -> Recording:
    symbols: list[tuple[str, Any]] = []
    static = dict(key.static)

    def symbol(name: str, hint: int) -> Any:
        if hint in (0, 1):
            return hint
        source = _source(name)
        expression = environment.create_symbol(hint, source, dynamic_dim=DimDynamic.DYNAMIC, constraint_dim=None)
        symbols.append((name, expression))
        return environment.create_symintnode(expression, hint=hint, source=source)

    def parameter(name: str, value: Any) -> Any:
        if name in static:
            return static[name]
        return value if is_static(name, value) else symbol(name, value)

    with isolated(), undisturbed(), mode:
        cell = CellSpec(key.kind, tuple((name, parameter(name, value)) for name, value in params))
        sizes = [symbol(f"d{axis}", size) for axis, size in enumerate(dims)]
        x = _empty(sizes, key.input, requires_grad=workload.training and not key.first)
        traced = run_cell(cell, x, None, tracing_part(workload))
        if key.gradient is not None:
            gradient = _empty(traced.output.shape, key.gradient)
            x = _empty(sizes, key.input, requires_grad=workload.training and not key.first)
            traced = run_cell(cell, x, gradient, tracing_part(workload))
        output_format = _format(traced.output)
        gradient_format = None if traced.input_gradient is None else _format(traced.input_gradient)
    guards = [guard.expr for guard in environment.guards if guard.expr != True]  # noqa: E712 (a sympy boolean)
    table = rewritten(traced.table, equalities(guards, environment.replacements))
    output = tuple(map(dim_of, traced.output.shape))
    return Recording(tuple(symbols), tuple(guards), table, output, output_format, gradient_format)


def concrete_template(
    key: TemplateKey, params: Sequence[tuple[str, Any]], dims: Sequence[int], workload: Workload
) -> Template:
    """A template of one cell only, traced with plain integers: for what symbols cannot express.

    Arguments as those of `make_template`.

    Raises:
        TraceError: the cell cannot be traced.
    """
    visit = Visit(CellSpec(key.kind, tuple(params)), tuple(dims), key.input, key.gradient, key.first)
    traced = traced_cell(visit, workload)
    back = traced.input_gradient
    ends = format_of(traced.output), None if back is None else format_of(back)
    return counted_template(key, Recording((), (), traced.table, traced.output.shape, *ends), workload)


def traced_cell(visit: Visit, workload: Workload) -> TracedCell:
    """A trace of one cell, where it stands in a network, with plain integers.

    Raises:
        TraceError: the cell cannot be traced.
    """
    with isolated():
        x, gradient = TensorSpec.of(_empty(visit.dims, visit.form)), None
    if visit.gradient is not None:
        output = trace_cell(visit.spec, x, None, visit.first, workload).output
        with isolated():
            gradient = TensorSpec.of(_empty(output.shape, visit.gradient))
    return trace_cell(visit.spec, x, gradient, visit.first, workload)


def format_of(tensor: TensorSpec) -> Format:
    """The format of a dense tensor."""
    return Format.of(tensor.dtype, tensor.shape, tensor.stride)


def counted_template(
    key: TemplateKey, traced: Recording, workload: Workload, values: Mapping[str, Any] | None = None
) -> Template:
    """Count a recording under a workload; errors as those of `make_template`.

    Args:
        key: of the template.
        traced: the recording.
        workload: that the key is of.
        values: of the symbols, where there are any: what an engine lays out anew may depend on them.
    """
    hints = Hints(traced.symbols, values or {})
    table = lowered_for(traced.table, workload, hints.of, hints.decide)
    builder, counts, pycls = ProgramBuilder(traced.symbols), count(table, workload), recount(traced.table, "pycls")
    fields = kernel_fields(builder, table, counts, (pycls.macs, pycls.activations), workload.runner)
    relations = [relation for guard in traced.guards for relation in builder.relation(guard)]
    relations += [relation for guard in hints.guards for relation in builder.relation(guard)]
    memory = measure(counts.lifetimes, [builder.term(builder.add(size)) for size in counts.sizes], Term.maximum)
    sizes = {name: _step(builder, getattr(memory, name)) for name in MEMORY_SIZES}
    output = tuple(map(builder.add, traced.output))
    return Template(
        key=key,
        program=builder.program(),
        guards=tuple(dict.fromkeys(relations)),
        memory=replace(memory, **sizes),
        output=output,
        output_format=traced.output_format,
        input_gradient=traced.input_gradient,
        **fields,
    )


def _step(builder: ProgramBuilder, size: Any) -> int:
    return size.step if isinstance(size, Term) else builder.add(size)


def _source(name: str) -> Any:
    from torch._dynamo.source import ConstantSource  # imports all of torch._dynamo: only where symbols are traced

    return ConstantSource(name)


def _empty(shape: Sequence[Any], form: Format, requires_grad: bool = False) -> Any:
    dtype = getattr(torch, form.dtype)
    return torch.empty_permuted(tuple(shape), form.order, dtype=dtype, device="meta", requires_grad=requires_grad)


def _format(tensor: Any) -> Format:
    """The format of a dense tensor; what it needs of the sizes becomes guards."""
    hints = [size if isinstance(size, int) else size.node.hint for size in tensor.stride()]
    sizes = [size if isinstance(size, int) else size.node.hint for size in tensor.shape]
    form = Format.of(str(tensor.dtype).removeprefix("torch."), sizes, hints)
    twin = _empty(tensor.shape, form)
    pairs = zip(tensor.shape, tensor.stride(), twin.stride(), strict=True)
    if not all(size == 1 or stride == expected for size, stride, expected in pairs):
        raise UnsupportedExpressionError("a cell's result is not dense")
    return form
