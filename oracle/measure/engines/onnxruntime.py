"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from oracle.imports.engines import Layer
from oracle.imports.engines.onnxruntime import read
from oracle.measure.engines.models import Models, images_of
from oracle.measure.engines.onnx import INPUT, exported, quantised
from oracle.spec import NetSpec, Workload

_ERRORS_ONLY = 3  # severity of its log


class OnnxRuntime:
    """See `oracle.measure.engines.base.Engine`. int8 is its own static quantiser's."""

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> _Session:
        """See `Engine`: all graph optimisations, one operator at a time, `threads` for each."""
        if net.dtypes or workload.is_quantised:
            path = quantised(net, workload.batch_size, models, workload.dtype)
        else:
            path = exported(net, workload.batch_size, models)
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

    def profile(self, repeats: int) -> tuple[Layer, ...]:
        """See `Session`: from ONNX Runtime's own JSON, to which nothing is added afterwards."""
        for _ in range(repeats):
            self()
        file = Path(self._session.end_profiling())
        return read(json.loads(file.read_text(encoding="utf-8")), file.name).layers
