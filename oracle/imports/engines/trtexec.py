"""TensorRT's trtexec: `--exportProfile` (time of each layer) and `--exportTimes` (of each run), both JSON.

Profile: `[{"count": 100}, {"name": "conv1 + relu1", "timeMs": 12.3, "averageMs": 0.123, "medianMs": 0.121,
"percentage": 3.2}, ...]`. Times: `[{"startInMs": ..., "inMs": ..., "computeMs": ..., "outMs": ..., "latencyMs": ...},
...]`; of these `computeMs` is what the GPU computes, without the transfers around it.
"""

from __future__ import annotations

from typing import Any

from oracle.errors import OracleError
from oracle.imports.engines.report import Layer, Report, number, timing_of


def knows(content: Any) -> bool:
    """Whether JSON is one of the two."""
    if not (isinstance(content, list) and content and isinstance(content[-1], dict)):
        return False
    return _is_layer(content[-1]) or "computeMs" in content[-1]


def read(content: Any, file: str) -> Report:
    """The layers or the runs.

    Raises:
        OracleError: an entry of another kind, or a time that is no number.
    """
    if "computeMs" in content[-1]:
        times = [
            number(_entry(item, file, i).get("computeMs"), f"{file}[{i}]", "computeMs")
            for i, item in enumerate(content)
        ]
        note = "latency is the median of computeMs: what the GPU computes, without transfers"
        return Report("tensorrt", timings=(timing_of(times, file),), notes=(note,))
    runs, layers = 0, []
    for index, item in enumerate(content):
        entry, place = _entry(item, file, index), f"{file}[{index}]"
        if "count" in entry and "name" not in entry:
            runs = int(number(entry["count"], place, "count"))
            continue
        key = "medianMs" if "medianMs" in entry else "averageMs"
        name = entry.get("name")
        if not isinstance(name, str):
            raise OracleError(f"{place}: name={name!r:.60}: expected a text")
        layers.append(Layer(name, "", number(entry.get(key), place, key) * 1e-3, place))
    return Report("tensorrt", tuple(layers), notes=(f"times of layers over {runs} runs",) if runs else ())


def _is_layer(entry: Any) -> bool:
    return "name" in entry and ("averageMs" in entry or "medianMs" in entry)


def _entry(item: Any, file: str, index: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise OracleError(f"{file}[{index}]: expected an entry with names, found {item!r:.60}")
    return item
