"""Make the parts of cells that are graphs, by tracing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import sympy
import torch
from torch import nn

from oracle.closedform.inputs import workload_key
from oracle.closedform.structural.parts import SUM, Part, PartKey, archive_of, member_of
from oracle.closedform.structural.sizes import Size, symbol
from oracle.closedform.symbolic import Recording, record
from oracle.closedform.template import Format, TemplateKey
from oracle.counting.conventions import recount
from oracle.counting.networks import tracing_part
from oracle.errors import OracleError, TraceError
from oracle.families.graphs import Structure, structure_of
from oracle.spec import LAYOUTS, OPTIMIZERS, Workload
from oracle.trace import isolated, trace
from tests.benchmarks.templates.plain import plain_parts

_HINTS = {"width": 24, "d0": 6, "d1": 24, "d2": 10, "d3": 14}
_ORDERS = ((0, 1, 2, 3), (0, 2, 3, 1))
_NORM = {"bn_eps": 1e-5, "bn_momentum": 0.1}  # nothing that is counted depends on them
_PINS: tuple[tuple[tuple[str, int], ...], ...] = (
    (),
    (("d0", 1),),
    (("d2", 1), ("d3", 1)),
    (("d0", 1), ("d2", 1), ("d3", 1)),
)
_RELATIONS = {sympy.Eq: "eq", sympy.Ne: "ne", sympy.StrictLessThan: "lt", sympy.LessThan: "le"}
_TURNED = {sympy.StrictGreaterThan: "lt", sympy.GreaterThan: "le"}


def traced_workloads() -> Iterator[Workload]:
    """All that traces tell apart, but for the two half precisions, which differ by name only."""
    for (dtype, weights), layout in product((("float32", ""), ("float16", ""), ("float16", "float16")), LAYOUTS):
        inference = Workload(dtype=dtype, layout=layout, weights=weights)
        yield inference
        for optimizer in OPTIMIZERS:
            yield inference.with_(mode="training", optimizer=optimizer)


def make_archive(kind: str) -> Path:
    """Trace all parts of a kind of cell, under all workloads, and write their archive; the same bytes each time.

    Args:
        kind: of the cell; a structure (`oracle.families.graphs`) is registered for it.

    Raises:
        OracleError: an operation that parts cannot be made of yet.
    """
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as file:
        file.comment = json.dumps({"torch": torch.__version__}).encode()  # for people
        for workload in traced_workloads():
            text = json.dumps(plain_parts(make_parts(kind, workload)), separators=(",", ":"))
            member = zipfile.ZipInfo(member_of(workload))  # of 1980, so that bytes do not tell the time
            file.writestr(member, text, zipfile.ZIP_DEFLATED, 9)
    path = archive_of(kind)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(found.getvalue())
    return path


def make_parts(kind: str, workload: Workload) -> dict[PartKey, Part]:
    """The parts of a kind under a workload: all formats that tensors between them have, if images enter as it says."""
    structure, traced = structure_of(kind), tracing_part(workload)
    if structure is None:
        raise OracleError(f"cell kind={kind!r}: it spells out no graph")
    found: dict[PartKey, Part] = {}
    for pinned in _PINS:
        formats = dict.fromkeys(_image(dtype, order, pinned) for dtype in _dtypes(traced) for order in _orders(traced))
        for form in _growing(formats):
            for operation in structure.operations:
                for key, part in _edge_parts(structure, operation, pinned, form, traced):
                    found[key] = part
                    formats[part.output_format] = None
            _add_sums(found, formats, form, pinned, traced)
        if traced.training:  # gradients meet, too, in any layout
            for dtype in dict.fromkeys(form.dtype for form in formats):
                formats |= dict.fromkeys(_image(dtype, order, pinned) for order in _ORDERS)
            for form in _growing(formats):
                _add_sums(found, formats, form, pinned, traced)
    return found


def _add_sums(
    found: dict[PartKey, Part],
    formats: dict[Format, None],
    form: Format,
    pinned: tuple[tuple[str, int], ...],
    traced: Workload,
) -> None:
    """The sums of a tensor of some format and one of any other; in training of one type, else gradients are cast."""
    for other in list(formats):
        for pair in dict.fromkeys([(form, other), (other, form)]):
            key = PartKey(SUM, pinned, pair, None)
            if key not in found and not (traced.training and form.dtype != other.dtype):
                found[key] = part = _sum_part(pinned, pair, traced)
                formats[part.output_format] = None


def _growing(formats: dict[Format, None]) -> Iterator[Format]:
    """The formats of a collection to which others are added meanwhile."""
    position = 0
    while position < len(formats):
        yield list(formats)[position]
        position += 1


def _dtypes(traced: Workload) -> tuple[str, ...]:
    return (traced.module_dtype,) if traced.autocast_dtype is None else (traced.autocast_dtype, "float32")


def _orders(traced: Workload) -> tuple[tuple[int, ...], ...]:
    return _ORDERS[:1] if traced.layout == "nchw" else _ORDERS[::-1]


def _image(dtype: str, order: tuple[int, ...], pinned: tuple[tuple[str, int], ...]) -> Format:
    """The format of an image some of whose dimensions are 1, as it is known by its strides."""
    shape = _dims(pinned)
    tensor = torch.empty_permuted(shape, order, device="meta")
    return Format.of(dtype, shape, tensor.stride())


def _dims(pinned: tuple[tuple[str, int], ...]) -> list[int]:
    return [(_HINTS | dict(pinned))[f"d{axis}"] for axis in range(4)]


def _edge_parts(
    structure: Structure, operation: str, pinned: tuple[tuple[str, int], ...], form: Format, traced: Workload
) -> Iterator[tuple[PartKey, Part]]:
    """An operation on an input of some format; in training behind gradients of all formats."""
    arch = structure.alone(operation)
    ((name, _, _),) = structure.graph(arch).nodes[0]

    def made(gradient: Format | None) -> Part:
        key = TemplateKey(
            structure.kind, ((structure.param, arch),), pinned, form, gradient, False, workload_key(traced)
        )
        params = [("width", _HINTS["width"]), (structure.param, arch), *_NORM.items()]
        return _edge_part(record(key, params, _dims(pinned), traced), f"edges.{name}")

    try:
        part = made(None)
    except TraceError:  # such as statistics of a single number: to trace the cell says so, too
        return
    if not traced.training:
        yield PartKey(operation, pinned, (form,), None), part
        return
    dtype = part.output_format.dtype
    for gradient in dict.fromkeys(_image(dtype, order, pinned) for order in _ORDERS):
        yield PartKey(operation, pinned, (form,), gradient), made(gradient)


def _edge_part(found: Recording, path: str) -> Part:
    """The part of a cell whose only edge has that path; modules below it are named from there."""
    names = {expression: name for name, expression in found.symbols}
    equal: dict[str, str] = {}  # parameters that the trace found equal to dimensions
    guards = []
    for guard in found.guards:
        name, left, right = _relation(guard)
        sides = {names.get(left), names.get(right)}
        if name == "eq" and len(sides - {None}) == 2:
            parameter, dim = sorted(sides, key=lambda side: str(side).startswith("d"))
            equal[str(parameter)] = str(dim)
        guards.append((name, left, right))

    def size(value: Any) -> Any:
        return _size(value, names, equal)

    if found.output != tuple(dict(found.symbols).get(f"d{axis}", 1) for axis in range(len(found.output))):
        raise OracleError(f"an operation on {path} changes the shape of its input, which the parts of cells cannot yet")
    pycls = recount(found.table, "pycls")
    rows = tuple(row._replace(module=row.module.removeprefix(path)) for row in found.table.rows)
    return Part(
        replace(found.table, rows=rows).mapped(size),
        tuple(dict.fromkeys((name, _size(a, names, {}), _size(b, names, {})) for name, a, b in guards)),
        tuple(map(size, found.output)),
        found.output_format,
        found.input_gradient,
        (size(pycls.macs), size(pycls.activations)),
    )


def _size(value: Any, names: dict[Any, str], equal: dict[str, str]) -> Any:
    """A size as a polynomial; anything else that traces hold, such as a dtype, as its name."""
    if isinstance(value, int):
        return value
    if not isinstance(value, sympy.Basic):
        return str(value)
    total: Size = 0
    for term in sympy.Add.make_args(sympy.expand(value)):
        product_: Size = 1
        for factor in sympy.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if factor.is_Integer:
                product_ = product_ * int(factor)
            elif base in names and exponent.is_Integer and exponent > 0:
                for _ in range(int(exponent)):
                    product_ = product_ * symbol(equal.get(names[base], names[base]))
            else:
                raise OracleError(f"size {value} of a part is no polynomial")
        total = total + product_
    return total


def _relation(guard: Any) -> tuple[str, Any, Any]:
    for kind, name in _RELATIONS.items():
        if isinstance(guard, kind):
            return name, guard.args[0], guard.args[1]
    for kind, name in _TURNED.items():
        if isinstance(guard, kind):
            return name, guard.args[1], guard.args[0]
    raise OracleError(f"guard {guard} of a part is no relation")


class _Sum(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


def _sum_part(pinned: tuple[tuple[str, int], ...], pair: tuple[Format, Format], traced: Workload) -> Part:
    """The sum of two tensors, traced with numbers whose products tell which dimensions they are of."""
    dims = [dict(pinned).get(f"d{axis}", prime) for axis, prime in enumerate((10007, 1009, 101, 11))]
    with isolated():
        given = [
            torch.empty_permuted(dims, form.order, dtype=getattr(torch, form.dtype), device="meta") for form in pair
        ]
        found = trace(_Sum(), tuple(given), {}, replace(traced, mode="inference"))
    names = {prime: symbol(f"d{axis}") for axis, prime in enumerate(dims) if prime > 1}

    def size(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            return value if isinstance(value, (bool, float, str, type(None))) else str(value)
        total: Size = 1
        for prime, dim in names.items():
            while value and value % prime == 0:
                value, total = value // prime, total * dim
        return total * value

    form = Format.of(str(found.output.dtype).removeprefix("torch."), dims, found.output.stride())
    return Part(found.table.mapped(size), (), tuple(map(size, dims)), form, None, (0, 0))
