"""TensorRT on a CUDA GPU, by its Python package: networks come as ONNX, and engines are built for the GPU at hand."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from oracle.errors import OracleError
from oracle.imports.engines import Layer
from oracle.measure.engines.models import Models, images_of
from oracle.measure.engines.onnx import exported, quantised
from oracle.spec import NetSpec, Workload

_FLAGS = {"float16": "FP16", "bfloat16": "BF16", "int8": "INT8"}
_PLACE = "cuda"  # the current device, which `Place.threaded` sets


class TensorRt:
    """See `oracle.measure.engines.base.Engine`. int8 is explicit: the file's Q/DQ pairs, symmetric, say what is."""

    def session(
        self,
        net: NetSpec,
        workload: Workload,
        threads: int,  # noqa: ARG002 - those of a processor
        models: Models,
        *,
        profiled: bool = False,
    ) -> _Session:
        """See `Engine`: built anew each time, for plans hold for one GPU and one release only."""
        import tensorrt

        if workload.is_quantised:
            path = quantised(net, workload.batch_size, models, symmetric=True)
        else:
            path = exported(net, workload.batch_size, models)
        logger = tensorrt.Logger(tensorrt.Logger.ERROR)
        plan = _plan(tensorrt, logger, path, workload, profiled=profiled)
        engine = tensorrt.Runtime(logger).deserialize_cuda_engine(plan)
        return _Session(tensorrt, engine, images_of(net, workload.batch_size))


def _plan(tensorrt: Any, logger: Any, path: Path, workload: Workload, *, profiled: bool) -> Any:
    """The network of a file as TensorRT has chosen kernels for it.

    Raises:
        OracleError: it does not understand the file, or finds no kernels.
    """
    builder = tensorrt.Builder(logger)
    explicit = getattr(tensorrt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)  # since 10 there is no other
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(path.read_bytes()):
        raise OracleError(f"engine='tensorrt' cannot read {path.name}: {parser.get_error(0).desc()}")
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # which is on by default
    flag = "TF32" if workload.dtype == "tf32" else _FLAGS.get(workload.dtype)
    if flag is not None:
        config.set_flag(getattr(tensorrt.BuilderFlag, flag))
    if profiled:
        config.profiling_verbosity = tensorrt.ProfilingVerbosity.DETAILED
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise OracleError(f"engine='tensorrt' cannot build {path.name} in {workload.dtype}; its log says why")
    return plan


class _Session:
    def __init__(self, tensorrt: Any, engine: Any, images: torch.Tensor) -> None:
        self._tensorrt, self._engine = tensorrt, engine
        self._context = engine.create_execution_context()
        self._tensors: dict[str, torch.Tensor] = {}
        for number in range(engine.num_io_tensors):
            name = engine.get_tensor_name(number)
            if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT:
                tensor = images.to(_PLACE)
            else:
                tensor = torch.empty(tuple(engine.get_tensor_shape(name)), dtype=torch.float32, device=_PLACE)
                self._scores = _Scores(tensor)
            self._tensors[name] = tensor  # the engine has its address only
            self._context.set_tensor_address(name, tensor.data_ptr())

    def __call__(self) -> Any:
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise OracleError("engine='tensorrt' refuses to run; its log says why")
        return self._scores

    def profile(self, repeats: int) -> tuple[Layer, ...]:
        """See `Session`: what TensorRT's profiler reports, which waits for every layer."""
        times: dict[str, list[float]] = defaultdict(list)

        class Profiler(self._tensorrt.IProfiler):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()

            def report_layer_time(self, layer_name: str, ms: float) -> None:
                times[layer_name].append(ms * 1e-3)

        self._context.profiler = Profiler()
        for _ in range(repeats):
            self()
            torch.cuda.synchronize()
        return tuple(Layer(name, "", median(found), "IProfiler") for name, found in times.items())


class _Scores:
    """The scores where the engine writes them, copied when somebody looks."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        found = self._tensor.cpu().numpy()
        return found if dtype is None else found.astype(dtype)
