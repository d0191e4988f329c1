"""Trace a cell with symbolic integers and turn what was counted into a template.

The same trace, FLOP formulas, traffic rules and kernel grouping as for integers run on torch's SymInts; what
they assumed on the way (the guards of torch's ShapeEnv) becomes the template's condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

from oracle.calibration import kernel_class
from oracle.closedform.compile import ProgramBuilder, Term, UnsupportedExpressionError
from oracle.closedform.equalities import equalities, rewritten
from oracle.closedform.template import MEMORY_SIZES, SUMS, Format, KernelMeta, KernelNumbers, Template, TemplateKey
from oracle.counting import TableCount, count
from oracle.counting.chain import run_cell, tracing_part
from oracle.counting.conventions import Recount, recount
from oracle.counting.memory import measure
from oracle.optable import equal
from oracle.spec import CellSpec, Workload
from oracle.trace import undisturbed

__all__ = ["make_template"]


def make_template(
    key: TemplateKey, order: Sequence[str], hints: Mapping[str, int], dims: Sequence[int], workload: Workload
) -> Template:
    """Trace the cell of a key, with symbols for all integers that are neither static nor pinned.

    Args:
        key: what the template is for.
        order: names of all parameters of the cell, in order.
        hints: value of each integer parameter in the row that asks for the template.
        dims: dimensions of the input in that row.
        workload: the key's, complete.

    Raises:
        UnsupportedExpressionError: a result that has no closed form here.
        TraceError: the cell cannot be traced with symbols.
    """
    environment = ShapeEnv(duck_shape=False)  # equal hints need not stay equal
    symbols: list[tuple[str, Any]] = []

    def symbol(name: str, hint: int) -> Any:
        if hint in (0, 1):
            return hint
        source = _source(name)
        expression = environment.create_symbol(hint, source, dynamic_dim=DimDynamic.DYNAMIC, constraint_dim=None)
        symbols.append((name, expression))
        return environment.create_symintnode(expression, hint=hint, source=source)

    static = dict(key.static)
    with undisturbed(), FakeTensorMode(shape_env=environment, allow_non_fake_inputs=False):
        params = [(name, static[name] if name in static else symbol(name, hints[name])) for name in order]
        sizes = [symbol(f"d{axis}", size) for axis, size in enumerate(dims)]
        x = _empty(sizes, key.input, requires_grad=workload.training and not key.first)
        traced = run_cell(CellSpec(key.kind, tuple(params)), x, None, tracing_part(workload))
        if key.gradient is not None:
            gradient = _empty(traced.output.shape, key.gradient)
            x = _empty(sizes, key.input, requires_grad=workload.training and not key.first)
            traced = run_cell(CellSpec(key.kind, tuple(params)), x, gradient, tracing_part(workload))
        output_format = _format(traced.output)
        gradient_format = None if traced.input_gradient is None else _format(traced.input_gradient)
    guards = [guard.expr for guard in environment.guards if guard.expr != True]  # noqa: E712 (a sympy boolean)
    table = rewritten(traced.table, equalities(guards, environment.replacements))
    counts, pycls = count(table, workload), recount(table, "pycls")
    classes = [kernel_class(table, kernel.rows, workload.runtime) for kernel in counts.kernels]
    return _assemble(key, symbols, guards, counts, classes, pycls, traced.output, output_format, gradient_format)


def _assemble(
    key: TemplateKey,
    symbols: Sequence[tuple[str, Any]],
    guards: Sequence[Any],
    counts: TableCount,
    classes: Sequence[str],
    pycls: Recount,
    output: Any,
    output_format: Format,
    gradient_format: Format | None,
) -> Template:
    builder = ProgramBuilder(symbols)
    numbers = KernelNumbers(
        *(tuple(builder.add(getattr(k, name)) for k in counts.kernels) for name in KernelNumbers._fields)
    )
    traffic = tuple(builder.total(pair) for pair in zip(numbers.read_bytes, numbers.write_bytes, strict=True))
    relations = [relation for guard in guards for relation in builder.relation(guard)]
    sums = {
        "macs": builder.total(numbers.macs),
        "flops": builder.total([*numbers.matrix_flops, *numbers.vector_flops]),
        "traffic_bytes": builder.total(traffic),
        "params": builder.add(counts.params),
        "activations": builder.add(counts.activations),
    }
    # In most cells pycls counts what we count: then one step serves both.
    macs = sum(kernel.macs for kernel in counts.kernels)
    for name, ours, theirs in (("macs", macs, pycls.macs), ("activations", counts.activations, pycls.activations)):
        sums[f"pycls_{name}"] = sums[name] if equal(ours, theirs) else builder.add(theirs)
    memory = measure(counts.lifetimes, [builder.term(builder.add(size)) for size in counts.sizes], Term.maximum)
    sizes = {name: _step(builder, getattr(memory, name)) for name in MEMORY_SIZES}
    dims = tuple(builder.add(_expression(size)) for size in output.shape)
    return Template(
        key=key,
        program=builder.program(),
        guards=tuple(dict.fromkeys(relations)),
        kernels=tuple(
            KernelMeta(k.name, k.op_class, kind, k.module, k.phase, k.matrix_dtype, k.vector_dtype)
            for k, kind in zip(counts.kernels, classes, strict=True)
        ),
        numbers=numbers,
        traffic=traffic,
        sums=tuple(sums[name] for name in SUMS),
        memory=replace(memory, **sizes),
        output=dims,
        output_format=output_format,
        input_gradient=gradient_format,
        unknown=counts.unknown,
        coverage=counts.coverage,
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


def _expression(size: Any) -> Any:
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression) if expression.is_number else expression
