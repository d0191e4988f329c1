"""ONNX Runtime's profile (`SessionOptions.enable_profiling`): JSON of events, in microseconds.

An event of category Node and name `..._kernel_time` is a node's run, with the shapes of its inputs and outputs; one of
category Session and name `model_run` is a run of the network. The first run of several also allocates: it is left out.
"""

from __future__ import annotations

from collections import defaultdict
from math import prod
from statistics import median
from typing import Any

from oracle.errors import OracleError
from oracle.imports.engines.report import Layer, Report, number, timing_of

_END = "_kernel_time"
_WEIGHT = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "NhwcConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = frozenset(
    "Gemm MatMul FusedMatMul FusedGemm MatMulInteger QLinearMatMul MatMulNBits DynamicQuantizeMatMul".split()
)


def knows(content: Any) -> bool:
    """Whether JSON is such a profile."""
    events = content.get("traceEvents") if isinstance(content, dict) else content
    return isinstance(events, list) and any(
        isinstance(item, dict) and item.get("cat") == "Node" and str(item.get("name", "")).endswith(_END)
        for item in events
    )


def read(content: Any, file: str) -> Report:
    """Each node's median over the runs, in the order of execution; and the runs.

    Raises:
        OracleError: an event without the fields that it must have.
    """
    events = content["traceEvents"] if isinstance(content, dict) else content
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    first: dict[tuple[str, str], tuple[str, int | None, str]] = {}
    runs: list[float] = []
    for index, event in enumerate(events):
        if not isinstance(event, dict) or event.get("ph") != "X":
            continue
        name, place = event.get("name"), f"{file}[{index}]"
        if event.get("cat") == "Session" and name == "model_run":
            runs.append(number(event.get("dur"), place, "dur") * 1e-3)
        if event.get("cat") != "Node" or not (isinstance(name, str) and name.endswith(_END)):
            continue
        given = event.get("args")
        if not isinstance(given, dict):
            raise OracleError(f"{place}: args={given!r:.60}: expected what ran")
        key = name.removesuffix(_END), str(given.get("node_index", ""))
        times[key].append(number(event.get("dur"), place, "dur") * 1e-6)
        kind = str(given.get("op_name", ""))
        first.setdefault(key, (kind, _macs(kind, given), place))
    layers = tuple(
        Layer(key[0], kind, median(times[key][1:] or times[key]), place, macs)
        for key, (kind, macs, place) in first.items()
    )
    warm = runs[1:] or runs
    timings = (timing_of(warm, file),) if warm else ()
    notes = ("a profiled run is slower than one that is not: nodes are timed one by one",)
    return Report("onnxruntime", layers, timings, notes)


def _macs(kind: str, given: dict[str, Any]) -> int | None:
    """Multiply-adds, from the shapes of what goes in and comes out."""
    inputs, outputs = _shapes(given.get("input_type_shape")), _shapes(given.get("output_type_shape"))
    if not inputs or not outputs:
        return None
    place = _WEIGHT.get(kind)
    if place is not None and place < len(inputs):
        return prod(outputs[0]) * prod(inputs[place][1:])
    if kind in _PRODUCTS and inputs[0]:
        return prod(outputs[0]) * inputs[0][-1]
    return None


def _shapes(listed: Any) -> list[list[int]]:
    """`[{"float": [1, 3, 224, 224]}, ...]` without the types; nothing where it is no such list."""
    found = []
    for item in listed if isinstance(listed, list) else ():
        sizes = next(iter(item.values()), None) if isinstance(item, dict) else None
        if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
            return []
        found.append(sizes)
    return found
