"""Networks from files that `torch.export.save` wrote.

The program is run node by node, each in the module that it was exported from, through torch's own functions, so that
autocast and fused kernels apply as they do to the module. What export has decided stays decided: batch norm and
dropout behave as in the mode the program was exported in, and dimensions are free only where the export states so.

The file is data: `oracle.sources.archive` says what is read of it, and `oracle.sources.operators` what is called.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils import _pytree as pytree

from oracle._files import is_file
from oracle.errors import OracleError, TraceError
from oracle.sources.archive import Meta, Node, Program, Ref, Word, read_program
from oracle.sources.building import reason
from oracle.sources.inputs import DTYPES, InputSpec
from oracle.sources.opened import Opened
from oracle.sources.operators import (
    arithmetic_named,
    check_results,
    function_of,
    makes_from_nothing,
    overload_named,
)
from oracle.sources.places import held, last_uses, place_of, put
from oracle.sources.references import Reference
from oracle.trace.placement import META

_CHECKS = ("_assert", "sym_constrain")  # operators that only look


def open_exported(reference: Reference) -> Opened:
    """A `.pt2` file; its default inputs are those it was exported with.

    Raises:
        OracleError: no such file, not one of torch.export, or one that names what is no operator on tensors.
    """
    path = Path(reference.name)
    if not is_file(path):
        raise OracleError(f"network={reference.text!r}: no such file")
    try:
        program = read_program(path)
        module = Exported(program)
        given = [program.tensors[item.name] for item in program.inputs if item.kind == "user_input"]
        inputs = tuple(InputSpec(meta.sizes, _word(_dtype(meta))) for meta in given)
    except Exception as error:  # noqa: BLE001 - zipfile and torch, given what no one meant them to get, raise anything
        known = (zipfile.BadZipFile, RecursionError)
        why = str(error) if isinstance(error, TraceError) and not isinstance(error, known) else reason(error)
        raise OracleError(f"network={reference.text!r}: not a file of torch.export: {why}") from None
    return Opened(module, inputs, "file", (), tuple(meta.free for meta in given))


class _Step(NamedTuple):
    """A node, ready to run; see `Node`."""

    name: str
    parts: tuple[str, ...]
    function: Callable[..., Any]
    args: Any
    kwargs: Any
    module: str
    operator: str


class Exported(nn.Module):
    """An exported program as a module on meta: parameters and modules by their own names."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._inputs = [item.name for item in program.inputs if item.kind == "user_input"]
        self._results = program.results
        # inputs that are no tensors
        self._constants = {item.name: item.value for item in program.inputs if item.kind == "constant_input"}
        self._paths: dict[str, str] = {}
        twins: dict[str, torch.Tensor] = {}  # tied weights stay tied
        for item in program.inputs:
            if item.kind in ("user_input", "constant_input"):
                continue
            twin = twins.get(item.tied or "")
            if twin is None:
                twin = _twin(program.tensors[item.name], item.kind == "parameter")
                if item.tied:
                    twins[item.tied] = twin
            self._paths[item.name] = put(self, item.path, twin)
        self._steps = [_step(node) for node in program.nodes if not _looks(node.target)]
        known = {*self._inputs, *self._constants, *self._paths}
        for step in self._steps:
            if missing := _read(step) - known:
                raise TraceError(f"node {step.name!r} reads {min(missing)!r}, which no node before it makes")
            known |= {step.name, *step.parts}
        if missing := set(self._results) - known:
            raise TraceError(f"the result {min(missing)!r} is made by no node")
        self._last = last_uses([(_read(s), [s.name, *filter(None, s.parts)]) for s in self._steps], self._results)
        for step in self._steps:
            place_of(self, step.module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The program's results, as a list, on tensors in the order of its inputs."""
        env = {
            **self._constants,
            **held(self, self._paths),
            **dict(zip(self._inputs, pytree.tree_leaves((args, kwargs)), strict=True)),
        }

        def look_up(item: Any) -> Any:
            return env[item.name] if isinstance(item, Ref) else item

        for step, done in zip(self._steps, self._last, strict=True):
            given, words = pytree.tree_map(look_up, (step.args, step.kwargs), is_leaf=lambda item: type(item) is Ref)
            check_results(step.operator, (*given, *words.values()))
            place = place_of(self, step.module)
            env[step.name] = step.function(*given, **words) if place is self else place(step.function, given, words)
            if step.parts:
                env |= {name: part for name, part in zip(step.parts, env[step.name], strict=True) if name}
            for name in done:
                del env[name]
        return [env[name] for name in self._results]


def _twin(meta: Meta, is_parameter: bool) -> torch.Tensor:
    twin = torch.empty_strided(meta.sizes, meta.strides, dtype=_dtype(meta), device=META)
    return nn.Parameter(twin, requires_grad=twin.is_floating_point()) if is_parameter else twin


def _dtype(meta: Meta) -> torch.dtype:
    return _value(Word("scalar_type", meta.dtype))  # type: ignore[no-any-return]


def _word(dtype: torch.dtype) -> str:
    word = str(dtype).removeprefix("torch.")
    if word not in DTYPES:
        raise TraceError(f"an input of type {word}: expected one of {', '.join(DTYPES)}")
    return word


def _value(word: Word) -> Any:
    """What torch means by a number of its schema."""
    from torch._export.serde import serialize

    if word.kind == "device":
        return META
    known: dict[Any, Any] = {
        "scalar_type": serialize._SERIALIZE_TO_TORCH_DTYPE,  # noqa: SLF001 - torch's own list of what it writes
        "layout": serialize._SERIALIZE_TO_TORCH_LAYOUT,  # noqa: SLF001
        "memory_format": serialize._SERIALIZE_TO_TORCH_MEMORY_FORMAT,  # noqa: SLF001
    }[word.kind]
    if word.value not in known:
        raise TraceError(f"{word.kind} {word.value}: torch {torch.__version__} knows none of that number")
    return known[word.value]


def _step(node: Node) -> _Step:
    args, kwargs = pytree.tree_map(
        lambda item: _value(item) if type(item) is Word else item,
        (node.args, node.kwargs),
        is_leaf=lambda item: type(item) in (Ref, Word),
    )
    arithmetic = arithmetic_named(node.target)
    if arithmetic is not None:
        return _Step(node.name, node.parts, arithmetic, args, kwargs, node.module, node.target)
    overload = overload_named(node.target)
    if overload is None:
        raise TraceError(
            f"operator {node.target!r} is not registered here; in Python, import the package that registers it"
        )
    if makes_from_nothing(overload):
        kwargs = {**kwargs, "device": META}
    name = str(overload._schema.name).removeprefix("aten::")  # noqa: SLF001 - torch has no public way
    # a constant that export wraps, so that nobody changes it, is the constant
    function = _itself if name.startswith("lift_fresh") else function_of(overload)
    return _Step(node.name, node.parts, function, args, kwargs, node.module, name)


def _looks(target: str) -> bool:
    """Whether an operator only looks at its arguments, and makes nothing."""
    return target.removeprefix("torch.ops.aten.").startswith(_CHECKS)


def _read(step: _Step) -> set[str]:
    leaves = pytree.tree_leaves((step.args, step.kwargs), is_leaf=lambda item: type(item) is Ref)
    return {item.name for item in leaves if isinstance(item, Ref)}


def _itself(tensor: Any) -> Any:
    return tensor
