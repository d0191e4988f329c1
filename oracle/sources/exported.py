"""Networks from files that `torch.export.save` wrote.

The program is run node by node, each in the module that it was exported from, through torch's own functions, so that
autocast and fused kernels apply as they do to the module. What export has decided stays decided: batch norm and
dropout behave as in the mode the program was exported in, and dimensions are free only where it was told so.

Reading such a file loads its weights and may run code that is in it: open those you trust.
"""

from __future__ import annotations

import logging
import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from oracle.errors import OracleError, TraceError
from oracle.sources.building import guest, said
from oracle.sources.inputs import InputSpec
from oracle.sources.opened import Opened
from oracle.sources.places import held, last_uses, place_of, put
from oracle.sources.references import Reference
from oracle.trace.meta import empty_twin

__all__ = ["Exported", "open_exported"]

_LOGGERS = ("torch.export", "torch.export.pt2_archive._package", "torch._export.serde.serialize")
_CHECKS = ("_assert", "sym_constrain")  # operators that only look


def open_exported(reference: Reference) -> Opened:
    """A `.pt2` file; its default inputs are those it was exported with.

    Raises:
        OracleError: no such file, not one of torch.export, or one without its example inputs.
    """
    path = Path(reference.name)
    if not path.is_file():
        raise OracleError(f"network={reference.text!r}: no such file")
    log = _Silence()
    try:
        with guest(), log, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
    except Exception as error:
        # of some archives torch logs the reason, and raises that it has logged it
        cause = (log.cause if "warnings above" in str(error) else None) or error
        raise OracleError(f"network={reference.text!r}: not a file of torch.export: {said(cause)}") from error
    examples = [item for item in pytree.tree_leaves(program.example_inputs) if isinstance(item, torch.Tensor)]
    shapes = [node.meta["val"].shape for node in _given(program)]
    if len(examples) != len(shapes):
        raise OracleError(f"network={reference.text!r}: was saved without its example inputs; export it again")
    free = tuple(frozenset(i for i, size in enumerate(shape) if not isinstance(size, int)) for shape in shapes)
    inputs = tuple(InputSpec(tuple(x.shape), str(x.dtype).removeprefix("torch.")) for x in examples)
    return Opened(Exported(program), inputs, "file", (), free)


class _Silence(logging.Filter):
    """While entered, what torch.export logs is kept from the terminal, but for the first error among it."""

    def __init__(self) -> None:
        super().__init__()
        self.cause: BaseException | None = None

    def __enter__(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *_: object) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """None gets through."""
        self.cause = self.cause or (record.exc_info[1] if record.exc_info else None)
        return False


class _Ref(NamedTuple):
    """The result of an earlier step, as an argument."""

    name: str


class _Step(NamedTuple):
    name: str
    function: Callable[..., Any]
    args: Any
    kwargs: Any
    module: str


class Exported(nn.Module):
    """An exported program as a module on meta: parameters and modules by their own names."""

    def __init__(self, program: Any) -> None:
        super().__init__()
        signature, kept = program.graph_signature, {**program.constants, **program.state_dict}
        self._inputs = [node.name for node in _given(program)]
        self._results = [_Ref(spec.arg.name) for spec in signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
        self._constants: dict[str, Any] = {}  # inputs that are no tensors
        self._paths: dict[str, str] = {}
        twins: dict[int, torch.Tensor] = {}  # tied weights stay tied
        for spec in signature.input_specs:
            if spec.kind == InputKind.USER_INPUT:
                if not isinstance(spec.arg, TensorArgument):
                    self._constants[spec.arg.name] = spec.arg.value
                continue
            real = kept.get(spec.target)
            if not isinstance(real, torch.Tensor):
                raise TraceError(f"input {spec.target!r} of the program is a {type(real).__name__}, which has no shape")
            twin = twins.setdefault(id(real), _twin(real, spec.kind == InputKind.PARAMETER))
            self._paths[spec.arg.name] = put(self, spec.target, twin)
        self._steps = list(_steps(program.graph))
        self._last = last_uses([(_read(s), [s.name]) for s in self._steps], [item.name for item in self._results])
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
            return env[item.name] if isinstance(item, _Ref) else item

        for step, done in zip(self._steps, self._last, strict=True):
            given, words = pytree.tree_map(look_up, (step.args, step.kwargs), is_leaf=lambda item: type(item) is _Ref)
            place = place_of(self, step.module)
            env[step.name] = step.function(*given, **words) if place is self else place(step.function, given, words)
            for name in done:
                del env[name]
        return [look_up(item) for item in self._results]


def _given(program: Any) -> list[fx.Node]:
    """The nodes of the tensors that a caller passes."""
    names = {
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind == InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    }
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]


def _twin(tensor: torch.Tensor, is_parameter: bool) -> torch.Tensor:
    twin = empty_twin(tensor.detach())
    return nn.Parameter(twin, requires_grad=twin.is_floating_point()) if is_parameter else twin


def _steps(graph: fx.Graph) -> Iterator[_Step]:
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if node.op != "call_function":
            raise TraceError(f"node {node.name!r} of the program holds a program of its own, which cannot be traced")
        if _name(node.target).startswith(_CHECKS):
            continue
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda item: _Ref(item.name))
        stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
        yield _Step(node.name, _function(node.target), args, kwargs, stack[-1] if stack else "")


def _read(step: _Step) -> set[str]:
    leaves = pytree.tree_leaves((step.args, step.kwargs), is_leaf=lambda item: type(item) is _Ref)
    return {item.name for item in leaves if isinstance(item, _Ref)}


def _name(target: Any) -> str:
    return str(getattr(getattr(target, "_schema", None), "name", "")).removeprefix("aten::")


@cache
def _function(target: Any) -> Callable[..., Any]:
    """The function of torch that runs an operator, which modules call and autocast knows; else the operator itself."""
    name = _name(target)
    if name.startswith("lift_fresh"):
        return _itself  # a constant that export wraps, so that nobody changes it
    for room in (torch._C._nn, torch, torch.Tensor):  # noqa: SLF001 - where torch keeps F.linear, F.gelu and the like
        found = getattr(room, name, None)
        if isinstance(found, (types.BuiltinFunctionType, types.MethodDescriptorType)):
            return found
    return target  # type: ignore[no-any-return]


def _itself(tensor: Any) -> Any:
    return tensor
