"""torch.profiler's Chrome traces: kernels, the operators that launched them, and the time of both.

A kernel finds its operator by `External id`; where that is missing, by `correlation` with the runtime call,
and the operator around that call. Times are microseconds, whatever `displayTimeUnit` says. The trace holds no
FLOPs: `oracle.imports.replay` counts an operator from its input shapes. Inductor's annotations are taken
where present.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.errors import OracleError
from oracle.imports.kernels import Imported, MeasuredKernel
from oracle.imports.replay import OperatorCall

__all__ = ["read_trace"]

_OPERATORS = ("cpu_op", "operator")
_KERNELS = ("kernel", "gpu_memcpy", "gpu_memset", "cuda_profiler_range", "memcpy", "memset")
_LAUNCHES = ("cuda_runtime", "cuda_driver", "runtime", "driver", "hip_runtime")
_MICRO = 1e-6


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
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        content = json.loads(text.decode("utf-8-sig", errors="replace"))
    except (OSError, EOFError) as error:
        raise OracleError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except json.JSONDecodeError as error:
        raise OracleError(f"{file}:{error.lineno}: broken JSON, perhaps cut off: {error.msg}") from None
    except RecursionError:
        raise OracleError(f"{file}: JSON nested too deeply") from None
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
    numbers = [raw.get("ts"), raw.get("dur")]
    try:
        start, duration = (float(value) for value in numbers)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise OracleError(f"{place}: ts={numbers[0]!r}, dur={numbers[1]!r}: expected microseconds") from None
    if not (math.isfinite(start) and 0 <= duration < math.inf):
        raise OracleError(f"{place}: ts={start!r}, dur={duration!r}: expected microseconds")
    args = raw.get("args")
    thread = (raw.get("pid"), raw.get("tid"))
    return _Event(
        str(raw.get("name", "")),
        start,
        duration * _MICRO,
        thread,
        args if isinstance(args, dict) else {},
        place,
    )


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
    for event in outer:
        around[event.thread].append(event)
    for kernel in events["kernels"]:
        number = _number(kernel, "External id")
        found = by_id.get(number) if number else None
        launch = by_correlation.get(_number(kernel, "correlation"))
        if found is None and launch is not None:
            number = _number(launch, "External id")
            found = (by_id.get(number) if number else None) or _enclosing(around[launch.thread], launch)
        if found is not None:
            found.kernels.append(kernel)


def _enclosing(events: Iterable[_Event], inner: _Event) -> _Event | None:
    return next(
        (event for event in events if event.start <= inner.start <= event.start + event.seconds / _MICRO),
        None,
    )


def _number(event: _Event, key: str) -> int | None:
    value = event.args.get(key, event.args.get(key.lower()))
    try:
        return int(value) if value is not None else None
    except (TypeError, ValueError):
        raise OracleError(f"{event.place}: args[{key!r}]={value!r}: expected an integer") from None


def _call(event: _Event, on_device: bool) -> OperatorCall:
    seconds = sum(kernel.seconds for kernel in event.kernels) if on_device else event.seconds
    args = event.args
    return OperatorCall(
        event.name,
        _frozen(args.get("Input Dims", args.get("Input dims", ()))),
        tuple(str(item) for item in args.get("Input type", ())),
        _frozen(args.get("Input Strides", ())),
        tuple(str(item) for item in args.get("Concrete Inputs", ())),
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
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise OracleError(f"{event.place}: args[{key!r}]={value!r}: expected a number of at least 0")
    return number


def _frozen(tree: Any) -> Any:
    return tuple(_frozen(item) for item in tree) if isinstance(tree, (list, tuple)) else tree


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
