"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oracle.measure.engines.base import NodeTime
from oracle.measure.engines.models import Models, images_of
from oracle.measure.engines.onnx import INPUT, exported, quantised
from oracle.spec import NetSpec, Workload

__all__ = ["OnnxRuntime"]

_ERRORS_ONLY = 3  # severity of its log


class OnnxRuntime:
    """See `oracle.measure.engines.base.Engine`. int8 is its own static quantiser's."""

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> _Session:
        """See `Engine`: all graph optimisations, one operator at a time, `threads` for each."""
        make = quantised if workload.is_quantised else exported
        path = make(net, workload.batch_size, models)
        return _Session(path, images_of(net, workload.batch_size).numpy(), threads, profiled=profiled)


class _Session:
    def __init__(self, path: Path, images: Any, threads: int, *, profiled: bool) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._path, self._images, self._threads = path, images, threads
        self._folder = TemporaryDirectory() if profiled else None
        if self._folder is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self._folder.name) / "profile")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self) -> Any:
        return self._session.run(None, {INPUT: self._images})[0]

    def profile(self) -> tuple[NodeTime, ...]:
        """See `Session`: the last call in ONNX Runtime's own JSON, which ends with this."""
        self()
        file = Path(self._session.end_profiling())
        return last_run(json.loads(file.read_text(encoding="utf-8")))


def last_run(events: list[dict[str, Any]]) -> tuple[NodeTime, ...]:
    """The nodes of the last call in a profile of ONNX Runtime's."""
    calls: dict[str, list[NodeTime]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            arguments = event.get("args", {})
            name = event["name"].removesuffix("_kernel_time")
            node = NodeTime(name, arguments.get("op_name", ""), event["dur"] * 1e-6)
            calls["all"].append(node)
    nodes = calls["all"]
    if not nodes:
        return ()
    # a call runs every node once, in the same order
    first = nodes[-1].name
    ends = [place for place, node in enumerate(nodes) if node.name == first]
    begin = ends[-2] + 1 if len(ends) > 1 else 0
    return tuple(nodes[begin : ends[-1] + 1])
