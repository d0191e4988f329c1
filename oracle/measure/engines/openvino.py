"""OpenVINO on the CPU."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from oracle.imports.engines import Layer
from oracle.measure.engines.models import Models, images_of, quietly
from oracle.measure.engines.onnx import exported
from oracle.spec import NetSpec, Workload

# What is not quantised stays in float32: on processors with AMX the engine would choose bfloat16 by itself.
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "int8": "f32"}


class OpenVino:
    """See `oracle.measure.engines.base.Engine`. int8 is what NNCF makes of the network."""

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> _Session:
        """See `Engine`: one stream, hinted at latency."""
        import openvino

        path = exported(net, workload.batch_size, models)
        if workload.is_quantised:
            path = models.made(net, workload.batch_size, "int8.xml", partial(_quantise, net, workload.batch_size, path))
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _PRECISIONS[workload.dtype],
            "PERF_COUNT": profiled,
        }
        compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        return _Session(compiled, openvino.Tensor(images_of(net, workload.batch_size).numpy()))


class _Session:
    def __init__(self, compiled: Any, images: Any) -> None:
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(images)

    def __call__(self) -> Any:
        self._request.infer()
        return self._request.get_output_tensor(0).data

    def profile(self, repeats: int) -> tuple[Layer, ...]:
        """See `Session`: OpenVINO's profiling info, without nodes that were optimised away."""
        times: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(repeats):
            self()
            for info in self._request.get_profiling_info():
                if info.status.name == "EXECUTED":
                    times[info.node_name, info.node_type].append(info.real_time.total_seconds())
        return tuple(Layer(name, kind, median(found), "profiling info") for (name, kind), found in times.items())


def _quantise(net: NetSpec, batch_size: int, source: Path, path: Path) -> None:
    """Static: weights in int8 per output channel, activations per tensor; as NNCF treats transformers, for one."""
    import nncf
    import openvino

    images = [images_of(net, batch_size, seed).numpy() for seed in range(2)]
    transformer = any(cell.kind.startswith("vit") for cell in net.cells)
    with quietly():
        model = nncf.quantize(
            openvino.Core().read_model(str(source)),
            nncf.Dataset(images),
            subset_size=len(images),
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            target_device=nncf.TargetDevice.CPU,
            # moves biases towards a float model's accuracy, which random weights do not have
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
        openvino.save_model(model, str(path), compress_to_fp16=False)
