"""OpenVINO's benchmark_app with `-json_stats`: the same as its CSV, as JSON."""

from __future__ import annotations

from typing import Any

from oracle.errors import OracleError
from oracle.imports.engines.openvino import Node, of_figures, of_nodes
from oracle.imports.engines.report import Report, number


def knows(content: Any) -> bool:
    """Whether JSON is such a report."""
    return isinstance(content, dict) and ("execution_results" in content or _counters(content) is not None)


def _counters(content: Any) -> Any:
    """The list of nodes: of the average, or of the first request."""
    average = content.get("avg_performance") or content.get("avg_performance_counters")
    detailed = content.get("detailed_performance") or content.get("detailed_performance_counters")
    found = average if average is not None else detailed
    if isinstance(found, list) and found:
        found = found[0]
    return found.get("nodes") if isinstance(found, dict) else None


def read(content: Any, file: str) -> Report:
    """The layers that ran, or the run.

    Raises:
        OracleError: a node without name, type or time.
    """
    if "execution_results" in content:
        parts = [content.get(key) for key in ("cmd_options", "configuration_setup", "execution_results")]
        return of_figures({key: value for part in parts if isinstance(part, dict) for key, value in part.items()}, file)
    found = _counters(content)
    nodes = []
    for index, node in enumerate(found if isinstance(found, list) else ()):
        place = f"{file}: nodes[{index}]"
        if not (isinstance(node, dict) and isinstance(node.get("name"), str)):
            raise OracleError(f"{place}: expected a node with its name, found {node!r:.60}")
        status, kind, primitive = (str(node.get(key, "")) for key in ("status", "node_type", "exec_type"))
        milliseconds = number(node.get("real_time"), place, "real_time")
        nodes.append(Node(node["name"], status, kind, primitive, milliseconds, place))
    return of_nodes(nodes, file)
