"""torch.profiler's Chrome traces: kernels, the operators that launched them, and the time of both.

A kernel finds its operator by `External id`; where that is missing, by `correlation` with the runtime call,
and the operator around that call. Times are microseconds, whatever `displayTimeUnit` says. The trace holds no
FLOPs: `oracle.imports.replay` counts an operator from its input shapes. Inductor's annotations are taken
where present.
"""

from __future__ import annotations

import json
import math
import reprlib
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle._files import MEBIBYTE, inflated, read_bytes
from oracle.errors import OracleError
from oracle.imports.kernels import Imported, MeasuredKernel
from oracle.imports.replay import OperatorCall

_OPERATORS = ("cpu_op", "operator")
_KERNELS = ("kernel", "gpu_memcpy", "gpu_memset", "cuda_profiler_range", "memcpy", "memset")
_LAUNCHES = ("cuda_runtime", "cuda_driver", "runtime", "driver", "hip_runtime")
_MICRO = 1e-6
_LARGEST = 1024 * MEBIBYTE
_DEEPEST = 3  # a list of tensors, their shapes, the dimensions of each


@dataclass(slots=True)
class _Event:
    """A complete ("X") event."""

    name: str
    start: float
    seconds: float
    thread: tuple[Any, Any]
    args: Mapping[str, Any]
    place: str
    kernels: list[_Event] = field(default_factory=list)


def read_trace(path: str | Path) -> Imported:
    """Kernels and outermost operators of a trace (`.json` or `.json.gz`), old category names included.

    Without kernels (a CPU's trace) the operators carry their own time. `kernels` then is empty.

    Raises:
        OracleError: a file that is no such trace; with file, and the line or event.
    """
    file = str(path)
    content = _load(Path(path), file)
    events = _events(content, file)
    outer, owner = _outermost(events["operators"])
    _attach(events, outer, owner)
    on_device = bool(events["kernels"])
    owners = {id(kernel): event.name for event in outer for kernel in event.kernels}
    device = _device(content)
    kernels = tuple(_measured(kernel, owners.get(id(kernel), ""), device) for kernel in events["kernels"])
    operators = tuple(_call(event, on_device) for event in outer if event.kernels or not on_device)
    return Imported(kernels, operators, None, tuple(_notes(kernels, operators)))


def _load(path: Path, file: str) -> Mapping[str, Any]:
    text = inflated(read_bytes(path, _LARGEST), _LARGEST, file)
    try:
        content = json.loads(text.decode("utf-8-sig", errors="replace"))
    except json.JSONDecodeError as error:
        raise OracleError(f"{file}:{error.lineno}: broken JSON, perhaps cut off: {error.msg}") from None
    except RecursionError:
        raise OracleError(f"{file}: JSON nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise OracleError(f"{file}: broken JSON: {error}") from None
    if isinstance(content, list):  # the other form that Chrome reads
        content = {"traceEvents": content}
    if not (isinstance(content, dict) and isinstance(content.get("traceEvents"), list)):
        raise OracleError(f"{file}: expected a Chrome trace, with a list `traceEvents`")
    return content


def _events(content: Mapping[str, Any], file: str) -> dict[str, list[_Event]]:
    found: dict[str, list[_Event]] = {"operators": [], "kernels": [], "launches": []}
    for index, raw in enumerate(content["traceEvents"]):
        if not isinstance(raw, dict) or raw.get("ph") != "X":
            continue
        category = str(raw.get("cat", "")).lower()
        for kind, categories in (("operators", _OPERATORS), ("kernels", _KERNELS), ("launches", _LAUNCHES)):
            if category in categories:
                found[kind].append(_event(raw, f"{file}: traceEvents[{index}]"))
    if not (found["operators"] or found["kernels"]):
        raise OracleError(f"{file}: expected events of category cpu_op or kernel, found none")
    return found


def _event(raw: Mapping[str, Any], place: str) -> _Event:
    start, duration = (_finite(raw.get(key)) for key in ("ts", "dur"))
    if start is None or duration is None or duration < 0:
        found = ", ".join(f"{key}={reprlib.repr(raw.get(key))}" for key in ("ts", "dur"))
        raise OracleError(f"{place}: {found}: expected microseconds")
    for key in ("name", "pid", "tid"):
        if not isinstance(raw.get(key, ""), str if key == "name" else (str, int, float, type(None))):
            expected = "a text" if key == "name" else "a number or a text"
            raise OracleError(f"{place}: {key}={reprlib.repr(raw[key])}: expected {expected}")
    args = raw.get("args")
    return _Event(
        raw.get("name", ""),
        start,
        duration * _MICRO,
        (raw.get("pid"), raw.get("tid")),
        args if isinstance(args, dict) else {},
        place,
    )


def _finite(value: Any) -> float | None:
    """The number; None for what is none, or is infinite."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _outermost(operators: Iterable[_Event]) -> tuple[list[_Event], dict[int, _Event]]:
    """Operators that no other operator called, by start; and the one around every operator event."""
    outer: list[_Event] = []
    owner: dict[int, _Event] = {}
    threads: dict[Any, list[_Event]] = defaultdict(list)
    for event in operators:
        threads[event.thread].append(event)
    for events in threads.values():
        end, current = -math.inf, None
        for event in sorted(events, key=lambda item: (item.start, -item.seconds)):
            # wrappers such as autograd's evaluate_function are no operators
            if current is None or event.start >= end:
                current = None
                if _registered(event.name):
                    current, end = event, event.start + event.seconds / _MICRO
                    outer.append(event)
            if current is not None:
                owner[id(event)] = current
    return sorted(outer, key=lambda item: item.start), owner


def _registered(name: str) -> bool:
    """Whether a name looks like an operator of some library: `namespace::operator` and nothing else."""
    space, mark, operator = name.partition("::")
    return bool(mark) and space.isidentifier() and operator.isidentifier()


def _attach(events: Mapping[str, Sequence[_Event]], outer: Sequence[_Event], owner: Mapping[int, _Event]) -> None:
    """Hang every kernel on the outermost operator that launched it."""
    by_id = {_number(event, "External id"): owner.get(id(event)) for event in events["operators"]}
    by_correlation = {_number(event, "correlation"): event for event in events["launches"]}
    around: dict[Any, list[_Event]] = defaultdict(list)
    for event in outer:  # by start
        around[event.thread].append(event)
    starts = {thread: [event.start for event in found] for thread, found in around.items()}
    for kernel in events["kernels"]:
        number = _number(kernel, "External id")
        found = by_id.get(number) if number else None
        launch = by_correlation.get(_number(kernel, "correlation"))
        if found is None and launch is not None:
            number = _number(launch, "External id")
            found = (by_id.get(number) if number else None) or _enclosing(
                around.get(launch.thread, []), starts.get(launch.thread, []), launch
            )
        if found is not None:
            found.kernels.append(kernel)


def _enclosing(events: Sequence[_Event], starts: Sequence[float], inner: _Event) -> _Event | None:
    """The event around another; `events` are those of its thread, which follow one another, and their `starts`."""
    place = bisect_right(starts, inner.start) - 1
    if place < 0 or inner.start > events[place].start + events[place].seconds / _MICRO:
        return None
    return events[place]


def _number(event: _Event, key: str) -> int | None:
    value = event.args.get(key, event.args.get(key.lower()))
    try:
        return int(value) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        raise OracleError(f"{event.place}: args[{key!r}]={reprlib.repr(value)}: expected an integer") from None


def _call(event: _Event, on_device: bool) -> OperatorCall:
    seconds = sum(kernel.seconds for kernel in event.kernels) if on_device else event.seconds
    args = event.args
    return OperatorCall(
        event.name,
        _shapes(args.get("Input Dims", args.get("Input dims"))),
        _texts(args.get("Input type")),
        _shapes(args.get("Input Strides")),
        _texts(args.get("Concrete Inputs")),
        seconds,
        event.place,
        tuple(kernel.name for kernel in event.kernels),
    )


def _measured(kernel: _Event, operator: str, device: str) -> MeasuredKernel:
    args = kernel.args
    flops, gigabytes = (_annotation(kernel, key) for key in ("kernel_flop", "kernel_num_gb"))
    missing = [] if flops is not None else [("flops", "a trace counts none; replay the operator's input shapes")]
    notes = []
    moved = None if gigabytes is None else gigabytes * 1e9
    if moved is not None:
        notes.append("bytes are Inductor's count of operands, not a measurement")
    elif "bytes" in args:
        moved = _annotation(kernel, "bytes")
        notes.append("bytes are those copied")
    if moved is None:
        missing.append(("dram_bytes", "a trace counts none"))
    missing += [("l2_bytes", "a trace counts none"), ("l1_bytes", "a trace counts none")]
    return MeasuredKernel(
        name=kernel.name,
        source=kernel.place,
        time_s=kernel.seconds,
        dram_bytes=moved,
        flops=flops,
        operator=operator,
        device=device,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def _annotation(event: _Event, key: str) -> float | None:
    value = event.args.get(key)
    if value is None:
        return None
    number = _finite(value)
    if number is None or number < 0:
        raise OracleError(f"{event.place}: args[{key!r}]={reprlib.repr(value)}: expected a number of at least 0")
    return number


def _shapes(tree: Any, depth: int = _DEEPEST) -> Any:
    """Lists of integers as tuples; nothing where anything else was recorded, which says no shape."""
    found = _frozen(tree, depth)
    return () if found is None else found


def _frozen(tree: Any, depth: int) -> Any:
    if isinstance(tree, int):
        return tree
    if not isinstance(tree, list) or depth == 0:
        return None
    found = tuple(_frozen(item, depth - 1) for item in tree)
    return None if None in found else found


def _texts(items: Any) -> tuple[str, ...]:
    """What a list says of each argument; nothing where it is none."""
    if not isinstance(items, list) or not all(isinstance(item, (str, int, float, list)) for item in items):
        return ()
    return tuple(str(item) for item in items)


def _device(content: Mapping[str, Any]) -> str:
    properties = content.get("deviceProperties")
    first = properties[0] if isinstance(properties, list) and properties else {}
    return str(first.get("name", "")) if isinstance(first, dict) else ""


def _notes(kernels: Sequence[MeasuredKernel], operators: Sequence[OperatorCall]) -> Iterable[str]:
    kinds = Counter(bool(kernel.operator) for kernel in kernels)
    if kinds[False]:
        yield f"{kinds[False]} of {len(kernels)} kernels belong to no operator"
    if not kernels:
        yield "no kernels: a CPU's trace, operators carry their own time"
    if operators and not any(call.dims for call in operators):
        yield "no input shapes: record them with torch.profiler.profile(record_shapes=True)"
