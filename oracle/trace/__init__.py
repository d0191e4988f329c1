"""From a module and its inputs to the table of operators it runs, on meta: no weights, no memory, no device."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from traceback import walk_tb
from typing import Any, NamedTuple

import torch
from torch import nn

from oracle.errors import OracleError, TraceError
from oracle.optable import ModuleCall, OpTable, Shape
from oracle.spec import Workload
from oracle.trace.functions import CallRecorder
from oracle.trace.isolation import isolated, undisturbed
from oracle.trace.meta import to_meta, twin_on_meta
from oracle.trace.optimizers import STATES_PER_PARAMETER, step
from oracle.trace.recorder import Recorder
from oracle.trace.regions import regions
from oracle.trace.selections import UNSTATED, selected_in
from oracle.trace.storing import converted, is_plain, tensors_in, tensors_within

__all__ = ["Trace", "isolated", "trace", "trace_module", "undisturbed"]


class Trace(NamedTuple):
    """The table of a traced call, its output, and the gradient of its first input (None in inference)."""

    table: OpTable
    output: Any
    input_gradient: Any


def trace_module(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    workload: Workload,
    *,
    dtype: str | None = None,
    selected: int | None = None,
) -> OpTable:
    """Trace any module on any inputs, leaving both untouched.

    In training mode the backward pass starts from a gradient for every floating-point tensor of the output.

    Args:
        module: runs on its own device or none; only its structure and shapes are used.
        args, kwargs: its inputs; tensors may live anywhere, only their shapes and dtypes are used.
        workload: its `batch_size` is not used, for the inputs say it.
        dtype: to convert floating-point parameters, buffers and inputs to; None leaves them what they are.
        selected: rows that each selection by values keeps, see `oracle.trace.selections`; None refuses them.

    Raises:
        TraceError: the module cannot be copied, its forward fails, or it looks at data.
    """
    with isolated():
        notes: dict[str, None] = {}
        twin = twin_on_meta(module, lambda note: notes.update({note: None}))
        twin.train(workload.training)
        memo: dict[int, Any] = {}
        inputs, named = to_meta(args, memo), to_meta(dict(kwargs), memo)
        if dtype is not None:
            twin.to(getattr(torch, dtype))
            inputs, named = converted(inputs, dtype), converted(named, dtype)
        if workload.layout == "nhwc":
            inputs = tuple(_channels_last(tensor) for tensor in inputs)
        table = trace(twin, inputs, named, workload, selected=selected).table
        return replace(table, notes=(*notes, *table.notes))


def trace(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    workload: Workload,
    *,
    loss: Callable[[Any], Any] | None = None,
    grad_output: Any = None,
    cell_of: Mapping[str, int] | None = None,
    selected: int | None = None,
) -> Trace:
    """Trace a module that is on meta already and may be hooked (a fresh one, or a twin).

    Args:
        module, args, kwargs: the call; the first input gets a gradient in training if it requires one.
        workload: mode, dtype, optimiser, and the layout of the weights (that of the inputs is theirs).
        loss: maps the output to a scalar to start the backward pass from; its operators are a cell of their own.
        grad_output: the gradient to start from instead; empty tensors like the output where there is neither.
        cell_of: index of the cell for each direct child's name; operators elsewhere belong to cell 0.
        selected: as in `trace_module`.
    """
    calls = CallRecorder(workload.autocast_dtype)
    recorder = Recorder(calls, selected_in(selected))
    if workload.layout == "nhwc":
        _filters_last(module)
    for param in module.parameters():
        recorder.give(param, "parameter")
    for buffer in module.buffers():
        recorder.give(buffer, "buffer")
    inputs = list(tensors_in([args, dict(kwargs)]))
    for tensor in inputs:
        recorder.give(tensor, "input")
    first = inputs[0] if inputs else None
    grad_in = None
    try:
        with (
            torch.set_grad_enabled(workload.training),
            regions(workload.autocast_dtype),
            _hooked(module, recorder, cell_of or {}),
        ):
            with recorder, calls:
                output = module(*args, **kwargs)
                output = list(output) if isinstance(output, Generator) else output
            if loss is not None:
                recorder.module, recorder.cell = "loss", len(cell_of or ())
                with recorder, calls:
                    output = loss(output)
            known = is_plain(output)
            results = list(tensors_in(output) if known else tensors_within(output))
            held = list(results)
            grads_given: list[Any] = []
            if workload.training:
                starts = [tensor for tensor in results if tensor.requires_grad]
                if loss is None:
                    grads_given = [grad_output] if grad_output is not None else [torch.empty_like(t) for t in starts]
                grads, grad_in = _backward(module, recorder, calls, starts, grads_given, first)
                _optimise(module, recorder, calls, workload.optimizer, grads, cell_of or {})
                held += [grad for grad in grads.values() if grad is not None]
                held += [grad_in] if grad_in is not None else []
    except OracleError:
        raise
    except Exception as error:
        raise _explained(error, module, recorder) from error
    table = recorder.table(
        held,
        boundary_in=first,
        boundary_out=results[0] if results else None,
        grad_in=grad_in,
        grad_out=grads_given[0] if grads_given else None,
        unread=not (known and results),
    )
    return Trace(table, output, grad_in)


def _backward(
    module: nn.Module, recorder: Recorder, calls: CallRecorder, starts: list[Any], given: list[Any], first: Any
) -> tuple[dict[Any, Any], Any]:
    """Run the backward pass from `starts`; returns the gradients of the parameters and that of the first input."""
    if not starts:
        raise TraceError(
            f"module={type(module).__name__}: nothing in its output requires a gradient, so it cannot train"
        )
    for tensor in given:
        recorder.give(tensor, "input")
    params = [tensor for tensor in module.parameters() if tensor.requires_grad]
    wanted = [first, *params] if first is not None and first.requires_grad else params
    recorder.phase = "backward"
    calls.call, calls.function = calls.call + 1, "grad"
    with recorder, calls:
        found = _gradients(starts, wanted, given)
    grad_in = found[0] if len(wanted) > len(params) else None
    grads = dict(zip(params, found[len(wanted) - len(params) :], strict=True))
    for grad in grads.values():
        if grad is not None:
            recorder.mark_gradient(grad)
    return grads, grad_in


def _gradients(starts: list[Any], wanted: list[Any], given: list[Any]) -> Sequence[Any]:
    """The gradients of some leaves; a reentrant checkpoint leaves them with the leaves, which are the trace's own."""
    if not _is_reentrant(starts):
        return torch.autograd.grad(starts, wanted, given or None, allow_unused=True)
    torch.autograd.backward(starts, given or None)
    return [tensor.grad for tensor in wanted]


def _is_reentrant(starts: list[Any]) -> bool:
    """Whether a graph of autograd holds a checkpoint that runs a backward pass of its own."""
    seen, waiting = set(), [tensor.grad_fn for tensor in starts]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if type(node).__name__ == "CheckpointFunctionBackward":
            return True
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
    return False


def _optimise(
    module: nn.Module,
    recorder: Recorder,
    calls: CallRecorder,
    optimizer: str,
    grads: dict[Any, Any],
    cell_of: Mapping[str, int],
) -> None:
    """Step the optimiser, one group of parameters per cell, so that the step of a chain is the sum of its cells'."""
    groups: dict[tuple[int, str], list[Any]] = {}
    for name, param in module.named_parameters():
        if grads.get(param) is not None:
            top = name.split(".")[0]
            groups.setdefault((cell_of[top], top) if top in cell_of else (0, ""), []).append(param)
    recorder.phase = "optimizer"
    for (cell, path), params in groups.items():
        recorder.cell, recorder.module = cell, path
        states = [[torch.empty_like(param) for param in params] for _ in range(STATES_PER_PARAMETER[optimizer])]
        for state in states:
            for tensor in state:
                recorder.give(tensor, "state")
        with torch.no_grad(), recorder, calls:
            step(optimizer, params, [grads[param] for param in params], states)


@contextmanager
def _hooked(module: nn.Module, recorder: Recorder, cell_of: Mapping[str, int]) -> Iterator[None]:
    """Keep the recorder's path and cell current while the module runs."""
    handles = []
    places = Counter(_family(module))
    for path, child in module.named_modules():
        cell = cell_of.get(path.split(".")[0], 0)
        enter, leave = _hooks(path, cell, places[child], recorder)
        handles.append(child.register_forward_pre_hook(enter))
        handles.append(child.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _family(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all below it; one that several share comes once for each."""
    yield module
    for child in module.children():
        yield from _family(child)


def _hooks(path: str, cell: int, places: int, recorder: Recorder) -> tuple[Callable[..., None], Callable[..., None]]:
    def enter(module: nn.Module, args: Any) -> None:
        recorder.enter(path, cell)

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        if recorder.leave():
            recorder.module_calls.append(_module_call(path, cell, places, module, args, output))

    return enter, leave


def _module_call(path: str, cell: int, places: int, module: nn.Module, args: Any, output: Any) -> ModuleCall:
    outputs = [Shape(tensor.shape) for tensor in tensors_in(output)]
    inputs = tuple(Shape(tensor.shape) for tensor in tensors_in(args))
    return ModuleCall(path, cell, module, inputs, outputs[0] if outputs else None, places)


def _filters_last(module: nn.Module) -> None:
    """Filters in NHWC order, as `.to(memory_format=torch.channels_last)` lays them out.

    They are replaced rather than converted: `Module.to` cannot swap the data of symbolic parameters.
    """
    known: dict[int, nn.Parameter] = {}  # shared filters stay shared
    for child in module.modules():
        for name, param in child._parameters.items():
            if param is not None and param.dim() == 4:
                if id(param) not in known:
                    data = torch.empty_like(param, memory_format=torch.channels_last, requires_grad=False)
                    known[id(param)] = nn.Parameter(data, requires_grad=param.requires_grad)
                child._parameters[name] = known[id(param)]


def _channels_last(argument: Any) -> Any:
    """A batch of images in NHWC order; anything else as it is."""
    is_image = isinstance(argument, torch.Tensor) and argument.dim() == 4
    return argument.contiguous(memory_format=torch.channels_last) if is_image else argument


_DATA_WORDS = (
    "item()",
    "meta tensor",
    "meta device type tensor to numpy",
    "unallocated storage",
    "_local_scalar_dense",
    "data-dependent",
    "data-independent",
    "is_nonzero",
    "aten::_unique",
    "aten::unique",
    UNSTATED,
    "aten::equal",
    "aten::bincount",
    "aten::histogram",
    "'lengths' argument should be",
)  # what torch says when somebody looks at the data of a tensor that has none


_WITHOUT_META = re.compile(
    r"(?:The register_meta function for )?(aten::\w+|torch\.\w+)[\w.()]*"
    r"(?:: attempted to run this operator with Meta tensors| raises unimplemented)"
)
_UNSUPPORTED = {
    "SparseTensorImpl": "sparse gradients cannot be traced on meta; expected an embedding with sparse=False",
    "FlexAttention is only supported on": "flex_attention runs on no meta device; expected "
    "scaled_dot_product_attention with the mask or bias that its functions compute",
}  # what torch says of what it has no meta for -> what it is, and what to pass instead


def _asked_in(error: Exception) -> str:
    """The function outside of torch and of the oracle that an error came through last: who looked at data."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    names = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    outside = [i for i, name in enumerate(names) if name.split(".")[0] not in ("torch", "oracle")]
    if not outside:
        return ""
    code = frames[outside[-1]].f_code
    return f" (asked in {code.co_name}, {PurePath(code.co_filename).name})"


def _explained(error: Exception, module: nn.Module, recorder: Recorder) -> TraceError:
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    path = recorder.failure[1] if recorder.failure[0] is error else recorder.module
    where = f"module={type(module).__name__}" + (f" at {path!r}" if path else "")
    for words, expected in _UNSUPPORTED.items():
        if words in text:
            return TraceError(f"{where}: {expected}")
    without_meta = _WITHOUT_META.match(text)
    if any(word in text for word in _DATA_WORDS):
        why = f"what {without_meta[1]} returns follows from values" if without_meta else text
        advice = "profile the parts whose shapes are fixed"
        if UNSTATED in text:
            advice = f"state how many rows such a selection keeps (selected=100, --selected 100), or {advice}"
        return TraceError(
            f"{where}: its forward depends on the data, which a cost from shapes cannot follow: "
            f"{why}{_asked_in(error)}; {advice}"
        )
    if without_meta:
        return TraceError(f"{where}: torch knows no shape rule of {without_meta[1]} on meta")
    return TraceError(f"{where}: {recorder.phase} failed: {type(error).__name__}: {text}")
